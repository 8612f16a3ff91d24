//! Virtual servers and what belongs to them, BFD sessions, `SSL`: their blocks read into the model.

use super::assemble::{Names as Known, name};
use super::diag::{Class, Diagnostic, Diagnostics, Severity};
use super::keyword::{Given, Object, Scope, read};
use super::model::{At, Model, Tls};
use super::row::Row;
use super::rows::{self, bfd, tls};
use super::tree::Position;
use crate::base::addr::IpAddr;
use crate::base::id::BfdId;
use std::collections::{BTreeMap, BTreeSet};

/// Names and addresses that were used so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// BFD sessions of the model.
    bfds: BTreeMap<String, BfdId>,
    /// Names of BFD blocks, those that are not used included.
    bfd_names: BTreeSet<String>,
    /// Both ends of BFD sessions.
    bfd_ends: BTreeSet<(Option<IpAddr>, IpAddr)>,
    /// Names of `track_file` blocks above.
    files: BTreeSet<String>,
}

impl Names {
    /// Takes note of an object before it is read.
    pub(super) fn pass(&mut self, object: &Object<'_>) {
        if let ("track_file" | "vrrp_track_file", Some(name)) =
            (object.node.keyword().text, object.node.word(1))
        {
            self.files.insert(name.text.to_owned());
        }
    }
}

/// Reads the groups, which services need wherever they stand.
pub(super) fn groups(_objects: &[Object<'_>], _model: &mut Model, _found: &mut Diagnostics) {}

/// Reads one object, if it is of this theme.
pub(super) fn object(object: &Object<'_>, model: &mut Model, names: &mut Known, found: &mut Diagnostics) {
    match object.node.keyword().text {
        "bfd_instance" => read_bfd(object, model, names, found),
        "SSL" => read_tls(object, model, found),
        _ => {}
    }
}

/// Reads the block of an object into its draft; blocks within it that are objects themselves are handed back.
fn inside<'t, D, M>(
    object: &Object<'t>,
    rows: &'static [Row<D, M>],
    draft: &mut D,
    owner: &str,
    found: &mut Diagnostics,
) -> (Given, Vec<Object<'t>>) {
    let (mut given, mut objects) = (Given::default(), Vec::new());
    let mut scope = Scope {
        owner,
        place: Some(object.node.keyword().text),
        elsewhere: rows::elsewhere,
        quiet: true,
        given: &mut given,
        objects: &mut objects,
        found,
    };
    read(&mut object.inside.clone(), rows, draft, &mut scope);
    (given, objects)
}

fn tell(found: &mut Diagnostics, severity: Severity, at: Position, message: String, remedy: &str) {
    let finding = Diagnostic::new(severity, at, message);
    found.report(if remedy.is_empty() {
        finding
    } else {
        finding.remedy(remedy)
    });
}

fn read_tls(object: &Object<'_>, model: &mut Model, found: &mut Diagnostics) {
    let at = object.node.at();
    if model.tls.is_some() {
        let message = "SSL context already specified - replacing".to_owned();
        tell(
            found,
            Severity::Warning,
            at,
            message,
            "only the last one is used; one block is enough",
        );
    }
    let mut tls = Tls::default();
    inside(object, tls::ROWS, &mut tls, "", found);
    model.tls = Some(tls);
}

fn read_bfd(object: &Object<'_>, model: &mut Model, names: &mut Known, found: &mut Diagnostics) {
    let named = name(object, Class::Ordinary, found);
    let text = named.map_or("", |name| name.text);
    let mut draft = bfd::Draft::default();
    let owner = format!("BFD instance {text} ");
    let (given, _) = inside(object, bfd::ROWS, &mut draft, &owner, found);
    let Some(name) = named else { return };
    if text.len() > 31 {
        let message = format!("{owner}name too long (maximum length is 31 characters) - ignoring");
        return tell(found, Severity::Error, name.at, message, "give it a shorter name");
    }
    let names = &mut names.services;
    if !names.bfd_names.insert(text.to_owned()) {
        let message = format!("BFD {text} already specified");
        return tell(
            found,
            Severity::Error,
            name.at,
            message,
            "give it another name; this block is not used",
        );
    }
    if let Some(extra) = object.node.word(2) {
        found.note(
            extra,
            format!("'{}' after the name of a bfd_instance is not used", extra.text),
        );
    }
    if !draft.has_neighbor {
        let message = format!("{owner}has no neighbor address set, disabling instance");
        return tell(
            found,
            Severity::Error,
            name.at,
            message,
            "write neighbor_ip and an address",
        );
    }
    let at = |keyword| given.at(keyword).unwrap_or(name.at);
    if !bfd::one_family(&draft) {
        let message = format!(
            "{owner}source address and neighbor address are not of the same family, disabling instance"
        );
        return tell(
            found,
            Severity::Error,
            at("source_ip"),
            message,
            "a session speaks one family only",
        );
    }
    let Some(mut bfd) = draft.finish(text, At(name.at)) else {
        return;
    };
    if !names.bfd_ends.insert((bfd.source, bfd.neighbor)) {
        let message = format!(
            "{owner}has duplicate neighbor address {}, ignoring instance",
            bfd.neighbor
        );
        return tell(
            found,
            Severity::Error,
            name.at,
            message,
            "one session to one neighbour is enough",
        );
    }
    let ttl = bfd.ttl.map_or(255, i16::from);
    if bfd.params.max_hops > ttl {
        let message = format!("{owner}max_hops exceeds ttl/hoplimit - setting to ttl/hoplimit");
        tell(
            found,
            Severity::Warning,
            at("max_hops"),
            message,
            "no packet loses more than its TTL",
        );
        bfd.params.max_hops = ttl;
    }
    names.bfds.insert(text.to_owned(), BfdId::at(model.bfds.len()));
    model.bfds.push(bfd);
}
