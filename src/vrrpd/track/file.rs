//! What the number in a tracked file decides for an instance, logged when it decides otherwise than before.

use super::{Object, Trackers, report};
use crate::base::id::FileId;
use crate::base::time::Instant;
use crate::config::Model;
use crate::proto::track::Effect;
use crate::vrrpd::live::Instance;
use crate::vrrpd::report as lines;

impl Trackers {
    /// Reads a file; its number before, if that was another one.
    pub(in crate::vrrpd) fn read_file(&mut self, now: Instant, model: &Model, id: FileId) -> Option<i32> {
        self.files.read(now, model, id, &mut self.lines)
    }

    /// A file has another number than before: logs whether that puts an instance that tracks it in FAULT, or ends it.
    pub fn log_decision(
        &mut self,
        now: Instant,
        model: &Model,
        (id, from): (FileId, i32),
        follower: &Instance,
    ) {
        let to = self.files.number(id);
        let mut tracking = follower.tracking.iter();
        let Some(tracked) = tracking.find(|tracked| tracked.object == Object::File(id)) else { return };
        let faults = |number| tracked.weight.of_number(number) == Effect::Faults;
        if faults(from) != faults(to)
            && lines::may(&mut self.lines, now)
            && let Some(file) = model.file(id)
        {
            report::file_decides(&follower.config.name, &file.name, faults(to));
        }
    }
}
