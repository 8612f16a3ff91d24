//! The order of steps, and what trackers, facts and groups lead to together.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::base::id::{LinkId, ScriptId};
use crate::base::time::Span;
use crate::proto::track::{Verdict, Weight};
use crate::proto::vrrp::action::{Action, Event};
use crate::proto::vrrp::machine::Input;
use crate::proto::vrrp::{Base, Fault, Params};

const LINK: Object = Object::Link(LinkId::new(0));
const SCRIPT: Object = Object::Script(ScriptId(0));
const GROUP: GroupId = GroupId::new(0);

fn at(millis: u64) -> Instant {
    Instant::START + Span::from_millis(millis)
}

fn id(position: usize) -> InstanceId {
    InstanceId::at(position)
}

fn instance(tracking: &[(Object, i16)]) -> Instance {
    let tracked = |(object, value): &(Object, i16)| Tracked {
        object: *object,
        weight: Weight { value: *value, reverse: false },
    };
    let tracking = tracking.iter().map(tracked).collect();
    Instance { tracking, ..Instance::new(Router::new(Params::default(), 1)) }
}

/// So many members of one group, all alike.
fn group(count: usize, tracking: &[(Object, i16)]) -> Process {
    let member = || {
        let mut member = instance(tracking);
        member.group = Some(GROUP);
        member.router.set_synced(true);
        member
    };
    let ids = (0..count).map(id).collect();
    Process::new((0..count).map(|_| member()).collect(), vec![Members { ids, ..Members::default() }])
}

/// Does everything that is to be done: each step with its instance and its actions.
fn run(process: &mut Process, now: Instant) -> Vec<(usize, Vec<Action>)> {
    let mut steps = Vec::new();
    while let Some(due) = process.due() {
        let mut out = Actions::new();
        process.step(now, &mut out);
        steps.push((due.id.index(), out.into_iter().collect()));
    }
    steps
}

/// The states that instances entered, in order.
fn entered(steps: &[(usize, Vec<Action>)]) -> Vec<(usize, State)> {
    let mut found = Vec::new();
    for (who, actions) in steps {
        for action in actions {
            if let Action::Report(Event::Transition { to, .. }) = action {
                found.push((*who, *to));
            }
        }
    }
    found
}

fn start(process: &mut Process) -> Vec<(usize, Vec<Action>)> {
    let mut steps = Vec::new();
    process.policy.set_rebuilding(true);
    for position in 0..process.instances().len() {
        process.policy.refresh(id(position));
        steps.extend(run(process, at(0)));
    }
    for group in process.policy.groups() {
        process.refresh_group(group);
        steps.extend(run(process, at(0)));
    }
    process.policy.set_rebuilding(false);
    for group in process.policy.groups() {
        process.begin_group(group, None);
        steps.extend(run(process, at(0)));
    }
    for position in 0..process.instances().len() {
        process.policy.input(id(position), Input::Start { adopt: None });
        steps.extend(run(process, at(0)));
    }
    steps
}

fn masters(process: &mut Process) {
    let due = process.instances().iter().filter_map(|it| it.router.poll_at()).max().unwrap();
    for position in 0..process.instances().len() {
        process.policy.input(id(position), Input::Timeout);
        run(process, due);
    }
    assert!(process.instances().iter().all(|it| it.router.state() == State::Master));
}

fn says(process: &mut Process, object: Object, verdict: Verdict) -> Vec<(usize, Vec<Action>)> {
    assert!(process.set_value(object, Value::Verdict(verdict)));
    process.policy.tracked_changed(object);
    run(process, at(60_000))
}

