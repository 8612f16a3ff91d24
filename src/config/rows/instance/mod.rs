//! `vrrp_instance` and its `authentication`. Lists are in `lists`, addresses in `address`, macvlans in `vmac`.

mod addresses;
mod draft;
pub(super) mod hmac;
pub(super) mod lists;
mod read;
mod vmac;

pub use draft::{AuthType, InstanceDraft};

use super::show::{command, either, flag, interface, maybe, plain, switch, time, unless};
use super::track;
use super::{address, route, rule};
use crate::base::addr::Family;
use crate::base::time::Span;
use crate::config::line::Line;
use crate::config::model::instance::{Instance, OldChecksum};
use crate::config::row::Kind::{
    self, Block, Custom, Flag, Integer, Interface, Lines, Script, Seconds, Switch,
};
use crate::config::row::{Decimal, Integer as Whole, Row, Shown, fit, whole_seconds};
use crate::config::value;
use crate::proto::vrrp::{Auth, Start, Version};

type D = InstanceDraft;
type I = Instance;
const U32: i64 = u32::MAX as i64;

const fn int(unit: &'static str, from: i64, to: i64, set: fn(&mut D, i64)) -> Whole<D> {
    Whole::new(unit, from..=to, set)
}

/// A row of this table: fixes the types, so that closures need none.
const fn row(
    name: &'static str,
    kind: Kind<D, I>,
    default: &'static str,
    meaning: &'static str,
) -> Row<D, I> {
    Row::new(name, kind, default, meaning)
}

/// Keywords of `authentication`.
#[rustfmt::skip]
pub static AUTHENTICATION: &[Row<D, I>] = &[
    row("auth_type", Custom("PASS|AH", read::auth_type), "none",
        "Method of authentication").show(|i| match &i.params.auth {
            Auth::None => Shown::Nothing,
            Auth::Pass(_) => plain("PASS"),
            Auth::Header(_) => plain("AH"),
        }),
    row("auth_pass", Custom("<text, 8 bytes used>", read::auth_pass), "none",
        "Shared password").show(|i| maybe(i.auth_pass.as_deref().map(value::Quoted))),
];

