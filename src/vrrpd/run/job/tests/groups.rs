//! Sync groups across a start and a reload.

use super::{Child, instance, on_a_machine};
use crate::base::id::GroupId;
use crate::daemon::record::{self, Record, Records};
use crate::proto::vrrp::State;
use crate::sys::clock;
use crate::vrrpd::kept;

const GROUP: &str = "vrrp_sync_group G {\n group {\n A\n B\n }\n}\n";

impl Child {
    /// The state of the only group.
    fn group(&self) -> Option<State> {
        self.vrrp.routers.policy.members(GroupId::at(0)).map(|group| group.machine.state())
    }
}

fn members() -> String {
    instance("A", 51, &["192.0.2.11"]) + &instance("B", 52, &["192.0.2.12"])
}

#[test]
fn a_group_goes_on_as_the_master_that_it_was() {
    on_a_machine(|_| {
        let mut records = Records::new(3);
        for key in [record::key("A"), record::key("B"), kept::group_key("G")] {
            records.note(Record::new(key, kept::MASTER));
        }
        let mut child = Child::new(&format!("{GROUP}{}", members()), Some(clock::now()), records);
        child.work();
        child.words();
        assert_eq!((child.state("A"), child.state("B")), (State::Master, State::Master));
        assert_eq!(child.group(), Some(State::Master));
        child.reload(&format!("{GROUP}{}", members()));
        assert_eq!((child.state("A"), child.state("B")), (State::Master, State::Master));
        assert_eq!(child.group(), Some(State::Master));
    });
}

#[test]
fn a_first_group_begins_as_backup() {
    on_a_machine(|_| {
        let child = Child::first(&format!("{GROUP}{}", members()));
        assert_eq!((child.state("A"), child.state("B")), (State::Backup, State::Backup));
        assert_eq!(child.group(), Some(State::Backup));
    });
}

#[test]
fn instances_that_a_reload_brings_together_agree() {
    on_a_machine(|_| {
        let mut child = Child::successor(&members(), &["A"]);
        child.words();
        assert_eq!((child.state("A"), child.state("B")), (State::Master, State::Backup));
        child.reload(&format!("{GROUP}{}", members()));
        assert_eq!(child.state("A"), child.state("B"));
        assert_eq!(child.group(), Some(child.state("A")));
    });
}

#[test]
fn a_new_member_of_a_master_group_agrees_with_the_others() {
    on_a_machine(|_| {
        let mut child = Child::successor(&instance("A", 51, &["192.0.2.11"]), &["A"]);
        child.words();
        child.reload(&format!("{GROUP}{}", members()));
        assert_eq!(child.state("A"), child.state("B"));
    });
}

#[test]
fn a_new_member_in_fault_takes_the_others_along() {
    on_a_machine(|machine| {
        let mut child = Child::successor(&instance("A", 51, &["192.0.2.11"]), &["A"]);
        child.words();
        let missing = instance("B", 52, &["192.0.2.12"]).replace(super::INTERFACE, "absent");
        child.reload(&format!("{GROUP}{}{missing}", instance("A", 51, &["192.0.2.11"])));
        assert_eq!((child.state("A"), child.state("B")), (State::Fault, State::Fault));
        assert!(machine.addresses().is_empty());
    });
}
