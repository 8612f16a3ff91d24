//! Virtual services: the parameters by which one decides whether it has quorum.

mod params;

pub use params::Params;
