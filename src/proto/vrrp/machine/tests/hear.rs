//! Adverts that a BACKUP and a MASTER hear.

use super::*;

#[test]
fn backup_follows_higher_and_equal_and_discards_lower() {
    let mut machine = backup(Params::default());
    for priority in [150, 100] {
        step(&mut machine, at(1_000), Input::Advert(heard(priority)));
        assert_eq!(machine.poll_at(), Some(Instant::from_micros(4_609_375)));
    }
    let mut fresh = backup(Params::default());
    let actions = step(&mut fresh, at(1_000), Input::Advert(heard(50)));
    assert_eq!(actions, [Action::Report(Event::Discarded { from: PEER, theirs: 50 })]);
    assert_eq!(fresh.poll_at(), Some(Instant::from_micros(3_609_375)), "a start waits its whole time");
    let mut nopreempt = backup(Params { preempt: false, ..Params::default() });
    step(&mut nopreempt, at(1_000), Input::Advert(heard(50)));
    assert_eq!(nopreempt.poll_at(), Some(Instant::from_micros(4_609_375)));
}

#[test]
fn a_master_that_falls_behind_is_replaced_after_the_skew_time() {
    let mut machine = backup(Params { priority: 99, ..Params::default() });
    step(&mut machine, at(1_000), Input::Advert(heard(100)));
    step(&mut machine, at(2_000), Input::Advert(heard(98)));
    let skew = machine.skew_time();
    assert_eq!(machine.poll_at(), Some(at(2_000) + skew));
    step(&mut machine, at(2_100), Input::Advert(heard(98)));
    assert_eq!(machine.poll_at(), Some(at(2_000) + skew), "the next one does not put it off");
    step(&mut machine, at(2_200), Input::Advert(heard(100)));
    assert_eq!(machine.poll_at(), Some(at(2_200) + machine.master_down_time()), "it has come back");
}

#[test]
fn priority_zero_shortens_to_the_skew_time() {
    let mut machine = backup(Params::default());
    step(&mut machine, at(1_000), Input::Advert(heard(150)));
    step(&mut machine, at(1_500), Input::Advert(heard(0)));
    assert_eq!(machine.poll_at(), Some(Instant::from_micros(1_500_000 + 609_375)));
    let mut nopreempt = backup(Params { preempt: false, ..Params::default() });
    step(&mut nopreempt, at(1_500), Input::Advert(heard(0)));
    assert_eq!(nopreempt.poll_at(), Some(Instant::from_micros(1_500_000 + 609_375)));
}

#[test]
fn the_timer_restarts_from_the_arrival_however_late_it_is_heard() {
    let mut machine = backup(Params::default());
    let late = Heard { at: at(1_000), ..heard(150) };
    machine.handle(at(1_400), Input::Advert(late), &mut Actions::new());
    assert_eq!(machine.poll_at(), Some(at(1_000) + machine.master_down_time()));
    let goodbye = Heard { at: at(2_000), ..heard(0) };
    machine.handle(at(2_100), Input::Advert(goodbye), &mut Actions::new());
    assert_eq!(machine.poll_at(), Some(at(2_000) + machine.skew_time()));
}

#[test]
fn the_preempt_delay_counts_from_the_first_lower_advert() {
    let params = Params { priority: 150, preempt_delay: Span::from_secs(5), ..Params::default() };
    let mut machine = backup(params);
    let actions = step(&mut machine, at(500), Input::Advert(heard(100)));
    assert_eq!(actions[0], Action::Report(Event::PreemptDelay(Span::from_secs(5))));
    for secs in 1..=4 {
        step(&mut machine, at(500 + secs * 1_000), Input::Advert(heard(100)));
    }
    let deadline = machine.poll_at().unwrap();
    step(&mut machine, at(5_500), Input::Advert(heard(100)));
    assert!(machine.poll_at().unwrap() <= deadline, "the delay is over: adverts no longer restart the timer");
}

#[test]
fn master_yields_to_higher_priority_and_to_the_higher_address() {
    for (priority, higher_address) in [(150, false), (100, true)] {
        let mut machine = master(Params::default());
        let advert = Heard { higher_address, ..heard(priority) };
        let actions = step(&mut machine, at(4_000), Input::Advert(advert));
        assert_eq!(
            actions,
            [
                Action::SendAdvert { priority: 100 },
                Action::RemoveAddresses,
                Action::Report(Event::Outranked { from: PEER, theirs: priority, ours: 100 }),
                transition(State::Master, State::Backup, Why::Outranked),
                Action::Report(Event::MasterIs { before: None, now: PEER }),
            ]
        );
        assert_eq!(machine.poll_at(), Some(at(4_000) + machine.master_down_time()));
    }
    let mut silent = master(Params { higher_prio_send_advert: false, ..Params::default() });
    assert_eq!(step(&mut silent, at(4_000), Input::Advert(heard(150)))[0], Action::RemoveAddresses);
}

