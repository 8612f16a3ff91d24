//! SNMP: what net-snmp's agent tells of our objects is what it tells of Debian's keepalived with the same configuration,
//! notifications arrive, and an agent that is killed, hung or away is felt by nobody.

use std::process::Child;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::agent::{Agent, TREES, ask, object, walk};
use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF as CONF_FILE, Daemon, Program, is_reference};
use crate::kit::net::{Net, spacings};
use crate::kit::node::{Node, UNDER_TEST, USER_OF_CHILDREN};

/// An agent that was away is reached again within this time: it is tried after 1, 2, 4 ... seconds.
const AGAIN: Duration = Duration::from_secs(20);

/// The receiver of notifications in a node; killed when dropped.
struct Traps(Child);

impl Traps {
    fn start(node: &Node) -> Self {
        node.write("/run/lab/trapd.conf", "disableAuthorization yes\n");
        let mut command = node.command("snmptrapd");
        command.args(["-f", "-Lf", "/run/lab/traps", "-On", "-m", "", "-C", "-c", "/run/lab/trapd.conf"]);
        let this = Self(
            command
                .args(["-p", "/run/lab/trapd.pid", "udp:127.0.0.1:1162"])
                .spawn()
                .expect("snmptrapd is there"),
        );
        eventually("snmptrapd has begun", START, || {
            node.exists("/run/lab/traps") && node.read("/run/lab/traps").contains("NET-SNMP version")
        });
        this
    }

    /// What came: the identity of each notification with its values, the oldest first.
    fn heard(node: &Node) -> Vec<String> {
        let text = node.read("/run/lab/traps");
        let lines = text.lines().filter_map(|line| line.split_once(".1.3.6.1.6.3.1.1.4.1.0 = OID: "));
        lines.map(|(_, rest)| rest.trim().to_owned()).collect()
    }
}

impl Drop for Traps {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const STATE: &str = ".1.3.6.1.4.1.9586.100.5.2.3.1.4.1";

/// Where our value is another one than that of keepalived 2.2.7, and why.
const DIFFERENT: &[(&str, &str)] = &[
    (".1.3.6.1.4.1.9586.100.5.1.1.0", "the version"),
    (".1.3.6.1.4.1.9586.100.5.1.12.", "newer than 2.2.7"),
    (".1.3.6.1.4.1.9586.100.5.2.3.1.27.", "2.2.7 answers 0, which the MIB does not have, for version 2"),
    (".1.3.6.1.4.1.9586.100.5.2.3.1.36.", "newer than 2.2.7"),
    (".1.3.6.1.4.1.9586.100.5.2.4.1.", "2.2.7 numbers the interfaces, the MIB has ifIndex"),
    (".1.3.6.1.4.1.9586.100.5.2.6.1.11.", "2.2.7 says so of the first instance only"),
    (".1.3.6.1.4.1.9586.100.5.2.9.1.10.", "newer than 2.2.7"),
    (".1.3.6.1.4.1.9586.100.5.2.9.1.11.", "newer than 2.2.7"),
    (".1.3.6.1.4.1.9586.100.5.2.9.1.12.", "newer than 2.2.7"),
    (".1.3.6.1.2.1.68.1.3.1.7.", "2.2.7 says 0.0.0.0 of a MASTER of version 2"),
    (".1.3.6.1.2.1.68.1.3.1.13.", "a time"),
    (".1.3.6.1.2.1.207.1.1.1.1.12.", "a time"),
];

/// Every object has the type that its MIB says, and a name there.
fn agrees_with_mibs(node: &Node) {
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["rootfs/snmp/usr/share/snmp/mibs", "tests/rootfs/mibs"] {
        for file in std::fs::read_dir(repository.join(folder)).expect("it is there") {
            let file = file.expect("it can be read").path();
            let name = file.file_name().expect("a file").to_string_lossy().into_owned();
            node.write(&format!("/run/lab/mibs/{name}"), &std::fs::read_to_string(&file).expect("text"));
        }
    }
    for tree in TREES {
        let walk = "snmpwalk -M /run/lab/mibs -m KEEPALIVED-MIB:VRRP-MIB:VRRPV3-MIB -v2c -c public -t 5";
        let text = ask(node, &format!("{walk} 127.0.0.1:1161 {tree} 2>&1")).expect("the agent answers");
        for line in text.lines().filter(|line| line.contains(" = ")) {
            let known = ["KEEPALIVED-MIB::", "VRRP-MIB::", "VRRPV3-MIB::"];
            let begins = known.iter().any(|module| line.starts_with(module));
            assert!(begins && !line.contains("Wrong Type"), "{line}");
        }
    }
}

const CONF: &str = "\
global_defs {
 router_id lab
 notification_email {
  root@localhost
 }
 notification_email_from ka@localhost
 smtp_server 127.0.0.1
 enable_snmp_vrrp
 enable_snmp_rfc
 enable_traps
 snmp_socket unix:/run/agentx
}
vrrp_script true {
 script \"/bin/true\"
 interval 1
 weight 5
 rise 2
 fall 3
}
vrrp_sync_group G1 {
 group {
  VI_1
  VI_2
 }
 notify_master \"/bin/echo master\"
}
vrrp_instance VI_1 {
 interface eth0
 virtual_router_id 51
 priority 150
 advert_int 1
 authentication {
  auth_type PASS
  auth_pass secret
 }
 virtual_ipaddress {
  10.9.0.100/24 dev eth0 label eth0:1
  10.9.0.101/24 brd 10.9.0.255
 }
 virtual_ipaddress_excluded {
  10.9.0.102/24
 }
 virtual_routes {
  10.88.0.0/16 via 10.9.0.2 metric 10
  10.89.0.0/16 via 10.9.0.2 or 10.9.0.3
  10.90.0.0/16 nexthop via 10.9.0.2 weight 2 nexthop via 10.9.0.3 weight 1
 }
 virtual_rules {
  from 10.9.0.0/24 table 100 priority 1000
 }
 notify_master \"/bin/echo one\"
 notify_backup /bin/true
 notify_stop \"/bin/echo 'of two words'\"
}
vrrp_instance VI_2 {
 interface eth0
 virtual_router_id 52
 version 3
 priority 200
 advert_int 0.5
 virtual_ipaddress {
  fd09::100/64
 }
}
vrrp_instance VI_3 {
 interface eth0
 virtual_router_id 53
 version 3
 priority 90
 preempt_delay 10
 accept
 track_script {
  true
 }
 virtual_ipaddress {
  10.9.0.200/24
 }
}
";

