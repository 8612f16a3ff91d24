//! A private network namespace for a test. Needs root.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::os::fd::{AsRawFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sched::{CloneFlags, unshare};

use super::inbox::Inbox;
use super::netlink::addr::Address;
use super::netlink::command::Commands;
use super::netlink::link::{Link, OperState, Which};
use super::socket::open;
use crate::base::id::IfIndex;
use crate::base::name::IfName;

/// Runs `body` on a thread of its own in a new network namespace, which disappears with it.
#[allow(clippy::disallowed_methods, reason = "a namespace belongs to a thread")]
pub(crate) fn in_namespace(body: impl FnOnce(&mut Network) + Send) {
    let outcome = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).expect("this test needs root");
                body(&mut Network { commands: Commands::open().unwrap() });
            })
            .join()
    });
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// What a test does to its namespace.
pub(crate) struct Network {
    pub(crate) commands: Commands,
}

impl Network {
    /// A pair of connected links, both up and ready.
    pub(crate) fn pair(&mut self, near: &str, far: &str) -> (IfIndex, IfIndex) {
        let names = [near, far].map(|name| IfName::new(name).unwrap());
        let [near_name, far_name] = &names;
        self.commands.create_pair(0, near_name, far_name).unwrap();
        self.commit();
        let [near, far] = names.each_ref().map(|name| self.link(name.as_str()).unwrap().index);
        self.up(near, true);
        self.up(far, true);
        // Until its carrier is noticed a link silently drops what it is to send.
        let names = names.each_ref().map(IfName::as_str);
        assert!(eventually(|| names
            .iter()
            .all(|name| { self.link(name).is_some_and(|link| link.state == OperState::Up) })));
        (near, far)
    }

    /// Sets a link up or down.
    pub(crate) fn up(&mut self, index: IfIndex, up: bool) {
        self.commands.set_link_up(0, Which::Index(index), up).unwrap();
        self.commit();
    }

    /// Adds an address.
    pub(crate) fn add(&mut self, address: &Address) {
        self.commands.add_address(0, address).unwrap();
        self.commit();
    }

    /// Commits requests that must succeed.
    pub(crate) fn commit(&mut self) {
        self.commands.commit(|tag, result| assert_eq!(result, Ok(()), "request {tag}"));
    }

    /// The link of a name.
    pub(crate) fn link(&mut self, name: &str) -> Option<Link> {
        self.links().into_iter().find(|link| link.name.as_str() == name)
    }

    /// All links.
    pub(crate) fn links(&mut self) -> Vec<Link> {
        let mut links = Vec::new();
        self.commands.links(&mut links).unwrap();
        links
    }

    /// All addresses.
    pub(crate) fn addresses(&mut self) -> Vec<Address> {
        let mut addresses = Vec::new();
        self.commands.addresses(&mut addresses).unwrap();
        addresses
    }
}

/// Waits until something can be read, a second at most; whether it can.
pub(crate) fn readable(socket: &impl AsRawFd) -> bool {
    // SAFETY: the socket is borrowed for the whole call.
    let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(socket.as_raw_fd()) };
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut fds, 1_000_u16).is_ok_and(|count| count == 1)
}

/// Asks again and again for five seconds; whether it became true.
pub(crate) fn eventually(mut is: impl FnMut() -> bool) -> bool {
    (0..500).any(|_| is() || poll(&mut [], 10_u16).is_err())
}

/// Hears what comes in on any link of the namespace.
pub(crate) struct Listener {
    fd: OwnedFd,
    inbox: Inbox,
}

impl Listener {
    /// Hears IPv4.
    pub(crate) fn ipv4() -> Self {
        let protocol = u16::try_from(libc::ETH_P_IP).unwrap().to_be();
        let fd = open(libc::AF_PACKET, libc::SOCK_RAW, i32::from(protocol)).unwrap();
        Self { fd, inbox: Inbox::new(64, 256) }
    }

    /// The frames since this was last asked.
    pub(crate) fn frames(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while self.inbox.receive(self.fd.as_raw_fd()).is_ok_and(|count| count > 0) {
            frames.extend(self.inbox.iter().map(|received| received.octets.to_vec()));
        }
        frames
    }
}
