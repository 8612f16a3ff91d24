//! The checker child.

#[cfg(any(feature = "tls", feature = "tls-openssl"))]
pub mod tls;
