//! Who becomes master, and what the trackers can change about it.

use super::places::named;
use super::{Input, Report};
use crate::config::diag::Mark;
use crate::config::model::Instance;
use crate::proto::track::Weight;
use crate::proto::vrrp::Start;
use crate::proto::vrrp::priority::OWNER;

/// The priority that a router has whose configuration does not say one.
const USUAL: i32 = 100;

/// The weights of everything that an instance tracks by name, but for files: these are multiplied by what they hold.
fn weights(instance: &Instance) -> impl Iterator<Item = Weight> {
    let interfaces = instance.track_interfaces.iter().map(|tracked| tracked.weight);
    let scripts = instance.track_scripts.iter().map(|tracked| tracked.weight);
    let processes = instance.track_processes.iter().map(|tracked| tracked.weight);
    let sessions = instance.track_bfds.iter().map(|tracked| tracked.weight);
    interfaces.chain(scripts).chain(processes).chain(sessions)
}

/// What all trackers together add when everything works, and when nothing does.
fn extremes(instance: &Instance) -> (i32, i32) {
    weights(instance).fold((0, 0), |(up, down), weight| {
        (up.saturating_add(weight.contribution(true)), down.saturating_add(weight.contribution(false)))
    })
}

/// The argument of a keyword of an instance, else its name.
fn mark(input: &Input<'_>, instance: &Instance, keyword: &str) -> Mark {
    input.places.mark("vrrp_instance", &instance.name, keyword, instance.at.0)
}

pub(super) fn nopreempt_weights(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in input.model.instances.iter().filter(|one| !one.params.preempt) {
        let mut weights = weights(instance).peekable();
        let files = instance.track_files.iter().all(|tracked| tracked.weight.value != 0);
        let any = weights.peek().is_some() || !instance.track_files.is_empty();
        if any && files && weights.all(|weight| weight.value != 0) {
            let message = format_args!(
                "({}) nopreempt with weighted trackers only: if the other routers have nopreempt, too, their failure moves nothing",
                instance.name
            );
            report.tell(mark(input, instance, "nopreempt"), message);
        }
    }
}

pub(super) fn master_nopreempt(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        let params = &instance.params;
        if params.start == Start::Master
            && params.priority != OWNER
            && input.places.instance(&instance.name, "nopreempt").is_some()
        {
            let message = format_args!(
                "({}) state MASTER switches nopreempt off: this router takes the addresses back when it returns",
                instance.name
            );
            report.tell(mark(input, instance, "state"), message);
        }
    }
}

pub(super) fn master_without_priority(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        if instance.params.priority == OWNER && input.places.instance(&instance.name, "priority").is_none() {
            let message = format_args!(
                "({}) state MASTER without priority makes this router the address owner, priority 255",
                instance.name
            );
            report.tell(mark(input, instance, "state"), message);
        }
    }
}

pub(super) fn default_priority(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        if instance.params.priority != OWNER && input.places.instance(&instance.name, "priority").is_none() {
            let message = format_args!(
                "({}) no priority: it is 100, and a router with the same priority and a higher address wins",
                instance.name
            );
            report.tell(named(&instance.name, instance.at.0), message);
        }
    }
}

pub(super) fn weight_too_small(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        let base = i32::from(instance.params.priority);
        // A tracker that leads to FAULT moves the addresses whatever the weights are.
        let fault = weights(instance).any(|weight| weight.value == 0);
        let files = !instance.track_files.is_empty();
        if base <= USUAL || instance.params.priority == OWNER || fault || files {
            continue;
        }
        let (up, down) = extremes(instance);
        let swing = up.saturating_sub(down);
        // The other router tracks the same things: only the swing counts, not what working trackers add.
        if swing > 0 && base.saturating_sub(swing) >= USUAL {
            let keyword = if instance.track_scripts.is_empty() { "track_interface" } else { "track_script" };
            let message = format_args!(
                "({}) with everything failing the priority sinks by {swing} to {} only: a router with 100 does not take over",
                instance.name,
                base.saturating_sub(swing)
            );
            report.tell(mark(input, instance, keyword), message);
        }
    }
}

pub(super) fn priority_clamped(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        if instance.params.priority == OWNER {
            continue;
        }
        let base = i32::from(instance.params.priority);
        let highest = weights(instance).fold(base, |sum, weight| {
            sum.saturating_add(weight.contribution(true).max(weight.contribution(false)).max(0))
        });
        let lowest = weights(instance).fold(base, |sum, weight| {
            sum.saturating_add(weight.contribution(true).min(weight.contribution(false)).min(0))
        });
        let what = match (highest > 254, lowest < 1) {
            (true, _) => format!("can add up to {highest}; it stops at 254"),
            (_, true) => format!("can sink to {lowest}; it stops at 1"),
            _ => continue,
        };
        let message = format_args!("({}) priority and weights {what}", instance.name);
        report.tell(mark(input, instance, "priority"), message);
    }
}

pub(super) fn down_timer_short(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        let adverts = instance.params.down_timer_adverts;
        if adverts < 3 {
            let lost = if adverts == 1 { "one lost advert" } else { "two lost adverts" };
            let message = format_args!("({}) {lost} in a row and two routers are MASTER", instance.name);
            report.tell(mark(input, instance, "down_timer_adverts"), message);
        }
    }
}
