//! Health checks of real servers: the parameters of each kind.
//!
//! [`Cadence`] is when a check runs and how often it may fail, which all kinds share; the other files hold what
//! one kind asks for. A TCP connection and a ping have no parameters of their own.

mod cadence;
pub mod dns;
pub mod file;
pub mod http;
pub mod smtp;
pub mod udp;

pub use cadence::Cadence;
