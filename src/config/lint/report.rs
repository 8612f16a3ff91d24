//! How a check tells what it found.

use core::fmt::Arguments;

use super::{Check, Silence};
use crate::base::limit;
use crate::config::diag::{Diagnostic, Diagnostics, Mark, Severity};

/// Takes the findings of one check.
#[derive(Debug)]
pub struct Report<'a> {
    check: &'static Check,
    silence: &'a Silence,
    found: &'a mut Diagnostics,
    told: usize,
    last: Mark,
}

impl<'a> Report<'a> {
    pub(super) fn new(check: &'static Check, silence: &'a Silence, found: &'a mut Diagnostics) -> Self {
        Self { check, silence, found, told: 0, last: Mark::default() }
    }

    /// A finding with the remedy of the check.
    pub(super) fn tell(&mut self, mark: impl Into<Mark>, message: Arguments<'_>) {
        self.advise(mark, message, self.check.remedy);
    }

    /// A finding with a remedy of its own.
    pub(super) fn advise(&mut self, mark: impl Into<Mark>, message: Arguments<'_>, remedy: &str) {
        let mark = mark.into();
        if self.silence.silent(self.check.name, mark.at) {
            return;
        }
        self.told = self.told.saturating_add(1);
        if self.told <= limit::LINT_FINDINGS {
            self.last = mark;
            self.note(mark, message, remedy);
        }
    }

    /// Whether the check need not tell of `word`, as a finding about it stands at this place already.
    pub(super) fn is_told(&self, mark: impl Into<Mark>, word: &str) -> bool {
        self.found.names(mark.into().at, word)
    }

    /// Ends the check: what was found beyond the limit is counted.
    pub(super) fn finish(mut self) {
        let more = self.told.saturating_sub(limit::LINT_FINDINGS);
        if more > 0 {
            let message = format_args!("{more} more places like the ones before");
            self.note(self.last, message, self.check.remedy);
        }
    }

    fn note(&mut self, mark: Mark, message: Arguments<'_>, remedy: &str) {
        let text = format!("{message} [{}]", self.check.name);
        self.found.report(Diagnostic::new(Severity::Note, mark, text).remedy(remedy));
    }
}
