//! `global_defs`: settings of the daemon, and defaults that objects inherit.

use super::instance::ExtraGarp;
use super::script::{Identity, ScriptCommand};
use super::{At, Named};
use crate::base::addr::{Ipv4Addr, Ipv6Addr};
use crate::base::name::IfName;
use crate::base::time::Span;
use crate::proto::vrrp::{GarpParams, Version};

/// All settings of `global_defs`.
#[derive(Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Clone))]
pub struct Global {
    /// Names, files and directories of the daemon.
    pub files: Files,
    /// `process_name` and its kind.
    pub names: Names,
    /// `no_confinement`: children keep all privileges.
    pub no_confinement: bool,
    /// How the VRRP process is scheduled.
    pub vrrp_process: Scheduling,
    /// How the checker process is scheduled.
    pub checker_process: Scheduling,
    /// How the BFD process is scheduled.
    pub bfd_process: Scheduling,
    /// `max_auto_priority`: ceiling of the automatic realtime priority; 0 off, -1 off without a notice.
    pub max_auto_priority: i8,
    /// `min_auto_priority_delay`; none: 1 s.
    pub min_auto_priority_delay: Option<Span>,
    /// Identities and security of scripts, and those of start and stop.
    pub scripts: Scripts,
    /// Alert mail.
    pub mail: Mail,
    /// Defaults of instances, and what VRRP as a whole does.
    pub vrrp: Vrrp,
    /// Firewall of VRRP and IPVS.
    pub firewall: Firewall,
    /// `notify_fifo`
    pub fifo: Fifo,
    /// `vrrp_notify_fifo`
    pub vrrp_fifo: Fifo,
    /// `lvs_notify_fifo`
    pub lvs_fifo: Fifo,
    /// `fifo_write_vrrp_states_on_reload`
    pub fifo_states_on_reload: bool,
    /// The control socket.
    pub control: Control,
    /// Receive buffers.
    pub buffers: Buffers,
    /// IPVS.
    pub lvs: Lvs,
    /// SNMP and DBus.
    pub monitoring: Monitoring,
}

/// Names, files and directories of the daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// `router_id`; none: the host name.
    pub router_id: Option<String>,
    /// `tmp_config_directory`
    pub tmp_config_directory: Option<String>,
    /// `config_save_dir`
    pub config_save_dir: Option<String>,
    /// `umask`; none: 0177.
    pub umask: Option<u16>,
    /// `reload_check_config`: the log of the check; empty: none.
    pub reload_check_config: Option<String>,
    /// `reload_time_file`
    pub reload_time_file: Option<String>,
    /// `reload_repeat`
    pub reload_repeat: bool,
    /// `reload_file`: empty is the standard place.
    pub reload_file: Option<String>,
    /// `data_use_instance`: instance and namespace are part of dump file names.
    pub data_use_instance: bool,
    /// `state_dump_file`
    pub state_dump_file: Option<String>,
    /// `stats_dump_file`
    pub stats_dump_file: Option<String>,
    /// `json_dump_file`
    pub json_dump_file: Option<String>,
    /// `json_version`, 1 or 2; none: 1.
    pub json_version: Option<u8>,
    /// `iproute_usr_dir`
    pub iproute_usr_dir: Option<String>,
    /// `iproute_etc_dir`
    pub iproute_etc_dir: Option<String>,
    /// `random_seed`: without effect, as in keepalived.
    pub random_seed: Option<u32>,
}

/// The socket that clients ask at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// `control_socket`; `none`: there is none.
    pub path: Option<String>,
    /// `control_socket_mode`; none: 0660.
    pub mode: Option<u16>,
    /// `control_socket_group`; none: root and the owner alone.
    pub group: Option<String>,
    /// `control_http`; none: there is no monitoring port.
    pub http: Option<core::net::SocketAddr>,
}

/// Names of processes, at most 15 bytes each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// `process_names`: children have their standard names.
    pub standard: bool,
    /// `process_name`
    pub parent: Option<String>,
    /// `vrrp_process_name`
    pub vrrp: Option<String>,
    /// `checker_process_name`
    pub checker: Option<String>,
    /// `bfd_process_name`
    pub bfd: Option<String>,
}

