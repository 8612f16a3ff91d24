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

#[test]
fn hotplug_events_are_what_ubus_tells() {
    let shell = BoxShell::new("events");
    let kept = shell.path("kept");
    let variables = [
        ("KEEPALIVED_KEPT", kept.as_str()),
        ("KEEPALIVED_JSHN", &stand_in("jshn.sh")),
        ("HOTPLUG", &rootfs("openwrt/etc/hotplug.d/keepalived/01-ubus")),
        ("RPCD", &rootfs("openwrt/usr/libexec/rpcd/keepalived")),
        ("KEEPALIVED_METHODS", &shell.path("rpc")),
    ];
    shell.program("rpc/rsync_status", "#!/bin/sh\n[ \"$1\" = call ] && echo '{\"more\":1}'\n");
    let output = shell.prints(
        "event() { ACTION=$1 TYPE=$2 NAME=$3 sh $HOTPLUG; }
        event startup
        event NOTIFY_BACKUP INSTANCE LAN
        event NOTIFY_MASTER INSTANCE LAN
        event NOTIFY_FAULT GROUP both
        event NOTIFY_UP REAL_SERVER web
        event NOTIFY_MASTER INSTANCE ../out
        sh $RPCD call status | sed 's/\"event\":[0-9]*/\"event\":0/g'
        event startup
        sh $RPCD call status
        sh $RPCD list
        sh $RPCD call rsync_status
        sh $RPCD call ../rpcd/keepalived || echo refused
        ls",
        &variables,
    );
    assert_eq!(
        output,
        "{\"instance\":[{\"name\":\"LAN\",\"event\":0,\"status\":\"MASTER\"}],\
         \"group\":[{\"name\":\"both\",\"event\":0,\"status\":\"FAULT\"}]}\n\
         {\"instance\":[],\"group\":[]}\n\
         {\"dump\":{},\"status\":{},\"rsync_status\":{}}\n\
         {\"more\":1}\nrefused\nbin\nkept\nrpc\n"
    );
}

/// The answer is of now: the priority that a reload has changed, and nothing once the daemon is gone.
#[test]
fn a_dump_is_the_answer_of_the_daemon_that_runs() {
    let shell = BoxShell::new("dump");
    let conf = |priority: u8| {
        format!(
            "global_defs {{\njson_dump_file {}\n}}\nvrrp_instance LAN {{\ninterface veth0\nvirtual_router_id 51\n\
             priority {priority}\nvirtual_ipaddress {{\n192.0.2.1/24\n}}\n}}\n",
            shell.path("answer.json")
        )
    };
    shell.file("one", &conf(111));
    shell.file("two", &conf(122));
    shell.file("answer.json", "[stale]");
    let output = shell.prints(
        &format!(
            "/sbin/ip link add veth0 type veth peer name veth1
            ip addr add 192.0.2.10/24 dev veth0
            ip link set lo up; ip link set veth0 up; ip link set veth1 up
            cp one conf
            ask() {{ sh $RPCD call dump | grep -o '\"status\": ..\\|\"iname\":\"[A-Z]*\"\\|\"effective_priority\":[0-9]*\\|\\[stale'; }}
            ask
            {DAEMON} -n -l -D -f conf -p here.pid -r vrrp.pid > log 2>&1 &
            for i in 1 2 3 4 5 6 7 8 9 10; do grep -q 'Entering BACKUP' log && break; sleep 1; done
            ask
            cp two conf; kill -HUP $(cat here.pid); sleep 2
            ask
            kill $(cat here.pid); wait
            ask"
        ),
        &[
            ("KEEPALIVED_PROG", DAEMON),
            ("KEEPALIVED_PIDFILE", &shell.path("here.pid")),
            ("KEEPALIVED_ANSWER", &shell.path("answer.json")),
            ("KEEPALIVED_JSHN", &stand_in("jshn.sh")),
            ("RPCD", &rootfs("openwrt/usr/libexec/rpcd/keepalived")),
        ],
    );
    assert_eq!(
        output,
        "\"status\": []\n\
         \"status\": [{\n\"iname\":\"LAN\"\n\"effective_priority\":111\n\
         \"status\": [{\n\"iname\":\"LAN\"\n\"effective_priority\":122\n\
         \"status\": []\n",
        "{}",
        shell.read("log")
    );
}
