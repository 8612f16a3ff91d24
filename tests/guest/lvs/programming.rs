//! A bench: 200 services of 20 servers go into the table, change by a tenth and leave, ours and Debian's keepalived in one
//! guest. Run by its name alone, of a release build:
//!
//!     cargo test --release --test guest -- bench::programming

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::checking::cpu;
use crate::kit::bounds::holds_within;
use crate::kit::daemon::{CONF, Daemon, Program};
use crate::kit::node::Node;

const SERVICES: usize = 200;
pub(super) const SERVERS: usize = 20;
/// Servers that a reload puts in are in 10.4.0.0/16.
pub(super) const NEW_NET: u8 = 4;
/// Servers of each service that a reload replaces.
const CHANGED: usize = 2;
const DESTINATIONS: usize = SERVICES * SERVERS;
const REPLACED: usize = SERVICES * CHANGED;
/// A look at a table that is whole leaves out fewer services.
const SKIPPED: usize = 20;
/// Reloads that are timed, an even number.
const RELOADS: usize = 8;
/// How long a reload has that nobody looks at.
const UNSEEN: Duration = Duration::from_secs(4);
/// The guest is slow.
const BOUND: Duration = Duration::from_secs(120);

/// Programs both and prints their figures beside each other.
pub(crate) fn programming() {
    // The first of the two would wait for them.
    let loaded = Command::new("modprobe").args(["-a", "ip_vs", "ip_vs_wrr"]).status();
    assert!(loaded.is_ok_and(|status| status.success()), "the kernel has IPVS");
    let [ours, theirs] = [Program::UnderTest, Program::Reference]
        .map(|program| [times(program).as_slice(), calls(program).as_slice()].concat());
    let names = [
        "start with one service, ms until it is there",
        "start with all, ms until the table is whole",
        "reload with 10 % changed, ms",
        "reload with 10 % changed, ms of processor time",
        "fewest destinations during the reload",
        "stop, ms until the processes are gone",
        "programming, system calls a destination",
        "reload with 10 % changed, system calls a destination replaced",
        "stop, system calls a destination",
    ];
    for (name, (ours, theirs)) in names.iter().zip(ours.iter().zip(&theirs)) {
        println!("{name:<64} ours {ours:>10.3}  keepalived {theirs:>10.3}  ratio {:>6.2}", ours / theirs);
    }
}

/// How long each step takes, with nobody who counts: the median of the reloads there and back.
fn times(program: Program) -> [f64; 6] {
    let node = Node::new("director");
    let start = |services| {
        let begin = Instant::now();
        let daemon = Daemon::start(&node, program, &conf(services, 0));
        let (whole, _) = wait(&node, program, services, 0);
        (daemon, millis(whole - begin))
    };
    let (daemon, little) = start(1);
    daemon.stop();
    let (daemon, start) = start(SERVICES);
    let (mut reloads, mut fewest) = (Vec::new(), usize::MAX);
    for changed in [CHANGED, 0].repeat(RELOADS / 2) {
        node.write(CONF, &conf(SERVICES, changed));
        let begin = Instant::now();
        daemon.signal(Signal::SIGHUP);
        let (whole, least) = wait(&node, program, SERVICES, changed);
        reloads.push(whole - begin);
        fewest = fewest.min(least);
        // What follows a change of the table belongs to it.
        std::thread::sleep(Duration::from_secs(1));
    }
    reloads.sort_unstable();
    let reload = millis(reloads[RELOADS / 2]);
    // Looks at a table that changes hold up those who change it: processor time is counted without them.
    let used = cpu(&daemon);
    for changed in [CHANGED, 0].repeat(RELOADS / 2) {
        node.write(CONF, &conf(SERVICES, changed));
        daemon.signal(Signal::SIGHUP);
        std::thread::sleep(UNSEEN);
        assert_eq!(count(&node), (DESTINATIONS, SERVICES * changed), "{program:?}");
    }
    let used = (cpu(&daemon) - used) * 1e3 / RELOADS as f64;
    let (stop, _) = daemon.stop();
    assert_eq!(count(&node), (0, 0), "{program:?}: after the stop");
    [little, start, reload, used, fewest as f64, stop.as_secs_f64() * 1e3]
}

/// How many system calls each step takes.
fn calls(program: Program) -> [f64; 3] {
    let node = Node::new("director");
    let daemon = Daemon::start(&node, program, &conf(1, 0));
    assert!(holds_within(BOUND, || count(&node).0 == SERVERS), "{program:?}: the first service");
    let counted = |services, changed| {
        let counting = Counting::begin(&daemon);
        node.write(CONF, &conf(services, changed));
        daemon.signal(Signal::SIGHUP);
        wait(&node, program, SERVICES, changed);
        // What follows a change of the table belongs to it.
        std::thread::sleep(Duration::from_secs(2));
        counting.end()
    };
    let whole = counted(SERVICES, 0);
    let tenth = counted(SERVICES, CHANGED);
    let counting = Counting::begin(&daemon);
    daemon.stop();
    [whole / DESTINATIONS as f64, tenth / REPLACED as f64, counting.end() / DESTINATIONS as f64]
}

