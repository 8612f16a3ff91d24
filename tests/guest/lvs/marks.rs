//! Groups by marks that nftables gives to packets (`nftables_ipvs`): rules, table, traffic.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::stage::Stage;
use super::stub::Speaks;
use crate::kit::bounds::{eventually, holds_within};
use crate::kit::node::{children, is_alive};

const A_WHILE: Duration = Duration::from_secs(3);
const SETTLED: Duration = Duration::from_secs(30);

/// Four groups: TCP with a range, UDP of both families in tunnels, a single address, and one that has a mark of its own,
/// which is left as it is.
const GROUPS: &str = "
virtual_server_group WEB {
    10.9.0.100-102 80
    10.9.0.105 8080
}
virtual_server_group NAMES {
    10.9.0.100-102 53
    fd09::1 53
}
virtual_server_group ONE {
    10.9.0.103 80
}
virtual_server_group MIXED {
    10.9.0.104 80
    fwmark 9
}
";

/// The services of groups; `more`: lines about the first one's servers.
fn conf(global: &str, groups: &str, more: &str) -> String {
    let service = |group: &str, protocol: &str, method: &str, servers: &str| {
        format!(
            "virtual_server group {group} {{\n lvs_sched rr\n lvs_method {method}\n protocol {protocol}\n \
             {servers}\n}}\n"
        )
    };
    format!("global_defs {{\n nftables_ipvs {global}\n}}\n{groups}")
        + &service("WEB", "TCP", "NAT", &format!("real_server 10.9.0.11 80 {{\n }}\n {more}"))
        + &service("NAMES", "UDP", "TUN", "real_server 10.9.0.12 53 {\n }\n")
        + &service("ONE", "TCP", "DR", "real_server 10.9.0.11 80 {\n }\n")
        + &service("MIXED", "TCP", "DR", "real_server 10.9.0.11 80 {\n }\n")
}

const TWO: &str = "real_server 10.9.0.12 80 {\n }\n";

const TABLE: &[&str] = &[
    "-A -f 1000 -s rr",
    "-a -f 1000 -r 10.9.0.11:80 -m -w 1",
    "-a -f 1000 -r 10.9.0.12:80 -m -w 1",
    "-A -f 1001 -s rr",
    "-a -f 1001 -r 10.9.0.12:0 -i -w 1 --tun-type ipip",
    "-A -f 1001 -6 -s rr",
    "-a -f 1001 -6 -r 10.9.0.12:0 -i -w 1 --tun-type ipip",
    "-A -f 1002 -s rr",
    "-a -f 1002 -r 10.9.0.11:0 -g -w 1",
    "-A -t 10.9.0.104:80 -s rr",
    "-a -t 10.9.0.104:80 -r 10.9.0.11:80 -g -w 1",
    "-A -f 9 -s rr",
    "-a -f 9 -r 10.9.0.11:0 -g -w 1",
];

const RULES: &str = "table ip keepalived_ipvs {
map tcp_map {
type ipv4_addr . inet_service : mark
flags interval
elements = { 10.9.0.100-10.9.0.102 . 80 : 0x000003e8,
10.9.0.105 . 8080 : 0x000003e8,
10.9.0.103 . 80 : 0x000003ea }
}

map udp_map {
type ipv4_addr . inet_service : mark
flags interval
elements = { 10.9.0.100-10.9.0.102 . 53 : 0x000003e9 }
}

chain in {
type filter hook input priority filter - 1; policy accept;
meta mark set ip daddr . tcp dport map @tcp_map return
meta mark set ip daddr . udp dport map @udp_map return
}
}
table ip6 keepalived_ipvs {
map udp_map {
type ipv6_addr . inet_service : mark
flags interval
elements = { fd09::1 . 53 : 0x000003e9 }
}

chain in {
type filter hook input priority filter - 1; policy accept;
meta mark set ip6 daddr . udp dport map @udp_map return
}
}
";

/// What nft lists, without its indentation.
fn rules(stage: &Stage) -> String {
    let listed = stage.director.shell("nft list ruleset");
    listed.lines().map(|line| format!("{}\n", line.trim())).collect()
}

fn expect_rules(stage: &Stage, step: &str, wanted: &str) {
    let mut seen = String::new();
    let right = holds_within(SETTLED, || {
        seen = rules(stage);
        seen == wanted
    });
    assert!(right, "{step}:\n{seen}\nwanted:\n{wanted}");
}

