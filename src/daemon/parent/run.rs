//! The life of the parent from the command line to the exit code.

use std::fs;
use std::io;

use super::heritage::Heritage;
use super::program::Program;
use super::{KINDS, LAST_LINES, Parent, SLOTS, calendar, text};
use crate::base::exit::Exit;
use crate::base::time::Span;
use crate::daemon::cli::Options;
use crate::daemon::pidfile::{Claim, Owner, PidFile};
use crate::daemon::reactor::Reactor;
use crate::daemon::tuning::DEFAULT_UMASK;
use crate::daemon::{events, log};
use crate::sys::process::{self, Launcher};
use crate::sys::signal::Signals;
use crate::sys::{oom, sched};

/// Runs the daemon to its end. When it goes to the background this process ends with code 0 on the way, as soon
/// as the children are started and all pid files are written.
pub fn run<P: Program>(program: &P, options: &Options) -> Exit {
    // Until the configuration says otherwise.
    process::umask(options.umask.unwrap_or(DEFAULT_UMASK));
    let occupied = process::occupy_standard();
    let opened = log::start(&options.log, log::Identity::PARENT);
    text::starting(&options.words);
    if let Err(error) = opened {
        log::error!("Unable to open the log file: {error}");
    }
    if let Err(error) = occupied {
        log::error!("Unable to start: {error}");
        log::finish(LAST_LINES);
        return Exit::Fatal;
    }
    // A signal that comes before the loop runs waits for it.
    let held = Signals::block().map(drop);
    if let Err(error) = held {
        log::warn!("Unable to block signals: {error}");
    }
    let exit = prepare(program, options);
    text::stopped();
    log::finish(LAST_LINES);
    exit
}

fn prepare<P: Program>(program: &P, options: &Options) -> Exit {
    let loaded = match program.load(None) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let settings = program.settings(&loaded);
    // Somebody may have made it before the start.
    calendar::end_reading(settings.reload_marker.as_deref());
    process::umask(options.umask.unwrap_or(settings.umask));
    if !settings.log_suffix.is_empty() {
        log::info!("Changing syslog ident to {}{}", log::Identity::PARENT.tag, settings.log_suffix);
        log::rename(&settings.log_suffix);
    }
    events::begin();
    let mut parent = Parent::new(program, options, loaded, settings, process::name());
    parent.take_name(None);
    parent.save_first();
    if let Err(exit) = parent.claim_pid_files() {
        return exit;
    }
    parent.inherit();
    let launcher = match go_to_background(options) {
        Ok(launcher) => launcher,
        Err(error) => {
            log::error!("Unable to go to the background: {error}");
            parent.remove_pid_files();
            return Exit::Fatal;
        }
    };
    if let Some(file) = &parent.own_file
        && let Err(error) = file.write(process::own())
    {
        log::warn!("Unable to write the pid file: {error}");
    }
    let core_pattern = allow_core_dumps(options);
    let exit = turn_until_the_end(&mut parent, launcher);
    if let Some(pattern) = core_pattern {
        // Ours to restore; what fails here was said when it was set.
        let _ = fs::write(CORE_PATTERN, pattern);
    }
    parent.remove_pid_files();
    exit
}

// Not inlined: the code of the loop is then not on the same pages as that of the start.
#[inline(never)]
fn turn_until_the_end<P: Program>(parent: &mut Parent<'_, P>, launcher: Option<Launcher>) -> Exit {
    oom::spare();
    let ran = Reactor::new(SLOTS, None).and_then(|mut reactor| {
        parent.begin(&mut reactor.turn(), launcher);
        // Nothing that wakes the parent is as urgent as the adverts of a child on the same processor.
        let _ = sched::give_way(true);
        reactor.run(parent)
    });
    ran.unwrap_or_else(|error| {
        log::error!("The event loop failed: {error}");
        Exit::Fatal
    })
}

fn go_to_background(options: &Options) -> io::Result<Option<Launcher>> {
    if options.foreground {
        process::silence(false)?;
        return Ok(None);
    }
    let launcher = process::daemonise()?;
    log::leave_console();
    process::silence(true)?;
    Ok(Some(launcher))
}

