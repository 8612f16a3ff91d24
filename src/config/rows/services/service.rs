//! `virtual_server` and its `sorry_server`.

use std::sync::Arc;

use super::{
    Takes, Timed, connect_timeout, delay_before_retry, delay_loop, group, method, real, retry, warmup,
};
use crate::base::addr::{Family, IpAddr, Ipv4Addr};
use crate::base::feature;
use crate::config::line::Line;
use crate::config::model::At;
use crate::config::model::service::{
    Granularity, Key, Method, Protocol, Scheduler, SorryServer, Timing, VirtualServer,
};
use crate::config::row::Kind::{self, Custom, Flag, Integer, Object, Script, Switch, Text};
use crate::config::row::{Integer as Whole, Row, Shown, fit};
use crate::config::rows::show::{command, either, flag, maybe, plain, unless};
use crate::config::value::{self, Quoted};
use crate::proto::lvs::Params;

/// A `virtual_server` while it is read.
#[derive(Clone, Debug)]
pub struct ServiceDraft {
    /// With defaults; written as lines are read.
    pub service: VirtualServer,
    /// Fixed by the address, or by the first keyword that has one.
    pub family: Option<Family>,
    /// `lvs_sched`
    pub scheduler: Option<Scheduler>,
    /// `lvs_method`
    pub method: Option<Method>,
    /// `smtp_alert`
    pub smtp_alert: Option<bool>,
    /// `sorry_server_lvs_method`
    pub sorry_method: Option<Method>,
}

impl ServiceDraft {
    /// A service that listens to `key`.
    #[must_use]
    pub fn new(key: Key, at: At) -> Self {
        let family = match &key {
            Key::Address(addr, _) => Some(Family::of(addr)),
            Key::Mark(_) | Key::Group(_) => None,
        };
        let service = VirtualServer {
            key,
            at,
            family,
            protocol: None,
            scheduler: Scheduler::default(),
            flags: 0,
            one_packet: false,
            method: Method::default(),
            persistence: None,
            granularity: None,
            engine: None,
            ha_suspend: false,
            smtp_alert: false,
            host: None,
            snmp_name: None,
            inhibit: false,
            weight: 1,
            params: Params::default(),
            timing: Timing::default(),
            quorum_up: None,
            quorum_down: None,
            sorry: None,
            servers: Vec::new(),
        };
        Self { service, family, scheduler: None, method: None, smtp_alert: None, sorry_method: None }
    }
}

impl Takes for ServiceDraft {
    fn times(&mut self) -> &mut Timing {
        &mut self.service.timing
    }
}

impl Timed for VirtualServer {
    fn timing(&self) -> Timing {
        self.timing.clone()
    }
}

type D = ServiceDraft;
type V = VirtualServer;
const U32: i64 = u32::MAX as i64;

/// A row of this table: fixes the types, so that closures need none.
const fn row(
    name: &'static str,
    kind: Kind<D, V>,
    default: &'static str,
    meaning: &'static str,
) -> Row<D, V> {
    Row::new(name, kind, default, meaning)
}

const fn int(from: i64, to: i64, set: fn(&mut D, i64)) -> Whole<D> {
    Whole::new("", from..=to, set)
}

const SCHEDULERS: &str = "rr|wrr|lc|wlc|lblc|sh|mh|dh|fo|ovf|lblcr|sed|nq|twos";

