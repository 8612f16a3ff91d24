//! The BFD child: binds `proto::bfd` to `sys`.
//!
//! Job: sessions with other machines, and what the VRRP and the checker child are sent of them. Uses everything below it.
//! Start with `run`: one method for each thing that can happen.
//!
//! * `run` composes the parts: the start, a reload, packets, deadlines, the stop.
//! * `sessions` are machines of `proto::bfd` and find the session of a packet; `sockets` move packets in batches; `links`
//!   hears what the kernel reports of interfaces and addresses.
//! * `kept` is what a successor goes on with; `discards` counts what no session took; `report` phrases the log lines.

mod discards;
mod kept;
mod links;
mod report;
mod run;
mod sessions;
mod sockets;

pub use run::{Context, run};

/// Kinds of sources in the loop.
mod kind {
    /// A socket that receives; the index is its position.
    pub(super) const LISTENER: u8 = 0;
    /// The monitor of interfaces and addresses.
    pub(super) const LINKS: u8 = 1;
    /// The channel to the VRRP child.
    pub(super) const VRRP: u8 = 19;
    /// The channel to the checker child.
    pub(super) const CHECKERS: u8 = 20;
}
