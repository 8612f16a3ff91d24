//! Shell lines, read without running them: whether a command is one, which programs it begins, and where arguments
//! that are added go.
//!
//! Only what decides these questions is understood. A construct that hides what is run (a substitution, `eval`, a
//! function) is named as [`Line::hidden`], so that whoever must know can refuse the line.

/// What a shell line consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The first word of each command that is a program, without its quotes, in order.
    pub programs: Vec<String>,
    /// A construct that does not let one see what is run.
    pub hidden: Option<&'static str>,
    /// The end of the only program's arguments, in octets from the beginning of the line. None: there are several
    /// programs or none, or the line itself says where its arguments go.
    pub end: Option<usize>,
}

impl Line {
    /// Reads a line.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut reader = Reader { text, at: 0, line: Self::default() };
        reader.run();
        let mut line = reader.line;
        if line.programs.len() != 1 || line.hidden.is_some() || uses_arguments(text) {
            line.end = None;
        }
        line
    }
}

/// The line with the arguments of the shell as further arguments of its only program.
#[must_use]
pub fn with_arguments(text: &str) -> String {
    let end = Line::read(text).end;
    match end.and_then(|end| text.split_at_checked(end)) {
        Some((program, rest)) => format!("{program} \"$@\"{rest}"),
        None => text.to_owned(),
    }
}

/// Whether the line needs bash: dash takes `&>` for something else and does not know the others.
#[must_use]
pub fn wants_bash(text: &str) -> bool {
    let constructs = ["&>", "|&", "<<<", "<(", ">(", "/dev/tcp/", "/dev/udp/"];
    constructs.iter().any(|one| text.contains(one)) || text.split_whitespace().any(|word| word == "[[")
}

/// Whether a command is meant for a shell: a whole unquoted word is an operator or a redirection, or it begins with
/// what only a shell knows.
#[must_use]
pub fn is_line(command: &str) -> bool {
    // Quotes are looked at before escapes are applied, so words keep their own.
    let mut first = true;
    for word in bare_words(command) {
        let digits = word.trim_start_matches(|ch: char| ch.is_ascii_digit());
        let operator = is_one_of(word, "&& || | ; & |& &> &>>")
            || (first && (begins_a_line(word) || assignment(word).is_some()))
            || word.strip_prefix("&>").is_some_and(|target| !target.is_empty())
            || (word.len() > 1 && word.ends_with(';') && !word.ends_with("\\;"))
            || digits.starts_with('>')
            || digits.starts_with('<');
        if operator {
            return true;
        }
        first = false;
    }
    false
}

/// A first word that is no program anywhere.
fn begins_a_line(word: &str) -> bool {
    word.starts_with('(') || is_one_of(word, "[[ ! { if while until for case exit exec eval command . :")
}

/// Whether a word is one of these, which blanks separate.
fn is_one_of(word: &str, words: &str) -> bool {
    words.split(' ').any(|one| one == word)
}

/// The words of a command that hold no quote and no escape, in order; others are given as an empty word, but for the
/// name of a variable and its `=`.
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
    split.filter(|word| !word.is_empty()).map(|word| match word.find(['"', '\'', '\\']) {
        Some(quoted) => match word.split_at_checked(quoted) {
            Some((before, _)) if assignment(before).is_some() => before,
            _ => "",
        },
        None => word,
    })
}

/// Name and value, if a word is an assignment.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let letter = |ch: char| ch.is_ascii_alphabetic() || ch == '_';
    let is_name = name.starts_with(letter) && name.chars().all(|ch| letter(ch) || ch.is_ascii_digit());
    is_name.then_some((name, value))
}

/// Whether a line uses the arguments that the shell was given.
fn uses_arguments(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        if after.trim_start_matches('{').starts_with(['@', '*', '#', '1', '2', '3', '4']) {
            return true;
        }
        rest = after;
    }
    false
}

/// What the words of a shell itself are.
#[derive(Clone, Copy)]
enum Role {
    /// A command follows.
    Opens,
    /// The end of a compound command.
    Closes,
    /// Runs nothing.
    Builtin,
    /// Does not let one see what is run.
    Hides(&'static str),
    /// A program.
    Program,
}

const ROLES: [(Role, &str); 9] = [
    (Role::Opens, "if then elif else while until do ! { time exec"),
    (Role::Closes, "fi done }"),
    (
        Role::Builtin,
        ": [ break cd continue echo exit export false getopts kill local printf pwd read readonly return set shift \
         test times true type ulimit umask unset wait",
    ),
    (Role::Hides("eval"), "eval"),
    (Role::Hides("a file that is read in"), ". source"),
    (Role::Hides("command"), "command builtin"),
    (Role::Hides("trap"), "trap"),
    (Role::Hides("another meaning for a command"), "alias enable hash"),
    (Role::Hides("a loop, a case or a function"), "for case select function coproc"),
];

fn role(word: &str) -> Role {
    let known = ROLES.iter().find(|(_, words)| is_one_of(word, words));
    known.map_or(Role::Program, |(role, _)| *role)
}

/// Reads a line from left to right.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: Line,
}

