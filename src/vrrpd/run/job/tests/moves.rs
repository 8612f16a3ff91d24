//! Addresses that a reload moves, adds and takes away.

use super::{Child, instance, instance_with, on_a_machine, vips};
use crate::proto::vrrp::State;

#[test]
fn an_address_that_moves_between_masters_is_there_all_the_time() {
    on_a_machine(|machine| {
        let text = instance("A", 51, &["192.0.2.11", "192.0.2.12"]) + &instance("B", 52, &["192.0.2.13"]);
        let mut child = Child::successor(&text, &["A", "B"]);
        child.words();
        let text = instance("A", 51, &["192.0.2.11"]) + &instance("B", 52, &["192.0.2.12", "192.0.2.13"]);
        child.reload(&text);
        assert!(machine.taken_off().is_empty());
        assert_eq!(machine.addresses(), vips(11..14));
        child.reload(&instance("B", 52, &["192.0.2.12", "192.0.2.11"]));
        assert_eq!(machine.taken_off(), ["192.0.2.13"], "one comes from an instance that is no more");
        assert_eq!(machine.addresses(), vips(11..13));
        assert_eq!(child.state("B"), State::Master);
        child.reload("");
        assert!(machine.addresses().is_empty(), "what an instance got is its own");
    });
}

#[test]
fn an_address_that_moves_to_a_backup_goes() {
    on_a_machine(|machine| {
        let text = instance("A", 51, &["192.0.2.11", "192.0.2.12"]) + &instance("B", 52, &["192.0.2.13"]);
        let mut child = Child::successor(&text, &["A"]);
        child.words();
        let text = instance("A", 51, &["192.0.2.11"]) + &instance("B", 52, &["192.0.2.12", "192.0.2.13"]);
        child.reload(&text);
        assert_eq!(machine.addresses(), vips(11..12));
    });
}

#[test]
fn a_master_gets_and_gives_up_addresses_at_once() {
    on_a_machine(|machine| {
        let mut child = Child::successor(&instance("A", 51, &["192.0.2.11", "192.0.2.12"]), &["A"]);
        child.words();
        child.reload(&instance("A", 51, &["192.0.2.13", "192.0.2.12", "192.0.2.14"]));
        assert_eq!(machine.taken_off(), ["192.0.2.11"]);
        assert_eq!(machine.addresses(), vips(12..15));
        child.reload(&instance("A", 51, &["192.0.2.14", "192.0.2.13", "192.0.2.12"]));
        assert!(machine.taken_off().is_empty(), "only their order is another");
    });
}

#[test]
fn a_virtual_address_becomes_a_static_one_and_one_again() {
    on_a_machine(|machine| {
        let statics = "static_ipaddress {\n 192.0.2.12/24 dev vrrp-near\n}\n";
        let (one, two) =
            (instance("A", 51, &["192.0.2.11"]), instance("A", 51, &["192.0.2.11", "192.0.2.12"]));
        let mut child = Child::successor(&two, &["A"]);
        child.words();
        child.reload(&format!("{statics}{one}"));
        assert_eq!(machine.addresses(), vips(11..13));
        child.reload(&two);
        assert_eq!(machine.addresses(), vips(11..13));
        assert!(machine.taken_off().is_empty());
        child.reload(&one);
        assert_eq!(machine.addresses(), vips(11..12));
    });
}

#[test]
fn hundreds_of_addresses_stay_and_go_in_slices() {
    on_a_machine(|machine| {
        let many: Vec<_> =
            (0..300u16).map(|number| format!("198.51.{}.{}", number / 200, number % 200 + 1)).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let text = |addresses: &[&str]| {
            let excluded: String = addresses.iter().map(|address| format!("  {address}/24\n")).collect();
            let more = format!(" priority 255\n virtual_ipaddress_excluded {{\n{excluded} }}");
            instance_with("A", 51, &more, &["192.0.2.11"])
        };
        let mut child = Child::first(&text(&many));
        child.words();
        assert_eq!(machine.addresses().len(), 301);
        let calls = child.reload(&text(&many));
        assert!(machine.taken_off().is_empty());
        let (kept, gone) = many.split_at(140);
        let reversed: Vec<_> = kept.iter().rev().copied().collect();
        child.reload(&text(&reversed));
        let mut taken = machine.taken_off();
        taken.sort();
        let mut gone = gone.to_vec();
        gone.sort_unstable();
        assert_eq!(taken, gone);
        assert!(child.reload(&instance("B", 52, &["192.0.2.12"])) > 60 && calls > 60);
        assert!(machine.addresses().is_empty());
    });
}
