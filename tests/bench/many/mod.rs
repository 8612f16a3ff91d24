//! What the benches with thousands of instances share: two machines with a cable for each 250 instances, the
//! configuration, a peer that plays all masters, and what the kernel says of a daemon's processes.

#![allow(dead_code, reason = "each bench uses a part, and the kit serves the labs and the demo too")]

#[path = "../../lab/kit/mod.rs"]
pub(crate) mod kit;

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use keepalived::base::id::IfIndex;
use keepalived::sys::packet::{FrameBatch, PacketSocket};

use kit::bounds::eventually;
use kit::capture::{Capture, enter_network, now};
use kit::daemon::{CONF, Daemon, Launch, Program};
use kit::decode::{Event, Stamp, What};
use kit::inject::{ip_frame, vrrp_checksum};
use kit::node::Node;

/// Router ids used on one cable.
const PER_CABLE: usize = 250;
const NICE: i32 = -15;

/// Ours and Debian's, in the order in which results are shown.
pub(crate) const KINDS: [Program; 2] = [Program::UnderTest, Program::Reference];

/// Whether this is a smoke run.
pub(crate) fn is_quick() -> bool {
    std::env::args().any(|argument| argument == "--quick")
}

/// One line: a figure of both and its ratio.
pub(crate) fn print(what: &str, [ours, theirs]: [f64; 2]) {
    println!("{what:<52} ours {ours:>11.3}  keepalived {theirs:>11.3}  ratio {:>6.2}", ours / theirs);
}

/// The value below which so many percent of the values lie; sorts them.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100).max(1) - 1;
    values.get(rank).copied().unwrap_or(f64::NAN)
}

/// Milliseconds from one stamp to another; negative if it is the earlier one.
pub(crate) fn millis(from: Stamp, to: Stamp) -> f64 {
    (i128::from(to) - i128::from(from)) as f64 / 1e6
}

/// So many instances at so many seconds between adverts.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) instances: usize,
    pub(crate) interval: f64,
}

impl Size {
    pub(crate) fn cables(self) -> usize {
        self.instances.div_ceil(PER_CABLE)
    }

    pub(crate) fn span(self) -> Duration {
        Duration::from_secs_f64(self.interval)
    }

    /// The configuration: all MASTER from the start, or all BACKUP; `global` stands in global_defs.
    pub(crate) fn conf(self, master: bool, global: &str, extra: &str) -> String {
        let (state, priority) = if master { ("MASTER", 255) } else { ("BACKUP", 100) };
        let mut text = format!("global_defs {{\n    router_id bench\n    {global}\n}}\n");
        for number in 0..self.instances {
            text += &format!(
                "vrrp_instance VI_{number} {{\n    state {state}\n    interface v{}\n    version 3\n    \
                 virtual_router_id {}\n    priority {priority}\n    advert_int {}\n    {extra}\n    \
                 virtual_ipaddress {{\n        {}/32\n    }}\n}}\n",
                number / PER_CABLE,
                number % PER_CABLE + 1,
                self.interval,
                address(number)
            );
        }
        text
    }
}

/// The virtual address of an instance.
pub(crate) fn address(number: usize) -> IpAddr {
    IpAddr::from([10, 100, u8::try_from(number >> 8).unwrap_or(255), number.to_le_bytes()[0]])
}

/// Two machines and their cables; a daemon goes on the near one.
pub(crate) struct Bench {
    pub(crate) near: Node,
    pub(crate) far: Node,
    size: Size,
}

impl Bench {
    pub(crate) fn new(size: Size) -> Self {
        let (near, far) = (Node::new("near"), Node::new("far"));
        for cable in 0..size.cables() {
            let line = format!(
                "ip link add v{cable} type veth peer name p{cable} netns {} && ip link set v{cable} up && \
                 ip addr add 192.168.{cable}.1/24 dev v{cable}",
                far.holder()
            );
            let made = Command::new("nsenter")
                .args(["--net", "--target", &near.holder().to_string(), "bash", "-c", &line])
                .status();
            assert!(made.is_ok_and(|status| status.success()), "a cable between two namespaces");
            far.shell(&format!("ip link set p{cable} up"));
        }
        Self { near, far, size }
    }

