//! The lab's kit: machines, cables, daemons, a capture and a referee.
//!
//! Uses nothing of the daemon's own code, so that a mistake there cannot excuse itself here.
//! Start reading with [`net`], which is what a test holds, then [`node`] and [`daemon`].

pub(crate) mod agent;
pub(crate) mod ask;
pub(crate) mod bounds;
pub(crate) mod capture;
pub(crate) mod client;
pub(crate) mod conf;
pub(crate) mod daemon;
pub(crate) mod decode;
pub(crate) mod frr;
pub(crate) mod inject;
pub(crate) mod judge;
pub(crate) mod load;
pub(crate) mod net;
pub(crate) mod node;
pub(crate) mod pair;
pub(crate) mod skip;
pub(crate) mod stats;
