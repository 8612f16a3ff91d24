//! Whole configurations: each makes the same table as with Debian's keepalived, once checks have settled.
//!
//! Those in `field/` are our own, and have together what the published ones have. Those that people published lie
//! outside this folder, under their own licences: in `corpus` of the folder in the variable GUEST_SHARED; without
//! it the test goes without them. GUEST_FILES names files that are compared alone. Every address of the world is a stub here, which answers on every port as far
//! as a check asks: TCP, HTTP, TLS, SMTP, DNS, UDP and echoes.
//!
//! ```text
//! director of Debian's ── 10.254.1.0/24 ── world ── 10.254.2.0/24 ── director of the program under test
//! ```

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::stage::{Table, cable, difference, ipvsadm};
use crate::kit::bounds::eventually;
use crate::kit::daemon::{CONF, Launch, Program};
use crate::kit::node::{Node, is_alive};

/// Answers everybody on one port, to which the kernel leads all others.
const STUB: &str = r#"
import socket, ssl, threading, time
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/run/cert.pem", "/run/key.pem")
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n"
def serve(stream):
    try:
        stream.settimeout(0.5)
        try:
            first = stream.recv(1, socket.MSG_PEEK)
        except socket.timeout:
            # Who waits is told that this is a mail server.
            stream.settimeout(5)
            stream.sendall(b"220 stub ready\r\n")
            while True:
                line = stream.recv(500)
                if not line:
                    return
                stream.sendall(b"250 ok\r\n")
                if line.upper().startswith(b"QUIT"):
                    return
        stream.settimeout(5)
        if first == b"\x16":
            stream = context.wrap_socket(stream, server_side=True)
        if first and b"\r\n\r\n" in stream.recv(5000):
            stream.sendall(PAGE)
    except OSError:
        pass
    finally:
        stream.close()
def datagrams(family):
    at = socket.socket(family, socket.SOCK_DGRAM)
    at.bind(("", 9))
    while True:
        data, whom = at.recvfrom(5000)
        # A question comes back as its answer.
        at.sendto(data[:2] + b"\x81\x80" + data[4:] if len(data) > 12 else data, whom)
threading.Thread(target=datagrams, args=(socket.AF_INET,), daemon=True).start()
listener = socket.create_server(("", 9), family=socket.AF_INET6, dualstack_ipv6=True, backlog=500)
open("/run/ready", "w")
while True:
    stream, _ = listener.accept()
    threading.Thread(target=serve, args=(stream,), daemon=True).start()
"#;

/// Configurations side by side: they mostly wait.
const AT_ONCE: usize = 5;
/// Checks have begun in this time, and what they brought about has settled when nothing changes for a while.
const BEGUN: Duration = Duration::from_secs(4);
const CALM: Duration = Duration::from_secs(2);
const SETTLED: Duration = Duration::from_secs(60);
/// The first entry of a table, if there is to be one, is there by now.
const FIRST: Duration = Duration::from_secs(15);

/// Files whose tables differ on purpose, and why.
const DIFFER: &[(&str, &str)] = &[
    ("groups.conf", "2.2.7 forgets persistence_granularity for a group"),
    (
        "096.conf",
        "an entry that several services have is the first one's, and 2.2.7 puts the servers of all into it",
    ),
    ("168.conf", "2.2.7 forgets persistence_granularity for a group"),
    ("205.conf", "a check that cannot bind takes nobody out"),
    ("222.conf", "2.2.7 gives the servers of a service that it skips to the one before"),
];

/// Where our own configurations lie.
const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guest/lvs/field");

/// One file, with the options and the interfaces that it needs.
struct Field {
    name: String,
    conf: String,
    options: Vec<String>,
    interfaces: Vec<String>,
}

/// The files of a folder, in their order.
fn texts(folder: &Path) -> Vec<(String, String)> {
    let read = |entry: std::fs::DirEntry| {
        let text = String::from_utf8_lossy(&std::fs::read(entry.path()).ok()?).into_owned();
        Some((entry.file_name().to_string_lossy().into_owned(), text))
    };
    let mut all: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().filter_map(read).collect();
    all.sort();
    all
}

