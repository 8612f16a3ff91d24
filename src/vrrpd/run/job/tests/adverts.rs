//! What the network hears of a reload.

use super::{Child, instance, on_a_machine};
use crate::daemon::reactor::Command;
use crate::proto::vrrp::State;
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
        child.command(Command::Stop);
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
