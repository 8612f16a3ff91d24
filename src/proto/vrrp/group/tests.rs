//! Who leads and who follows, by table, and a property over random events: all members are in one class of states.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::action::{Action as MachineAction, Actions as MachineActions};
use super::super::machine::{Heard, Input as MachineInput};
use super::super::params::Params;
use super::*;
use crate::base::addr::IpAddr;
use crate::base::time::{Instant, Span};

const PEER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 2));

/// A member with its surroundings.
struct Member {
    machine: Machine,
    own: Faults,
    pending: bool,
    held: bool,
}

/// A group with its members, driven as the child does it.
struct Assembly {
    now: Instant,
    group: Group,
    members: Vec<Member>,
    log: Vec<(u32, MachineAction)>,
    rebuilding: bool,
}

impl Assembly {
    fn new(members: impl IntoIterator<Item = Params>) -> Self {
        let member = |params| {
            let mut machine = Machine::new(params);
            machine.set_synced(true);
            Member { machine, own: Faults::NONE, pending: false, held: false }
        };
        let members = members.into_iter().map(member).collect();
        Self { now: Instant::START, group: Group::new(), members, log: Vec::new(), rebuilding: false }
    }

    /// Two members of priority 100 that have been MASTER for a moment.
    fn masters() -> Self {
        let mut pair = Self::new([Params::default(), Params::default()]);
        pair.start(None);
        pair.wait(4_000);
        assert_eq!(pair.states(), [State::Master; 2]);
        pair.log.clear();
        pair
    }

    fn states(&self) -> Vec<State> {
        self.members.iter().map(|member| member.machine.state()).collect()
    }

    fn outlook(&self) -> Outlook {
        Outlook::of(self.members.iter().map(|member| &member.machine))
    }

    fn start(&mut self, adopt: Option<State>) {
        for _ in 0..2 {
            for who in 0..self.members.len() {
                self.refresh(who);
            }
        }
        let (first, outlook) = (InstanceId(0), self.outlook());
        self.drive_group(Input::Start { first, outlook, adopt });
        for who in 0..self.members.len() {
            self.drive(who, MachineInput::Start { adopt });
        }
    }

    fn refresh(&mut self, who: usize) {
        let others = || self.members.iter().enumerate().filter(|(other, _)| *other != who);
        let blocked = others().any(|(_, other)| !other.machine.faults().own().is_empty());
        let pending = self.members[who].pending || others().any(|(_, other)| other.pending);
        let faults = faults(self.members[who].own, blocked);
        let machine = &self.members[who].machine;
        if (machine.faults(), machine.is_pending()) != (faults, pending) {
            self.drive(who, MachineInput::Faults { faults, pending });
        }
    }

    fn drive(&mut self, who: usize, input: MachineInput) {
        let out = self.step(who, input);
        if self.rebuilding {
            return;
        }
        let member = InstanceId::at(who);
        for action in out {
            let input = match action {
                MachineAction::Report(Event::Transition { from, to, why }) => {
                    Input::Moved { member, from, to, why }
                }
                MachineAction::Report(Event::Expired) => {
                    Input::Expired { member, everyone: self.outlook().expired }
                }
                _ => continue,
            };
            self.drive_group(input);
        }
    }

    fn drive_group(&mut self, input: Input) {
        let mut out = Actions::new();
        self.group.handle(input, &mut out);
        for action in &out {
            match *action {
                Action::Move { member, to, why } => {
                    self.drive(member.index(), MachineInput::Sync { to, why })
                }
                Action::Follow { leader, to, why } => {
                    for who in 0..self.members.len() {
                        if Some(InstanceId::at(who)) == leader {
                            continue;
                        }
                        let Member { own, pending, .. } = self.members[who];
                        for input in steps(to, why, own, pending).into_iter().flatten() {
                            self.step(who, input);
                        }
                    }
                }
                Action::Report(member, event) => self.log.push((member.0, MachineAction::Report(event))),
            }
        }
    }

