//! What every child shares, whatever protocol it speaks.
//!
//! Job: the work that VRRP, checkers and BFD have in common, made of keys and plain values of the child's own. Uses
//! `notify`, `status`, `daemon` and what is below them. A child holds these parts beside its own and calls them in the
//! order of its contract. Start with [`notifies::Notifies`]: scripts, FIFOs and mail of one child.

pub mod alerts;
pub mod notifies;
pub mod report;
pub mod scripts;
