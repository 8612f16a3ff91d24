//! What netlink tells: links and addresses that come and go, and everything again when messages were lost.

use std::io;

use super::breath::ADDRESSES_A_SLICE;
use super::links::Change;
use super::live::Held;
use super::report;
use super::state::Vrrp;
use super::strays::Marked;
use crate::base::id::{IfIndex, InstanceId, LinkId};
use crate::base::limit;
use crate::base::map::Set;
use crate::daemon::reactor::{Again, Turn};
use crate::proto::vrrp::State;
use crate::sys::alloc;
use crate::sys::netlink::addr::Address;
use crate::sys::netlink::command::Commands;
use crate::sys::netlink::link::Link as KernelLink;
use crate::sys::netlink::monitor::{Drained, Event};

/// What a list of all addresses says.
struct Listed {
    /// Which virtual addresses are there.
    ours: Vec<((InstanceId, u16), Address)>,
    /// Those with keepalived's mark that are not where the configuration has them.
    astray: Vec<Address>,
}

impl Vrrp {
    /// Takes what netlink tells.
    pub(super) fn listen(&mut self, turn: &mut Turn<'_>) -> Again {
        // A take-over makes hundreds in each turn: what is left too long is lost.
        for _ in 0..limit::MONITOR_BUDGET / limit::MONITOR_BATCH {
            let again = self.listen_once(turn);
            if again == Again::Done || turn.passed() >= limit::SLICE {
                return again;
            }
        }
        Again::More
    }

    fn listen_once(&mut self, turn: &mut Turn<'_>) -> Again {
        let mut events: heapless::Vec<Event, { limit::MONITOR_BATCH }> = heapless::Vec::new();
        let drained = self.links.monitor.read(limit::MONITOR_BATCH, |event| {
            // A batch never holds more; if a datagram of several messages did, listing everything makes up for it.
            if let Err(event) = events.push(event)
                && let Some(last) = events.last_mut()
            {
                drop(event);
                *last = Event::Overrun;
            }
        });
        if events.contains(&Event::Overrun) {
            return self.catch_up(turn);
        }
        for event in events {
            // When stopping nothing is put back: what disappears is what the stop itself removes.
            let unknown = !self.process.stopping && self.take_event(turn, event);
            if core::mem::take(&mut self.owns.remade) || unknown {
                self.links.monitor.discard();
                self.list_again(turn);
                return Again::More;
            }
        }
        self.after_reading(turn, drained)
    }

    /// What follows from how reading notifications ended.
    pub(super) fn after_reading(&mut self, turn: &mut Turn<'_>, drained: io::Result<Drained>) -> Again {
        match drained {
            Ok(Drained::Yes) => Again::Done,
            Ok(Drained::No) => Again::More,
            Err(error) => {
                report::kernel_failed("netlink", &error);
                self.arm_retry(turn);
                Again::Done
            }
        }
    }

    /// Messages were lost. The kernel goes on losing them, without a word, until the queue is empty; so it is
    /// emptied first, and what it held, which may be older than what was lost, is not believed any more.
    fn catch_up(&mut self, turn: &mut Turn<'_>) -> Again {
        if !self.process.stopping {
            report::overrun();
            self.links.monitor.discard();
            // An interface may have been made anew with the number of the old one.
            self.sockets.pool.join_again();
            self.list_again(turn);
        }
        Again::More
    }

    /// Whether everything is to be listed again.
    fn take_event(&mut self, turn: &mut Turn<'_>, event: Event) -> bool {
        match event {
            Event::LinkNew(link) => return self.link_new(turn, &link),
            Event::LinkGone { index, .. } => {
                if let Some(id) = self.links.table.remove(index) {
                    self.follow_firewall(turn, [Change::Vanished].into_iter());
                    self.link_changed(turn, id, Change::Vanished);
                }
            }
            Event::AddressNew(address) => {
                if self.links.address_monitoring {
                    report::address_monitored(&self.links.table, &address, "added to");
                }
                self.address_new(turn, &address);
                self.note_source(turn, &address, true);
            }
            Event::AddressGone(address) => {
                if self.links.address_monitoring {
                    report::address_monitored(&self.links.table, &address, "removed from");
                }
                self.address_gone(turn, &address);
                self.note_source(turn, &address, false);
            }
            Event::Overrun => {}
        }
        false
    }

