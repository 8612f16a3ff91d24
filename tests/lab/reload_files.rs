//! The files around a reload: who may change the configuration when, when to reload, what is kept of it.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{ALLOWANCE, START, eventually};
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::Node;

const US: Program = Program::UnderTest;

fn conf(global: &str) -> String {
    format!("global_defs {{\n{global}\n}}\n{}", Instance::default().text())
}

/// When the node's clock shows `seconds` from now, in the form of date(1).
fn moment(node: &Node, seconds: u32, form: &str) -> String {
    node.shell(&format!("date -u -d '+{seconds} sec' '+{form}Z'"))
}

#[test]
fn a_marker_stands_while_files_are_read_and_a_waiting_one_goes() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write("/run/marker", "made before the start");
    // Long to read, with nothing in it.
    let long = format!("{}{}", "# nothing\n".repeat(400_000), conf("reload_file /run/marker"));
    let daemon = Daemon::start(&a, US, &long);
    daemon.wait_log("Entering MASTER STATE", START);
    eventually("a marker of before the start goes", START, || !a.exists("/run/marker"));
    daemon.signal(Signal::SIGHUP);
    eventually("the marker stands while files are read", START, || a.exists("/run/marker"));
    eventually("and goes", START, || !a.exists("/run/marker"));
    daemon.wait_log("Reload complete", START);
    a.write("/run/marker", "made by who changes files");
    daemon.reload(&long);
    assert!(!a.exists("/run/marker"));
    if is_reference("it goes over to what it understood of a broken file") {
        return;
    }
    a.write("/run/marker", "made by who breaks files");
    a.write(CONF, &format!("{long}nonsense\n"));
    daemon.signal(Signal::SIGHUP);
    daemon.wait_log("New configuration refused", START);
    assert!(!a.exists("/run/marker"), "a refused file has been read as well");
    // Without a name it lies beside the pid files.
    daemon.reload(&conf("reload_file"));
    a.write("/run/keepalived.reload", "");
    daemon.reload(&conf("reload_file"));
    assert!(!a.exists("/run/keepalived.reload"));
    // Nobody is led astray by a link.
    a.write("/etc/victim", "untouched");
    a.shell("ln -s /etc/victim /run/keepalived.reload");
    daemon.reload(&conf("reload_file"));
    assert_eq!(a.read("/etc/victim"), "untouched");
}

#[test]
fn a_file_says_when_to_reload() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write("/run/when", &moment(&a, 3, "%H:%M:%S"));
    let daemon = Daemon::start(&a, US, &conf("reload_time_file /run/when"));
    daemon.wait_log("Entering MASTER STATE", START);
    let reloads = || daemon.logged("Reload complete");
    assert_eq!(reloads(), 0);
    eventually("the time of before the start comes", Duration::from_secs(5), || reloads() == 1);
    assert!(!a.exists("/run/when"), "it would come again tomorrow");
    if is_reference("its lines differ") {
        return;
    }
    a.write("/run/when", &moment(&a, 3600, "%Y-%m-%d %H:%M:%S"));
    eventually("it is seen", START, || daemon.logged("Reload scheduled for ") >= 2);
    a.write("/run/when", &moment(&a, 2, "%y-%m-%d %H:%M:%S"));
    daemon.wait_log("Reload time updated from ", START);
    eventually("the new time comes", Duration::from_secs(4), || reloads() == 2);
    a.write("/run/when", &moment(&a, 2, "%Y-%m-%d %H:%M:%S"));
    eventually("it is seen", START, || daemon.logged("Reload scheduled for ") >= 3);
    a.remove("/run/when");
    daemon.wait_log("Scheduled reload cancelled", START);
    for (text, line) in [("soon\n", "'soon'"), ("2026-01-01 00:00:00Z\n", "is past")] {
        a.write("/run/when", text);
        daemon.wait_log(line, START);
    }
    std::thread::sleep(Duration::from_secs(2) + ALLOWANCE);
    assert_eq!(reloads(), 2);
    // One that repeats stays.
    a.remove("/run/when");
    daemon.reload(&conf("reload_time_file /run/when\nreload_repeat"));
    let scheduled = daemon.logged("Reload scheduled for ");
    a.write("/run/when", &moment(&a, 2, "%H:%M:%S"));
    eventually("it comes", Duration::from_secs(4), || reloads() == 4);
    assert!(a.exists("/run/when"));
    eventually("and will come again", START, || daemon.logged("Reload scheduled for ") == scheduled + 2);
    assert!(!daemon.log().contains("FAULT"));
}

