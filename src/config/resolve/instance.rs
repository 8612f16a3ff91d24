//! What one instance needs and what excludes what.

use super::{Teller, strict, track, unicast};
use crate::base::addr::{Family, IpAddr};
use crate::base::limit;
use crate::base::time::Span;
use crate::config::assemble::Names;
use crate::config::diag::Diagnostics;
use crate::config::keyword::Given;
use crate::config::model::hmac::HmacMode;
use crate::config::model::{Hmac, Instance, Model};
use crate::config::rows::instance::{AuthType, Draft};
use crate::config::value::Seconds;
use crate::proto::vrrp::{Auth, Start, Version};

/// Completes an instance; none if it cannot run.
pub(super) fn complete(
    mut draft: Draft,
    given: &Given,
    model: &Model,
    names: &Names,
    found: &mut Diagnostics,
) -> Option<Instance> {
    let name = draft.instance.name.clone();
    let mut tell = Teller {
        name: &name,
        at: draft.instance.at.0,
        given,
        found,
    };
    family_and_version(&mut draft, model, &mut tell);
    let mut runs = required(&mut draft, model, &mut tell);
    priority_and_state(&mut draft, &mut tell);
    garp(&mut draft, model);
    unicast::settle(&mut draft, &model.global.vrrp, &mut tell);
    authentication(&mut draft, &mut tell);
    strict::apply(&mut draft, model, &mut tell);
    interval(&mut draft.instance, &mut tell);
    runs &= addresses(&mut draft, &mut tell);
    vmac(&mut draft, &mut tell);
    track::of_instance(&mut draft, model, names, &mut tell);
    hmac(&mut draft, &mut tell);
    draft.instance.notify_priority_changes = draft
        .notify_priority_changes
        .unwrap_or(model.global.vrrp.notify_priority_changes);
    let mail = &model.global.mail;
    draft.instance.smtp_alert = draft
        .smtp_alert
        .or(mail.alert_vrrp)
        .or(mail.alert)
        .unwrap_or(false);
    runs.then_some(draft.instance)
}

fn family_and_version(draft: &mut Draft, model: &Model, tell: &mut Teller<'_>) {
    let family = draft.family.unwrap_or_default();
    let vrrp = &model.global.vrrp;
    let params = &mut draft.instance.params;
    params.family = family;
    params.version = match (family, draft.version) {
        (Family::V4, given) => given.or(vrrp.version).unwrap_or_default(),
        (Family::V6, Some(Version::V2)) => {
            tell.warn("version", "IPv6 needs VRRP version 3 - setting version 3");
            Version::V3
        }
        (Family::V6, _) => Version::V3,
    };
}

/// What keepalived refuses to run without.
fn required(draft: &mut Draft, _model: &Model, tell: &mut Teller<'_>) -> bool {
    let mut runs = true;
    let instance = &mut draft.instance;
    if instance.params.vrid == 0 {
        tell.fatal(
            "virtual_router_id",
            "the virtual router id must be set",
            "write virtual_router_id and a number from 1 to 255",
        );
        runs = false;
    }
    if instance.interface.is_some() {
        if instance.vrf.take().is_some() {
            tell.error(
                "vrf",
                "vrf is only valid without interface - ignoring",
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
        tell.fatal(
            "interface",
            "Unknown interface!",
            "write interface and a name; only unicast with a source address can do without",
        );
        return false;
    }
    if instance.vmac.take().is_some() | instance.ipvlan.take().is_some() {
        tell.warn(
            "use_vmac",
            "Cannot use VMAC/ipvlan with unicast and no interface - clearing use_vmac",
        );
    }
    for list in [&mut instance.addresses, &mut instance.excluded] {
        list.retain(|address| {
            if address.dev.is_none() {
                let message = format!("No interface for address {} - removing", address.prefix);
                tell.error(
                    "virtual_ipaddress",
                    &message,
                    "write dev and an interface after the address",
                );
            }
            address.dev.is_some()
        });
    }
    runs
}

fn priority_and_state(draft: &mut Draft, tell: &mut Teller<'_>) {
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
            "nopreempt is incompatible with priority 255. resetting nopreempt",
        );
        instance.params.preempt = true;
    }
    if start == Start::Master {
        if !instance.params.preempt {
            tell.warn(
                "nopreempt",
                "Warning - nopreempt will not work with initial state MASTER - clearing",
            );
            instance.params.preempt = true;
        }
        if !instance.params.preempt_delay.is_zero() {
            tell.warn(
                "preempt_delay",
                "Warning - preempt delay will not work with initial state MASTER - clearing",
            );
            instance.params.preempt_delay = Span::ZERO;
        }
    }
    if !instance.params.preempt && !instance.params.preempt_delay.is_zero() {
        tell.warn(
            "preempt_delay",
            "preempt_delay is incompatible with nopreempt mode - resetting",
        );
        instance.params.preempt_delay = Span::ZERO;
    }
    if instance.params.preempt && instance.timer_expired_backup.take().is_some() {
        tell.warn(
            "timer_expired_backup",
            "timer_expired_backup requires nopreempt - clearing",
        );
    }
}

