//! A server in a process of its own, and a client that drives a session as a check does.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use keepalived::base::addr::IpAddr;
use keepalived::checkd::tls::{Client, Event, Fault, Session};
use keepalived::sys::{alloc, clock};

/// A server that listens on loopback until it is dropped.
pub struct Server {
    child: Child,
    /// Kept open: a server that cannot print may end.
    #[allow(dead_code, reason = "held, not read")]
    output: Option<BufReader<ChildStdout>>,
    port: u16,
}

impl Server {
    /// `openssl s_server` with a file that has certificate and key.
    pub fn openssl(both: &str, arguments: &str) -> Self {
        Self::openssl_files(both, both, arguments)
    }

    pub fn openssl_files(certificate: &str, key: &str, arguments: &str) -> Self {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-cert", certificate, "-key", key]);
        Self::start(command.args(arguments.split(' ')).stdin(Stdio::null()), |line| {
            line.strip_prefix("ACCEPT 127.0.0.1:")?.parse().ok()
        })
    }

    /// One of `server.py`.
    pub fn python(kind: &str, file: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls/server.py");
        Self::start(Command::new("python3").arg(script).args([kind, file]), |line| line.parse().ok())
    }

    fn start(command: &mut Command, port: impl Fn(&str) -> Option<u16>) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a server");
        let mut server = Self { child, output: None, port: 0 };
        let mut output = BufReader::new(server.child.stdout.take().expect("its output"));
        while server.port == 0 {
            let mut line = String::new();
            assert!(output.read_line(&mut line).expect("its output") > 0, "{command:?} ended");
            server.port = port(line.trim()).unwrap_or(0);
        }
        server.output = Some(output);
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How the text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It did not.
    Not,
    /// The server announced it.
    Announced,
    /// The connection did.
    Connection,
}

/// What a session came to.
#[derive(Debug)]
pub struct Talk {
    pub text: Vec<u8>,
    pub ending: Ending,
    pub fault: Option<Fault>,
    pub warning: Option<i64>,
    /// Octets that the session held at most beside the text, as far as Rust allocates them.
    pub most: usize,
    pub allocations: usize,
}

/// Sends `request` and reads what comes, the connection giving `piece` octets at a time.
pub fn talk(client: &Client, server: &Server, sni: Option<&str>, request: &[u8], piece: usize) -> Talk {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let mut talk = Talk {
        text: Vec::with_capacity(1 << 20),
        ending: Ending::Not,
        fault: None,
        warning: None,
        most: 0,
        allocations: alloc::allocations(),
    };
    let live = alloc::live();
    talk.fault = drive(client, &mut stream, sni, request, piece, &mut talk, live).err();
    talk.allocations = alloc::allocations() - talk.allocations;
    let _ = stream.shutdown(Shutdown::Both);
    talk
}

fn drive(
    client: &Client,
    stream: &mut TcpStream,
    sni: Option<&str>,
    request: &[u8],
    piece: usize,
    talk: &mut Talk,
    live: usize,
) -> Result<(), Fault> {
    let mut session = client.begin(sni, IpAddr::V4(Ipv4Addr::LOCALHOST), clock::wall().secs)?;
    let mut octets = [0; 4096];
    loop {
        let outcome = settle(&mut session, request, talk);
        flush(&mut session, stream);
        talk.most = talk.most.max(alloc::live().saturating_sub(live));
        outcome?;
        if talk.ending == Ending::Announced {
            return Ok(());
        }
        match stream.read(&mut octets[..piece]) {
            Ok(0) => {
                session.end()?;
                talk.ending = Ending::Connection;
                return Ok(());
            }
            Ok(length) => session.receive(&octets[..length])?,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Err(Fault::Truncated),
            Err(error) => panic!("{error}"),
        }
    }
}

fn settle(session: &mut Session, request: &[u8], talk: &mut Talk) -> Result<(), Fault> {
    loop {
        match session.event()? {
            Event::Wait => return Ok(()),
            Event::Ready => {
                talk.warning = session.warning();
                session.send(request)?;
            }
            Event::Text(text) => talk.text.extend_from_slice(text),
            Event::End => {
                talk.ending = Ending::Announced;
                session.close();
                return Ok(());
            }
        }
    }
}

fn flush(session: &mut Session, stream: &mut TcpStream) {
    while !session.outgoing().is_empty() {
        match stream.write(session.outgoing()) {
            Ok(length) => session.sent(length),
            // The server has gone; that is seen when it is read from.
            Err(_) => session.sent(usize::MAX),
        }
    }
}
