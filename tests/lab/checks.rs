//! Checks of real servers, judged by FIFO lines, scripts and log: the kernel of a lab has no ip_vs, so that the table of
//! virtual servers is the guest's.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::kit::bounds::{START, eventually};
use crate::kit::daemon::{Daemon, Program};
use crate::kit::net::Net;
use crate::kit::node::Node;
use crate::mail;

const US: Program = Program::UnderTest;
const SOON: Duration = Duration::from_secs(10);

/// Reads a FIFO from when it appears until its writer is gone.
const FOLLOW: &str =
    "(until [ -p /run/fifo ]; do sleep 0.01; done; exec cat /run/fifo >> /run/lines) >/dev/null 2>&1 &";

/// Real servers of every kind in one process, each on a port of its own.
const SERVERS: &str = r#"
import os, socketserver, sys, threading

class Tcp(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(1)

class Http(socketserver.StreamRequestHandler):
    def handle(self):
        path = self.rfile.readline().split()[1].decode()
        while self.rfile.readline().strip():
            pass
        status = open("/run/status").read().strip() if os.path.exists("/run/status") else "200"
        body = b"hello " + path.encode() + b"\n"
        self.wfile.write(b"HTTP/1.1 %s x\r\nContent-Length: %d\r\n\r\n" % (status.encode(), len(body)) + body)

class Smtp(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220-mx.example.test\r\n220 ready\r\n")
        while True:
            line = self.rfile.readline()
            if not line:
                return
            self.wfile.write(b"221 bye\r\n" if line.startswith(b"QUIT") else b"250 ok\r\n")
            if line.startswith(b"QUIT"):
                return

class Dns(socketserver.BaseRequestHandler):
    def handle(self):
        query, sock = self.request
        sock.sendto(query[:2] + b"\x81\x80" + query[4:6] + b"\0\0\0\0\0\0" + query[12:], self.client_address)

class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(data, self.client_address)

class Threading(socketserver.ThreadingMixIn):
    daemon_threads = True

class TcpServer(Threading, socketserver.TCPServer):
    allow_reuse_address = True
    request_queue_size = 64

class UdpServer(Threading, socketserver.UDPServer):
    pass

host = sys.argv[1]
for kind, port, handler in [(TcpServer, 8001, Tcp), (TcpServer, 8002, Http), (TcpServer, 8003, Smtp),
                            (UdpServer, 8004, Dns), (UdpServer, 8005, Echo)]:
    threading.Thread(target=kind((host, port), handler).serve_forever).start()
"#;

/// Kinds of checks: the port of the real server, and the block.
const KINDS: &[(u16, &str, &str)] = &[
    (8001, "TCP", "TCP_CHECK {\n connect_timeout 1\n}"),
    (8002, "TCP", "HTTP_GET {\n url {\n path /page\n status_code 200\n}\n}"),
    (8003, "TCP", "SMTP_CHECK {\n}"),
    (8004, "UDP", "DNS_CHECK {\n name example.test\n type A\n}"),
    (8005, "UDP", "UDP_CHECK {\n require_reply\n connect_timeout 1\n}"),
    (8006, "TCP", "MISC_CHECK {\n misc_path /usr/local/bin/check\n}"),
    (8007, "TCP", "FILE_CHECK {\n track_file bad\n weight 0\n}"),
    (8008, "TCP", "PING_CHECK {\n}"),
];

/// A director and the machine of its real servers.
struct Scene {
    director: Node,
    backend: Node,
    _net: Net,
}

impl Scene {
    fn new() -> Self {
        let net = Net::without_referee();
        let director = net.node("a", "eth0", &["10.9.0.1/24"]);
        let backend = net.node("b", "eth0", &["10.9.0.2/24"]);
        director.shell(FOLLOW);
        director.write_script("/usr/local/bin/check", "#!/bin/sh\n! test -e /run/broken\n");
        for state in ["up", "down"] {
            let line = format!("#!/bin/sh\necho \"{state} $*\" >> /run/told\n");
            director.write_script(&format!("/usr/local/bin/{state}"), &line);
        }
        director.write("/run/bad", "0\n");
        backend.write("/run/servers.py", SERVERS);
        let scene = Self { director, backend, _net: net };
        scene.serve(true);
        scene
    }

    /// Starts the servers, or kills them.
    fn serve(&self, serve: bool) {
        if serve {
            self.backend.shell("exec setsid python3 /run/servers.py 10.9.0.2 >/run/servers.log 2>&1 & echo $! >/run/servers.pid");
            eventually("the servers listen", START, || {
                self.backend.shell("ss -Hltun").lines().filter(|line| line.contains(":800")).count() == 5
            });
        } else {
            self.backend.shell("kill -9 $(cat /run/servers.pid)");
        }
    }

    fn lines(&self) -> Vec<String> {
        self.director.read("/run/lines").lines().map(str::to_owned).collect()
    }

    fn wait_line(&self, line: &str, times: usize) {
        let count = || self.lines().iter().filter(|one| *one == line).count();
        eventually(&format!("{times} x {line}"), SOON, || count() >= times);
        assert_eq!(count(), times, "{line}");
    }
}

/// One virtual server for each kind, on the ports from 1 on.
fn conf(kinds: &[(u16, &str, &str)], more: &str) -> String {
    let mut text = String::from(
        "global_defs {\n lvs_notify_fifo /run/fifo\n script_user root\n}\ntrack_file bad {\n file /run/bad\n}\n",
    );
    for (number, (port, protocol, check)) in kinds.iter().enumerate() {
        text.push_str(&format!(
            "virtual_server 192.0.2.10 {} {{\n delay_loop 1\n warmup 0\n lvs_sched rr\n lvs_method NAT\n protocol {protocol}\n \
             retry 1\n delay_before_retry 1\n {more}\n real_server 10.9.0.2 {port} {{\n \
             notify_up \"/usr/local/bin/up {port}\"\n notify_down \"/usr/local/bin/down {port}\"\n {check}\n }}\n}}\n",
            number + 1
        ));
    }
    text
}

/// The FIFO line of the real server of a kind.
fn line(number: usize, state: &str) -> String {
    let (port, protocol, _) = KINDS[number];
    let protocol = protocol.to_lowercase();
    format!("RS [10.9.0.2]:{protocol}:{port} [192.0.2.10]:{protocol}:{} {state}", number + 1)
}

#[test]
fn every_kind_of_check_takes_its_server_out_and_back_in() {
    let scene = Scene::new();
    let daemon = Daemon::start(&scene.director, US, &conf(KINDS, ""));
    for (number, (_, protocol, _)) in KINDS.iter().enumerate() {
        scene.wait_line(&format!("VS [192.0.2.10]:{}:{} UP", protocol.to_lowercase(), number + 1), 1);
    }
    for line in [
        "TCP connection to [10.9.0.2]:tcp:8001 success.",
        "Remote Web server [10.9.0.2]:tcp:8002 succeed on service.",
        "Remote SMTP server [10.9.0.2]:tcp:8003 succeed on service.",
        "UDP connection to [10.9.0.2]:udp:8005 success.",
        "Misc check for [[10.9.0.2]:tcp:8006 VS [192.0.2.10]:tcp:6] by [/usr/local/bin/check] succeeded.",
        "ICMP connection to [10.9.0.2]:tcp:8008 success.",
    ] {
        daemon.wait_log(line, SOON);
    }
    assert!(!scene.lines().iter().any(|line| line.starts_with("RS")), "{:?}", scene.lines());
    scene.serve(false);
    scene.director.write("/run/broken", "");
    scene.director.write("/run/bad", "1\n");
    scene.backend.shell("sysctl -qw net.ipv4.icmp_echo_ignore_all=1");
    for number in 0..KINDS.len() {
        scene.wait_line(&line(number, "DOWN"), 1);
    }
    for line in [
        "TCP_CHECK on service [10.9.0.2]:tcp:8001 failed after 1 retries.",
        "Removing service [10.9.0.2]:tcp:8001 from VS [192.0.2.10]:tcp:1",
        "Lost quorum 1-0=1 > 0 for VS [192.0.2.10]:tcp:1",
        "HTTP_CHECK on service [10.9.0.2]:tcp:8002 failed after 1 retries.",
        "(exited with status 1).",
        "ICMP CHECK on service [10.9.0.2]:tcp:8008 of [192.0.2.10]:tcp:8 failed after 1 retries.",
    ] {
        daemon.wait_log(line, SOON);
    }
    scene.serve(true);
    scene.director.remove("/run/broken");
    scene.director.write("/run/bad", "0\n");
    scene.backend.shell("sysctl -qw net.ipv4.icmp_echo_ignore_all=0");
    for number in 0..KINDS.len() {
        scene.wait_line(&line(number, "UP"), 1);
    }
    daemon.wait_log("Adding service [10.9.0.2]:tcp:8001 to VS [192.0.2.10]:tcp:1", SOON);
    let told = || scene.director.read("/run/told");
    eventually("every script runs", SOON, || told().lines().count() >= 2 * KINDS.len());
    let told = told();
    for (port, _, _) in KINDS {
        let of_port: Vec<_> = told.lines().filter(|line| line.ends_with(&port.to_string())).collect();
        assert_eq!(of_port, [format!("down {port}"), format!("up {port}")]);
    }
    daemon.stop();
    assert!(!scene.director.exists("/run/fifo"), "the FIFO goes with the daemon");
    let groups = scene.director.shell("cat /proc/sys/net/ipv4/ping_group_range");
    assert_eq!(groups.split_whitespace().collect::<Vec<_>>(), ["1", "0"], "as before the start");
}

#[test]
fn a_reload_keeps_states_and_tells_what_is_gone() {
    let scene = Scene::new();
    let daemon = Daemon::start(&scene.director, US, &conf(KINDS, ""));
    scene.wait_line("VS [192.0.2.10]:tcp:1 UP", 1);
    daemon.wait_log("by [/usr/local/bin/check] succeeded", SOON);
    scene.director.write("/run/broken", "");
    scene.wait_line(&line(5, "DOWN"), 1);
    let child = scene.director.read("/run/checkers.pid");
    // The same file: nothing is told, and what failed stays failed.
    daemon.reload(&conf(KINDS, ""));
    std::thread::sleep(Duration::from_millis(1_500));
    scene.wait_line(&line(5, "DOWN"), 1);
    assert_eq!(scene.lines().iter().filter(|line| line.ends_with(" UP")).count(), KINDS.len());
    // Without the last virtual server, and with another check on a server that is down.
    let mut kinds = KINDS[..7].to_vec();
    kinds[5].2 = "MISC_CHECK {\n misc_path /bin/true\n}";
    daemon.reload(&conf(&kinds, ""));
    scene.wait_line(&line(7, "DOWN"), 1);
    scene.wait_line("VS [192.0.2.10]:tcp:8 DOWN", 1);
    scene.wait_line(&line(5, "UP"), 1);
    assert_eq!(scene.director.read("/run/checkers.pid"), child, "nobody was replaced");
    daemon.stop();
}

/// A program that ignores SIGTERM is killed, whether its time is over or its check.
#[test]
fn the_program_of_a_removed_check_is_killed_if_it_does_not_end() {
    let scene = Scene::new();
    let script = "#!/bin/sh\ntrap '' TERM\necho $$ > /run/deaf.pid\nwhile :; do sleep 0.1; done\n";
    scene.director.write_script("/usr/local/bin/deaf", script);
    let mut kinds = KINDS[..6].to_vec();
    kinds[5].2 = "MISC_CHECK {\n misc_path /usr/local/bin/deaf\n misc_timeout 1000\n}";
    let daemon = Daemon::start(&scene.director, US, &conf(&kinds, ""));
    eventually("the program runs", START, || scene.director.exists("/run/deaf.pid"));
    let runs =
        || !scene.director.shell("ls -d /proc/$(cat /run/deaf.pid) 2>/dev/null || true").trim().is_empty();
    assert!(runs());
    daemon.reload(&conf(&kinds[..5], ""));
    assert!(runs(), "it has two seconds");
    eventually("the program is killed", SOON, || !runs());
    daemon.stop();
}

/// One server whose own program, or own address, decides.
fn decided_by(global: &str, checks: &str) -> String {
    format!(
        "global_defs {{\n router_id R\n notification_email {{\n a@x.org\n }}\n smtp_server 127.0.0.1\n {global}\n}}\n\
         virtual_server 192.0.2.10 80 {{\n delay_loop 0.2\n lvs_sched rr\n protocol TCP\n\
         real_server 127.0.0.1 99 {{\n smtp_alert\n {checks}\n }}\n}}\n"
    )
}

/// Without `no_checker_emails` each check that changes is mailed, with what the server is then; with it those alone that
/// change the server, as Debian's keepalived does both.
#[test]
fn each_changed_check_is_mailed_unless_that_is_not_wanted() {
    let program = |at: u8| {
        format!("MISC_CHECK {{\n misc_path \"/usr/bin/test -e /run/good{at}\"\n retry 0\n warmup 0\n }}\n")
    };
    let checks = program(1) + &program(2);
    for (global, wanted) in [
        ("", &["DOWN failed", "DOWN failed", "DOWN succeeded", "UP succeeded"][..]),
        ("no_checker_emails", &["DOWN failed", "UP succeeded"]),
    ] {
        let net = Net::without_referee();
        let node = net.node("a", "eth0", &["10.9.0.1/24"]);
        mail::serve(&node, "127.0.0.1", 25);
        node.shell("touch /run/good1 /run/good2; touch /run/mails");
        let daemon = Daemon::start(&node, US, &decided_by(global, &checks));
        let said = |count: usize, what: &str| {
            eventually(&format!("{what} {count}"), SOON, || daemon.logged(what) >= count);
        };
        said(2, "] succeeded");
        node.shell("rm /run/good1");
        said(1, "] failed");
        node.shell("rm /run/good2");
        said(2, "] failed");
        node.shell("touch /run/good1");
        said(3, "] succeeded");
        node.shell("touch /run/good2");
        said(4, "] succeeded");
        mail::arrive(&node, wanted.len(), SOON);
        let mails = node.read("/run/mails");
        let seen: Vec<_> = mails
            .split("=====\n")
            .filter(|mail| !mail.is_empty())
            .map(|mail| {
                let state = if mail.contains("192.0.2.10]:tcp:80 - UP") { "UP" } else { "DOWN" };
                let how =
                    if mail.contains("=> MISC CHECK failed on service <=") { "failed" } else { "succeeded" };
                format!("{state} {how}")
            })
            .collect();
        assert_eq!(seen, wanted, "{global}: {mails}");
    }
}

/// An address of `bindto` that is deleted leaves the server as it is, or with `fail_on_local_failure` takes it out; it
/// comes back with its address (field case 36).
#[test]
fn an_own_address_that_is_gone_takes_a_server_out_only_where_that_is_wanted() {
    for (line, takes_out) in [("", false), ("fail_on_local_failure", true)] {
        let net = Net::without_referee();
        let node = net.node("a", "eth0", &["10.9.0.1/24", "10.9.0.7/24"]);
        let check = format!(
            "TCP_CHECK {{\n bindto 10.9.0.7\n connect_ip 10.9.0.1\n connect_port 98\n retry 0\n warmup 0\n {line}\n }}"
        );
        node.shell("/usr/bin/python3 -c 'import socket\ns = socket.create_server((\"10.9.0.1\", 98))\nwhile True: s.accept()' >/dev/null 2>&1 &");
        eventually("it listens", SOON, || !node.shell("ss -Hltn 'sport = :98'").trim().is_empty());
        let daemon = Daemon::start(&node, US, &decided_by("", &check));
        eventually("the check passes", SOON, || daemon.logged("success.") > 0);
        node.shell("ip addr del 10.9.0.7/24 dev eth0");
        eventually("it cannot run", SOON, || daemon.logged("cannot run: ") == 1);
        if takes_out {
            eventually("the server is out", SOON, || daemon.logged("Removing service") == 1);
        }
        std::thread::sleep(Duration::from_secs(1));
        daemon.signal(Signal::SIGUSR1);
        let dump = daemon.dump("/tmp/keepalived_check.data");
        let cannot = dump.contains(
            "   Cannot run = the address of bindto, or bind_port, cannot be used (10.9.0.7 port 0)\n",
        );
        assert_eq!((cannot, dump.contains("   Overdue\n")), (!takes_out, !takes_out), "{dump}");
        assert_eq!(daemon.logged("Removing service"), usize::from(takes_out), "{}", daemon.log());
        node.shell("ip addr add 10.9.0.7/24 dev eth0");
        if takes_out {
            eventually("the server is back", SOON, || daemon.logged("Adding service") == 1);
        } else {
            eventually("it runs again", SOON, || daemon.logged("runs again") == 1);
        }
    }
}

/// A ping and a datagram leave by the interface and with the address that the check names (field case 62).
#[test]
fn pings_and_datagrams_leave_by_the_interface_of_the_check() {
    let net = Net::without_referee();
    let node = net.node("a", "eth0", &["10.9.0.1/24"]);
    let server = net.node("b", "eth0", &["10.9.0.2/24"]);
    node.shell(
        "ip link add eth1 link eth0 type macvlan mode bridge; ip addr add 10.9.0.7/24 dev eth1; ip link set eth1 up
        for at in all eth0 eth1; do echo 1 >/proc/sys/net/ipv4/conf/$at/arp_ignore; done
        for at in all eth0 eth1; do echo 2 >/proc/sys/net/ipv4/conf/$at/arp_announce; done",
    );
    let at = node.shell("cat /sys/class/net/eth1/address").trim().to_owned();
    server.shell(&format!(
        "nft 'table inet t {{ chain c {{ type filter hook input priority 0;
            ether saddr {at} ip saddr 10.9.0.7 icmp type echo-request counter comment \"right ping\"
            ether saddr != {at} icmp type echo-request counter comment \"wrong ping\"
            ether saddr {at} ip saddr 10.9.0.7 udp dport 99 counter comment \"right datagram\"
            ether saddr != {at} udp dport 99 counter comment \"wrong datagram\"
        }}; }}'"
    ));
    let packets = |what: &str| {
        let rules = server.shell("nft list ruleset");
        let line = rules.lines().find(|line| line.contains(what)).unwrap_or_default();
        let count = line.split("packets ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        count.unwrap_or_else(|| panic!("{what}: {rules}"))
    };
    let from = "bindto 10.9.0.7\n bind_if eth1\n connect_ip 10.9.0.2\n warmup 0\n delay_loop 1";
    let checks = format!("PING_CHECK {{\n {from}\n }}\nUDP_CHECK {{\n {from}\n connect_port 99\n }}\n");
    let daemon = Daemon::start(&node, US, &decided_by("", &checks));
    eventually("both leave there", SOON, || packets("right ping") >= 2_u32 && packets("right datagram") >= 2);
    assert_eq!((packets("wrong ping"), packets("wrong datagram")), (0, 0));
    daemon.stop();
}

