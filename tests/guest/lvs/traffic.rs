//! What clients see of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::stage::Stage;
use super::stub::Speaks;
use crate::kit::bounds::eventually;

/// The guest is slow.
const SLOW: Duration = Duration::from_secs(20);

fn service(port: u16, line: &str) -> String {
    let server = |at: u8| {
        format!(
            "real_server 10.9.0.{at} {port} {{
            {line}
            TCP_CHECK {{
                connect_port 9000
                connect_timeout 2
                retry 0
            }}
            }}"
        )
    };
    format!(
        "virtual_server 10.9.0.100 {port} {{
        delay_loop 1
        lvs_sched rr
        lvs_method NAT
        protocol TCP
        {}
        {}
        }}",
        server(11),
        server(12)
    )
}

const DATAGRAMS: &str = "virtual_server 10.9.0.100 53 {
    delay_loop 600
    lvs_sched rr
    lvs_method NAT
    ops
    protocol UDP
    real_server 10.9.0.11 53 {
    }
    real_server 10.9.0.12 53 {
    }
}
";

/// Whether what the client says on a connection is answered.
pub(super) fn answers(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(3))).expect("a mode of every socket");
    stream.write_all(b"still there?").is_ok() && stream.read(&mut [0; 64]).is_ok_and(|count| count > 0)
}

/// Datagrams of one client are spread from the first on (field case 17). When a server fails, an open session ends with
/// its entry, and goes on where the server is inhibited (field case 19). No setting of the kernel's is touched for that.
pub(crate) fn sessions(stage: &Stage) {
    let servers = ["10.9.0.11", "10.9.0.12"];
    let echoes = servers.map(|at| stage.stub(&format!("{at}:53"), Speaks::Echo));
    let _sessions =
        [80, 81].map(|port| servers.map(|at| stage.stub(&format!("{at}:{port}"), Speaks::Session)));
    let mut checked = servers.map(|at| stage.stub(&format!("{at}:9000"), Speaks::Session));
    let settings = || stage.director.shell("sysctl -a 2>/dev/null | grep ^net.ipv4.vs");
    let daemon = stage.start(&[&service(80, ""), &service(81, "inhibit_on_failure"), DATAGRAMS].join("\n"));
    let services = ["-A -t 10.9.0.100:80 -s rr", "-A -t 10.9.0.100:81 -s rr", "-A -u 10.9.0.100:53 -s rr -o"];
    let servers_of = |service: &str, weight: u8| {
        servers.map(|at| {
            let port = service.split_once(':').expect("a port").1;
            format!("-a {service} -r {at}:{port} -m -w {weight}")
        })
    };
    let datagrams = servers_of("-u 10.9.0.100:53", 1);
    let table = |entries: &[[String; 2]]| {
        let entries = entries.iter().chain([&datagrams]).flatten().map(String::as_str);
        services.into_iter().chain(entries).map(str::to_owned).collect::<Vec<_>>()
    };
    let all = table(&[servers_of("-t 10.9.0.100:80", 1), servers_of("-t 10.9.0.100:81", 1)]);
    stage.expect("start", &all.iter().map(String::as_str).collect::<Vec<_>>());
    let before = settings();
    stage.send("10.9.0.100:53", 20);
    eventually("both got half of the datagrams", SLOW, || echoes.iter().all(|echo| echo.asked() == 10));
    let mut removed = stage.connect("10.9.0.100:80");
    let mut inhibited = stage.connect("10.9.0.100:81");
    assert!(answers(&mut removed) && answers(&mut inhibited));
    checked.iter_mut().for_each(super::stub::Stub::off);
    let down = table(&[servers_of("-t 10.9.0.100:81", 0)]);
    stage.expect("both servers fail", &down.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(answers(&mut inhibited), "a session goes on at a server of weight 0");
    assert!(!answers(&mut removed), "a session ends with its entry");
    assert_eq!(settings(), before);
    daemon.stop();
    stage.expect("stop", &[]);
}

/// What the kernel counts is what monitoring reads of virtual servers and of real servers, by the names and labels of the
/// exporter in use (field case 74).
pub(crate) fn counted(stage: &Stage) {
    let servers = ["10.9.0.11", "10.9.0.12"];
    let _servers = servers.map(|at| stage.stub(&format!("{at}:80"), Speaks::Session));
    let _checked = servers.map(|at| stage.stub(&format!("{at}:9000"), Speaks::Session));
    stage.director.shell("ip link set lo up");
    let globals = "global_defs {\n control_http 9165\n snmp_vs_stats_update_interval 1\n}\n";
    let daemon = stage.start(&format!("{globals}{}", service(80, "")));
    let entries = servers.map(|at| format!("-a -t 10.9.0.100:80 -r {at}:80 -m -w 1"));
    stage.expect("start", &["-A -t 10.9.0.100:80 -s rr", &entries[0], &entries[1]]);
    let mut sessions: Vec<_> = (0..3).map(|_| stage.connect("10.9.0.100:80")).collect();
    assert!(sessions.iter_mut().all(answers));
    let mut last = String::new();
    let same = || {
        let wanted = samples(&stage.ipvsadm(&["-Ln", "--stats", "--exact"]));
        last = stage.director.shell(
            "exec 3<>/dev/tcp/127.0.0.1/9165
            printf 'GET /metrics HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3",
        );
        assert_eq!(wanted.len(), 15, "{wanted:?}");
        let some =
            wanted.iter().any(|line| line.starts_with("keepalived_lvs_vip_conn{") && line.ends_with(" 3"));
        some && wanted.iter().all(|wanted| last.lines().any(|line| line == wanted))
    };
    assert!(crate::kit::bounds::holds_within(SLOW, same), "{last}");
    let active =
        "keepalived_lvs_rs_active_connections{vip=\"10.9.0.100:80\",addr=\"10.9.0.11:80\",proto=\"6\"}";
    assert!(last.contains(active), "{last}");
    daemon.stop();
    stage.expect("stop", &[]);
}

/// The samples that follow from what ipvsadm counts.
fn samples(counted: &[String]) -> Vec<String> {
    let vip = "10.9.0.100:80";
    let rows = counted.iter().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind, at, numbers @ ..] = &words[..] else { return None };
        let labels = match *kind {
            "TCP" => ("vip", format!("addr=\"{at}\"")),
            "->" if numbers.len() == 5 => ("rs", format!("vip=\"{vip}\",addr=\"{at}\"")),
            _ => return None,
        };
        Some((labels, numbers.iter().map(|number| (*number).to_owned()).collect::<Vec<_>>()))
    });
    let names = ["conn", "in_packets", "out_packets", "in_bytes", "out_bytes"];
    rows.flat_map(|((kind, labels), numbers)| {
        let of = move |(name, number): (&str, String)| {
            format!("keepalived_lvs_{kind}_{name}{{{labels},proto=\"6\"}} {number}")
        };
        names.into_iter().zip(numbers).map(of).collect::<Vec<_>>()
    })
    .collect()
}
