//! What has gone wrong in the field: reports about keepalived and others, by their number in the collection of cases.

use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{
    DETECTION, Daemon, Duration, FOUR, FRR_BFDD, HANDSHAKE, Net, REFERENCE, US, children, cut, frr_session,
    pair, session, start_frr, wait,
};
use crate::kit::bounds::{ALLOWANCE, eventually};

/// A session of another name.
fn named(name: &str, source: &str, neighbor: &str, lines: &str) -> String {
    session(source, neighbor, lines).replacen("bfd_instance B", &format!("bfd_instance {name}"), 1)
}

/// Case 67 with FRR: intervals that change on either side while the session is up, beyond a second as well.
#[test]
fn intervals_change_while_a_session_with_frr_is_up() {
    let net = Net::new();
    let [a, b] = pair(&net, FOUR);
    let ours = Daemon::start(&a, US, &session(FOUR[0], FOUR[1], ""));
    let peer = format!("peer {} local-address {} interface eth0", FOUR[0], FOUR[1]);
    start_frr(&b, &frr_session(peer.trim_start_matches("peer ")));
    ours.wait_log("Detection time is 500000 us", HANDSHAKE);
    let vtysh = |lines: &[&str]| {
        let words: String = lines.iter().map(|line| format!(" -c '{line}'")).collect();
        b.shell(&format!("vtysh --vty_socket /run/frr -c 'configure terminal' -c bfd -c '{peer}'{words}"));
    };
    vtysh(&["transmit-interval 300"]);
    ours.wait_log("Detection time is 1500000 us", HANDSHAKE);
    vtysh(&["transmit-interval 50", "detect-multiplier 3"]);
    // Our own limit of 100 ms counts.
    ours.wait_log("Detection time is 300000 us", HANDSHAKE);
    for wanted in [500, 2_000, 60] {
        ours.reload(&session(FOUR[0], FOUR[1], &format!("min_tx {wanted}")));
        let milliseconds = wanted.max(100);
        eventually("FRR knows the interval", HANDSHAKE + ALLOWANCE, || {
            let shown = b.shell("vtysh --vty_socket /run/frr -c 'show bfd peers'");
            shown.contains(&format!("Transmission interval: {wanted}ms")) && milliseconds >= 100
        });
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(ours.logged("Entering Down"), 0, "{}", ours.log());
    ours.stop();
}

/// Cases 68 and 70 with FRR: the peer is switched off and on by its administrator, killed, and started again.
#[test]
fn a_peer_that_is_switched_off_and_one_that_is_restarted_come_back() {
    let net = Net::new();
    let [a, b] = pair(&net, FOUR);
    let ours = Daemon::start(&a, US, &session(FOUR[0], FOUR[1], ""));
    let peer = format!("peer {} local-address {} interface eth0", FOUR[0], FOUR[1]);
    start_frr(&b, &frr_session(peer.trim_start_matches("peer ")));
    ours.wait_log("Detection time is 500000 us", HANDSHAKE);
    let vtysh = |line: &str| {
        b.shell(&format!(
            "vtysh --vty_socket /run/frr -c 'configure terminal' -c bfd -c '{peer}' -c '{line}'"
        ));
    };
    vtysh("shutdown");
    // FRR 8 says so by its state alone.
    ours.wait_log(
        "(B) Entering Down state (Local diagnostic - Neighbor Signaled Session Down",
        DETECTION / 2,
    );
    assert_eq!(ours.logged("Expired after"), 0, "its end was told\n{}", ours.log());
    ours.signal(Signal::SIGUSR1);
    let dump = ours.dump("/tmp/keepalived_bfd.data");
    assert!(dump.contains("   remote state = AdminDown\n"), "{dump}");
    vtysh("no shutdown");
    wait(&ours, "Up", 2, HANDSHAKE);
    ours.wait_log("Detection time is 500000 us (was 5000000 us)", HANDSHAKE);
    b.shell("kill -KILL $(cat /run/frr/bfdd.pid); sleep 0.1");
    b.shell(FRR_BFDD);
    wait(&ours, "Down", 2, HANDSHAKE);
    wait(&ours, "Up", 3, HANDSHAKE);
    ours.stop();
}

/// Case 69: of two sessions to one neighbour that falls whose address is gone, and no other.
#[test]
fn two_sessions_to_one_neighbour_fall_by_themselves() {
    let net = Net::new();
    let [a, b] = pair(&net, FOUR);
    a.shell("ip addr add 10.9.3.1/32 dev eth0");
    b.shell("ip route add 10.9.3.1 dev eth0");
    let both = |source: [&str; 2], neighbor: [&str; 2]| {
        named("B", source[0], neighbor[0], "") + &named("C", source[1], neighbor[1], "")
    };
    let (own, other) = ([FOUR[0], "10.9.3.1"], [FOUR[1], FOUR[1]]);
    let ours = Daemon::start(&a, US, &both(own, other));
    let peer = Daemon::start(&b, REFERENCE, &both(other, own));
    for daemon in [&ours, &peer] {
        for name in ["B", "C"] {
            daemon.wait_log(&format!("({name}) Entering Up state"), HANDSHAKE);
        }
    }
    ours.wait_log("Detection time is 500000 us", HANDSHAKE);
    std::thread::sleep(DETECTION);
    a.shell(&format!("ip addr del {}/24 dev eth0; ip route replace 10.9.0.0/24 dev eth0", FOUR[0]));
    [&ours, &peer].iter().for_each(|daemon| wait(daemon, "Down", 1, DETECTION));
    std::thread::sleep(DETECTION * 2);
    for daemon in [&ours, &peer] {
        assert_eq!(daemon.logged("(C) Entering Down"), 0, "{}", daemon.log());
    }
    a.shell(&format!("ip addr add {}/24 dev eth0", FOUR[0]));
    [&ours, &peer].iter().for_each(|daemon| wait(daemon, "Up", 2, HANDSHAKE));
    ours.stop();
    peer.stop();
}

/// Case 71: who was not scheduled for longer than the detection time reads first what came meanwhile.
#[test]
fn a_child_that_was_not_scheduled_reads_before_it_takes_its_peer_for_lost() {
    let net = Net::new();
    let [a, b] = pair(&net, FOUR);
    // The other end is patient.
    let ours = Daemon::start(&a, US, &session(FOUR[0], FOUR[1], "min_rx 60\n multiplier 50"));
    let peer = Daemon::start(&b, US, &session(FOUR[1], FOUR[0], "min_tx 60"));
    [&ours, &peer].iter().for_each(|daemon| wait(daemon, "Up", 1, HANDSHAKE));
    ours.wait_log("Detection time is 300000 us", HANDSHAKE);
    let child = Pid::from_raw(children(ours.first())[0]);
    // A parent that is awake would take the child for hung.
    ours.freeze(true);
    kill(child, Signal::SIGSTOP).expect("the child runs");
    std::thread::sleep(Duration::from_secs(1));
    kill(child, Signal::SIGCONT).expect("the child is there");
    std::thread::sleep(Duration::from_millis(100));
    ours.freeze(false);
    ours.wait_log("BFD was not scheduled for", DETECTION);
    std::thread::sleep(DETECTION * 2);
    for daemon in [&ours, &peer] {
        assert_eq!(daemon.logged("Entering Down"), 0, "{}", daemon.log());
    }
    assert_eq!(children(ours.first()), [child.as_raw()], "the same child");
    ours.stop();
    peer.stop();
}

/// Case 72: every packet leaves from the address that is configured, and packets to another one are not taken.
#[test]
fn a_source_address_that_is_not_the_first_one_is_used() {
    let net = Net::new();
    let [a, b] = pair(&net, FOUR);
    a.shell("ip addr add 10.9.0.9/32 dev eth0");
    let ours = Daemon::start(&a, US, &session("10.9.0.9", FOUR[1], ""));
    let peer = Daemon::start(&b, US, &session(FOUR[1], FOUR[0], ""));
    ours.wait_log("discarded a BFD packet from 10.9.0.2: no session has its addresses", HANDSHAKE);
    peer.wait_log("discarded a BFD packet from 10.9.0.9: no session has its addresses", HANDSHAKE);
    assert_eq!(ours.logged("Entering"), 0, "{}", ours.log());
    peer.reload(&session(FOUR[1], "10.9.0.9", ""));
    [&ours, &peer].iter().for_each(|daemon| wait(daemon, "Up", 1, HANDSHAKE));
    let sources = net.tshark("a", "bfd", &["ip.src"]);
    assert!(!sources.is_empty() && sources.iter().all(|row| row[0] == "10.9.0.9"), "{sources:?}");
    ours.stop();
    peer.stop();
}

/// Two sessions with the same link-local addresses on two links: each falls with its own link, and follows an interface
/// that is deleted and made anew with another number.
#[test]
fn link_local_sessions_are_told_apart_by_their_links() {
    let net = Net::new();
    let [a, b] = pair(&net, FOUR);
    let holders = [&a, &b].map(|node| node.holder().to_string());
    let lay = |name: &str| {
        let ends = ["link", "add", "name", name, "netns", &holders[0], "type", "veth", "peer", "name", name];
        let status = Command::new("ip").args(ends).args(["netns", &holders[1]]).status();
        assert!(status.expect("ip (package iproute2) runs").success(), "{name}");
        for (node, last) in [(&a, 1), (&b, 2)] {
            let addrs =
                format!("ip link set {name} addrgenmode none; ip addr add fe80::{last}/64 dev {name} nodad");
            node.shell(&format!("{addrs}; ip link set {name} up"));
        }
    };
    for (node, last) in [(&a, 1), (&b, 2)] {
        node.shell(&format!("ip addr add fe80::{last}/64 dev eth0 nodad"));
    }
    lay("link1");
    let both = |source: &str, neighbor: &str| {
        named("B", &format!("{source}%eth0"), &format!("{neighbor}%eth0"), "")
            + &named("C", &format!("{source}%link1"), &format!("{neighbor}%link1"), "")
    };
    // One of them leaves its source to the kernel.
    let conf = both("fe80::1", "fe80::2").replace(" source_ip fe80::1%link1\n", "");
    assert_eq!(conf.matches("source_ip").count(), 1);
    let ours = Daemon::start(&a, US, &conf);
    let peer = Daemon::start(&b, US, &both("fe80::2", "fe80::1"));
    let ups = |name: &str, times: usize| {
        for daemon in [&ours, &peer] {
            let text = format!("({name}) Entering Up state");
            eventually(&text, HANDSHAKE + ALLOWANCE, || daemon.logged(&text) >= times);
        }
    };
    ups("B", 1);
    ups("C", 1);
    ours.wait_log("Detection time is 500000 us", HANDSHAKE);
    std::thread::sleep(DETECTION);
    a.shell("ip link del link1");
    ours.wait_log(
        "(C) Error sending packet - the interface of fe80::2%link1 is not there; trying on",
        DETECTION,
    );
    [&ours, &peer].iter().for_each(|daemon| daemon.wait_log("(C) Expired after 50", DETECTION));
    lay("link1");
    ups("C", 2);
    assert_eq!(ours.logged("(B) Entering Down") + peer.logged("(B) Entering Down"), 0, "{}", ours.log());
    let hops = net.tshark("a", "bfd", &["ipv6.hlim"]);
    assert!(!hops.is_empty() && hops.iter().all(|row| row[0] == "255"), "{hops:?}");
    cut(&net, true);
    [&ours, &peer].iter().for_each(|daemon| wait(daemon, "Down", 1, DETECTION));
    ours.stop();
    peer.stop();
}

/// A reload of a long file takes longer than the detection time of the peer, which notices nothing.
#[test]
fn a_long_reload_holds_up_no_packet() {
    let net = Net::new();
    let [a, b] = pair(&net, FOUR);
    let conf = |idle: u32| {
        let silent = (0..SILENT).map(|number| {
            let neighbor = format!("10.20.{}.{}", number / 250, number % 250 + 1);
            named(&format!("S{number}"), FOUR[0], &neighbor, &format!("passive\n idle_tx {idle}"))
        });
        session(FOUR[0], FOUR[1], "") + &silent.collect::<String>()
    };
    let ours = Daemon::start(&a, US, &conf(1_000));
    let peer = Daemon::start(&b, US, &session(FOUR[1], FOUR[0], ""));
    [&ours, &peer].iter().for_each(|daemon| daemon.wait_log("Detection time is 500000 us", HANDSHAKE * 2));
    for idle in [1_001, 1_002, 1_003] {
        ours.reload_within(&conf(idle), Duration::from_secs(20));
    }
    for daemon in [&ours, &peer] {
        assert_eq!(daemon.logged("(B) Entering Down"), 0, "{}", daemon.log());
    }
    ours.stop();
    peer.stop();
}

/// Sessions that say nothing, for a long file.
const SILENT: usize = 10_000;