#[test]
fn objects_types_and_values_are_those_of_debians_keepalived() {
    if is_reference("it is what ours is compared with") {
        return;
    }
    let net = Net::without_referee();
    let node = net.node("a", "eth0", &["10.9.0.1/24"]);
    let _agent = Agent::start(&node);
    let walked = |program| {
        let daemon = Daemon::start(&node, program, CONF);
        let masters = || {
            (1..=3).all(|number| {
                let name = format!(".1.3.6.1.4.1.9586.100.5.2.3.1.4.{number}");
                object(&node, &name).is_some_and(|state| state == "2")
            })
        };
        eventually("all instances are MASTER", AGAIN, masters);
        // The script has succeeded twice.
        eventually("the script counts", AGAIN, || {
            object(&node, ".1.3.6.1.4.1.9586.100.5.2.3.1.8.3").is_some_and(|priority| priority == "95")
        });
        let all = walk(&node);
        if program == Program::UnderTest {
            agrees_with_mibs(&node);
        }
        daemon.stop();
        all
    };
    let theirs = walked(Program::Reference);
    let ours = walked(Program::UnderTest);
    let expected = |name: &str| DIFFERENT.iter().any(|(prefix, _)| name.starts_with(prefix));
    let names: std::collections::BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let mut differences = Vec::new();
    for name in names.into_iter().filter(|name| !expected(name)) {
        if theirs.get(name) != ours.get(name) {
            differences.push(format!("{name}: {:?}, ours {:?}", theirs.get(name), ours.get(name)));
        }
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
    assert!(ours.len() > 200, "{} objects", ours.len());
}

/// Which values virtual servers have is compared in the guest, whose kernel has ip_vs.
#[test]
fn objects_of_virtual_servers_have_the_types_of_the_mib() {
    if is_reference("it ends where the kernel has no ip_vs") {
        return;
    }
    let net = Net::without_referee();
    let node = net.node("a", "eth0", &["10.9.0.1/24"]);
    let _agent = Agent::start(&node);
    let _daemon = Daemon::start(&node, Program::UnderTest, include_str!("../guest/lvs/objects.conf"));
    let scheduler = ".1.3.6.1.4.1.9586.100.5.3.3.1.9.1";
    eventually("virtual servers are told", AGAIN, || {
        object(&node, scheduler).is_some_and(|number| number == "2")
    });
    agrees_with_mibs(&node);
}

#[test]
fn an_agent_that_is_killed_hung_or_started_again_holds_up_no_advert() {
    if is_reference("it is known to be held up") {
        return;
    }
    let net = Net::new();
    let node = net.node("a", "eth0", &["10.9.0.1/24"]);
    let instance = Instance::default()
        .global("enable_snmp_vrrp")
        .global("enable_snmp_rfc")
        .global("enable_traps")
        .global("snmp_socket unix:/run/agentx");
    let daemon = Daemon::start(&node, Program::UnderTest, &instance.text());
    let timing = Timing::v3(10);
    net.wait_master("a", daemon.since(), START + timing.master_down(100));
    assert_eq!(object(&node, STATE), None, "there is no agent yet");
    let agent = Agent::start(&node);
    let is_master = || object(&node, STATE).is_some_and(|state| state == "2");
    let begin = now();
    eventually("the agent is reached once it is there", AGAIN, is_master);
    // It hangs: what it was sent is not read, and the next session cannot be opened.
    Agent::signal(&node, Signal::SIGSTOP);
    std::thread::sleep(Duration::from_secs(4));
    Agent::signal(&node, Signal::SIGCONT);
    eventually("it goes on where it stopped", AGAIN, is_master);
    drop(agent);
    Agent::signal(&node, Signal::SIGKILL);
    std::thread::sleep(Duration::from_secs(2));
    let _agent = Agent::start(&node);
    eventually("one that was started again is reached", AGAIN, is_master);
    // The subagent itself dies.
    let subagents = || {
        let is_one = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok();
        daemon.processes().into_iter().filter(is_one).collect::<Vec<_>>()
    };
    let last = *subagents().last().expect("it runs");
    assert_ne!(last, daemon.vrrp_child());
    let status = std::fs::read_to_string(format!("/proc/{last}/status")).expect("it runs");
    let of_its_own = format!("Uid:\t{USER_OF_CHILDREN}\t{USER_OF_CHILDREN}\t");
    // CAP_DAC_OVERRIDE: the socket of the agent may be root's.
    assert!(status.contains("CapEff:\t0000000000000002") && status.contains(&of_its_own), "{status}");
    kill(Pid::from_raw(last), Signal::SIGKILL).expect("it is there");
    eventually("another one is there", START, || subagents().last().is_some_and(|pid| *pid != last));
    eventually("and is reached", AGAIN, is_master);
    let late = spacings(&net.adverts(begin, "a")).into_iter().max().expect("there were adverts");
    assert!(late < timing.interval + ALLOWANCE, "an advert came {late:?} after the one before");
    assert!(daemon.log().contains("AgentX subagent connected"), "{}", daemon.log());
}

#[test]
fn a_reload_switches_it_on_and_off_and_what_is_asked_for_in_bulk_is_the_same() {
    if is_reference("a reload that switches it on once more is refused") {
        return;
    }
    let net = Net::new();
    let node = net.node("a", "eth0", &["10.9.0.1/24"]);
    let _agent = Agent::start(&node);
    let off = Instance::default().global("snmp_socket unix:/run/agentx").text();
    let on = off.replacen("global_defs {", "global_defs {\n enable_snmp_vrrp\n enable_snmp_rfc\n", 1);
    let daemon = Daemon::start(&node, Program::UnderTest, &off);
    let timing = Timing::v3(10);
    net.wait_master("a", daemon.since(), START + timing.master_down(100));
    let begin = now();
    // Of an object that nobody has the agent says so.
    let state = || object(&node, STATE).unwrap_or_default();
    for _ in 0..2 {
        assert!(state().contains("No Such"), "{}", state());
        let before = daemon.processes().len();
        node.write(CONF_FILE, &on);
        daemon.signal(Signal::SIGHUP);
        eventually("it is on", AGAIN, || state() == "2");
        assert_eq!(daemon.processes().len(), before + 1);
        let bulk = "snmpbulkwalk -m '' -v2c -c public -On -Cr50 -t 5 127.0.0.1:1161";
        let one = "snmpwalk -m '' -v2c -c public -On -t 5 127.0.0.1:1161";
        let tree = ".1.3.6.1.4.1.9586.100.5";
        let walked = ask(&node, &format!("{one} {tree}")).expect("it answers");
        assert_eq!(ask(&node, &format!("{bulk} {tree}")).expect("it answers"), walked);
        assert!(walked.lines().count() > 50, "{walked}");
        node.write(CONF_FILE, &off);
        daemon.signal(Signal::SIGHUP);
        eventually("it is off", AGAIN, || daemon.processes().len() == before && state().contains("No Such"));
    }
    let late = spacings(&net.adverts(begin, "a")).into_iter().max().expect("there were adverts");
    assert!(late < timing.interval + ALLOWANCE, "an advert came {late:?} after the one before");
}

#[test]
fn transitions_are_notified() {
    let net = Net::new();
    let node = net.node("a", "eth0", &["10.9.0.1/24"]);
    let _agent = Agent::start(&node);
    let _traps = Traps::start(&node);
    let instance = Instance::default()
        .global("router_id lab")
        .global("enable_snmp_vrrp")
        .global("enable_snmp_rfc")
        .global("enable_traps")
        .global("snmp_socket unix:/run/agentx");
    let _daemon = Daemon::start(&node, Program::UnderTest, &instance.text());
    let heard = |trap: &str, values: &[&str]| {
        eventually(trap, AGAIN, || {
            node.read("/run/lab/traps").lines().any(|line| {
                line.contains(&format!("OID: {trap}\t")) && values.iter().all(|value| line.contains(value))
            })
        });
    };
    let named = ".1.3.6.1.4.1.9586.100.5.2.3.1.2 = STRING: \"VI_1\"";
    let changed = ".1.3.6.1.4.1.9586.100.5.2.10.0.2";
    let router = ".1.3.6.1.4.1.9586.100.5.1.2.0 = STRING: \"lab\"";
    heard(changed, &[named, ".1.3.6.1.4.1.9586.100.5.2.3.1.4 = INTEGER: 1", router]);
    heard(changed, &[named, ".1.3.6.1.4.1.9586.100.5.2.3.1.4 = INTEGER: 2", router]);
    heard(".1.3.6.1.2.1.207.0.1", &["= Hex-STRING: 0A 09 00 01"]);
    node.shell("ip link set eth0 down");
    heard(changed, &[named, ".1.3.6.1.4.1.9586.100.5.2.3.1.4 = INTEGER: 3", router]);
}

/// Sets an object: what snmpset says, without what is about the run alone.
fn set(node: &Node, name: &str, kind: &str, value: &str) -> String {
    let words =
        format!("snmpset -m '' -v2c -c private -On -t 5 -r 1 127.0.0.1:1161 {name} {kind} '{value}' 2>&1");
    let output = node.try_shell(&words);
    String::from_utf8_lossy(&output.stdout).lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

/// Below `vrrpInstanceTable`.
const INSTANCE: &str = ".1.3.6.1.4.1.9586.100.5.2.3.1";

/// What is set on both, one after the other. A priority of -1, which 2.2.7 takes, is not among it.
const SETS: &[(&str, &str, &str)] = &[
    ("7.1", "i", "120"),
    ("7.1", "i", "0"),
    ("7.1", "i", "255"),
    ("7.1", "i", "256"),
    ("7.1", "u", "120"),
    ("7.1", "s", "120"),
    ("7.9", "i", "120"),
    ("13.1", "i", "2"),
    ("13.1", "i", "1"),
    ("13.1", "i", "0"),
    ("13.1", "i", "3"),
    ("13.1", "u", "1"),
    ("13.9", "i", "1"),
    ("8.1", "i", "1"),
    ("2.1", "s", "x"),
    ("27.1", "i", "1"),
    ("28.1", "i", "1"),
    ("29.1", "i", "1"),
    ("33.1", "i", "1"),
    ("4.1", "i", "1"),
];

#[test]
fn what_is_set_is_what_debians_keepalived_lets_be_set() {
    if is_reference("it is what ours is compared with") {
        return;
    }
    let net = Net::without_referee();
    let node = net.node("a", "eth0", &["10.9.0.1/24"]);
    let _agent = Agent::start(&node);
    let link = node.shell("cat /sys/class/net/eth0/ifindex").trim().to_owned();
    let standard = [
        (".1.3.6.1.2.1.68.1.2.0".to_owned(), "i", "2"),
        (format!(".1.3.6.1.2.1.68.1.3.1.5.{link}.51"), "i", "7"),
        (format!(".1.3.6.1.2.1.68.1.3.1.4.{link}.51"), "i", "2"),
        (format!(".1.3.6.1.2.1.207.1.1.1.1.7.{link}.51.1"), "u", "7"),
        (format!(".1.3.6.1.2.1.207.1.1.1.1.10.{link}.51.1"), "i", "1"),
        (".1.3.6.1.4.1.9586.100.5.1.4.0".to_owned(), "i", "1"),
    ];
    let said = |program| {
        let daemon = Daemon::start(&node, program, CONF);
        eventually("it is MASTER", AGAIN, || object(&node, STATE).is_some_and(|state| state == "2"));
        let own = SETS.iter().map(|(rest, kind, value)| (format!("{INSTANCE}.{rest}"), *kind, *value));
        let all: Vec<_> = own.chain(standard.clone()).collect();
        let said: Vec<_> = all
            .iter()
            .map(|(name, kind, value)| format!("{name} {kind} {value}: {}", set(&node, name, kind, value)))
            .collect();
        daemon.stop();
        said
    };
    let theirs = said(Program::Reference);
    let ours = said(Program::UnderTest);
    let differ = theirs.iter().zip(&ours).filter(|(theirs, ours)| theirs != ours);
    let differ: Vec<_> = differ.map(|(theirs, ours)| format!("{theirs}\n    {ours}")).collect();
    assert!(differ.is_empty(), "\n{}", differ.join("\n"));
}

#[test]
fn a_priority_that_is_set_moves_the_master_is_marked_and_ends_with_the_configured_one() {
    if is_reference("it forgets what was set with a reload") {
        return;
    }
    let net = Net::new();
    let node = net.node("a", "eth0", &["10.9.0.1/24"]);
    let other = net.node("b", "eth0", &["10.9.0.2/24"]);
    let _agent = Agent::start(&node);
    let a =
        Instance::default().priority(150).global("enable_snmp_vrrp").global("snmp_socket unix:/run/agentx");
    let timing = Timing::v3(100);
    let daemon = Daemon::start(&node, Program::UnderTest, &a.text());
    net.wait_master("a", daemon.since(), START + timing.master_down(150));
    let _other = Daemon::start(&other, Program::UnderTest, &Instance::default().priority(100).text());
    let priority = format!("{INSTANCE}.7.1");
    let ctl = |words: &str| node.shell(&format!("{UNDER_TEST} --ctl {words}"));
    eventually("the agent is reached", AGAIN, || object(&node, &priority).is_some_and(|now| now == "150"));
    let begin = now();
    assert_eq!(set(&node, &priority, "i", "50"), format!("{priority} = INTEGER: 50"));
    net.wait_master("b", begin, AGAIN);
    assert_eq!(object(&node, &priority).as_deref(), Some("50"), "it is in force when it is answered");
    let json = ctl("status --json");
    assert!(json.contains("\"by_hand\":[\"priority\"]"), "{json}");
    daemon.signal(Signal::SIGHUP);
    eventually("the reload is over", START, || daemon.log().contains("Reload complete"));
    assert_eq!(object(&node, &priority).as_deref(), Some("50"), "it survives a reload");
    kill(Pid::from_raw(daemon.vrrp_child()), Signal::SIGKILL).expect("it is there");
    eventually("another child goes on with it", AGAIN, || {
        // It says so with its exit code if a child does not answer.
        let told = node.try_shell(&format!("{UNDER_TEST} --ctl status --json")).stdout;
        String::from_utf8_lossy(&told).contains("\"by_hand\":[\"priority\"]")
    });
    // It is told what the kernel has before it begins.
    let both = format!("{priority} i 150 {INSTANCE}.13.1 i 2");
    let words = format!("snmpset -m '' -v2c -c private -On -t 5 -r 1 127.0.0.1:1161 {both}");
    eventually("both are set", AGAIN, || node.try_shell(&words).status.success());
    let begin = now();
    let json = ctl("status --json");
    assert!(json.contains("\"by_hand\":[\"preempt\"]"), "the priority is as configured: {json}");
    net.never("it preempts", begin, timing.master_down(150) * 2, |event| event.is_advert_of("a"));
    assert_eq!(set(&node, &format!("{INSTANCE}.13.1"), "i", "1"), format!("{INSTANCE}.13.1 = INTEGER: 1"));
    net.wait_master("a", begin, AGAIN);
    assert!(ctl("status --json").contains("\"by_hand\":[]"));
    assert!(daemon.log().contains("By hand: VI_1: priority 50"), "{}", daemon.log());
}

#[test]
fn what_a_child_does_too_late_is_taken_back() {
    if is_reference("its agent is not a process of its own") {
        return;
    }
    let net = Net::new();
    let node = net.node("a", "eth0", &["10.9.0.1/24"]);
    let _agent = Agent::start(&node);
    // A child that hangs for two seconds is replaced.
    let conf = Instance { interval: "1", ..Instance::default() }
        .priority(150)
        .global("enable_snmp_vrrp")
        .global("snmp_socket unix:/run/agentx");
    let timing = Timing::v3(100);
    let daemon = Daemon::start(&node, Program::UnderTest, &conf.text());
    net.wait_master("a", daemon.since(), START + timing.master_down(150));
    let priority = format!("{INSTANCE}.7.1");
    let child = Pid::from_raw(daemon.vrrp_child());
    eventually("the agent is reached", AGAIN, || object(&node, &priority).is_some_and(|now| now == "150"));
    // What is tested is told by now; the child stands still while the change is to be made.
    kill(child, Signal::SIGSTOP).expect("it runs");
    let said = std::thread::scope(|scope| {
        let asks = scope.spawn(|| set(&node, &priority, "i", "50"));
        std::thread::sleep(Duration::from_millis(1_200));
        kill(child, Signal::SIGCONT).expect("it is there");
        asks.join().expect("it is answered")
    });
    assert!(said.contains("commitFailed") || said.contains("undoFailed"), "{said}");
    eventually("both were done", START, || daemon.logged("By hand: VI_1: priority") == 2);
    assert_eq!(child.as_raw(), daemon.vrrp_child(), "it was not replaced");
    eventually("it is as configured", AGAIN, || object(&node, &priority).is_some_and(|now| now == "150"));
    let json = node.shell(&format!("{UNDER_TEST} --ctl status --json"));
    assert!(json.contains("\"by_hand\":[]"), "{json}");
}

/// A router of version 2, whose peer has another password or none.
fn of_version_two(auth: &str) -> Instance {
    Instance { version: 2, interval: "1", ..Instance::default() }.line(auth)
}

#[test]
fn notifications_of_a_life_are_those_of_debians_keepalived() {
    if is_reference("it is what ours is compared with") {
        return;
    }
    let net = Net::without_referee();
    let node = net.node("a", "eth0", &["10.9.0.1/24"]);
    let other = net.node("b", "eth0", &["10.9.0.2/24"]);
    let _agent = Agent::start(&node);
    let _traps = Traps::start(&node);
    let life = |program| {
        let mut told = Traps::heard(&node).len();
        let mut new = || {
            let all = Traps::heard(&node);
            let mut now = all.get(told..).unwrap_or_default().to_vec();
            told = all.len();
            now.sort();
            now.dedup();
            now
        };
        let auth = |password: &str| format!("authentication {{\nauth_type PASS\nauth_pass {password}\n}}");
        let conf = of_version_two(&auth("right"))
            .priority(200)
            .global("enable_snmp_vrrp")
            .global("enable_snmp_rfc")
            .global("enable_traps")
            .global("snmp_socket unix:/run/agentx")
            .before("vrrp_sync_group G1 {\n group {\n VI_1\n VI_2\n }\n}");
        let second =
            Instance { name: "VI_2", vrid: 52, addresses: vec!["10.9.0.101".to_owned()], ..conf.clone() };
        let (_, second) = second
            .text()
            .split_once("vrrp_instance")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .expect("it has one");
        let daemon = Daemon::start(&node, program, &format!("{}\nvrrp_instance{second}", conf.text()));
        eventually("it is MASTER", AGAIN, || object(&node, STATE).is_some_and(|state| state == "2"));
        std::thread::sleep(Duration::from_secs(2));
        let mut heard = vec![new()];
        for text in
            [of_version_two(&auth("wrong")).text(), of_version_two("").text(), Instance::default().text()]
        {
            let peer = Daemon::start(&other, Program::UnderTest, &text);
            std::thread::sleep(Duration::from_secs(6));
            peer.stop();
            heard.push(new());
        }
        daemon.signal(Signal::SIGHUP);
        std::thread::sleep(Duration::from_secs(3));
        heard.push(new());
        daemon.stop();
        std::thread::sleep(Duration::from_secs(2));
        heard.push(new());
        heard
    };
    let theirs = life(Program::Reference);
    let ours = life(Program::UnderTest);
    assert!(theirs == ours, "\n{theirs:#?}\n{ours:#?}");
}
