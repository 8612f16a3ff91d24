//! Everything listed again, after notifications were lost or at a reload: a step of the job that the loop resumes, with
//! adverts between two slices.

use std::io;
use std::vec;

use crate::base::addr::Prefix;
use crate::base::id::{InstanceId, LinkId};
use crate::base::limit;
use crate::base::map::Set;
use crate::child::links::Change;
use crate::daemon::reactor::Turn;
use crate::sys::clock;
use crate::sys::netlink::addr::Address;
use crate::sys::netlink::command::Commands;
use crate::sys::netlink::link::Link as KernelLink;
use crate::vrrpd::items::{Marked, StaticAddress};
use crate::vrrpd::report;
use crate::vrrpd::run::Vrrp;

/// The virtual addresses among those that the kernel lists, by instance and position.
type OurAddresses = Vec<((InstanceId, u16), Address)>;

/// Where addresses are.
type Places = Set<(LinkId, Prefix)>;

/// How far listing everything has come.
#[derive(Default)]
pub(super) enum Listing {
    /// Nothing has been asked yet.
    #[default]
    Begin,
    /// The kernel lists the interfaces. A long list is read by a socket of its own.
    Links { lister: Commands, links: Vec<KernelLink> },
    /// The kernel lists the addresses.
    Addresses { lister: Commands, changes: Changes, addresses: Vec<Address> },
    /// The addresses are being compared with those that are known. A list that is not `whole` hides some.
    Learning { changes: Changes, addresses: vec::IntoIter<Address>, listed: Listed, whole: bool },
    /// What changed of the interfaces has its consequences. No list: it was not whole.
    Following { changes: vec::IntoIter<(LinkId, Change)>, listed: Option<Listed> },
    /// Virtual addresses that are not there, from an instance and a position on.
    Missing { there: Places, stale: Vec<Address>, at: usize, within: usize },
    /// Each instance is judged anew, from this one on.
    Judging(usize),
    /// Everything has been listed, or the kernel refused to list it.
    Over,
}

/// What changed of the interfaces.
type Changes = Vec<(LinkId, Change)>;

/// What a list of all addresses says.
#[derive(Default)]
pub(super) struct Listed {
    /// Which virtual addresses are there.
    ours: OurAddresses,
    /// Those with keepalived's protocol number that are not where the configuration has them.
    stale: Vec<Address>,
}

impl Vrrp {
    /// Does the next slice of listing everything, after lost messages or a reload, and acts on the differences. False:
    /// there is no more of it.
    pub(super) fn list_more(&mut self, turn: &mut Turn<'_>, listing: &mut Listing) -> bool {
        *listing =
            self.next_listing(turn, core::mem::replace(listing, Listing::Over)).unwrap_or_else(|error| {
                self.listing_failed(turn, "listing interfaces", &error);
                Listing::Over
            });
        !matches!(listing, Listing::Over)
    }

    /// Everything is listed again in a second.
    fn listing_failed(&mut self, turn: &mut Turn<'_>, what: &str, error: &io::Error) {
        report::kernel_failed(what, error);
        self.links.listing_failed = true;
        self.links.failed_lists.failed();
        self.arm_retry(turn);
    }

    fn next_listing(&mut self, turn: &mut Turn<'_>, listing: Listing) -> io::Result<Listing> {
        Ok(match listing {
            Listing::Begin => {
                let mut lister = Commands::open()?;
                lister.begin_links()?;
                Listing::Links { lister, links: Vec::new() }
            }
            Listing::Links { mut lister, mut links } => {
                if lister.more_links(&mut links)? {
                    return Ok(Listing::Links { lister, links });
                }
                let mut changes = Vec::new();
                self.links.table.replace(&links, |id, change| changes.push((id, change)));
                self.follow_firewall(turn, changes.iter().map(|(_, change)| *change));
                lister.begin_addresses()?;
                Listing::Addresses { lister, changes, addresses: Vec::new() }
            }
            Listing::Addresses { mut lister, changes, mut addresses } => {
                match lister.more_addresses(&mut addresses) {
                    Ok(true) => return Ok(Listing::Addresses { lister, changes, addresses }),
                    Ok(false) => {}
                    // Another program changes addresses all the time. What is in the list is there all the same, and an
                    // interface that is down is so.
                    Err(error) => {
                        self.listing_failed(turn, "listing addresses", &error);
                        let (addresses, listed) = (addresses.into_iter(), Listed::default());
                        return Ok(Listing::Learning { changes, addresses, listed, whole: false });
                    }
                }
                let (instances, links) = (&self.routers.instances, &self.links.table);
                let is_stale = |there: &&Address| self.items.may_be_stale(instances, links, there);
                let stale = addresses.iter().filter(is_stale).cloned().collect();
                self.begin_learning(&addresses);
                let listed = Listed { ours: Vec::new(), stale };
                Listing::Learning { changes, addresses: addresses.into_iter(), listed, whole: true }
            }
            Listing::Learning { changes, mut addresses, mut listed, whole } => {
                self.learn(&mut addresses.by_ref().take(limit::ADDRESSES_PER_SLICE), &mut listed.ours);
                if addresses.len() > 0 {
                    return Ok(Listing::Learning { changes, addresses, listed, whole });
                }
                self.end_learning();
                if whole {
                    self.links.failed_lists.whole();
                }
                Listing::Following { changes: changes.into_iter(), listed: whole.then_some(listed) }
            }
            Listing::Following { mut changes, listed } => {
                if let Some((link, change)) = changes.next() {
                    self.link_changed(turn, link, change);
                    return Ok(Listing::Following { changes, listed });
                }
                if core::mem::take(&mut self.owns.remade) {
                    self.links.discard();
                    return Ok(Listing::Begin);
                }
                let Some(listed) = listed else { return Ok(Listing::Judging(0)) };
                let there = self.confirm_addresses(turn, &listed.ours);
                Listing::Missing { there, stale: listed.stale, at: 0, within: 0 }
            }
            Listing::Missing { there, stale, at, within } => {
                if let Some((at, within)) = self.miss_addresses(turn, &there, (at, within)) {
                    return Ok(Listing::Missing { there, stale, at, within });
                }
                let (instances, links) = (&mut self.routers.instances, &self.links.table);
                self.items.delete_known(instances, links, stale, Marked::Known);
                Listing::Judging(0)
            }
            Listing::Judging(begin) => {
                let count = self.routers.instances.len();
                let end = count.min(begin.saturating_add(limit::INSTANCES_PER_SLICE));
                (begin..end).map(InstanceId::at).for_each(|id| self.look_around(turn, id));
                if end < count { Listing::Judging(end) } else { Listing::Over }
            }
            Listing::Over => Listing::Over,
        })
    }

