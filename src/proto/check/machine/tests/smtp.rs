//! SMTP: a greeting, our name, goodbye.

use std::sync::Arc;

use super::kit::{Rig, span};
use super::{DOWN, OPEN, PASSED};
use crate::proto::check::machine::*;
use crate::proto::check::smtp::Params;

const CLOSE: Action = Action::Close(Close::Graceful);
const SEND: Action = Action::Send;

fn check() -> Rig {
    let cadence =
        Cadence { delay_loop: span(60_000), warmup: Span::ZERO, timeout: span(5_000), ..Cadence::default() };
    let mut check = Rig::new(cadence, Kind::Smtp(Arc::new(Params::default())), Start::Fresh);
    assert_eq!(check.step(0, Input::Timer), [OPEN]);
    assert_eq!(check.step(0, Input::Connected), [], "the server speaks first");
    check
}

fn failed(why: Failure) -> [Action; 3] {
    [CLOSE, Action::Log(Fact::Down { why, retries: 0 }), DOWN]
}

/// Says something in pieces, and what the last piece leads to.
fn say(check: &mut Rig, now: u64, text: &str, size: usize) -> Vec<Action> {
    let mut last = Vec::new();
    for piece in text.as_bytes().chunks(size) {
        assert_eq!(last, [], "nothing comes of a part of a reply");
        last = check.step(now, Input::Received(piece));
    }
    last
}

/// Field case 53.
#[test]
fn replies_have_as_many_lines_as_they_like_and_come_in_pieces() {
    let greetings = ["220 ready\r\n", "220-mx.example.test\r\n220-no spam\r\n220 ready\r\n", "220\n"];
    let answers = ["250 ok\r\n", "250-a\r\n250-b\r\n250-c\r\n250 ok\r\n"];
    for greeting in greetings {
        for answer in answers {
            for size in [1, 3, 1_000] {
                let mut check = check();
                assert_eq!(say(&mut check, 10, greeting, size), [SEND]);
                assert_eq!(check.message(), b"HELO smtpchecker.keepalived.org\r\n");
                assert_eq!(say(&mut check, 20, answer, size), [SEND, PASSED]);
                assert_eq!(check.message(), b"QUIT\r\n");
                assert_eq!(check.due(), Some(5_020));
                assert_eq!(say(&mut check, 30, "221 bye\r\n", 1_000), [CLOSE]);
                assert_eq!(check.due(), Some(60_000));
            }
        }
    }
}

#[test]
fn goodbye_is_waited_for_politely_and_not_for_long() {
    for end in [Some(Input::Closed), Some(Input::Failed(Fault::Reset)), None] {
        let mut check = check();
        say(&mut check, 10, "220 x\r\n", 100);
        say(&mut check, 10, "250 x\r\n", 100);
        let last = match end {
            Some(end) => check.step(20, end),
            None => check.step(5_010, Input::Timer),
        };
        assert_eq!(last, [CLOSE]);
        assert!(check.is_up());
        assert_eq!(check.due(), Some(60_000));
    }
}

#[test]
fn other_codes_and_other_protocols_fail() {
    let greeted = |text: &str| say(&mut check(), 1, text, 1_000);
    assert_eq!(greeted("421 busy\r\n"), failed(Failure::Greeting(421)));
    assert_eq!(greeted("554 no\r\n"), failed(Failure::Greeting(554)));
    assert_eq!(greeted("SSH-2.0-OpenSSH\r\n"), failed(Failure::Malformed));
    let answered = |text: &str| {
        let mut check = check();
        say(&mut check, 1, "220 x\r\n", 1_000);
        say(&mut check, 1, text, 1_000)
    };
    assert_eq!(answered("550 who\r\n"), failed(Failure::Hello(550)));
    assert_eq!(answered("\0\n"), failed(Failure::Malformed));
    // The answer to our name is known before it was given.
    assert_eq!(greeted("220 x\r\n250 y\r\n"), failed(Failure::Early));
    assert_eq!(greeted("220 x\r\n25"), failed(Failure::Early));
    assert_eq!(greeted("220-x\r\n220 x\r\n2"), failed(Failure::Early));
    // One that has answered may say what it likes.
    let mut talks = check();
    say(&mut talks, 1, "220 x\r\n", 1_000);
    assert_eq!(say(&mut talks, 1, "250 x\r\n221 bye\r\n", 1_000), [SEND, PASSED]);
}

#[test]
fn an_end_in_the_middle_fails_and_endless_replies_end() {
    assert_eq!(check().step(1, Input::Closed), failed(Failure::Closed));
    let mut half = check();
    half.step(1, Input::Received(b"22"));
    assert_eq!(half.step(1, Input::Closed), failed(Failure::Truncated));
    let mut endless = check();
    let end = (0..1_000).find_map(|_| endless.step(1, Input::Received(b"220-more\r\n")).pop());
    assert_eq!(end, Some(DOWN));
    let mut endless = check();
    let end = (0..1_000).find_map(|_| endless.step(1, Input::Received(&[b'2'; 100])).pop());
    assert_eq!(end, Some(DOWN));
}

/// Field case 54: the time is for each reply.
#[test]
fn a_greeting_may_be_late_but_not_too_late() {
    let mut late = check();
    assert_eq!(late.step(4_999, Input::Timer), []);
    assert_eq!(say(&mut late, 4_999, "220 x\r\n", 1_000), [SEND]);
    assert_eq!(say(&mut late, 9_998, "250 x\r\n", 1_000), [SEND, PASSED]);
    assert_eq!(check().step(5_000, Input::Timer), failed(Failure::Silent));
    let mut drip = check();
    drip.step(4_000, Input::Received(b"2"));
    assert_eq!(drip.step(5_000, Input::Timer), failed(Failure::Unfinished));
}
