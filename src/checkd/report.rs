//! Log lines of the checker child, in keepalived's words where it has the line. Those of checks are beside the checks.
//!
//! `info!` is what keepalived always tells, `debug!` what it tells with -D, `warn!` and `error!` what an administrator
//! should look at.

use core::fmt::{self, Display, Formatter};

use nix::errno::Errno;

use crate::base::addr::IpAddr;
use crate::child::tables::{REMEDY, is_missing, text_of};
use crate::config::model::{ServerName, ServiceName};
use crate::daemon::events;
use crate::daemon::log::{debug, error, info, warn};
use crate::proto::lvs::{DestKey, Params, ServiceKey};
use crate::sys::ipvs::Unavailable;
use crate::sys::netlink::nft::Refused;
use crate::sys::process;

pub(super) use crate::child::report::kernel_failed;

/// A check begins; `active`: it is not suspended.
pub(super) fn activating(server: ServerName, service: ServiceName<'_>, active: bool) {
    let what = if active { "Activating" } else { "Deactivating" };
    info!("{what} healthchecker for service {server} for VS {service}");
}

/// The address of a virtual server came or went, and its checks with it.
pub(super) fn suspended(server: ServerName, service: ServiceName<'_>, suspended: bool) {
    let what = if suspended { "Suspending" } else { "Activating" };
    info!("{what} healthchecker for service {server} for VS {service}");
}

/// An address that `ha_suspend` looks at.
pub(super) fn address(addr: IpAddr, there: bool) {
    let what = if there { "added" } else { "removed" };
    info!("Netlink reflector reports IP {addr} {what}");
}

/// The table is about to be programmed.
pub(super) fn initializing(again: bool) {
    debug!("{} ipvs", if again { "Reinitializing" } else { "Initializing" });
}

/// What becomes of a virtual server or a real server is kept for those who ask.
fn remember(name: &dyn Display, text: fmt::Arguments<'_>) {
    events::note(events::Kind::Server, name, text);
}

/// A real server went up or down.
pub(super) fn server(server: ServerName, service: ServiceName<'_>, up: bool, inhibit: bool) {
    remember(&server, format_args!("{} in {service}", if up { "up" } else { "down" }));
    match (up, inhibit) {
        (true, false) => info!("Adding service {server} to VS {service}"),
        (false, false) => info!("Removing service {server} from VS {service}"),
        (true, true) => info!("Enabling service {server} of VS {service}"),
        (false, true) => info!("Disabling service {server} of VS {service}"),
    }
}

/// The weight of a real server is another one.
pub(super) fn weight(server: ServerName, service: ServiceName<'_>, (from, to): (u32, u32), active: bool) {
    remember(&server, format_args!("weight from {from} to {to} in {service}"));
    let active = if active { "active" } else { "inactive" };
    info!("Changing weight from {from} to {to} for {active} service {server} of VS {service}");
}

/// A virtual server has gained or lost quorum, as its log line says and as its letter does.
#[derive(Clone, Debug)]
pub(super) struct Quorum {
    pub(super) params: Params,
    pub(super) up: bool,
    pub(super) start: bool,
    pub(super) live: u64,
}

/// For the log.
impl Display for Quorum {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { params: Params { quorum, hysteresis, .. }, up, start, live } = self;
        let (quorum, hysteresis, up, start) = (*quorum, *hysteresis, *up, *start);
        let (quorum, hysteresis) = (u64::from(quorum), u64::from(hysteresis));
        if up {
            return write!(f, "Gained quorum {quorum}+{hysteresis}={} <= {live}", quorum + hysteresis);
        }
        let what = if start { "Starting with quorum down" } else { "Lost quorum" };
        write!(f, "{what} {quorum}-{hysteresis}={} > {live}", quorum.saturating_sub(hysteresis))
    }
}

/// The text of a letter, which keepalived writes in one form for gain and loss.
#[derive(Clone, Debug)]
pub(super) struct QuorumText(pub(super) Quorum);

impl Display for QuorumText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Quorum { params: Params { quorum, hysteresis, .. }, up, start, live } = &self.0;
        let what = match (up, start) {
            (true, true) => "Starting with quorum up",
            (false, true) => "Starting with quorum down",
            (true, false) => "Gained quorum",
            (false, false) => "Lost quorum",
        };
        let sum = u64::from(*quorum) + u64::from(*hysteresis);
        write!(f, "=> {what} {quorum}+{hysteresis}={sum} <= {live} <=")
    }
}

pub(super) fn quorum(quorum: &Quorum, service: ServiceName<'_>) {
    info!("{quorum} for VS {service}");
    remember(&service, format_args!("{quorum}"));
}

/// The sorry server takes the place of all servers that are alive, or they take its place.
pub(super) fn sorry(server: ServerName, service: ServiceName<'_>, active: bool, inhibit: bool) {
    let what = if active { "takes the place of" } else { "makes room for" };
    remember(&service, format_args!("the sorry server {server} {what} the real servers"));
    match (active, inhibit) {
        (true, false) => info!("Adding sorry server {server} to VS {service}"),
        (false, false) => info!("Removing sorry server {server} from VS {service}"),
        (true, true) => info!("Enabling sorry server {server} of VS {service}"),
        (false, true) => info!("Disabling sorry server {server} of VS {service}"),
    }
    if active {
        info!("Removing alive servers from the pool for VS {service}");
    } else {
        info!("Adding alive servers to the pool for VS {service}");
    }
}

