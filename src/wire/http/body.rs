//! The body of a reply without its framing (RFC 9112 sections 6 and 7.1).

use super::{Bad, Framing};

/// Octets between the data of two chunks, and of everything after the last one.
const MOST: u32 = 64 << 10;

/// Reads a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body(State);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Close,
    /// So much is left.
    Length(u64),
    /// So much of a chunk is left.
    Data(u64),
    /// In the line of the size of a chunk: its digits, and what follows them.
    Size {
        size: u64,
        digits: u8,
        extension: bool,
        total: u32,
    },
    /// In the line end after a chunk.
    After {
        total: u32,
    },
    /// In the lines after the last chunk: the one under way is empty so far.
    Trailer {
        empty: bool,
        total: u32,
    },
    End,
}

/// What the first octets of a piece are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// How many octets were taken.
    pub taken: usize,
    /// Those of the body among them.
    pub data: &'a [u8],
}

const SIZE: State = State::Size { size: 0, digits: 0, extension: false, total: 0 };

impl Body {
    /// A body that begins.
    #[must_use]
    pub const fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::Close => State::Close,
            Framing::Length(0) => State::End,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => SIZE,
        })
    }

    /// Whether it has ended.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.0, State::End)
    }

    /// Whether it ends where the peer closes.
    #[must_use]
    pub const fn ends_by_close(&self) -> bool {
        matches!(self.0, State::Close)
    }

    /// Takes octets from the front of a piece, at least one if there is one and the body has not ended.
    ///
    /// # Errors
    /// [`Bad`]: this is no body.
    pub fn push<'a>(&mut self, octets: &'a [u8]) -> Result<Piece<'a>, Bad> {
        let data = match &mut self.0 {
            State::Close => octets,
            State::Length(left) | State::Data(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let data = octets.get(..most).unwrap_or(octets);
                *left = left.saturating_sub(u64::try_from(data.len()).unwrap_or(u64::MAX));
                data
            }
            State::Size { .. } | State::After { .. } | State::Trailer { .. } => return self.between(octets),
            State::End => &[],
        };
        match self.0 {
            State::Length(0) => self.0 = State::End,
            State::Data(0) => self.0 = State::After { total: 0 },
            _ => {}
        }
        Ok(Piece { taken: data.len(), data })
    }

    /// Takes the octets up to the next data or to the end.
    fn between<'a>(&mut self, octets: &'a [u8]) -> Result<Piece<'a>, Bad> {
        let mut taken = 0_usize;
        for octet in octets {
            taken = taken.saturating_add(1);
            self.0 = self.next(*octet)?;
            if matches!(self.0, State::Data(_) | State::End) {
                break;
            }
        }
        Ok(Piece { taken, data: &[] })
    }

    fn next(self, octet: u8) -> Result<State, Bad> {
        let count = |total: u32| {
            let total = total.saturating_add(1);
            if total > MOST { Err(Bad::TooLong) } else { Ok(total) }
        };
        Ok(match (self.0, octet) {
            (State::Size { size: 0, digits: 1.., .. }, b'\n') => State::Trailer { empty: true, total: 0 },
            (State::Size { size, digits: 1.., .. }, b'\n') => State::Data(size),
            (
                State::Size { size, digits, extension: false, total },
                b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F',
            ) => {
                let digit = char::from(octet).to_digit(16).map_or(0, u64::from);
                let size = size.checked_mul(16).ok_or(Bad::Malformed)? | digit;
                State::Size { size, digits: digits.saturating_add(1), extension: false, total: count(total)? }
            }
            // An extension, blanks before it, or the line end.
            (State::Size { size, digits: digits @ 1.., extension, total }, _)
                if extension || matches!(octet, b';' | b' ' | b'\t' | b'\r') =>
            {
                State::Size { size, digits, extension: true, total: count(total)? }
            }
            (State::After { .. }, b'\n') => SIZE,
            (State::After { total: 0 }, b'\r') => State::After { total: 1 },
            (State::Trailer { empty: true, .. }, b'\n') => State::End,
            (State::Trailer { total, .. }, b'\n') => State::Trailer { empty: true, total: count(total)? },
            (State::Trailer { empty, total }, _) => {
                State::Trailer { empty: empty && octet == b'\r', total: count(total)? }
            }
            (state @ (State::Close | State::Length(_) | State::Data(_) | State::End), _) => state,
            (State::Size { .. } | State::After { .. }, _) => return Err(Bad::Malformed),
        })
    }
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test ends at the first surprise"
)]
mod tests {
    use super::*;

