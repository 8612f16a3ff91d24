//! What everything that is true of an instance comes to: reasons for FAULT, and what is added to its priority.

use super::fault::{Fault, Faults};
use crate::proto::track::{Effect, Object};

/// What the facts of an instance and all its trackers come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// The reasons for FAULT.
    pub faults: Faults,
    /// The first result of a tracker is still out, or the source of adverts is still probed.
    pub pending: bool,
    /// The sum of all weights in force; `priority::effective` brings base and sum into 1 to 254.
    pub weights: i32,
}

impl Total {
    /// Adds what one tracker does; `fault` names its kind.
    pub fn add(&mut self, fault: Fault, effect: Effect) {
        match effect {
            Effect::Adds(weight) => self.weights = self.weights.saturating_add(weight),
            Effect::Waits => self.pending = true,
            Effect::Faults => self.faults = self.faults.with(fault, true),
        }
    }
}

/// The reason for FAULT that an object of this kind can be.
#[must_use]
pub const fn fault_of(object: Object) -> Fault {
    match object {
        Object::Link(_) => Fault::TrackedLink,
        Object::Script(_) => Fault::Script,
        Object::File(_) => Fault::File,
        Object::Process(_) => Fault::Process,
        Object::Bfd(_) => Fault::Bfd,
        Object::StaticItems(_) => Fault::StaticItem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::track::{Verdict, Weight};
    use crate::proto::vrrp::priority;

    fn weight(value: i16, reverse: bool) -> Weight {
        Weight { value, reverse }
    }

    /// Whatever the trackers say, in whatever order: the priority stays in 1 to 254, nothing is left of what has
    /// gone, and FAULT holds exactly while some tracker asks for it.
    #[test]
    fn any_trackers_leave_a_priority_from_1_to_254() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move |below: i64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            i64::try_from(seed % u64::try_from(below).unwrap()).unwrap()
        };
        for _ in 0..20_000 {
            let base = u8::try_from(1 + random(255)).unwrap();
            let effects: Vec<Effect> = (0..random(12))
                .map(|_| {
                    let weight = weight(i16::try_from(random(509) - 254).unwrap(), random(2) == 0);
                    match random(4) {
                        0 => weight.of_verdict(Verdict::Up),
                        1 => weight.of_verdict(Verdict::Down),
                        2 => weight.of_verdict(Verdict::Unknown),
                        _ => weight.of_number(i32::try_from(random(2_001) - 1_000).unwrap()),
                    }
                })
                .collect();
            let sum = |effects: &mut dyn Iterator<Item = &Effect>| {
                let mut total = Total::default();
                effects.for_each(|effect| total.add(Fault::Script, *effect));
                total
            };
            let total = sum(&mut effects.iter());
            assert_eq!(total, sum(&mut effects.iter().rev()), "the order does not matter");
            assert_eq!(total.faults.is_empty(), !effects.contains(&Effect::Faults));
            assert_eq!(total.pending, effects.contains(&Effect::Waits));
            let effective = priority::effective(base, total.weights);
            assert!((1..=254).contains(&effective) || (base, effective) == (255, 255));
            let silent = [Effect::Adds(0); 3];
            assert_eq!(priority::effective(base, sum(&mut silent.iter()).weights), base);
        }
    }
}
