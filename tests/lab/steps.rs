//! What most scenarios consist of: a master stops or is killed, and its heir takes over on time.

use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, EARLY, Timing, eventually};
use crate::kit::capture::{nanos, now};
use crate::kit::daemon::Daemon;
use crate::kit::decode::Event;
use crate::kit::load;
use crate::kit::net::{Net, between};
use crate::kit::node::Node;

/// Who takes over, and by which clock.
#[derive(Clone, Copy)]
pub(crate) struct Heir<'n> {
    /// The node.
    pub(crate) node: &'n str,
    /// Its priority.
    pub(crate) priority: u8,
    /// The timing of the virtual router.
    pub(crate) timing: Timing,
}

/// SIGTERM of a master: a goodbye, exit code 0, and the heir advertises its skew time later.
pub(crate) fn stop(net: &Net, name: &str, master: Daemon<'_>, heir: Heir<'_>) -> Event {
    let at = now();
    let (_, code) = master.stop();
    assert_eq!(code, Some(0), "exit code of a daemon stopped by SIGTERM");
    let goodbye = net.wait("a goodbye", at, Duration::ZERO, |event| event.is_goodbye_of(name));
    let first = net.wait_master(heir.node, goodbye.at, heir.timing.skew(heir.priority));
    on_time(net, &goodbye, &first, heir.timing.skew(heir.priority));
    let later = net.adverts(goodbye.at, name);
    assert!(later.is_empty(), "{name} advertised after its goodbye\n{}", net.story(at));
    first
}

/// kill -9 of a master: the heir advertises its master-down time after the last advert.
pub(crate) fn kill(net: &Net, name: &str, master: Daemon<'_>, heir: Heir<'_>) -> Event {
    let at = master.kill();
    let recently = at.saturating_sub(nanos(heir.timing.interval * 3));
    let last = net.adverts(recently, name).pop().expect("a master advertises");
    let bound = heir.timing.master_down(heir.priority);
    let first = net.wait_master(heir.node, last.at, bound);
    on_time(net, &last, &first, bound);
    first
}

/// Panics unless `second` came `bound` after `first`, neither early nor later than the allowance and than whoever is
/// woken on this machine.
pub(crate) fn on_time(net: &Net, first: &Event, second: &Event, bound: Duration) {
    let took = between(first.at, second.at);
    assert!(
        took + EARLY >= bound && took <= bound + ALLOWANCE + load::late(first.at, second.at),
        "{took:?} instead of {bound:?} between\n{first}\n{second}\n{}",
        net.story(first.at)
    );
}

/// Waits until `holder` has the address and none of the `others` has.
pub(crate) fn address_is_at(interface: &str, address: &str, holder: &Node, others: &[&Node]) {
    eventually(&format!("{address} is at {} alone", holder.name()), ALLOWANCE, || {
        holder.holds(interface, address) && !others.iter().any(|node| node.holds(interface, address))
    });
}

/// Takes an address off the interface of a node whose daemon was killed, as a reboot would.
pub(crate) fn clean(node: &Node, interface: &str, addresses: &[&str]) {
    for address in addresses {
        let host = address.split(['/', ' ']).next().expect("an address");
        node.shell(&format!("ip addr flush dev {interface} to {host}"));
    }
}

/// The longest spacing of a node's adverts since, less than what whoever is woken on this machine was late meanwhile;
/// panics if there are fewer than three.
pub(crate) fn longest_gap(net: &Net, since: u64, node: &str) -> Duration {
    let adverts = net.adverts(since, node);
    assert!(adverts.len() >= 3, "{node} hardly advertised\n{}", net.story(since));
    let gaps = adverts
        .windows(2)
        .map(|pair| between(pair[0].at, pair[1].at).saturating_sub(load::late(pair[0].at, pair[1].at)));
    gaps.max().unwrap_or_default()
}
