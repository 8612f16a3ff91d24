//! The section of the global definitions, which every process writes first.

use core::fmt::{self, Write};
use std::ffi::CString;

use super::machine::Machine;
use super::{Or, Owner, Quoted, Seconds, enabled, section};
use crate::base::time::Span;
use crate::config::model::global::{Buffer, Fifo, Flush, Policy, Scheduling};
use crate::config::model::{Daemon, Global, ScriptCommand};
use crate::proto::vrrp::Version;

/// Writes the section.
///
/// # Errors
/// What `out` says.
pub fn global(out: &mut dyn Write, daemon: &Daemon, global: &Global, machine: &Machine) -> fmt::Result {
    section(out, &"Global definitions")?;
    names(out, daemon, global, machine)?;
    mail(out, global, machine)?;
    reloads(out, global, machine)?;
    vrrp(out, global)?;
    firewall(out, global)?;
    checks(out, global)?;
    scheduling(out, "VRRP", &global.vrrp_process)?;
    scheduling(out, "Checker", &global.checker_process)?;
    scheduling(out, "BFD", &global.bfd_process)?;
    monitoring(out, global)?;
    writeln!(out, " Script security {}", enabled(global.scripts.security))?;
    writeln!(out, " Default script uid:gid {}", machine.script_owner)?;
    buffers(out, global)?;
    rest(out, global)
}

fn names(out: &mut dyn Write, daemon: &Daemon, global: &Global, machine: &Machine) -> fmt::Result {
    let namespace = daemon.net_namespace.as_deref();
    writeln!(out, " Network namespace = {}", Or(namespace, "(default)"))?;
    let ipvs = match daemon.net_namespace_ipvs.as_deref() {
        Some("") => Some("(default)"),
        other => other,
    };
    writeln!(out, " Network namespace ipvs = {}", Or(ipvs, "(main namespace)"))?;
    let scripts = &global.scripts;
    writeln!(out, " Replace symlinks in script paths = {}", !scripts.use_symlink_paths)?;
    let set = if scripts.supplementary_groups { "Set" } else { "Don't set" };
    writeln!(out, " {set} supplementary groups for all scripts")?;
    if let Some(instance) = &daemon.instance {
        writeln!(out, " Instance name = {instance}")?;
    }
    let router_id = global.files.router_id.as_deref().unwrap_or(&machine.host);
    writeln!(out, " Router ID = {router_id}")
}

fn mail(out: &mut dyn Write, global: &Global, machine: &Machine) -> fmt::Result {
    let mail = &global.mail;
    if let Some((server, port)) = &mail.server {
        writeln!(out, " Smtp server = {server}")?;
        writeln!(out, " Smtp server port = {port}")?;
        let helo = mail.helo_name.as_deref().unwrap_or(&machine.host);
        writeln!(out, " Smtp HELO name = {helo}")?;
        writeln!(out, " Smtp server connection timeout = {}", mail.connect_timeout.as_secs())?;
    }
    if let Some(from) = &mail.from {
        writeln!(out, " Email notification from = {from}")?;
    }
    if !mail.to.is_empty() {
        out.write_str(" Email notification to:\n")?;
        for to in &mail.to {
            writeln!(out, "   {to}")?;
        }
    }
    let alert = |alert: Option<bool>| Or(alert.map(|on| if on { "on" } else { "off" }), "unset");
    writeln!(out, " Default smtp_alert = {}", alert(mail.alert))?;
    writeln!(out, " Default smtp_alert_vrrp = {}", alert(mail.alert_vrrp))?;
    writeln!(out, " Default smtp_alert_checker = {}", alert(mail.alert_checker))?;
    writeln!(out, " Checkers log all failures = {}", mail.checker_log_all_failures)
}

fn reloads(out: &mut dyn Write, global: &Global, machine: &Machine) -> fmt::Result {
    let files = &global.files;
    match files.reload_check_config.as_deref() {
        None => out.write_str(" No test config before reload\n")?,
        Some("") => out.write_str(" Test config before reload\n")?,
        Some(log) => writeln!(out, " Test config before reload, log to {log}")?,
    }
    if let Some(file) = &files.reload_time_file {
        writeln!(out, " Reload time file = {file}")?;
        if files.reload_repeat {
            out.write_str(" Reload repeat\n")?;
        }
    }
    let scripts = &global.scripts;
    script(out, "Startup", scripts.startup.as_ref(), scripts.startup_timeout, machine)?;
    script(out, "Shutdown", scripts.shutdown.as_ref(), scripts.shutdown_timeout, machine)?;
    let vrrp = &global.vrrp;
    writeln!(out, " Dynamic interfaces = {}", vrrp.dynamic_interfaces)?;
    if vrrp.dynamic_interfaces {
        writeln!(out, " Allow interface changes = {}", vrrp.allow_if_changes)?;
    }
    if global.mail.no_faults {
        out.write_str(" Send emails for fault transitions = off\n")?;
    }
    let default = vrrp.default_interface.as_ref().map(|named| named.name.as_str());
    writeln!(out, " Default interface = {}", Or(default, "eth0"))?;
    let disabled = if vrrp.disable_local_igmp { "yes" } else { "no" };
    writeln!(out, " Disable local IGMP = {disabled}")?;
    writeln!(out, " Use VRRPv2 checksum for VRRPv3 IPv4 = {}", vrrp.v3_checksum_as_v2)?;
    let lvs = &global.lvs;
    writeln!(out, " LVS flush = {}", lvs.flush)?;
    let flush = match lvs.flush_on_stop {
        None => "disabled",
        Some(Flush::All) => "full",
        Some(Flush::Own) => "VS",
    };
    writeln!(out, " LVS flush on stop = {flush}")?;
    fifo(out, "Global", &global.fifo, machine)?;
    fifo(out, "VRRP", &global.vrrp_fifo, machine)?;
    fifo(out, "LVS", &global.lvs_fifo, machine)?;
    let states = global.fifo_states_on_reload;
    writeln!(out, " FIFO write vrrp states on reload = {states}")
}

