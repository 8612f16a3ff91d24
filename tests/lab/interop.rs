//! Ours and Debian's keepalived 2.2.7 as the two routers of a pair, both ways round.
//!
//! One test goes through a whole life: election, graceful stop, preemption, kill, nopreempt, a tie that
//! does not preempt, and a tie between two masters after a split heals.

use std::time::Duration;

use crate::kit::bounds::{START, Timing};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::Node;
use crate::steps::{self, Heir};

use Program::{Reference, UnderTest};

/// Priorities of A and B.
const HIGH: u8 = 150;
const LOW: u8 = 100;

/// A way to speak VRRP.
struct Dialect {
    timing: Timing,
    base: Instance,
    addresses: [&'static str; 2],
    virtuals: &'static [&'static str],
    /// Lines of each side's instance.
    lines: [&'static str; 2],
}

impl Dialect {
    fn conf(&self, side: usize, priority: u8, line: &str) -> String {
        let mut conf = self.base.clone().priority(priority).line(self.lines[side]).line(line);
        conf.addresses = self.virtuals.iter().map(|address| (*address).to_owned()).collect();
        conf.text()
    }
}

fn v2_password() -> Dialect {
    let password = "authentication {\n        auth_type PASS\n        auth_pass s3cret\n    }";
    Dialect {
        timing: Timing::V2,
        base: Instance { version: 2, interval: "1", ..Instance::default() },
        addresses: ["10.9.0.1/24", "10.9.0.2/24"],
        virtuals: &["10.9.0.100/24", "10.9.0.101/24"],
        lines: [password; 2],
    }
}

fn v2_header() -> Dialect {
    let header = "authentication {\n        auth_type AH\n        auth_pass s3cret\n    }";
    Dialect { lines: [header; 2], ..v2_password() }
}

fn v3_ipv4() -> Dialect {
    Dialect {
        timing: Timing::v3(20),
        base: Instance { interval: "0.2", ..Instance::default() },
        addresses: ["10.9.0.1/24", "10.9.0.2/24"],
        virtuals: &["10.9.0.100/24"],
        lines: [""; 2],
    }
}

fn v3_ipv6() -> Dialect {
    Dialect {
        timing: Timing::v3(20),
        base: Instance { interval: "0.2", ..Instance::default() },
        addresses: ["fd09::1/64", "fd09::2/64"],
        virtuals: &["fe80::9:100", "fd09::100/64"],
        lines: [""; 2],
    }
}

fn unicast_ipv4() -> Dialect {
    Dialect {
        lines: [
            "unicast_src_ip 10.9.0.1\n    unicast_peer {\n        10.9.0.2\n    }",
            "unicast_src_ip 10.9.0.2\n    unicast_peer {\n        10.9.0.1\n    }",
        ],
        ..v3_ipv4()
    }
}

fn unicast_ipv6() -> Dialect {
    Dialect {
        lines: [
            "unicast_src_ip fd09::1\n    unicast_peer {\n        fd09::2\n    }",
            "unicast_src_ip fd09::2\n    unicast_peer {\n        fd09::1\n    }",
        ],
        ..v3_ipv6()
    }
}

#[test]
fn v2_password_with_keepalived_second() {
    life(&v2_password(), UnderTest, Reference);
}

#[test]
fn v2_password_with_keepalived_first() {
    life(&v2_password(), Reference, UnderTest);
}

#[test]
fn v2_header_with_keepalived_second() {
    life(&v2_header(), UnderTest, Reference);
}

#[test]
fn v2_header_with_keepalived_first() {
    life(&v2_header(), Reference, UnderTest);
}

#[test]
fn v3_ipv4_with_keepalived_second() {
    life(&v3_ipv4(), UnderTest, Reference);
}

#[test]
fn v3_ipv4_with_keepalived_first() {
    life(&v3_ipv4(), Reference, UnderTest);
}

#[test]
fn v3_ipv6_with_keepalived_second() {
    life(&v3_ipv6(), UnderTest, Reference);
}

#[test]
fn v3_ipv6_with_keepalived_first() {
    life(&v3_ipv6(), Reference, UnderTest);
}

#[test]
fn unicast_ipv4_with_keepalived_second() {
    life(&unicast_ipv4(), UnderTest, Reference);
}

#[test]
fn unicast_ipv4_with_keepalived_first() {
    life(&unicast_ipv4(), Reference, UnderTest);
}

#[test]
fn unicast_ipv6_with_keepalived_second() {
    life(&unicast_ipv6(), UnderTest, Reference);
}

#[test]
fn unicast_ipv6_with_keepalived_first() {
    life(&unicast_ipv6(), Reference, UnderTest);
}

fn life(dialect: &Dialect, first: Program, second: Program) {
    let net = Net::new();
    let a = net.node("a", "eth0", &[dialect.addresses[0]]);
    let b = net.node("b", "eth0", &[dialect.addresses[1]]);
    let timing = dialect.timing;
    let heir = Heir { node: "b", priority: LOW, timing };
    let at_a = |other: &Node| holds_all(dialect, &a, other);
    let at_b = |other: &Node| holds_all(dialect, &b, other);
    let conf_a = dialect.conf(0, HIGH, "");
    let conf_b = dialect.conf(1, LOW, "");

    // Election: the higher priority wins, and the other never speaks.
    let begin = now();
    let daemon_b = Daemon::start(&b, second, &conf_b);
    let daemon_a = Daemon::start(&a, first, &conf_a);
    net.wait_master("a", begin, START + timing.master_down(HIGH));
    at_a(&b);
    // On a busy machine b may have been first; it has yielded by now.
    net.never("b is master too", now(), timing.interval * 3, |event| event.is_advert_of("b"));

    // Graceful stop: the backup takes over after its skew time.
    steps::stop(&net, "a", daemon_a, heir);
    at_b(&a);

    // Preemption: who comes back with the higher priority takes the addresses back.
    let daemon_a = Daemon::start(&a, first, &conf_a);
    let back = net.wait_master("a", daemon_a.since(), START + timing.master_down(HIGH));
    at_a(&b);
    net.never("b goes on", back.at + 50_000_000, timing.interval * 3, |event| event.is_advert_of("b"));

    // Kill: the backup takes over after its master-down time.
    steps::kill(&net, "a", daemon_a, heir);
    steps::clean(&a, "eth0", dialect.virtuals);
    at_b(&a);

    // No preemption: who comes back stays backup until the other dies.
    let daemon_a = Daemon::start(&a, first, &dialect.conf(0, HIGH, "nopreempt"));
    let patience = timing.master_down(HIGH) + timing.interval * 2 + Duration::from_millis(500);
    net.never("a preempts", daemon_a.since(), patience, |event| event.is_advert_of("a"));
    steps::kill(&net, "b", daemon_b, Heir { node: "a", priority: HIGH, timing });
    steps::clean(&b, "eth0", dialect.virtuals);
    at_a(&b);

    // A tie: a backup of the same priority does not preempt, whatever its address.
    let daemon_b = Daemon::start(&b, second, &dialect.conf(1, HIGH, ""));
    net.never("b preempts its equal", daemon_b.since(), patience, |event| event.is_advert_of("b"));

    // A tie of two masters, when a split heals: the higher address stays.
    let split = now();
    net.set_apart(&[Net::port(1), Net::port(2)], true);
    net.wait_master("b", split, timing.interval + timing.master_down(HIGH));
    let heal = now();
    net.set_apart(&[Net::port(1), Net::port(2)], false);
    net.wait("b hears a or a hears b", heal, timing.interval, |event| event.is_advert_of("b"));
    at_b(&a);
    let settled = now();
    net.never("a goes on", settled, timing.interval * 4, |event| event.is_advert_of("a"));
    net.wait_master("b", settled, timing.interval * 4);

    drop((daemon_a, daemon_b));
    fields(&net, dialect, [first, second]);
}

/// What tshark reads in the headers of our adverts: version, TTL 255, and the precedence of network control.
fn fields(net: &Net, dialect: &Dialect, programs: [Program; 2]) {
    let ipv6 = dialect.addresses[0].contains(':');
    let names = if ipv6 {
        ["ipv6.hlim", "ipv6.tclass", "vrrp.version"]
    } else {
        ["ip.ttl", "ip.dsfield", "vrrp.version"]
    };
    // Debian's keepalived sends IPv6 unicast with the hop limit of the machine; ours does not.
    let unicast = dialect.lines[0].contains("unicast_peer");
    let lax = |program| program == Reference || is_reference("the hop limit of IPv6 unicast");
    for (node, program) in ["a", "b"].into_iter().zip(programs) {
        let lowest = if ipv6 && unicast && lax(program) { "64" } else { "255" };
        for row in net.tshark(node, "vrrp && !icmp && !icmpv6", &names) {
            assert_eq!(row[2], dialect.timing.version.to_string(), "version: {row:?}");
            assert_eq!(row[0], lowest, "TTL: {row:?}");
            assert!(ipv6 || row[1] == "0xc0", "type of service: {row:?}");
        }
    }
}

fn holds_all(dialect: &Dialect, holder: &Node, other: &Node) {
    for address in dialect.virtuals {
        let host = address.split('/').next().expect("an address");
        steps::address_is_at("eth0", host, holder, &[other]);
    }
}
