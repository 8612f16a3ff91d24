//! The words of a route line, one entry a word.

use std::rc::Rc;

use super::super::option::{Choice, Reader, Unusable, Words};
use super::{RouteDraft, destination, encap, metric, nexthop};
use crate::base::addr::Family;
use crate::config::model::At;
use crate::config::model::route::{Insert, NextHop};
use crate::config::row::Term;
use crate::config::tree::Word;

type Done = Result<(), Unusable>;

const fn choice(
    name: &'static str,
    syntax: &'static str,
    default: &'static str,
    meaning: &'static str,
    read: Reader<RouteDraft>,
) -> Choice<RouteDraft> {
    Choice { term: Term::new(name, syntax, default, meaning), read }
}

/// A type of route: the kernel's number, then the destination.
macro_rules! kind {
    ($name:literal, $number:literal, $meaning:literal) => {
        choice($name, "<destination>", "unicast", $meaning, |d, w, o| {
            d.route.kind = $number;
            let target = w.value(o, "<destination>")?;
            destination(d, w, target)
        })
    };
}

/// Words of all routes. `default`, `any` and `all` are destinations.
#[rustfmt::skip]
static COMMON: &[Choice<RouteDraft>] = &[
    // Where it leads.
    choice("to", "<destination>", "none", "Optional word before the destination", |d, w, o| {
        let target = w.value(o, "<destination>")?;
        destination(d, w, target)
    }),
    choice("default6", "", "none", "Old way to write default inet6", default6),
    kind!("unicast", 1, "An ordinary route"),
    kind!("local", 2, "The destination is this machine"),
    kind!("broadcast", 3, "Packets leave as broadcasts of the link"),
    kind!("brd", 3, "Short for broadcast"),
    kind!("anycast", 4, "The destination is an anycast address"),
    kind!("multicast", 5, "A multicast route"),
    kind!("blackhole", 6, "Packets are dropped without a word"),
    kind!("unreachable", 7, "Packets are answered as unreachable"),
    kind!("prohibit", 8, "Packets are answered as prohibited"),
    kind!("throw", 9, "The search goes on with the next rule"),
    kind!("nat", 10, "Translation of addresses, gone from kernels"),
    kind!("xresolve", 11, "Resolved by a program outside, not in kernels"),
    choice("inet", "", "by the first address", "It is an IPv4 route", |d, w, o| d.claim(w, o, Family::V4)),
    choice("inet6", "", "by the first address", "It is an IPv6 route", |d, w, o| d.claim(w, o, Family::V6)),
    choice("src", "<ip>", "none", "Preferred source address", |d, w, o| {
        let (addr, word) = w.address(o)?;
        d.claim(w, word, Family::of(&addr))?;
        d.route.source = Some(addr);
        Ok(())
    }),
    choice("from", "<ip>[/<len>]|default", "none", "Only packets with this source, IPv6", from),
    choice("via", "[inet|inet6] <ip>", "none", "Gateway", via),
    choice("gw", "[inet|inet6] <ip>", "none", "Old spelling of via", |d, w, o| {
        w.line.warn(o, format_args!("\"gw\" for routes is deprecated. Please use \"via\""), "");
        via(d, w, o)
    }),
    choice("or", "<ip>", "none", "Second gateway, in the old form", or),
    choice("dev", "<interface>", "none", "Interface it leaves by", |d, w, o| { d.route.dev = Some(w.interface(o)?); Ok(()) }),
    choice("oif", "<interface>", "none", "Other name of dev", |d, w, o| { d.route.dev = Some(w.interface(o)?); Ok(()) }),
    choice("onlink", "", "off", "The gateway is taken as directly attached", |d, _, _| { d.route.onlink = true; Ok(()) }),
    choice("nexthop", "[<nexthop option> ...] [nexthop ...]", "none", "One of several ways; they end the line", |d, w, _| {
        if d.second.is_some() {
            let word = w.peek().unwrap_or(w.line.keyword);
            return Err(w.refuse(word, format_args!("Cannot specify nexthops with \"or\" route"), "write a nexthop for each gateway; the route is not used"));
        }
        nexthop::read(d, w)
    }),

    // Which one of several it is.
    choice("table", "<name or 0..4294967295>", "main", "Routing table", |d, w, o| {
        let names = Rc::clone(&d.names);
        d.route.table = Some(w.named(o, &names.tables, u32::MAX, "Routing table")?);
        Ok(())
    }),
    choice("vrf", "<interface>", "none", "The table of this VRF", |d, w, o| { d.route.vrf = Some(w.interface(o)?); Ok(()) }),
    choice("tos", "<name or 0..255>", "none", "Type of service", tos),
    choice("dsfield", "<name or 0..255>", "none", "Other name of tos", tos),
    choice("protocol", "<name or 0..255>", "keepalived (18)", "Who made it; another one needs no_track", |d, w, o| {
        let names = Rc::clone(&d.names);
        d.route.origin = byte(w.named(o, &names.origins, 255, "Protocol")?);
        Ok(())
    }),
    choice("scope", "<name or 0..255>", "by its type", "How far the destination is", |d, w, o| {
        let names = Rc::clone(&d.names);
        d.route.scope = Some(byte(w.named(o, &names.scopes, 255, "Scope")?));
        Ok(())
    }),
    choice("metric", "<0..4294967295>", "none", "A lower one is preferred", |d, w, o| { d.route.metric = Some(w.number(o, 0..=U32)?); Ok(()) }),
    choice("priority", "<0..4294967295>", "none", "Other name of metric", |d, w, o| { d.route.metric = Some(w.number(o, 0..=U32)?); Ok(()) }),
    choice("preference", "<0..4294967295>", "none", "Other name of metric", |d, w, o| { d.route.metric = Some(w.number(o, 0..=U32)?); Ok(()) }),
    choice("add", "", "prepend", "Fails if there is such a route", |d, _, _| { d.route.insert = Insert::Add; Ok(()) }),
    choice("prepend", "", "on", "Comes before routes like it", |d, _, _| { d.route.insert = Insert::Prepend; Ok(()) }),
    choice("append", "", "prepend", "Comes after routes like it", |d, _, _| { d.route.insert = Insert::Append; Ok(()) }),

    // What packets get.
    choice("encap", "ip|ip6|mpls|ila <parameters>", "none", "Packets leave in a light tunnel", |d, w, o| {
        d.route.encap = encap::read(w, o);
        Ok(())
    }),
    choice("expires", "<seconds 0..4294967295>", "never", "Lifetime, IPv6", |d, w, o| { d.route.expires = Some(w.number(o, 0..=U32)?); Ok(()) }),
    choice("realms", "[<realm>/]<realm>", "none", "Realms of source and destination, IPv4", |d, w, o| {
        let names = Rc::clone(&d.names);
        d.route.realms = Some(w.realms(o, &names.realms)?);
        Ok(())
    }),
    choice("features", "ecn", "none", "Features of the path; one word each", |d, w, o| {
        let word = w.value(o, "ecn")?;
        match word.text {
            "ecn" => d.route.ecn = true,
            other => {
                let message = format_args!("feature {other} not supported");
                w.line.warn(word, message, "write ecn; the route is used without it");
            }
        }
        Ok(())
    }),
    choice("congctl", "[lock] <name>", "that of the system", "Algorithm of congestion control", |d, w, o| {
        let lock = w.take("lock");
        let name = w.value(o, "[lock] <name>")?;
        d.route.congestion = Some((name.text.to_owned(), lock));
        Ok(())
    }),
    choice("pref", "low|medium|high|<0..255>", "medium", "Preference of the router, IPv6", |d, w, o| {
        d.route.preference = Some(match w.peek().map(|word| word.text) {
            Some("low") => { w.next(); 3 }
            Some("medium") => { w.next(); 0 }
            Some("high") => { w.next(); 1 }
            _ => w.number(o, 0..=255)?,
        });
        Ok(())
    }),
    choice("ttl-propagate", "enabled|disabled", "that of the system", "MPLS takes the TTL over", |d, w, o| {
        let word = w.value(o, "enabled|disabled")?;
        if !matches!(word.text, "enabled" | "disabled") {
            let message = format_args!("ttl-propagate value {} not recognised", word.text);
            w.line.warn(word, message, "write enabled or disabled; disabled is used");
        }
        d.route.ttl_propagate = Some(word.text == "enabled");
        Ok(())
    }),
    choice("as", "[to] <ip>", "none", "Not supported", |_, w, o| {
        w.take("to");
        w.value(o, "[to] <ip>")?;
        w.line.warn(o, format_args!("\"as to\" for MPLS only - ignoring"), "remove it");
        Ok(())
    }),
    choice("no_track", "", "off", "Its loss changes nothing", |d, _, _| { d.route.no_track = true; Ok(()) }),
];

