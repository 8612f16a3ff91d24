//! Scripts and groups across a reload, and what notify scripts and FIFOs hear of those that leave.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use super::{Child, instance, instance_with, on_a_machine};
use crate::daemon::reactor::Process;
use crate::proto::vrrp::State;
use crate::sys::process::{self, Ended, Pid};

const TRACKING: &str = " priority 100\n track_script {\n S\n }";

fn script(name: &str, command: &str) -> String {
    format!("vrrp_script {name} {{\n script \"{command}\"\n interval 1000\n user root\n}}\n")
}

impl Child {
    fn pid(&self, name: &str) -> Option<Pid> {
        let mut scripts = self.vrrp.trackers.scripts.iter();
        scripts.find(|script| script.name == name).and_then(|script| script.pid)
    }

    /// The run of a script under way ends with an exit code.
    fn end(&mut self, script: &str, code: i32) {
        let pid = self.pid(script).expect("a run under way");
        process::kill_group(pid, libc::SIGKILL);
        let mut turn = self.reactor.turn();
        self.vrrp.ended(&mut turn, pid, Ended::Exited(code));
        self.vrrp.turn_end(&mut turn);
        self.hear();
    }
}

#[test]
fn scripts_carry_their_runs_and_verdicts_over() {
    on_a_machine(|_| {
        let a = instance_with("A", 51, TRACKING, &["192.0.2.11"]);
        let sleep = "/bin/sleep 1000";
        let mut child = Child::first(&(script("S", sleep) + &a));
        child.words();
        let pid = child.pid("S");
        assert!(pid.is_some(), "a start begins the first run");
        let other = instance_with("B", 52, &TRACKING.replace('S', "T"), &["192.0.2.12"]);
        child.reload(&(script("T", sleep) + &script("S", sleep) + &a + &other));
        assert_eq!(child.pid("S"), pid, "the run goes on");
        assert!(child.pid("T").is_some_and(|other| Some(other) != pid), "a new script begins to run");
        child.end("S", 1);
        assert_eq!(child.state("A"), State::Fault);
        child.reload(&(script("S", sleep) + &a));
        assert_eq!((child.state("A"), child.pid("S")), (State::Fault, None), "not before its interval");
        child.reload(&(script("S", "/bin/sleep 2000") + &a));
        assert_eq!(child.state("A"), State::Fault, "the verdict outlives another command");
        assert!(child.pid("S").is_some(), "which runs at once");
        child.end("S", 0);
        assert_eq!(child.state("A"), State::Backup);
        child.reload(&(script("S", "/bin/sleep 2000") + &instance("A", 51, &["192.0.2.11"])));
        assert_eq!(child.state("A"), State::Backup);
    });
}

#[test]
fn a_run_that_nobody_waits_for_is_ended() {
    on_a_machine(|_| {
        let a = instance("A", 51, &["192.0.2.11"]);
        let tracking = instance_with("A", 51, TRACKING, &["192.0.2.11"]);
        let mut child = Child::first(&(script("S", "/bin/sleep 1000") + &tracking));
        child.words();
        let pid = child.pid("S").unwrap();
        child.reload(&a);
        assert!(is_ended(pid));
    });
}

#[test]
fn a_reload_that_drops_what_an_instance_tracks_ends_its_fault() {
    on_a_machine(|_| {
        let text = script("S", "/bin/sleep 1000");
        let mut child = Child::first(&(text.clone() + &instance_with("A", 51, TRACKING, &["192.0.2.11"])));
        child.words();
        child.end("S", 1);
        assert_eq!(child.state("A"), State::Fault);
        child.reload(&(text + &instance("A", 51, &["192.0.2.11"])));
        assert_eq!(child.state("A"), State::Backup);
    });
}

#[test]
fn groups_are_judged_anew() {
    on_a_machine(|machine| {
        let group = "vrrp_sync_group G {\n group {\n A\n B\n }\n}\n";
        let text = script("S", "/bin/sleep 1000")
            + &instance_with("A", 51, TRACKING, &["192.0.2.11"])
            + &instance("B", 52, &["192.0.2.12"]);
        let mut child = Child::successor(&text, &["B"]);
        child.words();
        child.end("S", 1);
        assert_eq!((child.state("A"), child.state("B")), (State::Fault, State::Master));
        child.reload(&format!("{group}{text}"));
        assert_eq!((child.state("A"), child.state("B")), (State::Fault, State::Fault));
        assert!(machine.addresses().is_empty(), "a member in FAULT takes the others along");
        child.reload(&text);
        assert_eq!((child.state("A"), child.state("B")), (State::Fault, State::Backup));
    });
}

#[test]
fn a_group_follows_its_members_after_a_reload() {
    on_a_machine(|_| {
        let group = "vrrp_sync_group G {\n group {\n A\n B\n }\n}\n";
        let text = script("S", "/bin/sleep 1000")
            + &instance_with("A", 51, TRACKING, &["192.0.2.11"])
            + &instance("B", 52, &["192.0.2.12"]);
        let mut child = Child::first(&text);
        child.words();
        child.reload(&format!("{group}{text}"));
        child.end("S", 1);
        assert_eq!((child.state("A"), child.state("B")), (State::Fault, State::Fault));
    });
}

/// What a FIFO hears when an instance leaves: a name that a configuration still has is not deleted.
#[test]
fn an_instance_that_leaves_is_deleted_where_asked_and_in_fault_otherwise() {
    on_a_machine(|_| {
        let path = std::env::temp_dir().join(format!("ka-job-fifo-{}", std::process::id()));
        let global = format!("global_defs {{\n vrrp_notify_fifo {}\n}}\n", path.display());
        let deleted = " priority 100\n notify_deleted";
        let text = instance_with("A", 51, deleted, &["192.0.2.11"])
            + &instance_with("B", 52, deleted, &["192.0.2.12"])
            + &instance("C", 53, &["192.0.2.13"]);
        let mut child = Child::first(&format!("{global}{text}"));
        child.words();
        let mut fifo = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        child.reload(&format!("{global}{}", instance_with("B", 62, deleted, &["192.0.2.12"])));
        let mut heard = [0; 4096];
        let len = fifo.read(&mut heard).unwrap();
        let heard = String::from_utf8_lossy(&heard[..len]).into_owned();
        std::fs::remove_file(path).unwrap();
        let mut left: Vec<_> =
            heard.lines().filter(|line| !line.contains("BACKUP")).map(str::to_owned).collect();
        left.sort();
        assert_eq!(
            left,
            ["INSTANCE \"A\" DELETED 100", "INSTANCE \"B\" FAULT 100", "INSTANCE \"C\" FAULT 100"]
        );
    });
}

/// Whether a process has ended, within five seconds.
fn is_ended(pid: Pid) -> bool {
    crate::sys::test_net::eventually(|| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        status.map_or(true, |stat| stat.contains(") Z "))
    })
}