#[test]
fn a_checked_reload_refuses_what_is_doubtful_and_says_where_to_read_of_it() {
    if is_reference("it refuses what it has always run with") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let checked = "reload_check_config /run/check.log";
    let daemon = Daemon::start(&a, US, &conf(checked));
    daemon.wait_log("Entering MASTER STATE", START);
    let doubtful = conf(checked).replace("priority 100", "priority 100\n garp_master_repeat many");
    a.write(CONF, &doubtful);
    daemon.signal(Signal::SIGHUP);
    daemon.wait_log("New config failed validation, see /run/check.log for details", START);
    assert_eq!(daemon.logged("validate conf before Reload"), 1);
    assert!(a.read("/run/check.log").contains("many"), "{}", a.read("/run/check.log"));
    assert_eq!(daemon.logged("Reload complete"), 0);
    daemon.reload(&conf(checked));
    assert!(a.holds("eth0", "10.9.0.100"));
}

#[test]
fn configurations_and_states_are_kept_and_the_copy_may_lie_on_a_disk() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("mkdir -p /run/disk");
    a.write("/etc/keepalived/part.conf", "# a part\n");
    let text =
        format!("{}include part.conf\n", conf("tmp_config_directory /run/disk\nconfig_save_dir /run/kept"));
    let daemon = Daemon::start(&a, US, &text);
    daemon.wait_log("Entering MASTER STATE", START);
    daemon.reload(&text);
    if is_reference("it keeps its own copy's text, and the numbers of its own process namespace") {
        return;
    }
    let kept = a.shell("cd /run/kept; ls");
    let pid = a.read("/run/keepalived.pid").trim().to_owned();
    let child = a.read("/run/vrrp.pid").trim().to_owned();
    for name in [
        format!("keepalived.conf.{pid}.0"),
        format!("keepalived.conf.{pid}.1"),
        format!("keepalived_vrrp.{child}.1.pre"),
        format!("keepalived_vrrp.{child}.1.post"),
    ] {
        assert!(kept.lines().any(|line| line == name), "no {name} in\n{kept}");
    }
    let saved = a.read(&format!("/run/kept/keepalived.conf.{pid}.1"));
    assert!(saved.contains("virtual_router_id 51") && saved.contains("# a part"), "{saved}");
    assert!(a.read(&format!("/run/kept/keepalived_vrrp.{child}.1.post")).contains("State = MASTER"));
    assert_eq!(a.shell("stat -c %a /run/kept; stat -c %a /run/kept/* | sort -u"), "700\n600\n");
    // The parent holds the file that has no name; a child that dies is replaced from it.
    assert!(a.shell(&format!("ls -l /proc/{pid}/fd")).contains("/run/disk/"), "no file on the disk");
    assert_eq!(a.shell("ls -A /run/disk"), "");
    let before = daemon.vrrp_child();
    kill(Pid::from_raw(before), Signal::SIGKILL).expect("the child");
    eventually("another child goes on", START, || daemon.vrrp_child() != before);
    eventually("with the same router", START, || daemon.logged("VRRP sockpool") >= 2);
    assert!(a.holds("eth0", "10.9.0.100"));
    daemon.stop();
}

