//! HTTP and HTTP over TLS: one page after the other, and what a reply is worth.

use std::sync::Arc;

use md5::{Digest, Md5};

use super::kit::{Literals, Rig, span};
use super::{DOWN, PASSED, REFUSED, UP};
use crate::proto::check::http::{Codes, Page, Params, Regex, Version};
use crate::proto::check::machine::*;

const OPEN: Action = Action::Open(Transport::Stream);
const CLOSE: Action = Action::Close(Close::Graceful);
const SEND: Action = Action::Send;

fn page(path: &str) -> Page {
    Page {
        path: path.into(),
        digest: None,
        status: Codes::success(),
        host: None,
        regex: None,
        tls_compliant: false,
    }
}

fn params(pages: impl IntoIterator<Item = Page>) -> Params {
    Params { pages: pages.into_iter().collect(), ..Params::default() }
}

fn regex(pattern: &str) -> Regex {
    Regex { pattern: pattern.as_bytes().into(), ..Regex::default() }
}

fn with_regex(regex: Regex) -> Params {
    params([Page { regex: Some(Box::new(regex)), ..page("/") }])
}

fn with_digest(body: &[u8]) -> Params {
    params([Page { digest: Some(Md5::digest(body).into()), ..page("/") }])
}

fn kind(params: Params) -> Kind {
    Kind::Http { params: Arc::new(params), target: ("10.0.0.1".parse().unwrap(), 80), tls: false }
}

fn cadence() -> Cadence {
    Cadence { delay_loop: span(10_000), warmup: Span::ZERO, timeout: span(1_000), ..Cadence::default() }
}

fn check(params: Params, start: Start) -> Rig {
    let patterns = Literals::of(&params);
    Rig::new(cadence(), kind(params), start).with_pattern(patterns)
}

/// An attempt up to its request.
fn ask(check: &mut Rig) -> u64 {
    let now = check.due().unwrap();
    let open = check.step(now, Input::Timer);
    assert_eq!(open, [OPEN]);
    assert_eq!(check.step(now, Input::Connected), [SEND]);
    now
}

/// What a reply in pieces of this size leads to, up to the first action; then, if it `closes`, the end of the stream;
/// then the end of the time.
fn tell(check: &mut Rig, now: u64, reply: &[u8], size: usize, closes: bool) -> Vec<Action> {
    for piece in reply.chunks(size) {
        let actions = check.step(now, Input::Received(piece));
        if !actions.is_empty() {
            return actions;
        }
    }
    let actions = if closes { check.step(now, Input::Closed) } else { Vec::new() };
    if actions.is_empty() { check.step(now + 1_000, Input::Timer) } else { actions }
}

/// The verdict on a reply; the same however it is cut.
fn judge(params: &Params, reply: &[u8], closes: bool) -> Result<(), Failure> {
    let once = |size| {
        let mut check = check(params.clone(), Start::Fresh);
        let now = ask(&mut check);
        let actions = tell(&mut check, now, reply, size, closes);
        let result = check.0.last().unwrap().result;
        let rest = match result {
            Ok(()) => vec![CLOSE, Action::Log(Fact::Page(0)), PASSED],
            Err(why) => vec![CLOSE, Action::Log(Fact::Down { why, retries: 0 }), DOWN],
        };
        assert_eq!(actions, rest, "{size}");
        result
    };
    let whole = once(reply.len().max(1));
    for size in [1, 2, 3, 7, 64, 1_000] {
        assert_eq!(once(size), whole, "in pieces of {size}: {}", reply.escape_ascii());
    }
    whole
}

fn reply(headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}").into_bytes()
}

#[test]
fn requests_name_the_host_of_page_check_or_target() {
    let request = |params: Params, target: &str| {
        let kind =
            Kind::Http { params: Arc::new(params), target: (target.parse().unwrap(), 8080), tls: false };
        let mut check = Rig::new(cadence(), kind, Start::Fresh);
        ask(&mut check);
        String::from_utf8(check.message()).unwrap()
    };
    let plain = params([page("/a?b=c")]);
    let agent = "User-Agent: KeepAliveClient\r\n";
    assert_eq!(
        request(plain.clone(), "10.0.0.1"),
        format!("GET /a?b=c HTTP/1.0\r\n{agent}Host: 10.0.0.1:8080\r\n\r\n")
    );
    assert_eq!(
        request(Params { version: Version::V10Close, ..plain.clone() }, "fd01::1"),
        format!("GET /a?b=c HTTP/1.0\r\n{agent}Connection: close\r\nHost: [fd01::1]:8080\r\n\r\n")
    );
    let named = Params { version: Version::V11, host: Some("check.test".into()), ..plain };
    assert_eq!(
        request(named.clone(), "10.0.0.1"),
        format!("GET /a?b=c HTTP/1.1\r\n{agent}Connection: close\r\nHost: check.test\r\n\r\n")
    );
    let own = params([Page { host: Some("page.test".into()), ..page("/") }]);
    assert!(request(Params { host: named.host, ..own }, "10.0.0.1").contains("\r\nHost: page.test\r\n"));
}

