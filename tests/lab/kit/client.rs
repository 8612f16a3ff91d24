//! A client that asks the virtual address every few milliseconds whether it is there.

use std::io::IoSliceMut;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recvmsg, sendto, socket,
};

use super::capture::{enter_network, now};
use super::decode::Stamp;
use super::node::Node;

/// One question and when it was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    /// When it was sent.
    pub(crate) sent: Stamp,
    /// When the answer came, if it did.
    pub(crate) answered: Option<Stamp>,
}

/// A running prober.
pub(crate) struct Client {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Probe>>>,
}

impl Client {
    /// Sends an echo request from `node` to `address` every `period` until it is stopped.
    pub(crate) fn start(node: &Node, address: Ipv4Addr, period: Duration) -> Self {
        node.shell("echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range");
        let (holder, stop) = (node.holder(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || probe(holder, address, period, &stopped));
        Self { stop, thread: Some(thread) }
    }

    /// Stops; every probe in the order sent.
    pub(crate) fn stop(mut self) -> Vec<Probe> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The longest time that the client waited for an answer beyond its period, and when that began: the longest
/// silence between `since` and the last answer, or `until` if none came any more.
pub(crate) fn longest_cut(
    probes: &[Probe],
    since: Stamp,
    until: Stamp,
    period: Duration,
) -> (Stamp, Duration) {
    let mut answers: Vec<_> = probes.iter().filter_map(|probe| probe.answered).collect();
    answers.retain(|at| (since..until).contains(at));
    answers.sort_unstable();
    let ends = answers.iter().copied().chain([until]);
    let silences = std::iter::once(since).chain(answers.iter().copied()).zip(ends);
    let (from, to) = silences.max_by_key(|(from, to)| to - from).unwrap_or((since, until));
    (from, Duration::from_nanos(to - from).saturating_sub(period))
}

fn probe(holder: i32, address: Ipv4Addr, period: Duration, stop: &AtomicBool) -> Vec<Probe> {
    enter_network(holder);
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp)
        .expect("an echo socket");
    let target = SockaddrIn::from(SocketAddrV4::new(address, 0));
    let mut probes: Vec<Probe> = Vec::new();
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if next <= Instant::now() {
            // Type 8, code 0, checksum and identifier by the kernel, then the sequence number.
            let number = u16::try_from(probes.len() % 65_536).unwrap_or_default();
            let [high, low] = number.to_be_bytes();
            probes.push(Probe { sent: now(), answered: None });
            let _ =
                sendto(socket.as_raw_fd(), &[8, 0, 0, 0, 0, 0, high, low], &target, MsgFlags::MSG_DONTWAIT);
            next += period;
        }
        let mut ready = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        let left = next.saturating_duration_since(Instant::now()).as_millis();
        let wait = PollTimeout::from(u16::try_from(left).unwrap_or(10));
        let _ = poll(&mut ready, wait);
        let mut octets = [0_u8; 64];
        let mut parts = [IoSliceMut::new(&mut octets)];
        if recvmsg::<()>(socket.as_raw_fd(), &mut parts, None, MsgFlags::MSG_DONTWAIT).is_ok()
            && let [0, _, _, _, _, _, high, low, ..] = octets
        {
            let number = usize::from(u16::from_be_bytes([high, low]));
            // The latest probe that carried this number.
            let latest = (0..probes.len()).rev().find(|index| index % 65_536 == number);
            if let Some(probe) = latest.and_then(|index| probes.get_mut(index)) {
                probe.answered = Some(now());
            }
        }
    }
    probes
}
