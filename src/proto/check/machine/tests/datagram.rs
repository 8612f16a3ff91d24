//! UDP, DNS and echoes.

use std::sync::Arc;

use super::kit::{Rig, span};
use super::{DOWN, PASSED, REFUSED, UP, down};
use crate::base::addr::Family;
use crate::proto::check::machine::*;
use crate::proto::check::{dns, udp};

const OPEN: Action = Action::Open(Transport::Datagram);
const CLOSE: Action = Action::Close(Close::Graceful);
const SEND: Action = Action::Send;

fn cadence() -> Cadence {
    Cadence { delay_loop: span(6_000), warmup: Span::ZERO, timeout: span(1_000), ..Cadence::default() }
}

fn failed(why: Failure, retries: u32) -> [Action; 3] {
    [CLOSE, Action::Log(Fact::Down { why, retries }), DOWN]
}

fn datagram(params: udp::Params) -> Rig {
    let mut check = Rig::new(cadence(), Kind::Udp(Arc::new(params)), Start::Fresh);
    assert_eq!(check.step(0, Input::Timer), [OPEN]);
    assert_eq!(check.step(0, Input::Connected), [SEND]);
    check
}

#[test]
fn silence_is_success_where_no_reply_is_required() {
    let mut check = datagram(udp::Params::default());
    assert_eq!(check.message(), b"keepalived check - keepalived ch");
    assert_eq!(check.step(999, Input::Timer), []);
    assert_eq!(check.step(1_000, Input::Timer), [PASSED]);
    assert_eq!(check.step(6_000, Input::Timer), [SEND], "the socket is kept");
    assert_eq!(check.step(6_001, Input::Received(b"")), [], "who answers need not be waited for");
    assert_eq!(check.due(), Some(12_000));
    assert_eq!(check.step(12_000, Input::Timer), [SEND]);
    assert_eq!(check.step(12_001, REFUSED), [CLOSE]);
}

/// Field case 61: the kernel knows three seconds after the datagram that the neighbour is gone.
#[test]
fn an_error_that_comes_late_is_that_of_the_attempt_before_and_silence_is_doubted_then() {
    let mut check = datagram(udp::Params::default());
    let gone = Input::Failed(Fault::Unreachable);
    check.step(1_000, Input::Timer);
    assert_eq!(check.step(3_050, gone), [CLOSE]);
    assert_eq!(check.due(), Some(4_050));
    assert_eq!(check.step(4_050, Input::Timer), [OPEN]);
    check.step(4_050, Input::Connected);
    assert_eq!(check.due(), Some(8_050), "until the kernel must know");
    assert_eq!(check.step(7_100, gone), failed(Failure::Transport(Fault::Unreachable), 1));
    for round in 0..10 {
        let now = check.due().unwrap();
        assert_eq!(check.step(now, Input::Timer), [OPEN], "{round}");
        check.step(now, Input::Connected);
        assert_eq!(check.step(now + 3_050, gone), [CLOSE], "{round}");
    }
    let now = check.due().unwrap();
    check.step(now, Input::Timer);
    check.step(now, Input::Connected);
    assert_eq!(check.step(now + 4_000, Input::Timer), [PASSED, UP]);
    let now = check.due().unwrap();
    check.step(now, Input::Timer);
    assert_eq!(check.step(now + 1_000, Input::Timer), [], "and then it is believed as before");
    assert!(check.is_up());
}

#[test]
fn a_reply_that_is_required_must_come_and_be_the_one() {
    let reply = udp::Pattern { octets: Box::new([(0x80, 0xff), (0x30, 0xf0)]) };
    let params = udp::Params { payload: Some(Box::new([1, 2])), reply: Some(reply), shortest: 3, longest: 4 };
    for (reply, good) in [
        (&[0x80, 0x35, 0][..], true),
        (&[0x80, 0x35, 0, 9], true),
        (&[0x80, 0x45, 0], false),
        (&[0x80, 0x35], false),
        (&[0x80, 0x35, 0, 0, 0], false),
        (&[], false),
    ] {
        let mut check = datagram(params.clone());
        assert_eq!(check.message(), [1, 2]);
        let actions = check.step(1, Input::Received(reply));
        assert_eq!(
            actions,
            if good { vec![PASSED] } else { failed(Failure::Mismatch, 0).to_vec() },
            "{reply:?}"
        );
    }
    let mut check = datagram(params);
    assert_eq!(check.step(1_000, Input::Timer), failed(Failure::Silent, 0));
}

