//! What the child lends to the subagent of an SNMP agent: the rows of its objects, those of one object a piece.

use core::fmt::{self, Write};

use crate::base::addr::IpAddr;
use crate::base::id::{BfdId, FileId, IfIndex, InstanceId, ProcessId};
use crate::base::name::IfName;
use crate::base::time::Span;
use crate::daemon::ipc::{AdvertRefusal, ToParent};
use crate::daemon::reactor::Turn;
use crate::daemon::record::key;
use crate::proto::vrrp::Reject;
use crate::status::dump::Clock;
use crate::status::dump::tables::Script;
use crate::status::mib::standard::{self, Errors};
use crate::status::mib::vrrp::Links;
use crate::status::mib::{network, number as ordinal, vrrp};
use crate::vrrpd::live::Instance;
use crate::vrrpd::run::Vrrp;

/// The index of what belongs to no instance.
const NOBODY: u32 = 0;

impl Vrrp {
    /// Writes the rows of the object at a position: first what belongs to no object, then each list.
    pub(super) fn write_rows(
        &self,
        clock: &Clock,
        out: &mut dyn Write,
        position: usize,
    ) -> Option<fmt::Result> {
        let Some(mut at) = position.checked_sub(1) else { return Some(self.fixed_rows(out)) };
        let (routers, model) = (&self.routers, &self.model);
        let counts = [
            routers.instances.len(),
            routers.groups.len(),
            self.trackers.scripts.len(),
            model.files.len(),
            model.processes.len(),
            model.bfds.len(),
        ];
        for (list, count) in counts.into_iter().enumerate() {
            if let Some(rest) = at.checked_sub(count) {
                at = rest;
                continue;
            }
            let number = ordinal(at);
            return match list {
                0 => self.instance_rows(clock, out, at, number),
                1 => self
                    .with_group(at, &mut |view| vrrp::group(out, number, view, &|name| self.index_of(name))),
                2 => self.script_row(out, at, number),
                3 => {
                    let id = FileId::at(at);
                    Some(vrrp::file(out, number, model.file(id)?, self.trackers.files.number(id)))
                }
                4 => {
                    let id = ProcessId::at(at);
                    Some(vrrp::process(out, number, model.process(id)?, self.trackers.processes.machine(id)?))
                }
                _ => {
                    let (id, config) = (BfdId::at(at), model.bfds.get(at)?);
                    let verdict = self.trackers.sessions.verdict(id);
                    Some(if config.vrrp { vrrp::session(out, number, config, verdict) } else { Ok(()) })
                }
            };
        }
        None
    }

    /// An advert was refused, by a class of reasons for the first time since the last good one: the SNMP agent is notified,
    /// three times at once and once a second at most.
    pub(in crate::vrrpd::run) fn notify_refusal(
        &mut self,
        turn: &mut Turn<'_>,
        id: InstanceId,
        from: IpAddr,
        why: Reject,
    ) {
        let authentication = why.authentication_error();
        let Some(error) = authentication.or(why.protocol_error()) else { return };
        let Some(name) = self.instance(id).map(|instance| key(&instance.config.name)) else { return };
        let notifies = self.model.global.monitoring.traps;
        if !notifies || !self.status.refusals.take(turn.now(), 3, Span::from_secs(1)) {
            return;
        }
        let source = match from {
            IpAddr::V4(v4) => v4.octets(),
            IpAddr::V6(_) => [0; 4],
        };
        let refusal =
            AdvertRefusal { instance: name, source, authentication: authentication.is_some(), error };
        turn.report(ToParent::AdvertRefused(refusal));
    }

    fn index_of(&self, name: &str) -> Option<IfIndex> {
        let id = self.links.table.find(&IfName::new(name)?)?;
        self.links.table.link(id)?.index
    }

    fn instance_rows(
        &self,
        clock: &Clock,
        out: &mut dyn Write,
        position: usize,
        number: u32,
    ) -> Option<fmt::Result> {
        let this = self.routers.instances.get(position)?;
        let index_of = |name: &str| self.index_of(name);
        let own = this.links.own.and_then(|id| self.links.table.link(id));
        let links = Links { index_of: &index_of, mac: own.and_then(|link| link.mac) };
        let since = clock.now.since(this.entered.at).as_centis();
        self.with_instance(position, &mut |view| {
            vrrp::instance(out, number, view, &index_of)?;
            vrrp::addresses(out, number, view, &index_of)?;
            self.moved_rows(out, number, this)?;
            standard::instance(out, view, &links, since)
        })
    }

    /// Routes and rules of an instance.
    fn moved_rows(&self, out: &mut dyn Write, number: u32, this: &Instance) -> fmt::Result {
        let index_of = |name: &str| self.index_of(name);
        let live = this.objects.as_deref();
        for (route, position) in this.config.routes.iter().zip(0..) {
            let held =
                live.and_then(|live| live.routes.get(position)).is_some_and(|one| !one.item.is_missing());
            network::route(out, [number, ordinal(position)], route, held, &index_of)?;
        }
        for (rule, position) in this.config.rules.iter().zip(0..) {
            let held =
                live.and_then(|live| live.rules.get(position)).is_some_and(|one| !one.item.is_missing());
            network::rule(out, [number, ordinal(position)], rule, held)?;
        }
        Ok(())
    }

    fn script_row(&self, out: &mut dyn Write, position: usize, number: u32) -> Option<fmt::Result> {
        self.with_script(position, &mut |view: &Script<'_>| vrrp::script(out, number, view))
    }

    /// What stands beside the tables, and static addresses, routes and rules.
    fn fixed_rows(&self, out: &mut dyn Write) -> fmt::Result {
        let mut errors = Errors::default();
        self.routers.instances.iter().for_each(|instance| errors.add(instance.router.counters()));
        standard::node(out, errors, self.model.global.monitoring.traps)?;
        let index_of = |name: &str| self.index_of(name);
        let (network, statics) = (&self.model.network, &self.items.statics);
        for (line, position) in network.addresses.iter().zip(0..) {
            let known = statics.addresses.get(position);
            let link = known.and_then(|known| self.links.table.link(known.link?));
            let named = line.address.dev.as_ref().map(|named| named.name.as_str());
            let interface = named.or(link.map(|link| link.name.as_str()));
            let held = known.is_some_and(|known| known.is_held());
            let index = [NOBODY, ordinal(position)];
            vrrp::address(out, &index, &line.address, interface, held, false, &index_of)?;
        }
        for (route, position) in network.routes.iter().zip(0..) {
            let held = statics.objects.routes.get(position).is_some_and(|one| !one.item.is_missing());
            network::route(out, [NOBODY, ordinal(position)], route, held, &index_of)?;
        }
        for (rule, position) in network.rules.iter().zip(0..) {
            let held = statics.objects.rules.get(position).is_some_and(|one| !one.item.is_missing());
            network::rule(out, [NOBODY, ordinal(position)], rule, held)?;
        }
        Ok(())
    }
}
