//! Several services that change at once: what comes of any of them precedes what goes of any other.

use super::conf::{Conf, Service, Where};
use super::world::{World, addr, server, settled, sorry};
use crate::base::addr::IpAddr;
use crate::base::id::CheckId;
use crate::proto::check::Weight;
use crate::proto::lvs::{Look, Protocol, ServiceKey};

/// A service on 192.0.2.`number`, port 80, with these servers.
fn on(number: u8, servers: core::ops::RangeInclusive<u8>) -> Service {
    let mut service = Service::new(u64::from(number), Where::Address(IpAddr::from([192, 0, 2, number]), 80));
    service.reals = servers.map(server).collect();
    service
}

/// Two services with these servers each.
fn both(servers: core::ops::RangeInclusive<u8>) -> Conf {
    Conf([10, 11].map(|number| on(number, servers.clone())).to_vec())
}

#[test]
fn a_reload_adds_to_all_services_before_it_takes_from_any() {
    let mut world = settled(both(1..=3));
    world.reload(both(2..=4));
    assert_eq!(
        world.operations(),
        [
            "new 192.0.2.10:80 10.0.0.4:80 1",
            "new 192.0.2.11:80 10.0.0.4:80 1",
            "del 192.0.2.10:80 10.0.0.1:80",
            "del 192.0.2.11:80 10.0.0.1:80",
        ]
    );
}

#[test]
fn weights_rise_before_others_fall() {
    let mut world = settled(both(1..=2));
    let mut conf = both(1..=2);
    for service in &mut conf.0 {
        (service.reals[0].spec.weight, service.reals[1].spec.weight) = (0, 2);
    }
    world.reload(conf);
    let all = world.operations();
    assert!(all[..2].iter().all(|line| line.ends_with("10.0.0.2:80 2")), "{all:?}");
    assert!(all[2..].iter().all(|line| line.ends_with("10.0.0.1:80 0")), "{all:?}");
}

/// What happens between the two passes is not lost, whichever of the services it is about.
#[test]
fn what_happens_between_coming_and_going_counts() {
    for happens in 0..6_usize {
        let mut world = settled(both(1..=3));
        world.reload(both(2..=4));
        // Both have what comes; the second one has not lost anything yet.
        for _ in 0..3 {
            world.kernel.step(world.now, &mut world.director, 1, &mut |_| {});
        }
        let key = |number: u8| ServiceKey::Address(Protocol::Tcp, IpAddr::from([192, 0, 2, number]), 80);
        match happens {
            0 => world.verdict_of(1, 3, 0, false),
            1 => world.weigh(2, Weight::Plus(7)),
            2 => drop(world.kernel.services.remove(&key(11))),
            3 => world.look(Look::Running),
            4 => world.reload(both(2..=3)),
            _ => {
                let mut conf = both(2..=4);
                conf.0[1].value.one_packet = true;
                world.reload(conf);
            }
        }
        world.operations();
        if happens == 2 {
            world.look(Look::Running);
            world.operations();
        }
        let servers = |number: u8| {
            let (_, dests) = &world.kernel.services[&key(number)];
            dests.iter().map(|(dest, value)| (dest.addr.to_string(), value.weight)).collect::<Vec<_>>()
        };
        let mut wanted = [2, 3, 4].map(|number| (addr(&format!("10.0.0.{number}")).to_string(), 1)).to_vec();
        if happens == 4 {
            wanted.pop();
        }
        let mut of_first = wanted.clone();
        if happens == 1 {
            of_first[0].1 = 8;
        }
        if happens == 0 {
            wanted.remove(1);
        }
        assert_eq!(servers(10), of_first, "{happens}");
        assert_eq!(servers(11), wanted, "{happens}");
        assert_eq!(world.kernel.services[&key(11)].0.one_packet, happens == 5);
    }
}

#[test]
fn a_sorry_server_does_not_wait_for_others() {
    let mut conf = both(1..=1);
    conf.0[0].sorry = Some(sorry());
    conf.0[1].sorry = Some(sorry());
    let mut world = settled(conf);
    for check in 0..2 {
        world.director.verdict(CheckId(check), false, &mut |_| {});
    }
    assert_eq!(
        world.operations(),
        [
            "del 192.0.2.10:80 10.0.0.1:80",
            "new 192.0.2.10:80 10.0.0.99:80 1",
            "del 192.0.2.11:80 10.0.0.1:80",
            "new 192.0.2.11:80 10.0.0.99:80 1",
        ]
    );
}

#[test]
fn a_stop_between_coming_and_going_ends_all() {
    let mut world: World = settled(both(1..=3));
    world.reload(both(2..=4));
    for _ in 0..3 {
        world.kernel.step(world.now, &mut world.director, 1, &mut |_| {});
    }
    world.stop(crate::proto::lvs::Stop::Remove);
    world.operations();
    assert!(world.table().is_empty(), "{:?}", world.table());
}
