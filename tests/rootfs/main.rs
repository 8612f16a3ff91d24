//! The files of `rootfs/` do what an image expects of them: the scripts under busybox's shell with small stand-ins for
//! the functions of procd and UCI, the configurations by the real daemon.
//!
//! Needs root (networks of their own, by unshare) and the packages busybox-static and shellcheck.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test program that starts others"
)]

mod box_shell;
mod busybox;
mod openwrt;
mod scripts;
