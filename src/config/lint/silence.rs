//! Which checks are off: by option for everything, by comments in the files for a part.
//!
//! ```text
//! # lint: off NAME...        alone on its line: from here to the end of the file
//! # lint: on NAME...         alone on its line: no longer
//! preempt_delay 5            # lint: off NAME...     behind other text: this line only
//! ```
//!
//! `!` begins a comment as well; `all` stands for every check. To keepalived it is a comment like any other.

use super::unknown;
use crate::base::map::{Map, Set};
use crate::config::diag::{Diagnostics, Mark};
use crate::config::lexer::is_blank_char;
use crate::config::source::SourceMap;
use crate::config::text;
use crate::config::tree::Position;

/// The checks that are off, and where.
#[derive(Clone, Debug, Default)]
pub struct Silence {
    everywhere: Set<String>,
    /// By name and file: lines at which it is switched, in their order, and whether off.
    ranges: Map<(String, u16), Vec<(u32, bool)>>,
    /// Name, file and line.
    lines: Set<(String, u16, u32)>,
}

impl Silence {
    /// What `off` names, and the comments of all files. A name that no check has is told in `found`.
    #[must_use]
    pub fn read(off: &[String], sources: &SourceMap, found: &mut Diagnostics) -> Self {
        let mut made = Self { everywhere: off.iter().cloned().collect(), ..Self::default() };
        for file in 0..u16::MAX {
            let Some(bytes) = sources.bytes(file) else { break };
            // Looked at line by line only where a file has such a comment at all.
            if !mentioned(bytes) {
                continue;
            }
            for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1_u32..) {
                if mentioned(line) {
                    let at = Position { file, line: number, column: 1 };
                    made.comment(&String::from_utf8_lossy(line), at, found);
                }
            }
        }
        made
    }

    fn comment(&mut self, line: &str, at: Position, found: &mut Diagnostics) {
        let begin = text::scan(line).end;
        let (before, comment) = line.split_at_checked(begin).unwrap_or((line, ""));
        let alone = before.trim_matches(is_blank_char).is_empty();
        // What a sign in a word has made a comment may stand before the one that was meant.
        let Some((lead, directive)) = comment.split_once("lint:") else { return };
        if !lead.trim_end_matches(is_blank_char).ends_with(['#', '!']) {
            return;
        }
        let mut words = directive.split_whitespace();
        let off = match words.next() {
            Some("off") => true,
            Some("on") if alone => false,
            _ => {
                return found.note(
                    at,
                    "a lint comment is `# lint: off NAME...` or, alone on its line, `# lint: on NAME...`",
                );
            }
        };
        for name in words {
            if let Some(complaint) = unknown(name) {
                found.note(mark(line, name, at), complaint);
            } else if alone {
                let key = (name.to_owned(), at.file);
                self.ranges.change(key, |lines| lines.push((at.line, off)));
            } else {
                self.lines.insert((name.to_owned(), at.file, at.line));
            }
        }
    }

    /// The check is off everywhere.
    #[must_use]
    pub(super) fn off(&self, check: &str) -> bool {
        self.everywhere.contains(check) || self.everywhere.contains("all")
    }

    /// The check is off at a place.
    #[must_use]
    pub(super) fn silent(&self, check: &str, at: Position) -> bool {
        [check, "all"].into_iter().any(|name| {
            let range = self.ranges.get(&(name.to_owned(), at.file));
            let switched = range.and_then(|lines| {
                let after = lines.partition_point(|(line, _)| *line <= at.line);
                lines.get(after.checked_sub(1)?)
            });
            switched.is_some_and(|(_, off)| *off) || self.lines.contains(&(name.to_owned(), at.file, at.line))
        })
    }
}

/// Whether `lint:` stands in a text. Colons are few: looking for them first is quick.
fn mentioned(text: &[u8]) -> bool {
    let mut pieces = text.split(|byte| *byte == b':');
    let last = pieces.next_back();
    last.is_some() && pieces.any(|before| before.ends_with(b"lint"))
}

/// Where a name stands in its comment.
fn mark(line: &str, name: &str, at: Position) -> Mark {
    let column = line.find(name).unwrap_or(0).saturating_add(1);
    Mark {
        at: Position { column: u16::try_from(column).unwrap_or(u16::MAX), ..at },
        width: u16::try_from(name.len()).unwrap_or(u16::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Silence, Diagnostics) {
        let mut sources = SourceMap::default();
        sources.add("a", text.as_bytes().into());
        let mut found = Diagnostics::new();
        let silence = Silence::read(&[], &sources, &mut found);
        (silence, found)
    }

    fn at(line: u32) -> Position {
        Position { file: 0, line, column: 3 }
    }

    #[test]
    fn alone_until_switched_on_again_and_behind_text_for_its_line() {
        let (silence, found) = read(
            "a\n# lint: off garp-once\nb\n  ! lint: on garp-once\nc \"#\" # lint: off garp-once unicast-self\nd\n",
        );
        assert!(found.is_empty());
        let off: Vec<u32> = (1..=6).filter(|line| silence.silent("garp-once", at(*line))).collect();
        assert_eq!(off, [2, 3, 5]);
        assert!(silence.silent("unicast-self", at(5)) && !silence.silent("unicast-self", at(3)));
    }

    #[test]
    fn all_and_the_option() {
        let (silence, _) = read("# lint: off all\nx\n");
        assert!(silence.silent("garp-once", at(2)));
        let option = Silence { everywhere: ["all".to_owned()].into_iter().collect(), ..Silence::default() };
        assert!(option.off("garp-once"));
    }

    #[test]
    fn a_name_that_no_check_has_is_told_with_the_nearest() {
        let (_, found) = read("x # lint: off garp-onec\n# lint: maybe\n");
        let messages: Vec<&str> = found.iter().map(|one| one.message.as_str()).collect();
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0], "no check is called 'garp-onec'; did you mean garp-once?");
    }
}
