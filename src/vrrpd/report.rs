//! Log lines of the VRRP child, in keepalived's words where it has the line. Events and trackers have theirs beside them.
//!
//! `info!` is what keepalived always logs, `debug!` what it logs with -D, `warn!` and `error!` what an
//! administrator should look at.

use core::sync::atomic::{AtomicBool, Ordering};
use std::path::Path;

use nix::errno::Errno;

use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::id::{IfIndex, LinkId};
use crate::base::name::IfName;
use crate::base::time::Span;
use crate::child::links::{Kind, Links};
use crate::config::value::Seconds;
#[cfg(feature = "status")]
use crate::daemon::events;
use crate::daemon::log::{debug, error, info, warn};
#[cfg(feature = "status")]
use crate::daemon::manual::What;
use crate::proto::track::Ending;
use crate::sys::netlink::command::Refusal;
use crate::sys::process::{self, Ended};
use crate::sys::refusal::refusal;
use crate::sys::script;
use crate::sys::sysctl::Setting;

pub(super) use crate::child::report::{kernel_failed, may, reloading, status_failed};

/// An advert whose router id no instance has (`log_unknown_vrids`).
pub(super) fn unknown_vrid(vrid: u8, link: &IfName) {
    info!("Unknown VRID({vrid}) received on interface({link}). ignoring...");
}

/// Instances begin, and are BACKUP for this time (`vrrp_startup_delay`, `vrrp_delay_after_boot`).
pub(super) fn held(left: Span) {
    info!("Delaying startup for {} seconds", Seconds(Span::from_millis(left.as_millis())));
}

/// The delay at the start is over.
pub(super) fn released() {
    info!("Delayed start completed");
}

/// An instance begins as soon as its interface has the address that it is to speak from.
pub(super) fn awaits_detection(name: &str, link: &IfName) {
    info!("({name}) waiting for duplicate address detection on {link}");
}

pub(super) fn send_failed(name: &str, errno: i32) {
    let remedy = match Errno::from_raw(errno) {
        Errno::EPERM => {
            " - a firewall of this host refuses it: let packets of protocol vrrp (112; ah, 51, with AH) out"
        }
        Errno::ENETUNREACH | Errno::EHOSTUNREACH => " - there is no route to where it goes",
        _ => "",
    };
    warn!("({name}): send advert error {errno} ({}){remedy}", text_of(errno));
}

/// The text of an error number as the C library has it.
fn text_of(errno: i32) -> &'static str {
    Errno::from_raw(errno).desc()
}

/// The first round of a burst reaches an address.
pub(super) fn announcing(name: &str, link: &IfName, addr: IpAddr) {
    let what = match Family::of(&addr) {
        Family::V4 => "gratuitous ARPs",
        Family::V6 => "Unsolicited Neighbour Adverts",
    };
    debug!("({name}) Sending/queueing {what} on {link} for {addr}");
}

pub(super) fn announced(link: &IfName, addr: IpAddr) {
    debug!("Sending {} on {link} for {addr}", announcement(addr));
}

const fn announcement(addr: IpAddr) -> &'static str {
    match Family::of(&addr) {
        Family::V4 => "gratuitous ARP",
        Family::V6 => "unsolicited Neighbour Advert",
    }
}

pub(super) fn address_refused(name: &str, prefix: Prefix, refusal: &Refusal<'_>) {
    let (errno, text) = (refusal.errno, refusal.text);
    let lacking = lacking(errno);
    warn!("({name}) cannot add {prefix}: {}{lacking} {text} - trying again", errno.desc());
}

/// What a process lacks that may not change the network, as the end of a sentence.
pub(super) const fn lacking(errno: Errno) -> &'static str {
    match errno {
        Errno::EPERM => " (this process lacks the capability CAP_NET_ADMIN)",
        _ => "",
    }
}

