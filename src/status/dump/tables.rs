//! What the virtual routers share: sockets, scripts, interfaces.

use core::fmt::{self, Write};

use super::tracked::Weighed;
use super::{Or, Quoted, Runs, Seconds};
use crate::base::addr::{Family, IpAddr, Ipv4Addr, Ipv6Addr};
use crate::base::id::IfIndex;
use crate::base::mac::Mac;
use crate::base::time::Span;
use crate::config::model;
use crate::proto::track::{Delays, LinkMethod, Script as Machine, Verdict, Weight};

/// A socket of the pool.
#[derive(Clone, Copy, Debug)]
pub struct Socket<'a> {
    /// The descriptor that adverts come in by.
    pub heard: i32,
    /// The descriptor that adverts go out by.
    pub sent: Option<i32>,
    /// The interface; none: any.
    pub interface: Option<&'a str>,
    /// The family of the adverts.
    pub family: Family,
    /// Multicast, not unicast.
    pub multicast: bool,
    /// Adverts come in an authentication header.
    pub header: bool,
    /// Octets asked for its queue.
    pub buffer: Option<u32>,
}

/// A `vrrp_script` as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    /// What the configuration says.
    pub config: &'a model::Script,
    /// How it is judged.
    pub machine: &'a Machine,
    /// What runs; none: it cannot run.
    pub runs: Option<Runs<'a>>,
    /// Somebody else than root could change what runs as root.
    pub insecure: bool,
    /// A run is under way.
    pub running: bool,
}

/// A network interface as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Interface<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its number; none: it does not exist.
    pub index: Option<IfIndex>,
    /// Its first IPv4 address that is not ours.
    pub v4: Option<Ipv4Addr>,
    /// Its first link-local IPv6 address that is not ours.
    pub v6: Option<Ipv6Addr>,
    /// Its Ethernet address.
    pub mac: Option<Mac>,
    /// The administrator wants it up.
    pub wanted_up: bool,
    /// Packets can leave.
    pub up: bool,
    /// They could at some time since it is there.
    pub seen_up: bool,
    /// For an interface of our own: the one that it lies on, and whether that is up.
    pub lies_on: Option<(&'a str, bool)>,
    /// What it is: `VMAC type private`, or `IPVLAN type L2`.
    pub own_type: &'static str,
    /// `dynamic_interfaces allow_if_changes`
    pub changeable: bool,
    /// Octets of the longest packet.
    pub mtu: u32,
    /// ARPHRD_ number.
    pub hardware_type: u16,
    /// How long a change has to last before it counts.
    pub delays: Delays,
    /// One has not lasted so long yet.
    pub waits: bool,
    /// How its driver is asked for the link, if it is.
    pub polled: Option<LinkMethod>,
    /// How far apart announcements leave by it.
    pub spacing: Spacing,
    /// Settings that were changed for instances, as they were before.
    pub settings: Settings,
}

/// How far apart announcements leave; zero: as they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spacing {
    /// Between two gratuitous ARPs.
    pub garp: Span,
    /// Between two neighbour advertisements.
    pub gna: Span,
    /// The number of the `garp_group`, if the interface is in one.
    pub group: Option<usize>,
}

/// Settings of an interface before they were changed; 0 if they were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Interfaces of our own that need the settings about ARP.
    pub arp_users: usize,
    /// `arp_ignore`
    pub arp_ignore: i64,
    /// `arp_filter`
    pub arp_filter: i64,
    /// `rp_filter` as it is given, if it is.
    pub rp_filter: Option<i64>,
    /// `promote_secondaries`
    pub promote_secondaries: i64,
    /// Instances that ask for `promote_secondaries`.
    pub promote_users: usize,
}

