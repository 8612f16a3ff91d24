//! What an administrator changes by hand lasts as long as it is to last.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{TIMING, US, has_no_socket};
use crate::kit::ask::{answer, ask, code, status, text, wait_status};
use crate::kit::bounds::{START, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::Daemon;
use crate::kit::decode::Stamp;
use crate::kit::net::{Net, between};
use crate::kit::pair::Pair;

/// The time from the end of a client until the capture has what it asked for.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A client has just been answered that `a` gives up, and `since` it was started nobody else was MASTER: priority 0 has left,
/// and `b` takes over in its time.
fn gives_up_at_once(net: &Net, since: Stamp) {
    let answered = now();
    let event = net.wait_master("b", since, START);
    let zeros = net.events(since).into_iter().filter(|event| event.node == "a");
    let mut zeros = zeros.filter(|event| event.advert().is_some_and(|advert| advert.priority == 0));
    let zero = zeros.next_back();
    let zero = zero.unwrap_or_else(|| panic!("no priority 0: {}", net.story(since))).at;
    assert!(zero < answered || between(answered, zero) < AT_ONCE, "{}", net.story(since));
    assert!(between(zero, event.at) < AT_ONCE + TIMING.skew(100), "{}", net.story(since));
}

#[test]
fn a_failover_lasts_until_it_is_undone_or_the_other_router_is_gone() {
    if has_no_socket() {
        return;
    }
    let pair = Pair::new();
    let Pair { net, a, b } = &pair;
    let first = Instance::default().priority(150);
    let [one, two] = pair.start(&first, &Instance::default());
    let output = ask(b, "failover VI_1");
    assert_eq!(
        (code(&output), &*text(&output.stderr)),
        (1, "Only a MASTER can give up, and this one is none.\n")
    );

    let since = now();
    answer(a, "failover VI_1");
    gives_up_at_once(net, since);
    eventually("a is BACKUP", START, || status(a, "i['state'],i['by_hand']") == "('BACKUP', ['failover'])");
    assert!(answer(a, "why VI_1").contains("It gave up by hand (failover), and does not preempt"));
    assert!(answer(a, "status").contains("(failover by hand)"));
    // It survives a reload, a replaced child, and a start of the daemon.
    answer(a, "reload");
    let held = |why: &str| {
        let since = now();
        std::thread::sleep(TIMING.master_down(150) * 3);
        assert_eq!(status(a, "i['state'],i['by_hand']"), "('BACKUP', ['failover'])", "{why}");
        assert!(net.adverts(since, "a").is_empty(), "{why}: {}", net.story(since));
    };
    held("a reload");
    kill(Pid::from_raw(one.vrrp_child()), Signal::SIGKILL).expect("the child runs");
    wait_status(a, "i['state']", "BACKUP");
    held("a replaced child");
    one.stop();
    let one = Daemon::start(a, US, &first.text());
    wait_status(a, "i['state']", "BACKUP");
    held("a start");
    let since = now();
    answer(a, "failover VI_1 --undo");
    net.wait_master("a", since, START + TIMING.master_down(150));
    assert_eq!(status(a, "i['by_hand']"), "[]");

    // The other one goes: nobody else has the address, and the failover is over.
    let since = now();
    answer(a, "failover VI_1");
    net.wait_master("b", since, START);
    let since = now();
    two.stop();
    net.wait_master("a", since, START + TIMING.master_down(150));
    eventually("it is over", START, || status(a, "i['state'],i['by_hand']") == "('MASTER', [])");
    assert!(!a.exists("/run/keepalived.manual"), "the next daemon does not hold back");
    drop(one);
}

#[test]
fn a_node_in_maintenance_gives_all_up_and_takes_nothing() {
    if has_no_socket() {
        return;
    }
    let pair = Pair::new();
    let Pair { net, a, .. } = &pair;
    let first = Instance::default().priority(150);
    let [one, two] = pair.start(&first, &Instance::default());
    assert_eq!(code(&ask(a, "maintenance perhaps")), 2);
    let since = now();
    answer(a, "maintenance on --until-start");
    gives_up_at_once(net, since);
    eventually("a has nothing", AT_ONCE * 10, || !a.holds("eth0", "10.9.0.100"));
    let state = "i['state'],i['faults'],i['by_hand']";
    assert_eq!(status(a, state), "('FAULT', ['maintenance (by hand)'], ['maintenance'])");
    answer(a, "reload");
    kill(Pid::from_raw(one.vrrp_child()), Signal::SIGKILL).expect("the child runs");
    wait_status(a, "i['state']", "FAULT");
    let since = now();
    two.stop();
    std::thread::sleep(TIMING.master_down(150) * 3);
    assert!(net.adverts(since, "a").is_empty(), "it takes nothing, even alone: {}", net.story(since));
    let since = now();
    answer(a, "maintenance off");
    net.wait_master("a", since, START + TIMING.master_down(150));
    // What was to end at the next start does.
    answer(a, "maintenance on --until-start");
    one.stop();
    let _one = pair.start_first(&first);
    let events = answer(a, "events");
    assert!(!events.contains("maintenance"), "{events}");
}
