//! Trackers of instances and groups: from names to ids, weights worked out, and what weights exclude.

use super::Teller;
use crate::config::diag::{Diagnostic, Severity};
use crate::config::model::track::{Tracked, TrackedBfd, TrackedFile, TrackedProcess, TrackedScript};
use crate::config::model::{At, Model};
use crate::config::names::{Known, Names};
use crate::config::rows::instance::InstanceDraft;
use crate::config::rows::track::{NamedTracker, Trackers};
use crate::proto::track::Weight;

/// The trackers of `read` by id.
pub(super) struct Found {
    pub(super) scripts: Vec<TrackedScript>,
    pub(super) files: Vec<TrackedFile>,
    pub(super) processes: Vec<TrackedProcess>,
    pub(super) bfds: Vec<TrackedBfd>,
}

/// Finds every tracked object that stands before, and tells the others.
pub(super) fn find(read: &Trackers, model: &Model, names: &Names, tell: &mut Teller<'_>) -> Found {
    let scripts = known(&read.scripts, &names.scripts, "script", tell, |id| {
        model.script(id).map(|script| script.params.weight)
    });
    let files = known(&read.files, &names.files, "file", tell, |id| model.file(id).map(|file| file.weight));
    let processes = known(&read.processes, &names.processes, "process", tell, |id| {
        model.process(id).map(|process| process.weight)
    });
    // One that tells the checkers only does not exist here.
    let bfds = known(&read.bfds, &names.bfds, "bfd", tell, |id| {
        model.bfd(id).filter(|bfd| bfd.vrrp).map(|bfd| bfd.weight)
    });
    let script =
        |tracked: Tracked<_>| TrackedScript { script: tracked.of, weight: tracked.weight, at: tracked.at };
    Found { scripts: scripts.into_iter().map(script).collect(), files, processes, bfds }
}

fn known<Id: Copy>(
    trackers: &[NamedTracker],
    names: &Known<Id>,
    what: &str,
    tell: &mut Teller<'_>,
    default: impl Fn(Id) -> Option<Weight>,
) -> Vec<Tracked<Id>> {
    let mut found = Vec::with_capacity(trackers.len());
    for tracker in trackers {
        let known = names.find(&tracker.name);
        let Some((of, default)) = known.and_then(|of| Some((of, default(of)?))) else {
            missing(tracker, names.is_anywhere(&tracker.name), what, tell);
            continue;
        };
        let weight = Weight {
            value: tracker.weight.unwrap_or(default.value),
            reverse: tracker.reverse.unwrap_or(default.reverse),
        };
        found.push(Tracked { of, weight, at: At(tracker.at) });
    }
    found
}

fn missing(tracker: &NamedTracker, anywhere: bool, what: &str, tell: &mut Teller<'_>) {
    let name = tracker.name.as_str();
    let block = match what {
        "script" => "vrrp_script",
        "file" => "track_file",
        "process" => "vrrp_track_process",
        _ => "bfd_instance",
    };
    let message = format!("({}) track {what} {name} not found, ignoring...", tell.name);
    let remedy = if anywhere {
        let needs = match what {
            "script" => " and must have a command",
            "file" => " and must have a file",
            "process" => " and must have a process",
            "bfd" => " and must not be for the checker only",
            _ => "",
        };
        format!("its {block} must stand before this block{needs}")
    } else {
        format!("no {block} has this name")
    };
    let finding = Diagnostic::new(Severity::Error, tracker.at, message);
    tell.found.report(finding.remedy(remedy));
}

/// The trackers of an instance. The own interface is always tracked; an address owner has one priority.
pub(super) fn of_instance(draft: &mut InstanceDraft, model: &Model, names: &Names, tell: &mut Teller<'_>) {
    let found = find(&draft.trackers, model, names, tell);
    let instance = &mut draft.instance;
    let own = instance.interface.as_ref().map(|own| own.name.clone());
    let mut interfaces = core::mem::take(&mut draft.trackers.interfaces);
    interfaces.retain(|tracked| {
        let name = &tracked.interface.name;
        let other = own.as_ref() != Some(name);
        if !other {
            let message = format_args!("Ignoring track_interface {name} since own interface");
            tell.idle("track_interface", message, "the own interface is always tracked");
        }
        other
    });
    instance.track_interfaces = interfaces.into();
    instance.track_scripts = found.scripts.into();
    instance.track_files = found.files.into();
    instance.track_processes = found.processes.into();
    instance.track_bfds = found.bfds.into();
    if instance.params.priority != 255 {
        return;
    }
    let remedy = "the priority of an address owner is always 255";
    let mut refuse = |keyword: &str, what: &str, name: &str| {
        let message = format_args!("ignoring tracked {what} {name} with weights due to address_owner");
        tell.error(keyword, message, remedy);
        false
    };
    instance.track_interfaces.retain(|tracked| {
        tracked.weight.value == 0 || refuse("track_interface", "interface", tracked.interface.name.as_str())
    });
    instance.track_scripts.retain(|tracked| {
        let name = model.script(tracked.script).map_or("", |script| &script.name);
        tracked.weight.value == 0 || refuse("track_script", "script", name)
    });
    instance.track_processes.retain(|tracked| {
        let name = model.process(tracked.of).map_or("", |process| &process.name);
        tracked.weight.value == 0 || refuse("track_process", "process", name)
    });
    instance.track_bfds.retain(|tracked| {
        let name = model.bfd(tracked.of).map_or("", |bfd| &bfd.name);
        tracked.weight.value == 0 || refuse("track_bfd", "bfd", name)
    });
    instance.track_files.retain_mut(|tracked| {
        let name = model.file(tracked.of).map_or("", |file| &file.name);
        match tracked.weight.value {
            0 => true,
            // The weight that nobody wrote.
            1 => {
                tracked.weight = Weight::default();
                true
            }
            _ => refuse("track_file", "file", name),
        }
    });
}
