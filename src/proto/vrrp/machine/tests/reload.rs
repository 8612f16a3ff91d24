//! What a reload, a sync group and a predecessor change about the timers.

use super::*;

fn reload(machine: &mut Machine, now: Instant, params: Params, effective: u8) -> Vec<Action> {
    let mut out = Actions::new();
    machine.reconfigure(now, params, effective, false, &mut out);
    out.to_vec()
}

#[test]
fn another_priority_alone_is_told_by_an_advert() {
    let mut machine = master(Params::default());
    let out = reload(&mut machine, at(4_000), Params::default(), 90);
    assert_eq!(
        out,
        [Action::Report(Event::Priority { from: 100, to: 90 }), Action::SendAdvert { priority: 90 }]
    );
}

/// In version 2 the interval is our own, whomever we hear.
#[test]
fn a_backup_of_version_2_waits_by_the_new_interval() {
    let mut machine = backup(Params::default());
    step(&mut machine, at(100), Input::Advert(heard(150)));
    let slower = Params { advert_interval: Span::from_secs(5), ..Params::default() };
    reload(&mut machine, at(600), slower, 100);
    assert_eq!(machine.poll_at(), Some(at(100) + Span::from_micros(15_609_375)));
}

#[test]
fn leaving_its_group_touches_no_timer_of_a_master() {
    let mut machine = Machine::new(Params::default());
    machine.set_synced(true);
    step(&mut machine, at(0), Input::Start { adopt: Some(State::Master) });
    assert_eq!(machine.poll_at(), Some(at(1_000)));
    machine.set_synced(false);
    assert_eq!(machine.poll_at(), Some(at(1_000)));
}

#[test]
fn a_replacement_waits_by_the_interval_that_its_predecessor_learned_in_version_3_only() {
    for (params, interval) in [(v3(100), Span::from_secs(4)), (Params::default(), Span::from_secs(1))] {
        let mut machine = Machine::new(params);
        machine.resume_interval(Span::from_secs(4));
        step(&mut machine, at(0), Input::Start { adopt: Some(State::Backup) });
        assert_eq!(machine.master_interval(), interval);
        let deadline = machine.poll_at().unwrap();
        assert!(deadline >= at(0) + interval * 3 && deadline <= at(0) + interval * 4);
    }
}

/// Lower than the lowest priority there is nothing to say: an advert of our own would be one of a MASTER that stays.
#[test]
fn a_member_of_the_lowest_priority_has_no_last_word() {
    for (effective, words) in [(1, vec![]), (2, vec![Action::SendAdvert { priority: 1 }])] {
        let params = Params { priority: effective, higher_prio_send_advert: true, ..Params::default() };
        let mut machine = Machine::new(params);
        machine.set_synced(true);
        step(&mut machine, at(0), Input::Start { adopt: Some(State::Master) });
        let out = step(&mut machine, at(9), Input::Sync { to: State::Backup, why: Why::Outranked });
        let said: Vec<_> =
            out.into_iter().filter(|action| matches!(action, Action::SendAdvert { .. })).collect();
        assert_eq!(said, words);
    }
}

#[test]
fn an_owner_in_a_group_is_due_at_the_end_of_the_delay() {
    let owner = Params { priority: 255, start: Start::Master, ..Params::default() };
    let mut machine = Machine::new(owner);
    machine.set_synced(true);
    machine.hold(at(5_000));
    step(&mut machine, at(0), Input::Start { adopt: None });
    assert_eq!((machine.state(), machine.poll_at()), (State::Backup, Some(at(5_000))));
}

/// Falling behind makes a MASTER no more alive than it was.
#[test]
fn a_master_that_falls_behind_does_not_put_the_timer_off() {
    let mut machine = backup(Params::default());
    step(&mut machine, at(0), Input::Advert(heard(150)));
    let deadline = machine.poll_at().unwrap();
    step(&mut machine, at(3_500), Input::Advert(heard(50)));
    assert_eq!(machine.poll_at(), Some(deadline));
}
