//! Rules between objects: one router id, one macvlan name, one use of each script at least.

use crate::base::addr::IpAddr;
use crate::base::name::IfName;
use crate::config::diag::{Diagnostic, Diagnostics, Severity};
use crate::config::model::{Instance, Model};
use std::collections::{BTreeMap, BTreeSet};

/// Two routers with one id on one link: multicast ones exclude each other unless their destinations differ,
/// unicast ones if they have the same source and a common peer.
pub(super) fn vrids(model: &mut Model, found: &mut Diagnostics) {
    let dynamic = model.global.vrrp.allow_if_changes;
    // Only instances with one key can clash, which keeps thousands of them linear.
    let mut seen: BTreeMap<(u8, u8, bool), Vec<usize>> = BTreeMap::new();
    let mut clashes = Vec::new();
    for (index, instance) in model.instances.iter().enumerate() {
        let family = instance.params.family as u8;
        let same = seen
            .entry((instance.params.vrid, family, instance.unicast()))
            .or_default();
        let other = same
            .iter()
            .filter_map(|other| model.instances.get(*other))
            .find(|other| clash(other, instance));
        if let Some(other) = other {
            clashes.push((index, other.name.clone()));
        }
        same.push(index);
    }
    for (index, other) in clashes {
        let Some(instance) = model.instances.get_mut(index) else {
            continue;
        };
        let interface = instance
            .interface
            .as_ref()
            .map_or("-", |interface| interface.name.as_str());
        let message = format!(
            "{other} and {} both use VRID {} with {} on interface {interface}",
            instance.name, instance.params.vrid, instance.params.family
        );
        let severity = if dynamic { Severity::Error } else { Severity::Fatal };
        let finding = Diagnostic::new(severity, instance.at.0, message);
        found.report(finding.remedy("give each router of a link its own virtual_router_id"));
        instance.vrid_clash = dynamic.then_some(other);
    }
}

/// Both have the same id, family and kind of destination.
fn clash(one: &Instance, other: &Instance) -> bool {
    if one.unicast() {
        let common = |addr: &IpAddr| other.peers.iter().any(|peer| peer.addr == *addr);
        return one.source == other.source
            && interface(one) == interface(other)
            && one.peers.iter().any(|peer| common(&peer.addr));
    }
    interface(one) == interface(other) && one.group == other.group
}

fn interface(instance: &Instance) -> Option<&IfName> {
    instance.interface.as_ref().map(|interface| &interface.name)
}

/// A name of a macvlan can be given once.
pub(super) fn vmac_names(model: &mut Model, found: &mut Diagnostics) {
    let mut used: BTreeMap<IfName, String> = BTreeMap::new();
    for instance in &mut model.instances {
        let Some(vmac) = &mut instance.vmac else { continue };
        let Some(name) = vmac.name.clone() else { continue };
        match used.get(&name) {
            Some(other) => {
                let message = format!(
                    "({}) VRRP instance {other} is already using {name} - ignoring name",
                    instance.name
                );
                let finding = Diagnostic::new(Severity::Error, vmac.at.0, message);
                found.report(finding.remedy("a generated name is used"));
                vmac.name = None;
            }
            None => {
                used.insert(name, instance.name.clone());
            }
        }
    }
}

/// Scripts that nobody tracks are told.
pub(super) fn unused_scripts(model: &Model, found: &mut Diagnostics) {
    let trackers = model
        .instances
        .iter()
        .flat_map(|instance| &instance.track_scripts);
    let used: BTreeSet<usize> = trackers.map(|tracked| tracked.script.index()).collect();
    for (index, script) in model.scripts.iter().enumerate() {
        if !used.contains(&index) {
            found.note(
                script.at.0,
                format!("Warning - script {} is not used", script.name),
            );
        }
    }
}
