//! What the child lends to the data dump of the machine's network: static items, sockets and interfaces, one at a time.
//! Each writer says None past the last one.

use core::fmt::{self, Display, Formatter, Write};

use crate::base::addr::{Family, IpAddr};
use crate::base::id::{LinkId, TrackGroupId};
use crate::base::name::IfName;
use crate::base::time::Span;
use crate::child::links::Link;
use crate::proto::track::Weight;
use crate::status::dump::Clock;
use crate::status::dump::address::{AddressLine, Whereabouts};
use crate::status::dump::network::{self, Lane};
use crate::status::dump::objects::{RouteLine, RuleLine};
use crate::status::dump::tables::{self, Settings, Spacing, interface, socket};
use crate::vrrpd::live::Instance;
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::track::Object;

/// ` track_group TG`, if there is one.
struct Following<'a>(Option<&'a str>);

impl Display for Following<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(group) => write!(f, " track_group {group}"),
            None => Ok(()),
        }
    }
}

impl Vrrp {
    pub(super) fn write_fixed_address(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let line = self.model.network.addresses.get(position)?;
        let held = self.items.statics.addresses.get(position).is_some_and(|known| known.is_held());
        let dev = line.address.dev.as_ref().map(|named| &named.name);
        let dev = dev.or_else(|| {
            Some(&self.links.table.link(self.items.statics.addresses.get(position)?.link?)?.name)
        });
        let place = Whereabouts {
            interface: dev.map(IfName::as_str),
            base: None,
            held,
            in_kernel: held,
            guarded: false,
        };
        let track_group = self.track_group(line.track_group);
        Some(writeln!(out, "     {}", AddressLine { line: &line.address, place, track_group }))
    }

    pub(super) fn write_fixed_route(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let line = self.model.network.routes.get(position)?;
        Some(writeln!(out, "     {}{}", RouteLine(line), Following(self.track_group(line.track_group))))
    }

    pub(super) fn write_fixed_rule(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let line = self.model.network.rules.get(position)?;
        Some(writeln!(out, "     {}{}", RuleLine(line), Following(self.track_group(line.track_group))))
    }

    pub(super) fn write_socket(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let (_, receiver) = self.sockets.pool.iter().nth(position)?;
        let view = tables::Socket {
            heard: receiver.fd(),
            sent: self.sockets.pool.sender_fd(receiver.key.family),
            interface: receiver.key.link.and_then(|id| Some(self.links.table.link(id)?.name.as_str())),
            family: receiver.key.family,
            multicast: receiver.key.group.is_some(),
            header: receiver.key.header,
            buffer: receiver.buffer,
        };
        let users = (0..=u8::MAX).filter_map(|vrid| {
            let instance = self.instance(receiver.owner(vrid)?)?;
            Some((instance.config.name.as_str(), vrid))
        });
        Some(socket(out, &view, users))
    }

    fn track_group(&self, id: Option<TrackGroupId>) -> Option<&str> {
        Some(self.model.network.track_groups.get(id?.index())?.name.as_str())
    }

    pub(super) fn write_track_group(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let group = self.model.network.track_groups.get(position)?;
        Some(network::track_group(out, &self.model, group))
    }

    /// The spacing of interfaces that are in no group: gratuitous ARPs and neighbour advertisements.
    fn spacing_everywhere(&self) -> [Span; 2] {
        let vrrp = &self.model.global.vrrp;
        [vrrp.garp_interval, vrrp.gna_interval]
    }

    pub(super) fn spaces_everywhere(&self) -> bool {
        self.spacing_everywhere() != [Span::ZERO; 2]
    }

    /// The groups first, then all other interfaces together.
    pub(super) fn write_spacing(
        &self,
        clock: &Clock,
        out: &mut dyn Write,
        position: usize,
    ) -> Option<fmt::Result> {
        let groups = &self.model.network.garp_groups;
        if let Some(group) = groups.get(position) {
            let intervals = [group.garp.unwrap_or_default(), group.gna.unwrap_or_default()];
            let links = group.interfaces.iter().filter_map(|named| self.links.table.find(&named.name));
            let (number, names) =
                (position.saturating_add(1), group.interfaces.iter().map(|named| &named.name));
            return Some(network::garp_group(out, clock, number, self.lanes(intervals, links), &mut {
                names
            }));
        }
        if position > groups.len() || !self.spaces_everywhere() {
            return None;
        }
        let grouped =
            |name: &IfName| groups.iter().any(|group| group.interfaces.iter().any(|of| of.name == *name));
        let others = self.links.table.ids().filter(|id| {
            let free = self.links.table.link(*id).is_some_and(|link| !grouped(&link.name));
            free && self.owns.base_of(*id).is_none()
        });
        let names = others.clone().filter_map(|id| Some(&self.links.table.link(id)?.name));
        let lanes = self.lanes(self.spacing_everywhere(), others);
        Some(network::garp_group(out, clock, 0, lanes, &mut { names }))
    }

