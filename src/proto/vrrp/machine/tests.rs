//! The transition table, the timers, and properties over random inputs.
#![allow(clippy::unwrap_used, reason = "tests")]

mod hear;
mod reload;
mod start;

use super::super::fault::Fault;
use super::*;

const PEER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 2));

fn at(millis: u64) -> Instant {
    Instant::START + Span::from_millis(millis)
}

fn heard(priority: u8) -> Heard {
    Heard { at: Instant::START, from: PEER, priority, interval: Span::from_secs(1), higher_address: true }
}

/// One input. An advert arrives at the moment of its input.
fn step(machine: &mut Machine, now: Instant, input: Input) -> Vec<Action> {
    let mut out = Actions::new();
    let input = match input {
        Input::Advert(heard) => Input::Advert(Heard { at: now, ..heard }),
        other => other,
    };
    machine.handle(now, input, &mut out);
    out.to_vec()
}

fn backup(params: Params) -> Machine {
    let mut machine = Machine::new(params);
    step(&mut machine, at(0), Input::Start { adopt: None });
    assert_eq!(machine.state(), State::Backup);
    machine
}

fn master(params: Params) -> Machine {
    let mut machine = backup(params);
    let deadline = machine.poll_at().unwrap();
    step(&mut machine, deadline, Input::Timeout);
    assert_eq!(machine.state(), State::Master);
    machine
}

fn transition(from: State, to: State, why: Why) -> Action {
    Action::Report(Event::Transition { from, to, why })
}

fn v3(centis: u64) -> Params {
    Params { version: Version::V3, advert_interval: Span::from_centis(centis), ..Params::default() }
}

#[test]
fn a_lone_backup_takes_over_after_three_seconds_and_skew() {
    let mut machine = backup(Params::default());
    assert_eq!(machine.poll_at(), Some(Instant::from_micros(3_609_375)));
    assert_eq!(step(&mut machine, at(3_609), Input::Timeout), []);
    let actions = step(&mut machine, Instant::from_micros(3_609_375), Input::Timeout);
    assert_eq!(
        actions,
        [
            Action::SendAdvert { priority: 100 },
            Action::AddAddresses,
            Action::Announce(Burst::Master),
            Action::Report(Event::Expired),
            transition(State::Backup, State::Master, Why::Timeout),
        ]
    );
    assert_eq!(machine.poll_at(), Some(Instant::from_micros(4_609_375)));
}

#[test]
fn skew_is_in_seconds_in_version_2_and_in_intervals_in_version_3() {
    let two = Params { advert_interval: Span::from_secs(2), ..Params::default() };
    assert_eq!(Machine::new(two).master_down_time(), Span::from_micros(6_609_375));
    assert_eq!(Machine::new(v3(25)).master_down_time(), Span::from_micros(902_343));
    let five = Params { down_timer_adverts: 5, ..Params::default() };
    assert_eq!(Machine::new(five).master_down_time(), Span::from_micros(5_609_375));
    for (priority, micros) in [(255, 3_003_906), (254, 3_007_812), (1, 3_996_093)] {
        let params = Params { priority, ..Params::default() };
        assert_eq!(Machine::new(params).master_down_time(), Span::from_micros(micros));
    }
}

#[test]
fn the_owner_is_master_at_once_others_listen_whatever_the_state_keyword() {
    let owner = Params { priority: 255, start: Start::Master, ..Params::default() };
    let mut machine = Machine::new(owner.clone());
    let actions = step(&mut machine, at(0), Input::Start { adopt: None });
    assert_eq!(actions[0], Action::SendAdvert { priority: 255 });
    assert_eq!(actions.last(), Some(&transition(State::Init, State::Master, Why::Start)));
    step(
        &mut machine,
        at(0),
        Input::Faults { faults: Faults::NONE.with(Fault::LinkDown, true), pending: false },
    );
    let back = step(&mut machine, at(9), Input::Faults { faults: Faults::NONE, pending: false });
    assert_eq!(
        back,
        [transition(State::Fault, State::Backup, Why::Recovered)],
        "only the beginning is quick"
    );
    assert_eq!(machine.poll_at(), Some(at(9) + machine.master_down_time()));
    backup(Params { start: Start::Master, ..Params::default() });
    backup(Params { start: Start::Backup, ..owner });
}

