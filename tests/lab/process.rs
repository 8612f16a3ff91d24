//! How processes are run: names, priorities, processors, memory, receive buffers, network namespaces.

use std::fs;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{START, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Launch, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::{Node, UNDER_TEST, children, command_name};

const US: Program = Program::UnderTest;

/// As the first process of a container the daemon is given the children of those that have ended, and buries them; it
/// stops, and replaces its child, as anywhere else. There is no /dev/watchdog in a node, which it never opens.
#[test]
fn as_the_first_process_of_a_container_it_reaps_what_is_not_its_own() {
    if is_reference("it is about this version") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    assert!(!a.exists("/dev/watchdog"));
    a.write(CONF, &Instance::default().text());
    let since = now();
    let mut outer = a
        .command("unshare")
        .args([
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            UNDER_TEST,
            "-n",
            "-l",
            "-G",
            "-D",
            "-f",
            CONF,
        ])
        .stderr(fs::File::create(a.path("/run/lab/first.log")).expect("a log"))
        .spawn()
        .expect("unshare runs");
    net.wait_master("a", since, START * 2);
    let unshare = children(outer.id().cast_signed())[0];
    let first = children(unshare)[0];
    let status = fs::read_to_string(format!("/proc/{first}/status")).expect("it runs");
    assert!(status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")), "{status}");
    let own = children(first);
    assert_eq!(own.len(), 1, "the VRRP child");
    let orphans = || children(first).len() - own.len();
    let left = Command::new("nsenter")
        .args(["-t", &first.to_string(), "--pid", "--mount", "sh", "-c", "for i in 1 2 3; do sleep 1 & done"])
        .status();
    assert!(left.expect("nsenter runs").success());
    eventually("it has been given orphans", START, || orphans() == 3);
    eventually("they are buried", START, || orphans() == 0);
    kill(Pid::from_raw(own[0]), Signal::SIGKILL).expect("it runs");
    eventually("there is another child", START, || children(first).iter().any(|pid| *pid != own[0]));
    let replaced = now();
    eventually("it advertises", START, || !net.adverts(replaced, "a").is_empty());
    kill(Pid::from_raw(first), Signal::SIGTERM).expect("it runs");
    assert!(outer.wait().expect("it ends").success());
    assert!(!a.holds("eth0", "10.9.0.100"));
    let log = a.read("/run/lab/first.log");
    assert!(log.contains("Stopped Keepalived") && !log.contains("watchdog"), "{log}");
}

/// Nice level, realtime priority and scheduling class of a process.
fn scheduling(pid: i32) -> (i32, i32, i32) {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let fields: Vec<i32> = text
        .rsplit(')')
        .next()
        .expect("fields")
        .split_whitespace()
        .map(|f| f.parse().unwrap_or(-99))
        .collect();
    // The third field is the first one behind the name.
    (fields[19 - 3], fields[40 - 3], fields[41 - 3])
}

const OTHER: i32 = 0;
const ROUND_ROBIN: i32 = 2;
const BATCH: i32 = 3;

/// A line of /proc/PID/`file` by its beginning.
fn line(pid: i32, file: &str, label: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a process");
    let line = text.lines().find_map(|line| line.strip_prefix(label)).expect("the line");
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The processors that a process may run on.
fn processors(pid: i32) -> Vec<u16> {
    let list = line(pid, "status", "Cpus_allowed_list:");
    let number = |text: &str| text.parse::<u16>().expect("a number");
    let ranges = list.split(',').map(|range| range.split_once('-').unwrap_or((range, range)));
    ranges.flat_map(|(first, last)| number(first)..=number(last)).collect()
}

/// Numbers as `vrrp_cpu_affinity` takes them.
fn words(numbers: &[u16]) -> String {
    numbers.iter().map(u16::to_string).collect::<Vec<_>>().join(" ")
}

fn locked(pid: i32) -> bool {
    line(pid, "status", "VmLck:") != "0 kB"
}

fn realtime_limit(pid: i32) -> String {
    line(pid, "limits", "Max realtime timeout")
}

fn conf(global: &str) -> String {
    format!("global_defs {{\n{global}\n}}\n{}", Instance::default().text())
}

/// A track script that tells how it is run.
fn telling_script(node: &Node) -> String {
    node.write_script(
        "/run/tell",
        "#!/bin/sh\nset -- $(sed 's/.*) //' /proc/$$/stat)\nread -r _ _ _ _ soft _ <<END\n\
         $(grep realtime.timeout /proc/$$/limits)\nEND\n\
         echo \"nice $(cut -d' ' -f19 /proc/$$/stat) class $(cut -d' ' -f41 /proc/$$/stat) limit $(grep -o 'timeout *[a-z0-9]*' \
         /proc/$$/limits | tr -s ' ')\" > /run/told.new\nmv /run/told.new /run/told\n",
    );
    "vrrp_script tell {\n script /run/tell\n interval 1\n user root\n}\n".to_owned()
}

#[test]
fn the_child_runs_as_it_is_configured_and_a_reload_changes_it() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let script = telling_script(&a);
    let tracked = |text: String| text.replace("interface eth0", "interface eth0\n track_script {\n tell\n }");
    // Two sets of those that this machine has: different ones, unless it has only one.
    let all = processors(a.holder());
    let (last, others) = all.split_last().expect("this runs on one");
    let others = if others.is_empty() { &all } else { others };
    let text = format!(
        "{script}{}",
        tracked(conf(&format!(
            "process_name parent\nvrrp_process_name router\nvrrp_priority -5\nvrrp_cpu_affinity {last}\nvrrp_no_swap\n\
             umask 022\nmax_auto_priority -1"
        )))
    );
    let daemon = Daemon::start(&a, US, &text);
    eventually("the child is named", START, || command_name(daemon.vrrp_child()) == "router");
    let child = daemon.vrrp_child();
    eventually("a script ran", START, || a.exists("/run/told"));
    assert_eq!(command_name(daemon.first()), "parent");
    assert_eq!(scheduling(child), (-5, 0, OTHER));
    let class = if is_reference("its parent interrupts its child") { OTHER } else { BATCH };
    assert_eq!(scheduling(daemon.first()), (0, 0, class), "the configuration leaves the parent alone");
    assert_eq!(processors(child), [*last]);
    assert!(locked(child) && !locked(daemon.first()));
    assert_eq!(line(child, "status", "Umask:"), "0022");
    assert_eq!(realtime_limit(child), "unlimited unlimited us");
    assert_eq!(a.read("/run/told"), "nice 0 class 0 limit timeout unlimited\n", "scripts run as always");
    if is_reference("it changes priority and processors of a running child, but not its name") {
        return;
    }
    let other = format!("vrrp_priority 4\nvrrp_cpu_affinity {}", words(others));
    daemon.reload(&format!("{script}{}", tracked(conf(&other))));
    assert_eq!(daemon.vrrp_child(), child);
    assert_eq!((scheduling(child), processors(child)), ((4, 0, OTHER), others.to_vec()));
    assert!(!locked(child));
    assert_eq!(line(child, "status", "Umask:"), "0177");
    assert_eq!(
        (command_name(child), command_name(daemon.first())),
        ("keepalived".into(), "keepalived".into())
    );
    daemon.reload(&format!("{script}{}", tracked(conf("process_names"))));
    assert_eq!(scheduling(child), (0, 0, OTHER));
    assert_eq!(processors(child), processors(daemon.first()));
    assert_eq!(command_name(child), "keepalived_vrrp");
    // A replacement does not give way as the parent does.
    kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
    let replaced = || {
        let next = daemon.vrrp_child();
        next != child && scheduling(next) == (0, 0, OTHER)
    };
    eventually("its replacement is at its work", START, replaced);
}

/// Of BFD, and what a reload takes back.
#[test]
fn the_bfd_child_runs_as_it_is_configured() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let last = *processors(a.holder()).last().expect("this runs on one");
    let conf = |global: &str| {
        format!(
            "global_defs {{\n{global}\n}}\nbfd_instance B {{\n neighbor_ip 10.9.0.2\n source_ip 10.9.0.1\n}}\n"
        )
    };
    let settings =
        format!("bfd_process_name sessions\nbfd_priority -5\nbfd_cpu_affinity {last}\nbfd_no_swap");
    let daemon = Daemon::start(&a, US, &conf(&settings));
    let child = || children(daemon.first()).first().copied().unwrap_or_default();
    // The memory is locked last.
    eventually("the child is locked", START, || child() > 0 && locked(child()));
    assert_eq!(command_name(child()), "sessions");
    assert_eq!((scheduling(child()), processors(child())), ((-5, 0, OTHER), vec![last]));
    if is_reference("it keeps its name in a reload") {
        return;
    }
    daemon.reload(&conf("bfd_rt_priority 10\nbfd_rlimit_rttime 20000"));
    assert_eq!(scheduling(child()), (0, 10, ROUND_ROBIN));
    assert_eq!(realtime_limit(child()), "20000 unlimited us");
    assert_eq!(command_name(child()), "keepalived");
    assert!(!locked(child()));
    daemon.stop();
}

#[test]
fn realtime_is_limited_spared_at_reloads_and_raised_when_late() {
    if is_reference("it is killed by its own limit in a long reload") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let script = telling_script(&a);
    let more = |count: u8| -> String {
        (1..=count)
            .map(|n| {
                format!(
                    "vrrp_instance M{n} {{\n interface eth0\n virtual_router_id {n}\n virtual_ipaddress {{\n \
                     10.9.7.{n}\n }}\n track_script {{\n tell\n }}\n}}\n"
                )
            })
            .collect()
    };
    let text = |global: &str, count| format!("global_defs {{\n{global}\n}}\n{script}{}", more(count));
    let daemon = Daemon::start(&a, US, &text("vrrp_rt_priority 10\nvrrp_rlimit_rttime 20000", 1));
    daemon.wait_log("Entering MASTER STATE", START + Duration::from_secs(6));
    let child = daemon.vrrp_child();
    assert_eq!(scheduling(child), (0, 10, ROUND_ROBIN));
    assert_eq!(realtime_limit(child), "20000 unlimited us");
    assert_eq!(a.read("/run/told"), "nice 0 class 0 limit timeout unlimited\n", "scripts are not realtime");
    // The shortest patience there is: a reload and a take-over of all of them survive it.
    let strict =
        "vrrp_rt_priority 12\nvrrp_rlimit_rttime 8000\nmax_auto_priority 14\nmin_auto_priority_delay 50000";
    daemon.reload(&text(strict, 250));
    assert_eq!(scheduling(child), (0, 12, ROUND_ROBIN));
    assert_eq!(realtime_limit(child), "8000 unlimited us");
    eventually("all take over", START + Duration::from_secs(8), || {
        daemon.logged("Entering MASTER STATE") >= 250
    });
    assert_eq!(daemon.vrrp_child(), child, "{}", daemon.log());
    // So do they what befalls all of them at once.
    a.shell("ip link set eth0 down");
    eventually("all are in FAULT", START + Duration::from_secs(8), || {
        daemon.logged("Entering FAULT STATE") >= 250
    });
    a.shell("ip link set eth0 up");
    eventually("all are MASTER again", START + Duration::from_secs(8), || {
        daemon.logged("Entering MASTER STATE") >= 500
    });
    assert_eq!(daemon.vrrp_child(), child, "{}", daemon.log());
    // A child that is late gets more; SIGSTOP makes it late.
    for expected in [13, 14, 14] {
        kill(Pid::from_raw(child), Signal::SIGSTOP).expect("the child");
        std::thread::sleep(Duration::from_millis(1_200));
        kill(Pid::from_raw(child), Signal::SIGCONT).expect("the child");
        assert_eq!(daemon.logged("CPU time limit"), 0, "{}", daemon.log());
        if daemon.vrrp_child() != child {
            assert!(daemon.logged("does not answer") > 0, "{}", daemon.log());
            // The watchdog was faster: a machine under load.
            return;
        }
        std::thread::sleep(Duration::from_millis(300));
        let (_, priority, class) = scheduling(child);
        assert!(
            class == ROUND_ROBIN && priority <= expected && priority > 12,
            "{priority}\n{}",
            daemon.log()
        );
    }
    assert!(daemon.logged("A thread timer expired") > 0 && daemon.logged("Set realtime priority 13") == 1);
    daemon.reload(&text("", 1));
    assert_eq!(scheduling(child), (0, 0, OTHER));
    assert_eq!(realtime_limit(child), "unlimited unlimited us");
}

/// The receive buffers of a process's sockets; the kernel doubles what it is asked for.
fn buffers(pid: i32) -> Vec<u64> {
    // pidfd_open, pidfd_getfd, and of the copies SO_RCVBUF.
    let program = "my $p = syscall(434, $ARGV[0] + 0, 0); for my $f (3 .. 60) { my $d = syscall(438, $p, $f, 0); \
                   next if $d < 0; open(my $h, '+<&=', $d) or next; my $size = getsockopt($h, 1, 8); \
                   print unpack('i', $size), qq(\n) if defined $size }";
    let output = Command::new("perl").args(["-e", program, &pid.to_string()]).output();
    let text = output.expect("perl (package perl-base) runs").stdout;
    String::from_utf8_lossy(&text).lines().filter_map(|line| line.parse().ok()).collect()
}

#[test]
fn receive_buffers_have_the_size_that_is_asked_for() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let instance = Instance::default().text();
    let with = |global: &str| format!("global_defs {{\n{global}\n}}\n{instance}");
    // An advert of one address is 40 octets with its header in version 2, 32 in version 3.
    let version3 = instance.contains("version 3");
    let advert = if version3 { 32 } else { 40 };
    let cases = [
        ("vrrp_rx_bufs_policy 30000", 60_000),
        ("vrrp_rx_bufs_policy MTU\nvrrp_rx_bufs_multiplier 10", 2 * 15_000),
        ("vrrp_rx_bufs_policy ADVERT\nvrrp_rx_bufs_multiplier 1000", 2 * 1_000 * advert),
    ];
    for (global, expected) in cases {
        let daemon = Daemon::start(&a, US, &with(global));
        eventually("the queue of adverts has its size", START, || {
            buffers(daemon.vrrp_child()).contains(&expected)
        });
        daemon.stop();
    }
    let own = instance.replace("interface eth0", "interface eth0\n kernel_rx_buf_size 41000");
    let daemon = Daemon::start(&a, US, &format!("global_defs {{\nvrrp_rx_bufs_policy 30000\n}}\n{own}"));
    eventually("an instance's own size counts", START, || buffers(daemon.vrrp_child()).contains(&82_000));
    daemon.stop();
    let netlink = "vrrp_netlink_cmd_rcv_bufs 70000\nvrrp_netlink_monitor_rcv_bufs 30000000\n";
    let most = fs::read_to_string("/proc/sys/net/core/rmem_max").expect("a sysctl");
    let most = 2 * most.trim().parse::<u64>().expect("a number");
    for (force, expected) in
        [("", most.min(60_000_000)), ("vrrp_netlink_monitor_rcv_bufs_force\n", 60_000_000)]
    {
        let daemon = Daemon::start(&a, US, &with(&format!("{netlink}{force}")));
        eventually("netlink's queues have their sizes", START, || {
            let there = buffers(daemon.vrrp_child());
            there.contains(&140_000) && there.contains(&expected)
        });
        daemon.stop();
    }
}

