//! Links and addresses of a real kernel, in namespaces of their own. All need root.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;

use super::addr::{Address, AddressFlags, FOREVER, Label};
use super::command::Commands;
use super::link::{AddrGenMode, ETHERNET, Link, OperState, Which};
use super::monitor::{Drained, Event, Monitor, Topic};
use crate::base::addr::Prefix;
use crate::base::id::IfIndex;
use crate::base::limit;
use crate::base::mac::Mac;
use crate::base::name::IfName;
use crate::sys::queue::QueueSize;
use crate::sys::test_net::{Network, eventually, in_namespace, readable};

const EVERYTHING: [Topic; 3] = [Topic::Links, Topic::Ipv4Addresses, Topic::Ipv6Addresses];

fn address(interface: IfIndex, text: &str, len: u8) -> Address {
    let addr = text.parse().unwrap();
    Address::new(interface, Prefix { addr, len })
}

fn results(net: &mut Network) -> Vec<(u32, Result<(), Errno>)> {
    let mut out = Vec::new();
    net.commands.commit(|tag, result| out.push((tag, result.map_err(|refusal| refusal.errno))));
    out
}

/// Everything queued on a monitor, waiting for the first.
fn heard(monitor: &mut Monitor) -> Vec<Event> {
    assert!(readable(monitor), "nothing to hear");
    let mut events = Vec::new();
    while monitor.read(64, |event| events.push(event)).unwrap() == Drained::No {}
    events
}

/// Listens until a link is as wanted: the kernel reports carriers a moment later.
fn link_until(monitor: &mut Monitor, index: IfIndex, wanted: impl Fn(&Link) -> bool) -> Link {
    for _ in 0..20 {
        let found = heard(monitor).into_iter().find_map(|event| match event {
            Event::LinkNew(link) if link.index == index && wanted(&link) => Some(link),
            _ => None,
        });
        if let Some(link) = found {
            return link;
        }
    }
    panic!("the link never was as wanted");
}

#[test]
fn one_link_by_its_name() {
    in_namespace(|net| {
        let (near, _) = net.pair("va", "vb");
        let found = net.commands.link(&IfName::new("va").unwrap()).unwrap().unwrap();
        assert_eq!((found.index, found.name.as_str()), (near, "va"));
        assert!(net.commands.link(&IfName::new("vc").unwrap()).unwrap().is_none());
        // Its answers do not get in the way of what comes next.
        let mut all = Vec::new();
        net.commands.links(&mut all).unwrap();
        assert_eq!(all.len(), 3);
    });
}

#[test]
fn a_batch_reports_each_request_by_its_tag() {
    in_namespace(|net| {
        let (near, far) = net.pair("va", "vb");
        for host in 1..=5 {
            let address = address(near, &format!("10.9.0.{host}"), 24);
            net.commands.add_address(100 + host, &address).unwrap();
            if host == 3 {
                net.commands.add_address(u32::MAX, &address).unwrap();
                net.commands.delete_address(200, &self::address(far, "10.9.0.3", 24)).unwrap();
                net.commands.add_address(201, &self::address(IfIndex(9_999), "10.9.0.3", 24)).unwrap();
            }
        }
        net.commands.delete_address(300, &address(near, "10.9.0.5", 24)).unwrap();
        assert_eq!(
            results(net),
            [
                (101, Ok(())),
                (102, Ok(())),
                (103, Ok(())),
                (u32::MAX, Err(Errno::EEXIST)),
                (200, Err(Errno::EADDRNOTAVAIL)),
                (201, Err(Errno::ENODEV)),
                (104, Ok(())),
                (105, Ok(())),
                (300, Ok(())),
            ]
        );
        assert!(net.commands.is_empty());
        let on_near: Vec<_> = net
            .addresses()
            .into_iter()
            .filter(|address| address.interface == near && address.prefix.addr.is_ipv4())
            .map(|address| address.prefix.to_string())
            .collect();
        assert_eq!(on_near, ["10.9.0.1/24", "10.9.0.2/24", "10.9.0.3/24", "10.9.0.4/24"]);
    });
}

