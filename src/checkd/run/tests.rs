//! A whole child without a kernel's table: what a reload and a successor make of states. Its table would be in a network
//! namespace that is not there, so that nothing of this machine is touched.

use std::sync::Arc;

use super::Checkers;
use super::start::{Context, start};
use crate::base::id::{CheckId, MachineId, RealId, ServiceId};
use crate::base::time::Instant;
use crate::child::bracket::Reloads;
use crate::config::diag::Diagnostics;
use crate::config::model::Model;
use crate::config::{assemble, expand};
use crate::daemon::keep::Keep;
use crate::daemon::reactor::Reactor;
use crate::daemon::tuning::Tuner;
use crate::proto::check::Input;
use crate::proto::lvs::CheckStart;
use crate::sys::channel::Channel;
use crate::sys::clock;

/// A service, its lines, and its servers with their checks.
fn service(addr: &str, lines: &str, servers: &[(&str, &str)]) -> String {
    let mut text = format!("virtual_server {addr} 80 {{\nprotocol TCP\nlvs_sched rr\n{lines}\n");
    for (server, checks) in servers {
        text += &format!("real_server {server} 80 {{\n{checks}\n}}\n");
    }
    text + "}\n"
}

/// Checks that sessions decide: neither sockets nor programs.
const ONE: &str = "BFD_CHECK {\nname one\n}";
const TWO: &str = "BFD_CHECK {\nname two\n}";
const TCP: &str = "TCP_CHECK {\n}";

fn model(services: &str) -> Model {
    let session = |name: &str, at: &str| format!("bfd_instance {name} {{\nneighbor_ip 10.1.0.{at}\n}}\n");
    let text =
        ["net_namespace_ipvs ", &"n".repeat(300), "\n", &session("one", "1"), &session("two", "2"), services];
    let text = text.concat();
    let mut found = Diagnostics::new();
    assemble::model(&expand::parse_text(&text, &mut found).tree, &mut found)
}

/// A child with its loop.
struct Child {
    reactor: Reactor,
    checkers: Checkers,
    _parent: Channel,
}

impl Child {
    fn new(name: &str, services: &str, keep: &Keep, died: Option<Instant>) -> Self {
        let (channel, parent) = Channel::pair().unwrap();
        let file =
            |what: &str| std::env::temp_dir().join(format!("ka-run-{name}-{}.{what}", std::process::id()));
        let context = Context {
            channel,
            changes: Vec::new(),
            keep: keep.clone(),
            died,
            pid_file: file("pid"),
            keep_on_stop: false,
            dump: false,
            tuner: Tuner::default(),
            ledger: file("table"),
        };
        let (reactor, checkers) = start(Arc::new(model(services)), context).unwrap();
        std::fs::remove_file(file("table")).unwrap();
        assert!(checkers.lvs.table.ipvs.is_none(), "no table of this machine");
        Self { reactor, checkers, _parent: parent }
    }

    fn reload(&mut self, services: &str) {
        let mut turn = self.reactor.turn();
        self.checkers.go_over(&mut turn, Box::new(model(services)));
        std::fs::remove_file(self.checkers.lvs.ledger.path()).unwrap();
    }

    /// The session of a check goes up or down.
    fn decide(&mut self, id: u32, up: bool) {
        let mut turn = self.reactor.turn();
        self.checkers.drive(&mut turn, MachineId(id), Input::Session { up });
        self.checkers.settle(&mut turn);
    }

    /// Which servers of the whole model are up.
    fn up(&self) -> Vec<bool> {
        (0..).map_while(|id| self.checkers.lvs.director.real(RealId(id))).map(|view| view.up).collect()
    }

    fn quorum(&self, id: u32) -> bool {
        self.checkers.lvs.director.service(ServiceId(id)).unwrap().quorum
    }

    /// How each check of the model begins.
    fn starts(&self, count: u32) -> Vec<CheckStart> {
        (0..count).map(|id| self.checkers.lvs.director.check_start(CheckId(id))).collect()
    }

    /// For each machine, whether it is there, and for how many places.
    fn machines(&self) -> Vec<Option<usize>> {
        self.checkers.checks.all.iter().map(|check| Some(check.as_ref()?.places().count())).collect()
    }

    fn due(&self, id: u32) -> Option<Instant> {
        self.checkers.checks.get(MachineId(id)).unwrap().machine.poll_at()
    }
}

#[test]
fn a_reload_keeps_states_phases_and_machines_of_what_is_defined_as_before() {
    let before = service("192.0.2.1", "", &[("10.0.0.1", TCP), ("10.0.0.2", ONE), ("10.0.0.3", TCP)]);
    let mut child = Child::new("states", &before, &Keep::default(), None);
    assert_eq!(child.machines(), [Some(1); 3]);
    child.decide(1, false);
    assert_eq!(child.up(), [true, false, true]);
    let dues = [0, 2].map(|id| child.due(id));
    assert!(dues.iter().all(Option::is_some));
    // In another order, with another weight, and with a server that was not there.
    let after = service(
        "192.0.2.1",
        "",
        &[("10.0.0.4", TCP), ("10.0.0.2", &format!("weight 7\n{ONE}")), ("10.0.0.1", TCP), ("10.0.0.3", TCP)],
    );
    child.reload(&after);
    assert_eq!(child.up(), [true, false, true, true], "failed stays failed");
    assert_eq!([0, 2].map(|id| child.due(id)), dues, "every check goes on in its phase");
    assert_eq!(child.machines(), [Some(1); 4]);
    // The machine of 10.0.0.2 is still that of the server.
    child.decide(1, true);
    assert_eq!(child.up(), [true; 4]);
    child.decide(1, false);
    child.reload(&before);
    assert_eq!(child.up(), [true, false, true], "and once more");
    assert_eq!(
        child.machines(),
        [Some(1), Some(1), Some(1), None],
        "the check of the server that left has ended"
    );
}

