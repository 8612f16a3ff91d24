//! Virtual servers, their real servers and the checks of those in the data dump.

use core::fmt::{self, Display, Write};

use super::Clock;
use crate::base::addr::Family;
use crate::config::model::check::{Checker, Probe};
use crate::config::model::service::{Granularity, Key, Method, RealServer, VirtualServer};
use crate::config::model::service_name::transport;
use crate::config::model::{ServerName, ServiceName, Tls};
use crate::config::value::Seconds;
use crate::proto::check::Check;
use crate::proto::lvs::{RealView, ServiceView};

/// A real server at work.
#[derive(Clone, Copy, Debug)]
pub struct ServerView {
    /// What the director says of it.
    pub view: RealView,
    /// How many of its checks have failed.
    pub failed: usize,
}

/// A check at work.
#[derive(Clone, Copy)]
pub struct CheckView<'a> {
    /// Its machine.
    pub machine: &'a Check,
    /// What is configured.
    pub config: &'a Checker,
    /// The real server that it is for.
    pub server: ServerName,
    /// The virtual server of that.
    pub service: ServiceName<'a>,
    /// How many more real servers it is for.
    pub shared: usize,
    /// Why it cannot run; none: it can.
    pub cannot_run: Option<&'a dyn Display>,
}

/// The `SSL` block. A password is not shown.
///
/// # Errors
/// What `out` says.
pub fn tls(out: &mut dyn Write, tls: &Tls) -> fmt::Result {
    let password = tls.password.as_ref().map(|_| "********");
    let lines = [
        ("Password", password),
        ("CA-file", tls.ca.as_deref()),
        ("Certificate file", tls.certificate.as_deref()),
        ("Key file", tls.key.as_deref()),
    ];
    lines
        .into_iter()
        .filter_map(|(label, value)| Some((label, value?)))
        .try_for_each(|(label, value)| writeln!(out, " {label} = {value}"))
}

/// A virtual server without its real servers. `order`: how many services of its group stand above it.
///
/// # Errors
/// What `out` says.
pub fn service(out: &mut dyn Write, config: &VirtualServer, order: u32, view: &ServiceView) -> fmt::Result {
    let yes = |on: bool| if on { "yes" } else { "no" };
    match &config.key {
        Key::Address(addr, port) => writeln!(out, " VIP = {addr}, VPORT = {port}")?,
        Key::Mark(mark) => writeln!(out, " FWMARK = {mark}")?,
        Key::Group(name) => writeln!(out, " VS GROUP = {name} ({order})")?,
    }
    if let Some(family) = config.family {
        writeln!(out, "   Address family = {}", family_word(family))?;
    }
    if let Some(host) = &config.host {
        writeln!(out, "   VirtualHost = {host}")?;
    }
    writeln!(out, "   lvs_sched = {}", config.scheduler.name())?;
    for (bit, label) in [(1, "flag-1"), (2, "flag-2"), (4, "flag-3")] {
        if config.flags & bit != 0 {
            writeln!(out, "   {label} = on")?;
        }
    }
    writeln!(out, "   One packet scheduling = {}", if config.one_packet { "on" } else { "off" })?;
    if let Some(seconds) = config.persistence {
        writeln!(out, "   persistence timeout = {seconds}")?;
    }
    match config.granularity {
        Some(Granularity::Mask(mask)) => writeln!(out, "   persistence granularity = {mask}")?,
        Some(Granularity::Length(length)) => writeln!(out, "   persistence granularity = {length}")?,
        None => {}
    }
    if let Some(engine) = &config.engine {
        writeln!(out, "   persistence engine = {engine}")?;
    }
    writeln!(out, "   protocol = {}", transport(config.protocol))?;
    writeln!(out, "   alpha is {}, omega is {}", on(config.params.alpha), on(config.params.omega))?;
    writeln!(out, "   inhibit on failure is {}", on(config.inhibit))?;
    writeln!(out, "   ha_suspend is {}", on(config.ha_suspend))?;
    writeln!(out, "   quorum = {}, hysteresis = {}", config.params.quorum, config.params.hysteresis)?;
    for (label, command) in [("up", &config.quorum_up), ("down", &config.quorum_down)] {
        if let Some(command) = command {
            writeln!(out, "   -> Notify script {label} = {}", command.raw)?;
        }
    }
    writeln!(out, "   Using smtp notification = {}", yes(config.smtp_alert))?;
    writeln!(out, "   default forwarding method = {}", method(config.method))?;
    if let Some(sorry) = &config.sorry {
        writeln!(out, "   sorry server = {}", config.sorry_name(sorry))?;
        writeln!(out, "   sorry server forwarding method = {}", method(sorry.method))?;
        writeln!(out, "   sorry server inhibit is {}", on(sorry.inhibit))?;
        writeln!(out, "   sorry server answers = {}", yes(view.sorry))?;
    }
    writeln!(out, "   alive = {}", yes(view.up > 0))?;
    writeln!(out, "   quorum_state_up = {}", yes(view.quorum))?;
    writeln!(out, "   live weight = {}", view.live)
}

