//! From files to a tree: the order in which a line is looked at.
//!
//! ```text
//! file ── comment, blanks ──┐
//! round of a sequence ──────┼─ @id ─ $NAME= ─ ~SEQ ─ $NAME ─ comment ─ include ─ braces ── tree
//! line of a value ──────────┤                                                       │
//! rest of the line ─────────┴───────────────────────────────────────────────────────┘
//! ```
//!
//! What is being read stands on a stack of frames: an include, a sequence and a value of several lines each
//! push one. Work is bounded: every text taken costs its length, every parameter a little, and a budget of
//! [`limit::CONFIG_LINES`] lines and [`limit::CONFIG_OCTETS`] octets ends what would not end by itself.

mod files;
mod line;
mod stack;

use std::rc::Rc;
use std::vec;

use crate::base::limit;

use super::diag::{Class, Diagnostic, Diagnostics, Severity};
use super::grow::{Full, Grower};
use super::include::{self, Checks};
use super::iproute::Tables;
use super::parameter::{Parameters, Random};
use super::snapshot::{Recorder, Snapshot};
pub use super::source::Options;
use super::source::{Files, SourceMap, Unusable};
use super::text::Text;
use super::tree::{NodeKind, Position, Tree};
use files::reason;
use stack::Frame;

/// A configuration, read and expanded.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// Its lines and blocks.
    pub tree: Tree,
    /// Where they came from.
    pub sources: SourceMap,
}

/// Reads a configuration, and keeps all that was read for another process.
///
/// A main file that is missing or of no use is told in class [`Class::NoFile`].
pub fn load(files: &dyn Files, options: &Options, found: &mut Diagnostics) -> (Parsed, Snapshot) {
    load_from(files, options, Snapshot::new(options), found)
}

/// The same with what is kept so far: none of that is asked for again.
pub fn load_from(
    files: &dyn Files,
    options: &Options,
    kept: Snapshot,
    found: &mut Diagnostics,
) -> (Parsed, Snapshot) {
    let recorder = Recorder::new(files, kept);
    let parsed = expand(&recorder, options, BUDGET, found);
    (parsed, recorder.finish())
}

/// What [`load`] keeps of a configuration that is nothing but its main file, which is only read.
#[must_use]
pub fn main_file(files: &dyn Files, options: &Options) -> Snapshot {
    let recorder = Recorder::new(files, Snapshot::new(options));
    // If it cannot be read that is kept, too.
    let _ = recorder.read(&options.path);
    recorder.finish()
}

/// Reads a configuration again from what was kept.
pub fn replay(snapshot: &Snapshot, found: &mut Diagnostics) -> Parsed {
    expand(snapshot, snapshot.options(), BUDGET, found)
}

/// Reads a configuration that is one text named `configuration`, without a disk: includes find nothing.
pub fn parse_text(text: &str, found: &mut Diagnostics) -> Parsed {
    let options = Options { path: "configuration".into(), id: "localhost".into(), ..Options::default() };
    expand(&OneText(text), &options, BUDGET, found)
}

/// A configuration that is being read again in slices, for a caller that has other work to do in between.
pub struct Replay(State);

impl Replay {
    /// Nothing has been read yet.
    #[must_use]
    pub fn new(snapshot: &Snapshot, found: &mut Diagnostics) -> Self {
        Self(State::new(snapshot, snapshot.options(), BUDGET, found))
    }

    /// Reads some hundred lines. False: everything has been read.
    pub fn advance(&mut self, snapshot: &Snapshot, found: &mut Diagnostics) -> bool {
        let mut expander =
            Expander { files: snapshot, options: snapshot.options(), found, state: &mut self.0 };
        expander.advance()
    }

    /// What was read.
    #[must_use]
    pub fn finish(self, snapshot: &Snapshot, found: &mut Diagnostics) -> Parsed {
        self.0.finish(snapshot, found)
    }
}

struct OneText<'a>(&'a str);

