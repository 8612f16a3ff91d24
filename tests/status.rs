//! The status files, byte for byte: `tests/goldens/status`, rewritten with `UPDATE=1`.
//!
//! The configuration is read as the daemon reads it; what only a running daemon knows is made up here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

use std::path::Path;
use std::sync::Arc;

use keepalived::base::addr::{Family, IpAddr};
use keepalived::base::id::IfIndex;
use keepalived::base::mac::Mac;
use keepalived::base::time::{Instant, Span};
use keepalived::config::diag::Diagnostics;
use keepalived::config::expand;
use keepalived::config::model::SharedInstance;
use keepalived::config::{Model, assemble};
use keepalived::proto::track::{
    Cause, Delays, Ending, LinkMethod, Process, ProcessInput, ProcessParams, Script, ScriptActions,
    ScriptInput, Weight,
};
use keepalived::proto::vrrp::guard::Extension;
use keepalived::proto::vrrp::{Actions, Counters, Fault, Faults, Heard, Input, Router, State};
use keepalived::status::dump::address::Whereabouts;
use keepalived::status::dump::global::global;
use keepalived::status::dump::instance::{Instance, instance};
use keepalived::status::dump::machine::Machine;
use keepalived::status::dump::tables::{self, Settings, Spacing, interface, script, socket};
use keepalived::status::dump::{Clock, Owner, Runs, section};
use keepalived::status::json::{self, Version};
use keepalived::status::stats;
use keepalived::sys::clock::{LocalTime, Wall};
use keepalived::sys::script::Words;

fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/status").join(name);
    if std::env::var_os("UPDATE").is_some() {
        return std::fs::write(path, found).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap();
    for (number, (wanted, found)) in wanted.lines().zip(found.lines()).enumerate() {
        assert_eq!(found, wanted, "line {} of {}", number + 1, path.display());
    }
    assert_eq!(found, wanted, "{}", path.display());
}

fn model() -> Model {
    let text = include_str!("goldens/status/dump.conf");
    let mut found = Diagnostics::new();
    let parsed = expand::parse_text(text, &mut found);
    let model = assemble::model(&parsed.tree, &mut found);
    let wrong = found.iter().find(|finding| finding.severity >= keepalived::config::diag::Severity::Error);
    assert!(wrong.is_none(), "{wrong:?}");
    model
}

/// Sunday the first of November 2026, at the time of day that the seconds give.
fn local(wall: Wall) -> LocalTime {
    let of_day = |divisor: i64, modulus: i64| u8::try_from(wall.secs / divisor % modulus).unwrap();
    LocalTime {
        year: 2026,
        month: 10,
        day: 1,
        weekday: 0,
        hour: of_day(3600, 24),
        minute: of_day(60, 60),
        second: of_day(1, 60),
        offset: 0,
    }
}

fn at(millis: u64) -> Instant {
    Instant::START + Span::from_millis(millis)
}

/// Instances in every state: MASTER, BACKUP behind a known master, FAULT for two reasons, and not yet started, with
/// all that one may have and without.
fn routers(model: &Arc<Model>) -> Vec<Router> {
    let mut out = Actions::new();
    let mut made: Vec<Router> = Vec::new();
    for (position, config) in SharedInstance::all(model).enumerate() {
        let mut router = Router::new(config.params.clone(), 2);
        if position < 3 {
            router.handle(at(0), Input::Start { adopt: None }, &mut out);
            out.clear();
        }
        match position {
            0 => {
                router.set_weights(at(0), 15, &mut out);
                out.clear();
                router.handle(at(9_000), Input::Timeout, &mut out);
            }
            1 => {
                let heard = Heard {
                    at: at(9_900),
                    from: "10.9.0.2".parse().unwrap(),
                    priority: 200,
                    interval: Span::from_millis(300),
                    higher_address: true,
                };
                router.handle(at(9_900), Input::Advert(heard), &mut out);
            }
            2 => {
                let faults = Faults::NONE.with(Fault::LinkDown, true).with(Fault::Script, true);
                router.handle(at(1), Input::Faults { faults, pending: false }, &mut out);
            }
            _ => {}
        }
        out.clear();
        made.push(router);
    }
    let states: Vec<_> = made.iter().map(Router::state).collect();
    assert_eq!(states, [State::Master, State::Backup, State::Fault, State::Init, State::Init]);
    made
}

