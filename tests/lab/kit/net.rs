//! A switch with nodes plugged into it, and what passes through it.
//!
//! ```text
//!   node a                 switch                node b
//!   [eth0] ── veth ── [p1]─ bridge ─[p2] ── veth ── [eth0]
//!                       └── capture ──┘
//! ```

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::bounds::ALLOWANCE;
use super::capture::{Capture, nanos, now};
use super::decode::{Event, Stamp, What};
use super::judge;
use super::load;
use super::node::Node;

/// A switch, the cables and a capture of everything that the nodes send.
pub(crate) struct Net {
    switch: Node,
    capture: Capture,
    ports: Cell<u8>,
    referee: bool,
    vandal: RefCell<Option<String>>,
}

/// A node's place on the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port(String);

/// A running ip that cuts a cable or heals it.
pub(crate) struct Cut {
    port: String,
    ip: Child,
    /// None: it is to end.
    commands: Option<ChildStdin>,
}

impl Cut {
    /// Cuts the cable or heals it; when.
    pub(crate) fn set(&mut self, apart: bool) -> Stamp {
        let word = if apart { "on" } else { "off" };
        let line = format!("link set {} type bridge_slave isolated {word}\n", self.port);
        let at = now();
        self.commands.as_mut().expect("ip runs").write_all(line.as_bytes()).expect("ip reads");
        at
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.ip.wait();
    }
}

impl Net {
    /// A switch without cables. When it is dropped tshark judges every frame that the nodes sent.
    pub(crate) fn new() -> Self {
        let mut net = Self::without_referee();
        net.referee = true;
        net
    }

    /// The same for those who measure or show, and have no tshark.
    pub(crate) fn without_referee() -> Self {
        let switch = Node::new("switch");
        switch.shell(
            "ip link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0; \
             echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set br0 up",
        );
        let capture = Capture::start(switch.holder());
        Self { switch, capture, ports: Cell::new(0), referee: false, vandal: RefCell::new(None) }
    }

    /// A new node whose `interface` has `addresses` (with prefix lengths) and is plugged in.
    pub(crate) fn node(&self, name: &str, interface: &str, addresses: &[&str]) -> Node {
        let node = Node::new(name);
        self.plug(&node, interface, addresses);
        node
    }

    /// Lays a cable from a new interface of a node to the switch.
    pub(crate) fn plug(&self, node: &Node, interface: &str, addresses: &[&str]) -> Port {
        self.plug_numbered(node, interface, addresses, "0")
    }

    /// The same; the interface has this number in the node, or with "0" whichever is free.
    pub(crate) fn plug_numbered(
        &self,
        node: &Node,
        interface: &str,
        addresses: &[&str],
        index: &str,
    ) -> Port {
        let number = self.ports.get() + 1;
        self.ports.set(number);
        let port = format!("p{number}");
        let index: &[&str] = if index == "0" { &[] } else { &["index", index] };
        let status = Command::new("ip")
            .args(["link", "add", "name", interface])
            .args(index)
            .args(["netns", &node.holder().to_string()])
            .args(["address", &format!("02:00:00:00:00:{number:02x}"), "type", "veth"])
            .args(["peer", "name", &port, "netns", &self.switch.holder().to_string()])
            .status()
            .expect("ip (package iproute2) runs");
        assert!(status.success(), "cable from {} to the switch", node.name());
        let mut setup = String::new();
        for address in addresses {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            setup += &format!("ip addr add {address} dev {interface}{nodad}; ");
        }
        node.shell(&format!("{setup} ip link set {interface} up"));
        let index = self.switch.shell(&format!(
            "ip link set {port} master br0; ip link set {port} up; cat /sys/class/net/{port}/ifindex"
        ));
        self.capture.name_port(index.trim().parse().expect("an interface index"), node.name());
        Port(port)
    }

