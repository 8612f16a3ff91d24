//! A dump as lines of the log (`-d`), in fixed memory.

use core::fmt::{self, Write};

use crate::base::limit;
use crate::daemon::log;

/// Collects text and logs each line of it, by `info!`, when its newline comes. What a line of the log cannot hold is
/// cut; empty lines are left out.
#[derive(Debug, Default)]
pub struct Lines {
    line: heapless::String<{ limit::LOG_LINE }>,
}

impl Write for Lines {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if character != '\n' {
                // The log would cut the rest too.
                let _ = self.line.push(character);
                continue;
            }
            if !self.line.is_empty() {
                log::info!("{}", self.line);
            }
            self.line.clear();
        }
        Ok(())
    }
}
