//! Which macvlans have their membership reports moved to the interface below: a switch that hears one from the virtual
//! hardware address would send the address's traffic to a router that is not MASTER. And which have a copy of the
//! link-local address of the interface below, which is at that one's hardware address for everybody else.

use std::net::Ipv6Addr;

use crate::base::addr::{Family, IpAddr};
use crate::base::id::LinkId;
use crate::base::map::Map;
use crate::child::links::Links;
use crate::sys::netlink::nft::Element;
use crate::vrrpd::own::plan::{Make, OwnInterface};

/// The macvlans of this child.
#[derive(Debug, Default)]
pub struct Vmacs {
    list: Vec<Vmac>,
    /// One of them may be another now.
    doubtful: bool,
}

#[derive(Clone, Debug)]
struct Vmac {
    own: LinkId,
    base: LinkId,
    v4: bool,
    v6: bool,
    /// The numbers that the kernel has.
    present: Option<(u32, u32)>,
    /// The link-local addresses of the base that the kernel has with its name.
    local: Locals,
}

/// An interface has one, as a rule.
type Locals = heapless::Vec<Ipv6Addr, LOCALS>;
const LOCALS: usize = 4;

/// Elements of a macvlan in one transaction: those of the map and of both sets, taken out and put in.
pub const ELEMENTS: usize = 6 + 2 * LOCALS;

/// No interface has this number.
const NOWHERE: LinkId = LinkId::new(u32::MAX);

/// Names of the map, and of the set beside it.
pub const MAP: &str = "vmac_map";
/// The set of those that solicit no router.
pub const SET: &str = "vmac_set";
/// The set of link-local addresses of bases, each with the name of the macvlan that must not advertise it.
pub const LOCAL: &str = "parent_link_local";

