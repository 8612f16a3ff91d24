//! What an SMTP check says.

/// One greeting.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Params {
    /// The name given in HELO.
    pub helo: Box<str>,
}

impl Params {
    /// The name given without another one.
    pub const HELO: &'static str = "smtpchecker.keepalived.org";
}

impl Default for Params {
    fn default() -> Self {
        Self { helo: Self::HELO.into() }
    }
}
