//! What users met: reloads, and other people's hands in the table. The numbers are those of the field cases.

use super::conf::{Check, Conf, Service, Where};
use super::kernel::Kernel;
use super::world::{VIP, World, addr, b, base, dest, server, settled, sorry, value, with_sorry};
use crate::base::id::{CheckId, RealId};
use crate::base::time::Span;
use crate::proto::check::Weight;
use crate::proto::lvs::{
    CheckStart, Entry, Look, Method, Operation, Protocol, Scheduler, ServiceKey, SorrySpec, Stop,
};

fn group(identity: u64, members: &[(&str, u16)], servers: core::ops::RangeInclusive<u8>) -> Service {
    let entries = members.iter().map(|(text, port)| Entry::Addresses {
        first: addr(text),
        last: addr(text),
        port: *port,
    });
    let mut service = Service::new(identity, Where::Group(entries.collect(), None));
    service.reals = servers.map(server).collect();
    service
}

#[test]
fn an_unchanged_file_changes_nothing() {
    let mut world = settled(with_sorry(2));
    let same = world.conf.clone();
    world.reload(same.clone());
    assert!(world.operations().is_empty() && world.facts().is_empty());
    // 28: with the sorry server in place, too.
    world.verdict(1, false);
    world.verdict(2, false);
    world.operations();
    world.facts();
    world.reload(same.clone());
    assert!(world.operations().is_empty() && world.facts().is_empty());
    assert_eq!(world.director.check_start(CheckId(0)), CheckStart::Known);
    // What failed stays failed, what recovers recovers.
    world.verdict(2, true);
    world.operations();
    world.reload(same);
    assert_eq!(world.table(), ["192.0.2.10:80", "  10.0.0.2:80 1"]);
    assert!(world.director.is_settled() || world.operations().is_empty());
}

#[test]
fn each_change_of_a_file_is_one_kind_of_operation() {
    type Edit = fn(&mut Conf);
    let changes: [(&str, Edit, &[&str]); 8] = [
        ("weight", |conf| conf.0[0].reals[0].spec.weight = 7, &["set 192.0.2.10:80 10.0.0.1:80 7"]),
        ("threshold", |conf| conf.0[0].reals[0].spec.upper = 7, &["set 192.0.2.10:80 10.0.0.1:80 1"]),
        ("server added", |conf| conf.0[0].reals.push(server(3)), &["new 192.0.2.10:80 10.0.0.3:80 1"]),
        ("server removed", |conf| drop(conf.0[0].reals.remove(0)), &["del 192.0.2.10:80 10.0.0.1:80"]),
        (
            "scheduler",
            |conf| conf.0[0].value.scheduler = Some(Scheduler::SourceHash),
            &["set service 192.0.2.10:80"],
        ),
        (
            "method",
            |conf| conf.0[0].reals.iter_mut().for_each(|real| real.spec.method = Method::Direct),
            &["set 192.0.2.10:80 10.0.0.1:80 1", "set 192.0.2.10:80 10.0.0.2:80 1"],
        ),
        ("service removed", |conf| conf.0.clear(), &["del service 192.0.2.10:80"]),
        (
            "service added",
            |conf| conf.0.push(group(2, &[("192.0.2.11", 80)], 1..=1)),
            &["new service 192.0.2.11:80", "new 192.0.2.11:80 10.0.0.1:80 1"],
        ),
    ];
    for (what, change, right) in changes {
        let mut world = settled(b(2));
        let mut conf = world.conf.clone();
        change(&mut conf);
        world.reload(conf);
        assert_eq!(world.operations(), right, "{what}");
    }
}

#[test]
fn what_is_gone_is_told_by_its_old_number() {
    let mut world = settled(b(3));
    world.verdict(3, false);
    world.facts();
    let mut conf = b(1);
    conf.0[0].reals[0].spec.weight = 4;
    world.reload(conf);
    assert_eq!(
        world.facts(),
        ["old real 1 gone, was up", "old real 2 gone, was down", "10.0.0.1 weight 1 to 4"]
    );
    world.reload(Conf::default());
    assert_eq!(world.facts(), ["old real 0 gone, was up", "old service 0 gone, was up"]);
}

