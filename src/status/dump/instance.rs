//! One virtual router in the section of the topology.

use core::fmt::{self, Display, Formatter, Write};

use super::address::{AddressLine, Whereabouts};
use super::objects::{RouteLine, RuleLine};
use super::tracked::Trackers;
use super::{Clock, Or, Runs, Seconds, Stamp, Timestamp, enabled};
use crate::base::addr::{Family, IpAddr};
use crate::base::id::{IfIndex, ScriptId};
use crate::base::time::{Instant, Span};
use crate::config::model::hmac::{Hmac, HmacMode, Replay};
use crate::config::model::instance::{IpvlanMode, OldChecksum};
use crate::config::model::{self, Model};
use crate::proto::vrrp::{Auth, Fault, Router, State, Version};
use crate::sys::clock::Wall;

/// A virtual router as it is now.
#[derive(Clone, Copy)]
pub struct Instance<'a> {
    /// The configuration that it belongs to.
    pub model: &'a Model,
    /// What the configuration says of it.
    pub config: &'a model::Instance,
    /// Its state, priority and timers.
    pub router: &'a Router,
    /// When the state was entered.
    pub since: Wall,
    /// The source of its adverts.
    pub local: Option<IpAddr>,
    /// The name of the interface of the configuration.
    pub base: Option<&'a str>,
    /// Its number now.
    pub index: Option<IfIndex>,
    /// The name of the macvlan, or the same as `base`.
    pub own: Option<&'a str>,
    /// When the next announcement is due on an interface that is not its own.
    pub next_extra: Option<Instant>,
    /// Whether `own` is up.
    pub own_up: bool,
    /// The descriptors that adverts come in and go out by.
    pub sockets: (Option<i32>, Option<i32>),
    /// Where the address at a position is: those of adverts first, then the excluded ones.
    pub place: &'a dyn Fn(usize) -> Whereabouts<'a>,
    /// What a script runs; none: it cannot run.
    pub command: &'a dyn Fn(ScriptId) -> Option<Runs<'a>>,
    /// Why it is in FAULT.
    pub reasons: &'a dyn Display,
    /// Tracked scripts without a result that it waits for.
    pub pending_scripts: usize,
    /// Its scripts in the order of [`SCRIPTS`].
    pub scripts: [Option<Runs<'a>>; SCRIPTS.len()],
}

/// What an instance runs scripts for, in the order of the dump.
pub const SCRIPTS: [&str; 7] =
    ["Backup", "Master", "Fault", "Stop", "Deleted", "Generic", "Master rx lower pri"];

impl<'a> Instance<'a> {
    /// The state that it is in or is about to enter; keepalived keeps to MASTER where `nopreempt` gave way to that.
    #[must_use]
    pub fn wanted(&self) -> State {
        match self.router.state() {
            _ if self.config.nopreempt_gave_way => State::Master,
            State::Init => State::Backup,
            state => state,
        }
    }

    /// The address at a position, as in [`Instance::place`].
    #[must_use]
    pub fn address(&self, position: usize) -> Option<AddressLine<'a>> {
        let line = self.config.addresses.iter().chain(&self.config.excluded).nth(position)?;
        Some(AddressLine { line, place: (self.place)(position), track_group: None })
    }
}

/// Writes the instance.
///
/// # Errors
/// What `out` says.
pub fn instance(out: &mut dyn Write, clock: &Clock, instance: &Instance<'_>) -> fmt::Result {
    writeln!(out, " VRRP Instance = {}", instance.config.name)?;
    standing(out, clock, instance)?;
    interface(out, instance)?;
    announcements(out, clock, instance)?;
    priorities(out, clock, instance)?;
    authentication(out, instance)?;
    addresses(out, instance)?;
    unicast(out, instance)?;
    let (heard, sent) = instance.sockets;
    writeln!(out, "   fd_in {}, fd_out {}", heard.unwrap_or(-1), sent.unwrap_or(-1))?;
    objects(out, instance.config)?;
    tracked(out, instance)?;
    notifications(out, instance)
}

/// The word of a state.
#[must_use]
pub const fn word(state: State) -> &'static str {
    match state {
        State::Init => "INIT",
        State::Backup => "BACKUP",
        State::Master => "MASTER",
        State::Fault => "FAULT",
    }
}

