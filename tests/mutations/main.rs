//! 100,000 seeded mutations of every configuration at hand: no panic, no hang, bounded memory.
//!
//! The configurations are those of `tests/goldens`, and the corpus of other people's files where the machine has it.
//! A case is its number: `KEEPALIVED_MUTATION=NUMBER` reads only that one. A failing input is printed with it. Meant
//! for the optimized build, which has the checks of the debug build and a tenth of its time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test ends at the first surprise, and a thread watches over its time"
)]

#[cfg(feature = "snmp")]
mod agentx;
mod bfd;
#[cfg(feature = "status")]
mod browse;
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
mod certificates;
mod checks;
mod mutate;
#[cfg(feature = "status")]
mod pages;
#[cfg(feature = "snmp")]
mod pdus;
mod read;
mod replies;
#[cfg(feature = "status")]
mod requests;
#[cfg(feature = "status")]
mod talk;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use keepalived::sys::alloc;
use mutate::Pool;
use read::Depth;

/// In all, divided among the tests below, which run side by side.
const CASES: usize = 100_000;
const PARTS: usize = 8;

/// Every so many cases one goes all the way back.
const BACK: usize = 4;

/// A case that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(60);

/// Live octets of this process, with all cases that run side by side.
const MOST_LIVE: usize = 2 << 30;

/// By number, since when it is read and what it is.
type Cases = BTreeMap<usize, (Instant, Arc<[u8]>)>;

/// What is being read.
static RUNNING: Mutex<Cases> = Mutex::new(BTreeMap::new());

fn running() -> std::sync::MutexGuard<'static, Cases> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the process with the input in sight as soon as a case takes too long or all of them too much.
fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_millis(2));
                let live = alloc::live();
                let cases = running();
                let slow = cases.values().any(|(since, _)| since.elapsed() > LONGEST);
                if live > MOST_LIVE || slow {
                    // Not eprintln: what a test prints is kept, and lost with the process.
                    let mut out = std::io::stderr().lock();
                    let _ = writeln!(out, "{live} octets are live (at most {MOST_LIVE}, each {LONGEST:?}):");
                    for (case, (since, text)) in cases.iter() {
                        let _ =
                            writeln!(out, "case {case} for {:?}: {}", since.elapsed(), text.escape_ascii());
                    }
                    std::process::abort();
                }
            }
        });
    });
}

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "conf") {
            all.push(path);
        }
    }
}

/// Every configuration at hand.
fn configurations() -> Vec<Vec<u8>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("KEEPALIVED_SHARED").map_or_else(|| here.join("../shared"), PathBuf::from);
    let mut all = Vec::new();
    files(&here.join("tests/goldens"), &mut all);
    assert!(all.len() > 100, "the goldens are gone");
    files(&shared.join("corpus/all"), &mut all);
    all.sort();
    all.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn part(number: usize) {
    watch();
    let texts = configurations();
    let pool = Pool::new(&texts);
    let only: Option<usize> = std::env::var("KEEPALIVED_MUTATION").ok().map(|case| case.parse().unwrap());
    for case in (number..CASES).step_by(PARTS).filter(|case| only.is_none_or(|only| only == *case)) {
        let text: Arc<[u8]> = pool.mutation(case).into();
        running().insert(case, (Instant::now(), Arc::clone(&text)));
        let depth = if (case / PARTS).is_multiple_of(BACK) { Depth::AndBack } else { Depth::Once };
        let outcome = std::panic::catch_unwind(|| read::read(&text, depth));
        running().remove(&case);
        assert!(outcome.is_ok(), "case {case} ({depth:?}): {}", text.escape_ascii());
    }
}

macro_rules! parts {
    ($($name:ident $number:literal)*) => {
        $(#[test]
        fn $name() {
            part($number);
        })*

        #[test]
        fn every_case_is_read() {
            assert_eq!([$($number),*], core::array::from_fn::<usize, PARTS, _>(|part| part));
        }
    };
}

parts! {
    mutations_0 0 mutations_1 1 mutations_2 2 mutations_3 3 mutations_4 4 mutations_5 5 mutations_6 6 mutations_7 7
}

/// The files as they are go there and back.
#[test]
fn unchanged_files_come_back() {
    for text in configurations() {
        read::read(&text, Depth::AndBack);
    }
}
