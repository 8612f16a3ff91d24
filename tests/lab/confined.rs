//! What the processes of the daemon may do: capabilities, user, system calls.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{START, Timing, eventually, holds_within};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Launch, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::{Node, USER_OF_CHILDREN, children, command_name, is_alive};

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

/// Bits of capabilities(7).
const DAC_OVERRIDE: u64 = 1 << 1;
const FOWNER: u64 = 1 << 3;
const NET_BIND_SERVICE: u64 = 1 << 10;
const NET_ADMIN: u64 = 1 << 12;
const NET_RAW: u64 = 1 << 13;
const SYS_ADMIN: u64 = 1 << 21;
const SYS_NICE: u64 = 1 << 23;
/// What each child keeps.
const NETWORK: u64 = NET_ADMIN | NET_RAW | DAC_OVERRIDE;

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rights {
    effective: u64,
    permitted: u64,
    inheritable: u64,
    uid: u32,
    no_new_privileges: bool,
    /// 2: a filter.
    seccomp: u8,
}

fn rights(pid: i32) -> Rights {
    seen(pid).expect("a process")
}

/// None: it is gone.
fn seen(pid: i32) -> Option<Rights> {
    told(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// What /proc/PID/status says; none: not all of it, or the process has ended.
fn told(text: &str) -> Option<Rights> {
    if !text.contains("CapEff:") || text.contains("\nState:\tZ") {
        return None;
    }
    let line = |label: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(label)).expect(label);
        line.split_whitespace().next().expect(label).to_owned()
    };
    let set = |label: &str| u64::from_str_radix(&line(label), 16).expect(label);
    Some(Rights {
        effective: set("CapEff:"),
        permitted: set("CapPrm:"),
        inheritable: set("CapInh:"),
        uid: line("Uid:").parse().expect("a number"),
        no_new_privileges: line("NoNewPrivs:") == "1",
        seccomp: line("Seccomp:").parse().expect("a number"),
    })
}

/// Of a child that has begun, as root or as a user of its own.
fn confined(kept: u64, uid: u32) -> Rights {
    let kept = if uid == 0 { kept } else { kept | FOWNER };
    Rights { effective: kept, permitted: kept, inheritable: 0, uid, no_new_privileges: true, seccomp: 2 }
}

/// Takes the user for children out of a node: its children stay root.
fn remove_user(node: &Node) {
    node.shell("sed '/^keepalived:/d' /etc/passwd > /etc/others; rm /etc/passwd; mv /etc/others /etc/passwd");
}

/// The children of a daemon: names, and what they may.
fn all(daemon: &Daemon) -> Vec<(String, Rights)> {
    children(daemon.first()).into_iter().filter_map(|pid| Some((command_name(pid), seen(pid)?))).collect()
}

fn eventually_has(daemon: &Daemon, uid: u32, name: &str, kept: u64) {
    let so = || all(daemon).contains(&(name.to_owned(), confined(kept, uid)));
    let so = holds_within(START, so);
    assert!(so, "{name} does not have {kept:x}, a filter and user {uid}: {:x?}", all(daemon));
}

/// Has the VRRP child replaced.
fn kill_vrrp(daemon: &Daemon) {
    let named = |pid: &i32| matches!(command_name(*pid).as_str(), "keepalived_vrrp" | "keepalived");
    let child = children(daemon.first()).into_iter().find(named).expect("a VRRP child");
    kill(Pid::from_raw(child), Signal::SIGKILL).expect("it runs");
    eventually("it is gone", START, || !is_alive(child));
}

#[test]
fn each_process_has_a_user_and_what_it_needs_and_no_more() {
    each_process_has_what_it_needs(USER_OF_CHILDREN);
}

#[test]
fn each_process_has_what_it_needs_where_there_is_no_user_for_children() {
    each_process_has_what_it_needs(0);
}

