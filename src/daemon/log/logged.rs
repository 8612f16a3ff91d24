//! The log lines that a unit test brings about.

use std::cell::RefCell;

use log::{LevelFilter, Log, Metadata, Record};

thread_local! {
    /// None: the test of this thread does not ask.
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

struct Listener;

impl Log for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LINES.with_borrow_mut(|lines| {
            if let Some(lines) = lines {
                lines.push(record.args().to_string());
            }
        });
    }

    fn flush(&self) {}
}

/// What `act` logs, line by line. Only the lines of the own thread count, for other tests run at the same time.
pub fn logged(act: impl FnOnce()) -> Vec<String> {
    // Fails only when the listener is there already.
    let _ = log::set_logger(&Listener);
    log::set_max_level(LevelFilter::Info);
    LINES.set(Some(Vec::new()));
    act();
    LINES.take().unwrap_or_default()
}
