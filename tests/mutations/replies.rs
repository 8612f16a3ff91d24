//! Everything that a check does with a reply, on octets that may be anything: in one piece and in pieces of any size, up to
//! the close or the end of the time. Used by the seeded mutations and by the fuzz target.

use std::sync::Arc;

use keepalived::base::addr::{Family, IpAddr, Ipv4Addr};
use keepalived::base::limit;
use keepalived::base::time::{Instant, Span};
use keepalived::proto::check::http::{Codes, Page, Params, Regex};
use keepalived::proto::check::{
    Action, Actions, Cadence, Check, Failure, Find, Input, Kind, Pattern, Place, Start, dns, smtp, udp,
};

/// Which protocol a reply is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http,
    Smtp,
    Dns,
    Udp,
    Echo,
}

/// One pattern for all pages.
#[derive(Debug)]
struct Literal(&'static [u8]);

impl Pattern for Literal {
    fn find(&mut self, _: u16, text: &[u8], place: Place) -> Find {
        assert!(place.from <= text.len() && text.len() <= limit::PATTERN_WINDOW);
        let begins = |at: &usize| {
            let rest = &text[*at..];
            rest.starts_with(self.0) || (!place.ends && !rest.is_empty() && self.0.starts_with(rest))
        };
        match (place.from..=place.latest.min(text.len())).find(begins) {
            Some(at) if text[at..].starts_with(self.0) => Find::Match,
            Some(at) => Find::Partial(at),
            None => Find::Nothing,
        }
    }

    fn lookbehind(&self, _: u16) -> usize {
        2
    }
}

/// The checks that a reply is shown to.
fn kinds(protocol: Protocol) -> Vec<Kind> {
    let page = |digest, regex| Page {
        path: "/".into(),
        digest,
        status: Codes::success(),
        host: None,
        regex,
        tls_compliant: false,
    };
    let regex = |inverted| {
        Some(Box::new(Regex {
            pattern: (*b"OK").into(),
            inverted,
            from: 1,
            to: Some(40),
            ..Regex::default()
        }))
    };
    let http = |page| Kind::Http {
        params: Arc::new(Params { pages: Box::new([page]), ..Params::default() }),
        target: (IpAddr::V4(Ipv4Addr::LOCALHOST), 80),
        tls: false,
    };
    match protocol {
        // The second digest is the one of "hello".
        Protocol::Http => vec![
            http(page(None, None)),
            http(page(Some(*b"\x5d\x41\x40\x2a\xbc\x4b\x2a\x76\xb9\x71\x9d\x91\x10\x17\xc5\x92"), None)),
            http(page(None, regex(false))),
            http(page(None, regex(true))),
        ],
        Protocol::Smtp => vec![Kind::Smtp(Arc::new(smtp::Params::default()))],
        Protocol::Dns => vec![Kind::Dns(Arc::new(dns::Params::default()))],
        Protocol::Udp => {
            let pattern = udp::Pattern { octets: Box::new([(0x55, 0xff), (0, 0), (0x50, 0xf0)]) };
            vec![
                Kind::Udp(Arc::new(udp::Params::default())),
                Kind::Udp(Arc::new(udp::Params {
                    reply: Some(pattern),
                    shortest: 4,
                    longest: 9,
                    ..udp::Params::default()
                })),
            ]
        }
        Protocol::Echo => vec![Kind::Ping(Family::V4), Kind::Ping(Family::V6)],
    }
}

/// Shows a reply to every check of its protocol. A datagram is whole. A stream comes to the same however it is cut, but for
/// one thing that depends on when octets come and not on what they are: what follows the greeting of an SMTP server in one
/// piece with it was said before HELO, and what follows in a later piece answers HELO.
pub fn read(protocol: Protocol, reply: &[u8], size: usize) {
    for kind in kinds(protocol) {
        let datagram = matches!(protocol, Protocol::Dns | Protocol::Udp | Protocol::Echo);
        for closes in [true, false] {
            let whole = attempt(kind.clone(), reply, reply.len(), closes);
            if datagram {
                continue;
            }
            let octets = attempt(kind.clone(), reply, 1, closes);
            let pieces = attempt(kind.clone(), reply, size, closes);
            if whole == Err(Failure::Early) {
                assert!(matches!(kind, Kind::Smtp(_)), "only an SMTP server can speak early");
                assert!(
                    pieces == Err(Failure::Early) || pieces == octets,
                    "{pieces:?} in pieces of {size}, {octets:?} octet by octet, closes: {closes}"
                );
            } else {
                assert_eq!(octets, whole, "octet by octet, closes: {closes}");
                assert_eq!(pieces, whole, "in pieces of {size}, closes: {closes}");
            }
        }
    }
}

/// One attempt with this reply.
fn attempt(kind: Kind, reply: &[u8], size: usize, closes: bool) -> Result<(), Failure> {
    let cadence = Cadence { warmup: Span::ZERO, ..Cadence::default() };
    let timeout = cadence.timeout;
    let mut now = Instant::START;
    let mut check = Check::new(now, cadence, kind, Start::Fresh, 1).with_pattern(Box::new(Literal(b"OK")));
    let mut message = [0; limit::CHECK_MESSAGE];
    let mut step = |check: &mut Check, now, input: Input<'_>| {
        let mut out = Actions::new();
        check.handle(now, input, &mut out);
        if out.contains(&Action::Send) {
            let len = check.message(&mut message).unwrap();
            assert!(len > 0);
        }
        check.last().map(|last| last.result)
    };
    step(&mut check, now, Input::Timer);
    step(&mut check, now, Input::Connected);
    let pieces = if reply.is_empty() { Vec::new() } else { reply.chunks(size.max(1)).collect() };
    for piece in pieces {
        if let Some(result) = step(&mut check, now, Input::Received(piece)) {
            return result;
        }
    }
    if closes && let Some(result) = step(&mut check, now, Input::Closed) {
        return result;
    }
    // Whatever came: a verdict is there in time.
    now += timeout;
    step(&mut check, now, Input::Timer).unwrap()
}
