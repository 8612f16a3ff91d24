//! What genhash prints is what a check wants, and labels are shown as they are.

use std::fmt::Write;

use crate::kit::ask::{answer, text};
use crate::kit::bounds::{START, eventually};
use crate::kit::daemon::{CONF, Launch, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::{Node, UNDER_TEST};

use nix::sys::signal::Signal;

/// A server that answers with the request that it got, but for the name of the program: another request is another page. At
/// 8001 its page ends with the connection, at 8002 with its length, at 8003 in chunks; a hundred ports further over TLS.
const ECHO: &str = "import socket,ssl,threading
context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('/run/lab/cert.pem','/run/lab/key.pem')
def serve(s,port):
    if port>8100: s=context.wrap_socket(s,server_side=True)
    head=b''
    while not head.endswith(b'\\r\\n\\r\\n'):
        octets=s.recv(4096)
        if not octets: return
        head+=octets
    page=b'\\n'.join(line for line in head.split(b'\\r\\n') if not line.startswith(b'User-Agent'))
    way=port%10
    if way==1: s.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\n'+page)
    if way==2: s.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n'%len(page)+page)
    if way==3:
        chunks=b''.join(b'%x\\r\\n%s\\r\\n'%(len(part),part) for part in (page[:7],page[7:]))
        s.sendall(b'HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n'+chunks+b'0\\r\\n\\r\\n')
    # With keep-alive the other side ends it.
    if way>1: s.recv(1)
    elif port>8100: s.unwrap()
    s.close()
def listen(port):
    l=socket.create_server(('::',port),family=socket.AF_INET6,dualstack_ipv6=True)
    while True: threading.Thread(target=serve,args=(l.accept()[0],port),daemon=True).start()
for port in (8001,8002,8003,8101,8102,8103)[1:]: threading.Thread(target=listen,args=(port,),daemon=True).start()
listen(8001)
";

/// The version of a request, and the last digit of the ports whose answers fit it.
const WAYS: [(&str, u16); 4] = [("1.0", 1), ("1.0c", 1), ("1.1", 2), ("1.1", 3)];
const FAMILIES: [(&str, &str); 2] = [("10.9.0.1", "10.9.0.100"), ("fd00::1", "fd00::100")];
const HOSTS: [&str; 2] = ["", "www.example.test"];

/// An expression of python over `c`, the checks; empty: nobody answers.
fn checks(node: &Node, expression: &str) -> String {
    let program = "import json,sys\nc=json.load(sys.stdin)['checker']['checks']\nprint(eval(sys.argv[1]))\n";
    node.write("/run/lab/checks.py", program);
    let line = format!("{UNDER_TEST} --ctl status --json | python3 /run/lab/checks.py \"{expression}\"");
    text(&node.try_shell(&line).stdout).trim().to_owned()
}

/// Field case 76.
#[test]
fn the_digest_that_genhash_prints_is_the_one_that_a_check_with_the_same_options_wants() {
    if is_reference("its check cannot be asked") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24", "fd00::1/64"]);
    a.shell(
        "cd /run/lab && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem \
         -days 3 -subj /CN=www.example.test 2>/dev/null",
    );
    a.write("/run/lab/echo.py", ECHO);
    a.shell("python3 /run/lab/echo.py > /run/lab/echo.log 2>&1 &");
    let listens = || a.shell("ss -Hltn").matches(":8").count() >= 6;
    eventually("the server listens", START, listens);
    let mut conf = String::new();
    let mut count = 0;
    for (server, service) in FAMILIES {
        writeln!(
            conf,
            "virtual_server {service} 80 {{\n delay_loop 1\n lvs_sched rr\n lvs_method NAT\n protocol TCP"
        )
        .unwrap();
        for port in [8001, 8002, 8003, 8101, 8102, 8103] {
            writeln!(conf, " real_server {server} {port} {{").unwrap();
            for (version, _) in WAYS.into_iter().filter(|(_, way)| port % 10 == *way) {
                for host in HOSTS {
                    let tls = if port > 8_100 { "-S" } else { "" };
                    let named = if host.is_empty() { String::new() } else { format!("-V {host}") };
                    let digest = a.shell(&format!(
                        "{UNDER_TEST} --genhash -s {server} -p {port} -u /page -P {version} {named} {tls}"
                    ));
                    let kind = if tls.is_empty() { "HTTP_GET" } else { "SSL_GET" };
                    let host = if host.is_empty() { String::new() } else { format!("virtualhost {host}") };
                    writeln!(
                        conf,
                        "  {kind} {{\n   url {{\n    path /page\n    digest {}\n   }}\n   http_protocol {version}\n   {host}\n   \
                         connect_timeout 5\n   retry 0\n  }}",
                        digest.trim()
                    )
                    .unwrap();
                    count += 1;
                }
            }
            conf += " }\n";
        }
        conf += "}\n";
    }
    a.write(CONF, &conf);
    let daemon = Launch::new(&a, Program::UnderTest).start();
    eventually("each check has run", START * 3, || checks(&a, "all(x['last_run'] for x in c)") == "True");
    assert_eq!(checks(&a, "len(c),[x for x in c if x['last_failure']]"), format!("({count}, [])"));
    assert_eq!(count, 32);
    // The digest is looked at.
    let (before, rest) = conf.split_once("digest ").expect("a digest");
    let rest = rest.split_once('\n').expect("the end of the line").1;
    daemon.reload(&format!("{before}digest 00000000000000000000000000000000\n{rest}"));
    eventually("one fails", START * 3, || {
        checks(&a, "[x['last_failure'] for x in c if not x['up']]").contains("digest")
    });
}

/// Field case 75: a label, and an old file that has one where a virtual host belongs, with no check that would ask for it.
#[test]
fn labels_are_taken_and_shown_as_they_are() {
    if is_reference("its dump is not ours") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write(
        CONF,
        "global_defs {\n script_user root\n}\nvirtual_server 10.9.0.100 80 {\n snmp_name \"Shop front\"\n virtualhost \"Shop (front)\"\n \
         delay_loop 1\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n real_server 10.9.0.1 8081 {\n MISC_CHECK {\n \
         misc_path /bin/true\n }\n }\n}\n",
    );
    let daemon = Launch::new(&a, Program::UnderTest).start();
    eventually("the check has run", START, || {
        checks(&a, "[x['up'] for x in c if x['last_run']]") == "[True]"
    });
    daemon.signal(Signal::SIGUSR1);
    let dump = daemon.dump("/tmp/keepalived_check.data");
    assert!(dump.contains("VirtualHost = Shop (front)"), "{dump}");
    assert!(answer(&a, "config").contains("    snmp_name \"Shop front\"\n"));
    let log = daemon.log();
    assert!(!log.contains("virtualhost") && !log.contains("snmp_name"), "nothing is wrong with it: {log}");
}
