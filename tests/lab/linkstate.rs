//! What an interface counts as: delays, polling, `dont_track_primary`, and interfaces that come late, under another
//! name, with the number of an old one, or in another network namespace. Where Debian's keepalived has it, the same
//! events lead to the same master.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Program};
use crate::kit::decode::What;
use crate::kit::net::{Net, between};
use crate::steps;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(100);
const FAST: Timing = Timing::v3(10);
const VIP: &str = "10.9.0.100";
/// A driver is asked once in this time.
const BEAT: Duration = Duration::from_secs(1);

fn slow(priority: u8) -> Instance {
    Instance { interval: "1", ..Instance::default().priority(priority) }
}

/// Both go through the same: a short loss of the carrier and one that lasts, ended by a short return.
#[test]
fn changes_shorter_than_their_delay_never_were_as_with_debians_keepalived() {
    for program in [US, Program::Reference] {
        assert!((0..5).any(|_| short_changes(program)), "too busy a machine to make short changes");
    }
}

/// Whether the changes were as short as they were meant to be.
fn short_changes(program: Program) -> bool {
    let conf = slow(150).before("interface_up_down_delays {\n    eth0 1.2 1\n}");
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let port = Net::port(1);
    let daemon = Daemon::start(&a, program, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    let peer = Daemon::start(&b, US, &slow(100).text());
    std::thread::sleep(Duration::from_millis(500));
    // An advert gets through between two of them, so that the peer stays what it is.
    for _ in 0..3 {
        let down = now();
        net.set_carrier(&port, false);
        std::thread::sleep(Duration::from_millis(250));
        let up = now();
        net.set_carrier(&port, true);
        // A busy machine may have made it long enough after all.
        if between(down, now()) > Duration::from_millis(1_100) {
            return false;
        }
        net.wait_master("a", up, TIMING.interval);
    }
    let short = now();
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(daemon.logged("Entering FAULT STATE"), 0, "{program:?}\n{}", daemon.log());
    assert_eq!(peer.logged("Entering MASTER STATE"), 0, "{program:?}");
    net.wait_master("a", short, TIMING.interval * 2);

    let lost = now();
    net.set_carrier(&port, false);
    daemon.wait_log("Entering FAULT STATE", Duration::from_millis(1_200));
    assert!(between(lost, now()) >= Duration::from_millis(1_200), "{program:?}: too early");
    assert_eq!(daemon.logged("Netlink reports eth0 down"), 1, "{program:?}");
    // Told late on a busy machine: what comes of it counts from there.
    let told = now();
    eventually("the address is gone", ALLOWANCE, || !a.holds("eth0", VIP));
    net.wait_master("b", told, TIMING.interval + TIMING.master_down(100));

    let early = now();
    net.set_carrier(&port, true);
    std::thread::sleep(Duration::from_millis(400));
    net.set_carrier(&port, false);
    let short = between(early, now()) < Duration::from_millis(950);
    std::thread::sleep(Duration::from_millis(600));
    if !short {
        return false;
    }
    assert_eq!(daemon.logged("Netlink reports eth0 up"), 0, "{program:?}: it was too short");
    let back = now();
    net.set_carrier(&port, true);
    daemon.wait_log("Netlink reports eth0 up", Duration::from_secs(1) + START);
    let told = now();
    assert!(between(back, told) >= Duration::from_secs(1), "{program:?}: too early");
    net.wait_master("a", told, TIMING.master_down(150) + TIMING.interval);
    steps::address_is_at("eth0", VIP, &a, &[]);

    // One that goes altogether has no delay.
    a.shell("ip link del eth0");
    eventually("FAULT at once", ALLOWANCE, || daemon.logged("Entering FAULT STATE") == 2);
    daemon.stop();
    peer.stop();
    true
}

#[test]
fn delays_follow_a_reload_and_reach_who_tracks_an_interface() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("ip link add up0 type veth peer name up1; ip link set up1 up; ip link set up0 up");
    let conf = |delays: &str| {
        slow(100)
            .before(&format!("interface_up_down_delays {{\n    up0 {delays}\n}}"))
            .line("track_interface {\n        up0 weight -20\n    }")
    };
    let daemon = Daemon::start(&a, US, &conf("100").text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    a.shell("ip link set up1 down");
    daemon.wait_log("up0: Adding change to down delay by 100000000", ALLOWANCE);
    a.remove("/tmp/keepalived.data");
    daemon.signal(Signal::SIGUSR1);
    let dump = daemon.dump("/tmp/keepalived.data");
    let wanted = "   Delayed state change running = true\n   Up debounce timer = 0us\n   Down debounce timer = 100000000us\n";
    assert!(dump.contains(wanted), "{dump}");
    let priorities = |since: u64, wanted: u8| {
        net.never("another priority before the delay is over", since, TIMING.interval * 2, |event| {
            event.node == "a" && event.advert().is_some_and(|advert| advert.priority != wanted)
        });
    };
    priorities(daemon.since(), 100);
    // The time that it has been down for counts.
    let reloaded = now();
    daemon.reload(&conf("0.3 50").text());
    net.wait("priority 80", reloaded, TIMING.interval, |event| {
        event.node == "a" && event.advert().is_some_and(|advert| advert.priority == 80)
    });
    a.shell("ip link set up1 up");
    daemon.wait_log("up0: Adding change to up delay by 50000000", ALLOWANCE);
    priorities(now(), 80);
    let reloaded = now();
    daemon.reload(&slow(100).line("track_interface {\n        up0 weight -20\n    }").text());
    net.wait("priority 100", reloaded, TIMING.interval, |event| {
        event.node == "a" && event.advert().is_some_and(|advert| advert.priority == 100)
    });
    net.never("a goodbye", daemon.since(), Duration::ZERO, |event| event.is_goodbye_of("a"));
    assert_eq!(daemon.stats().allocations(), 0, "nothing is allocated once it runs");
    daemon.stop();
}

/// In every way in which the configuration asks for it, and as Debian's keepalived does.
#[test]
fn a_polled_interface_is_judged_by_its_driver() {
    let block = |words: &str| slow(100).before(&format!("linkbeat_interfaces {{\n    {words}\n}}"));
    let ways = [
        ("MII", block("eth0 MII"), "ETHTOOL GLINK interface"),
        ("IOCTL", block("eth0 IOCTL"), "ioctl refresh polling"),
        ("all", slow(100).before("linkbeat_use_polling"), "ETHTOOL GLINK interface"),
        ("instance", slow(100).line("linkbeat_use_polling"), "ETHTOOL GLINK interface"),
    ];
    std::thread::scope(|scope| {
        for (way, conf, found) in &ways {
            for program in [US, Program::Reference] {
                scope.spawn(move || {
                    let net = Net::new();
                    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
                    let daemon = Daemon::start(&a, program, &conf.text());
                    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
                    let what = format!("{program:?} {way}");
                    for round in 1..=2 {
                        net.set_carrier(&Net::port(1), false);
                        eventually(&format!("{what}: down"), BEAT + ALLOWANCE, || {
                            daemon.logged("Linkbeat reports eth0 down") == round
                                && daemon.logged("Entering FAULT STATE") == round
                        });
                        net.set_carrier(&Net::port(1), true);
                        eventually(&format!("{what}: up"), BEAT + ALLOWANCE, || {
                            daemon.logged("Linkbeat reports eth0 up") == round
                                && daemon.logged("Entering BACKUP STATE") == round + 1
                        });
                    }
                    assert_eq!(daemon.logged("Netlink reports eth0"), 0, "{what}");
                    let instead = "(eth0): Configured linkbeat type MII not supported, using ETHTOOL";
                    assert_eq!(daemon.logged(instead), usize::from(*way == "MII"), "{what}");
                    a.remove("/tmp/keepalived.data");
                    daemon.signal(Signal::SIGUSR1);
                    let dump = daemon.dump("/tmp/keepalived.data");
                    assert!(dump.contains(found), "{what}: {found}\n{dump}");
                    if program == US {
                        assert_eq!(daemon.stats().allocations(), 0, "nothing is allocated once it runs");
                        // Without polling it goes on as before.
                        daemon.reload(&slow(100).text());
                        net.set_carrier(&Net::port(1), false);
                        daemon.wait_log("Netlink reports eth0 down", ALLOWANCE);
                    }
                    daemon.stop();
                });
            }
        }
    });
}

#[test]
fn a_polled_interface_that_goes_and_comes_is_polled_again() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = slow(100).before("linkbeat_interfaces {\n    eth0\n    lo\n}");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    daemon.wait_log("Turning off linkbeat for lo since not used for tracking", ALLOWANCE);
    a.shell("ip link del eth0");
    daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
    let port = net.plug(&a, "eth0", &["10.9.0.1/24"]);
    daemon.wait_log("Interface eth0 added", ALLOWANCE);
    eventually("it recovers", BEAT + ALLOWANCE, || daemon.logged("Entering BACKUP STATE") == 2);
    net.set_carrier(&port, false);
    daemon.wait_log("Linkbeat reports eth0 down", BEAT);
    a.shell("ip link set eth0 down");
    net.set_carrier(&port, true);
    std::thread::sleep(BEAT * 2);
    let before = daemon.logged("Entering BACKUP STATE");
    assert_eq!(before, 2, "nobody wants it up\n{}", daemon.log());
    a.shell("ip link set eth0 up");
    eventually("it recovers", BEAT + ALLOWANCE, || daemon.logged("Entering BACKUP STATE") == 3);
    daemon.stop();
}

