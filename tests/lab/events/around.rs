//! What happens around a machine: its cables, its readers, floods of netlink messages, processes that stand still.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::conf::reword;
use super::machine::{Machine, Random, SECOND};
use super::model::{Link, WAYS};
use super::wire::{Split, Wire};

/// So many notifications are more than the kernel keeps for one socket.
const FLOOD: &str = "for i in $(seq 250); do for j in 1 2 3 4; do echo addr add 10.66.$i.$j/32 dev other1; done; done \
     >/tmp/flood; ip -force -batch /tmp/flood; ip addr flush dev other1 to 10.66.0.0/16";

/// Lets one of it happen, to the machine `at` or both, and tells what.
pub(crate) fn happen(
    random: &mut Random,
    machines: &mut [Machine<'_>; 2],
    at: usize,
    wire: &mut Wire,
) -> String {
    let wait = Duration::from_millis(random.below(1_200));
    let (kind, way, dice) = (random.below(15), random.below(WAYS), random.below(4));
    let cable = random.index(2);
    let machine = &mut machines[at];
    match kind {
        0 | 1 => {
            let split = match (wire.split, dice) {
                (Split::Whole, 0 | 1) => Split::Apart,
                (Split::Whole, _) => Split::Deaf(at),
                _ => Split::Whole,
            };
            wire.set(machines[0].net, machines, split);
            format!("the network is {split:?}")
        }
        2 | 3 => {
            wire.excuse();
            plug(machine, cable)
        }
        4 => {
            machine.reader.turn(machine.node);
            format!("the reader of the FIFO: {:?}", machine.reader.mood)
        }
        5 => {
            machine.state.level = !machine.state.level;
            let level = if machine.state.level { 0 } else { -254 };
            machine.shell(&format!("echo {level} >/run/level"));
            format!("level {level}")
        }
        6 => {
            machine.state.second_process = !machine.state.second_process;
            machine.shell(if machine.state.second_process { SECOND } else { "killall -9 labsecond" });
            format!("second process: {}", machine.state.second_process)
        }
        7 | 8 => {
            wire.excuse();
            flood(machine, dice)
        }
        9 => {
            wire.excuse();
            stand_still(machine, wait, dice)
        }
        10 => {
            wire.excuse();
            machine.orphan(wait / 4);
            format!("kill -9 of the parent, a new one after {:?}", wait / 4)
        }
        11 | 12 => {
            wire.excuse();
            if dice > 1 {
                machine.hang_up();
                std::thread::sleep(wait / 60);
            }
            machine.stop();
            machine.start();
            format!("restarted{}", if dice > 1 { " in a reload" } else { "" })
        }
        13 => {
            let times = 2 + random.below(8);
            let line = (0..times).map(|_| {
                let line = plug(&mut machines[at], cable);
                std::thread::sleep(Duration::from_millis(random.below(300)));
                line
            });
            let line = line.last().unwrap_or_default();
            wire.excuse();
            format!("{times} times in a row, at last {line}")
        }
        _ => {
            wire.excuse();
            let first = reword(machines, way, at, Duration::ZERO);
            if dice > 1 {
                machines[at].misword();
            }
            let second = reword(machines, (way + 1 + dice) % WAYS, 1 - at, Duration::ZERO);
            format!("reloads in a row: {first}; {second}")
        }
    }
}

/// Pulls or plugs a cable at its other end.
fn plug(machine: &mut Machine<'_>, cable: usize) -> String {
    let Some(port) = &machine.ports[cable] else { return "no cable".to_owned() };
    if machine.state.links[cable] == Link::Deleted {
        return "no interface".to_owned();
    }
    let carrier = &mut machine.state.carrier[cable];
    *carrier = !*carrier;
    machine.net.set_carrier(port, *carrier);
    format!("cable {cable} is {}", if *carrier { "plugged in" } else { "pulled" })
}

/// More happens than the child can hear of: it stands still meanwhile.
fn flood(machine: &mut Machine<'_>, dice: u64) -> String {
    let child = machine.daemon().map(|daemon| daemon.vrrp_child());
    let prey = [
        "ip addr del 10.8.0.104/24 dev eth1",
        "ip route del 10.60.0.0/24",
        "ip rule del pref 503",
        "ip addr del 10.9.0.109/32 dev eth0",
    ];
    let prey = usize::try_from(dice).ok().and_then(|at| prey.get(at)).copied().unwrap_or("true");
    machine.shell("ip addr flush dev other1 to 10.66.0.0/16");
    if let Some(child) = child {
        let _ = kill(Pid::from_raw(child), Signal::SIGSTOP);
    }
    machine.shell(&format!("{FLOOD}; {prey}"));
    if let Some(child) = child {
        let _ = kill(Pid::from_raw(child), Signal::SIGCONT);
    }
    // If it took too long the watchdog has killed it.
    machine.reader.miss();
    machine.doubt_child();
    format!("a flood of messages, and {prey}")
}

/// The parent stands still; meanwhile its child may die, and it may be told to reload.
fn stand_still(machine: &mut Machine<'_>, wait: Duration, dice: u64) -> String {
    let Some(daemon) = machine.daemon() else { return "nobody stands still".to_owned() };
    daemon.freeze(true);
    let struck = dice.is_multiple_of(2).then(|| machine.strike(Signal::SIGKILL)).flatten();
    if dice > 1 {
        machine.hang_up();
    }
    std::thread::sleep(wait);
    if let Some(daemon) = machine.daemon() {
        daemon.freeze(false);
    }
    format!("the parent stood still for {wait:?}; killed meanwhile: {struck:?}")
}

/// What somebody may take away or change; most of it is not there most of the time.
pub(crate) const PREY: [&str; 33] = [
    "ip addr del 10.9.0.100/24 dev vrrp.51",
    "ip addr del 10.8.0.100/24 dev eth1",
    "ip addr del 10.8.0.104/24 dev eth1",
    "ip addr del 10.8.0.110/32 dev eth1",
    "ip addr del 10.9.0.105/32 dev eth0",
    "ip addr del 2001:db8:9::105/64 dev eth0",
    "ip addr del 2001:db8:9::100/64 dev eth0",
    "ip addr del fe80::f/64 dev vrrp.56",
    "ip addr del 10.7.0.1/24 dev other",
    "ip route del 10.60.0.0/24",
    "ip route del 10.62.0.0/24 table 100",
    "ip -6 route del 2001:db8:60::/64",
    "ip route del 10.50.0.0/24",
    "ip rule del pref 500",
    "ip rule del pref 504",
    "ip -6 rule del pref 502",
    "ip rule del pref 600",
    "ip link del vrrp.51",
    "ip link set vrrp.51 down; ip link set vrrp.51 name mine",
    "ip link set vrrp.51 down; sleep 0.1; ip link set vrrp.51 up",
    "ip link set vrrp.56 address 02:00:00:00:00:99",
    "ip route flush proto 18; ip -6 route flush proto 18",
    "ip route show 10.60.0.0/24 | grep -q 'via 10.9.0.3' && ip route replace 10.60.0.0/24 via 10.9.0.4 dev eth0",
    "ip -6 route show 2001:db8:60::/64 | grep -q ::3 && \
     ip -6 route replace 2001:db8:60::/64 via 2001:db8:9::4 dev eth0",
    "ip route show proto 18 | grep -q ^10.50 && ip route replace 10.50.0.0/24 dev other proto boot",
    "nft flush ruleset",
    "nft delete table ip keepalived",
    "nft flush set ip keepalived vips; nft flush chain ip6 keepalived out",
    "ip -o addr show dev eth1 | grep -q 10.8.0.104/24 && \
     ip addr change 10.8.0.104/24 dev eth1 valid_lft 3 preferred_lft 1",
    "ip -o addr show dev eth0 | grep -q 2001:db8:9::100/64 && \
     ip addr change 2001:db8:9::100/64 dev eth0 noprefixroute",
    "ip -o addr show dev other | grep -q 10.7.0.1/24 && ip addr change 10.7.0.1/24 dev other valid_lft 900 preferred_lft 0",
    "ip -o addr show dev eth0 | grep -q 10.9.0.105/32 && ip addr change 10.9.0.105/32 dev eth0 preferred_lft 100",
    "ip -o addr show dev eth0 | grep -q 2001:db8:9::100/64 && \
     ip addr change 2001:db8:9::100/64 dev eth0 valid_lft 2 preferred_lft 1",
];