/// Words of static routes only.
#[rustfmt::skip]
static FIXED: &[Choice<RouteDraft>] = &[
    choice("track_group", "<track_group>", "none", "Instances that follow it", |d, w, o| {
        let name = w.value(o, "<track_group>")?;
        if d.track_group.is_some() {
            let message = format_args!("track_group {} is a duplicate", name.text);
            return Err(w.refuse(name, message, "one track_group is enough; the route is not used"));
        }
        d.track_group = Some((name.text.to_owned(), At(name.at)));
        Ok(())
    }),
];

const U32: i64 = u32::MAX as i64;

/// A number that was checked to fit.
fn byte(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// The entry of a word.
pub(super) fn find(word: &str, fixed: bool) -> Option<&'static Choice<RouteDraft>> {
    let own = if fixed { FIXED } else { &[] };
    COMMON.iter().chain(metric::OPTIONS).chain(own).find(|choice| choice.term.name == word)
}

/// All words, for suggestions.
pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
    COMMON.iter().chain(metric::OPTIONS).map(|choice| choice.term.name)
}

/// What is known about all words.
pub(super) fn terms(fixed: bool) -> Vec<Term> {
    let own = if fixed { FIXED } else { &[] };
    let mut all = vec![
        Term::new("<destination>", "<ip>[/<len>]|default|any|all", "required", "Where it leads"),
        Term::new("<int 0..255>", "<destination>", "unicast", "A type by the kernel's number"),
    ];
    all.extend(COMMON.iter().chain(metric::OPTIONS).chain(own).map(|choice| choice.term));
    all.extend(nexthop::terms());
    all.extend(encap::terms());
    all
}

