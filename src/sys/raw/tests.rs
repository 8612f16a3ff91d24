//! Datagrams over a real kernel, in namespaces of their own. All need root.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail by panicking")]

use nix::errno::Errno;

use super::member::MemberSocket;
use super::receive::{ReceiveBatch, ReceiveOptions, ReceiveSocket};
use super::send::{Message, SendBatch, SendOptions, SendSocket};
use crate::base::addr::{Family, IpAddr, Ipv4Addr, Ipv6Addr, Prefix};
use crate::base::id::IfIndex;
use crate::base::limit;
use crate::base::name::IfName;
use crate::sys::filter::Filter;
use crate::sys::netlink::addr::{Address, AddressFlags};
use crate::sys::outbox::Refused;
use crate::sys::sysctl::Setting;
use crate::sys::test_net::{Network, in_namespace, readable};

const PROTOCOL: u8 = 112;
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x11);

/// An IPv4 datagram whose payload has `id` as its second octet. `words` of options lengthen the header.
fn datagram(destination: Ipv4Addr, id: u8, len: usize, words: u8) -> Vec<u8> {
    let mut octets = vec![0; 20];
    octets[0] = 0x45 + words;
    octets[1] = 0xc0;
    octets[8] = 255;
    octets[9] = PROTOCOL;
    octets[12..16].copy_from_slice(&SOURCE_V4.octets());
    octets[16..20].copy_from_slice(&destination.octets());
    // No-operation options.
    octets.extend(vec![1; usize::from(words) * 4]);
    octets.extend([0x31, id]);
    octets.resize(octets.len().max(len), 0xee);
    octets
}

fn message_v4(tag: u32, octets: &[u8], destination: Ipv4Addr, interface: IfIndex) -> Message<'_> {
    Message { tag, octets, destination: IpAddr::V4(destination), source: None, interface, hop_limit: None }
}

fn message_v6(tag: u32, octets: &[u8], interface: IfIndex) -> Message<'_> {
    Message {
        tag,
        octets,
        destination: IpAddr::V6(GROUP_V6),
        source: Some(SOURCE_V6),
        interface,
        hop_limit: None,
    }
}

fn receive_options(family: Family, filter: Filter) -> ReceiveOptions<'static> {
    ReceiveOptions { family, protocol: PROTOCOL, device: None, all_groups: false, filter }
}

fn send_options(family: Family) -> SendOptions<'static> {
    SendOptions {
        family,
        protocol: PROTOCOL,
        device: None,
        interface: IfIndex(0),
        priority: 7,
        traffic_class: 0xc0,
        hop_limit: 255,
    }
}

fn ids(set: &[u8]) -> Filter {
    Filter::OctetIn { offset: 1, least: 2, set: set.iter().copied().collect() }
}

/// Two connected links; what is sent on the first arrives on the second.
fn network(net: &mut Network) -> (IfIndex, IfIndex) {
    let pair = net.pair("va", "vb");
    for interface in ["all", "va", "vb"] {
        let setting =
            Setting { family: Family::V4, interface: IfName::new(interface).unwrap(), key: "rp_filter" };
        setting.write(0).unwrap();
    }
    let mut source = Address::new(pair.0, Prefix { addr: IpAddr::V6(SOURCE_V6), len: 64 });
    source.flags = AddressFlags::NODAD;
    net.add(&source);
    pair
}

/// What the second octets of the payloads were, in order, and from where.
fn second_octets(socket: &ReceiveSocket, batch: &mut ReceiveBatch) -> Vec<u8> {
    let mut out = Vec::new();
    if !readable(socket) {
        return out;
    }
    while socket.receive(batch).unwrap() > 0 {
        out.extend(batch.iter().map(|datagram| match datagram.source {
            IpAddr::V4(_) => datagram.octets[usize::from(datagram.octets[0] & 15) * 4 + 1],
            IpAddr::V6(_) => datagram.octets[1],
        }));
    }
    out
}

