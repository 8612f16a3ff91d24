//! The command line of a client of the control socket: `keepalived [-s NAMESPACE] [--control-socket=PATH] --ctl WORDS`, or
//! `keepalivedctl [OPTIONS] WORDS`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Answer, Invocation, Options, wrong};

/// The name of the program that asks.
const CLIENT: &str = "keepalivedctl";

/// The usual place of the socket, of a daemon with this suffix to its name.
#[must_use]
pub fn control_socket(suffix: &str) -> PathBuf {
    PathBuf::from(format!("/run/keepalived{suffix}.sock"))
}

/// The program called by its other name: the same words behind `--ctl`, the options before it.
pub(super) fn spelt_out(mut words: Vec<OsString>) -> Vec<OsString> {
    let name = words.first().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| name == CLIENT) {
        let mut position = 1;
        while let Some(word) = words.get(position) {
            position += match word.to_str() {
                Some("-s" | "--namespace" | "--control-socket") => 2,
                Some(word) if word.starts_with("--namespace=") || word.starts_with("--control-socket=") => 1,
                _ => break,
            };
        }
        words.insert(position.min(words.len()), "--ctl".into());
    }
    words
}

/// A client asks.
pub(super) fn ask(options: &Options, words: Vec<OsString>) -> Result<Invocation, Answer> {
    if words.is_empty() {
        return Err(wrong(format!("{CLIENT}: a word is missing; 'help' lists them\n")));
    }
    let usual = || {
        let suffix = options.namespace.as_ref().map(|name| format!("_{name}")).unwrap_or_default();
        control_socket(&suffix)
    };
    Ok(Invocation::Control(options.control_socket.clone().unwrap_or_else(usual), words))
}
