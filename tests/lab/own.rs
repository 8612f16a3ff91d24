//! Interfaces that instances make for themselves, beyond one macvlan: for single addresses, with names, groups and
//! hardware addresses of their own; what somebody else does to them; and what is left after a power cut.

use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, LINK, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::decode::What;
use crate::kit::net::Net;
use crate::kit::node::Node;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);
const VIP: &str = "10.9.0.100";
const FAR: &str = "10.8.0.100";
const LEDGER: &str = "/run/vrrp.changes";

fn conf() -> Instance {
    Instance::default().priority(150).line("use_vmac")
}

fn setting(node: &Node, name: &str) -> String {
    node.shell(&format!("cat /proc/sys/net/ipv4/conf/{name}")).trim().to_owned()
}

fn is_there(node: &Node, name: &str) -> bool {
    node.exists(&format!("/sys/class/net/{name}"))
}

fn mac(node: &Node, name: &str) -> String {
    node.read(&format!("/sys/class/net/{name}/address")).trim().to_owned()
}

fn index(node: &Node, name: &str) -> String {
    node.read(&format!("/sys/class/net/{name}/ifindex")).trim().to_owned()
}

fn macvlans(node: &Node) -> Vec<String> {
    let listed = node.shell("ip -o link show type macvlan | awk '{print $2}' | sed 's/@.*//' | sort");
    listed.split_whitespace().map(str::to_owned).collect()
}

/// Two interfaces on the switch.
fn wide(net: &Net, name: &str, host: u8) -> Node {
    let node = net.node(name, "eth0", &[&format!("10.9.0.{host}/24")]);
    net.plug(&node, "eth1", &[&format!("10.8.0.{host}/24")]);
    node
}

/// An instance on eth0 with an address on a macvlan of eth1.
fn wide_conf(priority: u8) -> Instance {
    let addresses = vec![format!("{VIP}/24"), format!("{FAR}/24 dev eth1 use_vmac")];
    Instance { addresses, ..Instance::default().priority(priority) }
}

#[test]
fn an_address_elsewhere_has_its_own_macvlan() {
    if is_reference("it leaves the base interface's settings changed") {
        return;
    }
    let net = Net::new();
    let a = wide(&net, "a", 1);
    let daemon = Daemon::start(&a, US, &wide_conf(150).text());
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    let advert = first.advert().expect("an advert");
    assert_eq!(advert.mac, [2, 0, 0, 0, 0, 1], "adverts leave by the interface itself");
    eventually("the addresses are there", ALLOWANCE, || a.holds("eth0", VIP) && a.holds("vrrp.51", FAR));
    assert_eq!(mac(&a, "vrrp.51"), "00:00:5e:00:01:33");
    assert!(a.shell("ip -d link show vrrp.51").contains("vrrp.51@eth1"));
    assert_eq!(setting(&a, "eth1/arp_ignore"), "1");
    assert_eq!(setting(&a, "eth0/arp_ignore"), "0");
    net.wait("the address is announced", first.at, Duration::ZERO, |event| event.announces("a", FAR));

    // One more address of the other family and one less of this, in one reload that nobody notices.
    let other = Instance {
        addresses: vec![format!("{VIP}/24")],
        ..Instance::default().priority(150).line("virtual_ipaddress_excluded {\n2001:db8::9/64 use_vmac\n}")
    };
    let before = now();
    daemon.reload(&other.text());
    eventually("the other macvlan is there", ALLOWANCE, || a.holds("vrrp6.51", "2001:db8::9"));
    assert_eq!(mac(&a, "vrrp6.51"), "00:00:5e:00:02:33");
    assert_eq!(macvlans(&a), ["vrrp6.51"]);
    assert_eq!(setting(&a, "eth1/arp_ignore"), "0", "nobody needs it any more");
    let base = a.shell("ip -6 -o addr show dev eth0 scope link | awk '{print $4}'");
    assert_eq!(a.shell("ip -6 -o addr show dev vrrp6.51 scope link | awk '{print $4}'"), base);
    assert_eq!(daemon.logged("Entering MASTER STATE"), 1);
    assert!(
        net.adverts(before, "a").iter().all(|event| event.advert().is_some_and(|one| one.priority == 150))
    );
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    assert!(macvlans(&a).is_empty());
    assert!(!a.exists(LEDGER));
}

