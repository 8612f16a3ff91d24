//! What an HTTP check fetches and what it accepts.

use std::sync::Arc;

/// One check: pages of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params {
    /// Version of the request.
    pub version: Version,
    /// Sends the server's name in the TLS handshake. The reference uses it only with TLS.
    pub sni: bool,
    /// That name; none: the `Host` of the request.
    pub sni_name: Option<Box<str>>,
    /// Asks for all pages without delay when the server comes back.
    pub fast_recovery: bool,
    /// Ends a TLS session with a close alert.
    pub tls_compliant: bool,
    /// What is asked of the server's certificate; none: nothing, as in keepalived.
    pub certificate: Option<Box<Certificate>>,
    /// `Host` of pages that have none of their own; none: the address.
    pub host: Option<Arc<str>>,
    /// The pages, at least one.
    pub pages: Box<[Page]>,
}

/// What is asked of the certificate of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Certificate {
    /// Somebody trusted must have issued it, and for this server.
    pub verify: bool,
    /// The file of those who are trusted; none: `ca` of `SSL`.
    pub ca: Option<Box<str>>,
    /// The name that it must be for; none: the one sent in the handshake, or the address.
    pub name: Option<Box<str>>,
    /// The check fails when it expires in fewer days.
    pub fail: Option<u16>,
    /// The log warns when it expires in fewer days.
    pub warn: Option<u16>,
}

/// Version of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0
    #[default]
    V10,
    /// HTTP/1.0 with `Connection: close`
    V10Close,
    /// HTTP/1.1 with `Connection: close`
    V11,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Page {
    /// The path of the request.
    pub path: Box<str>,
    /// MD5 of the body.
    pub digest: Option<[u8; 16]>,
    /// Accepted codes of the status line.
    pub status: Codes,
    /// `Host` of the request; none: that of the check.
    pub host: Option<Arc<str>>,
    /// What the body must match.
    pub regex: Option<Box<Regex>>,
    /// Ends the TLS session of this page with a close alert.
    pub tls_compliant: bool,
}

/// A pattern of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Regex {
    /// The pattern of PCRE2.
    pub pattern: Box<[u8]>,
    /// A match is a failure.
    pub inverted: bool,
    /// Which of [`Regex::OPTIONS`] are set, the first one being bit 0.
    pub options: u32,
    /// First and largest size of the stack of compiled patterns, in octets; none: as the library has it.
    pub stack: Option<(u32, u32)>,
    /// Where the search begins, in octets of the body.
    pub from: u32,
    /// Where a match may begin at the latest; none: anywhere.
    pub to: Option<u32>,
}

impl Regex {
    /// Options of PCRE2, as they are written.
    pub const OPTIONS: [&'static str; 24] = [
        "allow_empty_class",
        "alt_bsux",
        "auto_callout",
        "caseless",
        "dollar_endonly",
        "dotall",
        "dupnames",
        "extended",
        "firstline",
        "match_unset_backref",
        "multiline",
        "never_ucp",
        "never_utf",
        "no_auto_capture",
        "no_auto_possess",
        "no_dotstar_anchor",
        "no_start_optimize",
        "ucp",
        "ungreedy",
        "utf",
        "never_backslash_c",
        "alt_circumflex",
        "alt_verbnames",
        "use_offset_limit",
    ];
}

/// A set of status codes from 100 to 599.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Codes([u64; 8]);

impl Codes {
    /// 200 to 299.
    #[must_use]
    pub fn success() -> Self {
        let mut codes = Self::default();
        codes.insert(200, 299);
        codes
    }

    /// Adds all codes from `first` to `last` that there are.
    pub fn insert(&mut self, first: u16, last: u16) {
        for code in first.max(100)..=last.min(599) {
            let index = usize::from(code - 100);
            if let Some(word) = self.0.get_mut(index / 64) {
                *word |= 1 << (index % 64);
            }
        }
    }

    /// Whether this code is accepted.
    #[must_use]
    pub fn contains(&self, code: u16) -> bool {
        let Some(index) = code.checked_sub(100).map(usize::from) else {
            return false;
        };
        self.0.get(index / 64).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 8]
    }

    /// The codes as ranges, first and last, lowest first.
    pub fn ranges(&self) -> impl Iterator<Item = (u16, u16)> {
        let mut next = 100;
        core::iter::from_fn(move || {
            let first = (next..=599).find(|code| self.contains(*code))?;
            let last = (first..=599).take_while(|code| self.contains(*code)).last().unwrap_or(first);
            next = last + 1;
            Some((first, last))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Codes;

    #[test]
    fn unless_the_configuration_says_otherwise_each_code_of_success_is_accepted() {
        assert_eq!(Codes::success().ranges().collect::<Vec<_>>(), [(200, 299)]);
        assert!(!Codes::success().is_empty());
    }

    #[test]
    fn codes_are_ranges_again() {
        let mut codes = Codes::default();
        assert!(codes.is_empty());
        codes.insert(200, 299);
        codes.insert(599, 700);
        codes.insert(100, 100);
        codes.insert(300, 310);
        assert!(codes.contains(100) && codes.contains(599) && codes.contains(310));
        assert!(!codes.contains(99) && !codes.contains(311) && !codes.contains(600) && !codes.contains(0));
        let ranges: Vec<_> = codes.ranges().collect();
        assert_eq!(ranges, [(100, 100), (200, 310), (599, 599)]);
    }
}