#[test]
fn the_longest_request_of_a_configuration_fits() {
    let long: String = "x".repeat(crate::base::limit::CONFIG_LINE);
    let mut check = check(
        Params { host: Some(long.as_str().into()), version: Version::V11, ..params([page(&long)]) },
        Start::Fresh,
    );
    ask(&mut check);
    assert!(check.message().ends_with(b"x\r\n\r\n"));
}

#[test]
fn tls_names_the_server_if_it_is_to_and_says_goodbye_if_it_is_to() {
    let plain = Params { host: Some("a.test:8443".into()), ..params([page("/")]) };
    let with = |params: &Params| {
        let kind = Kind::Http {
            params: Arc::new(params.clone()),
            target: ("10.0.0.1".parse().unwrap(), 443),
            tls: true,
        };
        let mut check = Rig::new(cadence(), kind, Start::Fresh);
        assert_eq!(check.step(0, Input::Timer), [Action::Open(Transport::Tls)]);
        check
    };
    assert_eq!(with(&plain).0.server_name(), None);
    let named = Params { sni: true, ..plain.clone() };
    assert_eq!(with(&named).0.server_name(), Some("a.test"));
    assert_eq!(
        with(&Params { sni_name: Some("b.test".into()), ..named.clone() }).0.server_name(),
        Some("b.test")
    );
    assert_eq!(with(&Params { host: None, ..named }).0.server_name(), None);
    let mut compliant = plain;
    for (close, step) in [(Close::Graceful, 0), (Close::Alert, 1), (Close::Alert, 2)] {
        compliant.tls_compliant = step == 1;
        compliant.pages[0].tls_compliant = step == 2;
        let mut check = with(&compliant);
        check.step(0, Input::Connected);
        assert_eq!(
            check.step(1, Input::Received(&reply("Content-Length: 0\r\n", "")))[0],
            Action::Close(close)
        );
    }
}

