//! The octets of every message, and what is read of answers. The kernel's own view is a test of the guest.

use std::net::Ipv4Addr;

use super::*;
use crate::base::addr::Family;
use crate::base::ipvs::{Granularity, Protocol, Tunnel, TunnelChecksum, TunnelKind};
use crate::base::name::IfName;
use crate::sys::netlink::test_octets::noise;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// A socket of the family that every kernel has: nothing is sent.
fn ipvs() -> Ipvs {
    Ipvs { genl: Genl::open("nlctrl", VERSION, 64, 64 * MESSAGE_OCTETS).unwrap() }
}

fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap();
    let mut octets = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    octets.extend_from_slice(payload);
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}

fn nested(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    attribute(0x8000 | kind, &attributes.concat())
}

/// What the message says behind its header: command, version and attributes.
fn said(append: impl Fn(&mut Ipvs) -> Result<(), Full>) -> Vec<u8> {
    let mut ipvs = ipvs();
    append(&mut ipvs).unwrap();
    let octets = ipvs.genl.collected();
    assert!(octets.len() <= MESSAGE_OCTETS, "{}", octets.len());
    octets[16..].to_vec()
}

fn command(number: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = vec![number, 1, 0, 0];
    octets.extend(attributes.concat());
    octets
}

fn wide(v4: [u8; 4]) -> [u8; 16] {
    let mut octets = [0; 16];
    octets[..4].copy_from_slice(&v4);
    octets
}

fn tcp() -> ServiceKey {
    ServiceKey::Address(Protocol::Tcp, "10.1.1.100".parse().unwrap(), 80)
}

fn tcp_key() -> Vec<Vec<u8>> {
    vec![
        attribute(1, &AF_INET.to_ne_bytes()),
        attribute(2, &6_u16.to_ne_bytes()),
        attribute(3, &wide([10, 1, 1, 100])),
        attribute(4, &[0, 80]),
    ]
}

fn service(key: ServiceKey, scheduler: &str) -> Service {
    Service {
        key,
        scheduler: Name::try_from(scheduler).unwrap(),
        scheduler_flags: 0,
        one_packet: false,
        persistence: None,
        engine: None,
    }
}

fn destination(addr: &str, method: Method) -> Destination {
    let key = DestKey { addr: addr.parse().unwrap(), port: 8_080 };
    Destination { key, method, weight: 3, upper: 1_000, lower: 500 }
}

fn flags(flags: u32) -> Vec<u8> {
    attribute(7, &[flags.to_ne_bytes(), [0xff; 4]].concat())
}

#[test]
fn a_service_is_a_key_a_scheduler_and_all_that_a_full_entry_needs() {
    let plain = service(tcp(), "wrr");
    let mut nest = tcp_key();
    nest.extend([
        attribute(6, b"wrr\0"),
        flags(0),
        attribute(8, &0_u32.to_ne_bytes()),
        attribute(9, &[255; 4]),
    ]);
    assert_eq!(said(|ipvs| ipvs.add_service(1, &plain)), command(1, &[nested(1, &nest)]));
    assert_eq!(said(|ipvs| ipvs.set_service(1, &plain)), command(2, &[nested(1, &nest)]));
    assert_eq!(said(|ipvs| ipvs.delete_service(1, &tcp())), command(3, &[nested(1, &tcp_key())]));
}

#[test]
fn flags_persistence_and_engine_stand_where_the_kernel_looks_for_them() {
    let key = ServiceKey::Address(Protocol::Udp, "fd01::1".parse().unwrap(), 5_060);
    let rich = Service {
        scheduler_flags: 0b011,
        one_packet: true,
        persistence: Some(Persistence { seconds: 300, granularity: Granularity::Length(64) }),
        engine: Some(Name::try_from("sip").unwrap()),
        ..service(key, "sh")
    };
    let mut addr = [0; 16];
    (addr[0], addr[1], addr[15]) = (0xfd, 1, 1);
    let nest = [
        attribute(1, &AF_INET6.to_ne_bytes()),
        attribute(2, &17_u16.to_ne_bytes()),
        attribute(3, &addr),
        attribute(4, &5_060_u16.to_be_bytes()),
        attribute(6, b"sh\0"),
        attribute(11, b"sip\0"),
        flags(0x1d),
        attribute(8, &300_u32.to_ne_bytes()),
        attribute(9, &64_u32.to_ne_bytes()),
    ];
    assert_eq!(said(|ipvs| ipvs.add_service(1, &rich)), command(1, &[nested(1, &nest)]));
    // Without persistence the kernel still wants a length of an IPv6 service.
    let bare = Service { persistence: None, ..rich };
    let octets = said(|ipvs| ipvs.add_service(1, &bare));
    assert!(octets.ends_with(&attribute(9, &128_u32.to_ne_bytes())));
}

