//! Effective priority: the base and what the trackers add to it.

/// The address owner's priority; trackers do not change it.
pub const OWNER: u8 = 255;

/// The highest priority that trackers can lead to.
const HIGHEST: i32 = 254;
/// The lowest; 0 on the wire means "I stop".
const LOWEST: i32 = 1;

/// The base priority plus the weights that are in force, within 1 to 254. An address owner keeps 255.
#[must_use]
pub fn effective(base: u8, weights: i32) -> u8 {
    if base == OWNER {
        return OWNER;
    }
    let sum = i32::from(base).saturating_add(weights).clamp(LOWEST, HIGHEST);
    u8::try_from(sum).unwrap_or(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_between_1_and_254_and_spares_the_owner() {
        assert_eq!(effective(100, -30), 70);
        assert_eq!(effective(100, -300), 1);
        assert_eq!(effective(100, 300), 254);
        assert_eq!(effective(255, -100), 255);
        assert_eq!(effective(100, i32::MAX), 254);
    }
}
