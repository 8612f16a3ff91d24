//! Trackers: files, processes and interfaces that move a priority or put a router in FAULT, told by what is on the
//! wire. What Debian's keepalived has as well runs through the same table of events there.

use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::Node;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

/// One event and what comes of it: a priority on the wire, or none for FAULT.
type Row = (&'static str, Option<u8>);

/// Runs the events on a router that is alone and MASTER, and waits for what each is to lead to.
fn run(net: &Net, node: &Node, daemon: &Daemon<'_>, rows: &[Row]) {
    for (line, wanted) in rows {
        let since = now();
        node.shell(line);
        match wanted {
            Some(wanted) => {
                let within = TIMING.master_down(1) + TIMING.interval * 3;
                net.wait(&format!("priority {wanted} after `{line}`"), since, within, |event| {
                    event.node == node.name()
                        && event.advert().is_some_and(|advert| advert.priority == *wanted)
                });
            }
            None => {
                net.wait(&format!("a goodbye after `{line}`"), since, TIMING.interval * 2, |event| {
                    event.is_goodbye_of(node.name())
                });
                eventually("the log tells of FAULT", ALLOWANCE, || {
                    daemon
                        .log()
                        .trim_end()
                        .lines()
                        .rev()
                        .take(8)
                        .any(|text| text.contains("Entering FAULT STATE"))
                });
            }
        }
    }
}

fn file_conf(settings: &str, weight: &str) -> String {
    Instance::default()
        .before(&format!("vrrp_track_file F {{\n    file /run/t/f\n    {settings}\n}}"))
        .line(&format!("track_file {{\n        F {weight}\n    }}"))
        .text()
}

const NUMBERS: &[Row] = &[
    ("echo 10 > /run/t/f", Some(110)),
    ("printf ' 11x' > /run/t/f", Some(111)),
    ("printf -- -20 > /run/t/f", Some(80)),
    ("printf 0x10 > /run/t/f", Some(116)),
    ("printf 010 > /run/t/f", Some(108)),
    ("echo 154 > /run/t/f", Some(254)),
    ("echo -253 > /run/t/f", Some(1)),
    ("echo -254 > /run/t/f", None),
    ("echo 7 > /run/t/f", Some(107)),
    ("echo nonsense > /run/t/f", Some(100)),
    ("echo 33 > /run/t/.new; mv /run/t/.new /run/t/f", Some(133)),
    ("mv /run/t/f /run/t/away", Some(100)),
    ("mv /run/t/away /run/t/f", Some(133)),
    ("rm /run/t/f", Some(100)),
    ("echo 9 > /run/t/f", Some(109)),
    ("echo 3000000000 > /run/t/f; sleep 0.2", Some(109)),
];

#[test]
fn the_number_of_a_file_is_added_as_debians_keepalived_adds_it() {
    for program in [Program::Reference, US] {
        let net = Net::new();
        let a = net.node("a", "eth0", &["10.9.0.1/24"]);
        a.shell("mkdir /run/t");
        let daemon = Daemon::start(&a, program, &file_conf("weight 1", ""));
        net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
        run(&net, &a, &daemon, NUMBERS);
        for line in [
            "(VI_1) Changing effective priority from 100 to 110",
            "(VI_1): tracked file F now FAULT state",
            "(VI_1): tracked file F leaving FAULT state",
            "Invalid number 3000000000 read from /run/t/f - ignoring",
        ] {
            daemon.wait_log(line, START);
        }
        if program == US {
            daemon.wait_log(
                "Tracked file F: /run/t/f holds something else than one number - it counts as 0",
                START,
            );
        }
    }
}

#[test]
fn a_file_without_weight_decides_over_fault_as_with_debians_keepalived() {
    for program in [Program::Reference, US] {
        let net = Net::new();
        let a = net.node("a", "eth0", &["10.9.0.1/24"]);
        a.shell("mkdir /run/t");
        let daemon = Daemon::start(&a, program, &file_conf("weight 2", "weight 0"));
        net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
        run(
            &net,
            &a,
            &daemon,
            &[
                ("echo 1 > /run/t/f", None),
                ("echo 0 > /run/t/f", Some(100)),
                ("echo -1 > /run/t/f", None),
                ("rm /run/t/f", Some(100)),
            ],
        );
    }
}

#[test]
fn a_reversed_file_begins_in_fault_and_init_file_makes_it_first() {
    for program in [Program::Reference, US] {
        let net = Net::new();
        let a = net.node("a", "eth0", &["10.9.0.1/24"]);
        a.shell("mkdir /run/t");
        let daemon = Daemon::start(&a, program, &file_conf("weight 0 reverse", ""));
        daemon.wait_log("entering FAULT state (tracked file F has status -254)", START);
        run(&net, &a, &daemon, &[("echo 1 > /run/t/f", Some(100)), ("echo 0 > /run/t/f", None)]);
        daemon.stop();
        a.shell("echo 50 > /run/t/f");
        let daemon =
            Daemon::start(&a, program, &file_conf("weight 3 reverse\n    init_file 7 overwrite", ""));
        let master = net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
        assert_eq!(master.advert().map(|advert| advert.priority), Some(79));
        assert_eq!(a.read("/run/t/f"), "7\n");
        daemon.stop();
        let daemon = Daemon::start(&a, program, &file_conf("init_file 9", ""));
        let master = net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
        assert_eq!(master.advert().map(|advert| advert.priority), Some(107), "what is there stays");
    }
}

#[test]
fn what_is_no_plain_file_never_blocks_and_a_late_directory_is_found() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &file_conf("weight 1", ""));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    daemon.wait_log("Cannot watch /run/t/", ALLOWANCE);
    a.shell("mkdir /run/t; echo 5 > /run/t/f");
    let priority = |wanted: u8, since, within: Duration| {
        net.wait(&format!("priority {wanted}"), since, within, |event| {
            event.node == "a" && event.advert().is_some_and(|advert| advert.priority == wanted)
        });
    };
    priority(105, now(), Duration::from_secs(2));
    run(
        &net,
        &a,
        &daemon,
        &[
            ("rm /run/t/f; mkfifo /run/t/f; sleep 0.1", Some(100)),
            ("rm /run/t/f; ln -s /run/t/other /run/t/f; sleep 0.1", Some(100)),
            ("rm /run/t/f; echo 6 > /run/t/other; ln -s /run/t/other /run/t/f", Some(106)),
            ("rm /run/t/f; ln /run/t/other /run/t/f", Some(106)),
            ("rm /run/t/f; (echo 8; head -c 20000000 /dev/zero) > /run/t/f", Some(108)),
        ],
    );
    // A storm of writes: no advert is late, and the last word counts.
    let since = now();
    a.shell("timeout 2 bash -c 'while :; do echo $((i++ % 20)) > /run/t/f; done'; echo 42 > /run/t/f");
    priority(142, now(), TIMING.interval * 3);
    let adverts = net.adverts(since, "a");
    let worst = crate::kit::net::spacings(&adverts).into_iter().max().unwrap_or_default();
    assert!(worst < TIMING.interval + ALLOWANCE, "worst gap {worst:?}");
    // The directory goes, and comes back under the same name.
    let gone = now();
    a.shell("rm -r /run/t");
    priority(100, gone, TIMING.interval * 3);
    a.shell("mkdir /run/t.new; echo 3 > /run/t.new/f; mv /run/t.new /run/t");
    priority(103, now(), Duration::from_secs(2));
    let stats = daemon.stats();
    assert_eq!(stats.allocations(), 0, "nothing is allocated once it runs");
}

