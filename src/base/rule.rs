//! What a policy rule does, as the configuration names it and the kernel takes it.

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Looks up this routing table.
    Table(u32),
    /// Looks up the table of the VRF (layer 3 master device).
    MasterDevice,
    /// Goes on at the rule with this preference.
    Goto(u32),
    /// Nothing.
    Nothing,
    /// Drops without a word.
    Blackhole,
    /// Answers that the net is unreachable.
    Unreachable,
    /// Answers that it is prohibited.
    Prohibit,
}

impl Action {
    /// FR_ACT_ number, from the kernel's fib_rules.h.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Table(_) | Self::MasterDevice => 1,
            Self::Goto(_) => 2,
            Self::Nothing => 3,
            Self::Blackhole => 6,
            Self::Unreachable => 7,
            Self::Prohibit => 8,
        }
    }
}
