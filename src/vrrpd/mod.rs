//! The VRRP child: binds `proto::vrrp` to `sys`.
//!
//! Job: virtual routers with real interfaces, sockets, addresses and scripts. Uses everything below it. Start with
//! `run::start`, then `run`: one method for each thing that can happen. `check` is what a config test asks the machine.
//!
//! * `run` composes the parts in the order of the contract: the start, a reload, what a turn asks for, what interfaces
//!   and addresses bring about.
//! * `build` makes the live objects of `live` from the model; `track` knows scripts, interfaces, files and processes.
//! * `sockets` has those of adverts and `auth` their keys; `items` are addresses, routes and rules; `announce`, with its
//!   `pacing`, sends gratuitous ARPs and neighbour advertisements.
//! * `own` makes macvlans, ipvlans and sysctls and takes them back, `firewall` the tables of nftables and iptables.
//! * `notifies` are scripts, FIFOs and mail; `kept` is what a successor goes on with;
//!   `report` phrases the log lines.

mod announce;
mod auth;
mod build;
mod check;
#[cfg(feature = "tools")]
mod facts;
mod firewall;
mod items;
mod kept;
mod live;
mod notifies;
mod own;
mod pacing;
mod report;
mod routers;
mod run;
mod slots;
mod sockets;
mod track;
mod work;

pub use check::check;
#[cfg(feature = "tools")]
pub use facts::facts;
pub use items::Marked;
pub use kept::MASTER;
pub use run::{Context, PROGRAM, clean, run};

/// Kinds of sources in the loop.
mod kind {
    /// A receive socket; the index is its `SocketId`.
    pub(super) const SOCKET: u8 = 0;
    /// The netlink monitor.
    pub(super) const MONITOR: u8 = 1;
    /// The watched directories of tracked files.
    pub(super) const FILES: u8 = 2;
    /// The kernel's process connector.
    pub(super) const PROCESSES: u8 = 3;
    /// The channel to the checker child.
    pub(super) const CHECKERS: u8 = 19;
    /// The channel to the BFD child.
    pub(super) const BFD: u8 = 20;
    /// What tells of changes to tables of the firewall.
    pub(super) const FIREWALL: u8 = 10;
    /// A notify FIFO that has room again; the index is its number.
    pub(super) const FIFO: u8 = 16;
    /// The connection to the mail relay.
    pub(super) const MAIL: u8 = 17;
    /// The look-up of the mail relay.
    pub(super) const LOOKUP: u8 = 18;
    /// What tells of routes and rules that others delete.
    pub(super) const LOSSES: u8 = 9;
}
