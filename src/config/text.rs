//! A line on its way through the expander: its text, where each byte of it came from, comments and braces.

use super::lexer::{is_blank, is_blank_char};
use super::tree::{Origin, Position};

/// A piece of text that still knows its columns.
///
/// Without `origins` columns count on from `at`; with them, the first one says offset 0.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) at: Position,
    pub(super) origins: Vec<Origin>,
}

impl Text {
    /// Makes this the plain text `text` at `at`, keeping the room it has.
    pub(super) fn set(&mut self, text: &str, at: Position) {
        self.text.clear();
        self.text.push_str(text);
        self.at = at;
        self.origins.clear();
    }

    /// Where byte `offset` came from.
    pub(super) fn position(&self, offset: usize) -> Position {
        Position { column: self.origin(offset).column, ..self.at }
    }

    /// The rule for the bytes from `offset` on.
    fn origin(&self, offset: usize) -> Origin {
        let offset = u16::try_from(offset).unwrap_or(u16::MAX);
        match self.origins.iter().rev().find(|origin| origin.offset <= offset) {
            Some(origin) => {
                let step = if origin.fixed { 0 } else { offset.saturating_sub(origin.offset) };
                Origin { offset, column: origin.column.saturating_add(step), ..*origin }
            }
            None => {
                Origin { offset, column: self.at.column.saturating_add(offset), fixed: false, last: false }
            }
        }
    }

    /// Appends bytes `start..end` of `from`, with their columns.
    pub(super) fn append(&mut self, from: &Self, start: usize, end: usize) {
        let Some(piece) = from.text.get(start..end) else {
            return;
        };
        if piece.is_empty() {
            return;
        }
        let here = u16::try_from(self.text.len()).unwrap_or(u16::MAX);
        if self.text.is_empty() {
            self.at = from.position(start);
        }
        self.add(Origin { offset: here, ..from.origin(start) });
        let (first, last) =
            (u16::try_from(start).unwrap_or(u16::MAX), u16::try_from(end).unwrap_or(u16::MAX));
        for origin in from.origins.iter().filter(|o| o.offset > first && o.offset < last) {
            let offset = origin.offset.saturating_sub(first).saturating_add(here);
            self.add(Origin { offset, ..*origin });
        }
        self.text.push_str(piece);
    }

    /// Appends text that a parameter put where `from` stands.
    pub(super) fn append_fixed(&mut self, text: &str, from: Position) {
        if text.is_empty() {
            return;
        }
        let offset = u16::try_from(self.text.len()).unwrap_or(u16::MAX);
        if self.text.is_empty() {
            self.at = from;
        }
        self.add(Origin { offset, column: from.column, fixed: true, last: false });
        self.text.push_str(text);
    }

    /// The part `start..end` by itself.
    pub(super) fn part(&self, start: usize, end: usize) -> Self {
        let mut part = Self::default();
        part.append(self, start, end);
        if part.text.is_empty() {
            part.at = self.position(start);
        }
        part.simplify();
        part
    }

    /// Forgets origins that say no more than `at` does.
    pub(super) fn simplify(&mut self) {
        if matches!(*self.origins, [Origin { offset: 0, fixed: false, .. }]) {
            self.origins.clear();
        }
    }

    /// Adds a rule unless it goes on as the one before would.
    fn add(&mut self, origin: Origin) {
        if let Some(&before) = self.origins.last() {
            let going_on = if before.fixed {
                origin.fixed && origin.column == before.column
            } else {
                let step = origin.offset.saturating_sub(before.offset);
                !origin.fixed && origin.column == before.column.saturating_add(step)
            };
            if going_on {
                return;
            }
        }
        self.origins.push(origin);
    }
}

/// What a scan of a line for quotes and comments found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Where the comment begins; the length of the line without one.
    pub(super) end: usize,
    /// A double quote that is never closed.
    pub(super) unpaired: Option<usize>,
    /// Whether a backslash in quotes protects the next byte.
    pub(super) escapes: bool,
}

/// Finds quotes and the comment of a line.
///
/// Within quotes a backslash may be an escape (script-like values) or a byte like any other (plain ones).
/// The reading in which all quotes pair up is the one that was meant; escapes first.
pub(super) fn scan(line: &str) -> Scan {
    let escaped = scan_with(line, true);
    if escaped.unpaired.is_none() {
        return escaped;
    }
    let plain = scan_with(line, false);
    if plain.unpaired.is_none() { plain } else { escaped }
}

