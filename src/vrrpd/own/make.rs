//! Interfaces of one's own made, many at once: all that are missing are asked for in few system calls, then set up, then
//! told of. What is there already is adopted, and mended where it is not as it should be.

use nix::errno::Errno;

use super::ledger::Made;
use super::plan::{Make, lies_on};
use super::removal::is_way_out;
use super::{MAY, MUST, OwnInterfaces};
use crate::base::id::{IfIndex, LinkId};
use crate::base::mac::Mac;
use crate::base::name::IfName;
use crate::child::links::Links;
use crate::sys::netlink::command::Commands;
use crate::sys::netlink::link::{AddrGenMode, Which};
use crate::vrrpd::report;

/// The tag of a request that an interface, by its position, cannot do without.
pub(super) fn tag(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(0).saturating_mul(2) | MUST
}

/// The position that such a tag is of.
fn position_of(tag: u32) -> Option<usize> {
    (tag & MUST != 0).then(|| usize::try_from(tag / 2).ok()).flatten()
}

/// The most requests for one interface.
const REQUESTS: usize = 8;

/// An interface that is there or was just asked for, and what it still needs.
struct Step {
    position: usize,
    name: IfName,
    parent: IfIndex,
    make: Make,
    new: bool,
    /// The hardware address, group and master that it is to be given, and whether it is to be set up.
    mac: Option<Mac>,
    group: Option<u32>,
    master: Option<IfIndex>,
    up: bool,
    /// The kernel is to tell about the base, which is in this group.
    notify: Option<(IfIndex, u32)>,
}

impl OwnInterfaces {
    /// Makes everything whose base is there; whether something is new.
    pub(in crate::vrrpd) fn ensure_all(&mut self, links: &Links, commands: &mut Commands) -> bool {
        self.ensure(links, commands, &mut (0..self.list.len()))
    }

    pub(super) fn ensure_on(&mut self, links: &Links, commands: &mut Commands, base: LinkId) {
        if self.list.iter().any(|own| own.base == base) {
            let on = |(position, own): (usize, &super::OwnInterface)| (own.base == base).then_some(position);
            let positions: Vec<usize> = self.list.iter().enumerate().filter_map(on).collect();
            self.ensure(links, commands, &mut positions.into_iter());
        }
    }

    /// Makes interfaces whose base is there, or adopts and mends those that are; whether one is new.
    pub(super) fn ensure(
        &mut self,
        links: &Links,
        commands: &mut Commands,
        positions: &mut dyn Iterator<Item = usize>,
    ) -> bool {
        let mut steps = Vec::new();
        for position in positions {
            steps.extend(self.step(links, position));
        }
        let mut refused = Vec::new();
        for step in steps.iter().filter(|step| step.new) {
            self.ask_for(links, commands, step, &mut refused);
        }
        self.commit(links, commands, &mut refused);
        steps.retain(|step| !refused.contains(&step.position));
        for step in &steps {
            if let Some(own) = self.list.get_mut(step.position) {
                own.made = true;
            }
        }
        let positions: Vec<usize> = steps.iter().map(|step| step.position).collect();
        self.set_up(links, &positions);
        for step in &steps {
            self.finish(links, commands, step, &mut refused);
        }
        self.commit(links, commands, &mut refused);
        for step in steps.iter().filter(|step| !refused.contains(&step.position)) {
            if step.new {
                report::own_created(self.own_user(step.position), &step.name, step.make.kind());
            }
            if let Some(own) = self.list.get_mut(step.position) {
                own.logged = false;
            }
        }
        steps.iter().any(|step| step.new)
    }

    /// What is to be done about an interface; nothing if its base is missing or its name taken.
    fn step(&mut self, links: &Links, position: usize) -> Option<Step> {
        let own = self.list.get(position)?;
        let (parent, base) = (lies_on(links, own.base, own.make.kind())?, links.link(own.base)?);
        let there = links.link(own.link)?;
        let make = own.make;
        let new = there.index.is_none();
        if !new && (there.parent != parent || there.kind != make.kind()) {
            self.failed(links, position, "another interface has this name");
            return None;
        }
        let group = own.group.or(Some(base.group).filter(|group| *group != 0));
        let settled = group.or(is_way_out(there.group).then_some(0));
        let master = if base.in_vrf { Some(base.master) } else { there.in_vrf.then_some(IfIndex(0)) };
        Some(Step {
            position,
            name: there.name.clone(),
            parent,
            make,
            new,
            mac: match make {
                Make::Macvlan(mac) if !new && there.mac != Some(mac) => Some(mac),
                _ => None,
            },
            group: if new { group } else { settled.filter(|group| there.group != *group) },
            master: master.filter(|master| new || there.master != *master),
            up: new || !there.state.wanted_up,
            notify: base.index.filter(|_| new && own.notify).map(|index| (index, base.group)),
        })
    }

    /// Asks for a new one.
    fn ask_for(&mut self, links: &Links, commands: &mut Commands, step: &Step, refused: &mut Vec<usize>) {
        self.make_room(links, commands, refused);
        let Step { position, name, parent, make, group, .. } = step;
        self.ledger.link(&Made { name: name.clone(), kind: make.kind(), parent: *parent });
        let _ = match *make {
            Make::Macvlan(mac) => commands.create_macvlan(tag(*position), name, *parent, mac, *group),
            Make::Ipvlan(flag, _) => commands.create_ipvlan(tag(*position), name, *parent, flag, *group),
        };
    }

    /// Asks for the hardware address, group and master that the interface is to have, and for it to be up.
    fn finish(&mut self, links: &Links, commands: &mut Commands, step: &Step, refused: &mut Vec<usize>) {
        self.make_room(links, commands, refused);
        let (must, which) = (tag(step.position), Which::Name(&step.name));
        if let Some(mac) = step.mac {
            let _ = commands.set_link_mac(must, which, mac);
        }
        if let Some(group) = step.group.filter(|_| !step.new) {
            let _ = commands.set_link_group(MAY, which, group);
        }
        if let Some(master) = step.master {
            let _ = commands.set_link_master(must, which, master);
        }
        // A kernel without IPv6 has no such mode, and does not need it. An ipvlan speaks from the link-local address that
        // the kernel makes for it.
        if step.new && !matches!(step.make, Make::Ipvlan(_, None)) {
            let _ = commands.set_addr_gen_mode(MAY, which, AddrGenMode::None);
        }
        if step.up {
            let _ = commands.set_link_up(must, which, true);
        }
        if let Some((base, group)) = step.notify {
            let _ = commands.set_link_group(MAY, Which::Index(base), group);
        }
    }

    fn make_room(&mut self, links: &Links, commands: &mut Commands, refused: &mut Vec<usize>) {
        if commands.room() < REQUESTS {
            self.commit(links, commands, refused);
        }
    }

    /// Sends requests about interfaces of our own; those that cannot do without what was refused are added to `refused`.
    pub(super) fn commit(&mut self, links: &Links, commands: &mut Commands, refused: &mut Vec<usize>) {
        let mut texts = Vec::new();
        commands.commit(|tag, result| {
            if let (Err(refusal), Some(position)) = (result, position_of(tag)) {
                // The base went while we were at it: netlink is about to say so.
                let text = (refusal.errno != Errno::ENODEV).then(|| report::refusal_text(&refusal));
                texts.push((position, text));
            }
        });
        for (position, text) in texts {
            refused.push(position);
            if let Some(text) = text {
                self.failed(links, position, &text);
            }
        }
    }
}
