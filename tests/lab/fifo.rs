//! Notify FIFOs: what is written, for whom, and what becomes of readers that are slow, absent or dead.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{ALLOWANCE, LINK, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::Node;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);
const SOON: Duration = Duration::from_secs(4);

/// Reads a FIFO from when it appears until its writer is gone.
const FOLLOW: &str =
    "(until [ -p /run/fifo ]; do sleep 0.01; done; exec cat /run/fifo >> /run/lines) >/dev/null 2>&1 &";

/// Copies the lines of its FIFO into a file beside it, and writes down how it began and ended.
const COPY: &str = "#!/bin/bash\necho \"$*\" >> /run/begun\ntrap 'echo term >> /run/ended; exit' TERM\n\
                    while read -r line; do echo \"$line\" >> \"$2.lines\"; [ -e /run/die ] && exit 3; done < \"$2\"\n\
                    echo eof >> /run/ended\n";

fn lines(node: &Node, file: &str) -> Vec<String> {
    node.read(file).lines().map(str::to_owned).collect()
}

fn are(node: &Node, file: &str, wanted: &[&str]) {
    eventually(&format!("{file}: {wanted:?}"), SOON, || lines(node, file).len() >= wanted.len());
    assert_eq!(lines(node, file), wanted);
}

fn inode(node: &Node, file: &str) -> u64 {
    let about = node.path(file).symlink_metadata().expect("the FIFO is there");
    assert!(about.file_type().is_fifo());
    about.ino()
}

/// Three routers: two of a sync group on two interfaces, and one that tells its priority.
fn trio() -> String {
    let instance = |name: &str, interface: &str, id: u8, more: &str| {
        format!(
            "vrrp_instance {name} {{\n interface {interface}\n virtual_router_id {id}\n priority 100\n version 3\n \
             advert_int 0.1\n {more}\n virtual_ipaddress {{\n 10.9.{id}.100\n }}\n}}\n"
        )
    };
    format!(
        "global_defs {{\n notify_fifo /run/fifo\n}}\n\
         vrrp_script fit {{\n script \"/usr/bin/test ! -e /run/bad\"\n interval 1\n weight -20\n}}\n\
         vrrp_sync_group G {{\n group {{\n A\n B\n }}\n}}\n{}{}{}",
        instance("A", "eth0", 1, ""),
        instance("B", "eth1", 2, ""),
        instance("C", "eth0", 3, "notify_priority_changes true\n track_script {\n fit\n }"),
    )
}

/// The same events under one daemon; what its FIFO said of each object.
fn story_of(program: Program) -> [Vec<String>; 5] {
    let net = Net::without_referee();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &[]);
    net.plug(&a, "eth1", &["10.9.2.1/24"]);
    drop(b);
    a.shell(FOLLOW);
    let daemon = Daemon::start(&a, program, &trio());
    let has = |line: &str| {
        eventually(line, Duration::from_secs(6), || lines(&a, "/run/lines").iter().any(|one| one == line));
    };
    has("GROUP \"G\" MASTER 0");
    has("INSTANCE \"C\" MASTER 100");
    a.write("/run/bad", "");
    has("INSTANCE \"C\" MASTER_PRIORITY 80");
    a.remove("/run/bad");
    has("INSTANCE \"C\" MASTER_PRIORITY 100");
    a.shell("ip link set eth1 down");
    has("GROUP \"G\" FAULT 0");
    a.shell("ip link set eth1 up");
    eventually("G is master again", Duration::from_secs(6), || {
        lines(&a, "/run/lines").iter().filter(|one| *one == "GROUP \"G\" MASTER 0").count() == 2
    });
    a.shell("ip link set eth0 down");
    has("INSTANCE \"C\" FAULT 100");
    a.write("/run/bad", "");
    has("INSTANCE \"C\" BACKUP_PRIORITY 80");
    a.shell("ip link set eth0 up");
    has("INSTANCE \"C\" MASTER 80");
    eventually("G is master once more", Duration::from_secs(6), || {
        lines(&a, "/run/lines").iter().filter(|one| *one == "GROUP \"G\" MASTER 0").count() == 3
    });
    daemon.stop();
    has("GROUP \"G\" STOP 0");
    assert!(program == Program::Reference || !a.exists("/run/fifo"));
    let all = lines(&a, "/run/lines");
    let of = |marks: &[&str]| -> Vec<String> {
        all.iter().filter(|line| marks.iter().any(|mark| line.contains(mark))).cloned().collect()
    };
    let group = of(&["\"A\"", "\"B\"", "\"G\""]);
    // Which of the two times out first is chance.
    let calm = group.iter().filter(|line| !line.contains("MASTER")).cloned().collect();
    [of(&["\"A\""]), of(&["\"B\""]), of(&["\"C\""]), of(&["\"G\""]), calm]
}

