//! Commands of `script`, `notify*` and their kind: words, identity, and whether they need a shell.
//!
//! keepalived runs a command without a shell, so that `a && b` gives `a` two strange arguments. Published
//! configurations write shell lines all the same; a command with a shell operator as a word of its own is
//! marked and later run by a shell, as its author meant it.

use std::ffi::CString;

use super::diag::Severity;
use super::lexer::{Escapes, split_script};
use super::line::Line;
use super::model::{At, Identity, ScriptCommand};

/// Reads the command and the identity that a line gives; none if it cannot be used, which is told.
pub fn read(line: &mut Line<'_>) -> Option<ScriptCommand> {
    let node = line.node;
    let words = match node.script_words() {
        Ok(words) => words,
        Err(quote) => {
            line.error(quote, "Unmatched quote", "close the quote; the line is not used");
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
            line.error(command.at, "Unmatched quote", "close the quote; the line is not used");
            return None;
        }
    };
    let shell = needs_shell(&command.text);
    let mut argv = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match CString::new(piece.bytes) {
            Ok(word) => argv.push(word),
            Err(_) => {
                line.error(command.at, "a NUL byte in a command", "no program can be given one");
                return None;
            }
        }
    }
    if argv.first().is_none_or(|word| word.is_empty()) {
        let message = format!("No {} specified", line.keyword.text);
        line.error(command.at, &message, "the command is empty; the line is not used");
        return None;
    }
    if shell {
        let message =
            format!("{} `{}` is a shell line and is run by /bin/sh", line.keyword.text, command.text);
        let remedy = if command.text.trim_start().starts_with("[[") {
            "keepalived would not run it; `[[` needs bash or busybox: write `[` or test"
        } else {
            "keepalived would not run it: put it into a script, or write sh -c '...'"
        };
        line.tell(Severity::Note, command.at, &message, remedy);
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
        let message = format!("Unable to set uid/gid for {}: '{}'", line.keyword.text, words.join(" "));
        line.error(
            line.keyword,
            &message,
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
            let message = format!("Unable to set uid/gid for {}: too many words", line.keyword.text);
            line.error(
                line.keyword,
                &message,
                "a command with parameters stands in quotes: \"<command> <words>\"",
            );
            None
        }
    }
}

/// Whether a whole unquoted word of the command is a shell operator or a redirection, or the first is `[[`.
#[must_use]
pub fn needs_shell(command: &str) -> bool {
    // Quotes are looked at before escapes are applied, so words keep their own.
    let mut first = true;
    for word in bare_words(command) {
        let digits = word.trim_start_matches(|ch: char| ch.is_ascii_digit());
        let operator = matches!(word, "&&" | "||" | "|" | ";" | "&" | "|&" | "&>" | "&>>")
            || (first && matches!(word, "[[" | "!" | "("))
            || word.strip_prefix("&>").is_some_and(|target| !target.is_empty())
            || (word.len() > 1 && word.ends_with(';') && !word.ends_with("\\;"))
            || digits.starts_with('>')
            || digits.starts_with('<');
        if operator {
            // A path in angle brackets as the first word is keepalived's way to test a file for opening.
            return !(first && word.starts_with('<'));
        }
        first = false;
    }
    false
}

/// The words of a command that hold no quote and no escape, in order; others are given as an empty word.
fn bare_words(command: &str) -> impl Iterator<Item = &str> {
    let mut quote: Option<char> = None;
    let mut escaped = false;
    let split = command.split(move |ch: char| {
        if core::mem::take(&mut escaped) {
            return false;
        }
        match (ch, quote) {
            ('\\', _) => escaped = true,
            ('"' | '\'', None) => quote = Some(ch),
            (_, Some(open)) if open == ch => quote = None,
            (_, None) => return ch.is_ascii_whitespace(),
            _ => {}
        }
        false
    });
    split.filter(|word| !word.is_empty()).map(|word| if word.contains(['"', '\'', '\\']) { "" } else { word })
}

#[cfg(test)]
mod tests {
    use super::needs_shell;

    #[test]
    fn operators_as_words_need_a_shell() {
        for shell in [
            "killall -0 nginx && exit 0 || exit 1",
            "[[ -f /x ]] && exit 1",
            "[[ -f /x ]]",
            "systemctl status httpd > /dev/null 2>&1",
            "true >/dev/null",
            "a 2>&1",
            "a | b",
            "a; b",
            "a &",
            "a < /etc/passwd",
            "a &>/dev/null",
        ] {
            assert!(needs_shell(shell), "{shell}");
        }
    }

    #[test]
    fn operators_inside_words_do_not() {
        for plain in [
            "/usr/bin/pgrep -x nginx",
            "curl http://x/?a=1&b=2",
            "sh -c 'a && b'",
            "sh -c \"a > b\"",
            "a \\&\\& b",
            "a '&&' b",
            "a \"b ; c\" d",
            "</dev/vcs1",
            "/x a|b",
            "find / -exec ls \\;",
            "[ -f /x ]",
            "",
        ] {
            assert!(!needs_shell(plain), "{plain}");
        }
    }
}
