//! What a predecessor left, what comes too late, and an election that is held off.

use super::*;

#[test]
fn a_replacement_carries_on_as_master_unless_something_speaks_against_it() {
    let mut machine = Machine::new(Params::default());
    let actions = step(&mut machine, at(0), Input::Start { adopt: Some(State::Master) });
    assert_eq!(actions[0], Action::SendAdvert { priority: 100 });
    assert_eq!(machine.state(), State::Master);
    let mut faulty = Machine::new(Params::default());
    let faults = Faults::NONE.with(Fault::LinkDown, true);
    step(&mut faulty, at(0), Input::Faults { faults, pending: false });
    step(&mut faulty, at(0), Input::Start { adopt: Some(State::Master) });
    assert_eq!(faulty.state(), State::Fault);
}

#[test]
fn a_replacement_that_cannot_be_master_gives_the_addresses_up() {
    let mut machine = Machine::new(Params::default());
    let faults = Faults::NONE.with(Fault::Script, true);
    let pending = false;
    step(&mut machine, at(0), Input::Faults { faults, pending });
    let adopt = Some(State::Master);
    assert_eq!(
        step(&mut machine, at(0), Input::Start { adopt }),
        [
            Action::SendAdvert { priority: 0 },
            Action::SendAdvert { priority: 0 },
            Action::RemoveAddresses,
            Action::Report(Event::ZeroSent),
            transition(State::Init, State::Fault, Why::Start),
        ]
    );
}

/// A MASTER of an interval of a second that does not preempt, whose last advert left at 3609.375 ms. A router of
/// priority 206 loses its patience 3195.3125 ms later.
fn late_master() -> Machine {
    master(Params { preempt: false, timer_expired_backup: Some(206), ..Params::default() })
}

#[test]
fn a_master_whose_timer_fires_too_late_goes_back_to_backup() {
    let last = Instant::from_micros(3_609_375);
    let enough = Span::from_micros(3_195_312);
    let mut machine = late_master();
    let just = last + enough - Span::from_micros(1);
    assert_eq!(step(&mut machine, just, Input::Timeout), [Action::SendAdvert { priority: 100 }]);
    assert_eq!(machine.state(), State::Master, "soon enough");

    let mut machine = late_master();
    let actions = step(&mut machine, last + enough, Input::Timeout);
    assert_eq!(actions, [Action::RemoveAddresses, transition(State::Master, State::Backup, Why::Late)]);
    assert_eq!(machine.poll_at(), Some(last + enough + machine.master_down_time()));
    // Nobody has taken over after all.
    let deadline = machine.poll_at().unwrap();
    step(&mut machine, deadline, Input::Timeout);
    assert_eq!(machine.state(), State::Master);
}

#[test]
fn an_advert_that_waited_longer_than_the_timer_may_is_followed_whatever_its_priority() {
    let late = Instant::from_micros(3_609_375) + Span::from_secs(10);
    for theirs in [1, 99, 100, 200] {
        let mut machine = late_master();
        let actions = step(&mut machine, late, Input::Advert(heard(theirs)));
        assert_eq!(
            actions,
            [
                Action::RemoveAddresses,
                transition(State::Master, State::Backup, Why::Late),
                Action::Report(Event::MasterIs { before: None, now: PEER }),
            ],
            "{theirs}"
        );
        assert_eq!(machine.poll_at(), Some(late + machine.master_down_time()));
    }
    // Without the option it contradicts.
    let mut machine = master(Params { preempt: false, ..Params::default() });
    assert_eq!(step(&mut machine, late, Input::Advert(heard(99)))[0], Action::SendAdvert { priority: 100 });
    // In time as well.
    let mut machine = late_master();
    let soon = Instant::from_micros(3_609_375) + Span::from_millis(500);
    assert_eq!(step(&mut machine, soon, Input::Advert(heard(99)))[0], Action::SendAdvert { priority: 100 });
}

#[test]
fn a_held_backup_waits_as_if_it_had_begun_at_the_end() {
    let end = at(10_000);
    let held = |params: Params| {
        let mut machine = Machine::new(params);
        machine.hold(end);
        step(&mut machine, at(0), Input::Start { adopt: None });
        machine
    };
    let mut machine = held(Params::default());
    assert_eq!(machine.state(), State::Backup);
    assert_eq!(machine.poll_at(), Some(end + machine.master_down_time()));
    // What it hears meanwhile shortens nothing.
    step(&mut machine, at(1_000), Input::Advert(heard(0)));
    assert_eq!(machine.poll_at(), Some(end + machine.skew_time()));
    step(&mut machine, at(2_000), Input::Advert(heard(200)));
    assert_eq!(machine.poll_at(), Some(end + machine.master_down_time()));
    // Nor does a fault that comes and goes.
    let none = Faults::NONE;
    step(&mut machine, at(3_000), Input::Faults { faults: none.with(Fault::LinkDown, true), pending: false });
    step(&mut machine, at(4_000), Input::Faults { faults: none, pending: false });
    assert_eq!(machine.poll_at(), Some(end + machine.master_down_time()));
    // Later adverts count from when they come.
    step(&mut machine, at(12_000), Input::Advert(heard(200)));
    assert_eq!(machine.poll_at(), Some(at(12_000) + machine.master_down_time()));

    let mut owner = held(Params { priority: 255, start: Start::Master, ..Params::default() });
    assert_eq!(owner.poll_at(), Some(end), "an owner is MASTER at the end");
    assert_eq!(owner.state(), State::Init, "and not BACKUP before");
    step(&mut owner, at(9_999), Input::Timeout);
    assert_eq!(owner.state(), State::Init);
    step(&mut owner, end, Input::Timeout);
    assert_eq!(owner.state(), State::Master);

    let mut owner = held(Params { priority: 255, start: Start::Master, ..Params::default() });
    let down = none.with(Fault::LinkDown, true);
    step(&mut owner, at(1_000), Input::Faults { faults: down, pending: false });
    assert_eq!((owner.state(), owner.poll_at()), (State::Fault, None), "a fault is told at once");
    let mut owner = held(Params { priority: 255, start: Start::Master, ..Params::default() });
    let mut out = Actions::new();
    owner.reconfigure(at(1_000), Params::default(), 100, true, &mut out);
    step(&mut owner, end, Input::Timeout);
    assert_eq!(owner.state(), State::Backup, "a reload took its addresses");

    let mut adopted = Machine::new(Params::default());
    adopted.hold(end);
    step(&mut adopted, at(0), Input::Start { adopt: Some(State::Master) });
    assert_eq!(adopted.state(), State::Master, "what carries on is not held");
}
