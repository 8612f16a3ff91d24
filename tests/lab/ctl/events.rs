//! What has happened, what a reload says, and what is logged.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{TIMING, US, alone, has_no_socket};
use crate::kit::ask::{answer, ask, code, status, text};
use crate::kit::bounds::{START, eventually};
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon};
use crate::kit::node::UNDER_TEST;
use crate::kit::pair::Pair;

#[test]
fn a_reload_is_answered_with_its_outcome_and_every_mistake() {
    if has_no_socket() {
        return;
    }
    let (net, a) = alone();
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    a.write(CONF, &Instance::default().priority(120).text());
    let said = answer(&a, "reload");
    let changes = "vrrp_instance VI_1 {\n  -     priority 100\n  +     priority 120\n";
    assert_eq!(said, format!("{changes}The new configuration runs.\n"));
    assert_eq!(answer(&a, "reload"), "Nothing is different.\nThe new configuration runs.\n");
    assert_eq!(status(&a, "i['priority']"), "120", "it runs when the answer is there");
    assert!(answer(&a, "config").contains("    priority 120\n"));

    a.write(CONF, &Instance::default().line("nonsense 1").line("priority ten").text());
    let output = ask(&a, "reload");
    let said = text(&output.stderr);
    assert_eq!((code(&output), text(&output.stdout)), (1, String::new()));
    for line in ["'nonsense'", "ten", "New configuration refused - keep running with the old one"] {
        assert!(said.contains(line), "{said}");
    }
    assert_eq!(status(&a, "i['priority']"), "120");
    // The same words without a daemon, and a file that is fit.
    assert_eq!(code(&ask(&a, &format!("check {CONF}"))), 5);
    a.shell(&format!("{UNDER_TEST} --ctl config > /run/lab/effective.conf"));
    assert_eq!(code(&ask(&a, "check /run/lab/effective.conf")), 0);
}

#[test]
fn what_has_happened_is_told_with_its_reason_and_outlives_the_child_that_it_happened_to() {
    if has_no_socket() {
        return;
    }
    let pair = Pair::new();
    let Pair { net, a, b } = &pair;
    let one = pair.start_first(&Instance::default());
    a.shell(&format!(
        "{UNDER_TEST} --ctl events -f </dev/null >/run/lab/followed 2>&1 & echo $! > /run/lab/follower.pid"
    ));
    let two = Daemon::start(b, US, &Instance::default().priority(150).text());
    net.wait_master("b", two.since(), START + TIMING.master_down(150));
    let has = |events: &str, text: &str| assert!(events.contains(text), "{text}: {events}");
    eventually("a has yielded", START, || status(a, "i['state']") == "BACKUP");
    let events = answer(a, "events VI_1");
    has(&events, "  transition  VI_1: INIT to BACKUP: it begins\n");
    has(&events, "  transition  VI_1: BACKUP to MASTER: no MASTER is heard\n");
    has(&events, "  transition  VI_1: MASTER to BACKUP: 10.9.0.2 is MASTER with priority 150\n");
    assert!(!events.contains("process"), "of one object alone: {events}");

    a.shell("ip link set eth0 down");
    eventually("a is in FAULT", START, || status(a, "i['state']") == "FAULT");
    has(&answer(a, "events VI_1"), "  transition  VI_1: BACKUP to FAULT: interface eth0 down\n");
    a.shell("ip link set eth0 up");
    eventually("a is BACKUP again", START, || status(a, "i['state']") == "BACKUP");
    a.write(CONF, &Instance::default().line("nonsense 1").text());
    assert_eq!(code(&ask(a, "reload")), 1);
    a.write(CONF, &Instance::default().text());
    answer(a, "reload");
    let before = answer(a, "events");
    has(&before, "  reload      configuration: it was refused: ");
    has(&before, "  reload      configuration: the new configuration runs\n");

    let child = one.vrrp_child();
    kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
    // On a busy machine the predecessor has been away for too long to be carried on for.
    eventually("it is replaced", START, || {
        answer(a, "events").lines().last().is_some_and(|line| line.contains("INIT to BACKUP"))
    });
    let after = answer(a, "events");
    assert!(after.starts_with(&before), "nothing is lost:\n{before}\n{after}");
    assert!(after[before.len()..].contains(" has died unasked\n"), "{after}");
    eventually("the follower has printed the same", START, || {
        text(&a.try_shell("cat /run/lab/followed").stdout) == after
    });
    a.shell("kill $(cat /run/lab/follower.pid)");
    let json = "import json,sys\ns=json.load(sys.stdin)\ne=s['events']\n\
                print(s['schema'],e[-1]['number']==s['last'],[x['number'] for x in e]==list(range(1,len(e)+1)),len(e))\n";
    a.write("/run/lab/events.py", json);
    let read = a.shell(&format!("{UNDER_TEST} --ctl events --json | python3 /run/lab/events.py"));
    assert_eq!(read.trim(), format!("1 True True {}", after.lines().count()));
}

#[test]
fn the_log_of_a_process_is_told_to_say_more_for_a_time() {
    if has_no_socket() {
        return;
    }
    let (net, a) = alone();
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    // This daemon was started with -D. What `garp` makes it log is a line for each address.
    let line = "Sending gratuitous ARP on eth0";
    std::thread::sleep(Duration::from_secs(6));
    answer(&a, "loglevel vrrp warning --for=2");
    let before = daemon.logged(line);
    answer(&a, "garp VI_1");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(daemon.logged(line), before, "less is logged");
    std::thread::sleep(Duration::from_secs(2));
    answer(&a, "garp VI_1");
    eventually("it logs as usual", START, || daemon.logged(line) > before);
    for words in
        ["loglevel vrrp loud", "loglevel nobody debug", "loglevel vrrp debug --for=0", "loglevel vrrp"]
    {
        assert_eq!(code(&ask(&a, words)), 2, "{words}");
    }
}
