//! Configurations that people write, run as they are: two routers in all the ways that pairs are built.
//!
//! Each check runs twice: on the project's own files in conf/, and on the files that users published, which
//! are third parties' and lie outside the repository (LAB_EXAMPLES, by default ../shared/examples beside it).

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, START, Timing};
use crate::kit::capture::now;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::skip::skip;
use crate::steps::{self, Heir};

const US: Program = Program::UnderTest;
const SECOND: Duration = Duration::from_secs(1);

/// The configurations of one author, and what is in them.
pub(crate) struct Author {
    folder: PathBuf,
    /// Interface of the pairs.
    pub(crate) interface: &'static str,
    /// Addresses of the two routers, with prefix length.
    pub(crate) routers: [&'static str; 2],
    /// The virtual address.
    pub(crate) address: &'static str,
    /// Priorities of the pair.
    pub(crate) priorities: [u8; 2],
    /// The word in the file that is not a keyword, if one is there on purpose.
    pub(crate) slip: Option<&'static str>,
}

impl Author {
    /// A file of this author.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).expect("a configuration")
    }
}

/// The project's own configurations.
pub(crate) fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/conf")
}

/// Where the published configurations lie; None, and a line that says so, if they are not on this machine.
pub(crate) fn published_folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/examples");
    let folder = std::env::var_os("LAB_EXAMPLES").map_or_else(beside, PathBuf::from);
    if !folder.is_dir() {
        skip(&format!("no published configurations at {}", folder.display()));
        return None;
    }
    Some(folder)
}

fn own(address: &'static str, priorities: [u8; 2], slip: Option<&'static str>) -> Author {
    let routers = ["10.44.0.11/24", "10.44.0.12/24"];
    Author { folder: own_folder(), interface: "enp3s0", routers, address, priorities, slip }
}

#[test]
fn own_pair() {
    pair(&own("10.44.0.1", [110, 60], Some("garp_colour")));
}

#[test]
fn published_pair() {
    if let Some(folder) = published_folder() {
        pair(&Author {
            folder,
            interface: "p4p1",
            routers: ["10.122.111.1/24", "10.122.111.2/24"],
            address: "10.122.111.99",
            priorities: [100, 50],
            slip: Some("protocol"),
        });
    }
}

fn pair(author: &Author) {
    let net = Net::new();
    let a = net.node("a", author.interface, &[author.routers[0]]);
    let b = net.node("b", author.interface, &[author.routers[1]]);
    let (text_a, text_b) = (author.read("pair-a.conf"), author.read("pair-b.conf"));
    let heir = Heir { node: "b", priority: author.priorities[1], timing: Timing::V2 };
    let election = START + Timing::V2.master_down(author.priorities[0]);

    let daemon_a = Daemon::start(&a, US, &text_a);
    let daemon_b = Daemon::start(&b, US, &text_b);
    net.wait_master("a", daemon_a.since(), election);
    steps::address_is_at(author.interface, author.address, &a, &[&b]);
    if let Some(slip) = author.slip {
        let line = text_a.lines().position(|line| line.trim_start().starts_with(slip)).expect("the slip") + 1;
        let log = daemon_a.log();
        let told = log.lines().any(|text| {
            text.contains(slip)
                && (text.contains(&format!(":{line}:")) || text.contains(&format!("Line {line})")))
        });
        assert!(told, "`{slip}` in line {line} is not told\n{log}");
    }

    let first = steps::stop(&net, "a", daemon_a, heir);
    steps::address_is_at(author.interface, author.address, &b, &[&a]);
    net.wait("b announces", first.at, Duration::ZERO, |event| event.announces("b", author.address));

    let daemon_a = Daemon::start(&a, US, &text_a);
    let back = net.wait_master("a", daemon_a.since(), election);
    steps::address_is_at(author.interface, author.address, &a, &[&b]);
    net.wait("a announces", back.at, Duration::ZERO, |event| event.announces("a", author.address));

    steps::kill(&net, "a", daemon_a, heir);
    steps::clean(&a, author.interface, &[author.address]);
    steps::address_is_at(author.interface, author.address, &b, &[&a]);
    drop(daemon_b);
}

