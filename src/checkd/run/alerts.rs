//! Scripts, FIFOs and mail at work: what the configuration wants of them, and the scripts of objects one after another.

use super::Checkers;
use crate::base::map::Map;
use crate::checkd::kept::service_key;
use crate::checkd::kind;
use crate::checkd::notifies::{self, Letter, NotifyId, Notifying, Purpose, State};
use crate::checkd::services::count;
use crate::checkd::slots::Slot;
use crate::child::alerts::Places;
use crate::daemon::reactor::Turn;
use crate::daemon::token::SourceId;
use crate::notify::mail::{self, Place, Settings};
use crate::notify::{Resolver, Subject};
use crate::sys::process::{Ended, Pid};

impl Checkers {
    /// The deadlines and sources of FIFOs and mail.
    pub(super) fn alert_places(&self) -> Places {
        Places {
            fifos: self.layout.number(Slot::Fifos),
            mail: Place {
                connection: SourceId { kind: kind::MAIL, index: 0 },
                lookup: SourceId { kind: kind::LOOKUP, index: 0 },
                slot: self.layout.number(Slot::Mail),
            },
        }
    }

    /// Goes over to the FIFOs and the mail of the model in force. For load time: allocates.
    pub(super) fn load_alerts(&mut self, turn: &mut Turn<'_>, resolver: &Resolver) {
        let wanted = notifies::fifos(&self.model, resolver);
        let servers: usize = self.model.services.iter().map(|service| service.servers.len()).sum();
        let objects = servers + self.model.services.len();
        let (places, notifies) = (self.alert_places(), &mut self.notifies);
        notifies.alerts.load_fifos(turn, places, wanted, objects, &mut notifies.scripts);
        notifies.alerts.keep_fifos(&self.kept.keep);
        let mails = |alert: &bool| *alert;
        let of_servers = self.model.services.iter().flat_map(|service| &service.servers);
        let mailed = of_servers.map(|server| server.smtp_alert).filter(mails).count()
            + self.model.services.iter().map(|service| service.smtp_alert).filter(mails).count();
        let settings = Settings::new(&self.model.global).filter(|_| mailed > 0);
        notifies.alerts.load_mail(turn, places, settings, mailed, &self.kept.keep);
    }

    /// Mails what the predecessor was about to. For load time: allocates.
    pub(super) fn resume_mail(&mut self, turn: &mut Turn<'_>) {
        let unsent = mail::unsent(&self.kept.keep, &self.kept.left);
        if unsent.is_empty() {
            return;
        }
        let places = self.alert_places();
        let mut letters = Map::new();
        for (service, position) in self.model.services.iter().zip(0_u32..) {
            let order = self.lvs.places.order(position);
            let of_servers = service.servers.iter().map(Some);
            for server in of_servers.chain([None]) {
                letters.insert(service_key(service, order, server), (service, order, server));
            }
        }
        self.notifies.alerts.resume_mail(turn, places, &unsent, |about| {
            let (service, order, server) = *letters.get(&about.key)?;
            let to = State::numbered(about.state)?;
            let text = match (server.is_some(), to) {
                (true, State::Up) => "=> CHECK succeed on service <=",
                (true, State::Down) => "=> CHECK failed on service <=",
                (false, State::Up) => "=> Gained quorum <=",
                (false, State::Down) => "=> Lost quorum <=",
            };
            Some((Letter { service, order, server, to }.to_string(), text.to_owned()))
        });
    }

    /// An object is in another state: its script is run.
    pub(super) fn run_notify(&mut self, turn: &mut Turn<'_>, of: (u32, Option<u32>), to: State) {
        let Ok(position) = self.scripted.binary_search_by_key(&of, |object| object.of) else { return };
        if let Some(object) = self.scripted.get_mut(position) {
            object.notifier.enter([to]);
        }
        self.advance_notify(turn, NotifyId(count(position)));
    }

    /// Starts the next script of an object, if none runs; when too many run, once another has ended.
    pub(super) fn advance_notify(&mut self, turn: &mut Turn<'_>, id: NotifyId) {
        let slot = self.layout.number(Slot::Notify(id));
        let Some(object) = self.scripted.get_mut(id.0 as usize) else { return };
        let (word, name) = (object.word(), &*object.name);
        let subject = Subject { word, name };
        let notifying = Notifying { key: id, subject, notifier: &mut object.notifier, slot };
        self.notifies.advance(turn, notifying, &mut self.process.lines);
    }

    /// The script of an object has run too long.
    pub(super) fn notify_overdue(&mut self, turn: &mut Turn<'_>, id: NotifyId) {
        let slot = self.layout.number(Slot::Notify(id));
        let Some(object) = self.scripted.get_mut(id.0 as usize) else { return };
        let (word, name) = (object.word(), &*object.name);
        Notifying { key: id, subject: Subject { word, name }, notifier: &mut object.notifier, slot }
            .overdue(turn);
    }

    /// A process that this child started has ended.
    pub(super) fn script_ended(&mut self, turn: &mut Turn<'_>, pid: Pid, how: Ended) {
        match self.notifies.scripts.ended(pid) {
            Some(Purpose::Own(id)) => self.program_ended(turn, id, pid, how),
            Some(Purpose::Notify(id)) => {
                let slot = self.layout.number(Slot::Notify(id));
                if let Some(object) = self.scripted.get_mut(id.0 as usize) {
                    let (word, name) = (object.word(), &*object.name);
                    let subject = Subject { word, name };
                    let notifying = Notifying { key: id, subject, notifier: &mut object.notifier, slot };
                    self.notifies.ended(turn, notifying, (pid, how), &mut self.process.lines);
                }
            }
            Some(Purpose::Retired(number)) => {
                self.notifies.retired_ended(turn, number, (pid, how), &mut self.process.lines);
                let slot = self.layout.number(Slot::Retired);
                self.notifies.advance_retired(turn, slot);
            }
            Some(Purpose::Fifo) => {
                let places = self.alert_places();
                self.notifies.alerts.fifo_script_ended(turn, places, (pid, how));
            }
            Some(Purpose::Nothing) | None => self.checks.leaving.ended(pid),
        }
        while let Some(next) = self.notifies.next_waiting() {
            self.advance_notify(turn, next);
        }
        self.stop_if_idle(turn);
    }
}
