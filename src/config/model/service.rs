//! A `virtual_server`, its real servers, and the groups that give it addresses.
//!
//! There may be 100,000 real servers: what few of them have is in a box.

use std::sync::Arc;

use super::{At, Checker, ScriptCommand};
use crate::base::addr::{Family, IpAddr};
use crate::base::time::Span;
use crate::proto::lvs::Params;
pub use crate::proto::lvs::{
    Entry, Granularity, Method, Protocol, Scheduler, Tunnel, TunnelChecksum, TunnelKind,
};

/// One virtual service with all defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one keyword")]
pub struct VirtualServer {
    /// What it listens to.
    pub key: Key,
    /// Where that stands.
    pub at: At,
    /// The family of its addresses or marks; none: a group with both.
    pub family: Option<Family>,
    /// `protocol`; none if it has marks only.
    pub protocol: Option<Protocol>,
    /// `lvs_sched`
    pub scheduler: Scheduler,
    /// `flag-1` to `flag-3` of the scheduler as bits 0 to 2; `sh-fallback` and `mh-fallback` are the first,
    /// `sh-port` and `mh-port` the second.
    pub flags: u8,
    /// `ops`: every packet is scheduled by itself.
    pub one_packet: bool,
    /// `lvs_method`: what real servers begin with.
    pub method: Method,
    /// `persistence_timeout` in seconds; none: off.
    pub persistence: Option<u32>,
    /// `persistence_granularity`; none: every client by itself.
    pub granularity: Option<Granularity>,
    /// `persistence_engine`, at most 16 bytes.
    pub engine: Option<Box<str>>,
    /// `ha_suspend`: checks run only while the address is there.
    pub ha_suspend: bool,
    /// `smtp_alert`: changes of the quorum are mailed.
    pub smtp_alert: bool,
    /// `virtualhost`
    pub host: Option<Arc<str>>,
    /// `snmp_name`
    pub snmp_name: Option<Box<str>>,
    /// `inhibit_on_failure`: what real servers begin with.
    pub inhibit: bool,
    /// `weight`: what real servers begin with; 1 or more.
    pub weight: u32,
    /// What the machine needs.
    pub params: Params,
    /// What checks of its real servers begin with.
    pub timing: Timing,
    /// `quorum_up`
    pub quorum_up: Option<ScriptCommand>,
    /// `quorum_down`
    pub quorum_down: Option<ScriptCommand>,
    /// `sorry_server`
    pub sorry: Option<SorryServer>,
    /// `real_server`, at least one.
    pub servers: Vec<RealServer>,
}

/// What a service listens to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// An address and a port; 0 is every port, of a persistent service.
    Address(IpAddr, u16),
    /// A firewall mark, not 0.
    Mark(u32),
    /// A `virtual_server_group` of the model, by name.
    Group(String),
}

/// Times of checks as they were given at one level; none: those of the level above.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// `delay_loop`
    pub delay_loop: Option<Span>,
    /// `delay_before_retry`
    pub delay_before_retry: Option<Span>,
    /// `warmup`
    pub warmup: Option<Span>,
    /// `connect_timeout`
    pub connect_timeout: Option<Span>,
    /// `retry`
    pub retry: Option<u32>,
    /// `alpha`
    pub alpha: Option<bool>,
}

impl Timing {
    /// What was given here, and for the rest what was given above.
    #[must_use]
    pub fn over(&self, above: &Self) -> Self {
        Self {
            delay_loop: self.delay_loop.or(above.delay_loop),
            delay_before_retry: self.delay_before_retry.or(above.delay_before_retry),
            warmup: self.warmup.or(above.warmup),
            connect_timeout: self.connect_timeout.or(above.connect_timeout),
            retry: self.retry.or(above.retry),
            alpha: self.alpha.or(above.alpha),
        }
    }
}

/// The server that answers while there is no quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SorryServer {
    /// Its address.
    pub addr: IpAddr,
    /// Its port; 0 for a service of marks.
    pub port: u16,
    /// Where it stands.
    pub at: At,
    /// `sorry_server_inhibit`
    pub inhibit: bool,
    /// `sorry_server_lvs_method`
    pub method: Method,
}

/// One server of a service, every inherited value worked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// Its address.
    pub addr: IpAddr,
    /// Its port; 0 for a service of marks or of every port.
    pub port: u16,
    /// `inhibit_on_failure`: stays with weight 0 when it fails.
    pub inhibit: bool,
    /// `smtp_alert`: changes of its state are mailed.
    pub smtp_alert: bool,
    /// `weight`, 0 to 2147483647.
    pub weight: u32,
    /// `lvs_method`
    pub method: Method,
    /// `uthreshold`: connections that stop new ones; 0: none.
    pub upper: u32,
    /// `lthreshold`: connections that allow them again; 0: none.
    pub lower: u32,
    /// Where it stands.
    pub at: At,
    /// Its checks, in the order of the file; none: it always counts as up.
    pub checks: Vec<Checker>,
    /// What few servers have.
    pub more: Option<Box<Rare>>,
}

/// What few real servers have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rare {
    /// `notify_up`
    pub notify_up: Option<ScriptCommand>,
    /// `notify_down`
    pub notify_down: Option<ScriptCommand>,
    /// `virtualhost`; none: that of the service.
    pub host: Option<Arc<str>>,
    /// `snmp_name`
    pub snmp_name: Option<Box<str>>,
    /// What its checks begin with, as it was given here.
    pub timing: Timing,
}

/// A `virtual_server_group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub at: At,
    /// What it holds, at least one entry.
    pub entries: Vec<Entry>,
}
