//! Real servers that a story switches on and off: threads of the test in the network of a node.

use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::kit::capture::enter_network;
use crate::kit::node::Node;

/// What a stub speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// HTTP with this status; the body is the name of the stub.
    Http(u16),
    /// SMTP, as much of it as a check hears.
    Smtp,
    /// DNS over UDP: every question is answered with this code and no record.
    Dns(u8),
    /// UDP: every datagram comes back.
    Echo,
    /// TCP: whatever is said is answered by the name of the stub.
    Session,
}

/// A real server.
pub(crate) struct Stub {
    holder: i32,
    name: String,
    at: SocketAddr,
    speaks: Speaks,
    running: Option<Running>,
    asked: Arc<AtomicUsize>,
}

struct Running {
    /// What is written there ends the thread.
    stop: PipeWriter,
    thread: JoinHandle<()>,
}

impl Stub {
    /// A server in a node, switched on. Its name is its address.
    pub(crate) fn new(node: &Node, at: &str, speaks: Speaks) -> Self {
        let at: SocketAddr = at.parse().expect("an address and a port");
        let mut stub = Self {
            holder: node.holder(),
            name: at.ip().to_string(),
            at,
            speaks,
            running: None,
            asked: Arc::default(),
        };
        stub.on();
        stub
    }

    /// Listens, if it does not; returns when it does.
    pub(crate) fn on(&mut self) {
        if self.running.is_some() {
            return;
        }
        let ((stopped, stop), (tell, told)) = (std::io::pipe().expect("a pipe"), channel());
        let (holder, at, speaks, name) = (self.holder, self.at, self.speaks, self.name.clone());
        let asked = Arc::clone(&self.asked);
        let thread = std::thread::spawn(move || {
            enter_network(holder);
            if matches!(speaks, Speaks::Dns(_) | Speaks::Echo) {
                let socket = bound(|| UdpSocket::bind(at));
                tell.send(()).expect("somebody waits for it");
                serve_datagrams(&socket, speaks, &asked, &stopped);
            } else {
                let listener = bound(|| TcpListener::bind(at));
                tell.send(()).expect("somebody waits for it");
                serve(&listener, speaks, &name, &stopped);
            }
        });
        told.recv().expect("the stub listens");
        self.running = Some(Running { stop, thread });
    }

    /// Stops listening: whoever connects is refused.
    pub(crate) fn off(&mut self) {
        if let Some(Running { mut stop, thread }) = self.running.take() {
            stop.write_all(b".").expect("the thread has the other end");
            thread.join().expect("the stub ends");
        }
    }

    /// Speaks something else from now on.
    pub(crate) fn speak(&mut self, speaks: Speaks) {
        self.off();
        self.speaks = speaks;
        self.on();
    }

    /// How many datagrams it got.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.off();
    }
}

/// How often a stub tries to get its port.
const LOOK: Duration = Duration::from_millis(20);
/// How long a stub waits for its client.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `bind` gives, as soon as it can: a process that another test starts keeps what this one has closed until its exec.
fn bound<T>(bind: impl Fn() -> std::io::Result<T>) -> T {
    let begin = Instant::now();
    loop {
        match bind() {
            Err(error) if error.kind() == ErrorKind::AddrInUse && begin.elapsed() < PATIENCE => {
                std::thread::sleep(LOOK);
            }
            socket => return socket.expect("a port"),
        }
    }
}

/// Waits until somebody comes, or the stub is to end: false then. A story has up to thirty stubs, and the guest no time for
/// any that looks again and again.
fn is_asked(socket: &impl AsFd, stopped: &PipeReader) -> bool {
    let mut both = [socket.as_fd(), stopped.as_fd()].map(|one| PollFd::new(one, PollFlags::POLLIN));
    while poll(&mut both, PollTimeout::NONE).is_err() {}
    both[1].any() == Some(false)
}

fn serve(listener: &TcpListener, speaks: Speaks, name: &str, stopped: &PipeReader) {
    // Who came may be gone again.
    listener.set_nonblocking(true).expect("a mode of every socket");
    while is_asked(listener, stopped) {
        if let Ok((stream, _)) = listener.accept() {
            let name = name.to_owned();
            // Its own thread: a client may leave it waiting.
            std::thread::spawn(move || answer(stream, speaks, &name));
        }
    }
}

/// The conversation with one client; its mistakes end it.
fn answer(mut stream: TcpStream, speaks: Speaks, name: &str) -> Option<()> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    match speaks {
        Speaks::Http(status) => {
            until(&mut stream, b"\r\n\r\n")?;
            let length = name.len();
            let reply = format!("HTTP/1.0 {status} Stub\r\nContent-Length: {length}\r\n\r\n{name}");
            stream.write_all(reply.as_bytes()).ok()
        }
        Speaks::Smtp => {
            stream.write_all(b"220 stub\r\n").ok()?;
            until(&mut stream, b"\r\n")?;
            stream.write_all(b"250 stub\r\n").ok()?;
            until(&mut stream, b"\r\n")?;
            stream.write_all(b"221 stub\r\n").ok()
        }
        Speaks::Session => {
            let mut octets = [0; 64];
            loop {
                stream.read(&mut octets).ok().filter(|count| *count > 0)?;
                stream.write_all(name.as_bytes()).ok()?;
            }
        }
        Speaks::Dns(_) | Speaks::Echo => None,
    }
}

/// Reads until what was read ends so.
fn until(stream: &mut TcpStream, end: &[u8]) -> Option<()> {
    let mut seen = Vec::new();
    let mut octets = [0; 512];
    while !seen.ends_with(end) {
        let count = stream.read(&mut octets).ok().filter(|count| *count > 0)?;
        seen.extend(&octets[..count]);
    }
    Some(())
}

fn serve_datagrams(socket: &UdpSocket, speaks: Speaks, asked: &AtomicUsize, stopped: &PipeReader) {
    // A datagram with a wrong checksum is dropped only once it is read.
    socket.set_nonblocking(true).expect("a mode of every socket");
    let mut octets = [0; 2_048];
    while is_asked(socket, stopped) {
        let Ok((count, from)) = socket.recv_from(&mut octets) else { continue };
        asked.fetch_add(1, Ordering::Relaxed);
        if let (Speaks::Dns(code), Some(flags)) = (speaks, octets.get_mut(2..4)) {
            flags.copy_from_slice(&[0x81, 0x80 | code]);
        }
        let _ = socket.send_to(&octets[..count], from);
    }
}
