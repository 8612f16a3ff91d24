//! Routes and static items across a reload, and the deadlines of what goes on.

use super::{Child, INTERFACE, Machine, instance, instance_with, on_a_machine, vips};
use crate::base::id::InstanceId;
use crate::proto::vrrp::State;
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
