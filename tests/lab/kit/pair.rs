//! Two routers on a switch: the machines of most stories about operation.

use super::ask::wait_status;
use super::bounds::{START, Timing};
use super::conf::Instance;
use super::daemon::{Daemon, Program};
use super::net::Net;
use super::node::Node;

/// Two routers that share a network.
pub(crate) struct Pair {
    /// The switch.
    pub(crate) net: Net,
    /// 10.9.0.1, which is to be MASTER at first.
    pub(crate) a: Node,
    /// 10.9.0.2, its BACKUP.
    pub(crate) b: Node,
}

impl Pair {
    /// Both, with nothing running.
    pub(crate) fn new() -> Self {
        let net = Net::new();
        let (a, b) = (net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"]));
        Self { net, a, b }
    }

    /// Starts the daemon under test in both, each with a virtual router: `a` is MASTER and `b` has heard it.
    pub(crate) fn start(&self, first: &Instance, second: &Instance) -> [Daemon<'_>; 2] {
        let one = self.start_first(first);
        let two = Daemon::start(&self.b, Program::UnderTest, &second.text());
        wait_status(&self.b, "i['state'],i['master']['address']", "('BACKUP', '10.9.0.1')");
        [one, two]
    }

    /// Starts it in `a` alone, which becomes MASTER.
    pub(crate) fn start_first(&self, instance: &Instance) -> Daemon<'_> {
        let one = Daemon::start(&self.a, Program::UnderTest, &instance.text());
        let down = Timing::v3(10).master_down(instance.priority);
        self.net.wait_master("a", one.since(), START + down);
        one
    }
}