    fn step(&mut self, who: usize, input: MachineInput) -> MachineActions {
        let mut out = MachineActions::new();
        let member = &mut self.members[who];
        member.machine.handle(self.now, input, &mut out);
        for action in &out {
            match action {
                MachineAction::AddAddresses => member.held = true,
                MachineAction::RemoveAddresses => member.held = false,
                _ => {}
            }
            self.log.push((InstanceId::at(who).0, *action));
        }
        out
    }

    /// Lets timers run for some milliseconds.
    fn wait(&mut self, millis: u64) {
        let until = self.now + Span::from_millis(millis);
        while let Some((at, who)) = self.next().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            self.drive(who, MachineInput::Timeout);
            self.agree();
        }
        self.now = until;
    }

    fn next(&self) -> Option<(Instant, usize)> {
        let due = self.members.iter().enumerate();
        due.filter_map(|(who, member)| Some((member.machine.poll_at()?, who))).min()
    }

    fn advert(&mut self, who: usize, priority: u8, higher_address: bool) {
        let (at, interval) = (self.now, Span::from_secs(1));
        let heard = Heard { at, from: PEER, priority, interval, higher_address };
        self.drive(who, MachineInput::Advert(heard));
    }

    fn fault(&mut self, who: usize, fault: Fault, holds: bool) {
        self.members[who].own = self.members[who].own.with(fault, holds);
        self.refresh(who);
    }

    /// All members are in the state of the group, which is FAULT exactly if something speaks against one; those that
    /// wait for a script's first result may still be in INIT.
    fn agree(&self) {
        let state = self.group.state();
        for member in &self.members {
            let machine = &member.machine;
            let waits = machine.is_pending() && machine.state() == State::Init;
            assert!(machine.state() == state || waits, "{:?} in a group that is {state:?}", self.states());
            assert_eq!(member.held, machine.state() == State::Master);
            let timed = machine.poll_at().is_some() || machine.is_expired();
            assert_eq!(timed, matches!(machine.state(), State::Backup | State::Master));
        }
        let blocked = self.members.iter().any(|member| !member.own.is_empty());
        let pending = self.members.iter().any(|member| member.pending);
        assert!(!blocked || state == State::Fault, "{state:?} although somebody has a reason for FAULT");
        assert!(blocked || pending || state != State::Fault, "FAULT for no reason");
    }

    /// The transitions and what is told of the group, in order.
    fn story(&self) -> Vec<String> {
        let tell = |(who, action): &(u32, MachineAction)| match action {
            MachineAction::Report(Event::Transition { to, .. }) => Some(format!("{who} {to:?}")),
            MachineAction::Report(Event::Syncing(to)) => Some(format!("syncing {to:?}")),
            MachineAction::Report(Event::Group { to, .. }) => Some(format!("group {to:?}")),
            MachineAction::Report(Event::Expired) => Some(format!("{who} expired")),
            MachineAction::SendAdvert { priority } => Some(format!("{who} sends {priority}")),
            _ => None,
        };
        self.log.iter().filter_map(tell).collect()
    }
}

#[test]
fn the_last_timer_leads_all_to_master() {
    let params = |priority| Params { priority, ..Params::default() };
    let mut pair = Assembly::new([params(100), params(150)]);
    pair.start(None);
    assert_eq!(pair.story(), ["group Backup", "0 Backup", "1 Backup"]);
    pair.log.clear();
    pair.wait(3_500);
    assert_eq!(pair.story(), ["1 expired"]);
    assert_eq!(pair.states(), [State::Backup; 2]);
    pair.wait(200);
    let told = [
        "1 expired",
        "0 expired",
        "0 sends 100",
        "0 Master",
        "syncing Master",
        "1 sends 150",
        "1 Master",
        "group Master",
    ];
    assert_eq!(pair.story(), told);
}

