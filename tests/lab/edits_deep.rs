//! Edits by a reload that reach further than one value: what is sent and how it is signed, who is in which group, what
//! belongs to whom. Where the router stays the same one on the wire it stays MASTER; the others never notice.

use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::decode::{Event, Stamp};
use crate::kit::net::{Net, spacings};
use crate::kit::node::Node;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

fn router(number: u8) -> String {
    format!(
        "vrrp_instance VI_{number} {{\n    interface eth0\n    virtual_router_id 5{number}\n    priority 100\n    \
         version 3\n    advert_int 0.1\n    virtual_ipaddress {{\n        10.9.0.10{number}/32\n        \
         10.9.0.11{number}/32\n    }}\n    virtual_routes {{\n        10.6{number}.0.0/24 via 10.9.0.3 dev eth0\n    \
         }}\n    virtual_rules {{\n        from 10.6{number}.0.0/24 table 10{number} priority 50{number}\n    }}\n    \
         # end of {number}\n}}\n"
    )
}

fn base() -> String {
    format!(
        "global_defs {{\n    router_id lab\n}}\nstatic_ipaddress {{\n    10.7.0.1/32 dev eth0\n}}\n\
         static_routes {{\n    10.50.0.0/24 dev eth0\n}}\nstatic_rules {{\n    from 10.50.0.0/24 table 150 priority 600\n\
         }}\nvrrp_sync_group G {{\n    group {{\n        VI_3\n        VI_4\n    }}\n}}\nvrrp_sync_group H {{\n    \
         group {{\n        VI_5\n        VI_6\n    }}\n}}\n{}",
        (1..=6).map(router).collect::<String>()
    )
}

/// What is replaced by what.
type Change = (&'static str, &'static str);

const NEXT: &str = "# end of 2";
const V2: Change = (
    "virtual_router_id 52\n    priority 100\n    version 3\n    advert_int 0.1",
    "virtual_router_id 52\n    priority 100\n    version 2\n    advert_int 1",
);

