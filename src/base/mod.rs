//! Leaf values that every layer shares.
//!
//! Job: time, addresses and their text, names and their digests, typed indexes, ordered maps, total byte access, capacities,
//! rate budgets, exit codes, and what the configuration and the kernel both say of routes, rules and virtual services. Uses nothing of the
//! program, no clock and no system call. Start with [`time`] and [`limit`].

pub mod addr;
pub mod backward;
pub mod bytes;
pub mod digest;
pub mod encap;
pub mod exit;
pub mod feature;
pub mod id;
pub mod ipvs;
pub mod json;
pub mod limit;
pub mod mac;
pub mod map;
pub mod name;
pub mod rate;
pub mod rule;
pub mod time;
