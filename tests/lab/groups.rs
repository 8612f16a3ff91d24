//! Sync groups: two networks, two routers, and never one network at each of them.
//!
//! Each router has an interface in both networks and a virtual router on each, in one group. Ours as a pair, and with
//! Debian's keepalived 2.2.7 on either side.

use std::fmt::Write;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::decode::{Event, Stamp};
use crate::kit::net::{Net, Port};
use crate::kit::node::Node;

use Program::{Reference, UnderTest};

const TIMING: Timing = Timing::v3(20);
const VIPS: [&str; 3] = ["10.9.0.100", "10.9.1.100", "10.9.2.100"];

/// A configuration: virtual router `n` is on `eth<n>`, and `group` is a block in front of them, if not empty.
fn conf(priority: u8, members: usize, group: &str) -> String {
    let mut text = format!("global_defs {{\n    router_id lab\n    script_user root\n}}\n{group}\n");
    for (number, vip) in VIPS.iter().enumerate().take(members) {
        write!(
            text,
            "vrrp_instance VI_{number} {{\n    interface eth{number}\n    virtual_router_id 5{number}\n    \
             priority {priority}\n    version 3\n    advert_int 0.2\n    virtual_ipaddress {{ {vip} }}\n}}\n"
        )
        .expect("a string grows");
    }
    text
}

fn group(members: &str, lines: &str) -> String {
    format!("vrrp_sync_group G1 {{\n    group {{ {members} }}\n    {lines}\n}}")
}

/// Two routers with an interface in each network; port `n` of a router is that of `eth<n>`.
struct Site {
    net: Net,
    a: Node,
    b: Node,
    ports: Vec<[Port; 2]>,
}

impl Site {
    fn new(networks: usize) -> Self {
        let net = Net::new();
        let (a, b) = (Node::new("a"), Node::new("b"));
        let ports = (0..networks)
            .map(|number| {
                let plug = |node: &Node, host: u8| {
                    net.plug(node, &format!("eth{number}"), &[&format!("10.9.{number}.{host}/24")])
                };
                [plug(&a, 1), plug(&b, 2)]
            })
            .collect();
        Self { net, a, b, ports }
    }

    /// Whether a node has the first `count` virtual addresses, or none of them.
    fn holds(node: &Node, count: usize, all: bool) -> bool {
        (0..count).all(|number| node.holds(&format!("eth{number}"), VIPS[number]) == all)
    }

    /// Waits until all virtual addresses are at one router and none at the other.
    fn is_at(&self, count: usize, here: &Node, there: &Node, within: Duration) {
        eventually(&format!("everything is at {} alone", here.name()), within + ALLOWANCE, || {
            Self::holds(here, count, true) && Self::holds(there, count, false)
        });
    }

    /// Panics unless for some time only `node` advertises.
    fn stays_at(&self, count: usize, node: &Node, other: &Node) {
        let settled = now();
        self.net.never("a rival", settled, TIMING.master_down(100) * 3, |event| {
            event.is_advert_of(other.name()) || event.is_goodbye_of(node.name())
        });
        self.is_at(count, node, other, Duration::ZERO);
    }

    fn take(node: &Node, interface: &str, way: &str) {
        node.shell(&format!("ip link set {interface} {way}"));
    }
}

/// A pair through links that break: in the interface, on the way, and by a script of the group.
fn life(first: Program, second: Program) {
    let site = Site::new(2);
    let Site { net, a, b, .. } = &site;
    let down = TIMING.master_down(100);
    a.write("/run/fit", "");
    let script = "vrrp_script fit {\n    script \"/usr/bin/test -e /run/fit\"\n    interval 1\n}\n";
    let with_script = format!("{script}{}", group("VI_0\nVI_1", "track_script {\n        fit\n    }"));
    let plain = group("VI_0\nVI_1", "");
    let high = Daemon::start(a, first, &conf(150, 2, &with_script));
    let low = Daemon::start(b, second, &conf(100, 2, &plain));
    net.wait_master("a", high.since(), START + TIMING.master_down(150));
    site.is_at(2, a, b, down);
    site.stays_at(2, a, b);

    // An interface of the MASTER: all of it goes, at once, and comes back when the interface does.
    Site::take(a, "eth0", "down");
    site.is_at(2, b, a, down * 2);
    site.stays_at(2, b, a);
    Site::take(a, "eth0", "up");
    site.is_at(2, a, b, down * 3);
    site.stays_at(2, a, b);

    // A network on its way: the BACKUP hears the MASTER in the other one, and nothing happens.
    net.set_apart(&site.ports[1], true);
    std::thread::sleep(down);
    site.stays_at(2, a, b);
    net.set_apart(&site.ports[1], false);
    site.stays_at(2, a, b);

    // Both: each is MASTER, until one network heals. Which one, decides the higher priority for all.
    net.set_apart(&site.ports[0], true);
    net.set_apart(&site.ports[1], true);
    eventually("both are MASTER", down * 2 + ALLOWANCE, || Site::holds(b, 2, true));
    assert!(Site::holds(a, 2, true));
    net.set_apart(&site.ports[0], false);
    site.is_at(2, a, b, TIMING.interval * 2);
    net.set_apart(&site.ports[1], false);
    site.stays_at(2, a, b);

    // A script that the group tracks.
    a.remove("/run/fit");
    site.is_at(2, b, a, Duration::from_secs(2) + down);
    site.stays_at(2, b, a);
    a.write("/run/fit", "");
    site.is_at(2, a, b, Duration::from_secs(2) + down * 2);

    // The end of the MASTER.
    let (_, code) = high.stop();
    assert_eq!(code, Some(0));
    site.is_at(2, b, a, down);
    drop(low);
}

