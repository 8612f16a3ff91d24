//! The control socket and its client: what they say on a pair of routers is what the kernel says, who may ask what, and that
//! clients which do not behave cost nobody anything.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Launch, Program, is_reference};
use crate::kit::decode::Stamp;
use crate::kit::net::{Net, between, spacings};
use crate::kit::node::{Node, UNDER_TEST};

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

/// Asks; output and exit code as they are.
fn ask(node: &Node, words: &str) -> Output {
    node.try_shell(&format!("{UNDER_TEST} --ctl {words}"))
}

/// Asks for what must succeed.
fn told(node: &Node, words: &str) -> String {
    let output = ask(node, words);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((code(&output), &*err), (0, ""), "{words}: {out}");
    out
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or_default())
}

/// An expression of python over `s`, the status, and `i`, its first instance.
fn status(node: &Node, expression: &str) -> String {
    let program =
        "import json,sys\ns=json.load(sys.stdin)\ni=s['vrrp']['instances'][0]\nprint(eval(sys.argv[1]))\n";
    node.write("/run/lab/status.py", program);
    let line = format!("{UNDER_TEST} --ctl status --json | python3 /run/lab/status.py \"{expression}\"");
    node.shell(&line).trim().to_owned()
}

#[test]
fn the_status_of_a_pair_is_what_the_kernel_says_at_every_step() {
    if is_reference("it has no control socket") {
        return;
    }
    let net = Net::new();
    let (a, b) = (net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"]));
    let one = Daemon::start(&a, US, &Instance::default().priority(150).text());
    let _two = Daemon::start(&b, US, &Instance::default().text());
    net.wait_master("a", one.since(), START + TIMING.master_down(150));
    let agrees = |node: &Node, state: &str| {
        let held = if node.holds("eth0", "10.9.0.100") { "True" } else { "False" };
        assert_eq!(status(node, "i['state']"), state);
        assert_eq!(status(node, "i['addresses'][0]['in_kernel']"), held);
        assert_eq!(held == "True", state == "MASTER", "{}", node.name());
    };
    eventually("b listens to a", START, || status(&b, "i['master']") != "None");
    agrees(&a, "MASTER");
    agrees(&b, "BACKUP");
    assert_eq!(status(&b, "i['master']['address'],i['master']['priority']"), "('10.9.0.1', 150)");
    assert_eq!(status(&b, "i['master']['heard_ago'] < 1"), "True");
    assert_eq!(status(&a, "s['schema'],s['silent'],i['priority'],i['faults']"), "(1, [], 150, [])");
    // No answer is old.
    assert_eq!(status(&a, "abs(s['time']-__import__('time').time()) < 2"), "True");
    let table = told(&b, "status");
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
    let details = told(&a, "status VI_1");
    assert!(details.contains("address     10.9.0.100/32 dev eth0: in the kernel"), "{details}");

    let why = told(&b, "why VI_1");
    assert!(why.contains("10.9.0.1 is MASTER with priority 150, heard 0."), "{why}");
    assert!(
        why.contains(
            "It becomes MASTER with a higher priority than that router, or when that router is silent for 0."
        ),
        "{why}"
    );

    a.shell("ip link set eth0 down");
    eventually("a is in FAULT", START, || status(&a, "i['state']") == "FAULT");
    assert!(status(&a, "i['faults']").contains("eth0"), "the reason names the interface");
    assert!(told(&a, "status").contains("fault: "));
    let why = told(&a, "why VI_1");
    assert!(why.contains("It cannot take part: ") && why.contains("eth0"), "{why}");
    eventually("b is MASTER", START, || status(&b, "i['state']") == "MASTER");
    agrees(&b, "MASTER");
    assert_eq!(status(&b, "i['master']"), "None");

    a.shell("ip link set eth0 up");
    eventually("a is MASTER again", START, || status(&a, "i['state']") == "MASTER");
    eventually("b has yielded", START, || status(&b, "i['state']") == "BACKUP");
    agrees(&a, "MASTER");
    agrees(&b, "BACKUP");
    let before = one.stats().allocations();
    for words in ["status", "status --json", "stats", "status VI_1", "why VI_1", "garp VI_1"] {
        told(&a, words);
    }
    assert_eq!(one.stats().allocations(), before, "answers are written without the heap");
}

#[test]
fn an_effective_priority_is_told_with_what_it_is_made_of() {
    if is_reference("it has no control socket") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
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
    let why = told(&a, "why VI_1");
    assert!(why.starts_with("VI_1 is MASTER since ") && why.contains(" than 70 is heard.\n"), "{why}");
    assert!(why.ends_with("Its priority is 70 of 100.\nThe file load changes it by -30.\n"), "{why}");
    let details = told(&a, "status VI_1");
    assert!(details.contains("  priority    70 of 100\n    file load: -30\n"), "{details}");
}

#[test]
fn a_reload_is_answered_with_its_outcome_and_every_mistake() {
    if is_reference("it has no control socket") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    a.write(CONF, &Instance::default().priority(120).text());
    let answer = told(&a, "reload");
    let changes = "vrrp_instance VI_1 {\n  -     priority 100\n  +     priority 120\n";
    assert_eq!(answer, format!("{changes}The new configuration runs.\n"));
    assert_eq!(told(&a, "reload"), "Nothing is different.\nThe new configuration runs.\n");
    assert_eq!(status(&a, "i['priority']"), "120", "it runs when the answer is there");
    assert!(told(&a, "config").contains("    priority 120\n"));

    a.write(CONF, &Instance::default().line("nonsense 1").line("priority ten").text());
    let output = ask(&a, "reload");
    let answer = text(&output.stderr);
    assert_eq!((code(&output), text(&output.stdout)), (1, String::new()));
    for line in ["'nonsense'", "ten", "New configuration refused - keep running with the old one"] {
        assert!(answer.contains(line), "{answer}");
    }
    assert_eq!(status(&a, "i['priority']"), "120");
    // The same words without a daemon, and a file that is fit.
    assert_eq!(code(&ask(&a, &format!("check {CONF}"))), 5);
    a.shell(&format!("{UNDER_TEST} --ctl config > /run/lab/effective.conf"));
    assert_eq!(code(&ask(&a, "check /run/lab/effective.conf")), 0);
}

#[test]
fn what_has_happened_is_told_with_its_reason_and_outlives_the_child_that_it_happened_to() {
    if is_reference("it has no control socket") {
        return;
    }
    let net = Net::new();
    let (a, b) = (net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"]));
    let one = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", one.since(), START + TIMING.master_down(100));
    a.shell(&format!(
        "{UNDER_TEST} --ctl events -f </dev/null >/run/lab/followed 2>&1 & echo $! > /run/lab/follower.pid"
    ));
    let two = Daemon::start(&b, US, &Instance::default().priority(150).text());
    net.wait_master("b", two.since(), START + TIMING.master_down(150));
    let has = |events: &str, text: &str| assert!(events.contains(text), "{text}: {events}");
    eventually("a has yielded", START, || status(&a, "i['state']") == "BACKUP");
    let events = told(&a, "events VI_1");
    has(&events, "  transition  VI_1: INIT to BACKUP: it begins\n");
    has(&events, "  transition  VI_1: BACKUP to MASTER: no MASTER is heard\n");
    has(&events, "  transition  VI_1: MASTER to BACKUP: 10.9.0.2 is MASTER with priority 150\n");
    assert!(!events.contains("process"), "of one object alone: {events}");

    a.shell("ip link set eth0 down");
    eventually("a is in FAULT", START, || status(&a, "i['state']") == "FAULT");
    has(&told(&a, "events VI_1"), "  transition  VI_1: BACKUP to FAULT: interface eth0 down\n");
    a.shell("ip link set eth0 up");
    eventually("a is BACKUP again", START, || status(&a, "i['state']") == "BACKUP");
    a.write(CONF, &Instance::default().line("nonsense 1").text());
    assert_eq!(code(&ask(&a, "reload")), 1);
    a.write(CONF, &Instance::default().text());
    told(&a, "reload");
    let before = told(&a, "events");
    has(&before, "  reload      configuration: it was refused: ");
    has(&before, "  reload      configuration: the new configuration runs\n");

    let child = one.vrrp_child();
    kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
    // On a busy machine the predecessor has been away for too long to be carried on for.
    eventually("it is replaced", START, || {
        told(&a, "events").lines().last().is_some_and(|line| line.contains("INIT to BACKUP"))
    });
    let after = told(&a, "events");
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
    if is_reference("it has no control socket") {
        return;
    }
    let net = Net::new();
    let (a, b) = (net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"]));
    let one = Daemon::start(&a, US, &Instance::default().priority(150).text());
    net.wait_master("a", one.since(), START + TIMING.master_down(150));
    let two = Daemon::start(&b, US, &Instance::default().text());
    eventually("b listens to a", START, || {
        code(&ask(&b, "status")) == 0 && status(&b, "i['master']") != "None"
    });
    let output = ask(&b, "failover VI_1");
    assert_eq!(
        (code(&output), &*text(&output.stderr)),
        (1, "Only a MASTER can give up, and this one is none.\n")
    );

    let since = now();
    told(&a, "failover VI_1");
    gives_up_at_once(&net, since);
    eventually("a is BACKUP", START, || status(&a, "i['state'],i['by_hand']") == "('BACKUP', ['failover'])");
    assert!(told(&a, "why VI_1").contains("It gave up by hand (failover), and does not preempt"));
    assert!(told(&a, "status").contains("(failover by hand)"));
    // It survives a reload, a replaced child, and a start of the daemon.
    told(&a, "reload");
    let held = |why: &str| {
        let since = now();
        std::thread::sleep(TIMING.master_down(150) * 3);
        assert_eq!(status(&a, "i['state'],i['by_hand']"), "('BACKUP', ['failover'])", "{why}");
        assert!(net.adverts(since, "a").is_empty(), "{why}: {}", net.story(since));
    };
    held("a reload");
    kill(Pid::from_raw(one.vrrp_child()), Signal::SIGKILL).expect("the child runs");
    eventually("it is replaced", START, || {
        code(&ask(&a, "status")) == 0 && status(&a, "i['state']") == "BACKUP"
    });
    held("a replaced child");
    one.stop();
    let one = Daemon::start(&a, US, &Instance::default().priority(150).text());
    eventually("it runs again", START, || {
        code(&ask(&a, "status")) == 0 && status(&a, "i['state']") == "BACKUP"
    });
    held("a start");
    let since = now();
    told(&a, "failover VI_1 --undo");
    net.wait_master("a", since, START + TIMING.master_down(150));
    assert_eq!(status(&a, "i['by_hand']"), "[]");

    // The other one goes: nobody else has the address, and the failover is over.
    let since = now();
    told(&a, "failover VI_1");
    net.wait_master("b", since, START);
    let since = now();
    two.stop();
    net.wait_master("a", since, START + TIMING.master_down(150));
    eventually("it is over", START, || status(&a, "i['state'],i['by_hand']") == "('MASTER', [])");
    assert!(!a.exists("/run/keepalived.manual"), "the next daemon does not hold back");
    drop(one);
}

#[test]
fn a_node_in_maintenance_gives_all_up_and_takes_nothing() {
    if is_reference("it has no control socket") {
        return;
    }
    let net = Net::new();
    let (a, b) = (net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"]));
    let one = Daemon::start(&a, US, &Instance::default().priority(150).text());
    net.wait_master("a", one.since(), START + TIMING.master_down(150));
    let two = Daemon::start(&b, US, &Instance::default().text());
    eventually("b listens to a", START, || {
        code(&ask(&b, "status")) == 0 && status(&b, "i['master']") != "None"
    });
    assert_eq!(code(&ask(&a, "maintenance perhaps")), 2);
    let since = now();
    told(&a, "maintenance on --until-start");
    gives_up_at_once(&net, since);
    eventually("a has nothing", AT_ONCE * 10, || !a.holds("eth0", "10.9.0.100"));
    let state = "i['state'],i['faults'],i['by_hand']";
    assert_eq!(status(&a, state), "('FAULT', ['maintenance (by hand)'], ['maintenance'])");
    told(&a, "reload");
    kill(Pid::from_raw(one.vrrp_child()), Signal::SIGKILL).expect("the child runs");
    eventually("it is replaced", START, || {
        code(&ask(&a, "status")) == 0 && status(&a, "i['state']") == "FAULT"
    });
    let since = now();
    two.stop();
    std::thread::sleep(TIMING.master_down(150) * 3);
    assert!(net.adverts(since, "a").is_empty(), "it takes nothing, even alone: {}", net.story(since));
    let since = now();
    told(&a, "maintenance off");
    net.wait_master("a", since, START + TIMING.master_down(150));
    // What was to end at the next start does.
    told(&a, "maintenance on --until-start");
    one.stop();
    let one = Daemon::start(&a, US, &Instance::default().priority(150).text());
    net.wait_master("a", one.since(), START + TIMING.master_down(150));
    let events = told(&a, "events");
    assert!(!events.contains("maintenance"), "{events}");
}

/// Asks the monitoring port for a page; its code and its text.
fn page(node: &Node, path: &str) -> (String, String) {
    let answer = node.shell(&format!("curl -s -w '\\n%{{http_code}}' http://127.0.0.1:9165{path}"));
    let (text, code) = answer.trim_end().rsplit_once('\n').expect("curl adds a line");
    (code.to_owned(), text.trim_end().to_owned())
}

/// Reads the metrics in both forms by the parsers of Prometheus' own client library.
const SCRAPE: &str = "import urllib.request as u
from prometheus_client.parser import text_string_to_metric_families as text
from prometheus_client.openmetrics.parser import text_string_to_metric_families as om
def get(accept):
  r=u.urlopen(u.Request('http://127.0.0.1:9165/metrics',headers={'Accept':accept}))
  return r.headers['Content-Type'],r.read().decode()
for accept,parse in (('text/plain',text),('application/openmetrics-text',om)):
  kind,body=get(accept)
  assert kind.startswith(accept),kind
  s=[x for f in parse(body) for x in f.samples]
  assert len(set((x.name,tuple(sorted(x.labels.items()))) for x in s))==len(s)
  v={x.name:x for x in s}
  c={'iname':'VI_1','intf':'eth0','vrid':'51'}
  assert v['keepalived_up'].value==1
  assert v['keepalived_vrrp_state'].labels==dict(c,ip_address='10.9.0.100/32'),v['keepalived_vrrp_state']
  assert v['keepalived_vrrp_state'].value==2
  b=v['keepalived_become_master_total']
  assert b.labels==c and b.value==1,b
  assert v['keepalived_advertisements_sent_total'].value>0
  g=v.get('keepalived_vrrp_become_master') or v['keepalived_vrrp_become_master_total']
  assert g.labels=={'name':'VI_1','intf':'eth0','vrid':'51','state':'MASTER'},g
  f=v['keepalived_script_status']
  assert f.labels=={'name':'fine'} and f.value==1,f
  assert v['keepalived_vrrp_addresses_in_kernel'].value==1
  print(len(s))
";

/// Two hundred connections, some of which begin a request that they do not end.
const MISBEHAVES: &str = "import socket,time
s=[]
for i in range(200):
  try:
    c=socket.create_connection(('127.0.0.1',9165),1)
    if i%4==0: c.send(b'GET /met')
    s.append(c)
  except OSError: pass
time.sleep(20)
";

#[test]
fn monitoring_reads_metrics_and_health_over_http_and_nothing_can_be_changed_there() {
    if is_reference("it has no control socket") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let script = "vrrp_script fine {\n script /bin/true\n interval 1\n}\n";
    let instance = Instance {
        globals: vec!["control_http 9165\n enable_dbus".to_owned()],
        ..Instance::default().before(script).line("track_script {\n fine\n }")
    };
    a.shell("ip link set lo up");
    let daemon = Daemon::start(&a, US, &instance.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    assert_eq!(daemon.logged("The control socket replaces D-Bus"), 1);
    let fine = ("200".to_owned(), "ok".to_owned());
    eventually("it is ready", START, || page(&a, "/readyz") == fine);
    assert_eq!(page(&a, "/healthz"), fine);
    a.write("/run/lab/scrape.py", SCRAPE);
    let counts = a.shell("python3 /run/lab/scrape.py");
    assert_eq!(counts.lines().count(), 2, "{counts}");
    let (ok, json) = page(&a, "/status");
    assert!(
        ok == "200" && json.starts_with("{\"schema\":1,") && json.contains("\"name\":\"VI_1\""),
        "{json}"
    );
    assert!(page(&a, "/events").1.contains("BACKUP to MASTER"));
    let (ok, html) = page(&a, "/");
    assert!(ok == "200" && html.starts_with("<!doctype html>"), "{html}");
    assert!(!html.contains("http:") && !html.contains("https:"), "it asks nobody else");
    assert_eq!(page(&a, "/etc/passwd").0, "404");
    let curl = |arguments: &str| a.shell(&format!("curl -s -o /dev/null -w '%{{http_code}}' {arguments}"));
    assert_eq!(curl("-X POST http://127.0.0.1:9165/metrics"), "405");
    assert_eq!(curl("-I http://127.0.0.1:9165/healthz"), "200");
    assert_eq!(curl("-H \"x: $(printf %5000d 1)\" http://127.0.0.1:9165/healthz"), "431");
    let outside = a.try_shell("curl -s -m 2 http://10.9.0.1:9165/healthz");
    assert!(!outside.status.success(), "loopback alone");

    // Addresses that are not where they belong.
    a.shell("ip link set eth0 down");
    eventually("a FAULT without addresses is in its place", START, || page(&a, "/readyz") == fine);
    a.shell("ip link set eth0 up");
    eventually("it is MASTER again", START, || status(&a, "i['state']") == "MASTER");
    a.write("/run/lab/misbehaves.py", MISBEHAVES);
    a.shell("python3 /run/lab/misbehaves.py </dev/null >/dev/null 2>&1 & sleep 1");
    let since = now();
    assert_eq!(page(&a, "/healthz"), fine, "the well-behaved client is answered");
    std::thread::sleep(Duration::from_secs(1));
    let adverts = net.adverts(since, "a");
    assert!(
        spacings(&adverts).iter().all(|space| *space < TIMING.interval + ALLOWANCE),
        "{}",
        net.story(since)
    );
    // A reload takes it away.
    daemon.reload(&Instance { globals: Vec::new(), ..instance }.text());
    eventually("it is gone", START, || !a.shell("ss -Hltn").contains("127.0.0.1:9165"));
}

#[test]
fn a_client_without_a_daemon_ends_at_once_with_one_line() {
    if is_reference("it has no control socket") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let gone = |output: &Output| {
        assert_eq!(text(&output.stderr), "keepalivedctl: no daemon listens at /run/keepalived.sock\n");
        assert_eq!((code(output), text(&output.stdout)), (3, String::new()));
    };
    gone(&ask(&a, "status"));
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    eventually("it listens", START, || code(&ask(&a, "version")) == 0);
    assert_eq!(code(&ask(&a, "frobnicate")), 2);
    assert_eq!(code(&ask(&a, "status NOBODY")), 1);
    daemon.kill();
    // The name is still there, and nobody behind it.
    assert!(a.exists("/run/keepalived.sock"));
    gone(&ask(&a, "status"));
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    eventually("the next one listens there", START, || code(&ask(&a, "version")) == 0);
    a.shell(&format!("ln -s {UNDER_TEST} /run/lab/keepalivedctl"));
    assert_eq!(a.shell("/run/lab/keepalivedctl help"), told(&a, "help"));
    a.shell(&format!("{UNDER_TEST} --ctl completion bash > /run/lab/complete && bash -n /run/lab/complete"));
    daemon.stop();
    assert!(!a.exists("/run/keepalived.sock"), "a daemon that ends takes its socket away");
    gone(&ask(&a, "status"));
}

#[test]
fn the_log_of_a_process_is_told_to_say_more_for_a_time() {
    if is_reference("it has no control socket") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    // This daemon was started with -D. What `garp` makes it log is a line for each address.
    let line = "Sending gratuitous ARP on eth0";
    std::thread::sleep(Duration::from_secs(6));
    told(&a, "loglevel vrrp warning --for=2");
    let before = daemon.logged(line);
    told(&a, "garp VI_1");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(daemon.logged(line), before, "less is logged");
    std::thread::sleep(Duration::from_secs(2));
    told(&a, "garp VI_1");
    eventually("it logs as usual", START, || daemon.logged(line) > before);
    for words in
        ["loglevel vrrp loud", "loglevel nobody debug", "loglevel vrrp debug --for=0", "loglevel vrrp"]
    {
        assert_eq!(code(&ask(&a, words)), 2, "{words}");
    }
}

#[test]
fn root_operates_the_group_looks_and_others_do_nothing() {
    if is_reference("it has no control socket") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = |place: &str| {
        let global =
            format!("control_socket {place}\n control_socket_mode 0666\n control_socket_group daemon");
        Instance { globals: vec![global], ..Instance::default() }.text()
    };
    let daemon = Daemon::start(&a, US, &conf("/run/other.sock"));
    let as_group = |group: &str, words: &str| {
        let asks = format!("{UNDER_TEST} --control-socket=/run/other.sock --ctl {words}");
        a.try_shell(&format!("setpriv --reuid=nobody --regid=nogroup --groups={group} {asks}"))
    };
    eventually("it listens", START, || a.exists("/run/other.sock"));
    assert_eq!(a.shell("stat -c '%a %G' /run/other.sock").trim(), "666 daemon");
    let output = as_group("daemon", "status");
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    for words in ["reload", "config", "garp VI_1", "stats --reset"] {
        let output = as_group("daemon", words);
        assert_eq!((code(&output), text(&output.stdout)), (4, String::new()), "{words}");
    }
    assert_eq!(daemon.logged("Reload"), 0);
    // By the mode of the socket this one gets in, and is shown out.
    assert_eq!(code(&as_group("nogroup", "status")), 3);
    // A reload moves it, or takes it away.
    daemon.reload(&conf("/run/third.sock"));
    eventually("it has moved", START, || a.exists("/run/third.sock") && !a.exists("/run/other.sock"));
    daemon.reload(&conf("none"));
    eventually("it is gone", START, || !a.exists("/run/third.sock"));
}

#[test]
fn a_child_that_does_not_answer_is_named() {
    if is_reference("it has no control socket") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
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
    if is_reference("it has no control socket") {
        return;
    }
    let net = Net::new();
    let (a, b) = (net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"]));
    let one = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", one.since(), START + TIMING.master_down(100));
    let instance = Instance::default().priority(150);
    let two = Daemon::start(&b, US, &instance.clone().line("nopreempt").text());
    eventually("b listens to a", START, || {
        code(&ask(&b, "status")) == 0 && status(&b, "i['master']") != "None"
    });
    let why = told(&b, "why VI_1");
    assert!(
        why.contains("with priority 100, heard 0.") && why.contains("its own priority is 150.\n"),
        "{why}"
    );
    assert!(why.contains("It does not preempt (nopreempt)"), "{why}");
    let output = ask(&b, "garp VI_1");
    assert_eq!(text(&output.stderr), "Only a MASTER announces its addresses, and this one is BACKUP.\n");
    assert_eq!(code(&output), 1);
    assert_eq!((code(&ask(&b, "garp VI_9")), code(&ask(&b, "garp")), code(&ask(&b, "why"))), (1, 2, 2));

    // What a became MASTER with is out.
    std::thread::sleep(Duration::from_secs(6));
    let announced =
        || net.tshark("a", "arp.isgratuitous && arp.src.proto_ipv4 == 10.9.0.100", &["frame.number"]).len();
    let before = announced();
    assert_eq!(told(&a, "garp VI_1"), "1 addresses are announced.\n");
    eventually("the address is announced again", START, || announced() > before);
    two.reload(&instance.text());
    eventually("b preempts", START, || status(&b, "i['state']") == "MASTER");
}

#[cfg(feature = "bfd")]
#[test]
fn sessions_of_a_pair_are_told_as_they_are() {
    if is_reference("it has no control socket") {
        return;
    }
    let net = Net::new();
    let (a, b) = (net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"]));
    let conf = |own: u8, other: u8| {
        format!(
            "bfd_instance other {{\n neighbor_ip 10.9.0.{other}\n source_ip 10.9.0.{own}\n min_rx 100\n min_tx 100\n}}\n"
        )
    };
    a.write(CONF, &conf(1, 2));
    b.write(CONF, &conf(2, 1));
    let (_one, _two) = (Launch::new(&a, US).start(), Launch::new(&b, US).start());
    let session = |node: &Node| {
        let program = "import json,sys\ns=json.load(sys.stdin)['bfd']['sessions'][0]\nprint(s['name'],s['state'],s['neighbor'])\n";
        node.write("/run/lab/session.py", program);
        let line = format!("{UNDER_TEST} --ctl status --json | python3 /run/lab/session.py");
        text(&node.try_shell(&line).stdout).trim().to_owned()
    };
    eventually("both are up", START * 3, || {
        session(&a) == "other Up 10.9.0.2" && session(&b) == "other Up 10.9.0.1"
    });
    b.shell("ip link set eth0 down");
    eventually("a notices", START, || session(&a) == "other Down 10.9.0.2");
    assert!(told(&a, "status other").contains("other            Down "));
    let events = told(&a, "events other");
    assert!(
        events.contains("  session     other: Up: ") && events.contains("  session     other: Down: here "),
        "{events}"
    );
    b.shell("ip link set eth0 up");
    eventually("it is up again", START * 3, || session(&a) == "other Up 10.9.0.2");
}

#[cfg(feature = "lvs")]
#[test]
fn checks_and_servers_are_told_with_their_last_result_and_its_reason() {
    if is_reference("it has no control socket") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = "virtual_server 10.9.0.100 80 {\n delay_loop 1\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n \
                real_server 10.9.0.1 8081 {\n TCP_CHECK {\n connect_timeout 1\n retry 0\n }\n }\n}\n";
    a.write(CONF, conf);
    a.shell("python3 -m http.server -b 10.9.0.1 8081 >/dev/null 2>&1 & echo $! > /run/lab/server.pid");
    let _daemon = Launch::new(&a, US).start();
    let server = |expression: &str| {
        let program = "import json,sys\ns=json.load(sys.stdin)['checker']\nprint(eval(sys.argv[1]))\n";
        a.write("/run/lab/checker.py", program);
        let line = format!("{UNDER_TEST} --ctl status --json | python3 /run/lab/checker.py \"{expression}\"");
        text(&a.try_shell(&line).stdout).trim().to_owned()
    };
    let both = "s['services'][0]['servers'][0]['up'],s['checks'][0]['up'],s['checks'][0]['last_failure']";
    // It counts as up before its first check, and the server may take its time to listen.
    eventually("a check has passed", START, || {
        server("s['checks'][0]['last_run'] is None") == "False" && server(both) == "(True, True, None)"
    });
    let table = told(&a, "checkers");
    assert!(table.contains("TCP_CHECK       [10.9.0.1]:tcp:8081           up          passed "), "{table}");
    assert!(!table.contains("Virtual server"), "the checks alone: {table}");
    assert!(
        told(&a, "checkers --json")
            .contains("\"vrrp\":null,\"checker\":{\"checks\":[{\"kind\":\"TCP_CHECK\"")
    );
    a.shell("kill $(cat /run/lab/server.pid)");
    eventually("the server is down", START, || server(both) == "(False, False, 'the port is closed')");
    assert_eq!(server("s['services'][0]['quorum'],s['services'][0]['servers_up']"), "(False, 0)");
    let table = told(&a, "status");
    assert!(
        table.contains("[10.9.0.100]:tcp:80                           no quorum   0       0/1"),
        "{table}"
    );
    assert!(table.contains("down        failed 0.") || table.contains("down        failed 1."), "{table}");
}

/// 500 clients that say nothing, 50 that send an octet a second, 50 of 64 KiB of garbage, 20 that ask for a lot and do
/// not read; until its standard input ends.
const HOSTILE: &str = "import os,socket,sys,threading,time
def connect():
    s=socket.socket(socket.AF_UNIX); s.settimeout(2)
    try: s.connect('/run/keepalived.sock'); return s
    except OSError: return None
def send(s,octets):
    try: s.sendall(octets)
    except OSError: pass
keep=[connect() for _ in range(500)]
greedy=[connect() for _ in range(20)]
for s in greedy: s and send(s,b'status --json\\n'*30)
slow=[connect() for _ in range(50)]
for _ in range(50):
    s=connect()
    if s: send(s,os.urandom(65536)); s.close()
print('ready',flush=True)
while True:
    for s in slow: s and send(s,b's')
    keep=[s for s in keep if s][-400:]+[connect() for _ in range(100)]
    time.sleep(1)
";

#[test]
fn clients_that_do_not_behave_cost_no_advert_and_no_memory() {
    if is_reference("it has no control socket") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    told(&a, "status");
    let memory = daemon.memory();
    a.write("/run/lab/hostile.py", HOSTILE);
    a.shell("python3 /run/lab/hostile.py > /run/lab/hostile 2>&1 & echo $! > /run/lab/hostile.pid");
    let begun = now();
    eventually("the clients are connected", START * 4, || a.read("/run/lab/hostile").contains("ready"));
    for _ in 0..20 {
        let asked = Instant::now();
        assert_eq!(status(&a, "i['state']"), "MASTER");
        assert!(asked.elapsed() < Duration::from_secs(3) + ALLOWANCE, "{:?}", asked.elapsed());
        std::thread::sleep(Duration::from_millis(100));
    }
    let grown = daemon.memory().saturating_sub(memory);
    assert!(grown < 2_048, "{grown} kB more");
    let parent = daemon.first();
    let open = std::fs::read_dir(format!("/proc/{parent}/fd")).expect("the parent runs").count();
    assert!(open < 80, "{open} descriptors");
    let longest = spacings(&net.adverts(begun, "a")).into_iter().max().expect("adverts");
    assert!(longest < Duration::from_millis(100) + ALLOWANCE, "{longest:?} between two adverts");
    assert_eq!(daemon.logged("does not answer - killing"), 0);
    a.shell("kill $(cat /run/lab/hostile.pid)");
    eventually("a behaving client is answered", START, || code(&ask(&a, "status")) == 0);
}
