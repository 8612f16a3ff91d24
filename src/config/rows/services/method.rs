//! `lvs_method` and its kind: how packets reach a real server.

use crate::config::line::Line;
use crate::config::model::service::{Method, Tunnel, TunnelChecksum, TunnelKind};
use crate::config::row::Kind::{self, Choice, Flag, Integer};
use crate::config::row::{Integer as Whole, Row, Shown, fit};

/// The arguments, as text.
pub const SYNTAX: &str = "NAT|DR|TUN [type ipip|gue|gre] [port <1..65535>] [nocsum|csum|remcsum]";

const TYPES: &[&str] = &["ipip", "gue", "gre"];
const KINDS: [TunnelKind; 3] = [TunnelKind::Ipip, TunnelKind::Gue, TunnelKind::Gre];

const fn row(
    name: &'static str,
    kind: Kind<Tunnel, Tunnel>,
    default: &'static str,
    meaning: &'static str,
) -> Row<Tunnel, Tunnel> {
    Row::new(name, kind, default, meaning)
}

/// Every option of a tunnel.
#[rustfmt::skip]
pub static ROWS: &[Row<Tunnel, Tunnel>] = &[
    row("type", Choice(TYPES, |t, index| t.kind = KINDS.get(index).copied().unwrap_or_default()), "ipip", "Encapsulation"),
    row("port", Integer(Whole::new("", 1..=65_535, |t: &mut Tunnel, n| t.port = fit(n)).strict()), "none", "UDP port, of gue only"),
    row("nocsum", Flag(|t| t.checksum = TunnelChecksum::Off), "on", "No checksum of the outer header"),
    row("csum", Flag(|t| t.checksum = TunnelChecksum::On), "off", "A checksum of the outer header, of gue and gre"),
    row("remcsum", Flag(|t| t.checksum = TunnelChecksum::Remote), "off", "A checksum left to the receiver, of gue only"),
];

/// Reads a method; none if it is unknown, which is told. `place` is what it is for.
pub(super) fn read(line: &mut Line<'_>, place: &str) -> Option<Method> {
    let Some(word) = line.arg(0) else {
        line.missing(line.keyword, SYNTAX);
        return None;
    };
    let method = match word.text {
        "NAT" => Method::Nat,
        "DR" => Method::Direct,
        "TUN" => return Some(Method::Tunnel(tunnel(line, place).unwrap_or_default())),
        other => {
            let message = format_args!("unknown [{other}] routing method for {place}");
            let remedy = match other.to_ascii_uppercase().as_str() {
                upper @ ("NAT" | "DR" | "TUN") => format!("write {upper} in capitals; the line is not used"),
                _ => "write NAT, DR or TUN; the line is not used".to_owned(),
            };
            line.error(word, message, &remedy);
            return None;
        }
    };
    if let Some(extra) = line.arg(1) {
        let message = format_args!("'{}' after {} is not used", extra.text, word.text);
        line.note(extra, message, "only TUN has options");
    }
    Some(method)
}

/// The options of a tunnel; none if one is wrong, which is told.
fn tunnel(line: &mut Line<'_>, place: &str) -> Option<Tunnel> {
    let mut tunnel = Tunnel::default();
    let mut words = line.args.iter().skip(1);
    while let Some(option) = words.next() {
        let name = option.text;
        let Some(row) = ROWS.iter().find(|row| row.name == name) else {
            let message = format_args!("Invalid tunnel option {name} for {place}");
            line.error(option, message, &format!("write {SYNTAX}; no option is used"));
            return None;
        };
        if let Flag(set) = row.kind {
            set(&mut tunnel);
            continue;
        }
        let Some(value) = words.next() else {
            let message = format_args!("Missing tunnel {name} for {place}");
            let remedy = format!("write {name} {}; no option is used", row.syntax());
            line.error(option, message, &remedy);
            return None;
        };
        match &row.kind {
            Choice(known, set) => match known.iter().position(|word| *word == value.text) {
                Some(index) => set(&mut tunnel, index),
                None => {
                    let message = format_args!("Unknown tunnel type {} for {place}", value.text);
                    line.error(value, message, "write ipip, gue or gre; no option is used");
                    return None;
                }
            },
            Integer(number) => {
                (number.set)(&mut tunnel, line.number(name, value, number.bounds.range())?);
            }
            _ => {}
        }
    }
    let wrong = match (tunnel.kind, tunnel.port, tunnel.checksum) {
        (TunnelKind::Gue, 0, _) => "gue tunnels require port",
        (TunnelKind::Ipip | TunnelKind::Gre, 1.., _) => "only gue tunnels have a port",
        (TunnelKind::Ipip, _, TunnelChecksum::On | TunnelChecksum::Remote) => {
            "ipip tunnels do not support checksum option"
        }
        (TunnelKind::Gre, _, TunnelChecksum::Remote) => "gre tunnels do not support remote checksum option",
        _ => return Some(tunnel),
    };
    line.error(line.keyword, format_args!("{wrong}"), &format!("write {SYNTAX}; no option is used"));
    None
}

/// A method as it is written.
pub(super) fn show(method: Method) -> Shown {
    let tunnel = match method {
        Method::Nat => return Shown::One("NAT".to_owned()),
        Method::Direct => return Shown::One("DR".to_owned()),
        Method::Tunnel(tunnel) => tunnel,
    };
    let mut out = "TUN".to_owned();
    match tunnel.kind {
        TunnelKind::Ipip => {}
        TunnelKind::Gue => out.push_str(&format!(" type gue port {}", tunnel.port)),
        TunnelKind::Gre => out.push_str(" type gre"),
    }
    match tunnel.checksum {
        TunnelChecksum::Off => {}
        TunnelChecksum::On => out.push_str(" csum"),
        TunnelChecksum::Remote => out.push_str(" remcsum"),
    }
    Shown::One(out)
}
