//! BFD sessions between two of ours, and with Debian's keepalived and FRR's bfdd: they come up, a cut is noticed by both
//! ends, and a stop is told.

mod cases;
mod routed;
mod status;

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{ALLOWANCE, START, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program};
use crate::kit::net::Net;
use crate::kit::node::{Node, children};

const US: Program = Program::UnderTest;
const REFERENCE: Program = Program::Reference;

/// Packets leave once a second until the session is up.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// The detection time of 5 packets of 100 ms.
const DETECTION: Duration = Duration::from_millis(500);

/// The session `B` with a neighbour, at 100 ms.
fn session(source: &str, neighbor: &str, lines: &str) -> String {
    format!(
        "bfd_instance B {{\n neighbor_ip {neighbor}\n source_ip {source}\n min_rx 100\n min_tx 100\n {lines}\n}}\n"
    )
}

const FOUR: [&str; 2] = ["10.9.0.1", "10.9.0.2"];
const SIX: [&str; 2] = ["fd09::1", "fd09::2"];

const LINK: [&str; 2] = ["fe80::1%eth0", "fe80::2%eth0"];

fn without_interface(end: &str) -> &str {
    end.split('%').next().unwrap_or(end)
}

/// Two nodes on one link.
fn pair(net: &Net, ends: [&str; 2]) -> [Node; 2] {
    let length = if ends[0].contains(':') { 64 } else { 24 };
    let [a, b] = ends.map(|end| format!("{}/{length}", without_interface(end)));
    [net.node("a", "eth0", &[&a]), net.node("b", "eth0", &[&b])]
}

fn cut(net: &Net, apart: bool) {
    net.set_apart(&[Net::port(1), Net::port(2)], apart);
}

/// Waits until a daemon has entered a state so many times.
fn wait(daemon: &Daemon<'_>, state: &str, times: usize, within: Duration) {
    let text = format!("(B) Entering {state} state");
    eventually(&format!("{times} x {text}"), within + ALLOWANCE, || daemon.logged(&text) >= times);
}

/// A session that comes up, is cut, comes up again, and is ended by `a`, which is ours.
fn lives_through(ends: [&str; 2], other: Program, lines: &str) {
    let net = Net::new();
    let [a, b] = pair(&net, ends);
    let ours = Daemon::start(&a, US, &session(ends[0], ends[1], lines));
    let peer = Daemon::start(&b, other, &session(ends[1], ends[0], lines));
    let both = [&ours, &peer];
    both.iter().for_each(|daemon| wait(daemon, "Up", 1, HANDSHAKE));
    both.iter().for_each(|daemon| daemon.wait_log("Detection time is 500000 us", HANDSHAKE));
    std::thread::sleep(DETECTION * 2);
    both.iter().for_each(|daemon| assert_eq!(daemon.logged("Entering Down"), 0, "{}", daemon.log()));
    cut(&net, true);
    both.iter().for_each(|daemon| daemon.wait_log("(B) Expired after 50", DETECTION));
    both.iter().for_each(|daemon| {
        daemon.wait_log("Local diagnostic - Control Detection Time Expired", DETECTION);
    });
    cut(&net, false);
    both.iter().for_each(|daemon| wait(daemon, "Up", 2, HANDSHAKE));
    ours.stop();
    peer.wait_log("Remote diagnostic - Administratively Down", DETECTION / 2);
    assert_eq!(peer.logged("Expired after"), 1, "it need not wait\n{}", peer.log());
    peer.stop();
}

#[test]
fn two_of_ours() {
    lives_through(FOUR, US, "");
}

#[test]
fn two_of_ours_over_ipv6() {
    lives_through(SIX, US, "");
}

#[test]
fn two_of_ours_on_one_link() {
    lives_through(LINK, US, "");
}

#[test]
fn two_of_ours_with_the_port_of_multihop_sessions() {
    lives_through(FOUR, US, "multihop");
}

#[test]
fn with_keepalived() {
    lives_through(FOUR, REFERENCE, "");
}

#[test]
fn with_keepalived_over_ipv6() {
    lives_through(SIX, REFERENCE, "");
}

