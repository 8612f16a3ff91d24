//! 100,000 seeded mutations of BFD packets, between the authentic packets that keep a session up: most are discarded
//! before the session sees them, and what names the session as only its peer can does what the RFC says and no more.

use keepalived::base::bytes::Writer;
use keepalived::base::time::{Instant, Span};
use keepalived::proto::bfd::session::{Action, Actions, Event, Input};
use keepalived::proto::bfd::{Params, Session};
use keepalived::wire::bfd::{Control, Diagnostic, LEN, State};

use super::mutate::Random;

const CASES: u64 = 100_000;
/// Mutations between two authentic packets.
const BETWEEN: u64 = 5;
const INTERVAL: Span = Span::from_millis(50);
const OURS: u32 = 0x1122_3344;
const PEERS: u32 = 0x5566_7788;

/// What the peer sends.
fn authentic(state: State) -> Control {
    Control {
        state,
        multiplier: 3,
        my: PEERS,
        your: OURS,
        min_tx: INTERVAL,
        min_rx: INTERVAL,
        ..Control::default()
    }
}

fn hear(session: &mut Session, now: Instant, control: Control) -> Actions {
    handle(session, now, Input::Received { control, arrived: now })
}

fn handle(session: &mut Session, now: Instant, input: Input) -> Actions {
    let mut out = Actions::new();
    session.handle(now, input, &mut out);
    out
}

fn falls(actions: &Actions) -> bool {
    actions.iter().any(|action| matches!(action, Action::Event(Event::Transition { from: State::Up, .. })))
}

/// Octets that were a packet of the peer, of a stranger or of the session itself.
fn mutation(random: &mut Random, own: &Control) -> Vec<u8> {
    let mut octets = vec![0; LEN];
    let state = [State::AdminDown, State::Down, State::Init, State::Up][random.below(4)];
    let mut packet = if random.below(4) == 0 { *own } else { authentic(state) };
    match random.below(6) {
        0 => packet.your = 0,
        1 => packet.your ^= 1 << random.below(32),
        2 => packet.diagnostic = Diagnostic(u8::try_from(random.below(32)).unwrap()),
        3 => packet.poll = true,
        4 => packet.last = true,
        _ => {}
    }
    packet.emit(&mut Writer::new(&mut octets)).unwrap();
    for _ in 0..random.below(4) {
        let at = random.below(octets.len());
        match random.below(5) {
            0 => octets.truncate(at),
            1 | 2 if at < octets.len() => octets[at] ^= 1 << random.below(8),
            3 if at < octets.len() => octets[at] = u8::try_from(random.below(256)).unwrap(),
            _ => octets.insert(at, u8::try_from(random.below(256)).unwrap()),
        }
    }
    octets
}

#[test]
fn a_session_that_its_peer_keeps_up_is_not_taken_down_by_mutated_packets() {
    let params = Params { min_rx: INTERVAL, min_tx: INTERVAL, multiplier: 3, ..Params::default() };
    let mut session = Session::new(params, OURS, 7);
    let mut now = Instant::from_micros(1_000_000);
    handle(&mut session, now, Input::Start(None));
    hear(&mut session, now, authentic(State::Init));
    hear(&mut session, now, Control { last: true, ..authentic(State::Up) });
    assert_eq!((session.state(), session.polls()), (State::Up, false));
    let (mut discarded, mut taken, mut ended) = (0, 0, 0);
    for case in 0..CASES {
        let mut random = Random(case);
        if case.is_multiple_of(BETWEEN) {
            now += INTERVAL;
            let mut out = handle(&mut session, now, Input::Timeout);
            assert!(!falls(&out), "{case}");
            out = hear(&mut session, now, authentic(State::Up));
            assert!(!falls(&out), "{case}");
        }
        let octets = mutation(&mut random, &session.packet());
        let control = Control::parse(&octets).ok();
        // As a child finds the session: by its discriminator, or by its addresses while the peer does not know that.
        let Some(control) = control.filter(|control| control.your == OURS || control.your == 0) else {
            discarded += 1;
            continue;
        };
        taken += 1;
        // Nothing tells it apart from a packet of the peer. The session that takes it is another one, so that the next case
        // begins as this one did.
        let mut copy = session.clone();
        let out = hear(&mut copy, now, control);
        let says_so = control.state <= State::Down;
        assert_eq!(falls(&out), says_so, "{case}: {control:?}");
        ended += u64::from(says_so);
        if says_so {
            continue;
        }
        // Whatever intervals it told, the next authentic packet puts them right before the session is lost by time, unless
        // the packet says that its sender is faster than that.
        let allowed = copy.detection_time() > INTERVAL;
        let next = now + INTERVAL;
        let lost = falls(&handle(&mut copy, next, Input::Timeout));
        assert!(!(lost && allowed), "{case}: {control:?}");
        if !lost {
            let out = hear(&mut copy, next, authentic(State::Up));
            assert!(!falls(&out), "{case}: {control:?}");
            assert_eq!(copy.peer(), session.peer(), "{case}");
            assert_eq!(copy.detection_time(), INTERVAL * 3, "{case}");
        }
    }
    assert_eq!(session.state(), State::Up);
    assert!(discarded > CASES / 4 && taken > CASES / 4 && ended > CASES / 10, "{discarded} {taken} {ended}");
}