    /// Exchanges an interface of a node for another one of the same number while a process sleeps, which then finds it
    /// exchanged. Its parent sleeps for longer, or it would take its child for hung.
    pub(crate) fn plug_unseen(
        &self,
        node: &Node,
        interface: &str,
        addresses: &[&str],
        index: &str,
        parent: i32,
        child: i32,
    ) {
        let number = self.ports.get() + 1;
        self.ports.set(number);
        let (port, switch) = (format!("p{number}"), self.switch.holder());
        let mut addressed = String::new();
        // Who started the parent stops when that stops, and would not hear of its end.
        let nsenter = format!("$(sed -n 's/^PPid:[[:space:]]*//p' /proc/{parent}/status)");
        for address in addresses {
            addressed += &format!(" && ip addr add {address} dev {interface}");
        }
        let line = format!(
            "kill -STOP {parent} {child} && ip link del {interface} && ip link add name {interface} index {index} \
             address 02:00:00:00:00:{number:02x} type veth peer name {port} netns {switch}{addressed} \
             && ip link set {interface} up && nsenter --target {switch} --net ip link set {port} master br0 up; \
             outcome=$?; kill -CONT {child}; sleep 0.1; kill -CONT {parent} {nsenter}; exit $outcome"
        );
        let holder = node.holder().to_string();
        let status =
            Command::new("nsenter").args(["--target", &holder, "--net", "bash", "-c", &line]).status();
        assert!(status.expect("nsenter runs").success(), "{line}");
        let index = self.switch.shell(&format!("cat /sys/class/net/{port}/ifindex"));
        self.capture.name_port(index.trim().parse().expect("an interface index"), node.name());
    }

    /// The port of the `number`th cable laid, counting from 1.
    pub(crate) fn port(number: u8) -> Port {
        Port(format!("p{number}"))
    }

    /// Ports that are apart hear only ports that are not: two halves of a split network keep their carrier.
    pub(crate) fn set_apart(&self, ports: &[Port], apart: bool) {
        self.set_ports(ports, &format!("isolated {}", if apart { "on" } else { "off" }));
    }