#[test]
fn a_batch_is_full_at_its_capacity_and_works_again() {
    in_namespace(|net| {
        let (near, _) = net.pair("va", "vb");
        for round in 0..20_u8 {
            for host in 0..limit::NETLINK_BATCH {
                let text = format!("10.{round}.0.{host}");
                let mut address = address(near, &text, 32);
                address.label = Label::try_from("va:abcdefghijkl").ok();
                net.commands.add_address(u32::from(round), &address).unwrap();
            }
            assert_eq!(net.commands.room(), 0);
            let more = address(near, "10.99.0.1", 32);
            assert!(net.commands.add_address(0, &more).is_err());
            let results = results(net);
            assert_eq!(results.len(), limit::NETLINK_BATCH);
            assert!(results.iter().all(|result| *result == (u32::from(round), Ok(()))));
        }
        let v4 = net.addresses().into_iter().filter(|address| address.prefix.addr.is_ipv4());
        assert_eq!(v4.count(), 20 * limit::NETLINK_BATCH);
    });
}

#[test]
fn a_refusal_carries_the_kernels_explanation() {
    in_namespace(|net| {
        let (near, _) = net.pair("va", "vb");
        net.commands.add_address(1, &address(near, "10.9.0.1", 33)).unwrap();
        let mut told = String::new();
        net.commands.commit(|_, result| told = result.unwrap_err().text.to_owned());
        assert!(!told.is_empty());
    });
}

#[test]
fn every_property_of_an_address_comes_back() {
    in_namespace(|net| {
        let (near, _) = net.pair("va", "vb");
        let mut v4 = address(near, "10.9.0.100", 24);
        v4.broadcast = "10.9.0.255".parse().ok();
        v4.label = Label::try_from("va:vip").ok();
        v4.scope = 253;
        v4.protocol = 18;
        v4.flags = AddressFlags::NOPREFIXROUTE;
        let mut peer = address(near, "10.8.0.1", 32);
        peer.peer = "10.8.0.2".parse().ok();
        peer.label = Label::try_from("va").ok();
        let mut v6 = address(near, "fd09::100", 64);
        v6.flags = AddressFlags::NODAD;
        v6.preferred = 0;
        let mut v6_peer = address(near, "fd08::1", 128);
        v6_peer.peer = "fd08::2".parse().ok();
        v6_peer.flags = AddressFlags::NODAD.with(AddressFlags::HOMEADDRESS);
        for wanted in [v4, peer, v6, v6_peer] {
            net.add(&wanted);
            let mut found = net.addresses().into_iter().find(|found| found.prefix == wanted.prefix).unwrap();
            assert!(found.flags.contains(wanted.flags), "{found:?}");
            if wanted.preferred == 0 {
                assert!(found.flags.contains(AddressFlags::DEPRECATED));
            }
            found.flags = wanted.flags;
            assert_eq!(found, wanted);
            if wanted.preferred == 0 {
                let mut fresh = wanted.clone();
                fresh.preferred = FOREVER;
                net.commands.replace_address(0, &fresh).unwrap();
                net.commit();
                let now = net.addresses().into_iter().find(|now| now.prefix == fresh.prefix);
                assert_eq!(now.unwrap().preferred, FOREVER);
            }
            let mut unlabelled = wanted.clone();
            unlabelled.label = None;
            net.commands.delete_address(0, &unlabelled).unwrap();
            net.commit();
            assert!(!net.addresses().iter().any(|found| found.prefix == wanted.prefix));
        }
    });
}

