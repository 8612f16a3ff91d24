//! One line: blanks, comments, quotes, escapes and words.
//!
//! Plain values know only double quotes; script-like values know both kinds and backslash escapes. Which rule
//! holds is the row's to know, so a line keeps its quotes until somebody asks for words.

/// Blank characters; a byte order mark and non-ASCII blanks are ordinary.
#[must_use]
pub const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r' | b'\n')
}

/// [`is_blank`] for the trimming functions of `str`.
#[must_use]
pub const fn is_blank_char(ch: char) -> bool {
    matches!(ch, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r' | '\n')
}

/// A word by the rules of plain values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainWord<'t> {
    /// The text, quotes removed.
    pub text: &'t str,
    /// Where it begins in the line: its opening quote, if it has one.
    pub offset: usize,
    /// Stood in double quotes.
    pub quoted: bool,
}

/// The words of a line by the rules of plain values: a double quote ends a word and starts the next, there are
/// no escapes, and a quote that is not closed reaches to the end.
#[derive(Clone, Debug)]
pub struct PlainWords<'t> {
    line: &'t str,
    at: usize,
}

impl<'t> PlainWords<'t> {
    /// The words of `line`.
    #[must_use]
    pub const fn new(line: &'t str) -> Self {
        Self::behind(line, 0)
    }

    /// The words from byte `at` on, which is not within a word.
    #[must_use]
    pub const fn behind(line: &'t str, at: usize) -> Self {
        Self { line, at }
    }
}

impl<'t> Iterator for PlainWords<'t> {
    type Item = PlainWord<'t>;

    fn next(&mut self) -> Option<PlainWord<'t>> {
        let bytes = self.line.as_bytes();
        while bytes.get(self.at).is_some_and(|&b| is_blank(b)) {
            self.at = self.at.saturating_add(1);
        }
        let offset = self.at;
        let quoted = *bytes.get(offset)? == b'"';
        let start = offset.saturating_add(usize::from(quoted));
        let tail = bytes.get(start..).unwrap_or(&[]);
        let len = tail.iter().position(|&b| b == b'"' || (!quoted && is_blank(b))).unwrap_or(tail.len());
        let end = start.saturating_add(len);
        self.at = end.saturating_add(usize::from(quoted)).min(bytes.len());
        Some(PlainWord { text: self.line.get(start..end).unwrap_or(""), offset, quoted })
    }
}

/// Where the first word of a line ends, its closing quote included.
#[must_use]
pub fn first_word_end(line: &str) -> usize {
    let mut words = PlainWords::new(line);
    words.next();
    words.at
}

/// What becomes of backslash escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// They protect the next character and stay, for a word that is split again.
    Keep,
    /// They are replaced by what they stand for.
    Apply,
}

/// A word by the rules of script-like values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptPiece {
    /// The text; escapes can make any byte.
    pub bytes: Vec<u8>,
    /// Where it begins in the text that was split.
    pub offset: usize,
    /// Some of it stood in quotes.
    pub quoted: bool,
}

/// Splits a script-like value: both kinds of quotes, adjacent pieces joined, backslash escapes.
///
/// # Errors
/// The offset of a quote that is not closed.
pub fn split_script(text: &str, escapes: Escapes) -> Result<Vec<ScriptPiece>, usize> {
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let mut word: Option<ScriptPiece> = None;
    let mut quote: Option<(u8, usize)> = None;
    let mut at = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        let offset = at;
        at = at.saturating_add(1);
        if quote.is_none() && is_blank(byte) {
            words.extend(word.take());
            continue;
        }
        let piece = word.get_or_insert_with(|| ScriptPiece { bytes: Vec::new(), offset, quoted: false });
        match (byte, quote) {
            (b'\\', _) if at < bytes.len() => {
                let (value, used) = escape(bytes.get(at..).unwrap_or(&[]));
                let end = at.saturating_add(used);
                match escapes {
                    Escapes::Apply => piece.bytes.push(value),
                    Escapes::Keep => piece.bytes.extend_from_slice(bytes.get(offset..end).unwrap_or(&[])),
                }
                at = end;
            }
            (b'"' | b'\'', None) => {
                quote = Some((byte, offset));
                piece.quoted = true;
            }
            (_, Some((open, _))) if open == byte => quote = None,
            _ => piece.bytes.push(byte),
        }
    }
    words.extend(word);
    match quote {
        Some((_, offset)) => Err(offset),
        None => Ok(words),
    }
}

