//! Virtual routers and sync groups, as they are now.

use core::fmt::{self, Display, Write};

use super::{Ago, Sheet, column};
use crate::daemon::moment::{Epoch, Moment};
use crate::proto::track::Effect;
use crate::proto::vrrp::{Fault, State};
use crate::status::dump::group::Group;
use crate::status::dump::instance::{Instance, word};
use crate::status::dump::{Clock, Or, Seconds};
pub(super) use crate::status::json::instance::number;
use crate::status::json::{Fields, instance as file};

/// What an instance tracks.
#[derive(Clone, Copy, Debug)]
pub struct Tracker<'a> {
    /// `interface`, `script`, `file`, `process`, `bfd` or `static`.
    pub kind: &'static str,
    /// Its name.
    pub name: &'a str,
    /// What it does now.
    pub effect: Effect,
}

/// Why an instance is what it is, beside its dump.
pub struct Why<'a, 'i, 't, F> {
    /// The instance.
    pub instance: &'a Instance<'i>,
    /// Its reasons for FAULT.
    pub faults: &'a mut dyn Iterator<Item = F>,
    /// What it tracks.
    pub trackers: &'a mut (dyn Iterator<Item = Tracker<'t>> + 'a),
}

/// The heading of the table of instances.
pub const INSTANCES: &str = "VRRP instance    State   Priority   Addresses  Since                Master";
/// The heading of the table of sync groups.
pub const GROUPS: &str = "Sync group       State   Members";

/// Writes an instance: a line of the table, all of it if it was named, or an object of JSON.
///
/// # Errors
/// What `out` says.
pub fn instance<F: Display>(
    out: &mut dyn Write,
    clock: &Clock,
    sheet: Sheet,
    why: Why<'_, '_, '_, F>,
) -> fmt::Result {
    if sheet.json {
        json(out, clock, why)
    } else if sheet.name.is_some() {
        details(out, clock, why)
    } else {
        line(out, clock, why.instance)
    }
}

/// How many addresses it has, and how many of them are in the kernel.
pub(super) fn addresses(instance: &Instance<'_>) -> (usize, usize) {
    let count = instance.config.addresses.len().saturating_add(instance.config.excluded.len());
    let held = (0..count).filter(|position| (instance.place)(*position).in_kernel).count();
    (held, count)
}

/// `90 of 100`, or one number if both are the same.
pub(super) struct Priority<'a, 'i>(pub(super) &'a Instance<'i>);

impl Display for Priority<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (now, own) = (self.0.router.machine().effective_priority(), self.0.router.params().priority);
        if now == own { write!(f, "{now}") } else { write!(f, "{now} of {own}") }?;
        f.write_str(if own == self.0.config.params.priority { "" } else { " by hand" })
    }
}

/// The router that is MASTER, as far as is known.
struct Master<'a, 'i>(&'a Clock, &'a Instance<'i>);

impl Display for Master<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = self.1.router.machine();
        match (machine.state(), machine.master(), machine.heard()) {
            (State::Master, ..) => f.write_str("this router"),
            (State::Backup, Some(master), Some(heard)) => {
                let ago = Ago::of(self.0.now, heard);
                let yields = if machine.is_yielding() { " (failover by hand)" } else { "" };
                write!(f, "{} with priority {}, heard {ago} s ago{yields}", master.addr, master.priority)
            }
            (State::Fault, ..) => write!(f, "fault: {}", self.1.reasons),
            _ => f.write_str("none heard yet"),
        }
    }
}

fn line(out: &mut dyn Write, clock: &Clock, instance: &Instance<'_>) -> fmt::Result {
    let (held, count) = addresses(instance);
    column(out, &instance.config.name, 17)?;
    column(out, word(instance.router.state()), 8)?;
    column(out, Priority(instance), 11)?;
    column(out, format_args!("{held}/{count}"), 11)?;
    column(out, Moment(instance.since), 21)?;
    writeln!(out, "{}", Master(clock, instance))
}