#[test]
fn a_macvlan_is_made_with_its_address_and_found_again() {
    in_namespace(|net| {
        let (near, far) = net.pair("va", "vb");
        let name = IfName::new("mv.51").unwrap();
        let which = Which::Name(&name);
        let mac = Mac::virtual_v4(51);
        net.commands.create_macvlan(1, &name, near, mac, Some(7)).unwrap();
        net.commands.create_macvlan(2, &name, near, mac, None).unwrap();
        net.commands.set_addr_gen_mode(3, which, AddrGenMode::None).unwrap();
        net.commands.set_link_up(4, which, true).unwrap();
        let wanted = [(1, Ok(())), (2, Err(Errno::EEXIST)), (3, Ok(())), (4, Ok(()))];
        assert_eq!(results(net), wanted);
        let macvlan = net.link("mv.51").unwrap();
        assert_eq!(macvlan.address.mac(), Some(Mac::virtual_v4(51)));
        assert_eq!(macvlan.broadcast.mac(), Some(Mac::BROADCAST));
        assert_eq!(macvlan.parent, near);
        assert!(!macvlan.parent_elsewhere);
        assert_eq!(macvlan.kind.as_str(), "macvlan");
        assert_eq!(macvlan.hardware_type, ETHERNET);
        assert_eq!(macvlan.mtu, 1_500);
        assert!(macvlan.flags.up() && macvlan.flags.lower_up() && macvlan.flags.multicast());
        // One that does make an address comes up after it: once that one has it, the first never will.
        let other = IfName::new("mv.52").unwrap();
        net.commands.create_macvlan(5, &other, near, Mac::virtual_v4(52), None).unwrap();
        net.commands.set_link_up(6, Which::Name(&other), true).unwrap();
        net.commit();
        let other = net.link("mv.52").unwrap().index;
        let has = |net: &mut Network, index| {
            let addresses = net.addresses();
            addresses.iter().any(|address| address.interface == index)
        };
        assert!(eventually(|| has(net, other)));
        assert!(!has(net, macvlan.index), "no address was to be made");
        let which = Which::Index(macvlan.index);
        net.commands.set_link_mac(1, which, Mac::virtual_v4(53)).unwrap();
        net.commit();
        assert_eq!(net.link("mv.51").unwrap().address.mac(), Some(Mac::virtual_v4(53)));
        net.commands.delete_link(1, which).unwrap();
        net.commands.delete_link(2, which).unwrap();
        assert_eq!(results(net), [(1, Ok(())), (2, Err(Errno::ENODEV))]);
        assert_eq!(net.link("mv.51"), None);

        let pair = net.link("va").unwrap();
        assert_eq!((pair.kind.as_str(), pair.parent), ("veth", far));
        let loopback = net.link("lo").unwrap();
        assert!(loopback.flags.loopback() && !loopback.flags.up() && !loopback.flags.running());
        assert_eq!(loopback.address.octets(), [0; 6]);
    });
}

#[test]
fn a_monitor_hears_of_carrier_addresses_and_deletion() {
    in_namespace(|net| {
        let mut monitor = Monitor::open(&EVERYTHING).unwrap();
        assert_eq!(monitor.read(1, |event| panic!("{event:?}")).unwrap(), Drained::Yes);
        let (near, far) = net.pair("va", "vb");
        let up = link_until(&mut monitor, near, |link| link.flags.lower_up());
        assert!(up.flags.up() && up.flags.running(), "{up:?}");
        assert_eq!((up.name.as_str(), up.carrier), ("va", Some(true)));

        net.up(far, false);
        let down = link_until(&mut monitor, near, |link| !link.flags.lower_up());
        assert!(down.flags.up() && !down.flags.running());
        assert_eq!((down.carrier, down.state), (Some(false), OperState::LowerLayerDown));

        let mut vip = address(near, "10.9.0.100", 24);
        vip.label = Label::try_from("va").ok();
        net.add(&vip);
        let bare = |address: &Address| (address.interface, address.prefix);
        assert!(heard(&mut monitor).iter().any(|event| match event {
            Event::AddressNew(address) => bare(address) == bare(&vip),
            _ => false,
        }));
        net.commands.delete_address(0, &vip).unwrap();
        net.commit();
        assert!(heard(&mut monitor).iter().any(|event| match event {
            Event::AddressGone(address) => bare(address) == bare(&vip),
            _ => false,
        }));
        net.commands.delete_link(0, Which::Index(near)).unwrap();
        net.commit();
        let gone: Vec<_> = heard(&mut monitor)
            .into_iter()
            .filter_map(|event| match event {
                Event::LinkGone { index, name } => Some((index, name.to_string())),
                _ => None,
            })
            .collect();
        assert!(gone.contains(&(near, "va".to_owned())) && gone.contains(&(far, "vb".to_owned())));
    });
}

#[test]
fn a_port_that_leaves_its_bridge_is_not_gone() {
    in_namespace(|net| {
        let (near, _) = net.pair("va", "vb");
        let bridge = |arguments: &[&str]| {
            let status = std::process::Command::new("ip").args(arguments).status();
            assert!(status.unwrap().success(), "{arguments:?}");
        };
        bridge(&["link", "add", "br0", "type", "bridge"]);
        let mut monitor = Monitor::open(&EVERYTHING).unwrap();
        bridge(&["link", "set", "va", "master", "br0"]);
        let joined = heard(&mut monitor);
        let master = net.link("br0").unwrap().index;
        assert!(joined.iter().any(|event| match event {
            Event::LinkNew(link) => link.index == near && link.master == master,
            _ => false,
        }));
        bridge(&["link", "set", "va", "nomaster"]);
        let left = heard(&mut monitor);
        assert!(!left.iter().any(|event| matches!(event, Event::LinkGone { .. })), "{left:?}");
        assert_eq!(net.link("va").unwrap().master, IfIndex(0));
    });
}