    /// Learns a list of all addresses at once; the virtual addresses among them.
    pub(super) fn learn_all(&mut self, listed: Vec<Address>) -> OurAddresses {
        let mut ours = Vec::new();
        self.begin_learning(&listed);
        self.learn(&mut listed.into_iter(), &mut ours);
        self.end_learning();
        ours
    }

    fn begin_learning(&mut self, listed: &[Address]) {
        self.items.tells_protocol |= listed.iter().any(|address| address.protocol != 0);
        self.links.table.forget_addresses();
        self.trackers.sources.forget();
    }

    /// Learns some of the addresses of the named interfaces. Those that this child did not add are the interface's own.
    fn learn(&mut self, listed: &mut dyn Iterator<Item = Address>, ours: &mut OurAddresses) {
        let now = clock::now();
        for address in listed {
            self.trackers.sources.note(&address, true);
            let Some(link) = self.links.table.numbered(address.interface) else {
                continue;
            };
            let moved = self.items.virtual_address(&self.routers.instances, link, address.prefix);
            let by_us = moved.is_some_and(|(_, moved)| moved.item.is_ours());
            let owner = moved.map(|(owner, _)| owner);
            if !by_us {
                self.enter_listed(link, &address);
            }
            let (instances, links) = (&mut self.routers.instances, &self.links.table);
            self.items.static_address_reported(instances, links, now, link, &address);
            ours.extend(owner.map(|owner| (owner, address)));
        }
    }

    /// The kernel lists addresses of a narrow scope first, whatever their place: static ones are last all the same.
    fn end_learning(&mut self) {
        for (link, prefix) in self.items.statics.addresses.iter().filter_map(StaticAddress::ours) {
            self.links.table.address_last(link, prefix);
        }
    }

    /// The virtual addresses that the kernel lists count as there; their places.
    fn confirm_addresses(&mut self, turn: &Turn<'_>, ours: &OurAddresses) -> Places {
        let there = ours.iter().filter_map(|(owner, _)| self.place_of(*owner)).collect();
        for (owner, address) in ours {
            let (instances, links) = (&mut self.routers.instances, &self.links.table);
            self.items.virtual_address_reported(instances, links, turn.now(), *owner, address);
        }
        there
    }

    /// Where a virtual address belongs.
    fn place_of(&self, (id, position): (InstanceId, u16)) -> Option<(LinkId, Prefix)> {
        let moved = self.instance(id)?.addresses.get(usize::from(position))?;
        Some((moved.link?, moved.prefix))
    }

    /// Addresses that a MASTER should hold and that are not where the kernel lists them: a slice from an instance and a
    /// position on. Where the next slice begins; none: all have been compared.
    fn miss_addresses(
        &mut self,
        turn: &mut Turn<'_>,
        there: &Places,
        (mut at, mut within): (usize, usize),
    ) -> Option<(usize, usize)> {
        let mut compared = 0;
        while compared < limit::ADDRESSES_PER_SLICE {
            let count = self.routers.instances.get(at)?.addresses.len();
            let end = count.min(within.saturating_add(limit::ADDRESSES_PER_SLICE));
            for position in (within..end).filter_map(|position| u16::try_from(position).ok()) {
                let place = (InstanceId::at(at), position);
                if self.place_of(place).is_none_or(|place| !there.contains(&place)) {
                    self.virtual_address_gone(turn, place, false);
                }
            }
            compared += end.saturating_sub(within) + limit::ADDRESSES_PER_SLICE / limit::INSTANCES_PER_SLICE;
            (at, within) = if end < count { (at, end) } else { (at.saturating_add(1), 0) };
        }
        Some((at, within))
    }
}
