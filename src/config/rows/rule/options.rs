//! The words of a rule line, one entry a word.

use std::rc::Rc;

use super::super::option::{Choice, Reader, Unusable, Words};
use super::RuleDraft;
use crate::base::addr::Family;
use crate::base::rule::Action;
use crate::config::iproute::number_of;
use crate::config::model::At;
use crate::config::row::{Term, fit};
use crate::config::tree::Word;

type Done = Result<(), Unusable>;

const fn choice(
    name: &'static str,
    syntax: &'static str,
    default: &'static str,
    meaning: &'static str,
    read: Reader<RuleDraft>,
) -> Choice<RuleDraft> {
    Choice { term: Term::new(name, syntax, default, meaning), read }
}

const NUMBER: &str = "<0..4294967295>";

/// Words of all rules.
#[rustfmt::skip]
static COMMON: &[Choice<RuleDraft>] = &[
    // What it holds for.
    choice("inet", "", "IPv4", "It is an IPv4 rule", |d, w, o| d.claim(w, o, Family::V4)),
    choice("inet6", "", "IPv4", "It is an IPv6 rule", |d, w, o| d.claim(w, o, Family::V6)),
    choice("not", "", "off", "Holds for what does not match", |d, _, _| { d.rule.invert = true; Ok(()) }),
    choice("from", "<ip>[/<len>]|default|any|all", "any", "Source", |d, w, o| { d.rule.from = d.selector(w, o)?; Ok(()) }),
    choice("to", "<ip>[/<len>]|default|any|all", "any", "Destination", |d, w, o| { d.rule.to = d.selector(w, o)?; Ok(()) }),
    choice("tos", "<name or 0..255>", "any", "Type of service", tos),
    choice("dsfield", "<name or 0..255>", "any", "Other name of tos", tos),
    choice("fwmark", "<uint32>[/<mask>]", "any", "Firewall mark; hex and octal, too", mark),
    choice("iif", "<interface>", "any", "Interface that packets came in by", |d, w, o| { d.rule.input = Some(w.interface(o)?); Ok(()) }),
    choice("dev", "<interface>", "any", "Other name of iif", |d, w, o| { d.rule.input = Some(w.interface(o)?); Ok(()) }),
    choice("oif", "<interface>", "any", "Interface that a socket is bound to", |d, w, o| { d.rule.output = Some(w.interface(o)?); Ok(()) }),
    choice("tunnel-id", "<uint64>", "any", "Id of the tunnel", |d, w, o| { d.rule.tunnel = Some(wide(w, o)?); Ok(()) }),
    choice("uidrange", "<uint>-<uint>", "any", "Users who own the socket", |d, w, o| {
        let word = w.value(o, "<uint>-<uint>")?;
        match range::<u32>(word.text) {
            Some(users) => { d.rule.users = Some(users); Ok(()) }
            None => Err(w.refuse(word, format_args!("Invalid uidrange {} specified", word.text), "write two numbers with - between them; the rule is not used")),
        }
    }),
    choice("ipproto", "<name or 0..127>", "any", "Protocol of the packet", transport),
    choice("sport", "<port>-<port>", "any", "Ports of the source", |d, w, o| { if let Some(range) = ports(w, o)? { d.rule.source_ports = Some(range); } Ok(()) }),
    choice("dport", "<port>-<port>", "any", "Ports of the destination", |d, w, o| { if let Some(range) = ports(w, o)? { d.rule.destination_ports = Some(range); } Ok(()) }),

    // What it does.
    choice("table", "<name or 1..4294967295>", "none", "Looks up this routing table", table),
    choice("lookup", "<name or 1..4294967295>", "none", "Other name of table", table),
    choice("l3mdev", "", "none", "Looks up the table of the VRF", |d, w, o| d.act(w, o, Action::MasterDevice)),
    choice("goto", NUMBER, "none", "Goes on at the rule with this preference, which must be higher", |d, w, o| {
        let target = w.number(o, 0..=U32)?;
        d.act(w, o, Action::Goto(target))
    }),
    choice("nop", "", "none", "Does nothing", |d, w, o| d.act(w, o, Action::Nothing)),
    choice("blackhole", "", "none", "Drops without a word", |d, w, o| d.act(w, o, Action::Blackhole)),
    choice("unreachable", "", "none", "Answers that the net is unreachable", |d, w, o| d.act(w, o, Action::Unreachable)),
    choice("prohibit", "", "none", "Answers that it is prohibited", |d, w, o| d.act(w, o, Action::Prohibit)),
    choice("type", "<action>", "none", "Optional word before an action", |d, w, o| {
        let word = w.value(o, "<action>")?;
        match word.text {
            "nop" => d.act(w, word, Action::Nothing),
            "blackhole" => d.act(w, word, Action::Blackhole),
            "unreachable" => d.act(w, word, Action::Unreachable),
            "prohibit" => d.act(w, word, Action::Prohibit),
            other => Err(w.refuse(word, format_args!("Unknown rule option {other}"), "write nop, blackhole, unreachable or prohibit; the rule is not used")),
        }
    }),

    // How.
    choice("preference", "<uint32, decimal, 0x hex or 0 octal>", "16384 and down, for each family", "Rules are asked from the lowest number on", preference),
    choice("order", "<uint32, decimal, 0x hex or 0 octal>", "16384 and down, for each family", "Other name of preference", preference),
    choice("priority", "<uint32, decimal, 0x hex or 0 octal>", "16384 and down, for each family", "Other name of preference", preference),
    choice("realms", "[<realm>/]<realm>", "none", "Realms of source and destination, IPv4, with a table", |d, w, o| {
        let names = Rc::clone(&d.names);
        d.rule.realms = Some(w.realms(o, &names.realms)?);
        Ok(())
    }),
    choice("suppress_prefixlength", "<0..2147483647>", "none", "Ignores routes with such a prefix or a shorter one, with a table", length),
    choice("sup_pl", "<0..2147483647>", "none", "Other name of suppress_prefixlength", length),
    choice("suppress_ifgroup", "<name or number>", "none", "Ignores routes by interfaces of this group, with a table", group),
    choice("sup_group", "<name or number>", "none", "Other name of suppress_ifgroup", group),
    choice("protocol", "<0..255>", "keepalived (18)", "Who made it; another one needs no_track", |d, w, o| {
        let word = w.value(o, "<0..255>")?;
        if let Some(number) = w.line.number("protocol", word, 0..=255) {
            d.rule.origin = fit(number);
        }
        Ok(())
    }),
    choice("no_track", "", "off", "Its loss changes nothing", |d, _, _| { d.rule.no_track = true; Ok(()) }),
];

