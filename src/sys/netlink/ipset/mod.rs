//! ipsets: sets of addresses that rules of iptables match packets with.
//!
//! There are no transactions as in nf_tables: each request is carried out by itself. A whole set changes at once
//! nevertheless, by [`Ipsets::swap`] with a set that was filled before. Of several requests that fail the first one is
//! reported.
//!
//! ```text
//! message: nlmsghdr { 6 << 8 | number }, { family u8, 0 u8, 0 u16 }, protocol, name, …, data { address, length, interface }
//! numbers inside attributes are big-endian and say so (NLA_F_NET_BYTEORDER)
//! ```

use std::fmt;
use std::io;

use neli::consts::nl::NlmF;
use neli::consts::socket::NlFamily;
use nix::errno::Errno;

use super::batch::{Batch, Head};
use super::message::Requests;
use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::name::IfName;
use crate::sys::outbox::errno_of;

/// The type of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Addresses: `hash:ip`.
    Addresses(Family),
    /// Networks, each with the name of an interface: `hash:net,iface`.
    AtInterfaces(Family),
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Addresses(_) => "hash:ip",
            Self::AtInterfaces(_) => "hash:net,iface",
        }
    }

    const fn family(self) -> u8 {
        match self {
            Self::Addresses(Family::V4) | Self::AtInterfaces(Family::V4) => 2,
            Self::Addresses(Family::V6) | Self::AtInterfaces(Family::V6) => 10,
        }
    }
}

/// A member of a set. With an interface the member is the whole prefix, without one only the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The address or network.
    pub prefix: Prefix,
    /// The interface's name, where the set has them.
    pub interface: Option<&'a IfName>,
}

/// Why the kernel refused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(i32);

impl Refused {
    /// The kernel's number, where it is an ordinary one.
    #[must_use]
    pub const fn errno(self) -> Errno {
        Errno::from_raw(self.0)
    }

    /// The kernel has no ipsets, or not the kind that was asked for.
    #[must_use]
    pub fn is_unknown(self) -> bool {
        self.0 == FIND_TYPE
            || matches!(self.errno(), Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT | Errno::EINVAL)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.0 {
            FIND_TYPE => "this kernel has no such kind of set",
            MAX_SETS => "this kernel takes no more sets",
            BUSY => "a rule of somebody else's uses it",
            NAME_TAKEN => "another set has the name",
            OTHER_TYPE => "it is of another kind",
            FULL => "the set is full",
            _ if self.errno() == Errno::EEXIST => "there is one of another kind",
            _ => self.errno().desc(),
        })
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self(errno_of(&error) as i32)
    }
}

/// A socket for sets, and the requests being collected.
pub struct Ipsets {
    batch: Batch,
    refused: Option<Refused>,
}

impl fmt::Debug for Ipsets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ipsets").field("asked", &self.batch.len()).finish_non_exhaustive()
    }
}

impl Ipsets {
    /// Opens the socket. For load time: allocates.
    ///
    /// # Errors
    /// What the socket calls say.
    pub fn open() -> Result<Self, Refused> {
        let batch = Batch::open(NlFamily::Netfilter, BATCH, BATCH * REQUEST_OCTETS)?;
        Ok(Self { batch, refused: None })
    }

    /// Makes a set for so many members; one of the same kind and size that is there is left as it is.
    pub fn create(&mut self, name: &str, kind: Kind, most: u32) {
        self.message(CREATE, kind.family(), |request| {
            request.text(NAME, name);
            request.text(TYPE, kind.name());
            request.attribute(REVISION, &[0]);
            request.attribute(FAMILY, &[kind.family()]);
            request.nest(NESTED | DATA, |data| {
                data.attribute(BIG_ENDIAN | MAX_MEMBERS, &most.to_be_bytes());
            });
        });
    }

    /// Destroys a set; refused with ENOENT if there is none.
    pub fn destroy(&mut self, name: &str) {
        self.message(DESTROY, 0, |request| request.text(NAME, name));
    }

    /// Exchanges what two sets of one kind hold: packets see the one or the other, rules keep the name.
    pub fn swap(&mut self, one: &str, other: &str) {
        self.message(SWAP, 0, |request| {
            request.text(NAME, one);
            request.text(OTHER_NAME, other);
        });
    }

