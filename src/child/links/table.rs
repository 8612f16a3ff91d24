//! The network interfaces that the configuration names, as the kernel has them now.
//!
//! Only named interfaces are kept. Addresses that the child itself puts on them are not entered here, so that
//! "the first address of the interface" is the machine's own.

use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::id::{IfIndex, LinkId};
use crate::base::mac::Mac;
use crate::base::map::{Map, Set};
use crate::base::name::IfName;
use crate::sys::netlink::link::{ETHERNET, Link as KernelLink, OperState};

/// One named interface.
#[derive(Clone, Debug)]
pub struct Link {
    /// The name.
    pub name: IfName,
    /// The index (ifindex) while the interface exists.
    pub index: Option<IfIndex>,
    /// Whether the interface is up, and what that is reckoned from.
    pub state: LinkState,
    /// The Ethernet address.
    pub mac: Option<Mac>,
    /// The interface below a macvlan or VLAN (IFLA_LINK); 0 is none.
    pub parent: IfIndex,
    /// The kind of a virtual interface, as far as it matters here.
    pub kind: Kind,
    /// The bridge, bond or VRF that the interface belongs to (IFLA_MASTER); 0 is none.
    pub master: IfIndex,
    /// Whether the master is a VRF.
    pub in_vrf: bool,
    /// The group that the administrator put the interface in (IFLA_GROUP); 0 is the default one.
    pub group: u32,
    /// For a VRF: its routing table.
    pub table: Option<u32>,
    /// Octets of the longest packet (IFLA_MTU); 0 is not known.
    pub mtu: u32,
    /// ARPHRD_ number.
    pub hardware_type: u16,
    /// Addresses that this child did not add, in the order in which the kernel reports them.
    pub addresses: Vec<Prefix>,
    /// A link-local address that this child did not add and that cannot be used yet, for duplicate address detection goes
    /// on. Of several the last.
    pub tentative: Option<Prefix>,
}

/// Whether an interface is up.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkState {
    /// The administrator has set the interface up (IFF_UP).
    pub wanted_up: bool,
    /// Packets can leave: the interface is wanted up and has a carrier, by the word of the driver if that is polled, else
    /// of netlink.
    pub up: bool,
    /// The interface has been up at some time since it exists.
    pub seen_up: bool,
    /// Netlink says that there is a carrier, and no layer below says otherwise.
    carrier: bool,
    /// Whether the driver says that there is a carrier; none: the driver is not polled, or cannot be.
    pub polled: Option<bool>,
    /// The interface counts as up, or as down, although it is not, because the change has not lasted for its delay yet;
    /// none: it counts as what it is.
    pub held: Option<bool>,
}

/// The kind of a virtual interface (IFLA_INFO_KIND).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `macvlan`.
    Macvlan,
    /// `ipvlan`.
    Ipvlan,
    /// Anything else, hardware among it.
    Other,
}

impl Kind {
    /// The kind of an interface of the kernel.
    #[must_use]
    pub fn of(kernel: &KernelLink) -> Self {
        match kernel.kind.as_str() {
            "macvlan" => Self::Macvlan,
            "ipvlan" => Self::Ipvlan,
            _ => Self::Other,
        }
    }
}

impl Link {
    /// Whether an address that is not ours is on it.
    #[must_use]
    pub fn has(&self, addr: IpAddr) -> bool {
        self.addresses.iter().any(|there| there.addr == addr)
    }

    /// The source of adverts: the first IPv4 address, or the first link-local IPv6 address.
    #[must_use]
    pub fn source(&self, family: Family) -> Option<IpAddr> {
        self.addresses.iter().map(|there| there.addr).find(|addr| match (family, addr) {
            (Family::V4, IpAddr::V4(_)) => true,
            (Family::V6, IpAddr::V6(v6)) => v6.is_unicast_link_local(),
            _ => false,
        })
    }

    /// Whether the interface counts as up for the instances that use or track it.
    #[must_use]
    pub fn counts_up(&self) -> bool {
        self.state.held.unwrap_or(self.state.up)
    }

    /// Takes the word of the driver, or that it is not polled; whether the interface went up or down by that.
    pub fn set_polled(&mut self, polled: Option<bool>) -> bool {
        self.state.polled = polled;
        self.settle()
    }

