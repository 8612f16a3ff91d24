//! The tables: one row a keyword, one file a block or a theme of a block.
//!
//! Job: which words are legal where, what they take, and which field of the model they write. Uses the row
//! driver (`row`, `keyword`), `value` and `model`. Start with [`top`], the outermost level; [`catalogue`]
//! lists every row without its types, for hints, explanations and counts.

pub mod address;
pub mod bfd;
pub mod global;
pub mod global_read;
mod global_terms;
pub mod group;
pub mod instance;
mod lvs_read;
pub mod network;
pub mod option;
pub mod route;
pub mod rule;
pub mod script;
pub mod services;
pub mod show;
pub mod tls;
pub mod top;
pub mod track;
pub mod track_file;
pub mod track_process;

#[cfg(feature = "tools")]
use super::head::Listed;
use super::row::Row;
#[cfg(feature = "tools")]
use super::row::{Effect, Kind};

/// A row without its types.
#[cfg(feature = "tools")]
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
    /// Braces follow it.
    pub block_follows: bool,
    /// What should be written instead, if there is something.
    pub replaced: Option<&'static str>,
}

/// Every keyword of every block. A row inside a block without effect has none either.
#[cfg(feature = "tools")]
#[must_use]
pub fn catalogue() -> Vec<Known> {
    let mut all = Vec::new();
    list("top", top::ROWS, Effect::Full, &mut all);
    object("global_defs", global::ROWS, &mut all);
    object("vrrp_script", script::ROWS, &mut all);
    object("vrrp_instance", instance::ROWS, &mut all);
    object("vrrp_sync_group", group::ROWS, &mut all);
    object("track_file", track_file::ROWS, &mut all);
    object("vrrp_track_file", track_file::ROWS, &mut all);
    object("vrrp_track_process", track_process::ROWS, &mut all);
    object("track_group", group::TRACK_GROUP, &mut all);
    object("garp_group", network::GARP_GROUP, &mut all);
    object("bfd_instance", bfd::ROWS, &mut all);
    object("SSL", tls::ROWS, &mut all);
    services::catalogue(&mut all);
    all
}

/// The rows of a block of the outermost level.
#[cfg(feature = "tools")]
fn object<D, M>(block: &str, rows: &'static [Row<D, M>], all: &mut Vec<Known>) {
    let outer = top::ROWS.iter().find(|row| row.name == block);
    list(block, rows, outer.map_or(Effect::Full, |row| row.effect), all);
}

#[cfg(feature = "tools")]
fn list<D, M>(block: &str, rows: &'static [Row<D, M>], around: Effect, all: &mut Vec<Known>) {
    for row in rows {
        let effect = match (around, row.effect) {
            (Effect::NoneYet, Effect::Full) => Effect::NoneYet,
            (_, own) => own,
        };
        all.push(Known {
            block: block.to_owned(),
            name: row.name,
            syntax: row.syntax(),
            default: row.default,
            meaning: row.meaning,
            reload: row.reload,
            effect,
            block_follows: row.has_block(),
            replaced: row.replaced.map(Listed::text),
        });
        let inside = match block {
            "top" => row.name.to_owned(),
            block => format!("{block}/{}", row.name),
        };
        for term in (row.terms)() {
            let below = if term.path.is_empty() { "" } else { "/" };
            all.push(Known {
                block: format!("{inside}{below}{}", term.path),
                name: term.name,
                syntax: term.syntax.to_owned(),
                default: term.default,
                meaning: term.meaning,
                reload: row.reload,
                effect,
                block_follows: false,
                replaced: None,
            });
        }
        if let Kind::Block(inner) = row.kind {
            list(&inside, inner, effect, all);
        }
    }
}

fn has<D, M>(rows: &'static [Row<D, M>], word: &str) -> bool {
    rows.iter().any(|row| row.name == word)
}

/// How many rows tables have.
const fn count<D, M>(mut tables: &[&[Row<D, M>]]) -> usize {
    let mut all = 0;
    while let [rows, others @ ..] = tables {
        all += rows.len();
        tables = others;
    }
    all
}

