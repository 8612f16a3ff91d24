//! What follows when an interface or an address comes, goes or changes, and what interfaces count as.

use std::io;
use std::sync::Arc;

use crate::base::id::{InstanceId, LinkId};
use crate::base::limit;
use crate::base::map::Map;
use crate::child::links::{Change, Wanted, report as lines};
use crate::daemon::reactor::{Again, Turn};
use crate::proto::track::Delays;
use crate::sys::netlink::link::Link as KernelLink;
use crate::sys::netlink::monitor::{Drained, Event};
use crate::vrrpd::items;
use crate::vrrpd::live::Instance;
use crate::vrrpd::report;
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::run::job::Kind;
use crate::vrrpd::slots::Slot;
use crate::vrrpd::sockets::may_receive_on;
use crate::vrrpd::track::Object;

impl Vrrp {
    /// Takes what netlink reports.
    pub(super) fn listen(&mut self, turn: &mut Turn<'_>) -> Again {
        // A take-over makes hundreds of notifications in each turn: what is left too long is lost.
        for _ in 0..limit::MONITOR_BUDGET / limit::MONITOR_BATCH {
            let again = self.listen_once(turn);
            let waits = self.work.busy || self.is_about_to_list();
            if again == Again::Done || waits || turn.passed() >= limit::SLICE {
                return again;
            }
        }
        Again::More
    }

    fn listen_once(&mut self, turn: &mut Turn<'_>) -> Again {
        // Those that an earlier turn had to leave come first.
        if !self.take_events(turn) {
            return Again::More;
        }
        let Some(drained) = self.links.read() else {
            return self.catch_up(turn);
        };
        if self.take_events(turn) { self.after_reading(turn, drained) } else { Again::More }
    }

