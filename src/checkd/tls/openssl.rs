//! TLS by OpenSSL, that of the system.
//!
//! A check that asks for no certificate wants to know whether the server lives, so it talks to servers that the system's
//! own policy is too strict for: of old versions, with short keys and without safe renegotiation.

use std::io::{self, ErrorKind, Read, Write};

use ::openssl::error::ErrorStack;
use ::openssl::pkey::PKey;
use ::openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode, SslStream,
    SslVerifyMode,
};
use ::openssl::x509::verify::X509VerifyFlags;
use ::openssl::x509::{X509, X509VerifyResult};

use super::{Event, Fault, Files};
use crate::base::addr::IpAddr;

pub(super) struct Client {
    context: SslContext,
    verify: bool,
    name: Option<String>,
}

impl Client {
    pub(super) fn new(files: Files) -> Result<Self, String> {
        let verify = files.trusted.is_some();
        let name = files.name.clone();
        Ok(Self {
            context: context(files).map_err(|(what, error)| format!("{what}: {error}"))?,
            verify,
            name,
        })
    }

    pub(super) fn begin(&self, sni: Option<&str>, peer: IpAddr) -> Result<Session, Fault> {
        self.ssl(sni, peer).map_err(|_| Fault::Protocol)
    }

    fn ssl(&self, sni: Option<&str>, peer: IpAddr) -> Result<Session, ErrorStack> {
        let mut ssl = Ssl::new(&self.context)?;
        if let Some(name) = sni {
            ssl.set_hostname(name)?;
        }
        if self.verify {
            match (self.name.as_deref().or(sni), self.name.as_deref().and_then(|name| name.parse().ok())) {
                (Some(name), None) => ssl.param_mut().set_host(name)?,
                (_, address) => ssl.param_mut().set_ip(address.unwrap_or(peer))?,
            }
        }
        ssl.set_connect_state();
        let stream = SslStream::new(ssl, Pipe::default())?;
        Ok(Session { stream, text: Vec::new(), ended: false })
    }
}

/// What goes wrong, and how.
type Trouble = (&'static str, ErrorStack);

fn context(files: Files) -> Result<SslContext, Trouble> {
    let of = |what: &'static str| move |error: ErrorStack| (what, error);
    let mut context = SslContextBuilder::new(SslMethod::tls_client()).map_err(of("OpenSSL"))?;
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    if let Some(trusted) = &files.trusted {
        context.set_verify(SslVerifyMode::PEER);
        // A server whose own certificate is in the file is trusted, whoever issued that.
        context.verify_param_mut().set_flags(X509VerifyFlags::PARTIAL_CHAIN).map_err(of("OpenSSL"))?;
        for certificate in X509::stack_from_pem(trusted).map_err(of("the file of ca"))? {
            context.cert_store_mut().add_cert(certificate).map_err(of("the file of ca"))?;
        }
    } else {
        context.set_verify(SslVerifyMode::NONE);
        context.set_min_proto_version(None).map_err(of("OpenSSL"))?;
        context.set_cipher_list("ALL:@SECLEVEL=0").map_err(of("OpenSSL"))?;
        context.set_options(SslOptions::from_bits_retain(LEGACY_SERVER_CONNECT));
    }
    if let Some(chain) = &files.certificate {
        let mut chain = X509::stack_from_pem(chain).map_err(of("the file of certificate"))?.into_iter();
        if let Some(own) = chain.next() {
            context.set_certificate(&own).map_err(of("the file of certificate"))?;
        }
        for between in chain {
            context.add_extra_chain_cert(between).map_err(of("the file of certificate"))?;
        }
    }
    if let Some(key) = &files.key {
        let key = match &files.password {
            Some(password) => PKey::private_key_from_pem_passphrase(key, password.as_bytes()),
            // Without a callback the library would ask the terminal.
            None => PKey::private_key_from_pem_callback(key, |_| Ok(0)),
        };
        let key = key.map_err(of("the file of key"))?;
        context
            .set_private_key(&key)
            .and_then(|()| context.check_private_key())
            .map_err(of("the file of key"))?;
    }
    Ok(context.build())
}

pub(super) struct Session {
    stream: SslStream<Pipe>,
    text: Vec<u8>,
    ended: bool,
}

impl Session {
    pub(super) fn waiting(&self) -> usize {
        self.stream.get_ref().waiting()
    }

    pub(super) fn receive(&mut self, octets: &[u8]) {
        self.stream.get_mut().put(octets);
    }

    pub(super) fn shake(&mut self) -> Result<bool, Fault> {
        match self.stream.do_handshake() {
            Ok(()) => Ok(true),
            Err(error) if waits(error.code()) => Ok(false),
            Err(error) => Err(self.fault(error.ssl_error())),
        }
    }

    pub(super) fn event(&mut self) -> Result<Event<'_>, Fault> {
        if self.ended {
            return Ok(Event::Wait);
        }
        self.text.resize(ROOM, 0);
        match self.stream.ssl_read(&mut self.text) {
            Ok(length) => Ok(Event::Text(self.text.get(..length).unwrap_or_default())),
            Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                self.ended = true;
                Ok(Event::End)
            }
            Err(error) if waits(error.code()) => Ok(Event::Wait),
            Err(error) => Err(self.fault(error.ssl_error())),
        }
    }

    pub(super) fn send(&mut self, text: &[u8]) -> Result<(), Fault> {
        // The pipe takes everything, so that the library never writes a part.
        match self.stream.ssl_write(text) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fault(error.ssl_error())),
        }
    }

    pub(super) fn close(&mut self) {
        // Nobody waits for the answer.
        let _ = self.stream.shutdown();
    }

    pub(super) fn outgoing(&self) -> &[u8] {
        &self.stream.get_ref().outgoing
    }

    pub(super) fn sent(&mut self, octets: usize) {
        let out = &mut self.stream.get_mut().outgoing;
        out.drain(..octets.min(out.len()));
    }

    pub(super) fn certificate<T>(&self, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let der = self.stream.ssl().peer_certificate()?.to_der().ok()?;
        Some(read(&der))
    }

    fn fault(&self, errors: Option<&ErrorStack>) -> Fault {
        let verified = self.stream.ssl().verify_result();
        let reason = errors.and_then(|errors| errors.errors().first()).map_or(0, |error| error.reason_code());
        match reason {
            CERTIFICATE_VERIFY_FAILED => certificate_fault(verified),
            UNSUPPORTED_PROTOCOL
            | NO_PROTOCOLS_AVAILABLE
            | WRONG_CIPHER_RETURNED
            | UNKNOWN_CIPHER_RETURNED => Fault::NoCommonSuite,
            WRONG_VERSION_NUMBER | UNEXPECTED_MESSAGE | HTTP_REQUEST | BAD_RECORD_TYPE => Fault::NotTls,
            ALERTS..ALERTS_END => u8::try_from(reason - ALERTS).map_or(Fault::Protocol, Fault::alert),
            _ => Fault::Protocol,
        }
    }
}

