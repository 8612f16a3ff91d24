//! Readers that are slow, reloads, and scripts that end or do not.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::daemon::log::logged;
use crate::daemon::reactor::Reactor;
use crate::sys::script::{Runner, Terms, Words};
use std::io::Read;
use std::os::unix::fs::MetadataExt;

fn wanted(path: &Path) -> Wanted {
    Wanted { path: path.to_owned(), owner: None, script: None }
}

fn read(path: &Path) -> String {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap();
    let mut octets = vec![0; 1 << 20];
    let mut len = 0;
    while let Ok(count) = file.read(&mut octets[len..])
        && count > 0
    {
        len += count;
    }
    String::from_utf8(octets[..len].to_vec()).unwrap()
}

fn no_script(_: &mut Command) -> io::Result<Pid> {
    panic!("no FIFO of these has a script")
}

#[test]
fn a_slow_reader_loses_the_oldest_waiting_lines_whole() {
    let path = std::env::temp_dir().join(format!("ka-notify-fifo-{}", std::process::id()));
    let mut reactor = Reactor::new(1, None).unwrap();
    let mut turn = reactor.turn();
    let mut fifos = Fifos::new(7, "vrrp");
    fifos.load(&mut turn, [None, Some(wanted(&path))], 1, &mut no_script);
    let lines = 20_000;
    for number in 0..lines {
        fifos.line(format_args!("INSTANCE \"VI_1\" MASTER {number}"));
        fifos.flush();
    }
    let lost = fifos.pipes[1].as_ref().unwrap().lost;
    assert!(lost > 0);
    let (mut seen, mut all) = (0, Vec::new());
    loop {
        let text = read(&path);
        if text.is_empty() {
            break;
        }
        all.extend(text.lines().map(str::to_owned));
        fifos.ready(&mut turn, 1);
        seen += 1;
    }
    assert!(seen > 1);
    assert_eq!(all.len() as u64 + lost, lines);
    assert_eq!(all[0], "INSTANCE \"VI_1\" MASTER 0", "what is in the pipe stays in it");
    assert_eq!(all.last().unwrap(), &format!("INSTANCE \"VI_1\" MASTER {}", lines - 1));
    assert_eq!(fifos.pipes[1].as_ref().unwrap().lost, 0, "told, and counted anew");
    fifos.line(format_args!("one more"));
    fifos.finish(&mut turn);
    assert!(!fifos.is_busy() && !path.exists());
}