#[test]
fn new_servers_come_in_before_old_ones_go() {
    let mut world = settled(b(2));
    let mut conf = b(0);
    conf.0[0].reals = vec![server(2), server(3)];
    world.reload(conf);
    assert_eq!(world.operations(), ["new 192.0.2.10:80 10.0.0.3:80 1", "del 192.0.2.10:80 10.0.0.1:80"]);
}

/// 4: the unit of ownership is the key of the kernel.
#[test]
fn case_4_two_groups_share_a_member() {
    let (g1, g2) =
        (group(1, &[("192.0.2.10", 80)], 1..=2), group(2, &[("192.0.2.11", 80), ("192.0.2.10", 80)], 3..=4));
    let mut world = World::start(Conf(vec![g1.clone(), g2.clone()]));
    assert!(world.facts().contains(&"0 holds 192.0.2.10:80 of 1".to_owned()));
    world.operations();
    let right = [
        "192.0.2.10:80",
        "  10.0.0.1:80 1",
        "  10.0.0.2:80 1",
        "192.0.2.11:80",
        "  10.0.0.3:80 1",
        "  10.0.0.4:80 1",
    ];
    assert_eq!(world.table(), right);
    world.reload(Conf(vec![g1.clone(), group(2, &[("192.0.2.11", 80)], 3..=4)]));
    assert_eq!(world.operations(), [""; 0], "without interruption");
    assert_eq!(world.table(), right);
    world.verdict(1, false);
    assert_eq!(world.operations(), ["del 192.0.2.10:80 10.0.0.1:80"], "later changes apply");
    world.verdict(1, true);
    world.reload(Conf(vec![g1, g2.clone()]));
    world.operations();
    // The holder gives it up: the other one takes the service over, new destinations first.
    world.reload(Conf(vec![g2]));
    assert_eq!(
        world.operations(),
        [
            "new 192.0.2.10:80 10.0.0.3:80 1",
            "new 192.0.2.10:80 10.0.0.4:80 1",
            "del 192.0.2.10:80 10.0.0.1:80",
            "del 192.0.2.10:80 10.0.0.2:80"
        ]
    );
}

#[test]
fn servers_of_a_new_holder_come_before_those_that_failed_go() {
    let first = group(1, &[("192.0.2.10", 80)], 2..=2);
    let second = |members: &[(&str, u16)]| group(2, members, 2..=3);
    let mut world = settled(Conf(vec![first, second(&[("192.0.2.11", 80)])]));
    world.verdict_of(1, 2, 0, false);
    world.operations();
    world.reload(Conf(vec![second(&[("192.0.2.11", 80), ("192.0.2.10", 80)])]));
    assert_eq!(world.operations(), ["new 192.0.2.10:80 10.0.0.3:80 1", "del 192.0.2.10:80 10.0.0.2:80"]);
}

#[test]
fn case_5_a_reload_replaces_a_member() {
    let conf = |port| {
        let mut service = group(1, &[("192.0.2.10", 80), ("192.0.2.10", port)], 1..=1);
        service.reals[0].spec.port = 0;
        Conf(vec![service])
    };
    let mut world = settled(conf(443));
    world.reload(conf(2333));
    assert_eq!(
        world.operations(),
        ["new service 192.0.2.10:2333", "new 192.0.2.10:2333 10.0.0.1:2333 1", "del service 192.0.2.10:443"]
    );
}

#[test]
fn cases_10_and_11_what_somebody_else_deleted_comes_back() {
    let mut world = settled(b(2));
    world.kernel.services.clear();
    let same = world.conf.clone();
    world.reload(same);
    world.look(Look::Running);
    assert_eq!(world.facts(), ["put back 192.0.2.10:80"]);
    let whole =
        ["new service 192.0.2.10:80", "new 192.0.2.10:80 10.0.0.1:80 1", "new 192.0.2.10:80 10.0.0.2:80 1"];
    assert_eq!(world.operations(), whole);
    // Without a look it shows when a server comes or goes.
    world.verdict(1, false);
    world.operations();
    world.kernel.services.clear();
    world.facts();
    world.verdict(1, true);
    assert_eq!(world.operations(), [&["new 192.0.2.10:80 10.0.0.1:80 1"], &whole[..]].concat());
    assert_eq!(world.facts(), ["10.0.0.1 up", "put back 192.0.2.10:80"]);
    world.kernel.services.clear();
    world.verdict(1, false);
    assert_eq!(
        world.operations(),
        ["del 192.0.2.10:80 10.0.0.1:80", "new service 192.0.2.10:80", "new 192.0.2.10:80 10.0.0.2:80 1"]
    );
}