    /// Reckons whether packets can leave; whether that is another thing than before.
    fn settle(&mut self) -> bool {
        let up = self.state.wanted_up && self.state.polled.unwrap_or(self.state.carrier);
        self.state.seen_up |= up;
        core::mem::replace(&mut self.state.up, up) != up
    }

    fn absent(name: &IfName) -> Self {
        Self {
            name: name.clone(),
            index: None,
            state: LinkState::default(),
            mac: None,
            parent: IfIndex(0),
            kind: Kind::Other,
            master: IfIndex(0),
            in_vrf: false,
            table: None,
            group: 0,
            mtu: 0,
            hardware_type: 0,
            addresses: Vec::new(),
            tentative: None,
        }
    }

    fn gone(&mut self) {
        self.index = None;
        self.state.wanted_up = false;
        self.state.carrier = false;
        self.state.polled = None;
        self.state.held = None;
        self.settle();
        self.state.seen_up = false;
        self.mac = None;
        self.addresses.clear();
        self.tentative = None;
    }
}

/// What an event about an interface changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that matters.
    None,
    /// The interface came, or came back with another index.
    Appeared,
    /// The interface went.
    Vanished,
    /// Up became down, or down up.
    State,
    /// The Ethernet address changed, the master, or whether the administrator wants the interface up, but not whether it is
    /// up.
    Setting,
}

/// All named interfaces.
#[derive(Clone, Debug, Default)]
pub struct Links {
    links: Vec<Link>,
    by_name: Map<IfName, LinkId>,
    by_index: Map<IfIndex, LinkId>,
    nowhere: Option<LinkId>,
}

impl Links {
    /// An interface that never is there, for those who cannot have theirs.
    pub fn nowhere(&mut self) -> LinkId {
        *self.nowhere.get_or_insert_with(|| {
            self.links.push(Link::absent(&IfName::default()));
            LinkId::at(self.links.len() - 1)
        })
    }

    /// The id of the interface of this name; entered if it is new. For load time: allocates.
    pub fn named(&mut self, name: &IfName) -> LinkId {
        if let Some(id) = self.find(name) {
            return id;
        }
        self.links.push(Link::absent(name));
        let id = LinkId::at(self.links.len() - 1);
        self.by_name.insert(name.clone(), id);
        id
    }

    /// The id of the interface of this name, if it is entered.
    #[must_use]
    pub fn find(&self, name: &IfName) -> Option<LinkId> {
        self.by_name.get(name).copied()
    }

    /// The interface of this number, if it is entered.
    #[must_use]
    pub fn numbered(&self, index: IfIndex) -> Option<LinkId> {
        self.by_index.get(&index).copied()
    }

    /// All ids, those of interfaces that are not there among them.
    pub fn ids(&self) -> impl Iterator<Item = LinkId> + Clone + use<> {
        (0..self.links.len()).map(LinkId::at)
    }

