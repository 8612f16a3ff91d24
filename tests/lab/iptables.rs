//! `vrrp_iptables` and `vrrp_ipsets`: rules and sets in the kernel, and what they do to packets. The form of the rules is
//! the one that keepalived's authors show; Debian's keepalived has no iptables.

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
const NONE: &str = "it has no iptables";

fn conf() -> Instance {
    Instance::default()
        .priority(150)
        .line("no_accept")
        .line("virtual_ipaddress_excluded {\n fd00::100/64\n fe80::100/64\n }")
}

fn asking() -> Instance {
    conf().global("vrrp_iptables mine mine_out")
}

/// A node whose iptables works on the kernel's own tables, with chains that are called.
fn node(net: &Net) -> Node {
    let a = net.node("a", "eth0", &["10.9.0.1/24", "fd00::1/64"]);
    a.shell("ln -s /usr/sbin/xtables-legacy-multi /usr/local/bin/iptables");
    a.shell("ln -s /usr/sbin/xtables-legacy-multi /usr/local/bin/ip6tables");
    for program in ["iptables", "ip6tables"] {
        a.shell(&format!(
            "{program} -N mine; {program} -N mine_out; {program} -A INPUT -j mine; {program} -A OUTPUT -j mine_out; \
             {program} -A mine -p tcp --dport 9 -j DROP"
        ));
    }
    a
}

/// All rules but those that [`node`] made.
fn rules(node: &Node) -> String {
    let list =
        "(iptables -S; echo; ip6tables -S) | grep -e '^-A' -e '^$' | grep -v -e '-j mine' -e 'dport 9 '";
    node.shell(list)
}

/// Names of sets with their members.
fn sets(node: &Node) -> Vec<String> {
    let text = node.shell("ipset save");
    let added = text.lines().filter_map(|line| {
        let made = line.strip_prefix("create ").and_then(|rest| rest.split(' ').next());
        made.or_else(|| line.strip_prefix("add ")).map(str::to_owned)
    });
    let mut list: Vec<_> = added.collect();
    list.sort();
    list
}

fn start<'n>(net: &Net, a: &'n Node, conf: &str) -> Daemon<'n> {
    let daemon = Daemon::start(a, US, conf);
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    eventually("the address is there", START, || a.shell("ip -o addr").contains(VIP));
    daemon
}

fn pings(node: &Node, address: &str) -> bool {
    node.try_shell(&format!("ping -n -q -c 3 -i 0.2 -W 0.4 {address}")).status.success()
}

fn assert_nothing(node: &Node) {
    assert_eq!(rules(node), "\n");
    assert_eq!(sets(node), [""; 0]);
    assert_eq!(node.shell("nft list tables").lines().filter(|line| line.contains("keepalived")).count(), 0);
}

