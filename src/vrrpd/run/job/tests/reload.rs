//! What a reload keeps, ends and begins.

use super::{Child, instance, instance_with, on_a_machine, owner, sent, vips};
use crate::daemon::ipc::ToParent;
use crate::daemon::reactor::Command;
use crate::proto::vrrp::State;
use crate::sys::memory;

#[test]
fn kept_instances_stay_as_they_are_and_removed_ones_leave_and_added_ones_begin() {
    on_a_machine(|machine| {
        let (a, b) = (instance("A", 51, &["192.0.2.11"]), instance("B", 52, &["192.0.2.12"]));
        let mut child = Child::successor(&(b + &a), &["A", "B"]);
        child.words();
        assert_eq!(machine.addresses(), vips(11..13));
        let since = child.since("A");
        child.reload(&(a + &owner("C", 53, &["192.0.2.13"]) + &instance("D", 54, &["192.0.2.14"])));
        assert_eq!(child.state("A"), State::Master);
        assert_eq!(child.since("A"), since, "A entered nothing");
        assert_eq!((child.state("C"), child.state("D")), (State::Master, State::Backup));
        assert!(["A", "C", "D"].iter().all(|name| child.instance(name).reception.socket.is_some()));
        assert_eq!(child.recorded("B"), None, "the parent forgets it");
        assert_eq!(child.recorded("C"), Some(State::Master));
        assert_eq!(machine.taken_off(), ["192.0.2.12"]);
        assert_eq!(machine.addresses(), ["192.0.2.11", "192.0.2.13"]);
    });
}

#[test]
fn a_reload_of_the_same_text_changes_nothing() {
    on_a_machine(|machine| {
        let text = owner("A", 51, &["192.0.2.11"]) + &instance("B", 52, &["192.0.2.12"]);
        let mut child = Child::first(&text);
        child.words();
        let since = ["A", "B"].map(|name| child.since(name));
        let announcement = child.instance("A").router.announce_at();
        for _ in 0..2 {
            child.reload(&text);
            assert_eq!(child.instance("A").router.announce_at(), announcement, "no new round");
            assert_eq!(["A", "B"].map(|name| child.since(name)), since);
            assert_eq!((child.state("A"), child.state("B")), (State::Master, State::Backup));
        }
        assert!(machine.taken_off().is_empty());
        assert_eq!(machine.addresses(), vips(11..12));
    });
}

#[test]
fn an_instance_of_another_name_goes_on() {
    on_a_machine(|machine| {
        let mut child = Child::successor(&instance("A", 51, &["192.0.2.11"]), &["A"]);
        child.words();
        let since = child.since("A");
        child.reload(&instance("Z", 51, &["192.0.2.11"]));
        assert_eq!((child.state("Z"), child.since("Z")), (State::Master, since));
        assert_eq!(
            (child.recorded("A"), child.recorded("Z")),
            (None, Some(State::Master)),
            "for a successor"
        );
        assert!(machine.taken_off().is_empty());
    });
}

#[test]
fn instances_that_exchange_their_names_are_remembered_by_the_new_ones() {
    on_a_machine(|machine| {
        let both = |one, other| instance(one, 51, &["192.0.2.11"]) + &instance(other, 52, &["192.0.2.12"]);
        let mut child = Child::successor(&both("A", "B"), &["A"]);
        child.words();
        child.reload(&both("B", "A"));
        assert_eq!((child.state("A"), child.state("B")), (State::Backup, State::Master));
        assert_eq!((child.recorded("A"), child.recorded("B")), (Some(State::Backup), Some(State::Master)));
        assert!(machine.taken_off().is_empty());
    });
}

#[test]
fn an_instance_of_another_router_id_resigns() {
    on_a_machine(|machine| {
        let mut child = Child::successor(&instance("A", 51, &["192.0.2.11"]), &["A"]);
        child.words();
        child.reload(&instance("A", 61, &["192.0.2.11"]));
        assert_eq!((child.state("A"), child.recorded("A")), (State::Backup, Some(State::Backup)));
        assert!(machine.addresses().is_empty());
    });
}

#[test]
fn an_instance_whose_adverts_go_elsewhere_goes_on_by_its_name() {
    on_a_machine(|machine| {
        let other = instance("B", 52, &["192.0.2.12"]);
        let mut child = Child::successor(&(other.clone() + &instance("A", 51, &["192.0.2.11"])), &["A"]);
        child.words();
        let peer = " priority 100\n unicast_peer {\n 192.0.2.9\n }";
        child.reload(&(instance_with("A", 51, peer, &["192.0.2.11"]) + &other));
        assert_eq!((child.state("A"), child.state("B")), (State::Master, State::Backup));
        assert!(machine.taken_off().is_empty());
        child.reload(&(other + &instance_with("Z", 51, " priority 100", &["192.0.2.11"])));
        assert_eq!(child.state("Z"), State::Backup, "by another name it is another router");
        assert!(machine.addresses().is_empty());
    });
}

