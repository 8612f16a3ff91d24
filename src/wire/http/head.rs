//! The head of a reply: its status and how its body is framed (RFC 9112 sections 4 and 6).
//!
//! Octets come in pieces of any size, and only the line under way is kept. Lines that are not understood and are not
//! about the framing do not matter to a check.

use super::Bad;

/// Octets of one line that are kept; what follows in a longer one is neither the status nor about the framing.
const LINE: usize = 256;
/// Octets of the longest head, interim ones included. Servers refuse to send more than 8 to 64 kB.
const MOST: u32 = 128 << 10;

/// Where the end of a body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Where the peer closes.
    #[default]
    Close,
    /// After so many octets.
    Length(u64),
    /// After the last chunk.
    Chunked,
}

/// Reads a head.
#[derive(Clone, Debug)]
pub struct Head {
    /// The line under way, and room for the two line ends that make it a head of its own.
    line: [u8; LINE + 4],
    len: u16,
    total: u32,
    status: Option<u16>,
    chunked: bool,
    length: Option<u64>,
}

impl Default for Head {
    fn default() -> Self {
        Self { line: [0; LINE + 4], len: 0, total: 0, status: None, chunked: false, length: None }
    }
}

impl Head {
    /// Takes octets up to the end of the head: how many they were. None: all of them, and there is more to come.
    ///
    /// # Errors
    /// [`Bad`]: this is no reply.
    pub fn push(&mut self, octets: &[u8]) -> Result<Option<usize>, Bad> {
        for (position, octet) in octets.iter().enumerate() {
            self.total = self.total.saturating_add(1);
            if self.total > MOST {
                return Err(Bad::TooLong);
            }
            if *octet != b'\n' {
                if let Some(place) =
                    self.line.get_mut(..LINE).and_then(|line| line.get_mut(usize::from(self.len)))
                {
                    *place = *octet;
                    self.len = self.len.saturating_add(1);
                }
                continue;
            }
            let end = self.end_of_line()?;
            self.len = 0;
            if end {
                return Ok(Some(position.saturating_add(1)));
            }
        }
        Ok(None)
    }

    /// Goes on with the next head after an interim one (RFC 9110 section 15.2). The bound is for all of them.
    pub fn again(&mut self) {
        (self.len, self.status, self.chunked, self.length) = (0, None, false, None);
    }

    /// The status, once its line has come.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// How the body is framed, once the head has ended (RFC 9112 section 6.3).
    #[must_use]
    pub const fn framing(&self) -> Framing {
        match (self.status, self.chunked, self.length) {
            (Some(204 | 304), _, _) => Framing::Length(0),
            (_, true, _) => Framing::Chunked,
            (_, false, Some(length)) => Framing::Length(length),
            (_, false, None) => Framing::Close,
        }
    }

    /// Takes the line that has just ended; whether it is the last one of the head.
    fn end_of_line(&mut self) -> Result<bool, Bad> {
        let mut len = usize::from(self.len);
        if len.checked_sub(1).and_then(|last| self.line.get(last)) == Some(&b'\r') {
            len = len.saturating_sub(1);
        }
        let end = len.saturating_add(4);
        if let Some(place) = self.line.get_mut(len..end) {
            place.copy_from_slice(b"\r\n\r\n");
        }
        let head = self.line.get(..end).unwrap_or_default();
        match self.status {
            None => {
                let mut response = httparse::Response::new(&mut []);
                let read = if len == 0 { None } else { response.parse(head).ok() };
                self.status = Some(read.and(response.code).ok_or(Bad::Malformed)?);
            }
            Some(_) if len == 0 => return Ok(true),
            Some(_) => {
                let mut headers = [httparse::EMPTY_HEADER];
                if let Ok(httparse::Status::Complete((_, [header]))) =
                    httparse::parse_headers(head, &mut headers)
                {
                    let (chunked, length) = (&mut self.chunked, &mut self.length);
                    take(header.name, header.value, chunked, length)?;
                }
            }
        }
        Ok(false)
    }
}

/// Takes a header that is about the framing. A length that is no number is as good as none, as for keepalived, which
/// looks at no length at all.
fn take(name: &str, value: &[u8], chunked: &mut bool, length: &mut Option<u64>) -> Result<(), Bad> {
    if name.eq_ignore_ascii_case("Transfer-Encoding") {
        let last = value.rsplit(|octet| *octet == b',').next().unwrap_or_default();
        *chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
    } else if name.eq_ignore_ascii_case("Content-Length") {
        let digits = Some(value).filter(|value| value.iter().all(u8::is_ascii_digit));
        let number = digits.and_then(|digits| core::str::from_utf8(digits).ok()?.parse().ok());
        if number.is_some() && length.is_some() && *length != number {
            return Err(Bad::Malformed);
        }
        *length = number.or(*length);
    }
    Ok(())
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test ends at the first surprise"
)]
mod tests {
    use super::*;

