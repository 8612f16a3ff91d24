//! What the parent supervises: a program that can read its configuration and run its children.

use std::path::PathBuf;

use crate::base::exit::Exit;
use crate::base::time::{Instant, Span};
use crate::daemon::keep::Keep;
use crate::daemon::kind::Kind;
use crate::daemon::manual::Change;
use crate::daemon::pidfile::Places;
use crate::daemon::record::Records;
use crate::daemon::tuning::{Tuner, Tuning};
use crate::sys::channel::Channel;
use crate::sys::privileges::Capabilities;
use crate::sys::script::{Terms, Words};
use crate::sys::spawner::Permits;
use crate::sys::user::Account;

/// What a child process is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To do its work.
    Run,
    /// To take away what a dead one left behind (addresses, routes), then end at once. No channel is read.
    Clean,
    /// The same for one that had to be killed because it did not stop; what a stop leaves by request, stays.
    CleanStopped,
}

/// What a new child process finds.
#[derive(Debug)]
pub struct Start<'a> {
    /// Which child it is.
    pub kind: Kind,
    /// Carries out how it is run; has done so but for realtime, which waits for the end of its start.
    pub tuner: Tuner,
    /// What it is to do.
    pub mode: Mode,
    /// Its channel to the parent, for its reactor.
    pub channel: Channel,
    /// What the child before it reported; empty for the first one.
    pub records: &'a Records,
    /// What the child before it noted, and where it notes the same.
    pub keep: &'a Keep,
    /// What an administrator has changed in the child before it.
    pub changes: &'a [Change],
    /// When the child before it died, that of a daemon that was killed as a whole too; else none for the first one.
    pub died: Option<Instant>,
    /// How many children of this kind died before; 0 for the first one.
    pub deaths: u64,
}

/// When the parent itself runs a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptTime {
    /// Before the first child starts.
    Startup,
    /// After the last child has ended.
    Shutdown,
}

/// A script that the parent runs.
#[derive(Debug)]
pub struct Script {
    /// The command.
    pub words: Words,
    /// As whom it runs, and what must not have been changed by others.
    pub terms: Terms,
    /// How long it is waited for.
    pub timeout: Span,
}

/// What the parent needs to know of one kind of child.
#[derive(Clone, Debug)]
pub struct ChildSettings {
    /// How the child is run.
    pub tuning: Tuning,
    /// The wanted time between hellos, if that is less than a second: half of the time in which other machines take over
    /// from a child that hangs.
    pub hello: Span,
    /// For how long after the death of the child no other machine can have taken over from it.
    pub grace: Span,
    /// The objects of the child that report their states: room for their records.
    pub objects: usize,
    /// The child leaves notes to its successor. Not changed by a reload.
    pub notes: bool,
    /// While an object is in this state, the records of the child are left to the next daemon if this one is killed as a
    /// whole. Not changed by a reload.
    pub inherited: Option<u8>,
}

impl Default for ChildSettings {
    fn default() -> Self {
        Self {
            tuning: Tuning::default(),
            hello: Span::MAX,
            grace: Span::ZERO,
            objects: 0,
            notes: false,
            inherited: None,
        }
    }
}

impl Settings {
    /// The settings of one kind of child.
    #[must_use]
    pub const fn child(&self, kind: Kind) -> &ChildSettings {
        let [checkers, vrrp, bfd, snmp] = &self.children;
        match kind {
            Kind::Checkers => checkers,
            Kind::Vrrp => vrrp,
            Kind::Bfd => bfd,
            Kind::Snmp => snmp,
        }
    }
}

/// What the parent needs to know of a configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How each kind of child is treated, in the order of [`Kind::ALL`].
    pub children: [ChildSettings; 4],
    /// How long children may take to stop (`child_wait_time`).
    pub child_wait: Span,
    /// Where the pid files go. Not changed by a reload.
    pub pid_files: Places,
    /// Network namespace and instance, `_`-separated with one in front, for the names in syslog; else empty.
    pub log_suffix: String,
    /// What ps shows for the parent; none: left as it is.
    pub process_name: Option<String>,
    /// Permission bits that new files do not get.
    pub umask: u32,
    /// Exists while files are read (`reload_file`).
    pub reload_marker: Option<PathBuf>,
    /// Says when to reload (`reload_time_file`).
    pub reload_time_file: Option<PathBuf>,
    /// A time without a date in it comes every day (`reload_repeat`).
    pub reload_repeat: bool,
    /// Where each configuration that was read is kept (`config_save_dir`).
    pub save_folder: Option<PathBuf>,
    /// Where the copy of the configuration for the children is, instead of in memory (`tmp_config_directory`).
    pub scratch: Option<PathBuf>,
    /// Where clients ask; none: nowhere.
    pub control: Option<ControlSocket>,
    /// Where monitoring asks over HTTP; none: nowhere.
    pub http: Option<core::net::SocketAddr>,
}

