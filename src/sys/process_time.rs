//! Whether another process gets on: what it has run, and whether it wants to run and cannot.

use std::fs;

use super::process::Pid;
use crate::base::time::Span;

/// A process at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessTime {
    /// The processor's time it has had, to a hundredth of a second.
    pub ran: Span,
    /// It waits for a processor, or has one, or waits within the kernel for what cannot be broken off.
    pub is_held_up: bool,
}

/// Looks at a process. None: it is gone, or /proc is not there.
#[must_use]
pub fn of(pid: Pid) -> Option<ProcessTime> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, ticks())
}

/// Fields 3, 14 and 15 of proc(5)'s stat. The name, field 2, may hold anything.
fn parse(text: &str, ticks: u64) -> Option<ProcessTime> {
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let user: u64 = fields.nth(10)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let ran = user.saturating_add(system).saturating_mul(1_000_000).checked_div(ticks)?;
    Some(ProcessTime { ran: Span::from_micros(ran), is_held_up: matches!(state, "R" | "D") })
}

/// Ticks of a second in which the kernel reports such times.
fn ticks() -> u64 {
    // SAFETY: it takes a number.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process;

    #[test]
    fn a_name_with_brackets_confuses_nobody() {
        let line = "77 (a ) R (b) D 1 77 77 0 -1 4194560 95 0 0 0 12 30 0 0 20 0 1 0 3 4 5";
        let seen = ProcessTime { ran: Span::from_millis(420), is_held_up: true };
        assert_eq!(parse(line, 100), Some(seen));
        assert_eq!(parse(&line.replace(") D", ") S"), 100).map(|seen| seen.is_held_up), Some(false));
        for cut in 0..line.len() - 24 {
            assert_eq!(parse(&line[..cut], 100), None, "{cut}");
        }
        assert_eq!(parse(line, 0), None);
    }

    #[test]
    fn what_a_process_has_run_grows() {
        let begun = of(process::own()).unwrap();
        let mut now = begun;
        while now.ran - begun.ran < Span::from_millis(20) {
            now = of(process::own()).unwrap();
        }
    }
}
