//! Addresses on their interfaces: added, removed, and put back when somebody else deletes one.

use nix::errno::Errno;

use super::live::{Deleted, Held, Instance, Moved};
use super::report;
use super::state::{AddressRequest, Vrrp};
use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::id::{InstanceId, LinkId};
use crate::base::limit;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::priority::OWNER;
use crate::proto::vrrp::{Input, State};
use crate::sys::netlink::addr::{Address, AddressFlags};

impl Vrrp {
    /// Asks the kernel for every address of an instance that is not there.
    pub(super) fn request_addition(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        self.request(turn, id, true);
    }

    /// Asks the kernel to delete every address of an instance that we put there.
    pub(super) fn request_removal(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        if let Some(instance) = self.routers.instances.get_mut(id.index())
            && let Some(waiting) = &mut instance.waiting
        {
            waiting.clear(&mut self.announcer.pacing, turn.now());
        }
        self.request(turn, id, false);
    }

    /// An instance may have thousands: adverts leave after each batch, its own among them.
    fn request(&mut self, turn: &mut Turn<'_>, id: InstanceId, add: bool) {
        let Some(count) = self.instance(id).map(|instance| instance.addresses.len()) else {
            return;
        };
        for position in 0..count {
            self.request_one(id, position, add);
            if (position + 1).is_multiple_of(limit::NETLINK_BATCH) {
                self.commit_batch();
                self.breathe(turn);
            }
        }
    }

    pub(super) fn request_one(&mut self, id: InstanceId, position: usize, add: bool) {
        self.judge_fall(id, position);
        let stays = !add && self.is_held_by_another(id, position);
        let Some(instance) = self.routers.instances.get_mut(id.index()) else {
            return;
        };
        let Some(moved) = instance.addresses.get_mut(position) else {
            return;
        };
        let wanted = if add { moved.wanted.lacks() } else { moved.wanted.let_go() && !stays };
        let Some(index) = moved.link.and_then(|link| self.links.table.link(link)?.index).filter(|_| wanted)
        else {
            return;
        };
        let Some(address) = instance.address(position, index) else {
            return;
        };
        self.put_request(AddressRequest { instance: id, position: position_of(position), add }, &address);
    }

    /// Whether another MASTER has an address as well, or it is a static one, too.
    fn is_held_by_another(&self, id: InstanceId, position: usize) -> bool {
        let moved = self.instance(id).and_then(|instance| instance.addresses.get(position));
        let Some((link, prefix)) = moved.and_then(|moved| Some((moved.link?, moved.prefix))) else {
            return false;
        };
        let others = self
            .items
            .owners
            .all_of(&self.routers.instances, link, prefix.addr)
            .filter(|(other, _)| *other != id);
        let mut masters = others.filter_map(|(other, position)| {
            let instance = self.instance(other).filter(|it| it.router.state() == State::Master)?;
            instance.addresses.get(usize::from(position))
        });
        masters.any(|other| other.wanted.held.is_ours() && other.prefix == prefix)
            || self.items.network.fixed.holds(link, prefix)
    }

    /// An address that was not the first of its network is to be put back: it did not go with the first one if another
    /// address of the network is still there.
    fn judge_fall(&mut self, id: InstanceId, position: usize) {
        let moved = |this: &Self| this.instance(id)?.addresses.get(position).cloned();
        let Some(lost) =
            moved(self).filter(|moved| matches!(moved.wanted.held, Held::Doubted { secondary: true, .. }))
        else {
            return;
        };
        let link = lost.link.and_then(|link| self.links.table.link(link));
        let other_vip = |moved: &Moved| {
            moved.link == lost.link
                && moved.wanted.held == Held::Ours
                && moved.prefix.is_same_network(&lost.prefix)
        };
        let stands = link
            .is_some_and(|link| link.addresses.iter().any(|own| own.is_same_network(&lost.prefix)))
            || self.routers.instances.iter().flat_map(|instance| &instance.addresses).any(other_vip);
        let moved = self.instance_mut(id).and_then(|instance| instance.addresses.get_mut(position));
        if let (true, Some(moved), Held::Doubted { told, .. }) = (stands, moved, lost.wanted.held) {
            moved.wanted.held = Held::Doubted { told, secondary: false };
        }
    }

    /// Asks the kernel to delete an address that no instance has any more.
    pub(super) fn delete_address(&mut self, instance: &Instance, position: usize) {
        let index = instance
            .addresses
            .get(position)
            .and_then(|moved| moved.link)
            .and_then(|link| self.links.table.link(link)?.index);
        if let Some(address) = index.and_then(|index| instance.address(position, index)) {
            self.delete(address);
        }
    }