#[test]
fn a_destination_that_somebody_else_deleted_comes_back() {
    let mut world = settled(b(3));
    let dests = &mut world.kernel.services.get_mut(&VIP).unwrap().1;
    dests.remove(&dest(1));
    dests.remove(&dest(3));
    world.look(Look::Running);
    assert_eq!(world.operations(), ["new 192.0.2.10:80 10.0.0.1:80 1", "new 192.0.2.10:80 10.0.0.3:80 1"]);
    assert_eq!(world.facts(), ["put back 192.0.2.10:80 10.0.0.1:80", "put back 192.0.2.10:80 10.0.0.3:80"]);
    // Or when it is to be changed.
    world.kernel.services.get_mut(&VIP).unwrap().1.clear();
    world.weigh(1, Weight::Set(9));
    assert_eq!(world.operations(), ["set 192.0.2.10:80 10.0.0.1:80 9", "new 192.0.2.10:80 10.0.0.1:80 9"]);
    world.verdict(2, false);
    assert_eq!(world.operations(), ["del 192.0.2.10:80 10.0.0.2:80"], "gone is gone");
    assert_eq!(world.facts().last().unwrap(), "10.0.0.2 down");
}

#[test]
fn five_times_in_ten_seconds_and_then_it_is_told_once_and_left_alone() {
    let mut world = settled(b(2));
    for _ in 0..5 {
        world.kernel.services.clear();
        world.look(Look::Running);
        assert_eq!((world.operations().len(), world.facts().len()), (3, 1));
        // A reload does not begin to count anew.
        let same = world.conf.clone();
        world.reload(same);
        assert!(world.operations().is_empty());
    }
    world.kernel.services.clear();
    world.look(Look::Running);
    assert_eq!(world.facts(), ["left alone 192.0.2.10:80"]);
    for _ in 0..3 {
        world.look(Look::Running);
        world.verdict(1, false);
        world.verdict(1, true);
        assert!(world.operations().is_empty());
    }
    assert_eq!(world.facts().len(), 6, "the server alone");
    world.now += Span::from_secs(2);
    world.look(Look::Running);
    assert_eq!(world.operations().len(), 3);
    world.now += Span::from_secs(10);
    world.kernel.services.clear();
    world.look(Look::Running);
    assert_eq!((world.operations().len(), world.facts().len()), (3, 1));
}

#[test]
fn case_12_services_of_others_stay() {
    let foreign = ServiceKey::Address(Protocol::Udp, addr("192.0.2.99"), 53);
    let mut kernel = Kernel::default();
    let value = base(0).value;
    kernel.services.insert(foreign, (value, [(dest(1), super::world::value(1))].into()));
    let before = kernel.clone();
    let mut world = World::start_over(b(2), kernel, &[]);
    world.operations();
    let same = world.conf.clone();
    world.reload(same);
    world.look(Look::Running);
    world.operations();
    world.stop(Stop::Remove);
    world.operations();
    assert_eq!(world.kernel, before);
}

#[test]
fn case_13_a_weight_set_by_hand_stays_until_its_server_changes() {
    let mut world = settled(b(2));
    let by_hand = |world: &mut World| {
        world.kernel.services.get_mut(&VIP).unwrap().1.insert(dest(1), value(0));
    };
    by_hand(&mut world);
    let same = world.conf.clone();
    world.reload(same);
    world.look(Look::Running);
    world.verdict(2, false);
    world.verdict(2, true);
    world.operations();
    assert_eq!(world.table()[1], "  10.0.0.1:80 0");
    let mut conf = world.conf.clone();
    conf.0[0].reals[0].spec.weight = 5;
    world.reload(conf);
    world.look(Look::Running);
    assert_eq!(world.operations(), ["set 192.0.2.10:80 10.0.0.1:80 5"]);
    by_hand(&mut world);
    world.verdict(1, false);
    world.verdict(1, true);
    assert!(world.operations().is_empty(), "nobody saw it go");
    world.verdict(1, false);
    world.operations();
    world.verdict(1, true);
    assert_eq!(world.operations(), ["new 192.0.2.10:80 10.0.0.1:80 5"]);
}

