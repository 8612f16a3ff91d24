//! The attempt of a check, whatever its kind: what happens to the transport goes to the kind, and what the kind says of
//! it comes back.

use super::action::{Close, Failure, Transport, Weight};
use super::datagram::{Exchange, Ping, Query};
use super::fetch::{Fetch, Progress};
use super::input::{Ending, Fault};
use super::kind::Kind;
use super::random::Random;
use super::search::Pattern;
use super::smtp::Talk;
use super::step::{Opening, Step};
use crate::base::bytes::Short;
use crate::base::time::Span;
use crate::proto::check::{file, tcp};

/// When the kernel gives up on a neighbour: after three probes, a second apart, and something to spare.
const NEIGHBOUR: Span = Span::from_secs(4);

/// An attempt of each kind, as far as it is.
#[derive(Debug)]
pub(super) enum Attempt {
    Tcp(tcp::Params),
    Http(Box<Fetch>),
    Smtp(Talk),
    Dns(Query),
    Udp(Exchange),
    Ping(Ping),
    Misc { dynamic: bool },
    File(file::Params),
    Bfd,
}

impl Attempt {
    pub(super) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Tcp(params) => Self::Tcp(params),
            Kind::Http { params, target, tls } => Self::Http(Box::new(Fetch::new(params, target, tls))),
            Kind::Smtp(params) => Self::Smtp(Talk::new(params)),
            Kind::Dns(params) => Self::Dns(Query::new(params)),
            Kind::Udp(params) => Self::Udp(Exchange::new(params)),
            Kind::Ping(family) => Self::Ping(Ping::new(family)),
            Kind::Misc { dynamic } => Self::Misc { dynamic },
            Kind::File(params) => Self::File(params),
            Kind::Bfd => Self::Bfd,
        }
    }

    /// The patterns of the pages of an HTTP check.
    pub(super) fn search(&mut self, pattern: Box<dyn Pattern>) {
        if let Self::Http(fetch) = self {
            fetch.search(pattern);
        }
    }

    /// Begins an attempt. `open`: the transport of the last one is there still.
    pub(super) fn begin(&mut self, open: bool, random: &mut Random) -> Opening {
        match self {
            Self::Tcp(_) => Opening::Transport(Transport::Stream),
            Self::Http(fetch) => fetch.begin(),
            Self::Smtp(talk) => {
                talk.begin();
                Opening::Transport(Transport::Stream)
            }
            Self::Dns(query) => {
                query.begin(random);
                Opening::Transport(Transport::Datagram)
            }
            Self::Udp(_) => Opening::Transport(Transport::Datagram),
            Self::Ping(ping) => {
                ping.begin(!open);
                Opening::Transport(Transport::Ping)
            }
            Self::Misc { .. } => Opening::Program,
            Self::File(_) | Self::Bfd => Opening::Never,
        }
    }

    /// Whether there are attempts at all.
    pub(super) const fn is_timed(&self) -> bool {
        !matches!(self, Self::File(_) | Self::Bfd)
    }

    /// Whether the transport is kept from one attempt that passed to the next.
    pub(super) const fn keeps(&self) -> bool {
        matches!(self, Self::Udp(_) | Self::Ping(_))
    }

    /// How long what has been sent is waited for, if that is not answered.
    pub(super) fn patience(&self, timeout: Span) -> Span {
        match self {
            Self::Udp(exchange) if exchange.is_doubtful() => timeout.max(NEIGHBOUR),
            _ => timeout,
        }
    }

    /// The transport is up.
    pub(super) const fn connected(&self) -> Step {
        match self {
            Self::Tcp(_) => Step::Pass,
            Self::Http(_) | Self::Dns(_) | Self::Udp(_) | Self::Ping(_) => Step::Send,
            // The server speaks first.
            Self::Smtp(_) => Step::Listen,
            Self::Misc { .. } | Self::File(_) | Self::Bfd => Step::Wait,
        }
    }

    pub(super) fn received(&mut self, octets: &[u8]) -> Step {
        match self {
            Self::Http(fetch) => fetch.received(octets),
            Self::Smtp(talk) => talk.received(octets),
            Self::Dns(query) => query.received(octets),
            Self::Udp(exchange) => exchange.received(octets),
            Self::Ping(ping) => ping.received(octets),
            Self::Tcp(_) | Self::Misc { .. } | Self::File(_) | Self::Bfd => Step::Wait,
        }
    }

    /// The peer closed its stream.
    pub(super) fn closed(&mut self) -> Step {
        match self {
            Self::Http(fetch) => fetch.closed(),
            Self::Smtp(talk) => Step::Fail(talk.closed()),
            _ => Step::Fail(Failure::Closed),
        }
    }

    /// The transport failed.
    pub(super) const fn failed(&mut self, fault: Fault) -> Step {
        if let Self::Udp(exchange) = self {
            exchange.failed();
        }
        Step::Fail(Failure::Transport(fault))
    }

    /// The time of the attempt is over.
    pub(super) fn expired(&mut self) -> Step {
        match self {
            Self::Http(fetch) => fetch.expired(),
            Self::Smtp(talk) => Step::Fail(talk.expired()),
            Self::Udp(exchange) => exchange.expired(),
            Self::Misc { .. } => Step::Fail(Failure::RanTooLong),
            _ => Step::Fail(Failure::Silent),
        }
    }

    /// The program ended; what it makes of the weight if that is a success.
    pub(super) fn ended(&self, ending: Ending) -> Result<Weight, Failure> {
        match (ending, self) {
            (Ending::Exited(0), _) => Ok(Weight::Configured),
            (Ending::Exited(code @ 2..), Self::Misc { dynamic: true }) => {
                Ok(Weight::Set(code.saturating_sub(2)))
            }
            (Ending::Exited(code), _) => Err(Failure::Exited(code)),
            (Ending::Signalled(signal), _) => Err(Failure::Signalled(signal)),
        }
    }

    /// What the number of a file makes of the server: a weight, or with a weight of 0 up or down.
    pub(super) fn number(&self, number: i64) -> Option<Result<Weight, Failure>> {
        let Self::File(params) = self else { return None };
        Some(match (params.weight, params.reverse) {
            (0, reverse) if (number != 0) != reverse => Err(Failure::Value(number)),
            (0, _) => Ok(Weight::Configured),
            (weight, reverse) => {
                let product = number.saturating_mul(weight.into());
                Ok(Weight::Plus(if reverse { product.saturating_neg() } else { product }))
            }
        })
    }

    /// Whether it is a BFD session that decides.
    pub(super) const fn is_session(&self) -> bool {
        matches!(self, Self::Bfd)
    }

    /// How the transport is closed.
    pub(super) fn close(&self) -> Close {
        match self {
            Self::Tcp(tcp::Params { graceful: false }) => Close::Reset,
            Self::Http(fetch) => fetch.close(),
            _ => Close::Graceful,
        }
    }

    pub(super) fn server_name(&self) -> Option<&str> {
        match self {
            Self::Http(fetch) => fetch.server_name(),
            _ => None,
        }
    }

    /// What is to be sent.
    pub(super) fn message(&self, out: &mut [u8]) -> Result<usize, Short> {
        match self {
            Self::Http(fetch) => fetch.message(out),
            Self::Smtp(talk) => talk.message(out),
            Self::Dns(query) => query.message(out),
            Self::Udp(exchange) => exchange.message(out),
            Self::Ping(ping) => ping.message(out),
            Self::Tcp(_) | Self::Misc { .. } | Self::File(_) | Self::Bfd => Ok(0),
        }
    }

    /// The attempt passed; `up`: the server counted as up before. Nothing for a kind that has one page only.
    pub(super) fn passed(&mut self, up: bool) -> Option<Progress> {
        match self {
            Self::Http(fetch) => Some(fetch.passed(up)),
            _ => None,
        }
    }

    /// The server counts as down; `again`: it was up.
    pub(super) fn fallen(&mut self, again: bool) {
        if let Self::Http(fetch) = self {
            fetch.fallen(again);
        }
    }
}
