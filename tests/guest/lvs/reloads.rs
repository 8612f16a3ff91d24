//! What a reload changes of servers that are down, and when there is no quorum.

use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use keepalived::sys::ipvs::Ipvs;
use nix::sys::signal::Signal;

use super::programming;
use super::stage::{self, CHECK, Stage, WEB};
use super::stub::Speaks;
use crate::kit::bounds::eventually;
use crate::kit::capture::enter_network;
use crate::kit::daemon::{CONF, Daemon, Program};
use crate::kit::node::Node;

const A_WHILE: Duration = Duration::from_secs(3);
const SORRY: &str = "-a -t 10.9.0.100:80 -r 10.9.0.19:80 -m -w 1";

/// The service of [`stage::conf`] with its sorry server, whose quorum is written down and whose servers are checked.
fn conf(lines: &str, servers: &[(&str, &str)]) -> String {
    let lines = format!(
        "quorum_up \"/bin/sh -c 'echo up >>/tmp/quorum'\" root
        quorum_down \"/bin/sh -c 'echo down >>/tmp/quorum'\" root
        sorry_server 10.9.0.19 80
        {lines}"
    );
    let servers: Vec<_> = servers.iter().map(|(addr, lines)| (*addr, format!("{lines}\n{CHECK}"))).collect();
    let servers: Vec<_> = servers.iter().map(|(addr, lines)| (*addr, lines.as_str())).collect();
    stage::conf(&lines, &servers)
}

fn server(addr: &str, weight: u32) -> String {
    format!("-a -t 10.9.0.100:80 -r {addr}:80 -m -w {weight}")
}