#[test]
fn ipv4_multicast_arrives_with_its_circumstances() {
    in_namespace(|net| {
        let (near, far) = network(net);
        let receiver = ReceiveSocket::open(&receive_options(Family::V4, ids(&[51]))).unwrap();
        receiver.join(IpAddr::V4(GROUP_V4), far).unwrap();
        let again = receiver.join(IpAddr::V4(GROUP_V4), far).unwrap_err();
        assert_eq!(again.raw_os_error(), Some(libc::EADDRINUSE));
        let sender = SendSocket::open(&send_options(Family::V4)).unwrap();
        let (mut out, mut into) = (SendBatch::new(), ReceiveBatch::new());
        assert_eq!(receiver.receive(&mut into).unwrap(), 0);
        let octets = datagram(GROUP_V4, 51, 40, 0);
        out.push(&message_v4(1, &octets, GROUP_V4, near)).unwrap();
        assert_eq!(sender.send(&mut out, |tag, errno| panic!("{tag}: {errno}")), 1);
        assert!(out.is_empty() && readable(&receiver));
        assert_eq!(receiver.receive(&mut into).unwrap(), 1);
        let arrived: Vec<_> = into.iter().collect();
        let [datagram] = arrived.as_slice() else {
            panic!("{arrived:?}");
        };
        assert_eq!(datagram.source, IpAddr::V4(SOURCE_V4));
        assert_eq!(datagram.destination, Some(IpAddr::V4(GROUP_V4)));
        assert_eq!((datagram.interface, datagram.hop_limit), (far, Some(255)));
        assert!(!datagram.truncated);
        assert_eq!(datagram.octets.len(), 40);
        assert_eq!(datagram.octets[20..], octets[20..]);
        assert_eq!((datagram.octets[1], datagram.octets[9]), (0xc0, PROTOCOL));
    });
}

#[test]
fn ipv6_multicast_arrives_with_its_circumstances() {
    in_namespace(|net| {
        let (near, far) = network(net);
        let receiver = ReceiveSocket::open(&receive_options(Family::V6, ids(&[51]))).unwrap();
        receiver.join(IpAddr::V6(GROUP_V6), far).unwrap();
        let sender = SendSocket::open(&send_options(Family::V6)).unwrap();
        let (mut out, mut into) = (SendBatch::new(), ReceiveBatch::new());
        let payload = [0x31, 51, 100, 1, 0, 100, 0xba, 0xad];
        out.push(&message_v6(1, &payload, near)).unwrap();
        let mut short = message_v6(2, &payload, near);
        short.hop_limit = Some(9);
        out.push(&short).unwrap();
        assert_eq!(sender.send(&mut out, |tag, errno| panic!("{tag}: {errno}")), 2);
        assert!(readable(&receiver));
        assert_eq!(receiver.receive(&mut into).unwrap(), 2);
        for (datagram, hops) in into.iter().zip([255, 9]) {
            // The checksum is neither verified nor filled: octets 6 and 7 are as sent.
            assert_eq!(datagram.octets, payload);
            assert_eq!(datagram.source, IpAddr::V6(SOURCE_V6));
            assert_eq!(datagram.destination, Some(IpAddr::V6(GROUP_V6)));
            assert_eq!((datagram.interface, datagram.hop_limit), (far, Some(hops)));
            assert!(!datagram.truncated);
        }
    });
}

#[test]
fn the_kernel_keeps_the_chosen_ids_of_both_families() {
    in_namespace(|net| {
        let (near, far) = network(net);
        let (mut out, mut into) = (SendBatch::new(), ReceiveBatch::new());
        for family in [Family::V4, Family::V6] {
            let receiver = ReceiveSocket::open(&receive_options(family, ids(&[51, 7, 255]))).unwrap();
            let group = match family {
                Family::V4 => IpAddr::V4(GROUP_V4),
                Family::V6 => IpAddr::V6(GROUP_V6),
            };
            receiver.join(group, far).unwrap();
            let sender = SendSocket::open(&send_options(family)).unwrap();
            let mut send_all = || {
                for id in 0..=255 {
                    match family {
                        Family::V4 => {
                            let octets = datagram(GROUP_V4, id, 28, id % 3);
                            out.push(&message_v4(0, &octets, GROUP_V4, near)).unwrap();
                        }
                        Family::V6 => out.push(&message_v6(0, &[0x31, id, 0, 0], near)).unwrap(),
                    }
                    if out.room() == 0 {
                        let sent = sender.send(&mut out, |tag, errno| panic!("{tag}: {errno}"));
                        assert_eq!(sent, limit::SEND_BATCH);
                    }
                }
            };
            send_all();
            assert_eq!(second_octets(&receiver, &mut into), [7, 51, 255], "{family}");
            receiver.set_filter(&ids(&[8])).unwrap();
            send_all();
            assert_eq!(second_octets(&receiver, &mut into), [8], "{family}");
            receiver.set_filter(&Filter::Everything).unwrap();
            send_all();
            let all: Vec<u8> = (0..=255).collect();
            assert_eq!(second_octets(&receiver, &mut into), all, "{family}");
            if family == Family::V6 {
                // Behind a header of hop-by-hop options (six octets of padding) the offset still counts from the payload.
                let fd = std::os::fd::AsRawFd::as_raw_fd(&sender);
                let options: [u8; 8] = [0, 0, 1, 4, 0, 0, 0, 0];
                crate::sys::socket::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_HOPOPTS, &options).unwrap();
                receiver.set_filter(&ids(&[9])).unwrap();
                send_all();
                assert_eq!(second_octets(&receiver, &mut into), [9]);
            }
            receiver.leave(group, far).unwrap();
            receiver.set_filter(&ids(&[8])).unwrap();
            send_all();
            assert_eq!(second_octets(&receiver, &mut into), [0; 0], "{family}");
        }
    });
}

