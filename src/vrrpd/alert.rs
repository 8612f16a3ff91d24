//! Transitions told to FIFOs and by mail.

use super::build::{Broken, unusable};
use super::live::Instance;
use super::mail::{News, Text};
use super::report;
use super::slots::Slot;
use super::state::{Owner, Vrrp};
use super::{kind, tell};
use crate::base::id::{GroupId, InstanceId};
use crate::config::model::Model;
use crate::daemon::reactor::{Again, Turn};
use crate::daemon::token::Own;
use crate::notify::fifo::{self, Fifos, Wanted};
use crate::notify::mail::{Mailer, Place, Settings};
use crate::notify::{Resolver, Standing};
use crate::proto::vrrp::State;
use crate::sys::process::{Ended, Pid};

/// Who is told besides scripts.
pub(super) struct Alerts {
    pub(super) fifos: Fifos,
    /// None: no relay, or nobody to get mail.
    pub(super) mail: Option<Box<Mailer>>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { fifos: Fifos::new(kind::FIFO, "vrrp"), mail: None }
    }
}

/// The FIFOs of a model: the common one and that of VRRP.
fn wanted(model: &Model, resolver: &Resolver, broken: &mut Vec<Broken>) -> [Option<Wanted>; fifo::COUNT] {
    let global = &model.global;
    let clash = global.vrrp_fifo.path.is_some() && global.vrrp_fifo.path == global.fifo.path;
    [Some(&global.fifo), (!clash).then_some(&global.vrrp_fifo)].map(|fifo| {
        Wanted::new(fifo?, resolver, |command, path, why| broken.push(Broken::fifo(command, path, why)))
    })
}

/// What of the FIFOs of a model cannot be.
pub(super) fn broken(model: &Model, resolver: &Resolver) -> Vec<Broken> {
    let mut broken = Vec::new();
    wanted(model, resolver, &mut broken);
    let global = &model.global;
    if let Some(path) = global.vrrp_fifo.path.as_ref().filter(|path| Some(*path) == global.fifo.path.as_ref())
    {
        broken.push(Broken::clash(path));
    }
    broken
}

impl Vrrp {
    /// Goes over to the FIFOs and the mail of the model in force. For load time: allocates.
    pub(super) fn load_alerts(&mut self, turn: &mut Turn<'_>) {
        let resolver = Resolver::new(&self.model.global);
        let mut broken = Vec::new();
        let wanted = wanted(&self.model, &resolver, &mut broken);
        report::broken(&broken);
        let children = &mut self.notifies.children;
        let started = |pid, _| children.push((pid, Owner::Fifo));
        let tellers = self.routers.instances.len() + self.routers.groups.len();
        self.notifies.alerts.fifos.load(
            turn,
            wanted,
            tellers,
            &self.notifies.runner,
            &mut self.notifies.environment,
            started,
        );
        self.note_fifos();
        self.arm_fifos(turn);
        let place = self.mail_place();
        match (Settings::new(&self.model.global), &mut self.notifies.alerts.mail) {
            (Some(settings), Some(mail)) => mail.reconfigure(turn, place, settings, tellers),
            (Some(settings), none) => {
                let keep = self.kept.keep.clone();
                *none = Some(Box::new(Mailer::new(settings, tellers, keep)));
            }
            (None, mail) => {
                if let Some(mail) = mail.take() {
                    mail.finish(turn, place);
                }
            }
        }
    }

    pub(super) fn mail_place(&self) -> Place {
        Place {
            connection: Own { kind: kind::MAIL, index: 0 },
            lookup: Own { kind: kind::LOOKUP, index: 0 },
            slot: self.work.layout.number(Slot::Mail),
        }
    }

    fn arm_fifos(&self, turn: &mut Turn<'_>) {
        turn.set_deadline(self.work.layout.number(Slot::Fifos), self.notifies.alerts.fifos.poll_at());
    }

    /// An instance is in another state.
    pub(super) fn alert(&mut self, turn: &mut Turn<'_>, id: InstanceId, to: Standing, priority: u8) {
        let place = self.mail_place();
        let Some(Instance { config, .. }) = self.routers.instances.get(id.index()) else { return };
        let (name, word) = (&config.name, to.word());
        self.notifies.alerts.fifos.line(format_args!("INSTANCE \"{name}\" {word} {priority}"));
        if let Some(mail) =
            self.notifies.alerts.mail.as_mut().filter(|_| config.smtp_alert && is_mailed(&self.model, to))
        {
            let news = News { group: false, name, to };
            mail.mail(turn, place, news.about(), format_args!("{news}"), format_args!("{}", Text(news)));
        }
    }

