//! What the parent supervises here: the configuration files, and the children that they need.

#[cfg(feature = "tools")]
mod compare;
#[cfg(feature = "status")]
pub(crate) mod ctl;
#[cfg(feature = "lvs")]
pub(crate) mod genhash;
mod kept;
mod refusals;
mod settings;

use std::cell::{Cell, OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepalived::base::exit::Exit;
use keepalived::base::map::Set;
use keepalived::base::name::IfName;
use keepalived::base::time::Instant;
#[cfg(feature = "bfd")]
use keepalived::bfdd;
#[cfg(feature = "lvs")]
use keepalived::checkd;
use keepalived::child::check::{self, Interfaces, Present};
use keepalived::child::privileges;
use keepalived::config::diag::{Diagnostic, Diagnostics, Severity};
use keepalived::config::expand::{self, Parsed};
#[cfg(feature = "tools")]
use keepalived::config::lint::{self, Input, Silence};
#[cfg(feature = "status")]
use keepalived::config::print;
use keepalived::config::snapshot::Snapshot;
use keepalived::config::source::{Disk, SourceMap};
use keepalived::config::tree::{Position, Tree};
use keepalived::config::{Model, assemble};
use keepalived::daemon::cli::{Options, PASSING};
use keepalived::daemon::log;
use keepalived::daemon::parent::{Kind, Mode, Program, Script, ScriptTime, Settings, Start};
use keepalived::daemon::pidfile;
use keepalived::notify::{Resolver, permits};
use keepalived::status;
#[cfg(feature = "snmp")]
use keepalived::subagent;
use keepalived::sys::privileges::Capabilities;
use keepalived::sys::spawner::Permits;
use keepalived::sys::user::Account;
use keepalived::sys::{alloc, clock, netns, pages, same_program, user};
use keepalived::vrrpd;

#[cfg(feature = "tools")]
pub(crate) use compare::compare;
use kept::{CheckLog, Kept};
use refusals::{Mistake, refusals};
use settings::settings;

/// keepalived: its options, and how it reads and runs a configuration.
pub(crate) struct Keepalived<'a> {
    options: &'a Options,
    /// When the daemon began.
    begun: Instant,
    /// This process is where the configuration wants it: in its network namespace.
    settled: Cell<bool>,
    check_log: CheckLog,
    /// The account of a user for the children, looked up when the daemon begins.
    account: OnceCell<Option<Account>>,
    /// The configuration that was read last was nothing but its main file: so will the next one be.
    main_file: Cell<bool>,
}

/// Where a text goes before it is judged.
struct Ahead<'a> {
    /// It is expected to be nothing but its main file, which goes before it is even read.
    main_file: bool,
    hand: &'a mut dyn FnMut(Vec<u8>),
}

/// A configuration that was read and checked.
pub(crate) struct Loaded {
    /// All of it, until the children have it: with thousands of instances it is most of the parent's memory.
    whole: RefCell<Option<Arc<Model>>>,
    /// What stays: the parts about the daemon as a whole, without instances and services.
    outline: Arc<Model>,
    /// It has instances, or static items: the VRRP child sets those, as in keepalived. Scripts, files, processes and
    /// FIFOs alone want no child: nobody would follow them.
    vrrp: bool,
    /// It has virtual servers.
    services: bool,
    /// It has BFD sessions.
    sessions: bool,
    /// The children that run scripts, in the order of [`Kind::ALL`].
    scripted: [bool; Kind::ALL.len()],
    /// What children need, in the same order.
    privileges: [Capabilities; Kind::ALL.len()],
    /// The user that children become; none: they stay root.
    user: Option<Account>,
    settings: Settings,
    /// The text of it; a child has none.
    snapshot: RefCell<Kept>,
    /// Not one keyword in it.
    empty: bool,
    /// What may cost an address, an advert or a check: a reload may not add to it.
    errors: Vec<Mistake>,
    /// The interfaces that it names, there or not.
    interfaces: Set<IfName>,
    /// What was found beside that and is counted: matters with `reload_check_config`.
    warnings: Vec<Mistake>,
}

/// A configuration and everything that was found in it.
pub(crate) struct Read {
    pub(crate) model: Model,
    empty: bool,
    snapshot: Snapshot,
    interfaces: Interfaces,
    pub(crate) sources: SourceMap,
    pub(crate) found: Diagnostics,
}