#[test]
fn own_nopreempt() {
    nopreempt(&own("10.44.0.1", [110, 60], None));
}

#[test]
fn published_nopreempt() {
    if let Some(folder) = published_folder() {
        nopreempt(&Author {
            folder,
            interface: "p4p1",
            routers: ["10.122.111.1/24", "10.122.111.2/24"],
            address: "10.122.111.99",
            priorities: [100, 50],
            slip: None,
        });
    }
}

fn nopreempt(author: &Author) {
    let net = Net::new();
    let a = net.node("a", author.interface, &[author.routers[0]]);
    let b = net.node("b", author.interface, &[author.routers[1]]);
    let (text_a, text_b) = (author.read("nopreempt-a.conf"), author.read("nopreempt-b.conf"));
    let heir = Heir { node: "b", priority: author.priorities[1], timing: Timing::V2 };
    let down = Timing::V2.master_down(author.priorities[0]);

    let daemon_a = Daemon::start(&a, US, &text_a);
    let daemon_b = Daemon::start(&b, US, &text_b);
    net.wait_master("a", daemon_a.since(), START + down);
    steps::stop(&net, "a", daemon_a, heir);

    let daemon_a = Daemon::start(&a, US, &text_a);
    net.never("a preempts", daemon_a.since(), down + SECOND, |event| event.is_advert_of("a"));
    assert!(!a.holds(author.interface, author.address));
    let heir = Heir { node: "a", priority: author.priorities[0], timing: Timing::V2 };
    steps::kill(&net, "b", daemon_b, heir);
    steps::clean(&b, author.interface, &[author.address]);
    steps::address_is_at(author.interface, author.address, &a, &[&b]);
}

#[test]
fn own_script() {
    script(&own("10.44.0.1", [120, 119], None));
}

#[test]
fn published_script() {
    if let Some(folder) = published_folder() {
        script(&Author {
            folder,
            interface: "eno16777736",
            routers: ["192.168.213.128/24", "192.168.213.129/24"],
            address: "192.168.213.200",
            priorities: [100, 99],
            slip: None,
        });
    }
}

fn script(author: &Author) {
    let net = Net::new();
    let a = net.node("a", author.interface, &[author.routers[0]]);
    let b = net.node("b", author.interface, &[author.routers[1]]);
    for node in [&a, &b] {
        node.write_script("/usr/local/bin/systemctl", "#!/bin/sh\n! test -e /run/httpd-is-down\n");
        if node.exists("/usr/bin/systemctl") {
            node.shell("mount --bind /usr/local/bin/systemctl /usr/bin/systemctl");
        }
    }
    let daemon_a = Daemon::start(&a, US, &author.read("script-a.conf"));
    let _daemon_b = Daemon::start(&b, US, &author.read("script-b.conf"));
    let down = Timing::V2.master_down(author.priorities[0]);
    net.wait_master("a", daemon_a.since(), START + down);
    assert!(daemon_a.log().contains("nopreempt"), "nopreempt with state MASTER is told");

    let failed = now();
    a.write("/run/httpd-is-down", "");
    let reduced = author.priorities[0] - 2;
    let low = net.wait("a advertises its new priority", failed, 4 * SECOND, |event| {
        event.node == "a" && event.advert().is_some_and(|advert| advert.priority == reduced)
    });
    let bound = if is_reference("a backup there waits for its whole timer") {
        Timing::V2.master_down(author.priorities[1])
    } else {
        SECOND + Timing::V2.skew(author.priorities[1])
    };
    net.wait_master("b", low.at, bound);
    steps::address_is_at(author.interface, author.address, &b, &[&a]);

    let recovered = now();
    a.remove("/run/httpd-is-down");
    let preempts = Timing::V2.master_down(reduced) + 3 * SECOND;
    let back = net.wait_master("a", recovered, preempts);
    assert_eq!(back.advert().map(|advert| advert.priority), Some(author.priorities[0]));
    steps::address_is_at(author.interface, author.address, &a, &[&b]);
}

