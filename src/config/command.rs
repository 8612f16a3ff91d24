//! Commands of `script`, `notify*` and their kind: words, identity, and whether they need a shell.
//!
//! keepalived runs a command without a shell, so that `a && b` gives `a` two strange arguments. Published
//! configurations write shell lines all the same; such a command ([`super::shell`]) is marked and later run by a
//! shell, as its author meant it.

use std::ffi::CString;

use super::diag::Severity;
use super::lexer::{Escapes, split_script};
use super::line::Line;
use super::model::{At, Identity, ScriptCommand};
use super::shell;

/// Reads the command and the identity that a line gives; none if it cannot be used, which is told.
pub fn read(line: &mut Line<'_>) -> Option<ScriptCommand> {
    let node = line.node;
    let words = match node.script_words() {
        Ok(words) => words,
        Err(quote) => {
            line.error(quote, format_args!("Unmatched quote"), "close the quote; the line is not used");
            return None;
        }
    };
    let [command, identity @ ..] = words.as_slice() else {
        line.missing(line.keyword, "<command> [<user> [[:]<group>]]");
        return None;
    };
    let pieces = match split_script(&command.text, Escapes::Apply) {
        Ok(pieces) => pieces,
        Err(_) => {
            line.error(command.at, format_args!("Unmatched quote"), "close the quote; the line is not used");
            return None;
        }
    };
    let shell = shell::is_line(&command.text);
    let mut argv = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match CString::new(piece.bytes) {
            Ok(word) => argv.push(word),
            Err(_) => {
                line.error(
                    command.at,
                    format_args!("a NUL byte in a command"),
                    "no program can be given one",
                );
                return None;
            }
        }
    }
    if argv.first().is_none_or(|word| word.is_empty()) {
        let message = format_args!("No {} specified", line.keyword.text);
        line.error(command.at, message, "the command is empty; the line is not used");
        return None;
    }
    if shell {
        let bash = shell::wants_bash(&command.text);
        let by = if bash { "bash, else /bin/sh" } else { "/bin/sh" };
        let message =
            format_args!("{} `{}` is a shell line and is run by {by}", line.keyword.text, command.text);
        let remedy = if command.text.trim_start().starts_with("[[") {
            "keepalived would not run it; `[[` needs bash or busybox: write `[` or test"
        } else if bash {
            "keepalived would not run it: put it into a script, or write bash -c '...'"
        } else {
            "keepalived would not run it: put it into a script, or write sh -c '...'"
        };
        line.tell(Severity::Note, command.at, message, remedy);
    }
    let identity: Vec<&str> = identity.iter().map(|word| word.text.as_str()).collect();
    Some(ScriptCommand {
        argv,
        raw: command.text.clone(),
        identity: read_identity(line, &identity)?,
        shell,
        at: At(command.at),
        written: node.rest().text.into(),
    })
}

/// `<user> [[:]<group>]`; no word means the default identity. None if it cannot be used, which is told.
pub fn read_identity(line: &mut Line<'_>, words: &[&str]) -> Option<Option<Identity>> {
    let Some((user, group)) = words.split_first() else {
        return Some(None);
    };
    let strange =
        |name: &&str| name.contains(['"', '\'', '\\', '/']) || name.chars().any(char::is_whitespace);
    if words.iter().any(|word| word.is_empty() || strange(word)) {
        let message = format_args!("Unable to set uid/gid for {}: '{}'", line.keyword.text, words.join(" "));
        line.error(
            line.keyword,
            message,
            "a command with parameters stands in quotes; user and group follow it",
        );
        return None;
    }
    let identity = |group: Option<&str>, supplementary| {
        Some(Some(Identity {
            user: (*user).to_owned(),
            group: group.filter(|group| !group.is_empty()).map(str::to_owned),
            supplementary,
        }))
    };
    match group {
        [] => identity(None, false),
        [":", group] => identity(Some(group), true),
        [group] => match group.strip_prefix(':') {
            Some(group) => identity(Some(group), true),
            None => identity(Some(group), false),
        },
        _ => {
            let message = format_args!("Unable to set uid/gid for {}: too many words", line.keyword.text);
            line.error(
                line.keyword,
                message,
                "a command with parameters stands in quotes: \"<command> <words>\"",
            );
            None
        }
    }
}
