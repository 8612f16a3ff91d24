//! The demonstration behind `tests/demo`: two routers, a switch and a client; the master is stopped and killed
//! in turn while the client asks for the virtual address every 10 ms. Ends by itself; nothing is left behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::exit,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a demonstration is not the daemon: it prints, waits, reads the clock, and fails by panicking"
)]

use std::net::Ipv4Addr;
use std::time::Duration;

#[allow(dead_code, reason = "the kit serves the labs and the benches too")]
mod kit;

use kit::bounds::{START, Timing};
use kit::capture::{nanos, now};
use kit::client::{Client, Probe, longest_cut};
use kit::daemon::{Daemon, Program};
use kit::decode::Stamp;
use kit::net::Net;

const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const TIMING: Timing = Timing::v3(20);
const PRIORITIES: [u8; 2] = [150, 100];
const PERIOD: Duration = Duration::from_millis(10);

/// What the scheduler of a busy machine may add to a bound before the demonstration calls it broken.
const SLACK: Duration = Duration::from_millis(100);

fn conf(priority: u8) -> String {
    format!(
        "vrrp_instance gateway {{\n    interface eth0\n    virtual_router_id 1\n    version 3\n    \
         state BACKUP\n    priority {priority}\n    advert_int 0.2\n    virtual_ipaddress {{\n        \
         {VIRTUAL}/24\n    }}\n}}\n"
    )
}

/// A line of the timeline.
struct Entry {
    at: Stamp,
    text: String,
}

/// Who holds the address, as the wire has it.
struct Holder {
    node: String,
    priority: u8,
    heard: Stamp,
}

/// A cut that the client may suffer: when its cause was, and by when it must be over.
struct Outage {
    name: &'static str,
    since: Stamp,
    until: Stamp,
    bound: Duration,
    reason: String,
}

fn main() {
    println!("The configuration of router a; router b differs in its priority ({}).\n", PRIORITIES[1]);
    for line in conf(PRIORITIES[0]).lines() {
        println!("    {line}");
    }
    println!(
        "\n    a 192.0.2.2 ──┐\n                  ├── switch ── client 192.0.2.10, asks {VIRTUAL} every 10 ms"
    );
    println!("    b 192.0.2.3 ──┘\n\nRunning for about eight seconds ...\n");

    let net = Net::without_referee();
    let a = net.node("a", "eth0", &["192.0.2.2/24"]);
    let b = net.node("b", "eth0", &["192.0.2.3/24"]);
    let c = net.node("client", "eth0", &["192.0.2.10/24"]);
    let begin = now();
    let mut story = Vec::new();
    let mut tell = |text: &str| story.push(Entry { at: now(), text: text.to_owned() });

    tell("both daemons start");
    let daemon_a = Daemon::start(&a, Program::UnderTest, &conf(PRIORITIES[0]));
    let daemon_b = Daemon::start(&b, Program::UnderTest, &conf(PRIORITIES[1]));
    net.wait_master("a", begin, START + TIMING.master_down(PRIORITIES[0]));
    std::thread::sleep(Duration::from_millis(200));
    let client = Client::start(&c, VIRTUAL, PERIOD);
    std::thread::sleep(Duration::from_secs(1));

    tell("a is stopped (SIGTERM)");
    let stopped = now();
    let (took, _) = daemon_a.stop();
    net.wait_master("b", stopped, TIMING.skew(PRIORITIES[1]));
    std::thread::sleep(Duration::from_secs(1));

    tell("a starts again");
    let returned = now();
    let daemon_a = Daemon::start(&a, Program::UnderTest, &conf(PRIORITIES[0]));
    net.wait_master("a", returned, START + TIMING.master_down(PRIORITIES[0]));
    std::thread::sleep(Duration::from_secs(1));

    tell("a is killed (kill -9 of every process, and its cable goes dead)");
    let killed = now();
    daemon_a.kill();
    net.set_carrier(&Net::port(1), false);
    net.wait_master("b", killed, TIMING.master_down(PRIORITIES[1]));
    std::thread::sleep(Duration::from_secs(1));
    let end = now();
    let probes = client.stop();
    drop(daemon_b);

    tell_what_was_seen(&net, begin, end, &mut story);
    let down = TIMING.master_down(PRIORITIES[1]);
    let skew = TIMING.skew(PRIORITIES[1]);
    let outages = [
        Outage {
            name: "stop of a",
            since: stopped,
            until: returned,
            bound: skew,
            reason: format!("skew time of b, (256 - {}) / 256 x 0.2 s", PRIORITIES[1]),
        },
        Outage {
            name: "return of a",
            since: returned,
            until: killed,
            bound: Duration::ZERO,
            reason: "b yields the moment a advertises".to_owned(),
        },
        Outage {
            name: "death of a",
            since: killed,
            until: end,
            bound: down,
            reason: "3 x 0.2 s + skew time of b".to_owned(),
        },
    ];
    println!("When       What");
    for entry in &story {
        println!("{:>8.3} s {}", seconds(begin, entry.at), entry.text);
    }
    println!("\nFrom SIGTERM to the last process gone: {} ms", took.as_millis());
    let kept = report(&outages, &probes, begin);
    if !kept {
        std::process::exit(1);
    }
}