#[test]
fn rules_ask_sets_and_sets_follow_the_state() {
    if is_reference(NONE) {
        return;
    }
    let net = Net::new();
    let a = node(&net);
    let c = net.node("c", "eth0", &["10.9.0.9/24", "fd00::9/64"]);
    let daemon = start(&net, &a, &asking().text());
    assert_eq!(
        rules(&a),
        "-A mine -m set --match-set keepalived dst -j DROP\n\
         -A mine_out -m set --match-set keepalived src -j DROP\n\n\
         -A mine -p ipv6-icmp -m set --match-set keepalived_if6 dst,src -m icmp6 --icmpv6-type 135 -j ACCEPT\n\
         -A mine -p ipv6-icmp -m set --match-set keepalived_if6 dst,src -m icmp6 --icmpv6-type 136 -j ACCEPT\n\
         -A mine -m set --match-set keepalived_if6 dst,src -j DROP\n\
         -A mine -p ipv6-icmp -m set --match-set keepalived6 dst -m icmp6 --icmpv6-type 135 -j ACCEPT\n\
         -A mine -p ipv6-icmp -m set --match-set keepalived6 dst -m icmp6 --icmpv6-type 136 -j ACCEPT\n\
         -A mine -m set --match-set keepalived6 dst -j DROP\n\
         -A mine_out -p ipv6-icmp -m set --match-set keepalived_if6 src,dst -m icmp6 --icmpv6-type 135 -j ACCEPT\n\
         -A mine_out -p ipv6-icmp -m set --match-set keepalived_if6 src,dst -m icmp6 --icmpv6-type 136 -j ACCEPT\n\
         -A mine_out -m set --match-set keepalived_if6 src,dst -j DROP\n\
         -A mine_out -p ipv6-icmp -m set --match-set keepalived6 src -m icmp6 --icmpv6-type 135 -j ACCEPT\n\
         -A mine_out -p ipv6-icmp -m set --match-set keepalived6 src -m icmp6 --icmpv6-type 136 -j ACCEPT\n\
         -A mine_out -m set --match-set keepalived6 src -j DROP\n"
    );
    let whole = [
        "keepalived",
        "keepalived 10.9.0.100",
        "keepalived6",
        "keepalived6 fd00::100",
        "keepalived_if6",
        "keepalived_if6 fe80::100,eth0",
    ];
    assert_eq!(sets(&a), whole);
    for address in [VIP, "fd00::100", "fe80::100%eth0"] {
        assert!(!pings(&c, address), "{address}");
    }
    for address in ["10.9.0.1", "fd00::1"] {
        assert!(pings(&c, address), "{address}");
    }
    // They are found nevertheless.
    assert!(c.shell("ip neigh").contains("fd00::100 dev eth0 lladdr"));
    assert_eq!(daemon.stats().allocations(), 0);
    // Another becomes MASTER: the addresses leave the sets.
    let stronger = Instance { priority: 200, ..conf() };
    let other = Daemon::start(&c, US, &stronger.text());
    net.wait_master("c", other.since(), START + TIMING.master_down(200));
    let empty = ["keepalived", "keepalived6", "keepalived_if6"];
    eventually("the sets are empty", START, || sets(&a) == empty);
    other.stop();
    net.wait_master("a", now(), START + TIMING.master_down(150));
    eventually("the sets are full", START, || sets(&a) == whole);
    assert_eq!(daemon.stats().allocations(), 0);
    daemon.stop();
    assert_nothing(&a);
    assert!(a.shell("iptables -S").contains("-A mine -p tcp"));
}

#[test]
fn without_sets_there_are_rules_for_each_address() {
    if is_reference(NONE) {
        return;
    }
    let net = Net::new();
    let a = node(&net);
    let c = net.node("c", "eth0", &["10.9.0.9/24", "fd00::9/64"]);
    let daemon = start(&net, &a, &asking().global("vrrp_ipsets").text());
    assert_eq!(
        a.shell("iptables -S mine; iptables -S mine_out"),
        "-N mine\n-A mine -d 10.9.0.100/32 -j DROP\n-A mine -p tcp -m tcp --dport 9 -j DROP\n\
         -N mine_out\n-A mine_out -s 10.9.0.100/32 -j DROP\n"
    );
    let discovery = |chain: &str, what: &str| {
        let pass =
            |kind: &str| format!("-A {chain} {what} -p ipv6-icmp -m icmp6 --icmpv6-type {kind} -j ACCEPT\n");
        pass("135") + &pass("136") + &format!("-A {chain} {what} -j DROP\n")
    };
    assert_eq!(
        a.shell("ip6tables -S mine_out; ip6tables -S mine | grep -v dport"),
        "-N mine_out\n".to_owned()
            + &discovery("mine_out", "-s fe80::100/128 -o eth0")
            + &discovery("mine_out", "-s fd00::100/128")
            + "-N mine\n"
            + &discovery("mine", "-d fe80::100/128 -i eth0")
            + &discovery("mine", "-d fd00::100/128")
    );
    assert_eq!(sets(&a), [""; 0]);
    for address in [VIP, "fd00::100", "fe80::100%eth0"] {
        assert!(!pings(&c, address), "{address}");
    }
    assert!(pings(&c, "10.9.0.1") && pings(&c, "fd00::1"));
    // Somebody else changes rules all the time: it waits for its turn, and then has it.
    let holder = a.shell("(exec flock -o /run/xtables.lock sleep 60) >/dev/null 2>&1 & echo $!; sleep 0.2");
    daemon.reload(&asking().global("vrrp_ipsets").line("accept").text());
    // The tool would wait for the lock as well, and may get it later than the daemon.
    assert!(!pings(&c, VIP));
    a.shell(&format!("kill {}", holder.trim()));
    eventually("the rules are gone", START, || rules(&a) == "\n");
    assert!(pings(&c, VIP));
    daemon.stop();
    assert_nothing(&a);
}

