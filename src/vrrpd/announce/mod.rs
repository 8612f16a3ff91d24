//! Gratuitous ARPs and unsolicited neighbour advertisements: which addresses of an instance are announced when, and the
//! frames.
//!
//! Job: an instance's announcements are bounded a turn and spaced on interfaces that the configuration spaces
//! (`pacing`); `extra` repeats some on interfaces that an instance's adverts do not leave by. Frames are gathered and
//! handed to the kernel together. Uses the instances as they are, the table of interfaces and the interfaces of the
//! child's own.

mod extra;

use std::io;

use extra::Extras;

use super::live::{Instance, Vip};
use super::own::OwnInterfaces;
use super::pacing::{Lane, Pacing, Waiting};
use super::report;
use crate::base::addr::{Family, IpAddr};
use crate::base::bytes::Writer;
use crate::base::id::{IfIndex, InstanceId};
use crate::base::limit;
use crate::base::mac::Mac;
use crate::base::name::IfName;
use crate::base::rate::Budget;
use crate::base::time::{Instant, Span};
use crate::child::links::Links;
use crate::config::Model;
use crate::sys::packet::{FrameBatch, PacketSocket};
use crate::sys::sysctl::Setting;
use crate::wire::{arp, ethernet, ndisc};

/// Gratuitous ARPs and neighbour advertisements.
pub struct Announcer {
    /// How far apart announcements leave.
    pub pacing: Pacing,
    /// Announcements on interfaces that are not an instance's own.
    extras: Extras,
    packets: PacketSocket,
    frames: FrameBatch,
    /// This host forwards IPv6: neighbour advertisements say so.
    forwards_v6: bool,
    /// Addresses announced, for -D: the instance, the position of the address, and whether it is the first of a burst.
    announced: Vec<(InstanceId, u16, bool)>,
    /// For the lines of -D about announcements and about addresses of interfaces.
    pub lines: Budget,
}

