//! A start, alone and after a predecessor.

use super::{Child, INTERFACE, instance, instance_with, on_a_machine, owner, vips};
use crate::daemon::ipc::ToParent;
use crate::proto::vrrp::State;

#[test]
fn a_start_lets_every_instance_begin_and_tells_the_parent_once() {
    on_a_machine(|machine| {
        let text = owner("A", 51, &["192.0.2.11"]) + &instance("B", 52, &["192.0.2.12"]);
        let mut child = Child::first(&text);
        assert_eq!(child.words(), [ToParent::Ready]);
        assert_eq!((child.state("A"), child.state("B")), (State::Master, State::Backup));
        assert_eq!((child.recorded("A"), child.recorded("B")), (Some(State::Master), Some(State::Backup)));
        assert!(["A", "B"].iter().all(|name| child.instance(name).reception.socket.is_some()));
        assert_eq!(machine.addresses(), vips(11..12));
    });
}

#[test]
fn an_instance_without_its_interface_begins_in_fault() {
    on_a_machine(|machine| {
        let text = owner("A", 51, &["192.0.2.11"]).replace(INTERFACE, "absent");
        let mut child = Child::first(&text);
        assert_eq!(child.words(), [ToParent::Ready]);
        assert_eq!(child.state("A"), State::Fault);
        assert!(machine.addresses().is_empty());
    });
}

#[test]
fn a_successor_goes_on_as_master_and_no_address_goes_for_a_moment() {
    on_a_machine(|machine| {
        let text = instance("A", 51, &["192.0.2.11", "192.0.2.12"]) + &instance("B", 52, &["192.0.2.13"]);
        let dead = Child::successor(&text, &["A", "B"]);
        assert_eq!(machine.addresses(), vips(11..14));
        drop(dead);
        let successor = Child::successor(&text, &["A"]);
        assert_eq!((successor.state("A"), successor.state("B")), (State::Master, State::Backup));
        assert_eq!(machine.taken_off(), vips(13..14), "A's stay, B's were left over");
        assert_eq!(machine.addresses(), vips(11..13));
    });
}

#[test]
fn a_successor_puts_back_what_was_taken_off_since() {
    on_a_machine(|machine| {
        let text = instance("A", 51, &["192.0.2.11"]);
        let successor = Child::successor(&text, &["A"]);
        assert_eq!(successor.state("A"), State::Master);
        assert_eq!(machine.addresses(), vips(11..12));
    });
}

#[test]
fn a_first_child_removes_what_a_crash_left() {
    on_a_machine(|machine| {
        let text = instance("A", 51, &["192.0.2.11"]);
        drop(Child::successor(&text, &["A"]));
        let child = Child::first(&text);
        assert_eq!(child.state("A"), State::Backup);
        assert!(machine.addresses().is_empty());
    });
}

#[test]
fn forty_instances_begin_in_slices() {
    on_a_machine(|machine| {
        let text: String =
            (0..40).map(|number| owner(&format!("I{number}"), number + 1, &[&vip(number)])).collect();
        let child = Child::first(&text);
        assert!((0..40).all(|number| child.state(&format!("I{number}")) == State::Master));
        assert!((0..40).all(|number| child.instance(&format!("I{number}")).reception.socket.is_some()));
        assert_eq!(machine.addresses(), vips(100..140));
    });
}

fn vip(number: u8) -> String {
    format!("192.0.2.{}", 100 + number)
}

#[test]
fn members_of_a_group_begin_as_one() {
    on_a_machine(|_| {
        let group = "vrrp_sync_group G {\n group {\n A\n B\n }\n}\n";
        let missing = instance("B", 52, &["192.0.2.12"]).replace(INTERFACE, "absent");
        let child = Child::first(&format!("{group}{}{missing}", instance("A", 51, &["192.0.2.11"])));
        assert_eq!((child.state("A"), child.state("B")), (State::Fault, State::Fault));
    });
}

#[test]
fn a_stop_takes_everything_off() {
    on_a_machine(|machine| {
        let statics = "static_ipaddress {\n 192.0.2.20/24 dev vrrp-near\n}\n";
        let text = format!("{statics}{}", owner("A", 51, &["192.0.2.11"]));
        let mut child = Child::first(&text);
        assert_eq!(machine.addresses(), ["192.0.2.11", "192.0.2.20"]);
        child.stop();
        assert!(machine.addresses().is_empty());
    });
}

#[test]
fn preempt_delay_does_not_matter_to_a_start_after_a_dead_master() {
    on_a_machine(|_| {
        let text = instance_with("A", 51, " priority 100\n preempt_delay 100", &["192.0.2.11"]);
        assert_eq!(Child::successor(&text, &["A"]).state("A"), State::Master);
    });
}
