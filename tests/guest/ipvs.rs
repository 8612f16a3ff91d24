//! The program's own IPVS messages (`sys::ipvs`) before a real ip_vs, judged by Debian's ipvsadm.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use keepalived::base::addr::{Family, IpAddr};
use keepalived::base::ipvs::{
    DestKey, Granularity, Protocol, ServiceKey, Tunnel, TunnelChecksum, TunnelKind,
};
use keepalived::base::name::IfName;
use keepalived::sys::ipvs::{
    self, Destination, Full, Ipvs, KernelDestination, Method, Name, Persistence, Role, Service, SyncDaemon,
    Timeouts, Unavailable,
};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

use crate::kit::bounds::eventually;

/// The guest is slow.
const SLOW: Duration = Duration::from_secs(10);

/// The calling thread, and with it the rest of the test, moves to an empty network namespace.
fn alone() -> Ipvs {
    unshare(CloneFlags::CLONE_NEWNET).expect("root");
    shell("ip link set lo up");
    Ipvs::open().expect("this kernel has ip_vs")
}

fn shell(line: &str) -> String {
    let output = Command::new("bash").args(["-c", line]).output().expect("bash runs");
    assert!(output.status.success(), "`{line}` failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The table as ipvsadm saves it, sorted.
fn saved() -> Vec<String> {
    let mut lines: Vec<_> = shell("ipvsadm -Sn").lines().map(|line| line.trim().to_owned()).collect();
    lines.sort();
    lines
}

fn address(protocol: Protocol, addr: &str, port: u16) -> ServiceKey {
    ServiceKey::Address(protocol, addr.parse().expect("an address"), port)
}

fn service(key: ServiceKey, scheduler: &str) -> Service {
    Service {
        key,
        scheduler: Name::try_from(scheduler).expect("a short name"),
        scheduler_flags: 0,
        one_packet: false,
        persistence: None,
        engine: None,
    }
}

fn destination(addr: &str, port: u16, method: Method, weight: u32) -> Destination {
    let key = DestKey { addr: addr.parse().expect("an address"), port };
    Destination { key, method, weight, upper: 0, lower: 0 }
}

/// The results of what is collected.
fn results(ipvs: &mut Ipvs) -> Vec<(u32, Result<(), Errno>)> {
    let mut results = Vec::new();
    ipvs.commit(|tag, result| results.push((tag, result.map_err(|refusal| refusal.errno))));
    results
}

/// Commits what is collected, of which nothing may be refused.
fn commit(ipvs: &mut Ipvs) {
    let refused: Vec<_> = results(ipvs).into_iter().filter(|(_, result)| result.is_err()).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

fn listed(ipvs: &mut Ipvs, service: &ServiceKey) -> Vec<KernelDestination> {
    let mut list = Vec::new();
    ipvs.destinations(service, &mut list).expect("a list");
    list
}

/// Before the module is there, and where it cannot be had.
pub(crate) fn without_the_module() {
    let helper = "/proc/sys/kernel/modprobe";
    let before = std::fs::read_to_string(helper).expect("the kernel's helper");
    std::fs::write(helper, "/bin/false").expect("root");
    assert!(!std::path::Path::new("/proc/net/ip_vs").exists(), "another test has loaded it");
    assert_eq!(Ipvs::open().map(|_| ()), Err(Unavailable::Missing));
    ipvs::load();
    let mut ipvs = Ipvs::open().expect("modprobe has loaded it");
    let mut services = Vec::new();
    ipvs.services(&mut services).expect("a list");
    assert_eq!(services, []);
    assert_eq!(ipvs.info().expect("what it is").version, 0x01_02_01);
    // A module that goes and comes again has another number.
    shell("rmmod ip_vs");
    ipvs.flush(1).expect("room");
    assert_eq!(results(&mut ipvs), [(1, Err(Errno::ENOENT))]);
    assert_eq!(ipvs.look_up(), Err(Unavailable::Missing));
    ipvs::load();
    assert_eq!(ipvs.look_up(), Ok(()));
    ipvs.flush(2).expect("room");
    commit(&mut ipvs);
    // For who comes next.
    shell("rmmod ip_vs");
    std::fs::write(helper, before).expect("root");
}

/// Services and destinations of every kind read as they are meant, by ipvsadm and by the program itself.
pub(crate) fn every_kind() {
    let mut ipvs = alone();
    let persistence = |seconds, granularity| Some(Persistence { seconds, granularity });
    let masked = Granularity::Mask(Ipv4Addr::new(255, 255, 255, 0));
    let mark = |mark, family| ServiceKey::Mark(family, mark);
    let services = [
        Service {
            persistence: persistence(300, masked),
            ..service(address(Protocol::Tcp, "10.1.1.100", 80), "wlc")
        },
        Service {
            one_packet: true,
            scheduler_flags: 3,
            ..service(address(Protocol::Udp, "10.1.1.101", 53), "sh")
        },
        service(address(Protocol::Sctp, "10.1.1.102", 7), "rr"),
        Service {
            persistence: persistence(1_800, Granularity::Length(64)),
            ..service(address(Protocol::Tcp, "fd01::100", 443), "wrr")
        },
        Service {
            engine: Some(Name::try_from("sip").expect("short")),
            persistence: persistence(360, Granularity::host(Family::V4)),
            ..service(address(Protocol::Udp, "10.1.1.103", 5_060), "lc")
        },
        service(mark(7, Family::V4), "mh"),
        Service {
            persistence: persistence(50, Granularity::Length(128)),
            ..service(mark(7, Family::V6), "rr")
        },
    ];
    let gue = |checksum| Method::Tunnel(Tunnel { kind: TunnelKind::Gue, port: 6_080, checksum });
    let gre = |checksum| Method::Tunnel(Tunnel { kind: TunnelKind::Gre, port: 0, checksum });
    let tunnel = Method::Tunnel(Tunnel::default());
    let destinations = [
        (0, destination("10.1.1.1", 80, Method::Direct, 1)),
        (0, Destination { upper: 1_000, lower: 500, ..destination("10.1.1.2", 80, Method::Direct, 0) }),
        (1, destination("10.1.1.1", 53, tunnel, 1)),
        (1, destination("10.1.1.2", 53, gue(TunnelChecksum::Off), 2)),
        (1, destination("10.1.1.3", 53, gue(TunnelChecksum::On), 3)),
        (1, destination("10.1.1.4", 53, gue(TunnelChecksum::Remote), 4)),
        (1, destination("10.1.1.5", 53, gre(TunnelChecksum::Off), 5)),
        (1, destination("10.1.1.6", 53, gre(TunnelChecksum::On), i32::MAX.cast_unsigned())),
        (2, destination("10.1.1.1", 7_007, Method::Nat, 1)),
        (3, destination("fd01::1", 443, Method::Nat, 1)),
        // Of another family, which only tunnels take.
        (3, destination("10.1.1.1", 443, tunnel, 1)),
        (4, destination("10.1.1.1", 5_060, Method::Nat, 1)),
        (5, destination("10.1.1.1", 0, Method::Direct, 1)),
        (6, destination("fd01::1", 0, Method::Direct, 1)),
    ];
    for service in &services {
        ipvs.add_service(0, service).expect("room");
    }
    for (of, destination) in &destinations {
        ipvs.add_destination(1, &services[*of].key, destination).expect("room");
    }
    commit(&mut ipvs);
    let wanted = [
        "-A --sctp-service 10.1.1.102:7 -s rr",
        "-A -f 7 -6 -s rr -p 50",
        "-A -f 7 -s mh",
        "-A -t 10.1.1.100:80 -s wlc -p 300 -M 255.255.255.0",
        "-A -t [fd01::100]:443 -s wrr -p 1800 -M 64",
        "-A -u 10.1.1.101:53 -s sh -o -b sh-fallback,sh-port",
        "-A -u 10.1.1.103:5060 -s lc -p 360 --pe sip",
        "-a --sctp-service 10.1.1.102:7 -r 10.1.1.1:7007 -m -w 1",
        "-a -f 7 -6 -r [fd01::1]:0 -g -w 1",
        "-a -f 7 -r 10.1.1.1:0 -g -w 1",
        "-a -t 10.1.1.100:80 -r 10.1.1.1:80 -g -w 1",
        "-a -t 10.1.1.100:80 -r 10.1.1.2:80 -g -w 0",
        "-a -t [fd01::100]:443 -r 10.1.1.1:443 -i -w 1 --tun-type ipip",
        "-a -t [fd01::100]:443 -r [fd01::1]:443 -m -w 1",
        "-a -u 10.1.1.101:53 -r 10.1.1.1:53 -i -w 1 --tun-type ipip",
        "-a -u 10.1.1.101:53 -r 10.1.1.2:53 -i -w 2 --tun-type gue --tun-port 6080 --tun-nocsum",
        "-a -u 10.1.1.101:53 -r 10.1.1.3:53 -i -w 3 --tun-type gue --tun-port 6080 --tun-csum",
        "-a -u 10.1.1.101:53 -r 10.1.1.4:53 -i -w 4 --tun-type gue --tun-port 6080 --tun-remcsum",
        "-a -u 10.1.1.101:53 -r 10.1.1.5:53 -i -w 5 --tun-type gre --tun-nocsum",
        "-a -u 10.1.1.101:53 -r 10.1.1.6:53 -i -w 2147483647 --tun-type gre --tun-csum",
        "-a -u 10.1.1.103:5060 -r 10.1.1.1:5060 -m -w 1",
    ];
    assert_eq!(saved().join("\n"), wanted.join("\n"));
    // Which is not among what it saves.
    let thresholds = shell("ipvsadm -Ln --thresholds");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert!(
        thresholds.lines().any(|line| words(line) == ["->", "10.1.1.2:80", "1000", "500", "0", "0"]),
        "{thresholds}"
    );
    let mut list = Vec::new();
    ipvs.services(&mut list).expect("a list");
    for service in &services {
        assert!(list.iter().any(|there| there.service == *service), "{service:?} is not among {list:?}");
    }
    for (of, destination) in &destinations {
        let list = listed(&mut ipvs, &services[*of].key);
        assert!(list.iter().any(|there| there.destination == *destination), "{destination:?}: {list:?}");
        assert!(list.iter().all(|there| destination.lack(services[*of].key.family(), there).is_none()));
    }
    // What is changed in its place, and what goes.
    let [first, second, ..] = &services;
    ipvs.set_service(1, &Service { persistence: None, ..service(first.key, "rr") }).expect("room");
    let heavier = Destination { method: tunnel, ..destination("10.1.1.1", 80, Method::Nat, 9) };
    ipvs.set_destination(2, &first.key, &heavier).expect("room");
    ipvs.delete_destination(3, &first.key, &destinations[1].1.key).expect("room");
    for (at, service) in services.iter().enumerate().skip(1) {
        ipvs.delete_service(u32::try_from(at).expect("few"), &service.key).expect("room");
    }
    commit(&mut ipvs);
    let left = ["-A -t 10.1.1.100:80 -s rr", "-a -t 10.1.1.100:80 -r 10.1.1.1:80 -i -w 9 --tun-type ipip"];
    assert_eq!(saved(), left);
    assert_eq!(listed(&mut ipvs, &second.key), []);
    ipvs.flush(1).expect("room");
    commit(&mut ipvs);
    assert_eq!(saved(), [""; 0]);
}

/// Every refusal that the module's documentation names, each under the tag of its message, and none holds up another.
pub(crate) fn refusals() {
    let mut ipvs = alone();
    let there = service(address(Protocol::Tcp, "10.1.1.100", 80), "rr");
    let missing = address(Protocol::Tcp, "10.1.1.101", 80);
    let one = destination("10.1.1.1", 80, Method::Nat, 1);
    let other = destination("10.1.1.2", 80, Method::Nat, 1);
    let other_scheduler = service(missing, "none-such");
    let other_engine = Service {
        engine: Some(Name::try_from("none-such").expect("short")),
        persistence: Some(Persistence { seconds: 1, granularity: Granularity::host(Family::V4) }),
        ..service(missing, "rr")
    };
    let gue = Method::Tunnel(Tunnel { kind: TunnelKind::Gue, port: 0, checksum: TunnelChecksum::Off });
    type Ask<'a> = &'a dyn Fn(&mut Ipvs, u32) -> Result<(), Full>;
    let asked: [(Ask<'_>, Result<(), Errno>); 20] = [
        (&|ipvs, tag| ipvs.add_service(tag, &there), Ok(())),
        (&|ipvs, tag| ipvs.add_service(tag, &there), Err(Errno::EEXIST)),
        (&|ipvs, tag| ipvs.add_service(tag, &other_scheduler), Err(Errno::ENOENT)),
        (&|ipvs, tag| ipvs.add_service(tag, &other_engine), Err(Errno::ENOENT)),
        (&|ipvs, tag| ipvs.set_service(tag, &service(missing, "rr")), Err(Errno::ESRCH)),
        (&|ipvs, tag| ipvs.delete_service(tag, &missing), Err(Errno::ESRCH)),
        (&|ipvs, tag| ipvs.add_destination(tag, &missing, &one), Err(Errno::ESRCH)),
        (&|ipvs, tag| ipvs.set_destination(tag, &missing, &one), Err(Errno::ESRCH)),
        (&|ipvs, tag| ipvs.delete_destination(tag, &missing, &one.key), Err(Errno::ESRCH)),
        (&|ipvs, tag| ipvs.add_destination(tag, &there.key, &one), Ok(())),
        (&|ipvs, tag| ipvs.add_destination(tag, &there.key, &one), Err(Errno::EEXIST)),
        (&|ipvs, tag| ipvs.set_destination(tag, &there.key, &other), Err(Errno::ENOENT)),
        (&|ipvs, tag| ipvs.delete_destination(tag, &there.key, &other.key), Err(Errno::ENOENT)),
        (
            &|ipvs, tag| ipvs.add_destination(tag, &there.key, &Destination { method: gue, ..other }),
            Err(Errno::EINVAL),
        ),
        (
            &|ipvs, tag| ipvs.add_destination(tag, &there.key, &destination("fd01::1", 80, Method::Nat, 1)),
            Err(Errno::EINVAL),
        ),
        (
            &|ipvs, tag| ipvs.add_destination(tag, &there.key, &Destination { weight: 1 << 31, ..other }),
            Err(Errno::ERANGE),
        ),
        (
            &|ipvs, tag| ipvs.add_destination(tag, &there.key, &Destination { upper: 1, lower: 2, ..other }),
            Err(Errno::ERANGE),
        ),
        (&|ipvs, tag| ipvs.stop_daemon(tag, Role::Master), Err(Errno::ESRCH)),
        (&|ipvs, tag| ipvs.zero(tag, Some(&missing)), Err(Errno::ESRCH)),
        (&|ipvs, tag| ipvs.add_destination(tag, &there.key, &other), Ok(())),
    ];
    let tags = 100..;
    for ((ask, _), tag) in asked.iter().zip(tags.clone()) {
        ask(&mut ipvs, tag).expect("room");
    }
    let wanted: Vec<_> = tags.zip(asked.iter().map(|(_, result)| *result)).collect();
    assert_eq!(results(&mut ipvs), wanted);
    assert_eq!(saved().len(), 3);
    assert_eq!(listed(&mut ipvs, &missing), [], "there is no such service");
}

/// 200 services of 20 servers come and go, one send for many.
pub(crate) fn two_hundred_services() {
    let mut ipvs = alone();
    let keys: Vec<_> = (0..200).map(|at| address(Protocol::Tcp, &format!("10.2.0.{at}"), 80)).collect();
    let server = |at: u8| Destination {
        weight: u32::from(at),
        ..destination(&format!("10.3.0.{at}"), 80, Method::Direct, 1)
    };
    let (mut sends, mut answered) = (0, 0);
    let mut room = |ipvs: &mut Ipvs, last: bool| {
        if ipvs.room() == 0 || last {
            sends += 1;
            ipvs.commit(|_, result| {
                assert_eq!(result, Ok(()));
                answered += 1;
            });
        }
    };
    let begin = Instant::now();
    for key in &keys {
        room(&mut ipvs, false);
        ipvs.add_service(0, &service(*key, "wrr")).expect("room");
        for at in 1..=20 {
            room(&mut ipvs, false);
            ipvs.add_destination(0, key, &server(at)).expect("room");
        }
    }
    room(&mut ipvs, true);
    let added = begin.elapsed();
    assert_eq!(saved().len(), 4_200);
    let mut services = Vec::new();
    ipvs.services(&mut services).expect("a list");
    assert_eq!(services.len(), 200);
    for key in &keys {
        let mut weights: Vec<_> =
            listed(&mut ipvs, key).iter().map(|there| there.destination.weight).collect();
        weights.sort_unstable();
        assert!(weights.into_iter().eq(1..=20), "{key:?}");
    }
    let begin = Instant::now();
    for key in &keys {
        for at in 1..=20 {
            room(&mut ipvs, false);
            ipvs.delete_destination(0, key, &server(at).key).expect("room");
        }
        room(&mut ipvs, false);
        ipvs.delete_service(0, key).expect("room");
    }
    room(&mut ipvs, true);
    println!("4200 messages added in {added:?} and deleted in {:?}", begin.elapsed());
    assert_eq!((sends, answered), (2 * 66, 8_400));
    assert_eq!(saved(), [""; 0]);
}

/// The sync daemon of each role, with the kernel's defaults and with everything given.
pub(crate) fn sync_daemon() {
    let mut ipvs = alone();
    shell("ip link add eth1 type dummy; ip addr add 10.1.1.9/24 dev eth1; ip link set eth1 up");
    let plain = |role, id| SyncDaemon {
        role,
        interface: IfName::new("eth1").expect("a name"),
        id,
        max_octets: None,
        port: None,
        ttl: None,
        group: None,
    };
    let backup = plain(Role::Backup, 51);
    let master = SyncDaemon {
        max_octets: Some(1_400),
        port: Some(8_849),
        ttl: Some(3),
        group: Some(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 82))),
        ..plain(Role::Master, 52)
    };
    ipvs.start_daemon(1, &backup).expect("room");
    ipvs.start_daemon(2, &master).expect("room");
    ipvs.start_daemon(3, &backup).expect("room");
    assert_eq!(results(&mut ipvs), [(1, Ok(())), (2, Ok(())), (3, Err(Errno::EEXIST))]);
    let told = shell("ipvsadm -Ln --daemon");
    let wanted = [
        "master sync daemon (mcast=eth1, syncid=52, maxlen=1400, group=224.0.0.82, port=8849, ttl=3)",
        "backup sync daemon (mcast=eth1, syncid=51, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)",
    ];
    assert_eq!(told.lines().map(str::trim).collect::<Vec<_>>(), wanted);
    let daemons = ipvs.daemons().expect("a list");
    assert_eq!(daemons.len(), 2);
    for wanted in [&backup, &master] {
        let there = daemons.iter().find(|daemon| daemon.role == wanted.role).expect("its role");
        assert!(there.is_as_wanted(wanted), "{there:?}");
    }
    ipvs.stop_daemon(1, Role::Backup).expect("room");
    ipvs.stop_daemon(2, Role::Backup).expect("room");
    ipvs.stop_daemon(3, Role::Master).expect("room");
    let sixth = SyncDaemon { group: Some("ff05::82".parse().expect("an address")), ..backup.clone() };
    ipvs.start_daemon(4, &sixth).expect("room");
    let nowhere = SyncDaemon { interface: IfName::new("eth9").expect("a name"), ..master.clone() };
    ipvs.start_daemon(5, &nowhere).expect("room");
    let wanted = [(1, Ok(())), (2, Err(Errno::ESRCH)), (3, Ok(())), (4, Ok(())), (5, Err(Errno::ENODEV))];
    assert_eq!(results(&mut ipvs), wanted);
    let daemons = ipvs.daemons().expect("a list");
    assert!(daemons.len() == 1 && daemons[0].is_as_wanted(&sixth), "{daemons:?}");
    ipvs.stop_daemon(1, Role::Backup).expect("room");
    ipvs.start_daemon(2, &master).expect("room");
    ipvs.stop_daemon(3, Role::Master).expect("room");
    // One that is stopped before it has run is stopped without an answer.
    for (tag, result) in results(&mut ipvs) {
        let unanswered = tag != 2 && result == Err(Errno::ENOBUFS);
        assert!(result.is_ok() || unanswered, "{tag}: {result:?}");
    }
    assert_eq!(ipvs.daemons().expect("a list"), []);
    assert_eq!(shell("ipvsadm -Ln --daemon").trim(), "");
}

/// Timeouts, and what is counted of connections to this machine itself.
pub(crate) fn timeouts_and_stats() {
    let mut ipvs = alone();
    let before = ipvs.timeouts().expect("timeouts");
    ipvs.set_timeouts(1, Timeouts { tcp: 600, tcp_fin: 0, udp: 200 }).expect("room");
    commit(&mut ipvs);
    let after = ipvs.timeouts().expect("timeouts");
    assert_eq!(after, Timeouts { tcp: 600, tcp_fin: before.tcp_fin, udp: 200 });
    assert_eq!(
        shell("ipvsadm -Ln --timeout").trim(),
        format!("Timeout (tcp tcpfin udp): 600 {} 200", after.tcp_fin)
    );

    shell("ip addr add 10.1.1.100/32 dev lo; ip addr add 10.1.1.1/32 dev lo");
    let listener = TcpListener::bind(("10.1.1.1", 80)).expect("a port");
    let web = service(address(Protocol::Tcp, "10.1.1.100", 80), "rr");
    ipvs.add_service(1, &web).expect("room");
    ipvs.add_destination(2, &web.key, &destination("10.1.1.1", 80, Method::Nat, 1)).expect("room");
    commit(&mut ipvs);
    for _ in 0..5 {
        let client = TcpStream::connect(("10.1.1.100", 80)).expect("a connection by IPVS");
        let (server, _) = listener.accept().expect("its other end");
        drop((client, server));
    }
    let mut services = Vec::new();
    // The kernel adds up what its processors counted every two seconds.
    eventually("the connections are counted", SLOW, || {
        ipvs.services(&mut services).expect("a list");
        services.iter().any(|there| there.stats.connections == 5)
    });
    let [there] = services.as_slice() else { panic!("{services:?}") };
    assert_eq!(there.service, web);
    assert!(there.stats.in_packets >= 15 && there.stats.in_octets >= 15 * 40, "{:?}", there.stats);
    let [server] = listed(&mut ipvs, &web.key)[..] else { panic!("one destination") };
    assert_eq!(server.stats.connections, 5);
    assert_eq!(server.stats.in_octets, there.stats.in_octets);
    assert_eq!(server.active + server.inactive, 5);
    let line = shell("ipvsadm -Ln --stats --exact | grep ^TCP");
    let words: Vec<u64> =
        line.split_whitespace().skip(2).map(|word| word.parse().expect("a number")).collect();
    let stats = there.stats;
    let ours = [stats.connections, stats.in_packets, stats.out_packets, stats.in_octets, stats.out_octets];
    assert_eq!(words, ours);
    assert!(there.stats.connection_rate > 0 && there.stats.in_octet_rate > 0, "{:?}", there.stats);
    ipvs.zero(1, Some(&web.key)).expect("room");
    commit(&mut ipvs);
    ipvs.services(&mut services).expect("a list");
    assert_eq!(services[0].stats.connections, 0);
}
