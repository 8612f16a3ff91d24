//! What outlives this process: noted beside the work, and taken up by the one that replaces it.
//!
//! ```text
//! script       verdict, streak and last code | when it is due    | -
//! process      verdict, change that waits    | when that counts  | -
//! delayed link counted state                 | otherwise since   | -
//! own numbers  the last one sent (or heard, for authentication headers)
//! a sender     the last one heard            | its address
//! MASTER heard its advert interval, where it is not ours
//! ```
//!
//! Instances find their notes by name, so that a successor with another configuration finds them, too.

use core::net::Ipv6Addr;

use super::auth::guard_of;
use super::state::Vrrp;
use crate::base::addr::IpAddr;
use crate::base::id::InstanceId;
use crate::base::time::{Instant, Span};
use crate::config::model;
use crate::daemon::keep::{Note, Values, key};
use crate::daemon::record::{self, Records};
use crate::proto::vrrp::guard::Sender;
use crate::proto::vrrp::{Guard, State};
use crate::wire::trailer::Stamp;

const OWN: &str = "own number";
const SENDER: &str = "sender";
const INTERVAL: &str = "interval";

impl Vrrp {
    /// Scripts and numbers go on where the predecessor was. Before anybody is asked what speaks against an instance.
    pub(super) fn take_up(&mut self, now: Instant, died: Option<Instant>) {
        for script in &mut self.trackers.scripts {
            script.take_up(&self.kept, now, died);
        }
        let kept = &self.kept;
        for instance in &mut self.routers.instances {
            let name = &*instance.config.name;
            match instance.router.guard_mut() {
                None => {}
                Some(Guard::Header(header)) => {
                    if let Some((note, [last, ..])) = kept.find(OWN, name) {
                        header.resume(u32::try_from(last).unwrap_or(u32::MAX), note.number());
                    }
                }
                Some(Guard::Signature(signature)) => {
                    if let Some((note, [last, ..])) = kept.find(OWN, name) {
                        signature.resume(Stamp::from_bits(last), note.number());
                    }
                    for note in kept.left.all_of(key(SENDER, name)) {
                        let [last, high, low] = kept.keep.values(note);
                        let address = unpack(high, low);
                        signature.remember(Sender {
                            address,
                            last: Stamp::from_bits(last),
                            mark: note.number(),
                        });
                    }
                }
            }
        }
        for id in self.ids() {
            let Some(instance) = self.routers.instances.get_mut(id.index()) else { continue };
            if let Some((note, [interval, ..])) = self.kept.find(INTERVAL, &instance.config.name) {
                instance.router.resume_interval(Span::from_micros(interval));
                self.routers.intervals.push((id, note));
            }
        }
    }

    /// Everything that is still wanted has been taken up: the rest is forgotten.
    pub(super) fn drop_untaken(&mut self) {
        let scripts = self.trackers.scripts.iter().map(|script| script.note);
        let mut notes: Vec<Note> = scripts.collect();
        notes.extend(self.routers.intervals.iter().map(|(_, note)| *note));
        notes.extend(self.trackers.processes.notes());
        notes.extend(self.links.notes());
        notes.extend(self.notifies.alerts.notes());
        for guard in self.routers.instances.iter().filter_map(|instance| instance.router.guard()) {
            match guard {
                Guard::Header(header) => notes.push(Note::numbered(header.mark)),
                Guard::Signature(signature) => {
                    notes.push(Note::numbered(signature.mark));
                    notes.extend(signature.senders().iter().map(|sender| Note::numbered(sender.mark)));
                }
            }
        }
        self.kept.retain(notes);
    }

    /// After a reload: instances have other numbers, and what went leaves nothing to a successor.
    pub(super) fn rekeep(&mut self) {
        for (_, note) in &mut self.routers.intervals {
            self.kept.keep.forget(note);
        }
        self.routers.intervals.clear();
        for id in self.ids() {
            self.keep_interval(id);
        }
        self.rename_numbers();
        self.drop_untaken();
    }

    /// An instance goes on with its numbers under another name.
    fn rename_numbers(&mut self) {
        for instance in &mut self.routers.instances {
            let (guard, config) = guard_of(instance);
            let rename = |mark, kind| self.kept.keep.rename(Note::numbered(mark), key(kind, &config.name));
            match guard {
                None => {}
                Some(Guard::Header(header)) => rename(header.mark, OWN),
                Some(Guard::Signature(signature)) => {
                    rename(signature.mark, OWN);
                    signature.senders().iter().for_each(|sender| rename(sender.mark, SENDER));
                }
            }
        }
    }

