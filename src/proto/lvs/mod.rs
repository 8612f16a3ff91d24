//! The director: from the configuration and the results of checks to the table of IPVS.
//!
//! Job: decides which service has quorum, which real server is in with which weight, and what is done to the kernel's
//! table in which order. Uses `base`. Start with [`Director`].
//!
//! ```text
//! configuration -> new, add_service, add_real, add_check, then start of each service, or follow (a reload)
//! results       -> verdict, weigh                              facts (told at once, in keepalived's order)
//! the dump      -> look, seen_service, seen_dest, look_end     operations (pulled with `pull`, in order)
//! the kernel    -> refused
//! ```
//!
//! What is wanted is a function of the results. What the kernel holds is known from the operations that it carried
//! out and from its dumps. The difference between both comes out as operations, and an operation that nobody pulled
//! yet is not made any more if the want changes again. Only what this director itself put there is ever compared with
//! the want: a weight, a flag or a destination that somebody else set stays until the configuration or a verdict
//! changes it. What somebody else deleted is put back.
//!
//! Ownership goes by the keys of the kernel: a service that moves to another block of the file keeps its table entry,
//! and of two services with one key the first one in the file holds it.

mod carry;
mod director;
mod facts;
mod group;
mod operation;
mod params;
mod presence;
mod record;
mod service;
mod spec;
mod table;
#[cfg(test)]
mod tests;
mod values;

pub use carry::Same;
pub use director::{Director, RealView, ServiceView};
pub use facts::{Fact, Tell};
pub use group::Marks;
pub use operation::{Operation, Pending, Refusal};
pub use params::Params;
pub use presence::Presence;
pub use record::{RecordReader, RecordWriter};
pub use service::CheckStart;
pub use spec::{CheckWeight, Listen, RealSpec, ServiceSpec, SorrySpec, Stop};
pub use table::Look;
pub use values::{
    DestKey, DestValue, Engine, Entry, Granularity, Method, Protocol, Scheduler, ServiceKey, ServiceValue,
    Tunnel, TunnelChecksum, TunnelKind,
};
