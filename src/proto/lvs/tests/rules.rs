//! The rules of behaviour: start, verdicts, quorum, sorry servers, weights, groups, stop. The order of operations and
//! facts is part of each rule.

use super::conf::{Check, Conf, Real, Where};
use super::world::{World, addr, base, server, sorry};
use crate::base::addr::Family;
use crate::base::id::{RealId, ServiceId};
use crate::proto::check::Weight;
use crate::proto::lvs::{DestKey, Entry, Fact, Method, ServiceKey, Stop, Tunnel};

const VIP: &str = "192.0.2.10:80";

/// Operations on destinations of [`VIP`], without the key.
fn short(operations: &[String]) -> Vec<String> {
    operations.iter().map(|operation| operation.replace(&format!(" {VIP}"), "").replace(":80", "")).collect()
}

fn one(service: super::conf::Service) -> Conf {
    Conf(vec![service])
}

#[test]
fn at_the_start_all_servers_are_in_at_once() {
    let mut world = World::start(one(base(2)));
    assert_eq!(world.facts(), ["0 start with quorum up 1 <= 2"]);
    assert_eq!(short(&world.operations()), ["new service", "new 10.0.0.1 1", "new 10.0.0.2 1"]);
    assert!(world.director.is_settled() && world.operations().is_empty() && world.facts().is_empty());
}

#[test]
fn a_flush_comes_first() {
    let mut world = World::start(one(base(1)));
    world.director.flush();
    assert_eq!(short(&world.operations()), ["flush", "new service", "new 10.0.0.1 1"]);
}

#[test]
fn with_alpha_servers_come_when_they_have_passed_and_the_sorry_server_answers_until_then() {
    let mut service = base(2);
    service.sorry = Some(sorry());
    for real in &mut service.reals {
        real.checks[0].alpha = true;
    }
    let mut world = World::start(one(service));
    assert_eq!(world.facts(), ["0 start with quorum down 1 > 0", "0 sorry in"]);
    assert_eq!(short(&world.operations()), ["new service", "new 10.0.0.99 1"]);
    world.verdict(2, true);
    assert_eq!(world.facts(), ["10.0.0.2 up", "0 quorum up 1 <= 1", "0 sorry out"]);
    assert_eq!(short(&world.operations()), ["del 10.0.0.99", "new 10.0.0.2 1"]);
    world.verdict(1, true);
    assert_eq!(
        (world.facts(), short(&world.operations())),
        (vec!["10.0.0.1 up".to_owned()], vec!["new 10.0.0.1 1".to_owned()])
    );
}

#[test]
fn a_server_without_checks_is_up_with_alpha_too() {
    let mut service = base(1);
    service.params.alpha = true;
    service.reals[0].checks.clear();
    let mut world = World::start(one(service));
    assert_eq!(world.facts(), ["0 start with quorum up 1 <= 1"]);
}

#[test]
fn a_server_that_fails_is_removed_and_added_again() {
    let mut world = World::start(one(base(2)));
    world.operations();
    world.facts();
    world.verdict(1, false);
    assert_eq!(
        (world.facts(), short(&world.operations())),
        (vec!["10.0.0.1 down".to_owned()], vec!["del 10.0.0.1".to_owned()])
    );
    world.verdict(1, false);
    assert!(world.facts().is_empty() && world.operations().is_empty());
    world.verdict(1, true);
    assert_eq!(
        (world.facts(), short(&world.operations())),
        (vec!["10.0.0.1 up".to_owned()], vec!["new 10.0.0.1 1".to_owned()])
    );
}

#[test]
fn the_last_server_goes_too_if_there_is_no_sorry_server() {
    let mut world = World::start(one(base(1)));
    world.operations();
    world.facts();
    world.verdict(1, false);
    assert_eq!(world.facts(), ["10.0.0.1 down", "0 quorum down 1 > 0"]);
    assert_eq!(short(&world.operations()), ["del 10.0.0.1"]);
}

#[test]
fn all_checks_of_a_server_have_to_pass() {
    let mut service = base(1);
    service.reals[0].checks =
        vec![Check { definition: 1, alpha: false }, Check { definition: 2, alpha: false }];
    let mut world = World::start(one(service));
    world.operations();
    world.facts();
    world.verdict_of(0, 1, 0, false);
    world.verdict_of(0, 1, 1, false);
    world.verdict_of(0, 1, 0, true);
    assert_eq!(world.facts(), ["10.0.0.1 down", "0 quorum down 1 > 0"]);
    world.verdict_of(0, 1, 1, true);
    assert_eq!(world.facts(), ["10.0.0.1 up", "0 quorum up 1 <= 1"]);
}

