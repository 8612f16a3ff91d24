//! Reads the sources and fails with file:line where the program's shape is broken.
//!
//! ```text
//! main > vrrpd, checkd, bfdd > notify, status > daemon > config > proto > wire, sys > base
//! ```
//!
//! * A folder uses what is to its right, never to its left, never a sibling; `proto` not `sys`, `config` neither
//!   `sys` nor `wire`.
//! * `proto` has no clock, file or socket; nobody but `sys` asks for the time, starts or names threads.
//! * `unsafe` stands in `sys` only.
//! * Every file says its job first, and has at most [`MOST_LINES`] lines of code outside its tests.
//!
//! The reader is a small lexer: comments and literals are skipped, `use` trees are unfolded, `crate`, `self` and
//! `super` are followed, inline modules included. What macros build from pieces is not seen.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a test, which tells about files growing long"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// From left to right; those in one row are siblings.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["vrrpd", "checkd", "bfdd"],
    &["notify", "status"],
    &["daemon"],
    &["config"],
    &["proto"],
    &["wire", "sys"],
    &["base"],
];

/// To the right, and not allowed all the same.
const NEVER: &[(&str, &str)] = &[("proto", "sys"), ("config", "sys"), ("config", "wire")];

/// What a machine that is told everything has no use for.
const IMPURE: &[&[&str]] = &[
    &["std", "time"],
    &["core", "time"],
    &["std", "fs"],
    &["std", "io"],
    &["std", "os"],
    &["std", "env"],
    &["std", "process"],
    &["std", "net", "UdpSocket"],
    &["std", "net", "TcpStream"],
    &["std", "net", "TcpListener"],
    &["mio"],
    &["nix"],
    &["libc"],
    &["neli"],
];

/// Lines of code outside tests that a file may have.
const MOST_LINES: usize = 600;
/// Lines of code from which on a file is named, so that it gets split in time.
const MANY_LINES: usize = 450;

#[test]
fn the_sources_keep_to_their_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    files.sort();
    assert!(files.len() > 20, "the sources were not found");
    let sources: Vec<Source> = files
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(file).expect("a source is readable text");
            let name = file.strip_prefix(root).unwrap_or(file).to_string_lossy();
            Source::new(&name, &text)
        })
        .collect();
    for source in &sources {
        let lines = source.code_lines();
        if lines > MANY_LINES && !source.all_test {
            println!("{}: {lines} lines of code", source.name);
        }
    }
    let findings = judge(sources);
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Everything that is wrong with the files, as file:line: text.
fn judge(mut sources: Vec<Source>) -> Vec<String> {
    let test_modules: BTreeSet<Vec<String>> = sources.iter().flat_map(Source::test_modules).collect();
    for source in &mut sources {
        let path = &source.module;
        source.all_test |= (1..=path.len()).any(|len| test_modules.contains(&path[..len]));
    }
    sources.iter().flat_map(Source::findings).collect()
}

/// A word or a sign, where it stands, and whether only tests see it.
#[derive(Clone, Debug)]
struct Token {
    text: String,
    line: usize,
    test: bool,
}

/// A path as written, resolved to the root of the crate if it begins with `crate`, `self` or `super`.
#[derive(Debug)]
struct Mention {
    line: usize,
    test: bool,
    in_crate: bool,
    segments: Vec<String>,
}

/// One file.
struct Source {
    name: String,
    /// Its place in the crate; `main` for the binary.
    module: Vec<String>,
    header: bool,
    all_test: bool,
    tokens: Vec<Token>,
}