#[test]
fn a_monitor_leaves_out_what_is_added_unheard_and_hears_all_else() {
    in_namespace(|net| {
        let (near, _) = net.pair("va", "vb");
        // The interface's own comes of itself, and is told once more when it is usable.
        let mut monitor = Monitor::open(&[Topic::Ipv4Addresses]).unwrap();
        monitor.ignore_marked(&net.commands).unwrap();
        let [unheard, first, second] =
            ["10.9.0.1", "10.9.0.2", "10.9.1.1"].map(|addr| address(near, addr, 24));
        net.commands.add_address_marked(1, &unheard).unwrap();
        assert_eq!(results(net), [(1, Ok(()))]);
        assert!(!readable(&monitor), "{:?}", heard(&mut monitor));
        net.add(&first);
        net.commands.add_address_marked(1, &unheard).unwrap();
        net.commands.add_address_marked(2, &second).unwrap();
        net.commands.delete_address(3, &unheard).unwrap();
        assert_eq!(results(net), [(1, Err(Errno::EEXIST)), (2, Ok(())), (3, Ok(()))]);
        // The same number of another socket is another request.
        let mut others = Commands::open().unwrap();
        others.add_address_marked(1, &address(near, "10.9.2.1", 24)).unwrap();
        others.commit(|_, result| assert_eq!(result, Ok(())));
        // The first of a network takes the others along.
        let told: Vec<_> = heard(&mut monitor)
            .into_iter()
            .map(|event| match event {
                Event::AddressNew(address) => format!("+{}", address.prefix.addr),
                Event::AddressGone(address) => format!("-{}", address.prefix.addr),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, ["+10.9.0.2", "-10.9.0.2", "-10.9.0.1", "+10.9.2.1"]);
        // IPv6 addresses are told twice, when they come and when they are usable.
        let monitor = Monitor::open(&[Topic::Ipv6Addresses]).unwrap();
        monitor.ignore_marked(&net.commands).unwrap();
        net.commands.add_address_marked(1, &address(near, "2001:db8::1", 64)).unwrap();
        assert_eq!(results(net), [(1, Ok(()))]);
        assert!(readable(&monitor));
    });
}

#[test]
fn lost_events_are_told_and_listing_everything_shows_the_truth() {
    in_namespace(|net| {
        let (near, _) = net.pair("va", "vb");
        let mut monitor = Monitor::open(&[Topic::Ipv4Addresses]).unwrap();
        monitor.set_receive_buffer(QueueSize { octets: 1, force: true }).unwrap();
        for host in 1..=60 {
            let address = address(near, &format!("10.9.0.{host}"), 32);
            net.commands.add_address(host, &address).unwrap();
        }
        net.commit();
        let events = heard(&mut monitor);
        assert!(events.contains(&Event::Overrun), "{} events", events.len());
        assert!(events.len() < 60);
        // From here on it hears again.
        net.add(&address(near, "10.9.0.61", 32));
        let after = heard(&mut monitor);
        assert!(
            matches!(after.as_slice(), [Event::AddressNew(address)] if address.prefix.addr.to_string() == "10.9.0.61")
        );
        let v4 = net.addresses().into_iter().filter(|address| address.prefix.addr.is_ipv4());
        assert_eq!(v4.count(), 61);
    });
}

#[test]
fn a_large_buffer_loses_nothing() {
    in_namespace(|net| {
        let (near, _) = net.pair("va", "vb");
        let mut monitor = Monitor::open(&[Topic::Ipv4Addresses]).unwrap();
        monitor.set_receive_buffer(QueueSize { octets: 8 << 20, force: true }).unwrap();
        for round in 0..20 {
            for host in 0..limit::NETLINK_BATCH {
                let text = format!("10.{round}.0.{host}");
                net.commands.add_address(0, &address(near, &text, 32)).unwrap();
            }
            net.commit();
        }
        let mut count = BTreeMap::new();
        let mut turns = 0;
        loop {
            let drained = monitor.read(64, |event| match event {
                Event::AddressNew(address) => *count.entry(address.prefix).or_insert(0) += 1,
                other => panic!("{other:?}"),
            });
            turns += 1;
            if drained.unwrap() == Drained::Yes {
                break;
            }
        }
        assert_eq!(count.len(), 20 * limit::NETLINK_BATCH);
        assert_eq!(turns, 21, "the work of one read is bounded");
    });
}

#[test]
fn a_list_longer_than_one_part_is_complete() {
    in_namespace(|net| {
        let (near, _) = net.pair("va", "vb");
        for number in 0..120_u8 {
            let name = IfName::new(&format!("mv{number}")).unwrap();
            net.commands.create_macvlan(0, &name, near, Mac([2, 0, 0, 0, 0, number]), None).unwrap();
            if net.commands.room() == 0 {
                net.commit();
            }
        }
        net.commit();
        let macvlans = net.links().into_iter().filter(|link| link.kind.as_str() == "macvlan");
        assert_eq!(macvlans.count(), 120);
    });
}

/// A list is whole or says that it could not be: changes by someone else run into it all the time. The kernel
/// resumes a list of addresses by position, so that one before it that comes or goes repeats or hides another.
#[test]
#[allow(clippy::disallowed_methods, reason = "the someone else is a thread in the same namespace")]
fn a_list_that_changes_ran_into_is_not_trusted() {
    in_namespace(|net| {
        let (near, _) = net.pair("va", "vb");
        for number in 0..1_500_u16 {
            let [high, low] = number.to_be_bytes();
            let lasting = address(near, &format!("10.1.{high}.{low}"), 32);
            net.commands.add_address(0, &lasting).unwrap();
            if net.commands.room() == 0 {
                net.commit();
            }
        }
        net.commit();
        // A narrower scope stands before the wider ones.
        let mut fleeting = address(near, "10.2.0.1", 32);
        fleeting.scope = 253;
        let over = AtomicBool::new(false);
        let lists: Vec<_> = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut commands = Commands::open().unwrap();
                while !over.load(Ordering::Relaxed) {
                    commands.add_address(0, &fleeting).unwrap();
                    commands.delete_address(0, &fleeting).unwrap();
                    commands.commit(|_, result| assert_eq!(result, Ok(())));
                }
            });
            let list = |_| {
                let mut addresses = Vec::new();
                net.commands.addresses(&mut addresses).map(|()| addresses)
            };
            let lists = (0..200).map(list).collect();
            over.store(true, Ordering::Relaxed);
            lists
        });
        for list in lists {
            match list {
                Err(error) => assert_eq!(error.kind(), ErrorKind::ResourceBusy),
                Ok(addresses) => {
                    let lasting = addresses.into_iter().filter(|address| address.scope == 0);
                    let mut lasting: Vec<_> = lasting
                        .map(|address| address.prefix)
                        .filter(|prefix| prefix.addr.is_ipv4())
                        .collect();
                    assert_eq!(lasting.len(), 1_500);
                    lasting.sort_unstable();
                    lasting.dedup();
                    assert_eq!(lasting.len(), 1_500, "an address twice");
                }
            }
        }
        assert!(net.addresses().len() >= 1_500, "undisturbed it comes at once");
    });
}