#[test]
fn what_leaves_by_a_macvlan_is_silent() {
    if is_reference(NONE) {
        return;
    }
    let both = Instance {
        name: "VI_6",
        vrid: 53,
        priority: 150,
        addresses: vec!["fe80::98/64".into()],
        ..Instance::default()
    };
    let both = both.line("use_vmac").text();
    let both = both.split_once("}\n").expect("global_defs").1;
    let first = Instance::default().priority(150).line("use_vmac").global("vrrp_iptables mine mine_out");
    for (first, wanted) in [
        (
            first.clone(),
            "-A mine_out -p igmp -m set --match-set keepalived_igmp dst,dst -j DROP\n\n\
             -A mine_out -p ipv6-icmp -m set --match-set keepalived_mld dst,dst -m icmp6 --icmpv6-type 131 -j DROP\n\
             -A mine_out -p ipv6-icmp -m set --match-set keepalived_mld dst,dst -m icmp6 --icmpv6-type 132 -j DROP\n\
             -A mine_out -p ipv6-icmp -m set --match-set keepalived_mld dst,dst -m icmp6 --icmpv6-type 143 -j DROP\n\
             -A mine_out -p ipv6-icmp -m set --match-set keepalived_nd dst,dst -m icmp6 --icmpv6-type 133 -j DROP\n",
        ),
        (
            first.global("vrrp_ipsets"),
            "-A mine_out -o vrrp.51 -p igmp -j DROP\n\n\
             -A mine_out -o VMAC -p ipv6-icmp -m icmp6 --icmpv6-type 131 -j DROP\n\
             -A mine_out -o VMAC -p ipv6-icmp -m icmp6 --icmpv6-type 132 -j DROP\n\
             -A mine_out -o VMAC -p ipv6-icmp -m icmp6 --icmpv6-type 143 -j DROP\n\
             -A mine_out -o VMAC -p ipv6-icmp -m icmp6 --icmpv6-type 133 -j DROP\n",
        ),
    ] {
        let net = Net::new();
        let a = node(&net);
        let daemon = start(&net, &a, &(first.text() + both));
        let links = a.shell("ip -o link");
        let macvlan = if links.contains("vrrp6.53@") { "vrrp6.53" } else { "vrrp.53" };
        assert_eq!(rules(&a), wanted.replace("VMAC", macvlan));
        a.shell(&format!("ip link del vrrp.51; ip link del {macvlan}"));
        net.wait_master("a", now(), START);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(rules(&a), wanted.replace("VMAC", macvlan));
        for frame in net.frames("a") {
            let igmp = frame.get(12..14) == Some(&[8, 0]) && frame.get(23) == Some(&2);
            let mld = frame.get(12..14) == Some(&[0x86, 0xdd])
                && frame.get(20) == Some(&0)
                && frame.get(54) == Some(&58)
                && frame.get(62).is_some_and(|kind| [131, 132, 143].contains(kind));
            if igmp || mld {
                assert_ne!(frame.get(6..10), Some(&[0, 0, 0x5e, 0][..]), "{frame:02x?}");
            }
        }
        daemon.stop();
        assert_nothing(&a);
    }
}

