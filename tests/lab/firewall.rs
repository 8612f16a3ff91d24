//! `no_accept`: packets to a MASTER's addresses, and the membership reports of macvlans; the tables in the kernel.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::{Node, is_alive};

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);
const VIP: &str = "10.9.0.100";
const LIST: &str = "nft list ruleset";
const REPORTS: &str = "cat /proc/sys/net/ipv4/igmp_link_local_mcast_reports";

fn conf() -> Instance {
    Instance::default()
        .priority(150)
        .line("no_accept")
        .line("virtual_ipaddress_excluded {\n fd00::100/64\n fe80::100/64\n }")
}

fn pings(node: &Node, address: &str) -> bool {
    // Three, since on a busy machine an answer may come too late.
    node.try_shell(&format!("ping -n -q -c 3 -i 0.2 -W 0.4 {address}")).status.success()
}

fn rules(node: &Node) -> String {
    node.shell(LIST)
}

/// The rules by table and block, with the elements of sets in order.
fn blocks(node: &Node) -> BTreeMap<String, Vec<String>> {
    let text = rules(node).replace(",\n", ",");
    let (mut table, mut block, mut blocks) = (String::new(), String::new(), BTreeMap::new());
    for line in text.lines() {
        let depth = line.bytes().take_while(|octet| *octet == b'\t').count();
        let line = line.trim().trim_end_matches(" {");
        match depth {
            0 if !line.starts_with("table") => {}
            0 => line.clone_into(&mut table),
            1 => block = format!("{table} {line}"),
            _ => {
                let list = line.strip_prefix("elements = { ").and_then(|list| list.strip_suffix(" }"));
                let line = list.map_or_else(
                    || line.to_owned(),
                    |list| {
                        let mut elements: Vec<_> = list.split(',').map(str::trim).collect();
                        elements.sort_unstable();
                        elements.join(", ")
                    },
                );
                blocks.entry(block.clone()).or_insert_with(Vec::new).push(line);
            }
        }
    }
    blocks
}

#[test]
fn a_master_that_accepts_nothing_still_routes() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24", "fd00::1/64"]);
    net.plug(&a, "eth1", &["10.8.0.1/24"]);
    let c = net.node("c", "eth0", &["10.9.0.9/24", "fd00::9/64"]);
    let d = net.node("d", "eth0", &["10.8.0.9/24"]);
    c.shell("ip route add 10.8.0.0/24 via 10.9.0.100");
    d.shell("ip route add default via 10.8.0.1");
    let daemon = Daemon::start(&a, US, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    eventually("the addresses are there", ALLOWANCE, || a.holds("eth0", "fe80::100"));
    daemon.wait_log("(VI_1) setting firewall drop rule", ALLOWANCE);
    for address in [VIP, "fd00::100", "fe80::100%eth0"] {
        assert!(!pings(&c, address), "{address} answers");
        let bare = address.trim_end_matches("%eth0");
        let neighbour = c.shell(&format!("ip neigh show {bare} dev eth0"));
        assert!(neighbour.contains("lladdr 02:00:00:00:00:0"), "{address} is not resolved: {neighbour}");
    }
    for address in ["10.9.0.1", "fd00::1", "10.8.0.9"] {
        assert!(pings(&c, address), "{address} does not answer");
    }
    if is_reference("the rest is about a reload, which restarts the election there") {
        return;
    }
    // Its own address, that of others' instances, and what a reload changes.
    let accepting = conf().text().replace("no_accept", "accept");
    daemon.reload(&accepting);
    assert_eq!(rules(&a), "");
    assert!(pings(&c, VIP) && pings(&c, "fd00::100") && pings(&c, "fe80::100%eth0"));
    daemon.reload(&conf().text());
    assert!(!pings(&c, VIP) && !pings(&c, "fd00::100") && !pings(&c, "fe80::100%eth0"));
    daemon.reload(&accepting.replace("priority 150", "priority 150\n strict_mode on"));
    assert!(pings(&c, VIP), "strict mode of version 3 lets it be said");
    daemon.reload(&accepting.replace(" accept\n", "\n strict_mode on\n"));
    assert!(!pings(&c, VIP), "strict mode implies it");
    assert_eq!(daemon.logged("Entering MASTER STATE"), 1);
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    assert_eq!(rules(&a), "");
    assert!(!a.exists("/run/keepalived_vrrp.changes"));
}

