//! Bidirectional forwarding detection (RFC 5880): the parameters of a session.

mod params;

pub use params::Params;