/// The interface that it speaks on may go down, not away.
#[test]
fn an_untracked_primary_interface_may_go_down_as_with_debians_keepalived() {
    for program in [US, Program::Reference] {
        let net = Net::new();
        let a = net.node("a", "eth0", &["10.9.0.1/24"]);
        let daemon = Daemon::start(&a, program, &Instance::default().line("dont_track_primary").text());
        net.wait_master("a", daemon.since(), START + FAST.master_down(100));
        steps::address_is_at("eth0", VIP, &a, &[]);
        let downs: [(&str, &dyn Fn(bool)); 2] = [
            ("carrier", &|up| net.set_carrier(&Net::port(1), up)),
            ("link", &|up| drop(a.shell(&format!("ip link set eth0 {}", if up { "up" } else { "down" })))),
        ];
        for (round, (what, set)) in downs.iter().enumerate() {
            set(false);
            eventually(what, ALLOWANCE, || daemon.logged("Netlink reports eth0 down") == round + 1);
            std::thread::sleep(FAST.master_down(100));
            assert!(a.holds("eth0", VIP), "{program:?} {what}");
            let back = now();
            set(true);
            net.wait_master("a", back, FAST.interval * 3);
        }
        assert_eq!(
            daemon.logged("Entering"),
            2,
            "{program:?}: BACKUP, MASTER, and nothing else\n{}",
            daemon.log()
        );
        daemon.wait_log("send advert error 101 (Network is unreachable)", ALLOWANCE);
        a.shell("ip link del eth0");
        daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
        daemon.stop();
    }
}

