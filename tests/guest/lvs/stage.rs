//! Where a story happens: a director, a client and real servers, and the table that IPVS holds on the director.

use std::cell::OnceCell;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::stub::{Speaks, Stub};
use crate::kit::bounds::{eventually, holds_within};
use crate::kit::capture::enter_network;
use crate::kit::daemon::{CONF, Daemon, Program};
use crate::kit::node::Node;

/// The guest is slow, and checks take seconds.
const SETTLED: Duration = Duration::from_secs(30);

/// A director, a client and real servers.
pub(crate) struct Stage {
    /// The machine of the daemon.
    pub(crate) director: Node,
    /// The machine of the stubs, with all their addresses.
    pub(crate) servers: Node,
    /// The machine of those who ask, once somebody does.
    client: OnceCell<Node>,
    program: Program,
}

impl Stage {
    /// Everything but the daemon; the virtual addresses are 10.9.0.100 to 10.9.0.109.
    pub(crate) fn new(program: Program) -> Self {
        let (director, servers) = (Node::new("director"), Node::new("servers"));
        cable(&director, "eth0", &servers);
        director.shell(
            "{ for at in {1,{100..109}}; do echo addr add 10.9.0.$at/24 dev eth0; done
            echo addr add fd09::1/64 dev eth0 nodad
            echo link set eth0 up; } | ip -batch -",
        );
        servers.shell(
            "{ for at in {11..39}; do echo addr add 10.9.0.$at/24 dev eth0; done
            for at in {11..19}; do echo addr add fd09::$at/64 dev eth0 nodad; done
            echo link set eth0 up
            echo route add default via 10.9.0.1; } | ip -batch -",
        );
        Self { director, servers, client: OnceCell::new(), program }
    }

    /// The machine of those who ask.
    pub(super) fn client(&self) -> &Node {
        self.client.get_or_init(|| {
            let client = Node::new("client");
            cable(&self.director, "eth1", &client);
            self.director.shell("ip addr add 10.8.0.1/24 dev eth1; ip link set eth1 up");
            client.shell(
                "ip addr add 10.8.0.9/24 dev eth0; ip link set eth0 up; ip route add default via 10.8.0.1",
            );
            client
        })
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
        self.ipvsadm(&["-Sn"])
    }

    /// What ipvsadm prints on the director, sorted.
    pub(crate) fn ipvsadm(&self, arguments: &'static [&'static str]) -> Vec<String> {
        ipvsadm(&self.director, arguments)
    }

    /// Waits until the table is this one.
    pub(crate) fn expect(&self, step: &str, wanted: &[&str]) {
        let mut wanted: Vec<_> = wanted.iter().map(|line| (*line).to_owned()).collect();
        wanted.sort();
        let mut table = Table::of(&self.director);
        let begin = Instant::now();
        let right = holds_within(SETTLED, || table.lines_of(wanted.len()) == Some(&*wanted));
        println!("{:?}: {step}: {:.1} s", self.program, begin.elapsed().as_secs_f32());
        assert!(right, "{:?}: {step}: {}", self.program, difference(table.lines(), &wanted));
    }

    /// The table is and stays this one.
    pub(crate) fn steady(&self, step: &str, during: Duration, wanted: &[&str]) {
        let mut wanted: Vec<_> = wanted.iter().map(|line| (*line).to_owned()).collect();
        wanted.sort();
        let (begin, mut table) = (Instant::now(), Table::of(&self.director));
        while begin.elapsed() < during {
            let seen = table.lines();
            assert_eq!(seen, wanted, "{:?}: {step}: {}", self.program, difference(seen, &wanted));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What answers the client at a virtual address, or nothing.
    pub(crate) fn ask(&self, at: &str) -> Option<String> {
        ask(self.client(), at)
    }

    /// A connection of the client to a virtual address.
    pub(crate) fn connect(&self, at: &str) -> TcpStream {
        let (holder, at) = (self.client().holder(), at.to_owned());
        let connecting = std::thread::spawn(move || {
            enter_network(holder);
            let at = at.parse().expect("an address and a port");
            TcpStream::connect_timeout(&at, Duration::from_secs(10)).expect("a connection")
        });
        connecting.join().expect("the client ends")
    }

    /// Sends datagrams from one port of the client to a virtual address.
    pub(crate) fn send(&self, at: &str, count: usize) {
        let (holder, at) = (self.client().holder(), at.to_owned());
        let sending = std::thread::spawn(move || {
            enter_network(holder);
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a port");
            for _ in 0..count {
                socket.send_to(b"hello", &at).expect("a datagram");
            }
        });
        sending.join().expect("the client ends");
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

/// The page that a client in the network of a node gets, or nothing.
pub(super) fn ask(client: &Node, at: &str) -> Option<String> {
    let (holder, at) = (client.holder(), at.to_owned());
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

/// The table of a node as ipvsadm saves it. It is looked at hundreds of times a story, and each ipvsadm costs the guest a
/// tenth of a second: it is asked again when the kernel's own list has changed, or after a second for what that list
/// lacks.
pub(crate) struct Table {
    holder: i32,
    listed: String,
    asked: Option<Instant>,
    lines: Vec<String>,
}

impl Table {
    pub(crate) fn of(node: &Node) -> Self {
        Self { holder: node.holder(), listed: String::new(), asked: None, lines: Vec::new() }
    }

    /// What is in the table now, if it may have so many lines: where the kernel's own list has another number of them,
    /// ipvsadm is asked once a second only.
    pub(crate) fn lines_of(&mut self, wanted: usize) -> Option<&[String]> {
        let lines = listed(self.holder).lines().filter(|line| is_entry(line)).count();
        let asked = *self.asked.get_or_insert_with(Instant::now);
        if lines != wanted && asked.elapsed() < Duration::from_secs(1) {
            return None;
        }
        Some(self.lines())
    }

    /// What is in the table now.
    pub(crate) fn lines(&mut self) -> &[String] {
        let listed = listed(self.holder);
        if listed != self.listed || self.asked.is_none_or(|at| at.elapsed() > Duration::from_secs(1)) {
            (self.listed, self.asked) = (listed, Some(Instant::now()));
            self.lines = asked(self.holder, &["-Sn"]);
        }
        &self.lines
    }
}

/// The kernel's own list, without the connections of each destination.
pub(super) fn listed(holder: i32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{holder}/net/ip_vs")).unwrap_or_default();
    let keep = |line: &'_ str| line.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    text.lines().map(|line| if line.contains("->") { keep(line) } else { line.to_owned() } + "\n").collect()
}

/// Whether a line of the kernel's list is a service or a destination, and not one of its three heads.
fn is_entry(line: &str) -> bool {
    ["TCP ", "UDP ", "SCTP ", "FWM "].iter().any(|kind| line.starts_with(kind))
        || line.starts_with("->") && !line.contains("RemoteAddress")
}

/// What ipvsadm prints in the network of a node, sorted.
pub(crate) fn ipvsadm(node: &Node, arguments: &'static [&'static str]) -> Vec<String> {
    asked(node.holder(), arguments)
}

fn asked(holder: i32, arguments: &'static [&'static str]) -> Vec<String> {
    // Not by a shell of the node: that costs more.
    let asking = std::thread::spawn(move || {
        enter_network(holder);
        Command::new("ipvsadm").args(arguments).output().expect("ipvsadm runs")
    });
    let text = asking.join().expect("ipvsadm ends").stdout;
    let mut lines: Vec<_> =
        String::from_utf8_lossy(&text).lines().map(|line| line.trim().to_owned()).collect();
    lines.sort();
    lines
}

/// Lays a cable from a new interface of a node to `eth0` of another one.
pub(super) fn cable(node: &Node, interface: &str, other: &Node) {
    let status = Command::new("ip")
        .args(["link", "add", "name", interface, "netns", &node.holder().to_string(), "type", "veth"])
        .args(["peer", "name", "eth0", "netns", &other.holder().to_string()])
        .status();
    assert!(status.expect("ip (package iproute2) runs").success(), "a cable to {}", other.name());
}

/// What is in one table and not in the other.
pub(super) fn difference(seen: &[String], wanted: &[String]) -> String {
    let missing = wanted.iter().filter(|line| !seen.contains(line)).map(|line| format!("missing {line}"));
    let extra = seen.iter().filter(|line| !wanted.contains(line)).map(|line| format!("not wanted {line}"));
    missing.chain(extra).collect::<Vec<_>>().join("; ")
}

/// What the table shows of the service of [`conf`].
pub(super) const WEB: &str = "-A -t 10.9.0.100:80 -s rr";

/// A service whose servers have these addresses and lines.
pub(super) fn conf(lines: &str, servers: &[(&str, &str)]) -> String {
    let mut text = format!(
        "virtual_server 10.9.0.100 80 {{
        delay_loop 1
        lvs_sched rr
        lvs_method NAT
        protocol TCP
        {lines}\n"
    );
    for (addr, lines) in servers {
        text += &format!("real_server {addr} 80 {{\n {lines}\n }}\n");
    }
    text + "}\n"
}

/// A check that fails at once.
pub(super) const CHECK: &str = "TCP_CHECK {
    connect_timeout 2
    retry 0
}";
