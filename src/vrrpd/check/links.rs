//! Do the interfaces that a configuration names exist?
//!
//! keepalived's config test counts an unknown interface as an ordinary mistake, but those of
//! `linkbeat_interfaces` and `interface_up_down_delays`, and the missing default of a static address, in a
//! class of their own (exit 4); with `dynamic_interfaces` it only notes them.

use crate::base::map::Set;
use crate::base::name::IfName;
use crate::child::check::{Check, Present, mark};
use crate::child::links::Links;
use crate::config::diag::{Class, Diagnostic, Diagnostics, Severity};
use crate::config::model::{Instance, Model, Named, Route, Rule};
use crate::vrrpd::own::plan::Plan;

/// Where static addresses go that name no interface.
const DEFAULT: &str = "eth0";

/// Walks what instances, groups and static items name.
struct Walk<'f>(Check<'f>);

/// Reports every interface that is not there.
pub(super) fn check(model: &Model, present: &mut Present, found: &mut Diagnostics) {
    strict(model, present, found);
    room(model, present, found);
    sources(model, present, found);
    // Delays and polling are for links that the machine has, not for those that are made, as in keepalived.
    let made = made(model);
    let mut check = Walk(Check { present, made, dynamic: model.global.vrrp.dynamic_interfaces, found });
    for instance in &model.instances {
        check.instance(instance);
    }
    for group in &model.groups {
        let owner = format!("vrrp_sync_group {}", group.name);
        for tracked in &group.track_interfaces {
            check.one(&tracked.interface, "tracked interface", &owner);
        }
    }
    check.network(model);
}

/// The names of those that will be made, generated ones as well: `vrrp.51`.
fn made(model: &Model) -> Set<IfName> {
    let mut links = Links::default();
    let plan = Plan::new(model, &mut links, &[], &[]);
    plan.owns.iter().filter_map(|own| links.link(own.link)).map(|link| link.name.clone()).collect()
}

/// Reports which strict instances have peers although their interface has multicast. keepalived does not run them.
fn strict(model: &Model, present: &mut Present, found: &mut Diagnostics) {
    for instance in model.instances.iter().filter(|instance| instance.strict) {
        let link = instance.interface.as_ref().and_then(|named| present.link(&named.name));
        let on_multicast = link.is_some_and(|link| link.flags.multicast());
        if let (true, Some(first)) = (on_multicast, instance.peers.first()) {
            let message = format!("({}) Unicast peers are not supported in strict mode", instance.name);
            let finding = Diagnostic::new(Severity::Warning, first.at.0, message);
            found.report(finding.remedy("write strict_mode off into the instance, or remove unicast_peer"));
        }
    }
}

/// Reports whose adverts have no room for all addresses on their interface.
fn room(model: &Model, present: &mut Present, found: &mut Diagnostics) {
    for instance in &model.instances {
        let Some(link) = instance.interface.as_ref().and_then(|named| present.link(&named.name)) else {
            continue;
        };
        let room = instance.advert_room(link.mtu);
        if let Some(first) = instance.addresses.get(room) {
            let message = format!("({}) {}", instance.name, instance.overfull(room));
            let finding = Diagnostic::new(Severity::Warning, first.at.0, message);
            found.report(
                finding.remedy("write this address and those behind it into virtual_ipaddress_excluded"),
            );
        }
    }
}

/// Reports which sources of adverts are no addresses of this machine, where that matters. keepalived sends from them all
/// the same.
fn sources(model: &Model, present: &mut Present, found: &mut Diagnostics) {
    let lines = model.network.addresses.iter().map(|line| &line.address);
    let lines = lines.chain(model.instances.iter().flat_map(|it| it.addresses.iter().chain(&it.excluded)));
    let ours: Set<_> = lines.map(|line| line.prefix.addr).collect();
    for instance in &model.instances {
        let Some(source) = instance.tracked_source().filter(|source| !ours.contains(source)) else {
            continue;
        };
        if !present.has_address(source) {
            let message =
                format!("({}) source address {source} is on no interface of this machine", instance.name);
            let finding = Diagnostic::new(Severity::Note, instance.at.0, message);
            found.report(
                finding.remedy("check it with `ip addr`; the instance stays in FAULT until it is there"),
            );
        }
    }
}

