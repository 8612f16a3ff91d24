//! Log lines of tracked files.

use std::ffi::CStr;
use std::io;

use crate::child::report::text_of;
use crate::daemon::log::{info, warn};

pub(super) fn number_refused(path: &CStr, number: i64) {
    info!("Invalid number {number} read from {} - ignoring", path.to_string_lossy());
}

pub(super) fn file_unreadable(file: &str, path: &CStr, why: &str) {
    warn!("Tracked file {file}: {} {why} - it counts as 0", path.to_string_lossy());
}

pub(super) fn file_garbled(file: &str, path: &CStr, number: i32) {
    warn!(
        "Tracked file {file}: {} holds something else than one number - it counts as {number}",
        path.to_string_lossy()
    );
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
