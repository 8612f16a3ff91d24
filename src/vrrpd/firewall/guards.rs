//! Which addresses take no packets now: those of every instance that is MASTER, does not accept and is no owner.
//!
//! All that may ever be guarded are known from the configuration, so that a take-over allocates nothing. An address is
//! guarded as long as one instance asks for it; a link-local one belongs to its interface.

use crate::base::addr::{Family, IpAddr};
use crate::base::id::{InstanceId, LinkId};
use crate::child::links::Links;
use crate::proto::vrrp::priority::OWNER;
use crate::sys::netlink::nft::Element;
use crate::vrrpd::live::{Instance, Vip};

/// A set of the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// IPv4 addresses.
    V4,
    /// IPv6 addresses that hold everywhere.
    V6,
    /// Link-local ones, each with the number of its interface.
    Numbered,
    /// Link-local ones, each with the name of its interface.
    Named,
}

/// All sets.
pub const SETS: [Which; 4] = [Which::V4, Which::V6, Which::Numbered, Which::Named];

impl Which {
    /// Its name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 | Self::V6 => "vips",
            Self::Numbered => "vips_link_local",
            Self::Named => "vips_link_local_name",
        }
    }

    /// The family of its table.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::V4 => Family::V4,
            Self::V6 | Self::Numbered | Self::Named => Family::V6,
        }
    }
}

/// Where packets to an address are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Anywhere,
    Numbered(LinkId),
    Named(LinkId),
}

impl Place {
    #[cfg(feature = "iptables")]
    const fn link(self) -> Option<LinkId> {
        match self {
            Self::Anywhere => None,
            Self::Numbered(link) | Self::Named(link) => Some(link),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    addr: IpAddr,
    place: Place,
    /// How many instances ask for it now.
    holders: u16,
    /// What is in the kernel: nothing, or the number of the interface; 1 where that does not matter.
    present: u32,
    /// It is among those to be looked at.
    listed: bool,
}

/// Everything that may be guarded, and what is.
#[derive(Debug, Default)]
pub struct Guards {
    entries: Vec<Entry>,
    /// Positions of those that may have changed. Room for all is made at load time.
    changed: Vec<u32>,
    /// Whose addresses are guarded.
    on: Vec<bool>,
}

/// Whether an instance's addresses take no packets while it is MASTER.
#[must_use]
pub fn is_guarded(instance: &Instance) -> bool {
    !instance.config.accept && instance.config.params.priority != OWNER
}

impl Guards {
    /// For these instances; `before` may still have something in the kernel. For load time: allocates.
    #[must_use]
    pub fn new(instances: &[Instance], by_number: bool, before: &Self) -> Self {
        let mut entries = before.entries.clone();
        entries.retain(|entry| entry.present != 0);
        for entry in &mut entries {
            (entry.holders, entry.listed) = (0, false);
        }
        for instance in instances.iter().filter(|instance| is_guarded(instance)) {
            for moved in &instance.addresses {
                let (addr, place) = key(instance, moved, by_number);
                entries.push(Entry { addr, place, holders: 0, present: 0, listed: false });
            }
        }
        // What is in the kernel stands before its equal.
        entries.sort_unstable_by_key(|entry| (entry.addr, entry.place, entry.present == 0));
        entries.dedup_by_key(|entry| (entry.addr, entry.place));
        entries.shrink_to_fit();
        let mut guards = Self { changed: Vec::with_capacity(entries.len()), entries, on: Vec::new() };
        guards.on.resize(instances.len(), false);
        guards.look_at_all();
        guards
    }

    /// How many there may be.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the addresses of an instance are guarded.
    #[must_use]
    pub fn is_on(&self, id: InstanceId) -> bool {
        self.on.get(id.index()).copied().unwrap_or(false)
    }

    /// Whether a set may ever have something.
    #[must_use]
    pub fn needs(&self, set: Which, instances: &[Instance], by_number: bool) -> bool {
        let of = |instance: &Instance| {
            instance.addresses.iter().any(|moved| {
                let (addr, place) = key(instance, moved, by_number);
                which(addr, place) == set
            })
        };
        instances.iter().any(|instance| is_guarded(instance) && of(instance))
    }

    /// Guards the addresses of an instance, or no longer; whether that is new.
    pub fn set(&mut self, id: InstanceId, instance: &Instance, by_number: bool, on: bool) -> bool {
        let Some(was) = self.on.get_mut(id.index()).filter(|was| **was != on) else {
            return false;
        };
        *was = on;
        for moved in &instance.addresses {
            let key = key(instance, moved, by_number);
            let Ok(at) = self.entries.binary_search_by_key(&key, |entry| (entry.addr, entry.place)) else {
                continue;
            };
            let Some(entry) = self.entries.get_mut(at) else { continue };
            entry.holders =
                if on { entry.holders.saturating_add(1) } else { entry.holders.saturating_sub(1) };
            if !core::mem::replace(&mut entry.listed, true) {
                self.changed.push(u32::try_from(at).unwrap_or(u32::MAX));
            }
        }
        true
    }

    /// Interfaces came or went: their numbers may be others.
    pub fn look_at_all(&mut self) {
        self.changed.clear();
        for (at, entry) in self.entries.iter_mut().enumerate() {
            entry.listed = true;
            self.changed.push(u32::try_from(at).unwrap_or(u32::MAX));
        }
    }

    /// Whether nothing is to be looked at.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.changed.is_empty()
    }

    /// What of a set is to be added, or to be deleted.
    pub fn changes(&self, set: Which, links: &Links, add: bool) -> impl Iterator<Item = Element> {
        self.changed(set, links, add).map(move |(entry, number)| entry.element(number, links))
    }

    /// Everything of a set.
    pub fn all(&self, set: Which, links: &Links) -> impl Iterator<Item = Element> {
        self.wanted(set, links).map(move |(entry, number)| entry.element(number, links))
    }

    /// The addresses of [`Self::changes`], each with its interface if it belongs to one.
    #[cfg(feature = "iptables")]
    pub fn changed_addresses(
        &self,
        set: Which,
        links: &Links,
        add: bool,
    ) -> impl Iterator<Item = (IpAddr, Option<LinkId>)> {
        self.changed(set, links, add).map(|(entry, _)| (entry.addr, entry.place.link()))
    }

    /// The addresses of [`Self::all`], each with its interface if it belongs to one.
    #[cfg(feature = "iptables")]
    pub fn addresses(&self, set: Which, links: &Links) -> impl Iterator<Item = (IpAddr, Option<LinkId>)> {
        self.wanted(set, links).map(|(entry, _)| (entry.addr, entry.place.link()))
    }

    fn changed(&self, set: Which, links: &Links, add: bool) -> impl Iterator<Item = (&Entry, u32)> {
        let entries = self.changed.iter().filter_map(|at| self.entries.get(usize::try_from(*at).ok()?));
        entries.filter(move |entry| which(entry.addr, entry.place) == set).filter_map(move |entry| {
            let wanted = entry.wanted(links);
            let number = if add { wanted } else { entry.present };
            (wanted != entry.present && number != 0).then_some((entry, number))
        })
    }

    fn wanted(&self, set: Which, links: &Links) -> impl Iterator<Item = (&Entry, u32)> {
        let entries = self.entries.iter().filter(move |entry| which(entry.addr, entry.place) == set);
        entries.map(|entry| (entry, entry.wanted(links))).filter(|(_, number)| *number != 0)
    }

    /// The kernel has everything now.
    pub fn settled(&mut self, links: &Links) {
        for at in self.changed.drain(..) {
            if let Some(entry) = usize::try_from(at).ok().and_then(|at| self.entries.get_mut(at)) {
                entry.present = entry.wanted(links);
                entry.listed = false;
            }
        }
    }

    /// The kernel has nothing any more.
    pub fn forget(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.present = 0);
        self.look_at_all();
    }
}

