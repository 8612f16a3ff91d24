//! Which interfaces the instances make for themselves, and what these are called.
//!
//! A macvlan is one for each hardware address on each interface: what several instances and addresses want of it,
//! they share. Names that are not configured are made of a prefix and the VRID; one that is there already, of a
//! predecessor or from before a reload, keeps its name, so that nothing flaps because instances changed places.

use crate::base::addr::{Family, IpAddr, Ipv6Addr, Prefix};
use crate::base::id::{IfIndex, LinkId};
use crate::base::limit;
use crate::base::mac::Mac;
use crate::base::map::{Map, Set};
use crate::base::name::IfName;
use crate::base::rate::Budget;
use crate::base::time::Span;
use crate::child::links::{Kind, Links};
use crate::config::model::instance::IpvlanMode;
use crate::config::model::{self, Model, VirtualAddress};
use crate::sys::netlink::link::Link as KernelLink;
use crate::sys::netlink::make::IpvlanFlag;

/// An interface that instances make for themselves.
#[derive(Debug)]
pub struct OwnInterface {
    /// The interface.
    pub link: LinkId,
    /// The interface that it lies on.
    pub base: LinkId,
    /// Its kind, and its address.
    pub make: Make,
    /// What tells it from the others on its base.
    pub key: Key,
    /// Its group; none: that of the base.
    pub group: Option<u32>,
    /// `netlink_notify_msg`: the kernel is made to tell about the base once it is there.
    pub notify: bool,
    /// IPv4 addresses live on it.
    pub v4: bool,
    /// IPv6 addresses live on it.
    pub v6: bool,
    /// The source that its instance is given for IPv6 adverts.
    pub source: Option<Ipv6Addr>,
    /// The name of the instance that wants it, the first of several.
    pub user: Box<str>,
    /// It is there and ours to remove.
    pub made: bool,
    /// The link-local address of the base that it has a copy of.
    pub copied: Option<Ipv6Addr>,
    /// That it cannot be made has been logged.
    pub logged: bool,
    /// How often it is made again at once when somebody removes it.
    pub again: Budget,
}

/// The kind of an interface of our own, and its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// A private macvlan with this hardware address.
    Macvlan(Mac),
    /// An ipvlan with this address.
    Ipvlan(IpvlanFlag, Option<Prefix>),
}

impl Make {
    /// The kernel's kind of link.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Macvlan(_) => Kind::Macvlan,
            Self::Ipvlan(..) => Kind::Ipvlan,
        }
    }
}

/// Everything that a model wants.
#[derive(Debug, Default)]
pub struct Plan {
    /// The interfaces, each once.
    pub owns: Vec<OwnInterface>,
    /// That of an instance, by its position.
    of_instance: Map<usize, LinkId>,
    /// That of an address, by the positions of its instance and its own: advertised ones first, then excluded ones.
    of_address: Map<(usize, usize), LinkId>,
    /// Names of instances whose interface cannot be, and why.
    pub refused: Vec<(Box<str>, IfName, Refusal)>,
}

/// Why an interface cannot be, or has not the name that it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another instance has this hardware address on this interface.
    SameAddress,
    /// Another interface has the configured name; a generated one is used.
    NameTaken,
    /// No name of 15 octets is free.
    NoName,
}

/// Once an interface was made again so often, one more time is earned in this span.
const AGAIN_REFILL: Span = Span::from_secs(2);
/// How many generated names are tried.
const NAMES: usize = 512;

