//! Requests of HTTP (RFC 9112) to the monitoring port, and the heads of answers. Only GET and HEAD of a few paths exist;
//! a body is not read, and every connection ends with its answer.

use core::fmt::Write;

use httparse::{EMPTY_HEADER, Request, Status};

/// Octets of the longest head of a request that is read. Scrapers send some 300, browsers up to about 1,500.
pub const LONGEST_HEAD: usize = 4_096;
/// Lines of a head.
const LINES: usize = 64;
/// Octets of the longest head of an answer.
pub const LONGEST_ANSWER_HEAD: usize = 384;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The page for people.
    Index,
    /// The metrics, in OpenMetrics if that was asked for.
    Metrics {
        /// In OpenMetrics, else in Prometheus' text form.
        open: bool,
    },
    /// Whether every process answers.
    Health,
    /// Whether everything is in its place.
    Ready,
    /// The status as JSON.
    Status,
    /// What has happened, as JSON.
    Events,
}

/// A request that was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// For what.
    pub page: Page,
    /// The answer is to have its head alone.
    pub head_only: bool,
}

/// What octets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// More must come.
    Incomplete,
    /// A request.
    Asked(Asked),
    /// One that is answered with this code alone.
    Refused(Code),
}

/// The code of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// As asked.
    Ok,
    /// It is no request.
    Bad,
    /// There is no such page.
    NotFound,
    /// Nothing but reading is possible.
    Method,
    /// Its head is too long.
    TooLong,
    /// Something is not as it should be.
    Unavailable,
}

impl Code {
    /// Number and words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::Bad => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::Method => "405 Method Not Allowed",
            Self::TooLong => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

const PAGES: [(&str, Page); 6] = [
    ("/", Page::Index),
    ("/metrics", Page::Metrics { open: false }),
    ("/healthz", Page::Health),
    ("/readyz", Page::Ready),
    ("/status", Page::Status),
    ("/events", Page::Events),
];

/// Reads what has come so far.
#[must_use]
pub fn parse(octets: &[u8]) -> Parsed {
    let mut lines = [EMPTY_HEADER; LINES];
    let mut request = Request::new(&mut lines);
    match request.parse(octets) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) if octets.len() >= LONGEST_HEAD => return Parsed::Refused(Code::TooLong),
        Ok(Status::Partial) => return Parsed::Incomplete,
        Err(httparse::Error::TooManyHeaders) => return Parsed::Refused(Code::TooLong),
        Err(_) => return Parsed::Refused(Code::Bad),
    }
    let head_only = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Parsed::Refused(Code::Method),
    };
    let path = request.path.unwrap_or_default().split('?').next().unwrap_or_default();
    let Some((_, page)) = PAGES.iter().find(|(known, _)| *known == path) else {
        return Parsed::Refused(Code::NotFound);
    };
    let accepts = request.headers.iter().filter(|line| line.name.eq_ignore_ascii_case("accept"));
    let open = accepts.clone().any(|line| has(line.value, b"application/openmetrics-text"));
    let page = if let Page::Metrics { .. } = page { Page::Metrics { open } } else { *page };
    Parsed::Asked(Asked { page, head_only })
}

fn has(octets: &[u8], word: &[u8]) -> bool {
    octets.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

/// The head of an answer; `kind`: of the text that follows, `len`: its octets.
#[must_use]
pub fn head(code: Code, kind: &str, len: u64) -> heapless::String<LONGEST_ANSWER_HEAD> {
    let mut head = heapless::String::new();
    // The longest one has some 300 octets. Nothing of other servers is ever part of a page.
    let _ = write!(
        head,
        "HTTP/1.1 {}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nConnection: close\r\nCache-Control: \
         no-store\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'self'; style-src \
         'unsafe-inline'; script-src 'unsafe-inline'\r\n",
        code.text()
    );
    if code == Code::Method {
        let _ = head.push_str("Allow: GET, HEAD\r\n");
    }
    let _ = head.push_str("\r\n");
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(page: Page) -> Parsed {
        Parsed::Asked(Asked { page, head_only: false })
    }

    #[test]
    fn pages_are_found_and_everything_else_is_refused() {
        for (path, page) in PAGES {
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(parse(request.as_bytes()), asked(page));
            for len in 0..request.len() {
                assert_eq!(parse(request.as_bytes().get(..len).unwrap()), Parsed::Incomplete, "{path} {len}");
            }
        }
        let open = b"GET /metrics?x=1 HTTP/1.1\r\naccept: text/plain, Application/OpenMetrics-Text;version=1.0.0\r\n\r\n";
        assert_eq!(parse(open), asked(Page::Metrics { open: true }));
        let head = Asked { page: Page::Health, head_only: true };
        assert_eq!(parse(b"HEAD /healthz HTTP/1.0\r\n\r\n"), Parsed::Asked(head));
        assert_eq!(parse(b"\r\n\nGET / HTTP/1.1\n\n\x16\0"), asked(Page::Index), "what follows is not read");
        for (request, code) in [
            (&b"GET /etc/passwd HTTP/1.1\r\n\r\n"[..], Code::NotFound),
            (b"POST /metrics HTTP/1.1\r\n\r\n", Code::Method),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01", Code::Bad),
            (b"GET / HTTP/9\r\n\r\n", Code::Bad),
            (b"GET / HTTP/1.1 x\r\n\r\n", Code::Bad),
            (b"GET / HTTP/1.1\r\nno field\r\n\r\n", Code::Bad),
            (b"GET / HTTP/1.1\r\na b: c\r\n\r\n", Code::Bad),
            (b"GET / HTTP/1.1\r\na: b\rc\r\n\r\n", Code::Bad),
            (&[b'x'; LONGEST_HEAD], Code::TooLong),
        ] {
            assert_eq!(parse(request), Parsed::Refused(code), "{:?}", String::from_utf8_lossy(request));
        }
        let many = ["GET / HTTP/1.1\r\n", &"a: b\r\n".repeat(LINES + 1), "\r\n"].concat();
        assert_eq!(parse(many.as_bytes()), Parsed::Refused(Code::TooLong));
    }

    #[test]
    fn the_longest_head_fits() {
        for code in [Code::Ok, Code::Bad, Code::NotFound, Code::Method, Code::TooLong, Code::Unavailable] {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            let head = head(code, kind, u64::MAX);
            assert!(head.ends_with("\r\n\r\n") && head.contains(code.text()), "{head}");
            assert_eq!(head.contains("Allow:"), code == Code::Method);
        }
    }
}