impl Announcer {
    /// Opens the socket for frames.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        let packets = PacketSocket::open()
            .map_err(|error| report::named_socket("the packet socket for gratuitous ARPs", &error))?;
        Ok(Self {
            pacing: Pacing::default(),
            extras: Extras::default(),
            packets,
            frames: FrameBatch::new(),
            forwards_v6: forwards_v6(),
            announced: Vec::new(),
            lines: Budget::new(LINES, LINE_EVERY),
        })
    }

    /// Makes room for what one turn can announce.
    pub fn reserve(&mut self) {
        self.announced.reserve(ANNOUNCEMENTS_TOLD.saturating_sub(self.announced.len()));
    }

    /// Queues the announcements of an instance that are due.
    pub fn announce(&mut self, now: Instant, id: InstanceId, instance: &mut Instance, links: &Links) {
        let mut budget = limit::ANNOUNCEMENTS_PER_TURN;
        while budget > 0 {
            let Some(position) = instance.router.announcement_due(now) else {
                break;
            };
            let cursor = usize::from(position);
            if instance.waiting.as_mut().is_some_and(|waiting| waiting.take_ahead(cursor)) {
                instance.router.announced();
                continue;
            }
            let chosen = match &mut instance.waiting {
                None => position,
                Some(waiting) => {
                    let lane_of = |pacing: &Pacing, position| lane(pacing, &instance.addresses, position);
                    let count = instance.addresses.len();
                    match waiting.choose(cursor..count, lane_of, &mut self.pacing, now) {
                        Some(Ok(chosen)) => u16::try_from(chosen).unwrap_or(position),
                        Some(Err(until)) => {
                            instance.router.put_off_announcements(until);
                            break;
                        }
                        None => break,
                    }
                }
            };
            let opens = instance.router.announcement_opens();
            if chosen == position {
                instance.router.announced();
            }
            budget -= 1;
            self.queue(id, instance, links, (chosen, opens));
        }
    }

    /// Announces one address now, whatever else is announced; on an interface that is spaced only if its place is free
    /// now, for this announcement is not worth waiting for one.
    fn announce_one(
        &mut self,
        now: Instant,
        id: InstanceId,
        instance: &Instance,
        links: &Links,
        position: u16,
    ) {
        if let Some((lane, family)) = lane(&self.pacing, &instance.addresses, usize::from(position))
            && !self.pacing.take_if_free(lane, family, now)
        {
            return;
        }
        self.queue(id, instance, links, (position, true));
    }

    /// Queues the frame of an address, if its interface can send. `opens`: the frame is the first of its burst.
    fn queue(&mut self, id: InstanceId, instance: &Instance, links: &Links, (position, opens): (u16, bool)) {
        let Some(moved) = instance.addresses.get(usize::from(position)) else {
            return;
        };
        let addr = moved.prefix.addr;
        let Some(link) = moved.link.and_then(|link| links.link(link)) else {
            return;
        };
        if let (Some(index), Some(mac), true) = (link.index, link.mac, link.state.up) {
            self.queue_frame(id, index, mac, addr);
            self.note(id, position, opens);
        }
    }

    fn queue_frame(&mut self, id: InstanceId, index: IfIndex, mac: Mac, addr: IpAddr) {
        let mut frame = [0; limit::ANNOUNCEMENT_OCTETS];
        let mut writer = Writer::new(&mut frame);
        let (written, ether_type) = match addr {
            IpAddr::V4(v4) => (arp::emit_gratuitous(&mut writer, mac, v4), ethernet::TYPE_ARP),
            IpAddr::V6(v6) => {
                (ndisc::emit_unsolicited(&mut writer, mac, v6, self.forwards_v6), ethernet::TYPE_IPV6)
            }
        };
        if written.is_err() {
            return;
        }
        if self.frames.room() == 0 {
            self.flush();
        }
        let _ = self.frames.push(id.0, index, ether_type, writer.written());
    }

    /// Hands the gathered frames to the kernel. A frame that an interface refuses is repeated by the next round.
    pub fn flush(&mut self) {
        if !self.frames.is_empty() {
            self.packets.send(&mut self.frames, |_, _| ());
        }
    }

    /// Remembers an announcement for the lines of -D, which follow once the frames are out.
    fn note(&mut self, id: InstanceId, position: u16, opens: bool) {
        let noted = &mut self.announced;
        if log::log_enabled!(log::Level::Debug) && noted.len() < noted.capacity() {
            noted.push((id, position, opens));
        }
    }

    /// Logs with -D what was announced.
    pub fn log_announced(&mut self, now: Instant, instances: &[Instance], links: &Links) {
        for (id, position, opens) in self.announced.drain(..) {
            let mut may = || report::may(&mut self.lines, now);
            let opens = opens && may();
            let tells = may();
            let Some(instance) = instances.get(id.index()) else {
                continue;
            };
            let Some(moved) = instance.addresses.get(usize::from(position)) else {
                continue;
            };
            let Some(link) = moved.link.and_then(|link| links.link(link)) else {
                continue;
            };
            if opens {
                report::announcing(&instance.config.name, &link.name, moved.prefix.addr);
            }
            if tells {
                report::announced(&link.name, moved.prefix.addr);
            }
        }
    }

    /// Reckons how announcements are spaced, when the interfaces of the model are known.
    pub fn pace(&mut self, model: &Model, links: &Links, owns: &OwnInterfaces, instances: &mut [Instance]) {
        let mut fresh = Pacing::new(model, links, |link| owns.base_of(link));
        fresh.inherit(&self.pacing);
        let before = core::mem::replace(&mut self.pacing, fresh);
        for Instance { waiting, addresses, .. } in instances {
            let now = |pacing: &Pacing, at| lane(pacing, addresses, at);
            let lanes = (0..addresses.len()).map(|at| now(&self.pacing, at));
            let old = core::mem::replace(waiting, Waiting::new(lanes));
            if let (Some(waiting), Some(old)) = (waiting, old) {
                waiting.inherit(&old, &mut self.pacing, |pacing, wanted, family| {
                    let at = (0..addresses.len()).find(|at| now(pacing, *at) == Some((wanted, family)))?;
                    Some(lane(&before, addresses, at)?.0)
                });
            }
        }
    }
}

/// The lane that an address waits in, if its interface is spaced.
fn lane(pacing: &Pacing, addresses: &[Vip], position: usize) -> Option<(Lane, Family)> {
    let moved = addresses.get(position)?;
    let family = Family::of(&moved.prefix.addr);
    Some((pacing.lane(moved.link?, family)?, family))
}

/// Whether this host is an IPv6 router, which its neighbour advertisements must tell.
fn forwards_v6() -> bool {
    let all =
        IfName::new("all").map(|interface| Setting { family: Family::V6, interface, key: "forwarding" });
    all.is_some_and(|setting| setting.read().is_ok_and(|value| value != 0))
}

/// Announcements of one turn that -D logs.
const ANNOUNCEMENTS_TOLD: usize = 4 * limit::ANNOUNCEMENTS_PER_TURN;

/// Lines of -D at once: those about 20 addresses.
const LINES: u16 = 128;
/// The time that earns one more line.
const LINE_EVERY: Span = Span::from_millis(500);