/// Writes a socket and who uses it: name and router id.
///
/// # Errors
/// What `out` says.
pub fn socket<'a>(
    out: &mut dyn Write,
    socket: &Socket<'_>,
    users: impl Iterator<Item = (&'a str, u8)>,
) -> fmt::Result {
    writeln!(out, " fd_in {} fd_out = {}", socket.heard, socket.sent.unwrap_or(-1))?;
    writeln!(out, "   Interface = {}", Or(socket.interface, "(any)"))?;
    writeln!(out, "   Family = {}", socket.family)?;
    writeln!(out, "   Protocol = {}", if socket.header { "AH" } else { "VRRP" })?;
    let kind = if socket.multicast { "Multicast" } else { "Unicast" };
    writeln!(out, "   Type = {kind}")?;
    writeln!(out, "   Rx buf size = {}", socket.buffer.unwrap_or(0))?;
    out.write_str("   VRRP instances\n")?;
    for (name, vrid) in users {
        writeln!(out, "     {name} vrid {vrid}")?;
    }
    Ok(())
}

/// Writes a script and who tracks it.
///
/// # Errors
/// What `out` says.
pub fn script(
    out: &mut dyn Write,
    script: &Script<'_>,
    users: &mut dyn Iterator<Item = (&str, Weight)>,
) -> fmt::Result {
    let params = script.machine.params();
    writeln!(out, " VRRP Script = {}", script.config.name)?;
    match script.runs {
        Some(runs) => writeln!(out, "   Command = {}", Quoted(runs.words.iter().take(runs.fixed)))?,
        None => {
            let words = script.config.command.argv.iter();
            writeln!(out, "   Command = {}", Quoted(words.map(|word| word.to_bytes())))?;
        }
    }
    writeln!(out, "   Interval = {} sec", Seconds(params.interval))?;
    let timeout = params.timeout.unwrap_or(Span::ZERO);
    writeln!(out, "   Timeout = {} sec", Seconds(timeout))?;
    writeln!(out, "   Weight = {}", Weighed(params.weight))?;
    writeln!(out, "   Rise = {}", params.rise)?;
    writeln!(out, "   Fall = {}", params.fall)?;
    writeln!(out, "   Result = {}", result(script.machine))?;
    let insecure = if script.insecure { "yes" } else { "no" };
    writeln!(out, "   Insecure = {insecure}")?;
    let fresh = script.machine.last_code().is_none()
        && (params.init_fail || script.machine.verdict() == Verdict::Unknown);
    let init = if fresh { "INIT" } else { "unknown" };
    writeln!(out, "   Init state = {init}")?;
    let status = match script.machine.verdict() {
        _ if script.runs.is_none() => "DISABLED",
        Verdict::Up => "GOOD",
        Verdict::Down | Verdict::Unknown => "BAD",
    };
    writeln!(out, "   Status = {status}")?;
    if let Some(runs) = script.runs {
        writeln!(out, "   Script uid:gid = {}", runs.owner)?;
    }
    out.write_str("   VRRP instances :\n")?;
    tracking(out, "Tracking instances", users)?;
    let state = if script.running { "running" } else { "idle" };
    writeln!(out, "   State = {state}")
}

/// keepalived's measure: from 0 up to `rise` - 1 it is down, from there to `rise` + `fall` - 1 up.
fn result(machine: &Machine) -> u32 {
    let params = machine.params();
    match machine.verdict() {
        Verdict::Unknown => 0,
        Verdict::Down => machine.streak(),
        Verdict::Up => {
            params.rise.saturating_add(params.fall).saturating_sub(1).saturating_sub(machine.streak())
        }
    }
}

