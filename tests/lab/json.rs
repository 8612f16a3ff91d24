//! JSON status: parsed by another program, compared with Debian's keepalived, and written where nobody can misuse it.

use std::fmt::Write;

use nix::sys::signal::Signal;

use crate::kit::bounds::{START, eventually};
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::Node;

/// SIGRTMIN+2, as `--signum=JSON` says.
const JSON: i32 = 36;
const PLACE: &str = "/tmp/keepalived.json";

/// The file at a place, written freshly, after python has found it to be JSON.
fn json(node: &Node, daemon: &Daemon<'_>, place: &str) -> String {
    node.remove(place);
    daemon.signal_number(JSON);
    let text = daemon.dump(place);
    node.shell(&format!("python3 -m json.tool {place} >/dev/null"));
    text
}

/// A monitor that uses another C library than the daemon, or has the number by heart, sends 37 (musl) or 36 (glibc).
#[test]
fn the_numbers_of_both_c_libraries_ask_for_it() {
    if is_reference("it knows its own alone") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, Program::UnderTest, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + START);
    for number in [36, 37] {
        a.remove(PLACE);
        daemon.signal_number(number);
        assert!(daemon.dump(PLACE).contains("VI_1"), "{number}");
    }
    daemon.stop();
}

/// The keys of every object in their order, and the types of the values of numbers and truths, told by python.
fn shape(node: &Node, place: &str) -> Vec<String> {
    let program = "import json,sys
for instance in json.load(open(sys.argv[1])):
    for part,values in instance.items():
        for key,value in values.items():
            if not key.startswith('auth_ext_') and key!='track_process':
                print(instance['data']['iname'],part,key,type(value).__name__.replace('float','number').replace('int','number'))
";
    node.write("/run/lab/shape.py", program);
    node.shell(&format!("python3 /run/lab/shape.py {place}")).lines().map(str::to_owned).collect()
}

/// Everything that has a key of its own; what 2.2.7 does not know is left out.
const EVERYTHING: &str = "global_defs {
 script_user root
 enable_script_security
 vrrp_higher_prio_send_advert
 dynamic_interfaces
}
vrrp_script S1 {
 script \"/bin/true 'a b' c\"
 interval 1
}
vrrp_instance VI_1 {
 interface eth0
 virtual_router_id 51
 priority 150
 authentication {
  auth_type PASS
  auth_pass secret
 }
 garp_master_refresh 30
 virtual_ipaddress {
  10.9.0.100/24
  10.9.0.101 label eth0:v
  10.9.0.102/24 brd + scope link no_track
  10.9.0.103 peer 10.9.0.104
 }
 virtual_ipaddress_excluded {
  10.9.0.150/24
  fd09::150/64 home -nodad
  fd09::151/128 preferred_lft 33
 }
 virtual_routes {
  10.77.0.0/24 via 10.9.0.3 dev eth0
 }
 virtual_rules {
  from 10.77.0.0/24 table 100 priority 500
 }
 track_interface {
  eth1 weight 5
 }
 track_script {
  S1 weight 2
 }
 notify_backup \"/usr/bin/true b\"
 notify_master \"/usr/bin/true 'a /\"
 notify_fault \"/usr/bin/true c\"
 notify_stop \"/usr/bin/true d\"
 notify_deleted \"/usr/bin/true g\"
 notify \"/usr/bin/true e\"
 notify_master_rx_lower_pri \"/usr/bin/true f\"
 promote_secondaries
}
vrrp_instance VI_2 {
 interface eth0
 use_vmac vrrp.52
 version 3
 virtual_router_id 52
 advert_int 0.33
 nopreempt
 no_accept
 dont_track_primary
 skip_check_adv_addr
 virtual_ipaddress {
  10.9.0.120/24
 }
}
vrrp_instance VI_3 {
 interface eth7
 virtual_router_id 56
 priority 255
 virtual_ipaddress {
  10.9.0.160/24
 }
}
";

/// Values that must be the same, keepalived's forms of addresses, routes and rules among them.
const SAME: &str = "import json,sys
a,b=[{i['data']['iname']:i['data'] for i in json.load(open(f))} for f in sys.argv[1:]]
for name,data in a.items():
    for key,value in data.items():
        if key in ('last_transition','auth_data'): continue
        other=b[name].get(key)
        # 2.4.3 leaves out its own mark of a route.
        if key=='vroutes': value=[line.replace(' proto 18','') for line in value]
        if value!=other: print(name,key,value,b[name].get(key))
";

#[test]
fn keys_and_values_are_those_of_keepalived() {
    if is_reference("it is compared with itself") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    net.plug(&a, "eth1", &["10.9.1.1/24"]);
    let conf = EVERYTHING.replace("'a /", "'a /'");
    let masters = |daemon: &Daemon<'_>| {
        eventually("both are master", START * 2, || {
            ["VI_1", "VI_2"].iter().all(|name| daemon.logged(&format!("({name}) Entering MASTER STATE")) > 0)
        });
    };
    let reference = Daemon::start(&a, Program::Reference, &conf);
    masters(&reference);
    json(&a, &reference, PLACE);
    a.shell(&format!("mv {PLACE} /tmp/reference.json"));
    reference.stop();

    let ours = Daemon::start(&a, Program::UnderTest, &conf);
    masters(&ours);
    let text = json(&a, &ours, PLACE);
    assert_eq!(text.lines().count(), 1);
    assert!(text.ends_with("]\n"));
    assert!(!text.contains("secret"));
    assert_eq!(shape(&a, PLACE), shape(&a, "/tmp/reference.json"));
    a.write("/run/lab/same.py", SAME);
    assert_eq!(a.shell(&format!("python3 /run/lab/same.py /tmp/reference.json {PLACE}")), "");
    assert_eq!(ours.stop().1, Some(0));
}