/// One word.
struct Word {
    /// Without quotes.
    text: String,
    /// Any part was quoted: it is no word of the shell's own.
    quoted: bool,
    /// What it is, is known only when it is run.
    variable: bool,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn take(&mut self, sign: &str) -> bool {
        let there = self.rest().starts_with(sign);
        if there {
            self.at += sign.len();
        }
        there
    }

    fn hide(&mut self, what: &'static str) {
        self.line.hidden.get_or_insert(what);
    }

    fn run(&mut self) {
        let (mut begins, mut is_program) = (true, false);
        while let Some(next) = self.rest().chars().next() {
            if next == '\n' || next == ';' || next == '|' {
                self.at += 1;
                // Whatever follows of `||`, `|&` and `;;` begins a command, too.
                (begins, is_program) = (true, false);
            } else if next.is_whitespace() {
                self.at += next.len_utf8();
            } else if next == '#' {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            } else if self.redirects() {
                // Its end may be the end of a program's part.
                if is_program {
                    self.line.end = Some(self.at);
                }
            } else if next == '&' {
                self.at += 1;
                (begins, is_program) = (true, false);
            } else if next == '(' {
                self.at += 1;
                if !begins || self.rest().starts_with('(') {
                    self.hide("a function or a calculation");
                }
            } else if next == ')' {
                self.at += 1;
                (begins, is_program) = (false, false);
            } else {
                let word = self.word();
                if begins {
                    (begins, is_program) = self.first(&word);
                }
                if is_program {
                    self.line.end = Some(self.at);
                }
            }
        }
    }

    /// A word where a command may begin: whether one still may, and whether it is a program.
    fn first(&mut self, word: &Word) -> (bool, bool) {
        if let Some((name, value)) = assignment(&word.text).filter(|_| !word.text.starts_with('=')) {
            if name == "PATH" || value.contains('/') || word.variable {
                self.hide("an assignment that may change what is run");
            }
            return (true, false);
        }
        if word.variable {
            self.hide("a command that is known only when it is run");
            return (false, false);
        }
        if word.text == "[[" && !word.quoted {
            self.skip_test();
            return (false, false);
        }
        match role(&word.text) {
            Role::Opens => (true, false),
            Role::Closes | Role::Builtin => (false, false),
            Role::Hides(what) => {
                self.hide(what);
                (false, false)
            }
            Role::Program => {
                self.line.programs.push(word.text.clone());
                (false, true)
            }
        }
    }

    /// Past the `]]`: between the brackets `&&`, `<` and their kind are other things.
    fn skip_test(&mut self) {
        while let Some(next) = self.rest().chars().next() {
            if next.is_whitespace() || is_operator(next) {
                self.at += next.len_utf8();
            } else if self.word().text == "]]" {
                return;
            }
        }
    }

    /// Past a redirection and its target, if there is one here.
    fn redirects(&mut self) -> bool {
        let start = self.at;
        let digits = self.rest().find(|ch: char| !ch.is_ascii_digit()).unwrap_or(0);
        self.at += digits;
        let both = digits == 0 && self.take("&>");
        if !both && !self.take("<") && !self.take(">") {
            self.at = start;
            return false;
        }
        if self.take("(") {
            self.hide("a substitution");
        } else if !both
            && self.text.get(start..self.at).is_some_and(|sign| sign.ends_with('<'))
            && self.take("<")
        {
            self.hide("a text that follows the line");
        }
        for sign in [">", "|", "&", "<"] {
            if self.take(sign) {
                break;
            }
        }
        let blanks = self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
        self.at += blanks;
        self.word();
        true
    }

    /// A word, to its end.
    fn word(&mut self) -> Word {
        let mut word = Word { text: String::new(), quoted: false, variable: false };
        let mut quote = None;
        while let Some(next) = self.rest().chars().next() {
            if quote.is_none() && (next.is_whitespace() || is_operator(next)) {
                break;
            }
            self.at += next.len_utf8();
            match (next, quote) {
                ('\'', Some('\'')) | ('"', Some('"')) => quote = None,
                (_, Some('\'')) => word.text.push(next),
                ('\'' | '"', None) => {
                    quote = Some(next);
                    word.quoted = true;
                }
                ('\\', _) => {
                    word.quoted = true;
                    if let Some(escaped) = self.rest().chars().next() {
                        self.at += escaped.len_utf8();
                        word.text.push(escaped);
                    }
                }
                ('`', _) => self.hide("a substitution"),
                ('$', _) => {
                    word.variable = true;
                    if self.rest().starts_with('(') || self.rest().starts_with("{ ") {
                        self.hide("a substitution");
                    }
                }
                ('*' | '?' | '~', None) => {
                    word.variable = true;
                    word.text.push(next);
                }
                ('{', None)
                    if !word.text.is_empty() || self.rest().starts_with(|ch: char| !ch.is_whitespace()) =>
                {
                    word.variable = true;
                    word.text.push(next);
                }
                _ => word.text.push(next),
            }
        }
        word
    }
}

