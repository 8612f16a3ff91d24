//! Virtual servers: quorum, persistence, sorry servers, and the checks of real servers.

use super::places::named;
use super::{Input, Report};
use crate::base::addr::{Family, IpAddr};
use crate::base::time::Span;
use crate::config::diag::Mark;
use crate::config::model::check::Probe;
use crate::config::model::service::{Key, Scheduler, VirtualServer};
use crate::config::model::{Checker, RealServer};
use crate::config::tree::Node;
use crate::config::value::{self, Seconds};
use crate::proto::check::Cadence;
use crate::proto::check::http::Certificate;

/// How a service is called.
fn title(service: &VirtualServer) -> String {
    match &service.key {
        Key::Address(addr, port) => format!("virtual_server {}", endpoint(*addr, *port)),
        Key::Mark(mark) => format!("virtual_server fwmark {mark}"),
        Key::Group(name) => format!("virtual_server group {name}"),
    }
}

fn endpoint(addr: IpAddr, port: u16) -> String {
    match (Family::of(&addr), port) {
        (_, 0) => addr.to_string(),
        (Family::V4, port) => format!("{addr}:{port}"),
        (Family::V6, port) => format!("[{addr}]:{port}"),
    }
}

fn server_title(server: &RealServer) -> String {
    format!("real_server {}", endpoint(server.addr, server.port))
}

fn server_mark(server: &RealServer) -> Mark {
    named(&server.addr.to_string(), server.at.0)
}

/// A keyword of a service as it was written.
fn line<'t>(input: &Input<'t>, service: &VirtualServer, keyword: &str) -> Option<Node<'t>> {
    let block = input.places.at(service.at.0)?.block()?;
    block.nodes().find(|node| node.keyword().text == keyword)
}

/// The number of a keyword as it was written: the rules may have changed it.
fn written(input: &Input<'_>, service: &VirtualServer, keyword: &str) -> Option<(i64, Mark)> {
    let word = line(input, service, keyword)?.word(1)?;
    let number = value::integer(word.text, 0..=i64::from(u32::MAX), true).ok()?;
    Some((number.value, Mark::from(word)))
}

fn weight(service: &VirtualServer) -> i64 {
    service.servers.iter().fold(0, |sum, server| sum.saturating_add(i64::from(server.weight)))
}

pub(super) fn quorum_too_high(input: &Input<'_>, report: &mut Report<'_>) {
    for service in input.model.virtual_servers() {
        let total = weight(service);
        if let Some((quorum, mark)) = written(input, service, "quorum").filter(|(quorum, _)| *quorum > total)
        {
            let message = format_args!(
                "{}: quorum {quorum} is more than all weights together, {total}; one failing server ends it",
                title(service)
            );
            report.tell(mark, message);
        }
    }
}

/// Field case 20.
pub(super) fn persistence_inhibit(input: &Input<'_>, report: &mut Report<'_>) {
    for service in input.model.virtual_servers().iter().filter(|service| service.persistence.is_some()) {
        let inhibited = service.servers.iter().filter(|server| server.inhibit).count();
        let mark = line(input, service, "persistence_timeout").and_then(|line| line.word(0));
        if let (1.., Some(word)) = (inhibited, mark) {
            let message = format_args!(
                "{}: inhibit_on_failure keeps clients of a failed server on it, unless \
                 net.ipv4.vs.expire_quiescent_template is 1",
                title(service)
            );
            report.tell(Mark::from(word), message);
        }
    }
}

pub(super) fn hysteresis_too_high(input: &Input<'_>, report: &mut Report<'_>) {
    for service in input.model.virtual_servers() {
        let quorum = written(input, service, "quorum").map_or(1, |(quorum, _)| quorum);
        let Some((hysteresis, mark)) = written(input, service, "hysteresis") else {
            continue;
        };
        let sum = quorum.saturating_add(hysteresis);
        let what = if hysteresis >= quorum {
            format!(
                "hysteresis {hysteresis} is not below quorum {quorum}: the quorum would never be lost, so it is reduced"
            )
        } else if sum > weight(service) {
            format!(
                "quorum and hysteresis are {sum}, and all weights together {}: a quorum once lost never comes back",
                weight(service)
            )
        } else {
            continue;
        };
        report.tell(mark, format_args!("{}: {what}", title(service)));
    }
}