    /// Puts members into a set, or takes them out; those that are there already, or are not, are no mistake.
    pub fn change<'a>(
        &mut self,
        name: &str,
        kind: Kind,
        add: bool,
        members: impl Iterator<Item = Member<'a>>,
    ) {
        for member in members {
            self.message(if add { ADD } else { DELETE }, kind.family(), |request| {
                request.text(NAME, name);
                request.nest(NESTED | DATA, |data| put_member(data, member));
            });
        }
    }

    /// Carries out what was collected and is not yet.
    ///
    /// # Errors
    /// The first refusal since the last call; all requests that were not refused are carried out.
    pub fn commit(&mut self) -> Result<(), Refused> {
        self.send();
        self.refused.take().map_or(Ok(()), Err)
    }

    fn message(&mut self, kind: u16, family: u8, attributes: impl Fn(&mut Requests)) {
        if self.batch.room() == 0 {
            self.send();
        }
        let head = Head { tag: 0, kind: kind | SUBSYSTEM << 8, flags: NlmF::ACK, marked: false };
        let appended = self.batch.append(head, [family, 0, 0, 0], &mut |request| {
            request.attribute(PROTOCOL, &[OLDEST_PROTOCOL]);
            attributes(request);
        });
        if appended.is_err() {
            // A name that is longer than any may be.
            self.refused.get_or_insert(Refused(libc::EMSGSIZE));
        }
    }

    fn send(&mut self) {
        let refused = &mut self.refused;
        self.batch.commit(&mut |_, code, _| {
            if code != 0 {
                refused.get_or_insert(Refused(code));
            }
        });
    }
}

fn put_member(data: &mut Requests, Member { prefix, interface }: Member<'_>) {
    data.nest(NESTED | ADDRESS, |address| match prefix.addr {
        IpAddr::V4(addr) => address.attribute(BIG_ENDIAN | ADDRESS_V4, &addr.octets()),
        IpAddr::V6(addr) => address.attribute(BIG_ENDIAN | ADDRESS_V6, &addr.octets()),
    });
    if let Some(interface) = interface {
        data.attribute(LENGTH, &[prefix.len]);
        data.text(INTERFACE, interface.as_str());
    }
}

/// Requests in one system call: the answers to more would not fit into a queue of the usual size.
const BATCH: usize = 128;
/// Octets of the longest request: headers, protocol, and two names or a name, an address and an interface.
const REQUEST_OCTETS: usize = 160;

/// NFNL_SUBSYS_IPSET.
const SUBSYSTEM: u16 = 6;
/// Every kernel since 2.6.39 speaks it.
const OLDEST_PROTOCOL: u8 = 6;
const CREATE: u16 = 2;
const DESTROY: u16 = 3;
const SWAP: u16 = 6;
const ADD: u16 = 9;
const DELETE: u16 = 10;
/// NLA_F_NESTED.
const NESTED: u16 = 0x8000;
/// NLA_F_NET_BYTEORDER.
const BIG_ENDIAN: u16 = 0x4000;
// IPSET_ATTR_ of a request.
const PROTOCOL: u16 = 1;
const NAME: u16 = 2;
const TYPE: u16 = 3;
/// IPSET_ATTR_SETNAME2, which shares its number.
const OTHER_NAME: u16 = 3;
const REVISION: u16 = 4;
const FAMILY: u16 = 5;
const DATA: u16 = 7;
// IPSET_ATTR_ inside its data.
const ADDRESS: u16 = 1;
const LENGTH: u16 = 3;
const MAX_MEMBERS: u16 = 19;
const INTERFACE: u16 = 23;
const ADDRESS_V4: u16 = 1;
const ADDRESS_V6: u16 = 2;
// ipset_errno.
const FIND_TYPE: i32 = 4_098;
const MAX_SETS: i32 = 4_099;
const BUSY: i32 = 4_100;
const NAME_TAKEN: i32 = 4_101;
const OTHER_TYPE: i32 = 4_102;
const FULL: i32 = 4_352;

#[cfg(test)]
mod tests;
