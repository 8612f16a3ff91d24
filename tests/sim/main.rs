//! Simulated networks on a virtual clock: two to five real routers, adverts as octets, thousands of seeds.
//!
//! Start with [`referee`] for the invariants and their bounds, [`plan`] for what a schedule is, [`world`] for the
//! clock; [`checkers`] has a world of its own, for the load balancer. A schedule that fails prints its seed and all that
//! happened; `SIM_SEED=n cargo test --test sim <theme>` plays that one again, and `SIM_FACTOR=n` plays n times as many as
//! usual.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::panic, reason = "a test")]

mod bfd;
#[cfg(feature = "lvs")]
mod checkers;
mod disturbance;
mod groups;
mod host;
mod link;
mod plan;
mod random;
mod referee;
mod runner;
mod themes;
mod world;
