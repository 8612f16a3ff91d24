//! What is spoken on the control socket: a request is a line of words, an answer a line that says how much follows.
//!
//! ```text
//! request:  status VI_1 --json\n
//! answer:   ok 412 1764493664.123456\n      outcome, octets that follow, when the answer was made
//!           ...412 octets...
//! ```
//!
//! A connection carries any number of requests, one after the other.

use core::fmt::Write;

/// The version of the JSON form of answers: a key keeps its meaning as long as this number stays.
pub const SCHEMA: u32 = 1;
/// Octets of the longest request with its end of line: a word, a name and options.
pub const LONGEST_REQUEST: usize = 512;
/// Octets of the longest first line of an answer.
pub const LONGEST_HEAD: usize = 64;
/// Words of a request.
const WORDS: usize = 8;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The words that are understood.
    Help,
    /// Which program answers, and since when it runs.
    Version,
    /// What the children are doing.
    Status,
    /// Why a virtual router is in the state that it is in.
    Why,
    /// The checks of real servers.
    Checkers,
    /// What the VRRP child has counted.
    Stats,
    /// What the JSON signal has it write.
    Json,
    /// What has happened.
    Events,
    /// A real server gets no new connections.
    Drain,
    /// A real server has its own weight again.
    Enable,
    /// A real server has another weight.
    Weight,
    /// The node gives everything up.
    Maintenance,
    /// A virtual router or a sync group gives up once.
    Failover,
    /// More or less is logged for a time.
    LogLevel,
    /// Announce the addresses of a virtual router again.
    Garp,
    /// The configuration that runs.
    Config,
    /// Read the configuration again.
    Reload,
}

/// A word of a request and what may follow it.
#[derive(Debug)]
pub struct Row {
    /// The word.
    pub word: &'static str,
    /// What it asks for.
    pub verb: Verb,
    /// It shows secrets or changes something: for root and the owner of the daemon alone.
    pub operates: bool,
    /// Whether a name follows.
    pub named: Named,
    /// Options that may follow; one that ends in `=` has a value, and a word has one such option at most.
    pub options: &'static [&'static str],
    /// What it does, in a line.
    pub meaning: &'static str,
}

/// Whether the name of an object follows a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// None.
    Never,
    /// One, or the word is about all.
    May,
    /// One.
    Must,
    /// One, and a value behind it.
    WithValue,
}

/// The answer is to be JSON.
pub const JSON: &str = "--json";
/// Counters are to begin at zero afterwards.
pub const RESET: &str = "--reset";
/// Only events after the one with this number; in front of them stands the number of the last one.
pub const FOLLOW: &str = "--follow=";
/// Of a real server that several virtual servers have: only in this one.
pub const SERVICE: &str = "--service=";
/// What is changed ends with the daemon; else only by its undo.
pub const UNTIL_START: &str = "--until-start";
/// For so many seconds.
pub const FOR: &str = "--for=";
/// Takes a change back.
pub const UNDO: &str = "--undo";

use Named::{May, Must, Never, WithValue};