#[test]
fn adverts_are_spaced_from_the_deadline_and_a_pause_is_not_caught_up() {
    let mut machine = master(v3(10));
    let first = machine.poll_at().unwrap();
    let late = first + Span::from_millis(3);
    assert_eq!(step(&mut machine, late, Input::Timeout), [Action::SendAdvert { priority: 100 }]);
    assert_eq!(machine.poll_at(), Some(first + Span::from_millis(100)));
    let paused = first + Span::from_secs(5);
    assert_eq!(step(&mut machine, paused, Input::Timeout).len(), 1);
    assert_eq!(machine.poll_at(), Some(paused + Span::from_millis(100)));
}

#[test]
fn faults_lead_to_fault_and_back_whatever_their_order() {
    let mut machine = master(Params::default());
    let faults = |link, script| Input::Faults {
        faults: Faults::NONE.with(Fault::LinkDown, link).with(Fault::Script, script),
        pending: false,
    };
    let actions = step(&mut machine, at(4_000), faults(true, false));
    assert_eq!(
        actions,
        [
            Action::SendAdvert { priority: 0 },
            Action::SendAdvert { priority: 0 },
            Action::RemoveAddresses,
            Action::Report(Event::ZeroSent),
            transition(State::Master, State::Fault, Why::Fault),
        ]
    );
    assert_eq!(machine.poll_at(), None);
    assert_eq!(step(&mut machine, at(4_100), faults(true, true)), []);
    assert_eq!(step(&mut machine, at(4_200), faults(false, true)), []);
    let actions = step(&mut machine, at(4_300), faults(false, false));
    assert_eq!(actions, [transition(State::Fault, State::Backup, Why::Recovered)]);
    assert_eq!(machine.poll_at(), Some(at(4_300) + machine.master_down_time()));
}

#[test]
fn a_fault_that_goes_leads_nowhere_while_a_script_has_not_spoken() {
    let faults =
        |fault, pending| Input::Faults { faults: Faults::NONE.with(Fault::LinkDown, fault), pending };
    let mut machine = Machine::new(Params::default());
    step(&mut machine, at(0), faults(true, true));
    step(&mut machine, at(0), Input::Start { adopt: None });
    assert_eq!(machine.state(), State::Fault);
    assert_eq!(step(&mut machine, at(10), faults(false, true)), []);
    step(&mut machine, at(20), faults(false, false));
    assert_eq!(machine.state(), State::Backup);
}

#[test]
fn a_pending_script_holds_init_and_fault_only() {
    let mut machine = Machine::new(Params::default());
    let pending = Input::Faults { faults: Faults::NONE, pending: true };
    step(&mut machine, at(0), pending);
    assert_eq!(step(&mut machine, at(0), Input::Start { adopt: None }), []);
    assert_eq!(machine.state(), State::Init);
    let decided = step(&mut machine, at(50), Input::Faults { faults: Faults::NONE, pending: false });
    assert_eq!(decided, [transition(State::Init, State::Backup, Why::Decided)]);
    let mut running = master(Params::default());
    assert_eq!(
        step(&mut running, at(4_000), pending),
        [],
        "a script that a reload adds does not cost the MASTER"
    );
}

#[test]
fn a_changed_priority_is_told_at_once() {
    let mut machine = master(Params::default());
    let actions = step(&mut machine, at(4_000), Input::Priority(70));
    assert_eq!(
        actions,
        [Action::SendAdvert { priority: 70 }, Action::Report(Event::Priority { from: 100, to: 70 })]
    );
    assert_eq!(step(&mut machine, at(4_000), Input::Priority(70)), []);
    let quiet = step(&mut machine, at(4_001), Input::Priority(90));
    assert_eq!(
        quiet.len(),
        1,
        "once only between two adverts that are due, for what is tracked may never rest"
    );
    let due = machine.poll_at().unwrap();
    assert_eq!(step(&mut machine, due, Input::Timeout), [Action::SendAdvert { priority: 90 }]);
    assert_eq!(step(&mut machine, due, Input::Priority(80))[0], Action::SendAdvert { priority: 80 });
    let mut waiting = backup(Params::default());
    step(&mut waiting, at(100), Input::Priority(254));
    assert_eq!(waiting.poll_at(), Some(Instant::from_micros(3_007_812)), "reckoned from the same start");
}

