//! The checks of a `real_server`: what all that open a socket share, and one table for each kind.

pub use super::draft::CheckDraft;
use super::{Timed, alpha, connect_timeout, delay_before_retry, delay_loop, probe, retry_of_check, warmup};
use crate::base::time::Span;
use crate::config::model::check::{Misc, Origin, Target};
use crate::config::model::service::Timing;
use crate::config::model::{Checker, Probe};
use crate::config::row::Kind::{self, Choice, Custom, Flag, Integer, Object, Script, Switch, Text};
use crate::config::row::{Integer as Whole, Parts, Row, Shown, fit};
use crate::config::rows::show::{command as show_command, either, flag, maybe, plain, switch, unless, whose};
use crate::config::value::Quoted;
use crate::proto::check::{http as fetch, smtp, udp};
use std::sync::Arc;

impl Timed for Checker {
    fn timing(&self) -> Timing {
        let cadence = &self.cadence;
        Timing {
            delay_loop: Some(cadence.delay_loop),
            delay_before_retry: Some(cadence.delay_before_retry),
            warmup: Some(cadence.warmup),
            connect_timeout: Some(cadence.timeout),
            retry: Some(cadence.retry),
            alpha: Some(cadence.alpha),
        }
    }
}

type D = CheckDraft;
type C = Checker;
const U32: i64 = u32::MAX as i64;
/// More than a certificate is valid.
const DAYS: i64 = 36_500;

/// A row of these tables: fixes the types, so that closures need none.
const fn row(
    name: &'static str,
    kind: Kind<D, C>,
    default: &'static str,
    meaning: &'static str,
) -> Row<D, C> {
    Row::new(name, kind, default, meaning)
}

const fn int(unit: &'static str, from: i64, to: i64, set: fn(&mut D, i64)) -> Whole<D> {
    Whole::new(unit, from..=to, set)
}

/// Where a check goes and when it runs: rows of all that open a socket. Defaults of `retry` and `delay_before_retry`,
/// which are texts alone, so that without those the tables that this makes are one.
macro_rules! network {
    ($retry:literal, $before:literal) => {
        &[
            row("connect_ip", Custom("<ip>", probe::connect_ip), "address of the real_server",
                "Address that is checked").show(|c| at(c, |t| plain(t.addr))),
            row("connect_port", Integer(int("", 1, 65_535, |d, n| d.port = Some(fit(n)))), "port of the real_server",
                "Port that is checked").show(|c| at(c, |t| unless(t.port, &0))),
            row("bindto", Custom("<ip>", probe::bindto), "as the kernel chooses",
                "Own address").show(|c| from(c, |o| maybe(o.addr))),
            row("bind_port", Integer(int("", 1, 65_535, |d, n| d.bind_port = fit(n))), "as the kernel chooses",
                "Own port").show(|c| from(c, |o| unless(o.port, &0))),
            row("bind_if", Custom("<interface>", probe::bind_if), "none",
                "Own interface; link-local addresses need it").show(|c| from(c, |o| maybe(o.interface.as_ref().map(|name| Quoted(name.as_str()))))),
            row("fwmark", Integer(int("", 0, U32, |d, n| d.fwmark = fit(n))), "0 (none)",
                "Firewall mark of its packets: with connect_ip of the virtual address, and a virtual_server of that mark with this server alone and no check, they go the way of the clients (DR, TUN); where that address is on this machine, too, accept_local lets the answers in").show(|c| from(c, |o| unless(o.fwmark, &0))),
            row("fail_on_local_failure", Switch(|d, on| d.fail_on_local_failure = on), "off",
                "A bindto or bind_if that cannot be used fails the check, which otherwise leaves the server as it is; not in keepalived")
                .show(|c| switch(c.cadence.fail_on_local_failure)),
            connect_timeout("connect_timeout of the real_server"),
            delay_loop("delay_loop of the real_server"),
            delay_before_retry(concat!("delay_before_retry of the real_server, else ", $before)),
            warmup("warmup of the real_server, else delay_loop"),
            retry_of_check(concat!("retry of the real_server, else ", $retry)),
            alpha("alpha of the real_server"),
            row("log_all_failures", Switch(|d, on| d.log_all_failures = Some(on)), "checker_log_all_failures",
                "Tells every failed attempt, not only changes").show(|c| either(c.cadence.log_all_failures)),
        ]
    };
}

/// How many of those rows are about a socket.
const SOCKET: usize = 8;

#[rustfmt::skip]
static NETWORK: &[Row<D, C>] = network!("1", "1");

#[rustfmt::skip]
static OF_PAGES: &[Row<D, C>] = network!("1", "3");

#[rustfmt::skip]
static OF_DNS: &[Row<D, C>] = network!("3", "delay_loop");

#[rustfmt::skip]
static OF_MISC: &[Row<D, C>] = network!("0", "1");

