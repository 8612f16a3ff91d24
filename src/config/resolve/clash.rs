//! Rules between objects: one router id, one macvlan name, one use of each script at least.

use crate::base::addr::IpAddr;
use crate::base::mac::Mac;
use crate::base::map::{Map, Set};
use crate::base::name::IfName;
use crate::config::diag::{Diagnostic, Diagnostics, Severity};
use crate::config::model::{At, Instance, Model, Probe};

/// Two routers with one id on one link: multicast ones exclude each other unless their destinations differ,
/// unicast ones if they have the same source and a common peer.
#[derive(Default)]
pub(super) struct RouterIds {
    /// The instance that is next.
    at: usize,
    /// The instances so far by what they must have in common to clash, which keeps thousands of them linear.
    seen: Map<(u8, u8, bool), Vec<usize>>,
    /// Instances that clash with one of this name.
    clashes: Vec<(usize, String)>,
}

impl RouterIds {
    /// Compares the instances of a slice with those before them. False: all have been compared, and clashes are told.
    pub(super) fn advance(&mut self, model: &mut Model, found: &mut Diagnostics) -> bool {
        let end = self.at.saturating_add(super::SLICE);
        for (index, instance) in model.instances.iter().enumerate().take(end).skip(self.at) {
            let family = instance.params.family as u8;
            self.seen.change((instance.params.vrid, family, instance.unicast()), |same| {
                let others = same.iter().filter_map(|other| model.instances.get(*other));
                if let Some(other) = others.into_iter().find(|other| clash(other, instance)) {
                    self.clashes.push((index, other.name.clone()));
                }
                same.push(index);
            });
        }
        self.at = end;
        if end < model.instances.len() {
            return true;
        }
        tell_clashes(model, core::mem::take(&mut self.clashes), found);
        false
    }
}