#[test]
fn a_reload_keeps_what_did_not_change_and_reads_a_new_file_before_it_counts() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("mkdir /run/t; echo 10 > /run/t/f; echo 5 > /run/t/g");
    let daemon = Daemon::start(&a, US, &file_conf("weight 1", ""));
    let since = net.wait_master("a", daemon.since(), START + TIMING.master_down(100)).at - 1;
    let more = Instance::default()
        .before("track_file G {\n    file /run/t/g\n    weight 2\n}")
        .before("track_file F {\n    file /run/t/f\n    weight 1\n    init_file 77 overwrite\n}")
        .line("track_file {\n        F\n        G\n    }")
        .text();
    daemon.reload(&more);
    net.wait("priority 120", since, START, |event| {
        event.advert().is_some_and(|advert| advert.priority == 120)
    });
    a.shell("echo 6 > /run/t/g");
    net.wait("priority 122", since, TIMING.interval * 3, |event| {
        event.advert().is_some_and(|advert| advert.priority == 122)
    });
    assert_eq!(a.read("/run/t/f"), "10\n", "a file that was tracked before is not made anew");
    let shorter = now();
    daemon.reload(&file_conf("weight 1", ""));
    net.wait("priority 110", shorter, TIMING.interval * 3, |event| {
        event.advert().is_some_and(|advert| advert.priority == 110)
    });
    let seen: Vec<u8> =
        net.adverts(since, "a").iter().filter_map(|event| Some(event.advert()?.priority)).collect();
    let mut steps = seen.clone();
    steps.dedup();
    assert_eq!(steps, [110, 120, 122, 110], "nothing in between: {seen:?}");
    assert_eq!(daemon.logged("Entering MASTER STATE"), 1);
    a.remove("/tmp/keepalived.data");
    daemon.signal(nix::sys::signal::Signal::SIGUSR1);
    let dump = daemon.dump("/tmp/keepalived.data");
    let wanted = "------< VRRP Track files >------\n Track file = F\n   File = /run/t/f\n   Status = 10\n   \
                  Weight = 1\n   Tracking instances :\n     VI_1, weight 1\n";
    assert!(dump.contains(wanted), "{dump}");
    assert!(dump.contains("   Tracked files :\n     F, weight 1\n"), "{dump}");
}

