//! Log lines of checks, in keepalived's words where it has the line.

use core::fmt::{self, Display, Formatter};

use nix::errno::Errno;

use crate::base::feature;
use crate::config::model::check::Target;
use crate::config::model::{Checker, Probe, ServerName, ServiceName};
use crate::daemon::events;
use crate::daemon::log::{debug, info, warn};
use crate::proto::check::{Cause, Fact, Failure, Fault, Tls};

/// Whose check a line is about.
#[derive(Clone, Copy)]
pub(in crate::checkd) struct Subject<'a> {
    pub(in crate::checkd) checker: &'a Checker,
    pub(in crate::checkd) server: ServerName,
    pub(in crate::checkd) service: ServiceName<'a>,
}

/// TLS cannot be used by the checks that ask for these files.
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
pub(super) fn no_client(error: &str) {
    log::error!("SSL_GET cannot run: {error}");
}

/// A verdict is kept for those who ask, with its reason.
pub(in crate::checkd) fn remember(Subject { checker, server, service }: Subject<'_>, fact: Fact) {
    let keyword = checker.probe.keyword();
    let note = |text| {
        events::note(events::Kind::Check, &server, format_args!("{keyword} of {service} {text}"));
    };
    match fact {
        Fact::Passed => note(format_args!("passed")),
        Fact::Down { why, .. } => note(format_args!("failed: {}", Reason(why))),
        Fact::NotRun(cause) => note(format_args!("cannot run: {}", Why(cause, checker))),
        Fact::Overdue => note(format_args!("is overdue")),
        Fact::RunsAgain => note(format_args!("runs again")),
        Fact::Expires { days } => note(format_args!("sees a certificate that expires in {days} days")),
        // Those that decide nothing.
        Fact::Page(_) | Fact::Failed { .. } => {}
    }
}

/// A check reports something.
pub(in crate::checkd) fn fact(subject: Subject<'_>, fact: Fact) {
    let Subject { checker, server, service } = subject;
    let keyword = checker.probe.keyword();
    match fact {
        Fact::Passed => passed(subject),
        Fact::Page(position) => page(subject, position),
        Fact::Failed { why, .. } => failed(subject, why),
        Fact::Down { why, retries } => down(subject, why, retries),
        Fact::NotRun(cause) => {
            warn!("{keyword} on service {server} of VS {service} cannot run: {}", Why(cause, checker));
        }
        Fact::Overdue => {
            warn!("{keyword} on service {server} of VS {service} has not run for three times its delay_loop");
        }
        Fact::Expires { days: ..0 } => warn!("The certificate of {server} has expired"),
        Fact::Expires { days } => warn!("The certificate of {server} expires in {days} days"),
        Fact::RunsAgain => info!("{keyword} on service {server} of VS {service} runs again"),
    }
}

fn passed(Subject { checker, server, service }: Subject<'_>) {
    match &checker.probe {
        Probe::Tcp(..) => info!("TCP connection to {server} success."),
        Probe::Http(..) | Probe::Ssl(..) => info!("Remote Web server {server} succeed on service."),
        Probe::Smtp(..) => info!("Remote SMTP server {server} succeed on service."),
        Probe::Dns(..) => info!("DNS_CHECK ({server}) success."),
        Probe::Udp(..) => info!("UDP connection to {server} success."),
        Probe::Ping(_) => info!("ICMP connection to {server} success."),
        Probe::Misc(misc) => {
            info!("Misc check for [{server} VS {service}] by [{}] succeeded.", misc.command.raw);
        }
        Probe::File(..) | Probe::Bfd(_) => {
            info!("{} on service {server} of VS {service} success.", checker.probe.keyword());
        }
    }
}

fn page(Subject { checker, server, .. }: Subject<'_>, position: u16) {
    if let Probe::Http(_, params) | Probe::Ssl(_, params) = &checker.probe
        && let Some(page) = params.pages.get(usize::from(position))
    {
        info!("HTTP status code success to {server} url({})", page.path);
    }
}