/// A child that starts while another program changes addresses all the time gets a list, and knows what it is worth.
#[test]
#[allow(clippy::disallowed_methods, reason = "the other program is a thread in the same namespace")]
fn a_list_for_one_that_cannot_do_without_is_marked_as_torn() {
    in_namespace(|net| {
        let (near, _) = net.pair("va", "vb");
        for number in 0..1_500_u16 {
            let [high, low] = number.to_be_bytes();
            net.commands.add_address(0, &address(near, &format!("10.1.{high}.{low}"), 32)).unwrap();
            if net.commands.room() == 0 {
                net.commit();
            }
        }
        net.commit();
        net.commands.set_takes_torn(true);
        let over = AtomicBool::new(false);
        let torn = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut commands = Commands::open().unwrap();
                while !over.load(Ordering::Relaxed) {
                    while commands.room() > 1 {
                        commands.add_address(0, &address(near, "10.2.0.1", 32)).unwrap();
                        commands.delete_address(0, &address(near, "10.2.0.1", 32)).unwrap();
                    }
                    commands.commit(|_, result| assert_eq!(result, Ok(())));
                }
            });
            let torn = (0..5_000).any(|_| {
                let mut addresses = Vec::new();
                net.commands.addresses(&mut addresses).unwrap();
                net.commands.take_torn()
            });
            over.store(true, Ordering::Relaxed);
            torn
        });
        assert!(torn, "changes ran into every attempt of one list at least");
        assert!(net.addresses().len() >= 1_500);
        assert!(!net.commands.take_torn(), "nothing ran into this one");
    });
}
