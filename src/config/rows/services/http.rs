//! `url` of `HTTP_GET` and `SSL_GET`: a page, and what it must look like.

use core::fmt::Write;
use std::sync::Arc;

use crate::base::feature;
use crate::config::lexer::{Escapes, split_script};
use crate::config::line::Line;
use crate::config::row::Kind::{self, Custom, Switch, Text};
use crate::config::row::{Row, Shown, fit};
use crate::config::rows::show::{flag, maybe, plain, switch, unless};
use crate::config::tree::{Position, Word};
use crate::config::value::{self, Quoted};
use crate::proto::check::http::{Codes, Page, Regex};

/// A `url` while it is read.
#[derive(Clone, Debug, Default)]
pub struct HttpCheckDraft {
    /// `path`
    pub path: Option<Box<str>>,
    /// `digest`
    pub digest: Option<[u8; 16]>,
    /// `status_code`
    pub status: Codes,
    /// `virtualhost`
    pub host: Option<Arc<str>>,
    /// `regex` was given.
    pub has_regex: bool,
    /// `regex` and what goes with it.
    pub regex: Regex,
    /// Where the first keyword stands that goes with `regex`.
    pub regex_at: Option<Position>,
    /// `tls_compliant`
    pub tls_compliant: bool,
}

impl HttpCheckDraft {
    /// The page, if it has a path.
    #[must_use]
    pub fn finish(self) -> Option<Page> {
        Some(Page {
            path: self.path?,
            digest: self.digest,
            status: if self.status.is_empty() { Codes::success() } else { self.status },
            host: self.host,
            regex: self.has_regex.then(|| Box::new(self.regex)),
            tls_compliant: self.tls_compliant,
        })
    }
}

type D = HttpCheckDraft;

/// A row of this table: fixes the types, so that closures need none.
const fn row(
    name: &'static str,
    kind: Kind<D, Page>,
    default: &'static str,
    meaning: &'static str,
) -> Row<D, Page> {
    Row::new(name, kind, default, meaning)
}

/// Every keyword of `url` in `SSL_GET`.
#[rustfmt::skip]
pub static URL_TLS: &[Row<D, Page>] = &[
    row("path", Text("<text>", |d, w| d.path = Some(w.text.into())), "required",
        "Path of the request").told().show(|p| plain(Quoted(&p.path))),
    row("digest", Custom("<32 hex digits>", digest), "none",
        "MD5 of the body").show(|p| maybe(p.digest.as_ref().map(|octets| super::probe::hex(octets)))),
    row("status_code", Custom("<100..599>[-<100..599>] ...", status_code), "200-299",
        "Accepted codes of the status line").show(show_status),
    row("virtualhost", Text("<host>", |d, w| d.host = Some(Arc::from(w.text))), "virtualhost of the check",
        "Host of the request").expected().told().show(|p| maybe(p.host.as_deref().map(Quoted))),
    row("regex", Custom("<pattern>", regex), "none",
        "Pattern that the body must match").needs(&feature::REGEX).told().show(|p| on(p, |r| Shown::One(quote(&r.pattern)))),
    row("regex_no_match", Custom("", |d, l| {
            d.regex_at.get_or_insert(l.keyword.at);
            d.regex.inverted = true;
        }), "off",
        "A match is a failure").show(|p| on(p, |r| flag(r.inverted))),
    row("regex_options", Custom("<option> ...", options), "none",
        "Options of PCRE2").show(|p| on(p, show_options)),
    row("regex_stack", Custom("<start bytes> <max bytes>", stack), "that of the library",
        "Stack of a compiled pattern").show(|p| on(p, |r| r.stack.map_or(Shown::Nothing, |(start, most)| Shown::One(format!("{start} {most}"))))),
    row("regex_min_offset", Custom("<octets>", |d, l| {
            if let Some(offset) = offset(d, l) {
                d.regex.from = offset;
            }
        }), "0",
        "Where the search begins").show(|p| on(p, |r| unless(r.from, &0))),
    row("regex_max_offset", Custom("<octets>", |d, l| {
            if let Some(offset) = offset(d, l) {
                d.regex.to = Some(offset);
            }
        }), "none",
        "Where a match may begin at the latest").show(|p| on(p, |r| maybe(r.to))),
    row("tls_compliant", Switch(|d, on| d.tls_compliant = on), "off",
        "Ends the TLS session of this page with a close alert").show(|p| switch(p.tls_compliant)),
];

