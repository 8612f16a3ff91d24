//! Alert mail: to a real server, as keepalived writes it, and to servers that are not as they should be.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, LINK, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program};
use crate::kit::decode::Event;
use crate::kit::net::{Net, spacings};
use crate::kit::node::Node;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

/// A real server (Debian's aiosmtpd), which writes each message down: envelope, a line, headers and text.
const SERVER: &str = r#"
import sys, time
from aiosmtpd.controller import Controller
class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        text = envelope.original_content.decode().replace("\r\n", "\n")
        with open("/run/mails", "a") as out:
            out.write(f"{session.host_name} {envelope.mail_from} {','.join(envelope.rcpt_tos)}\n{text}\n=====\n")
        return "250 OK"
Controller(Handler(), hostname=sys.argv[1], port=int(sys.argv[2])).start()
time.sleep(1000)
"#;

/// A server that misbehaves in as many ways as there are, one after the other, as the seed has it; then it goes.
const ROGUE: &str = r#"
import random, socket, sys, time
draw = random.Random(int(sys.argv[1]))
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 25))
listener.listen(5)
replies = [b"220 hello\r\n", b"250 ok\r\n", b"250 ok\r\n", b"250-ok\r\n250 ok\r\n", b"354 go\r\n"]
way = sys.argv[2]
connection, _ = listener.accept()
listener.close()
said = draw.randrange(len(replies))
for reply in replies[:said]:
    connection.sendall(reply)
    time.sleep(0.02)
    connection.recv(1000)
open("/run/rogue", "w").write(way)
if way == "hangs":
    time.sleep(1.5)
elif way == "garbage":
    connection.sendall(draw.randbytes(draw.randrange(1, 3000)).replace(b"\n", b"x") + b"\r\n")
    time.sleep(0.2)
elif way == "endless":
    try:
        for _ in range(10000):
            connection.sendall(b"2" * 1000)
    except OSError:
        pass
elif way == "later":
    connection.sendall(b"451 later\r\n")
    time.sleep(0.2)
elif way == "resets":
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
connection.close()
"#;

pub(crate) fn serve(node: &Node, host: &str, port: u16) {
    node.write("/run/server.py", SERVER);
    node.shell(&format!("/usr/bin/python3 /run/server.py {host} {port} >/run/server.log 2>&1 &"));
    eventually("the server listens", Duration::from_secs(10), || {
        !node.shell(&format!("ss -Hltn 'sport = :{port}'")).trim().is_empty()
    });
}

fn mails(node: &Node) -> Vec<String> {
    node.read("/run/mails").split("=====\n").filter(|mail| !mail.is_empty()).map(str::to_owned).collect()
}

pub(crate) fn subjects(node: &Node) -> Vec<String> {
    let of = |mail: String| mail.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned));
    mails(node).into_iter().filter_map(of).collect()
}

pub(crate) fn arrive(node: &Node, count: usize, within: Duration) {
    eventually(&format!("{count} mails"), within, || mails(node).len() >= count);
    assert_eq!(mails(node).len(), count, "{:?}", subjects(node));
}

fn conf() -> Instance {
    Instance::default()
        .global("notification_email {\n a@x.org\n b@x.org\n }")
        .global("notification_email_from ka@me.org")
        .global("smtp_server 127.0.0.1")
        .global("smtp_connect_timeout 1")
        .line("smtp_alert")
}

/// The mail of one daemon about the same events, with what differs by nature made alike.
fn mail_of(program: Program) -> BTreeSet<String> {
    let net = Net::without_referee();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    net.plug(&a, "eth1", &["10.9.2.1/24"]);
    serve(&a, "127.0.0.1", 25);
    let instance = |name: &str, interface: &str, id: u8, more: &str| {
        format!(
            "vrrp_instance {name} {{\n interface {interface}\n virtual_router_id {id}\n priority 100\n version 3\n \
             advert_int 0.1\n {more}\n virtual_ipaddress {{\n 10.9.{id}.100\n }}\n}}\n"
        )
    };
    let text = format!(
        "global_defs {{\n router_id R1\n notification_email {{\n a@x.org\n b@x.org\n }}\n notification_email_from \
         ka@me.org\n smtp_server 127.0.0.1\n smtp_helo_name hello.lab\n}}\n\
         vrrp_sync_group G {{\n group {{\n A\n B\n }}\n smtp_alert\n}}\n{}{}{}",
        instance("A", "eth0", 1, "smtp_alert"),
        instance("B", "eth1", 2, "smtp_alert false"),
        instance("C", "eth0", 3, ""),
    );
    let daemon = Daemon::start(&a, program, &text);
    // Backup and master, of the group and of A.
    arrive(&a, 4, Duration::from_secs(6));
    a.shell("ip link set eth1 down");
    arrive(&a, 6, Duration::from_secs(6));
    daemon.stop();
    mails(&a)
        .iter()
        .map(|mail| {
            let lines = mail.replace(",\n ", ", ");
            let date = lines.lines().find(|line| line.starts_with("Date: ")).expect("a date");
            assert!(
                date.ends_with("+0000") && date.len() == "Date: Sat, 21 Nov 2026 20:57:03 +0000".len(),
                "{date}"
            );
            lines.replace(date, "Date")
        })
        .collect()
}