#[test]
fn what_is_longer_than_a_buffer_is_flagged() {
    in_namespace(|net| {
        let (near, far) = network(net);
        let options = receive_options(Family::V4, ids(&[51]));
        let receiver = ReceiveSocket::open(&options).unwrap();
        receiver.join(IpAddr::V4(GROUP_V4), far).unwrap();
        let ip = std::process::Command::new("ip").args(["link", "set", "va", "mtu", "9000"]).status();
        assert!(ip.unwrap().success());
        let ip = std::process::Command::new("ip").args(["link", "set", "vb", "mtu", "9000"]).status();
        assert!(ip.unwrap().success());
        // Longer than the batch takes: sent by hand.
        let long = datagram(GROUP_V4, 51, limit::ADVERT_OCTETS + 1, 0);
        let (mut out, mut into) = (SendBatch::new(), ReceiveBatch::new());
        assert_eq!(out.push(&message_v4(0, &long, GROUP_V4, near)), Err(Refused::TooLong));
        let sender = SendSocket::open(&send_options(Family::V4)).unwrap();
        let mut hand = crate::sys::outbox::Outbox::new(2, 8_000);
        for octets in [&long[..limit::ADVERT_OCTETS], &long[..]] {
            let mut control = crate::sys::control::Control::EMPTY;
            let info = libc::in_pktinfo {
                ipi_ifindex: crate::sys::socket::signed(near),
                ipi_spec_dst: libc::in_addr { s_addr: 0 },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            control.push(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            let destination = crate::sys::socket::Address::ip(IpAddr::V4(GROUP_V4), IfIndex(0));
            hand.push(0, octets, destination, control).unwrap();
        }
        let fd = std::os::fd::AsRawFd::as_raw_fd(&sender);
        assert_eq!(hand.send(fd, |tag, errno| panic!("{tag}: {errno}")), 2);
        assert!(readable(&receiver));
        assert_eq!(receiver.receive(&mut into).unwrap(), 2);
        let seen: Vec<_> = into.iter().map(|d| (d.octets.len(), d.truncated)).collect();
        assert_eq!(seen, [(limit::ADVERT_OCTETS, false), (limit::ADVERT_OCTETS, true)]);
    });
}

#[test]
fn a_link_that_is_down_fails_its_own_messages_only() {
    in_namespace(|net| {
        let (near, far) = network(net);
        let (down, _) = net.pair("vc", "vd");
        net.up(down, false);
        let receiver = ReceiveSocket::open(&receive_options(Family::V4, Filter::Everything)).unwrap();
        receiver.join(IpAddr::V4(GROUP_V4), far).unwrap();
        let sender = SendSocket::open(&send_options(Family::V4)).unwrap();
        let (mut out, mut into) = (SendBatch::new(), ReceiveBatch::new());
        for (id, interface) in [(1, near), (2, down), (3, IfIndex(9_999)), (4, near), (5, down)] {
            let octets = datagram(GROUP_V4, id, 28, 0);
            out.push(&message_v4(u32::from(id), &octets, GROUP_V4, interface)).unwrap();
        }
        let unrouted = Ipv4Addr::new(192, 0, 2, 1);
        let octets = datagram(unrouted, 6, 28, 0);
        out.push(&message_v4(6, &octets, unrouted, IfIndex(0))).unwrap();
        let mut failed = Vec::new();
        assert_eq!(sender.send(&mut out, |tag, errno| failed.push((tag, errno))), 2);
        let tags: Vec<u32> = failed.iter().map(|(tag, _)| *tag).collect();
        assert_eq!(tags, [2, 3, 5, 6], "{failed:?}");
        assert_eq!(failed[0].1, Errno::ENETUNREACH);
        assert_eq!(failed[1].1, Errno::ENODEV);
        assert_eq!(failed[3].1, Errno::ENETUNREACH);
        assert_eq!(second_octets(&receiver, &mut into), [1, 4]);

        let sender = SendSocket::open(&send_options(Family::V6)).unwrap();
        for (tag, interface) in [(1, near), (2, down), (3, near)] {
            out.push(&message_v6(tag, &[0x31, 1], interface)).unwrap();
        }
        failed.clear();
        assert_eq!(sender.send(&mut out, |tag, errno| failed.push((tag, errno))), 2);
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].0, 2);
    });
}

