//! Metrics of Prometheus: names and labels of the two exporters in use for keepalived (mehdy's and gen2brain's), so that
//! their dashboards go on, and our own beside them.
//!
//! A family is written as a whole before the next one, as both forms want it: the head of a family is the piece before its
//! first object.

use core::fmt::{self, Display, Write};
#[cfg(feature = "lvs")]
use core::net::SocketAddr;

use super::vrrp::{addresses, number};
#[cfg(feature = "lvs")]
use crate::config::model::ServiceName;
#[cfg(feature = "lvs")]
use crate::config::model::service::{Key, Protocol, RealServer, VirtualServer};
use crate::daemon::kind;
#[cfg(feature = "lvs")]
use crate::daemon::moment::Epoch;
#[cfg(feature = "lvs")]
use crate::proto::lvs::{RealView, ServiceView};
use crate::proto::vrrp::{Counters, State};
use crate::status::dump::instance::{Instance, word};
#[cfg(feature = "lvs")]
use crate::status::dump::service::CheckView;
use crate::status::dump::{Clock, Seconds};
use crate::status::stats::Process;
#[cfg(feature = "lvs")]
use crate::sys::ipvs::{Load, Stats};

/// The form of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Prometheus' text form, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    Open,
}

/// A family of samples.
#[derive(Clone, Copy, Debug)]
pub struct Family<'a> {
    /// Its name behind `keepalived_`; that of a counter without `_total`.
    pub name: &'a str,
    /// What it is.
    pub kind: Kind,
    /// What it means.
    pub help: &'static str,
}

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows; its samples end in `_total`.
    Counter,
    /// The same under a name of old, without the ending, which OpenMetrics takes for no counter.
    Bare,
    /// It goes up and down.
    Gauge,
}

/// The labels of a sample.
pub type Labels<'a> = [(&'a str, &'a dyn Display)];

impl<'a> Family<'a> {
    const fn new(name: &'a str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, help }
    }

    /// Writes what stands in front of its samples.
    ///
    /// # Errors
    /// What `out` says.
    pub fn head(&self, out: &mut dyn Write, form: Form) -> fmt::Result {
        let Self { name, kind, help } = self;
        let (ending, kind) = match (kind, form) {
            (Kind::Counter, Form::Text) => ("_total", "counter"),
            (Kind::Counter, Form::Open) => ("", "counter"),
            (Kind::Bare, Form::Text) => ("", "counter"),
            (Kind::Bare, Form::Open) => ("", "unknown"),
            (Kind::Gauge, _) => ("", "gauge"),
        };
        writeln!(out, "# HELP keepalived_{name}{ending} {help}\n# TYPE keepalived_{name}{ending} {kind}")
    }

    /// Writes a sample.
    ///
    /// # Errors
    /// What `out` says.
    pub fn sample(&self, out: &mut dyn Write, labels: &Labels<'_>, value: &dyn Display) -> fmt::Result {
        out.write_str("keepalived_")?;
        out.write_str(self.name)?;
        if self.kind == Kind::Counter {
            out.write_str("_total")?;
        }
        for ((label, text), before) in labels.iter().zip(core::iter::once('{').chain(core::iter::repeat(',')))
        {
            write!(out, "{before}{label}=\"")?;
            write!(Escaping(out), "{text}")?;
            out.write_char('"')?;
        }
        if !labels.is_empty() {
            out.write_char('}')?;
        }
        writeln!(out, " {value}")
    }
}

/// Escapes the text of a label.
struct Escaping<'a>(&'a mut dyn Write);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(['\\', '"', '\n']) {
            let (plain, last) = part.split_at(part.trim_end_matches(['\\', '"', '\n']).len());
            self.0.write_str(plain)?;
            self.0.write_str(match last {
                "\\" => "\\\\",
                "\"" => "\\\"",
                "\n" => "\\n",
                other => other,
            })?;
        }
        Ok(())
    }
}

/// What a family says of an instance.
#[derive(Clone, Copy)]
enum Says {
    /// A counter, by mehdy's labels.
    Count(fn(&Counters) -> u64),
    /// A counter, by gen2brain's.
    Bare(fn(&Counters) -> u64),
    /// The state, once for each address.
    State,
    /// The same for each excluded address.
    Excluded,
    GarpDelay,
    Priority,
    Heard,
    Held,
    Configured,
    Yields,
}

macro_rules! instances {
    ($($name:literal $meaning:literal $says:expr;)*) => {
        /// Name and meaning of each family, one a line: two pointers and two lengths for each would take as much again.
        const TEXTS: &str = concat!($($name, " ", $meaning, "\n"),*);
        static SAYS: &[Says] = &[$($says),*];
    };
}