/// Each step begins with the base. The router 52 stays MASTER in all of them.
const SAME_ROUTER: &[(&str, &[Change])] = &[
    (
        "another interval",
        &[(
            "virtual_router_id 52\n    priority 100\n    version 3\n    advert_int 0.1",
            "virtual_router_id 52\n    priority 100\n    version 3\n    advert_int 0.2",
        )],
    ),
    ("version 2", &[V2]),
    ("a word", &[V2, (NEXT, "authentication {\n auth_type PASS\n auth_pass one\n }")]),
    ("another word", &[V2, (NEXT, "authentication {\n auth_type PASS\n auth_pass two\n }")]),
    ("a header", &[V2, (NEXT, "authentication {\n auth_type AH\n auth_pass two\n }")]),
    ("no header any more", &[V2]),
    ("a member more", &[("        VI_4\n", "        VI_4\n        VI_2\n")]),
    ("the first member is new", &[("        VI_3\n", "        VI_2\n        VI_3\n")]),
    (
        "groups exchange members",
        &[
            ("        VI_4\n", "        VI_X\n"),
            ("        VI_6\n", "        VI_4\n"),
            ("        VI_X\n", "        VI_6\n"),
        ],
    ),
    (
        "a member from one group to the other",
        &[("        VI_4\n", ""), ("        VI_6\n", "        VI_6\n        VI_4\n")],
    ),
    ("a group less", &[("vrrp_sync_group H {\n    group {\n        VI_5\n        VI_6\n    }\n}\n", "")]),
    (
        "a group more",
        &[("vrrp_sync_group H", "vrrp_sync_group I {\n group {\n VI_1\n VI_2\n }\n}\nvrrp_sync_group H")],
    ),
    (
        "all in one group",
        &[
            ("        VI_4\n", "        VI_4\n        VI_5\n        VI_6\n VI_1\n VI_2\n"),
            ("vrrp_sync_group H {\n    group {\n        VI_5\n        VI_6\n    }\n}\n", ""),
        ],
    ),
    (
        "a group by another name and in another order",
        &[(
            "vrrp_sync_group G {\n    group {\n        VI_3\n        VI_4\n",
            "vrrp_sync_group Z {\n    group {\n        VI_4\n        VI_3\n",
        )],
    ),
    (
        "an address to another router",
        &[("        10.9.0.112/32\n", ""), ("10.9.0.111/32", "10.9.0.111/32\n        10.9.0.112/32")],
    ),
    (
        "an address to an earlier router's excluded ones",
        &[
            ("        10.9.0.112/32\n", ""),
            ("# end of 1", "virtual_ipaddress_excluded {\n 10.9.0.112/32\n }"),
        ],
    ),
    (
        "an address to a later router",
        &[("        10.9.0.112/32\n", ""), ("10.9.0.113/32", "10.9.0.113/32\n        10.9.0.112/32")],
    ),
    (
        "an address excluded",
        &[("        10.9.0.112/32\n", ""), (NEXT, "virtual_ipaddress_excluded {\n 10.9.0.112/32\n }")],
    ),
    (
        "a route to another router",
        &[
            ("        10.62.0.0/24 via 10.9.0.3 dev eth0\n", ""),
            ("10.61.0.0/24 via", "10.62.0.0/24 via 10.9.0.3 dev eth0\n        10.61.0.0/24 via"),
        ],
    ),
    (
        "a route that stays for good",
        &[
            ("        10.62.0.0/24 via 10.9.0.3 dev eth0\n", ""),
            ("10.50.0.0/24 dev eth0", "10.50.0.0/24 dev eth0\n    10.62.0.0/24 via 10.9.0.3 dev eth0"),
        ],
    ),
    (
        "a rule to another router",
        &[
            ("        from 10.62.0.0/24 table 102 priority 502\n", ""),
            ("from 10.61.0.0/24", "from 10.62.0.0/24 table 102 priority 502\n        from 10.61.0.0/24"),
        ],
    ),
    (
        "a rule that stays for good",
        &[
            ("        from 10.62.0.0/24 table 102 priority 502\n", ""),
            ("from 10.50.0.0/24", "from 10.62.0.0/24 table 102 priority 502\n    from 10.50.0.0/24"),
        ],
    ),
    (
        "an address that stays for good",
        &[
            ("        10.9.0.112/32\n", ""),
            ("10.7.0.1/32 dev eth0", "10.7.0.1/32 dev eth0\n    10.9.0.112/32 dev eth0"),
        ],
    ),
];

/// The same for keys; tshark takes what is behind an advert for a part of it.
const KEYS: &[(&str, &[Change])] = &[
    (
        "a key",
        &[(
            NEXT,
            "auth_hmac {\n mode permissive\n active_key 1\n key 1 one-key-of-at-least-thirty-two-octets\n }",
        )],
    ),
    (
        "a key more",
        &[(
            NEXT,
            "auth_hmac {\n mode permissive\n active_key 1\n key 1 one-key-of-at-least-thirty-two-octets\n key 2 another-key-of-at-least-thirty-two-octets\n }",
        )],
    ),
    (
        "the other key",
        &[(
            NEXT,
            "auth_hmac {\n mode permissive\n active_key 2\n key 1 one-key-of-at-least-thirty-two-octets\n key 2 another-key-of-at-least-thirty-two-octets\n }",
        )],
    ),
    ("no key", &[]),
];

/// The router 52 speaks from elsewhere, or to others, and its addresses may move: it stays MASTER all the same.
const ELSEWHERE: &[(&str, &[Change])] = &[
    ("a macvlan", &[(NEXT, "use_vmac")]),
    ("a macvlan by name", &[(NEXT, "use_vmac vip2")]),
    ("a macvlan by another name", &[(NEXT, "use_vmac vip3")]),
    ("adverts by the base", &[(NEXT, "use_vmac vip3\n vmac_xmit_base")]),
    ("adverts by the macvlan again", &[(NEXT, "use_vmac vip3")]),
    ("another destination", &[(NEXT, "mcast_dst_ip 224.0.0.200")]),
    ("a peer", &[(NEXT, "unicast_src_ip 10.9.0.1\n unicast_peer {\n 10.9.0.3\n }")]),
    ("another source", &[(NEXT, "unicast_src_ip 10.9.0.9\n unicast_peer {\n 10.9.0.3\n }")]),
];

