//! The connection of genhash, plain or by TLS: one thing after another, each until the deadline.

use core::net::SocketAddr;

#[cfg(not(any(feature = "tls", feature = "tls-openssl")))]
use keepalived::base::feature;
use keepalived::base::time::{Instant, Span};
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
use keepalived::checkd::tls::{Client, Event, LIBRARIES, Session};
use keepalived::sys::check_socket::{Kind, Origin, Socket};
use keepalived::sys::clock;
use keepalived::sys::tcp::Moved;

use super::options::Options;

pub(super) struct Connection {
    socket: Socket,
    timeout: Span,
    until: Instant,
    octets: Box<[u8; PIECE]>,
    #[cfg(any(feature = "tls", feature = "tls-openssl"))]
    session: Option<Session>,
    #[cfg(any(feature = "tls", feature = "tls-openssl"))]
    text: Vec<u8>,
}

impl Connection {
    /// Connects, and does the handshake where that is asked for.
    pub(super) fn open(options: &Options) -> Result<Self, String> {
        #[cfg(not(any(feature = "tls", feature = "tls-openssl")))]
        if options.tls {
            return Err(feature::SSL_GET.lacking("-S, --use-ssl"));
        }
        let to = SocketAddr::new(options.server, options.port);
        let origin = Origin { mark: options.mark, ..Origin::default() };
        let socket = Socket::open(Kind::Stream, to, origin).map_err(|refused| failed(refused.errno))?;
        let new = Self {
            socket,
            timeout: options.timeout,
            until: clock::now() + options.timeout,
            octets: Box::new([0; PIECE]),
            #[cfg(any(feature = "tls", feature = "tls-openssl"))]
            session: None,
            #[cfg(any(feature = "tls", feature = "tls-openssl"))]
            text: Vec::new(),
        };
        if !new.socket.wait(true, new.until) {
            return Err("Connection failed: nobody answers".to_owned());
        }
        if let Some(errno) = new.socket.error() {
            return Err(failed(errno));
        }
        #[cfg(any(feature = "tls", feature = "tls-openssl"))]
        let new = if options.tls { new.shake(options)? } else { new };
        Ok(new)
    }

    /// Sends the request; for the reply the deadline begins anew.
    pub(super) fn send(&mut self, request: &[u8]) -> Result<(), String> {
        self.until = clock::now() + self.timeout;
        #[cfg(any(feature = "tls", feature = "tls-openssl"))]
        if let Some(session) = &mut self.session {
            session.send(request).map_err(|fault| fault.to_string())?;
            return self.flush();
        }
        self.push(request)
    }

    /// What comes next; none: nothing more does.
    pub(super) fn receive(&mut self) -> Result<Option<&[u8]>, String> {
        #[cfg(any(feature = "tls", feature = "tls-openssl"))]
        if self.session.is_some() {
            return self.decrypt();
        }
        let length = self.pull()?;
        Ok(self.octets.get(..length).filter(|octets| !octets.is_empty()))
    }

    /// Octets that the connection brings, how many; 0: it has ended.
    fn pull(&mut self) -> Result<usize, String> {
        loop {
            match self
                .socket
                .receive(&mut *self.octets)
                .map_err(|error| format!("the connection broke: {error}"))?
            {
                Moved::Some(length) => return Ok(length),
                Moved::End => return Ok(0),
                Moved::Later if self.socket.wait(false, self.until) => {}
                Moved::Later => return Err("Timeout WEB read".to_owned()),
            }
        }
    }

    fn push(&self, mut octets: &[u8]) -> Result<(), String> {
        while !octets.is_empty() {
            match self.socket.send(octets).map_err(|error| format!("the connection broke: {error}"))? {
                Moved::Some(length) => octets = octets.get(length..).unwrap_or_default(),
                Moved::Later if self.socket.wait(true, self.until) => {}
                Moved::Later | Moved::End => return Err("Timeout WEB write".to_owned()),
            }
        }
        Ok(())
    }
}

/// By TLS.
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
impl Connection {
    fn shake(mut self, options: &Options) -> Result<Self, String> {
        let Some(library) = LIBRARIES.first() else { return Ok(self) };
        let sni = options.host.as_deref().filter(|_| options.sni);
        let client = Client::new(*library, &Default::default(), None)?;
        let session =
            client.begin(sni, options.server, clock::wall().secs).map_err(|fault| fault.to_string())?;
        self.session = Some(session);
        self.decrypt()?;
        Ok(self)
    }

    /// Text that comes next, none at the end of the handshake and at the end of the text.
    fn decrypt(&mut self) -> Result<Option<&[u8]>, String> {
        loop {
            let Some(session) = &mut self.session else { return Ok(None) };
            let event = match session.event() {
                Ok(Event::Text(text)) => {
                    self.text.clear();
                    self.text.extend_from_slice(text);
                    Ok(Some(true))
                }
                Ok(Event::Ready | Event::End) => Ok(Some(false)),
                Ok(Event::Wait) => Ok(None),
                Err(fault) => Err(fault.to_string()),
            };
            self.flush()?;
            match event? {
                Some(true) => return Ok(Some(&self.text)),
                Some(false) => return Ok(None),
                None => {}
            }
            let length = self.pull()?;
            let (Some(session), Some(octets)) = (&mut self.session, self.octets.get(..length)) else {
                return Ok(None);
            };
            if octets.is_empty() {
                session.end().map_err(|fault| fault.to_string())?;
                return Ok(None);
            }
            session.receive(octets).map_err(|fault| fault.to_string())?;
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        let Some(session) = &self.session else { return Ok(()) };
        self.push(session.outgoing())?;
        if let Some(session) = &mut self.session {
            session.sent(usize::MAX);
        }
        Ok(())
    }
}

fn failed(errno: impl core::fmt::Display) -> String {
    format!("Connection failed: {errno}")
}

/// Octets that are read at once.
const PIECE: usize = 4096;