/// It has waited long enough, and goes on waiting for the others only: nothing that changes its timer's span begins it anew.
#[test]
fn a_member_whose_timer_ran_out_is_not_armed_again_by_another_priority() {
    let mut machine = Machine::new(Params::default());
    machine.set_synced(true);
    step(&mut machine, at(0), Input::Start { adopt: None });
    let deadline = machine.poll_at().unwrap();
    step(&mut machine, deadline, Input::Timeout);
    let waits = |machine: &Machine| machine.poll_at().is_none() && machine.is_expired();
    assert!(waits(&machine));
    step(&mut machine, deadline, Input::Priority(150));
    assert!(waits(&machine), "a tracker");
    let faster = Params { priority: 90, advert_interval: Span::from_millis(500), ..Params::default() };
    machine.reconfigure(deadline, faster, 90, true, &mut Actions::new());
    assert!(waits(&machine), "a reload");
    step(&mut machine, deadline, Input::Advert(heard(200)));
    assert!(!waits(&machine) && machine.poll_at().is_some(), "a MASTER is heard");
}

#[test]
fn lost_addresses_bounce_through_backup_for_the_skew_time() {
    let mut machine = master(Params::default());
    let actions = step(&mut machine, at(4_000), Input::AddressLost);
    assert_eq!(
        actions,
        [
            Action::SendAdvert { priority: 0 },
            Action::RemoveAddresses,
            Action::Report(Event::ZeroSent),
            transition(State::Master, State::Backup, Why::AddressLost),
        ]
    );
    assert_eq!(machine.poll_at(), Some(at(4_000) + machine.skew_time()));
}

#[test]
fn stopping_resigns_once_and_is_final() {
    let mut machine = master(Params::default());
    let actions = step(&mut machine, at(4_000), Input::Stop);
    assert_eq!(
        actions,
        [
            Action::SendAdvert { priority: 0 },
            Action::RemoveAddresses,
            Action::Report(Event::ZeroSent),
            transition(State::Master, State::Init, Why::Stop),
        ]
    );
    assert_eq!(step(&mut machine, at(4_001), Input::Stop), []);
    assert_eq!(step(&mut machine, at(4_002), Input::Advert(heard(1))), []);
    assert_eq!(step(&mut machine, at(9_000), Input::Timeout), []);
    assert_eq!(step(&mut machine, at(9_000), Input::Faults { faults: Faults::NONE, pending: false }), []);
    for state in [State::Backup, State::Fault] {
        let mut other = backup(Params::default());
        if state == State::Fault {
            let faults = Faults::NONE.with(Fault::LinkDown, true);
            step(&mut other, at(1), Input::Faults { faults, pending: false });
        }
        assert_eq!(step(&mut other, at(2), Input::Stop), [transition(state, State::Init, Why::Stop)]);
    }
}

#[test]
fn version_3_adopts_the_masters_interval_and_restores_its_own() {
    let mut machine = backup(v3(100));
    let advert = Heard { interval: Span::from_centis(50), ..heard(150) };
    let actions = step(&mut machine, at(100), Input::Advert(advert));
    let (own, theirs) = (Span::from_centis(100), Span::from_centis(50));
    assert!(actions.contains(&Action::Report(Event::IntervalAdopted { from: own, to: theirs })));
    assert_eq!(machine.master_down_time(), Span::from_micros(1_500_000 + 304_687));
    let actions = step(&mut machine, at(5_000), Input::Timeout);
    assert!(actions.contains(&Action::Report(Event::IntervalRestored { from: theirs, to: own })));
    assert_eq!(machine.poll_at(), Some(at(6_000)));
}

#[test]
fn after_a_fault_the_interval_of_a_master_of_long_ago_counts_no_more() {
    let mut machine = backup(v3(10));
    step(&mut machine, at(100), Input::Advert(heard(150)));
    assert_eq!(machine.master_interval(), Span::from_secs(1));
    for link_down in [true, false] {
        let faults = Faults::NONE.with(Fault::LinkDown, link_down);
        let pending = false;
        step(&mut machine, at(60_000), Input::Faults { faults, pending });
    }
    assert_eq!(machine.state(), State::Backup);
    assert_eq!(machine.poll_at(), Some(Instant::from_micros(60_360_937)));
}

