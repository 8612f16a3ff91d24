//! Labs: real daemons in network namespaces, judged by what is on the wire.
//!
//! They need root and Debian's packages; `tests/run` installs those and runs everything. Each test makes
//! its own machines and they vanish with it, so labs run side by side. LAB_BINARY=/usr/sbin/keepalived runs
//! what is comparable against Debian's keepalived, to prove the labs themselves.
//!
//! Start reading with `kit`, then any of the scenarios.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a lab is not the daemon: it fails by panicking, it waits, and it reads the clock"
)]

mod addresses;
mod around;
mod auth;
mod bad_files;
#[cfg(feature = "bfd")]
mod bfd;
#[cfg(feature = "bfd")]
mod bird;
mod checks;
mod confined;
mod control;
mod crash;
mod crowd;
#[cfg(feature = "status")]
mod ctl;
mod detection;
mod edits;
mod edits_deep;
mod edits_every;
mod events;
mod examples;
mod exporters;
mod fifo;
mod firewall;
mod flaps;
mod frr;
mod garps;
mod groups;
mod hashes;
mod interop;
mod iptables;
mod json;
mod kept;
mod kills;
#[allow(dead_code, reason = "the kit serves the demo and the benches too")]
mod kit;
mod labels;
mod links;
mod linkstate;
mod logs;
mod mail;
mod multitude;
mod mutations;
mod notify;
mod options;
mod own;
mod process;
mod processes;
mod referee;
mod reload;
mod reload_files;
mod reload_kernel;
mod reload_many;
mod routes;
mod sayings;
mod scripts;
mod shared;
#[cfg(feature = "snmp")]
mod snmp;
mod status;
mod steps;
mod stopping;
mod storm;
mod timers;
mod timing;
mod together;
mod trackers;
mod trios;
mod unable;
mod unicast;
mod vmac;