/// With the keyword and without it.
#[test]
fn interfaces_that_come_late_are_used_when_they_come() {
    for globals in [&[][..], &["dynamic_interfaces"][..], &["dynamic_interfaces allow_if_changes"][..]] {
        let net = Net::new();
        let a = net.node("a", "lan0", &["10.8.0.1/24"]);
        let conf = Instance {
            globals: globals.iter().map(|line| (*line).to_owned()).collect(),
            ..Instance::default().line("track_interface {\n        must0\n    }")
        };
        let daemon = Daemon::start(&a, US, &conf.text());
        net.never("adverts", daemon.since(), Duration::from_millis(700), |event| event.is_advert_of("a"));
        net.plug(&a, "eth0", &["10.9.0.1/24"]);
        daemon.wait_log("Interface eth0 added", ALLOWANCE);
        assert_eq!(daemon.logged("Entering MASTER STATE"), 0, "the other is missing");
        let came = now();
        a.shell("ip link add must0 type veth peer name must1; ip link set must1 up; ip link set must0 up");
        net.wait_master("a", came, FAST.master_down(100));
        steps::address_is_at("eth0", VIP, &a, &[]);
        let first =
            "Configuration specifies interface eth0 which doesn't currently exist - will use if created";
        assert_eq!(daemon.logged(first), 1, "{}", daemon.log());
        daemon.stop();
    }
}