#[test]
fn quorum_lost_takes_out_the_failed_one_then_the_others_and_the_sorry_server_comes_last() {
    let mut service = base(3);
    service.params.quorum = 3;
    service.sorry = Some(sorry());
    let mut world = World::start(one(service));
    world.operations();
    world.facts();
    world.verdict(3, false);
    assert_eq!(world.facts(), ["10.0.0.3 down", "0 quorum down 3 > 2", "0 sorry in"]);
    assert_eq!(
        short(&world.operations()),
        ["del 10.0.0.3", "del 10.0.0.1", "del 10.0.0.2", "new 10.0.0.99 1"]
    );
    world.verdict(2, false);
    assert_eq!(
        (world.facts(), world.operations()),
        (vec!["10.0.0.2 down".to_owned()], vec![]),
        "it is out already"
    );
    world.verdict(2, true);
    world.facts();
    world.verdict(3, true);
    assert_eq!(world.facts(), ["10.0.0.3 up", "0 quorum up 3 <= 3", "0 sorry out"]);
    assert_eq!(
        short(&world.operations()),
        ["del 10.0.0.99", "new 10.0.0.1 1", "new 10.0.0.2 1", "new 10.0.0.3 1"]
    );
}

#[test]
fn what_was_not_pulled_yet_is_not_done_if_it_is_undone() {
    let mut service = base(3);
    service.params.quorum = 3;
    service.sorry = Some(sorry());
    let mut world = World::start(one(service));
    world.operations();
    world.verdict(3, false);
    world.verdict(3, true);
    assert!(world.operations().is_empty());
    world.verdict(3, false);
    let first = world.director.pull().unwrap();
    world.kernel.carry_out(&first.operation).unwrap();
    world.verdict(3, true);
    assert_eq!(short(&world.operations()), ["new 10.0.0.3 1"]);
    // What is half done begins anew.
    world.verdict(3, false);
    for _ in 0..2 {
        world.kernel.step(world.now, &mut world.director, 1, &mut |_| {});
    }
    world.verdict(3, true);
    assert_eq!(short(&world.operations()), ["new 10.0.0.1 1", "new 10.0.0.3 1"]);
}

#[test]
fn with_inhibit_a_server_that_does_not_answer_has_weight_0() {
    let mut service = base(2);
    service.params.quorum = 2;
    service.sorry = Some(sorry());
    for real in &mut service.reals {
        real.spec.inhibit = true;
    }
    let mut world = World::start(one(service));
    world.operations();
    world.facts();
    world.verdict(2, false);
    assert_eq!(world.facts()[0], "10.0.0.2 down inhibit");
    assert_eq!(short(&world.operations()), ["set 10.0.0.2 0", "set 10.0.0.1 0", "new 10.0.0.99 1"]);
    world.verdict(2, true);
    assert_eq!(short(&world.operations()), ["del 10.0.0.99", "set 10.0.0.1 1", "set 10.0.0.2 1"]);
}

#[test]
fn a_sorry_server_with_inhibit_is_there_with_weight_0_after_the_servers() {
    let mut service = base(1);
    service.sorry = Some(crate::proto::lvs::SorrySpec { inhibit: true, ..sorry() });
    let mut world = World::start(one(service));
    assert_eq!(world.facts(), ["0 start with quorum up 1 <= 1"]);
    assert_eq!(short(&world.operations()), ["new service", "new 10.0.0.1 1", "new 10.0.0.99 0"]);
    world.verdict(1, false);
    assert_eq!(world.facts().last().unwrap(), "0 sorry in inhibit");
    assert_eq!(short(&world.operations()), ["del 10.0.0.1", "set 10.0.0.99 1"]);
    world.verdict(1, true);
    assert_eq!(short(&world.operations()), ["set 10.0.0.99 0", "new 10.0.0.1 1"]);
}