#[test]
fn a_yielding_master_does_not_teach_the_backups_a_shorter_interval() {
    for (interval, last) in [(100, true), (50, true), (200, false)] {
        let mut machine = master(v3(100));
        let interval = Span::from_centis(interval);
        let advert = Heard { interval, ..heard(150) };
        let actions = step(&mut machine, at(4_000), Input::Advert(advert));
        let sent = actions[0] == Action::SendAdvert { priority: 100 };
        assert_eq!(sent, last, "{interval}");
    }
}

#[test]
fn master_answers_lower_priority_and_priority_zero() {
    let mut machine = master(Params::default());
    let lower = Heard { higher_address: false, ..heard(100) };
    for (now, advert) in [(4_000, heard(50)), (4_100, lower)] {
        let actions = step(&mut machine, at(now), Input::Advert(advert));
        assert_eq!(
            actions[..2],
            [Action::SendAdvert { priority: 100 }, Action::Announce(Burst::LowerPriority)]
        );
        assert_eq!(machine.poll_at(), Some(at(now + 1_000)));
    }
    let actions = step(&mut machine, at(4_200), Input::Advert(heard(0)));
    assert!(actions.contains(&Action::SendAdvert { priority: 100 }));
    let mut quiet = master(Params { lower_prio_no_advert: true, ..Params::default() });
    let deadline = quiet.poll_at();
    assert_eq!(
        step(&mut quiet, at(4_000), Input::Advert(heard(50)))[0],
        Action::Announce(Burst::LowerPriority)
    );
    assert_eq!(quiet.poll_at(), deadline);
}

#[test]
fn a_rival_of_lower_priority_is_news_once_until_it_was_silent() {
    let mut machine = master(Params::default());
    let is_news = |machine: &mut Machine, now, interval| {
        let advert = Heard { interval: Span::from_secs(interval), ..heard(50) };
        let actions = step(machine, at(now), Input::Advert(advert));
        actions.iter().any(|one| matches!(one, Action::Report(Event::LowerPriority { first: true, .. })))
    };
    let adverts = |machine: &mut Machine, mut now: u64, count| {
        for _ in 0..count {
            now += 1_000;
            step(machine, at(now), Input::Timeout);
        }
        now
    };
    assert!(is_news(&mut machine, 4_000, 1));
    for now in [4_001, 4_002, 4_500] {
        assert!(!is_news(&mut machine, now, 1), "{now}");
    }
    let now = adverts(&mut machine, 4_500, 2);
    assert!(!is_news(&mut machine, now + 1, 1), "two adverts may be lost");
    let now = adverts(&mut machine, now + 1, 3);
    assert!(is_news(&mut machine, now + 1, 10), "three intervals without it");
    let now = adverts(&mut machine, now + 1, 29);
    assert!(!is_news(&mut machine, now + 1, 10), "its own interval is the longer one");
    step(&mut machine, at(now + 2), Input::Advert(heard(200)));
    step(&mut machine, at(now + 10_000), Input::Timeout);
    assert_eq!(machine.state(), State::Master);
    assert!(is_news(&mut machine, now + 10_001, 1), "after another election");
}

#[test]
fn an_owner_tells_when_its_rival_has_gone() {
    let params = Params { priority: 255, start: Start::Master, ..Params::default() };
    let mut machine = Machine::new(params);
    step(&mut machine, at(0), Input::Start { adopt: None });
    let rival = Heard { higher_address: false, ..heard(255) };
    for millis in [500, 900] {
        let actions = step(&mut machine, at(millis), Input::Advert(rival));
        assert!(actions.contains(&Action::Report(Event::OwnerConflict(PEER))));
    }
    let alone = |actions: &[Action]| actions.contains(&Action::Report(Event::OwnerAlone));
    let told: Vec<_> = (0..6)
        .filter_map(|_| {
            let due = machine.poll_at().unwrap();
            alone(&step(&mut machine, due, Input::Timeout)).then_some(due)
        })
        .collect();
    // The last was heard at 0.9 s and answered; 3.004 s later it is gone, which the next advert notices, once.
    assert_eq!(told, [at(4_900)]);
}

