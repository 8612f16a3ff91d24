//! Rough handling of the daemon as a whole: storms of signals, rubbish in place of the configuration, and children
//! that are killed at random. Seeded, so that a failure comes again.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Child as Process;
use std::time::{Duration, Instant};

use keepalived::sys::process;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Program, is_reference};
use crate::kit::inject::Rng;
use crate::kit::net::Net;
use crate::kit::node::{Node, children};
use crate::steps;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);
const VIP: &str = "10.9.0.100";

fn signal(pid: i32, number: i32) {
    if let Some(pid) = process::Pid::new(pid) {
        process::kill(pid, number);
    }
}

#[test]
fn two_thousand_signals_in_disorder_change_nothing() {
    if is_reference("each reload there sends adverts at once and rearms the timers") {
        return;
    }
    // What the daemon answers, and what it has to be deaf to, real-time signals of no meaning among them.
    let mut signals = vec![
        libc::SIGHUP,
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGRTMAX() - 1,
        libc::SIGRTMIN() + 2,
        libc::SIGQUIT,
        libc::SIGALRM,
        libc::SIGPIPE,
        libc::SIGWINCH,
        libc::SIGCONT,
        libc::SIGABRT,
        libc::SIGCHLD,
        libc::SIGURG,
        libc::SIGTTIN,
    ];
    signals.extend(libc::SIGRTMIN()..=libc::SIGRTMAX());
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().priority(150).text());
    let peer = Daemon::start(&b, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    std::thread::sleep(TIMING.master_down(100));
    let child = daemon.vrrp_child();

    let (begin, mut rng) = (now(), Rng::seeded(0x7369_676e));
    for _ in 0..2_000 {
        // A half of the first five, which do something; most to the parent, some to the child itself.
        let among = if rng.below(2) == 0 { 5 } else { signals.len() };
        let to = if rng.below(8) == 0 { child } else { daemon.first() };
        signal(to, signals[rng.below(among)]);
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(daemon.vrrp_child(), child, "the child was replaced\n{}", daemon.log());
    net.never("the mastership moves", begin, Duration::ZERO, |event| {
        event.is_goodbye_of("a") || event.is_advert_of("b")
    });
    let gap = steps::longest_gap(&net, begin, "a");
    assert!(gap < TIMING.interval * 2, "{gap:?} without an advert");
    assert_eq!(peer.logged("Entering MASTER STATE"), 0);
    // And it still does what it is told.
    daemon.reload(&Instance::default().priority(160).text());
    net.wait("the new priority", now(), TIMING.interval * 2, |event| {
        event.advert().is_some_and(|advert| advert.priority == 160)
    });
    assert!(daemon.stats().number("VI_1/Advertisements/Sent") > 0);
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
}

#[test]
fn rubbish_in_place_of_the_configuration_changes_nothing() {
    if is_reference("it runs empty, hangs or ends") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let good = Instance::default().text();
    let daemon = Daemon::start(&a, US, &good);
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let (child, begin) = (daemon.vrrp_child(), now());
    let place = a.path(CONF);
    let refused = |what: &str| {
        let before = daemon.logged("New configuration refused");
        signal(daemon.first(), libc::SIGHUP);
        // The sequence takes an unoptimised build half a minute.
        let within = Duration::from_secs(90);
        eventually(&format!("{what} is refused"), within, || {
            daemon.logged("New configuration refused") > before
        });
        assert_eq!(daemon.vrrp_child(), child, "{what}");
    };

    let mut rng = Rng::seeded(0x7275_6262);
    for round in 0..20 {
        let octets: Vec<u8> =
            (0..rng.below(20_000) + 1).map(|_| u8::try_from(rng.below(256)).expect("below 256")).collect();
        replace(&place, |place| fs::write(place, &octets));
        refused(&format!("random octets, round {round}"));
    }
    let body = good.find("vrrp_instance").expect("the instance");
    for _ in 0..20 {
        // The last three octets are the closing brace and blank space.
        let cut = body + 1 + rng.below(good.len() - body - 3);
        replace(&place, |place| fs::write(place, &good[..cut]));
        refused(&format!("{:?} cut off", &good[body..cut]));
    }
    for (what, text) in [
        ("an empty file", String::new()),
        ("a file of blank lines and comments", "\n\n# all gone\n".to_owned()),
        ("braces that never close", "{".repeat(100_000)),
        ("a file that includes itself for ever", format!("include {CONF}\n{good}")),
        ("a sequence without end", format!("~SEQ(a,1,4000000000) ~SEQ(b,1,4000000000) x$a$b\n{good}")),
        ("another network namespace", format!("net_namespace elsewhere\n{good}")),
    ] {
        replace(&place, |place| fs::write(place, &text));
        refused(what);
    }
    replace(&place, |place| fs::create_dir(place));
    refused("a directory");
    fs::remove_dir(&place).expect("a directory");
    replace(&place, |place| nix::unistd::mkfifo(place, nix::sys::stat::Mode::S_IRWXU).map_err(Into::into));
    refused("a pipe that nobody writes to");
    for target in ["/dev/zero", "/dev/random", "/nowhere", CONF] {
        replace(&place, |place| symlink(target, place));
        refused(&format!("a link to {target}"));
    }
    replace(&place, |place| File::create(place).and_then(|file| file.set_len(10 << 30)));
    refused("a file of 10 GiB");
    let _ = fs::remove_file(&place);
    refused("a missing file");

    net.never("a goodbye", begin, Duration::ZERO, |event| event.is_goodbye_of("a"));
    let gap = steps::longest_gap(&net, begin, "a");
    // A router that hears it waits for three intervals.
    assert!(gap < TIMING.interval * 3, "{gap:?} without an advert");
    daemon.reload(&Instance::default().priority(120).text());
    net.wait("the new priority", now(), TIMING.interval * 2, |event| {
        event.advert().is_some_and(|advert| advert.priority == 120)
    });
}

/// Puts something else in the place of the configuration.
fn replace(place: &Path, make: impl FnOnce(&Path) -> std::io::Result<()>) {
    let _ = fs::remove_file(place);
    make(place).expect("rubbish");
}

#[test]
fn children_killed_at_random_leave_one_master() {
    if is_reference("its pauses between starts are as long, but each costs an election") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let first = Daemon::start(&a, US, &Instance::default().priority(150).text());
    let second = Daemon::start(&b, US, &Instance::default().text());
    net.wait_master("a", first.since(), START + TIMING.master_down(150));
    let mut rng = Rng::seeded(0x6b69_6c6c);
    let (began, mut kills) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(20) {
        let daemon = if rng.below(2) == 0 { &first } else { &second };
        for child in children(daemon.first()) {
            let how = if rng.below(4) == 0 { libc::SIGSTOP } else { libc::SIGKILL };
            signal(child, how);
            kills += 1;
        }
        std::thread::sleep(Duration::from_millis(u64::try_from(rng.below(1_500)).expect("small")));
    }
    assert!(kills >= 4, "only {kills} children found to kill");
    // The pause before the last start may be as long as everything before it.
    let holds = |node: &Node| node.holds("eth0", VIP);
    eventually("the better router is the only one with the address", Duration::from_secs(70), || {
        holds(&a) && !holds(&b)
    });
    let settled = now();
    net.wait_master("a", settled, TIMING.interval * 2);
    net.never("two masters", settled, TIMING.interval * 10, |event| event.is_advert_of("b"));
    assert!(holds(&a) && !holds(&b));
    for daemon in [first, second] {
        let (took, code) = daemon.stop();
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(1) + ALLOWANCE, "{took:?}");
    }
}

