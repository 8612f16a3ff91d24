//! keepalived: VRRP, BFD and IPVS control for Linux routers.
//!
//! # Layers
//!
//! ```text
//! main > vrrpd > notify, status > daemon > config > proto > wire, sys > base
//! ```
//!
//! A folder uses what is to its right, never to its left, never a sibling.
//!
//! # Two walks
//!
//! ```text
//! an advert:  daemon/reactor -> vrrpd/run -> wire/vrrp -> proto/vrrp/router -> machine
//!             -> vrrpd/effect -> vrrpd/report -> notify
//! a keyword:  config/source -> lexer -> expand -> tree -> rows/... -> model -> vrrpd/build -> machine
//! ```

pub mod base;
pub mod config;
pub mod daemon;
pub mod notify;
pub mod proto;
pub mod status;
pub mod sys;
pub mod vrrpd;
pub mod wire;

/// Counts allocations; the count is part of the statistics.
#[global_allocator]
static ALLOCATOR: sys::alloc::Counting = sys::alloc::Counting;