fn standing(out: &mut dyn Write, clock: &Clock, instance: &Instance<'_>) -> fmt::Result {
    let (machine, params) = (instance.router.machine(), instance.router.params());
    writeln!(out, "   VRRP Version = {}", number(params.version))?;
    if params.family == Family::V6 {
        out.write_str("   Using Native IPv6\n")?;
    }
    if let Some(group) = instance.config.sync_group.and_then(|id| instance.model.groups.get(id.index())) {
        writeln!(out, "   Sync group = {}", group.name)?;
    }
    writeln!(out, "   State = {}", word(machine.state()))?;
    if let (State::Backup, Some(master)) = (machine.state(), machine.master()) {
        writeln!(out, "   Master router = {}", master.addr)?;
        writeln!(out, "   Master priority = {}", master.priority)?;
        if params.version == Version::V3 {
            let theirs = machine.master_interval();
            let (secs, hundredths) = (theirs.as_secs(), theirs.subsec_micros() / 10_000);
            writeln!(out, "   Master advert int = {secs}.{hundredths:02} sec")?;
        }
    }
    if instance.config.unicast() {
        out.write_str("   Flags:\n     Using unicast\n")?;
    } else {
        out.write_str("   Flags: none\n")?;
    }
    writeln!(out, "   Wantstate = {}", word(instance.wanted()))?;
    let count = |set: &[Fault]| set.iter().filter(|fault| machine.faults().contains(**fault)).count();
    writeln!(out, "   Number of config faults = {}", count(&CONFIG_FAULTS))?;
    writeln!(
        out,
        "   Number of tracker faults = {}",
        count(&[Fault::TrackedLink, Fault::Script, Fault::File, Fault::Process, Fault::Bfd])
    )?;
    let faults = (!machine.faults().is_empty()).then_some(instance.reasons);
    writeln!(out, "   Flags of interface faults = {}", Or(faults, "none"))?;
    writeln!(out, "   Number of track scripts init = {}", instance.pending_scripts)?;
    writeln!(out, "   Last transition = {}", Stamp(clock, instance.since))?;
    let deadline = machine.poll_at().map(|at| Stamp(clock, clock.wall_of(at)));
    writeln!(out, "   Read timeout = {}", Or(deadline, "DISABLED"))?;
    writeln!(out, "   Master down timer = {} usecs", machine.master_down_time().as_micros())
}

/// The rest of the line about an ipvlan: its address, if it is given one, and how its kind see each other.
struct IpvlanTail<'a>(&'a model::Instance);

impl Display for IpvlanTail<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(ipvlan) = &self.0.ipvlan else { return Ok(()) };
        if let Some(address) = ipvlan.address {
            write!(f, ", i/f address = {address}")?;
        }
        f.write_str(match ipvlan.mode {
            IpvlanMode::Bridge => ", type bridge",
            IpvlanMode::Private => ", type private",
            IpvlanMode::Vepa => ", type vepa",
        })
    }
}

fn interface(out: &mut dyn Write, instance: &Instance<'_>) -> fmt::Result {
    let (config, base) = (instance.config, Or(instance.base, "(none)"));
    match instance.own {
        Some(own) if config.ipvlan.is_some() => {
            writeln!(out, "   Use IPVLAN, i/f {own}, is_up = {}{}", instance.own_up, IpvlanTail(config))?;
            writeln!(out, "   Interface = {own}, ipvlan on {base}")?;
        }
        Some(own) if config.vmac.is_some() => {
            writeln!(
                out,
                "   Use VMAC, i/f name {own}, is_up = {}, xmit_base = {}",
                instance.own_up, config.vmac_xmit_base
            )?;
            let transmit = if config.vmac_xmit_base { ", xmit base i/f" } else { "" };
            writeln!(out, "   Interface = {own}, vmac on {base}{transmit}")?;
        }
        _ => writeln!(out, "   Interface = {base}")?,
    }
    if config.dont_track_primary {
        out.write_str("   VRRP interface tracking disabled\n")?;
    }
    if instance.router.params().skip_check_adv_addr {
        out.write_str("   Skip checking advert IP addresses\n")?;
    }
    if config.strict {
        out.write_str("   Enforcing strict VRRP compliance\n")?;
    }
    let own_source = config.ipvlan.as_ref().is_some_and(|ipvlan| ipvlan.address.is_some());
    let from = if config.source.is_some() || own_source { " (from configuration)" } else { "" };
    writeln!(out, "   Using src_ip = {}{from}", Or(instance.local, "(none)"))?;
    if config.unicast() {
        return Ok(());
    }
    write!(out, "   Multicast address {}", config.group)?;
    if let (IpAddr::V6(_), Some(IfIndex(index))) = (config.group, instance.index) {
        write!(out, ", ifindex {index}")?;
    }
    out.write_char('\n')
}