/// Datagrams to servers that nobody reaches leak no descriptor (field case 38).
#[test]
fn failures_of_datagrams_leak_nothing() {
    let net = Net::without_referee();
    let node = net.node("a", "eth0", &["10.9.0.1/24"]);
    let checks: String = (1..=60)
        .map(|port| {
            format!(
                "UDP_CHECK {{\n connect_ip 10.9.0.{}\n connect_port {port}\n connect_timeout 1\n retry 0\n warmup 0\n \
                 delay_loop 1\n }}\n",
                100 + port
            )
        })
        .collect();
    let daemon = Daemon::start(&node, US, &decided_by("", &checks));
    eventually("the server is out", SOON, || daemon.logged("Removing service") == 1);
    let descriptors = || {
        let child = node.read("/run/checkers.pid");
        let count = node.shell(&format!("ls /proc/{}/fd | wc -l", child.trim()));
        count.trim().parse::<usize>().expect("a number")
    };
    let most = |looks: usize| {
        let look = |_| {
            std::thread::sleep(Duration::from_millis(100));
            descriptors()
        };
        (0..looks).map(look).max().unwrap_or_default()
    };
    let first = most(20);
    let later = most(60);
    assert!(later <= first, "{first} descriptors at most, and later {later}");
    daemon.stop();
}

