//! The firewall on a kernel of another age, whose nf_tables is a module.

use std::time::Duration;

use crate::kit::bounds::{START, Timing, eventually};
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program};
use crate::kit::net::Net;
use crate::kit::node::Node;

const VIP: &str = "10.9.0.100";
/// The guest is slow.
const SLOW: Duration = Duration::from_secs(10);

fn pings(node: &Node, address: &str) -> bool {
    node.try_shell(&format!("ping -n -c 2 -W 2 {address}")).status.success()
}

/// The tables are there while they are needed, and hold what they are to hold.
pub(crate) fn on_another_kernel() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let c = net.node("c", "eth0", &["10.9.0.9/24"]);
    let conf = Instance { interval: "1", ..Instance::default().priority(150) };
    let conf = conf.line("use_vmac").line("virtual_ipaddress_excluded {\n fd00::100/64\n fe80::100/64\n }");
    let daemon = Daemon::start(&a, Program::UnderTest, &conf.clone().line("no_accept").text());
    net.wait_master("a", daemon.since(), START + SLOW + Timing::v3(100).master_down(150));
    eventually("the address is there", SLOW, || a.holds("vrrp.51", VIP));
    let rules = a.shell("nft list ruleset");
    for wanted in [
        VIP,
        "fd00::100",
        // Of the other family: beside the macvlan.
        "fe80::100 . \"eth0\"",
        "dup to ip daddr device oif map",
        "\"vrrp.51\" : \"eth0\"",
    ] {
        assert!(rules.contains(wanted), "{wanted}: {rules}");
    }
    assert!(!pings(&c, VIP));
    eventually("the router's own address answers", SLOW, || pings(&c, "10.9.0.1"));
    daemon.reload(&conf.text());
    eventually("the address answers", SLOW, || pings(&c, VIP));
    daemon.stop();
    assert_eq!(a.shell("nft list ruleset"), "");
}
