//! `bfd_instance`.

use super::show::{flag, maybe, plain, switch, unless};
use crate::base::addr::{Family, IpAddr};
use crate::base::name::IfName;
use crate::base::time::Span;
use crate::config::line::{Line, Used};
use crate::config::model::{At, Bfd};
use crate::config::row::Kind::{self, Custom, Flag, Integer, Switch};
use crate::config::row::{Integer as Whole, Row, Shown, fit};
use crate::config::value::{self, Bad};
use crate::proto::bfd::Params;
use crate::proto::track::Weight;

/// A `bfd_instance` while it is read.
#[derive(Clone, Debug, Default)]
pub struct BfdDraft {
    /// `neighbor_ip`
    pub neighbor: Option<IpAddr>,
    /// The interface of that.
    pub neighbor_interface: Option<IfName>,
    /// `neighbor_ip` was given, whatever it said.
    pub has_neighbor: bool,
    /// `source_ip`
    pub source: Option<IpAddr>,
    /// The interface of that.
    pub source_interface: Option<IfName>,
    /// What the machine needs.
    pub params: Params,
    /// `ttl`
    pub ttl: Option<u8>,
    /// `multihop`
    pub multihop: bool,
    /// `weight`
    pub weight: Weight,
    /// `vrrp`
    pub vrrp: bool,
    /// `checker`
    pub checker: bool,
}

impl BfdDraft {
    /// The session, if it has a neighbour.
    #[must_use]
    pub fn finish(self, name: &str, at: At) -> Option<Bfd> {
        let both = self.vrrp == self.checker;
        Some(Bfd {
            name: name.to_owned(),
            at,
            neighbor: self.neighbor?,
            source: self.source,
            interface: self.neighbor_interface.or(self.source_interface),
            params: self.params,
            ttl: self.ttl,
            multihop: self.multihop,
            weight: self.weight,
            vrrp: self.vrrp || both,
            checker: self.checker || both,
        })
    }
}

/// A row of this table: fixes the types, so that closures need none.
const fn row(
    name: &'static str,
    kind: Kind<BfdDraft, Bfd>,
    default: &'static str,
    meaning: &'static str,
) -> Row<BfdDraft, Bfd> {
    Row::new(name, kind, default, meaning)
}

const fn int(from: i64, to: i64, set: fn(&mut BfdDraft, i64)) -> Kind<BfdDraft, Bfd> {
    Integer(Whole::new("", from..=to, set).strict())
}

const ADDRESS: &str = "<ip>[%<interface>]";
const REMEDY: &str =
    "write a numeric IPv4 or IPv6 address, a link-local one with its interface: fe80::1%eth0";

/// Every keyword of `bfd_instance`.
#[rustfmt::skip]
pub static ROWS: &[Row<BfdDraft, Bfd>] = &[
    row("neighbor_ip", Custom(ADDRESS, neighbor), "required",
        "Address of the other end").show(|b| plain(b.with_interface(b.neighbor))),
    row("neighbour_ip", Custom(ADDRESS, neighbor), "required",
        "British spelling of neighbor_ip"),
    row("source_ip", Custom(ADDRESS, source), "as the kernel chooses",
        "Own address").show(|b| maybe(b.source.map(|source| b.with_interface(source)))),
    row("min_rx", Custom("<milliseconds 1..4294967>", |d, l| millis(l, 1, &mut |span| d.params.min_rx = span)), "10",
        "Shortest time between two packets that can be received").show(|b| show_millis(b.params.min_rx, 10)),
    row("min_tx", Custom("<milliseconds 1..4294967>", |d, l| millis(l, 1, &mut |span| d.params.min_tx = span)), "10",
        "Time between two packets that is wished for sending").show(|b| show_millis(b.params.min_tx, 10)),
    row("idle_tx", Custom("<milliseconds 1000..4294967>", |d, l| millis(l, 1000, &mut |span| d.params.idle_tx = span)), "1000",
        "Time between two packets while the session is not up").show(|b| show_millis(b.params.idle_tx, 1000)),
    row("multiplier", int(1, 255, |d, n| d.params.multiplier = fit(n)), "5",
        "Lost packets before the session counts as down").show(|b| unless(b.params.multiplier, &5)),
    row("passive", Flag(|d| d.params.passive = true), "off",
        "Waits for the other end to speak first").show(|b| flag(b.params.passive)),
    row("ttl", int(1, 255, |d, n| d.ttl = Some(fit(n))), "255",
        "TTL or hop limit of sent packets").show(|b| maybe(b.ttl)),
    row("hoplimit", int(1, 255, |d, n| d.ttl = Some(fit(n))), "255",
        "Same as ttl"),
    row("max_hops", int(-1, 255, |d, n| d.params.max_hops = fit(n)), "0",
        "Hops that a received packet may have taken; -1: any number").show(|b| unless(b.params.max_hops, &0)),
    row("multihop", Switch(|d, on| d.multihop = on), "off",
        "Uses port 4784 instead of 3784").show(|b| switch(b.multihop)),
    row("weight", Custom("<-253..253> [reverse]", weight), "0",
        "What trackers of the session do to a priority").show(|b| super::track::show_weight(b.weight)),
    row("vrrp", Flag(|d| d.vrrp = true), "both",
        "Tells the VRRP process; without checker only that one").show(|b| flag(b.vrrp && !b.checker)),
    row("checker", Flag(|d| d.checker = true), "both",
        "Tells the checker process; without vrrp only that one").show(|b| flag(b.checker && !b.vrrp)),
];

