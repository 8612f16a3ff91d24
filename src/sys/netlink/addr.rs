//! Addresses on links: as values, added, deleted and listed.

use std::io;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Ifa, IfaF, RtAddrFamily, RtScope, Rtm};
use neli::rtnl::{Ifaddrmsg, IfaddrmsgBuilder};

use super::batch::Head;
use super::command::{Commands, Full};
use super::dump::Part;
use super::family::{family_of, ip, put_ip};
use super::message::{Attributes, Requests, number, octet, text};
use crate::base::addr::{Family, IpAddr, Ipv4Addr, Prefix};
use crate::base::id::IfIndex;

/// The name that an IPv4 address shows under: at most 15 octets.
pub type Label = heapless::String<15, u8>;

/// One address of a link, as the kernel has it or is to have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The link.
    pub interface: IfIndex,
    /// The local address and its network.
    pub prefix: Prefix,
    /// The other end of a point-to-point address. The prefix length then belongs to it.
    pub peer: Option<IpAddr>,
    /// The broadcast address; IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// The label; IPv4 only. Adding without one gives the link's name.
    pub label: Option<Label>,
    /// RT_SCOPE_ number: 0 global, 200 site, 253 link, 254 host.
    pub scope: u8,
    /// IFA_F_ bits.
    pub flags: AddressFlags,
    /// Seconds of the preferred lifetime; [`FOREVER`] is no end, 0 is deprecated.
    pub preferred: u32,
    /// Seconds of the valid lifetime; [`FOREVER`] is no end.
    pub valid: u32,
    /// IFAPROT_ number: which program put the address there. Kernels before 5.18 ignore it and have none; 0 is none.
    pub protocol: u8,
}

/// A lifetime without an end (INFINITY_LIFE_TIME).
pub const FOREVER: u32 = u32::MAX;

/// IFA_F_ bits of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressFlags(pub u32);

impl AddressFlags {
    /// No duplicate address detection (IPv6).
    pub const NODAD: Self = Self(libc::IFA_F_NODAD);
    /// Duplicate address detection found another owner (IPv6).
    pub const DADFAILED: Self = Self(libc::IFA_F_DADFAILED);
    /// Duplicate address detection is not over (IPv6).
    pub const TENTATIVE: Self = Self(libc::IFA_F_TENTATIVE);
    /// Usable while duplicate address detection goes on (IPv6).
    pub const OPTIMISTIC: Self = Self(libc::IFA_F_OPTIMISTIC);
    /// The preferred lifetime is over.
    pub const DEPRECATED: Self = Self(libc::IFA_F_DEPRECATED);
    /// Not the first address of its network (IPv4); temporary (IPv6).
    pub const SECONDARY: Self = Self(libc::IFA_F_SECONDARY);
    /// The home address of a mobile node (IPv6).
    pub const HOMEADDRESS: Self = Self(libc::IFA_F_HOMEADDRESS);
    /// The template of temporary addresses (IPv6).
    pub const MANAGETEMPADDR: Self = Self(libc::IFA_F_MANAGETEMPADDR);
    /// No route to the network comes with the address.
    pub const NOPREFIXROUTE: Self = Self(libc::IFA_F_NOPREFIXROUTE);
    /// A multicast address that the link is to join.
    pub const MCAUTOJOIN: Self = Self(libc::IFA_F_MCAUTOJOIN);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Address {
    /// A global address of endless lifetime, without anything optional.
    #[must_use]
    pub const fn new(interface: IfIndex, prefix: Prefix) -> Self {
        Self {
            interface,
            prefix,
            peer: None,
            broadcast: None,
            label: None,
            scope: 0,
            flags: AddressFlags(0),
            preferred: FOREVER,
            valid: FOREVER,
            protocol: 0,
        }
    }

    /// The value that the payload of an RTM_NEWADDR or RTM_DELADDR carries; `None` for other families than the
    /// Internet's and for what makes no sense.
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let (&[family, length, low_flags, scope], rest) = payload.split_first_chunk()?;
        let (interface, attributes) = rest.split_first_chunk()?;
        let family = family_of(family)?;
        let mut flags = u32::from(low_flags);
        let (mut address, mut local) = (None, None);
        let (mut broadcast, mut label) = (None, None);
        let (mut preferred, mut valid, mut protocol) = (FOREVER, FOREVER, 0);
        for (kind, payload) in Attributes(attributes) {
            match Ifa::from(kind) {
                Ifa::Address => address = ip(family, payload),
                Ifa::Local => local = ip(family, payload),
                Ifa::Broadcast => broadcast = ip(Family::V4, payload),
                Ifa::Label => label = text(payload).and_then(|text| Label::try_from(text).ok()),
                Ifa::Flags => flags = number(payload).unwrap_or(flags),
                Ifa::Cacheinfo => {
                    preferred = number(payload).unwrap_or(FOREVER);
                    valid = payload.get(4..).and_then(number).unwrap_or(FOREVER);
                }
                Ifa::UnrecognizedConst(IFA_PROTO) => protocol = octet(payload).unwrap_or(0),
                _ => {}
            }
        }
        let addr = local.or(address)?;
        Some(Self {
            interface: IfIndex(u32::from_ne_bytes(*interface)),
            prefix: Prefix { addr, len: length.min(family.max_prefix()) },
            peer: address.filter(|peer| *peer != addr),
            broadcast: broadcast.and_then(|broadcast| match broadcast {
                IpAddr::V4(v4) => Some(v4),
                IpAddr::V6(_) => None,
            }),
            label,
            scope,
            flags: AddressFlags(flags),
            preferred,
            valid,
            protocol,
        })
    }

