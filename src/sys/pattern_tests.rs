//! Whatever the pieces of a text are, its pattern finds the same.

use super::*;

const CASELESS: u32 = 8;
const DOTALL: u32 = 0x20;
const FIRSTLINE: u32 = 0x100;
const MULTILINE: u32 = 0x400;
const UTF: u32 = 0x8_0000;

fn with(options: u32) -> Settings {
    Settings { options, ..Settings::default() }
}

/// A search as its caller has it: what is not needed further is forgotten with each piece.
fn found<'a>(
    pattern: &Pattern,
    offsets: (usize, usize),
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Found {
    let (mut window, mut base, (mut from, latest)) = (Vec::new(), 0_usize, offsets);
    let mut over = false;
    let mut look = |window: &mut Vec<u8>, ends: bool| {
        if base + window.len() < from && !ends {
            return Found::Nothing;
        }
        let Some(last) = latest.checked_sub(base) else { return Found::Nothing };
        let place = Place { from: from.saturating_sub(base), latest: last, ends };
        if over {
            return Found::Nothing;
        }
        let found = pattern.find(window, place);
        over = found == Found::Nothing && pattern.is_first_line_over(window, place.from);
        let next = match found {
            Found::Match | Found::GaveUp => return found,
            Found::Partial(at) => at,
            Found::Nothing => window.len().max(place.from),
        };
        from = base + next;
        let keep = next.saturating_sub(pattern.lookbehind()).min(window.len());
        window.drain(..keep);
        base += keep;
        Found::Nothing
    };
    for piece in pieces {
        window.extend_from_slice(piece);
        match look(&mut window, false) {
            Found::Nothing => {}
            found => return found,
        }
    }
    look(&mut window, true)
}

/// The same in one piece, in pieces of every length up to 9, and in two pieces wherever it can be cut.
fn check_between(text: &str, settings: Settings, offsets: (usize, usize), body: &[u8], right: bool) {
    let right = if right { Found::Match } else { Found::Nothing };
    let pattern = Pattern::new(text.as_bytes(), settings).expect("a pattern");
    for length in (1..10).chain([body.len().max(1)]) {
        assert_eq!(
            found(&pattern, offsets, body.chunks(length)),
            right,
            "{text} {settings:?} in pieces of {length}"
        );
    }
    for at in 0..=body.len() {
        let (first, second) = body.split_at(at);
        assert_eq!(found(&pattern, offsets, [first, second]), right, "{text} {settings:?} cut at {at}");
    }
}

fn check(text: &str, settings: Settings, body: &[u8], right: bool) {
    check_between(text, settings, (0, usize::MAX), body, right);
}

#[test]
fn a_match_is_found_wherever_the_text_is_cut() {
    let body = b"<html>\r\nstate: OK-17, load 3\nend of page</html>\n";
    for (text, options, right) in [
        ("OK-[0-9]+", 0, true),
        ("ok-[0-9]+", 0, false),
        ("ok-[0-9]+", CASELESS, true),
        ("OK-[0-9]+, load 4", 0, false),
        ("<html>.*</html>", 0, false),
        ("<html>.*</html>", DOTALL, true),
        ("^state", 0, false),
        ("^state", MULTILINE, true),
        (r"\Astate", MULTILINE, false),
        (r"\A<html", 0, true),
        ("3$", MULTILINE, true),
        ("3$", 0, false),
        (r"</html>$", 0, true),
        (r"</html>\z", 0, false),
        (r"(?<=state: )OK", 0, true),
        (r"(?<=stote: )OK", 0, false),
        (r"(?<!state: )OK", 0, false),
        (r"(?<=^s)tate", 0, false),
        (r"(?<=^s)tate", MULTILINE, true),
        (r"(?<=\As)tate", MULTILINE, false),
        (r"OK(?=-17, load)", 0, true),
        (r"OK(?!-17, load)", 0, false),
        (r"\bload\b", 0, true),
        (r"\boad\b", 0, false),
        ("(page).*\\1", DOTALL, false),
        ("(l).*\\1", DOTALL, true),
        ("html", FIRSTLINE, true),
        ("state", FIRSTLINE, false),
        ("", 0, true),
        ("x*", 0, true),
    ] {
        check(text, with(options), body, right);
    }
}

#[test]
fn nothing_matches_only_what_matches_nothing() {
    check("^$", Settings::default(), b"", true);
    check("a", Settings::default(), b"", false);
    check("^$", Settings::default(), b"a", false);
}

#[test]
fn offsets_count_octets_of_the_text() {
    let body = b"one two one two one";
    let all = usize::MAX;
    for (from, latest, right) in [
        (0, 0, true),
        (1, 7, false),
        (1, 8, true),
        (9, 15, false),
        (16, all, true),
        (17, all, false),
        (400, all, false),
    ] {
        check_between("one", Settings::default(), (from, latest), body, right);
    }
    // The beginning of the text stays where it is.
    check_between("^two", Settings::default(), (4, all), body, false);
    check_between("(?<=one )two", Settings::default(), (4, 4), body, true);
}

#[test]
fn characters_may_be_cut_and_may_be_none() {
    let body = "gr\u{fc}n \u{20ac} \u{1f600}!".as_bytes();
    check("gr.n . .!", with(UTF), body, true);
    check("gr..n", with(UTF), body, false);
    check("gr..n", with(0), body, true);
    check("(?<=\u{20ac} ).!", with(UTF), body, true);
    check("(?<=\u{20ad} ).!", with(UTF), body, false);
    check_between("n \u{20ac}", with(UTF), (3, usize::MAX), body, true);
    check("OK", with(UTF), b"\xff\xe2\x82 OK \xf0", true);
    check("a.b", with(UTF), b"a\xffb", false);
}

#[test]
fn a_pattern_that_explodes_is_given_up() {
    let settings = Settings { stack: Some((32_768, 65_536)), ..Settings::default() };
    let pattern = Pattern::new(b"^(a+)+$", settings).expect("a pattern");
    let all = (0, usize::MAX);
    assert_eq!(found(&pattern, all, [&[b'a'; 4096][..], b"!"]), Found::GaveUp);
    assert_eq!(found(&pattern, all, [&b"aaa"[..]]), Found::Match);
}

#[test]
fn a_mistake_has_its_text_and_its_place() {
    let mistake = |text: &str| Pattern::new(text.as_bytes(), Settings::default()).map(drop).unwrap_err();
    assert_eq!(mistake("a(b"), Mistake { text: "missing closing parenthesis".to_owned(), offset: 3 });
    // The place differs between versions of the library.
    assert!((3..6).contains(&mistake("x[z-a]").offset));
}