    /// Whether it may have addresses that nobody has told of: a new interface is down and has none, one that is up
    /// has been there under another name, and the kernel does not tell again which IPv6 addresses it has.
    fn link_new(&mut self, turn: &mut Turn<'_>, link: &KernelLink) -> bool {
        let before = self.links.table.numbered(link.index);
        let mut unknown = false;
        let changes = self.links.table.update(link);
        self.follow_firewall(turn, changes.iter().flatten().map(|(_, change)| *change));
        for (id, change) in changes.into_iter().flatten() {
            if change == Change::Vanished && before == Some(id) {
                if let Some(old) = self.links.table.link(id) {
                    report::link_renamed(&old.name, &link.name);
                }
                self.owns.renamed(&mut self.items.commands, id, link.index);
                self.strip(id, link.index);
            }
            self.link_changed(turn, id, change);
            self.poll_changed(turn, id);
            unknown |= change == Change::Appeared && link.flags.up();
        }
        unknown
    }

    /// An interface has another name now and is none of ours any more: our addresses must not stay on it.
    fn strip(&mut self, link: LinkId, index: IfIndex) {
        let mut held = Vec::new();
        for instance in &mut self.routers.instances {
            for position in 0..instance.addresses.len() {
                let moved = instance.addresses.get_mut(position);
                let ours = moved.filter(|moved| moved.link == Some(link) && moved.held.is_ours());
                if let Some(moved) = ours {
                    moved.held = Held::No;
                    held.extend(instance.address(position, index));
                }
            }
        }
        held.extend(self.strip_fixed(link, index));
        for address in held {
            self.delete(address);
        }
        self.commit_batch();
    }

    /// An interface came, went, or went up or down.
    pub(super) fn link_changed(&mut self, turn: &mut Turn<'_>, link: LinkId, change: Change) {
        let Some(name) = self.links.table.link(link).map(|link| link.name.clone()) else {
            return;
        };
        match change {
            Change::None => return,
            Change::Setting | Change::State => {}
            Change::Appeared => report::link_added(&name),
            Change::Vanished => report::link_deleted(&name),
        }
        if change == Change::Vanished {
            self.sockets.pool.abandon(link);
        }
        self.weigh_link(turn, link, change);
        let Some(change) = self.follow_owns(turn, link, change) else {
            return;
        };
        let up = self.links.table.link(link).is_some_and(|link| link.up);
        if change == Change::Appeared {
            self.put_own_addresses();
        }
        self.copy_link_locals(Some(link));
        if matches!(change, Change::Appeared | Change::Vanished) {
            self.forget_held(link);
        }
        if up || change == Change::Appeared {
            self.objects_by_link(turn, link);
        } else if self.links.table.link(link).is_some_and(|link| !link.wanted_up) {
            self.objects_without_link(turn, link);
        }
        let door = self.owns.key_of(link);
        for id in self.ids() {
            let Some(instance) = self.instance(id) else {
                continue;
            };
            let hears = door.is_some_and(|door| instance.may_hear_by(door));
            let concerned = hears || instance.uses(link);
            let holds = instance.addresses.iter().any(|moved| moved.link == Some(link));
            if holds && up {
                self.announce_anew(turn, id);
            }
            if concerned {
                self.reopen(turn, id, change);
            }
            if (concerned || holds)
                && self.instance(id).is_some_and(super::live::Instance::lacks_address)
                && up
            {
                self.touch(id, |pending| pending.add = true);
            }
        }
    }

    /// The addresses of a MASTER are at another Ethernet address now, or behind another wire.
    pub(super) fn announce_anew(&mut self, turn: &Turn<'_>, id: InstanceId) {
        let now = turn.now();
        if let Some(instance) = self.instance_mut(id).filter(|it| it.router.state() == State::Master) {
            instance.router.announce_again(now);
            self.touch(id, |pending| pending.announce = true);
        }
    }

