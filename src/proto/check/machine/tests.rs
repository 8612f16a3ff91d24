//! The cadence of a check and what its results do; one file more for each kind.

use super::*;

mod datagram;
mod follow;
mod http;
mod kit;
mod random;
mod smtp;

use kit::{Rig, at, span};

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
    Rig::new(cadence, kind(), start)
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

#[test]
fn the_first_attempt_comes_at_a_random_time_within_the_warmup() {
    let warm = Cadence { warmup: span(1_000), ..cadence() };
    let due = |seed| Check::new(at(5_000), warm.clone(), kind(), Start::Fresh, seed).poll_at().unwrap();
    let mut parts = [0; 10];
    for seed in 0..10_000 {
        let after = due(seed).since(at(5_000)).as_millis();
        assert!(after < 1_000);
        parts[usize::try_from(after / 100).unwrap()] += 1;
    }
    assert!(parts.iter().all(|part| (900..1_100).contains(part)), "{parts:?}");
    let none = Check::new(at(5_000), cadence(), kind(), Start::Fresh, 7);
    assert_eq!(none.poll_at(), Some(at(5_000)));
}

#[test]
fn checks_begin_at_moments_that_they_share() {
    for (delay_loop, distance, moments) in
        [(1, 20, 50), (100, 2_000, 50), (1_000, 20_000, 50), (60_000, 20_000, 3_000)]
    {
        let loops = Cadence { warmup: span(delay_loop), delay_loop: span(delay_loop), ..cadence() };
        let due = |now, seed| Check::new(now, loops.clone(), kind(), Start::Fresh, seed).poll_at().unwrap();
        let due = |now: Instant| (0..50_000).map(move |seed| due(now, seed)).collect::<Vec<_>>();
        let mut all = due(at(5_000));
        assert!(all.iter().all(|due| due.as_micros() % distance == 0));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), moments, "spread over the whole loop");
        let between = Instant::from_micros(5_000_007);
        assert!(
            due(between)
                .iter()
                .all(|due| *due == between || *due > between && due.as_micros() % distance == 0)
        );
    }
}

#[test]
fn with_alpha_nobody_is_up_until_an_attempt_passes() {
    let mut check = tcp(Cadence { alpha: true, ..cadence() }, Start::Fresh);
    assert!(!check.is_up());
    check.step(0, Input::Timer);
    assert_eq!(check.step(1, REFUSED), [CLOSE, down(0)], "told, and no change");
    check.step(10_000, Input::Timer);
    assert_eq!(check.step(10_001, REFUSED), [CLOSE]);
    check.step(20_000, Input::Timer);
    assert_eq!(check.step(20_001, Input::Connected), [CLOSE, PASSED, UP]);
    check.step(30_000, Input::Timer);
    assert_eq!(check.step(30_001, REFUSED), [CLOSE], "now there are retries");
}

/// Field case 39.
#[test]
fn a_dead_server_is_told_once() {
    let mut check = tcp(cadence(), Start::Trusted);
    let mut told = 0;
    for _ in 0..2_000 {
        let now = check.due().unwrap();
        let mut actions = check.step(now, Input::Timer);
        actions.extend(check.step(now + 1_000, Input::Timer));
        told += actions.iter().filter(|action| matches!(action, Action::Log(_) | Action::Verdict(_))).count();
    }
    assert_eq!(told, 2, "that it is down, twice over: in words and in deed");
}