fn garp(draft: &mut Draft, model: &Model) {
    let vrrp = &model.global.vrrp;
    let garp = &mut draft.instance.params.garp;
    garp.lower_prio_repeat = draft
        .lower_prio_repeat
        .or(vrrp.garp_lower_prio_repeat)
        .unwrap_or(garp.repeat);
    garp.lower_prio_delay = draft
        .lower_prio_delay
        .or(vrrp.garp_lower_prio_delay)
        .unwrap_or(garp.delay);
}

fn authentication(draft: &mut Draft, tell: &mut Teller<'_>) {
    let instance = &mut draft.instance;
    let Some(kind) = draft.auth_type else {
        if instance.auth_pass.take().is_some() {
            tell.error(
                "auth_pass",
                "auth_pass without auth_type - ignoring",
                "write auth_type PASS",
            );
        }
        return;
    };
    let refused = if instance.params.version != Version::V2 {
        Some("VRRP version 3 does not support authentication. Ignoring.")
    } else if instance.strict {
        Some("Strict mode does not support authentication. Ignoring.")
    } else if instance.auth_pass.as_ref().is_none_or(String::is_empty) {
        Some("Authentication specified but no password given. Ignoring")
    } else {
        None
    };
    if let Some(message) = refused {
        tell.error("auth_type", message, "remove the authentication block");
        instance.auth_pass = None;
        return;
    }
    if kind == AuthType::Header {
        instance.auth_header = true;
        if instance.params.start == Start::Master && instance.params.priority != 255 {
            tell.warn(
                "state",
                "Initial state master is incompatible with AH authentication - clearing",
            );
            instance.params.start = Start::Backup;
        }
        return;
    }
    let mut octets = [0; 8];
    for (octet, byte) in octets
        .iter_mut()
        .zip(instance.auth_pass.iter().flat_map(|pass| pass.bytes()))
    {
        *octet = byte;
    }
    instance.params.auth = Auth::Pass(octets);
}

/// Version 2 has whole seconds, version 3 hundredths up to 40.95 s.
fn interval(instance: &mut Instance, tell: &mut Teller<'_>) {
    const MOST: Span = Span::from_centis(4_095);
    let given = instance.params.advert_interval;
    let step = if instance.params.version == Version::V2 {
        1_000_000
    } else {
        10_000
    };
    let half = given + Span::from_micros(step / 2);
    let steps = half.as_micros().checked_div(step).unwrap_or(1).max(1);
    let rounded = Span::from_micros(step) * steps;
    if instance.params.version == Version::V2 {
        if rounded != given {
            let message = format!("VRRPv2 advertisement interval {given}s must be an integer. rounding");
            tell.warn("advert_int", &message);
        }
        instance.params.advert_interval = rounded;
        return;
    }
    if rounded > MOST {
        let message = format!(
            "VRRPv3 advertisement interval {}s is out of range. Must be less than 40.96s. Setting to 40.95s",
            Seconds(given)
        );
        tell.warn("advert_int", &message);
    } else if rounded != given {
        let message = format!("VRRPv3 advertisement interval {given}s must be in units of 10ms - rounding");
        tell.warn("advert_int", &message);
    }
    instance.params.advert_interval = rounded.min(MOST);
}

/// Whether it can run with the addresses that it has.
fn addresses(draft: &mut Draft, tell: &mut Teller<'_>) -> bool {
    let instance = &mut draft.instance;
    if instance.addresses.len() > limit::ADVERT_ADDRESSES {
        let message = format!(
            "Number of VIPs {} exceeds {} - moving the rest to virtual_ipaddress_excluded",
            instance.addresses.len(),
            limit::ADVERT_ADDRESSES
        );
        tell.warn("virtual_ipaddress", &message);
        let rest = instance.addresses.split_off(limit::ADVERT_ADDRESSES);
        instance.excluded.splice(0..0, rest);
    }
    let strict = instance.strict;
    if let (Family::V6, Some(first)) = (instance.params.family, instance.addresses.first()) {
        let local = matches!(first.prefix.addr, IpAddr::V6(addr) if addr.is_unicast_link_local());
        match (local, strict) {
            (true, _) => {}
            (false, true) => tell.warn(
                "virtual_ipaddress",
                "the first IPv6 VIP address must be link local",
            ),
            (false, false) => tell.note(
                "virtual_ipaddress",
                "the first IPv6 VIP address should be link local",
            ),
        }
    }
    if !instance.addresses.is_empty() || (instance.no_addresses && !strict) {
        return true;
    }
    if strict || instance.params.version == Version::V3 {
        tell.fatal(
            "virtual_ipaddress",
            "No VIP specified; at least one is required",
            "write virtual_ipaddress { <ip> }, or no_virtual_ipaddress outside strict mode",
        );
        return false;
    }
    tell.warn("virtual_ipaddress", "No VIP specified; at least one is sensible");
    true
}

