//! What a TCP check does with the connection that it made.

/// One connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params {
    /// Closes it as the protocol has it. Otherwise a reset does, as in keepalived, which leaves nothing behind here and
    /// a line in the logs of some servers.
    pub graceful: bool,
}
