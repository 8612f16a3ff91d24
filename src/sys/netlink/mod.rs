//! Links and addresses of the kernel, over rtnetlink.
//!
//! Job: change them ([`command`]), list them (`Commands::links`, `Commands::addresses`) and hear of changes
//! ([`monitor`]), as plain values ([`link::Link`], [`addr::Address`]); macvlans and ipvlans come from [`make`]. The
//! socket, the message types and the numbers are neli's. What comes in is walked by `message`: neli's own decoding
//! allocates for every attribute and trusts the lengths inside. Start with [`command`].

pub mod addr;
pub mod command;
pub mod link;
pub mod make;
mod message;
pub mod monitor;
mod transport;

#[cfg(test)]
mod tests;