pub(super) fn address_taken(name: &str, addr: IpAddr, link: &str, again: bool) {
    warn!("Netlink reflector reports IP {addr} removed from {link}");
    if again {
        warn!("({name}) {addr} put back on {link}; find out who deletes it, or mark it no_track");
    } else {
        warn!("({name}) {addr} is deleted again and again, giving up mastership for a moment");
    }
}

/// An address was not deleted for itself.
pub(super) fn address_fell(name: &str, addr: IpAddr, link: &str) {
    warn!("Netlink reflector reports IP {addr} removed from {link}");
    warn!(
        "({name}) {addr} went with the first address of its network on {link} and was put back; promote_secondaries \
         keeps it there"
    );
}

pub(super) fn address_altered(name: Option<&str>, link: &str, addr: IpAddr) {
    let whose = Holder(name);
    warn!(
        "{whose} {addr} on {link} had its lifetime or flags changed by somebody; it is as configured again"
    );
}

pub(super) fn address_assigned(links: &Links, link: LinkId, addr: IpAddr) {
    debug!("Assigned address {addr} for interface {}", name_of(links, Some(link)));
}

pub(super) fn address_deassigned(links: &Links, link: LinkId, addr: IpAddr) {
    debug!("Deassigned address {addr} from interface {}", name_of(links, Some(link)));
}

fn name_of(links: &Links, link: Option<LinkId>) -> &str {
    link.and_then(|link| links.link(link)).map_or("?", |link| link.name.as_str())
}

pub(super) fn socket_failed(name: &str, error: &std::io::Error) {
    error!(
        "({name}) cannot open the raw socket for adverts: {} - in fault until it opens",
        why_no_socket(error)
    );
}

pub(super) fn sender_failed(error: &std::io::Error) {
    error!("the raw socket for sending adverts: {}", why_no_socket(error));
}

/// A socket that no child can do without, with its name in the error.
pub(super) fn named_socket(what: &str, error: &std::io::Error) -> std::io::Error {
    refusal(error.kind(), format!("{what}: {}", why_no_socket(error)))
}

