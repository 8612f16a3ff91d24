//! What is asked of the configuration language itself: --explain, --compare, and the checks that --lint-off leaves out.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::{Answer, Invocation, Options, wrong};
use crate::base::exit::Exit;
use crate::config::{explain, lint};

/// The questions of a command line, with the words that are no option.
#[derive(Default)]
pub(super) struct Questions {
    /// --explain, with the word that stands in the same argument.
    explain: Option<Option<OsString>>,
    compare: bool,
    words: Vec<OsString>,
}

impl Questions {
    /// --explain.
    pub(super) fn explain(&mut self, word: Option<OsString>) {
        self.explain = Some(word);
    }

    /// --compare.
    pub(super) fn compare(&mut self, first: Option<OsString>) {
        self.compare = true;
        self.words.extend(first);
    }

    /// A word that is no option.
    pub(super) fn word(&mut self, word: OsString) {
        self.words.push(word);
    }

    /// What they come to; none if nothing was asked.
    pub(super) fn ask(self, options: &Options) -> Result<Option<Invocation>, Answer> {
        let mut words = self.words.into_iter();
        if let Some(word) = self.explain {
            let word = word.or_else(|| words.next());
            return Ok(Some(Invocation::Answer(explanation(word.as_deref(), options.all))));
        }
        if !self.compare {
            return Ok(None);
        }
        if words.len() < 2 {
            return Err(wrong("--compare needs the files of at least two routers\n".to_owned()));
        }
        Ok(Some(Invocation::Compare(options.clone(), words.map(PathBuf::from).collect())))
    }
}

/// Names of checks, separated by commas.
pub(super) fn lint_off(value: &str, options: &mut Options) {
    for name in value.split(',').filter(|name| !name.is_empty()) {
        match lint::unknown(name) {
            Some(complaint) => options.complaints.push(complaint),
            None => options.lint_off.push(name.to_owned()),
        }
    }
}

/// The reference, or a part of it.
fn explanation(word: Option<&OsStr>, all: bool) -> Answer {
    let word = word.map(OsStr::to_string_lossy);
    let answer =
        if all && word.is_none() { Ok(explain::reference()) } else { explain::explain(word.as_deref()) };
    match answer {
        Ok(text) => Answer { text, output: true, exit: Exit::Ok },
        Err(text) => wrong(text),
    }
}
