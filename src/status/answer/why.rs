//! Why a virtual router is in the state that it is in, and what would change that: in sentences.

use core::fmt::{self, Display, Write};

use super::Ago;
use super::vrrp::{Priority, Tracker, Why};
use crate::daemon::moment::Moment;
use crate::proto::track::Effect;
use crate::proto::vrrp::State;
use crate::status::dump::instance::{Instance, word};
use crate::status::dump::{Clock, Seconds};

/// Writes the sentences, a line each.
///
/// # Errors
/// What `out` says.
pub fn why(out: &mut dyn Write, clock: &Clock, why: Why<'_, '_, '_, impl Display>) -> fmt::Result {
    let Why { instance, faults, trackers } = why;
    let (machine, name) = (instance.router.machine(), &instance.config.name);
    let state = machine.state();
    writeln!(out, "{name} is {} since {}.", word(state), Moment(instance.since))?;
    match state {
        State::Init => out.write_str("It has not begun to take part.\n")?,
        State::Fault => {
            for fault in faults {
                writeln!(out, "It cannot take part: {fault}. It can once that is no longer so.")?;
            }
        }
        State::Master => {
            writeln!(
                out,
                "No router with a higher priority than {} is heard.",
                machine.effective_priority()
            )?;
        }
        State::Backup => backup(out, clock, instance)?,
    }
    tracked(out, instance, trackers)
}

fn backup(out: &mut dyn Write, clock: &Clock, instance: &Instance<'_>) -> fmt::Result {
    let (machine, params) = (instance.router.machine(), instance.router.params());
    let own = machine.effective_priority();
    let group = instance.config.sync_group.and_then(|id| instance.model.groups.get(id.index()));
    let until = machine.poll_at().map(|at| Moment(clock.wall_of(at)));
    if let (true, Some(group)) = (machine.is_expired(), group) {
        return writeln!(
            out,
            "It hears no MASTER, and waits for the other members of sync group {}.",
            group.name
        );
    }
    let (Some(master), Some(heard)) = (machine.master(), machine.heard()) else {
        return match until {
            Some(until) => {
                writeln!(out, "It hears no MASTER, and becomes MASTER at {until} if that stays so.")
            }
            None => out.write_str("It hears no MASTER.\n"),
        };
    };
    let (addr, theirs, ago) = (master.addr, master.priority, Ago::of(clock.now, heard));
    writeln!(out, "{addr} is MASTER with priority {theirs}, heard {ago} s ago; its own priority is {own}.")?;
    if own < theirs {
        let silent = Seconds(machine.master_down_time());
        let raised = if params.preempt { "with a higher priority than that router, or " } else { "" };
        writeln!(out, "It becomes MASTER {raised}when that router is silent for {silent} s.")
    } else if own == theirs {
        out.write_str("With equal priorities the router that is MASTER stays MASTER.\n")
    } else if machine.is_yielding() {
        writeln!(
            out,
            "It gave up by hand (failover), and does not preempt while that router is MASTER; failover {} --undo ends that.",
            instance.config.name
        )
    } else if !params.preempt {
        writeln!(
            out,
            "It does not preempt (nopreempt): it becomes MASTER when that router yields or is silent."
        )
    } else if let Some(at) = machine.preempts_at() {
        writeln!(out, "It waits until {} to preempt (preempt_delay).", Moment(clock.wall_of(at)))
    } else {
        out.write_str("It has the higher priority, and is about to become MASTER.\n")
    }
}

/// What makes the priority another one than the configured one.
fn tracked(
    out: &mut dyn Write,
    instance: &Instance<'_>,
    trackers: &mut dyn Iterator<Item = Tracker<'_>>,
) -> fmt::Result {
    let mut told = false;
    for Tracker { kind, name, effect } in trackers {
        match effect {
            Effect::Adds(0) => continue,
            Effect::Adds(points) => {
                if !core::mem::replace(&mut told, true) {
                    writeln!(out, "Its priority is {}.", Priority(instance))?;
                }
                writeln!(out, "The {kind} {name} changes it by {points:+}.")?;
            }
            Effect::Waits => writeln!(out, "The {kind} {name} has no result yet, which is waited for.")?,
            // That is among the reasons for FAULT.
            Effect::Faults => {}
        }
    }
    Ok(())
}