#[test]
fn a_service_of_a_mark_has_no_address() {
    let key = ServiceKey::Mark(Family::V6, 7);
    let nest = [attribute(1, &AF_INET6.to_ne_bytes()), attribute(5, &7_u32.to_ne_bytes())];
    assert_eq!(said(|ipvs| ipvs.delete_service(1, &key)), command(3, &[nested(1, &nest)]));
    let key = ServiceKey::Address(Protocol::Sctp, Ipv4Addr::LOCALHOST.into(), 0);
    let octets = said(|ipvs| ipvs.delete_service(1, &key));
    assert!(octets.windows(8).any(|window| window == attribute(2, &132_u16.to_ne_bytes())));
}

#[test]
fn a_destination_is_named_after_its_service() {
    let nat = destination("10.1.1.1", Method::Nat);
    let key = [
        attribute(11, &AF_INET.to_ne_bytes()),
        attribute(1, &wide([10, 1, 1, 1])),
        attribute(2, &8_080_u16.to_be_bytes()),
    ];
    let rest = |method: u32| {
        [(3, method), (4, 3), (5, 1_000), (6, 500)].map(|(kind, value)| attribute(kind, &value.to_ne_bytes()))
    };
    let both = |rest: &[Vec<u8>]| [nested(1, &tcp_key()), nested(2, &[&key[..], rest].concat())];
    let (add, set) = (
        said(|ipvs| ipvs.add_destination(1, &tcp(), &nat)),
        said(|ipvs| ipvs.set_destination(1, &tcp(), &nat)),
    );
    assert_eq!(add, command(5, &both(&rest(0))));
    assert_eq!(set, command(6, &both(&rest(0))));
    assert_eq!(said(|ipvs| ipvs.delete_destination(1, &tcp(), &nat.key)), command(7, &both(&[])));
    for (method, number) in [(Method::Direct, 3), (Method::Local, 1), (Method::Bypass, 4)] {
        let other = Destination { method, ..nat };
        assert_eq!(said(|ipvs| ipvs.add_destination(1, &tcp(), &other)), command(5, &both(&rest(number))));
    }
    let tunnels = [
        (Tunnel::default(), 0, 0_u16, 0_u16),
        (Tunnel { kind: TunnelKind::Gue, port: 6_080, checksum: TunnelChecksum::On }, 1, 6_080, 1),
        (Tunnel { kind: TunnelKind::Gue, port: 6_080, checksum: TunnelChecksum::Remote }, 1, 6_080, 2),
        (Tunnel { kind: TunnelKind::Gre, port: 0, checksum: TunnelChecksum::Off }, 2, 0, 0),
    ];
    for (tunnel, kind, port, flags) in tunnels {
        let other = Destination { method: Method::Tunnel(tunnel), ..nat };
        let mut rest = rest(2).to_vec();
        rest.extend([
            attribute(13, &[kind]),
            attribute(14, &port.to_be_bytes()),
            attribute(15, &flags.to_ne_bytes()),
        ]);
        assert_eq!(said(|ipvs| ipvs.add_destination(1, &tcp(), &other)), command(5, &both(&rest)));
    }
}

fn sync(role: Role) -> SyncDaemon {
    SyncDaemon {
        role,
        interface: IfName::new("eth1").unwrap(),
        id: 51,
        max_octets: None,
        port: None,
        ttl: None,
        group: None,
    }
}

#[test]
fn a_sync_daemon_is_asked_for_with_what_was_given_and_no_more() {
    let base = |state: u32| {
        vec![attribute(1, &state.to_ne_bytes()), attribute(2, b"eth1\0"), attribute(3, &51_u32.to_ne_bytes())]
    };
    let backup = said(|ipvs| ipvs.start_daemon(1, &sync(Role::Backup)));
    assert_eq!(backup, command(9, &[nested(3, &base(2))]));
    let given = SyncDaemon {
        max_octets: Some(1_400),
        port: Some(8_849),
        ttl: Some(3),
        group: Some("224.0.0.82".parse().unwrap()),
        ..sync(Role::Master)
    };
    let mut nest = base(1);
    nest.extend([
        attribute(4, &1_400_u16.to_ne_bytes()),
        attribute(5, &[224, 0, 0, 82]),
        attribute(7, &8_849_u16.to_ne_bytes()),
        attribute(8, &[3]),
    ]);
    assert_eq!(said(|ipvs| ipvs.start_daemon(1, &given)), command(9, &[nested(3, &nest)]));
    let group = SyncDaemon { group: Some("ff02::1".parse().unwrap()), ..sync(Role::Master) };
    let octets = said(|ipvs| ipvs.start_daemon(1, &group));
    let mut all_nodes = [0; 16];
    (all_nodes[0], all_nodes[1], all_nodes[15]) = (0xff, 2, 1);
    assert!(octets.ends_with(&attribute(6, &all_nodes)));
    let stop = said(|ipvs| ipvs.stop_daemon(1, Role::Master));
    assert_eq!(stop, command(10, &[nested(3, &base(1)[..1])]));
}

