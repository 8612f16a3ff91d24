//! One line of the log: what the macros of the `log` facade do at each place that writes one, in the program once.

use core::fmt::Arguments;

use log::{Level, LevelFilter, Record};

/// Writes a line of a level. Which lines are shown is decided here, behind the arguments.
#[inline(never)]
pub fn line(level: Level, text: Arguments<'_>) {
    log::logger().log(&Record::builder().level(level).args(text).build());
}

/// Whether the lines of `debug!` are shown.
#[must_use]
pub fn has_detail() -> bool {
    log::max_level() >= LevelFilter::Debug
}

/// A line of what went wrong.
#[macro_export]
macro_rules! error {
    ($($text:tt)+) => { $crate::daemon::log::line($crate::daemon::log::Level::Error, format_args!($($text)+)) };
}

/// A line of what may be wrong.
#[macro_export]
macro_rules! warn {
    ($($text:tt)+) => { $crate::daemon::log::line($crate::daemon::log::Level::Warn, format_args!($($text)+)) };
}

/// A line of a normal life.
#[macro_export]
macro_rules! info {
    ($($text:tt)+) => { $crate::daemon::log::line($crate::daemon::log::Level::Info, format_args!($($text)+)) };
}

/// A line that is shown with -D only; its arguments are not even made without.
#[macro_export]
macro_rules! debug {
    ($($text:tt)+) => {
        if $crate::daemon::log::has_detail() {
            $crate::daemon::log::line($crate::daemon::log::Level::Debug, format_args!($($text)+));
        }
    };
}

pub use crate::{debug, error, info, warn};
