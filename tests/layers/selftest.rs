//! Each rule is broken once in a source in memory.

use crate::source::Source;
use crate::{MOST_FIELDS, MOST_LINES, judge};

/// What is wrong with one file of this name.
fn findings(name: &str, code: &str) -> Vec<String> {
    judge(vec![Source::new(name, &format!("//! Job.\n{code}"))])
}

/// Exactly one thing is wrong with the file, in this line.
#[track_caller]
fn one(name: &str, code: &str, line: usize, part: &str) {
    let found = findings(name, code);
    let told = found
        .first()
        .is_some_and(|text| text.starts_with(&format!("{name}:{line}: ")) && text.contains(part));
    assert!(told && found.len() == 1, "{found:?}");
}

#[test]
fn a_layer_above_a_sibling_and_the_forbidden_are_seen() {
    one("src/base/time.rs", "use crate::proto::vrrp;", 2, "above");
    one("src/wire/arp.rs", "\nuse crate::sys::clock;", 3, "sibling");
    one("src/notify/mod.rs", "fn f() { crate::status::dump(); }", 2, "sibling");
    one("src/vrrpd/run.rs", "use crate::checkd::run;", 2, "sibling");
    one("src/proto/vrrp/machine.rs", "use crate::sys::clock;", 2, "never sys");
    one("src/config/rows/vrrp.rs", "use crate::wire::vrrp::Version;", 2, "never wire");
    one("src/config/rows/vrrp.rs", "type T = crate::sys::link::Index;", 2, "never sys");
    one("src/other/mod.rs", "", 1, "no layer");
    for fine in ["use crate::base::time::Instant;", "use crate::wire::vrrp;", "use super::params::Params;"] {
        assert_eq!(findings("src/proto/vrrp/machine.rs", fine), [""; 0], "{fine}");
    }
    assert_eq!(findings("src/lib.rs", "pub mod base;"), [""; 0]);
    assert_eq!(findings("src/main.rs", "use keepalived::daemon::cli;"), [""; 0]);
}

#[test]
fn supers_groups_names_and_inline_modules_are_followed() {
    one("src/proto/vrrp/mod.rs", "use super::super::sys::clock;", 2, "sys::clock");
    one("src/proto/vrrp/accept.rs", "fn f() { super::super::super::daemon::x(); }", 2, "above");
    one("src/proto/vrrp/accept.rs", "mod inner { use super::super::super::super::config::x; }", 2, "above");
    one("src/proto/mod.rs", "mod a { fn f() {} } use super::daemon;", 2, "above");
    one(
        "src/proto/mod.rs",
        "use crate::{base::{self, time::Instant},\n daemon::{cli as c}};",
        3,
        "daemon::cli",
    );
    one("src/proto/mod.rs", "use crate::{base, status};", 2, "status");
    one("src/proto/mod.rs", "pub use crate::daemon::*;", 2, "daemon::*");
    one("src/base/id.rs", "macro_rules! m { () => { $crate::proto::x() } }", 2, "above");
    let fine = "mod inner { use super::super::accept; } use self::inner::x; use super::track::Weight;";
    assert_eq!(findings("src/proto/vrrp/accept.rs", fine), [""; 0]);
}

#[test]
fn clocks_threads_sockets_and_unsafe_are_seen() {
    one("src/proto/vrrp/machine.rs", "use std::time::Duration;", 2, "told everything");
    one("src/proto/vrrp/machine.rs", "use std::{fmt, net::{IpAddr, UdpSocket}};", 2, "UdpSocket");
    one("src/proto/vrrp/machine.rs", "fn f() { std::fs::read(1); }", 2, "told everything");
    one("src/daemon/reactor.rs", "fn f() { let t = Instant::now(); }", 2, "the time");
    one("src/daemon/reactor.rs", "fn f() { std::time::SystemTime::now(); }", 2, "the time");
    one("src/vrrpd/run.rs", "use std::thread;", 2, "one thread");
    one("src/vrrpd/run.rs", "fn f() { thread::spawn(g); }", 2, "one thread");
    one("src/daemon/reactor.rs", "fn f() {\n unsafe { g() } }", 3, "unsafe");
    assert_eq!(findings("src/sys/clock.rs", "fn f() { unsafe { g(Instant::now()) } }"), [""; 0]);
    assert_eq!(findings("src/proto/vrrp/machine.rs", "use std::net::IpAddr; use core::fmt;"), [""; 0]);
}

#[test]
fn comments_literals_and_lifetimes_are_no_code() {
    let code = r##"
        // use crate::daemon; unsafe
        /* unsafe /* crate::daemon::x */ unsafe */
        /// [`crate::daemon::x`]
        #[allow(unsafe_code)]
        const A: &str = "unsafe { crate::daemon::x }\" unsafe";
        const B: &str = r#"unsafe " crate::daemon::x"#;
        const C: [char; 3] = ['"', '\'', '\\'];
        fn f<'a>(x: &'a str, y: &'static [u8]) -> (char, u8) { ('u', b'"') }
    "##;
    assert_eq!(findings("src/proto/mod.rs", code), [""; 0]);
    one("src/proto/mod.rs", &format!("{code}\nunsafe"), 12, "unsafe");
}

