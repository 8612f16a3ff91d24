//! What the parent supervises here: the configuration files, and the children that they need.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepalived::base::exit::Exit;
use keepalived::base::time::Span;
use keepalived::config::diag::{Diagnostics, Severity};
use keepalived::config::expand::{self, Parsed};
use keepalived::config::snapshot::Snapshot;
use keepalived::config::source::{Disk, SourceMap};
use keepalived::config::{Model, assemble};
use keepalived::daemon::cli::Options;
use keepalived::daemon::parent::{Kind, Mode, Program, Settings, Start};
use keepalived::daemon::pidfile::Places;
use keepalived::proto::vrrp::Machine;
use keepalived::status;
use keepalived::sys::clock;
use keepalived::vrrpd;

/// keepalived: its options, and how it reads and runs a configuration.
pub(crate) struct Keepalived<'a> {
    options: &'a Options,
}

/// A configuration that was read and checked.
pub(crate) struct Loaded {
    model: Arc<Model>,
    snapshot: Snapshot,
    /// What was not understood, without places: a reload may not add to it.
    errors: Vec<String>,
}

/// A configuration and everything that was found in it.
pub(crate) struct Read {
    model: Model,
    snapshot: Snapshot,
    pub(crate) sources: SourceMap,
    pub(crate) found: Diagnostics,
}

/// Where the configuration is looked for, in this order.
const DEFAULTS: [&str; 2] = ["/etc/keepalived.conf", "/etc/keepalived/keepalived.conf"];

/// Reads and checks the configuration that the options name.
pub(crate) fn read(options: &Options) -> Read {
    let mut found = Diagnostics::new();
    let asked = expand::Options {
        path: config_path(options).to_string_lossy().into_owned(),
        id: options.config_id.clone().unwrap_or_else(host_name),
        seed: clock::now().as_micros(),
    };
    let (Parsed { tree, sources }, snapshot) = expand::load(&Disk, &asked, &mut found);
    let model = assemble::model(&tree, &mut found);
    vrrpd::check(&model, &mut found);
    Read {
        model,
        snapshot,
        sources,
        found,
    }
}

fn config_path(options: &Options) -> PathBuf {
    let default = || {
        DEFAULTS
            .iter()
            .map(Path::new)
            .find(|path| path.exists())
            .unwrap_or(Path::new(DEFAULTS[1]))
    };
    options.config.clone().unwrap_or_else(|| default().to_owned())
}

/// The node name up to its first dot: the configuration id where none is given.
fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_else(|_| OsString::from("localhost"));
    name.to_string_lossy()
        .split('.')
        .next()
        .unwrap_or_default()
        .to_owned()
}

impl<'a> Keepalived<'a> {
    pub(crate) const fn new(options: &'a Options) -> Self {
        Self { options }
    }
}

impl Program for Keepalived<'_> {
    type Loaded = Loaded;

    fn load(&self) -> Result<Loaded, Exit> {
        log::info!("Configuration file {}", config_path(self.options).display());
        let read = read(self.options);
        tell(&read);
        if let Some(exit) = read.found.exit_daemon() {
            return Err(exit);
        }
        let errors = read
            .found
            .iter()
            .filter(|one| one.severity >= Severity::Error)
            .map(|one| one.message.clone())
            .collect();
        Ok(Loaded {
            model: Arc::new(read.model),
            snapshot: read.snapshot,
            errors,
        })
    }

    /// A daemon goes on with a file that has mistakes only if it has always had them: a half-written file, or a
    /// line that lost its meaning, must not change a network.
    fn accepts(&self, running: &Loaded, new: &Loaded) -> bool {
        let added: Vec<&String> = new
            .errors
            .iter()
            .filter(|error| !running.errors.contains(error))
            .collect();
        for error in &added {
            log::error!("New mistake in the configuration: {error}");
        }
        let (before, after) = (&running.model.daemon, &new.model.daemon);
        let fixed = (before.net_namespace == after.net_namespace) && (before.instance == after.instance);
        if !fixed {
            log::error!("net_namespace and instance cannot be changed by a reload; restart instead");
        }
        added.is_empty() && fixed
    }

    fn needs(&self, loaded: &Loaded, kind: Kind) -> bool {
        let only = self.options.only;
        kind == Kind::Vrrp
            && (only.vrrp || !only.checkers)
            && (!loaded.model.instances.is_empty() || self.options.all)
    }

    fn settings(&self, loaded: &Loaded) -> Settings {
        let (daemon, names) = (&loaded.model.daemon, &loaded.model.global.names);
        let named = |own: &Option<String>, standard: &str| {
            own.clone()
                .or_else(|| names.standard.then(|| standard.to_owned()))
        };
        Settings {
            hello: hello(&loaded.model),
            child_wait: Span::from_secs(u64::from(daemon.child_wait_time)),
            instances: loaded.model.instances.len(),
            pid_files: Places::new(
                &self.options.pid_files,
                daemon.use_pid_dir,
                daemon.instance.as_deref(),
            ),
            process_name: names.parent.clone(),
            child_names: [
                named(&names.checker, "keepalived_lvs"),
                named(&names.vrrp, "keepalived_vrrp"),
                named(&names.bfd, "keepalived_bfd"),
            ],
            umask: loaded.model.global.files.umask.map_or(0o177, u32::from),
        }
    }

    fn snapshot(&self, loaded: &Loaded) -> Vec<u8> {
        loaded.snapshot.encode()
    }

    fn run_child(&self, loaded: &Loaded, start: Start<'_>) -> Exit {
        match start.mode {
            Mode::CleanStopped if self.options.keep_vrrp => return Exit::Ok,
            Mode::Clean | Mode::CleanStopped => return vrrpd::clean(&loaded.model),
            Mode::Run => {}
        }
        let context = vrrpd::Context {
            channel: start.channel,
            records: start.records,
            died: start.died,
            keep_on_stop: self.options.keep_vrrp,
            dump: self.options.dump,
        };
        vrrpd::run(Arc::clone(&loaded.model), context)
    }

    fn dump(&self, loaded: &Loaded) {
        status::write_parent(&loaded.model);
    }
}

/// Half of the shortest master-down time: a child that hangs is replaced before a peer takes over.
fn hello(model: &Model) -> Span {
    let times = model
        .instances
        .iter()
        .map(|instance| Machine::new(instance.params.clone()).master_down_time());
    times.min().unwrap_or(Span::from_secs(2)) / 2
}

/// Logs what was found, each with its place.
fn tell(read: &Read) {
    for one in read.found.iter() {
        let line = one.line(&read.sources);
        let (dash, remedy) = one.remedy.as_deref().map_or(("", ""), |remedy| (" - ", remedy));
        match one.severity {
            Severity::Note => log::info!("{line}{dash}{remedy}"),
            Severity::Warning => log::warn!("{line}{dash}{remedy}"),
            Severity::Error | Severity::Fatal => log::error!("{line}{dash}{remedy}"),
        }
    }
    match read.found.more() {
        0 => {}
        more => log::warn!("{more} more mistakes are not shown"),
    }
}
