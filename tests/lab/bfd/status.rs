//! The data dump of sessions beside keepalived's.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;

use super::{DETECTION, Daemon, FOUR, HANDSHAKE, Net, REFERENCE, US, pair, session, tracking, wait};

/// What keepalived tells of its own timers, by their addresses in its memory.
const INNER: [&str; 3] = ["thread_", "sands_", "fd_in"];

/// Labels of a section of a dump, in order, each once.
fn labels(dump: &str, section: &str) -> Vec<String> {
    let start = dump.find(&format!("------< {section} >------\n"));
    let Some(rest) = start.and_then(|start| dump.get(start..)) else {
        panic!("{section} is missing\n{dump}")
    };
    let lines = rest.lines().skip(1).take_while(|line| !line.starts_with("------<"));
    let mut seen = BTreeSet::new();
    let label = |line: &str| {
        let label = line.split(" = ").next().unwrap_or(line);
        if label.starts_with("   fd_out") { "   fd_out".to_owned() } else { label.to_owned() }
    };
    lines.map(label).filter(|label| seen.insert(label.clone())).collect()
}

/// Every label that keepalived has, ours has in the same order.
#[test]
fn a_dump_has_the_labels_of_keepalived_in_its_order() {
    let net = Net::new();
    let [a, b] = pair(&net, FOUR);
    let track = "track_bfd {\n B weight 10 reverse\n}";
    let ours = Daemon::start(&a, US, &tracking(150, &session(FOUR[0], FOUR[1], ""), track));
    let peer = Daemon::start(&b, REFERENCE, &tracking(100, &session(FOUR[1], FOUR[0], ""), track));
    let both = [&ours, &peer];
    both.iter().for_each(|daemon| wait(daemon, "Up", 1, HANDSHAKE));
    both.iter().for_each(|daemon| daemon.wait_log("Detection time is 500000 us", HANDSHAKE));
    std::thread::sleep(DETECTION);
    let dumps = both.map(|daemon| {
        daemon.signal(Signal::SIGUSR1);
        ["/tmp/keepalived_bfd.data", "/tmp/keepalived.data"].map(|file| daemon.dump(file))
    });
    for (file, section) in [(0, "BFD Data"), (0, "BFD Topology"), (1, "VRRP Track BFDs")] {
        let [ours, theirs] = [0, 1].map(|program| labels(&dumps[program][file], section));
        let wanted = theirs.iter().filter(|label| {
            // 2.2.7 writes an empty list before the list.
            !INNER.iter().any(|inner| label.trim_start().starts_with(inner))
                && !label.contains("Tracking VRRP")
        });
        let mut rest = ours.iter();
        for label in wanted {
            assert!(
                rest.any(|own| own == label),
                "{label:?} of {theirs:#?}\nis not in its place in {ours:#?}"
            );
        }
    }
    let [[sessions, routers], [_, theirs]] = &dumps;
    for line in [
        "   Neighbor IP = 10.9.0.2\n   Source IP = 10.9.0.1\n   Required min RX interval = 100000 us\n",
        "   send error = false\n   local state = Up\n   remote state = Up\n",
        "   local diag = No Diagnostic\n   remote diag = No Diagnostic\n   remote min tx intv = 100000 us\n",
        "   remote detection time = 500000 us\n   last seen = ",
        " fd_in = ",
        "   too short = 0\n",
        "   TTL or hop limit = 0\n",
    ] {
        assert!(sessions.contains(line), "{line:?} is not in\n{sessions}");
    }
    for line in ["   Tracked BFDs :\n     B: weight 10 reverse\n", "   Bfd is up\n"] {
        assert!(theirs.contains(line), "{line:?} is not in\n{theirs}");
        assert!(routers.contains(line), "{line:?} is not in\n{routers}");
    }
    ours.wait_log("Printing BFD data for process(", DETECTION);
    ours.stop();
    peer.stop();
}
