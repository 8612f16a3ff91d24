//! One file of the sources: its place, its length, and the modules that it mentions.

use crate::lexer::{Token, is_word, lex, mark_tests};
use crate::{CHILDREN, MOST_FIELDS, MOST_LINES, rank, wrong};
use std::collections::BTreeSet;

/// A path as written, resolved to the root of the crate if it begins with `crate`, `self` or `super`.
#[derive(Debug)]
pub(crate) struct Mention {
    pub(crate) line: usize,
    pub(crate) test: bool,
    pub(crate) in_crate: bool,
    /// What a `use` calls it.
    pub(crate) name: String,
    pub(crate) segments: Vec<String>,
}

/// One file.
pub(crate) struct Source {
    pub(crate) name: String,
    /// Its place in the crate; `main` for the binary.
    pub(crate) module: Vec<String>,
    pub(crate) header: bool,
    pub(crate) all_test: bool,
    tokens: Vec<Token>,
}

impl Source {
    /// `name`: from the root of the package, as `src/base/time.rs`.
    pub(crate) fn new(name: &str, text: &str) -> Self {
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

    pub(crate) fn findings(&self) -> Vec<String> {
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
        let is_child = layer.is_some_and(|layer| CHILDREN.contains(&layer)) && !self.all_test;
        for (line, name, fields) in self.structs().into_iter().filter(|_| is_child) {
            if fields > MOST_FIELDS {
                tell(line, format!("{name} has {fields} fields, {MOST_FIELDS} are the most"));
            }
        }
        for mention in self.mentions() {
            if let Some(text) = layer.and_then(|layer| wrong(layer, &mention, self.all_test)) {
                tell(mention.line, text);
            }
        }
        findings
    }

    /// The structs with named fields, tests' left out: where each stands, its name, and how many fields it has.
    fn structs(&self) -> Vec<(usize, &str, usize)> {
        let text = |at: usize| self.tokens.get(at).map_or("", |token: &Token| token.text.as_str());
        let mut structs = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            if token.text != "struct" || token.test {
                continue;
            }
            let ends = |at: &usize| matches!(text(*at), "{" | "(" | ";" | "");
            let Some(open) = (at..=self.tokens.len()).find(ends).filter(|open| text(*open) == "{") else {
                continue;
            };
            // Brackets of the types of fields hold further colons.
            let (mut depth, mut angles, mut fields) = (1_usize, 0_usize, 0);
            for at in open + 1..self.tokens.len() {
                match text(at) {
                    "{" | "(" | "[" => depth += 1,
                    "}" | ")" | "]" => depth -= 1,
                    "<" => angles += 1,
                    ">" => angles = angles.saturating_sub(1),
                    ":" if depth == 1 && angles == 0 => fields += 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
            structs.push((token.line, text(at + 1), fields));
        }
        structs
    }

    /// Lines with code that is not a test's.
    pub(crate) fn code_lines(&self) -> usize {
        let code = self.tokens.iter().filter(|token| !token.test);
        code.map(|token| token.line).collect::<BTreeSet<_>>().len()
    }

    /// The modules in other files that `#[cfg(test)] mod name;` declares.
    pub(crate) fn test_modules(&self) -> Vec<Vec<String>> {
        let words = self.tokens.windows(3);
        words
            .filter(|w| w[0].test && w[0].text == "mod" && w[2].text == ";")
            .map(|w| [self.module.as_slice(), std::slice::from_ref(&w[1].text)].concat())
            .collect()
    }

    /// The names that `pub use` makes this module's own, each with the path that it stands for.
    pub(crate) fn reexports(&self) -> Vec<(String, Vec<String>)> {
        let mut names = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let before = |back: usize| at.checked_sub(back).map_or("", |at| self.tokens[at].text.as_str());
            // `pub use`, or `pub(in ..) use`.
            if token.text != "use" || !matches!(before(1), "pub" | ")") {
                continue;
            }
            let mut mentions = Vec::new();
            self.unfold(at + 1, &[], &self.module, &mut mentions);
            for Mention { in_crate, name, segments, .. } in mentions {
                // Without a prefix it is a module below this one.
                let path = if in_crate { segments } else { [self.module.clone(), segments].concat() };
                names.push((name, path));
            }
        }
        names
    }

    /// Every path of two segments or more, and every single word of a `use`.
    pub(crate) fn mentions(&self) -> Vec<Mention> {
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
        let (line, test) = self.tokens.get(at).map_or((0, false), |token| (token.line, token.test));
        loop {
            if text(at) == "{" {
                at += 1;
                while !matches!(text(at), "}" | "") {
                    at = if text(at) == "," { at + 1 } else { self.unfold(at, &path, module, out) };
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
        let mut name = path.last().cloned().unwrap_or_default();
        if text(at) == "as" {
            text(at + 1).clone_into(&mut name);
            at += 2;
        }
        let (in_crate, segments) = resolve(&path, module);
        out.push(Mention { line, test, in_crate, name, segments });
        at
    }
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
