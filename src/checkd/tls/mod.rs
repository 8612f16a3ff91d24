//! TLS for checks: a client's session between the octets of a connection and the text inside.
//!
//! Job: one small interface to two libraries. rustls (feature `tls`) knows TLS 1.3, and TLS 1.2 with ECDHE and AEAD;
//! OpenSSL (feature `tls-openssl`), which is used where both are built in, reaches older servers as well. A session has no
//! descriptor and never waits: the caller gives it what has come ([`Session::receive`]), asks what that means
//! ([`Session::event`]) until there is nothing more, and sends what it has to say ([`Session::outgoing`]).
//!
//! A [`Client`] is what all sessions of one check share; its files are read once. A certificate is looked at only where
//! the check asks for that ([`Certificate`]), because keepalived does not.
//!
//! Memory of a session, beside what the library allocates for its keys: the handshake that is not whole yet, at most
//! [`TLS_INCOMING`] octets, one record of text, at most 16 kB, and what is to be sent, at most one request and a record.
//! Sessions are not resumed, so nothing is kept between them.

#[cfg(feature = "tls-openssl")]
mod openssl;
#[cfg(feature = "tls")]
mod rustls;

use core::fmt;
use std::fs;

use crate::base::addr::IpAddr;
use crate::base::limit::TLS_INCOMING;
use crate::config::model::Tls;
use crate::proto::check::http::Certificate;
use crate::wire::x509;

/// The libraries that this build has, the one that is used first.
pub const LIBRARIES: &[Library] = &[
    #[cfg(feature = "tls-openssl")]
    Library::Openssl,
    #[cfg(feature = "tls")]
    Library::Rustls,
];

/// A library that speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// OpenSSL, that of the system.
    #[cfg(feature = "tls-openssl")]
    Openssl,
    /// rustls, a part of the program.
    #[cfg(feature = "tls")]
    Rustls,
}

/// What all sessions of one check share.
pub struct Client {
    inner: ClientOf,
    fail: Option<u16>,
    warn: Option<u16>,
}

enum ClientOf {
    #[cfg(feature = "tls-openssl")]
    Openssl(openssl::Client),
    #[cfg(feature = "tls")]
    Rustls(rustls::Client),
}

impl Client {
    /// Reads the files that `own`, the block `SSL`, and `asked` name. Not for a loop that must go on: files are read.
    ///
    /// # Errors
    ///
    /// A sentence about the file that cannot be used.
    pub fn new(library: Library, own: &Tls, asked: Option<&Certificate>) -> Result<Self, String> {
        let files = Files::read(own, asked)?;
        let inner = match library {
            #[cfg(feature = "tls-openssl")]
            Library::Openssl => ClientOf::Openssl(openssl::Client::new(files)?),
            #[cfg(feature = "tls")]
            Library::Rustls => ClientOf::Rustls(rustls::Client::new(files)?),
        };
        let (fail, warn) = asked.map_or((None, None), |asked| (asked.fail, asked.warn));
        Ok(Self { inner, fail, warn })
    }

