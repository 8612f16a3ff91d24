//! A rule as a line that is read as the same rule.

use core::fmt::{Display, Write};

use super::super::route::Realms;
use crate::base::addr::Family;
use crate::base::rule::Action;
use crate::config::model::Named;
use crate::config::model::route::ORIGIN;
use crate::config::model::rule::Rule;
use crate::config::value::Quoted;

/// The line. Numbers are written as numbers, because another machine may name them otherwise.
pub(crate) fn text(rule: &Rule) -> String {
    let mut out = String::new();
    if rule.invert {
        out.push_str("not ");
    }
    let mut put = |word: &str, value: Option<&dyn Display>| {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = write!(out, "{word} {value} ");
        }
    };
    put("from", opt(&rule.from));
    put("to", opt(&rule.to));
    put("preference", Some(&rule.preference));
    put("tos", opt(&rule.tos));
    let mark = rule.mark.map(|(mark, mask)| match mask {
        Some(mask) => format!("0x{mark:x}/0x{mask:x}"),
        None => format!("0x{mark:x}"),
    });
    put("fwmark", opt(&mark));
    put("iif", opt(&name(rule.input.as_ref())));
    put("oif", opt(&name(rule.output.as_ref())));
    put("tunnel-id", opt(&rule.tunnel));
    put("uidrange", opt(&range(rule.users)));
    put("ipproto", opt(&rule.transport));
    put("sport", opt(&range(rule.source_ports)));
    put("dport", opt(&range(rule.destination_ports)));
    match rule.action {
        Action::Table(table) => put("table", Some(&table)),
        Action::Goto(target) => put("goto", Some(&target)),
        Action::MasterDevice => put("l3mdev", Some(&"")),
        Action::Nothing => put("nop", Some(&"")),
        Action::Blackhole => put("blackhole", Some(&"")),
        Action::Unreachable => put("unreachable", Some(&"")),
        Action::Prohibit => put("prohibit", Some(&"")),
    }
    put("realms", opt(&rule.realms.map(Realms)));
    put("suppress_prefixlength", opt(&rule.suppress_length));
    put("suppress_ifgroup", opt(&rule.suppress_group));
    put("protocol", opt(&(rule.origin != ORIGIN).then_some(rule.origin)));
    if rule.no_track {
        out.push_str("no_track ");
    }
    if rule.family == Family::V6 {
        out.push_str("inet6");
    }
    out.trim_end().to_owned()
}

fn opt<T: Display>(value: &Option<T>) -> Option<&dyn Display> {
    value.as_ref().map(|value| value as &dyn Display)
}

fn name(named: Option<&Named>) -> Option<Quoted<'_>> {
    named.map(|named| Quoted(named.name.as_str()))
}

fn range<T: Display>(range: Option<(T, T)>) -> Option<String> {
    range.map(|(first, last)| format!("{first}-{last}"))
}