/// How a process is scheduled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// Nice level, -20 to 19.
    pub nice: i8,
    /// Locked in memory.
    pub no_swap: bool,
    /// Processors; empty: all.
    pub cpus: Vec<u16>,
    /// Realtime round-robin priority, 1 to 99.
    pub realtime: Option<u8>,
    /// Microseconds of realtime without a system call; none: 10,000.
    pub rlimit_rttime: Option<u32>,
}

/// Identities and security of scripts, and those of start and stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scripts {
    /// `script_user`
    pub user: Option<Identity>,
    /// Where `script_user` stands.
    pub user_at: At,
    /// `enable_script_security`
    pub security: bool,
    /// `use_symlink_paths`
    pub use_symlink_paths: bool,
    /// `set_supplementary_groups`
    pub supplementary_groups: bool,
    /// `startup_script`
    pub startup: Option<ScriptCommand>,
    /// `startup_script_timeout`
    pub startup_timeout: Span,
    /// `shutdown_script`
    pub shutdown: Option<ScriptCommand>,
    /// `shutdown_script_timeout`
    pub shutdown_timeout: Span,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            user: None,
            user_at: At::default(),
            security: false,
            use_symlink_paths: false,
            supplementary_groups: false,
            startup: None,
            startup_timeout: Span::from_secs(10),
            shutdown: None,
            shutdown_timeout: Span::from_secs(10),
        }
    }
}

/// Alert mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `notification_email`
    pub to: Vec<String>,
    /// `notification_email_from`
    pub from: Option<String>,
    /// `smtp_server`: address or name, and port.
    pub server: Option<(String, u16)>,
    /// `smtp_helo_name`
    pub helo_name: Option<String>,
    /// `smtp_connect_timeout`
    pub connect_timeout: Span,
    /// `smtp_alert`
    pub alert: Option<bool>,
    /// `smtp_alert_vrrp`
    pub alert_vrrp: Option<bool>,
    /// `smtp_alert_checker`
    pub alert_checker: Option<bool>,
    /// `no_email_faults`
    pub no_faults: bool,
    /// `no_checker_emails`
    pub no_checker_emails: bool,
    /// `checker_log_all_failures`
    pub checker_log_all_failures: bool,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            to: Vec::new(),
            from: None,
            server: None,
            helo_name: None,
            connect_timeout: Span::from_secs(30),
            alert: None,
            alert_vrrp: None,
            alert_checker: None,
            no_faults: false,
            no_checker_emails: false,
            checker_log_all_failures: false,
        }
    }
}