#[test]
fn an_owner_and_a_backup_accept() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let c = net.node("c", "eth0", &["10.9.0.9/24"]);
    let owner = Instance { addresses: vec!["10.9.0.1/24".to_owned()], ..Instance::default() };
    let daemon = Daemon::start(&a, US, &owner.priority(255).line("no_accept").text());
    net.wait_master("a", daemon.since(), START);
    assert!(pings(&c, "10.9.0.1"), "an owner's address is its own");
    assert!(!rules(&a).contains("10.9.0.1"));
}

/// What 2.2.7 has as 2.4.3 has it: that looks for MLD reports of both versions, and keeps a macvlan from advertising the
/// link-local address of its base. `base`: that address, where a macvlan has it, too.
fn as_of_today(reference: BTreeMap<String, Vec<String>>, base: &str) -> BTreeMap<String, Vec<String>> {
    const NEIGHBOURS: &str =
        "icmpv6 type nd-neighbor-advert meta oifkind \"macvlan\" ip6 saddr . oifname @parent_link_local drop";
    let mut ours: BTreeMap<String, Vec<String>> = reference
        .into_iter()
        .map(|(block, lines)| {
            let report = |line: &String| line.contains("mld2-listener-report");
            let before = lines.iter().position(report).map(|at| (at, NEIGHBOURS.to_owned()));
            let mut lines: Vec<_> =
                lines.into_iter().map(|line| line.replace("mld2-listener-report", "@mld-report")).collect();
            if let Some((at, line)) = before {
                lines.insert(at, line);
            }
            (block, lines)
        })
        .collect();
    if ours.values().flatten().any(|line| line.contains("@mld-report")) {
        let mut set = |name: &str, lines: [&str; 3]| {
            let lines = lines.into_iter().filter(|line| !line.is_empty()).map(str::to_owned);
            ours.insert(format!("table ip6 keepalived set {name}"), lines.collect());
        };
        set(
            "mld-report",
            ["type icmpv6_type", "flags constant", "mld-listener-report, mld2-listener-report"],
        );
        set("parent_link_local", ["type ipv6_addr . ifname", &format!("{base} . \"vrrp.53\""), ""]);
    }
    ours
}

#[test]
fn the_tables_are_those_of_the_reference() {
    let second = Instance { name: "VI_2", vrid: 52, priority: 150, ..Instance::default() };
    let second = Instance { addresses: vec!["10.9.0.110".into()], ..second }.line("no_accept");
    let third = Instance {
        name: "VI_3",
        vrid: 53,
        priority: 150,
        addresses: vec!["fe80::98/64".into(), "fd00::10/64".into()],
        ..Instance::default()
    };
    let rest = |instance: &Instance| instance.text().split_once("}\n").expect("global_defs").1.to_owned();
    let macvlans = rest(&second.line("use_vmac")) + &rest(&third.line("use_vmac vrrp.53").line("no_accept"));
    let named = Instance::default().priority(150).line("no_accept").line("dont_track_primary");
    let named = Instance { addresses: vec!["fe80::98/64".into(), "fd00::10/64".into()], ..named };
    for conf in [
        conf().text(),
        conf().text() + &macvlans,
        Instance::default().priority(150).line("use_vmac").text(),
        conf().global("nftables mine").global("nftables_priority 5").global("nftables_counters").text(),
        conf().global("nftables").global("disable_local_igmp").text() + &macvlans,
        conf().global("vrrp_iptables").text(),
        named.text(),
        named.global("nftables").global("nftables_ifindex").text(),
    ] {
        let (mut found, mut base) = (Vec::new(), String::new());
        for program in [US, Program::Reference] {
            let net = Net::without_referee();
            let a = net.node("a", "eth0", &["10.9.0.1/24"]);
            let daemon = Daemon::start(&a, program, &conf);
            net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
            let masters = conf.matches("vrrp_instance").count();
            eventually("all are MASTER", START, || daemon.logged("Entering MASTER STATE") == masters);
            eventually("the addresses are there", ALLOWANCE, || {
                a.shell("ip -o addr").matches("10.9.0.1").count()
                    + a.shell("ip -o -6 addr").matches("::10").count()
                    > 1
            });
            std::thread::sleep(ALLOWANCE);
            let blocks = blocks(&a);
            base =
                a.shell("ip -6 -o addr show dev eth0 scope link -deprecated | awk '$4 ~ /ff:fe/ {print $4}'");
            let counted = |line: &String| {
                let words: Vec<&str> = line.split(' ').collect();
                let mut words = words.as_slice();
                let mut text = String::new();
                while let [first, tail @ ..] = words {
                    words = if *first == "counter" { tail.get(4..).unwrap_or_default() } else { tail };
                    text = text + first + " ";
                }
                text.trim_end().to_owned()
            };
            found.push(
                blocks
                    .into_iter()
                    .map(|(block, lines)| (block, lines.iter().map(counted).collect()))
                    .collect::<BTreeMap<String, Vec<String>>>(),
            );
            daemon.stop();
            assert_eq!(rules(&a), "");
        }
        let reference = as_of_today(found.pop().expect("two"), base.trim().trim_end_matches("/64"));
        let ours = found.pop().expect("two");
        assert!(!reference.is_empty());
        for block in ours.keys().chain(reference.keys()) {
            assert_eq!(ours.get(block), reference.get(block), "{block} of\n{conf}");
        }
    }
}