#[test]
fn a_tracked_source_address_that_disappears_is_a_fault_wherever_it_was() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("ip addr add 10.9.0.7/32 dev lo");
    let conf = Instance::default().line("mcast_src_ip 10.9.0.7").line("track_src_ip");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    run(
        &net,
        &a,
        &daemon,
        &[
            ("ip addr del 10.9.0.7/32 dev lo", None),
            ("ip addr add 10.9.0.7/24 dev eth0", Some(100)),
            ("ip addr add 10.9.0.7/32 dev lo; ip addr del 10.9.0.7/24 dev eth0; sleep 0.3", Some(100)),
            ("ip addr del 10.9.0.7/32 dev lo", None),
        ],
    );
    daemon.stop();
    let daemon = Daemon::start(&a, US, &conf.text());
    daemon.wait_log("entering FAULT state (source address 10.9.0.7 is on no interface)", START);
    daemon.reload(&Instance::default().line("mcast_src_ip 10.9.0.1").line("track_src_ip").text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
}

#[test]
fn interfaces_move_the_priority_as_with_debians_keepalived() {
    for program in [Program::Reference, US] {
        let net = Net::new();
        let a = net.node("a", "eth0", &["10.9.0.1/24"]);
        a.shell("for n in 1 2 3; do ip link add d$n type veth peer name e$n; ip link set d$n up; ip link set e$n up; done");
        let conf = Instance::default().line(
            "track_interface {\n        d1 weight -20\n        d2 weight 30\n        d3 weight 5 reverse\n    }",
        );
        let daemon = Daemon::start(&a, program, &conf.text());
        let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
        assert_eq!(first.advert().map(|advert| advert.priority), Some(125));
        run(
            &net,
            &a,
            &daemon,
            &[
                ("ip link set e1 down", Some(105)),
                ("ip link set d2 down", Some(75)),
                ("ip link set e3 down", Some(80)),
                ("ip link del d1; sleep 0.2", Some(80)),
                ("ip link set d2 up", Some(110)),
            ],
        );
    }
}