/// `auth_hmac` needs its active key, and replaces the older authentication.
fn hmac(draft: &mut Draft, tell: &mut Teller<'_>) {
    if tell.given.at("auth_hmac").is_none() {
        return;
    }
    let read = core::mem::take(&mut draft.hmac);
    let active = read
        .active
        .filter(|active| read.keys.iter().any(|key| key.id == *active));
    let Some(active) = active else {
        let message = match read.active {
            Some(id) => format!("auth_hmac active_key {id} is not defined - removing auth_hmac"),
            None => "auth_hmac has no active_key - removing auth_hmac".to_owned(),
        };
        return tell.error(
            "auth_hmac",
            &message,
            "write active_key and the id of one of its keys",
        );
    };
    let instance = &mut draft.instance;
    if instance.auth_pass.take().is_some() {
        tell.error(
            "authentication",
            "authentication and auth_hmac exclude each other - removing authentication",
            "auth_hmac protects adverts of every version",
        );
        instance.auth_header = false;
        instance.params.auth = Auth::None;
    }
    let mut mode = read.mode;
    if instance.strict && mode != HmacMode::Enforce {
        tell.warn("mode", "strict mode requires auth_hmac mode enforce - setting");
        mode = HmacMode::Enforce;
    }
    let (least, most) = (Span::from_secs(5), Span::from_secs(300));
    let usual = (instance.params.advert_interval * 3).clamp(least, most);
    // Whole seconds, as they are written.
    let usual = Span::from_secs(usual.as_micros().div_ceil(1_000_000));
    instance.hmac = Some(Hmac {
        keys: read.keys,
        active,
        window: read.window.unwrap_or(usual),
        replay: read.replay,
        mode,
    });
}

/// An interface of its own is a macvlan or an ipvlan.
fn ipvlan(draft: &mut Draft, tell: &mut Teller<'_>) {
    let instance = &mut draft.instance;
    let Some(ipvlan) = &mut instance.ipvlan else {
        return;
    };
    if instance.vmac.is_some() {
        tell.error(
            "use_ipvlan",
            "use_vmac and use_ipvlan exclude each other - ignoring use_ipvlan",
            "an instance has one interface of its own",
        );
        instance.ipvlan = None;
        return;
    }
    if instance.params.family == Family::V4 && ipvlan.address.is_none() && instance.source.is_none() {
        tell.warn(
            "use_ipvlan",
            "IPv4 ipvlan requires a source ip address to be configured. setting instance to fault state",
        );
    }
    if instance.promote_secondaries {
        tell.warn(
            "promote_secondaries",
            "promote_secondaries is automatically set for ipvlans - ignoring",
        );
        instance.promote_secondaries = false;
    }
}

fn vmac(draft: &mut Draft, tell: &mut Teller<'_>) {
    ipvlan(draft, tell);
    let instance = &mut draft.instance;
    let unicast = instance.unicast();
    match &mut instance.vmac {
        Some(vmac) => {
            if let (true, Some(mac)) = (draft.mac_lacks_vrid, &mut vmac.mac) {
                let [a, b, c, d, e, _] = mac.0;
                mac.0 = [a, b, c, d, e, instance.params.vrid];
            }
            if unicast && !instance.vmac_xmit_base {
                tell.warn(
                    "use_vmac",
                    "unicast with use_vmac requires vmac_xmit_base - setting",
                );
                instance.vmac_xmit_base = true;
            }
            if instance.promote_secondaries {
                tell.warn(
                    "promote_secondaries",
                    "promote_secondaries is automatically set for vmacs - ignoring",
                );
                instance.promote_secondaries = false;
            }
        }
        None if instance.vmac_xmit_base => {
            tell.warn("vmac_xmit_base", "vmac_xmit_base is only valid with a vmac");
            instance.vmac_xmit_base = false;
        }
        None => {}
    }
    if instance.vmac.is_some() || instance.use_vmac_addr {
        for address in instance.addresses.iter_mut().chain(&mut instance.excluded) {
            if address.use_vmac {
                let message = format!(
                    "use_vmac of address {} is redundant with that of the instance",
                    address.prefix
                );
                tell.warn("virtual_ipaddress", &message);
                address.use_vmac = false;
            }
        }
    }
}
