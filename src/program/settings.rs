//! What the parent itself needs to know of a configuration.

use std::path::PathBuf;

use keepalived::base::time::Span;
use keepalived::config::Model;
#[cfg(feature = "status")]
use keepalived::daemon::cli;
use keepalived::daemon::cli::Options;
use keepalived::daemon::parent::{ChildSettings, ControlSocket, Kind, Settings};
use keepalived::daemon::pidfile::Places;
use keepalived::daemon::tuning::{DEFAULT_UMASK, Tuning};
use keepalived::proto::vrrp::Machine;
use keepalived::vrrpd;

/// The settings that a configuration and the command line come to.
pub(super) fn settings(model: &Model, options: &Options) -> Settings {
    let (daemon, names, files) = (&model.daemon, &model.global.names, &model.global.files);
    let in_folder = daemon.use_pid_dir || daemon.net_namespace.is_some();
    Settings {
        children: Kind::ALL.map(|kind| {
            let tuning = Tuning::of(&model.global, kind);
            match kind {
                Kind::Vrrp => ChildSettings {
                    tuning,
                    hello: hello(model),
                    grace: grace(model),
                    objects: model.instances.len() + model.groups.len(),
                    notes: true,
                    inherited: Some(vrrpd::MASTER),
                },
                Kind::Checkers => {
                    ChildSettings { tuning, grace: NOBODY, notes: true, ..ChildSettings::default() }
                }
                Kind::Bfd => ChildSettings { tuning, grace: NOBODY, notes: true, ..ChildSettings::default() },
                Kind::Snmp => ChildSettings { tuning, grace: NOBODY, ..ChildSettings::default() },
            }
        }),
        child_wait: Span::from_secs(u64::from(daemon.child_wait_time)),
        pid_files: Places::new(&options.pid_files, in_folder, daemon.instance.as_deref()),
        log_suffix: log_suffix(model),
        process_name: names.parent.clone(),
        umask: model.global.files.umask.map_or(DEFAULT_UMASK, u32::from),
        reload_marker: files.reload_file.as_deref().map(|file| match file {
            "" => Places::folder(in_folder, daemon.instance.as_deref()).join("keepalived.reload"),
            file => PathBuf::from(file),
        }),
        reload_time_file: files.reload_time_file.as_ref().map(PathBuf::from),
        reload_repeat: files.reload_repeat,
        save_folder: files.config_save_dir.as_ref().map(PathBuf::from),
        scratch: files.tmp_config_directory.as_ref().map(PathBuf::from),
        control: control(model, options),
        http: model.global.control.http,
    }
}

/// Where clients ask: by the option, else by the keyword, else at the usual place. In a build without the feature nowhere.
#[cfg_attr(not(feature = "status"), allow(unused_variables, reason = "the argument of the other form"))]
fn control(model: &Model, options: &Options) -> Option<ControlSocket> {
    #[cfg(not(feature = "status"))]
    return None;
    #[cfg(feature = "status")]
    {
        let global = &model.global.control;
        let path = match (&options.control_socket, global.path.as_deref()) {
            (Some(path), _) => path.clone(),
            (None, Some(NO_SOCKET)) => return None,
            (None, Some(path)) => PathBuf::from(path),
            (None, None) => cli::control_socket(&log_suffix(model)),
        };
        Some(ControlSocket {
            path,
            mode: global.mode.map_or(USUAL_MODE, u32::from),
            group: global.group.clone(),
        })
    }
}

/// What stands for no path.
#[cfg(feature = "status")]
const NO_SOCKET: &str = "none";
/// Owner and group may connect.
#[cfg(feature = "status")]
const USUAL_MODE: u32 = 0o660;

/// Network namespace and instance, as syslog shows them behind the name of the process.
fn log_suffix(model: &Model) -> String {
    let parts = [&model.daemon.net_namespace, &model.daemon.instance];
    parts.into_iter().flatten().map(|part| format!("_{part}")).collect()
}

/// What is in the kernel serves until a replacement comes: no other machine takes over from a checker child, nor static
/// items from a VRRP child without instances. A BFD child leaves nothing there.
const NOBODY: Span = Span::from_secs(3_600);

/// The shortest time after the death of the child in which no peer takes over; static items alone are nobody else's,
/// and stay for as long as a replacement can be away.
fn grace(model: &Model) -> Span {
    model.instances.iter().map(|instance| instance.params.patience()).min().unwrap_or(NOBODY)
}

/// Half of the shortest master-down time: a child that hangs is replaced before a peer takes over.
fn hello(model: &Model) -> Span {
    let times =
        model.instances.iter().map(|instance| Machine::new(instance.params.clone()).master_down_time());
    times.min().unwrap_or(Span::from_secs(2)) / 2
}
