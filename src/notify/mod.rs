//! A transition becomes scripts: which ones, in which order, one at a time.
//!
//! Job: the queue of one instance's notify scripts. Uses `daemon`, `config`, `proto`, `sys` and `base`. Start with
//! [`Notifier`]; [`command`] turns a configured command into what can be run.

pub mod command;
mod queue;

pub use command::{Command, Resolver, Unusable};
pub use queue::{Job, Kind, Notifier, Standing, Subject};