#[test]
fn any_name_and_any_configuration_gives_json() {
    if is_reference("it writes names as they are") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = |globals: &str, process: &str| {
        format!(
            "global_defs {{\n script_user root\n{globals} }}\n\
             vrrp_track_process p1 {{\n process nosuchprogram\n weight 5\n}}\n\
             vrrp_instance V'\\\u{1}\u{7f}/ü{{\n interface eth0\n version 3\n virtual_router_id 51\n advert_int 0.1\n\
             virtual_ipaddress {{\n 10.9.0.100/24\n }}\n{process} notify \"/bin/true 'a\\tb' \\xff\\x01\\\\\"\n}}\n"
        )
    };
    let daemon = Daemon::start(&a, Program::UnderTest, &conf("", ""));
    daemon.wait_log("Entering MASTER STATE", START);
    // Somebody else's link at the place is replaced, and where it leads to is not touched.
    a.write("/tmp/victim", "untouched");
    a.shell(&format!("ln -s /tmp/victim {PLACE}"));
    let before = daemon.stats().allocations();
    daemon.signal_number(JSON);
    eventually("the link is replaced", START, || a.try_shell(&format!("test ! -L {PLACE}")).status.success());
    assert_eq!(a.read("/tmp/victim"), "untouched");
    assert_eq!(a.shell(&format!("stat -c %a {PLACE}")).trim(), "600");
    let text = json(&a, &daemon, PLACE);
    assert!(text.starts_with("[{\"data\":{\"iname\":\"V'\\\\\\u0001\u{7f}\\/ü\","), "{text}");
    assert!(text.contains("\"script\":\"'\\/usr\\/bin\\/true' 'a\\tb' '\u{fffd}\\u0001\\\\'\""), "{text}");
    assert_eq!(daemon.stats().allocations(), before, "written without the heap");
    assert!(!daemon.log().contains("JSON"), "keepalived says nothing of it");

    // Version 2 in a file of its own, after a reload.
    let two = conf(" json_version 2\n json_dump_file /run/lab/two.json\n", " track_process {\n p1\n }\n");
    daemon.reload(&two);
    let text = json(&a, &daemon, "/run/lab/two.json");
    assert!(text.starts_with("{\"vrrp\":[{\"data\":{\"iname\":"), "{text}");
    assert!(text.contains("\"track_process\":[\"p1\"]"), "{text}");
    assert!(
        text.ends_with(
            "],\"track_process\":[{\"process\":\"p1\",\"param_match\":\"none\",\"min_processes\":1,\
             \"current_processes\":0,\"have_quorum\":false,\"weight\":5,\"terminate_delay\":0,\"fork_delay\":0,\
             \"fork_delay_timer_running\":false,\"terminate_delay_timer_running\":false,\"full_command\":false}]}\n"
        ),
        "{text}"
    );
    // A folder that is not there is told, and nothing else happens.
    daemon.reload(&two.replace("/run/lab/two", "/nowhere/two"));
    daemon.signal_number(JSON);
    daemon.wait_log("let json_dump_file name another place", START);
    assert_eq!(daemon.stop().1, Some(0));
}

/// Asked for everything again and again, instances go on sending: slices are short, and what is asked for while a file
/// is under way waits for its end instead of being finished at once.
#[test]
fn what_is_asked_again_and_again_is_written_in_slices() {
    if is_reference("it writes everything at once") {
        return;
    }
    const INSTANCES: usize = 1_000;
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/16"]);
    let mut conf = String::from("global_defs {\n vrrp_garp_master_repeat 1\n vrrp_garp_master_delay 0\n}\n");
    for number in 0..INSTANCES {
        let (interface, vrid) = (number / 250, number % 250 + 1);
        let interval = if number == 0 { "0.02" } else { "40" };
        write!(
            conf,
            "vrrp_instance VI_{number} {{\n interface eth{interface}\n version 3\n advert_int {interval}\n \
             virtual_router_id {vrid}\n virtual_ipaddress {{\n 10.9.{}.{vrid}\n }}\n}}\n",
            interface + 1
        )
        .expect("a string takes everything");
    }
    for interface in 1..4 {
        net.plug(&a, &format!("eth{interface}"), &[&format!("10.{interface}.0.1/16")]);
    }
    let daemon = Daemon::start(&a, Program::UnderTest, &conf);
    daemon.wait_log("(VI_0) Entering MASTER STATE", START);
    eventually("all instances are up", START * 2, || daemon.logged("Entering BACKUP STATE") == INSTANCES);
    let first = daemon.stats();
    for _ in 0..20 {
        daemon.signal_number(JSON);
        daemon.signal(Signal::SIGUSR1);
        daemon.signal(Signal::SIGUSR2);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let text = json(&a, &daemon, PLACE);
    assert_eq!(text.matches("\"iname\":").count(), INSTANCES);
    let second = daemon.stats();
    // How late a turn is on a busy machine says nothing of the slices; how many there are does: 16 instances (a limit of
    // the daemon) take some 70 microseconds.
    let turns = second.number("Process/Loop turns") - first.number("Process/Loop turns");
    let slices = u64::try_from(3 * INSTANCES / 16).expect("a small number");
    assert!(turns >= slices, "{turns} turns for at least {slices} slices");
    assert_eq!(second.allocations(), first.allocations());
    assert_eq!(daemon.stop().1, Some(0));
}
