//! The director: from the configuration and the results of checks to the table of IPVS.
//!
//! Job: decides which service has quorum, which real server is in with which weight, and what is done to the kernel's
//! table in which order. Uses `base`. Start with [`ServiceSpec`] and [`Fact`], which go in and come out.
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

// What the child will call, as it comes with the next changes:
//
// Director::new(room: &Room) -> Director                        sized once: no later call but those for load time allocates
// add_service(&mut self, &ServiceSpec) -> ServiceId             then its servers and their checks, in the order of the file:
// add_real(&mut self, &RealSpec) -> RealId                      ids count through all services
// add_check(&mut self, alpha: bool) -> CheckId
// start(&mut self, ServiceId, &mut Tell)                        first evaluation; new operations in the queue
// resume_check(&mut self, CheckId, u64), resume_service(..)     what check_word/service_word of a predecessor said, before start
// follow(&mut self, old: &mut Director, same: &mut dyn FnMut(CheckId, CheckId) -> bool, &mut Tell)   a reload
// check_start(&self, CheckId) -> CheckStart                     Anew | Carried | AtOnce (changed while its server was down)
// verdict(&mut self, CheckId, up: bool, &mut Tell)
// weigh(&mut self, CheckId, CheckWeight, &mut Tell)
// pull(&mut self) -> Option<Pending>                            pull some, send them, give all refusals back, pull on
// refused(&mut self, now, Ticket, Refusal, &mut Tell)
// look(&mut self, Look::Start | Resume | Running), seen_service(&ServiceKey, &ServiceValue),
// seen_dest(&ServiceKey, &DestKey, &DestValue), look_end(now, &mut Tell)      a dump of the kernel's table
// stop(&mut self, ServiceId, Stop::Each | Whole | Keep, &mut Tell)
// flush(&mut self)                                              Operation::Flush comes first
// service(ServiceId) -> ServiceView, real(RealId) -> RealView   for status
// recorded(&mut self, ServiceKey, Option<DestKey>)              a line of the state file, before look(Start)
// owned(&self, &mut dyn FnMut(&ServiceKey, Option<&DestKey>))   what the state file is to hold
mod facts;
#[allow(dead_code, reason = "the director that uses the keys comes with the next change")]
mod group;
#[allow(dead_code, reason = "the director that makes operations comes with the next change")]
mod operation;
mod params;
#[allow(dead_code, reason = "the director that uses the specifications comes with the next change")]
mod spec;
#[cfg(test)]
mod tests;
mod values;

pub use facts::{Fact, Tell};
pub use group::Marks;
pub use operation::{Operation, Pending, Refusal, Ticket};
pub use params::Params;
pub use spec::{CheckWeight, Listen, RealSpec, ServiceSpec, SorrySpec};
pub use values::{
    DestKey, DestValue, Engine, Entry, Granularity, Method, Protocol, Scheduler, ServiceKey, ServiceValue,
    Tunnel, TunnelChecksum, TunnelKind,
};