#[test]
fn own_nginx() {
    nginx(&own("10.44.0.1", [100, 97], None), "224.0.44.44", false);
}

#[test]
fn published_nginx() {
    if is_reference("it runs no script that needs a shell, and disables the one that tests the down file") {
        return;
    }
    if let Some(folder) = published_folder() {
        let author = Author {
            folder,
            interface: "eno16777736",
            routers: ["172.18.67.11/16", "172.18.67.12/16"],
            address: "172.18.67.33",
            priorities: [100, 95],
            slip: None,
        };
        // 100 - 5 is 95, the priority of B, and equals do not preempt each other: it takes both failures.
        nginx(&author, "224.0.67.67", true);
    }
}

fn nginx(author: &Author, group: &str, takes_both: bool) {
    let net = Net::new();
    let a = net.node("a", author.interface, &[author.routers[0]]);
    let b = net.node("b", author.interface, &[author.routers[1]]);
    for node in [&a, &b] {
        node.write_script("/etc/keepalived/notify.sh", &author.read("notify.sh"));
        // The author's /bin/sh is bash, which knows [[.
        node.shell("mount --bind /usr/bin/bash $(readlink -f /bin/sh)");
        node.start_dummy("nginx");
    }
    let timing = Timing::V2;
    let daemon_a = Daemon::start(&a, US, &author.read("nginx-a.conf"));
    let first = net.wait_master("a", daemon_a.since(), START + timing.master_down(author.priorities[0]));
    // Their patience differs by a hundredth of a second only: started together, both might begin as MASTER.
    let daemon_b = Daemon::start(&b, US, &author.read("nginx-b.conf"));
    let advert = first.advert().expect("an advert");
    assert_eq!((advert.priority, advert.destination.to_string()), (author.priorities[0], group.to_owned()));

    let stopped = now();
    a.shell("killall nginx");
    let low = net.wait("two failures lower the priority", stopped, 4 * SECOND, |event| {
        event.node == "a" && event.advert().is_some_and(|advert| advert.priority == author.priorities[0] - 5)
    });
    assert!(low.at >= stopped + 900_000_000, "fall 2 means two failures, a second apart");
    if !takes_both {
        net.wait_master("b", low.at, timing.master_down(author.priorities[1]));
        a.start_dummy("nginx");
        net.wait_master("a", now(), timing.master_down(author.priorities[0]) + 2 * SECOND);
        // The router that yields sends one last advert; it must not pass for a take-over.
        steps::address_is_at(author.interface, author.address, &a, &[&b]);
    }
    let touched = now();
    a.write("/etc/keepalived/down", "");
    net.wait_master("b", touched, timing.master_down(author.priorities[1]) + 3 * SECOND);
    steps::address_is_at(author.interface, author.address, &b, &[&a]);

    let told = |node: &crate::kit::node::Node| -> Vec<String> {
        let log = node.read("/run/notify.log");
        log.lines().filter_map(|line| line.split_whitespace().last().map(str::to_owned)).collect()
    };
    let expected_a: &[&str] = if takes_both {
        &["backup", "master", "backup"]
    } else {
        &["backup", "master", "backup", "master", "backup"]
    };
    let expected_b: &[&str] =
        if takes_both { &["backup", "master"] } else { &["backup", "master", "backup", "master"] };
    let end = std::time::Instant::now() + ALLOWANCE + 2 * SECOND;
    while (told(&a) != expected_a || told(&b) != expected_b) && std::time::Instant::now() < end {
        std::thread::sleep(ALLOWANCE / 20);
    }
    assert_eq!(told(&a), expected_a, "on a");
    assert_eq!(told(&b), expected_b, "on b");
    drop((daemon_a, daemon_b));
}