/// keepalived gives a session up for ever whose source address is not there at its start.
#[test]
fn a_source_address_that_comes_later_is_waited_for() {
    let net = Net::new();
    let [a, b] = pair(&net, FOUR);
    a.shell("ip addr add 10.9.0.7/24 dev eth0");
    let ours = Daemon::start(&a, US, &session("10.9.0.9", "10.9.0.2", ""));
    let peer = Daemon::start(&b, US, &session("10.9.0.2", "10.9.0.9", ""));
    ours.wait_log("(B) Error sending packet - 10.9.0.9 is not an address of this machine", START);
    std::thread::sleep(HANDSHAKE / 2);
    assert_eq!(ours.logged("Error sending packet"), 1, "told once\n{}", ours.log());
    a.shell("ip addr add 10.9.0.9/24 dev eth0");
    [&ours, &peer].iter().for_each(|daemon| wait(daemon, "Up", 1, HANDSHAKE));
    ours.stop();
    peer.stop();
}

/// A session at another interval whose peer is killed and started again.
fn survives_its_peer(other: Program, milliseconds: u32, multiplier: u32) {
    let net = Net::new();
    let [a, b] = pair(&net, FOUR);
    let lines = format!("min_rx {milliseconds}\n min_tx {milliseconds}\n multiplier {multiplier}");
    let conf = session(FOUR[1], FOUR[0], &lines);
    let ours = Daemon::start(&a, US, &session(FOUR[0], FOUR[1], &lines));
    let peer = Daemon::start(&b, other, &conf);
    [&ours, &peer].iter().for_each(|daemon| wait(daemon, "Up", 1, HANDSHAKE));
    let text = format!("Detection time is {} us", milliseconds * multiplier * 1_000);
    let detection = Duration::from_millis(u64::from(milliseconds * multiplier));
    [&ours, &peer].iter().for_each(|daemon| daemon.wait_log(&text, HANDSHAKE));
    std::thread::sleep(detection * 2);
    assert_eq!(ours.logged("Entering Down"), 0, "{}", ours.log());
    peer.kill();
    ours.wait_log(&format!("(B) Expired after {} ms", milliseconds * multiplier), detection);
    let peer = Daemon::start(&b, other, &conf);
    wait(&ours, "Up", 2, HANDSHAKE);
    // The second start goes on in the log of the first one.
    peer.wait_log("(B) Entering Up state", HANDSHAKE);
    ours.stop();
    peer.stop();
}

#[test]
fn at_ten_milliseconds() {
    for other in [US, REFERENCE] {
        survives_its_peer(other, 10, 30);
    }
}

#[test]
fn at_a_second() {
    for other in [US, REFERENCE] {
        survives_its_peer(other, 1_000, 3);
    }
}

/// FRR's zebra and bfdd in a node.
fn start_frr(node: &Node, sessions: &str) {
    node.write("/run/frr/frr.conf", &format!("log file /run/frr/log\nbfd\n{sessions}"));
    node.shell("chown -R frr:frr /run/frr");
    let common = "-d -f /run/frr/frr.conf -z /run/frr/zserv.api --vty_socket /run/frr";
    node.shell(&format!("/usr/lib/frr/zebra {common} -i /run/frr/zebra.pid"));
    eventually("zebra listens", START, || node.exists("/run/frr/zserv.api"));
    node.shell(FRR_BFDD);
}

const FRR_BFDD: &str = "/usr/lib/frr/bfdd -d -f /run/frr/frr.conf -z /run/frr/zserv.api --vty_socket /run/frr \
                        -i /run/frr/bfdd.pid --bfdctl /run/frr/bfdd.sock";

/// A session of FRR, at 100 ms.
fn frr_session(peer: &str) -> String {
    format!(" peer {peer}\n  receive-interval 100\n  transmit-interval 100\n  detect-multiplier 5\n")
}

/// FRR takes no session whose packets come from another port than 49152 and up or with another TTL than 255.
#[test]
fn with_frr() {
    for ends in [FOUR, SIX, LINK] {
        let net = Net::new();
        let [a, b] = pair(&net, ends);
        let ours = Daemon::start(&a, US, &session(ends[0], ends[1], ""));
        let [one, other] = ends.map(without_interface);
        start_frr(&b, &frr_session(&format!("{one} local-address {other} interface eth0")));
        wait(&ours, "Up", 1, HANDSHAKE);
        ours.wait_log("Detection time is 500000 us", HANDSHAKE);
        std::thread::sleep(DETECTION * 2);
        assert_eq!(ours.logged("Entering Down"), 0, "{}", ours.log());
        cut(&net, true);
        ours.wait_log("(B) Expired after 50", DETECTION);
        cut(&net, false);
        wait(&ours, "Up", 2, HANDSHAKE);
        ours.stop();
    }
}

