//! Macvlans: made, adopted, removed, and their base interface's ups and downs.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{ALLOWANCE, LINK, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Launch, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::Node;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);
const VIP: &str = "10.9.0.100";
const VMAC: &str = "vrrp.51";

fn conf() -> Instance {
    Instance::default().priority(150).line("use_vmac")
}

fn setting(node: &Node, name: &str) -> String {
    // Which machine's settings a process sees there depends on the process.
    node.shell(&format!("cat /proc/sys/net/ipv4/conf/{name}")).trim().to_owned()
}

fn index(node: &Node) -> String {
    node.read(&format!("/sys/class/net/{VMAC}/ifindex"))
}

fn is_there(node: &Node) -> bool {
    node.exists(&format!("/sys/class/net/{VMAC}"))
}

#[test]
fn a_macvlan_comes_and_goes_with_its_settings() {
    if is_reference("it leaves the base interface's settings changed") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("echo 1 > /proc/sys/net/ipv4/conf/eth0/arp_filter");
    let daemon = Daemon::start(&a, US, &conf().text());
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    let advert = first.advert().expect("an advert");
    assert_eq!(advert.mac, [0, 0, 0x5e, 0, 1, 51], "adverts leave by the macvlan");
    assert_eq!(advert.source.to_string(), "10.9.0.1", "with the base interface's address");
    eventually("the address is on the macvlan", ALLOWANCE, || a.holds(VMAC, VIP));
    assert!(!a.holds("eth0", VIP));
    assert!(a.shell(&format!("ip -d link show {VMAC}")).contains("macvlan mode private"));
    for (name, wanted) in [
        ("eth0/arp_ignore", "1"),
        ("eth0/arp_filter", "1"),
        (&format!("{VMAC}/arp_ignore"), "1"),
        (&format!("{VMAC}/accept_local"), "1"),
        (&format!("{VMAC}/rp_filter"), "0"),
        (&format!("{VMAC}/promote_secondaries"), "1"),
    ] {
        assert_eq!(setting(&a, name), wanted, "{name}");
    }
    // A reload that has no use for it any more takes it away and puts the settings back; the next one makes it anew.
    daemon.reload(&Instance::default().priority(150).text());
    eventually("the macvlan is gone", ALLOWANCE, || !is_there(&a));
    assert_eq!(setting(&a, "eth0/arp_ignore"), "0");
    assert_eq!(setting(&a, "eth0/arp_filter"), "1", "as it was before");
    let again = now();
    daemon.reload(&conf().text());
    net.wait_master("a", again, ALLOWANCE + TIMING.master_down(150));
    eventually("the address is on the macvlan", ALLOWANCE, || a.holds(VMAC, VIP));
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    assert!(!is_there(&a));
    assert_eq!(setting(&a, "eth0/arp_ignore"), "0");
    assert_eq!(a.addresses("eth0").first().map(String::as_str), Some("10.9.0.1/24"));
}

#[test]
fn a_macvlan_left_behind_is_adopted() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    eventually("the address is on the macvlan", ALLOWANCE, || a.holds(VMAC, VIP));
    let made = index(&a);
    daemon.kill();
    assert!(is_there(&a) && a.holds(VMAC, VIP), "a power cut leaves them");
    let daemon = Daemon::start(&a, US, &conf().text());
    eventually("the address is taken off until the election", START, || !a.holds(VMAC, VIP));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    eventually("the address is on the macvlan", ALLOWANCE, || a.holds(VMAC, VIP));
    assert_eq!(index(&a), made, "the same macvlan");
    daemon.stop();
    assert!(!is_there(&a), "and it is removed in the end");
}

#[test]
fn a_child_that_is_killed_when_stopping_leaves_nothing() {
    if is_reference("it leaves the addresses and the macvlan behind") {
        return;
    }
    let net = Net::new();
    for kept in [false, true] {
        let a = net.node("a", "eth0", &["10.9.0.1/24"]);
        let mut arguments = vec!["-n", "-l", "-G", "-D", "-f", crate::kit::daemon::CONF];
        if kept {
            arguments.push("-V");
        }
        a.write(crate::kit::daemon::CONF, &format!("child_wait_time 1\n{}", conf().text()));
        let daemon = Launch::new(&a, US).arguments(&arguments).start();
        net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
        eventually("the address is on the macvlan", ALLOWANCE, || a.holds(VMAC, VIP));
        kill(Pid::from_raw(daemon.vrrp_child()), Signal::SIGSTOP).expect("the child runs");
        let (_, code) = daemon.stop();
        assert_eq!(code, Some(0));
        assert_eq!(is_there(&a), kept, "-V: {kept}");
    }
}