#[test]
fn all_of_its_addresses_pass_to_keepalived_and_back() {
    if is_reference("it is the peer") {
        return;
    }
    let net = Net::new();
    let (a, b) = (wide(&net, "a", 1), wide(&net, "b", 2));
    let vmac = |priority| wide_conf(priority).line("use_vmac").line("use_vmac_addr");
    let peer = Daemon::start(&b, Program::Reference, &vmac(100).text());
    net.wait_master("b", peer.since(), START + TIMING.master_down(100));
    let daemon = Daemon::start(&a, US, &vmac(150).text());
    let ours = net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    assert_eq!(ours.advert().expect("an advert").mac, [0, 0, 0x5e, 0, 1, 51]);
    eventually("b let go", ALLOWANCE, || !b.holds("vrrp.51", VIP) && !b.holds("vrrp1.51", FAR));
    assert!(a.holds("vrrp.51", VIP) && a.holds("vrrp1.51", FAR));
    assert_eq!([mac(&a, "vrrp1.51"), mac(&b, "vrrp1.51")], ["00:00:5e:00:01:33", "00:00:5e:00:01:33"]);
    let stopped = now();
    daemon.stop();
    net.wait_master("b", stopped, TIMING.master_down(100));
    eventually("b has both", ALLOWANCE, || b.holds("vrrp.51", VIP) && b.holds("vrrp1.51", FAR));
    peer.stop();
}

#[test]
fn name_hardware_address_and_group_are_those_of_the_line() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("ip link set eth0 group 7");
    let line = if is_reference("the group is newer") { "" } else { " netlink_notify_msg" };
    let conf = Instance::default().priority(150).line(&format!("use_vmac front 02:00:00:11:22{line}"));
    let daemon = Daemon::start(&a, US, &conf.text());
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    assert_eq!(first.advert().expect("an advert").mac, [2, 0, 0, 0x11, 0x22, 51]);
    eventually("the address is there", ALLOWANCE, || a.holds("front", VIP));
    if line.is_empty() {
        return;
    }
    assert!(a.shell("ip link show front").contains("group 7"), "that of the base");
    let conf = Instance::default().priority(150).line("use_vmac front 02:00:00:11:33 group 9");
    let made = index(&a, "front");
    daemon.reload(&conf.text());
    eventually("the group changed", ALLOWANCE, || a.shell("ip link show front").contains("group 9"));
    assert_eq!((mac(&a, "front"), index(&a, "front")), ("02:00:00:11:33:33".to_owned(), made));
    assert!(a.holds("front", VIP));
    assert_eq!(daemon.logged("Entering MASTER STATE"), 1);
    daemon.stop();
    assert!(!is_there(&a, "front"));
}

#[test]
fn somebody_removes_or_renames_a_macvlan_and_nobody_notices() {
    if is_reference("it steps down") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    eventually("the address is there", ALLOWANCE, || a.holds("vrrp.51", VIP));
    for command in [
        "ip link del vrrp.51",
        "ip link set vrrp.51 down; ip link set vrrp.51 name mine",
        "ip link set vrrp.51 address 02:00:00:00:00:99",
    ] {
        let made = index(&a, "vrrp.51");
        let done = now();
        a.shell(command);
        // A burdened daemon may see it down before it sees it renamed, and be BACKUP for a while.
        let patience = ALLOWANCE + TIMING.master_down(150);
        eventually(command, patience, || {
            a.holds("vrrp.51", VIP) && mac(&a, "vrrp.51") == "00:00:5e:00:01:33"
        });
        assert!(!is_there(&a, "mine"));
        assert_eq!(index(&a, "vrrp.51") == made, command.contains("address"), "{command}");
        net.wait("an advert from the macvlan", done + 50_000_000, patience + TIMING.interval, |event| {
            event.advert().is_some_and(|advert| advert.mac == [0, 0, 0x5e, 0, 1, 51])
        });
    }
    let faults = daemon.logged("Entering FAULT STATE");
    assert!(faults <= 1, "only by being down before the rename: {}", daemon.log());
    // Whoever insists wins after a while, and the daemon does not spin.
    for _ in 0..8 {
        a.shell("ip link del vrrp.51 2>/dev/null; sleep 0.02");
    }
    let back = now();
    net.wait_master("a", back, Duration::from_secs(4) + TIMING.master_down(150));
    eventually("the address is there", ALLOWANCE, || a.holds("vrrp.51", VIP));
    daemon.stop();
    assert!(macvlans(&a).is_empty());
    assert_eq!(setting(&a, "eth0/arp_ignore"), "0");
}

#[test]
fn a_base_that_bears_another_name_is_left() {
    if is_reference("its macvlan stays") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    eventually("the address is there", ALLOWANCE, || a.holds("vrrp.51", VIP));
    a.shell("ip link set eth0 down; ip link set eth0 name lan; ip link set lan up");
    eventually("the macvlan is gone", ALLOWANCE, || !is_there(&a, "vrrp.51"));
    eventually("its settings are as they were", ALLOWANCE, || setting(&a, "lan/arp_ignore") == "0");
    let back = now();
    a.shell("ip link set lan down; ip link set lan name eth0; ip link set eth0 up");
    net.wait_master("a", back, LINK + TIMING.master_down(150));
    eventually("the address is there", ALLOWANCE, || a.holds("vrrp.51", VIP));
    assert_eq!(setting(&a, "eth0/arp_ignore"), "1");
    daemon.stop();
    assert_eq!(setting(&a, "eth0/arp_ignore"), "0");
}