impl Plan {
    /// What the model wants. `kernel` are all interfaces that there are, `before` what was wanted until now.
    #[must_use]
    pub fn new(model: &Model, links: &mut Links, kernel: &[KernelLink], before: &[OwnInterface]) -> Self {
        let wants = |instance: &model::Instance| {
            instance.vmac.is_some()
                || instance.ipvlan.is_some()
                || instance.use_vmac_addr
                || lines(instance).any(|line| line.use_vmac)
        };
        if !model.instances.iter().any(wants) {
            return Self::default();
        }
        let configured = model.instances.iter().filter_map(|instance| configured_name(instance).cloned());
        let mut planner = Planner {
            claimed: configured.collect(),
            there: kernel.iter().map(|link| (&link.name, link)).collect(),
            macvlans: kernel
                .iter()
                .filter(|link| Kind::of(link) == Kind::Macvlan)
                .filter_map(|link| Some(((link.parent, link.address.mac()?), link)))
                .collect(),
            before: before.iter().map(|own| (own.key, own.link)).collect(),
            planned: Map::new(),
            plan: Self::default(),
            links,
            model,
        };
        for (position, instance) in model.instances.iter().enumerate().filter(|(_, one)| wants(one)) {
            planner.instance(position, instance);
        }
        planner.plan
    }

    /// The interface of one's own of an instance.
    #[must_use]
    pub fn of_instance(&self, instance: usize) -> Option<LinkId> {
        self.of_instance.get(&instance).copied()
    }

    /// The interface of one's own that an address goes on.
    #[must_use]
    pub fn of_address(&self, instance: usize, address: usize) -> Option<LinkId> {
        self.of_address.get(&(instance, address)).copied()
    }
}

/// The interface that one of this kind would lie on: the kernel lays a macvlan on a macvlan beside that one.
#[must_use]
pub fn lies_on(links: &Links, base: LinkId, kind: Kind) -> Option<IfIndex> {
    let link = links.link(base)?;
    let index = link.index?;
    Some(if [link.kind, kind] == [Kind::Macvlan; 2] { link.parent } else { index })
}

fn lines(instance: &model::Instance) -> impl Iterator<Item = &VirtualAddress> {
    instance.addresses.iter().chain(&*instance.excluded)
}

fn configured_name(instance: &model::Instance) -> Option<&IfName> {
    let of_vmac = instance.vmac.as_ref().and_then(|vmac| vmac.name.as_ref());
    of_vmac.or_else(|| instance.ipvlan.as_ref()?.name.as_ref())
}

/// What tells interfaces of our own apart: of a macvlan the base and the hardware address, of an ipvlan the base, the
/// family and the router id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A macvlan.
    Macvlan(LinkId, Mac),
    /// An ipvlan.
    Ipvlan(LinkId, Family, u8),
}

impl Key {
    const fn new(base: LinkId, make: Make, naming: Naming<'_>) -> Self {
        match make {
            Make::Macvlan(mac) => Self::Macvlan(base, mac),
            Make::Ipvlan(..) => Self::Ipvlan(base, naming.family, naming.vrid),
        }
    }
}

struct Planner<'a> {
    claimed: Set<IfName>,
    there: Map<&'a IfName, &'a KernelLink>,
    macvlans: Map<(IfIndex, Mac), &'a KernelLink>,
    before: Map<Key, LinkId>,
    /// What is planned already, and whether an instance sends from it.
    planned: Map<Key, (usize, bool)>,
    plan: Plan,
    links: &'a mut Links,
    model: &'a Model,
}

/// What a name is made of.
#[derive(Clone, Copy)]
struct Naming<'a> {
    configured: Option<&'a IfName>,
    prefix: &'a str,
    vrid: u8,
    family: Family,
}

