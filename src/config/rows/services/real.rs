//! `real_server`.

use crate::base::feature;
use std::sync::Arc;

use super::{Takes, Timed, alpha, connect_timeout, delay_before_retry, delay_loop, method, retry, warmup};
use crate::config::line::Line;
use crate::config::model::service::{Method, Rare, RealServer, Timing};
use crate::config::row::Kind::{self, Custom, Integer, Object, Script, Switch, Text};
use crate::config::row::{Integer as Whole, Row, fit};
use crate::config::rows::show::{command, either, maybe, plain, unless};
use crate::config::value::Quoted;

/// A `real_server` while it is read.
#[derive(Clone, Debug, Default)]
pub struct RealServerDraft {
    /// `weight`
    pub weight: Option<u32>,
    /// `lvs_method`
    pub method: Option<Method>,
    /// `inhibit_on_failure`
    pub inhibit: Option<bool>,
    /// `smtp_alert`
    pub smtp_alert: Option<bool>,
    /// `uthreshold`
    pub upper: u32,
    /// `lthreshold`
    pub lower: u32,
    /// The rest.
    pub rare: Rare,
}

impl Takes for RealServerDraft {
    fn times(&mut self) -> &mut Timing {
        &mut self.rare.timing
    }
}

impl Timed for RealServer {
    fn timing(&self) -> Timing {
        self.more.as_ref().map(|rare| rare.timing.clone()).unwrap_or_default()
    }
}

type D = RealServerDraft;
type R = RealServer;
const U32: i64 = u32::MAX as i64;

/// A row of this table: fixes the types, so that closures need none.
const fn row(
    name: &'static str,
    kind: Kind<D, R>,
    default: &'static str,
    meaning: &'static str,
) -> Row<D, R> {
    Row::new(name, kind, default, meaning)
}

const fn int(unit: &'static str, to: i64, set: fn(&mut D, i64)) -> Kind<D, R> {
    Integer(Whole::new(unit, 0..=to, set))
}

/// Every keyword of `real_server`.
#[rustfmt::skip]
pub static ROWS: &[Row<D, R>] = &[
    row("weight", int("", i32::MAX as i64, |d, n| d.weight = Some(fit(n))), "weight of the virtual_server",
        "Share of the connections; 0: none").show(|r| plain(r.weight)),
    row("lvs_method", Custom(method::SYNTAX, forwarding), "lvs_method of the virtual_server",
        "How packets reach the server").show(|r| method::show(r.method)),
    row("uthreshold", int("connections", U32, |d, n| d.upper = fit(n)), "0 (none)",
        "Connections that stop new ones").show(|r| unless(r.upper, &0)),
    row("lthreshold", int("connections", U32, |d, n| d.lower = fit(n)), "0 (none)",
        "Connections that allow new ones again").show(|r| unless(r.lower, &0)),
    row("inhibit_on_failure", Switch(|d, on| d.inhibit = Some(on)), "inhibit_on_failure of the virtual_server",
        "A failed server stays with weight 0, so that its sessions go on; without it they end as net.ipv4.vs.expire_nodest_conn says").show(|r| either(r.inhibit)),
    row("notify_up", Script(|d| &mut d.rare.notify_up), "none",
        "Command run when the server can be used").first().show(|r| command(rare(r).and_then(|m| m.notify_up.as_ref()))),
    row("notify_down", Script(|d| &mut d.rare.notify_down), "none",
        "Command run when the server cannot be used").first().show(|r| command(rare(r).and_then(|m| m.notify_down.as_ref()))),
    row("smtp_alert", Switch(|d, on| d.smtp_alert = Some(on)), "smtp_alert_checker, then smtp_alert, then on",
        "Mails changes of its state").show(|r| either(r.smtp_alert)),
    row("virtualhost", Text("<host>", |d, w| d.rare.host = Some(Arc::from(w.text))), "virtualhost of the virtual_server",
        "Host of requests of HTTP checks").expected().told().show(|r| maybe(rare(r).and_then(|m| m.host.as_deref()).map(Quoted))),
    row("snmp_name", Custom("<text>", snmp_name), "none",
        "Label told over SNMP").told().needs(&feature::SNMP).show(|r| maybe(rare(r).and_then(|m| m.snmp_name.as_deref()).map(Quoted))),
    alpha("alpha of the virtual_server"),
    delay_loop("delay_loop of the virtual_server"),
    delay_before_retry("delay_before_retry of the virtual_server"),
    warmup("warmup of the virtual_server"),
    retry("retry of the virtual_server"),
    connect_timeout("connect_timeout of the virtual_server"),
    row("HTTP_GET", Object("{ ... }"), "none", "Fetches pages over HTTP"),
    row("SSL_GET", Object("{ ... }"), "none", "Fetches pages over HTTPS").needs(&feature::SSL_GET),
    row("TCP_CHECK", Object("{ ... }"), "none", "Opens a TCP connection"),
    row("SMTP_CHECK", Object("{ ... }"), "none", "Talks SMTP up to the greeting"),
    row("DNS_CHECK", Object("{ ... }"), "none", "Asks a name server over UDP"),
    row("MISC_CHECK", Object("{ ... }"), "none", "Runs a program"),
    row("BFD_CHECK", Object("{ ... }"), "none", "Follows a BFD session"),
    row("UDP_CHECK", Object("{ ... }"), "none", "Sends a datagram and waits for errors or a reply"),
    row("PING_CHECK", Object("{ ... }"), "none", "Sends an ICMP echo request"),
    row("FILE_CHECK", Object("{ ... }"), "none", "Follows the number in a track_file"),
];

fn rare(server: &RealServer) -> Option<&Rare> {
    server.more.as_deref()
}

fn forwarding(draft: &mut RealServerDraft, line: &mut Line<'_>) {
    if let Some(method) = method::read(line, "real server") {
        draft.method = Some(method);
    }
}

fn snmp_name(draft: &mut RealServerDraft, line: &mut Line<'_>) {
    if let Some(name) = one_word(line) {
        draft.rare.snmp_name = Some(name.into());
    }
}

/// The only argument of a line; anything else is told.
pub(super) fn one_word<'a>(line: &mut Line<'a>) -> Option<&'a str> {
    let words: Vec<&str> = line.args.iter().map(|word| word.text).collect();
    match words.as_slice() {
        [word] => Some(word),
        _ => {
            let message = format_args!("{} missing or invalid", line.keyword.text);
            line.error(line.keyword, message, "write one word; quote one that holds a blank");
            None
        }
    }
}