#[test]
fn what_a_group_tracks_counts_for_each_member() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("mkdir /run/t");
    let second =
        Instance { name: "VI_2", vrid: 52, addresses: vec!["10.9.0.101".to_owned()], ..Instance::default() };
    let second = second.text();
    let second = &second[second.find("vrrp_instance").unwrap()..];
    let conf = |settings: &str| {
        Instance::default()
            .before("track_file F {\n    file /run/t/f\n    weight 1\n}")
            .before(&format!(
                "vrrp_sync_group G {{\n    group {{\n        VI_1\n        VI_2\n    }}\n    \
                 sync_group_tracking_weight\n    track_file {{\n        F {settings}\n    }}\n}}"
            ))
            .text()
            + second
    };
    let daemon = Daemon::start(&a, US, &conf(""));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let both = |wanted: u8, since| {
        for vrid in [51, 52] {
            net.wait(&format!("priority {wanted} of {vrid}"), since, TIMING.master_down(1) * 2, |event| {
                event.advert().is_some_and(|advert| advert.priority == wanted && advert.vrid == vrid)
            });
        }
    };
    both(100, now());
    let since = now();
    a.shell("echo -30 > /run/t/f");
    both(70, since);
    a.shell("rm /run/t/f");
    both(100, now());
    daemon.reload(&conf("weight 0"));
    let since = now();
    a.shell("echo 1 > /run/t/f");
    both(0, since);
    let since = now();
    a.shell("echo 0 > /run/t/f");
    both(100, since);
}

/// Whoever reads the log at night is to know which of the things that are tracked it was.
#[test]
fn reasons_name_what_failed() {
    if is_reference("its words are others") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    net.plug(&a, "eth1", &[]);
    net.plug(&a, "eth2", &[]);
    a.shell("mkdir /run/t; echo 1 > /run/t/load; ip link set eth1 down; ip link set eth2 down");
    let conf = Instance::default()
        .before("track_file load {\n    file /run/t/load\n    weight 0\n}")
        .before("vrrp_script web {\n    script /bin/false\n    interval 1\n}")
        .line("track_interface {\n        eth1\n        eth2\n    }")
        .line("track_file {\n        load\n    }\n    track_script {\n        web\n    }");
    let daemon = Daemon::start(&a, US, &conf.text());
    daemon.wait_log("entering FAULT state (tracked interface eth1 down, tracked interface eth2 down)", START);
    a.shell("ip link set eth1 up; ip link set eth2 up");
    daemon.wait_log(
        "still in FAULT state because: tracked script web failed, tracked file load",
        START + crate::kit::bounds::LINK,
    );
    a.shell("echo 0 > /run/t/load");
    daemon.wait_log("still in FAULT state because: tracked script web failed", START);
    // Its data say the same.
    daemon.signal(nix::sys::signal::Signal::SIGUSR1);
    assert!(
        daemon.dump("/tmp/keepalived.data").contains("Flags of interface faults = tracked script web failed")
    );
}

/// A process without the capability to open its sockets says which, and what it lacks.
#[test]
fn a_missing_capability_is_named() {
    if is_reference("its words are others") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write(crate::kit::daemon::CONF, &Instance::default().text());
    let said = a
        .command("setpriv")
        .args(["--bounding-set", "-net_raw", "--inh-caps", "-all", crate::kit::node::UNDER_TEST])
        .args(["-n", "-l", "-G", "-f", crate::kit::daemon::CONF])
        .output()
        .expect("setpriv runs");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    let wanted =
        "the packet socket for gratuitous ARPs: not permitted, this process lacks the capability CAP_NET_RAW";
    assert!(said.contains(wanted), "{said}");
}
