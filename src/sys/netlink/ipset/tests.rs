//! Octets, and the kernel: the latter needs root and Debian's ipset.

use std::process::Command;

use super::*;
use crate::sys::test_net::in_namespace;

fn ipset(arguments: &[&str]) -> String {
    let output = Command::new("ipset").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn members(name: &str) -> Vec<String> {
    let text = ipset(&["list", name]);
    let mut list: Vec<_> =
        text.lines().skip_while(|line| *line != "Members:").skip(1).map(str::to_owned).collect();
    list.sort();
    list
}

const ALL: u8 = 0;

fn member<'a>(prefix: &str, interface: Option<&'a IfName>) -> Member<'a> {
    let (addr, len) = prefix.split_once('/').unwrap_or((prefix, "0"));
    let addr: IpAddr = addr.parse().unwrap();
    Member { prefix: Prefix { addr, len: len.parse().unwrap_or(ALL) }, interface }
}

#[test]
fn a_member_is_an_address_a_length_and_a_name() {
    let mut requests = Requests::new(256);
    let name = IfName::new("lo").unwrap();
    requests
        .append(SUBSYSTEM << 8 | ADD, NlmF::REQUEST, 1, [2, 0, 0, 0], &mut |request| {
            put_member(request, member("224.0.0.0/4", Some(&name)));
        })
        .unwrap();
    let native = |number: u16| number.to_ne_bytes();
    let expected = [
        &native(12)[..],
        &native(0x8001),
        &native(8),
        &native(0x4001),
        &[224, 0, 0, 0],
        &native(5),
        &native(3),
        &[4, 0, 0, 0],
        &native(7),
        &native(23),
        b"lo\0\0",
    ]
    .concat();
    assert_eq!(&requests.octets()[20..], &expected);
}

#[test]
fn sets_read_as_they_are_meant() {
    in_namespace(|_| {
        let mut sets = Ipsets::open().unwrap();
        let lo = IfName::new("lo").unwrap();
        let kinds = [
            ("v4", Kind::Addresses(Family::V4)),
            ("v6", Kind::Addresses(Family::V6)),
            ("if4", Kind::AtInterfaces(Family::V4)),
            ("if6", Kind::AtInterfaces(Family::V6)),
        ];
        for _ in 0..2 {
            kinds.iter().for_each(|(name, kind)| sets.create(name, *kind, 1_000));
            assert_eq!(sets.commit(), Ok(()));
        }
        for ((name, kind), member) in kinds.into_iter().zip([
            member("10.0.0.1", None),
            member("fd00::1", None),
            member("224.0.0.0/4", Some(&lo)),
            member("fe80::1/128", Some(&lo)),
        ]) {
            sets.change(name, kind, true, [member, member].into_iter());
        }
        assert_eq!(sets.commit(), Ok(()));
        assert_eq!(members("v4"), ["10.0.0.1"]);
        assert_eq!(members("v6"), ["fd00::1"]);
        assert_eq!(members("if4"), ["224.0.0.0/4,lo"]);
        assert_eq!(members("if6"), ["fe80::1,lo"]);
        sets.change(
            "v4",
            kinds[0].1,
            false,
            ["10.0.0.1", "10.0.0.2"].map(|one| member(one, None)).into_iter(),
        );
        assert_eq!(sets.commit(), Ok(()));
        assert_eq!(members("v4"), [""; 0]);
    });
}

#[test]
fn a_set_changes_at_once_and_only_what_is_free_is_destroyed() {
    in_namespace(|_| {
        let mut sets = Ipsets::open().unwrap();
        let kind = Kind::Addresses(Family::V4);
        let addresses = |at: std::ops::Range<u32>| {
            at.map(|one| Member { prefix: Prefix { addr: IpAddr::V4(one.into()), len: 32 }, interface: None })
        };
        sets.create("vips", kind, 5_000);
        sets.create("other", kind, 5_000);
        sets.change("vips", kind, true, addresses(1..4));
        sets.change("other", kind, true, addresses(1_000..3_500));
        sets.swap("vips", "other");
        sets.destroy("other");
        assert_eq!(sets.commit(), Ok(()));
        assert_eq!(members("vips").len(), 2_500);
        sets.create("vips", Kind::AtInterfaces(Family::V4), 5_000);
        let refused = sets.commit().unwrap_err();
        assert_eq!(refused.to_string(), "there is one of another kind");
        sets.change("none", kind, true, addresses(1..2));
        assert_eq!(sets.commit().map_err(Refused::errno), Err(Errno::ENOENT));
        assert_eq!(sets.commit(), Ok(()), "a refusal is told once");
        ipset(&["create", "list", "list:set"]);
        ipset(&["add", "list", "vips"]);
        sets.destroy("vips");
        assert_eq!(sets.commit().unwrap_err().to_string(), "a rule of somebody else's uses it");
    });
}
