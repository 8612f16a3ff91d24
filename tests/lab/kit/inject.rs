//! Frames that no daemon would send, put on the wire from a node.

use std::io::IoSliceMut;
use std::net::Ipv6Addr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::mpsc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{LinkAddr, MsgFlags, recvmsg, sendto};

use super::capture::packet_socket;
use super::node::Node;

/// Sends raw frames out of the only interface of a node.
pub(crate) struct Injector {
    frames: mpsc::SyncSender<Vec<u8>>,
}

impl Injector {
    /// Opens the wire of `node`, which must hear something there: its address for sending is taken from the
    /// first frame that passes.
    pub(crate) fn new(node: &Node) -> Self {
        let holder = node.holder();
        let (frames, queue) = mpsc::sync_channel::<Vec<u8>>(1);
        let (ready, is_ready) = mpsc::channel();
        std::thread::spawn(move || {
            let socket = packet_socket(holder);
            let address = first_address(&socket);
            ready.send(()).expect("the test waits");
            for frame in queue {
                sendto(socket.as_raw_fd(), &frame, &address, MsgFlags::empty()).expect("a frame is sent");
            }
        });
        is_ready.recv().expect("a frame passes the node");
        Self { frames }
    }

    /// Puts a frame on the wire.
    pub(crate) fn send(&mut self, frame: &[u8]) {
        self.frames.send(frame.to_vec()).expect("the injector runs");
    }
}

fn first_address(socket: &OwnedFd) -> LinkAddr {
    loop {
        let mut ready = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut ready, PollTimeout::from(1_000_u16));
        let mut octets = [0_u8; 2_048];
        let mut parts = [IoSliceMut::new(&mut octets)];
        let message = recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut parts, None, MsgFlags::MSG_DONTWAIT);
        if let Some(address) = message.ok().and_then(|message| message.address)
            && address.halen() == 6
            && address.hatype() == 1
        {
            return address;
        }
    }
}

/// The Ethernet source of injected frames.
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x66];

/// A multicast Ethernet frame with an IPv4 packet of protocol 112, whose own header is beyond reproach.
pub(crate) fn ip_frame(source: [u8; 4], destination: [u8; 4], ttl: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![1, 0, 0x5e, destination[1] & 0x7f, destination[2], destination[3]];
    frame.extend(MAC);
    frame.extend([8, 0]);
    let length = u16::try_from(20 + payload.len()).expect("a short packet").to_be_bytes();
    let mut header = vec![0x45, 0xc0, length[0], length[1], 0, 1, 0, 0, ttl, 112, 0, 0];
    header.extend(source);
    header.extend(destination);
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    frame.extend(header);
    frame.extend(payload);
    frame
}

/// The same with an IPv6 packet.
pub(crate) fn ip6_frame(source: Ipv6Addr, destination: Ipv6Addr, hops: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x33, 0x33];
    frame.extend(&destination.octets()[12..]);
    frame.extend(MAC);
    frame.extend([0x86, 0xdd, 0x6c, 0, 0, 0]);
    frame.extend(u16::try_from(payload.len()).expect("a short packet").to_be_bytes());
    frame.extend([112, hops]);
    frame.extend(source.octets());
    frame.extend(destination.octets());
    frame.extend(payload);
    frame
}

/// Writes a correct checksum into a VRRP PDU of at least eight octets: of the PDU alone for version 2, with
/// the pseudo header of `source` and `destination` (octets of either family) for version 3.
pub(crate) fn vrrp_checksum(pdu: &mut [u8], source: &[u8], destination: &[u8]) {
    pdu[6..8].fill(0);
    let length = u16::try_from(pdu.len()).expect("a short packet").to_be_bytes();
    let pseudo: &[u8] = &[0, 112, length[0], length[1]];
    let sum = if pdu[0] >> 4 == 3 { checksum(&[source, destination, pseudo, pdu]) } else { checksum(&[pdu]) };
    pdu[6..8].copy_from_slice(&sum.to_be_bytes());
}

/// The Internet checksum (RFC 1071) of parts, each but the last of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or_default());
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// Numbers that look random and are the same in every run (xorshift).
pub(crate) struct Rng(u64);

impl Rng {
    /// A generator; the seed must not be zero.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap_or_default() % end.max(1)
    }

    /// Any octet.
    pub(crate) fn octet(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}
