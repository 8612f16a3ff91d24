//! Log lines of trackers, where keepalived has them in its words. Whatever files and processes can trigger as often
//! as they like goes through the budget of the caller.

use std::io;

use crate::base::limit;
use crate::child::report::text_of;
use crate::daemon::log::{info, warn};

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

pub(super) fn quorum(process: &str, up: bool) {
    info!("Quorum {} for tracked process {process}", if up { "gained" } else { "lost" });
}

/// An instance begins in FAULT because of a process.
pub(super) fn process_starts_in_fault(instance: &str, process: &str) {
    info!("({instance}) entering FAULT state (tracked process {process} quorum not achieved)");
}

/// The BFD child has said something of a session.
pub(super) fn session(name: &str, up: bool, took: u32) {
    let state = if up { "Up" } else { "Down" };
    info!("Received BFD event: instance {name} is in state {state} (delivered in {took} usec)");
}

/// A session that an instance tracks has changed.
pub(super) fn tracked_session(instance: &str, name: &str, up: bool) {
    info!("VRRP_Instance({instance}) Tracked BFD instance {name} is {}", if up { "UP" } else { "DOWN" });
}

pub(super) fn process_events_confirmed() {
    info!("proc_events has confirmed it is configured");
}

/// keepalived's line, and what that means here.
pub(super) fn no_process_events(error: &io::Error) {
    let number = error.raw_os_error().unwrap_or(0);
    warn!("Failed to set process event listen - errno {number} - {}", text_of(error));
    warn!(
        "The kernel does not tell of processes here (that works in the initial namespaces only): all are counted each second"
    );
}

pub(super) fn process_events_lost() {
    warn!("Events of processes were lost (ENOBUFS); looking at all processes again");
}

pub(super) fn too_many_processes() {
    warn!("More than {} processes are tracked: not all are counted", limit::MATCHED_PROCESSES);
}