impl Files for OneText<'_> {
    fn read(&self, path: &str) -> Result<Rc<[u8]>, Unusable> {
        if path == "configuration" { Ok(self.0.as_bytes().into()) } else { Err(Unusable::Missing) }
    }

    fn matches(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn directory(&self, path: &str) -> String {
        path.into()
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

/// How much work a configuration may make.
#[derive(Clone, Copy, Debug)]
struct Budget {
    lines: usize,
    octets: usize,
}

const BUDGET: Budget = Budget { lines: limit::CONFIG_LINES, octets: limit::CONFIG_OCTETS };

/// Lines of a slice: about 0.05 ms.
const LINES_A_SLICE: usize = 256;

fn expand(files: &dyn Files, options: &Options, budget: Budget, found: &mut Diagnostics) -> Parsed {
    let mut state = State::new(files, options, budget, found);
    while (Expander { files, options, found, state: &mut state }).advance() {}
    state.finish(files, found)
}

/// The folders of iproute2's tables that `global_defs` names, the vendor's and the machine's own.
fn iproute_folders(tree: &Tree) -> (Option<&str>, Option<&str>) {
    let (mut vendor, mut own) = (None, None);
    for node in tree.nodes() {
        let NodeKind::Line = node.kind() else { continue };
        if node.keyword().text != "global_defs" {
            continue;
        }
        for line in node.block().into_iter().flat_map(|block| block.nodes()) {
            let NodeKind::Line = line.kind() else { continue };
            let Some(folder) = line.word(1) else { continue };
            match line.keyword().text {
                "iproute_usr_dir" => vendor = Some(folder.text),
                "iproute_etc_dir" => own = Some(folder.text),
                _ => {}
            }
        }
    }
    (vendor, own)
}

/// Whether names of iproute2's tables may stand in a configuration: those of virtual servers alone have none, and are read
/// sooner without the files.
fn may_use_names(tree: &Tree) -> bool {
    let without = ["global_defs", "virtual_server", "virtual_server_group"];
    let mut lines = tree.nodes().filter(|node| matches!(node.kind(), NodeKind::Line));
    lines.any(|line| !without.contains(&line.keyword().text))
}

/// Reads a slice of a configuration.
struct Expander<'a> {
    files: &'a dyn Files,
    options: &'a Options,
    found: &'a mut Diagnostics,
    state: &'a mut State,
}

/// How far reading has come.
struct State {
    sources: SourceMap,
    parameters: Parameters,
    random: Random,
    frames: Vec<Frame>,
    /// The directories of the files being read, innermost last.
    directories: Vec<String>,
    checks: Checks,
    grower: Grower,
    budget: Budget,
    /// Texts taken so far.
    lines: usize,
    /// Their octets so far, and what parameters cost.
    octets: usize,
    /// Texts taken in this slice.
    slice: usize,
    main: MainFiles,
}

/// The main files: usually one, several if the path is a pattern.
#[derive(Default)]
struct MainFiles {
    /// Those that are still to be read.
    names: vec::IntoIter<String>,
    /// One of them has been read.
    used: bool,
    /// One of them exists and cannot be opened.
    denied: bool,
    /// What is told of those that cannot be used.
    unused: Vec<String>,
}

/// Why there is no next text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All that stood on the stack has been read.
    Text,
    /// The slice is over.
    Slice,
}

/// Reading ends here: the budget is spent or the tree is full.
struct Stop;

impl From<Full> for Stop {
    fn from(_: Full) -> Self {
        Self
    }
}

impl State {
    fn new(files: &dyn Files, options: &Options, budget: Budget, found: &mut Diagnostics) -> Self {
        let mut state = Self {
            sources: SourceMap::default(),
            parameters: Parameters::default(),
            random: Random::new(options.seed),
            frames: Vec::new(),
            directories: Vec::new(),
            checks: if options.every_file { Checks::ALL } else { Checks::default() },
            grower: Grower::default(),
            budget,
            lines: 0,
            octets: 0,
            slice: 0,
            main: MainFiles::default(),
        };
        Expander { files, options, found, state: &mut state }.find_main();
        state
    }

