//! Exit codes, as keepalived's.

/// How a process of the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Normal end; config test without a finding.
    Ok = 0,
    /// Fatal at run time; wrong command line.
    Fatal = 1,
    /// The configuration cannot run; a keyword lacks its argument.
    Config = 2,
    /// A permission is missing, or a config test found only unknown interfaces.
    Permission = 4,
    /// A config test found at least one ordinary mistake.
    ConfigTest = 5,
    /// No usable configuration file, a required include failed, or a config test found insecure scripts.
    NoConfig = 6,
    /// A defect of the program itself (EX_SOFTWARE).
    Internal = 70,
    /// Something that passes stood in the way of a start; the next one may succeed (EX_TEMPFAIL).
    Busy = 75,
}

impl Exit {
    /// The number that the operating system sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The exit that a code stands for, if it is one of ours.
    #[must_use]
    pub const fn from_code(code: i32) -> Option<Self> {
        Some(match code {
            0 => Self::Ok,
            1 => Self::Fatal,
            2 => Self::Config,
            4 => Self::Permission,
            5 => Self::ConfigTest,
            6 => Self::NoConfig,
            70 => Self::Internal,
            75 => Self::Busy,
            _ => return None,
        })
    }
}
