//! Log lines of the BFD child, in keepalived's words where it has the line.

use std::io;

use nix::errno::Errno;

use crate::base::addr::{Family, IpAddr};
use crate::base::time::Span;
use crate::config::model::Bfd;
use crate::daemon::events;
use crate::daemon::log::{debug, info, warn};
use crate::proto::bfd::Session;
use crate::sys::process;
use crate::wire::bfd::State;

pub(super) use crate::child::report::{kernel_failed, may};

/// A session has entered a state.
pub(super) fn entered(name: &str, session: &Session) {
    match session.state() {
        State::Down => info!(
            "({name}) Entering Down state (Local diagnostic - {}, Remote diagnostic - {})",
            session.diagnostic().name(),
            session.peer().diagnostic.name()
        ),
        State::Init => debug!("({name}) Entering Init state"),
        state => info!("({name}) Entering {} state", state.name()),
    }
}

/// A session is up or down, which is kept for those who ask.
pub(super) fn remember(name: &str, session: &Session) {
    let (state, own, peer) = (session.state().name(), session.diagnostic(), session.peer().diagnostic);
    let text = format_args!("{state}: here {}, there {}", own.name(), peer.name());
    events::note(events::Kind::Session, &name, text);
}

/// Nothing was heard for the detection time.
pub(super) fn expired(name: &str, after: Span, overdue: Span) {
    info!("({name}) Expired after {} ms ({} usec overdue)", after.as_millis(), overdue.as_micros());
}

/// Packets poll from now on.
pub(super) fn poll_begins(name: &str) {
    info!("({name}) Starting poll sequence");
}

/// The detection time is another one.
pub(super) fn detection(name: &str, session: &Session, from: Span, to: Span) {
    let (own, peer) = (session.packet(), session.peer());
    let (sent, heard) = (session.transmit_interval(), peer.min_tx.max(own.min_rx));
    let line = |who: &str, tx: Span, rx: Span, interval: Span, multiplier: u8, detection: Span| {
        let [tx, rx, interval, detection] = [tx, rx, interval, detection].map(Span::as_micros);
        info!("    {who:<6} {tx:>8} {rx:>7} {interval:>8} {multiplier:>5} {detection:>12}");
    };
    info!("({name}) ---------------< Session parameters >--------------");
    info!("             min_tx  min_rx  tx_intv  mult  detect_time");
    line("local", own.min_tx, own.min_rx, sent, own.multiplier, to);
    line("remote", peer.min_tx, peer.min_rx, heard, peer.multiplier, sent * u64::from(own.multiplier));
    info!("    Detection time is {} us (was {} us)", to.as_micros(), from.as_micros());
}

/// The kernel refused a packet, the first of several in a row.
pub(super) fn send_failed(config: &Bfd, local: Option<IpAddr>, errno: Errno) {
    let name = &config.name;
    match (errno, local) {
        (Errno::ENODEV, _) => warn!(
            "({name}) Error sending packet - the interface of {} is not there; trying on",
            config.with_interface(config.neighbor)
        ),
        // What the kernel says of a source address that is not there depends on its version.
        (Errno::EINVAL | Errno::ENETUNREACH, Some(local)) => warn!(
            "({name}) Error sending packet - {local} is not an address of this machine, or has no route; trying on"
        ),
        _ => warn!("({name}) Error sending packet - {}; trying on", errno.desc()),
    }
}

/// Somebody else has the port, or the kernel lacks the family.
pub(super) fn cannot_listen(family: Family, port: u16, error: &io::Error) {
    warn!("Unable to receive BFD packets over {family} at UDP port {port}: {error}; trying on");
}

/// A packet is discarded; `whose`: the name of its session, if one was found, and the TTL of the packet.
pub(super) fn discarded(whose: Option<(&str, Option<u8>)>, source: IpAddr, why: &str) {
    match whose {
        Some((name, hop_limit)) => {
            let hop_limit = hop_limit.unwrap_or(0);
            info!("({name}) discarded a packet from {source}: its TTL is {hop_limit}, {why}");
        }
        None => info!("discarded a BFD packet from {source}: {why}"),
    }
}

/// The data dump is asked for.
pub(super) fn printing_data() {
    info!("Printing BFD data for process({}) on signal", process::own());
}

/// The process was not run for so long.
pub(super) fn stalled(late: Span) {
    info!("BFD was not scheduled for {} ms: what came meanwhile counts before timers", late.as_millis());
}
