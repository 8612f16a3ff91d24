//! Links (network interfaces): as values, created, changed, deleted and listed.

use std::io;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Arphrd, Iff, Ifla, IflaInfo, RtAddrFamily, Rtm};
use neli::rtnl::{Ifinfomsg, IfinfomsgBuilder};

use super::command::{Commands, Full};
use super::dump::Part;
use super::message::{Attributes, Requests, number, octet, text};
use crate::base::id::IfIndex;
use crate::base::mac::Mac;
use crate::base::name::IfName;
use crate::sys::socket::{signed, unsigned};

/// The kind of a virtual link: `macvlan`, `vlan`, `veth`, `bond`, …; at most 15 octets, empty for hardware.
pub type Kind = heapless::String<15>;

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The index: the link keeps it while it exists, and the kernel does not give it to another link soon.
    pub index: IfIndex,
    /// The name at present.
    pub name: IfName,
    /// IFF_ bits.
    pub flags: LinkFlags,
    /// What the driver and the layers below say (RFC 2863 ifOperStatus).
    pub state: OperState,
    /// Whether there is a carrier, where the driver knows.
    pub carrier: Option<bool>,
    /// Octets of the longest packet.
    pub mtu: u32,
    /// ARPHRD_ number; 1 is Ethernet, 32 InfiniBand, 772 loopback.
    pub hardware_type: u16,
    /// Its link-layer address.
    pub address: HardwareAddress,
    /// The link-layer address of all stations.
    pub broadcast: HardwareAddress,
    /// The link below a macvlan or VLAN, or the other end of a veth (IFLA_LINK); 0 is none.
    pub parent: IfIndex,
    /// Whether the parent is in another network namespace, where the index belongs to another link.
    pub parent_elsewhere: bool,
    /// The bond, bridge or VRF that this link belongs to; 0 is none.
    pub master: IfIndex,
    /// Whether the master is a VRF.
    pub in_vrf: bool,
    /// The group that the administrator put it in (`ip link set group`); 0 is the default one.
    pub group: u32,
    /// The kind of a virtual link (IFLA_INFO_KIND).
    pub kind: Kind,
    /// The routing table of a VRF.
    pub table: Option<u32>,
}

/// ARPHRD_ETHER.
pub const ETHERNET: u16 = libc::ARPHRD_ETHER;

/// IFF_ bits of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkFlags(pub u32);

impl LinkFlags {
    /// The administrator has set the link up (IFF_UP).
    #[must_use]
    pub const fn up(self) -> bool {
        self.has(Iff::UP)
    }

    /// Up, and the operational state allows traffic (RFC 2863).
    #[must_use]
    pub const fn running(self) -> bool {
        self.has(Iff::RUNNING)
    }

    /// The layer below is up.
    #[must_use]
    pub const fn lower_up(self) -> bool {
        self.has(Iff::LOWERUP)
    }

    /// The loopback.
    #[must_use]
    pub const fn loopback(self) -> bool {
        self.has(Iff::LOOPBACK)
    }

    /// Carries multicast.
    #[must_use]
    pub const fn multicast(self) -> bool {
        self.has(Iff::MULTICAST)
    }

    const fn has(self, flag: Iff) -> bool {
        self.0 & flag.bits() != 0
    }
}

/// The operational state of a link (RFC 2863 ifOperStatus).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OperState {
    /// The driver does not say: the state counts as up if the link is up.
    #[default]
    Unknown,
    /// A component of the link is missing.
    NotPresent,
    /// Down.
    Down,
    /// The layer below is down.
    LowerLayerDown,
    /// In a test mode.
    Testing,
    /// The link waits for something, such as 802.1X.
    Dormant,
    /// Up.
    Up,
}

impl From<u8> for OperState {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::NotPresent,
            2 => Self::Down,
            3 => Self::LowerLayerDown,
            4 => Self::Testing,
            5 => Self::Dormant,
            6 => Self::Up,
            _ => Self::Unknown,
        }
    }
}

/// A link-layer address of 0 to 32 octets (MAX_ADDR_LEN); Ethernet has 6, InfiniBand 20.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardwareAddress {
    octets: [u8; 32],
    len: u8,
}

impl HardwareAddress {
    /// The octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The address as an Ethernet one, if it is that long.
    #[must_use]
    pub fn mac(&self) -> Option<Mac> {
        <[u8; 6]>::try_from(self.octets()).ok().map(Mac)
    }

    /// The address of these octets; an empty one of more than there may be.
    #[must_use]
    pub fn of(payload: &[u8]) -> Self {
        let mut address = Self::default();
        if let (Some(room), Ok(len)) = (address.octets.get_mut(..payload.len()), u8::try_from(payload.len()))
        {
            room.copy_from_slice(payload);
            address.len = len;
        }
        address
    }
}

