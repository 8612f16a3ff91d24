//! What checks talk over: sockets, and what their errors mean for a check.

use core::net::{SocketAddr, SocketAddrV6};
use std::io;
use std::os::fd::AsRawFd;

use nix::errno::Errno;

use crate::base::addr::IpAddr;
use crate::base::id::MachineId;
use crate::checkd::kind;
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
use crate::checkd::tls::{self, Event, Session};
use crate::config::model::check::Target;
use crate::daemon::reactor::{Interest, Turn};
use crate::daemon::token::{Registration, SourceId};
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
use crate::proto::check::Tls;
use crate::proto::check::{Cause, Close, Fault};
use crate::sys::check_socket::{Kind, Origin, Refused, Socket, Step, link_of};
use crate::sys::tcp::Moved;

/// The open socket of a check.
#[derive(Debug)]
pub(in crate::checkd) struct Transport {
    socket: Socket,
    registration: Registration,
    kind: Kind,
    /// A stream is not connected yet.
    connecting: bool,
    /// A stream may be connected again: it is bound to nothing that may come and go.
    lasts: bool,
    /// It is kept for the next connection, and has nothing to say.
    idle: bool,
    /// What is still to be sent: the kernel had no room for it.
    rest: Vec<u8>,
    #[cfg(any(feature = "tls", feature = "tls-openssl"))]
    session: Option<Box<Session>>,
}

/// Why a transport could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checkd) enum Unopened {
    /// The server cannot be reached.
    Failed(Fault),
    /// This machine cannot do it.
    NotRun(Cause),
}

/// What a socket that is ready has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checkd) enum Heard {
    /// Nothing, for now.
    Nothing,
    /// It is connected.
    Connected,
    /// So many octets were received.
    Received(usize),
    /// The peer has closed its stream.
    Closed,
    /// It failed.
    Failed(Fault),
    /// Nothing yet, and there may be more to read: others come first.
    #[cfg(any(feature = "tls", feature = "tls-openssl"))]
    More,
}

/// Reads for a TLS session in one turn that bring no text: a handshake message without end holds up nobody else.
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
const RECORD_READS: usize = 4;

impl Transport {
    /// Opens a socket to the target of a check.
    pub(in crate::checkd) fn open(
        turn: &mut Turn<'_>,
        id: MachineId,
        kind: Kind,
        target: &Target,
    ) -> Result<Self, Unopened> {
        let origin = target.origin.as_deref();
        let from = origin.map_or_else(Origin::default, |origin| Origin {
            addr: origin.addr,
            port: if kind == Kind::Ping { 0 } else { origin.port },
            interface: origin.interface.as_ref(),
            mark: origin.fwmark,
        });
        let port = if kind == Kind::Ping { 0 } else { target.port };
        let to = match target.addr {
            // Which link that is on only its interface says.
            IpAddr::V6(addr) if addr.is_unicast_link_local() => {
                let index = from.interface.map_or(Ok(0), link_of);
                let index = index.map_err(|_| Unopened::NotRun(Cause::Interface))?;
                SocketAddr::V6(SocketAddrV6::new(addr, port, 0, index))
            }
            addr => SocketAddr::new(addr, port),
        };
        let socket = Socket::open(kind, to, from).map_err(unopened)?;
        let source = SourceId { kind: kind::CHECK, index: id.0 };
        let registration = turn
            .register(socket.as_raw_fd(), source, Interest::Both)
            .map_err(|_| Unopened::NotRun(Cause::Memory))?;
        let connecting = kind == Kind::Stream;
        let free = from.addr.is_none() && from.port == 0 && from.interface.is_none();
        let lasts = connecting && free;
        Ok(Self {
            socket,
            registration,
            kind,
            connecting,
            lasts,
            idle: false,
            rest: Vec::new(),
            #[cfg(any(feature = "tls", feature = "tls-openssl"))]
            session: None,
        })
    }

