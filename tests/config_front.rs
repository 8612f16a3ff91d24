//! The front end of the configuration engine on whole files: goldens, another process's view, mutations, growth.
//!
//! Every `tests/goldens/config/front/*.conf` is read and its tree and findings are compared with the `.tree`
//! file beside it; `UPDATE=1` rewrites those. A line `### name` starts a further file, for includes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::rc::Rc;

use keepalived::config::diag::Diagnostics;
use keepalived::config::expand::{self, Options, Parsed};
use keepalived::config::snapshot::Snapshot;
use keepalived::config::source::{Disk, Files, Unusable};
use keepalived::config::tree::{Cursor, Item};
use keepalived::config::wildcard;

/// Files of a golden: the main one and those after `### name`.
struct Memory(BTreeMap<String, Vec<u8>>);

impl Memory {
    fn new(text: &[u8]) -> Self {
        let mut files = BTreeMap::new();
        let mut name = "/etc/main.conf".to_owned();
        let mut bytes = Vec::new();
        for line in text.split_inclusive(|&b| b == b'\n') {
            if let Some(next) = line.strip_prefix(b"### ") {
                let next = String::from_utf8_lossy(next).trim().to_owned();
                files.insert(std::mem::replace(&mut name, next), std::mem::take(&mut bytes));
            } else {
                bytes.extend_from_slice(line);
            }
        }
        files.insert(name, bytes);
        Self(files)
    }
}

impl Files for Memory {
    fn read(&self, path: &str) -> Result<Rc<[u8]>, Unusable> {
        match self.0.get(path) {
            Some(bytes) if bytes.starts_with(b"EXECUTABLE") => Err(Unusable::Kind),
            Some(bytes) if bytes.starts_with(b"HUGE") => Err(Unusable::Size),
            Some(bytes) if bytes.starts_with(b"SECRET") => Err(Unusable::Denied("Permission denied".into())),
            Some(bytes) => Ok(bytes.as_slice().into()),
            None if path == "/etc/dir" => Err(Unusable::Directory),
            None => Err(Unusable::Missing),
        }
    }

    fn matches(&self, pattern: &str) -> Vec<String> {
        let names = self.0.keys().map(String::as_str).chain(["/etc/dir"]);
        names.filter(|name| wildcard::fits(pattern, name)).map(str::to_owned).collect()
    }

    fn directory(&self, path: &str) -> String {
        path.into()
    }

    fn variable(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| "/root".into())
    }
}

fn options() -> Options {
    Options { path: "/etc/main.conf".into(), id: "r1".into(), seed: 1, ..Options::default() }
}

/// The tree as text: a line an item, indented, words in brackets, with places.
fn show(parsed: &Parsed, found: &Diagnostics) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    let cursor: Cursor<'_> = parsed.tree.cursor();
    for item in cursor {
        if matches!(item, Item::Close(_)) {
            depth = depth.saturating_sub(1);
        }
        let (at, text) = match item {
            Item::Line(node) => {
                let mut text = String::new();
                for word in node.words() {
                    let quote = if word.quoted { "\"" } else { "" };
                    write!(text, "[{}:{quote}{}{quote}]", word.at.column, word.text).unwrap();
                }
                (node.at(), text)
            }
            Item::Open(at) => (at, "{".into()),
            Item::Close(at) => (at, "}".into()),
        };
        writeln!(out, "{}:{:3} {}{text}", at.file, at.line, "  ".repeat(depth)).unwrap();
        if matches!(item, Item::Open(_)) {
            depth += 1;
        }
    }
    out.push_str("--\n");
    for diagnostic in found.iter() {
        write!(out, "{:?} {:?} ", diagnostic.severity, diagnostic.class).unwrap();
        diagnostic.explain(&parsed.sources, &mut out).unwrap();
    }
    writeln!(out, "-- test {:?}, daemon {:?}", found.exit_test(), found.exit_daemon()).unwrap();
    out
}

fn goldens() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/config/front");
    let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.extension().is_some_and(|ext| ext == "conf"));
    all.sort();
    assert!(!all.is_empty());
    all
}

#[test]
fn trees_and_findings_are_as_recorded() {
    let mut wrong = Vec::new();
    for path in goldens() {
        let files = Memory::new(&std::fs::read(&path).unwrap());
        let mut found = Diagnostics::new();
        let (parsed, snapshot) = expand::load(&files, &options(), &mut found);
        let shown = show(&parsed, &found);

        // Another process, which sees nothing but the bytes of the snapshot, makes the same of it.
        let snapshot = Snapshot::decode(&snapshot.encode()).unwrap();
        let mut again = Diagnostics::new();
        let replayed = expand::replay(&snapshot, &mut again);
        assert_eq!(show(&replayed, &again), shown, "{}: the snapshot tells another story", path.display());

        let golden = path.with_extension("tree");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&golden, &shown).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != shown {
            wrong.push(format!("{}:\n{shown}", golden.display()));
        }
    }
    assert!(wrong.is_empty(), "not as recorded (UPDATE=1 records anew):\n{}", wrong.join("\n"));
}