impl Entry {
    fn wanted(&self, links: &Links) -> u32 {
        match self.place {
            _ if self.holders == 0 => 0,
            Place::Anywhere | Place::Named(_) => 1,
            Place::Numbered(link) => links.link(link).and_then(|link| link.index).map_or(0, |index| index.0),
        }
    }

    fn element(&self, number: u32, links: &Links) -> Element {
        let addr = match &self.addr {
            IpAddr::V4(addr) => return Element::new(&[&addr.octets()]),
            IpAddr::V6(addr) => addr.octets(),
        };
        match self.place {
            Place::Anywhere => Element::new(&[&addr]),
            Place::Numbered(_) => Element::new(&[&addr, &number.to_ne_bytes()]),
            Place::Named(link) => {
                let mut name = [0; 16];
                let text = links.link(link).map_or("", |link| link.name.as_str());
                name.iter_mut().zip(text.bytes()).for_each(|(place, octet)| *place = octet);
                Element::new(&[&addr, &name])
            }
        }
    }
}

fn key(instance: &Instance, moved: &Vip, by_number: bool) -> (IpAddr, Place) {
    let addr = moved.prefix.addr;
    let place = match (addr, moved.link) {
        (IpAddr::V6(local), Some(link)) if local.is_unicast_link_local() => {
            // An interface that may come and go keeps its name.
            match by_number || !instance.config.dont_track_primary {
                true => Place::Numbered(link),
                false => Place::Named(link),
            }
        }
        _ => Place::Anywhere,
    };
    (addr, place)
}

const fn which(addr: IpAddr, place: Place) -> Which {
    match (addr, place) {
        (IpAddr::V4(_), _) => Which::V4,
        (IpAddr::V6(_), Place::Anywhere) => Which::V6,
        (IpAddr::V6(_), Place::Numbered(_)) => Which::Numbered,
        (IpAddr::V6(_), Place::Named(_)) => Which::Named,
    }
}
