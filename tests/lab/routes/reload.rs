//! What a reload does to routes, rules and static items.

use super::*;

#[test]
fn a_reload_changes_only_what_changed() {
    let net = Net::new();
    let a = machine(&net, "a");
    let first = with(
        "10.60.0.0/24 via 10.9.0.3 dev eth0\n 10.61.0.0/24 via 10.9.0.3 dev eth0\n 10.62.0.0/24 dev eth0",
        "from 10.60.0.0/24 table 100 priority 500\n from 10.61.0.0/24 table 100 priority 501",
        "10.50.0.0/24 dev other\n 10.51.0.0/24 dev other",
    );
    let second = with(
        "10.60.0.0/24 via 10.9.0.3 dev eth0\n 10.61.0.0/24 via 10.9.0.4 dev eth0 mtu 1400\n 10.63.0.0/24 dev eth0",
        "from 10.60.0.0/24 table 100 priority 500\n from 10.61.0.0/24 table 200 priority 501",
        "10.50.0.0/24 dev other\n 10.51.0.0/24 dev other metric 5",
    );
    let daemon = Daemon::start(&a, US, &first.text());
    net.wait_master("a", daemon.since(), elected());
    eventually("all are there", ALLOWANCE, || marked(&a).len() == 7);
    watch(&a);
    let begin = now();
    daemon.reload(&second.text());
    let wanted = |lines: &[String]| {
        let all = lines.join("\n");
        lines.len() == 7
            && all.contains("10.61.0.0/24 via 10.9.0.4 dev eth0 table main scope global mtu 1400")
            && all.contains("10.63.0.0/24")
            && all.contains("lookup 200")
            && all.contains("10.51.0.0/24 dev other table main scope global metric 5")
    };
    eventually("the new ones are there", ALLOWANCE, || wanted(&marked(&a)));
    net.never("a goodbye", begin, TIMING.interval * 5, |event| event.is_goodbye_of("a"));
    if is_reference("it takes what changed off first") {
        return;
    }
    std::thread::sleep(Duration::from_millis(100));
    let seen = changes(&a);
    let at = |text: &str| {
        seen.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text} in {seen:#?}"))
    };
    let untouched = |text: &str| assert!(!seen.iter().any(|line| line.contains(text)), "{text}: {seen:#?}");
    untouched("10.60.0.0");
    untouched("10.50.0.0");
    untouched("Deleted 10.61.0.0");
    assert!(at("10.51.0.0/24 dev other proto keepalived metric 5") < at("Deleted 10.51.0.0"), "{seen:#?}");
    assert!(at("lookup 200") < at("Deleted 501"), "{seen:#?}");
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    assert_eq!(marked(&a), Vec::<String>::new());
}

#[test]
fn addresses_routes_and_rules_move_between_instances() {
    let net = Net::new();
    let a = machine(&net, "a");
    let moving = "virtual_routes {\n 10.60.0.0/24 via 10.9.0.3 dev eth0\n}\nvirtual_rules {\n from 10.60.0.0/24 table 100 priority 500\n}";
    let own = "virtual_routes {\n 10.61.0.0/24 via 10.9.0.3 dev eth0\n}";
    let pair = |swapped: bool| {
        let vips = |here: bool, own: &str| match here {
            true => vec![own.to_owned(), "10.9.0.150".to_owned()],
            false => vec![own.to_owned()],
        };
        let one = Instance { addresses: vips(!swapped, "10.9.0.101"), ..Instance::default() };
        let two = Instance {
            name: "VI_2",
            vrid: 52,
            addresses: vips(swapped, "10.9.0.102"),
            ..Instance::default()
        };
        let (one, two) =
            if swapped { (one.line(own), two.line(moving)) } else { (one.line(moving), two.line(own)) };
        let second = two.text();
        let second = &second[second.find("vrrp_instance").expect("the block")..];
        format!("{}{second}", one.text())
    };
    let daemon = Daemon::start(&a, US, &pair(false));
    eventually("all are there", elected(), || marked(&a).len() == 3 && a.holds("eth0", "10.9.0.150"));
    watch(&a);
    a.shell("(ip monitor address >/run/addresses 2>&1 &)");
    let begin = now();
    for swapped in [true, false] {
        daemon.reload(&pair(swapped));
        std::thread::sleep(TIMING.interval * 3);
        assert_eq!(marked(&a).len(), 3, "{:#?}", marked(&a));
        assert!(a.holds("eth0", "10.9.0.150"));
    }
    net.never("a goodbye", begin, Duration::ZERO, |event| event.is_goodbye_of("a"));
    if is_reference("it takes them off and puts them on again") {
        return;
    }
    assert!(changes(&a).is_empty(), "{:#?}", changes(&a));
    assert!(!a.read("/run/addresses").contains("Deleted"), "{}", a.read("/run/addresses"));
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    assert_eq!(marked(&a), Vec::<String>::new());
}

/// The kernel takes secondary addresses along when the first of their network goes.
#[test]
fn nobody_is_blamed_for_what_goes_with_an_address_that_a_reload_removes() {
    if is_reference("what was static stays") {
        return;
    }
    let net = Net::new();
    let a = machine(&net, "a");
    let conf = |statics: &str, addresses: &[&str]| {
        let addresses = addresses.iter().map(|one| (*one).to_owned()).collect();
        let of_it = Instance { addresses, ..Instance::default() };
        of_it.before(&format!("static_ipaddress {{\n{statics}\n}}")).text()
    };
    let both = ["10.6.0.1/24 dev other", "10.6.0.2/24 dev other"];
    let daemon = Daemon::start(
        &a,
        US,
        &conf("10.7.0.1/24 dev other\n10.7.0.2/24 dev other\n10.7.0.3/24 dev other", &both),
    );
    net.wait_master("a", daemon.since(), elected());
    eventually("all are there", ALLOWANCE, || a.holds("other", "10.7.0.3") && a.holds("other", "10.6.0.2"));
    daemon.reload(&conf("10.7.0.2/24 dev other\n10.7.0.3/24 dev other", &["10.6.0.2/24 dev other"]));
    std::thread::sleep(Duration::from_millis(200));
    for there in ["10.7.0.2", "10.7.0.3", "10.6.0.2"] {
        assert!(a.holds("other", there), "{there}: {:?}", a.addresses("other"));
    }
    for gone in ["10.7.0.1", "10.6.0.1"] {
        assert!(!a.holds("other", gone), "{gone}");
    }
    assert_eq!(daemon.logged("by somebody"), 0, "{}", daemon.log());
    // And somebody is, for what he does.
    a.shell("ip addr del 10.7.0.3/24 dev other");
    daemon.wait_log("by somebody", ALLOWANCE);
    daemon.stop();
}
