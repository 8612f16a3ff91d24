//! The scripts for OpenWrt: what is registered with procd, the configuration that is made from UCI, hotplug, and the
//! object of ubus.

use std::fs;

use crate::box_shell::{BoxShell, DAEMON, repository, rootfs};

fn stand_in(name: &str) -> String {
    repository().join("tests/rootfs/openwrt").join(name).to_str().unwrap().to_owned()
}

/// Runs a command of the init script with a configuration of UCI.
fn init(shell: &BoxShell, uci: &str, command: &str, running: bool) -> String {
    shell.file("uci/keepalived", uci);
    shell.prints(
        &format!("sh {} {} {command}", stand_in("rc.common"), rootfs("openwrt/etc/init.d/keepalived")),
        &[
            ("UCI", &shell.path("uci")),
            ("DEVICES", "lan=veth0"),
            ("USERS", "root keepalived"),
            ("RUNNING", if running { "true" } else { "false" }),
            ("KEEPALIVED_CONF", &shell.path("keepalived.conf")),
            ("KEEPALIVED_PROG", DAEMON),
            ("KEEPALIVED_GENERATE", &rootfs("openwrt/usr/share/keepalived/generate")),
        ],
    )
}

fn every() -> String {
    fs::read_to_string(stand_in("every.uci")).unwrap()
}

fn registered(shell: &BoxShell) -> String {
    format!(
        "register\ninstance\n\
         param command {DAEMON} --dont-fork --use-file {}\n\
         param respawn 3600 5 5\n\
         param reload_signal HUP\n\
         param limits core=0\n\
         param stdout 1\n\
         param stderr 1\n\
         end\n",
        shell.path("keepalived.conf")
    )
}

#[test]
fn nothing_runs_until_it_is_enabled() {
    let shell = BoxShell::new("disabled");
    let uci = fs::read_to_string(rootfs("openwrt/etc/config/keepalived")).unwrap();
    assert_eq!(init(&shell, &uci, "start", false), "register\n");
    assert!(!shell.exists("keepalived.conf"));
    // A daemon that runs is ended by procd: what is registered has no instance any more.
    assert_eq!(init(&shell, &uci, "reload", true), "register\n");
}

#[test]
fn a_daemon_that_runs_is_told_of_a_new_configuration() {
    let shell = BoxShell::new("registered");
    assert_eq!(init(&shell, &every(), "start", false), registered(&shell));
    let before = shell.read("keepalived.conf");
    let changed = every().replace("option priority '150'", "option priority '151'");
    assert_eq!(init(&shell, &changed, "reload", true), "signal keepalived\n");
    assert_eq!(shell.read("keepalived.conf"), before.replace("priority 150", "priority 151"));
    assert_eq!(init(&shell, &changed, "reload", false), registered(&shell));
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(shell.path("keepalived.conf")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it has passwords");
}

#[test]
fn the_user_of_the_children_is_made_once() {
    let shell = BoxShell::new("user");
    shell.file("uci/keepalived", &every());
    let start = |users: &str| {
        shell.prints(
            &format!("sh {} {} start", stand_in("rc.common"), rootfs("openwrt/etc/init.d/keepalived")),
            &[
                ("UCI", &shell.path("uci")),
                ("USERS", users),
                ("KEEPALIVED_CONF", &shell.path("keepalived.conf")),
                ("KEEPALIVED_PROG", DAEMON),
                ("KEEPALIVED_GENERATE", &rootfs("openwrt/usr/share/keepalived/generate")),
            ],
        )
    };
    let made = registered(&shell)
        .replace("register\n", "register\nuser keepalived::32768:keepalived:/:/bin/false\n");
    assert_eq!(start("root"), made);
    assert_eq!(start("root keepalived"), registered(&shell));
}

#[test]
fn networks_and_the_configuration_trigger_a_reload() {
    let shell = BoxShell::new("triggers");
    assert_eq!(
        init(&shell, &every(), "service_triggers", false),
        "reload trigger keepalived\ninterface trigger interface.* lan /etc/init.d/keepalived reload\n"
    );
}

#[test]
fn another_file_takes_the_place_of_the_rest() {
    let shell = BoxShell::new("alternative");
    let uci = "config globals 'globals'\noption enabled '1'\noption alt_config_file '/etc/keepalived.conf'\n";
    assert_eq!(init(&shell, uci, "start", false), registered(&shell));
    let link = fs::read_link(shell.path("keepalived.conf")).unwrap();
    assert_eq!(link.to_str(), Some("/etc/keepalived.conf"));
    // And back again: the file that the link named is not written.
    let uci = format!(
        "config globals 'globals'\noption enabled '1'\noption alt_config_file '{}'\n",
        shell.file("mine", "mine\n")
    );
    init(&shell, &uci, "reload", true);
    assert_eq!(shell.read("keepalived.conf"), "mine\n");
    init(&shell, &every(), "reload", true);
    assert_eq!(shell.read("mine"), "mine\n");
    assert!(shell.read("keepalived.conf").contains("vrrp_instance LAN"));
}

#[test]
fn every_section_and_option_becomes_a_configuration_without_a_mistake() {
    let shell = BoxShell::new("every");
    init(&shell, &every(), "start", false);
    let golden = stand_in("every.conf");
    let made = shell.read("keepalived.conf");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&golden, &made).unwrap();
    }
    assert_eq!(made, fs::read_to_string(&golden).unwrap_or_default(), "UPDATE=1 writes it anew");
    let output = shell.run(
        &format!(
            "/sbin/ip link add veth0 type veth peer name veth1
            ip addr add 192.0.2.10/24 dev veth0
            {DAEMON} -t -f keepalived.conf"
        ),
        &[],
    );
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_value_of_uci_is_one_line() {
    let shell = BoxShell::new("lines");
    let uci = every().replace("option router_id 'router'", "option router_id 'one\\ntwo'");
    shell.file("uci/keepalived", &uci);
    // The stand-in reads lines, so the newline is set behind it.
    let output = shell.prints(
        &format!(
            "config_get() {{ eval \"$1=\\\"\\$VALUE\\\"\"; }}; config_foreach() {{ :; }}; . {}; options x router_id",
            rootfs("openwrt/usr/share/keepalived/generate")
        ),
        &[("VALUE", "one\n}\nvrrp_instance")],
    );
    assert_eq!(output, "router_id one } vrrp_instance\n");
}

