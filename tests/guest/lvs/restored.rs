//! Where ours is right and keepalived's is not: what somebody deleted, what a crashed run left, what two groups share.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::stage::{CHECK, Stage, WEB, conf};
use super::stub::Speaks;
use crate::kit::bounds::eventually;
use crate::kit::daemon::Program;
use crate::kit::node::{children, is_alive};

const A_WHILE: Duration = Duration::from_secs(3);
fn server(addr: &str) -> String {
    format!("-a -t 10.9.0.100:80 -r {addr}:80 -m -w 1")
}

/// A service that somebody deleted is back after a reload that changes nothing (field case 10), and when one of its servers
/// comes back (field case 11); both are told.
pub(crate) fn deleted(stage: &Stage) {
    let mut one = stage.stub("10.9.0.11:80", Speaks::Http(200));
    let _two = stage.stub("10.9.0.12:80", Speaks::Http(200));
    let conf = conf("", &[("10.9.0.11", CHECK), ("10.9.0.12", CHECK)]);
    let (first, second) = (server("10.9.0.11"), server("10.9.0.12"));
    let daemon = stage.start(&conf);
    stage.expect("start", &[WEB, &first, &second]);
    stage.steady("both are up", A_WHILE, &[WEB, &first, &second]);
    stage.director.shell("ipvsadm -D -t 10.9.0.100:80");
    stage.reload(&daemon, &conf);
    stage.expect("a reload brings it back", &[WEB, &first, &second]);
    one.off();
    stage.expect("a server is down", &[WEB, &second]);
    stage.director.shell("ipvsadm -D -t 10.9.0.100:80");
    one.on();
    stage.expect("a server that is up again brings it back", &[WEB, &first, &second]);
    daemon.stop();
    stage.expect("stop", &[]);
}

/// After kill -9 of everything the next run corrects what is there without an error, keeps what matches and its
/// connections, and removes what was its own (field case 15), but not what somebody added (field case 14). What is there
/// already and comes into the file is taken over as the file says (field case 35).
pub(crate) fn left_over(stage: &Stage) {
    let _sessions = ["10.9.0.11:80", "10.9.0.12:80", "10.9.0.13:80", "10.9.0.30:80"]
        .map(|at| stage.stub(at, Speaks::Session));
    let (first, second) = (server("10.9.0.11"), server("10.9.0.12"));
    let daemon = stage.start(&conf("", &[("10.9.0.11", ""), ("10.9.0.12", ""), ("10.9.0.13", "")]));
    stage.expect("start", &[WEB, &first, &second, &server("10.9.0.13")]);
    let by_hand = "-a -t 10.9.0.100:80 -r 10.9.0.30:80 -m -w 5";
    stage.director.shell("ipvsadm -a -t 10.9.0.100:80 -r 10.9.0.30:80 -m -w 5");
    let mut sessions = [(); 4].map(|()| stage.connect("10.9.0.100:80"));
    daemon.kill();
    let fewer = conf("", &[("10.9.0.11", ""), ("10.9.0.12", "")]).replace("lvs_sched rr", "lvs_sched wlc");
    let daemon = stage.start(&fewer);
    let scheduled = "-A -t 10.9.0.100:80 -s wlc";
    stage.expect("another start", &[scheduled, &first, &second, by_hand]);
    assert_eq!(daemon.logged("exists") + daemon.logged("No such"), 0, "{}", daemon.log());
    // One of the four was at the server that is gone.
    let alive =
        sessions.iter_mut().filter_map(|session| super::traffic::answers(session).then_some(())).count();
    assert_eq!(alive, 3, "connections to servers that stay go on");
    let four = [("10.9.0.11", ""), ("10.9.0.12", ""), ("10.9.0.30", "weight 2")];
    stage.reload(&daemon, &conf("", &four).replace("lvs_sched rr", "lvs_sched wlc"));
    let taken = "-a -t 10.9.0.100:80 -r 10.9.0.30:80 -m -w 2";
    stage.expect("it is in the file now", &[scheduled, &first, &second, taken]);
    stage.reload(&daemon, &fewer);
    stage.expect("and no longer", &[scheduled, &first, &second]);
    daemon.stop();
    stage.expect("stop", &[]);
}

/// Two groups with one address (field case 4), and a group whose address is exchanged for another one (field case 5).
pub(crate) fn groups(stage: &Stage) {
    let groups = |second: &str, first: &str| {
        let service = |group: &str, at: u8| {
            format!(
                "virtual_server group {group} {{
                lvs_sched rr
                lvs_method NAT
                protocol TCP
                real_server 10.9.0.{at} {{
                }}
                }}\n"
            )
        };
        format!(
            "virtual_server_group g1 {{\n {first}\n }}\nvirtual_server_group g2 {{\n {second}\n }}\n{}{}",
            service("g1", 11),
            service("g2", 12)
        )
    };
    let entry = |addr: &str, port: u16, at: u8| {
        let service = format!("-t 10.9.0.{addr}:{port}");
        [format!("-A {service} -s rr"), format!("-a {service} -r 10.9.0.{at}:{port} -m -w 1")]
    };
    let expect = |step: &str, entries: &[[String; 2]]| {
        let lines: Vec<_> = entries.iter().flatten().map(String::as_str).collect();
        stage.expect(step, &lines);
    };
    let daemon = stage.start(&groups("10.9.0.101 80\n 10.9.0.100 80", "10.9.0.100 80"));
    // The first group of the file has what both want.
    let (shared, own) = (entry("100", 80, 11), entry("101", 80, 12));
    expect("start", &[shared.clone(), own.clone()]);
    stage.reload(&daemon, &groups("10.9.0.101 80", "10.9.0.100 80"));
    expect("the second group lets go", &[shared.clone(), own.clone()]);
    stage.reload(&daemon, &groups("10.9.0.101 80", "10.9.0.100 80\n 10.9.0.100 443"));
    expect("the first one grows", &[shared.clone(), own.clone(), entry("100", 443, 11)]);
    stage.reload(&daemon, &groups("10.9.0.101 80", "10.9.0.100 80\n 10.9.0.100 2333"));
    expect("a port is exchanged", &[shared, own, entry("100", 2_333, 11)]);
    daemon.stop();
    stage.expect("stop", &[]);
}

