//! What tells one run of this machine from another.

use std::fs;

/// The boot that the machine is in: a name that no other has.
#[must_use]
pub fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}
