//! Rows of a table as text.

use core::fmt::Write;

use crate::config::row::{Kind, Row, Shown};

/// Every row that has something to show, in the order of the table.
pub(super) fn rows<D, M>(rows_: &'static [Row<D, M>], model: &M, depth: usize, out: &mut String) {
    let indent = "    ".repeat(depth);
    for row in rows_ {
        if let Kind::Block(inner_rows) = row.kind {
            let mut inner = String::new();
            rows(inner_rows, model, depth.saturating_add(1), &mut inner);
            if !inner.is_empty() {
                let _ = write!(out, "{indent}{} {{\n{inner}{indent}}}\n", row.name);
            }
            continue;
        }
        let Some(show) = row.show else { continue };
        let _ = match show(model) {
            Shown::Nothing => Ok(()),
            Shown::Flag => writeln!(out, "{indent}{}", row.name),
            Shown::One(text) => writeln!(out, "{indent}{} {text}", row.name),
            Shown::Each(texts) => {
                texts.iter().try_for_each(|text| writeln!(out, "{indent}{} {text}", row.name))
            }
            Shown::Lines(lines) => list(row.name, &lines, &indent, out),
        };
    }
}

pub(super) fn list(name: &str, lines: &[String], indent: &str, out: &mut String) -> core::fmt::Result {
    writeln!(out, "{indent}{name} {{")?;
    for line in lines {
        writeln!(out, "{indent}    {line}")?;
    }
    writeln!(out, "{indent}}}")
}
