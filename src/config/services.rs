//! Virtual servers, their groups and real servers: their blocks read into the model.
//!
//! A nested block is read after the rest of the block around it, so that what it inherits is known. The rules
//! between keywords are in `resolve::services`.

use super::block::{name, quietly};
use super::checks;
use super::diag::{Class, Diagnostics, Severity};
use super::keyword::{Object, entries as read_entries};
use super::line::Line;
use super::model::service::{Group, Key, Rare, RealServer};
use super::model::{At, Model};
use super::names::Names;
use super::resolve::servers;
use super::resolve::services::{self as rules, Above};
use super::rows::services::{group, real, service};
use super::sessions;
use super::tree::Word;
use crate::base::addr::{IpAddr, Ipv4Addr};
use crate::base::feature;
use crate::base::map::Set;

/// Reads the groups, which services need wherever they stand.
pub(super) fn groups<'t>(
    objects: impl Iterator<Item = Object<'t>>,
    model: &mut Model,
    names: &mut Names,
    found: &mut Diagnostics,
) {
    let known = &mut names.services.groups;
    for object in objects {
        if object.node.keyword().text != "virtual_server_group" {
            continue;
        }
        let named = name(&object, Class::Missing, found);
        let text = named.map_or("", |name| name.text);
        let mut entries = group::Entries::new();
        read_entries(
            &mut object.inside.clone(),
            &mut |line| group::entry(&mut entries, line),
            (&format!("({text}): "), false),
            found,
        );
        let Some(name) = named else { continue };
        if entries.is_empty() {
            let message = format!("virtual server group {text} has no entries - removing");
            found.tell(Severity::Error, name.at, message, "write an address or a mark a line");
            continue;
        }
        if known.contains_key(text) {
            let message = format!("virtual server group {text} already defined - ignoring");
            found.tell(
                Severity::Error,
                name.at,
                message,
                "the first one is used; give this one another name",
            );
            continue;
        }
        let group = Group { name: text.to_owned(), at: At(name.at), entries };
        if rules::group(&group, found) {
            known.insert(text.to_owned(), model.service_groups.len());
            model.service_groups.push(group);
        }
    }
}

/// Reads one object, if it is of this theme and this build has what reads it: the keyword of another one was refused.
pub(super) fn object(object: &Object<'_>, model: &mut Model, names: &mut Names, found: &mut Diagnostics) {
    match object.node.keyword().text {
        "bfd_instance" if feature::BFD.built => sessions::bfd(object, model, names, found),
        "SSL" => sessions::tls(object, model, found),
        "virtual_server" if feature::LVS.built => read_service(object, model, names, found),
        _ => {}
    }
}

/// What a service listens to; none if that cannot be used, which is told.
fn key(line: &mut Line<'_>) -> Option<Key> {
    let Some(first) = line.arg(0) else {
        line.missing(line.keyword, "<ip> [<port>] | fwmark <mark> | group <name> {");
        return None;
    };
    let second = line.arg(1);
    let surplus = |line: &mut Line<'_>| {
        if let Some(extra) = line.arg(2) {
            let message = format_args!("'{}' after the name of a virtual_server is not used", extra.text);
            line.note(extra, message, "");
        }
    };
    match (first.text, second) {
        ("group", Some(name)) => {
            surplus(line);
            Some(Key::Group(name.text.to_owned()))
        }
        ("fwmark", Some(word)) => match group::mark_number(line, word)? {
            0 => {
                line.error(
                    word,
                    format_args!("virtual server fwmark 0 is no mark - ignoring"),
                    "write a mark from 1 on",
                );
                None
            }
            mark => {
                surplus(line);
                Some(Key::Mark(mark))
            }
        },
        ("group", None) => {
            line.missing(first, "group <name> {; the block is not used");
            None
        }
        ("fwmark", None) => {
            line.missing(first, "fwmark <mark> {; the block is not used");
            None
        }
        (text, _) => {
            let (addr, port) = (service::server_address(line, 0), group::port(line));
            let (Some(addr), Some(port)) = (addr, port) else {
                let port = second.map(|word| format!("/{}", word.text)).unwrap_or_default();
                let message = format_args!("Invalid virtual server IP address/port {text}{port} - skipping");
                line.error(first, message, "write a numeric address and a port from 1 to 65535");
                return None;
            };
            surplus(line);
            Some(Key::Address(addr, port))
        }
    }
}

