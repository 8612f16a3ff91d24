//! Plays the schedules of a theme, and tells how a failing one went.

use crate::link::HOSTS;
use crate::plan::{Theme, play};
use crate::referee::Violation;
use crate::world::World;

/// Lines of a trace that are printed besides the configurations at its beginning.
const LINES: usize = 400;

/// Plays all schedules of a theme.
pub(crate) fn run(theme: &Theme) {
    run_by(theme, play);
}

/// Plays all schedules of a theme as `play` does: a theme, a seed, with a trace or without.
pub(crate) fn run_by(theme: &Theme, play: impl Fn(&Theme, u64, bool) -> (World, Result<(), Violation>)) {
    let (seeds, single) = seeds(theme);
    let (mut schedules, mut transitions) = (0, 0);
    for seed in seeds {
        let _guard = Guard { theme, seed };
        // One that is asked for by its seed is traced from the start: it may panic.
        let (world, outcome) = play(theme, seed, single);
        if outcome.is_err() {
            drop(world);
            let (mut world, outcome) = play(theme, seed, true);
            world.print_trace();
            panic!("{} at {}: {outcome:?}", theme.name, world.now);
        }
        schedules += 1;
        transitions += world.transitions.len();
    }
    assert!(
        single || transitions > schedules,
        "{schedules} schedules with {transitions} changes of state test nothing"
    );
}

impl World {
    fn print_trace(&mut self) {
        let trace = self.trace.take().unwrap_or_default();
        let (first, rest) = trace.split_at(HOSTS.min(trace.len()));
        for line in first.iter().chain(&rest[rest.len().saturating_sub(LINES)..]) {
            eprintln!("{line}");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_trace();
        }
    }
}

/// Names the schedule under way if anything panics.
struct Guard<'a> {
    theme: &'a Theme,
    seed: u64,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (seed, name) = (self.seed, self.theme.name);
            eprintln!("again: SIM_SEED={seed} cargo test --test sim {name}");
        }
    }
}

/// Every theme has seeds of its own; `SIM_SEED` picks one, whatever the theme.
fn seeds(theme: &Theme) -> (std::ops::Range<u64>, bool) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SIM_SEED") {
        return (seed..seed.saturating_add(1), true);
    }
    let letters = theme.name.bytes().map(u64::from);
    let hash = letters.fold(0_u64, |hash, letter| hash.wrapping_mul(31).wrapping_add(letter));
    let first = hash % 1_000_000 * 1_000_000;
    (first..first + theme.schedules * number("SIM_FACTOR").unwrap_or(1), false)
}
