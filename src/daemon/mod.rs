//! What all processes share: the loop, deadlines, the parent, messages, logging, command line, pid files.
//!
//! Job: everything about being a daemon that has nothing to do with a protocol. Uses `config`, `proto`, `sys`
//! and `base`. Start with [`reactor`]: a process is a value with the trait [`reactor::Process`]. The parent,
//! which is one too, is in [`parent`].

pub mod appointment;
pub mod cli;
pub mod deadline;
pub mod events;
pub mod ipc;
pub mod keep;
pub mod kind;
pub mod log;
pub mod manual;
#[cfg(feature = "status")]
pub mod moment;
pub mod parent;
pub mod pidfile;
pub mod reactor;
pub mod realtime;
pub mod record;
pub mod token;
pub mod tuning;
pub mod uplink;
