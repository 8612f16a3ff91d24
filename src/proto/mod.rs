//! State machines, pure: (now, input) in, ordered actions out.
//!
//! Job: what the protocols decide. Uses `base` and the plain values of `wire`; never `sys`, a clock, a
//! socket or a file. Start with [`vrrp`], the election, its groups and what is believed of a packet; [`track`] is what
//! it follows. [`lvs`] is the director that decides what IPVS holds, [`check`] one check of a real server, [`bfd`] a session,
//! which nothing binds to sockets yet; [`mail`] is a mail on its way, [`supervise`] a child under its parent,
//! `agentx` the session with an SNMP agent.

#[cfg(feature = "snmp")]
pub mod agentx;
pub mod bfd;
pub mod check;
pub mod lvs;
pub mod mail;
pub mod supervise;
pub mod track;
pub mod vrrp;