fn read_service(object: &Object<'_>, model: &mut Model, names: &mut Names, found: &mut Diagnostics) {
    let words = object.node.all_words();
    let key = key(&mut Line::new(object.node, &words, false, "", found));
    let at = words.get(1).map_or(object.node.at(), |word| word.at);
    let usable = key.is_some();
    let mut draft = service::ServiceDraft::new(key.unwrap_or(Key::Mark(0)), At(at));
    let (given, servers) = quietly(object, [service::ROWS, &[]], &mut draft, "", found);
    let (mut order, mut group) = (0, None);
    if let Key::Group(name) = &draft.service.key {
        let index = names.services.groups.get(name);
        group = index.and_then(|index| model.service_groups.get(*index));
        order = names.services.uses.change(name.clone(), |uses| {
            *uses = uses.saturating_add(1);
            uses.saturating_sub(1)
        });
    }
    let mut above = rules::listens(&draft.service, group, order, found);
    if usable {
        rules::begin(&mut draft, &mut above, servers.is_empty(), &model.global.mail, &given, found);
    }
    draft.service.servers.reserve_exact(servers.len());
    let mut words = words;
    for object in &servers {
        let mut within = Within { model, names, service: &draft, above: &above, found };
        object.node.split(&mut words);
        if let Some(server) = read_server(object, &words, &mut within) {
            draft.service.servers.push(server);
        }
    }
    if usable && let Some(service) = servers::finish(draft, &above, &given, found) {
        model.services.push(service);
    }
}

/// Around a real server.
struct Within<'a> {
    model: &'a Model,
    names: &'a Names,
    service: &'a service::ServiceDraft,
    above: &'a Above,
    found: &'a mut Diagnostics,
}

/// Reads a real server, whose line has these words.
fn read_server<'t>(object: &Object<'t>, words: &[Word<'t>], within: &mut Within<'_>) -> Option<RealServer> {
    let listens = server_key(&mut Line::new(object.node, words, false, "", within.found));
    let mut draft = real::RealServerDraft::default();
    let (_, blocks) = quietly(object, [real::ROWS, &[]], &mut draft, "", within.found);
    let service = &within.service.service;
    let (addr, port) = listens.unwrap_or((IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
    let mut server = RealServer {
        addr,
        port,
        inhibit: draft.inhibit.unwrap_or(service.inhibit),
        smtp_alert: rules::alert(draft.smtp_alert, &within.model.global.mail, true),
        weight: draft.weight.unwrap_or(service.weight),
        method: draft.method.unwrap_or(service.method),
        upper: draft.upper,
        lower: draft.lower,
        at: At(words.get(1).map_or(object.node.at(), |word| word.at)),
        checks: Vec::with_capacity(blocks.len()),
        more: None,
    };
    servers::port(&mut server, &service.key, within.above, within.found);
    if !blocks.is_empty() {
        let port = if port == 0 { server.port } else { port };
        read_checks(&blocks, &draft.rare, (&mut server, port), within);
    }
    if draft.rare != Rare::default() {
        server.more = Some(Box::new(draft.rare));
    }
    listens.is_some().then_some(server)
}

/// Reads the checks of a real server, for this port, which begin with what is given there and with what is given above.
fn read_checks(
    blocks: &[Object<'_>],
    rare: &Rare,
    (server, port): (&mut RealServer, u16),
    within: &mut Within<'_>,
) {
    let service = &within.service.service;
    let mut around = checks::Around {
        model: within.model,
        names: within.names,
        found: within.found,
        owner: &within.above.name,
        timing: rare.timing.over(&service.timing),
        host: rare.host.clone().or_else(|| service.host.clone()),
        sessions: Set::new(),
        port,
    };
    for block in blocks {
        checks::read(block, &mut around, server);
    }
}

/// Address and port of a real server; none if they cannot be used, which is told.
fn server_key(line: &mut Line<'_>) -> Option<(IpAddr, u16)> {
    let Some(word) = line.arg(0) else {
        line.missing(line.keyword, "<ip> [<port 1..65535>] {");
        return None;
    };
    let (addr, port) = (service::server_address(line, 0), group::port(line));
    let (Some(addr), Some(port)) = (addr, port) else {
        let port = line.arg(1).map(|word| format!("/{}", word.text)).unwrap_or_default();
        let message = format_args!("Invalid real server ip address/port {}{port} - skipping", word.text);
        line.error(word, message, "write a numeric address and a port from 1 to 65535");
        return None;
    };
    if let Some(extra) = line.arg(2) {
        let message = format_args!("'{}' after the port of a real_server is not used", extra.text);
        line.note(extra, message, "");
    }
    Some((addr, port))
}
