//! The attempt of an SMTP check: a greeting, our name, goodbye. Nothing is said before the server has greeted.

use core::fmt::Write;
use std::sync::Arc;

use super::action::Failure;
use super::step::Step;
use crate::base::bytes::{Short, Writer};
use crate::proto::check::smtp::Params;
use crate::wire::smtp::{Line, Malformed, Replies};

/// One conversation.
#[derive(Debug)]
pub(super) struct Talk {
    params: Arc<Params>,
    replies: Replies,
    /// Something of the reply that is awaited has come.
    heard: bool,
    /// The greeting has come.
    greeted: bool,
    /// The answer to our name has come.
    known: bool,
}

impl Talk {
    pub(super) fn new(params: Arc<Params>) -> Self {
        Self { params, replies: Replies::default(), heard: false, greeted: false, known: false }
    }

    pub(super) fn begin(&mut self) {
        self.replies = Replies::default();
        (self.heard, self.greeted, self.known) = (false, false, false);
    }

    /// A server that says more than it was asked for is heard out.
    pub(super) fn received(&mut self, octets: &[u8]) -> Step {
        let (mut rest, mut step) = (octets, Step::Wait);
        while !rest.is_empty() && !self.known {
            self.heard = true;
            let (taken, code) = match self.replies.push(rest) {
                Ok(Some(reply)) => reply,
                Ok(None) => break,
                Err(Malformed) => return Step::Fail(Failure::Malformed),
            };
            step = match (self.greeted, code) {
                (false, 220) => {
                    (self.greeted, self.heard) = (true, false);
                    Step::Send
                }
                (true, 250) => {
                    self.known = true;
                    Step::Part
                }
                (false, code) => return Step::Fail(Failure::Greeting(code)),
                (true, code) => return Step::Fail(Failure::Hello(code)),
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        step
    }

    pub(super) const fn closed(&self) -> Failure {
        if self.heard || self.greeted { Failure::Truncated } else { Failure::Closed }
    }

    pub(super) const fn expired(&self) -> Failure {
        if self.heard { Failure::Unfinished } else { Failure::Silent }
    }

    pub(super) fn message(&self, out: &mut [u8]) -> Result<usize, Short> {
        let mut writer = Writer::new(out);
        let line = if self.known { Line::Quit } else { Line::Hello(&self.params.helo) };
        write!(writer, "{line}").map_err(|_| Short)?;
        Ok(writer.len())
    }
}
