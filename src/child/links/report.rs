//! The log lines about interfaces.

use super::Links;
use crate::base::name::IfName;
use crate::base::time::Span;
use crate::daemon::log::{info, warn};
use crate::proto::track::LinkMethod;
use crate::sys::netlink::addr::Address;

pub(super) fn state(name: &IfName, up: bool, polled: bool) {
    info!("{} reports {name} {}", if polled { "Linkbeat" } else { "Netlink" }, up_or_down(up));
}

pub(super) fn delayed(name: &IfName, up: bool, delay: Span) {
    info!("{name}: Adding change to {} delay by {}", up_or_down(up), delay.as_micros());
}

const fn up_or_down(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

pub(super) fn added(name: &IfName) {
    info!("Interface {name} added");
}

/// An interface is gone.
pub fn deleted(name: &IfName) {
    info!("Interface {name} deleted");
}

/// An interface has another name than before.
pub fn renamed(before: &IfName, after: &IfName) {
    info!("Interface name has changed from {before} to {after}");
}

pub(super) fn absent(name: &IfName) {
    info!("Configuration specifies interface {name} which doesn't currently exist - will use if created");
}

pub(super) fn polling() {
    info!("Using MII-BMSR/ETHTOOL NIC polling thread(s)...");
}

/// The driver of an interface cannot be asked in the way that the configuration names.
pub(super) fn asked_otherwise(name: &IfName, refused: LinkMethod, used: LinkMethod) {
    info!("({name}): Configured linkbeat type {} not supported, using {}", refused.word(), used.word());
}

/// The configuration wants an interface polled that is not.
pub fn not_polled(name: &IfName, why: &str) {
    info!("Turning off linkbeat for {name} since {why}");
}

pub(super) fn overrun() {
    warn!("Netlink: messages were lost (ENOBUFS); reading all interfaces and addresses again");
}

/// An address came or went, and `-a` asks for a line about each. An interface that is not in the table is named by its
/// number.
pub(super) fn address(links: &Links, address: &Address, moved: &str) {
    let addr = address.prefix.addr;
    let link = links.numbered(address.interface).and_then(|link| links.link(link));
    match link {
        Some(link) => info!("Netlink reflector reports IP {addr} {moved} {}", link.name),
        None => info!("Netlink reflector reports IP {addr} {moved} interface {}", address.interface.0),
    }
}