/// Writes an interface and which instances look at it.
///
/// # Errors
/// What `out` says.
pub fn interface(
    out: &mut dyn Write,
    interface: &Interface<'_>,
    users: &mut dyn Iterator<Item = (&str, Weight)>,
) -> fmt::Result {
    writeln!(out, " Name = {}", interface.name)?;
    match interface.index {
        Some(index) => writeln!(out, "   index = {}", index.0)?,
        None => out.write_str("   index = 0 (deleted)\n")?,
    }
    writeln!(out, "   IPv4 address = {}", Or(interface.v4.map(IpAddr::V4), "(none)"))?;
    writeln!(out, "   IPv6 address = {}", Or(interface.v6.map(IpAddr::V6), "(none)"))?;
    if let Some(mac) = interface.mac {
        writeln!(out, "   MAC = {mac}")?;
        writeln!(out, "   MAC broadcast = {}", Mac::BROADCAST)?;
    }
    // An interface that is not there can do nothing; a loopback needs neither.
    let able = match (interface.index, interface.hardware_type) {
        (None, _) => ", no broadcast, no multicast",
        (_, LOOPBACK) => ", no broadcast, loopback, no multicast",
        _ => "",
    };
    let state = |up: bool, running: bool| match (up, running) {
        (true, true) => "UP, RUNNING",
        (true, false) => "UP, not RUNNING",
        (false, _) => "not UP, not RUNNING",
    };
    writeln!(out, "   State = {}{able}", state(interface.wanted_up, interface.up))?;
    writeln!(out, "   Seen up = {}", u8::from(interface.seen_up))?;
    if let Some((base, up)) = interface.lies_on {
        let (under, own) = (state(up, up), interface.own_type);
        writeln!(out, "   {own}, underlying interface = {base}, state = {under}")?;
        out.write_str("   I/f created by keepalived\n")?;
    }
    writeln!(out, "   Delayed state change running = {}", interface.waits)?;
    writeln!(out, "   Up debounce timer = {}us", interface.delays.up.as_micros())?;
    writeln!(out, "   Down debounce timer = {}us", interface.delays.down.as_micros())?;
    if interface.changeable {
        out.write_str("   Interface type/base can be changed\n")?;
    }
    writeln!(out, "   MTU = {}", interface.mtu)?;
    match interface.hardware_type {
        ETHERNET => out.write_str("   HW Type = ETHERNET\n")?,
        LOOPBACK => out.write_str("   HW Type = LOOPBACK\n")?,
        INFINIBAND => out.write_str("   HW Type = INFINIBAND\n")?,
        other => writeln!(out, "   HW Type = UNKNOWN ({other})")?,
    }
    out.write_str(match interface.polled {
        None => "   NIC netlink status update\n",
        Some(LinkMethod::Mii) => "   NIC support MII regs\n",
        Some(LinkMethod::Ethtool) => "   NIC support ETHTOOL GLINK interface\n",
        Some(LinkMethod::Ioctl) => "   NIC ioctl refresh polling\n",
    })?;
    for (what, interval) in [("ARP", interface.spacing.garp), ("NA", interface.spacing.gna)] {
        if !interval.is_zero() {
            writeln!(out, "   Gratuitous {what} interval {}ms", interval.as_millis())?;
        }
    }
    if let Some(group) = interface.spacing.group {
        writeln!(out, "   Gratuitous ARP aggregation group {group}")?;
    }
    let settings = &interface.settings;
    writeln!(out, "   Reset ARP config counter {}", settings.arp_users)?;
    writeln!(out, "   Original arp_ignore {}", settings.arp_ignore)?;
    writeln!(out, "   Original arp_filter {}", settings.arp_filter)?;
    if let Some(value) = settings.rp_filter {
        writeln!(out, "   rp_filter {value}")?;
    }
    writeln!(out, "   Original promote_secondaries {}", settings.promote_secondaries)?;
    writeln!(out, "   Reset promote_secondaries counter {}", settings.promote_users)?;
    tracking(out, "Tracking VRRP instances", users)
}

/// ARPHRD_ numbers.
const ETHERNET: u16 = 1;
const INFINIBAND: u16 = 32;
const LOOPBACK: u16 = 772;

pub(super) fn tracking(
    out: &mut dyn Write,
    label: &str,
    users: &mut dyn Iterator<Item = (&str, Weight)>,
) -> fmt::Result {
    for (position, (name, weight)) in users.enumerate() {
        if position == 0 {
            writeln!(out, "   {label} :")?;
        }
        writeln!(out, "     {name}, weight {}", Weighed(weight))?;
    }
    Ok(())
}