    /// Cuts and heals a cable within a fraction of a millisecond, for those who measure. The other cable of the link must
    /// be apart already.
    pub(crate) fn quick_cut(&self, Port(port): &Port) -> Cut {
        let mut ip = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "nsenter", "--net", "--target", &self.switch.holder().to_string()])
            .args(["ip", "-batch", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("ip (package iproute2) runs");
        let commands = ip.stdin.take().expect("a pipe");
        Cut { port: port.clone(), ip, commands: Some(commands) }
    }

    /// Ports that are deaf pass nothing on to their node, which goes on being heard.
    pub(crate) fn set_deaf(&self, ports: &[Port], deaf: bool) {
        let word = if deaf { "off" } else { "on" };
        self.set_ports(
            ports,
            &format!("flood {word} mcast_flood {word} bcast_flood {word} learning {word} fdb_flush"),
        );
    }

    /// Sets something of ports, by one process.
    fn set_ports(&self, ports: &[Port], words: &str) {
        let lines: String =
            ports.iter().map(|Port(port)| format!("link set {port} type bridge_slave {words}\n")).collect();
        self.switch.shell(&format!("exec ip -batch - <<< '{lines}'"));
    }

    /// Takes the carrier away from the node behind the port, or gives it back.
    pub(crate) fn set_carrier(&self, Port(port): &Port, carrier: bool) {
        self.switch.shell(&format!("ip link set {port} {}", if carrier { "up" } else { "down" }));
    }

    /// Everything that nodes have sent since.
    pub(crate) fn events(&self, since: Stamp) -> Vec<Event> {
        self.capture.events(since)
    }

    /// The adverts of a node that goes on being master, since.
    pub(crate) fn adverts(&self, since: Stamp, node: &str) -> Vec<Event> {
        self.events(since).into_iter().filter(|event| event.is_advert_of(node)).collect()
    }

    /// The frames that a node has sent so far, as they were, in order.
    pub(crate) fn frames(&self, node: &str) -> Vec<Vec<u8>> {
        let pcap = self.capture.pcap(|sender| sender == node);
        let mut rest = pcap.get(24..).unwrap_or_default();
        let mut frames = Vec::new();
        while let Some((header, tail)) = rest.split_at_checked(16) {
            let length: [u8; 4] = header[8..12].try_into().expect("four octets");
            let (frame, tail) = tail.split_at(u32::from_le_bytes(length) as usize);
            frames.push(frame.to_vec());
            rest = tail;
        }
        frames
    }

    /// Forgets the capture so far.
    pub(crate) fn forget(&self) {
        self.capture.clear();
    }

    /// Waits for an event after `since`; panics with what was seen instead if it has not come in `within`
    /// plus the allowance, or later by as much of it as the machine was busy with something else.
    pub(crate) fn wait(
        &self,
        what: &str,
        since: Stamp,
        within: Duration,
        mut wanted: impl FnMut(&Event) -> bool,
    ) -> Event {
        let bound = within + ALLOWANCE;
        let mut deadline = since + nanos(bound);
        loop {
            let left = Duration::from_nanos(deadline.saturating_sub(now()));
            let found = self.capture.wait(since, Instant::now() + left, &mut wanted);
            let until = found.as_ref().map_or_else(now, |event| event.at);
            deadline = deadline.max(since + nanos(load::stretched(bound, since, until)));
            match found {
                Some(event) if event.at <= deadline => return event,
                None if now() < deadline => {}
                late => panic!("not within {within:?}: {what} ({late:?})\n{}", self.story(since)),
            }
        }
    }

    /// Waits until `node` is the one that advertises, and nobody else has since its first advert.
    pub(crate) fn wait_master(&self, node: &str, since: Stamp, within: Duration) -> Event {
        self.wait(&format!("{node} advertises"), since, within, |event| event.is_advert_of(node))
    }

    /// Lets time pass and then panics if anything forbidden was seen since `since`.
    pub(crate) fn never(
        &self,
        what: &str,
        since: Stamp,
        during: Duration,
        forbidden: impl Fn(&Event) -> bool,
    ) {
        std::thread::sleep(during);
        if let Some(event) = self.events(since).iter().find(|event| forbidden(event)) {
            panic!("seen, but must not be: {what}: {event}\n{}", self.story(since));
        }
    }

    /// The adverts and announcements since, a line each, for messages.
    pub(crate) fn story(&self, since: Stamp) -> String {
        let events = self.events(since.saturating_sub(nanos(Duration::from_secs(3))));
        let told: Vec<_> = events
            .iter()
            .filter(|event| event.what != What::Other)
            .map(|event| format!("  {event}"))
            .collect();
        told[told.len().saturating_sub(40)..].join("\n")
    }

    /// Leaves a node whose job it is to send nonsense out of the judgement.
    pub(crate) fn expect_nonsense_from(&self, node: &Node) {
        self.vandal.replace(Some(node.name().to_owned()));
    }

    /// A field of every VRRP frame as tshark reads it, for frames of `node`.
    pub(crate) fn tshark(&self, node: &str, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
        judge::fields(&self.capture.pcap(|sender| sender == node), filter, fields)
    }
}

/// No lab passes with a malformed packet or a bad checksum in its capture.
impl Drop for Net {
    fn drop(&mut self) {
        if !self.referee || std::thread::panicking() {
            return;
        }
        let vandal = self.vandal.take();
        let keep = |node: &str| vandal.as_deref() != Some(node);
        let adverts =
            self.events(0).iter().filter(|event| keep(&event.node) && event.advert().is_some()).count();
        judge::judge(&self.capture.pcap(keep), adverts);
    }
}

/// The spacings between successive events.
pub(crate) fn spacings(events: &[Event]) -> Vec<Duration> {
    events.windows(2).map(|pair| Duration::from_nanos(pair[1].at.saturating_sub(pair[0].at))).collect()
}

/// The time between two stamps; zero if `later` is not later.
pub(crate) fn between(earlier: Stamp, later: Stamp) -> Duration {
    Duration::from_nanos(later.saturating_sub(earlier))
}
