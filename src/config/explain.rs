//! The reference on the device: what the rows know about a keyword, a block, or everything.
//!
//! Nothing is written twice: syntax, unit, range, default, meaning, effect and reload come from the rows, the
//! checks from the table of [`super::lint`].

use crate::base::map::{Map, Set};
use core::fmt::Write;

use super::lint;
use super::nearest::nearest;
use super::row::Effect;
use super::rows::{Known, catalogue};

/// The answer to `--explain`, or why there is none, with the nearest known word.
///
/// Without a word: the blocks. With one: every keyword of this name, the content of every block of this name or
/// path, the check of this name; `lint`: all checks.
///
/// # Errors
/// The word is not known; the text says so.
pub fn explain(word: Option<&str>) -> Result<String, String> {
    let rows = catalogue();
    let Some(word) = word else {
        return Ok(overview(&rows));
    };
    let mut out = String::new();
    for alike in meanings(word, &rows) {
        gap(&mut out);
        keyword(&alike, &rows, &mut out);
    }
    for block in blocks(&rows) {
        if block == word || block.rsplit('/').next() == Some(word) {
            gap(&mut out);
            content(&block, &rows, &mut out);
        }
    }
    if word == "lint" {
        checks(&mut out);
    }
    if let Some(check) = lint::CHECKS.iter().find(|check| check.name == word) {
        gap(&mut out);
        one_check(check, &mut out);
    }
    if out.is_empty() { Err(unknown(word, &rows)) } else { Ok(out) }
}

/// The whole reference as Markdown: one section a block, then the checks.
#[must_use]
pub fn reference() -> String {
    let rows = catalogue();
    let mut out = String::from(
        "# keepalived.conf\n\nEvery keyword of every block: its arguments with unit and range, what holds without it, what it \
         does.\n",
    );
    for block in blocks(&rows) {
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "\n## {}\n\n| keyword | takes | default | what it does |\n|---|---|---|---|\n",
            title(&block)
        );
        for row in rows.iter().filter(|row| row.block == block) {
            let remarks: String = remarks(row).iter().map(|remark| format!(" {remark}")).collect();
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {}.{remarks} |",
                row.name,
                cell(&row.syntax),
                cell(&default(row, &rows)),
                cell(row.meaning),
            );
        }
    }
    out.push_str("\n## Checks of -t\n\n| name | what will happen | remedy |\n|---|---|---|\n");
    for check in lint::CHECKS {
        let _ = writeln!(out, "| `{}` | {} | {} |", check.name, cell(check.meaning), cell(check.remedy));
    }
    out
}

/// Blocks in the order of the tables.
fn blocks(rows: &[Known]) -> Vec<String> {
    let mut seen = Set::new();
    rows.iter().filter(|row| seen.insert(row.block.as_str())).map(|row| row.block.clone()).collect()
}

fn title(block: &str) -> &str {
    if block == "top" { "outside any block (top)" } else { block }
}

fn overview(rows: &[Known]) -> String {
    let mut counts: Map<&str, (usize, usize)> = Map::new();
    let mut total = (0_usize, 0_usize);
    for row in rows {
        let without = usize::from(row.effect == Effect::NoneYet);
        counts.change(row.block.as_str(), |count| {
            *count = (count.0.saturating_add(1), count.1.saturating_add(without));
        });
        total = (total.0.saturating_add(1), total.1.saturating_add(without));
    }
    let names = blocks(rows);
    let width = names.iter().map(|name| title(name).len()).max().unwrap_or(0);
    let mut out = format!("{:width$}  keywords  without effect yet\n", "block");
    for name in &names {
        let (all, without) = counts.get(name.as_str()).copied().unwrap_or_default();
        line(&mut out, title(name), width, all, without);
    }
    line(&mut out, "all", width, total.0, total.1);
    out.push_str(
        "\nkeepalived --explain WORD     explains a keyword, lists a block, or explains a check of -t\n\
         keepalived --explain lint     lists the checks of -t\n\
         keepalived --explain --all    prints the whole reference as Markdown\n",
    );
    out
}