/// The names of all rows of tables.
const fn names<D, M, const N: usize>(mut tables: &[&[Row<D, M>]]) -> [&'static str; N] {
    let mut all = [""; N];
    let mut left: &mut [&'static str] = &mut all;
    while let [rows, others @ ..] = tables {
        let mut rows = *rows;
        while let [row, further @ ..] = rows {
            let Some((name, rest)) = ({ left }).split_first_mut() else { return all };
            *name = row.name;
            (rows, left) = (further, rest);
        }
        tables = others;
    }
    all
}

/// Whether tables that a feature reads have a word; of a feature that is not built only the names are in the program.
macro_rules! known {
    ($feature:ident, $tables:expr, $word:expr) => {
        if $crate::base::feature::$feature.built {
            $tables.iter().any(|rows| $crate::config::rows::has(rows, $word))
        } else {
            static NAMES: [&str; $crate::config::rows::count($tables)] = $crate::config::rows::names($tables);
            NAMES.contains(&$word)
        }
    };
}
use known;

/// Where a word is known, as the end of a sentence.
#[must_use]
pub fn elsewhere(word: &str) -> Option<&'static str> {
    if has(top::ROWS, word) {
        Some("outside any block")
    } else if has(instance::ROWS, word) {
        Some("in vrrp_instance")
    } else if has(global::ROWS, word) {
        Some("in global_defs")
    } else if has(script::ROWS, word) {
        Some("in vrrp_script")
    } else if has(group::ROWS, word) {
        Some("in vrrp_sync_group")
    } else if has(track_file::ROWS, word) {
        Some("in track_file")
    } else if has(track_process::ROWS, word) {
        Some("in vrrp_track_process")
    } else if has(network::GARP_GROUP, word) {
        Some("in garp_group")
    } else if has(instance::AUTHENTICATION, word) {
        Some("in authentication of a vrrp_instance")
    } else if known!(BFD, &[bfd::ROWS], word) {
        Some("in bfd_instance")
    } else if has(instance::hmac::ROWS, word) {
        Some("in auth_hmac of a vrrp_instance")
    } else {
        services::elsewhere(word)
    }
}

#[cfg(test)]
mod tests {
    use super::services::check;
    use super::{Row, count, global, instance, names, script, top};
    use crate::config::model::{At, Daemon, Global};
    use crate::config::row::{Kind, Shown};

    /// Both ends of every range of whole numbers fit their fields: what is set is what is shown.
    fn ends_fit<D: Clone, M>(rows: &'static [Row<D, M>], start: &D, seen: fn(&D) -> &M) {
        for row in rows {
            let (Kind::Integer(number), Some(show)) = (&row.kind, row.show) else {
                continue;
            };
            for end in [i64::from(number.bounds.from), i64::from(number.bounds.to)] {
                let end = number.bounds.raise.map_or(end, |least| end.max(least.into()));
                let mut draft = start.clone();
                (number.set)(&mut draft, end);
                match show(seen(&draft)) {
                    Shown::One(text) => assert_eq!(text, end.to_string(), "{}", row.name),
                    // A default, or a zero that means none.
                    other => assert_eq!(other, Shown::Nothing, "{}", row.name),
                }
            }
        }
    }

    /// A build that lacks a feature sends a keyword to the same block as one that has it.
    #[test]
    fn names_are_those_of_all_tables() {
        static NAMES: [&str; count(check::ROWS)] = names(check::ROWS);
        let rows = check::ROWS.iter().copied().flatten();
        assert!(rows.map(|row| row.name).eq(NAMES));
        let rows = check::TABLES.iter().flat_map(|(_, parts)| parts).copied().flatten();
        for row in rows {
            assert!(NAMES.contains(&row.name), "{}", row.name);
        }
    }

    #[test]
    fn ranges_fit_their_fields() {
        ends_fit(top::ROWS, &Daemon::default(), |daemon| daemon);
        ends_fit(global::ROWS, &Global::default(), |global| global);
        let draft = instance::InstanceDraft::new("A", At::default(), &Global::default());
        for row in instance::ROWS {
            // These three are completed by the rules and have a golden each.
            if !matches!(row.name, "priority" | "garp_lower_prio_delay" | "garp_lower_prio_repeat") {
                ends_fit(core::slice::from_ref(row), &draft, |draft| &draft.instance);
            }
        }
        for row in script::ROWS {
            let Kind::Integer(number) = &row.kind else {
                continue;
            };
            let mut draft = script::ScriptDraft::default();
            (number.set)(&mut draft, number.bounds.to.into());
            let params = &draft.params;
            assert!([params.rise, params.fall].contains(&number.bounds.to));
        }
    }
}
