//! Configurations that people write, continued: three routers by multicast and unicast, and a virtual MAC.

use std::path::PathBuf;
use std::time::Duration;

use crate::examples::{own_folder, published_folder};
use crate::kit::bounds::{START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::Node;
use crate::steps;

const US: Program = Program::UnderTest;

/// Three nodes of one author.
struct Trio {
    folder: PathBuf,
    interface: &'static str,
    /// The network, to which a node's number is appended.
    network: &'static str,
    /// The nodes' numbers, which are in the file names too.
    numbers: [u8; 3],
    priorities: [u8; 3],
    addresses: &'static [&'static str],
    timing: Timing,
}

impl Trio {
    fn nodes(&self, net: &Net) -> Vec<Node> {
        self.numbers
            .iter()
            .map(|number| {
                let node = net.node(
                    &number.to_string(),
                    self.interface,
                    &[&format!("{}.{number}/24", self.network)],
                );
                node.start_dummy("nginx");
                node
            })
            .collect()
    }

    fn start<'n>(&self, nodes: &'n [Node], prefix: &str) -> Vec<Daemon<'n>> {
        nodes
            .iter()
            .map(|node| {
                let file = self.folder.join(format!("{prefix}-{}.conf", node.name()));
                Daemon::start(node, US, &std::fs::read_to_string(file).expect("a configuration"))
            })
            .collect()
    }

    /// The first serves; without its nginx the second takes over and the third stays backup.
    fn run(&self, net: &Net, nodes: &[Node], daemons: &[Daemon<'_>]) {
        let names: Vec<_> = nodes.iter().map(Node::name).collect();
        net.wait_master(names[0], daemons[0].since(), START + self.timing.master_down(self.priorities[0]));
        for address in self.addresses {
            steps::address_is_at(self.interface, address, &nodes[0], &[&nodes[1], &nodes[2]]);
        }
        let failed = now();
        nodes[0].shell("killall nginx");
        let bound =
            Duration::from_secs(1) + self.timing.interval + self.timing.master_down(self.priorities[1]);
        net.wait_master(names[1], failed, bound);
        for address in self.addresses {
            steps::address_is_at(self.interface, address, &nodes[1], &[&nodes[0], &nodes[2]]);
        }
        net.never("the third is master", 0, self.timing.interval * 2, |event| event.is_advert_of(names[2]));
    }
}

#[test]
fn own_multicast_trio() {
    multicast(
        &Trio {
            folder: own_folder(),
            interface: "enp3s0",
            network: "10.49.0",
            numbers: [31, 32, 33],
            priorities: [120, 100, 80],
            addresses: &["10.49.0.1", "10.49.0.2", "10.49.0.3"],
            timing: Timing::V2,
        },
        "vrrp_mcast_grup4",
    );
}

#[test]
fn published_multicast_trio() {
    if let Some(folder) = published_folder() {
        multicast(
            &Trio {
                folder,
                interface: "ens33",
                network: "192.168.200",
                numbers: [11, 12, 13],
                priorities: [100, 80, 60],
                addresses: &["192.168.200.16", "192.168.200.17", "192.168.200.18"],
                timing: Timing::V2,
            },
            "vrrp_mcast_group",
        );
    }
}

fn multicast(trio: &Trio, slip: &str) {
    let net = Net::new();
    let nodes = trio.nodes(&net);
    let daemons = trio.start(&nodes, "multicast-trio");
    trio.run(&net, &nodes, &daemons);
    let log = daemons[0].log();
    assert!(!log.contains("runcating"), "eight characters of a password are not too many\n{log}");
    assert!(log.lines().any(|line| line.contains(slip)), "{slip} is told");
    if !is_reference("it suggests no keyword") {
        let lines: Vec<_> = log.lines().collect();
        let near =
            |at: &[&str]| at[0].contains(slip) && at.iter().any(|line| line.contains("vrrp_mcast_group4"));
        assert!(lines.windows(2).any(near), "the nearest keyword is suggested for {slip}\n{log}");
    }
    let listing = nodes[1].shell(&format!("ip -o addr show dev {}", trio.interface));
    assert!(listing.contains(&format!("{}:1", trio.interface)), "a label: {listing}");
    drop(daemons);
}