#[test]
fn a_socket_hears_its_own_device_and_groups_only() {
    in_namespace(|net| {
        let (near, far) = network(net);
        let (other_near, other_far) = net.pair("vc", "vd");
        let device = IfName::new("vb").unwrap();
        let mut options = receive_options(Family::V4, Filter::Everything);
        options.device = Some(&device);
        let bound = ReceiveSocket::open(&options).unwrap();
        bound.join(IpAddr::V4(GROUP_V4), far).unwrap();
        let both = ReceiveSocket::open(&receive_options(Family::V4, Filter::Everything)).unwrap();
        both.join(IpAddr::V4(GROUP_V4), far).unwrap();
        both.join(IpAddr::V4(GROUP_V4), other_far).unwrap();
        // Joined by others, not by this one.
        let none = ReceiveSocket::open(&receive_options(Family::V4, Filter::Everything)).unwrap();
        let sender = SendSocket::open(&send_options(Family::V4)).unwrap();
        let (mut out, mut into) = (SendBatch::new(), ReceiveBatch::new());
        for (id, interface) in [(1, near), (2, other_near), (3, near)] {
            let octets = datagram(GROUP_V4, id, 28, 0);
            out.push(&message_v4(0, &octets, GROUP_V4, interface)).unwrap();
        }
        assert_eq!(sender.send(&mut out, |tag, errno| panic!("{tag}: {errno}")), 3);
        assert_eq!(second_octets(&bound, &mut into), [1, 3]);
        let mut heard = second_octets(&both, &mut into);
        heard.sort_unstable();
        assert_eq!(heard, [1, 2, 3]);
        assert_eq!(none.receive(&mut into).unwrap(), 0);
        let missing = IfName::new("nosuch0").unwrap();
        options.device = Some(&missing);
        let error = ReceiveSocket::open(&options).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    });
}

#[test]
fn a_full_batch_refuses_and_a_burst_comes_in_bounded_reads() {
    in_namespace(|net| {
        let (near, far) = network(net);
        let receiver = ReceiveSocket::open(&receive_options(Family::V6, Filter::Everything)).unwrap();
        receiver.join(IpAddr::V6(GROUP_V6), far).unwrap();
        let sender = SendSocket::open(&send_options(Family::V6)).unwrap();
        let (mut out, mut into) = (SendBatch::new(), ReceiveBatch::new());
        for _ in 0..limit::SEND_BATCH {
            out.push(&message_v6(0, &[0x31, 1], near)).unwrap();
        }
        assert_eq!(out.push(&message_v6(0, &[0x31, 1], near)), Err(Refused::Full));
        assert_eq!(out.len(), limit::SEND_BATCH);
        assert_eq!(sender.send(&mut out, |tag, errno| panic!("{tag}: {errno}")), limit::SEND_BATCH);
        assert!(readable(&receiver));
        assert_eq!(receiver.receive(&mut into).unwrap(), limit::RECEIVE_BATCH);
        assert_eq!(receiver.receive(&mut into).unwrap(), limit::RECEIVE_BATCH);
        assert_eq!(receiver.receive(&mut into).unwrap(), 0);
        assert_eq!(into.iter().count(), 0);
    });
}