#[test]
fn what_a_peer_was_found_to_speak_is_known_after_a_reload() {
    on_a_machine(|_| {
        let with = |priority: u8, more: &str| {
            let peers = "unicast_peer {\n 192.0.2.8\n 192.0.2.9\n }";
            let more =
                format!(" version 3\n priority {priority}\n unicast_src_ip 192.0.2.1\n {peers}\n {more}");
            instance_with("A", 51, &more, &["192.0.2.11"])
        };
        let spoken = |child: &Child| [0, 1].map(|at| child.instance("A").peers[at].old_form);
        let mut child = Child::first(&with(100, ""));
        child.words();
        let id =
            child.vrrp.routers.instances.iter().position(|instance| &*instance.config.name == "A").unwrap();
        child.vrrp.routers.instances[id].peers[1].old_form = true;
        child.reload(&with(90, ""));
        assert_eq!(spoken(&child), [false, true]);
        child.reload(&with(90, "old_unicast_checksum never"));
        assert_eq!(spoken(&child), [false, false], "the configuration says what it is");
    });
}

#[test]
fn unicast_instances_alike_are_told_apart_by_their_peers() {
    on_a_machine(|machine| {
        let to = |name: &str, peer: &str, vip: &str| {
            let more = format!(" priority 100\n unicast_src_ip 192.0.2.1\n unicast_peer {{\n {peer}\n }}");
            instance_with(name, 51, &more, &[vip])
        };
        let (a, b) = (to("A", "192.0.2.8", "192.0.2.11"), to("B", "192.0.2.9", "192.0.2.12"));
        let mut child = Child::successor(&format!("{a}{b}"), &["A"]);
        child.words();
        assert_eq!((child.state("A"), child.state("B")), (State::Master, State::Backup));
        child.reload(&format!("{b}{a}"));
        assert_eq!((child.state("A"), child.state("B")), (State::Master, State::Backup));
        child.reload(&format!("{}{b}{a}", to("D", "192.0.2.6", "192.0.2.14")));
        assert_eq!((child.state("A"), child.state("B")), (State::Master, State::Backup), "D is none of them");
        child.reload(&format!("{b}{a}{}", to("C", "192.0.2.7", "192.0.2.13")));
        assert_eq!((child.state("A"), child.state("B")), (State::Master, State::Backup));
        assert_eq!(child.state("C"), State::Backup);
        child.reload(&format!("{}{b}", to("E", "192.0.2.5", "192.0.2.11")));
        assert_eq!(child.state("E"), State::Master, "what is left goes on as what is new");
        assert!(machine.taken_off().is_empty());
    });
}

#[test]
fn what_is_no_configuration_leaves_everything_as_it_is() {
    on_a_machine(|machine| {
        let mut child = Child::first(&owner("A", 51, &["192.0.2.11"]));
        child.words();
        child.command(Command::Reload(1, memory::sealed("test", b"nonsense").unwrap()));
        child.work();
        assert_eq!(child.words(), [ToParent::ReloadDone { ok: false }]);
        assert_eq!(child.state("A"), State::Master);
        assert!(machine.taken_off().is_empty());
        child.reload(&owner("A", 51, &["192.0.2.12"]));
        assert_eq!(machine.addresses(), vips(12..13), "the next configuration counts");
    });
}

#[test]
fn a_child_that_stops_is_not_reloaded() {
    on_a_machine(|machine| {
        let text = owner("A", 51, &["192.0.2.11"]);
        let mut child = Child::first(&text);
        child.words();
        child.stop();
        child.command(Command::Reload(1, sent(&text)));
        assert_eq!(child.words(), [ToParent::ReloadDone { ok: false }]);
        assert!(child.vrrp.job.is_none() && machine.addresses().is_empty());
    });
}

#[test]
fn a_second_order_to_reload_is_refused_while_one_is_under_way() {
    on_a_machine(|_| {
        let text = owner("A", 51, &["192.0.2.11"]);
        let mut child = Child::first(&text);
        child.words();
        child.command(Command::Reload(1, sent(&owner("B", 51, &["192.0.2.11"]))));
        child.command(Command::Reload(1, sent(&text)));
        assert_eq!(child.words(), [ToParent::ReloadDone { ok: false }]);
        child.work();
        assert_eq!(child.words(), [ToParent::ReloadDone { ok: true }]);
        assert_eq!(child.state("B"), State::Master);
    });
}

#[test]
fn what_the_configuration_says_of_an_instance_is_in_force_after_a_reload() {
    on_a_machine(|_| {
        let mut child = Child::successor(&instance("A", 51, &["192.0.2.11"]), &["A"]);
        child.words();
        child.reload(&instance_with("A", 51, " priority 77", &["192.0.2.11"]));
        assert_eq!(child.instance("A").router.machine().effective_priority(), 77);
        assert_eq!(child.state("A"), State::Master);
    });
}

#[test]
fn forty_instances_go_on_and_forty_others_leave_in_slices() {
    on_a_machine(|machine| {
        let all: Vec<_> = (0..80u8)
            .map(|number| owner(&format!("I{number}"), number + 1, &[&format!("192.0.2.{}", 100 + number)]))
            .collect();
        let mut child = Child::first(&all.concat());
        child.words();
        let since = child.since("I79");
        let calls = child.reload(&all[40..].concat());
        assert!(calls > 100, "only {calls} slices");
        assert!((40..80).all(|number| child.state(&format!("I{number}")) == State::Master));
        assert_eq!(child.since("I79"), since);
        let mut gone = machine.taken_off();
        gone.sort();
        assert_eq!(gone, vips(100..140));
        assert_eq!(machine.addresses(), vips(140..180));
        child.reload(&all.concat());
        assert!((0..80).all(|number| child.state(&format!("I{number}")) == State::Master));
        assert_eq!(machine.addresses(), vips(100..180));
    });
}
