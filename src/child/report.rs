//! Log lines that concern no protocol: the kernel, scripts, mail, a reload.

use std::io;
use std::path::Path;

use nix::errno::Errno;

use crate::base::rate::Budget;
use crate::base::time::{Instant, Span};
use crate::daemon::log::{error, info, warn};

/// Whether a line that a peer or a script can bring about as often as it likes may be written; says how many lines
/// were left out since the last one.
pub fn may(lines: &mut Budget, now: Instant) -> bool {
    match lines.take(now) {
        Some(0) => true,
        Some(suppressed) => {
            info!("{suppressed} log lines of this kind left out");
            true
        }
        None => false,
    }
}

/// The kernel refused something.
pub fn kernel_failed(what: &str, error: &io::Error) {
    error!("{what}: {error}");
}

/// The text of an error of the kernel; that of [`io::Error`] would allocate.
#[must_use]
pub fn text_of(error: &io::Error) -> &'static str {
    error.raw_os_error().map_or("not available", |number| Errno::from_raw(number).desc())
}

/// A reload begins.
pub fn reloading() {
    info!("Reloading");
}

/// The new configuration is in force.
pub fn reloaded() {
    info!("Reload complete");
}

/// What the parent sent is no configuration.
pub fn snapshot_unreadable() {
    error!("the new configuration did not arrive whole; the old one stays in force");
}

/// A status file could not be written.
pub fn status_failed(place: &Path, keyword: &str, error: &io::Error) {
    error!(
        "Unable to write {}: {error}; make room there or let {keyword} name another place",
        place.display()
    );
}

/// A notify script has taken too long.
pub fn notify_killed(name: &str, after: Span) {
    warn!("({name}) a notify script ran for more than {} seconds and was killed", after.as_secs());
}

/// The kernel refused the process of a notify script.
pub fn notify_not_started(name: &str, error: &io::Error) {
    warn!("({name}) a notify script could not be started: {error}");
}

/// What the exit code of a notify script says.
pub fn notify_failed(name: &str, meaning: &str) {
    warn!("({name}) a notify script failed: {meaning}");
}

/// Notify scripts of states that a newer state has overtaken did not run.
pub fn notify_overtaken(name: &str, count: u64) {
    info!("({name}) notify scripts left out, overtaken by a newer state: {count}");
}

/// A predecessor had mail to send that the configuration does not know the object of, or nobody to send it to.
pub fn mail_lost(count: usize) {
    warn!("{count} SMTP alerts of before the restart are left out");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::log::logged;

    #[test]
    fn lines_that_others_can_bring_about_are_bounded_and_those_left_out_are_counted() {
        let mut lines = Budget::new(1, Span::from_secs(1));
        let at = |secs| Instant::START + Span::from_secs(secs);
        let written = logged(|| {
            assert!(may(&mut lines, at(10)));
            assert!(!may(&mut lines, at(10)) && !may(&mut lines, at(10)));
            assert!(may(&mut lines, at(11)));
            assert!(may(&mut lines, at(12)));
        });
        assert_eq!(written, ["2 log lines of this kind left out"]);
    }

    #[test]
    fn a_reload_is_told_at_its_beginning_at_its_end_and_if_it_did_not_arrive() {
        let lines = logged(|| {
            reloading();
            reloaded();
            snapshot_unreadable();
            kernel_failed("socket", &io::ErrorKind::AddrInUse.into());
        });
        assert_eq!(
            lines,
            [
                "Reloading",
                "Reload complete",
                "the new configuration did not arrive whole; the old one stays in force",
                "socket: address in use",
            ]
        );
    }
}
