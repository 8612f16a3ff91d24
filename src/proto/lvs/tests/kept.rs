//! What outlives a process, dumps that are old, and answers of the kernel that are refusals or lost.

use super::conf::Conf;
use super::kernel::Kernel;
use super::world::{VIP, World, b, dest, settled, value, with_sorry};
use crate::base::id::{CheckId, RealId, ServiceId};
use crate::base::time::{Instant, Span};
use crate::proto::check::Weight;
use crate::proto::lvs::{Director, Look, Operation, Refusal};

/// A successor of a process that died: what was known goes on, what somebody set by hand stays.
#[test]
fn a_successor_goes_on_where_its_predecessor_was() {
    let conf = {
        let mut conf = with_sorry(3);
        conf.0[0].reals[2].spec.inhibit = true;
        conf
    };
    let mut world = settled(conf.clone());
    world.verdict(1, false);
    world.verdict(3, false);
    world.weigh(2, Weight::Plus(-7));
    world.weigh(2, Weight::Plus(40));
    world.operations();
    world.facts();
    world.kernel.services.get_mut(&VIP).unwrap().1.insert(dest(2), value(0));
    let words: Vec<u64> = (0..3).map(|id| world.director.check_word(CheckId(id), true)).collect();
    let quorum = world.director.service_word(ServiceId(0), true);
    let resume = |world: &mut World, words: &[u64]| {
        world.director = conf.director();
        for (word, id) in words.iter().zip(0..) {
            world.director.resume_check(CheckId(id), *word);
        }
        let mut facts = 0;
        world.director.resume_service(ServiceId(0), quorum, &mut |_| facts += 1);
        world.look(Look::Resume);
        (facts, world.operations())
    };
    assert_eq!(resume(&mut world, &words), (0, vec![]));
    assert_eq!(world.table(), ["192.0.2.10:80", "  10.0.0.2:80 0", "  10.0.0.3:80 0"]);
    assert_eq!(world.director.real(RealId(1)).unwrap().weight, 41);
    // It died before the kernel had carried out its last decision.
    let unsettled: Vec<u64> = words.iter().map(|word| word & !2).collect();
    assert_eq!(resume(&mut world, &unsettled).1, ["set 192.0.2.10:80 10.0.0.2:80 41"]);
    world.kernel.services.get_mut(&VIP).unwrap().1.insert(dest(1), value(1));
    assert_eq!(resume(&mut world, &words).1, ["del 192.0.2.10:80 10.0.0.1:80"], "a failed one is in still");
    world.kernel.services.clear();
    assert_eq!(resume(&mut world, &words).1.len(), 3);
    assert!(world.facts().is_empty());
}

#[test]
fn words_of_checks_come_back_as_they_were() {
    let mut director = b(1).director();
    director.start(ServiceId(0), &mut |_| {});
    for (up, weight, real) in [
        (true, Weight::Configured, 1),
        (false, Weight::Set(u8::MAX), 255),
        (true, Weight::Plus(-1), 0),
        (false, Weight::Plus(i64::MAX), u32::MAX >> 1),
        (true, Weight::Plus(i64::MIN), 0),
        (false, Weight::Plus(300), 301),
    ] {
        director.verdict(CheckId(0), up, &mut |_| {});
        director.weigh(CheckId(0), weight, &mut |_| {});
        let word = director.check_word(CheckId(0), true);
        let mut next = b(1).director();
        next.resume_check(CheckId(0), word);
        let quorum = director.service_word(ServiceId(0), true);
        next.resume_service(ServiceId(0), quorum, &mut |fact| panic!("{fact:?}"));
        let view = next.real(RealId(0)).unwrap();
        assert_eq!((view.up, view.weight), (up, real));
        assert_eq!(next.check_word(CheckId(0), true), word);
    }
}

/// A dump takes a while: what is changed meanwhile is not taken for somebody else's doing.
#[test]
fn a_dump_may_show_the_table_as_it_was() {
    let mut world = settled(b(3));
    let before = world.kernel.clone();
    world.director.look(Look::Running);
    world.verdict(1, false);
    world.operations();
    for (key, (value, dests)) in &before.services {
        world.director.seen_service(key, value);
        for (dest, value) in dests {
            world.director.seen_dest(key, dest, value);
        }
    }
    world.director.look_end(world.now, &mut |fact| panic!("{fact:?}"));
    assert!(world.operations().is_empty());
    let before = world.kernel.clone();
    world.director.look(Look::Running);
    world.verdict(1, true);
    world.operations();
    before.show_rest(&mut world.director);
    world.director.look_end(world.now, &mut |fact| panic!("{fact:?}"));
    assert!(world.operations().is_empty());
}

impl Kernel {
    fn show_rest(&self, director: &mut Director) {
        for (key, (value, dests)) in &self.services {
            director.seen_service(key, value);
            for (dest, value) in dests {
                director.seen_dest(key, dest, value);
            }
        }
    }
}