#[test]
fn our_pair_moves_both_networks_together() {
    life(UnderTest, UnderTest);
}

#[test]
fn a_pair_with_keepalived_second() {
    life(UnderTest, Reference);
}

#[test]
fn a_pair_with_keepalived_first() {
    life(Reference, UnderTest);
}

#[test]
fn a_group_is_told_in_its_order_and_its_scripts_run() {
    let site = Site::new(2);
    let Site { net, a, .. } = &site;
    a.write_script("/usr/local/bin/tell", "#!/bin/sh\necho \"$*\" >> /run/told\n");
    let scripts = ["master", "backup", "fault", "stop"]
        .map(|state| format!("notify_{state} \"/usr/local/bin/tell {state}\"\n    "))
        .concat();
    let lines = format!("{scripts}notify /usr/local/bin/tell");
    let daemon = Daemon::start(a, UnderTest, &conf(100, 2, &group("VI_1\nVI_0", &lines)));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let told = |what: &str| {
        eventually(what, ALLOWANCE, || a.read("/run/told").contains(what));
    };
    told("GROUP G1 MASTER 0");
    Site::take(a, "eth0", "down");
    told("GROUP G1 FAULT 0");
    Site::take(a, "eth0", "up");
    eventually("MASTER again", TIMING.master_down(100) + ALLOWANCE, || {
        a.read("/run/told").matches("GROUP G1 MASTER 0").count() == 2
    });
    let log = daemon.log();
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    let lines: Vec<String> = a.read("/run/told").lines().map(str::to_owned).collect();
    // The script of a state and the one of any state: one after the other here, at once in keepalived.
    let mut sorted = lines.clone();
    sorted.sort();
    let mut expected = vec!["backup", "master", "fault", "backup", "master", "stop"];
    expected.extend(["GROUP G1 BACKUP 0", "GROUP G1 MASTER 0", "GROUP G1 FAULT 0"]);
    expected.extend(["GROUP G1 BACKUP 0", "GROUP G1 MASTER 0", "GROUP G1 STOP 0"]);
    expected.sort_unstable();
    assert_eq!(sorted, expected, "{lines:?}");
    let states: Vec<_> = lines.iter().filter(|line| line.starts_with("GROUP")).collect();
    assert_eq!(states.last().map(|line| line.as_str()), Some("GROUP G1 STOP 0"));
    // The member that leads, what the group does, the others.
    for sequence in [
        [
            "(VI_0) Entering FAULT STATE",
            "VRRP_Group(G1) Syncing instances to FAULT state",
            "(VI_1) Entering FAULT STATE",
        ],
        [
            "(VI_0) Entering BACKUP STATE",
            "VRRP_Group(G1) Syncing instances to BACKUP state",
            "(VI_1) Entering BACKUP STATE",
        ],
    ] {
        let mut rest = log.rsplit_once("Netlink reports eth0 down").map_or("", |(_, rest)| rest);
        for line in sequence {
            let Some((_, after)) = rest.split_once(line) else {
                panic!("not logged in this order: {sequence:?}\n{log}");
            };
            rest = after;
        }
    }
}

#[test]
fn a_group_begins_in_fault_with_one_of_its_members() {
    let site = Site::new(2);
    let Site { net, a, .. } = &site;
    Site::take(a, "eth1", "down");
    let begin = now();
    let daemon = Daemon::start(a, UnderTest, &conf(100, 2, &group("VI_0\nVI_1", "")));
    net.never("an advert", begin, TIMING.master_down(100) * 3, |event| event.advert().is_some());
    if !is_reference("its words at the start are others") {
        daemon.wait_log("VRRP_Group(G1): Syncing VI_0 to FAULT state", ALLOWANCE);
    }
    Site::take(a, "eth1", "up");
    eventually("both are MASTER", TIMING.master_down(100) * 2 + ALLOWANCE, || Site::holds(a, 2, true));
}

