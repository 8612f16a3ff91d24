//! Octets to values and back: no allocation, no clock, no panic on any input.
//!
//! Job: the formats of VRRP adverts (with [`ah`] and the [`trailer`] that signs them), of BFD, of what announces an
//! address, of the talk with a mail relay, of the talk at the control socket and of its pages over HTTP ([`web`]), of the
//! talk with an SNMP agent (`agentx`), and of what checks of servers speak ([`http`], [`dns`], [`icmp`]). Uses `base`. Start
//! with [`vrrp`].
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[cfg(feature = "snmp")]
pub mod agentx;
pub mod ah;
pub mod arp;
pub mod bfd;
pub mod checksum;
#[cfg(feature = "status")]
pub mod control;
pub mod dns;
pub mod ethernet;
pub mod http;
pub mod icmp;
pub mod ipv4;
pub mod ndisc;
pub mod smtp;
pub mod trailer;
#[cfg(feature = "bfd")]
pub mod udp;
pub mod vrrp;
#[cfg(feature = "status")]
pub mod web;
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
pub mod x509;
