//! A transition becomes scripts, lines of FIFOs, and mail.
//!
//! Job: the queue of one object's notify scripts, and what all objects of a process share: its FIFOs and its mailer.
//! The names of states and the script of each are the child's; nothing here knows of VRRP. Uses `daemon`, `config`,
//! `proto`, `wire`, `sys` and `base`. Start with [`Notifier`], [`fifo::Fifos`] and [`mail::Mailer`]; [`command`] turns a
//! configured command into what can be run.

pub mod command;
pub mod fifo;
pub mod mail;
pub mod permits;
mod queue;

pub use command::{Command, Resolver, Unusable};
pub use queue::{Job, Notifier, Subject};