#[test]
fn what_is_heard_in_one_turn_is_answered_once() {
    let mut machine = master(Params::default());
    let sent = |actions: &[Action]| {
        let adverts = actions.iter().filter(|a| matches!(a, Action::SendAdvert { .. }));
        adverts.count()
    };
    for (advert, answers) in [(50, 1), (50, 0), (0, 0), (60, 0)] {
        let actions = step(&mut machine, at(4_000), Input::Advert(heard(advert)));
        assert_eq!(sent(&actions), answers, "{advert}");
    }
    assert_eq!(machine.poll_at(), Some(at(5_000)));
    step(&mut machine, at(4_000), Input::Priority(110));
    let actions = step(&mut machine, at(4_000), Input::Advert(heard(50)));
    assert_eq!(actions[0], Action::SendAdvert { priority: 110 }, "the last answer said something else");
    let actions = step(&mut machine, at(4_001), Input::Advert(heard(50)));
    assert_eq!(sent(&actions), 1, "another turn");
}

#[test]
fn a_backup_learns_no_longer_interval_than_it_may() {
    let forged = Heard { interval: Span::from_centis(4_095), ..heard(255) };
    let down = |machine: &Machine| machine.poll_at().unwrap().since(at(1_000));
    let mut open = backup(v3(100));
    step(&mut open, at(1_000), Input::Advert(forged));
    assert!(down(&open) > Span::from_secs(120), "as the RFC has it");

    let bounded = Params { max_learned_interval: Some(Span::from_centis(200)), ..v3(100) };
    let mut machine = backup(bounded.clone());
    let told = step(&mut machine, at(1_000), Input::Advert(forged));
    let (from, to) = (Span::from_secs(1), Span::from_secs(2));
    assert!(told.contains(&Action::Report(Event::IntervalAdopted { from, to })));
    assert_eq!(down(&machine), machine.master_down_time());
    assert!((Span::from_secs(6)..Span::from_secs(8)).contains(&down(&machine)));
    let again = step(&mut machine, at(1_000), Input::Advert(forged));
    assert_eq!(again, [], "told once");

    // Its own interval is no less believed, and a predecessor's knowledge and a reload are bounded alike.
    let slow = Params { max_learned_interval: Some(Span::from_centis(10)), ..v3(300) };
    let mut machine = backup(slow);
    step(&mut machine, at(1_000), Input::Advert(Heard { interval: Span::from_secs(3), ..heard(200) }));
    assert!(down(&machine) > Span::from_secs(9));
    let mut successor = Machine::new(bounded.clone());
    successor.resume_interval(Span::from_centis(4_095));
    step(&mut successor, at(1_000), Input::Start { adopt: Some(State::Backup) });
    assert!(down(&successor) < Span::from_secs(8));
    let mut out = Actions::new();
    open.reconfigure(at(2_000), bounded, 100, false, &mut out);
    assert!(down(&open) < Span::from_secs(8));
}

/// By hand (failover): it gives up with one advert of priority 0, follows whoever is MASTER, and is MASTER again once nobody
/// is; then it preempts as before.
#[test]
fn one_that_gave_up_by_hand_does_not_preempt_until_nobody_is_master_or_it_is_told() {
    let preempts = |machine: &mut Machine, at_millis: u64| {
        let lower = Input::Advert(heard(50));
        step(machine, at(at_millis), lower);
        machine.master().is_none()
    };
    let mut machine = master(Params::default());
    machine.set_yielding(true);
    let actions = step(&mut machine, at(4_000), Input::GiveUp);
    assert_eq!(
        actions,
        [
            Action::SendAdvert { priority: 0 },
            Action::RemoveAddresses,
            Action::Report(Event::ZeroSent),
            transition(State::Master, State::Backup, Why::Yielded),
        ]
    );
    // Time enough for others to take over.
    assert_eq!(machine.poll_at(), Some(at(4_000) + machine.master_down_time()));
    assert!(machine.is_yielding() && !preempts(&mut machine, 4_100));
    assert_eq!(step(&mut machine, at(4_200), Input::GiveUp), [], "only a MASTER can");
    let deadline = machine.poll_at().unwrap();
    step(&mut machine, deadline, Input::Timeout);
    assert!(machine.state() == State::Master && !machine.is_yielding());

    let mut machine = backup(Params::default());
    machine.set_yielding(true);
    assert!(!preempts(&mut machine, 100));
    machine.set_yielding(false);
    assert!(preempts(&mut machine, 200));
    // The address owner, which begins as MASTER and is never BACKUP otherwise.
    let mut machine = Machine::new(Params { priority: 255, start: Start::Master, ..Params::default() });
    machine.set_yielding(true);
    step(&mut machine, at(0), Input::Start { adopt: None });
    assert!(machine.state() == State::Backup && !preempts(&mut machine, 100));
}