    fn finish(self, files: &dyn Files, found: &mut Diagnostics) -> Parsed {
        let mut tree = self.grower.finish(found);
        let names = match iproute_folders(&tree) {
            (None, None) if !may_use_names(&tree) => Tables::fixed(files),
            (vendor, own) => Tables::read(files, vendor, own),
        };
        tree.set_names(names);
        Parsed { tree, sources: self.sources }
    }
}

impl Expander<'_> {
    fn find_main(&mut self) {
        let path = self.options.path.as_str();
        let mut names = vec![path.to_owned()];
        if self.files.read(path) == Err(Unusable::Missing) && path.contains(['*', '?', '[', '{']) {
            names = include::find(self.files, "", path, Checks::default()).names;
        }
        if let (Some(first), 2..) = (names.first(), names.len()) {
            let message =
                format!("WARNING, multiple configuration file matches of {path}, starting with {first}");
            self.state.sources.add(first, self.files.read(first).unwrap_or_else(|_| Rc::new([])));
            self.found.warning(Position::default(), message);
        }
        self.state.main.names = names.into_iter();
    }

    /// Reads the lines of a slice. False: everything has been read.
    fn advance(&mut self) -> bool {
        self.state.slice = 0;
        loop {
            if !self.state.frames.is_empty() {
                match self.run() {
                    Ok(End::Text) => {}
                    Ok(End::Slice) => return true,
                    Err(Stop) => {
                        self.overflow();
                        return false;
                    }
                }
            }
            let Some(name) = self.state.main.names.next() else { break };
            self.open_main(name);
        }
        self.tell_unused();
        false
    }

    fn open_main(&mut self, name: String) {
        match self.files.read(&name) {
            Ok(bytes) => {
                self.state.main.used = true;
                self.enter(&name, bytes, 0, Position::default());
            }
            Err(Unusable::Missing) => {
                let message = format!("Config files missing '{}'", self.options.path);
                self.state.main.unused.push(message);
            }
            Err(why) => {
                self.state.main.denied |= matches!(why, Unusable::Denied(_));
                let message = format!("Configuration file '{name}' {} - skipping", reason(&why));
                self.state.main.unused.push(message);
            }
        }
    }

    /// Tells which main files are missing or of no use.
    fn tell_unused(&mut self) {
        let path = self.options.path.as_str();
        let MainFiles { used, denied, mut unused, .. } = core::mem::take(&mut self.state.main);
        if unused.is_empty() && !used {
            unused.push(format!("No config files matched '{path}'"));
        }
        self.state.sources.add(path, Rc::new([]));
        for message in unused {
            let told = Diagnostic::new(Severity::Note, Position::default(), message);
            let class = match (self.options.every_file, denied) {
                (true, _) => Class::Include,
                (false, true) => Class::Denied,
                (false, false) => Class::NoFile,
            };
            self.found.report(match (used, denied) {
                (true, false) => told,
                (true, true) => Diagnostic { severity: Severity::Warning, class, costs: true, ..told },
                (false, _) => Diagnostic { severity: Severity::Fatal, class, ..told },
            });
        }
    }

    fn overflow(&mut self) {
        let message = format!(
            "The configuration grows beyond {} lines or {} MiB; reading stops here",
            self.state.budget.lines,
            self.state.budget.octets >> 20
        );
        let at = self.here();
        self.found.fatal(at, message);
    }

    fn run(&mut self) -> Result<End, Stop> {
        let mut line = Text::default();
        loop {
            if let Some(end) = self.next_text(&mut line)? {
                return Ok(end);
            }
            let mut start = Some(0);
            while let Some(at) = start {
                if at > 0 {
                    self.charge(line.text.len())?;
                }
                start = self.step(&mut line, at)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Itself<'a>(&'a str);

    impl Files for Itself<'_> {
        fn read(&self, path: &str) -> Result<Rc<[u8]>, Unusable> {
            // Any number of names for the same text: only the depth ends it.
            if path.len() < 4_000 { Ok(self.0.as_bytes().into()) } else { Err(Unusable::Missing) }
        }

        fn matches(&self, pattern: &str) -> Vec<String> {
            vec![pattern.into()]
        }

        fn directory(&self, path: &str) -> String {
            path.into()
        }

        fn variable(&self, _: &str) -> Option<String> {
            None
        }
    }

    fn read_within(text: &str, lines: usize, octets: usize) -> (Parsed, Diagnostics) {
        let options = Options { path: "/m".into(), id: "r1".into(), seed: 0, every_file: false };
        let mut found = Diagnostics::new();
        let budget = Budget { lines, octets };
        let parsed = expand(&Itself(text), &options, budget, &mut found);
        (parsed, found)
    }

    #[test]
    fn what_would_never_end_ends() {
        let empty = format!("$A={}\n$B={}\n$C=\n~SEQ(i,99999999) $A\n", "${B}".repeat(200), "${C}".repeat(4));
        for text in [
            "~SEQ(a,9999999999)~SEQ(b,9999999999) @never x\n",
            "~SEQ(a,4000000000) include x\n",
            "~SEQ(a,9999999999) x { y\n",
            "~SEQ(a,4000000000) $X=$X$X\n",
            "include a/x\ninclude b/x\n",
            empty.as_str(),
        ] {
            let (_, found) = read_within(text, 50_000, 1 << 20);
            assert_eq!(found.worst(), Some(Severity::Fatal), "{text}");
            assert!(found.iter().any(|d| d.message.contains("reading stops here")), "{text}");
        }
    }

    #[test]
    fn many_braces_on_a_line_cost_no_more_than_the_budget() {
        let text = format!("{}\n", "{ }".repeat(340)).repeat(300);
        let (_, found) = read_within(&text, 50_000, 1 << 20);
        assert!(found.iter().any(|d| d.message.contains("reading stops here")));
    }

    #[test]
    fn without_a_main_file() {
        use crate::base::exit::Exit;
        for (path, said) in [
            (
                "/nowhere/keepalived.conf",
                "/nowhere/keepalived.conf: Config files missing '/nowhere/keepalived.conf'",
            ),
            ("/nowhere/*.conf", "/nowhere/*.conf: No config files matched '/nowhere/*.conf'"),
            ("/dev", "/dev: Configuration file '/dev' is a directory - skipping"),
        ] {
            let mut found = Diagnostics::new();
            let options = Options { path: path.into(), ..Options::default() };
            let (parsed, _) = load(&super::super::source::Disk, &options, &mut found);
            let lines: Vec<String> = found.iter().map(|d| d.line(&parsed.sources).to_string()).collect();
            assert_eq!(lines, [said]);
            assert_eq!((found.exit_test(), found.exit_daemon()), (Exit::Ok, Some(Exit::NoConfig)));
        }
    }

    #[test]
    fn a_file_that_includes_itself_is_told() {
        let (parsed, found) = read_within("a\ninclude /m\nb\n", 1_000, 10_000);
        assert_eq!(parsed.tree.lines(), 2);
        assert_eq!(found.iter().map(|d| d.at.line).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_caller_with_other_duties_never_waits_for_long() {
        let plain = "vrrp_instance A {\n priority 7\n}\n".repeat(1_000);
        // Quotes ask for a closer look.
        let quoted = plain.replace('A', "\"A\"");
        for text in [plain, quoted] {
            let options = Options { path: "configuration".into(), ..Options::default() };
            let files = OneText(&text);
            let recorder = Recorder::new(&files, Snapshot::new(&options));
            recorder.read("configuration").unwrap();
            let (mut found, mut slices) = (Diagnostics::new(), 1);
            let snapshot = recorder.finish();
            let mut replay = Replay::new(&snapshot, &mut found);
            while replay.advance(&snapshot, &mut found) {
                slices += 1;
            }
            let parsed = replay.finish(&snapshot, &mut found);
            let lines = parsed.tree.lines();
            assert!(lines >= 1_000 && slices > lines / LINES_A_SLICE, "{slices} slices of {lines} lines");
            let (at_once, _) = load(&files, &options, &mut Diagnostics::new());
            assert_eq!(parsed.tree.lines(), at_once.tree.lines());
        }
    }
}
