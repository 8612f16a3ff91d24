//! The client: its exit codes, its words, and who may use which.

use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{TIMING, US, alone, has_no_socket};
use crate::kit::ask::{answer, ask, code, text};
use crate::kit::bounds::{ALLOWANCE, START, eventually};
use crate::kit::conf::Instance;
use crate::kit::daemon::Daemon;
use crate::kit::node::{Node, UNDER_TEST};

#[test]
fn a_client_without_a_daemon_ends_at_once_with_one_line() {
    if has_no_socket() {
        return;
    }
    let (_net, a) = alone();
    let gone = |output: &Output| {
        assert_eq!(text(&output.stderr), "keepalivedctl: no daemon listens at /run/keepalived.sock\n");
        assert_eq!((code(output), text(&output.stdout)), (3, String::new()));
    };
    gone(&ask(&a, "status"));
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    eventually("it listens", START, || code(&ask(&a, "version")) == 0);
    assert_eq!(code(&ask(&a, "frobnicate")), 2);
    assert_eq!(code(&ask(&a, "status NOBODY")), 1);
    daemon.kill();
    // The name is still there, and nobody behind it.
    assert!(a.exists("/run/keepalived.sock"));
    gone(&ask(&a, "status"));
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    eventually("the next one listens there", START, || code(&ask(&a, "version")) == 0);
    a.shell(&format!("ln -s {UNDER_TEST} /run/lab/keepalivedctl"));
    assert_eq!(a.shell("/run/lab/keepalivedctl help"), answer(&a, "help"));
    daemon.stop();
    assert!(!a.exists("/run/keepalived.sock"), "a daemon that ends takes its socket away");
    gone(&ask(&a, "status"));
}

#[test]
fn root_operates_the_group_looks_and_others_do_nothing() {
    if has_no_socket() {
        return;
    }
    let (_net, a) = alone();
    let conf = |place: &str| {
        let global =
            format!("control_socket {place}\n control_socket_mode 0666\n control_socket_group daemon");
        Instance { globals: vec![global], ..Instance::default() }.text()
    };
    let daemon = Daemon::start(&a, US, &conf("/run/other.sock"));
    let as_group = |group: &str, words: &str| {
        let asks = format!("{UNDER_TEST} --control-socket=/run/other.sock --ctl {words}");
        a.try_shell(&format!("setpriv --reuid=nobody --regid=nogroup --groups={group} {asks}"))
    };
    eventually("it listens", START, || a.exists("/run/other.sock"));
    assert_eq!(a.shell("stat -c '%a %G' /run/other.sock").trim(), "666 daemon");
    let output = as_group("daemon", "status");
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    for words in ["reload", "config", "garp VI_1", "stats --reset"] {
        let output = as_group("daemon", words);
        assert_eq!((code(&output), text(&output.stdout)), (4, String::new()), "{words}");
    }
    assert_eq!(daemon.logged("Reload"), 0);
    // By the mode of the socket this one gets in, and is shown out.
    assert_eq!(code(&as_group("nogroup", "status")), 3);
    // A reload moves it, or takes it away.
    daemon.reload(&conf("/run/third.sock"));
    eventually("it has moved", START, || a.exists("/run/third.sock") && !a.exists("/run/other.sock"));
    daemon.reload(&conf("none"));
    eventually("it is gone", START, || !a.exists("/run/third.sock"));
}

/// A client that runs beside the test.
fn spawn(node: &Node, words: &[&str]) -> Child {
    let mut command = node.command(UNDER_TEST);
    command.arg("--ctl").args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("nsenter runs")
}

#[test]
fn clients_of_a_daemon_that_is_killed_end_at_once_with_one_line() {
    if has_no_socket() {
        return;
    }
    let (net, a) = alone();
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    answer(&a, "status");
    let [watches, follows] = [["status", "--watch"], ["events", "-f"]].map(|words| spawn(&a, &words));
    // Both have printed something.
    std::thread::sleep(Duration::from_secs(2));
    // A child that stands still keeps the client waiting.
    kill(Pid::from_raw(daemon.vrrp_child()), Signal::SIGSTOP).expect("the child runs");
    let waits = spawn(&a, &["status"]);
    std::thread::sleep(Duration::from_millis(300));
    daemon.kill();
    let killed = Instant::now();
    // The one that watches asks once a second.
    for (client, within) in [(waits, 0), (follows, 1), (watches, 1)] {
        let output = client.wait_with_output().expect("it ends");
        let took = killed.elapsed();
        assert!(took < Duration::from_secs(within) + ALLOWANCE, "{took:?}");
        assert_eq!(text(&output.stderr), "keepalivedctl: no daemon listens at /run/keepalived.sock\n");
        assert_eq!(code(&output), 3);
        let printed = text(&output.stdout);
        if within > 0 {
            let count = printed.matches("VI_1").count();
            assert!(count >= 2 && printed.contains("MASTER"), "{printed}");
        } else {
            assert_eq!(printed, "", "half an answer is none");
        }
    }
}