#[test]
fn tests_may_use_files_and_threads_but_not_other_layers() {
    let tests = "#[cfg(test)]\n#[allow(x)]\nmod tests { use std::fs; fn f() { std::thread::spawn(g); } }";
    assert_eq!(findings("src/proto/mod.rs", tests), [""; 0]);
    one("src/proto/mod.rs", &format!("{tests} use std::fs;"), 4, "told everything");
    one("src/proto/mod.rs", "#[cfg(test)] mod tests { use crate::daemon::x; }", 2, "above");
    let machine = Source::new("src/proto/machine.rs", "//! Job.\n#[cfg(test)]\nmod tests;");
    let long = format!("//! Tests.\nuse std::fs;\n{}", "fn f() {}\n".repeat(MOST_LINES));
    let apart = Source::new("src/proto/machine/tests.rs", &long);
    assert_eq!(judge(vec![machine, apart]), [""; 0]);
}

#[test]
fn headers_and_length_are_seen() {
    let found = judge(vec![Source::new("src/base/time.rs", "\n// A comment.\nfn f() {}")]);
    assert_eq!(found, ["src/base/time.rs:1: the file does not begin with //! and its job"]);
    let line = "fn f() {}\n// comment\n\n";
    one("src/base/time.rs", &line.repeat(MOST_LINES + 1), 1, "601 lines");
    assert_eq!(findings("src/base/time.rs", &line.repeat(MOST_LINES)), [""; 0]);
    let tests = format!("{}#[cfg(test)] mod tests {{ {} }}", line, line.repeat(MOST_LINES));
    assert_eq!(findings("src/base/time.rs", &tests), [""; 0]);
}

/// What is wrong with several files together.
fn together(files: &[(&str, &str)]) -> Vec<String> {
    judge(files.iter().map(|(name, code)| Source::new(name, &format!("//! Job.\n{code}"))).collect())
}

#[test]
fn a_circle_inside_a_folder_is_named_with_its_uses() {
    let found = together(&[
        ("src/base/mod.rs", "pub mod a; pub mod b; pub mod c; pub mod d;"),
        ("src/base/a.rs", "use super::b::B;"),
        ("src/base/b/mod.rs", "mod inner;"),
        ("src/base/b/inner.rs", "use crate::base::c::C;"),
        ("src/base/c.rs", "fn f() { super::a::g() }"),
        ("src/base/d.rs", "use super::a::A;"),
    ]);
    let lines: Vec<&str> = found.iter().flat_map(|text| text.lines().map(str::trim)).collect();
    let expected = [
        "base: a circle of a, b, c",
        "src/base/a.rs:2: a uses b",
        "src/base/b/inner.rs:2: b uses c",
        "src/base/c.rs:2: c uses a",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_circle_through_what_a_folder_hands_on_is_seen() {
    let found = together(&[
        ("src/base/mod.rs", "mod a; mod b; pub use a::A; pub use b::{B, C as D};"),
        ("src/base/a.rs", "use super::D;"),
        ("src/base/b.rs", "use crate::base::A;"),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("base: a circle of a, b"), "{found:?}");
}

#[test]
fn parents_children_tests_and_one_direction_are_no_circle() {
    let fine = together(&[
        ("src/base/mod.rs", "mod a; mod b; pub use a::A;"),
        ("src/base/a.rs", "mod part; use self::part::P; #[cfg(test)] mod tests { use crate::base::b::B; }"),
        ("src/base/a/part.rs", "use super::A;"),
        ("src/base/b.rs", "use super::A;"),
    ]);
    assert_eq!(fine, [""; 0]);
}

#[test]
fn a_struct_that_knows_everything_is_seen() {
    let fields =
        |count: usize| (0..count).map(|number| format!("f{number}: Map<A, B>,\n")).collect::<String>();
    let most = format!("struct S<T: A> {{\n{}}}", fields(MOST_FIELDS));
    let more = format!("struct S<T: A> {{\n{}}}", fields(MOST_FIELDS + 1));
    one("src/checkd/run.rs", &format!("struct T(A, B);\n{more}"), 3, "S has 16 fields");
    for (name, fine) in [("src/checkd/run.rs", &most), ("src/config/model.rs", &more)] {
        assert_eq!(findings(name, fine), [""; 0], "{name}");
    }
    assert_eq!(findings("src/checkd/run.rs", &format!("#[cfg(test)]\n{more}")), [""; 0]);
}

#[test]
fn a_state_in_common_is_seen() {
    one("src/vrrpd/sockets/send.rs", "use super::super::state::State;", 2, "in common");
    assert_eq!(findings("src/vrrpd/sockets/send.rs", "use crate::proto::vrrp::State;"), [""; 0]);
}