    /// Begins the next connection of a stream that was kept.
    pub(in crate::checkd) fn connect_again(
        &mut self,
        turn: &mut Turn<'_>,
        target: &Target,
    ) -> Result<(), Unopened> {
        turn.take_error(self.registration);
        (self.idle, self.connecting) = (false, true);
        self.socket.connect(SocketAddr::new(target.addr, target.port)).map_err(unopened)
    }

    /// Whether it is kept for the next connection.
    pub(in crate::checkd) const fn is_idle(&self) -> bool {
        self.idle
    }

    /// Whether the transport is up as soon as it is open.
    pub(in crate::checkd) const fn is_connecting(&self) -> bool {
        self.connecting
    }

    /// Sends octets; what there is no room for leaves when there is.
    pub(in crate::checkd) fn send(&mut self, octets: &[u8]) -> Result<(), Fault> {
        #[cfg(any(feature = "tls", feature = "tls-openssl"))]
        if let Some(session) = &mut self.session {
            session.send(octets).map_err(tls_fault)?;
            return self.flush();
        }
        self.put(octets)
    }

    fn put(&mut self, octets: &[u8]) -> Result<(), Fault> {
        if !self.rest.is_empty() {
            self.rest.extend_from_slice(octets);
            return Ok(());
        }
        match self.socket.send(octets) {
            Ok(Moved::Some(count)) => self.rest.extend_from_slice(octets.get(count..).unwrap_or_default()),
            Ok(Moved::Later) => self.rest.extend_from_slice(octets),
            Ok(Moved::End) => {}
            Err(error) => return Err(self.fault(&error)),
        }
        Ok(())
    }

    /// What the socket has to say next. What is received is in the buffer.
    pub(in crate::checkd) fn hear(&mut self, turn: &mut Turn<'_>, buffer: &mut [u8]) -> Heard {
        if self.connecting {
            self.connecting = false;
            let failed = turn.take_error(self.registration);
            return match failed.then(|| self.socket.error()).flatten() {
                #[cfg(any(feature = "tls", feature = "tls-openssl"))]
                None if self.session.is_some() => self.hear_session(buffer),
                None => Heard::Connected,
                Some(errno) => Heard::Failed(fault(errno)),
            };
        }
        if !self.rest.is_empty() {
            let rest = core::mem::take(&mut self.rest);
            if let Err(fault) = self.put(&rest) {
                return Heard::Failed(fault);
            }
        }
        #[cfg(any(feature = "tls", feature = "tls-openssl"))]
        if self.session.is_some() {
            return self.hear_session(buffer);
        }
        match self.socket.receive(buffer) {
            Ok(Moved::Some(count)) => Heard::Received(count),
            Ok(Moved::Later) => Heard::Nothing,
            // An empty datagram is a datagram.
            Ok(Moved::End) if self.kind != Kind::Stream => Heard::Received(0),
            Ok(Moved::End) => Heard::Closed,
            Err(error) => Heard::Failed(self.fault(&error)),
        }
    }

    /// Closes the socket. `keep`: a stream that is reset is kept for the next connection, which saves the kernel's work to
    /// make another one.
    pub(in crate::checkd) fn close(mut self, turn: &mut Turn<'_>, how: Close, keep: bool) -> Option<Self> {
        #[cfg(any(feature = "tls", feature = "tls-openssl"))]
        if let Some(session) = self.session.as_mut().filter(|_| how == Close::Alert) {
            session.close();
            // Whether the server hears it does not matter any more.
            let _ = self.flush();
        }
        if keep && self.lasts && how == Close::Reset && self.socket.disconnect().is_ok() {
            (self.idle, self.connecting) = (true, false);
            self.rest.clear();
            return Some(self);
        }
        turn.forget(self.registration);
        if how == Close::Reset && self.kind == Kind::Stream {
            self.socket.reset();
        }
        None
    }

    fn fault(&self, error: &io::Error) -> Fault {
        if self.kind != Kind::Stream {
            self.socket.forget_errors();
        }
        fault(error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw))
    }
}

#[cfg(any(feature = "tls", feature = "tls-openssl"))]
impl Transport {
    /// The same with TLS inside.
    pub(in crate::checkd) fn with_session(mut self, session: Option<Session>) -> Self {
        self.session = session.map(Box::new);
        self
    }

