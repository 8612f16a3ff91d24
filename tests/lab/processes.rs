//! Tracked processes. Where the kernel tells of processes (the initial namespaces) every event runs through Debian's
//! keepalived as well; in a machine of a lab, where it does not, they are counted each second.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually, holds_within};
use crate::kit::capture::{nanos, now};
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program};
use crate::kit::load;
use crate::kit::net::Net;
use crate::kit::node::{binary_under_test, children, is_alive};
use crate::kit::skip::skip;

const TIMING: Timing = Timing::v3(10);

/// How long it takes until a count is known without events: a second, and some for the walk.
const COUNTED: Duration = Duration::from_millis(1_200);

fn monitor(name: &str, process: &str, settings: &str) -> String {
    format!("vrrp_track_process {name} {{\n    process {process}\n    {settings}\n}}\n")
}

#[test]
fn without_events_all_processes_are_counted_each_second() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = |more: &str| {
        Instance::default()
            .before(&monitor("web", "labweb", "weight 20\n    quorum 2"))
            .before(&monitor("line", "/run/labweb 100000", "weight -7\n    param_match initial"))
            .before(&monitor("none", "labbad", "quorum_max 0"))
            .line(&format!("track_process {{\n        web\n        line\n        none\n    {more}}}"))
    };
    let daemon = Daemon::start(&a, Program::UnderTest, &conf("").text());
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    assert_eq!(first.advert().map(|advert| advert.priority), Some(93), "counted before it begins");
    daemon.wait_log("Failed to set process event listen - errno", ALLOWANCE);
    let priority = |wanted: u8, since| {
        net.wait(&format!("priority {wanted}"), since, COUNTED, |event| {
            event.node == "a" && event.advert().is_some_and(|advert| advert.priority == wanted)
        });
    };
    let since = now();
    let one = a.start_dummy("labweb");
    priority(100, since);
    let since = now();
    a.shell("/run/labweb 9 >/dev/null 2>&1 & /run/labweb 999 >/dev/null 2>&1 &");
    priority(120, since);
    daemon.wait_log("Quorum gained for tracked process web", ALLOWANCE);
    let since = now();
    kill(Pid::from_raw(one), Signal::SIGKILL).unwrap();
    priority(113, since);
    daemon.wait_log("Quorum lost for tracked process line", ALLOWANCE);
    let since = now();
    let bad = a.start_dummy("labbad");
    net.wait("a goodbye", since, COUNTED, |event| event.is_goodbye_of("a"));
    daemon.wait_log("Quorum lost for tracked process none", ALLOWANCE);
    let since = now();
    kill(Pid::from_raw(bad), Signal::SIGKILL).unwrap();
    net.wait_master("a", since, COUNTED + TIMING.master_down(100));
    assert_eq!(daemon.stats().allocations(), 0, "nothing is allocated once it runs");
    assert_eq!(daemon.logged("Failed to set process event listen"), 1, "told once");
    // A reload that looks for more does not disturb, and the new one counts once it is known.
    let since = now();
    daemon.reload(&conf("late\n    ").before(&monitor("late", "labweb", "weight 3")).text());
    priority(116, since);
    assert_eq!(daemon.logged("Entering MASTER STATE"), 2, "the reload left it MASTER");
    a.remove("/tmp/keepalived.data");
    daemon.signal(Signal::SIGUSR1);
    let dump = daemon.dump("/tmp/keepalived.data");
    for wanted in [
        "------< VRRP Track processes >------\n VRRP Track process = web\n   Process = labweb\n   Min processes = 2\n   \
         Current processes = 2\n   Have quorum = true\n   Weight = 20\n   Terminate delay = 0.000000s\n   Fork delay = \
         0.000000s\n   Fork delay timer not running\n   Terminate delay timer not running\n   Full command = false\n   \
         Tracking instances :\n     VI_1, weight 20\n",
        " VRRP Track process = line\n   Process = /run/labweb\n   Parameters = 100000\n   Param match = initial\n",
        "   Max processes = 0\n",
    ] {
        assert!(dump.contains(wanted), "{wanted}\n{dump}");
    }
}

/// A daemon in the initial namespaces, on an interface of its own that nothing is ever sent on: BACKUP behind a
/// master-down time of a minute.
struct Host {
    folder: String,
    interface: String,
    daemon: Option<Child>,
}

