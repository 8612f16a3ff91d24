//! Patterns of file names as glob(3) has them: `*`, `?`, sets in brackets and `\`; a dot that begins a name is matched
//! by a dot alone.

use std::fs;
use std::path::Path;

/// The files that a pattern names, in no order; a pattern without wildcards names what exists. A folder that cannot be
/// listed is named itself, so that the refusal is told.
pub(super) fn files(pattern: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut exists = false;
    for (place, part) in pattern.split('/').enumerate() {
        if place > 0 {
            found.iter_mut().filter(|path| !path.ends_with('/')).for_each(|path| path.push('/'));
        }
        if part.is_empty() {
            continue;
        }
        exists = part.contains(['*', '?', '[']);
        if exists {
            for folder in core::mem::take(&mut found) {
                list(&folder, part, &mut found);
            }
        } else {
            let part = plain(part);
            found.iter_mut().for_each(|path| path.push_str(&part));
        }
    }
    if !exists {
        found.retain(|path| Path::new(path).exists());
    }
    found
}

/// Adds what of a folder matches a part of a pattern. The folder ends in a slash, or is empty for the current one.
fn list(folder: &str, part: &str, found: &mut Vec<String>) {
    let here = if folder.is_empty() { "." } else { folder };
    match fs::read_dir(here) {
        Ok(entries) => {
            for entry in entries.flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if fits(part, &name) {
                    found.push([folder, &name].concat());
                }
            }
        }
        Err(_) if Path::new(here).is_dir() => found.push(here.to_owned()),
        Err(_) => {}
    }
}

/// A part without wildcards, its escapes undone.
fn plain(part: &str) -> String {
    let mut text = String::new();
    let mut rest = part.chars();
    while let Some(ch) = rest.next() {
        text.push(if ch == '\\' { rest.next().unwrap_or(ch) } else { ch });
    }
    text
}

/// Whether a part of a pattern matches a name.
#[must_use]
pub fn fits(part: &str, name: &str) -> bool {
    if name.starts_with('.') && !part.starts_with('.') && !part.starts_with("\\.") {
        return false;
    }
    let (mut part, mut name) = (part, name);
    // Behind the last star, and the name that the rest of the pattern was tried on.
    let mut star: Option<(&str, &str)> = None;
    loop {
        if let Some(rest) = part.strip_prefix('*') {
            star = Some((rest, name));
            part = rest;
            continue;
        }
        let mut chars = name.chars();
        let Some(ch) = chars.next() else { return part.is_empty() };
        match behind(part, ch) {
            Some(rest) => (part, name) = (rest, chars.as_str()),
            // The star takes one more.
            None => match &mut star {
                Some((rest, tried)) => {
                    let mut chars = tried.chars();
                    chars.next();
                    *tried = chars.as_str();
                    (part, name) = (*rest, *tried);
                }
                None => return false,
            },
        }
    }
}

/// The pattern behind its first place, if that matches the character.
fn behind(part: &str, ch: char) -> Option<&str> {
    let mut chars = part.chars();
    let matched = match chars.next()? {
        '?' => true,
        '\\' => chars.next().unwrap_or('\\') == ch,
        '[' => {
            let inside = chars.as_str();
            let set = inside.strip_prefix(['^', '!']);
            let negated = set.is_some();
            let set = set.unwrap_or(inside);
            // A bracket that comes first belongs to the set.
            let first = usize::from(set.starts_with(']'));
            match set.get(first..).and_then(|tail| tail.find(']')) {
                Some(end) => {
                    let (set, rest) = set.split_at_checked(end.saturating_add(first))?;
                    chars = rest.chars();
                    chars.next();
                    holds(set, ch) != negated
                }
                // Without its end it is a bracket.
                None => ch == '[',
            }
        }
        other => other == ch,
    };
    matched.then_some(chars.as_str())
}

/// Whether a character is in a set, which may have ranges.
fn holds(set: &str, ch: char) -> bool {
    let mut chars = set.chars();
    while let Some(first) = chars.next() {
        let mut ahead = chars.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) => {
                chars = ahead;
                last
            }
            _ => first,
        };
        if (first..=last).contains(&ch) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_match_as_in_a_shell() {
        for (part, yes, no) in [
            ("*.conf", &["a.conf", "a.b.conf"][..], &[".conf", ".a.conf", "a.config", "conf"][..]),
            ("a*b*c", &["abc", "aabbc", "abcbc"], &["ab", "abcd", "acb"]),
            ("**", &["x", "xyz"], &[".x"]),
            (".*", &[".x"], &["x"]),
            ("\\.x", &[".x"], &["x"]),
            ("a?", &["ab", "aä"], &["a", "abc"]),
            ("[b-d]x", &["bx", "cx", "dx"], &["ax", "-x", "bcx"]),
            ("[!b-d]x", &["ax", "ex"], &["bx", "x"]),
            ("[^a]", &["b"], &["a"]),
            ("[]a]", &["]", "a"], &["b", ""]),
            ("[!]a]", &["b"], &["]", "a"]),
            ("[a-]", &["a", "-"], &["b"]),
            ("[a", &["[a"], &["a"]),
            ("\\*x", &["*x"], &["ax"]),
            ("a\\", &["a\\"], &["a"]),
        ] {
            yes.iter().for_each(|name| assert!(fits(part, name), "{part} {name}"));
            no.iter().for_each(|name| assert!(!fits(part, name), "{part} {name}"));
        }
    }

    #[test]
    fn files_are_found_folder_by_folder() {
        let folder = std::env::temp_dir().join(format!("wildcard-{}", std::process::id()));
        for name in ["one/a.conf", "one/b.conf", "two/a.conf", "two/.c.conf"] {
            fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
            fs::write(folder.join(name), "").unwrap();
        }
        let all = |pattern: &str| {
            let mut all = files(&folder.join(pattern).to_string_lossy());
            all.sort();
            let short = |path: &String| path.rsplit(folder.to_str().unwrap()).next().unwrap()[1..].to_owned();
            all.iter().map(short).collect::<Vec<_>>()
        };
        assert_eq!(all("*/a.conf"), ["one/a.conf", "two/a.conf"]);
        assert_eq!(all("one/*"), ["one/a.conf", "one/b.conf"]);
        assert_eq!(all("[o]*/?.conf"), ["one/a.conf", "one/b.conf"]);
        assert_eq!(all("two/a\\.conf"), ["two/a.conf"]);
        assert_eq!(all("two//*"), ["two/a.conf"]);
        assert!(all("three/*").is_empty() && all("one/c").is_empty() && all("*/c.conf").is_empty());
        fs::remove_dir_all(folder).unwrap();
    }
}
