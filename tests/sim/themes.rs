//! The schedules that are played, theme by theme; each theme is a test of its own, so that they run side by side.

use crate::link::HOSTS;
use crate::plan::{Kind, Preempt, Theme, masters, play};
use crate::world::{Disturbance, Sabotage};
use keepalived::base::time::Span;
use keepalived::proto::vrrp::State;

const EVERYTHING: &[Kind] = &[
    Kind::Crash,
    Kind::Replace,
    Kind::Stop,
    Kind::Pause,
    Kind::LinkDown,
    Kind::Weight,
    Kind::Reload,
    Kind::AddressLost,
    Kind::Partition,
    Kind::Deaf,
    Kind::EarlyWake,
];

#[test]
fn everything_at_once() {
    run(&Theme {
        loss: 30,
        intervals_differ: true,
        ..Theme::new("everything_at_once", 2_500, EVERYTHING)
    });
}

#[test]
fn everything_among_equal_priorities() {
    run(&Theme {
        loss: 30,
        ties: true,
        ..Theme::new("everything_among_equal_priorities", 1_500, EVERYTHING)
    });
}

#[test]
fn loss_alone() {
    run(&Theme {
        loss: 30,
        ..Theme::new("loss_alone", 800, &[])
    });
}

#[test]
fn partitions_and_deafness() {
    run(&Theme {
        loss: 10,
        ..Theme::new("partitions_and_deafness", 1_500, &[Kind::Partition, Kind::Deaf])
    });
}

#[test]
fn crashes_stops_and_replacements() {
    run(&Theme::new(
        "crashes_stops_and_replacements",
        1_500,
        &[Kind::Crash, Kind::Replace, Kind::Stop],
    ));
}

#[test]
fn pauses() {
    run(&Theme::new("pauses", 1_200, &[Kind::Pause, Kind::EarlyWake]));
}

#[test]
fn reloads() {
    run(&Theme {
        intervals_differ: true,
        ..Theme::new(
            "reloads",
            1_500,
            &[Kind::Reload, Kind::Reload, Kind::LinkDown, Kind::Crash],
        )
    });
}

#[test]
fn weights_links_and_lost_addresses() {
    run(&Theme::new(
        "weights_links_and_lost_addresses",
        1_500,
        &[Kind::Weight, Kind::LinkDown, Kind::AddressLost],
    ));
}

#[test]
fn without_preemption_a_master_stays() {
    run(&Theme {
        preempt: Preempt::Never,
        spare_master: true,
        ..Theme::new(
            "without_preemption_a_master_stays",
            1_000,
            &[
                Kind::Crash,
                Kind::Replace,
                Kind::Stop,
                Kind::Pause,
                Kind::LinkDown,
                Kind::Weight,
                Kind::Reload,
                Kind::EarlyWake,
            ],
        )
    });
}

/// The next in rank takes over alone, and as soon as the timers say: delays stay below a third of what separates
/// the skew times of neighbours.
#[test]
fn the_next_in_rank_takes_over_alone_and_on_time() {
    let theme = Theme {
        preempt: Preempt::Always,
        ..Theme::new("the_next_in_rank_takes_over_alone_and_on_time", 500, &[])
    };
    for seed in seeds(&theme) {
        clean_failover(&theme, seed);
    }
}

/// The referee has to see what is wrong with router 0 in some schedule of a few.
#[test]
fn the_referee_sees_what_is_wrong() {
    let crashes = &[Kind::Crash, Kind::LinkDown, Kind::Weight, Kind::Partition];
    for sabotage in [
        Sabotage::KeepAddresses,
        Sabotage::Mute,
        Sabotage::Stutter,
        Sabotage::NoTimer,
        Sabotage::SlowClock(Span::from_millis(600)),
    ] {
        let theme = Theme {
            preempt: Preempt::Always,
            sabotage: Some(sabotage),
            ..Theme::new("the_referee_sees_what_is_wrong", 100, crashes)
        };
        let caught = (0..100)
            .filter(|seed| play(&theme, *seed, false).1.is_err())
            .count();
        assert!(caught > 5, "{sabotage:?} was seen in {caught} of 100 schedules");
    }
}

fn clean_failover(theme: &Theme, seed: u64) {
    let _guard = Guard { theme, seed };
    let mut random = crate::random::Random::new(seed);
    let mut world = crate::plan::network(theme, &mut random);
    let unit = world.hosts[0].params.advert_interval / 256;
    world.link.fastest = unit / 30;
    world.link.slowest = unit / 4;
    world.lateness = Span::ZERO;
    let count = world.hosts.len();
    for who in 0..count {
        let host = &mut world.hosts[who];
        host.params.priority = 250 - 40 * u8::try_from(who).unwrap() + random.octet(0, 3);
        host.params.preempt_delay = Span::ZERO;
    }
    world.referee = crate::referee::Referee::new(count, world.link.slowest, Span::ZERO);
    for who in 0..count {
        world.disturb(Disturbance::Start { who, adopt: false }).unwrap();
    }
    world
        .run(world.referee.settled(&world.hosts) + unit * 777)
        .unwrap();
    assert_eq!(masters(&world), [0]);
    for first in 0..count - 1 {
        let next = first + 1;
        let graceful = random.percent(50);
        let deadline = world.hosts[next].router.as_ref().unwrap().poll_at().unwrap();
        world.transitions.clear();
        let loss = if graceful {
            Disturbance::Stop(first)
        } else {
            Disturbance::Crash(first)
        };
        let soonest = if graceful {
            world.now + world.hosts[next].router.as_ref().unwrap().machine().skew_time()
        } else {
            deadline
        };
        world.disturb(loss).unwrap();
        world
            .run(world.referee.settled(&world.hosts) + unit * 333)
            .unwrap();
        let took_over: Vec<_> = world
            .transitions
            .iter()
            .filter(|(_, _, to)| *to == State::Master)
            .collect();
        assert_eq!(took_over.len(), 1, "{took_over:?}");
        let (at, who, _) = *took_over[0];
        assert_eq!(who, next);
        assert!(
            at >= soonest && at <= soonest + world.link.slowest,
            "{at} instead of {soonest}"
        );
    }
    assert_eq!(world.link.side, [0; HOSTS]);
}

/// Names the schedule under way if something panics.
struct Guard<'a> {
    theme: &'a Theme,
    seed: u64,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "again: SIM_SEED={} cargo test --test sim {}",
                self.seed, self.theme.name
            );
        }
    }
}

fn run(theme: &Theme) {
    for seed in seeds(theme) {
        let _guard = Guard { theme, seed };
        let (_, outcome) = play(theme, seed, false);
        if outcome.is_err() {
            let (world, outcome) = play(theme, seed, true);
            let trace = world.trace.unwrap_or_default();
            let tail = trace.len().saturating_sub(400);
            for line in trace
                .iter()
                .take(HOSTS)
                .chain(&trace[tail.max(HOSTS).min(trace.len())..])
            {
                eprintln!("{line}");
            }
            panic!("{} at {}: {:?}", theme.name, world.now, outcome);
        }
    }
}

/// Every theme has seeds of its own; `SIM_SEED` picks one.
fn seeds(theme: &Theme) -> Box<dyn Iterator<Item = u64>> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SIM_SEED") {
        return Box::new(std::iter::once(seed));
    }
    let base = theme.name.bytes().fold(0_u64, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    let base = base % 1_000_000 * 1_000_000;
    let count = theme.schedules * number("SIM_FACTOR").unwrap_or(1);
    Box::new(base..base + count)
}
