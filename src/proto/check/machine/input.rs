//! What can happen to a check, as the binding tells it.

/// What can happen to a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// The time that `poll_at` named may have come.
    Timer,
    /// The transport that [`Open`](crate::proto::check::Action::Open) asked for is up: a stream is connected, a TLS handshake is
    /// complete, the socket of datagrams or echoes is there.
    Connected,
    /// Octets of a stream in any pieces, or one whole datagram.
    Received(&'a [u8]),
    /// The peer has closed its stream, with or without a close alert of TLS.
    Closed,
    /// The transport failed, while it was opened or later. An error that arrives between two attempts is told, too.
    Failed(Fault),
    /// This machine could not do what was asked for, whatever the server is like. The transport is gone.
    NotRun(Cause),
    /// The program that [`Run`](crate::proto::check::Action::Run) started has ended.
    Ended(Ending),
    /// The number in the file of a file check, when the check begins and whenever the number changes; 0 without a file.
    Value(i64),
    /// The state of the session of a BFD check; the first time only once it is known.
    Session {
        /// Whether the session is up.
        up: bool,
    },
    /// No attempts from now on, and the results stay as they are. What a file or a session says counts all the same: it
    /// costs no attempt, and is told once.
    Suspend,
    /// Attempts go on.
    Resume,
}

/// What went wrong with a transport, and lies with the server or on the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The port is closed: a reset while connecting, or an ICMP port unreachable.
    Refused,
    /// No route, no neighbour, or an ICMP unreachable.
    Unreachable,
    /// The peer broke the connection.
    Reset,
    /// The kernel gave up waiting.
    TimedOut,
    /// TLS came to nothing.
    Tls(Tls),
    /// Any other error, as the kernel numbers it.
    Other(i32),
}

/// Why TLS came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tls {
    /// Client and server have no version or cipher suite in common.
    NothingInCommon,
    /// The certificate is not signed by anybody who is trusted.
    Untrusted,
    /// The certificate is for another name.
    WrongName,
    /// The certificate is not valid yet, or not any more, or not for long enough.
    Expired,
    /// The server sent this alert.
    Alert(u8),
    /// What the server sent is not TLS.
    Garbage,
}

/// Why this machine could not run an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No file descriptor is left.
    Descriptors,
    /// No memory is left.
    Memory,
    /// No local port is left.
    Ports,
    /// The address of `bindto`, or that port of it, cannot be used.
    Bind,
    /// The interface of `bind_if` does not exist.
    Interface,
    /// The kernel does not allow it, `ping_group_range` for instance.
    Permission,
    /// The program could not be started.
    Program,
    /// This build lacks a feature that the check needs, or what the feature needs could not be made.
    Feature,
    /// Any other error, as the kernel numbers it.
    Other(i32),
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// By itself, with this exit code.
    Exited(u8),
    /// By a signal.
    Signalled(u8),
}