/// Every word.
pub const ROWS: &[Row] = &[
    row(
        "status",
        Verb::Status,
        false,
        May,
        &[JSON],
        "what runs and in which state, or one object of this name",
    ),
    row("why", Verb::Why, false, Must, &[], "why a virtual router is in its state, and what would change it"),
    row(
        "checkers",
        Verb::Checkers,
        false,
        Never,
        &[JSON],
        "the checks of real servers, with their last result",
    ),
    row(
        "events",
        Verb::Events,
        false,
        May,
        &[JSON, FOLLOW],
        "what has happened and why; -f goes on with what happens",
    ),
    row("stats", Verb::Stats, false, Never, &[RESET], "the counters; with --reset from zero again"),
    row(
        "json",
        Verb::Json,
        false,
        Never,
        &[],
        "virtual routers as the signal JSON has them written to a file",
    ),
    row("config", Verb::Config, true, Never, &[], "the configuration that runs, every value spelt out"),
    row("reload", Verb::Reload, true, Never, &[], "read the configuration again, and say what came of it"),
    row(
        "garp",
        Verb::Garp,
        true,
        Must,
        &[],
        "announce the addresses of a virtual router that is MASTER again",
    ),
    row(
        "drain",
        Verb::Drain,
        true,
        Must,
        &[UNTIL_START, SERVICE],
        "give a real server weight 0: it keeps its connections and gets no new ones",
    ),
    row(
        "weight",
        Verb::Weight,
        true,
        WithValue,
        &[UNTIL_START, SERVICE],
        "give a real server another weight, whatever its checks say of it",
    ),
    row("enable", Verb::Enable, true, Must, &[SERVICE], "take drain or weight of a real server back"),
    row(
        "maintenance",
        Verb::Maintenance,
        true,
        Must,
        &[UNTIL_START],
        "on: this node gives up all virtual routers and takes none; off: it takes part again",
    ),
    row(
        "failover",
        Verb::Failover,
        true,
        Must,
        &[UNTIL_START, UNDO],
        "a virtual router or sync group gives up, and does not preempt while another is MASTER",
    ),
    row(
        "loglevel",
        Verb::LogLevel,
        true,
        WithValue,
        &[FOR],
        "log of vrrp, checker, bfd, parent or all: debug, info, warning, error for a time (600 s), or usual",
    ),
    row("version", Verb::Version, false, Never, &[], "the version, and since when the daemon runs"),
    row("help", Verb::Help, false, Never, &[], "this list"),
];

const fn row(
    word: &'static str,
    verb: Verb,
    operates: bool,
    named: Named,
    options: &'static [&'static str],
    meaning: &'static str,
) -> Row {
    Row { word, verb, operates, named, options, meaning }
}

/// A request that was understood.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What it asks for.
    pub row: &'static Row,
    /// The name of an object.
    pub name: Option<&'a str>,
    /// The value behind the name.
    pub argument: Option<&'a str>,
    options: [bool; OPTIONS],
    /// What stands behind the `=` of an option.
    pub value: Option<&'a str>,
}

/// Options of one word.
const OPTIONS: usize = 2;

impl Request<'_> {
    /// Whether an option of its word was given.
    #[must_use]
    pub fn has(&self, option: &str) -> bool {
        self.row.options.iter().zip(self.options).any(|(known, given)| given && *known == option)
    }
}

/// Why a request was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// It has no word.
    Empty,
    /// It is no text.
    NoText,
    /// There is no such word.
    Unknown(&'a str),
    /// The word takes nothing like this.
    Unexpected(&'a str),
    /// This word takes a name; what the word does.
    Nameless(&'static str, &'static str),
    /// The word takes a value behind the name.
    Valueless,
}

/// Reads a line without its end.
///
/// # Errors
/// When it is no request.
pub fn parse(line: &[u8]) -> Result<Request<'_>, Refusal<'_>> {
    let text = core::str::from_utf8(line).map_err(|_| Refusal::NoText)?;
    if text.chars().any(|character| character.is_control() && character != '\t') {
        return Err(Refusal::NoText);
    }
    let mut words = text.split_ascii_whitespace();
    let word = words.next().ok_or(Refusal::Empty)?;
    let row = ROWS.iter().find(|row| row.word == word).ok_or(Refusal::Unknown(word))?;
    let mut request = Request { row, name: None, argument: None, options: [false; OPTIONS], value: None };
    for (word, position) in words.zip(1..) {
        if position >= WORDS {
            return Err(Refusal::Unexpected(word));
        }
        let mut options = row.options.iter().zip(&mut request.options);
        if let Some((value, given)) = options.find_map(|(known, given)| Some((value_of(known, word)?, given)))
        {
            *given = true;
            request.value = value.or(request.value);
        } else if row.named != Never && request.name.is_none() && !word.starts_with('-') {
            request.name = Some(word);
        } else if row.named == WithValue && request.argument.is_none() && !word.starts_with('-') {
            request.argument = Some(word);
        } else {
            return Err(Refusal::Unexpected(word));
        }
    }
    match row.named {
        Must | WithValue if request.name.is_none() => Err(Refusal::Nameless(row.word, row.meaning)),
        WithValue if request.argument.is_none() => Err(Refusal::Valueless),
        _ => Ok(request),
    }
}

/// What a word gives an option; none: it is not this option.
fn value_of<'a>(option: &str, word: &'a str) -> Option<Option<&'a str>> {
    if option.ends_with('=') {
        word.strip_prefix(option).filter(|value| !value.is_empty()).map(Some)
    } else {
        (option == word).then_some(None)
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    Ok,
    /// It was understood and did not succeed; the text says why.
    Failed,
    /// It was not understood.
    Unknown,
    /// The peer may not ask for that.
    Denied,
    /// A child did not answer: the rest of the answer is true.
    Partial,
}

