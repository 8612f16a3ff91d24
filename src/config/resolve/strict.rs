//! Strict mode: what the RFC does not know is turned off. Also what depends on strictness otherwise.

use super::Teller;
use crate::base::time::Span;
use crate::config::model::Model;
use crate::config::rows::instance::InstanceDraft;
use crate::proto::vrrp::{Start, Version};

/// Applies strict mode if it is on, and the defaults that depend on it.
pub(super) fn apply(draft: &mut InstanceDraft, model: &Model, tell: &mut Teller<'_>) {
    let vrrp = &model.global.vrrp;
    let owner = draft.instance.params.priority == 255;
    let ignore = draft.owner_ignore_adverts.or(vrrp.owner_ignore_adverts);
    if !draft.instance.strict {
        let instance = &mut draft.instance;
        instance.params.lower_prio_no_advert =
            draft.lower_prio_no_advert.or(vrrp.lower_prio_no_advert).unwrap_or(false);
        instance.accept = draft.accept.unwrap_or(true);
        instance.params.owner_ignore_adverts = match (ignore, owner) {
            (Some(true), false) if draft.owner_ignore_adverts.is_some() => {
                tell.warn(
                    "owner_ignore_adverts",
                    format_args!("owner_ignore_adverts requires priority 255 - clearing"),
                );
                false
            }
            (Some(false), true) if draft.owner_ignore_adverts.is_some() => {
                tell.warn(
                    "owner_ignore_adverts",
                    format_args!("owner_ignore_adverts off is incompatible with priority 255 - setting"),
                );
                true
            }
            (ignore, owner) => owner && ignore.unwrap_or(false),
        };
        return;
    }
    let instance = &mut draft.instance;
    instance.params.owner_ignore_adverts = owner;
    if owner != (instance.params.start == Start::Master) {
        tell.warn("state", format_args!("State MASTER must match being address owner"));
        instance.params.start = if owner { Start::Master } else { Start::Backup };
    }
    if !instance.params.preempt_delay.is_zero() {
        tell.warn(
            "preempt_delay",
            format_args!("preempt_delay is incompatible with strict mode - resetting"),
        );
        instance.params.preempt_delay = Span::ZERO;
    }
    if instance.params.down_timer_adverts != 3 {
        tell.warn(
            "down_timer_adverts",
            format_args!("down_timer_adverts is incompatible with strict mode - resetting"),
        );
        instance.params.down_timer_adverts = 3;
    }
    let garp = &mut instance.params.garp;
    if draft.lower_prio_repeat.is_some_and(|repeat| repeat != 0) {
        tell.warn("garp_lower_prio_repeat", format_args!("Strict mode requires no repeat garps. resetting"));
    }
    if draft.lower_prio_delay.is_some_and(|delay| !delay.is_zero()) {
        tell.warn(
            "garp_lower_prio_delay",
            format_args!("Strict mode requires no repeat garp delay. resetting"),
        );
    }
    garp.lower_prio_repeat = 0;
    garp.lower_prio_delay = Span::ZERO;
    if draft.lower_prio_no_advert == Some(false) {
        tell.warn(
            "lower_prio_no_advert",
            format_args!("Strict mode requires no lower priority advert. resetting"),
        );
    }
    instance.params.lower_prio_no_advert = true;
    if instance.params.higher_prio_send_advert && tell.is_given("higher_prio_send_advert") {
        tell.warn(
            "higher_prio_send_advert",
            format_args!("strict mode requires higher_prio_send_advert to be clear. resetting"),
        );
    }
    instance.params.higher_prio_send_advert = false;
    if instance.vmac_xmit_base && !instance.unicast() {
        tell.warn("vmac_xmit_base", format_args!("xmit_base is incompatible with strict mode - resetting"));
        instance.vmac_xmit_base = false;
    }
    if let Some(vmac) = &mut instance.vmac
        && vmac.mac.take().is_some()
    {
        tell.warn("use_vmac", format_args!("a VMAC address is incompatible with strict mode - clearing"));
    }
    if instance.no_addresses {
        tell.warn(
            "no_virtual_ipaddress",
            format_args!("no_virtual_ipaddress is incompatible with strict mode - clearing"),
        );
        instance.no_addresses = false;
    }
    instance.accept = match draft.accept {
        Some(true) if !owner && instance.params.version == Version::V2 => {
            tell.warn(
                "accept",
                format_args!("Strict mode requires accept to be clear below priority 255 - clearing"),
            );
            false
        }
        accept => accept.unwrap_or(owner),
    };
}
