//! Interfaces that an instance tracks without saying so: those that its addresses, routes and rules name.
//!
//! An address on a second interface is of no use while that interface is down; the other router may have a better
//! one. As in keepalived, `no_track` on the line takes it out, `dont_track_primary` only speaks of the
//! interface of the instance, and of a route with several ways none is watched, as one is left.

use crate::base::id::LinkId;
use crate::child::links::Links;
use crate::config::model::Instance;
use crate::proto::track::{Object, Tracked, Weight};

/// What `config` implies beyond `own`, the interface of the instance, each interface once.
pub(super) fn implied(config: &Instance, own: Option<LinkId>, links: &mut Links) -> Vec<Tracked> {
    let mut found: Vec<Tracked> = Vec::new();
    for named in config.named_interfaces().filter(|named| named.name.as_str() != LOOPBACK) {
        let link = links.named(&named.name);
        let tracked = Tracked { object: Object::Link(link), weight: Weight::default() };
        if own != Some(link) && !found.contains(&tracked) {
            found.push(tracked);
        }
    }
    found
}

/// It is up whenever the machine is.
const LOOPBACK: &str = "lo";
