//! A process that runs scripts for another one, so that the other one may give up the privileges which scripts need.
//!
//! ```text
//! child  -- start (ticket, permit, further words), kill (ticket, signal) -->  helper  -- fork, exec -->  script
//!        <-- ended (ticket, how) ----------------------------------------
//! parent -- permits ----------------------------------------------------->
//! ```
//!
//! The helper runs what it has a permit for: a command of the configuration under the configured user. The words after
//! those of the configuration are the child's. Permits come from the parent, which reads the configuration, so that a
//! child that somebody has taken over cannot have anything else run. A ticket is a [`Pid`] above every number of the
//! kernel: for who starts a script, waits for it and ends it, it is the number of a process.
//!
//! The helper ends when the child does, and the scripts that serve the child alone are told to end with it.

use core::sync::atomic::{AtomicI32, Ordering};
use std::ffi::CString;
use std::io;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::channel::{Channel, Received, Sent};
use super::identity::Identity;
use super::memory;
use super::process::{self, Ended, Pid};
use super::script::{NOT_EXECUTABLE, Runner, Terms, Words};
use super::signal::Signals;
use crate::base::bytes::{Reader, Short, Writer};
use crate::base::limit;

/// This process's end of the channel to its helper, if it has one.
static LINK: OnceLock<Channel> = OnceLock::new();
/// The ticket that was given last.
static LAST: AtomicI32 = AtomicI32::new(0);

/// From now on the scripts of this process are run by the helper at the other end. A process has one helper at most.
pub fn connect(channel: Channel) {
    let _ = (LINK.set(channel), process::TICKET_KILLER.set(kill));
}

/// This process's end of the channel to its helper.
pub fn link() -> Option<&'static Channel> {
    LINK.get()
}

/// What the helper says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// A script has ended.
    Ended(Pid, Ended),
    /// A script was not run: the helper has no permit for it.
    Refused(Pid),
    /// The helper is gone.
    Gone,
}

/// The next word of the helper, if there is one now.
#[must_use]
pub fn next_word() -> Option<Word> {
    let mut room = [0; REPLY];
    match link()?.receive(&mut room) {
        Received::Packet(len, _) => read_reply(room.get(..len)?),
        Received::Empty => None,
        Received::Gone => Some(Word::Gone),
    }
}