/// Asks the object of ubus in a network with one instance and the priorities of which the configurations `one` and `two`
/// speak.
fn asked(name: &str, global: &str, program: &str, lines: &str) -> (String, BoxShell) {
    let shell = BoxShell::new(name);
    let conf = |priority: u8| {
        format!(
            "global_defs {{\njson_dump_file {}\n{global}\n}}\nvrrp_instance LAN {{\ninterface veth0\nvirtual_router_id 51\n\
             priority {priority}\nvirtual_ipaddress {{\n192.0.2.1/24\n}}\n}}\n",
            shell.path("answer.json")
        )
    };
    shell.file("one", &conf(111));
    shell.file("two", &conf(122));
    shell.file("answer.json", "[stale]");
    let program = if program.is_empty() { DAEMON.to_owned() } else { shell.program("program", program) };
    let output = shell.prints(
        &format!(
            "/sbin/ip link add veth0 type veth peer name veth1
            ip addr add 192.0.2.10/24 dev veth0
            ip link set lo up; ip link set veth0 up; ip link set veth1 up
            event() {{ ACTION=$1 TYPE=$2 NAME=$3 sh $HOTPLUG; }}
            ask() {{ sh $RPCD call dump | grep -o '\"status\": ..\\|\"iname\":\"[A-Z]*\"\\|\"effective_priority\":[0-9]*\\|\\[stale'; }}
            status() {{ sh $RPCD call status | sed \"s/\\\"event\\\":$(date +%s | cut -c1-7)[0-9]*/\\\"event\\\":now/g\"; }}
            start() {{
                cp one conf
                {DAEMON} -n -l -D -f conf -p here.pid -r vrrp.pid >> log 2>&1 &
                for i in 1 2 3 4 5 6 7 8 9 10; do grep -q 'Entering BACKUP' log && break; sleep 1; done
            }}
            reload() {{ cp two conf; kill -HUP $(cat here.pid); sleep 2; }}
            stop() {{ kill $(cat here.pid); wait; }}
            {lines}"
        ),
        &[
            ("HOTPLUG", &rootfs("openwrt/etc/hotplug.d/keepalived/01-ubus")),
            ("RPCD", &rootfs("openwrt/usr/libexec/rpcd/keepalived")),
            ("DAEMON", DAEMON),
            ("KEEPALIVED_PROG", &program),
            ("KEEPALIVED_PIDFILE", &shell.path("here.pid")),
            ("KEEPALIVED_ANSWER", &shell.path("answer.json")),
            ("KEEPALIVED_KEPT", &shell.path("kept")),
            ("KEEPALIVED_METHODS", &shell.path("rpc")),
            ("KEEPALIVED_JSHN", &stand_in("jshn.sh")),
        ],
    );
    (output, shell)
}

/// A program without the feature `status`.
const WITHOUT_SOCKET: &str = "#!/bin/sh\n[ \"$1\" = --ctl ] && exit 1\nexec $DAEMON \"$@\"\n";
const STARTS_AND_ENDS: &str = "ask; start; ask; reload; ask; stop; ask";
/// What is said is of now: the priority that a reload has changed, and nothing once the daemon is gone.
const SAID: &str = "\"status\": []\n\
     \"status\": [{\n\"iname\":\"LAN\"\n\"effective_priority\":111\n\
     \"status\": [{\n\"iname\":\"LAN\"\n\"effective_priority\":122\n\
     \"status\": []\n";

#[test]
fn a_dump_is_the_answer_of_the_daemon_that_runs() {
    let (said, shell) = asked("dump", "", "", "start; ask; reload; ask; cat answer.json; stop; echo; ask");
    // Nobody has sent it a signal: the file is the one that was there.
    let expected =
        SAID.trim_start_matches("\"status\": []\n").replace("\"status\": []", "[stale]\n\"status\": []");
    assert_eq!(said, expected, "{}", shell.read("log"));
}

#[test]
fn a_program_without_a_control_socket_answers_by_its_file() {
    let (said, shell) = asked("signal", "", WITHOUT_SOCKET, STARTS_AND_ENDS);
    assert_eq!(said, SAID, "{}", shell.read("log"));
}

#[test]
fn a_daemon_without_a_control_socket_answers_by_its_file() {
    let (said, shell) = asked("socketless", "control_socket none", "", STARTS_AND_ENDS);
    assert_eq!(said, SAID, "{}", shell.read("log"));
}

/// A daemon that is stopped, and one that is killed, without an event of hotplug.
#[test]
fn states_and_events_are_those_of_the_daemon_that_runs() {
    let (said, shell) = asked(
        "states",
        "",
        "",
        "event startup; event NOTIFY_FAULT GROUP both; event NOTIFY_UP REAL_SERVER web
        event NOTIFY_MASTER INSTANCE ../out; event NOTIFY_MASTER GROUP ../out
        status; start; status
        for i in 1 2 3 4 5 6 7 8 9 10; do grep -q 'Entering MASTER' log && break; sleep 1; done
        status; ip link set veth0 down; sleep 1; status
        kill -9 $(pidof keepalived) $(cat here.pid); wait; status
        event startup; ls kept",
    );
    let instances = |state: &str| {
        format!(
            "{{\"instance\":[{{\"name\":\"LAN\",\"event\":now,\"status\":\"{state}\"}}],\
             \"group\":[{{\"name\":\"both\",\"event\":now,\"status\":\"FAULT\"}}]}}\n"
        )
    };
    let nothing = "{\"instance\":[],\"group\":[]}\n";
    let expected =
        [nothing, &instances("BACKUP"), &instances("MASTER"), &instances("FAULT"), nothing].concat();
    assert_eq!(said, expected, "{}", shell.read("log"));
}

#[test]
fn other_packages_add_methods() {
    let shell = BoxShell::new("methods");
    shell.program("rpc/rsync_status", "#!/bin/sh\n[ \"$1\" = call ] && echo '{\"more\":1}'\n");
    let said = shell.prints(
        "sh $RPCD list; sh $RPCD call rsync_status; sh $RPCD call ../rpcd/keepalived || echo refused",
        &[
            ("KEEPALIVED_JSHN", &stand_in("jshn.sh")),
            ("RPCD", &rootfs("openwrt/usr/libexec/rpcd/keepalived")),
            ("KEEPALIVED_METHODS", &shell.path("rpc")),
        ],
    );
    assert_eq!(said, "{\"dump\":{},\"status\":{},\"rsync_status\":{}}\n{\"more\":1}\nrefused\n");
}
