//! The scripts before the first child and after the last one: `startup_script` and `shutdown_script`.
//!
//! The loop turns meanwhile: a stop or a reload that is asked for is not missed. Nothing waits longer than the timeout.

use super::program::{Program, Script, ScriptTime};
use super::{KINDS, Parent};
use crate::base::time::Span;
use crate::daemon::log;
use crate::daemon::reactor::Turn;
use crate::sys::process::{self, Ended, Launcher, Pid};
use crate::sys::script::{Runner, Words, meaning};

/// The deadline of the script under way.
#[allow(clippy::cast_possible_truncation, reason = "twice the kinds of children")]
pub(super) const SLOT: u32 = (2 * KINDS) as u32;

/// From SIGTERM to SIGKILL for a startup script that is late; nobody waits for it then.
const GRACE: Span = Span::from_secs(2);

/// What the parent knows of its own scripts.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    running: Option<(ScriptTime, Pid)>,
    /// A startup script that nobody waits for any more and that was told to end.
    condemned: Option<Pid>,
    /// The children may not start yet.
    starting: bool,
    /// The shutdown script has had its turn.
    shut: bool,
    /// Who waits in the foreground for the children to start.
    launcher: Option<Launcher>,
}

impl Scripts {
    /// Whether this process is the one that is waited for, or one that is late.
    pub(super) fn is(&self, pid: Pid) -> bool {
        self.running.is_some_and(|(_, running)| running == pid) || self.condemned == Some(pid)
    }

    /// Whether the startup script is waited for.
    pub(super) const fn is_starting(&self) -> bool {
        self.starting
    }
}

impl<P: Program> Parent<'_, P> {
    /// The beginning: the startup script, then the children, then whoever waits in the foreground is released.
    pub(super) fn begin(&mut self, turn: &mut Turn<'_>, launcher: Option<Launcher>) {
        self.scripts.launcher = launcher;
        self.scripts.starting = true;
        self.watch_calendar(turn);
        self.feed_watchdog(turn);
        #[cfg(feature = "status")]
        self.open_control(turn);
        if !self.start_script(turn, ScriptTime::Startup) {
            self.begin_children(turn);
        }
    }

    fn begin_children(&mut self, turn: &mut Turn<'_>) {
        self.scripts.starting = false;
        if self.ending.is_none() {
            self.start_children(turn);
        }
        self.handed_out();
        if let Some(launcher) = self.scripts.launcher.take() {
            launcher.release();
        }
        self.after_busy(turn);
    }

    /// The end has come before the startup script did.
    pub(super) fn cut_startup_short(&mut self, turn: &mut Turn<'_>) {
        if core::mem::take(&mut self.scripts.starting) {
            self.condemn(turn);
            self.begin_children(turn);
        }
    }

    /// Whether the shutdown script, which is started by the first call, has ended or there is none.
    pub(super) fn is_shut_down(&mut self, turn: &mut Turn<'_>) -> bool {
        if !core::mem::replace(&mut self.scripts.shut, true) {
            if let Some(late) = self.scripts.condemned.take() {
                process::kill_group(late, libc::SIGKILL);
            }
            self.start_script(turn, ScriptTime::Shutdown);
        }
        self.scripts.running.is_none()
    }

    /// Starts the script of a moment; whether it runs now.
    fn start_script(&mut self, turn: &mut Turn<'_>, moment: ScriptTime) -> bool {
        let Some(Script { mut words, terms, timeout }) = self.program.script(&self.loaded, moment) else {
            return false;
        };
        let file = words.iter().next().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        log::info!("Running {} script {file}", word(moment));
        let mut environment = Words::environment();
        let started = Runner::new().and_then(|runner| runner.start(&mut words, &mut environment, &terms));
        match started {
            Ok(pid) => {
                self.scripts.running = Some((moment, pid));
                turn.set_deadline(SLOT, Some(turn.now() + timeout));
                true
            }
            Err(error) => {
                log::error!("Unable to run the {} script {file}: {error}", word(moment));
                false
            }
        }
    }

    /// A script of the parent's own has ended.
    pub(super) fn script_ended(&mut self, turn: &mut Turn<'_>, how: Ended) {
        let Some((moment, _)) = self.scripts.running.take() else {
            self.scripts.condemned = None;
            return turn.set_deadline(SLOT, None);
        };
        match how {
            Ended::Exited(0) => log::info!("{} script script succeeded", word(moment)),
            Ended::Exited(code) => log::warn!("{} script script failed, status {code}", word(moment)),
            Ended::Killed(signal) => log::warn!("{} script ended due to signal {signal}", word(moment)),
        }
        if let Some(meaning) = meaning(how) {
            log::warn!("{} script: {meaning}", word(moment));
        }
        turn.set_deadline(SLOT, None);
        self.go_on(turn, moment);
    }

    /// The script of the parent's own has run too long.
    pub(super) fn script_overdue(&mut self, turn: &mut Turn<'_>) {
        let Some((moment, _)) = self.scripts.running else {
            if let Some(late) = self.scripts.condemned {
                process::kill_group(late, libc::SIGKILL);
            }
            return;
        };
        log::warn!("{} script timed out", word(moment));
        self.condemn(turn);
        self.go_on(turn, moment);
    }

    /// Tells what runs to end, and waits for it no longer.
    fn condemn(&mut self, turn: &mut Turn<'_>) {
        let Some((moment, pid)) = self.scripts.running.take() else { return };
        // After the shutdown script nobody is left to see to its end.
        let last = moment == ScriptTime::Shutdown;
        process::kill_group(pid, if last { libc::SIGKILL } else { libc::SIGTERM });
        self.scripts.condemned = Some(pid);
        turn.set_deadline(SLOT, (!last).then(|| turn.now() + GRACE));
    }

    fn go_on(&mut self, turn: &mut Turn<'_>, moment: ScriptTime) {
        match moment {
            ScriptTime::Startup => self.begin_children(turn),
            ScriptTime::Shutdown => self.check_end(turn),
        }
    }
}

/// As keepalived's log has it.
const fn word(moment: ScriptTime) -> &'static str {
    match moment {
        ScriptTime::Startup => "startup",
        ScriptTime::Shutdown => "shutdown",
    }
}