#[test]
fn lines_are_those_of_keepalived() {
    let ours = story_of(US);
    assert_eq!(ours, story_of(Program::Reference));
    assert_eq!(
        ours[2],
        [
            "INSTANCE \"C\" BACKUP 100",
            "INSTANCE \"C\" MASTER 100",
            "INSTANCE \"C\" MASTER_PRIORITY 80",
            "INSTANCE \"C\" MASTER_PRIORITY 100",
            "INSTANCE \"C\" FAULT 100",
            "INSTANCE \"C\" BACKUP_PRIORITY 80",
            "INSTANCE \"C\" BACKUP 80",
            "INSTANCE \"C\" MASTER 80",
            "INSTANCE \"C\" STOP 80",
        ]
    );
}

#[test]
fn a_script_reads_to_the_end_and_is_started_again_by_a_reload_alone() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/copy", COPY);
    let conf = |more: &str| {
        let instance = Instance::default()
            .global("notify_fifo /run/all")
            .global("notify_fifo_script \"/usr/local/bin/copy one\"")
            .global("vrrp_notify_fifo /run/own nobody")
            .global("vrrp_notify_fifo_script \"/usr/local/bin/copy two\"")
            .global("fifo_write_vrrp_states_on_reload");
        more.split_terminator('\n').fold(instance, |instance, line| instance.line(line)).text()
    };
    let daemon = Daemon::start(&a, US, &conf(""));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let begin = ["INSTANCE \"VI_1\" BACKUP 100", "INSTANCE \"VI_1\" MASTER 100"];
    are(&a, "/run/all.lines", &begin);
    are(&a, "/run/own.lines", &begin);
    eventually("both have begun", SOON, || lines(&a, "/run/begun").len() == 2);
    let about = a.path("/run/own").metadata().expect("the FIFO is there");
    assert_eq!((about.mode() & 0o7777, about.uid()), (0o600, 65_534));
    // A reload leaves both alone.
    let inodes = [inode(&a, "/run/all"), inode(&a, "/run/own")];
    daemon.reload(&conf("garp_master_delay 7"));
    assert_eq!([inode(&a, "/run/all"), inode(&a, "/run/own")], inodes);
    assert_eq!(lines(&a, "/run/begun").len(), 2);
    // A script that ends is told of and missed by nobody until the next reload.
    a.write("/run/die", "");
    a.shell("ip link set eth0 down");
    daemon.wait_log("vrrp notify fifo script terminated", SOON);
    eventually("both have ended", SOON, || daemon.logged("vrrp notify fifo script terminated") == 2);
    a.remove("/run/die");
    a.shell("ip link set eth0 up");
    net.wait_master("a", now(), LINK + TIMING.master_down(100));
    assert_eq!(lines(&a, "/run/begun").len(), 2);
    daemon.reload(&conf(""));
    let more = [begin[0], begin[1], "INSTANCE \"VI_1\" FAULT 100", begin[0], begin[1]];
    are(&a, "/run/all.lines", &more);
    // The child dies: its scripts with it, and the next one goes on with the same FIFOs.
    kill(Pid::from_raw(daemon.vrrp_child()), Signal::SIGKILL).expect("the child runs");
    eventually("the scripts of the next child have begun", SOON, || lines(&a, "/run/begun").len() == 6);
    eventually("those of the dead child have ended", SOON, || lines(&a, "/run/ended").len() >= 2);
    assert_eq!(inode(&a, "/run/all"), inodes[0]);
    daemon.stop();
    let mut last = more.to_vec();
    last.push("INSTANCE \"VI_1\" STOP 100");
    are(&a, "/run/all.lines", &last);
    assert!(!a.exists("/run/all") && !a.exists("/run/own"));
    eventually("no script is left", ALLOWANCE, || a.processes().is_empty());
}

