//! A configuration from the field on two directors, with nginx as real server, and for mail a stub: a lab has the check before
//! aiosmtpd, whose start takes this machine half a minute.

use std::time::{Duration, Instant};

use super::stage::{Table, ask, difference, ipvsadm};
use super::stub::{Speaks, Stub};
use crate::kit::bounds::{eventually, holds_within};
use crate::kit::daemon::{Daemon, Program};
use crate::kit::net::Net;
use crate::kit::node::Node;

/// As it was published; the digest is that of a page nobody has.
const PUBLISHED: &str = include_str!("lvs-dr.conf");
const PUBLISHED_DIGEST: &str = "9b3a0c85a887a256d6939da88aabd8cd";

/// The guest is slow, and checks take seconds.
const SETTLED: Duration = Duration::from_secs(40);

const SERVICES: [&str; 6] = [
    "-A -t 10.60.0.100:80 -s wrr -p 50",
    "-A -t 10.60.0.101:25 -s rr",
    "-A -t 10.60.0.101:443 -s lc",
    "-a -t 10.60.0.101:25 -r 10.60.0.13:25 -i -w 1 --tun-type ipip",
    "-a -t 10.60.0.101:443 -r 10.60.0.11:443 -m -w 1",
    "-a -t 10.60.0.101:443 -r 10.60.0.12:443 -m -w 1",
];
const ONE: &str = "-a -t 10.60.0.100:80 -r 10.60.0.11:80 -g -w 2";
const TWO: &str = "-a -t 10.60.0.100:80 -r 10.60.0.12:80 -g -w 1";
const TWO_INHIBITED: &str = "-a -t 10.60.0.100:80 -r 10.60.0.12:80 -g -w 0";
const SORRY: &str = "-a -t 10.60.0.100:80 -r 10.60.0.9:80 -g -w 1";

const NGINX: &str = "daemon off;
pid /run/nginx.pid;
error_log /run/nginx.log;
events { }
http {
    access_log off;
    server {
        listen 80;
        listen 443 ssl;
        ssl_certificate /run/web/cert.pem;
        ssl_certificate_key /run/web/key.pem;
        root /run/web;
        location = /health { return 204; }
    }
}
";

/// The machine with the addresses of all real servers, and the virtual ones where nobody asks for them.
fn servers(net: &Net) -> Node {
    let addresses = [9, 11, 12, 13].map(|at| format!("10.60.0.{at}/24"));
    let node = net.node("servers", "eth0", &addresses.each_ref().map(String::as_str));
    node.write("/run/nginx.conf", NGINX);
    node.write("/run/web/index.html", "the page\n");
    node.shell(
        "for at in all eth0; do echo 1 >/proc/sys/net/ipv4/conf/$at/arp_ignore; done
        ip addr add 10.60.0.100/32 dev lo; ip addr add 10.60.0.101/32 dev lo
        mkdir -p /var/lib/nginx /var/log/nginx
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=web -days 2 \
            -keyout /run/web/key.pem -out /run/web/cert.pem 2>/dev/null
        nginx -c /run/nginx.conf >/run/nginx.out 2>&1 &",
    );
    eventually("the real servers listen", SETTLED, || {
        let listening = node.shell("ss -Hltn");
        [":80 ", ":443 "].iter().all(|port| listening.contains(port))
    });
    node
}

/// Waits until both directors hold this.
fn expect(directors: &[&Node], step: &str, servers: &[&str]) {
    let mut wanted: Vec<_> = SERVICES.iter().chain(servers).copied().collect();
    wanted.sort_unstable();
    let wanted: Vec<_> = wanted.into_iter().map(str::to_owned).collect();
    let begin = Instant::now();
    for director in directors {
        let mut table = Table::of(director);
        let right = holds_within(SETTLED, || table.lines_of(wanted.len()) == Some(&*wanted));
        assert!(right, "{}: {step}: {}", director.name(), difference(table.lines(), &wanted));
    }
    println!("{step}: {:.1} s", begin.elapsed().as_secs_f32());
}

/// Both directors hold the same at every step, whichever is the master (field case 21; tests/differences.tsv says why no
/// keyword changes that); clients are served by whichever is the master, and go on being served when
/// the master dies with all its processes.
pub(crate) fn two_directors(program: Program) {
    let net = Net::without_referee();
    let (a, b) = (net.node("a", "eth0", &["10.60.0.1/24"]), net.node("b", "eth0", &["10.60.0.2/24"]));
    let client = net.node("client", "eth0", &["10.60.0.50/24"]);
    let servers = servers(&net);
    let _mail = Stub::new(&servers, "10.60.0.13:25", Speaks::Smtp);
    let digest = servers.shell("md5sum /run/web/index.html");
    let conf = PUBLISHED.replace(PUBLISHED_DIGEST, digest.split_whitespace().next().expect("a digest"));
    for director in [&a, &b] {
        director.write_script("/etc/keepalived/check_tls.sh", "#!/bin/sh\nexit 0\n");
    }
    let daemons = [&a, &b].map(|director| (director, Daemon::start(director, program, &conf)));
    expect(&[&a, &b], "start", &[ONE, TWO]);
    let served = || ask(&client, "10.60.0.100:80").is_some_and(|page| page.contains("page"));
    eventually("clients are served", SETTLED, served);
    eventually("one director has the addresses", SETTLED, || {
        a.holds("eth0", "10.60.0.100") != b.holds("eth0", "10.60.0.100")
    });
    let [first, second] = daemons;
    let (master, backup) = if a.holds("eth0", "10.60.0.100") { (first, second) } else { (second, first) };
    let dead = master.0;
    master.1.kill();
    eventually("the other one takes over", SETTLED, || backup.0.holds("eth0", "10.60.0.100"));
    dead.shell("ip addr del 10.60.0.100/24 dev eth0; ip addr del 10.60.0.101/24 dev eth0");
    eventually("clients are served by it", SETTLED, served);
    let master = (dead, Daemon::start(dead, program, &conf));

    servers.write("/run/web/index.html", "another page\n");
    expect(&[&a, &b], "another digest", &[TWO]);
    servers.shell(
        "nft add table ip t; nft add chain ip t c '{ type filter hook input priority 0; }'
        nft add rule ip t c ip daddr 10.60.0.12 tcp dport 80 reject with tcp reset",
    );
    expect(&[&a, &b], "no server is up", &[SORRY, TWO_INHIBITED]);
    servers.write("/run/web/index.html", "the page\n");
    expect(&[&a, &b], "weight 2 is less than quorum and hysteresis", &[SORRY, TWO_INHIBITED]);
    servers.shell("nft delete table ip t");
    expect(&[&a, &b], "both are up", &[ONE, TWO]);
    for (director, daemon) in [master, backup] {
        daemon.stop();
        assert_eq!(ipvsadm(director, &["-Sn"]), [""; 0], "{}", director.name());
    }
}
