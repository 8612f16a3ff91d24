//! The interface that an instance makes for itself: a macvlan or an ipvlan.

use super::Teller;
use crate::base::addr::Family;
use crate::base::name::IfName;
use crate::config::rows::instance::InstanceDraft;

/// An interface of its own is a macvlan or an ipvlan.
fn ipvlan(draft: &mut InstanceDraft, tell: &mut Teller<'_>) {
    let instance = &mut draft.instance;
    let Some(ipvlan) = &instance.ipvlan else {
        return;
    };
    let lacks_address = ipvlan.address.is_none();
    if instance.vmac.is_some() {
        tell.error(
            "use_ipvlan",
            format_args!("use_vmac and use_ipvlan exclude each other - ignoring use_ipvlan"),
            "an instance has one interface of its own",
        );
        instance.ipvlan = None;
        return;
    }
    if instance.params.family == Family::V4 && lacks_address {
        tell.warn(
            "use_ipvlan",
            format_args!(
                "IPv4 ipvlan requires a source ip address to be configured. setting instance to fault state"
            ),
        );
    }
    if instance.promote_secondaries {
        tell.warn(
            "promote_secondaries",
            format_args!("promote_secondaries is automatically set for ipvlans - ignoring"),
        );
        instance.promote_secondaries = false;
    }
}

/// A macvlan, an ipvlan or neither, and what goes only with one of them.
pub(super) fn settle(draft: &mut InstanceDraft, tell: &mut Teller<'_>) {
    ipvlan(draft, tell);
    let instance = &mut draft.instance;
    let unicast = instance.unicast();
    let settings = &mut *instance.settings;
    match &mut settings.vmac {
        Some(vmac) => {
            if let (true, Some(mac)) = (draft.mac_lacks_vrid, &mut vmac.mac) {
                let [a, b, c, d, e, _] = mac.0;
                mac.0 = [a, b, c, d, e, instance.params.vrid];
            }
            if unicast && !settings.vmac_xmit_base {
                tell.warn(
                    "use_vmac",
                    format_args!("unicast with use_vmac requires vmac_xmit_base - setting"),
                );
                settings.vmac_xmit_base = true;
            }
            if settings.promote_secondaries {
                tell.warn(
                    "promote_secondaries",
                    format_args!("promote_secondaries is automatically set for vmacs - ignoring"),
                );
                settings.promote_secondaries = false;
            }
        }
        None if settings.vmac_xmit_base => {
            tell.warn("vmac_xmit_base", format_args!("vmac_xmit_base is only valid with a vmac"));
            settings.vmac_xmit_base = false;
        }
        None => {}
    }
    if settings.vmac.is_some() || settings.use_vmac_addr {
        let (family, home) = (instance.params.family, instance.interface.as_ref().map(|named| &named.name));
        let same_link = |dev: Option<&IfName>| dev.is_none_or(|dev| Some(dev) == home);
        for address in instance.addresses.iter_mut().chain(settings.excluded.iter_mut()) {
            // Elsewhere, or of the other family, an address has use for a macvlan beside that of the instance.
            let at_home = same_link(address.dev.as_ref().map(|named| &named.name))
                && Family::of(&address.prefix.addr) == family;
            let redundant = if at_home { settings.vmac.is_some() } else { settings.use_vmac_addr };
            if address.use_vmac && redundant {
                let message = format_args!(
                    "use_vmac of address {} is redundant with that of the instance",
                    address.prefix
                );
                tell.warn("virtual_ipaddress", message);
                address.use_vmac = false;
            }
        }
    }
}
