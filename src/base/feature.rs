//! Parts of the program that a build may leave out, each by the name of its cargo feature.

use super::bytes;

/// A part that may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// The name that Cargo.toml has for it.
    pub name: &'static str,
    /// This build has it.
    pub built: bool,
}

/// BFD sessions.
pub const BFD: Feature = Feature { name: "bfd", built: cfg!(feature = "bfd") };

/// The checks of a config test, `--compare` and `--explain`.
pub const TOOLS: Feature = Feature { name: "tools", built: cfg!(feature = "tools") };

/// Rules of the legacy iptables and the sets that they ask.
pub const IPTABLES: Feature = Feature { name: "iptables", built: cfg!(feature = "iptables") };

/// Virtual servers: IPVS and the checks of real servers.
pub const LVS: Feature = Feature { name: "lvs", built: cfg!(feature = "lvs") };

/// A subagent of the SNMP agent.
pub const SNMP: Feature = Feature { name: "snmp", built: cfg!(feature = "snmp") };

/// The control socket.
pub const STATUS: Feature = Feature { name: "status", built: cfg!(feature = "status") };

/// Patterns of pages.
pub const REGEX: Feature = Feature { name: "regex", built: cfg!(feature = "regex") };

/// TLS by rustls.
pub const TLS: Feature = Feature { name: "tls", built: cfg!(feature = "tls") };

/// TLS by OpenSSL.
pub const TLS_OPENSSL: Feature = Feature { name: "tls-openssl", built: cfg!(feature = "tls-openssl") };

/// What a check by TLS needs: either of the two; the first is the usual one.
pub const SSL_GET: Feature =
    Feature { name: "tls", built: cfg!(any(feature = "tls", feature = "tls-openssl")) };

/// All of them, in the order of the alphabet.
pub const ALL: [Feature; 9] = [BFD, IPTABLES, LVS, REGEX, SNMP, STATUS, TLS, TLS_OPENSSL, TOOLS];

/// A feature in one octet: its place in [`ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u8);

impl Place {
    /// The feature.
    #[must_use]
    pub fn feature(self) -> Feature {
        ALL.get(usize::from(self.0)).copied().unwrap_or(TOOLS)
    }
}

impl Feature {
    /// Its place among all, by its name.
    #[must_use]
    pub const fn place(&self) -> Place {
        let (mut place, mut rest): (u8, &[Self]) = (0, &ALL);
        while let [one, others @ ..] = rest {
            if bytes::is_same(one.name.as_bytes(), self.name.as_bytes()) {
                break;
            }
            (place, rest) = (place + 1, others);
        }
        Place(place)
    }

    /// Why `what`, a keyword or an option, does not work in a build without it.
    #[must_use]
    pub fn lacking(self, what: &str) -> String {
        format!("{what} needs the feature '{}', which this build lacks", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_is_found_by_its_place() {
        assert!(ALL.iter().all(|one| one.place().feature() == *one));
        assert_eq!(SSL_GET.place().feature().name, "tls");
    }
}