/// Each outcome with its word and the exit code of the client.
const OUTCOMES: [(Outcome, &str, u8); 5] = [
    (Outcome::Ok, "ok", 0),
    (Outcome::Failed, "failed", 1),
    (Outcome::Unknown, "unknown", 2),
    (Outcome::Denied, "denied", 4),
    (Outcome::Partial, "partial", 5),
];

/// The exit code of a client that finds no daemon.
pub const UNREACHABLE: u8 = 3;

impl Outcome {
    fn row(self) -> (&'static str, u8) {
        OUTCOMES.iter().find(|(one, ..)| *one == self).map_or(("failed", 1), |(_, word, code)| (word, *code))
    }

    /// The exit code of the client.
    #[must_use]
    pub fn code(self) -> u8 {
        self.row().1
    }
}

/// The first line of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How it ended.
    pub outcome: Outcome,
    /// Octets that follow.
    pub len: u64,
    /// Seconds since 1970 when the answer was made, and microseconds.
    pub made: (u64, u32),
}

impl Head {
    /// The line, with its end.
    #[must_use]
    pub fn line(&self) -> heapless::String<LONGEST_HEAD> {
        let mut line = heapless::String::new();
        let (secs, micros) = self.made;
        // The longest one has 7 + 1 + 20 + 1 + 20 + 1 + 6 + 1 octets.
        let _ = writeln!(line, "{} {} {secs}.{micros:06}", self.outcome.row().0, self.len);
        line
    }

    /// Reads the line without its end.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut words = core::str::from_utf8(line).ok()?.split(' ');
        let word = words.next()?;
        let (outcome, ..) = OUTCOMES.iter().find(|(_, known, _)| *known == word)?;
        let len = digits(words.next()?)?;
        let (secs, micros) = words.next()?.split_once('.')?;
        let micros = u32::try_from(digits(micros).filter(|_| micros.len() == 6)?).ok()?;
        let head = Self { outcome: *outcome, len, made: (digits(secs)?, micros) };
        words.next().is_none().then_some(head)
    }
}

/// A decimal number as [`Head::line`] writes it: nothing else of what Rust takes for a number.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// What of a request has come so far.
#[derive(Debug)]
pub struct Inbox {
    octets: heapless::Vec<u8, LONGEST_REQUEST>,
}

/// A line that does not end within [`LONGEST_REQUEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Default for Inbox {
    fn default() -> Self {
        Self { octets: heapless::Vec::new() }
    }
}

impl Inbox {
    /// How many more octets there is room for.
    #[must_use]
    pub fn room(&self) -> usize {
        LONGEST_REQUEST.saturating_sub(self.octets.len())
    }