fn words(command: &ScriptCommand) -> Quoted<impl Iterator<Item = &[u8]> + Clone> {
    Quoted(command.argv.iter().map(|word: &CString| word.to_bytes()))
}

fn script(
    out: &mut dyn Write,
    when: &str,
    command: Option<&ScriptCommand>,
    timeout: Span,
    machine: &Machine,
) -> fmt::Result {
    let Some(command) = command else { return Ok(()) };
    let (words, owner) = (words(command), machine.owner_of(command.identity.as_ref()));
    writeln!(out, " {when} script = {words}, uid:gid {owner}, timeout {}", Seconds(timeout))
}

fn fifo(out: &mut dyn Write, whose: &str, fifo: &Fifo, machine: &Machine) -> fmt::Result {
    let Some(path) = &fifo.path else { return Ok(()) };
    // A pipe that names nobody belongs to the daemon.
    let owner =
        fifo.identity.as_ref().map_or_else(Owner::default, |identity| machine.owner_of(Some(identity)));
    writeln!(out, " {whose} notify fifo = {path}, uid:gid {owner}")?;
    let Some(command) = &fifo.script else {
        return Ok(());
    };
    let (words, owner) = (words(command), machine.owner_of(command.identity.as_ref()));
    writeln!(out, " {whose} notify fifo script = {words} '{path}', uid:gid {owner}")
}

fn vrrp(out: &mut dyn Write, global: &Global) -> fmt::Result {
    let vrrp = &global.vrrp;
    let garp = &vrrp.garp;
    writeln!(out, " VRRP notify priority changes = {}", vrrp.notify_priority_changes)?;
    writeln!(out, " VRRP IPv4 mcast group = {}", vrrp.group4)?;
    writeln!(out, " VRRP IPv6 mcast group = {}", vrrp.group6)?;
    writeln!(out, " Gratuitous ARP delay = {}", Seconds(garp.delay))?;
    writeln!(out, " Gratuitous ARP repeat = {}", garp.repeat)?;
    writeln!(out, " Gratuitous ARP refresh timer = {}", Seconds(garp.refresh))?;
    writeln!(out, " Gratuitous ARP refresh repeat = {}", garp.refresh_repeat)?;
    let delay = vrrp.garp_lower_prio_delay.unwrap_or(garp.delay);
    writeln!(out, " Gratuitous ARP lower priority delay = {}", Seconds(delay))?;
    let repeat = vrrp.garp_lower_prio_repeat.unwrap_or(garp.repeat);
    writeln!(out, " Gratuitous ARP lower priority repeat = {repeat}")?;
    writeln!(out, " Num adverts before down = {}", vrrp.down_timer_adverts)?;
    let extra = vrrp.garp_extra.map_or(Span::ZERO, |extra| extra.interval);
    let which = if vrrp.garp_extra.is_some_and(|extra| extra.all) { "i/f" } else { "VMAC" };
    writeln!(out, " Gratuitous ARP for each secondary {which} = {}s", Seconds(extra))?;
    let answers = !vrrp.lower_prio_no_advert.unwrap_or(vrrp.strict);
    writeln!(out, " Send advert after receive lower priority advert = {answers}")?;
    let yields = vrrp.higher_prio_send_advert;
    writeln!(out, " Send advert after receive higher priority advert = {yields}")?;
    writeln!(out, " Gratuitous ARP interval = {}", vrrp.garp_interval)?;
    writeln!(out, " Gratuitous NA interval = {}", vrrp.gna_interval)?;
    let version = match vrrp.version {
        None | Some(Version::V2) => 2,
        Some(Version::V3) => 3,
    };
    writeln!(out, " VRRP default protocol version = {version}")
}

fn firewall(out: &mut dyn Write, global: &Global) -> fmt::Result {
    let firewall = &global.firewall;
    if let Some(table) = &firewall.nftables {
        writeln!(out, " nftables table name = {table}")?;
        let priority = firewall.nftables_priority.unwrap_or(-1);
        writeln!(out, " nftables base chain priority = {priority}")?;
        let not = if firewall.nftables_ifindex { "" } else { "don't " };
        writeln!(out, " nftables {not}force use ifindex for link local IPv6")?;
    }
    let with = if firewall.nftables_counters { "with" } else { "without" };
    writeln!(out, " nftables {with} counters")
}

