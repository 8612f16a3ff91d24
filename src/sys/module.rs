//! Modules of the kernel.

use std::process::{Command, Stdio};

use super::privileges;

/// Loads these modules, where they are modules. Waits for modprobe: for a start and a reload, not for what a child does
/// between the two. Whether it helped is seen by asking the kernel again for what was missing.
pub fn load(names: &[&str]) {
    // The kernel loads by itself what a socket asks for, with rights of its own.
    if privileges::are_given_up() {
        return;
    }
    let modprobe = Command::new("modprobe")
        .args(["-q", "-a"])
        .args(names)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    drop(modprobe);
}
