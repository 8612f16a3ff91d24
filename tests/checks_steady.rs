//! Once checks run, nothing is allocated: attempts of each kind, good and bad ones, in the only test of its process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

use std::sync::Arc;

use keepalived::base::addr::{Family, IpAddr, Ipv4Addr};
use keepalived::base::limit;
use keepalived::base::time::Instant;
use keepalived::proto::check::http::{Codes, Page, Params};
use keepalived::proto::check::{
    Action, Actions, Cadence, Check, Fault, Input, Kind, Start, dns, smtp, tcp, udp,
};
use keepalived::sys::alloc;

/// A server for each kind: what it answers to what was sent last. None: it says nothing.
fn answer(kind: usize, message: &[u8], reply: &mut [u8; 256]) -> Option<usize> {
    let put = |reply: &mut [u8; 256], text: &[u8]| {
        reply[..text.len()].copy_from_slice(text);
        Some(text.len())
    };
    match (kind, message.len()) {
        (1, _) => put(
            reply,
            b"HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        (2, 0) => put(reply, b"220-mx\r\n220 ready\r\n"),
        (2, 6) => put(reply, b"221 bye\r\n"),
        (2, _) => put(reply, b"250 ok\r\n"),
        (3, len) => {
            reply[..len].copy_from_slice(message);
            (reply[2], reply[3]) = (0x81, 0x80);
            Some(len)
        }
        (5, len) => {
            reply[..len].copy_from_slice(message);
            reply[0] = 0;
            Some(len)
        }
        _ => None,
    }
}

/// What happens next to a check.
enum Next {
    Timer,
    Connected,
    Reply(usize),
    Refused,
    Nothing,
}

/// So many attempts; every seventh one fails.
fn run(check: &mut Check, kind: usize, rounds: u32) {
    let (mut message, mut reply, mut out) = ([0; limit::CHECK_MESSAGE], [0; 256], Actions::new());
    for round in 0..rounds {
        let mut now = check.poll_at().unwrap();
        let mut next = Next::Timer;
        loop {
            let input = match next {
                Next::Timer => Input::Timer,
                Next::Connected => Input::Connected,
                Next::Reply(len) => Input::Received(&reply[..len]),
                Next::Refused => Input::Failed(Fault::Refused),
                Next::Nothing => break,
            };
            let connected = input == Input::Connected;
            out.clear();
            check.handle(now, input, &mut out);
            let ended = out.iter().any(|action| matches!(action, Action::Close(_)));
            let len = out.contains(&Action::Send).then(|| check.message(&mut message).unwrap());
            next = match (out.last(), len) {
                (Some(Action::Open(_)), _) => Next::Connected,
                (_, None) if ended || !(connected && kind == SMTP) => Next::Nothing,
                (_, Some(_)) if round % 7 == 6 => Next::Refused,
                (_, len) => match answer(kind, &message[..len.unwrap_or(0)], &mut reply) {
                    Some(len) => Next::Reply(len),
                    None => {
                        now = check.poll_at().unwrap();
                        Next::Timer
                    }
                },
            };
        }
    }
}

const SMTP: usize = 2;

#[test]
fn nothing_is_allocated_once_checks_run() {
    let page = |path: &str, digest| Page {
        path: path.into(),
        digest,
        status: Codes::success(),
        host: None,
        regex: None,
        tls_compliant: false,
    };
    // That of "hello".
    let digest = *b"\x5d\x41\x40\x2a\xbc\x4b\x2a\x76\xb9\x71\x9d\x91\x10\x17\xc5\x92";
    let http = Params { pages: Box::new([page("/", Some(digest)), page("/b", None)]), ..Params::default() };
    let target = (IpAddr::V4(Ipv4Addr::LOCALHOST), 80);
    let kinds = [
        Kind::Tcp(tcp::Params::default()),
        Kind::Http { params: Arc::new(http), target, tls: false },
        Kind::Smtp(Arc::new(smtp::Params::default())),
        Kind::Dns(Arc::new(dns::Params::default())),
        Kind::Udp(Arc::new(udp::Params::default())),
        Kind::Ping(Family::V4),
    ];
    let mut checks = kinds.map(|kind| Check::new(Instant::START, Cadence::default(), kind, Start::Fresh, 1));
    for (kind, check) in checks.iter_mut().enumerate() {
        run(check, kind, 20);
        // The harness may allocate beside; a check that does would do so each time.
        let fewest = (0..5)
            .map(|_| {
                let before = alloc::allocations();
                run(check, kind, 1_000);
                alloc::allocations() - before
            })
            .min();
        assert_eq!(fewest, Some(0), "kind {kind}");
        assert!(check.is_up() && check.last().is_some(), "kind {kind}");
    }
}
