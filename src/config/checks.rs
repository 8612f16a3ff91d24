//! The checks of a real server read into the model: nested blocks, what they inherit, and what they need.

use super::block::quietly;
use super::diag::{Diagnostics, Severity};
use super::keyword::Object;
use super::model::check::{Misc, Origin, Target};
use super::model::service::{RealServer, Timing};
use super::model::{At, Checker, Model, Probe};
use super::names::Names;
use super::rows::services::check::{self, CheckDraft};
use super::rows::services::http;
use super::tree::Position;
use crate::base::addr::{Family, IpAddr};
use crate::base::id::BfdId;
use crate::base::map::Set;
use crate::base::time::Span;
use crate::proto::check::{Cadence, dns, file, http as fetch, smtp};
use std::sync::Arc;

/// Around a check.
pub(super) struct Around<'a> {
    /// The model so far.
    pub(super) model: &'a Model,
    /// Names so far.
    pub(super) names: &'a Names,
    /// Findings so far.
    pub(super) found: &'a mut Diagnostics,
    /// The service, for messages.
    pub(super) owner: &'a str,
    /// Times given by server and service.
    pub(super) timing: Timing,
    /// `virtualhost` of server or service.
    pub(super) host: Option<Arc<str>>,
    /// BFD sessions that the server follows already.
    pub(super) sessions: Set<BfdId>,
    /// The port that the server was given. A check connects to it even where IPVS cannot have it: behind a mark, or
    /// another one than the service's without address translation.
    pub(super) port: u16,
}

impl Around<'_> {
    fn error(&mut self, at: Position, message: impl Into<String>, remedy: &str) {
        self.found.tell(Severity::Error, at, message.into(), remedy);
    }
}

/// Reads the block of a check; a `host` in it is a check of its own.
pub(super) fn read(object: &Object<'_>, around: &mut Around<'_>, server: &mut RealServer) {
    let keyword = object.node.keyword().text;
    let Some((keyword, rows)) = check::TABLES.iter().find(|(name, _)| *name == keyword) else {
        return;
    };
    let mut draft = CheckDraft::default();
    let (_, blocks) = quietly(object, *rows, &mut draft, "", around.found);
    let mut pages = Vec::with_capacity(blocks.len());
    let mut hosts = Vec::new();
    for block in &blocks {
        if block.node.keyword().text == "url" {
            pages.extend(page(block, *keyword == "SSL_GET", around.found));
        } else {
            let mut host = CheckDraft::default();
            quietly(block, check::HOST, &mut host, "", around.found);
            host.helo.clone_from(&draft.helo);
            hosts.push((host, block.node.at()));
        }
    }
    draft.http.pages = pages.into();
    server.checks.extend(finish(keyword, draft, object.node.at(), around, server));
    for (host, at) in hosts {
        server.checks.extend(finish(keyword, host, at, around, server));
    }
}

/// Reads a `url`; none if it has no path.
fn page(object: &Object<'_>, tls: bool, found: &mut Diagnostics) -> Option<fetch::Page> {
    let mut draft = http::HttpCheckDraft::default();
    let rows = if tls { http::URL_TLS } else { http::URL };
    quietly(object, [rows, &[]], &mut draft, "", found);
    let at = draft.regex_at.unwrap_or(object.node.at());
    if !draft.has_regex && draft.regex_at.is_some() {
        found.note(at, "regex options without a regex have no effect");
    }
    let from = draft.regex.from;
    if let Some(to) = draft.regex.to.filter(|to| *to <= from) {
        let message = format!("regex_max_offset {to} is not above regex_min_offset {from} - ignoring both");
        found.note(at, message);
        (draft.regex.from, draft.regex.to) = (0, None);
    }
    let page = draft.finish();
    if page.is_none() {
        let message = "HTTP/SSL_GET checker url has no path - ignoring".to_owned();
        let remedy = "write path and the path of a page; this one is not fetched";
        found.tell(Severity::Error, object.node.at(), message, remedy);
    }
    page
}

/// The check that a draft means; none if it cannot be used, which is told.
fn finish(
    keyword: &'static str,
    draft: CheckDraft,
    at: Position,
    around: &mut Around<'_>,
    server: &RealServer,
) -> Option<Checker> {
    let cadence = cadence(keyword, &draft, around);
    let probe = match keyword {
        "MISC_CHECK" => misc(draft, at, around)?,
        "FILE_CHECK" => follow(draft, at, around)?,
        "BFD_CHECK" => bfd(draft, at, around, server)?,
        _ => {
            let target = target(&draft, at, around, server)?;
            network(keyword, draft, target, at, around)?
        }
    };
    Some(Checker { at: At(at), cadence, probe })
}