/// Every keyword of `url` in `HTTP_GET`: all but the last one of those.
pub static URL: &[Row<D, Page>] = URL_TLS.split_at(URL_TLS.len() - 1).0;

fn on(page: &Page, show: impl FnOnce(&Regex) -> Shown) -> Shown {
    page.regex.as_deref().map_or(Shown::Nothing, show)
}

fn digest(draft: &mut HttpCheckDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<32 hex digits>");
    };
    let text = word.text;
    if text.len() != 32 {
        let message =
            format_args!("digest '{text}' character length should be 32 rather than {}", text.len());
        return line.error(word, message, "genhash prints the MD5 of a page; no digest is checked");
    }
    let mut octets = [0; 16];
    for (octet, pair) in octets.iter_mut().zip(text.as_bytes().chunks(2)) {
        let read = core::str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let Some(read) = read else {
            let message = format_args!("digest '{text}' has a character that is no hexadecimal digit");
            return line.error(word, message, "genhash prints the MD5 of a page; no digest is checked");
        };
        *octet = read;
    }
    if draft.digest.is_some() {
        let message = format_args!("Digest '{text}' is a duplicate");
        return line.error(word, message, "the first one is used; remove this one");
    }
    draft.digest = Some(octets);
}

fn status_code(draft: &mut HttpCheckDraft, line: &mut Line<'_>) {
    if line.args.is_empty() {
        return line.missing(line.keyword, "<100..599>[-<100..599>] ...");
    }
    for word in line.args {
        let (first, last) = word.text.split_once('-').unwrap_or((word.text, word.text));
        let code = |text: &str| value::integer(text, 100..=599, false).map(|read| read.value);
        match (code(first), code(last)) {
            (Ok(first), Ok(last)) if first <= last => draft.status.insert(fit(first), fit(last)),
            _ => {
                let message = format_args!("Invalid HTTP_GET status code '{}'", word.text);
                line.error(
                    word,
                    message,
                    "write a code from 100 to 599, or two with '-' between, the lower one first",
                );
            }
        }
    }
}

