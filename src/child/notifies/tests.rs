//! Notify scripts that take too long, fail, wait for room, or outlive their object.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::base::time::{Instant, Span};
use crate::daemon::log::logged;
use crate::daemon::reactor::Reactor;
use crate::notify::Command;
use crate::sys::script::{Refused, Terms, Words};

/// The state that an object has entered.
#[derive(Clone, Copy)]
struct State(u8);

impl Job for State {
    fn script(self) -> usize {
        0
    }

    fn outlasts(self, _: Self) -> bool {
        false
    }

    fn append(self, _: Subject<'_>, words: &mut Words) -> Result<(), Refused> {
        words.push_fmt(format_args!("{}", self.0))
    }
}

type Scripted = Notifier<State, 1>;

const SUBJECT: Subject<'static> = Subject { word: "INSTANCE", name: "VI_1" };
/// The deadlines of the script of the object, and of those of objects that a reload removed.
const SLOT: u32 = 0;
const RETIRED: u32 = 1;

fn command(line: &str) -> Command {
    let mut words = Words::with_capacity(8, 512);
    for word in ["/bin/sh", "-c", line, "sh"] {
        words.push(word.as_bytes()).unwrap();
    }
    let terms = Terms::default();
    Command { words, fixed: 4, terms, insecure: None, by_shell: false, keeps_groups: false }
}

fn scripted(line: &str) -> Scripted {
    let mut notifier = Scripted::new();
    notifier.set(0, command(line));
    notifier
}

fn object(notifier: &mut Scripted) -> Notifying<'_, u16, State, 1> {
    Notifying { key: 1, subject: SUBJECT, notifier, slot: SLOT }
}

fn budget() -> Budget {
    Budget::new(10, Span::from_secs(1))
}

/// The loop, the scripts with room for some, and the time.
fn bench() -> (Reactor, Notifies<u16, u16, State, 1>, Instant) {
    let mut reactor = Reactor::new(2, None).unwrap();
    let now = reactor.turn().now();
    let mut notifies = Notifies::new(Alerts::new(7, "vrrp")).unwrap();
    notifies.reserve(2, 2);
    (reactor, notifies, now)
}

/// Waits for the end of one process of this test.
fn reap(pid: Pid) -> Ended {
    match nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid.number()), None).unwrap() {
        nix::sys::wait::WaitStatus::Exited(_, code) => Ended::Exited(code),
        nix::sys::wait::WaitStatus::Signaled(_, signal, _) => Ended::Killed(signal as i32),
        other => panic!("{other:?}"),
    }
}

/// The script that the child began last.
fn begun(notifies: &Notifies<u16, u16, State, 1>, purpose: Purpose<u16, u16>) -> Option<Pid> {
    notifies.scripts.running(purpose)
}

#[test]
fn a_script_that_takes_too_long_is_killed_and_that_is_told() {
    let (mut reactor, mut notifies, now) = bench();
    let (mut notifier, mut lines) = (scripted("sleep 60"), budget());
    notifier.push_once(State(1));
    notifies.advance(&mut reactor.turn_at(now), object(&mut notifier), &mut lines);
    let pid = begun(&notifies, Purpose::Notify(1)).unwrap();
    let due = now + limit::NOTIFY_DEADLINE;
    assert_eq!(reactor.turn_at(now).deadline(SLOT), Some(due));
    let early = logged(|| object(&mut notifier).overdue(&mut reactor.turn_at(now)));
    assert!(early.is_empty(), "{early:?}");
    let told = logged(|| object(&mut notifier).overdue(&mut reactor.turn_at(due)));
    assert_eq!(told, ["(VI_1) a notify script ran for more than 300 seconds and was killed"]);
    assert!(reactor.turn_at(due).deadline(SLOT).unwrap() > due, "and is watched until it has ended");
    assert_eq!(reap(pid), Ended::Killed(libc::SIGTERM));
}