#[test]
fn an_object_reaches_its_followers_in_order_and_nobody_else() {
    let lists: [&[(Object, i16)]; 4] = [&[(LINK, 0)], &[(SCRIPT, -10)], &[(LINK, -20)], &[(LINK, 0)]];
    let mut process = Process::new(lists.iter().map(|list| instance(list)).collect(), Vec::new());
    process.set_value(LINK, Value::Verdict(Verdict::Up));
    process.set_value(SCRIPT, Value::Verdict(Verdict::Up));
    start(&mut process);
    masters(&mut process);
    let steps = says(&mut process, LINK, Verdict::Down);
    assert_eq!(entered(&steps), [(0, State::Fault), (3, State::Fault)]);
    assert_eq!(process.instance(id(0)).unwrap().router.faults().to_string(), Fault::TrackedLink.text());
    let effective = |position| process.instance(id(position)).unwrap().router.machine().effective_priority();
    assert_eq!((effective(1), effective(2)), (100, 80));
    let steps = says(&mut process, LINK, Verdict::Up);
    assert_eq!(entered(&steps), [(0, State::Backup), (3, State::Backup)]);
}

#[test]
fn a_first_result_is_waited_for() {
    let mut process = Process::new(vec![instance(&[(SCRIPT, 0)])], Vec::new());
    assert_eq!(entered(&start(&mut process)), []);
    assert_eq!(entered(&says(&mut process, SCRIPT, Verdict::Up)), [(0, State::Backup)]);
}

#[test]
fn a_master_that_gives_up_says_so_with_the_priority_that_is_known() {
    let tracking = [(SCRIPT, 0), (SCRIPT, -30)];
    let mut process = Process::new(vec![instance(&tracking)], Vec::new());
    process.set_value(SCRIPT, Value::Verdict(Verdict::Up));
    start(&mut process);
    masters(&mut process);
    let steps = says(&mut process, SCRIPT, Verdict::Down);
    let kinds: Vec<&Action> = steps.iter().flat_map(|(_, actions)| actions).collect();
    let fault = kinds.iter().position(|it| matches!(it, Action::Report(Event::Transition { .. }))).unwrap();
    let priority = kinds.iter().position(|it| matches!(it, Action::Report(Event::Priority { .. }))).unwrap();
    assert!(fault < priority, "{kinds:?}");
    // On the way back the priority is right before the election begins.
    let steps = says(&mut process, SCRIPT, Verdict::Up);
    let kinds: Vec<&Action> = steps.iter().flat_map(|(_, actions)| actions).collect();
    assert!(matches!(kinds[0], Action::Report(Event::Priority { to: 100, .. })), "{kinds:?}");
}

#[test]
fn what_remains_is_told_when_a_reason_goes() {
    let mut process = Process::new(vec![instance(&[(LINK, 0), (SCRIPT, 0)])], Vec::new());
    process.set_value(LINK, Value::Verdict(Verdict::Down));
    process.set_value(SCRIPT, Value::Verdict(Verdict::Down));
    start(&mut process);
    let steps = says(&mut process, LINK, Verdict::Up);
    let last = steps.last().unwrap();
    assert_eq!(last.1, [Action::Report(Event::StillInFault)]);
}

#[test]
fn facts_are_reasons_too_and_patience_ends_with_the_start() {
    let mut process = Process::new(vec![instance(&[])], Vec::new());
    process.policy.set_patient(true);
    let probed = Facts { no_source: true, tentative: true, ..Facts::default() };
    process.set_facts(id(0), probed);
    assert_eq!(entered(&start(&mut process)), [], "it waits for its address");
    process.set_facts(id(0), Facts::default());
    process.policy.refresh(id(0));
    assert_eq!(entered(&run(&mut process, at(10))), [(0, State::Backup)]);
    process.set_facts(id(0), probed);
    process.policy.refresh(id(0));
    assert_eq!(entered(&run(&mut process, at(20))), [(0, State::Fault)], "it has begun");
}