#[test]
fn a_sorry_server_that_is_a_real_server_too_changes_its_role_and_stays() {
    let mut service = base(2);
    service.params.quorum = 2;
    service.sorry =
        Some(crate::proto::lvs::SorrySpec { addr: addr("10.0.0.1"), method: Method::Direct, ..sorry() });
    let mut world = World::start(one(service));
    world.operations();
    world.verdict(2, false);
    assert_eq!(
        short(&world.operations()),
        ["del 10.0.0.2", "set 10.0.0.1 1"],
        "the method of the sorry server"
    );
    world.verdict(2, true);
    assert_eq!(short(&world.operations()), ["set 10.0.0.1 1", "new 10.0.0.2 1"]);
    world.stop(Stop::Remove);
    assert_eq!(short(&world.operations()), ["del service"]);
    // With inhibit on both it has the weight of the role in which it answers.
    let mut service = base(2);
    service.params.quorum = 2;
    service.sorry = Some(crate::proto::lvs::SorrySpec { addr: addr("10.0.0.1"), inhibit: true, ..sorry() });
    (service.reals[0].spec.inhibit, service.reals[0].spec.weight) = (true, 3);
    let mut world = World::start(one(service));
    world.operations();
    world.verdict(2, false);
    world.verdict(1, false);
    assert_eq!(short(&world.operations()), ["set 10.0.0.1 1", "del 10.0.0.2"]);
}

/// Field case 23.
#[test]
fn hysteresis_separates() {
    let mut service = base(2);
    (service.params.quorum, service.params.hysteresis) = (3, 1);
    service.sorry = Some(sorry());
    for real in &mut service.reals {
        real.spec.weight = 2;
    }
    let mut world = World::start(one(service));
    assert_eq!(world.facts(), ["0 start with quorum up 4 <= 4"]);
    world.verdict(1, false);
    assert_eq!(world.facts(), ["10.0.0.1 down"], "2 are not less than 3 - 1");
    world.verdict(2, false);
    assert_eq!(world.facts(), ["10.0.0.2 down", "0 quorum down 2 > 0", "0 sorry in"]);
    world.verdict(1, true);
    assert_eq!(world.facts(), ["10.0.0.1 up"], "2 are less than 3 + 1");
    world.verdict(2, true);
    assert_eq!(world.facts(), ["10.0.0.2 up", "0 quorum up 4 <= 4", "0 sorry out"]);
}

/// Field case 24: never the sorry server for ever.
#[test]
fn the_weight_of_all_servers_is_always_enough() {
    let mut service = base(2);
    (service.params.quorum, service.params.hysteresis) = (2, 1);
    let mut world = World::start(one(service));
    assert_eq!(world.facts(), ["0 start with quorum up 2 <= 2"]);
    world.verdict(1, false);
    world.verdict(2, false);
    world.facts();
    world.verdict(1, true);
    world.verdict(2, true);
    assert_eq!(world.facts(), ["10.0.0.1 up", "10.0.0.2 up", "0 quorum up 2 <= 2"]);
    let mut none = base(1);
    none.reals[0].spec.weight = 0;
    none.params.quorum = 0;
    assert_eq!(World::start(one(none)).facts(), ["0 start with quorum up 0 <= 0"]);
}

#[test]
fn weights_are_counted_and_a_weight_of_0_counts_nothing() {
    let mut service = base(2);
    service.params.quorum = 2;
    let mut world = World::start(one(service));
    world.operations();
    world.facts();
    world.weigh(1, Weight::Set(0));
    assert_eq!(world.facts(), ["10.0.0.1 weight 1 to 0", "0 quorum down 2 > 1"]);
    assert_eq!(short(&world.operations()), ["set 10.0.0.1 0"]);
    world.weigh(1, Weight::Plus(609));
    assert_eq!(world.facts(), ["10.0.0.1 weight 0 to 610", "0 quorum up 2 <= 611"]);
    assert_eq!(short(&world.operations()), ["set 10.0.0.1 610"]);
    world.weigh(1, Weight::Plus(-7));
    assert_eq!(short(&world.operations()), ["set 10.0.0.1 0"]);
    world.weigh(1, Weight::Plus(i64::MAX));
    assert_eq!(short(&world.operations()), ["set 10.0.0.1 2147483647"]);
    world.weigh(1, Weight::Configured);
    world.facts();
    world.verdict(1, false);
    world.operations();
    world.weigh(1, Weight::Set(9));
    assert_eq!(world.facts().last().unwrap(), "10.0.0.1 weight 1 to 9 inactive");
    assert!(world.operations().is_empty());
    world.verdict(1, true);
    assert_eq!(short(&world.operations()), ["new 10.0.0.1 9"]);
}

