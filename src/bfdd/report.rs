//! Log lines of the BFD child, in keepalived's words where it has the line.

use core::fmt::Display;
use std::io;

use nix::errno::Errno;

use crate::base::addr::{Family, IpAddr};
use crate::base::time::Span;
use crate::daemon::log::{debug, info, warn};
use crate::proto::bfd::Session;
use crate::wire::bfd::{Malformed, State};

pub(super) use crate::child::report::{kernel_failed, may, reloading};

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
pub(super) fn send_failed(name: &str, local: Option<IpAddr>, errno: Errno) {
    match (errno, local) {
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

/// A packet is discarded; `whose`: the name of its session, if one was found.
pub(super) fn discarded(whose: Option<&str>, source: IpAddr, why: impl Display) {
    match whose {
        Some(name) => info!("({name}) discarded a packet from {source}: {why}"),
        None => info!("discarded a BFD packet from {source}: {why}"),
    }
}

/// Why a packet is discarded, in words.
pub(super) const fn reason(why: Malformed) -> &'static str {
    match why {
        Malformed::Short => "it is too short",
        Malformed::Version => "it has another version than 1",
        Malformed::Length => "its length field does not fit it",
        Malformed::Multiplier => "its multiplier is 0",
        Malformed::Multipoint => "it has the multipoint bit",
        Malformed::MyDiscriminator => "its sender's discriminator is 0",
        Malformed::YourDiscriminator => "it claims to know this session and does not name it",
        Malformed::Authenticated => "it is authenticated and the session is not",
    }
}
