//! Health checks of real servers: the parameters of the machine, and where the check goes.

use std::sync::Arc;

use super::{At, ScriptCommand};
use crate::base::addr::IpAddr;
use crate::base::id::{BfdId, FileId};
use crate::base::name::IfName;
use crate::proto::check::{Cadence, dns, file, http, smtp, tcp, udp};

/// One check. Two that are equal do the same, wherever they stand: one run of it serves both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Checker {
    /// Where it stands.
    pub at: At,
    /// When it runs, every inherited value worked out.
    pub cadence: Cadence,
    /// What it does.
    pub probe: Probe,
}

/// What a check does. Real servers are many: what is large is shared with the machine, or in a box.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// `TCP_CHECK`
    Tcp(Target, tcp::Params),
    /// `HTTP_GET`
    Http(Target, Arc<http::Params>),
    /// `SSL_GET`
    Ssl(Target, Arc<http::Params>),
    /// `SMTP_CHECK`
    Smtp(Target, Arc<smtp::Params>),
    /// `DNS_CHECK`
    Dns(Target, Arc<dns::Params>),
    /// `UDP_CHECK`
    Udp(Target, Arc<udp::Params>),
    /// `PING_CHECK`
    Ping(Target),
    /// `MISC_CHECK`
    Misc(Box<Misc>),
    /// `FILE_CHECK`
    File(FileId, file::Params),
    /// `BFD_CHECK`
    Bfd(BfdId),
}

impl Probe {
    /// Where it goes, if it opens a socket.
    #[must_use]
    pub const fn target(&self) -> Option<&Target> {
        match self {
            Self::Tcp(target, _)
            | Self::Http(target, _)
            | Self::Ssl(target, _)
            | Self::Smtp(target, _)
            | Self::Dns(target, _)
            | Self::Udp(target, _)
            | Self::Ping(target) => Some(target),
            Self::Misc(_) | Self::File(..) | Self::Bfd(_) => None,
        }
    }

    /// The keyword of its block.
    #[must_use]
    pub const fn keyword(&self) -> &'static str {
        match self {
            Self::Tcp(..) => "TCP_CHECK",
            Self::Http(..) => "HTTP_GET",
            Self::Ssl(..) => "SSL_GET",
            Self::Smtp(..) => "SMTP_CHECK",
            Self::Dns(..) => "DNS_CHECK",
            Self::Udp(..) => "UDP_CHECK",
            Self::Ping(_) => "PING_CHECK",
            Self::Misc(_) => "MISC_CHECK",
            Self::File(..) => "FILE_CHECK",
            Self::Bfd(_) => "BFD_CHECK",
        }
    }
}

/// Where a check goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// `connect_ip`
    pub addr: IpAddr,
    /// `connect_port`; 0 if neither check nor server has one.
    pub port: u16,
    /// Where it comes from, if that is not left to the kernel.
    pub origin: Option<Box<Origin>>,
}

/// Where a check comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// `bindto`
    pub addr: Option<IpAddr>,
    /// `bind_port`; 0: as the kernel chooses.
    pub port: u16,
    /// `bind_if`
    pub interface: Option<IfName>,
    /// `fwmark` of its packets; 0: none.
    pub fwmark: u32,
}

/// A program that checks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Misc {
    /// `misc_path` with its identity.
    pub command: ScriptCommand,
    /// `misc_timeout` in seconds; 0: the time between two checks.
    pub timeout: u32,
    /// `misc_dynamic`: exit codes from 2 on set the weight.
    pub dynamic: bool,
}
