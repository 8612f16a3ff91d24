//! The first story: what happens to the servers of a service, from its start to its end.

use std::time::Duration;

use super::stage::Stage;
use super::stub::Speaks;

/// Three services; the weight of the first server, and whether there is a mail service, change by reload.
fn conf(weight: u32, mail: bool) -> String {
    let mail = if mail {
        "virtual_server 10.9.0.101 25 {
            delay_loop 1
            lvs_sched rr
            lvs_method DR
            protocol TCP
            real_server 10.9.0.14 25 {
                SMTP_CHECK {
                    connect_timeout 2
                    retry 1
                    delay_before_retry 1
                }
            }
        }"
    } else {
        ""
    };
    format!(
        "virtual_server 10.9.0.100 80 {{
            delay_loop 1
            lvs_sched wrr
            lvs_method NAT
            protocol TCP
            quorum 2
            sorry_server 10.9.0.19 80
            real_server 10.9.0.11 80 {{
                weight {weight}
                TCP_CHECK {{
                    connect_timeout 2
                    retry 1
                    delay_before_retry 1
                }}
            }}
            real_server 10.9.0.12 80 {{
                weight 1
                HTTP_GET {{
                    url {{
                        path /
                        status_code 200
                    }}
                    connect_timeout 3
                    retry 3
                    delay_before_retry 1
                }}
            }}
            real_server 10.9.0.13 80 {{
                weight 2
                inhibit_on_failure
                TCP_CHECK {{
                    connect_timeout 2
                    retry 1
                    delay_before_retry 1
                }}
            }}
        }}
        {mail}
        virtual_server 10.9.0.102 53 {{
            delay_loop 1
            lvs_sched rr
            lvs_method TUN
            ops
            protocol UDP
            real_server 10.9.0.15 53 {{
                DNS_CHECK {{
                    connect_timeout 1
                    retry 1
                    delay_before_retry 1
                    name example.test
                    type A
                }}
            }}
            real_server 10.9.0.16 53 {{
                UDP_CHECK {{
                    connect_timeout 1
                    retry 1
                    delay_before_retry 1
                }}
            }}
        }}
        "
    )
}

const WEB: &str = "-A -t 10.9.0.100:80 -s wrr";
const MAIL: &str = "-A -t 10.9.0.101:25 -s rr";
const NAMES: &str = "-A -u 10.9.0.102:53 -s rr -o";
const SMTP: &str = "-a -t 10.9.0.101:25 -r 10.9.0.14:25 -g -w 1";
const DNS: &str = "-a -u 10.9.0.102:53 -r 10.9.0.15:53 -i -w 1 --tun-type ipip";
const UDP: &str = "-a -u 10.9.0.102:53 -r 10.9.0.16:53 -i -w 1 --tun-type ipip";
const ONE: &str = "-a -t 10.9.0.100:80 -r 10.9.0.11:80 -m -w 1";
const TWO: &str = "-a -t 10.9.0.100:80 -r 10.9.0.12:80 -m -w 1";
const THREE: &str = "-a -t 10.9.0.100:80 -r 10.9.0.13:80 -m -w 2";
const THREE_INHIBITED: &str = "-a -t 10.9.0.100:80 -r 10.9.0.13:80 -m -w 0";
const SORRY: &str = "-a -t 10.9.0.100:80 -r 10.9.0.19:80 -m -w 1";
const A_WHILE: Duration = Duration::from_secs(3);
/// What does not change in most steps.
const OTHERS: [&str; 6] = [WEB, MAIL, NAMES, SMTP, DNS, UDP];

/// The services, and these servers of the first one.
fn with(servers: &[&'static str]) -> Vec<&'static str> {
    OTHERS.iter().chain(servers).copied().collect()
}

/// Start, a server down and up, a flap, quorum lost and regained, an inhibited server, other checks, a weight and a service
/// changed by reload, stop.
pub(crate) fn life(stage: &Stage) {
    let web = |addr: &str| stage.stub(&format!("{addr}:80"), Speaks::Http(200));
    let [mut one, mut two, mut three, _sorry] = ["10.9.0.11", "10.9.0.12", "10.9.0.13", "10.9.0.19"].map(web);
    let mut smtp = stage.stub("10.9.0.14:25", Speaks::Smtp);
    let mut dns = stage.stub("10.9.0.15:53", Speaks::Dns(0));
    let mut udp = stage.stub("10.9.0.16:53", Speaks::Echo);
    let daemon = stage.start(&conf(1, true));
    let all = with(&[ONE, TWO, THREE]);
    stage.expect("start", &all);
    stage.steady("all checks succeed", A_WHILE, &all);
    stage.answers("10.9.0.100:80", &["10.9.0.11", "10.9.0.12", "10.9.0.13"]);

    one.off();
    stage.expect("a server is down", &with(&[TWO, THREE]));
    one.on();
    stage.expect("it is up", &all);

    two.off();
    std::thread::sleep(Duration::from_millis(1_200));
    two.on();
    stage.steady("a failure shorter than its retries", A_WHILE, &all);

    two.speak(Speaks::Http(503));
    stage.expect("a server says 503", &with(&[ONE, THREE]));
    three.off();
    stage.expect("an inhibited server is down, and with it the quorum", &with(&[SORRY, THREE_INHIBITED]));
    stage.answers("10.9.0.100:80", &["10.9.0.19"]);
    two.speak(Speaks::Http(200));
    stage.expect("quorum is regained", &with(&[ONE, TWO, THREE_INHIBITED]));
    three.on();
    stage.expect("everything is up", &all);

    smtp.off();
    dns.speak(Speaks::Dns(2));
    udp.off();
    stage.expect("others are down", &[WEB, ONE, TWO, THREE, MAIL, NAMES]);
    smtp.on();
    dns.speak(Speaks::Dns(0));
    udp.on();
    stage.expect("others are up", &all);

    let heavy = ONE.replace("-w 1", "-w 3");
    let of_heavy = |servers: &[&str]| {
        let heavy = [&heavy[..]];
        [&heavy[..], &[WEB, NAMES, TWO, THREE, DNS, UDP], servers].concat().join("\n")
    };
    stage.reload(&daemon, &conf(3, true));
    stage.expect("a weight is changed by reload", &of_heavy(&[MAIL, SMTP]).lines().collect::<Vec<_>>());
    stage.reload(&daemon, &conf(3, false));
    stage.expect("a service is removed by reload", &of_heavy(&[]).lines().collect::<Vec<_>>());
    stage.reload(&daemon, &conf(1, true));
    stage.expect("a service is added by reload", &all);
    daemon.stop();
    assert_eq!(stage.table(), [""; 0], "after the stop");
}
