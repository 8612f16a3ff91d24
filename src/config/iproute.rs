//! Names that iproute2's tables give to numbers: routing tables, scopes, origins, realms, interface groups.
//!
//! A table is `<folder>/<table>` and `<folder>/<table>.d/*.conf`, one `<number> <name>` a line, decimal or
//! `0x` hex; `#` begins a comment. The vendor's folder comes first, then the machine's own, whose lines win.
//! The files are read with the configuration, so that the snapshot carries them to every process.

use super::source::Files;
use crate::base::map::Map;

/// Where the vendor's tables are, if `iproute_usr_dir` does not say: iproute2 moved them once.
const VENDOR: [&str; 2] = ["/usr/lib/iproute2", "/usr/share/iproute2"];
/// Where the machine's own are, if `iproute_etc_dir` does not say.
const OWN: &str = "/etc/iproute2";

/// One table: names and their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(Map<String, u32>);

/// All tables that the configuration language uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// `rt_tables`: routing tables.
    pub tables: Table,
    /// `rt_protos`: origins of routes.
    pub origins: Table,
    /// `rt_scopes`: scopes.
    pub scopes: Table,
    /// `rt_dsfield`: values of the type of service.
    pub services: Table,
    /// `rt_realms`: realms.
    pub realms: Table,
    /// `group`: groups of interfaces.
    pub groups: Table,
}

impl Tables {
    /// Reads the tables of the folders that the configuration names, `vendor` and `own`, or of the standard ones.
    pub(super) fn read(files: &dyn Files, vendor: Option<&str>, own: Option<&str>) -> Self {
        let standard = if vendor.is_some() { &[][..] } else { &VENDOR };
        let own = own.unwrap_or(OWN);
        let folders: Vec<&str> = vendor.into_iter().chain(standard.iter().copied()).chain([own]).collect();
        Self::of(files, &folders)
    }

    /// What the kernel fixes: for a configuration in which no names are used.
    pub(super) fn fixed(files: &dyn Files) -> Self {
        Self::of(files, &[])
    }

    fn of(files: &dyn Files, folders: &[&str]) -> Self {
        let table = |name: &str, known: &[(&str, u32)]| {
            let mut table = Table::default();
            for (name, number) in known {
                table.0.insert((*name).to_owned(), *number);
            }
            // What the kernel fixes keeps its number: FRR's file names another origin "static", too.
            let fixed = table.0.clone();
            for folder in folders {
                let whole = format!("{folder}/{name}");
                let parts = files.matches(&format!("{whole}.d/*.conf"));
                for file in core::iter::once(whole).chain(parts) {
                    if let Ok(bytes) = files.read(&file) {
                        table.add(&String::from_utf8_lossy(&bytes));
                    }
                }
            }
            table.0.extend(fixed);
            table
        };
        Self {
            tables: table("rt_tables", &[("default", 253), ("main", 254), ("local", 255)]),
            origins: table("rt_protos", &[("kernel", 2), ("boot", 3), ("static", 4), ("keepalived", 18)]),
            scopes: table(
                "rt_scopes",
                &[("global", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)],
            ),
            services: table("rt_dsfield", &[]),
            realms: table("rt_realms", &[]),
            groups: table("group", &[("default", 0)]),
        }
    }
}

impl Table {
    fn add(&mut self, text: &str) {
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or("");
            let mut words = line.split_ascii_whitespace();
            let (Some(number), Some(name)) = (words.next(), words.next()) else {
                continue;
            };
            if let Some(number) = number_of(number).and_then(|number| u32::try_from(number).ok()) {
                self.0.insert(name.to_owned(), number);
            }
        }
    }

    /// The number of a name, or the number that the word is, if it is at most `most`.
    #[must_use]
    pub fn number(&self, word: &str, most: u32) -> Option<u32> {
        let known = self.0.get(word).copied();
        known
            .or_else(|| number_of(word).and_then(|number| u32::try_from(number).ok()))
            .filter(|number| *number <= most)
    }

    /// Every name, for suggestions.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.keys().map(String::as_str)
    }
}

/// A number without sign: decimal, `0x` hex, or octal with a leading zero.
#[must_use]
pub fn number_of(word: &str) -> Option<u64> {
    let (digits, radix) =
        match (word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")), word.strip_prefix('0')) {
            (Some(hex), _) => (hex, 16),
            (None, Some(octal)) if !octal.is_empty() => (octal, 8),
            _ => (word, 10),
        };
    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diag::Diagnostics;
    use crate::config::expand::{Options, load, replay};
    use crate::config::source::Unusable;
    use std::rc::Rc;

    struct Disk;

    impl Files for Disk {
        fn read(&self, path: &str) -> Result<Rc<[u8]>, Unusable> {
            let text: &[u8] = match path {
                "k.conf" => b"global_defs {\n iproute_etc_dir /own\n}\n",
                "/usr/share/iproute2/rt_tables" => b"# comment\n100 red\n0x65\tblue # why\nx y\n7\n",
                "/own/rt_tables" => b"200 red\n196 main\n",
                "/own/rt_tables.d/a.conf" => b"300 green\n",
                "/etc/iproute2/rt_tables" => b"1 nobody\n",
                _ => return Err(Unusable::Missing),
            };
            Ok(text.into())
        }

        fn matches(&self, pattern: &str) -> Vec<String> {
            if pattern == "/own/rt_tables.d/*.conf" {
                vec!["/own/rt_tables.d/a.conf".into()]
            } else {
                Vec::new()
            }
        }

        fn directory(&self, path: &str) -> String {
            path.into()
        }

        fn variable(&self, _: &str) -> Option<String> {
            None
        }
    }

    #[test]
    fn own_tables_win_and_the_snapshot_has_them() {
        let options = Options { path: "k.conf".into(), ..Options::default() };
        let mut found = Diagnostics::new();
        let (parsed, snapshot) = load(&Disk, &options, &mut found);
        let tables = &parsed.tree.names().tables;
        let number = |word: &str| tables.number(word, u32::MAX);
        assert_eq!(number("red"), Some(200));
        assert_eq!(number("blue"), Some(0x65));
        assert_eq!(number("green"), Some(300));
        assert_eq!(number("main"), Some(254));
        assert_eq!(number("nobody"), None);
        assert_eq!(number("y"), None);
        assert_eq!(number("4294967296"), None);
        assert_eq!(tables.number("300", 255), None);
        let again = replay(&snapshot, &mut found);
        assert_eq!(again.tree.names(), parsed.tree.names());
    }

    #[test]
    fn numbers() {
        assert_eq!(number_of("10"), Some(10));
        assert_eq!(number_of("0x1F"), Some(31));
        assert_eq!(number_of("010"), Some(8));
        assert_eq!(number_of("0"), Some(0));
        assert_eq!(number_of("09"), None);
        assert_eq!(number_of("+1"), None);
        assert_eq!(number_of(""), None);
        assert_eq!(number_of("0x"), None);
        assert_eq!(number_of("99999999999999999999"), None);
    }
}