// The families of virtual routers. Those of gen2brain's exporter have one meaning, which stands in BARE.
instances! {
    "vrrp_state" "State of the virtual router: 0 INIT, 1 BACKUP, 2 MASTER, 3 FAULT" Says::State;
    "vrrp_excluded_state" "The same by excluded addresses" Says::Excluded;
    "advertisements_received" "Adverts received" Says::Count(|c| c.received);
    "advertisements_sent" "Adverts sent" Says::Count(|c| c.sent);
    "become_master" "Times that it became MASTER" Says::Count(|c| c.became_master.into());
    "release_master" "Times that it gave up being MASTER" Says::Count(|c| c.released_master.into());
    "packet_length_errors" "Adverts of a wrong length" Says::Count(|c| c.length.into());
    "advertisements_interval_errors" "Adverts of another interval" Says::Count(|c| c.interval.into());
    "ip_ttl_errors" "Adverts that came over a router" Says::Count(|c| c.hop_limit.into());
    "invalid_type_received" "Packets that are no adverts" Says::Count(|c| c.kind.into());
    "address_list_errors" "Adverts with other addresses" Says::Count(|c| c.address_list.into());
    "authentication_invalid" "Adverts of an unknown authentication" Says::Count(|c| c.auth_type.into());
    "authentication_mismatch" "Adverts of another authentication" Says::Count(|c| c.auth_mismatch.into());
    "authentication_failure" "Adverts whose authentication failed" Says::Count(|c| c.auth_failure.into());
    "priority_zero_received" "Adverts of priority 0 received" Says::Count(|c| c.zero_received.into());
    "priority_zero_sent" "Adverts of priority 0 sent" Says::Count(|c| c.zero_sent.into());
    // In truth a setting; the exporter calls it a counter.
    "gratuitous_arp_delay" "Seconds until addresses are announced again" Says::GarpDelay;
    "vrrp_version_errors" "Adverts of the other version" Says::Count(|c| c.version.into());
    "vrrp_checksum_errors" "Adverts with a wrong checksum" Says::Count(|c| c.checksum.into());
    "vrrp_addresses_restored" "Addresses put back after somebody had deleted them" Says::Count(|c| c.restored.into());
    "vrrp_advert_rcvd" "" Says::Bare(|c| c.received);
    "vrrp_advert_sent" "" Says::Bare(|c| c.sent);
    "vrrp_become_master" "" Says::Bare(|c| c.became_master.into());
    "vrrp_release_master" "" Says::Bare(|c| c.released_master.into());
    "vrrp_packet_len_err" "" Says::Bare(|c| c.length.into());
    "vrrp_advert_interval_err" "" Says::Bare(|c| c.interval.into());
    "vrrp_ip_ttl_err" "" Says::Bare(|c| c.hop_limit.into());
    "vrrp_invalid_type_rcvd" "" Says::Bare(|c| c.kind.into());
    "vrrp_addr_list_err" "" Says::Bare(|c| c.address_list.into());
    "vrrp_invalid_authtype" "" Says::Bare(|c| c.auth_type.into());
    "vrrp_authtype_mismatch" "" Says::Bare(|c| c.auth_mismatch.into());
    "vrrp_auth_failure" "" Says::Bare(|c| c.auth_failure.into());
    "vrrp_pri_zero_rcvd" "" Says::Bare(|c| c.zero_received.into());
    "vrrp_pri_zero_sent" "" Says::Bare(|c| c.zero_sent.into());
    "vrrp_priority" "Effective priority" Says::Priority;
    "vrrp_master_heard_seconds" "Since the last advert of the MASTER that a BACKUP listens to" Says::Heard;
    "vrrp_addresses_in_kernel" "Virtual addresses that are in the kernel" Says::Held;
    "vrrp_addresses" "Virtual addresses" Says::Configured;
    "vrrp_failover_by_hand" "It gave up by hand and does not preempt" Says::Yields;
}

/// What the families of [`Says::Bare`] mean.
const BARE: &str = "As keepalived_exporter of gen2brain has it";

/// A flat position among families of `count` objects each: the family, and none for its head or the object.
#[must_use]
pub const fn place(position: usize, count: usize) -> (usize, Option<usize>) {
    let each = count.saturating_add(1);
    (position / each, (position % each).checked_sub(1))
}

