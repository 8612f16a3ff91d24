//! The rules that hold between keywords of an object and between objects.
//!
//! Job: from what was said to what holds, with keepalived's wording where it changes something. Uses `model`,
//! the drafts of `rows` and `diag`. Start with [`instance()`]; rules of one theme have a file.

mod auth;
mod clash;
mod delay;
mod group;
mod instance;
mod link;
pub(super) mod servers;
pub(super) mod services;
mod strict;
mod track;
mod unicast;

use core::fmt::Arguments;

use super::diag::{Diagnostic, Diagnostics, Severity};
use super::keyword::Given;
use super::model::{At, Global, Instance, Model};
use super::names::{Names, Pending, PendingGroup};
use super::rows::group as group_rows;
use super::rows::instance::InstanceDraft;
use super::tree::Position;
use crate::base::time::Span;

/// Completes `global_defs`: `vrrp_min_garp` replaces only what was not set.
pub(super) fn global(global: &mut Global, given: &Given, found: &mut Diagnostics) {
    if let (true, Some(at)) = (global.mail.to.is_empty(), given.at("notification_email")) {
        found.warning(at, "Warning - empty notification_email block");
    }
    let vrrp = &mut global.vrrp;
    let (repeat, delay) = if vrrp.min_garp { (1, Span::ZERO) } else { (vrrp.garp.repeat, vrrp.garp.delay) };
    vrrp.garp.repeat = vrrp.garp_master_repeat.unwrap_or(repeat);
    vrrp.garp.delay = vrrp.garp_master_delay.unwrap_or(delay);
}

/// Completes an instance; none if it cannot run, which is told as fatal.
pub(super) fn instance(
    draft: InstanceDraft,
    given: &Given,
    model: &Model,
    names: &Names,
    found: &mut Diagnostics,
) -> Option<Instance> {
    instance::complete(draft, given, model, names, found)
}

/// Completes a sync group but for its members.
pub(super) fn group(
    draft: group_rows::GroupDraft,
    named: (&str, At),
    given: Given,
    model: &Model,
    names: &Names,
    found: &mut Diagnostics,
) -> PendingGroup {
    group::complete(draft, named, given, model, names, found)
}

/// The rules between objects, in slices.
#[derive(Default)]
pub(super) struct Between {
    /// The rule that is next in [`RULES`].
    rule: usize,
    members: group::Members,
    ids: clash::RouterIds,
}

/// Does a slice of a rule; true: there is more of the rule.
type Rule = fn(&mut Between, &mut Model, &mut Pending, &mut Diagnostics) -> bool;

/// All rules, in order.
const RULES: &[Rule] = &[
    |this, model, pending, found| this.members.advance(model, pending, found),
    |this, model, _, found| this.ids.advance(model, found),
    |_, model, _, found| once(clash::vmac_names, model, found),
    |_, model, _, found| once(clash::shared_vmacs, model, found),
    |_, model, _, found| once(delay::fit, model, found),
    |_, model, _, found| once(clash::unused_trackers, model, found),
];

/// Instances that are looked at in a slice.
const SLICE: usize = 16;

fn once(rule: fn(&mut Model, &mut Diagnostics), model: &mut Model, found: &mut Diagnostics) -> bool {
    rule(model, found);
    false
}

impl Between {
    /// Does the next slice. False: all rules hold.
    pub(super) fn advance(
        &mut self,
        model: &mut Model,
        pending: &mut Pending,
        found: &mut Diagnostics,
    ) -> bool {
        let Some(rule) = RULES.get(self.rule) else { return false };
        if !rule(self, model, pending, found) {
            self.rule = self.rule.saturating_add(1);
        }
        self.rule < RULES.len()
    }
}

/// Where findings about one instance go, and at which of its keywords they point.
struct Teller<'a> {
    name: &'a str,
    at: Position,
    given: &'a Given,
    found: &'a mut Diagnostics,
}

impl Teller<'_> {
    fn tell(&mut self, severity: Severity, keyword: &str, message: Arguments<'_>, remedy: &str) {
        let finding = self.finding(severity, keyword, message);
        self.found.report(if remedy.is_empty() { finding } else { finding.remedy(remedy) });
    }

    fn finding(&self, severity: Severity, keyword: &str, message: Arguments<'_>) -> Diagnostic {
        let at = self.given.at(keyword).unwrap_or(self.at);
        Diagnostic::new(severity, at, format!("({}) {message}", self.name))
    }

    /// Whether the keyword stands in the instance.
    fn is_given(&self, keyword: &str) -> bool {
        self.given.at(keyword).is_some()
    }

    /// Used, but not as written, at the keyword or else at the name of the instance.
    fn warn(&mut self, keyword: &str, message: Arguments<'_>) {
        self.tell(Severity::Warning, keyword, message, "");
    }

    /// Not used.
    fn error(&mut self, keyword: &str, message: Arguments<'_>, remedy: &str) {
        self.tell(Severity::Error, keyword, message, remedy);
    }

    /// Not used, and nothing is lost by that: the same holds without it.
    fn idle(&mut self, keyword: &str, message: Arguments<'_>, remedy: &str) {
        let finding = self.finding(Severity::Error, keyword, message).costs(false);
        self.found.report(finding.remedy(remedy));
    }

    /// The instance cannot run.
    fn fatal(&mut self, keyword: &str, message: Arguments<'_>, remedy: &str) {
        self.tell(Severity::Fatal, keyword, message, remedy);
    }

    /// The instance cannot run without the keyword. What was told of a word or a line that was to be it says so.
    fn lacking(&mut self, keyword: &str, message: Arguments<'_>, remedy: &str) {
        match self.given.spoilt(keyword) {
            Some(at) => self.found.ruin(at),
            None => self.fatal(keyword, message, remedy),
        }
    }

    /// Told only.
    fn note(&mut self, keyword: &str, message: Arguments<'_>) {
        self.tell(Severity::Note, keyword, message, "");
    }
}
