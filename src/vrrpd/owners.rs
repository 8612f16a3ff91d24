//! Whose an address on an interface is: an index into the instances' addresses, eight octets each.

use core::cmp::Reverse;

use super::live::{Held, Instance, Moved};
use super::state::Vrrp;
use crate::base::addr::{IpAddr, Prefix};
use crate::base::id::{InstanceId, LinkId};
use crate::base::map::Map;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::State;

/// All addresses of all instances, ordered by interface and address.
#[derive(Default)]
pub(super) struct Owners(Vec<Owner>);

/// An instance and the place of an address in it.
type Owner = (InstanceId, u16);

/// The addresses of each interface, not in order yet.
type OfLinks = Map<LinkId, Vec<(IpAddr, Reverse<Owner>)>>;

impl Owners {
    /// Indexes all addresses anew. For load time: allocates.
    pub(super) fn index(&mut self, instances: &[Instance]) {
        let mut of_links = OfLinks::new();
        (0..instances.len()).for_each(|number| gather(&mut of_links, instances, InstanceId::at(number)));
        self.0 = Vec::with_capacity(of_links.values().map(Vec::len).sum());
        of_links.into_values().for_each(|owners| self.append(owners));
    }

    /// Appends the addresses of one interface, which comes after those that are there.
    fn append(&mut self, mut owners: Vec<(IpAddr, Reverse<Owner>)>) {
        // Where two instances name one address, the later one comes first.
        owners.sort_unstable();
        self.0.extend(owners.into_iter().map(|(_, Reverse(owner))| owner));
    }

    /// The instance that an address on an interface is of, and the address's position there. Of several it is the one
    /// that has the address, else one that is to have it.
    pub(super) fn of(&self, instances: &[Instance], link: LinkId, addr: IpAddr) -> Option<(InstanceId, u16)> {
        let claim = |owner: &Owner| {
            let instance = instances.get(owner.0.index());
            let moved = instance.and_then(|instance| instance.addresses.get(usize::from(owner.1)));
            let master = instance.is_some_and(|instance| instance.router.state() == State::Master);
            (moved.is_none_or(|moved| moved.wanted.held == Held::No), !master)
        };
        self.all_of(instances, link, addr).min_by_key(claim)
    }

    /// Every instance that names an address on an interface.
    pub(super) fn all_of(
        &self,
        instances: &[Instance],
        link: LinkId,
        addr: IpAddr,
    ) -> impl Iterator<Item = Owner> {
        self.within(instances, link, Prefix::host(addr))
    }

    /// Those whose addresses on an interface lie within a network.
    pub(super) fn within(
        &self,
        instances: &[Instance],
        link: LinkId,
        network: Prefix,
    ) -> impl Iterator<Item = Owner> {
        let first = Some((link, network.network().addr));
        let begin = self.0.partition_point(|owner| key(instances, *owner) < first);
        let inside = move |owner: &&Owner| {
            key(instances, **owner).is_some_and(|(at, addr)| at == link && network.contains(&addr))
        };
        self.0.get(begin..).unwrap_or_default().iter().take_while(inside).copied()
    }
}

impl Vrrp {
    /// Indexes all addresses anew, in slices: thousands take a while to put in order.
    pub(super) fn index_owners(&mut self, turn: &mut Turn<'_>) {
        let mut of_links = OfLinks::new();
        for id in self.ids() {
            gather(&mut of_links, &self.routers.instances, id);
            self.breathe_at(turn, id.index());
        }
        // The old one goes first: there is no need for the memory of both.
        self.items.owners = Owners(Vec::new());
        self.items.owners.0.reserve_exact(of_links.values().map(Vec::len).sum());
        for owners in of_links.into_values() {
            self.items.owners.append(owners);
            self.breathe(turn);
        }
    }
}

fn gather(of_links: &mut OfLinks, instances: &[Instance], id: InstanceId) {
    let addresses = instances.get(id.index()).map_or(&[][..], |instance| &instance.addresses);
    for (position, moved) in (0_u16..=u16::MAX).zip(addresses) {
        if let Some(link) = moved.link {
            of_links.change(link, |list| list.push((moved.prefix.addr, Reverse((id, position)))));
        }
    }
}

fn key(instances: &[Instance], (id, position): (InstanceId, u16)) -> Option<(LinkId, IpAddr)> {
    let moved: &Moved = instances.get(id.index())?.addresses.get(usize::from(position))?;
    Some((moved.link?, moved.prefix.addr))
}
