//! The monitoring port: metrics, health, readiness, and the pages for people.

#[cfg(all(feature = "bfd", feature = "lvs"))]
use std::time::Duration;

use super::{TIMING, US, alone, has_no_socket};
use crate::kit::ask::{status, wait_truth};
use crate::kit::bounds::{START, eventually};
use crate::kit::conf::Instance;
use crate::kit::daemon::Daemon;
#[cfg(feature = "lvs")]
use crate::kit::daemon::{CONF, Launch};
use crate::kit::node::Node;
use crate::kit::pair::Pair;

/// Asks the monitoring port for a page; its code and its text.
pub(super) fn page(node: &Node, path: &str) -> (String, String) {
    let answer = node.shell(&format!("curl -s -w '\\n%{{http_code}}' http://127.0.0.1:9165{path}"));
    let (text, code) = answer.trim_end().rsplit_once('\n').expect("curl adds a line");
    (code.to_owned(), text.trim_end().to_owned())
}

/// Reads the metrics in both forms by the parsers of Prometheus' own client library.
const SCRAPE: &str = "import urllib.request as u
from prometheus_client.parser import text_string_to_metric_families as text
from prometheus_client.openmetrics.parser import text_string_to_metric_families as om
def get(accept):
  r=u.urlopen(u.Request('http://127.0.0.1:9165/metrics',headers={'Accept':accept}))
  return r.headers['Content-Type'],r.read().decode()
for accept,parse in (('text/plain',text),('application/openmetrics-text',om)):
  kind,body=get(accept)
  assert kind.startswith(accept),kind
  s=[x for f in parse(body) for x in f.samples]
  assert len(set((x.name,tuple(sorted(x.labels.items()))) for x in s))==len(s)
  v={x.name:x for x in s}
  c={'iname':'VI_1','intf':'eth0','vrid':'51'}
  assert v['keepalived_up'].value==1
  assert v['keepalived_vrrp_state'].labels==dict(c,ip_address='10.9.0.100/32'),v['keepalived_vrrp_state']
  assert v['keepalived_vrrp_state'].value==2
  b=v['keepalived_become_master_total']
  assert b.labels==c and b.value==1,b
  assert v['keepalived_advertisements_sent_total'].value>0
  g=v.get('keepalived_vrrp_become_master') or v['keepalived_vrrp_become_master_total']
  assert g.labels=={'name':'VI_1','intf':'eth0','vrid':'51','state':'MASTER'},g
  f=v['keepalived_script_status']
  assert f.labels=={'name':'fine'} and f.value==1,f
  assert v['keepalived_vrrp_addresses_in_kernel'].value==1
  print(len(s))
";

