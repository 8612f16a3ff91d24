//! Readers of the `lvs_*` keywords of `global_defs` that take more than one word, and their printers.

use core::fmt::Write;
use core::ops::RangeInclusive;

use crate::base::addr::IpAddr;
use crate::config::line::Line;
use crate::config::model::Global;
use crate::config::model::global::{Flush, SyncDaemon};
use crate::config::row::{Shown, fit};
use crate::config::value::Quoted;

/// `lvs_sync_daemon`
pub(super) fn sync_daemon(global: &mut Global, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.error(
            line.keyword,
            format_args!("No lvs_sync_daemon interface specified"),
            "name an interface first",
        );
    };
    let Some(interface) = line.interface(word) else {
        return;
    };
    let mut sync = SyncDaemon {
        interface: interface.name,
        instance: None,
        id: None,
        maxlen: None,
        port: None,
        ttl: None,
        group: None,
    };
    let mut words = line.args.iter().skip(1).enumerate();
    while let Some((index, option)) = words.next() {
        let positional = match option.text {
            "inst" | "id" | "maxlen" | "port" | "ttl" | "group" => false,
            _ if index == 0 => {
                line.warn(
                    option,
                    format_args!("an instance without inst is deprecated"),
                    "write inst before its name",
                );
                sync.instance = Some(option.text.to_owned());
                true
            }
            _ => {
                line.warn(
                    option,
                    format_args!("a sync id without id is deprecated"),
                    "write id before the number",
                );
                sync.id = line.number("id", option, 0..=255).map(fit);
                true
            }
        };
        if positional {
            continue;
        }
        let Some((_, word)) = words.next() else {
            let message = format_args!("No value specified for lvs_sync_daemon {}", option.text);
            line.error(option, message, "each option takes a value");
            break;
        };
        let mut number = |range: RangeInclusive<i64>| line.number(option.text, word, range);
        match option.text {
            "inst" => sync.instance = Some(word.text.to_owned()),
            "id" => sync.id = number(0..=255).map(fit),
            "maxlen" => sync.maxlen = number(1..=65_507).map(fit),
            "port" => sync.port = number(1..=65_535).map(fit),
            "ttl" => sync.ttl = number(1..=255).map(fit),
            _ => match word.text.parse::<IpAddr>() {
                Ok(addr) if addr.is_multicast() => sync.group = Some(addr),
                _ => line.error(
                    word,
                    format_args!("Invalid lvs_sync_daemon group"),
                    "write a multicast address",
                ),
            },
        }
    }
    global.lvs.sync = Some(sync);
}

/// Its printer.
pub(super) fn show_sync_daemon(global: &Global) -> Shown {
    let Some(sync) = &global.lvs.sync else {
        return Shown::Nothing;
    };
    let mut out = Quoted(sync.interface.as_str()).to_string();
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = write!(out, " {name} {value}");
        }
    };
    option("inst", sync.instance.as_ref().map(|name| Quoted(name).to_string()));
    option("id", sync.id.map(|n| n.to_string()));
    option("maxlen", sync.maxlen.map(|n| n.to_string()));
    option("port", sync.port.map(|n| n.to_string()));
    option("ttl", sync.ttl.map(|n| n.to_string()));
    option("group", sync.group.map(|addr| addr.to_string()));
    Shown::One(out)
}

/// `lvs_timeouts`
pub(super) fn timeouts(global: &mut Global, line: &mut Line<'_>) {
    let words = line.args;
    if words.len() < 2 {
        return line.error(
            line.keyword,
            format_args!("lvs_timeouts requires at least one option"),
            "write tcp, tcpfin or udp and seconds",
        );
    }
    let mut words = words.iter();
    while let Some(option) = words.next() {
        let field = match option.text {
            "tcp" => &mut global.lvs.tcp,
            "tcpfin" => &mut global.lvs.tcpfin,
            "udp" => &mut global.lvs.udp,
            _ => {
                let message = format_args!("Unknown option {} specified for lvs_timeouts", option.text);
                line.error(option, message, "write tcp, tcpfin or udp and seconds");
                continue;
            }
        };
        match words.next() {
            Some(word) => {
                if let Some(number) = line.number(option.text, word, 0..=2_678_400) {
                    *field = fit(number);
                }
            }
            None => {
                line.error(option, format_args!("No value specified for lvs_timeouts {}", option.text), "")
            }
        }
    }
}

/// Its printer.
pub(super) fn show_timeouts(global: &Global) -> Shown {
    let lvs = &global.lvs;
    let set = [("tcp", lvs.tcp), ("tcpfin", lvs.tcpfin), ("udp", lvs.udp)];
    let words: Vec<String> =
        set.iter().filter(|(_, secs)| *secs != 0).map(|(name, secs)| format!("{name} {secs}")).collect();
    if words.is_empty() { Shown::Nothing } else { Shown::One(words.join(" ")) }
}

/// `lvs_flush_on_stop [VS]`
pub(super) fn flush_on_stop(global: &mut Global, line: &mut Line<'_>) {
    match line.arg(0) {
        None => global.lvs.flush_on_stop = Some(Flush::All),
        Some(word) if word.text == "VS" => global.lvs.flush_on_stop = Some(Flush::Own),
        Some(word) => {
            let message = format_args!("Unknown {} type {}", line.keyword.text, word.text);
            line.error(word, message, "write VS or nothing; the line is not used");
        }
    }
}

/// Its printer.
pub(super) fn show_flush_on_stop(global: &Global) -> Shown {
    match global.lvs.flush_on_stop {
        None => Shown::Nothing,
        Some(Flush::All) => Shown::Flag,
        Some(Flush::Own) => Shown::One("VS".to_owned()),
    }
}
