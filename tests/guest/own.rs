//! Interfaces of one's own where the kernel at hand has none: ipvlans, VRFs, and macvlans on VLANs, bonds and dummies.

use std::time::Duration;

use crate::kit::bounds::{START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program};
use crate::kit::net::Net;
use crate::kit::node::Node;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(100);
const VIP: &str = "10.9.0.100";
/// The guest is slow.
const SLOW: Duration = Duration::from_secs(10);

fn conf(priority: u8) -> Instance {
    Instance { interval: "1", addresses: vec![format!("{VIP}/24")], ..Instance::default().priority(priority) }
}

fn is_there(node: &Node, name: &str) -> bool {
    node.exists(&format!("/sys/class/net/{name}"))
}

fn index(node: &Node, name: &str) -> String {
    node.read(&format!("/sys/class/net/{name}/ifindex")).trim().to_owned()
}

fn takes_over(net: &Net, node: &str, since: u64, priority: u8) -> crate::kit::decode::Event {
    net.wait_master(node, since, START + SLOW + TIMING.master_down(priority))
}

/// Adverts leave with the ipvlan's address, the virtual address is beside it, and Debian's keepalived understands it.
pub(crate) fn ipvlan() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let peer = Daemon::start(&b, Program::Reference, &conf(100).line("use_ipvlan 10.9.0.52/24").text());
    takes_over(&net, "b", peer.since(), 100);
    let ours = conf(150).line("use_ipvlan 10.9.0.51/24 private group 7");
    let daemon = Daemon::start(&a, US, &ours.text());
    let first = takes_over(&net, "a", daemon.since(), 150);
    let advert = first.advert().expect("an advert");
    assert_eq!(advert.source.to_string(), "10.9.0.51");
    assert_eq!(advert.mac, [2, 0, 0, 0, 0, 1], "an ipvlan has its base's hardware address");
    eventually("the addresses are there", SLOW, || a.holds("vrrp.51", "10.9.0.51") && a.holds("eth0", VIP));
    let shown = a.shell("ip -d link show vrrp.51");
    assert!(
        shown.contains("ipvlan") && shown.contains("mode l2 private") && shown.contains("group 7"),
        "{shown}"
    );
    eventually("b let go", SLOW, || !b.holds("eth0", VIP));
    daemon.signal(nix::sys::signal::Signal::SIGUSR1);
    let dump = daemon.dump("/tmp/keepalived.data");
    for line in [
        "   Use IPVLAN, i/f vrrp.51, is_up = true, i/f address = 10.9.0.51/24, type private",
        "   Interface = vrrp.51, ipvlan on eth0",
        "   IPVLAN type L2 private, underlying interface = eth0, state = UP, RUNNING",
    ] {
        assert!(dump.lines().any(|there| there == line), "{line}\n{dump}");
    }

    // Somebody takes its address, then all of it.
    a.shell("ip addr del 10.9.0.51/24 dev vrrp.51");
    eventually("its address is back", SLOW, || a.holds("vrrp.51", "10.9.0.51"));
    a.shell("ip link del vrrp.51");
    eventually("it is back", SLOW, || a.holds("vrrp.51", "10.9.0.51") && a.holds("eth0", VIP));

    // A power cut, and one who comes back.
    let made = index(&a, "vrrp.51");
    daemon.kill();
    let daemon = Daemon::start(&a, US, &ours.text());
    takes_over(&net, "a", daemon.since(), 150);
    assert_eq!(index(&a, "vrrp.51"), made, "adopted");
    daemon.reload(&conf(150).line("use_ipvlan 10.9.0.53/24").text());
    eventually("with another address it is another one", SLOW, || {
        a.holds("vrrp.51", "10.9.0.53") && !a.holds("vrrp.51", "10.9.0.51")
    });
    daemon.stop();
    assert!(!is_there(&a, "vrrp.51"));
    assert!(!a.exists("/run/vrrp.changes"));
    peer.stop();
}

/// Over IPv6 an ipvlan speaks from the link-local address that the kernel makes for it; over IPv4 it needs one.
pub(crate) fn ipvlan_sources() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24", "fe80::1/64"]);
    let six = Instance {
        addresses: vec!["fe80::9/64".to_owned(), "2001:db8::9/64".to_owned()],
        ..conf(150).line("use_ipvlan six")
    };
    let daemon = Daemon::start(&a, US, &six.text());
    let first = takes_over(&net, "a", daemon.since(), 150);
    let source = first.advert().expect("an advert").source.to_string();
    assert!(a.holds("six", &source), "{source}");
    eventually("the addresses are there", SLOW, || a.holds("eth0", "2001:db8::9"));
    daemon.stop();
    assert!(!is_there(&a, "six"));
    let daemon = Daemon::start(&a, US, &conf(150).line("use_ipvlan").line("mcast_src_ip 10.9.0.1").text());
    daemon.wait_log("entering FAULT state (no IPv4 address for interface)", SLOW);
    daemon.stop();
    assert!(!is_there(&a, "vrrp.51"));
}