/// The head of a family of virtual routers; none: there is no such family.
#[must_use]
pub fn instances(position: usize) -> Option<Family<'static>> {
    let (kind, bare) = match SAYS.get(position)? {
        Says::Bare(_) => (Kind::Bare, Some(BARE)),
        Says::Count(_) | Says::GarpDelay => (Kind::Counter, None),
        _ => (Kind::Gauge, None),
    };
    let (name, meaning) = TEXTS.split('\n').nth(position)?.split_once(' ')?;
    Some(Family::new(name, kind, bare.unwrap_or(meaning)))
}

/// Writes what a family says of an instance.
///
/// # Errors
/// What `out` says.
pub fn instance(out: &mut dyn Write, clock: &Clock, position: usize, instance: &Instance<'_>) -> fmt::Result {
    let (Some(family), Some(says)) = (instances(position), SAYS.get(position)) else { return Ok(()) };
    let (config, machine) = (instance.config, instance.router.machine());
    let (name, vrid, state) = (&config.name, instance.router.params().vrid, machine.state());
    let intf = instance.own.or(instance.base).unwrap_or_default();
    let mut one =
        |value: &dyn Display| family.sample(out, &[("iname", name), ("intf", &intf), ("vrid", &vrid)], value);
    let (held, count) = addresses(instance);
    match says {
        Says::Count(count) => one(&count(instance.router.counters())),
        Says::Bare(count) => {
            let labels: [(&str, &dyn Display); 4] =
                [("name", name), ("intf", &intf), ("vrid", &vrid), ("state", &word(state))];
            family.sample(out, &labels, &count(instance.router.counters()))
        }
        Says::GarpDelay => one(&Seconds(instance.router.params().garp.delay)),
        Says::Priority => one(&machine.effective_priority()),
        Says::Heard => match machine.heard().filter(|_| state == State::Backup) {
            Some(heard) => one(&super::Ago::of(clock.now, heard)),
            None => Ok(()),
        },
        Says::Held => one(&held),
        Says::Configured => one(&count),
        Says::Yields => one(&u8::from(machine.is_yielding())),
        Says::State | Says::Excluded => {
            let (lines, first) = match says {
                Says::State => (config.addresses.as_slice(), 0),
                _ => (config.excluded.as_slice(), config.addresses.len()),
            };
            for (line, position) in lines.iter().zip(first..) {
                let intf = (instance.place)(position).interface.unwrap_or(intf);
                let labels: [(&str, &dyn Display); 4] =
                    [("iname", name), ("intf", &intf), ("vrid", &vrid), ("ip_address", &line.prefix)];
                family.sample(out, &labels, &number(state))?;
            }
            if lines.is_empty() && matches!(says, Says::State) {
                let labels: [(&str, &dyn Display); 4] =
                    [("iname", name), ("intf", &intf), ("vrid", &vrid), ("ip_address", &"")];
                family.sample(out, &labels, &number(state))?;
            }
            Ok(())
        }
    }
}

/// The families of tracked scripts.
pub static SCRIPTS: [Family<'static>; 2] = [
    Family::new("script_status", Kind::Gauge, "Result of the tracked script: 0 bad, 1 good"),
    Family::new("script_state", Kind::Gauge, "The tracked script: 0 idle, 1 running"),
];

/// Octets of the longest of these names, and some.
const LONGEST_NAME: usize = 48;

