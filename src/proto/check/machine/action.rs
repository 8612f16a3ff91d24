//! What a check asks for, and the facts that it reports.

use super::input::{Cause, Fault};

/// What is to be done, in this order, before the next input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a transport to the target; answered by `Connected`, `Failed` or `NotRun`, in a later call.
    Open(Transport),
    /// Send what [`Check::message`](crate::proto::check::Check::message) writes, all of it.
    Send,
    /// Close the transport, and throw away what it still has. Nothing of it is told afterwards.
    Close(Close),
    /// Start the program; answered by `Ended` or `NotRun`, in a later call.
    Run,
    /// SIGTERM to the process group of the program, whose end is awaited.
    Terminate,
    /// SIGKILL to it.
    Kill,
    /// Tell a fact.
    Log(Fact),
    /// The check counts as passed or failed from now on; never twice the same.
    Verdict(Verdict),
    /// What the server weighs from now on, as far as this check goes.
    Weight(Weight),
}

/// Actions of the longest input: a page that makes a server come back after attempts that could not run. Tests count it.
pub const LONGEST: usize = 5;

/// A bounded, ordered list of actions.
pub type Actions = heapless::Vec<Action, LONGEST>;

/// What a check talks over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP.
    Stream,
    /// TLS over TCP, with the name of [`Check::server_name`](crate::proto::check::Check::server_name).
    Tls,
    /// A connected UDP socket, so that ICMP errors are told.
    Datagram,
    /// A connected ICMP socket for echoes, of the kind that needs no privilege.
    Ping,
}

/// How a transport is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Close {
    /// As the protocol has it.
    #[default]
    Graceful,
    /// As the protocol has it, and TLS says so first (`tls_compliant`).
    Alert,
    /// By a reset.
    Reset,
}

/// What a check says of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It passed.
    Up,
    /// It failed.
    Down,
}

/// What a check makes of the weight of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Weight {
    /// Nothing: it is as configured.
    #[default]
    Configured,
    /// This one instead of the configured one (`misc_dynamic`).
    Set(u8),
    /// The configured one and this, at least 0 (`FILE_CHECK`).
    Plus(i64),
}

/// A fact to be told. The child's report.rs phrases it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// An attempt passed that was the first one, or that ends a failure.
    Passed,
    /// A page was as it should be while the server is down or has not been checked yet: its position.
    Page(u16),
    /// An attempt failed, and there will be retries. Told only with `log_all_failures`.
    Failed {
        /// Why.
        why: Failure,
        /// Attempts in a row that have failed, this one included.
        failures: u32,
    },
    /// The check counts as failed from now on, or its first attempt failed.
    Down {
        /// Why the last attempt failed.
        why: Failure,
        /// Retries before.
        retries: u32,
    },
    /// An attempt could not run; told once until one runs, or until the cause is another one.
    NotRun(Cause),
    /// No attempt has run for three times the `delay_loop`; told once until one runs.
    Overdue,
    /// The certificate of the server expires sooner than `tls_expiry_warn` allows. The binding tells it, who sees it.
    Expires {
        /// In so many days; negative: it has.
        days: i64,
    },
    /// An attempt runs again after one of the two facts above.
    RunsAgain,
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The transport failed.
    Transport(Fault),
    /// There was no connection in time.
    NotConnected,
    /// There was no reply in time.
    Silent,
    /// The reply did not end in time.
    Unfinished,
    /// The peer closed before it replied.
    Closed,
    /// The peer closed before its reply ended.
    Truncated,
    /// The reply does not follow its protocol.
    Malformed,
    /// The head of an HTTP reply, or what stands between the chunks of its body, does not end.
    TooLong,
    /// HTTP: this status is not accepted.
    Status(u16),
    /// HTTP: the digest of the body is another one.
    Digest,
    /// HTTP: the body does not match the pattern, or does so with `regex_no_match`.
    Regex,
    /// HTTP: the search for the pattern took too much.
    RegexGaveUp,
    /// SMTP: the server greets with this code.
    Greeting(u16),
    /// SMTP: the server answers HELO with this code.
    Hello(u16),
    /// SMTP: the server says more than its greeting before it is asked.
    Early,
    /// DNS: the code of the reply.
    Rcode(u8),
    /// UDP: the reply is not the one that is required.
    Mismatch,
    /// The program ended with this exit code.
    Exited(u8),
    /// A signal ended the program.
    Signalled(u8),
    /// The program did not end in time.
    RanTooLong,
    /// The number in the file speaks against the server.
    Value(i64),
    /// The BFD session is down.
    Session,
    /// The own address or interface cannot be used, and `fail_on_local_failure` stands.
    Local,
}
