//! Requests as iproute2 6.1 sends them for the same words, and a real kernel.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail by panicking")]

use nix::errno::Errno;

use super::*;
use crate::base::encap::Tunnel;
use crate::sys::filter::OctetSet;
use crate::sys::netlink::deletion::{Deletion, DeletionMonitor};
use crate::sys::netlink::encap::RTA_ENCAP;
use crate::sys::netlink::kernel_route::KernelRoute;
use crate::sys::netlink::monitor::Drained;
use crate::sys::netlink::test_octets::{noise, octets, parts};

use crate::sys::test_net::{Network, in_namespace, readable};

/// The attributes that hold others: RTA_ENCAP and RTA_METRICS.
const NESTS: [u16; 2] = [RTA_ENCAP, 8];

fn prefix(text: &str) -> Option<Prefix> {
    let (addr, len) = text.split_once('/')?;
    Some(Prefix { addr: addr.parse().unwrap(), len: len.parse().unwrap() })
}

fn via(text: &str) -> NextHop {
    NextHop { via: Some(text.parse().unwrap()), interface: IfIndex(3), ..NextHop::default() }
}

fn to(text: &str) -> Route {
    let destination = prefix(text);
    Route {
        family: destination.map_or(Family::V4, |prefix| prefix.family()),
        kind: libc::RTN_UNICAST,
        table: 254,
        protocol: 18,
        scope: 0,
        tos: 0,
        destination,
        from: None,
        source: None,
        metric: None,
        expires: None,
        metrics: Vec::new(),
        locks: 0,
        congestion: None,
        realms: None,
        preference: None,
        ttl_propagate: None,
        next_hops: vec![NextHop { interface: IfIndex(3), ..NextHop::default() }],
    }
}

fn request(build: impl FnOnce(&mut Requests)) -> Vec<u8> {
    let mut requests = Requests::new(1_024);
    build(&mut requests);
    requests.octets().to_vec()
}

fn put(route: &Route, insert: NlmF) -> Vec<u8> {
    request(|requests| {
        let flags = NlmF::REQUEST | NlmF::ACK | NlmF::CREATE | insert;
        requests
            .append(Rtm::Newroute.into(), flags, 1, route.fixed(), &mut |request| {
                route.put_key(request, route.metric);
                route.put_details(request);
                route.put_next_hops(request);
            })
            .unwrap();
    })
}

