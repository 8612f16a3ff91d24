//! What a tracker does to a priority.

/// A weight and its sense. Zero means: FAULT while down, no effect on the priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Weight {
    /// -254 to 254. Positive: added while up. Negative: subtracted while down.
    pub value: i16,
    /// Turns what is added into what is subtracted; for zero: FAULT while up.
    pub reverse: bool,
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_senses() {
        let weight = |value, reverse| Weight { value, reverse };
        assert_eq!((weight(-30, false).contribution(false), weight(-30, false).contribution(true)), (-30, 0));
        assert_eq!((weight(30, false).contribution(false), weight(30, false).contribution(true)), (0, 30));
        assert_eq!((weight(-10, true).contribution(false), weight(-10, true).contribution(true)), (10, 0));
        assert_eq!((weight(10, true).contribution(false), weight(10, true).contribution(true)), (0, -10));
        assert!(weight(0, false).faults(false) && !weight(0, false).faults(true));
        assert!(!weight(5, false).faults(false));
    }
}
