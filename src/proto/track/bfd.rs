//! A tracked BFD session, as the BFD process tells of it: down until it has said otherwise.

use super::Verdict;

/// One session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bfd {
    up: bool,
}

/// What the BFD process says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BfdInput {
    /// The session is up.
    Up,
    /// The session is not up, for whatever reason.
    Down,
    /// The BFD process is gone: nothing is known of the session any more.
    Lost,
}

/// The verdict is another one than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BfdChanged {
    /// The new verdict.
    pub up: bool,
}

impl Bfd {
    /// Takes one input. A BFD process that is gone leaves its last word standing: its replacement tells anew, and
    /// until then a session that was up is no reason for FAULT.
    pub fn handle(&mut self, input: BfdInput) -> Option<BfdChanged> {
        let up = match input {
            BfdInput::Up => true,
            BfdInput::Down => false,
            BfdInput::Lost => self.up,
        };
        (core::mem::replace(&mut self.up, up) != up).then_some(BfdChanged { up })
    }

    /// What the session says.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        Verdict::of(self.up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::track::{Effect, Weight};

    #[test]
    fn a_session_is_down_until_it_is_up_and_a_lost_process_changes_nothing() {
        let mut session = Bfd::default();
        let weight = |value| Weight { value, reverse: false };
        assert_eq!(weight(0).of_verdict(session.verdict()), Effect::Faults, "before any session");
        assert_eq!(weight(-20).of_verdict(session.verdict()), Effect::Adds(-20));
        assert_eq!(session.handle(BfdInput::Down), None);
        assert_eq!(session.handle(BfdInput::Up), Some(BfdChanged { up: true }));
        assert_eq!(session.handle(BfdInput::Up), None);
        assert_eq!(weight(0).of_verdict(session.verdict()), Effect::Adds(0));
        assert_eq!(session.handle(BfdInput::Lost), None);
        assert_eq!(session.verdict(), Verdict::Up);
        assert_eq!(session.handle(BfdInput::Down), Some(BfdChanged { up: false }));
        assert_eq!(session.handle(BfdInput::Lost), None);
        assert_eq!(session.verdict(), Verdict::Down);
    }
}