fn announcements(out: &mut dyn Write, clock: &Clock, instance: &Instance<'_>) -> fmt::Result {
    let params = instance.router.params();
    let garp = &params.garp;
    writeln!(out, "   Gratuitous ARP delay = {}", Seconds(garp.delay))?;
    writeln!(out, "   Gratuitous ARP repeat = {}", garp.repeat)?;
    writeln!(out, "   Gratuitous ARP refresh = {}", Seconds(garp.refresh))?;
    writeln!(out, "   Gratuitous ARP refresh repeat = {}", garp.refresh_repeat)?;
    let delay = Seconds(garp.lower_prio_delay);
    writeln!(out, "   Gratuitous ARP lower priority delay = {delay}")?;
    let repeat = garp.lower_prio_repeat;
    writeln!(out, "   Gratuitous ARP lower priority repeat = {repeat}")?;
    writeln!(out, "   Down timer adverts = {}", params.down_timer_adverts)?;
    extra(out, clock, instance)?;
    writeln!(out, "   Send advert after receive lower priority advert = {}", !params.lower_prio_no_advert)?;
    writeln!(
        out,
        "   Send advert after receive higher priority advert = {}",
        params.higher_prio_send_advert
    )?;
    writeln!(
        out,
        "   Address owner ignores received adverts = {}",
        instance.config.params.owner_ignore_adverts
    )
}

/// How often interfaces are spoken for that hold addresses and are not the instance's own; nothing if there is none.
fn extra(out: &mut dyn Write, clock: &Clock, instance: &Instance<'_>) -> fmt::Result {
    let Some(extra) = instance.config.garp_extra.filter(|extra| !extra.interval.is_zero()) else {
        return Ok(());
    };
    let count = instance.config.addresses.len().saturating_add(instance.config.excluded.len());
    let other = |place: Whereabouts<'_>| {
        place.interface != instance.own && place.interface.is_some() && (extra.all || place.base.is_some())
    };
    if !(0..count).any(|position| other((instance.place)(position))) {
        return Ok(());
    }
    let which = if extra.all { "i/f" } else { "VMAC" };
    writeln!(out, "   Gratuitous ARP for each secondary {which} = {}", Seconds(extra.interval))?;
    writeln!(out, "   Next gratuitous ARP for such secondary = {}", Timestamp(clock, instance.next_extra))
}

fn priorities(out: &mut dyn Write, clock: &Clock, instance: &Instance<'_>) -> fmt::Result {
    let (machine, params, config) = (instance.router.machine(), instance.router.params(), instance.config);
    writeln!(out, "   Virtual Router ID = {}", params.vrid)?;
    writeln!(out, "   Priority = {}", params.priority)?;
    writeln!(out, "   Effective priority = {}", machine.effective_priority())?;
    let weights = if params.priority == u8::MAX { 0 } else { instance.router.weights() };
    writeln!(out, "   Total priority = {}", i32::from(params.priority).saturating_add(weights))?;
    let other = machine.master().filter(|_| machine.state() == State::Backup);
    writeln!(out, "   Highest other priority = {}", other.map_or(0, |master| master.priority))?;
    interval(out, "Advert interval", params.version, params.advert_interval)?;
    if let Some(most) = params.max_learned_interval {
        interval(out, "Max learned interval", Version::V3, most)?;
    }
    // Adverts are due an interval after one another, and leave when they are due.
    let due = machine.poll_at().filter(|_| machine.state() == State::Master);
    let sent = due.map(|at| at - params.advert_interval);
    writeln!(out, "   Last advert sent = {}", Timestamp(clock, sent))?;
    if params.version == Version::V3 && machine.state() == State::Backup && machine.master().is_some() {
        interval(out, "Master advert interval", params.version, machine.master_interval())?;
    }
    writeln!(out, "   Accept = {}", enabled(config.accept))?;
    writeln!(out, "   Preempt = {}", enabled(params.preempt))?;
    if !params.preempt_delay.is_zero() {
        writeln!(out, "   Preempt delay = {} secs", Seconds(params.preempt_delay))?;
    }
    writeln!(out, "   Promote_secondaries = {}", enabled(config.promote_secondaries))
}

fn interval(out: &mut dyn Write, label: &str, version: Version, span: Span) -> fmt::Result {
    match version {
        Version::V2 => writeln!(out, "   {label} = {} sec", span.as_secs()),
        Version::V3 => writeln!(out, "   {label} = {} milli-sec", span.as_millis()),
    }
}

fn authentication(out: &mut dyn Write, instance: &Instance<'_>) -> fmt::Result {
    let (params, config) = (instance.router.params(), instance.config);
    match (params.version, &params.auth) {
        (Version::V2, Auth::Pass(_)) => {
            out.write_str("   Authentication type = SIMPLE_PASSWORD\n   Password = ********\n")?;
        }
        (Version::V2, Auth::Header(_)) => {
            out.write_str("   Authentication type = IPSEC_AH\n")?;
        }
        (Version::V2, Auth::None) => out.write_str("   Authentication type = none\n")?,
        (Version::V3, _) => {}
    }
    if let Some(hmac) = &config.hmac {
        extension(out, hmac)?;
    }
    if let Some(octets) = config.receive_buffer {
        writeln!(out, "   Kernel rx buffer size = {octets}")?;
    }
    if config.debug > 0 {
        writeln!(out, "   Debug level = {}", config.debug)?;
    }
    if params.version == Version::V3 && params.family == Family::V4 {
        let plain = params.v3_checksum_as_v2;
        writeln!(out, "   VRRPv3 uses VRRPv2 checksum = {plain}")?;
    }
    Ok(())
}

