//! The command line of the real binary: what a user types, what comes back on which stream, and the exit code.
//!
//! Runs config tests and questions only, never a daemon; needs neither root nor a network.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test program that starts others")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

struct Said {
    code: Option<i32>,
    output: String,
    error: String,
}

fn run(words: &[&str]) -> Said {
    let done =
        Command::new(env!("CARGO_BIN_EXE_keepalived")).args(words).stdin(Stdio::null()).output().unwrap();
    Said {
        code: done.status.code(),
        output: String::from_utf8(done.stdout).unwrap(),
        error: String::from_utf8(done.stderr).unwrap(),
    }
}

/// A folder that goes away with the test; only its owner may write there, so that scripts in it are secure.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }

    /// Tests a configuration, with more options.
    fn test(&self, text: &str, more: &[&str]) -> Said {
        let file = self.file("conf", text);
        run(&[&["-t", "-f", &file], more].concat())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An instance without a fault; what tests add to it must show.
fn instance(more: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{\n    interface {}\n    virtual_router_id 51\n    priority 100\n    \
         virtual_ipaddress {{\n        192.0.2.1/24\n    }}\n{more}}}\n",
        interface()
    )
}

/// An interface of this machine: the config test asks whether it is there. The loopback interface is refused.
fn interface() -> String {
    let all = fs::read_dir("/sys/class/net").unwrap();
    let mut names: Vec<String> = all
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "lo")
        .collect();
    // One that can send to a group, as most can, comes first: others have a note of their own.
    names.sort_by_key(|name| (!name.starts_with('e'), name.clone()));
    names.into_iter().next().unwrap()
}

#[test]
fn what_is_asked_for_comes_back_on_its_stream() {
    for word in ["--version", "-v", "--help", "-h"] {
        let said = run(&[word]);
        assert_eq!((said.code, said.output.as_str()), (Some(0), ""), "{word}");
        assert!(!said.error.is_empty());
    }
    let said = run(&["--signum=RELOAD"]);
    assert_eq!((said.code, said.output.as_str(), said.error.as_str()), (Some(0), "1\n", ""));
    let said = run(&["--bogus"]);
    assert_eq!((said.code, said.error.as_str()), (Some(1), "Unknown option --bogus\n"));
    let said = run(&["-Z"]);
    assert_eq!((said.code, said.error.lines().count()), (Some(1), 1));
}

#[test]
fn a_config_test_ends_with_keepaliveds_codes() {
    let folder = Folder::new("codes");
    let nothing = folder.path("nothing");
    let there = folder.file("there.inc", "# nothing\n");
    let good = instance("");
    let include = |word: &str, pattern: &str| format!("{word} {pattern}\n{good}");
    let cases = [
        ("an empty file", String::new(), 0),
        ("only global_defs", "global_defs {\n    router_id a\n}\n".to_owned(), 0),
        ("a good instance", good.clone(), 0),
        ("an unknown keyword", instance("    priorty 1\n"), 5),
        ("a number out of range", instance("    priority 300\n"), 5),
        ("a missing brace", good.trim_end().trim_end_matches('}').to_owned(), 5),
        ("no virtual_router_id", good.replace("virtual_router_id 51", ""), 5),
        ("an interface that is not there", good.replace(&interface(), "nowhere9"), 5),
        ("an unknown script user", format!("global_defs {{\n    script_user nobody9\n}}\n{good}"), 5),
        ("a missing notify script, which is only told", instance("    notify_master /nowhere/at/all\n"), 0),
        (
            "a notify script of nobody, which is only told",
            instance("    notify_master /bin/true nobody9\n"),
            0,
        ),
        ("a macvlan with the name of something else", instance("    use_vmac lo\n"), 5),
        ("a macvlan with a name that is free", instance("    use_vmac nowhere9\n"), 0),
        ("no peer between braces", instance("    unicast_peer {\n    }\n"), 5),
        ("an include of what is there", include("includea", &there), 0),
        ("a missing include", include("include", &nothing), 0),
        ("a missing includer", include("includer", &nothing), 0),
        ("a missing includem", include("includem", &nothing), 6),
        ("a missing includew", include("includew", &nothing), 6),
        ("a missing includeb", include("includeb", &nothing), 0),
        ("a missing includea", include("includea", &nothing), 6),
        ("an includea without a match", include("includea", &folder.path("no-*.match")), 6),
    ];
    for (what, text, code) in cases {
        let said = folder.test(&text, &[]);
        assert_eq!(said.code, Some(code), "{what}:\n{}", said.error);
        assert_eq!(said.output, "", "{what}");
    }
    for (what, path, code) in
        [("a missing file", nothing.as_str(), 0), ("a directory", folder.0.to_str().unwrap(), 0)]
    {
        let said = run(&["-t", "-f", path]);
        assert_eq!(said.code, Some(code), "{what}:\n{}", said.error);
        assert!(said.error.contains(path), "{what}:\n{}", said.error);
    }
}

#[test]
fn with_all_config_every_file_must_be_there() {
    let folder = Folder::new("every");
    let nothing = folder.path("nothing");
    let good = instance("");
    for option in ["-e", "--all-config"] {
        assert_eq!(folder.test(&good, &[option]).code, Some(0));
        let said = folder.test(&format!("include {nothing}\n{good}"), &[option]);
        assert_eq!(said.code, Some(6), "{}", said.error);
        let said = folder.test(&format!("include {}\n{good}", folder.path("no-*.match")), &[option]);
        assert_eq!(said.code, Some(6), "{}", said.error);
        assert_eq!(run(&["-t", option, "-f", &nothing]).code, Some(6));
    }
}