/// A check that is redefined while everything is down is tried at once, and nothing is up before it succeeds (field case
/// 31); the only server of a service is replaced without its quorum being lost (field case 34).
pub(crate) fn redefined(stage: &Stage) {
    let _sorry = stage.stub("10.9.0.19:80", Speaks::Http(200));
    let sorry = "-a -t 10.9.0.100:80 -r 10.9.0.19:80 -m -w 1";
    let lines = "sorry_server 10.9.0.19 80
        quorum_up \"/bin/sh -c 'echo up >>/tmp/quorum'\" root
        quorum_down \"/bin/sh -c 'echo down >>/tmp/quorum'\" root";
    let with_port = |port: u16| {
        format!(
            "TCP_CHECK {{\n connect_port {port}\n connect_timeout 2\n retry 0\n warmup 60\n delay_loop 60\n }}"
        )
    };
    let daemon = stage.start(&conf(lines, &[("10.9.0.11", CHECK)]));
    stage.expect("nothing listens", &[WEB, sorry]);
    stage.reload(&daemon, &conf(lines, &[("10.9.0.11", &with_port(81))]));
    stage.steady("the check is another one and fails", A_WHILE, &[WEB, sorry]);
    let _one = stage.stub("10.9.0.11:82", Speaks::Http(200));
    stage.reload(&daemon, &conf(lines, &[("10.9.0.11", &with_port(82))]));
    stage.expect("the check succeeds at once", &[WEB, &server("10.9.0.11")]);
    let said = || stage.director.read("/tmp/quorum").split_whitespace().collect::<Vec<_>>().join(" ");
    let before = "up down up";
    eventually("the scripts of the quorum have run", A_WHILE, || said() == before);
    stage.reload(&daemon, &conf(lines, &[("10.9.0.12", &with_port(82))]));
    stage.expect("another server", &[WEB, &server("10.9.0.12")]);
    assert_eq!(said(), before, "the quorum was there all the time");
    daemon.stop();
    stage.expect("stop", &[]);
}

/// A child that is killed is replaced by one that finds its table, and knows which server is down; clients see nothing.
pub(crate) fn child_dies(stage: &Stage) {
    let _two = stage.stub("10.9.0.12:80", Speaks::Http(200));
    let (one, two) = (("10.9.0.11", CHECK), ("10.9.0.12", CHECK));
    let held = [WEB, &server("10.9.0.12")];
    let daemon = stage.start(&conf("", &[one, two]));
    stage.expect("one of two is up", &held);
    let child = || children(daemon.first()).into_iter().find(|pid| is_alive(*pid));
    let first = child().expect("the checkers run");
    kill(Pid::from_raw(first), Signal::SIGKILL).expect("root");
    stage.steady("the child is killed", A_WHILE, &held);
    eventually("another one runs", Duration::from_secs(20), || child().is_some_and(|pid| pid != first));
    let _one = stage.stub("10.9.0.11:80", Speaks::Http(200));
    stage.expect("it checks", &[WEB, &server("10.9.0.11"), &server("10.9.0.12")]);
    daemon.stop();
    stage.expect("stop", &[]);
}

/// On a kernel without ip_vs the checkers run and one line says what is missing; once it is there, a reload brings the
/// table. Nothing may have loaded the module before.
pub(crate) fn without_ip_vs() {
    assert!(!std::path::Path::new("/sys/module/ip_vs").exists(), "somebody loaded it");
    std::fs::create_dir_all("/etc/modprobe.d").expect("a folder in memory");
    std::fs::write(DENIED, "install ip_vs /bin/false\n").expect("a file in memory");
    let stage = Stage::new(Program::UnderTest);
    let _one = stage.stub("10.9.0.11:80", Speaks::Http(200));
    let conf = conf("", &[("10.9.0.11", CHECK)]);
    let instance = "vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        priority 100
        advert_int 1
        virtual_ipaddress {
            10.9.0.110
        }
    }
    ";
    let daemon = stage.start(&format!("{instance}{conf}"));
    daemon.wait_log("TCP connection to [10.9.0.11]:tcp:80 success.", Duration::from_secs(20));
    eventually("VRRP goes on", Duration::from_secs(20), || stage.director.holds("eth0", "10.9.0.110"));
    assert_eq!(daemon.logged("this kernel has no ip_vs"), 1, "{}", daemon.log());
    std::fs::remove_file(DENIED).expect("it is there");
    stage.reload(&daemon, &format!("{instance}{conf}"));
    stage.expect("the module is there", &[WEB, &server("10.9.0.11")]);
    daemon.stop();
    stage.expect("stop", &[]);
}

/// Where modprobe reads what it must not load.
const DENIED: &str = "/etc/modprobe.d/guest-ip_vs.conf";
