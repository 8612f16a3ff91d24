//! Programs, files and sessions.

use super::kit::{Rig, at, span};
use super::{DOWN, PASSED, UP};
use crate::proto::check::file;
use crate::proto::check::machine::*;

fn cadence() -> Cadence {
    Cadence { delay_loop: span(10_000), warmup: Span::ZERO, timeout: span(3_000), ..Cadence::default() }
}

fn program(dynamic: bool, start: Start, retry: u32) -> Rig {
    Rig::new(Cadence { retry, ..cadence() }, Kind::Misc { dynamic }, start)
}

const fn exited(code: u8) -> Input<'static> {
    Input::Ended(Ending::Exited(code))
}

fn run(check: &mut Rig, ending: Input<'_>) -> Vec<Action> {
    let now = check.due().unwrap();
    assert_eq!(check.step(now, Input::Timer), [Action::Run]);
    check.step(now + 10, ending)
}

fn down(why: Failure, retries: u32) -> [Action; 2] {
    [Action::Log(Fact::Down { why, retries }), DOWN]
}

/// Field case 41.
#[test]
fn a_program_that_fails_runs_again_as_often_as_it_has_retries() {
    let mut check = program(false, Start::Fresh, 3);
    assert_eq!(run(&mut check, exited(0)), [PASSED]);
    let first = check.due().unwrap() + 10;
    for _ in 0..3 {
        assert_eq!(run(&mut check, exited(1)), []);
    }
    let last = check.due().unwrap();
    assert_eq!(run(&mut check, exited(1)), down(Failure::Exited(1), 3));
    assert_eq!(last - first, 3_020, "three pauses of a second, and the runs between them");
    assert_eq!(run(&mut check, exited(0)), [PASSED, UP]);
    assert_eq!(run(&mut check, Input::Ended(Ending::Signalled(11))), []);
}

/// Field case 60.
#[test]
fn the_last_exit_code_is_known_with_its_time() {
    let mut check = program(false, Start::Fresh, 0);
    run(&mut check, exited(2));
    let last = |check: &Rig| check.0.last().unwrap();
    assert_eq!(last(&check), Outcome { at: at(10), result: Err(Failure::Exited(2)) });
    assert_eq!(run(&mut check, exited(1)), []);
    assert_eq!(last(&check), Outcome { at: at(10_010), result: Err(Failure::Exited(1)) });
}

#[test]
fn exit_codes_are_weights_with_misc_dynamic() {
    let mut check = program(true, Start::Fresh, 0);
    let set = |weight| Action::Weight(Weight::Set(weight));
    assert_eq!(run(&mut check, exited(5)), [PASSED, set(3)]);
    assert_eq!(run(&mut check, exited(5)), []);
    assert_eq!(run(&mut check, exited(2)), [set(0)]);
    assert_eq!(run(&mut check, exited(255)), [set(253)]);
    assert_eq!(run(&mut check, exited(1)), down(Failure::Exited(1), 0));
    assert_eq!(run(&mut check, exited(0)), [PASSED, Action::Weight(Weight::Configured), UP]);
    let mut plain = program(false, Start::Fresh, 0);
    assert_eq!(run(&mut plain, exited(5)), down(Failure::Exited(5), 0));
}

#[test]
fn a_program_that_takes_too_long_is_ended_and_has_failed() {
    let mut check = program(false, Start::Fresh, 0);
    assert_eq!(check.step(0, Input::Timer), [Action::Run]);
    assert_eq!(check.step(2_999, Input::Timer), []);
    let failed = down(Failure::RanTooLong, 0);
    assert_eq!(check.step(3_000, Input::Timer), [&[Action::Terminate][..], &failed].concat());
    assert_eq!(check.due(), Some(5_000));
    assert_eq!(check.step(5_000, Input::Timer), [Action::Kill]);
    assert_eq!(check.due(), None, "nothing can happen but its end");
    assert_eq!(check.step(12_000, exited(0)), [Action::Run], "the next one was due long since");
    assert_eq!(check.step(12_001, exited(0)), [PASSED, UP]);
    assert_eq!(check.due(), Some(20_000));
}

