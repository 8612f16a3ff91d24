//! What the child lends to Prometheus, and whether everything is in its place.

use core::fmt::{self, Write};
use std::fs::File;
use std::io::Write as _;

use crate::daemon::ipc::{About, Answered, Question};
use crate::daemon::reactor::Turn;
use crate::proto::track::Verdict;
use crate::proto::vrrp::State;
use crate::status::answer::metrics::{self, Form, SCRIPTS, place};
use crate::status::dump::Clock;
use crate::status::dump::instance::word;
use crate::vrrpd::run::Vrrp;

/// Things that are not in their place and that are told; more only say the same.
const TOLD: usize = 20;

impl Vrrp {
    fn form(&self) -> Form {
        if self.status.asked.sheet.json { Form::Open } else { Form::Text }
    }

    pub(super) fn metrics_instance(
        &self,
        clock: &Clock,
        out: &mut dyn Write,
        position: usize,
    ) -> Option<fmt::Result> {
        let (number, object) = place(position, self.routers.instances.len());
        let family = metrics::instances(number)?;
        match object {
            None => Some(family.head(out, self.form())),
            Some(object) => {
                self.with_instance(object, &mut |view| metrics::instance(out, clock, number, view))
            }
        }
    }

    pub(super) fn metrics_script(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let (number, object) = place(position, self.trackers.scripts.len());
        let family = SCRIPTS.get(number)?;
        let Some(object) = object else { return Some(family.head(out, self.form())) };
        let script = self.trackers.scripts.get(object)?;
        let value = match number {
            // One that cannot run says nothing.
            0 if script.command.is_none() => return Some(Ok(())),
            0 => script.machine.verdict() == Verdict::Up,
            _ => script.pid.is_some(),
        };
        Some(family.sample(out, &[("name", &script.name)], &u8::from(value)))
    }

    pub(super) fn metrics_process(&self, turn: &Turn<'_>, out: &mut dyn Write) -> fmt::Result {
        metrics::process(out, self.form(), self.process.kind, &self.process.stats(turn))
    }

    /// Answers whether the child is alive, or whether each MASTER has its addresses in the kernel and nobody else has.
    pub(super) fn is_ready(&self, question: Question, file: &mut File) -> Answered {
        if question.about == About::Health {
            return Answered::Whole;
        }
        let mut told = 0_usize;
        for instance in &self.routers.instances {
            let state = instance.router.state();
            let held = instance.addresses.iter().filter(|vip| self.is_in_kernel(vip)).count();
            let all = instance.addresses.len();
            let fits = match state {
                State::Master => held == all,
                State::Backup | State::Fault => held == 0,
                State::Init => false,
            };
            if fits || told >= TOLD {
                continue;
            }
            told = told.saturating_add(1);
            let (name, text) = (&instance.config.name, word(state));
            if writeln!(file, "{name} is {text} with {held} of {all} addresses in the kernel").is_err() {
                return Answered::Failed;
            }
        }
        if told == 0 { Answered::Whole } else { Answered::Refused }
    }
}