/// The byte that an escape stands for, and how many bytes after the backslash it takes; `after` is not empty.
fn escape(after: &[u8]) -> (u8, usize) {
    let first = after.first().copied().unwrap_or(b'\\');
    match first {
        b'a' => (7, 1),
        b'b' => (8, 1),
        b'E' => (27, 1),
        b'f' => (12, 1),
        b'n' => (10, 1),
        b'r' => (13, 1),
        b't' => (9, 1),
        b'v' => (11, 1),
        b'c' => after.get(1).map_or((b'c', 1), |&ch| (ch & 0x1f, 2)),
        b'x' => match digits(after.get(1..).unwrap_or(&[]), 2, 16) {
            (_, 0) => (b'x', 1),
            (value, used) => (value, used.saturating_add(1)),
        },
        b'0'..=b'7' => digits(after, 3, 8),
        other => (other, 1),
    }
}

/// The number made by up to `most` leading digits, its low eight bits, and how many there were.
fn digits(text: &[u8], most: usize, radix: u32) -> (u8, usize) {
    let values = text.iter().take(most).map_while(|&b| char::from(b).to_digit(radix));
    let (value, used) = values.fold((0_u32, 0_usize), |(value, used), digit| {
        (value.wrapping_mul(radix).wrapping_add(digit), used.saturating_add(1))
    });
    (value.to_le_bytes().first().copied().unwrap_or(0), used)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(line: &str) -> Vec<(&str, usize)> {
        PlainWords::new(line).map(|word| (word.text, word.offset)).collect()
    }

    fn script(text: &str, escapes: Escapes) -> Vec<String> {
        let pieces = split_script(text, escapes).unwrap();
        pieces.into_iter().map(|p| String::from_utf8_lossy(&p.bytes).into_owned()).collect()
    }

    #[test]
    fn a_quote_ends_a_word_and_starts_one() {
        assert_eq!(plain("ab\"c d\"e"), [("ab", 0), ("c d", 2), ("e", 7)]);
        assert_eq!(plain("a \"\" b"), [("a", 0), ("", 2), ("b", 5)]);
        assert_eq!(plain(" 'a b' \\\"c"), [("'a", 1), ("b'", 4), ("\\", 7), ("c", 8)]);
        assert_eq!(plain("a \"b c"), [("a", 0), ("b c", 2)]);
        assert_eq!(plain("a \""), [("a", 0), ("", 2)]);
        assert_eq!(first_word_end("\"a b\" c"), 5);
    }

    #[test]
    fn script_words_join_and_escape() {
        assert_eq!(script(r#"a"b c"'d e' f"#, Escapes::Apply), ["ab cd e", "f"]);
        assert_eq!(
            script(r"a\ b \x41\x4g \101\7 \cC \q", Escapes::Apply),
            ["a b", "A\u{4}g", "A\u{7}", "\u{3}", "q"]
        );
        assert_eq!(script(r#""a \"b\" 'c d'" u"#, Escapes::Keep), [r#"a \"b\" 'c d'"#, "u"]);
        assert_eq!(script(r#"a \"b\" 'c d'"#, Escapes::Apply), ["a", "\"b\"", "c d"]);
        assert_eq!(script("'' x", Escapes::Apply), ["", "x"]);
        assert_eq!(split_script("a 'b", Escapes::Apply), Err(2));
        assert_eq!(script("a\\", Escapes::Apply), ["a\\"]);
    }
}
