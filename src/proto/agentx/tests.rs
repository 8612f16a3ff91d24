//! What the session does with an agent that is there, away, hung, or somebody else's.

use super::*;

const ALL: Params = Params { trees: 0b1_1111 };
const NOW: Instant = Instant::from_micros(1_000_000);

struct World {
    session: Session,
    now: Instant,
}

impl World {
    fn new(params: Params) -> Self {
        let mut this = Self { session: Session::new(params), now: NOW };
        assert_eq!(this.session.poll_at(), None);
        assert_eq!(this.step(Input::Start), [Action::Connect]);
        this
    }

    fn step(&mut self, input: Input) -> Vec<Action> {
        let mut out = Actions::new();
        self.session.handle(self.now, input, &mut out);
        out.to_vec()
    }

    /// Waits until something is due; how long that was.
    fn wait(&mut self) -> (Span, Vec<Action>) {
        let before = self.now;
        assert_eq!(self.step(Input::Timeout), [], "nothing is due");
        self.now = self.session.poll_at().unwrap();
        (self.now.since(before), self.step(Input::Timeout))
    }

    fn respond(&mut self, packet: u32, error: u16) -> Vec<Action> {
        self.step(Input::Response { packet, session: 77, error })
    }

    /// Opens a session and has everything registered.
    fn open(&mut self) {
        let [Action::Send(Request::Open, packet)] = self.step(Input::Connected)[..] else { panic!() };
        let actions = self.respond(packet, error::NONE);
        assert_eq!(actions[0], Action::Event(Event::Opened));
        for action in &actions[1..] {
            let Action::Send(Request::Register(_), packet) = action else { panic!("{action:?}") };
            assert_eq!(self.respond(*packet, error::NONE), []);
        }
        assert_eq!(self.session.number(), Some(77));
    }
}

fn lost(why: Why) -> [Action; 2] {
    [Action::Disconnect, Action::Event(Event::Lost(why))]
}

#[test]
fn a_session_registers_what_is_wanted_and_pings_when_nothing_is_heard() {
    let mut world = World::new(Params { trees: 0b0_0101 });
    world.open();
    let has = |world: &World| [0, 1, 2, 3, 4].map(|tree| world.session.has(tree));
    assert_eq!(has(&world), [true, false, true, false, false]);
    let (waited, actions) = world.wait();
    let [Action::Send(Request::Ping, packet)] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(waited, IDLE);
    assert_eq!(world.respond(packet, error::NONE), []);
    world.now += Span::from_secs(10);
    assert_eq!(world.step(Input::Heard), []);
    let (waited, actions) = world.wait();
    assert!(waited == IDLE && matches!(actions[..], [Action::Send(Request::Ping, _)]));
    assert_eq!(world.wait(), (PATIENCE, lost(Why::Silent).to_vec()));
    let mut out = Actions::new();
    world.session.reconfigure(world.now, ALL, &mut out);
    assert!(out.is_empty(), "without a session");
    assert_eq!(world.wait(), (Span::from_secs(1), vec![Action::Connect]));
    world.open();
    assert_eq!(has(&world), [true; 5]);
    world.session.reconfigure(world.now, Params { trees: 0b1_0111 }, &mut out);
    assert!(matches!(out[..], [Action::Send(Request::Unregister(3), _)]));
    let stopped = world.step(Input::Stop);
    assert!(
        matches!(stopped[..], [Action::Send(Request::Close(77, CLOSE_SHUTDOWN), _), Action::Disconnect]),
        "{stopped:?}"
    );
    assert_eq!((world.session.poll_at(), world.session.number()), (None, None));
    assert_eq!(world.step(Input::Stop), []);
}

#[test]
fn an_agent_that_is_away_is_told_of_once_and_tried_ever_more_rarely() {
    let mut world = World::new(ALL);
    let unreachable = Action::Event(Event::Unreachable(Why::Connection));
    assert_eq!(world.step(Input::Disconnected), [Action::Disconnect, unreachable]);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let (pause, actions) = world.wait();
        assert_eq!(actions, [Action::Connect]);
        pauses.push(pause.as_micros() / 1_000_000);
        assert_eq!(world.step(Input::Disconnected), [Action::Disconnect]);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(world.wait().1, [Action::Connect]);
    world.open();
    assert_eq!(world.step(Input::Closed), lost(Why::Closed));
    // A session that was not found to last leaves the pause as it was.
    assert_eq!(world.wait(), (Span::from_secs(60), vec![Action::Connect]));
    world.open();
    let (_, actions) = world.wait();
    let [Action::Send(Request::Ping, packet)] = actions[..] else { panic!("{actions:?}") };
    world.respond(packet, error::NONE);
    assert_eq!(world.step(Input::Disconnected), lost(Why::Connection));
    assert_eq!(world.wait(), (Span::from_secs(1), vec![Action::Connect]));
}

#[test]
fn an_agent_that_hangs_costs_a_deadline_at_each_step() {
    let silent = [Action::Disconnect, Action::Event(Event::Unreachable(Why::Silent))];
    let mut world = World::new(ALL);
    assert_eq!(world.wait(), (PATIENCE, silent.to_vec()));
    world = World::new(ALL);
    assert!(matches!(world.step(Input::Connected)[..], [Action::Send(Request::Open, 1)]));
    assert_eq!(world.respond(2, error::NONE), [], "that answers nothing");
    assert_eq!(world.wait(), (PATIENCE, silent.to_vec()));
    world.wait();
    let [Action::Send(Request::Open, packet)] = world.step(Input::Connected)[..] else { panic!() };
    assert_eq!(world.respond(packet, error::NONE).len(), 1 + TREES);
    assert_eq!(world.wait(), (PATIENCE, lost(Why::Silent).to_vec()));
    for (input, why) in [(Input::Garbled, Why::Garbled), (Input::Disconnected, Why::Connection)] {
        let mut world = World::new(ALL);
        world.open();
        assert_eq!(world.step(input), lost(why));
    }
}

#[test]
fn what_an_agent_refuses_is_asked_for_again_and_told_once() {
    let mut world = World::new(Params { trees: 1 });
    let [Action::Send(Request::Open, packet)] = world.step(Input::Connected)[..] else { panic!() };
    let actions = world.respond(packet, error::NONE);
    let [_, Action::Send(Request::Register(0), packet)] = actions[..] else { panic!("{actions:?}") };
    let refused = Action::Event(Event::Refused(0, error::DUPLICATE_REGISTRATION));
    assert_eq!(world.respond(packet, error::DUPLICATE_REGISTRATION), [refused]);
    assert!(!world.session.has(0));
    let mut asked_again = 0;
    for _ in 0..10 {
        for action in world.wait().1 {
            match action {
                Action::Send(Request::Register(0), packet) => {
                    asked_again += 1;
                    assert_eq!(world.respond(packet, error::DUPLICATE_REGISTRATION), []);
                }
                Action::Send(Request::Ping, packet) => assert_eq!(world.respond(packet, error::NONE), []),
                _ => panic!("{action:?}"),
            }
        }
    }
    assert!(asked_again >= 4, "{asked_again}");
    // An agent that was restarted behind a connection that stayed knows nothing of the session.
    assert_eq!(world.respond(1_000, error::NOT_OPEN), lost(Why::Closed));
    let mut world = World::new(ALL);
    let [Action::Send(Request::Open, packet)] = world.step(Input::Connected)[..] else { panic!() };
    let denied = Action::Event(Event::Unreachable(Why::Denied(256)));
    assert_eq!(world.respond(packet, 256), [Action::Disconnect, denied]);
}
