//! What interfaces count as where the kernel at hand has none of their kind: dummies, VLANs and bonds, polled in each of
//! the three ways.

use std::time::Duration;

use crate::kit::bounds::{START, Timing, eventually};
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program};
use crate::kit::net::Net;
use nix::sys::signal::Signal;

const TIMING: Timing = Timing::v3(100);
/// The guest is slow.
const SLOW: Duration = Duration::from_secs(10);

/// One instance on each: a dummy, whose driver answers to nothing, a VLAN, which ethtool can ask, and a bond, which has
/// registers.
pub(crate) fn every_kind_of_driver_is_polled() {
    for program in [Program::UnderTest, Program::Reference] {
        let net = Net::new();
        let a = net.node("a", "eth0", &["10.9.0.1/24"]);
        a.shell(
            "ip link add link eth0 name eth0.5 type vlan id 5; ip link set eth0.5 up
            ip link add d0 type dummy; ip link set d0 up
            ip link add bond0 type bond mode active-backup miimon 100; ip link set bond0 up
            for number in 0 2; do
                ip link add x$number type veth peer name x$((number + 1)); ip link set x$((number + 1)) up
                ip link set x$number master bond0
            done
            for link in 1:eth0.5 2:bond0 3:d0; do ip addr add 10.${link%%:*}.0.1/24 dev ${link#*:}; done",
        );
        let instance = |number: u8, name: &'static str, interface: &'static str| {
            let addresses = vec![format!("10.{number}.0.100/24")];
            Instance { name, interface, vrid: 50 + number, interval: "1", addresses, ..Instance::default() }
                .text()
        };
        let rest = |text: String| text.split_once("}\n").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let text = "linkbeat_interfaces {\neth0.5\nbond0\nd0\n}\n".to_owned()
            + &instance(1, "VLAN", "eth0.5")
            + &rest(instance(2, "BOND", "bond0"))
            + &rest(instance(3, "DUMMY", "d0"));
        let daemon = Daemon::start(&a, program, &text);
        // Debian's keepalived does not become MASTER on a dummy that it polls.
        let has_dummy = program == Program::UnderTest;
        let links = [(1, "eth0.5"), (2, "bond0"), (3, "d0")];
        for (number, interface) in links.into_iter().filter(|(_, name)| has_dummy || *name != "d0") {
            eventually(
                &format!("{program:?}: MASTER on {interface}"),
                START + SLOW + TIMING.master_down(100),
                || a.holds(interface, &format!("10.{number}.0.100")),
            );
        }
        let flap = |name: &str, interface: &str, down: &str, up: &str| {
            a.shell(down);
            eventually(&format!("{program:?}: {down}"), SLOW, || {
                daemon.logged(&format!("Linkbeat reports {interface} down")) == 1
                    && daemon.logged(&format!("({name}) Entering FAULT STATE")) == 1
            });
            a.shell(up);
            eventually(&format!("{program:?}: {up}"), SLOW, || {
                daemon.logged(&format!("Linkbeat reports {interface} up")) == 1
                    && daemon.logged(&format!("({name}) Entering BACKUP STATE")) == 2
            });
        };
        // A bond has a link while one of its members has.
        a.shell("ip link set x1 down; sleep 2; ip link set x1 up; sleep 1; ip link set x3 down; sleep 2");
        a.shell("ip link set x2 nomaster; sleep 1");
        assert_eq!(daemon.logged("(BOND) Entering FAULT STATE"), 0, "{}", daemon.log());
        flap("BOND", "bond0", "ip link set x1 down", "ip link set x1 up");
        if has_dummy {
            flap("DUMMY", "d0", "ip link set d0 carrier off", "ip link set d0 carrier on");
        }
        net.set_carrier(&Net::port(1), false);
        eventually("the VLAN has no carrier", SLOW, || daemon.logged("Linkbeat reports eth0.5 down") == 1);
        a.remove("/tmp/keepalived.data");
        daemon.signal(Signal::SIGUSR1);
        let dump = daemon.dump("/tmp/keepalived.data");
        for (interface, way) in [
            ("bond0", "NIC support MII regs"),
            ("eth0.5", "NIC support ETHTOOL GLINK interface"),
            ("d0", "NIC ioctl refresh polling"),
        ]
        .into_iter()
        .filter(|(name, _)| has_dummy || *name != "d0")
        {
            let told = dump.split(" Name = ").find(|told| told.starts_with(&format!("{interface}\n")));
            assert!(told.is_some_and(|told| told.contains(way)), "{program:?} {interface}: {way}\n{dump}");
        }
        daemon.stop();
    }
}