const fn is_operator(ch: char) -> bool {
    matches!(ch, '|' | '&' | ';' | '(' | ')' | '<' | '>')
}

#[cfg(test)]
mod tests {
    use super::*;

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
            "a;",
            "a ;",
            "a &",
            "a < /etc/passwd",
            "a &>/dev/null",
            "</dev/tcp/127.0.0.1/80",
            "</dev/vcs1",
            "2>/dev/null a",
            "LANG=C a b",
            "LANG='C' a b",
            "(a)",
            "exit 1",
        ] {
            assert!(is_line(shell), "{shell}");
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
            "/x a|b",
            "/x a=b",
            "/opt/a=b c",
            "find / -exec ls \\;",
            "[ -f /x ]",
            "",
        ] {
            assert!(!is_line(plain), "{plain}");
        }
    }

    #[test]
    fn the_programs_of_a_line_are_those_at_the_beginning_of_its_commands() {
        for (text, programs) in [
            ("/home/bob/check && exit 0 || exit 1", "/home/bob/check"),
            ("killall -0 nginx>/dev/null 2>&1||exit 1", "killall"),
            ("a b|c d&&e&f;g", "a c e f g"),
            ("'/a b' c; \"/d\" e; /f\\ g", "/a b|/d|/f g"),
            ("</dev/tcp/127.0.0.1/80", ""),
            ("2>/dev/null a >b", "a"),
            ("LANG=C X='1 2' a=b.c a", "a"),
            ("if a; then b; else ! c; fi", "a b c"),
            ("while a; do { b; (c; d); }; done", "a b c d"),
            ("[[ -f /x && $a < b ]] && a", "a"),
            ("[ -f /x ] && test 1 = 1 || exec a # b; c", "a"),
            ("a &>/dev/null; b 2>&1 |& c", "a b c"),
            ("a \"b; c\" 'd && e'", "a"),
            ("a $b \"$c\"", "a"),
        ] {
            let split = if programs.contains('|') { '|' } else { ' ' };
            let programs: Vec<_> = programs.split(split).filter(|word| !word.is_empty()).collect();
            let line = Line::read(text);
            assert_eq!(
                (line.programs, line.hidden),
                (programs.iter().map(|word| (*word).to_owned()).collect(), None),
                "{text}"
            );
        }
    }

    #[test]
    fn what_hides_a_program_is_named() {
        for text in [
            "$(/home/bob/check)",
            "a \"$(/home/bob/check)\"",
            "a `/home/bob/check`",
            "$X a",
            "a; \"$X\"",
            "/home/b?b/check",
            "~bob/check",
            "/{home,}/bob/check",
            "eval a",
            ". /home/bob/check",
            "a; source /home/bob/check",
            "command a",
            "trap /home/bob/check EXIT",
            "for x in a; do b; done",
            "case a in a) b;; esac",
            "f() { a; }; f",
            "((1))",
            "a <(/home/bob/check)",
            "a <<X",
            "PATH=/home/bob a",
            "PATH=. a",
            "LD_PRELOAD=/home/bob/x.so a",
            "X=$Y a",
            "alias a=b; a",
            "[[ $(/home/bob/check) ]]",
            "a > $(/home/bob/check)",
        ] {
            assert!(Line::read(text).hidden.is_some(), "{text}");
        }
    }

    #[test]
    fn added_arguments_are_those_of_the_only_program() {
        for (text, made) in [
            ("/a b;", "/a b \"$@\";"),
            ("/a;", "/a \"$@\";"),
            ("/a &", "/a \"$@\" &"),
            ("/a b > /dev/null 2>&1", "/a b > /dev/null 2>&1 \"$@\""),
            ("LANG=C /a", "LANG=C /a \"$@\""),
            ("[ -x /a ] && /a || exit 1", "[ -x /a ] && /a \"$@\" || exit 1"),
            ("/a && /b", "/a && /b"),
            ("/a \"$1\" >/x", "/a \"$1\" >/x"),
            ("/a ${2} ;", "/a ${2} ;"),
            ("exit 1", "exit 1"),
        ] {
            assert_eq!(with_arguments(text), made);
        }
    }
}
