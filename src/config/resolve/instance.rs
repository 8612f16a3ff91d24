//! What one instance needs and what excludes what.

use super::{Teller, auth, link, strict, track, unicast};
use crate::base::addr::{Family, IpAddr};
use crate::base::limit;
use crate::base::time::Span;
use crate::config::diag::Diagnostics;
use crate::config::keyword::Given;
use crate::config::model::{Instance, Model};
use crate::config::names::Names;
use crate::config::rows::instance::InstanceDraft;
use crate::config::value::Seconds;
use crate::proto::vrrp::{Start, Version};

/// Completes an instance; none if it cannot run.
pub(super) fn complete(
    mut draft: InstanceDraft,
    given: &Given,
    model: &Model,
    names: &Names,
    found: &mut Diagnostics,
) -> Option<Instance> {
    let name = draft.instance.name.clone();
    let mut tell = Teller { name: &name, at: draft.instance.at.0, given, found };
    family_and_version(&mut draft, model, &mut tell);
    let mut runs = required(&mut draft, model, &mut tell);
    let nopreempt = !draft.instance.params.preempt;
    priority_and_state(&mut draft, &mut tell);
    garp(&mut draft, model);
    unicast::settle(&mut draft, &model.global.vrrp, &mut tell);
    auth::password(&mut draft, &mut tell);
    strict::apply(&mut draft, model, &mut tell);
    interval(&mut draft.instance, &mut tell);
    runs &= addresses(&mut draft, &mut tell);
    link::settle(&mut draft, &mut tell);
    track::of_instance(&mut draft, model, names, &mut tell);
    auth::hmac(&mut draft, &mut tell);
    draft.instance.notify_priority_changes =
        draft.notify_priority_changes.unwrap_or(model.global.vrrp.notify_priority_changes);
    if nopreempt && draft.instance.params.start == Start::Master {
        draft.instance.nopreempt_gave_way = true;
    }
    let mail = &model.global.mail;
    draft.instance.smtp_alert = draft.smtp_alert.or(mail.alert_vrrp).or(mail.alert).unwrap_or(false);
    // Thousands of instances stay: nothing that growing took too much.
    draft.instance.addresses.shrink_to_fit();
    runs.then_some(draft.instance)
}

fn family_and_version(draft: &mut InstanceDraft, model: &Model, tell: &mut Teller<'_>) {
    let family = draft.family.unwrap_or_default();
    let vrrp = &model.global.vrrp;
    let params = &mut draft.instance.params;
    params.family = family;
    params.version = match (family, draft.version) {
        (Family::V4, given) => given.or(vrrp.version).unwrap_or_default(),
        (Family::V6, Some(Version::V2)) => {
            tell.warn("version", format_args!("IPv6 needs VRRP version 3 - setting version 3"));
            Version::V3
        }
        (Family::V6, _) => Version::V3,
    };
}

/// What keepalived refuses to run without.
fn required(draft: &mut InstanceDraft, _model: &Model, tell: &mut Teller<'_>) -> bool {
    let mut runs = true;
    let instance = &mut draft.instance;
    if instance.params.vrid == 0 {
        tell.lacking(
            "virtual_router_id",
            format_args!("the virtual router id must be set"),
            "write virtual_router_id and a number from 1 to 255",
        );
        runs = false;
    }
    if instance.interface.is_some() {
        if instance.vrf.take().is_some() {
            tell.idle(
                "vrf",
                format_args!("vrf is only valid without interface - ignoring"),
                "the interface has its own VRF",
            );
        }
        return runs;
    }
    let routable = match instance.source {
        Some(IpAddr::V6(addr)) => !addr.is_unicast_link_local(),
        Some(IpAddr::V4(_)) => true,
        None => false,
    };
    if instance.peers.is_empty() || !routable {
        tell.lacking(
            "interface",
            format_args!("Unknown interface!"),
            "write interface and a name; only unicast with a source address can do without",
        );
        return false;
    }
    if instance.vmac.take().is_some() | instance.ipvlan.take().is_some() {
        tell.warn(
            "use_vmac",
            format_args!("Cannot use VMAC/ipvlan with unicast and no interface - clearing use_vmac"),
        );
    }
    for list in [&mut instance.addresses, &mut instance.settings.excluded] {
        list.retain(|address| {
            if address.dev.is_none() {
                let message = format_args!("No interface for address {} - removing", address.prefix);
                tell.error("virtual_ipaddress", message, "write dev and an interface after the address");
            }
            address.dev.is_some()
        });
    }
    runs
}

