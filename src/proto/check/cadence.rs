//! When a check runs, how long it may take and how often it may fail.

use crate::base::time::Span;

/// The cadence of one check, every inherited value worked out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cadence {
    /// From one check to the next.
    pub delay_loop: Span,
    /// From a failed attempt to the next one.
    pub delay_before_retry: Span,
    /// The first check waits a random time up to this.
    pub warmup: Span,
    /// What one attempt may take: to connect and for each answer, or the run of a program.
    pub timeout: Span,
    /// Attempts after the first one before it counts as failed.
    pub retry: u32,
    /// Counts as failed until the first success.
    pub alpha: bool,
    /// Tells every failed attempt, not only changes.
    pub log_all_failures: bool,
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
        }
    }
}