fn show_status(page: &Page) -> Shown {
    if page.status == Codes::success() {
        return Shown::Nothing;
    }
    let mut out = String::new();
    for (first, last) in page.status.ranges() {
        let gap = if out.is_empty() { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = if first == last { write!(out, "{gap}{first}") } else { write!(out, "{gap}{first}-{last}") };
    }
    Shown::One(out)
}

fn regex(draft: &mut HttpCheckDraft, line: &mut Line<'_>) {
    let rest = line.node.rest();
    let remedy = "write one pattern; quote one that holds a blank";
    let pattern = match split_script(rest.text, Escapes::Apply).as_deref() {
        Ok([one]) => one.bytes.clone(),
        Ok(_) => {
            return line.error(
                line.keyword,
                format_args!("regex missing or with more than one word"),
                remedy,
            );
        }
        Err(_) => {
            return line.error(
                rest.at,
                format_args!("Unmatched quote"),
                "close the quote; the line is not used",
            );
        }
    };
    if let Some(lost) = lost_escape(rest.text) {
        let message = format_args!("the backslash of \\{lost} is removed before the pattern is compiled");
        line.note(rest.at, message, &format!("write \\\\{lost} if the pattern needs it"));
    }
    draft.has_regex = true;
    draft.regex.pattern = pattern.into();
}

/// The first character whose backslash the language takes away: all but those of its own escapes.
fn lost_escape(text: &str) -> Option<char> {
    let mut chars = text.chars();
    while let Some(ch) = chars.next() {
        if ch == '\\' {
            let next = chars.next()?;
            let kept = matches!(
                next,
                '\\' | '"' | '\'' | 'a' | 'E' | 'f' | 'n' | 'r' | 't' | 'v' | 'x' | 'c' | '0'..='7'
            );
            if !kept && !next.is_whitespace() {
                return Some(next);
            }
        }
    }
    None
}

/// A pattern as one word that is read as the same bytes.
fn quote(pattern: &[u8]) -> String {
    let mut out = "\"".to_owned();
    for &byte in pattern {
        // A `$` might be taken for a parameter, another byte for the end of the line.
        let _ = match byte {
            b'"' | b'\\' => write!(out, "\\{}", char::from(byte)),
            b'$' | 0..=0x1f | 0x7f.. => write!(out, "\\x{byte:02x}"),
            _ => write!(out, "{}", char::from(byte)),
        };
    }
    out.push('"');
    out
}

fn options(draft: &mut HttpCheckDraft, line: &mut Line<'_>) {
    if line.args.is_empty() {
        return line.missing(line.keyword, "<option> ...");
    }
    draft.regex_at.get_or_insert(line.keyword.at);
    for word in line.args {
        match Regex::OPTIONS.iter().position(|name| *name == word.text) {
            Some(bit) => draft.regex.options |= 1 << bit,
            None => {
                let message = format_args!("unknown regex option '{}' - ignoring", word.text);
                let near = crate::config::nearest::nearest(word.text, Regex::OPTIONS);
                let remedy = near.map(|near| format!("did you mean '{near}'?")).unwrap_or_default();
                line.note(word, message, &remedy);
            }
        }
    }
}

fn show_options(regex: &Regex) -> Shown {
    let set = |(index, _): &(usize, &&str)| regex.options.checked_shr(fit_bit(*index)).unwrap_or(0) & 1 != 0;
    let words: Vec<&str> = Regex::OPTIONS.iter().enumerate().filter(set).map(|(_, name)| *name).collect();
    if words.is_empty() { Shown::Nothing } else { Shown::One(words.join(" ")) }
}

fn fit_bit(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// A number of octets; what is wrong with it is told only, as keepalived does.
fn octets(line: &mut Line<'_>, word: &Word<'_>) -> Option<u32> {
    match value::integer(word.text, 0..=i64::from(u32::MAX), false) {
        Ok(read) => Some(fit(read.value)),
        Err(_) => {
            let message = format_args!("Invalid {} {} - ignoring", line.keyword.text, word.text);
            line.note(word, message, "write a number from 0 to 4294967295");
            None
        }
    }
}

fn stack(draft: &mut HttpCheckDraft, line: &mut Line<'_>) {
    draft.regex_at.get_or_insert(line.keyword.at);
    let (Some(start), Some(most), None) = (line.arg(0), line.arg(1), line.arg(2)) else {
        return line.note(
            line.keyword,
            format_args!("Invalid regex_stack - ignoring"),
            "write two numbers of bytes",
        );
    };
    let (Some(first), Some(last)) = (octets(line, start), octets(line, most)) else {
        return;
    };
    if first > last {
        return line.note(
            start,
            format_args!("regex_stack start is above its maximum - ignoring"),
            "write the lower one first",
        );
    }
    draft.regex.stack = Some((first, last));
}

fn offset(draft: &mut HttpCheckDraft, line: &mut Line<'_>) -> Option<u32> {
    draft.regex_at.get_or_insert(line.keyword.at);
    let (Some(word), None) = (line.arg(0), line.arg(1)) else {
        let message = format_args!("Invalid {} - ignoring", line.keyword.text);
        line.note(line.keyword, message, "write one number of octets");
        return None;
    };
    octets(line, word)
}

#[cfg(test)]
mod tests {
    use super::{lost_escape, quote};
    use crate::config::lexer::{Escapes, split_script};

    #[test]
    fn patterns_are_written_as_read() {
        for pattern in [&b"a b"[..], br#"^\s*"OK"$"#, b"\x00\xff\n'#!{}"] {
            let text = quote(pattern);
            let read = split_script(&text, Escapes::Apply).unwrap();
            assert_eq!(read.len(), 1, "{text}");
            assert_eq!(read[0].bytes, pattern, "{text}");
        }
    }

    #[test]
    fn backslashes_that_are_lost() {
        assert_eq!(lost_escape(r"a\d+"), Some('d'));
        assert_eq!(lost_escape(r"a\\d+\n\x41\."), Some('.'));
        assert_eq!(lost_escape(r#""a\\.b\"""#), None);
    }
}
