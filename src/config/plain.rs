//! The short way of a line into the tree: most lines of a generated file are words and a brace, and one look at each
//! byte says so. It also says that no template and no merge has left anything in the line.

use super::lexer::is_blank;

/// A line of words alone, or with one brace at its end: no quote, parameter, escape, condition or sequence, and nothing that
/// a template or a merge left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plain<'t> {
    /// The words, without brace, comment and outer blanks.
    pub(super) text: &'t str,
    /// Where they begin in the line.
    pub(super) start: usize,
    /// The brace, and where it stands in the line.
    pub(super) brace: Option<(bool, usize)>,
    /// Octets without comment and outer blanks.
    pub(super) len: usize,
    /// Octets of the line with its end.
    pub(super) whole: usize,
}

/// What a byte may mean in a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Blank,
    Brace,
    Comment,
    End,
    /// Anything that needs a closer look.
    Other,
}

/// Indexed by byte.
#[allow(clippy::indexing_slicing, reason = "a byte has 256 values; and the compiler would see it")]
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Word; 256];
    let mut byte = 0_u8;
    loop {
        let class = match byte {
            b'\n' => Class::End,
            b'{' | b'}' => Class::Brace,
            b'#' | b'!' => Class::Comment,
            b'"' | b'\\' | b'$' | b'@' | b'~' | b'<' | 0 | 0x80.. => Class::Other,
            byte if is_blank(byte) => Class::Blank,
            _ => Class::Word,
        };
        classes[byte as usize] = class;
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};

/// The first line of `rest`, if it is a plain one that is not longer than `most`.
pub(super) fn plain(rest: &[u8], most: usize) -> Option<Plain<'_>> {
    let class = |byte: &u8| CLASSES.get(usize::from(*byte)).copied().unwrap_or(Class::Other);
    let start = rest.iter().position(|byte| class(byte) != Class::Blank).unwrap_or(rest.len());
    // One past the last byte of a word, and the brace behind it. The loop is short, since every byte goes through it.
    let (mut words, mut brace) = (start, None);
    let mut at = start;
    let mut stops = loop {
        match rest.get(at).map_or(Class::End, class) {
            Class::Word => words = at.saturating_add(1),
            Class::Blank => {}
            stops => break stops,
        }
        at = at.saturating_add(1);
    };
    if stops == Class::Brace {
        brace = Some((rest.get(at) == Some(&b'{'), at));
        let behind = rest.get(at.saturating_add(1)..)?;
        let blanks = behind.iter().position(|byte| class(byte) != Class::Blank).unwrap_or(behind.len());
        at = at.saturating_add(blanks).saturating_add(1);
        stops = rest.get(at).map_or(Class::End, class);
    }
    let end = match stops {
        Class::End => at,
        Class::Comment => {
            let comment = rest.get(at..)?;
            let len = comment.iter().position(|&byte| byte == b'\n').unwrap_or(comment.len());
            if comment.get(..len)?.contains(&0) {
                return None;
            }
            at.saturating_add(len)
        }
        _ => return None,
    };
    let text = core::str::from_utf8(rest.get(start..words)?).ok()?;
    // An include is more than words, and a line between the two sides of a merge is none.
    if end > most || text.starts_with(['=', '>', '|']) || text.starts_with("include") {
        return None;
    }
    let last = brace.map_or(words, |(_, at)| at.saturating_add(1));
    Some(Plain { text, start, brace, len: last.saturating_sub(start), whole: end.saturating_add(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines() {
        let find = |line: &'static str| plain(line.as_bytes(), 100);
        let made = |text, start, brace, len, whole| Some(Plain { text, start, brace, len, whole });
        assert_eq!(find("\tpriority  100 \r\nx"), made("priority  100", 1, None, 13, 17));
        assert_eq!(find("vrrp_instance A {\n"), made("vrrp_instance A", 0, Some((true, 16)), 17, 18));
        assert_eq!(find("  }  # {\n"), made("", 2, Some((false, 2)), 1, 9));
        assert_eq!(find("a b! \"c\n"), made("a b", 0, None, 3, 8));
        assert_eq!(find(" \n"), made("", 1, None, 0, 2));
        for line in [
            "a { b",
            "{ }",
            "a \"b\"",
            "a $b",
            "@a b",
            "~SEQ",
            "a\\#",
            "a\0",
            "# \0",
            "include x",
            "\u{e9}",
            "a <b",
            "=======",
        ] {
            assert_eq!(find(line), None, "{line}");
        }
        assert_eq!(plain(b"abc", 2), None);
    }
}