#[test]
fn daemons_in_two_namespaces_do_not_know_each_other() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    for name in ["blue", "red"] {
        a.shell(&format!(
            "ip netns add {name}; ip -n {name} link set lo up; ip -n {name} link add eth7 type veth peer name peer7; \
             ip -n {name} link set peer7 up; ip -n {name} link set eth7 up; ip -n {name} addr add 10.9.0.1/24 dev eth7"
        ));
    }
    let text = Instance::default().text().replace("eth0", "eth7");
    a.write("/etc/blue", &format!("net_namespace blue\n{text}"));
    a.write("/etc/red", &format!("net_namespace blue\ninstance foo\n{text}"));
    let launch = |words: &[&str]| {
        let usual = ["-n", "-l", "-G", "-D"];
        Launch::new(&a, US).arguments(&[&usual[..], words].concat()).start()
    };
    let blue = launch(&["-f", "/etc/blue"]);
    // The command line is stronger than the file.
    let red = launch(&["-f", "/etc/red", "-s", "red"]);
    let holds = |name: &str| a.shell(&format!("ip -n {name} -o addr")).contains(" 10.9.0.100/");
    eventually("both are masters", START + Duration::from_secs(6), || holds("blue") && holds("red"));
    assert!(!a.shell("ip -o addr").contains("10.9.0.100/"));
    for (file, daemon) in
        [("blue/keepalived.pid", &blue), ("blue/vrrp.pid", &blue), ("red/keepalived_foo.pid", &red)]
    {
        assert!(a.exists(&format!("/run/keepalived/{file}")), "{file}: {}", a.shell("find /run/keepalived"));
        assert_ne!(daemon.first(), 0);
    }
    assert!(!a.exists("/run/keepalived/keepalived.pid") && !a.exists("/run/keepalived.pid"));
    assert!(red.log().contains("Changing syslog ident to Keepalived_red_foo"), "{}", red.log());
    // A second one in the same namespace is one too many.
    let second = launch(&["-f", "/etc/blue"]);
    assert_eq!(second.wait_end(START), Some(0));
    if !is_reference("it goes over to an empty configuration") {
        a.write("/etc/blue", &format!("net_namespace red\n{text}"));
        blue.signal(Signal::SIGHUP);
        blue.wait_log("net_namespace and instance cannot be changed by a reload", START);
        assert!(holds("blue"));
    }
    blue.stop();
    eventually("its address goes with the first, not the other's", START, || !holds("blue"));
    assert!(holds("red"));
    red.stop();
    assert!(!a.exists("/run/keepalived/blue/keepalived.pid") && !holds("red"));
}

#[test]
fn a_config_test_looks_into_the_namespace_and_a_missing_one_is_told() {
    if is_reference("its config test looks for interfaces in its own namespace") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("ip netns add blue; ip -n blue link add eth7 type veth peer name peer7");
    let text = Instance::default().text().replace("eth0", "eth7");
    a.write(CONF, &format!("net_namespace blue\n{text}"));
    let test = |more: &str| {
        let output = a.try_shell(&format!("/run/lab/keepalived -t -f {CONF} {more}"));
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = test("");
    assert!(code == Some(0) && !said.contains("doesn't exist"), "{code:?} {said}");
    a.write(CONF, &format!("net_namespace green\n{text}"));
    let (code, said) = test("");
    // It may not be there yet, and a test may be made elsewhere: told, and not held against the file.
    assert!(said.contains("Unable to enter network namespace green"), "{code:?} {said}");
    a.write(CONF, &format!("net_namespace green\n{}", text.replace("eth7", "eth0")));
    assert_eq!(test("").0, Some(0));
    a.write(CONF, &format!("net_namespace green\n{text}"));
    let daemon = Launch::new(&a, US).start();
    assert_eq!(daemon.wait_end(START), Some(2));
    assert_eq!(test("-s blue").0, Some(0));
}
