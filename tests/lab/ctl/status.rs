//! What is said of a router: its state, why it has it, and who does not answer.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{TIMING, US, alone, has_no_socket};
use crate::kit::ask::{answer, ask, code, status, text};
use crate::kit::bounds::{ALLOWANCE, START, eventually};
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Launch};
use crate::kit::node::Node;
use crate::kit::pair::Pair;

#[test]
fn the_status_of_a_pair_is_what_the_kernel_says_at_every_step() {
    if has_no_socket() {
        return;
    }
    let pair = Pair::new();
    let Pair { a, b, .. } = &pair;
    let [one, _two] = pair.start(&Instance::default().priority(150), &Instance::default());
    let agrees = |node: &Node, state: &str| {
        let held = if node.holds("eth0", "10.9.0.100") { "True" } else { "False" };
        assert_eq!(status(node, "i['state']"), state);
        assert_eq!(status(node, "i['addresses'][0]['in_kernel']"), held);
        assert_eq!(held == "True", state == "MASTER", "{}", node.name());
    };
    agrees(a, "MASTER");
    agrees(b, "BACKUP");
    assert_eq!(status(b, "i['master']['address'],i['master']['priority']"), "('10.9.0.1', 150)");
    assert_eq!(status(b, "i['master']['heard_ago'] < 1"), "True");
    assert_eq!(status(a, "s['schema'],s['silent'],i['priority'],i['faults']"), "(1, [], 150, [])");
    // No answer is old.
    assert_eq!(status(a, "abs(s['time']-__import__('time').time()) < 2"), "True");
    let table = answer(b, "status");
    // Colour is for a terminal alone, and for one that wants it.
    let at_terminal = |plain: &str| {
        let (program, socket) = (env!("CARGO_BIN_EXE_keepalived"), b.path("/run/keepalived.sock"));
        let line = format!("{program} --control-socket={} --ctl status", socket.display());
        let output = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env("NO_COLOR", plain)
            .stdin(Stdio::null())
            .output();
        text(&output.expect("script runs").stdout)
    };
    assert!(!table.contains('\x1b') && at_terminal("").contains("\x1b[34mBACKUP\x1b[0m  100 "));
    assert!(!at_terminal("1").contains('\x1b'));
    assert!(table.contains("VI_1             BACKUP  100        0/1"), "{table}");
    assert!(table.contains("10.9.0.1 with priority 150, heard 0."), "{table}");
    let details = answer(a, "status VI_1");
    assert!(details.contains("address     10.9.0.100/32 dev eth0: in the kernel"), "{details}");

    let why = answer(b, "why VI_1");
    assert!(why.contains("10.9.0.1 is MASTER with priority 150, heard 0."), "{why}");
    assert!(
        why.contains(
            "It becomes MASTER with a higher priority than that router, or when that router is silent for 0."
        ),
        "{why}"
    );

    a.shell("ip link set eth0 down");
    eventually("a is in FAULT", START, || status(a, "i['state']") == "FAULT");
    assert!(status(a, "i['faults']").contains("eth0"), "the reason names the interface");
    assert!(answer(a, "status").contains("fault: "));
    let why = answer(a, "why VI_1");
    assert!(why.contains("It cannot take part: ") && why.contains("eth0"), "{why}");
    eventually("b is MASTER", START, || status(b, "i['state']") == "MASTER");
    agrees(b, "MASTER");
    assert_eq!(status(b, "i['master']"), "None");

    a.shell("ip link set eth0 up");
    eventually("a is MASTER again", START, || status(a, "i['state']") == "MASTER");
    eventually("b has yielded", START, || status(b, "i['state']") == "BACKUP");
    agrees(a, "MASTER");
    agrees(b, "BACKUP");
    let before = one.stats().allocations();
    for words in ["status", "status --json", "stats", "status VI_1", "why VI_1", "garp VI_1"] {
        answer(a, words);
    }
    assert_eq!(one.stats().allocations(), before, "answers are written without the heap");
}

