//! What every child shares, whatever protocol it speaks.
//!
//! Job: the work that VRRP, checkers and BFD have in common, made of keys and plain values of the child's own. Uses
//! `notify`, `status`, `daemon` and what is below them. A child holds these parts beside its own and calls them in the
//! order of its contract. Start with [`bracket`], the start and the reload around the work of a child; then
//! [`notifies::Notifies`], its scripts, FIFOs and mail, [`peer::Peer`], what it sends another child, and
//! [`links::Interfaces`], the interfaces that it uses.

pub mod ahead;
pub mod alerts;
#[cfg(feature = "status")]
pub mod answer;
pub mod bracket;
pub mod check;
pub mod files;
pub mod kept;
pub mod links;
pub mod lists;
pub mod notifies;
pub mod peer;
pub mod privileges;
pub mod queues;
pub mod reading;
pub mod report;
pub mod role;
pub mod scripts;
pub mod status;
pub mod tables;
