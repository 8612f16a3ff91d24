//! genhash as people call it: what it prints and how it ends, beside Debian's.
#![cfg(feature = "lvs")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test ends at the first surprise; its servers are threads"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// MD5 of "hello".
const HELLO: &str = "5d41402abc4b2a76b9719d911017c592\n";

/// A server that answers each connection with these octets, and then closes it or leaves it open. Its port, and the
/// requests that it got.
fn server(reply: &[u8], close: bool) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, requests) = channel();
    let reply = reply.to_vec();
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut octet = [0];
                stream.read_exact(&mut octet).unwrap();
                request.push(octet[0]);
            }
            let _ = sender.send(String::from_utf8(request).unwrap());
            // In pieces, so that nobody may count on one.
            for piece in reply.chunks(7) {
                if stream.write_all(piece).is_err() {
                    break;
                }
            }
            if !close {
                open.push(stream);
            }
        }
    });
    (port, requests)
}

fn ours(port: u16, more: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keepalived"));
    command.arg("--genhash").args(["-s", "127.0.0.1", "-p", &port.to_string(), "-u", "/x"]);
    command.args(more.split_whitespace()).output().unwrap()
}

#[track_caller]
fn assert_hash(output: &Output, hash: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (String::from_utf8_lossy(&output.stdout).as_ref(), &*error, output.status.code()),
        (hash, "", Some(0))
    );
}

#[track_caller]
fn assert_error(output: &Output, text: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.starts_with(text), "{error}");
    assert_eq!((&*output.stdout, output.status.code()), (&b""[..], Some(1)), "{error}");
}

#[test]
fn the_digest_is_that_of_the_body_however_its_end_is_told() {
    for (reply, close) in [
        ("HTTP/1.0 200 OK\r\n\r\nhello", true),
        ("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", false),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", false),
    ] {
        let (port, _requests) = server(reply.as_bytes(), close);
        assert_hash(&ours(port, ""), HELLO);
    }
}

#[test]
fn a_page_that_was_not_fetched_ends_with_an_error() {
    for (reply, close, text) in [
        ("", true, "no data received from remote webserver\n"),
        ("what is this\n", true, "no data received from remote webserver"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello",
            true,
            "the connection ended in the middle of the page\n",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nhello", false, "Timeout WEB read\n"),
    ] {
        let (port, _requests) = server(reply.as_bytes(), close);
        assert_error(&ours(port, "-t 1"), text);
    }
    let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    assert_error(&ours(unused, ""), "Connection failed");
    assert_error(
        &ours(unused, "-P 2"),
        "invalid HTTP protocol version '2'\nUsage: keepalived --genhash COMMAND [OPTIONS]\n",
    );
}

#[test]
fn requests_are_those_of_the_check_and_of_debian_s_genhash() {
    let (port, requests) = server(b"HTTP/1.0 200 OK\r\n\r\nhello", true);
    for more in ["", "-V www.example.test", "-P 1.0c", "-P 1.1 -V www"] {
        assert_hash(&ours(port, more), HELLO);
        let own = requests.recv_timeout(Duration::from_secs(5)).unwrap();
        let output = Command::new("genhash")
            .args(["-s", "127.0.0.1", "-p", &port.to_string(), "-u", "/x"])
            .args(more.split_whitespace())
            .output()
            .expect("Debian's keepalived is installed");
        assert_eq!(own, requests.recv_timeout(Duration::from_secs(5)).unwrap(), "{more}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), HELLO, "{more}");
    }
}

#[test]
fn what_is_shown_is_what_debian_s_genhash_shows() {
    let page = "HTTP/1.0 200 OK\r\nServer: x\r\n\r\nhello";
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // In one piece: Debian's shows each piece by itself, and so do we.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(page.as_bytes());
        }
    });
    let debian = Command::new("genhash")
        .args(["-v", "-s", "127.0.0.1", "-p", &port.to_string(), "-u", "/x"])
        .output()
        .unwrap();
    let without_time = |output: &Output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (shown, time) = text.split_once("Global response time for [/x] = ").unwrap();
        assert!(time.ends_with(" usecs\n"));
        shown.to_owned()
    };
    assert_eq!(without_time(&ours(port, "-v")), without_time(&debian));
}

#[test]
fn it_goes_by_its_name_and_by_its_option() {
    let (port, _requests) = server(b"HTTP/1.0 200 OK\r\n\r\nhello", true);
    let program = Path::new(env!("CARGO_BIN_EXE_keepalived"));
    let words = ["-s", "127.0.0.1", "-p", &port.to_string(), "-u", "/x"];
    for name in ["genhash", "/usr/bin/genhash"] {
        assert_hash(&Command::new(program).arg0(name).args(words).output().unwrap(), HELLO);
    }
    assert_hash(&Command::new(program).arg("-T").args(words).output().unwrap(), HELLO);
    let usage = Command::new(program).arg0("genhash").arg("-h").output().unwrap();
    assert_error(&usage, "Usage: genhash COMMAND [OPTIONS]\n");
}