#[test]
fn reports_of_a_macvlan_leave_with_the_address_of_its_base() {
    let both = Instance {
        name: "VI_6",
        vrid: 53,
        priority: 150,
        addresses: vec!["fe80::98/64".into()],
        ..Instance::default()
    };
    let both = both.line("use_vmac").text();
    let both = both.split_once("}\n").expect("global_defs").1;
    let first = Instance::default().priority(150).line("use_vmac");
    for (silent, first) in [(false, first.clone()), (true, first.global("disable_local_igmp"))] {
        let net = Net::new();
        let a = net.node("a", "eth0", &["10.9.0.1/24"]);
        let daemon = Daemon::start(&a, US, &(first.text() + both));
        net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
        assert_eq!(a.shell(REPORTS).trim(), if silent { "0" } else { "1" });
        std::thread::sleep(Duration::from_secs(1));
        if !is_reference("it gives up when a macvlan is deleted") {
            // The numbers of the interfaces are others then.
            a.shell("ip link del vrrp.51; ip link del vrrp6.53 2>/dev/null || ip link del vrrp.53");
            net.wait_master("a", now(), START);
            std::thread::sleep(Duration::from_secs(1));
        }
        let (mut groups_v4, mut groups_v6) = (0, 0);
        for frame in net.frames("a") {
            let igmp = frame.get(12..14) == Some(&[8, 0]) && frame.get(23) == Some(&2);
            // MLD is behind the option that lets routers look at it.
            let mld = frame.get(12..14) == Some(&[0x86, 0xdd])
                && frame.get(20) == Some(&0)
                && frame.get(54) == Some(&58)
                && frame.get(62).is_some_and(|kind| [131, 132, 143].contains(kind));
            let vrrp_v4 = frame.windows(4).any(|octets| octets == Ipv4Addr::new(224, 0, 0, 18).octets());
            groups_v4 += usize::from(igmp && vrrp_v4);
            groups_v6 += usize::from(mld && frame.windows(2).any(|octets| octets == [0, 18]));
            if igmp || mld {
                assert_ne!(frame.get(6..10), Some(&[0, 0, 0x5e, 0][..]), "{frame:02x?}");
            }
        }
        assert_eq!(groups_v4 > 0, !silent, "reports of 224.0.0.18");
        assert!(groups_v6 > 0, "reports of ff02::12");
        daemon.stop();
        assert_eq!(rules(&a), "");
        if !is_reference("it leaves the setting as it is") {
            assert_eq!(a.shell(REPORTS).trim(), "1");
        }
    }
}