fn each_process_has_what_it_needs(uid: u32) {
    if is_reference("its processes have all privileges") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    if uid == 0 {
        remove_user(&a);
    }
    a.write_script(
        "/usr/local/bin/tell",
        "#!/bin/sh\ngrep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status > /run/told\n",
    );
    let more = "bfd_instance B {\n neighbor_ip 10.9.0.2\n source_ip 10.9.0.1\n}\n\
                virtual_server 10.9.0.9 80 {\n protocol TCP\n real_server 10.9.0.8 80 {\n TCP_CHECK {\n bind_port 500\n}\n}\n}\n";
    let conf = |instance: Instance, global: &str| {
        format!("global_defs {{\nprocess_names\n{global}\n}}\n{}{more}", instance.text())
    };
    let plain = Instance::default();
    let daemon = Daemon::start(&a, US, &conf(plain.clone(), ""));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    assert_eq!(daemon.logged("Children stay root"), 0);
    let parent = rights(daemon.first());
    assert_eq!((parent.uid, parent.no_new_privileges, parent.seccomp), (0, false, 0));
    assert!(parent.effective & NETWORK == NETWORK && parent.effective & SYS_ADMIN != 0);
    eventually_has(&daemon, uid, "keepalived_vrrp", NETWORK);
    eventually_has(&daemon, uid, "keepalived_lvs", NETWORK | NET_BIND_SERVICE);
    eventually_has(&daemon, uid, "keepalived_bfd", NETWORK);
    assert_eq!(all(&daemon).len(), 3);
    // A reload brings scripts: who runs them may what the parent may, and so may they.
    let backups = daemon.logged("Entering BACKUP STATE");
    let telling = || plain.clone().line("notify_master /usr/local/bin/tell");
    daemon.reload(&conf(telling(), ""));
    eventually_has(&daemon, uid, "keepalived_vrrp", NETWORK);
    let named = || all(&daemon).into_iter().find(|(one, _)| one == "keepalived_exec");
    eventually("there is who runs scripts", START, || named().is_some());
    let helper = named().expect("it has just been there");
    assert_eq!(helper.1, parent);
    assert_eq!(daemon.logged("has given up"), 0);
    // One of somebody else's folder, and a FIFO: nothing else is needed. A priority: the child is replaced.
    a.shell("mkdir -p /run/other && cp /usr/local/bin/tell /run/other/ && chown -R 65534 /run/other && chmod 700 /run/other");
    let telling = || plain.clone().line("notify_master /run/other/tell");
    daemon.reload(&conf(telling(), "vrrp_notify_fifo /run/fifo"));
    assert_eq!(daemon.logged("has given up"), 0);
    daemon.reload(&conf(telling(), "vrrp_notify_fifo /run/fifo\nvrrp_priority -3"));
    eventually_has(&daemon, uid, "keepalived_vrrp", NETWORK | SYS_NICE);
    daemon.wait_log("needs CAP_SYS_NICE, which the VRRP child process(", START);
    assert_eq!(daemon.logged("Entering BACKUP STATE"), backups, "its replacement goes on as MASTER");
    a.shell("ip link set eth0 down; sleep 0.5; ip link set eth0 up");
    eventually("the script has run", START * 3, || {
        a.exists("/run/told") && a.read("/run/told").contains("Seccomp")
    });
    let told = a.read("/run/told");
    let effective = format!("CapEff:\t{:016x}\n", parent.effective);
    assert_eq!(told, format!("{effective}NoNewPrivs:\t0\nSeccomp:\t0\n"));
    // What the next reload does not need any more is kept until the child ends.
    let reloaded = daemon.logged("Reload complete");
    daemon.reload(&conf(plain, ""));
    eventually("all three have done so", START, || daemon.logged("Reload complete") == reloaded + 3);
    eventually_has(&daemon, uid, "keepalived_vrrp", NETWORK | SYS_NICE);
    // Whoever replaces a child is as it was, and so is the end that follows the parent's, if that is killed.
    kill_vrrp(&daemon);
    eventually_has(&daemon, uid, "keepalived_vrrp", NETWORK);
    let children = children(daemon.first());
    daemon.signal(Signal::SIGKILL);
    eventually("all end with their parent", START, || !children.iter().any(|pid| is_alive(*pid)));
}

