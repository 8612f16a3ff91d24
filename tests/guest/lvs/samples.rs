//! The samples that keepalived ships for virtual servers: what they make of an empty table.

use std::time::{Duration, Instant};

use super::stage::ipvsadm;
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
    // Both at once: they mostly wait.
    let tables: Vec<Vec<_>> = std::thread::scope(|scope| {
        let all: Vec<_> = programs.iter().map(|program| scope.spawn(|| tables(*program))).collect();
        all.into_iter().map(|one| one.join().expect("a table")).collect()
    });
    for others in &tables {
        for ((name, ..), (one, other)) in SAMPLES.iter().zip(tables[0].iter().zip(others)) {
            assert_eq!(one, other, "{name}");
        }
    }
}

/// What each of them puts into the table. What is sent to servers vanishes, so that no check ends before that is read.
fn tables(program: Program) -> Vec<Vec<String>> {
    let node = Node::new("director");
    node.shell(
        "for at in eth0 eth1; do echo link add $at type dummy; echo link set $at up; done | ip -batch -
        ip addr add 10.255.0.1/24 dev eth0; ip addr add fd00::1/64 dev eth0 nodad; ip addr add 10.255.1.1/24 dev eth1
        ip route add default dev eth0; ip -6 route add default dev eth0",
    );
    // Who looks for its own name asks nobody far away.
    node.write("/etc/hosts", "127.0.0.1 localhost director\n");
    SAMPLES.iter().map(|(name, entries, daemons)| table(program, &node, name, entries + daemons)).collect()
}

fn table(program: Program, node: &Node, name: &str, count: usize) -> Vec<String> {
    let conf = std::fs::read_to_string(format!("{FOLDER}/keepalived.conf.{name}")).expect("a sample");
    let daemon = Daemon::start(node, program, &conf);
    let held = || [ipvsadm(node, &["-Sn"]), ipvsadm(node, &["-Ln", "--daemon"])].concat();
    let mut lines = Vec::new();
    let begin = Instant::now();
    let came = holds_within(SLOW, || {
        lines = held();
        lines.len() >= count
    });
    println!("{program:?}: {name}: {:.1} s", begin.elapsed().as_secs_f32());
    assert!(came && lines.len() == count, "{program:?} {name}: {lines:#?}");
    daemon.stop();
    eventually("nothing is left", SLOW, || held().is_empty());
    lines
}
