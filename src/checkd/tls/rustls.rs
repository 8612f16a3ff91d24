//! TLS by rustls with the algorithms of ring.
//!
//! The unbuffered interface of the library: records are decrypted where they lie in our buffer.

use std::sync::Arc;

use ::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use ::rustls::client::{Resumption, UnbufferedClientConnection, WebPkiServerVerifier, verify_server_name};
use ::rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use ::rustls::pki_types::pem::PemObject;
use ::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use ::rustls::server::ParsedCertificate;
use ::rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use ::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, RootCertStore,
    SignatureScheme,
};

use super::{Event, Fault, Files};
use crate::base::addr::IpAddr;

pub(super) struct Client {
    config: Arc<ClientConfig>,
}

impl Client {
    pub(super) fn new(files: Files) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(Verifier::new(&files, &provider)?);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match (files.certificate, files.key) {
            (Some(chain), key) => {
                let chain = certificates("certificate", &chain)?;
                // `certificate` and `key` may name the same file: each takes what it needs from there.
                let key = key.ok_or_else(|| "SSL has a certificate and no key".to_owned())?;
                if files.password.is_some() && is_encrypted(&key) {
                    return Err(
                        "a key with a password needs the feature 'tls-openssl', which this build lacks"
                            .to_owned(),
                    );
                }
                let key = PrivateKeyDer::from_pem_slice(&key)
                    .map_err(|error| format!("the key of SSL: {error}"))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| format!("certificate and key of SSL: {error}"))?
            }
            (None, _) => builder.with_no_client_auth(),
        };
        // A check that resumed an old session would not see that the server has lost its key.
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config) })
    }

    pub(super) fn begin(&self, sni: Option<&str>, peer: IpAddr) -> Result<Session, Fault> {
        // An address is not sent: that is how no name is.
        let name = sni.and_then(|name| ServerName::try_from(name.to_owned()).ok());
        let name = name.unwrap_or_else(|| ServerName::from(peer));
        let connection =
            UnbufferedClientConnection::new(Arc::clone(&self.config), name).map_err(|error| fault(&error))?;
        Ok(Session {
            connection: Box::new(connection),
            incoming: Vec::new(),
            outgoing: Vec::new(),
            text: Vec::new(),
            fresh: false,
        })
    }
}

pub(super) struct Session {
    connection: Box<UnbufferedClientConnection>,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    text: Vec<u8>,
    /// Nobody has had the text yet.
    fresh: bool,
}

/// What is wanted of the library.
#[derive(Clone, Copy)]
enum Want<'a> {
    /// To go on with what has come.
    Progress,
    /// This text, encrypted.
    Text(&'a [u8]),
    /// The end announced.
    Close,
}

/// How far it went.
enum Went {
    /// The handshake waits for the server.
    Blocked,
    /// The handshake is done, what was wanted is done, and nothing more has come.
    Idle,
    /// Text has come.
    Text,
    /// The server has announced the end.
    End,
}

impl Session {
    /// Octets that have come and are not a whole message yet.
    pub(super) const fn waiting(&self) -> usize {
        self.incoming.len()
    }

    pub(super) fn receive(&mut self, octets: &[u8]) {
        self.incoming.extend_from_slice(octets);
    }

    /// Goes on with the handshake; whether it is done.
    pub(super) fn shake(&mut self) -> Result<bool, Fault> {
        Ok(!matches!(self.go(Want::Progress)?, Went::Blocked))
    }

    pub(super) fn event(&mut self) -> Result<Event<'_>, Fault> {
        if !self.fresh {
            self.text.clear();
            match self.go(Want::Progress)? {
                Went::Blocked | Went::Idle => return Ok(Event::Wait),
                Went::End => return Ok(Event::End),
                Went::Text => {}
            }
        }
        self.fresh = false;
        Ok(Event::Text(&self.text))
    }

    pub(super) fn send(&mut self, text: &[u8]) -> Result<(), Fault> {
        loop {
            match self.go(Want::Text(text))? {
                Went::Idle => return Ok(()),
                // Text that has come meanwhile waits for its turn.
                Went::Text | Went::End => {}
                Went::Blocked => return Err(Fault::Protocol),
            }
        }
    }

    pub(super) fn close(&mut self) {
        while let Ok(Went::Text | Went::End) = self.go(Want::Close) {}
    }

    pub(super) fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    pub(super) fn sent(&mut self, octets: usize) {
        self.outgoing.drain(..octets.min(self.outgoing.len()));
    }

    /// What `read` makes of the certificate of the server.
    pub(super) fn certificate<T>(&self, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.connection.peer_certificates()?.first().map(|certificate| read(certificate))
    }

    /// Lets the library work until it has something to tell.
    fn go(&mut self, want: Want<'_>) -> Result<Went, Fault> {
        loop {
            let UnbufferedStatus { discard, state, .. } =
                self.connection.process_tls_records(&mut self.incoming);
            let went = match state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.outgoing, |out| data.encode(out).map_err(size_to_encode)).map(|()| None)
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    Ok(None)
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        self.text.extend_from_slice(record.payload);
                    }
                    self.fresh = true;
                    Ok(Some(Went::Text))
                }
                Ok(ConnectionState::PeerClosed) => Ok(Some(Went::End)),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => match want {
                    Want::Progress => Ok(()),
                    Want::Text(text) => {
                        append(&mut self.outgoing, |out| traffic.encrypt(text, out).map_err(size_to_encrypt))
                    }
                    Want::Close => append(&mut self.outgoing, |out| {
                        traffic.queue_close_notify(out).map_err(size_to_encrypt)
                    }),
                }
                .map(|()| Some(Went::Idle)),
                Ok(ConnectionState::Closed) => Ok(Some(Went::Idle)),
                Ok(_) => Ok(Some(Went::Blocked)),
                Err(error) => Err(fault(&error)),
            };
            self.incoming.drain(..discard.min(self.incoming.len()));
            match went {
                Ok(Some(went)) => return Ok(went),
                Ok(None) => {}
                Err(fault) => {
                    self.take_alert();
                    return Err(fault);
                }
            }
        }
    }

    /// After a failure the library has an alert for the server.
    fn take_alert(&mut self) {
        let UnbufferedStatus { state, .. } = self.connection.process_tls_records(&mut self.incoming);
        if let Ok(ConnectionState::EncodeTlsData(mut data)) = state {
            // The session has failed already.
            let _ = append(&mut self.outgoing, |out| data.encode(out).map_err(size_to_encode));
        }
    }
}