    /// Days until the certificate of the server expires, if that is as soon as the check wants to be warned.
    pub(in crate::checkd) fn expiry(&self) -> Option<i64> {
        self.session.as_ref()?.warning()
    }

    /// What the session has to say next; octets are received for it as it needs them.
    fn hear_session(&mut self, buffer: &mut [u8]) -> Heard {
        for _ in 0..RECORD_READS {
            let Some(session) = &mut self.session else { return Heard::Nothing };
            let heard = match session.event() {
                Ok(Event::Wait) => None,
                Ok(Event::Ready) => Some(Heard::Connected),
                Ok(Event::Text(text)) => {
                    for (to, from) in buffer.iter_mut().zip(text) {
                        *to = *from;
                    }
                    Some(Heard::Received(text.len().min(buffer.len())))
                }
                Ok(Event::End) => Some(Heard::Closed),
                Err(fault) => Some(Heard::Failed(tls_fault(fault))),
            };
            if let Err(fault) = self.flush() {
                // What the session says is the reason of what the connection says.
                return heard.unwrap_or(Heard::Failed(fault));
            }
            if let Some(heard) = heard {
                return heard;
            }
            match self.socket.receive(buffer) {
                Ok(Moved::Some(count)) => {
                    let octets = buffer.get(..count).unwrap_or_default();
                    let taken = self.session.as_mut().map(|session| session.receive(octets));
                    if let Some(Err(fault)) = taken {
                        return Heard::Failed(tls_fault(fault));
                    }
                }
                Ok(Moved::Later) => return Heard::Nothing,
                Ok(Moved::End) => {
                    let ended = self.session.as_mut().map(|session| session.end());
                    return if let Some(Err(_)) = ended {
                        Heard::Failed(Fault::Reset)
                    } else {
                        Heard::Closed
                    };
                }
                Err(error) => return Heard::Failed(self.fault(&error)),
            }
        }
        Heard::More
    }

    /// Sends what the session has for the server.
    fn flush(&mut self) -> Result<(), Fault> {
        let Some(mut session) = self.session.take() else { return Ok(()) };
        let sent = if session.outgoing().is_empty() { Ok(()) } else { self.put(session.outgoing()) };
        session.sent(usize::MAX);
        self.session = Some(session);
        sent
    }
}

/// What a failure of TLS means.
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
const fn tls_fault(fault: tls::Fault) -> Fault {
    Fault::Tls(match fault {
        tls::Fault::NoCommonSuite => Tls::NothingInCommon,
        tls::Fault::Untrusted => Tls::Untrusted,
        tls::Fault::WrongName => Tls::WrongName,
        tls::Fault::OutOfTime | tls::Fault::Expires { .. } => Tls::Expired,
        tls::Fault::Alert(alert) => Tls::Alert(alert),
        tls::Fault::Truncated => return Fault::Reset,
        tls::Fault::NotTls | tls::Fault::TooLong | tls::Fault::Protocol => Tls::Garbage,
    })
}

/// What an error of a connection means.
fn fault(errno: Errno) -> Fault {
    match errno {
        Errno::ECONNREFUSED => Fault::Refused,
        Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EHOSTDOWN | Errno::ENETDOWN => Fault::Unreachable,
        Errno::ECONNRESET | Errno::EPIPE => Fault::Reset,
        Errno::ETIMEDOUT => Fault::TimedOut,
        #[allow(clippy::as_conversions, reason = "the kernel's number")]
        other => Fault::Other(other as i32),
    }
}