#[test]
fn reverse_path_filters_move_from_all_to_each_and_back() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    net.plug(&a, "eth1", &["10.8.0.1/24"]);
    a.shell(
        "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter; echo 2 > /proc/sys/net/ipv4/conf/eth1/rp_filter",
    );
    let filters = || {
        ["all", "default", "eth0", "eth1", "lo"]
            .map(|name| setting(&a, &format!("{name}/rp_filter")))
            .join(" ")
    };
    let before = filters();
    assert!(before.starts_with('1'));
    let daemon = Daemon::start(&a, US, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    assert_eq!(filters(), "0 1 1 2 1");
    assert_eq!(setting(&a, "vrrp.51/rp_filter"), "0");
    if is_reference("it does not restore after kill -9") {
        return;
    }
    daemon.kill();
    assert_eq!(filters(), "0 1 1 2 1", "a power cut leaves them");
    let daemon = Daemon::start(&a, US, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    daemon.stop();
    assert_eq!(filters(), before);
    assert!(!a.exists(LEDGER));
}

#[test]
fn what_a_power_cut_left_is_put_back_by_whoever_comes_next() {
    if is_reference("it leaves them") {
        return;
    }
    let net = Net::new();
    let a = wide(&net, "a", 1);
    a.shell("echo 1 > /proc/sys/net/ipv4/conf/eth1/arp_filter");
    let settings = || {
        let names = ["eth0/arp_ignore", "eth0/arp_filter", "eth1/arp_ignore", "eth1/arp_filter"];
        names.map(|name| setting(&a, name)).join(" ")
    };
    let before = settings();
    let both = wide_conf(150).line("use_vmac mine").line("use_vmac_addr");
    let daemon = Daemon::start(&a, US, &both.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    eventually("the addresses are there", ALLOWANCE, || a.holds("mine", VIP) && a.holds("vrrp.51", FAR));
    assert_eq!(settings(), "1 1 1 1");
    daemon.kill();
    assert_eq!(macvlans(&a), ["mine", "vrrp.51"]);

    // The same configuration adopts them,
    let indexes = [index(&a, "mine"), index(&a, "vrrp.51")];
    let daemon = Daemon::start(&a, US, &both.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    assert_eq!([index(&a, "mine"), index(&a, "vrrp.51")], indexes);
    daemon.kill();

    // another one that has use for half of it removes the rest,
    let daemon = Daemon::start(&a, US, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    assert_eq!(macvlans(&a), ["vrrp1.51"], "when it was named the other name was taken");
    assert!(a.shell("ip link show vrrp1.51").contains("vrrp1.51@eth0"));
    assert_eq!(settings(), "1 1 0 1");
    daemon.kill();

    // and one that has none leaves everything as it was before the first.
    let daemon = Daemon::start(&a, US, &Instance::default().priority(150).text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    assert!(macvlans(&a).is_empty());
    assert_eq!(settings(), before);
    assert!(!a.exists(LEDGER));
    daemon.stop();
}

#[test]
fn one_hardware_address_of_two_instances_is_a_fault_of_the_later() {
    if is_reference("its configuration check differs") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let second = "vrrp_instance VI_2 {\ninterface eth0\nvirtual_router_id 51\npriority 150\nadvert_int 0.1\n\
                  mcast_dst_ip 224.0.0.19\nuse_vmac other\nversion 3\nvirtual_ipaddress {\n10.9.0.200\n}\n}\n";
    let daemon = Daemon::start(&a, US, &(conf().text() + second));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    daemon.wait_log("VMAC interface other: another instance has its hardware address", ALLOWANCE);
    daemon.wait_log("(VI_2) entering FAULT state", ALLOWANCE);
    assert_eq!(macvlans(&a), ["vrrp.51"]);
    // With an address of its own it may.
    let own = second.replace("use_vmac other", "use_vmac other 02:00:00:00:00:51");
    let fixed = now();
    daemon.reload(&(conf().text() + &own));
    net.wait(
        "the second advertises, too",
        fixed,
        ALLOWANCE + TIMING.master_down(150),
        |event| matches!(&event.what, What::Advert(advert) if advert.mac == [2, 0, 0, 0, 0, 0x51]),
    );
    assert_eq!(macvlans(&a), ["other", "vrrp.51"]);
    daemon.stop();
    assert!(macvlans(&a).is_empty());
}

#[test]
fn others_are_told_about_the_base_if_the_line_says_so() {
    if is_reference("the option is newer") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("ip -o monitor link dev eth0 > /tmp/told 2>/dev/null < /dev/null & sleep 0.2");
    let told = || a.read("/tmp/told").lines().count();
    let daemon = Daemon::start(&a, US, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    daemon.stop();
    let plain = told();
    let conf = Instance::default().priority(150).line("use_vmac netlink_notify_msg");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    daemon.stop();
    assert_eq!(told(), plain * 2 + 1, "{}", a.read("/tmp/told"));
}