    /// Takes the notifications that were read, one after the other; whether these were all. What one of them leads to may
    /// be so much that the others have to wait.
    fn take_events(&mut self, turn: &mut Turn<'_>) -> bool {
        while let Some(event) = self.links.take_event() {
            // When stopping nothing is put back: what disappears is what the stop itself removes.
            let unknown = !self.process.stopping && self.take_event(turn, event);
            if core::mem::take(&mut self.owns.remade) || unknown {
                self.links.discard();
                self.begin_listing(turn, Kind::List);
                return false;
            }
            if self.work.busy {
                return false;
            }
        }
        true
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

    /// Notifications were lost.
    fn catch_up(&mut self, turn: &mut Turn<'_>) -> Again {
        if !self.process.stopping {
            let lists = self.links.failed_lists.may_list();
            self.links.recover(lists);
            if lists {
                self.list_again(turn, Kind::List);
            }
        }
        Again::More
    }

    /// Everything is to be listed again because notifications were lost.
    pub(super) fn list_again(&mut self, turn: &mut Turn<'_>, kind: Kind) {
        // An interface may have been made anew with the number of the old one.
        self.sockets.pool.join_again();
        self.begin_listing(turn, kind);
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
                self.links.log_address(&address, true);
                self.address_new(turn, &address);
                self.note_source(turn, &address, true);
            }
            Event::AddressGone(address) => {
                self.links.log_address(&address, false);
                self.address_gone(turn, &address);
                self.note_source(turn, &address, false);
            }
            Event::Overrun => {}
        }
        false
    }

    /// Whether it may have addresses that nobody has reported: a new interface is down and has none, one that is up
    /// has been there under another name, and the kernel does not report again which IPv6 addresses it has.
    fn link_new(&mut self, turn: &mut Turn<'_>, link: &KernelLink) -> bool {
        let before = self.links.table.numbered(link.index);
        let mut unknown = false;
        let changes = self.links.table.update(link);
        self.follow_firewall(turn, changes.iter().flatten().map(|(_, change)| *change));
        for (id, change) in changes.into_iter().flatten() {
            if change == Change::Vanished && before == Some(id) {
                if let Some(old) = self.links.table.link(id) {
                    lines::renamed(&old.name, &link.name);
                }
                self.owns.renamed(&mut self.items.commands, id, link.index);
                self.items.strip(&mut self.routers.instances, &self.links.table, id, link.index);
            }
            self.link_changed(turn, id, change);
            // If the interface is polled, its driver is asked as well.
            if self.links.poll(id) {
                self.link_changed(turn, id, Change::State);
            }
            unknown |= change == Change::Appeared && link.flags.up();
        }
        unknown
    }

    /// An interface came, went, or went up or down.
    pub(super) fn link_changed(&mut self, turn: &mut Turn<'_>, link: LinkId, change: Change) {
        if change == Change::None || self.links.table.link(link).is_none() {
            return;
        }
        self.links.log_change(link, change);
        if change == Change::Vanished {
            self.sockets.pool.abandon(link);
        }
        if self.links.weigh(turn.now(), link, change) {
            self.arm_links(turn);
        }
        let Some(change) = self.follow_owns(turn, link, change) else {
            return;
        };
        let up = self.links.table.link(link).is_some_and(|link| link.state.up);
        if change == Change::Appeared {
            self.owns.put_addresses(&self.links.table, &mut self.items.commands);
        }
        self.owns.copy_link_locals(&self.links.table, &mut self.items.commands, Some(link));
        if matches!(change, Change::Appeared | Change::Vanished) {
            items::forget_addresses_on(&mut self.routers.instances, link);
        }
        if up || change == Change::Appeared {
            self.objects_by_link(turn, link);
        } else if self.links.table.link(link).is_some_and(|link| !link.state.wanted_up) {
            self.objects_without_link(turn, link);
        }
        let macvlan = self.owns.key_of(link);
        for id in self.ids() {
            let Some(instance) = self.instance(id) else {
                continue;
            };
            let receives = macvlan.is_some_and(|macvlan| may_receive_on(instance, macvlan));
            let concerned = receives || instance.uses(link);
            let holds = instance.addresses.iter().any(|moved| moved.link == Some(link));
            if holds && up {
                self.announce_anew(turn, id);
            }
            if concerned {
                self.reopen(turn, id, change);
            }
            if (concerned || holds) && self.instance(id).is_some_and(Instance::lacks_address) && up {
                self.touch(id, |pending| pending.add = true);
            }
        }
    }

    fn reopen(&mut self, turn: &mut Turn<'_>, id: InstanceId, change: Change) {
        let outdated = |instance| self.sockets.is_outdated(instance, &self.links.table, &self.owns);
        if change == Change::Appeared || self.instance(id).is_some_and(outdated) {
            self.open_socket(turn, id);
        }
        if let Some(instance) = self.routers.instances.get_mut(id.index()) {
            instance.refresh_local(&self.links.table);
        }
        self.refresh(turn, id);
    }

    /// Watches what the model wants of interfaces, at the start and after a reload. For when all interfaces that are
    /// used are known, and before anything asks what they count as.
    pub(super) fn watch_links(&mut self, turn: &mut Turn<'_>) {
        let wanted = self.wanted_links();
        self.links.watch(turn.now(), wanted, &self.kept.keep, &self.kept.left);
        self.arm_links(turn);
    }

    /// The daemon starts: logs which interfaces it waits for.
    pub(super) fn log_absent(&self) {
        self.links.log_absent(&self.used_links());
    }

    /// The interfaces that instances speak on or track, each once, in order.
    fn used_links(&self) -> Vec<LinkId> {
        let mut used: Vec<LinkId> = Vec::new();
        for instance in &self.routers.instances {
            used.extend(instance.links.base);
            used.extend(instance.tracking.iter().filter_map(|tracked| match tracked.object {
                Object::Link(link) => Some(link),
                _ => None,
            }));
        }
        used.sort_unstable();
        used.dedup();
        used
    }

    /// What the model wants of the interfaces that are used, ordered by interface.
    fn wanted_links(&self) -> Map<LinkId, Wanted> {
        let model = Arc::clone(&self.model);
        let used = self.used_links();
        let is_own = |link: LinkId| self.owns.base_of(link).is_some();
        let mut wanted: Map<LinkId, Wanted> = Map::new();
        if model.daemon.linkbeat_use_polling {
            for link in used.iter().filter(|link| !is_own(**link)) {
                wanted.change(*link, |wanted| wanted.beat = Some(None));
            }
        }
        for instance in self.routers.instances.iter().filter(|instance| instance.config.linkbeat_polling) {
            if let Some(link) = instance.links.base {
                wanted.change(link, |wanted| wanted.beat = Some(None));
            }
        }
        for line in &model.network.linkbeat {
            let name = &line.interface.name;
            match self.links.table.find(name).filter(|link| used.binary_search(link).is_ok()) {
                None => lines::not_polled(name, "not used for tracking"),
                Some(link) if is_own(link) => lines::not_polled(name, "netlink works for vmacs/ipvlans"),
                Some(link) => wanted.change(link, |wanted| wanted.beat = Some(line.method)),
            }
        }
        for line in &model.network.delays {
            if let Some(link) = self.links.table.find(&line.interface.name) {
                let delays = Delays { down: line.down, up: line.up };
                wanted.change(link, |wanted| wanted.delays = Some(delays));
            }
        }
        wanted
    }

    /// A delay is over, or drivers are to be asked.
    pub(super) fn links_due(&mut self, turn: &mut Turn<'_>) {
        let (now, mut position) = (turn.now(), 0);
        while let Some(link) = self.links.next_settled(now, &mut position) {
            self.refresh_users(turn, link);
        }
        // A few in a turn, for each driver may take its time.
        for _ in 0..limit::LINKS_POLLED_PER_TURN {
            let Some(link) = self.links.next_polled(turn.now()) else { break };
            if self.links.poll(link) {
                self.link_changed(turn, link, Change::State);
            }
        }
        self.arm_links(turn);
    }

    fn arm_links(&mut self, turn: &mut Turn<'_>) {
        self.links.keep_states(&self.kept.keep);
        turn.set_deadline(self.work.layout.number(Slot::Links), self.links.poll_at());
    }

    /// What an interface counts as changed, and nothing else: the instances that use the interface are reckoned anew.
    fn refresh_users(&mut self, turn: &mut Turn<'_>, link: LinkId) {
        for id in self.ids() {
            if self.instance(id).is_some_and(|instance| instance.uses(link)) {
                self.refresh(turn, id);
            }
        }
    }
}
