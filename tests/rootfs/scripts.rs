//! What holds for every file: scripts without a finding of shellcheck, no line that only bash has, and the default
//! configuration, which runs anywhere and does nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::box_shell::{BoxShell, DAEMON, repository, rootfs};

/// Every script below a folder: by its first line.
fn scripts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scripts(&path, found);
        } else if fs::read(&path).unwrap().starts_with(b"#!") {
            found.push(path);
        }
    }
}

fn all_scripts() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["rootfs", "board", "buildroot", "tests"] {
        let folder = repository().join(folder);
        if folder.is_dir() {
            scripts(&folder, &mut found);
        }
    }
    found.retain(|path| path.extension().is_none_or(|extension| extension != "py"));
    assert!(found.len() >= 8, "{found:?}");
    found
}

#[test]
fn shellcheck_finds_nothing() {
    let mut complaints = String::new();
    for script in all_scripts() {
        let bash = fs::read_to_string(&script).unwrap().starts_with("#!/bin/bash");
        let output = Command::new("shellcheck")
            .args(["--external-sources", "--shell", if bash { "bash" } else { "dash" }])
            .arg(&script)
            .output()
            .expect("shellcheck is installed");
        complaints += &String::from_utf8(output.stdout).unwrap();
    }
    assert!(complaints.is_empty(), "{complaints}");
}

#[test]
fn scripts_of_the_image_are_understood_by_its_shell() {
    let shell = BoxShell::new("syntax");
    for script in all_scripts() {
        if script.starts_with(repository().join("rootfs")) {
            shell.prints(&format!("sh -n {}", script.display()), &[]);
        }
    }
}

#[test]
fn the_default_configuration_has_no_mistake_and_changes_nothing() {
    let shell = BoxShell::new("default");
    let conf = rootfs("any/etc/keepalived.conf");
    shell.prints(&format!("{DAEMON} -t -f {conf}"), &[]);
    let output = shell.prints(
        &format!(
            "ip link set lo up
            ip addr > before
            {DAEMON} -n -l -f {conf} -p here.pid -r vrrp.pid -c checkers.pid -b bfd.pid > log 2>&1 &
            for i in 1 2 3 4 5 6 7 8 9 10; do [ -s here.pid ] && break; sleep 1; done
            sleep 1
            kill -0 $(cat here.pid) && echo runs
            ip addr > after
            kill -TERM $(cat here.pid)
            wait
            cmp before after && echo same"
        ),
        &[],
    );
    assert_eq!(output, "runs\nsame\n", "{}", shell.read("log"));
}

/// What stands in its comments as an example is right, too.
#[test]
fn the_examples_of_the_default_configuration_have_no_mistake() {
    let shell = BoxShell::new("examples");
    let text = fs::read_to_string(rootfs("any/etc/keepalived.conf")).unwrap();
    let begin = text.find("# vrrp_instance").unwrap();
    let examples = text[begin..]
        .lines()
        .filter(|line| {
            line.starts_with("# ") && (line.contains('{') || line.contains('}') || line.starts_with("#  "))
        })
        .map(|line| format!("{}\n", &line[2..]));
    let examples = text[..begin].to_owned() + &examples.collect::<String>();
    shell.program("notify", "#!/bin/sh\n");
    let conf = shell.file("conf", &examples.replace("/etc/keepalived/notify", &shell.path("notify")));
    let output = shell.run(
        &format!("/sbin/ip link add eth0 type veth peer name eth1; ip link set eth0 up; ip link set eth1 up; {DAEMON} -t -f {conf}"),
        &[],
    );
    assert!(examples.contains("virtual_server"));
    assert_eq!(output.status.code(), Some(0), "{examples}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_notify_script_runs_every_script_of_its_folder() {
    let shell = BoxShell::new("notify");
    shell.program("notify.d/1-fails", "#!/bin/sh\nexit 3\n");
    shell.program("notify.d/2-writes", "#!/bin/sh\necho \"$@\"\n");
    shell.file("notify.d/3-not-executable", "#!/bin/sh\necho never\n");
    let line = format!("{} INSTANCE LAN MASTER 150", rootfs("any/etc/keepalived/notify"));
    assert_eq!(
        shell.prints(&line, &[("KEEPALIVED_NOTIFY_D", &shell.path("notify.d"))]),
        "INSTANCE LAN MASTER 150\n"
    );
    assert_eq!(shell.prints(&line, &[("KEEPALIVED_NOTIFY_D", "/nowhere")]), "");
}
