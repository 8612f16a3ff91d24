//! SMTP as a client speaks it (RFC 5321): its lines, a message (RFC 5322), and the replies of a server.
//!
//! Nothing that stands in a line can end it: names and addresses come from a configuration, and a line end in one of
//! them would let it say commands or headers of its own.

use core::fmt::{self, Display, Formatter, Write};

/// Octets of the longest line that a server may answer with; RFC 5321 section 4.5.3.1.5 allows 512.
const LONGEST_LINE: usize = 2_048;
/// Lines of the longest answer; a greeting of lawyers has about 20.
const MOST_LINES: usize = 100;

/// A line of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// `HELO`, with the client's name.
    Hello(&'a str),
    /// `MAIL FROM`, with an address as configured.
    From(&'a str),
    /// `RCPT TO`, with an address as configured.
    To(&'a str),
    /// `DATA`
    Data,
    /// `QUIT`
    Quit,
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hello(name) => write!(f, "HELO {}\r\n", Word(name)),
            Self::From(address) => write!(f, "MAIL FROM:<{}>\r\n", Word(mailbox(address))),
            Self::To(address) => write!(f, "RCPT TO:<{}>\r\n", Word(mailbox(address))),
            Self::Data => f.write_str("DATA\r\n"),
            Self::Quit => f.write_str("QUIT\r\n"),
        }
    }
}

/// The address proper of what may be written as `Somebody <address>`.
#[must_use]
pub fn mailbox(address: &str) -> &str {
    let inner = address.split_once('<').map_or(address, |(_, rest)| rest);
    inner.split_once('>').map_or(inner, |(inner, _)| inner)
}

/// Text of a command: without what would end it or its brackets.
struct Word<'a>(&'a str);

impl Display for Word<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ends = |char: char| char.is_control() || char.is_whitespace() || matches!(char, '<' | '>');
        self.0.chars().try_for_each(|char| f.write_char(if ends(char) { '?' } else { char }))
    }
}

/// Text of a header: on one line.
struct Header<'a>(&'a str);

impl Display for Header<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| f.write_char(if char.is_control() { ' ' } else { char }))
    }
}

/// A message with everything that follows `DATA`, the lone dot included.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a, D> {
    /// The date in the form of RFC 5322 section 3.3.
    pub date: D,
    /// Whom it is from, as configured.
    pub from: &'a str,
    /// Who is mailed by: stands before the subject in brackets.
    pub id: &'a str,
    /// The rest of the subject.
    pub subject: &'a str,
    /// The recipients, as configured.
    pub to: &'a [String],
    /// The text: any lines.
    pub body: &'a str,
}

impl<D: Display> Display for Message<'_, D> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Date: {}\r\nFrom: {}\r\n", self.date, Header(self.from))?;
        write!(f, "Subject: [{}] {}\r\n", Header(self.id), Header(self.subject))?;
        f.write_str("X-Mailer: Keepalived\r\nTo: ")?;
        for (number, to) in self.to.iter().enumerate() {
            let before = if number == 0 { "" } else { ",\r\n " };
            write!(f, "{before}{}", Header(to))?;
        }
        f.write_str("\r\n\r\n")?;
        for line in self.body.split(['\r', '\n']) {
            // A line of one dot would end the message (RFC 5321 section 4.5.2).
            let dot = if line.starts_with('.') { "." } else { "" };
            write!(f, "{dot}{}\r\n", Header(line))?;
        }
        f.write_str("\r\n.\r\n")
    }
}

/// What a server says does not follow the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Puts the answer of a server together from what comes in, a few octets at a time.
#[derive(Clone, Debug, Default)]
pub struct Replies {
    head: [u8; 4],
    octets: usize,
    lines: usize,
}

impl Replies {
    /// Takes octets up to the end of an answer: how many, and its code once the last of its lines is whole. None: all
    /// of them, and there is more to come.
    ///
    /// # Errors
    /// [`Malformed`]: the conversation cannot go on.
    pub fn push(&mut self, octets: &[u8]) -> Result<Option<(usize, u16)>, Malformed> {
        for (position, octet) in octets.iter().enumerate() {
            if *octet != b'\n' {
                if let Some(place) = self.head.get_mut(self.octets) {
                    *place = *octet;
                }
                self.octets = self.octets.saturating_add(1);
                if self.octets > LONGEST_LINE {
                    return Err(Malformed);
                }
                continue;
            }
            let (code, last) = self.line()?;
            self.lines = self.lines.saturating_add(1);
            (self.head, self.octets) = ([0; 4], 0);
            if last {
                self.lines = 0;
                return Ok(Some((position.saturating_add(1), code)));
            }
            if self.lines >= MOST_LINES {
                return Err(Malformed);
            }
        }
        Ok(None)
    }