fn neighbor(draft: &mut BfdDraft, line: &mut Line<'_>) {
    draft.has_neighbor = true;
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, ADDRESS);
    };
    match value::scoped_address(word.text) {
        Some((addr, interface)) => (draft.neighbor, draft.neighbor_interface) = (Some(addr), interface),
        None => {
            let message = format_args!("malformed neighbor address {}, ignoring instance", word.text);
            line.error(word, message, REMEDY);
        }
    }
}

fn source(draft: &mut BfdDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, ADDRESS);
    };
    match value::scoped_address(word.text) {
        Some((addr, interface)) => (draft.source, draft.source_interface) = (Some(addr), interface),
        None => {
            let message = format_args!("malformed source address {}, ignoring", word.text);
            line.error(word, message, REMEDY);
        }
    }
}

/// Milliseconds to the microsecond, from `least` to 4294967.
fn millis(line: &mut Line<'_>, least: u64, set: &mut dyn FnMut(Span)) {
    let name = line.keyword.text;
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, &format!("<milliseconds {least}..4294967>"));
    };
    let range = Span::from_secs(least)..=Span::from_secs(4_294_967);
    // A number of milliseconds reads like one of seconds, three digits further.
    let read = match value::seconds(word.text, range, 1_000) {
        Ok(read) if read.trailing => Err(Bad::Text),
        other => other,
    };
    match read {
        Ok(read) => {
            let span = Span::from_micros(read.value.as_micros() / 1_000);
            if read.rounded {
                let message = format_args!("{name}: number '{}' has too many decimal places", word.text);
                let remedy = format!("{} is used: three decimals are a microsecond", Millis(span));
                line.warn(word, message, &remedy);
            }
            if span > Span::from_secs(10) {
                let message = format_args!("{name} value {} is larger than 10 seconds", word.text);
                line.note(word, message, "the unit is milliseconds");
            }
            set(span);
        }
        Err(bad) => line.bad_number(name, word, bad, &format!("{least}, 4294967"), Used::Nothing),
    }
}

/// Milliseconds with as many decimals as needed.
struct Millis(Span);

impl core::fmt::Display for Millis {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let micros = self.0.as_micros();
        let thousand = Span::from_micros(micros.saturating_mul(1_000));
        value::Seconds(thousand).fmt(f)
    }
}

fn show_millis(span: Span, default: u64) -> Shown {
    if span == Span::from_millis(default) { Shown::Nothing } else { plain(Millis(span)) }
}

fn weight(draft: &mut BfdDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<-253..253> [reverse]");
    };
    match value::integer(word.text, -253..=253, true) {
        Ok(read) => {
            if read.trailing {
                let message =
                    format_args!("weight '{}' has text after it, {} is used", word.text, read.value);
                line.warn(word, message, "write a number from -253 to 253");
            }
            draft.weight.value = fit(read.value);
        }
        Err(bad) => return line.bad_number("weight", word, bad, "-253, 253", Used::Nothing),
    }
    match line.arg(1) {
        None => draft.weight.reverse = false,
        Some(word) if word.text == "reverse" => draft.weight.reverse = true,
        Some(word) => {
            let message = format_args!("unknown weight option '{}'", word.text);
            line.warn(word, message, "only reverse can follow the number");
        }
    }
}

/// Whether both ends are on one interface, where both name one.
pub fn one_interface(draft: &BfdDraft) -> bool {
    match (&draft.neighbor_interface, &draft.source_interface) {
        (Some(neighbor), Some(source)) => neighbor == source,
        _ => true,
    }
}

/// Whether both ends are of one family; a source that is not given fits.
pub fn one_family(draft: &BfdDraft) -> bool {
    match (draft.neighbor, draft.source) {
        (Some(neighbor), Some(source)) => Family::of(&neighbor) == Family::of(&source),
        _ => true,
    }
}