#[test]
fn a_removed_instance_and_the_states_of_groups_are_told_at_a_reload() {
    let net = Net::without_referee();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    net.plug(&a, "eth1", &["10.9.2.1/24"]);
    a.shell(FOLLOW);
    let conf = |deleted: &str| {
        trio()
            .replace("notify_fifo /run/fifo", "notify_fifo /run/fifo\n fifo_write_vrrp_states_on_reload")
            .replace("notify_priority_changes true", deleted)
    };
    let daemon = Daemon::start(&a, US, &conf("notify_deleted"));
    let has = |line: &str| {
        eventually(line, SOON, || lines(&a, "/run/lines").last().is_some_and(|last| last == line));
    };
    has("INSTANCE \"C\" MASTER 100");
    let text = conf("notify_deleted");
    let (without, _) = text.split_once("vrrp_instance C").expect("C");
    let before = lines(&a, "/run/lines").len();
    daemon.reload(without);
    has("GROUP \"G\" MASTER 0");
    assert_eq!(lines(&a, "/run/lines")[before..], ["INSTANCE \"C\" DELETED 100", "GROUP \"G\" MASTER 0"]);
    daemon.reload(&conf(""));
    has("INSTANCE \"C\" MASTER 100");
    daemon.reload(without);
    has("GROUP \"G\" MASTER 0");
    let all = lines(&a, "/run/lines");
    assert!(
        all.ends_with(&["INSTANCE \"C\" FAULT 100".to_owned(), "GROUP \"G\" MASTER 0".to_owned()]),
        "{all:?}"
    );
    daemon.stop();
}

#[test]
fn a_lower_priority_is_told_and_a_sleeping_reader_holds_nobody_up() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    a.write_script("/usr/local/bin/tell", "#!/bin/sh\necho \"$*\" >> /run/told\n");
    // Holds the FIFO open and reads nothing.
    a.shell("(until [ -p /run/fifo ]; do sleep 0.01; done; exec sleep 1000 < /run/fifo) >/dev/null 2>&1 &");
    let conf = Instance::default()
        .priority(150)
        .global("vrrp_notify_fifo /run/fifo")
        .line("notify_master_rx_lower_pri \"/usr/local/bin/tell lower\"");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    let before = daemon.stats().allocations();
    let other = Daemon::start(&b, US, &Instance::default().text());
    other.wait_log("Entering BACKUP STATE", START);
    net.set_apart(&[Net::port(1), Net::port(2)], true);
    net.wait_master("b", now(), TIMING.master_down(100));
    net.set_apart(&[Net::port(1), Net::port(2)], false);
    eventually("the script is run", SOON, || !a.read("/run/told").is_empty());
    other.wait_log("Entering BACKUP STATE\n", ALLOWANCE);
    assert_eq!(daemon.stats().allocations(), before, "a line costs no memory");
    // What nobody has read yet is still there for the next reader.
    a.shell("timeout 1 cat /run/fifo > /run/lines || true");
    let all = lines(&a, "/run/lines");
    assert_eq!(all[..2], ["INSTANCE \"VI_1\" BACKUP 150", "INSTANCE \"VI_1\" MASTER 150"]);
    assert!(all[2..].iter().all(|line| line == "INSTANCE \"VI_1\" MASTER_RX_LOWER_PRI 150"), "{all:?}");
    // One for the heal, however many adverts the rival has sent.
    assert!(all.len() == 3 || (all.len() > 3 && is_reference("it tells each advert")), "{all:?}");
    daemon.stop();
}

