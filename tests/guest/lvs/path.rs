//! A check that goes the way of the clients.

use std::time::Duration;

use super::stage::Stage;
use super::stub::Speaks;

/// The server behind a mark of its own, which has no check and so always leads there; the check of the service asks the
/// virtual address with that mark. The other service has the plain check.
const CONF: &str = "virtual_server fwmark 101 {
    lvs_sched rr
    lvs_method TUN
    real_server 10.9.0.11 {
    }
}
virtual_server 10.9.0.100 80 {
    delay_loop 1
    lvs_sched rr
    lvs_method TUN
    protocol TCP
    real_server 10.9.0.11 80 {
        HTTP_GET {
            url {
                path /
                status_code 200
            }
            connect_ip 10.9.0.100
            connect_port 80
            bindto 10.9.0.1
            fwmark 101
            connect_timeout 2
            retry 0
        }
    }
}
virtual_server 10.9.0.101 80 {
    delay_loop 1
    lvs_sched rr
    lvs_method TUN
    protocol TCP
    real_server 10.9.0.11 80 {
        TCP_CHECK {
            connect_timeout 2
            retry 0
        }
    }
}
";

const A_WHILE: Duration = Duration::from_secs(3);

/// A server that lacks the virtual address answers at its own one, and clients hang: the check with a mark leaves in the
/// tunnel and fails, the plain one goes on succeeding (field case 40).
pub(crate) fn of_clients(stage: &Stage) {
    // A real server is no router. What it says to the director comes from the director's own virtual address.
    stage.servers.shell(
        "modprobe ipip; ip link set tunl0 up; ip addr add 10.9.0.100/32 dev lo
        echo 0 >/proc/sys/net/ipv4/ip_forward
        for at in all eth0; do echo 1 >/proc/sys/net/ipv4/conf/$at/arp_ignore; done
        nft 'table ip t { chain c { type filter hook input priority 0;
            ip saddr 10.9.0.1 ip daddr 10.9.0.11 ip protocol 4 counter; }; }'",
    );
    stage.director.shell("echo 1 >/proc/sys/net/ipv4/conf/eth0/accept_local");
    let _server = stage.stub("0.0.0.0:80", Speaks::Http(200));
    let services = ["-A -f 101 -s rr", "-A -t 10.9.0.100:80 -s rr", "-A -t 10.9.0.101:80 -s rr"];
    let marked = "-a -f 101 -r 10.9.0.11:0 -i -w 1 --tun-type ipip";
    let of_clients = "-a -t 10.9.0.100:80 -r 10.9.0.11:80 -i -w 1 --tun-type ipip";
    let plain = "-a -t 10.9.0.101:80 -r 10.9.0.11:80 -i -w 1 --tun-type ipip";
    let (with, without) = ([marked, of_clients, plain], [marked, plain]);
    let [with, without] = [&with[..], &without].map(|servers| [&services[..], servers].concat());
    let daemon = stage.start(CONF);
    stage.expect("start", &with);
    stage.steady("the way is open", A_WHILE, &with);
    let rules = stage.servers.shell("nft list ruleset");
    assert!(!rules.contains("packets 0 "), "the check goes through the tunnel: {rules}");
    stage.servers.shell("ip addr del 10.9.0.100/32 dev lo");
    stage.expect("the server lacks the virtual address", &without);
    stage.steady("its own address answers", A_WHILE, &without);
    stage.servers.shell("ip addr add 10.9.0.100/32 dev lo");
    stage.expect("the server has the virtual address", &with);
    daemon.stop();
    stage.expect("stop", &[]);
}