#[test]
fn a_folder_that_is_a_link_is_looked_through_once_or_each_time() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    for version in ["one", "two"] {
        a.write_script(&format!("/run/{version}/check"), &format!("#!/bin/sh\necho {version} > /run/ran\n"));
    }
    let text = |global: &str| {
        conf(&format!("script_user root\n{global}"))
            .replace(
                "vrrp_instance",
                "vrrp_script check {\n script /run/current/check\n interval 1\n}\nvrrp_instance",
            )
            .replace("priority 100", "priority 100\n track_script {\n check\n }")
    };
    for (global, then) in [("", "one\n"), ("use_symlink_paths\n", "two\n")] {
        if then == "one\n" && is_reference("it always keeps links") {
            continue;
        }
        a.shell("rm -f /run/current; ln -s one /run/current");
        let daemon = Daemon::start(&a, US, &text(global));
        eventually("the first one runs", START, || a.read("/run/ran") == "one\n");
        a.shell("ln -sfn two /run/current; rm -f /run/ran");
        eventually("a script runs", START, || !a.read("/run/ran").is_empty());
        assert_eq!(a.read("/run/ran"), then, "{global}");
        daemon.stop();
        a.remove("/run/ran");
    }
}

/// A name that is mistyped is told and changes nothing. One that was right before, whose interface is away, is no mistake, wherever it stands now:
/// the rest of the new file is applied.
#[test]
fn an_interface_that_does_not_exist_is_refused_unless_it_was_right_before() {
    if is_reference("it ends, or its instance goes to FAULT") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    net.plug(&a, "eth1", &["10.8.0.1/24"]);
    let more = "vrrp_instance OTHER {\n interface eth1\n virtual_router_id 60\n virtual_ipaddress {\n 10.8.0.100/24\n }\n}\n";
    let text = |conf: Instance| conf.text() + more;
    let good = text(Instance::default());
    let daemon = Daemon::start(&a, US, &good);
    eventually("it has its address", START, || a.holds("eth0", "10.9.0.100"));
    let mistakes = [
        text(Instance { interface: "eht0", ..Instance::default() }),
        text(Instance { addresses: vec!["10.9.0.100 dev eht0".to_owned()], ..Instance::default() }),
        text(Instance::default().line("virtual_ipaddress_excluded {\n 10.9.0.101 dev eht0\n }")),
        text(Instance::default().line("virtual_routes {\n 10.7.0.0/24 dev eht0\n }")),
        text(Instance::default().line("track_interface {\n eht0\n }")),
    ];
    for (number, mistake) in mistakes.iter().enumerate() {
        a.write(CONF, mistake);
        daemon.signal(Signal::SIGHUP);
        eventually("it is refused", START, || daemon.logged("New configuration refused") > number);
        assert!(daemon.log().contains("eht0 for vrrp_instance VI_1 doesn't exist"), "{}", daemon.log());
        assert!(a.holds("eth0", "10.9.0.100"));
    }
    assert_eq!(daemon.logged("(VI_1) Entering FAULT"), 0, "{}", daemon.log());
    // It may come later, if that is what the file says.
    daemon.reload(&text(
        Instance::default().global("dynamic_interfaces").line("track_interface {\n later weight 5\n }"),
    ));
    daemon.reload(&good);
    // The other interface goes. A new file, about something else, is applied.
    a.shell("ip link del eth1");
    daemon.wait_log("(OTHER) Entering FAULT", START);
    daemon.reload(&text(Instance::default().priority(120)));
    // Nor is one that puts something else on it, an instance by another name or one more.
    let further = more.replace("OTHER", "FURTHER").replace("60", "61").replace("100", "101");
    daemon.reload(&(text(Instance::default().priority(120)).replace("OTHER", "RENAMED") + &further));
    daemon.wait_log("(FURTHER) entering FAULT", START);
    assert!(a.holds("eth0", "10.9.0.100"));
    assert_eq!(daemon.logged("(VI_1) Entering FAULT"), 0, "{}", daemon.log());
}