    /// The configuration of the instances, all MASTER from the start.
    pub(crate) fn conf(&self) -> String {
        self.size.conf(true, "", "")
    }

    /// Starts a daemon and waits until it listens on every cable.
    pub(crate) fn start(&self, kind: Program, conf: &str) -> Daemon<'_> {
        self.near.write(CONF, conf);
        let daemon =
            Launch::new(&self.near, kind).arguments(&["-n", "-l", "-G", "-f", CONF]).nice(NICE).start();
        eventually("the daemon joins its groups", Duration::from_secs(30), || {
            self.near.read("/proc/1/net/igmp").matches("120000E0").count() >= self.size.cables()
        });
        daemon
    }

    /// Records what arrives at the far end.
    pub(crate) fn capture(&self) -> Capture {
        let capture = Capture::start(self.far.holder());
        for (cable, index) in self.far_ends().into_iter().enumerate() {
            capture.name_port(usize::try_from(index.0).unwrap_or_default(), &cable.to_string());
        }
        capture
    }

    /// Frames that arrived at the far end since its start.
    pub(crate) fn arrived(&self) -> u64 {
        let text = self.far.read("/proc/1/net/dev");
        let counts = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix('p')?.split_whitespace().nth(2)?.parse::<u64>().ok());
        counts.sum()
    }

    fn far_ends(&self) -> Vec<IfIndex> {
        let number = |cable| self.far.shell(&format!("cat /sys/class/net/p{cable}/ifindex")).trim().parse();
        (0..self.size.cables()).map(|cable| IfIndex(number(cable).expect("a cable"))).collect()
    }

    /// Plays the masters of all instances at the far end, evenly spread over the interval.
    pub(crate) fn play_masters(&self) -> Masters {
        self.play_masters_from(false)
    }

    /// The same; `vmac`: from the virtual hardware addresses.
    pub(crate) fn play_masters_from(&self, vmac: bool) -> Masters {
        let (size, holder, ends) = (self.size, self.far.holder(), self.far_ends());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            enter_network(holder);
            let socket = PacketSocket::open().expect("a packet socket");
            let (mut batch, mut last) = (FrameBatch::new(), vec![0; size.instances]);
            // Neighbours in time are on different cables.
            let mut order: Vec<usize> = (0..size.instances).collect();
            order.sort_by_key(|number| (number % PER_CABLE, number / PER_CABLE));
            let frames: Vec<Vec<u8>> =
                order.iter().map(|number| frame(*number, size.interval, vmac)).collect();
            let begin = Instant::now();
            let (mut sent, mut tick) = (0_usize, 0_u32);
            while !stopped.load(Ordering::Relaxed) {
                tick += 1;
                let wanted = f64::from(tick) * 0.001 / size.interval * size.instances as f64;
                while (sent as f64) < wanted {
                    let place = sent % order.len();
                    let number = order[place];
                    let _ = batch.push(0, ends[number / PER_CABLE], 0x0800, &frames[place]);
                    last[number] = now();
                    sent += 1;
                    if batch.room() == 0 {
                        socket.send(&mut batch, |_, _| ());
                    }
                }
                socket.send(&mut batch, |_, _| ());
                let next = begin + Duration::from_millis(u64::from(tick));
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            last
        });
        Masters { stop, thread }
    }
}

/// The masters at the far end.
pub(crate) struct Masters {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Stamp>>,
}

impl Masters {
    /// They fall silent, all at once; when each was heard last.
    pub(crate) fn stop(self) -> Vec<Stamp> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the masters end")
    }
}

