//! What a tracker does to a priority, or to the whole instance.

/// A weight and its sense. Zero means: FAULT while down, no effect on the priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Weight {
    /// -254 to 254. Positive: added while up. Negative: subtracted while down.
    pub value: i16,
    /// Turns what is added into what is subtracted; for zero: FAULT while up.
    pub reverse: bool,
}

/// What a tracked object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// No result yet.
    Unknown,
    /// Succeeding.
    Up,
    /// Failing.
    Down,
}

impl Verdict {
    /// Of what is always one or the other.
    #[must_use]
    pub const fn of(up: bool) -> Self {
        if up { Self::Up } else { Self::Down }
    }
}

/// What a tracker does now to who tracks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Adds this to the priority, -253 to 254.
    Adds(i32),
    /// Keeps an instance that has not begun from beginning: the first result is still out.
    Waits,
    /// Puts it in FAULT.
    Faults,
}

impl Weight {
    /// What is added to the priority while the tracked object is up or down.
    #[must_use]
    pub fn contribution(self, up: bool) -> i32 {
        let value = i32::from(self.value);
        let in_force = if up { value > 0 } else { value < 0 };
        match (in_force, self.reverse) {
            (true, false) => value,
            (true, true) => -value,
            (false, _) => 0,
        }
    }

    /// Whether the object puts an instance in FAULT while it is down (or up, if reversed).
    #[must_use]
    pub const fn faults(self, up: bool) -> bool {
        self.value == 0 && up == self.reverse
    }

    /// What an object that is up or down does.
    #[must_use]
    pub fn of_verdict(self, verdict: Verdict) -> Effect {
        match verdict {
            Verdict::Unknown if self.value == 0 => Effect::Waits,
            Verdict::Unknown => Effect::Adds(0),
            Verdict::Up | Verdict::Down => {
                let up = verdict == Verdict::Up;
                if self.faults(up) { Effect::Faults } else { Effect::Adds(self.contribution(up)) }
            }
        }
    }

    /// What an object with a number does: the number times the weight is added. A product below -253 is FAULT, one
    /// above 253 counts as 253. Without weight any number but 0 is FAULT, or 0 is if reversed.
    #[must_use]
    pub fn of_number(self, number: i32) -> Effect {
        if self.value == 0 {
            return if (number != 0) == self.reverse { Effect::Adds(0) } else { Effect::Faults };
        }
        let product = i64::from(number) * i64::from(self.value);
        let product = if self.reverse { -product } else { product };
        if product < -FARTHEST {
            return Effect::Faults;
        }
        Effect::Adds(i32::try_from(product.min(FARTHEST)).unwrap_or(0))
    }
}

/// A priority has no more than this many steps below and above it.
const FARTHEST: i64 = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(value: i16, reverse: bool) -> Weight {
        Weight { value, reverse }
    }

    #[test]
    fn signs_and_senses() {
        assert_eq!((weight(-30, false).contribution(false), weight(-30, false).contribution(true)), (-30, 0));
        assert_eq!((weight(30, false).contribution(false), weight(30, false).contribution(true)), (0, 30));
        assert_eq!((weight(-10, true).contribution(false), weight(-10, true).contribution(true)), (10, 0));
        assert_eq!((weight(10, true).contribution(false), weight(10, true).contribution(true)), (0, -10));
        assert!(weight(0, false).faults(false) && !weight(0, false).faults(true));
        assert!(!weight(5, false).faults(false));
    }

    #[test]
    fn without_weight_a_verdict_decides_over_fault() {
        assert_eq!(weight(0, false).of_verdict(Verdict::Up), Effect::Adds(0));
        assert_eq!(weight(0, false).of_verdict(Verdict::Down), Effect::Faults);
        assert_eq!(weight(0, true).of_verdict(Verdict::Up), Effect::Faults);
        assert_eq!(weight(0, true).of_verdict(Verdict::Down), Effect::Adds(0));
        assert_eq!(weight(0, false).of_verdict(Verdict::Unknown), Effect::Waits);
        assert_eq!(weight(20, true).of_verdict(Verdict::Unknown), Effect::Adds(0));
    }

    #[test]
    fn a_number_is_multiplied_and_a_product_far_below_is_a_fault() {
        for (value, reverse, number, effect) in [
            (1, false, 20, Effect::Adds(20)),
            (1, false, -253, Effect::Adds(-253)),
            (1, false, -254, Effect::Faults),
            (1, false, 254, Effect::Adds(253)),
            (-1, false, 254, Effect::Faults),
            (254, false, -1, Effect::Faults),
            (2, true, 1, Effect::Adds(-2)),
            (2, true, 126, Effect::Adds(-252)),
            (2, true, 127, Effect::Faults),
            (2, true, -127, Effect::Adds(253)),
            (1, true, i32::MIN, Effect::Adds(253)),
            (-254, false, i32::MIN, Effect::Adds(253)),
            (254, false, i32::MIN, Effect::Faults),
            (0, false, 0, Effect::Adds(0)),
            (0, false, -1, Effect::Faults),
            (0, true, 0, Effect::Faults),
            (0, true, 7, Effect::Adds(0)),
        ] {
            assert_eq!(weight(value, reverse).of_number(number), effect, "{value} {reverse} {number}");
        }
    }
}
