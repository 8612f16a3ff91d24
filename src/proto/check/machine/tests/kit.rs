//! A check whose inputs are one line each.

use crate::base::time::{Instant, Span};
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

    /// What one input leads to.
    pub(super) fn step(&mut self, now: u64, input: Input<'_>) -> Vec<Action> {
        let mut out = Actions::new();
        self.0.handle(at(now), input, &mut out);
        out.to_vec()
    }

    /// When the timer is due, in milliseconds.
    pub(super) fn due(&self) -> Option<u64> {
        self.0.poll_at().map(|due| due.since(at(0)).as_millis())
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
