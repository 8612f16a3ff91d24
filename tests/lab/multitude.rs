//! A thousand macvlans: a stop, and a stop of a child that does not answer, keep to `child_wait_time` and leave nothing.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{ALLOWANCE, START, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Program, is_reference};
use crate::kit::net::{Net, spacings};
use crate::kit::node::Node;

const PER_CABLE: usize = 250;
const CABLES: usize = 4;
/// `child_wait_time`, and what the parent and the cleaner take besides.
const WAIT: Duration = Duration::from_secs(4);
const BESIDES: Duration = Duration::from_secs(2);

fn conf() -> String {
    let one = |number: usize| {
        let (cable, vrid) = (number / PER_CABLE, number % PER_CABLE + 1);
        format!(
            "vrrp_instance V{number} {{\nstate MASTER\ninterface eth{cable}\nvirtual_router_id {vrid}\npriority 200\n\
             version 3\nadvert_int 1\ngarp_master_repeat 1\nuse_vmac\n\
             virtual_ipaddress {{\n10.{cable}.1.{vrid}/16\n}}\n}}\n"
        )
    };
    format!("child_wait_time {}\n", WAIT.as_secs()) + &(0..PER_CABLE * CABLES).map(one).collect::<String>()
}

fn addresses(node: &Node) -> usize {
    node.shell("ip -4 -o addr show 2>/dev/null").lines().filter(|line| line.contains(" vrrp")).count()
}

fn left(node: &Node) -> String {
    node.shell(
        "ip -o link show type macvlan; ip -4 -o addr show | grep '10[.][0-3][.]1[.]'; nft list tables
        cat /proc/sys/net/ipv4/conf/eth*/arp_ignore | grep -v 0; ls /run/vrrp.changes 2>/dev/null; true",
    )
}

#[test]
fn a_thousand_macvlans_go_in_time() {
    if is_reference("it leaves settings changed, and all of it after a kill") {
        return;
    }
    let a = Node::new("a");
    for cable in 0..CABLES {
        // Router ids come again on each, so that they have no switch in common.
        a.shell(&format!(
            "ip link add eth{cable} type veth peer name far{cable}; ip link set far{cable} up
            ip link set eth{cable} up; ip addr add 10.{cable}.0.1/16 dev eth{cable}"
        ));
    }
    let start = |conf: &str, count: usize| {
        a.write(CONF, conf);
        let daemon = Daemon::start(&a, Program::UnderTest, conf);
        eventually("all are MASTER", Duration::from_secs(60), || addresses(&a) == count);
        daemon
    };
    let all = PER_CABLE * CABLES;
    let (took, code) = start(&conf(), all).stop();
    assert!(took < WAIT, "{took:?}");
    assert_eq!((left(&a).as_str(), code), ("", Some(0)));

    let daemon = start(&conf(), all);
    kill(Pid::from_raw(daemon.vrrp_child()), Signal::SIGSTOP).expect("the child runs");
    let (took, _) = daemon.stop();
    assert!(took < WAIT + BESIDES, "{took:?}");
    assert_eq!(left(&a), "");

    // Killed at once, all of it; whoever comes next wants none.
    start(&conf(), all).kill();
    assert_eq!(addresses(&a), all, "a power cut leaves them");
    let none = "vrrp_instance V {\nstate BACKUP\ninterface eth0\nvirtual_router_id 1\nversion 3\n\
                virtual_ipaddress {\n10.0.2.1/16\n}\n}\n";
    let daemon = start(none, 0);
    eventually("nothing is left", WAIT, || left(&a).is_empty());
    daemon.stop();
    assert_eq!(left(&a), "");
}

/// The addresses of one instance, thousands of them, put on and taken off by reloads and at a take-over: its own adverts
/// leave meanwhile, and so do those of the other one.
#[test]
fn thousands_of_addresses_of_one_instance_hold_up_no_advert() {
    many_addresses(4_000, "0.1", Duration::from_millis(100));
}

#[test]
fn twenty_thousand_addresses_of_one_instance_hold_up_no_advert() {
    many_addresses(20_000, "1", Duration::from_secs(1));
}

/// Two instances, one of them with `many` addresses: a reload adds, exchanges and removes them, then the other router
/// takes over.
fn many_addresses(many: usize, interval: &'static str, spacing: Duration) {
    if is_reference("it does nothing else meanwhile") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let conf = |priority: u8, first: usize| {
        let list = (first..first + many)
            .map(|n| format!("10.{}.{}.{}/32\n", 50 + n / 62_500, n / 250 % 250, n % 250 + 1));
        let list = if first == 0 { String::new() } else { list.collect() };
        let one = Instance { interval, ..Instance::default() };
        let two = Instance {
            interval,
            name: "VI_2",
            vrid: 52,
            addresses: vec!["10.9.0.110".into()],
            ..one.clone()
        };
        let two = two.priority(priority).text();
        let (_, two) = two.split_once("}\n").expect("the end of global_defs");
        let one = one.priority(priority).line("garp_master_repeat 1");
        one.line(&format!("virtual_ipaddress_excluded {{\n{list}}}")).text() + two
    };
    let count = |node: &Node| node.addresses("eth0").iter().filter(|there| there.starts_with("10.5")).count();
    let daemon = Daemon::start(&a, Program::UnderTest, &conf(150, 0));
    let peer = Daemon::start(&b, Program::UnderTest, &conf(100, 1));
    net.wait_master("a", daemon.since(), START + Duration::from_secs(1));
    eventually("the other one listens", START, || peer.logged("Entering BACKUP STATE") == 2);
    std::thread::sleep(Duration::from_secs(1));
    let since = now();
    for first in [1, many / 2, many * 2, 0] {
        daemon.reload_within(&conf(150, first), Duration::from_secs(90));
        let wanted = if first == 0 { 0 } else { many };
        eventually("all are there", Duration::from_secs(90), || count(&a) == wanted);
    }
    net.never("the BACKUP speaks", since, Duration::ZERO, |event| event.is_advert_of("b"));
    // The other one takes over, with all of its own.
    let since = now();
    drop(daemon);
    eventually("all are there", Duration::from_secs(90), || count(&b) == many);
    std::thread::sleep(Duration::from_secs(1));
    for vrid in [51, 52] {
        let adverts: Vec<_> = net
            .adverts(since, "b")
            .into_iter()
            .filter(|event| event.advert().is_some_and(|advert| advert.vrid == vrid))
            .collect();
        let gap = spacings(&adverts).into_iter().max().unwrap_or_default();
        assert!(gap < spacing + ALLOWANCE, "{gap:?} without an advert of {vrid}");
    }
}