/// Where the configuration is looked for, in this order.
const DEFAULTS: [&str; 2] = ["/etc/keepalived.conf", "/etc/keepalived/keepalived.conf"];

/// Whether this process moves to the network namespace that the configuration names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Settle {
    /// It has.
    No,
    /// It must.
    Must,
    /// A config test may be made by anybody, anywhere.
    Try,
}

/// Reads and checks the configuration that the options name.
fn read(options: &Options, settle: Settle, ahead: Option<Ahead<'_>>) -> Read {
    load(options, settle, ahead).0
}

/// The same for a config test; with the feature `tools` with the checks of what is legal and will surprise.
pub(crate) fn examine(options: &Options) -> Read {
    let (mut read, tree, present) = load(options, Settle::Try, None);
    check::mail_relay(&read.model, &mut read.found);
    #[cfg(feature = "tools")]
    lint(options, &mut read, &tree, present);
    #[cfg(not(feature = "tools"))]
    drop((tree, present));
    read
}

#[cfg(feature = "tools")]
fn lint(options: &Options, read: &mut Read, tree: &Tree, present: Present) {
    let facts = vrrpd::facts(&read.model, present);
    let silence = Silence::read(&options.lint_off, &read.sources, &mut read.found);
    lint::run(&Input::new(&read.model, tree, &facts).text(&read.sources), &silence, &mut read.found);
}

fn load(options: &Options, settle: Settle, mut ahead: Option<Ahead<'_>>) -> (Read, Tree, Present) {
    let mut found = Diagnostics::new();
    let asked = expand::Options {
        path: config_path(options).to_string_lossy().into_owned(),
        id: options.config_id.clone().unwrap_or_else(host_name),
        seed: clock::now().as_micros(),
        every_file: options.all_config,
    };
    let main_file = expand::main_file(&Disk, &asked);
    let mut handed = false;
    if let Some(ahead) = ahead.as_mut().filter(|ahead| ahead.main_file) {
        (ahead.hand)(main_file.encode());
        handed = true;
    }
    let (Parsed { tree, sources }, snapshot) = expand::load_from(&Disk, &asked, main_file, &mut found);
    if let Some(ahead) = ahead.filter(|_| !(handed && snapshot.is_main_file())) {
        (ahead.hand)(snapshot.encode());
    }
    let mut model = assemble::model(&tree, &mut found);
    if options.namespace.is_some() {
        model.daemon.net_namespace.clone_from(&options.namespace);
    }
    if settle != Settle::No
        && let Some(name) = &model.daemon.net_namespace
        && let Err(error) = netns::enter(name)
    {
        let text = format!("Unable to enter network namespace {name} - {error}");
        match settle {
            Settle::Try => found.note(Position::default(), format!("{text}; interfaces are looked for here")),
            Settle::Must | Settle::No => found.fatal(Position::default(), text),
        }
    }
    let mut present = Present::default();
    vrrpd::check(&model, &mut present, &mut found);
    #[cfg(feature = "regex")]
    checkd::patterns::check(&model, &tree, &mut found);
    let interfaces = present.take_named();
    let read = Read { model, empty: tree.nodes().next().is_none(), snapshot, interfaces, sources, found };
    (read, tree, present)
}

fn config_path(options: &Options) -> PathBuf {
    options.config.clone().unwrap_or_else(usual_path)
}

/// The one that is read where none is named.
fn usual_path() -> PathBuf {
    let there = DEFAULTS.iter().map(Path::new).find(|path| path.exists());
    there.unwrap_or(Path::new(DEFAULTS[1])).to_owned()
}

/// The node name up to its first dot: the configuration id where none is given.
fn host_name() -> String {
    user::host_name().split('.').next().unwrap_or_default().to_owned()
}

impl<'a> Keepalived<'a> {
    pub(crate) fn new(options: &'a Options) -> Self {
        Self {
            options,
            begun: clock::now(),
            settled: Cell::new(false),
            check_log: CheckLog::default(),
            account: OnceCell::new(),
            main_file: Cell::new(false),
        }
    }
}

impl Keepalived<'_> {
    /// This start ends with a mistake: what a daemon that was killed before left in the kernel serves nobody any more.
    fn clean_up_after_killed(&self, read: Read) {
        if !user::is_root()
            || same_program::find(vrrpd::PROGRAM, same_program::Family::Own, &PASSING).is_some()
        {
            return;
        }
        let ledger = ledger(&settings(&read.model, self.options));
        // Of the configuration only what does not decide what is taken off.
        let outline = Model::outline(read.model.daemon, read.model.global);
        vrrpd::clean(&Arc::new(outline), ledger, vrrpd::Marked::All);
    }
}

