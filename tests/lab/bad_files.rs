//! Files that cannot be used, one after another, for a running daemon with virtual routers and checks: it goes on with what
//! it runs, and says where the mistake is. The kernel of a lab has no ip_vs, which holds up neither.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Program, is_reference};
use crate::kit::load;
use crate::kit::net::{Net, spacings};
use crate::kit::node::Node;

/// Between two runs of a check.
const INTERVAL: Duration = Duration::from_millis(200);
/// Verdicts follow within this time.
const SOON: Duration = Duration::from_secs(5);

/// A virtual router, and a virtual server with a check by a script and one by a connection to nobody.
fn good() -> String {
    Instance::default().text()
        + "virtual_server 192.0.2.10 80 {
    delay_loop 0.2
    lvs_sched rr
    protocol TCP
    real_server 10.9.0.2 80 {
        MISC_CHECK {
            misc_path /usr/local/bin/check
            retry 0
            warmup 0
        }
    }
    real_server 10.9.0.1 9 {
        TCP_CHECK {
            retry 0
            warmup 0
        }
    }
}
"
}

/// When its runs began, in seconds.
const CHECK: &str = "#!/bin/bash\necho $EPOCHREALTIME >>/run/ran\ntest -e /run/up\n";

/// What somebody makes of the file, and what the log says of it; LINE is the first one behind the good file.
type Bad = (&'static str, fn(&Node), &'static [&'static str]);

const BAD: &[Bad] = &[
    (
        "a word that nobody knows",
        |a| a.write(CONF, &(good() + "vrrp_instnace VI_2 {\n}\n")),
        &["keepalived.conf:LINE:1: ", "vrrp_instance"],
    ),
    (
        "half a file",
        |a| a.write(CONF, &good().replace("            warmup 0\n        }\n    }\n}\n", "")),
        &["keepalived.conf:"],
    ),
    ("nothing", |a| a.write(CONF, ""), &["The configuration is empty"]),
    ("no file", |a| a.remove(CONF), &["Config files missing '/etc/keepalived/keepalived.conf'"]),
    ("a folder", |a| drop(a.shell(&format!("mkdir {CONF}"))), &["keepalived.conf' is a directory"]),
    (
        "a file for nobody",
        |a| drop(a.shell(&format!("rmdir {CONF}; echo nonsense >{CONF}; chmod 0 {CONF}"))),
        &["keepalived.conf:1:1: "],
    ),
    (
        "a program",
        |a| drop(a.shell(&format!("cp --remove-destination /bin/true {CONF}"))),
        &["keepalived.conf' is not a regular non-executable file"],
    ),
    (
        "a pipe",
        |a| drop(a.shell(&format!("rm {CONF}; mkfifo {CONF}"))),
        &["keepalived.conf' is not a regular non-executable file"],
    ),
    (
        "noise",
        |a| drop(a.shell(&format!("rm {CONF}; head -c 200000 /dev/urandom >{CONF}"))),
        &["keepalived.conf:"],
    ),
    ("zeros", |a| drop(a.shell(&format!("head -c 200000 /dev/zero >{CONF}"))), &["keepalived.conf:1:1: "]),
    (
        "a file that is longer than the memory",
        |a| drop(a.shell(&format!("truncate -s 20G {CONF}"))),
        &["keepalived.conf' is larger than 256 MiB"],
    ),
    (
        "a hundred thousand mistakes",
        |a| {
            a.remove(CONF);
            a.write(CONF, &(good() + &"nonsense\n".repeat(100_000)));
        },
        &[
            "keepalived.conf:LINE:1: ",
            "1000 new mistakes in the configuration, at /etc/keepalived/keepalived.conf:LINE:1, ",
        ],
    ),
    (
        "a file that includes itself",
        |a| a.write(CONF, &(good() + "include keepalived.conf\n")),
        &["keepalived.conf:LINE:"],
    ),
    (
        "a part that is not there",
        |a| a.write(CONF, &(good() + "includem parts/none.conf\n")),
        &["keepalived.conf:LINE:", "parts/none.conf"],
    ),
    (
        "a part with a mistake",
        |a| {
            a.write("/etc/keepalived/part.conf", "\n  virtual_sever 192.0.2.11 80 {\n }\n");
            a.write(CONF, &(good() + "include part.conf\n"));
        },
        &["part.conf:2:3: ", "virtual_server"],
    ),
];

#[test]
fn a_file_that_cannot_be_used_changes_nothing_and_its_place_is_logged() {
    if is_reference("it goes over to what it understood of them, or ends") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/check", CHECK);
    a.write("/run/up", "");
    let daemon = Daemon::start(&a, Program::UnderTest, &good());
    let timing = Timing::v3(10);
    net.wait_master("a", daemon.since(), START + timing.master_down(100));
    daemon.wait_log("] succeeded", SOON);
    let children = || ["vrrp", "checkers"].map(|name| a.read(&format!("/run/{name}.pid")));
    let line = (good().lines().count() + 1).to_string();
    let (first, begin) = (children(), now());
    for (number, (what, make, said)) in BAD.iter().enumerate() {
        let before = daemon.log().len();
        make(&a);
        daemon.signal(Signal::SIGHUP);
        let refused = "New configuration refused - keep running with the old one";
        eventually(what, START, || daemon.logged(refused) > number);
        let log = daemon.log();
        let lines: Vec<_> = log[before..].lines().collect();
        for text in said.iter().map(|text| text.replace("LINE", &line)) {
            assert!(lines.iter().any(|line| line.contains(&text)), "{what}: {}", lines.join("\n"));
        }
        // A mistake has one line, and a thousand mistakes are shown.
        assert!(lines.len() < 1_100, "{what}: {} lines", lines.len());
        // Checks go on, and what they say counts.
        let verdict = |word: &str| daemon.logged(&format!("] {word}"));
        let (up, down) = (verdict("succeeded"), verdict("failed"));
        a.remove("/run/up");
        eventually(&format!("{what}: a check fails"), SOON, || verdict("failed") > down);
        a.write("/run/up", "");
        eventually(&format!("{what}: a check succeeds"), SOON, || verdict("succeeded") > up);
        assert!(a.holds("eth0", "10.9.0.100"), "{what}");
        assert_eq!(children(), first, "{what}: nobody was replaced");
    }
    let end = now();
    let late = spacings(&net.adverts(begin, "a")).into_iter().max().expect("there were adverts");
    assert!(late < timing.interval + ALLOWANCE, "an advert came {late:?} after the one before");
    let ran: Vec<f64> = a.read("/run/ran").lines().filter_map(|line| line.parse().ok()).collect();
    let worst = ran.windows(2).map(|two| two[1] - two[0]).fold(0.0, f64::max);
    let bound = load::stretched(INTERVAL + ALLOWANCE, begin, end);
    assert!(worst < bound.as_secs_f64(), "a check ran {worst:.3} s after the one before, may be {bound:?}");
    daemon.log().lines().for_each(|line| assert!(!line.contains("exited due to"), "{line}"));
    a.shell(&format!("rm -rf {CONF}"));
    daemon.reload(&good());
    daemon.stop();
}
