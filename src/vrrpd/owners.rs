//! Whose an address on an interface is: an index into the instances' addresses, eight octets each.

use core::cmp::Reverse;
use std::collections::BTreeMap;

use super::live::{Instance, Moved};
use super::state::Vrrp;
use crate::base::addr::IpAddr;
use crate::base::id::{InstanceId, LinkId};
use crate::daemon::reactor::Turn;

/// All addresses of all instances, ordered by interface and address.
#[derive(Default)]
pub(super) struct Owners(Vec<Owner>);

/// An instance and the place of an address in it.
type Owner = (InstanceId, u16);

/// The addresses of each interface, not in order yet.
type OfLinks = BTreeMap<LinkId, Vec<(IpAddr, Reverse<Owner>)>>;

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
        // Where two instances name one address, the later one has it.
        owners.sort_unstable();
        owners.dedup_by_key(|(addr, _)| *addr);
        self.0.extend(owners.into_iter().map(|(_, Reverse(owner))| owner));
    }

    /// The instance that an address on an interface is of, and the address's position there.
    pub(super) fn of(&self, instances: &[Instance], link: LinkId, addr: IpAddr) -> Option<(InstanceId, u16)> {
        let found = self.0.binary_search_by_key(&Some((link, addr)), |owner| key(instances, *owner));
        self.0.get(found.ok()?).copied()
    }
}

impl Vrrp {
    /// Indexes all addresses anew, in slices: thousands take a while to put in order.
    pub(super) fn index_owners(&mut self, turn: &mut Turn<'_>) {
        let mut of_links = OfLinks::new();
        for id in self.ids() {
            gather(&mut of_links, &self.instances, id);
            self.breathe_at(turn, id.index());
        }
        // The old one goes first: there is no need for the memory of both.
        self.owners = Owners(Vec::new());
        self.owners.0.reserve_exact(of_links.values().map(Vec::len).sum());
        for owners in of_links.into_values() {
            self.owners.append(owners);
            self.breathe(turn);
        }
    }
}

fn gather(of_links: &mut OfLinks, instances: &[Instance], id: InstanceId) {
    let addresses = instances.get(id.index()).map_or(&[][..], |instance| &instance.addresses);
    for (position, moved) in (0_u16..=u16::MAX).zip(addresses) {
        if let Some(link) = moved.link {
            of_links.entry(link).or_default().push((moved.prefix.addr, Reverse((id, position))));
        }
    }
}

fn key(instances: &[Instance], (id, position): (InstanceId, u16)) -> Option<(LinkId, IpAddr)> {
    let moved: &Moved = instances.get(id.index())?.addresses.get(usize::from(position))?;
    Some((moved.link?, moved.prefix.addr))
}
