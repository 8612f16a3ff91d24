//! An address that moves with mastership: as configured, as the kernel is to have it, and whether the kernel has it.

use nix::errno::Errno;

use crate::base::addr::{Addressed, Family, IpAddr, Prefix};
use crate::base::id::{IfIndex, LinkId};
use crate::base::limit;
use crate::base::rate::Allowance;
use crate::base::time::{Instant, Span};
use crate::config::model::{Lifetime, VirtualAddress};
use crate::sys::netlink::addr::{Address, AddressFlags, FOREVER, Label};

/// IFAPROT_ and RTPROT_ number of keepalived: the kernel notes it for each address that keepalived adds.
pub const PROTOCOL: u8 = 18;

/// An address that moves with mastership. What else the configuration says of it: [`Instance::address`].
#[derive(Clone, Debug)]
pub struct Moved {
    /// The address and its network.
    pub prefix: Prefix,
    /// Its interface.
    pub link: Option<LinkId>,
    /// Its loss does not matter.
    pub no_track: bool,
    /// Whether it is there.
    pub held: Held,
    /// Why the kernel refused it last, until it takes it: told once.
    pub refused: Option<Errno>,
    /// How often it has refused it since it last took it.
    pub refusals: u8,
    /// How often it is put back before the instance steps down. Each address has its own: a flush that takes twenty
    /// at once took each of them once.
    pub put_back: Allowance,
}

/// Whether an address is on its interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Held {
    /// No, as far as we know.
    #[default]
    No,
    /// Yes, by us.
    Ours,
    /// By us, but the kernel told that it is gone. That may be about our own removal just before we put it there again:
    /// what comes of putting it once more says whether somebody took it.
    Doubted {
        /// Whether that is to be told: it matters, and did not just go with its interface.
        told: bool,
        /// It was not the first address of its network: it may have gone with that one.
        secondary: bool,
    },
    /// Yes, and it was there before an address owner needed it: it stays.
    Foreign,
}

impl Moved {
    /// An address that is not there yet.
    #[must_use]
    pub fn new(prefix: Prefix, link: Option<LinkId>, no_track: bool) -> Self {
        Self {
            prefix,
            link,
            no_track,
            held: Held::No,
            refused: None,
            refusals: 0,
            put_back: Allowance::default(),
        }
    }

    /// Whether it may be put back now, which is counted.
    pub fn may_be_put_back(&mut self, now: Instant) -> bool {
        self.put_back.take(now, limit::PUT_BACK_BURST, PUT_BACK_REFILL)
    }
}

impl Held {
    /// Whether it is not there, or may be gone.
    #[must_use]
    pub const fn is_missing(self) -> bool {
        matches!(self, Self::No | Self::Doubted { .. })
    }

    /// Whether it is ours to take off.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::Doubted { .. })
    }
}

impl Addressed for Moved {
    fn addr(&self) -> &IpAddr {
        &self.prefix.addr
    }
}

/// Once an address has been put back so often, one more time is earned in this span.
pub const PUT_BACK_REFILL: Span = Span::from_secs(2);

/// An address as the kernel is to have it, but for the number of its interface.
pub fn address(line: &VirtualAddress) -> Address {
    let v6 = Family::of(&line.prefix.addr) == Family::V6;
    let options = [
        // Duplicate address detection would keep the address useless for a second on each take-over, so it is off
        // unless -nodad takes the flag away, as the minus says.
        (v6 && !line.nodad, AddressFlags::NODAD),
        (line.home, AddressFlags::HOMEADDRESS),
        (line.mngtmpaddr, AddressFlags::MANAGETEMPADDR),
        (line.noprefixroute, AddressFlags::NOPREFIXROUTE),
        (line.autojoin, AddressFlags::MCAUTOJOIN),
    ];
    let flags = options
        .into_iter()
        .filter(|(wanted, _)| *wanted)
        .fold(AddressFlags(0), |flags, (_, flag)| flags.with(flag));
    Address {
        peer: line.peer,
        broadcast: line.broadcast,
        label: line.label.as_deref().and_then(|label| Label::try_from(label).ok()),
        scope: line.scope,
        flags,
        preferred: match line.preferred_lifetime() {
            Lifetime::Forever => FOREVER,
            Lifetime::Seconds(seconds) => seconds,
        },
        protocol: PROTOCOL,
        ..Address::new(IfIndex(0), line.prefix)
    }
}