impl Planner<'_> {
    fn instance(&mut self, position: usize, instance: &model::Instance) {
        let model = self.model;
        let prefix = model.global.vrrp.vmac_prefix.as_deref().unwrap_or("vrrp");
        let (family, vrid) = (instance.params.family, instance.params.vrid);
        let base = instance.interface.as_ref().map(|named| self.links.named(&named.name));
        let naming = Naming { configured: configured_name(instance), prefix, vrid, family };
        let mut own = None;
        if let Some(base) = base {
            let wanted = match (&instance.vmac, &instance.ipvlan) {
                (Some(vmac), _) => {
                    let mac = vmac.mac.unwrap_or(virtual_mac(family, vrid));
                    Some((Make::Macvlan(mac), vmac.group, vmac.netlink_notify))
                }
                (None, Some(ipvlan)) => {
                    let flag = match ipvlan.mode {
                        IpvlanMode::Bridge => IpvlanFlag::Bridge,
                        IpvlanMode::Private => IpvlanFlag::Private,
                        IpvlanMode::Vepa => IpvlanFlag::Vepa,
                    };
                    Some((Make::Ipvlan(flag, ipvlan.address), ipvlan.group, false))
                }
                (None, None) => None,
            };
            own = wanted.and_then(|(make, group, notify)| {
                let planned = self.want(position, base, make, naming, true)?;
                let planned = self.plan.owns.get_mut(planned)?;
                let link = planned.link;
                planned.group = group;
                planned.notify = notify;
                planned.source = match instance.source {
                    Some(IpAddr::V6(source)) if source.is_unicast_link_local() => Some(source),
                    _ => None,
                };
                needs(planned, family);
                Some(link)
            });
        }
        if let Some(link) = own {
            self.plan.of_instance.insert(position, link);
        }
        for (number, line) in lines(instance).enumerate() {
            self.address(position, number, instance, line);
        }
    }

    fn address(&mut self, position: usize, number: usize, instance: &model::Instance, line: &VirtualAddress) {
        let model = self.model;
        let vrrp = &model.global.vrrp;
        let prefix = vrrp.vmac_addr_prefix.as_deref().or(vrrp.vmac_prefix.as_deref()).unwrap_or("vrrp");
        let family = Family::of(&line.prefix.addr);
        let at_home = instance.interface.as_ref().map(|named| &named.name);
        let dev = line.dev.as_ref().map(|named| &named.name);
        let elsewhere = dev.is_some_and(|dev| Some(dev) != at_home);
        let other_family = family != instance.params.family;
        let wanted = line.use_vmac || (instance.use_vmac_addr && (elsewhere || other_family));
        if !wanted {
            // Without `dev`, and of its family, it goes on the macvlan of the instance.
            let goes_there = dev.is_none() && !other_family && instance.vmac.is_some();
            let of_instance = self.plan.of_instance(position).filter(|_| goes_there);
            let own = of_instance.and_then(|link| self.plan.owns.iter_mut().find(|own| own.link == link));
            if let Some(own) = own {
                needs(own, family);
            }
            return;
        }
        let Some(base) = dev.or(at_home).map(|name| self.links.named(name)) else {
            return;
        };
        let vrid = instance.params.vrid;
        let naming = Naming { configured: None, prefix, vrid, family };
        let make = Make::Macvlan(virtual_mac(family, vrid));
        let planned = self.want(position, base, make, naming, false);
        if let Some(planned) = planned.and_then(|planned| self.plan.owns.get_mut(planned)) {
            let link = planned.link;
            needs(planned, family);
            self.plan.of_address.insert((position, number), link);
        }
    }

    /// The place in the plan of the interface of this kind and hardware address on `base`; `sends`: an instance wants
    /// it for its adverts, which only one can.
    fn want(
        &mut self,
        user: usize,
        base: LinkId,
        make: Make,
        naming: Naming<'_>,
        sends: bool,
    ) -> Option<usize> {
        let key = Key::new(base, make, naming);
        if let Some((position, taken)) = self.planned.get_mut(&key) {
            if *taken && sends {
                let name = naming.configured.cloned().or_else(|| generated(naming, 0));
                self.refuse(user, name, Refusal::SameAddress);
                return None;
            }
            *taken |= sends;
            return Some(*position);
        }
        let Some(name) = self.name(user, base, make, naming) else {
            if sends {
                self.refuse(user, None, Refusal::NoName);
            } else {
                let user = self.user(user);
                self.plan.refused.push((user, IfName::default(), Refusal::NoName));
            }
            return None;
        };
        self.claimed.insert(name.clone());
        let link = self.links.named(&name);
        self.planned.insert(key, (self.plan.owns.len(), sends));
        self.plan.owns.push(OwnInterface {
            link,
            base,
            make,
            key,
            group: None,
            notify: false,
            v4: false,
            v6: false,
            source: None,
            user: self.user(user),
            made: false,
            copied: None,
            logged: false,
            again: Budget::new(limit::PUT_BACK_BURST, AGAIN_REFILL),
        });
        Some(self.plan.owns.len() - 1)
    }

    /// The instance gets an interface that never is there, and so waits in FAULT.
    fn refuse(&mut self, user: usize, name: Option<IfName>, why: Refusal) {
        let nowhere = self.links.nowhere();
        if !self.plan.of_instance.contains_key(&user) {
            self.plan.of_instance.insert(user, nowhere);
        }
        let user = self.user(user);
        self.plan.refused.push((user, name.unwrap_or_default(), why));
    }

    fn user(&self, position: usize) -> Box<str> {
        self.model.instances.get(position).map_or("", |instance| instance.name.as_str()).into()
    }

    fn name(&mut self, user: usize, base: LinkId, make: Make, naming: Naming<'_>) -> Option<IfName> {
        if let Some(name) = naming.configured {
            let foreign = self.there.get(name).is_some_and(|link| Kind::of(link) != make.kind());
            if !foreign {
                return Some(name.clone());
            }
            let user = self.user(user);
            self.plan.refused.push((user, name.clone(), Refusal::NameTaken));
        }
        let before = self.before.get(&Key::new(base, make, naming)).and_then(|link| self.links.link(*link));
        let before = before.map(|link| link.name.clone());
        let parent = lies_on_kernel(&self.there, self.links, base, make.kind());
        let there = parent.and_then(|parent| match make {
            Make::Macvlan(mac) => self.macvlans.get(&(parent, mac)).map(|link| link.name.clone()),
            Make::Ipvlan(..) => None,
        });
        let keeps = |name: &IfName| is_generated(name, naming) && !self.claimed.contains(name);
        before.filter(keeps).or_else(|| there.filter(keeps)).or_else(|| self.free_name(base, make, naming))
    }

    fn free_name(&self, base: LinkId, make: Make, naming: Naming<'_>) -> Option<IfName> {
        let parent = lies_on_kernel(&self.there, self.links, base, make.kind());
        let fits = |name: &IfName| match (self.there.get(name), make) {
            (None, _) => true,
            // Nothing but its name tells whose an ipvlan is.
            (Some(link), Make::Ipvlan(..)) => Kind::of(link) == Kind::Ipvlan && Some(link.parent) == parent,
            (Some(_), Make::Macvlan(_)) => false,
        };
        (0..NAMES)
            .filter_map(|number| generated(naming, number))
            .find(|name| !self.claimed.contains(name) && fits(name))
    }
}