    /// Asks the kernel to delete an address, whatever comes of it.
    pub(super) fn delete(&mut self, address: Address) {
        let nobody = AddressRequest { instance: InstanceId(u32::MAX), position: 0, add: false };
        self.put_request(nobody, &address);
    }

    fn put_request(&mut self, request: AddressRequest, address: &Address) {
        if self.items.commands.room() == 0 || self.items.requests.len() == self.items.requests.capacity() {
            self.commit_batch();
        }
        let tag = u32::try_from(self.items.requests.len()).unwrap_or(u32::MAX);
        // What we put there ourselves is told by the answer, unless somebody else wants to know of it.
        let put = if request.add && (self.links.log_addresses || !self.trackers.sources.is_empty()) {
            self.items.commands.add_address(tag, address)
        } else if request.add {
            self.items.commands.add_address_marked(tag, address)
        } else {
            self.items.commands.delete_address(tag, address)
        };
        if put.is_ok() {
            self.items.requests.push(request);
        }
    }

    /// Sends what was asked for and notes what came of it.
    pub(super) fn commit_addresses(&mut self, turn: &mut Turn<'_>) {
        self.commit_batch();
        if core::mem::take(&mut self.items.refused) {
            self.arm_retry(turn);
        }
        while let Some(id) = self.items.late.pop() {
            self.announce_anew(turn, id);
        }
    }

    pub(super) fn commit_batch(&mut self) {
        let (instances, requests, links) =
            (&mut self.routers.instances, &mut self.items.requests, &self.links.table);
        let (refused, late) = (&mut self.items.refused, &mut self.items.late);
        self.items.commands.commit(|tag, result| {
            let Some(request) = usize::try_from(tag).ok().and_then(|tag| requests.get(tag)) else {
                return;
            };
            let Some(instance) = instances.get_mut(request.instance.index()) else {
                return;
            };
            let owner = instance.router.params().priority == OWNER;
            let Some(moved) = instance.addresses.get_mut(usize::from(request.position)) else {
                return;
            };
            let doubted = request.add && matches!(moved.wanted.held, Held::Doubted { .. });
            let there = matches!(&result, Err(refusal) if refusal.errno == Errno::EEXIST);
            if doubted
                && !there
                && let Some(secondary) = moved.wanted.was_gone()
            {
                match secondary {
                    true => report::address_fell(&instance.config.name, links, moved),
                    false => report::address_taken(&instance.config.name, links, moved, true),
                }
                instance.router.counters_mut().restored += 1;
            }
            match (request.add, result) {
                (true, Ok(())) => {
                    moved.refusals = 0;
                    if moved.wanted.added() && !late.contains(&request.instance) {
                        late.push(request.instance);
                    }
                }
                // An address owner's own address stays when it steps down; anything else is a left-over.
                (true, Err(_)) if there => moved.wanted.exists(owner),
                (true, Err(refusal)) => {
                    *refused = true;
                    moved.refusals = moved.refusals.saturating_add(1);
                    if moved.wanted.note_refusal(refusal.errno) {
                        report::address_refused(&instance.config.name, moved.prefix, &refusal);
                    }
                }
                (false, Err(refusal)) if !matches!(refusal.errno, Errno::EADDRNOTAVAIL | Errno::ENODEV) => {
                    report::address_stuck(&instance.config.name, moved.prefix, &refusal);
                }
                (false, _) => {}
            }
        });
        requests.clear();
    }

    /// The kernel tells of an address.
    pub(super) fn address_new(&mut self, turn: &mut Turn<'_>, address: &Address) {
        let Some(link) = self.links.table.numbered(address.interface) else {
            return;
        };
        if let Some((place, moved)) = self.moved(link, address.prefix)
            && moved.wanted.held.is_ours()
        {
            return self.virtual_address_told(turn.now(), place, address);
        }
        self.static_address_told(turn.now(), link, address);
        if !is_usable(address) {
            // A message with the flag taken back follows, if nobody else has the address.
            self.detection_told(turn, link, address.prefix, is_in_detection(address));
            return self.source_gone(turn, link, address.prefix);
        }
        if self.links.table.address_new(link, address.prefix) {
            self.tell_address(turn, link, address.prefix.addr, true);
            self.source_changed(turn, link);
        }
    }