/// Scripts of each kind that run as somebody else have nothing of root's, and nothing of the children's confinement; the
/// child that speaks to an SNMP agent has no capability of the network.
#[test]
fn scripts_of_other_users_and_the_snmp_child_have_no_privileges() {
    if is_reference("it has no SNMP child") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script(
        "/usr/local/bin/tell",
        "#!/bin/sh\ncat /proc/self/status > /run/told/$1.new && mv /run/told/$1.new /run/told/$1\n",
    );
    a.shell("mkdir /run/told; chmod 777 /run/told");
    let server = "virtual_server 10.9.0.100 80 {\n delay_loop 1\n protocol TCP\n real_server 10.9.0.1 8081 {\n \
                  MISC_CHECK {\n misc_path \"/usr/local/bin/tell misc\"\n user nobody\n }\n }\n}\n";
    let script =
        "vrrp_script told {\n script \"/usr/local/bin/tell tracked\"\n interval 1\n user nobody\n}\n";
    let snmp = if cfg!(feature = "snmp") { "process_names\n enable_snmp_vrrp" } else { "process_names" };
    let instance = Instance::default()
        .global(snmp)
        .before(script)
        .line("track_script {\n told\n }")
        .line("notify_master \"/usr/local/bin/tell master\" nobody")
        .line("notify \"/usr/local/bin/tell any\" nobody");
    let conf = instance.text() + if cfg!(feature = "lvs") { server } else { "" };
    let daemon = Daemon::start(&a, US, &conf);
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let mut names = vec!["tracked", "master", "any"];
    if cfg!(feature = "lvs") {
        names.push("misc");
    }
    for name in names {
        let place = format!("/run/told/{name}");
        eventually("the script has run", START, || a.exists(&place));
        let expected = Rights {
            effective: 0,
            permitted: 0,
            inheritable: 0,
            uid: 65_534,
            no_new_privileges: false,
            seccomp: 0,
        };
        assert_eq!(told(&a.read(&place)), Some(expected), "{name}");
    }
    if cfg!(feature = "snmp") {
        let rights =
            Rights { effective: DAC_OVERRIDE, permitted: DAC_OVERRIDE, ..confined(0, USER_OF_CHILDREN) };
        let so = holds_within(START, || all(&daemon).contains(&("keepalived_snmp".to_owned(), rights)));
        assert!(so, "{:x?}", all(&daemon));
    }
    eventually_has(&daemon, USER_OF_CHILDREN, "keepalived_vrrp", NETWORK);
}

/// Files in /tmp that belong to root, or to the user of the children, are replaced by either; a log file that was rotated is
/// opened anew.
#[test]
fn files_in_tmp_change_hands() {
    if is_reference("its children are root") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell(
        "echo old > /tmp/keepalived.data; echo old > /tmp/keepalived.stats; echo old > /tmp/keepalived.json",
    );
    let conf = "global_defs {\nvrrp_notify_fifo /tmp/fifo\n}\n".to_owned() + &Instance::default().text();
    a.write(CONF, &conf);
    let begin = || {
        let launch = Launch::new(&a, US).arguments(&["-n", "-l", "-G", "-D", "-g", "/tmp/log", "-f", CONF]);
        let daemon = launch.start();
        net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
        daemon
    };
    let write_all = |daemon: &Daemon| {
        daemon.signal(Signal::SIGUSR1);
        daemon.signal(Signal::SIGUSR2);
        daemon.signal_number(libc::SIGRTMIN() + 2);
    };
    let dumps = ["data", "stats", "json"].map(|kind| format!("/tmp/keepalived.{kind}"));
    let owner = |path: &str| a.path(path).metadata().map(|about| about.uid()).ok();
    let owned = |daemon: &Daemon, uid: u32| {
        write_all(daemon);
        for path in &dumps {
            eventually(&format!("{path} is of {uid}: {:?}", owner(path)), START, || {
                owner(path) == Some(uid) && !a.read(path).starts_with("old")
            });
        }
    };
    let daemon = begin();
    owned(&daemon, USER_OF_CHILDREN);
    owned(&daemon, USER_OF_CHILDREN);
    assert_eq!(owner("/tmp/fifo"), Some(0), "made by the start");
    a.shell("mv /tmp/log_vrrp /tmp/log_vrrp.1");
    daemon.reload(&conf.replace("/tmp/fifo", "/tmp/other"));
    eventually("the log is opened anew", START, || owner("/tmp/log_vrrp") == Some(USER_OF_CHILDREN));
    assert_eq!((owner("/tmp/other"), owner("/tmp/fifo")), (Some(USER_OF_CHILDREN), None));
    // A successor goes on with the FIFO that the child before it made, and with its log.
    let fifo = || a.path("/tmp/other").metadata().map(|about| about.ino()).ok();
    let (before, backups) = (fifo(), daemon.logged("Entering BACKUP STATE"));
    kill_vrrp(&daemon);
    eventually("another child has begun", START, || rights(daemon.vrrp_child()).seccomp == 2);
    assert_eq!((fifo(), daemon.logged("Entering BACKUP STATE")), (before, backups));
    assert_eq!(daemon.logged("Unable to"), 0);
    daemon.stop();
    assert_eq!(owner("/tmp/other"), None);
    // A daemon whose children stay root takes over what was left.
    remove_user(&a);
    let daemon = begin();
    owned(&daemon, 0);
    assert_eq!(daemon.logged("Unable to"), 0);
    daemon.stop();
}

