//! The client of the control socket: `keepalived --ctl WORDS`, or `keepalivedctl WORDS`.
//!
//! Sends its words as one line, prints the answer, and ends with the exit code of its outcome: 0 as asked, 1 not done, 2
//! not understood, 3 no daemon there, 4 not permitted, 5 part of the answer is missing. It needs no configuration file.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keepalived::base::time::Span;
use keepalived::daemon::cli::Options;
use keepalived::sys::process;
use keepalived::wire::control::{
    FOLLOW, Head, JSON, LONGEST_HEAD, LONGEST_REQUEST, Outcome, ROWS, UNREACHABLE,
};

/// Ask again and again, once a second.
const WATCH: &str = "--watch";
/// A daemon that is asked for nothing that takes long answers within this.
const PATIENCE: Duration = Duration::from_secs(10);
/// One that reloads.
const RELOAD_PATIENCE: Duration = Duration::from_secs(150);
/// A daemon with many clients shows the silent ones out, and may take us for one, or has no room for a moment.
const ATTEMPTS: u32 = 7;
/// After the first attempt; twice as long after each further one.
const PAUSE: Span = Span::from_millis(10);
/// The word whose answer can be followed.
const EVENTS: &str = "events";
/// How that is asked for.
const FOLLOWED: &str = "-f";
/// Between two looks at what has happened.
const FOLLOWING: Span = Span::from_millis(200);
/// Clears the screen of a terminal.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Asks at the socket. The exit code.
pub(crate) fn run(socket: &Path, words: &[OsString]) -> u8 {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["check", file] => return check(file),
        ["completion", shell] => return completion(shell),
        _ => {}
    }
    let has = |option: &str| words.contains(&option);
    let without = |option: &str| -> String {
        words.iter().filter(|word| **word != option).copied().collect::<Vec<_>>().join(" ")
    };
    if words.first() == Some(&EVENTS) && has(FOLLOWED) {
        return follow(socket, &without(FOLLOWED));
    }
    let (line, watch) = (without(WATCH), has(WATCH));
    if line.len() >= LONGEST_REQUEST || line.contains('\n') {
        return fail("this is no request; 'help' lists the words", Outcome::Unknown.code());
    }
    let for_people = !has(JSON) && words.first().is_some_and(|word| is_for_people(word));
    loop {
        let (outcome, mut text) = match ask_patiently(socket, &line) {
            Ok(answer) => answer,
            Err(code) => return code,
        };
        if for_people {
            text = coloured(&text);
        }
        if watch {
            text.splice(..0, CLEAR.bytes());
        }
        if line == "help" {
            text.extend_from_slice(OWN.as_bytes());
        }
        // A reader that has gone away wants no more.
        if !print(outcome, &text) || !watch {
            return outcome.code();
        }
        process::pause(Span::from_secs(1));
    }
}

/// Prints an answer, what went wrong to the other stream. Whether somebody reads it.
fn print(outcome: Outcome, text: &[u8]) -> bool {
    let written = match outcome {
        Outcome::Ok | Outcome::Partial => {
            let mut out = io::stdout().lock();
            out.write_all(text).and_then(|()| out.flush())
        }
        _ => io::stderr().lock().write_all(text),
    };
    written.is_ok()
}

