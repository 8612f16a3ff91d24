//! `include` and its relatives: patterns, checks, and what they failed to find.

use crate::base::limit;

use super::lexer::is_blank_char;
use super::source::Files;

/// Which failures of an include end the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Checks {
    /// A match that cannot be used.
    pub(super) read: bool,
    /// A literal name without a file.
    pub(super) missing: bool,
    /// A wildcard without a match.
    pub(super) wildcard: bool,
    /// An alternative of braces without a match.
    pub(super) brace: bool,
}

impl Checks {
    pub(super) const ALL: Self = Self { read: true, missing: true, wildcard: true, brace: true };

    /// The checks of either.
    pub(super) const fn with(self, other: Self) -> Self {
        Self {
            read: self.read || other.read,
            missing: self.missing || other.missing,
            wildcard: self.wildcard || other.wildcard,
            brace: self.brace || other.brace,
        }
    }

    /// The checks after a line `include_check words`; `told` hears what is wrong with a word.
    pub(super) fn changed<'a>(
        self,
        words: impl Iterator<Item = &'a str>,
        mut told: impl FnMut(&'a str, String),
    ) -> Self {
        let mut checks = self;
        let mut any = false;
        for word in words {
            let (sign, name) = match word.split_at_checked(1) {
                Some((sign @ ("+" | "-"), name)) => (Some(sign), name),
                _ => (None, word),
            };
            let first = !core::mem::replace(&mut any, true);
            if sign.is_none() && !first {
                told(word, format!("Duplicate include_check '{word}' specified - ignoring"));
                continue;
            }
            if sign.is_none() && matches!(name, "read" | "match" | "wildcard_match" | "brace_match") {
                checks = Self::default();
            }
            let on = sign != Some("-");
            // Each of the last three needs files that can be read.
            let needs_read = on && name != "read";
            match name {
                "read" => checks.read = on,
                "match" => checks.missing = on,
                "wildcard_match" => checks.wildcard = on,
                "brace_match" => checks.brace = on,
                _ => {
                    told(word, format!("Unknown include_check type '{word}' - ignoring"));
                    continue;
                }
            }
            checks.read |= needs_read;
        }
        if any { checks } else { Self::ALL }
    }
}

/// The include that a line is: its checks, and where its pattern begins.
pub(super) fn line(text: &str) -> Option<(Checks, usize)> {
    let tail = text.strip_prefix("include")?;
    let end = tail.find(is_blank_char)?;
    let (suffix, rest) = tail.split_at_checked(end)?;
    let read = Checks { read: true, ..Checks::default() };
    let checks = match suffix {
        "" => Checks::default(),
        "r" => read,
        "m" => Checks { missing: true, ..read },
        "w" => Checks { missing: true, wildcard: true, ..read },
        "b" => Checks { brace: true, ..read },
        "a" => Checks::ALL,
        _ => return None,
    };
    let pattern = rest.trim_start_matches(is_blank_char);
    Some((checks, text.len().saturating_sub(pattern.len())))
}

/// How much of `text` is the pattern: all of it, but for a closing brace after a blank that nothing in the
/// pattern opened; that one ends the block around.
pub(super) fn pattern_end(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut blank = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth = depth.saturating_add(1),
            b'}' if depth == 0 && blank => return at,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        blank = super::lexer::is_blank(byte);
    }
    text.len()
}

/// What a pattern found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The names, in the order in which they are read.
    pub(super) names: Vec<String>,
    /// What was not found, in keepalived's words, and whether the checks make it an error.
    pub(super) lacks: Option<(String, bool)>,
}

/// Looks for the files of a pattern; `directory` is that of the including file.
pub(super) fn find(files: &dyn Files, directory: &str, pattern: &str, checks: Checks) -> Found {
    let Some(alternatives) = alternatives(pattern) else {
        let most = limit::INCLUDE_ALTERNATIVES;
        let lacks = format!("More than {most} alternatives in '{pattern}', none is read");
        return Found { names: Vec::new(), lacks: Some((lacks, true)) };
    };
    let braces = alternatives.len() > 1;
    let mut found = Found::default();
    let (mut missing, mut wild) = (false, false);
    for alternative in &alternatives {
        let special = alternative.contains(['*', '?', '[']);
        wild |= special;
        let names = files.matches(&join(directory, alternative));
        missing |= names.is_empty();
        found.names.extend(names);
    }
    found.names.sort_unstable();
    found.names.dedup();
    if found.names.is_empty() && wild {
        let fails = checks.wildcard || (braces && checks.brace);
        // A pattern that may match nothing is a way to have optional files: silent.
        found.lacks = fails.then(|| (format!("No config files matched '{pattern}'"), true));
    } else if found.names.is_empty() {
        let fails = if braces { checks.brace } else { checks.missing };
        found.lacks = Some((format!("Config files missing '{pattern}'"), fails));
    } else if missing && braces {
        found.lacks = Some((format!("Some config files missing: \"{pattern}\""), checks.brace));
    }
    found
}

