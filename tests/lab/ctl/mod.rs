//! The control socket, its client, and the monitoring port: what they say on a pair of routers is what the kernel says, who
//! may ask what, what is changed by hand, and that clients which do not behave cost nobody anything.
//!
//! Start reading with `story`, in which each word is used once.

mod changes;
mod client;
mod events;
mod hostile;
mod load;
mod objects;
mod page;
mod port;
mod status;
mod story;

use crate::kit::bounds::Timing;
use crate::kit::daemon::{Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::Node;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

/// Whether the suite runs against Debian's keepalived, which none of these labs is about.
fn has_no_socket() -> bool {
    is_reference("it has no control socket")
}

/// A router with nobody else on its network.
fn alone() -> (Net, Node) {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    (net, a)
}