#[test]
fn the_base_interface_goes_down_and_away() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    a.shell("ip link set eth0 down");
    daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
    eventually("the address is gone", ALLOWANCE, || !a.holds(VMAC, VIP));
    let back = now();
    a.shell("ip link set eth0 up");
    net.wait_master("a", back, LINK + TIMING.master_down(150));
    eventually("the address is on the macvlan", ALLOWANCE, || a.holds(VMAC, VIP));

    // The macvlan itself: whoever takes it down or away takes the adverts' way.
    a.shell(&format!("ip link set {VMAC} down"));
    eventually("a macvlan that is down is a fault", ALLOWANCE, || daemon.logged("Entering FAULT STATE") == 2);
    let back = now();
    a.shell(&format!("ip link set {VMAC} up"));
    net.wait_master("a", back, ALLOWANCE + TIMING.master_down(150));
    eventually("the address is on the macvlan", ALLOWANCE, || a.holds(VMAC, VIP));
    let back = now();
    a.shell(&format!("ip link del {VMAC}"));
    daemon.wait_log(&format!("Interface {VMAC} deleted"), ALLOWANCE);
    net.wait_master("a", back, Duration::from_secs(1) + TIMING.interval + TIMING.master_down(150));
    eventually("a new macvlan has the address", ALLOWANCE * 3, || is_there(&a) && a.holds(VMAC, VIP));

    let faults = daemon.logged("Entering FAULT STATE");
    a.shell("ip link del eth0");
    eventually("the interface is gone", ALLOWANCE, || {
        daemon.logged("Entering FAULT STATE") > faults && !is_there(&a)
    });
    let back = now();
    net.plug(&a, "eth0", &["10.9.0.1/24"]);
    net.wait_master("a", back, ALLOWANCE * 2 + TIMING.master_down(150));
    eventually("the address is on the new macvlan", ALLOWANCE, || a.holds(VMAC, VIP));
    daemon.stop();
    assert!(!is_there(&a));
}

/// Both have the same hardware address: what bears it is given to the macvlan alone, and has to be heard there.
#[test]
fn a_backup_with_a_macvlan_hears_a_master_with_one() {
    let addresses = |version: &str| match version {
        "4" => vec![format!("{VIP}/24")],
        _ => vec!["fe80::9/64".to_owned(), "2001:db8::9/64".to_owned()],
    };
    let kinds = ["", "use_vmac", "use_vmac\n vmac_xmit_base"];
    for (version, here, there) in
        [("4", 1, 1), ("6", 1, 1), ("4", 1, 0), ("4", 0, 1), ("6", 1, 2), ("4", 2, 1), ("4", 2, 2)]
    {
        for program in [US, Program::Reference] {
            let net = Net::new();
            let a = net.node("a", "eth0", &["10.9.0.1/24"]);
            let b = net.node("b", "eth0", &["10.9.0.2/24"]);
            let with = |priority, kind: usize| {
                let addresses = addresses(version);
                Instance { addresses, ..Instance::default().priority(priority).line(kinds[kind]) }.text()
            };
            let master = Daemon::start(&a, program, &with(150, there));
            net.wait_master("a", master.since(), START + TIMING.master_down(150));
            let backup = Daemon::start(&b, US, &with(100, here));
            backup.wait_log("Entering BACKUP STATE", START);
            let what = format!("a second MASTER (IPv{version}, {here}, {there}, {program:?})");
            net.never(&what, backup.since(), TIMING.master_down(100) * 2, |event| event.is_advert_of("b"));
            let (_, code) = backup.stop();
            assert_eq!(code, Some(0));
        }
    }
}

