//! Virtual servers as text: groups, services, their real servers and checks.

use core::fmt::Write;

use super::table::rows;
use crate::config::model::service::{Key, RealServer};
use crate::config::model::{Checker, Model, Probe};
use crate::config::rows::services::{check, group, http, real, service};
use crate::config::value::Quoted;

/// Every group and every service. Writing to a String cannot fail.
pub(super) fn services(model: &Model, out: &mut String) {
    for one in &model.service_groups {
        let _ = writeln!(out, "virtual_server_group {} {{", Quoted(&one.name));
        for entry in &one.entries {
            let _ = writeln!(out, "    {}", group::show(entry));
        }
        out.push_str("}\n");
    }
    for one in model.virtual_servers() {
        out.push_str("virtual_server ");
        let _ = match &one.key {
            Key::Address(addr, 0) => writeln!(out, "{addr} {{"),
            Key::Address(addr, port) => writeln!(out, "{addr} {port} {{"),
            Key::Mark(mark) => writeln!(out, "fwmark {mark} {{"),
            Key::Group(name) => writeln!(out, "group {} {{", Quoted(name)),
        };
        rows(service::ROWS, one, 1, out);
        for server in &one.servers {
            real_server(model, server, out);
        }
        out.push_str("}\n");
    }
}

fn real_server(model: &Model, server: &RealServer, out: &mut String) {
    let _ = match server.port {
        0 => writeln!(out, "    real_server {} {{", server.addr),
        port => writeln!(out, "    real_server {} {port} {{", server.addr),
    };
    rows(real::ROWS, server, 2, out);
    for one in &server.checks {
        checker(model, one, out);
    }
    out.push_str("    }\n");
}

fn checker(model: &Model, one: &Checker, out: &mut String) {
    let keyword = one.probe.keyword();
    let _ = writeln!(out, "        {keyword} {{");
    if let Probe::Bfd(id) = one.probe
        && let Some(bfd) = model.bfd(id)
    {
        let _ = writeln!(out, "            name {}", Quoted(&bfd.name));
    }
    if let Probe::File(id, _) = one.probe
        && let Some(file) = model.file(id)
    {
        let _ = writeln!(out, "            track_file {}", Quoted(&file.name));
    }
    let table = check::TABLES.iter().find(|(name, _)| *name == keyword);
    for part in table.iter().flat_map(|(_, parts)| parts) {
        rows(part, one, 3, out);
    }
    let (pages, table) = match &one.probe {
        Probe::Http(_, http) => (&*http.pages, http::URL),
        Probe::Ssl(_, http) => (&*http.pages, http::URL_TLS),
        _ => (&[][..], http::URL),
    };
    for page in pages {
        out.push_str("            url {\n");
        rows(table, page, 4, out);
        out.push_str("            }\n");
    }
    out.push_str("        }\n");
}
