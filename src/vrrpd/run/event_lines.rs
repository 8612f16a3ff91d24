//! Log lines of what a virtual router reports.

use core::fmt::{self, Display, Formatter};

use crate::base::addr::IpAddr;
use crate::base::rate::Budget;
use crate::base::time::Instant;
use crate::daemon::events::{self, Kind};
use crate::daemon::log::{debug, error, info, warn};
use crate::proto::vrrp::accept::Odd;
use crate::proto::vrrp::guard::Verdict;
use crate::proto::vrrp::{Event, Fault, Reject, State, Why};
use crate::vrrpd::live::Instance;
use crate::vrrpd::report::{self, may};
use crate::vrrpd::track::Reasons;

/// Whether an event is to be logged. What peers can trigger as often as they like goes through the budget.
pub(super) fn may_log(event: &Event, now: Instant, lines: &mut Budget) -> bool {
    !is_triggered_by_peers(event) || may(lines, now)
}

/// Logs an event of an instance; `reasons` are those that it is in FAULT for.
pub(super) fn event(instance: &Instance, reasons: &Reasons<'_>, event: &Event) {
    let name = instance.config.name.as_str();
    match *event {
        Event::Transition { from, to, why } => transition(instance, reasons, from, to, why),
        Event::Syncing(to) => {
            info!("VRRP_Group({}) Syncing instances to {} state", group(instance), to.name());
        }
        // Its members have logged it already.
        Event::Group { .. } => {}
        Event::StillInFault => still_in_fault(name, reasons),
        Event::Expired => debug!("({name}) Receive advertisement timeout"),
        Event::Outranked { from, theirs, ours } if theirs == ours => info!(
            "({name}) Master received advert from {from} with same priority {ours} but higher IP address than ours"
        ),
        Event::Outranked { from, theirs, ours } => {
            info!("({name}) Master received advert from {from} with higher priority {theirs}, ours {ours}");
        }
        Event::LowerPriority { from, theirs, ours, answered, .. } => {
            let tail = if answered { ", forcing new election" } else { "" };
            info!("({name}) Received advert from {from} with lower priority {theirs}, ours {ours}{tail}");
        }
        Event::ZeroReceived { state: State::Master, .. } => {
            info!("({name}) Master received priority 0 message");
        }
        Event::ZeroReceived { .. } => info!("({name}) Backup received priority 0 advertisement"),
        Event::ZeroSent => report::zero_sent(name),
        Event::Discarded { from, theirs } => {
            info!("({name}) received lower priority ({theirs}) advert from {from} - discarding");
        }
        Event::PreemptDelay(delay) => info!("({name}) start preempt delay ({delay})"),
        Event::MasterIs { before: None, now } => info!("({name}) master set to {now}"),
        Event::MasterIs { before: Some(before), now } => {
            info!("({name}) master changed from {before} to {now}");
        }
        Event::IntervalAdopted { from, to } => info!(
            "({name}) advertisement interval updated from {}ms to {}ms by master",
            from.as_millis(),
            to.as_millis()
        ),
        Event::IntervalRestored { from, to } => info!(
            "({name}) changing advert interval from {}ms to locally configured {}ms",
            from.as_millis(),
            to.as_millis()
        ),
        Event::Priority { from, to } => info!("({name}) Changing effective priority from {from} to {to}"),
        Event::OwnerConflict(from) => error!(
            "({name}) CONFIGURATION ERROR: local instance and {from} are both configured as address owner, please \
             resolve"
        ),
        Event::OwnerAlone => info!("({name}): rogue address owner appears to have stopped advertising"),
        Event::Rejected { from, why } => rejected(instance, from, why),
        Event::ChecksumForm { from, old } => {
            let form = if old { "old" } else { "new" };
            info!("({name}) Setting unicast VRRPv3 checksum to {form} version for {from}");
        }
        Event::Odd { from, what } => odd(name, instance, from, what),
    }
}

/// What becomes of an instance is kept for those who ask, with its reason.
pub(super) fn remember(instance: &Instance, reasons: &Reasons<'_>, event: &Event) {
    let name = &instance.config.name;
    match *event {
        Event::Transition { from, to, why } => {
            let cause = Cause { instance, reasons, to, why };
            events::note(Kind::Transition, name, format_args!("{} to {}: {cause}", from.name(), to.name()));
        }
        Event::Group { to, adopted: false } => {
            events::note(Kind::Transition, &group(instance), format_args!("all members to {}", to.name()));
        }
        Event::StillInFault => events::note(Kind::Fault, name, format_args!("still in FAULT: {reasons}")),
        Event::Priority { from, to } => {
            events::note(Kind::Priority, name, format_args!("{from} to {to} by what it tracks"));
        }
        _ => {}
    }
}

