//! Links, addresses, routes and policy rules of the kernel, over rtnetlink, and packet filters.
//!
//! Job: change them ([`command`]), list them (`Commands::links`, `Commands::addresses`, `Commands::routes`,
//! `Commands::rules`) and receive notifications of changes ([`monitor`]; [`deletion`] for routes and rules), as plain values
//! ([`link::Link`], [`addr::Address`], [`route::Route`], [`kernel_route::KernelRoute`], [`rule::Rule`]); macvlans and ipvlans come
//! from [`make`]. Tables of nf_tables are in [`nft`], sets for iptables in `ipset`, the
//! messages of families that have a name in `genl`.
//!
//! ```text
//! command, nft, ipset, genl > batch, dump > transport > message
//! ```
//!
//! A `batch` is many messages of any family of netlink in one send, acknowledged in bulk; a `dump` is what the kernel
//! lists. The socket, the message types and the numbers are neli's. What the kernel sends is read by `message`: neli's
//! own decoding allocates for every attribute and trusts the lengths inside. Start with [`command`].

pub mod addr;
mod batch;
pub mod command;
pub mod deletion;
mod dump;
mod encap;
pub(super) mod family;
#[cfg(feature = "lvs")]
pub(super) mod genl;
#[cfg(feature = "iptables")]
pub mod ipset;
pub mod kernel_route;
pub mod link;
pub mod make;
mod message;
pub mod monitor;
pub mod nft;
pub mod route;
pub mod rule;
mod transport;

pub(super) use transport::note_overrun;
pub use transport::overruns;

#[cfg(test)]
pub(super) mod test_octets;
#[cfg(test)]
mod tests;
