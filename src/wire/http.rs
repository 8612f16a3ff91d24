//! HTTP/1 as a check speaks it (RFC 9112): one request, and a reply that comes in pieces of any size.
//!
//! Of a reply nothing is kept but one line of its [`Head`] at a time; its [`Body`] is handed on as it comes, without the
//! framing. What a server sends can be as long as it likes: both say when the bounds are exceeded.

mod body;
mod head;

use core::fmt::{self, Display, Formatter};

use crate::base::addr::IpAddr;

pub use body::{Body, Piece};
pub use head::{Framing, Head};

/// What came does not follow the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// It is no HTTP/1 reply, or contradicts itself.
    Malformed,
    /// Its head, or what stands between the chunks of its body, is longer than is waited for.
    TooLong,
}

/// A request for a page.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a, H> {
    /// The path, as it is sent.
    pub path: &'a str,
    /// The minor version: HTTP/1.0 or HTTP/1.1.
    pub minor: u8,
    /// Asks the server to close the connection after its reply.
    pub close: bool,
    /// The host.
    pub host: H,
}

impl<H: Display> Display for Request<'_, H> {
    /// Byte by byte what keepalived sends.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { path, minor, close, host } = self;
        write!(f, "GET {path} HTTP/1.{minor}\r\nUser-Agent: KeepAliveClient\r\n")?;
        f.write_str(if *close { "Connection: close\r\n" } else { "" })?;
        write!(f, "Host: {host}\r\n\r\n")
    }
}

/// The `Host` of a request: as configured, or the target.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// As configured.
    pub name: Option<&'a str>,
    /// Address and port of the server.
    pub target: (IpAddr, u16),
}

impl Display for Host<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.name, self.target) {
            (Some(name), _) => f.write_str(name),
            (None, (IpAddr::V4(addr), port)) => write!(f, "{addr}:{port}"),
            (None, (IpAddr::V6(addr), port)) => write!(f, "[{addr}]:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_keepalived_s() {
        let request = Request { path: "/x", minor: 0, close: false, host: "10.0.0.1:80" };
        assert_eq!(
            request.to_string(),
            "GET /x HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 10.0.0.1:80\r\n\r\n"
        );
        let request = Request { minor: 1, close: true, ..request };
        assert_eq!(
            request.to_string(),
            "GET /x HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: 10.0.0.1:80\r\n\r\n"
        );
    }
}