    /// An advert of `source`, or the next own one, has been counted.
    pub(super) fn keep_numbers(&mut self, id: InstanceId, source: Option<IpAddr>) {
        let Some(instance) = self.routers.instances.get_mut(id.index()) else { return };
        let keep = &self.kept.keep;
        let put = |mark: &mut u32, config: &model::Instance, kind, values: Values| {
            let mut note = Note::numbered(*mark);
            if note != Note::NONE && kind == OWN {
                return keep.set(note, values[0]);
            }
            keep.put(&mut note, key(kind, &config.name), values);
            *mark = note.number();
        };
        let (guard, config) = guard_of(instance);
        match guard {
            None => {}
            Some(Guard::Header(header)) => {
                let last = u64::from(header.last());
                put(&mut header.mark, config, OWN, [last, 0, 0]);
            }
            Some(Guard::Signature(signature)) => match source {
                None => {
                    let last = signature.last().bits();
                    put(&mut signature.mark, config, OWN, [last, 0, 0]);
                }
                Some(source) => {
                    let Some(sender) = signature.sender_mut(source) else { return };
                    let (high, low) = pack(source);
                    put(&mut sender.mark, config, SENDER, [sender.last.bits(), high, low]);
                }
            },
        }
    }

    /// An advert was heard: a successor has to know of a MASTER that sends fewer than we would.
    pub(super) fn keep_interval(&mut self, id: InstanceId) {
        let Some(instance) = self.routers.instances.get(id.index()) else { return };
        let machine = instance.router.machine();
        let theirs = machine.master_interval();
        let other = machine.state() == State::Backup && theirs != instance.router.params().advert_interval;
        let intervals = &mut self.routers.intervals;
        if !other && intervals.is_empty() {
            return;
        }
        match (intervals.binary_search_by_key(&id, |(id, _)| *id), other) {
            (Ok(at), true) => {
                if let Some((_, note)) = intervals.get(at) {
                    self.kept.keep.set(*note, theirs.as_micros());
                }
            }
            (Ok(at), false) => self.kept.keep.forget(&mut intervals.remove(at).1),
            (Err(at), true)
                if intervals.len() < intervals.capacity() || self.routers.policy.is_rebuilding() =>
            {
                let mut note = Note::NONE;
                let key = key(INTERVAL, &instance.config.name);
                self.kept.keep.put(&mut note, key, [theirs.as_micros(), 0, 0]);
                intervals.insert(at, (id, note));
            }
            (Err(_), _) => {}
        }
    }

    /// Makes room for the rare notes of so many instances. For load time: allocates.
    pub(super) fn reserve_kept(&mut self) {
        let room = self.routers.instances.len();
        self.routers.intervals.reserve_exact(room.saturating_sub(self.routers.intervals.len()));
    }
}

/// The state of an instance or a group as the parent remembers it.
pub(super) const fn state_of_record(state: State) -> u8 {
    match state {
        State::Init => record::GONE,
        State::Backup => 1,
        State::Master => MASTER,
        State::Fault => 3,
    }
}

/// The state that the parent remembers of an instance or a group.
pub(super) fn recorded(records: &Records, key: u64) -> Option<State> {
    match records.of(key)? {
        1 => Some(State::Backup),
        MASTER => Some(State::Master),
        3 => Some(State::Fault),
        _ => None,
    }
}

/// The state of a record that a daemon that is killed as a whole leaves to the next one.
pub const MASTER: u8 = 2;

/// The key of the record of a sync group: never that of an instance of its name.
pub(super) fn group_key(name: &str) -> u64 {
    record::continued(record::key("group\0"), name)
}

/// An address as two words; one of version 4 as version 6 maps it.
fn pack(address: IpAddr) -> (u64, u64) {
    let bits = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    };
    let low = u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
    (u64::try_from(bits >> 64).unwrap_or(0), low)
}

fn unpack(high: u64, low: u64) -> IpAddr {
    let address = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_back_as_they_were_noted() {
        for text in ["192.0.2.1", "2001:db8::1", "fe80::1"] {
            let address: IpAddr = text.parse().unwrap();
            let (high, low) = pack(address);
            assert_eq!(unpack(high, low), address);
        }
    }
}