#[test]
fn a_script_that_cannot_do_its_work_is_told_and_the_next_one_follows() {
    let (mut reactor, mut notifies, now) = bench();
    let (mut notifier, mut lines) = (scripted("exit $((125 + $1))"), budget());
    notifier.enter([State(2), State(0)]);
    notifies.advance(&mut reactor.turn_at(now), object(&mut notifier), &mut lines);
    let pid = begun(&notifies, Purpose::Notify(1)).unwrap();
    let how = reap(pid);
    assert_eq!((how, notifies.scripts.ended(pid)), (Ended::Exited(127), Some(Purpose::Notify(1))));
    let told = logged(|| {
        let ended = (pid, how);
        notifies.ended(&mut reactor.turn_at(now), object(&mut notifier), ended, &mut lines);
    });
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("(VI_1) a notify script failed: a file was not found"), "{told:?}");
    let next = begun(&notifies, Purpose::Notify(1)).unwrap();
    assert_eq!(reap(next), Ended::Exited(125));
    let other = Pid::new(i32::MAX).unwrap();
    notifies.ended(&mut reactor.turn_at(now), object(&mut notifier), (other, how), &mut lines);
    assert!(notifier.is_busy(), "another process is not its script");
}

#[test]
fn a_script_that_was_left_out_is_told() {
    let (mut reactor, mut notifies, now) = bench();
    let (mut notifier, mut lines) = (scripted("true"), budget());
    for state in 0..3 {
        notifier.enter([State(state)]);
    }
    let told = logged(|| notifies.advance(&mut reactor.turn_at(now), object(&mut notifier), &mut lines));
    assert_eq!(told, ["(VI_1) notify scripts left out, overtaken by a newer state: 2"]);
    assert_eq!(notifier.overtaken(), 0, "once");
    reap(begun(&notifies, Purpose::Notify(1)).unwrap());
}

#[test]
fn a_script_that_cannot_be_started_is_told() {
    let (mut reactor, mut notifies, now) = bench();
    let mut notifier = Scripted::new();
    // There is no room for the word that the state appends.
    let mut words = Words::with_capacity(1, 16);
    words.push(b"/bin/true").unwrap();
    notifier.set(0, Command { words, fixed: 1, ..command("true") });
    notifier.push_once(State(1));
    let told = logged(|| notifies.advance(&mut reactor.turn_at(now), object(&mut notifier), &mut budget()));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("(VI_1) a notify script could not be started: "), "{told:?}");
    assert!(!notifier.is_busy() && begun(&notifies, Purpose::Notify(1)).is_none());
}

#[test]
fn when_too_many_scripts_run_an_object_waits_its_turn() {
    let (mut reactor, mut notifies, now) = bench();
    let mut last = None;
    let mut others = Vec::new();
    while notifies.scripts.has_notify_room() {
        let pid = notifies.scripts.start(&mut command("true"), Purpose::Own(0)).unwrap();
        others.extend(last.replace(pid));
    }
    let (mut notifier, mut lines) = (scripted("true"), budget());
    notifies.advance(&mut reactor.turn_at(now), object(&mut notifier), &mut lines);
    assert_eq!(notifies.waiting.len(), 0, "it has nothing to run");
    notifier.push_once(State(1));
    for _ in 0..2 {
        notifies.advance(&mut reactor.turn_at(now), object(&mut notifier), &mut lines);
    }
    assert!(notifier.is_waiting() && begun(&notifies, Purpose::Notify(1)).is_none());
    assert_eq!(notifies.next_waiting(), None, "there is no room yet");
    let last = last.unwrap();
    reap(last);
    notifies.scripts.ended(last);
    assert_eq!((notifies.next_waiting(), notifies.next_waiting()), (Some(1), None), "it waits once");
    notifies.advance(&mut reactor.turn_at(now), object(&mut notifier), &mut lines);
    reap(begun(&notifies, Purpose::Notify(1)).unwrap());
    for pid in others {
        reap(pid);
    }
}