/// Field cases 36 and 37.
#[test]
fn what_could_not_run_takes_nobody_out_and_is_tried_again_soon() {
    let mut check = tcp(cadence(), Start::Fresh);
    let not_run = |cause| vec![Action::Log(Fact::NotRun(cause))];
    check.step(0, Input::Timer);
    assert_eq!(check.step(0, Input::NotRun(Cause::Bind)), not_run(Cause::Bind));
    assert_eq!(check.due(), Some(1_000));
    for now in 1..20 {
        assert_eq!(check.step(now * 1_000, Input::Timer), [OPEN]);
        assert_eq!(check.step(now * 1_000, Input::NotRun(Cause::Bind)), [], "at {now} s");
        assert!(!check.0.is_overdue(at(now * 1_000)));
    }
    assert_eq!(check.0.not_run(), Some(Cause::Bind));
    // Two loops after the first attempt should have run; a check that ran before would have done so a loop earlier.
    assert_eq!(check.step(20_000, Input::Timer), [Action::Log(Fact::Overdue), OPEN]);
    assert_eq!(check.step(20_000, Input::NotRun(Cause::Bind)), []);
    check.step(21_000, Input::Timer);
    assert_eq!(check.step(21_000, Input::NotRun(Cause::Descriptors)), not_run(Cause::Descriptors));
    assert!(check.is_up() && check.0.is_overdue(at(21_000)));
    check.step(22_000, Input::Timer);
    assert_eq!(check.step(22_001, Input::Connected), [CLOSE, Action::Log(Fact::RunsAgain), PASSED]);
    assert_eq!(check.due(), Some(30_000), "at its regular times again");
    assert!(!check.0.is_overdue(at(30_000)) && check.0.not_run().is_none());
}

/// The other answer to field case 36.
#[test]
fn an_own_address_that_is_gone_fails_a_check_that_wants_so() {
    let mut check = tcp(Cadence { fail_on_local_failure: true, retry: 1, ..cadence() }, Start::Fresh);
    check.step(0, Input::Timer);
    assert_eq!(check.step(0, Input::Connected), [CLOSE, PASSED]);
    let local = Action::Log(Fact::NotRun(Cause::Bind));
    check.step(10_000, Input::Timer);
    assert_eq!(check.step(10_000, Input::NotRun(Cause::Bind)), [local]);
    assert!(check.is_up(), "there is a retry");
    let due = check.due().unwrap();
    check.step(due, Input::Timer);
    let down = Action::Log(Fact::Down { why: Failure::Local, retries: 1 });
    assert_eq!(check.step(due, Input::NotRun(Cause::Bind)), [local, down, Action::Verdict(Verdict::Down)]);
    let due = check.due().unwrap();
    assert_eq!(check.step(due, Input::Timer), [OPEN]);
    assert_eq!(check.step(due, Input::NotRun(Cause::Interface)), [], "told once");
    // What is no matter of where a check comes from takes nobody out here either.
    let mut other = tcp(Cadence { fail_on_local_failure: true, retry: 0, ..cadence() }, Start::Fresh);
    for cause in [Cause::Descriptors, Cause::Memory, Cause::Ports, Cause::Permission, Cause::Other(1)] {
        let due = other.due().unwrap();
        other.step(due, Input::Timer);
        other.step(due, Input::NotRun(cause));
        assert!(other.is_up(), "{cause:?}");
    }
}

#[test]
fn what_could_not_run_does_not_count_as_a_retry() {
    let mut check = tcp(cadence(), Start::Trusted);
    let mut attempt = |input| {
        let now = check.due().unwrap();
        check.step(now, Input::Timer);
        check.step(now, input)
    };
    assert_eq!(attempt(REFUSED), [CLOSE]);
    attempt(Input::NotRun(Cause::Memory));
    assert_eq!(attempt(REFUSED), [CLOSE, Action::Log(Fact::RunsAgain)]);
    attempt(Input::NotRun(Cause::Memory));
    assert_eq!(attempt(REFUSED), [CLOSE, Action::Log(Fact::RunsAgain), down(2), DOWN]);
}

#[test]
fn an_attempt_that_comes_far_too_late_is_told() {
    let mut check = tcp(cadence(), Start::Fresh);
    check.step(0, Input::Timer);
    check.step(1, Input::Connected);
    assert!(!check.0.is_overdue(at(29_999)));
    assert!(check.0.is_overdue(at(30_000)));
    assert_eq!(check.step(30_000, Input::Timer), [Action::Log(Fact::Overdue), OPEN]);
    assert_eq!(check.step(30_001, Input::Connected), [CLOSE, Action::Log(Fact::RunsAgain)]);
}

