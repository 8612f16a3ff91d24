//! What a reload changes, block by block, in the language of the configuration.

use std::fmt::Write;

use crate::base::map::{Map, Set};

/// Lines that are told; of more it is said how many.
const MOST: usize = 100;

/// What differs between two configurations as they are printed, one line each:
///
/// ```text
/// vrrp_instance VI_1 {
///   -     priority 100
///   +     priority 120
/// + virtual_server 10.0.0.1 80 {
/// ```
pub(super) fn difference(before: &str, after: &str) -> String {
    let (old, new) = (blocks(before), blocks(after));
    let (old_heads, new_heads) = (by_head(&old), by_head(&new));
    let mut found = Differences::default();
    for block in old.iter().filter(|block| !new_heads.contains_key(&block.head)) {
        found.line("- ", block.shown());
    }
    for block in &new {
        let Some(earlier) = old_heads.get(&block.head).and_then(|at| old.get(*at)) else {
            found.line("+ ", block.shown());
            continue;
        };
        if earlier.lines == block.lines {
            continue;
        }
        found.line("", block.shown());
        let before = found.count;
        found.missing("  - ", earlier, block);
        found.missing("  + ", block, earlier);
        if found.count == before {
            found.line("  ", "(in another order)");
        }
    }
    match found.count.saturating_sub(MOST) {
        0 if found.count == 0 => "Nothing is different.\n".to_owned(),
        0 => found.text,
        more => found.text + &format!("and {more} more lines\n"),
    }
}

/// The lines of a difference.
#[derive(Default)]
struct Differences {
    text: String,
    /// Its lines, and those for which there is no room.
    count: usize,
}

impl Differences {
    fn line(&mut self, mark: &str, line: &str) {
        if self.count < MOST {
            // Writing to a String does not fail.
            let _ = writeln!(self.text, "{mark}{line}");
        }
        self.count = self.count.saturating_add(1);
    }

    /// The lines of a block that another one does not have.
    fn missing(&mut self, mark: &str, block: &Block<'_>, other: &Block<'_>) {
        let there: Set<String> = other.lines.iter().map(|line| (*line).to_owned()).collect();
        for line in block.lines.iter().filter(|line| !there.contains(**line)) {
            self.line(mark, line);
        }
    }
}

fn by_head(blocks: &[Block<'_>]) -> Map<String, usize> {
    blocks.iter().zip(0..).map(|(block, at)| (block.head.clone(), at)).collect()
}

/// A block of the outermost level.
struct Block<'a> {
    /// Its first line, and which of several that are alike it is.
    head: String,
    lines: Vec<&'a str>,
}

impl Block<'_> {
    fn shown(&self) -> &str {
        self.head.split('\0').next().unwrap_or_default()
    }
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut all: Vec<Block<'_>> = Vec::new();
    let mut alike: Map<String, usize> = Map::new();
    for line in text.lines().filter(|line| !line.is_empty() && *line != "}") {
        if line.starts_with([' ', '\t'])
            && let Some(block) = all.last_mut()
        {
            block.lines.push(line);
            continue;
        }
        let count = alike.get(line).map_or(0, |count| count.saturating_add(1));
        alike.insert(line.to_owned(), count);
        all.push(Block { head: format!("{line}\0{count}"), lines: Vec::new() });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_what_went_and_what_is_another_value_is_told() {
        let before = "global_defs {\n    router_id a\n}\n\nvrrp_instance A {\n    priority 100\n    state BACKUP\n}\n\
                      vrrp_instance B {\n    priority 1\n}\n";
        let after = "global_defs {\n    router_id a\n}\n\nvrrp_instance A {\n    priority 120\n    state BACKUP\n}\n\
                     vrrp_instance C {\n    priority 1\n}\n";
        assert_eq!(
            difference(before, after),
            "- vrrp_instance B {\nvrrp_instance A {\n  -     priority 100\n  +     priority 120\n+ vrrp_instance C {\n"
        );
        assert_eq!(difference(before, before), "Nothing is different.\n");
        let turned = "vrrp_instance A {\n    state BACKUP\n    priority 100\n}\n";
        let straight = "vrrp_instance A {\n    priority 100\n    state BACKUP\n}\n";
        assert_eq!(difference(straight, turned), "vrrp_instance A {\n  (in another order)\n");
        let many: String = (0..200).map(|number| format!("b {number} {{\n}}\n")).collect();
        assert!(difference("", &many).ends_with("and 100 more lines\n"));
    }
}