/// Other intervals are agreed on while the session is up, and what did not change goes on.
#[test]
fn a_reload_changes_intervals_and_nothing_goes_down() {
    for other in [US, REFERENCE] {
        let net = Net::new();
        let [a, b] = pair(&net, FOUR);
        let ours = Daemon::start(&a, US, &session(FOUR[0], FOUR[1], ""));
        let peer = Daemon::start(&b, other, &session(FOUR[1], FOUR[0], ""));
        [&ours, &peer].iter().for_each(|daemon| wait(daemon, "Up", 1, HANDSHAKE));
        peer.wait_log("Detection time is 500000 us", HANDSHAKE);
        ours.reload(&session(FOUR[0], FOUR[1], ""));
        let polls = ours.logged("Starting poll sequence");
        ours.reload(&session(FOUR[0], FOUR[1], "min_tx 300"));
        peer.wait_log("Detection time is 1500000 us", HANDSHAKE);
        assert_eq!(ours.logged("Starting poll sequence"), polls + 1, "{}", ours.log());
        std::thread::sleep(Duration::from_secs(2));
        for daemon in [&ours, &peer] {
            assert_eq!(daemon.logged("Entering Down"), 0, "{other:?}\n{}", daemon.log());
        }
        ours.reload(&session(FOUR[0], "10.9.0.3", ""));
        peer.wait_log("Remote diagnostic - Administratively Down", DETECTION);
        ours.stop();
        peer.stop();
    }
}

/// A child that is killed is replaced, and the other end does not notice.
#[test]
fn a_killed_child_is_replaced_and_no_session_goes_down() {
    let net = Net::new();
    let [a, b] = pair(&net, FOUR);
    let ours = Daemon::start(&a, US, &session(FOUR[0], FOUR[1], ""));
    let peer = Daemon::start(&b, REFERENCE, &session(FOUR[1], FOUR[0], ""));
    [&ours, &peer].iter().for_each(|daemon| wait(daemon, "Up", 1, HANDSHAKE));
    peer.wait_log("Detection time is 500000 us", HANDSHAKE);
    let child = children(ours.first())[0];
    kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
    eventually("a replacement", START, || children(ours.first()).first().is_some_and(|pid| *pid != child));
    std::thread::sleep(DETECTION * 3);
    for daemon in [&ours, &peer] {
        assert_eq!(daemon.logged("Entering Down"), 0, "{}", daemon.log());
    }
    ours.stop();
    peer.wait_log("Remote diagnostic - Administratively Down", DETECTION / 2);
    peer.stop();
}

/// The addresses of a second link, over which the session runs.
const BESIDE: [&str; 2] = ["10.8.0.1", "10.8.0.2"];

fn router(priority: u8, session: &str, line: &str) -> String {
    let instance = Instance { interval: "0.2", ..Instance::default() }.priority(priority).line(line);
    instance.text() + session
}

/// keepalived wants a session to stand before who tracks it.
fn tracking(priority: u8, session: &str, line: &str) -> String {
    let instance = Instance { interval: "0.2", ..Instance::default() }.priority(priority).line(line);
    instance.before(session).text()
}

/// Two routers and a session between them over a link of its own, which the first one tracks.
fn fails_over(line: &str, other: Program) {
    let net = Net::new();
    let [a, b] = pair(&net, FOUR);
    for (node, end) in [(&a, BESIDE[0]), (&b, BESIDE[1])] {
        net.plug(node, "eth1", &[&format!("{end}/24")]);
    }
    let first = Daemon::start(&a, US, &tracking(150, &session(BESIDE[0], BESIDE[1], ""), line));
    let second = Daemon::start(&b, other, &router(100, &session(BESIDE[1], BESIDE[0], ""), ""));
    if !line.contains("weight") {
        first.wait_log("(VI_1) entering FAULT state (tracked BFD instance B down)", START);
    }
    wait(&first, "Up", 1, HANDSHAKE);
    first.wait_log("VRRP_Instance(VI_1) Tracked BFD instance B is UP", HANDSHAKE);
    first.wait_log("Detection time is 500000 us", HANDSHAKE);
    // Until its session is up the second one may be MASTER.
    net.wait_master("a", now(), HANDSHAKE + START);
    let apart = now();
    net.set_apart(&[Net::port(3), Net::port(4)], true);
    net.wait_master("b", apart, DETECTION + START);
    first.wait_log("VRRP_Instance(VI_1) Tracked BFD instance B is DOWN", START);
    assert_eq!(first.logged("Received BFD event: instance B is in state Down"), 2, "{}", first.log());
    net.set_apart(&[Net::port(3), Net::port(4)], false);
    eventually("the session is up again", HANDSHAKE + ALLOWANCE, || {
        first.logged("Tracked BFD instance B is UP") == 2
    });
    net.wait_master("a", now(), HANDSHAKE + START);
    // A session that ends is no session, whatever the reason.
    let downs = first.logged("Tracked BFD instance B is DOWN");
    second.stop();
    eventually("the session is down again", START, || first.logged("Tracked BFD instance B is DOWN") > downs);
    assert_eq!(downs, 1, "{}", first.log());
    first.stop();
}

