//! BFD sessions with BIRD, by one hop and over a router: they come up, a cut is noticed by both ends, either end is
//! killed and starts again, and our stop is told. (BIRD 2.0 tells nothing when it ends.)

use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, START, eventually};
use crate::kit::daemon::{Daemon, Program};
use crate::kit::net::Net;
use crate::kit::node::Node;

const US: Program = Program::UnderTest;
/// Packets leave once a second until the session is up.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// The detection time of 5 packets of 100 ms.
const DETECTION: Duration = Duration::from_millis(500);

/// BIRD in a node, with one session.
struct Bird<'n> {
    node: &'n Node,
    neighbor: &'static str,
}

impl<'n> Bird<'n> {
    fn start(node: &'n Node, neighbor: &'static str, how: &str) -> Self {
        let conf = format!(
            "log \"/run/bird.log\" all;\nrouter id 10.9.0.200;\nprotocol device {{}}\nprotocol bfd {{\n \
             interface \"*\" {{ interval 100 ms; idle tx interval 1 s; multiplier 5; }};\n \
             multihop {{ interval 100 ms; idle tx interval 1 s; multiplier 5; }};\n \
 neighbor {neighbor} {how};\n}}\n"
        );
        node.write("/run/bird.conf", &conf);
        let bird = Self { node, neighbor };
        bird.start_again();
        bird
    }

    fn start_again(&self) {
        self.node.shell("bird -c /run/bird.conf -s /run/bird.ctl -P /run/bird.pid");
        eventually("BIRD listens", START, || self.node.exists("/run/bird.ctl"));
    }

    fn kill(&self) {
        self.node.shell("kill -KILL $(cat /run/bird.pid); rm /run/bird.pid /run/bird.ctl");
    }

    /// Waits until the session is in this state.
    fn wait(&self, state: &str, within: Duration) {
        let show = || self.node.shell("birdc -s /run/bird.ctl show bfd sessions");
        let is_there = || {
            let text = show();
            text.lines().any(|line| {
                let words: Vec<_> = line.split_whitespace().collect();
                words.first() == Some(&self.neighbor) && words.contains(&state)
            })
        };
        let what = format!("BIRD's session is {state}");
        eventually(&what, within + ALLOWANCE, is_there);
    }
}

/// The session `B` with BIRD.
fn session(source: &str, neighbor: &str, lines: &str) -> String {
    format!(
        "bfd_instance B {{\n neighbor_ip {neighbor}\n source_ip {source}\n min_rx 100\n min_tx 100\n {lines}\n}}\n"
    )
}

/// Waits until a daemon has entered a state so many times.
fn wait(daemon: &Daemon<'_>, state: &str, times: usize, within: Duration) {
    let text = format!("(B) Entering {state} state");
    eventually(&format!("{times} x {text}"), within + ALLOWANCE, || daemon.logged(&text) >= times);
}

/// The life of a session between ours at `a` and BIRD; the two cables that `cut` names are between them.
fn lives_through(net: &Net, a: &Node, conf: &str, bird: &Bird<'_>, cut: [u8; 2]) {
    let ours = Daemon::start(a, US, conf);
    wait(&ours, "Up", 1, HANDSHAKE);
    bird.wait("Up", HANDSHAKE);
    ours.wait_log("Detection time is 500000 us", HANDSHAKE);
    std::thread::sleep(DETECTION * 2);
    assert_eq!(ours.logged("Entering Down"), 0, "{}", ours.log());

    net.set_apart(&cut.map(Net::port), true);
    ours.wait_log("(B) Expired after 50", DETECTION);
    ours.wait_log("Local diagnostic - Control Detection Time Expired", DETECTION);
    bird.wait("Down", DETECTION);
    net.set_apart(&cut.map(Net::port), false);
    wait(&ours, "Up", 2, HANDSHAKE);
    bird.wait("Up", HANDSHAKE);

    bird.kill();
    wait(&ours, "Down", 2, DETECTION);
    bird.start_again();
    wait(&ours, "Up", 3, HANDSHAKE);
    bird.wait("Up", HANDSHAKE);

    ours.kill();
    bird.wait("Down", DETECTION);
    let ours = Daemon::start(a, US, conf);
    wait(&ours, "Up", 1, HANDSHAKE);
    bird.wait("Up", HANDSHAKE);

    ours.stop();
    bird.wait("Down", DETECTION / 2);
}

#[test]
fn by_one_hop() {
    let net = Net::new();
    let (a, b) = (net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"]));
    let bird = Bird::start(&b, "10.9.0.1", "dev \"eth0\" local 10.9.0.2");
    lives_through(&net, &a, &session("10.9.0.1", "10.9.0.2", ""), &bird, [1, 2]);
}

#[test]
fn by_one_hop_over_ipv6() {
    let net = Net::new();
    let (a, b) = (net.node("a", "eth0", &["fd09::1/64"]), net.node("b", "eth0", &["fd09::2/64"]));
    let bird = Bird::start(&b, "fd09::1", "dev \"eth0\" local fd09::2");
    lives_through(&net, &a, &session("fd09::1", "fd09::2", ""), &bird, [1, 2]);
}

#[test]
fn over_a_router_by_ipv6() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["fd01::1/64"]);
    let router = net.node("router", "eth0", &["fd01::ff/64"]);
    net.plug(&router, "eth1", &["fd02::ff/64"]);
    let b = net.node("b", "eth0", &["fd02::2/64"]);
    router.shell("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
    a.shell("ip route add fd02::/64 via fd01::ff");
    b.shell("ip route add fd01::/64 via fd02::ff");
    let bird = Bird::start(&b, "fd01::1", "local fd02::2 multihop yes");
    lives_through(&net, &a, &session("fd01::1", "fd02::2", "multihop"), &bird, [1, 2]);
}

/// BIRD takes packets at the port of multihop sessions alone (field case 64).
#[test]
fn over_a_router() {
    live_over_a_router("multihop");
}

/// BIRD's packets begin with a TTL of 64.
#[test]
fn over_no_more_routers_than_told() {
    live_over_a_router("multihop\n ttl 64\n max_hops 1");
}

fn live_over_a_router(lines: &str) {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.1.1/24"]);
    let router = net.node("router", "eth0", &["10.9.1.254/24"]);
    net.plug(&router, "eth1", &["10.9.2.254/24"]);
    let b = net.node("b", "eth0", &["10.9.2.2/24"]);
    a.shell("ip route add 10.9.2.0/24 via 10.9.1.254");
    b.shell("ip route add 10.9.1.0/24 via 10.9.2.254");
    let bird = Bird::start(&b, "10.9.1.1", "local 10.9.2.2 multihop yes");
    lives_through(&net, &a, &session("10.9.1.1", "10.9.2.2", lines), &bird, [1, 2]);
}
