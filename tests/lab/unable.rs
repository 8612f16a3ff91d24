//! A MASTER that cannot serve, for want of its address or of the source of its adverts, leaves that to others, says why by
//! name, and comes back when it can.

use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Launch, Program, is_reference};
use crate::kit::net::Net;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);
const VIP: &str = "10.9.0.100";
/// What three tries take, a second apart.
const TRIES: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_secs(1);

/// keepalived stays MASTER for ever.
fn both() -> bool {
    is_reference("it keeps the mastership")
}

#[test]
fn without_the_capability_to_set_addresses_it_gives_up() {
    if both() {
        return;
    }
    let net = Net::new();
    let (a, b) = (net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"]));
    let other = Daemon::start(&b, US, &Instance::default().text());
    net.wait_master("b", other.since(), START + TIMING.master_down(100));
    a.write(CONF, &Instance::default().priority(150).text());
    let mut poor = a
        .command("setpriv")
        .args(["--bounding-set", "-net_admin", "--inh-caps", "-all", crate::kit::node::UNDER_TEST])
        .args(["-n", "-l", "-G", "-f", CONF])
        .stderr(std::fs::File::create(a.path("/run/lab/poor.log")).expect("a log"))
        .spawn()
        .expect("setpriv runs");
    let log = || a.read("/run/lab/poor.log");
    let why = "(VI_1) in fault because: cannot add 10.9.0.100/32: Operation not permitted";
    eventually("it gives up", START + TIMING.master_down(150) + TRIES + RETRY, || log().contains(why));
    let since = now();
    net.wait_master("b", since, TIMING.master_down(100));
    eventually("b serves", ALLOWANCE, || b.holds("eth0", VIP));
    net.never("a is back", since, RETRY * 2, |event| event.is_advert_of("a"));
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(crate::kit::node::children(poor.id().cast_signed())[0]),
        nix::sys::signal::Signal::SIGTERM,
    )
    .expect("it runs");
    poor.wait().expect("it ends");
}

#[test]
fn a_capability_that_is_missing_is_named_in_one_line() {
    if is_reference("it says that a socket could not be opened") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let start = |capabilities: &'static str, more: &str| {
        a.write(CONF, &(Instance::default().text() + more));
        Launch::new(&a, US).capabilities(capabilities).start()
    };
    let daemon = start("-all,+net_admin", "");
    daemon.wait_log("VRRP child process lacks CAP_NET_RAW: give the daemon", START);
    assert_eq!(daemon.wait_end(START), Some(4));
    // What a container usually has is enough for adverts and addresses; what a feature needs is named for its child.
    let service = "virtual_server 10.9.0.9 80 {\n protocol TCP\n real_server 10.9.0.8 80 {\n TCP_CHECK {\n bind_port 500\n}\n}\n}\n";
    let daemon = start("-all,+net_admin,+net_raw", service);
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    assert_eq!(
        (
            daemon.logged("process lacks "),
            daemon.logged("Healthcheck child process lacks CAP_NET_BIND_SERVICE:")
        ),
        (1, 1)
    );
    daemon.stop();
}

