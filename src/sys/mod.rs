//! System calls, and nothing else: this layer has never heard of VRRP.
//!
//! Job: the kernel's objects as safe Rust values. Uses `base`. The only place where `unsafe` may stand.
//! Start with [`raw`] for datagrams and [`netlink`] for links and addresses.
#![allow(unsafe_code, reason = "the one fence of the program: system calls live here")]

mod control;
pub mod filter;
mod inbox;
pub mod netlink;
pub mod outbox;
pub mod packet;
pub mod raw;
mod socket;
pub mod sysctl;
#[cfg(test)]
mod test_net;