impl Link {
    /// The value that the payload of an RTM_NEWLINK or RTM_DELLINK carries. `None` for what other subsystems say
    /// with the same message (a bridge about its ports, wireless events) and for a name that is no text.
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let (&[family, _], rest) = payload.split_first_chunk()?;
        let (hardware_type, rest) = rest.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let (flags, rest) = rest.split_first_chunk()?;
        let (_change, attributes) = rest.split_first_chunk::<4>()?;
        if i32::from(family) != libc::AF_UNSPEC {
            return None;
        }
        let mut link = Self {
            index: unsigned(i32::from_ne_bytes(*index)),
            name: IfName::default(),
            flags: LinkFlags(u32::from_ne_bytes(*flags)),
            state: OperState::Unknown,
            carrier: None,
            mtu: 0,
            hardware_type: u16::from_ne_bytes(*hardware_type),
            address: HardwareAddress::default(),
            broadcast: HardwareAddress::default(),
            parent: IfIndex(0),
            parent_elsewhere: false,
            master: IfIndex(0),
            in_vrf: false,
            group: 0,
            kind: Kind::new(),
            table: None,
        };
        for (kind, payload) in Attributes(attributes) {
            let index = || IfIndex(number(payload).unwrap_or(0));
            match Ifla::from(kind) {
                Ifla::Ifname => link.name = text(payload).and_then(IfName::new)?,
                Ifla::Address => link.address = HardwareAddress::of(payload),
                Ifla::Broadcast => link.broadcast = HardwareAddress::of(payload),
                Ifla::Mtu => link.mtu = number(payload).unwrap_or(0),
                Ifla::Link => link.parent = index(),
                Ifla::LinkNetnsid => link.parent_elsewhere = true,
                Ifla::Master => link.master = index(),
                Ifla::Operstate => link.state = octet(payload).unwrap_or(0).into(),
                Ifla::Carrier => link.carrier = octet(payload).map(|carrier| carrier != 0),
                Ifla::Group => link.group = number(payload).unwrap_or(0),
                Ifla::Linkinfo => {
                    link.kind = kind_of(payload, IflaInfo::Kind);
                    link.in_vrf = kind_of(payload, IflaInfo::SlaveKind) == "vrf";
                    link.table = if link.kind == "vrf" { vrf_table(payload) } else { None };
                }
                Ifla::Wireless => return None,
                _ => {}
            }
        }
        (link.index != IfIndex(0) && link.name != IfName::default()).then_some(link)
    }
}

/// The table in the data of a VRF.
fn vrf_table(info: &[u8]) -> Option<u32> {
    let (_, data) = Attributes(info).find(|(kind, _)| IflaInfo::from(*kind) == IflaInfo::Data)?;
    let (_, table) = Attributes(data).find(|(kind, _)| *kind == IFLA_VRF_TABLE)?;
    number(table)
}

/// From the kernel's if_link.h; neither libc nor neli has it.
const IFLA_VRF_TABLE: u16 = 1;

fn kind_of(info: &[u8], wanted: IflaInfo) -> Kind {
    Attributes(info)
        .find(|(kind, _)| IflaInfo::from(*kind) == wanted)
        .and_then(|(_, payload)| Kind::try_from(text(payload)?).ok())
        .unwrap_or_default()
}

/// Which link a request means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which<'a> {
    /// The link of this index.
    Index(IfIndex),
    /// The link of this name, which an earlier request of the same batch may make.
    Name(&'a IfName),
}

impl Which<'_> {
    pub(super) fn index(self) -> IfIndex {
        match self {
            Self::Index(index) => index,
            Self::Name(_) => IfIndex(0),
        }
    }

    fn put_name(self, request: &mut Requests) {
        if let Self::Name(name) = self {
            request.text(Ifla::Ifname, name.as_str());
        }
    }
}

/// How the kernel makes the link-local IPv6 address of a link (IN6_ADDR_GEN_MODE_).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AddrGenMode {
    /// From the link-layer address.
    Eui64 = 0,
    /// Not at all.
    None = 1,
}