#[test]
fn the_scripts_of_an_object_that_a_reload_removed_run_to_their_end() {
    let (mut reactor, mut notifies, now) = bench();
    let (mut notifier, mut lines) = (Box::new(scripted("exit $((125 + $1))")), budget());
    notifies.retire(&mut reactor.turn_at(now), RETIRED, 2, SUBJECT, Some(Box::new(scripted("true"))));
    notifies.retire(&mut reactor.turn_at(now), RETIRED, 2, SUBJECT, None);
    assert!(!notifies.is_busy(), "nothing of these runs or waits");
    notifier.enter([State(2), State(0)]);
    notifies.advance(&mut reactor.turn_at(now), object(&mut notifier), &mut lines);
    notifies.retire(&mut reactor.turn_at(now), RETIRED, 1, SUBJECT, Some(notifier));
    assert!(notifies.is_busy());
    assert_eq!(reactor.turn_at(now).deadline(RETIRED), Some(now + limit::NOTIFY_DEADLINE));
    assert!(begun(&notifies, Purpose::Notify(1)).is_none(), "a new object may have its key");
    let pid = begun(&notifies, Purpose::Retired(0)).unwrap();
    let how = reap(pid);
    assert_eq!(notifies.scripts.ended(pid), Some(Purpose::Retired(0)));
    let told = logged(|| notifies.retired_ended(&reactor.turn_at(now), 0, (pid, how), &mut lines));
    assert_eq!(told.len(), 1, "{told:?}");
    notifies.advance_retired(&mut reactor.turn_at(now), RETIRED);
    let next = begun(&notifies, Purpose::Retired(0)).unwrap();
    let how = reap(next);
    assert_eq!(how, Ended::Exited(125));
    notifies.retired_ended(&reactor.turn_at(now), 0, (next, how), &mut lines);
    notifies.advance_retired(&mut reactor.turn_at(now), RETIRED);
    assert!(!notifies.is_busy(), "nothing is left of it");
    assert_eq!(reactor.turn_at(now).deadline(RETIRED), None);
}

#[test]
fn a_script_of_a_removed_object_that_takes_too_long_is_killed_and_told_by_its_name() {
    let (mut reactor, mut notifies, now) = bench();
    let mut notifier = Box::new(scripted("sleep 60"));
    notifier.push_once(State(1));
    notifies.retire(&mut reactor.turn_at(now), RETIRED, 1, SUBJECT, Some(notifier));
    let pid = begun(&notifies, Purpose::Retired(0)).unwrap();
    let due = now + limit::NOTIFY_DEADLINE;
    let told = logged(|| notifies.retired_overdue(&mut reactor.turn_at(due), RETIRED));
    assert_eq!(told, ["(VI_1) a notify script ran for more than 300 seconds and was killed"]);
    assert!(reactor.turn_at(due).deadline(RETIRED).unwrap() > due);
    assert_eq!(reap(pid), Ended::Killed(libc::SIGTERM));
}

#[test]
fn at_a_stop_scripts_that_run_are_told_to_end_and_those_that_wait_never_begin() {
    let (mut reactor, mut notifies, now) = bench();
    let mut removed = Box::new(scripted("sleep 60"));
    removed.enter([State(1), State(2)]);
    notifies.retire(&mut reactor.turn_at(now), RETIRED, 1, SUBJECT, Some(removed));
    let mut notifier = scripted("sleep 60");
    notifier.enter([State(1), State(2)]);
    notifies.advance(&mut reactor.turn_at(now), object(&mut notifier), &mut budget());
    let pids = [Purpose::Retired(0), Purpose::Notify(1)].map(|purpose| begun(&notifies, purpose).unwrap());
    notifies.cut_retired_short(&mut reactor.turn_at(now), RETIRED);
    object(&mut notifier).cut_short(&mut reactor.turn_at(now));
    assert_eq!(pids.map(reap), [Ended::Killed(libc::SIGTERM); 2]);
    for slot in [RETIRED, SLOT] {
        assert!(reactor.turn_at(now).deadline(slot).unwrap() < now + limit::NOTIFY_DEADLINE, "{slot}");
    }
    assert!(notifier.ended(pids[1]) && !notifier.is_busy());
    notifies.retired_ended(&reactor.turn_at(now), 0, (pids[0], Ended::Exited(0)), &mut budget());
    notifies.advance_retired(&mut reactor.turn_at(now), RETIRED);
    assert!(!notifies.is_busy());
}
