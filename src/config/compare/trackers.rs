//! What an instance tracks, and when a failure of it counts.

use super::Member;
use super::text::{seconds, within};
use crate::base::id::InstanceId;
use crate::base::map::Set;
use crate::base::time::Span;
use crate::config::model::track::{TrackedBfd, TrackedInterface, TrackedProcess, TrackedScript};
use crate::config::model::{Instance, Model};
use crate::proto::track::Weight;

/// Something that an instance tracks.
pub(super) struct Tracked {
    /// What fails, in words.
    pub(super) what: String,
    /// What it does to the priority.
    pub(super) weight: Weight,
    /// When the failure counts: at the latest, and if it shows at once.
    pub(super) noticed: Option<(Span, Span)>,
    /// An address, a route or a rule names the interface: its loss is a fault, whatever the weight.
    pub(super) implied: bool,
}

impl Tracked {
    /// Whether a failure leads to FAULT.
    pub(super) const fn is_fault(&self) -> bool {
        self.implied || self.weight.value == 0
    }
}

/// What an instance tracks itself, with the interfaces that its addresses, routes and rules name.
fn of_instance(model: &Model, instance: &Instance) -> Vec<Tracked> {
    let mut all = lists(
        model,
        &instance.track_scripts,
        &instance.track_interfaces,
        &instance.track_processes,
        &instance.track_bfds,
    );
    let own = instance.interface.as_ref().map(|own| &own.name);
    for named in
        instance.named_interfaces().filter(|named| Some(&named.name) != own && named.name.as_str() != "lo")
    {
        let what = format!("{} goes down", named.name);
        match all.iter_mut().find(|tracked| tracked.what == what) {
            Some(tracked) => tracked.implied = true,
            None => all.push(Tracked { what, weight: Weight::default(), noticed: None, implied: true }),
        }
    }
    all
}

/// How long it takes until the failure counts.
pub(super) fn noticed(tracked: &Tracked) -> String {
    match tracked.noticed {
        None => String::new(),
        Some((most, least)) if most == least => format!("noticed {}, then ", within(most)),
        Some((most, least)) => {
            format!("noticed {} ({} if it fails at once), then ", within(most), seconds(least))
        }
    }
}

/// Everything whose failure an instance feels: what it tracks, what its sync group tracks, and what takes another
/// member of the group down.
pub(super) fn tracked(one: &Member<'_>) -> Vec<Tracked> {
    let instance = one.instance;
    let mut all = of_instance(one.model, instance);
    let own = |id: &InstanceId| {
        let member = one.model.instances.get(id.index());
        member.is_some_and(|member| core::ptr::eq(member, instance))
    };
    let Some(group) = one.model.groups.iter().find(|group| group.members.iter().any(own)) else {
        return all;
    };
    all.extend(lists(
        one.model,
        &group.track_scripts,
        &group.track_interfaces,
        &group.track_processes,
        &group.track_bfds,
    ));
    for id in group.members.iter().filter(|id| !own(id)) {
        let Some(fellow) = one.model.instances.get(id.index()) else {
            continue;
        };
        all.extend(of_instance(one.model, fellow).into_iter().filter(Tracked::is_fault));
        let link = fellow.interface.as_ref().filter(|_| !fellow.dont_track_primary);
        if let Some(link) = link
            && instance.interface.as_ref() != Some(link)
        {
            all.push(Tracked {
                what: format!("{} of {} in group {} goes down", link.name, fellow.name, group.name),
                weight: Weight::default(),
                noticed: None,
                implied: false,
            });
        }
    }
    // Two members may track the same thing.
    let mut seen = Set::new();
    all.retain(|tracked| seen.insert(tracked.what.clone()));
    all
}

/// The trackers of some lists. Files hold numbers that nobody can foretell.
fn lists(
    model: &Model,
    scripts: &[TrackedScript],
    interfaces: &[TrackedInterface],
    processes: &[TrackedProcess],
    sessions: &[TrackedBfd],
) -> Vec<Tracked> {
    let scripts = scripts.iter().filter_map(|tracked| {
        let script = model.script(tracked.script)?;
        let params = &script.params;
        // The last of the failing runs may take until its timeout.
        let runs = params.interval * u64::from(params.fall.max(1));
        Some(Tracked {
            what: format!("{} {}", script.name, verb("fails", "succeeds", tracked.weight)),
            weight: tracked.weight,
            noticed: Some((runs + params.timeout.unwrap_or(params.interval), runs)),
            implied: false,
        })
    });
    let interfaces = interfaces.iter().map(|tracked| Tracked {
        what: format!("{} {}", tracked.interface.name, verb("goes down", "comes up", tracked.weight)),
        weight: tracked.weight,
        noticed: None,
        implied: false,
    });
    let processes = processes.iter().filter_map(|tracked| {
        let process = model.process(tracked.of)?;
        let delay = process.terminate_delay;
        Some(Tracked {
            what: format!("{} {}", process.name, verb("ends", "runs", tracked.weight)),
            weight: tracked.weight,
            noticed: (!delay.is_zero()).then_some((delay, delay)),
            implied: false,
        })
    });
    let sessions = sessions.iter().filter_map(|tracked| {
        let session = model.bfd(tracked.of)?;
        let time = session.params.min_rx * u64::from(session.params.multiplier);
        Some(Tracked {
            what: format!("BFD session {} {}", session.name, verb("is lost", "is up", tracked.weight)),
            weight: tracked.weight,
            noticed: Some((time, time)),
            implied: false,
        })
    });
    scripts.chain(interfaces).chain(processes).chain(sessions).collect()
}

/// Reversed without weight: success is the fault.
const fn verb(fails: &'static str, works: &'static str, weight: Weight) -> &'static str {
    if weight.value == 0 && weight.reverse { works } else { fails }
}

/// What all trackers add, but for one that fails.
pub(super) fn contributions(one: &Member<'_>, failing: Option<&str>) -> i32 {
    tracked(one)
        .iter()
        .map(|tracked| tracked.weight.contribution(failing != Some(tracked.what.as_str())))
        .fold(0, i32::saturating_add)
}