#[test]
fn mail_is_that_of_keepalived() {
    let ours = mail_of(US);
    assert_eq!(ours, mail_of(Program::Reference));
    assert_eq!(ours.len(), 6);
    let wanted = "hello.lab ka@me.org a@x.org,b@x.org\nDate\nFrom: ka@me.org\nSubject: [R1] VRRP Group G - Entering \
                  FAULT state\nX-Mailer: Keepalived\nTo: a@x.org, b@x.org\n\n=> All VRRP group instances are now in \
                  FAULT state <=\n\n\n";
    assert!(ours.contains(wanted), "{ours:#?}");
}

#[test]
fn mail_in_steady_state_costs_no_memory_and_names_are_looked_up_aside() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    serve(&a, "::1", 2525);
    a.write("/etc/hosts", "127.0.0.1 localhost\n");
    let conf = conf().global("smtp_server relay.lab 2525").global("no_email_faults");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    // Nobody knows the name yet.
    daemon.wait_log("trying again in 5 s", Duration::from_secs(4));
    a.write("/etc/hosts", "::1 relay.lab\n");
    arrive(&a, 2, Duration::from_secs(8));
    let before = daemon.stats().allocations();
    for round in 1..=3 {
        a.shell("ip link set eth0 down");
        eventually("FAULT", ALLOWANCE, || daemon.logged("Entering FAULT STATE") == round);
        a.shell("ip link set eth0 up");
        arrive(&a, 2 + 2 * round, Duration::from_secs(4));
    }
    assert_eq!(daemon.stats().allocations(), before);
    assert!(subjects(&a).iter().all(|subject| !subject.contains("FAULT")));
    daemon.wait_log("Remote SMTP server [::1]:2525 connected.", ALLOWANCE);
    eventually("the server's last words are heard", ALLOWANCE, || {
        daemon.logged("SMTP alert successfully sent.") == 8
    });
    daemon.stop();
    assert_eq!(mails(&a).len(), 8, "a stop is not mailed");
}

#[test]
fn a_refused_recipient_does_not_keep_the_others_from_their_mail() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    serve(&a, "127.0.0.1", 25);
    let conf = conf().global("notification_email {\n nobody@x.org\n <c@x.org>\n }");
    let daemon = Daemon::start(&a, US, &conf.text());
    arrive(&a, 2, Duration::from_secs(6));
    assert!(
        mails(&a).iter().all(|mail| mail.starts_with("a ka@me.org a@x.org,b@x.org,c@x.org\n")),
        "{:?}",
        mails(&a)
    );
    daemon.wait_log(
        "Error processing RCPT cmd on SMTP server [127.0.0.1]:25. SMTP status code = 550",
        ALLOWANCE,
    );
    daemon.stop();
}

#[test]
fn a_server_that_refuses_is_tried_again_and_adverts_go_on() {
    fail_once("refuses");
}

#[test]
fn a_server_that_hangs_is_tried_again_and_adverts_go_on() {
    fail_once("hangs");
}

#[test]
fn a_server_that_closes_is_tried_again_and_adverts_go_on() {
    fail_once("closes");
}

#[test]
fn a_server_that_answers_garbage_is_tried_again_and_adverts_go_on() {
    fail_once("garbage");
}

#[test]
fn a_server_that_never_ends_its_line_is_tried_again_and_adverts_go_on() {
    fail_once("endless");
}

#[test]
fn a_server_that_puts_off_is_tried_again_and_adverts_go_on() {
    fail_once("later");
}

#[test]
fn a_server_that_resets_is_tried_again_and_adverts_go_on() {
    fail_once("resets");
}

fn fail_once(way: &str) {
    let net = Net::new();
    let node = &net.node("a", "eth0", &["10.9.0.1/24"]);
    node.write("/run/rogue.py", ROGUE);
    let rogue = way != "refuses";
    if rogue {
        let seed = std::process::id();
        eprintln!("{way}: seed {seed}");
        node.shell(&format!("/usr/bin/python3 /run/rogue.py {seed} {way} >/run/rogue.log 2>&1 &"));
        eventually("the rogue listens", Duration::from_secs(10), || {
            !node.shell("ss -Hltn 'sport = :25'").trim().is_empty()
        });
    }
    let daemon = Daemon::start(node, US, &conf().text());
    let first = net.wait_master(node.name(), daemon.since(), START + TIMING.master_down(100));
    daemon.wait_log("SMTP alert not sent - trying again in 5 s", Duration::from_secs(6));
    if rogue {
        eventually("it has failed", Duration::from_secs(3), || node.exists("/run/rogue"));
    }
    serve(node, "127.0.0.1", 25);
    arrive(node, 2, Duration::from_secs(9));
    let wanted = [
        "[lab] VRRP Instance VI_1 - Entering BACKUP state",
        "[lab] VRRP Instance VI_1 - Entering MASTER state",
    ];
    assert_eq!(subjects(node), wanted, "{way}");
    assert_eq!(daemon.stats().allocations(), 0, "{way}");
    let adverts = net.adverts(first.at, node.name());
    let late = spacings(&adverts).into_iter().max().unwrap_or_default();
    assert!(late < TIMING.interval + ALLOWANCE && adverts.len() > 40, "{way}: {late:?}");
    daemon.stop();
}