/// Defaults of instances, and what VRRP as a whole does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one keyword")]
pub struct Vrrp {
    /// `vrrp_version`; none: 2, and 3 for IPv6.
    pub version: Option<Version>,
    /// `vrrp_mcast_group4`
    pub group4: Ipv4Addr,
    /// `vrrp_mcast_group6`
    pub group6: Ipv6Addr,
    /// `v3_checksum_as_v2`
    pub v3_checksum_as_v2: bool,
    /// `vrrp_garp_master_*`; those after a lower priority are in the next two fields.
    pub garp: GarpParams,
    /// `vrrp_garp_master_repeat` as written; none: 5, or 1 with `vrrp_min_garp`.
    pub garp_master_repeat: Option<u32>,
    /// `vrrp_garp_master_delay` as written; none: 5 s, or none with `vrrp_min_garp`.
    pub garp_master_delay: Option<Span>,
    /// `vrrp_garp_lower_prio_repeat`; none: the repeat.
    pub garp_lower_prio_repeat: Option<u32>,
    /// `vrrp_garp_lower_prio_delay`; none: the delay.
    pub garp_lower_prio_delay: Option<Span>,
    /// `vrrp_garp_interval`: between two gratuitous ARPs on an interface.
    pub garp_interval: Span,
    /// `vrrp_gna_interval`: between two neighbour advertisements on an interface.
    pub gna_interval: Span,
    /// `vrrp_min_garp`
    pub min_garp: bool,
    /// `vrrp_garp_extra_if`
    pub garp_extra: Option<ExtraGarp>,
    /// `vrrp_down_timer_adverts`
    pub down_timer_adverts: u8,
    /// `vrrp_lower_prio_no_advert`; none: off, and on under strict mode.
    pub lower_prio_no_advert: Option<bool>,
    /// `vrrp_higher_prio_send_advert`: on unless switched off, unlike in keepalived.
    pub higher_prio_send_advert: bool,
    /// `vrrp_check_unicast_src`
    pub check_unicast_src: bool,
    /// `vrrp_skip_check_adv_addr`
    pub skip_check_adv_addr: bool,
    /// `vrrp_strict`
    pub strict: bool,
    /// `vrrp_owner_ignore_adverts`
    pub owner_ignore_adverts: Option<bool>,
    /// `vrrp_notify_priority_changes`
    pub notify_priority_changes: bool,
    /// `vrrp_startup_delay`
    pub startup_delay: Span,
    /// `vrrp_delay_after_boot`
    pub delay_after_boot: Span,
    /// `log_unknown_vrids`
    pub log_unknown_vrids: bool,
    /// `vmac_prefix`; none: `vrrp`.
    pub vmac_prefix: Option<String>,
    /// `vmac_addr_prefix`; none: `vmac_prefix`.
    pub vmac_addr_prefix: Option<String>,
    /// `default_interface`; none: eth0.
    pub default_interface: Option<Named>,
    /// `disable_local_igmp`
    pub disable_local_igmp: bool,
    /// `dynamic_interfaces`: interfaces may come later.
    pub dynamic_interfaces: bool,
    /// `dynamic_interfaces allow_if_changes`: an interface may come back as another kind.
    pub allow_if_changes: bool,
}

impl Default for Vrrp {
    fn default() -> Self {
        Self {
            version: None,
            group4: Ipv4Addr::new(224, 0, 0, 18),
            group6: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12),
            v3_checksum_as_v2: false,
            garp: GarpParams::default(),
            garp_master_repeat: None,
            garp_master_delay: None,
            garp_lower_prio_repeat: None,
            garp_lower_prio_delay: None,
            garp_interval: Span::ZERO,
            gna_interval: Span::ZERO,
            min_garp: false,
            garp_extra: None,
            down_timer_adverts: 3,
            lower_prio_no_advert: None,
            higher_prio_send_advert: true,
            check_unicast_src: false,
            skip_check_adv_addr: false,
            strict: false,
            owner_ignore_adverts: None,
            notify_priority_changes: false,
            startup_delay: Span::ZERO,
            delay_after_boot: Span::ZERO,
            log_unknown_vrids: false,
            vmac_prefix: None,
            vmac_addr_prefix: None,
            default_interface: None,
            disable_local_igmp: false,
            dynamic_interfaces: false,
            allow_if_changes: false,
        }
    }
}

/// Firewall of VRRP and IPVS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firewall {
    /// `nftables`: the table.
    pub nftables: Option<String>,
    /// `nftables_priority`; none: -1.
    pub nftables_priority: Option<i32>,
    /// `nftables_counters`
    pub nftables_counters: bool,
    /// `nftables_ifindex`
    pub nftables_ifindex: bool,
    /// `nftables_ipvs`: the table.
    pub nftables_ipvs: Option<String>,
    /// `nftables_ipvs_priority`; none: -1.
    pub nftables_ipvs_priority: Option<i32>,
    /// `nftables_ipvs_start_fwmark`; none: 1000.
    pub nftables_ipvs_mark: Option<u32>,
    /// `vrrp_iptables`: the chains in and out; one alone: none out; empty: INPUT and OUTPUT.
    pub iptables: Option<Vec<String>>,
    /// `vrrp_ipsets`: the sets; empty: none.
    pub ipsets: Option<Vec<String>>,
}