#[test]
fn what_others_delete_is_put_back() {
    if is_reference("it does not notice") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &conf().line("use_vmac").text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    eventually("the address is guarded", ALLOWANCE, || rules(&a).contains(VIP));
    let whole = blocks(&a);
    a.shell("nft add table ip mine");
    for command in [
        "nft delete table ip keepalived",
        "nft flush set ip6 keepalived vips",
        "nft flush chain ip keepalived in",
        "nft flush ruleset",
        // Now and then it is too often: it waits for a second.
        "nft flush ruleset; sleep 0.05; nft flush ruleset; sleep 0.05; nft flush ruleset; sleep 0.05; nft flush ruleset",
    ] {
        let told = daemon.logged("was changed by somebody else");
        a.shell(command);
        eventually(command, Duration::from_secs(5), || blocks(&a) == whole);
        eventually(&format!("{command} is told"), ALLOWANCE, || {
            daemon.logged("was changed by somebody else") > told
        });
    }
    assert_eq!(daemon.logged("Entering MASTER STATE"), 1);
    daemon.stop();
    assert_eq!(rules(&a), "");
}

#[test]
fn after_a_power_cut_there_is_what_the_new_configuration_wants() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let start = |conf: &str| {
        let daemon = Daemon::start(&a, US, conf);
        net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
        eventually("the address is there", ALLOWANCE, || a.holds("eth0", VIP));
        daemon
    };
    let daemon = start(&conf().text());
    eventually("it is guarded", ALLOWANCE, || rules(&a).contains(VIP));
    let whole = blocks(&a);
    daemon.kill();
    assert!(rules(&a).contains(VIP), "a power cut leaves it");
    let daemon = start(&conf().text());
    eventually("the same", ALLOWANCE, || blocks(&a) == whole);
    if is_reference("it knows nothing of what it left") {
        return;
    }
    daemon.kill();
    let daemon = start(&conf().global("nftables other").text());
    let renamed = |text: &str| text.replace("keepalived", "other");
    let whole: BTreeMap<_, _> = whole.into_iter().map(|(block, lines)| (renamed(&block), lines)).collect();
    eventually("the same with another name", ALLOWANCE, || blocks(&a) == whole);
    daemon.kill();
    let daemon = start(&Instance::default().priority(150).text());
    assert_eq!(rules(&a), "");
    daemon.stop();
}

/// Pings without a pause; its process in the node.
fn flood(node: &Node, address: &str) -> String {
    let line = format!("ping -n -q -i 0.002 -W 0.1 {address}");
    node.shell(&format!("exec {line} >/run/flood 2>&1 & echo $!"))
}

/// What it says when it is ended.
fn received(node: &Node, flood: &str) -> String {
    node.shell(&format!("kill -INT {flood}"));
    eventually("ping ends", START, || node.read("/run/flood").contains("received"));
    node.read("/run/flood")
}