/// Told with `log_all_failures` only.
fn failed(subject: Subject<'_>, why: Failure) {
    let Subject { checker, server, .. } = subject;
    match (&checker.probe, why) {
        (Probe::Tcp(..), Failure::NotConnected | Failure::Transport(Fault::TimedOut)) => {
            info!("TCP connection to {server} timeout.");
        }
        (Probe::Tcp(..), _) => info!("TCP connection to {server} failed."),
        (Probe::Http(..) | Probe::Ssl(..), why) => match why {
            Failure::NotConnected | Failure::Transport(_) => info!("Connection failed server {server}."),
            Failure::Status(_) => info!("HTTP status code error to server {server}."),
            Failure::Digest => info!("MD5 digest error to server {server}."),
            Failure::Regex => info!("Regex match failed server {server}."),
            Failure::Silent => info!("Timeout WEB read server {server}."),
            Failure::Unfinished => info!("Timeout HTTP read server {server}."),
            Failure::Closed => info!("Read, no data received from  server {server}."),
            _ => info!("HTTP reply of server {server}: {}.", Reason(why)),
        },
        (Probe::Smtp(target, _), why) => smtp(target, why),
        (Probe::Udp(..), _) => info!("UDP connection to {server} failed."),
        (Probe::Ping(_), _) => info!("ICMP connection to {server} failed."),
        (Probe::Misc(_), why) => misc(subject, why, 0),
        _ => info!("{} on service {server}: {}.", checker.probe.keyword(), Reason(why)),
    }
}

fn down(subject: Subject<'_>, why: Failure, retries: u32) {
    let Subject { checker, server, service } = subject;
    let after = After(retries, "retries");
    match (&checker.probe, why) {
        (Probe::Tcp(..), _) => info!("TCP_CHECK on service {server} failed{after}."),
        (Probe::Http(..), _) => info!("HTTP_CHECK on service {server} failed{after}."),
        (Probe::Ssl(..), _) => info!("SSL_CHECK on service {server} failed{after}."),
        (Probe::Udp(..), _) => info!("UDP_CHECK on service {server} failed{after}."),
        (Probe::Ping(_), _) => info!("ICMP CHECK on service {server} of {service} failed{after}."),
        (Probe::Smtp(target, _), why) => smtp(target, why),
        (Probe::Dns(..), Failure::Rcode(code)) => {
            info!("DNS_CHECK ({server}) read error occurred. (rcode = {code}){after}");
        }
        (Probe::Dns(..), Failure::Silent | Failure::Unfinished) => {
            info!("DNS_CHECK ({server}) read timeout from socket{after}");
        }
        (Probe::Dns(..), _) => info!("DNS_CHECK ({server}) {}{after}", Reason(why)),
        (Probe::Misc(_), why) => misc(subject, why, retries),
        (Probe::File(..) | Probe::Bfd(_), _) => {
            info!("{} on service {server} of VS {service} failed: {}", checker.probe.keyword(), Reason(why));
        }
    }
    match why {
        Failure::Status(_) | Failure::Transport(Fault::Tls(_)) => {
            info!("{} on service {server}: {}", checker.probe.keyword(), Reason(why));
        }
        _ => debug!("{} on service {server}: {}", checker.probe.keyword(), Reason(why)),
    }
}

fn smtp(target: &Target, why: Failure) {
    let Target { addr, port, .. } = target;
    match why {
        Failure::Greeting(_) => info!("SMTP_CHECK Bad greeting banner from server [{addr}]:{port}"),
        Failure::NotConnected | Failure::Transport(_) => {
            info!("SMTP_CHECK Could not connect to server [{addr}]:{port}");
        }
        why => info!("SMTP_CHECK server [{addr}]:{port}: {}", Reason(why)),
    }
}

fn misc(Subject { checker, server, service }: Subject<'_>, why: Failure, retries: u32) {
    let Probe::Misc(misc) = &checker.probe else { return };
    let (path, after) = (&misc.command.raw, After(retries, if retries == 1 { "retry" } else { "retries" }));
    let head = format_args!("Misc check for [{server} VS {service}] by [{path}]");
    match why {
        Failure::RanTooLong => info!("{head} timed out{after}."),
        Failure::Exited(code) => info!("{head} failed{after} (exited with status {code})."),
        Failure::Signalled(signal) => info!("{head} failed{after} (due to signal {signal})."),
        why => info!("{head} failed{after} ({}).", Reason(why)),
    }
}

/// ` after 2 retries`, or nothing.
struct After(u32, &'static str);

impl Display for After {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, " after {} {}", self.0, self.1) }
    }
}