fn default6<'a>(draft: &mut RouteDraft, words: &mut Words<'_, 'a>, word: &'a Word<'a>) -> Done {
    words.line.note(word, format_args!("default6 is deprecated - please use 'default inet6'"), "");
    draft.claim(words, word, Family::V6)?;
    draft.aimed = true;
    draft.route.destination = None;
    Ok(())
}

fn from<'a>(draft: &mut RouteDraft, words: &mut Words<'_, 'a>, option: &'a Word<'a>) -> Done {
    let word = words.value(option, "<ip>[/<len>]|default")?;
    if matches!(word.text, "default" | "any" | "all") {
        draft.route.from = None;
        return Ok(());
    }
    let Some(prefix) = words.prefix(word) else {
        let message = format_args!("invalid route from address {}", word.text);
        return Err(words.refuse(
            word,
            message,
            "write a numeric address with or without a prefix length; the route is not used",
        ));
    };
    if prefix.family() == Family::V4 {
        let message = format_args!("route from address only supported with IPv6 ({})", word.text);
        return Err(words.refuse(word, message, "use a rule; the route is not used"));
    }
    draft.claim(words, word, Family::V6)?;
    draft.route.from = Some(prefix);
    Ok(())
}

fn via<'a>(draft: &mut RouteDraft, words: &mut Words<'_, 'a>, option: &'a Word<'a>) -> Done {
    let named = words.family();
    let (addr, word) = words.address(option)?;
    let family = Family::of(&addr);
    if named.is_some_and(|named| named != family) {
        let message = format_args!(
            "{} is not the family of {addr}",
            if family == Family::V4 { "inet6" } else { "inet" }
        );
        return Err(words.refuse(word, message, "remove the family; the route is not used"));
    }
    draft.claim(words, word, family)?;
    draft.route.via = Some(addr);
    Ok(())
}

fn or<'a>(draft: &mut RouteDraft, words: &mut Words<'_, 'a>, option: &'a Word<'a>) -> Done {
    words.line.warn(option, format_args!("\"or\" for routes is deprecated. Please use \"nexthop\""), "");
    let (addr, word) = words.address(option)?;
    draft.claim(words, word, Family::of(&addr))?;
    if draft.second.is_some() {
        words.line.warn(word, format_args!("\"or\" route already specified - ignoring"), "one is enough");
        return Ok(());
    }
    draft.second = Some(NextHop { via: Some(addr), ..NextHop::default() });
    Ok(())
}

fn tos<'a>(draft: &mut RouteDraft, words: &mut Words<'_, 'a>, option: &'a Word<'a>) -> Done {
    let names = Rc::clone(&draft.names);
    draft.route.tos = Some(byte(words.named(option, &names.services, 255, "TOS value")?));
    Ok(())
}