impl Source {
    /// `name`: from the root of the package, as `src/base/time.rs`.
    fn new(name: &str, text: &str) -> Self {
        let stem = name.trim_start_matches("src/").trim_end_matches(".rs");
        let mut module: Vec<String> = stem.split('/').map(str::to_owned).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
            module.pop();
        }
        let mut tokens = lex(text);
        mark_tests(&mut tokens);
        Self {
            name: name.to_owned(),
            module,
            header: text
                .lines()
                .find(|line| !line.trim().is_empty())
                .is_some_and(|line| line.starts_with("//!")),
            all_test: false,
            tokens,
        }
    }

    fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        let mut tell = |line: usize, text: String| findings.push(format!("{}:{line}: {text}", self.name));
        if !self.header {
            tell(1, "the file does not begin with //! and its job".to_owned());
        }
        let lines = self.code_lines();
        if lines > MOST_LINES && !self.all_test {
            tell(1, format!("{lines} lines of code, {MOST_LINES} are the most"));
        }
        let layer = self.module.first().map(String::as_str);
        if let Some(layer) = layer
            && rank(layer).is_none()
        {
            tell(1, format!("`{layer}` is no layer of the program"));
        }
        for token in &self.tokens {
            if token.text == "unsafe" && layer != Some("sys") {
                tell(token.line, "`unsafe` outside sys".to_owned());
            }
        }
        for mention in self.mentions() {
            if let Some(text) = layer.and_then(|layer| wrong(layer, &mention, self.all_test)) {
                tell(mention.line, text);
            }
        }
        findings
    }

    /// Lines with code that is not a test's.
    fn code_lines(&self) -> usize {
        let code = self.tokens.iter().filter(|token| !token.test);
        code.map(|token| token.line).collect::<BTreeSet<_>>().len()
    }

    /// The modules in other files that `#[cfg(test)] mod name;` declares.
    fn test_modules(&self) -> Vec<Vec<String>> {
        let words = self.tokens.windows(3);
        words
            .filter(|w| w[0].test && w[0].text == "mod" && w[2].text == ";")
            .map(|w| [self.module.as_slice(), std::slice::from_ref(&w[1].text)].concat())
            .collect()
    }

    /// Every path of two segments or more, and every single word of a `use`.
    fn mentions(&self) -> Vec<Mention> {
        let mut mentions = Vec::new();
        // The inline modules that are open, each with the depth of its brace.
        let mut inline: Vec<(String, usize)> = Vec::new();
        let (mut depth, mut at) = (0_usize, 0);
        while let Some(token) = self.tokens.get(at) {
            let next = |ahead: usize| self.tokens.get(at + ahead).map_or("", |token| &token.text);
            match token.text.as_str() {
                "mod" if next(2) == "{" => {
                    inline.push((next(1).to_owned(), depth));
                    (depth, at) = (depth + 1, at + 3);
                    continue;
                }
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    inline.pop_if(|(_, opened)| *opened == depth);
                }
                text if is_word(text)
                    && (next(1) == "::" || (at > 0 && self.tokens[at - 1].text == "use")) =>
                {
                    let mut module = self.module.clone();
                    module.extend(inline.iter().map(|(name, _)| name.clone()));
                    at = self.unfold(at, &[], &module, &mut mentions);
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        mentions
    }

    /// Reads a path that begins at `at`, with the groups of a `use`; returns where it ends.
    fn unfold(&self, mut at: usize, before: &[String], module: &[String], out: &mut Vec<Mention>) -> usize {
        let mut path = before.to_vec();
        let text = |at: usize| self.tokens.get(at).map_or("", |token| token.text.as_str());
        let (line, test) = self
            .tokens
            .get(at)
            .map_or((0, false), |token| (token.line, token.test));
        loop {
            if text(at) == "{" {
                at += 1;
                while !matches!(text(at), "}" | "") {
                    at = if text(at) == "," {
                        at + 1
                    } else {
                        self.unfold(at, &path, module, out)
                    };
                }
                return at + 1;
            }
            if !is_word(text(at)) && text(at) != "*" {
                // A type in brackets or the like: nothing that names a module.
                at += 1;
                break;
            }
            path.push(text(at).to_owned());
            at += 1;
            if text(at) != "::" {
                break;
            }
            if text(at + 1) == "<" {
                break;
            }
            at += 1;
        }
        if text(at) == "as" {
            at += 2;
        }
        let (in_crate, segments) = resolve(&path, module);
        out.push(Mention {
            line,
            test,
            in_crate,
            segments,
        });
        at
    }
}

/// Why a layer may not say this, if it may not.
fn wrong(layer: &str, mention: &Mention, all_test: bool) -> Option<String> {
    let segments: Vec<&str> = mention.segments.iter().map(String::as_str).collect();
    let path = segments.join("::");
    if mention.in_crate {
        let to = *segments.first()?;
        if to == layer {
            return None;
        }
        let (Some(ours), Some(theirs)) = (rank(layer), rank(to)) else {
            return None;
        };
        if NEVER.contains(&(layer, to)) {
            return Some(format!("{layer} uses {path}: never {to}"));
        }
        return match theirs.cmp(&ours) {
            std::cmp::Ordering::Greater => None,
            std::cmp::Ordering::Equal => Some(format!("{layer} uses {path}: a sibling")),
            std::cmp::Ordering::Less => Some(format!("{layer} uses {path}: a layer above it")),
        };
    }
    if mention.test || all_test {
        return None;
    }
    if layer == "proto" && IMPURE.iter().any(|path| segments.starts_with(path)) {
        return Some(format!("proto uses {path}: a machine is told everything"));
    }
    let asks = |clock: &str| segments.windows(2).any(|pair| pair == [clock, "now"]);
    if layer != "sys" && (asks("Instant") || asks("SystemTime")) {
        return Some(format!("{path}: the time comes from sys"));
    }
    if layer != "sys" && (segments.first() == Some(&"thread") || segments.starts_with(&["std", "thread"])) {
        return Some(format!("{path}: one thread a process"));
    }
    None
}

fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&layer))
}

