//! Raw IP sockets: one protocol number, whole datagrams, in batches.
//!
//! Job: receive multicast and unicast datagrams of a protocol with what only the kernel knows about them
//! ([`receive`]), be a member of many groups ([`member`]), and send such datagrams with chosen source, interface and hop limit ([`send`]). Both need
//! CAP_NET_RAW. Start with [`receive`].

pub mod member;
pub mod receive;
pub mod send;
#[cfg(test)]
mod tests;
