//! Macvlans with the virtual hardware address: made, adopted from a crashed predecessor, set up, and removed.

use super::report;
use super::state::Vrrp;
use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::id::{InstanceId, LinkId};
use crate::base::mac::Mac;
use crate::base::name::IfName;
use crate::config::model;
use crate::sys::netlink::addr::{Address, AddressFlags};
use crate::sys::netlink::link::{AddrGenMode, Which};
use crate::sys::sysctl::{Changed, Setting};

/// The macvlans of this child and the settings that it changed for them.
#[derive(Default)]
pub(super) struct Vmacs {
    /// Those that are ours to remove.
    made: Vec<(LinkId, LinkId)>,
    settings: Changed,
}

/// The name of an instance's macvlan: as configured, or `vrrp.<vrid>`; over IPv6 `vrrp6.<vrid>`, so that both
/// families of one router id can stand side by side.
pub(super) fn name(global: &model::Global, instance: &model::Instance) -> Option<IfName> {
    let vmac = instance.vmac.as_ref()?;
    if let Some(name) = &vmac.name {
        return Some(name.clone());
    }
    let prefix = global.vrrp.vmac_prefix.as_deref().unwrap_or("vrrp");
    let six = if instance.params.family == Family::V6 { "6" } else { "" };
    IfName::new(&format!("{prefix}{six}.{}", instance.params.vrid))
}

/// The hardware address of an instance's macvlan.
pub(super) fn mac(instance: &model::Instance) -> Mac {
    let vrid = instance.params.vrid;
    let configured = instance.vmac.as_ref().and_then(|vmac| vmac.mac);
    configured.unwrap_or_else(|| Mac::virtual_router(instance.params.family, vrid))
}

/// Tags of requests: what must succeed, and what may be refused.
const CREATE: u32 = 1;
const ADJUST: u32 = 0;

impl Vrrp {
    /// Makes the macvlan of an instance if it has one and its interface is there, or adopts the one that is.
    pub(super) fn ensure_vmac(&mut self, id: InstanceId) {
        let Some(instance) = self.instance(id).filter(|instance| instance.config.vmac.is_some()) else {
            return;
        };
        let (Some(base), Some(own)) = (instance.base, instance.own) else {
            return;
        };
        let (mac, family) = (mac(&instance.config), instance.family());
        let instance_name = instance.config.name.clone();
        let Some(parent) = self.links.link(base).and_then(|link| link.index) else {
            return;
        };
        let Some(link) = self.links.link(own) else { return };
        let name = link.name.clone();
        match link.index {
            Some(index) if link.parent == parent && link.is_macvlan => {
                if link.mac != Some(mac) {
                    let _ = self.kernel.commands.set_link_mac(CREATE, Which::Index(index), mac);
                }
                if !link.wanted_up {
                    let _ = self.kernel.commands.set_link_up(CREATE, Which::Index(index), true);
                }
            }
            Some(_) => {
                report::vmac_failed(&instance_name, &name, "another interface has this name");
                return;
            }
            None => {
                let _ = self.kernel.commands.create_macvlan(CREATE, &name, parent, mac);
                let which = Which::Name(&name);
                let _ = self.kernel.commands.set_addr_gen_mode(ADJUST, which, AddrGenMode::None);
                let _ = self.kernel.commands.set_link_up(CREATE, which, true);
            }
        }
        let mut created = link.index.is_none();
        self.kernel.commands.commit(|tag, result| {
            // A kernel without IPv6 has no such mode, and does not need it.
            if let Err(refusal) = result
                && tag == CREATE
            {
                created = false;
                report::vmac_failed(&instance_name, &name, refusal.errno.desc());
            }
        });
        if created {
            report::vmac_created(&instance_name, &name);
        }
        if !self.vmacs.made.contains(&(own, base)) {
            self.vmacs.made.push((own, base));
        }
        self.set_up_vmac(&name, base, family);
    }

    /// Whether the macvlan of an instance is missing although its interface is there: somebody removed it.
    pub(super) fn lacks_vmac(&self, id: InstanceId) -> bool {
        let exists = |link: Option<LinkId>| {
            let link = link.and_then(|link| self.links.link(link));
            link.is_some_and(|link| link.index.is_some())
        };
        self.instance(id).is_some_and(|instance| {
            instance.config.vmac.is_some() && exists(instance.base) && !exists(instance.own)
        })
    }

