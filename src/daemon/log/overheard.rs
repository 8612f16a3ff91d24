//! Warnings and errors that somebody waits for, beside the log.

use core::fmt::Write;

use log::Level;

/// What was logged since this was switched on.
#[derive(Debug, Default)]
pub(super) struct Overheard(Option<String>);

/// Octets that are kept: a few hundred lines.
const MOST: usize = 64 << 10;

impl Overheard {
    /// Begins anew, or ends.
    pub(super) fn set(&mut self, on: bool) {
        self.0 = on.then(String::new);
    }

    /// What there is so far.
    pub(super) fn text(&self) -> String {
        self.0.clone().unwrap_or_default()
    }

    /// A line was logged.
    pub(super) fn note(&mut self, level: Level, text: &str) {
        if let Some(kept) = self.0.as_mut().filter(|kept| level <= Level::Warn && kept.len() < MOST) {
            // Writing to a String does not fail.
            let _ = writeln!(kept, "{text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_and_errors_are_kept_while_somebody_waits_and_never_too_many() {
        let mut overheard = Overheard::default();
        overheard.note(Level::Error, "before");
        overheard.set(true);
        for (level, text) in [(Level::Error, "a"), (Level::Info, "b"), (Level::Warn, "c")] {
            overheard.note(level, text);
        }
        assert_eq!(overheard.text(), "a\nc\n");
        for _ in 0..MOST {
            overheard.note(Level::Warn, "0123456789");
        }
        assert!(overheard.text().len() < MOST + 11);
        overheard.set(false);
        assert_eq!(overheard.text(), "");
    }
}