#[test]
fn insecure_scripts_have_a_code_of_their_own() {
    let folder = Folder::new("scripts");
    let script = folder.file("check.sh", "#!/bin/sh\nexit 0\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let conf = |global: &str| {
        format!(
            "global_defs {{\n    script_user root\n    {global}\n}}\nvrrp_script check {{\n    script {script}\n}}\n{}",
            instance("    track_script {\n        check\n    }\n")
        )
    };
    let open = folder.test(&conf(""), &[]);
    assert_eq!(open.code, Some(6), "{}", open.error);
    assert!(
        open.error
            .contains("SECURITY VIOLATION - scripts are being executed but script_security not enabled."),
        "{}",
        open.error
    );
    // Anybody may change it: with security on it does not run.
    fs::set_permissions(&script, fs::Permissions::from_mode(0o777)).unwrap();
    let closed = folder.test(&conf("enable_script_security"), &[]);
    assert_eq!(closed.code, Some(5), "{}", closed.error);
    assert!(closed.error.contains("Disabling track script check due to insecure"), "{}", closed.error);
}

#[test]
fn scripts_of_the_daemon_itself_and_the_mail_relay_are_judged_as_by_keepalived() {
    let folder = Folder::new("daemon-scripts");
    for (lines, code, text) in [
        ("startup_script /bin/true", 6, "SECURITY VIOLATION - start/shutdown scripts are being executed"),
        (
            "enable_script_security\n    startup_script /bin/true",
            5,
            "Failed to set default user for startup script /bin/true - ignoring",
        ),
        (
            "shutdown_script /bin/absent",
            0,
            "Disabling shutdown script /bin/absent since not found/accessible",
        ),
        (
            "startup_script /bin/true nobody9",
            5,
            "Disabling startup script /bin/true since user nobody9 does not exist",
        ),
        ("notify_fifo_script /bin/true", 6, "SECURITY VIOLATION - scripts are being executed"),
        (
            "notify_fifo /tmp/absent no-such-user",
            0,
            "Disabling notify fifo /tmp/absent since user no-such-user",
        ),
        (
            "notify_fifo /tmp/a\n    vrrp_notify_fifo /tmp/a",
            0,
            "vrrp_notify_fifo /tmp/a is notify_fifo already",
        ),
        ("smtp_server no.such.name.invalid", 5, "Invalid smtp server no.such.name.invalid 25"),
        ("smtp_server 192.0.2.25", 0, ""),
    ] {
        let said = folder.test(&format!("global_defs {{\n    {lines}\n}}\n{}", instance("")), &[]);
        assert_eq!(said.code, Some(code), "{lines}: {}", said.error);
        assert!(said.error.contains(text), "{lines}: {}", said.error);
    }
}

#[test]
fn findings_go_to_a_file_that_is_named() {
    let folder = Folder::new("file");
    let file = folder.file("conf", &instance("    priorty 1\n"));
    let log = folder.path("findings");
    for lines in [1, 2] {
        let said = run(&[&format!("-t{log}"), "-f", &file]);
        assert_eq!((said.code, said.error.as_str()), (Some(5), ""));
        let text = fs::read_to_string(&log).unwrap();
        assert_eq!(text.matches("Unknown keyword 'priorty'").count(), lines, "{text}");
        assert!(text.contains(&format!("{file}:8:5: ")), "{text}");
    }
    let mode = fs::metadata(&log).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let said = run(&["-t/nowhere/at/all", "-f", &file]);
    assert_eq!((said.code, said.error.lines().count()), (Some(1), 1), "{}", said.error);
}

#[test]
fn the_effective_configuration_is_printed_and_means_the_same_again() {
    let folder = Folder::new("effective");
    let text = format!(
        "$PRIO=150\nglobal_defs {{\n    router_id here\n    vrrp_version 3\n}}\n{}",
        instance("    advert_int 0.5\n    notify_fault \"/bin/echo 'a b'\" root\n")
            .replace("priority 100", "priority $PRIO")
    );
    let first = folder.test(&text, &["-d"]);
    assert_eq!(first.code, Some(6), "{}", first.error);
    for line in ["    priority 150\n", "    advert_int 0.5\n", "vrrp_instance VI_1 {\n"] {
        assert!(first.output.contains(line), "no {line}in\n{}", first.output);
    }
    let again = folder.test(&first.output, &["-d"]);
    assert_eq!(again.code, Some(6), "{}", again.error);
    assert_eq!(first.output, again.output);
}

#[test]
fn a_mistake_that_a_check_would_tell_again_is_told_once() {
    let folder = Folder::new("once");
    let said = folder.test(
        "vrrp_instance A {\n interface nosuch0\n virtual_router_id 1\n priority 90\n notify /nosuch/program\n \
         virtual_ipaddress {\n  10.0.0.9/24\n }\n}\n",
        &[],
    );
    let places = |place: &str| said.error.lines().filter(|line| line.contains(place)).count();
    assert_eq!((places("conf:2:12:"), places("conf:5:9:")), (1, 1), "{}", said.error);
}
