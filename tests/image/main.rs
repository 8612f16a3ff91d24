//! The router image from its first boot to a broken upgrade: two routers and a client on one segment, machines that QEMU
//! emulates, started from disks that `board/qemu/image` has made.
//!
//! One test, for each boot costs fifteen seconds. It prints how long each step took. Needs root and the packages that
//! `board/qemu/image` and `board/qemu/boot` name. IMAGE_PROGRAM is a static program in place of the one that is built now.
//!
//! [`processors`] has the same program on machines with other processors.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test program that starts machines"
)]

mod machine;
mod processors;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use machine::{Folder, Machine, repository};

/// Three advert intervals and the skew time are below four seconds; the machines share two processors.
const TAKE_OVER: Duration = Duration::from_secs(30);
/// From a command that starts a machine again to the shell, with the stop of everything before, or the minute in which a
/// new slot must come up.
const SLOW: Duration = Duration::from_secs(240);

/// All processes of a daemon with one virtual router, in kilobytes.
const MOST_MEMORY: u32 = 2_048;

const ADDRESS: &str = "ip addr show dev eth0 | grep -q 'inet 10.77.0.100/24'";

/// The network of a machine: its own address, and what else comes up with it.
fn interfaces(last: u8, more: &str) -> String {
    format!(
        "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n    address 10.77.0.{last}\n    netmask 255.255.255.0\n{more}"
    )
}

/// One shared address, which the first router has as long as it is up.
fn instance(priority: u8) -> String {
    format!(
        "vrrp_instance LAN {{\n    state BACKUP\n    interface eth0\n    virtual_router_id 51\n    priority {priority}\n    \
         advert_int 1\n    virtual_ipaddress {{\n        10.77.0.100/24\n    }}\n    # more\n    notify /etc/keepalived/notify\n}}\n"
    )
}

const GLOBAL: &str = "global_defs {\n    enable_script_security\n    script_user root\n}\n";

/// A service on an address that the first router alone has; the second router is the server behind it.
const SERVICE: &str = "\
vrrp_instance WEB {
    state BACKUP
    interface eth0
    virtual_router_id 52
    priority 100
    advert_int 1
    virtual_ipaddress {
        10.77.0.90/24
    }
}
virtual_server 10.77.0.90 80 {
    delay_loop 2
    lvs_sched rr
    lvs_method DR
    protocol TCP
    real_server 10.77.0.2 80 {
        HTTP_GET {
            url {
                path /
                status_code 200
            }
            connect_timeout 2
        }
    }
}
virtual_server 10.77.0.90 81 {
    delay_loop 2
    lvs_sched rr
    lvs_method NAT
    protocol TCP
    real_server 10.77.0.2 80 {
        TCP_CHECK {
            connect_timeout 2
        }
    }
}
";

/// Answers of a server behind NAT come back through the first router, which tells nobody of a shorter way.
const FORWARD: &str = "#!/bin/sh
echo 1 > /proc/sys/net/ipv4/ip_forward
for interface in all eth0; do
    echo 0 > /proc/sys/net/ipv4/conf/$interface/send_redirects
done
";

/// The server has the service's address, too, and tells nobody.
const SERVER: &str = "#!/bin/sh
echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore
echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce
ip addr add 10.77.0.90/32 dev lo
ip route add 10.77.0.3/32 via 10.77.0.1 dev eth0 table 9
ip rule add from 10.77.0.2 lookup 9
mkdir -p /run/www
echo 'from the second' > /run/www/index.html
httpd -h /run/www
";

/// More for the kernel: the guest's time is the counter of this machine's processor, whose frequency a guest measures
/// wrong now and then while this machine is busy.
fn append() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let megahertz = information.lines().find_map(|line| line.strip_prefix("cpu MHz")?.split(": ").nth(1));
    let counter = megahertz.map(|number| format!(" tsc_early_khz={}", number.replace('.', "")));
    format!("nokaslr mitigations=off tsc=reliable random.trust_cpu=on{}", counter.unwrap_or_default())
}