    /// Whether a line has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        !self.octets.is_empty()
    }

    /// Adds what has come, no more than [`Inbox::room`].
    pub fn push(&mut self, octets: &[u8]) {
        let fitting = octets.get(..octets.len().min(self.room())).unwrap_or_default();
        // It fits.
        let _ = self.octets.extend_from_slice(fitting);
    }

    /// Hands the next whole line without its end to `read` and forgets it. None: there is no whole line yet.
    ///
    /// # Errors
    /// [`TooLong`] when there can be none any more.
    pub fn take<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, TooLong> {
        let Some(end) = self.octets.iter().position(|octet| *octet == b'\n') else {
            return if self.room() == 0 { Err(TooLong) } else { Ok(None) };
        };
        let line = self.octets.get(..end).unwrap_or_default();
        let taken = read(line.strip_suffix(b"\r").unwrap_or(line));
        let rest = self.octets.get(end.saturating_add(1)..).unwrap_or_default();
        self.octets = heapless::Vec::from_slice(rest).unwrap_or_default();
        Ok(Some(taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_words_with_a_name_and_options() {
        let request = parse(b"status VI_1 --json").unwrap();
        assert_eq!((request.row.verb, request.name, request.has(JSON)), (Verb::Status, Some("VI_1"), true));
        let request = parse(b"  stats\t").unwrap();
        assert_eq!((request.row.verb, request.name, request.has(RESET)), (Verb::Stats, None, false));
        assert!(parse(b"stats --reset").unwrap().has(RESET));
        assert!(!parse(b"stats --reset").unwrap().has(JSON));
        assert_eq!(parse(b"").unwrap_err(), Refusal::Empty);
        assert_eq!(parse(b"statu").unwrap_err(), Refusal::Unknown("statu"));
        assert_eq!(parse(b"status a b").unwrap_err(), Refusal::Unexpected("b"));
        assert_eq!(parse(b"status --reset").unwrap_err(), Refusal::Unexpected("--reset"));
        assert_eq!(parse(b"reload now").unwrap_err(), Refusal::Unexpected("now"));
        assert_eq!(parse(b"status \xff").unwrap_err(), Refusal::NoText);
        assert_eq!(parse(b"status \x1b[0m").unwrap_err(), Refusal::NoText);
        let request = parse(b"events --follow=7 VI_1 --json").unwrap();
        assert_eq!((request.name, request.value, request.has(JSON)), (Some("VI_1"), Some("7"), true));
        assert!(request.has(FOLLOW) && !parse(b"events").unwrap().has(FOLLOW));
        assert_eq!(parse(b"events --follow=").unwrap_err(), Refusal::Unexpected("--follow="));
        let request = parse(b"weight a --service=b 5 --until-start").unwrap();
        assert_eq!((request.name, request.argument, request.value), (Some("a"), Some("5"), Some("b")));
        assert!(request.has(UNTIL_START));
        let many = [b"status".as_slice(), &b" --json".repeat(9)].concat();
        assert_eq!(parse(&many).unwrap_err(), Refusal::Unexpected("--json"));
        for row in ROWS {
            let alone = parse(row.word.as_bytes()).map(|request| request.row.word);
            let nameless = matches!(row.named, Must | WithValue);
            assert_eq!(
                alone,
                if nameless { Err(Refusal::Nameless(row.word, row.meaning)) } else { Ok(row.word) }
            );
            let named = [row.word, " VI_1"].concat();
            let named = parse(named.as_bytes()).map(|request| request.name);
            let expected = match row.named {
                Never => Err(Refusal::Unexpected("VI_1")),
                WithValue => Err(Refusal::Valueless),
                May | Must => Ok(Some("VI_1")),
            };
            assert_eq!(named, expected);
            assert!(row.options.len() <= OPTIONS, "{}", row.word);
        }
    }

    #[test]
    fn the_first_line_of_an_answer_survives_the_way() {
        for (outcome, word, _) in OUTCOMES {
            let head = Head { outcome, len: u64::MAX, made: (u64::MAX, 999_999) };
            let line = head.line();
            assert!(line.starts_with(word) && line.ends_with('\n'));
            assert_eq!(Head::parse(line.trim_end().as_bytes()), Some(head));
        }
        for line in
            ["", "ok", "ok 1", "ok 1 2", "ok 1 2.3", "ok -1 2.000003", "ok +1 2.000003", "fine 1 2.000003"]
        {
            assert_eq!(Head::parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(Head::parse(b"ok 1 2.000003 4"), None);
    }

    #[test]
    fn lines_are_taken_one_after_the_other_whatever_the_pieces() {
        let text = b"status\r\n\nstats --reset\nver";
        for size in 1..=text.len() {
            let mut inbox = Inbox::default();
            let mut lines = Vec::new();
            for piece in text.chunks(size) {
                inbox.push(piece);
                while let Some(line) = inbox.take(<[u8]>::to_vec).unwrap() {
                    lines.push(line);
                }
            }
            assert_eq!(lines, [b"status".to_vec(), Vec::new(), b"stats --reset".to_vec()]);
            assert!(inbox.has_begun());
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused_once_it_is_too_long() {
        let mut inbox = Inbox::default();
        inbox.push(&[b'x'; LONGEST_REQUEST - 1]);
        assert_eq!(inbox.take(|_| ()), Ok(None));
        inbox.push(b"yz");
        assert_eq!((inbox.room(), inbox.take(|_| ())), (0, Err(TooLong)));
    }
}