#[test]
fn weights_of_several_checks_add_up() {
    let mut service = base(1);
    service.reals[0].spec.weight = 10;
    service.reals[0].checks = (1..=3).map(|definition| Check { definition, alpha: false }).collect();
    let mut world = World::start(one(service));
    let mut weigh = |check, weight| {
        let id = world.director.checks(world.real(1)).nth(check).unwrap();
        world.director.weigh(id, weight, &mut |_| {});
        world.director.real(world.real(1)).unwrap().weight
    };
    assert_eq!(weigh(0, Weight::Plus(5)), 15);
    assert_eq!(weigh(1, Weight::Set(4)), 9);
    assert_eq!(weigh(2, Weight::Plus(-20)), 0);
    assert_eq!(weigh(0, Weight::Configured), 0);
    assert_eq!(weigh(2, Weight::Configured), 4);
}

#[test]
fn a_group_goes_through_its_members_for_each_step() {
    let entries = vec![
        Entry::Mark { mark: 7, family: Some(Family::V4) },
        Entry::Addresses { first: addr("192.0.2.20"), last: addr("192.0.2.21"), port: 80 },
    ];
    let mut service = base(2);
    service.listen = Where::Group(entries, None);
    service.sorry = Some(sorry());
    let mut world = World::start(one(service));
    assert_eq!(
        world.operations(),
        [
            "new service 192.0.2.20:80",
            "new service 192.0.2.21:80",
            "new service IPv4 mark 7",
            "new 192.0.2.20:80 10.0.0.1:80 1",
            "new 192.0.2.21:80 10.0.0.1:80 1",
            "new IPv4 mark 7 10.0.0.1:80 1",
            "new 192.0.2.20:80 10.0.0.2:80 1",
            "new 192.0.2.21:80 10.0.0.2:80 1",
            "new IPv4 mark 7 10.0.0.2:80 1",
        ]
    );
    world.verdict(1, false);
    assert_eq!(
        world.operations(),
        ["del 192.0.2.20:80 10.0.0.1:80", "del 192.0.2.21:80 10.0.0.1:80", "del IPv4 mark 7 10.0.0.1:80"]
    );
    world.stop(Stop::Remove);
    assert_eq!(
        world.operations(),
        ["del service 192.0.2.20:80", "del service 192.0.2.21:80", "del service IPv4 mark 7",]
    );
    assert!(world.kernel.services.is_empty());
}

#[test]
fn a_member_that_a_group_has_twice_is_one() {
    let twice = Entry::Addresses { first: addr("192.0.2.20"), last: addr("192.0.2.20"), port: 80 };
    let mut service = base(1);
    service.listen = Where::Group(vec![twice, twice], None);
    let mut world = World::start(one(service));
    assert_eq!(world.facts(), ["0 holds 192.0.2.20:80 of 0", "0 start with quorum up 1 <= 1"]);
    assert_eq!(world.operations(), ["new service 192.0.2.20:80", "new 192.0.2.20:80 10.0.0.1:80 1"]);
}

#[test]
fn at_the_stop_everything_of_ours_goes() {
    let conf = |omega| {
        let (mut first, mut second) = (base(2), base(1));
        first.sorry = Some(sorry());
        first.params.omega = omega;
        second.identity = 2;
        second.listen = Where::Address(addr("192.0.2.11"), 80);
        Conf(vec![first, second])
    };
    let stopped = |how, omega| {
        let mut world = World::start(conf(omega));
        world.verdict(1, false);
        world.operations();
        world.facts();
        world.stop(how);
        (world.facts(), world.operations(), world.kernel.services.is_empty())
    };
    let (facts, operations, empty) = stopped(Stop::Remove, false);
    assert_eq!(facts, ["10.0.0.1 stops", "10.0.0.2 stops", "0 stops", "10.0.0.1 stops", "1 stops"]);
    assert_eq!(operations, ["del service 192.0.2.10:80", "del service 192.0.2.11:80"]);
    assert!(empty);
    let (facts, operations, empty) = stopped(Stop::Remove, true);
    assert_eq!(facts[..3], ["10.0.0.1 stops", "10.0.0.2 stops, notify", "0 stops, notify"]);
    assert_eq!(operations, ["del service 192.0.2.10:80", "del service 192.0.2.11:80"]);
    assert!(empty);
    let (_, operations, empty) = stopped(Stop::Keep, true);
    assert!(operations.is_empty() && !empty);
}

