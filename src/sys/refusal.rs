//! Errors of the system's kinds in words of our own.
//!
//! The standard library's own way brings what prints any text in the notation of Rust, with its tables of all
//! characters, though nothing prints an error so.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;

/// An error of this kind that reads so.
pub fn refusal(kind: io::ErrorKind, why: impl Into<Cow<'static, str>>) -> io::Error {
    io::Error::new(kind, Why(why.into()))
}

struct Why(Cow<'static, str>);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Why {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_its_kind_and_its_words() {
        for error in [
            refusal(io::ErrorKind::InvalidData, "it is another's"),
            refusal(io::ErrorKind::InvalidData, format!("it is {}'s", "another")),
        ] {
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert_eq!(error.to_string(), "it is another's");
            assert_eq!(error.raw_os_error(), None);
        }
    }
}