/// Every keyword of `virtual_server`.
#[rustfmt::skip]
pub static ROWS: &[Row<D, V>] = &[
    row("ip_family", Custom("inet|inet6", ip_family), "that of the addresses, else inet",
        "Family of a service of marks, or of a group").show(|v| match (&v.key, v.family) {
            (Key::Address(..), _) | (_, None) => Shown::Nothing,
            (_, Some(Family::V4)) => plain("inet"),
            (_, Some(Family::V6)) => plain("inet6"),
        }),
    row("protocol", Custom("TCP|UDP|SCTP", protocol), "UDP; none for marks",
        "Transport protocol").show(|v| maybe(v.protocol.map(Protocol::name))),
    row("lvs_sched", Custom(SCHEDULERS, scheduler), "wlc",
        "Scheduler").show(|v| plain(v.scheduler.name())),
    row("lb_algo", Custom(SCHEDULERS, scheduler), "wlc",
        "Old name of lvs_sched"),
    row("hashed", Custom("", hashed), "off",
        "Historic flag without effect").never(),
    row("ops", Flag(|d| d.service.one_packet = true), "off",
        "Schedules every packet by itself, UDP only").show(|v| flag(v.one_packet)),
    row("flag-1", Flag(|d| d.service.flags |= 1), "off",
        "First flag of the scheduler").show(|v| flag(v.flags & 1 != 0)),
    row("flag-2", Flag(|d| d.service.flags |= 2), "off",
        "Second flag of the scheduler").show(|v| flag(v.flags & 2 != 0)),
    row("flag-3", Flag(|d| d.service.flags |= 4), "off",
        "Third flag of the scheduler").show(|v| flag(v.flags & 4 != 0)),
    row("sh-port", Custom("", |d, l| hash_flag(d, l, Scheduler::SourceHash, 2)), "off",
        "The hash of sh includes the source port"),
    row("sh-fallback", Custom("", |d, l| hash_flag(d, l, Scheduler::SourceHash, 1)), "off",
        "With sh: another server when the chosen one is down"),
    row("mh-port", Custom("", |d, l| hash_flag(d, l, Scheduler::Maglev, 2)), "off",
        "The hash of mh includes the source port"),
    row("mh-fallback", Custom("", |d, l| hash_flag(d, l, Scheduler::Maglev, 1)), "off",
        "With mh: another server when the chosen one is down"),
    row("lvs_method", Custom(method::SYNTAX, forwarding), "NAT",
        "How packets reach real servers").show(|v| method::show(v.method)),
    row("lb_kind", Custom(method::SYNTAX, forwarding), "NAT",
        "Old name of lvs_method"),
    row("persistence_engine", Custom("<text, 16 bytes>", engine), "none",
        "Engine that recognises a client; the kernel knows sip").show(|v| maybe(v.engine.as_deref().map(Quoted))),
    row("persistence_timeout", Custom("[<seconds 1..2678400>]", persistence), "off; bare: 360",
        "A client stays on one server for this time").show(|v| maybe(v.persistence)),
    row("persistence_granularity", Custom("<ipv4 mask>|<int 1..128>", granularity), "one client by itself",
        "Which clients count as one").show(|v| match v.granularity {
            None => Shown::Nothing,
            Some(Granularity::Mask(mask)) => plain(mask),
            Some(Granularity::Length(len)) => plain(len),
        }),
    row("ha_suspend", Flag(|d| d.service.ha_suspend = true), "off",
        "Checks run only while the virtual address is there").show(|v| flag(v.ha_suspend)),
    row("smtp_alert", Switch(|d, on| d.smtp_alert = Some(on)), "smtp_alert_checker, then smtp_alert, then off",
        "Mails changes of the quorum").show(|v| either(v.smtp_alert)),
    row("virtualhost", Text("<host>", |d, w| d.service.host = Some(Arc::from(w.text))), "none",
        "Host of requests of HTTP checks").expected().told().show(|v| maybe(v.host.as_deref().map(Quoted))),
    row("snmp_name", Custom("<text>", snmp_name), "none",
        "Label told over SNMP").told().needs(&feature::SNMP).show(|v| maybe(v.snmp_name.as_deref().map(Quoted))),
    row("inhibit_on_failure", Flag(|d| d.service.inhibit = true), "off",
        "Failed servers stay with weight 0, so that their sessions go on; without it they end as net.ipv4.vs.expire_nodest_conn says").show(|v| flag(v.inhibit)),
    row("weight", Integer(int(1, i32::MAX as i64, |d, n| d.service.weight = fit(n))), "1",
        "Weight of real servers that have none of their own").show(|v| unless(v.weight, &1)),
    row("alpha", Flag(|d| {
            d.service.params.alpha = true;
            d.service.timing.alpha = Some(true);
        }), "off",
        "Servers count as failed until they were checked").show(|v| flag(v.params.alpha)),
    row("omega", Flag(|d| d.service.params.omega = true), "off",
        "Tells that servers and quorum go down when the daemon stops").show(|v| flag(v.params.omega)),
    row("quorum", Integer(int(1, U32, |d, n| d.service.params.quorum = fit(n)).or(1)), "1",
        "Live weight that the service needs").show(|v| match v.params.quorum {
            0 | 1 => Shown::Nothing,
            quorum => plain(quorum),
        }),
    row("hysteresis", Integer(int(0, U32, |d, n| d.service.params.hysteresis = fit(n))), "0",
        "Lost so much below the quorum, gained so much above").show(|v| unless(v.params.hysteresis, &0)),
    row("quorum_up", Script(|d| &mut d.service.quorum_up), "none",
        "Command run when the quorum is gained").first().show(|v| command(v.quorum_up.as_ref())),
    row("quorum_down", Script(|d| &mut d.service.quorum_down), "none",
        "Command run when the quorum is lost").first().show(|v| command(v.quorum_down.as_ref())),
    delay_loop("60"),
    delay_before_retry("3 of HTTP_GET and SSL_GET, delay_loop of DNS_CHECK, else 1"),
    warmup("delay_loop"),
    retry("1; 3 of DNS_CHECK, 0 of MISC_CHECK"),
    connect_timeout("5"),
    row("sorry_server", Custom("<ip> [<port 1..65535>]", sorry), "none; port of the service",
        "Server that answers while there is no quorum").show(|v| v.sorry.as_ref().map_or(Shown::Nothing, show_sorry)),
    row("sorry_server_inhibit", Custom("", sorry_inhibit), "off",
        "inhibit_on_failure of the sorry server").show(|v| flag(v.sorry.as_ref().is_some_and(|s| s.inhibit))),
    row("sorry_server_lvs_method", Custom(method::SYNTAX, sorry_method), "lvs_method",
        "How packets reach the sorry server").show(|v| v.sorry.as_ref().map_or(Shown::Nothing, |s| method::show(s.method))),
    row("real_server", Object("<ip> [<port 1..65535>] { ... }"), "required; port of the service", "A server of the service"),
];