#[test]
fn case_14_what_hooks_add_and_change_stays() {
    let mut world = settled(b(2));
    let service = world.kernel.services.get_mut(&VIP).unwrap();
    service.0.one_packet = true;
    service.1.insert(dest(9), value(1));
    let same = world.conf.clone();
    world.reload(same);
    world.look(Look::Running);
    world.verdict(1, false);
    world.verdict(1, true);
    world.operations();
    let service = &world.kernel.services[&VIP];
    assert!(service.0.one_packet && service.1.contains_key(&dest(9)) && service.1.len() == 3);
}

/// Nor does what is ours and failed leave again before its next verdict, if somebody has put it back.
#[test]
fn a_failed_server_that_somebody_adds_stays_until_its_next_failure() {
    let mut world = settled(b(2));
    world.verdict(1, false);
    world.operations();
    world.kernel.services.get_mut(&VIP).unwrap().1.insert(dest(1), value(3));
    let same = world.conf.clone();
    world.reload(same);
    world.look(Look::Running);
    assert!(world.operations().is_empty());
    world.verdict(1, true);
    assert_eq!(world.operations(), ["new 192.0.2.10:80 10.0.0.1:80 1", "set 192.0.2.10:80 10.0.0.1:80 1"]);
    world.verdict(1, false);
    assert_eq!(world.operations(), ["del 192.0.2.10:80 10.0.0.1:80"]);
}

#[test]
fn case_15_a_start_takes_over_what_a_killed_daemon_left() {
    let world = settled(b(3));
    let mut owned = world.owned();
    let gone = ServiceKey::Mark(crate::base::addr::Family::V4, 5);
    owned.push((gone, None));
    let mut kernel = world.kernel.clone();
    kernel.services.insert(gone, (base(0).value, [(dest(1), value(1))].into()));
    // A hook's, which the state file does not name.
    kernel.services.get_mut(&VIP).unwrap().1.insert(dest(9), value(1));
    let mut conf = b(2);
    conf.0[0].value.scheduler = Some(Scheduler::WeightedRoundRobin);
    let mut world = World::start_over(conf.clone(), kernel.clone(), &owned);
    assert_eq!(
        world.operations(),
        ["set service 192.0.2.10:80", "del 192.0.2.10:80 10.0.0.3:80", "del service IPv4 mark 5"]
    );
    assert_eq!(world.facts(), ["0 start with quorum up 1 <= 2"], "no error");
    assert_eq!(world.table(), ["192.0.2.10:80", "  10.0.0.1:80 1", "  10.0.0.2:80 1", "  10.0.0.9:80 1"]);
    // Without the state file nothing is known to be ours.
    let mut world = World::start_over(conf, kernel, &[]);
    assert_eq!(world.operations(), ["set service 192.0.2.10:80"]);
}

#[test]
fn case_16_a_stop_after_a_reload_leaves_nothing() {
    let mut world = settled(b(2));
    let mut conf = b(1);
    conf.0.push(group(2, &[("192.0.2.11", 80)], 1..=2));
    world.reload(conf.clone());
    world.operations();
    world.stop(Stop::Remove);
    world.operations();
    assert!(world.kernel.services.is_empty());
    // A stop while a reload is under way, too.
    for pulled in 0..12 {
        let mut world =
            settled(Conf(vec![base(3), group(3, &[("192.0.2.12", 80), ("192.0.2.13", 80)], 1..=2)]));
        world.reload(conf.clone());
        for _ in 0..pulled {
            world.kernel.step(world.now, &mut world.director, 1, &mut |_| {});
        }
        world.stop(Stop::Remove);
        world.operations();
        assert!(world.kernel.services.is_empty(), "{pulled} {:?}", world.table());
    }
}

#[test]
fn a_service_that_a_second_reload_wants_again_has_not_left() {
    let mut world = settled(b(2));
    world.reload(Conf(Vec::new()));
    let mut conf = b(2);
    conf.0[0].reals.remove(0);
    world.reload(conf);
    assert_eq!(world.operations(), ["set service 192.0.2.10:80", "del 192.0.2.10:80 10.0.0.1:80"]);
}

/// 17, 18: what creates an entry has everything at once.
#[test]
fn cases_17_and_18_flags_and_methods_are_there_from_the_beginning() {
    let mut service = base(1);
    service.value.one_packet = true;
    service.sorry = Some(SorrySpec { method: Method::Direct, ..sorry() });
    let mut world = World::start(Conf(vec![service]));
    world.verdict(1, false);
    let all = world.kernel.settle(world.now, &mut world.director, 64, &mut |_| {});
    assert!(matches!(all[0], Operation::NewService(_, value) if value.one_packet));
    assert!(matches!(all[1], Operation::NewDest(_, _, value) if value.method == Method::Direct));
}