#[test]
fn an_interface_under_another_name_elsewhere_or_with_an_old_number_comes_back() {
    comes_back(&[]);
}

/// Every one of the events overruns the queue of netlink, so that the child finds out by listing.
#[test]
fn an_interface_whose_events_are_lost_comes_back() {
    comes_back(&["vrrp_netlink_monitor_rcv_bufs 2304"]);
}

/// Whatever takes the interface away, an heir is there, and the returned one hears and speaks again.
fn comes_back(globals: &[&str]) {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let mut conf = Instance::default().priority(150);
    conf.globals.extend(globals.iter().map(|line| (*line).to_owned()));
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + FAST.master_down(150));
    let peer = Daemon::start(&b, US, &Instance::default().text());
    let number = a.read("/sys/class/net/eth0/ifindex").trim().to_owned();
    let take_over = |what: &str, since: u64| {
        eventually(&format!("{what}: the heir has it alone"), FAST.master_down(100) + ALLOWANCE, || {
            b.holds("eth0", VIP)
        });
        net.wait_master("b", since, FAST.interval + FAST.master_down(100));
    };
    let come_back = |what: &str, since: u64| {
        net.wait_master("a", since, FAST.interval + FAST.master_down(150));
        // It hears as well: nobody else goes on.
        eventually(&format!("{what}: it is alone"), FAST.interval * 2 + ALLOWANCE, || {
            a.holds("eth0", VIP) && !b.holds("eth0", VIP)
        });
        let settled = now();
        net.never("two masters", settled, FAST.interval * 3, |event| event.is_advert_of("b"));
    };
    let hears = |what: &str| {
        let since = now();
        b.shell(&format!("sed -i 's/priority .*/priority 200/' {}", CONF));
        peer.signal(Signal::SIGHUP);
        net.wait_master("b", since, FAST.master_down(200) + START);
        eventually(&format!("{what}: it heard a better one"), ALLOWANCE, || !a.holds("eth0", VIP));
        let since = now();
        b.shell(&format!("sed -i 's/priority .*/priority 100/' {}", CONF));
        peer.signal(Signal::SIGHUP);
        net.wait_master("a", since, FAST.master_down(150) + START);
        eventually(&format!("{what}: as before"), ALLOWANCE, || !b.holds("eth0", VIP));
    };

    let since = now();
    a.shell("ip link set eth0 name wan7");
    if globals.is_empty() {
        daemon.wait_log("Interface name has changed from eth0 to wan7", ALLOWANCE);
    }
    eventually("our address does not stay on it", ALLOWANCE, || !a.holds("wan7", VIP));
    take_over("renamed", since);
    let since = now();
    a.shell("ip link set wan7 name eth0");
    come_back("renamed", since);
    hears("renamed");

    // Another one with the number of the old one.
    let since = now();
    a.shell("ip link del eth0");
    take_over("deleted", since);
    let since = now();
    net.plug_numbered(&a, "eth0", &["10.9.0.1/24"], &number);
    assert_eq!(a.read("/sys/class/net/eth0/ifindex").trim(), number);
    come_back("the same number", since);
    hears("the same number");

    // Gone and made anew before anybody looks.
    let child = daemon.vrrp_child();
    let since = now();
    net.plug_unseen(&a, "eth0", &["10.9.0.1/24"], &number, daemon.first(), child);
    assert_eq!(daemon.vrrp_child(), child, "it was not replaced");
    come_back("unseen", since);
    assert_eq!(daemon.logged("messages were lost") > 0, !globals.is_empty(), "{}", daemon.log());
    hears("unseen");

    // Into another namespace and back.
    let since = now();
    a.shell(
        "unshare --net sleep 1000 >/dev/null 2>&1 & echo $! >/run/away
        until [ \"$(readlink /proc/$!/ns/net)\" != \"$(readlink /proc/1/ns/net)\" ]; do sleep 0.01; done
        ip link set eth0 netns $!",
    );
    take_over("moved", since);
    let since = now();
    a.shell("nsenter --target $(cat /run/away) --net ip link set eth0 netns 1; ip addr add 10.9.0.1/24 dev eth0; ip link set eth0 up");
    come_back("moved", since);
    hears("moved");

    // Another hardware address: announced, and nothing else.
    let since = now();
    a.shell("ip link set eth0 address 02:00:00:00:07:77");
    net.wait("an announcement from the new address", since, ALLOWANCE, |event| {
        event.node == "a" && matches!(event.what, What::Announce { mac: [2, 0, 0, 0, 7, 0x77], .. })
    });
    // Another size of packets does not matter.
    a.shell("ip link set eth0 mtu 1400; ip link set eth0 mtu 1500");
    net.never("a goodbye", since, FAST.interval * 3, |event| event.is_goodbye_of("a"));
    daemon.stop();
    peer.stop();
}