#[test]
fn timeouts_flush_and_zero() {
    let some = Timeouts { tcp: 900, tcp_fin: 0, udp: 300 };
    let attributes = [attribute(4, &900_u32.to_ne_bytes()), attribute(6, &300_u32.to_ne_bytes())];
    assert_eq!(said(|ipvs| ipvs.set_timeouts(1, some)), command(12, &attributes));
    assert_eq!(said(|ipvs| ipvs.flush(1)), command(17, &[]));
    assert_eq!(said(|ipvs| ipvs.zero(1, None)), command(16, &[]));
    assert_eq!(said(|ipvs| ipvs.zero(1, Some(&tcp()))), command(16, &[nested(1, &tcp_key())]));
}

/// A listed entry: what a message said, without its command, and more attributes of the kernel's.
fn listed(message: &[u8], kind: u16, more: &[Vec<u8>]) -> Vec<u8> {
    let (_, nest) = Attributes(&message[4..]).find(|(number, _)| *number == kind).unwrap();
    [nest.to_vec(), more.concat()].concat()
}

fn numbers<const OCTETS: usize>(octets: impl Fn(u8) -> [u8; OCTETS]) -> Vec<Vec<u8>> {
    (1..=10).map(|kind| attribute(u16::from(kind), &octets(kind))).collect()
}

const COUNTED: Stats = Stats {
    connections: 1,
    in_packets: 2,
    out_packets: 3,
    in_octets: 4,
    out_octets: 5,
    connection_rate: 6,
    in_packet_rate: 7,
    out_packet_rate: 8,
    in_octet_rate: 9,
    out_octet_rate: 10,
};

#[test]
fn a_service_that_is_listed_can_be_handed_back() {
    let persistence = |granularity| Some(Persistence { seconds: 50, granularity });
    let mark = ServiceKey::Mark(Family::V6, u32::MAX);
    let services = [
        service(tcp(), "wlc"),
        Service { scheduler_flags: 7, ..service(mark, "mh") },
        Service { persistence: persistence(Granularity::Length(1)), ..service(mark, "rr") },
        Service {
            persistence: persistence(Granularity::Mask(Ipv4Addr::new(255, 0, 255, 0))),
            one_packet: true,
            engine: Some(Name::try_from("a-very-long-name").unwrap()),
            ..service(tcp(), "a-very-long-name")
        },
    ];
    let narrow = attribute(10, &numbers(|kind| u32::from(kind).to_ne_bytes()).concat());
    let broad = attribute(
        12,
        &numbers(|kind| (u64::from(kind) + (u64::from(kind == 2) << 40)).to_ne_bytes()).concat(),
    );
    for service in services {
        let message = said(|ipvs| ipvs.add_service(1, &service));
        let old = listed(&message, SERVICE, std::slice::from_ref(&narrow));
        let read = KernelService::decode(Attributes(&old)).unwrap();
        assert_eq!(read, KernelService { service: service.clone(), stats: COUNTED });
        let new = listed(&message, SERVICE, &[narrow.clone(), broad.clone()]);
        let read = KernelService::decode(Attributes(&new)).unwrap();
        assert_eq!(read.stats, Stats { in_packets: 2 + (1 << 40), ..COUNTED });
    }
}

#[test]
fn a_destination_that_is_listed_can_be_handed_back() {
    let gue = Tunnel { kind: TunnelKind::Gue, port: 6_080, checksum: TunnelChecksum::Remote };
    let gre = Tunnel { kind: TunnelKind::Gre, port: 0, checksum: TunnelChecksum::On };
    let methods = [Method::Nat, Method::Local, Method::Direct, Method::Bypass];
    let tunnels = [Tunnel::default(), gue, gre].map(Method::Tunnel);
    for method in methods.into_iter().chain(tunnels) {
        for addr in ["10.1.1.1", "fd01::1"] {
            let wanted = destination(addr, method);
            let message = said(|ipvs| ipvs.add_destination(1, &tcp(), &wanted));
            let counts = [(7, 11_u32), (8, 12), (9, 13)];
            let mut more = counts.map(|(kind, count)| attribute(kind, &count.to_ne_bytes())).to_vec();
            more.push(attribute(12, &numbers(|kind| u64::from(kind).to_ne_bytes()).concat()));
            let nest = listed(&message, DESTINATION, &more);
            let read = KernelDestination::decode(Family::V4, Attributes(&nest)).unwrap();
            assert_eq!((read.active, read.inactive, read.persistent), (11, 12, 13));
            assert_eq!((read.destination, read.stats), (wanted, COUNTED));
        }
    }
}