/// Every keyword of `vrrp_instance`.
#[rustfmt::skip]
pub static ROWS: &[Row<D, I>] = &[
    // Who it is.
    row("native_ipv6", Custom("", read::native_ipv6), "off",
        "Forces IPv6 and version 3").replaced("virtual_ipaddress with IPv6 addresses", false)
        .show(|i| flag(i.params.family == Family::V6)),
    row("state", Custom("MASTER|BACKUP", read::state), "MASTER with priority 255, else BACKUP",
        "How it begins").fixed().show(|i| plain(if i.params.start == Start::Master { "MASTER" } else { "BACKUP" })),
    row("interface", Custom("<interface>", read::interface), "none",
        "Interface of the adverts").show(|i| interface(i.interface.as_ref())),
    row("vrf", Custom("<interface>", read::vrf), "none",
        "VRF of unicast without interface").show(|i| interface(i.vrf.as_deref())),
    row("virtual_router_id", Integer(int("", 1, 255, |d, n| d.instance.params.vrid = fit(n)).strict()), "required",
        "VRRP router id").show(|i| plain(i.params.vrid)),
    row("priority", Integer(int("", 1, 255, |d, n| d.priority = Some(fit(n))).strict().or(100)), "100; 255 with state MASTER",
        "Priority of the election; 255 is the address owner").show(|i| plain(i.params.priority)),
    row("version", Custom("2|3", read::version), "vrrp_version; IPv6: 3",
        "Protocol version").show(|i| plain(if i.params.version == Version::V3 { 3 } else { 2 })),
    row("advert_int", Seconds(Decimal::new(10_000, 255_000_000, |d, s| d.instance.params.advert_interval = s)), "1",
        "Between adverts; version 2 whole seconds, version 3 steps of 10 ms up to 40.95").show(|i| plain(value::Seconds(i.params.advert_interval))),
    row("max_learned_interval", Seconds(Decimal::new(10_000, 40_950_000, |d: &mut D, s| d.instance.params.max_learned_interval = Some(s)).step(10_000)), "none",
        "As BACKUP of version 3, believes no longer interval of a MASTER than this, or than advert_int").show(|i| maybe(i.params.max_learned_interval.map(value::Seconds))),
    row("authentication", Block(AUTHENTICATION), "none",
        "Authentication of RFC 2338, version 2 only"),
    row("auth_hmac", Block(hmac::ROWS), "none",
        "HMAC-SHA256 authentication of adverts"),

    // Where adverts go.
    row("use_vmac", Custom("[[name] <if>] [<MAC of 5 or 6 octets>] [netlink_notify_msg] [group <name|int>]", vmac::use_vmac), "off",
        "Runs on a private macvlan with the virtual hardware address").terms(vmac::vmac_terms).show(vmac::show_use_vmac),
    row("use_vmac_addr", Flag(|d| d.instance.use_vmac_addr = true), "off",
        "Makes macvlans for addresses on other interfaces, too").show(|i| flag(i.use_vmac_addr)),
    row("vmac_xmit_base", Flag(|d| d.instance.vmac_xmit_base = true), "off",
        "Sends and receives adverts on the parent interface").show(|i| flag(i.vmac_xmit_base)),
    row("use_ipvlan", Custom("[[name] <if>] [<ip>[/<len>]] [bridge|private|vepa] [group <name|int>]", vmac::use_ipvlan), "off; bridge",
        "Runs on an ipvlan interface").terms(vmac::ipvlan_terms).show(vmac::show_use_ipvlan),
    row("mcast_src_ip", Custom("<ip>", |d, l| read::source(d, l, false)), "primary address of the interface",
        "Source address of adverts").show(|i| if i.unicast() || i.fault_no_peer { Shown::Nothing } else { maybe(i.source) }),
    row("unicast_src_ip", Custom("<ip>", |d, l| read::source(d, l, true)), "primary address of the interface",
        "Source address of unicast adverts").show(|i| if i.unicast() || i.fault_no_peer { maybe(i.source) } else { Shown::Nothing }),
    row("track_src_ip", Flag(|d| d.instance.track_source = true), "off",
        "FAULT while the source address is not there").show(|i| flag(i.track_source)),
    row("mcast_dst_ip", Custom("<multicast ip>", read::group), "vrrp_mcast_group4 or 6",
        "Destination of adverts").show(|i| if i.unicast() || i.fault_no_peer { Shown::Nothing } else { plain(i.group) }),
    row("unicast_peer", Lines("{ <ip> [min_ttl <0..255>] [max_ttl <0..255>] ... }", lists::unicast_peer), "none",
        "Destinations of unicast adverts").terms(lists::peer_terms).show(lists::show_unicast_peers),
    row("unicast_ttl", Integer(int("", 0, 255, |d, n| d.instance.unicast_ttl = Some(fit(n))).strict()), "255",
        "TTL or hop limit of unicast adverts").show(|i| maybe(i.unicast_ttl)),
    row("check_unicast_src", Custom("", read::check_unicast_src), "vrrp_check_unicast_src",
        "Unicast adverts must come from a configured peer").show(|i| flag(i.params.check_unicast_src && i.unicast())),
    row("unicast_fault_no_peer", Flag(|d| d.instance.fault_no_peer = true), "off",
        "Unicast without peers is a fault instead of multicast").show(|i| flag(i.fault_no_peer)),
    row("old_unicast_checksum", Custom("[never]", read::old_unicast_checksum), "found out",
        "Old checksum of version 3 unicast").show(|i| match i.old_unicast_checksum {
            // Marked unicast by a word that was of no use: without peers it changes nothing, and is a mark as well.
            OldChecksum::Detect if i.fault_no_peer && i.source.is_none() => Shown::Flag,
            OldChecksum::Detect => Shown::Nothing,
            OldChecksum::Yes => Shown::Flag,
            OldChecksum::Never => plain("never"),
        }),
    row("v3_checksum_as_v2", Switch(|d, on| d.instance.params.v3_checksum_as_v2 = on), "that of global_defs",
        "Version 3 checksums over IPv4 leave out the pseudo header").show(|i| switch(i.params.v3_checksum_as_v2)),
    row("kernel_rx_buf_size", Integer(int("bytes", 0, U32, |d, n| d.instance.receive_buffer = Some(fit(n))).strict()), "by vrrp_rx_bufs_policy",
        "Receive buffer of the socket").alone().show(|i| maybe(i.receive_buffer)),

    // Announcements.
    row("garp_master_delay", Integer(int("seconds", 0, 4294, |d, n| d.instance.params.garp.delay = whole_seconds(n))), "vrrp_garp_master_delay",
        "From the first burst to the second; 0: no second one").show(|i| plain(i.params.garp.delay.as_secs())),
    row("garp_master_repeat", Integer(int("", 0, U32, |d, n| d.instance.params.garp.repeat = fit(n)).at_least(1)), "vrrp_garp_master_repeat",
        "Gratuitous ARPs of a burst on becoming MASTER").show(|i| plain(i.params.garp.repeat)),
    row("garp_master_refresh", Integer(int("seconds", 0, U32, |d, n| d.instance.params.garp.refresh = whole_seconds(n)).or(0)), "vrrp_garp_master_refresh",
        "Period of gratuitous ARPs while MASTER").show(|i| plain(i.params.garp.refresh.as_secs())),
    row("garp_master_refresh_repeat", Integer(int("", 0, U32, |d, n| d.instance.params.garp.refresh_repeat = fit(n)).at_least(1)), "vrrp_garp_master_refresh_repeat",
        "Gratuitous ARPs of each period").show(|i| plain(i.params.garp.refresh_repeat)),
    row("garp_lower_prio_delay", Integer(int("seconds", 0, 4294, |d, n| d.lower_prio_delay = Some(whole_seconds(n)))), "vrrp_garp_lower_prio_delay; strict: 0",
        "From a burst after a lower priority to its second one").show(|i| plain(i.params.garp.lower_prio_delay.as_secs())),
    row("garp_lower_prio_repeat", Integer(int("", 0, 2_147_483_647, |d, n| d.lower_prio_repeat = Some(fit(n)))), "vrrp_garp_lower_prio_repeat; strict: 0",
        "Size of the burst after an advert of lower priority").show(|i| plain(i.params.garp.lower_prio_repeat)),
    row("garp_extra_if", Custom("[all] <seconds 0..86400>", |d, l| lists::extra_garp(&mut d.instance.garp_extra, l, 0)), "vrrp_garp_extra_if",
        "Period of gratuitous ARPs on other interfaces of addresses; 0: none").show(|i| lists::show_extra_garp(i.garp_extra)),
    row("vmac_garp_intvl", Custom("[all] <seconds 0..86400>", |d, l| lists::extra_garp(&mut d.instance.garp_extra, l, 0)), "vrrp_garp_extra_if",
        "Old spelling of garp_extra_if").replaced("garp_extra_if", true),

    // Election.
    row("nopreempt", Flag(|d| d.instance.params.preempt = false), "off",
        "Does not take over from a MASTER of lower priority").show(|i| flag(!i.params.preempt || i.nopreempt_gave_way)),
    row("preempt", Flag(|d| d.instance.params.preempt = true), "on",
        "Takes over from a MASTER of lower priority").show(|i| flag(i.params.preempt && !i.nopreempt_gave_way)),
    row("preempt_delay", Seconds(Decimal::new(0, 1_000_000_000, |d: &mut D, s| d.instance.params.preempt_delay = s).or_zero()), "0",
        "Waits before it takes over").show(|i| time(i.params.preempt_delay, Span::ZERO)),
    row("down_timer_adverts", Integer(int("adverts", 1, 100, |d, n| d.instance.params.down_timer_adverts = fit(n))), "vrrp_down_timer_adverts",
        "Missed adverts before a take-over").show(|i| plain(i.params.down_timer_adverts)),
    row("timer_expired_backup", Custom("[<1..254>]", read::timer_expired), "off; bare: 254",
        "Falls back to BACKUP when timers ran so late that a router of this priority may be MASTER").show(|i| maybe(i.params.timer_expired_backup)),
    row("thread_timer_expired", Custom("[<1..254>]", read::timer_expired), "off",
        "Other spelling of timer_expired_backup").replaced("timer_expired_backup", true),
    row("lower_prio_no_advert", Switch(|d, on| d.lower_prio_no_advert = Some(on)), "vrrp_lower_prio_no_advert; strict: on",
        "Does not answer adverts of lower priority").show(|i| either(i.params.lower_prio_no_advert)),
    row("higher_prio_send_advert", Switch(|d, on| d.instance.params.higher_prio_send_advert = on), "vrrp_higher_prio_send_advert; strict: off",
        "Sends one advert before yielding").show(|i| either(i.params.higher_prio_send_advert)),
    row("owner_ignore_adverts", Switch(|d, on| d.owner_ignore_adverts = Some(on)), "vrrp_owner_ignore_adverts; on under strict with 255",
        "An address owner discards adverts").show(|i| if i.params.owner_ignore_adverts { either(true) } else { Shown::Nothing }),
    row("skip_check_adv_addr", Custom("[on|off]", |d, l| super::global_read::switch_that_was_on(&mut d.instance.params.skip_check_adv_addr, l)), "vrrp_skip_check_adv_addr",
        "Does not check the address list again for the same MASTER").show(|i| switch(i.params.skip_check_adv_addr)),
    row("strict_mode", Switch(|d, on| d.instance.strict = on), "vrrp_strict",
        "Strict conformance to the RFC").show(|i| either(i.strict)),

    // Addresses.
    row("virtual_ipaddress", Lines("{ <ip>[/<len>] [<option> ...] ... }", addresses::advertised), "none",
        "Addresses that are advertised and moved").terms(address::moved_terms).show(|i| address::show(&i.addresses)),
    row("virtual_ipaddress_excluded", Lines("{ <ip>[/<len>] [<option> ...] ... }", addresses::excluded), "none",
        "Addresses that are moved but not advertised, of any family").terms(address::moved_terms).show(|i| address::show(&i.excluded)),
    row("no_virtual_ipaddress", Flag(|d| d.instance.no_addresses = true), "off",
        "It is meant to have no address").show(|i| flag(i.no_addresses)),
    row("promote_secondaries", Flag(|d| d.instance.promote_secondaries = true), "off",
        "Sets promote_secondaries of the interface").show(|i| flag(i.promote_secondaries)),
    row("virtual_routes", Lines(route::SYNTAX, virtual_route), "none",
        "Routes moved with mastership").terms(route::moved_terms).show(|i| super::show::entries(&i.routes, route::text)),
    row("virtual_rules", Lines(rule::SYNTAX, virtual_rule), "none",
        "Policy rules moved with mastership").terms(rule::moved_terms).show(|i| super::show::entries(&i.rules, rule::text)),
    row("accept", Flag(|d| d.accept = Some(true)), "on; under strict only with 255",
        "Takes packets to the addresses").show(|i| flag(i.accept)),
    row("no_accept", Flag(|d| d.accept = Some(false)), "off",
        "Drops packets to the addresses").show(|i| flag(!i.accept)),

    // Trackers.
    row("dont_track_primary", Flag(|d| d.instance.dont_track_primary = true), "off",
        "The state of the own interface does not matter").show(|i| flag(i.dont_track_primary)),
    row("track_interface", Lines(track::INTERFACE.syntax, |d, l| track::interface(&mut d.trackers, l)), "none",
        "Interfaces whose state is tracked").terms(|| track::INTERFACE.terms()).show(|i| track::show_interfaces(&i.track_interfaces)),
    row("track_script", Lines(track::SCRIPT.syntax, |d, l| track::SCRIPT.read(&mut d.trackers, |t| &mut t.scripts, l)), "none",
        "Scripts whose result is tracked").terms(|| track::SCRIPT.terms()),
    row("track_file", Lines(track::FILE.syntax, |d, l| track::FILE.read(&mut d.trackers, |t| &mut t.files, l)), "none",
        "Files whose number is tracked").terms(|| track::FILE.terms()),
    row("track_process", Lines(track::PROCESS.syntax, |d, l| track::PROCESS.read(&mut d.trackers, |t| &mut t.processes, l)), "none",
        "Process monitors that are tracked").terms(|| track::PROCESS.terms()),
    row("track_bfd", Lines(track::BFD.syntax, |d, l| track::BFD.read(&mut d.trackers, |t| &mut t.bfds, l)), "none",
        "BFD sessions that are tracked").terms(|| track::BFD.terms()),
    row("linkbeat_use_polling", Flag(|d| d.instance.linkbeat_polling = true), "off",
        "Polls the link of the interface").replaced("linkbeat_interfaces", true).show(|i| flag(i.linkbeat_polling)),

    // Reports.
    row("notify_master", script(|d| &mut d.instance.notify.master), "none",
        "Runs on becoming MASTER").first().show(|i| command(i.notify.master.as_ref())),
    row("notify_backup", script(|d| &mut d.instance.notify.backup), "none",
        "Runs on becoming BACKUP").first().show(|i| command(i.notify.backup.as_ref())),
    row("notify_fault", script(|d| &mut d.instance.notify.fault), "none",
        "Runs on entering FAULT").first().show(|i| command(i.notify.fault.as_ref())),
    row("notify_stop", script(|d| &mut d.instance.notify.stop), "none",
        "Runs when VRRP stops").first().show(|i| command(i.notify.stop.as_ref())),
    row("notify", script(|d| &mut d.instance.notify.any), "none",
        "Runs on any change; type, name, state and priority are appended").first().show(|i| command(i.notify.any.as_ref())),
    row("notify_master_rx_lower_pri", script(|d| &mut d.instance.notify.master_rx_lower_pri), "none",
        "Runs when a MASTER hears a lower priority").first().show(|i| command(i.notify.master_rx_lower_pri.as_ref())),
    row("notify_deleted", Custom("[<command> [<user> [[:]<group>]]]", read::notify_deleted), "off",
        "Reports DELETED when a reload removes it").first().show(|i| match (i.notify.deleted, &i.notify.deleted_script) {
            (false, _) => Shown::Nothing,
            (true, None) => Shown::Flag,
            (true, script) => command(script.as_ref()),
        }),
    row("notify_priority_changes", Switch(|d, on| d.notify_priority_changes = Some(on)), "that of the sync group, then vrrp_notify_priority_changes",
        "Reports changes of priority on pipes").show(|i| either(i.notify_priority_changes)),
    row("smtp_alert", Switch(|d, on| d.smtp_alert = Some(on)), "smtp_alert_vrrp, then smtp_alert, then off",
        "Mails transitions").aside().show(|i| either(i.smtp_alert)),
    row("lvs_sync_daemon_interface", Interface(|d, name| d.instance.lvs_sync_interface = Some(Box::new(name))), "none",
        "Old way to start the IPVS synchronisation").replaced("lvs_sync_daemon in global_defs", true).show(|i| interface(i.lvs_sync_interface.as_deref())),
    row("debug", Integer(int("", 0, 4, |d, n| d.instance.debug = fit(n))), "0",
        "Accepted without effect").never().show(|i| unless(i.debug, &0)),
];

const fn script(field: fn(&mut D) -> &mut Option<crate::config::model::ScriptCommand>) -> Kind<D, I> {
    Script(field)
}

/// A line of `virtual_routes`.
fn virtual_route(draft: &mut D, line: &mut Line<'_>) {
    if let Some((route, _)) = route::read(line, &draft.names, false) {
        draft.instance.routes.push(route);
    }
}

/// A line of `virtual_rules`.
fn virtual_rule(draft: &mut D, line: &mut Line<'_>) {
    if let Some((rule, _)) = rule::read(line, &draft.names, false, &mut draft.preferences) {
        draft.instance.rules.push(rule);
    }
}