#[test]
fn one_that_waits_listens_again() {
    let mut pair = Assembly::new([Params::default(), Params::default()]);
    pair.start(None);
    pair.wait(3_000);
    pair.advert(0, 200, true);
    pair.wait(2_000);
    assert!(pair.members[1].machine.is_expired());
    pair.advert(1, 0, true);
    assert!(pair.members[1].machine.is_expired(), "it has waited out its skew time");
    pair.advert(1, 200, true);
    assert!(!pair.members[1].machine.is_expired());
    pair.wait(1_500);
    assert_eq!(pair.states(), [State::Backup; 2], "0 is due, 1 is not");
    pair.wait(3_000);
    assert_eq!(pair.states(), [State::Master; 2]);
}

#[test]
fn an_outranked_member_takes_all_down_without_priority_0() {
    let mut pair = Assembly::masters();
    pair.advert(1, 200, true);
    let told = ["1 sends 100", "1 Backup", "syncing Backup", "0 sends 1", "0 Backup", "group Backup"];
    assert_eq!(pair.story(), told);
    pair.agree();
}

#[test]
fn a_fault_takes_all_down_and_the_last_one_to_recover_leads_back() {
    let mut pair = Assembly::masters();
    pair.fault(0, Fault::LinkDown, true);
    let told = [
        "0 sends 0",
        "0 sends 0",
        "0 Fault",
        "syncing Fault",
        "1 sends 0",
        "1 sends 0",
        "1 Fault",
        "group Fault",
    ];
    assert_eq!(pair.story(), told);
    assert_eq!(pair.members[1].machine.faults().to_string(), Fault::Group.text());
    pair.fault(1, Fault::Script, true);
    pair.fault(0, Fault::LinkDown, false);
    assert_eq!(pair.states(), [State::Fault; 2]);
    pair.log.clear();
    pair.fault(1, Fault::Script, false);
    assert_eq!(pair.story(), ["1 Backup", "syncing Backup", "0 Backup", "group Backup"]);
    pair.agree();
}

#[test]
fn lost_addresses_bounce_the_whole_group_after_the_skew_time() {
    let mut pair = Assembly::masters();
    pair.drive(0, MachineInput::AddressLost);
    assert_eq!(
        pair.story(),
        ["0 sends 0", "0 Backup", "syncing Backup", "1 sends 0", "1 Backup", "group Backup"]
    );
    pair.wait(700);
    assert_eq!(pair.states(), [State::Master; 2]);
}

#[test]
fn a_group_begins_as_one() {
    let params = Params::default;
    let mut pair = Assembly::new([params(), params()]);
    pair.members[1].own = Faults::NONE.with(Fault::LinkDown, true);
    pair.start(None);
    assert_eq!(pair.story(), ["group Fault", "0 Fault", "1 Fault"]);

    let mut pair = Assembly::new([params(), params()]);
    pair.members[1].pending = true;
    pair.start(None);
    assert_eq!(pair.states(), [State::Init; 2]);
    pair.members[1].pending = false;
    pair.refresh(1);
    assert_eq!(pair.story(), ["1 Backup", "0 Backup", "group Backup"]);

    let owner = || Params { priority: 255, start: Start::Master, ..Params::default() };
    let mut owners = Assembly::new([owner(), owner()]);
    owners.start(None);
    assert_eq!(owners.story(), ["group Master", "0 sends 255", "0 Master", "1 sends 255", "1 Master"]);
    owners.fault(0, Fault::LinkDown, true);
    owners.fault(0, Fault::LinkDown, false);
    assert_eq!(owners.states(), [State::Backup; 2], "only the beginning makes an owner MASTER at once");

    let mut one_eager = Assembly::new([params(), owner()]);
    one_eager.start(None);
    assert_eq!(one_eager.states(), [State::Master; 2], "a member that is MASTER pulls the others");
}

#[test]
fn a_successor_carries_on_as_one() {
    for state in [State::Master, State::Backup] {
        let mut pair = Assembly::new([Params::default(), Params::default()]);
        pair.start(Some(state));
        assert_eq!(pair.states(), [state; 2]);
        assert!(pair.log.contains(&(0, MachineAction::Report(Event::Group { to: state, adopted: true }))));
    }
    let mut pair = Assembly::new([Params::default(), Params::default()]);
    pair.members[0].own = Faults::NONE.with(Fault::LinkDown, true);
    pair.members[1].held = true;
    pair.start(Some(State::Master));
    assert_eq!(pair.states(), [State::Fault; 2]);
    pair.agree();
}

