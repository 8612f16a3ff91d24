//! Packets in and out, and what the machines of the sessions ask for.

use nix::errno::Errno;

use super::Bfd;
use crate::base::id::BfdId;
use crate::bfdd::kept;
use crate::bfdd::report::{self, may};
use crate::bfdd::sessions::Sessions;
use crate::bfdd::sockets::{Packet, Place};
use crate::daemon::reactor::{Again, Turn};
use crate::proto::bfd::session::{Action, Actions, Event, Input};
use crate::sys::udp::{Datagram, source_toward};
use crate::wire::bfd::{Control, State};

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

    fn take(&mut self, turn: &mut Turn<'_>, place: Place, datagram: &Datagram<'_>) {
        let now = turn.now();
        let control = match Control::parse(datagram.octets) {
            Ok(control) => control,
            Err(why) => {
                if may(&mut self.process.lines, now) {
                    report::discarded(None, datagram.source, report::reason(why));
                }
                return;
            }
        };
        let ends = (datagram.source, datagram.destination);
        let Some((id, live)) =
            self.sessions.find(&control, ends, place).and_then(|id| Some((id, self.sessions.get_mut(id)?)))
        else {
            if may(&mut self.process.lines, now) {
                report::discarded(
                    None,
                    datagram.source,
                    "no session has its addresses and its discriminator",
                );
            }
            return;
        };
        if !live.accepts(datagram.hop_limit) {
            if may(&mut self.process.lines, now) {
                let why = format_args!(
                    "its TTL is {}, it came by more routers than max_hops allows",
                    datagram.hop_limit.unwrap_or(0)
                );
                report::discarded(Some(&live.config.name), datagram.source, why);
            }
            return;
        }
        self.drive(turn, id, Input::Received(control));
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
                Action::Transmit(control) => self.transmit(id, control),
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
            self.tell(id);
        }
    }

    fn transmit(&mut self, id: BfdId, control: Control) {
        let Some(live) = self.sessions.get_mut(id) else { return };
        let place = live.place();
        live.attempts = live.attempts.wrapping_add(1);
        if live.local.is_none() {
            match source_toward(live.config.neighbor, place.port()) {
                Ok(local) => live.local = Some(local),
                Err(error) => {
                    let errno = error.raw_os_error().map_or(Errno::EADDRNOTAVAIL, Errno::from_raw);
                    return live.refused(errno);
                }
            }
        }
        let Some(local) = live.local else { return };
        let packet = Packet {
            tag: id.0,
            control,
            place,
            local,
            neighbor: live.config.neighbor,
            port: live.port,
            ttl: live.ttl(),
        };
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