impl Program for Keepalived<'_> {
    type Loaded = Loaded;

    fn load(&self, ahead: Option<&mut dyn FnMut(Vec<u8>)>) -> Result<Loaded, Exit> {
        log::info!("Configuration file {}", config_path(self.options).display());
        self.check_log.tell_begin();
        // A reload stays where it is, see `refusals`.
        let settle = if self.settled.get() { Settle::No } else { Settle::Must };
        let ahead = ahead.map(|hand| Ahead { main_file: self.main_file.get(), hand });
        let read = read(self.options, settle, ahead);
        self.main_file.set(read.snapshot.is_main_file());
        tell(&read);
        self.check_log.write(&read.found, &read.sources);
        if cfg!(feature = "status") && read.model.global.monitoring.dbus {
            log::info!("The control socket replaces D-Bus (enable_dbus): see keepalived --ctl help");
        }
        if let Some(exit) = read.found.exit_daemon() {
            self.check_log.tell_refused();
            if !self.settled.get() {
                self.clean_up_after_killed(read);
            }
            return Err(exit);
        }
        if !self.settled.replace(true) {
            own_folder(&read.model);
        }
        let account = *self.account.get_or_init(privileges::account);
        let user = privileges::user_of_children(&read.model, account);
        let loaded = Loaded::new(read, self.options, user);
        let needed = Kind::ALL.into_iter().zip(loaded.privileges);
        needed.filter(|(kind, _)| self.needs(&loaded, *kind)).for_each(|(kind, needed)| {
            privileges::tell_lacking(kind, needed);
        });
        Ok(loaded)
    }

    fn accepts(&self, running: &Loaded, new: &Loaded) -> bool {
        let why = refusals(running, new);
        for line in &why {
            log::error!("{line}");
        }
        if !why.is_empty() {
            self.check_log.tell_refused();
        }
        why.is_empty()
    }

    fn needs(&self, loaded: &Loaded, kind: Kind) -> bool {
        match kind {
            Kind::Vrrp => loaded.vrrp || self.options.all,
            Kind::Checkers => cfg!(feature = "lvs") && (loaded.services || self.options.all),
            Kind::Bfd => cfg!(feature = "bfd") && (loaded.sessions || self.options.all),
            #[cfg(feature = "snmp")]
            Kind::Snmp => subagent::trees(&loaded.outline.global, self.options.snmp) != 0,
            #[cfg(not(feature = "snmp"))]
            Kind::Snmp => false,
        }
    }

    fn settings(&self, loaded: &Loaded) -> Settings {
        loaded.settings.clone()
    }

    fn snapshot(&self, loaded: &Loaded) -> Vec<u8> {
        loaded.snapshot.borrow().encode()
    }

    fn text(&self, loaded: &Loaded) -> Vec<u8> {
        loaded.snapshot.borrow().read().map(|snapshot| snapshot.text()).unwrap_or_default()
    }

    fn handed_out(&self, loaded: &mut Loaded) {
        self.check_log.set(&loaded.outline.global.files.reload_check_config);
        loaded.whole = RefCell::default();
        loaded.snapshot.get_mut().pack();
        alloc::trim();
        pages::release();
    }

    fn are_peers(&self, one: Kind, other: Kind) -> bool {
        match [one.min(other), one.max(other)] {
            // Which virtual router the sync daemon of IPVS follows.
            [Kind::Checkers, Kind::Vrrp] => cfg!(feature = "lvs"),
            // What BFD_CHECK follows.
            [Kind::Checkers, Kind::Bfd] => cfg!(all(feature = "bfd", feature = "lvs")),
            // What track_bfd follows.
            [Kind::Vrrp, Kind::Bfd] => cfg!(feature = "bfd"),
            _ => false,
        }
    }

    fn runs_scripts(&self, loaded: &Loaded, kind: Kind) -> bool {
        Kind::ALL.into_iter().zip(loaded.scripted).any(|(one, scripted)| one == kind && scripted)
    }

    fn privileges(&self, loaded: &Loaded, kind: Kind) -> Option<Capabilities> {
        Kind::ALL.into_iter().zip(loaded.privileges).find(|(one, _)| *one == kind).map(|(_, needed)| needed)
    }

    fn confines(&self, loaded: &Loaded) -> bool {
        !loaded.outline.global.no_confinement
    }

    fn user_of_children(&self, loaded: &Loaded) -> Option<Account> {
        loaded.user
    }

    fn permits(&self, loaded: &Loaded, kind: Kind) -> Permits {
        let umask = self.options.umask.unwrap_or(loaded.settings.umask);
        // Lent, not taken: in the parent the children are still to have it.
        let whole = loaded.whole.borrow().clone();
        let model = whole.or_else(|| loaded.model());
        model.map(|model| permits::permits(&model, kind, umask)).unwrap_or_default()
    }

    fn run_child(&self, loaded: &Loaded, start: Start<'_>) -> Exit {
        match start.kind {
            Kind::Vrrp => self.run_vrrp(loaded, start),
            #[cfg(feature = "lvs")]
            Kind::Checkers => self.run_checkers(loaded, start),
            #[cfg(not(feature = "lvs"))]
            Kind::Checkers => Exit::Internal,
            #[cfg(feature = "bfd")]
            Kind::Bfd => run_bfd(loaded, start, self.options.dump),
            #[cfg(not(feature = "bfd"))]
            Kind::Bfd => Exit::Internal,
            #[cfg(feature = "snmp")]
            Kind::Snmp => run_subagent(loaded, start, self.options),
            #[cfg(not(feature = "snmp"))]
            Kind::Snmp => Exit::Internal,
        }
    }

    fn script(&self, loaded: &Loaded, moment: ScriptTime) -> Option<Script> {
        let global = &loaded.outline.global;
        let (command, timeout) = match moment {
            ScriptTime::Startup => (&global.scripts.startup, global.scripts.startup_timeout),
            ScriptTime::Shutdown => (&global.scripts.shutdown, global.scripts.shutdown_timeout),
        };
        // What cannot run was told when the configuration was read.
        let found = Resolver::new(global).resolve(command.as_ref()?, "").ok()?;
        Some(Script { words: found.words, terms: found.terms, timeout })
    }

    #[cfg(feature = "status")]
    fn effective(&self, loaded: &Loaded) -> String {
        let text = loaded.model().map(|model| print(&model)).unwrap_or_default();
        // A large one was most of this process's memory for a moment.
        alloc::trim();
        text
    }

    fn dump(&self, loaded: &Loaded) {
        status::write_parent(&loaded.outline);
    }
}