#[test]
fn a_reload_brings_members_in_step() {
    let align = |group: &mut Assembly, veterans: &[usize]| {
        let of = |who: &usize| &group.members[*who].machine;
        let (first, outlook) = (InstanceId(0), group.outlook());
        let veterans = Outlook::of(veterans.iter().map(of));
        group.rebuilding = false;
        group.drive_group(Input::Align { first, veterans, outlook });
        group.agree();
    };
    let begin = |group: &mut Assembly, who: usize, synced: bool| {
        let mut machine = Machine::new(Params::default());
        machine.set_synced(synced);
        group.members.insert(who, Member { machine, own: Faults::NONE, pending: false, held: false });
        group.rebuilding = true;
        group.refresh(who);
        group.drive(who, MachineInput::Start { adopt: None });
    };

    // One more in a group that is MASTER, and one less.
    let mut group = Assembly::masters();
    begin(&mut group, 1, true);
    align(&mut group, &[0, 2]);
    assert_eq!(group.states(), [State::Master; 3]);
    group.members.remove(0);
    group.log.clear();
    align(&mut group, &[0, 1]);
    assert_eq!(group.story(), [""; 0], "nothing happens to the rest");

    // A new group around one that is MASTER and one that is not.
    let mut group = Assembly::masters();
    group.group = Group::new();
    begin(&mut group, 2, true);
    align(&mut group, &[0, 1, 2]);
    assert_eq!(group.states(), [State::Backup; 3]);
    assert!(group.story().contains(&"0 sends 0".to_owned()));

    // The only one with a fault leaves.
    let mut group = Assembly::masters();
    group.fault(0, Fault::LinkDown, true);
    group.members.remove(0);
    group.rebuilding = true;
    group.refresh(0);
    align(&mut group, &[0]);
    assert_eq!(group.states(), [State::Backup]);

    // One that waits for its script joins a group that is MASTER, and follows when that has said something.
    let mut group = Assembly::masters();
    begin(&mut group, 2, true);
    group.members[2].machine = Machine::new(Params::default());
    group.members[2].machine.set_synced(true);
    group.members[2].pending = true;
    group.refresh(2);
    group.drive(2, MachineInput::Start { adopt: None });
    align(&mut group, &[0, 1]);
    assert_eq!(group.states(), [State::Master, State::Master, State::Init]);
    group.members[2].pending = false;
    group.refresh(2);
    assert_eq!(group.states(), [State::Master; 3]);
}

#[test]
fn leaving_a_group_one_waits_for_nobody() {
    let mut pair = Assembly::new([Params::default(), Params::default()]);
    pair.start(None);
    pair.wait(3_000);
    pair.advert(0, 200, true);
    pair.wait(1_000);
    let machine = &mut pair.members[1].machine;
    machine.set_synced(false);
    assert!(machine.poll_at().unwrap() <= pair.now);
    let mut out = MachineActions::new();
    machine.handle(pair.now, MachineInput::Timeout, &mut out);
    assert_eq!(machine.state(), State::Master);
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }
}

