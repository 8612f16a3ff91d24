//! Words and signs of a source, without comments and literals, and which of them only tests see.

/// A word or a sign, where it stands, and whether only tests see it.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
    pub(crate) test: bool,
}

pub(crate) fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Marks what stands under `#[cfg(test)]`: the item behind it, to its semicolon or closing brace.
pub(crate) fn mark_tests(tokens: &mut [Token]) {
    let opening = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut at = 0;
    while at + opening.len() <= tokens.len() {
        let here = &tokens[at..at + opening.len()];
        if !here.iter().map(|token| token.text.as_str()).eq(opening) {
            at += 1;
            continue;
        }
        let (mut end, mut depth, mut squares) = (at + opening.len(), 0_usize, 0_usize);
        while end < tokens.len() {
            match tokens[end].text.as_str() {
                "[" => squares += 1,
                "]" => squares = squares.saturating_sub(1),
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            let closed = matches!(tokens[end].text.as_str(), ";" | "}") && depth == 0 && squares == 0;
            end += 1;
            if closed {
                break;
            }
        }
        tokens[at..end].iter_mut().for_each(|token| token.test = true);
        at = end;
    }
}

/// Words, `::` and single signs, without comments; a literal is one `"`.
pub(crate) fn lex(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let peek = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let (mut tokens, mut line, mut at) = (Vec::new(), 1, 0);
    while at < chars.len() {
        let start = at;
        let c = peek(at);
        let mut token = None;
        if c == '/' && peek(at + 1) == '/' {
            while at < chars.len() && peek(at) != '\n' {
                at += 1;
            }
        } else if c == '/' && peek(at + 1) == '*' {
            let mut open = 0_usize;
            while at < chars.len() {
                match (peek(at), peek(at + 1)) {
                    ('/', '*') => (open, at) = (open + 1, at + 2),
                    ('*', '/') => (open, at) = (open - 1, at + 2),
                    _ => at += 1,
                }
                if open == 0 {
                    break;
                }
            }
        } else if let Some(end) = literal(&chars, at) {
            (at, token) = (end, Some("\"".to_owned()));
        } else if c.is_alphanumeric() || c == '_' {
            while peek(at).is_alphanumeric() || peek(at) == '_' {
                at += 1;
            }
            token = Some(chars[start..at].iter().collect());
        } else if c == ':' && peek(at + 1) == ':' {
            (at, token) = (at + 2, Some("::".to_owned()));
        } else {
            at += 1;
            token = (!c.is_whitespace()).then(|| c.to_string());
        }
        if let Some(text) = token {
            tokens.push(Token { text, line, test: false });
        }
        line += chars[start..at.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

/// Where a string or character literal that begins at `at` ends, if one does. Lifetimes are none.
fn literal(chars: &[char], at: usize) -> Option<usize> {
    let peek = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let follows_word = at > 0 && (peek(at - 1).is_alphanumeric() || peek(at - 1) == '_');
    let mut start = at;
    if !follows_word && matches!(peek(start), 'b' | 'c') {
        start += 1;
    }
    let raw = !follows_word && peek(start) == 'r' && matches!(peek(start + 1), '"' | '#');
    if raw {
        let hashes = (start + 1..).take_while(|at| peek(*at) == '#').count();
        let open = start + 1 + hashes;
        if peek(open) != '"' {
            return None;
        }
        let closes = |at: usize| peek(at) == '"' && (1..=hashes).all(|ahead| peek(at + ahead) == '#');
        return (open + 1..chars.len()).find(|at| closes(*at)).map(|at| at + hashes + 1);
    }
    let quote = peek(start);
    let character = quote == '\'' && (peek(start + 1) == '\\' || peek(start + 2) == '\'');
    if quote != '"' && !character {
        return None;
    }
    let mut end = start + 1;
    while end < chars.len() && peek(end) != quote {
        end += if peek(end) == '\\' { 2 } else { 1 };
    }
    Some(end + 1)
}
