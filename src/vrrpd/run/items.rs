//! Routes, rules and static items asked for in slices, and what follows when somebody deletes one.

use super::Vrrp;
use crate::base::addr::{Family, Prefix};
use crate::base::id::{InstanceId, LinkId, TrackGroupId};
use crate::daemon::reactor::{Again, Turn};
use crate::proto::track::Object;
use crate::proto::vrrp::Input;
use crate::sys::netlink::deletion::Deletion;
use crate::vrrpd::items::{Heard, Holder, Lost, MayBeGone, Request, StaticItems, holders, is_active};
use crate::vrrpd::live::Instance;
use crate::vrrpd::live::item::Next;

impl Vrrp {
    /// Adds all static items that are missing: addresses, routes, rules.
    pub(super) fn add_statics(&mut self, turn: &mut Turn<'_>) {
        (self.work.static_addresses, self.work.static_objects) = (true, true);
        self.settle(turn);
    }

    pub(super) fn ask(&mut self, request: Request) {
        self.items.ask(&mut self.routers.instances, &self.links.table, request);
    }

    /// Instances that track static items are judged anew by whether all of those are there, if that changed.
    pub(super) fn refresh_static_followers(&mut self, turn: &mut Turn<'_>) {
        if !self.items.take_statics_changed() {
            return;
        }
        for group in (0..self.items.statics.groups()).map(TrackGroupId::at) {
            if self.items.statics.reckon(group) {
                self.tracked_changed(turn, Object::StaticItems(group));
            }
        }
    }

    /// Takes what the kernel reports of deletions of routes and rules.
    pub(super) fn hear_losses(&mut self, turn: &mut Turn<'_>) -> Again {
        // What went with its interface is told there first.
        self.listen(turn);
        if self.work.busy || self.is_about_to_list() {
            return Again::More;
        }
        let mut heard = Heard::new();
        let Some(drained) = self.items.read_losses(&mut heard) else { return Again::Done };
        if !self.process.stopping {
            for loss in heard {
                if loss == Deletion::Overrun {
                    self.doubt_everything(turn);
                    continue;
                }
                let (instances, links) = (&mut self.routers.instances, &self.links.table);
                if let Some(lost) = self.items.lose(instances, links, turn.now(), &loss) {
                    self.object_deleted(turn, lost);
                }
            }
        }
        self.after_reading(turn, drained)
    }

    /// Somebody deleted a route or a rule: it is put back, or its holder gives up for a moment.
    fn object_deleted(&mut self, turn: &mut Turn<'_>, lost: Lost) {
        let Lost { holder, class, position, next } = lost;
        match (next, holder) {
            (Next::Nothing | Next::Retry { .. } | Next::Announce, _) => {}
            (Next::PutBack, Holder::Instance(id)) => self.touch(id, |pending| pending.add = true),
            (Next::GiveUp, Holder::Instance(id)) => self.drive(turn, id, Input::AddressLost),
            (Next::PutBack, _) => {
                self.ask(Request { holder, class, position, add: true });
                self.commit_items(turn);
                self.refresh_static_followers(turn);
            }
            (Next::GiveUp, _) => {
                self.arm_retry(turn);
                self.refresh_static_followers(turn);
            }
        }
    }

    /// Notifications were lost: everything may be gone, and another program's route may stand in the place of one.
    fn doubt_everything(&mut self, turn: &mut Turn<'_>) {
        self.items.mark_unseen(&mut self.routers.instances);
        self.doubt_objects(MayBeGone::Everything);
        self.work.unseen = true;
        self.settle(turn);
    }

    /// An interface came, or came up: what went with it is added again.
    pub(super) fn objects_by_link(&mut self, turn: &mut Turn<'_>, link: LinkId) {
        let Some(up) = self.links.table.link(link).map(|link| link.state.up) else { return };
        if up {
            self.items.add_statics_to(&mut self.routers.instances, &self.links.table, link);
        }
        self.commit_items(turn);
        self.doubt_objects(MayBeGone::Through(link));
        self.promote_secondaries();
    }

    /// An interface went, or was taken down: so were the routes by it.
    pub(super) fn objects_without_link(&mut self, turn: &mut Turn<'_>, link: LinkId) {
        self.items.doubt_routes_without(&mut self.routers.instances, link);
        self.refresh_static_followers(turn);
    }

    /// An IPv4 address is gone: routes that prefer it as their source are gone with it, and so are all of an
    /// interface that has none left.
    pub(super) fn objects_by_address(&mut self, link: LinkId, gone: Prefix) {
        if gone.family() == Family::V6 {
            return;
        }
        let bare = self.links.table.link(link).is_some_and(|link| link.source(Family::V4).is_none());
        self.doubt_objects(MayBeGone::Source { addr: gone.addr, bare: bare.then_some(link) });
    }

    /// Adds those routes and rules again that may be gone.
    fn doubt_objects(&mut self, may_be_gone: MayBeGone) {
        for holder in holders(&self.routers.instances) {
            if !is_active(&self.routers.instances, holder) {
                continue;
            }
            let any = self.items.doubt(&mut self.routers.instances, holder, may_be_gone);
            match holder {
                Holder::Instance(id) if any => self.touch(id, |pending| pending.add = true),
                Holder::Static if any => self.work.static_objects = true,
                _ => {}
            }
        }
    }

    /// An address is gone from its interface: a static one is put back, or left so for a moment.
    pub(super) fn static_address_gone(&mut self, turn: &mut Turn<'_>, link: LinkId, gone: Prefix) {
        let found = self.items.static_address_gone(&self.links.table, turn.now(), link, gone);
        let Some((request, next)) = found else { return };
        match next {
            Next::Nothing | Next::Retry { .. } | Next::Announce => {}
            Next::PutBack => {
                self.ask(request);
                self.commit_items(turn);
            }
            Next::GiveUp => self.arm_retry(turn),
        }
        self.refresh_static_followers(turn);
    }

    /// Asks again for the routes, rules and static items that the kernel refused.
    pub(super) fn retry_objects(&mut self, turn: &mut Turn<'_>) {
        for id in self.ids() {
            if self.instance(id).is_some_and(Instance::lacks_object) {
                self.touch(id, |pending| pending.add = true);
            }
        }
        self.add_statics(turn);
    }

    /// Static items of the new model take over what is the same.
    pub(super) fn inherit_statics(&mut self, statics: StaticItems) {
        let mut fell = Vec::new();
        let (instances, links) = (&mut self.routers.instances, &self.links.table);
        self.items.inherit_statics(instances, links, statics, &mut fell);
        self.add_again(fell);
    }

    fn add_again(&mut self, fell: Vec<InstanceId>) {
        for id in fell {
            self.touch(id, |pending| pending.add = true);
        }
    }

    /// Addresses that the kernel may have deleted along with those that a reload deleted are added again.
    pub(super) fn add_what_fell(&mut self) {
        let mut fell = Vec::new();
        self.items.doubt_neighbours(&mut self.routers.instances, &mut fell);
        self.add_again(fell);
    }
}
