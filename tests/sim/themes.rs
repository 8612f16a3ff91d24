//! The schedules that are played, theme by theme; each theme is a test of its own, so that they run side by side.

use crate::disturbance::{Disturbance, Sabotage};
use crate::plan::{Kind, Preempt, Theme, masters, network, play};
use crate::random::Random;
use crate::referee::{Referee, Violation};
use crate::runner::{run, run_by};
use crate::world::World;
use keepalived::base::time::{Instant, Span};
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
    run(&Theme { loss: 30, intervals_differ: true, ..Theme::new("everything_at_once", 5_000, EVERYTHING) });
}

#[test]
fn everything_among_equal_priorities() {
    run(&Theme {
        loss: 30,
        ties: true,
        ..Theme::new("everything_among_equal_priorities", 3_000, EVERYTHING)
    });
}

#[test]
fn loss_alone() {
    run(&Theme { loss: 30, ..Theme::new("loss_alone", 1_500, &[]) });
}

#[test]
fn partitions_and_deafness() {
    run(&Theme { loss: 10, ..Theme::new("partitions_and_deafness", 3_000, &[Kind::Partition, Kind::Deaf]) });
}

#[test]
fn crashes_stops_and_replacements() {
    run(&Theme::new("crashes_stops_and_replacements", 3_000, &[Kind::Crash, Kind::Replace, Kind::Stop]));
}

#[test]
fn pauses() {
    run(&Theme::new("pauses", 2_500, &[Kind::Pause, Kind::EarlyWake]));
}

#[test]
fn reloads() {
    run(&Theme {
        intervals_differ: true,
        ..Theme::new("reloads", 3_000, &[Kind::Reload, Kind::Reload, Kind::LinkDown, Kind::Crash])
    });
}

#[test]
fn weights_links_and_lost_addresses() {
    run(&Theme::new(
        "weights_links_and_lost_addresses",
        3_000,
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
            2_000,
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

#[test]
fn delays_late_masters_and_a_deaf_owner() {
    run(&Theme {
        loss: 20,
        timers: true,
        ..Theme::new("delays_late_masters_and_a_deaf_owner", 4_000, EVERYTHING)
    });
}

#[test]
fn late_masters_without_preemption() {
    run(&Theme {
        preempt: Preempt::Never,
        timers: true,
        ..Theme::new("late_masters_without_preemption", 2_500, &[Kind::Pause, Kind::Pause, Kind::Crash])
    });
}

/// A MASTER that was paused until another one took over gives way to it, if it is told to look at the clock; else it
/// takes over again, although it does not preempt.
#[test]
fn a_paused_master_comes_back_as_backup() {
    let theme =
        Theme { preempt: Preempt::Never, ..Theme::new("a_paused_master_comes_back_as_backup", 0, &[]) };
    let mut seen = [0; 2];
    for seed in 0..200 {
        for looks in [true, false] {
            let world = paused(&theme, seed, looks).expect("the invariants hold");
            let back = world.transitions.iter().any(|(_, who, to)| (*who, *to) == (0, State::Master));
            seen[usize::from(looks)] += usize::from(back);
            assert!(!(looks && back), "seed {seed}: it took over again");
            assert_eq!(masters(&world).len(), 1);
        }
    }
    assert_eq!(seen, [200, 0], "what the option is for");
}

/// Router 0, the first in rank, is MASTER; it is paused for ten intervals and goes on.
fn paused(theme: &Theme, seed: u64, looks: bool) -> Result<World, Violation> {
    let mut random = Random::new(seed);
    let mut world = network(theme, &mut random);
    for (who, host) in (0_u8..).zip(&mut world.hosts) {
        host.params.priority = 250 - 40 * who;
        host.params.timer_expired_backup = looks.then_some(210);
        host.params.lower_prio_no_advert = false;
    }
    let interval = world.hosts[0].params.advert_interval;
    for who in 0..world.hosts.len() {
        world.disturb(Disturbance::Start { who, adopt: false })?;
    }
    world.run(world.referee.settled(&world.hosts) + interval)?;
    assert_eq!(masters(&world), [0]);
    world.disturb(Disturbance::Pause(0))?;
    world.run(world.now + interval * 10)?;
    world.transitions.clear();
    world.disturb(Disturbance::Resume(0))?;
    // What is counted are changes from BACKUP to MASTER; without the option it never was BACKUP.
    if !looks && masters(&world).contains(&0) {
        let now = world.now;
        world.transitions.push((now, 0, State::Master));
    }
    world.run(world.referee.settled(&world.hosts) + interval)?;
    Ok(world)
}

/// The next in rank takes over alone, and as soon as the timers say: delays stay below a third of what separates
/// the skew times of neighbours.
#[test]
fn the_next_in_rank_takes_over_alone_and_on_time() {
    let theme = Theme {
        preempt: Preempt::Always,
        ..Theme::new("the_next_in_rank_takes_over_alone_and_on_time", 1_000, &[])
    };
    run_by(&theme, clean_failover);
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
        let caught = (0..100).filter(|seed| play(&theme, *seed, false).1.is_err()).count();
        assert!(caught > 5, "{sabotage:?} was seen in {caught} of 100 schedules");
    }
}

fn clean_failover(theme: &Theme, seed: u64, trace: bool) -> (World, Result<(), Violation>) {
    let mut random = Random::new(seed);
    let mut world = network(theme, &mut random);
    world.trace = trace.then(Vec::new);
    let unit = world.hosts[0].params.advert_interval / 256;
    world.link.fastest = unit / 30;
    world.link.slowest = unit / 4;
    world.lateness = Span::ZERO;
    world.referee = Referee::new(world.hosts.len(), world.link.slowest, Span::ZERO);
    for (who, host) in (0_u8..).zip(&mut world.hosts) {
        host.params.priority = 250 - 40 * who + random.octet(0, 3);
        host.params.preempt_delay = Span::ZERO;
    }
    let outcome = one_after_the_other(&mut world, &mut random);
    (world, outcome)
}

fn one_after_the_other(world: &mut World, random: &mut Random) -> Result<(), Violation> {
    let count = world.hosts.len();
    let unit = world.hosts[0].params.advert_interval / 256;
    for who in 0..count {
        world.disturb(Disturbance::Start { who, adopt: false })?;
    }
    world.run(world.referee.settled(&world.hosts) + unit * 777)?;
    if masters(world) != [0] {
        return Err(format!("{:?} instead of the first in rank", masters(world)));
    }
    for next in 1..count {
        let Some(router) = world.hosts[next].router() else {
            return Err(format!("router {next} is gone"));
        };
        let (graceful, skew, down) = (random.percent(50), router.machine().skew_time(), router.poll_at());
        let (loss, soonest) = if graceful {
            (Disturbance::Stop(next - 1), Some(world.now + skew))
        } else {
            (Disturbance::Crash(next - 1), down)
        };
        world.transitions.clear();
        world.disturb(loss)?;
        world.run(world.referee.settled(&world.hosts) + unit * 333)?;
        let masters = world.transitions.iter().filter(|(_, _, to)| *to == State::Master);
        let punctual =
            |at: Instant| soonest.is_some_and(|soonest| at >= soonest && at <= soonest + world.link.slowest);
        let good = masters.clone().all(|(at, who, _)| *who == next && punctual(*at));
        if masters.count() != 1 || !good {
            return Err(format!("{next} alone at {soonest:?}, not {:?}", world.transitions));
        }
    }
    Ok(())
}