fn line(out: &mut String, name: &str, width: usize, all: usize, without: usize) {
    let without = if without == 0 { "-".to_owned() } else { without.to_string() };
    let _ = writeln!(out, "{name:width$}  {all:>8}  {without:>18}");
}

/// The rows of a name, those that say the same together; first what has an effect, and what is not deep in blocks.
fn meanings<'a>(name: &str, rows: &'a [Known]) -> Vec<Vec<&'a Known>> {
    let mut named: Vec<&Known> = rows.iter().filter(|row| row.name == name).collect();
    named.sort_by_key(|row| (row.effect != Effect::Full, row.block.matches('/').count()));
    let mut all: Vec<Vec<&Known>> = Vec::new();
    for row in named {
        let says = |other: &Known| {
            let texts = (other.syntax == row.syntax, other.meaning == row.meaning);
            let rest = (other.default, other.reload, other.effect, other.replaced);
            texts == (true, true) && rest == (row.default, row.reload, row.effect, row.replaced)
        };
        match all.iter_mut().find(|alike| alike.first().is_some_and(|other| says(other))) {
            Some(alike) => alike.push(row),
            None => all.push(vec![row]),
        }
    }
    all
}

/// Everything about one keyword, in all blocks in which it means the same.
fn keyword(alike: &[&Known], rows: &[Known], out: &mut String) {
    let Some(row) = alike.first() else { return };
    let _ = writeln!(out, "{}{}", row.name, spaced(&row.syntax));
    let places: Vec<&str> = alike.iter().map(|row| row.block.as_str()).collect();
    let place = if places == ["top"] {
        "Stands outside any block.".to_owned()
    } else {
        format!("Stands in {}.", places.join(", "))
    };
    let _ = writeln!(out, "    {}. {place}", row.meaning);
    if !row.block_follows || row.default != "none" {
        let _ = writeln!(out, "    Default: {}.", default(row, rows));
    }
    for remark in remarks(row) {
        let _ = writeln!(out, "    {remark}");
    }
}

/// The keywords of one block, one line each.
fn content(block: &str, rows: &[Known], out: &mut String) {
    let inside: Vec<&Known> = rows.iter().filter(|row| row.block == block).collect();
    let without = inside.iter().filter(|row| row.effect == Effect::NoneYet).count();
    let _ = write!(out, "{}: {} keywords", title(block), inside.len());
    if without > 0 {
        let _ = write!(out, ", {without} without effect yet (marked -)");
    }
    out.push('\n');
    for row in inside {
        let mark = if row.effect == Effect::NoneYet { '-' } else { ' ' };
        let _ = writeln!(out, "  {mark} {}{}", row.name, spaced(&row.syntax));
        let _ = writeln!(out, "        {}", row.meaning);
    }
}

/// What else is to be known of a keyword.
fn remarks(row: &Known) -> Vec<String> {
    let mut all = Vec::new();
    match row.effect {
        Effect::Full => {}
        Effect::NoneYet => {
            all.push("It is read and checked, but has no effect yet in this version.".to_owned())
        }
        Effect::Lacking(place) => all.push(format!("{}.", place.feature().lacking("It"))),
        Effect::Never => all.push("It is accepted and has no effect, as in keepalived.".to_owned()),
    }
    if let Some(by) = row.replaced {
        all.push(format!("Write {by} instead."));
    }
    if !row.reload && row.effect != Effect::Never {
        all.push("A reload does not apply a change; restart for it.".to_owned());
    } else if row.effect == Effect::Full && !row.block_follows {
        all.push("A reload applies a change.".to_owned());
    }
    all
}

