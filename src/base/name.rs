//! Names of bounded length that the running program keeps without the heap.

use core::fmt;

/// A network interface name: 1 to 15 bytes (IFNAMSIZ less its terminator).
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfName(heapless::String<15, u8>);

impl IfName {
    /// The name, if the kernel could accept it: 1 to 15 bytes, no `/`, no blank, not `.` or `..`.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let legal = !text.is_empty()
            && text != "."
            && text != ".."
            && !text.bytes().any(|b| b == b'/' || b.is_ascii_whitespace() || b == 0);
        if !legal {
            return None;
        }
        heapless::String::try_from(text).ok().map(Self)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_bytes_and_no_more() {
        assert!(IfName::new("eno16777736").is_some());
        assert!(IfName::new("abcdefghijklmno").is_some());
        assert!(IfName::new("abcdefghijklmnop").is_none());
        assert!(IfName::new("").is_none());
        assert!(IfName::new("a/b").is_none());
    }
}
