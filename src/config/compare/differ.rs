//! What differs between the instances of one virtual router, and what follows from it.

use super::matching::shares_address;
use super::signatures::signatures;
use super::text::{list, spread};
use super::{Found, Member, Router, tell};
use crate::base::addr::{IpAddr, Prefix};
use crate::base::id::InstanceId;
use crate::base::map::{Map, Set};
use crate::config::model::VirtualAddress;
use crate::config::model::instance::Instance;
use crate::config::value::Seconds;
use crate::proto::vrrp::priority::OWNER;
use crate::proto::vrrp::{Auth, Version};

/// A virtual router that some of the routers do not have.
pub(super) fn presence(
    group: &[Member<'_>],
    groups: &[Vec<Member<'_>>],
    routers: &[Router<'_>],
    found: &mut Found,
) {
    let here: Set<usize> = group.iter().map(|member| member.router).collect();
    let absent: Vec<&str> = routers
        .iter()
        .enumerate()
        .filter(|(index, _)| !here.contains(index))
        .map(|(_, router)| router.name.as_str())
        .collect();
    let Some(first) = group.first().filter(|_| !absent.is_empty()) else {
        return;
    };
    // The same router under another id is told once, for the first of the two.
    let twin = groups.iter().flatten().find(|other| {
        !here.contains(&other.router)
            && other.instance.params.family == first.instance.params.family
            && (other.instance.name == first.instance.name || shares_address(other.instance, first.instance))
    });
    match twin {
        Some(twin) if twin.router < first.router => {}
        Some(twin) => {
            let what = format!(
                "virtual_router_id is {} on {}, {} on {}: they do not hear each other, and both become MASTER",
                first.instance.params.vrid, first.name, twin.instance.params.vrid, twin.name
            );
            tell(found, group, what, "write the same virtual_router_id on all routers");
        }
        None => {
            let names: Vec<&str> = group.iter().map(|member| member.name).collect();
            let what =
                format!("is on {} and not on {}: nobody there takes over", list(&names), list(&absent));
            tell(
                found,
                group,
                what,
                "add the vrrp_instance there, or leave that router out of the comparison",
            );
        }
    }
}

/// Everything that should match.
pub(super) fn instances(group: &[Member<'_>], found: &mut Found) {
    if group.len() < 2 {
        return;
    }
    protocol(group, found);
    destinations(group, found);
    addresses(group, found);
    traffic(group, found);
    election(group, found);
    grouping(group, found);
}

fn protocol(group: &[Member<'_>], found: &mut Found) {
    if let Some(values) = spread(group, &|one| number(one.instance.params.version).to_owned()) {
        let what = format!("version is {values}: each refuses the other's adverts, and both become MASTER");
        return tell(found, group, what, "write the same version on all routers");
    }
    let v2 = group.iter().any(|one| one.instance.params.version == Version::V2);
    if let Some(values) = spread(group, &|one| Seconds(one.instance.params.advert_interval).to_string()) {
        let effect = if v2 {
            "version 2 refuses adverts of another interval, and both become MASTER"
        } else {
            "a BACKUP follows the interval of its MASTER, so take-overs last longer after some failures than after others"
        };
        tell(
            found,
            group,
            format!("advert_int is {values}: {effect}"),
            "write the same advert_int on all routers",
        );
    }
    let longest = group.iter().map(|one| one.instance.params.advert_interval).max().unwrap_or_default();
    let hasty = |one: &&Member<'_>| one.instance.params.learned(longest) < longest;
    if !v2 && let Some(one) = group.iter().find(hasty) {
        let most = one.instance.params.max_learned_interval.unwrap_or_default();
        let what = format!(
            "max_learned_interval {} of {} is shorter than advert_int {} of another router: it may take over while that one lives",
            Seconds(most),
            one.name,
            Seconds(longest)
        );
        tell(found, group, what, "write at least the longest advert_int of the group");
    }
    if let Some(values) = spread(group, &|one| one.instance.params.down_timer_adverts.to_string()) {
        tell(
            found,
            group,
            format!(
                "down_timer_adverts is {values}: take-overs last longer after some failures than after others"
            ),
            "write the same down_timer_adverts on all routers",
        );
    }
    let kind = |one: &Member<'_>| {
        match one.instance.params.auth {
            _ if one.instance.hmac.is_some() => "auth_hmac",
            Auth::None => "none",
            Auth::Pass(_) => "PASS",
            Auth::Header(_) => "AH",
        }
        .to_owned()
    };
    let refusal = "each refuses the other's adverts, and both become MASTER";
    let same = |one: &Member<'_>| {
        group.first().is_some_and(|first| one.instance.params.auth == first.instance.params.auth)
    };
    let signed = group.iter().any(|one| one.instance.hmac.is_some());
    if signed && group.iter().all(|one| one.instance.params.auth == Auth::None) {
        signatures(group, found);
    } else if let Some(values) = spread(group, &kind) {
        tell(
            found,
            group,
            format!("authentication is {values}: {refusal}"),
            "write the same authentication block on all routers, or none: it protects from mistakes only",
        );
    } else if !group.iter().all(same) {
        let other = group.iter().filter(|one| !same(one)).map(|one| one.name);
        let what = format!(
            "auth_pass on {} is another one than on {}: {refusal}",
            list(&other.collect::<Vec<_>>()),
            group.first().map_or("", |first| first.name)
        );
        tell(found, group, what, "write the same auth_pass on all routers");
    }
    if let Some(values) = spread(group, &|one| switch(one.instance.params.v3_checksum_as_v2))
        && !v2
    {
        tell(
            found,
            group,
            format!(
                "v3_checksum_as_v2 is {values}: this program accepts both, keepalived refuses the other form"
            ),
            "write the same on all routers",
        );
    }
}

const fn number(version: Version) -> &'static str {
    match version {
        Version::V2 => "2",
        Version::V3 => "3",
    }
}

fn switch(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

fn destinations(group: &[Member<'_>], found: &mut Found) {
    let deaf = "they do not hear each other, and both become MASTER";
    let way = |one: &Member<'_>| if one.instance.unicast() { "unicast" } else { "multicast" }.to_owned();
    if let Some(values) = spread(group, &way) {
        let what = format!("adverts are {values}: {deaf}");
        return tell(found, group, what, "write unicast_peer on all routers, or on none");
    }
    if group.iter().any(|one| !one.instance.unicast()) {
        if let Some(values) = spread(group, &|one| one.instance.group.to_string()) {
            tell(
                found,
                group,
                format!("the multicast group is {values}: {deaf}"),
                "write the same vrrp_mcast_group4 or 6, or mcast_dst_ip, on all routers",
            );
        }
        return;
    }
    let sources: Map<IpAddr, &str> =
        group.iter().filter_map(|one| Some((one.instance.source?, one.name))).collect();
    let all_known = group.iter().all(|one| one.instance.source.is_some());
    if all_known && sources.len() < group.len() {
        let what =
            "two routers have the same unicast_src_ip: each takes the other's adverts for its own".to_owned();
        let remedy = "write the address of each router as its unicast_src_ip";
        return tell(found, group, what, remedy);
    }
    for one in group {
        let peers: Set<IpAddr> = one.instance.peers.iter().map(|peer| peer.addr).collect();
        for (addr, name) in sources.iter() {
            if *name != one.name && !peers.contains(addr) {
                let what = format!(
                    "unicast_peer on {} lacks {addr}, the unicast_src_ip of {name}: {name} does not hear {}",
                    one.name, one.name
                );
                tell(found, group, what, &format!("add {addr} to unicast_peer on {}", one.name));
            }
        }
        if all_known {
            for addr in peers.iter().filter(|addr| !sources.contains_key(addr)) {
                let what = format!(
                    "unicast_peer on {} names {addr}, which is the unicast_src_ip of none of the routers",
                    one.name
                );
                tell(
                    found,
                    group,
                    what,
                    "correct it, or compare with the configuration of that router as well",
                );
            }
        }
    }
}

fn addresses(group: &[Member<'_>], found: &mut Found) {
    type Field = fn(&Instance) -> &Vec<VirtualAddress>;
    let fields: [(&str, Field, &str); 2] = [
        (
            "virtual_ipaddress",
            |instance| &instance.addresses,
            "it is not reachable while such a router is MASTER, and every advert is reported as odd",
        ),
        (
            "virtual_ipaddress_excluded",
            |instance| &instance.excluded,
            "it is not reachable while such a router is MASTER",
        ),
    ];
    for (keyword, field, effect) in fields {
        let mut all: Map<IpAddr, Vec<(&str, Prefix)>> = Map::new();
        for one in group {
            for address in field(one.instance) {
                all.change(address.prefix.addr, |known| known.push((one.name, address.prefix)));
            }
        }
        for (addr, holders) in all.iter() {
            let holds = |name: &str| holders.iter().any(|(holder, _)| *holder == name);
            let lacking: Vec<&str> = group.iter().map(|one| one.name).filter(|name| !holds(name)).collect();
            if !lacking.is_empty() {
                let what = format!("{keyword} {addr} is missing on {}: {effect}", list(&lacking));
                tell(found, group, what, "write the same addresses on all routers");
                continue;
            }
            let len = |one: &Member<'_>| {
                let own = holders.iter().find(|(holder, _)| *holder == one.name);
                own.map_or_else(String::new, |(_, prefix)| format!("/{}", prefix.len))
            };
            if let Some(values) = spread(group, &len) {
                let what = format!(
                    "the prefix of {addr} is {values}: with it the connected route changes at a take-over"
                );
                tell(found, group, what, "write the same prefix length on all routers");
            }
        }
    }
}

fn traffic(group: &[Member<'_>], found: &mut Found) {
    if let Some(values) = spread(group, &|one| switch(one.instance.accept)) {
        tell(
            found,
            group,
            format!(
                "accept is {values}: some of them drop packets to the virtual addresses while they are MASTER"
            ),
            "write accept, or vrrp_strict, alike on all routers",
        );
    }
    if let Some(values) = spread(group, &|one| switch(one.instance.vmac.is_some())) {
        tell(
            found,
            group,
            format!(
                "use_vmac is {values}: the hardware address of the virtual addresses changes at a take-over"
            ),
            "write use_vmac on all routers, or on none",
        );
    }
}

fn election(group: &[Member<'_>], found: &mut Found) {
    let mut by_priority: Map<u8, Vec<&Member<'_>>> = Map::new();
    for one in group {
        by_priority.change(one.instance.params.priority, |equal| equal.push(one));
    }
    for (priority, equal) in by_priority.iter().rev().filter(|(_, equal)| equal.len() > 1) {
        let names: Vec<&str> = equal.iter().map(|one| one.name).collect();
        let (what, remedy) = if *priority == OWNER {
            (
                format!(
                    "{} all claim to be the address owner (priority 255): more than one can stay MASTER",
                    list(&names)
                ),
                "give 255 to the router that has the address on its interface for ever, or to none",
            )
        } else {
            (
                format!(
                    "priority is {priority} on {}: whoever starts first is master, and of two masters the higher address wins",
                    list(&names)
                ),
                "write another priority on each router",
            )
        };
        tell(found, group, what, remedy);
    }
    let Some((_, top)) = by_priority.iter().next_back() else {
        return;
    };
    let stays: Vec<&str> =
        group.iter().filter(|one| !one.instance.params.preempt).map(|one| one.name).collect();
    if let ([leader], false) = (top.as_slice(), stays.is_empty())
        && leader.instance.params.preempt
    {
        let what = format!(
            "nopreempt is on {} and not on {}, which has the highest priority: {} takes the addresses back all the same",
            list(&stays),
            leader.name,
            leader.name
        );
        let remedy = format!("write nopreempt, and state BACKUP, on {}", leader.name);
        tell(found, group, what, &remedy);
    }
}

/// Instances that change state together on one router and not on another.
fn grouping(group: &[Member<'_>], found: &mut Found) {
    let fellows = |one: &Member<'_>| {
        let instance = |id: &InstanceId| one.model.instances.get(id.index());
        let own = |id: &InstanceId| instance(id).is_some_and(|member| core::ptr::eq(member, one.instance));
        let Some(sync) = one.model.groups.iter().find(|sync| sync.members.iter().any(own)) else {
            return "none".to_owned();
        };
        let ids: Set<u8> = sync.members.iter().filter_map(|id| Some(instance(id)?.params.vrid)).collect();
        let ids: Vec<String> = ids.iter().map(u8::to_string).collect();
        format!("that of VRIDs {}", list(&ids))
    };
    if let Some(values) = spread(group, &fellows) {
        let what =
            format!("the sync group is {values}: a failure can leave its members on different routers");
        tell(found, group, what, "write the same vrrp_sync_group on all routers");
    }
}
