//! The client of the control socket: `keepalived --ctl WORDS`, or `keepalivedctl WORDS`.
//!
//! Sends its words as one line, prints the answer, and ends with the exit code of its outcome: 0 as asked, 1 not done, 2
//! not understood, 3 no daemon there, 4 not permitted, 5 part of the answer is missing. It needs no configuration file.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, ErrorKind, IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keepalived::base::time::Span;
use keepalived::daemon::cli::Options;
use keepalived::sys::process;
use keepalived::wire::control::{Head, JSON, LONGEST_HEAD, LONGEST_REQUEST, Outcome, ROWS, UNREACHABLE};

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
/// Between two looks at what has happened.
const FOLLOWING: Span = Span::from_millis(200);
/// Clears the screen of a terminal.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Asks at the socket. The exit code.
pub(crate) fn run(socket: &Path, words: &[OsString]) -> u8 {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["check", file] => return check(file),
        ["completion", shell] => return completion(shell),
        _ => {}
    }
    if words.first().is_some_and(|word| word == EVENTS) && words.iter().any(|word| word == "-f") {
        return follow(socket, &words);
    }
    let watch = words.iter().any(|word| word == WATCH);
    let line: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != WATCH).collect();
    let line = line.join(" ");
    if line.len() >= LONGEST_REQUEST || line.contains('\n') {
        return fail("this is no request; 'help' lists the words", Outcome::Unknown.code());
    }
    loop {
        let (outcome, text) = match ask_patiently(socket, &line) {
            Ok(answer) => answer,
            Err(error) => return fail(&unreachable(socket, &error), UNREACHABLE),
        };
        // A reader that has gone away wants no more.
        let mut out: Box<dyn Write> = match outcome {
            Outcome::Ok | Outcome::Partial => Box::new(io::stdout().lock()),
            _ => Box::new(io::stderr().lock()),
        };
        let text = if is_for_people(&line) { coloured(&text) } else { text };
        let clear = if watch { CLEAR.as_bytes() } else { &[] };
        let written = out.write_all(clear).and_then(|()| out.write_all(&text)).and_then(|()| out.flush());
        if line == "help" {
            let _ = out.write_all(OWN.as_bytes());
        }
        if !watch || written.is_err() {
            return outcome.code();
        }
        process::pause(Span::from_secs(1));
    }
}

/// Whether the answer is read by somebody at a terminal, who has not asked for none of it (<https://no-color.org>).
fn is_for_people(line: &str) -> bool {
    let word = line.split(' ').next().unwrap_or_default();
    COLOURED.contains(&word)
        && !line.contains(JSON)
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
    let mut out = String::new();
    for word in String::from_utf8_lossy(text).split_inclusive([' ', '\n']) {
        let plain = word.trim_end();
        match COLOURS.iter().find(|(known, _)| *known == plain) {
            Some((_, colour)) => {
                let rest = word.get(plain.len()..).unwrap_or_default();
                out.push_str(&format!("\x1b[{colour}m{plain}\x1b[0m{rest}"));
            }
            None => out.push_str(word),
        }
    }
    out.into_bytes()
}

/// Prints the events that there are and those that come, until nobody reads them or the daemon is gone.
fn follow(socket: &Path, words: &[String]) -> u8 {
    let line: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "-f").collect();
    let line = line.join(" ");
    let mut last = "0".to_owned();
    loop {
        let (outcome, text) = match ask_patiently(socket, &format!("{line} --follow={last}")) {
            Ok(answer) => answer,
            Err(error) => return fail(&unreachable(socket, &error), UNREACHABLE),
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        if outcome != Outcome::Ok {
            let _ = io::stderr().lock().write_all(text.as_bytes());
            return outcome.code();
        }
        let Some((number, events)) = text.split_once('\n') else { return Outcome::Partial.code() };
        let mut out = io::stdout().lock();
        if out.write_all(events.as_bytes()).and_then(|()| out.flush()).is_err() {
            return outcome.code();
        }
        number.clone_into(&mut last);
        process::pause(FOLLOWING);
    }
}

/// The words that need no daemon, and what this side adds.
const OWN: &str = "\
check FILE                                     check a configuration, as -t -f FILE does; needs no daemon
completion bash|zsh                            print a script that completes these words; needs no daemon
any of them --watch                            ask once a second
";

fn ask_patiently(socket: &Path, line: &str) -> io::Result<(Outcome, Vec<u8>)> {
    let mut pause = PAUSE;
    for _ in 1..ATTEMPTS {
        match ask(socket, line) {
            Err(error) if is_shown_out(&error) => process::pause(pause),
            done => return done,
        }
        pause = pause * 2;
    }
    ask(socket, line)
}

/// Whether the daemon has closed the connection before it answered.
fn is_shown_out(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

fn ask(socket: &Path, line: &str) -> io::Result<(Outcome, Vec<u8>)> {
    let mut stream = UnixStream::connect(socket)?;
    let patience = if line.starts_with("reload") { RELOAD_PATIENCE } else { PATIENCE };
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    reader.by_ref().take(LONGEST_HEAD as u64).read_until(b'\n', &mut head)?;
    let Some(head) = head.strip_suffix(b"\n") else { return Err(ErrorKind::UnexpectedEof.into()) };
    let head = Head::parse(head).ok_or(ErrorKind::InvalidData)?;
    let mut text = Vec::new();
    reader.take(head.len).read_to_end(&mut text)?;
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
    let mut words: Vec<&str> = ROWS.iter().map(|row| row.word).collect();
    words.extend(["check", "completion"]);
    let words = words.join(" ");
    let text = match shell {
        "bash" => format!(
            "_keepalivedctl() {{\n\
             \x20   local words='{words}'\n\
             \x20   [ \"$COMP_CWORD\" -gt 1 ] && case \"${{COMP_WORDS[1]}}\" in\n\
             \x20       check) COMPREPLY=($(compgen -f -- \"$2\")); return;;\n\
             \x20       completion) words='bash zsh';;\n\
             \x20       status|checkers) words='--json --watch';;\n\
             \x20       events) words='--json -f';;\n\
             \x20       maintenance) words='on off --until-start';;\n\
             \x20       failover) words='--undo --until-start';;\n\
             \x20       *) words='--watch';;\n\
             \x20   esac\n\
             \x20   COMPREPLY=($(compgen -W \"$words\" -- \"$2\"))\n\
             }}\n\
             complete -F _keepalivedctl keepalivedctl\n"
        ),
        "zsh" => format!(
            "#compdef keepalivedctl\n\
             _keepalivedctl() {{\n\
             \x20   if (( CURRENT == 2 )); then compadd {words}\n\
             \x20   elif [[ $words[2] == check ]]; then _files\n\
             \x20   else case $words[2] in\n\
             \x20       completion) compadd bash zsh;;\n\
             \x20       status|checkers) compadd -- --json --watch;;\n\
             \x20       events) compadd -- --json -f;;\n\
             \x20       maintenance) compadd -- on off --until-start;;\n\
             \x20       failover) compadd -- --undo --until-start;;\n\
             \x20   esac; fi\n\
             }}\n\
             compdef _keepalivedctl keepalivedctl\n"
        ),
        _ => return fail("completion is there for bash and zsh", Outcome::Unknown.code()),
    };
    let _ = io::stdout().lock().write_all(text.as_bytes());
    0
}