fn ip_family(draft: &mut ServiceDraft, line: &mut Line<'_>) {
    let family = match line.arg(0).map(|word| (word, word.text)) {
        None => return line.missing(line.keyword, "inet|inet6"),
        Some((_, "inet")) => Family::V4,
        Some((_, "inet6")) => Family::V6,
        Some((word, text)) => {
            let message = format_args!("unknown ip_family '{text}' - ignoring");
            return line.error(word, message, "write inet or inet6");
        }
    };
    if *draft.family.get_or_insert(family) != family {
        let message = format_args!(
            "Virtual server specified family {} conflicts with server family",
            family_name(family)
        );
        line.error(line.keyword, message, "the family of an address is known; remove the line");
    }
}

/// A family as it is written.
pub(crate) const fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    }
}

fn protocol(draft: &mut ServiceDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "TCP|UDP|SCTP");
    };
    let known = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    match known.into_iter().find(|known| known.name().eq_ignore_ascii_case(word.text)) {
        Some(protocol) => draft.service.protocol = Some(protocol),
        None => {
            let message = format_args!("Unknown protocol {} - ignoring", word.text);
            line.error(word, message, "write TCP, UDP or SCTP");
        }
    }
}

fn scheduler(draft: &mut ServiceDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, SCHEDULERS);
    };
    match Scheduler::ALL.iter().find(|known| known.name() == word.text) {
        Some(known) => draft.scheduler = Some(*known),
        None => {
            let message = format_args!("Invalid lvs_scheduler '{}' - ignoring", word.text);
            line.error(word, message, &format!("write {SCHEDULERS} in small letters"));
        }
    }
}

const fn hashes(scheduler: Option<Scheduler>) -> bool {
    matches!(scheduler, Some(Scheduler::SourceHash | Scheduler::Maglev))
}

fn hashed(draft: &mut ServiceDraft, line: &mut Line<'_>) {
    if !hashes(draft.scheduler) {
        line.warn(
            line.keyword,
            format_args!("hashed only applies to sh scheduler - ignoring"),
            "it never had an effect: the line can go",
        );
    }
}

fn hash_flag(draft: &mut ServiceDraft, line: &mut Line<'_>, of: Scheduler, bit: u8) {
    if draft.scheduler == Some(of) {
        draft.service.flags |= bit;
        return;
    }
    let (name, scheduler) = (line.keyword.text, of.name());
    let message = format_args!("{name} only applies to {scheduler} scheduler - ignoring");
    let remedy = format!("write lvs_sched {scheduler} before it");
    if hashes(draft.scheduler) {
        line.note(line.keyword, message, &remedy);
    } else {
        line.error(line.keyword, message, &remedy);
    }
}

fn forwarding(draft: &mut ServiceDraft, line: &mut Line<'_>) {
    if let Some(method) = method::read(line, "virtual server") {
        draft.method = Some(method);
    }
}

