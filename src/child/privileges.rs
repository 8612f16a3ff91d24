//! Which privileges a child keeps once it runs: those of its kind, and what the configuration makes it need.

use std::fs;

use crate::config::model::Model;
use crate::daemon::kind::Kind;
use crate::daemon::tuning::Tuning;
use crate::sys::privileges::Capabilities;

/// What a child of this kind needs with this configuration. CAP_SYS_MODULE means that its start loads modules; it is not
/// kept.
#[must_use]
pub fn needed(model: &Model, kind: Kind) -> Capabilities {
    let global = &model.global;
    let tuning = Tuning::of(global, kind);
    let raises = tuning.realtime.base.is_some() || tuning.realtime.ceiling > 0 || tuning.nice != 0;
    let tells = matches!(kind, Kind::Vrrp | Kind::Checkers);
    let own_fifo = match kind {
        Kind::Vrrp => &global.vrrp_fifo,
        Kind::Checkers => &global.lvs_fifo,
        Kind::Bfd | Kind::Snmp => &global.fifo,
    };
    let mut fifos = [&global.fifo, own_fifo].into_iter();
    let gives_fifo = tells && fifos.any(|fifo| fifo.path.is_some() && fifo.identity.is_some());
    let all = Capabilities::NET_ADMIN
        .with(Capabilities::NET_RAW)
        // FIFOs, dumps, scripts and tracked files may be in folders of others, and any reload may name one: a child that
        // had to be replaced for that would disturb more than this saves, since what belongs to root is open to it anyway.
        .with(Capabilities::DAC_OVERRIDE)
        // Realtime and nice levels are raised again after a reload, and when the child is late.
        .with_if(raises, Capabilities::SYS_NICE)
        // New memory of a process whose memory is locked is locked.
        .with_if(tuning.no_swap, Capabilities::IPC_LOCK)
        // A FIFO may belong to somebody else.
        .with_if(gives_fifo, Capabilities::CHOWN.with(Capabilities::FOWNER));
    match kind {
        Kind::Vrrp => all
            .with_if(global.firewall.iptables.is_some(), Capabilities::SYS_MODULE)
            .with_if(!model.processes.is_empty() && proc_is_hidden(), Capabilities::SYS_PTRACE),
        Kind::Checkers => all
            .with(Capabilities::SYS_MODULE)
            .with_if(model.daemon.net_namespace_ipvs.is_some(), Capabilities::SYS_ADMIN)
            .with_if(binds_low(model), Capabilities::NET_BIND_SERVICE),
        Kind::Bfd => all,
        // It speaks with its agent and with the other children, over sockets that it has or may open by its user.
        Kind::Snmp => Capabilities::NONE,
    }
}

/// Whether a check binds a port (`bind_port`) that only root may.
fn binds_low(model: &Model) -> bool {
    let checks =
        model.virtual_servers().iter().flat_map(|service| &service.servers).flat_map(|server| &server.checks);
    let origins = checks.filter_map(|check| check.probe.target()?.origin.as_deref());
    origins.into_iter().any(|origin| (1..1_024).contains(&origin.port))
}

/// Whether processes of others are hidden in /proc (its mount option `hidepid`).
fn proc_is_hidden() -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.starts_with("proc /proc ") && line.contains("hidepid="))
}