#[test]
fn nothing_runs_while_it_is_suspended_and_the_times_stay_the_same() {
    let mut check = tcp(cadence(), Start::Fresh);
    check.step(0, Input::Timer);
    check.step(1, Input::Connected);
    check.step(10_000, Input::Timer);
    assert_eq!(check.step(10_001, Input::Suspend), [CLOSE]);
    assert_eq!((check.due(), check.is_up()), (None, true));
    assert_eq!(check.step(20_000, Input::Timer), []);
    assert_eq!(check.step(20_000, Input::Suspend), []);
    assert!(!check.0.is_overdue(at(500_000)));
    assert_eq!(check.step(500_500, Input::Resume), []);
    assert_eq!(check.due(), Some(510_000));
    assert_eq!(check.step(510_000, Input::Timer), [OPEN]);
    // Suspended before it ran at all: the warm-up goes on.
    let mut early = tcp(Cadence { warmup: span(9_000), ..cadence() }, Start::Fresh);
    let due = early.due();
    early.step(0, Input::Suspend);
    early.step(1, Input::Resume);
    assert_eq!(early.due(), due);
}

#[test]
fn a_suspended_check_that_was_failing_has_all_its_retries_again() {
    let mut check = tcp(cadence(), Start::Trusted);
    for _ in 0..2 {
        let now = check.due().unwrap();
        check.step(now, Input::Timer);
        check.step(now, REFUSED);
    }
    let now = check.due().unwrap();
    check.step(now, Input::Suspend);
    check.step(now, Input::Resume);
    for _ in 0..2 {
        let now = check.due().unwrap();
        check.step(now, Input::Timer);
        assert_eq!(check.step(now, REFUSED), [CLOSE]);
    }
}

/// Field cases 31 and 33.
#[test]
fn a_new_check_of_a_server_that_is_up_has_retries_and_one_of_a_server_that_is_down_runs_at_once() {
    let slow = Cadence { warmup: span(9_000), ..cadence() };
    let mut trusted = tcp(slow.clone(), Start::Trusted);
    assert!(trusted.is_up() && trusted.due().unwrap() > 0);
    let now = trusted.due().unwrap();
    trusted.step(now, Input::Timer);
    assert_eq!(trusted.step(now, REFUSED).last(), Some(&CLOSE));
    let mut failed = tcp(slow, Start::Failed);
    assert_eq!((failed.due(), failed.is_up()), (Some(0), false));
    failed.step(0, Input::Timer);
    assert_eq!(failed.step(0, Input::Connected), [CLOSE, PASSED, UP]);
}

#[test]
fn a_successor_goes_on_with_what_is_known() {
    let mut check = tcp(cadence(), Start::Trusted);
    let now = check.due().unwrap();
    check.step(now, Input::Timer);
    check.step(now, REFUSED);
    let memory = check.0.memory();
    assert_eq!((memory.failures, memory.up, memory.proven), (1, true, true));
    let mut next = Check::new(at(500), cadence(), kind(), Start::Known(memory), 9);
    assert_eq!(next.poll_at(), Some(memory.due));
    assert_eq!(next.memory(), memory);
    let mut out = Actions::new();
    for (input, expected) in [
        (Input::Timer, vec![OPEN]),
        (REFUSED, vec![CLOSE]),
        (Input::Timer, vec![OPEN]),
        (REFUSED, vec![CLOSE, down(2), DOWN]),
    ] {
        out.clear();
        next.handle(next.poll_at().unwrap().min(at(5_000)), input, &mut out);
        assert_eq!(out.as_slice(), expected);
    }
    // A time of nobody's.
    let far = Memory { due: at(9_000_000), ..memory };
    assert_eq!(Check::new(at(0), cadence(), kind(), Start::Known(far), 9).poll_at(), Some(at(10_000)));
}

#[test]
fn a_connection_is_reset_or_closed_as_wished() {
    let graceful = Kind::Tcp(super::super::tcp::Params { graceful: true });
    let mut check = Rig::new(cadence(), graceful, Start::Fresh);
    check.step(0, Input::Timer);
    assert_eq!(check.step(0, Input::Connected)[0], Action::Close(Close::Graceful));
}

#[test]
fn a_check_is_small() {
    assert!(size_of::<Check>() <= 256, "{}", size_of::<Check>());
    assert!(size_of::<Action>() <= 24, "{}", size_of::<Action>());
}

fn kind() -> Kind {
    Kind::Tcp(super::super::tcp::Params::default())
}