/// Words of static rules only.
#[rustfmt::skip]
static FIXED: &[Choice<RuleDraft>] = &[
    choice("track_group", "<track_group>", "none", "Instances that follow it", |d, w, o| {
        let name = w.value(o, "<track_group>")?;
        if d.track_group.is_some() {
            w.line.error(name, format_args!("track_group {} is a duplicate", name.text), "one track_group is enough");
            return Ok(());
        }
        d.track_group = Some((name.text.to_owned(), At(name.at)));
        Ok(())
    }),
];

const U32: i64 = u32::MAX as i64;

/// Every entry, `fixed`: of a static rule.
pub(super) fn all(fixed: bool) -> impl Iterator<Item = &'static Choice<RuleDraft>> {
    let own = if fixed { FIXED } else { &[] };
    COMMON.iter().chain(own)
}

/// What is known about every word.
pub(super) fn terms(fixed: bool) -> Vec<Term> {
    all(fixed).map(|choice| choice.term).collect()
}

fn tos<'a>(draft: &mut RuleDraft, words: &mut Words<'_, 'a>, option: &'a Word<'a>) -> Done {
    let names = Rc::clone(&draft.names);
    draft.rule.tos = Some(byte(words.named(option, &names.services, 255, "TOS value")?));
    Ok(())
}

/// A number that was checked to fit.
fn byte(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

fn mark<'a>(draft: &mut RuleDraft, words: &mut Words<'_, 'a>, option: &'a Word<'a>) -> Done {
    let word = words.value(option, "<uint32>[/<mask>]")?;
    let number = |text: &str| number_of(text).and_then(|number| u32::try_from(number).ok());
    let read = match word.text.split_once('/') {
        Some((mark, mask)) => number(mark).zip(number(mask).map(Some)),
        None => number(word.text).map(|mark| (mark, None)),
    };
    if read.is_none() {
        let message = format_args!("Invalid rule fwmark {} specified", word.text);
        return Err(words.refuse(
            word,
            message,
            "write a number, or a number, / and a mask; the rule is not used",
        ));
    }
    draft.rule.mark = read;
    Ok(())
}

