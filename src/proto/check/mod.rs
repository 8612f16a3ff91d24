//! Health checks of real servers: what each kind is asked for, and the machine of one check.
//!
//! [`Cadence`] is when a check runs and how often it may fail, which all kinds share; [`dns`], [`mod@file`], [`http`],
//! [`smtp`], [`tcp`] and [`udp`] hold what one kind asks for. A ping and a BFD session have no parameters of their own.
//! Start with [`Check`].

mod cadence;
pub mod dns;
pub mod file;
pub mod http;
mod machine;
pub mod smtp;
pub mod tcp;
pub mod udp;

pub use cadence::Cadence;
pub use machine::{
    Action, Actions, Cause, Check, Close, Ending, Fact, Failure, Fault, Find, GRACE, Input, Kind, LONGEST,
    Memory, Outcome, Pattern, Place, Start, Tls, Transport, Verdict, Weight,
};