/// Asks the helper for a script, of whose words the first `fixed` are configured. `tied`: it ends when this process does.
///
/// # Errors
/// When the words are too long, the helper has not yet read what it was asked before, or is gone.
pub fn start(link: &Channel, words: &Words, fixed: usize, terms: &Terms, tied: bool) -> io::Result<Pid> {
    let ticket = Pid::ticket(LAST.fetch_add(1, Ordering::Relaxed));
    let mut room = [0; limit::SCRIPT_REQUEST];
    let mut packet = Writer::new(&mut room);
    write_start(&mut packet, ticket, words, fixed, terms, tied)
        .map_err(|Short| io::Error::from(io::ErrorKind::ArgumentListTooLong))?;
    match link.send(packet.written()) {
        Sent::Yes => Ok(ticket),
        Sent::Full => Err(io::ErrorKind::ResourceBusy.into()),
        Sent::Gone => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// Asks the helper to send a signal to the process group of a script. False: nobody is there to do it.
fn kill(ticket: Pid, signal: i32) -> bool {
    let mut room = [0; KILL];
    let mut packet = Writer::new(&mut room);
    let written = packet.u8(2).and_then(|()| {
        packet.put(&ticket.number().to_be_bytes())?;
        packet.put(&signal.to_be_bytes())
    });
    written.is_ok() && link().is_some_and(|link| link.send(packet.written()) == Sent::Yes)
}

const KILL: usize = 9;
const REPLY: usize = 9;

fn write_start(
    out: &mut Writer<'_>,
    ticket: Pid,
    words: &Words,
    fixed: usize,
    terms: &Terms,
    tied: bool,
) -> Result<(), Short> {
    out.u8(1)?;
    out.put(&ticket.number().to_be_bytes())?;
    out.u8(u8::from(tied))?;
    let permitted = permit_octets(words, fixed, terms);
    out.u32(u32::try_from(permitted).map_err(|_| Short)?)?;
    write_permit(out, words, fixed, terms)?;
    words.iter().skip(fixed).try_for_each(|word| put_text(out, word))
}

/// A command of the configuration, and as whom it runs, in octets that are the same for the same.
fn write_permit(out: &mut Writer<'_>, words: &Words, fixed: usize, terms: &Terms) -> Result<(), Short> {
    let count = |len: usize| u16::try_from(len).map_err(|_| Short);
    match &terms.identity {
        Some(Identity { uid, gid, groups }) => {
            out.u8(1)?;
            out.u32(*uid)?;
            out.u32(*gid)?;
            out.u16(count(groups.len())?)?;
            groups.iter().try_for_each(|group| out.u32(*group))?;
        }
        None => out.u8(0)?,
    }
    out.u16(count(terms.guarded.len())?)?;
    terms.guarded.iter().try_for_each(|guarded| put_text(out, guarded.to_bytes()))?;
    words.iter().take(fixed).try_for_each(|word| put_text(out, word))
}

fn permit_octets(words: &Words, fixed: usize, terms: &Terms) -> usize {
    let text = |word: &[u8]| word.len() + 1;
    let identity = terms.identity.as_ref().map_or(1, |identity| 11 + 4 * identity.groups.len());
    let guarded: usize = terms.guarded.iter().map(|guarded| text(guarded.to_bytes())).sum();
    identity + 2 + guarded + words.iter().take(fixed).map(text).sum::<usize>()
}

fn put_text(out: &mut Writer<'_>, text: &[u8]) -> Result<(), Short> {
    out.put(text)?;
    out.u8(0)
}

/// The text up to the next NUL.
fn take_text<'a>(octets: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let end = octets.rest().iter().position(|octet| *octet == 0).ok_or(Short)?;
    let text = octets.take(end)?;
    octets.u8()?;
    Ok(text)
}

fn take_texts<'a>(octets: &mut Reader<'a>) -> Result<Vec<&'a [u8]>, Short> {
    let mut all = Vec::new();
    while !octets.rest().is_empty() {
        all.push(take_text(octets)?);
    }
    Ok(all)
}

fn read_permit<'a>(octets: &'a [u8]) -> Result<(Terms, Vec<&'a [u8]>), Short> {
    let mut octets = Reader::new(octets);
    let identity = match octets.u8()? {
        0 => None,
        _ => {
            let (uid, gid, count) = (octets.u32()?, octets.u32()?, octets.u16()?);
            let groups = (0..count).map(|_| octets.u32()).collect::<Result<_, Short>>()?;
            Some(Identity { uid, gid, groups })
        }
    };
    let count = octets.u16()?;
    let text = |octets: &mut Reader<'a>| CString::new(take_text(octets)?).map_err(|_| Short);
    let guarded = (0..count).map(|_| text(&mut octets)).collect::<Result<_, Short>>()?;
    Ok((Terms { identity, guarded }, take_texts(&mut octets)?))
}

/// What a helper may run. For load time: allocates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permits {
    /// Permission bits that new files of scripts do not get.
    umask: u32,
    /// Sorted once [`Permits::finish`] was called.
    all: Vec<Box<[u8]>>,
}

impl Permits {
    /// None yet.
    #[must_use]
    pub const fn new(umask: u32) -> Self {
        Self { umask, all: Vec::new() }
    }

    /// Permits a command, of whose words the first `fixed` are configured.
    pub fn add(&mut self, words: &Words, fixed: usize, terms: &Terms) {
        let mut octets = vec![0; permit_octets(words, fixed, terms)];
        if write_permit(&mut Writer::new(&mut octets), words, fixed, terms).is_ok() {
            self.all.push(octets.into());
        }
    }