fn lies_on_kernel(
    there: &Map<&IfName, &KernelLink>,
    links: &Links,
    base: LinkId,
    kind: Kind,
) -> Option<IfIndex> {
    let link = there.get(&links.link(base)?.name)?;
    Some(if [Kind::of(link), kind] == [Kind::Macvlan; 2] { link.parent } else { link.index })
}

fn needs(own: &mut OwnInterface, family: Family) {
    match family {
        Family::V4 => own.v4 = true,
        Family::V6 => own.v6 = true,
    }
}

/// The virtual hardware address of a router (RFC 9568 section 7.3).
#[must_use]
pub const fn virtual_mac(family: Family, vrid: u8) -> Mac {
    match family {
        Family::V4 => Mac::virtual_v4(vrid),
        Family::V6 => Mac::virtual_v6(vrid),
    }
}

/// The generated names in their order, keepalived's: `vrrp.51`, over IPv6 `vrrp6.51`, then `vrrp1.51`, `vrrp2.51`, …
fn generated(naming: Naming<'_>, number: usize) -> Option<IfName> {
    let Naming { prefix, vrid, .. } = naming;
    IfName::new(&match (number, naming.family) {
        (0, _) => format!("{prefix}.{vrid}"),
        (1, Family::V6) => format!("{prefix}6.{vrid}"),
        (number, Family::V6) => format!("{prefix}{}.{vrid}", number.saturating_sub(1)),
        (number, Family::V4) => format!("{prefix}{number}.{vrid}"),
    })
}