/// Why an instance has entered a state.
struct Cause<'a> {
    instance: &'a Instance,
    reasons: &'a Reasons<'a>,
    to: State,
    why: Why,
}

impl Display for Cause<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let machine = self.instance.router.machine();
        let text = match (self.to, self.why) {
            (State::Fault, Why::Group) => return write!(f, "sync group {}", group(self.instance)),
            (State::Fault, _) => return write!(f, "{}", self.reasons),
            (_, Why::Outranked) => match machine.master() {
                Some(master) => {
                    return write!(f, "{} is MASTER with priority {}", master.addr, master.priority);
                }
                None => "another router has a higher priority",
            },
            (_, Why::Group) => return write!(f, "with sync group {}", group(self.instance)),
            (State::Init, _) => "it ends",
            (State::Master, Why::Start) => "it is the address owner",
            (_, Why::Start) => "it begins",
            (_, Why::Decided) => "it begins, with the first results of what it tracks",
            (_, Why::Adopted) => "it carries on for the process before",
            (_, Why::Timeout) => "no MASTER is heard",
            (_, Why::Recovered) => "no reason for FAULT is left",
            (_, Why::AddressLost) => "somebody deletes its addresses again and again",
            (_, Why::Yielded) => "it was asked to give up",
            (_, Why::Late) => "this machine stood still for too long",
            (_, Why::Fault | Why::Stop) => "it gives up",
        };
        f.write_str(text)
    }
}

/// A transition is never left out, nor what explains it.
const fn is_triggered_by_peers(event: &Event) -> bool {
    match event {
        Event::LowerPriority { .. }
        | Event::ZeroReceived { .. }
        | Event::Discarded { .. }
        | Event::PreemptDelay(_)
        | Event::MasterIs { .. }
        | Event::IntervalAdopted { .. }
        | Event::OwnerConflict(_)
        | Event::Rejected { .. }
        | Event::ChecksumForm { .. }
        | Event::Odd { .. } => true,
        Event::Transition { .. }
        | Event::Syncing(_)
        | Event::Group { .. }
        | Event::Expired
        | Event::StillInFault
        | Event::Outranked { .. }
        | Event::OwnerAlone
        | Event::ZeroSent
        | Event::IntervalRestored { .. }
        | Event::Priority { .. } => false,
    }
}

/// A reason for FAULT has gone and others hold: without this line it would look forgotten.
fn still_in_fault(name: &str, reasons: &Reasons<'_>) {
    info!("({name}) still in FAULT state because: {reasons}");
}

fn transition(instance: &Instance, reasons: &Reasons<'_>, from: State, to: State, why: Why) {
    let name = instance.config.name.as_str();
    match (to, why) {
        (State::Init, _) => {}
        (State::Backup, Why::Start) => info!("({name}) Entering BACKUP STATE (init)"),
        (State::Backup, Why::Late) => {
            warn!("({name}) the advert timer expired too late, another router may have taken over");
            info!("({name}) Entering BACKUP STATE");
        }
        (State::Backup, _) => info!("({name}) Entering BACKUP STATE"),
        (State::Master, Why::Adopted) => {
            info!("({name}) Entering MASTER STATE (carrying on for the process before)");
        }
        (State::Master, _) => {
            info!("({name}) Entering MASTER STATE");
            debug!("({name}) setting VIPs.");
            if !instance.config.excluded.is_empty() {
                debug!("({name}) setting E-VIPs.");
            }
            if !instance.config.routes.is_empty() {
                debug!("({name}) setting Virtual Routes");
            }
            if !instance.config.rules.is_empty() {
                debug!("({name}) setting Virtual Rules");
            }
        }
        (State::Fault, Why::Start | Why::Decided) => {
            for (fault, reason) in reasons.iter() {
                match fault {
                    Fault::LinkDown | Fault::LinkMissing => {
                        info!("({name}): entering FAULT state (interface {} down)", interface(instance));
                    }
                    Fault::NoAddress => info!(
                        "({name}) entering FAULT state (no {} address for interface)",
                        instance.family()
                    ),
                    Fault::Group => info!("VRRP_Group({}): Syncing {name} to FAULT state", group(instance)),
                    // Logged with their names already.
                    Fault::File | Fault::Process => {}
                    _ => info!("({name}) entering FAULT state ({reason})"),
                }
            }
            info!("({name}) entering FAULT state");
        }
        (State::Fault, _) => {
            info!("({name}) Entering FAULT STATE");
            info!("({name}) in fault because: {reasons}");
        }
    }
    if from == State::Master {
        if !instance.config.rules.is_empty() {
            debug!("({name}) removing Virtual Rules");
        }
        if !instance.config.routes.is_empty() {
            debug!("({name}) removing Virtual Routes");
        }
        debug!("({name}) removing VIPs.");
    }
}

