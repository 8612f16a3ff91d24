//! `SSL`: what `SSL_GET` shows of itself to servers.

/// Key and certificates; files are looked at when they are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// `password` of the key.
    pub password: Option<String>,
    /// `ca`: file of certificates that are trusted.
    pub ca: Option<String>,
    /// `certificate`: file of the own certificate.
    pub certificate: Option<String>,
    /// `key`: file of its key.
    pub key: Option<String>,
}