#[test]
fn the_data_dump() {
    let model = Arc::new(model());
    let routers = routers(&model);
    let clock = Clock { now: at(10_000), wall: Wall { secs: 1_793_505_600 + 3_600, micros: 250_000 }, local };
    let out = &mut String::new();
    let machine =
        Machine { host: "host".to_owned(), script_owner: Owner { uid: 7, gid: 8 }, people: Vec::new() };
    global(out, &model.daemon, &model.global, &machine).unwrap();
    section(out, &"VRRP Topology").unwrap();
    let words = words();
    let runs = Runs { words: &words, fixed: 3, owner: Owner { uid: 7, gid: 8 } };
    views(&model, &routers, runs, |view| instance(out, &clock, view).unwrap());
    shared(out, &model, runs);
    golden("dump.out", out);
}

/// A command with a word that the last run was given.
fn words() -> Words {
    Words::of(["/usr/bin/true", "a", "b", "MASTER"].map(str::as_bytes).into_iter()).unwrap()
}

/// The instances as a running daemon would lend them.
fn views(model: &Model, routers: &[Router], runs: Runs<'_>, mut write: impl FnMut(&Instance<'_>)) {
    for (config, router) in model.instances.iter().zip(routers) {
        let first = config.name == "VI_1";
        let vmac = config.vmac.is_some();
        let base = config.interface.as_ref().map(|named| named.name.as_str());
        let own = if vmac { Some("vrrp.52") } else { base };
        let local: IpAddr = match router.params().family {
            Family::V4 => "10.9.0.1".parse().unwrap(),
            Family::V6 => "fe80::1".parse().unwrap(),
        };
        let view = Instance {
            model,
            config,
            router,
            since: Wall { secs: 1_793_505_600 + 1_800, micros: 6 },
            local: Some(config.source.unwrap_or(local)),
            base,
            index: Some(IfIndex(5)),
            own,
            next_extra: None,
            own_up: vmac,
            sockets: if first { (Some(17), Some(18)) } else { (None, None) },
            place: &|position| Whereabouts {
                interface: if position == 1 && first { Some("eth1") } else { own },
                base: base.filter(|base| Some(*base) != own),
                held: first && position != 2,
                in_kernel: first && position != 2,
                guarded: first && position == 1,
            },
            command: &|_| Some(runs),
            reasons: &router.faults(),
            pending_scripts: usize::from(first),
            scripts: [None, first.then_some(runs), None, None, None, None, None],
        };
        write(&view);
    }
}

/// Both versions, of the same instances.
#[test]
fn the_json_status() {
    let model = Arc::new(model());
    let mut routers = routers(&model);
    *routers[1].counters_mut() = counters();
    let words = words();
    let runs = Runs { words: &words, fixed: 3, owner: Owner { uid: 7, gid: 8 } };
    let out = &mut String::new();
    for version in [Version::One, Version::Two] {
        json::open(out, version).unwrap();
        let mut first = true;
        views(&model, &routers, runs, |view| {
            if !core::mem::take(&mut first) {
                json::next(out).unwrap();
            }
            json::instance::instance(out, view).unwrap();
        });
        if version == Version::Two {
            json::monitors(out).unwrap();
            for (position, config) in model.processes.iter().enumerate() {
                if position > 0 {
                    json::next(out).unwrap();
                }
                let mut machine = Process::new(ProcessParams {
                    quorum: config.quorum,
                    quorum_max: config.quorum_max,
                    fork_delay: config.fork_delay,
                    terminate_delay: config.terminate_delay,
                });
                let _ = machine.handle(at(0), ProcessInput::Count(0, Cause::Change));
                let _ = machine.handle(at(1), ProcessInput::Count(1, Cause::Fork));
                json::process::process(out, config, &machine).unwrap();
            }
        }
        json::close(out, version).unwrap();
    }
    assert_eq!(out.lines().count(), 2, "one line each");
    assert!(!out.contains("secret1"));
    golden("json.out", out);
}

