//! The loop over real descriptors: fairness, stalls and deadlines.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// Notes what happens, in order.
#[derive(Debug, Default)]
struct Recorder {
    seen: Vec<String>,
    stream: Option<UnixStream>,
    /// Octets read per service of the stream.
    portion: usize,
    /// How long the first expiry keeps the loop busy.
    busy: Span,
    /// What arrives during the first expiry, and the slot that is set meanwhile, to so long after its beginning.
    meanwhile: Option<(UnixStream, &'static [u8], u32, Span)>,
    /// None: no pause is long enough.
    stall_threshold: Option<Span>,
    stop_after: usize,
    stop_at_turn_end: bool,
    /// Parts of work that the first expiry or a reload begins.
    parts: usize,
    /// With so many parts left the work stops the loop.
    stop_at_part: Option<usize>,
    /// The parent's end of the channel, and after how many expiries it had an answer.
    parent: Option<Channel>,
    answered: Option<usize>,
}

impl Process for Recorder {
    fn ready(&mut self, _: &mut Turn<'_>, own: SourceId) -> Again {
        let mut buffer = vec![0; self.portion];
        match self.stream.as_mut().expect("registered").read(&mut buffer) {
            Ok(len) => {
                self.seen.push(format!("{} {}", own.index, String::from_utf8_lossy(&buffer[..len])));
                if len == 0 { Again::Done } else { Again::More }
            }
            Err(_) => Again::Done,
        }
    }

    fn expired(&mut self, turn: &mut Turn<'_>, slot: u32) {
        self.seen.push(format!("expired {slot}"));
        if let (Some(parent), None) = (&self.parent, self.answered) {
            let heard = !matches!(parent.receive(&mut [0; 64]), crate::sys::channel::Received::Empty);
            self.answered = heard.then_some(self.seen.len());
        }
        if let Some((far, octets, slot, after)) = &mut self.meanwhile {
            far.write_all(octets).expect("write");
            turn.set_deadline(*slot, Some(turn.now() + *after));
        }
        // Closed after what was written: a stream that ends has no more.
        self.meanwhile = None;
        if self.parts > 0 {
            turn.begin_work();
        }
        let until = clock::now() + self.busy;
        while clock::now() < until {}
        self.busy = Span::ZERO;
        self.stop_after = self.stop_after.saturating_sub(1);
        if self.stop_after == 0 {
            turn.stop(Exit::Ok);
        }
    }

    fn work(&mut self, turn: &mut Turn<'_>) -> Again {
        self.seen.push(format!("part {}", self.parts));
        let mut due = Vec::new();
        turn.due(|slot| {
            due.push(slot);
            true
        });
        self.seen.extend(due.iter().map(|slot| format!("due {slot}")));
        self.parts -= 1;
        if self.stop_at_part == Some(self.parts) {
            turn.stop(Exit::Busy);
        }
        if self.parts == 0 { Again::Done } else { Again::More }
    }

    fn command(&mut self, turn: &mut Turn<'_>, command: Command) {
        if matches!(command, Command::Reload(..)) {
            self.seen.push("Reload".to_owned());
            return turn.begin_work();
        }
        self.seen.push(format!("{command:?}"));
        turn.stop(Exit::Ok);
    }

