//! A thousand macvlans: a stop, and a stop of a child that does not answer, keep to `child_wait_time` and leave nothing.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::eventually;
use crate::kit::daemon::{CONF, Daemon, Program, is_reference};
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
