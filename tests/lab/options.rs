//! Options of adverts: sources, hop limits, unicast peers, and the two forms of the version 3 checksum.

use std::time::Duration;

use crate::kit::bounds::{START, Timing};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::inject::vrrp_checksum;
use crate::kit::net::Net;
use crate::steps;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);
const VIP: &str = "10.9.0.100";

#[test]
fn adverts_come_from_the_configured_source() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    // It need not be an address of the machine.
    let conf = Instance::default().priority(150).line("mcast_src_ip 10.9.0.77");
    let daemon = Daemon::start(&a, US, &conf.text());
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    assert_eq!(first.advert().expect("an advert").source.to_string(), "10.9.0.77");
    let peer = Daemon::start(&b, US, &Instance::default().text());
    peer.wait_log("master set to 10.9.0.77", START);
    net.never("the peer takes over", peer.since(), TIMING.master_down(100) * 2, |event| {
        event.is_advert_of("b")
    });
}

#[test]
fn unicast_keeps_to_its_hop_limits_and_peers() {
    let net = Net::new();
    let nodes = ["10.9.0.1", "10.9.0.2", "10.9.0.3"].map(|address| {
        net.node(
            match address.as_bytes().last() {
                Some(b'1') => "a",
                Some(b'2') => "b",
                _ => "c",
            },
            "eth0",
            &[&format!("{address}/24")],
        )
    });
    let [a, b, c] = &nodes;
    let conf = |priority: u8, lines: &[&str]| {
        let mut conf = Instance::default().priority(priority);
        for line in lines {
            conf = conf.line(line);
        }
        conf.text()
    };
    let daemon =
        Daemon::start(a, US, &conf(150, &["unicast_ttl 64", "unicast_peer {\n        10.9.0.2\n    }"]));
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    assert_eq!(first.advert().expect("an advert").ttl, 64);
    assert_eq!(first.advert().expect("an advert").destination.to_string(), "10.9.0.2");

    // A peer that accepts such a hop limit follows.
    let accepts = "unicast_peer {\n        10.9.0.1 min_ttl 60 max_ttl 64\n    }";
    let peer = Daemon::start(b, US, &conf(100, &[accepts]));
    peer.wait_log("master set to 10.9.0.1", START);
    net.never("the peer takes over", peer.since(), TIMING.master_down(100) * 2, |event| {
        event.is_advert_of("b")
    });
    drop(peer);
    // One that does not stays on its own, and says why.
    let refuses = "unicast_peer {\n        10.9.0.1 min_ttl 200 max_ttl 255\n    }";
    let peer = Daemon::start(b, US, &conf(100, &[refuses]));
    net.wait_master("b", peer.since(), START + TIMING.master_down(100));
    if !is_reference("its words are others") {
        peer.wait_log("TTL/HL 64 from 10.9.0.1 not in range [200, 255]", Duration::ZERO);
    }
    assert!(peer.stats().number("VI_1/Packet Errors/TTL") > 0);
    drop(peer);
    steps::clean(b, "eth0", &[VIP]);

    // A stranger is heard unless only peers are to be.
    let stranger = Daemon::start(c, US, &conf(200, &["unicast_peer {\n        10.9.0.2\n    }"]));
    let strict = "unicast_peer {\n        10.9.0.1 min_ttl 1\n    }";
    let peer = Daemon::start(b, US, &conf(100, &["check_unicast_src", strict]));
    peer.wait_log("unicast source address 10.9.0.3 not a unicast peer", START);
    drop((peer, stranger));
    steps::clean(c, "eth0", &[VIP]);
    let stranger = Daemon::start(c, US, &conf(200, &["unicast_peer {\n        10.9.0.2\n    }"]));
    drop(daemon);
    steps::clean(a, "eth0", &[VIP]);
    net.wait_master("c", stranger.since(), START + TIMING.master_down(200));
    let peer = Daemon::start(b, US, &conf(100, &["unicast_peer {\n        10.9.0.1\n    }"]));
    peer.wait_log("master set to 10.9.0.3", START);
}

/// The checksum of an advert of priority 150 of node a, without or with the pseudo header, as tshark writes it.
fn checksum(pseudo: bool) -> String {
    let mut pdu = [0x31, 51, 150, 1, 0, 10, 0, 0, 10, 9, 0, 100];
    if pseudo {
        vrrp_checksum(&mut pdu, &[10, 9, 0, 1], &[224, 0, 0, 18]);
        return format!("0x{:04x}", u16::from_be_bytes([pdu[6], pdu[7]]));
    }
    // The injector reckons that of version 2; the version is part of the sum.
    pdu[0] = 0x21;
    vrrp_checksum(&mut pdu, &[], &[]);
    let sum = u16::from_be_bytes([pdu[6], pdu[7]]).checked_sub(0x1000);
    format!("0x{:04x}", sum.expect("no borrow"))
}

#[test]
fn both_forms_of_the_version_3_checksum_are_sent_and_understood() {
    if is_reference("it knows one form only") {
        return;
    }
    // So does tshark.
    let net = Net::without_referee();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let conf = Instance::default().priority(150);
    let daemon = Daemon::start(&a, US, &conf.clone().line("v3_checksum_as_v2").text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    let peer = Daemon::start(&b, US, &Instance::default().text());
    peer.wait_log("master set to 10.9.0.1", START);
    let sums = || -> Vec<String> {
        let rows = net.tshark("a", "vrrp", &["vrrp.checksum"]);
        rows.into_iter().flatten().collect()
    };
    assert!(sums().iter().all(|sum| *sum == checksum(false)), "{:?}", sums());
    net.forget();
    let begin = now();
    daemon.reload(&conf.text());
    std::thread::sleep(TIMING.interval * 3);
    assert_eq!(sums().last(), Some(&checksum(true)));
    net.never("the peer takes over", begin, TIMING.master_down(100) * 2, |event| event.is_advert_of("b"));
    assert_eq!(peer.logged("checksum"), 0, "{}", peer.log());
}

#[test]
fn unicast_does_without_an_interface() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let conf = |own: &str, other: &str, priority: u8| {
        Instance { addresses: vec![format!("{VIP} dev eth0")], ..Instance::default() }
            .priority(priority)
            .line(&format!("unicast_src_ip {own}\n    unicast_peer {{\n        {other}\n    }}"))
            .text()
            .replace("    interface eth0\n", "")
    };
    let master = Daemon::start(&a, US, &conf("10.9.0.1", "10.9.0.2", 150));
    let peer = Daemon::start(&b, US, &conf("10.9.0.2", "10.9.0.1", 100));
    net.wait_master("a", master.since(), START + TIMING.master_down(150));
    peer.wait_log("master set to 10.9.0.1", START);
    steps::address_is_at("eth0", VIP, &a, &[&b]);
    let heir = steps::Heir { node: "b", priority: 100, timing: TIMING };
    steps::stop(&net, "a", master, heir);
    steps::address_is_at("eth0", VIP, &b, &[&a]);
}