#[test]
fn monitoring_reads_metrics_and_health_over_http_and_nothing_can_be_changed_there() {
    if has_no_socket() {
        return;
    }
    let (net, a) = alone();
    let script = "vrrp_script fine {\n script /bin/true\n interval 1\n}\n";
    let instance = Instance {
        globals: vec!["control_http 9165\n enable_dbus".to_owned()],
        ..Instance::default().before(script).line("track_script {\n fine\n }")
    };
    a.shell("ip link set lo up");
    let daemon = Daemon::start(&a, US, &instance.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    assert_eq!(daemon.logged("The control socket replaces D-Bus"), 1);
    let fine = ("200".to_owned(), "ok".to_owned());
    eventually("it is ready", START, || page(&a, "/readyz") == fine);
    assert_eq!(page(&a, "/healthz"), fine);
    a.write("/run/lab/scrape.py", SCRAPE);
    let counts = a.shell("python3 /run/lab/scrape.py");
    assert_eq!(counts.lines().count(), 2, "{counts}");
    let (ok, json) = page(&a, "/status");
    assert!(
        ok == "200" && json.starts_with("{\"schema\":1,") && json.contains("\"name\":\"VI_1\""),
        "{json}"
    );
    assert!(page(&a, "/events").1.contains("BACKUP to MASTER"));
    let (ok, html) = page(&a, "/");
    assert!(ok == "200" && html.starts_with("<!doctype html>"), "{html}");
    assert!(!html.contains("http:") && !html.contains("https:"), "it asks nobody else");
    assert_eq!(page(&a, "/etc/passwd").0, "404");
    let curl = |arguments: &str| a.shell(&format!("curl -s -o /dev/null -w '%{{http_code}}' {arguments}"));
    assert_eq!(curl("-X POST http://127.0.0.1:9165/metrics"), "405");
    assert_eq!(curl("-I http://127.0.0.1:9165/healthz"), "200");
    assert_eq!(curl("-H \"x: $(printf %5000d 1)\" http://127.0.0.1:9165/healthz"), "431");
    let outside = a.try_shell("curl -s -m 2 http://10.9.0.1:9165/healthz");
    assert!(!outside.status.success(), "loopback alone");

    // Addresses that are not where they belong.
    a.shell("ip link set eth0 down");
    eventually("a FAULT without addresses is in its place", START, || page(&a, "/readyz") == fine);
    a.shell("ip link set eth0 up");
    eventually("it is MASTER again", START, || status(&a, "i['state']") == "MASTER");
    // A reload takes it away.
    daemon.reload(&Instance { globals: Vec::new(), ..instance }.text());
    eventually("it is gone", START, || !a.shell("ss -Hltn").contains("127.0.0.1:9165"));
}

/// All three children, with a check that passes, and the port.
#[cfg(all(feature = "bfd", feature = "lvs"))]
const EVERYTHING: &str = "global_defs {
 control_http 9165
}
vrrp_instance VI_1 {
 interface eth0
 virtual_router_id 51
 version 3
 advert_int 0.1
 virtual_ipaddress {
  10.9.0.100
 }
}
virtual_server 10.9.0.100 80 {
 delay_loop 1
 lvs_sched rr
 lvs_method NAT
 protocol TCP
 real_server 10.9.0.1 8081 {
  TCP_CHECK {
   connect_timeout 1
  }
 }
}
bfd_instance other {
 neighbor_ip 10.9.0.2
 source_ip 10.9.0.1
}
";

/// Reads the metrics in both forms, and prints a number that a process has counted.
#[cfg(all(feature = "bfd", feature = "lvs"))]
const COUNTED: &str = "import sys,urllib.request as u
from prometheus_client.parser import text_string_to_metric_families as text
from prometheus_client.openmetrics.parser import text_string_to_metric_families as om
values=[]
for accept,parse in (('text/plain',text),('application/openmetrics-text',om)):
  body=u.urlopen(u.Request('http://127.0.0.1:9165/metrics',headers={'Accept':accept})).read().decode()
  values.append({s.name:s.value for f in parse(body) for s in f.samples})
for name in sys.argv[1:]: print(*{v[name] for v in values})
";

