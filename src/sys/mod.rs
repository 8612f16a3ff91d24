//! System calls, and nothing else: this layer has never heard of VRRP.
//!
//! Job: the kernel's objects as safe Rust values. Uses `base`. The only place where `unsafe` may stand.
//! The clock and the process half: [`clock`], [`timerfd`], [`signal`], [`process`], [`script`], [`service`], [`channel`],
//! [`memory`], [`output`], [`user`], [`file`], [`alloc`].
#![allow(unsafe_code, reason = "the one fence of the program: system calls live here")]

pub mod alloc;
pub mod channel;
pub mod clock;
pub mod file;
pub mod memory;
pub mod output;
pub mod process;
pub mod script;
pub mod service;
pub mod signal;
pub mod timerfd;
pub mod user;

/// The result of a system call that says -1 when it fails.
fn check(result: libc::c_int) -> std::io::Result<libc::c_int> {
    if result < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(result)
}
