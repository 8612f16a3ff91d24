//! Who is told what, and as whom: notify scripts at stops and reloads, script users, commands that cannot run.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::kit::bounds::{ALLOWANCE, LINK, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Launch, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::Node;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

/// Writes its arguments down, at once.
const TELL: &str = "#!/bin/sh\necho \"$*\" >> /run/told\n";
/// Writes its arguments down once it has done its work.
const TELL_SLOWLY: &str = "#!/bin/sh\nsleep 0.4\necho \"$*\" >> /run/told\n";

fn told(node: &Node) -> Vec<String> {
    node.read("/run/told").lines().map(str::to_owned).collect()
}

fn is_told(node: &Node, wanted: &[&str]) {
    eventually(&format!("told: {wanted:?}"), Duration::from_secs(4), || told(node).len() >= wanted.len());
    assert_eq!(told(node), wanted);
}

/// Two virtual routers that tell what becomes of them.
fn two(first: &str, second: &str) -> String {
    let block = |name, vrid, address: &str, lines: &str| {
        let mut instance =
            Instance { name, vrid, addresses: vec![address.to_owned()], ..Instance::default() };
        instance.lines.push(lines.to_owned());
        instance.text()
    };
    let second = block("VI_2", 52, "10.9.0.102", second);
    let (_, second) = second.split_once("}\n").expect("the end of global_defs");
    format!("{}{second}", block("VI_1", 51, "10.9.0.101", first))
}

#[test]
fn a_stop_is_told_in_every_state() {
    let net = Net::new();
    let stop = "notify_stop \"/usr/local/bin/tell stop\"\n    notify \"/usr/local/bin/tell any\"";
    for (state, priority, alone) in [("MASTER", 150, true), ("BACKUP", 50, false), ("FAULT", 150, true)] {
        let a = net.node("a", "eth0", &["10.9.0.1/24"]);
        let b = net.node("b", "eth0", &["10.9.0.2/24"]);
        a.write_script("/usr/local/bin/tell", TELL);
        let begin = now();
        let peer = (!alone).then(|| {
            let peer = Daemon::start(&b, US, &Instance::default().text());
            net.wait_master("b", begin, START + TIMING.master_down(100));
            peer
        });
        let daemon = Daemon::start(&a, US, &Instance::default().priority(priority).line(stop).text());
        if state != "BACKUP" {
            net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
        }
        if state == "FAULT" {
            a.shell("ip link set eth0 down");
        }
        eventually("the state is told", START, || {
            told(&a).iter().any(|line| line.contains(&format!(" {state} ")))
        });
        a.remove("/run/told");
        daemon.stop();
        is_told(&a, &["stop", &format!("any INSTANCE VI_1 STOP {priority}")]);
        drop(peer);
        if state == "FAULT" {
            a.shell("ip link set eth0 up");
        }
    }
}

#[test]
fn a_removed_instance_is_told_of_in_order() {
    if is_reference("it runs notify scripts side by side") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/tell", TELL_SLOWLY);
    let notify = "notify_deleted \"/usr/local/bin/tell deleted\"\n    notify \"/usr/local/bin/tell any\"";
    let daemon = Daemon::start(&a, US, &two("", notify));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    eventually("VI_2 is master", START, || daemon.log().contains("(VI_2) Entering MASTER STATE"));
    // While the first of its scripts still runs.
    daemon.reload(&Instance { addresses: vec!["10.9.0.101".to_owned()], ..Instance::default() }.text());
    is_told(
        &a,
        &[
            // MASTER is overtaken by the removal.
            "any INSTANCE VI_2 BACKUP 100",
            "deleted",
            "any INSTANCE VI_2 DELETED 100",
        ],
    );
    drop(daemon);
}

#[test]
fn scripts_under_way_survive_a_reload_and_order_is_kept() {
    if is_reference("it runs notify scripts side by side") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/tell", TELL_SLOWLY);
    let conf =
        |word: &str| Instance::default().line(&format!("notify \"/usr/local/bin/tell {word}\"")).text();
    let daemon = Daemon::start(&a, US, &conf("old"));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    daemon.reload(&conf("new"));
    is_told(&a, &["old INSTANCE VI_1 BACKUP 100", "new INSTANCE VI_1 MASTER 100"]);
    // Without any script in the new file the one under way still runs to its end, and no other begins.
    a.remove("/run/told");
    a.shell("ip link set eth0 down");
    daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
    daemon.reload(&Instance::default().text());
    a.shell("ip link set eth0 up");
    is_told(&a, &["new INSTANCE VI_1 FAULT 100"]);
    net.wait_master("a", now(), LINK + TIMING.master_down(100));
    assert_eq!(told(&a).len(), 1);
}

