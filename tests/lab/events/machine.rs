//! A machine of the pair, and what happens to it.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::around::{self, PREY};
use super::conf::{conf, reword};
use super::model::{LINKS, Link, State, WAYS, is_guest};
use super::reader::Reader;
use super::sight;
use super::wire::{Split, Wire};
use crate::kit::bounds::eventually;
use crate::kit::daemon::{CONF, Daemon, Launch, Program};
use crate::kit::net::{Net, Port};
use crate::kit::node::{Node, children, command_name, is_alive};

/// Numbers that follow from a seed (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }

    pub(crate) fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).expect("below it")
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }
}

/// Deaths of a child that one daemon is given: after each the next start waits twice as long.
const DEATHS: u32 = 3;

/// Starts what is tracked.
const PROCESS: &str = "/run/labprocess 100000 >/dev/null 2>&1 & true";
/// The same for the second group.
pub(crate) const SECOND: &str = "/run/labsecond 100000 >/dev/null 2>&1 & true";

/// A machine with three interfaces: two on the switch, one that leads nowhere.
pub(crate) fn node(name: &str) -> Node {
    let node = Node::new(name);
    sight::prepare(&node);
    node.shell(
        "echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter; touch /run/fit; echo 0 >/run/number; \
                echo 0 >/run/level",
    );
    node.shell(&format!(
        "cp /usr/bin/sleep /run/labprocess; {PROCESS}; cp /usr/bin/sleep /run/labsecond; {SECOND}"
    ));
    node
}

fn plug(net: &Net, node: &Node, host: u8, at: usize) -> Option<Port> {
    if at < 2 {
        let (v4, v6) = own(host, at);
        if !is_guest() || at == 0 {
            return Some(net.plug(node, LINKS[at].0, &[&v4, &v6]));
        }
        node.try_shell("ip link del trunk 2>/dev/null");
        let port = net.plug(node, "trunk", &[]);
        node.shell(&format!(
            "ip link add link trunk name eth1 type vlan id 5; ip addr add {v4} dev eth1; \
             ip addr add {v6} dev eth1 nodad; ip link set eth1 up"
        ));
        return Some(port);
    }
    if is_guest() {
        node.shell(
            "ip link show blue >/dev/null 2>&1 || ip link add blue type vrf table 10; ip link set blue up
             ip link show other1 >/dev/null 2>&1 || ip link add other1 type dummy; ip link set other1 up
             ip link add other type dummy; ip link set other master blue; ip link set other up",
        );
        return None;
    }
    node.shell("ip link add other type veth peer name other1; ip link set other1 up; ip link set other up");
    None
}

/// The addresses of an interface on the switch.
fn own(host: u8, at: usize) -> (String, String) {
    let net = 9 - at;
    (format!("10.{net}.0.{host}/24"), format!("2001:db8:{net}::{host}/64"))
}

/// One of the two.
pub(crate) struct Machine<'n> {
    pub(crate) net: &'n Net,
    pub(crate) node: &'n Node,
    daemon: Option<Daemon<'n>>,
    deaths: u32,
    pub(crate) state: State,
    /// The far ends of eth0 and eth1.
    pub(crate) ports: [Option<Port>; 2],
    pub(crate) reader: Reader,
}

impl<'n> Machine<'n> {
    pub(crate) fn new(net: &'n Net, node: &'n Node, host: u8) -> Self {
        let ports = [0, 1].map(|at| plug(net, node, host, at));
        plug(net, node, host, 2);
        let reader = Reader::start(node);
        Self { net, node, daemon: None, deaths: 0, state: State::new(host), ports, reader }
    }

    /// Starts the daemon, if it does not run.
    pub(crate) fn start(&mut self) {
        if self.daemon.is_none() {
            self.node.write(CONF, &conf(&self.state));
            let daemon = Launch::new(self.node, Program::UnderTest).start();
            if is_guest() {
                eventually("the child runs", Duration::from_secs(20), || {
                    !children(daemon.first()).is_empty()
                });
            }
            // Before that a SIGHUP would be the end of it, as of any process.
            daemon.vrrp_child();
            self.daemon = Some(daemon);
            self.deaths = 0;
            self.state.runs = true;
            self.reader.miss();
        }
    }