/// Writes what a process has counted of itself. Each process has families of its own, for each writes its own.
///
/// # Errors
/// What `out` says.
pub fn process(out: &mut dyn Write, form: Form, child: kind::Kind, counted: &Process) -> fmt::Result {
    let seconds = Seconds(counted.latest);
    let all: [(&str, Kind, &'static str, &dyn Display); 6] = [
        (
            "heap_allocations",
            Kind::Counter,
            "Heap allocations since the start was over",
            &counted.allocations,
        ),
        ("heap_bytes", Kind::Gauge, "Octets on the heap", &counted.live),
        ("loop_turns", Kind::Counter, "Turns of the loop", &counted.turns),
        ("loop_stalls", Kind::Counter, "Turns that began late", &counted.stalls),
        ("loop_lateness_seconds", Kind::Gauge, "The longest time by which a turn began late", &seconds),
        ("netlink_overruns", Kind::Counter, "Times that the kernel dropped notifications", &counted.overruns),
    ];
    all.iter().try_for_each(|(tail, kind, help, value)| {
        let mut name = heapless::String::<LONGEST_NAME>::new();
        write!(name, "{}_{tail}", child.word())?;
        let family = Family::new(&name, *kind, help);
        family.head(out, form)?;
        family.sample(out, &[], *value)
    })
}

/// What a family says of a virtual server or of a real server.
pub enum Of<View, Counts> {
    /// What was decided of it.
    Decided(fn(&View) -> u64),
    /// What the kernel has counted, by the labels of gen2brain's exporter.
    Counted(fn(&Counts) -> u64),
}

/// The families of virtual servers.
#[cfg(feature = "lvs")]
pub static SERVICES: [(Family<'static>, Of<ServiceView, Stats>); 8] = [
    decided("lvs_quorum", "The virtual server has quorum", |view| view.quorum.into()),
    decided("lvs_live_weight", "Weight of the real servers that are up", |view| view.live),
    decided("lvs_servers_up", "Real servers that are up", |view| view.up.into()),
    counted("lvs_vip_conn", Kind::Bare, |stats| stats.connections),
    counted("lvs_vip_in_packets", Kind::Bare, |stats| stats.in_packets),
    counted("lvs_vip_out_packets", Kind::Bare, |stats| stats.out_packets),
    counted("lvs_vip_in_bytes", Kind::Bare, |stats| stats.in_octets),
    counted("lvs_vip_out_bytes", Kind::Bare, |stats| stats.out_octets),
];

/// The families of real servers.
#[cfg(feature = "lvs")]
pub static SERVERS: [(Family<'static>, Of<RealView, Load>); 11] = [
    decided("lvs_server_up", "The real server is up", |view| view.up.into()),
    decided("lvs_server_weight", "Weight of the real server while it is up", |view| view.weight.into()),
    decided("lvs_server_weight_by_hand", "That weight was given by hand", |view| {
        view.by_hand.is_some().into()
    }),
    counted("lvs_rs_conn", Kind::Bare, |load| load.stats.connections),
    counted("lvs_rs_in_packets", Kind::Bare, |load| load.stats.in_packets),
    counted("lvs_rs_out_packets", Kind::Bare, |load| load.stats.out_packets),
    counted("lvs_rs_in_bytes", Kind::Bare, |load| load.stats.in_octets),
    counted("lvs_rs_out_bytes", Kind::Bare, |load| load.stats.out_octets),
    counted("lvs_rs_active_connections", Kind::Gauge, |load| load.active),
    counted("lvs_rs_inactive_connections", Kind::Gauge, |load| load.inactive),
    counted("lvs_rs_persistent_connections", Kind::Gauge, |load| load.persistent),
];

#[cfg(feature = "lvs")]
const fn decided<View, Counts>(
    name: &'static str,
    help: &'static str,
    value: fn(&View) -> u64,
) -> (Family<'static>, Of<View, Counts>) {
    (Family::new(name, Kind::Gauge, help), Of::Decided(value))
}

#[cfg(feature = "lvs")]
const fn counted<View, Counts>(
    name: &'static str,
    kind: Kind,
    value: fn(&Counts) -> u64,
) -> (Family<'static>, Of<View, Counts>) {
    (Family::new(name, kind, "As the kernel has counted it"), Of::Counted(value))
}

/// The head of a family of virtual servers or of real servers; none: there is no such family.
#[cfg(feature = "lvs")]
#[must_use]
pub fn services(position: usize) -> Option<&'static Family<'static>> {
    let of_servers = || SERVERS.get(position.checked_sub(SERVICES.len())?).map(|(family, _)| family);
    SERVICES.get(position).map(|(family, _)| family).or_else(of_servers)
}

/// A virtual server in labels.
#[cfg(feature = "lvs")]
#[derive(Clone, Copy)]
pub struct Labelled<'a> {
    /// Its name.
    pub name: ServiceName<'a>,
    /// What is configured.
    pub config: &'a VirtualServer,
}

/// The address and the port by which gen2brain's exporter names a virtual server; it has other names only where it has no
/// address.
#[cfg(feature = "lvs")]
impl Display for Labelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.config.key {
            Key::Address(addr, port) => SocketAddr::new(*addr, *port).fmt(f),
            _ => self.name.fmt(f),
        }
    }
}

