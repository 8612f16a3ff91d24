//! Against the kernel: needs root.

use std::process::Command;

use super::expression::{Direction, FIRST, SECOND};
use super::monitor::TableMonitor;
use super::*;
use crate::sys::test_net::in_namespace;

const TABLE_V6: Table<'_> = Table { family: Family::V6, name: "lab" };
const VIPS: Set<'_> =
    Set { name: "vips", kind: Kind::Ipv6, is_map: false, is_constant: false, counts: false };

fn nft(arguments: &[&str]) -> String {
    let output = Command::new("nft").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn small(nft: &mut Nft) {
    nft.begin();
    nft.add_table(TABLE_V6);
    nft.delete_table(TABLE_V6);
    nft.add_table(TABLE_V6);
    nft.add_set(TABLE_V6, VIPS);
    nft.add_chain(TABLE_V6, "in", Some((Hook::In, -1)));
    nft.add_chain(TABLE_V6, "other", None);
}

#[test]
fn everything_reads_as_it_is_meant() {
    in_namespace(|_| {
        let mut socket = Nft::open(16_384).unwrap();
        small(&mut socket);
        for (name, kind) in [
            ("types", Kind::Icmpv6Type),
            ("links", Kind::Interface),
            ("local", Kind::Ipv6AndInterface),
            ("named", Kind::Ipv6AndName),
        ] {
            let set = Set { name, kind, is_map: false, is_constant: name == "types", counts: false };
            socket.add_set(TABLE_V6, set);
        }
        let map = Set { name: "map", kind: Kind::Interface, is_map: true, is_constant: false, counts: false };
        socket.add_set(TABLE_V6, map);
        let one = 1_u32.to_ne_bytes();
        let local: [u8; 16] = "fe80::1".parse::<std::net::Ipv6Addr>().unwrap().octets();
        let mut name = [0; 16];
        name[..2].copy_from_slice(b"lo");
        for (set, element) in [
            ("types", Element::new(&[&[135]])),
            ("links", Element::new(&[&one])),
            ("vips", Element::new(&[&local])),
            ("local", Element::new(&[&local, &one])),
            ("named", Element::new(&[&local, &name])),
            ("map", Element::new(&[&one]).to(1)),
        ] {
            socket.change(TABLE_V6, set, true, core::iter::once(element));
        }
        let mut mask = [0; 16];
        mask[..2].copy_from_slice(&[0xff, 0xc0]);
        let mut net = [0; 16];
        net[..2].copy_from_slice(&[0xfe, 0x80]);
        let source = Expression::Payload { offset: 8, octets: 16 };
        socket.add_rule(
            TABLE_V6,
            "in",
            &[
                Expression::L4Proto,
                Expression::Compare(&[58]),
                Expression::TransportType,
                Expression::Lookup("types"),
                Expression::Counter,
                Expression::Immediate(Verdict::Accept),
            ],
        );
        socket.add_rule(
            TABLE_V6,
            "in",
            &[
                source,
                Expression::Bitwise(mask),
                Expression::Compare(&net),
                Expression::Immediate(Verdict::Goto("other")),
            ],
        );
        socket.add_rule(
            TABLE_V6,
            "in",
            &[
                Expression::Interface(Direction::In, FIRST),
                Expression::Lookup("links"),
                Expression::Immediate(Verdict::Drop),
            ],
        );
        for (way, set) in [
            (Expression::Interface(Direction::In, SECOND), "local"),
            (Expression::InterfaceName(Direction::In, SECOND), "named"),
        ] {
            socket.add_rule(
                TABLE_V6,
                "other",
                &[source, way, Expression::Lookup(set), Expression::Immediate(Verdict::Drop)],
            );
        }
        let mut kind = [0; 16];
        kind[..7].copy_from_slice(b"macvlan");
        let (loaded, is) = (Expression::InterfaceKind(Direction::In), Expression::Compare(&kind));
        socket.add_rule(TABLE_V6, "other", &[loaded, is, Expression::Immediate(Verdict::Drop)]);
        socket.commit().unwrap();
        let listed = nft(&["list", "ruleset"]);
        for wanted in [
            "type filter hook input priority filter - 1; policy accept;",
            "elements = { nd-neighbor-solicit }",
            "elements = { \"lo\" }",
            "elements = { fe80::1 }",
            "elements = { fe80::1 . \"lo\" }",
            "elements = { \"lo\" : \"lo\" }",
            "icmpv6 type @types counter packets 0 bytes 0 accept",
            "ip6 saddr fe80::/10 goto other",
            "iif @links drop",
            "meta iifkind \"macvlan\" drop",
            "ip6 saddr . iif @local drop",
            "ip6 saddr . iifname @named drop",
        ] {
            assert!(listed.contains(wanted), "{wanted}: {listed}");
        }
        assert_eq!(listed.matches("fe80::1 . \"lo\"").count(), 2, "{listed}");
    });
}

#[test]
fn a_transaction_is_done_whole_or_not_at_all() {
    in_namespace(|_| {
        let mut socket = Nft::open(1 << 20).unwrap();
        small(&mut socket);
        socket.commit().unwrap();
        let element = |number: u32| Element::new(&[&[0xfd; 12], &number.to_be_bytes()]);
        socket.begin();
        socket.change(TABLE_V6, "vips", true, (0..5_000).map(element));
        socket.commit().unwrap();
        socket.begin();
        socket.change(TABLE_V6, "vips", false, (1..5_000).map(element));
        socket.change(TABLE_V6, "vips", false, core::iter::once(element(9_999)));
        assert_eq!(socket.commit().unwrap_err().errno, Errno::ENOENT);
        assert!(nft(&["list", "ruleset"]).lines().count() > 2_000);
        socket.begin();
        socket.change(TABLE_V6, "vips", false, (1..5_000).map(element));
        socket.commit().unwrap();
        assert!(nft(&["list", "ruleset"]).contains("elements = { fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:: }"));
        let mut narrow = Nft::open(256).unwrap();
        small(&mut narrow);
        assert_eq!(narrow.commit().unwrap_err().errno, Errno::EMSGSIZE);
    });
}

#[test]
fn what_others_delete_is_heard_and_what_we_delete_is_not() {
    in_namespace(|_| {
        let mut socket = Nft::open(4_096).unwrap();
        small(&mut socket);
        let mut watch = TableMonitor::open(socket.port()).unwrap();
        socket.commit().unwrap();
        assert!(!watch.read("lab").unwrap());
        for command in [
            "add rule ip6 lab in drop",
            "flush chain ip6 lab in",
            "delete chain ip6 lab other",
            "delete set ip6 lab vips",
            "add table ip6 mine",
            "delete table ip6 mine",
            "delete table ip6 lab",
        ] {
            nft(&command.split(' ').collect::<Vec<_>>());
            let heard = command.contains("lab") && !command.starts_with("add");
            assert_eq!(watch.read("lab").unwrap(), heard, "{command}");
            assert!(!watch.read("lab").unwrap());
        }
        small(&mut socket);
        socket.commit().unwrap();
        nft(&["flush", "ruleset"]);
        assert!(watch.read("lab").unwrap());
    });
}
