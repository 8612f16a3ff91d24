//! Somebody edits the table while the daemon runs.

use std::time::Duration;

use super::stage::{Stage, WEB};
use super::stub::Speaks;
use super::traffic::answers;
use crate::kit::node::UNDER_TEST;

const CONF: &str = "virtual_server 10.9.0.100 80 {
    delay_loop 1
    lvs_sched rr
    lvs_method NAT
    protocol TCP
    real_server 10.9.0.11 80 {
        TCP_CHECK {
            connect_timeout 2
            retry 0
        }
    }
    real_server 10.9.0.12 80 {
        TCP_CHECK {
            connect_timeout 2
            retry 0
        }
    }
}
";

const ONE: &str = "-a -t 10.9.0.100:80 -r 10.9.0.11:80 -m -w 1";
const TWO: &str = "-a -t 10.9.0.100:80 -r 10.9.0.12:80 -m -w 1";
const A_WHILE: Duration = Duration::from_secs(3);

/// What somebody sets on purpose stays: a weight (field case 13), a destination and a scheduler (field case 14), until a
/// verdict changes the server. Everything of the service goes with it in the end (field case 16).
pub(crate) fn on_purpose(stage: &Stage) {
    let mut one = stage.stub("10.9.0.11:80", Speaks::Http(200));
    let _two = stage.stub("10.9.0.12:80", Speaks::Http(200));
    let daemon = stage.start(CONF);
    stage.expect("start", &[WEB, ONE, TWO]);
    stage.steady("checks succeed", A_WHILE, &[WEB, ONE, TWO]);
    stage.director.shell(
        "ipvsadm -e -t 10.9.0.100:80 -r 10.9.0.11:80 -m -w 0
        ipvsadm -a -t 10.9.0.100:80 -r 10.9.0.30:80 -m -w 5
        ipvsadm -E -t 10.9.0.100:80 -s wlc -p 77",
    );
    let edited = "-A -t 10.9.0.100:80 -s wlc -p 77";
    let added = "-a -t 10.9.0.100:80 -r 10.9.0.30:80 -m -w 5";
    let zero = "-a -t 10.9.0.100:80 -r 10.9.0.11:80 -m -w 0";
    stage.steady("checks go on succeeding", A_WHILE, &[edited, zero, TWO, added]);
    stage.reload(&daemon, CONF);
    stage.steady("a reload that changes nothing", A_WHILE, &[edited, zero, TWO, added]);
    one.off();
    stage.expect("the server of weight 0 is down", &[edited, TWO, added]);
    one.on();
    stage.expect("it is up, with its own weight", &[edited, ONE, TWO, added]);
    daemon.stop();
    stage.expect("stop", &[]);
}

/// What the control socket does to weights: in the kernel when the client is told so, with connections that go on, through a
/// reload, a replaced child and a start, and until it is taken back.
pub(crate) fn by_the_socket(stage: &Stage) {
    let _servers = ["10.9.0.11:80", "10.9.0.12:80"].map(|at| stage.stub(at, Speaks::Session));
    let daemon = stage.start(CONF);
    stage.expect("start", &[WEB, ONE, TWO]);
    let ctl = |words: &str| stage.director.shell(&format!("{UNDER_TEST} --ctl {words}"));
    let mut sessions: Vec<_> = (0..2).map(|_| stage.connect("10.9.0.100:80")).collect();
    let zero = "-a -t 10.9.0.100:80 -r 10.9.0.11:80 -m -w 0";
    ctl("drain 10.9.0.11:80");
    assert_eq!(stage.table(), [WEB, zero, TWO], "the kernel has it when the client is told so");
    assert!(sessions.iter_mut().all(answers), "connections go on");
    let json = ctl("status 10.9.0.100:80 --json");
    assert!(json.contains("\"by_hand\":true,") && json.contains("\"table_weight\":0"), "{json}");
    let marked = ctl("status");
    assert!(marked.contains("weight by hand") && marked.matches("weight by hand").count() == 1, "{marked}");
    stage.reload(&daemon, CONF);
    stage.steady("a reload", A_WHILE, &[WEB, zero, TWO]);
    let child: i32 = stage.director.shell("cat /run/checkers.pid").trim().parse().expect("a pid");
    stage.director.shell(&format!("kill -KILL {child}"));
    stage.steady("a replaced child", A_WHILE, &[WEB, zero, TWO]);
    assert!(sessions.iter_mut().all(answers), "connections still go on");
    ctl("weight '[10.9.0.12]:80' 7 --service=10.9.0.100:80 --until-start");
    let seven = TWO.replace("-w 1", "-w 7");
    assert_eq!(stage.table(), [WEB, zero, &*seven]);
    daemon.stop();
    let daemon = stage.start(CONF);
    stage.expect("a start", &[WEB, zero, TWO]);
    ctl("enable 10.9.0.11");
    assert_eq!(stage.table(), [WEB, ONE, TWO]);
    assert!(!ctl("status").contains("by hand"));
    daemon.stop();
    stage.expect("stop", &[]);
}

/// What becomes of the services of others at the start and at the end (field case 12).
pub(crate) fn flushes(stage: &Stage) {
    let _servers = ["10.9.0.11:80", "10.9.0.12:80"].map(|at| stage.stub(at, Speaks::Http(200)));
    let foreign = "-A -u 192.0.2.99:53 -s rr";
    let with = |line: &str| format!("global_defs {{\n {line}\n }}\n{CONF}");
    let ours = [WEB, ONE, TWO];
    let both = [&ours[..], &[foreign]].concat();
    for (line, during, after) in [
        ("lvs_flush_on_stop VS", &both[..], &[foreign][..]),
        ("lvs_flush_on_stop", &both, &[]),
        ("lvs_flush", &ours, &[]),
    ] {
        stage.director.shell(&format!("ipvsadm {foreign}"));
        let daemon = stage.start(&with(line));
        stage.expect(line, during);
        daemon.stop();
        stage.expect("stop", after);
        stage.director.shell("ipvsadm -C");
    }
}
