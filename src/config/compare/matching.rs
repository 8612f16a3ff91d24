//! Which instances of different routers are the same virtual router.

use super::{Member, Router};
use crate::base::addr::Family;
use crate::base::map::Map;
use crate::config::model::Instance;

/// The instances of all routers, those of one virtual router together: same router id and family, at most one of
/// each router. Where a router uses an id several times, name, interface and addresses decide.
pub(super) fn groups<'a>(routers: &'a [Router<'a>]) -> Vec<Vec<Member<'a>>> {
    let mut groups: Vec<Vec<Member<'a>>> = Vec::new();
    let mut by_id: Map<(u8, u8), Vec<usize>> = Map::new();
    for (index, router) in routers.iter().enumerate() {
        for instance in &router.model.instances {
            let member = Member { router: index, name: &router.name, model: router.model, instance };
            let key = (instance.params.vrid, instance.params.family as u8);
            by_id.change(key, |known| {
                let best = known
                    .iter()
                    .copied()
                    .filter_map(|at| {
                        let group = groups.get(at)?;
                        let free = group.iter().all(|other| other.router != index);
                        let first = group.first()?;
                        free.then(|| (closeness(first.instance, instance), at))
                    })
                    .max_by_key(|(closeness, at)| (*closeness, core::cmp::Reverse(*at)));
                match best.and_then(|(_, at)| groups.get_mut(at)) {
                    Some(group) => group.push(member),
                    None => {
                        known.push(groups.len());
                        groups.push(vec![member]);
                    }
                }
            });
        }
    }
    groups
}

/// How much two instances look like one virtual router.
fn closeness(one: &Instance, other: &Instance) -> u8 {
    let interface = |instance: &Instance| instance.interface.as_ref().map(|own| own.name.clone());
    4 * u8::from(shares_address(one, other))
        + 2 * u8::from(one.name == other.name)
        + u8::from(interface(one) == interface(other))
}

/// They hold one address at least in common.
pub(super) fn shares_address(one: &Instance, other: &Instance) -> bool {
    one.addresses
        .iter()
        .any(|address| other.addresses.iter().any(|theirs| theirs.prefix.addr == address.prefix.addr))
}

/// What a virtual router is called: its id, its family, and its names.
pub(super) fn subject(group: &[Member<'_>]) -> String {
    let Some(first) = group.first() else {
        return String::new();
    };
    let family = match first.instance.params.family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    };
    let mut names: Vec<&str> = group.iter().map(|member| member.instance.name.as_str()).collect();
    names.dedup();
    format!("VRID {} {family} ({})", first.instance.params.vrid, names.join(", "))
}
