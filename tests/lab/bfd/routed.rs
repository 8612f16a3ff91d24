//! Sessions with a router between their ends: over the port of multihop sessions, and what `max_hops` lets through.

use super::{DETECTION, Daemon, HANDSHAKE, Net, Node, US, frr_session, session, start_frr, wait};
use crate::kit::bounds::{ALLOWANCE, eventually};

/// The ends and the router's addresses beside them.
struct Way {
    ends: [&'static str; 2],
    beside: [&'static str; 2],
    length: u8,
}

const FOUR: Way = Way { ends: ["10.9.1.1", "10.9.2.1"], beside: ["10.9.1.254", "10.9.2.254"], length: 24 };
const SIX: Way = Way { ends: ["fd09:1::1", "fd09:2::1"], beside: ["fd09:1::fe", "fd09:2::fe"], length: 64 };

/// Two ends and the router between them.
fn routed(net: &Net, way: &Way) -> [Node; 3] {
    let address = |address: &str| format!("{address}/{}", way.length);
    let [a, b] = [("a", 0), ("b", 1)].map(|(name, at)| net.node(name, "eth0", &[&address(way.ends[at])]));
    let router = net.node("r", "eth0", &[&address(way.beside[0])]);
    net.plug(&router, "eth1", &[&address(way.beside[1])]);
    router.shell("echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding");
    for (node, beside) in [(&a, way.beside[0]), (&b, way.beside[1])] {
        node.shell(&format!("ip route add default via {beside}"));
    }
    [a, router, b]
}

/// Field case 65: what came by a router is not taken for a neighbour's, unless the configuration says so.
#[test]
fn a_packet_that_came_by_a_router_needs_max_hops() {
    for way in [FOUR, SIX] {
        let net = Net::new();
        let [a, _r, b] = routed(&net, &way);
        let [one, other] = way.ends;
        let ours = Daemon::start(&a, US, &session(one, other, ""));
        let peer = Daemon::start(&b, US, &session(other, one, "max_hops 1"));
        let line = format!(
            "(B) discarded a packet from {other}: its TTL is 254, it came by more routers than max_hops allows"
        );
        ours.wait_log(&line, HANDSHAKE);
        std::thread::sleep(HANDSHAKE / 2);
        assert_eq!(ours.logged("Entering Up") + peer.logged("Entering Up"), 0, "{}", ours.log());
        ours.reload(&session(one, other, "max_hops 1"));
        [&ours, &peer].iter().for_each(|daemon| wait(daemon, "Up", 1, HANDSHAKE));
        ours.stop();
        peer.stop();
    }
}

/// Case 64: the session comes up over port 4784, its route is cut and comes back.
#[test]
fn multihop_sessions_with_ours_and_with_frr() {
    for way in [FOUR, SIX] {
        for is_frr in [false, true] {
            let net = Net::new();
            let [a, r, b] = routed(&net, &way);
            let [one, other] = way.ends;
            let ours = Daemon::start(&a, US, &session(one, other, "multihop\n max_hops 1"));
            let peer = if is_frr {
                start_frr(&b, &frr_session(&format!("{one} multihop local-address {other}")));
                None
            } else {
                Some(Daemon::start(&b, US, &session(other, one, "multihop")))
            };
            wait(&ours, "Up", 1, HANDSHAKE);
            ours.wait_log("Detection time is 500000 us", HANDSHAKE);
            std::thread::sleep(DETECTION * 2);
            assert_eq!(ours.logged("Entering Down"), 0, "{}", ours.log());
            r.shell("ip link set eth1 down");
            ours.wait_log("(B) Expired after 50", DETECTION);
            r.shell("ip link set eth1 up");
            if way.length == 64 {
                // With its interface the kernel takes IPv6 addresses away.
                r.shell(&format!("ip addr replace {}/64 dev eth1 nodad", way.beside[1]));
            }
            wait(&ours, "Up", 2, HANDSHAKE);
            let ports = net.tshark("a", "bfd", &["udp.dstport"]);
            assert!(!ports.is_empty() && ports.iter().all(|row| row[0] == "4784"), "{ports:?}");
            ours.stop();
            if let Some(peer) = peer {
                peer.wait_log("Remote diagnostic - Administratively Down", DETECTION / 2);
                peer.stop();
            }
        }
    }
}

/// A session without `source_ip` follows the kernel's choice, and is there again soon after a route is.
#[test]
fn a_session_whose_route_comes_later_is_up_soon_after_it() {
    let net = Net::new();
    let [a, _r, b] = routed(&net, &FOUR);
    let [one, other] = FOUR.ends;
    a.shell("ip route del default");
    let ours = Daemon::start(&a, US, &format!("bfd_instance B {{\n neighbor_ip {other}\n multihop\n}}\n"));
    let peer = Daemon::start(&b, US, &session(other, one, "multihop"));
    ours.wait_log("(B) Error sending packet", HANDSHAKE);
    std::thread::sleep(HANDSHAKE / 2);
    assert_eq!(ours.logged("Error sending packet"), 1, "told once\n{}", ours.log());
    a.shell(&format!("ip route add default via {}", FOUR.beside[0]));
    [&ours, &peer].iter().for_each(|daemon| wait(daemon, "Up", 1, HANDSHAKE));
    // Another address takes the place of the first one, and the packets follow; the other end knows nobody there.
    a.shell("ip addr add 10.9.1.2/24 dev eth0; ip addr del 10.9.1.1/24 dev eth0; ip addr add 10.9.1.2/24 dev eth0 || true");
    a.shell(&format!("ip route replace default via {}", FOUR.beside[0]));
    eventually("the other end has lost it", HANDSHAKE + ALLOWANCE, || peer.logged("Entering Down") == 1);
    peer.reload(&session(other, "10.9.1.2", "multihop"));
    eventually("the other end has found it", HANDSHAKE + ALLOWANCE, || peer.logged("Entering Up") == 2);
    ours.stop();
    peer.stop();
}
