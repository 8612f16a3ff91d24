//! genhash: fetches one page and prints the MD5 of its body, for `digest` of `HTTP_GET` and `SSL_GET`.
//!
//! The page is read by the same code as in a check ([`wire::http`](keepalived::wire::http)), so that what is printed is
//! what a check of the same server finds: of the body without its framing, up to the end that its length or its last
//! chunk names. Unlike in keepalived the exit tells whether it was fetched.

mod connection;
mod options;
mod show;

use std::ffi::OsString;
use std::io::{self, Write};

use keepalived::base::exit::Exit;
use keepalived::proto::check::http::Version;
use keepalived::sys::clock;
use keepalived::wire::http::{Bad, Body, Head, Host, Request};
use md5::{Digest, Md5};

use connection::Connection;
use options::Options;

/// Does what the words say, without the name of the program, which was called `name`.
pub(crate) fn run(name: &str, words: Vec<OsString>) -> Exit {
    let outcome = options::read(words)
        .map_err(|text| text + &options::usage(name))
        .and_then(|options| fetch(&options).map_err(|text| text + "\n"));
    match outcome {
        Ok(()) => Exit::Ok,
        Err(text) => {
            // A reader that has gone away changes nothing about the exit.
            let _ = io::stderr().lock().write_all(text.as_bytes());
            Exit::Fatal
        }
    }
}

/// Fetches the page and prints what is asked for; an error is one sentence.
fn fetch(options: &Options) -> Result<(), String> {
    let begun = clock::now();
    let mut connection = Connection::open(options)?;
    connection.send(request(options).as_bytes())?;
    let mut page = Page::default();
    while let Some(octets) = connection.receive()? {
        if page.take(octets, options.verbose)? {
            break;
        }
    }
    let digest = page.end()?;
    let hex = digest.iter().fold(String::new(), |hex, octet| format!("{hex}{octet:02x}"));
    let micros = clock::now().since(begun).as_micros();
    if options.verbose {
        print(show::digest(&digest, &hex, &options.url, micros).as_bytes());
    } else {
        print(format!("{hex}\n").as_bytes());
    }
    Ok(())
}

fn request(options: &Options) -> String {
    let request = Request {
        path: &options.url,
        minor: u8::from(options.version == Version::V11),
        close: options.version != Version::V10,
        host: Host { name: options.host.as_deref(), target: (options.server, options.port) },
    };
    request.to_string()
}

/// A page as far as it has come.
#[derive(Default)]
struct Page {
    head: Head,
    /// The octets of the head, to be shown.
    shown: Vec<u8>,
    body: Option<Body>,
    digest: Md5,
    heard: bool,
}

impl Page {
    /// Takes what has come; whether that was all.
    fn take(&mut self, octets: &[u8], verbose: bool) -> Result<bool, String> {
        self.heard = true;
        let mut rest = octets;
        while self.body.is_none() {
            let taken = self.head.push(rest).map_err(no_page)?;
            let (head, after) = rest.split_at_checked(taken.unwrap_or(rest.len())).unwrap_or((rest, &[]));
            if verbose {
                self.shown.extend_from_slice(head);
            }
            if taken.is_none() {
                return Ok(false);
            }
            rest = after;
            // The final reply follows an interim one (RFC 9110 section 15.2).
            if self.head.status().is_some_and(|status| (100..200).contains(&status) && status != 101) {
                self.head.again();
                self.shown.clear();
                continue;
            }
            self.body = Some(Body::new(self.head.framing()));
            if verbose {
                print(&show::head(&self.shown, !rest.is_empty()));
            }
        }
        let Some(body) = &mut self.body else { return Ok(false) };
        while !rest.is_empty() && !body.is_over() {
            let piece = body.push(rest).map_err(no_page)?;
            self.digest.update(piece.data);
            if verbose {
                print(show::dump(piece.data).as_bytes());
            }
            rest = rest.get(piece.taken..).unwrap_or_default();
        }
        Ok(body.is_over())
    }

    /// Nothing more comes: the digest of what has come, if that was all.
    fn end(self) -> Result<[u8; 16], String> {
        match &self.body {
            Some(body) if body.is_over() || body.ends_by_close() => Ok(self.digest.finalize().into()),
            _ if self.heard => Err("the connection ended in the middle of the page".to_owned()),
            _ => Err("no data received from remote webserver".to_owned()),
        }
    }
}

fn no_page(bad: Bad) -> String {
    match bad {
        Bad::Malformed => "no data received from remote webserver: what came is no HTTP reply",
        Bad::TooLong => "the head of the reply does not end",
    }
    .to_owned()
}

/// A reader that has gone away changes nothing about the exit.
fn print(octets: &[u8]) {
    let _ = io::stdout().lock().write_all(octets);
}
