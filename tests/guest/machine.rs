//! The guest itself.

use crate::kit::node::Node;

/// Every kind of thing that tests here rely on can be made in a node's own network.
pub(crate) fn has_what_the_kernel_outside_lacks() {
    let node = Node::new("node");
    node.shell(
        "set -e
        ip link add d0 type dummy
        ip link add link d0 name d0.5 type vlan id 5
        ip link add bond0 type bond mode active-backup
        ip link add vrf10 type vrf table 10
        ip link add link d0 name iv0 type ipvlan mode l2
        ip link add link bond0 name mv0 type macvlan mode private
        tc qdisc add dev d0 root netem delay 10ms
        nft add table inet t
        nft add chain inet t c '{ type filter hook output priority 0; }'
        nft add rule inet t c ip daddr 192.0.2.1 drop
        test -e /proc/sys/net/mpls || modprobe mpls_router
        modprobe ip_vs
        test -e /proc/net/ip_vs",
    );
    for name in ["d0", "d0.5", "bond0", "vrf10", "iv0", "mv0"] {
        assert!(node.exists(&format!("/sys/class/net/{name}")), "{name}");
    }
}