#[test]
fn a_send_socket_receives_nothing() {
    in_namespace(|net| {
        let (near, far) = network(net);
        let joined = ReceiveSocket::open(&receive_options(Family::V6, Filter::Everything)).unwrap();
        joined.join(IpAddr::V6(GROUP_V6), far).unwrap();
        let sender = SendSocket::open(&send_options(Family::V6)).unwrap();
        let idle = SendSocket::open(&send_options(Family::V6)).unwrap();
        let (mut out, mut into) = (SendBatch::new(), ReceiveBatch::new());
        out.push(&message_v6(0, &[0x31, 1], near)).unwrap();
        assert_eq!(sender.send(&mut out, |tag, errno| panic!("{tag}: {errno}")), 1);
        assert_eq!(second_octets(&joined, &mut into), [1]);
        let mut octet = [0];
        let fd = std::os::fd::AsRawFd::as_raw_fd(&idle);
        assert_eq!(
            nix::sys::socket::recv(fd, &mut octet, nix::sys::socket::MsgFlags::empty()),
            Err(Errno::EAGAIN)
        );
    });
}

/// One socket hears for many interfaces what others have joined, and each octet from its own interface only.
#[test]
fn each_octet_comes_in_by_its_interface_only() {
    in_namespace(|net| {
        let (near, far) = network(net);
        let second = net.pair("vc", "vd");
        let options = ReceiveOptions { all_groups: true, ..receive_options(Family::V4, Filter::Nothing) };
        let receiver = ReceiveSocket::open(&options).unwrap();
        let options6 = ReceiveOptions { all_groups: true, ..receive_options(Family::V6, Filter::Nothing) };
        let receiver6 = ReceiveSocket::open(&options6).unwrap();
        let mut source = Address::new(second.0, Prefix { addr: IpAddr::V6(SOURCE_V6), len: 64 });
        source.flags = AddressFlags::NODAD;
        net.add(&source);
        let (member, member6) =
            (MemberSocket::open(Family::V4).unwrap(), MemberSocket::open(Family::V6).unwrap());
        let (sender, sender6) = (
            SendSocket::open(&send_options(Family::V4)).unwrap(),
            SendSocket::open(&send_options(Family::V6)).unwrap(),
        );
        let (mut out, mut into) = (SendBatch::new(), ReceiveBatch::new());
        let mut send_all = || {
            for id in [0, 1, 2, 3, 49, 50, 51, 200, 255] {
                for link in [near, second.0] {
                    let (four, six) = (datagram(GROUP_V4, id, 40, id % 3), [0x31, id, 0, 0]);
                    out.push(&message_v4(1, &four, GROUP_V4, link)).unwrap();
                    sender.send(&mut out, |tag, errno| panic!("{tag}: {errno}"));
                    out.push(&message_v6(1, &six, link)).unwrap();
                    sender6.send(&mut out, |tag, errno| panic!("{tag}: {errno}"));
                }
            }
        };
        let keep = |pairs: &[(u8, IfIndex)]| {
            receiver.set_ingress(1, 2, pairs).unwrap();
            receiver6.set_ingress(1, 2, pairs).unwrap();
        };
        keep(&[(1, far), (2, second.1), (50, far), (51, second.1), (255, far)]);
        send_all();
        assert_eq!(second_octets(&receiver, &mut into), [], "nobody has joined");
        for link in [far, second.1] {
            member.join(IpAddr::V4(GROUP_V4), link).unwrap();
            member6.join(IpAddr::V6(GROUP_V6), link).unwrap();
        }
        send_all();
        assert_eq!(second_octets(&receiver, &mut into), [1, 2, 50, 51, 255]);
        assert_eq!(second_octets(&receiver6, &mut into), [1, 2, 50, 51, 255]);
        // Each octet another interface: as many runs as there can be.
        let other = |id: u8| if id.is_multiple_of(2) { far } else { second.1 };
        let all: Vec<_> = (0..=255).map(|id| (id, other(id))).collect();
        keep(&all);
        send_all();
        assert_eq!(second_octets(&receiver, &mut into), [0, 1, 2, 3, 49, 50, 51, 200, 255]);
        assert_eq!(second_octets(&receiver6, &mut into), [0, 1, 2, 3, 49, 50, 51, 200, 255]);
        keep(&[]);
        send_all();
        assert_eq!(second_octets(&receiver, &mut into), []);
    });
}
