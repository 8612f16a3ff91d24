//! Routes and static items across a reload, and the deadlines of what goes on.

use super::{Child, INTERFACE, Machine, instance, instance_with, on_a_machine, owner, vips};
use crate::base::id::InstanceId;
use crate::proto::vrrp::{Input, State};
use crate::vrrpd::live::PROTOCOL;
use crate::vrrpd::slots::Slot;

impl Machine<'_> {
    /// How many routes a keepalived has put into the kernel.
    fn routes(&mut self) -> usize {
        let mut routes = Vec::new();
        self.network.commands.routes(PROTOCOL, &mut routes).unwrap();
        routes.len()
    }
}

/// An instance with a route for each of these networks.
fn with_routes(name: &str, vrid: u8, networks: &[u8]) -> String {
    let routes: String = networks
        .iter()
        .map(|network| format!("  10.0.{network}.0/24 via 192.0.2.9 dev {INTERFACE}\n"))
        .collect();
    let more = format!(" priority 100\n virtual_routes {{\n{routes} }}");
    instance_with(name, vrid, &more, &["192.0.2.11"])
}

#[test]
fn routes_stay_come_and_go_with_their_instance() {
    on_a_machine(|machine| {
        let mut child = Child::successor(&with_routes("A", 51, &[1, 2]), &["A"]);
        child.words();
        assert_eq!(machine.routes(), 2);
        child.reload(&with_routes("A", 51, &[1, 2]));
        assert_eq!(machine.routes(), 2);
        child.reload(&with_routes("A", 51, &[2, 3, 4]));
        assert_eq!(machine.routes(), 3);
        child.reload(&instance("B", 52, &["192.0.2.12"]));
        assert_eq!(machine.routes(), 0);
    });
}

#[test]
fn static_addresses_come_and_go_with_the_configuration() {
    on_a_machine(|machine| {
        let statics = "static_ipaddress {\n 192.0.2.20/24 dev vrrp-near\n}\n";
        let a = instance("A", 51, &["192.0.2.11"]);
        let mut child = Child::first(&a);
        child.words();
        child.reload(&format!("{statics}{a}"));
        assert_eq!(machine.addresses(), vips(20..21));
        child.reload(&format!("{statics}{a}"));
        assert!(machine.taken_off().is_empty());
        child.reload(&a);
        assert!(machine.addresses().is_empty());
    });
}

#[test]
fn elections_go_on_at_the_time_at_which_they_were_to() {
    on_a_machine(|_| {
        let text = |numbers: [u8; 3]| -> String {
            numbers.iter().map(|number| instance(&format!("I{number}"), *number, &[])).collect()
        };
        let mut child = Child::successor(&text([1, 2, 3]), &["I2"]);
        child.words();
        let backup = child.instance("I3").router.poll_at();
        assert!(backup.is_some());
        child.reload(&text([3, 2, 4]));
        assert_eq!(child.state("I2"), State::Master);
        assert_eq!(child.instance("I3").router.poll_at(), backup);
        for id in (0..3).map(InstanceId::at) {
            let due = child.vrrp.instance(id).and_then(|instance| instance.router.poll_at());
            let slot = child.vrrp.work.layout.number(Slot::Machine(id));
            assert!(due.is_some());
            assert_eq!(child.reactor.turn().deadline(slot), due);
        }
    });
}

#[test]
fn routes_of_several_slices_stay_while_one_holder_has_them() {
    on_a_machine(|machine| {
        let between: String = (1..=40).map(|vrid| instance(&format!("I{vrid}"), vrid, &[])).collect();
        let networks: Vec<_> = (100..140).collect();
        let (a, z) = (with_routes("A", 51, &networks), with_routes("Z", 52, &networks));
        let both = format!("{a}{between}{z}");
        let mut child = Child::successor(&both, &["A", "Z"]);
        child.words();
        assert_eq!(machine.routes(), networks.len());
        // Each is one route of both, also where the numbers of a later slice say so.
        child.input("A", Input::Stop);
        assert_eq!(machine.routes(), networks.len());
        child.reload(&format!("{between}{z}"));
        assert_eq!(machine.routes(), networks.len());
        child.reload(&between);
        assert_eq!(machine.routes(), 0);
    });
}

#[test]
fn static_addresses_of_several_slices_all_go() {
    on_a_machine(|machine| {
        let lines: String = (20..60).map(|it| format!(" 192.0.2.{it}/24 dev {INTERFACE}\n")).collect();
        let a = instance("A", 51, &[]);
        let mut child = Child::first(&a);
        child.words();
        child.reload(&format!("static_ipaddress {{\n{lines}}}\n{a}"));
        assert_eq!(machine.addresses(), vips(20..60));
        child.reload(&a);
        assert!(machine.addresses().is_empty());
    });
}

#[test]
fn instances_that_end_a_slice_early_are_all_brought_up_and_begun() {
    on_a_machine(|machine| {
        let text = |last: u8, each: usize| -> String {
            let number = |vrid: u8| format!("192.0.2.{}", 100 + vrid);
            let more = |vrid: u8| format!("192.0.2.{}", 150 + vrid);
            (1..=last)
                .map(|vrid| {
                    owner(&format!("I{vrid}"), vrid, &[number(vrid).as_str(), more(vrid).as_str()][..each])
                })
                .collect()
        };
        let mut child = Child::first(&text(20, 1));
        child.words();
        assert_eq!(machine.addresses(), vips(101..121));
        // Those that go on get another address each, and as many others begin.
        child.reload(&text(40, 2));
        let mut all = [vips(101..141), vips(151..191)].concat();
        all.sort();
        assert_eq!(machine.addresses(), all);
    });
}
