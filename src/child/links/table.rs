//! The network interfaces that the configuration names, as the kernel has them now.
//!
//! Only named interfaces are kept. Addresses that the child itself puts on them are not entered here, so that
//! "the first address of the interface" is the machine's own.

use std::collections::HashMap;

use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::id::{IfIndex, LinkId};
use crate::base::mac::Mac;
use crate::base::map::Set;
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
    /// Addresses that this child did not add, in the order in which the kernel tells of them.
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
    by_name: HashMap<IfName, LinkId>,
    by_index: HashMap<IfIndex, LinkId>,
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

    /// Takes the whole truth: whatever is named and not in `kernel` is gone.
    pub fn replace(&mut self, kernel: &[KernelLink], mut changed: impl FnMut(LinkId, Change)) {
        let there: Set<(IfIndex, &IfName)> = kernel.iter().map(|link| (link.index, &link.name)).collect();
        for (position, link) in self.links.iter_mut().enumerate() {
            link.addresses.clear();
            link.tentative = None;
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
mod tests {
    use super::super::tests::{MAC, RUNNING, UP, kernel_link};
    use super::*;
    use crate::sys::netlink::link::{HardwareAddress, Link as KernelLink, LinkFlags};

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn prefix(text: &str) -> Prefix {
        let (addr, len) = text.split_once('/').unwrap();
        Prefix { addr: addr.parse().unwrap(), len: len.parse().unwrap() }
    }

    fn entered(text: &str) -> (Links, LinkId) {
        let mut links = Links::default();
        links.named(&name("other"));
        let id = links.named(&name(text));
        (links, id)
    }

    #[test]
    fn a_name_is_entered_once() {
        let (mut links, id) = entered("eth0");
        assert_eq!(links.named(&name("eth0")), id);
        assert_eq!(links.find(&name("eth0")), Some(id));
        assert_eq!(links.find(&name("eth1")), None);
    }

    #[test]
    fn the_same_address_with_another_length_is_another_one() {
        let (mut links, id) = entered("eth0");
        assert!(links.address_new(id, prefix("10.0.0.1/24")));
        assert!(links.address_new(id, prefix("10.0.0.1/32")));
        assert!(!links.address_new(id, prefix("10.0.0.1/32")));
        assert!(links.address_gone(id, prefix("10.0.0.1/32")));
        assert!(!links.address_gone(id, prefix("10.0.0.1/32")));
        let source = links.link(id).unwrap().source(Family::V4);
        assert_eq!(source, Some(prefix("10.0.0.1/24").addr));
    }

    #[test]
    fn detection_is_over_when_the_address_can_be_used_or_never_will() {
        let (mut links, id) = entered("eth0");
        let probed = |links: &Links| links.link(id).unwrap().tentative;
        let (local, other) = (prefix("fe80::1/64"), prefix("fe80::2/64"));
        assert!(!links.set_tentative(id, prefix("2001:db8::1/64"), true), "no source of adverts");
        assert!(!links.set_tentative(id, prefix("10.0.0.1/24"), true));
        assert!(links.set_tentative(id, local, true));
        assert!(!links.set_tentative(id, local, true), "no news");
        assert!(!links.set_tentative(id, other, false), "another one");
        assert_eq!(probed(&links), Some(local));
        assert!(links.address_new(id, local));
        assert_eq!(probed(&links), None);
        assert!(links.set_tentative(id, other, true));
        assert!(links.set_tentative(id, other, false));
        assert_eq!(probed(&links), None);
        assert!(links.set_tentative(id, other, true));
        links.replace(&[], |_, _| ());
        assert_eq!(probed(&links), None, "what is not listed again is not known");
    }

    #[test]
    fn an_interface_is_up_if_it_is_wanted_up_and_runs_and_no_layer_below_says_otherwise() {
        let both = UP | RUNNING;
        for (flags, carrier, state, up) in [
            (both, None, OperState::Up, true),
            (both, Some(true), OperState::Unknown, true),
            (both, Some(true), OperState::Dormant, true),
            (UP, Some(true), OperState::Up, false),
            (RUNNING, Some(true), OperState::Up, false),
            (both, Some(false), OperState::Up, false),
            (both, Some(true), OperState::Down, false),
            (both, Some(true), OperState::LowerLayerDown, false),
            (both, Some(true), OperState::NotPresent, false),
            (both, Some(true), OperState::Testing, false),
        ] {
            let (mut links, id) = entered("eth0");
            links.update(&KernelLink { flags: LinkFlags(flags), carrier, state, ..kernel_link(7, "eth0") });
            let link = links.link(id).unwrap();
            assert_eq!(link.counts_up(), up, "{flags:#x} {carrier:?} {state:?}");
            assert_eq!((link.state.up, link.state.seen_up), (up, up));
            assert_eq!(link.state.wanted_up, flags & UP != 0);
        }
    }

    #[test]
    fn each_change_of_an_interface_is_told_as_what_it_is() {
        let (mut links, id) = entered("eth0");
        let there = kernel_link(7, "eth0");
        let mut told = |kernel: &KernelLink| links.update(kernel);
        let only = |change| [None, Some((id, change))];
        assert_eq!(told(&kernel_link(3, "unnamed")), [None, None], "the configuration does not name it");
        assert_eq!(told(&there), only(Change::Appeared));
        assert_eq!(told(&there), only(Change::None));
        let down = KernelLink { flags: LinkFlags(UP), ..there.clone() };
        assert_eq!(told(&down), only(Change::State));
        let unwanted = KernelLink { flags: LinkFlags(0), ..there.clone() };
        assert_eq!(told(&unwanted), only(Change::Setting), "down as before, but by the administrator");
        assert_eq!(told(&there), only(Change::State));
        let master = KernelLink { master: IfIndex(5), ..there.clone() };
        assert_eq!(told(&master), only(Change::Setting));
        let address = HardwareAddress::of(&[2, 0, 0, 0, 0, 9]);
        let mac = KernelLink { address, ..master.clone() };
        assert_eq!(told(&mac), only(Change::Setting));
        assert_eq!(told(&KernelLink { index: IfIndex(8), ..there.clone() }), only(Change::Appeared));
        let other = kernel_link(8, "other");
        let other_id = links.find(&name("other")).unwrap();
        let renamed = links.update(&other);
        assert_eq!(renamed, [Some((id, Change::Vanished)), Some((other_id, Change::Appeared))]);
        assert_eq!((links.numbered(IfIndex(8)), links.numbered(IfIndex(7))), (Some(other_id), None));
        assert_eq!(links.link(id).unwrap().index, None);
    }

    #[test]
    fn what_the_kernel_says_of_an_interface_is_known() {
        let (mut links, id) = entered("eth0");
        let kernel = KernelLink {
            parent: IfIndex(2),
            master: IfIndex(3),
            in_vrf: true,
            group: 4,
            table: Some(5),
            mtu: 1_400,
            ..kernel_link(7, "eth0")
        };
        links.update(&kernel);
        let link = links.link(id).unwrap();
        assert_eq!((link.index, link.mac), (Some(IfIndex(7)), Some(Mac(MAC))));
        assert_eq!((link.parent, link.master, link.in_vrf), (IfIndex(2), IfIndex(3), true));
        assert_eq!((link.group, link.table, link.mtu), (4, Some(5), 1_400));
        assert_eq!(link.hardware_type, ETHERNET);
        links.update(&KernelLink { hardware_type: 772, ..kernel });
        let link = links.link(id).unwrap();
        assert_eq!((link.mac, link.hardware_type), (None, 772), "only Ethernet has an Ethernet address");
    }

    #[test]
    fn macvlans_and_ipvlans_are_told_from_all_other_interfaces() {
        for (word, kind) in
            [("macvlan", Kind::Macvlan), ("ipvlan", Kind::Ipvlan), ("vlan", Kind::Other), ("", Kind::Other)]
        {
            let (mut links, id) = entered("eth0");
            links.update(&KernelLink { kind: word.try_into().unwrap(), ..kernel_link(7, "eth0") });
            assert_eq!(links.link(id).unwrap().kind, kind, "{word}");
        }
    }

    #[test]
    fn the_word_of_the_driver_stands_in_place_of_the_carrier() {
        let (mut links, id) = entered("eth0");
        links.update(&kernel_link(7, "eth0"));
        let link = links.link_mut(id).unwrap();
        assert!(!link.set_polled(Some(true)), "no news");
        assert!(link.set_polled(Some(false)) && !link.counts_up());
        assert!(!link.set_polled(Some(false)));
        assert!(link.set_polled(None) && link.counts_up());
        links.update(&KernelLink { flags: LinkFlags(RUNNING), ..kernel_link(7, "eth0") });
        let link = links.link_mut(id).unwrap();
        assert!(!link.set_polled(Some(true)) && !link.counts_up(), "the administrator has set it down");
    }

    #[test]
    fn nothing_is_left_of_an_interface_that_is_gone_but_its_name() {
        let (mut links, id) = entered("eth0");
        links.update(&kernel_link(7, "eth0"));
        assert!(links.address_new(id, prefix("10.0.0.1/24")));
        assert!(links.set_tentative(id, prefix("fe80::1/64"), true));
        let link = links.link_mut(id).unwrap();
        link.set_polled(Some(true));
        link.state.held = Some(true);
        assert_eq!(links.remove(IfIndex(8)), None);
        assert_eq!(links.remove(IfIndex(7)), Some(id));
        assert_eq!((links.remove(IfIndex(7)), links.numbered(IfIndex(7))), (None, None));
        let link = links.link(id).unwrap();
        assert_eq!((link.index, link.mac, link.tentative), (None, None, None));
        assert!(link.addresses.is_empty() && !link.counts_up() && !link.state.wanted_up);
        assert!(!link.state.seen_up && link.state.polled.is_none());
        assert_eq!((links.name(Some(id)), links.name(None)), ("eth0", "?"));
        links.update(&kernel_link(7, "eth0"));
        assert!(links.link(id).unwrap().counts_up(), "it can come back");
    }

    #[test]
    fn adverts_come_from_the_first_address_that_can_be_their_source() {
        let (mut links, id) = entered("eth0");
        let source = |links: &Links, family| links.link(id).unwrap().source(family);
        for address in ["2001:db8::1/64", "fe80::1/64", "fe80::2/64", "10.0.0.1/24", "10.0.0.2/24"] {
            assert!(links.address_new(id, prefix(address)));
        }
        assert_eq!(source(&links, Family::V4), Some(prefix("10.0.0.1/24").addr));
        assert_eq!(source(&links, Family::V6), Some(prefix("fe80::1/64").addr), "a link-local one");
        // What the daemon itself put there comes behind the machine's own.
        links.address_last(id, prefix("10.0.0.1/24"));
        links.address_last(id, prefix("fe80::1/64"));
        links.address_last(id, prefix("10.9.9.9/24"));
        assert_eq!(source(&links, Family::V4), Some(prefix("10.0.0.2/24").addr));
        assert_eq!(source(&links, Family::V6), Some(prefix("fe80::2/64").addr));
        assert!(links.address_gone(id, prefix("10.0.0.2/24")));
        assert_eq!(source(&links, Family::V4), Some(prefix("10.0.0.1/24").addr), "it is still there");
    }

    #[test]
    fn an_interface_that_is_never_there_stands_for_all_such() {
        let (mut links, id) = entered("eth0");
        let nowhere = links.nowhere();
        assert_eq!(links.nowhere(), nowhere);
        assert_ne!(nowhere, id);
        assert_eq!(links.link(nowhere).unwrap().index, None);
        assert_eq!(links.ids().collect::<Vec<_>>().len(), 3);
    }

    #[test]
    fn a_list_of_everything_tells_what_has_changed_since_and_which_addresses_are_to_be_listed_again() {
        let (mut links, id) = entered("eth0");
        let other = links.find(&name("other")).unwrap();
        links.update(&kernel_link(7, "eth0"));
        links.update(&kernel_link(8, "other"));
        links.address_new(id, prefix("10.0.0.1/24"));
        let mut changes = Vec::new();
        let down = KernelLink { flags: LinkFlags(UP), ..kernel_link(7, "eth0") };
        links.replace(&[kernel_link(3, "unnamed"), down], |id, change| changes.push((id, change)));
        assert_eq!(changes, [(other, Change::Vanished), (id, Change::State)]);
        assert!(links.link(id).unwrap().addresses.is_empty());
        changes.clear();
        // They changed names while nobody listened.
        let swapped = [kernel_link(7, "other"), kernel_link(9, "eth0")];
        links.replace(&swapped, |id, change| changes.push((id, change)));
        assert_eq!(changes, [(id, Change::Vanished), (other, Change::Appeared), (id, Change::Appeared)]);
        let indices = [IfIndex(7), IfIndex(8), IfIndex(9)].map(|index| links.numbered(index));
        assert_eq!(indices, [Some(other), None, Some(id)]);
    }

    #[test]
    fn what_is_not_listed_is_gone() {
        let (mut links, id) = entered("eth0");
        let mut changes = Vec::new();
        let nothing: [KernelLink; 0] = [];
        links.replace(&nothing, |id, change| changes.push((id, change)));
        assert_eq!(changes, [], "what was never there does not vanish");
        links.link_mut(id).unwrap().index = Some(IfIndex(7));
        links.by_index.insert(IfIndex(7), id);
        links.replace(&nothing, |id, change| changes.push((id, change)));
        assert_eq!(changes, [(id, Change::Vanished)]);
        assert_eq!(links.numbered(IfIndex(7)), None);
    }
}
