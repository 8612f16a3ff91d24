//! What can be tracked, what each object says now, and which instances track it.

use super::{Effect, Verdict, Weight};
use crate::base::id::{BfdId, FileId, InstanceId, LinkId, ProcessId, ScriptId, TrackGroupId};

/// Something that can be tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// A network interface.
    Link(LinkId),
    /// A `vrrp_script`.
    Script(ScriptId),
    /// A `track_file`.
    File(FileId),
    /// A `vrrp_track_process`.
    Process(ProcessId),
    /// A `bfd_instance`.
    Bfd(BfdId),
    /// The static items of a `track_group`.
    StaticItems(TrackGroupId),
}

/// What an object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// It is up or down, or nothing is known yet.
    Verdict(Verdict),
    /// The number in a tracked file.
    Number(i32),
}

impl Weight {
    /// What an object that says this does to an instance that tracks it.
    #[must_use]
    pub fn of_value(self, value: Value) -> Effect {
        match value {
            Value::Verdict(verdict) => self.of_verdict(verdict),
            Value::Number(number) => self.of_number(number),
        }
    }
}

/// An object and what it does to the priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// The object.
    pub object: Object,
    /// What it does.
    pub weight: Weight,
}

/// What every tracked object says. An object of which nothing was said yet is unknown.
#[derive(Clone, Debug, Default)]
pub struct Values(Vec<(Object, Value)>);

impl Values {
    /// Room for each object that is tracked. For load time: allocates.
    pub fn reserve(&mut self, objects: impl Iterator<Item = Object>) {
        for object in objects {
            if let Err(place) = self.place(object) {
                self.0.insert(place, (object, Value::Verdict(Verdict::Unknown)));
            }
        }
    }

    /// What an object says now; whether that is something else than before. Objects that no instance tracks have no
    /// room and change nothing.
    pub fn set(&mut self, object: Object, value: Value) -> bool {
        let Ok(place) = self.place(object) else { return false };
        self.0.get_mut(place).is_some_and(|(_, known)| core::mem::replace(known, value) != value)
    }

    /// What an object says now.
    #[must_use]
    pub fn get(&self, object: Object) -> Value {
        let value = self.place(object).ok().and_then(|place| self.0.get(place));
        value.map_or(Value::Verdict(Verdict::Unknown), |(_, value)| *value)
    }

    fn place(&self, object: Object) -> Result<usize, usize> {
        self.0.binary_search_by_key(&object, |(known, _)| *known)
    }
}

/// Which instances track which object, ordered by object.
#[derive(Clone, Debug, Default)]
pub struct Followers(Vec<(Object, InstanceId)>);

impl Followers {
    /// From what every instance tracks. For load time: allocates.
    pub fn new<'a>(all: impl Iterator<Item = (InstanceId, &'a [Tracked])>) -> Self {
        let pairs = all.flat_map(|(id, tracking)| tracking.iter().map(move |tracked| (tracked.object, id)));
        let mut pairs: Vec<_> = pairs.collect();
        pairs.shrink_to_fit();
        pairs.sort_unstable();
        pairs.dedup();
        Self(pairs)
    }

    /// The follower of `object` at `position`, in the order of the instances.
    #[must_use]
    pub fn of(&self, object: Object, position: usize) -> Option<InstanceId> {
        let start = self.0.partition_point(|(other, _)| *other < object);
        let (found, id) = self.0.get(start.checked_add(position)?)?;
        (*found == object).then_some(*id)
    }

    /// Every object that is tracked, in order, some more than once.
    pub fn objects(&self) -> impl Iterator<Item = Object> {
        self.0.iter().map(|(object, _)| *object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: Object = Object::Script(ScriptId(0));
    const FILE: Object = Object::File(FileId(3));

    fn tracked(object: Object, value: i16) -> Tracked {
        Tracked { object, weight: Weight { value, reverse: false } }
    }

    #[test]
    fn an_object_is_unknown_until_it_says_something_and_tells_changes_only() {
        let mut values = Values::default();
        values.reserve([FILE, SCRIPT, FILE].into_iter());
        let effect = |values: &Values, Tracked { object, weight }| weight.of_value(values.get(object));
        assert_eq!(effect(&values, tracked(SCRIPT, 0)), Effect::Waits);
        assert!(values.set(SCRIPT, Value::Verdict(Verdict::Down)));
        assert!(!values.set(SCRIPT, Value::Verdict(Verdict::Down)));
        assert!(values.set(FILE, Value::Number(7)));
        assert!(!values.set(Object::Script(ScriptId(1)), Value::Verdict(Verdict::Up)), "nobody tracks it");
        assert_eq!(effect(&values, tracked(SCRIPT, 0)), Effect::Faults);
        assert_eq!(effect(&values, tracked(FILE, 2)), Effect::Adds(14));
    }

    #[test]
    fn followers_come_in_order_and_once() {
        let (one, two) = (InstanceId(1), InstanceId(2));
        let lists =
            [(two, [tracked(SCRIPT, 0), tracked(SCRIPT, 5)]), (one, [tracked(FILE, 1), tracked(SCRIPT, 0)])];
        let followers = Followers::new(lists.iter().map(|(id, list)| (*id, list.as_slice())));
        let of = |object| (0..3).map_while(|at| followers.of(object, at)).collect::<Vec<_>>();
        assert_eq!(of(SCRIPT), [one, two]);
        assert_eq!(of(FILE), [one]);
        assert_eq!(of(Object::Link(LinkId::new(0))), []);
    }
}
