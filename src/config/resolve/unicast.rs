//! Unicast or multicast, and what goes only with one of them.

use super::Teller;
use crate::base::addr::{Family, IpAddr};
use crate::config::model::global::Vrrp;
use crate::config::model::instance::OldChecksum;
use crate::config::rows::instance::InstanceDraft;

/// An instance marked unicast needs peers; one with peers has no multicast destination of its own.
pub(super) fn settle(draft: &mut InstanceDraft, vrrp: &Vrrp, tell: &mut Teller<'_>) {
    peers(draft, tell);
    draft.instance.group = match (draft.group, draft.instance.params.family) {
        (Some((group, _)), _) => group,
        (None, Family::V4) => IpAddr::V4(vrrp.group4),
        (None, Family::V6) => IpAddr::V6(vrrp.group6),
    };
}

fn peers(draft: &mut InstanceDraft, tell: &mut Teller<'_>) {
    // An empty block says unicast as well.
    let marked = draft.unicast.is_some() || tell.given.at("unicast_peer").is_some();
    let instance = &mut draft.instance;
    if instance.unicast() {
        instance.fault_no_peer = false;
        if draft.group.take().is_some() {
            tell.idle(
                "mcast_dst_ip",
                format_args!("multicast destination specified with unicast - ignoring"),
                "adverts go to the peers only",
            );
        }
        return;
    }
    if instance.unicast_ttl.take().is_some() {
        tell.warn("unicast_ttl", format_args!("Cannot use unicast_ttl without unicast peers - resetting"));
    }
    instance.old_unicast_checksum = OldChecksum::Detect;
    if !marked {
        instance.fault_no_peer = false;
        return;
    }
    if instance.fault_no_peer {
        draft.group = None;
        tell.warn(
            "unicast_fault_no_peer",
            format_args!("unicast without peers - the instance stays in fault"),
        );
        return;
    }
    let message = format_args!(
        "A unicast keyword has been specified without any unicast peers. Defaulting to multicast. \
         This usage is deprecated - please update your configuration."
    );
    if tell.given.at("unicast_peer").is_some() {
        // A router that spoke to its peers must not turn away from them by a reload.
        let remedy = "write the addresses of the other routers, one a line, or remove the block";
        return tell.error("unicast_peer", message, remedy);
    }
    let keyword = ["unicast_src_ip", "check_unicast_src", "old_unicast_checksum"];
    let keyword = keyword.into_iter().find(|keyword| tell.given.at(keyword).is_some()).unwrap_or("");
    tell.warn(keyword, message);
}