/// The macvlan of one address has the hardware address of the peer's: what bears it comes in there and nowhere else.
#[test]
fn a_macvlan_of_an_address_hears_the_peer_that_has_its_hardware_address() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let of_address = |priority| {
        let addresses = vec![format!("{VIP}/24 use_vmac")];
        Instance { addresses, ..Instance::default().priority(priority) }.text()
    };
    for peer in [conf().text(), Instance::default().priority(150).text()] {
        let master = Daemon::start(&a, US, &peer);
        net.wait_master("a", master.since(), START + TIMING.master_down(150));
        let backup = Daemon::start(&b, US, &of_address(100));
        backup.wait_log("Entering BACKUP STATE", START);
        let silent = TIMING.master_down(100) * 2;
        net.never("a second MASTER", backup.since(), silent, |event| event.is_advert_of("b"));
        // Without its macvlan it hears on the interface, where the peer is heard as long as none has that address.
        b.shell(&format!("ip link set {VMAC} down"));
        b.shell(&format!("ip link set {VMAC} up"));
        net.never("a second MASTER later", now(), silent, |event| event.is_advert_of("b"));
        master.kill();
        net.wait_master("b", now(), ALLOWANCE + TIMING.master_down(100));
        backup.stop();
        a.shell(&format!("ip link del {VMAC} 2>/dev/null; ip addr flush dev eth0 to {VIP}; true"));
    }
}

#[test]
fn a_macvlan_of_ipv6_speaks_from_the_base_address() {
    let net = Net::new();
    let a = net.node("a", "eth0", &[]);
    // The link-local address comes when the daemon has long been there, as at boot.
    a.shell("echo 1 > /proc/sys/net/ipv6/conf/eth0/addr_gen_mode; ip -6 addr flush dev eth0");
    let conf = Instance { addresses: vec!["fe80::9/64".to_owned(), "2001:db8::9/64".to_owned()], ..conf() };
    let daemon = Daemon::start(&a, US, &conf.text());
    daemon.wait_log("FAULT", START);
    let came = now();
    a.shell("ip addr add fe80::abc/64 dev eth0 nodad");
    let first = net.wait_master("a", came, ALLOWANCE + TIMING.master_down(150));
    let advert = first.advert().expect("an advert");
    assert_eq!(advert.source.to_string(), "fe80::abc");
    assert_eq!(advert.mac, [0, 0, 0x5e, 0, 2, 51]);
    let vmac = "vrrp6.51";
    let vmac = if a.exists(&format!("/sys/class/net/{vmac}")) { vmac } else { VMAC };
    eventually("the addresses are on the macvlan", ALLOWANCE, || {
        a.holds(vmac, "2001:db8::9") && a.holds(vmac, "fe80::9")
    });
    net.wait("the address is announced", first.at, Duration::ZERO, |event| {
        event.announces("a", "2001:db8::9")
    });
    daemon.stop();
    assert!(!a.exists(&format!("/sys/class/net/{vmac}")));
}

/// The hardware address of a macvlan is that of one family.
#[test]
fn addresses_of_the_other_family_stay_beside_the_macvlan() {
    let v4 = ("10.9.0.100/24", VIP, "2001:db8::9/64", "2001:db8::9");
    let v6 = ("fe80::9/64", "fe80::9", "10.9.0.100/24", VIP);
    for (text, vip, other_text, other) in [v4, v6] {
        let net = Net::new();
        let [a, b] = ["a", "b"].map(|name| net.node(name, "eth0", &[]));
        let lines = format!("virtual_ipaddress_excluded {{\n{other_text}\n}}");
        for (node, program, source) in [(&a, US, 1), (&b, Program::Reference, 2)] {
            node.shell(&format!(
                "ip addr add 10.9.0.{source}/24 dev eth0; ip addr add fe80::a{source}/64 dev eth0 nodad"
            ));
            // One after the other: what is looked at is a MASTER's.
            let conf = Instance { addresses: vec![text.to_owned()], ..conf().line(&lines) };
            let daemon = Daemon::start(node, program, &conf.text());
            eventually("its own is on the macvlan", START + TIMING.master_down(150), || {
                node.holds(VMAC, vip)
            });
            eventually("the other is on the base", ALLOWANCE, || node.holds("eth0", other));
            assert!(!node.holds(VMAC, other) && !node.holds("eth0", vip));
            daemon.stop();
            eventually("nothing is left", ALLOWANCE, || !node.holds("eth0", other) && !is_there(node));
        }
    }
}
