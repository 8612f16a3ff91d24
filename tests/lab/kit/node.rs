//! A node: a machine made of namespaces, with its own network, mounts, processes and host name.
//!
//! ```text
//! test thread ── unshare ── bash (first process of the node, reaps) ── whatever the test starts there
//! ```
//!
//! The first process lives as long as the test thread: it dies by PDEATHSIG with `unshare`, which dies by
//! PDEATHSIG with the thread, and it ends by itself when the pipe to its standard input closes. With it the
//! kernel kills every process of its PID namespace and drops the network and the mounts, so that even
//! `kill -9` of the test leaves nothing. Its files are tmpfs, reached from outside below /proc/PID/root:
//! no test writes to the host's disk.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{bounds, load};

/// The daemon under test as a node sees it, wherever the repository lies.
pub(crate) const UNDER_TEST: &str = "/run/lab/keepalived";

/// What every process of a node finds its programs by; /usr/local/bin is the node's own.
const SEARCH_PATH: &str = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs in the fresh namespaces with the binary under test as `$1` and the host name as `$2`.
///
/// /run, /tmp, /etc, /dev and /usr/local/bin become the node's own; /etc and /dev keep the host's entries.
const FURNISH: &str = r#"
set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
hostname "$2"
mount -t sysfs lab /sys 2>/dev/null || true
mount -t tmpfs -o mode=755,size=256m lab /run
mkdir -p /run/lab /run/host/etc /run/host/dev
touch /run/lab/keepalived
mount --bind "$1" /run/lab/keepalived
mount --bind /etc /run/host/etc
mount -t tmpfs -o mode=755,size=16m lab /etc
ln -s /run/host/etc/* /etc/
rm -f /etc/keepalived /etc/keepalived.conf
mkdir /etc/keepalived
mount --bind /dev /run/host/dev
mount -t tmpfs -o mode=755,size=16m lab /dev
for device in null zero full random urandom tty; do
    touch /dev/$device
    mount --bind /run/host/dev/$device /dev/$device
done
touch /dev/console
mount --bind /dev/null /dev/console
ln -s /proc/self/fd /dev/fd
mount -t tmpfs -o mode=1777,size=256m lab /tmp
mkdir -p /usr/local/bin
mount -t tmpfs -o mode=755,size=64m lab /usr/local/bin
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
for scope in all default; do
    echo 0 > /proc/sys/net/ipv6/conf/$scope/accept_dad
    echo 0 > /proc/sys/net/ipv6/conf/$scope/router_solicitations
done 2>/dev/null || true
echo ready
read -r _
"#;

/// A machine of its own; gone with everything in it when dropped.
pub(crate) struct Node {
    name: String,
    unshare: Child,
    first: i32,
}

impl Node {
    /// Makes a node called `name`; panics with the reason when the kernel or a tool refuses.
    pub(crate) fn new(name: &str) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "labs need root: run tests/run as root");
        load::begin();
        let mut unshare = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork"])
            .args(["--kill-child=KILL", "--mount-proc", "bash", "-c", FURNISH, "node"])
            .arg(binary_under_test())
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("setpriv and unshare (package util-linux) make the namespaces");
        let mut line = String::new();
        let stdout = unshare.stdout.take().expect("standard output is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("the node answers");
        assert_eq!(line, "ready\n", "node {name} could not be furnished (see the lines above)");
        let first = children(unshare.id().cast_signed());
        assert_eq!(first.len(), 1, "unshare has one child");
        Self { name: name.to_owned(), unshare, first: first[0] }
    }

    /// The node's host name, which tests use as its name everywhere.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The process, seen from outside, that holds the namespaces.
    pub(crate) fn holder(&self) -> i32 {
        self.first
    }

    /// Where the host sees `path` of the node.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.first))
    }

    /// Writes a file of the node, replacing it in one step, folders made as needed.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let there = self.path(path);
        if let Some(folder) = there.parent() {
            fs::create_dir_all(folder).expect("folder in the node");
        }
        let fresh = self.path(&format!("{path}.new"));
        fs::write(&fresh, text).expect("file in the node");
        fs::rename(&fresh, &there).expect("file in the node");
    }

    /// Writes an executable file of the node.
    pub(crate) fn write_script(&self, path: &str, text: &str) {
        self.write(path, text);
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o755)).expect("mode of a script");
    }

    /// A file of the node; empty if there is none.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read(self.path(path))
            .map(|octets| String::from_utf8_lossy(&octets).into_owned())
            .unwrap_or_default()
    }

    /// Whether the node has this file.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// Removes a file of the node, if it is there.
    pub(crate) fn remove(&self, path: &str) {
        let _ = fs::remove_file(self.path(path));
    }

    /// A command that will run inside the node and die with the test thread.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "nsenter", "--target", &self.first.to_string()])
            .args(["--net", "--mount", "--uts", "--ipc", "--pid", "--", program])
            .env("PATH", SEARCH_PATH)
            .env_remove("CARGO_MANIFEST_DIR")
            .stdin(Stdio::null());
        command
    }

    /// Runs a line of shell in the node; its standard output. Panics if it fails.
    pub(crate) fn shell(&self, line: &str) -> String {
        let output = self.try_shell(line);
        assert!(
            output.status.success(),
            "{}: `{line}` failed: {}",
            self.name,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a line of shell in the node, whatever its outcome.
    pub(crate) fn try_shell(&self, line: &str) -> Output {
        self.command("bash").args(["-c", line]).output().expect("nsenter runs")
    }

    /// Starts a process that only has to exist under the name `name` (for pgrep and killall); its pid.
    pub(crate) fn start_dummy(&self, name: &str) -> i32 {
        self.shell(&format!("cp /usr/bin/sleep /run/{name}; /run/{name} 100000 >/dev/null 2>&1 & "));
        let find = || self.processes().into_iter().find(|pid| command_name(*pid) == name);
        bounds::eventually("the dummy process runs", Duration::from_secs(5), || find().is_some());
        find().expect("just seen")
    }

    /// Every process of the node but the holder, as pids seen from outside, zombies left out.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let Ok(own) = fs::read_link(format!("/proc/{}/ns/pid", self.first)) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            if pid != self.first
                && fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|link| link == own)
                && is_alive(pid)
            {
                found.push(pid);
            }
        }
        found
    }

    /// The addresses on an interface of the node, with their prefix lengths ("10.9.0.100/32").
    pub(crate) fn addresses(&self, interface: &str) -> Vec<String> {
        let output =
            self.command("ip").args(["-o", "addr", "show", "dev", interface]).output().expect("ip runs");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| {
                let mut words =
                    line.split_whitespace().skip_while(|word| *word != "inet" && *word != "inet6");
                words.next()?;
                words.next().map(str::to_owned)
            })
            .collect()
    }

    /// Whether an interface of the node carries `address`, whatever the prefix length.
    pub(crate) fn holds(&self, interface: &str, address: &str) -> bool {
        let wanted: IpAddr = address.parse().expect("an address");
        self.addresses(interface)
            .iter()
            .any(|text| text.split('/').next().and_then(|host| host.parse::<IpAddr>().ok()) == Some(wanted))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // unshare goes first and takes the first process with it; the other way round it complains.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        let end = Instant::now() + bounds::START;
        while is_alive(self.first) && Instant::now() < end {
            let _ = kill(Pid::from_raw(self.first), Signal::SIGKILL);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The daemon that the labs test: LAB_BINARY, else the one that cargo has just built.
pub(crate) fn binary_under_test() -> PathBuf {
    let path =
        std::env::var_os("LAB_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_keepalived").into(), PathBuf::from);
    assert!(path.is_file(), "there is no daemon to test at {}", path.display());
    path
}

/// The children of a process.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// The name that the kernel has for a process; empty if it is gone.
pub(crate) fn command_name(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// Whether a process exists and is not a zombie.
pub(crate) fn is_alive(pid: i32) -> bool {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let state = text.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}