fn image(words: &[&str]) {
    // Machines that run meanwhile come first: they have a bound for everything.
    let mut command = Command::new("nice");
    command.args(["-n", "19"]).arg(repository().join("board/qemu/image"));
    if let Some(program) = std::env::var_os("IMAGE_PROGRAM") {
        command.arg("--program").arg(program);
    }
    let output = command.args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// The disks.
fn build(folder: &Folder) {
    let path = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
    folder.file("changes-one/etc/network/interfaces", &interfaces(1, ""));
    folder.file("changes-one/etc/keepalived.conf", &format!("{GLOBAL}{}{SERVICE}", instance(150)));
    folder.file("changes-one/etc/init.d/S60forward", FORWARD);
    folder.file("changes-two/etc/network/interfaces", &interfaces(2, ""));
    folder.file("changes-two/etc/keepalived.conf", &format!("{GLOBAL}{}", instance(100)));
    folder.file("changes-two/etc/init.d/S60server", SERVER);
    folder.file("changes-client/etc/network/interfaces", &interfaces(3, ""));
    let append = append();
    image(&["--append", &append, "--changes", &path("changes-one"), "--version", "1", &path("one")]);
    for name in ["two", "client"] {
        let changes = path(&format!("changes-{name}"));
        image(&["--append", &append, "--changes", &changes, "--root", &path("one/upgrade"), &path(name)]);
    }
}

/// The files of upgrades, which are made while machines boot.
fn build_upgrades(folder: &Path) {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    image(&["--version", "2", &path("next")]);
    image(&["--version", "3", "--program", &path("broken-program"), &path("broken")]);
    let mut damaged = fs::read(path("next/upgrade")).unwrap();
    // The header of the root: blocks of 1 MiB, and, behind the dictionary's size, the filter for x86.
    assert_eq!(
        (&damaged[12..16], damaged[102]),
        (&[0, 0, 16, 0][..], 1),
        "the root is not packed as tightly as it could be"
    );
    // One octet of the root is another one than its digest says.
    damaged[5_000_000] ^= 1;
    fs::write(path("damaged"), damaged).unwrap();
}

/// The upgrades are made while this lives. It is dropped before their folder is.
struct Upgrades(Option<JoinHandle<()>>);

impl Upgrades {
    fn build(folder: &Folder) -> Self {
        let folder = folder.0.clone();
        Self(Some(std::thread::spawn(move || build_upgrades(&folder))))
    }
}

impl Drop for Upgrades {
    fn drop(&mut self) {
        let made = self.0.take().is_none_or(|thread| thread.join().is_ok());
        assert!(made || std::thread::panicking(), "the upgrades are not made");
    }
}

/// The client's machine is the switch as well: it stays on.
fn client_network(folder: &Path) -> String {
    let mut words =
        "-netdev hubport,id=nic,hubid=0 -device virtio-net-pci,netdev=nic,mac=52:54:00:77:00:03".to_owned();
    for name in ["one", "two"] {
        let path = folder.join(format!("{name}.wire"));
        words += &format!(
            " -netdev stream,id={name},server=on,addr.type=unix,addr.path={} -netdev hubport,id=port-{name},hubid=0,netdev={name}",
            path.display()
        );
    }
    words
}

fn router(name: &str, number: u8, folder: &Folder, files: &[PathBuf]) -> Machine {
    let network = format!(
        "-netdev stream,id=wire,server=off,addr.type=unix,addr.path={} -device virtio-net-pci,netdev=wire,mac=52:54:00:77:00:0{number}",
        folder.0.join(format!("{name}.wire")).display()
    );
    let mut more = Vec::new();
    for file in files {
        more.extend([
            "-drive".to_owned(),
            format!("file={},format=raw,if=virtio,readonly=on", file.display()),
        ]);
    }
    Machine::boot(name, &folder.0, &folder.0.join(name).join("disk"), &network, &more)
}

/// Kilobytes that the processes of the daemon take, what they share counted once.
fn memory(machine: &mut Machine) -> u32 {
    machine
        .shell("for pid in $(pidof keepalived keepalived_exec); do cat /proc/$pid/smaps_rollup; done | awk '/^Pss:/ { sum += $2 } END { print sum }'")
        .trim()
        .parse()
        .unwrap()
}

/// Machines of one test at a time: they have a bound for everything.
fn alone() -> MutexGuard<'static, ()> {
    static MACHINES: Mutex<()> = Mutex::new(());
    MACHINES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn two_routers_from_their_first_boot_to_a_broken_upgrade() {
    let _alone = alone();
    let begin = Instant::now();
    let step = |what: &str| eprintln!("{:4} s  two routers: {what}", begin.elapsed().as_secs());
    let folder = Folder::new("image");
    build(&folder);
    folder.file("broken-program", "#!/bin/sh\nexit 1\n");
    step("disks are made");
    let upgrades = Upgrades::build(&folder);

    let files = ["next/upgrade", "broken/upgrade", "damaged"].map(|name| folder.0.join(name));
    let mut client =
        Machine::boot("client", &folder.0, &folder.0.join("client/disk"), &client_network(&folder.0), &[]);
    let mut one = router("one", 1, &folder, &[]);
    let mut two = router("two", 2, &folder, &[]);
    for machine in [&mut client, &mut one, &mut two] {
        machine.log_in();
    }
    let line = one.shell("cat /proc/cmdline");
    assert!(
        line.contains("slot=a console=ttyS0") && line.contains(" nokaslr mitigations=off tsc=reliable "),
        "{line}"
    );
    step("three machines are up");

    one.until(ADDRESS, TAKE_OVER);
    assert!(!two.try_shell(ADDRESS).0, "the second router has the address as well");
    client.until("ping -c 1 -W 2 10.77.0.100", TAKE_OVER);
    client.until("wget -q -O - http://10.77.0.90/ | grep -q 'from the second'", TAKE_OVER);
    client.until("wget -q -O - http://10.77.0.90:81/ | grep -q 'from the second'", TAKE_OVER);
    one.until("grep -q 'keepalived-notify: INSTANCE LAN is MASTER' /tmp/messages", TAKE_OVER);
    step("the first router is master, the virtual servers answer, one of them with NAT");

    let kilobytes = memory(&mut two);
    step(&format!("the daemon of the second router takes {kilobytes} kB"));
    assert!(kilobytes <= MOST_MEMORY, "{kilobytes} kB");
    // Parent, the process that runs scripts, and the VRRP child.
    let users = "for pid in $(pidof keepalived keepalived_exec); do awk '/^Uid:/ { print $2 }' /proc/$pid/status; done | sort";
    two.until(&format!("[ \"$({users} | tr '\\n' ' ')\" = '0 0 112 ' ]"), TAKE_OVER);

    let before = two.shell("cat /run/keepalived.pid");
    two.shell(&format!("kill -9 {before}"));
    two.until(
        &format!("/etc/init.d/S50keepalived status && [ $(cat /run/keepalived.pid) != {} ]", before.trim()),
        TAKE_OVER,
    );
    step("init has brought a killed daemon back");

    one.shell(
        "sed -i 's|# more|virtual_ipaddress_excluded {\\n        10.77.0.101/24\\n    }|' /etc/keepalived.conf
        /etc/init.d/S50keepalived reload",
    );
    client.until("ping -c 1 -W 2 10.77.0.101", TAKE_OVER);
    one.shell("sync");
    step("a reload has added an address");

    // Its power is cut.
    drop(one);
    let gap = two.until(ADDRESS, TAKE_OVER);
    client.until("ping -c 1 -W 2 10.77.0.100", TAKE_OVER);
    step(&format!("the second router has taken over, seen after {:.1} s", gap.as_secs_f32()));

    drop(upgrades);
    step("upgrades are made");
    let mut one = router("one", 1, &folder, &files);
    one.log_in();
    one.until(ADDRESS, TAKE_OVER);
    client.until("ping -c 1 -W 2 10.77.0.101", TAKE_OVER);
    two.until(&format!("! {ADDRESS}"), TAKE_OVER);
    step("the first router is back with the edited configuration");

    one.type_line("reboot");
    two.until(ADDRESS, SLOW);
    one.log_in();
    assert_eq!(one.shell("cat /run/slot"), "a\n");
    one.until(ADDRESS, TAKE_OVER);
    client.until("ping -c 1 -W 2 10.77.0.101", TAKE_OVER);
    two.until(&format!("! {ADDRESS}"), TAKE_OVER);
    step("so it is after it was told to start again");

    let (good, said) = one.try_shell("upgrade /dev/vdd");
    assert!(!good && said.contains("the digest of /dev/vdd is another one"), "{said}");
    assert!(one.shell("boot-slot").contains("slot=a\ntry=\n"));
    step("a damaged upgrade is refused");

    one.type_line("upgrade /dev/vdb");
    one.wait_for("slot b has the new image", SLOW);
    two.until(ADDRESS, SLOW);
    client.until("ping -c 1 -W 2 10.77.0.100", TAKE_OVER);
    step("the upgrade is written, the second router serves");
    one.log_in();
    assert_eq!(one.shell("cat /etc/image-version /run/slot"), "2\nb\n");
    one.until("[ -e /run/confirmed ]", SLOW);
    assert!(one.shell("boot-slot").contains("slot=b\ntry=\n"));
    one.until(ADDRESS, TAKE_OVER);
    client.until("ping -c 1 -W 2 10.77.0.101", TAKE_OVER);
    client.until("wget -q -O - http://10.77.0.90/ | grep -q 'from the second'", TAKE_OVER);
    step("the new slot is confirmed and has the configuration");

    one.type_line("upgrade /dev/vdc");
    one.wait_for("slot a has the new image", SLOW);
    one.wait_for("slot a trial", SLOW);
    one.wait_for("the new slot has not come up; going back", SLOW);
    step("a broken upgrade has not come up");
    assert!(two.try_shell(ADDRESS).0, "nobody has the address");
    one.wait_for("slot b", SLOW);
    one.log_in();
    assert_eq!(one.shell("cat /etc/image-version /run/slot"), "2\nb\n");
    assert!(one.shell("boot-slot").contains("slot=b\ntry=\n"));
    one.until(ADDRESS, TAKE_OVER);
    client.until("ping -c 1 -W 2 10.77.0.101", TAKE_OVER);
    step("the slot before is back, and the first router is master");
}
