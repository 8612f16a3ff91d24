//! Once sessions run, nothing is allocated: a BFD child with the sessions of both ends, with peers that are not there,
//! packets that are not BFD and sessions that go down and come up again, in the only test of its process. Needs root: it
//! has a network namespace of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test ends at the first surprise, and waits"
)]

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use keepalived::base::bytes::{Reader, Writer};
use keepalived::base::exit::Exit;
use keepalived::base::time::Span;
use keepalived::bfdd::{Context, run};
use keepalived::child::peer::SESSION_UP;
use keepalived::config::diag::Diagnostics;
use keepalived::config::{assemble, expand};
use keepalived::daemon::ipc::{ToChild, ToPeer};
use keepalived::daemon::keep::Keep;
use keepalived::daemon::kind::Kind;
use keepalived::daemon::log::{self, Identity, Options};
use keepalived::daemon::tuning::Tuner;
use keepalived::sys::alloc;
use keepalived::sys::channel::{Channel, Received, Sent};
use keepalived::wire::bfd::{Control, PORT, State};
use nix::sched::{CloneFlags, unshare};

/// Pairs of sessions whose both ends are in the one child.
const PAIRS: usize = 40;

fn conf() -> String {
    let mut text = String::new();
    let mut session = |name: &str, source: &str, neighbor: &str| {
        text += &format!(
            "bfd_instance {name} {{\n neighbor_ip {neighbor}\n source_ip {source}\n min_rx 10\n min_tx 10\n \
             multiplier 50\n}}\n"
        );
    };
    for pair in 0..PAIRS {
        let ends = [format!("127.0.1.{pair}"), format!("127.0.2.{pair}")];
        session(&format!("A{pair}"), &ends[0], &ends[1]);
        session(&format!("B{pair}"), &ends[1], &ends[0]);
    }
    session("NOBODY", "127.0.3.1", "127.0.3.2");
    session("NOWHERE", "127.0.4.1", "192.0.2.1");
    text += "bfd_instance OPEN {\n neighbor_ip 127.0.5.1\n}\nbfd_instance LOST {\n neighbor_ip fe80::1%nowhere\n}\n";
    text
}

/// The other ends of the channels of the child.
struct Around<'a> {
    parent: &'a Channel,
    checkers: Channel,
    stranger: UdpSocket,
    /// The sessions that are up, and how often one went down.
    up: Vec<u64>,
    flaps: u32,
}

impl Around<'_> {
    /// Takes what the child says for so long, and annoys it meanwhile.
    fn live(&mut self, during: Duration) {
        for _ in 0..during.as_millis() / 100 {
            self.annoy();
            std::thread::sleep(Duration::from_millis(100));
            self.listen();
        }
    }

    fn listen(&mut self) {
        let mut room = [0; 4_096];
        while let Received::Packet(..) = self.parent.receive(&mut room) {}
        while let Received::Packet(len, _) = self.checkers.receive(&mut room) {
            let mut reader = Reader::new(&room[..len]);
            while let Some(message) = ToPeer::read(&mut reader) {
                if let ToPeer::State(object) = message {
                    let before = self.up.len();
                    self.up.retain(|key| *key != object.key);
                    self.flaps += u32::from(self.up.len() < before);
                    if object.state == SESSION_UP {
                        self.up.push(object.key);
                    }
                }
            }
        }
    }

    /// A packet that is none, one of no session, and one that ends a session of the child, which the other end begins
    /// again.
    fn annoy(&self) {
        let mut ends = [0; 24];
        let mut out = Writer::new(&mut ends);
        let interval = Span::from_millis(10);
        Control {
            state: State::AdminDown,
            multiplier: 50,
            my: 7,
            min_tx: interval,
            min_rx: interval,
            ..Control::default()
        }
        .emit(&mut out)
        .unwrap();
        for (octets, last) in [(&b"rubbish"[..], 0), (&ends[..], 77), (&ends[..], 0)] {
            self.stranger.send_to(octets, SocketAddr::from(([127, 0, 1, last], PORT))).unwrap();
        }
    }
}

#[test]
fn nothing_is_allocated_once_sessions_run() {
    unshare(CloneFlags::CLONE_NEWNET).expect("this test needs root");
    assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
    let file = std::env::temp_dir().join(format!("ka-bfd-steady-{}", std::process::id()));
    let options = Options { syslog: false, file: Some(file.clone()), detail: true, ..Options::default() };
    log::start(&options, Identity::PARENT).unwrap();

    let mut found = Diagnostics::new();
    let model = assemble::model(&expand::parse_text(&conf(), &mut found).tree, &mut found);
    assert_eq!(model.bfds.len(), 2 * PAIRS + 4);
    let ((parent, channel), (checkers, theirs)) = (Channel::pair().unwrap(), Channel::pair().unwrap());
    let say = |message: ToChild, fd: Option<BorrowedFd<'_>>| {
        let mut room = [0; 16];
        let mut out = Writer::new(&mut room);
        message.write(&mut out).unwrap();
        let sent = match fd {
            Some(fd) => parent.send_with(out.written(), fd),
            None => parent.send(out.written()),
        };
        assert_eq!(sent, Sent::Yes);
    };
    say(ToChild::Peer(Kind::Checkers), Some(theirs.as_fd()));
    let child = std::thread::spawn(move || {
        let (keep, pid_file, tuner) = (Keep::new(), PathBuf::new(), Tuner::default());
        run(model.into(), Context { channel, keep, died: None, pid_file, dump: false, tuner })
    });
    let stranger = UdpSocket::bind("127.0.2.0:0").unwrap();
    stranger.set_ttl(255).unwrap();
    let mut around =
        Around { parent: &parent, checkers, stranger, up: Vec::with_capacity(2 * PAIRS), flaps: 0 };
    let mut waited = 0;
    while around.up.len() < 2 * PAIRS {
        assert!(waited < 100, "{:?}", std::fs::read_to_string(&file));
        waited += 1;
        std::thread::sleep(Duration::from_millis(100));
        around.listen();
    }
    // The first flaps are within the rate of log lines, the last ones are not.
    around.live(Duration::from_secs(2));
    // An address comes and goes all the time.
    let line = "while ip addr add 127.9.0.1/32 dev lo; do sleep 0.1; ip addr del 127.9.0.1/32 dev lo; sleep 0.1; done";
    let mut churn = Command::new("sh").args(["-c", line]).spawn().unwrap();
    // The harness may allocate beside; a child that does would do so each time.
    let fewest = (0..3)
        .map(|_| {
            let before = alloc::allocations();
            around.live(Duration::from_secs(2));
            alloc::allocations() - before
        })
        .min();
    churn.kill().unwrap();
    churn.wait().unwrap();
    assert_eq!(fewest, Some(0));
    assert!(around.flaps > 4, "{} flaps", around.flaps);
    assert!(around.up.len() >= 2 * PAIRS - 2, "the others stay up");
    say(ToChild::Stop, None);
    assert_eq!(child.join().unwrap(), Exit::Ok);
    let log = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    for text in ["(A0) Entering Down state", "(NOWHERE) Error sending packet", "discarded a BFD packet"] {
        assert!(log.contains(text), "{text}: {log}");
    }
    // The far end of the one whose peer was played by a stranger hears nothing for a while.
    let is_lost = |line: &&str| line.contains("Expired") && !line.contains("(B0)") && !line.contains("(A0)");
    assert_eq!(log.lines().find(is_lost), None);
}