#[test]
fn a_new_check_takes_down_no_server_that_is_up_and_holds_down_one_that_is_down() {
    let before = service("192.0.2.1", "alpha", &[("10.0.0.1", ONE), ("10.0.0.2", TWO)]);
    let mut child = Child::new("new", &before, &Keep::default(), None);
    assert_eq!(child.up(), [false, false], "alpha");
    child.decide(0, true);
    assert_eq!(child.up(), [true, false]);
    let (one, two) = (format!("{ONE}\n{TCP}"), format!("{TWO}\n{TCP}"));
    let after = service("192.0.2.1", "alpha", &[("10.0.0.1", &one), ("10.0.0.2", &two), ("10.0.0.3", TCP)]);
    child.reload(&after);
    assert_eq!(child.up(), [true, false, false]);
    use CheckStart::{Failed, Fresh, Known, Trusted};
    assert_eq!(child.starts(5), [Known, Trusted, Known, Failed, Fresh]);
}

#[test]
fn identical_checks_are_one_machine_through_reloads() {
    let two = |no: &str| {
        let servers = [("10.0.0.1", ONE)];
        format!("global_defs {{\n{no}\n}}\n")
            + &service("192.0.2.1", "", &servers)
            + &service("192.0.2.2", "", &servers)
    };
    let mut child = Child::new("shared", &two(""), &Keep::default(), None);
    assert_eq!(child.machines(), [Some(2)]);
    child.decide(0, false);
    assert_eq!((child.up(), child.quorum(0), child.quorum(1)), (vec![false; 2], false, false));
    child.reload(&two("no_shared_checks"));
    assert_eq!(child.machines(), [Some(1), Some(1)]);
    assert_eq!(child.up(), [false, false], "the check that is new on a server that is down holds it down");
    child.decide(0, true);
    assert_eq!(child.up(), [true, false], "each has its own now");
    child.decide(1, true);
    child.reload(&two(""));
    assert_eq!(child.machines().iter().flatten().copied().collect::<Vec<_>>(), [2]);
    assert_eq!(child.up(), [true, true]);
}

#[test]
fn a_check_that_lost_its_user_is_gone_and_its_server_is_up() {
    let misc = |user: &str| {
        let check = format!("MISC_CHECK {{\nmisc_path /bin/true\nuser {user}\n}}");
        service("192.0.2.1", "alpha", &[("10.0.0.1", &check)])
    };
    let mut child = Child::new("user", &misc("root"), &Keep::default(), None);
    assert_eq!((child.up(), child.machines()), (vec![false], vec![Some(1)]));
    child.reload(&misc("nobody_of_that_name"));
    assert_eq!((child.up(), child.machines()), (vec![true], vec![None]));
}

#[test]
fn a_successor_adopts_what_its_predecessor_knew() {
    let services = service("192.0.2.1", "quorum 2", &[("10.0.0.1", TCP), ("10.0.0.2", ONE)])
        + &service("192.0.2.2", "alpha", &[("10.0.0.3", TCP), ("10.0.0.4", TWO)]);
    let keep = Keep::new();
    let mut first = Child::new("first", &services, &keep, None);
    first.decide(1, false);
    first.decide(3, true);
    let known = (first.up(), first.quorum(0), first.quorum(1));
    assert_eq!(known, (vec![true, false, false, true], false, true));
    drop(first);

    let died = Some(clock::now());
    let second = Child::new("second", &services, &keep, died);
    assert_eq!((second.up(), second.quorum(0), second.quorum(1)), known);
    assert_eq!(second.starts(4), [CheckStart::Known; 4]);
    drop(second);

    // One with another configuration finds what is in both.
    let other = service("192.0.2.2", "alpha", &[("10.0.0.4", TWO), ("10.0.0.5", TCP)]);
    let third = Child::new("third", &other, &keep, died);
    assert_eq!((third.up(), third.quorum(0)), (vec![true, false], true));
    drop(third);
    let forgotten = Child::new("fourth", &services, &keep, died);
    assert_eq!(forgotten.up(), [true, true, false, true], "what a successor did not want is forgotten");
}

#[cfg(feature = "snmp")]
#[test]
fn a_real_server_tells_over_snmp_how_many_of_its_checks_have_no_result_yet() {
    use crate::status::mib::{END, Table, VALUE};
    let two = [ONE, "\n", TWO].concat();
    let services = service("192.0.2.1", "", &[("10.0.0.1", &two), ("10.0.0.2", TCP), ("10.0.0.3", "")]);
    let mut child = Child::new("rows", &services, &Keep::default(), None);
    let not_run = |child: &Child| -> Vec<String> {
        let mut out = String::new();
        child.checkers.write_rows(&mut out, 1).unwrap().unwrap();
        let table = format!("{}.", Table::SERVER.0);
        let rows = out.split(END).filter(|row| row.starts_with(&table));
        rows.map(|row| row.split(VALUE).find_map(|value| value.strip_prefix("63g")).unwrap().to_owned())
            .collect()
    };
    assert_eq!(not_run(&child), ["2", "1", "0"]);
    child.decide(0, true);
    assert_eq!(not_run(&child), ["1", "1", "0"]);
    child.decide(1, false);
    assert_eq!(not_run(&child), ["0", "1", "0"]);
}