/// The router 52 is another one for the others: it says goodbye and is elected anew.
const ANOTHER_ROUTER: &[(&str, &[Change])] = &[
    ("another router id", &[("virtual_router_id 52", "virtual_router_id 72")]),
    (
        "another interface",
        &[("interface eth0\n    virtual_router_id 52", "interface eth1\n    virtual_router_id 52")],
    ),
];

fn edited(what: &str, changes: &[Change]) -> String {
    changes.iter().fold(base(), |text, (old, new)| {
        assert!(text.contains(old), "{what}: there is no {old}");
        text.replacen(old, new, 1)
    })
}

fn held(node: &Node) -> String {
    node.shell(
        "ip -4 -o addr show | awk '{print $2,$4,$5,$6,$7,$8,$9}' | sort; ip -N route show table all proto 18; ip rule",
    )
}

/// A router that advertises every tenth of a second has gone on doing so.
fn is_on_time(net: &Net, since: Stamp, vrid: u8, what: &str) {
    let of_it = |event: &Event| event.advert().is_some_and(|advert| advert.vrid == vrid);
    let adverts: Vec<_> = net.adverts(since, "a").into_iter().filter(of_it).collect();
    assert!(adverts.len() > 3, "{what}: {} adverts of {vrid}", adverts.len());
    let gap = spacings(&adverts).into_iter().max().unwrap_or_default();
    assert!(gap <= TIMING.interval + ALLOWANCE, "{what}: {gap:?} without an advert of {vrid}");
    net.never(what, since, Duration::ZERO, |event| of_it(event) && event.is_goodbye_of("a"));
}

/// Waits until all six have been heard, and listens to what the kernel tells.
fn settle(net: &Net, a: &Node, daemon: &Daemon<'_>) {
    for vrid in 51..=56 {
        net.wait("all are MASTER", daemon.since(), START + TIMING.master_down(100), |event| {
            event.advert().is_some_and(|advert| advert.vrid == vrid)
        });
    }
    std::thread::sleep(Duration::from_secs(2));
    a.shell("(stdbuf -oL ip -o -4 monitor address route rule >/run/changes 2>&1 &)");
    std::thread::sleep(Duration::from_millis(200));
}

#[test]
fn a_router_stays_master_whatever_it_says_and_whoever_it_goes_with() {
    stays_master(SAME_ROUTER, Net::new);
}

#[test]
fn a_router_stays_master_whatever_key_it_signs_with() {
    stays_master(KEYS, Net::without_referee);
}

fn stays_master(steps: &[(&str, &[Change])], net: fn() -> Net) {
    if is_reference("each reload there sends adverts at once and takes off what it puts on again") {
        return;
    }
    let net = net();

    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &base());
    settle(&net, &a, &daemon);
    let before = held(&a);
    let entered = daemon.logged("Entering");
    for (what, changes) in steps {
        a.shell("truncate -s 0 /run/changes");
        let since = now();
        daemon.reload(&edited(what, changes));
        std::thread::sleep(TIMING.interval * 3);
        if what.contains("stays for good") {
            // Another sort of thing for the list, and all the same for the kernel.
            assert_eq!(held(&a), before, "{what}");
        }
        for number in 1..=6 {
            assert!(a.holds("eth0", &format!("10.9.0.10{number}")), "{what}: {number}");
        }
        assert!(a.holds("eth0", "10.9.0.112"), "{what}");
        daemon.reload(&base());
        std::thread::sleep(TIMING.interval * 3);
        for vrid in [51, 53, 54, 55, 56] {
            is_on_time(&net, since, vrid, what);
        }
        net.never(what, since, Duration::ZERO, |event| event.is_goodbye_of("a"));
        assert_eq!(daemon.logged("Entering"), entered, "{what}: {}", daemon.log());
        assert_eq!(held(&a), before, "{what}: after the way back");
        let seen = a.read("/run/changes").replace('\0', "");
        let gone: Vec<_> = seen.lines().filter(|line| line.contains("Deleted")).collect();
        assert!(gone.is_empty(), "{what}: the kernel told of {gone:#?}");
    }
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    let left = held(&a);
    assert!(!left.contains("10.9.0.10") && !left.contains("lookup 10") && !left.contains("10.6"), "{left}");
}