#[test]
fn a_reply_ends_by_its_length_its_last_chunk_or_the_close() {
    let plain = params([page("/")]);
    let judge = |reply: &[u8], closes| judge(&plain, reply, closes);
    // Field case 43: the connection stays open.
    assert_eq!(judge(&reply("Content-Length: 5\r\n", "hello"), false), Ok(()));
    assert_eq!(judge(&reply("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), false), Ok(()));
    assert_eq!(judge(&reply("", "hello"), true), Ok(()));
    assert_eq!(judge(b"HTTP/1.1 204 No Content\r\n\r\n", false), Ok(()));
    assert_eq!(judge(&reply("", "hello"), false), Err(Failure::Unfinished));
    // Field case 52 (c).
    assert_eq!(judge(&reply("Content-Length: 500\r\n", "hello"), true), Err(Failure::Truncated));
    assert_eq!(
        judge(&reply("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"), true),
        Err(Failure::Truncated)
    );
    assert_eq!(judge(b"HTTP/1.1 200 OK\r\nServer:", true), Err(Failure::Truncated));
    assert_eq!(judge(b"", true), Err(Failure::Closed));
    assert_eq!(judge(b"", false), Err(Failure::Silent));
    assert_eq!(judge(b"HTTP/1.1 2", false), Err(Failure::Unfinished));
}

/// Field cases 46 to 48.
#[test]
fn the_status_decides_before_the_body() {
    let plain = params([page("/")]);
    for (code, good) in [(200, true), (299, true), (199, false), (301, false), (426, false), (500, false)] {
        let head = format!("HTTP/1.1 {code} x\r\nContent-Length: 0\r\n\r\n");
        let expected = if good || code == 199 { Ok(()) } else { Err(Failure::Status(code)) };
        if code == 199 {
            // An interim reply: the one that counts follows.
            assert_eq!(judge(&plain, head.as_bytes(), true), Err(Failure::Truncated));
            assert_eq!(judge(&plain, &[head.as_bytes(), b"HTTP/1.1 200\r\n\r\n"].concat(), true), Ok(()));
            assert_eq!(judge(&plain, b"HTTP/1.1 101 x\r\n", false), Err(Failure::Status(101)));
        } else {
            assert_eq!(judge(&plain, head.as_bytes(), false), expected, "{code}");
        }
    }
    // Three digits that are no status of RFC 9110 section 15 are a status that is not accepted.
    for (digits, code) in [("000", 0), ("099", 99), ("600", 600), ("999", 999)] {
        let reply = format!("HTTP/1.1 {digits} x\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(judge(&plain, reply.as_bytes(), false), Err(Failure::Status(code)));
    }
    let mut status = Codes::default();
    status.insert(301, 302);
    status.insert(103, 103);
    let moved = params([Page { status, ..page("/") }]);
    assert_eq!(judge(&moved, b"HTTP/1.0 302 Found\r\n\r\n", true), Ok(()));
    assert_eq!(judge(&moved, b"HTTP/1.0 103 Hints\r\n\r\n", true), Ok(()));
    assert_eq!(
        judge(&moved, b"HTTP/1.0 200 OK\r\n", false),
        Err(Failure::Status(200)),
        "nothing more is awaited"
    );
    for line in ["HTTP/1.1  200", "HTTP/1.1 2000 x", "HTTP/1.1 -20", "aa HTTP/1.1 200 OK", "220 ready"] {
        assert_eq!(
            judge(&plain, format!("{line}\r\n\r\n").as_bytes(), true),
            Err(Failure::Malformed),
            "{line}"
        );
    }
    assert_eq!(judge(&plain, b"HTTP/1.1 200\n\n", true), Ok(()));
}

/// Field cases 44 and 49: a digest is that of the body, or of the body with its framing; it has no bound.
#[test]
fn a_digest_is_of_the_body_decoded_or_raw() {
    let (decoded, raw) = (b"hello, world", "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n");
    let chunked = reply("Transfer-Encoding: chunked\r\n", raw);
    assert_eq!(judge(&with_digest(decoded), &chunked, false), Ok(()));
    assert_eq!(judge(&with_digest(raw.as_bytes()), &chunked, false), Ok(()));
    assert_eq!(judge(&with_digest(b"hello"), &chunked, false), Err(Failure::Digest));
    assert_eq!(
        judge(&with_digest(decoded), &reply("Content-Length: 12\r\n", "hello, world!!"), false),
        Ok(())
    );
    assert_eq!(judge(&with_digest(decoded), &reply("", "hello, world"), true), Ok(()));
    assert_eq!(judge(&with_digest(b""), &reply("Content-Length: 0\r\n", ""), false), Ok(()));
    let bad = b"HTTP/1.1 404 x\r\nContent-Length: 12\r\n\r\nhello, world";
    assert_eq!(judge(&with_digest(decoded), bad, true), Err(Failure::Status(404)), "the status comes first");
    let large = vec![b'x'; 6 << 20];
    let mut large_check = check(with_digest(&large), Start::Fresh);
    let now = ask(&mut large_check);
    large_check.step(now, Input::Received(&reply("", "")));
    for piece in large.chunks(4_096) {
        assert_eq!(large_check.step(now, Input::Received(piece)), []);
    }
    assert_eq!(large_check.step(now, Input::Closed)[..1], [CLOSE]);
    assert!(large_check.is_up());
}

/// Field cases 45 and 49.
#[test]
fn a_pattern_is_found_wherever_the_reply_is_cut() {
    let wanted = with_regex(regex("OK-17"));
    assert_eq!(judge(&wanted, &reply("", "xxOK-17xx"), false), Ok(()), "certain before the end");
    assert_eq!(judge(&wanted, &reply("", "xxOK-1"), true), Err(Failure::Regex));
    assert_eq!(judge(&wanted, &reply("", "OK-OK-17"), true), Ok(()));
    let mut unwanted = regex("OK-17");
    unwanted.inverted = true;
    let unwanted = with_regex(unwanted);
    assert_eq!(judge(&unwanted, &reply("", "xxOK-17xx"), false), Err(Failure::Regex));
    assert_eq!(judge(&unwanted, &reply("", "xxOK-1"), true), Ok(()));
    assert_eq!(judge(&unwanted, &reply("", "xxOK-1"), false), Err(Failure::Unfinished));
    let chunked = "2\r\nxO\r\n3\r\nK-1\r\n1\r\n7\r\n0\r\n\r\n";
    assert_eq!(judge(&wanted, &reply("Transfer-Encoding: chunked\r\n", chunked), false), Ok(()));
    for before in (4_090..4_100).chain(65_530..65_540).chain([200_000]) {
        let body = format!("{}OK-17", "O".repeat(before));
        assert_eq!(judge(&wanted, &reply("", &body), true), Ok(()), "{before}");
    }
    // With a digest everything must have come.
    let mut both = with_digest(b"OK-17");
    both.pages[0].regex = Some(Box::new(regex("OK-17")));
    assert_eq!(judge(&both, &reply("", "OK-17"), true), Ok(()));
    assert_eq!(judge(&both, &reply("", "OK-17!"), true), Err(Failure::Digest));
    assert_eq!(judge(&both, &reply("", "OK-17"), false), Err(Failure::Unfinished));
}

#[test]
fn offsets_count_octets_of_the_body() {
    let between = |from, to| with_regex(Regex { from, to, ..regex("ab") });
    let at =
        |position: usize| reply("", &format!("{}ab{}", "-".repeat(position), "-".repeat(300_000 - position)));
    for (from, to) in [(0, Some(10)), (5, Some(10)), (5, None), (100_000, Some(150_000)), (65_536, None)] {
        let params = between(from, to);
        let (from, to) = (from as usize, to.map_or(299_000, |to| to as usize));
        for position in
            [0, 4, 5, 6, 9, 10, 11, 65_535, 65_536, 99_999, 100_000, 149_999, 150_000, 150_001, 299_000]
        {
            let inside = (from..=to).contains(&position);
            let mut check = check(params.clone(), Start::Fresh);
            let now = ask(&mut check);
            tell(&mut check, now, &at(position), 1_460, true);
            assert_eq!(check.is_up(), inside, "at {position}, wanted {from} to {to}");
        }
    }
    assert_eq!(judge(&between(2, Some(3)), &reply("", "--ab"), true), Ok(()));
    assert_eq!(judge(&between(2, Some(3)), &reply("", "ab--"), true), Err(Failure::Regex));
}

#[test]
fn a_page_with_a_pattern_needs_a_matcher() {
    let mut check = Rig::new(cadence(), kind(with_regex(regex("x"))), Start::Fresh);
    assert_eq!(check.step(0, Input::Timer), [Action::Log(Fact::NotRun(Cause::Feature))]);
    assert!(check.is_up());
}

/// Field case 42: the time does not begin anew with each piece.
#[test]
fn a_slow_drip_has_the_time_of_one_exchange() {
    let mut check = check(params([page("/")]), Start::Trusted);
    let now = ask(&mut check);
    check.step(now + 100, Input::Received(b"HTTP/1.0 200 OK\r\nContent-Length: 3000\r\n\r\n"));
    for piece in 1..5 {
        assert_eq!(check.step(now + 200 * piece, Input::Received(&[b'x'; 50])), []);
    }
    assert_eq!(check.due(), Some(now + 1_000));
    assert_eq!(check.step(now + 1_000, Input::Timer), [CLOSE]);
    assert_eq!(check.0.last().unwrap().result, Err(Failure::Unfinished));
}

#[test]
fn connecting_has_a_time_of_its_own() {
    let mut check = check(params([page("/")]), Start::Fresh);
    check.step(0, Input::Timer);
    check.step(900, Input::Connected);
    assert_eq!(check.due(), Some(1_900));
    let mut check = Rig::new(cadence(), kind(params([page("/")])), Start::Fresh);
    check.step(0, Input::Timer);
    assert_eq!(
        check.step(1_000, Input::Timer)[1],
        Action::Log(Fact::Down { why: Failure::NotConnected, retries: 0 })
    );
}

/// Which page is asked for, and whether it succeeds; the actions that are no news are left out.
fn story(check: &mut Rig, steps: &[(usize, bool, &[Action])], pause: Option<u64>) {
    for (number, (page, good, news)) in steps.iter().enumerate() {
        let now = ask(check);
        let path = format!("GET /{page} ");
        assert!(check.message().starts_with(path.as_bytes()), "step {number}");
        let actions = if *good {
            check.step(now, Input::Received(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"))
        } else {
            check.step(now, REFUSED)
        };
        let rest: Vec<Action> = actions
            .into_iter()
            .filter(|action| !matches!(action, Action::Close(_) | Action::Log(_)))
            .collect();
        assert_eq!(rest, *news, "step {number}");
        if let Some(pause) = pause {
            assert_eq!(check.due(), Some(now + pause), "step {number}");
        }
    }
}

fn pages(count: usize) -> Params {
    params((0..count).map(|number| page(&format!("/{number}"))))
}

#[test]
fn pages_take_turns_and_all_must_succeed_after_a_failure() {
    let mut three = check(pages(3), Start::Fresh);
    story(&mut three, &[(0, true, &[]), (1, true, &[]), (2, true, &[]), (0, true, &[])], Some(10_000));
    // A page that fails is tried again, and then it is the first one and the last one.
    story(&mut three, &[(1, false, &[])], Some(1_000));
    story(&mut three, &[(1, true, &[])], None);
    story(&mut three, &[(2, false, &[])], Some(1_000));
    story(&mut three, &[(2, false, &[DOWN])], None);
    story(
        &mut three,
        &[(2, true, &[]), (0, true, &[]), (1, true, &[]), (2, true, &[UP]), (0, true, &[])],
        Some(10_000),
    );
    // A failure on the way begins the round again.
    story(&mut three, &[(1, false, &[]), (1, false, &[DOWN])], None);
    story(&mut three, &[(1, true, &[]), (2, true, &[]), (0, false, &[])], None);
    story(
        &mut three,
        &[(0, true, &[]), (1, true, &[]), (2, true, &[]), (0, true, &[UP]), (1, true, &[])],
        None,
    );
}

#[test]
fn one_page_must_succeed_twice_after_a_failure_and_once_with_alpha() {
    let mut one = check(pages(1), Start::Fresh);
    story(&mut one, &[(0, false, &[DOWN]), (0, true, &[]), (0, true, &[UP]), (0, true, &[])], Some(10_000));
    let alpha = Cadence { alpha: true, ..cadence() };
    let mut one = Rig::new(alpha.clone(), kind(pages(1)), Start::Fresh);
    story(&mut one, &[(0, false, &[]), (0, true, &[UP])], None);
    let mut two = Rig::new(alpha, kind(pages(2)), Start::Fresh);
    story(&mut two, &[(0, true, &[]), (1, true, &[UP]), (0, true, &[])], None);
}

#[test]
fn fast_recovery_asks_for_all_pages_without_a_pause() {
    let mut two = check(Params { fast_recovery: true, ..pages(2) }, Start::Fresh);
    story(&mut two, &[(0, false, &[DOWN])], Some(10_000));
    story(&mut two, &[(0, true, &[]), (1, true, &[])], Some(0));
    story(&mut two, &[(0, true, &[UP])], Some(10_000));
    story(&mut two, &[(1, true, &[])], Some(10_000));
}

#[test]
fn pages_are_told_while_they_are_news() {
    let mut two = check(pages(2), Start::Fresh);
    let good = b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n";
    let now = ask(&mut two);
    assert_eq!(two.step(now, Input::Received(good)), [CLOSE, Action::Log(Fact::Page(0)), PASSED]);
    let now = ask(&mut two);
    assert_eq!(two.step(now, Input::Received(good)), [CLOSE]);
}

#[test]
fn the_longest_list_of_actions_is_that_of_a_server_that_comes_back() {
    let mut one = check(pages(1), Start::Failed);
    one.step(0, Input::Timer);
    one.step(0, Input::NotRun(Cause::Memory));
    let now = ask(&mut one);
    let good = b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n";
    let actions = one.step(now, Input::Received(good));
    assert_eq!(actions, [CLOSE, Action::Log(Fact::RunsAgain), Action::Log(Fact::Page(0)), PASSED, UP]);
    assert_eq!(actions.len(), LONGEST);
}

/// Whatever a server sends, the check ends in time and its memory stays what it was.
#[test]
fn hostile_replies_fail_their_own_check_in_time() {
    let endless: [(&str, &[u8], &[u8]); 6] = [
        ("head", b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        ("line", b"HTTP/1.1 200 OK\r\nX: ", b"yyyyyyyyyyyyyyyy"),
        ("interim", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("trailer", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
        ("extension", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"xxxxxxxxxxxxxxxx"),
        ("size", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0000000000000000"),
    ];
    for (name, begin, again) in endless {
        let mut check = check(pages(1), Start::Fresh);
        let now = ask(&mut check);
        assert_eq!(check.step(now, Input::Received(begin)), []);
        let end = (0..40_000).find_map(|_| check.step(now, Input::Received(again)).pop());
        assert_eq!(end, Some(DOWN), "{name}");
        assert_eq!(check.0.last().unwrap().result, Err(Failure::TooLong), "{name}");
    }
    let mut huge = check(pages(1), Start::Fresh);
    let now = ask(&mut huge);
    huge.step(now, Input::Received(b"HTTP/1.1 200 OK\r\n\r\n"));
    for _ in 0..20_000 {
        assert_eq!(huge.step(now, Input::Received(&[0xff; 4_096])), []);
    }
    assert_eq!(huge.step(now + 1_000, Input::Timer).pop(), Some(DOWN));
}
