//! Which privileges a child keeps once it runs: those of its kind, and what the configuration makes it need.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::config::model::{Model, ScriptCommand, TrackFile};
use crate::daemon::kind::Kind;
use crate::daemon::tuning::Tuning;
use crate::notify::permits;
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
    let fifos = [&global.fifo, own_fifo].into_iter().filter(|fifo| tells && fifo.path.is_some());
    let (has_fifo, gives_fifo) =
        (fifos.clone().next().is_some(), fifos.clone().any(|fifo| fifo.identity.is_some()));
    let files = &global.files;
    let dumps = [&files.state_dump_file, &files.stats_dump_file, &files.json_dump_file];
    let all = Capabilities::NET_ADMIN
        .with(Capabilities::NET_RAW)
        // Realtime and nice levels are raised again after a reload, and when the child is late.
        .with_if(raises, Capabilities::SYS_NICE)
        // New memory of a process whose memory is locked is locked.
        .with_if(tuning.no_swap, Capabilities::IPC_LOCK)
        // FIFOs may be in folders of others, and belong to others.
        .with_if(has_fifo, Capabilities::DAC_OVERRIDE)
        .with_if(gives_fifo, Capabilities::CHOWN.with(Capabilities::FOWNER))
        // So may the places of dumps that the configuration names.
        .with_if(dumps.into_iter().any(Option::is_some), Capabilities::DAC_OVERRIDE)
        // A reload looks for scripts.
        .with_if(permits::any(model, kind, &mut is_hidden), Capabilities::DAC_READ_SEARCH)
        // Tracked files are read, and made if the configuration says so.
        .with_if(tells && model.files.iter().any(belongs_to_others), Capabilities::DAC_READ_SEARCH)
        .with_if(
            tells && model.files.iter().any(|file| file.init.is_some() && belongs_to_others(file)),
            Capabilities::DAC_OVERRIDE,
        );
    match kind {
        Kind::Vrrp => all
            .with_if(global.firewall.iptables.is_some(), Capabilities::SYS_MODULE)
            .with_if(!model.processes.is_empty() && proc_is_hidden(), Capabilities::SYS_PTRACE),
        Kind::Checkers => all
            .with(Capabilities::SYS_MODULE)
            .with_if(model.tls.is_some(), Capabilities::DAC_READ_SEARCH)
            .with_if(model.daemon.net_namespace_ipvs.is_some(), Capabilities::SYS_ADMIN)
            .with_if(binds_low(model), Capabilities::NET_BIND_SERVICE),
        Kind::Bfd => all,
        // It speaks with its agent and with the other children, over sockets that it has or may open by its user.
        Kind::Snmp => Capabilities::NONE,
    }
}

/// Whether a script is in a folder of another user that nobody else may enter.
fn is_hidden(command: &ScriptCommand) -> bool {
    let closed =
        |folder: &Path| fs::metadata(folder).is_ok_and(|found| found.uid() != 0 && found.mode() & 0o001 == 0);
    let file = command.argv.first().map(|file| Path::new(OsStr::from_bytes(file.to_bytes())));
    file.is_some_and(|file| file.is_absolute() && file.ancestors().skip(1).any(closed))
}

/// Whether a tracked file, or what can be put in its place, is another user's.
fn belongs_to_others(file: &TrackFile) -> bool {
    let path = Path::new(&file.path);
    let others = |found: fs::Metadata| found.uid() != 0 || (found.is_dir() && found.mode() & 0o022 != 0);
    path.ancestors().any(|part| fs::metadata(part).is_ok_and(others))
}

/// Whether a check binds a port (`bind_port`) that only root may.
fn binds_low(model: &Model) -> bool {
    let checks = model.services.iter().flat_map(|service| &service.servers).flat_map(|server| &server.checks);
    let origins = checks.filter_map(|check| check.probe.target()?.origin.as_deref());
    origins.into_iter().any(|origin| (1..1_024).contains(&origin.port))
}

/// Whether processes of others are hidden in /proc (its mount option `hidepid`).
fn proc_is_hidden() -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.starts_with("proc /proc ") && line.contains("hidepid="))
}