fn details(out: &mut dyn Write, clock: &Clock, why: Why<'_, '_, '_, impl Display>) -> fmt::Result {
    let Why { instance, faults, trackers } = why;
    let (machine, params, config) = (instance.router.machine(), instance.router.params(), instance.config);
    writeln!(out, "VRRP instance {}", config.name)?;
    writeln!(out, "  state       {} since {}", word(machine.state()), Moment(instance.since))?;
    for fault in faults {
        writeln!(out, "  fault       {fault}")?;
    }
    writeln!(out, "  priority    {}", Priority(instance))?;
    for tracker in trackers {
        writeln!(out, "    {} {}: {}", tracker.kind, tracker.name, Does(tracker.effect))?;
    }
    if machine.state() != State::Fault {
        writeln!(out, "  master      {}", Master(clock, instance))?;
    }
    let interface = Or(instance.own.or(instance.base), "(none)");
    writeln!(out, "  interface   {interface}, virtual router id {}", params.vrid)?;
    writeln!(
        out,
        "  adverts     every {} s from {}",
        Seconds(params.advert_interval),
        Or(instance.local, "(none)")
    )?;
    let preempt = if params.preempt { "yes" } else { "no" };
    let yields = if machine.is_yielding() { ", not now: it gave up by hand (failover)" } else { "" };
    writeln!(out, "  preempt     {preempt}{yields}")?;
    if let Some(group) = config.sync_group.and_then(|id| instance.model.groups.get(id.index())) {
        writeln!(out, "  sync group  {}", group.name)?;
    }
    for (line, position) in config.addresses.iter().chain(&config.excluded).zip(0..) {
        let place = (instance.place)(position);
        let held = if place.in_kernel { "in the kernel" } else { "not in the kernel" };
        writeln!(out, "  address     {} dev {}: {held}", line.prefix, Or(place.interface, "(none)"))?;
    }
    Ok(())
}

/// What a tracker does to the priority.
struct Does(Effect);

impl Display for Does {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Effect::Adds(0) => f.write_str("changes nothing"),
            Effect::Adds(points) => write!(f, "{points:+}"),
            Effect::Waits => f.write_str("no result yet"),
            Effect::Faults => f.write_str("fault"),
        }
    }
}

fn json(out: &mut dyn Write, clock: &Clock, why: Why<'_, '_, '_, impl Display>) -> fmt::Result {
    let Why { instance, faults, trackers } = why;
    let (machine, params, config) = (instance.router.machine(), instance.router.params(), instance.config);
    let mut fields = Fields::open(out);
    fields.text("name", &config.name);
    fields.text("state", word(machine.state()));
    fields.number("since", Epoch(instance.since));
    fields.list("faults", faults);
    fields.number("priority", machine.effective_priority());
    fields.number("configured_priority", params.priority);
    fields.number("virtual_router_id", params.vrid);
    fields.number("version", file::version(params.version));
    fields.maybe("interface", instance.own.or(instance.base));
    fields.maybe("source", instance.local);
    fields.number("advert_interval", Seconds(params.advert_interval));
    fields.truth("preempt", params.preempt);
    let maintenance = machine.faults().contains(Fault::Maintenance).then_some("maintenance");
    let failover = machine.is_yielding().then_some("failover");
    let priority = (params.priority != config.params.priority).then_some("priority");
    let preempt = (params.preempt != config.params.preempt).then_some("preempt");
    fields.list("by_hand", [maintenance, failover, priority, preempt].into_iter().flatten());
    let group = config.sync_group.and_then(|id| instance.model.groups.get(id.index()));
    fields.maybe("sync_group", group.map(|group| &group.name));
    match (machine.master(), machine.heard()) {
        (Some(master), Some(heard)) => {
            fields.object("master", &mut |fields| {
                fields.text("address", master.addr);
                fields.number("priority", master.priority);
                fields.number("heard_ago", Ago::of(clock.now, heard));
            });
        }
        _ => fields.number("master", "null"),
    }
    fields.objects("tracking", trackers, |fields, tracker| {
        fields.text("kind", tracker.kind);
        fields.text("name", tracker.name);
        fields.truth("fault", tracker.effect == Effect::Faults);
        fields.truth("waits", tracker.effect == Effect::Waits);
        fields.number("adds", if let Effect::Adds(points) = tracker.effect { points } else { 0 })
    });
    let lines = config.addresses.iter().chain(&config.excluded).zip(0..);
    fields.objects("addresses", lines, |fields, (line, position)| {
        let place = (instance.place)(*position);
        fields.text("address", line.prefix);
        fields.maybe("interface", place.interface);
        fields.truth("in_kernel", place.in_kernel);
        fields.truth("in_adverts", *position < config.addresses.len());
    });
    let extension = instance.router.extension().copied().unwrap_or_default();
    fields.object("stats", &mut |stats| file::counters(stats, instance.router.counters(), &extension));
    fields.close()
}

/// Writes a sync group.
///
/// # Errors
/// What `out` says.
pub fn group(out: &mut dyn Write, sheet: Sheet, group: &Group<'_>) -> fmt::Result {
    let members = group.config.members.iter();
    let mut members = members.filter_map(|id| Some(&group.model.instances.get(id.index())?.name));
    if sheet.json {
        let mut fields = Fields::open(out);
        fields.text("name", &group.config.name);
        fields.text("state", word(group.state));
        fields.list("members", members);
        return fields.close();
    }
    column(out, &group.config.name, 17)?;
    column(out, word(group.state), 8)?;
    if let Some(first) = members.next() {
        out.write_str(first)?;
    }
    members.try_for_each(|member| write!(out, ", {member}"))?;
    out.write_char('\n')
}
