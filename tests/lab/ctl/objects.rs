//! What is said of BFD sessions, checks and servers.

#[cfg(feature = "lvs")]
use super::alone;
use super::{US, has_no_socket};
use crate::kit::ask::{answer, text};
use crate::kit::bounds::{START, eventually};
use crate::kit::daemon::{CONF, Launch};
#[cfg(feature = "bfd")]
use crate::kit::node::Node;
use crate::kit::node::UNDER_TEST;
#[cfg(feature = "bfd")]
use crate::kit::pair::Pair;

#[cfg(feature = "bfd")]
#[test]
fn sessions_of_a_pair_are_told_as_they_are() {
    if has_no_socket() {
        return;
    }
    let pair = Pair::new();
    let Pair { a, b, .. } = &pair;
    let conf = |own: u8, other: u8| {
        format!(
            "bfd_instance other {{\n neighbor_ip 10.9.0.{other}\n source_ip 10.9.0.{own}\n min_rx 100\n min_tx 100\n}}\n"
        )
    };
    a.write(CONF, &conf(1, 2));
    b.write(CONF, &conf(2, 1));
    let (_one, _two) = (Launch::new(a, US).start(), Launch::new(b, US).start());
    let session = |node: &Node| {
        let program = "import json,sys\ns=json.load(sys.stdin)['bfd']['sessions'][0]\nprint(s['name'],s['state'],s['neighbor'])\n";
        node.write("/run/lab/session.py", program);
        let line = format!("{UNDER_TEST} --ctl status --json | python3 /run/lab/session.py");
        text(&node.try_shell(&line).stdout).trim().to_owned()
    };
    eventually("both are up", START * 3, || {
        session(a) == "other Up 10.9.0.2" && session(b) == "other Up 10.9.0.1"
    });
    b.shell("ip link set eth0 down");
    eventually("a notices", START, || session(a) == "other Down 10.9.0.2");
    assert!(answer(a, "status other").contains("other            Down "));
    let events = answer(a, "events other");
    assert!(
        events.contains("  session     other: Up: ") && events.contains("  session     other: Down: here "),
        "{events}"
    );
    b.shell("ip link set eth0 up");
    eventually("it is up again", START * 3, || session(a) == "other Up 10.9.0.2");
}

#[cfg(feature = "lvs")]
#[test]
fn checks_and_servers_are_told_with_their_last_result_and_its_reason() {
    if has_no_socket() {
        return;
    }
    let (_net, a) = alone();
    let conf = "virtual_server 10.9.0.100 80 {\n delay_loop 1\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n \
                real_server 10.9.0.1 8081 {\n TCP_CHECK {\n connect_timeout 1\n retry 0\n }\n }\n}\n";
    a.write(CONF, conf);
    a.shell("python3 -m http.server -b 10.9.0.1 8081 >/dev/null 2>&1 & echo $! > /run/lab/server.pid");
    let _daemon = Launch::new(&a, US).start();
    let server = |expression: &str| {
        let program = "import json,sys\ns=json.load(sys.stdin)['checker']\nprint(eval(sys.argv[1]))\n";
        a.write("/run/lab/checker.py", program);
        let line = format!("{UNDER_TEST} --ctl status --json | python3 /run/lab/checker.py \"{expression}\"");
        text(&a.try_shell(&line).stdout).trim().to_owned()
    };
    let both = "s['services'][0]['servers'][0]['up'],s['checks'][0]['up'],s['checks'][0]['last_failure']";
    // It counts as up before its first check, and the server may take its time to listen.
    eventually("a check has passed", START, || {
        server("s['checks'][0]['last_run'] is None") == "False" && server(both) == "(True, True, None)"
    });
    let table = answer(&a, "checkers");
    assert!(table.contains("TCP_CHECK       [10.9.0.1]:tcp:8081           up          passed "), "{table}");
    assert!(!table.contains("Virtual server"), "the checks alone: {table}");
    assert!(
        answer(&a, "checkers --json")
            .contains("\"vrrp\":null,\"checker\":{\"checks\":[{\"kind\":\"TCP_CHECK\"")
    );
    a.shell("kill $(cat /run/lab/server.pid)");
    eventually("the server is down", START, || server(both) == "(False, False, 'the port is closed')");
    assert_eq!(server("s['services'][0]['quorum'],s['services'][0]['servers_up']"), "(False, 0)");
    let table = answer(&a, "status");
    assert!(
        table.contains("[10.9.0.100]:tcp:80                           no quorum   0       0/1"),
        "{table}"
    );
    assert!(table.contains("down        failed 0.") || table.contains("down        failed 1."), "{table}");
}