/// What the scripts of the quorum said, a word a run.
fn said(stage: &Stage) -> String {
    stage.director.read("/tmp/quorum").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Hysteresis separates (field case 23), the sorry server stays over a reload that changes nothing (field case 28), and
/// the scripts of the quorum alternate.
pub(crate) fn hysteresis(stage: &Stage) {
    let [mut one, mut two] = ["10.9.0.11:80", "10.9.0.12:80"].map(|at| stage.stub(at, Speaks::Http(200)));
    let two_servers = [("10.9.0.11", "weight 2"), ("10.9.0.12", "weight 2")];
    let conf = conf("quorum 3\n hysteresis 1", &two_servers);
    let (first, second) = (server("10.9.0.11", 2), server("10.9.0.12", 2));
    let daemon = stage.start(&conf);
    stage.expect("start", &[WEB, &first, &second]);
    stage.steady("both are up", A_WHILE, &[WEB, &first, &second]);
    two.off();
    stage.expect("one is down: still served", &[WEB, &first]);
    one.off();
    stage.expect("none is up", &[WEB, SORRY]);
    stage.reload(&daemon, &conf);
    stage.steady("a reload that changes nothing", A_WHILE, &[WEB, SORRY]);
    two.on();
    stage.steady("one is back: not yet", A_WHILE, &[WEB, SORRY]);
    one.on();
    stage.expect("both are back", &[WEB, &first, &second]);
    eventually("the scripts ran", Duration::from_secs(20), || said(stage) == "up down up");
    daemon.stop();
    stage.expect("stop", &[]);
}

/// A server that is down and inhibited: its weight changes (field case 30), it is no longer inhibited and again (field case
/// 32), it leaves the file and comes back (field case 29). One that is down and stays in the file stays down.
pub(crate) fn inhibited(stage: &Stage) {
    let mut one = stage.stub("10.9.0.11:80", Speaks::Http(200));
    let _two = stage.stub("10.9.0.12:80", Speaks::Http(200));
    let second = server("10.9.0.12", 1);
    let with = |lines: &'static str| conf("", &[("10.9.0.11", lines), ("10.9.0.12", "")]);
    let daemon = stage.start(&with("weight 11\n inhibit_on_failure"));
    stage.expect("start", &[WEB, &server("10.9.0.11", 11), &second]);
    one.off();
    stage.expect("it is down", &[WEB, &server("10.9.0.11", 0), &second]);
    stage.reload(&daemon, &with("weight 9\n inhibit_on_failure"));
    stage.steady("its weight is changed", A_WHILE, &[WEB, &server("10.9.0.11", 0), &second]);
    one.on();
    stage.expect("it is up with the new weight", &[WEB, &server("10.9.0.11", 9), &second]);
    one.off();
    stage.expect("it is down again", &[WEB, &server("10.9.0.11", 0), &second]);
    stage.reload(&daemon, &with("weight 9"));
    stage.expect("it is no longer inhibited", &[WEB, &second]);
    stage.steady("it stays down", A_WHILE, &[WEB, &second]);
    stage.reload(&daemon, &with("weight 9\n inhibit_on_failure"));
    stage.expect("it is inhibited again", &[WEB, &server("10.9.0.11", 0), &second]);
    stage.reload(&daemon, &conf("", &[("10.9.0.12", "")]));
    stage.expect("it leaves the file", &[WEB, &second]);
    one.on();
    stage.reload(&daemon, &with("weight 9"));
    stage.expect("it is back", &[WEB, &server("10.9.0.11", 9), &second]);
    daemon.stop();
    stage.expect("stop", &[]);
}

/// Services, and the servers of each that a reload replaces.
const SERVICES: usize = 150;
const CHANGED: usize = 2;
/// The guest is slow.
const LONGEST: Duration = Duration::from_secs(120);

/// Reloads that replace a tenth of the servers of many services: no service ever has fewer of them, as the kernel lists
/// them service by service. Its file of the table would not do: read in parts, it was seen to leave a whole service out
/// while tests beside this one had services in other network namespaces.
pub(crate) fn replaced() {
    let node = Node::new("director");
    let daemon = Daemon::start(&node, Program::UnderTest, &programming::conf(SERVICES, 0));
    let (tell, told) = sync_channel(1);
    let (answer, answers) = sync_channel(1);
    let holder = node.holder();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            enter_network(holder);
            let mut ipvs = Ipvs::open().expect("this kernel has ip_vs");
            let mut fewest = 0;
            for changed in told {
                let looks = look_until_replaced(&mut ipvs, changed, fewest);
                // From the start on they are all there.
                fewest = programming::SERVERS;
                if answer.send(looks).is_err() {
                    break;
                }
            }
        });
        let begin = Instant::now();
        let mut looks = Vec::new();
        for (round, changed) in [0, CHANGED, 0, CHANGED, 0].into_iter().enumerate() {
            if round > 0 {
                node.write(CONF, &programming::conf(SERVICES, changed));
                daemon.signal(Signal::SIGHUP);
            }
            tell.send(changed).expect("it looks");
            looks.push(answers.recv().expect("no service had fewer servers"));
        }
        drop(tell);
        println!("start and four reloads: {:.1} s, looks {looks:?}", begin.elapsed().as_secs_f32());
        assert!(looks.iter().sum::<u32>() > 9, "it looked {looks:?} times");
    });
    daemon.stop();
}

/// Looks at all services again and again until of each so many servers are other ones than at first; no service may have
/// fewer servers than `fewest`. How often it looked.
fn look_until_replaced(ipvs: &mut Ipvs, changed: usize, fewest: usize) -> u32 {
    let (mut services, mut servers) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    for looks in 1.. {
        ipvs.services(&mut services).expect("a list");
        let mut whole = services.len() == SERVICES;
        for there in &services {
            ipvs.destinations(&there.service.key, &mut servers).expect("a list");
            assert!(servers.len() >= fewest, "{:?}: {servers:?}", there.service.key);
            let new = servers.iter().filter(|there| programming::is_new(there.destination.key.addr));
            whole &= servers.len() == programming::SERVERS && new.count() == changed;
        }
        if whole {
            return looks;
        }
        assert!(begin.elapsed() < LONGEST, "the reload is not over: {} services", services.len());
    }
    unreachable!("it would look until the time is up")
}