impl Vmacs {
    /// Those of the interfaces that are planned; `v4`: with their IPv4 reports. What `before` has in the kernel is
    /// known. For load time: allocates.
    pub fn new<'a>(owns: impl Iterator<Item = &'a OwnInterface>, v4: bool, before: &Self) -> Self {
        let macvlans = owns.filter(|own| matches!(own.make, Make::Macvlan(_)));
        let mut list: Vec<Vmac> = macvlans
            .map(|own| Vmac {
                own: own.link,
                base: own.base,
                v4: own.v4 && v4,
                v6: own.v6,
                present: None,
                local: Locals::new(),
            })
            .collect();
        let places: Map<_, usize> = list.iter().enumerate().map(|(at, vmac)| (vmac.key(), at)).collect();
        for old in before.list.iter().filter(|old| old.present.is_some()) {
            match places.get(&old.key()).and_then(|at| list.get_mut(*at)) {
                Some(vmac) => {
                    vmac.present = old.present;
                    vmac.local.clone_from(&old.local);
                }
                // Not wanted any more, and still to be taken out.
                None => list.push(Vmac { base: NOWHERE, ..old.clone() }),
            }
        }
        Self { list, doubtful: true }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether a family has any.
    #[must_use]
    pub fn needs(&self, family: Family) -> bool {
        self.list.iter().any(|vmac| vmac.base != NOWHERE && vmac.is_of(family))
    }

    /// Their interfaces that send reports of a family.
    #[cfg(feature = "iptables")]
    pub fn interfaces(&self, family: Family) -> impl Iterator<Item = LinkId> {
        let list = self.list.iter().filter(move |vmac| vmac.base != NOWHERE && vmac.is_of(family));
        list.map(|vmac| vmac.own)
    }

    /// Interfaces came or went.
    pub const fn doubt(&mut self) {
        self.doubtful = true;
    }

    /// Whether nothing is to be looked at.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        !self.doubtful
    }

    /// What is to be added to the map of a family, or to be deleted from it; with `is_set` to the set.
    pub fn changes(
        &self,
        family: Family,
        is_set: bool,
        links: &Links,
        add: bool,
    ) -> impl Iterator<Item = Element> {
        let list = self.list.iter().filter(move |vmac| self.doubtful && vmac.is_of(family));
        list.filter_map(move |vmac| {
            let wanted = vmac.wanted(links);
            let pair = if add { wanted } else { vmac.present };
            pair.filter(|_| wanted != vmac.present).map(|pair| element(pair, is_set))
        })
    }

    /// Everything of a family.
    pub fn all(&self, family: Family, is_set: bool, links: &Links) -> impl Iterator<Item = Element> {
        let list = self.list.iter().filter(move |vmac| vmac.is_of(family));
        list.filter_map(move |vmac| vmac.wanted(links).map(|pair| element(pair, is_set)))
    }

    /// What is to be added to the set of link-local addresses, or to be deleted from it.
    pub fn local_changes(&self, links: &Links, add: bool) -> impl Iterator<Item = Element> {
        let list = self.list.iter().filter(move |vmac| self.doubtful && vmac.v6);
        list.flat_map(move |vmac| {
            let (wanted, present) = (vmac.locals(links), vmac.local.clone());
            let (from, other) = if add { (wanted, present) } else { (present, wanted) };
            let changed = from.into_iter().filter(move |addr| !other.contains(addr));
            changed.map(move |addr| vmac.local_element(links, addr))
        })
    }

    /// All of the set of link-local addresses.
    pub fn all_local(&self, links: &Links) -> impl Iterator<Item = Element> {
        let list = self.list.iter().filter(|vmac| vmac.v6);
        list.flat_map(move |vmac| {
            vmac.locals(links).into_iter().map(move |addr| vmac.local_element(links, addr))
        })
    }

    /// An address of an interface came or went; whether it may matter.
    pub fn doubt_locals(&mut self, base: LinkId) -> bool {
        let concerned = self.list.iter().any(|vmac| vmac.v6 && vmac.base == base);
        self.doubtful |= concerned;
        concerned
    }

    /// The kernel has everything now.
    pub fn settled(&mut self, links: &Links) {
        if core::mem::take(&mut self.doubtful) {
            for vmac in &mut self.list {
                vmac.present = vmac.wanted(links);
                vmac.local = vmac.locals(links);
            }
        }
    }

    /// The kernel has nothing any more.
    pub fn forget(&mut self) {
        for vmac in &mut self.list {
            vmac.present = None;
            vmac.local.clear();
        }
        self.doubtful = true;
    }
}

impl Vmac {
    const fn key(&self) -> (LinkId, LinkId, bool, bool) {
        (self.own, self.base, self.v4, self.v6)
    }

    const fn is_of(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    fn wanted(&self, links: &Links) -> Option<(u32, u32)> {
        let index = |link| links.link(link)?.index.map(|index| index.0);
        Some((index(self.own)?, index(self.base)?))
    }

    /// The link-local addresses that the base has of its own, the first few.
    fn locals(&self, links: &Links) -> Locals {
        let base = self.wanted(links).and_then(|_| links.link(self.base));
        let addresses = base.into_iter().flat_map(|base| &base.addresses);
        let local = addresses.filter_map(|prefix| match prefix.addr {
            IpAddr::V6(addr) if self.v6 && addr.is_unicast_link_local() => Some(addr),
            _ => None,
        });
        local.take(LOCALS).collect()
    }

    fn local_element(&self, links: &Links, addr: Ipv6Addr) -> Element {
        let mut name = [0; 16];
        let text = links.link(self.own).map_or("", |link| link.name.as_str());
        name.iter_mut().zip(text.bytes()).for_each(|(place, octet)| *place = octet);
        Element::new(&[&addr.octets(), &name])
    }
}

fn element((own, base): (u32, u32), is_set: bool) -> Element {
    let element = Element::new(&[&own.to_ne_bytes()]);
    if is_set { element } else { element.to(base) }
}
