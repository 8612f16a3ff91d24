//! What a configuration makes of services and servers: methods, ports, marks, groups, persistence, quorum.

use std::time::Duration;

use super::stage::Stage;
use super::stub::Speaks;

/// One service, and the lines of the table that it stands for.
struct Shape {
    conf: &'static str,
    table: &'static [&'static str],
}

const SHAPES: &[Shape] = &[
    // A mark has no port, which only address translation may then set; the check has one (field case 1).
    Shape {
        conf: "virtual_server fwmark 3 { delay_loop 1
            lvs_sched rr
            lvs_method DR
            real_server 10.9.0.11 443 { TCP_CHECK { connect_timeout 2 } } }",
        table: &["-A -f 3 -s rr", "-a -f 3 -r 10.9.0.11:0 -g -w 1"],
    },
    Shape {
        conf: "virtual_server fwmark 4 { lvs_sched rr
            lvs_method NAT
            real_server 10.9.0.11 443 { } }",
        table: &["-A -f 4 -s rr", "-a -f 4 -r 10.9.0.11:443 -m -w 1"],
    },
    // No port behind a mark (field case 2).
    Shape {
        conf: "virtual_server fwmark 6 { lvs_sched rr
            lvs_method NAT
            sorry_server 10.9.0.13
            real_server 10.9.0.12 { } }",
        table: &["-A -f 6 -s rr", "-a -f 6 -r 10.9.0.12:0 -m -w 1"],
    },
    Shape {
        conf: "virtual_server fwmark 7 { ip_family inet6
            lvs_sched rr
            lvs_method DR
            real_server fd09::11 { } }",
        table: &["-A -f 7 -6 -s rr", "-a -f 7 -6 -r [fd09::11]:0 -g -w 1"],
    },
    // One host, two ports (field case 3).
    Shape {
        conf: "virtual_server 10.9.0.100 80 { lvs_sched rr
            lvs_method NAT
            protocol TCP
            real_server 10.9.0.11 8000 { weight 3
                uthreshold 100
                lthreshold 50 }
            real_server 10.9.0.11 80 { } }",
        table: &[
            "-A -t 10.9.0.100:80 -s rr",
            "-a -t 10.9.0.100:80 -r 10.9.0.11:8000 -m -w 3",
            "-a -t 10.9.0.100:80 -r 10.9.0.11:80 -m -w 1",
        ],
    },
    Shape {
        conf: "virtual_server 10.9.0.101 80 { lvs_sched rr
            lvs_method DR
            protocol TCP
            real_server 10.9.0.11 8000 { }
            real_server 10.9.0.11 80 { } }",
        table: &["-A -t 10.9.0.101:80 -s rr", "-a -t 10.9.0.101:80 -r 10.9.0.11:80 -g -w 1"],
    },
    // What a check connects to is what is written, as behind a mark.
    Shape {
        conf: "virtual_server 10.9.0.101 81 { delay_loop 1
            lvs_sched rr
            lvs_method DR
            protocol TCP
            real_server 10.9.0.11 443 { TCP_CHECK { connect_timeout 2 } } }",
        table: &["-A -t 10.9.0.101:81 -s rr", "-a -t 10.9.0.101:81 -r 10.9.0.11:81 -g -w 1"],
    },
    // A tunnel to a server of the other family (field case 6), and tunnels of every kind.
    Shape {
        conf: "virtual_server fd09::100 80 { lvs_sched rr
            lvs_method TUN
            protocol TCP
            real_server 10.9.0.11 80 { }
            real_server fd09::12 80 { weight 0 } }",
        table: &[
            "-A -t [fd09::100]:80 -s rr",
            "-a -t [fd09::100]:80 -r 10.9.0.11:80 -i -w 1 --tun-type ipip",
            "-a -t [fd09::100]:80 -r [fd09::12]:80 -i -w 0 --tun-type ipip",
        ],
    },
    Shape {
        conf: "virtual_server 10.9.0.100 443 { lvs_sched wlc
            lvs_method TUN type gue port 6080
            protocol TCP
            real_server 10.9.0.11 443 { }
            real_server 10.9.0.12 443 { lvs_method TUN type gue port 6081 csum }
            real_server 10.9.0.13 443 { lvs_method TUN type gue port 6082 remcsum }
            real_server 10.9.0.14 443 { lvs_method TUN type gre csum }
            real_server 10.9.0.15 443 { lvs_method TUN type ipip } }",
        table: &[
            "-A -t 10.9.0.100:443 -s wlc",
            "-a -t 10.9.0.100:443 -r 10.9.0.11:443 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
            "-a -t 10.9.0.100:443 -r 10.9.0.12:443 -i -w 1 --tun-type gue --tun-port 6081 --tun-csum",
            "-a -t 10.9.0.100:443 -r 10.9.0.13:443 -i -w 1 --tun-type gue --tun-port 6082 --tun-remcsum",
            "-a -t 10.9.0.100:443 -r 10.9.0.14:443 -i -w 1 --tun-type gre --tun-csum",
            "-a -t 10.9.0.100:443 -r 10.9.0.15:443 -i -w 1 --tun-type ipip",
        ],
    },
    // A method in lower case (field case 7).
    Shape {
        conf: "virtual_server 10.9.0.102 80 { lvs_sched rr
            lb_kind nat
            protocol TCP
            real_server 10.9.0.11 80 { } }",
        table: &["-A -t 10.9.0.102:80 -s rr", "-a -t 10.9.0.102:80 -r 10.9.0.11:80 -m -w 1"],
    },
    // Everybody is one client, nobody stays (field cases 8 and 9).
    Shape {
        conf: "virtual_server 10.9.0.103 80 { lvs_sched rr
            lvs_method NAT
            persistence_timeout 300
            persistence_granularity 0.0.0.0
            protocol TCP
            real_server 10.9.0.11 80 { } }",
        table: &[
            "-A -t 10.9.0.103:80 -s rr -p 300 -M 0.0.0.0",
            "-a -t 10.9.0.103:80 -r 10.9.0.11:80 -m -w 1",
        ],
    },
    Shape {
        conf: "virtual_server 10.9.0.104 80 { lvs_sched rr
            lvs_method NAT
            persistence_timeout 0
            protocol TCP
            real_server 10.9.0.11 80 { } }",
        table: &["-A -t 10.9.0.104:80 -s rr", "-a -t 10.9.0.104:80 -r 10.9.0.11:80 -m -w 1"],
    },
    Shape {
        conf: "virtual_server fd09::104 443 { lvs_sched wrr
            lvs_method DR
            persistence_timeout 360
            persistence_granularity 64
            protocol TCP
            real_server fd09::11 443 { } }",
        table: &[
            "-A -t [fd09::104]:443 -s wrr -p 360 -M 64",
            "-a -t [fd09::104]:443 -r [fd09::11]:443 -g -w 1",
        ],
    },
    // Every port of a persistent service, and an engine that knows SIP.
    Shape {
        conf: "virtual_server 10.9.0.104 0 { lvs_sched rr
            lvs_method DR
            persistence_timeout 50
            protocol TCP
            real_server 10.9.0.11 0 { } }",
        table: &["-A -t 10.9.0.104:0 -s rr -p 50", "-a -t 10.9.0.104:0 -r 10.9.0.11:0 -g -w 1"],
    },
    Shape {
        conf: "virtual_server 10.9.0.104 5060 { lvs_sched rr
            lvs_method DR
            persistence_timeout 360
            persistence_engine sip
            protocol UDP
            real_server 10.9.0.11 5060 { } }",
        table: &[
            "-A -u 10.9.0.104:5060 -s rr -p 360 --pe sip",
            "-a -u 10.9.0.104:5060 -r 10.9.0.11:5060 -g -w 1",
        ],
    },
    // Flags of schedulers, datagrams one by one, SCTP.
    Shape {
        conf: "virtual_server 10.9.0.104 53 { lvs_sched sh
            sh-port
            sh-fallback
            ops
            lvs_method DR
            protocol UDP
            real_server 10.9.0.11 53 { } }",
        table: &[
            "-A -u 10.9.0.104:53 -s sh -o -b sh-fallback,sh-port",
            "-a -u 10.9.0.104:53 -r 10.9.0.11:53 -g -w 1",
        ],
    },
    Shape {
        conf: "virtual_server 10.9.0.104 54 { lvs_sched mh
            mh-port
            lvs_method NAT
            protocol TCP
            real_server 10.9.0.11 54 { } }",
        table: &["-A -t 10.9.0.104:54 -s mh -b mh-port", "-a -t 10.9.0.104:54 -r 10.9.0.11:54 -m -w 1"],
    },
    Shape {
        conf: "virtual_server 10.9.0.104 7 { lvs_sched lblcr
            flag-3
            lvs_method NAT
            protocol SCTP
            real_server 10.9.0.11 7 { } }",
        table: &[
            "-A --sctp-service 10.9.0.104:7 -s lblcr -b flag-3",
            "-a --sctp-service 10.9.0.104:7 -r 10.9.0.11:7 -m -w 1",
        ],
    },
    // The sorry server of a service that begins without any other has the method of the service (field case 18).
    Shape {
        conf: "virtual_server 10.9.0.105 80 { delay_loop 1
            lvs_sched rr
            lvs_method DR
            alpha
            protocol TCP
            sorry_server 10.9.0.19 80
            real_server 10.9.0.12 80 { TCP_CHECK { connect_timeout 1 } } }",
        table: &["-A -t 10.9.0.105:80 -s rr", "-a -t 10.9.0.105:80 -r 10.9.0.19:80 -g -w 1"],
    },
    // A quorum that no servers could reach is what all of them make (field case 24).
    Shape {
        conf: "virtual_server 10.9.0.106 80 { lvs_sched rr
            lvs_method NAT
            quorum 5
            protocol TCP
            sorry_server 10.9.0.19 80
            real_server 10.9.0.11 80 { weight 2 }
            real_server 10.9.0.12 80 { weight 0 } }",
        table: &[
            "-A -t 10.9.0.106:80 -s rr",
            "-a -t 10.9.0.106:80 -r 10.9.0.11:80 -m -w 2",
            "-a -t 10.9.0.106:80 -r 10.9.0.12:80 -m -w 0",
        ],
    },
    // Ranges, single addresses and marks; a server without a port has that of each address.
    Shape {
        conf: "virtual_server_group web { 10.9.0.107 80
            10.9.0.107-109 81
            fwmark 8 }
            virtual_server group web { lvs_sched rr
            lvs_method NAT
            protocol TCP
            sorry_server 10.9.0.19 80
            sorry_server_inhibit
            real_server 10.9.0.11 8080 { } }",
        table: &[
            "-A -f 8 -s rr",
            "-A -t 10.9.0.107:80 -s rr",
            "-A -t 10.9.0.107:81 -s rr",
            "-A -t 10.9.0.108:81 -s rr",
            "-A -t 10.9.0.109:81 -s rr",
            "-a -f 8 -r 10.9.0.11:8080 -m -w 1",
            "-a -t 10.9.0.107:80 -r 10.9.0.11:8080 -m -w 1",
            "-a -t 10.9.0.107:81 -r 10.9.0.11:8080 -m -w 1",
            "-a -t 10.9.0.108:81 -r 10.9.0.11:8080 -m -w 1",
            "-a -t 10.9.0.109:81 -r 10.9.0.11:8080 -m -w 1",
            "-a -f 8 -r 10.9.0.19:80 -m -w 0",
            "-a -t 10.9.0.107:80 -r 10.9.0.19:80 -m -w 0",
            "-a -t 10.9.0.107:81 -r 10.9.0.19:80 -m -w 0",
            "-a -t 10.9.0.108:81 -r 10.9.0.19:80 -m -w 0",
            "-a -t 10.9.0.109:81 -r 10.9.0.19:80 -m -w 0",
        ],
    },
];