#[test]
fn what_is_no_pipe_is_left_alone() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write("/run/precious", "precious");
    a.shell("ln -s /run/precious /run/link");
    let conf = Instance::default().global("notify_fifo /run/precious").global("vrrp_notify_fifo /run/link");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    daemon.wait_log("Unable to create notify fifo /run/precious: it is a file, and no FIFO", ALLOWANCE);
    daemon.wait_log("Unable to create notify fifo /run/link: it is a symbolic link", ALLOWANCE);
    daemon.stop();
    assert_eq!(a.read("/run/precious"), "precious");
    a.shell("test -L /run/link");
}

#[test]
fn what_a_power_cut_leaves_is_used_again() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/copy", COPY);
    let conf = Instance::default()
        .global("notify_fifo /run/all")
        .global("notify_fifo_script \"/usr/local/bin/copy one\"")
        .text();
    let daemon = Daemon::start(&a, US, &conf);
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    are(&a, "/run/all.lines", &["INSTANCE \"VI_1\" BACKUP 100", "INSTANCE \"VI_1\" MASTER 100"]);
    daemon.kill();
    eventually("the script has ended", SOON, || a.processes().is_empty());
    assert!(a.exists("/run/all"));
    a.remove("/run/all.lines");
    let daemon = Daemon::start(&a, US, &conf);
    are(&a, "/run/all.lines", &["INSTANCE \"VI_1\" BACKUP 100", "INSTANCE \"VI_1\" MASTER 100"]);
    daemon.stop();
    assert!(!a.exists("/run/all"));
}

/// FIFOs of an administrator, with readers that were there before the daemon.
#[test]
fn those_that_are_there_are_used_as_they_are_and_stay() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    for name in ["all", "own"] {
        a.shell(&format!("mkfifo /run/{name} && chmod 622 /run/{name} && chown 7:8 /run/{name}"));
        a.shell(&format!("(exec 3<>/run/{name}; exec cat <&3 >> /run/{name}.lines) >/dev/null 2>&1 &"));
    }
    let before = [inode(&a, "/run/all"), inode(&a, "/run/own")];
    let conf = |more: &str| {
        Instance::default()
            .global("notify_fifo /run/all")
            .global("vrrp_notify_fifo /run/own nobody")
            .global(more)
            .text()
    };
    let daemon = Daemon::start(&a, US, &conf(""));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let begin = ["INSTANCE \"VI_1\" BACKUP 100", "INSTANCE \"VI_1\" MASTER 100"];
    are(&a, "/run/all.lines", &begin);
    are(&a, "/run/own.lines", &begin);
    daemon.reload(&conf("").replace("notify_fifo /run/all", "notify_fifo /run/other"));
    assert!(a.exists("/run/all") && a.exists("/run/other"));
    daemon.reload(&conf(""));
    // Neither a dead child nor a killed parent takes them away; what was made here goes with the last.
    kill(Pid::from_raw(daemon.vrrp_child()), Signal::SIGKILL).expect("the child runs");
    eventually("a new child", START, || daemon.logged("died: Respawning") == 1 && !a.exists("/run/other"));
    daemon.stop();
    let after = [inode(&a, "/run/all"), inode(&a, "/run/own")];
    assert_eq!(after, before);
    for name in ["/run/all", "/run/own"] {
        let about = a.path(name).metadata().expect("the FIFO is there");
        assert_eq!((about.mode() & 0o7777, about.uid(), about.gid()), (0o622, 7, 8), "{name}");
    }
    let own = lines(&a, "/run/own.lines");
    assert_eq!(own.last().map(String::as_str), Some("INSTANCE \"VI_1\" STOP 100"));
    assert!(!a.exists("/run/vrrp.changes"));
}