#[test]
fn case_24_a_reload_that_removes_a_server_is_one_evaluation() {
    let mut world = settled({
        let mut conf = with_sorry(2);
        conf.0[0].params.quorum = 2;
        conf
    });
    // The quorum is capped by the configuration.
    let mut conf = with_sorry(1);
    conf.0[0].params.quorum = 1;
    world.reload(conf);
    assert_eq!(world.facts(), ["old real 1 gone, was up"]);
    assert_eq!(world.operations(), ["del 192.0.2.10:80 10.0.0.2:80"]);
    // Quorum lost by a reload: what leaves has left before the sorry server comes.
    let mut world = settled({
        let mut conf = with_sorry(2);
        conf.0[0].reals[0].spec.weight = 2;
        conf.0[0].params.quorum = 2;
        conf
    });
    let mut conf = world.conf.clone();
    conf.0[0].reals.remove(0);
    conf.0[0].reals.push(server(3));
    conf.0[0].reals[1].checks[0].alpha = true;
    world.reload(conf);
    assert_eq!(world.facts(), ["old real 0 gone, was up", "0 quorum down 2 > 1", "0 sorry in"]);
    assert_eq!(
        world.operations(),
        [
            "del 192.0.2.10:80 10.0.0.2:80",
            "del 192.0.2.10:80 10.0.0.1:80",
            "new 192.0.2.10:80 10.0.0.99:80 1"
        ]
    );
}

#[test]
fn case_29_a_failed_inhibited_server_leaves_and_comes_back() {
    let mut conf = b(2);
    conf.0[0].reals[0].spec.inhibit = true;
    let mut world = settled(conf.clone());
    world.verdict(1, false);
    world.operations();
    let mut without = conf.clone();
    without.0[0].reals.remove(0);
    world.reload(without);
    assert_eq!(world.operations(), ["del 192.0.2.10:80 10.0.0.1:80"]);
    world.reload(conf);
    assert_eq!(world.operations(), ["new 192.0.2.10:80 10.0.0.1:80 1"]);
}

#[test]
fn case_30_a_weight_changed_while_inhibited_counts_from_the_first_success() {
    let mut conf = b(2);
    conf.0[0].reals[0].spec.inhibit = true;
    conf.0[0].reals[0].spec.weight = 11;
    let mut world = settled(conf.clone());
    world.verdict(1, false);
    world.operations();
    world.facts();
    conf.0[0].reals[0].spec.weight = 9;
    world.reload(conf);
    assert_eq!(world.facts(), ["10.0.0.1 weight 11 to 9 inactive"]);
    assert!(world.operations().is_empty());
    world.verdict(1, true);
    assert_eq!(world.operations(), ["set 192.0.2.10:80 10.0.0.1:80 9"]);
}

#[test]
fn case_31_a_changed_check_of_a_failed_server_runs_at_once_and_the_server_stays_out() {
    let mut world = settled(with_sorry(2));
    world.verdict(1, false);
    world.verdict(2, false);
    world.operations();
    world.facts();
    let mut conf = world.conf.clone();
    conf.0[0].reals[0].checks[0].definition = 9;
    world.reload(conf);
    assert!(world.operations().is_empty() && world.facts().is_empty());
    assert_eq!(world.director.check_start(CheckId(0)), CheckStart::Failed);
    assert_eq!(world.director.check_start(CheckId(1)), CheckStart::Known);
    world.verdict(1, true);
    assert_eq!(world.operations(), ["del 192.0.2.10:80 10.0.0.99:80", "new 192.0.2.10:80 10.0.0.1:80 1"]);
}