/// Rows of `HTTP_GET` and `SSL_GET`; SNI works with TLS only.
macro_rules! pages {
    ([$($sni:ident)?] $($last:expr),* $(,)?) => {
        &[
            row("nb_get_retry", Integer(int("", 0, U32, |d, n| d.timing.retry = Some(fit(n)))), "retry",
                "Old name of retry").replaced("retry", true),
            row("virtualhost", Text("<host>", |d, w| d.http.host = Some(Arc::from(w.text))), "virtualhost of the real_server",
                "Host of its requests").expected().told().show(|c| get(c, |h| maybe(h.host.as_deref().map(Quoted)))),
            row("http_protocol", Choice(probe::VERSIONS, probe::version), "1.0",
                "Version of its requests; C adds Connection: close").expected().show(|c| get(c, probe::show_version)),
            row("enable_sni", Switch(|d, on| d.http.sni = on), "off",
                "Sends the name of the server in the TLS handshake")$(.$sni())?.show(|c| get(c, |h| switch(h.sni && h.sni_name.is_none()))),
            row("sni_name", Custom("[<host>]", probe::sni_name), "virtualhost",
                "Name sent in the TLS handshake")$(.$sni())?.told().show(|c| get(c, |h| maybe(h.sni_name.as_deref().map(Quoted)))),
            row("fast_recovery", Switch(|d, on| d.http.fast_recovery = on), "off",
                "Asks for all pages without delay when the server comes back").show(|c| get(c, |h| switch(h.fast_recovery))),
            $($last,)*
            row("url", Object("{ ... }"), "required", "A page that is fetched"),
        ]
    };
}

#[rustfmt::skip]
static TCP: &[Row<D, C>] = &[
    row("tcp_close", Choice(&["reset", "graceful"], |d, index| d.tcp.graceful = index == 1), "reset",
        "How its connections end; a reset leaves nothing behind here and a line in the logs of some servers, graceful is a FIN, as TCP has it; not in keepalived")
        .expected().show(|c| match &c.probe {
            Probe::Tcp(_, tcp) if tcp.graceful => plain("graceful"),
            _ => Shown::Nothing,
        }),
];

#[rustfmt::skip]
static HTTP: &[Row<D, C>] = pages!([never]);

#[rustfmt::skip]
static SSL: &[Row<D, C>] = pages!([]
    row("tls_compliant", Switch(|d, on| d.http.tls_compliant = on), "off",
        "Ends a TLS session with a close alert").show(|c| get(c, |h| switch(h.tls_compliant))),
    row("tls_verify", Custom("[<file>]", probe::tls_verify), "off",
        "The certificate must be issued by one in the file, or in ca of SSL, and for the name sent in the handshake, else for the address").told().show(|c| asked(c, |a| match &a.ca {
            Some(file) => plain(Quoted(file)),
            None => flag(a.verify),
        })),
    row("tls_verify_name", Text("<host>", |d, w| d.certificate().name = Some(w.text.into())), "the name sent in the handshake, else the address",
        "Name or address that the certificate must be for").expected().told().show(|c| asked(c, |a| maybe(a.name.as_deref().map(Quoted)))),
    row("tls_expiry_fail", Integer(int("days", 0, DAYS, |d, n| d.certificate().fail = Some(fit(n)))), "none",
        "The check fails when the certificate expires in fewer days; 0: when it has expired").show(|c| asked(c, |a| maybe(a.fail))),
    row("tls_expiry_warn", Integer(int("days", 0, DAYS, |d, n| d.certificate().warn = Some(fit(n)))), "none",
        "The log warns when the certificate expires in fewer days").show(|c| asked(c, |a| maybe(a.warn))),
);

/// Every keyword of `host`, an older way to write another `SMTP_CHECK`.
pub static HOST: Parts<D, C> = [NETWORK, &[]];

#[rustfmt::skip]
static SMTP: &[Row<D, C>] = &[
    row("helo_name", Text("<text>", |d, w| d.helo = Some(w.text.into())), smtp::Params::HELO,
        "Name given in the greeting").expected().told().show(|c| match &c.probe {
            Probe::Smtp(_, smtp) => plain(Quoted(&smtp.helo)),
            _ => Shown::Nothing,
        }),
    row("host", Object("{ ... }"), "none", "Another server that is checked, too").replaced("another SMTP_CHECK", false),
];

#[rustfmt::skip]
static DNS: &[Row<D, C>] = &[
    row("type", Custom("A|NS|CNAME|SOA|MX|TXT|AAAA|RRSIG|DNSKEY", probe::dns_type), "SOA",
        "Type of record that is asked for").show(|c| match &c.probe {
            Probe::Dns(_, dns) => plain(dns.kind.name()),
            _ => Shown::Nothing,
        }),
    row("name", Custom("<domain>", probe::dns_name), ". (root)",
        "Name that is asked for").show(|c| match &c.probe {
            Probe::Dns(_, dns) if !dns.name.is_empty() => plain(Quoted(&dns.name)),
            _ => Shown::Nothing,
        }),
];