/// From the root of the crate, if the path begins within it.
fn resolve(path: &[String], module: &[String]) -> (bool, Vec<String>) {
    let mut place = match path.first().map(String::as_str) {
        Some("crate" | "keepalived") => return (true, path[1..].to_vec()),
        Some("self" | "super") => module.to_vec(),
        _ => return (false, path.to_vec()),
    };
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "self" => {}
            "super" => drop(place.pop()),
            _ => break,
        }
        rest = after;
    }
    place.extend_from_slice(rest);
    (true, place)
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Marks what stands under `#[cfg(test)]`: the item behind it, to its semicolon or closing brace.
fn mark_tests(tokens: &mut [Token]) {
    let opening = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut at = 0;
    while at + opening.len() <= tokens.len() {
        let here = &tokens[at..at + opening.len()];
        if !here.iter().map(|token| token.text.as_str()).eq(opening) {
            at += 1;
            continue;
        }
        let (mut end, mut depth, mut squares) = (at + opening.len(), 0_usize, 0_usize);
        while end < tokens.len() {
            match tokens[end].text.as_str() {
                "[" => squares += 1,
                "]" => squares = squares.saturating_sub(1),
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            let closed = matches!(tokens[end].text.as_str(), ";" | "}") && depth == 0 && squares == 0;
            end += 1;
            if closed {
                break;
            }
        }
        tokens[at..end].iter_mut().for_each(|token| token.test = true);
        at = end;
    }
}

/// Words, `::` and single signs, without comments; a literal is one `"`.
fn lex(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let peek = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let (mut tokens, mut line, mut at) = (Vec::new(), 1, 0);
    while at < chars.len() {
        let start = at;
        let c = peek(at);
        let mut token = None;
        if c == '/' && peek(at + 1) == '/' {
            while at < chars.len() && peek(at) != '\n' {
                at += 1;
            }
        } else if c == '/' && peek(at + 1) == '*' {
            let mut open = 0_usize;
            while at < chars.len() {
                match (peek(at), peek(at + 1)) {
                    ('/', '*') => (open, at) = (open + 1, at + 2),
                    ('*', '/') => (open, at) = (open - 1, at + 2),
                    _ => at += 1,
                }
                if open == 0 {
                    break;
                }
            }
        } else if let Some(end) = literal(&chars, at) {
            (at, token) = (end, Some("\"".to_owned()));
        } else if c.is_alphanumeric() || c == '_' {
            while peek(at).is_alphanumeric() || peek(at) == '_' {
                at += 1;
            }
            token = Some(chars[start..at].iter().collect());
        } else if c == ':' && peek(at + 1) == ':' {
            (at, token) = (at + 2, Some("::".to_owned()));
        } else {
            at += 1;
            token = (!c.is_whitespace()).then(|| c.to_string());
        }
        if let Some(text) = token {
            tokens.push(Token {
                text,
                line,
                test: false,
            });
        }
        line += chars[start..at.min(chars.len())]
            .iter()
            .filter(|c| **c == '\n')
            .count();
    }
    tokens
}

/// Where a string or character literal that begins at `at` ends, if one does. Lifetimes are none.
fn literal(chars: &[char], at: usize) -> Option<usize> {
    let peek = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let follows_word = at > 0 && (peek(at - 1).is_alphanumeric() || peek(at - 1) == '_');
    let mut start = at;
    if !follows_word && matches!(peek(start), 'b' | 'c') {
        start += 1;
    }
    let raw = !follows_word && peek(start) == 'r' && matches!(peek(start + 1), '"' | '#');
    if raw {
        let hashes = (start + 1..).take_while(|at| peek(*at) == '#').count();
        let open = start + 1 + hashes;
        if peek(open) != '"' {
            return None;
        }
        let closes = |at: usize| peek(at) == '"' && (1..=hashes).all(|ahead| peek(at + ahead) == '#');
        return (open + 1..chars.len())
            .find(|at| closes(*at))
            .map(|at| at + hashes + 1);
    }
    let quote = peek(start);
    let character = quote == '\'' && (peek(start + 1) == '\\' || peek(start + 2) == '\'');
    if quote != '"' && !character {
        return None;
    }
    let mut end = start + 1;
    while end < chars.len() && peek(end) != quote {
        end += if peek(end) == '\\' { 2 } else { 1 };
    }
    Some(end + 1)
}

/// What is wrong with one file of this name.
fn findings(name: &str, code: &str) -> Vec<String> {
    judge(vec![Source::new(name, &format!("//! Job.\n{code}"))])
}

/// Exactly one thing is wrong with the file, in this line.
#[track_caller]
fn one(name: &str, code: &str, line: usize, part: &str) {
    let found = findings(name, code);
    let told = found
        .first()
        .is_some_and(|text| text.starts_with(&format!("{name}:{line}: ")) && text.contains(part));
    assert!(told && found.len() == 1, "{found:?}");
}

#[test]
fn a_layer_above_a_sibling_and_the_forbidden_are_seen() {
    one("src/base/time.rs", "use crate::proto::vrrp;", 2, "above");
    one("src/wire/arp.rs", "\nuse crate::sys::clock;", 3, "sibling");
    one(
        "src/notify/mod.rs",
        "fn f() { crate::status::dump(); }",
        2,
        "sibling",
    );
    one("src/vrrpd/run.rs", "use crate::checkd::run;", 2, "sibling");
    one(
        "src/proto/vrrp/machine.rs",
        "use crate::sys::clock;",
        2,
        "never sys",
    );
    one(
        "src/config/rows/vrrp.rs",
        "use crate::wire::vrrp::Version;",
        2,
        "never wire",
    );
    one(
        "src/config/rows/vrrp.rs",
        "type T = crate::sys::link::Index;",
        2,
        "never sys",
    );
    one("src/other/mod.rs", "", 1, "no layer");
    for fine in [
        "use crate::base::time::Instant;",
        "use crate::wire::vrrp;",
        "use super::params::Params;",
    ] {
        assert_eq!(findings("src/proto/vrrp/machine.rs", fine), [""; 0], "{fine}");
    }
    assert_eq!(findings("src/lib.rs", "pub mod base;"), [""; 0]);
    assert_eq!(findings("src/main.rs", "use keepalived::daemon::cli;"), [""; 0]);
}

#[test]
fn supers_groups_names_and_inline_modules_are_followed() {
    one(
        "src/proto/vrrp/mod.rs",
        "use super::super::sys::clock;",
        2,
        "sys::clock",
    );
    one(
        "src/proto/vrrp/accept.rs",
        "fn f() { super::super::super::daemon::x(); }",
        2,
        "above",
    );
    one(
        "src/proto/vrrp/accept.rs",
        "mod inner { use super::super::super::super::config::x; }",
        2,
        "above",
    );
    one(
        "src/proto/mod.rs",
        "mod a { fn f() {} } use super::daemon;",
        2,
        "above",
    );
    one(
        "src/proto/mod.rs",
        "use crate::{base::{self, time::Instant},\n daemon::{cli as c}};",
        3,
        "daemon::cli",
    );
    one("src/proto/mod.rs", "use crate::{base, status};", 2, "status");
    one("src/proto/mod.rs", "pub use crate::daemon::*;", 2, "daemon::*");
    one(
        "src/base/id.rs",
        "macro_rules! m { () => { $crate::proto::x() } }",
        2,
        "above",
    );
    let fine = "mod inner { use super::super::accept; } use self::inner::x; use super::track::Weight;";
    assert_eq!(findings("src/proto/vrrp/accept.rs", fine), [""; 0]);
}

#[test]
fn clocks_threads_sockets_and_unsafe_are_seen() {
    one(
        "src/proto/vrrp/machine.rs",
        "use std::time::Duration;",
        2,
        "told everything",
    );
    one(
        "src/proto/vrrp/machine.rs",
        "use std::{fmt, net::{IpAddr, UdpSocket}};",
        2,
        "UdpSocket",
    );
    one(
        "src/proto/vrrp/machine.rs",
        "fn f() { std::fs::read(1); }",
        2,
        "told everything",
    );
    one(
        "src/daemon/reactor.rs",
        "fn f() { let t = Instant::now(); }",
        2,
        "the time",
    );
    one(
        "src/daemon/reactor.rs",
        "fn f() { std::time::SystemTime::now(); }",
        2,
        "the time",
    );
    one("src/vrrpd/run.rs", "use std::thread;", 2, "one thread");
    one(
        "src/vrrpd/run.rs",
        "fn f() { thread::spawn(g); }",
        2,
        "one thread",
    );
    one(
        "src/daemon/reactor.rs",
        "fn f() {\n unsafe { g() } }",
        3,
        "unsafe",
    );
    assert_eq!(
        findings("src/sys/clock.rs", "fn f() { unsafe { g(Instant::now()) } }"),
        [""; 0]
    );
    assert_eq!(
        findings(
            "src/proto/vrrp/machine.rs",
            "use std::net::IpAddr; use core::fmt;"
        ),
        [""; 0]
    );
}

#[test]
fn comments_literals_and_lifetimes_are_no_code() {
    let code = r##"
        // use crate::daemon; unsafe
        /* unsafe /* crate::daemon::x */ unsafe */
        /// [`crate::daemon::x`]
        #[allow(unsafe_code)]
        const A: &str = "unsafe { crate::daemon::x }\" unsafe";
        const B: &str = r#"unsafe " crate::daemon::x"#;
        const C: [char; 3] = ['"', '\'', '\\'];
        fn f<'a>(x: &'a str, y: &'static [u8]) -> (char, u8) { ('u', b'"') }
    "##;
    assert_eq!(findings("src/proto/mod.rs", code), [""; 0]);
    one("src/proto/mod.rs", &format!("{code}\nunsafe"), 12, "unsafe");
}

#[test]
fn tests_may_use_files_and_threads_but_not_other_layers() {
    let tests = "#[cfg(test)]\n#[allow(x)]\nmod tests { use std::fs; fn f() { std::thread::spawn(g); } }";
    assert_eq!(findings("src/proto/mod.rs", tests), [""; 0]);
    one(
        "src/proto/mod.rs",
        &format!("{tests} use std::fs;"),
        4,
        "told everything",
    );
    one(
        "src/proto/mod.rs",
        "#[cfg(test)] mod tests { use crate::daemon::x; }",
        2,
        "above",
    );
    let machine = Source::new("src/proto/machine.rs", "//! Job.\n#[cfg(test)]\nmod tests;");
    let long = format!("//! Tests.\nuse std::fs;\n{}", "fn f() {}\n".repeat(MOST_LINES));
    let apart = Source::new("src/proto/machine/tests.rs", &long);
    assert_eq!(judge(vec![machine, apart]), [""; 0]);
}

#[test]
fn headers_and_length_are_seen() {
    let found = judge(vec![Source::new(
        "src/base/time.rs",
        "\n// A comment.\nfn f() {}",
    )]);
    assert_eq!(
        found,
        ["src/base/time.rs:1: the file does not begin with //! and its job"]
    );
    let line = "fn f() {}\n// comment\n\n";
    one("src/base/time.rs", &line.repeat(MOST_LINES + 1), 1, "601 lines");
    assert_eq!(findings("src/base/time.rs", &line.repeat(MOST_LINES)), [""; 0]);
    let tests = format!("{}#[cfg(test)] mod tests {{ {} }}", line, line.repeat(MOST_LINES));
    assert_eq!(findings("src/base/time.rs", &tests), [""; 0]);
}