impl Commands {
    /// Asks to set a link up or down.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn set_link_up(&mut self, tag: u32, which: Which<'_>, up: bool) -> Result<(), Full> {
        self.change_link(tag, which, Some(up), |_| ())
    }

    /// Asks to give a link another Ethernet address. Some drivers refuse with EBUSY while it is up.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn set_link_mac(&mut self, tag: u32, which: Which<'_>, mac: Mac) -> Result<(), Full> {
        self.change_link(tag, which, None, |request| request.attribute(Ifla::Address, &mac.0))
    }

    /// Asks to set how the kernel makes a link's link-local address, from the next time that the link goes up. Refused with EAFNOSUPPORT
    /// if the link has no IPv6.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn set_addr_gen_mode(&mut self, tag: u32, which: Which<'_>, mode: AddrGenMode) -> Result<(), Full> {
        self.change_link(tag, which, None, |request| {
            request.nest(Ifla::AfSpec, |families| {
                families.nest(AF_INET6, |settings| {
                    settings.attribute(IFLA_INET6_ADDR_GEN_MODE, &[mode as u8]);
                });
            });
        })
    }

    /// Asks to delete a virtual link. Refused with EOPNOTSUPP for hardware, ENODEV if there is none.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn delete_link(&mut self, tag: u32, which: Which<'_>) -> Result<(), Full> {
        let fixed = fixed(which.index(), None).ok_or(Full)?;
        self.append(tag, Rtm::Dellink, NlmF::empty(), fixed, |request| which.put_name(request))
    }

    /// Asks to delete all links of a group in one go, which takes the kernel hardly longer than one link. Refused, with
    /// nothing deleted, with EOPNOTSUPP if one of them is hardware, ENODEV if there is none. Group 0 is the default one, which all links are in at first.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn delete_group(&mut self, tag: u32, group: u32) -> Result<(), Full> {
        let fixed = fixed(IfIndex(0), None).ok_or(Full)?;
        self.append(tag, Rtm::Dellink, NlmF::empty(), fixed, |request| {
            request.attribute(Ifla::Group, &group.to_ne_bytes());
        })
    }

    /// Lists all links into `out`, which is emptied first.
    ///
    /// # Errors
    /// `ResourceBusy` if changes ran into every one of [`crate::base::limit::NETLINK_DUMP_TRIES`] attempts, or what the kernel says.
    pub fn links(&mut self, out: &mut Vec<Link>) -> io::Result<()> {
        out.clear();
        self.begin_links()?;
        while self.more_links(out)? {}
        Ok(())
    }

    /// Asks for a list of all links, which [`Self::more_links`] receives part by part: for a caller that has other work
    /// to do between two parts.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn begin_links(&mut self) -> io::Result<()> {
        let all = fixed(IfIndex(0), None).ok_or(io::ErrorKind::InvalidInput)?;
        self.begin_dump(Rtm::Getlink, all, |request| {
            request.attribute(Ifla::ExtMask, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        })
    }

    /// Adds the links of the next part of the list to `out`, which is emptied when a change ran into the list and the
    /// kernel begins it again. False: the list is whole.
    ///
    /// # Errors
    /// Those of [`Commands::links`].
    pub fn more_links(&mut self, out: &mut Vec<Link>) -> io::Result<bool> {
        let part = self.receive_part(&mut |message| {
            if Rtm::from(message.kind) == Rtm::Newlink {
                out.extend(Link::decode(message.payload));
            }
        })?;
        if part == Part::Again {
            out.clear();
        }
        Ok(part != Part::Last)
    }

    /// The link of this name, which is not one of its further names; none if there is none.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn link(&mut self, name: &IfName) -> io::Result<Option<Link>> {
        let mut found = None;
        let asked = |request: &mut Requests| {
            request.attribute(Ifla::ExtMask, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
            Which::Name(name).put_name(request);
        };
        let fixed = fixed(IfIndex(0), None).ok_or(io::ErrorKind::InvalidInput)?;
        let done = self.one(Rtm::Getlink, fixed, asked, &mut |message| {
            if Rtm::from(message.kind) == Rtm::Newlink {
                found = Link::decode(message.payload);
            }
        });
        match done {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            done => done.map(|()| found.filter(|link| link.name == *name)),
        }
    }

    pub(super) fn change_link(
        &mut self,
        tag: u32,
        which: Which<'_>,
        up: Option<bool>,
        attributes: impl Fn(&mut Requests),
    ) -> Result<(), Full> {
        let fixed = fixed(which.index(), up).ok_or(Full)?;
        self.append(tag, Rtm::Setlink, NlmF::empty(), fixed, |request| {
            which.put_name(request);
            attributes(request);
        })
    }

    /// Asks to make a pair of virtual Ethernet links, for tests.
    #[cfg(test)]
    pub(crate) fn create_pair(&mut self, tag: u32, near: &IfName, far: &IfName) -> Result<(), Full> {
        let near_fixed = fixed(IfIndex(0), None).ok_or(Full)?;
        let flags = NlmF::CREATE | NlmF::EXCL;
        self.append(tag, Rtm::Newlink, flags, near_fixed, |request| {
            request.text(Ifla::Ifname, near.as_str());
            request.nest(Ifla::Linkinfo, |info| {
                info.text(IflaInfo::Kind, "veth");
                info.nest(IflaInfo::Data, |data| {
                    // VETH_INFO_PEER: an ifinfomsg of 16 octets, then attributes.
                    data.nest(1_u16, |peer| {
                        peer.plain(&[0; 16]);
                        peer.text(Ifla::Ifname, far.as_str());
                    });
                });
            });
        })
    }
}

/// The fixed part of a link message. neli's builder cannot fail when every field is given.
pub(super) fn fixed(index: IfIndex, up: Option<bool>) -> Option<Ifinfomsg> {
    let builder = IfinfomsgBuilder::default()
        .ifi_family(RtAddrFamily::Unspecified)
        .ifi_type(Arphrd::from(0))
        .ifi_index(signed(index));
    match up {
        Some(true) => builder.up(),
        Some(false) => builder.down(),
        None => builder,
    }
    .build()
    .ok()
}

// From the kernel's if_link.h, rtnetlink.h and socket.h; neli does not have them.
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const RTEXT_FILTER_SKIP_STATS: u32 = 8;
const AF_INET6: u16 = 10;
