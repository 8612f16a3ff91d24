//! One virtual or static address.

use core::fmt::{self, Display, Formatter};

use super::Or;
use crate::base::addr::{Family, Prefix};
use crate::config::model::{Lifetime, VirtualAddress};

/// Where an address is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whereabouts<'a> {
    /// Its interface; none: that is not known.
    pub interface: Option<&'a str>,
    /// For an interface of our own the one that it lies on.
    pub base: Option<&'a str>,
    /// Its holder has put it there.
    pub held: bool,
    /// The kernel has it, whoever has put it there.
    pub in_kernel: bool,
    /// The firewall drops packets to it.
    pub guarded: bool,
}

/// `10.9.0.100/24 dev eth0 scope global set`
#[derive(Clone, Copy, Debug)]
pub struct AddressLine<'a> {
    /// What the configuration says of it.
    pub line: &'a VirtualAddress,
    /// Where it is.
    pub place: Whereabouts<'a>,
    /// The track group of a static address.
    pub track_group: Option<&'a str>,
}

impl Display for AddressLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { line, place, track_group } = self;
        let family = line.prefix.family();
        let Prefix { addr, len } = line.prefix;
        // The length of an address with a peer is the peer's.
        if len == family.max_prefix() || line.peer.is_some() {
            write!(f, "{addr}")?;
        } else {
            write!(f, "{addr}/{len}")?;
        }
        if let Some(broadcast) = line.broadcast {
            write!(f, " brd {broadcast}")?;
        }
        let named = line.dev.as_ref().map(|named| named.name.as_str());
        match (place.interface, place.base) {
            (Some(own), Some(base)) => write!(f, " dev {own}@{base}")?,
            (there, _) => write!(f, " dev {}", Or(there.or(named), "(none)"))?,
        }
        f.write_str(if line.use_vmac { " use_vmac" } else { "" })?;
        write!(f, " scope {}", Scope(line.scope))?;
        if let Some(label) = &line.label {
            write!(f, " label {label}")?;
        }
        if let Some(peer) = line.peer {
            write!(f, " peer {peer}/{len}")?;
        }
        for (set, option) in [
            (line.home, " home"),
            (line.nodad, " -nodad"),
            (line.mngtmpaddr, " mngtmpaddr"),
            (line.noprefixroute, " noprefixroute"),
            (line.autojoin, " autojoin"),
            (line.no_track, " no_track"),
        ] {
            f.write_str(if set { option } else { "" })?;
        }
        if let Some(group) = track_group {
            write!(f, " track_group {group}")?;
        }
        match (family, line.preferred_lifetime()) {
            (Family::V4, _) => {}
            (Family::V6, Lifetime::Forever) => f.write_str(" preferred_lft forever")?,
            (Family::V6, Lifetime::Seconds(0)) => f.write_str(" deprecated")?,
            (Family::V6, Lifetime::Seconds(secs)) => write!(f, " preferred_lft {secs}")?,
        }
        f.write_str(if place.held { " set" } else { "" })?;
        f.write_str(if place.guarded { " nftable_set" } else { "" })
    }
}

/// A scope of rtnetlink by name.
struct Scope(u8);

impl Display for Scope {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "global",
            200 => "site",
            253 => "link",
            254 => "host",
            255 => "nowhere",
            other => return write!(f, "{other}"),
        })
    }
}
