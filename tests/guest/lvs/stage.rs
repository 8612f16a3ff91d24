//! Where a story happens: a director, a client and real servers, and the table that IPVS holds on the director.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::stub::{Speaks, Stub};
use crate::kit::bounds::{eventually, holds_within};
use crate::kit::capture::enter_network;
use crate::kit::daemon::{CONF, Daemon, Program};
use crate::kit::net::Net;
use crate::kit::node::Node;

/// The guest is slow, and checks take seconds.
const SETTLED: Duration = Duration::from_secs(30);

/// A director, a client and real servers.
pub(crate) struct Stage {
    /// The machine of the daemon.
    pub(crate) director: Node,
    /// The machine of the stubs, with all their addresses.
    pub(crate) servers: Node,
    /// The machine of those who ask.
    pub(crate) client: Node,
    program: Program,
    _net: Net,
}

impl Stage {
    /// Everything but the daemon; the virtual addresses are 10.9.0.100 to 10.9.0.109.
    pub(crate) fn new(program: Program) -> Self {
        let net = Net::without_referee();
        let director = net.node("director", "eth0", &["10.9.0.1/24", "10.8.0.1/24", "fd09::1/64"]);
        let servers = net.node("servers", "eth0", &[]);
        let client = net.node("client", "eth0", &["10.8.0.9/24"]);
        director.shell(
            "for scope in all default eth0; do echo 0 >/proc/sys/net/ipv4/conf/$scope/send_redirects; done; \
             for at in {100..109}; do echo addr add 10.9.0.$at/32 dev eth0; done | ip -batch -",
        );
        servers.shell(
            "{ for at in {11..39}; do echo addr add 10.9.0.$at/24 dev eth0; done; \
             for at in {11..19}; do echo addr add fd09::$at/64 dev eth0 nodad; done; } | ip -batch -; \
             ip route add default via 10.9.0.1",
        );
        client.shell("ip route add 10.9.0.0/24 via 10.8.0.1");
        Self { director, servers, client, program, _net: net }
    }

    /// A real server, switched on.
    pub(crate) fn stub(&self, at: &str, speaks: Speaks) -> Stub {
        Stub::new(&self.servers, at, speaks)
    }

    /// Starts the daemon.
    pub(crate) fn start(&self, conf: &str) -> Daemon<'_> {
        Daemon::start(&self.director, self.program, conf)
    }

    /// Writes another configuration and tells the daemon; the table says when it has done so.
    pub(crate) fn reload(&self, daemon: &Daemon<'_>, conf: &str) {
        self.director.write(CONF, conf);
        daemon.signal(Signal::SIGHUP);
    }

    /// What IPVS holds, as ipvsadm saves it, sorted.
    pub(crate) fn table(&self) -> Vec<String> {
        let mut lines: Vec<_> =
            self.director.shell("ipvsadm -Sn").lines().map(|line| line.trim().to_owned()).collect();
        lines.sort();
        lines
    }

    /// Waits until the table is this one.
    pub(crate) fn expect(&self, step: &str, wanted: &[&str]) {
        let mut wanted: Vec<_> = wanted.iter().map(|line| (*line).to_owned()).collect();
        wanted.sort();
        let mut seen = Vec::new();
        let begin = Instant::now();
        let right = holds_within(SETTLED, || {
            seen = self.table();
            seen == wanted
        });
        println!("{:?}: {step}: {:.1} s", self.program, begin.elapsed().as_secs_f32());
        assert!(right, "{:?}: {step}: {}", self.program, difference(&seen, &wanted));
    }

    /// The table is and stays this one.
    pub(crate) fn steady(&self, step: &str, during: Duration, wanted: &[&str]) {
        let mut wanted: Vec<_> = wanted.iter().map(|line| (*line).to_owned()).collect();
        wanted.sort();
        let begin = Instant::now();
        while begin.elapsed() < during {
            let seen = self.table();
            assert_eq!(seen, wanted, "{:?}: {step}: {}", self.program, difference(&seen, &wanted));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What answers the client at a virtual address, or nothing.
    pub(crate) fn ask(&self, at: &str) -> Option<String> {
        let (holder, at) = (self.client.holder(), at.to_owned());
        let asking = std::thread::spawn(move || {
            enter_network(holder);
            let mut stream = TcpStream::connect_timeout(&at.parse().ok()?, Duration::from_secs(5)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
            let mut reply = String::new();
            stream.read_to_string(&mut reply).ok()?;
            Some(reply.split_once("\r\n\r\n")?.1.to_owned())
        });
        asking.join().expect("the client ends")
    }

    /// Waits until those who answer at a virtual address are these, in whatever order.
    pub(crate) fn answers(&self, at: &str, wanted: &[&str]) {
        let mut seen = Vec::new();
        eventually(&format!("{at} is answered by {wanted:?}"), SETTLED, || {
            seen = (0..3 * wanted.len()).filter_map(|_| self.ask(at)).collect();
            seen.sort();
            seen.dedup();
            seen == wanted
        });
    }
}

/// What is in one table and not in the other.
fn difference(seen: &[String], wanted: &[String]) -> String {
    let missing = wanted.iter().filter(|line| !seen.contains(line)).map(|line| format!("missing {line}"));
    let extra = seen.iter().filter(|line| !wanted.contains(line)).map(|line| format!("not wanted {line}"));
    missing.chain(extra).collect::<Vec<_>>().join("; ")
}