/// What forbids a user of their own is said, and children stay root.
#[test]
fn children_stay_root_where_scripts_are_that_user() {
    if is_reference("its children are root") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let telling = Instance::default().line("notify_master /bin/true keepalived");
    let daemon = Daemon::start(&a, US, &telling.text());
    eventually("it is confined", START, || rights(daemon.vrrp_child()) == confined(NETWORK, 0));
    daemon.wait_log("Children stay root, though there is a user keepalived: scripts run as that user", START);
    // Without those the child is replaced, and is that user from then on.
    daemon.reload(&Instance::default().text());
    eventually("it is the user of its own", START, || {
        rights(daemon.vrrp_child()) == confined(NETWORK, USER_OF_CHILDREN)
    });
    daemon.stop();
    let few = "-all,+net_admin,+net_raw,+dac_override,+fowner,+setuid,+setgid,+setpcap";
    let daemon = Launch::new(&a, US).capabilities(few).start();
    daemon
        .wait_log("Children stay root, though there is a user keepalived: the daemon lacks CAP_KILL", START);
    eventually("it is confined", START, || rights(daemon.vrrp_child()) == confined(NETWORK, 0));
    daemon.stop();
}

/// Somebody has a child make a call: the parent names it, and another child goes on, which may make that call as well unless
/// it is one of a break-in.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_system_call_that_no_child_makes_ends_it_and_is_named() {
    if is_reference("it has no filter") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let is_confined = |child| rights(child) == confined(NETWORK, USER_OF_CHILDREN);
    let child = daemon.vrrp_child();
    eventually("it is confined", START, || is_confined(child));
    let backups = daemon.logged("Entering BACKUP STATE");
    let successor = |child: i32| {
        eventually("another child goes on", START, || {
            let next = daemon.vrrp_child();
            next != child && is_confined(next)
        });
        daemon.vrrp_child()
    };
    have_it_call(child, libc::SYS_chroot);
    daemon.wait_log(
        ") has called chroot, which it never does - it was ended, and the next one may not make it either",
        START,
    );
    let child = successor(child);
    assert_eq!(daemon.logged("Entering BACKUP STATE"), backups);
    have_it_call(child, libc::SYS_alarm);
    let number = format!(
        "system call {}, which is not in its list - it was ended, and the next one may make it",
        libc::SYS_alarm
    );
    daemon.wait_log(&number, START);
    let child = successor(child);
    have_it_call(child, libc::SYS_alarm);
    let since = now();
    eventually("it goes on", START, || net.adverts(since, "a").len() > 5);
    assert_eq!((daemon.vrrp_child(), daemon.logged(&number)), (child, 1));
    have_it_call(child, libc::SYS_chroot);
    successor(child);
    assert_eq!(daemon.logged(") has called chroot"), 2);
    daemon.stop();
}

