//! A snapshot as the parent keeps it for the day on which a child has to be replaced: compressed.
//!
//! The text of thousands of instances is nearly the same line after line, and the parent needs it for nothing else.

use super::snapshot::Damaged;

/// What [`Snapshot::encode`](super::snapshot::Snapshot::encode) makes, in a fifth of the memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed(Box<[u8]>);

impl Packed {
    /// Packs an encoded snapshot.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        Self(lz4_flex::block::compress_prepend_size(octets).into())
    }

    /// The encoded snapshot, for another process.
    ///
    /// # Errors
    /// `Damaged` only if this memory was.
    pub fn unpack(&self) -> Result<Vec<u8>, Damaged> {
        lz4_flex::block::decompress_size_prepended(&self.0).map_err(|_| Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diag::Diagnostics;
    use crate::config::expand::{Options, load};
    use crate::config::snapshot::Snapshot;
    use crate::config::source::{Files, Unusable};
    use std::fmt::Write;
    use std::rc::Rc;

    /// A file that is always there.
    struct Always(String);

    impl Files for Always {
        fn read(&self, _: &str) -> Result<Rc<[u8]>, Unusable> {
            Ok(self.0.as_bytes().into())
        }

        fn matches(&self, _: &str) -> Vec<String> {
            Vec::new()
        }

        fn directory(&self, path: &str) -> String {
            path.to_owned()
        }

        fn variable(&self, _: &str) -> Option<String> {
            None
        }
    }

    #[test]
    fn the_text_of_many_instances_takes_a_third_at_most_and_comes_back() {
        let mut text = String::new();
        for number in 0..500 {
            let _ = write!(
                text,
                "vrrp_instance VI_{number} {{\n    interface eth0\n    virtual_router_id {}\n    priority 100\n    \
                 virtual_ipaddress {{\n        10.0.{}.{}/32\n    }}\n}}\n",
                number % 255 + 1,
                number / 250,
                number % 250 + 1,
            );
        }
        let options = Options { path: "/etc/keepalived.conf".to_owned(), ..Options::default() };
        let (_, snapshot) = load(&Always(text), &options, &mut Diagnostics::new());
        let packed = Packed::new(&snapshot.encode());
        assert!(packed.0.len() * 3 < snapshot.octets(), "{} of {}", packed.0.len(), snapshot.octets());
        assert_eq!(packed.unpack().and_then(|octets| Snapshot::decode(&octets)), Ok(snapshot));
        let cut = Packed(packed.0.iter().copied().take(packed.0.len() / 2).collect());
        assert_eq!(cut.unpack(), Err(Damaged));
        assert_eq!(Packed::default().unpack(), Err(Damaged));
    }
}