/// Adds to the story who advertised from when to when, and the announcements that moved the address.
fn tell_what_was_seen(net: &Net, begin: Stamp, end: Stamp, story: &mut Vec<Entry>) {
    let (mut holder, mut announced): (Option<Holder>, Option<String>) = (None, None);
    for event in net.events(begin).into_iter().filter(|event| event.at <= end) {
        let node = event.node.clone();
        if event.is_goodbye_of(&node) {
            story.push(Entry {
                at: event.at,
                text: format!("  {node} says goodbye (advert with priority 0)"),
            });
            holder = None;
        } else if let Some(advert) = event.advert() {
            let before = holder.as_ref().filter(|before| before.node != node);
            let yields = before.is_some_and(|before| {
                before.priority > advert.priority
                    && event.at.saturating_sub(before.heard) < nanos(TIMING.interval)
            });
            if yields {
                story.push(Entry { at: event.at, text: format!("  {node} yields, with a last advert") });
                continue;
            }
            if before.is_some() || holder.is_none() {
                story.push(Entry { at: event.at, text: format!("  {node} is MASTER: its first advert") });
            }
            holder = Some(Holder { node, priority: advert.priority, heard: event.at });
        } else if event.announces(&node, &VIRTUAL.to_string())
            && announced.as_ref() != Some(&node)
            && holder.as_ref().is_some_and(|holder| holder.node == node)
        {
            story
                .push(Entry { at: event.at, text: format!("  {VIRTUAL} is now at {node} (gratuitous ARP)") });
            announced = Some(node);
        }
    }
    story.sort_by_key(|entry| entry.at);
}

/// Prints how long the client was cut off each time; whether every bound was kept.
fn report(outages: &[Outage], probes: &[Probe], begin: Stamp) -> bool {
    let mut kept = true;
    println!("\n{:<12} {:>9} {:>12} {:>8}   why this bound", "Client", "cut from", "cut off for", "bound");
    for outage in outages {
        let (from, cut) = longest_cut(probes, outage.since, outage.until, PERIOD);
        let over = cut > outage.bound + PERIOD + SLACK;
        kept &= !over;
        let from = if cut.is_zero() { "-".to_owned() } else { format!("{:.3} s", seconds(begin, from)) };
        println!(
            "{:<12} {:>9} {:>9} ms {:>5} ms   {}{}",
            outage.name,
            from,
            cut.as_millis(),
            outage.bound.as_millis(),
            outage.reason,
            if over { "  BROKEN" } else { "" }
        );
    }
    println!("\n(The client looks every 10 ms, so a cut may seem up to 10 ms longer than it was.)");
    kept
}

fn seconds(begin: Stamp, at: Stamp) -> f64 {
    Duration::from_nanos(at.saturating_sub(begin).min(nanos(Duration::from_secs(3_600)))).as_secs_f64()
}