#[test]
fn any_sequence_of_events_leaves_all_members_in_one_class_of_states() {
    let mut seen = [0_u32; 4];
    for seed in 1..=4_000_u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let owners = random.below(8) == 0;
        let count = 1 + random.index(4);
        let params: Vec<Params> = (0..count)
            .map(|_| Params {
                priority: if owners { 255 } else { u8::try_from(50 + random.below(200)).unwrap() },
                start: if owners && random.below(2) == 0 { Start::Master } else { Start::Backup },
                preempt: random.below(4) != 0,
                preempt_delay: Span::from_secs(random.below(3) * random.below(2)),
                ..Params::default()
            })
            .collect();
        let mut group = Assembly::new(params);
        for member in &mut group.members {
            member.own = Faults::NONE.with(Fault::LinkDown, random.below(6) == 0);
            member.pending = random.below(6) == 0;
        }
        let adopt = [None, Some(State::Master), Some(State::Backup)][random.index(3)];
        if adopt == Some(State::Master) {
            group.members.iter_mut().for_each(|member| member.held = true);
        }
        group.start(adopt);
        group.agree();
        for _ in 0..60 {
            let who = random.index(count);
            match random.below(12) {
                0..3 => group.wait(random.below(4_500)),
                3 => group.advert(who, 0, true),
                4 | 5 => {
                    let priority = u8::try_from(1 + random.below(255)).unwrap();
                    group.advert(who, priority, random.below(2) == 0);
                }
                6 => group.fault(who, Fault::LinkDown, random.below(2) == 0),
                7 => group.fault(who, Fault::Script, random.below(3) == 0),
                8 => group.drive(who, MachineInput::AddressLost),
                9 => {
                    let priority = u8::try_from(1 + random.below(254)).unwrap();
                    group.drive(who, MachineInput::Priority(priority));
                }
                10 => {
                    group.members[who].pending = false;
                    group.refresh(who);
                }
                _ => {
                    for who in 0..count {
                        group.fault(who, Fault::LinkDown, false);
                        group.fault(who, Fault::Script, false);
                    }
                }
            }
            group.agree();
            seen[group.group.state() as usize] += 1;
        }
        for who in 0..count {
            group.drive(who, MachineInput::Stop);
        }
        group.drive_group(Input::Stop { first: InstanceId(0) });
        assert_eq!((group.group.state(), group.states()), (State::Init, vec![State::Init; count]));
    }
    assert!(seen.iter().all(|count| *count > 500), "{seen:?}");
}

/// A member that a reload adds waits for a script; the group that it comes to goes on as it is.
#[test]
fn a_new_member_that_waits_does_not_bring_its_group_back_to_the_beginning() {
    let quiet = Outlook {
        blocked: false,
        pending: false,
        expired: false,
        masters: false,
        master: false,
        eager: false,
        any: true,
    };
    let align = |state, veterans: Outlook, outlook: Outlook| {
        let (mut group, mut out) = (Group { state }, Actions::new());
        group.handle(Input::Align { first: InstanceId(0), veterans, outlook }, &mut out);
        group.state()
    };
    let waits = Outlook { pending: true, ..quiet };
    assert_eq!(align(State::Backup, quiet, waits), State::Backup);
    let master = Outlook { master: true, masters: true, ..quiet };
    assert_eq!(align(State::Master, master, waits), State::Master);
    let nobody = Outlook { any: false, ..quiet };
    assert_eq!(align(State::Init, nobody, waits), State::Init, "a group of new ones waits");
}

/// A member of priority 100, in a group, after `inputs`.
fn member(params: Params, inputs: &[MachineInput]) -> Machine {
    let mut machine = Machine::new(params);
    machine.set_synced(true);
    for input in inputs {
        machine.handle(machine.poll_at().unwrap_or(Instant::START), *input, &mut MachineActions::new());
    }
    machine
}

