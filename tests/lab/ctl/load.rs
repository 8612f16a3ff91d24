//! Failover and maintenance under load: 200 virtual routers with traffic to their addresses, while both routers are asked for
//! their status ten times a second. What gives up does so at once, nobody else is MASTER beside it, and what is undone comes
//! back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{US, has_no_socket};
use crate::kit::ask::{answer, wait_status, wait_truth};
use crate::kit::bounds::{ALLOWANCE, EARLY, Timing, eventually};
use crate::kit::capture::{nanos, now};
use crate::kit::client::{Client, longest_cut};
use crate::kit::daemon::Daemon;
use crate::kit::decode::{Event, Stamp};
use crate::kit::load;
use crate::kit::net::{Net, between};
use crate::kit::node::Node;

const INSTANCES: u8 = 200;
/// The first ones are in a sync group.
const IN_GROUP: u8 = 20;
const TIMING: Timing = Timing::v3(20);
const PRIORITIES: [u8; 2] = [250, 240];

/// From the command until priority 0 has left for all that it is about.
const AT_ONCE: Duration = Duration::from_millis(100);
/// Until everything is there after a start.
const BEGUN: Duration = Duration::from_secs(20);
/// Between two echo requests, and between two questions for the status.
const PERIOD: Duration = Duration::from_millis(5);
const POLL: Duration = Duration::from_millis(100);
/// The addresses that clients have traffic with: of the group, and of two others.
const ASKED: [u8; 3] = [1, 100, 200];

fn conf(priority: u8) -> String {
    let members: String = (1..=IN_GROUP).map(|vrid| format!("VI_{vrid}\n")).collect();
    let mut text =
        format!("global_defs {{\n router_id lab\n}}\nvrrp_sync_group G {{\n group {{\n{members}}}\n}}\n");
    for vrid in 1..=INSTANCES {
        writeln!(
            text,
            "vrrp_instance VI_{vrid} {{\n state BACKUP\n interface eth0\n version 3\n advert_int 0.2\n priority {priority}\n \
             virtual_router_id {vrid}\n virtual_ipaddress {{\n 10.9.1.{vrid}/32\n }}\n}}"
        )
        .expect("a string grows");
    }
    text
}

/// Asks a node for its status ten times a second, until it is stopped.
struct Poller {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u32>,
}

impl Poller {
    fn start(node: &Node) -> Self {
        let (socket, stop) = (node.path("/run/keepalived.sock"), Arc::new(AtomicBool::new(false)));
        let over = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut polls = 0;
            while !over.load(Ordering::Relaxed) {
                let text = poll(&socket);
                assert!(text.contains("\"silent\":[]"), "{text}");
                let instances = text.matches("\"virtual_router_id\":").count();
                assert_eq!(instances, usize::from(INSTANCES));
                polls += 1;
                std::thread::sleep(POLL);
            }
            polls
        });
        Self { stop, thread }
    }

    /// How often it was answered.
    fn stop(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("each question was answered in full")
    }
}

fn poll(socket: &PathBuf) -> String {
    let mut stream = UnixStream::connect(socket).expect("it listens");
    stream.write_all(b"status --json\n").expect("it reads");
    let mut reader = BufReader::new(stream);
    let (mut head, mut text) = (String::new(), String::new());
    reader.read_line(&mut head).expect("it answers");
    assert!(head.starts_with("ok "), "{head}");
    let len = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a length");
    reader.take(len).read_to_string(&mut text).expect("it answers");
    text
}

/// The adverts of some virtual routers since.
fn adverts(net: &Net, since: Stamp, vrids: &[u8]) -> BTreeMap<u8, Vec<Event>> {
    let mut of: BTreeMap<u8, Vec<Event>> = vrids.iter().map(|vrid| (*vrid, Vec::new())).collect();
    for event in net.events(since) {
        let vrid = event.advert().map(|advert| advert.vrid);
        if let Some(all) = vrid.and_then(|vrid| of.get_mut(&vrid)) {
            all.push(event);
        }
    }
    of
}

/// Waits until `node` has sent an advert of each of the virtual routers since.
fn wait_masters(net: &Net, since: Stamp, vrids: &[u8], node: &str) {
    eventually(&format!("{node} is MASTER of all of them"), TIMING.master_down(0) + ALLOWANCE, || {
        adverts(net, since, vrids).values().all(|all| all.iter().any(|event| event.is_advert_of(node)))
    });
}

/// Since the command, `a` has given up each of the virtual routers at once, and `b` took over in its time: no advert of the
/// one stands behind an advert of the other. The longest times of both.
fn judge_handover(net: &Net, since: Stamp, vrids: &[u8]) -> [Duration; 2] {
    wait_masters(net, since, vrids, "b");
    let mut longest = [Duration::ZERO; 2];
    for (vrid, all) in adverts(net, since, vrids) {
        let story = || all.iter().map(|event| format!("\n{event}")).collect::<String>();
        let zero = all.iter().position(|event| event.is_goodbye_of("a"));
        let zero = zero.unwrap_or_else(|| panic!("{vrid}: no priority 0{}", story()));
        let (before, after) = all.split_at(zero);
        let rival = before.iter().any(|event| event.node == "b");
        let beside = after.iter().any(|event| event.is_advert_of("a"));
        assert!(!rival && !beside, "{vrid}: two are MASTER{}", story());
        let first = after.iter().find(|event| event.is_advert_of("b")).expect("it was waited for");
        let gave_up = after[0].at;
        assert!(
            between(since, gave_up) <= load::stretched(AT_ONCE, since, gave_up),
            "{vrid}: {:?} until it gave up{}",
            between(since, gave_up),
            story()
        );
        let took = between(gave_up, first.at);
        let skew = TIMING.skew(PRIORITIES[1]);
        assert!(
            took + EARLY >= skew && took <= load::stretched(AT_ONCE, gave_up, first.at) + skew,
            "{vrid}: {took:?} without a MASTER{}",
            story()
        );
        longest = [longest[0].max(between(since, gave_up)), longest[1].max(took)];
    }
    longest
}

