//! The kinds of checks with what each one asks for.

use std::sync::Arc;

use crate::base::addr::{Family, IpAddr};
use crate::proto::check::{dns, file, http, smtp, tcp, udp};

/// What a check does. Checks are many: their parameters are shared with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `TCP_CHECK`
    Tcp(tcp::Params),
    /// `HTTP_GET` and `SSL_GET`
    Http {
        /// What is fetched.
        params: Arc<http::Params>,
        /// Address and port of the target: the `Host` of requests that have no other one.
        target: (IpAddr, u16),
        /// Over TLS.
        tls: bool,
    },
    /// `SMTP_CHECK`
    Smtp(Arc<smtp::Params>),
    /// `DNS_CHECK`
    Dns(Arc<dns::Params>),
    /// `UDP_CHECK`
    Udp(Arc<udp::Params>),
    /// `PING_CHECK`, in the family of its target.
    Ping(Family),
    /// `MISC_CHECK`
    Misc {
        /// `misc_dynamic`
        dynamic: bool,
    },
    /// `FILE_CHECK`
    File(file::Params),
    /// `BFD_CHECK`
    Bfd,
}
