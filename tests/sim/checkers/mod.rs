//! Checkers on a virtual clock: a director, the checks of its servers as they ship, a model of the kernel's table,
//! servers that come and go, reloads, processes that die, and other people's hands in the table.
//!
//! Start with [`referee`] for the invariants and [`world`] for what a schedule does. A schedule that fails prints its
//! seed; `SIM_SEED=n cargo test --test sim checkers` plays that one again and prints what happens, and `SIM_FACTOR=n`
//! plays n times as many as usual.

#[path = "../../../src/proto/lvs/tests/conf.rs"]
#[allow(dead_code, reason = "what the tests of the machine need of it is more")]
mod conf;
mod draw;
#[path = "../../../src/proto/lvs/tests/kernel.rs"]
#[allow(dead_code, reason = "what the tests of the machine need of it is more")]
mod kernel;
mod referee;
mod server;
mod world;

/// What the files that are shared with the tests of the machine find under these names.
mod base {
    pub(super) use keepalived::base::addr::{Family, IpAddr};
    pub(super) use keepalived::base::id::CheckId;
    pub(super) use keepalived::base::time::Instant;
}
use keepalived::proto::lvs;

use crate::random::Random;
use world::{Hands, World};

/// Schedules of each theme.
const SCHEDULES: u64 = 2_500;

/// Plays all schedules of a theme.
fn play(hands: Hands, first: u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => first..first + SCHEDULES * number("SIM_FACTOR").unwrap_or(1),
    };
    let mut totals = [0; 4];
    for seed in seeds {
        let _guard = Guard(seed);
        let mut world = World::new(Random::new(seed), hands, number("SIM_SEED").is_some());
        world.play();
        for (total, count) in totals.iter_mut().zip(world.counts()) {
            *total += count;
        }
    }
    let [verdicts, reloads, deaths, operations] = totals;
    let enough = verdicts > 10 && reloads > 0 && deaths > 0 && operations > 20;
    assert!(enough || number("SIM_SEED").is_some(), "{totals:?}: this tests nothing");
}

/// Names the schedule under way if anything panics.
struct Guard(u64);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again: SIM_SEED={} cargo test --test sim checkers", self.0);
        }
    }
}

#[test]
fn checkers_alone() {
    play(Hands::Off, 71_000_000);
}

#[test]
fn checkers_with_other_hands_in_the_table() {
    play(Hands::On, 72_000_000);
}
