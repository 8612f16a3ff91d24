//! The virtual router (RFC 9568, RFC 3768): parameters, acceptance of adverts, election, announcements.
//!
//! Start with [`machine`], the election; [`router`] puts it together with [`accept`] and [`garp`]. [`group`] keeps
//! several in step, and [`process`] is all of them: what speaks against each, what trackers do, who leads and who
//! follows. `rehearsal`, of the feature `tools`, runs several routers on a virtual clock.

pub mod accept;
pub mod action;
pub mod counters;
pub mod facts;
pub mod fault;
pub mod fields;
pub mod garp;
pub mod group;
pub mod guard;
pub mod machine;
pub mod params;
pub mod priority;
pub mod process;
#[cfg(feature = "tools")]
pub mod rehearsal;
pub mod reject;
pub mod router;
pub mod total;

pub use accept::{OldForm, Packet, Peer, Surroundings};
pub use action::{Action, Actions, Burst, Event, State, Why};
pub use counters::Counters;
pub use facts::{Base, Facts};
pub use fault::{Fault, Faults};
pub use group::Group;
pub use guard::{Around, Guard, Seal};
pub use machine::{Heard, Input, Machine};
pub use params::{Auth, GarpParams, Params, Password, Start, Version};
pub use process::{Due, Policy, Process, Situation};
pub use reject::{Odd, Reject};
pub use router::Router;
pub use total::{Total, fault_of};
