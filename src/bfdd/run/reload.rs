//! A reload: a session whose ends did not change goes on as it is. Other intervals are agreed on by a poll sequence.

use std::sync::Arc;

use super::Bfd;
use super::start::outline;
use crate::base::id::BfdId;
use crate::base::limit;
use crate::base::map::{Map, Set};
use crate::bfdd::kept::note_key;
use crate::bfdd::sessions::{Live, Taken};
use crate::child::bracket::Reloads;
use crate::config::Model;
use crate::daemon::ipc::ObjectState;
use crate::daemon::reactor::{Process, Turn};
use crate::daemon::record::{self, GONE};
use crate::proto::bfd::session::{Actions, Input};

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

impl Reloads for Bfd {
    fn model(&self) -> Arc<Model> {
        Arc::clone(&self.model)
    }

    /// Between two slices packets come in and leave: a file with thousands of virtual routers takes longer to read than the
    /// detection time of a peer.
    fn pause(&mut self, turn: &mut Turn<'_>) {
        self.receive_all(turn);
        let mut due = Vec::new();
        turn.due(|slot| {
            due.push(slot);
            true
        });
        for slot in due {
            self.expired(turn, slot);
        }
        self.turn_end(turn);
    }

    fn go_over(&mut self, turn: &mut Turn<'_>, model: Box<Model>) {
        // A child that stops has told its peers so.
        if !self.process.stopping {
            self.finish_status(turn);
            self.follow(turn, outline(*model));
        }
    }
}

impl Bfd {
    fn follow(&mut self, turn: &mut Turn<'_>, model: Model) {
        let wanted: Set<u64> = model.bfds.iter().map(note_key).collect();
        for id in self.sessions.ids() {
            if self.sessions.get_mut(id).is_some_and(|live| !wanted.contains(&live.key)) {
                self.drive(turn, id, Input::Disable);
            }
        }
        // Packets are named by the places of before.
        self.flush();
        let begins = self.exchange(&model);
        self.model = Arc::new(model);
        self.make_room();
        self.forget_untold();
        turn.resize_deadlines(self.slots());
        self.want_sockets(turn);
        self.status.load(&self.model);
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
            self.send_state(id);
            // Every session is in its place, and one that has not been looked at yet has no deadline that matters to it.
            if turn.passed() > limit::SLICE {
                self.process.meter.note_slice(turn.renew());
                turn.answer_hellos();
                self.pause(turn);
            }
        }
    }

    /// Puts the sessions of the new model in place of those of before.
    fn exchange(&mut self, model: &Model) -> Vec<Begin> {
        let before = core::mem::take(&mut self.sessions.all);
        let mut taken = Taken::of(&before);
        let mut before: Map<u64, Live> = before.into_iter().map(|live| (live.key, live)).collect();
        let (mut all, mut begins) = (Vec::with_capacity(model.bfds.len()), Vec::new());
        for config in &model.bfds {
            let mut live = match before.remove(&note_key(config)) {
                None => {
                    begins.push(Begin::Fresh);
                    taken.make(config, None)
                }
                Some(live) => {
                    let same = live.config.params == config.params;
                    begins.push(if same { Begin::Same } else { Begin::Changed });
                    live
                }
            };
            live.config.clone_from(config);
            all.push(live);
        }
        for gone in before.values_mut() {
            self.kept.keep.forget(&mut gone.note);
        }
        self.sessions.set(all);
        begins
    }

    /// Sessions that another child is not sent any more are no more for that child.
    fn forget_untold(&mut self) {
        for (peer, wanted) in [
            (&mut self.vrrp, (|live| live.config.vrrp) as fn(&Live) -> bool),
            (&mut self.checkers, |live| live.config.checker),
        ] {
            let live = self.sessions.all.iter().filter(|live| wanted(live));
            let keys: Set<u64> = live.map(|live| record::key(&live.config.name)).collect();
            let gone: Vec<u64> = peer.sent().filter(|key| !keys.contains(key)).collect();
            for key in gone {
                let _ = peer.send(ObjectState { key, state: GONE, value: 0 });
            }
        }
    }
}
