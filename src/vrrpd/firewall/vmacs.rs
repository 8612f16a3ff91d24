//! Which macvlans have their membership reports moved to the interface below: a switch that hears one from the virtual
//! hardware address would send the address's traffic to a router that is not MASTER.

use std::collections::HashMap;

use crate::base::addr::Family;
use crate::base::id::LinkId;
use crate::sys::netlink::nft::Element;
use crate::vrrpd::links::Links;
use crate::vrrpd::own::plan::{Make, Own};

/// The macvlans of this child.
#[derive(Debug, Default)]
pub struct Vmacs {
    list: Vec<Vmac>,
    /// One of them may be another now.
    doubtful: bool,
}

#[derive(Clone, Copy, Debug)]
struct Vmac {
    own: LinkId,
    base: LinkId,
    v4: bool,
    v6: bool,
    /// The numbers that the kernel has.
    present: Option<(u32, u32)>,
}

/// No interface has this number.
const NOWHERE: LinkId = LinkId::new(u32::MAX);

/// Names of the map, and of the set beside it.
pub const MAP: &str = "vmac_map";
/// The set of those that solicit no router.
pub const SET: &str = "vmac_set";

impl Vmacs {
    /// Those of the interfaces that are planned; `v4`: with their IPv4 reports. What `before` has in the kernel is
    /// known. For load time: allocates.
    pub fn new<'a>(owns: impl Iterator<Item = &'a Own>, v4: bool, before: &Self) -> Self {
        let macvlans = owns.filter(|own| matches!(own.make, Make::Macvlan(_)));
        let mut list: Vec<Vmac> = macvlans
            .map(|own| Vmac { own: own.link, base: own.base, v4: own.v4 && v4, v6: own.v6, present: None })
            .collect();
        let places: HashMap<_, usize> = list.iter().enumerate().map(|(at, vmac)| (vmac.key(), at)).collect();
        for old in before.list.iter().filter(|old| old.present.is_some()) {
            match places.get(&old.key()).and_then(|at| list.get_mut(*at)) {
                Some(vmac) => vmac.present = old.present,
                // Not wanted any more, and still to be taken out.
                None => list.push(Vmac { own: NOWHERE, base: NOWHERE, ..*old }),
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
        self.list.iter().any(|vmac| vmac.own != NOWHERE && vmac.is_of(family))
    }

    /// Their interfaces that send reports of a family.
    #[cfg(feature = "iptables")]
    pub fn interfaces(&self, family: Family) -> impl Iterator<Item = LinkId> {
        let list = self.list.iter().filter(move |vmac| vmac.own != NOWHERE && vmac.is_of(family));
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

    /// The kernel has everything now.
    pub fn settled(&mut self, links: &Links) {
        if core::mem::take(&mut self.doubtful) {
            self.list.iter_mut().for_each(|vmac| vmac.present = vmac.wanted(links));
        }
    }

    /// The kernel has nothing any more.
    pub fn forget(&mut self) {
        self.list.iter_mut().for_each(|vmac| vmac.present = None);
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
}

fn element((own, base): (u32, u32), is_set: bool) -> Element {
    let element = Element::new(&[&own.to_ne_bytes()]);
    if is_set { element } else { element.to(base) }
}