/// A bridge is up while a port is, and what belongs to a bridge is still itself.
#[test]
fn a_bridge_follows_its_ports_and_a_port_that_comes_or_goes_is_no_other_interface() {
    let net = Net::new();
    let a = net.node("a", "lan0", &[]);
    a.shell(
        "ip link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0; ip link set lan0 master br0
        ip link set br0 address 02:00:00:00:00:01; ip link set br0 up; ip addr add 10.9.0.1/24 dev br0",
    );
    let on_bridge = Instance { interface: "br0", ..Instance::default() };
    let daemon =
        Daemon::start(&a, US, &on_bridge.line("track_interface {\n        lan0 weight 20\n    }").text());
    let priority = |wanted: u8, since: u64| {
        net.wait(&format!("priority {wanted}"), since, FAST.master_down(100) + ALLOWANCE, |event| {
            event.node == "a" && event.advert().is_some_and(|advert| advert.priority == wanted)
        });
    };
    net.wait_master("a", daemon.since(), START + FAST.master_down(100));
    a.shell("ip link add x0 type veth peer name x1; ip link set x1 up; ip link set x0 master br0; ip link set x0 up");
    a.shell("ip link set x0 nomaster; ip link set x0 master br0");
    net.set_carrier(&Net::port(1), false);
    daemon.wait_log("Netlink reports lan0 down", ALLOWANCE);
    std::thread::sleep(FAST.interval * 3);
    assert_eq!(daemon.logged("Entering FAULT STATE"), 0, "x0 is up\n{}", daemon.log());
    a.shell("ip link set x0 nomaster");
    // The kernel tells of a lost carrier once a second at most.
    daemon.wait_log("Netlink reports br0 down", BEAT);
    daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
    let back = now();
    net.set_carrier(&Net::port(1), true);
    priority(120, back);
    // The port leaves and returns: it was there all the time.
    let left = now();
    a.shell("ip link set lan0 nomaster; ip link set lan0 master br0");
    priority(120, left + 1);
    assert_eq!(daemon.logged("Interface lan0 deleted"), 0, "{}", daemon.log());
    daemon.stop();
}

/// The state that the log of a daemon ends in.
fn state(daemon: &Daemon<'_>) -> String {
    let log = daemon.log();
    let last = log.lines().rev().find_map(|line| line.split_once("(VI_1) Entering "));
    last.and_then(|(_, rest)| rest.split(' ').next()).unwrap_or("none").to_owned()
}