/// A quorum that is lost takes the address of a MASTER to another router, by way of a script and a file, within the time
/// of a check (field case 22).
#[test]
fn a_lost_quorum_lowers_a_priority_by_way_of_a_file() {
    let net = Net::without_referee();
    let node = net.node("a", "eth0", &["10.9.0.1/24"]);
    node.write("/run/pool", "0\n");
    node.write_script("/usr/local/bin/pool", "#!/bin/sh\necho $1 > /run/pool\n");
    node.write("/run/good", "");
    let conf = "track_file pool {\n file /run/pool\n weight -1\n}\n\
         vrrp_instance VI {\n interface eth0\n virtual_router_id 1\n priority 150\n advert_int 0.2\n version 3\n\
         track_file {\n pool\n }\n virtual_ipaddress {\n 10.9.0.100\n }\n}\n\
         virtual_server 10.9.0.100 80 {\n delay_loop 0.2\n lvs_sched rr\n protocol TCP\n\
         quorum_up \"/usr/local/bin/pool 0\"\n quorum_down \"/usr/local/bin/pool 100\"\n\
         real_server 10.9.0.2 80 {\n MISC_CHECK {\n misc_path \"/usr/bin/test -e /run/good\"\n retry 0\n warmup 0\n }\n }\n}\n";
    let daemon = Daemon::start(&node, US, conf);
    eventually("the router is MASTER", SOON, || node.holds("eth0", "10.9.0.100"));
    daemon.wait_log("] succeeded", SOON);
    let lowered = "Changing effective priority from 150 to 50";
    let raised = "Changing effective priority from 50 to 150";
    node.remove("/run/good");
    daemon.wait_log(lowered, Duration::from_secs(3));
    node.write("/run/good", "");
    daemon.wait_log(raised, Duration::from_secs(3));
    daemon.stop();
}

