//! System calls, and nothing else: this layer has never heard of VRRP.
//!
//! Job: the kernel's objects as safe Rust values. Uses `base`. The only place where `unsafe` may stand.
//! Start with [`raw`] for datagrams, [`netlink`] for links, addresses, routes, rules and nftables, `ipvs` for
//! virtual services, [`process`] and [`script`] for processes; [`inotify`] and [`procevent`] tell of files and processes of others.
#![allow(unsafe_code, reason = "the one fence of the program: system calls live here")]

pub mod alloc;
pub mod carrier;
pub mod channel;
pub mod check_socket;
pub mod clock;
mod control;
pub mod descriptors;
pub mod fifo;
pub mod file;
pub mod filter;
pub mod identity;
mod inbox;
pub mod ingress;
pub mod inotify;
#[cfg(feature = "lvs")]
pub mod ipvs;
#[cfg(feature = "status")]
pub mod local;
pub mod lock;
pub mod machine;
pub mod memory;
pub mod module;
pub mod netlink;
pub mod netns;
pub mod oom;
pub mod outbox;
pub mod output;
pub mod packet;
pub mod pages;
pub mod path;
#[cfg(feature = "regex")]
pub mod pattern;
pub mod ping_groups;
pub mod plain_file;
pub mod privileges;
pub mod process;
pub mod process_time;
pub mod processes;
pub mod procevent;
pub mod queue;
pub mod raw;
pub mod refusal;
pub mod resolve;
pub mod same_program;
pub mod sched;
pub mod script;
pub mod seccomp;
pub mod service;
pub mod shared;
pub mod signal;
mod socket;
pub mod spawner;
pub mod sysctl;
pub mod tcp;
#[cfg(test)]
pub(crate) mod test_net;
pub mod timerfd;
#[cfg(feature = "bfd")]
pub mod udp;
pub mod user;
#[cfg(feature = "iptables")]
pub mod xtables;

/// The result of a system call that says -1 when it fails.
fn check(result: libc::c_int) -> std::io::Result<libc::c_int> {
    if result < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(result)
}
