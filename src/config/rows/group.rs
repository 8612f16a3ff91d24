//! `vrrp_sync_group`.

use super::show::{command, either, flag};
use super::track::{self, Trackers};
use crate::config::line::Line;
use crate::config::model::instance::Notify;
use crate::config::model::{Group, ScriptCommand};
use crate::config::row::Kind::{self, Flag, Lines, Script, Switch};
use crate::config::row::Row;
use crate::config::tree::Position;

/// A `vrrp_sync_group` while it is read.
#[derive(Clone, Debug, Default)]
pub struct GroupDraft {
    /// Members by name, each with its place.
    pub members: Vec<(String, Position)>,
    /// What it tracks, objects by name.
    pub trackers: Trackers,
    /// Commands run on transitions.
    pub notify: Notify,
    /// `notify_priority_changes`
    pub notify_priority_changes: Option<bool>,
    /// `smtp_alert`
    pub smtp_alert: Option<bool>,
    /// `sync_group_tracking_weight`
    pub tracking_weight: bool,
}

const fn row(
    name: &'static str,
    kind: Kind<GroupDraft, Group>,
    default: &'static str,
    meaning: &'static str,
) -> Row<GroupDraft, Group> {
    Row::new(name, kind, default, meaning)
}

const fn script(field: fn(&mut GroupDraft) -> &mut Option<ScriptCommand>) -> Kind<GroupDraft, Group> {
    Script(field)
}

/// Every keyword of `vrrp_sync_group`. Members and trackers are printed by name, which needs the whole model.
#[rustfmt::skip]
pub static ROWS: &[Row<GroupDraft, Group>] = &[
    row("group", Lines("{ <vrrp_instance> ... }", members), "required",
        "Its members; they may stand behind it").first(),
    row("track_interface", Lines(track::INTERFACE.syntax, |d, l| track::interface(&mut d.trackers, l)), "none",
        "Interfaces whose state is tracked for all members").terms(|| track::INTERFACE.terms()).show(|g| track::show_interfaces(&g.track_interfaces)),
    row("track_script", Lines(track::SCRIPT.syntax, |d, l| track::SCRIPT.read(&mut d.trackers, |t| &mut t.scripts, l)), "none",
        "Scripts whose result is tracked for all members").terms(|| track::SCRIPT.terms()),
    row("track_file", Lines(track::FILE.syntax, |d, l| track::FILE.read(&mut d.trackers, |t| &mut t.files, l)), "none",
        "Files whose number is tracked for all members").terms(|| track::FILE.terms()),
    row("track_process", Lines(track::PROCESS.syntax, |d, l| track::PROCESS.read(&mut d.trackers, |t| &mut t.processes, l)), "none",
        "Process monitors that are tracked for all members").terms(|| track::PROCESS.terms()),
    row("track_bfd", Lines(track::BFD.syntax, |d, l| track::BFD.read(&mut d.trackers, |t| &mut t.bfds, l)), "none",
        "BFD sessions that are tracked for all members").terms(|| track::BFD.terms()),
    row("notify_master", script(|d| &mut d.notify.master), "none",
        "Runs when the group becomes MASTER").first().show(|g| command(g.notify.master.as_ref())),
    row("notify_backup", script(|d| &mut d.notify.backup), "none",
        "Runs when the group becomes BACKUP").first().show(|g| command(g.notify.backup.as_ref())),
    row("notify_fault", script(|d| &mut d.notify.fault), "none",
        "Runs when the group enters FAULT").first().show(|g| command(g.notify.fault.as_ref())),
    row("notify_stop", script(|d| &mut d.notify.stop), "none",
        "Runs when VRRP stops").first().show(|g| command(g.notify.stop.as_ref())),
    row("notify", script(|d| &mut d.notify.any), "none",
        "Runs on any change; type, name, state and priority are appended").first().show(|g| command(g.notify.any.as_ref())),
    row("notify_priority_changes", Switch(|d, on| d.notify_priority_changes = Some(on)), "vrrp_notify_priority_changes",
        "Members report changes of priority on pipes, unless they say otherwise").show(|g| either(g.notify_priority_changes)),
    row("smtp_alert", Switch(|d, on| d.smtp_alert = Some(on)), "smtp_alert_vrrp, then smtp_alert, then off",
        "Mails transitions of the group").aside().show(|g| either(g.smtp_alert)),
    row("sync_group_tracking_weight", Flag(|d| d.tracking_weight = true), "off",
        "Members may have trackers with weights").show(|g| flag(g.tracking_weight)),
    row("global_tracking", Flag(|d| d.tracking_weight = true), "off",
        "Old form of sync_group_tracking_weight").replaced("sync_group_tracking_weight", true),
];

/// Any number of names a line.
pub(super) fn members(draft: &mut GroupDraft, line: &mut Line<'_>) {
    let names = line.args.iter().map(|word| (word.text.to_owned(), word.at));
    draft.members.extend(names);
}

/// A `track_group` while it is read: members by name, each with its place.
#[derive(Clone, Debug, Default)]
pub struct TrackGroupDraft(pub Vec<(String, Position)>);

/// Every keyword of `track_group`, whose members are printed by name.
#[rustfmt::skip]
pub static TRACK_GROUP: &[Row<TrackGroupDraft, ()>] = &[
    Row::new("group", Lines("{ <vrrp_instance> ... }", |d: &mut TrackGroupDraft, l| {
        d.0.extend(l.args.iter().map(|word| (word.text.to_owned(), word.at)));
    }), "required", "Instances that follow the static items of the group").first(),
];