/// What a refusal means: what lies with this machine says nothing of the server.
fn unopened(Refused { step, errno }: Refused) -> Unopened {
    let cause = match (step, errno) {
        (_, Errno::EMFILE | Errno::ENFILE) => Cause::Descriptors,
        (_, Errno::ENOMEM | Errno::ENOBUFS) => Cause::Memory,
        (_, Errno::EPERM | Errno::EACCES) => Cause::Permission,
        (Step::Interface, _) => Cause::Interface,
        (Step::Bind, _) => Cause::Bind,
        (Step::Connect, Errno::EADDRNOTAVAIL | Errno::EAGAIN) => Cause::Ports,
        (Step::Connect, errno) => return Unopened::Failed(fault(errno)),
        #[allow(clippy::as_conversions, reason = "the kernel's number")]
        (_, other) => Cause::Other(other as i32),
    };
    Unopened::NotRun(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_with_this_machine_is_no_fault_of_the_server() {
        let at = |step, errno| unopened(Refused { step, errno });
        assert_eq!(at(Step::Socket, Errno::EMFILE), Unopened::NotRun(Cause::Descriptors));
        assert_eq!(at(Step::Bind, Errno::EADDRNOTAVAIL), Unopened::NotRun(Cause::Bind));
        assert_eq!(at(Step::Connect, Errno::EADDRNOTAVAIL), Unopened::NotRun(Cause::Ports));
        assert_eq!(at(Step::Interface, Errno::ENODEV), Unopened::NotRun(Cause::Interface));
        assert_eq!(at(Step::Connect, Errno::EPERM), Unopened::NotRun(Cause::Permission));
        assert_eq!(at(Step::Connect, Errno::ENETUNREACH), Unopened::Failed(Fault::Unreachable));
        assert_eq!(at(Step::Connect, Errno::ECONNREFUSED), Unopened::Failed(Fault::Refused));
    }

    #[test]
    fn a_server_sees_how_a_connection_is_closed() {
        use std::io::{ErrorKind, Read};

        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let mut reactor = crate::daemon::reactor::Reactor::new(0, None).unwrap();
        let mut turn = reactor.turn();
        turn.reserve_more_sources(1);
        let target = Target { addr: [127, 0, 0, 1].into(), port, origin: None };
        let mut seen = |how, keep| {
            let transport = Transport::open(&mut turn, MachineId(0), Kind::Stream, &target).unwrap();
            let (mut peer, _) = server.accept().unwrap();
            let kept = transport.close(&mut turn, how, keep);
            let seen = peer.read(&mut [0]).map_err(|error| error.kind());
            if let Some(kept) = kept {
                kept.close(&mut turn, Close::Graceful, false);
            }
            seen
        };
        for keep in [false, true] {
            assert_eq!(seen(Close::Graceful, keep), Ok(0), "an end like any other");
            assert_eq!(seen(Close::Reset, keep), Err(ErrorKind::ConnectionReset));
        }
    }

    #[cfg(any(feature = "tls", feature = "tls-openssl"))]
    #[test]
    fn a_handshake_that_does_not_end_leaves_others_their_turn() {
        use crate::checkd::tls::{Client, LIBRARIES};
        use std::io::Write;

        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let mut reactor = crate::daemon::reactor::Reactor::new(0, None).unwrap();
        let mut turn = reactor.turn();
        turn.reserve_more_sources(1);
        let target = Target { addr: [127, 0, 0, 1].into(), port, origin: None };
        let client = Client::new(LIBRARIES[0], &Default::default(), None).unwrap();
        let session = client.begin(None, target.addr, 0).unwrap();
        let transport = Transport::open(&mut turn, MachineId(0), Kind::Stream, &target).unwrap();
        let mut transport = transport.with_session(Some(session));
        let (mut peer, _) = server.accept().unwrap();
        // The begin of a ServerHello of 65,535 octets.
        let mut piece = [0; 5 + 4096];
        piece[..9].copy_from_slice(&[22, 3, 3, 0x10, 0, 2, 0, 0xff, 0xff]);
        peer.write_all(&piece).unwrap();
        let mut buffer = [0; 512];
        let mut heard = |transport: &mut Transport, buffer: &mut [u8]| transport.hear(&mut turn, buffer);
        assert_eq!(heard(&mut transport, &mut buffer), Heard::More);
        assert_eq!(heard(&mut transport, &mut buffer), Heard::More);
        assert_eq!(heard(&mut transport, &mut buffer), Heard::Nothing, "4101 octets are nine pieces");
        let _ = transport.close(&mut turn, Close::Graceful, false);
    }
}