    /// Each one once, in the order in which they are looked for.
    #[must_use]
    pub fn finish(mut self) -> Self {
        self.all.sort_unstable();
        self.all.dedup();
        self.all.shrink_to_fit();
        self
    }

    fn has(&self, permit: &[u8]) -> bool {
        self.all.binary_search_by(|one| (**one).cmp(permit)).is_ok()
    }

    /// As octets, to be handed over in a file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = self.umask.to_be_bytes().to_vec();
        for permit in &self.all {
            octets.extend(u32::try_from(permit.len()).unwrap_or(u32::MAX).to_be_bytes());
            octets.extend_from_slice(permit);
        }
        octets
    }

    fn decode(octets: &[u8]) -> Result<Self, Short> {
        let mut octets = Reader::new(octets);
        let mut permits = Self::new(octets.u32()?);
        while !octets.rest().is_empty() {
            let len = usize::try_from(octets.u32()?).map_err(|_| Short)?;
            permits.all.push(octets.take(len)?.into());
        }
        Ok(permits)
    }
}

/// The life of a helper. `child` and `parent` are its ends of the channels to the two. `tell` is given the program of
/// each script that is not run because there is no permit for it.
///
/// # Errors
/// When the kernel refuses what the helper needs itself.
pub fn serve(
    child: &Channel,
    parent: &Channel,
    permits: Permits,
    tell: &mut dyn FnMut(&str),
) -> io::Result<()> {
    let signals = Signals::block()?;
    process::umask(permits.umask);
    let mut helper = Helper {
        runner: Runner::new()?,
        environment: Words::environment(),
        running: Vec::new(),
        parent,
        has_parent: true,
        permits: [permits, Permits::default()],
    };
    loop {
        let [child_fd, signal_fd, parent_fd] =
            [child.as_fd(), signals.as_fd(), parent.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let mut all = [child_fd, signal_fd, parent_fd];
        let watched = if helper.has_parent { all.len() } else { all.len() - 1 };
        match poll(all.get_mut(..watched).unwrap_or_default(), PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        helper.listen();
        while signals.next().is_some() {}
        while let Some((pid, how)) = process::reap() {
            helper.ended(child, pid, how);
        }
        let mut room = [0; limit::SCRIPT_REQUEST];
        loop {
            match child.receive(&mut room) {
                Received::Packet(len, _) => helper.hear(child, room.get(..len).unwrap_or_default(), tell),
                Received::Empty => break,
                Received::Gone => return Ok(()),
            }
        }
    }
}

struct Helper<'a> {
    parent: &'a Channel,
    has_parent: bool,
    runner: Runner,
    environment: Words,
    /// Tickets and processes.
    running: Vec<(Pid, Pid)>,
    /// Those of the configuration, and those of the one before: a script of it may still wait in the child.
    permits: [Permits; 2],
}

impl Helper<'_> {
    /// Takes in what the parent permits.
    fn listen(&mut self) {
        while self.has_parent {
            match self.parent.receive(&mut [0; 1]) {
                Received::Packet(_, Some(fd)) => self.renew(fd),
                Received::Packet(_, None) => {}
                Received::Empty => return,
                Received::Gone => self.has_parent = false,
            }
        }
    }

    fn permits(&mut self, permit: &[u8]) -> bool {
        let has = |all: &[Permits; 2]| all.iter().any(|permits| permits.has(permit));
        // The parent tells the helper of new permits before it tells the child of the new configuration: when the child
        // asks, they are there.
        has(&self.permits) || {
            self.listen();
            has(&self.permits)
        }
    }

    fn renew(&mut self, fd: std::os::fd::OwnedFd) {
        let Some(new) = memory::read(fd).ok().and_then(|octets| Permits::decode(&octets).ok()) else {
            return;
        };
        process::umask(new.umask);
        self.permits.swap(0, 1);
        self.permits[0] = new;
    }

    fn hear(&mut self, child: &Channel, packet: &[u8], tell: &mut dyn FnMut(&str)) {
        let mut packet = Reader::new(packet);
        // What cannot be read is of no child of ours.
        let _ = match packet.u8() {
            Ok(1) => self.start(child, &mut packet, tell),
            Ok(2) => self.kill(&mut packet),
            _ => Ok(()),
        };
    }

    fn start(
        &mut self,
        child: &Channel,
        packet: &mut Reader<'_>,
        tell: &mut dyn FnMut(&str),
    ) -> Result<(), Short> {
        let ticket = read_ticket(packet)?;
        let tied = packet.u8()? != 0;
        let len = usize::try_from(packet.u32()?).map_err(|_| Short)?;
        let permit = packet.take(len)?;
        let (terms, mut words) = read_permit(permit)?;
        let further = take_texts(packet)?;
        if further.len() > MOST_FURTHER || !self.permits(permit) {
            tell(&String::from_utf8_lossy(words.first().copied().unwrap_or_default()));
            reply(child, ticket, 2, 0);
            return Ok(());
        }
        words.extend(further);
        let started = Words::of(words.into_iter()).map_err(|_| Short).and_then(|mut words| {
            let run = if tied { Runner::start_tied } else { Runner::start };
            run(&self.runner, &mut words, &mut self.environment, &terms).map_err(|_| Short)
        });
        match started {
            Ok(pid) => self.running.push((ticket, pid)),
            Err(Short) => reply(child, ticket, 0, NOT_EXECUTABLE),
        }
        Ok(())
    }

    fn kill(&self, packet: &mut Reader<'_>) -> Result<(), Short> {
        let ticket = read_ticket(packet)?;
        let signal = i32::from_be_bytes(packet.array()?);
        if let Some((_, pid)) = self.running.iter().find(|(given, _)| *given == ticket) {
            process::kill_group(*pid, signal);
        }
        Ok(())
    }

    fn ended(&mut self, child: &Channel, pid: Pid, how: Ended) {
        let Some(position) = self.running.iter().position(|(_, running)| *running == pid) else { return };
        let (ticket, _) = self.running.swap_remove(position);
        match how {
            Ended::Exited(code) => reply(child, ticket, 0, code),
            Ended::Killed(signal) => reply(child, ticket, 1, signal),
        }
    }
}