fn words(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// Our own files. The first line of each names its interfaces.
fn own() -> Vec<Field> {
    let field = |(name, conf): (String, String)| {
        let first = conf.lines().next().and_then(|line| line.strip_prefix("# interfaces:"));
        Field { name, options: Vec::new(), interfaces: words(first), conf }
    };
    texts(Path::new(OWN)).into_iter().map(field).collect()
}

/// The published files that have a virtual server.
fn published() -> Vec<Field> {
    let Some(shared) = std::env::var_os("GUEST_SHARED") else { return Vec::new() };
    let corpus = Path::new(&shared).join("corpus");
    let setup = std::fs::read_to_string(corpus.join("setup.tsv")).unwrap_or_default();
    let field = |(name, text): (String, String)| {
        let has = text.lines().any(|line| line.trim_start().starts_with("virtual_server "));
        let mut row = setup.lines().find(|row| row.split('\t').next() == Some(&name))?.split('\t').skip(1);
        let (options, interfaces) = (words(row.next()), words(row.next()));
        has.then(|| Field { name, conf: hasten(&text), options, interfaces })
    };
    texts(&corpus.join("all")).into_iter().filter_map(field).collect()
}

/// The same configuration with one retry after a second, in the network where the daemon is started. A program may take
/// as long as the delay_loop, and the guest is slow.
fn hasten(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut words = line.split_whitespace().peekable();
        // It may stand behind a condition.
        if words.clone().take(2).any(|word| word.starts_with("net_namespace")) {
            continue;
        }
        let first = words.peek().copied();
        while let Some(word) = words.next() {
            out += &format!(" {word}");
            let quick = ["delay_before_retry", "retry", "nb_get_retry", "warmup"].contains(&word);
            if quick && words.next().is_some() {
                out += " 1";
            } else if word == "delay_loop" && words.next().is_some() {
                out += " 5";
            }
        }
        out.push('\n');
        if first == Some("virtual_server") && line.trim_end().ends_with('{') {
            out += "delay_loop 5\nwarmup 1\n";
        }
    }
    out
}

/// Two directors that have all their servers behind a cable each.
struct Scene {
    sides: [(Program, Node); 2],
    _world: Node,
}

