//! Trackers: what changes an instance's priority or puts it in FAULT.

pub mod script;
pub mod weight;

pub use script::ScriptParams;
pub use weight::Weight;
