//! The kernel's sync daemon, by itself and as an instance goes.

use std::time::Duration;

use super::stage::Stage;
use crate::kit::bounds::holds_within;

/// The guest is slow.
const SLOW: Duration = Duration::from_secs(30);

const SERVICE: &str = "virtual_server 10.9.0.100 80 {
    lvs_sched rr
    lvs_method NAT
    protocol TCP
    real_server 10.9.0.11 80 {
    }
}
";

fn instance(line: &str, priority: u8) -> String {
    format!(
        "global_defs {{
            {line}
        }}
        vrrp_instance VI_1 {{
            state BACKUP
            interface eth0
            virtual_router_id 51
            priority {priority}
            advert_int 3
            virtual_ipaddress {{
                10.9.0.110
            }}
        }}
        {SERVICE}"
    )
}

fn expect(stage: &Stage, step: &str, wanted: &[&str]) {
    let mut seen = Vec::new();
    let right = holds_within(SLOW, || {
        seen = stage.ipvsadm(&["-Ln", "--daemon"]);
        seen == wanted
    });
    assert!(right, "{step}: {seen:?}");
}

/// Without an instance both roles run from the start to the end (field cases 25 and 27).
pub(crate) fn alone(stage: &Stage) {
    let daemon = stage.start(&format!("global_defs {{\n lvs_sync_daemon eth0\n }}\n{SERVICE}"));
    let given = "mcast=eth0, syncid=0, maxlen=1472, group=224.0.0.81, port=8848, ttl=1";
    let (master, backup) = (format!("master sync daemon ({given})"), format!("backup sync daemon ({given})"));
    expect(stage, "both run", &[&backup, &master]);
    daemon.stop();
    expect(stage, "none is left", &[]);
}

/// A reload that removes the line stops both roles, and a stop after it leaves none either (field case 27).
pub(crate) fn removed(stage: &Stage) {
    let daemon = stage.start(&format!("global_defs {{\n lvs_sync_daemon eth0\n }}\n{SERVICE}"));
    let both = || stage.ipvsadm(&["-Ln", "--daemon"]).len() == 2;
    assert!(holds_within(SLOW, both), "both run");
    stage.reload(&daemon, SERVICE);
    expect(stage, "none is left after the reload", &[]);
    daemon.stop();
    expect(stage, "none is left after the stop", &[]);
}

/// Of two lines the first one works; the other one is told of, by its line (field case 26).
pub(crate) fn twice(stage: &Stage) {
    let lines = "lvs_sync_daemon eth0 inst VI_1 id 1\n lvs_sync_daemon eth0 inst VI_2 id 2";
    let daemon = stage.start(&instance(lines, 100));
    let given = "mcast=eth0, syncid=1, maxlen=1472, group=224.0.0.81, port=8848, ttl=1";
    expect(stage, "the first one works", &[&format!("master sync daemon ({given})")]);
    let told = daemon.log();
    let ours = ["conf:3:", "lvs_sync_daemon already specified - ignoring"];
    let theirs = ["(Line 3) lvs_sync_daemon has already been specified", "ignoring"];
    let has = |words: [&str; 2]| told.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(ours) || has(theirs), "{told}");
    daemon.stop();
    expect(stage, "none is left", &[]);
}

/// With an instance there is one daemon, in the role of the instance, with everything that was given.
pub(crate) fn of_an_instance(stage: &Stage) {
    let line = "lvs_sync_daemon eth0 VI_1 id 7 maxlen 1400 port 8849 ttl 3 group 224.0.0.82";
    let given = "mcast=eth0, syncid=7, maxlen=1400, group=224.0.0.82, port=8849, ttl=3";
    let (master, backup) = (format!("master sync daemon ({given})"), format!("backup sync daemon ({given})"));
    let daemon = stage.start(&instance(line, 100));
    expect(stage, "the instance is backup", &[&backup]);
    expect(stage, "the instance is master", &[&master]);
    stage.director.shell("ip link set eth0 down");
    expect(stage, "the instance has a fault", &[&backup]);
    stage.director.shell("ip link set eth0 up");
    expect(stage, "the instance is master again", &[&master]);
    daemon.stop();
    expect(stage, "none is left", &[]);
}

/// The kernel refuses a daemon on an interface that is not there: it runs soon after the interface has come.
pub(crate) fn late_interface(stage: &Stage) {
    let daemon = stage.start(&format!("global_defs {{\n lvs_sync_daemon late0\n }}\n{SERVICE}"));
    std::thread::sleep(Duration::from_secs(2));
    expect(stage, "no interface, no daemon", &[]);
    stage.director.shell("ip link add late0 type veth peer name late1");
    stage.director.shell("ip addr add 10.99.0.1/24 dev late0");
    stage.director.shell("ip link set late0 up");
    stage.director.shell("ip link set late1 up");
    let given = "mcast=late0, syncid=0, maxlen=1472, group=224.0.0.81, port=8848, ttl=1";
    let (master, backup) = (format!("master sync daemon ({given})"), format!("backup sync daemon ({given})"));
    expect(stage, "both run", &[&backup, &master]);
    daemon.stop();
    expect(stage, "none is left", &[]);
    stage.director.shell("ip link del late0");
}