/// Types at a shell, `sys.argv[1:]`, and prints what it completes: a function in the place of the client shows its words.
const TYPES: &str = "import os,pty,re,select,sys,time
pid,fd=pty.fork()
if pid==0: os.execvpe(sys.argv[1],sys.argv[1:],dict(os.environ,TERM='dumb',HOME='/run/lab'))
seen=''
def until(pattern):
    global seen
    end=time.time()+20
    while time.time()<end:
        found=re.search(pattern,seen)
        if found: seen=seen[found.end():]; return found
        if select.select([fd],[],[],.1)[0]: seen+=os.read(fd,65536).decode(errors='replace')
    sys.exit(pattern+' does not come: '+seen)
def type(text): os.write(fd,text.encode())
begin='autoload -Uz compinit; compinit -u -D; ' if sys.argv[1]=='zsh' else ''
type(begin+'source /run/lab/complete; keepalivedctl() { echo \"<$*>\"; }; PS1=rea\"\"dy\\n')
until('ready')
for words in sys.stdin.read().splitlines():
    type('keepalivedctl '+words+'\\t')
    time.sleep(.5)
    type('\\n')
    print(until(r'<([^$\\r\\n]*)>').group(1))
    until('ready')
os.close(fd)
";

/// What is typed before TAB, and what it becomes.
const COMPLETED: [(&str, &str); 14] = [
    ("rel", "reload"),
    ("sta", "stat"),
    ("maint", "maintenance"),
    ("maintenance of", "maintenance off"),
    ("failover VI_1 --und", "failover VI_1 --undo"),
    ("status --js", "status --json"),
    ("events VI_1 --j", "events VI_1 --json"),
    ("completion z", "completion zsh"),
    ("check /etc/keepalived/keep", "check /etc/keepalived/keepalived.conf"),
    // Names that the daemon says.
    ("why VI", "why VI_1"),
    ("failover gate", "failover gateway"),
    ("status gate", "status gateway"),
    (r"status \[10.9.0.10", "status [10.9.0.100]:tcp:80"),
    (r"drain \[10.9.0.11\]:tc", "drain [10.9.0.11]:tcp:81"),
];
/// What runs while names are typed.
const NAMES: &str = "
vrrp_sync_group gateway {
 group {
  VI_1
 }
}
virtual_server 10.9.0.100 80 {
 protocol TCP
 real_server 10.9.0.11 81 {
 }
}
";

#[test]
fn bash_and_zsh_complete_the_words_and_the_names() {
    if has_no_socket() {
        return;
    }
    let (_net, a) = alone();
    let conf = format!("{}{NAMES}", Instance::default().text());
    let _daemon = Daemon::start(&a, US, &conf);
    eventually("it tells names", START, || text(&ask(&a, "status").stdout).contains("[10.9.0.11]:tcp:81"));
    a.shell(&format!("ln -s {UNDER_TEST} /run/lab/keepalivedctl"));
    a.shell("mkdir /dev/pts && mount -t devpts -o newinstance,ptmxmode=666 lab /dev/pts && ln -s pts/ptmx /dev/ptmx");
    a.write("/run/lab/typist.py", TYPES);
    a.write("/run/lab/typed", &COMPLETED.map(|(typed, _)| format!("{typed}\n")).concat());
    for shell in ["bash --norc --noprofile -i", "zsh -f -i"] {
        let name = shell.split(' ').next().expect("a word");
        a.shell(&format!("{UNDER_TEST} --ctl completion {name} > /run/lab/complete"));
        let output =
            a.try_shell(&format!("PATH=/run/lab:$PATH python3 /run/lab/typist.py {shell} < /run/lab/typed"));
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        let completed = text(&output.stdout);
        let completed: Vec<_> = completed.lines().map(str::trim).collect();
        assert_eq!(completed, COMPLETED.map(|(_, whole)| whole), "{name}");
    }
    assert_eq!(code(&ask(&a, "completion fish")), 2);
}