fn wide<'a>(words: &mut Words<'_, 'a>, option: &'a Word<'a>) -> Result<u64, Unusable> {
    let word = words.value(option, "<uint64>")?;
    let plain = word.text.bytes().all(|b| b.is_ascii_digit());
    match word.text.parse() {
        Ok(number) if plain => Ok(number),
        _ => {
            let message = format_args!("Invalid {} {} specified", option.text, word.text);
            Err(words.refuse(word, message, "write a number; the rule is not used"))
        }
    }
}

/// Two numbers with `-` between them.
fn range<T: core::str::FromStr>(text: &str) -> Option<(T, T)> {
    let (first, last) = text.split_once('-')?;
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if plain(first) && plain(last) { Some((first.parse().ok()?, last.parse().ok()?)) } else { None }
}

/// Ports; a bad range is told and left out.
fn ports<'a>(words: &mut Words<'_, 'a>, option: &'a Word<'a>) -> Result<Option<(u16, u16)>, Unusable> {
    let word = words.value(option, "<port>-<port>")?;
    let read = range(word.text);
    if read.is_none() {
        let message = format_args!("invalid {} range {}", option.text, word.text);
        let remedy = match word.text.parse::<u16>() {
            Ok(port) => format!("write {port}-{port}; the rule is used without it"),
            Err(_) => "write two ports with - between them; the rule is used without it".to_owned(),
        };
        words.line.error(word, message, &remedy);
    }
    Ok(read)
}

/// Protocols that are known by name; the rest are numbers.
const PROTOCOLS: [(&str, u8); 12] = [
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", 6),
    ("udp", 17),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("ospf", 89),
    ("vrrp", 112),
];

fn transport<'a>(draft: &mut RuleDraft, words: &mut Words<'_, 'a>, option: &'a Word<'a>) -> Done {
    let word = words.value(option, "<name or 0..127>")?;
    let named = PROTOCOLS.iter().find(|(name, _)| *name == word.text).map(|(_, number)| *number);
    let number = named.or_else(|| word.text.parse().ok().filter(|number| *number <= 127));
    match number {
        Some(number) => draft.rule.transport = Some(number),
        None => {
            let message = format_args!("Invalid ipproto {}", word.text);
            words.line.error(
                word,
                message,
                "write tcp, udp or a number from 0 to 127; the rule is used without it",
            );
        }
    }
    Ok(())
}

fn table<'a>(draft: &mut RuleDraft, words: &mut Words<'_, 'a>, option: &'a Word<'a>) -> Done {
    let names = Rc::clone(&draft.names);
    let word = words.value(option, "<name or 1..4294967295>")?;
    match names.tables.number(word.text, u32::MAX).filter(|table| *table > 0) {
        Some(table) => draft.act(words, option, Action::Table(table)),
        None => Err(words.unnamed(word, &names.tables, u32::MAX, "Routing table")),
    }
}

fn preference<'a>(draft: &mut RuleDraft, words: &mut Words<'_, 'a>, option: &'a Word<'a>) -> Done {
    let word = words.value(option, NUMBER)?;
    match number_of(word.text).and_then(|number| u32::try_from(number).ok()) {
        Some(number) => {
            draft.preference = Some(number);
            Ok(())
        }
        None => {
            let message = format_args!("Invalid rule {} {} specified", option.text, word.text);
            Err(words.refuse(word, message, "write a number from 0 to 4294967295; the rule is not used"))
        }
    }
}

fn length<'a>(draft: &mut RuleDraft, words: &mut Words<'_, 'a>, option: &'a Word<'a>) -> Done {
    draft.rule.suppress_length = Some(words.number(option, 0..=i64::from(i32::MAX))?);
    Ok(())
}

fn group<'a>(draft: &mut RuleDraft, words: &mut Words<'_, 'a>, option: &'a Word<'a>) -> Done {
    let names = Rc::clone(&draft.names);
    draft.rule.suppress_group = Some(words.named(option, &names.groups, u32::MAX, "suppress_group")?);
    Ok(())
}
