//! What is known of interfaces and their addresses, by what the kernel reports of them.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::tests::{MAC, RUNNING, UP, kernel_link};
use super::*;
use crate::sys::netlink::link::{HardwareAddress, Link as KernelLink, LinkFlags};

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn prefix(text: &str) -> Prefix {
    let (addr, len) = text.split_once('/').unwrap();
    Prefix { addr: addr.parse().unwrap(), len: len.parse().unwrap() }
}

fn entered(text: &str) -> (Links, LinkId) {
    let mut links = Links::default();
    links.named(&name("other"));
    let id = links.named(&name(text));
    (links, id)
}

#[test]
fn a_name_is_entered_once() {
    let (mut links, id) = entered("eth0");
    assert_eq!(links.named(&name("eth0")), id);
    assert_eq!(links.find(&name("eth0")), Some(id));
    assert_eq!(links.find(&name("eth1")), None);
}

#[test]
fn the_same_address_with_another_length_is_another_one() {
    let (mut links, id) = entered("eth0");
    assert!(links.address_new(id, prefix("10.0.0.1/24")));
    assert!(links.address_new(id, prefix("10.0.0.1/32")));
    assert!(!links.address_new(id, prefix("10.0.0.1/32")));
    assert!(links.address_gone(id, prefix("10.0.0.1/32")));
    assert!(!links.address_gone(id, prefix("10.0.0.1/32")));
    let source = links.link(id).unwrap().source(Family::V4);
    assert_eq!(source, Some(prefix("10.0.0.1/24").addr));
}

#[test]
fn detection_is_over_when_the_address_can_be_used_or_never_will() {
    let (mut links, id) = entered("eth0");
    let probed = |links: &Links| links.link(id).unwrap().tentative;
    let (local, other) = (prefix("fe80::1/64"), prefix("fe80::2/64"));
    assert!(!links.set_tentative(id, prefix("2001:db8::1/64"), true), "no source of adverts");
    assert!(!links.set_tentative(id, prefix("10.0.0.1/24"), true));
    assert!(links.set_tentative(id, local, true));
    assert!(!links.set_tentative(id, local, true), "no news");
    assert!(!links.set_tentative(id, other, false), "another one");
    assert_eq!(probed(&links), Some(local));
    assert!(links.address_new(id, local));
    assert_eq!(probed(&links), None);
    assert!(links.set_tentative(id, other, true));
    assert!(links.set_tentative(id, other, false));
    assert_eq!(probed(&links), None);
    assert!(links.set_tentative(id, other, true));
    links.forget_addresses();
    assert_eq!(probed(&links), None, "what is not listed again is not known");
}

#[test]
fn an_interface_is_up_if_it_is_wanted_up_and_runs_and_no_layer_below_says_otherwise() {
    let both = UP | RUNNING;
    for (flags, carrier, state, up) in [
        (both, None, OperState::Up, true),
        (both, Some(true), OperState::Unknown, true),
        (both, Some(true), OperState::Dormant, true),
        (UP, Some(true), OperState::Up, false),
        (RUNNING, Some(true), OperState::Up, false),
        (both, Some(false), OperState::Up, false),
        (both, Some(true), OperState::Down, false),
        (both, Some(true), OperState::LowerLayerDown, false),
        (both, Some(true), OperState::NotPresent, false),
        (both, Some(true), OperState::Testing, false),
    ] {
        let (mut links, id) = entered("eth0");
        links.update(&KernelLink { flags: LinkFlags(flags), carrier, state, ..kernel_link(7, "eth0") });
        let link = links.link(id).unwrap();
        assert_eq!(link.counts_up(), up, "{flags:#x} {carrier:?} {state:?}");
        assert_eq!((link.state.up, link.state.seen_up), (up, up));
        assert_eq!(link.state.wanted_up, flags & UP != 0);
    }
}

