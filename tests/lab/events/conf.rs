//! What the pair is configured to do.

use std::fmt::Write;
use std::time::Duration;

use super::machine::Machine;
use super::model::{LINKS, State, Unit, Wording, is_guest};
use crate::kit::daemon::CONF;

/// The configuration of a machine.
pub(crate) fn conf(state: &State) -> String {
    let wording = &state.wording;
    let priority = state.base_priority();
    let quick = Unit::First.interval().as_secs_f32();
    let dress =
        if is_guest() { format!("use_ipvlan 10.9.0.5{}/24", state.host) } else { "use_vmac".to_owned() };
    let block = |name: &str, at: usize, vrid: u8, addresses: &str, more: &str| {
        format!(
            "vrrp_instance {name} {{\n    interface {}\n    virtual_router_id {vrid}\n    priority {priority}\n    \
             version 3\n    advert_int {quick}\n    virtual_ipaddress {{\n{addresses}\n    }}\n{more}\n}}\n",
            LINKS[at].0
        )
    };
    let label = |text| if wording.labelled { text } else { "" };
    let moving = "10.62.0.0/24 dev eth1 table 100";
    let moving = [moving, "from 10.62.0.0/24 table 104 priority 504", "10.8.0.110/32 dev eth1"];
    let here = |wanted: bool, at: usize| if wanted { moving[at] } else { "" };
    let metric = label("metric 7");
    let (with_a, with_c) = if wording.swapped { ("D", "B") } else { ("B", "D") };
    let mut blocks = vec![
        format!("vrrp_sync_group G1 {{\n    group {{ A {with_a} }}\n    track_script {{ S }}\n}}\n"),
        format!(
            "vrrp_sync_group G2 {{\n    group {{ C {with_c} }}\n    track_process {{ Q }}\n    \
             track_file {{ M weight 1 }}\n}}\n"
        ),
        block(
            "A",
            0,
            51,
            &format!("10.9.0.100/24\n{}", if wording.extra { "10.9.0.101/24" } else { "" }),
            &format!("{dress}\nvirtual_routes {{\n 10.60.0.0/24 via 10.9.0.3 dev eth0 {metric}\n}}"),
        ),
        block(
            "B",
            1,
            52,
            &format!("10.8.0.100/24 {}\n{}", label("label eth1:b"), here(!wording.moved, 2)),
            &format!(
                "virtual_routes {{\n 10.61.0.0/24 via 10.8.0.3 dev eth1\n {}\n}}\n\
                 virtual_rules {{\n from 10.61.0.0/24 table 100 priority 500\n {}\n}}",
                here(!wording.moved, 0),
                here(!wording.moved, 1)
            ),
        ),
        block(
            "C",
            0,
            53,
            "fe80::c/64\n2001:db8:9::100/64",
            "virtual_routes {\n 2001:db8:60::/64 via 2001:db8:9::3 dev eth0\n}\n\
             virtual_rules {\n to 2001:db8:60::/64 table 102 priority 502\n}",
        ),
        block(
            "D",
            1,
            54,
            &format!("10.8.0.104/24\n{}", here(wording.moved, 2)),
            &format!(
                "track_interface {{\n other\n}}\nvirtual_routes {{\n \
                 10.63.0.0/24 via 10.8.0.3 dev eth1 src 10.8.0.104\n {}\n}}\n\
                 virtual_rules {{\n iif eth1 table 103 priority 503\n {}\n}}",
                here(wording.moved, 0),
                here(wording.moved, 1)
            ),
        ),
        block(
            if wording.renamed { "E_again" } else { "E" },
            state.home(),
            55,
            "10.9.0.105/32",
            &format!(
                "{}\nvirtual_ipaddress_excluded {{\n 2001:db8:9::105/64\n}}\nvirtual_rules {{\n \
                 from 10.9.0.105 table 101 priority 501\n}}\ntrack_file {{\n N weight 1\n}}\n\
                 track_process {{\n P weight 20\n}}",
                if state.dressed() { "use_vmac" } else { "" }
            ),
        ),
    ];
    if wording.sometimes {
        blocks.push(block("F", 1, 56, "fe80::f/64\n2001:db8:8::100/64", "use_vmac"));
    }
    blocks.extend(private(state));
    if wording.reversed {
        blocks.reverse();
    }
    let statics = if wording.statics { 51 } else { 50 };
    // A program that a second is too short for on an emulated processor beside others is no failure.
    let patience = if is_guest() { 5 } else { 1 };
    // A new wording may name an interface that is away at a new place, which a reload refuses as a typo unless the file
    // says that interfaces may come later.
    let mut text = format!(
        "global_defs {{\n    router_id lab\n    script_user root\n    vrrp_garp_master_delay 1\n    \
         notify_fifo /run/fifo\n    dynamic_interfaces\n}}\n\
         vrrp_script S {{\n    script \"/usr/bin/test -e /run/fit\"\n    interval 1\n    timeout {patience}\n}}\n\
         vrrp_track_file N {{\n    file /run/number\n}}\n\
         vrrp_track_file M {{\n    file /run/level\n}}\n\
         vrrp_track_process Q {{\n    process labsecond\n}}\n\
         vrrp_track_process P {{\n    process labprocess\n}}\n\
         {}\
         static_ipaddress {{\n    10.7.0.1/24 dev other {}\n    2001:db8:7::1/64 dev other\n}}\n\
         static_routes {{\n    10.{statics}.0.0/24 dev other\n}}\n\
         static_rules {{\n    from 10.{statics}.0.0/24 table 150 priority 600\n}}\n",
        if wording.delayed { "interface_up_down_delays {\n    eth0 1 1\n    eth1 0 1\n}\n" } else { "" },
        label("label other:x")
    );
    for block in blocks {
        text.write_str(&block).expect("a string grows");
    }
    text
}