/// Of the two families only IPv6 may be missing.
fn why_no_socket(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM) => "not permitted, this process lacks the capability CAP_NET_RAW".to_owned(),
        Some(libc::EAFNOSUPPORT) => {
            "this kernel has no IPv6: boot it without ipv6.disable=1, or modprobe ipv6 (CONFIG_IPV6)"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

pub(super) fn script_returns(name: &str, code: u8) {
    info!("Script `{name}` now returning {code}");
}

pub(super) fn script_changed(name: &str, up: bool, ending: Ending, timed_out: bool) {
    match (up, timed_out, ending) {
        (true, ..) => info!("VRRP_Script({name}) succeeded"),
        (false, true, _) => info!("VRRP_Script({name}) timed_out"),
        (false, false, Ending::Exited(code)) => {
            info!("VRRP_Script({name}) failed (exited with status {code})");
        }
        (false, false, Ending::Signalled(signal)) => {
            info!("VRRP_Script({name}) failed (due to signal {signal})");
        }
        (false, false, Ending::NotStarted) => info!("VRRP_Script({name}) failed (could not be started)"),
    }
    if let Ending::Exited(code) = ending
        && let Some(meaning) = script::meaning(Ended::Exited(code.into()))
        && !timed_out
    {
        warn!("VRRP_Script({name}): {meaning}");
    }
}

pub(super) fn script_still_running(name: &str, terminating: bool) {
    let state = if terminating { "being timed out" } else { "already running" };
    info!("Track script {name} is {state}, expect idle - skipping run");
}

pub(super) fn script_not_started(name: &str, error: &std::io::Error) {
    warn!("Script `{name}` could not be started: {error}");
}

pub(super) fn key_unreadable(name: &str, id: u8, path: &str, why: &str) {
    error!("({name}) auth_hmac key {id}: file {path} {why}");
}

pub(super) fn key_readable(name: &str) {
    info!("({name}) the auth_hmac key that signs could be read");
}

/// An administrator has given an instance something over SNMP; no value: as configured again.
#[cfg(feature = "status")]
pub(super) fn by_hand(name: &str, what: What, value: Option<u32>) {
    let text = match (what, value) {
        (_, None) => format!("{} ends", what.word()),
        (What::Preempt, Some(value)) => (if value == 1 { "preempts" } else { "does not preempt" }).to_owned(),
        (_, Some(value)) => format!("{} {value}", what.word()),
    };
    info!("By hand: {name}: {text}");
    events::note(events::Kind::Manual, &name, format_args!("{text}"));
}

pub(super) fn own_created(name: &str, own: &IfName, kind: Kind) {
    info!("({name}): Success creating {} interface {own}", kind_name(kind));
}

pub(super) fn own_failed(name: &str, own: &IfName, kind: Kind, why: &str) {
    let hint = match kind {
        _ if !why.contains("Unknown device type") => "",
        Kind::Ipvlan => " - this kernel has no ipvlan (modprobe ipvlan, CONFIG_IPVLAN)",
        _ => " - this kernel has no macvlan (modprobe macvlan, CONFIG_MACVLAN)",
    };
    error!("({name}): Unable to create {} interface {own}: {why}{hint}", kind_name(kind));
}

pub(super) fn own_refused(name: &str, own: &IfName, why: &str) {
    error!("({name}): VMAC interface {own}: {why}");
}

/// A cleaner came between a MASTER and its successor.
pub(super) fn set_again(name: &str, missing: usize, all: usize) {
    info!("({name}) {missing} of {all} VIPs were taken off meanwhile - setting them again");
}

pub(super) fn own_removed(name: &str, own: &IfName, kind: Kind) {
    let owner = if name.is_empty() { String::new() } else { format!("({name}) ") };
    info!("{owner}Success removing {} interface {own}", kind_name(kind));
}

pub(super) fn own_stuck(name: &str, own: &IfName, kind: Kind, why: &str) {
    warn!("({name}) Unable to remove {} interface {own}: {why}", kind_name(kind));
}

fn kind_name(kind: Kind) -> &'static str {
    if kind == Kind::Ipvlan { "ipvlan" } else { "VMAC" }
}

/// What the kernel says of a request.
pub(super) fn refusal_text(refusal: &Refusal<'_>) -> String {
    let Refusal { errno, text } = refusal;
    if text.is_empty() { errno.desc().to_owned() } else { format!("{} ({text})", errno.desc()) }
}

pub(super) fn ledger_failed(path: &Path, error: &std::io::Error) {
    warn!("Unable to write {}, which a restart after a crash needs: {error}", path.display());
}

pub(super) fn setting_changed(setting: &Setting, value: i64) {
    info!("Setting {} of {} to {value}", setting.key, setting.interface);
}

pub(super) fn setting_failed(setting: &Setting, error: &std::io::Error) {
    static READ_ONLY: AtomicBool = AtomicBool::new(false);
    let Setting { key, interface, .. } = setting;
    if error.kind() != std::io::ErrorKind::ReadOnlyFilesystem {
        warn!("Unable to set {key} of {interface}: {error}");
    } else if !READ_ONLY.swap(true, Ordering::Relaxed) {
        warn!(
            "/proc/sys is read-only: {key} of {interface} and all other settings stay as they are - ARP replies may have the wrong hardware address; give the container a /proc/sys that can be written, or set them outside"
        );
    }
}

/// A command that cannot run. The parent has reported that, with the place in the configuration.
pub(super) fn cannot_run(text: &str) {
    debug!("{text}");
}

pub(super) fn zero_sent(name: &str) {
    info!("({name}) sent 0 priority");
}

/// An instance ends. `stays`: one of its name begins.
pub(super) fn removed(name: &str, stays: bool) {
    if stays {
        info!(
            "({name}) begins anew: the new configuration has another interface, router id or family for it"
        );
    } else {
        info!("({name}) removed by the new configuration");
    }
}

