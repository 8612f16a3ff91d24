//! The ways of a multipath route: `nexthop <options> [nexthop <options> ...]`, to the end of the line.

use std::rc::Rc;

use super::super::option::{Unusable, Words};
use super::{RouteDraft, encap};
use crate::base::addr::Family;
use crate::config::model::route::NextHop;
use crate::config::row::Term;
use crate::config::tree::Word;

const fn term(
    name: &'static str,
    syntax: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Term {
    Term::new(name, syntax, default, meaning).below("nexthop")
}

/// The words of a way, which [`option`] reads.
#[rustfmt::skip]
static TERMS: &[Term] = &[
    term("via", "[inet|inet6] <ip>", "none", "Gateway of this way"),
    term("dev", "<interface>", "none", "Interface of this way"),
    term("weight", "<1..256>", "1", "Share of this way"),
    term("onlink", "", "off", "The gateway is taken as directly attached"),
    term("encap", "ip|ip6|mpls|ila <parameters>", "none", "Light tunnel of this way"),
    term("realms", "[<realm>/]<realm>", "none", "Realms of this way, IPv4"),
    term("as", "[to] <ip>", "none", "Not supported"),
];

/// What is known about the words of a way.
pub(super) fn terms() -> Vec<Term> {
    TERMS.to_vec()
}

/// Reads ways to the end of the line, behind the first `nexthop`. One that cannot be used is left out; if none
/// is left, the route is not used.
pub(super) fn read(draft: &mut RouteDraft, words: &mut Words<'_, '_>) -> Result<(), Unusable> {
    loop {
        let mut hop = NextHop::default();
        let mut usable = true;
        while let Some(word) = words.peek().filter(|word| word.text != "nexthop") {
            words.next();
            if option(draft, &mut hop, words, word).is_err() {
                usable = false;
                while words.peek().is_some_and(|word| word.text != "nexthop") {
                    words.next();
                }
            }
        }
        if usable {
            draft.route.nexthops.push(hop);
        }
        if !words.take("nexthop") {
            break;
        }
    }
    if draft.route.nexthops.is_empty() {
        let first = words.line.keyword;
        return Err(words.refuse(
            first,
            format_args!("Route has no nexthop that can be used"),
            "the route is not used",
        ));
    }
    Ok(())
}

/// One word of a way, which was taken.
fn option<'a>(
    draft: &mut RouteDraft,
    hop: &mut NextHop,
    words: &mut Words<'_, 'a>,
    word: &'a Word<'a>,
) -> Result<(), Unusable> {
    match word.text {
        "via" => {
            let named = words.family();
            let (addr, at) = words.address(word)?;
            let family = Family::of(&addr);
            if named.is_some_and(|named| named != family) {
                let message = format_args!("{addr} is not of the family before it");
                return Err(words.refuse(at, message, "remove the family; the nexthop is not used"));
            }
            draft.claim(words, at, family)?;
            hop.via = Some(addr);
        }
        "dev" => hop.dev = Some(words.interface(word)?),
        "weight" => hop.weight = Some(words.number(word, 1..=256)?),
        "onlink" => hop.onlink = true,
        "encap" => hop.encap = encap::read(words, word),
        "realms" => {
            let names = Rc::clone(&draft.names);
            hop.realms = Some(words.realms(word, &names.realms)?);
        }
        "as" => {
            return Err(words.refuse(
                word,
                format_args!("\"as to\" for MPLS only"),
                "remove it; the nexthop is not used",
            ));
        }
        other => {
            let message = format_args!("Route has trailing nonsense after nexthops - {other}");
            let remedy = "write via, dev, weight, onlink, encap or realms; the nexthop is not used";
            return Err(words.refuse(word, message, remedy));
        }
    }
    Ok(())
}
