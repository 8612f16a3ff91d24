//! Packets in and out, and what the machines of the sessions ask for.

use nix::errno::Errno;

use super::Bfd;
use crate::base::addr::IpAddr;
use crate::base::id::BfdId;
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::bfdd::discards::Discard;
use crate::bfdd::kept;
use crate::bfdd::report::{self, may};
use crate::bfdd::sessions::{Ends, Sessions};
use crate::bfdd::sockets::{Packet, Place};
use crate::daemon::reactor::{Again, Turn};
use crate::proto::bfd::session::{Action, Actions, Event, Input};
use crate::sys::udp::{Datagram, Way};
use crate::wire::bfd::{Control, State};

/// How far back the kernel's stamp of a packet is believed: the wall clock, which stamps are made of, may have been set.
/// Packets are read later than they come in by [`SHARED_READING`](crate::base::limit::SHARED_READING) and the time until
/// this process runs.
const ARRIVAL_TRUST: Span = Span::from_millis(5);

impl Bfd {
    /// A socket has packets.
    pub(super) fn receive(&mut self, turn: &mut Turn<'_>, index: u32) -> Again {
        let Some(mut inbox) = self.inbox.take() else { return Again::Done };
        let again = match self.sockets.read(index, &mut inbox) {
            Some((count, place)) => {
                if !self.process.stopping {
                    for datagram in inbox.iter() {
                        self.take(turn, place, &datagram);
                    }
                }
                if count < inbox.capacity() { Again::Done } else { Again::More }
            }
            None => Again::Done,
        };
        self.inbox = Some(inbox);
        again
    }

    /// All sockets are read until they are empty, within a bound.
    pub(super) fn receive_all(&mut self, turn: &mut Turn<'_>) {
        for index in 0..Place::COUNT {
            for _ in 0..limit::CATCH_UP_PASSES {
                if self.receive(turn, index) == Again::Done {
                    break;
                }
            }
        }
    }

    fn take(&mut self, turn: &mut Turn<'_>, place: Place, datagram: &Datagram<'_>) {
        let Datagram { source, destination, interface, hop_limit, .. } = *datagram;
        let arrived = datagram.arrived.max(turn.before()).max(turn.now() - ARRIVAL_TRUST);
        let control = match Control::parse(datagram.octets) {
            Ok(control) => control,
            Err(why) => return self.discard(turn, None, source, Discard::Malformed(why)),
        };
        let ends = Ends { source, destination, interface };
        let Some(id) = self.sessions.find(&control, &ends, place) else {
            return self.discard(turn, None, source, Discard::Stranger);
        };
        let Some(live) = self.sessions.get_mut(id) else { return };
        if !live.accepts(hop_limit) {
            live.traffic.too_far = live.traffic.too_far.saturating_add(1);
            return self.discard(turn, Some((id, hop_limit)), source, Discard::TooFar);
        }
        live.traffic.received = live.traffic.received.saturating_add(1);
        self.drive(turn, id, Input::Received { control, arrived });
    }

    /// A packet is not taken; `whose`: its session, if one was found, and its TTL.
    fn discard(&mut self, turn: &Turn<'_>, whose: Option<(BfdId, Option<u8>)>, source: IpAddr, why: Discard) {
        self.discards.note(why);
        if may(&mut self.process.lines, turn.now()) {
            let found = whose.and_then(|(id, hop_limit)| {
                let live = self.sessions.get_mut(id)?;
                Some((live.config.name.as_str(), hop_limit))
            });
            report::discarded(found, source, why.reason());
        }
    }

    /// Something happens to a session.
    pub(super) fn drive(&mut self, turn: &mut Turn<'_>, id: BfdId, input: Input) {
        let Some(live) = self.sessions.get_mut(id) else { return };
        let mut out = Actions::new();
        live.machine.handle(turn.now(), input, &mut out);
        self.carry_out(turn, id, &out);
    }

    /// Does what the machine of a session asks for.
    pub(super) fn carry_out(&mut self, turn: &mut Turn<'_>, id: BfdId, actions: &Actions) {
        for action in actions {
            match *action {
                Action::Transmit(control) => self.transmit(turn.now(), id, control),
                Action::Event(event) => self.happened(turn, id, event),
            }
        }
        let Some(live) = self.sessions.get_mut(id) else { return };
        turn.set_deadline(id.0, live.machine.poll_at());
        let values = kept::values(&live.machine, live.port);
        if live.noted != values {
            live.noted = values;
            self.kept.keep.put(&mut live.note, live.key, values);
        }
    }

    fn happened(&mut self, turn: &Turn<'_>, id: BfdId, event: Event) {
        let Some(live) = self.sessions.get_mut(id) else { return };
        let name = &live.config.name;
        // A peer that changes its mind with each packet fills no log.
        if may(&mut live.lines, turn.now()) {
            match event {
                Event::Transition { .. } => report::entered(name, &live.machine),
                Event::Expired { after, overdue } => report::expired(name, after, overdue),
                Event::PollBegins => report::poll_begins(name),
                Event::PollEnds => {}
                Event::Detection { from, to } => report::detection(name, &live.machine, from, to),
            }
        }
        if let Event::Transition { from, to } = event
            && (from == State::Up) != (to == State::Up)
        {
            report::remember(&live.config.name, &live.machine);
            self.send_state(id);
        }
    }

    fn transmit(&mut self, now: Instant, id: BfdId, control: Control) {
        let Some(live) = self.sessions.get_mut(id) else { return };
        let (place, destination) = (live.place(), live.config.neighbor);
        live.attempts = live.attempts.wrapping_add(1);
        let source = match live.source(now) {
            Ok(source) => source,
            Err(errno) => return live.refused(errno),
        };
        live.traffic.sent = live.traffic.sent.saturating_add(1);
        let way = Way { source, destination, interface: live.interface, hop_limit: live.ttl() };
        let packet = Packet { tag: id.0, control, place, way, port: live.port };
        let Self { sockets, sessions, .. } = self;
        sockets.queue(&packet, &mut |tag, errno| refused(sessions, tag, errno));
    }

    /// What is to leave in this turn leaves.
    pub(super) fn flush(&mut self) {
        let Self { sockets, sessions, .. } = self;
        sockets.flush(&mut |tag, errno| refused(sessions, tag, errno));
    }
}

fn refused(sessions: &mut Sessions, tag: u32, errno: Errno) {
    if let Some(live) = sessions.get_mut(BfdId(tag)) {
        live.refused(errno);
    }
}
