//! Strings of JSON.

use core::fmt::{self, Display, Write};

/// Writes a string with its quotation marks.
///
/// # Errors
/// What `out` says.
pub fn string(out: &mut dyn Write, value: impl Display) -> fmt::Result {
    out.write_char('"')?;
    write!(Escaping(out), "{value}")?;
    out.write_char('"')
}

/// Escapes what goes through it (RFC 8259 section 7), and `/` as keepalived does.
struct Escaping<'a>(&'a mut dyn Write);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        let special = |character: char| matches!(character, '"' | '\\' | '/' | '\0'..='\u{1f}');
        while let Some(position) = rest.find(special) {
            let (plain, tail) = rest.split_at(position);
            self.0.write_str(plain)?;
            let mut characters = tail.chars();
            match characters.next() {
                Some('\u{8}') => self.0.write_str("\\b")?,
                Some('\t') => self.0.write_str("\\t")?,
                Some('\n') => self.0.write_str("\\n")?,
                Some('\u{c}') => self.0.write_str("\\f")?,
                Some('\r') => self.0.write_str("\\r")?,
                Some(control @ '\0'..='\u{1f}') => write!(self.0, "\\u{:04x}", u32::from(control))?,
                Some(other) => write!(self.0, "\\{other}")?,
                None => {}
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        string(&mut out, text).unwrap();
        out
    }

    #[test]
    fn any_text_becomes_a_string() {
        assert_eq!(escaped("VI_1"), "\"VI_1\"");
        assert_eq!(escaped(""), "\"\"");
        assert_eq!(escaped("/a 'b'"), "\"\\/a 'b'\"");
        assert_eq!(escaped("\"\\\""), "\"\\\"\\\\\\\"\"");
        assert_eq!(
            escaped("\0\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1f} \u{7f}"),
            "\"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f \u{7f}\""
        );
        assert_eq!(escaped("ü\u{fffd}\u{2028}𝄞"), "\"ü\u{fffd}\u{2028}𝄞\"");
    }
}
