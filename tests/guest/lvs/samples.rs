//! The samples that keepalived ships for virtual servers: what they make of an empty table.

use std::time::{Duration, Instant};

use super::stage::{Table, ipvsadm};
use crate::kit::bounds::{eventually, holds_within};
use crate::kit::daemon::{Daemon, Program};
use crate::kit::node::Node;
use crate::kit::skip::skip;

/// Where Debian's package puts them.
const FOLDER: &str = "/usr/share/doc/keepalived/samples";

/// Those that have a virtual server, the lines that ipvsadm saves of each, and the sync daemons.
const SAMPLES: &[(&str, usize, usize)] = &[
    ("HTTP_GET.port", 2, 0),
    ("IPv6", 2, 0),
    ("PING_CHECK", 2, 0),
    ("SMTP_CHECK", 4, 0),
    ("SSL_GET", 4, 0),
    ("UDP_CHECK", 2, 0),
    ("fwmark", 3, 0),
    ("inhibit", 2, 0),
    ("misc_check", 2, 0),
    ("misc_check_arg", 2, 0),
    ("quorum", 1, 0),
    ("sample", 2, 0),
    ("status_code", 2, 0),
    ("virtual_server_group", 39, 0),
    ("virtualhost", 2, 0),
    ("vrrp.lvs_syncd", 2, 1),
];

/// The guest is slow.
const SLOW: Duration = Duration::from_secs(20);

/// Each of them is loaded, has the table that the other programs have, and leaves nothing behind.
pub(crate) fn all(programs: &[Program]) {
    if !std::path::Path::new(FOLDER).is_dir() {
        skip("this machine's packages are without their documentation");
        return;
    }
    // Both at once, in halves: they mostly wait.
    let tables: Vec<Vec<_>> = std::thread::scope(|scope| {
        let half = |program: &Program, samples| {
            let program = *program;
            scope.spawn(move || tables(program, samples))
        };
        let halves =
            |program| SAMPLES.chunks(SAMPLES.len() / 2).map(|samples| half(program, samples)).collect();
        let all: Vec<Vec<_>> = programs.iter().map(halves).collect();
        let whole = |halves: Vec<std::thread::ScopedJoinHandle<'_, Vec<_>>>| {
            halves.into_iter().flat_map(|half| half.join().expect("tables")).collect()
        };
        all.into_iter().map(whole).collect()
    });
    for others in &tables {
        for ((name, ..), (one, other)) in SAMPLES.iter().zip(tables[0].iter().zip(others)) {
            assert_eq!(one, other, "{name}");
        }
    }
}

/// What some of them put into the table. What is sent to servers vanishes, so that no check ends before that is read.
fn tables(program: Program, samples: &[(&str, usize, usize)]) -> Vec<Vec<String>> {
    let node = Node::new("director");
    node.shell(
        "for at in eth0 eth1; do echo link add $at type dummy; echo link set $at up; done | ip -batch -
        ip addr add 10.255.0.1/24 dev eth0; ip addr add fd00::1/64 dev eth0 nodad; ip addr add 10.255.1.1/24 dev eth1
        ip route add default dev eth0; ip -6 route add default dev eth0",
    );
    // Who looks for its own name asks nobody far away.
    node.write("/etc/hosts", "127.0.0.1 localhost director\n");
    samples.iter().map(|(name, entries, daemons)| table(program, &node, name, *entries, *daemons)).collect()
}

fn table(program: Program, node: &Node, name: &str, entries: usize, daemons: usize) -> Vec<String> {
    let conf = std::fs::read_to_string(format!("{FOLDER}/keepalived.conf.{name}")).expect("a sample");
    let daemon = Daemon::start(node, program, &conf);
    let mut table = Table::of(node);
    // Of the daemons when there is nothing else to wait for.
    let mut held = |entries: usize| {
        let mut lines = table.lines().to_vec();
        if lines.len() == entries {
            lines.extend(ipvsadm(node, &["-Ln", "--daemon"]));
        }
        lines
    };
    let (mut lines, count) = (Vec::new(), entries + daemons);
    let begin = Instant::now();
    let came = holds_within(SLOW, || {
        lines = held(entries);
        lines.len() >= count
    });
    println!("{program:?}: {name}: {:.1} s", begin.elapsed().as_secs_f32());
    assert!(came && lines.len() == count, "{program:?} {name}: {lines:#?}");
    daemon.stop();
    eventually("nothing is left", SLOW, || held(0).is_empty());
    println!("{program:?}: {name}: {:.1} s with its stop", begin.elapsed().as_secs_f32());
    lines
}
