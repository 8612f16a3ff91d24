//! The files of `rootfs/` and `buildroot/` do what an image expects of them: the scripts under busybox's shell with small
//! stand-ins for the functions of procd and UCI, the configurations by the real daemon, the package of buildroot by make
//! and by a reader of Kconfig, with stand-ins for what buildroot defines.
//!
//! Needs root (networks of their own, by unshare) and the packages busybox-static, shellcheck, make, python3-kconfiglib,
//! smitools, snmp and systemd.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test program that starts others"
)]

mod box_shell;
mod buildroot;
mod busybox;
mod mibs;
mod openwrt;
mod scripts;
mod systemd;