/// Whether the answer to a word is read by somebody at a terminal, who has not asked for plain text
/// (<https://no-color.org>).
fn is_for_people(word: &str) -> bool {
    COLOURED.contains(&word)
        && io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The answers that have states in them.
const COLOURED: [&str; 4] = ["status", "why", "checkers", EVENTS];
/// The words for states and their colours.
const COLOURS: [(&str, &str); 11] = [
    ("MASTER", "32"),
    ("BACKUP", "34"),
    ("FAULT", "1;31"),
    ("up", "32"),
    ("Up", "32"),
    ("quorum", "32"),
    ("down", "1;31"),
    ("Down", "1;31"),
    ("overdue", "1;31"),
    ("failed", "31"),
    ("fault:", "31"),
];

/// Puts colours around the words for states; columns stay where they are.
fn coloured(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for word in text.split_inclusive(u8::is_ascii_whitespace) {
        let plain = word.trim_ascii_end();
        let colour = COLOURS.iter().find(|(known, _)| known.as_bytes() == plain);
        if let Some((_, colour)) = colour {
            [b"\x1b[", colour.as_bytes(), b"m", plain, b"\x1b[0m"]
                .iter()
                .for_each(|part| out.extend_from_slice(part));
            out.extend_from_slice(word.get(plain.len()..).unwrap_or_default());
        } else {
            out.extend_from_slice(word);
        }
    }
    out
}

/// Prints the events that there are and those that come, until nobody reads them or the daemon is gone.
fn follow(socket: &Path, line: &str) -> u8 {
    let mut asked = format!("{line} {FOLLOW}0");
    loop {
        let (outcome, text) = match ask_patiently(socket, &asked) {
            Ok(answer) => answer,
            Err(code) => return code,
        };
        let (number, events) = match text.iter().position(|octet| *octet == b'\n') {
            Some(end) if outcome == Outcome::Ok => text.split_at(end.saturating_add(1)),
            None if outcome == Outcome::Ok => return Outcome::Partial.code(),
            _ => (&[][..], &*text),
        };
        if !print(outcome, events) || outcome != Outcome::Ok {
            return outcome.code();
        }
        asked = format!("{line} {FOLLOW}{}", String::from_utf8_lossy(number.trim_ascii_end()));
        process::pause(FOLLOWING);
    }
}

/// The words that need no daemon, and what this side adds.
const OWN: &str = "\
check FILE                                     check a configuration, as -t -f FILE does; needs no daemon
completion bash|zsh                            print a script that completes these words; needs no daemon
any of them --watch                            ask once a second
";

/// The answer, or the exit code when there is none, which was said.
fn ask_patiently(socket: &Path, line: &str) -> Result<(Outcome, Vec<u8>), u8> {
    let mut pause = PAUSE;
    let mut attempt = 1;
    loop {
        match ask(socket, line) {
            Ok(answer) => return Ok(answer),
            Err(error) if attempt < ATTEMPTS && is_shown_out(&error) => process::pause(pause),
            Err(error) => return Err(fail(&unreachable(socket, &error), UNREACHABLE)),
        }
        pause = pause * 2;
        attempt += 1;
    }
}

/// Whether the daemon has closed the connection before it answered.
fn is_shown_out(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

fn ask(socket: &Path, line: &str) -> io::Result<(Outcome, Vec<u8>)> {
    let stream = UnixStream::connect(socket)?;
    let patience = if line.starts_with("reload") { RELOAD_PATIENCE } else { PATIENCE };
    stream.set_read_timeout(Some(patience))?;
    let mut stream = File::from(OwnedFd::from(stream));
    stream.write_all([line, "\n"].concat().as_bytes())?;
    let mut head = Vec::new();
    let head = loop {
        let mut octet = [0];
        stream.read_exact(&mut octet)?;
        match octet {
            [b'\n'] => break Head::parse(&head),
            [_] if head.len() == LONGEST_HEAD => break None,
            [octet] => head.push(octet),
        }
    };
    let head = head.ok_or(ErrorKind::InvalidData)?;
    let mut text = Vec::new();
    stream.take(head.len).read_to_end(&mut text)?;
    if (text.len() as u64) < head.len {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok((head.outcome, text))
}

fn unreachable(socket: &Path, error: &io::Error) -> String {
    let place = socket.display();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!("no daemon listens at {place}"),
        ErrorKind::PermissionDenied => format!("you may not ask the daemon at {place}"),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            format!("the daemon at {place} does not let you ask, or has just ended")
        }
        ErrorKind::WouldBlock | ErrorKind::TimedOut => format!("the daemon at {place} does not answer"),
        _ => format!("{place}: {error}"),
    }
}

fn fail(text: &str, code: u8) -> u8 {
    let _ = writeln!(io::stderr().lock(), "keepalivedctl: {text}");
    code
}

/// A config test of this file.
fn check(file: &str) -> u8 {
    let options = Options { config: Some(PathBuf::from(file)), ..Options::default() };
    crate::test(&options, None).code()
}

/// Prints what makes a shell complete the words.
fn completion(shell: &str) -> u8 {
    let script = match shell {
        "bash" => include_str!("completion.bash"),
        "zsh" => include_str!("completion.zsh"),
        _ => return fail("completion is there for bash and zsh", Outcome::Unknown.code()),
    };
    let words: Vec<&str> = ROWS.iter().map(|row| row.word).chain(["check", "completion"]).collect();
    let (before, after) = script.split_once("WORDS").unwrap_or_default();
    let _ = io::stdout().lock().write_all([before, &words.join(" "), after].concat().as_bytes());
    0
}
