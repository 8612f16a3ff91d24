//! Lines of the log that tools match on, as Debian's keepalived has them in the same events; and what is not done
//! because nobody asked for it.

use crate::kit::bounds::{START, Timing};
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

#[test]
fn bursts_reloads_and_ends_are_told_in_the_usual_words() {
    let conf = Instance {
        addresses: vec!["10.9.0.100/32".to_owned(), "10.9.0.101/32".to_owned()],
        ..Instance::default()
    };
    let objects = |number: &[&str]| {
        let lines = |form: &str| number.iter().map(|one| form.replace('N', one)).collect::<String>();
        let routes = lines("        10.7N.0.0/24 via 10.9.0.3 dev eth0\n");
        let rules = lines("        from 10.7N.0.0/24 table 100 priority 50N\n");
        format!("virtual_routes {{\n{routes}    }}\n    virtual_rules {{\n{rules}    }}")
    };
    let conf = conf.line(&objects(&["7", "8"]));
    let fewer = Instance { addresses: vec!["10.9.0.100/32".to_owned()], ..Instance::default() };
    let fewer = fewer.line(&objects(&["7"]));
    let other = Instance { vrid: 77, addresses: vec!["10.9.0.100/32".to_owned()], ..Instance::default() };
    for program in [Program::Reference, US] {
        let net = Net::new();
        let a = net.node("a", "eth0", &["10.9.0.1/24"]);
        let daemon = Daemon::start(&a, program, &conf.text());
        net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
        for last in [100, 101] {
            daemon.wait_log(
                &format!("(VI_1) Sending/queueing gratuitous ARPs on eth0 for 10.9.0.{last}"),
                START,
            );
        }
        assert_eq!(
            daemon.logged("Sending/queueing gratuitous ARPs on eth0 for 10.9.0.101"),
            1,
            "once a burst"
        );
        daemon.reload(&fewer.text());
        daemon.wait_log("(VI_1) ip address 10.9.0.101/32 dev eth0, no longer exist", START);
        daemon.wait_log("Removing route 10.78.0.0/24", START);
        daemon.wait_log("ip rule from 10.78.0.0/24 removed", START);
        assert_eq!(daemon.logged("10.77.0.0/24"), 0, "{program:?}: it stays");
        assert_eq!(daemon.logged("sent 0 priority"), 0);
        daemon.reload(&other.text());
        daemon.wait_log("(VI_1) sent 0 priority", START);
    }
}

#[test]
fn a_script_that_nobody_tracks_is_not_run_and_one_that_is_awaited_decides_over_backup() {
    for program in [Program::Reference, US] {
        let net = Net::new();
        let a = net.node("a", "eth0", &["10.9.0.1/24"]);
        let script = |name: &str, command: &str| {
            format!("vrrp_script {name} {{\n    script \"{command}\"\n    interval 1\n    user root\n}}")
        };
        let conf = Instance::default()
            .before(&script("idle", "/usr/bin/touch /run/idle"))
            .before(&script("lost", "/run/absent"))
            .before(&script("asked", "/bin/true"))
            .line("track_script {\n        asked\n    }");
        let daemon = Daemon::start(&a, program, &conf.text());
        net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
        assert_eq!(daemon.logged("(VI_1) Entering BACKUP STATE (init)"), 0, "{}", daemon.log());
        assert_eq!(daemon.logged("(VI_1) Entering BACKUP STATE"), 1, "{}", daemon.log());
        assert_ne!(daemon.logged("Disabling track script lost since not found/accessible"), 0);
        assert_ne!(daemon.logged("script idle is not used"), 0);
        std::thread::sleep(TIMING.interval * 12);
        a.shell("test ! -e /run/idle");
        if program == US {
            // Asked for by a reload, it runs at once.
            daemon.reload(&conf.clone().line("track_script {\n        idle\n    }").text());
            a.shell("for i in $(seq 50); do test -e /run/idle && exit 0; sleep 0.1; done; exit 1");
        }
    }
}

#[test]
fn a_route_without_an_interface_is_put_back_too() {
    if is_reference("2.2.7 does not track a route without dev, 2.4.3 does") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = Instance::default().line("virtual_routes {\n        10.77.0.0/24 via 10.9.0.3\n    }");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let there = "for i in $(seq 50); do ip route | grep -q 10.77.0.0/24 && exit 0; sleep 0.1; done; exit 1";
    a.shell(there);
    a.shell("ip route del 10.77.0.0/24");
    a.shell(there);
    assert_eq!(daemon.logged("cannot track"), 0, "{}", daemon.log());
}