/// One event after the other, with time to settle, alone on the wire.
#[test]
fn the_same_events_lead_to_the_same_states_as_with_debians_keepalived() {
    let events = [
        "ip link set must0 down",
        "ip link set eth0 down",
        "ip link set must0 up",
        "ip link set eth0 up",
        "ip addr del 10.9.0.1/24 dev eth0",
        "ip link set eth0 down",
        "ip link set eth0 up",
        "ip addr add 10.9.0.1/24 dev eth0",
        "ip addr del 10.9.0.100/32 dev eth0",
        "ip link set eth0 address 02:00:00:00:00:99",
        "ip link set eth0 mtu 1400",
        "ip link set must0 name other",
        "ip link set other name must0",
        "ip link set must0 down; ip link set must0 up",
        "ip link del must0",
        "ip link add must0 type veth peer name must1; ip link set must1 up; ip link set must0 up",
        "ip link set must1 down",
        "ip link set must1 up",
        "carrier off",
        "carrier on",
        "ip link del eth0",
        "plug",
        "ip link set eth0 down; ip link set eth0 up",
    ];
    let told = std::thread::scope(|scope| {
        let runs = [US, Program::Reference].map(|program| {
            scope.spawn(move || {
                let net = Net::new();
                let a = net.node("a", "eth0", &["10.9.0.1/24"]);
                a.shell(
                    "ip link add must0 type veth peer name must1; ip link set must1 up; ip link set must0 up",
                );
                let conf = Instance::default().line("track_interface {\n        must0\n    }");
                let daemon = Daemon::start(&a, program, &conf.global("dynamic_interfaces").text());
                net.wait_master("a", daemon.since(), START + FAST.master_down(100));
                let states = events.map(|event| {
                    match event {
                        "carrier off" => net.set_carrier(&Net::port(1), false),
                        "carrier on" => net.set_carrier(&Net::port(1), true),
                        "plug" => drop(net.plug(&a, "eth0", &["10.9.0.1/24"])),
                        event => drop(a.shell(event)),
                    }
                    // The kernel tells of a lost carrier once a second at most.
                    std::thread::sleep(BEAT + FAST.master_down(100) + ALLOWANCE / 2);
                    (
                        state(&daemon),
                        a.try_shell("ip -o addr show dev eth0")
                            .stdout
                            .windows(VIP.len())
                            .any(|part| part == VIP.as_bytes()),
                    )
                });
                daemon.stop();
                states
            })
        });
        runs.map(|run| run.join().expect("a run ends"))
    });
    let [ours, theirs] = told;
    let mut story = String::new();
    for ((event, ours), theirs) in events.iter().zip(&ours).zip(&theirs) {
        story += &format!("{event}: {ours:?}, there {theirs:?}\n");
    }
    assert_eq!(ours, theirs, "\n{story}");
    assert!(ours.iter().filter(|(state, _)| state == "FAULT").count() >= 9, "{story}");
}

/// What a reload adds is in force at once, and a MASTER stays one.
#[test]
fn polling_and_delays_that_a_reload_adds_leave_a_master_alone() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + FAST.master_down(100));
    let begin = now();
    let conf = Instance::default()
        .before("interface_up_down_delays {\n    eth0 0.15\n}")
        .before("linkbeat_interfaces {\n    eth0\n}");
    daemon.reload(&conf.text());
    assert_eq!(daemon.logged("Using MII-BMSR/ETHTOOL NIC polling thread(s)..."), 1, "{}", daemon.log());
    std::thread::sleep(BEAT * 2);
    net.never("a goodbye", begin, Duration::ZERO, |event| event.is_goodbye_of("a"));
    assert!(steps::longest_gap(&net, begin, "a") <= FAST.interval + ALLOWANCE);
    a.shell("ip link set eth0 down");
    daemon.wait_log("eth0: Adding change to down delay by 150000", BEAT);
    daemon.wait_log("Linkbeat reports eth0 down", ALLOWANCE);
    daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
    // With neither it is what netlink says.
    a.shell("ip link set eth0 up");
    daemon.reload(&Instance::default().text());
    eventually("MASTER again", FAST.master_down(100) + BEAT, || daemon.logged("Entering MASTER STATE") == 2);
    daemon.stop();
}

/// The kernel does not tell again which IPv6 addresses an interface has that bears another name now.
#[test]
fn a_renamed_interface_comes_with_the_addresses_that_it_has() {
    let net = Net::new();
    let a = net.node("a", "eth0", &[]);
    let six =
        Instance { addresses: vec!["fe80::9:9".to_owned(), "2001:db8::9".to_owned()], ..Instance::default() };
    let daemon = Daemon::start(&a, US, &six.text());
    net.wait_master("a", daemon.since(), START + FAST.master_down(100));
    a.shell("ip link set eth0 name wan7");
    daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
    eventually("our address does not stay on it", ALLOWANCE, || !a.holds("wan7", "2001:db8::9"));
    let back = now();
    a.shell("ip link set wan7 name eth0");
    net.wait_master("a", back, FAST.master_down(100));
    steps::address_is_at("eth0", "2001:db8::9", &a, &[]);
    daemon.stop();
}
