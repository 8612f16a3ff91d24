//! Against the kernel: needs root and Debian's iptables and ipset.

use std::process::Command;

use super::rule::{InSet, Side, Verdict};
use super::*;
use crate::base::name::IfName;
use crate::sys::test_net::{eventually, in_namespace};

const MARK: u32 = 0x1234_5678;

fn run(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn drop_from(address: &str) -> Rule<'static> {
    Rule { address: Some((Side::Source, address.parse().unwrap())), ..Rule::new(Verdict::Drop) }
}

fn lock() -> Lock {
    Lock { _file: None }
}

#[test]
fn rules_read_as_they_are_meant() {
    in_namespace(|_| {
        run("ipset create one hash:ip; ipset create two hash:net,iface family inet6");
        let one = set_number("one").unwrap().unwrap();
        let two = set_number("two").unwrap().unwrap();
        assert_eq!(set_number("three"), Ok(None));
        let lo = IfName::new("lo").unwrap();
        let mut v4 = Filter::open(Family::V4).unwrap();
        let in_one = InSet { index: one, address: Side::Destination, interface: None };
        v4.want("INPUT", Place::Tail, MARK, &Rule { set: Some(in_one), ..Rule::new(Verdict::Drop) });
        v4.want("OUTPUT", Place::Head, MARK, &drop_from("10.0.0.1"));
        let igmp = Rule {
            interface: Some((Side::Destination, &lo)),
            protocol: Some(2),
            ..Rule::new(Verdict::Accept)
        };
        v4.want("OUTPUT", Place::Tail, MARK, &igmp);
        assert_eq!(v4.exchange(&lock(), MARK, &[], |_| ()), Ok(true));
        assert_eq!(v4.exchange(&lock(), MARK, &[], |_| ()), Ok(false), "they are there already");
        assert_eq!(
            run("iptables-legacy -S | grep -e -A"),
            "-A INPUT -m set --match-set one dst -j DROP\n-A OUTPUT -s 10.0.0.1/32 -j DROP\n\
             -A OUTPUT -o lo -p igmp -j ACCEPT\n"
        );
        let mut v6 = Filter::open(Family::V6).unwrap();
        let in_two = InSet { index: two, address: Side::Destination, interface: Some(Side::Source) };
        let discovery = Rule { protocol: Some(58), icmpv6: Some(135), ..Rule::new(Verdict::Accept) };
        v6.want("INPUT", Place::Tail, MARK, &Rule { set: Some(in_two), ..discovery });
        let local = Rule {
            address: Some((Side::Destination, "fe80::1".parse().unwrap())),
            interface: Some((Side::Source, &lo)),
            ..Rule::new(Verdict::Drop)
        };
        v6.want("INPUT", Place::Head, MARK, &local);
        assert_eq!(v6.exchange(&lock(), MARK, &[], |_| ()), Ok(true));
        assert_eq!(v6.exchange(&lock(), MARK, &[], |_| ()), Ok(false), "they are there already");
        assert_eq!(
            run("ip6tables-legacy -S | grep -e -A"),
            "-A INPUT -d fe80::1/128 -i lo -j DROP\n\
             -A INPUT -p ipv6-icmp -m set --match-set two dst,src -m icmp6 --icmpv6-type 135 -j ACCEPT\n"
        );
    });
}

/// Chains, jumps, rules that go on to the next one, matches and what was counted: of others, and unchanged.
const OTHERS: &str = "\
    iptables-legacy -N before; iptables-legacy -N zz; iptables-legacy -P FORWARD DROP;\
    iptables-legacy -A INPUT -s 1.1.1.1 -j zz; iptables-legacy -A INPUT -i lo;\
    iptables-legacy -A zz -m comment --comment hello -j before; iptables-legacy -A zz -j RETURN;\
    iptables-legacy -A before -p tcp --dport 22 -j REJECT; iptables-legacy -A OUTPUT -g zz;\
    iptables-legacy -A OUTPUT -s 10.0.0.7 -j DROP; ping -q -c 3 -i 0.01 127.0.0.1";

