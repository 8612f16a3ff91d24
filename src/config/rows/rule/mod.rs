//! Lines of `static_rules` and `virtual_rules`.
//!
//! Job: from the words of iproute2's `ip rule add` to a [`Rule`], and back. Start here, with `read`;
//! `options` has one entry a word, `show` the way back.

mod options;
mod show;

use std::rc::Rc;

use super::option::{Unusable, Words};
use crate::base::addr::{Family, Prefix};
use crate::base::rule::Action;
use crate::config::iproute::Tables;
use crate::config::line::Line;
use crate::config::model::At;
use crate::config::model::route::ORIGIN;
use crate::config::model::rule::Rule;
use crate::config::nearest::nearest;
use crate::config::row::Term;
use crate::config::tree::Word;

pub(crate) use show::text;

/// The syntax of a line.
pub(super) const SYNTAX: &str = "{ [<selector> ...] <action> [<option> ...] ... }";

/// Preferences of rules that name none, counted down for each family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preferences {
    v4: u32,
    v6: u32,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { v4: 16_384, v6: 16_384 }
    }
}

impl Preferences {
    fn take(&mut self, family: Family) -> u32 {
        let next = match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        };
        let taken = *next;
        *next = taken.saturating_sub(1);
        taken
    }
}

/// A rule while its line is read.
struct RuleDraft {
    rule: Rule,
    action: Option<Action>,
    preference: Option<u32>,
    family: Option<Family>,
    names: Rc<Tables>,
    track_group: Option<(String, At)>,
}

type Done = Result<(), Unusable>;

/// Every word that a line of `virtual_rules` knows.
pub(super) fn moved_terms() -> Vec<Term> {
    options::terms(false)
}

/// Every word that a line of `static_rules` knows.
pub(super) fn static_terms() -> Vec<Term> {
    options::terms(true)
}

impl RuleDraft {
    fn claim(&mut self, words: &mut Words<'_, '_>, word: &Word<'_>, family: Family) -> Done {
        if *self.family.get_or_insert(family) == family {
            return Ok(());
        }
        words.line.error(
            word,
            format_args!("rule specification has mixed IPv4 and IPv6"),
            "a rule has one family; it is not used",
        );
        Err(Unusable)
    }

    /// An address to match; none for any.
    fn selector<'a>(
        &mut self,
        words: &mut Words<'_, 'a>,
        option: &'a Word<'a>,
    ) -> Result<Option<Prefix>, Unusable> {
        let word = words.value(option, "<ip>[/<len>]|any")?;
        if matches!(word.text, "default" | "any" | "all") {
            return Ok(None);
        }
        let Some(prefix) = words.prefix(word) else {
            let message = format_args!("Invalid rule {} address {}", option.text, word.text);
            return Err(words.refuse(
                word,
                message,
                "write a numeric address with or without a prefix length, or any; the rule is not used",
            ));
        };
        self.claim(words, word, prefix.family())?;
        Ok(Some(prefix))
    }

    fn act(&mut self, words: &mut Words<'_, '_>, word: &Word<'_>, action: Action) -> Done {
        if self.action.replace(action).is_none() {
            return Ok(());
        }
        words.line.error(
            word,
            format_args!("Cannot specify more than one of table/nop/goto/blackhole/prohibit/unreachable/l3mdev for rule"),
            "a rule does one thing; it is not used",
        );
        Err(Unusable)
    }
}

/// A rule and the name of its track group; none if the line cannot be used, which is told.
pub(super) fn read(
    line: &mut Line<'_>,
    names: &Rc<Tables>,
    fixed: bool,
    preferences: &mut Preferences,
) -> Option<(Rule, Option<(String, At)>)> {
    let first = line.keyword;
    let mut draft = RuleDraft {
        rule: Rule::new(At(first.at)),
        action: None,
        preference: None,
        family: None,
        names: Rc::clone(names),
        track_group: None,
    };
    let mut words = Words::new(line, 0);
    while let Some(word) = words.next() {
        let Some(choice) = options::all(fixed).find(|choice| choice.term.name == word.text) else {
            unknown(line, word);
            return None;
        };
        (choice.read)(&mut draft, &mut words, word).ok()?;
    }
    finish(&mut draft, line, first, preferences)?;
    Some((draft.rule, draft.track_group))
}

fn unknown(line: &mut Line<'_>, word: &Word<'_>) {
    let message = format_args!("Unknown rule option {}", word.text);
    let names = options::all(false).map(|choice| choice.term.name);
    let remedy = match nearest(word.text, names) {
        Some(near) => format!("did you mean '{near}'? The rule is not used"),
        None => "no word of ip rule is like it; the rule is not used".to_owned(),
    };
    line.error(word, message, &remedy);
}

/// The rules between the words of a line.
fn finish(
    draft: &mut RuleDraft,
    line: &mut Line<'_>,
    first: &Word<'_>,
    preferences: &mut Preferences,
) -> Option<()> {
    let rule = &mut draft.rule;
    rule.family = draft.family.unwrap_or_default();
    let mut refuse = |message: &str, remedy: &str| {
        line.error(first, format_args!("{message}"), &format!("{remedy}; the rule is not used"));
        None
    };
    let Some(action) = draft.action else {
        return refuse(
            "No action specified for rule - ignoring",
            "write table and its name or number, or another action",
        );
    };
    rule.action = action;
    let lookup = matches!(action, Action::Table(_));
    if !lookup && (rule.realms.is_some() || rule.suppress_length.is_some() || rule.suppress_group.is_some()) {
        return refuse(
            "suppressor/realm specified for non table action - skipping",
            "realms and suppressors go with table",
        );
    }
    if rule.realms.is_some() && rule.family == Family::V6 {
        return refuse("realms is only valid for IPv4", "remove it");
    }
    match (action, draft.preference) {
        (Action::Goto(target), None) => {
            let message = format!("Invalid rule - goto target {target} specified without preference");
            return refuse(&message, "write preference and a lower number");
        }
        (Action::Goto(target), Some(own)) if own >= target => {
            let message = format!("Invalid rule - preference {own} >= goto target {target}");
            return refuse(&message, "a rule can only go on to one with a higher number");
        }
        _ => {}
    }
    if rule.origin != ORIGIN && !rule.no_track {
        line.warn(
            first,
            format_args!(
                "Rule cannot be tracked if protocol is not RTPROT_KEEPALIVED(18), resetting protocol"
            ),
            "write no_track to keep the protocol",
        );
        rule.origin = ORIGIN;
    }
    rule.preference = match draft.preference {
        Some(preference) => preference,
        None => {
            let preference = preferences.take(rule.family);
            let message = format_args!(
                "Rule has no preference specified - setting to {preference}. This is probably not what you want."
            );
            line.warn(first, message, "write preference and a number");
            preference
        }
    };
    Some(())
}
