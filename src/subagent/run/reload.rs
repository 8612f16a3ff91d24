//! A reload: other objects are registered or given back; another agent's socket is another session.

use std::sync::Arc;

use super::start::outline;
use super::{Freshness, Subagent};
use crate::child::ahead::Text;
use crate::child::bracket::Reloads;
use crate::child::role::Role;
use crate::config::Model;
use crate::daemon::reactor::Turn;
use crate::proto::agentx::{Actions, Input, Params};

impl Reloads for Subagent {
    fn role(&mut self) -> &mut Role {
        &mut self.process
    }

    fn text(&mut self) -> &mut Text {
        &mut self.text
    }

    fn model(&self) -> Arc<Model> {
        Arc::clone(&self.model)
    }

    fn go_over(&mut self, turn: &mut Turn<'_>, model: Box<Model>) {
        if self.process.stopping {
            return;
        }
        let before = self.address().to_owned();
        self.model = Arc::new(outline(&model));
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