#[test]
fn what_members_are_like_together() {
    let begin = |adopt| MachineInput::Start { adopt };
    let waits = member(Params::default(), &[begin(None)]);
    let expired = member(Params::default(), &[begin(None), MachineInput::Timeout]);
    let master = member(Params::default(), &[begin(Some(State::Master))]);
    let of = |members: &[&Machine]| Outlook::of(members.iter().copied());
    assert!(expired.is_expired() && of(&[&expired]).expired);
    assert!(of(&[&expired, &master]).expired, "a MASTER waits for nothing");
    assert!(!of(&[&expired, &waits]).expired && !of(&[&waits]).expired);
    assert_eq!((of(&[&master, &waits]).master, of(&[&master, &waits]).masters), (true, false));
    // The reasons of others, which it knows, are none of its own.
    let faults = |fault| MachineInput::Faults { faults: Faults::NONE.with(fault, true), pending: false };
    assert!(!of(&[&member(Params::default(), &[faults(Fault::Group)])]).blocked);
    assert!(of(&[&waits, &member(Params::default(), &[faults(Fault::LinkDown)])]).blocked);
    // Owners begin as MASTER, unless the start is held off.
    let owner = Params { priority: OWNER, start: Start::Master, ..Params::default() };
    let ready = member(owner.clone(), &[]);
    let mut held = member(owner, &[]);
    held.hold(Instant::START + Span::from_secs(5));
    assert!(of(&[&ready, &ready]).eager && !of(&[&ready, &held]).eager && !of(&[&ready, &waits]).eager);
}

/// What a group in a state answers to an input.
fn answer(state: State, input: Input) -> (State, Vec<Action>) {
    let (mut group, mut out) = (Group { state }, Actions::new());
    group.handle(input, &mut out);
    (group.state(), out.to_vec())
}

const FIRST: InstanceId = InstanceId(0);

#[test]
fn what_a_successor_finds_is_adopted_and_what_it_changes_is_told() {
    let quiet = Outlook::of(core::iter::empty::<&Machine>());
    let calm = Outlook { expired: false, masters: false, eager: false, ..quiet };
    let blocked = Outlook { blocked: true, ..calm };
    let told = |to, adopted| vec![Action::Report(FIRST, Event::Group { to, adopted })];
    let start = |outlook, adopt| answer(State::Init, Input::Start { first: FIRST, outlook, adopt });
    for state in [State::Master, State::Backup] {
        assert_eq!(start(calm, Some(state)), (state, told(state, true)));
        assert_eq!(start(blocked, Some(state)), (State::Fault, told(State::Fault, false)));
    }
    assert_eq!(start(Outlook { pending: true, ..calm }, None), (State::Init, vec![]));
}

#[test]
fn the_causes_of_those_that_lead_and_follow() {
    let expired = Input::Expired { member: FIRST, everyone: true };
    let lead = Action::Move { member: FIRST, to: State::Master, why: Why::Timeout };
    assert_eq!(answer(State::Backup, expired), (State::Backup, vec![lead]));
    let [_, turn] = steps(State::Master, Why::Timeout, Faults::NONE, false);
    assert_eq!(turn, Some(MachineInput::Sync { to: State::Master, why: Why::Group }));
    let [_, turn] = steps(State::Backup, Why::Outranked, Faults::NONE, false);
    assert_eq!(turn, Some(MachineInput::Sync { to: State::Backup, why: Why::Outranked }));
    let [facts, turn] = steps(State::Fault, Why::Fault, Faults::NONE, true);
    let others = Faults::NONE.with(Fault::Group, true);
    assert_eq!((facts, turn), (Some(MachineInput::Faults { faults: others, pending: true }), None));
}

#[test]
fn a_reload_leads_a_group_to_what_those_that_ran_agree_on() {
    let calm = Outlook {
        blocked: false,
        pending: false,
        expired: false,
        masters: false,
        master: false,
        eager: false,
        any: true,
    };
    let align = |state, veterans, outlook| answer(state, Input::Align { first: FIRST, veterans, outlook }).0;
    let all = Outlook { master: true, masters: true, ..calm };
    let some = Outlook { master: true, ..calm };
    let nobody = Outlook { any: false, ..calm };
    assert_eq!(align(State::Master, some, some), State::Master, "one of them is");
    assert_eq!(align(State::Master, calm, calm), State::Backup, "the MASTER has left");
    assert_eq!(align(State::Init, all, some), State::Master, "a new group of MASTERs");
    assert_eq!(align(State::Init, some, some), State::Backup, "they do not agree");
    assert_eq!(align(State::Init, nobody, all), State::Master, "owners, all of them new");
    assert_eq!(align(State::Master, all, Outlook { blocked: true, ..all }), State::Fault);
}