/// A kernel ignores what it does not know, and does not list it.
#[test]
fn what_an_old_kernel_left_out_is_told() {
    let gue = Tunnel { kind: TunnelKind::Gue, port: 6_080, checksum: TunnelChecksum::Off };
    let gre = Tunnel { kind: TunnelKind::Gre, ..Tunnel::default() };
    let summed = Tunnel { checksum: TunnelChecksum::On, ..gue };
    let tunnel = |tunnel| destination("10.1.1.1", Method::Tunnel(tunnel));
    let of = |without: &[u16]| {
        let message = said(|ipvs| ipvs.add_destination(1, &tcp(), &tunnel(Tunnel::default())));
        let (_, nest) = Attributes(&message[4..]).find(|(number, _)| *number == DESTINATION).unwrap();
        let kept = Attributes(nest).filter(|(kind, _)| !without.contains(kind));
        let nest: Vec<u8> = kept.flat_map(|(kind, payload)| attribute(kind, payload)).collect();
        KernelDestination::decode(Family::V4, Attributes(&nest)).unwrap()
    };
    let mixed = destination("fd01::1", Method::Tunnel(Tunnel::default()));
    let plain = destination("10.1.1.1", Method::Nat);
    let wanted = [plain, mixed, tunnel(gue), tunnel(summed), tunnel(gre)];
    let lacks = |without: &[u16]| wanted.map(|wanted| wanted.lack(Family::V4, &of(without)));
    assert_eq!(lacks(&[]), [None; 5]);
    assert_eq!(lacks(&[15]), [None, None, None, Some(Lack::TunnelChecksum), Some(Lack::TunnelChecksum)]);
    let kind = Some(Lack::TunnelKind);
    assert_eq!(lacks(&[13, 14, 15]), [None, None, kind, kind, kind]);
    assert_eq!(lacks(&[11, 13, 14, 15]), [None, Some(Lack::Family), kind, kind, kind]);
    assert_eq!(wanted.map(|wanted| wanted.is_plain(Family::V4)), [true, false, false, false, false]);
    assert_eq!(of(&[11, 13, 14, 15]).destination, tunnel(Tunnel::default()));
}

#[test]
fn a_sync_daemon_that_is_listed_is_compared_with_the_wanted_one() {
    let full = SyncDaemon {
        max_octets: Some(1_472),
        port: Some(8_848),
        ttl: Some(1),
        group: Some("224.0.0.81".parse().unwrap()),
        ..sync(Role::Backup)
    };
    let message = said(|ipvs| ipvs.start_daemon(1, &full));
    let nest = listed(&message, DAEMON, &[]);
    let read = SyncDaemon::decode(Attributes(&nest)).unwrap();
    assert_eq!(read, full);
    assert!(read.is_as_wanted(&sync(Role::Backup)));
    assert!(!read.is_as_wanted(&sync(Role::Master)));
    assert!(!read.is_as_wanted(&SyncDaemon { id: 52, ..sync(Role::Backup) }));
    assert!(!read.is_as_wanted(&SyncDaemon { ttl: Some(2), ..sync(Role::Backup) }));
    assert!(!sync(Role::Backup).is_as_wanted(&full), "an old kernel that has ignored what it was given");
}

#[test]
fn any_octets_are_read_to_an_end() {
    let mut seed = 1;
    for _ in 0..20_000 {
        let octets = noise(&mut seed, 96, 0x1f);
        let _ = KernelService::decode(Attributes(&octets));
        let _ = KernelDestination::decode(Family::V6, Attributes(&octets));
        let _ = SyncDaemon::decode(Attributes(&octets));
    }
}

#[test]
fn a_kernel_without_the_family_is_told_by_one_value() {
    let missing = Genl::open("no-such-family", 1, 4, 512).map(|_| ()).map_err(Unavailable::from);
    assert_eq!(missing, Err(Unavailable::Missing));
    let unknown = Unavailable::from(io::Error::from_raw_os_error(libc::EPROTONOSUPPORT));
    assert_eq!(unknown, Unavailable::Missing);
    let full = Unavailable::from(io::Error::from_raw_os_error(libc::EMFILE));
    assert_eq!(full, Unavailable::Failed(Errno::EMFILE));
    // Whether this kernel has it or not, there is one of the two answers.
    assert!(!matches!(Ipvs::open(), Err(Unavailable::Failed(_))));
}
