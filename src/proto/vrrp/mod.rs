//! The virtual router (RFC 9568, RFC 3768): parameters, acceptance of adverts, election, announcements.

pub mod params;

pub use params::{Auth, GarpParams, Params, Start, Version};
