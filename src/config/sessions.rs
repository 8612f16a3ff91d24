//! BFD sessions and `SSL`: their blocks read into the model.

use super::block::{name, quietly};
use super::diag::{Class, Diagnostics, Severity};
use super::keyword::Object;
use super::model::{At, Model, Tls};
use super::names::Names;
use super::rows::{bfd, tls};
use crate::base::addr::is_link_local;
use crate::base::id::BfdId;

/// Reads `SSL`; the last block is used.
pub(super) fn tls(object: &Object<'_>, model: &mut Model, found: &mut Diagnostics) {
    let at = object.node.at();
    if model.tls.is_some() {
        let message = "SSL context already specified - replacing".to_owned();
        found.tell(Severity::Warning, at, message, "only the last one is used; one block is enough");
    }
    let mut tls = Tls::default();
    quietly(object, [tls::ROWS, &[]], &mut tls, "", found);
    model.tls = Some(tls);
}

/// Reads a `bfd_instance`.
pub(super) fn bfd(object: &Object<'_>, model: &mut Model, names: &mut Names, found: &mut Diagnostics) {
    let named = name(object, Class::Ordinary, found);
    let text = named.map_or("", |name| name.text);
    let mut draft = bfd::BfdDraft::default();
    let owner = format!("BFD instance {text} ");
    let (given, _) = quietly(object, [bfd::ROWS, &[]], &mut draft, &owner, found);
    let Some(name) = named else { return };
    if text.len() > 31 {
        let message = format!("{owner}name too long (maximum length is 31 characters) - ignoring");
        return found.tell(Severity::Error, name.at, message, "give it a shorter name");
    }
    let sessions = &mut names.services.sessions;
    if !sessions.all.insert(text.to_owned()) {
        let message = format!("BFD {text} already specified");
        return found.tell(Severity::Error, name.at, message, "give it another name; this block is not used");
    }
    if let Some(extra) = object.node.word(2) {
        found.note(extra, format!("'{}' after the name of a bfd_instance is not used", extra.text));
    }
    if !draft.has_neighbor {
        let message = format!("{owner}has no neighbor address set, disabling instance");
        return found.tell(Severity::Error, name.at, message, "write neighbor_ip and an address");
    }
    let at = |keyword| given.at(keyword).unwrap_or(name.at);
    if !bfd::one_family(&draft) {
        let message = format!(
            "{owner}source address and neighbor address are not of the same family, disabling instance"
        );
        return found.tell(Severity::Error, at("source_ip"), message, "a session speaks one family only");
    }
    if !bfd::one_interface(&draft) {
        let message = format!(
            "{owner}source address and neighbor address are not on the same interface, disabling instance"
        );
        let remedy = "name the interface that both ends share, or name it once";
        return found.tell(Severity::Error, at("source_ip"), message, remedy);
    }
    let Some(mut bfd) = draft.finish(text, At(name.at)) else {
        return;
    };
    if !sessions.ends.insert((bfd.source, bfd.neighbor, bfd.interface.clone())) {
        let message = format!("{owner}has duplicate neighbor address {}, ignoring instance", bfd.neighbor);
        return found.tell(Severity::Error, name.at, message, "one session to one neighbour is enough");
    }
    if is_link_local(&bfd.neighbor) && bfd.interface.is_none() {
        let at = given.at("neighbor_ip").or_else(|| given.at("neighbour_ip")).unwrap_or(name.at);
        let message = format!("{owner}has link-local neighbor address {} without an interface", bfd.neighbor);
        let remedy =
            format!("no packet can leave: write {}%eth0 with the name of the interface", bfd.neighbor);
        found.tell(Severity::Warning, at, message, &remedy);
    }
    let ttl = bfd.ttl.map_or(255, i16::from);
    if bfd.params.max_hops > ttl {
        let message = format!("{owner}max_hops exceeds ttl/hoplimit - setting to ttl/hoplimit");
        found.tell(Severity::Warning, at("max_hops"), message, "no packet loses more than its TTL");
        bfd.params.max_hops = ttl;
    }
    if bfd.params.max_hops != 0 && !bfd.multihop {
        let message = format!(
            "{owner}takes packets that came by routers at port 3784, which only keepalived sends there"
        );
        found.tell(
            Severity::Note,
            at("max_hops"),
            message,
            "write multihop if the other end is another program",
        );
    }
    names.bfds.add(text, BfdId::at(model.bfds.len()));
    model.bfds.push(bfd);
}