/// One of the real servers of a virtual server.
///
/// # Errors
/// What `out` says.
pub fn server(out: &mut dyn Write, config: &RealServer, server: &ServerView) -> fmt::Result {
    let ServerView { view, failed } = server;
    writeln!(out, "   RIP = {}, RPORT = {}, WEIGHT = {}", config.addr, config.port, config.weight)?;
    writeln!(out, "     forwarding method = {}", method(config.method))?;
    writeln!(out, "     Using smtp notification = {}", if config.smtp_alert { "yes" } else { "no" })?;
    if config.upper != 0 || config.lower != 0 {
        writeln!(out, "     connection limit range = {} -> {}", config.lower, config.upper)?;
    }
    writeln!(out, "     inhibit on failure is {}", on(config.inhibit))?;
    if let Some(rare) = &config.more {
        for (label, command) in [("up", &rare.notify_up), ("down", &rare.notify_down)] {
            if let Some(command) = command {
                writeln!(out, "     -> Notify script {label} = {}", command.raw)?;
            }
        }
        if let Some(host) = &rare.host {
            writeln!(out, "     VirtualHost = {host}")?;
        }
    }
    writeln!(out, "     initial weight = {}", config.weight)?;
    writeln!(out, "     effective weight = {}", view.weight)?;
    writeln!(out, "     alive = {}", if view.up { "yes" } else { "no" })?;
    writeln!(out, "     num failed checkers = {failed}")?;
    writeln!(out, "     RS set = {}", if view.wanted.is_some() { "yes" } else { "no" })
}

/// A check.
///
/// # Errors
/// What `out` says.
pub fn check(clock: &Clock, out: &mut dyn Write, check: &CheckView<'_>) -> fmt::Result {
    let CheckView { machine, config, server, service, shared, cannot_run } = check;
    let (cadence, memory) = (machine.cadence(), machine.memory());
    let yes = |on: bool| if on { "yes" } else { "no" };
    writeln!(out, " {server} of {service}")?;
    writeln!(out, "   Keepalive method = {}", config.probe.keyword())?;
    writeln!(out, "   Enabled = {}", yes(!machine.is_suspended()))?;
    writeln!(out, "   Up = {}", yes(machine.is_up()))?;
    writeln!(out, "   Has run = {}", yes(memory.decided))?;
    if *shared > 0 {
        writeln!(out, "   Shared with {shared} more real servers")?;
    }
    writeln!(out, "   Alpha = {}", on(cadence.alpha))?;
    writeln!(out, "   Delay loop = {}", Seconds(cadence.delay_loop))?;
    writeln!(out, "   Warmup = {}", Seconds(cadence.warmup))?;
    writeln!(out, "   Retries = {}", cadence.retry)?;
    writeln!(out, "   Delay before retry = {}", Seconds(cadence.delay_before_retry))?;
    writeln!(out, "   Retries iterations = {}", memory.failures)?;
    writeln!(out, "   Log all failures = {}", yes(cadence.log_all_failures))?;
    if let Some(target) = config.probe.target() {
        writeln!(out, "   Connection")?;
        writeln!(out, "     Dest = [{}]:{}", target.addr, target.port)?;
        if let Some(origin) = &target.origin {
            if let Some(addr) = origin.addr {
                writeln!(out, "     Bind to = {addr}")?;
            }
            if origin.port != 0 {
                writeln!(out, "     Bind port = {}", origin.port)?;
            }
            if let Some(interface) = &origin.interface {
                writeln!(out, "     Bind i/f = {interface}")?;
            }
            if origin.fwmark != 0 {
                writeln!(out, "     Mark = {}", origin.fwmark)?;
            }
        }
        writeln!(out, "     Timeout = {}", Seconds(cadence.timeout))?;
    }
    match &config.probe {
        Probe::Http(_, params) | Probe::Ssl(_, params) => {
            for page in &params.pages {
                writeln!(out, "   Checked url = {}", page.path)?;
            }
        }
        Probe::Smtp(_, params) => writeln!(out, "   HELO = {}", params.helo)?,
        Probe::Dns(_, params) => writeln!(out, "   Type = {}, name = {}", params.kind.name(), params.name)?,
        Probe::Misc(misc) => {
            writeln!(out, "   script = {}", misc.command.raw)?;
            writeln!(out, "   timeout = {}", misc.timeout)?;
            writeln!(out, "   dynamic = {}", yes(misc.dynamic))?;
        }
        Probe::Tcp(..) | Probe::Udp(..) | Probe::Ping(_) | Probe::File(..) | Probe::Bfd(_) => {}
    }
    if let Some(last) = machine.last() {
        let how = if last.result.is_ok() { "passed" } else { "failed" };
        writeln!(out, "   Last result = {how} at {}", clock.wall_of(last.at).secs)?;
    }
    if let Some(why) = cannot_run {
        writeln!(out, "   Cannot run = {why}")?;
    }
    if machine.is_overdue(clock.now) {
        writeln!(out, "   Overdue")?;
    }
    Ok(())
}

const fn on(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

const fn family_word(family: Family) -> &'static str {
    match family {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    }
}

const fn method(method: Method) -> &'static str {
    match method {
        Method::Nat => "NAT",
        Method::Direct => "DR",
        Method::Tunnel(_) => "TUN",
    }
}
