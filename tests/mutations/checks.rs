//! 100,000 seeded mutations of replies for each protocol that a check speaks: no panic, a verdict in time, and the same
//! one however the reply is cut.

use super::mutate::Random;
use super::replies::{Protocol, read};

/// For each protocol.
const CASES: u64 = 100_000;

const HTTP: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200",
    b"HTTP/1.1 404 Not Found\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 204 x\r\n",
    b"HTTP/",
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"Content-Length: 5\r\n",
    b"Content-Length: 18446744073709551615\r\n",
    b"content-length:0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Set-Cookie: ",
    b" folded\r\n",
    b"hello",
    b"OK",
    b"xO",
    b"K",
    b"5\r\nhello\r\n",
    b"2\r\nOK\r\n",
    b"0\r\n\r\n",
    b"0\r\n",
    b"1;x=y\r\n",
    b"ffffffffffffffff\r\n",
    b"\r\n\r\n",
];
const SMTP: &[&[u8]] = &[
    b"220 x\r\n",
    b"220-x\r\n",
    b"250 x\r\n",
    b"250-x\r\n",
    b"220",
    b"25",
    b"-",
    b" ",
    b"\r\n",
    b"\n",
    b"554 x\r\n",
];
/// The identifier of the first question of a check whose seed is 1 is among them.
const DNS: &[&[u8]] = &[
    b"\x91\x0a",
    b"\x81\x80",
    b"\x81\x83",
    b"\x01\0",
    b"\0\x01",
    b"\0\0\0\0\0\0",
    b"\xc0\x0c",
    b"\0\x06\0\x01",
];
const UDP: &[&[u8]] =
    &[b"\x55\0\x5f", b"\x55\xff\x50\0", b"\x55", b"\0\0\0\0", b"\x55\x55\x55\x55\x55\x55\x55\x55\x55"];
const ECHO: &[&[u8]] =
    &[b"\0\0\0\0\0\0\0\x01", b"\x81\0\0\0\0\0\0\x01", b"\x03\x01", b"\0\0", b"keepalived check - "];

/// Heads that make a body likely.
const BEGIN: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"220 x\r\n",
    b"",
];

fn mutation(protocol: Protocol, case: u64) -> (Vec<u8>, usize) {
    let mut random = Random(case ^ (protocol as u64) << 40);
    let pieces = match protocol {
        Protocol::Http => HTTP,
        Protocol::Smtp => SMTP,
        Protocol::Dns => DNS,
        Protocol::Udp => UDP,
        Protocol::Echo => ECHO,
    };
    let mut reply = Vec::new();
    let stream = matches!(protocol, Protocol::Http | Protocol::Smtp);
    if stream && random.below(2) == 0 {
        reply.extend_from_slice(BEGIN[random.below(BEGIN.len())]);
    }
    for _ in 0..random.below(10) {
        reply.extend_from_slice(pieces[random.below(pieces.len())]);
    }
    for _ in 0..random.below(4) {
        let at = random.below(reply.len());
        match random.below(4) {
            0 => reply.truncate(at),
            1 if at < reply.len() => reply[at] ^= 1 << random.below(8),
            2 => reply.insert(at, u8::try_from(random.below(256)).unwrap()),
            _ if at < reply.len() => drop(reply.remove(at)),
            _ => {}
        }
    }
    if random.below(500) == 0 {
        let copy = reply.clone();
        (0..200).for_each(|_| reply.extend_from_slice(&copy));
    }
    (reply, 1 + random.below(9))
}

fn all(protocol: Protocol) {
    for case in 0..CASES {
        let (reply, size) = mutation(protocol, case);
        let outcome = std::panic::catch_unwind(|| read(protocol, &reply, size));
        assert!(outcome.is_ok(), "{protocol:?} {case} in pieces of {size}: {}", reply.escape_ascii());
    }
}

#[test]
fn http() {
    all(Protocol::Http);
}

#[test]
fn smtp() {
    all(Protocol::Smtp);
}

#[test]
fn dns() {
    all(Protocol::Dns);
}

#[test]
fn udp() {
    all(Protocol::Udp);
}

#[test]
fn echo() {
    all(Protocol::Echo);
}