#[test]
fn a_router_that_becomes_another_one_is_elected_anew_and_the_others_do_not_notice() {
    if is_reference("each reload there sends adverts at once and takes off what it puts on again") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    net.plug(&a, "eth1", &["10.8.0.1/24"]);
    let daemon = Daemon::start(&a, US, &base());
    settle(&net, &a, &daemon);
    let before = held(&a);
    let links = || a.shell("ip -o link | awk '{print $2}' | sort");
    let own = links();
    for (what, changes) in ANOTHER_ROUTER {
        for (text, home) in [(edited(what, changes), false), (base(), true)] {
            let (since, begun) = (now(), daemon.logged("(VI_2) Entering MASTER STATE"));
            daemon.reload(&text);
            if home || !what.contains("interface") {
                net.wait(what, since, ALLOWANCE, |event| event.is_goodbye_of("a"));
            }
            let told =
                "(VI_2) begins anew: the new configuration has another interface, router id or family for it";
            daemon.wait_log(told, ALLOWANCE);
            assert_eq!(daemon.logged("(VI_2) removed"), 0);
            eventually(what, TIMING.master_down(100) * 2 + ALLOWANCE, || {
                daemon.logged("(VI_2) Entering MASTER STATE") > begun
            });
            std::thread::sleep(TIMING.interval * 2);
            for vrid in [51, 53, 54, 55, 56] {
                is_on_time(&net, since, vrid, what);
            }
            let there = a.shell("ip -4 -o addr show");
            for address in ["10.9.0.102/32", "10.9.0.112/32"] {
                assert_eq!(there.matches(address).count(), 1, "{what}: {there}");
            }
            if home {
                assert_eq!((held(&a), links()), (before.clone(), own.clone()), "{what}: after the way back");
            }
        }
    }
}

#[test]
fn a_router_that_speaks_from_elsewhere_or_to_others_stays_master() {
    if is_reference("it ends an instance for each of these") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24", "10.9.0.9/24"]);
    // Somebody answers for the peer.
    let _peer = net.node("b", "eth0", &["10.9.0.3/24"]);
    let daemon = Daemon::start(&a, US, &base());
    settle(&net, &a, &daemon);
    let before = held(&a);
    let links = || a.shell("ip -o link | awk '{print $2}' | sort");
    let own = links();
    let entered = daemon.logged("Entering");
    for (what, changes) in ELSEWHERE {
        // From the base, and back to it only after the last: each is a step from the one before.
        let since = now();
        daemon.reload(&edited(what, changes));
        std::thread::sleep(TIMING.interval * 8);
        assert_eq!(daemon.logged("Entering"), entered, "{what}: {}", daemon.log());
        for vrid in 51..=56 {
            is_on_time(&net, since, vrid, what);
        }
        let there = a.shell("ip -4 -o addr show");
        for address in ["10.9.0.102/32", "10.9.0.112/32"] {
            assert_eq!(there.matches(address).count(), 1, "{what}: {there}");
        }
    }
    daemon.reload(&base());
    std::thread::sleep(TIMING.interval * 4);
    assert_eq!((held(&a), links()), (before, own), "after the way back");
    assert_eq!(daemon.logged("Entering"), entered, "{}", daemon.log());
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
}
