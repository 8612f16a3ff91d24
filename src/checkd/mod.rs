//! The checker child: binds `proto::lvs` and `proto::check` to `sys`.
//!
//! Job: virtual servers in the kernel's table, kept true by checks of their real servers. Uses everything below it.
//! Start with `run::start`, then `run`: one method for each thing that can happen.
//!
//! * `run` composes the parts in the order of the contract: the start, a reload, what a turn asks for.
//! * `services` are the virtual servers as the director of `proto::lvs` takes them; `table` is the kernel's table, `sync`
//!   the sync daemon, `counters` what the kernel has counted.
//! * `marking` are the rules of nftables that give packets to groups their marks.
//! * `checks` are machines of `proto::check` with their sockets and programs, but for those that are `unusable`; `suspend`
//!   knows the addresses that they wait for.
//! * `tls` speaks TLS for them, `patterns` searches pages.
//! * `notifies` are scripts, FIFOs and mail; `kept` is what a successor goes on with, `ledger` what a later
//!   daemon finds; `report` phrases the log lines.

mod checks;
#[cfg(feature = "status")]
mod counters;
mod kept;
mod ledger;
mod marking;
mod notifies;
#[cfg(feature = "regex")]
pub mod patterns;
mod report;
mod run;
mod services;
mod slots;
mod suspend;
mod sync;
mod table;
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
pub mod tls;
mod unusable;

pub use run::{Context, clean, run};

/// Kinds of sources in the loop.
mod kind {
    /// The socket of a check; the index is its `MachineId`.
    pub(super) const CHECK: u8 = 0;
    /// The monitor of addresses.
    pub(super) const ADDRESSES: u8 = 1;
    /// The watched directories of tracked files.
    pub(super) const FILES: u8 = 2;
    /// Notifications of changes to tables of nftables.
    pub(super) const MARKING: u8 = 3;
    /// A notify FIFO that has room again; the index is its number.
    pub(super) const FIFO: u8 = 16;
    /// The connection to the mail relay.
    pub(super) const MAIL: u8 = 17;
    /// The look-up of the mail relay.
    pub(super) const LOOKUP: u8 = 18;
    /// The channel to the VRRP child.
    pub(super) const VRRP: u8 = 19;
    /// The channel to the BFD child.
    pub(super) const BFD: u8 = 20;
}
