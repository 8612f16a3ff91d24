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

    /// What comes with the greeting was said before our name was: the server does not listen, or is none.
    pub(super) fn received(&mut self, octets: &[u8]) -> Step {
        if octets.is_empty() || self.known {
            return Step::Wait;
        }
        self.heard = true;
        let (taken, code) = match self.replies.push(octets) {
            Ok(Some(reply)) => reply,
            Ok(None) => return Step::Wait,
            Err(Malformed) => return Step::Fail(Failure::Malformed),
        };
        match (self.greeted, code) {
            (false, 220) if taken < octets.len() => Step::Fail(Failure::Early),
            (false, 220) => {
                (self.greeted, self.heard) = (true, false);
                Step::Send
            }
            (true, 250) => {
                self.known = true;
                Step::Part
            }
            (false, code) => Step::Fail(Failure::Greeting(code)),
            (true, code) => Step::Fail(Failure::Hello(code)),
        }
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