fn group(instance: &Instance) -> &str {
    instance.config.group().map_or("", |group| group.name.as_str())
}

fn interface(instance: &Instance) -> &str {
    instance.config.interface.as_ref().map_or("none", |named| named.name.as_str())
}

fn rejected(instance: &Instance, from: IpAddr, why: Reject) {
    let name = instance.config.name.as_str();
    match why {
        Reject::Own | Reject::Ignored => {}
        Reject::HopLimit(received) => {
            warn!("({name}) invalid TTL/HL from {from}. Received {received} and expect 255");
        }
        Reject::HopLimitRange { received, min, max } => {
            warn!("({name}) TTL/HL {received} from {from} not in range [{min}, {max}]");
        }
        Reject::NotAPeer => warn!("({name}) unicast source address {from} not a unicast peer"),
        Reject::Version { received, expected } => {
            warn!("({name}) wrong VRRP version from {from}. Received {received} and expect {expected}");
        }
        Reject::Kind(kind) => warn!("({name}) Invalid packet type from {from}. {kind} and expect 1"),
        Reject::TooShort { received, expected } => {
            warn!("({name}) vrrp packet from {from} too short, length {received} and expect {expected}");
        }
        Reject::TooLong { received, expected } => {
            warn!("({name}) vrrp packet from {from} too long, length {received} and expect {expected}");
        }
        Reject::Checksum => {
            let version = instance.router.params().version.number();
            warn!("({name}) Invalid VRRPv{version} checksum from {from}");
        }
        Reject::AuthUnknown(kind) => warn!("({name}) Invalid auth type from {from}: {kind}"),
        Reject::AuthMismatch { received, expected } => {
            warn!("({name}) received a {received} auth from {from}, expecting {expected}!");
        }
        Reject::Password => warn!("({name}) received an invalid passwd from {from}!"),
        Reject::Header => warn!(
            "({name}) IPSEC-AH : invalid IPSEC HMAC-MD5 value. Due to fields mutation or bad password !"
        ),
        Reject::Sequence { received, local } => warn!(
            "({name}) IPSEC-AH : sequence number {received} already processed. Packet dropped. Local({local})"
        ),
        Reject::Extension(verdict) => unsigned(name, from, verdict),
        Reject::Interval { received, expected } => warn!(
            "({name}) advertisement interval mismatch with {from} mine={expected} sec rcv'd={received} sec"
        ),
    }
}

fn unsigned(name: &str, from: IpAddr, verdict: Verdict) {
    match verdict {
        Verdict::Missing => warn!("({name}) missing authentication trailer from {from}"),
        Verdict::Malformed => warn!("({name}) malformed authentication trailer from {from}"),
        Verdict::UnknownKey(id) => warn!("({name}) unknown authentication key id {id} from {from}"),
        Verdict::Invalid => warn!("({name}) invalid authentication HMAC from {from}"),
        Verdict::Stale { skew, window } => warn!(
            "({name}) stale authentication trailer from {from}, clock skew {skew} sec exceeds window {window} sec"
        ),
        Verdict::Replayed => warn!("({name}) replayed authentication trailer from {from}"),
    }
}

fn odd(name: &str, instance: &Instance, from: IpAddr, what: Odd) {
    match what {
        Odd::AddressCount { received, expected } => {
            info!("({name}) expected {expected} VIPs but received {received}");
        }
        Odd::AddressMissing(addr) => info!(
            "({name}) ip address associated with VRID {} not present in advert from {from}: {addr}",
            instance.router.params().vrid
        ),
        Odd::Interval { received, expected } => info!(
            "({name}) advertisement interval mismatch ours = {expected} centi-sec rcv'd={received} centi-sec"
        ),
    }
}