#[test]
fn a_new_check_does_not_take_down_what_others_hold_up() {
    let mut world = settled(b(2));
    world.verdict(2, false);
    world.operations();
    world.facts();
    let mut conf = world.conf.clone();
    for real in &mut conf.0[0].reals {
        real.checks.push(Check { definition: 5, alpha: true });
    }
    world.reload(conf);
    assert!(world.operations().is_empty() && world.facts().is_empty());
    let starts: Vec<_> = (0..4).map(|id| world.director.check_start(CheckId(id))).collect();
    assert_eq!(starts, [CheckStart::Known, CheckStart::Trusted, CheckStart::Known, CheckStart::Failed]);
    // The check that failed leaves the file: nothing holds the server down any more but what has not run yet.
    let mut conf = world.conf.clone();
    conf.0[0].reals[1].checks.remove(0);
    world.reload(conf.clone());
    assert!(world.operations().is_empty() && world.facts().is_empty());
    conf.0[0].reals[1].checks.clear();
    world.reload(conf);
    assert_eq!((world.facts(), world.operations().len()), (vec!["10.0.0.2 up".to_owned()], 1));
}

#[test]
fn case_32_inhibit_switched_while_down() {
    let (mut on, off) = (with_sorry(2), with_sorry(2));
    on.0[0].reals[0].spec.inhibit = true;
    on.0[0].sorry = Some(SorrySpec { inhibit: true, ..sorry() });
    let mut world = settled(off.clone());
    world.verdict(1, false);
    world.operations();
    world.reload(on);
    assert_eq!(world.operations(), ["new 192.0.2.10:80 10.0.0.1:80 0", "new 192.0.2.10:80 10.0.0.99:80 0"]);
    world.reload(off);
    assert_eq!(world.operations(), ["del 192.0.2.10:80 10.0.0.1:80", "del 192.0.2.10:80 10.0.0.99:80"]);
}

#[test]
fn case_34_the_only_server_is_replaced() {
    let mut world = settled(with_sorry(1));
    let mut conf = with_sorry(0);
    conf.0[0].reals = vec![server(2)];
    world.reload(conf);
    assert_eq!(world.facts(), ["old real 0 gone, was up"], "quorum held: no script");
    assert_eq!(world.operations(), ["new 192.0.2.10:80 10.0.0.2:80 1", "del 192.0.2.10:80 10.0.0.1:80"]);
}

#[test]
fn case_35_a_destination_that_is_there_is_taken_over() {
    for look in [true, false] {
        let mut world = settled(b(2));
        world.kernel.services.get_mut(&VIP).unwrap().1.insert(dest(9), value(5));
        let mut conf = world.conf.clone();
        let mut real = server(9);
        real.spec.weight = 2;
        conf.0[0].reals.push(real);
        world.reload(conf);
        if look {
            world.look(Look::Running);
        }
        let operations = world.operations();
        assert_eq!(operations.last().unwrap(), "set 192.0.2.10:80 10.0.0.9:80 2");
        assert_eq!(operations.len(), if look { 1 } else { 2 });
        assert!(world.facts().is_empty());
        world.stop(Stop::Remove);
        world.operations();
        assert!(world.kernel.services.is_empty(), "from then on it is ours");
    }
}

#[test]
fn a_service_that_moves_to_another_block_keeps_its_entry_and_its_states() {
    let mut world = settled(b(2));
    world.verdict(1, false);
    world.operations();
    world.facts();
    let moved = group(77, &[("192.0.2.10", 80), ("192.0.2.11", 80)], 1..=2);
    world.reload(Conf(vec![moved]));
    assert_eq!(world.operations(), ["new service 192.0.2.11:80", "new 192.0.2.11:80 10.0.0.2:80 1"]);
    assert!(world.facts().is_empty());
}

#[test]
fn services_change_their_order_and_nothing_else() {
    let second = group(2, &[("192.0.2.11", 80)], 1..=3);
    let mut world = settled(Conf(vec![base(2), second.clone()]));
    world.verdict(1, false);
    world.operations();
    world.facts();
    world.reload(Conf(vec![second, base(2)]));
    assert!(world.operations().is_empty() && world.facts().is_empty());
    assert!(!world.director.real(RealId(3)).unwrap().up, "states go with their servers");
    assert!(world.director.real(RealId(0)).unwrap().up);
}

#[test]
fn two_reloads_at_once_are_one() {
    let mut world = settled(b(3));
    let mut conf = b(0);
    conf.0[0].reals = vec![server(4)];
    world.reload(conf);
    world.reload(b(2));
    assert_eq!(world.operations(), ["del 192.0.2.10:80 10.0.0.3:80"]);
    world.reload(Conf::default());
    world.reload(b(2));
    world.operations();
    assert_eq!(world.table(), ["192.0.2.10:80", "  10.0.0.1:80 1", "  10.0.0.2:80 1"]);
}
