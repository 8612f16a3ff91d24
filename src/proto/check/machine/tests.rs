//! The cadence of a check and what its results do; one file more for each kind.

use super::*;

mod kit;

use kit::{Rig, span};

fn cadence() -> Cadence {
    Cadence {
        delay_loop: span(10_000),
        warmup: Span::ZERO,
        timeout: span(1_000),
        retry: 2,
        ..Cadence::default()
    }
}

fn tcp(cadence: Cadence, start: Start) -> Rig {
    Rig::new(cadence, Kind::Tcp(super::super::tcp::Params::default()), start)
}

const OPEN: Action = Action::Open(Transport::Stream);
const CLOSE: Action = Action::Close(Close::Reset);
const PASSED: Action = Action::Log(Fact::Passed);
const UP: Action = Action::Verdict(Verdict::Up);
const DOWN: Action = Action::Verdict(Verdict::Down);
const REFUSED: Input<'static> = Input::Failed(Fault::Refused);

const fn down(retries: u32) -> Action {
    Action::Log(Fact::Down { why: Failure::Transport(Fault::Refused), retries })
}

#[test]
fn an_attempt_every_loop_from_start_to_start() {
    let mut check = tcp(cadence(), Start::Fresh);
    assert_eq!(check.due(), Some(0));
    assert_eq!(check.step(0, Input::Timer), [OPEN]);
    assert_eq!(check.step(5, Input::Connected), [CLOSE, PASSED]);
    assert_eq!(check.due(), Some(10_000));
    assert_eq!(check.step(9_999, Input::Timer), []);
    assert_eq!(check.step(10_003, Input::Timer), [OPEN]);
    assert_eq!(check.step(10_900, Input::Connected), [CLOSE], "what is up is no news");
    assert_eq!(check.due(), Some(20_000));
    assert_eq!(check.step(47_000, Input::Timer).last(), Some(&OPEN), "nothing is made up for");
    check.step(47_001, Input::Connected);
    assert_eq!(check.due(), Some(50_000));
}

#[test]
fn the_first_failure_counts_at_once() {
    let mut check = tcp(cadence(), Start::Fresh);
    check.step(0, Input::Timer);
    assert_eq!(check.step(1, REFUSED), [CLOSE, down(0), DOWN]);
    // One attempt a loop while it is down, and not a word.
    assert_eq!(check.due(), Some(10_000));
    check.step(10_000, Input::Timer);
    assert_eq!(check.step(10_001, REFUSED), [CLOSE]);
    check.step(20_000, Input::Timer);
    assert_eq!(check.step(20_001, Input::Connected), [CLOSE, PASSED, UP]);
}

#[test]
fn after_a_success_there_are_retries() {
    for all in [false, true] {
        let mut check = tcp(Cadence { log_all_failures: all, ..cadence() }, Start::Fresh);
        check.step(0, Input::Timer);
        check.step(1, Input::Connected);
        check.step(10_000, Input::Timer);
        let told = |failures| {
            let fact = Fact::Failed { why: Failure::Transport(Fault::Refused), failures };
            if all { vec![CLOSE, Action::Log(fact)] } else { vec![CLOSE] }
        };
        assert_eq!(check.step(10_100, REFUSED), told(1));
        assert_eq!(check.due(), Some(11_100), "the pause begins where the attempt ends");
        check.step(11_100, Input::Timer);
        assert_eq!(check.step(11_200, REFUSED), told(2));
        check.step(12_200, Input::Timer);
        assert_eq!(check.step(12_300, REFUSED), [CLOSE, down(2), DOWN]);
        assert_eq!(check.due(), Some(20_000), "back to the regular times");
    }
}

#[test]
fn a_success_between_makes_all_retries_new() {
    let mut check = tcp(cadence(), Start::Trusted);
    for round in 0..5 {
        for _ in 0..2 {
            let now = check.due().unwrap();
            check.step(now, Input::Timer);
            assert_eq!(check.step(now, REFUSED), [CLOSE]);
        }
        let now = check.due().unwrap();
        check.step(now, Input::Timer);
        assert_eq!(check.step(now, Input::Connected).first(), Some(&CLOSE), "{round}");
    }
    assert!(check.is_up());
}

mod datagram;
