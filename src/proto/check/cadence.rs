//! When a check runs, how long it may take and how often it may fail.

use crate::base::time::Span;

/// The cadence of one check, every inherited value worked out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cadence {
    /// From the beginning of one regular attempt to that of the next; 1 us or more.
    pub delay_loop: Span,
    /// From the end of a failed attempt to the beginning of the next one.
    pub delay_before_retry: Span,
    /// The first attempt waits a random time up to this; zero: none.
    pub warmup: Span,
    /// What one attempt may take: to connect and for each answer, or the run of a program.
    pub timeout: Span,
    /// Further attempts that must fail, too, before the check counts as failed; 0: none.
    pub retry: u32,
    /// The check counts as failed until the first success.
    pub alpha: bool,
    /// Every failed attempt of a check that counts as passed is told, not only changes.
    pub log_all_failures: bool,
    /// An own address or interface that cannot be used fails an attempt, which otherwise counts as none.
    pub fail_on_local_failure: bool,
}

impl Default for Cadence {
    fn default() -> Self {
        Self {
            delay_loop: Span::from_secs(60),
            delay_before_retry: Span::from_secs(1),
            warmup: Span::from_secs(60),
            timeout: Span::from_secs(5),
            retry: 1,
            alpha: false,
            log_all_failures: false,
            fail_on_local_failure: false,
        }
    }
}