/// Lets this process and its children write core files. The old pattern, if it was replaced.
fn allow_core_dumps(options: &Options) -> Option<Vec<u8>> {
    if options.core_dump
        && let Err(error) = process::allow_core_dumps()
    {
        log::warn!("Unable to raise the limit of core files: {error}");
    }
    let pattern = options.core_pattern.as_ref()?;
    let replaced = fs::read(CORE_PATTERN).and_then(|old| fs::write(CORE_PATTERN, pattern).map(|()| old));
    match replaced {
        Ok(old) => Some(old),
        Err(error) => {
            log::warn!("Unable to set {CORE_PATTERN}: {error}");
            None
        }
    }
}

impl<P: Program> Parent<'_, P> {
    /// Locks the parent's pid file and those of the children that are needed. A process that has one
    /// and is at its end is waited for.
    ///
    /// # Errors
    /// [`Exit::Ok`] when another daemon runs, as keepalived does it; [`Exit::Busy`] when what has the file does not end;
    /// [`Exit::Permission`] without root's privileges.
    fn claim_pid_files(&mut self) -> Result<(), Exit> {
        let path = &self.settings.pid_files.parent;
        let place = path.display();
        match PidFile::claim(path, Owner::Parent, Some(self.settings.child_wait)) {
            Ok(Claim::Ours(file)) => self.own_file = Some(file),
            Ok(Claim::Taken { passes }) => return Err(text::is_running(&place, passes)),
            Err(error) => {
                log::error!("Unable to make the pid file {place}: {error}");
                if error.kind() == io::ErrorKind::PermissionDenied {
                    log::error!("keepalived needs the privileges of root");
                    return Err(Exit::Permission);
                }
                return Err(Exit::Fatal);
            }
        }
        for index in 0..KINDS {
            if self.is_needed(index) {
                let claimed = self.claim_pid_file(index, Some(self.settings.child_wait));
                claimed.inspect_err(|_| self.remove_pid_files())?;
            }
        }
        Ok(())
    }

    /// A daemon that was killed as a whole may have left the records of its children, and any that ran before what was
    /// changed by hand.
    fn inherit(&mut self) {
        #[cfg(feature = "status")]
        self.inherit_changes();
        for child in &mut self.children {
            let Some(lasting) = self.settings.child(child.kind).inherited else { continue };
            let (heritage, left) = Heritage::take(self.settings.pid_files.of(child.kind), lasting);
            if let Some((heard, records)) = left {
                records.into_iter().for_each(|record| child.records.note(record));
                child.died = Some(heard);
            }
            child.heritage = Some(heritage);
        }
    }

    /// Locks the pid file of a child. One that cannot be made is only told.
    ///
    /// # Errors
    /// As [`Self::claim_pid_files`] when another process has it; without `patience` that process is not waited for.
    pub(super) fn claim_pid_file(&mut self, index: usize, patience: Option<Span>) -> Result<(), Exit> {
        let Some(child) = self.children.get_mut(index).filter(|child| child.pid_file.is_none()) else {
            return Ok(());
        };
        let place = self.settings.pid_files.of(child.kind);
        match PidFile::claim(place, Owner::Child, patience) {
            Ok(Claim::Ours(file)) => child.pid_file = Some(file),
            Ok(Claim::Taken { passes }) => return Err(text::is_running(&place.display(), passes)),
            Err(error) => log::error!("Unable to make the pid file {}: {error}", place.display()),
        }
        Ok(())
    }

    /// What syslog calls this daemon is known once the configuration is.
    pub(super) fn log_options(&self) -> log::Options {
        log::Options { tag_suffix: self.settings.log_suffix.clone(), ..self.options.log.clone() }
    }

    /// Goes over to the process name that is configured now, if that is another one than `before`.
    pub(super) fn take_name(&self, before: Option<&str>) {
        let wanted = self.settings.process_name.as_deref();
        let name = wanted.unwrap_or(&self.name);
        if wanted != before
            && let Err(error) = process::set_name(name)
        {
            log::warn!("Unable to set the process name {name}: {error}");
        }
    }

    /// Removes all of them, the parent's own last.
    fn remove_pid_files(&mut self) {
        for child in &mut self.children {
            if let Some(file) = child.pid_file.take() {
                file.remove();
            }
        }
        for child in &mut self.children {
            if let Some(heritage) = &mut child.heritage {
                heritage.remove();
            }
        }
        if let Some(file) = self.own_file.take() {
            file.remove();
        }
    }
}

const CORE_PATTERN: &str = "/proc/sys/kernel/core_pattern";
