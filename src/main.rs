//! The `keepalived` binary: the command line, then the daemon or the config test.

// As in the library.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::unreachable))]

mod program;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use keepalived::base::exit::Exit;
use keepalived::config::print;
use keepalived::daemon::cli::{self, Answer, Invocation, Options};
use keepalived::daemon::parent;
use keepalived::sys::alloc;

use program::Keepalived;

fn main() -> ExitCode {
    let exit = match cli::parse(std::env::args_os()) {
        #[cfg(feature = "lvs")]
        Invocation::Genhash(name, words) => program::genhash::run(&name, words),
        Invocation::Answer(answer) => say(&answer),
        #[cfg(feature = "status")]
        Invocation::Control(socket, words) => return ExitCode::from(program::ctl::run(&socket, &words)),
        Invocation::Run(options) => {
            alloc::prepare();
            complain(&options);
            parent::run(&Keepalived::new(&options), &options)
        }
        Invocation::Test(options, log) => {
            complain(&options);
            test(&options, log.as_deref())
        }
        #[cfg(feature = "tools")]
        Invocation::Compare(options, files) => {
            complain(&options);
            let (text, exit) = program::compare(&options, &files);
            say(&Answer { text, output: true, exit })
        }
    };
    ExitCode::from(exit.code())
}

/// Checks the configuration and tells what is found, to `log` or to standard error; -d: prints what it comes to.
fn test(options: &Options, log: Option<&Path>) -> Exit {
    let read = program::examine(options);
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = read.found.write(&read.sources, true, &mut text);
    let written = match log {
        None => io::stderr().lock().write_all(text.as_bytes()),
        Some(path) => OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes())),
    };
    match (written, log) {
        (Err(error), Some(path)) => say(&Answer {
            text: format!("Unable to write the test log {}: {error}\n", path.display()),
            output: false,
            exit: Exit::Fatal,
        }),
        _ => {
            if options.dump {
                print_effective(&read);
            }
            let exit = read.found.exit_test();
            // The process ends: to free thousands of small pieces one by one takes longer than to leave them.
            core::mem::forget(read);
            exit
        }
    }
}

/// Prints what the configuration comes to, in its own language, every inherited value spelt out. A reader that has
/// gone away changes nothing about the exit.
fn print_effective(read: &program::Read) {
    let _ = io::stdout().lock().write_all(print(&read.model).as_bytes());
}

/// Invalid option values that were ignored.
fn complain(options: &Options) {
    for line in &options.complaints {
        let _ = writeln!(io::stderr().lock(), "{line}");
    }
}

/// Prints an answer. A reader that has gone away changes nothing about the exit.
fn say(answer: &Answer) -> Exit {
    let text = answer.text.as_bytes();
    let _ =
        if answer.output { io::stdout().lock().write_all(text) } else { io::stderr().lock().write_all(text) };
    answer.exit
}
