//! A day of a pair of routers, in which each word of the control socket is used: after every step the status of both, as JSON,
//! is what their kernels say (`ip -j`).

use std::cell::RefCell;
use std::collections::BTreeSet;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{TIMING, has_no_socket};
use crate::kit::ask::{answer, ask, code, status, text, wait_status, wait_truth};
use crate::kit::bounds::{START, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::CONF;
use crate::kit::node::{Node, UNDER_TEST};
use crate::kit::pair::Pair;

/// The words so far.
#[derive(Default)]
struct Used(RefCell<BTreeSet<String>>);

impl Used {
    fn note(&self, words: &str) {
        let word = words.split(' ').next().expect("a word");
        self.0.borrow_mut().insert(word.to_owned());
    }

    /// The answer to what must succeed.
    fn answer(&self, node: &Node, words: &str) -> String {
        self.note(words);
        answer(node, words)
    }

    /// What must not succeed says why, and ends with this exit code.
    fn refused(&self, node: &Node, words: &str, expected: i32) -> String {
        self.note(words);
        let output = ask(node, words);
        assert_eq!((code(&output), &*text(&output.stdout)), (expected, ""), "{words}");
        text(&output.stderr)
    }
}

/// A number of the statistics.
fn count(stats: &str, label: &str) -> usize {
    let value = stats.lines().find_map(|line| line.trim().strip_prefix(label)).expect(label);
    value.trim().parse().expect("a number")
}

#[test]
fn each_word_is_used_on_a_pair_and_the_status_is_what_the_kernel_says_after_each() {
    if has_no_socket() {
        return;
    }
    let pair = Pair::new();
    let Pair { net, a, b } = &pair;
    let instance = |priority: u8| Instance::default().priority(priority);
    let [one, _two] = pair.start(&instance(150), &instance(100));
    let used = Used::default();
    let are = |of_a: &str, of_b: &str| {
        wait_status(a, "i['state']", of_a);
        wait_status(b, "i['state']", of_b);
        wait_truth(a);
        wait_truth(b);
    };
    are("MASTER", "BACKUP");

    let pid = a.read("/run/keepalived.pid").trim().to_owned();
    assert!(used.answer(a, "version").contains(&format!(", process {pid} since ")));
    used.note("status");
    assert_eq!(status(a, "s['pid']"), pid);

    // What was sent is what the switch has seen, and what was heard.
    let before = net.adverts(0, "a").len();
    let sent = count(&used.answer(a, "stats"), "Sent:");
    let heard = count(&used.answer(b, "stats"), "Received:");
    assert!(sent >= before && heard > 0, "{sent} sent, {before} seen before, {heard} heard");
    eventually("all of them are seen", START, || net.adverts(0, "a").len() >= sent);
    let became: u32 = status(b, "i['stats']['become_master']").parse().expect("a number");
    used.answer(b, "stats --reset");
    assert!(count(&used.answer(b, "stats"), "Received:") < heard);

    assert!(used.answer(a, "why VI_1").starts_with("VI_1 is MASTER since "));
    assert!(used.answer(b, "why VI_1").contains("10.9.0.1 is MASTER with priority 150"));
    assert_eq!(
        used.refused(b, "garp VI_1", 1),
        "Only a MASTER announces its addresses, and this one is BACKUP.\n"
    );
    let since = now();
    used.answer(a, "garp VI_1");
    net.wait("the address is announced", since, START, |event| event.announces("a", "10.9.0.100"));
    are("MASTER", "BACKUP");

    // The configuration that it says it has is one, and is the same.
    let effective = used.answer(a, "config");
    a.write(CONF, &effective);
    used.note("check");
    assert_eq!(code(&ask(a, &format!("check {CONF}"))), 0);
    assert_eq!(used.answer(a, "reload"), "Nothing is different.\nThe new configuration runs.\n");
    // An address more, first where nobody minds.
    for (node, priority) in [(b, 100), (a, 150)] {
        let mut more = instance(priority);
        more.addresses.push("10.9.0.101".to_owned());
        node.write(CONF, &more.text());
        assert!(used.answer(node, "reload").contains("  +         10.9.0.101"), "it says what is new");
        wait_status(node, "len(i['addresses'])", "2");
    }
    are("MASTER", "BACKUP");
    assert!(a.holds("eth0", "10.9.0.101"));

    // Somebody takes it away.
    a.shell("ip addr del 10.9.0.101/32 dev eth0");
    eventually("it is put back", START, || a.holds("eth0", "10.9.0.101"));
    are("MASTER", "BACKUP");
    assert_eq!(count(&used.answer(a, "stats"), "Addresses put back:"), 1);

    used.answer(a, "failover VI_1");
    are("BACKUP", "MASTER");
    assert!(used.answer(a, "why VI_1").contains("It gave up by hand (failover)"));
    used.answer(a, "failover VI_1 --undo");
    are("MASTER", "BACKUP");
    used.answer(a, "maintenance on");
    are("FAULT", "MASTER");
    used.answer(a, "maintenance off");
    are("MASTER", "BACKUP");
    used.answer(b, "maintenance on");
    are("MASTER", "FAULT");
    used.answer(b, "maintenance off");
    are("MASTER", "BACKUP");

    a.shell("ip link set eth0 down");
    are("FAULT", "MASTER");
    a.shell("ip link set eth0 up");
    are("MASTER", "BACKUP");
    kill(Pid::from_raw(one.vrrp_child()), Signal::SIGKILL).expect("the child runs");
    eventually("it is replaced", START, || used.answer(a, "events").contains(" has died unasked\n"));
    are("MASTER", "BACKUP");

    // What has happened to a router, in order: each state follows from the one before, and as often as it is counted.
    let program = "import json,sys\n\
        e=[x for x in json.load(sys.stdin)['events'] if x['kind']=='transition']\n\
        t=[x['text'].split(': ')[0].split(' to ') for x in e]\n\
        assert all(x['time']<=y['time'] for x,y in zip(e,e[1:])),e\n\
        assert all(x[1]==y[0] for x,y in zip(t,t[1:])),t\n\
        assert ['FAULT','BACKUP'] in t and t[-1][1]=='BACKUP',t\n\
        print(sum(x[1]=='MASTER' for x in t))\n";
    b.write("/run/lab/transitions.py", program);
    let counted = || {
        let told = b.shell(&format!("{UNDER_TEST} --ctl events --json | python3 /run/lab/transitions.py"));
        let told: u32 = told.trim().parse().expect("a number");
        told == became + status(b, "i['stats']['become_master']").parse::<u32>().expect("a number")
    };
    assert!(counted() || counted(), "{}", used.answer(b, "events"));

    let written = b.shell(&format!(
        "kill -$({UNDER_TEST} --signum=JSON) $(cat /run/keepalived.pid)
        until [ -s /tmp/keepalived.json ]; do sleep 0.1; done; cat /tmp/keepalived.json"
    ));
    let printed = used.answer(b, "json");
    let ends = printed.trim_end().ends_with("]") && printed.starts_with("[{\"data\":{\"iname\":\"VI_1\",");
    assert!(ends, "{printed}");
    // The counters have gone on.
    assert_eq!(printed.split("\"stats\"").next(), written.split("\"stats\"").next());

    used.answer(a, "loglevel vrrp debug --for=1");
    used.answer(a, "loglevel vrrp usual");
    // There is no virtual server here; those of the guest have their own tests.
    assert!(!used.answer(a, "checkers").contains("Virtual server"));
    for words in ["drain web", "weight web 3", "enable web"] {
        assert_eq!(used.refused(a, words, 1), "nothing here is called web\n");
    }
    assert!(used.answer(a, "completion bash").contains("keepalivedctl"));
    are("MASTER", "BACKUP");
    net.wait_master("a", now(), TIMING.interval);

    let help = used.answer(a, "help");
    let words = help.lines().filter_map(|line| line.split(' ').next());
    let missing: Vec<_> = words.filter(|word| !used.0.borrow().contains(*word)).collect();
    // The last line is about an option of all of them.
    assert_eq!(missing, ["any"], "words that the day does without");
}
