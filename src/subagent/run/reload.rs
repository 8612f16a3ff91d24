//! A reload: other objects are registered or given back; another agent's socket is another session.

use std::sync::Arc;

use super::{Freshness, Subagent};
use crate::child::bracket::Reloads;
use crate::config::Model;
use crate::daemon::reactor::Turn;
use crate::proto::agentx::{Actions, Input, Params};

impl Reloads for Subagent {
    fn model(&self) -> Arc<Model> {
        Arc::clone(&self.model)
    }

    fn go_over(&mut self, turn: &mut Turn<'_>, model: Box<Model>) {
        if self.process.stopping {
            return;
        }
        let before = self.address().to_owned();
        // Of the rest nothing is used.
        let Model { daemon, global, .. } = *model;
        self.model = Arc::new(Model::outline(daemon, global));
        self.freshness = Freshness::None;
        self.trees = super::super::trees(&self.model.global, self.options.all);
        if self.address() != before {
            self.drive(turn, Input::Stop);
        }
        let mut out = Actions::new();
        self.session.reconfigure(turn.now(), Params { trees: self.trees }, &mut out);
        self.carry_out(turn, &out);
        self.drive(turn, Input::Start);
    }
}