/// The instances that know each other by passwords and keys.
fn private(state: &State) -> [String; 3] {
    let (priority, host) = (state.base_priority(), state.host);
    let peer = format!("unicast_peer {{\n 10.9.0.{}\n }}", 3 - host);
    let block = |name: &str, at: usize, vrid: u8, address: &str, lines: &str| {
        format!(
            "vrrp_instance {name} {{\n    interface {}\n    virtual_router_id {vrid}\n    priority {priority}\n    \
             {lines}\n    virtual_ipaddress {{\n {address}\n    }}\n}}\n",
            LINKS[at].0
        )
    };
    let wording = &state.wording;
    let auth = |kind: &str| match wording.open {
        true => "advert_int 1".to_owned(),
        false => format!("advert_int 1\n authentication {{\n auth_type {kind}\n auth_pass secret\n }}"),
    };
    let keys = format!(
        "auth_hmac {{\n key 1 a-key-of-at-least-thirty-two-octets!\n key 2 another-key-of-thirty-two-octets!!!!\n \
         active_key {}\n }}",
        if wording.rotated { 2 } else { 1 }
    );
    let keys = if wording.unsigned { "" } else { &keys };
    [
        block("H", 0, 57, "10.9.0.107/32", &format!("{}\n {peer}", auth("PASS"))),
        block("I", 1, 58, "10.8.0.108/32", &auth("AH")),
        block(
            "J",
            0,
            59,
            "10.9.0.109/32",
            &format!(
                "version 3\n advert_int {}\n no_accept\n track_src_ip\n unicast_src_ip 10.9.0.{host}\n {peer}\n {keys}",
                Unit::Signed.interval().as_secs_f32()
            ),
        ),
    ]
}

/// Both files change in one way, one after the other.
pub(crate) fn reword(machines: &mut [Machine<'_>; 2], way: u64, first: usize, later: Duration) -> String {
    for at in [first, 1 - first] {
        let machine = &mut machines[at];
        if Wording::begins_anew(way) {
            machine.reader.miss();
        }
        let switch = machine.state.wording.way(way);
        *switch = !*switch;
        machine.node.write(CONF, &conf(&machine.state));
        machine.hang_up();
        std::thread::sleep(later);
    }
    format!("both are reworded, {} first: {}", machines[first].node.name(), machines[first].state.wording)
}