#[test]
fn more_scripts_than_may_run_wait_their_turn() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/tell", "#!/bin/sh\nsleep 1\necho \"$2\" >> /run/told\n");
    let mut text = String::from("global_defs {\n    router_id lab\n}\n");
    // Slow enough that nobody becomes master meanwhile: one script each.
    for number in 1..=240 {
        let instance = Instance {
            addresses: vec![format!("10.9.1.{number}")],
            interval: "20",
            vrid: number,
            ..Instance::default()
        };
        let instance =
            instance.line("notify \"/usr/local/bin/tell\"").text().replace("VI_1", &format!("VI_{number}"));
        let (_, instance) = instance.split_once("}\n").expect("the end of global_defs");
        text += instance;
        if number <= 40 {
            text += &instance
                .replace("VI_", "six_")
                .replace("10.9.1.", "fe80::9:")
                .replace("virtual_router_id", "native_ipv6\n    virtual_router_id");
        }
    }
    let daemon = Daemon::start(&a, US, &text);
    eventually("all are told", Duration::from_secs(25), || {
        let mut names = told(&a);
        names.sort();
        names.dedup();
        names.len() == 280
    });
    assert_eq!(daemon.logged("could not be started"), 0);
    daemon.stop();
}

#[test]
fn scripts_run_as_their_user_without_other_groups() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script(
        "/usr/local/bin/whoami",
        "#!/bin/sh\necho \"$1 $(id -u) $(id -g) $(id -G)\" >> /run/open/$1\n",
    );
    a.shell("mkdir -m 1777 /run/open");
    let conf = Instance::default()
        .global("script_user daemon mail")
        .before(
            "vrrp_script fit {\n    script \"/usr/local/bin/whoami check\"\n    interval 1\n    user nobody\n}\n\
             vrrp_script common {\n    script \"/usr/local/bin/whoami common\"\n    interval 1\n}",
        )
        .line("track_script {\n        fit\n        common\n    }")
        .line("notify_master \"/usr/local/bin/whoami master\" games")
        .line("notify_backup \"/usr/local/bin/whoami backup\"")
        .line("notify \"/usr/local/bin/whoami any\" root mail");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let id = |of: &str, name: &str| a.shell(&format!("id {of} {name}")).trim().to_owned();
    let (daemon_uid, mail) = (id("-u", "daemon"), id("-g", "mail"));
    let nobody_gid = id("-g", "nobody");
    for (who, wanted) in [
        ("check", format!("check 65534 {nobody_gid} {nobody_gid}")),
        ("common", format!("common {daemon_uid} {mail} {mail}")),
        ("master", format!("master {} {} {}", id("-u", "games"), id("-g", "games"), id("-g", "games"))),
        ("backup", format!("backup {daemon_uid} {mail} {mail}")),
        ("any", format!("any 0 {mail} {mail}")),
    ] {
        let file = format!("/run/open/{who}");
        eventually(&format!("{who} ran"), Duration::from_secs(2), || !a.read(&file).is_empty());
        assert_eq!(a.read(&file).lines().next(), Some(wanted.as_str()));
    }
    drop(daemon);
}

#[test]
fn with_few_capabilities_scripts_of_root_run_and_others_are_told() {
    if is_reference("its scripts cannot be run then") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/check", "#!/bin/sh\necho \"$1 $(id -u)\" >> /run/checked\n");
    let script = |name: &str, user: &str| {
        format!(
            "vrrp_script {name} {{\n    script \"/usr/local/bin/check {name}\"\n    interval 1\n    user {user}\n}}"
        )
    };
    let conf = Instance::default()
        .before(&script("roots", "root"))
        .before(&script("theirs", "nobody"))
        .line("track_script {\n        roots\n        theirs\n    }");
    a.write(CONF, &conf.text());
    let daemon = Launch::new(&a, US).capabilities("-all,+net_admin,+net_raw").start();
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    assert!(a.read("/run/checked").lines().all(|line| line == "roots 0"), "{}", a.read("/run/checked"));
    assert!(!a.read("/run/checked").is_empty());
    daemon.wait_log(
        "Disabling track script theirs since keepalived cannot run it as its user: it lacks the capability CAP_SETUID",
        ALLOWANCE,
    );
    daemon.stop();
}

