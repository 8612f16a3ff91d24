//! How many octets of netlink's messages the kernel holds back for a process while it does something else.

use std::io;

use super::report;
use crate::config::model::global::Buffer;
use crate::sys::queue::QueueSize;

/// Asks for a queue of a netlink socket as the queue is configured; what is not configured stays as the system has it.
pub fn ask(socket: &str, wanted: Buffer, set: impl FnOnce(QueueSize) -> io::Result<()>) {
    let Some(octets) = wanted.bytes.and_then(|octets| usize::try_from(octets).ok()) else { return };
    if let Err(error) = set(QueueSize { octets, force: wanted.force }) {
        report::kernel_failed(&format!("the receive buffer of the netlink {socket} socket"), &error);
    }
}