impl Keepalived<'_> {
    fn run_vrrp(&self, loaded: &Loaded, start: Start<'_>) -> Exit {
        if start.mode == Mode::CleanStopped && self.options.keep_vrrp {
            return Exit::Ok;
        }
        let Some(model) = loaded.take_model() else { return Exit::Internal };
        let ledger = ledger(&loaded.settings);
        if start.mode != Mode::Run {
            return vrrpd::clean(&model, ledger, vrrpd::Marked::Known);
        }
        let context = vrrpd::Context {
            channel: start.channel,
            records: start.records,
            keep: start.keep.clone(),
            changes: start.changes,
            died: start.died,
            first: start.deaths == 0,
            pid_file: loaded.settings.pid_files.vrrp.clone(),
            config: [config_path(self.options), usual_path()],
            begun: self.begun,
            keep_on_stop: self.options.keep_vrrp,
            tuner: start.tuner,
            dump: self.options.dump,
            address_monitoring: self.options.address_monitoring,
            ledger,
        };
        vrrpd::run(model, context)
    }

    #[cfg(feature = "lvs")]
    fn run_checkers(&self, loaded: &Loaded, start: Start<'_>) -> Exit {
        // A dead child's table serves its users until the replacement takes it over.
        if start.mode == Mode::Clean || (start.mode == Mode::CleanStopped && self.options.keep_ipvs) {
            return Exit::Ok;
        }
        let Some(model) = loaded.take_model() else { return Exit::Internal };
        let pid_file = &loaded.settings.pid_files.checkers;
        let ledger = pid_file.with_extension("table");
        if start.mode == Mode::CleanStopped {
            return checkd::clean(&model, &ledger);
        }
        let context = checkd::Context {
            channel: start.channel,
            keep: start.keep.clone(),
            changes: start.changes.to_vec(),
            died: start.died,
            pid_file: pid_file.clone(),
            keep_on_stop: self.options.keep_ipvs,
            tuner: start.tuner,
            dump: self.options.dump,
            ledger,
        };
        checkd::run(model, context)
    }
}