/// Servers that the MASTER alone cannot reach move its address to the router that reaches them, and back (field case 22).
#[test]
fn servers_that_only_the_master_misses_move_its_address() {
    let net = Net::without_referee();
    let (a, b) = (net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"]));
    let backend = net.node("c", "eth0", &["10.9.0.3/24"]);
    backend.shell("/usr/bin/python3 -c 'import socket\ns = socket.create_server((\"10.9.0.3\", 80))\nwhile True: s.accept()' >/dev/null 2>&1 &");
    eventually("it listens", SOON, || !backend.shell("ss -Hltn 'sport = :80'").trim().is_empty());
    let conf = |priority: u8| {
        format!(
            "track_file pool {{\n file /run/pool\n weight -1\n}}\n\
             vrrp_instance VI {{\n interface eth0\n virtual_router_id 1\n priority {priority}\n advert_int 0.2\n\
             version 3\n track_file {{\n pool\n }}\n virtual_ipaddress {{\n 10.9.0.100\n }}\n}}\n\
             virtual_server 10.9.0.100 80 {{\n delay_loop 0.2\n lvs_sched rr\n protocol TCP\n\
             quorum_up \"/usr/local/bin/pool 0\"\n quorum_down \"/usr/local/bin/pool 100\"\n\
             real_server 10.9.0.3 80 {{\n TCP_CHECK {{\n connect_timeout 1\n retry 0\n warmup 0\n }}\n }}\n}}\n"
        )
    };
    let daemons = [(&a, 150), (&b, 100)].map(|(node, priority)| {
        node.write("/run/pool", "0\n");
        node.write_script("/usr/local/bin/pool", "#!/bin/sh\necho $1 > /run/pool\n");
        Daemon::start(node, US, &conf(priority))
    });
    let held = || [&a, &b].map(|node| node.holds("eth0", "10.9.0.100"));
    eventually("the first router is MASTER", SOON, || held() == [true, false]);
    daemons.iter().for_each(|daemon| daemon.wait_log("success.", SOON));
    backend.shell(
        "nft 'table ip t { chain c { type filter hook input priority 0; ip saddr 10.9.0.1 reject; }; }'",
    );
    // A check, its script and its file, and a Master_Down_Interval.
    let soon = Duration::from_millis(200 + 1_000 + 4 * 200);
    eventually("the other router has the address", soon + START, || held() == [false, true]);
    backend.shell("nft delete table ip t");
    eventually("the address is back", soon + START, || held() == [true, false]);
    assert_eq!(daemons[1].logged("Removing service"), 0, "{}", daemons[1].log());
    for daemon in daemons {
        daemon.stop();
    }
}

/// SMTP_CHECK before a mail server that others wrote.
#[test]
fn a_mail_server_passes_and_one_that_is_gone_fails() {
    let net = Net::without_referee();
    let (node, backend) = (net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"]));
    backend.shell(
        "exec setsid /usr/bin/python3 -m aiosmtpd -n -l 10.9.0.2:25 >/run/smtp.out 2>&1 & echo $! >/run/smtp",
    );
    eventually("it listens", SOON, || !backend.shell("ss -Hltn 'sport = :25'").trim().is_empty());
    let check = "SMTP_CHECK {\n connect_ip 10.9.0.2\n connect_port 25\n connect_timeout 3\n retry 0\n warmup 0\n \
                 helo_name lvs.example.com\n }";
    let daemon = Daemon::start(&node, US, &decided_by("", check));
    eventually("the check passes", SOON, || {
        daemon.logged("Remote SMTP server [127.0.0.1]:tcp:99 succeed") > 0
    });
    assert_eq!(daemon.logged("Removing service"), 0, "{}", daemon.log());
    backend.shell("kill $(cat /run/smtp)");
    eventually("the server is out", SOON, || daemon.logged("Removing service") == 1);
    daemon.stop();
}

/// Takes connections and never answers; each is written down with its time in milliseconds.
const SILENT: &str = "
import socket, time
listener = socket.create_server((\"10.9.0.2\", 80), backlog=2000)
kept = []
with open(\"/run/accepted\", \"w\") as out:
    while True:
        kept.append(listener.accept()[0])
        out.write(\"%d\\n\" % (time.monotonic() * 1000))
        out.flush()
";

/// Reloads while many checks wait for an answer that never comes: descriptors stay as many, no verdict is lost or
/// brought about, and the checks keep their times (field case 33).
#[test]
fn reloads_leave_checks_in_flight_alone() {
    const CHECKS: usize = 200;
    const RELOADS: usize = 40;
    let net = Net::without_referee();
    let (node, backend) = (net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"]));
    backend.write("/run/silent.py", SILENT);
    backend.shell("ulimit -n 65536; /usr/bin/python3 /run/silent.py >/run/silent.log 2>&1 &");
    eventually("it listens", SOON, || !backend.shell("ss -Hltn 'sport = :80'").trim().is_empty());
    let service = |number: usize| {
        format!(
            "virtual_server 192.0.2.10 {number} {{\n delay_loop 30\n warmup 2\n lvs_sched rr\n protocol TCP\n\
             real_server 10.9.0.2 80 {{\n HTTP_GET {{\n connect_timeout 20\n retry 0\n url {{\n path /{number}\n \
             }}\n }}\n }}\n}}\n"
        )
    };
    let conf = String::from("global_defs {\n no_shared_checks\n}\n")
        + &(1..=CHECKS).map(service).collect::<String>();
    let daemon = Daemon::start(&node, US, &conf);
    let accepted = || backend.read("/run/accepted").lines().count();
    eventually("every check waits", SOON, || accepted() == CHECKS);
    let child = node.read("/run/checkers.pid").trim().to_owned();
    let descriptors =
        || node.shell(&format!("ls /proc/{child}/fd | wc -l")).trim().parse::<usize>().expect("a number");
    let before = descriptors();
    assert!(before > CHECKS, "{before}");
    // One service comes and goes, all others stay.
    let more = conf.clone() + &service(CHECKS + 1);
    for round in 0..RELOADS {
        daemon.reload(if round % 2 == 0 { &more } else { &conf });
    }
    assert_eq!(node.read("/run/checkers.pid").trim(), child, "nobody was replaced");
    eventually("descriptors are as many as before", SOON, || descriptors() == before);
    let asked = accepted();
    assert!(asked <= CHECKS + RELOADS / 2, "{asked} connections: checks that did not change began anew");
    assert_eq!(daemon.logged("Removing service"), 0, "{}", daemon.log());
    daemon.stop();
}