/// Both virtual routers advertise without a pause, and nothing of theirs comes or goes.
fn undisturbed(net: &Net, since: Stamp, vrids: &[u8]) {
    for vrid in vrids {
        let of = |event: &Event| event.advert().is_some_and(|advert| advert.vrid == *vrid);
        let adverts: Vec<_> = net.adverts(since, "a").into_iter().filter(|event| of(event)).collect();
        let gap = crate::kit::net::spacings(&adverts).into_iter().max().unwrap_or_default();
        assert!(
            adverts.len() > 3 && gap <= TIMING.interval + ALLOWANCE,
            "{vrid}: {gap:?}\n{}",
            net.story(since)
        );
    }
    net.never("a goodbye", since, Duration::ZERO, |event| event.is_goodbye_of("a"));
}

#[test]
fn a_killed_child_is_replaced_and_the_group_goes_on() {
    if is_reference("its new child takes the addresses off and starts an election") {
        return;
    }
    let site = Site::new(2);
    let Site { net, a, b, .. } = &site;
    a.write_script("/usr/local/bin/tell", "#!/bin/sh\necho \"$*\" >> /run/told\n");
    let told = group("VI_0\nVI_1", "notify /usr/local/bin/tell");
    let daemon = Daemon::start(a, UnderTest, &conf(150, 2, &told));
    let peer = Daemon::start(b, Reference, &conf(100, 2, &group("VI_0\nVI_1", "")));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    site.is_at(2, a, b, TIMING.master_down(150));
    a.shell("(ip monitor address >/run/changes 2>&1 &)");
    std::thread::sleep(TIMING.interval * 2);
    let (child, killed) = (daemon.vrrp_child(), now());
    kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
    std::thread::sleep(Duration::from_secs(2));
    undisturbed(net, killed, &[50, 51]);
    assert_eq!(net.adverts(killed, "b").len(), 0, "{}", net.story(killed));
    let changes = a.read("/run/changes");
    assert!(!changes.contains("Deleted"), "an address was taken off: {changes}");
    site.stays_at(2, a, b);
    assert_eq!(a.read("/run/told").matches("MASTER").count(), 1, "nothing has changed: nobody is told");
    // The successor knows that it is a group.
    Site::take(a, "eth1", "down");
    site.is_at(2, b, a, TIMING.master_down(100) * 2);
    drop(peer);
}

#[test]
fn a_child_killed_as_it_takes_over_is_replaced_as_master() {
    if is_reference("its new child takes the addresses off and starts an election") {
        return;
    }
    let site = Site::new(2);
    let Site { net, a, .. } = &site;
    let daemon = Daemon::start(a, UnderTest, &conf(100, 2, &group("VI_0\nVI_1", "")));
    let child = daemon.vrrp_child();
    // The very first advert: what comes after it in the child may never be done.
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
    daemon.wait_log("carrying on for the process before", START);
    site.net.wait("it goes on", first.at + 1_000, START, |event| event.is_advert_of("a"));
    eventually("both are MASTER", ALLOWANCE, || Site::holds(a, 2, true));
    undisturbed_by_election(&daemon);
}

fn undisturbed_by_election(daemon: &Daemon<'_>) {
    let log = daemon.log();
    let after = log.rsplit_once("Respawning").map_or("", |(_, after)| after);
    assert!(!after.contains("BACKUP STATE"), "{log}");
}