/// Services whose first servers, so many, are others than at first. None has a check: all are up.
pub(super) fn conf(services: usize, changed: usize) -> String {
    let mut text = String::from("global_defs {\n    router_id bench\n}\n");
    for service in 0..services {
        text += &format!(
            "virtual_server 10.2.0.{service} 80 {{\n    lvs_sched wrr\n    lvs_method DR\n    protocol TCP\n"
        );
        for server in 1..=SERVERS {
            let net = if server <= changed { NEW_NET } else { 3 };
            text += &format!("    real_server 10.{net}.0.{server} 80 {{\n        weight 1\n    }}\n");
        }
        text += "}\n";
    }
    text
}

/// What the file of the table shows: for each service its destinations, all and those that a reload has put in.
struct Shown {
    services: BTreeMap<String, (usize, usize)>,
}

impl Shown {
    fn of(node: &Node) -> Self {
        let text = node.read("/proc/1/net/ip_vs");
        let (mut services, mut service) = (BTreeMap::new(), None);
        for line in text.lines() {
            if let Some(listen) = line.strip_prefix("TCP  ") {
                let listen = listen.split_whitespace().next().unwrap_or_default();
                // One that is listed twice has the destinations of the last time.
                service = Some(services.entry(listen.to_owned()).or_insert((0, 0)));
                if let Some(count) = &mut service {
                    **count = (0, 0);
                }
            } else if let (Some(dest), Some((all, new))) =
                (line.trim_start().strip_prefix("-> 0A"), &mut service)
            {
                *all += 1;
                *new += usize::from(dest.starts_with("04"));
            }
        }
        Self { services }
    }

    /// Destinations: all, and those that a reload has put in.
    fn count(&self) -> (usize, usize) {
        self.services.values().fold((0, 0), |(all, new), (more, fresh)| (all + more, new + fresh))
    }

    /// The destinations that there are for certain: the file is read in parts, which the kernel continues by counting
    /// services, so that it may leave some out as a whole. One that is not shown counts if the next look shows it, and what
    /// a service has is shown in one piece and counts as it is.
    fn believed(&self, next: &Self) -> usize {
        let skipped = next.services.iter().filter(|(service, _)| !self.services.contains_key(*service));
        self.count().0 + skipped.map(|(_, (all, _))| all).sum::<usize>()
    }

    /// As [`Self::believed`], with another look at once if this one shows too few; what ours lacks is printed.
    fn believed_of(&self, node: &Node, program: Program, services: usize) -> usize {
        if self.count().0 >= services * SERVERS {
            return self.count().0;
        }
        let next = Self::of(node);
        let believed = self.believed(&next);
        // While the table is made for the first time it is short all the time.
        if self.services.len() + SKIPPED > services && program == Program::UnderTest {
            let [short, next_missing] = [self, &next].map(|shown| shown.missing(services));
            println!("a short look: {short}; the next one: {next_missing}; believed: {believed}");
        }
        believed
    }

    /// What is not there of so many services.
    fn missing(&self, services: usize) -> String {
        let fewer: Vec<_> = self.services.iter().filter(|(_, (all, _))| *all < SERVERS).take(5).collect();
        format!(
            "{} destinations, {} services of {services} not shown, with fewer servers, the first: {fewer:?}",
            self.count().0,
            services - self.services.len().min(services),
        )
    }
}

/// Destinations in the table: all, and those that a reload has put in.
fn count(node: &Node) -> (usize, usize) {
    Shown::of(node).count()
}

/// Waits until the table is whole: when it was, and the fewest destinations that it had meanwhile.
///
/// While the table changes the kernel lists a service twice, or not at all: what two looks agree on is believed, and it
/// was so at the first of them.
fn wait(node: &Node, program: Program, services: usize, changed: usize) -> (Instant, usize) {
    let (mut fewest, mut whole) = (usize::MAX, None);
    let wanted = (services * SERVERS, services * changed);
    let settled = holds_within(BOUND, || {
        // Looks cost the daemon time, too.
        std::thread::sleep(Duration::from_millis(20));
        let (begin, shown) = (Instant::now(), Shown::of(node));
        fewest = fewest.min(shown.believed_of(node, program, services));
        if shown.count() != wanted {
            whole = None;
            return false;
        }
        whole.replace(whole.unwrap_or(begin)).is_some()
    });
    assert!(settled, "the table has {:?} destinations, not {wanted:?}", count(node));
    (whole.expect("two looks"), fewest)
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// Counts the system calls of a daemon.
pub(super) struct Counting {
    strace: std::process::Child,
    file: String,
}

impl Counting {
    pub(super) fn begin(daemon: &Daemon<'_>) -> Self {
        let file = format!("/tmp/calls.{}", daemon.first());
        let mut command = Command::new("strace");
        command.args(["-f", "-q", "-c", "-o", &file]).stderr(Stdio::null());
        for pid in daemon.processes() {
            command.args(["-p", &pid.to_string()]);
        }
        let strace = command.spawn().expect("strace (package strace) runs");
        let traced = |pid: &i32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        };
        assert!(holds_within(BOUND, || daemon.processes().iter().all(traced)), "strace sees all processes");
        Self { strace, file }
    }

    /// The calls so far.
    pub(super) fn end(mut self) -> f64 {
        let _ = kill(Pid::from_raw(self.strace.id().cast_signed()), Signal::SIGINT);
        self.strace.wait().expect("strace ends");
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let total = text.lines().find(|line| line.ends_with("total"));
        total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()).unwrap_or(f64::NAN)
    }
}
