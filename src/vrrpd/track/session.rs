//! Tracked BFD sessions, as the BFD child reports them.

use crate::base::id::BfdId;
use crate::child::peer::{Heard, Peer, SESSION_UP};
use crate::config::Model;
use crate::daemon::ipc::{ObjectState, ToPeer};
use crate::daemon::reactor::{Again, Turn};
use crate::daemon::record::{self, GONE};
use crate::daemon::token::SourceId;
use crate::proto::track::{Bfd, BfdInput, Verdict};
use crate::sys::clock;
use crate::vrrpd::kind;

/// The sessions of the model, and the child that has them.
pub(in crate::vrrpd) struct Sessions {
    /// The BFD child. It is sent nothing.
    pub(in crate::vrrpd) peer: Peer,
    /// In the order of the model.
    all: Vec<Session>,
    /// What the child says of each session that it has, by the key of its name: it may know of a new configuration
    /// earlier than this process.
    reported: Vec<(u64, bool)>,
}

/// Sessions of a configuration that this process does not know yet for which there is room, whatever it knows.
const FURTHER: usize = 64;

#[derive(Clone, Copy)]
struct Session {
    key: u64,
    tracked: Bfd,
    /// A word about it that nothing has followed from yet.
    news: Option<News>,
}

/// A session is another one than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vrrpd) struct News {
    pub(in crate::vrrpd) up: bool,
    /// It is not what it was.
    pub(in crate::vrrpd) changed: bool,
    /// How long the word took, in microseconds.
    pub(in crate::vrrpd) took: u32,
}

impl Default for Sessions {
    fn default() -> Self {
        let source = SourceId { kind: kind::BFD, index: 0 };
        Self { peer: Peer::new(source), all: Vec::new(), reported: Vec::new() }
    }
}

impl Sessions {
    /// Goes over to the sessions of a model. One of which nothing was heard yet is down. For load time: allocates.
    pub(in crate::vrrpd) fn load(&mut self, model: &Model) {
        let before = core::mem::take(&mut self.all);
        // Room for what a child tells that knows of the next configuration already, if that has not twice as many.
        self.reported.reserve(2 * model.bfds.len() + FURTHER);
        self.all = model
            .bfds
            .iter()
            .map(|config| {
                let key = record::key(&config.name);
                let mut tracked =
                    before.iter().find(|old| old.key == key).map_or_else(Bfd::default, |old| old.tracked);
                if let Some((_, up)) = self.reported.iter().find(|(reported, _)| *reported == key) {
                    tracked.handle(input(*up));
                }
                Session { key, tracked, news: None }
            })
            .collect();
    }

    /// What a session says now.
    pub(in crate::vrrpd) fn verdict(&self, id: BfdId) -> Verdict {
        self.all.get(id.index()).map_or(Verdict::Down, |session| session.tracked.verdict())
    }

    /// The channel to the BFD child is ready. What it says waits in [`Self::next_news`].
    pub(in crate::vrrpd) fn hear(&mut self, turn: &mut Turn<'_>) -> Again {
        let Self { peer, all, reported } = self;
        peer.ready(turn, &mut |heard| match heard {
            Heard::Message(ToPeer::State(state)) => take(all, reported, state),
            // What a child that is gone said last stands: its replacement sends all of it anew.
            Heard::Message(ToPeer::Complete) | Heard::Away => {}
        })
    }

    /// The first session from position `from` on of which something was said.
    pub(in crate::vrrpd) fn next_news(&mut self, from: usize) -> Option<(BfdId, News)> {
        let rest = self.all.iter_mut().enumerate().skip(from);
        let mut news =
            rest.filter_map(|(position, session)| Some((BfdId::at(position), session.news.take()?)));
        news.next()
    }
}

const fn input(up: bool) -> BfdInput {
    if up { BfdInput::Up } else { BfdInput::Down }
}

fn take(
    all: &mut [Session],
    reported: &mut Vec<(u64, bool)>,
    ObjectState { key, state, value }: ObjectState,
) {
    let up = state == SESSION_UP;
    let known = reported.iter().position(|(other, _)| *other == key);
    if state == GONE {
        // Whoever tracks it still is about to hear of a configuration without it.
        if let Some(position) = known {
            reported.swap_remove(position);
        }
        return;
    }
    match known.and_then(|position| reported.get_mut(position)) {
        Some((_, known)) => *known = up,
        None => reported.push((key, up)),
    }
    let [a, b, c, d, ..] = clock::now().as_micros().to_le_bytes();
    let took = u32::from_le_bytes([a, b, c, d]).wrapping_sub(value);
    if let Some(session) = all.iter_mut().find(|session| session.key == key) {
        let before = session.news.is_some_and(|news| news.changed);
        let changed = session.tracked.handle(input(up)).is_some();
        session.news = Some(News { up, changed: changed || before, took });
    }
}

#[cfg(test)]
#[cfg(feature = "bfd")]
mod tests {
    use super::*;
    use crate::config::diag::Diagnostics;
    use crate::config::{assemble, expand};

    fn model(names: &[&str]) -> Model {
        let mut text = String::new();
        for (name, last) in names.iter().zip(1..) {
            text += &format!("bfd_instance {name} {{\n neighbor_ip 192.0.2.{last}\n}}\n");
        }
        let mut found = Diagnostics::new();
        assemble::model(&expand::parse_text(&text, &mut found).tree, &mut found)
    }

    fn say(sessions: &mut Sessions, name: &str, state: u8) {
        let state = ObjectState { key: record::key(name), state, value: 0 };
        take(&mut sessions.all, &mut sessions.reported, state);
    }

    #[test]
    fn a_session_is_down_until_it_is_said_to_be_up_and_each_change_is_news_once() {
        let mut sessions = Sessions::default();
        sessions.load(&model(&["A", "B"]));
        let news =
            |sessions: &mut Sessions| sessions.next_news(0).map(|(id, news)| (id, news.up, news.changed));
        assert_eq!(sessions.verdict(BfdId(1)), Verdict::Down);
        say(&mut sessions, "B", 1);
        assert_eq!(news(&mut sessions), Some((BfdId(1), false, false)));
        say(&mut sessions, "B", SESSION_UP);
        assert_eq!(sessions.verdict(BfdId(1)), Verdict::Up);
        assert_eq!(news(&mut sessions), Some((BfdId(1), true, true)));
        assert_eq!(news(&mut sessions), None);
    }

    #[test]
    fn a_reload_keeps_what_was_said_even_of_sessions_that_were_not_known_yet() {
        let mut sessions = Sessions::default();
        sessions.load(&model(&["A"]));
        say(&mut sessions, "A", SESSION_UP);
        say(&mut sessions, "C", SESSION_UP);
        sessions.load(&model(&["B", "C", "A"]));
        let verdicts = [0, 1, 2].map(|id| sessions.verdict(BfdId(id)));
        assert_eq!(verdicts, [Verdict::Down, Verdict::Up, Verdict::Up]);
        say(&mut sessions, "C", GONE);
        sessions.load(&model(&["A"]));
        sessions.load(&model(&["C", "A"]));
        assert_eq!(sessions.verdict(BfdId(0)), Verdict::Down, "it has begun anew");
    }
}
