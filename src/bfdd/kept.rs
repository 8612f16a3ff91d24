//! What outlives this process: noted beside the work, and taken up by the process that replaces it.
//!
//! ```text
//! session   discriminators: ours, the peer's | the peer's intervals: sending, receiving | its multiplier, ours: port, up
//! ```
//!
//! A session finds its note by its name, its ends and its ports, so that a successor with another configuration finds it,
//! too.

use core::fmt::{self, Write};

use crate::base::time::Span;
use crate::config::model::Bfd;
use crate::daemon::keep::{Values, key};
use crate::daemon::record;
use crate::proto::bfd::Session;
use crate::proto::bfd::session::{Adopted, Peer};
use crate::wire::bfd::State;

/// What a predecessor left of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// Its discriminator.
    pub(super) discriminator: u32,
    /// The source port of its packets.
    pub(super) port: u16,
    /// It was up.
    pub(super) adopted: Option<Adopted>,
}

/// The key of the note of a session: what makes it this session, whatever its intervals.
pub(super) fn note_key(config: &Bfd) -> u64 {
    let mut key = Key(key("session", &config.name));
    let Bfd { neighbor, source, interface, multihop, .. } = config;
    // A key takes everything.
    let _ = write!(key, "\0{neighbor}\0{source:?}\0{interface:?}\0{multihop}");
    key.0
}

/// A key that text goes into.
struct Key(u64);

impl Write for Key {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = record::continued(self.0, text);
        Ok(())
    }
}

const UP: u64 = 1 << 32;
const PORT: u32 = 8;

/// What is noted of a session.
pub(super) fn values(session: &Session, port: u16) -> Values {
    let peer = session.peer();
    let micros = |span: Span| span.as_micros().min(u64::from(u32::MAX));
    let up = if session.state() == State::Up { UP } else { 0 };
    [
        u64::from(session.discriminator()) << 32 | u64::from(peer.discriminator),
        micros(peer.min_tx) << 32 | micros(peer.min_rx),
        u64::from(peer.multiplier) | u64::from(port) << PORT | up,
    ]
}

/// What a note says; none: a process ended in the middle of it.
pub(super) fn left([discriminators, intervals, rest]: Values) -> Option<Left> {
    let half = |word: u64| u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0);
    let span = |word: u64| Span::from_micros(u64::from(half(word)));
    let octets = rest.to_le_bytes();
    let [multiplier, low, high, ..] = octets;
    let peer = Peer {
        discriminator: half(discriminators),
        min_tx: span(intervals >> 32),
        min_rx: span(intervals),
        multiplier,
        ..Peer::default()
    };
    let left = Left {
        discriminator: half(discriminators >> 32),
        port: u16::from_le_bytes([low, high]),
        adopted: (rest & UP != 0 && peer.multiplier != 0).then_some(Adopted { peer }),
    };
    (left.discriminator != 0).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Instant;
    use crate::proto::bfd::Params;
    use crate::proto::bfd::session::{Actions, Input};
    use crate::wire::bfd::Control;

    #[test]
    fn a_successor_reads_what_was_noted() {
        let mut session = Session::new(Params::default(), 0xfedc_ba98, 1);
        assert_eq!(
            left(values(&session, 65_535)),
            Some(Left { discriminator: 0xfedc_ba98, port: 65_535, adopted: None })
        );
        assert_eq!(left([0; 3]), None);
        let heard = Control {
            state: State::Init,
            multiplier: 3,
            my: 0x8765_4321,
            your: 0xfedc_ba98,
            min_tx: Span::from_millis(20),
            min_rx: Span::from_millis(30),
            ..Control::default()
        };
        session.handle(
            Instant::START,
            Input::Received { control: heard, arrived: Instant::START },
            &mut Actions::new(),
        );
        assert_eq!(session.state(), State::Up);
        let adopted = left(values(&session, 49_152)).and_then(|left| left.adopted).unwrap();
        let expected = Peer { state: State::Down, ..*session.peer() };
        assert_eq!(Peer { state: State::Down, ..adopted.peer }, expected);
    }
}
