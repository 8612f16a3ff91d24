//! keepalived: VRRP, BFD and IPVS control for Linux routers. This is the architecture page.
//!
//! A small parent reads the configuration and supervises one child for each job: VRRP, checks of real servers, and BFD.
//! Every process is one thread in one event loop. Nothing in a child blocks, and once it runs nothing allocates.
//!
//! # Layers
//!
//! ```text
//! main > vrrpd, checkd, bfdd, subagent > child > notify, status > daemon > config > proto > wire, sys > base
//! ```
//!
//! A folder uses what is to its right, never what is to its left, never a sibling; `tests/layers` reads the
//! sources and fails with file:line when one does. `unsafe` stands in [`sys`] only.
//!
//! | folder | its job | start reading at |
//! |---|---|---|
//! | [`base`] | leaf values: time, addresses, names, capacities | [`base::limit`] |
//! | [`wire`] | octets to values and back, no clock, no allocation | [`wire::vrrp`] |
//! | [`sys`] | system calls as safe values; has never heard of VRRP | [`sys::raw`], [`sys::netlink`], [`sys::process`] |
//! | [`proto`] | state machines: (now, input) in, ordered actions out | [`proto::vrrp::machine`] |
//! | [`config`] | text to model, every mistake told by place and remedy | [`config::expand`], [`config::rows`] |
//! | [`daemon`] | what all processes share: loop, supervision, log | [`daemon::reactor`], [`daemon::parent`] |
//! | [`notify`], [`status`] | a transition becomes scripts, FIFO lines and mail; dumps, statistics, JSON, answers | [`notify::Notifier`], [`status::dump`] |
//! | [`child`] | what every child shares: scripts, FIFOs, mail, status, what a successor goes on with | [`child::notifies`] |
//! | [`checkd`] | binds the machines of virtual servers and of checks to the kernel's table, sockets and programs | [`checkd::run`] |
//! | [`bfdd`] | binds the machines of BFD sessions to sockets, and tells the other children of them | [`bfdd::run`] |
//! | [`subagent`] | answers an SNMP agent what the children lend, and notifies it | [`subagent::run`] |
//! | [`vrrpd`] | binds the VRRP machines to interfaces, sockets, trackers and what they put into the kernel | [`vrrpd::run`] |
//! | main, program | the binary: what the command line asks for; what the parent supervises | src/main.rs |
//!
//! # Four walks
//!
//! ```text
//! an advert:  daemon/reactor -> vrrpd/run/mod -> run/adverts -> sockets/receive -> proto/vrrp/router -> wire/vrrp
//!             -> proto/vrrp/machine -> vrrpd/run/settle -> run/effects -> notify/queue
//! a check:    daemon/reactor -> checkd/run/mod -> run/checks -> checks/transport -> proto/check/machine
//!             -> proto/lvs/director -> checkd/run/facts -> checkd/table -> sys/ipvs, notify/queue
//! a question: daemon/reactor -> daemon/parent/control -> wire/control -> daemon/ipc -> vrrpd/run/status/answer
//!             -> status/answer -> a memory file -> daemon/parent/control/outgoing
//! a keyword:  config/source -> lexer -> expand/mod -> tree -> rows/... -> assemble -> model -> vrrpd/build
//!             -> proto/vrrp/machine
//! ```
//!
//! # What holds everywhere
//!
//! * A machine is told the time and never asks for it; its actions are carried out in order before its next input.
//! * Entering MASTER: advert, addresses, routes, rules, announcements, then log and scripts. One instance's long
//!   effects never stand in front of another's advert ([`vrrpd`], `run/effects`).
//! * FAULT is a set of named reasons reckoned anew from what is true now, never a counter.
//! * Timers restart from their deadline, not from now; an advert counts from when the kernel took it in.
//! * A reload is all or nothing in the parent, and a difference in the child: what did not change is not touched. In
//!   the child it is work in steps between which adverts leave, as the start and the stop are ([`vrrpd`], `run/job`).
//! * A part of a child owns its fields, returns facts and never calls the composition (`vrrpd/run`) that calls it.
//! * What a peer can trigger is counted always and logged through a budget.

// Outside tests nothing is taken by a number that might not be there.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::unreachable))]

pub mod base;
#[cfg(feature = "bfd")]
pub mod bfdd;
#[cfg(feature = "lvs")]
pub mod checkd;
pub mod child;
pub mod config;
pub mod daemon;
pub mod notify;
pub mod proto;
pub mod status;
#[cfg(feature = "snmp")]
pub mod subagent;
pub mod sys;
pub mod vrrpd;
pub mod wire;

/// Counts allocations; the count is part of the statistics.
#[global_allocator]
static ALLOCATOR: sys::alloc::Counting = sys::alloc::Counting;