/// The socket that clients ask at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlSocket {
    /// Its name (`control_socket`).
    pub path: PathBuf,
    /// Its permission bits (`control_socket_mode`).
    pub mode: u32,
    /// The group whose members may look (`control_socket_group`); none: nobody but root and the owner.
    pub group: Option<String>,
}

/// The program: its configuration and its children. Implemented by main, and by the parent's own tests.
pub trait Program {
    /// A configuration that was read and validated.
    type Loaded;

    /// Reads and validates the configuration, and logs what it finds. `read` is given what [`Program::snapshot`] will be as
    /// soon as it is known, before it is judged; once more if it turned out to be another one.
    ///
    /// # Errors
    /// The exit with which a start ends; a reload then leaves everything as it is.
    fn load(&self, read: Option<&mut dyn FnMut(Vec<u8>)>) -> Result<Self::Loaded, Exit>;

    /// Whether a running daemon can go over from one configuration to the other; logs why not.
    fn accepts(&self, running: &Self::Loaded, new: &Self::Loaded) -> bool;

    /// Whether this configuration needs a child of this kind, or the command line forces it (--all). What -P,
    /// -C and -B forbid is left out by the parent itself.
    fn needs(&self, loaded: &Self::Loaded, kind: Kind) -> bool;

    /// What the parent itself needs to know.
    fn settings(&self, loaded: &Self::Loaded) -> Settings;

    /// The configuration as octets for a child that reloads.
    fn snapshot(&self, loaded: &Self::Loaded) -> Vec<u8>;

    /// The text of the configuration, for people.
    fn text(&self, loaded: &Self::Loaded) -> Vec<u8>;

    /// Every child that is needed now has been forked with this configuration, or will read its snapshot: what only
    /// they need may go. [`Program::run_child`] may be called with what is left, to replace a child.
    fn handed_out(&self, loaded: &mut Self::Loaded);

    /// Whether children of these kinds send each other the states of their objects. The parent connects them whenever
    /// one of them has started.
    fn are_peers(&self, _one: Kind, _other: Kind) -> bool {
        false
    }

    /// Whether a child of this kind runs scripts.
    fn runs_scripts(&self, _loaded: &Self::Loaded, _kind: Kind) -> bool {
        false
    }

    /// The privileges that a child of this kind needs; none: it keeps all, and makes any system call.
    fn privileges(&self, _loaded: &Self::Loaded, _kind: Kind) -> Option<Capabilities> {
        None
    }

    /// Whether children give up what they do not need.
    fn confines(&self, _loaded: &Self::Loaded) -> bool {
        true
    }

    /// The user that children are once they have begun; none: root.
    fn user_of_children(&self, _loaded: &Self::Loaded) -> Option<Account> {
        None
    }

    /// The scripts that a child of this kind may have run. Allocates, and may read the whole configuration again.
    fn permits(&self, _loaded: &Self::Loaded, _kind: Kind) -> Permits {
        Permits::default()
    }

    /// Runs a child to its end. Called in the new process, which owns nothing of the parent's but the memory.
    fn run_child(&self, loaded: &Self::Loaded, start: Start<'_>) -> Exit;

    /// The script of a moment, if there is one and it can run.
    fn script(&self, _loaded: &Self::Loaded, _moment: ScriptTime) -> Option<Script> {
        None
    }

    /// The configuration in its own language, every value spelt out; by default its text.
    #[cfg(feature = "status")]
    fn effective(&self, loaded: &Self::Loaded) -> String {
        String::from_utf8_lossy(&self.text(loaded)).into_owned()
    }

    /// SIGUSR1 in the parent: writes its data dump.
    fn dump(&self, loaded: &Self::Loaded);
}
