//! The patterns of pages: compiled while a configuration is loaded, searched for while a page comes.

use std::rc::Rc;

use crate::base::map::Map;
use crate::config::diag::{Diagnostic, Diagnostics, Severity};
use crate::config::model::{Checker, Model, Probe};
use crate::config::tree::{Node, Tree, Word};
use crate::proto::check::http::{Params, Regex};
use crate::proto::check::{Find, Place};
use crate::sys::pattern::{self, Found, Mistake, Settings};

/// What is compiled so far: of checks that are the same the patterns are, too.
#[derive(Debug, Default)]
pub struct Compiled(Map<Regex, Rc<pattern::Pattern>>);

impl Compiled {
    fn pattern(&mut self, regex: &Regex) -> Result<Rc<pattern::Pattern>, Mistake> {
        if let Some(known) = self.0.get(regex) {
            return Ok(Rc::clone(known));
        }
        let settings = Settings { options: regex.options, stack: regex.stack };
        let new = Rc::new(pattern::Pattern::new(&regex.pattern, settings)?);
        self.0.insert(regex.clone(), Rc::clone(&new));
        Ok(new)
    }
}

/// The patterns of the pages of one check.
#[derive(Debug)]
pub struct Patterns {
    pages: Box<[Option<Rc<pattern::Pattern>>]>,
    /// A match begins in the first line, and that is over.
    line_over: bool,
}

impl Patterns {
    /// The patterns of a check; none if it has none.
    ///
    /// # Errors
    ///
    /// One of them is wrong, as [`check`] has told. The check cannot run.
    pub fn new(params: &Params, compiled: &mut Compiled) -> Result<Option<Self>, Mistake> {
        let mut pages = Vec::with_capacity(params.pages.len());
        for page in &params.pages {
            pages.push(page.regex.as_deref().map(|regex| compiled.pattern(regex)).transpose()?);
        }
        let any = pages.iter().any(Option::is_some);
        Ok(any.then(|| Self { pages: pages.into(), line_over: false }))
    }

    fn pattern(&self, page: u16) -> Option<&Rc<pattern::Pattern>> {
        self.pages.get(usize::from(page))?.as_ref()
    }
}

impl crate::proto::check::Pattern for Patterns {
    fn find(&mut self, page: u16, text: &[u8], place: Place) -> Find {
        let Some(pattern) = self.pattern(page) else { return Find::Nothing };
        if self.line_over && !place.first {
            return Find::Nothing;
        }
        let found =
            pattern.find(text, pattern::Place { from: place.from, latest: place.latest, ends: place.ends });
        let line_over = found == Found::Nothing && pattern.is_first_line_over(text, place.from);
        self.line_over = line_over;
        match found {
            Found::Match => Find::Match,
            Found::Partial(at) => Find::Partial(at),
            Found::Nothing => Find::Nothing,
            Found::GaveUp => Find::GaveUp,
        }
    }

    fn lookbehind(&self, page: u16) -> usize {
        self.pattern(page).map_or(0, |pattern| pattern.lookbehind())
    }
}

/// Tells the patterns that cannot be compiled, each at its line. Their checks cannot run, which takes nobody out; so they
/// do not count, as in keepalived, but a reload does not go over to them.
pub fn check(model: &Model, tree: &Tree, found: &mut Diagnostics) {
    let mut compiled = Compiled::default();
    let checks = model.services.iter().flat_map(|service| &service.servers).flat_map(|server| &server.checks);
    for check in checks {
        let (Probe::Http(_, params) | Probe::Ssl(_, params)) = &check.probe else { continue };
        for (index, page) in params.pages.iter().enumerate() {
            let Some(regex) = page.regex.as_deref() else { continue };
            let Err(mistake) = compiled.pattern(regex) else { continue };
            let pattern = String::from_utf8_lossy(&regex.pattern);
            let text = format!("Invalid regex '{pattern}': {} at offset {}", mistake.text, mistake.offset);
            let told = match line(tree, check, index) {
                Some(word) => Diagnostic::new(Severity::Note, word, text),
                None => Diagnostic::new(Severity::Note, check.at.0, text),
            };
            found.report(told.remedy("put the pattern right; until then the check cannot run").costs(true));
        }
    }
}

/// The pattern of a page as it was written.
fn line<'t>(tree: &'t Tree, check: &Checker, page: usize) -> Option<Word<'t>> {
    let services = tree.nodes().filter(|node| node.keyword().text == "virtual_server");
    let servers = services.flat_map(|service| within(service, "real_server"));
    let mut checks = servers.flat_map(|server| server.block()).flat_map(|block| block.nodes());
    let check = checks.find(|node| node.at() == check.at.0)?;
    let mut pages = within(check, "url").filter(|page| within(*page, "path").next().is_some());
    within(pages.nth(page)?, "regex").last()?.word(1)
}

