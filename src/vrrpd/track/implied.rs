//! Interfaces that an instance tracks without saying so: those that its addresses, routes and rules name.
//!
//! An address on a second interface is of no use while that interface is down; the other router may have a better
//! one. As in the reference, `no_track` on the line takes it out, `dont_track_primary` only speaks of the
//! interface of the instance, and of a route with several ways none is watched, as one is left.

use super::{Object, Tracked};
use crate::base::id::LinkId;
use crate::config::model::{Instance, Named};
use crate::proto::track::Weight;
use crate::vrrpd::links::Links;

/// What `config` implies beyond `own`, the interface of the instance, each interface once.
pub(in crate::vrrpd) fn implied(config: &Instance, own: Option<LinkId>, links: &mut Links) -> Vec<Tracked> {
    let mut found: Vec<Tracked> = Vec::new();
    for named in named(config).filter(|named| named.name.as_str() != LOOPBACK) {
        let link = links.named(&named.name);
        let tracked = Tracked { object: Object::Link(link), weight: Weight::default() };
        if own != Some(link) && !found.contains(&tracked) {
            found.push(tracked);
        }
    }
    found
}

fn named(config: &Instance) -> impl Iterator<Item = &Named> {
    let addresses = config.addresses.iter().chain(&*config.excluded);
    let addresses = addresses.filter(|line| !line.no_track).filter_map(|line| line.dev.as_ref());
    let routes = config.routes.iter().filter(|route| !route.no_track);
    let routes = routes.filter_map(|route| route.dev.as_ref());
    let rules = config.rules.iter().filter(|rule| !rule.no_track);
    let rules = rules.flat_map(|rule| rule.input.iter().chain(&rule.output));
    addresses.chain(routes).chain(rules)
}

/// It is up whenever the machine is.
const LOOPBACK: &str = "lo";
