//! What the network hears of a reload.

use super::{Child, address, instance, on_a_machine, owner};
use crate::base::addr::IpAddr;
use crate::daemon::reactor::{Again, Process};
use crate::proto::vrrp::{Input, State, Why};
use crate::sys::test_net::Listener;

/// Where an advert begins behind the headers of Ethernet and IPv4, and where IPv4 says that it is one.
const ADVERT: usize = 34;
const PROTOCOL: usize = 23;
const VRRP: u8 = 112;

/// The router ids and priorities of the adverts that were heard.
fn adverts(listener: &mut Listener) -> Vec<(u8, u8)> {
    let frames = listener.frames().into_iter().filter(|frame| frame[PROTOCOL] == VRRP);
    frames.map(|frame| (frame[ADVERT + 1], frame[ADVERT + 2])).collect()
}

#[test]
fn an_instance_that_leaves_says_goodbye_and_the_others_do_not() {
    on_a_machine(|_| {
        let mut listener = Listener::ipv4();
        let (a, b) = (instance("A", 51, &["192.0.2.11"]), instance("B", 52, &["192.0.2.12"]));
        let mut child = Child::successor(&format!("{a}{b}"), &["A", "B"]);
        child.words();
        assert!(adverts(&mut listener).iter().all(|(_, priority)| *priority == 100));
        child.reload(&b);
        let heard = adverts(&mut listener);
        assert!(heard.contains(&(51, 0)), "{heard:?}");
        assert!(!heard.contains(&(52, 0)), "{heard:?}");
        child.reload(&instance("B", 62, &["192.0.2.12"]));
        assert!(adverts(&mut listener).contains(&(52, 0)));
        assert_eq!(child.state("B"), State::Backup);
        child.stop();
        assert!(adverts(&mut listener).is_empty(), "a BACKUP says nothing");
    });
}

#[test]
fn other_addresses_are_advertised_at_once() {
    on_a_machine(|_| {
        let mut listener = Listener::ipv4();
        let mut child = Child::successor(&instance("A", 51, &["192.0.2.11"]), &["A"]);
        child.words();
        listener.frames();
        child.reload(&instance("A", 51, &["192.0.2.12"]));
        assert!(adverts(&mut listener).contains(&(51, 100)));
    });
}

#[test]
fn an_advert_that_is_due_leaves_while_thousands_of_addresses_are_added() {
    on_a_machine(|_| {
        let mut listener = Listener::ipv4();
        let many = (0..3_000).map(|number| format!("10.1.{}.{}", number / 250, number % 250 + 1));
        let many: Vec<String> = many.collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let (a, b) = (instance("A", 51, &many), owner("B", 52, &["192.0.2.12"]));
        let mut child = Child::first(&format!("{a}{b}"));
        assert_eq!((child.state("A"), child.state("B")), (State::Backup, State::Master));
        child.input("A", Input::Sync { to: State::Master, why: Why::Group });
        assert!(child.reactor.is_working(), "a slice is not enough for so many addresses");
        assert!(child.instance("A").addresses.iter().any(|moved| !moved.item.is_ours()));
        listener.frames();
        let due = child.instance("B").router.poll_at().unwrap();
        while child.vrrp.work(&mut child.reactor.turn_at(due)) == Again::More {}
        assert!(adverts(&mut listener).contains(&(52, 255)), "the end of the turn is still to come");
        assert!(child.instance("A").addresses.iter().all(|moved| moved.item.is_ours()));
    });
}

/// What waits because effects take long is not lost: notifications that were read are taken when the work is done.
#[test]
fn what_was_read_while_the_child_is_busy_is_taken_later() {
    on_a_machine(|machine| {
        let mut child = Child::first(&instance("A", 51, &["192.0.2.11"]));
        let link = child.instance("A").links.base.unwrap();
        for host in 21..25 {
            machine.network.add(&address(machine.interface, &format!("192.0.2.{host}")));
        }
        // As if the first of them led to more than a slice of work.
        child.vrrp.work.busy = true;
        assert_eq!(child.vrrp.listen(&mut child.reactor.turn()), Again::More);
        let known = |child: &Child, host: u8| {
            let there = &child.vrrp.links.table.link(link).unwrap().addresses;
            there.iter().any(|prefix| prefix.addr == IpAddr::from([192, 0, 2, host]))
        };
        assert!(!known(&child, 24), "the last of them waits");
        child.work();
        while child.vrrp.listen(&mut child.reactor.turn()) == Again::More {}
        assert!((21..25).all(|host| known(&child, host)));
    });
}
