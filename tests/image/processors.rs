//! The program on machines with other processors: Debian's kernel for them, an initramfs with busybox, and two routers in
//! two network namespaces with a link between them.
//!
//! Every process that the set of features `router` has runs there, confined: what a child calls on such a processor must be
//! in the lists of `sys::seccomp`, of which every processor has its own. Needs root, QEMU for the processor (qemu-system-arm,
//! qemu-system-mips), and what `board/qemu/kernel` and `board/static` name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::machine::{Folder, Machine, repository};
use crate::{TAKE_OVER, alone};

/// A processor as `board/static` and `board/qemu/kernel` call it, and the machine that QEMU emulates with it.
struct Processor {
    name: &'static str,
    qemu: &'static str,
    machine: &'static str,
    console: &'static str,
}

/// Modules that the routers need, with those that these need.
const MODULES: [&str; 4] = ["veth", "macvlan", "ip_vs", "ip_vs_rr"];

const INIT: &str = "#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in $(cat /modules/order); do insmod /modules/$module || echo cannot load $module; done
exec init < /dev/console > /dev/console 2>&1
";

/// The first router is in the namespace of init, the second one in that of a process that sleeps.
const LINK: &str = "#!/bin/sh
unshare -n sleep 100000 &
echo $! > /run/second
until [ \"$(readlink /proc/$!/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do sleep 0.1; done
ip link add type veth
ip link set veth1 netns $!
for command in 'ip addr add 10.77.0.2/24 dev veth1' 'ip link set lo up' 'ip link set veth1 up' 'httpd -h /www'; do
    nsenter -t $! -n $command
done
ip addr add 10.77.0.1/24 dev veth0
ip link set lo up
ip link set veth0 up
";

/// Starts a router: `start one` or `start two`.
const START: &str = "#!/bin/sh
[ $1 = one ] && in= || in=\"nsenter -t $(cat /run/second) -n\"
$in keepalived -n -l -D -f /etc/$1.conf -p /run/$1.pid -r /run/$1.vrrp -c /run/$1.checkers -b /run/$1.bfd >> /tmp/$1.log 2>&1 &
";

/// Prints what the kernel says of the children of a router, a line for each: user, no_new_privs, mode of seccomp.
const CONFINED: &str = "#!/bin/sh
for kind in vrrp checkers bfd; do
    awk '/^Uid:|^NoNewPrivs:|^Seccomp:/ { printf \"%s \", $2 } END { print \"\" }' /proc/$(cat /run/$1.$kind)/status
done
";

/// Prints the children of a process.
const CHILDREN: &str = "#!/bin/sh
awk -v parent=$1 '/^PPid:/ && $2 == parent { split(FILENAME, part, \"/\"); print part[3] }' /proc/[0-9]*/status 2> /dev/null
";

/// Two virtual routers, one of them with a MAC of its own, and for IPv6; a script, a session of BFD, and a virtual server with a
/// check of each kind.
fn configuration(own: u8, other: u8, link: &str, priority: u8) -> String {
    format!(
        "global_defs {{
    enable_script_security
    script_user root
}}
vrrp_script good {{
    script /bin/true
    interval 1
}}
bfd_instance peer {{
    neighbor_ip 10.77.0.{other}
    source_ip 10.77.0.{own}
    min_rx 500
    min_tx 500
}}
vrrp_instance LAN {{
    state BACKUP
    interface {link}
    use_vmac
    virtual_router_id 51
    priority {priority}
    advert_int 1
    virtual_ipaddress {{
        10.77.0.100/24
    }}
    track_script {{
        good
    }}
    track_bfd {{
        peer weight -1
    }}
    notify /etc/notify
}}
vrrp_instance SIX {{
    state BACKUP
    interface {link}
    version 3
    virtual_router_id 52
    priority {priority}
    advert_int 1
    virtual_ipaddress {{
        fe80::77:100/64
    }}
}}
virtual_server 10.77.0.100 80 {{
    delay_loop 2
    lvs_sched rr
    lvs_method NAT
    protocol TCP
    real_server 10.77.0.2 80 {{
        HTTP_GET {{
            url {{
                path /
                status_code 200
            }}
            connect_timeout 2
        }}
    }}
    real_server 10.77.0.2 81 {{
        TCP_CHECK {{
            connect_port 80
            connect_timeout 2
        }}
    }}
    real_server 10.77.0.2 82 {{
        MISC_CHECK {{
            misc_path /bin/true
        }}
    }}
    real_server 10.77.0.2 83 {{
        PING_CHECK {{
            connect_timeout 2
        }}
    }}
    real_server 10.77.0.2 84 {{
        TCP_CHECK {{
            connect_timeout 2
        }}
    }}
}}
"
    )
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The kernel, and the initramfs.
fn prepare(processor: &Processor, folder: &Folder) -> (PathBuf, PathBuf) {
    let kernel = output(Command::new(repository().join("board/qemu/kernel")).arg(processor.name));
    let kernel = Path::new(kernel.trim());
    let release = kernel.file_name().unwrap().to_str().unwrap();
    let features = ["router", "--no-default-features", "--features", "bfd,lvs"];
    // The machines of another test come first: they have a bound for everything.
    let build = repository().join("board/static");
    let program =
        output(Command::new("nice").args(["-n", "19"]).arg(build).arg(processor.name).args(features));
    let mut order = Vec::new();
    for module in MODULES {
        let show = ["-S", release, "--show-depends", module];
        let text = output(Command::new("modprobe").arg("-d").arg(kernel).args(show));
        for path in text.lines().filter_map(|line| line.strip_prefix("insmod ")) {
            let path = PathBuf::from(path.trim());
            if !order.contains(&path) {
                order.push(path);
            }
        }
    }
    let root = folder.0.join("root");
    for name in ["bin", "proc", "sys", "dev", "run", "tmp", "modules"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    let mut names = String::new();
    for path in order {
        let name = path.file_name().unwrap().to_str().unwrap();
        fs::copy(&path, root.join("modules").join(name)).unwrap();
        names += &format!("{name}\n");
    }
    fs::copy(kernel.join("bin/busybox"), root.join("bin/busybox")).unwrap();
    fs::copy(repository().join(program.trim()), root.join("bin/keepalived")).unwrap();
    fs::set_permissions(root.join("bin/keepalived"), fs::Permissions::from_mode(0o755)).unwrap();
    folder.file("root/modules/order", &names);
    folder.file("root/init", INIT);
    folder.file(
        "root/etc/inittab",
        &format!("::sysinit:/bin/link\n{}::askfirst:-/bin/sh\n", processor.console),
    );
    folder.file("root/etc/passwd", "root::0:0:root:/:/bin/sh\nkeepalived:x:112:112::/:/bin/false\n");
    folder.file("root/etc/group", "root:x:0:\nkeepalived:x:112:\n");
    folder.file("root/etc/notify", "#!/bin/sh\necho \"$@\" >> /tmp/told\n");
    folder.file("root/www/index.html", "from the second\n");
    folder.file("root/bin/link", LINK);
    folder.file("root/bin/start", START);
    folder.file("root/bin/confined", CONFINED);
    folder.file("root/bin/children", CHILDREN);
    folder.file("root/etc/one.conf", &configuration(1, 2, "veth0", 150));
    folder.file("root/etc/two.conf", &configuration(2, 1, "veth1", 100));
    folder.file("root/etc/wrong.conf", "vrrp_instance LAN {\n    interfaces veth0\n}\n");
    let initramfs = folder.0.join("initramfs");
    output(
        Command::new("sh")
            .current_dir(&root)
            .args(["-c", "find . | cpio -o -H newc --quiet -R 0:0 > \"$0\""])
            .arg(&initramfs),
    );
    (kernel.join("boot").join(format!("vmlinuz-{release}")), initramfs)
}

/// A command in the namespace of a router that holds as long as this router has all addresses, or none.
fn has(router: &str, all: bool) -> String {
    let within = if router == "one" { "" } else { "nsenter -t $(cat /run/second) -n " };
    let count = if all { 2 } else { 0 };
    format!("[ $({within}ip addr show | grep -c 'inet 10.77.0.100/24\\|inet6 fe80::77:100/64') -eq {count} ]")
}

fn routers_on(processor: &Processor) {
    let begin = Instant::now();
    let step = |what: &str| eprintln!("{:4} s  {}: {what}", begin.elapsed().as_secs(), processor.name);
    let folder = Folder::new(processor.name);
    let (kernel, initramfs) = prepare(processor, &folder);
    step("kernel and program are there");
    let _alone = alone();

    let mut guest = Machine::start(processor.name, &folder.0, |command, console| {
        command
            .arg(processor.qemu)
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .args(processor.machine.split(' '))
            .args(["-accel", "tcg,thread=multi", "-m", "256", "-serial", &console, "-kernel"])
            .arg(kernel)
            .arg("-initrd")
            .arg(initramfs)
            .arg("-append")
            .arg(format!("console={} quiet panic=-1 random.trust_cpu=on", processor.console))
    });
    guest.log_in();
    step(&format!("it is up: {}", guest.shell("uname -m").trim()));

    guest.shell("keepalived -t -f /etc/one.conf");
    let (good, said) = guest.try_shell("keepalived -t -f /etc/wrong.conf");
    assert!(!good && said.contains("/etc/wrong.conf:2:5: ") && said.contains("interfaces"), "{said}");
    step("a config test finds what is wrong");

    guest.shell("start one; start two");
    guest.until(&has("one", true), TAKE_OVER);
    guest.until(&has("two", false), TAKE_OVER);
    guest.until("grep -q 'INSTANCE LAN MASTER 1' /tmp/told", TAKE_OVER);
    for router in ["one", "two"] {
        let so = format!("[ \"$(confined {router} | tr '\\n' ,)\" = '112 1 2 ,112 1 2 ,112 1 2 ,' ]");
        guest.until(&so, TAKE_OVER);
    }
    let children = guest.shell("cat /run/*.vrrp /run/*.checkers /run/*.bfd");
    step("the first router is master, and every child is confined");

    let reachable = "nsenter -t $(cat /run/second) -n ping -c 1 -W 2 10.77.0.100";
    guest.until(reachable, TAKE_OVER);
    // Port 84 has no server: what answers has weight 1, the rest is not in the table.
    let servers = "[ $(grep -c '0A4D0002:005[0-3] .* 1 ' /proc/net/ip_vs) = 4 ] && ! grep -q 0A4D0002:0054 /proc/net/ip_vs";
    guest.until(servers, TAKE_OVER);
    guest.until("grep -q '(peer) Entering Up state' /tmp/one.log", TAKE_OVER);
    step("each kind of check has its verdict, and the session of BFD is up");

    guest.shell("sed -i 's/priority 100/priority 200/' /etc/two.conf; kill -HUP $(cat /run/two.pid)");
    guest.until(&has("two", true), TAKE_OVER);
    guest.until(&has("one", false), TAKE_OVER);
    guest.shell("sed -i 's/priority 200/priority 100/' /etc/two.conf; kill -HUP $(cat /run/two.pid)");
    guest.until(&has("one", true), TAKE_OVER);
    guest.until(&has("two", false), TAKE_OVER);
    step("a reload has changed the priority, and changed it back");

    guest.shell("kill -USR1 $(cat /run/one.pid); kill -USR2 $(cat /run/one.pid)");
    guest.until(
        "grep -q 'VRRP Instance = LAN' /tmp/keepalived.data && [ -s /tmp/keepalived.stats ]",
        TAKE_OVER,
    );
    assert_eq!(guest.shell("cat /run/*.vrrp /run/*.checkers /run/*.bfd"), children, "a child was replaced");
    step("a dump and statistics are written, by the children of the start");

    // A parent that stands still brings no child back, and none of them gets to say that it goes.
    let farewells = "grep -c 'received priority 0' /tmp/two.log || true";
    let before = guest.shell(farewells);
    guest.shell(
        "pid=$(cat /run/one.pid); kill -STOP $pid; set -- $(children $pid); [ $# -ge 4 ] && kill -9 $@ $pid",
    );
    let gap = guest.until(&has("two", true), TAKE_OVER);
    assert_eq!(guest.shell(farewells), before, "somebody was left to say that the first router goes");
    step(&format!(
        "the second router has taken over from the killed one, seen after {:.1} s",
        gap.as_secs_f32()
    ));

    guest.shell("start one");
    guest.until(&has("two", false), TAKE_OVER);
    guest.until(&has("one", true), TAKE_OVER);
    guest.shell("kill $(cat /run/one.pid)");
    guest.until(&has("two", true), TAKE_OVER);
    guest.until(&has("one", false), TAKE_OVER);
    guest.shell("kill $(cat /run/two.pid)");
    guest.until(&has("two", false), TAKE_OVER);
    guest.until("! pidof keepalived", Duration::from_secs(10));
    let (refused, said) = guest.try_shell("grep -i 'system call\\|which it never does\\|panic' /tmp/*.log");
    assert!(!refused, "{said}");
    step("a stop hands over, and no system call was refused");
}

#[test]
fn aarch64() {
    routers_on(&Processor {
        name: "aarch64",
        qemu: "qemu-system-aarch64",
        // The kernel signs every return address, and the signature of the architecture takes QEMU longer than all the rest.
        machine: "-machine virt -cpu max,pauth-impdef=on",
        console: "ttyAMA0",
    });
}

#[test]
#[ignore = "builds the program for one more processor: by hand"]
fn armv7() {
    routers_on(&Processor {
        name: "armv7",
        qemu: "qemu-system-arm",
        machine: "-machine virt -cpu max",
        console: "ttyAMA0",
    });
}

#[test]
#[ignore = "builds the program for one more processor: by hand"]
fn mipsel() {
    routers_on(&Processor {
        name: "mipsel",
        qemu: "qemu-system-mipsel",
        machine: "-machine malta",
        console: "ttyS0",
    });
}
