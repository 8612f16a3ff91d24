//! Transitions reported to FIFOs and by mail.

use super::Vrrp;
use crate::base::id::{GroupId, InstanceId};
use crate::base::map::Map;
use crate::child::alerts::Places;
use crate::daemon::reactor::{Again, Turn};
use crate::daemon::token::SourceId;
use crate::notify::Resolver;
use crate::notify::mail::{self, Place, Settings};
use crate::proto::vrrp::State;
use crate::vrrpd::live::Instance;
use crate::vrrpd::live::notify::NotifyState;
use crate::vrrpd::notifies::{self, Letter, Object};
use crate::vrrpd::slots::Slot;
use crate::vrrpd::{kind, report};

impl Vrrp {
    /// Goes over to the FIFOs and the mail of the model in force. For load time: allocates.
    pub(super) fn load_alerts(&mut self, turn: &mut Turn<'_>) {
        let resolver = Resolver::new(&self.model.global);
        let mut broken = Vec::new();
        let wanted = notifies::fifos(&self.model, &resolver, &mut broken);
        broken.iter().for_each(|broken| report::cannot_run(&broken.text));
        let objects = self.routers.instances.len() + self.routers.groups.len();
        let (places, notifies) = (self.alert_places(), &mut self.notifies);
        notifies.alerts.load_fifos(turn, places, wanted, objects, &mut notifies.scripts);
        self.note_fifos();
        let settings = Settings::new(&self.model.global);
        self.notifies.alerts.load_mail(turn, places, settings, objects, &self.kept.keep);
    }

    /// Mails what the predecessor was about to. For load time: allocates.
    pub(super) fn resume_mail(&mut self, turn: &mut Turn<'_>) {
        let unsent = mail::unsent(&self.kept.keep, &self.kept.left);
        if unsent.is_empty() {
            return;
        }
        let places = self.alert_places();
        let instances =
            self.routers.instances.iter().enumerate().map(|(position, instance)| {
                (Object::Instance(InstanceId::at(position)), &*instance.config.name)
            });
        let groups = self.model.groups.iter().enumerate();
        let groups = groups.map(|(position, group)| (Object::Group(GroupId::at(position)), &*group.name));
        let objects: Map<u64, _> = instances
            .chain(groups)
            .map(|(object, name)| (notifies::key(object, name), (object, name)))
            .collect();
        self.notifies.alerts.resume_mail(turn, places, &unsent, |about| {
            let (object, name) = *objects.get(&about.key)?;
            let letter = Letter { object, name, to: NotifyState::numbered(about.state)? };
            Some((letter.to_string(), letter.text().to_string()))
        });
    }

    /// The deadlines and sources of FIFOs and mail.
    pub(super) fn alert_places(&self) -> Places {
        Places {
            fifos: self.work.layout.number(Slot::Fifos),
            mail: Place {
                connection: SourceId { kind: kind::MAIL, index: 0 },
                lookup: SourceId { kind: kind::LOOKUP, index: 0 },
                slot: self.work.layout.number(Slot::Mail),
            },
        }
    }

    /// An instance is in another state.
    pub(super) fn alert(&mut self, turn: &mut Turn<'_>, id: InstanceId, to: NotifyState, priority: u8) {
        let places = self.alert_places();
        let Some(Instance { config, .. }) = self.routers.instances.get(id.index()) else { return };
        let (name, word) = (&config.name, to.word());
        let alerts = &mut self.notifies.alerts;
        alerts.fifos.line(format_args!("INSTANCE \"{name}\" {word} {priority}"));
        if config.smtp_alert && to.is_mailed(&self.model) {
            let letter = Letter { object: id.into(), name, to };
            let (subject, text) = (format_args!("{letter}"), letter.text());
            alerts.mail(turn, places, letter.about(), subject, format_args!("{text}"));
        }
    }

    /// A sync group is in another state.
    pub(super) fn alert_group(&mut self, turn: &mut Turn<'_>, id: GroupId, to: NotifyState) {
        self.notify_fifos_of_group(id, to);
        let places = self.alert_places();
        let Some(group) = self.model.groups.get(id.index()).filter(|group| group.smtp_alert) else { return };
        if to.is_mailed(&self.model) {
            let letter = Letter { object: id.into(), name: &group.name, to };
            let (subject, text) = (format_args!("{letter}"), letter.text());
            self.notifies.alerts.mail(turn, places, letter.about(), subject, format_args!("{text}"));
        }
    }

    fn notify_fifos_of_group(&mut self, id: GroupId, to: NotifyState) {
        if let Some(group) = self.model.groups.get(id.index()) {
            self.notifies.alerts.fifos.line(format_args!("GROUP \"{}\" {} 0", group.name, to.word()));
        }
    }

    /// The effective priority of an instance has changed.
    pub(super) fn alert_priority(&mut self, id: InstanceId, priority: u8) {
        let Some(Instance { config, router, .. }) = self.routers.instances.get(id.index()) else { return };
        let state = match router.state() {
            State::Master => NotifyState::Master,
            // keepalived has no word of its own for a FAULT.
            State::Backup | State::Fault => NotifyState::Backup,
            State::Init => return,
        };
        if config.notify_priority_changes {
            let (name, word) = (&config.name, state.word());
            let line = format_args!("INSTANCE \"{name}\" {word}_PRIORITY {priority}");
            self.notifies.alerts.fifos.line(line);
        }
    }

    /// A MASTER has heard an advert of lower priority.
    pub(super) fn alert_lower(&mut self, id: InstanceId, priority: u8) {
        if let Some(instance) = self.routers.instances.get(id.index()) {
            let name = &instance.config.name;
            let line = format_args!("INSTANCE \"{name}\" MASTER_RX_LOWER_PRI {priority}");
            self.notifies.alerts.fifos.line(line);
        }
    }

    /// After a reload, by `fifo_write_vrrp_states_on_reload`: the states of the sync groups, as keepalived has it.
    pub(super) fn repeat_states(&mut self) {
        if !self.model.global.fifo_states_on_reload {
            return;
        }
        for position in 0..self.routers.groups.len() {
            let id = GroupId::at(position);
            let state = self.routers.policy.members(id).map_or(State::Init, |group| group.machine.state());
            if state != State::Init {
                self.notify_fifos_of_group(id, state.into());
            }
        }
    }

    /// A source of a FIFO or of the mail is ready.
    pub(super) fn alert_ready(&mut self, turn: &mut Turn<'_>, source: SourceId) -> Again {
        let places = self.alert_places();
        self.notifies.alerts.ready(turn, places, source)
    }

    /// The child stops, and everything has been said.
    pub(super) fn finish_alerts(&mut self, turn: &mut Turn<'_>) {
        let places = self.alert_places();
        self.notifies.alerts.finish(turn, places);
        self.note_fifos();
        self.write_ledger();
    }
}
