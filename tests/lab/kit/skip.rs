//! Tests that have nothing to test on a machine say so, and count as skipped.

use std::io::Write;

/// Says so past the harness, which shows the output of those that fail only; tests/run names such tests in its summary.
pub(crate) fn skip(why: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    let _ = std::io::stderr().write_all(format!("\nskipped: {name}: {why}\n").as_bytes());
}
