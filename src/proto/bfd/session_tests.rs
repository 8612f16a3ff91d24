//! The session machine: its table of states, its timers, its polls, and what a successor takes over.

use super::*;

const MY: u32 = 0x11;
const YOUR: u32 = 0x22;

fn params() -> Params {
    Params {
        min_tx: Span::from_millis(100),
        min_rx: Span::from_millis(200),
        multiplier: 3,
        ..Params::default()
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_micros(1_000_000 + millis * 1_000)
}

fn session(params: Params) -> Session {
    let mut session = Session::new(params, MY, 7);
    handle(&mut session, 0, Input::Start(None));
    session
}

fn handle(session: &mut Session, millis: u64, input: Input) -> Vec<Action> {
    let mut out = Actions::new();
    session.handle(at(millis), input, &mut out);
    out.into_iter().collect()
}

/// A packet of a peer that wants 300 ms and a packet every 50 ms at most, and counts to four.
fn peer(state: State) -> Control {
    Control {
        state,
        multiplier: 4,
        my: YOUR,
        your: if state > State::Down { MY } else { 0 },
        min_tx: Span::from_millis(300),
        min_rx: Span::from_millis(50),
        ..Control::default()
    }
}

fn hear(session: &mut Session, millis: u64, control: Control) -> Vec<Action> {
    handle(session, millis, Input::Received { control, arrived: at(millis) })
}

fn packets(actions: &[Action]) -> Vec<Control> {
    let packet = |action: &Action| if let Action::Transmit(control) = action { Some(*control) } else { None };
    actions.iter().filter_map(packet).collect()
}

fn events(actions: &[Action]) -> Vec<Event> {
    let event = |action: &Action| if let Action::Event(event) = action { Some(*event) } else { None };
    actions.iter().filter_map(event).collect()
}

/// A session that is up at 20 ms and whose poll the peer has answered at 30 ms.
fn up() -> Session {
    let mut session = session(params());
    hear(&mut session, 10, peer(State::Down));
    hear(&mut session, 20, peer(State::Up));
    hear(&mut session, 30, Control { last: true, ..peer(State::Up) });
    assert_eq!(session.state(), State::Up);
    assert!(!session.polls());
    session
}

fn in_state(state: State) -> Session {
    match state {
        State::Down => session(params()),
        State::Init => {
            let mut session = session(params());
            hear(&mut session, 10, peer(State::Down));
            session
        }
        State::Up => up(),
        State::AdminDown => {
            let mut session = up();
            handle(&mut session, 30, Input::Disable);
            session
        }
    }
}

#[test]
fn every_state_hears_every_state_as_the_rfc_says() {
    use State::{AdminDown, Down, Init, Up};
    let table = [
        (Down, AdminDown, Down),
        (Down, Down, Init),
        (Down, Init, Up),
        (Down, Up, Down),
        (Init, AdminDown, Down),
        (Init, Down, Init),
        (Init, Init, Up),
        (Init, Up, Up),
        (Up, AdminDown, Down),
        (Up, Down, Down),
        (Up, Init, Up),
        (Up, Up, Up),
        (AdminDown, AdminDown, AdminDown),
        (AdminDown, Down, AdminDown),
        (AdminDown, Init, AdminDown),
        (AdminDown, Up, AdminDown),
    ];
    for (from, heard, to) in table {
        let mut session = in_state(from);
        assert_eq!(session.state(), from);
        let out = hear(&mut session, 40, peer(heard));
        assert_eq!(session.state(), to, "{from:?} hears {heard:?}");
        let transition = events(&out).iter().any(|event| matches!(event, Event::Transition { .. }));
        assert_eq!(transition, from != to);
        assert_eq!(
            packets(&out).first().map(|packet| packet.state),
            (from != to).then_some(to),
            "told at once"
        );
        if to == Down && from != Down {
            assert_eq!(session.diagnostic(), Diagnostic::NEIGHBOR_DOWN);
        }
    }
}

#[test]
fn a_handshake_polls_and_what_is_said_and_used_follows_the_state() {
    let mut session = session(params());
    assert_eq!(session.packet().min_tx, Span::from_secs(1), "slow while it is not up");
    assert_eq!(session.packet().your, 0);
    let out = hear(&mut session, 10, peer(State::Down));
    assert_eq!(
        events(&out),
        [
            Event::Detection { from: Span::ZERO, to: Span::from_millis(1_200) },
            Event::Transition { from: State::Down, to: State::Init }
        ]
    );
    assert_eq!(packets(&out)[0].your, YOUR);
    let out = hear(&mut session, 20, peer(State::Up));
    assert_eq!(events(&out), [Event::Transition { from: State::Init, to: State::Up }, Event::PollBegins]);
    let [packet] = packets(&out)[..] else { panic!("one packet") };
    assert!(packet.poll && !packet.last && packet.state == State::Up);
    assert_eq!((packet.min_tx, packet.min_rx), (Span::from_millis(100), Span::from_millis(200)));
    assert_eq!(session.transmit_interval(), Span::from_millis(100));
    let out = hear(&mut session, 30, Control { last: true, ..peer(State::Up) });
    assert_eq!(events(&out), [Event::PollEnds]);
    assert!(!session.packet().poll);
}

#[test]
fn a_poll_is_answered_at_once_and_not_by_a_poll() {
    let mut session = session(params());
    hear(&mut session, 10, peer(State::Down));
    let out = hear(&mut session, 20, Control { poll: true, ..peer(State::Up) });
    let sent = packets(&out);
    assert_eq!(
        sent.iter().map(|packet| (packet.poll, packet.last)).collect::<Vec<_>>(),
        [(true, false), (false, true)]
    );
    let mut off = in_state(State::AdminDown);
    assert!(packets(&hear(&mut off, 50, Control { poll: true, ..peer(State::Up) })).is_empty());
}

#[test]
fn the_peer_is_lost_after_its_multiplier_times_the_slower_interval() {
    let mut session = up();
    assert_eq!(session.detection_time(), Span::from_millis(1_200));
    hear(&mut session, 100, peer(State::Up));
    assert!(events(&handle(&mut session, 1_299, Input::Timeout)).is_empty());
    let out = handle(&mut session, 1_302, Input::Timeout);
    let expired = Event::Expired { after: Span::from_millis(1_200), overdue: Span::from_millis(2) };
    assert_eq!(events(&out), [expired, Event::Transition { from: State::Up, to: State::Down }]);
    assert_eq!(session.diagnostic(), Diagnostic::EXPIRED);
    let [packet] = packets(&out)[..] else { panic!("one packet") };
    assert_eq!((packet.your, packet.min_tx, packet.poll), (0, Span::from_secs(1), false));
    // The required interval counts where it is the slower one.
    let mut session = up();
    hear(&mut session, 100, Control { min_tx: Span::from_millis(20), ..peer(State::Up) });
    assert_eq!(session.detection_time(), Span::from_millis(800));
}

#[test]
fn a_peer_that_falls_silent_while_the_session_is_down_is_forgotten() {
    let mut session = session(Params { passive: true, ..params() });
    assert_eq!(session.poll_at(), None, "a passive session waits");
    let out = hear(&mut session, 10, Control { state: State::AdminDown, ..peer(State::Down) });
    assert!(packets(&out).is_empty());
    assert_eq!(session.peer().discriminator, YOUR);
    assert!(session.poll_at().is_some(), "it has heard its peer");
    handle(&mut session, 1_210, Input::Timeout);
    assert_eq!((session.peer().discriminator, session.poll_at()), (0, None));
}

/// Packets leave at multiples of so many microseconds.
const TICK: u64 = 2_048;

#[test]
fn a_packet_leaves_at_a_tick_of_a_small_part_of_its_interval() {
    let ticks = [1, 31, 32, 1_000, 10_000, 50_000, 1_000_000].map(tick);
    assert_eq!(ticks, [1, 1, 2, 32, 512, TICK, TICK]);
}

/// The detection time begins when a packet comes in, not when it is read.
#[test]
fn a_packet_that_is_read_late_counts_from_its_arrival() {
    let mut session = up();
    let (mut out, arrived) = (Actions::new(), at(99));
    session.handle(at(101), Input::Received { control: peer(State::Up), arrived }, &mut out);
    // Stamps that contradict each other, or the clock, do no harm.
    for arrived in [at(98), Instant::START] {
        session.handle(at(102), Input::Received { control: peer(State::Up), arrived }, &mut out);
    }
    handle(&mut session, 99 + 1_199, Input::Timeout);
    assert_eq!(session.state(), State::Up);
    let expired = Event::Expired { after: Span::from_millis(1_200), overdue: Span::ZERO };
    assert_eq!(events(&handle(&mut session, 99 + 1_200, Input::Timeout))[0], expired);
    let mut session = up();
    session.handle(at(101), Input::Received { control: peer(State::Up), arrived: at(500) }, &mut out);
    assert_eq!(events(&handle(&mut session, 101 + 1_200, Input::Timeout))[0], expired);
}

#[test]
fn packets_keep_to_the_interval_with_jitter_and_do_not_drift() {
    for (multiplier, shortest, longest) in [(3, 75_000, 100_000), (1, 75_000, 90_000)] {
        let mut session = session(Params { multiplier, ..params() });
        hear(&mut session, 10, peer(State::Down));
        hear(&mut session, 20, peer(State::Up));
        hear(&mut session, 20, Control { last: true, min_tx: Span::from_secs(100), ..peer(State::Up) });
        let (mut last, mut least, mut most, mut sum) = (at(20), u64::MAX, 0, 0);
        for turn in 0..2_000 {
            let due = session.poll_at().unwrap();
            let gap = due.since(last).as_micros();
            if turn > 0 {
                (least, most, sum) = (least.min(gap), most.max(gap), sum + gap);
            }
            last = due;
            assert_eq!(due.as_micros() % TICK, 0, "all sessions send at the same moments");
            // Every packet leaves a little late: the next one is not reckoned from that.
            let mut out = Actions::new();
            session.handle(due + Span::from_micros(900), Input::Timeout, &mut out);
            assert_eq!(out.len(), 1);
        }
        assert!(least >= shortest && least < shortest + TICK, "{least}");
        assert!(most <= longest && most > longest - TICK, "{most}");
        let mean = sum / 1_999;
        let middle = u64::midpoint(shortest, longest);
        assert!(mean > middle - 1_000 && mean < middle + 1_000, "{mean}");
    }
}

/// Field case 66.
#[test]
fn the_peer_says_how_often_it_wants_packets() {
    let mut session = up();
    hear(&mut session, 40, Control { min_rx: Span::from_millis(300), ..peer(State::Up) });
    assert_eq!(session.transmit_interval(), Span::from_millis(300), "field case 66");
    hear(&mut session, 50, Control { min_rx: Span::from_millis(10), ..peer(State::Up) });
    assert!(session.poll_at().unwrap() <= at(50 + 100), "a packet that was to leave late leaves earlier");
    hear(&mut session, 60, Control { min_rx: Span::ZERO, ..peer(State::Up) });
    assert_eq!(session.poll_at(), Some(at(60 + 1_200)), "only the end of the detection time is waited for");
    hear(&mut session, 70, Control { demand: true, ..peer(State::Up) });
    assert_eq!(session.poll_at(), Some(at(70 + 1_200)), "demand mode");
    hear(&mut session, 80, peer(State::Up));
    assert!(session.poll_at().unwrap() <= at(180));
}

/// Field case 67.
#[test]
fn longer_intervals_wait_for_the_answer_to_the_poll_and_shorter_ones_do_not() {
    let mut session = up();
    let change = |session: &mut Session, millis, tx, rx| {
        let mut out = Actions::new();
        let wanted = Params { min_tx: Span::from_millis(tx), min_rx: Span::from_millis(rx), ..params() };
        session.reconfigure(at(millis), wanted, &mut out);
        out.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(events(&change(&mut session, 40, 2_000, 100)), [Event::PollBegins]);
    assert_eq!(session.packet().min_tx, Span::from_secs(2));
    assert_eq!(session.packet().min_rx, Span::from_millis(100));
    assert_eq!(session.transmit_interval(), Span::from_millis(100), "field case 67");
    hear(&mut session, 50, Control { min_tx: Span::from_millis(1), ..peer(State::Up) });
    assert_eq!(session.detection_time(), Span::from_millis(800), "still 200 ms a packet");
    hear(&mut session, 60, Control { last: true, min_tx: Span::from_millis(1), ..peer(State::Up) });
    assert_eq!(session.transmit_interval(), Span::from_secs(2));
    assert_eq!(session.detection_time(), Span::from_millis(400));
    assert_eq!(session.state(), State::Up);
    // Shorter to send, longer to receive: at once.
    change(&mut session, 70, 20, 300);
    assert_eq!(session.transmit_interval(), Span::from_millis(50));
    assert_eq!(session.detection_time(), Span::from_millis(1_200));
    assert!(session.poll_at().unwrap() <= at(70 + 50));
    // A change during a poll begins another one after the first.
    assert!(events(&change(&mut session, 75, 500, 300)).is_empty());
    assert!(events(&hear(&mut session, 80, Control { last: true, ..peer(State::Up) })).is_empty());
    assert!(session.polls());
    assert_eq!(session.transmit_interval(), Span::from_millis(50));
    assert_eq!(events(&hear(&mut session, 90, Control { last: true, ..peer(State::Up) })), [Event::PollEnds]);
    assert_eq!(session.transmit_interval(), Span::from_millis(500));
    assert!(events(&change(&mut session, 95, 500, 300)).is_empty(), "nothing has changed");
    assert!(!session.polls());
}

#[test]
fn parameters_of_a_session_that_is_not_up_need_no_poll() {
    let mut session = session(params());
    let mut out = Actions::new();
    let wanted = Params { min_rx: Span::from_millis(1), idle_tx: Span::from_secs(3), ..params() };
    session.reconfigure(at(5), wanted, &mut out);
    assert!(out.is_empty());
    let packet = session.packet();
    assert_eq!(
        (packet.min_tx, packet.min_rx, packet.poll),
        (Span::from_secs(3), Span::from_millis(1), false)
    );
}

/// Field case 68: packets of the other kinds are discarded by `wire::bfd` before a session hears them.
#[test]
fn a_peer_that_was_restarted_brings_the_session_down_and_up_again() {
    let mut session = up();
    let restarted = Control { my: 0x33, ..peer(State::Down) };
    assert_eq!(session.state(), State::Up);
    let out = hear(&mut session, 40, restarted);
    assert_eq!(session.state(), State::Down, "field case 68");
    assert_eq!(packets(&out)[0].your, 0x33);
    hear(&mut session, 50, restarted);
    assert_eq!(session.state(), State::Init);
    assert_eq!(session.packet().diagnostic, Diagnostic::NEIGHBOR_DOWN);
    hear(&mut session, 60, Control { my: 0x33, ..peer(State::Init) });
    assert_eq!((session.state(), session.diagnostic()), (State::Up, Diagnostic::NONE));
}

/// Field case 70.
#[test]
fn a_session_is_switched_off_and_on_and_a_peer_that_is_off_is_told_apart() {
    let mut session = up();
    let out = handle(&mut session, 40, Input::Disable);
    let [packet] = packets(&out)[..] else { panic!("one packet") };
    assert_eq!((packet.state, packet.diagnostic), (State::AdminDown, Diagnostic::ADMIN_DOWN));
    assert!(handle(&mut session, 41, Input::Disable).is_empty());
    hear(&mut session, 50, peer(State::Up));
    assert!(session.poll_at().unwrap() > at(300), "packets are slow");
    handle(&mut session, 1_250, Input::Timeout);
    assert_eq!(
        (session.state(), session.peer().discriminator),
        (State::AdminDown, 0),
        "the peer is forgotten"
    );
    handle(&mut session, 1_260, Input::Enable);
    assert_eq!(session.state(), State::Down);
    let mut session = up();
    hear(&mut session, 40, Control { diagnostic: Diagnostic::ADMIN_DOWN, ..peer(State::AdminDown) });
    assert_eq!(session.state(), State::Down);
    assert_eq!((session.peer().state, session.peer().diagnostic), (State::AdminDown, Diagnostic::ADMIN_DOWN));
}

#[test]
fn the_session_of_a_process_that_died_goes_on_and_falls_only_if_the_peer_does() {
    let known = *up().peer();
    let adopt = || {
        let mut session = Session::new(params(), MY, 7);
        let out = handle(&mut session, 0, Input::Start(Some(Adopted { peer: known })));
        assert_eq!(events(&out), [Event::PollBegins]);
        let [packet] = packets(&out)[..] else { panic!("one packet") };
        assert_eq!((packet.state, packet.your), (State::Up, YOUR));
        session
    };
    let mut session = adopt();
    hear(&mut session, 5, Control { last: true, ..peer(State::Up) });
    assert_eq!(session.state(), State::Up);
    let mut session = adopt();
    assert!(events(&handle(&mut session, 1_199, Input::Timeout)).is_empty());
    handle(&mut session, 1_200, Input::Timeout);
    assert_eq!(session.state(), State::Down);
}

#[test]
fn no_input_leads_to_more_actions_than_there_is_room_for() {
    let mut longest = 0;
    for from in [State::AdminDown, State::Down, State::Init, State::Up] {
        for heard in [State::AdminDown, State::Down, State::Init, State::Up] {
            for flags in 0..8 {
                let mut session = in_state(from);
                if flags & 4 != 0 {
                    session.reconfigure(
                        at(35),
                        Params { min_tx: Span::from_millis(1), ..params() },
                        &mut Actions::new(),
                    );
                }
                let control =
                    Control { poll: flags & 1 != 0, last: flags & 2 != 0, min_tx: Span::ZERO, ..peer(heard) };
                longest = longest.max(hear(&mut session, 40, control).len());
            }
        }
    }
    assert!(longest < LONGEST, "{longest}");
}
