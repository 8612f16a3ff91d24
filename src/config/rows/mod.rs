//! The tables: one row a keyword, one file a block or a theme of a block.
//!
//! Job: which words are legal where, what they take, and which field of the model they write. Uses the row
//! driver (`row`, `keyword`), `value` and `model`. Start with [`top`], the outermost level; [`catalogue`]
//! lists every row without its types, for hints, explanations and counts.

pub mod address;
pub mod global;
pub mod global_read;
pub mod instance;
pub mod instance_read;
pub mod lists;
pub mod script;
pub mod show;
pub mod top;
pub mod vmac;

use super::row::{Effect, Kind, Row};

/// A row without its types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The block it stands in: `top`, `global_defs`, `vrrp_instance/authentication`.
    pub block: String,
    /// The keyword.
    pub name: &'static str,
    /// Its arguments with unit and range.
    pub syntax: String,
    /// What holds without it.
    pub default: &'static str,
    /// One sentence.
    pub meaning: &'static str,
    /// A reload applies a change.
    pub reload: bool,
    /// Whether it has an effect.
    pub effect: Effect,
}

/// Every keyword of every block.
#[must_use]
pub fn catalogue() -> Vec<Known> {
    let mut all = Vec::new();
    list("top", top::ROWS, &mut all);
    list("global_defs", global::ROWS, &mut all);
    list("vrrp_script", script::ROWS, &mut all);
    list("vrrp_instance", instance::ROWS, &mut all);
    all
}

fn list<D, M>(block: &str, rows: &'static [Row<D, M>], all: &mut Vec<Known>) {
    for row in rows {
        all.push(Known {
            block: block.to_owned(),
            name: row.name,
            syntax: row.syntax(),
            default: row.default,
            meaning: row.meaning,
            reload: row.reload,
            effect: row.effect,
        });
        if let Kind::Block(inner) = row.kind {
            list(&format!("{block}/{}", row.name), inner, all);
        }
    }
}

/// The block where a word is known.
#[must_use]
pub fn elsewhere(word: &str) -> Option<&'static str> {
    fn has<D, M>(rows: &'static [Row<D, M>], word: &str) -> bool {
        rows.iter().any(|row| row.name == word)
    }
    if has(top::ROWS, word) {
        Some("the outermost level")
    } else if has(instance::ROWS, word) {
        Some("vrrp_instance")
    } else if has(global::ROWS, word) {
        Some("global_defs")
    } else if has(script::ROWS, word) {
        Some("vrrp_script")
    } else if has(instance::AUTHENTICATION, word) {
        Some("authentication of vrrp_instance")
    } else {
        None
    }
}