    /// The settings without which the kernel answers for the wrong hardware address, or drops what it hears from
    /// its own addresses.
    fn set_up_vmac(&mut self, vmac: &IfName, base: LinkId, family: Family) {
        let Some(parent) = self.links.link(base).map(|link| link.name.clone()) else {
            return;
        };
        let setting = |interface: &IfName, family, key, value| {
            (Setting { family, interface: interface.clone(), key }, value)
        };
        let wanted = [
            setting(&parent, Family::V4, "arp_ignore", 1),
            setting(&parent, Family::V4, "arp_filter", 1),
            setting(vmac, Family::V4, "arp_ignore", 1),
            setting(vmac, Family::V4, "accept_local", 1),
            setting(vmac, Family::V4, "rp_filter", 0),
            setting(vmac, Family::V4, "promote_secondaries", 1),
            setting(vmac, Family::V6, "disable_ipv6", i64::from(family == Family::V4)),
        ];
        for (setting, value) in wanted {
            if let Err(error) = self.vmacs.settings.set(&setting, value) {
                report::setting_failed(&setting, &error);
            }
        }
    }

    /// IPv6 adverts through a macvlan need the link-local address there: a copy that nothing else chooses.
    pub(super) fn copy_link_local(&mut self, id: InstanceId) {
        let Some(instance) = self.instance(id).filter(|instance| instance.family() == Family::V6) else {
            return;
        };
        let (Some(IpAddr::V6(local)), Some(transmit)) = (instance.local, instance.transmit) else {
            return;
        };
        if Some(transmit) == instance.base || !local.is_unicast_link_local() {
            return;
        }
        let Some(index) = self.links.link(transmit).and_then(|link| link.index) else {
            return;
        };
        let prefix = Prefix { addr: IpAddr::V6(local), len: 64 };
        let copy = Address {
            flags: AddressFlags::NODAD.with(AddressFlags::NOPREFIXROUTE),
            preferred: 0,
            ..Address::new(index, prefix)
        };
        let _ = self.kernel.commands.replace_address(0, &copy);
        self.kernel.commands.commit(|_, _| ());
    }

    /// Enters the macvlans that a dead child made, to be removed.
    pub(super) fn find_vmacs(&mut self) {
        for instance in &self.instances {
            let (Some(own), Some(base)) = (instance.own, instance.base) else {
                continue;
            };
            let parent = self.links.link(base).and_then(|link| link.index);
            let made =
                self.links.link(own).is_some_and(|link| link.is_macvlan && Some(link.parent) == parent);
            if instance.config.vmac.is_some() && made {
                self.vmacs.made.push((own, base));
            }
        }
    }

    /// Removes what was made and restores what was changed.
    pub(super) fn remove_vmacs(&mut self) {
        for (own, base) in core::mem::take(&mut self.vmacs.made) {
            self.remove_vmac(own, base);
        }
        self.vmacs.settings.restore_all(|setting, error| report::setting_failed(setting, &error));
    }

    fn remove_vmac(&mut self, own: LinkId, base: LinkId) {
        let Some(link) = self.links.link(own) else { return };
        let name = link.name.clone();
        if let Some(index) = link.index {
            let _ = self.kernel.commands.delete_link(0, Which::Index(index));
            self.kernel.commands.commit(|_, result| match result {
                Ok(()) => report::vmac_removed(&name),
                Err(refusal) => report::vmac_stuck(&name, refusal.errno.desc()),
            });
        }
        self.vmacs.settings.forget(&name);
        if !self.vmacs.made.iter().any(|(_, other)| *other == base)
            && let Some(parent) = self.links.link(base)
        {
            self.vmacs
                .settings
                .restore(&parent.name, |setting, error| report::setting_failed(setting, &error));
        }
    }

    /// After a reload: removes the macvlans that no instance wants any more.
    pub(super) fn forget_vmacs(&mut self) {
        let wanted: Vec<_> =
            self.instances.iter().filter(|i| i.config.vmac.is_some()).filter_map(|i| i.own).collect();
        let (kept, left): (Vec<_>, Vec<_>) =
            core::mem::take(&mut self.vmacs.made).into_iter().partition(|(own, _)| wanted.contains(own));
        self.vmacs.made = kept;
        for (own, base) in left {
            self.remove_vmac(own, base);
        }
    }
}
