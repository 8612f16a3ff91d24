//! Children that answer, hang, die and stop, on a virtual clock.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const STOP_WAIT: Span = Span::from_secs(5);

/// A supervisor on a virtual clock.
struct Bench {
    now: Instant,
    supervisor: Supervisor,
}

impl Bench {
    fn new(respawn: bool) -> Self {
        let params = Params::new(Span::from_secs(1), STOP_WAIT, respawn);
        Self { now: Instant::START + Span::from_secs(100), supervisor: Supervisor::new(params) }
    }

    fn running() -> Self {
        let mut bench = Self::new(true);
        assert_eq!(bench.input(Input::Start), [Action::Fork]);
        assert_eq!(bench.input(Input::Ready), []);
        bench
    }

    fn input(&mut self, input: Input) -> Actions {
        let mut out = Actions::new();
        self.supervisor.handle(self.now, input, &mut out);
        out
    }

    /// Goes to the next timeout and says how far that was.
    fn timeout(&mut self) -> (Span, Actions) {
        let at = self.supervisor.poll_at().unwrap();
        let waited = at.since(self.now);
        self.now = self.now.max(at);
        (waited, self.input(Input::Timeout))
    }

    fn live(&mut self, span: Span) {
        self.now += span;
    }
}

#[test]
fn a_child_that_answers_is_asked_every_interval() {
    let mut bench = Bench::running();
    for number in 1..=5 {
        let (waited, actions) = bench.timeout();
        assert_eq!(actions, [Action::Hello(number)]);
        assert!(number == 1 || waited == Span::from_millis(970), "{waited}");
        bench.live(Span::from_millis(30));
        assert_eq!(bench.input(Input::Answer(number)), []);
    }
}

#[test]
fn a_child_that_does_not_answer_is_killed_in_time_and_replaced_at_once() {
    let mut bench = Bench::running();
    bench.timeout();
    assert_eq!(bench.input(Input::Answer(99)), [], "an answer to something else is none");
    let (first, actions) = bench.timeout();
    assert_eq!(actions, []);
    let (second, actions) = bench.timeout();
    assert_eq!(actions, [Action::KillHung]);
    assert_eq!(first + second, Span::from_secs(2));
    assert_eq!(bench.supervisor.poll_at(), None);
    assert_eq!(bench.input(Input::Died), [Action::Fork]);
}

#[test]
fn patience_has_a_floor_and_the_interval_bounds() {
    let params = Params::new(Span::from_millis(16), STOP_WAIT, true);
    assert_eq!((params.interval, params.patience), (Span::from_millis(100), Span::from_millis(250)));
    let params = Params::new(Span::from_secs(90), STOP_WAIT, true);
    assert_eq!((params.interval, params.patience), (Span::from_secs(1), Span::from_secs(2)));
}

#[test]
fn a_parent_that_was_late_itself_gives_the_child_another_chance() {
    let mut bench = Bench::running();
    bench.timeout();
    bench.live(Span::from_secs(10));
    assert_eq!(bench.input(Input::Timeout), []);
    bench.live(Span::from_millis(5));
    assert_eq!(bench.input(Input::Answer(1)), []);
    assert_eq!(bench.timeout().1, [Action::Hello(2)]);
    assert_eq!(bench.timeout().1, []);
    bench.live(Span::from_millis(151));
    assert_eq!(bench.input(Input::Timeout), [], "late again: the last chance begins anew");
    assert_eq!(bench.timeout().1, [Action::KillHung]);
}

#[test]
fn starting_and_reloading_suspend_the_hellos_but_are_bounded() {
    let mut bench = Bench::running();
    bench.timeout();
    assert_eq!(bench.input(Input::Reload), []);
    assert!(bench.supervisor.is_busy());
    bench.live(Span::from_secs(30));
    assert_eq!(bench.input(Input::Ready), [], "a late Ready does not end a reload");
    assert!(bench.supervisor.is_busy());
    assert_eq!(bench.input(Input::ReloadDone), []);
    assert_eq!(bench.timeout().1, [Action::Hello(2)]);

    let mut bench = Bench::new(true);
    bench.input(Input::Start);
    let (waited, actions) = bench.timeout();
    assert_eq!((waited, actions.as_slice()), (Span::from_secs(60), &[Action::KillHung][..]));
}

#[test]
fn pauses_double_while_children_die_young_and_start_over_when_one_grew_up() {
    let mut bench = Bench::running();
    let mut pauses = Vec::new();
    for _ in 0..9 {
        bench.live(Span::from_secs(35));
        let actions = bench.input(Input::Died);
        if let [Action::Delayed(pause)] = actions.as_slice() {
            pauses.push(pause.as_secs());
            let (waited, actions) = bench.timeout();
            assert_eq!((waited, actions.as_slice()), (*pause, &[Action::Fork][..]));
        } else {
            assert_eq!(actions, [Action::Fork]);
            pauses.push(0);
        }
        bench.input(Input::Ready);
    }
    assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 64, 64]);
    bench.live(Span::from_secs(65));
    assert_eq!(bench.input(Input::Died), [Action::Fork]);
}

#[test]
fn a_child_that_is_replaced_on_purpose_is_followed_at_once_however_young() {
    let mut bench = Bench::running();
    for _ in 0..3 {
        assert_eq!(bench.input(Input::Replace), []);
        assert!(bench.supervisor.is_busy());
        assert_eq!((bench.input(Input::Ready), bench.supervisor.poll_at()), (Actions::new(), None));
        assert_eq!(bench.input(Input::Died), [Action::Fork]);
        bench.input(Input::Ready);
    }
    assert_eq!(bench.input(Input::Died), [Action::Fork], "none of them has died young");
    bench.input(Input::Ready);
    bench.input(Input::Replace);
    assert_eq!(bench.input(Input::Stop), [], "it has been killed");
    assert_eq!(bench.input(Input::Died), [Action::Gone]);
}

