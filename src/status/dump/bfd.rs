//! BFD sessions in the data dump. The addresses of keepalived's timers (`thread_out`, `sands_out` and so on) are left out;
//! behind its lines stand ours: when the timers are due, and how many packets there were.

use core::fmt::{self, Write};
use std::os::fd::RawFd;

use super::{Clock, Stamp};
use crate::base::addr::Family;
use crate::base::time::{Instant, Span};
use crate::config::model::Bfd;
use crate::proto::bfd::Session;

/// A session at work.
#[derive(Clone, Copy, Debug)]
pub struct SessionView<'a> {
    /// What is configured.
    pub config: &'a Bfd,
    /// Its machine.
    pub machine: &'a Session,
    /// The TTL or hop limit of its packets.
    pub ttl: u8,
    /// The descriptor that its packets go out by.
    pub sent_by: Option<RawFd>,
    /// The source port of its packets.
    pub port: u16,
    /// The kernel has refused its last packet.
    pub refused: bool,
    /// Packets handed to the kernel.
    pub sent: u64,
    /// Packets taken.
    pub received: u64,
    /// Packets discarded for their TTL.
    pub too_far: u64,
}

/// A socket that receives.
///
/// # Errors
/// What `out` says.
pub fn listener(out: &mut dyn Write, fd: RawFd, family: Family, port: u16) -> fmt::Result {
    writeln!(out, " fd_in = {fd} ({family}, port {port})")
}

/// How many packets were discarded, by reason.
///
/// # Errors
/// What `out` says.
pub fn discards(out: &mut dyn Write, mut counts: impl Iterator<Item = (&'static str, u64)>) -> fmt::Result {
    out.write_str(" Discarded packets\n")?;
    counts.try_for_each(|(label, count)| writeln!(out, "   {label} = {count}"))
}

/// A session.
///
/// # Errors
/// What `out` says.
pub fn session(clock: &Clock, out: &mut dyn Write, view: &SessionView<'_>) -> fmt::Result {
    let SessionView { config, machine, .. } = view;
    let yes = |on: bool| if on { "Yes" } else { "No" };
    writeln!(out, " BFD Instance = {}", config.name)?;
    writeln!(out, "   Neighbor IP = {}", config.with_interface(config.neighbor))?;
    if let Some(source) = config.source {
        writeln!(out, "   Source IP = {}", config.with_interface(source))?;
    }
    let params = machine.params();
    writeln!(out, "   Required min RX interval = {} us", params.min_rx.as_micros())?;
    writeln!(out, "   Desired min TX interval = {} us", params.min_tx.as_micros())?;
    writeln!(out, "   Desired idle TX interval = {} us", params.idle_tx.as_micros())?;
    writeln!(out, "   Detection multiplier = {}", params.multiplier)?;
    let ttl = if Family::of(&config.neighbor) == Family::V4 { "TTL" } else { "hoplimit" };
    writeln!(out, "   {ttl} = {}", view.ttl)?;
    writeln!(out, "   max_hops = {}", params.max_hops)?;
    writeln!(out, "   passive = {}", params.passive)?;
    if config.multihop {
        out.write_str("   multihop = true\n")?;
    }
    writeln!(out, "   send event to VRRP process = {}", yes(config.vrrp))?;
    writeln!(out, "   send event to checker process = {}", yes(config.checker))?;
    writeln!(out, "   fd_out {}", view.sent_by.unwrap_or(-1))?;
    writeln!(out, "   send error = {}", view.refused)?;
    state(out, machine)?;
    match machine.heard() {
        None => out.write_str("   last_seen = [never]\n")?,
        Some(at) => writeln!(out, "   last seen = {}", Stamp(clock, clock.wall_of(at)))?,
    }
    due(clock, out, "next packet", machine.next_packet())?;
    due(clock, out, "peer is lost", machine.detects_at())?;
    writeln!(out, "   source port = {}", view.port)?;
    writeln!(out, "   packets sent = {}", view.sent)?;
    writeln!(out, "   packets received = {}", view.received)?;
    writeln!(out, "   packets discarded for their TTL or hop limit = {}", view.too_far)
}

fn state(out: &mut dyn Write, machine: &Session) -> fmt::Result {
    let (own, peer) = (machine.packet(), machine.peer());
    writeln!(out, "   local state = {}", own.state.name())?;
    writeln!(out, "   remote state = {}", peer.state.name())?;
    writeln!(out, "   local discriminator = 0x{:x}", own.my)?;
    writeln!(out, "   remote discriminator = 0x{:x}", peer.discriminator)?;
    writeln!(out, "   local diag = {}", own.diagnostic.name())?;
    writeln!(out, "   remote diag = {}", peer.diagnostic.name())?;
    let heard = peer.multiplier != 0;
    let of_peer = |span: Span| if heard { span.as_micros() } else { 0 };
    writeln!(out, "   remote min tx intv = {} us", of_peer(peer.min_tx))?;
    writeln!(out, "   remote min rx intv = {} us", of_peer(peer.min_rx))?;
    writeln!(out, "   local demand = {}", u8::from(own.demand))?;
    writeln!(out, "   remote demand = {}", u8::from(peer.demand))?;
    writeln!(out, "   remote detect multiplier = {}", peer.multiplier)?;
    writeln!(out, "   {}poll, !final", if own.poll { "" } else { "!" })?;
    let sent = machine.transmit_interval();
    writeln!(out, "   local tx intv = {} us", sent.as_micros())?;
    writeln!(out, "   remote tx intv = {} us", of_peer(peer.min_tx.max(own.min_rx)))?;
    writeln!(out, "   local detection time = {} us", machine.detection_time().as_micros())?;
    writeln!(out, "   remote detection time = {} us", of_peer(sent * u64::from(own.multiplier)))
}

fn due(clock: &Clock, out: &mut dyn Write, label: &str, at: Option<Instant>) -> fmt::Result {
    match at {
        None => writeln!(out, "   {label} = [disabled]"),
        Some(at) => writeln!(out, "   {label} = {}", Stamp(clock, clock.wall_of(at))),
    }
}