#[test]
fn what_waits_survives_a_reload_and_is_told_of_at_the_stop() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    daemon.wait_log("trying again in 5 s", Duration::from_secs(2));
    serve(&a, "127.0.0.1", 2526);
    daemon.reload(&conf().global("smtp_server 127.0.0.1 2526").text());
    arrive(&a, 2, Duration::from_secs(4));
    daemon.reload(&conf().global("smtp_server 127.0.0.1 2527").text());
    a.shell("ip link set eth0 down");
    eventually("refused there", Duration::from_secs(2), || {
        daemon.log().contains("SMTP server [127.0.0.1]:2527: Connection refused")
            && daemon.logged("trying again in 5 s") >= 2
    });
    // Not before: an advert of the time before the link went is not the one that is waited for.
    let begin = now();
    a.shell("ip link set eth0 up");
    net.wait_master("a", begin, LINK + TIMING.master_down(100));
    let log = a.path("/run/lab/daemon.log");
    daemon.stop();
    let log = std::fs::read_to_string(log).expect("the log");
    assert!(log.contains("3 SMTP alerts were not sent to [127.0.0.1]:2527"), "{log}");
}

#[test]
fn a_server_that_does_not_answer_at_all_is_not_waited_for() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &conf().global("smtp_server 10.9.0.250").text());
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    daemon.wait_log("Timeout connecting to SMTP server [10.9.0.250]:25.", Duration::from_secs(2));
    daemon.wait_log("trying again in 5 s", ALLOWANCE);
    let late = spacings(&net.adverts(first.at, "a")).into_iter().max().unwrap_or_default();
    assert!(late < TIMING.interval + ALLOWANCE, "{late:?}");
    daemon.stop();
}

/// Many routers on one link, which goes and comes back: every line and every mail arrives, in order, and adverts
/// leave on time meanwhile.
#[test]
fn many_tell_at_once() {
    const MANY: usize = 200;
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    serve(&a, "127.0.0.1", 25);
    a.shell(
        "(until [ -p /run/fifo ]; do sleep 0.01; done; exec cat /run/fifo > /run/lines) >/dev/null 2>&1 &",
    );
    let (head, _) = conf()
        .global("notify_fifo /run/fifo")
        .text()
        .split_once("vrrp_instance")
        .map_or_else(|| panic!("an instance"), |(head, tail)| (head.to_owned(), tail.to_owned()));
    let mut text = head;
    for number in 1..=MANY {
        text += &format!(
            "vrrp_instance I{number} {{\n interface eth0\n virtual_router_id {number}\n priority 100\n version 3\n \
             advert_int 0.5\n smtp_alert\n virtual_ipaddress {{\n 10.9.1.{number}\n }}\n}}\n"
        );
    }
    let daemon = Daemon::start(&a, US, &text);
    let count = |word: &str| {
        let ending = format!(" {word} 100");
        a.read("/run/lines").lines().filter(|line| line.ends_with(&ending)).count()
    };
    eventually("all are master", Duration::from_secs(10), || count("MASTER") == MANY);
    let begin = now();
    arrive(&a, 2 * MANY, Duration::from_secs(60));
    std::thread::sleep(Duration::from_millis(1_100));
    let before = daemon.stats().allocations();
    a.shell("ip link set eth0 down");
    eventually("all are in fault", Duration::from_secs(5), || count("FAULT") == MANY);
    let adverts = net.adverts(begin, "a");
    a.shell("ip link set eth0 up");
    eventually("all are master again", Duration::from_secs(10), || count("MASTER") == 2 * MANY);
    arrive(&a, 5 * MANY, Duration::from_secs(60));
    assert_eq!(daemon.stats().allocations(), before);
    let subjects = subjects(&a);
    for number in 1..=MANY {
        let mark = format!(" I{number} - ");
        let words: Vec<&str> = subjects
            .iter()
            .filter(|subject| subject.contains(&mark))
            .filter_map(|subject| subject.split(' ').nth_back(1))
            .collect();
        assert_eq!(words, ["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER"], "{mark}");
    }
    for number in 1..=MANY {
        let own = |event: &&Event| event.advert().is_some_and(|advert| usize::from(advert.vrid) == number);
        let own: Vec<Event> = adverts.iter().filter(own).cloned().collect();
        let late = spacings(&own).into_iter().max();
        let most = Duration::from_millis(500) + ALLOWANCE;
        assert!(
            late.is_some_and(|late| late < most),
            "the adverts of {number} did not wait for mail: {late:?}"
        );
    }
    daemon.stop();
}