    /// An interface.
    #[must_use]
    pub fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(id.index())
    }

    /// The name of an interface; a question mark for none.
    #[must_use]
    pub fn name(&self, id: Option<LinkId>) -> &str {
        id.and_then(|id| self.link(id)).map_or("?", |link| link.name.as_str())
    }

    /// An interface, to be changed.
    pub fn link_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(id.index())
    }

    /// Takes what the kernel says of an interface; the named interfaces that this changed. A rename changes two.
    pub fn update(&mut self, kernel: &KernelLink) -> [Option<(LinkId, Change)>; 2] {
        let before = self.numbered(kernel.index);
        let now = self.find(&kernel.name);
        let left = before.filter(|id| Some(*id) != now).map(|id| {
            self.by_index.remove(&kernel.index);
            if let Some(link) = self.link_mut(id) {
                link.gone();
            }
            (id, Change::Vanished)
        });
        [left, now.map(|id| (id, self.enter(id, kernel)))]
    }

    /// The interface of this number is gone.
    pub fn remove(&mut self, index: IfIndex) -> Option<LinkId> {
        let id = self.by_index.remove(&index)?;
        self.link_mut(id)?.gone();
        Some(id)
    }

    /// Takes the whole truth about interfaces, and none about addresses: whatever is named and not in `kernel` is gone.
    pub fn replace(&mut self, kernel: &[KernelLink], mut changed: impl FnMut(LinkId, Change)) {
        let there: Set<(IfIndex, &IfName)> = kernel.iter().map(|link| (link.index, &link.name)).collect();
        for (position, link) in self.links.iter_mut().enumerate() {
            if let Some(index) = link.index
                && !there.contains(&(index, &link.name))
            {
                link.gone();
                self.by_index.remove(&index);
                changed(LinkId::at(position), Change::Vanished);
            }
        }
        for there in kernel {
            for (id, change) in self.update(there).into_iter().flatten() {
                changed(id, change);
            }
        }
    }

    /// Forgets all addresses: they are entered again from a list of all.
    pub fn forget_addresses(&mut self) {
        for link in &mut self.links {
            link.addresses.clear();
            link.tentative = None;
        }
    }

    /// Duplicate address detection of an address goes on, or is over without success; whether that is news. One that
    /// can be used is told by [`Links::address_new`].
    pub fn set_tentative(&mut self, id: LinkId, address: Prefix, goes_on: bool) -> bool {
        let Some(link) = self.link_mut(id) else { return false };
        let before = link.tentative;
        if goes_on && matches!(address.addr, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
            link.tentative = Some(address);
        } else {
            link.tentative.take_if(|there| *there == address);
        }
        link.tentative != before
    }

    /// Enters an address that is not ours; whether it is new.
    pub fn address_new(&mut self, id: LinkId, address: Prefix) -> bool {
        self.set_tentative(id, address, false);
        match self.link_mut(id) {
            Some(link) if !link.addresses.contains(&address) => {
                link.addresses.push(address);
                true
            }
            _ => false,
        }
    }

    /// An address that the daemon itself puts there for good: others are taken for the source of adverts before it.
    pub fn address_last(&mut self, id: LinkId, address: Prefix) {
        let Some(link) = self.link_mut(id) else { return };
        if let Some(position) = link.addresses.iter().position(|there| *there == address)
            && let Some(rest) = link.addresses.get_mut(position..)
        {
            rest.rotate_left(1);
        }
    }

    /// Removes an address; whether it was there. The same address with another prefix length is another one.
    pub fn address_gone(&mut self, id: LinkId, address: Prefix) -> bool {
        let Some(link) = self.link_mut(id) else {
            return false;
        };
        let before = link.addresses.len();
        link.addresses.retain(|there| *there != address);
        link.addresses.len() != before
    }

    fn enter(&mut self, id: LinkId, kernel: &KernelLink) -> Change {
        let Some(link) = self.links.get_mut(id.index()) else {
            return Change::None;
        };
        let mac = kernel.address.mac().filter(|_| kernel.hardware_type == ETHERNET);
        let appeared = link.index != Some(kernel.index);
        let changed =
            (link.state.wanted_up, link.mac, link.master) != (kernel.flags.up(), mac, kernel.master);
        if appeared {
            if let Some(old) = link.index {
                self.by_index.remove(&old);
                link.gone();
            }
            self.by_index.insert(kernel.index, id);
        }
        link.index = Some(kernel.index);
        link.mac = mac;
        link.state.wanted_up = kernel.flags.up();
        link.state.carrier = has_carrier(kernel);
        let flipped = link.settle();
        link.parent = kernel.parent;
        link.table = kernel.table;
        link.mtu = kernel.mtu;
        link.hardware_type = kernel.hardware_type;
        link.kind = Kind::of(kernel);
        link.master = kernel.master;
        link.in_vrf = kernel.in_vrf;
        link.group = kernel.group;
        match (appeared, flipped, changed) {
            (true, ..) => Change::Appeared,
            (false, true, _) => Change::State,
            (false, false, true) => Change::Setting,
            (false, false, false) => Change::None,
        }
    }
}

/// Whether it is running and no layer below says otherwise.
fn has_carrier(kernel: &KernelLink) -> bool {
    kernel.flags.running()
        && kernel.carrier != Some(false)
        && matches!(kernel.state, OperState::Up | OperState::Unknown | OperState::Dormant)
}

#[cfg(test)]
mod tests;