/// Each process has counted what it does; only what the kernel drops is counted as dropped.
#[cfg(all(feature = "bfd", feature = "lvs"))]
#[test]
fn each_process_counts_allocations_lateness_and_overruns() {
    if has_no_socket() {
        return;
    }
    let (net, a) = alone();
    a.write(CONF, EVERYTHING);
    a.write("/run/lab/counted.py", COUNTED);
    a.shell("python3 -m http.server -b 10.9.0.1 8081 >/dev/null 2>&1 &");
    let daemon = Launch::new(&a, US).start();
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let counted = |tail: &str| {
        let names = ["vrrp", "checker", "bfd"].map(|child| format!("keepalived_{child}_{tail}"));
        let text = a.shell(&format!("python3 /run/lab/counted.py {}", names.join(" ")));
        let numbers = text.lines().map(|line| line.parse::<f64>().expect("the same number in both forms"));
        numbers.collect::<Vec<_>>()
    };
    // The first answer finds its buffers, and checks have run a few times.
    eventually("it answers", START, || page(&a, "/metrics").0 == "200");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(counted("heap_allocations_total"), [0.0; 3]);
    assert!(counted("heap_bytes").iter().all(|octets| *octets > 0.0));
    let late = counted("loop_lateness_seconds");
    assert!(late.iter().all(|late| (0.0..10.0).contains(late)), "{late:?}");
    assert_eq!(counted("netlink_overruns_total"), [0.0; 3]);
    let text = a.shell("curl -s http://127.0.0.1:9165/metrics");
    assert!(text.contains("keepalived_check_overdue{kind=\"TCP_CHECK\""), "{text}");

    // More than its queue holds, while it stands still, but not for so long that the watchdog replaces it.
    let prepare = "for round in 1 2 3 4; do for way in add del; do for i in $(seq 1000); do
        echo addr $way 10.77.$((i / 250)).$((i % 250 + 1))/32 dev lo; done; done; done > /run/lab/storm";
    a.shell(prepare);
    let storm = "pid=$(cat /run/vrrp.pid); kill -STOP $pid; timeout 0.3 ip -force -batch /run/lab/storm; kill -CONT $pid";
    eventually("the loss is counted", START * 3, || {
        a.shell(storm);
        counted("netlink_overruns_total")[0] > 0.0
    });
}

/// The pages about readiness, before, during and after something that is not in its place; what they say of it.
fn becomes_ready_again(node: &Node, disturb: &str, mend: &str) -> String {
    let fine = ("200".to_owned(), "ok".to_owned());
    eventually("it is ready", START, || page(node, "/readyz") == fine);
    node.shell(disturb);
    let mut said = String::new();
    eventually("it is not ready", START * 3, || {
        let (code, text) = page(node, "/readyz");
        said = text;
        code == "503"
    });
    assert_eq!(page(node, "/healthz"), fine, "it is alive");
    node.shell(mend);
    eventually("it is ready again", START * 3, || page(node, "/readyz") == fine);
    said
}

#[test]
fn a_backup_with_an_address_and_a_master_without_are_not_ready() {
    if has_no_socket() {
        return;
    }
    let pair = Pair::new();
    let Pair { a, b, .. } = &pair;
    let instance = Instance::default().global("control_http 9165");
    let mut first = instance.clone().priority(150);
    first.addresses.push("10.9.0.101/32 no_track".to_owned());
    let _daemons = pair.start(&first, &instance);
    // Another program has left it there, as part of a larger network.
    let said =
        becomes_ready_again(b, "ip addr add 10.9.0.100/24 dev eth0", "ip addr del 10.9.0.100/24 dev eth0");
    assert_eq!(said, "VI_1 is BACKUP with 1 of 1 addresses in the kernel");
    // One that is not put back.
    let said =
        becomes_ready_again(a, "ip addr del 10.9.0.101/32 dev eth0", "ip addr add 10.9.0.101/32 dev eth0");
    assert_eq!(said, "VI_1 is MASTER with 1 of 2 addresses in the kernel");
    wait_truth(a);
    wait_truth(b);
}

#[cfg(feature = "lvs")]
#[test]
fn a_check_that_does_not_run_is_overdue_and_the_node_is_not_ready() {
    if has_no_socket() {
        return;
    }
    let (_net, a) = alone();
    a.write(
        CONF,
        "global_defs {\n control_http 9165\n}\nvirtual_server 10.9.0.100 80 {\n delay_loop 1\n lvs_sched rr\n lvs_method NAT\n \
         protocol TCP\n real_server 10.9.0.1 8081 {\n TCP_CHECK {\n bindto 10.9.0.9\n }\n }\n}\n",
    );
    a.shell("ip addr add 10.9.0.9/32 dev eth0");
    let _daemon = Launch::new(&a, US).start();
    // The address that it is to be made from is not there.
    let said =
        becomes_ready_again(&a, "ip addr del 10.9.0.9/32 dev eth0", "ip addr add 10.9.0.9/32 dev eth0");
    assert_eq!(said, "1 checks have not run for three times their interval");
}