/// `auth_hmac`, without the keys.
fn extension(out: &mut dyn Write, hmac: &Hmac) -> fmt::Result {
    out.write_str("   Authentication extension = HMAC-SHA256\n   Keys =")?;
    for key in &hmac.keys {
        let active = if key.id == hmac.active { " (active)" } else { "" };
        write!(out, " {}{active}", key.id)?;
    }
    let mode = match hmac.mode {
        HmacMode::Enforce => "enforce",
        HmacMode::Permissive => "permissive",
        HmacMode::ReceiveOnly => "receive-only",
    };
    writeln!(out, "\n   Mode = {mode}")?;
    match hmac.replay {
        Replay::Time => writeln!(out, "   Anti replay = time, window {} secs", hmac.window.as_secs()),
        Replay::Monotonic => out.write_str("   Anti replay = monotonic\n"),
    }
}

fn addresses(out: &mut dyn Write, instance: &Instance<'_>) -> fmt::Result {
    let config = instance.config;
    if !config.addresses.is_empty() {
        writeln!(out, "   Virtual IP ({}):", config.addresses.len())?;
    }
    for position in 0..config.addresses.len() {
        address(out, instance, position)?;
    }
    if !config.excluded.is_empty() {
        out.write_str("   Virtual IP Excluded :\n")?;
    }
    for position in 0..config.excluded.len() {
        address(out, instance, position.saturating_add(config.addresses.len()))?;
    }
    Ok(())
}

fn address(out: &mut dyn Write, instance: &Instance<'_>, position: usize) -> fmt::Result {
    match instance.address(position) {
        Some(line) => writeln!(out, "     {line}"),
        None => Ok(()),
    }
}

fn unicast(out: &mut dyn Write, instance: &Instance<'_>) -> fmt::Result {
    let config = instance.config;
    if !config.unicast() {
        return Ok(());
    }
    writeln!(out, "   Unicast TTL = {}", config.unicast_ttl.unwrap_or(u8::MAX))?;
    let yes = |on| if on { "yes" } else { "no" };
    let checked = instance.router.params().check_unicast_src;
    writeln!(out, "   Check unicast src : {}", yes(checked))?;
    out.write_str("   Unicast Peer :\n")?;
    for peer in &config.peers {
        writeln!(out, "     {} min_ttl {} max_ttl {}", peer.addr, peer.min_ttl, peer.max_ttl)?;
    }
    let old = match config.old_unicast_checksum {
        OldChecksum::Detect => "no",
        OldChecksum::Yes => "config",
        OldChecksum::Never => "never",
    };
    writeln!(out, "   Unicast checksum compatibility = {old}")
}

/// Routes and rules that move with mastership.
fn objects(out: &mut dyn Write, config: &model::Instance) -> fmt::Result {
    if !config.routes.is_empty() {
        out.write_str("   Virtual Routes :\n")?;
    }
    for route in &*config.routes {
        writeln!(out, "     {}", RouteLine(route))?;
    }
    if !config.rules.is_empty() {
        out.write_str("   Virtual Rules :\n")?;
    }
    for rule in &*config.rules {
        writeln!(out, "     {}", RuleLine(rule))?;
    }
    Ok(())
}

fn tracked(out: &mut dyn Write, instance: &Instance<'_>) -> fmt::Result {
    let config = instance.config;
    let trackers = Trackers {
        model: instance.model,
        interfaces: &config.track_interfaces,
        scripts: &config.track_scripts,
        files: &config.track_files,
        processes: &config.track_processes,
        sessions: &config.track_bfds,
    };
    trackers.write(out, "processes")
}

fn notifications(out: &mut dyn Write, instance: &Instance<'_>) -> fmt::Result {
    let config = instance.config;
    let mail = if config.smtp_alert { "yes" } else { "no" };
    writeln!(out, "   Using smtp notification = {mail}")?;
    let deleted = if config.notify.deleted { "Deleted" } else { "Fault" };
    writeln!(out, "   Notify deleted = {deleted}")?;
    for (what, runs) in SCRIPTS.iter().zip(&instance.scripts) {
        if let Some(runs) = runs {
            writeln!(out, "   {what} state transition script = {runs}")?;
        }
    }
    let changes = config.notify_priority_changes;
    writeln!(out, "   Notify priority changes = {changes}")
}

/// Reasons that the configuration itself gives.
const CONFIG_FAULTS: [Fault; 4] = [Fault::NoPeer, Fault::Conflict, Fault::Vmac, Fault::Socket];

const fn number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}