/// A transition appends four words, a FIFO one.
const MOST_FURTHER: usize = 5;

fn read_ticket(packet: &mut Reader<'_>) -> Result<Pid, Short> {
    let number = i32::from_be_bytes(packet.array()?);
    Pid::new(number).filter(|pid| pid.is_ticket()).ok_or(Short)
}

/// Tells the child; waits for one that does not read, which is replaced in the end.
fn reply(child: &Channel, ticket: Pid, kind: u8, code: i32) {
    let mut room = [0; REPLY];
    let mut packet = Writer::new(&mut room);
    let _ = packet.put(&ticket.number().to_be_bytes());
    let _ = packet.u8(kind);
    let _ = packet.put(&code.to_be_bytes());
    while child.send(packet.written()) == Sent::Full {
        let _ = poll(&mut [PollFd::new(child.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE);
    }
}

fn read_reply(packet: &[u8]) -> Option<Word> {
    let mut packet = Reader::new(packet);
    let ticket = read_ticket(&mut packet).ok()?;
    let kind = packet.u8().ok()?;
    let code = i32::from_be_bytes(packet.array().ok()?);
    match kind {
        0 => Some(Word::Ended(ticket, Ended::Exited(code))),
        1 => Some(Word::Ended(ticket, Ended::Killed(code))),
        _ => Some(Word::Refused(ticket)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(all: &[&str]) -> Words {
        Words::of(all.iter().map(|word| word.as_bytes())).unwrap()
    }

    fn terms() -> Terms {
        let identity = Identity { uid: 0, gid: 0, groups: vec![0, 7] };
        Terms { identity: Some(identity), guarded: [c"/bin/sh".to_owned(), c"/x".to_owned()].into() }
    }

    #[test]
    fn a_permit_is_read_as_it_was_written_and_survives_the_way_from_the_parent() {
        let (all, terms) = (words(&["/bin/sh", "-c", "", "MASTER"]), terms());
        let mut octets = vec![0; permit_octets(&all, 3, &terms)];
        let mut out = Writer::new(&mut octets);
        write_permit(&mut out, &all, 3, &terms).unwrap();
        assert_eq!(out.written().len(), permit_octets(&all, 3, &terms));
        let (read, configured) = read_permit(&octets).unwrap();
        assert_eq!((read, configured), (terms.clone(), vec![&b"/bin/sh"[..], b"-c", b""]));
        let mut permits = Permits::new(0o22);
        permits.add(&all, 3, &terms);
        permits.add(&all, 2, &Terms::default());
        permits.add(&all, 3, &terms);
        let permits = permits.finish();
        assert_eq!(permits.all.len(), 2);
        assert_eq!(Permits::decode(&permits.encode()).unwrap(), permits);
        assert!(permits.has(&octets));
        for len in 0..octets.len() {
            assert!(!permits.has(&octets[..len]));
            let _ = read_permit(&octets[..len]);
        }
    }

    /// What a helper that may run `echo` alone answers to requests, in their order.
    #[test]
    fn a_helper_runs_what_is_permitted_ends_it_on_demand_and_nothing_else() {
        let (of_child, far) = Channel::pair().unwrap();
        let (of_parent, parent) = Channel::pair().unwrap();
        let shell = words(&["/bin/sh", "-c", "exit $1", "sh", "7"]);
        let sleep = words(&["/bin/sleep", "60"]);
        let mut permits = Permits::new(0o22);
        permits.add(&shell, 4, &Terms::default());
        let permits = permits.finish();
        if process::fork().unwrap() == process::Fork::Child {
            drop((of_child, of_parent));
            let done = serve(&far, &parent, permits, &mut |_| {});
            process::exit_now(u8::from(done.is_err()));
        }
        drop((far, parent));
        let answer = || {
            let mut room = [0; REPLY];
            loop {
                let mut wanted = [PollFd::new(of_child.as_fd(), PollFlags::POLLIN)];
                assert_ne!(poll(&mut wanted, PollTimeout::from(5_000_u16)), Ok(0), "no answer");
                match of_child.receive(&mut room) {
                    Received::Packet(len, _) => return read_reply(&room[..len]).unwrap(),
                    Received::Empty => {}
                    Received::Gone => panic!("the helper has ended"),
                }
            }
        };
        let run = |words: &Words, fixed| start(&of_child, words, fixed, &Terms::default(), false).unwrap();
        let first = run(&shell, 4);
        assert!(first.is_ticket());
        assert_eq!(answer(), Word::Ended(first, Ended::Exited(7)));
        let other = run(&sleep, 2);
        assert_eq!(answer(), Word::Refused(other));
        let shorter = run(&shell, 3);
        assert_eq!(answer(), Word::Refused(shorter), "a word of the configuration is the child's here");
        let mut more = Permits::new(0o22);
        more.add(&sleep, 2, &Terms::default());
        let file = memory::sealed("permits", &more.finish().encode()).unwrap();
        assert_eq!(of_parent.send_with(&[1], file.as_fd()), Sent::Yes);
        let sleeping = run(&sleep, 2);
        let mut room = [0; KILL];
        let mut packet = Writer::new(&mut room);
        packet.u8(2).unwrap();
        packet.put(&sleeping.number().to_be_bytes()).unwrap();
        packet.put(&libc::SIGTERM.to_be_bytes()).unwrap();
        assert_eq!(of_child.send(packet.written()), Sent::Yes);
        assert_eq!(answer(), Word::Ended(sleeping, Ended::Killed(libc::SIGTERM)));
        let again = run(&shell, 4);
        assert_eq!(answer(), Word::Ended(again, Ended::Exited(7)), "of the configuration before");
    }
}
