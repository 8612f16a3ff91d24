//! What is true now of every instance, and what every tracked object says: what the policy judges by.

use super::Trackers;
use crate::base::addr::IpAddr;
use crate::base::id::{GroupId, InstanceId};
use crate::child::links::{Interfaces, Link, Links};
use crate::proto::track::{Effect, Object, Tracked, Value, Verdict};
use crate::proto::vrrp::{self, Base, Facts, Router};
use crate::vrrpd::items::{Items, StaticItems};
use crate::vrrpd::live::Instance;

/// The parts that say what is true now.
#[derive(Clone, Copy)]
pub(in crate::vrrpd) struct Situation<'a> {
    instances: &'a [Instance],
    pub(super) links: &'a Links,
    statics: &'a StaticItems,
    pub(super) trackers: &'a Trackers,
}

impl<'a> Situation<'a> {
    /// What these parts say.
    pub(in crate::vrrpd) const fn of(
        instances: &'a [Instance],
        interfaces: &'a Interfaces,
        items: &'a Items,
        trackers: &'a Trackers,
    ) -> Self {
        Self { instances, links: &interfaces.table, statics: &items.statics, trackers }
    }
}

impl Situation<'_> {
    /// What is true of an instance now.
    fn facts_of(&self, instance: &Instance) -> Facts {
        let config = &instance.config;
        let base = match instance.links.base.or(instance.links.transmit).map(|id| self.links.link(id)) {
            None => Base::Up,
            Some(link) => match link.filter(|link| link.index.is_some()) {
                None => Base::Missing,
                Some(link) if link.counts_up() => Base::Up,
                Some(_) => Base::Down,
            },
        };
        // The carrier of an interface of the instance's own is that of the base interface.
        let vmac_missing = instance.links.own != instance.links.base
            && instance.links.own.is_some_and(|id| {
                let link = self.links.link(id);
                link.is_none_or(|link| link.index.is_none() || !link.state.wanted_up)
            });
        Facts {
            base,
            base_untracked: config.dont_track_primary,
            vmac_missing,
            no_source: instance.local().is_none(),
            source_missing: config.tracked_source().is_some_and(|addr| !self.has_source(instance, addr)),
            tentative: self.is_probed(instance),
            refused: instance.cannot_serve(),
            no_peer: config.fault_no_peer,
            conflict: config.conflict.is_some(),
            no_socket: instance.reception.failed,
            no_key: instance.lacks_key(),
            maintenance: self.trackers.by_hand.maintenance,
        }
    }

    /// Whether duplicate address detection goes on for the source of an instance.
    pub(in crate::vrrpd) fn is_probed(&self, instance: &Instance) -> bool {
        let tracked = instance.config.tracked_source();
        instance.source.tentative || tracked.is_some_and(|addr| self.trackers.sources.is_probed(addr))
    }

    /// Whether the source address that an instance tracks is there. A link-local one must be on its interface.
    fn has_source(&self, instance: &Instance, addr: IpAddr) -> bool {
        let local = matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let base = instance.links.base.and_then(|id| self.links.link(id)?.index);
        self.trackers.sources.is_on(addr, base.filter(|_| local))
    }

    /// What an object does now to an instance that tracks it.
    pub(in crate::vrrpd) fn effect(&self, tracked: Tracked) -> Effect {
        tracked.weight.of_value(vrrp::Situation::value(self, tracked.object))
    }

    fn instance(&self, id: InstanceId) -> Option<&Instance> {
        self.instances.get(id.index())
    }
}

impl vrrp::Situation for Situation<'_> {
    fn router(&self, id: InstanceId) -> Option<&Router> {
        self.instance(id).map(|instance| &instance.router)
    }

    fn group(&self, id: InstanceId) -> Option<GroupId> {
        self.instance(id)?.config.sync_group
    }

    fn facts(&self, id: InstanceId) -> Facts {
        self.instance(id).map_or_else(Facts::default, |instance| self.facts_of(instance))
    }

    fn tracking(&self, id: InstanceId) -> &[Tracked] {
        self.instance(id).map_or(&[], |instance| &instance.tracking)
    }

    fn value(&self, object: Object) -> Value {
        match object {
            Object::Link(id) => Value::Verdict(Verdict::of(self.links.link(id).is_some_and(Link::counts_up))),
            Object::StaticItems(group) => Value::Verdict(Verdict::of(self.statics.is_complete(group))),
            Object::Script(id) => {
                let script = self.trackers.scripts.get(id.index());
                Value::Verdict(script.map_or(Verdict::Unknown, |script| script.machine.verdict()))
            }
            Object::Process(id) => Value::Verdict(self.trackers.processes.verdict(id)),
            Object::Bfd(id) => Value::Verdict(self.trackers.sessions.verdict(id)),
            Object::File(id) => Value::Number(self.trackers.files.number(id)),
        }
    }
}
