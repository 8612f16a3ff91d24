//! The director: from the configuration and the results of checks to the table of IPVS.
//!
//! Job: decides which service has quorum, which real server is in with which weight, and what is done to the kernel's
//! table in which order. Uses `base`, and the weight that a check asks for (`proto::check`). Start with [`Director`].
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
//! A build without the feature `lvs` has the values and the parameters alone, for the configuration.
//!
//! Ownership goes by the keys of the kernel: a service that moves to another block of the file keeps its table entry,
//! and of two services with one key the first one in the file holds it.

#[cfg(feature = "lvs")]
mod carry;
#[cfg(feature = "lvs")]
mod director;
#[cfg(feature = "lvs")]
mod facts;
#[cfg(feature = "lvs")]
mod group;
#[cfg(feature = "lvs")]
mod marks;
#[cfg(feature = "lvs")]
mod operation;
mod params;
#[cfg(feature = "lvs")]
mod presence;
#[cfg(feature = "lvs")]
mod record;
#[cfg(feature = "lvs")]
mod service;
#[cfg(feature = "lvs")]
mod spec;
#[cfg(feature = "lvs")]
mod table;
#[cfg(all(test, feature = "lvs"))]
pub(crate) mod tests;
mod values;

#[cfg(feature = "lvs")]
pub use carry::Same;
#[cfg(feature = "lvs")]
pub use director::{Director, RealView, ServiceView};
#[cfg(feature = "lvs")]
pub use facts::{Fact, Tell};
#[cfg(feature = "lvs")]
pub use marks::{Marked, Marks, marked};
#[cfg(feature = "lvs")]
pub use operation::{Operation, Pending, Refusal};
pub use params::Params;
#[cfg(feature = "lvs")]
pub use presence::Presence;
#[cfg(feature = "lvs")]
pub use record::{RecordReader, RecordWriter};
#[cfg(feature = "lvs")]
pub use service::CheckStart;
#[cfg(feature = "lvs")]
pub use spec::{Listen, RealSpec, ServiceSpec, SorrySpec, Stop};
#[cfg(feature = "lvs")]
pub use table::Look;
pub use values::{
    DestKey, DestValue, Engine, Entry, Granularity, Method, Protocol, Scheduler, ServiceKey, ServiceValue,
    Tunnel, TunnelChecksum, TunnelKind,
};
