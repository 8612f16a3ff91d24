//! Bidirectional forwarding detection (RFC 5880): the session machine and its parameters. Start with [`Session`].

mod params;
pub mod session;

pub use params::Params;
pub use session::Session;