    /// Begins a session with the server at `peer`. `sni` is the name that it is told; the certificate must be for that name,
    /// or for the address, unless the check names another one. `now` is in seconds since 1970.
    ///
    /// # Errors
    ///
    /// The library could not begin, for want of random octets or memory.
    pub fn begin(&self, sni: Option<&str>, peer: IpAddr, now: i64) -> Result<Session, Fault> {
        let sni = sni.map(without_port).filter(|name| name.parse::<IpAddr>().is_err());
        let inner = match &self.inner {
            #[cfg(feature = "tls-openssl")]
            ClientOf::Openssl(client) => SessionOf::Openssl(client.begin(sni, peer)?),
            #[cfg(feature = "tls")]
            ClientOf::Rustls(client) => SessionOf::Rustls(client.begin(sni, peer)?),
        };
        Ok(Session { inner, fail: self.fail, warn: self.warn, now, ready: false, expiry: None })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// One session.
pub struct Session {
    inner: SessionOf,
    fail: Option<u16>,
    warn: Option<u16>,
    now: i64,
    ready: bool,
    expiry: Option<i64>,
}

enum SessionOf {
    #[cfg(feature = "tls-openssl")]
    Openssl(openssl::Session),
    #[cfg(feature = "tls")]
    Rustls(rustls::Session),
}

/// What has happened in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'s> {
    /// Nothing more until more octets come.
    Wait,
    /// The handshake is done; text may be sent. Comes once.
    Ready,
    /// Text has come.
    Text(&'s [u8]),
    /// The server has said that no more text comes.
    End,
}

/// Calls the method of the library's session.
macro_rules! with {
    ($self:ident, $session:ident => $call:expr) => {
        match &mut $self.inner {
            #[cfg(feature = "tls-openssl")]
            SessionOf::Openssl($session) => $call,
            #[cfg(feature = "tls")]
            SessionOf::Rustls($session) => $call,
        }
    };
}

impl Session {
    /// Takes octets that the connection has brought. [`Self::event`] is to be asked before more are taken.
    ///
    /// # Errors
    ///
    /// [`Fault::TooLong`]: the server sends a handshake message without end.
    pub fn receive(&mut self, octets: &[u8]) -> Result<(), Fault> {
        with!(self, session => {
            let room = TLS_INCOMING.saturating_sub(session.waiting());
            if octets.len() > room {
                return Err(Fault::TooLong);
            }
            session.receive(octets);
        });
        Ok(())
    }

    /// What has happened; to be asked until it says [`Event::Wait`], and once at the begin.
    ///
    /// # Errors
    ///
    /// The session has failed. [`Self::outgoing`] may hold an alert for the server.
    pub fn event(&mut self) -> Result<Event<'_>, Fault> {
        if !self.ready {
            if !with!(self, session => session.shake()?) {
                return Ok(Event::Wait);
            }
            self.ready = true;
            let expiry = with!(self, session => session.certificate(|der| x509::validity(der).map(|validity| validity.to)));
            self.expiry = expiry.and_then(Result::ok);
            if let Some(days) = self.fail.and_then(|days| self.expires_within(days)) {
                return Err(Fault::Expires { days });
            }
            return Ok(Event::Ready);
        }
        with!(self, session => session.event())
    }

    /// Encrypts text for the server. The session is ready.
    ///
    /// # Errors
    ///
    /// The session has failed.
    pub fn send(&mut self, text: &[u8]) -> Result<(), Fault> {
        with!(self, session => session.send(text))
    }

    /// Says to the server that no more text comes.
    pub fn close(&mut self) {
        with!(self, session => session.close());
    }

    /// The connection has ended. Many servers do not announce that, so it is no failure unless something had begun.
    ///
    /// # Errors
    ///
    /// [`Fault::Truncated`]: in the middle of the handshake, or of a record.
    pub fn end(&mut self) -> Result<(), Fault> {
        let broken = !self.ready || with!(self, session => session.waiting() > 0);
        if broken { Err(Fault::Truncated) } else { Ok(()) }
    }

    /// What the connection must carry to the server.
    #[must_use]
    pub fn outgoing(&self) -> &[u8] {
        match &self.inner {
            #[cfg(feature = "tls-openssl")]
            SessionOf::Openssl(session) => session.outgoing(),
            #[cfg(feature = "tls")]
            SessionOf::Rustls(session) => session.outgoing(),
        }
    }

    /// So much of it is on its way.
    pub fn sent(&mut self, octets: usize) {
        with!(self, session => session.sent(octets));
    }

    /// Days until the certificate expires, if that is as soon as the check wants to be warned.
    #[must_use]
    pub fn warning(&self) -> Option<i64> {
        self.expires_within(self.warn?)
    }

    /// Days until the certificate expires, negative once it has, if they are at most so many.
    fn expires_within(&self, days: u16) -> Option<i64> {
        let left = self.expiry?.saturating_sub(self.now);
        (left < i64::from(days) * DAY).then_some(left.div_euclid(DAY))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("ready", &self.ready).finish_non_exhaustive()
    }
}

/// Why a session failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Client and server have no version or no cipher suite in common.
    NoCommonSuite,
    /// What came is not TLS.
    NotTls,
    /// The server sent this alert.
    Alert(u8),
    /// Nobody trusted has issued the certificate, or it is not what it says.
    Untrusted,
    /// The certificate is for another name.
    WrongName,
    /// The certificate has expired or is not valid yet.
    OutOfTime,
    /// The certificate expires in so many days, which is too soon.
    Expires {
        /// Negative: it has.
        days: i64,
    },
    /// The connection ended in the middle.
    Truncated,
    /// A message of the handshake is longer than one can be.
    TooLong,
    /// The server broke the protocol, or the library could not go on.
    Protocol,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCommonSuite if cfg!(feature = "tls-openssl") => "no common version or cipher suite",
            Self::NoCommonSuite => {
                "no common version or cipher suite; a build with the feature 'tls-openssl' knows more of them"
            }
            Self::NotTls => "the server does not speak TLS",
            Self::Alert(alert) => return write!(f, "the server sent TLS alert {alert}"),
            Self::Untrusted => "the certificate is not trusted",
            Self::WrongName => "the certificate is for another name",
            Self::OutOfTime => "the certificate has expired or is not valid yet",
            Self::Expires { days: ..0 } => "the certificate has expired",
            Self::Expires { days } => return write!(f, "the certificate expires in {days} days"),
            Self::Truncated => "the connection ended in the middle of TLS",
            Self::TooLong => "the TLS handshake is too long",
            Self::Protocol => "TLS failed",
        })
    }
}

impl Fault {
    /// What an alert of the server means, by its number (RFC 8446, section 6.2).
    const fn alert(number: u8) -> Self {
        match number {
            // handshake_failure, protocol_version, insufficient_security
            40 | 70 | 71 => Self::NoCommonSuite,
            number => Self::Alert(number),
        }
    }
}

/// What the libraries need of the files, and what else is asked.
struct Files {
    /// Own certificates, the one of the key first, in PEM.
    certificate: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    password: Option<String>,
    /// Certificates that are trusted, in PEM; none: any certificate is good.
    trusted: Option<Vec<u8>>,
    /// The name that the certificate must have, if it is not the one that the server is told.
    name: Option<String>,
}

impl Files {
    fn read(own: &Tls, asked: Option<&Certificate>) -> Result<Self, String> {
        let verify = asked.is_some_and(|asked| asked.verify);
        let trusted = asked.and_then(|asked| asked.ca.as_deref()).or(own.ca.as_deref());
        if verify && trusted.is_none() {
            return Err("tls_verify has no file of trusted certificates".to_owned());
        }
        // Even where nothing is verified, a file that is named must be there, as in keepalived.
        let trusted = file("ca", trusted)?;
        Ok(Self {
            certificate: file("certificate", own.certificate.as_deref())?,
            key: file("key", own.key.as_deref())?,
            password: own.password.clone(),
            trusted: trusted.filter(|_| verify),
            name: asked.and_then(|asked| asked.name.as_deref()).map(str::to_owned),
        })
    }
}

fn file(what: &str, path: Option<&str>) -> Result<Option<Vec<u8>>, String> {
    let Some(path) = path else { return Ok(None) };
    fs::read(path).map(Some).map_err(|error| format!("cannot read {what} {path} of SSL - {error}"))
}

/// The name of a `Host` without its port: a certificate has none.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Seconds.
const DAY: i64 = 86_400;
