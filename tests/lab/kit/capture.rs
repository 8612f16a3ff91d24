//! What enters the switch, with the kernel's time stamps: an AF_PACKET socket read by a thread.

use std::collections::HashMap;
use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimestampns};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg,
    setsockopt, socket,
};
use nix::sys::time::TimeSpec;

use super::decode::{Event, Stamp, decode};

/// Octets of the socket's queue: a second of the busiest lab many times over.
const QUEUE: usize = 64 << 20;

/// The longest frame kept; nothing in a lab is longer than an Ethernet frame.
const FRAME: usize = 2_048;

/// A frame with its decoded form.
#[derive(Clone)]
struct Frame {
    event: Event,
    octets: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    frames: Mutex<Vec<Frame>>,
    grown: Condvar,
    ports: Mutex<HashMap<usize, String>>,
    stop: AtomicBool,
}

impl Shared {
    fn frames(&self) -> MutexGuard<'_, Vec<Frame>> {
        self.frames.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A running capture on all named ports of one network namespace.
pub(crate) struct Capture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    /// Starts capturing in the network namespace of `holder`; nothing is kept until a port is named.
    pub(crate) fn start(holder: i32) -> Self {
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let socket = packet_socket(holder);
            setsockopt(&socket, RcvBufForce, &QUEUE).expect("queue of the capture");
            setsockopt(&socket, ReceiveTimestampns, &true).expect("time stamps of the capture");
            ready.send(()).expect("the test waits");
            run(&socket, &seen);
        });
        is_ready.recv().expect("the capture starts");
        Self { shared, thread: Some(thread) }
    }

    /// Frames that come in by the interface with this index were sent by `node`.
    pub(crate) fn name_port(&self, index: usize, node: &str) {
        self.shared.ports.lock().expect("ports").insert(index, node.to_owned());
    }

    /// Everything since `since`.
    pub(crate) fn events(&self, since: Stamp) -> Vec<Event> {
        self.shared
            .frames()
            .iter()
            .filter(|frame| frame.event.at >= since)
            .map(|frame| frame.event.clone())
            .collect()
    }

    /// The first event at or after `since` that `wanted` accepts, waiting for it until `end`.
    pub(crate) fn wait(
        &self,
        since: Stamp,
        end: Instant,
        mut wanted: impl FnMut(&Event) -> bool,
    ) -> Option<Event> {
        let mut next = 0;
        let mut frames = self.shared.frames();
        loop {
            let found = frames[next..].iter().find(|frame| frame.event.at >= since && wanted(&frame.event));
            if let Some(frame) = found {
                return Some(frame.event.clone());
            }
            next = frames.len();
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            frames = self
                .shared
                .grown
                .wait_timeout(frames, left)
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .0;
        }
    }

    /// Forgets what was captured so far, in labs that would otherwise keep millions of frames.
    pub(crate) fn clear(&self) {
        self.shared.frames().clear();
    }

    /// Every frame so far and its time, in order.
    pub(crate) fn frames(&self) -> Vec<(Stamp, Vec<u8>)> {
        self.shared.frames().iter().map(|frame| (frame.event.at, frame.octets.clone())).collect()
    }

    /// The frames sent by the nodes that `keep` accepts, as a pcap file with nanoseconds.
    pub(crate) fn pcap(&self, keep: impl Fn(&str) -> bool) -> Vec<u8> {
        let mut file = Vec::new();
        for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 65_535, 1] {
            file.extend(word.to_le_bytes());
        }
        for frame in self.shared.frames().iter().filter(|frame| keep(&frame.event.node)) {
            let length = u32::try_from(frame.octets.len()).unwrap_or_default();
            let seconds = u32::try_from(frame.event.at / 1_000_000_000).unwrap_or_default();
            let nanos = u32::try_from(frame.event.at % 1_000_000_000).unwrap_or_default();
            for word in [seconds, nanos, length, length] {
                file.extend(word.to_le_bytes());
            }
            file.extend(&frame.octets);
        }
        file
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A packet socket for every interface of the network namespace of `holder`, which the calling thread enters.
pub(crate) fn packet_socket(holder: i32) -> OwnedFd {
    enter_network(holder);
    socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
        .expect("AF_PACKET")
}

/// Moves the calling thread into the network namespace of `holder`.
pub(crate) fn enter_network(holder: i32) {
    let namespace = File::open(format!("/proc/{holder}/ns/net")).expect("network namespace of a node");
    setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET).expect("enter a network namespace");
}

/// The wall clock, the same that stamps frames.
pub(crate) fn now() -> Stamp {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME).expect("the clock");
    stamp(now)
}

/// Nanoseconds of a length of time.
pub(crate) fn nanos(span: Duration) -> Stamp {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

fn stamp(time: TimeSpec) -> Stamp {
    u64::try_from(time.tv_sec()).unwrap_or_default() * 1_000_000_000
        + u64::try_from(time.tv_nsec()).unwrap_or_default()
}

fn run(socket: &OwnedFd, shared: &Shared) {
    let mut octets = [0_u8; FRAME];
    let mut control = nix::cmsg_space!(TimeSpec);
    while !shared.stop.load(Ordering::Relaxed) {
        let mut ready = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        if !matches!(poll(&mut ready, PollTimeout::from(20_u8)), Ok(1..)) {
            continue;
        }
        let mut fresh = Vec::new();
        loop {
            let mut parts = [IoSliceMut::new(&mut octets)];
            let flags = MsgFlags::MSG_DONTWAIT;
            let Ok(message) = recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)
            else {
                break;
            };
            let time = message.cmsgs().ok().and_then(|mut all| {
                all.find_map(|part| match part {
                    ControlMessageOwned::ScmTimestampns(time) => Some(time),
                    _ => None,
                })
            });
            let (Some(link), Some(time), length) = (message.address, time, message.bytes) else {
                continue;
            };
            // What the switch sends out again is its own doing.
            if link.pkttype() == PACKET_OUTGOING {
                continue;
            }
            let ports = shared.ports.lock().expect("ports");
            if let Some(node) = ports.get(&link.ifindex()) {
                let event = Event { at: stamp(time), node: node.clone(), what: decode(&octets[..length]) };
                fresh.push(Frame { event, octets: octets[..length].to_vec() });
            }
        }
        if !fresh.is_empty() {
            shared.frames().append(&mut fresh);
            shared.grown.notify_all();
        }
    }
}

/// sll_pkttype of a frame on its way out (linux/if_packet.h).
const PACKET_OUTGOING: u8 = 4;