fn scan_with(line: &str, escapes: bool) -> Scan {
    let bytes = line.as_bytes();
    let mut quote = None;
    let mut at = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quote.is_none() || escapes => at = at.saturating_add(1),
            b'"' => quote = if quote.is_some() { None } else { Some(at) },
            b'#' | b'!' if quote.is_none() => {
                return Scan { end: at, unpaired: None, escapes };
            }
            _ => {}
        }
        at = at.saturating_add(1);
    }
    Scan { end: bytes.len(), unpaired: quote, escapes }
}

/// The first brace from `from` on that separates lines: outside double quotes, and not that of a parameter
/// that nobody defined (`${NAME}` or `${NAME words}`). In a quote that is never closed only a `{` at the very
/// end counts.
pub(super) fn brace(line: &str, scan: Scan, from: usize) -> Option<usize> {
    let bytes = line.as_bytes();
    let mut quoted = false;
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quoted && scan.escapes => at = at.saturating_add(1),
            // Outside quotes a backslash protects a quote, never a brace.
            b'\\' if bytes.get(at.saturating_add(1)) == Some(&b'"') => at = at.saturating_add(1),
            b'"' if scan.unpaired == Some(at) => {
                let last = line.trim_end_matches(is_blank_char).len().saturating_sub(1);
                return (last > at && bytes.get(last) == Some(&b'{')).then_some(last);
            }
            b'"' => quoted = !quoted,
            b'$' if !quoted => {
                if let Some(len) = braced_name(bytes.get(at..).unwrap_or(&[])) {
                    at = at.saturating_add(len);
                    continue;
                }
            }
            b'{' | b'}' if !quoted => match template(bytes.get(at..).unwrap_or(&[])) {
                Some(len) => {
                    at = at.saturating_add(len);
                    continue;
                }
                None => return Some(at),
            },
            _ => {}
        }
        at = at.saturating_add(1);
    }
    None
}

/// The length of `${NAME}` at the start of `bytes`, blanks and further words within the braces included.
fn braced_name(bytes: &[u8]) -> Option<usize> {
    let inner = bytes.strip_prefix(b"${")?;
    let len = inner.iter().position(|&b| matches!(b, b'{' | b'}' | b'"'))?;
    let name = inner.get(..len)?;
    let first = name.first()?;
    let legal = (first.is_ascii_alphabetic() || *first == b'_')
        && name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-' || is_blank(b));
    (legal && inner.get(len) == Some(&b'}')).then(|| len.saturating_add(3))
}

/// The length of what a template that was not filled in left at the start of `bytes`: `{{ ... }}`, `{% ... %}` or
/// `<% ... %>`, on one line.
fn template(bytes: &[u8]) -> Option<usize> {
    let closing: &[u8] = match bytes.get(..2)? {
        b"{{" => b"}}",
        b"{%" => b"%}",
        b"<%" => b"%>",
        _ => return None,
    };
    let inner = bytes.get(2..)?;
    inner.windows(2).position(|two| two == closing).map(|len| len.saturating_add(4))
}

/// What does not belong into a configuration and was left there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leftover<'t> {
    /// Where it begins.
    pub(super) at: usize,
    pub(super) text: &'t str,
    /// A line between the two sides of a merge; else a piece of a template.
    pub(super) merge: bool,
}

/// The first leftover outside double quotes.
pub(super) fn leftover(line: &str) -> Option<Leftover<'_>> {
    let bytes = line.as_bytes();
    let same = |marker: u8| bytes.iter().take_while(|byte| **byte == marker).count() == 7;
    let first = bytes.first()?;
    if matches!(first, b'<' | b'=' | b'>' | b'|') && same(*first) && bytes.get(7).is_none_or(|b| is_blank(*b))
    {
        return Some(Leftover { at: 0, text: line.get(..7)?, merge: true });
    }
    // Nearly every line has none.
    if !bytes.iter().any(|byte| matches!(byte, b'{' | b'<')) {
        return None;
    }
    let mut quoted = false;
    let at = bytes.iter().enumerate().position(|(at, byte)| {
        quoted ^= *byte == b'"';
        matches!(byte, b'{' | b'<') && !quoted && template(bytes.get(at..).unwrap_or(&[])).is_some()
    })?;
    let end = at.saturating_add(template(bytes.get(at..)?)?);
    Some(Leftover { at, text: line.get(at..end)?, merge: false })
}