    /// Stops the daemon by SIGTERM, if it runs.
    pub(crate) fn stop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            let (_, code) = daemon.stop();
            assert_eq!(code, Some(0), "exit code after SIGTERM");
            self.state.runs = false;
            self.reader.miss();
        }
    }

    /// The running daemon.
    pub(crate) fn daemon(&self) -> Option<&Daemon<'n>> {
        self.daemon.as_ref()
    }

    /// Whether this daemon's child is the one that it began with.
    pub(crate) fn has_first_child(&self) -> bool {
        self.deaths == 0
    }

    /// Its child may be another one by now.
    pub(crate) fn doubt_child(&mut self) {
        self.deaths = self.deaths.max(1);
    }

    /// The parent dies alone; its child cleans up by itself, or finds a new parent at work.
    pub(crate) fn orphan(&mut self, pause: Duration) {
        if let Some(daemon) = self.daemon.take() {
            let _ = kill(Pid::from_raw(daemon.first()), Signal::SIGKILL);
            std::thread::sleep(pause);
            self.reader.miss();
            self.state.runs = false;
            drop(daemon);
        }
        self.start();
    }

    pub(crate) fn hang_up(&self) {
        if let Some(daemon) = &self.daemon {
            daemon.signal(Signal::SIGHUP);
        }
    }

    pub(crate) fn shell(&self, line: &str) {
        // What it is about may be gone already.
        self.node.try_shell(&format!("{{ {line} ; }} 2>/dev/null; true"));
    }

    /// A signal for the child, if there is one and it may die once more.
    pub(crate) fn strike(&mut self, signal: Signal) -> Option<i32> {
        let first = self.daemon.as_ref()?.first();
        let child = children(first)
            .into_iter()
            .find(|pid| is_alive(*pid) && command_name(*pid) != "keepalived_exec")?;
        if self.deaths >= DEATHS {
            return None;
        }
        self.deaths += 1;
        self.reader.miss();
        let _ = kill(Pid::from_raw(child), signal);
        Some(child)
    }

    /// Its own IPv6 address, which goes whenever the interface goes down.
    fn restore_v6(&self, at: usize, name: &str) {
        if at < 2 {
            let (_, v6) = own(self.state.host, at);
            self.shell(&format!("ip addr replace {v6} dev {name} nodad"));
        }
    }

    fn toggle_link(&mut self, at: usize) -> String {
        let (name, _) = LINKS[at];
        let next = match self.state.links[at] {
            Link::Up => Link::Down,
            Link::Down => Link::Up,
            Link::Renamed => return self.rename(at),
            Link::Deleted => return self.delete(at),
        };
        self.state.links[at] = next;
        let way = if next == Link::Up { "up" } else { "down" };
        self.shell(&format!("ip link set {name} {way}"));
        if next == Link::Up {
            self.restore_v6(at, name);
        }
        format!("{name} {way}")
    }

    fn rename(&mut self, at: usize) -> String {
        let (name, alias) = LINKS[at];
        let (from, to, next) = match self.state.links[at] {
            Link::Up | Link::Down => (name, alias, Link::Renamed),
            Link::Renamed => (alias, name, Link::Up),
            Link::Deleted => return self.delete(at),
        };
        self.state.links[at] = next;
        self.shell(&format!("ip link set {from} down; ip link set {from} name {to}; ip link set {to} up"));
        self.restore_v6(at, to);
        format!("{from} is renamed to {to}")
    }

    fn delete(&mut self, at: usize) -> String {
        let (name, alias) = LINKS[at];
        match self.state.links[at] {
            Link::Deleted => {
                let port = plug(self.net, self.node, self.state.host, at);
                if at < 2 {
                    self.ports[at] = port;
                    self.state.carrier[at] = true;
                }
                self.state.links[at] = Link::Up;
                if let Some(based) = self.state.based.get_mut(at) {
                    *based = true;
                }
                format!("{name} is there again")
            }
            before => {
                let there = if before == Link::Renamed { alias } else { name };
                self.shell(&format!("ip link del {there}"));
                self.state.links[at] = Link::Deleted;
                if let Some(port) = self.ports.get_mut(at) {
                    *port = None;
                }
                if let Some(based) = self.state.based.get_mut(at) {
                    *based = false;
                }
                format!("{there} is deleted")
            }
        }
    }

    /// Somebody deletes an interface's own address, or gives it back.
    fn base(&mut self, at: usize) -> String {
        let (name, alias) = LINKS[at];
        let there = match self.state.links[at] {
            Link::Deleted => return self.delete(at),
            Link::Renamed => alias,
            Link::Up | Link::Down => name,
        };
        let (v4, _) = own(self.state.host, at);
        self.state.based[at] = !self.state.based[at];
        let verb = if self.state.based[at] { "add" } else { "del" };
        self.shell(&format!("ip addr {verb} {v4} dev {there}"));
        format!("{verb} {v4} on {there}")
    }

    /// A file that it must not take, and the good one again before anybody reads it once more.
    pub(crate) fn misword(&self) {
        self.node.write(CONF, &format!("{}\nvrrp_instance X {{", conf(&self.state)));
        self.hang_up();
        std::thread::sleep(Duration::from_millis(100));
        self.node.write(CONF, &conf(&self.state));
    }

    /// The power goes, and comes back; what it left in the kernel stays, as after kill -9.
    fn power_cut(&mut self, off: Duration) {
        if let Some(daemon) = self.daemon.take() {
            daemon.kill();
            self.reader.miss();
            std::thread::sleep(off);
        }
        self.start();
    }
}