/// The advert of an instance's other master, of priority 200.
fn frame(number: usize, interval: f64, vmac: bool) -> Vec<u8> {
    let source = [192, 168, u8::try_from(number / PER_CABLE).unwrap_or_default(), 2];
    let centis = (Duration::from_secs_f64(interval).as_millis() / 10).to_le_bytes();
    let vrid = u8::try_from(number % PER_CABLE + 1).unwrap_or_default();
    let mut pdu = vec![0x31, vrid, 200, 1, centis[1], centis[0], 0, 0];
    let IpAddr::V4(address) = address(number) else { return Vec::new() };
    pdu.extend(address.octets());
    let group = [224, 0, 0, 18];
    vrrp_checksum(&mut pdu, &source, &group);
    let mut frame = ip_frame(source, group, 255, &pdu);
    if vmac {
        frame[6..12].copy_from_slice(&[0, 0, 0x5e, 0, 1, vrid]);
    }
    frame
}

/// CPU time of all processes of a daemon so far, in microseconds.
pub(crate) fn cpu(daemon: &Daemon<'_>) -> f64 {
    let of = |pid: &i32| -> Option<f64> {
        let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    };
    daemon.processes().iter().filter_map(of).sum::<f64>() / 1e3
}

/// System calls of all processes of a daemon in a second; not a number without perf.
pub(crate) fn calls(daemon: &Daemon<'_>) -> f64 {
    let pids: Vec<String> = daemon.processes().iter().map(i32::to_string).collect();
    let output = Command::new("perf")
        .args(["stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", &pids.join(","), "--", "sleep", "1"])
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default();
    let count =
        text.lines().find(|line| line.contains("raw_syscalls")).and_then(|line| line.split(',').next());
    count.and_then(|count| count.parse().ok()).unwrap_or(f64::NAN)
}

/// Memory of all processes of a daemon in kB: what is private, shared among them counted once; and the same with each
/// mapped file once.
pub(crate) fn memory(daemon: &Daemon<'_>) -> [f64; 2] {
    let (mut private, mut files) = (0.0, HashMap::<String, f64>::new());
    for pid in daemon.processes() {
        let (mut file, mut mine) = (None, HashMap::<String, f64>::new());
        for line in fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default().lines() {
            let mut words = line.split_whitespace();
            let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let kilobytes = second.parse::<f64>().unwrap_or_default();
            match first {
                "Rss:" => {
                    file.iter().for_each(|key: &String| *mine.entry(key.clone()).or_default() += kilobytes)
                }
                "Anonymous:" => {
                    file.iter().for_each(|key: &String| *mine.entry(key.clone()).or_default() -= kilobytes);
                }
                _ if first.contains('-') => {
                    let (offset, device, inode) = (words.next(), words.next(), words.next());
                    file = inode
                        .filter(|inode| *inode != "0")
                        .map(|inode| format!("{device:?} {inode} {offset:?}"));
                }
                _ => {}
            }
        }
        if let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
            let rollup = |name: &str| {
                let line = text.lines().find(|line| line.starts_with(name));
                line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).unwrap_or_default()
            };
            private += rollup("Pss_Anon:") + rollup("Pss_Shmem:");
        }
        for (key, kilobytes) in mine {
            let most = files.entry(key).or_default();
            *most = most.max(kilobytes);
        }
    }
    [private, private + files.values().sum::<f64>()]
}

/// Adverts of the daemon, by cable and router id, in the order of time.
pub(crate) fn by_instance(events: &[Event]) -> HashMap<(String, u8), Vec<Stamp>> {
    let mut found = HashMap::<_, Vec<Stamp>>::new();
    for event in events {
        if let What::Advert(advert) = &event.what
            && matches!(advert.source, IpAddr::V4(source) if source.octets()[3] == 1)
        {
            found.entry((event.node.clone(), advert.vrid)).or_default().push(event.at);
        }
    }
    found
}

/// By how many milliseconds each spacing of two adverts of one instance differs from the interval.
pub(crate) fn deviations(events: &[Event], size: Size) -> Vec<f64> {
    let wanted = size.interval * 1e3;
    let found = by_instance(events);
    found
        .values()
        .flat_map(|stamps| stamps.windows(2).map(|pair| millis(pair[0], pair[1]) - wanted))
        .collect()
}
