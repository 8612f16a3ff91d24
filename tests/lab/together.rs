//! What instances and their interface leave each other: room in adverts, macvlans, router ids.

use std::fmt::Write;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::daemon::{CONF, Daemon, Program, is_reference};
use crate::kit::net::Net;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(100);

fn instance(name: &str, priority: u8, addresses: &[String], more: &str) -> String {
    let mut text = format!(
        "vrrp_instance {name} {{\n interface eth0\n virtual_router_id 51\n priority {priority}\n version 3\n {more}\n \
         virtual_ipaddress {{\n"
    );
    for address in addresses {
        writeln!(text, "  {address}").expect("a string takes text");
    }
    text + " }\n}\n"
}

/// Both routers leave the same addresses out of their adverts, and hold them all the same.
#[test]
fn adverts_have_room_for_what_the_link_carries() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/16"]);
    let b = net.node("b", "eth0", &["10.9.0.2/16"]);
    let all: Vec<String> = (1..=150).map(|last| format!("10.9.1.{last}")).collect();
    for node in [&a, &b] {
        node.shell("ip link set eth0 mtu 500");
    }
    let daemon = Daemon::start(&a, US, &instance("A", 150, &all, ""));
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    assert_eq!(first.advert().expect("an advert").addresses.len(), 114);
    eventually("the last address is there", ALLOWANCE, || a.holds("eth0", "10.9.1.150"));
    // keepalived compares the lists.
    let peer = Daemon::start(&b, Program::Reference, &instance("A", 100, &all, ""));
    net.never("the peer takes over", peer.since(), TIMING.master_down(100) * 2, |event| {
        event.is_advert_of("b")
    });
    assert_eq!(peer.logged("expected"), 0, "{}", peer.log());
    // What fits is reckoned again, with the same result: nothing goes out for it.
    daemon.reload(&instance("A", 150, &all, "garp_master_delay 6"));
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
}

/// What netlink tells of its own addresses is not too much for it.
#[test]
fn six_hundred_addresses_at_once_lose_no_message() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/16"]);
    let all = |third: u8| (1..=200).map(|last| format!("10.9.{third}.{last}")).collect::<Vec<_>>();
    let conf = |third: u8| {
        let text = instance(&format!("A{third}"), 150, &all(third), "");
        text.replace("router_id 51", &format!("router_id {third}"))
    };
    let daemon = Daemon::start(&a, US, &(conf(1) + &conf(2) + &conf(3)));
    eventually("they are there", START + TIMING.master_down(150), || {
        (1..=3).all(|third| a.holds("eth0", &format!("10.9.{third}.200")))
    });
    // A reload that brings as many more, and somebody who looks at them all.
    daemon.reload(&(1..=6).map(conf).collect::<String>());
    eventually("the others, too", START + TIMING.master_down(150), || {
        (4..=6).all(|third| a.holds("eth0", &format!("10.9.{third}.200")))
    });
    assert_eq!(daemon.logged("messages were lost"), 0, "{}", daemon.log());
    daemon.stop();
}

/// The later of two instances that would share a macvlan, or a router id where that may be, stays out of the way.
#[test]
fn the_later_of_two_that_clash_stays_in_fault() {
    if is_reference("it says so in other words, and only of macvlans that already are there") {
        return;
    }
    for (words, macvlan) in [("", true), ("dynamic_interfaces allow_if_changes", false)] {
        let net = Net::new();
        let a = net.node("a", "eth0", &["10.9.0.1/16"]);
        let (own, other) =
            if macvlan { ("use_vmac", "use_vmac\n mcast_dst_ip 224.0.0.19") } else { ("", "") };
        let both = format!(
            "global_defs {{\n {words}\n}}\n{}{}",
            instance("FIRST", 150, &["10.9.1.1".to_owned()], own),
            instance("LATER", 200, &["10.9.1.2".to_owned()], other)
        );
        let daemon = Daemon::start(&a, US, &both);
        let link = if macvlan { "vrrp.51" } else { "eth0" };
        eventually("the first has its address", START + TIMING.master_down(150), || {
            a.holds(link, "10.9.1.1")
        });
        daemon.wait_log(
            "(LATER) entering FAULT state (another instance has the same router id or macvlan as",
            ALLOWANCE,
        );
        assert_eq!(daemon.logged("(LATER) Entering MASTER"), 0);
        assert!(!a.holds(link, "10.9.1.2"));
        // Without the first one the other takes its place.
        daemon.reload(&instance("LATER", 200, &["10.9.1.2".to_owned()], other));
        eventually("the later one is master", START + TIMING.master_down(200), || a.holds(link, "10.9.1.2"));
        assert!(!a.holds(link, "10.9.1.1"));
    }
}

/// What only the interface tells: strict mode has no peers where there is multicast. It is told with its remedy.
#[test]
fn strict_mode_with_peers_is_told_where_the_link_has_multicast() {
    if is_reference("it does not run") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/16"]);
    let more = "strict_mode\n unicast_src_ip 10.9.0.1\n unicast_peer {\n  10.9.0.2\n }";
    a.write(CONF, &instance("A", 100, &["10.9.1.1/24".to_owned()], more));
    let test = |wanted: i32| {
        let output = a.try_shell(&format!("/run/lab/keepalived -t -f {CONF}"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(wanted), "{said}");
        said.lines()
            .filter(|line| line.contains("(A) Unicast peers are not supported in strict mode"))
            .count()
    };
    assert_eq!(test(5), 1);
    a.shell("ip link set eth0 multicast off");
    assert_eq!(test(0), 0);
}