    fn reopen(&mut self, turn: &mut Turn<'_>, id: InstanceId, change: Change) {
        if change == Change::Appeared || self.hears_elsewhere(id) {
            self.open_socket(turn, id);
        }
        if let Some(instance) = self.routers.instances.get_mut(id.index()) {
            instance.refresh_local(&self.links.table);
        }
        self.refresh(turn, id);
    }

    /// The addresses of an interface went with it.
    fn forget_held(&mut self, link: LinkId) {
        let moved = self.routers.instances.iter_mut().flat_map(|instance| &mut instance.addresses);
        moved.filter(|moved| moved.link == Some(link)).for_each(|moved| moved.held = Held::No);
    }

    /// Lists everything again, and gives back what that took.
    pub(super) fn list_again(&mut self, turn: &mut Turn<'_>) {
        self.resync_links(turn);
        self.breathe(turn);
        alloc::trim();
        self.breathe(turn);
    }

    /// Lists everything again after lost messages or a reload, and acts on the differences.
    pub(super) fn resync_links(&mut self, turn: &mut Turn<'_>) {
        let mut changes = Vec::new();
        match self.list_anew(turn, &mut changes) {
            Ok(Listed { ours: there, astray }) => {
                for (link, change) in changes {
                    self.link_changed(turn, link, change);
                    self.breathe(turn);
                }
                if core::mem::take(&mut self.owns.remade) {
                    self.links.monitor.discard();
                    return self.resync_links(turn);
                }
                self.missing(turn, &there);
                self.remove_astray(astray, Marked::Known);
                for id in self.ids() {
                    self.breathe_at(turn, id.index());
                    if let Some(instance) = self.routers.instances.get_mut(id.index()) {
                        instance.refresh_local(&self.links.table);
                    }
                    self.refresh(turn, id);
                }
            }
            Err(error) => {
                report::kernel_failed("netlink", &error);
                self.links.resync_wanted = true;
                self.arm_retry(turn);
            }
        }
    }

    /// Lists interfaces and their addresses, and what changed of the interfaces. A long list is read by a socket of its
    /// own, so that adverts go out between its parts.
    fn list_anew(&mut self, turn: &mut Turn<'_>, changes: &mut Vec<(LinkId, Change)>) -> io::Result<Listed> {
        let mut lister = Commands::open()?;
        let mut kernel = Vec::new();
        lister.links_in_slices(&mut kernel, &mut || self.breathe(turn))?;
        self.links.table.replace(&kernel, |id, change| changes.push((id, change)));
        drop(kernel);
        self.breathe(turn);
        self.follow_firewall(turn, changes.iter().map(|(_, change)| *change));
        let mut listed = Vec::new();
        lister.addresses_in_slices(&mut listed, &mut || self.breathe(turn))?;
        let astray = listed.iter().filter(|there| self.may_be_astray(there)).cloned().collect();
        self.breathe(turn);
        Ok(Listed { ours: self.learn_addresses(listed, &mut |this| this.breathe(turn)), astray })
    }

    /// Addresses that a MASTER should hold and that are not among those listed, or not as they should be.
    fn missing(&mut self, turn: &mut Turn<'_>, there: &[((InstanceId, u16), Address)]) {
        let place = |this: &Self, (id, position): (InstanceId, u16)| {
            let moved = this.instance(id)?.addresses.get(usize::from(position))?;
            Some((moved.link?, moved.prefix))
        };
        let listed: Set<_> = there.iter().filter_map(|(owner, _)| place(self, *owner)).collect();
        for (owner, address) in there {
            self.virtual_address_told(turn.now(), *owner, address);
        }
        for id in self.ids() {
            self.breathe_at(turn, id.index());
            let count = self.instance(id).map_or(0, |instance| instance.addresses.len());
            for position in 0..u16::try_from(count).unwrap_or(u16::MAX) {
                if (usize::from(position) + 1).is_multiple_of(ADDRESSES_A_SLICE) {
                    self.breathe(turn);
                }
                if place(self, (id, position)).is_none_or(|place| !listed.contains(&place)) {
                    self.taken_away(turn, id, position, false);
                }
            }
        }
    }
}
