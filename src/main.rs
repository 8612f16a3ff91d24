//! The `keepalived` binary: the command line, then the daemon.

use std::io::Write;
use std::process::ExitCode;

use keepalived::base::exit::Exit;
use keepalived::daemon::cli::{self, Answer, Invocation};

fn main() -> ExitCode {
    let exit = match cli::parse(std::env::args_os()) {
        Invocation::Answer(answer) => say(&answer),
        Invocation::Run(options) | Invocation::Test(options, _) => {
            let complaints = options
                .complaints
                .iter()
                .map(|line| format!("{line}\n"))
                .collect::<String>();
            let text = format!("{complaints}keepalived: the configuration is not connected yet\n");
            say(&Answer {
                text,
                output: false,
                exit: Exit::Internal,
            })
        }
    };
    ExitCode::from(exit.code())
}

/// Prints an answer. A reader that has gone away changes nothing about the exit.
fn say(answer: &Answer) -> Exit {
    let text = answer.text.as_bytes();
    let _ = if answer.output {
        std::io::stdout().lock().write_all(text)
    } else {
        std::io::stderr().lock().write_all(text)
    };
    answer.exit
}