/// A name as seen from a directory.
fn join(directory: &str, name: &str) -> String {
    match directory {
        _ if name.starts_with('/') => name.into(),
        "" => name.into(),
        "/" => format!("/{name}"),
        _ => format!("{}/{name}", escape(directory)),
    }
}

/// The directory of a file, without the last `/`; empty for a bare name.
pub(super) fn directory(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((directory, _)) => directory,
        None => "",
    }
}

/// A directory name whose own special characters match themselves.
fn escape(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for ch in name.chars() {
        if matches!(ch, '*' | '?' | '[' | '\\') { text.extend(['\\', ch]) } else { text.push(ch) }
    }
    text
}

/// What csh makes of `{a,b}`: every alternative, in order. None if there are too many. Braces without a
/// partner and `{}` are themselves.
fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let mut done = Vec::new();
    let mut todo = vec![pattern.to_owned()];
    while let Some(next) = todo.pop() {
        match split_braces(&next) {
            None => done.push(next),
            Some((before, choices, after)) => {
                todo.extend(choices.iter().rev().map(|choice| format!("{before}{choice}{after}")));
            }
        }
        if done.len().saturating_add(todo.len()) > limit::INCLUDE_ALTERNATIVES {
            return None;
        }
    }
    Some(done)
}

/// The first braces of a pattern that have a partner: what is before, the choices, what is after.
fn split_braces(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let bytes = pattern.as_bytes();
    let mut from = 0_usize;
    loop {
        let open = from.saturating_add(bytes.get(from..)?.iter().position(|&b| b == b'{')?);
        from = open.saturating_add(1);
        if bytes.get(from) == Some(&b'}') {
            continue;
        }
        let mut depth = 0_usize;
        let mut start = from;
        let mut choices = Vec::new();
        for (at, &byte) in bytes.iter().enumerate().skip(from) {
            match byte {
                b'{' => depth = depth.saturating_add(1),
                b',' if depth == 0 => {
                    choices.push(pattern.get(start..at)?);
                    start = at.saturating_add(1);
                }
                b'}' if depth == 0 => {
                    choices.push(pattern.get(start..at)?);
                    return Some((pattern.get(..open)?, choices, pattern.get(at.saturating_add(1)..)?));
                }
                b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csh_braces() {
        let all = |pattern| alternatives(pattern).unwrap();
        assert_eq!(all("a.conf"), ["a.conf"]);
        assert_eq!(all("{a,b}.{c,d}"), ["a.c", "a.d", "b.c", "b.d"]);
        assert_eq!(all("x{a,{b,c}d}"), ["xa", "xbd", "xcd"]);
        assert_eq!(all("{}a{b"), ["{}a{b"]);
        assert_eq!(all("{a"), ["{a"]);
        assert_eq!(all("{a{b,c}"), ["{ab", "{ac"]);
        assert!(alternatives(&"{a,b}".repeat(20)).is_none());
        assert!(alternatives(&"{".repeat(1_000)).is_some());
    }

    #[test]
    fn lines_and_their_checks() {
        assert_eq!(line("include a"), Some((Checks::default(), 8)));
        assert_eq!(line("includea\ta b"), Some((Checks::ALL, 9)));
        assert_eq!(line("include"), None);
        assert_eq!(line("includex a"), None);
        assert_eq!(pattern_end("a.inc }"), 6);
        assert_eq!(pattern_end("{a,b}.inc"), 9);
    }

    #[test]
    fn check_words() {
        let run = |start: Checks, words: &str| {
            let mut told = Vec::new();
            let checks = start.changed(words.split_whitespace(), |word, _| told.push(word.to_owned()));
            (checks, told)
        };
        let none = Checks::default();
        assert_eq!(run(none, "").0, Checks::ALL);
        assert_eq!(run(none, "match").0, Checks { read: true, missing: true, ..none });
        assert_eq!(run(Checks::ALL, "read").0, Checks { read: true, ..none });
        assert_eq!(run(Checks::ALL, "-brace_match").0, Checks { brace: false, ..Checks::ALL });
        assert_eq!(run(none, "+read +brace_match").0, Checks { read: true, brace: true, ..none });
        assert_eq!(run(Checks::ALL, "readable"), (Checks::ALL, vec!["readable".to_owned()]));
        assert_eq!(run(none, "match read").1, ["read"]);
    }

    #[test]
    fn names() {
        assert_eq!((directory("/etc/a.conf"), directory("/a"), directory("a")), ("/etc", "/", ""));
        assert_eq!(join("/e[tc", "a*"), r"/e\[tc/a*");
        assert_eq!(join("/etc", "/a"), "/a");
    }
}
