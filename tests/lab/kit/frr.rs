//! FRR's vrrpd in a node, with zebra under it and the macvlan devices that it wants to find.
//!
//! FRR puts no addresses on interfaces itself: it takes a macvlan with the virtual MAC address and the
//! virtual addresses that somebody else made, and takes its protodown away while it is master.

use std::time::Duration;

use super::bounds::{START, eventually};
use super::capture::now;
use super::decode::Stamp;
use super::node::{Node, command_name};

/// What FRR is told about one virtual router on eth0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Virtual router identifier.
    pub(crate) vrid: u8,
    /// Priority.
    pub(crate) priority: u8,
    /// Interval in centiseconds.
    pub(crate) centis: u64,
    /// The virtual addresses, without prefix length, all of one family.
    pub(crate) addresses: &'static [&'static str],
}

/// FRR's zebra and vrrpd in a node.
pub(crate) struct Frr<'n> {
    node: &'n Node,
    since: Stamp,
}

impl<'n> Frr<'n> {
    /// Makes the device, once a node, and starts the two daemons.
    pub(crate) fn start(node: &'n Node, settings: Settings) -> Self {
        let v6 = settings.addresses[0].contains(':');
        let (device, family, word) = if v6 { ("vrrp6-2-1", 2, "ipv6") } else { ("vrrp4-2-1", 1, "ip") };
        let mut setup = format!(
            "ip link add {device} link eth0 type macvlan mode bridge; \
             ip link set {device} addrgenmode random; \
             ip link set {device} address 00:00:5e:00:0{family}:{:02x}; ",
            settings.vrid
        );
        let mut conf = format!(
            "log file /run/frr/log\ninterface eth0\n vrrp {0} version 3\n vrrp {0} priority {1}\n \
             vrrp {0} advertisement-interval {2}\n",
            settings.vrid,
            settings.priority,
            settings.centis * 10
        );
        for address in settings.addresses {
            let length = if v6 { "64 nodad" } else { "32" };
            setup += &format!("ip addr add {}/{} dev {device}; ", address, length);
            conf += &format!(" vrrp {} {word} {address}\n", settings.vrid);
        }
        node.shell(&format!(
            "[ -e /sys/class/net/{device} ] || {{ {setup} ip link set {device} up; }}; \
             mkdir -p /run/frr; chown frr:frr /run/frr; rm -f /run/frr/*.pid"
        ));
        node.write("/run/frr/frr.conf", &conf);
        let common = "-d -f /run/frr/frr.conf -z /run/frr/zserv.api --vty_socket /run/frr";
        node.shell(&format!(
            "pgrep -x zebra >/dev/null || /usr/lib/frr/zebra {common} -i /run/frr/zebra.pid"
        ));
        eventually("zebra listens", START, || node.exists("/run/frr/zserv.api"));
        let since = now();
        node.shell(&format!("/usr/lib/frr/vrrpd {common} -i /run/frr/vrrpd.pid"));
        Self { node, since }
    }

    /// When vrrpd was started.
    pub(crate) fn since(&self) -> Stamp {
        self.since
    }

    /// SIGTERM to vrrpd; when.
    pub(crate) fn stop(self) -> Stamp {
        self.end("TERM")
    }

    /// SIGKILL to vrrpd, and its devices are gone as if its machine had lost power; when.
    pub(crate) fn kill(self) -> Stamp {
        let at = self.end("KILL");
        self.node
            .shell("for device in vrrp4-2-1 vrrp6-2-1; do ip link del $device 2>/dev/null || true; done");
        at
    }

    fn end(&self, signal: &str) -> Stamp {
        let at = now();
        self.node.shell(&format!("pkill -{signal} -x vrrpd"));
        let runs = || self.node.processes().into_iter().any(|pid| command_name(pid) == "vrrpd");
        eventually("vrrpd is gone", Duration::from_secs(3), || !runs());
        at
    }
}