#[test]
fn a_refusal_for_another_reason_is_told_and_tried_again_when_there_is_cause() {
    let mut world = World::start(b(2));
    world.facts();
    let pulled: Vec<_> = core::iter::from_fn(|| world.director.pull()).collect();
    let now = Instant::START;
    let mut facts = Vec::new();
    // The scheduler is not there: its destinations fail with the service, and that is told once.
    let refusals = [Refusal::NoDest, Refusal::NoService, Refusal::NoService];
    for (pending, refusal) in pulled.iter().zip(refusals) {
        world.director.refused(now, pending, refusal, &mut |fact| facts.push(fact));
    }
    assert_eq!(facts.len(), 1);
    world.verdict(1, false);
    assert!(world.operations().is_empty());
    world.look(Look::Running);
    assert_eq!(world.operations(), ["new service 192.0.2.10:80", "new 192.0.2.10:80 10.0.0.2:80 1"]);
    world.facts();
    // The thresholds are wrong.
    let mut conf = b(2);
    (conf.0[0].reals[1].spec.upper, conf.0[0].reals[1].spec.lower) = (1, 2);
    world.reload(conf.clone());
    assert_eq!(world.operations(), ["set 192.0.2.10:80 10.0.0.2:80 1"]);
    assert_eq!(world.facts(), ["refused 192.0.2.10:80 10.0.0.2:80 34"]);
    world.reload(conf);
    assert_eq!(world.operations(), ["set 192.0.2.10:80 10.0.0.2:80 1"]);
    world.reload(b(2));
    assert_eq!(world.operations(), ["set 192.0.2.10:80 10.0.0.2:80 1"]);
}

#[test]
fn what_is_refused_again_and_again_is_told_once() {
    let mut world = World::start(b(1));
    // Three looks at a kernel without the scheduler.
    let refuse = |world: &mut World| {
        let mut told = 0;
        for _ in 0..3 {
            let pending = world.director.pull().unwrap();
            assert!(matches!(pending.operation, Operation::NewService(..)));
            world.director.refused(world.now, &pending, Refusal::NoDest, &mut |_| told += 1);
            assert_eq!(world.director.pull(), None);
            world.now += Span::from_secs(10);
            world.look(Look::Running);
        }
        told
    };
    assert_eq!(refuse(&mut world), 1);
    world.operations();
    world.look(Look::Running);
    world.kernel.services.clear();
    world.look(Look::Running);
    assert_eq!(refuse(&mut world), 1, "the kernel had it, and this is news");
    // Thresholds that the kernel does not take.
    let mut conf = b(2);
    (conf.0[0].reals[1].spec.upper, conf.0[0].reals[1].spec.lower) = (1, 2);
    let mut world = World::start(conf);
    world.operations();
    assert_eq!(world.facts().last().unwrap(), "refused 192.0.2.10:80 10.0.0.2:80 34");
    for _ in 0..3 {
        world.now += Span::from_secs(10);
        world.look(Look::Running);
        assert_eq!(world.operations(), ["new 192.0.2.10:80 10.0.0.2:80 1"]);
        assert_eq!(world.facts(), [""; 0]);
    }
}

#[test]
fn an_answer_that_was_lost_is_asked_for_again() {
    let mut world = settled(with_sorry(2));
    let lose = |world: &mut World, done: bool| {
        if let Some(pending) = world.director.pull() {
            if done {
                let _ = world.kernel.carry_out(&pending.operation);
            }
            world.director.refused(world.now, &pending, Refusal::Unknown, &mut |_| {});
        }
        world.operations();
        assert!(!world.facts().iter().any(|fact| fact.contains("put back") || fact.contains("refused")));
    };
    for done in [true, false] {
        world.verdict(1, false);
        lose(&mut world, done);
        assert_eq!(world.table(), ["192.0.2.10:80", "  10.0.0.2:80 1"]);
        world.verdict(1, true);
        lose(&mut world, done);
        assert_eq!(world.table(), ["192.0.2.10:80", "  10.0.0.1:80 1", "  10.0.0.2:80 1"]);
        let mut conf = world.conf.clone();
        conf.0[0].reals[0].spec.upper += 1;
        conf.0[0].value.one_packet ^= true;
        world.reload(conf);
        lose(&mut world, done);
        assert_eq!(world.table(), ["192.0.2.10:80", "  10.0.0.1:80 1", "  10.0.0.2:80 1"]);
        let mut conf = world.conf.clone();
        let gone = conf.0[0].reals.remove(1);
        world.reload(conf.clone());
        lose(&mut world, done);
        assert_eq!(world.table(), ["192.0.2.10:80", "  10.0.0.1:80 1"]);
        conf.0[0].reals.push(gone);
        world.reload(Conf::default());
        lose(&mut world, done);
        assert!(world.table().is_empty());
        world.reload(conf);
        lose(&mut world, done);
        assert_eq!(world.table(), ["192.0.2.10:80", "  10.0.0.1:80 1", "  10.0.0.2:80 1"]);
    }
}

#[test]
fn what_is_ours_is_every_key_that_the_configuration_stands_for() {
    let mut world = settled(with_sorry(2));
    let all = [(VIP, None), (VIP, Some(dest(1))), (VIP, Some(dest(2))), (VIP, Some(dest(99)))];
    assert_eq!(world.owned(), all);
    world.verdict(1, false);
    world.operations();
    assert_eq!(world.owned(), all, "verdicts do not change it");
    world.reload(b(1));
    assert_eq!(world.owned(), [(VIP, None), (VIP, Some(dest(1))), (VIP, Some(dest(2)))], "it leaves still");
    world.operations();
    assert_eq!(world.owned(), [(VIP, None), (VIP, Some(dest(1)))]);
    world.reload(Conf::default());
    assert_eq!(world.owned(), [(VIP, None)], "the server had failed");
    world.operations();
    assert!(world.owned().is_empty());
}

#[test]
fn what_a_predecessor_left_is_ours_until_a_dump_has_shown_it() {
    let mut world = World::start(b(1));
    world.operations();
    let gone = (crate::proto::lvs::ServiceKey::Mark(crate::base::addr::Family::V4, 5), None);
    world.director.recorded(gone.0, gone.1);
    assert_eq!(world.owned(), [(VIP, None), (VIP, Some(dest(1))), gone]);
    world.look(Look::Running);
    assert_eq!(world.owned(), [(VIP, None), (VIP, Some(dest(1)))], "it was not there");
}
