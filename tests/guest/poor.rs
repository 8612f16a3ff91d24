//! What a kernel may lack that others have: macvlan; nf_tables, for whose absence VRRP does not wait, and IPv6.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::kit::bounds::{START, Timing, eventually};
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program};
use crate::kit::net::Net;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(100);
const VIP: &str = "10.9.0.100";
/// The guest is slow.
const SLOW: Duration = Duration::from_secs(10);

/// Each test takes away what another one needs.
static MODULES: Mutex<()> = Mutex::new(());

/// Where modprobe reads what it must not load.
const DENIED: &str = "/etc/modprobe.d/guest.conf";

fn conf() -> Instance {
    Instance { interval: "1", addresses: vec![format!("{VIP}/24")], ..Instance::default().priority(150) }
}

/// One line says what is missing and what to do; addresses are there all the same; once the module is there, a reload
/// brings the rules. Before it nothing may have loaded the module.
pub(crate) fn without_nf_tables() {
    let _modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(!Path::new("/sys/module/nf_tables").exists(), "somebody loaded it");
    fs::create_dir_all("/etc/modprobe.d").expect("a folder in memory");
    fs::write(DENIED, "install nf_tables /bin/false\n").expect("a file in memory");
    let net = Net::without_referee();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let c = net.node("c", "eth0", &["10.9.0.9/24"]);
    for (lines, strict, what) in [
        (&["no_accept"][..], false, "packets to the addresses of instances with no_accept are accepted"),
        (&["strict_mode on"], true, "packets to the addresses of instances with no_accept are accepted"),
        (&["use_vmac"], false, "membership reports of VMAC interfaces leave with their hardware address"),
    ] {
        let mut conf = conf();
        for line in lines {
            conf = conf.line(line);
        }
        if strict {
            conf.addresses = vec![VIP.to_owned()];
        }
        let daemon = Daemon::start(&a, US, &conf.text());
        net.wait_master("a", daemon.since(), START + SLOW + TIMING.master_down(150));
        let device = if lines == ["use_vmac"] { "vrrp.51" } else { "eth0" };
        eventually(&format!("{lines:?}: the address is there"), SLOW, || a.holds(device, VIP));
        assert!(c.try_shell(&format!("ping -n -c 1 -W 5 {VIP}")).status.success(), "{lines:?}");
        let told: Vec<_> =
            daemon.log().lines().filter(|line| line.contains("nf_tables")).map(str::to_owned).collect();
        assert_eq!(told.len(), 1, "{lines:?}: {told:?}");
        for part in ["this kernel has no nf_tables", "modprobe nf_tables", "reload", what] {
            assert!(told[0].contains(part), "{part}: {}", told[0]);
        }
        assert_eq!(daemon.logged("setting firewall drop rule"), 0, "nothing was set\n{}", daemon.log());
        daemon.stop();
        assert!(!a.exists("/sys/class/net/vrrp.51") && !a.exists("/run/vrrp.changes"));
    }
    let conf = conf().line("use_vmac").line("no_accept");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + SLOW + TIMING.master_down(150));
    eventually("the address is there", SLOW, || a.holds("vrrp.51", VIP));
    // Whoever reloads it too early is told again.
    daemon.reload(&conf.clone().line("garp_master_repeat 1").text());
    assert_eq!(daemon.logged("modprobe nf_tables"), 2, "{}", daemon.log());
    fs::remove_file(DENIED).expect("just written");
    daemon.reload(&conf.clone().line("garp_master_repeat 2").text());
    let rules = a.shell("nft list ruleset");
    assert!(rules.contains(VIP) && rules.contains("vrrp.51"), "{rules}");
    assert!(!c.try_shell(&format!("ping -n -c 1 -W 2 {VIP}")).status.success(), "packets are dropped");
    assert_eq!(daemon.logged("nftables: the rules are in place"), 1, "{}", daemon.log());
    assert_eq!(daemon.logged("Entering MASTER STATE"), 1);
    daemon.stop();
    assert_eq!(a.shell("nft list ruleset"), "");
}

/// An instance whose macvlan cannot be made says what is missing, and another one runs. Before it nothing may have loaded
/// the module.
pub(crate) fn without_macvlan() {
    let _modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(!Path::new("/sys/module/macvlan").exists(), "somebody loaded it");
    fs::create_dir_all("/etc/modprobe.d").expect("a folder in memory");
    // The firewall of a VMAC is the next test's.
    fs::write(DENIED, "install macvlan /bin/false\ninstall nf_tables /bin/false\n")
        .expect("a file in memory");
    let net = Net::without_referee();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let other = Instance { name: "OTHER", vrid: 52, addresses: vec!["10.9.0.102/24".to_owned()], ..conf() };
    let other = other.text().split_once("}\n").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    let daemon = Daemon::start(&a, US, &(conf().line("use_vmac").text() + &other));
    daemon.wait_log("(OTHER) Entering MASTER STATE", START + SLOW + TIMING.master_down(150));
    let lines: Vec<_> =
        daemon.log().lines().filter(|line| line.contains("no macvlan")).map(str::to_owned).collect();
    assert_eq!(lines.len(), 1, "{}", daemon.log());
    assert!(lines[0].contains("this kernel has no macvlan (modprobe macvlan, CONFIG_MACVLAN)"), "{lines:?}");
    assert_eq!(daemon.logged("(VI_1) Entering MASTER STATE"), 0);
    daemon.stop();
    fs::remove_file(DENIED).expect("it was written above");
}

/// With `ipv6.disable=1` an IPv4 instance runs, with a macvlan too, and an IPv6 instance says why it does not.
pub(crate) fn without_ipv6() {
    assert!(!Path::new("/proc/sys/net/ipv6").exists(), "this boot is to have no IPv6");
    let net = Net::without_referee();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    for lines in [&[][..], &["use_vmac", "no_accept"], &["use_ipvlan 10.9.0.51/24"]] {
        let mut four = conf();
        for line in lines {
            four = four.line(line);
        }
        let six = Instance {
            name: "SIX",
            vrid: 52,
            addresses: vec!["fe80::100/64".to_owned(), "2001:db8::100/64".to_owned()],
            ..conf()
        };
        let six = six.text().split_once("}\n").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let daemon = Daemon::start(&a, US, &(four.text() + &six));
        net.wait_master("a", daemon.since(), START + SLOW + TIMING.master_down(150));
        let device = if lines.contains(&"use_vmac") { "vrrp.51" } else { "eth0" };
        eventually(&format!("{lines:?}: the address is there"), SLOW, || a.holds(device, VIP));
        let log = daemon.log();
        assert_eq!(daemon.logged("(SIX) Entering MASTER STATE"), 0, "{log}");
        assert!(
            log.contains("(SIX) cannot open the raw socket for adverts: this kernel has no IPv6: boot it"),
            "{log}"
        );
        assert_eq!(daemon.logged("Address family not supported"), 0, "{lines:?} {log}");
        daemon.signal(Signal::SIGUSR1);
        assert!(daemon.dump("/tmp/keepalived.data").contains("SIX"));
        daemon.stop();
        assert!(!a.exists("/sys/class/net/vrrp.51") && !a.exists("/run/vrrp.changes"), "{lines:?}");
        assert!(!a.holds("eth0", VIP));
    }
}