/// A service of somebody else's, which nobody touches (field case 12).
const FOREIGN: [&str; 2] = ["-A -u 192.0.2.99:53 -s rr", "-a -u 192.0.2.99:53 -r 192.0.2.1:53 -m -w 7"];

/// All of them at once, a reload that changes nothing, and the end; beside somebody else's service.
pub(crate) fn every(stage: &Stage) {
    let _tls = stage.stub("10.9.0.11:443", Speaks::Http(200));
    for line in FOREIGN {
        stage.director.shell(&format!("ipvsadm {line}"));
    }
    let conf: Vec<_> = SHAPES.iter().map(|shape| shape.conf).collect();
    let conf =
        format!("global_defs {{\n lvs_timeouts tcp 901 tcpfin 121 udp 301\n }}\n{}\n", conf.join("\n"));
    let tables = SHAPES.iter().flat_map(|shape| shape.table);
    let table: Vec<_> = FOREIGN.iter().chain(tables).copied().collect();
    let daemon = stage.start(&conf);
    stage.expect("start", &table);
    assert_eq!(stage.director.shell("ipvsadm -Ln --timeout").trim(), "Timeout (tcp tcpfin udp): 901 121 301");
    let thresholds = stage.director.shell("ipvsadm -Ln --thresholds");
    let found = thresholds.lines().find(|line| line.contains("10.9.0.11:8000")).expect("a line");
    assert_eq!(found.split_whitespace().collect::<Vec<_>>(), ["->", "10.9.0.11:8000", "100", "50", "0", "0"]);
    stage.reload(&daemon, &conf);
    stage.steady("a reload that changes nothing", Duration::from_secs(3), &table);
    daemon.stop();
    stage.expect("stop", &FOREIGN);
}
