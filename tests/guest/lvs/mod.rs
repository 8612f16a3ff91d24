//! The load balancer in the guest: a director, a client and real servers, and what IPVS holds after each step of a story.
//!
//! ```text
//! client 10.8.0.9 ── eth1 director eth0 ── servers 10.9.0.11 to 10.9.0.39, whose way back leads over the director
//!            10.8.0.1          10.9.0.1, and 10.9.0.100 to 10.9.0.109 for services
//! ```
//!
//! A story starts a daemon on the [`stage`], switches [`stub`]s on and off, reloads, and says which table it expects after
//! each step. It is told of the program under test and of Debian's keepalived, side by side, where both are right: then
//! both have the same table at every step. Start with [`stage::Stage`] and the first story, [`pool`].

pub(crate) mod checking;
pub(crate) mod drained;
pub(crate) mod example;
pub(crate) mod field;
pub(crate) mod hands;
pub(crate) mod marks;
pub(crate) mod objects;
pub(crate) mod path;
pub(crate) mod pool;
pub(crate) mod programming;
pub(crate) mod reloads;
pub(crate) mod restored;
pub(crate) mod samples;
pub(crate) mod shapes;
pub(crate) mod stage;
pub(crate) mod stub;
pub(crate) mod sync;
pub(crate) mod traffic;

use crate::kit::daemon::Program;
use stage::Stage;

/// Tells a story of the program under test.
pub(crate) fn of_ours(story: fn(&Stage)) {
    story(&Stage::new(Program::UnderTest));
}

/// Tells a story of Debian's keepalived, which shows that the story is what keepalived's users know.
pub(crate) fn of_debian(story: fn(&Stage)) {
    story(&Stage::new(Program::Reference));
}

/// The samples, loaded by both.
pub(crate) fn the_samples() {
    samples::all(&[Program::Reference, Program::UnderTest]);
}