    /// The same in one piece and octet by octet.
    fn read(text: &[u8]) -> Result<Option<(u16, Framing, usize)>, Bad> {
        let mut whole = Head::default();
        let taken = whole.push(text);
        let mut pieces = Head::default();
        let mut count = 0;
        let one_by_one = text.iter().find_map(|octet| {
            count += 1;
            match pieces.push(&[*octet]) {
                Ok(None) => None,
                Ok(Some(taken)) => {
                    assert_eq!(taken, 1);
                    Some(Ok(count))
                }
                Err(bad) => Some(Err(bad)),
            }
        });
        assert_eq!(one_by_one.transpose(), taken, "{}", text.escape_ascii());
        assert_eq!((whole.status(), whole.framing()), (pieces.status(), pieces.framing()));
        Ok(taken?.map(|taken| (whole.status().unwrap(), whole.framing(), taken)))
    }

    fn framing(headers: &str) -> Result<Framing, Bad> {
        read(format!("HTTP/1.1 200 OK\r\n{headers}\r\n").as_bytes()).map(|read| read.unwrap().1)
    }

    #[test]
    fn status_lines_that_are_and_that_are_none() {
        for line in ["HTTP/1.1 200 OK", "HTTP/1.0 200", "HTTP/1.1 200 ", "HTTP/1.1 200 a b c"] {
            for end in ["\r\n\r\n", "\n\n", "\r\n\n"] {
                let text = format!("{line}{end}");
                assert_eq!(read(text.as_bytes()), Ok(Some((200, Framing::Close, text.len()))), "{text:?}");
            }
        }
        let long = format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(5_000));
        assert_eq!(read(long.as_bytes()).unwrap().unwrap().0, 200);
        let nonsense = [
            "HTTP/1.1  200",
            "HTTP/1.1 2000 x",
            "HTTP/1.1 -20",
            "aa HTTP/1.1 200 OK",
            "HTTP/1.1 20 OK",
            "HTTP/1.1",
            "HTTP/1.1 OK",
            "",
            "\0",
            "SSH-2.0-OpenSSH_9.2",
        ];
        for line in nonsense {
            assert_eq!(read(format!("{line}\r\n\r\n").as_bytes()), Err(Bad::Malformed), "{line:?}");
        }
    }

    #[test]
    fn the_framing_is_said_by_status_coding_and_length_in_this_order() {
        assert_eq!(framing(""), Ok(Framing::Close));
        assert_eq!(framing("Content-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(framing("content-length:5 \r\nServer: x\r\n"), Ok(Framing::Length(5)));
        assert_eq!(framing("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), Ok(Framing::Chunked));
        assert_eq!(framing("transfer-encoding: gzip, Chunked\r\n"), Ok(Framing::Chunked));
        assert_eq!(framing("Transfer-Encoding: gzip\r\n"), Ok(Framing::Close));
        assert_eq!(framing("Content-Length: 5\r\nContent-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(framing("Content-Length: 5\r\nContent-Length: 6\r\n"), Err(Bad::Malformed));
        for nothing in ["-5", "", "5x", "0x5", "99999999999999999999", "5, 5"] {
            assert_eq!(framing(&format!("Content-Length: {nothing}\r\n")), Ok(Framing::Close), "{nothing}");
        }
        let empty = b"HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(read(empty).unwrap().unwrap().1, Framing::Length(0));
    }

    #[test]
    fn lines_that_do_not_matter_do_not_matter() {
        let odd = "no colon\r\n: x\r\nA B : c\r\n folded\r\n\0: \u{1}\r\nSet-Cookie: ";
        let headers = format!("{odd}{}\r\nContent-Length: 7\r\n", "c".repeat(10_000));
        assert_eq!(framing(&headers), Ok(Framing::Length(7)));
    }

    #[test]
    fn an_endless_head_has_an_end() {
        for octet in [b'\n', b'x'] {
            let mut head = Head::default();
            assert_eq!(head.push(b"HTTP/1.1 200 OK\r\n"), Ok(None));
            let endless = (0..MOST).find_map(|_| head.push(&[b'a', octet]).err());
            assert_eq!(endless, Some(Bad::TooLong));
        }
        let mut head = Head::default();
        let endless = (0..MOST).find_map(|_| {
            let interim = head.push(b"HTTP/1.1 100 Continue\r\n\r\n");
            head.again();
            interim.err()
        });
        assert_eq!(endless, Some(Bad::TooLong));
    }
}