fn certificate_fault(result: X509VerifyResult) -> Fault {
    match result.as_raw() {
        // not valid yet, expired
        9 | 10 => Fault::OutOfTime,
        // of another host, of another address
        62 | 64 => Fault::WrongName,
        _ => Fault::Untrusted,
    }
}

fn waits(code: ErrorCode) -> bool {
    code == ErrorCode::WANT_READ || code == ErrorCode::WANT_WRITE
}

/// The connection as the library sees it: what has come, and what is to be sent.
#[derive(Debug, Default)]
struct Pipe {
    incoming: Vec<u8>,
    taken: usize,
    outgoing: Vec<u8>,
}

impl Pipe {
    const fn waiting(&self) -> usize {
        self.incoming.len() - self.taken
    }

    fn put(&mut self, octets: &[u8]) {
        self.incoming.drain(..self.taken);
        self.taken = 0;
        self.incoming.extend_from_slice(octets);
    }
}

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let waiting = self.incoming.get(self.taken..).unwrap_or_default();
        if waiting.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let length = waiting.len().min(out.len());
        for (to, from) in out.iter_mut().zip(waiting) {
            *to = *from;
        }
        self.taken += length;
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Octets of text that are given at once.
const ROOM: usize = 4096;

// Numbers of the library for what the crate does not name: ssl.h and sslerr.h of OpenSSL.
const LEGACY_SERVER_CONNECT: u64 = 4;
const CERTIFICATE_VERIFY_FAILED: i32 = 134;
const NO_PROTOCOLS_AVAILABLE: i32 = 191;
const UNEXPECTED_MESSAGE: i32 = 244;
const UNKNOWN_CIPHER_RETURNED: i32 = 248;
const UNSUPPORTED_PROTOCOL: i32 = 258;
const WRONG_CIPHER_RETURNED: i32 = 261;
const WRONG_VERSION_NUMBER: i32 = 267;
const HTTP_REQUEST: i32 = 156;
const BAD_RECORD_TYPE: i32 = 443;
/// An alert of the server is its number and this.
const ALERTS: i32 = 1000;
const ALERTS_END: i32 = 1256;