#[test]
fn a_reload_changes_who_is_in_the_group_and_disturbs_nobody() {
    if is_reference("each reload there sends adverts at once and rearms the timers") {
        return;
    }
    let site = Site::new(3);
    let Site { net, a, b, .. } = &site;
    let two = group("VI_0\nVI_1", "");
    let daemon = Daemon::start(a, UnderTest, &conf(150, 2, &two));
    let peer = Daemon::start(b, UnderTest, &conf(100, 2, &two));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    site.is_at(2, a, b, TIMING.master_down(150));
    std::thread::sleep(TIMING.interval * 2);

    let begin = now();
    let both = |text: &dyn Fn(u8) -> String| {
        peer.reload(&text(100));
        daemon.reload(&text(150));
        std::thread::sleep(TIMING.interval * 5);
    };
    // Another order; a new member, which follows at once; without the first; another name; no group at all; and back.
    both(&|priority| conf(priority, 2, &group("VI_1\nVI_0", "")));
    both(&|priority| conf(priority, 3, &group("VI_1\nVI_2\nVI_0", "")));
    site.is_at(3, a, b, Duration::ZERO);
    both(&|priority| conf(priority, 3, &group("VI_2\nVI_1", "")));
    both(&|priority| conf(priority, 3, &group("VI_2\nVI_1", "").replace("G1", "G2")));
    both(&|priority| conf(priority, 3, ""));
    both(&|priority| conf(priority, 3, &group("VI_0\nVI_1\nVI_2", "")));
    undisturbed(net, begin, &[50, 51]);
    assert_eq!(net.adverts(begin, "b").len(), 0, "{}", net.story(begin));
    site.stays_at(3, a, b);
    for name in ["VI_0", "VI_1", "VI_2"] {
        assert_eq!(daemon.logged(&format!("({name}) Entering MASTER STATE")), 1, "{}", daemon.log());
    }

    // They are a group.
    Site::take(a, "eth2", "down");
    site.is_at(3, b, a, TIMING.master_down(100) * 2);
    // The one with the fault leaves it: the others take part again.
    daemon.reload(&conf(150, 3, &group("VI_0\nVI_1", "")));
    peer.reload(&conf(100, 3, &group("VI_0\nVI_1", "")));
    site.is_at(2, a, b, TIMING.master_down(150) * 2);
    assert!(b.holds("eth2", VIPS[2]), "the third is still at b");
}

#[test]
fn the_dump_tells_of_groups() {
    let site = Site::new(2);
    let Site { net, a, .. } = &site;
    a.write_script("/usr/local/bin/tell", "#!/bin/sh\n");
    let script = "vrrp_script fit {\n    script \"/usr/bin/true\"\n    interval 1\n    weight 20\n}\n\
                  track_file number {\n    file /run/number\n}\n";
    a.write("/run/number", "3\n");
    let lines = "track_script {\n        fit\n    }\n    track_interface {\n        eth1 weight 5\n    }\n    track_file {\n        number\n    }\n    \
                 notify_master \"/usr/local/bin/tell x\"\n    notify /usr/local/bin/tell";
    let before = format!("{script}{}", group("VI_0\nVI_1", lines));
    let daemon = Daemon::start(a, UnderTest, &conf(100, 2, &before));
    net.wait("all weights count", daemon.since(), START + TIMING.master_down(100), |event| {
        event.advert().is_some_and(|advert| advert.priority == 128)
    });
    eventually("both are MASTER", ALLOWANCE, || Site::holds(a, 2, true));
    a.remove("/tmp/keepalived.data");
    daemon.signal(Signal::SIGUSR1);
    let dump = daemon.dump("/tmp/keepalived.data");
    let section = dump.split_once("------< VRRP Sync groups >------\n").map_or("", |(_, rest)| rest);
    let section = section.split_once("------<").map_or("", |(section, _)| section);
    let expected = " VRRP Sync Group = G1, MASTER\n   Num member fault 0, num member init 0\n   VRRP member instances :\n     \
                    VI_0\n     VI_1\n   Using smtp notification = no\n   Tracked interfaces :\n     eth1 weight 5\n   \
                    Tracked scripts :\n     fit weight 20\n   Tracked files :\n     number, weight 1\n   Master state transition script = \
                    '/usr/local/bin/tell' 'x', uid:gid 0:0\n   Generic state transition script = \
                    '/usr/local/bin/tell', uid:gid 0:0\n";
    assert_eq!(section, expected, "{dump}");
    assert_eq!(dump.matches("   Sync group = G1\n").count(), 2, "{dump}");
}

/// The script of a group is at work during a reload, and another one waits: neither is lost, nor are those to come.
#[test]
fn what_a_group_has_to_tell_outlives_a_reload() {
    if is_reference("it kills what runs") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/slow", "#!/bin/sh\nsleep 2\necho \"$1 $2 $3\" >> /run/told\n");
    let conf = |priority: u8| {
        let group =
            "vrrp_sync_group G {\n    group {\n        VI_1\n    }\n    notify /usr/local/bin/slow\n}";
        crate::kit::conf::Instance::default().priority(priority).before(group).text()
    };
    a.write("/run/told", "");
    let daemon = Daemon::start(&a, UnderTest, &conf(100));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    daemon.reload(&conf(110));
    let told = |line: &str| a.read("/run/told").lines().filter(|told| *told == line).count();
    eventually("the MASTER is told", START * 2, || told("GROUP G MASTER") == 1);
    // One that is idle goes on, too.
    daemon.reload(&conf(120));
    a.shell("ip link set eth0 down");
    eventually("the FAULT is told", START * 2, || told("GROUP G FAULT") == 1);
    daemon.stop();
    assert_eq!((told("GROUP G BACKUP"), told("GROUP G MASTER"), told("GROUP G FAULT")), (1, 1, 1));
}
