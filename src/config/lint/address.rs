//! Virtual addresses and where they are.

use super::places::named;
use super::{Input, Report};
use crate::base::addr::{IpAddr, Prefix};
use crate::base::map::Map;
use crate::base::name::IfName;
use crate::config::diag::Mark;
use crate::config::model::{Instance, VirtualAddress};
use crate::proto::vrrp::priority::OWNER;

/// The interface that never goes down and has no neighbours.
const LOOPBACK: &str = "lo";

fn all(instance: &Instance) -> impl Iterator<Item = &VirtualAddress> {
    instance.addresses.iter().chain(instance.excluded.iter())
}

/// The interface that holds an address.
fn device<'a>(instance: &'a Instance, address: &'a VirtualAddress) -> Option<&'a IfName> {
    let device = address.dev.as_ref().or(instance.interface.as_ref());
    device.map(|device| &device.name)
}

fn mark(address: &VirtualAddress) -> Mark {
    named(&address.prefix.addr.to_string(), address.at.0)
}

pub(super) fn off_subnet(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        for address in all(instance) {
            let addr = address.prefix.addr;
            let link_local = matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local());
            // Addresses of a loopback interface are reached by routes, not by neighbours.
            let Some((name, link)) =
                device(instance, address).and_then(|name| Some((name, input.facts.link(name)?)))
            else {
                continue;
            };
            let same = |own: &&Prefix| own.family() == address.prefix.family();
            let subnets: Vec<String> = link
                .addresses
                .iter()
                .filter(same)
                // The address itself is there while this router is MASTER, and proves nothing.
                .filter(|own| own.addr != addr)
                .map(ToString::to_string)
                .collect();
            let inside = |own: &Prefix| own.contains(&addr) || address.prefix.contains(&own.addr);
            let fits = link.addresses.iter().filter(|own| own.addr != addr).any(inside);
            if link_local || subnets.is_empty() || fits || name.as_str() == LOOPBACK {
                continue;
            }
            let message =
                format_args!("({}) {addr} is in no subnet of {name} ({})", instance.name, subnets.join(", "));
            report.tell(mark(address), message);
        }
    }
}

pub(super) fn twice(input: &Input<'_>, report: &mut Report<'_>) {
    let mut seen: Map<(IpAddr, Option<&IfName>), Option<&Instance>> = Map::new();
    for instance in &input.model.instances {
        for address in all(instance) {
            let key = (address.prefix.addr, device(instance, address));
            let first = seen.change(key, |first| *first.get_or_insert(instance));
            if !core::ptr::eq(first, instance) {
                let message = format_args!(
                    "({}) {} is an address of {}, too: it stays until the last MASTER of them steps down",
                    instance.name, address.prefix.addr, first.name
                );
                report.tell(mark(address), message);
            }
        }
    }
}

pub(super) fn source_is_virtual(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        let Some(source) = instance.source else { continue };
        if let Some(address) = all(instance).find(|address| address.prefix.addr == source) {
            let message = format_args!(
                "({}) {source} is the source of adverts and a virtual address: as BACKUP the router does not have it",
                instance.name
            );
            report.tell(mark(address), message);
        }
    }
}

/// An address owner has its addresses for itself.
pub(super) fn own(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in input.model.instances.iter().filter(|one| one.params.priority != OWNER) {
        for address in all(instance).filter(|one| input.facts.addresses.contains(&one.prefix.addr)) {
            let message =
                format_args!("({}) {} is an address of this machine", instance.name, address.prefix.addr);
            report.tell(mark(address), message);
        }
    }
}

pub(super) fn label_foreign(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        for address in all(instance) {
            let (Some(label), Some(name)) = (&address.label, device(instance, address)) else {
                continue;
            };
            let rest = label.strip_prefix(name.as_str());
            if instance.vmac.is_none() && !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':')) {
                let message = format_args!(
                    "({}) label {label} of {} is not one of {name}: ifconfig does not show the address",
                    instance.name, address.prefix.addr
                );
                report.advise(mark(address), message, &format!("write label {name}:<text>"));
            }
        }
    }
}

pub(super) fn device_untracked(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        let own = instance.interface.as_ref().map(|own| &own.name);
        let mut told: Vec<&IfName> = Vec::new();
        for address in all(instance) {
            let Some(dev) = address.dev.as_ref().map(|dev| &dev.name) else {
                continue;
            };
            // An address is tracked with its interface unless its line says otherwise.
            let named = |one: &VirtualAddress| {
                !one.no_track && one.dev.as_ref().is_some_and(|named| named.name == *dev)
            };
            let tracked = instance.track_interfaces.iter().any(|tracked| tracked.interface.name == *dev)
                || all(instance).any(named);
            // A loopback interface does not go down.
            if own == Some(dev) || tracked || dev.as_str() == LOOPBACK || told.contains(&dev) {
                continue;
            }
            told.push(dev);
            let message = format_args!(
                "({}) {} is on {dev}, which nothing tracks: when {dev} goes down this router stays MASTER",
                instance.name, address.prefix.addr
            );
            let remedy = format!("leave no_track out, or write track_interface {{ {dev} }}");
            report.advise(mark(address), message, &remedy);
        }
    }
}