/// Confinement is turned off and on by reloads, without a change of state.
#[test]
fn confinement_can_be_turned_off() {
    if is_reference("it has none") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let on = Instance::default().text();
    let off = format!("global_defs {{\nno_confinement\n}}\n{on}");
    let daemon = Daemon::start(&a, US, &off);
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let parent = rights(daemon.first());
    let is = |wanted: Rights| {
        eventually("the child has its rights", START, || rights(daemon.vrrp_child()) == wanted)
    };
    is(parent);
    let backups = daemon.logged("Entering BACKUP STATE");
    daemon.reload(&on);
    is(confined(NETWORK, USER_OF_CHILDREN));
    daemon.reload(&off);
    is(parent);
    daemon.reload(&off);
    let replaced = |how| format!("turns confinement {how} - replacing the VRRP child process");
    assert_eq!((daemon.logged(&replaced("on")), daemon.logged(&replaced("off"))), (1, 1));
    assert_eq!(daemon.logged("Children keep all privileges of root"), 3);
    assert_eq!(daemon.logged("Entering BACKUP STATE"), backups);
    daemon.stop();
}

/// Has a process that waits in a system call make another one: the instruction before the one that it would go on with is
/// the call in which it waits; without its number the kernel does not begin that call anew.
#[cfg(target_arch = "x86_64")]
fn have_it_call(pid: i32, call: libc::c_long) {
    let done = Command::new("python3").args(["-c", TRACER, &pid.to_string(), &call.to_string()]).status();
    assert!(done.expect("python3").success());
}

/// Places of registers in the kernel's `struct user_regs_struct`: 10 is RAX, 14 RDI, 15 the number of the call, 16 RIP.
const TRACER: &str = "\
import ctypes, os, sys
pid, call = int(sys.argv[1]), int(sys.argv[2])
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
registers = (ctypes.c_ulong * 27)()
def do(request, data=None):
    if ptrace(request, pid, None, data) != 0:
        sys.exit(f'ptrace {request}: {os.strerror(ctypes.get_errno())}')
do(16)
os.waitpid(pid, 0x40000000)
do(12, registers)
registers[16] -= 2
registers[10], registers[14], registers[15] = call, 0, 0xffffffffffffffff
do(13, registers)
do(17)
";

/// The capabilities that the unit of systemd leaves are enough for all that a daemon does, and for scripts of other users.
#[test]
fn the_unit_of_systemd_leaves_what_is_needed() {
    if is_reference("it is about our unit") {
        return;
    }
    let unit = include_str!("../../rootfs/systemd/lib/systemd/system/keepalived.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    let names = line.expect("the capabilities").split(' ').map(|name| {
        let name = name.strip_prefix("CAP_").expect("a capability").to_lowercase();
        format!(",+{name}")
    });
    let set = format!("-all{}", names.collect::<String>());
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/check", "#!/bin/sh\necho \"$1 $(id -un)\" >> /run/checked\n");
    a.shell("touch /run/checked; chmod 666 /run/checked");
    let script = |user: &str| {
        format!(
            "vrrp_script {user} {{\n script \"/usr/local/bin/check {user}\"\n interval 1\n user {user}\n}}\n"
        )
    };
    let server = "virtual_server 10.9.0.100 80 {\n delay_loop 1\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n \
                  real_server 10.9.0.1 8081 {\n MISC_CHECK {\n misc_path \"/usr/local/bin/check misc\"\n user nobody\n }\n }\n}\n";
    let instance = Instance::default()
        .global("vrrp_rt_priority 10\n vrrp_no_swap\n vrrp_priority -5\n max_open_files 4096\n use_pid_dir")
        .before(&script("root"))
        .before(&script("nobody"))
        .line("use_vmac")
        .line("track_script {\n root\n nobody\n }");
    let conf = instance.text() + if cfg!(feature = "lvs") { server } else { "" };
    a.write(CONF, &conf);
    let daemon = Launch::new(&a, US).capabilities(&set).start();
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let all =
        if cfg!(feature = "lvs") { "misc nobody,nobody nobody,root root" } else { "nobody nobody,root root" };
    eventually("every script has run", START, || {
        all.split(',').all(|line| a.read("/run/checked").lines().any(|one| one == line))
    });
    daemon.reload(&conf.replace("priority 100", "priority 120"));
    let log = daemon.log();
    let refused = log.lines().filter(|line| line.contains("denied") || line.contains("not permitted"));
    assert_eq!(refused.collect::<Vec<_>>(), Vec::<&str>::new());
    assert_eq!(daemon.stop().1, Some(0));
}
