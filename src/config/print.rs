//! The model as text that is read back as an equal model: the effective configuration.

use super::model::{Instance, Model};
use super::print_services;
use super::row::{Kind, Row, Shown};
use super::rows::{bfd, global, instance, lists, script, tls, top};
use super::value::Quoted;
use core::fmt::Write;

/// The whole model, every inherited value spelt out where it holds.
#[must_use]
pub fn print(model: &Model) -> String {
    let mut out = String::new();
    rows(top::ROWS, &model.daemon, 0, &mut out);
    let mut inner = String::new();
    rows(global::ROWS, &model.global, 1, &mut inner);
    block("global_defs", "", &inner, &mut out);
    for one in &model.scripts {
        inner.clear();
        rows(script::ROWS, one, 1, &mut inner);
        block("vrrp_script", &one.name, &inner, &mut out);
    }
    for one in &model.bfds {
        inner.clear();
        rows(bfd::ROWS, one, 1, &mut inner);
        block("bfd_instance", &one.name, &inner, &mut out);
    }
    for one in &model.instances {
        inner.clear();
        rows(instance::ROWS, one, 1, &mut inner);
        track_scripts(model, one, &mut inner);
        block("vrrp_instance", &one.name, &inner, &mut out);
    }
    if let Some(tls) = &model.tls {
        inner.clear();
        rows(tls::ROWS, tls, 1, &mut inner);
        let _ = write!(out, "SSL {{\n{inner}}}\n");
    }
    print_services::services(model, &mut out);
    out
}

/// A block of the outermost level; nothing if it has neither name nor content. Writing to a String cannot fail.
fn block(keyword: &str, name: &str, inner: &str, out: &mut String) {
    if name.is_empty() && inner.is_empty() {
        return;
    }
    out.push_str(keyword);
    if !name.is_empty() {
        let _ = write!(out, " {}", Quoted(name));
    }
    let _ = write!(out, " {{\n{inner}}}\n");
}

/// Every row that has something to show, in the order of the table.
pub(super) fn rows<D, M>(rows_: &'static [Row<D, M>], model: &M, depth: usize, out: &mut String) {
    let indent = "    ".repeat(depth);
    for row in rows_ {
        if let Kind::Block(inner_rows) = row.kind {
            let mut inner = String::new();
            rows(inner_rows, model, depth.saturating_add(1), &mut inner);
            if !inner.is_empty() {
                let _ = write!(out, "{indent}{} {{\n{inner}{indent}}}\n", row.name);
            }
            continue;
        }
        let Some(show) = row.show else { continue };
        let _ = match show(model) {
            Shown::Nothing => Ok(()),
            Shown::Flag => writeln!(out, "{indent}{}", row.name),
            Shown::One(text) => writeln!(out, "{indent}{} {text}", row.name),
            Shown::Lines(lines) => list(row.name, &lines, &indent, out),
        };
    }
}

fn list(name: &str, lines: &[String], indent: &str, out: &mut String) -> core::fmt::Result {
    writeln!(out, "{indent}{name} {{")?;
    for line in lines {
        writeln!(out, "{indent}    {line}")?;
    }
    writeln!(out, "{indent}}}")
}

/// Trackers name scripts, which an instance alone does not know.
fn track_scripts(model: &Model, instance: &Instance, out: &mut String) {
    let lines: Vec<String> = instance
        .track_scripts
        .iter()
        .filter_map(|tracked| {
            let script = model.script(tracked.script)?;
            let mut line = format!(
                "{} weight {}",
                Quoted(&script.name),
                lists::weight_text(tracked.weight)
            );
            if !tracked.weight.reverse {
                line.push_str(" noreverse");
            }
            Some(line)
        })
        .collect();
    if !lines.is_empty() {
        let _ = list("track_script", &lines, "    ", out);
    }
}
