//! A check while it is read.

use super::Takes;
use crate::base::addr::IpAddr;
use crate::base::name::IfName;
use crate::config::model::service::Timing;
use crate::config::model::{Identity, ScriptCommand};
use crate::config::tree::Position;
use crate::proto::check::{dns, http as fetch, tcp, udp};

/// A check while it is read, of any kind: each table writes what its kind has.
#[derive(Clone, Debug, Default)]
pub struct CheckDraft {
    /// `connect_ip`
    pub addr: Option<IpAddr>,
    /// `connect_port`
    pub port: Option<u16>,
    /// `bindto`
    pub bind: Option<(IpAddr, Position)>,
    /// `bind_port`
    pub bind_port: u16,
    /// `bind_if`
    pub interface: Option<IfName>,
    /// `fwmark`
    pub fwmark: u32,
    /// Times, as given here.
    pub timing: Timing,
    /// `log_all_failures`
    pub log_all_failures: Option<bool>,
    /// `fail_on_local_failure`
    pub fail_on_local_failure: bool,
    /// Of `TCP_CHECK`.
    pub tcp: tcp::Params,
    /// Of `HTTP_GET` and `SSL_GET`.
    pub http: fetch::Params,
    /// `helo_name`
    pub helo: Option<Box<str>>,
    /// Of `DNS_CHECK`: type and name.
    pub dns: (Option<dns::Kind>, Option<Box<str>>),
    /// Of `UDP_CHECK`.
    pub udp: udp::Params,
    /// `misc_path`
    pub command: Option<ScriptCommand>,
    /// `user` of `MISC_CHECK`, which wins over an identity after the command.
    pub identity: Option<Identity>,
    /// `misc_timeout`
    pub run_time: u32,
    /// `misc_dynamic`
    pub dynamic: bool,
    /// `track_file`
    pub file: Option<(Box<str>, Position)>,
    /// `weight` of `FILE_CHECK`
    pub file_weight: Option<(i32, Option<bool>)>,
    /// `name` of `BFD_CHECK`
    pub bfd: Option<(Box<str>, Position)>,
    /// Something is wrong, and was told, that leaves no check.
    pub unusable: bool,
}

impl CheckDraft {
    /// What is asked of the server's certificate.
    pub(super) fn certificate(&mut self) -> &mut fetch::Certificate {
        self.http.certificate.get_or_insert_default()
    }
}

impl Takes for CheckDraft {
    fn times(&mut self) -> &mut Timing {
        &mut self.timing
    }
}
