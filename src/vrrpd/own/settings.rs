//! The settings without which the kernel answers for the wrong hardware address, or drops what it hears from its own
//! addresses; set once, told, and put back when nobody needs them any more.

use super::OwnInterfaces;
use super::ledger::{Guarding, PROMOTE, RP_FILTER};
use super::plan::{Make, OwnInterface, lies_on};
use crate::base::addr::Family;
use crate::base::id::{IfIndex, LinkId};
use crate::base::name::IfName;
use crate::child::links::{Kind, Links};
use crate::sys::sysctl::{self, Entry, LOCAL_REPORTS, Setting};
use crate::vrrpd::report;

impl OwnInterfaces {
    /// Sets what interfaces of our own need, on themselves and on those that they lie on, before they go up.
    pub(super) fn set_up(&mut self, links: &Links, positions: &[usize]) {
        let mut bases = Vec::new();
        for position in positions {
            let Some(own) = self.list.get(*position) else { continue };
            if own.v4 && matches!(own.make, Make::Macvlan(_)) && !bases.contains(&own.base) {
                bases.push(own.base);
            }
        }
        if !bases.is_empty() {
            self.loosen_rp_filter(links);
        }
        for base in bases {
            if let Some(name) = links.link(base).map(|link| link.name.clone()) {
                self.change(links, &name, (Family::V4, "arp_ignore"), 1);
                self.change(links, &name, (Family::V4, "arp_filter"), 1);
            }
        }
        for position in positions {
            self.set_up_one(links, *position);
        }
    }

    fn set_up_one(&self, links: &Links, position: usize) {
        let Some(own) = self.list.get(position) else { return };
        let Some(link) = links.link(own.link) else { return };
        let set = |family, key, value| {
            // What it has goes with it.
            set_own(&Setting { family, interface: link.name.clone(), key }, value);
        };
        match own.make {
            Make::Macvlan(_) => {
                for (key, value) in [("arp_ignore", 1), ("accept_local", 1), (RP_FILTER, 0), (PROMOTE, 1)] {
                    set(Family::V4, key, value);
                }
            }
            Make::Ipvlan(..) => set(Family::V4, PROMOTE, 1),
        }
        set(Family::V6, "disable_ipv6", i64::from(!own.v6));
        if own.v6 {
            // An address or a default route from an advertisement would make hosts of it use the wrong interface.
            set(Family::V6, "accept_ra", 0);
            set(Family::V6, "autoconf", 0);
        }
    }

    /// Lets an interface keep its other addresses when the first one goes (`promote_secondaries`).
    pub(in crate::vrrpd) fn promote_secondaries(&mut self, links: &Links, link: LinkId) {
        let there = links.link(link).filter(|link| link.index.is_some());
        if let Some(name) = there.map(|link| link.name.clone()) {
            self.change(links, &name, (Family::V4, PROMOTE), 1);
        }
    }

    /// Stops reports of membership in 224.0.0.0/24, which reaches everyone anyway (RFC 4541, 2.1.2).
    pub(in crate::vrrpd) fn stop_local_reports(&mut self, links: &Links) {
        if let Some(all) = IfName::new("all") {
            self.change(links, &all, (Family::V4, LOCAL_REPORTS), 0);
        }
    }

    /// `all` would outvote the 0 of a macvlan; so it goes where it did all its work, to each interface.
    fn loosen_rp_filter(&mut self, links: &Links) {
        let Some(all) = IfName::new("all") else { return };
        let of =
            |interface: &IfName| Setting { family: Family::V4, interface: interface.clone(), key: RP_FILTER };
        let Ok(strictness) = of(&all).read() else { return };
        if strictness == 0 {
            return;
        }
        let interfaces = sysctl::interfaces(Family::V4).unwrap_or_default();
        for interface in interfaces.iter().filter(|interface| **interface != all) {
            let is_own =
                self.list.iter().any(|own| links.link(own.link).is_some_and(|link| link.name == *interface));
            if !is_own && of(interface).read().is_ok_and(|own| own < strictness) {
                self.change(links, interface, (Family::V4, RP_FILTER), strictness);
            }
        }
        self.change(links, &all, (Family::V4, RP_FILTER), 0);
    }

    fn change(
        &mut self,
        links: &Links,
        interface: &IfName,
        (family, key): (Family, &'static str),
        value: i64,
    ) {
        let setting = Setting { family, interface: interface.clone(), key };
        let ledger = &mut self.ledger;
        let own = self.list.iter();
        // What an interface of our own has goes with it.
        let goes = own.clone().any(|own| links.link(own.link).is_some_and(|link| link.name == *interface));
        if goes {
            return set_own(&setting, value);
        }
        match self.settings.set(&setting, value, |entry| ledger.setting(entry)) {
            Ok(true) => report::setting_changed(&setting, value),
            Ok(false) => {}
            Err(error) => log_unless_missing(&setting, &error),
        }
    }

    /// Puts back what nobody needs any more. `promoting`: the interfaces that are to keep their other addresses;
    /// `silent`: `disable_local_igmp`. The ledger is then to be written.
    pub(in crate::vrrpd) fn restore(&mut self, links: &Links, promoting: &[LinkId], silent: bool) {
        let needed = |own: &&OwnInterface| own.make.kind() == Kind::Macvlan && own.v4;
        let index = |link: LinkId| links.link(link).and_then(|link| link.index);
        let bases: Vec<IfIndex> = self.list.iter().filter(needed).filter_map(|own| index(own.base)).collect();
        let some = self.list.iter().any(|own| needed(&own));
        let wanted = |entry: &Entry| match entry.setting.key {
            RP_FILTER => some,
            LOCAL_REPORTS => silent,
            PROMOTE => promoting.iter().any(|link| index(*link) == Some(entry.index)),
            _ => bases.contains(&entry.index),
        };
        self.settings.restore(wanted, |setting, error| report::setting_failed(setting, &error));
    }

    /// Writes the ledger anew; `firewall`: what the kernel has of it.
    pub(in crate::vrrpd) fn write_ledger<'a>(
        &mut self,
        links: &Links,
        firewall: impl Iterator<Item = Guarding<'a>>,
    ) {
        let name = |link: LinkId| links.link(link).map(|link| link.name.clone());
        let made = self.list.iter().filter(|own| own.made).filter_map(|own| {
            Some(super::ledger::Made {
                name: name(own.link)?,
                kind: own.make.kind(),
                parent: lies_on(links, own.base, own.make.kind())?,
            })
        });
        self.ledger.rewrite(self.settings.entries(), made, firewall);
    }
}

/// Sets a setting of an interface of our own.
fn set_own(setting: &Setting, value: i64) {
    let done = match setting.read() {
        Ok(now) if now == value => Ok(()),
        Ok(_) => setting.write(value),
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        log_unless_missing(setting, &error);
    }
}

/// A kernel without IPv6 has no such setting, and does not need it.
fn log_unless_missing(setting: &Setting, error: &std::io::Error) {
    if setting.family != Family::V6 || error.kind() != std::io::ErrorKind::NotFound {
        report::setting_failed(setting, error);
    }
}
