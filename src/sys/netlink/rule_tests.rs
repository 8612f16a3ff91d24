//! Requests as iproute2 6.1 sends them for the same words, and a real kernel.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail by panicking")]

use nix::errno::Errno;

use super::*;
use crate::sys::netlink::test_octets::{noise, octets, parts};
use crate::sys::test_net::{Network, in_namespace};

fn prefix(text: &str) -> Prefix {
    let (addr, len) = text.split_once('/').unwrap();
    Prefix { addr: addr.parse().unwrap(), len: len.parse().unwrap() }
}

fn from(text: &str, preference: u32, action: Action) -> Rule {
    let from = prefix(text);
    Rule { from: Some(from), preference, protocol: 18, ..Rule::new(from.family(), action) }
}

fn rules() -> Vec<(&'static str, Rule, &'static str)> {
    vec![
        (
            "not from 10.60.1.0/24 to 10.61.0.0/16 tos 0x10 fwmark 0x5/0xff iif eth0 oif eth1 lookup 300 priority \
             501 realms 5/6 suppress_prefixlength 8 suppress_ifgroup default",
            Rule {
                invert: true,
                to: Some(prefix("10.61.0.0/16")),
                tos: 16,
                mark: Some((5, 255)),
                input: IfName::new("eth0"),
                output: IfName::new("eth1"),
                realms: Some(5 << 16 | 6),
                suppress_length: Some(8),
                suppress_group: Some(0),
                ..from("10.60.1.0/24", 501, Action::Table(300))
            },
            "8400000020000506b73d026b00000000021018100000000102000000080002000a3c0100080001000a3d000008000a000500\
             000008001000ff00000009000300657468300000000009001100657468310000000008000f002c01000008000600f50100000\
             8000b000600050008000e000800000008000d00000000000500150012000000",
        ),
        (
            "from 10.60.2.0/24 tun_id 99 uidrange 10-20 ipproto tcp sport 10-20 dport 30-40 table main priority 502",
            Rule {
                tunnel: Some(99),
                users: Some((10, 20)),
                transport: Some(6),
                source_ports: Some((10, 20)),
                destination_ports: Some((30, 40)),
                ..from("10.60.2.0/24", 502, Action::Table(254))
            },
            "6400000020000506b73d026b0000000002001800fe00000100000000080002000a3c02000c000c0000000000000000630c00\
             14000a000000140000000500160006000000080017000a001400080018001e00280008000600f60100000500150012000000",
        ),
        (
            "from 10.60.3.0/24 goto 600 priority 503",
            from("10.60.3.0/24", 503, Action::Goto(600)),
            "3c00000020000506b73d026b00000000020018000000000200000000080002000a3c03000800040058020000080006\
             00f70100000500150012000000",
        ),
        (
            "from 2001:db8::/32 l3mdev priority 504",
            from("2001:db8::/32", 504, Action::MasterDevice),
            "4800000020000506b73d026b000000000a00200000000001000000001400020020010db80000000000000000000000000500\
             13000100000008000600f80100000500150012000000",
        ),
        (
            "prohibit from 10.60.7.0/24 priority 505",
            from("10.60.7.0/24", 505, Action::Prohibit),
            "3400000020000506b73d026b00000000020018000000000800000000080002000a3c070008000600f90100000500150012000000",
        ),
    ]
}

fn request(rule: &Rule) -> Vec<u8> {
    let mut requests = Requests::new(1_024);
    let flags = NlmF::REQUEST | NlmF::ACK | NlmF::CREATE | NlmF::EXCL;
    requests.append(Rtm::Newrule.into(), flags, 1, rule.fixed(), &mut |request| rule.put(request)).unwrap();
    requests.octets().to_vec()
}

#[test]
fn requests_are_those_of_iproute2() {
    for (words, rule, theirs) in rules() {
        assert_eq!(parts(&request(&rule), &[]), parts(&octets(theirs), &[]), "{words}");
    }
}

#[test]
fn any_octets_are_read_without_trust() {
    let mut seed = 7_u32;
    let mut read = 0;
    for _ in 0..20_000 {
        let mut octets = noise(&mut seed, 60, 0x1f);
        octets[0] = 2;
        octets[7] = 1;
        read += usize::from(Rule::decode(&octets).is_some());
    }
    assert!(read > 0);
}

fn listed(net: &mut Network) -> Vec<Rule> {
    let mut out = Vec::new();
    net.commands.rules(&mut out).unwrap();
    out.retain(|rule| rule.protocol == 18);
    out
}

/// Needs root.
#[test]
fn a_kernel_takes_lists_and_deletes_them() {
    in_namespace(|net| {
        let mut wanted: Vec<Rule> = rules().into_iter().map(|(_, rule, _)| rule).collect();
        wanted.push(Rule { mark: Some((7, u32::MAX)), ..from("2001:db8::/32", 510, Action::Table(70_000)) });
        wanted.push(from("10.0.0.0/8", 511, Action::Nothing));
        wanted.push(from("10.0.0.0/8", 512, Action::Blackhole));
        wanted.push(from("10.0.0.0/8", 513, Action::Unreachable));
        for rule in &wanted {
            net.commands.add_rule(0, rule).unwrap();
        }
        net.commit();
        let mut seen = listed(net);
        seen.sort_by_key(|rule| rule.preference);
        assert_eq!(seen, wanted);
        net.commands.add_rule(0, &wanted[0]).unwrap();
        net.commands.commit(|_, result| assert_eq!(result.unwrap_err().errno, Errno::EEXIST));
        for rule in &wanted {
            net.commands.delete_rule(0, rule).unwrap();
        }
        net.commit();
        assert_eq!(listed(net), []);
    });
}