pub(super) fn sorry_is_real(input: &Input<'_>, report: &mut Report<'_>) {
    for service in input.model.virtual_servers() {
        let Some(sorry) = &service.sorry else { continue };
        let same = |server: &&RealServer| server.addr == sorry.addr && server.port == sorry.port;
        if service.servers.iter().any(|server| same(&server)) {
            let message = format_args!(
                "{}: the sorry server {} is one of the real servers: when they are down it is, too",
                title(service),
                endpoint(sorry.addr, sorry.port)
            );
            report.tell(named(&sorry.addr.to_string(), sorry.at.0), message);
        }
    }
}

pub(super) fn persistence_unused(input: &Input<'_>, report: &mut Report<'_>) {
    for service in input.model.virtual_servers() {
        if service.persistence.is_none() {
            continue;
        }
        let hashing = matches!(
            service.scheduler,
            Scheduler::SourceHash | Scheduler::Maglev | Scheduler::DestinationHash
        );
        let what = if service.one_packet {
            "persistence has no effect with ops: every packet is scheduled by itself".to_owned()
        } else if hashing {
            format!(
                "scheduler {} already decides by address; persistence only keeps clients on a server longer than it would",
                service.scheduler.name()
            )
        } else {
            continue;
        };
        let mark = line(input, service, "persistence_timeout")
            .map_or_else(|| Mark::from(service.at.0), |line| Mark::from(line.keyword()));
        report.tell(mark, format_args!("{}: {what}", title(service)));
    }
}

pub(super) fn server_unchecked(input: &Input<'_>, report: &mut Report<'_>) {
    for service in input.model.virtual_servers() {
        let unchecked = |server: &&RealServer| server.checks.is_empty();
        if service.servers.iter().all(|server| server.checks.is_empty()) {
            continue;
        }
        for server in service.servers.iter().filter(unchecked) {
            let message = format_args!(
                "{}: {} has no check and its neighbours have: it is never taken out, dead or alive",
                title(service),
                server_title(server)
            );
            report.tell(server_mark(server), message);
        }
    }
}

pub(super) fn server_weightless(input: &Input<'_>, report: &mut Report<'_>) {
    for service in input.model.virtual_servers() {
        let dynamic = |check: &Checker| match &check.probe {
            Probe::Misc(misc) => misc.dynamic,
            Probe::File(..) => true,
            _ => false,
        };
        for server in &service.servers {
            if server.weight == 0 && !server.checks.iter().any(dynamic) {
                let message = format_args!(
                    "{}: {} has weight 0 and gets no new connection, however well it is",
                    title(service),
                    server_title(server)
                );
                report.tell(server_mark(server), message);
            }
        }
    }
}

pub(super) fn server_is_service(input: &Input<'_>, report: &mut Report<'_>) {
    for service in input.model.virtual_servers() {
        let Key::Address(addr, port) = service.key else {
            continue;
        };
        for server in &service.servers {
            if server.addr == addr && server.port == port {
                let message = format_args!(
                    "{}: {} is the address of the service itself: packets go round",
                    title(service),
                    server_title(server)
                );
                report.tell(server_mark(server), message);
            }
        }
    }
}

pub(super) fn check_overlap(input: &Input<'_>, report: &mut Report<'_>) {
    for service in input.model.virtual_servers() {
        // The servers of a service mostly have the same check: once is enough.
        let mut checks =
            service.servers.iter().flat_map(|server| server.checks.iter().map(move |check| (server, check)));
        let slow = checks.find(|(_, check)| {
            check.probe.target().is_some()
                && check.cadence.retry > 0
                && check.cadence.delay_loop < longest(&check.cadence)
        });
        if let Some((server, check)) = slow {
            let message = format_args!(
                "{}: delay_loop is {} s, and {} attempts of {} last up to {} s: a dead server is noticed only then",
                server_title(server),
                Seconds(check.cadence.delay_loop),
                u64::from(check.cadence.retry).saturating_add(1),
                check.probe.keyword(),
                Seconds(longest(&check.cadence))
            );
            report.tell(named(check.probe.keyword(), check.at.0), message);
        }
    }
}

/// All attempts of a check that always times out.
fn longest(cadence: &Cadence) -> Span {
    let retries = u64::from(cadence.retry);
    cadence.timeout * retries.saturating_add(1) + cadence.delay_before_retry * retries
}