#[cfg(feature = "snmp")]
fn run_subagent(loaded: &Loaded, start: Start<'_>, options: &Options) -> Exit {
    // A subagent leaves nothing in the kernel.
    if start.mode != Mode::Run {
        return Exit::Ok;
    }
    let context = subagent::Context {
        channel: start.channel,
        pid_file: loaded.settings.pid_files.snmp.clone(),
        tuner: start.tuner,
        all: options.snmp,
        socket: options.snmp_socket.clone(),
    };
    subagent::run(Arc::clone(&loaded.outline), context)
}

#[cfg(feature = "bfd")]
fn run_bfd(loaded: &Loaded, start: Start<'_>, dump: bool) -> Exit {
    // A BFD child leaves nothing in the kernel.
    if start.mode != Mode::Run {
        return Exit::Ok;
    }
    let Some(model) = loaded.take_model() else { return Exit::Internal };
    let context = bfdd::Context {
        channel: start.channel,
        keep: start.keep.clone(),
        died: start.died,
        pid_file: loaded.settings.pid_files.bfd.clone(),
        dump,
        tuner: start.tuner,
    };
    bfdd::run(model, context)
}

impl Loaded {
    fn new(read: Read, options: &Options, user: Option<Account>) -> Self {
        let messages = |wanted: fn(&Diagnostic) -> bool| {
            let wanted = read.found.iter().filter(|one| wanted(one));
            wanted.map(|one| Mistake::new(one, &read.sources, &read.interfaces)).collect()
        };
        let errors = messages(|one| one.costs);
        let warnings = messages(|one| !one.costs && one.severity > Severity::Note);
        let scratch = read.model.global.files.tmp_config_directory.clone();
        let (daemon, global) = (read.model.daemon.clone(), read.model.global.clone());
        Self {
            outline: Arc::new(Model::outline(daemon, global)),
            vrrp: !read.model.instances.is_empty() || read.model.network.has_static(),
            services: !read.model.services.is_empty(),
            sessions: !read.model.bfds.is_empty(),
            privileges: Kind::ALL.map(|kind| privileges::needed(&read.model, kind, user)),
            user,
            scripted: Kind::ALL.map(|kind| permits::runs_scripts(&read.model, kind)),
            settings: settings(&read.model, options),
            whole: RefCell::new(Some(Arc::new(read.model))),
            snapshot: RefCell::new(Kept::new(read.snapshot, scratch.as_deref())),
            empty: read.empty,
            errors,
            interfaces: read.interfaces.all,
            warnings,
        }
    }

    /// All of it: for a child that replaces another one, read again from what was read first.
    /// None: a disk has failed. It is taken, not lent: a child that reloads must be able to let go of it.
    fn take_model(&self) -> Option<Arc<Model>> {
        let model = self.whole.take().or_else(|| self.model());
        self.snapshot.borrow_mut().forget();
        model
    }

    /// All of it, read again from what was read first. None: a disk has failed.
    fn model(&self) -> Option<Arc<Model>> {
        let mut told_before = Diagnostics::unread();
        let snapshot = self.snapshot.borrow().read()?;
        let Parsed { tree, .. } = expand::replay(&snapshot, &mut told_before);
        let mut model = assemble::model(&tree, &mut told_before);
        // The command line may have had another word.
        model.daemon.net_namespace.clone_from(&self.outline.daemon.net_namespace);
        Some(Arc::new(model))
    }
}

/// What the VRRP child changes in the kernel it notes beside its pid file.
fn ledger(settings: &Settings) -> PathBuf {
    settings.pid_files.vrrp.with_extension("changes")
}

/// Who lives in a network namespace has the folder of pid files for itself, as keepalived has.
fn own_folder(model: &Model) {
    if let Some(name) = &model.daemon.net_namespace
        && let Err(error) = netns::own_folder(Path::new(pidfile::FOLDER), name)
    {
        log::warn!("Unable to give network namespace {name} its own {} - {error}", pidfile::FOLDER);
    }
}

/// Logs what was found, each with its place.
fn tell(read: &Read) {
    for one in read.found.iter() {
        let line = refusals::told(one, &read.sources);
        match one.severity {
            Severity::Note => log::info!("{line}"),
            Severity::Warning => log::warn!("{line}"),
            Severity::Error | Severity::Fatal => log::error!("{line}"),
        }
    }
    match read.found.more() {
        0 => {}
        more => log::warn!("{more} more mistakes are not shown"),
    }
}