#[test]
fn own_unicast_trio() {
    unicast(&Trio {
        folder: own_folder(),
        interface: "enp3s0",
        network: "10.49.0",
        numbers: [31, 32, 33],
        priorities: [120, 100, 80],
        addresses: &["10.49.0.1"],
        timing: Timing { version: 2, interval: Duration::from_secs(2) },
    });
}

#[test]
fn published_unicast_trio() {
    if let Some(folder) = published_folder() {
        unicast(&Trio {
            folder,
            interface: "ens33",
            network: "192.168.100",
            numbers: [21, 22, 23],
            priorities: [100, 80, 60],
            addresses: &["192.168.100.200"],
            timing: Timing { version: 2, interval: Duration::from_secs(2) },
        });
    }
}

fn unicast(trio: &Trio) {
    let net = Net::new();
    let nodes = trio.nodes(&net);
    let daemons = trio.start(&nodes, "unicast-trio");
    trio.run(&net, &nodes, &daemons);
    let mut per_peer = [0_usize; 2];
    for event in net.adverts(0, nodes[0].name()) {
        let advert = event.advert().expect("an advert");
        assert_eq!(advert.source.to_string(), format!("{}.{}", trio.network, trio.numbers[0]));
        let peers = [1, 2].map(|peer: usize| format!("{}.{}", trio.network, trio.numbers[peer]));
        let peer = peers.iter().position(|peer| *peer == advert.destination.to_string());
        per_peer[peer.unwrap_or_else(|| panic!("not to a peer: {event}"))] += 1;
        assert_eq!(advert.timing & 0xff, 2, "the interval in seconds");
    }
    assert!(
        per_peer[0] >= 2 && per_peer[0].abs_diff(per_peer[1]) <= 1,
        "each advert goes to both: {per_peer:?}"
    );
    let stray = net
        .events(0)
        .into_iter()
        .find(|event| event.advert().is_some_and(|advert| advert.destination.is_multicast()));
    assert!(stray.is_none(), "no multicast leaves: {stray:?}");
    drop(daemons);
}

#[test]
fn own_vmac() {
    vmac(&own_folder(), "lan0", "10.48.0.5/24", 48, "10.48.0.1", "announce.sh");
}

#[test]
fn published_vmac() {
    if let Some(folder) = published_folder() {
        vmac(&folder, "eth0", "10.0.0.1/24", 250, "10.0.0.254", "vmac_tweak.sh");
    }
}

fn vmac(folder: &std::path::Path, base: &str, own: &str, vrid: u8, address: &str, script: &str) {
    let net = Net::new();
    let a = net.node("a", base, &[own]);
    a.write_script(&format!("/usr/local/bin/{script}"), "#!/bin/sh\necho \"$@\" >> /run/told\n");
    let text = std::fs::read_to_string(folder.join("vmac.conf")).expect("a configuration");
    let daemon = Daemon::start(&a, US, &text);
    let first = net.wait_master("a", daemon.since(), START + Timing::V2.master_down(140));
    let interface = format!("vrrp.{vrid}");
    eventually("the virtual interface has the address", Duration::from_secs(1), || {
        a.holds(&interface, address)
    });
    assert!(!a.holds(base, address), "the base interface does not have it");
    let mac = a.read(&format!("/sys/class/net/{interface}/address"));
    assert_eq!(mac.trim(), format!("00:00:5e:00:01:{vrid:02x}"));
    let advert = first.advert().expect("an advert");
    assert_eq!(advert.mac, [2, 0, 0, 0, 0, 1], "adverts leave by the base interface, with its MAC address");
    net.wait("the address is announced at the virtual MAC", first.at, Duration::ZERO, |event| {
        matches!(&event.what, crate::kit::decode::What::Announce { mac, .. } if *mac == [0, 0, 0x5e, 0, 1, vrid])
    });
    eventually("notify_master ran", Duration::from_secs(2), || {
        a.read("/run/told") == format!("{interface}\n")
    });
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    assert!(
        !a.exists(&format!("/sys/class/net/{interface}")),
        "the virtual interface is gone after the stop"
    );
}