fn priority_and_state(draft: &mut InstanceDraft, tell: &mut Teller<'_>) {
    let (priority, start) = match (draft.priority, draft.state) {
        (None, Some(Start::Master)) => (255, Start::Master),
        (Some(255), None) => (255, Start::Master),
        (priority, state) => (priority.unwrap_or(100), state.unwrap_or_default()),
    };
    let owner = priority == 255;
    let instance = &mut draft.instance;
    instance.params.priority = priority;
    instance.params.start = start;
    if owner && !instance.params.preempt {
        tell.warn(
            "nopreempt",
            format_args!("nopreempt is incompatible with priority 255. resetting nopreempt"),
        );
        instance.params.preempt = true;
    }
    if start == Start::Master {
        if !instance.params.preempt {
            tell.warn(
                "nopreempt",
                format_args!("Warning - nopreempt will not work with initial state MASTER - clearing"),
            );
            instance.params.preempt = true;
        }
        if !instance.params.preempt_delay.is_zero() {
            tell.warn(
                "preempt_delay",
                format_args!("Warning - preempt delay will not work with initial state MASTER - clearing"),
            );
            instance.params.preempt_delay = Span::ZERO;
        }
    }
    if !instance.params.preempt && !instance.params.preempt_delay.is_zero() {
        tell.warn(
            "preempt_delay",
            format_args!("preempt_delay is incompatible with nopreempt mode - resetting"),
        );
        instance.params.preempt_delay = Span::ZERO;
    }
    if instance.params.preempt && instance.params.timer_expired_backup.take().is_some() {
        tell.warn("timer_expired_backup", format_args!("timer_expired_backup requires nopreempt - clearing"));
    }
}

fn garp(draft: &mut InstanceDraft, model: &Model) {
    let vrrp = &model.global.vrrp;
    let garp = &mut draft.instance.params.garp;
    garp.lower_prio_repeat =
        draft.lower_prio_repeat.or(vrrp.garp_lower_prio_repeat).unwrap_or(vrrp.garp.repeat);
    garp.lower_prio_delay = draft.lower_prio_delay.or(vrrp.garp_lower_prio_delay).unwrap_or(vrrp.garp.delay);
}

/// Version 2 has whole seconds, version 3 hundredths up to 40.95 s.
fn interval(instance: &mut Instance, tell: &mut Teller<'_>) {
    const MOST: Span = Span::from_centis(4_095);
    let given = instance.params.advert_interval;
    let step = if instance.params.version == Version::V2 { 1_000_000 } else { 10_000 };
    let half = given + Span::from_micros(step / 2);
    let steps = half.as_micros().checked_div(step).unwrap_or(1).max(1);
    let rounded = Span::from_micros(step) * steps;
    if instance.params.version == Version::V2 {
        if instance.params.max_learned_interval.is_some() {
            tell.note(
                "max_learned_interval",
                format_args!("max_learned_interval has no effect in version 2: nothing is learned"),
            );
        }
        if rounded != given {
            let message = format_args!("VRRPv2 advertisement interval {given}s must be an integer. rounding");
            tell.warn("advert_int", message);
        }
        instance.params.advert_interval = rounded;
        return;
    }
    if rounded > MOST {
        let message = format_args!(
            "VRRPv3 advertisement interval {}s is out of range. Must be less than 40.96s. Setting to 40.95s",
            Seconds(given)
        );
        tell.warn("advert_int", message);
    } else if rounded != given {
        let message =
            format_args!("VRRPv3 advertisement interval {given}s must be in units of 10ms - rounding");
        tell.warn("advert_int", message);
    }
    instance.params.advert_interval = rounded.min(MOST);
}

/// Whether it can run with the addresses that it has.
fn addresses(draft: &mut InstanceDraft, tell: &mut Teller<'_>) -> bool {
    let instance = &mut draft.instance;
    if instance.addresses.len() > limit::ADVERT_ADDRESSES {
        let message = instance.overfull(limit::ADVERT_ADDRESSES);
        tell.warn("virtual_ipaddress", format_args!("{message}"));
        let rest = instance.addresses.split_off(limit::ADVERT_ADDRESSES);
        instance.settings.excluded.splice(0..0, rest);
    }
    let strict = instance.strict;
    if let (Family::V6, Some(first)) = (instance.params.family, instance.addresses.first()) {
        let local = matches!(first.prefix.addr, IpAddr::V6(addr) if addr.is_unicast_link_local());
        match (local, strict) {
            (true, _) => {}
            (false, true) => {
                tell.warn("virtual_ipaddress", format_args!("the first IPv6 VIP address must be link local"))
            }
            (false, false) => tell
                .note("virtual_ipaddress", format_args!("the first IPv6 VIP address should be link local")),
        }
    }
    if !instance.addresses.is_empty() || (instance.no_addresses && !strict) {
        return true;
    }
    if strict || instance.params.version == Version::V3 {
        tell.lacking(
            "virtual_ipaddress",
            format_args!("No VIP specified; at least one is required"),
            "write virtual_ipaddress { <ip> }, or no_virtual_ipaddress outside strict mode",
        );
        return false;
    }
    if tell.given.spoilt("virtual_ipaddress").is_none() {
        tell.warn("virtual_ipaddress", format_args!("No VIP specified; at least one is sensible"));
    }
    true
}
