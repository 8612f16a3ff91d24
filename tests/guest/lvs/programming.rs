//! A bench: 200 services of 20 servers go into the table, change by a tenth and leave, ours and Debian's keepalived in one
//! guest. Run by its name alone, of a release build:
//!
//!     cargo test --release --test guest -- bench::programming

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use keepalived::base::addr::IpAddr;
use keepalived::base::ipvs::{Protocol, ServiceKey};
use keepalived::sys::ipvs::Ipvs;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::checking::cpu;
use crate::kit::bounds::holds_within;
use crate::kit::capture::enter_network;
use crate::kit::daemon::{CONF, Daemon, Program};
use crate::kit::node::Node;

const SERVICES: usize = 200;
pub(super) const SERVERS: usize = 20;
/// Programmings that are timed.
const STARTS: usize = 5;
/// Servers that a reload puts in are in 10.4.0.0/16.
const NEW_NET: u8 = 4;
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
        "start, ms until the table is whole",
        "programming by a reload, ms until the table is whole",
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

/// How long each step takes, with nobody who counts: medians.
fn times(program: Program) -> [f64; 6] {
    let node = Node::new("director");
    let daemon = Daemon::start(&node, program, &conf(1, 0));
    assert!(holds_within(BOUND, || count(&node).0 == SERVERS), "{program:?}: the first service");
    // The time until the last service is as wanted after a reload; those before it are then, too.
    let reload = |services, changed| {
        node.write(CONF, &conf(services, changed));
        let last = until_last(&node, services - 1, changed);
        let begin = Instant::now();
        daemon.signal(Signal::SIGHUP);
        let took = last.join().expect("the last service is as wanted") - begin;
        // What follows a change of the table belongs to it.
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(count(&node), (services * SERVERS, services * changed), "{program:?}");
        took
    };
    let (mut all, mut reloads, mut fewest) = (Vec::new(), Vec::new(), usize::MAX);
    for _ in 0..STARTS {
        reload(1, 0);
        all.push(reload(SERVICES, 0));
    }
    for changed in [CHANGED, 0].repeat(RELOADS / 2) {
        reloads.push(reload(SERVICES, changed));
    }
    // Looks at a table that changes hold up those who change it: processor time is counted without them.
    let used = cpu(&daemon);
    for changed in [CHANGED, 0].repeat(RELOADS / 2) {
        node.write(CONF, &conf(SERVICES, changed));
        daemon.signal(Signal::SIGHUP);
        std::thread::sleep(UNSEEN);
        assert_eq!(count(&node), (DESTINATIONS, SERVICES * changed), "{program:?}");
    }
    let used = (cpu(&daemon) - used) * 1e3 / RELOADS as f64;
    for changed in [CHANGED, 0].repeat(RELOADS / 2) {
        node.write(CONF, &conf(SERVICES, changed));
        daemon.signal(Signal::SIGHUP);
        fewest = fewest.min(wait(&node, program, SERVICES, changed));
    }
    let mut stops = vec![daemon.stop().0];
    assert_eq!(count(&node), (0, 0), "{program:?}: after the stop");
    let mut starts = Vec::new();
    for _ in 1..STARTS {
        let last = until_last(&node, SERVICES - 1, 0);
        let begin = Instant::now();
        let daemon = Daemon::start(&node, program, &conf(SERVICES, 0));
        starts.push(last.join().expect("the last service is as wanted") - begin);
        stops.push(daemon.stop().0);
    }
    let [all, starts, reloads, stops] = [all, starts, reloads, stops].map(|mut spans| {
        spans.sort_unstable();
        millis(spans[spans.len() / 2])
    });
    [starts, all, reloads, used, fewest as f64, stops]
}

/// When this service has all servers, so many of them other ones than at first, as the kernel lists it every few
/// milliseconds: that takes it a fraction of what its file of the table takes.
fn until_last(node: &Node, service: usize, changed: usize) -> JoinHandle<Instant> {
    let holder = node.holder();
    let (ready, watches) = sync_channel(1);
    let last = std::thread::spawn(move || {
        enter_network(holder);
        let mut ipvs = Ipvs::open().expect("this kernel has ip_vs");
        let listen = IpAddr::from([10, 2, 0, u8::try_from(service).expect("few services")]);
        let (key, mut servers) = (ServiceKey::Address(Protocol::Tcp, listen, 80), Vec::new());
        ready.send(()).expect("somebody waits");
        let whole = holds_within(BOUND, || {
            std::thread::sleep(Duration::from_millis(2));
            // There may be no such service yet.
            servers.clear();
            let _ = ipvs.destinations(&key, &mut servers);
            let new = servers.iter().filter(|there| is_new(there.destination.key.addr)).count();
            (servers.len(), new) == (SERVERS, changed)
        });
        assert!(whole, "the last service has {servers:?}");
        Instant::now()
    });
    watches.recv().expect("it watches");
    last
}

/// Whether a reload has put this server in.
pub(super) fn is_new(server: IpAddr) -> bool {
    matches!(server, IpAddr::V4(addr) if addr.octets()[1] == NEW_NET)
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

/// Waits until the table is whole; the fewest destinations that it had meanwhile.
fn wait(node: &Node, program: Program, services: usize, changed: usize) -> usize {
    let (mut fewest, wanted) = (usize::MAX, (services * SERVERS, services * changed));
    let settled = holds_within(BOUND, || {
        // Looks cost the daemon time, too.
        std::thread::sleep(Duration::from_millis(20));
        let shown = Shown::of(node);
        fewest = fewest.min(shown.believed_of(node, program, services));
        shown.count() == wanted && count(node) == wanted
    });
    assert!(settled, "the table has {:?} destinations, not {wanted:?}", count(node));
    fewest
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