#[test]
fn an_effective_priority_is_told_with_what_it_is_made_of() {
    if has_no_socket() {
        return;
    }
    let (net, a) = alone();
    let conf = "vrrp_track_file load {\n file /run/lab/load\n weight 1\n}\n";
    let instance = Instance::default().before(conf).line("track_file {\n load\n }");
    a.write("/run/lab/load", "-30\n");
    let daemon = Daemon::start(&a, US, &instance.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(70));
    assert_eq!(status(&a, "i['priority'],i['configured_priority']"), "(70, 100)");
    assert_eq!(
        status(&a, "[(t['kind'],t['name'],t['adds']) for t in i['tracking']]"),
        "[('file', 'load', -30)]"
    );
    let why = answer(&a, "why VI_1");
    assert!(why.starts_with("VI_1 is MASTER since ") && why.contains(" than 70 is heard.\n"), "{why}");
    assert!(why.ends_with("Its priority is 70 of 100.\nThe file load changes it by -30.\n"), "{why}");
    let details = answer(&a, "status VI_1");
    assert!(details.contains("  priority    70 of 100\n    file load: -30\n"), "{details}");
}

#[test]
fn a_child_that_does_not_answer_is_named() {
    if has_no_socket() {
        return;
    }
    let (_net, a) = alone();
    // So slow that nobody minds a child standing still for a moment.
    let instance = Instance { interval: "30", ..Instance::default() };
    let daemon = Launch::new(&a, US);
    a.write(CONF, &instance.text());
    let daemon = daemon.start();
    eventually("it answers", START, || code(&ask(&a, "status")) == 0);
    let child = daemon.vrrp_child();
    kill(Pid::from_raw(child), Signal::SIGSTOP).expect("the child runs");
    let begun = Instant::now();
    let output = ask(&a, "status --json");
    let took = begun.elapsed();
    let _ = kill(Pid::from_raw(child), Signal::SIGCONT);
    let answer = text(&output.stdout);
    assert_eq!(code(&output), 5, "{answer}");
    assert!(answer.contains("\"silent\":[\"vrrp\"],\"vrrp\":null"), "{answer}");
    assert!(took < Duration::from_secs(4) + ALLOWANCE, "{took:?}");
    eventually("it answers again", START, || code(&ask(&a, "status")) == 0);
}

#[test]
fn a_backup_says_why_it_does_not_preempt_and_only_a_master_announces() {
    if has_no_socket() {
        return;
    }
    let pair = Pair::new();
    let Pair { net, a, b } = &pair;
    let instance = Instance::default().priority(150);
    let [_one, two] = pair.start(&Instance::default(), &instance.clone().line("nopreempt"));
    let why = answer(b, "why VI_1");
    assert!(
        why.contains("with priority 100, heard 0.") && why.contains("its own priority is 150.\n"),
        "{why}"
    );
    assert!(why.contains("It does not preempt (nopreempt)"), "{why}");
    let output = ask(b, "garp VI_1");
    assert_eq!(text(&output.stderr), "Only a MASTER announces its addresses, and this one is BACKUP.\n");
    assert_eq!(code(&output), 1);
    assert_eq!((code(&ask(b, "garp VI_9")), code(&ask(b, "garp")), code(&ask(b, "why"))), (1, 2, 2));

    // What a became MASTER with is out.
    std::thread::sleep(Duration::from_secs(6));
    let announced =
        || net.tshark("a", "arp.isgratuitous && arp.src.proto_ipv4 == 10.9.0.100", &["frame.number"]).len();
    let before = announced();
    assert_eq!(answer(a, "garp VI_1"), "1 addresses are announced.\n");
    eventually("the address is announced again", START, || announced() > before);
    two.reload(&instance.text());
    eventually("b preempts", START, || status(b, "i['state']") == "MASTER");
}
