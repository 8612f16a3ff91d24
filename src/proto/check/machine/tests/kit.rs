//! A check whose inputs are one line each, and patterns that are plain octets.

use crate::base::time::{Instant, Span};
use crate::proto::check::http::{Page, Params};
use crate::proto::check::machine::*;

/// A time in milliseconds.
pub(super) fn at(millis: u64) -> Instant {
    Instant::START + Span::from_millis(millis)
}

/// A length in milliseconds.
pub(super) fn span(millis: u64) -> Span {
    Span::from_millis(millis)
}

/// A check that begins at time 0.
#[derive(Debug)]
pub(super) struct Rig(pub(super) Check);

impl Rig {
    pub(super) fn new(cadence: Cadence, kind: Kind, start: Start) -> Self {
        Self(Check::new(at(0), cadence, kind, start, 1))
    }

    pub(super) fn with_pattern(self, pattern: Box<dyn Pattern>) -> Self {
        Self(self.0.with_pattern(pattern))
    }

    /// What one input leads to.
    pub(super) fn step(&mut self, now: u64, input: Input<'_>) -> Vec<Action> {
        let mut out = Actions::new();
        self.0.handle(at(now), input, &mut out);
        out.to_vec()
    }

    /// When the timer is due, in whole milliseconds.
    pub(super) fn due(&self) -> Option<u64> {
        self.0.poll_at().map(|due| due.since(at(0)).as_micros().div_ceil(1_000))
    }

    pub(super) fn is_up(&self) -> bool {
        self.0.is_up()
    }

    /// What is to be sent.
    pub(super) fn message(&self) -> Vec<u8> {
        let mut out = [0; crate::base::limit::CHECK_MESSAGE];
        let len = self.0.message(&mut out).unwrap();
        out[..len].to_vec()
    }
}

/// Patterns that are plain octets, one for each page.
#[derive(Debug)]
pub(super) struct Literals(Vec<Vec<u8>>);

impl Literals {
    pub(super) fn of(params: &Params) -> Box<dyn Pattern> {
        let literal = |page: &Page| page.regex.as_ref().map_or(Vec::new(), |regex| regex.pattern.to_vec());
        Box::new(Self(params.pages.iter().map(literal).collect()))
    }
}

impl Pattern for Literals {
    fn find(&mut self, page: u16, text: &[u8], place: Place) -> Find {
        let wanted = &self.0[usize::from(page)];
        let begins = |at: &usize| {
            let rest = &text[*at..];
            rest.starts_with(wanted) || (!place.ends && !rest.is_empty() && wanted.starts_with(rest))
        };
        match (place.from..=place.latest.min(text.len())).find(begins) {
            Some(at) if text[at..].starts_with(wanted) => Find::Match,
            Some(at) => Find::Partial(at),
            None => Find::Nothing,
        }
    }

    fn lookbehind(&self, _: u16) -> usize {
        3
    }
}
