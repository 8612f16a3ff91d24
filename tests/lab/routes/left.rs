//! Routes and rules that a process before left, and those of others.

use super::*;

#[test]
fn a_killed_child_leaves_everything_to_the_next_one() {
    if is_reference("its new child takes everything off and starts an election") {
        return;
    }
    let net = Net::new();
    let a = machine(&net, "a");
    let conf = with(
        "10.60.0.0/24 via 10.9.0.3 dev eth0\n 2001:db8:62::/64 nexthop via 2001:db8:9::3 dev eth0 nexthop via 2001:db8:9::4 dev eth0",
        "from 10.60.0.0/24 table 100 priority 500",
        "10.50.0.0/24 dev other",
    );
    let conf = Instance { interval: "0.5", ..conf };
    let daemon = Daemon::start(&a, US, &conf.text());
    eventually("all are there", START + Timing::v3(50).master_down(100), || marked(&a).len() == 4);
    let all = marked(&a);
    watch(&a);
    let child = daemon.vrrp_child();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child), nix::sys::signal::Signal::SIGKILL)
        .expect("it runs");
    daemon.wait_log("carrying on for the process before", START);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(marked(&a), all);
    assert!(!changes(&a).iter().any(|line| line.contains("Deleted")), "{:#?}", changes(&a));
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    assert_eq!(marked(&a), Vec::<String>::new(), "the new child knew that they are its own");
}

#[test]
fn left_overs_of_a_power_cut_are_sorted_out() {
    if is_reference("it does not look for what its configuration does not name any more") {
        return;
    }
    let net = Net::new();
    let a = machine(&net, "a");
    let before = with(
        "10.60.0.0/24 via 10.9.0.3 dev eth0\n 10.61.0.0/24 dev eth0",
        "from 10.60.0.0/24 table 100 priority 500\n from 10.61.0.0/24 table 100 priority 501",
        "10.50.0.0/24 dev other\n 10.51.0.0/24 dev other",
    )
    .before("static_ipaddress {\n 10.8.0.1/24 dev other\n}");
    let after = with(
        "10.60.0.0/24 via 10.9.0.3 dev eth0",
        "from 10.60.0.0/24 table 100 priority 500",
        "10.50.0.0/24 dev other mtu 1400",
    )
    .before("static_ipaddress {\n 10.8.0.1/24 dev other\n}");
    let daemon = Daemon::start(&a, US, &before.text());
    net.wait_master("a", daemon.since(), elected());
    eventually("all are there", ALLOWANCE, || marked(&a).len() == 6);
    a.shell("ip route add 10.70.0.0/24 dev eth0 proto static");
    daemon.kill();
    assert_eq!(marked(&a).len(), 6);
    steps::clean(&a, "eth0", &["10.9.0.100"]);
    watch(&a);
    // A peer that holds the addresses: this one must not go on as master.
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let peer = Daemon::start(&b, US, &Instance::default().priority(200).text());
    net.wait_master("b", peer.since(), START + TIMING.master_down(200));
    let again = Daemon::start(&a, US, &after.text());
    again.wait_log("Entering BACKUP STATE", START);
    eventually("only what is static is left", ALLOWANCE, || {
        let lines = marked(&a);
        lines.len() == 1
            && lines.iter().any(|line| line.contains("10.50.0.0/24 dev other") && line.contains("mtu 1400"))
    });
    assert!(!changes(&a).iter().any(|line| line.contains("Deleted 10.50.0.0")), "{:#?}", changes(&a));
    assert!(a.holds("other", "10.8.0.1"));
    assert!(a.shell("ip route").contains("10.70.0.0/24"), "what others made is theirs");
    drop(peer);
    eventually("as master it has its own", elected(), || marked(&a).len() == 3);
    let (_, code) = again.stop();
    assert_eq!(code, Some(0));
    assert_eq!(marked(&a), Vec::<String>::new());
    assert!(!a.holds("other", "10.8.0.1"));
}

#[test]
fn what_another_daemon_put_there_is_left_alone() {
    let net = Net::new();
    let a = machine(&net, "a");
    let first =
        with("10.60.0.0/24 dev eth0", "from 10.60.0.0/24 table 100 priority 500", "10.50.0.0/24 dev other");
    a.write("/etc/keepalived/first.conf", &first.text());
    let other = crate::kit::daemon::Launch::new(&a, US)
        .arguments(&[
            "-n",
            "-l",
            "-G",
            "-D",
            "-f",
            "/etc/keepalived/first.conf",
            "-p",
            "/run/first.pid",
            "-r",
            "/run/first-vrrp.pid",
        ])
        .start();
    eventually("all are there", elected(), || marked(&a).len() == 3);
    watch(&a);
    let second =
        Instance { name: "VI_2", vrid: 52, addresses: vec!["10.9.0.102".to_owned()], ..Instance::default() }
            .line("virtual_routes {\n 10.62.0.0/24 dev eth0\n}");
    let daemon = Daemon::start(&a, US, &second.text());
    eventually("its own is there, too", elected(), || marked(&a).len() == 4);
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    assert_eq!(marked(&a).len(), 3);
    let gone = changes(&a).iter().filter(|line| line.contains("Deleted")).count();
    assert_eq!(gone, 1, "{:#?}", changes(&a));
    drop(other);
}
