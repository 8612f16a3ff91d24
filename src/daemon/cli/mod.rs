//! The command line of keepalived(8), level 2.4.3.
//!
//! Pure: words in, a decision out; main prints and acts. An option whose feature this version lacks is refused
//! in one line; one that merely tunes such a feature is taken, because start scripts pass it.

#[cfg(feature = "status")]
mod control;
#[cfg(feature = "tools")]
mod questions;
mod text;

use std::ffi::OsString;
#[cfg(feature = "lvs")]
use std::path::Path;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value};

use super::log::{self, Facility};
use crate::base::exit::Exit;
#[cfg(not(all(feature = "lvs", feature = "snmp", feature = "status", feature = "tools")))]
use crate::base::feature::{self, Feature};
use crate::sys::signal::Signal;
#[cfg(feature = "status")]
pub use control::control_socket;
pub use text::{NAME, TITLE, VERSION};

/// The names and words with which the program is no daemon: a client that asks for the status at the moment of a start is no
/// second keepalived.
pub const PASSING: [&str; 7] =
    ["keepalivedctl", "--ctl", "genhash", "--genhash", "-T", "-t", "--config-test"];

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// Run the daemon.
    Run(Options),
    /// Check the configuration (-t) and write what is found to this file, else to standard error.
    Test(Options, Option<PathBuf>),
    /// Compare the configurations of several routers (--compare), each FILE or FILE@ID.
    #[cfg(feature = "tools")]
    Compare(Options, Vec<PathBuf>),
    /// Be genhash (-T, or by this name): how the program was called, and what follows.
    #[cfg(feature = "lvs")]
    Genhash(String, Vec<OsString>),
    /// Ask the daemon that runs (--ctl, or by the name keepalivedctl): at this socket, these words.
    #[cfg(feature = "status")]
    Control(PathBuf, Vec<OsString>),
    /// Print something and end.
    Answer(Answer),
}

/// A text to print before the program ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The text, with its last newline.
    pub text: String,
    /// To standard output; else to standard error.
    pub output: bool,
    /// The exit of the program.
    pub exit: Exit,
}

/// How the daemon is to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// -f: the configuration; none: the first default that exists.
    pub config: Option<PathBuf>,
    /// -i: the id of conditional lines; none: the node name without its domain.
    pub config_id: Option<String>,
    /// -e: refuse to run when any configuration file is missing.
    pub all_config: bool,
    /// -d: write the data dump to the log after the start; with -t print the effective configuration.
    pub dump: bool,
    /// -P and -C: only these children. Both false: all that the configuration needs.
    pub only: Only,
    /// -B: no BFD child.
    pub no_bfd: bool,
    /// --all: every child, needed or not.
    pub all: bool,
    /// -n: stay in the foreground.
    pub foreground: bool,
    /// -s: the network namespace; stronger than the configuration's.
    pub namespace: Option<String>,
    /// -R: end when a child dies.
    pub no_respawn: bool,
    /// -V: leave addresses and routes when stopping.
    pub keep_vrrp: bool,
    /// -I: leave the IPVS table when stopping.
    pub keep_ipvs: bool,
    /// -a: log every address that comes or goes.
    pub address_monitoring: bool,
    /// --ignore-sigint: an interrupt from the terminal does not stop.
    pub ignore_interrupt: bool,
    /// -m, -M: let an abnormal end write a core file.
    pub core_dump: bool,
    /// -M: what /proc/sys/kernel/core_pattern is while the daemon runs.
    pub core_pattern: Option<String>,
    /// -u: permission bits that new files do not get; none: as configured, else 0177.
    pub umask: Option<u32>,
    /// -p, -r, -c, -b: pid files.
    pub pid_files: PidFiles,
    /// --control-socket: where clients ask; stronger than the configuration's.
    #[cfg(feature = "status")]
    pub control_socket: Option<PathBuf>,
    /// -x: every object is told over SNMP.
    pub snmp: bool,
    /// -A: where the SNMP agent listens for subagents; stronger than the configuration's.
    pub snmp_socket: Option<String>,
    /// -l, -D, -S, -g, -G.
    pub log: log::Options,
    /// --lint-off: checks of a config test that are not made.
    #[cfg(feature = "tools")]
    pub lint_off: Vec<String>,
    /// Invalid values that were ignored: lines for standard error.
    pub complaints: Vec<String>,
    /// The words of the command line as they were, the program's name first.
    pub words: Vec<String>,
}

/// Which kinds of children may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// -P.
    pub vrrp: bool,
    /// -C.
    pub checkers: bool,
}

/// Pid files named on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PidFiles {
    /// -p.
    pub parent: Option<PathBuf>,
    /// -r.
    pub vrrp: Option<PathBuf>,
    /// -c.
    pub checkers: Option<PathBuf>,
    /// -b.
    pub bfd: Option<PathBuf>,
}

