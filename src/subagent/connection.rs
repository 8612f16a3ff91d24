//! The connection to an SNMP agent, which is never waited for: what the agent does not read is kept within a bound.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;

use crate::base::limit;
use crate::sys::{local, tcp};

/// Where the agent listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the file system.
    Path(PathBuf),
    /// At an address.
    Address(SocketAddr),
    /// Nowhere: what is configured names nothing of this kind.
    Nowhere,
}

/// Where agents listen.
pub(super) const USUAL: &str = "unix:/var/agentx/master";
/// The port of AgentX over TCP.
const PORT: u16 = 705;

impl Place {
    /// Reads an address in the form of net-snmp: `unix:/path`, `/path`, `tcp:address:port` or `address:port`. A name would
    /// have to be looked up, which takes its time, and is none.
    pub(super) fn read(text: &str) -> Self {
        if let Some(path) = text.strip_prefix("unix:").or(text.starts_with('/').then_some(text)) {
            return Self::Path(PathBuf::from(path));
        }
        let text = text.strip_prefix("tcp6:").or(text.strip_prefix("tcp:")).unwrap_or(text);
        match text.strip_prefix("localhost") {
            Some(rest) => Self::numeric(&["127.0.0.1", rest].concat()),
            None => Self::numeric(text),
        }
    }

    fn numeric(text: &str) -> Self {
        let whole = text.parse().ok().or_else(|| Some(SocketAddr::new(text.parse().ok()?, PORT)));
        whole.map_or(Self::Nowhere, Self::Address)
    }
}

/// A connection, made or on its way.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    /// What has come and is not read yet.
    inbox: Vec<u8>,
    /// What could not be sent yet.
    outbox: Vec<u8>,
}

#[derive(Debug)]
enum Socket {
    Local(local::Stream),
    Tcp(tcp::Stream),
}

/// The agent is gone, or does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// Octets that are read at a time.
const PIECE: usize = 4_096;

impl Connection {
    /// Begins a connection.
    pub(super) fn new(place: &Place) -> io::Result<Self> {
        let socket = match place {
            Place::Path(path) => Socket::Local(local::Stream::connect(path)?),
            Place::Address(address) => Socket::Tcp(tcp::Stream::connect(*address)?),
            Place::Nowhere => return Err(io::ErrorKind::InvalidInput.into()),
        };
        Ok(Self { socket, inbox: Vec::new(), outbox: Vec::new() })
    }

    /// Whether it is made.
    pub(super) fn is_made(&self) -> Result<bool, Gone> {
        match &self.socket {
            Socket::Local(_) => Ok(true),
            Socket::Tcp(stream) => stream.is_made().map_err(|_| Gone),
        }
    }

    /// What has come.
    pub(super) fn inbox(&self) -> &[u8] {
        &self.inbox
    }

    /// So many octets of it were read.
    pub(super) fn consume(&mut self, len: usize) {
        self.inbox.drain(..len.min(self.inbox.len()));
    }

    /// Takes in what is there, as far as there is room. Whether there may be more.
    pub(super) fn fill(&mut self) -> Result<bool, Gone> {
        let mut piece = [0; PIECE];
        while self.inbox.len() < limit::AGENTX_INBOX {
            let moved = match &mut self.socket {
                Socket::Local(stream) => match stream.read(&mut piece) {
                    local::Moved::Octets(count) => count,
                    local::Moved::Blocked => return Ok(false),
                    local::Moved::Over => return Err(Gone),
                },
                Socket::Tcp(stream) => match stream.read(&mut piece) {
                    Ok(tcp::Moved::Some(count)) => count,
                    Ok(tcp::Moved::Later) => return Ok(false),
                    Ok(tcp::Moved::End) | Err(_) => return Err(Gone),
                },
            };
            self.inbox.extend_from_slice(piece.get(..moved).unwrap_or_default());
        }
        Ok(true)
    }

    /// Sends octets, now or as soon as the agent reads.
    pub(super) fn send(&mut self, octets: &[u8]) -> Result<(), Gone> {
        if self.outbox.len().saturating_add(octets.len()) > limit::AGENTX_OUTBOX {
            return Err(Gone);
        }
        self.outbox.extend_from_slice(octets);
        self.flush()
    }

    /// Sends what waits, as far as the agent reads.
    pub(super) fn flush(&mut self) -> Result<(), Gone> {
        while !self.outbox.is_empty() {
            let moved = match &mut self.socket {
                Socket::Local(stream) => match stream.write(&self.outbox) {
                    local::Moved::Octets(count) => count,
                    local::Moved::Blocked => return Ok(()),
                    local::Moved::Over => return Err(Gone),
                },
                Socket::Tcp(stream) => match stream.write(&self.outbox) {
                    Ok(tcp::Moved::Some(count)) => count,
                    Ok(tcp::Moved::Later) => return Ok(()),
                    Ok(tcp::Moved::End) | Err(_) => return Err(Gone),
                },
            };
            self.outbox.drain(..moved.min(self.outbox.len()));
        }
        Ok(())
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        match &self.socket {
            Socket::Local(stream) => stream.as_raw_fd(),
            Socket::Tcp(stream) => stream.as_raw_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_net_snmp_writes_them() {
        let path = |path: &str| Place::Path(PathBuf::from(path));
        let address = |text: &str| Place::Address(text.parse().unwrap());
        assert_eq!(Place::read(USUAL), path("/var/agentx/master"));
        assert_eq!(Place::read("/run/x"), path("/run/x"));
        assert_eq!(Place::read("tcp:127.0.0.1:7050"), address("127.0.0.1:7050"));
        assert_eq!(Place::read("tcp:192.0.2.1"), address("192.0.2.1:705"));
        assert_eq!(Place::read("tcp6:[::1]:705"), address("[::1]:705"));
        assert_eq!(Place::read("localhost:705"), address("127.0.0.1:705"));
        assert_eq!(Place::read("udp:localhost:705"), Place::Nowhere);
        assert!(Connection::new(&Place::Nowhere).is_err());
    }

    #[test]
    fn what_is_not_read_is_kept_within_a_bound() {
        let path = std::env::temp_dir().join(format!("ka-agentx-{}", std::process::id()));
        let listener = local::Listener::new(&path, 0o600, None).unwrap();
        let mut connection = Connection::new(&Place::Path(path.clone())).unwrap();
        let mut agent = listener.accept().unwrap();
        assert_eq!(connection.fill(), Ok(false));
        let sent = (0..).take_while(|_| connection.send(&[7; 8_192]).is_ok()).count();
        assert!(sent * 8_192 >= limit::AGENTX_OUTBOX, "{sent}");
        let mut buffer = [0; 65_536];
        assert!(matches!(agent.read(&mut buffer), local::Moved::Octets(_)));
        assert_eq!(connection.flush(), Ok(()));
        while let local::Moved::Octets(_) = agent.write(&buffer) {}
        assert_eq!(connection.fill(), Ok(true));
        assert!(connection.inbox().len() < limit::AGENTX_INBOX + PIECE);
        connection.consume(usize::MAX);
        drop(agent);
        while connection.fill() == Ok(true) {
            connection.consume(usize::MAX);
        }
        assert_eq!(connection.fill(), Err(Gone));
    }
}