    /// The kernel tells that an address is gone.
    pub(super) fn address_gone(&mut self, turn: &mut Turn<'_>, address: &Address) {
        let Some(link) = self.links.table.numbered(address.interface) else {
            return;
        };
        if let Some(((id, position), _)) = self.moved(link, address.prefix) {
            let v4 = Family::of(&address.prefix.addr) == Family::V4;
            self.taken_away(turn, id, position, v4 && address.flags.contains(AddressFlags::SECONDARY));
        }
        self.fixed_address_gone(turn, link, address.prefix);
        self.detection_told(turn, link, address.prefix, false);
        self.source_gone(turn, link, address.prefix);
        self.objects_by_address(turn, link, address.prefix);
    }

    fn source_gone(&mut self, turn: &mut Turn<'_>, link: LinkId, address: Prefix) {
        if self.links.table.address_gone(link, address) {
            if !self.process.stopping {
                let (links, commands) = (&self.links.table, &mut self.items.commands);
                self.owns.address_gone(turn.now(), links, commands, (link, address));
            }
            self.tell_address(turn, link, address.addr, false);
            self.source_changed(turn, link);
        }
    }

    /// Tells with -D of an address of an interface. Whoever sends router advertisements can bring about any number.
    fn tell_address(&mut self, turn: &Turn<'_>, link: LinkId, addr: IpAddr, assigned: bool) {
        if !log::log_enabled!(log::Level::Debug) || !report::may(&mut self.announcer.lines, turn.now()) {
            return;
        }
        if assigned {
            report::address_assigned(&self.links.table, link, addr);
        } else {
            report::address_deassigned(&self.links.table, link, addr);
        }
    }

    /// The kernel does not have an address that a MASTER holds, or had not a moment ago. It is put back at once; what
    /// comes of that says whether somebody had deleted it. `secondary`: it was not the first of its network, which takes
    /// the others with it.
    pub(super) fn taken_away(&mut self, turn: &mut Turn<'_>, id: InstanceId, position: u16, secondary: bool) {
        let now = turn.now();
        let Some(instance) = self.routers.instances.get_mut(id.index()) else {
            return;
        };
        let master = instance.router.state() == State::Master;
        let Some(moved) = instance.addresses.get_mut(usize::from(position)) else {
            return;
        };
        if moved.wanted.held.is_missing() || !master {
            return;
        }
        let up = moved.link.and_then(|link| self.links.table.link(link)).is_some_and(|link| link.up);
        let ours = moved.wanted.held == Held::Ours;
        let follows = moved.wanted.deleted(up, secondary, now);
        if follows == Deleted::GiveUp || (follows == Deleted::PutBack && !ours) {
            let again = follows == Deleted::PutBack;
            report::address_taken(&instance.config.name, &self.links.table, moved, again);
        }
        match follows {
            Deleted::Nothing => {}
            Deleted::PutBack => {
                instance.router.counters_mut().restored += u32::from(!ours);
                self.touch(id, |pending| pending.add = true);
            }
            Deleted::GiveUp => self.drive(turn, id, Input::AddressLost),
        }
    }

    /// The virtual address that an address on an interface is, if it is one: with its prefix length, for an address
    /// owner's own address may stand there with another one.
    pub(super) fn moved(&self, link: LinkId, address: Prefix) -> Option<((InstanceId, u16), &Moved)> {
        let (id, position) = self.items.owners.of(&self.routers.instances, link, address.addr)?;
        let moved = self.instance(id)?.addresses.get(usize::from(position))?;
        (moved.prefix == address).then_some(((id, position), moved))
    }
}

/// Whether packets can leave from an address: not before duplicate address detection has let it.
pub(super) fn is_usable(address: &Address) -> bool {
    let flags = address.flags;
    !flags.contains(AddressFlags::TENTATIVE) || flags.contains(AddressFlags::OPTIMISTIC)
}

/// Whether an address will be usable soon unless somebody else has it.
pub(super) fn is_in_detection(address: &Address) -> bool {
    !is_usable(address) && !address.flags.contains(AddressFlags::DADFAILED)
}

fn position_of(position: usize) -> u16 {
    u16::try_from(position).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::IfIndex;

    #[test]
    fn detection_goes_on_until_it_fails() {
        let (tentative, optimistic) = (AddressFlags::TENTATIVE, AddressFlags::OPTIMISTIC);
        for (flags, usable, in_detection) in [
            (AddressFlags(0), true, false),
            (tentative, false, true),
            (tentative.with(optimistic), true, false),
            (tentative.with(AddressFlags::DADFAILED), false, false),
            (AddressFlags::NODAD, true, false),
        ] {
            let prefix = Prefix { addr: "fe80::1".parse().unwrap(), len: 64 };
            let address = Address { flags, ..Address::new(IfIndex(1), prefix) };
            assert_eq!((is_usable(&address), is_in_detection(&address)), (usable, in_detection), "{flags:?}");
        }
    }
}