/// A daemon of the same configuration runs in the same network namespace.
pub(super) fn another_runs(pid: i32) {
    error!(
        "Another keepalived with this configuration runs here, process {pid}: two run, and both become MASTER - stop one of them"
    );
}

pub(super) fn left_over(prefix: Prefix) {
    debug!("removing {prefix}, left over from an earlier run");
}

pub(super) fn address_dropped(name: &str, prefix: Prefix, link: &IfName) {
    info!("({name}) ip address {prefix} dev {link}, no longer exist");
}

/// A static address that the new configuration does not have.
pub(super) fn static_address_dropped(prefix: Prefix, link: &IfName) {
    info!("{} ip address {prefix} dev {link}, no longer exist", Holder(None));
}

/// A route that was in the kernel and that no instance has any more.
pub(super) fn route_dropped(destination: Option<Prefix>) {
    match destination {
        Some(prefix) => info!("Removing route {prefix}"),
        None => info!("Removing route default"),
    }
}

/// A rule that was in the kernel and that no instance has any more.
pub(super) fn rule_dropped(from: Option<Prefix>, to: Option<Prefix>) {
    match (from, to) {
        (Some(from), Some(to)) => info!("ip rule from {from} to {to} removed"),
        (Some(from), None) => info!("ip rule from {from} removed"),
        (None, Some(to)) => info!("ip rule to {to} removed"),
        (None, None) => info!("ip rule from all removed"),
    }
}

/// The holder of a route, a rule or an address: an instance by name, or none for a static one.
struct Holder<'a>(Option<&'a str>);

impl core::fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(name) => write!(f, "({name})"),
            None => f.write_str("static:"),
        }
    }
}

pub(super) fn object_taken(name: Option<&str>, object: &impl core::fmt::Display, again: bool) {
    let name = Holder(name);
    if again {
        warn!("{name} {object} was deleted by somebody; find out by whom, or mark it no_track");
    } else {
        warn!("{name} {object} is deleted again and again, giving up for a moment");
    }
}

pub(super) fn object_replaced(name: Option<&str>, object: &impl core::fmt::Display) {
    warn!("{} {object} was replaced by somebody; find out by whom, or mark it no_track", Holder(name));
}

pub(super) fn object_back(name: Option<&str>, object: &impl core::fmt::Display) {
    warn!("{} {object} put back", Holder(name));
}

pub(super) fn object_refused(name: Option<&str>, object: &impl core::fmt::Display, refusal: &Refusal<'_>) {
    let Refusal { errno, text } = refusal;
    warn!("{} cannot add {object}: {} {text} - trying again", Holder(name), errno.desc());
}

pub(super) fn object_stuck(name: Option<&str>, object: &impl core::fmt::Display, refusal: &Refusal<'_>) {
    let Refusal { errno, text } = refusal;
    warn!("{} cannot remove {object}: {} {text}", Holder(name), errno.desc());
}

pub(super) fn object_left_over(object: &impl core::fmt::Display) {
    debug!("removing {object}, left over from an earlier run");
}

pub(super) fn printing_data() {
    info!("Printing VRRP data for process({}) on signal", process::own());
}

pub(super) fn printing_stats(clear: bool) {
    let clearing = if clear { " and clearing" } else { "" };
    info!("Printing{clearing} VRRP stats for process({}) on signal", process::own());
}

pub(super) fn socket(index: IfIndex, family: Family, proto: u8, fd: i32, group: Option<IpAddr>) {
    let index = index.0;
    match group {
        Some(group) => debug!(
            "VRRP sockpool: [ifindex({index:3}), family({family}), proto({proto}), fd({fd}) multicast, address({group})]"
        ),
        None => {
            debug!(
                "VRRP sockpool: [ifindex({index:3}), family({family}), proto({proto}), fd({fd}) , unicast]"
            )
        }
    }
}