/// Since the undo, `a` is MASTER again of each of the virtual routers within the time that a BACKUP listens, and `b` yields to
/// the first advert of that at once: all of them do so together, which takes `b` as long as giving them up. Until then it
/// sends what is due at most once, and with yielding its last advert.
fn judge_return(net: &Net, since: Stamp, vrids: &[u8]) {
    wait_masters(net, since, vrids, "a");
    std::thread::sleep(TIMING.interval * 2);
    for (vrid, all) in adverts(net, since, vrids) {
        let story = || all.iter().map(|event| format!("\n{event}")).collect::<String>();
        let first = all.iter().find(|event| event.is_advert_of("a")).expect("it was waited for").at;
        let bound = TIMING.master_down(PRIORITIES[0]) + AT_ONCE;
        assert!(between(since, first) <= load::stretched(bound, since, first), "{vrid}{}", story());
        let yields = load::stretched(AT_ONCE, first, first + nanos(AT_ONCE));
        let beside: Vec<_> = all.iter().filter(|event| event.is_advert_of("b") && event.at > first).collect();
        let late = beside.iter().any(|event| between(first, event.at) > yields);
        assert!(!late && beside.len() <= 2, "{vrid}: two are MASTER{}", story());
    }
}

#[test]
fn what_gives_up_by_hand_under_load_does_so_at_once_and_comes_back() {
    if has_no_socket() {
        return;
    }
    let net = Net::new();
    let node = |name: &str, host: u8| net.node(name, "eth0", &[&*format!("10.9.0.{host}/16")]);
    let (a, b, c) = (node("a", 1), node("b", 2), node("c", 3));
    let all: Vec<u8> = (1..=INSTANCES).collect();
    let since = now();
    let _one = Daemon::start(&a, US, &conf(PRIORITIES[0]));
    eventually("a is MASTER of all", BEGUN, || {
        adverts(&net, since, &all).values().all(|all| all.iter().any(|event| event.is_advert_of("a")))
    });
    let _two = Daemon::start(&b, US, &conf(PRIORITIES[1]));
    wait_status(
        &b,
        "{(i['state'],i['master'] and i['master']['address']) for i in s['vrrp']['instances']}",
        "{('BACKUP', '10.9.0.1')}",
    );
    let pollers = [Poller::start(&a), Poller::start(&b)];
    let clients = ASKED.map(|vrid| Client::start(&c, Ipv4Addr::new(10, 9, 1, vrid), PERIOD));
    // The addresses are announced again five seconds after the take-over.
    std::thread::sleep(Duration::from_secs(6));
    wait_truth(&a);
    wait_truth(&b);

    let group: Vec<u8> = (1..=IN_GROUP).collect();
    let mut commands = Vec::new();
    for (change, undo, vrids) in [
        ("failover G", "failover G --undo", &group),
        ("failover VI_100", "failover VI_100 --undo", &vec![100]),
        // A member stands for its group.
        ("failover VI_7", "failover G --undo", &group),
        ("maintenance on", "maintenance off", &all),
    ] {
        let others: Vec<u8> = all.iter().copied().filter(|vrid| !vrids.contains(vrid)).collect();
        let stays = |since| {
            let of_others = adverts(&net, since, &others);
            let other = of_others.values().flatten().find(|event| !event.is_advert_of("a"));
            assert!(other.is_none(), "{change}: {other:?}");
        };
        let since = now();
        answer(&a, change);
        let [gave_up, took] = judge_handover(&net, since, vrids);
        eprintln!("{change}: priority 0 within {gave_up:?}, then a MASTER within {took:?}");
        std::thread::sleep(TIMING.master_down(0));
        stays(since);
        let beside = adverts(&net, since + nanos(gave_up), vrids);
        let beside = beside.values().flatten().find(|event| event.is_advert_of("a"));
        assert!(beside.is_none(), "{change}: {beside:?}");
        wait_truth(&a);
        wait_truth(&b);
        let until = now();
        answer(&a, undo);
        judge_return(&net, until, vrids);
        stays(until);
        wait_truth(&a);
        wait_truth(&b);
        wait_status(&a, "{x for i in s['vrrp']['instances'] for x in i['by_hand']}", "set()");
        eventually("a daemon after this one holds nothing back", BEGUN, || {
            !a.exists("/run/keepalived.manual")
        });
        commands.push((change, since, until));
    }
    let polls = pollers.map(Poller::stop);
    let probes = clients.map(Client::stop);
    for (change, since, until) in commands {
        for (probes, vrid) in probes.iter().zip(ASKED) {
            let (from, cut) = longest_cut(probes, since, until, PERIOD);
            let bound = AT_ONCE * 2 + TIMING.skew(PRIORITIES[1]);
            assert!(
                cut <= load::stretched(bound, from, from + nanos(cut)) + load::late(from, from + nanos(cut)),
                "{change}: 10.9.1.{vrid} was away for {cut:?}"
            );
            eprintln!("{change}: 10.9.1.{vrid} away for {cut:?}");
        }
    }
    eprintln!("polled {polls:?} times");
    assert!(polls.iter().all(|polls| *polls > 50), "{polls:?}");
}
