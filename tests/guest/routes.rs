//! Routes and rules for which the kernel at hand has no modules: encapsulations, VRFs; and a machine without IPv6.

use std::time::Duration;

use crate::kit::bounds::{START, Timing, eventually};
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program};
use crate::kit::net::Net;

const TIMING: Timing = Timing::v3(100);
/// The guest is slow.
const SLOW: Duration = Duration::from_secs(10);

/// What the kernel says of each is what was asked for, and all of it goes in the end.
pub(crate) fn encapsulations_and_vrfs() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24", "2001:db8::1/64"]);
    a.shell(
        "set -e
        for module in mpls_router mpls_iptunnel ila; do modprobe $module; done
        echo 1000 > /proc/sys/net/mpls/platform_labels
        ip link add d0 type dummy; ip link add blue type vrf table 10; ip link set blue up
        ip link set d0 master blue; ip link set d0 up; ip addr add 10.8.0.1/24 dev d0",
    );
    let conf = Instance { interval: "1", ..Instance::default().priority(150) }
        .line(
            "virtual_routes {
            10.70.1.0/24 encap mpls 100/200 via 10.9.0.254 dev eth0
            10.70.2.0/24 encap ip id 77 dst 10.9.0.77 ttl 9 dev eth0
            2001:db8:71::/64 encap ip6 id 78 dst 2001:db8::77 hoplimit 7 dev eth0
            2001:db8:72:0:2000::1/128 encap ila 1:2:3:4 via 2001:db8::fe dev eth0
            10.70.3.0/24 via 10.8.0.254 dev d0 table 10
            10.70.5.0/24 via 10.8.0.253 dev d0 vrf blue
            2001:db8:75::/64 dev d0 vrf blue
            10.70.4.0/24 nexthop via 10.9.0.253 dev eth0 weight 1 encap mpls 300 nexthop via 10.9.0.254 dev eth0 weight 2
            }",
        )
        .before("static_routes {\n 10.70.6.0/24 via 10.8.0.252 dev d0 vrf blue\n}")
        .line("virtual_rules {\n l3mdev priority 509 from 10.60.9.0/24\n}");
    let daemon = Daemon::start(&a, Program::UnderTest, &conf.text());
    net.wait_master("a", daemon.since(), START + SLOW + TIMING.master_down(150));
    let shown = || a.shell("ip -d route show table all; ip -d -6 route show table all; ip -d rule");
    let wanted = [
        "10.70.1.0/24  encap mpls  100/200 via 10.9.0.254 dev eth0",
        "10.70.2.0/24  encap ip id 77 src 0.0.0.0 dst 10.9.0.77 ttl 9",
        "2001:db8:71::/64  encap ip6 id 78 src :: dst 2001:db8::77 hoplimit 7",
        "2001:db8:72:0:2000::1  encap ila 1:2:3:4",
        "10.70.3.0/24 via 10.8.0.254 dev d0 table 10",
        "10.70.5.0/24 via 10.8.0.253 dev d0 table 10",
        "2001:db8:75::/64 dev d0 table 10",
        "10.70.6.0/24 via 10.8.0.252 dev d0 table 10",
        "10.70.4.0/24 table main proto keepalived scope global nexthop encap mpls 300",
        "encap mpls  300 via 10.9.0.253 dev eth0 weight 1",
        "via 10.9.0.254 dev eth0 weight 2",
        "from 10.60.9.0/24 lookup [l3mdev-table]",
    ];
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let missing = || {
        let shown = squeezed(&shown().replace("unicast ", ""));
        wanted.into_iter().filter(|line| !shown.contains(&squeezed(line))).collect::<Vec<_>>()
    };
    let start = std::time::Instant::now();
    while !missing().is_empty() && start.elapsed() < SLOW {
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(missing().is_empty(), "{:?}\n{}\n{}", missing(), shown(), daemon.log());
    daemon.stop();
    let left = shown();
    assert!(!left.contains("10.70.") && !left.contains("2001:db8:7") && !left.contains("10.60.9"), "{left}");
}

/// A macvlan on a bridge, on a machine whose IPv6 is switched off.
pub(crate) fn on_a_bridge_without_ipv6() {
    let net = Net::new();
    let a = net.node("a", "eth0", &[]);
    a.shell(
        "set -e
        for which in all default; do echo 1 > /proc/sys/net/ipv6/conf/$which/disable_ipv6; done
        ip link add br0 type bridge; ip link set eth0 master br0; ip link set br0 up
        ip addr add 10.9.0.1/24 dev br0",
    );
    let conf = Instance { interface: "br0", interval: "1", ..Instance::default().priority(150) };
    let daemon = Daemon::start(&a, Program::UnderTest, &conf.line("use_vmac").text());
    let first = net.wait_master("a", daemon.since(), START + SLOW + TIMING.master_down(150));
    assert_eq!(first.advert().expect("an advert").mac, [0, 0, 0x5e, 0, 1, 51]);
    eventually("the address is there", SLOW, || a.holds("vrrp.51", "10.9.0.100"));
    assert_eq!(daemon.logged("No such file"), 0, "{}", daemon.log());
    daemon.stop();
    assert!(!a.exists("/sys/class/net/vrrp.51"));
}