    /// The data, whether it ended, and how much was taken; the same in pieces of any size.
    fn read(framing: Framing, text: &[u8]) -> Result<(Vec<u8>, bool, usize), Bad> {
        let in_pieces = |size: usize| {
            let (mut body, mut data, mut total) = (Body::new(framing), Vec::new(), 0);
            for mut rest in text.chunks(size) {
                while !rest.is_empty() && !body.is_over() {
                    let piece = body.push(rest)?;
                    assert!(piece.taken > 0 || body.is_over());
                    data.extend(piece.data);
                    total += piece.taken;
                    rest = &rest[piece.taken..];
                }
            }
            Ok((data, body.is_over(), total))
        };
        let whole = in_pieces(text.len().max(1));
        for size in 1..8 {
            assert_eq!(in_pieces(size), whole, "{}", text.escape_ascii());
        }
        whole
    }

    #[test]
    fn a_length_says_where_the_end_is() {
        assert_eq!(read(Framing::Length(5), b"hello, world"), Ok((b"hello".to_vec(), true, 5)));
        assert_eq!(read(Framing::Length(5), b"hell"), Ok((b"hell".to_vec(), false, 4)));
        assert_eq!(read(Framing::Length(0), b"x"), Ok((Vec::new(), true, 0)));
        assert_eq!(read(Framing::Close, b"hello"), Ok((b"hello".to_vec(), false, 5)));
        assert_eq!(read(Framing::Length(u64::MAX), b"hello"), Ok((b"hello".to_vec(), false, 5)));
    }

    #[test]
    fn chunks_are_put_together() {
        let over = |text: &str| read(Framing::Chunked, text.as_bytes());
        let whole = "5\r\nhello\r\n00a;x=\"y\"\r\n, my world!\r\n0\r\n\r\n";
        assert_eq!(over(whole), Err(Bad::Malformed), "a chunk is longer than it says");
        let whole = "5\r\nhello\r\n00A ;x=\"y\"\r\n, my world\r\n0\r\n\r\n";
        assert_eq!(over(whole), Ok((b"hello, my world".to_vec(), true, whole.len())));
        let trailed = format!("{}A: b\r\nC: d\r\n\r\nrest", &whole[..whole.len() - 2]);
        assert_eq!(over(&trailed), Ok((b"hello, my world".to_vec(), true, trailed.len() - 4)));
        let bare = whole.replace('\r', "");
        assert_eq!(over(&bare), Ok((b"hello, my world".to_vec(), true, bare.len())));
        assert_eq!(over("0\r\n"), Ok((Vec::new(), false, 3)));
        assert_eq!(over("0000000000000000000000001\r\nx\r\n"), Ok((b"x".to_vec(), false, 30)));
        for bad in
            ["\r\n", "x\r\n", "-1\r\n", "1\r\nxy", "fffffffffffffffff\r\n", "1 0\rx", ";\r\n", "1\r\nx\r\r"]
        {
            let read = over(bad);
            let most = bad == "1 0\rx";
            assert!(read == Err(Bad::Malformed) || most, "{bad:?}: {read:?}");
        }
    }

    #[test]
    fn what_stands_between_chunks_is_bounded() {
        for start in ["1;", "0\r\n", "0\r\nA: b"] {
            let mut body = Body::new(Framing::Chunked);
            assert!(body.push(start.as_bytes()).is_ok());
            let endless = (0..MOST).find_map(|_| body.push(b"xx").err());
            assert_eq!(endless, Some(Bad::TooLong), "{start:?}");
        }
        let mut body = Body::new(Framing::Chunked);
        assert_eq!((0..MOST).find_map(|_| body.push(b"00").err()), Some(Bad::TooLong));
    }
}
