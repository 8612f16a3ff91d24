//! What virtual servers and real servers are called in log lines, FIFOs and mail: `[10.0.0.1]:tcp:80`, `FWM 5`,
//! `[group]:0`.

use core::fmt::{self, Display, Formatter};

use super::service::{Key, Protocol, RealServer, SorryServer, VirtualServer};
use crate::base::addr::IpAddr;
use crate::base::backward::Backward;

/// The name of a virtual server.
#[derive(Clone, Copy, Debug)]
pub struct ServiceName<'a> {
    key: &'a Key,
    protocol: Option<Protocol>,
    order: u32,
}

/// The name of a real server or a sorry server.
#[derive(Clone, Copy, Debug)]
pub struct ServerName {
    addr: IpAddr,
    port: u16,
    protocol: Option<Protocol>,
}

impl VirtualServer {
    /// What it is called; `order`: how many services of its group stand above it.
    #[must_use]
    pub const fn name(&self, order: u32) -> ServiceName<'_> {
        ServiceName { key: &self.key, protocol: self.protocol, order }
    }

    /// What one of its servers is called.
    #[must_use]
    pub const fn server_name(&self, server: &RealServer) -> ServerName {
        ServerName { addr: server.addr, port: server.port, protocol: self.protocol }
    }

    /// What its sorry server is called.
    #[must_use]
    pub const fn sorry_name(&self, sorry: &SorryServer) -> ServerName {
        ServerName { addr: sorry.addr, port: sorry.port, protocol: self.protocol }
    }
}

/// The word for a protocol; a service of marks has none.
#[must_use]
pub const fn transport(protocol: Option<Protocol>) -> &'static str {
    match protocol {
        Some(Protocol::Tcp) => "tcp",
        Some(Protocol::Udp) => "udp",
        Some(Protocol::Sctp) => "sctp",
        None => "none",
    }
}

impl Display for ServiceName<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.key {
            Key::Address(addr, port) => listening(*addr, self.protocol, *port, f),
            Key::Mark(mark) => write!(f, "FWM {mark}"),
            Key::Group(name) => write!(f, "[{name}]:{}", self.order),
        }
    }
}

impl Display for ServerName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        listening(self.addr, self.protocol, self.port, f)
    }
}

fn listening(addr: IpAddr, protocol: Option<Protocol>, port: u16, f: &mut Formatter<'_>) -> fmt::Result {
    let IpAddr::V4(addr) = addr else { return write!(f, "[{addr}]:{}:{port}", transport(protocol)) };
    // Of at most 1 + 15 + 2 + 4 + 1 + 5 octets.
    let mut name = Backward::<28>::default();
    name.number(port);
    name.text(":");
    name.text(transport(protocol));
    name.text("]:");
    name.address(addr);
    name.text("[");
    f.write_str(name.written())
}
