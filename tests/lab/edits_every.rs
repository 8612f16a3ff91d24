//! Every keyword of an instance, added, changed and removed by a reload: a MASTER stays MASTER, and nobody hears that it
//! would not. Only another interface, router id or family makes another router of it.

use std::fmt::Write;
use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;

const TIMING: Timing = Timing::v3(100);

/// What these instances are about ends them, needs what a test machine may not have, or has no effect yet.
const NOT_HERE: [&str; 5] = ["interface", "virtual_router_id", "vrf", "use_ipvlan", "track_bfd"];

const TO_PEER: &str = "unicast_src_ip 10.9.0.1\n unicast_peer {\n 10.9.0.2\n }";
const FAR: &str = "virtual_ipaddress {\n 10.9.1.N/32 dev eth1\n }";
const V2: &str = "version 2\n advert_int 1";
const V6: &str = "virtual_ipaddress {\n fe80::1:N/64\n fd09::1:N/64\n }";

/// What every form begins with, and the two that a reload brings.
type Edit = (&'static str, &'static str, [&'static str; 2]);

/// A keyword, what stands beside it, and what is added to that by the first and by the second reload; the third takes it
/// away.
const EDITS: &[Edit] = &[
    ("accept", "", ["accept", "no_accept"]),
    ("no_accept", "", ["no_accept", ""]),
    ("advert_int", "", ["advert_int 1.5", "advert_int 0.5"]),
    (
        "auth_hmac",
        "",
        [
            "auth_hmac {\n mode permissive\n active_key 1\n key 1 one-key-of-at-least-thirty-two-octets\n }",
            "auth_hmac {\n mode enforce\n active_key 1\n key 1 another-key-of-at-least-thirty-two-octets\n }",
        ],
    ),
    (
        "authentication",
        V2,
        [
            "authentication {\n auth_type PASS\n auth_pass one\n }",
            "authentication {\n auth_type AH\n auth_pass two\n }",
        ],
    ),
    ("check_unicast_src", TO_PEER, ["check_unicast_src", ""]),
    ("debug", "", ["debug 1", "debug 2"]),
    ("dont_track_primary", "", ["dont_track_primary", ""]),
    ("down_timer_adverts", "", ["down_timer_adverts 5", "down_timer_adverts 2"]),
    ("garp_extra_if", FAR, ["garp_extra_if 60", "garp_extra_if all 30"]),
    ("garp_lower_prio_delay", "", ["garp_lower_prio_delay 1", "garp_lower_prio_delay 9"]),
    ("garp_lower_prio_repeat", "", ["garp_lower_prio_repeat 1", "garp_lower_prio_repeat 0"]),
    ("garp_master_delay", "", ["garp_master_delay 1", "garp_master_delay 0"]),
    ("garp_master_refresh", "", ["garp_master_refresh 1", "garp_master_refresh 9"]),
    ("garp_master_refresh_repeat", "garp_master_refresh 1", ["garp_master_refresh_repeat 2", ""]),
    ("garp_master_repeat", "", ["garp_master_repeat 1", "garp_master_repeat 9"]),
    ("higher_prio_send_advert", "", ["higher_prio_send_advert off", "higher_prio_send_advert on"]),
    ("kernel_rx_buf_size", "", ["kernel_rx_buf_size 100000", "kernel_rx_buf_size 200000"]),
    ("linkbeat_use_polling", "", ["linkbeat_use_polling", ""]),
    ("lower_prio_no_advert", "", ["lower_prio_no_advert on", "lower_prio_no_advert off"]),
    ("lvs_sync_daemon_interface", "", ["lvs_sync_daemon_interface eth0", "lvs_sync_daemon_interface eth1"]),
    ("max_learned_interval", "", ["max_learned_interval 5", "max_learned_interval 9"]),
    ("mcast_dst_ip", "", ["mcast_dst_ip 224.0.0.200", "mcast_dst_ip 224.0.0.201"]),
    ("mcast_src_ip", "", ["mcast_src_ip 10.9.0.8", "mcast_src_ip 10.9.0.77"]),
    ("native_ipv6", V6, ["native_ipv6", ""]),
    ("no_virtual_ipaddress", "no_virtual_ipaddress", [FAR, ""]),
    ("nopreempt", "state BACKUP", ["nopreempt", ""]),
    ("preempt", "state BACKUP\n nopreempt", ["preempt", ""]),
    ("preempt_delay", "state BACKUP", ["preempt_delay 3", "preempt_delay 9"]),
    ("notify", "", ["notify /bin/true", "notify \"/bin/true x\""]),
    ("notify_backup", "", ["notify_backup /bin/true", "notify_backup \"/bin/true x\""]),
    ("notify_deleted", "", ["notify_deleted", "notify_deleted /bin/true"]),
    ("notify_fault", "", ["notify_fault /bin/true", "notify_fault \"/bin/true x\""]),
    ("notify_master", "", ["notify_master /bin/true", "notify_master \"/bin/true x\""]),
    (
        "notify_master_rx_lower_pri",
        "",
        ["notify_master_rx_lower_pri /bin/true", "notify_master_rx_lower_pri \"/bin/true x\""],
    ),
    ("notify_priority_changes", "", ["notify_priority_changes on", "notify_priority_changes off"]),
    ("notify_stop", "", ["notify_stop /bin/true", "notify_stop \"/bin/true x\""]),
    ("old_unicast_checksum", TO_PEER, ["old_unicast_checksum", "old_unicast_checksum never"]),
    ("owner_ignore_adverts", "", ["owner_ignore_adverts", ""]),
    ("priority", "", ["priority 255", "priority 50"]),
    ("promote_secondaries", "", ["promote_secondaries", ""]),
    ("skip_check_adv_addr", "", ["skip_check_adv_addr on", "skip_check_adv_addr off"]),
    ("smtp_alert", "", ["smtp_alert on", "smtp_alert off"]),
    ("state", "", ["state MASTER", "state BACKUP"]),
    ("strict_mode", "", ["strict_mode on", "strict_mode off"]),
    ("thread_timer_expired", "state BACKUP\n nopreempt", ["thread_timer_expired", "thread_timer_expired 9"]),
    ("timer_expired_backup", "state BACKUP\n nopreempt", ["timer_expired_backup", "timer_expired_backup 9"]),
    ("track_file", "", ["track_file {\n F weight 1\n }", "track_file {\n F\n }"]),
    ("track_interface", "", ["track_interface {\n eth1\n }", "track_interface {\n eth0 weight 5\n }"]),
    ("track_process", "", ["track_process {\n P weight 1\n }", "track_process {\n P weight 2\n }"]),
    ("track_script", "", ["track_script {\n S\n }", "track_script {\n S weight 2\n }"]),
    ("track_src_ip", "mcast_src_ip 10.9.0.1", ["track_src_ip", ""]),
    ("unicast_fault_no_peer", TO_PEER, ["unicast_fault_no_peer", ""]),
    ("unicast_peer", "", [TO_PEER, "unicast_src_ip 10.9.0.1\n unicast_peer {\n 10.9.0.3\n }"]),
    (
        "unicast_src_ip",
        "unicast_peer {\n 10.9.0.2\n }",
        ["unicast_src_ip 10.9.0.1", "unicast_src_ip 10.9.0.8"],
    ),
    ("unicast_ttl", TO_PEER, ["unicast_ttl 64", "unicast_ttl 255"]),
    ("use_vmac", "", ["use_vmac", "use_vmac mineN"]),
    ("use_vmac", V6, ["use_vmac", "use_vmac mineN"]),
    ("use_vmac_addr", FAR, ["use_vmac_addr", ""]),
    ("v3_checksum_as_v2", "", ["v3_checksum_as_v2 on", "v3_checksum_as_v2 off"]),
    ("version", "advert_int 1", ["version 2", "version 3"]),
    ("virtual_ipaddress", "", [FAR, "virtual_ipaddress {\n 10.9.1.N/24\n 10.9.2.N/32\n }"]),
    (
        "virtual_ipaddress_excluded",
        "",
        [
            "virtual_ipaddress_excluded {\n 10.9.2.N/32\n }",
            "virtual_ipaddress_excluded {\n 10.9.2.N/32 no_track\n fd09::2:N/64\n }",
        ],
    ),
    (
        "virtual_routes",
        "",
        [
            "virtual_routes {\n 10.99.N.0/24 dev eth1\n }",
            "virtual_routes {\n 10.99.N.0/24 dev eth1 metric 7\n }",
        ],
    ),
    (
        "virtual_rules",
        "",
        [
            "virtual_rules {\n from 10.99.N.0/24 table 150 priority 9N\n }",
            "virtual_rules {\n from 10.99.N.0/24 table 151 priority 9N\n }",
        ],
    ),
    ("vmac_garp_intvl", FAR, ["vmac_garp_intvl 60", "vmac_garp_intvl all 30"]),
    ("vmac_xmit_base", "use_vmac", ["vmac_xmit_base", ""]),
    ("vmac_xmit_base", "use_vmac\n virtual_ipaddress {\n fe80::1:N/64\n }", ["vmac_xmit_base", ""]),
];

const GLOBAL: &str = "global_defs {\n router_id lab\n script_user root\n smtp_server 127.0.0.1\n notification_email \
                      {\n root@localhost\n }\n}\ntrack_file F {\n file /run/number\n}\nvrrp_script S {\n script \
                      /bin/true\n interval 1\n}\nvrrp_track_process P {\n process keepalived\n weight 1\n}\n";

/// The queues of the sockets of every child, which a reload sizes anew.
const QUEUES: [&str; 2] = [
    "vrrp_netlink_cmd_rcv_bufs 100000\n vrrp_netlink_monitor_rcv_bufs 200000\n lvs_netlink_cmd_rcv_bufs 100000\n \
     lvs_netlink_monitor_rcv_bufs 200000\n process_monitor_rcv_bufs 100000\n",
    "vrrp_netlink_cmd_rcv_bufs 200000\n vrrp_netlink_cmd_rcv_bufs_force\n vrrp_netlink_monitor_rcv_bufs 100000\n \
     vrrp_netlink_monitor_rcv_bufs_force\n lvs_netlink_cmd_rcv_bufs 200000\n lvs_netlink_cmd_rcv_bufs_force\n \
     lvs_netlink_monitor_rcv_bufs 100000\n lvs_netlink_monitor_rcv_bufs_force\n process_monitor_rcv_bufs 200000\n \
     process_monitor_rcv_bufs_force\n",
];

/// The configuration with the first, the second or no form of each keyword.
fn text(form: Option<usize>) -> String {
    let queues = form.map_or("", |form| QUEUES[form]);
    let mut text = GLOBAL.replace("router_id lab\n", &format!("router_id lab\n {queues}"));
    for (number, (keyword, beside, forms)) in EDITS.iter().enumerate() {
        let form = form.map_or("", |form| forms[form]);
        let has = |line: &str| beside.contains(line) || form.contains(line);
        let number = number + 1;
        let mut lines = format!("interface eth0\n virtual_router_id {number}\n");
        for (word, line) in [
            ("priority ", "priority 100"),
            ("version ", "version 3"),
            ("advert_int ", "advert_int 1"),
            ("virtual_ipaddress {", "virtual_ipaddress {\n 10.9.1.N/32\n }"),
        ] {
            let unwanted = word.starts_with("virtual") && has("no_virtual_ipaddress");
            if !has(word) && !unwanted {
                writeln!(lines, " {line}").unwrap();
            }
        }
        // Of two lists of addresses the later one is added to the first.
        let beside = if form.contains("virtual_ipaddress {") { "" } else { beside };
        let lines = format!("{lines} {beside}\n {form}").replace('N', &number.to_string());
        writeln!(text, "vrrp_instance {keyword}.{number} {{\n {lines}\n}}").unwrap();
    }
    text
}

#[test]
fn no_keyword_was_forgotten() {
    let keywords = include_str!("../goldens/keywords.tsv").lines().filter_map(|line| {
        let mut fields = line.split('\t');
        (fields.next() == Some("vrrp_instance")).then(|| fields.next().expect("a keyword"))
    });
    let known =
        |keyword: &&str| NOT_HERE.contains(keyword) || EDITS.iter().any(|(known, ..)| known == keyword);
    let forgotten: Vec<_> = keywords.filter(|keyword| !known(keyword)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

#[test]
fn a_master_stays_master_whichever_of_its_keywords_a_reload_changes() {
    if is_reference("several of these end an instance there") {
        return;
    }
    // tshark takes what is behind an advert for a part of it.
    let net = Net::without_referee();
    let a = net.node("a", "eth0", &["10.9.0.1/24", "10.9.0.8/24", "fe80::a/64"]);
    net.plug(&a, "eth1", &["10.8.0.1/24"]);
    let _b = net.node("b", "eth0", &["10.9.0.2/24", "10.9.0.3/24"]);
    a.write("/run/number", "0\n");
    let daemon = Daemon::start(&a, Program::UnderTest, &text(None));
    eventually("all are MASTER", START + TIMING.master_down(100) * 2, || {
        daemon.logged("Entering MASTER STATE") == EDITS.len()
    });
    std::thread::sleep(Duration::from_secs(1));
    let entered = daemon.logged("Entering");
    for form in [Some(0), Some(1), None, Some(1), Some(0), None] {
        let since = now();
        daemon.reload(&text(form));
        std::thread::sleep(TIMING.interval * 3 / 2);
        let log = daemon.log();
        let told = |word: &str| {
            log.lines().filter(|line| line.contains(word)).map(str::to_owned).collect::<Vec<_>>()
        };
        let entries = told("Entering");
        assert_eq!(entries.len(), entered, "{form:?}: {:#?}", entries.get(entered..));
        assert_eq!(told("begins anew").len() + told("removed by").len(), 0, "{form:?}");
        net.never("a goodbye", since, Duration::ZERO, |event| event.is_goodbye_of("a"));
        for number in 1..=EDITS.len() {
            net.wait(&format!("an advert of {number}"), since, TIMING.interval * 3 + ALLOWANCE, |event| {
                event.advert().is_some_and(|advert| usize::from(advert.vrid) == number)
            });
        }
    }
    let there = a.shell("ip -o addr show");
    for (position, (keyword, beside, _)) in EDITS.iter().enumerate() {
        let number = position + 1;
        let address = match beside {
            beside if beside.contains("no_virtual") => continue,
            beside if beside.contains("fe80") => format!(" fe80::1:{number}/64 "),
            _ => format!(" 10.9.1.{number}/32 "),
        };
        assert_eq!(there.matches(&address).count(), 1, "{keyword}: {address} {there}");
    }
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
}