fn cadence(keyword: &str, draft: &CheckDraft, around: &Around<'_>) -> Cadence {
    let timing = draft.timing.over(&around.timing);
    let standard = Cadence::default();
    let delay_loop = timing.delay_loop.unwrap_or(standard.delay_loop);
    let before = timing.delay_before_retry.or(check::before_retry(keyword));
    let timeout = match (keyword, draft.run_time) {
        ("MISC_CHECK", 0) => delay_loop,
        ("MISC_CHECK", secs) => Span::from_secs(u64::from(secs)),
        _ => timing.connect_timeout.unwrap_or(standard.timeout),
    };
    let all = around.model.global.mail.checker_log_all_failures;
    Cadence {
        delay_loop,
        delay_before_retry: before.unwrap_or(delay_loop),
        warmup: timing.warmup.unwrap_or(delay_loop),
        timeout,
        retry: timing.retry.unwrap_or_else(|| check::retries(keyword)),
        alpha: timing.alpha.unwrap_or(false),
        log_all_failures: draft.log_all_failures.unwrap_or(all),
        fail_on_local_failure: draft.fail_on_local_failure,
    }
}

/// Where the check goes; none if it could not get there.
fn target(draft: &CheckDraft, at: Position, around: &mut Around<'_>, server: &RealServer) -> Option<Target> {
    let addr = draft.addr.unwrap_or(server.addr);
    if let (IpAddr::V6(link), None) = (addr, &draft.interface)
        && link.is_unicast_link_local()
    {
        let message = format!("Checker link local address {addr} requires a bind_if");
        around.error(at, message, "write bind_if and an interface; there is no check");
        return None;
    }
    let mut bind = draft.bind;
    if let Some((own, at)) = bind
        && Family::of(&own) != Family::of(&addr)
    {
        let message =
            format!("bindto {own} and connect_ip {addr} are of different families - ignoring bindto");
        around.error(at, message, "write an own address of the family that is checked");
        bind = None;
    }
    let origin = Origin {
        addr: bind.map(|(addr, _)| addr),
        port: draft.bind_port,
        interface: draft.interface.clone(),
        fwmark: draft.fwmark,
    };
    Some(Target {
        addr,
        port: draft.port.unwrap_or(around.port),
        origin: (origin != Origin::default()).then(|| Box::new(origin)),
    })
}

fn network(
    keyword: &str,
    draft: CheckDraft,
    target: Target,
    at: Position,
    around: &mut Around<'_>,
) -> Option<Probe> {
    Some(match keyword {
        "HTTP_GET" | "SSL_GET" => {
            let mut http = draft.http;
            if http.pages.is_empty() {
                let message = "HTTP/SSL_GET checker has no urls specified - ignoring";
                around.error(at, message, "write url { path / } into the block");
                return None;
            }
            http.host = http.host.or_else(|| around.host.clone());
            if keyword == "HTTP_GET" {
                Probe::Http(target, Arc::new(http))
            } else {
                Probe::Ssl(target, Arc::new(http))
            }
        }
        "SMTP_CHECK" => {
            let standard = smtp::Params::default();
            let helo = draft.helo.unwrap_or(standard.helo);
            Probe::Smtp(target, Arc::new(smtp::Params { helo }))
        }
        "DNS_CHECK" => {
            let standard = dns::Params::default();
            let (kind, name) = draft.dns;
            Probe::Dns(
                target,
                Arc::new(dns::Params {
                    kind: kind.unwrap_or(standard.kind),
                    name: name.unwrap_or(standard.name),
                }),
            )
        }
        "UDP_CHECK" => {
            let (shortest, longest) = (draft.udp.shortest, draft.udp.longest);
            if shortest > longest {
                let message = format!(
                    "UDP_CHECK min_reply length {shortest} > max_reply_length {longest} - will always fail"
                );
                let remedy = "write min_reply_length below max_reply_length";
                around.found.tell(Severity::Warning, at, message, remedy);
            }
            Probe::Udp(target, Arc::new(draft.udp))
        }
        "PING_CHECK" => Probe::Ping(target),
        _ => Probe::Tcp(target, draft.tcp),
    })
}

fn misc(draft: CheckDraft, at: Position, around: &mut Around<'_>) -> Option<Probe> {
    if draft.unusable {
        return None;
    }
    let Some(mut command) = draft.command else {
        let message = "No script path has been specified for MISC_CHECKER - skipping";
        around.error(at, message, "write misc_path \"<program> <arguments>\"");
        return None;
    };
    if draft.identity.is_some() {
        command.identity = draft.identity;
    }
    Some(Probe::Misc(Box::new(Misc { command, timeout: draft.run_time, dynamic: draft.dynamic })))
}

fn follow(draft: CheckDraft, at: Position, around: &mut Around<'_>) -> Option<Probe> {
    let Some((name, at)) = draft.file else {
        let message = "FILE_CHECK has no track_file specified - ignoring";
        around.error(at, message, "write track_file and the name of one");
        return None;
    };
    let id = around.names.files.find(&name);
    let Some((id, own)) = id.and_then(|id| Some((id, around.model.file(id)?.weight))) else {
        let message = format!("track_file {name} not found");
        around.error(at, message, "define it above, outside any block; there is no check");
        return None;
    };
    let (weight, reverse) = draft.file_weight.unwrap_or((i32::from(own.value), None));
    let reverse = reverse.unwrap_or(own.reverse);
    Some(Probe::File(id, file::Params { weight, reverse }))
}