/// Another program in a node that changes addresses of `lo` all the time, so often and with so many of them that a change
/// runs into each list that the kernel gives of addresses.
struct Storm(Process);

impl Storm {
    fn begin(node: &Node) -> Self {
        let prepare = "for i in $(seq 4000); do echo addr replace 10.77.$((i / 250)).$((i % 250 + 1))/32 dev lo; done | ip -batch -";
        node.shell(prepare);
        let mut command = node.command("bash");
        // There is no pause in which it begins anew.
        let changes = "addr add 10.78.0.1/32 dev lo\naddr del 10.78.0.1/32 dev lo";
        let line = format!("ip -force -batch <(yes $'{changes}') & echo $! > /run/lab/storm; wait");
        command.args(["-c", &line]);
        Self(command.spawn().expect("bash is there"))
    }

    /// It has gone on until now.
    fn end(mut self, node: &Node) {
        node.shell("kill $(cat /run/lab/storm)");
        let _ = self.0.wait();
    }
}

/// Also after a crash.
#[test]
fn another_program_that_changes_addresses_all_the_time_holds_up_no_start() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let storm = Storm::begin(&a);
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    let holds = || a.holds("eth0", VIP);
    eventually("it holds the address", START + TIMING.master_down(100), holds);
    signal(daemon.vrrp_child(), libc::SIGKILL);
    let killed = now();
    daemon.wait_log("Starting VRRP child process", START);
    net.wait_master("a", killed, START + TIMING.master_down(100));
    eventually("the next child holds the address", START, holds);
    assert_eq!(daemon.logged("cannot"), 0, "{}", daemon.log());
    storm.end(&a);
}

/// What is listed again after a loss is not whole as long as the other program goes on.
#[test]
fn notifications_lost_while_addresses_cannot_be_listed_make_no_fault_and_hide_none() {
    if is_reference("it logs in other words") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let storm = Storm::begin(&a);
    let child = daemon.vrrp_child();
    // The watchdog replaces one that stands still for much longer. What the other program does in that time may be too
    // little on a busy machine.
    let loses = |meanwhile: &str| {
        let failed = daemon.logged("listing addresses");
        let lost = (0..20).any(|attempt| {
            signal(child, libc::SIGSTOP);
            if attempt == 0 && !meanwhile.is_empty() {
                a.shell(meanwhile);
            }
            std::thread::sleep(Duration::from_millis(300));
            signal(child, libc::SIGCONT);
            std::thread::sleep(Duration::from_millis(300));
            daemon.logged("listing addresses") > failed
        });
        assert!(lost, "it lost none, or could list: {}", daemon.log());
    };
    loses("");
    // Each instance on an interface that has changed is judged anew.
    a.shell("ip link set eth0 mtu 1400");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(daemon.logged("FAULT"), 0, "{}", daemon.log());
    net.wait_master("a", now(), TIMING.interval * 3);
    // Each list takes its time beside the other program.
    let soon = Duration::from_secs(20);
    loses("ip link set eth0 down");
    eventually("the fault is seen", soon, || daemon.logged("Entering FAULT") == 1);
    loses("ip link set eth0 up");
    net.wait_master("a", now(), soon);
    // A list that is not whole has the address all the same.
    storm.end(&a);
    a.shell("ip addr del 10.9.0.1/24 dev eth0");
    eventually("that fault is seen", soon, || daemon.logged("Entering FAULT") == 2);
    let storm = Storm::begin(&a);
    loses("ip addr add 10.9.0.1/24 dev eth0");
    net.wait_master("a", now(), soon);
    assert_eq!(daemon.vrrp_child(), child);
    storm.end(&a);
}
