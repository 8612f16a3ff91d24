//! Whose an address on an interface is: an index into the instances' addresses, eight octets each.

use super::live::{Instance, Moved};
use crate::base::addr::IpAddr;
use crate::base::id::{InstanceId, LinkId};

/// All addresses of all instances, ordered by interface and address.
#[derive(Default)]
pub(super) struct Owners(Vec<(InstanceId, u16)>);

impl Owners {
    /// Indexes all addresses anew. For load time: allocates.
    pub(super) fn index(&mut self, instances: &[Instance]) {
        self.0.clear();
        self.0.reserve_exact(instances.iter().map(|instance| instance.addresses.len()).sum());
        for (number, instance) in instances.iter().enumerate() {
            let positions = 0..u16::try_from(instance.addresses.len()).unwrap_or(u16::MAX);
            self.0.extend(positions.map(|position| (InstanceId::at(number), position)));
        }
        self.0.retain(|owner| key(instances, *owner).is_some());
        // Where two instances name one address, the later one has it.
        self.0.sort_unstable_by_key(|owner| (key(instances, *owner), core::cmp::Reverse(*owner)));
        self.0.dedup_by_key(|owner| key(instances, *owner));
    }

    /// The instance that an address on an interface is of, and the address's position there.
    pub(super) fn of(&self, instances: &[Instance], link: LinkId, addr: IpAddr) -> Option<(InstanceId, u16)> {
        let found = self.0.binary_search_by_key(&Some((link, addr)), |owner| key(instances, *owner));
        self.0.get(found.ok()?).copied()
    }
}

fn key(instances: &[Instance], (id, position): (InstanceId, u16)) -> Option<(LinkId, IpAddr)> {
    let moved: &Moved = instances.get(id.index())?.addresses.get(usize::from(position))?;
    Some((moved.link?, moved.prefix.addr))
}