    fn ended(&mut self, _: &mut Turn<'_>, _: Pid, _: Ended) {}

    fn turn_end(&mut self, turn: &mut Turn<'_>) {
        if self.stop_at_turn_end {
            turn.stop(Exit::Ok);
        }
    }

    fn stall_threshold(&self) -> Span {
        self.stall_threshold.unwrap_or(Span::from_secs(3600))
    }
}

fn reactor_with_stream(recorder: &mut Recorder) -> (Reactor, UnixStream, Registration) {
    let mut reactor = Reactor::new(4, None).expect("reactor");
    let (near, far) = UnixStream::pair().expect("pair");
    near.set_nonblocking(true).expect("non-blocking");
    let own = SourceId { kind: 1, index: 7 };
    let registration = reactor.turn().register(near.as_raw_fd(), own, Interest::Read).expect("register");
    recorder.stream = Some(near);
    (reactor, far, registration)
}

#[test]
fn deadlines_act_in_order_and_not_early() {
    let mut reactor = Reactor::new(3, None).unwrap();
    let mut recorder = Recorder { stop_after: 3, ..Recorder::default() };
    let start = reactor.turn().now();
    for (slot, millis) in [(0, 30), (1, 10), (2, 20)] {
        reactor.turn().set_deadline(slot, Some(start + Span::from_millis(millis)));
    }
    assert_eq!(reactor.run(&mut recorder).unwrap(), Exit::Ok);
    assert_eq!(recorder.seen, ["expired 1", "expired 2", "expired 0"]);
    assert!(clock::now().since(start) >= Span::from_millis(30));
}

#[test]
fn a_source_with_more_is_served_again_although_the_edge_is_gone() {
    let mut recorder = Recorder { stop_after: 1, portion: 2, ..Recorder::default() };
    let (mut reactor, mut far, _) = reactor_with_stream(&mut recorder);
    far.write_all(b"aabbcc").unwrap();
    let at = reactor.turn().now() + Span::from_millis(50);
    reactor.turn().set_deadline(0, Some(at));
    reactor.run(&mut recorder).unwrap();
    assert_eq!(recorder.seen, ["7 aa", "7 bb", "7 cc", "expired 0"]);
}

#[test]
fn without_a_stall_a_due_deadline_acts_before_the_rest_of_a_busy_source() {
    let mut recorder = Recorder { stop_after: 1, portion: 2, ..Recorder::default() };
    let (mut reactor, mut far, _) = reactor_with_stream(&mut recorder);
    far.write_all(b"aabbcc").unwrap();
    let now = reactor.turn().now();
    reactor.turn().set_deadline(0, Some(now));
    reactor.run(&mut recorder).unwrap();
    assert_eq!(recorder.seen, ["7 aa", "expired 0"]);
}

#[test]
fn after_a_stall_sources_are_emptied_before_expired_deadlines_act() {
    let stall_threshold = Some(Span::from_millis(20));
    let busy = Span::from_millis(60);
    let mut recorder = Recorder { stop_after: 2, portion: 2, busy, stall_threshold, ..Recorder::default() };
    let (mut reactor, far, _) = reactor_with_stream(&mut recorder);
    // The turn of slot 0 stays busy for 60 ms; meanwhile slot 1 expires and these arrive.
    recorder.meanwhile = Some((far, b"aabbcc", 1, Span::from_millis(10)));
    let now = reactor.turn().now();
    reactor.turn().set_deadline(0, Some(now));
    reactor.run(&mut recorder).unwrap();
    let seen: Vec<&str> = recorder.seen.iter().map(String::as_str).filter(|seen| *seen != "7 ").collect();
    assert_eq!(seen, ["expired 0", "7 aa", "7 bb", "7 cc", "expired 1"]);
    assert!(reactor.turn().counters().stalls >= 1);
}

#[test]
fn a_pause_too_short_for_a_stall_empties_the_sources_as_well() {
    let busy = limit::LATE + Span::from_millis(40);
    let mut recorder = Recorder { stop_after: 2, portion: 2, busy, ..Recorder::default() };
    let (mut reactor, far, _) = reactor_with_stream(&mut recorder);
    recorder.meanwhile = Some((far, b"aabbcc", 1, Span::from_millis(10)));
    let now = reactor.turn().now();
    reactor.turn().set_deadline(0, Some(now));
    reactor.run(&mut recorder).unwrap();
    let seen: Vec<&str> = recorder.seen.iter().map(String::as_str).filter(|seen| *seen != "7 ").collect();
    assert_eq!(seen, ["expired 0", "7 aa", "7 bb", "7 cc", "expired 1"]);
    assert_eq!(reactor.turn().counters().stalls, 0);
}

#[test]
fn what_comes_in_all_the_time_is_emptied_once_for_a_deadline() {
    let mut recorder = Recorder::default();
    let (mut reactor, _far, _) = reactor_with_stream(&mut recorder);
    reactor.core.begin();
    let late = Span::from_millis(50);
    reactor.core.emptied = reactor.core.begun - late - Span::from_millis(1);
    assert!(reactor.core.is_to_catch_up(late));
    // The sources were emptied after the deadline had passed.
    reactor.core.emptied = reactor.core.begun - late;
    assert!(!reactor.core.is_to_catch_up(late));
    reactor.core.emptied = Instant::START;
    reactor.catch_up(&mut recorder).unwrap();
    assert!(!reactor.core.is_to_catch_up(late));
}

#[test]
fn a_deregistered_source_is_silent_even_if_it_was_ready() {
    let mut recorder = Recorder { stop_after: 1, portion: 2, ..Recorder::default() };
    let (mut reactor, mut far, registration) = reactor_with_stream(&mut recorder);
    far.write_all(b"aa").unwrap();
    reactor.gather(Some(Duration::ZERO)).unwrap();
    reactor.turn().deregister(registration);
    let now = reactor.turn().now();
    reactor.turn().set_deadline(0, Some(now));
    reactor.run(&mut recorder).unwrap();
    assert_eq!(recorder.seen, ["expired 0"]);
}

#[test]
fn more_due_deadlines_than_a_turn_takes_all_act() {
    let slots = limit::DUE_PER_TURN * 2 + 5;
    let mut reactor = Reactor::new(slots, None).unwrap();
    let now = reactor.turn().now();
    for slot in 0..slots {
        reactor.turn().set_deadline(u32::try_from(slot).unwrap(), Some(now));
    }
    let mut recorder = Recorder { stop_after: slots, ..Recorder::default() };
    reactor.run(&mut recorder).unwrap();
    assert_eq!(recorder.seen.len(), slots);
    assert_eq!(reactor.turn().counters().turns, 3);
}

#[test]
fn a_hello_is_answered_in_the_middle_of_a_turn_with_much_to_do() {
    let (parent, child) = Channel::pair().unwrap();
    let mut reactor = Reactor::new(limit::DUE_PER_TURN, Some(child)).unwrap();
    let now = reactor.turn().now();
    for slot in 0..limit::DUE_PER_TURN {
        reactor.turn().set_deadline(u32::try_from(slot).unwrap(), Some(now));
    }
    let mut buffer = [0; 64];
    let mut packet = crate::base::bytes::Writer::new(&mut buffer);
    ToChild::Hello(3).write(&mut packet).unwrap();
    parent.send(packet.written());
    let mut recorder =
        Recorder { stop_after: limit::DUE_PER_TURN, parent: Some(parent), ..Recorder::default() };
    reactor.run(&mut recorder).unwrap();
    assert_eq!(reactor.turn().counters().turns, 1);
    assert!(
        recorder.answered.is_some_and(|after| after <= 2 * hellos::ANSWER_EVERY),
        "{:?}",
        recorder.answered
    );
}

#[test]
fn orders_and_the_end_of_the_parent_arrive() {
    let (parent, child) = Channel::pair().unwrap();
    let mut reactor = Reactor::new(0, Some(child)).unwrap();
    let mut recorder = Recorder::default();
    let mut buffer = [0; 64];
    let mut packet = crate::base::bytes::Writer::new(&mut buffer);
    ToChild::Hello(3).write(&mut packet).unwrap();
    ToChild::DumpStats { clear: true }.write(&mut packet).unwrap();
    parent.send(packet.written());
    reactor.run(&mut recorder).unwrap();
    let mut answer = [0; 64];
    assert!(matches!(parent.receive(&mut answer), crate::sys::channel::Received::Packet(5, None)));
    drop(parent);
    reactor.run(&mut recorder).unwrap();
    assert_eq!(recorder.seen, ["DumpStats { clear: true }", "ParentGone"]);
}

#[test]
fn what_comes_with_a_reload_and_after_it_waits_for_the_end_of_the_reload() {
    let (parent, child) = Channel::pair().unwrap();
    let mut reactor = Reactor::new(0, Some(child)).unwrap();
    // Every turn is taken for late: all sources are emptied again in it.
    let mut recorder =
        Recorder { parts: 2, stop_after: 2, stall_threshold: Some(Span::ZERO), ..Recorder::default() };
    reactor.turn().resize_deadlines(1);
    reactor.turn().set_deadline(0, Some(Instant::START));
    let null = std::fs::File::open("/dev/null").unwrap();
    for (message, fd) in [(ToChild::Reload(1), Some(null.as_fd())), (ToChild::Stop, None)] {
        let mut buffer = [0; 8];
        let mut packet = crate::base::bytes::Writer::new(&mut buffer);
        message.write(&mut packet).unwrap();
        match fd {
            Some(fd) => parent.send_with(packet.written(), fd),
            None => parent.send(packet.written()),
        };
    }
    reactor.run(&mut recorder).unwrap();
    assert_eq!(recorder.seen, ["Reload", "part 2", "due 0", "part 1", "due 0", "Stop", "expired 0"]);
}

#[test]
fn a_reload_whose_descriptor_is_lost_is_answered() {
    let (parent, child) = Channel::pair().unwrap();
    let mut reactor = Reactor::new(0, Some(child)).unwrap();
    let mut recorder = Recorder { stop_at_turn_end: true, ..Recorder::default() };
    let mut buffer = [0; 8];
    let mut packet = crate::base::bytes::Writer::new(&mut buffer);
    ToChild::Reload(1).write(&mut packet).unwrap();
    parent.send(packet.written());
    reactor.run(&mut recorder).unwrap();
    assert_eq!(recorder.seen, Vec::<String>::new());
    let crate::sys::channel::Received::Packet(len, None) = parent.receive(&mut buffer) else {
        panic!("no answer");
    };
    let mut packet = crate::base::bytes::Reader::new(&buffer[..len]);
    assert_eq!(ToParent::read(&mut packet), Some(ToParent::ReloadDone { ok: false }));
}

#[test]
fn idle_turns_do_not_wake() {
    let mut reactor = Reactor::new(2, None).unwrap();
    let at = reactor.turn().now() + Span::from_millis(60);
    reactor.turn().set_deadline(0, Some(at));
    let mut recorder = Recorder { stop_after: 1, ..Recorder::default() };
    reactor.run(&mut recorder).unwrap();
    assert!(reactor.turn().counters().turns <= 2, "{:?}", reactor.turn().counters());
}

#[test]
fn work_of_many_parts_keeps_everything_else_waiting_and_knows_what_is_due() {
    let busy = Span::from_millis(5);
    let mut recorder = Recorder { stop_after: 2, portion: 8, parts: 2, busy, ..Recorder::default() };
    let (mut reactor, far, _) = reactor_with_stream(&mut recorder);
    recorder.meanwhile = Some((far, b"aa", 1, Span::from_millis(1)));
    let now = reactor.turn().now();
    reactor.turn().set_deadline(0, Some(now));
    reactor.run(&mut recorder).unwrap();
    let seen: Vec<&str> = recorder.seen.iter().map(String::as_str).filter(|seen| *seen != "7 ").collect();
    assert_eq!(seen, ["expired 0", "part 2", "due 1", "part 1", "due 1", "7 aa", "expired 1"]);
}

#[test]
fn work_that_stops_the_loop_has_no_end_of_a_turn() {
    let mut reactor = Reactor::new(0, None).unwrap();
    let stop_at_part = Some(0);
    let mut recorder = Recorder { parts: 1, stop_at_part, stop_at_turn_end: true, ..Recorder::default() };
    reactor.turn().begin_work();
    assert_eq!(reactor.run(&mut recorder).unwrap(), Exit::Busy);
    assert_eq!(recorder.seen, ["part 1"]);
}
