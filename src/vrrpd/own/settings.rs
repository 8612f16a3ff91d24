//! The settings without which the kernel answers for the wrong hardware address, or drops what it hears from its own
//! addresses; set once, told, and put back when nobody needs them any more.

use super::ledger::Guarding;
use super::plan::{Make, Own, lies_on};
use crate::base::addr::Family;
use crate::base::id::{IfIndex, LinkId};
use crate::base::name::IfName;
use crate::sys::sysctl::{self, Entry, LOCAL_REPORTS, Setting};
use crate::vrrpd::links::Kind;
use crate::vrrpd::report;
use crate::vrrpd::state::Vrrp;

/// Every setting that is changed here.
pub(super) const KEYS: [&str; 9] = [
    "arp_ignore",
    "arp_filter",
    "accept_local",
    RP_FILTER,
    PROMOTE,
    "disable_ipv6",
    "accept_ra",
    "autoconf",
    LOCAL_REPORTS,
];

const RP_FILTER: &str = "rp_filter";
const PROMOTE: &str = "promote_secondaries";

impl Vrrp {
    /// Sets what interfaces of our own need, on themselves and on those that they lie on, before they go up.
    pub(super) fn set_up_owns(&mut self, positions: &[usize]) {
        let mut bases = Vec::new();
        for position in positions {
            let Some(own) = self.owns.list.get(*position) else { continue };
            if own.v4 && matches!(own.make, Make::Macvlan(_)) && !bases.contains(&own.base) {
                bases.push(own.base);
            }
        }
        if !bases.is_empty() {
            self.loosen_rp_filter();
        }
        for base in bases {
            if let Some(name) = self.links.table.link(base).map(|link| link.name.clone()) {
                self.change(&name, (Family::V4, "arp_ignore"), 1);
                self.change(&name, (Family::V4, "arp_filter"), 1);
            }
        }
        for position in positions {
            self.set_up_own(*position);
        }
    }