/// A real server is not in the new configuration.
pub(super) fn server_gone(server: ServerName) {
    info!("service {server} no longer exist");
}

/// A virtual server is not in the new configuration.
pub(super) fn service_gone(service: ServiceName<'_>) {
    info!("Removing Virtual Server {service}");
}

/// A real server is shut down because the daemon stops.
pub(super) fn shutting_down(server: ServerName, service: ServiceName<'_>) {
    info!("Shutting down service {server} from VS {service}");
}

/// An entry of the kernel's table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry(pub(super) ServiceKey, pub(super) Option<DestKey>);

impl Display for Entry {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(DestKey { addr, port }) = self.1 {
            write!(f, "[{addr}]:{port} of ")?;
        }
        match self.0 {
            ServiceKey::Address(protocol, addr, port) => write!(f, "{} [{addr}]:{port}", protocol.name()),
            ServiceKey::Mark(family, mark) => write!(f, "FWM {mark} ({family})"),
        }
    }
}

/// Somebody else deleted what is ours.
pub(super) fn put_back(entry: Entry) {
    warn!("IPVS: somebody else deleted {entry} - put back");
}

/// Somebody else deletes again and again what is ours.
pub(super) fn left_alone(entry: Entry) {
    error!("IPVS: {entry} is deleted again and again and left alone for a while; find out who deletes it");
}

/// The kernel refused an operation on the table.
pub(super) fn refused(entry: Entry, errno: i32) {
    let errno = Errno::from_raw(errno);
    let why = match errno {
        Errno::EPERM => " (this process lacks the capability CAP_NET_ADMIN)",
        Errno::ENOENT if entry.1.is_none() => {
            " (this kernel lacks its scheduler or persistence engine: modprobe ip_vs_<scheduler>)"
        }
        _ => "",
    };
    error!("IPVS: {entry} is refused: {}{why}", errno.desc());
}

/// Two virtual servers have one key in the kernel.
pub(super) fn shared(entry: Entry, holder: ServiceName<'_>, service: ServiceName<'_>) {
    warn!("VS {service} and VS {holder} both listen to {entry} - it serves VS {holder}, which comes first");
}

/// A virtual server has more addresses or servers than there is room for.
pub(super) fn too_many(service: ServiceName<'_>) {
    error!(
        "VS {service} has more addresses or real servers than one virtual server may have - the rest is not used"
    );
}

/// There is no IPVS.
pub(super) fn no_ipvs(why: Unavailable) {
    match why {
        Unavailable::Missing => error!(
            "IPVS: this kernel has no ip_vs (modprobe ip_vs, CONFIG_IP_VS) - checks run, virtual servers do not balance"
        ),
        Unavailable::Failed(errno) => error!(
            "IPVS: Can't initialize ipvs: {} - checks run, virtual servers do not balance",
            errno.desc()
        ),
    }
}

/// There was no IPVS, and now there is.
pub(super) fn ipvs_there() {
    info!("IPVS: ip_vs is there now - programming the virtual servers");
}

/// The kernel could not take changes to its table, or did not answer: nothing else is changed before they have been sent
/// again. Told once until they have gone in.
pub(super) fn table_waits(errno: Errno) {
    warn!("IPVS: changes to the table were not carried out: {} - they are sent again", errno.desc());
}

/// The kernel has answered them.
pub(super) fn table_goes_on(again: u64) {
    info!("IPVS: the changes that were sent again have been answered; {again} batches were since the start");
}

pub(super) fn sync_daemon_refused(errno: Errno) {
    error!("IPVS: the sync daemon could not be started: {} - see lvs_sync_daemon", errno.desc());
}

pub(super) fn timeouts_refused(errno: Errno) {
    error!("IPVS: lvs_timeouts is refused: {}", errno.desc());
}

/// The process may not have as many descriptors as its checks need.
pub(super) fn few_descriptors(needed: usize, allowed: usize) {
    warn!(
        "{needed} checks may need a descriptor at one time, but only {allowed} are allowed - some will wait; raise the \
         limit of open files (ulimit -n, LimitNOFILE) to {}",
        needed + crate::base::limit::OTHER_DESCRIPTORS
    );
}

/// SIGUSR1.
pub(super) fn printing_data() {
    info!("Printing checkers data for process({}) on signal", process::own());
}

/// What a daemon that is started after a crash of this one needs could not be written.
pub(super) fn ledger_failed(path: &std::path::Path, error: &std::io::Error) {
    warn!("Unable to write {}, which a restart after a crash needs: {error}", path.display());
}

/// The kernel refused the rules of nftables that mark packets to groups.
pub(super) fn no_marking(refused: &Refused) {
    let what = "packets to groups of virtual servers get no mark and reach no real server";
    let why = text_of(refused);
    match is_missing(refused) {
        true => error!("nftables: {why} - {what}; {REMEDY}, or leave nftables_ipvs out"),
        false => error!("nftables: {why} - {what}; leave nftables_ipvs out, or see what else uses its table"),
    }
}