fn engine(draft: &mut ServiceDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<text, 16 bytes>");
    };
    let mut end = word.text.len().min(16);
    while !word.text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let name = word.text.get(..end).unwrap_or_default();
    if name.len() < word.text.len() {
        let message = format_args!("persistence_engine name too long, truncating - {}", word.text);
        line.warn(word, message, &format!("{name} is used: 16 bytes"));
    }
    draft.service.engine = Some(name.into());
}

fn persistence(draft: &mut ServiceDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        draft.service.persistence = Some(PERSISTENCE);
        return;
    };
    if let Some(secs) = line.number("persistence_timeout", word, 1..=2_678_400) {
        draft.service.persistence = Some(fit(secs));
    }
}

/// Seconds of a persistence that has no time of its own.
pub(crate) const PERSISTENCE: u32 = 360;

fn granularity(draft: &mut ServiceDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<ipv4 mask>|<int 1..128>");
    };
    let guess = if word.text.contains('.') { Family::V4 } else { Family::V6 };
    let family = draft.family.unwrap_or(guess);
    let read = match family {
        Family::V6 => match value::integer(word.text, 1..=128, false) {
            Ok(read) => Granularity::Length(fit(read.value)),
            Err(_) => {
                let message = format_args!("Invalid IPv6 persistence_granularity specified - {}", word.text);
                return line.error(word, message, "write a length from 1 to 128");
            }
        },
        Family::V4 => match (word.text.parse(), value::integer(word.text, 1..=32, false)) {
            (Ok(mask), _) => Granularity::Mask(mask),
            (_, Ok(read)) => {
                let rest = u32::MAX.checked_shr(fit(read.value)).unwrap_or(0);
                let mask = Ipv4Addr::from_bits(!rest);
                let message = format_args!("persistence_granularity {} is taken as {mask}", word.text);
                line.note(word, message, "keepalived would take the number as an address: write the mask");
                Granularity::Mask(mask)
            }
            _ => {
                let message = format_args!("Invalid IPv4 persistence_granularity specified - {}", word.text);
                return line.error(word, message, "write a mask like 255.255.255.0");
            }
        },
    };
    draft.family = Some(family);
    draft.service.granularity = Some(read);
}

fn snmp_name(draft: &mut ServiceDraft, line: &mut Line<'_>) {
    if let Some(name) = real::one_word(line) {
        draft.service.snmp_name = Some(name.into());
    }
}

/// The address of a server: what follows `-` or `/` is cut, which is told.
pub(crate) fn server_address(line: &mut Line<'_>, index: usize) -> Option<IpAddr> {
    let word = line.arg(index)?;
    if let Ok(addr) = word.text.parse() {
        return Some(addr);
    }
    let addr = value::address(word.text)?;
    let message = format_args!("'{}' is taken as {addr}", word.text);
    line.note(word, message, "only entries of a virtual_server_group are ranges or subnets");
    Some(addr)
}

fn sorry(draft: &mut ServiceDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<ip> [<port 1..65535>]");
    };
    let (addr, port) = (server_address(line, 0), group::port(line));
    let (Some(addr), Some(port)) = (addr, port) else {
        let message = format_args!("Invalid sorry server IP address {} - skipping", word.text);
        return line.error(word, message, "write a numeric address and a port from 1 to 65535");
    };
    draft.sorry_method = None;
    draft.service.sorry =
        Some(SorryServer { addr, port, at: At(word.at), inhibit: false, method: Method::default() });
}

fn sorry_inhibit(draft: &mut ServiceDraft, line: &mut Line<'_>) {
    match &mut draft.service.sorry {
        Some(sorry) => sorry.inhibit = true,
        None => line.error(
            line.keyword,
            format_args!("Ignoring sorry_server inhibit used before or without sorry_server"),
            "write sorry_server before it",
        ),
    }
}

fn sorry_method(draft: &mut ServiceDraft, line: &mut Line<'_>) {
    if draft.service.sorry.is_none() {
        return line.error(
            line.keyword,
            format_args!("sorry_server forwarding used without sorry_server"),
            "write sorry_server before it",
        );
    }
    if let Some(method) = method::read(line, "sorry server") {
        draft.sorry_method = Some(method);
    }
}

fn show_sorry(sorry: &SorryServer) -> Shown {
    if sorry.port == 0 { plain(sorry.addr) } else { Shown::One(format!("{} {}", sorry.addr, sorry.port)) }
}
