//! One virtual router: what it is, and what it has counted.

use core::fmt::{self, Write};

use super::Fields;
use crate::proto::vrrp::guard::Extension;
use crate::proto::vrrp::{Auth, Counters, State, Version};
use crate::status::dump::instance::Instance;
use crate::status::dump::objects::{RouteLine, RuleLine};
use crate::status::dump::{Quoted, Seconds};

/// Writes the instance.
///
/// # Errors
/// What `out` says.
pub fn instance(out: &mut dyn Write, instance: &Instance<'_>) -> fmt::Result {
    let mut whole = Fields::open(out);
    whole.object("data", &mut |data| {
        standing(data, instance);
        commands(data, instance);
        lists(data, instance);
        authentication(data, instance);
    });
    let extension = instance.router.extension().copied().unwrap_or_default();
    whole.object("stats", &mut |stats| counters(stats, instance.router.counters(), &extension));
    whole.close()
}

fn standing(data: &mut Fields<'_>, instance: &Instance<'_>) {
    let (router, config) = (instance.router, instance.config);
    let (machine, params) = (router.machine(), router.params());
    data.text("iname", &config.name);
    data.digit("dont_track_primary", config.dont_track_primary);
    data.digit("skip_check_adv_addr", params.skip_check_adv_addr);
    data.digit("strict_mode", config.strict);
    let made = config.vmac.is_some() || config.ipvlan.is_some();
    data.text("vmac_ifname", instance.own.filter(|_| made).unwrap_or_default());
    if let Some(name) = instance.own.or(instance.base) {
        data.text("ifp_ifname", name);
    }
    let master = machine.master().filter(|_| machine.state() == State::Backup);
    data.number("master_priority", master.map_or(0, |master| master.priority));
    let since = instance.since;
    data.number("last_transition", format_args!("{}.{:06}", since.secs, since.micros));
    let garp = &params.garp;
    data.number("garp_delay", Seconds(garp.delay));
    data.number("garp_refresh", Seconds(garp.refresh));
    data.number("garp_rep", garp.repeat);
    data.number("garp_refresh_rep", garp.refresh_repeat);
    data.number("garp_lower_prio_delay", Seconds(garp.lower_prio_delay));
    data.number("garp_lower_prio_rep", garp.lower_prio_repeat);
    data.digit("lower_prio_no_advert", params.lower_prio_no_advert);
    data.digit("higher_prio_send_advert", params.higher_prio_send_advert);
    data.number("vrid", params.vrid);
    data.number("base_priority", params.priority);
    data.number("effective_priority", machine.effective_priority());
    let count = config.addresses.len().saturating_add(config.excluded.len());
    let held = (0..count).any(|position| (instance.place)(position).held);
    data.truth("vipset", machine.state() == State::Master || held);
    data.truth("promote_secondaries", config.promote_secondaries);
    data.number("adver_int", Seconds(params.advert_interval));
    let theirs = if master.is_some() && params.version == Version::V3 {
        machine.master_interval()
    } else {
        params.advert_interval
    };
    data.number("master_adver_int", Seconds(theirs));
    data.digit("accept", config.accept);
    data.truth("nopreempt", !params.preempt);
    data.number("preempt_delay", Seconds(params.preempt_delay));
    data.number("state", number(machine.state()));
    data.number("wantstate", number(instance.wanted()));
    data.number("version", version(params.version));
    data.truth("smtp_alert", config.smtp_alert);
    data.truth("notify_deleted", config.notify.deleted);
}

fn commands(data: &mut Fields<'_>, instance: &Instance<'_>) {
    for (key, runs) in KEYS.iter().zip(&instance.scripts) {
        if let Some(runs) = runs {
            data.text(key, runs.words());
        }
    }
}

fn lists(data: &mut Fields<'_>, instance: &Instance<'_>) {
    let (config, model) = (instance.config, instance.model);
    data.some("vips", (0..config.addresses.len()).filter_map(|position| instance.address(position)));
    let count = config.addresses.len().saturating_add(config.excluded.len());
    let excluded = config.addresses.len()..count;
    data.some("evips", excluded.filter_map(|position| instance.address(position)));
    data.some("vroutes", config.routes.iter().map(RouteLine));
    data.some("vrules", config.rules.iter().map(RuleLine));
    data.some("track_ifp", config.track_interfaces.iter().map(|tracked| &tracked.interface.name));
    let scripts = config.track_scripts.iter().filter_map(|tracked| (instance.command)(tracked.script));
    data.some("track_script", scripts.map(|runs| Quoted(runs.words.iter().take(runs.fixed))));
    let processes = config.track_processes.iter();
    data.some("track_process", processes.filter_map(|tracked| Some(&model.process(tracked.of)?.name)));
}

fn authentication(data: &mut Fields<'_>, instance: &Instance<'_>) {
    let params = instance.router.params();
    let kind = match (params.version, &params.auth) {
        (Version::V3, _) | (_, Auth::None) => return data.number("auth_type", 0),
        (Version::V2, Auth::Pass(_)) => 1,
        (Version::V2, Auth::Header(_)) => 2,
    };
    data.number("auth_type", kind);
    data.text("auth_data", "********");
}

pub(in crate::status) const fn version(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}

pub(in crate::status) fn counters(stats: &mut Fields<'_>, counters: &Counters, extension: &Extension) {
    let (c, e) = (counters, extension);
    stats.number("advert_rcvd", c.received);
    stats.number("advert_sent", c.sent);
    for (key, count) in [
        ("become_master", c.became_master),
        ("release_master", c.released_master),
        ("packet_len_err", c.length),
        ("advert_interval_err", c.interval),
        ("ip_ttl_err", c.hop_limit),
        ("invalid_type_rcvd", c.kind),
        ("addr_list_err", c.address_list),
        ("invalid_authtype", c.auth_type),
        ("authtype_mismatch", c.auth_mismatch),
        ("auth_failure", c.auth_failure),
    ] {
        stats.number(key, count);
    }
    stats.number("auth_ext_missing", e.missing);
    stats.number("auth_ext_malformed", e.malformed);
    stats.number("auth_ext_unknown_key", e.unknown_key);
    stats.number("auth_ext_invalid_hmac", e.invalid);
    stats.number("auth_ext_stale", e.stale);
    stats.number("auth_ext_replay", e.replayed);
    stats.number("pri_zero_rcvd", c.zero_received);
    stats.number("pri_zero_sent", c.zero_sent);
}

/// keepalived's names of scripts in its order, which is that of [`crate::status::dump::instance::SCRIPTS`].
const KEYS: [&str; 7] = [
    "script_backup",
    "script_master",
    "script_fault",
    "script_stop",
    "script_deleted",
    "script",
    "script_master_rx_lower_pri",
];

/// The number of a state, as keepalived and the exporters have it.
pub(in crate::status) const fn number(state: State) -> u8 {
    match state {
        State::Init => 0,
        State::Backup => 1,
        State::Master => 2,
        State::Fault => 3,
    }
}