/// Field case 59: an end and a deadline that meet.
#[test]
fn the_next_run_always_comes() {
    for late in 0..=10 {
        for kill in [false, true] {
            let mut check = program(false, Start::Trusted, 0);
            let mut runs = 0;
            for round in 0..20 {
                let now = check.due().unwrap();
                assert_eq!(check.step(now, Input::Timer), [Action::Run], "{round}");
                runs += 1;
                let end = now + 2_995 + late;
                if end >= now + 3_000 {
                    check.step(now + 3_000, Input::Timer);
                    if kill {
                        check.step(now + 5_000, Input::Timer);
                    }
                }
                let end = if kill { end.max(now + 5_000) } else { end };
                check.step(end, exited(0));
                // And what is told twice does no harm.
                check.step(end, exited(0));
                check.step(end, Input::Timer);
            }
            assert_eq!(runs, 20);
        }
    }
}

#[test]
fn a_program_that_cannot_be_started_takes_nobody_out() {
    let mut check = program(false, Start::Fresh, 0);
    check.step(0, Input::Timer);
    assert_eq!(check.step(0, Input::NotRun(Cause::Program)), [Action::Log(Fact::NotRun(Cause::Program))]);
    assert_eq!(check.due(), Some(1_000));
    assert_eq!(run(&mut check, exited(0)), [Action::Log(Fact::RunsAgain), PASSED]);
}

#[test]
fn a_program_is_ended_when_its_check_is_suspended_or_stopped() {
    let mut check = program(false, Start::Fresh, 0);
    check.step(0, Input::Timer);
    assert_eq!(check.step(100, Input::Suspend), [Action::Terminate]);
    assert_eq!(check.step(200, exited(1)), [], "its result does not count");
    assert!(check.is_up());
    assert_eq!(check.due(), None);
    check.step(300, Input::Resume);
    assert_eq!(check.due(), Some(10_000));
    check.step(10_000, Input::Timer);
    let mut out = Actions::new();
    check.0.stop(at(10_100), &mut out);
    assert_eq!(out.as_slice(), [Action::Terminate]);
}

#[test]
fn a_file_adds_to_the_weight() {
    let plus = |weight| Action::Weight(Weight::Plus(weight));
    let with =
        |weight, reverse| Rig::new(cadence(), Kind::File(file::Params { weight, reverse }), Start::Fresh);
    let mut check = with(2, false);
    assert_eq!(check.due(), None);
    assert_eq!(check.step(0, Input::Value(300)), [PASSED, plus(600)]);
    assert_eq!(check.step(1, Input::Value(300)), []);
    assert_eq!(check.step(2, Input::Value(-5)), [plus(-10)]);
    assert_eq!(check.step(3, Input::Value(0)), [plus(0)]);
    assert_eq!(check.step(4, Input::Value(i64::MAX)), [plus(i64::MAX)]);
    assert_eq!(with(2, true).step(0, Input::Value(7)), [PASSED, plus(-14)]);
    assert!(check.is_up());
}

/// Field case 63.
#[test]
fn a_file_without_a_weight_decides_from_its_first_number_on() {
    let mut check = Rig::new(cadence(), Kind::File(file::Params { weight: 0, reverse: false }), Start::Fresh);
    assert_eq!(check.step(0, Input::Value(1)), down(Failure::Value(1), 0));
    assert_eq!(check.step(1, Input::Value(2)), []);
    assert_eq!(check.step(2, Input::Value(0)), [PASSED, UP]);
    assert_eq!(check.step(3, Input::Value(-1)), down(Failure::Value(-1), 0), "there are no retries");
    let mut reverse =
        Rig::new(cadence(), Kind::File(file::Params { weight: 0, reverse: true }), Start::Fresh);
    assert_eq!(reverse.step(0, Input::Value(0)), down(Failure::Value(0), 0));
    assert_eq!(reverse.step(0, Input::Value(3)), [PASSED, UP]);
}

/// Field case 73.
#[test]
fn a_session_decides_at_once() {
    let mut check = Rig::new(cadence(), Kind::Bfd, Start::Fresh);
    assert_eq!(check.due(), None);
    assert!(check.is_up());
    assert_eq!(check.step(5, Input::Session { up: true }), [PASSED]);
    assert_eq!(check.step(6, Input::Session { up: false }), down(Failure::Session, 0));
    assert_eq!(check.step(7, Input::Session { up: false }), []);
    assert_eq!(check.step(8, Input::Session { up: true }), [PASSED, UP]);
    let mut alpha = Rig::new(Cadence { alpha: true, ..cadence() }, Kind::Bfd, Start::Fresh);
    assert!(!alpha.is_up());
    assert_eq!(alpha.step(1, Input::Session { up: true }), [PASSED, UP]);
    // What is not theirs is nothing to the other kinds.
    let mut other = program(false, Start::Fresh, 0);
    assert_eq!(other.step(0, Input::Session { up: false }), []);
    assert_eq!(other.step(0, Input::Value(1)), []);
}