impl Scene {
    fn new() -> Self {
        let world = Node::new("world");
        let side = |(program, number): (Program, u8)| {
            let director = Node::new("director");
            cable(&director, "uplink", &world);
            director.shell(&format!(
                "ip addr add 10.254.{number}.1/24 dev uplink; ip addr add fd54:{number}::1/64 dev uplink nodad
                ip link set uplink up
                ip route add default via 10.254.{number}.2; ip -6 route add default via fd54:{number}::2"
            ));
            // Who looks for its own name asks nobody far away.
            director.write("/etc/hosts", "127.0.0.1 localhost director\n");
            world.shell(&format!(
                "ip link set eth0 name side{number}; ip addr add 10.254.{number}.2/24 dev side{number}
                ip addr add fd54:{number}::2/64 dev side{number} nodad; ip link set side{number} up"
            ));
            (program, director)
        };
        let sides = [(Program::Reference, 1), (Program::UnderTest, 2)].map(side);
        world.write("/run/stub.py", STUB);
        world.shell(
            "ip route add local default dev lo; ip -6 route add local default dev lo
            nft 'table inet n { chain c { type nat hook prerouting priority -100;
                meta l4proto { tcp, udp } redirect to :9; }; }'
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=stub -days 2 \
                -keyout /run/key.pem -out /run/cert.pem 2>/dev/null
            /usr/bin/python3 /run/stub.py >/run/stub.log 2>&1 &",
        );
        eventually("the stub listens", SETTLED, || world.exists("/run/ready"));
        Self { sides, _world: world }
    }

    /// Starts both programs with one file and stops them; the lines of their tables, or what differs.
    fn compare(&self, field: &Field) -> Result<usize, String> {
        let begin = Instant::now();
        let daemons = self.sides.each_ref().map(|(program, director)| {
            for name in field.interfaces.iter().filter(|name| name.len() < 16) {
                director.try_shell(&format!("ip link add {name} type dummy && ip link set {name} up"));
            }
            director.write(CONF, &field.conf);
            let mut options = vec!["-n", "-l", "-G", "-D", "-C", "-f", CONF];
            options.extend(field.options.iter().map(String::as_str));
            Launch::new(director, *program).arguments(&options).start()
        });
        let (started, mut changed) = (Instant::now(), Instant::now());
        let mut tables = self.sides.each_ref().map(|(_, director)| Table::of(director));
        let mut seen = [Vec::new(), Vec::new()];
        let alive = || daemons.iter().all(|daemon| is_alive(daemon.first()));
        while started.elapsed() < SETTLED
            && (started.elapsed() < BEGUN || changed.elapsed() < CALM || seen[0] != seen[1])
            || seen[0].is_empty() && started.elapsed() < FIRST && alive()
        {
            let now = tables.each_mut().map(|table| table.lines().to_vec());
            if now != seen {
                (seen, changed) = (now, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let logs = daemons.each_ref().map(|daemon| daemon.log());
        // Both end at once.
        let running = daemons.each_ref().map(|daemon| is_alive(daemon.first()));
        for (daemon, _) in daemons.iter().zip(running).filter(|(_, running)| *running) {
            daemon.signal(nix::sys::signal::Signal::SIGTERM);
        }
        let gone = |daemon: &crate::kit::daemon::Daemon<'_>| !is_alive(daemon.first());
        eventually("both end", SETTLED, || daemons.iter().all(gone));
        drop(daemons);
        let left = ipvsadm(&self.sides[1].1, &["-Sn"]);
        for (_, director) in &self.sides {
            director.try_shell(
                "ipvsadm -C
                for at in $(ip -o link show type dummy | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/'); do ip link del $at; done",
            );
        }
        println!("{}: {} lines, {:.1} s", field.name, seen[0].len(), begin.elapsed().as_secs_f32());
        let [theirs, ours] = &mut seen;
        let differs = DIFFER.iter().find(|(name, _)| *name == field.name).map_or("", |(_, why)| why);
        if !differs.is_empty() && theirs == ours {
            return Err(format!("{}: nothing differs any more: {differs}", field.name));
        }
        if differs.contains("persistence_granularity") {
            for line in ours.iter_mut() {
                line.truncate(line.find(" -M ").unwrap_or(line.len()));
            }
        }
        let known = !differs.is_empty() && !differs.contains("persistence_granularity");
        if theirs != ours && !known {
            let difference = difference(ours, theirs);
            return Err(format!("{}: {difference}\n{}\n{}", field.name, logs[0], logs[1]));
        }
        if !left.is_empty() {
            return Err(format!("{}: left behind: {left:?}\n{}", field.name, logs[1]));
        }
        Ok(theirs.len())
    }
}

/// What services need is loaded once, not by whoever comes first: that takes seconds each.
fn load_modules() {
    let schedulers =
        ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "pe_sip"];
    let modules = schedulers.map(|name| format!("ip_vs_{name}"));
    let _ = std::process::Command::new("modprobe").arg("-a").args(&modules).args(["fou", "ip_gre"]).status();
}

/// Every file, started and settled.
pub(crate) fn every() {
    load_modules();
    let own = own();
    assert!(own.len() > 5, "our own files are there");
    // Some of them alone, by their names.
    let some = std::env::var("GUEST_FILES").unwrap_or_default();
    let meant = |field: &Field| some.is_empty() || some.split_whitespace().any(|name| name == field.name);
    let all: Vec<_> = own.into_iter().chain(published()).filter(meant).collect();
    let (waiting, differences, lines) = (Mutex::new(all.iter()), Mutex::new(Vec::new()), Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let scene = Scene::new();
                loop {
                    let Some(field) = waiting.lock().expect("nobody panics with it").next() else { break };
                    match scene.compare(field) {
                        Ok(count) => *lines.lock().expect("nobody panics with it") += count,
                        Err(difference) => {
                            println!("{difference}");
                            differences.lock().expect("nobody panics with it").push(field.name.as_str());
                        }
                    }
                }
            });
        }
    });
    let differences = differences.into_inner().expect("nobody panics with it");
    assert!(differences.is_empty(), "of {} files differ: {}", all.len(), differences.join(" "));
    let least = if some.is_empty() { 50 } else { 0 };
    assert!(lines.into_inner().expect("nobody panics with it") > least, "tables were compared");
}