#[test]
fn includes_from_a_disk() {
    use std::os::unix::fs::PermissionsExt;
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("config_front_[includes]");
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(root.join("d/sub.conf")).unwrap();
    for (name, text) in [
        ("main.conf", "include d/*.conf\ninclude d/{z,a}.inc\ninclude d/[^a].inc\ninclude ./d/x.sh\n"),
        ("d/b.conf", "in_b $_PWD\n"),
        ("d/a.conf", "in_a\ninclude ../up.conf\n"),
        ("d/.hidden.conf", "hidden\n"),
        ("d/a.inc", "inc_a\n"),
        ("d/z.inc", "inc_z\n"),
        ("d/x.sh", "script\n"),
        ("up.conf", "up\n"),
    ] {
        std::fs::write(root.join(name), text).unwrap();
    }
    std::fs::set_permissions(root.join("d/x.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = root.join("main.conf").to_str().unwrap().to_owned();
    let mut found = Diagnostics::new();
    let (parsed, snapshot) = expand::load(&Disk, &Options { path, ..Options::default() }, &mut found);
    let keywords: Vec<&str> = parsed.tree.nodes().map(|node| node.keyword().text).collect();
    assert_eq!(keywords, ["in_a", "up", "in_b", "inc_a", "inc_z", "inc_z"]);
    let real = std::fs::canonicalize(root.join("d")).unwrap();
    assert_eq!(parsed.tree.nodes().nth(2).unwrap().word(1).unwrap().text, real.to_str().unwrap());
    let told: Vec<String> = found.iter().map(|d| d.message.replace(root.to_str().unwrap(), "")).collect();
    assert_eq!(
        told,
        [
            "Configuration file '/d/sub.conf' is a directory - skipping",
            "Configuration file '/./d/x.sh' is not a regular non-executable file - skipping",
        ]
    );

    // The files are gone; the snapshot still knows.
    std::fs::remove_dir_all(&root).unwrap();
    let mut again = Diagnostics::new();
    let replayed = expand::replay(&Snapshot::decode(&snapshot.encode()).unwrap(), &mut again);
    assert_eq!(show(&replayed, &again), show(&parsed, &found));
}

/// Files of which one says something else each time that it is read.
struct Changing(Memory, std::cell::Cell<u32>);

impl Files for Changing {
    fn read(&self, path: &str) -> Result<Rc<[u8]>, Unusable> {
        if path == "/etc/often.conf" {
            self.1.set(self.1.get() + 1);
            return Ok(format!("read {}\n\"open\n", self.1.get()).into_bytes().into());
        }
        self.0.read(path)
    }

    fn matches(&self, pattern: &str) -> Vec<String> {
        self.0.matches(pattern)
    }

    fn directory(&self, path: &str) -> String {
        self.0.directory(path)
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.0.variable(name)
    }
}

/// As settings that several instances share are: whatever happens to the file meanwhile, all of them get the same.
#[test]
fn a_file_included_twice_counts_twice_and_is_read_once() {
    let text = b"a {\ninclude often.conf\n}\nb {\ninclude often.conf\ninclude deeper.conf\n}\n### \
                 /etc/often.conf\n### /etc/deeper.conf\ninclude often.conf\n";
    let files = Changing(Memory::new(text), std::cell::Cell::new(0));
    let mut found = Diagnostics::new();
    let (parsed, snapshot) = expand::load(&files, &options(), &mut found);
    assert_eq!(files.1.get(), 1, "read once");
    let inside = parsed.tree.nodes().map(|node| node.block().unwrap().nodes());
    let lines: Vec<Vec<_>> = inside
        .map(|nodes| nodes.filter(|node| node.keyword().text == "read").map(|node| node.at()).collect())
        .collect();
    let [a, b] = &*lines else { panic!("{lines:?}") };
    assert_eq!((a.len(), b.len()), (1, 2));
    assert!(b.iter().all(|at| *at == a[0]), "one file, one place: {lines:?}");
    assert_eq!(found.len(), 1, "its mistake is told once");
    assert_eq!(parsed.sources.names().filter(|name| *name == "/etc/often.conf").count(), 1);
    assert_eq!(String::from_utf8_lossy(&snapshot.text()).matches("read 1").count(), 1);
    let mut again = Diagnostics::new();
    let replayed = expand::replay(&Snapshot::decode(&snapshot.encode()).unwrap(), &mut again);
    assert_eq!(show(&replayed, &again), show(&parsed, &found));
}

/// What a golden cannot show: a main file that is a pattern of several.
#[test]
fn a_pattern_as_the_main_file() {
    let path = "/etc/keepalived/*.conf";
    let text = b"### /etc/keepalived/a.conf\na\n### /etc/keepalived/b.conf\nb\n";
    let mut found = Diagnostics::new();
    let (parsed, _) =
        expand::load(&Memory::new(text), &Options { path: path.into(), ..options() }, &mut found);
    let keywords: Vec<&str> = parsed.tree.nodes().map(|node| node.keyword().text).collect();
    assert_eq!(keywords, ["a", "b"]);
    let told: Vec<&str> = found.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(
        told,
        ["WARNING, multiple configuration file matches of /etc/keepalived/*.conf, starting with \
             /etc/keepalived/a.conf"]
    );
}

/// A folder of so many files that a position cannot number them.
struct Many;

impl Files for Many {
    fn read(&self, path: &str) -> Result<Rc<[u8]>, Unusable> {
        let bytes: &[u8] = match path {
            "/etc/main.conf" => b"before\ninclude /many/* \nafter\n",
            "/many/00000" => b"first\n",
            "/many/65534" => b"last\n",
            _ if path.starts_with("/many/") => b"",
            _ => return Err(Unusable::Missing),
        };
        Ok(bytes.into())
    }

    fn matches(&self, pattern: &str) -> Vec<String> {
        let count = if pattern == "/many/*" { 65_538 } else { 0 };
        (0..count).map(|number| format!("/many/{number:05}")).collect()
    }

    fn directory(&self, path: &str) -> String {
        path.into()
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

#[test]
fn more_files_than_can_be_numbered() {
    let mut found = Diagnostics::new();
    let (parsed, _) = expand::load(&Many, &options(), &mut found);
    let shown = show(&parsed, &found);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/config/too_many_files.tree");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&golden, &shown).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&golden).unwrap_or_default(), shown);
}

/// xorshift64*, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(value).unwrap() % most.max(1)
    }
}

/// Reads, walks everything that can be asked, and returns how many lines there were.
fn exercise(text: &[u8]) -> usize {
    let mut found = Diagnostics::new();
    let (parsed, _) = expand::load(&Memory::new(text), &options(), &mut found);
    let mut lines = 0;
    let mut todo: Vec<_> = parsed.tree.nodes().collect();
    while let Some(node) = todo.pop() {
        lines += node.words().count();
        let _ = (node.keyword(), node.rest(), node.script_words(), node.kind());
        todo.extend(node.block().into_iter().flat_map(|block| block.nodes()));
    }
    let mut cursor = parsed.tree.cursor();
    while cursor.skip_block().is_some() || cursor.next().is_some() {}
    let mut out = String::new();
    found.write(&parsed.sources, true, &mut out).unwrap();
    lines
}

#[test]
fn mutated_files_never_panic() {
    const PIECES: [&[u8]; 24] = [
        b"{",
        b"}",
        b"\"",
        b"'",
        b"\\",
        b"\n",
        b"\0",
        b"\xff",
        b"$",
        b"${",
        b"~SEQ(a,9)",
        b"~LST(a,b,c)",
        b"#",
        b"!",
        b"@r1 ",
        b"include main.conf\n",
        b"$A=\\\n",
        b"$A",
        b"${A}",
        b" ",
        b"\\#",
        b"\xc3",
        b"=",
        b",",
    ];
    let seeds: Vec<Vec<u8>> = goldens().iter().map(|path| std::fs::read(path).unwrap()).collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..40_000 {
        let mut text = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(6) {
            let at = random.below(text.len() + 1);
            match random.below(4) {
                0 => text.truncate(at),
                1 => drop(text.splice(at..(at + random.below(9)).min(text.len()), [])),
                2 if at < text.len() => text[at] = u8::try_from(random.below(256)).unwrap(),
                _ => drop(text.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
            }
        }
        exercise(&text);
    }
}

#[test]
fn sixty_five_thousand_instances_from_a_sequence() {
    let text = "$BODY=vrrp_instance V_$i {\\\n interface eth0\\\n virtual_router_id $v\\\n virtual_ipaddress {\\\n \
                10.${a}.0.1\\\n }\\\n }\n~SEQ(a,0,254) ~SEQ(v,1,255) ~LST(i,${a}_${v}) $BODY\n";
    let mut found = Diagnostics::new();
    let parsed = expand::parse_text(text, &mut found);
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(parsed.tree.nodes().count(), 255 * 255);
    let last = parsed.tree.nodes().last().unwrap();
    assert_eq!(last.word(1).unwrap().text, "V_254_255");
    let addresses = last.block().unwrap().nodes().nth(2).unwrap().block().unwrap();
    assert_eq!(addresses.nodes().next().unwrap().keyword().text, "10.254.0.1");
}
