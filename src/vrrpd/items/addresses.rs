//! Virtual addresses on their interfaces: found, added, deleted, and put back when somebody else deletes one.

use super::{Class, Holder, Items, Request, answer};
use crate::base::addr::Prefix;
use crate::base::id::{IfIndex, InstanceId, LinkId};
use crate::base::time::Instant;
use crate::child::links::Links;
use crate::proto::vrrp::State;
use crate::sys::netlink::addr::Address;
use crate::vrrpd::live::item::{How, Input, Next};
use crate::vrrpd::live::{Instance, Vip};

/// The virtual addresses of an interface went with it.
pub(in crate::vrrpd) fn forget_addresses_on(instances: &mut [Instance], link: LinkId) {
    let all = instances.iter_mut().flat_map(|instance| &mut instance.addresses);
    for moved in all.filter(|moved| moved.link == Some(link)) {
        moved.item.handle(Input::Released);
    }
}

impl Items {
    /// Asks the kernel for an address of an instance that is missing, or to delete one that this child added.
    pub(in crate::vrrpd) fn ask_for_address(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        id: InstanceId,
        position: usize,
        add: bool,
    ) {
        let request = Request { holder: Holder::Instance(id), class: Class::Address, position, add };
        self.ask(instances, links, request);
    }

    /// Whether another MASTER has an address as well, or it is a static one, too.
    pub(super) fn is_address_of_another(
        &self,
        instances: &[Instance],
        id: InstanceId,
        position: usize,
    ) -> bool {
        let moved = instances.get(id.index()).and_then(|instance| instance.addresses.get(position));
        let Some((link, prefix)) = moved.and_then(|moved| Some((moved.link?, moved.prefix))) else {
            return false;
        };
        let others = self.index.all_of(instances, link, prefix.addr).filter(|(other, _)| *other != id);
        let mut masters = others.filter_map(|(other, position)| {
            let instance = instances.get(other.index()).filter(|it| it.router.state() == State::Master)?;
            instance.addresses.get(usize::from(position))
        });
        masters.any(|other| other.item.is_ours() && other.prefix == prefix)
            || self.statics.holds(link, prefix)
    }

    /// Asks the kernel to delete an address that no instance has any more.
    pub(in crate::vrrpd) fn delete_address_of(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        former: &Instance,
        position: usize,
    ) {
        let link = former.addresses.get(position).and_then(|moved| moved.link);
        let index = link.and_then(|link| links.link(link)?.index);
        if let Some(address) = index.and_then(|index| former.address(position, index)) {
            self.delete_address(instances, links, &address);
        }
    }

    /// Asks the kernel to delete an address, whatever the kernel answers.
    pub(in crate::vrrpd) fn delete_address(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        address: &Address,
    ) {
        self.delete(instances, links, Class::Address, |commands, tag| commands.delete_address(tag, address));
    }

    /// An interface has another name now and is none of the configuration's any more: the addresses that this child
    /// added to it must not stay there. They count as deleted.
    pub(in crate::vrrpd) fn strip(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        link: LinkId,
        index: IfIndex,
    ) {
        let mut held = Vec::new();
        for instance in instances.iter_mut() {
            for position in 0..instance.addresses.len() {
                let moved = instance.addresses.get_mut(position);
                let ours = moved.filter(|moved| moved.link == Some(link) && moved.item.is_ours());
                if let Some(moved) = ours {
                    moved.item.handle(Input::Released);
                    held.extend(instance.address(position, index));
                }
            }
        }
        held.extend(self.strip_statics(link, index));
        for address in held {
            self.delete_address(instances, links, &address);
        }
        self.commit(instances, links);
    }

    /// The kernel does not have an address that a MASTER holds, or had not a moment ago. The address is put back at
    /// once; the kernel's answer says whether somebody had deleted it. `secondary`: it was not the first address of its
    /// network, with which the kernel deletes the others.
    pub(in crate::vrrpd) fn virtual_address_gone(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        now: Instant,
        (id, position): (InstanceId, u16),
        secondary: bool,
    ) -> Next {
        let Some(instance) = instances.get_mut(id.index()) else { return Next::Nothing };
        let master = instance.router.state() == State::Master;
        let Some(moved) = instance.addresses.get_mut(usize::from(position)).filter(|_| master) else {
            return Next::Nothing;
        };
        let up = moved.link.and_then(|link| links.link(link)).is_some_and(|link| link.state.up);
        let outcome = moved.item.handle(Input::Deleted { now, how: How::Maybe { secondary }, up });
        answer::log_virtual_news(outcome.news, &instance.config.name, moved, links);
        instance.router.counters_mut().restored += u32::from(outcome.is_put_back());
        outcome.next
    }

    /// An address that was not the first of its network is to be put back: it did not go with the first one if another
    /// address of the network is still there.
    pub(super) fn judge_fall(instances: &mut [Instance], links: &Links, id: InstanceId, position: usize) {
        let moved = instances.get(id.index()).and_then(|instance| instance.addresses.get(position));
        let Some(lost) = moved.filter(|moved| moved.item.may_have_gone_with_first()) else { return };
        let beside = |moved: &Vip| {
            moved.link == lost.link && moved.item.is_there() && moved.prefix.is_same_network(&lost.prefix)
        };
        let link = lost.link.and_then(|link| links.link(link));
        let stands = link
            .is_some_and(|link| link.addresses.iter().any(|own| own.is_same_network(&lost.prefix)))
            || instances.iter().flat_map(|instance| &instance.addresses).any(beside);
        let instance = instances.get_mut(id.index()).filter(|_| stands);
        if let Some(moved) = instance.and_then(|instance| instance.addresses.get_mut(position)) {
            moved.item.stood_alone();
        }
    }

    /// The virtual address that an address on an interface is, if it is one: with its prefix length, for an address
    /// owner's own address may stand there with another one.
    pub(in crate::vrrpd) fn virtual_address<'a>(
        &self,
        instances: &'a [Instance],
        link: LinkId,
        address: Prefix,
    ) -> Option<((InstanceId, u16), &'a Vip)> {
        let (id, position) = self.index.of(instances, link, address.addr)?;
        let moved = instances.get(id.index())?.addresses.get(usize::from(position))?;
        (moved.prefix == address).then_some(((id, position), moved))
    }
}