#[cfg(feature = "lvs")]
impl Labelled<'_> {
    /// The number of its protocol; 0: it has none.
    fn protocol(&self) -> u16 {
        self.config.protocol.map_or(0, Protocol::number)
    }

    /// Writes what the family at a position among [`SERVICES`] says of it.
    ///
    /// # Errors
    /// What `out` says.
    pub fn sample(
        &self,
        out: &mut dyn Write,
        (family, of): &(Family<'static>, Of<ServiceView, Stats>),
        view: &ServiceView,
        stats: Option<&Stats>,
    ) -> fmt::Result {
        match (of, stats) {
            (Of::Decided(value), _) => family.sample(out, &[("service", &self.name)], &value(view)),
            (Of::Counted(value), Some(stats)) => {
                family.sample(out, &[("addr", self), ("proto", &self.protocol())], &value(stats))
            }
            (Of::Counted(_), None) => Ok(()),
        }
    }

    /// The same of [`SERVERS`] for one of its real servers.
    ///
    /// # Errors
    /// What `out` says.
    pub fn sample_server(
        &self,
        out: &mut dyn Write,
        (family, of): &(Family<'static>, Of<RealView, Load>),
        (server, name): (&RealServer, &dyn Display),
        view: &RealView,
        load: Option<&Load>,
    ) -> fmt::Result {
        match (of, load) {
            (Of::Decided(value), _) => {
                family.sample(out, &[("service", &self.name), ("server", name)], &value(view))
            }
            (Of::Counted(value), Some(load)) => {
                let addr = SocketAddr::new(server.addr, server.port);
                let labels: [(&str, &dyn Display); 3] =
                    [("vip", self), ("addr", &addr), ("proto", &self.protocol())];
                family.sample(out, &labels, &value(load))
            }
            (Of::Counted(_), None) => Ok(()),
        }
    }
}

/// The families of checks.
pub static CHECKS: [Family<'static>; 3] = [
    Family::new("check_up", Kind::Gauge, "The last verdict of the check is up"),
    Family::new("check_overdue", Kind::Gauge, "The check has not run for three times its interval"),
    Family::new("check_last_run_timestamp_seconds", Kind::Gauge, "When the check last ran"),
];

/// Writes what a family says of a check; `number` tells those apart that are alike but for a port or a page.
///
/// # Errors
/// What `out` says.
#[cfg(feature = "lvs")]
pub fn check(
    out: &mut dyn Write,
    clock: &Clock,
    position: usize,
    number: usize,
    view: &CheckView<'_>,
) -> fmt::Result {
    let Some(family) = CHECKS.get(position) else { return Ok(()) };
    let machine = view.machine;
    let (kind, server, service) = (view.config.probe.keyword(), &view.server, &view.service);
    let labels: [(&str, &dyn Display); 4] =
        [("kind", &kind), ("server", server), ("service", service), ("number", &number)];
    match position {
        0 => family.sample(out, &labels, &u8::from(machine.is_up())),
        1 => family.sample(out, &labels, &u8::from(machine.is_overdue(clock.now))),
        _ => match machine.last() {
            Some(last) => family.sample(out, &labels, &Epoch(clock.wall_of(last.at))),
            None => Ok(()),
        },
    }
}

/// The family of BFD sessions.
pub static SESSIONS: Family<'static> = Family::new("bfd_up", Kind::Gauge, "The BFD session is up");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_heads_are_those_of_the_form() {
        let family = Family::new("a", Kind::Counter, "A");
        let mut out = String::new();
        family.head(&mut out, Form::Text).unwrap();
        family.sample(&mut out, &[("x", &"q\"\\\"\n\\\\z"), ("y", &1)], &2).unwrap();
        assert_eq!(
            out,
            "# HELP keepalived_a_total A\n# TYPE keepalived_a_total counter\nkeepalived_a_total{x=\"q\\\"\\\\\\\"\\n\\\\\\\\z\",y=\"1\"} 2\n"
        );
        out.clear();
        family.head(&mut out, Form::Open).unwrap();
        Family::new("b", Kind::Bare, "B").head(&mut out, Form::Open).unwrap();
        Family::new("c", Kind::Gauge, "C").sample(&mut out, &[], &0).unwrap();
        assert_eq!(
            out,
            "# HELP keepalived_a A\n# TYPE keepalived_a counter\n# HELP keepalived_b B\n# TYPE keepalived_b unknown\nkeepalived_c 0\n"
        );
    }

    #[test]
    fn every_family_has_a_name_of_its_own_and_every_object_its_place() {
        let all = (0..).map_while(instances).chain(CHECKS).chain(SCRIPTS);
        #[cfg(feature = "lvs")]
        let all = all.chain((0..).map_while(services).copied());
        let mut names: Vec<_> = all.map(|family| family.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        let places: Vec<_> = (0..5).map(|position| place(position, 1)).collect();
        assert_eq!(places, [(0, None), (0, Some(0)), (1, None), (1, Some(0)), (2, None)]);
        assert_eq!((place(0, 0), place(1, 0)), ((0, None), (1, None)));
    }
}