#[test]
fn a_reload_leaves_open_what_stays_the_same() {
    let path = std::env::temp_dir().join(format!("ka-notify-same-{}", std::process::id()));
    let other = path.with_extension("other");
    let mut reactor = Reactor::new(1, None).unwrap();
    let mut turn = reactor.turn();
    let mut fifos = Fifos::new(7, "vrrp");
    let mut load = |fifos: &mut Fifos, wanted: Option<Wanted>| {
        fifos.load(&mut turn, [wanted, None], 1, &mut no_script);
    };
    load(&mut fifos, Some(wanted(&path)));
    fifos.line(format_args!("before"));
    fifos.flush();
    load(&mut fifos, Some(wanted(&path)));
    assert_eq!(read(&path), "before\n");
    // Another owner: who had it before is to hear nothing any more.
    let owned = || Wanted { owner: Some((65_534, 65_534)), ..wanted(&path) };
    load(&mut fifos, Some(owned()));
    let about = std::fs::metadata(&path).unwrap();
    assert_eq!((about.uid(), about.gid(), about.mode() & 0o7777), (65_534, 65_534, 0o600));
    // Somebody has put another one in its place.
    std::fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    load(&mut fifos, Some(owned()));
    assert_eq!(fifos.made().count(), 0);
    fifos.line(format_args!("after"));
    fifos.flush();
    assert_eq!(read(&path), "after\n");
    load(&mut fifos, Some(wanted(&other)));
    assert!(path.exists() && other.exists(), "the one was not made here");
    assert_eq!(fifos.made().count(), 1);
    load(&mut fifos, None);
    assert!(!other.exists());
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn there_is_room_for_what_all_have_to_tell_at_once() {
    let path = std::env::temp_dir().join(format!("ka-notify-room-{}", std::process::id()));
    let mut reactor = Reactor::new(1, None).unwrap();
    let mut turn = reactor.turn();
    let mut fifos = Fifos::new(7, "vrrp");
    let mut room = |fifos: &mut Fifos, objects| {
        let wanted = [None, Some(wanted(&path))];
        fifos.load(&mut turn, wanted, objects, &mut no_script);
        fifos.pipes[1].as_ref().unwrap().room
    };
    let one = room(&mut fifos, 1);
    assert_eq!(room(&mut fifos, 101), one + 100 * limit::FIFO_QUEUE_EACH);
    assert_eq!(room(&mut fifos, 1), one + 100 * limit::FIFO_QUEUE_EACH, "what waits keeps its room");
    fifos.finish(&mut turn);
}

#[test]
fn a_script_that_does_not_end_is_told_to_and_then_killed() {
    let mut reactor = Reactor::new(1, None).unwrap();
    let mut turn = reactor.turn();
    let runner = Runner::new().unwrap();
    let mut words = Words::with_capacity(3, 64);
    for word in ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"] {
        words.push(word.as_bytes()).unwrap();
    }
    let pid = runner.start(&mut words, &mut Words::with_capacity(0, 0), &Terms::default()).unwrap();
    // The shell takes its time to get to its first word.
    let ignores = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
        u64::from_str_radix(ignored, 16).unwrap() & 1 << (libc::SIGTERM - 1) != 0
    };
    while !ignores() {
        std::thread::yield_now();
    }
    let mut fifos = Fifos::new(7, "vrrp");
    let until = turn.now();
    assert!(fifos.leaving.push(Leaving { pid, until, told: false, pipe: None }).is_ok());
    fifos.overdue(&mut turn);
    assert_eq!(fifos.poll_at(), Some(until + GRACE), "it has been told");
    fifos.overdue(&mut turn);
    assert_eq!(fifos.poll_at(), Some(until + GRACE), "and has its time");
    fifos.leaving[0].until = until;
    fifos.overdue(&mut turn);
    let pid = nix::unistd::Pid::from_raw(pid.number());
    let end = nix::sys::wait::waitpid(pid, None).unwrap();
    assert!(
        matches!(end, nix::sys::wait::WaitStatus::Signaled(_, nix::sys::signal::Signal::SIGKILL, _)),
        "{end:?}"
    );
}

/// Starts the scripts of FIFOs, and knows their processes.
fn starter(pids: &mut Vec<Pid>) -> impl FnMut(&mut Command) -> io::Result<Pid> {
    let (runner, mut environment) = (Runner::new().unwrap(), Words::with_capacity(0, 0));
    move |command| {
        let pid = runner.start(&mut command.words, &mut environment, &command.terms)?;
        pids.push(pid);
        Ok(pid)
    }
}

fn scripted(path: &Path, line: &str) -> Wanted {
    let mut words = Words::with_capacity(3, 64);
    for word in ["/bin/sh", "-c", line] {
        words.push(word.as_bytes()).unwrap();
    }
    let terms = Terms::default();
    let script = Command { words, fixed: 3, terms, insecure: None, by_shell: false, keeps_groups: false };
    Wanted { script: Some(script), ..wanted(path) }
}

fn reap(pid: Pid) -> Ended {
    use nix::sys::wait::WaitStatus;
    match nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid.number()), None).unwrap() {
        WaitStatus::Exited(_, code) => Ended::Exited(code),
        WaitStatus::Signaled(_, signal, _) => Ended::Killed(signal as i32),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_script_that_ends_is_told_and_begins_again_with_the_next_reload() {
    let path = std::env::temp_dir().join(format!("ka-notify-ends-{}", std::process::id()));
    let mut reactor = Reactor::new(1, None).unwrap();
    let mut turn = reactor.turn();
    let mut fifos = Fifos::new(7, "vrrp");
    let mut pids = Vec::new();
    let load = |turn: &mut Turn<'_>, fifos: &mut Fifos, pids: &mut Vec<Pid>| {
        fifos.load(turn, [Some(scripted(&path, "exit 127")), None], 1, &mut starter(pids));
    };
    load(&mut turn, &mut fifos, &mut pids);
    load(&mut turn, &mut fifos, &mut pids);
    assert_eq!(pids.len(), 1, "a script that runs goes on");
    let how = reap(pids[0]);
    let lines = logged(|| fifos.ended(&mut turn, pids[0], how));
    let again = logged(|| fifos.ended(&mut turn, pids[0], how));
    assert_eq!((lines.len(), lines[0].as_str()), (2, "vrrp notify fifo script terminated"));
    let failed = format!("the script of notify FIFO {}: a file was not found", path.display());
    assert!(lines[1].starts_with(&failed), "{lines:?}");
    assert!(again.is_empty(), "{again:?}");
    load(&mut turn, &mut fifos, &mut pids);
    assert_eq!(pids.len(), 2);
    let how = reap(pids[1]);
    fifos.ended(&mut turn, pids[1], how);
    fifos.finish(&mut turn);
    assert!(!fifos.is_busy() && !path.exists());
}

