//! Which privileges a child keeps once it runs: those of its kind, and what the configuration makes it need; and the user
//! that it becomes.

use std::fs;

use crate::config::model::{self, Model};
use crate::daemon::kind::Kind;
use crate::daemon::log;
use crate::daemon::tuning::Tuning;
use crate::notify::permits;
use crate::sys::identity::{Identity, Obstacle, Powers};
use crate::sys::privileges::Capabilities;
use crate::sys::user::{self, Account};

/// The user that children become, if the machine has it: nobody else's, and without a password, a home and a shell.
pub const USER: &str = "keepalived";

/// The account of [`USER`]; none if the machine has none that is not root. Says to all processes of this daemon whose files
/// are its own.
#[must_use]
pub fn account() -> Option<Account> {
    let account = user::user(USER).ok().flatten().filter(|account| account.uid != 0)?;
    user::name_of_children(account);
    Some(account)
}

/// The user that children become with this configuration; none: they stay root, and the log says what forbids the other one.
#[must_use]
pub fn user_of_children(model: &Model, account: Option<Account>) -> Option<Account> {
    if model.global.no_confinement {
        log::warn!("Children keep all privileges of root and make any system call (no_confinement)");
        return None;
    }
    let account = account?;
    let Some(why) = what_forbids(model, account) else { return Some(account) };
    log::info!("Children stay root, though there is a user {USER}: {why}");
    None
}

/// Why children cannot be, or are not to be, this user.
fn what_forbids(model: &Model, account: Account) -> Option<String> {
    let powers = Powers::at_start();
    let identity = Identity { uid: account.uid, gid: account.gid, groups: Vec::new() };
    match powers.obstacle(&identity) {
        Some(Obstacle::Refused(why)) => return Some(why.to_owned()),
        Some(Obstacle::Groups) => return Some("supplementary groups cannot be given up".to_owned()),
        None => {}
    }
    // The parent ends a child that hangs; a child goes on with files of root.
    let lacking =
        powers.lacks(Capabilities::KILL.with(Capabilities::DAC_OVERRIDE).with(Capabilities::FOWNER));
    if !lacking.is_empty() {
        return Some(format!("the daemon lacks {}", lacking.names().collect::<Vec<_>>().join(", ")));
    }
    // A script may signal the processes of its user.
    let is_theirs =
        |identity: &model::Identity| identity.user == USER || identity.user.parse() == Ok(account.uid);
    let scripts = Kind::ALL.into_iter().any(|kind| {
        permits::any(model, kind, &mut |command| {
            command.identity.as_ref().or(model.global.scripts.user.as_ref()).is_some_and(is_theirs)
        })
    });
    scripts.then(|| "scripts run as that user, and could end a child".to_owned())
}

/// What a child of this kind needs with this configuration, as root or as a user of its own. CAP_SYS_MODULE means that its
/// start loads modules; it is not kept.
#[must_use]
pub fn needed(model: &Model, kind: Kind, user: Option<Account>) -> Capabilities {
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
        // In /tmp the kernel lets nobody else than its owner replace a file (the sticky bit), and a dump or a FIFO may be
        // root's, of a daemon before this one or of the start of this one.
        .with_if(user.is_some(), Capabilities::FOWNER)
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
        // It speaks with the other children over sockets that it has, and with its agent over one that often only root may
        // open, which it is unless it has a user of its own.
        Kind::Snmp => Capabilities::NONE.with_if(user.is_some(), Capabilities::DAC_OVERRIDE),
    }
}

/// Names in one line what this daemon lacks of what a child of this kind needs. Beside these it can do without.
pub fn tell_lacking(kind: Kind, needed: Capabilities) {
    let Ok(has) = Capabilities::effective() else { return };
    let optional = Capabilities::DAC_OVERRIDE.with(Capabilities::FOWNER).with(Capabilities::SYS_MODULE);
    let lacking = needed.without(optional).without(has);
    if !lacking.is_empty() {
        log::error!(
            "{} child process lacks {}: give the daemon what README names, as --cap-add of docker or CapabilityBoundingSet of systemd",
            kind.title(),
            lacking.names().collect::<Vec<_>>().join(", ")
        );
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