/// A macvlan belongs to the VRF of its base, follows it, and adverts pass inside.
pub(crate) fn vrf() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let enslave = "ip link add blue type vrf table 10; ip link set blue up; ip link set eth0 master blue";
    a.shell(enslave);
    b.shell(enslave);
    let peer = Daemon::start(&b, Program::Reference, &conf(100).line("use_vmac").text());
    takes_over(&net, "b", peer.since(), 100);
    let daemon = Daemon::start(&a, US, &conf(150).line("use_vmac").text());
    let first = takes_over(&net, "a", daemon.since(), 150);
    assert_eq!(first.advert().expect("an advert").mac, [0, 0, 0x5e, 0, 1, 51]);
    let master = || a.shell("ip -o link show vrrp.51");
    assert!(master().contains("master blue"), "{}", master());
    eventually("b heard it", SLOW, || !b.holds("vrrp.51", VIP));
    let heard = now();
    peer.kill();
    net.never("we heard each other", heard, Duration::from_secs(3), |event| event.is_advert_of("b"));

    let moved = now();
    a.shell("ip link add red type vrf table 11; ip link set red up; ip link set eth0 master red");
    eventually("it followed", SLOW, || master().contains("master red"));
    takes_over(&net, "a", moved, 150);
    a.shell("ip link set eth0 nomaster");
    eventually("it followed out", SLOW, || !master().contains("master"));
    daemon.stop();
    assert!(!is_there(&a, "vrrp.51"));
}

/// Unicast without an interface speaks and hears inside its VRF.
pub(crate) fn unicast_in_vrf() {
    let net = Net::new();
    let nodes = [("a", 1, 2, 150_u8), ("b", 2, 1, 100)].map(|(name, own, other, priority)| {
        let node = net.node(name, "eth0", &[&format!("10.9.0.{own}/24")]);
        node.shell("ip link add blue type vrf table 10; ip link set blue up; ip link set eth0 master blue");
        let text = format!(
            "vrrp_instance VI_1 {{\nstate BACKUP\nvrf blue\nvirtual_router_id 51\npriority {priority}\nversion 3\n\
             advert_int 1\nunicast_src_ip 10.9.0.{own}\nunicast_peer {{\n10.9.0.{other}\n}}\n\
             virtual_ipaddress {{\n{VIP}/24 dev eth0\n}}\n}}\n"
        );
        (node, text)
    });
    let [(a, a_text), (b, b_text)] = &nodes;
    let second = Daemon::start(b, US, b_text);
    takes_over(&net, "b", second.since(), 100);
    let first = Daemon::start(a, US, a_text);
    takes_over(&net, "a", first.since(), 150);
    eventually("b let go, so it heard", SLOW, || a.holds("eth0", VIP) && !b.holds("eth0", VIP));
    // The VRF goes and comes back.
    a.shell("ip link del blue");
    first.wait_log("Entering FAULT STATE", SLOW);
    let back = now();
    a.shell("ip link add blue type vrf table 10; ip link set blue up; ip link set eth0 master blue");
    takes_over(&net, "a", back, 150);
    first.stop();
    second.stop();
}

/// Macvlans on a VLAN, a bond, a dummy and another macvlan.
pub(crate) fn on_other_links() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell(
        "ip link add link eth0 name eth0.5 type vlan id 5; ip link set eth0.5 up
        ip link add bond0 type bond mode active-backup; ip link set bond0 up
        ip link add d0 type dummy; ip link set d0 up
        ip link add link eth0 name mv0 type macvlan mode bridge; ip link set mv0 up
        ip link add x0 type veth peer name x1; ip link set x1 up; ip link set x0 down; ip link set x0 master bond0
        for link in 1:eth0.5 2:bond0 3:d0 4:mv0; do ip addr add 10.${link%%:*}.0.1/24 dev ${link#*:}; done",
    );
    let links = [(1_u8, "eth0.5"), (2, "bond0"), (3, "d0"), (4, "mv0")];
    let text: String = links
        .iter()
        .map(|(number, link)| {
            let name: &'static str = ["ONE", "TWO", "THREE", "FOUR"][usize::from(*number) - 1];
            let one = Instance {
                name,
                vrid: 50 + number,
                addresses: vec![format!("10.{number}.0.100/24")],
                ..conf(150)
            };
            let text = one.line("use_vmac").text().replace("interface eth0", &format!("interface {link}"));
            if *number == 1 {
                text
            } else {
                text.split_once("}\n").map(|(_, rest)| rest.to_owned()).unwrap_or_default()
            }
        })
        .collect();
    let daemon = Daemon::start(&a, US, &text);
    for (number, link) in links {
        let vmac = format!("vrrp.{}", 50 + number);
        eventually(&format!("MASTER on {link}"), SLOW + TIMING.master_down(150), || {
            a.holds(&vmac, &format!("10.{number}.0.100"))
        });
        assert_eq!(
            a.read(&format!("/sys/class/net/{vmac}/address")).trim(),
            format!("00:00:5e:00:01:{:02x}", 50 + number)
        );
    }
    // The VLAN is deleted, and its macvlan with it; then it is made again.
    a.shell("ip link del eth0.5");
    eventually("its macvlan went", SLOW, || !is_there(&a, "vrrp.51"));
    a.shell("ip link add link eth0 name eth0.5 type vlan id 5; ip addr add 10.1.0.1/24 dev eth0.5; ip link set eth0.5 up");
    eventually("it is back", SLOW + TIMING.master_down(150), || a.holds("vrrp.51", "10.1.0.100"));
    daemon.stop();
    for number in 51..=54 {
        assert!(!is_there(&a, &format!("vrrp.{number}")), "vrrp.{number}");
    }
    assert!(is_there(&a, "mv0"));
}