#[test]
fn a_reload_with_another_script_tells_the_old_one_to_end() {
    let path = std::env::temp_dir().join(format!("ka-notify-other-{}", std::process::id()));
    let mut reactor = Reactor::new(1, None).unwrap();
    let mut turn = reactor.turn();
    let mut fifos = Fifos::new(7, "vrrp");
    let mut pids = Vec::new();
    for line in ["sleep 60", "sleep 61"] {
        let wanted = Some(scripted(&path, line));
        fifos.load(&mut turn, [wanted, None], 1, &mut starter(&mut pids));
    }
    assert_eq!(reap(pids[0]), Ended::Killed(libc::SIGTERM));
    assert!(fifos.is_busy());
    assert_eq!(fifos.poll_at(), Some(turn.now() + GRACE));
    let lines = logged(|| fifos.ended(&mut turn, pids[0], Ended::Killed(libc::SIGTERM)));
    assert!(lines.is_empty() && !fifos.is_busy(), "as it was told to: {lines:?}");
    // At the stop the other one has its time to read the last lines.
    fifos.finish(&mut turn);
    assert!(fifos.is_busy() && !path.exists());
    let due = turn.now() + END_OF_SCRIPT;
    assert_eq!(fifos.poll_at(), Some(due));
    fifos.overdue(&mut turn);
    assert_eq!(fifos.poll_at(), Some(due), "not yet");
    fifos.overdue(&mut reactor.turn_at(due));
    assert_eq!(fifos.poll_at(), Some(due + GRACE));
    assert_eq!(reap(pids[1]), Ended::Killed(libc::SIGTERM));
    fifos.ended(&mut reactor.turn(), pids[1], Ended::Killed(libc::SIGTERM));
    assert!(!fifos.is_busy());
}

#[test]
fn without_its_owner_there_is_no_fifo_and_without_its_script_only_the_fifo() {
    let resolver = Resolver::new(&crate::config::model::Global::default());
    let mut broken = Vec::new();
    let mut asked = |fifo: &global::Fifo| {
        Wanted::new(fifo, &resolver, &mut |command, path, why| {
            broken.push((command.is_some(), path.to_owned(), why.clone()));
        })
    };
    assert!(asked(&global::Fifo::default()).is_none(), "the configuration has none");
    let named = |user: &str| crate::config::model::Identity {
        user: user.to_owned(),
        group: None,
        supplementary: false,
    };
    let path = Some("/run/any".to_owned());
    let strange = global::Fifo { path, identity: Some(named("no such user")), script: None };
    assert!(asked(&strange).is_none());
    let script = ScriptCommand {
        argv: vec![c"/nowhere/reader".to_owned()],
        raw: "/nowhere/reader".to_owned(),
        identity: None,
        shell: false,
        at: crate::config::model::At::default(),
        written: crate::config::model::Written::default(),
    };
    let unread = global::Fifo { identity: Some(named("65534")), script: Some(script), ..strange };
    let found = asked(&unread).unwrap();
    assert_eq!((found.path.as_path(), found.owner), (Path::new("/run/any"), Some((65_534, 65_534))));
    assert!(found.script.is_none());
    let told = |is_script, why| (is_script, "/run/any".to_owned(), why);
    assert_eq!(
        broken,
        [
            told(false, Unusable::User("no such user".to_owned())),
            told(true, Unusable::Missing("/nowhere/reader".to_owned())),
        ]
    );
}