/// A `$` outside double quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dollar {
    /// Where it stands.
    pub(super) at: usize,
    /// The length of `${NAME}`; 0 for a `$` without such braces.
    pub(super) len: usize,
}

/// Every `$` of a line that stands outside double quotes.
pub(super) fn dollars(line: &str) -> Vec<Dollar> {
    let mut all = Vec::new();
    if !line.contains('$') {
        return all;
    }
    let scan = scan(line);
    let bytes = line.get(..scan.end).unwrap_or("").as_bytes();
    let (mut at, mut quoted) = (0_usize, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if !quoted || scan.escapes => at = at.saturating_add(1),
            b'"' => quoted = !quoted,
            b'$' if !quoted => {
                let len = braced_name(bytes.get(at..).unwrap_or(&[])).unwrap_or(0);
                all.push(Dollar { at, len });
            }
            _ => {}
        }
        at = at.saturating_add(1);
    }
    all
}

/// A line that is about to be used: `\#` and `\!` outside quotes lose their backslash.
pub(super) fn unescape_marks(line: &mut Text) {
    if !line.text.contains("\\#") && !line.text.contains("\\!") {
        return;
    }
    let escapes = scan(&line.text).escapes;
    let mut result = Text { at: line.at, ..Text::default() };
    let bytes = line.text.as_bytes();
    let (mut at, mut done, mut quoted) = (0_usize, 0_usize, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quoted && escapes => at = at.saturating_add(1),
            b'\\' if !quoted => {
                if matches!(bytes.get(at.saturating_add(1)), Some(b'#' | b'!')) {
                    result.append(line, done, at);
                    done = at.saturating_add(1);
                }
                at = at.saturating_add(1);
            }
            b'"' => quoted = !quoted,
            _ => {}
        }
        at = at.saturating_add(1);
    }
    result.append(line, done, bytes.len());
    result.simplify();
    *line = result;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> Text {
        Text { text: line.into(), at: Position { file: 0, line: 3, column: 5 }, origins: Vec::new() }
    }

    #[test]
    fn comments_and_quotes() {
        assert_eq!(scan("a # b").end, 2);
        assert_eq!(scan("a! b").end, 1);
        assert_eq!(scan(r"a\#b\!c # d").end, 8);
        assert_eq!(scan(r"a\\#b").end, 3);
        assert_eq!(scan("\"a # b\" '#'").end, 9);
        assert_eq!(scan(r#""a \" # b" # c"#).end, 11);
        assert_eq!(scan(r#""a\" # c"#).end, 5);
        assert_eq!(scan(r#"x "a b"#).unpaired, Some(2));
    }

    #[test]
    fn braces() {
        let find = |line: &str| brace(line, scan(line), 0);
        assert_eq!(find("global_defs{"), Some(11));
        assert_eq!(find("\"a {\" b }"), Some(8));
        assert_eq!(find(r#""a \" { " }"#), Some(10));
        assert_eq!(find("'{'"), Some(1));
        assert_eq!(find("a \\{"), Some(3));
        assert_eq!(find("a ${X} {"), Some(7));
        assert_eq!(find("a ${X"), Some(3));
        assert_eq!(find("a ${} {"), Some(3));
        assert_eq!(find("group \"a {"), Some(9));
        assert_eq!(find("group \"a { b"), None);
    }

    #[test]
    fn columns_survive_cutting_and_pasting() {
        let line = text("ab $X cd");
        let mut made = Text::default();
        made.append(&line, 0, 3);
        made.append_fixed("long value", line.position(3));
        made.append(&line, 5, 8);
        assert_eq!(made.text, "ab long value cd");
        assert_eq!((made.at.column, made.position(1).column), (5, 6));
        assert_eq!((made.position(3).column, made.position(12).column), (8, 8));
        assert_eq!((made.position(13).column, made.position(14).column), (10, 11));
        let part = made.part(5, 16);
        assert_eq!((part.position(0).column, part.position(7).column), (8, 8));
        assert_eq!(part.position(9).column, 11);
    }

    #[test]
    fn escaped_marks_keep_their_columns() {
        let mut line = text(r#"a\#b "\#" \\ c"#);
        unescape_marks(&mut line);
        assert_eq!(line.text, r#"a#b "\#" \\ c"#);
        assert_eq!((line.position(0).column, line.position(1).column, line.position(12).column), (5, 7, 18));
    }
}