#[test]
fn each_change_of_an_interface_is_told_as_what_it_is() {
    let (mut links, id) = entered("eth0");
    let there = kernel_link(7, "eth0");
    let mut told = |kernel: &KernelLink| links.update(kernel);
    let only = |change| [None, Some((id, change))];
    assert_eq!(told(&kernel_link(3, "unnamed")), [None, None], "the configuration does not name it");
    assert_eq!(told(&there), only(Change::Appeared));
    assert_eq!(told(&there), only(Change::None));
    let down = KernelLink { flags: LinkFlags(UP), ..there.clone() };
    assert_eq!(told(&down), only(Change::State));
    let unwanted = KernelLink { flags: LinkFlags(0), ..there.clone() };
    assert_eq!(told(&unwanted), only(Change::Setting), "down as before, but by the administrator");
    assert_eq!(told(&there), only(Change::State));
    let master = KernelLink { master: IfIndex(5), ..there.clone() };
    assert_eq!(told(&master), only(Change::Setting));
    let address = HardwareAddress::of(&[2, 0, 0, 0, 0, 9]);
    let mac = KernelLink { address, ..master.clone() };
    assert_eq!(told(&mac), only(Change::Setting));
    assert_eq!(told(&KernelLink { index: IfIndex(8), ..there.clone() }), only(Change::Appeared));
    let other = kernel_link(8, "other");
    let other_id = links.find(&name("other")).unwrap();
    let renamed = links.update(&other);
    assert_eq!(renamed, [Some((id, Change::Vanished)), Some((other_id, Change::Appeared))]);
    assert_eq!((links.numbered(IfIndex(8)), links.numbered(IfIndex(7))), (Some(other_id), None));
    assert_eq!(links.link(id).unwrap().index, None);
}

#[test]
fn what_the_kernel_says_of_an_interface_is_known() {
    let (mut links, id) = entered("eth0");
    let kernel = KernelLink {
        parent: IfIndex(2),
        master: IfIndex(3),
        in_vrf: true,
        group: 4,
        table: Some(5),
        mtu: 1_400,
        ..kernel_link(7, "eth0")
    };
    links.update(&kernel);
    let link = links.link(id).unwrap();
    assert_eq!((link.index, link.mac), (Some(IfIndex(7)), Some(Mac(MAC))));
    assert_eq!((link.parent, link.master, link.in_vrf), (IfIndex(2), IfIndex(3), true));
    assert_eq!((link.group, link.table, link.mtu), (4, Some(5), 1_400));
    assert_eq!(link.hardware_type, ETHERNET);
    links.update(&KernelLink { hardware_type: 772, ..kernel });
    let link = links.link(id).unwrap();
    assert_eq!((link.mac, link.hardware_type), (None, 772), "only Ethernet has an Ethernet address");
}

#[test]
fn macvlans_and_ipvlans_are_told_from_all_other_interfaces() {
    for (word, kind) in
        [("macvlan", Kind::Macvlan), ("ipvlan", Kind::Ipvlan), ("vlan", Kind::Other), ("", Kind::Other)]
    {
        let (mut links, id) = entered("eth0");
        links.update(&KernelLink { kind: word.try_into().unwrap(), ..kernel_link(7, "eth0") });
        assert_eq!(links.link(id).unwrap().kind, kind, "{word}");
    }
}

#[test]
fn the_word_of_the_driver_stands_in_place_of_the_carrier() {
    let (mut links, id) = entered("eth0");
    links.update(&kernel_link(7, "eth0"));
    let link = links.link_mut(id).unwrap();
    assert!(!link.set_polled(Some(true)), "no news");
    assert!(link.set_polled(Some(false)) && !link.counts_up());
    assert!(!link.set_polled(Some(false)));
    assert!(link.set_polled(None) && link.counts_up());
    links.update(&KernelLink { flags: LinkFlags(RUNNING), ..kernel_link(7, "eth0") });
    let link = links.link_mut(id).unwrap();
    assert!(!link.set_polled(Some(true)) && !link.counts_up(), "the administrator has set it down");
}

#[test]
fn nothing_is_left_of_an_interface_that_is_gone_but_its_name() {
    let (mut links, id) = entered("eth0");
    links.update(&kernel_link(7, "eth0"));
    assert!(links.address_new(id, prefix("10.0.0.1/24")));
    assert!(links.set_tentative(id, prefix("fe80::1/64"), true));
    let link = links.link_mut(id).unwrap();
    link.set_polled(Some(true));
    link.state.held = Some(true);
    assert_eq!(links.remove(IfIndex(8)), None);
    assert_eq!(links.remove(IfIndex(7)), Some(id));
    assert_eq!((links.remove(IfIndex(7)), links.numbered(IfIndex(7))), (None, None));
    let link = links.link(id).unwrap();
    assert_eq!((link.index, link.mac, link.tentative), (None, None, None));
    assert!(link.addresses.is_empty() && !link.counts_up() && !link.state.wanted_up);
    assert!(!link.state.seen_up && link.state.polled.is_none());
    assert_eq!((links.name(Some(id)), links.name(None)), ("eth0", "?"));
    links.update(&kernel_link(7, "eth0"));
    assert!(links.link(id).unwrap().counts_up(), "it can come back");
}