#[test]
fn the_group_follows_the_member_that_leads_in_the_order_of_the_file() {
    let mut process = group(4, &[]);
    start(&mut process);
    let down = process.instance(id(0)).unwrap().router.poll_at().unwrap();
    for position in [2, 0, 3] {
        process.policy.input(id(position), Input::Timeout);
        assert_eq!(entered(&run(&mut process, down)), [], "not alone");
    }
    process.policy.input(id(1), Input::Timeout);
    let steps = run(&mut process, down);
    let master = |who| (who, State::Master);
    assert_eq!(entered(&steps), [master(1), master(0), master(2), master(3)]);
    let last = steps.last().unwrap();
    assert_eq!(last.1, [Action::Report(Event::Group { to: State::Master, adopted: false })]);
    process.set_facts(id(2), Facts { base: Base::Down, ..Facts::default() });
    process.policy.refresh(id(2));
    let fault = |who| (who, State::Fault);
    assert_eq!(entered(&run(&mut process, at(9_000))), [fault(2), fault(0), fault(1), fault(3)]);
    assert_eq!(process.instance(id(0)).unwrap().router.faults().to_string(), Fault::Group.text());
}

#[test]
fn no_member_leads_its_group_while_instances_are_being_replaced() {
    let mut process = group(2, &[]);
    start(&mut process);
    masters(&mut process);
    process.policy.set_rebuilding(true);
    process.set_facts(id(0), Facts { base: Base::Down, ..Facts::default() });
    process.policy.refresh(id(0));
    assert_eq!(
        entered(&run(&mut process, at(60_000))),
        [(0, State::Fault)],
        "the other one may not be there yet"
    );
    assert_eq!(process.state(id(1)), State::Master);
    process.policy.set_rebuilding(false);
    process.align_group(GROUP, &|_| true);
    run(&mut process, at(60_000));
    assert_ne!(process.state(id(1)), State::Master, "once all are there they agree");
}

/// Each member's own reason counts even where the member was not judged yet when its group followed another one.
#[test]
fn members_with_the_same_reason_come_back_together() {
    let mut process = group(3, &[(LINK, 0)]);
    process.set_value(LINK, Value::Verdict(Verdict::Up));
    start(&mut process);
    masters(&mut process);
    says(&mut process, LINK, Verdict::Down);
    let own = |process: &Process, who| process.instance(id(who)).unwrap().router.faults();
    assert!((0..3).all(|who| own(&process, who).contains(Fault::TrackedLink)));
    let steps = says(&mut process, LINK, Verdict::Up);
    let mut back: Vec<usize> = entered(&steps).into_iter().map(|(who, _)| who).collect();
    back.sort_unstable();
    assert_eq!(back, [0, 1, 2]);
    assert!(process.instances().iter().all(|it| it.router.state() == State::Backup));
}

/// A member that waits for its script keeps the others from beginning, and its result lets all of them begin.
#[test]
fn members_wait_for_each_other() {
    let mut process = group(2, &[]);
    process.known.instances[1].tracking = [Tracked { object: SCRIPT, weight: Weight::default() }].into();
    process.find_followers();
    assert_eq!(entered(&start(&mut process)), []);
    assert_eq!(entered(&says(&mut process, SCRIPT, Verdict::Up)), [(1, State::Backup), (0, State::Backup)]);
}

/// The successor of a crashed process carries its group on only if every member can.
#[test]
fn a_group_is_adopted_as_a_whole_or_not_at_all() {
    let process = group(2, &[]);
    let mut adopt = [Some(State::Master), Some(State::Backup)];
    process.policy.adopt_together(GROUP, Some(State::Master), &mut adopt);
    assert_eq!(adopt, [Some(State::Master); 2]);
    let mut adopt = [Some(State::Master), None];
    process.policy.adopt_together(GROUP, Some(State::Master), &mut adopt);
    assert_eq!(adopt, [None; 2]);
    let mut adopt = [Some(State::Master); 2];
    process.policy.adopt_together(GROUP, Some(State::Fault), &mut adopt);
    assert_eq!(adopt, [None; 2]);
}

