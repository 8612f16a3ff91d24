//! The model as text that is read back as an equal model: the effective configuration.

mod services;
mod table;

use super::model::track::{TrackedBfd, TrackedFile, TrackedProcess, TrackedScript};
use super::model::{Instance, Model};
use super::rows::track::weight_text;
use super::rows::{bfd, global, group, instance, network, script, tls, top, track_file, track_process};
use super::value::Quoted;
use crate::base::id::InstanceId;
use crate::proto::track::Weight;
use core::fmt::Write;
use table::{list, rows};

/// The whole model, every inherited value spelt out where it holds.
#[must_use]
pub fn print(model: &Model) -> String {
    let mut out = String::new();
    rows(top::ROWS, &model.daemon, 0, &mut out);
    block("global_defs", "", &mut out, |inner| rows(global::ROWS, &model.global, 1, inner));
    for one in &model.scripts {
        block("vrrp_script", &one.name, &mut out, |inner| rows(script::ROWS, one, 1, inner));
    }
    for one in &model.files {
        block("track_file", &one.name, &mut out, |inner| rows(track_file::ROWS, one, 1, inner));
    }
    for one in &model.processes {
        block("vrrp_track_process", &one.name, &mut out, |inner| rows(track_process::ROWS, one, 1, inner));
    }
    for one in model.bfd_sessions() {
        block("bfd_instance", &one.name, &mut out, |inner| rows(bfd::ROWS, one, 1, inner));
    }
    for one in &model.groups {
        block("vrrp_sync_group", &one.name, &mut out, |inner| {
            members(model, &one.members, inner);
            rows(group::ROWS, one, 1, inner);
            trackers(
                model,
                &one.track_scripts,
                &one.track_files,
                &one.track_processes,
                &one.track_bfds,
                false,
                inner,
            );
        });
    }
    for one in &model.instances {
        block("vrrp_instance", &one.name, &mut out, |inner| {
            rows(instance::ROWS, one, 1, inner);
            exceptions(model, one, inner);
            let group = one.sync_group.and_then(|id| model.groups.get(id.index()));
            trackers(
                model,
                &one.track_scripts,
                &one.track_files,
                &one.track_processes,
                &one.track_bfds,
                group.is_some_and(|group| !group.tracking_weight),
                inner,
            );
        });
    }
    outside(model, &mut out);
    if let Some(tls) = &model.tls {
        let mut inner = String::new();
        rows(tls::ROWS, tls, 1, &mut inner);
        let _ = write!(out, "SSL {{\n{inner}}}\n");
    }
    services::services(model, &mut out);
    out
}

/// What an instance has not that is the default. Without need nothing is printed: 2.2.7 knows one word not at all, and
/// takes the other for on whatever follows.
fn exceptions(model: &Model, one: &Instance, inner: &mut String) {
    let (all, own) = (&model.global.vrrp, &one.params);
    for (keyword, default, on) in [
        ("v3_checksum_as_v2", all.v3_checksum_as_v2, own.v3_checksum_as_v2),
        ("skip_check_adv_addr", all.skip_check_adv_addr, own.skip_check_adv_addr),
    ] {
        if default && !on {
            let _ = writeln!(inner, "    {keyword} off");
        }
    }
}

/// What stands outside instances and is about the network.
fn outside(model: &Model, out: &mut String) {
    for one in &model.network.track_groups {
        block("track_group", &one.name, out, |inner| members(model, &one.members, inner));
    }
    for (keyword, lines) in network::blocks(&model.network) {
        if !lines.is_empty() {
            let _ = list(keyword, &lines, "", out);
        }
    }
    for one in &model.network.garp_groups {
        block("garp_group", "", out, |inner| rows(network::GARP_GROUP, one, 1, inner));
    }
}

/// The members of a group, by name.
fn members(model: &Model, members: &[InstanceId], out: &mut String) {
    let name = |id: &InstanceId| {
        let instance = model.instances.get(id.index())?;
        Some(Quoted(&instance.name).to_string())
    };
    let names: Vec<String> = members.iter().filter_map(name).collect();
    let _ = list("group", &names, "    ", out);
}

/// A block of the outermost level; nothing if it has neither name nor content. Writing to a String cannot fail.
fn block(keyword: &str, name: &str, out: &mut String, content: impl FnOnce(&mut String)) {
    let mut inner = String::new();
    content(&mut inner);
    if name.is_empty() && inner.is_empty() {
        return;
    }
    out.push_str(keyword);
    if !name.is_empty() {
        let _ = write!(out, " {}", Quoted(name));
    }
    let _ = write!(out, " {{\n{inner}}}\n");
}

/// Trackers name objects, which an instance or a group alone does not know. With `grouped`, those of a member of a group
/// in which a member can have no weights: what it has is the group's, and stands there.
fn trackers(
    model: &Model,
    scripts: &[TrackedScript],
    files: &[TrackedFile],
    processes: &[TrackedProcess],
    bfds: &[TrackedBfd],
    grouped: bool,
    out: &mut String,
) {
    let own = |weight| if grouped { Weight { value: 0, ..weight } } else { weight };
    let mut lines = Vec::new();
    for one in scripts {
        lines.extend(model.script(one.script).map(|script| tracker(&script.name, own(one.weight))));
    }
    tracker_list("track_script", &mut lines, out);
    for one in files {
        lines.extend(model.file(one.of).map(|file| tracker(&file.name, own(one.weight))));
    }
    tracker_list("track_file", &mut lines, out);
    for one in processes {
        lines.extend(model.process(one.of).map(|process| tracker(&process.name, one.weight)));
    }
    tracker_list("track_process", &mut lines, out);
    for one in bfds {
        lines.extend(model.bfd(one.of).map(|bfd| tracker(&bfd.name, one.weight)));
    }
    tracker_list("track_bfd", &mut lines, out);
}

/// A list of trackers, if it has any; `lines` are then free for the next one.
fn tracker_list(keyword: &str, lines: &mut Vec<String>, out: &mut String) {
    if !lines.is_empty() {
        let _ = list(keyword, lines, "    ", out);
    }
    lines.clear();
}

/// A tracker with its whole weight, so that the object's own does not matter.
fn tracker(name: &str, weight: Weight) -> String {
    let sense = if weight.reverse { "" } else { " noreverse" };
    format!("{} weight {}{sense}", Quoted(name), weight_text(weight))
}
