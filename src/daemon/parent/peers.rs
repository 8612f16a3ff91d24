//! Channels between children: a socket pair for each two that send each other the states of their objects.
//!
//! The parent makes a pair when the start of a child is over and hands one end to each of the two, so that a child that
//! replaces another one gets a fresh channel, and its peer as well, which sends everything anew on it. The parent keeps
//! no end: a child notices the death of its peer by the end of the channel.

use std::os::fd::AsFd;

use super::program::Program;
use super::{KINDS, Parent};
use crate::daemon::ipc::ToChild;
use crate::daemon::log;
use crate::sys::channel::Channel;

impl<P: Program> Parent<'_, P> {
    /// A child has started: connects it to the children that it talks to and that have started as well.
    pub(super) fn connect_peers(&mut self, index: usize) {
        if let Some(child) = self.children.get_mut(index) {
            child.ready = true;
        }
        for other in (0..KINDS).filter(|other| *other != index) {
            self.connect(index, other);
        }
    }

    /// A child has answered a hello: connects it if it could not be connected before.
    pub(super) fn connect_late(&mut self, index: usize) {
        let child = self.children.get_mut(index);
        if child.is_some_and(|child| core::mem::take(&mut child.lacks_peer)) {
            self.connect_peers(index);
        }
    }

    fn connect(&mut self, one: usize, other: usize) {
        let Ok([one, other]) = self.children.get_disjoint_mut([one, other]) else { return };
        if !one.ready || !other.ready || !self.program.are_peers(one.kind, other.kind) {
            return;
        }
        let (near, far) = match Channel::pair() {
            Ok(ends) => ends,
            Err(error) => {
                one.lacks_peer = true;
                let (one, other) = (one.kind.title(), other.kind.title());
                return log::error!("Unable to connect the {one} and {other} child processes: {error}");
            }
        };
        let (for_one, for_other) = (ToChild::Peer(other.kind), ToChild::Peer(one.kind));
        for (child, message, end) in [(one, for_one, near), (other, for_other, far)] {
            // A child whose channel is full does not read: tried again with its next answer to a hello.
            child.lacks_peer |= !child.send(message, Some(end.as_fd()));
        }
    }
}