#[test]
fn after_the_stop_nothing_changes_any_more() {
    let mut world = World::start(one(base(2)));
    world.operations();
    world.stop(Stop::Remove);
    world.operations();
    world.facts();
    world.verdict(1, false);
    world.verdict(2, false);
    assert_eq!(world.facts(), ["10.0.0.1 down", "10.0.0.2 down"]);
    assert!(world.operations().is_empty());
}

/// Field cases 1 and 2, and the ports of a service.
#[test]
fn only_a_translated_packet_gets_another_port() {
    let tunnel = Method::Tunnel(Tunnel::default());
    for (listen, method, port, right) in [
        (Where::Mark(3), Method::Direct, 443, "IPv4 mark 3 10.0.0.1:0"),
        (Where::Mark(3), Method::Nat, 443, "IPv4 mark 3 10.0.0.1:443"),
        (Where::Mark(3), Method::Nat, 0, "IPv4 mark 3 10.0.0.1:0"),
        (Where::Address(addr("192.0.2.10"), 80), Method::Nat, 8000, "192.0.2.10:80 10.0.0.1:8000"),
        (Where::Address(addr("192.0.2.10"), 80), tunnel, 8000, "192.0.2.10:80 10.0.0.1:80"),
        (Where::Address(addr("192.0.2.10"), 80), Method::Nat, 0, "192.0.2.10:80 10.0.0.1:80"),
        (Where::Address(addr("192.0.2.10"), 0), Method::Nat, 0, "192.0.2.10:0 10.0.0.1:0"),
    ] {
        let mut service = base(1);
        service.listen = listen;
        (service.reals[0].spec.method, service.reals[0].spec.port) = (method, port);
        let mut world = World::start(one(service));
        assert_eq!(world.operations()[1], format!("new {right} 1"));
    }
}

/// Field case 3: one destination, whatever number of servers stands for it.
#[test]
fn servers_that_are_one_destination_share_it() {
    let mut service = base(2);
    service.listen = Where::Mark(3);
    for (real, port) in service.reals.iter_mut().zip([80, 443]) {
        (real.spec.addr, real.spec.port, real.spec.method) = (addr("10.0.0.1"), port, Method::Direct);
    }
    service.reals[1].spec.weight = 5;
    let mut world = World::start(one(service));
    assert_eq!(world.operations(), ["new service IPv4 mark 3", "new IPv4 mark 3 10.0.0.1:0 1"]);
    let reals: Vec<_> = world.director.reals(ServiceId(0)).collect();
    let check = world.director.checks(reals[0]).next().unwrap();
    world.director.verdict(check, false, &mut |_| {});
    assert_eq!(world.operations(), ["set IPv4 mark 3 10.0.0.1:0 5"]);
    world.director.verdict(check, true, &mut |_| {});
    assert_eq!(world.operations(), ["set IPv4 mark 3 10.0.0.1:0 1"]);
}

/// Field case 6.
#[test]
fn the_family_is_that_of_the_service() {
    let mut service = base(1);
    service.listen = Where::Address(addr("2001:db8::10"), 80);
    service.reals[0].spec.method = Method::Tunnel(Tunnel::default());
    let mut world = World::start(one(service));
    assert_eq!(world.operations(), ["new service 2001:db8::10:80", "new 2001:db8::10:80 10.0.0.1:80 1"]);
}

#[test]
fn a_verdict_tells_at_most_four_facts() {
    let mut service = base(1);
    service.sorry = Some(sorry());
    let mut world = World::start(one(service));
    let mut longest = 0;
    for up in [false, true, false, true] {
        let mut facts: Vec<Fact> = Vec::new();
        let check = world.director.checks(world.real(1)).next().unwrap();
        world.director.verdict(check, up, &mut |fact| facts.push(fact));
        longest = longest.max(facts.len());
    }
    assert_eq!(longest, 3);
}

#[test]
fn servers_added_after_each_other_are_numbered_through() {
    let mut second = base(0);
    second.listen = Where::Mark(1);
    second.reals = vec![server(7), server(8)];
    let world = World::start(Conf(vec![base(2), second]));
    let of = |service| world.director.reals(ServiceId(service)).map(|id| id.0).collect::<Vec<_>>();
    assert_eq!((of(0), of(1), of(2)), (vec![0, 1], vec![2, 3], vec![]));
    let view = world.director.service(ServiceId(1)).unwrap();
    assert_eq!((view.quorum, view.sorry, view.live, view.up), (true, false, 2, 2));
    let view = world.director.real(RealId(3)).unwrap();
    assert_eq!((view.service.0, view.up, view.weight, view.wanted), (1, true, 1, Some(1)));
}