fn tell_clashes(model: &mut Model, clashes: Vec<(usize, String)>, found: &mut Diagnostics) {
    let dynamic = model.global.vrrp.allow_if_changes;
    for (index, other) in clashes {
        let Some(instance) = model.instances.get_mut(index) else {
            continue;
        };
        let interface = instance.interface.as_ref().map_or("-", |interface| interface.name.as_str());
        let message = format!(
            "{other} and {} both use VRID {} with {} on interface {interface}",
            instance.name, instance.params.vrid, instance.params.family
        );
        let severity = if dynamic { Severity::Error } else { Severity::Fatal };
        let finding = Diagnostic::new(severity, instance.at.0, message);
        found.report(finding.remedy("give each router of a link its own virtual_router_id"));
        instance.conflict = dynamic.then(|| other.into());
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

/// Two instances of one router id would share a macvlan if it had one hardware address on one interface; members
/// of one sync group may, of others the later one has to stand aside.
pub(super) fn shared_vmacs(model: &mut Model, found: &mut Diagnostics) {
    let mut first: Map<(&IfName, Mac), &Instance> = Map::new();
    let mut aside = Vec::new();
    for (index, instance) in model.instances.iter().enumerate() {
        let (Some(interface), Some(vmac)) = (interface(instance), &instance.vmac) else {
            continue;
        };
        let params = &instance.params;
        let mac = vmac.mac.unwrap_or_else(|| Mac::virtual_router(params.family, params.vrid));
        let Some(other) = first.get(&(interface, mac)).copied() else {
            first.insert((interface, mac), instance);
            continue;
        };
        let grouped = instance.sync_group.is_some() && instance.sync_group == other.sync_group;
        if grouped || other.params.vrid != params.vrid {
            continue;
        }
        let message =
            format!("({}) uses same VMAC as VRRP instance {}, disabling", instance.name, other.name);
        let finding = Diagnostic::new(Severity::Error, vmac.at.0, message);
        found.report(
            finding.remedy(
                "write another hardware address after use_vmac, or put both into one vrrp_sync_group",
            ),
        );
        aside.push((index, other.name.clone()));
    }
    for (index, other) in aside {
        if let Some(instance) = model.instances.get_mut(index) {
            instance.conflict.get_or_insert_with(|| other.into());
        }
    }
}

/// A name of a macvlan or an ipvlan can be given once.
pub(super) fn vmac_names(model: &mut Model, found: &mut Diagnostics) {
    let mut used: Map<IfName, String> = Map::new();
    // The others share their settings, and go on to.
    let own = model.instances.iter_mut().filter(|one| one.vmac.is_some() || one.ipvlan.is_some());
    for Instance { name: instance, settings, .. } in own {
        let settings = &mut **settings;
        let (slot, at) = match (&mut settings.vmac, &mut settings.ipvlan) {
            (Some(vmac), _) => (&mut vmac.name, vmac.at),
            (None, Some(ipvlan)) => (&mut ipvlan.name, ipvlan.at),
            (None, None) => continue,
        };
        let Some(name) = slot.clone() else { continue };
        match used.get(&name) {
            Some(other) => {
                let message =
                    format!("({instance}) VRRP instance {other} is already using {name} - ignoring name");
                let finding = Diagnostic::new(Severity::Error, at.0, message);
                found.report(finding.remedy("a generated name is used"));
                *slot = None;
            }
            None => {
                used.insert(name, instance.clone());
            }
        }
    }
}

/// Scripts, files and process monitors that nobody tracks are told.
pub(super) fn unused_trackers(model: &mut Model, found: &mut Diagnostics) {
    let mut scripts = Set::new();
    let mut files = Set::new();
    let mut processes = Set::new();
    for instance in &model.instances {
        scripts.extend(instance.track_scripts.iter().map(|one| one.script.index()));
        files.extend(instance.track_files.iter().map(|one| one.of.index()));
        processes.extend(instance.track_processes.iter().map(|one| one.of.index()));
    }
    for group in &model.groups {
        scripts.extend(group.track_scripts.iter().map(|one| one.script.index()));
        files.extend(group.track_files.iter().map(|one| one.of.index()));
        processes.extend(group.track_processes.iter().map(|one| one.of.index()));
    }
    let servers = model.virtual_servers().iter().flat_map(|service| &service.servers);
    for check in servers.flat_map(|server| &server.checks) {
        if let Probe::File(id, _) = check.probe {
            files.insert(id.index());
        }
    }
    let mut tell = |used: &Set<usize>, what: &str, all: Vec<(&str, At)>| {
        for (index, (name, at)) in all.into_iter().enumerate() {
            if !used.contains(&index) {
                found.note(at.0, format!("Warning - {what} {name} is not used"));
            }
        }
    };
    let all = model.scripts.iter().map(|one| (one.name.as_str(), one.at));
    tell(&scripts, "script", all.collect());
    let all = model.files.iter().map(|one| (one.name.as_str(), one.at));
    tell(&files, "track_file", all.collect());
    let all = model.processes.iter().map(|one| (one.name.as_str(), one.at));
    tell(&processes, "vrrp_track_process", all.collect());
}

#[cfg(test)]
mod tests {
    use crate::config::assemble;
    use crate::config::diag::{Diagnostics, Severity};
    use crate::config::expand;

    /// Whether two instances of one router id may stand side by side.
    fn together(one: &str, other: &str) -> bool {
        let instance = |name: &str, lines: &str| {
            let interface = if lines.contains("interface") { "" } else { "interface eth0\n" };
            format!(
                "vrrp_instance {name} {{\n{interface}virtual_router_id 51\n{lines}\nvirtual_ipaddress {{\n192.0.2.{}\n}}\n}}\n",
                name.len()
            )
        };
        let mut found = Diagnostics::new();
        let parsed = expand::parse_text(&(instance("A", one) + &instance("BC", other)), &mut found);
        let model = assemble::model(&parsed.tree, &mut found);
        assert_eq!(model.instances.len(), 2);
        !found
            .iter()
            .any(|finding| finding.severity == Severity::Fatal && finding.message.contains("both use VRID"))
    }

    fn unicast(source: &str, peers: &str) -> String {
        format!("unicast_src_ip {source}\nunicast_peer {{\n{peers}\n}}")
    }

    #[test]
    fn one_router_id_may_be_used_twice_where_nobody_takes_one_for_the_other() {
        let base = unicast("10.0.0.1", "10.0.0.2\n10.0.0.3");
        assert!(!together("", ""), "two to the group");
        assert!(!together(&base, &base));
        assert!(!together(&base, &unicast("10.0.0.1", "10.0.0.4\n10.0.0.3")), "one common peer is enough");
        assert!(together(&base, &unicast("10.0.0.1", "10.0.0.4\n10.0.0.5")), "other peers");
        assert!(together(&base, &unicast("10.0.0.9", "10.0.0.2\n10.0.0.3")), "another source");
        assert!(together(&base, &format!("interface eth1\n{base}")), "another interface");
        assert!(together(&base, ""), "one to its peers, one to the group");
        assert!(together("", "interface eth1"));
        assert!(together("", "mcast_dst_ip 224.0.0.200"));
        assert!(!together("mcast_dst_ip 224.0.0.200", "mcast_dst_ip 224.0.0.200"));
    }
}