/// Reads the command line, the program's name first.
#[must_use]
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Invocation {
    let words: Vec<OsString> = words.into_iter().collect();
    #[cfg(feature = "lvs")]
    if let Some((name, rest)) = words.split_first()
        && Path::new(name).file_name().is_some_and(|name| name == GENHASH)
    {
        return Invocation::Genhash(GENHASH.to_owned(), rest.to_vec());
    }
    #[cfg(feature = "status")]
    let words = control::spelt_out(words);
    let shown = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    match read(words) {
        Ok(Invocation::Run(options)) => Invocation::Run(Options { words: shown, ..options }),
        Ok(Invocation::Test(options, log)) => Invocation::Test(Options { words: shown, ..options }, log),
        Ok(other) => other,
        Err(refusal) => Invocation::Answer(refusal),
    }
}

/// An option.
struct Known {
    /// A space if it has none.
    short: char,
    long: &'static str,
    does: Does,
}

/// What an option does.
#[derive(Clone, Copy)]
enum Does {
    /// Turns something on.
    On(fn(&mut Options) -> &mut bool),
    /// Names a file.
    Path(fn(&mut Options) -> &mut Option<PathBuf>),
    /// Is followed by a text.
    Text(fn(&mut Options) -> &mut Option<String>),
    /// What always holds, or has no part here: lines are never held back in a log file, a stop always drops addresses
    /// unless -V keeps them, there is no allocator of our own to check.
    Nothing,
    /// Needs a feature that this build lacks.
    #[cfg(not(all(feature = "lvs", feature = "snmp", feature = "status", feature = "tools")))]
    Lacking(&'static Feature),
    /// keepalived has it only where that was compiled in, and Debian's has not: what is missing.
    Absent(&'static str),
    NoSyslog,
    CorePattern,
    Umask,
    Facility,
    Test,
    LintOff,
    #[cfg(feature = "tools")]
    Explain,
    #[cfg(feature = "tools")]
    Compare,
    SignalNumber,
    Version,
    Help,
    #[cfg(feature = "lvs")]
    Genhash,
    #[cfg(feature = "status")]
    Control,
}

impl Does {
    const fn wants_value(self) -> bool {
        matches!(
            self,
            Self::Path(_) | Self::Text(_) | Self::Umask | Self::Facility | Self::LintOff | Self::SignalNumber
        )
    }
}

const fn known(short: char, long: &'static str, does: Does) -> Known {
    Known { short, long, does }
}

const KNOWN: &[Known] = &[
    known('f', "use-file", Does::Path(|options| &mut options.config)),
    known('i', "config-id", Does::Text(|options| &mut options.config_id)),
    known('e', "all-config", Does::On(|options| &mut options.all_config)),
    known('d', "dump-conf", Does::On(|options| &mut options.dump)),
    known('P', "vrrp", Does::On(|options| &mut options.only.vrrp)),
    known('C', "check", Does::On(|options| &mut options.only.checkers)),
    known('B', "no_bfd", Does::On(|options| &mut options.no_bfd)),
    known(' ', "all", Does::On(|options| &mut options.all)),
    known('n', "dont-fork", Does::On(|options| &mut options.foreground)),
    known('R', "dont-respawn", Does::On(|options| &mut options.no_respawn)),
    known('V', "dont-release-vrrp", Does::On(|options| &mut options.keep_vrrp)),
    known('I', "dont-release-ipvs", Does::On(|options| &mut options.keep_ipvs)),
    known('a', "address-monitoring", Does::On(|options| &mut options.address_monitoring)),
    known(' ', "ignore-sigint", Does::On(|options| &mut options.ignore_interrupt)),
    known('m', "core-dump", Does::On(|options| &mut options.core_dump)),
    known('M', "core-dump-pattern", Does::CorePattern),
    known('u', "umask", Does::Umask),
    known('p', "pid", Does::Path(|options| &mut options.pid_files.parent)),
    known('r', "vrrp_pid", Does::Path(|options| &mut options.pid_files.vrrp)),
    known('c', "checkers_pid", Does::Path(|options| &mut options.pid_files.checkers)),
    known('b', "bfd_pid", Does::Path(|options| &mut options.pid_files.bfd)),
    known('l', "log-console", Does::On(|options| &mut options.log.console)),
    known('D', "log-detail", Does::On(|options| &mut options.log.detail)),
    known('G', "no-syslog", Does::NoSyslog),
    known('g', "log-file", Does::Path(|options| &mut options.log.file)),
    known('S', "log-facility", Does::Facility),
    #[cfg(feature = "snmp")]
    known('A', "snmp-agent-socket", Does::Text(|options| &mut options.snmp_socket)),
    #[cfg(feature = "snmp")]
    known('x', "snmp", Does::On(|options| &mut options.snmp)),
    #[cfg(not(feature = "snmp"))]
    known('A', "snmp-agent-socket", Does::Lacking(&feature::SNMP)),
    #[cfg(not(feature = "snmp"))]
    known('x', "snmp", Does::Lacking(&feature::SNMP)),
    known('X', "release-vips", Does::Nothing),
    known(' ', "flush-log-file", Does::Nothing),
    known(' ', "no-mem-check", Does::Nothing),
    known('t', "config-test", Does::Test),
    known(' ', "lint-off", Does::LintOff),
    #[cfg(feature = "tools")]
    known(' ', "explain", Does::Explain),
    #[cfg(feature = "tools")]
    known(' ', "compare", Does::Compare),
    #[cfg(not(feature = "tools"))]
    known(' ', "explain", Does::Lacking(&feature::TOOLS)),
    #[cfg(not(feature = "tools"))]
    known(' ', "compare", Does::Lacking(&feature::TOOLS)),
    known(' ', "signum", Does::SignalNumber),
    known('v', "version", Does::Version),
    known('h', "help", Does::Help),
    #[cfg(feature = "lvs")]
    known('T', "genhash", Does::Genhash),
    #[cfg(not(feature = "lvs"))]
    known('T', "genhash", Does::Lacking(&feature::LVS)),
    #[cfg(feature = "status")]
    known(' ', "control-socket", Does::Path(|options| &mut options.control_socket)),
    #[cfg(feature = "status")]
    known(' ', "ctl", Does::Control),
    #[cfg(not(feature = "status"))]
    known(' ', "control-socket", Does::Lacking(&feature::STATUS)),
    #[cfg(not(feature = "status"))]
    known(' ', "ctl", Does::Lacking(&feature::STATUS)),
    known('s', "namespace", Does::Text(|options| &mut options.namespace)),
    known(' ', "perf", Does::Absent("perf recording, but perf record -p works")),
    known(' ', "debug", Does::Absent("debug options, but -D logs details")),
];

fn read(words: Vec<OsString>) -> Result<Invocation, Answer> {
    let mut parser = lexopt::Parser::from_iter(words);
    let mut options = Options::default();
    let mut test = None;
    #[cfg(feature = "tools")]
    let mut questions = questions::Questions::default();
    while let Some(argument) = parser.next().map_err(|error| refuse(&error))? {
        let found = match &argument {
            Short(short) => KNOWN.iter().find(|known| known.short == *short && *short != ' '),
            Long(long) => KNOWN.iter().find(|known| known.long == *long),
            // keepalived ignores stray words.
            #[cfg(feature = "tools")]
            Value(word) => {
                questions.word(word.clone());
                continue;
            }
            #[cfg(not(feature = "tools"))]
            Value(_) => continue,
        };
        let Some(Known { long, does, .. }) = found else {
            return Err(refuse(&argument.unexpected()));
        };
        // What must follow the option.
        let value = if does.wants_value() { path(&mut parser)? } else { PathBuf::new() };
        let text = || value.to_string_lossy().into_owned();
        match *does {
            Does::On(field) => *field(&mut options) = true,
            Does::Path(field) => *field(&mut options) = Some(value),
            Does::Text(field) => *field(&mut options) = Some(text()),
            Does::Nothing => {}
            #[cfg(not(all(feature = "lvs", feature = "snmp", feature = "status", feature = "tools")))]
            Does::Lacking(feature) => {
                let short = found.map(|known| known.short).filter(|short| *short != ' ');
                let short = short.map_or_else(String::new, |short| format!("-{short}, "));
                let spelt = format!("{short}--{long}");
                return Err(wrong(format!("{NAME}: {}\n", feature.lacking(&spelt))));
            }
            Does::Absent(what) => {
                return Err(wrong(format!("{NAME}: --{long}: this version has no {what}\n")));
            }
            Does::NoSyslog => options.log.syslog = false,
            Does::CorePattern => {
                options.core_dump = true;
                let pattern = parser.optional_value().map(|value| value.to_string_lossy().into_owned());
                options.core_pattern = Some(pattern.unwrap_or_else(|| "core".to_owned()));
            }
            Does::Umask => {
                let value = text();
                match umask(&value) {
                    Some(mask) => options.umask = Some(mask),
                    None => options.complaints.push(format!("Invalid --umask option {value}")),
                }
            }
            Does::Facility => {
                let value = text();
                match facility(&value) {
                    Some(facility) => options.log.facility = facility,
                    None => options.complaints.push(format!("Invalid log facility '{value}'")),
                }
            }
            Does::Test => test = Some(parser.optional_value().map(PathBuf::from)),
            #[cfg(feature = "tools")]
            Does::LintOff => questions::lint_off(&text(), &mut options),
            #[cfg(not(feature = "tools"))]
            Does::LintOff => {
                // A start script may give it; no check is made, as it wants.
                options.complaints.push(feature::TOOLS.lacking("--lint-off"));
            }
            #[cfg(feature = "tools")]
            Does::Explain => questions.explain(parser.optional_value()),
            #[cfg(feature = "tools")]
            Does::Compare => questions.compare(parser.optional_value()),
            Does::SignalNumber => return Ok(Invocation::Answer(signal_number(&text()))),
            Does::Version => return Ok(print(text::version())),
            Does::Help => return Ok(print(text::help())),
            #[cfg(feature = "lvs")]
            Does::Genhash => {
                let rest = parser.raw_args().map_err(|error| refuse(&error))?.collect();
                return Ok(Invocation::Genhash(format!("{NAME} --{GENHASH}"), rest));
            }
            #[cfg(feature = "status")]
            Does::Control => {
                let rest = parser.raw_args().map_err(|error| refuse(&error))?.collect();
                return control::ask(&options, rest);
            }
        }
    }
    #[cfg(feature = "tools")]
    if let Some(asked) = questions.ask(&options)? {
        return Ok(asked);
    }
    Ok(match test {
        Some(file) => Invocation::Test(options, file),
        None => Invocation::Run(options),
    })
}

/// The other name of the program.
#[cfg(feature = "lvs")]
const GENHASH: &str = "genhash";

/// A command line that cannot be followed.
fn wrong(text: String) -> Answer {
    Answer { text, output: false, exit: Exit::Fatal }
}

fn path(parser: &mut lexopt::Parser) -> Result<PathBuf, Answer> {
    parser.value().map(PathBuf::from).map_err(|error| refuse(&error))
}

/// keepalived's words for a command line that cannot be read.
fn refuse(error: &lexopt::Error) -> Answer {
    let text = match error {
        lexopt::Error::MissingValue { option: Some(option) } => {
            format!("Missing parameter for option {option}\n")
        }
        lexopt::Error::UnexpectedOption(option) => format!("Unknown option {option}\n"),
        lexopt::Error::UnexpectedValue { option, value } => {
            format!("Unknown option {option}={}\n", value.to_string_lossy())
        }
        // The other errors are of values, which are taken as they are.
        _ => "Missing parameter\n".to_owned(),
    };
    wrong(text)
}

fn print(text: String) -> Invocation {
    Invocation::Answer(Answer { text, output: false, exit: Exit::Ok })
}

fn signal_number(name: &str) -> Answer {
    let signal = match name {
        "STOP" => Signal::Terminate,
        "RELOAD" => Signal::Hangup,
        "DATA" => Signal::User1,
        "STATS" => Signal::User2,
        "STATS_CLEAR" => Signal::StatsClear,
        "JSON" => Signal::Json,
        _ => {
            let text = format!("Unknown sigfunc {name}\n");
            return wrong(text);
        }
    };
    Answer { text: format!("{}\n", signal.number()), output: true, exit: Exit::Ok }
}

/// `0` to `7`, `local0` to `local7`, `user` or `daemon`.
fn facility(value: &str) -> Option<Facility> {
    Some(match value.strip_prefix("local").unwrap_or(value) {
        "0" => Facility::LOG_LOCAL0,
        "1" => Facility::LOG_LOCAL1,
        "2" => Facility::LOG_LOCAL2,
        "3" => Facility::LOG_LOCAL3,
        "4" => Facility::LOG_LOCAL4,
        "5" => Facility::LOG_LOCAL5,
        "6" => Facility::LOG_LOCAL6,
        "7" => Facility::LOG_LOCAL7,
        "user" if value == "user" => Facility::LOG_USER,
        "daemon" if value == "daemon" => Facility::LOG_DAEMON,
        _ => return None,
    })
}

/// Octal with a leading 0, hexadecimal with 0x, else decimal; at most 0777.
fn umask(value: &str) -> Option<u32> {
    let (digits, radix) = match value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => match value.strip_prefix('0') {
            Some(digits) if !digits.is_empty() => (digits, 8),
            _ => (value, 10),
        },
    };
    u32::from_str_radix(digits, radix).ok().filter(|mask| *mask <= 0o777)
}

/// The command line for the log: each word in quotes, wrapped at about 110 columns, what follows the first
/// line indented under its first word.
#[must_use]
pub fn command_lines(words: &[String]) -> Vec<String> {
    const LABEL: &str = "Command line:";
    const COLUMNS: usize = 110;
    let mut lines = Vec::new();
    let mut line = LABEL.to_owned();
    for word in words {
        if line.len() > LABEL.len() && line.len() + word.len() + 3 > COLUMNS {
            lines.push(core::mem::replace(&mut line, " ".repeat(LABEL.len())));
        }
        line.push_str(" '");
        line.push_str(word);
        line.push('\'');
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests;