#[test]
fn a_reload_keeps_the_state_and_tells_what_changed_at_once() {
    let mut machine = master(Params::default());
    let deadline = machine.poll_at();
    let mut out = Actions::new();
    machine.reconfigure(at(4_000), Params::default(), 100, false, &mut out);
    assert!(out.is_empty(), "nothing changed, nothing happens");
    assert_eq!(machine.poll_at(), deadline);
    machine.reconfigure(at(4_100), Params { priority: 120, ..Params::default() }, 120, true, &mut out);
    assert!(out.contains(&Action::SendAdvert { priority: 120 }));
    assert_eq!((machine.state(), machine.poll_at()), (State::Master, Some(at(5_100))));
    let mut waiting = backup(Params::default());
    let slower = Params { advert_interval: Span::from_secs(2), ..Params::default() };
    out.clear();
    waiting.reconfigure(at(1_000), slower, 100, true, &mut out);
    assert_eq!(waiting.poll_at(), Some(Instant::from_micros(6_609_375)));
}

#[test]
fn a_reload_does_not_make_a_backup_of_version_3_forget_its_masters_interval() {
    let mut machine = backup(v3(100));
    step(&mut machine, at(100), Input::Advert(heard(150)));
    let deadline = machine.poll_at();
    let mut out = Actions::new();
    machine.reconfigure(at(600), v3(10), 100, true, &mut out);
    assert_eq!(machine.poll_at(), deadline, "the MASTER still sends once a second");
    let mut alone = backup(v3(100));
    alone.reconfigure(at(10), v3(10), 100, true, &mut out);
    assert_eq!(alone.poll_at(), Some(at(0) + alone.master_down_time()));
    assert_eq!(alone.master_interval(), Span::from_millis(100));
}

/// Whatever happens in whatever order: addresses are added once before they are removed, a timer runs exactly
/// while there is something to wait for, and no transition is longer than its buffer.
#[test]
fn properties_hold_over_random_inputs() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let mut longest = 0;
    for round in 0..2_000 {
        let params = Params {
            version: if round % 2 == 0 { Version::V2 } else { Version::V3 },
            priority: u8::try_from(1 + random(255)).unwrap(),
            start: if random(2) == 0 { Start::Master } else { Start::Backup },
            preempt: random(3) != 0,
            preempt_delay: Span::from_secs(random(2) * 3),
            timer_expired_backup: (random(2) == 0).then_some(200),
            ..Params::default()
        };
        let mut machine = Machine::new(params.clone());
        machine.hold(at(random(2) * 5_000));
        let (mut now, mut held) = (at(0), false);
        for _ in 0..200 {
            now += Span::from_millis(if random(20) == 0 { 5_000 } else { random(700) });
            let faults = if random(3) == 0 { Faults::NONE.with(Fault::LinkDown, true) } else { Faults::NONE };
            let input = match random(9) {
                0 => Input::Start { adopt: None },
                1 => Input::Faults { faults, pending: random(4) == 0 },
                2 => Input::Priority(u8::try_from(1 + random(254)).unwrap()),
                3 if random(6) == 0 => Input::Stop,
                4 if random(4) == 0 => Input::AddressLost,
                5 | 6 => Input::Advert(Heard {
                    interval: Span::from_centis(1 + random(300)),
                    higher_address: random(2) == 0,
                    ..heard(u8::try_from(random(256)).unwrap())
                }),
                _ => Input::Timeout,
            };
            let before = machine.state();
            let actions = step(&mut machine, now, input);
            longest = longest.max(actions.len());
            for action in &actions {
                match action {
                    Action::AddAddresses => assert!(!core::mem::replace(&mut held, true)),
                    Action::RemoveAddresses => assert!(core::mem::take(&mut held)),
                    _ => {}
                }
            }
            assert_eq!(held, machine.state() == State::Master);
            let running = matches!(machine.state(), State::Backup | State::Master);
            assert_eq!(machine.poll_at().is_some(), running, "{before:?} {input:?}");
            let told = actions.iter().any(|a| matches!(a, Action::Report(Event::Transition { .. })));
            assert!(told || before == machine.state(), "a change of state is always told");
        }
    }
    assert!(longest < super::super::action::LONGEST, "{longest}: the router adds one report in front");
}