/// Why an attempt failed, for people.
pub(in crate::checkd) struct Reason(pub(in crate::checkd) Failure);

impl Display for Reason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            Failure::Transport(fault) => return transport(fault, f),
            Failure::Status(code) => {
                return write!(f, "the reply has status {code}, which is not among those of status_code");
            }
            Failure::Greeting(code) => return write!(f, "the server greets with {code}, not with 220"),
            Failure::Hello(code) => return write!(f, "the server answers HELO with {code}, not with 250"),
            Failure::Rcode(code) => return write!(f, "the reply has code {code}"),
            Failure::Exited(code) => return write!(f, "it exited with status {code}"),
            Failure::Signalled(signal) => return write!(f, "signal {signal} ended it"),
            Failure::Value(value) => return write!(f, "its file holds {value}"),
            Failure::NotConnected => "there was no connection in time",
            Failure::Silent => "there was no reply in time",
            Failure::Unfinished => "the reply did not end in time",
            Failure::Closed => "the server closed before it replied",
            Failure::Truncated => "the server closed before its reply ended",
            Failure::Malformed => "the reply does not follow its protocol",
            Failure::Early => "the server said more than its greeting before it was asked",
            Failure::TooLong => "the reply is too long",
            Failure::Digest => "the digest of the body is another one",
            Failure::Regex => "the body does not match its regex",
            Failure::RegexGaveUp => "the search for its regex took too long",
            Failure::Mismatch => "the reply is not the one that is required",
            Failure::RanTooLong => "it did not end in time",
            Failure::Session => "the BFD session is down",
            Failure::Local => "its own address or interface cannot be used here",
        };
        f.write_str(text)
    }
}

fn transport(fault: Fault, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str(match fault {
        Fault::Refused => "the port is closed",
        Fault::Unreachable => "the server cannot be reached",
        Fault::Reset => "the server broke the connection",
        Fault::TimedOut => "the connection timed out",
        Fault::Tls(Tls::NothingInCommon) if feature::TLS_OPENSSL.built => {
            "TLS: no version or cipher suite in common"
        }
        Fault::Tls(Tls::NothingInCommon) => {
            "TLS: no version or cipher suite in common (older ones need the feature 'tls-openssl')"
        }
        Fault::Tls(Tls::Untrusted) => "TLS: nobody who is trusted signed the certificate",
        Fault::Tls(Tls::WrongName) => "TLS: the certificate is for another name",
        Fault::Tls(Tls::Expired) => "TLS: the certificate is not valid now, or not for long enough",
        Fault::Tls(Tls::Alert(alert)) => return write!(f, "TLS: the server sent alert {alert}"),
        Fault::Tls(Tls::Garbage) => "TLS: what the server sent is not TLS",
        Fault::Other(errno) => Errno::from_raw(errno).desc(),
    })
}

/// Why a check could not run.
#[derive(Clone, Copy)]
pub(in crate::checkd) struct Why<'a>(pub(in crate::checkd) Cause, pub(in crate::checkd) &'a Checker);

impl Display for Why<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let origin = self.1.probe.target().and_then(|target| target.origin.as_deref());
        f.write_str(cause_text(self.0))?;
        match (self.0, origin) {
            (Cause::Bind, Some(origin)) => match origin.addr {
                Some(addr) => write!(f, " ({addr} port {})", origin.port),
                None => write!(f, " (port {})", origin.port),
            },
            (Cause::Interface, Some(origin)) => {
                origin.interface.as_ref().map_or(Ok(()), |name| write!(f, " ({name})"))
            }
            (Cause::Other(errno), _) => write!(f, ": {}", Errno::from_raw(errno).desc()),
            _ => Ok(()),
        }
    }
}

fn cause_text(cause: Cause) -> &'static str {
    match cause {
        Cause::Descriptors => "no file descriptor is left (ulimit -n)",
        Cause::Memory => "the kernel has no memory left",
        Cause::Ports => "no local port is left",
        Cause::Bind => "the address of bindto, or bind_port, cannot be used",
        Cause::Interface => "the interface of bind_if does not exist",
        Cause::Permission => "this process is not permitted to (a ping: net.ipv4.ping_group_range)",
        Cause::Program => "the program could not be started",
        Cause::Feature => "this build lacks what the check needs",
        Cause::Other(_) => "the kernel refuses",
    }
}
