//! What an attempt says after something happened to it; the machine makes actions of it.

use super::action::{Failure, Transport};
use super::input::Cause;

/// What an attempt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// More must come.
    Wait,
    /// The peer speaks first, and for what it says the deadline begins anew.
    Listen,
    /// There is something to send, and for what follows the deadline begins anew.
    Send,
    /// The attempt passed.
    Pass,
    /// It passed, the last words are still to be sent, and the peer's are politely awaited.
    Part,
    /// It failed.
    Fail(Failure),
}

/// What an attempt begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// With this transport.
    Transport(Transport),
    /// With a program.
    Program,
    /// With nothing: this machine cannot do what it takes.
    NotRun(Cause),
    /// It has no attempts: what it follows is told.
    Never,
}
