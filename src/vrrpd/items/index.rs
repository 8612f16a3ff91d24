//! Which instances name an address on an interface: an index into the instances' addresses, eight octets each.

use core::cmp::Reverse;
use std::vec;

use crate::base::addr::{IpAddr, Prefix};
use crate::base::id::{InstanceId, LinkId};
use crate::base::map::Map;
use crate::proto::vrrp::State;
use crate::vrrpd::live::{Instance, Vip};

/// All addresses of all instances, ordered by interface and address.
#[derive(Default)]
pub(in crate::vrrpd) struct AddressIndex(Vec<Place>);

/// An instance and the position of an address in it.
type Place = (InstanceId, u16);

/// The addresses of one interface.
pub(in crate::vrrpd) type OfLink = Vec<(IpAddr, Reverse<Place>)>;

/// The addresses of each interface, not in order yet.
#[derive(Default)]
pub(in crate::vrrpd) struct Unsorted(Map<LinkId, OfLink>);

impl Unsorted {
    /// Adds the addresses of an instance.
    pub(in crate::vrrpd) fn add(&mut self, instances: &[Instance], id: InstanceId) {
        let addresses = instances.get(id.index()).map_or(&[][..], |instance| &instance.addresses);
        for (position, moved) in (0_u16..=u16::MAX).zip(addresses) {
            if let Some(link) = moved.link {
                self.0.change(link, |list| list.push((moved.prefix.addr, Reverse((id, position)))));
            }
        }
    }
}

impl AddressIndex {
    /// Indexes all addresses anew. For load time: allocates.
    pub(in crate::vrrpd) fn renew(&mut self, instances: &[Instance]) {
        let mut unsorted = Unsorted::default();
        (0..instances.len()).for_each(|number| unsorted.add(instances, InstanceId::at(number)));
        for of_link in self.begin(unsorted) {
            self.append(of_link);
        }
    }

    /// Empties the index and makes room for these addresses, which [`AddressIndex::append`] takes one interface after
    /// the other. For load time: allocates.
    pub(in crate::vrrpd) fn begin(&mut self, unsorted: Unsorted) -> vec::IntoIter<OfLink> {
        // The old one goes first: there is no need for the memory of both.
        self.0 = Vec::new();
        self.0.reserve_exact(unsorted.0.values().map(Vec::len).sum());
        unsorted.0.into_values().collect::<Vec<_>>().into_iter()
    }

    /// Appends the addresses of one interface, which comes after those that are there.
    pub(in crate::vrrpd) fn append(&mut self, mut of_link: OfLink) {
        // Where two instances name one address, the later one comes first.
        of_link.sort_unstable();
        self.0.extend(of_link.into_iter().map(|(_, Reverse(place))| place));
    }

    /// The instance that an address on an interface is of, and the address's position there. Of several it is the one
    /// that has the address, else one that is to have it.
    pub(in crate::vrrpd) fn of(
        &self,
        instances: &[Instance],
        link: LinkId,
        addr: IpAddr,
    ) -> Option<(InstanceId, u16)> {
        let claim = |place: &Place| {
            let instance = instances.get(place.0.index());
            let moved = instance.and_then(|instance| instance.addresses.get(usize::from(place.1)));
            let master = instance.is_some_and(|instance| instance.router.state() == State::Master);
            (moved.is_none_or(|moved| moved.item.is_absent()), !master)
        };
        self.all_of(instances, link, addr).min_by_key(claim)
    }

    /// Every instance that names an address on an interface.
    pub(in crate::vrrpd) fn all_of(
        &self,
        instances: &[Instance],
        link: LinkId,
        addr: IpAddr,
    ) -> impl Iterator<Item = Place> {
        self.within(instances, link, Prefix::host(addr))
    }

    /// Those whose addresses on an interface lie within a network.
    pub(in crate::vrrpd) fn within(
        &self,
        instances: &[Instance],
        link: LinkId,
        network: Prefix,
    ) -> impl Iterator<Item = Place> {
        let first = Some((link, network.network().addr));
        let begin = self.0.partition_point(|place| key(instances, *place) < first);
        let inside = move |place: &&Place| {
            key(instances, **place).is_some_and(|(at, addr)| at == link && network.contains(&addr))
        };
        self.0.get(begin..).unwrap_or_default().iter().take_while(inside).copied()
    }
}

fn key(instances: &[Instance], (id, position): Place) -> Option<(LinkId, IpAddr)> {
    let moved: &Vip = instances.get(id.index())?.addresses.get(usize::from(position))?;
    Some((moved.link?, moved.prefix.addr))
}
