//! Gratuitous ARPs and unsolicited neighbour advertisements, bounded a turn and spaced an interface.

use super::live::{Instance, Moved};
use super::pacing::{Lane, Pacing};
use super::slots::Slot;
use super::state::Vrrp;
use super::waiting::Waiting;
use crate::base::addr::{Family, IpAddr};
use crate::base::bytes::Writer;
use crate::base::id::{IfIndex, InstanceId};
use crate::base::limit;
use crate::base::mac::Mac;
use crate::base::time::Instant;
use crate::daemon::reactor::Turn;
use crate::wire::{arp, ethernet, ndisc};

impl Vrrp {
    /// Queues the announcements of an instance that are due, and arms the timer for the rest.
    pub(super) fn announce(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let now = turn.now();
        let mut budget = limit::ANNOUNCEMENTS_PER_TURN;
        while budget > 0 {
            let Some(instance) = self.routers.instances.get_mut(id.index()) else {
                return;
            };
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
                    match waiting.choose(cursor..count, lane_of, &mut self.announcer.pacing, now) {
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
            self.send_announcement(id, chosen, opens);
        }
        if let Some(instance) = self.instance(id) {
            turn.set_deadline(self.work.layout.number(Slot::Announce(id)), instance.router.announce_at());
        }
    }

    /// Announces one address now, whatever else is announced; if its interface is spaced, unless a place must be
    /// waited for: this one is not worth it.
    pub(super) fn announce_one(&mut self, now: Instant, id: InstanceId, position: u16) {
        let Some(instance) = self.instance(id) else { return };
        if let Some((lane, family)) = lane(&self.announcer.pacing, &instance.addresses, usize::from(position))
            && !self.announcer.pacing.take_if_free(lane, family, now)
        {
            return;
        }
        self.send_announcement(id, position, true);
    }

    /// Queues the frame of an address, if its interface can send. `opens`: it is the first of its burst.
    fn send_announcement(&mut self, id: InstanceId, position: u16, opens: bool) {
        let Some(moved) = self.instance(id).and_then(|one| one.addresses.get(usize::from(position))) else {
            return;
        };
        let addr = moved.prefix.addr;
        let Some(link) = moved.link.and_then(|link| self.links.table.link(link)) else {
            return;
        };
        if let (Some(index), Some(mac), true) = (link.index, link.mac, link.up) {
            self.queue_frame(id, index, mac, addr);
            self.note_announcement(id, position, opens);
        }
    }

    /// Reckons how announcements are spaced, when the interfaces of the model are known.
    pub(super) fn pace(&mut self) {
        let mut fresh = Pacing::new(&self.model, &self.links.table, |link| self.owns.base_of(link));
        fresh.inherit(&self.announcer.pacing);
        let before = core::mem::replace(&mut self.announcer.pacing, fresh);
        for Instance { waiting, addresses, .. } in &mut self.routers.instances {
            let now = |pacing: &Pacing, at| lane(pacing, addresses, at);
            let lanes = (0..addresses.len()).map(|at| now(&self.announcer.pacing, at));
            let old = core::mem::replace(waiting, Waiting::new(lanes));
            if let (Some(waiting), Some(old)) = (waiting, old) {
                waiting.inherit(&old, &mut self.announcer.pacing, |pacing, wanted, family| {
                    let at = (0..addresses.len()).find(|at| now(pacing, *at) == Some((wanted, family)))?;
                    Some(lane(&before, addresses, at)?.0)
                });
            }
        }
    }

    fn queue_frame(&mut self, id: InstanceId, index: IfIndex, mac: Mac, addr: IpAddr) {
        let mut frame = [0; limit::ANNOUNCEMENT_OCTETS];
        let mut writer = Writer::new(&mut frame);
        let (written, ether_type) = match addr {
            IpAddr::V4(v4) => (arp::emit_gratuitous(&mut writer, mac, v4), ethernet::TYPE_ARP),
            IpAddr::V6(v6) => (
                ndisc::emit_unsolicited(&mut writer, mac, v6, self.announcer.forwards_v6),
                ethernet::TYPE_IPV6,
            ),
        };
        if written.is_err() {
            return;
        }
        if self.announcer.frames.room() == 0 {
            self.flush_announcements();
        }
        let _ = self.announcer.frames.push(id.0, index, ether_type, writer.written());
    }

    /// Remembers what -D tells once the frames are out.
    fn note_announcement(&mut self, id: InstanceId, position: u16, opens: bool) {
        let noted = &mut self.announcer.announced;
        if log::log_enabled!(log::Level::Debug) && noted.len() < noted.capacity() {
            noted.push((id, position, opens));
        }
    }

    /// Tells with -D what was announced.
    pub(super) fn tell_announcements(&mut self, turn: &Turn<'_>) {
        let now = turn.now();
        for (id, position, opens) in self.announcer.announced.drain(..) {
            let mut may = || super::report::may(&mut self.announcer.lines, now);
            let opens = opens && may();
            let tells = may();
            let Some(instance) = self.routers.instances.get(id.index()) else {
                continue;
            };
            let Some(moved) = instance.addresses.get(usize::from(position)) else {
                continue;
            };
            let Some(link) = moved.link.and_then(|link| self.links.table.link(link)) else {
                continue;
            };
            if opens {
                super::report::announcing(&instance.config.name, &link.name, moved.prefix.addr);
            }
            if tells {
                super::report::announced(&link.name, moved.prefix.addr);
            }
        }
    }

    /// Hands the gathered frames to the kernel. One that an interface refuses is repeated by the next round.
    pub(super) fn flush_announcements(&mut self) {
        if !self.announcer.frames.is_empty() {
            self.announcer.packets.send(&mut self.announcer.frames, |_, _| ());
        }
    }
}

/// The lane that an address waits in, if its interface is spaced.
fn lane(pacing: &Pacing, addresses: &[Moved], position: usize) -> Option<(Lane, Family)> {
    let moved = addresses.get(position)?;
    let family = Family::of(&moved.prefix.addr);
    Some((pacing.lane(moved.link?, family)?, family))
}