#[test]
fn an_entry_of_the_kernel_is_found_by_its_keys() {
    let mut service = base(2);
    service.sorry = Some(sorry());
    let twice = Entry::Addresses { first: addr("192.0.2.20"), last: addr("192.0.2.21"), port: 80 };
    service.listen = Where::Group(vec![twice, twice], None);
    let world = World::start(Conf(vec![service]));
    let keys: Vec<_> = world.director.keys(ServiceId(0)).collect();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|key| world.director.holder(key) == Some(ServiceId(0))));
    let dest = |number| DestKey { addr: crate::base::addr::IpAddr::from([10, 0, 0, number]), port: 80 };
    let found = |number| world.director.server(&keys[1], &dest(number)).map(|real| real.0);
    assert_eq!([found(1), found(2), found(3), found(99)], [Some(0), Some(1), None, None]);
    assert_eq!(world.director.holder(&ServiceKey::Mark(Family::V4, 1)), None);
}

/// A reload of very many servers that are as they were goes on in slices.
#[test]
fn looking_at_what_has_not_changed_is_done_in_slices() {
    let mut service = base(0);
    service.reals = (0..20_000_u32)
        .map(|number| Real::new(crate::base::addr::Ipv4Addr::from_bits(0x0a00_0000 + number).into(), 80))
        .collect();
    service.sorry = Some(sorry());
    let mut world = World::start(one(service));
    assert_eq!(world.operations().len(), 20_001);
    let mut conf = world.conf.clone();
    conf.0[0].reals.last_mut().unwrap().spec.weight = 5;
    world.reload(conf);
    assert!(world.director.pull().is_none() && !world.director.is_settled());
    assert_eq!(short(&world.operations()), ["set 10.0.78.31 5"]);
    assert!(world.director.is_settled() && world.director.pull().is_none());
}

/// Keys and destinations past the capacity are told and left out.
#[test]
fn what_is_too_much_is_told() {
    let mut service = base(1);
    let all = Entry::Addresses { first: addr("10.0.0.0"), last: addr("10.255.255.255"), port: 80 };
    service.listen = Where::Group(vec![all], None);
    let mut second = base(1);
    second.identity = 2;
    let world = &mut World::start(Conf(vec![service, second]));
    assert_eq!(world.facts()[..2], ["0 too many", "0 start with quorum up 1 <= 1"]);
    assert_eq!(world.director.keys(ServiceId(0)).count(), crate::base::limit::LVS_KEYS);
    assert_eq!(world.director.keys(ServiceId(1)).count(), 0);
}

#[test]
fn a_weight_by_hand_is_stronger_than_checks_and_a_drained_server_stays_in_the_table() {
    let mut service = base(2);
    service.sorry = Some(sorry());
    let mut world = World::start(one(service));
    world.operations();
    world.facts();
    let by_hand = |world: &mut World, real: u32, weight: Option<u32>| {
        let mut count = 0;
        world.director.weigh_by_hand(RealId(real), weight, &mut |_| count += 1);
        count
    };
    assert_eq!(by_hand(&mut world, 0, Some(0)), 1);
    assert_eq!(short(&world.operations()), ["set 10.0.0.1 0"]);
    assert_eq!(world.director.real(RealId(0)).unwrap().by_hand, Some(0));
    world.weigh(1, Weight::Set(9));
    assert_eq!(short(&world.operations()), [""; 0], "a check has no say");
    // With the last one drained the sorry server serves, and connections of both end in peace.
    by_hand(&mut world, 1, Some(0));
    assert_eq!(short(&world.operations()), ["set 10.0.0.2 0", "new 10.0.0.99 1"]);
    assert_eq!(world.director.real(RealId(1)).unwrap().wanted, Some(0));
    assert_eq!(by_hand(&mut world, 1, Some(0)), 0, "nothing new");
    by_hand(&mut world, 1, None);
    by_hand(&mut world, 0, None);
    assert_eq!(world.director.real(RealId(0)).unwrap().wanted, Some(9), "what the check says counts again");
    assert_eq!(world.director.real(RealId(1)).unwrap().wanted, Some(1));
}
