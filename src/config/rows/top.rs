//! The outermost level: flags of the daemon, and the blocks.

use super::network;
use super::show::{flag, text, text_or_flag, unless};
use crate::base::feature;
use crate::config::line::Line;
use crate::config::model::Daemon;
use crate::config::row::Kind::{self, Custom, Flag, Integer, Object, Text};
use crate::config::row::{Integer as Whole, Row, fit};

/// A row of this table: fixes the types, so that closures need none.
const fn row(
    name: &'static str,
    kind: Kind<Daemon, Daemon>,
    default: &'static str,
    meaning: &'static str,
) -> Row<Daemon, Daemon> {
    Row::new(name, kind, default, meaning)
}

/// Every keyword of the outermost level. `global_defs` is an object, too: its rows write another part of the
/// model.
#[rustfmt::skip]
pub static ROWS: &[Row<Daemon, Daemon>] = &[
    row("global_defs", Object("{ ... }"), "none", "Settings of the daemon; they hold wherever it stands"),
    row("net_namespace", Text("<name>", |d, w| d.net_namespace = Some(w.text.to_owned())), "none",
        "Network namespace of all processes").expected().first().fixed().show(|d| text(d.net_namespace.as_ref())),
    row("net_namespace_ipvs", Custom("[<name>]", net_namespace_ipvs), "same namespace; empty: the default one",
        "Network namespace of IPVS").first().fixed().show(|d| text_or_flag(d.net_namespace_ipvs.as_ref())),
    row("namespace_with_ipsets", Flag(|d| d.namespace_with_ipsets = true), "off",
        "Permits ipsets in a namespace on kernels before 3.13").never().show(|d| flag(d.namespace_with_ipsets)),
    row("use_pid_dir", Flag(|d| d.use_pid_dir = true), "off; on with instance or net_namespace",
        "Pid files go to the directory of the program").fixed().show(|d| flag(d.use_pid_dir)),
    row("instance", Text("<name>", |d, w| d.instance = Some(w.text.to_owned())), "none",
        "Names this daemon for pid and log files").expected().first().fixed().show(|d| text(d.instance.as_ref())),
    row("child_wait_time", Integer(Whole::new("seconds", 0..=u32::MAX as i64, |d: &mut Daemon, n| d.child_wait_time = fit(n)).strict()), "5",
        "Time that children have to stop").show(|d| unless(d.child_wait_time, &5)),
    row("linkbeat_use_polling", Flag(|d| d.linkbeat_use_polling = true), "off",
        "Polls the link of all VRRP interfaces").show(|d| flag(d.linkbeat_use_polling)),
    row("vrrp_script", Object("<name> { ... }"), "none", "A script that is run periodically"),
    row("vrrp_instance", Object("<name> { ... }"), "none", "A virtual router"),
    row("vrrp_sync_group", Object("<name> { ... }"), "none", "Instances that change state together"),
    row("linkbeat_interfaces", Object(network::LINKBEAT), "none", "Interfaces whose link is polled").terms(network::linkbeat_terms),
    row("track_group", Object("<name> { ... }"), "none", "Instances that static items follow"),
    row("static_ipaddress", Object(network::ADDRESSES), "none", "Addresses that never move").terms(network::address_terms),
    row("static_routes", Object(network::ROUTES), "none", "Routes that never move").terms(network::route_terms),
    row("static_rules", Object(network::RULES), "none", "Policy rules that never move").terms(network::rule_terms),
    row("track_file", Object("<name> { ... }"), "none", "A file whose number changes priorities"),
    row("vrrp_track_file", Object("<name> { ... }"), "none", "Older name of track_file").replaced("track_file", false),
    row("vrrp_track_process", Object("<name> { ... }"), "none", "Processes whose presence changes priorities"),
    row("bfd_instance", Object("<name> { ... }"), "none", "A BFD session").needs(&feature::BFD),
    row("garp_group", Object("{ ... }"), "none", "Spacing of gratuitous ARPs on interfaces"),
    row("interface_up_down_delays", Object(network::DELAYS), "none", "How long changes of interfaces must last before they count").terms(network::delay_terms),
    row("SSL", Object("{ ... }"), "none", "Key and certificates of SSL_GET"),
    row("virtual_server_group", Object("<name> { ... }"), "none", "Addresses and marks of virtual servers"),
    row("virtual_server", Object("<ip> [<port>] | fwmark <mark> | group <name> { ... }"), "none", "An IPVS service").needs(&feature::LVS),
];

fn net_namespace_ipvs(daemon: &mut Daemon, line: &mut Line<'_>) {
    daemon.net_namespace_ipvs = Some(line.arg(0).map_or("", |word| word.text).to_owned());
}