    /// A sync group is in another state.
    pub(super) fn alert_group(&mut self, turn: &mut Turn<'_>, id: GroupId, to: Standing) {
        self.tell_fifos_of_group(id, to);
        let place = self.mail_place();
        let Some(group) = self.model.groups.get(id.index()).filter(|group| group.smtp_alert) else { return };
        if let Some(mail) = self.notifies.alerts.mail.as_mut().filter(|_| is_mailed(&self.model, to)) {
            let news = News { group: true, name: &group.name, to };
            mail.mail(turn, place, news.about(), format_args!("{news}"), format_args!("{}", Text(news)));
        }
    }

    fn tell_fifos_of_group(&mut self, id: GroupId, to: Standing) {
        if let Some(group) = self.model.groups.get(id.index()) {
            self.notifies.alerts.fifos.line(format_args!("GROUP \"{}\" {} 0", group.name, to.word()));
        }
    }

    /// The effective priority of an instance has changed.
    pub(super) fn alert_priority(&mut self, id: InstanceId, priority: u8) {
        let Some(Instance { config, router, .. }) = self.routers.instances.get(id.index()) else { return };
        let state = match router.state() {
            State::Master => Standing::Master,
            // keepalived has no word of its own for a FAULT.
            State::Backup | State::Fault => Standing::Backup,
            State::Init => return,
        };
        if config.notify_priority_changes {
            let (name, word) = (&config.name, state.word());
            self.notifies.alerts.fifos.line(format_args!("INSTANCE \"{name}\" {word}_PRIORITY {priority}"));
        }
    }

    /// A MASTER has heard an advert of lower priority.
    pub(super) fn alert_lower(&mut self, id: InstanceId, priority: u8) {
        if let Some(instance) = self.routers.instances.get(id.index()) {
            let name = &instance.config.name;
            self.notifies
                .alerts
                .fifos
                .line(format_args!("INSTANCE \"{name}\" MASTER_RX_LOWER_PRI {priority}"));
        }
    }

    /// After a reload, by `fifo_write_vrrp_states_on_reload`: the states of the sync groups, as keepalived has it.
    pub(super) fn repeat_states(&mut self) {
        if !self.model.global.fifo_states_on_reload {
            return;
        }
        for position in 0..self.routers.groups.len() {
            let state = self.routers.groups.get(position).map_or(State::Init, |group| group.machine.state());
            if state != State::Init {
                self.tell_fifos_of_group(GroupId::at(position), tell::standing(state).0);
            }
        }
    }

    /// A FIFO or the mail has something to say.
    pub(super) fn alert_ready(&mut self, turn: &mut Turn<'_>, source: Own) -> Again {
        if source.kind == kind::FIFO {
            self.notifies.alerts.fifos.ready(turn, source.index);
            return Again::Done;
        }
        let place = self.mail_place();
        self.notifies.alerts.mail.as_mut().map_or(Again::Done, |mail| mail.ready(turn, place, source))
    }

    /// The mail wants to be told the time.
    pub(super) fn mail_due(&mut self, turn: &mut Turn<'_>) {
        let place = self.mail_place();
        if let Some(mail) = &mut self.notifies.alerts.mail {
            mail.expired(turn, place);
        }
    }

    /// Scripts of FIFOs take too long to end.
    pub(super) fn fifos_overdue(&mut self, turn: &mut Turn<'_>) {
        self.notifies.alerts.fifos.overdue(turn);
        self.arm_fifos(turn);
    }

    /// The script of a FIFO has ended.
    pub(super) fn fifo_script_ended(&mut self, turn: &mut Turn<'_>, pid: Pid, how: Ended) {
        self.notifies.alerts.fifos.ended(turn, pid, how);
        self.arm_fifos(turn);
        self.stop_if_idle(turn);
    }

    /// The process stops, and everything has been said.
    pub(super) fn finish_alerts(&mut self, turn: &mut Turn<'_>) {
        let place = self.mail_place();
        if let Some(mail) = self.notifies.alerts.mail.take() {
            mail.finish(turn, place);
        }
        self.notifies.alerts.fifos.finish(turn);
        self.note_fifos();
        self.write_ledger();
        self.arm_fifos(turn);
    }
}

/// Stops are never mailed.
const fn is_mailed(model: &Model, to: Standing) -> bool {
    match to {
        Standing::Master | Standing::Backup | Standing::Deleted => true,
        Standing::Fault => !model.global.mail.no_faults,
        Standing::Stop => false,
    }
}

impl Broken {
    /// A FIFO without its owner or without its script.
    fn fifo(
        command: Option<&crate::config::model::ScriptCommand>,
        path: &str,
        why: &crate::notify::Unusable,
    ) -> Self {
        let why = unusable(why);
        match command {
            None => Self {
                at: crate::config::model::At::default(),
                text: format!("Disabling notify fifo {path} {why}"),
            },
            Some(command) => Self {
                at: command.at,
                text: format!("Disabling notify fifo {path} script {} {why}", command.raw),
            },
        }
    }

    fn clash(path: &str) -> Self {
        let text = format!("vrrp_notify_fifo {path} is notify_fifo already - ignoring it");
        Self { at: crate::config::model::At::default(), text }
    }
}