/// In a container /proc/sys often cannot be written: one line says so, and the rest works.
#[test]
fn settings_that_cannot_be_written_are_told_in_one_line() {
    if is_reference("it tells each") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys");
    let daemon = Daemon::start(&a, US, &Instance::default().line("use_vmac").text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    eventually("it serves", ALLOWANCE, || a.holds("vrrp.51", VIP));
    assert_eq!((daemon.logged("/proc/sys is read-only"), daemon.logged("Unable to set")), (1, 0));
    daemon.stop();
    assert!(!a.exists("/sys/class/net/vrrp.51"));
}

#[test]
fn an_address_that_the_kernel_refuses_is_a_fault_until_it_takes_it() {
    if both() {
        return;
    }
    let net = Net::new();
    let (a, b) = (net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"]));
    let conf = |priority: u8| Instance {
        addresses: vec!["fd09::100/64 dev d1".to_owned()],
        version: 3,
        ..Instance::default().priority(priority)
    };
    for node in [&a, &b] {
        node.shell("ip link add d1 type veth peer name e1; ip link set d1 up; ip link set e1 up");
    }
    let refuse = |on: u8| a.shell(&format!("echo {on} > /proc/sys/net/ipv6/conf/d1/disable_ipv6"));
    refuse(1);
    let other = Daemon::start(&b, US, &conf(100).text());
    net.wait_master("b", other.since(), START + TIMING.master_down(100));
    let daemon = Daemon::start(&a, US, &conf(150).text());
    daemon.wait_log("(VI_1) cannot add fd09::100/64", START + TIMING.master_down(150));
    daemon
        .wait_log("in fault because: cannot add fd09::100/64: Permission denied", TRIES + RETRY + ALLOWANCE);
    net.wait_master("b", now(), TIMING.master_down(100));
    // A reload that has nothing to do with the reason does not make it try the others' patience.
    let since = now();
    daemon.reload(&conf(151).text());
    net.never("a is back", since, RETRY * 2, |event| event.is_advert_of("a"));
    refuse(0);
    net.wait_master("a", now(), RETRY + TIMING.master_down(151) + ALLOWANCE);
    eventually("a serves", ALLOWANCE, || a.holds("d1", "fd09::100") && !b.holds("d1", "fd09::100"));
    daemon.stop();
}

#[test]
fn one_address_of_several_is_served() {
    if both() {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("ip link add d1 type veth peer name e1; ip link set d1 up; ip link set e1 up; echo 1 > /proc/sys/net/ipv6/conf/d1/disable_ipv6");
    let conf = Instance::default().line("virtual_ipaddress_excluded {\n fd09::100/64 dev d1\n }");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let since = now();
    net.never("it gives up", since, TRIES + RETRY, |event| event.is_goodbye_of("a"));
    assert!(a.holds("eth0", VIP));
}

/// The source of unicast adverts goes and comes; that of a multicast one over IPv4 may hide.
#[test]
fn a_source_that_is_no_address_of_the_host_is_a_fault() {
    if both() {
        return;
    }
    for (own, peer, addresses) in [
        ("10.9.0.1", "10.9.0.2", ["10.9.0.1/24", "10.9.0.2/24"]),
        ("fd09::1", "fd09::2", ["fd09::1/64", "fd09::2/64"]),
    ] {
        let net = Net::new();
        let (a, b) = (net.node("a", "eth0", &addresses[..1]), net.node("b", "eth0", &addresses[1..]));
        let vip = if own.contains(':') { "fd09::100" } else { VIP };
        let conf = |priority: u8, own: &str, peer: &str| {
            let addresses = vec![if own.contains(':') { "fe80::100".to_owned() } else { VIP.to_owned() }];
            let lines = format!("unicast_src_ip {own}\n unicast_peer {{\n {peer}\n }}");
            let excluded = "virtual_ipaddress_excluded {\n fd09::100\n }";
            let lines = if own.contains(':') { format!("{lines}\n {excluded}") } else { lines };
            Instance { addresses, ..Instance::default().priority(priority).line(&lines) }.text()
        };
        let daemon = Daemon::start(&a, US, &conf(150, own, peer));
        let other = Daemon::start(&b, US, &conf(100, peer, own));
        net.wait_master("a", daemon.since(), START + TIMING.master_down(150) * 2);
        eventually("a serves", START, || a.holds("eth0", vip));
        let since = now();
        a.shell(&format!("ip addr del {} dev eth0", addresses[0]));
        daemon.wait_log(
            &format!("(VI_1) in fault because: source address {own} is on no interface"),
            ALLOWANCE,
        );
        net.wait_master("b", since, TIMING.master_down(100));
        assert!(!a.holds("eth0", vip));
        let since = now();
        a.shell(&format!("ip addr add {} dev eth0", addresses[0]));
        net.wait_master("a", since, TIMING.master_down(150) + Duration::from_secs(2));
        daemon.stop();
        other.stop();
        // From the start on it waits, and the test of a configuration says so.
        a.shell(&format!("ip addr del {} dev eth0", addresses[0]));
        let said = a.try_shell(&format!("{} -t -l -G -f {CONF} 2>&1", crate::kit::node::UNDER_TEST));
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.contains(&format!("source address {own} is on no interface of this machine")), "{said}");
        let daemon = Daemon::start(&a, US, &conf(150, own, peer));
        daemon.wait_log(&format!("entering FAULT state (source address {own} is on no interface)"), START);
        daemon.stop();
    }
}