#[test]
fn stopping_is_asked_for_then_forced() {
    let mut bench = Bench::running();
    assert_eq!(bench.input(Input::Stop), [Action::AskToStop]);
    assert_eq!(bench.input(Input::Stop), [], "asking twice changes nothing");
    let begun = bench.now;
    while bench.timeout().1.as_slice() != [Action::KillStuck] {}
    assert_eq!(bench.now.since(begun), STOP_WAIT);
    assert_eq!(bench.supervisor.poll_at(), None);
    assert_eq!(bench.input(Input::Died), [Action::Gone]);
    assert!(bench.supervisor.is_absent());

    let mut bench = Bench::running();
    bench.input(Input::Stop);
    assert_eq!(bench.input(Input::Died), [Action::Gone]);

    let mut bench = Bench::running();
    bench.input(Input::Died);
    bench.input(Input::Died);
    assert!(bench.supervisor.is_waiting());
    assert_eq!(bench.input(Input::Stop), [Action::Gone], "nothing runs, nothing is waited for");
}

#[test]
fn a_child_that_answers_while_it_stops_is_given_its_time() {
    let mut bench = Bench::running();
    bench.input(Input::Stop);
    let begun = bench.now;
    for _ in 0..20 {
        let (waited, actions) = bench.timeout();
        let [Action::Hello(number)] = actions.as_slice() else { panic!("{actions:?}") };
        assert_eq!(waited, Span::from_secs(1));
        assert_eq!(bench.input(Input::Answer(*number)), []);
    }
    let silent = bench.now;
    let mut last = Actions::new();
    while last.as_slice() != [Action::KillStuck] {
        last = bench.timeout().1;
    }
    assert_eq!((silent.since(begun), bench.now.since(silent)), (Span::from_secs(20), STOP_WAIT));

    let mut bench = Bench::running();
    bench.input(Input::Stop);
    let begun = bench.now;
    loop {
        match bench.timeout().1.as_slice() {
            [Action::Hello(number)] => assert_eq!(bench.input(Input::Answer(*number)), []),
            actions => break assert_eq!(actions, [Action::KillStuck]),
        }
    }
    assert_eq!(bench.now.since(begun), Span::from_secs(300), "but not for ever");
}

#[test]
fn patience_does_not_count_what_holds_a_child_up() {
    let mut bench = Bench::running();
    bench.timeout();
    assert!(!bench.supervisor.is_judging());
    bench.timeout();
    assert!(bench.supervisor.is_judging());
    let step = |bench: &mut Bench, held_up: u64| {
        let at = bench.supervisor.poll_at().unwrap();
        let waited = at.since(bench.now);
        bench.now = at;
        assert_eq!(bench.input(Input::HeldUp(Span::from_millis(held_up))), []);
        (waited.as_millis(), bench.input(Input::Timeout).len())
    };
    assert_eq!(step(&mut bench, 90), (100, 0));
    assert_eq!(step(&mut bench, 60), (90, 0));
    assert_eq!(step(&mut bench, 20), (60, 1), "it ran for most of it and did not answer");
}

#[test]
fn the_first_answer_of_a_child_may_take_longer() {
    let params = Params::new(Span::from_millis(150), STOP_WAIT, true);
    let mut bench = Bench { now: Instant::START, supervisor: Supervisor::new(params) };
    bench.input(Input::Start);
    bench.input(Input::Ready);
    bench.timeout();
    let begun = bench.now;
    while bench.timeout().1.is_empty() {}
    assert_eq!(bench.now.since(begun), Span::from_secs(1));
    bench.input(Input::Died);
    bench.input(Input::Ready);
    for (answer, patience) in [(true, 0), (false, 300)] {
        let (_, actions) = bench.timeout();
        let [Action::Hello(number)] = actions.as_slice() else { panic!("{actions:?}") };
        if answer {
            bench.input(Input::Answer(*number));
            continue;
        }
        let begun = bench.now;
        while bench.timeout().1.is_empty() {}
        assert_eq!(bench.now.since(begun), Span::from_millis(patience));
    }
}

#[test]
fn a_hung_child_that_is_then_unwanted_just_ends() {
    let mut bench = Bench::running();
    while bench.timeout().1 != [Action::KillHung] {}
    assert_eq!(bench.input(Input::Stop), []);
    assert_eq!(bench.input(Input::Died), [Action::Gone]);
}

#[test]
fn without_respawn_a_death_ends_everything() {
    let mut bench = Bench::new(false);
    bench.input(Input::Start);
    assert_eq!(bench.input(Input::Died), [Action::GiveUp]);
}

#[test]
fn early_timeouts_do_nothing_in_any_state() {
    let mut bench = Bench::new(true);
    assert_eq!(bench.input(Input::Timeout), []);
    for input in [Input::Start, Input::Ready, Input::Timeout, Input::Died, Input::Died, Input::Stop] {
        bench.input(input);
        let before = bench.supervisor.state;
        if bench.supervisor.poll_at().is_some_and(|at| at > bench.now) {
            assert_eq!(bench.input(Input::Timeout), []);
            assert_eq!(bench.supervisor.state, before);
        }
    }
}
