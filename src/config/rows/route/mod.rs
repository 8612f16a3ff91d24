//! Lines of `static_routes` and `virtual_routes`.
//!
//! Job: from the words of iproute2's `ip route add` to a [`Route`], and back. Start here, with `read`;
//! `options` has one entry a word, `nexthop` the ways of a multipath route, `encap` light tunnels, `metric`
//! metrics of the path, `show` the way back.

mod encap;
mod metric;
mod nexthop;
mod options;
mod show;

use std::rc::Rc;

use super::option::{Unusable, Words};
use crate::base::addr::Family;
use crate::config::iproute::Tables;
use crate::config::line::Line;
use crate::config::model::At;
use crate::config::model::route::{NextHop, ORIGIN, Route};
use crate::config::nearest::nearest;
use crate::config::row::Term;
use crate::config::tree::Word;

pub(crate) use show::{Realms, text};

/// The syntax of a line.
pub(super) const SYNTAX: &str = "{ [<type>] <destination> [<option> ...] ... }";

/// A route while its line is read.
struct RouteDraft {
    route: Route,
    names: Rc<Tables>,
    /// Fixed by the first address.
    family: Option<Family>,
    /// A destination was given.
    aimed: bool,
    /// The gateway of `or`.
    second: Option<NextHop>,
    /// The name after `track_group`, and its place.
    track_group: Option<(String, At)>,
}

impl RouteDraft {
    /// Whether something of this family fits; the first one decides.
    fn claim(&mut self, words: &mut Words<'_, '_>, word: &Word<'_>, family: Family) -> Result<(), Unusable> {
        if *self.family.get_or_insert(family) == family {
            return Ok(());
        }
        words.line.error(
            word,
            format_args!("Cannot mix IPv4 and IPv6 addresses for route"),
            "a route has one family; it is not used",
        );
        Err(Unusable)
    }
}

/// A route and the name of its track group; none if the line cannot be used, which is told.
pub(super) fn read(
    line: &mut Line<'_>,
    names: &Rc<Tables>,
    fixed: bool,
) -> Option<(Route, Option<(String, At)>)> {
    let first = line.keyword;
    let mut draft = RouteDraft {
        route: Route::new(At(first.at)),
        names: Rc::clone(names),
        family: None,
        aimed: false,
        second: None,
        track_group: None,
    };
    let mut words = Words::new(line, 0);
    while let Some(word) = words.next() {
        word_of(&mut draft, &mut words, word, fixed).ok()?;
    }
    finish(&mut draft, line, first)?;
    Some((draft.route, draft.track_group))
}

fn word_of<'a>(
    draft: &mut RouteDraft,
    words: &mut Words<'_, 'a>,
    word: &'a Word<'a>,
    fixed: bool,
) -> Result<(), Unusable> {
    let known = options::find(word.text, fixed);
    if let Some(choice) = known {
        return (choice.read)(draft, words, word);
    }
    // A number before the destination is a type; a destination has a dot or a colon.
    if let Some(kind) = kind_number(word.text) {
        draft.route.kind = kind;
        let target = words.value(word, "<destination>")?;
        return destination(draft, words, target);
    }
    destination(draft, words, word)
}

fn kind_number(text: &str) -> Option<u8> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `<ip>[/<len>]|default|any|all`
fn destination<'a>(
    draft: &mut RouteDraft,
    words: &mut Words<'_, 'a>,
    word: &'a Word<'a>,
) -> Result<(), Unusable> {
    draft.aimed = true;
    if matches!(word.text, "default" | "any" | "all") {
        draft.route.destination = None;
        return Ok(());
    }
    let Some(prefix) = words.prefix(word) else {
        draft.aimed = false;
        let message = format_args!("unknown route keyword {}", word.text);
        let remedy = match nearest(word.text, options::names()) {
            Some(near) => format!("did you mean '{near}'? The route is not used"),
            None => {
                "a destination is a numeric address, default, any or all; the route is not used".to_owned()
            }
        };
        return Err(words.refuse(word, message, &remedy));
    };
    draft.claim(words, word, prefix.family())?;
    draft.route.destination = Some(prefix);
    Ok(())
}

/// The rules between the words of a line.
fn finish(draft: &mut RouteDraft, line: &mut Line<'_>, first: &Word<'_>) -> Option<()> {
    let route = &mut draft.route;
    route.family = draft.family.unwrap_or_default();
    if !draft.aimed {
        line.error(
            first,
            format_args!("Route must have a destination"),
            "write <ip>/<len> or default; the route is not used",
        );
        return None;
    }
    let only = |what: &str, family: Family| format!("{what} is only valid for {family}");
    let wrong = match route.family {
        Family::V4 if route.expires.is_some() => Some(only("expires", Family::V6)),
        Family::V4 if route.preference.is_some() => Some(only("pref", Family::V6)),
        Family::V4 if route.from.is_some() => Some(only("from", Family::V6)),
        Family::V6 if route.realms.is_some() => Some(only("realms", Family::V4)),
        _ => None,
    };
    if let Some(message) = wrong {
        line.error(first, format_args!("{message}"), "remove it; the route is not used");
        return None;
    }
    if let Some(second) = draft.second.take() {
        route.nexthops = vec![
            NextHop { via: route.via.take(), dev: route.dev.clone(), ..NextHop::default() },
            NextHop { dev: route.dev.take(), ..second },
        ];
    }
    if route.origin != ORIGIN && !route.no_track {
        line.warn(
            first,
            format_args!(
                "Route cannot be tracked if protocol is not RTPROT_KEEPALIVED(18), resetting protocol"
            ),
            "write no_track to keep the protocol",
        );
        route.origin = ORIGIN;
    }
    Some(())
}

/// Every word that a line of `virtual_routes` knows.
pub(super) fn moved_terms() -> Vec<Term> {
    options::terms(false)
}

/// Every word that a line of `static_routes` knows.
pub(super) fn static_terms() -> Vec<Term> {
    options::terms(true)
}