    /// The code of the line that has just ended, and whether it is the last of its answer.
    fn line(&self) -> Result<(u16, bool), Malformed> {
        let [first, second, third, then] = self.head;
        let digit = |octet: u8, most: u8| (b'0'..=most).contains(&octet).then(|| u16::from(octet & 0x0f));
        let code = digit(first, b'5')
            .filter(|first| *first >= 2)
            .zip(digit(second, b'9'))
            .zip(digit(third, b'9'))
            .map(|((first, second), third)| [first, second, third])
            .map(|digits| {
                digits.iter().fold(0_u16, |code, digit| code.saturating_mul(10).saturating_add(*digit))
            })
            .ok_or(Malformed)?;
        match then {
            b'-' => Ok((code, false)),
            b' ' | b'\r' | 0 => Ok((code, true)),
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_a_server_wants_them() {
        let text = |line: Line<'_>| line.to_string();
        assert_eq!(text(Line::Hello("router.example")), "HELO router.example\r\n");
        assert_eq!(text(Line::From("ka@me.org")), "MAIL FROM:<ka@me.org>\r\n");
        assert_eq!(text(Line::To("<a@x.org>")), "RCPT TO:<a@x.org>\r\n");
        assert_eq!(text(Line::To("Ann <a@x.org>")), "RCPT TO:<a@x.org>\r\n");
        assert_eq!(text(Line::Data), "DATA\r\n");
    }

    #[test]
    fn nothing_ends_a_line_from_inside() {
        for poison in ["a\r\nRCPT TO:<evil>", "a\nQUIT", "a\0b", "a\u{85}b", "<a\r\n>"] {
            for line in [Line::Hello(poison), Line::From(poison), Line::To(poison)] {
                let text = line.to_string();
                assert_eq!(text.matches(['\r', '\n']).count(), 2, "{text:?}");
            }
            let to = [poison.to_owned(), poison.to_owned()];
            let message =
                Message { date: "now", from: poison, id: poison, subject: poison, to: &to, body: "text" };
            let text = message.to_string();
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            let names: Vec<&str> = head.split("\r\n").map(|line| line.split(':').next().unwrap()).collect();
            let (fixed, rest) = names.split_at(5);
            assert_eq!(fixed, ["Date", "From", "Subject", "X-Mailer", "To"], "{text:?}");
            assert!(rest.iter().all(|line| line.starts_with(' ')), "{text:?}");
        }
    }

    #[test]
    fn a_message_is_keepalived_s_and_dots_are_doubled() {
        let to = ["a@x.org".to_owned(), "b@x.org".to_owned()];
        let message = Message {
            date: "Sat, 21 Nov 2026 20:57:03 +0000",
            from: "ka@me.org",
            id: "R1",
            subject: "VRRP Instance VI_1 - Entering BACKUP state",
            to: &to,
            body: ".\n..x\n=> text <=",
        };
        assert_eq!(
            message.to_string(),
            "Date: Sat, 21 Nov 2026 20:57:03 +0000\r\nFrom: ka@me.org\r\n\
             Subject: [R1] VRRP Instance VI_1 - Entering BACKUP state\r\nX-Mailer: Keepalived\r\n\
             To: a@x.org,\r\n b@x.org\r\n\r\n..\r\n...x\r\n=> text <=\r\n\r\n.\r\n"
        );
    }

    #[test]
    fn answers_come_in_pieces_and_on_many_lines() {
        let mut replies = Replies::default();
        assert_eq!(replies.push(b"22"), Ok(None));
        assert_eq!(replies.push(b"0 hello\r"), Ok(None));
        assert_eq!(replies.push(b"\n250 "), Ok(Some((1, 220))));
        assert_eq!(replies.push(b"250-a\r\n250-b\r\n250\r\nrest"), Ok(Some((19, 250))));
        assert_eq!(replies.push(b"354 go\n"), Ok(Some((7, 354))));
    }

    #[test]
    fn garbage_is_refused_and_never_kept() {
        for garbage in
            [&b"\n"[..], b"hello\r\n", b"99 x\r\n", b"199 x\r\n", b"600 x\r\n", b"2500\r\n", b"25\r\n"]
        {
            assert_eq!(Replies::default().push(garbage), Err(Malformed), "{garbage:?}");
        }
        let mut replies = Replies::default();
        let endless = (0..).find_map(|_| replies.push(&[b'2'; 100]).err());
        assert_eq!(endless, Some(Malformed));
        let mut replies = Replies::default();
        let endless = (0..).find_map(|_| replies.push(b"250-more\r\n").err());
        assert_eq!(endless, Some(Malformed));
    }

    /// However an answer is cut into pieces, and whatever it is, it comes to the same and nothing panics.
    #[test]
    fn pieces_make_no_difference() {
        let mut random = 0x2545_f491_u32;
        let mut draw = |below: u32| {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            random.checked_rem(below).unwrap_or_default()
        };
        let read = |text: &[u8], mut piece: Box<dyn FnMut() -> usize + '_>| {
            let (mut replies, mut codes, mut rest) = (Replies::default(), Vec::new(), text);
            while !rest.is_empty() {
                let (mut head, tail) = rest.split_at(piece().clamp(1, rest.len()));
                rest = tail;
                while !head.is_empty() {
                    match replies.push(head) {
                        Ok(Some((taken, code))) => {
                            codes.push(Some(code));
                            head = head.get(taken..).unwrap_or_default();
                        }
                        Ok(None) => break,
                        Err(Malformed) => {
                            codes.push(None);
                            return codes;
                        }
                    }
                }
            }
            codes
        };
        for _ in 0..2_000 {
            let parts: [&[u8]; 9] =
                [b"220 a\r\n", b"250-", b"250 ", b"\r\n", b"\n", b"354", b"x", b"\0\xff", b"99 "];
            let pick = |number: u32| parts.get(number as usize).copied().unwrap_or_default();
            let text: Vec<u8> = (0..12).flat_map(|_| pick(draw(9)).to_vec()).collect();
            let whole = read(&text, Box::new(|| text.len()));
            assert_eq!(whole, read(&text, Box::new(|| 1)), "{text:?}");
            assert_eq!(whole, read(&text, Box::new(|| draw(7) as usize)), "{text:?}");
        }
    }
}
