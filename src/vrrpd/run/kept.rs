//! Notes of all parts for a process that replaces this one: taken up at the start, renewed at a reload.

use super::Vrrp;
use crate::base::addr::IpAddr;
use crate::base::id::InstanceId;
use crate::base::time::{Instant, Span};
use crate::config::model;
use crate::daemon::keep::{Note, Values, key};
use crate::proto::vrrp::guard::Sender;
use crate::proto::vrrp::{Guard, State};
use crate::vrrpd::auth::guard_of;
use crate::vrrpd::kept::{INTERVAL, OWN, SENDER, pack, unpack};
use crate::wire::trailer::Stamp;

impl Vrrp {
    /// Scripts, numbers and intervals go on where the predecessor was. For before the instances are judged.
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