#[test]
fn a_power_cut_leaves_rules_that_the_next_start_takes_over_or_away() {
    if is_reference(NONE) {
        return;
    }
    for line in ["vrrp_ipsets", "vrrp_ipsets keepalived", "vrrp_ipsets own"] {
        let net = Net::new();
        let a = node(&net);
        let asking = asking().global(line);
        let daemon = start(&net, &a, &asking.text());
        let whole = (rules(&a), sets(&a));
        assert!(whole.0.lines().count() > 10 && whole.0.contains("-j DROP"));
        daemon.kill();
        assert_eq!((rules(&a), sets(&a)), whole);
        let daemon = start(&net, &a, &asking.text());
        assert_eq!((rules(&a), sets(&a)), whole);
        daemon.kill();
        // Other chains and other sets.
        let other = conf().global("vrrp_iptables INPUT OUTPUT").global("vrrp_ipsets other").text();
        let daemon = start(&net, &a, &other);
        assert!(
            !rules(&a).contains("-A mine") && rules(&a).contains("-A INPUT -m set --match-set other dst")
        );
        assert_eq!(sets(&a).len(), 6);
        assert!(sets(&a).contains(&"other 10.9.0.100".to_owned()));
        daemon.kill();
        // nftables does it then.
        let daemon = start(&net, &a, &conf().text());
        assert_eq!((rules(&a).as_str(), sets(&a).len()), ("\n", 0));
        assert!(a.shell("nft list tables").contains("table ip keepalived"));
        daemon.kill();
        let daemon = start(&net, &a, &asking.text());
        assert_eq!((rules(&a), sets(&a)), whole);
        assert!(!a.shell("nft list tables").contains("table ip keepalived"));
        daemon.kill();
        // Nothing is wanted any more.
        let daemon = start(&net, &a, &Instance::default().priority(150).text());
        assert_nothing(&a);
        daemon.stop();
    }
}

#[test]
fn no_packet_slips_through_a_reload_or_a_crash() {
    if is_reference(NONE) {
        return;
    }
    let net = Net::new();
    let a = node(&net);
    let c = net.node("c", "eth0", &["10.9.0.9/24"]);
    c.shell("ip neigh add 10.9.0.100 lladdr 02:00:00:00:00:01 dev eth0");
    let line = format!("ping -n -q -i 0.002 -W 0.1 {VIP}");
    let flood = c.shell(&format!("exec {line} >/run/flood 2>&1 & echo $!"));
    let daemon = start(&net, &a, &asking().text());
    for conf in [
        asking().line("promote_secondaries"),
        asking().line("virtual_ipaddress_excluded {\n 10.9.0.101/24\n }"),
        asking().global("vrrp_ipsets other"),
        asking().global("vrrp_ipsets"),
        conf().global("vrrp_iptables INPUT OUTPUT"),
        conf().global("vrrp_iptables mine"),
        conf(),
        conf().global("vrrp_iptables mine").global("vrrp_ipsets"),
        conf().global("vrrp_iptables mine").global("nftables"),
        asking(),
    ] {
        daemon.reload(&conf.text());
    }
    assert_eq!(daemon.logged("Entering MASTER STATE"), 1);
    let whole = (rules(&a), sets(&a));
    assert_eq!(whole.1.len(), 6);
    assert!(!a.shell("nft list tables").contains("table ip keepalived"));
    let child = daemon.vrrp_child();
    kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
    eventually("the child is gone", ALLOWANCE, || !is_alive(child));
    net.wait_master("a", now(), START);
    eventually("the address is there", ALLOWANCE, || a.holds("eth0", VIP));
    assert_eq!((rules(&a), sets(&a)), whole);
    daemon.stop();
    c.shell(&format!("kill -INT {flood}"));
    eventually("ping ends", START, || c.read("/run/flood").contains("received"));
    let told = c.read("/run/flood");
    assert!(told.contains(" 0 received"), "{told}");
    assert_nothing(&a);
}

#[test]
fn what_somebody_flushes_is_put_back() {
    if is_reference(NONE) {
        return;
    }
    for line in ["vrrp_ipsets keepalived", "vrrp_ipsets"] {
        let net = Net::new();
        let a = node(&net);
        let daemon = start(&net, &a, &asking().global(line).text());
        let whole = (rules(&a), sets(&a));
        assert!(whole.0.contains("-j DROP"));
        // Rules of others are nobody's business.
        a.shell("iptables -A INPUT -s 10.7.7.7 -j DROP; sleep 3; iptables -D INPUT -s 10.7.7.7 -j DROP");
        let told = "removed by somebody else";
        assert_eq!(daemon.logged(told), 0);
        a.shell("iptables -F mine; ip6tables -F mine_out");
        eventually("they are back", START, || (rules(&a), sets(&a)) == whole);
        // Most often both families at once; told when it is done.
        daemon.wait_log(told, ALLOWANCE);
        assert!(daemon.logged(told) <= 2);
        assert_eq!(daemon.logged("Entering MASTER STATE"), 1);
        daemon.stop();
        assert_nothing(&a);
    }
}

