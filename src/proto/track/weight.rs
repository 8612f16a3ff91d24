//! What a tracker does to a priority.

/// A weight and its sense. Zero means: FAULT while down, no effect on the priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Weight {
    /// -254 to 254. Positive: added while up. Negative: subtracted while down.
    pub value: i16,
    /// Swaps up and down.
    pub reverse: bool,
}