    /// What is known of announcements on interfaces that have one spacing.
    fn lanes(&self, intervals: [Span; 2], links: impl Iterator<Item = LinkId>) -> [Lane; 2] {
        let mut lanes = intervals.map(|interval| Lane { interval, next: None });
        for link in links {
            for (lane, next) in lanes.iter_mut().zip(self.announcer.pacing.next(link)) {
                lane.next = lane.next.max(next);
            }
        }
        lanes
    }

    fn spacing(&self, name: &IfName) -> Spacing {
        let groups = self.model.network.garp_groups.iter();
        for (number, group) in (1..).zip(groups) {
            if group.interfaces.iter().any(|of| of.name == *name) {
                let (garp, gna) = (group.garp.unwrap_or_default(), group.gna.unwrap_or_default());
                return Spacing { garp, gna, group: Some(number) };
            }
        }
        let [garp, gna] = self.spacing_everywhere();
        Spacing { garp, gna, group: None }
    }

    /// What was changed on an interface, as it was before.
    fn settings(&self, id: LinkId, link: &Link) -> Settings {
        let mut settings = Settings::default();
        if self.owns.base_of(id).is_some() {
            settings.rp_filter = Some(0);
        }
        for entry in self.owns.changed_on(&link.name) {
            match entry.setting.key {
                "arp_ignore" => {
                    settings.arp_ignore = entry.before;
                    settings.arp_users = self.owns.count_on(id);
                }
                "arp_filter" => settings.arp_filter = entry.before,
                "rp_filter" => settings.rp_filter = Some(entry.given),
                "promote_secondaries" => {
                    settings.promote_secondaries = entry.before;
                    let asks =
                        |this: &&Instance| this.links.own == Some(id) && this.config.promote_secondaries;
                    settings.promote_users = self.routers.instances.iter().filter(asks).count();
                }
                _ => {}
            }
        }
        settings
    }

    pub(super) fn write_link(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let id = LinkId::at(position);
        let link = self.links.table.link(id)?;
        let addresses = link.addresses.iter();
        let below = self.owns.base_of(id).and_then(|base| self.links.table.link(base));
        let watched = self.links.watch_of(id);
        let view = tables::Interface {
            name: link.name.as_str(),
            index: link.index,
            v4: addresses.clone().find_map(|there| match there.addr {
                IpAddr::V4(v4) => Some(v4),
                IpAddr::V6(_) => None,
            }),
            v6: link.source(Family::V6).and_then(|addr| match addr {
                IpAddr::V6(v6) => Some(v6),
                IpAddr::V4(_) => None,
            }),
            mac: link.mac,
            wanted_up: link.state.wanted_up,
            up: link.state.up,
            seen_up: link.state.seen_up,
            lies_on: below.map(|base| (base.name.as_str(), base.state.up)),
            own_type: self.owns.type_of(id),
            changeable: self.model.global.vrrp.allow_if_changes,
            mtu: link.mtu,
            hardware_type: link.hardware_type,
            delays: watched.delays,
            waits: watched.waits,
            polled: watched.method,
            spacing: if below.is_some() { Spacing::default() } else { self.spacing(&link.name) },
            settings: self.settings(id, link),
        };
        let users = self
            .routers
            .instances
            .iter()
            .filter_map(|instance| Some((instance.config.name.as_str(), weight_of(instance, id)?)));
        Some(interface(out, &view, &mut { users }))
    }
}

/// How an instance looks at an interface, if it does.
fn weight_of(instance: &Instance, id: LinkId) -> Option<Weight> {
    if let Some(tracked) = instance.tracking.iter().find(|tracked| tracked.object == Object::Link(id)) {
        return Some(tracked.weight);
    }
    // An interface that does not matter has a weight that none can have.
    let value = if instance.config.dont_track_primary { 255 } else { 0 };
    (instance.links.base == Some(id) || instance.links.own == Some(id))
        .then_some(Weight { value, reverse: false })
}