#[test]
fn a_router_without_its_session_is_in_fault() {
    fails_over("track_bfd {\n B\n}", US);
}

#[test]
fn a_session_takes_its_weight_off_the_priority() {
    fails_over("track_bfd {\n B weight -60\n}", REFERENCE);
}

/// The replacement of the BFD child changes nothing for a router whose session is up.
#[test]
fn a_router_stays_master_while_its_bfd_child_is_replaced() {
    let net = Net::new();
    let [a, b] = pair(&net, FOUR);
    let conf = tracking(150, &session(FOUR[0], FOUR[1], ""), "track_bfd {\n B\n}");
    let first = Daemon::start(&a, US, &conf);
    let second = Daemon::start(&b, US, &session(FOUR[1], FOUR[0], ""));
    first.wait_log("Detection time is 500000 us", HANDSHAKE);
    net.wait_master("a", first.since(), HANDSHAKE + START);
    let [_, bfd] = children(first.first())[..] else { panic!("two children") };
    kill(Pid::from_raw(bfd), Signal::SIGKILL).expect("the child runs");
    eventually("a replacement", START, || children(first.first()).iter().all(|pid| *pid != bfd));
    std::thread::sleep(DETECTION * 3);
    first.reload(&conf);
    std::thread::sleep(DETECTION * 2);
    for daemon in [&first, &second] {
        assert_eq!(daemon.logged("Entering Down"), 0, "{}", daemon.log());
    }
    assert_eq!(first.logged("Entering FAULT"), 0, "{}", first.log());
    first.stop();
    second.stop();
}

#[cfg(feature = "lvs")]
fn checked(lines: &str) -> String {
    format!(
        "virtual_server 10.9.0.50 80 {{\n lvs_sched rr\n lvs_method DR\n protocol TCP\n \
         real_server 10.9.0.2 80 {{\n BFD_CHECK {{\n name B\n {lines}\n }}\n }}\n}}\n"
    )
}

/// How often the real server went and came.
#[cfg(feature = "lvs")]
fn went_and_came(daemon: &Daemon<'_>) -> (usize, usize) {
    let logged = |word: &str, of: &str| {
        daemon.logged(&format!("{word} service [10.9.0.2]:tcp:80 {of} VS [10.9.0.50]:tcp:80"))
    };
    (logged("Removing", "from"), logged("Adding", "to"))
}

#[cfg(feature = "lvs")]
#[test]
fn a_real_server_follows_its_session() {
    let net = Net::new();
    let [a, b] = pair(&net, FOUR);
    let first = Daemon::start(&a, US, &(session(FOUR[0], FOUR[1], "") + &checked("")));
    let second = Daemon::start(&b, US, &session(FOUR[1], FOUR[0], ""));
    first.wait_log("Detection time is 500000 us", HANDSHAKE);
    std::thread::sleep(DETECTION * 2);
    let before = went_and_came(&first);
    cut(&net, true);
    eventually("the server is out", DETECTION + ALLOWANCE, || went_and_came(&first).0 > before.0);
    cut(&net, false);
    eventually("the server is in", HANDSHAKE + ALLOWANCE, || went_and_came(&first).1 > before.1);
    first.stop();
    second.stop();
}

/// Field case 73.
#[cfg(feature = "lvs")]
#[test]
fn a_real_server_with_alpha_waits_for_its_session() {
    let net = Net::new();
    let [a, b] = pair(&net, FOUR);
    let first = Daemon::start(&a, US, &(session(FOUR[0], FOUR[1], "") + &checked("alpha")));
    std::thread::sleep(Duration::from_secs(2));
    let before = went_and_came(&first);
    let second = Daemon::start(&b, US, &session(FOUR[1], FOUR[0], ""));
    eventually("the server is in", HANDSHAKE + ALLOWANCE, || went_and_came(&first).1 == before.1 + 1);
    wait(&first, "Up", 1, HANDSHAKE);
    assert_eq!(before.1, 0, "{}", first.log());
    second.stop();
    eventually("the server is out", DETECTION + ALLOWANCE, || went_and_came(&first).0 == before.0 + 1);
    first.stop();
}
