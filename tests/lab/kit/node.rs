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
use std::io::{self, BufRead, BufReader};
use std::net::IpAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, sethostname};

use super::capture::enter_network;
use super::{bounds, load};

/// The daemon under test as a node sees it, wherever the repository lies.
pub(crate) const UNDER_TEST: &str = "/run/lab/keepalived";

/// What every process of a node finds its programs by; /usr/local/bin is the node's own.
const SEARCH_PATH: &str = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The user that the children of a daemon in a node become.
pub(crate) const USER_OF_CHILDREN: u32 = 64_112;

/// The first process of a node; what else it needs is done by [`furnish`], which starts no process.
const FIRST: &str = "echo ready; read -r _";

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
            .args(["--kill-child=KILL", "--mount-proc", "bash", "-c", FIRST])
            .env("PATH", SEARCH_PATH)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("setpriv and unshare (package util-linux) make the namespaces");
        let mut line = String::new();
        let stdout = unshare.stdout.take().expect("standard output is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("the node answers");
        assert_eq!(line, "ready\n", "node {name} did not begin (see the lines above)");
        let first = children(unshare.id().cast_signed());
        assert_eq!(first.len(), 1, "unshare has one child");
        let node = Self { name: name.to_owned(), unshare, first: first[0] };
        let program = binary_under_test();
        let furnished = node.inside(|| furnish(&program, name));
        furnished.unwrap_or_else(|error| panic!("node {name} could not be furnished: {error}"));
        node
    }

    /// Does something in the namespaces of the node: in a thread of its own, which has entered them. Processes that it
    /// starts are the node's.
    pub(crate) fn inside<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        let kinds = [
            ("net", CloneFlags::CLONE_NEWNET),
            ("uts", CloneFlags::CLONE_NEWUTS),
            ("ipc", CloneFlags::CLONE_NEWIPC),
            ("pid", CloneFlags::CLONE_NEWPID),
            ("mnt", CloneFlags::CLONE_NEWNS),
        ];
        let open = |(name, kind)| {
            (
                fs::File::open(format!("/proc/{}/ns/{name}", self.first)).expect("a namespace of the node"),
                kind,
            )
        };
        let namespaces = kinds.map(open);
        std::thread::scope(|scope| {
            let inside = scope.spawn(move || {
                // A namespace of mounts is entered only by whoever shares its root and folder with nobody.
                unshare(CloneFlags::CLONE_FS).expect("a root of its own");
                for (namespace, kind) in &namespaces {
                    setns(namespace, *kind).expect("enter a namespace of the node");
                }
                what()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
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
        self.output("bash", &["-c", line])
    }

    /// Runs a program in the node, whatever its outcome. Labs do so all the time: not by way of nsenter.
    pub(crate) fn output(&self, program: &str, arguments: &[&str]) -> Output {
        let run = || {
            Command::new(program)
                .args(arguments)
                .env("PATH", SEARCH_PATH)
                .env_remove("CARGO_MANIFEST_DIR")
                .stdin(Stdio::null())
                .output()
        };
        self.inside(run).unwrap_or_else(|error| panic!("{program} does not run: {error}"))
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
        let all = self.all_addresses().into_iter();
        all.filter(|(name, _)| name == interface).map(|(_, address)| address).collect()
    }

    /// Every address of the node, behind the name of its interface. Labs look at them again and again: no program does it.
    pub(crate) fn all_addresses(&self) -> Vec<(String, String)> {
        let holder = self.first;
        let listing = std::thread::spawn(move || {
            enter_network(holder);
            getifaddrs().expect("the addresses of a node").collect::<Vec<_>>()
        });
        let all = listing.join().expect("a list of addresses").into_iter();
        all.filter_map(|it| {
            let (address, mask) = (it.address?, it.netmask?);
            let text = match (address.as_sockaddr_in(), mask.as_sockaddr_in()) {
                (Some(address), Some(mask)) => {
                    format!("{}/{}", address.ip(), mask.ip().to_bits().count_ones())
                }
                _ => {
                    let (address, mask) = (address.as_sockaddr_in6()?.ip(), mask.as_sockaddr_in6()?.ip());
                    format!("{address}/{}", mask.to_bits().count_ones())
                }
            };
            // An address with a label bears that in place of the interface's name.
            Some((it.interface_name.split(':').next()?.to_owned(), text))
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

/// The flag of an interface that is up (linux/if.h).
const UP: &str = "0x1";

/// Makes the files of a node, in its namespaces: /run, /tmp, /etc, /dev and /usr/local/bin become its own; /etc and /dev keep
/// the host's entries. A program does this, and no shell: a lab has many nodes.
fn furnish(program: &Path, name: &str) -> io::Result<()> {
    sethostname(name)?;
    // Where the kernel does not permit that, /sys is the host's.
    if fresh("sysfs", "/sys", "").and_then(|()| fs::write("/sys/class/net/lo/flags", UP)).is_err() {
        let status = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
        assert!(status.success(), "ip (package iproute2) sets an interface up");
    }
    fresh("tmpfs", "/run", "mode=755,size=256m")?;
    for folder in ["/run/lab", "/run/host/etc", "/run/host/dev"] {
        fs::create_dir_all(folder)?;
    }
    fs::write(UNDER_TEST, "")?;
    bind(program, UNDER_TEST)?;
    bind("/etc", "/run/host/etc")?;
    fresh("tmpfs", "/etc", "mode=755,size=16m")?;
    for entry in fs::read_dir("/run/host/etc")? {
        let entry = entry?.file_name();
        let is_own = |name: &str| name.starts_with('.') || ["keepalived", "keepalived.conf"].contains(&name);
        if !entry.to_str().is_none_or(is_own) {
            symlink(Path::new("/run/host/etc").join(&entry), Path::new("/etc").join(&entry))?;
        }
    }
    // LAB_ROOT_CHILDREN=1: as on a machine without that user.
    if std::env::var_os("LAB_ROOT_CHILDREN").is_none() {
        let all = fs::read_to_string("/etc/passwd")?;
        let others: String =
            all.split_inclusive('\n').filter(|line| !line.starts_with("keepalived:")).collect();
        let number = USER_OF_CHILDREN;
        fs::remove_file("/etc/passwd")?;
        fs::write(
            "/etc/passwd",
            format!("{others}keepalived:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n"),
        )?;
    }
    fs::create_dir("/etc/keepalived")?;
    bind("/dev", "/run/host/dev")?;
    fresh("tmpfs", "/dev", "mode=755,size=16m")?;
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        fs::write(format!("/dev/{device}"), "")?;
        bind(format!("/run/host/dev/{device}"), format!("/dev/{device}"))?;
    }
    fs::write("/dev/console", "")?;
    bind("/dev/null", "/dev/console")?;
    symlink("/proc/self/fd", "/dev/fd")?;
    fresh("tmpfs", "/tmp", "mode=1777,size=256m")?;
    fs::create_dir_all("/usr/local/bin")?;
    fresh("tmpfs", "/usr/local/bin", "mode=755,size=64m")?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
    for scope in ["all", "default"] {
        for switch in ["accept_dad", "router_solicitations"] {
            // A kernel may be without IPv6.
            let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/{switch}"), "0");
        }
    }
    Ok(())
}

/// Mounts a file system that nobody else has.
fn fresh(kind: &str, at: &str, options: &str) -> io::Result<()> {
    Ok(mount(Some("lab"), at, Some(kind), MsFlags::empty(), Some(options))?)
}

/// Shows a file or a folder at another place, too.
fn bind(what: impl AsRef<Path>, at: impl AsRef<Path>) -> io::Result<()> {
    Ok(mount(Some(what.as_ref()), at.as_ref(), None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
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