#[test]
fn no_packet_slips_through_a_reload_or_a_crash() {
    if is_reference("it restarts with an empty table") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let c = net.node("c", "eth0", &["10.9.0.9/24"]);
    // Not by way of ARP: the address answers from the moment that it is there.
    c.shell("ip neigh add 10.9.0.100 lladdr 02:00:00:00:00:01 dev eth0");
    let flooding = flood(&c, VIP);
    let daemon = Daemon::start(&a, US, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    eventually("the address is there", ALLOWANCE, || a.holds("eth0", VIP));
    for line in ["promote_secondaries", "use_vmac", "garp_master_delay 1", "no_accept"] {
        daemon.reload(&conf().line(line).text());
    }
    net.wait_master("a", now(), START);
    daemon.reload(&conf().global("nftables_counters").text());
    net.wait_master("a", now(), START);
    let child = daemon.vrrp_child();
    kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
    eventually("the child is gone", ALLOWANCE, || !is_alive(child));
    net.wait_master("a", now(), START);
    eventually("the address is there", ALLOWANCE, || a.holds("eth0", VIP));
    daemon.stop();
    let told = received(&c, &flooding);
    assert!(told.contains(" 0 received"), "{told}");
}

#[test]
fn many_take_over_in_few_transactions() {
    if is_reference("one for each address") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let mut conf = String::from("global_defs {\n    router_id lab\n}\nvrrp_sync_group G {\n group {\n");
    let names: Vec<String> = (1..=100).map(|number| format!("V{number}\n")).collect();
    conf += &(names.concat() + "}\n}\n");
    for number in 1..=100 {
        conf += &format!(
            "vrrp_instance V{number} {{\n interface eth0\n virtual_router_id {number}\n priority 150\n version 3\n \
             advert_int 0.1\n no_accept\n virtual_ipaddress {{\n 10.9.1.{number}/24\n }}\n}}\n"
        );
    }
    a.shell("(exec nft monitor >/run/changes 2>&1) & sleep 0.3");
    let daemon = Daemon::start(&a, US, &conf);
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    eventually("all are guarded", START, || rules(&a).matches("10.9.1.").count() == 100);
    eventually("the monitor caught up", ALLOWANCE, || a.read("/run/changes").contains("10.9.1.100"));
    let transactions = a.read("/run/changes").matches("# new generation").count();
    assert!(transactions <= 20, "{transactions} transactions for 100 instances");
    assert_eq!(daemon.stats().allocations(), 0);
    daemon.stop();
    assert_eq!(rules(&a), "");
}

#[test]
fn a_reload_changes_what_differs_and_nothing_else() {
    if is_reference("a reload there begins anew") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let with = |address: &str, line: &str| {
        Instance { addresses: vec![VIP.to_owned(), address.to_owned()], ..conf().line(line) }.text()
    };
    let daemon = Daemon::start(&a, US, &with("10.9.0.101", "use_vmac"));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    eventually("the addresses are guarded", ALLOWANCE, || rules(&a).contains("10.9.0.101"));
    a.shell("(exec nft monitor >/run/changes 2>&1) & sleep 0.3");
    daemon.reload(&with("10.9.0.102", "use_vmac"));
    eventually("it was told", ALLOWANCE, || a.read("/run/changes").matches("# new generation").count() > 0);
    let changes = a.read("/run/changes");
    for wanted in
        ["delete element ip keepalived vips { 10.9.0.101 }", "add element ip keepalived vips { 10.9.0.102 }"]
    {
        assert!(changes.contains(wanted), "{wanted}: {changes}");
    }
    assert_eq!(changes.matches("element").count(), 2, "{changes}");
    assert!(!changes.contains("table ip keepalived\n"), "{changes}");
    assert_eq!(daemon.logged("Entering MASTER STATE"), 1);
    // Another macvlan, and so another virtual router; then none.
    let renamed = now();
    daemon.reload(&with("10.9.0.102", "use_vmac front"));
    net.wait_master("a", renamed, START);
    eventually("the map has the new one alone", ALLOWANCE, || {
        let rules = rules(&a);
        rules.contains("elements = { \"front\" : \"eth0\" }") && rules.contains("10.9.0.102")
    });
    let bare = now();
    daemon.reload(&with("10.9.0.102", "accept"));
    net.wait_master("a", bare, START);
    assert_eq!(rules(&a), "");
    daemon.stop();
}

#[test]
fn a_child_that_is_killed_when_stopping_leaves_no_table() {
    if is_reference("it leaves everything") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &format!("child_wait_time 1\n{}", conf().text()));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    eventually("the address is guarded", ALLOWANCE, || rules(&a).contains(VIP));
    kill(Pid::from_raw(daemon.vrrp_child()), Signal::SIGSTOP).expect("the child runs");
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    assert_eq!(rules(&a), "");
    assert!(!a.holds("eth0", VIP));
}

/// The link-local address of an interface is at its own hardware address, although each macvlan on it has a copy.
#[test]
fn a_macvlan_does_not_advertise_the_address_of_its_base() {
    if is_reference("2.2.7 does not know of it") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = Instance { addresses: vec!["fe80::98/64".into()], ..Instance::default() };
    let daemon = Daemon::start(&a, US, &conf.priority(150).line("use_vmac vrrp.53").text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    let set = || a.shell("nft list set ip6 keepalived parent_link_local");
    let copy = |address: &str| format!("{address} . \"vrrp.53\"");
    assert!(set().contains(". \"vrrp.53\""), "{}", set());
    a.shell("ip addr add fe80::77/64 dev eth0");
    eventually("another address", ALLOWANCE, || set().contains(&copy("fe80::77")));
    assert!(!set().contains("fe80::98"), "the virtual one is its own");
    a.shell("ip addr del fe80::77/64 dev eth0");
    eventually("it is gone", ALLOWANCE, || !set().contains(&copy("fe80::77")));
    // Anybody may delete it by its name, and it is back.
    a.shell("nft delete table ip6 keepalived");
    eventually("the set is back", START, || set().contains(". \"vrrp.53\""));
    daemon.stop();
    assert_eq!(rules(&a), "");
}