#[test]
fn adverts_come_from_the_first_address_that_can_be_their_source() {
    let (mut links, id) = entered("eth0");
    let source = |links: &Links, family| links.link(id).unwrap().source(family);
    for address in ["2001:db8::1/64", "fe80::1/64", "fe80::2/64", "10.0.0.1/24", "10.0.0.2/24"] {
        assert!(links.address_new(id, prefix(address)));
    }
    assert_eq!(source(&links, Family::V4), Some(prefix("10.0.0.1/24").addr));
    assert_eq!(source(&links, Family::V6), Some(prefix("fe80::1/64").addr), "a link-local one");
    // What the daemon itself put there comes behind the machine's own.
    links.address_last(id, prefix("10.0.0.1/24"));
    links.address_last(id, prefix("fe80::1/64"));
    links.address_last(id, prefix("10.9.9.9/24"));
    assert_eq!(source(&links, Family::V4), Some(prefix("10.0.0.2/24").addr));
    assert_eq!(source(&links, Family::V6), Some(prefix("fe80::2/64").addr));
    assert!(links.address_gone(id, prefix("10.0.0.2/24")));
    assert_eq!(source(&links, Family::V4), Some(prefix("10.0.0.1/24").addr), "it is still there");
}

#[test]
fn an_interface_that_is_never_there_stands_for_all_such() {
    let (mut links, id) = entered("eth0");
    let nowhere = links.nowhere();
    assert_eq!(links.nowhere(), nowhere);
    assert_ne!(nowhere, id);
    assert_eq!(links.link(nowhere).unwrap().index, None);
    assert_eq!(links.ids().collect::<Vec<_>>().len(), 3);
}

#[test]
fn a_list_of_everything_tells_what_has_changed_since_and_leaves_addresses_alone() {
    let (mut links, id) = entered("eth0");
    let other = links.find(&name("other")).unwrap();
    links.update(&kernel_link(7, "eth0"));
    links.update(&kernel_link(8, "other"));
    links.address_new(id, prefix("10.0.0.1/24"));
    let mut changes = Vec::new();
    let down = KernelLink { flags: LinkFlags(UP), ..kernel_link(7, "eth0") };
    links.replace(&[kernel_link(3, "unnamed"), down], |id, change| changes.push((id, change)));
    assert_eq!(changes, [(other, Change::Vanished), (id, Change::State)]);
    assert_eq!(links.link(id).unwrap().addresses, [prefix("10.0.0.1/24")]);
    links.forget_addresses();
    assert!(links.link(id).unwrap().addresses.is_empty());
    changes.clear();
    // They changed names while nobody listened.
    let swapped = [kernel_link(7, "other"), kernel_link(9, "eth0")];
    links.replace(&swapped, |id, change| changes.push((id, change)));
    assert_eq!(changes, [(id, Change::Vanished), (other, Change::Appeared), (id, Change::Appeared)]);
    let indices = [IfIndex(7), IfIndex(8), IfIndex(9)].map(|index| links.numbered(index));
    assert_eq!(indices, [Some(other), None, Some(id)]);
}

#[test]
fn what_is_not_listed_is_gone() {
    let (mut links, id) = entered("eth0");
    let mut changes = Vec::new();
    let nothing: [KernelLink; 0] = [];
    links.replace(&nothing, |id, change| changes.push((id, change)));
    assert_eq!(changes, [], "what was never there does not vanish");
    links.link_mut(id).unwrap().index = Some(IfIndex(7));
    links.by_index.insert(IfIndex(7), id);
    links.replace(&nothing, |id, change| changes.push((id, change)));
    assert_eq!(changes, [(id, Change::Vanished)]);
    assert_eq!(links.numbered(IfIndex(7)), None);
}
