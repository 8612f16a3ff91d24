//! A mailer and a relay that answers as the test says, over the loopback.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};

use super::*;
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::daemon::log::logged;
use crate::daemon::reactor::Reactor;

const PLACE: Place =
    Place { connection: SourceId { kind: 1, index: 0 }, lookup: SourceId { kind: 2, index: 0 }, slot: 0 };

fn settings(host: &str, port: u16) -> Settings {
    Settings {
        host: host.to_owned(),
        port,
        hello: "r1.example".to_owned(),
        from: "ka@example".to_owned(),
        id: "R1".to_owned(),
        to: vec!["a@example".to_owned(), "b@example".to_owned()],
        patience: Span::from_secs(30),
    }
}

/// A mailer in its loop, and the relay.
struct Bench {
    reactor: Reactor,
    now: Instant,
    mailer: Box<Mailer>,
    keep: Keep,
    listener: TcpListener,
    relay: Option<TcpStream>,
    heard: String,
}

impl Bench {
    /// A mailer whose relay listens.
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut reactor = Reactor::new(1, None).unwrap();
        let (now, keep) = (reactor.turn().now(), Keep::new());
        let mailer = Box::new(Mailer::new(settings("127.0.0.1", port), 1, keep.clone()));
        Self { reactor, now, mailer, keep, listener, relay: None, heard: String::new() }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    fn mail(&mut self, key: u64, subject: &str) {
        let about = About { key, state: 3 };
        let (mut turn, text) = (self.reactor.turn_at(self.now), "the text");
        self.mailer.mail(&mut turn, PLACE, about, format_args!("{subject}"), format_args!("{text}"));
    }

    fn serve(&mut self) {
        self.mailer.ready(&mut self.reactor.turn_at(self.now), PLACE, PLACE.connection);
    }

    /// Time passes, up to the deadline of the mailer.
    fn pass_time(&mut self) {
        self.now = self.deadline().unwrap();
        let mut turn = self.reactor.turn_at(self.now);
        turn.set_deadline(PLACE.slot, None);
        self.mailer.expired(&mut turn, PLACE);
    }

    fn deadline(&mut self) -> Option<Instant> {
        self.reactor.turn_at(self.now).deadline(PLACE.slot)
    }

    /// The relay takes the connection.
    fn accept(&mut self) {
        self.listener.set_nonblocking(true).unwrap();
        let taken = (0..2_000).find_map(|_| {
            let _ = nix::poll::poll(&mut [], 1_u16);
            self.listener.accept().ok()
        });
        let (stream, _) = taken.unwrap();
        stream.set_read_timeout(Some(core::time::Duration::from_millis(5))).unwrap();
        self.relay = Some(stream);
    }

    /// The relay says something; what the mailer says next, up to `end`.
    fn answer(&mut self, line: &str, end: &str) -> String {
        write!(self.relay.as_mut().unwrap(), "{line}\r\n").unwrap();
        self.heard.clear();
        for _ in 0..2_000 {
            self.serve();
            let mut octets = [0; 4_096];
            let read = self.relay.as_mut().unwrap().read(&mut octets).unwrap_or(0);
            self.heard += core::str::from_utf8(&octets[..read]).unwrap();
            if self.heard.ends_with(end) {
                return self.heard.trim_end().to_owned();
            }
        }
        panic!("after {line} only {:?}", self.heard);
    }

    /// The relay takes one message, which is given.
    fn deliver(&mut self) -> String {
        self.accept();
        for (answer, next) in [
            ("220 relay", "HELO r1.example"),
            ("250 hello", "MAIL FROM:<ka@example>"),
            ("250 sender", "RCPT TO:<a@example>"),
            ("250 first", "RCPT TO:<b@example>"),
            ("250 second", "DATA"),
        ] {
            assert_eq!(self.answer(answer, "\r\n"), next);
        }
        let text = self.answer("354 go on", "\r\n.\r\n");
        assert_eq!(self.answer("250 taken", "\r\n"), "QUIT");
        write!(self.relay.as_mut().unwrap(), "221 bye\r\n").unwrap();
        self.until(|bench| matches!(bench.relay.as_ref().unwrap().read(&mut [0; 8]), Ok(0)));
        text
    }