#[test]
fn requests_are_those_of_iproute2() {
    let tunnel = |id| Tunnel {
        id: Some(id),
        destination: Some("192.0.2.9".parse().unwrap()),
        source: Some("10.9.0.1".parse().unwrap()),
        class: Some(4),
        hops: Some(9),
        flags: None,
    };
    let encap = |encap| Some(Box::new(encap));
    let six = Tunnel {
        id: Some(8),
        destination: Some("2001:db8::9".parse().unwrap()),
        source: Some("2001:db8::8".parse().unwrap()),
        class: Some(4),
        hops: Some(8),
        flags: None,
    };
    let flagged = Tunnel { source: None, class: None, hops: None, flags: Some(4), ..tunnel(7) };
    let inner = Tunnel {
        destination: Some("192.0.2.3".parse().unwrap()),
        source: None,
        class: None,
        hops: None,
        ..tunnel(3)
    };
    let dev = |kind| vec![NextHop { interface: IfIndex(3), encap: encap(kind), ..NextHop::default() }];
    let rows = [
        (
            "encap mpls 100/200 via 10.9.0.3 dev eth0",
            Route {
                next_hops: vec![NextHop { encap: encap(Encap::Mpls(vec![100, 200])), ..via("10.9.0.3") }],
                ..to("10.1.0.0/16")
            },
            NlmF::empty(),
            "4c00000018000504e93d026b0000000002100000fe12000100000000080001000a010000100016800c0001000\
             0064000000c81000600150001000100080005000a0900030800040003000000",
        ),
        (
            "encap ila 1:2:3:ffff via 2001:db8:9::3 dev eth0",
            Route {
                next_hops: vec![NextHop {
                    encap: encap(Encap::Ila(0x0001_0002_0003_ffff)),
                    ..via("2001:db8:9::3")
                }],
                ..to("2001:db8:7::/64")
            },
            NlmF::empty(),
            "6400000018000504e93d026b000000000a400000fe120001000000001400010020010db80007000000000000000000001000\
             16800c000100000100020003ffff06001500030001001400050020010db80009000000000000000000030800040003000000",
        ),
        (
            "dev eth0 encap ip id 7 src 10.9.0.1 dst 192.0.2.9 tos 4 ttl 9",
            Route { next_hops: dev(Encap::Ip(tunnel(7))), ..to("10.1.0.0/16") },
            NlmF::empty(),
            "6400000018000504b73d026b0000000002100000fe12000100000000080001000a010000300016800c000100000000000000\
             0007080003000a09000108000200c00002090500050004e101000500040009e1010006001500020000000800040003000000",
        ),
        (
            "dev eth0 encap ip id 7 dst 192.0.2.9 key",
            Route { next_hops: dev(Encap::Ip(flagged)), ..to("10.1.0.0/16") },
            NlmF::empty(),
            "5400000018000504b73d026b0000000002100000fe12000100000000080001000a010000200016800c000100000000000000\
             000708000200c0000209060006000004010006001500020001000800040003000000",
        ),
        (
            "dev eth0 encap ip6 id 8 dst 2001:db8::9 src 2001:db8::8 tc 4 hoplimit 8",
            Route { next_hops: dev(Encap::Ip6(six)), ..to("2001:db8:1::/64") },
            NlmF::empty(),
            "8800000018000504b73d026b000000000a400000fe120001000000001400010020010db80001000000000000000000004800\
             16800c00010000000000000000081400020020010db80000000000000000000000091400030020010db80000000000000000\
             000000080500050004c00100050004000800000006001500040000000800040003000000",
        ),
        (
            "append, with a table, metrics and locks",
            Route {
                tos: 16,
                source: Some("10.9.0.1".parse().unwrap()),
                metric: Some(9),
                table: 70_000,
                realms: Some(3 << 16 | 4),
                metrics: vec![(2, 1400), (4, 8000), (15, 1), (12, 1), (13, 300), (10, 9)],
                locks: 1 << 2 | 1 << 13 | 1 << 16,
                congestion: Some("reno".into()),
                next_hops: vec![NextHop { onlink: true, ..via("10.9.0.3") }],
                ..to("10.2.0.0/16")
            },
            NlmF::APPEND,
            "980000001800050cb73d026b00000000021000100012000104000000080001000a020000080006000900000008000f007011\
             0100080007000a09000108000b0004000300080005000a0900030800040003000000440008000800020078050000080004\
             00401f00000800100072656e6f08000f000100000008000c000100000008000d002c01000008000a00090000000800010004200100",
        ),
        (
            "nexthop via 10.9.0.3 dev eth0 weight 3 nexthop via 10.9.0.4 dev eth0 weight 5 onlink",
            Route {
                next_hops: vec![
                    NextHop { weight: 3, ..via("10.9.0.3") },
                    NextHop { weight: 5, onlink: true, encap: encap(Encap::Ip(inner)), ..via("10.9.0.4") },
                ],
                ..to("10.3.0.0/16")
            },
            NlmF::EXCL,
            "6800000018000506b73d026b0000000002100000fe12000100000000080001000a030000440009001000000203000000080\
             005000a0900033000040403000000080005000a090004180016800c000100000000000000000308000200c00002030600150002000000",
        ),
        (
            "from 2001:db8:9::/64 via 2001:db8:9::3 dev eth0 pref high expires 1000 metric 20",
            Route {
                from: prefix("2001:db8:9::/64"),
                preference: Some(1),
                expires: Some(1000),
                metric: Some(20),
                next_hops: vec![via("2001:db8:9::3")],
                ..to("2001:db8:2::/64")
            },
            NlmF::empty(),
            "7800000018000504b73d026b000000000a404000fe120001000000001400010020010db80002000000000000000000001400\
             020020010db80009000000000000000000001400050020010db8000900000000000000000003050014000100000008001700\
             e803000008000600140000000800040003000000",
        ),
        (
            "dev eth0 ttl-propagate enabled",
            Route { ttl_propagate: Some(true), ..to("10.4.0.0/16") },
            NlmF::empty(),
            "3400000018000504b73d026b0000000002100000fe12000100000000080001000a04000005001a000100000008000400\
             03000000",
        ),
    ];
    for (words, route, insert, theirs) in rows {
        assert_eq!(parts(&put(&route, insert), &NESTS), parts(&octets(theirs), &NESTS), "{words}");
    }
}

#[test]
fn any_octets_are_read_without_trust() {
    let mut seed = 7_u32;
    let mut read = 0;
    for _ in 0..20_000 {
        let mut octets = noise(&mut seed, 60, 0x1f);
        octets[0] = 2;
        read += usize::from(KernelRoute::decode(&octets).is_some());
    }
    assert!(read > 0);
}

fn listed(net: &mut Network) -> Vec<KernelRoute> {
    let mut out = Vec::new();
    net.commands.routes(18, &mut out).unwrap();
    out
}