/// A child that dies young twice is away for a while: what it left is taken away meanwhile, even if another program has
/// the lock of all that change rules.
#[test]
fn rules_of_a_child_that_is_away_for_a_while_are_taken_away() {
    if is_reference(NONE) {
        return;
    }
    for locked in [false, true] {
        let net = Net::new();
        let a = node(&net);
        let daemon = start(&net, &a, &asking().text());
        let whole = (rules(&a), sets(&a));
        for _ in 0..2 {
            let child = daemon.vrrp_child();
            kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
            eventually("the child is gone", ALLOWANCE, || !is_alive(child));
        }
        let lock =
            locked.then(|| a.shell("exec flock /run/xtables.lock sleep 0.5 >/dev/null 2>&1 & echo $!"));
        daemon.wait_log("to limit respawn rate", Duration::from_secs(2));
        eventually("nothing is there", Duration::from_secs(2), || {
            rules(&a) == "\n" && sets(&a).is_empty() && !a.shell("ip -o addr").contains(VIP)
        });
        assert!(a.shell("iptables -S").contains("-A mine -p tcp"));
        let log = daemon.log();
        let back = log.rsplit_once("to limit respawn rate").map_or("", |(_, after)| after);
        assert!(!back.contains("Starting VRRP child"), "{log}");
        net.wait_master("a", now(), Duration::from_secs(3) + START + TIMING.master_down(150));
        eventually("all is there", START, || (rules(&a), sets(&a)) == whole);
        drop(lock);
        daemon.stop();
        assert_nothing(&a);
    }
}

#[test]
fn what_is_missing_is_told_with_its_remedy() {
    if is_reference(NONE) {
        return;
    }
    let net = Net::new();
    let a = node(&net);
    // A chain comes later, and a set of another kind is in the way.
    a.shell("ipset create keepalived bitmap:port range 1-2");
    let daemon = start(&net, &a, &conf().global("vrrp_iptables late").text());
    daemon.wait_log("iptables chain late doesn't exist", ALLOWANCE);
    daemon.wait_log("ip6tables chain late doesn't exist", ALLOWANCE);
    daemon.wait_log("ipset keepalived: there is one of another kind", ALLOWANCE);
    a.shell("iptables -N late; ip6tables -N late");
    daemon.wait_log("iptables: the rules are in place", START);
    assert!(rules(&a).contains("-A late -d 10.9.0.100/32 -j DROP"));
    assert_eq!(daemon.logged("chain late doesn't exist"), 2, "once for each");
    // Somebody's rule asks a set of ours: it stays his, and the set with it.
    a.shell("ipset destroy keepalived");
    daemon.reload(&conf().global("vrrp_iptables late").text());
    assert!(rules(&a).contains("-A late -m set --match-set keepalived dst -j DROP"));
    a.shell("ipset create list list:set; ipset add list keepalived");
    daemon.stop();
    assert_eq!(
        (rules(&a).as_str(), sets(&a)),
        ("\n", vec!["keepalived".into(), "list".into(), "list keepalived".into()])
    );
    // The other iptables of this machine, and none at all.
    let why = "iptables not supported, using nftables instead";
    for (command, rest) in [
        ("ln -sf /usr/sbin/xtables-nft-multi /usr/local/bin/iptables", "iptables makes rules of nftables"),
        ("mount -t tmpfs lab /usr/sbin; rm /usr/local/bin/iptables", "there is no program iptables"),
    ] {
        a.shell(command);
        let daemon = start(&net, &a, &asking().text());
        assert!(
            daemon.log().lines().any(|line| line.contains(why) && line.contains(rest)),
            "{}",
            daemon.log()
        );
        let test = a.try_shell("/run/lab/keepalived -t");
        let said =
            String::from_utf8_lossy(&test.stderr).into_owned() + &String::from_utf8_lossy(&test.stdout);
        assert!(said.contains(why) && said.contains(rest), "{said}");
        daemon.stop();
    }
}