#[test]
fn an_echo_keeps_its_socket_and_counts_until_it_fails() {
    for (family, asks, answers) in [(Family::V4, 8, 0), (Family::V6, 128, 129)] {
        let mut check = Rig::new(cadence(), Kind::Ping(family), Start::Fresh);
        assert_eq!(check.step(0, Input::Timer), [Action::Open(Transport::Ping)]);
        assert_eq!(check.step(0, Input::Connected), [SEND]);
        let mut reply = check.message();
        assert_eq!((reply.len(), &reply[..8]), (136, &[asks, 0, 0, 0, 0, 0, 0, 1][..]));
        assert_eq!(check.step(1, Input::Received(&reply)), [], "its own request");
        reply[0] = answers;
        assert_eq!(check.step(1, Input::Received(&reply[..7])), []);
        assert_eq!(check.step(2, Input::Received(&reply)), [PASSED]);
        assert_eq!(check.step(6_000, Input::Timer), [SEND]);
        assert_eq!(check.message()[7], 2);
        assert_eq!(check.step(6_001, Input::Received(&reply)), [], "a reply to the echo before");
        assert_eq!(check.step(7_000, Input::Timer), [CLOSE]);
        assert_eq!(check.step(8_000, Input::Timer), [Action::Open(Transport::Ping)]);
        check.step(8_000, Input::Connected);
        assert_eq!(check.message()[7], 1);
        assert_eq!(check.step(9_000, Input::Timer), failed(Failure::Silent, 1));
    }
}

fn question() -> Rig {
    let mut check = Rig::new(cadence(), Kind::Dns(Arc::new(dns::Params::default())), Start::Fresh);
    assert_eq!(check.step(0, Input::Timer), [OPEN]);
    assert_eq!(check.step(0, Input::Connected), [SEND]);
    check
}

fn reply(check: &Rig, rcode: u8) -> Vec<u8> {
    let mut octets = check.message();
    (octets[2], octets[3]) = (0x81, 0x80 | rcode);
    octets
}

#[test]
fn a_dns_server_is_up_if_it_answers_without_an_error() {
    let mut check = question();
    assert_eq!(check.message()[2..], [1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1]);
    let good = reply(&check, 0);
    let other = [&[!good[0]], &good[1..]].concat();
    for noise in [&check.message()[..], &other, &good[..11], b""] {
        assert_eq!(check.step(1, Input::Received(noise)), [], "{noise:?}");
    }
    assert_eq!(check.step(2, Input::Received(&good)), [CLOSE, PASSED]);
    for code in 1..16 {
        let mut check = question();
        let bad = reply(&check, code);
        assert_eq!(check.step(1, Input::Received(&bad)), failed(Failure::Rcode(code), 0));
    }
    let mut check = question();
    assert_eq!(check.step(1, REFUSED), [CLOSE, down(0), DOWN]);
}

#[test]
fn every_question_has_an_identifier_of_its_own() {
    let mut check = question();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        seen.insert(check.message()[..2].to_vec());
        let good = reply(&check, 0);
        let now = check.due().unwrap() - 1_000;
        check.step(now, Input::Received(&good));
        let now = check.due().unwrap();
        check.step(now, Input::Timer);
        check.step(now, Input::Connected);
    }
    assert!(seen.len() > 45);
}

/// Field case 56.
#[test]
fn a_silent_server_is_down_after_its_retries_and_their_pauses() {
    let cadence = Cadence { retry: 3, delay_loop: span(60_000), ..cadence() };
    let mut check = Rig::new(cadence, Kind::Dns(Arc::new(dns::Params::default())), Start::Trusted);
    let start = check.due().unwrap();
    let mut now = start;
    for failures in 1..=4 {
        assert_eq!(check.step(now, Input::Timer), [OPEN]);
        check.step(now, Input::Connected);
        now += 1_000;
        let actions = check.step(now, Input::Timer);
        if failures == 4 {
            assert_eq!(actions, failed(Failure::Silent, 3));
        } else {
            assert_eq!(actions, [CLOSE]);
            now += 1_000;
            assert_eq!(check.due(), Some(now));
        }
    }
    assert_eq!(now - start, 7_000);
}