impl Walk<'_> {
    fn instance(&mut self, instance: &Instance) {
        let owner = format!("vrrp_instance {}", instance.name);
        if let Some(named) = &instance.interface {
            self.one(named, "interface", &owner);
        }
        if let Some(vmac) = &instance.vmac
            && let Some(name) = &vmac.name
            && self.0.present.link(name).is_some_and(|link| link.kind != "macvlan")
        {
            let message = format!(
                "({}) interface {name} already exists and is not a private macvlan; ignoring vmac if_name",
                instance.name
            );
            self.0.found.report(Diagnostic::new(Severity::Warning, vmac.at.0, message));
        }
        if let Some(named) = &instance.vrf {
            self.one(named, "VRF interface", &owner);
        }
        for tracked in &instance.track_interfaces {
            self.one(&tracked.interface, "tracked interface", &owner);
        }
        let lines = instance.addresses.iter().chain(&instance.excluded);
        for named in lines.filter_map(|line| line.dev.as_ref()) {
            self.one(named, "address interface", &owner);
        }
        self.routes(&instance.routes, &owner);
        self.rules(&instance.rules, &owner);
    }

    fn routes(&mut self, routes: &[Route], owner: &str) {
        for route in routes {
            let hops = route.nexthops.iter().filter_map(|hop| hop.dev.as_ref());
            for named in route.dev.iter().chain(&route.vrf).chain(hops) {
                self.one(named, "route interface", owner);
            }
        }
    }

    fn rules(&mut self, rules: &[Rule], owner: &str) {
        for named in rules.iter().flat_map(|rule| rule.input.iter().chain(&rule.output)) {
            self.one(named, "rule interface", owner);
        }
    }

    fn network(&mut self, model: &Model) {
        let network = &model.network;
        let default = model.global.vrrp.default_interface.as_ref();
        let default = default.map(|named| named.name.clone()).or_else(|| IfName::new(DEFAULT));
        // Looked up only if an address needs it.
        let needed = network.addresses.iter().any(|line| line.address.dev.is_none());
        let default_there = needed && default.is_some_and(|name| self.0.there(&name));
        for line in &network.addresses {
            match &line.address.dev {
                Some(named) => self.one(named, "interface", "static_ipaddress"),
                None if default_there => {}
                None => {
                    let message = format!(
                        "Static address {} requires either an interface or default interface must exist",
                        line.address.prefix
                    );
                    self.0.tell(
                        line.address.at.0.into(),
                        message,
                        Class::Interface,
                        "write dev and an interface",
                    );
                }
            }
        }
        self.routes(&network.routes, "static_routes");
        self.rules(&network.rules, "static_rules");
        for group in &network.garp_groups {
            for named in &group.interfaces {
                self.one(named, "interface", "garp_group");
            }
        }
        let polled = network.linkbeat.iter().map(|line| (&line.interface, "linkbeat interface"));
        let delayed = network.delays.iter().map(|line| (&line.interface, "up/down delay"));
        for (named, what) in polled.chain(delayed) {
            if !self.0.present.has(&named.name) {
                let message = format!("unknown interface {} specified for {what}", named.name);
                self.0.tell(mark(named), message, Class::Interface, "check the name with `ip link`");
            }
        }
    }

    fn one(&mut self, named: &Named, what: &str, owner: &str) {
        let remedy = if owner.starts_with("vrrp_instance") {
            "check the name with `ip link`; the instance stays in FAULT until the interface appears"
        } else {
            "check the name with `ip link`"
        };
        self.0.one(named, what, owner, remedy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{assemble, expand};

    #[test]
    fn interfaces_that_are_made_count_as_there() {
        let told = |way: &str, name: &str| {
            let text = format!(
                "vrrp_instance A {{\n interface lo0\n virtual_router_id 51\n {way}\n virtual_ipaddress {{\n \
                 192.0.2.1\n }}\n virtual_routes {{\n 198.51.100.0/24 dev {name}\n }}\n virtual_rules {{\n from \
                 198.51.100.0/24 iif {name} table 7 priority 7\n }}\n track_interface {{\n {name}\n }}\n}}\n"
            );
            let mut found = Diagnostics::new();
            let model = assemble::model(&expand::parse_text(&text, &mut found).tree, &mut found);
            let mut found = Diagnostics::new();
            check(&model, &mut Present::default(), &mut found);
            found.iter().filter(|one| one.message.contains(&format!(" {name} for"))).count()
        };
        let other_family = "virtual_ipaddress_excluded {\n 2001:db8::1 use_vmac\n }";
        assert_eq!(told("use_vmac", "vrrp.51"), 0);
        assert_eq!(told("use_vmac named", "named"), 0);
        assert_eq!(told("use_ipvlan", "vrrp.51"), 0);
        assert_eq!(told(other_family, "vrrp.51"), 0);
        assert_eq!(told(&format!("use_vmac\n {other_family}"), "vrrp6.51"), 0);
        assert_eq!(told("use_vmac", "vrrp.52"), 3, "nobody makes that one");
        assert_eq!(told("use_vmac named", "vrrp.51"), 3, "it has its name");
        assert_eq!(told("", "vrrp.51"), 3);
    }
}