#[test]
fn rules_of_others_stay_as_they_are() {
    in_namespace(|net| {
        let lo = net.link("lo").unwrap().index;
        net.up(lo, true);
        run(OTHERS);
        let list = || run("iptables-legacy-save -c | grep -v '^#'");
        let before = list();
        assert!(before.contains(":INPUT ACCEPT [6:504]\n"), "{before}");
        assert!(before.contains("[6:504] -A INPUT -i lo\n"), "{before}");
        let mut filter = Filter::open(Family::V4).unwrap();
        let everywhere = ["INPUT", "FORWARD", "OUTPUT", "before", "zz"];
        for (place, address) in
            [(Place::Head, "10.0.0.1"), (Place::Tail, "10.0.0.2"), (Place::Head, "10.0.0.7")]
        {
            for chain in everywhere {
                filter.want(chain, place, MARK, &drop_from(address));
            }
        }
        let mut missing = Vec::new();
        filter.want("none", Place::Head, MARK, &drop_from("10.0.0.1"));
        filter.want("none", Place::Tail, MARK, &drop_from("10.0.0.1"));
        let outcome = filter.exchange(&lock(), MARK, &[], |chain| missing.push(chain.to_owned()));
        assert_eq!((outcome, missing), (Ok(true), vec!["none".to_owned()]));
        let ours = |chain: &str, address: &str| format!("[0:0] -A {chain} -s {address}/32 -j DROP\n");
        let with = list();
        assert!(with.contains(":INPUT ACCEPT [6:504]\n"), "{with}");
        for chain in everywhere {
            let rules: Vec<_> = with.lines().filter(|line| line.contains(&format!("-A {chain} "))).collect();
            assert_eq!(format!("{}\n", rules[0]), ours(chain, "10.0.0.1"));
            assert_eq!(format!("{}\n", rules[1]), ours(chain, "10.0.0.7"));
            assert_eq!(format!("{}\n", rules.last().unwrap()), ours(chain, "10.0.0.2"));
        }
        // Others add theirs in between; a change of ours keeps its place.
        run("iptables-legacy -I INPUT -s 5.5.5.5 -j zz; iptables-legacy -A INPUT -s 6.6.6.6 -j zz");
        filter.clear();
        for place in [Place::Head, Place::Tail] {
            filter.want("INPUT", place, MARK, &drop_from("10.0.0.3"));
        }
        assert_eq!(filter.exchange(&lock(), MARK, &[], |_| ()), Ok(true));
        assert_eq!(
            run("iptables-legacy -S INPUT"),
            "-P INPUT ACCEPT\n-A INPUT -s 5.5.5.5/32 -j zz\n-A INPUT -s 10.0.0.3/32 -j DROP\n\
             -A INPUT -s 1.1.1.1/32 -j zz\n-A INPUT -i lo\n-A INPUT -s 10.0.0.3/32 -j DROP\n\
             -A INPUT -s 6.6.6.6/32 -j zz\n"
        );
        run("iptables-legacy -D INPUT -s 5.5.5.5 -j zz; iptables-legacy -D INPUT -s 6.6.6.6 -j zz");
        filter.clear();
        assert_eq!(filter.exchange(&lock(), MARK + 2, &[], |_| ()), Ok(false), "another daemon's");
        assert_eq!(filter.exchange(&lock(), MARK, &[], |_| ()), Ok(true));
        // iptables itself forgets what policies counted.
        assert_eq!(list().replace("[0:0]", "[6:504]"), before.replace("[0:0]", "[6:504]"));
        assert!(list().contains("[6:504] -A INPUT -i lo\n"));
        assert_eq!(filter.exchange(&lock(), MARK, &[], |_| ()), Ok(false));
    });
}

#[test]
fn a_rule_that_asks_our_set_is_ours() {
    in_namespace(|_| {
        run("ipset create one hash:ip; ipset create two hash:ip");
        for set in ["one", "two"] {
            run(&format!("iptables-legacy -A INPUT -p tcp -m set --match-set {set} dst -j DROP"));
        }
        let mut filter = Filter::open(Family::V4).unwrap();
        let one = set_number("one").unwrap().unwrap();
        assert_eq!(filter.exchange(&lock(), MARK, &[one], |_| ()), Ok(true));
        assert_eq!(
            run("iptables-legacy -S INPUT"),
            "-P INPUT ACCEPT\n-A INPUT -p tcp -m set --match-set two dst -j DROP\n"
        );
        run("ipset destroy one");
    });
}

#[test]
fn a_rule_of_somebody_elses_may_ask_our_set() {
    in_namespace(|_| {
        run("ipset create one hash:ip; iptables-legacy -N zz");
        for rule in [
            "-A INPUT -m set --match-set one dst -j zz",
            "-A INPUT -s 10.0.0.1/32 -m set --match-set one dst -j DROP",
            "-A INPUT -i lo -m set --match-set one dst -j DROP",
            "-A INPUT -m set --match-set one dst -m comment --comment mine -j DROP",
            "-A INPUT -m set --match-set one dst",
        ] {
            run(&format!("iptables-legacy {rule}"));
        }
        let before = run("iptables-legacy -S INPUT");
        let mut filter = Filter::open(Family::V4).unwrap();
        let one = set_number("one").unwrap().unwrap();
        assert_eq!(filter.exchange(&lock(), MARK, &[one], |_| ()), Ok(false));
        assert_eq!(run("iptables-legacy -S INPUT"), before);
    });
}

#[test]
fn one_program_at_a_time_has_the_lock() {
    let folder = std::env::temp_dir().join(format!("lock-{}", std::process::id()));
    let held = Lock::take_at(&folder);
    assert!(held.is_some() && Lock::take_at(&folder).is_none());
    drop(held);
    // Programs that other tests start have it until they are what they are to be.
    assert!(eventually(|| Lock::take_at(&folder).is_some()));
    fs::remove_file(folder).unwrap();
}

#[test]
fn any_octets_are_a_table_or_none() {
    let mut seed = 7_u32;
    let layout = Layout::of(Family::V4);
    let rule = drop_from("10.0.0.1").encode(&layout, MARK, NEW_SET);
    for _ in 0..20_000 {
        let mut octets = rule.repeat(4);
        for _ in 0..4 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = usize::try_from(seed >> 8).unwrap() % octets.len();
            octets[at] = seed.to_ne_bytes()[3];
        }
        let size = u32::try_from(rule.len()).unwrap();
        let table = Table { valid_hooks: 2, last: [0, size * 2, 0, 0, 0], octets, ..Table::default() };
        let wanted = [Wanted { chain: "INPUT".into(), place: Place::Head, octets: rule.clone() }];
        let _ = table.exchange(&layout, Ours { mark: MARK, sets: &[1] }, &wanted, |_| ());
    }
}

#[test]
fn the_name_of_the_program_says_what_it_is() {
    let folder = std::env::temp_dir().join(format!("programs-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for (target, expected) in
        [("xtables-nft-multi", Program::Nftables), ("xtables-legacy-multi", Program::Legacy)]
    {
        fs::write(folder.join(target), "").unwrap();
        let link = folder.join("iptables");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(target, &link).unwrap();
        assert_eq!(program(Some(folder.as_os_str())), expected);
    }
    fs::remove_dir_all(folder).unwrap();
}