/// The default, and behind the keywords of `global_defs` that it is taken from, theirs.
fn default(row: &Known, rows: &[Known]) -> String {
    if row.block == "global_defs" {
        return row.default.to_owned();
    }
    let mut out = row.default.to_owned();
    let words: Set<&str> = row.default.split(|ch: char| !ch.is_alphanumeric() && ch != '_').collect();
    let globals: Vec<&Known> =
        rows.iter().filter(|global| global.block == "global_defs" && words.contains(global.name)).collect();
    for global in globals {
        if global.name == row.default {
            return format!("that of {} in global_defs, else {}", global.name, global.default);
        }
        let _ = write!(out, "; {} in global_defs is {} by default", global.name, global.default);
    }
    out
}

/// The table of checks.
fn checks(out: &mut String) {
    let _ = writeln!(
        out,
        "{} checks of -t for what is legal and will surprise. They never change the exit code.\n\
         Silence one with the comment `# lint: off NAME` (alone on a line: from there on, until `# lint: on NAME`;\n\
         behind other text: for that line), or with --lint-off=NAME for the whole configuration.\n",
        lint::CHECKS.len()
    );
    let width = lint::CHECKS.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in lint::CHECKS {
        let _ = writeln!(out, "{:width$}  {}", check.name, check.meaning);
    }
}

fn one_check(check: &lint::Check, out: &mut String) {
    let _ = writeln!(
        out,
        "[{}] a check of -t\n    {}.\n    Remedy: {}.\n    Silence it with `# lint: off {}` in the file or --lint-off={}.",
        check.name, check.meaning, check.remedy, check.name, check.name
    );
}

/// Why there is no answer.
fn unknown(word: &str, rows: &[Known]) -> String {
    let known = rows.iter().map(|row| row.name).chain(lint::CHECKS.iter().map(|check| check.name));
    match nearest(word, known) {
        Some(near) => format!("no keyword, block or check is called '{word}'; did you mean {near}?\n"),
        None => {
            format!("no keyword, block or check is called '{word}'; keepalived --explain lists the blocks\n")
        }
    }
}

fn gap(out: &mut String) {
    if !out.is_empty() {
        out.push('\n');
    }
}

fn spaced(syntax: &str) -> String {
    if syntax.is_empty() { String::new() } else { format!(" {syntax}") }
}

/// Text in a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_with_its_inherited_default() {
        let text = explain(Some("garp_master_delay")).unwrap();
        assert_eq!(
            text,
            "garp_master_delay <seconds 0..4294>\n    From the first burst to the second; 0: no second one. Stands in \
             vrrp_instance.\n    Default: that of vrrp_garp_master_delay in global_defs, else 5.\n    A \
             reload applies a change.\n"
        );
    }

    #[test]
    fn every_keyword_block_and_check_is_explained_and_in_the_reference() {
        let all = reference();
        for row in catalogue() {
            let text = explain(Some(row.name)).unwrap();
            assert!(text.contains(row.meaning), "{}", row.name);
            assert!(all.contains(&format!("| `{}` |", row.name)), "{}", row.name);
        }
        for block in blocks(&catalogue()) {
            assert!(explain(Some(&block)).is_ok(), "{block}");
        }
        for check in lint::CHECKS {
            assert!(explain(Some(check.name)).unwrap().contains(check.remedy));
        }
    }

    #[test]
    fn the_counts_are_those_of_the_rows() {
        let without = catalogue().iter().filter(|row| row.effect == Effect::NoneYet).count();
        let text = explain(None).unwrap();
        let all = text.lines().find(|line| line.starts_with("all ")).unwrap();
        assert_eq!(all.split_whitespace().last().unwrap().replace('-', "0"), without.to_string());
    }

    #[test]
    fn an_unknown_word_leads_to_the_nearest() {
        assert!(explain(Some("priorty")).unwrap_err().ends_with("did you mean priority?\n"));
        assert!(explain(Some("zzzzzzzzz")).unwrap_err().contains("--explain lists the blocks"));
    }
}