/// A named pipe for events and what reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fifo {
    /// The pipe.
    pub path: Option<String>,
    /// Who owns it.
    pub identity: Option<Identity>,
    /// The command that reads it; the path is appended.
    pub script: Option<ScriptCommand>,
}

/// One receive buffer of netlink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffer {
    /// Bytes; none: the default of the system.
    pub bytes: Option<u32>,
    /// May exceed rmem_max.
    pub force: bool,
}

/// Receive buffers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    /// `vrrp_netlink_cmd_rcv_bufs`
    pub vrrp_command: Buffer,
    /// `vrrp_netlink_monitor_rcv_bufs`
    pub vrrp_monitor: Buffer,
    /// `lvs_netlink_cmd_rcv_bufs`
    pub lvs_command: Buffer,
    /// `lvs_netlink_monitor_rcv_bufs`
    pub lvs_monitor: Buffer,
    /// `process_monitor_rcv_bufs`
    pub process_monitor: Buffer,
    /// `vrrp_rx_bufs_policy`
    pub policy: Option<Policy>,
    /// `vrrp_rx_bufs_multiplier`; none: 3.
    pub multiplier: Option<u32>,
}

/// How the receive buffer of a VRRP socket is sized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// A multiple of the MTU.
    Mtu,
    /// A multiple of the size of an advert.
    Advert,
    /// Bytes.
    Bytes(u32),
}

/// IPVS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lvs {
    /// `lvs_sync_daemon`
    pub sync: Option<SyncDaemon>,
    /// `lvs_timeouts tcp`, in seconds; 0: unchanged.
    pub tcp: u32,
    /// `lvs_timeouts tcpfin`
    pub tcpfin: u32,
    /// `lvs_timeouts udp`
    pub udp: u32,
    /// `lvs_flush`
    pub flush: bool,
    /// `lvs_flush_on_stop`
    pub flush_on_stop: Option<Flush>,
    /// `rs_init_notifies`
    pub init_notifies: bool,
    /// `no_shared_checks`: equal checks of several real servers run each by itself.
    pub no_shared_checks: bool,
}

/// What of IPVS is removed at the stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Everything.
    All,
    /// The own services.
    Own,
}

/// `lvs_sync_daemon`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncDaemon {
    /// The interface.
    pub interface: IfName,
    /// `inst`: the instance whose state decides the role.
    pub instance: Option<String>,
    /// `id`
    pub id: Option<u8>,
    /// `maxlen`
    pub maxlen: Option<u16>,
    /// `port`
    pub port: Option<u16>,
    /// `ttl`
    pub ttl: Option<u8>,
    /// `group`
    pub group: Option<crate::base::addr::IpAddr>,
}

impl SyncDaemon {
    /// That of an instance: its id is 0, as with keepalived.
    pub(super) fn of_instance(instance: &str, interface: &IfName) -> Self {
        let instance = Some(instance.to_owned());
        Self {
            interface: interface.clone(),
            instance,
            id: Some(0),
            maxlen: None,
            port: None,
            ttl: None,
            group: None,
        }
    }
}

/// SNMP and DBus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one keyword")]
pub struct Monitoring {
    /// `snmp_socket`
    pub snmp_socket: Option<String>,
    /// `enable_snmp_vrrp`
    pub snmp_vrrp: bool,
    /// `enable_snmp_checker`
    pub snmp_checker: bool,
    /// `enable_snmp_rfcv2`
    pub snmp_rfcv2: bool,
    /// `enable_snmp_rfcv3`
    pub snmp_rfcv3: bool,
    /// `enable_traps`
    pub traps: bool,
    /// `snmp_vs_stats_update_interval`
    pub vs_stats: Option<Span>,
    /// `snmp_rs_stats_update_interval`
    pub rs_stats: Option<Span>,
    /// `enable_dbus`
    pub dbus: bool,
    /// `dbus_service_name`
    pub dbus_service: Option<String>,
    /// `dbus_no_interface_name`
    pub dbus_no_interface: Option<String>,
}