    /// Serves the mailer until something has come about.
    fn until(&mut self, reached: impl Fn(&Self) -> bool) {
        for _ in 0..2_000 {
            self.serve();
            if reached(self) {
                return;
            }
            let _ = nix::poll::poll(&mut [], 1_u16);
        }
        panic!("it does not come about");
    }
}

#[test]
fn each_receiver_is_named_to_the_relay_and_the_log_says_that_the_message_has_gone() {
    let mut bench = Bench::new();
    let mut text = String::new();
    let lines = logged(|| {
        bench.mail(7, "VI_1 is MASTER");
        assert_eq!(bench.keep.all().len(), 1, "a successor finds it until it has gone");
        assert_eq!(bench.mailer.notes().count(), 1);
        assert_eq!(bench.deadline(), Some(bench.now + Span::from_secs(30)), "it does not wait for ever");
        text = bench.deliver();
    });
    let address = format!("[127.0.0.1]:{}", bench.port());
    let connected = format!("Remote SMTP server {address} connected.");
    assert_eq!(lines, [connected.as_str(), "SMTP alert successfully sent."]);
    for part in ["Subject: [R1] VI_1 is MASTER\r\n", "\r\nthe text", "From: ka@example", "a@example"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(bench.deadline(), None, "nothing more is awaited");
    assert!(bench.keep.all().is_empty() && bench.mailer.notes().count() == 0);
}

#[test]
fn messages_leave_one_after_another_in_order() {
    let mut bench = Bench::new();
    bench.mail(1, "first");
    bench.mail(2, "second");
    assert!(bench.deliver().contains("first"));
    assert_eq!(bench.keep.all().len(), 1, "the second one is not forgotten");
    assert!(bench.deliver().contains("second"));
}

#[test]
fn a_relay_that_refuses_the_connection_is_tried_again_after_a_pause() {
    let mut bench = Bench::new();
    // Nobody listens there.
    let closed = 1;
    *bench.mailer = Mailer::new(settings("127.0.0.1", closed), 1, bench.keep.clone());
    let lines = logged(|| {
        bench.mail(1, "first");
        bench.until(|bench| bench.mailer.link.is_none());
    });
    let refused = format!("SMTP server [127.0.0.1]:{closed}: Connection refused");
    assert_eq!(lines, [refused.as_str(), "SMTP alert not sent - trying again in 5 s"]);
    assert_eq!(bench.deadline(), Some(bench.now + Span::from_secs(5)));
    assert_eq!(bench.keep.all().len(), 1, "it is still to be sent");
    // A reload names another relay, which is asked at once.
    let other = settings("127.0.0.1", bench.port());
    bench.mailer.reconfigure(&mut bench.reactor.turn_at(bench.now), PLACE, other, 1);
    assert!(bench.deliver().contains("first"));
}

#[test]
fn a_reload_while_a_message_is_under_way_counts_from_the_next_message_on() {
    let mut bench = Bench::new();
    bench.mail(1, "first");
    let second = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = second.local_addr().unwrap().port();
    bench.mailer.reconfigure(&mut bench.reactor.turn_at(bench.now), PLACE, settings("127.0.0.1", port), 1);
    assert!(bench.deliver().contains("first"), "by the old relay");
    bench.listener = second;
    bench.mail(2, "second");
    assert!(bench.deliver().contains("second"), "by the new one");
}

#[test]
fn a_relay_that_says_nothing_is_left_after_its_time() {
    let mut bench = Bench::new();
    let address = format!("[127.0.0.1]:{}", bench.port());
    let lines = logged(|| {
        bench.mail(1, "first");
        bench.accept();
        bench.until(|bench| bench.mailer.link.as_ref().is_some_and(|link| link.made));
        bench.pass_time();
    });
    assert_eq!(
        lines,
        [
            format!("Remote SMTP server {address} connected."),
            format!("Timeout reading data to remote SMTP server {address}."),
            "SMTP alert not sent - trying again in 5 s".to_owned(),
        ]
    );
    assert!(bench.mailer.link.is_none());
    bench.pass_time();
    assert!(bench.deliver().contains("first"), "it goes at the second attempt");
}

#[test]
fn a_relay_that_hangs_up_or_speaks_another_language_is_told() {
    let mut bench = Bench::new();
    let address = format!("[127.0.0.1]:{}", bench.port());
    let lines = logged(|| {
        bench.mail(1, "first");
        bench.accept();
        bench.relay = None;
        bench.until(|bench| bench.mailer.link.is_none());
        bench.pass_time();
        bench.accept();
        write!(bench.relay.as_mut().unwrap(), "HTTP/1.1 400 Bad Request\r\n").unwrap();
        bench.until(|bench| bench.mailer.link.is_none());
    });
    let connected = format!("Remote SMTP server {address} connected.");
    assert_eq!(
        lines,
        [
            connected.clone(),
            format!("Remote SMTP server {address} closed the connection."),
            "SMTP alert not sent - trying again in 5 s".to_owned(),
            connected,
            format!("Remote SMTP server {address} does not speak SMTP."),
            "SMTP alert not sent - trying again in 10 s".to_owned(),
        ]
    );
}

#[test]
fn a_message_that_the_relay_refuses_for_good_is_given_up_by_name() {
    let mut bench = Bench::new();
    let address = format!("[127.0.0.1]:{}", bench.port());
    let lines = logged(|| {
        bench.mail(1, "VI_1 is MASTER");
        bench.accept();
        bench.answer("220 relay", "\r\n");
        write!(bench.relay.as_mut().unwrap(), "550 not you\r\n").unwrap();
        bench.until(|bench| bench.mailer.link.is_none());
    });
    assert_eq!(
        lines[1..],
        [
            format!("Error processing HELO cmd on SMTP server {address}. SMTP status code = 550"),
            "SMTP alert given up: VI_1 is MASTER".to_owned(),
        ]
    );
    assert!(bench.keep.all().is_empty(), "no successor sends it");
    assert_eq!(bench.deadline(), None);
}

#[test]
fn a_stop_tells_what_was_not_sent_and_leaves_nothing_behind() {
    let mut bench = Bench::new();
    bench.mail(1, "first");
    bench.mail(2, "second");
    bench.accept();
    let Bench { mut reactor, mailer, keep, relay, listener, now, .. } = bench;
    let lines = logged(|| mailer.finish(&mut reactor.turn_at(now), PLACE));
    let port = listener.local_addr().unwrap().port();
    assert_eq!(lines, [format!("2 SMTP alerts were not sent to [127.0.0.1]:{port}")]);
    assert!(keep.all().is_empty(), "the next start does not send what this one gave up");
    assert_eq!(reactor.turn_at(now).deadline(PLACE.slot), None);
    let relay = relay.unwrap();
    relay.set_read_timeout(Some(core::time::Duration::from_secs(10))).unwrap();
    assert_eq!((&relay).read(&mut [0; 8]).ok(), Some(0), "the connection is closed");
}

#[test]
fn a_stop_with_nothing_to_send_says_nothing() {
    let Bench { mut reactor, mailer, now, .. } = Bench::new();
    assert!(logged(|| mailer.finish(&mut reactor.turn_at(now), PLACE)).is_empty());
}

#[test]
fn when_too_many_messages_wait_the_oldest_are_left_out_and_that_is_told_once() {
    let mut bench = Bench::new();
    let room = *limit::MAIL_QUEUE.start();
    let lines = logged(|| {
        // One is under way.
        for number in 0..room + 4 {
            bench.mail(number as u64, &format!("number {number} of all"));
        }
    });
    let address = format!("[127.0.0.1]:{}", bench.port());
    assert_eq!(lines, [format!("SMTP alerts: too many wait for {address}; the oldest are left out")]);
    assert_eq!(bench.keep.all().len(), room + 1, "a successor does not send what was left out");
    let lines = logged(|| assert!(bench.deliver().contains("number 0 of all")));
    assert!(lines.contains(&"3 SMTP alerts were left out".to_owned()), "{lines:?}");
    let mut next = String::new();
    let lines = logged(|| next = bench.deliver());
    assert!(next.contains("number 4 of all"), "{next}");
    assert!(!lines.iter().any(|line| line.contains("left out")), "{lines:?}");
}

#[test]
fn a_successor_sends_what_its_predecessor_did_not_in_order() {
    let mut before = Bench::new();
    for key in [9, 8, 7] {
        before.mail(key, "state");
    }
    let left = Left::of(&before.keep);
    let unsent = unsent(&before.keep, &left);
    let about = |key| About { key, state: 3 };
    assert_eq!(unsent.iter().map(|one| one.about).collect::<Vec<_>>(), [9, 8, 7].map(about));
    // The predecessor is gone without a word.
    let mut after = Bench::new();
    after.keep = before.keep.clone();
    after.mailer.keep = before.keep.clone();
    for one in &unsent {
        let (mut turn, key) = (after.reactor.turn_at(after.now), one.about.key);
        after.mailer.resume(&mut turn, PLACE, one, format_args!("about {key}."), format_args!("text"));
    }
    assert_eq!(after.mailer.notes().count(), 3);
    after.mail(6, "about 6.");
    let left = Left::of(&after.keep);
    let order: Vec<_> = super::unsent(&after.keep, &left).iter().map(|one| one.about.key).collect();
    assert_eq!(order, [9, 8, 7, 6], "what is new comes behind what was left");
    for key in [9, 8, 7, 6] {
        let (text, wanted) = (after.deliver(), format!("about {key}."));
        assert!(text.contains(&wanted), "{wanted} in {text}");
    }
    assert!(after.keep.all().is_empty());
}

#[test]
fn a_relay_that_cannot_be_connected_in_time_is_told() {
    let mut bench = Bench::new();
    let address = format!("[127.0.0.1]:{}", bench.port());
    let lines = logged(|| {
        bench.mail(1, "first");
        bench.pass_time();
    });
    assert_eq!(
        lines,
        [
            format!("Timeout connecting to SMTP server {address}."),
            "SMTP alert not sent - trying again in 5 s".to_owned(),
        ]
    );
}

#[test]
fn a_relay_that_has_no_address_is_told_by_its_name() {
    let bench = Bench::new();
    let named = settings("relay.example", 25);
    let mailer = Mailer::new(named, 1, bench.keep);
    let lines = logged(|| {
        let _ = mailer.broke(&io::ErrorKind::WriteZero.into());
    });
    assert_eq!(lines, ["SMTP server [relay.example]:25: write zero"]);
}

#[test]
fn a_message_never_makes_its_buffer_grow() {
    let mut octets = Vec::with_capacity(16);
    let room = octets.capacity();
    assert!(Room(&mut octets).write_str(&"x".repeat(room + 1)).is_err());
    assert_eq!((octets.len(), octets.capacity()), (0, room), "nothing of what does not fit");
    assert!(Room(&mut octets).write_str(&"x".repeat(room - 1)).is_ok());
    assert!(Room(&mut octets).write_str("x").is_ok(), "the last octet is used");
    assert!(Room(&mut octets).write_str("x").is_err());
    assert_eq!((octets.len(), octets.capacity()), (room, room));
}

#[test]
fn dates_name_their_zone_by_sign_hours_and_minutes() {
    let date = |offset| {
        let time =
            LocalTime { year: 2026, month: 1, day: 3, weekday: 2, hour: 4, minute: 5, second: 6, offset };
        Date(time).to_string()
    };
    assert_eq!(date(0), "Tue, 03 Feb 2026 04:05:06 +0000");
    assert_eq!(date(345), "Tue, 03 Feb 2026 04:05:06 +0545");
    assert_eq!(date(-210), "Tue, 03 Feb 2026 04:05:06 -0330");
}
