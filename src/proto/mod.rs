//! State machines, pure: (now, input) in, ordered actions out.
//!
//! Job: what the protocols decide. Uses `base` and the plain values of `wire`; never `sys`, a clock, a
//! socket or a file. Start with [`vrrp`].

pub mod bfd;
pub mod check;
pub mod lvs;
pub mod mail;
pub mod supervise;
pub mod track;
pub mod vrrp;