fn checks(out: &mut dyn Write, global: &Global) -> fmt::Result {
    let vrrp = &global.vrrp;
    writeln!(out, " VRRP check unicast_src = {}", vrrp.check_unicast_src)?;
    writeln!(out, " VRRP skip check advert addresses = {}", vrrp.skip_check_adv_addr)?;
    writeln!(out, " VRRP strict mode = {}", vrrp.strict)?;
    writeln!(out, " Max auto priority = {}", global.max_auto_priority)?;
    let delay = global.min_auto_priority_delay.unwrap_or(Span::from_secs(1));
    writeln!(out, " Min auto priority delay = {} usecs", delay.as_micros())
}

fn scheduling(out: &mut dyn Write, whose: &str, how: &Scheduling) -> fmt::Result {
    writeln!(out, " {whose} process priority = {}", how.nice)?;
    writeln!(out, " {whose} don't swap = {}", how.no_swap)?;
    writeln!(out, " {whose} realtime priority = {}", how.realtime.unwrap_or(0))?;
    if !how.cpus.is_empty() {
        write!(out, " {whose} CPU Affinity = ")?;
        for cpu in &how.cpus {
            write!(out, " {cpu}")?;
        }
        out.write_char('\n')?;
    }
    writeln!(out, " {whose} realtime limit = {}", how.rlimit_rttime.unwrap_or(10_000))
}

fn monitoring(out: &mut dyn Write, global: &Global) -> fmt::Result {
    let monitoring = &global.monitoring;
    for (what, on) in [
        ("vrrp", monitoring.snmp_vrrp),
        ("checker", monitoring.snmp_checker),
        ("RFCv2", monitoring.snmp_rfcv2),
        ("RFCv3", monitoring.snmp_rfcv3),
        ("traps", monitoring.traps),
    ] {
        writeln!(out, " SNMP {what} {}", enabled(on))?;
    }
    let socket = monitoring.snmp_socket.as_deref();
    writeln!(out, " SNMP socket = {}", Or(socket, "default (unix:/var/agentx/master)"))?;
    writeln!(out, " DBus {}", enabled(monitoring.dbus))?;
    writeln!(out, " DBus service name = {}", Or(monitoring.dbus_service.as_deref(), ""))
}

fn buffers(out: &mut dyn Write, global: &Global) -> fmt::Result {
    let buffers = &global.buffers;
    for (name, Buffer { bytes, force }) in [
        ("vrrp_netlink_cmd", buffers.vrrp_command),
        ("vrrp_netlink_monitor", buffers.vrrp_monitor),
        ("process_monitor", buffers.process_monitor),
        ("lvs_netlink_cmd", buffers.lvs_command),
        ("lvs_netlink_monitor", buffers.lvs_monitor),
    ] {
        writeln!(out, " {name}_rcv_bufs = {}", bytes.unwrap_or(0))?;
        writeln!(out, " {name}_rcv_bufs_force = {}", u8::from(force))?;
    }
    Ok(())
}

fn rest(out: &mut dyn Write, global: &Global) -> fmt::Result {
    let (files, vrrp) = (&global.files, &global.vrrp);
    writeln!(out, " rs_init_notifies = {}", u8::from(global.lvs.init_notifies))?;
    writeln!(out, " no_checker_emails = {}", u8::from(global.mail.no_checker_emails))?;
    match global.buffers.policy {
        None => {}
        Some(Policy::Mtu) => out.write_str(" rx_bufs_policy = MTU\n")?,
        Some(Policy::Advert) => out.write_str(" rx_bufs_policy = ADVERT\n")?,
        Some(Policy::Bytes(bytes)) => writeln!(out, " rx_bufs_size = {bytes}")?,
    }
    writeln!(out, " rx_bufs_multiples = {}", global.buffers.multiplier.unwrap_or(3))?;
    writeln!(out, " umask = 0{:o}", files.umask.unwrap_or(0o177))?;
    writeln!(out, " json_version = {}", files.json_version.unwrap_or(1))?;
    if let Some(folder) = &files.iproute_usr_dir {
        writeln!(out, " iproute usr directory = {folder}")?;
    }
    if let Some(folder) = &files.iproute_etc_dir {
        writeln!(out, " iproute etc directory = {folder}")?;
    }
    if !vrrp.startup_delay.is_zero() {
        writeln!(out, " vrrp_startup_delay = {}", Seconds(vrrp.startup_delay))?;
    }
    if vrrp.log_unknown_vrids {
        out.write_str(" log_unknown_vrids\n")?;
    }
    if let Some(prefix) = &vrrp.vmac_prefix {
        writeln!(out, " VMAC prefix = {prefix}")?;
    }
    if let Some(prefix) = &vrrp.vmac_addr_prefix {
        writeln!(out, " VMAC address prefix = {prefix}")?;
    }
    Ok(())
}
