//! Log lines of trackers, where keepalived has them in its words. Whatever files and processes can trigger as often
//! as they like goes through the budget of the caller.

use std::ffi::CStr;
use std::io;

use log::{info, warn};
use nix::errno::Errno;

/// A tracked file put an instance in FAULT, or leaves it.
pub(super) fn file_decides(instance: &str, file: &str, fault: bool) {
    if fault {
        info!("({instance}): tracked file {file} now FAULT state");
    } else {
        info!("({instance}): tracked file {file} leaving FAULT state");
    }
}

/// An instance begins in FAULT because of a file.
pub(super) fn file_starts_in_fault(instance: &str, file: &str) {
    info!("({instance}): entering FAULT state (tracked file {file} has status -254)");
}

pub(super) fn number_refused(path: &CStr, number: i64) {
    info!("Invalid number {number} read from {} - ignoring", path.to_string_lossy());
}

pub(super) fn file_unreadable(file: &str, path: &CStr, why: &str) {
    warn!("Tracked file {file}: {} {why} - it counts as 0", path.to_string_lossy());
}

pub(super) fn file_not_made(file: &str, path: &CStr, error: &io::Error) {
    warn!("Tracked file {file}: cannot make {}: {error}", path.to_string_lossy());
}

pub(super) fn directory_not_watched(directory: &CStr, error: &io::Error) {
    let directory = directory.to_string_lossy();
    warn!(
        "Cannot watch {directory}: {} - its tracked files are read each second until that works",
        text_of(error)
    );
}

pub(super) fn directory_watched(directory: &CStr) {
    info!("Watching {} again", directory.to_string_lossy());
}

/// The text of an error; io::Error's own would allocate.
fn text_of(error: &io::Error) -> &'static str {
    error.raw_os_error().map_or("not available", |number| Errno::from_raw(number).desc())
}