fn within<'t>(node: Node<'t>, keyword: &'static str) -> impl Iterator<Item = Node<'t>> {
    let lines = node.block().into_iter().flat_map(|block| block.nodes());
    lines.filter(move |line| line.keyword().text == keyword)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::addr::IpAddr;
    use crate::base::time::{Instant, Span};
    use crate::config::assemble;
    use crate::config::expand::{self, Parsed};
    use crate::proto::check::{Action, Actions, Cadence, Check, Input, Kind, Start, Verdict};
    use std::sync::Arc;

    const FIRSTLINE: u32 = 0x100;

    fn regex(pattern: &str) -> Regex {
        Regex { pattern: pattern.as_bytes().into(), ..Regex::default() }
    }

    /// What a check says of a server that sends this body, in pieces of this length.
    fn verdict(regex: &Regex, body: &[u8], piece: usize) -> Verdict {
        let page = crate::proto::check::http::Page {
            path: "/".into(),
            digest: None,
            status: crate::proto::check::http::Codes::success(),
            host: None,
            regex: Some(Box::new(regex.clone())),
            tls_compliant: false,
        };
        let params = Arc::new(Params { pages: Box::new([page]), ..Params::default() });
        let patterns = Patterns::new(&params, &mut Compiled::default()).unwrap().unwrap();
        let kind = Kind::Http { params, target: (IpAddr::from([10, 0, 0, 1]), 80), tls: false };
        let cadence = Cadence { alpha: true, warmup: Span::from_secs(0), retry: 0, ..Cadence::default() };
        let now = Instant::from_micros(1_000_000);
        let mut check = Check::new(now, cadence, kind, Start::Fresh, 1).with_pattern(Box::new(patterns));
        let mut out = Actions::new();
        let reply = [b"HTTP/1.0 200 OK\r\n\r\n", body].concat();
        let mut said = None;
        let mut tell = |input: Input<'_>| {
            out.clear();
            check.handle(now, input, &mut out);
            for action in &out {
                match action {
                    Action::Verdict(verdict) => said = Some(*verdict),
                    Action::Log(crate::proto::check::Fact::Down { .. }) => said = Some(Verdict::Down),
                    _ => {}
                }
            }
            said
        };
        tell(Input::Timer);
        tell(Input::Connected);
        for octets in reply.chunks(piece) {
            if let Some(said) = tell(Input::Received(octets)) {
                return said;
            }
        }
        tell(Input::Closed).unwrap_or(Verdict::Down)
    }

    /// Field case 45.
    #[test]
    fn a_pattern_is_found_wherever_the_page_is_cut() {
        let body = [&vec![b'.'; 4090][..], b"\nstate: OK-17\nend"].concat();
        let wide = |from, to| Regex { from, to, ..regex("OK-[0-9]+") };
        let first = |pattern| Regex { options: FIRSTLINE, ..regex(pattern) };
        for (regex, right) in [
            (regex("OK-[0-9]+"), true),
            (regex("OK-[0-9]+x"), false),
            (regex("(?<=state: )OK"), true),
            (regex("^state"), false),
            (wide(4000, None), true),
            (wide(4100, None), false),
            (wide(0, Some(4090)), false),
            (wide(4098, Some(4098)), true),
            (first("state"), false),
            (first("\\.{80}"), true),
            (Regex { inverted: true, ..regex("OK-[0-9]+") }, false),
            (Regex { inverted: true, ..regex("KO") }, true),
        ] {
            for piece in [1, 2, 3, 7, 4096, 5000] {
                let right = if right { Verdict::Up } else { Verdict::Down };
                assert_eq!(verdict(&regex, &body, piece), right, "{regex:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_wrong_pattern_is_told_at_its_line() {
        let text = "virtual_server 192.0.2.1 80 {\n real_server 192.0.2.2 80 {\n  TCP_CHECK {\n  }\n  HTTP_GET {\n   url {\n    \
                    path /\n    regex good\n   }\n   url {\n    path /x\n    regex \"a(b\"\n   }\n  }\n }\n}\n";
        let mut found = Diagnostics::new();
        let Parsed { tree, sources } = expand::parse_text(text, &mut found);
        let model = assemble::model(&tree, &mut found);
        let before = found.len();
        check(&model, &tree, &mut found);
        let told: Vec<_> = found.iter().skip(before).collect();
        let [told] = &*told else { panic!("{told:?}") };
        assert!(told.costs && told.severity == Severity::Note);
        let line = told.line(&sources).to_string();
        assert!(
            line.starts_with("configuration:12:11: Invalid regex 'a(b': missing closing parenthesis"),
            "{line}"
        );
    }
}