#[rustfmt::skip]
static UDP: &[Row<D, C>] = &[
    row("payload", Custom("<hex digits>", probe::payload), "data of no meaning",
        "What is sent").show(|c| datagram(c, |u| maybe(u.payload.as_deref().map(probe::hex)))),
    row("require_reply", Custom("[<hex digits, X for any>]", probe::require_reply), "off",
        "A reply must come, and begin like this").show(|c| datagram(c, |u| u.reply.as_ref().map_or(Shown::Nothing, probe::show_reply))),
    row("min_reply_length", Integer(int("octets", 0, 65_535, |d, n| d.udp.shortest = fit(n)).strict()), "0",
        "Shortest accepted reply").show(|c| datagram(c, |u| unless(u.shortest, &0))),
    row("max_reply_length", Integer(int("octets", 0, 65_535, |d, n| d.udp.longest = fit(n)).strict()), "255",
        "Longest accepted reply").show(|c| datagram(c, |u| unless(u.longest, &255))),
];

#[rustfmt::skip]
static MISC: &[Row<D, C>] = &[
    row("misc_path", Script(|d| &mut d.command), "required",
        "Program that is run; exit code 0 is success").show(|c| program(c, |m| show_command(Some(&m.command)))),
    row("user", Custom("<user> [[:]<group>]", probe::user), "script_user",
        "Who runs it").show(|c| program(c, |m| whose(m.command.identity.as_ref()))),
    row("misc_timeout", Integer(int("seconds", 0, 4294, |d, n| d.run_time = fit(n))), "0 (delay_loop)",
        "Longest run time").show(|c| program(c, |m| unless(m.timeout, &0))),
    row("misc_dynamic", Flag(|d| d.dynamic = true), "off",
        "Exit codes from 2 to 255 set the weight: two less").show(|c| program(c, |m| flag(m.dynamic))),
];

#[rustfmt::skip]
static FILE: &[Row<D, C>] = &[
    // Printed by name, which a check alone does not know.
    row("track_file", Custom("<track_file>", probe::track_file), "required", "File that is followed; it is defined above"),
    row("weight", Custom("<-2147483647..2147483647> [reverse|noreverse]", probe::file_weight), "weight of the track_file",
        "What the number in the file is multiplied by").show(|c| match &c.probe {
            Probe::File(_, params) => probe::show_file_weight(*params),
            _ => Shown::Nothing,
        }),
];

#[rustfmt::skip]
static BFD: &[Row<D, C>] = &[
    // Printed by name, which a check alone does not know.
    row("name", Custom("<bfd_instance>", probe::bfd_name), "required", "Session that is followed; it is defined above"),
    alpha("alpha of the real_server"),
];

/// Every kind of check: the keyword and its rows.
pub static TABLES: &[(&str, Parts<D, C>)] = &[
    ("TCP_CHECK", [NETWORK, TCP]),
    ("HTTP_GET", [OF_PAGES, HTTP]),
    ("SSL_GET", [OF_PAGES, SSL]),
    ("SMTP_CHECK", [NETWORK, SMTP]),
    ("DNS_CHECK", [OF_DNS, DNS]),
    ("UDP_CHECK", [NETWORK, UDP]),
    ("PING_CHECK", [NETWORK, &[]]),
    ("MISC_CHECK", [OF_MISC.split_at(SOCKET).1, MISC]),
    ("FILE_CHECK", [FILE, &[]]),
    ("BFD_CHECK", [BFD, &[]]),
];

/// Each row of these tables once.
pub static ROWS: &[&[Row<D, C>]] = &[NETWORK, TCP, SSL, SMTP, DNS, UDP, MISC, FILE, BFD];

/// From a failed attempt to the next one, unless something is given: none means `delay_loop`.
#[must_use]
pub fn before_retry(keyword: &str) -> Option<Span> {
    match keyword {
        "DNS_CHECK" => None,
        "HTTP_GET" | "SSL_GET" => Some(Span::from_secs(3)),
        _ => Some(Span::from_secs(1)),
    }
}

/// Attempts after the first one, unless something is given.
#[must_use]
pub fn retries(keyword: &str) -> u32 {
    match keyword {
        "DNS_CHECK" => 3,
        "MISC_CHECK" => 0,
        _ => 1,
    }
}

fn at(check: &Checker, show: impl FnOnce(&Target) -> Shown) -> Shown {
    check.probe.target().map_or(Shown::Nothing, show)
}

fn from(check: &Checker, show: impl FnOnce(&Origin) -> Shown) -> Shown {
    let origin = check.probe.target().and_then(|target| target.origin.as_deref());
    origin.map_or(Shown::Nothing, show)
}

fn get(check: &Checker, show: impl FnOnce(&fetch::Params) -> Shown) -> Shown {
    match &check.probe {
        Probe::Http(_, params) | Probe::Ssl(_, params) => show(params),
        _ => Shown::Nothing,
    }
}

fn asked(check: &Checker, show: impl FnOnce(&fetch::Certificate) -> Shown) -> Shown {
    get(check, |params| params.certificate.as_deref().map_or(Shown::Nothing, show))
}

fn datagram(check: &Checker, show: impl FnOnce(&udp::Params) -> Shown) -> Shown {
    match &check.probe {
        Probe::Udp(_, params) => show(params),
        _ => Shown::Nothing,
    }
}

fn program(check: &Checker, show: impl FnOnce(&Misc) -> Shown) -> Shown {
    match &check.probe {
        Probe::Misc(misc) => show(misc),
        _ => Shown::Nothing,
    }
}
