//! A configuration without instances: what wants a VRRP child, and what does not.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;
use crate::kit::daemon::CONF;

const NOTHING: &str = "keepalived has no configuration to run";

fn statics(address: &str, route: &str) -> String {
    format!(
        "static_ipaddress {{\n {address} dev other\n}}\nstatic_routes {{\n {route} dev other\n}}\n\
         static_rules {{\n from 10.7.0.0/16 table 7 priority 700\n}}\n"
    )
}

fn addresses(node: &Node) -> String {
    node.shell("ip -4 -o addr show dev other")
}

#[test]
fn static_items_alone_are_set_follow_a_reload_and_go() {
    let net = Net::new();
    let a = machine(&net, "a");
    let first = statics("10.1.57.101/24", "10.7.0.0/16 via 10.1.57.1");
    let daemon = Daemon::start(&a, US, &first);
    let there = |address: &str, route: &str| {
        let marked = marked(&a).join("\n");
        addresses(&a).contains(address) && marked.contains(route) && marked.contains("lookup 7")
    };
    eventually("all are set", START, || there("10.1.57.101/24", "10.7.0.0/16 via 10.1.57.1"));
    assert!(!daemon.log().contains(NOTHING), "{}", daemon.log());
    if is_reference("it sets everything anew after a reload and a kill") {
        return;
    }

    daemon.reload(&statics("10.1.57.102/24", "10.8.0.0/16 via 10.1.57.1"));
    eventually("the new ones are set", ALLOWANCE, || there("10.1.57.102/24", "10.8.0.0/16 via 10.1.57.1"));
    assert!(!addresses(&a).contains("10.1.57.101"), "{}", addresses(&a));
    assert_eq!(marked(&a).len(), 2, "{:?}", marked(&a));

    // Children that die young are away for longer and longer; nobody else can have the items meanwhile.
    watch(&a);
    for _ in 0..2 {
        let child = daemon.vrrp_child();
        kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
        eventually("another one runs", Duration::from_secs(5), || daemon.vrrp_child() != child);
    }
    std::thread::sleep(Duration::from_millis(500));
    let seen = changes(&a);
    assert!(!seen.iter().any(|line| line.starts_with("Deleted")), "{seen:?}");
    assert!(there("10.1.57.102/24", "10.8.0.0/16 via 10.1.57.1"));

    // With an instance and without.
    let both =
        format!("{}{}", statics("10.1.57.102/24", "10.8.0.0/16 via 10.1.57.1"), Instance::default().text());
    let begin = now();
    daemon.reload(&both);
    net.wait_master("a", begin, elected());
    daemon.reload(&statics("10.1.57.102/24", "10.8.0.0/16 via 10.1.57.1"));
    eventually("the instance is gone", ALLOWANCE, || {
        !a.shell("ip addr show dev eth0").contains("10.9.0.100")
    });
    assert!(there("10.1.57.102/24", "10.8.0.0/16 via 10.1.57.1"));

    // Nothing any more: the child ends, and takes them off.
    a.write(CONF, "global_defs {\n}\n");
    daemon.signal(Signal::SIGHUP);
    eventually("all are taken off", START, || marked(&a).is_empty() && !addresses(&a).contains("10.1.57"));
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
}

#[test]
fn what_nobody_would_follow_wants_no_child() {
    let net = Net::new();
    let a = machine(&net, "a");
    let conf = "global_defs {\n script_user root\n startup_script \"/bin/touch /run/began\"\n \
                shutdown_script \"/bin/touch /run/ended\"\n vrrp_notify_fifo /run/fifo\n notify_fifo /run/other\n}\n\
                vrrp_script s {\n script \"/bin/true\"\n}\ntrack_file f {\n file /run/weight\n}\n\
                vrrp_track_process p {\n process init\n}\nlinkbeat_interfaces {\n eth0\n}\n\
                garp_group {\n garp_interval 1\n interface eth0\n}\n";
    let daemon = Daemon::start(&a, US, conf);
    daemon.wait_log(NOTHING, START);
    assert!(a.exists("/run/began"), "the startup script has run all the same");
    assert_eq!(daemon.processes().len(), 1, "no child");
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    assert!(a.exists("/run/ended"), "and so has the shutdown script");
}
