//! One child as the parent sees it: its process, its channel, its supervision, its record.

use std::os::fd::BorrowedFd;

use super::heritage::Heritage;
use super::program::ChildSettings;
use crate::base::bytes::{Reader, Writer};
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::daemon::ipc::{LONGEST_TO_CHILD, ToChild, ToParent};
use crate::daemon::keep::Keep;
use crate::daemon::kind::Kind;
use crate::daemon::log;
use crate::daemon::pidfile::PidFile;
use crate::daemon::reactor::Turn;
use crate::daemon::record::{Record, Records};
use crate::daemon::token::Registration;
use crate::daemon::tuning::Calls;
use crate::proto::supervise::{Params, Supervisor};
use crate::sys::channel::{Channel, Received, Sent};
use crate::sys::privileges::Capabilities;
use crate::sys::process::Pid;
use crate::sys::process_time::{self, ProcessTime};
use crate::sys::seccomp;

/// A child, running or not.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) kind: Kind,
    pub(super) supervisor: Supervisor,
    pub(super) pid: Option<Pid>,
    pub(super) link: Option<Link>,
    pub(super) records: Records,
    /// What its objects report is for its successor, too; else for the subagent alone.
    pub(super) remembers: bool,
    /// What only the child itself writes and reads.
    pub(super) keep: Keep,
    pub(super) pid_file: Option<PidFile>,
    /// The records on disk, for a daemon that is started after this one was killed as a whole.
    pub(super) heritage: Option<Heritage>,
    /// The privileges that the process keeps; none: all.
    pub(super) kept: Option<Capabilities>,
    /// System calls that ended one of them and are not those of a break-in: those after it may make them, for the list may
    /// lack what a C library or a kernel has them call, and a router that is dark is worse.
    pub(super) more_calls: Calls,
    /// The system call that ended it, as it may not make it.
    pub(super) violation: Option<u32>,
    /// The channel to the process that runs the scripts of this child.
    pub(super) helper: Option<Channel>,
    /// The process that takes away what this child left behind.
    pub(super) cleaner: Option<Pid>,
    /// When the last one died: when it was last at work.
    pub(super) died: Option<Instant>,
    /// Deaths so far.
    pub(super) deaths: u64,
    /// The last one did not end in order, so that it left things behind: if none follows, somebody else takes them
    /// away.
    pub(super) left_things: bool,
    /// It was given a new configuration and has not said that it runs it: what is in the kernel is of the one before,
    /// too. A replacement begins with that one, so that it knows of everything, and is given the new one then.
    pub(super) behind: bool,
    /// When the last part of its patience began, and what it had run by then.
    pub(super) judged: Option<(Instant, ProcessTime)>,
    /// The start of the process is over.
    pub(super) ready: bool,
    /// A channel to another child could not be made, or not be handed over, as the process does not read.
    pub(super) lacks_peer: bool,
    /// It was killed because it did not answer.
    pub(super) hung: bool,
}

/// The parent's end of a child's channel.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) channel: Channel,
    pub(super) registration: Registration,
    /// Nobody is woken by it for a moment, see [`super::rest`].
    pub(super) resting: bool,
}

impl Child {
    pub(super) fn new(kind: Kind, params: Params, settings: &ChildSettings) -> Self {
        Self {
            kind,
            supervisor: Supervisor::new(params),
            pid: None,
            link: None,
            records: Records::new(settings.objects),
            remembers: settings.objects > 0,
            keep: if settings.notes { Keep::new() } else { Keep::default() },
            pid_file: None,
            heritage: None,
            kept: None,
            more_calls: Calls::new(),
            violation: None,
            helper: None,
            cleaner: None,
            died: None,
            deaths: 0,
            left_things: false,
            behind: false,
            judged: None,
            ready: false,
            lacks_peer: false,
            hung: false,
        }
    }

    /// For how long the child could not have answered since it was looked at last, in the last part of its patience.
    pub(super) fn held_up(&mut self, now: Instant) -> Option<Span> {
        let seen = self.pid.and_then(process_time::of)?;
        let before = self.judged.replace((now, seen));
        let (since, before) = before.filter(|_| self.supervisor.is_judging())?;
        let (elapsed, ran) = (now.since(since), seen.ran - before.ran);
        seen.is_held_up.then(|| elapsed - ran)
    }

    /// Sends a message; false: it did not get through.
    pub(super) fn send(&self, message: ToChild, fd: Option<BorrowedFd<'_>>) -> bool {
        let mut buffer = [0; LONGEST_TO_CHILD];
        let mut packet = Writer::new(&mut buffer);
        let Some(link) = &self.link else { return false };
        if message.write(&mut packet).is_err() {
            return false;
        }
        let sent = match fd {
            Some(fd) => link.channel.send_with(packet.written(), fd),
            None => link.channel.send(packet.written()),
        };
        sent == Sent::Yes
    }

    /// The messages of the next packet; none: there is no packet now. Transitions are noted, counted and left out.
    pub(super) fn receive(&mut self, heard: &mut Heard) -> Option<heapless::Vec<ToParent, MESSAGES>> {
        let link = self.link.as_ref()?;
        let mut buffer = [0; limit::CHANNEL_PACKET];
        let Received::Packet(len, _) = link.channel.receive(&mut buffer) else {
            return None;
        };
        let mut packet = Reader::new(buffer.get(..len).unwrap_or_default());
        if let [seccomp::VIOLATION, a, b, c, d] = packet.rest() {
            self.violation = Some(u32::from_be_bytes([*a, *b, *c, *d]));
            return Some(heapless::Vec::new());
        }
        let mut messages = heapless::Vec::new();
        while let Some(message) = ToParent::read(&mut packet) {
            if let ToParent::Transition(record) = message {
                if self.remembers {
                    self.records.note(record);
                }
                // A packet has no room for more.
                let _ = heard.push(record);
            } else if messages.push(message).is_err() {
                break;
            }
        }
        Some(messages)
    }

    /// Reads the last reports of a dead child and closes its channel.
    pub(super) fn hang_up(&mut self, turn: &mut Turn<'_>) {
        while self.receive(&mut Heard::new()).is_some() {}
        self.ready = false;
        self.lacks_peer = false;
        self.helper = None;
        if let Some(link) = self.link.take() {
            turn.deregister(link.registration);
        }
    }

    /// Notes who the process is now, in the pid file too.
    pub(super) fn set_pid(&mut self, pid: Option<Pid>) {
        self.pid = pid;
        let Some(file) = &self.pid_file else { return };
        let written = match pid {
            Some(pid) => file.write(pid),
            None => file.clear(),
        };
        if let Err(error) = written {
            log::warn!("{} pid file cannot be written: {error}", self.kind.title());
        }
    }
}

/// The transitions of one packet: each takes nine octets.
pub(super) type Heard = heapless::Vec<Record, { limit::CHANNEL_PACKET / 9 }>;

/// Messages of one packet beside transitions, see `uplink`.
const MESSAGES: usize = 16;