/// Groups have a mark each, which nftables gives to their packets; a reload changes what it must.
pub(crate) fn groups(stage: &Stage) {
    let _two = ["10.9.0.11:80", "10.9.0.12:80"].map(|at| stage.stub(at, Speaks::Http(200)));
    let daemon = stage.start(&conf("", GROUPS, TWO));
    stage.expect("start", TABLE);
    expect_rules(stage, "start", RULES);
    for at in ["10.9.0.100:80", "10.9.0.102:80", "10.9.0.105:8080"] {
        stage.answers(at, &["10.9.0.11", "10.9.0.12"]);
    }
    // Other addresses, and a group more, whose mark was not another one's before.
    let groups = GROUPS.replace("100-102 80", "100-101 80").replace("ONE {", "NEW {");
    let next = conf("", &groups, "").replace("group ONE", "group NEW");
    stage.reload(&daemon, &next);
    let new = |line: &&str| line.replace(" 1002 ", " 1003 ");
    let lines: Vec<_> = TABLE.iter().filter(|line| !line.contains("12:80")).map(new).collect();
    stage.expect("reload", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let listed = rules(stage);
    for wanted in ["10.9.0.100/31 . 80 : 0x000003e8", "10.9.0.103 . 80 : 0x000003eb"] {
        assert!(listed.contains(wanted), "{wanted}: {listed}");
    }
    stage.answers("10.9.0.100:80", &["10.9.0.11"]);
    daemon.stop();
    stage.expect("stop", &[]);
    expect_rules(stage, "stop", "");
}

/// The name, the priority, the first mark and counters.
pub(crate) fn styles(stage: &Stage) {
    let global = "mine\n nftables_ipvs_priority 12\n nftables_ipvs_start_fwmark 500\n nftables_counters";
    let daemon = stage.start(&conf(global, GROUPS, TWO));
    let table =
        |line: &&str| line.replace(" 1000 ", " 500 ").replace(" 1001 ", " 501 ").replace(" 1002 ", " 502 ");
    let lines: Vec<_> = TABLE.iter().map(table).collect();
    stage.expect("start", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let counter = " counter packets 0 bytes 0";
    let wanted = RULES
        .replace("keepalived_ipvs", "mine")
        .replace("filter - 1", "12")
        .replace("flags interval\n", "flags interval\ncounter\n")
        .replace(" : 0x", &format!("{counter} : 0x"))
        .replace(" return", &format!("{counter} return"))
        .replace("0x000003e8", "0x000001f4")
        .replace("0x000003e9", "0x000001f5")
        .replace("0x000003ea", "0x000001f6");
    expect_rules(stage, "start", &wanted);
    daemon.stop();
    expect_rules(stage, "stop", "");
}

/// Where keepalived leaves traffic without a server and this program does not: rules that somebody deleted come back,
/// every port of an address is marked, a successor of a killed child goes on with the marks of before, and what a killed
/// daemon left goes.
pub(crate) fn kept(stage: &Stage) {
    let _two = ["10.9.0.11:80", "10.9.0.12:80"].map(|at| stage.stub(at, Speaks::Http(200)));
    let without = GROUPS.replace("ONE {", "OLD {");
    let daemon = stage.start(&conf("", &without, TWO).replace("group ONE", "group OLD"));
    stage.expect("start", TABLE);
    // From now on there is a mark that a fresh start would not give.
    stage.reload(&daemon, &conf("", GROUPS, TWO));
    let kept: Vec<_> = TABLE.iter().map(|line| line.replace(" 1002 ", " 1003 ")).collect();
    let kept: Vec<_> = kept.iter().map(String::as_str).collect();
    stage.expect("reload", &kept);
    let with = RULES.replace("0x000003ea", "0x000003eb");
    expect_rules(stage, "reload", &with);
    stage.director.shell("nft delete table ip keepalived_ipvs");
    expect_rules(stage, "put back", &with);
    eventually("that is told", SETTLED, || daemon.logged("was changed by somebody else") == 1);
    let child = || children(daemon.first()).into_iter().find(|pid| is_alive(*pid));
    let first = child().expect("the checkers run");
    kill(Pid::from_raw(first), Signal::SIGKILL).expect("root");
    stage.steady("the child is killed", A_WHILE, &kept);
    eventually("another one runs", SETTLED, || child().is_some_and(|pid| pid != first));
    stage.steady("another one runs", A_WHILE, &kept);
    stage.director.shell("nft delete table ip6 keepalived_ipvs");
    expect_rules(stage, "put back by the successor", &with);
    daemon.kill();
    let every_port = "virtual_server_group WEB {\n 10.9.0.100 0\n}\n";
    let wild = "virtual_server group WEB {\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n persistence_timeout 50\n \
                real_server 10.9.0.11 {\n }\n}\n";
    let daemon = stage.start(&format!("global_defs {{\n nftables_ipvs other\n}}\n{every_port}{wild}"));
    stage.expect("another start", &["-A -f 1000 -s rr -p 50", "-a -f 1000 -r 10.9.0.11:0 -m -w 1"]);
    stage.answers("10.9.0.100:80", &["10.9.0.11"]);
    let listed = rules(stage);
    assert!(listed.contains("10.9.0.100 . 0-65535 : 0x000003e8"), "{listed}");
    assert!(!listed.contains("keepalived_ipvs"), "{listed}");
    daemon.stop();
    expect_rules(stage, "stop", "");
}