    fn set_up_own(&self, position: usize) {
        let Some(own) = self.owns.list.get(position) else { return };
        let Some(link) = self.links.table.link(own.link) else { return };
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

    /// Lets an interface keep its other addresses when the first one goes, where an instance asks for that
    /// (`promote_secondaries`).
    pub(in crate::vrrpd) fn promote_secondaries(&mut self) {
        for position in 0..self.routers.instances.len() {
            let asking =
                self.routers.instances.get(position).filter(|instance| instance.config.promote_secondaries);
            let link = asking.and_then(|instance| self.links.table.link(instance.own?));
            let there = link.filter(|link| link.index.is_some());
            if let Some(name) = there.map(|link| link.name.clone()) {
                self.change(&name, (Family::V4, PROMOTE), 1);
            }
        }
    }

    /// Stops reports of membership in 224.0.0.0/24, which reaches everyone anyway (RFC 4541, 2.1.2), where the
    /// configuration asks for that (`disable_local_igmp`).
    pub(in crate::vrrpd) fn stop_local_reports(&mut self) {
        let all = IfName::new("all").filter(|_| self.model.global.vrrp.disable_local_igmp);
        if let Some(all) = all {
            self.change(&all, (Family::V4, LOCAL_REPORTS), 0);
        }
    }

    /// `all` would outvote the 0 of a macvlan; so it goes where it did all its work, to each interface.
    fn loosen_rp_filter(&mut self) {
        let Some(all) = IfName::new("all") else { return };
        let of =
            |interface: &IfName| Setting { family: Family::V4, interface: interface.clone(), key: RP_FILTER };
        let Ok(strictness) = of(&all).read() else { return };
        if strictness == 0 {
            return;
        }
        let interfaces = sysctl::interfaces(Family::V4).unwrap_or_default();
        for interface in interfaces.iter().filter(|interface| **interface != all) {
            let is_own = self
                .owns
                .list
                .iter()
                .any(|own| self.links.table.link(own.link).is_some_and(|link| link.name == *interface));
            if !is_own && of(interface).read().is_ok_and(|own| own < strictness) {
                self.change(interface, (Family::V4, RP_FILTER), strictness);
            }
        }
        self.change(&all, (Family::V4, RP_FILTER), 0);
    }

    fn change(&mut self, interface: &IfName, (family, key): (Family, &'static str), value: i64) {
        let setting = Setting { family, interface: interface.clone(), key };
        let ledger = &mut self.owns.ledger;
        let own = self.owns.list.iter();
        // What an interface of our own has goes with it.
        let goes = own
            .clone()
            .any(|own| self.links.table.link(own.link).is_some_and(|link| link.name == *interface));
        if goes {
            return set_own(&setting, value);
        }
        match self.owns.settings.set(&setting, value, |entry| ledger.setting(entry)) {
            Ok(true) => report::setting_changed(&setting, value),
            Ok(false) => {}
            Err(error) => tell_unless_missing(&setting, &error),
        }
    }

    /// Puts back what no interface of our own needs any more, and forgets it on disk.
    pub(in crate::vrrpd) fn tidy(&mut self) {
        let links = &self.links.table;
        let (list, instances) = (&self.owns.list, &self.routers.instances);
        let needed = |own: &&Own| own.make.kind() == Kind::Macvlan && own.v4;
        let bases: Vec<IfIndex> =
            list.iter().filter(needed).filter_map(|own| links.link(own.base)?.index).collect();
        let some = list.iter().any(|own| needed(&own));
        let silent = self.model.global.vrrp.disable_local_igmp;
        let wanted = |entry: &Entry| match entry.setting.key {
            RP_FILTER => some,
            LOCAL_REPORTS => silent,
            PROMOTE => instances.iter().any(|instance| {
                let link = instance.own.and_then(|own| links.link(own)?.index);
                instance.config.promote_secondaries && link == Some(entry.index)
            }),
            _ => bases.contains(&entry.index),
        };
        self.owns.settings.restore(wanted, |setting, error| report::setting_failed(setting, &error));
        self.write_ledger();
    }

    /// Notes something of the firewall that is about to be made.
    pub(in crate::vrrpd) fn note_guarding(&mut self, what: Guarding<'_>) {
        self.owns.ledger.guarding(what);
    }

    /// What a predecessor had of the firewall is replaced or gone.
    pub(in crate::vrrpd) fn forget_left_firewall(&mut self) {
        if self.owns.ledger.disinherit() {
            self.write_ledger();
        }
    }

    /// Notes which notify FIFOs have been made and are there.
    pub(in crate::vrrpd) fn note_fifos(&mut self) {
        self.owns.ledger.fifos(self.notifies.alerts.fifos.made());
    }

    /// A number that tells this daemon from others on this machine.
    #[cfg(feature = "iptables")]
    pub(in crate::vrrpd) fn number_of_daemon(&self) -> u32 {
        self.owns.ledger.number()
    }

    /// Writes the ledger anew.
    pub(in crate::vrrpd) fn write_ledger(&mut self) {
        let links = &self.links.table;
        let name = |link: LinkId| links.link(link).map(|link| link.name.clone());
        let made = self.owns.list.iter().filter(|own| own.made).filter_map(|own| {
            Some(super::ledger::Made {
                name: name(own.link)?,
                kind: own.make.kind(),
                parent: lies_on(links, own.base, own.make.kind())?,
            })
        });
        let firewall = self.firewall.in_kernel();
        self.owns.ledger.rewrite(self.owns.settings.entries(), made, firewall);
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
        tell_unless_missing(setting, &error);
    }
}

/// A kernel without IPv6 has no such setting, and does not need it.
fn tell_unless_missing(setting: &Setting, error: &std::io::Error) {
    if setting.family != Family::V6 || error.kind() != std::io::ErrorKind::NotFound {
        report::setting_failed(setting, error);
    }
}