/// After a reload what goes on keeps its state, whatever its new place, and a group that lost a member goes on.
#[test]
fn a_reload_keeps_what_goes_on() {
    let mut before = group(3, &[]);
    start(&mut before);
    masters(&mut before);
    let mut after = group(2, &[]);
    after.succeed(before, &[Some(id(2)), Some(id(0))], &[Some(GROUP)]);
    after.align_group(GROUP, &|_| true);
    assert_eq!(entered(&run(&mut after, at(5_000))), []);
    assert!(after.instances().iter().all(|it| it.router.state() == State::Master));
    assert_eq!(after.policy.members(GROUP).unwrap().machine.state(), State::Master);
}

/// A member that a reload takes out of its group waits for nobody any more, and one that it brings in does.
#[test]
fn who_leaves_a_group_is_master_alone() {
    let mut before = group(2, &[]);
    before.known.instances.push(instance(&[]));
    start(&mut before);
    let due = before.instance(id(0)).unwrap().router.poll_at().unwrap();
    let mut after = group(1, &[]);
    after.known.instances.insert(0, instance(&[]));
    after.policy.groups[0].ids = [id(1)].into();
    after.succeed(before, &[Some(id(0)), Some(id(2))], &[Some(GROUP)]);
    after.policy.input(id(0), Input::Timeout);
    assert_eq!(entered(&run(&mut after, due)), [(0, State::Master)]);
    after.policy.input(id(1), Input::Timeout);
    let steps = run(&mut after, due);
    assert_eq!(steps[0].1, [Action::Report(Event::Expired)], "the group decides");
}

/// A step of an instance that does not exist leaves nothing behind: the steps after it are done.
#[test]
fn the_step_of_a_missing_instance_is_left_out() {
    let mut process = Process::new(vec![instance(&[])], Vec::new());
    process.policy.input(id(1), Input::Start { adopt: None });
    process.policy.input(id(0), Input::Start { adopt: None });
    let mut steps = Vec::new();
    while let Some(due) = process.due() {
        let mut out = Actions::new();
        process.step(at(0), &mut out);
        steps.push((due.id, out.is_empty()));
    }
    assert_eq!(steps, [(id(1), true), (id(0), false)]);
    assert!(process.policy.is_idle());
}

/// An input that comes while another one is dealt with waits until all that the other one leads to is done.
#[test]
fn an_input_waits_for_those_before_it() {
    let mut process = Process::new((0..3).map(|_| instance(&[(LINK, 0)])).collect(), Vec::new());
    process.set_value(LINK, Value::Verdict(Verdict::Up));
    start(&mut process);
    process.set_value(LINK, Value::Verdict(Verdict::Down));
    process.policy.tracked_changed(LINK);
    let mut order = Vec::new();
    while let Some(due) = process.due() {
        if order.is_empty() {
            process.policy.input(id(0), Input::Stop);
            process.policy.input(id(1), Input::Stop);
        }
        order.push(due.id);
        process.step(at(0), &mut Actions::new());
    }
    assert_eq!(order, [id(0), id(1), id(2), id(0), id(1)]);
}

/// The deepest work that a storm of changes makes fits.
#[test]
fn work_fits_its_bound() {
    let mut process = group(8, &[(LINK, 0), (SCRIPT, -10)]);
    process.set_value(LINK, Value::Verdict(Verdict::Up));
    process.set_value(SCRIPT, Value::Verdict(Verdict::Up));
    start(&mut process);
    let mut deepest = 0;
    for round in 0..200_u64 {
        let verdict = Verdict::of(round % 3 != 0);
        let object = if round % 2 == 0 { LINK } else { SCRIPT };
        if process.set_value(object, Value::Verdict(verdict)) {
            process.policy.tracked_changed(object);
        }
        for position in 0..8 {
            process.policy.input(id(position), Input::Timeout);
            deepest = deepest.max(process.policy.depth());
            while let Some(_due) = process.due() {
                deepest = deepest.max(process.policy.depth());
                process.step(at(round * 5_000), &mut Actions::new());
                deepest = deepest.max(process.policy.depth());
            }
        }
    }
    assert!(deepest <= policy::DEPTH, "{deepest}");
}
