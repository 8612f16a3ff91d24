//! Clients that do not behave cost no advert and no memory, and those that do are answered meanwhile.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::port::page;
use super::{TIMING, US, alone, has_no_socket};
use crate::kit::ask::{ask, code, status};
use crate::kit::bounds::{ALLOWANCE, START, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::Daemon;
use crate::kit::node::Node;
use crate::steps::longest_gap;

/// 500 clients that say nothing, 50 that send an octet a second, 50 of 64 KiB of garbage, 20 that ask for a lot and do
/// not read; of the control socket, or with an argument of the monitoring port.
const HOSTILE: &str = "import os,socket,sys,time
web=len(sys.argv)>1
def connect():
    s=socket.socket(socket.AF_INET if web else socket.AF_UNIX); s.settimeout(2)
    try: s.connect(('127.0.0.1',9165) if web else '/run/keepalived.sock'); return s
    except OSError: return None
def send(s,octets):
    try: s.sendall(octets)
    except OSError: pass
keep=[connect() for _ in range(500)]
greedy=[connect() for _ in range(20)]
for s in greedy: s and send(s,b'GET /status HTTP/1.1\\r\\n\\r\\n' if web else b'status --json\\n'*30)
slow=[connect() for _ in range(50)]
for _ in range(50):
    s=connect()
    if s: send(s,os.urandom(65536)); s.close()
print('ready',flush=True)
while True:
    for s in slow: s and send(s,b'G')
    keep=[s for s in keep if s][-400:]+[connect() for _ in range(100)]
    time.sleep(1)
";

/// How long the daemon lets a client of these stay in the way of others, and what the answer itself takes.
const ANSWERED: Duration = Duration::from_secs(3);

#[test]
fn clients_of_the_socket_that_do_not_behave_cost_no_advert_and_no_memory() {
    costs_nothing("", 80, |node| assert_eq!(status(node, "i['state']"), "MASTER"));
}

#[test]
fn clients_of_the_port_that_do_not_behave_cost_no_advert_and_no_memory() {
    costs_nothing("web", 80, |node| {
        let (code, text) = page(node, "/healthz");
        assert_eq!((&*code, &*text), ("200", "ok"));
    });
}

/// The whole of it; `answers` is a client that behaves, and the parent has `most` descriptors.
fn costs_nothing(place: &str, most: usize, answers: impl Fn(&Node)) {
    if has_no_socket() {
        return;
    }
    let (net, a) = alone();
    let daemon = Daemon::start(&a, US, &Instance::default().global("control_http 9165").text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    answers(&a);
    let memory = daemon.memory();
    a.write("/run/lab/hostile.py", HOSTILE);
    a.shell(&format!(
        "python3 /run/lab/hostile.py {place} > /run/lab/hostile 2>&1 & echo $! > /run/lab/hostile.pid"
    ));
    // One that has been here before, with those of the other kind.
    let mut kept =
        (!place.is_empty()).then(|| UnixStream::connect(a.path("/run/keepalived.sock")).expect("it listens"));
    let begun = now();
    eventually("the clients are connected", START * 4, || a.read("/run/lab/hostile").contains("ready"));
    for _ in 0..20 {
        let asked = Instant::now();
        answers(&a);
        assert!(asked.elapsed() < ANSWERED + ALLOWANCE, "{:?}", asked.elapsed());
        std::thread::sleep(Duration::from_millis(100));
    }
    if let Some(stream) = &mut kept {
        stream.write_all(b"version\n").expect("nobody has shown it out");
        let mut head = [0; 3];
        stream.read_exact(&mut head).expect("it is answered");
        assert_eq!(&head, b"ok ");
    }
    let grown = daemon.memory().saturating_sub(memory);
    assert!(grown < 2_048, "{grown} kB more");
    let parent = daemon.first();
    let open = std::fs::read_dir(format!("/proc/{parent}/fd")).expect("the parent runs").count();
    assert!(open < most, "{open} descriptors");
    let longest = longest_gap(&net, begun, "a");
    assert!(longest < TIMING.interval + ALLOWANCE, "{longest:?} between two adverts");
    assert_eq!(daemon.logged("does not answer - killing"), 0);
    a.shell("kill $(cat /run/lab/hostile.pid)");
    eventually("a behaving client is answered", START, || code(&ask(&a, "status")) == 0);
}