fn bfd(draft: CheckDraft, at: Position, around: &mut Around<'_>, server: &RealServer) -> Option<Probe> {
    if draft.unusable {
        return None;
    }
    let whose = format!("({}, real server {}) ", around.owner, server.addr);
    let Some((name, at)) = draft.bfd else {
        let message = format!("{whose}No name has been specified for BFD_CHECKER - skipping");
        around.error(at, message, "write name and that of a bfd_instance");
        return None;
    };
    let id = around.names.bfds.find(&name);
    let told = id.and_then(|id| around.model.bfd(id)).is_some_and(|bfd| bfd.checker);
    match id {
        Some(id) if around.sessions.contains(&id) => {
            let message = format!("{whose}BFD_CHECK - RS already monitoring {name}");
            around.error(at, message, "once is enough; remove this one");
            None
        }
        Some(id) if told => {
            around.sessions.insert(id);
            Some(Probe::Bfd(id))
        }
        _ => {
            let message = format!("{whose}BFD_CHECK - BFD {name} not configured");
            let remedy = if id.is_some() {
                "it tells VRRP only: write checker into the bfd_instance"
            } else {
                "define the bfd_instance above; there is no check"
            };
            around.error(at, message, remedy);
            None
        }
    }
}

#[cfg(test)]
#[cfg(feature = "lvs")]
mod tests {
    use crate::config::diag::Diagnostics;
    use crate::config::{assemble, expand};

    /// The port that a check of one server of a service connects to, and that of the server in IPVS.
    fn ports(service: &str, server: &str, check: &str) -> (u16, u16) {
        let text = format!(
            "virtual_server {service} {{\nlvs_sched rr\nprotocol TCP\nlvs_method DR\nreal_server {server} {{\n\
             TCP_CHECK {{\n{check}\n}}\n}}\n}}\n"
        );
        let mut found = Diagnostics::new();
        let parsed = expand::parse_text(&text, &mut found);
        let model = assemble::model(&parsed.tree, &mut found);
        let server = &model.services[0].servers[0];
        (server.checks[0].probe.target().unwrap().port, server.port)
    }

    /// The check of a server of a service over TCP.
    fn check(text: &str) -> crate::config::model::Probe {
        let text = format!(
            "virtual_server 192.0.2.1 53 {{\nprotocol TCP\nreal_server 10.0.0.1 53 {{\n{text}\n}}\n}}\n"
        );
        let mut found = Diagnostics::new();
        let parsed = expand::parse_text(&text, &mut found);
        assemble::model(&parsed.tree, &mut found).services[0].servers[0].checks[0].probe.clone()
    }

    /// Field case 57: the check is a DNS_CHECK, and such a one asks over UDP, whatever its service is for.
    #[test]
    fn a_dns_check_of_a_service_over_tcp_is_one() {
        let probe = check("DNS_CHECK {\nname example.test\n}");
        assert!(matches!(probe, crate::config::model::Probe::Dns(_, _)), "{probe:?}");
        assert_eq!(probe.target().unwrap().port, 53);
    }

    /// Field case 55.
    #[test]
    fn names_of_dns_checks_end_with_or_without_a_dot() {
        let name = |line: &str| match check(&format!("DNS_CHECK {{\n{line}\n}}")) {
            crate::config::model::Probe::Dns(_, dns) => dns.name.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!((&*name(""), &*name("name .")), ("", ""), "the root");
        assert_eq!(&*name("name example.test"), "example.test");
        assert_eq!(name("name example.test."), name("name example.test"));
        let mut found = Diagnostics::new();
        let text = format!(
            "virtual_server 192.0.2.1 53 {{\nreal_server 10.0.0.1 53 {{\nDNS_CHECK {{\nname {}.test\n}}\n}}\n}}\n",
            "a".repeat(64)
        );
        let parsed = expand::parse_text(&text, &mut found);
        let _ = assemble::model(&parsed.tree, &mut found);
        assert_ne!(found.exit_test(), crate::base::exit::Exit::Ok, "a label of 64 letters is none");
    }

    /// Field case 58.
    #[test]
    fn quotes_inside_a_command_keep_words_together() {
        let probe = check("MISC_CHECK {\nmisc_path \"/p/check https 10.0.0.1 'all is well' x\"\n}");
        let crate::config::model::Probe::Misc(misc) = probe else { panic!("{probe:?}") };
        let words: Vec<_> = misc.command.argv.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(words, ["/p/check", "https", "10.0.0.1", "all is well", "x"]);
    }

    #[test]
    fn a_check_connects_to_the_port_that_the_server_was_given() {
        assert_eq!(ports("fwmark 3", "10.0.0.1 443", ""), (443, 0));
        assert_eq!(ports("10.0.0.9 80", "10.0.0.1 443", ""), (443, 80));
        assert_eq!(ports("10.0.0.9 80", "10.0.0.1", ""), (80, 80));
        assert_eq!(ports("fwmark 3", "10.0.0.1 443", "connect_port 8443"), (8_443, 0));
    }
}