/// Appends what the library writes, which is told the size that it needs by an error.
fn append(
    out: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), Fault> {
    let begin = out.len();
    let mut room = 0;
    loop {
        out.resize(begin + room, 0);
        match write(out.get_mut(begin..).unwrap_or_default()) {
            Ok(written) => {
                out.truncate(begin + written);
                return Ok(());
            }
            Err(Some(size)) if size > room => room = size,
            Err(_) => {
                out.truncate(begin);
                return Err(Fault::Protocol);
            }
        }
    }
}

fn size_to_encode(error: EncodeError) -> Option<usize> {
    match error {
        EncodeError::InsufficientSize(size) => Some(size.required_size),
        EncodeError::AlreadyEncoded => None,
    }
}

fn size_to_encrypt(error: EncryptError) -> Option<usize> {
    match error {
        EncryptError::InsufficientSize(size) => Some(size.required_size),
        EncryptError::EncryptExhausted => None,
    }
}

/// Looks at certificates where that is asked.
#[derive(Debug)]
struct Verifier {
    trusted: Option<Trusted>,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
struct Trusted {
    chains: Arc<WebPkiServerVerifier>,
    /// The file itself: a server whose own certificate is in it is trusted, whoever issued that.
    certificates: Vec<CertificateDer<'static>>,
    name: Option<ServerName<'static>>,
}

impl Verifier {
    fn new(files: &Files, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let trusted = match &files.trusted {
            Some(text) => Some(Trusted::new(text, files.name.as_deref(), provider)?),
            None => None,
        };
        Ok(Self { trusted, algorithms: provider.signature_verification_algorithms })
    }
}

impl Trusted {
    fn new(text: &[u8], name: Option<&str>, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let certificates = certificates("ca", text)?;
        let mut roots = RootCertStore::empty();
        // One that cannot be an issuer may still be that of a server.
        roots.add_parsable_certificates(certificates.iter().cloned());
        let chains =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
        let chains = chains.map_err(|error| format!("the trusted certificates: {error}"))?;
        let name = match name {
            Some(name) => Some(
                ServerName::try_from(name.to_owned())
                    .map_err(|_| format!("{name} is no name of a server"))?,
            ),
            None => None,
        };
        Ok(Self { chains, certificates, name })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        told: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trusted) = &self.trusted else { return Ok(ServerCertVerified::assertion()) };
        let name = trusted.name.as_ref().unwrap_or(told);
        if trusted.certificates.iter().any(|one| one == certificate) {
            verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
            return match crate::wire::x509::validity(certificate) {
                Ok(validity) if (validity.from..=validity.to).contains(&now.as_secs().cast_signed()) => {
                    Ok(ServerCertVerified::assertion())
                }
                _ => Err(CertificateError::Expired.into()),
            };
        }
        trusted.chains.verify_server_cert(certificate, between, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match &self.trusted {
            Some(trusted) => trusted.chains.verify_tls12_signature(message, certificate, signature),
            // Anybody may have made the certificate, so it does not matter who has its key; and some keys that
            // servers have are older than what the library reads.
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match &self.trusted {
            Some(trusted) => trusted.chains.verify_tls13_signature(message, certificate, signature),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        if self.trusted.is_none() {
            schemes.extend([
                SignatureScheme::RSA_PKCS1_SHA1,
                SignatureScheme::ECDSA_SHA1_Legacy,
                SignatureScheme::ED448,
            ]);
        }
        schemes
    }
}

fn certificates(what: &str, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match read {
        Ok(read) if read.is_empty() => Err(format!("the file of {what} has no certificate")),
        Ok(read) => Ok(read),
        Err(error) => Err(format!("the file of {what}: {error}")),
    }
}

/// Whether a key in PEM is encrypted, in either of its two forms.
fn is_encrypted(key: &[u8]) -> bool {
    key.windows(9).any(|word| word == b"ENCRYPTED")
}

fn fault(error: &Error) -> Fault {
    match error {
        Error::AlertReceived(alert) => Fault::alert((*alert).into()),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::NoCipherSuitesInCommon
            | PeerIncompatible::NoKxGroupsInCommon
            | PeerIncompatible::NoSignatureSchemesInCommon,
        ) => Fault::NoCommonSuite,
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => Fault::NotTls,
        Error::InvalidCertificate(error) => match error {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Fault::OutOfTime,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Fault::WrongName
            }
            _ => Fault::Untrusted,
        },
        Error::PeerSentOversizedRecord => Fault::TooLong,
        _ => Fault::Protocol,
    }
}