#[test]
fn commands_that_cannot_run_are_told_and_judged() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/breaks", "#!/no/such/interpreter\n");
    a.write_script("/usr/local/bin/goes", "#!/bin/sh\nexit 0\n");
    let script = |name: &str, command: &str, weight: i32| {
        format!("vrrp_script {name} {{\n    script \"{command}\"\n    interval 1\n    weight {weight}\n}}")
    };
    let conf = Instance::default()
        .before(&script("absent", "/usr/local/bin/absent", -1))
        .before(&script("breaks", "/usr/local/bin/breaks", -2))
        .before(&script("goes", "/usr/local/bin/goes", -4))
        .before(&script("pipe", "echo one two | grep -q two && test -d /run", -8))
        .before(&script("fails", "false || exit 9", -16))
        .line("track_script {\n        absent\n        breaks\n        goes\n        pipe\n        fails\n    }")
        .line("notify_master \"/usr/local/bin/absent too\"");
    let daemon = Daemon::start(&a, US, &conf.text());
    // What is not there is left out; 2 and 16 fail.
    net.wait("the weights of those that fail", daemon.since(), START, |event| {
        event.node == "a" && event.advert().is_some_and(|advert| advert.priority == 82)
    });
    let log = daemon.log();
    for line in [
        "Disabling track script absent since",
        "Script `breaks` now returning 127",
        "VRRP_Script(breaks) failed (exited with status 127)",
        "VRRP_Script(fails) failed (exited with status 9)",
        "VRRP_Script(pipe) succeeded",
    ] {
        assert!(log.contains(line), "not logged: {line}\n{log}");
    }
    // One that disappears while it is tracked fails; so does one that may not be executed.
    let gone = now();
    a.remove("/usr/local/bin/goes");
    net.wait("the lost script counts", gone, Duration::from_secs(1), |event| {
        event.node == "a" && event.advert().is_some_and(|advert| advert.priority == 78)
    });
    a.write("/usr/local/bin/goes", "#!/bin/sh\n");
    eventually("what may not be executed ends with 126", Duration::from_secs(2), || {
        daemon.log().contains("Script `goes` now returning 126")
    });
    drop(daemon);
}

#[test]
fn a_script_that_is_to_fail_at_first_keeps_its_instance_in_fault() {
    if is_reference("init_fail makes no difference there for a script that succeeds at once") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = Instance::default()
        .before(
            "vrrp_script fit {\n    script \"/usr/bin/true\"\n    interval 1\n    rise 2\n    init_fail\n}",
        )
        .line("track_script {\n        fit\n    }");
    let daemon = Daemon::start(&a, US, &conf.text());
    daemon.wait_log("entering FAULT state", START);
    daemon.wait_log("VRRP_Script(fit) succeeded", Duration::from_secs(2));
    net.wait_master("a", now(), TIMING.master_down(100));
}

#[test]
fn a_reload_changes_scripts_one_by_one() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/kept", "#!/bin/sh\necho kept >> /run/told\nexit 1\n");
    let conf = |other: &str| {
        Instance::default()
            .before(
                "vrrp_script kept {\n    script \"/usr/local/bin/kept\"\n    interval 10\n    weight -10\n}",
            )
            .before(other)
            .line("track_script {\n        kept\n        other\n    }")
            .text()
    };
    let other = |command: &str, weight: i32| {
        format!("vrrp_script other {{\n    script \"{command}\"\n    interval 1\n    weight {weight}\n}}")
    };
    let daemon = Daemon::start(&a, US, &conf(&other("/usr/bin/true", -20)));
    let priority = |wanted: u8, since| {
        net.wait(&format!("priority {wanted}"), since, Duration::from_secs(1), |event| {
            event.node == "a" && event.advert().is_some_and(|advert| advert.priority == wanted)
        });
    };
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    priority(90, now());
    let changed = now();
    daemon.reload(&conf(&other("/usr/bin/false", -20)));
    priority(70, changed);
    let changed = now();
    daemon.reload(&conf(&other("/usr/bin/false", -40)));
    priority(50, changed);
    assert_eq!(told(&a).len(), 1, "what did not change did not run again");
    a.write(CONF, &conf(&other("/usr/bin/true", -40)));
    daemon.signal(Signal::SIGHUP);
    priority(90, now());
    net.never("a goodbye", daemon.since(), Duration::ZERO, |event| event.is_goodbye_of("a"));
}
