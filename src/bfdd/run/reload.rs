//! A reload: a session whose ends did not change goes on as it is. Other intervals are agreed on by a poll sequence.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::Bfd;
use super::start::outline;
use crate::base::id::BfdId;
use crate::bfdd::report;
use crate::bfdd::sessions::Live;
use crate::child::bracket;
use crate::child::reading::{Reading, Step};
use crate::config::Model;
use crate::daemon::ipc::ObjectState;
use crate::daemon::reactor::{Again, Turn};
use crate::daemon::record::{self, GONE};
use crate::proto::bfd::session::{Actions, Input};
use crate::sys::{alloc, pages};

/// How a session of the new model begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// It has not been there before.
    Fresh,
    /// It goes on as it is.
    Same,
    /// It goes on with other intervals.
    Changed,
}

impl Bfd {
    /// The parent has a new configuration: the loop takes up the work.
    pub(super) fn begin_reload(&mut self, turn: &mut Turn<'_>, fd: OwnedFd) {
        if bracket::begin_reload(&mut self.process, turn) {
            self.reading = Reading::Descriptor(fd);
        }
    }

    /// Does the next part of a reload.
    pub(super) fn work_on_reload(&mut self, turn: &mut Turn<'_>) -> Again {
        self.process.meter.note_slice(turn.renew());
        turn.answer_hellos();
        if self.reading.is_whole() {
            report::reloading();
            self.process.tuner.suspend(turn);
        }
        let running = Arc::clone(&self.model);
        let ok = match self.reading.advance(&running) {
            Step::More => return Again::More,
            Step::Failed => false,
            Step::Model(model) => {
                // A child that stops has told its peers so.
                if !self.process.stopping {
                    self.go_over(turn, outline(&model));
                }
                true
            }
        };
        drop(running);
        alloc::trim();
        pages::release();
        bracket::end_reload(&mut self.process, turn, &self.model.global, ok);
        Again::Done
    }

    fn go_over(&mut self, turn: &mut Turn<'_>, model: Model) {
        for id in self.sessions.ids() {
            let stays =
                self.sessions.get_mut(id).is_some_and(|live| model.bfds.iter().any(|bfd| live.is(bfd)));
            if !stays {
                self.drive(turn, id, Input::Disable);
            }
        }
        // Packets are named by the places of before.
        self.flush();
        let begins = self.exchange(&model);
        self.model = Arc::new(model);
        self.make_room();
        self.forget_untold();
        turn.resize_deadlines(self.sessions.all.len() + 1);
        self.want_sockets(turn);
        for (id, begin) in (0..).map(BfdId).zip(begins) {
            match begin {
                Begin::Fresh => self.drive(turn, id, Input::Start(None)),
                Begin::Same => self.carry_out(turn, id, &Actions::new()),
                Begin::Changed => {
                    let (now, mut out) = (turn.now(), Actions::new());
                    if let Some(live) = self.sessions.get_mut(id) {
                        live.machine.reconfigure(now, live.config.params.clone(), &mut out);
                    }
                    self.carry_out(turn, id, &out);
                }
            }
            self.tell(id);
        }
    }

    /// Puts the sessions of the new model in place of those of before.
    fn exchange(&mut self, model: &Model) -> Vec<Begin> {
        let mut fresh = Vec::new();
        for config in &model.bfds {
            if !self.sessions.all.iter().any(|live| live.is(config)) {
                fresh.push(self.sessions.make(&fresh, config, None));
            }
        }
        let mut fresh = fresh.into_iter();
        let mut before = core::mem::take(&mut self.sessions.all);
        let (mut all, mut begins) = (Vec::with_capacity(model.bfds.len()), Vec::new());
        for config in &model.bfds {
            let old = before.iter().position(|live| live.is(config)).map(|old| before.swap_remove(old));
            begins.push(match &old {
                None => Begin::Fresh,
                Some(live) if live.config.params == config.params => Begin::Same,
                Some(_) => Begin::Changed,
            });
            if let Some(mut live) = old.or_else(|| fresh.next()) {
                live.config.clone_from(config);
                all.push(live);
            }
        }
        for gone in &mut before {
            self.kept.keep.forget(&mut gone.note);
        }
        self.sessions.set(all);
        begins
    }

    /// Sessions of which another child is not told any more are no more for that child.
    fn forget_untold(&mut self) {
        for (peer, wanted) in [
            (&mut self.vrrp, (|live| live.config.vrrp) as fn(&Live) -> bool),
            (&mut self.checkers, |live| live.config.checker),
        ] {
            let keys: Vec<u64> = peer.told().collect();
            for key in keys {
                let is_told = |live: &Live| wanted(live) && record::key(&live.config.name) == key;
                if !self.sessions.all.iter().any(is_told) {
                    let _ = peer.tell(ObjectState { key, state: GONE, value: 0 });
                }
            }
        }
    }
}