/// Lets something happen to one of them, or both, and tells what.
pub(crate) fn happen(random: &mut Random, machines: &mut [Machine<'_>; 2], wire: &mut Wire) -> String {
    let at = random.index(2);
    let what = random.below(36);
    if what >= 22 {
        let line = around::happen(random, machines, at, wire);
        return format!("{}: {line}", machines[at].node.name());
    }
    let wait = Duration::from_millis(random.below(1_200));
    let link = random.index(3);
    let prey = random.pick(&PREY);
    let number = random.pick(&[0, 10, -40, 30]);
    let (way, later) = (random.below(WAYS + 2), random.below(4) * 20);
    if (11..14).contains(&what) && way < WAYS {
        return reword(machines, way, at, Duration::from_millis(later));
    }
    if matches!(what, 0..=8 | 17..=20) {
        wire.excuse();
    }
    let machine = &mut machines[at];
    let line = match what {
        0..=2 => machine.toggle_link(link),
        3 => machine.rename(link),
        4 => machine.delete(link),
        5 => machine.base(link % 2),
        6..=8 => {
            machine.shell(prey);
            prey.to_owned()
        }
        9 => {
            machine.state.fit = !machine.state.fit;
            machine.shell(if machine.state.fit { "touch /run/fit" } else { "rm /run/fit" });
            format!("fit: {}", machine.state.fit)
        }
        10 => {
            machine.state.number = number;
            machine.shell(&format!("echo {number} >/run/number"));
            format!("number {number}")
        }
        11..=13 => {
            machine.state.bonus = 10 - machine.state.bonus;
            machine.node.write(CONF, &conf(&machine.state));
            machine.hang_up();
            format!("reload with priority +{}", machine.state.bonus)
        }
        14 => {
            for _ in 0..=later {
                machine.hang_up();
                std::thread::sleep(Duration::from_millis(2));
            }
            format!("{} times SIGHUP", later + 1)
        }
        15 => {
            machine.misword();
            "a broken file".to_owned()
        }
        16 => {
            machine.state.process = !machine.state.process;
            if machine.state.process {
                machine.shell(PROCESS);
            } else {
                machine.shell("killall -9 labprocess");
            }
            format!("process: {}", machine.state.process)
        }
        17 => format!("kill -9 of child {:?}", machine.strike(Signal::SIGKILL)),
        18 => {
            let child = machine.strike(Signal::SIGSTOP);
            std::thread::sleep(wait);
            if let Some(child) = child {
                let _ = kill(Pid::from_raw(child), Signal::SIGCONT);
            }
            format!("child {child:?} stood still for {wait:?}")
        }
        19 => {
            machine.power_cut(wait / 4);
            format!("power cut of {:?}", wait / 4)
        }
        20 => {
            machine.stop();
            "stopped".to_owned()
        }
        _ => {
            machine.start();
            "started".to_owned()
        }
    };
    let line = format!("{}: {line}", machine.node.name());
    if wire.split != Split::Whole {
        wire.lay(machines[at].net, machines);
    }
    line
}