pub(super) fn misc_overlap(input: &Input<'_>, report: &mut Report<'_>) {
    for service in input.model.virtual_servers() {
        for server in &service.servers {
            for check in &server.checks {
                let Probe::Misc(misc) = &check.probe else { continue };
                let timeout = Span::from_secs(u64::from(misc.timeout));
                if timeout > check.cadence.delay_loop {
                    let message = format_args!(
                        "{}: misc_timeout {} s is longer than delay_loop {} s: while a run hangs the next ones are left out",
                        server_title(server),
                        misc.timeout,
                        Seconds(check.cadence.delay_loop)
                    );
                    report.tell(named("MISC_CHECK", check.at.0), message);
                }
            }
        }
    }
}

/// The lines of a keyword in a block.
fn within<'t>(node: Node<'t>, keyword: &'static str) -> impl Iterator<Item = Node<'t>> {
    let lines = node.block().into_iter().flat_map(|block| block.nodes());
    lines.filter(move |line| line.keyword().text == keyword)
}

/// As written: a digest that is none is not in the model.
pub(super) fn digest_length(input: &Input<'_>, report: &mut Report<'_>) {
    let services = input.tree.nodes().filter(|node| node.keyword().text == "virtual_server");
    for server in services.flat_map(|service| within(service, "real_server")) {
        let checks = within(server, "HTTP_GET").chain(within(server, "SSL_GET"));
        let digests = checks.flat_map(|check| within(check, "url")).flat_map(|page| within(page, "digest"));
        for word in digests.filter_map(|line| line.word(1)) {
            let hex = word.text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let what = match (hex, word.text.len()) {
                (true, 32) => continue,
                (true, len) => format!("has {len} digits"),
                (false, _) => "is no hexadecimal number".to_owned(),
            };
            let message =
                format_args!("{}: the digest {what}, an MD5 has 32: no page matches it", server.text());
            report.tell(word, message);
        }
    }
}

/// What every `SSL_GET` asks of certificates, with its server.
fn asked(service: &VirtualServer) -> impl Iterator<Item = (&RealServer, &Checker, &Certificate)> {
    let checks =
        service.servers.iter().flat_map(|server| server.checks.iter().map(move |check| (server, check)));
    checks.filter_map(|(server, check)| match &check.probe {
        Probe::Ssl(_, params) => Some((server, check, params.certificate.as_deref()?)),
        _ => None,
    })
}

/// Tells of every service the first check that is so: its servers mostly have the same one.
fn tell_certificate(
    input: &Input<'_>,
    report: &mut Report<'_>,
    wrong: impl Fn(&Certificate) -> Option<String>,
) {
    for service in input.model.virtual_servers() {
        let found = asked(service).find_map(|(server, check, asked)| Some((server, check, wrong(asked)?)));
        if let Some((server, check, what)) = found {
            report.tell(named("SSL_GET", check.at.0), format_args!("{}: {what}", server_title(server)));
        }
    }
}

pub(super) fn tls_verify_no_file(input: &Input<'_>, report: &mut Report<'_>) {
    let has_file = input.model.tls.as_ref().is_some_and(|tls| tls.ca.is_some());
    tell_certificate(input, report, |asked| {
        let lost = asked.verify && asked.ca.is_none() && !has_file;
        lost.then(|| {
            "tls_verify has no file of trusted certificates, so that the check cannot run".to_owned()
        })
    });
}

pub(super) fn tls_name_unverified(input: &Input<'_>, report: &mut Report<'_>) {
    tell_certificate(input, report, |asked| {
        let name = asked.name.as_deref().filter(|_| !asked.verify)?;
        Some(format!(
            "the certificate may be for any name and not only for {name}, because tls_verify is missing"
        ))
    });
}

pub(super) fn tls_expiry_order(input: &Input<'_>, report: &mut Report<'_>) {
    tell_certificate(input, report, |asked| {
        let (fail, warn) = (asked.fail?, asked.warn?);
        (warn <= fail).then(|| {
            format!("the check fails {fail} days before the certificate expires and warns {warn} days before")
        })
    });
}

pub(super) fn quorum_one_sided(input: &Input<'_>, report: &mut Report<'_>) {
    for service in input.model.virtual_servers() {
        let (keyword, other, command) = match (&service.quorum_up, &service.quorum_down) {
            (Some(command), None) => ("quorum_up", "quorum_down", command),
            (None, Some(command)) => ("quorum_down", "quorum_up", command),
            _ => continue,
        };
        let message = format_args!(
            "{}: {keyword} runs something and there is no {other} that undoes it",
            title(service)
        );
        report.tell(command.at.0, message);
    }
}
