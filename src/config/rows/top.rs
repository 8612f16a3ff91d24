//! The outermost level: flags of the daemon, and the blocks.

use super::show::{flag, text, text_or_flag, unless};
use crate::config::keyword::Line;
use crate::config::model::Daemon;
use crate::config::row::Kind::{Custom, Flag, Integer, Object, Skipped, Text};
use crate::config::row::{Integer as Whole, Row, fit};

/// Every keyword of the outermost level. `global_defs` is an object, too: its rows write another part of the
/// model.
#[rustfmt::skip]
pub static ROWS: &[Row<Daemon, Daemon>] = &[
    Row::new("global_defs", Object("{ ... }"), "none", "Settings of the daemon; they hold wherever it stands"),
    Row::new("net_namespace", Text("<name>", |d, w| d.net_namespace = Some(w.text.to_owned())), "none",
        "Network namespace of all processes").expected().first().fixed().later().show(|d| text(d.net_namespace.as_ref())),
    Row::new("net_namespace_ipvs", Custom("[<name>]", net_namespace_ipvs), "same namespace; empty: the default one",
        "Network namespace of IPVS").first().fixed().later().show(|d| text_or_flag(d.net_namespace_ipvs.as_ref())),
    Row::new("namespace_with_ipsets", Flag(|d| d.namespace_with_ipsets = true), "off",
        "Permits ipsets in a namespace on kernels before 3.13").later().show(|d| flag(d.namespace_with_ipsets)),
    Row::new("use_pid_dir", Flag(|d| d.use_pid_dir = true), "off; on with instance or net_namespace",
        "Pid files go to the directory of the program").fixed().show(|d| flag(d.use_pid_dir)),
    Row::new("instance", Text("<name>", |d, w| d.instance = Some(w.text.to_owned())), "none",
        "Names this daemon for pid and log files").expected().first().fixed().show(|d| text(d.instance.as_ref())),
    Row::new("child_wait_time", Integer(Whole::new("seconds", 0..=u32::MAX as i64, |d: &mut Daemon, n| d.child_wait_time = fit(n)).strict()), "5",
        "Time that children have to stop").show(|d| unless(d.child_wait_time, &5)),
    Row::new("linkbeat_use_polling", Flag(|d| d.linkbeat_use_polling = true), "off",
        "Polls the link of all VRRP interfaces").later().show(|d| flag(d.linkbeat_use_polling)),
    Row::new("vrrp_script", Object("<name> { ... }"), "none", "A script that is run periodically"),
    Row::new("vrrp_instance", Object("<name> { ... }"), "none", "A virtual router"),
    Row::new("vrrp_sync_group", Skipped("<name> { ... }"), "none", "Instances that change state together").later(),
    Row::new("linkbeat_interfaces", Skipped("{ ... }"), "none", "Interfaces whose link is polled").later(),
    Row::new("track_group", Skipped("<name> { ... }"), "none", "Instances that static items follow").later(),
    Row::new("static_ipaddress", Skipped("{ ... }"), "none", "Addresses that never move").later(),
    Row::new("static_routes", Skipped("{ ... }"), "none", "Routes that never move").later(),
    Row::new("static_rules", Skipped("{ ... }"), "none", "Policy rules that never move").later(),
    Row::new("track_file", Skipped("<name> { ... }"), "none", "A file whose number changes priorities").later(),
    Row::new("vrrp_track_file", Skipped("<name> { ... }"), "none", "Older name of track_file").later().replaced("track_file", false),
    Row::new("vrrp_track_process", Skipped("<name> { ... }"), "none", "A process whose presence changes priorities").later(),
    Row::new("bfd_instance", Skipped("<name> { ... }"), "none", "A BFD session").later(),
    Row::new("garp_group", Skipped("{ ... }"), "none", "Spacing of gratuitous ARPs on interfaces").later(),
    Row::new("interface_up_down_delays", Skipped("{ ... }"), "none", "Delays of changes of interfaces").later(),
    Row::new("SSL", Skipped("{ ... }"), "none", "Key and certificates of SSL_GET").later(),
    Row::new("virtual_server_group", Skipped("<name> { ... }"), "none", "Addresses and marks of virtual servers").later(),
    Row::new("virtual_server", Skipped("<ip> [<port>] | fwmark <mark> | group <name> { ... }"), "none", "An IPVS service").later(),
];

fn net_namespace_ipvs(daemon: &mut Daemon, line: &mut Line<'_>) {
    daemon.net_namespace_ipvs = Some(line.arg(0).map_or("", |word| word.text).to_owned());
}