fn is_generated(name: &IfName, naming: Naming<'_>) -> bool {
    let middle = name.as_str().strip_prefix(naming.prefix).and_then(|rest| rest.split_once('.'));
    middle.is_some_and(|(number, vrid)| {
        number.bytes().all(|octet| octet.is_ascii_digit()) && vrid.parse() == Ok(naming.vrid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diag::Diagnostics;
    use crate::config::{assemble, expand};

    struct Bench {
        links: Links,
        model: Model,
    }

    impl Bench {
        fn new(text: &str) -> Self {
            Self { links: Links::default(), model: read(text) }
        }

        fn plan(&mut self, before: &[OwnInterface]) -> Plan {
            Plan::new(&self.model, &mut self.links, &[], before)
        }

        fn name(&self, link: LinkId) -> String {
            self.links.link(link).unwrap().name.to_string()
        }

        fn told(&self, plan: &Plan) -> Vec<String> {
            let one = |own: &OwnInterface| {
                let families = match (own.v4, own.v6) {
                    (true, true) => "both",
                    (true, false) => "v4",
                    (false, true) => "v6",
                    (false, false) => "none",
                };
                format!("{} on {} {families}", self.name(own.link), self.name(own.base))
            };
            plan.owns.iter().map(one).collect()
        }
    }

    fn read(text: &str) -> Model {
        let mut found = Diagnostics::new();
        assemble::model(&expand::parse_text(text, &mut found).tree, &mut found)
    }

    fn router(name: &str, interface: &str, lines: &str) -> String {
        format!("vrrp_instance {name} {{\ninterface {interface}\nvirtual_router_id 51\n{lines}\n}}\n")
    }

    fn vip(line: &str) -> String {
        format!("virtual_ipaddress {{\n{line}\n}}\n")
    }

    #[test]
    fn one_of_ipv6_alone_has_the_plain_name() {
        let six = |name, base| router(name, base, &format!("use_vmac\n{}", vip("fe80::1")));
        let four = router("C", "eth2", &format!("use_vmac\n{}", vip("10.0.0.1")));
        let mut bench = Bench::new(&(six("A", "eth0") + &six("B", "eth1") + &four));
        let wanted = ["vrrp.51 on eth0 v6", "vrrp6.51 on eth1 v6", "vrrp1.51 on eth2 v4"];
        let plan = bench.plan(&[]);
        assert_eq!(bench.told(&plan), wanted);
    }

    #[test]
    fn names_are_those_of_keepalived() {
        let text = router("A", "eth0", &format!("use_vmac\n{}", vip("10.0.0.1")))
            + &router("B", "eth1", &format!("use_vmac\n{}", vip("10.0.1.1")))
            + &router("C", "eth1", &format!("use_vmac\n{}", vip("fe80::1")))
            + &router("D", "eth2", &format!("use_vmac\n{}", vip("fe80::1")));
        let mut bench = Bench::new(&text);
        let plan = bench.plan(&[]);
        let wanted =
            ["vrrp.51 on eth0 v4", "vrrp1.51 on eth1 v4", "vrrp6.51 on eth1 v6", "vrrp2.51 on eth2 v6"];
        assert_eq!(bench.told(&plan), wanted);
        assert!(plan.refused.is_empty());
    }

    #[test]
    fn addresses_elsewhere_or_of_the_other_family_have_their_own() {
        let text = "global_defs {\nvmac_prefix foo\nvmac_addr_prefix bar\n}\n".to_owned()
            + &router(
                "A",
                "eth0",
                &format!(
                    "use_vmac\nuse_vmac_addr\n{}virtual_ipaddress_excluded {{\n2001:db8::1/64\n\
                     2001:db8:1::1/64 dev eth1\n}}\n",
                    vip("10.0.0.101/24\n10.0.1.101/24 dev eth1\n10.0.1.102/24 dev eth1")
                ),
            );
        let mut bench = Bench::new(&text);
        let plan = bench.plan(&[]);
        let wanted = ["foo.51 on eth0 v4", "bar.51 on eth1 v4", "bar6.51 on eth0 v6", "bar1.51 on eth1 v6"];
        assert_eq!(bench.told(&plan), wanted);
        let places: Vec<_> =
            (0..5).map(|line| plan.of_address(0, line).map(|link| bench.name(link))).collect();
        let wanted = [None, Some("bar.51"), Some("bar.51"), Some("bar6.51"), Some("bar1.51")];
        assert_eq!(places, wanted.map(|name| name.map(str::to_owned)));
    }

    #[test]
    fn an_address_of_the_other_family_leaves_the_macvlan_alone() {
        let lines =
            format!("use_vmac\n{}virtual_ipaddress_excluded {{\n2001:db8::1/64\n}}\n", vip("10.0.0.1"));
        let mut bench = Bench::new(&router("A", "eth0", &lines));
        let plan = bench.plan(&[]);
        assert_eq!(bench.told(&plan), ["vrrp.51 on eth0 v4"]);
    }

    #[test]
    fn a_single_address_may_have_one() {
        let lines = vip("10.0.0.1\n10.0.0.2 use_vmac\n10.0.1.1 dev eth1 use_vmac\n10.0.1.2 dev eth1");
        let mut bench = Bench::new(&router("A", "eth0", &lines));
        let plan = bench.plan(&[]);
        assert_eq!(bench.told(&plan), ["vrrp.51 on eth0 v4", "vrrp1.51 on eth1 v4"]);
        assert_eq!(plan.of_instance(0), None);
        assert_eq!([0, 3].map(|line| plan.of_address(0, line)), [None, None]);
    }

    #[test]
    fn a_name_stays_when_instances_change_places() {
        let a = router("A", "eth0", &format!("use_vmac\n{}", vip("10.0.0.1")));
        let b = router("B", "eth1", &format!("use_vmac\n{}", vip("10.0.1.1")));
        let mut bench = Bench::new(&(a.clone() + &b));
        let before = bench.plan(&[]).owns;
        bench.model = read(&(b.clone() + &a));
        let plan = bench.plan(&before);
        assert_eq!(bench.told(&plan), ["vrrp1.51 on eth1 v4", "vrrp.51 on eth0 v4"]);
        bench.model = read(&b);
        let plan = bench.plan(&before);
        assert_eq!(bench.told(&plan), ["vrrp1.51 on eth1 v4"]);
    }

    #[test]
    fn one_hardware_address_is_for_one_instance_of_an_interface() {
        let text = "global_defs {\ndynamic_interfaces allow_if_changes\n}\n".to_owned()
            + &router("A", "eth0", &format!("use_vmac\n{}", vip("10.0.0.1")))
            + &router("B", "eth0", &format!("use_vmac other\n{}", vip("10.0.0.2")))
            + &router("C", "eth1", &vip("10.0.0.3 dev eth0 use_vmac"));
        let mut bench = Bench::new(&text);
        let plan = bench.plan(&[]);
        assert_eq!(bench.told(&plan), ["vrrp.51 on eth0 v4"]);
        let refused: Vec<_> =
            plan.refused.iter().map(|(user, name, why)| (&**user, name.as_str(), *why)).collect();
        assert_eq!(refused, [("B", "other", Refusal::SameAddress)]);
        let nowhere = plan.of_instance(1).unwrap();
        assert_eq!(bench.links.link(nowhere).unwrap().index, None);
        assert_eq!(plan.of_address(2, 0), plan.of_instance(0), "an address may share it");
    }

    #[test]
    fn generated_names_are_recognized() {
        let naming = Naming { configured: None, prefix: "vrrp", vrid: 51, family: Family::V4 };
        for (name, wanted) in [
            ("vrrp.51", true),
            ("vrrp6.51", true),
            ("vrrp12.51", true),
            ("vrrp.5", false),
            ("vrrpx.51", false),
        ] {
            assert_eq!(is_generated(&IfName::new(name).unwrap(), naming), wanted, "{name}");
        }
        let long = Naming { prefix: "a-long-prefix-of-it", ..naming };
        assert_eq!(generated(long, 0), None);
    }
}