impl Host {
    fn start(program: &Path, blocks: &str, names: &str) -> Self {
        // Nobody else has these names: the interfaces lie where other runs have theirs.
        static HOSTS: AtomicU32 = AtomicU32::new(0);
        let (run_number, host) = (std::process::id(), HOSTS.fetch_add(1, Ordering::Relaxed));
        let folder = format!("/tmp/ka-lab-proc-{run_number}-{host}");
        let (interface, peer) = (format!("lp{run_number}a{host}"), format!("lp{run_number}b{host}"));
        fs::create_dir_all(&folder).unwrap();
        run("ip", &["link", "add", &interface, "type", "veth", "peer", "name", &peer]);
        let mut host = Self { folder: folder.clone(), interface: interface.clone(), daemon: None };
        run("ip", &["addr", "add", "127.66.0.1/32", "dev", &interface]);
        run("ip", &["link", "set", &interface, "up"]);
        run("ip", &["link", "set", &peer, "up"]);
        let conf = format!(
            "global_defs {{\n    router_id lab\n    process_monitor_rcv_bufs 1000000\n}}\n{blocks}vrrp_instance V {{\n    \
             state BACKUP\n    interface {interface}\n    virtual_router_id 9\n    priority 100\n    advert_int 20\n    \
             track_process {{\n{names}\n    }}\n    virtual_ipaddress {{\n        127.66.0.9 dev {interface}\n    }}\n}}\n"
        );
        fs::write(format!("{folder}/conf"), conf).unwrap();
        let log = fs::File::create(format!("{folder}/log")).unwrap();
        // Pid files and dumps of its own.
        let line = "mount -t tmpfs lab /run && exec \"$0\" -n -l -D -f \"$1\"";
        let daemon = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--mount", "bash", "-c", line])
            .arg(program)
            .arg(format!("{folder}/conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        host.daemon = Some(daemon);
        host.wait("proc_events has confirmed it is configured", 0);
        host
    }

    fn log(&self) -> String {
        fs::read_to_string(format!("{}/log", self.folder)).unwrap_or_default()
    }

    /// Waits for a line after the first `seen` octets of the log.
    fn wait(&self, line: &str, seen: usize) {
        let logged = || self.log().get(seen..).is_some_and(|log| log.contains(line));
        assert!(holds_within(START, logged), "not logged: {line}\n{}", self.log());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let first = daemon.id().cast_signed();
            let mut all = children(first);
            all.push(first);
            let _ = kill(Pid::from_raw(first), Signal::SIGTERM);
            let end = Instant::now() + START;
            while all.iter().any(|pid| is_alive(*pid)) && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(10));
            }
            for pid in all {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            let _ = daemon.wait();
        }
        let _ = Command::new("ip").args(["link", "del", &self.interface]).status();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn run(program: &str, arguments: &[&str]) {
    assert!(Command::new(program).args(arguments).status().unwrap().success(), "{program} {arguments:?}");
}

/// A process that runs until it is dropped.
struct Dummy(Child);

impl Dummy {
    fn start(words: &[&str]) -> Self {
        Self(Command::new(words[0]).args(&words[1..]).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Dummy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines that tell of a quorum since, sorted: the order within one event is nobody's promise.
fn quorums(log: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| Some(line.get(line.find("Quorum ")?..)?.to_owned()));
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

/// Why some of these labs have nothing to test.
const ELSEWHERE: &str = "not in the initial namespaces: the kernel tells nobody here of processes";

/// What a program and the log need to tell of an event.
const SETTLE: Duration = Duration::from_millis(300);
/// More than [`SETTLE`] is stretched to.
const DELAY: Duration = Duration::from_secs(2);

#[test]
fn events_of_processes_lead_to_what_they_lead_to_with_debians_keepalived() {
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap();
    if namespace.to_str() != Some("pid:[4026531836]") {
        skip(ELSEWHERE);
        return;
    }
    let dummy = format!("/tmp/labproc{}", std::process::id());
    let dummy = dummy.get(..dummy.len().min(20)).unwrap();
    fs::copy("/usr/bin/sleep", dummy).unwrap();
    let name = dummy.trim_start_matches("/tmp/");
    let blocks = [
        monitor("NAME", name, "weight 10"),
        monitor("DELAYED", name, &format!("weight 1\n    delay {}", DELAY.as_secs_f32())),
        monitor("TWO", name, "weight 1\n    quorum 2"),
        monitor("ONE", name, "weight 1\n    quorum_max 1"),
        monitor("NONE", name, "weight -1\n    quorum_max 0"),
        monitor("FULL", dummy, "weight 1\n    full_command"),
        monitor("EXACT", &format!("{dummy} 200"), "weight 1"),
        monitor("INITIAL", &format!("{dummy} 100 20"), "weight 1\n    param_match initial"),
        monitor("PARTIAL", &format!("{dummy} 100 20"), "weight 1\n    param_match partial"),
        monitor("BARE", dummy, "weight 1\n    param_match"),
    ];
    let names = "NAME\nDELAYED\nTWO\nONE\nNONE\nFULL\nEXACT\nINITIAL\nPARTIAL\nBARE";
    let mut told: Vec<Vec<Vec<String>>> = Vec::new();
    for program in [Path::new("/usr/sbin/keepalived"), &binary_under_test()] {
        let host = Host::start(program, &blocks.concat(), names);
        let mut steps = Vec::new();
        let mut seen = host.log().len();
        let mut step = |settle: Duration| {
            let begun = now();
            while now() < begun + nanos(load::stretched(settle, begun, now())) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let log = host.log();
            steps.push(quorums(log.get(seen..).unwrap_or_default()));
            seen = log.len();
        };
        let first = Dummy::start(&[dummy, "200"]);
        host.wait("Changing effective priority", 0);
        step(SETTLE);
        let second = Dummy::start(&[dummy, "100", "20"]);
        step(SETTLE);
        drop(second);
        step(SETTLE);
        let second = Dummy::start(&[dummy, "100", "200"]);
        step(SETTLE);
        drop(first);
        step(SETTLE);
        // Gone and back within the delay: only who has no delay tells.
        let gone = Instant::now();
        drop(second);
        step(SETTLE);
        let third = Dummy::start(&[dummy, "100", "20", "7"]);
        assert!(gone.elapsed() < DELAY, "this machine is too slow: {:?}", gone.elapsed());
        step(DELAY + SETTLE);
        drop(third);
        step(DELAY + SETTLE);
        // Another name for a program that runs, and back again.
        let script = format!(
            "exec -a {name} python3 -c \"import ctypes,time\nset=ctypes.CDLL(None).prctl\nset(15,b'{name}',0,0,0)\ntime.sleep(0.5)\nset(15,b'other',0,0,0)\ntime.sleep(9)\""
        );
        let renamed = Dummy::start(&["bash", "-c", &script]);
        step(SETTLE * 5);
        drop(renamed);
        step(SETTLE);
        drop(host);
        told.push(steps);
    }
    let _ = fs::remove_file(dummy);
    let (theirs, ours) = (&told[0], &told[1]);
    for (number, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
        assert_eq!(ours, theirs, "step {number}");
    }
    assert!(ours.iter().flatten().count() > 20, "{ours:?}");
}

#[test]
fn a_storm_of_processes_ends_in_the_truth() {
    if fs::read_link("/proc/self/ns/pid").unwrap().to_str() != Some("pid:[4026531836]") {
        skip(ELSEWHERE);
        return;
    }
    let name = format!("labst{}", std::process::id());
    let dummy = &format!("/tmp/{name}");
    fs::copy("/usr/bin/sleep", dummy).unwrap();
    let blocks = monitor("STORM", &name, "weight 10\n    quorum 40\n    quorum_max 40");
    let host = Host::start(&binary_under_test(), &blocks, "STORM");
    let mut burst = Command::new("bash")
        .args(["-c", "for i in $(seq 3000); do /bin/true & done; wait"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let all: Vec<Dummy> = (0..40).map(|_| Dummy::start(&[dummy, "100"])).collect();
    burst.wait().unwrap();
    host.wait("Changing effective priority from 100 to 110", 0);
    let seen = host.log().len();
    drop(all);
    host.wait("Changing effective priority from 110 to 100", seen);
    let interface = Path::new("/sys/class/net").join(&host.interface);
    assert!(interface.exists());
    drop(host);
    let _ = fs::remove_file(dummy);
    eventually("nothing is left", START, || !interface.exists());
}