/// Sockets, scripts and interfaces.
fn shared(out: &mut String, model: &Model, runs: Runs<'_>) {
    section(out, &"VRRP Sockpool").unwrap();
    let pool = tables::Socket {
        heard: 17,
        sent: Some(18),
        interface: Some("eth0"),
        family: Family::V4,
        multicast: true,
        header: false,
        buffer: None,
    };
    socket(out, &pool, [("VI_1", 51), ("VI_2", 52)].into_iter()).unwrap();
    let by_route = tables::Socket {
        heard: 19,
        sent: None,
        interface: None,
        family: Family::V6,
        multicast: false,
        header: true,
        buffer: Some(20_000),
    };
    socket(out, &by_route, [("VI_U", 54)].into_iter()).unwrap();
    section(out, &"VRRP Scripts").unwrap();
    for (config, works) in model.scripts.iter().zip([true, false]) {
        let mut machine = Script::new(at(0), config.params.clone());
        if works {
            let mut actions = ScriptActions::new();
            for (start, code) in [(0, 0), (2_000, 0), (4_000, 1)] {
                machine.handle(at(start), ScriptInput::Timeout, &mut actions);
                machine.handle(at(start + 1), ScriptInput::Ended(Ending::Exited(code)), &mut actions);
                actions.clear();
            }
        }
        let view = tables::Script {
            config,
            machine: &machine,
            runs: works.then_some(runs),
            insecure: false,
            running: works,
        };
        let weight = Weight { value: 3, reverse: !works };
        script(out, &view, &mut [("VI_1", weight)].into_iter()).unwrap();
    }
    section(out, &"Interfaces").unwrap();
    let there = tables::Interface {
        name: "vrrp.52",
        index: Some(IfIndex(6)),
        v4: Some("10.9.0.1".parse().unwrap()),
        v6: None,
        mac: Some(Mac::virtual_v4(52)),
        wanted_up: true,
        up: true,
        seen_up: true,
        lies_on: Some(("eth0", true)),
        own_type: "VMAC type private",
        changeable: false,
        mtu: 1500,
        hardware_type: 1,
        delays: Delays { down: Span::from_millis(1_500), up: Span::from_secs(1) },
        waits: true,
        polled: Some(LinkMethod::Ethtool),
        spacing: Spacing { garp: Span::from_millis(10), gna: Span::from_millis(20), group: Some(1) },
        settings: Settings {
            arp_users: 2,
            arp_ignore: 1,
            arp_filter: 3,
            rp_filter: Some(4),
            promote_secondaries: 5,
            promote_users: 6,
        },
    };
    interface(out, &there, &mut [("VI_2", Weight::default())].into_iter()).unwrap();
    let gone = tables::Interface {
        name: "eth1",
        index: None,
        v4: None,
        mac: None,
        wanted_up: false,
        up: false,
        lies_on: None,
        own_type: "VMAC type private",
        changeable: true,
        mtu: 0,
        hardware_type: 0,
        delays: Delays::default(),
        waits: false,
        polled: None,
        seen_up: false,
        spacing: Spacing::default(),
        settings: Settings::default(),
        ..there
    };
    interface(out, &gone, &mut core::iter::empty()).unwrap();
}

fn counters() -> Counters {
    Counters {
        received: 1,
        sent: 2,
        became_master: 3,
        released_master: 4,
        length: 5,
        hop_limit: 6,
        kind: 7,
        interval: 8,
        address_list: 9,
        auth_type: 10,
        auth_mismatch: 11,
        auth_failure: 12,
        version: 13,
        checksum: 14,
        not_a_peer: 15,
        own: 16,
        zero_received: 17,
        zero_sent: 18,
        restored: 19,
    }
}

#[test]
fn the_statistics() {
    let counters = counters();
    let process = stats::Process {
        allocations: 0,
        loading: 20,
        live: 21,
        turns: 22,
        deadlines: 23,
        stalls: 24,
        latest: Span::from_micros(25),
        turn: Span::from_micros(1_234),
        slice: Span::from_micros(26),
        overruns: 27,
    };
    let out = &mut String::new();
    stats::instance(out, "VI_1", &counters, &Extension::default()).unwrap();
    stats::instance(out, "VI 2", &Counters::default(), &Extension::default()).unwrap();
    stats::further(out, "VI_1", &counters).unwrap();
    stats::further(out, "VI 2", &Counters::default()).unwrap();
    stats::process(out, &process).unwrap();
    golden("stats.out", out);
}

#[test]
fn no_password_gets_into_the_dump() {
    let model = model();
    let secret = model.instances.iter().find_map(|instance| instance.auth_pass.clone());
    let dump = include_str!("goldens/status/dump.out");
    assert!(!dump.contains(&*secret.unwrap()));
}