    fn fixed(&self) -> Option<Ifaddrmsg> {
        let family = match self.prefix.family() {
            Family::V4 => RtAddrFamily::Inet,
            Family::V6 => RtAddrFamily::Inet6,
        };
        fixed(family, self.prefix.len, self.scope, self.interface)
    }

    /// The attributes that say which address is meant.
    fn put_identity(&self, request: &mut Requests) {
        put_ip(request, Ifa::Local, &self.prefix.addr);
        put_ip(request, Ifa::Address, &self.peer.unwrap_or(self.prefix.addr));
    }

    fn put_details(&self, request: &mut Requests) {
        if let Some(broadcast) = self.broadcast {
            request.attribute(Ifa::Broadcast, &broadcast.octets());
        }
        if let Some(label) = &self.label {
            request.text(Ifa::Label, label);
        }
        if self.flags != AddressFlags(0) {
            request.attribute(Ifa::Flags, &self.flags.0.to_ne_bytes());
        }
        if self.preferred != FOREVER || self.valid != FOREVER {
            // struct ifa_cacheinfo: preferred, valid and two time stamps that only the kernel fills.
            let mut lifetimes = [0; 16];
            let [p0, p1, p2, p3] = self.preferred.to_ne_bytes();
            let [v0, v1, v2, v3] = self.valid.to_ne_bytes();
            if let Some(front) = lifetimes.first_chunk_mut() {
                *front = [p0, p1, p2, p3, v0, v1, v2, v3];
            }
            request.attribute(Ifa::Cacheinfo, &lifetimes);
        }
        if self.protocol != 0 {
            request.attribute(IFA_PROTO, &[self.protocol]);
        }
    }
}

impl Commands {
    /// Asks to add an address. Refused with EEXIST if the link has it.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn add_address(&mut self, tag: u32, address: &Address) -> Result<(), Full> {
        self.put_address(tag, false, NlmF::CREATE | NlmF::EXCL, address)
    }

    /// The same, by a request that is marked: a monitor that ignores those ([`super::monitor::Monitor::ignore_marked`])
    /// gets no notification of the address. The acknowledgement says all.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn add_address_marked(&mut self, tag: u32, address: &Address) -> Result<(), Full> {
        self.put_address(tag, true, NlmF::CREATE | NlmF::EXCL, address)
    }

    /// Asks to add an address, or to give the one that the link has these lifetimes and flags.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn replace_address(&mut self, tag: u32, address: &Address) -> Result<(), Full> {
        self.put_address(tag, false, NlmF::CREATE | NlmF::REPLACE, address)
    }

    /// Asks to delete an address: link, local address, peer and prefix length say which; its label and the rest do
    /// not matter. Refused with EADDRNOTAVAIL if the link does not have it.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn delete_address(&mut self, tag: u32, address: &Address) -> Result<(), Full> {
        let fixed = address.fixed().ok_or(Full)?;
        self.append(tag, Rtm::Deladdr, NlmF::empty(), fixed, |request| {
            address.put_identity(request);
        })
    }

    /// Lists all addresses of all links into `out`, which is emptied first.
    ///
    /// # Errors
    /// `ResourceBusy` if changes ran into every one of [`crate::base::limit::NETLINK_DUMP_TRIES`] attempts, or what
    /// the kernel says.
    pub fn addresses(&mut self, out: &mut Vec<Address>) -> io::Result<()> {
        out.clear();
        self.begin_addresses()?;
        while self.more_addresses(out)? {}
        Ok(())
    }

    /// Asks for a list of all addresses, which [`Self::more_addresses`] receives part by part: for a caller that has
    /// other work to do between two parts.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn begin_addresses(&mut self) -> io::Result<()> {
        let all = fixed(RtAddrFamily::Unspecified, 0, 0, IfIndex(0)).ok_or(io::ErrorKind::InvalidInput)?;
        self.begin_dump(Rtm::Getaddr, all, |_| ())
    }

    /// Adds the addresses of the next part of the list to `out`, which is emptied when a change ran into the list and
    /// the kernel begins it again. False: the list is whole.
    ///
    /// # Errors
    /// Those of [`Commands::addresses`].
    pub fn more_addresses(&mut self, out: &mut Vec<Address>) -> io::Result<bool> {
        let part = self.receive_part(&mut |message| {
            if Rtm::from(message.kind) == Rtm::Newaddr {
                out.extend(Address::decode(message.payload));
            }
        })?;
        if part == Part::Again {
            out.clear();
        }
        Ok(part != Part::Last)
    }

    fn put_address(&mut self, tag: u32, marked: bool, flags: NlmF, address: &Address) -> Result<(), Full> {
        let fixed = address.fixed().ok_or(Full)?;
        let head = Head { tag, kind: Rtm::Newaddr.into(), flags, marked };
        self.append_as(head, fixed, &mut |request| {
            address.put_identity(request);
            address.put_details(request);
        })
    }
}

/// The fixed part of an address message. neli's builder cannot fail when every field is given.
fn fixed(family: RtAddrFamily, length: u8, scope: u8, interface: IfIndex) -> Option<Ifaddrmsg> {
    IfaddrmsgBuilder::default()
        .ifa_family(family)
        .ifa_prefixlen(length)
        .ifa_flags(IfaF::empty())
        .ifa_scope(RtScope::from(scope))
        .ifa_index(interface.0)
        .build()
        .ok()
}

/// From the kernel's if_addr.h (Linux 5.18); neither libc nor neli has it.
const IFA_PROTO: u16 = 11;