/// Needs root.
#[test]
fn a_kernel_takes_lists_and_deletes_them() {
    in_namespace(|net| {
        let (near, _) = net.pair("va", "vb");
        for text in ["10.9.0.1/24", "2001:db8:9::1/64"] {
            let mut address = crate::sys::netlink::addr::Address::new(near, prefix(text).unwrap());
            address.flags = crate::sys::netlink::addr::AddressFlags::NODAD;
            net.add(&address);
        }
        let hop =
            |text: &str| NextHop { via: Some(text.parse().unwrap()), interface: near, ..NextHop::default() };
        let mut mine = DeletionMonitor::open(18, net.commands.port(), OctetSet::ALL).unwrap();
        let mut others = DeletionMonitor::open(18, 0, OctetSet::EMPTY).unwrap();
        let routes = [
            Route { next_hops: vec![hop("10.9.0.3")], ..to("10.50.0.0/16") },
            Route { next_hops: vec![hop("10.9.0.3")], ..to("default") },
            Route { next_hops: vec![hop("10.9.0.3"), hop("10.9.0.4")], table: 70_000, ..to("10.51.0.0/16") },
            Route { kind: 6, next_hops: Vec::new(), metric: Some(7), ..to("10.52.0.0/16") },
            Route { next_hops: vec![hop("2001:db8:9::3")], ..to("2001:db8:50::/64") },
            Route { next_hops: vec![hop("2001:db8:9::3"), hop("2001:db8:9::4")], ..to("2001:db8:51::/64") },
            Route { kind: 7, next_hops: Vec::new(), ..to("2001:db8:52::/64") },
        ];
        for route in &routes {
            net.commands.put_route(0, route, Insert::Prepend).unwrap();
        }
        let foreign = Route { protocol: 4, next_hops: vec![hop("10.9.0.3")], ..to("10.60.0.0/16") };
        net.commands.put_route(0, &foreign, Insert::Add).unwrap();
        net.commit();
        let seen = listed(net);
        for route in &routes {
            assert!(seen.iter().any(|seen| route.is(seen)), "{route:?} is not among {seen:#?}");
        }
        assert!(seen.iter().all(|seen| routes.iter().any(|route| route.is(seen))), "{seen:#?}");
        // Again: exactly this route is there.
        net.commands.put_route(1, &routes[0], Insert::Prepend).unwrap();
        net.commands.commit(|_, result| assert_eq!(result.unwrap_err().errno, Errno::EEXIST));
        // Half of them as values, the rest as they were listed.
        for (position, route) in routes.iter().enumerate() {
            if position % 2 == 0 {
                net.commands.delete_route(0, route, Which::Exactly).unwrap();
            }
        }
        net.commit();
        for seen in listed(net) {
            net.commands.delete_kernel_route(0, &seen).unwrap();
        }
        net.commit();
        assert_eq!(listed(net), []);
        net.commands.delete_route(0, &foreign, Which::Exactly).unwrap();
        net.commit();
        let mut told = Vec::new();
        assert!(readable(&others));
        while others.read(|loss| told.push(loss)).unwrap() == Drained::No {}
        let routes_told = |loss: &Deletion| match loss {
            Deletion::Route(seen) => routes.iter().any(|route| route.is(seen)),
            _ => false,
        };
        assert!(told.len() >= routes.len() && told.iter().all(routes_told), "{told:#?}");
        // The kernel puts the route of an IPv6 address in place anew when the address is usable, whenever that is.
        let kernels = |loss: &Deletion| matches!(loss, Deletion::Replaced(seen) if seen.protocol == 2);
        let heard = mine.read(|loss| assert!(kernels(&loss), "asked for by us: {loss:?}"));
        assert!(matches!(heard, Ok(Drained::Yes)), "{heard:?}");
    });
}

/// Needs root.
#[test]
fn what_takes_the_place_of_a_route_is_told() {
    in_namespace(|net| {
        let (near, _) = net.pair("va", "vb");
        net.add(&crate::sys::netlink::addr::Address::new(near, prefix("10.9.0.1/24").unwrap()));
        let mut v6 = crate::sys::netlink::addr::Address::new(near, prefix("2001:db8:9::1/64").unwrap());
        v6.flags = crate::sys::netlink::addr::AddressFlags::NODAD;
        net.add(&v6);
        let hop =
            |text: &str| NextHop { via: Some(text.parse().unwrap()), interface: near, ..NextHop::default() };
        let mut told = DeletionMonitor::open(18, 0, [24].into_iter().collect()).unwrap();
        for (to_there, others, hears) in [
            ("10.50.0.0/24", ["10.9.0.3", "10.9.0.4"], true),
            ("10.51.0.0/16", ["10.9.0.3", "10.9.0.4"], false),
            ("2001:db8:50::/64", ["2001:db8:9::3", "2001:db8:9::4"], true),
        ] {
            if to_there.contains(':') {
                told.watch([24, 64].into_iter().collect()).unwrap();
            }
            let [mine, theirs] = others.map(|via| Route { next_hops: vec![hop(via)], ..to(to_there) });
            let theirs = Route { protocol: 4, ..theirs };
            net.commands.put_route(0, &mine, Insert::Prepend).unwrap();
            net.commands.put_route(0, &theirs, Insert::Replace).unwrap();
            net.commit();
            let mut heard = Vec::new();
            let _ = told.read(|loss| heard.push(loss));
            let of_it = |loss: &Deletion| match loss {
                Deletion::Replaced(seen) => mine.has_key_of(seen) && theirs.is(seen) && !mine.is(seen),
                _ => false,
            };
            assert!(heard.len() == usize::from(hears) && heard.iter().all(of_it), "{heard:#?}");
        }
    });
}
