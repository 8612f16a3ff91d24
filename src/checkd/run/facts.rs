//! What the director reports: carried out in the kernel's table, told in the log, then told to FIFOs, scripts and mail.

use core::fmt::{self, Display, Formatter};

use super::Checkers;
use crate::base::id::{MachineId, RealId, ServiceId};
use crate::base::limit;
use crate::checkd::checks::sharing::Place;
use crate::checkd::notifies::{Letter, State};
use crate::checkd::report::{self, Entry, Quorum, QuorumText};
use crate::checkd::services::{Named, Places};
use crate::config::model::{Checker, Model};
use crate::daemon::log::together;
use crate::daemon::reactor::Turn;
use crate::proto::lvs::Fact;

/// What happened and is still to be told and carried out.
#[derive(Default)]
pub(super) struct Facts {
    /// Each with the check that brought it about.
    all: Vec<(Fact, Option<Place>)>,
    /// The checks that have come to another verdict while their server stayed what it is, each with the verdict.
    checked: Vec<(Place, State)>,
    /// The checks that have decided something which the kernel does not have yet.
    undecided: Vec<MachineId>,
}

/// Facts that wait to be told together. A turn rarely brings more; past that they are told at once.
const MANY: usize = 512;
/// Facts of one verdict at most: the server, its service, and the sorry server.
const OF_ONE: usize = 4;

impl Facts {
    /// Makes room. For load time: allocates.
    pub(super) fn reserve(&mut self, shared: usize) {
        let room = MANY + OF_ONE * shared;
        self.all.reserve(room.saturating_sub(self.all.len()));
        self.checked.reserve((MANY + shared).saturating_sub(self.checked.len()));
        self.undecided.reserve(MANY.saturating_sub(self.undecided.len()));
    }

    pub(super) fn push(&mut self, fact: Fact, cause: Option<Place>) {
        self.all.push((fact, cause));
    }

    /// A check has come to another verdict, and its server is what it was.
    pub(super) fn push_checked(&mut self, place: Place, verdict: State) {
        self.checked.push((place, verdict));
    }

    /// A check decides something.
    pub(super) fn note_decision(&mut self, id: MachineId) {
        if self.undecided.last() != Some(&id) {
            self.undecided.push(id);
        }
    }

    /// Whether a check has just decided something.
    pub(super) fn is_undecided(&self, id: MachineId) -> bool {
        self.undecided.last() == Some(&id)
    }

    /// Makes room for what a stop tells of all services at once. Allocates.
    pub(super) fn reserve_for_stop(&mut self, services: usize, servers: usize) {
        self.all.reserve(services.saturating_add(servers));
    }

    pub(super) const fn are_many(&self) -> bool {
        self.all.len() >= MANY || self.undecided.len() >= MANY
    }
}

impl Checkers {
    /// Makes the table what it is to be, and tells what happened. A server that fails is not asked for more while lines are
    /// written: the table comes first. Where much is to be done to the table the loop goes on in between, so that checks
    /// run and the parent is answered, and what happened is told when all is done.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        self.program(turn, limit::LVS_OPERATIONS_PER_TURN);
        if self.lvs.is_settled() {
            self.tell_all(turn);
            if core::mem::take(&mut self.lvs.gives_up) {
                self.write_ledger();
            }
        } else {
            // What happened is not in the kernel yet: a successor looks at it.
            self.keep_quorums();
            self.arm_table(turn);
        }
    }

    /// The same to its end, before anything else happens.
    pub(super) fn settle_all(&mut self, turn: &mut Turn<'_>) {
        self.keep_quorums();
        self.program(turn, usize::MAX);
        self.tell_all(turn);
    }

    /// Notes the quorums that have changed, which the kernel does not know of.
    fn keep_quorums(&mut self) {
        let facts = core::mem::take(&mut self.lvs.facts.all);
        for (fact, _) in &facts {
            if let Fact::Quorum { service, .. } = fact {
                self.keep_quorum(*service, false);
            }
        }
        self.lvs.facts.all = facts;
    }

    /// Logs and tells what happened, all of which the kernel has.
    fn tell_all(&mut self, turn: &mut Turn<'_>) {
        let facts = core::mem::take(&mut self.lvs.facts.all);
        let lines = together();
        for (fact, _) in &facts {
            log(&self.model, &self.lvs.places, fact);
        }
        drop(lines);
        for (fact, cause) in &facts {
            self.tell(turn, fact, *cause);
        }
        self.lvs.facts.all = facts;
        self.lvs.facts.all.clear();
        let checked = core::mem::take(&mut self.lvs.facts.checked);
        for (place, verdict) in &checked {
            self.mail_check(turn, *place, *verdict);
        }
        self.lvs.facts.checked = checked;
        self.lvs.facts.checked.clear();
        while let Some(id) = self.lvs.facts.undecided.pop() {
            self.keep_check(id, true);
        }
    }

    /// Carries out what the director asks of the table, so many operations at most, and logs what comes of it.
    fn program(&mut self, turn: &mut Turn<'_>, most: usize) {
        let (lvs, now) = (&mut self.lvs, turn.now());
        let (model, places) = (&self.model, &lvs.places);
        let between = &mut || turn.answer_hellos();
        lvs.table.settle(now, (&mut lvs.director, most), between, &mut |fact| log(model, places, &fact));
        if lvs.table.is_unsure() || lvs.table.waits_until().is_some() {
            self.arm_table(turn);
        }
    }

    /// Tells FIFOs, scripts and mail.
    fn tell(&mut self, turn: &mut Turn<'_>, fact: &Fact, cause: Option<Place>) {
        match *fact {
            Fact::Real { real, up, .. } => self.tell_server(turn, real, State::of(up), cause),
            Fact::RealGone { .. } | Fact::ServiceGone { .. } => {}
            Fact::RealStops { real, notify: true } => self.tell_server(turn, real, State::Down, None),
            Fact::Quorum { service, up, start, live, .. } => {
                let Some(params) =
                    self.model.services.get(service.index()).map(|service| service.params.clone())
                else {
                    return;
                };
                self.keep_quorum(service, true);
                let quorum = Quorum { params, up, start, live };
                self.tell_service(turn, service, State::of(up), Some(quorum));
            }
            Fact::ServiceStops { service, notify: true } => {
                self.tell_service(turn, service, State::Down, None);
            }
            _ => {}
        }
    }

    pub(super) fn tell_server(&mut self, turn: &mut Turn<'_>, real: RealId, to: State, cause: Option<Place>) {
        #[cfg(feature = "snmp")]
        if let Some((service, server)) = self.lvs.places.server(real) {
            self.tell_subagent(turn, service, Some(server), to);
        }
        let places = self.alert_places();
        let Some((named, server)) = Named::with_server(&self.model, &self.lvs.places, real) else { return };
        let (service, name) = (named.name(), named.server_name(server));
        let alerts = &mut self.notifies.alerts;
        alerts.fifos.line(format_args!("RS {name} {service} {}", to.word()));
        if server.smtp_alert {
            let letter = Letter { service: named.service, order: named.order, server: Some(server), to };
            let text = Checked(cause.and_then(|place| place.of(&self.model)), to);
            alerts.mail(turn, places, letter.about(), format_args!("{letter}"), format_args!("{text}"));
        }
        if let Some((service, server)) = self.lvs.places.server(real) {
            self.run_notify(turn, (service, Some(server)), to);
        }
    }

    /// Mails that a check has come to another verdict, which left its server as it is, unless nobody wants to know
    /// (`no_checker_emails`).
    fn mail_check(&mut self, turn: &mut Turn<'_>, place: Place, verdict: State) {
        if self.model.global.mail.no_checker_emails {
            return;
        }
        let real = self.lvs.places.real(place.service, place.server);
        let Some((named, server)) = Named::with_server(&self.model, &self.lvs.places, real) else { return };
        if server.smtp_alert {
            let to = State::of(self.lvs.director.real(real).is_some_and(|view| view.up));
            let letter = Letter { service: named.service, order: named.order, server: Some(server), to };
            let text = Checked(place.of(&self.model), verdict);
            let (subject, text) = (format_args!("{letter}"), format_args!("{text}"));
            let places = self.alert_places();
            self.notifies.alerts.mail(turn, places, letter.about(), subject, text);
        }
    }

    /// Has an SNMP agent notified (`enable_traps`).
    #[cfg(feature = "snmp")]
    fn tell_subagent(&self, turn: &mut Turn<'_>, service: u32, server: Option<u32>, to: State) {
        use crate::daemon::ipc::ToParent;
        use crate::daemon::record::Record;
        use crate::status::mib::lvs;
        if self.model.global.monitoring.traps {
            let state = if to == State::Up { lvs::UP } else { lvs::DOWN };
            let Some(config) = self.model.services.get(service as usize) else { return };
            let key = lvs::key(service, server.map(|server| lvs::row_of(config, server)));
            turn.report(ToParent::Transition(Record::new(key, state)));
        }
    }

    fn tell_service(&mut self, turn: &mut Turn<'_>, id: ServiceId, to: State, quorum: Option<Quorum>) {
        #[cfg(feature = "snmp")]
        self.tell_subagent(turn, id.0, None, to);
        let places = self.alert_places();
        let Some(named) = Named::of(&self.model, &self.lvs.places, id) else { return };
        let alerts = &mut self.notifies.alerts;
        // A service that starts without quorum has told nobody that it had it.
        if to == State::Up || !quorum.as_ref().is_some_and(|quorum| quorum.start) {
            alerts.fifos.line(format_args!("VS {} {}", named.name(), to.word()));
        }
        if named.service.smtp_alert
            && let Some(quorum) = quorum
        {
            let letter = Letter { service: named.service, order: named.order, server: None, to };
            let text = QuorumText(quorum);
            alerts.mail(turn, places, letter.about(), format_args!("{letter}"), format_args!("{text}"));
        }
        self.run_notify(turn, (id.0, None), to);
    }
}

/// The text of a letter about a real server: what its check came to, if it was one.
struct Checked<'a>(Option<&'a Checker>, State);

impl Display for Checked<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let keyword = self.0.map_or("", |checker| checker.probe.keyword());
        let how = match (self.1, keyword) {
            // keepalived has this word for programs alone.
            (State::Up, "MISC_CHECK") => "succeeded",
            (State::Up, _) => "succeed",
            (State::Down, _) => "failed",
        };
        write!(f, "=> {}CHECK {how} on service <=", word(keyword))
    }
}

/// The word for a kind of checks in letters: the keyword up to its underscore, and a blank.
fn word(keyword: &'static str) -> &'static str {
    match keyword {
        "TCP_CHECK" => "TCP ",
        "HTTP_GET" => "HTTP ",
        "SSL_GET" => "SSL ",
        "SMTP_CHECK" => "SMTP ",
        "DNS_CHECK" => "DNS ",
        "MISC_CHECK" => "MISC ",
        "UDP_CHECK" => "UDP ",
        "PING_CHECK" => "PING ",
        "FILE_CHECK" => "FILE ",
        "BFD_CHECK" => "BFD ",
        _ => "",
    }
}

/// Logs a fact about the services of a model.
pub(super) fn log(model: &Model, places: &Places, fact: &Fact) {
    let with_server = |real| Named::with_server(model, places, real);
    let of = |service| Named::of(model, places, service);
    match *fact {
        Fact::Real { real, up, inhibit } => {
            if let Some((named, server)) = with_server(real) {
                report::server(named.server_name(server), named.name(), up, inhibit);
            }
        }
        Fact::Weight { real, from, to, active } => {
            if let Some((named, server)) = with_server(real) {
                report::weight(named.server_name(server), named.name(), (from, to), active);
            }
        }
        Fact::Quorum { service, up, start, live, .. } => {
            if let Some(named) = of(service) {
                let params = named.service.params.clone();
                report::quorum(&Quorum { params, up, start, live }, named.name());
            }
        }
        Fact::Sorry { service, active, inhibit } => {
            if let Some(named) = of(service)
                && let Some(sorry) = &named.service.sorry
            {
                report::sorry(named.service.sorry_name(sorry), named.name(), active, inhibit);
            }
        }
        Fact::RealGone { real, .. } => {
            if let Some((named, server)) = with_server(real) {
                report::server_gone(named.server_name(server));
            }
        }
        Fact::ServiceGone { service, .. } => {
            if let Some(named) = of(service) {
                report::service_gone(named.name());
            }
        }
        Fact::RealStops { real, .. } => {
            if let Some((named, server)) = with_server(real) {
                report::shutting_down(named.server_name(server), named.name());
            }
        }
        Fact::ServiceStops { .. } => {}
        Fact::PutBack { key, dest } => report::put_back(Entry(key, dest)),
        Fact::LeftAlone { key } => report::left_alone(Entry(key, None)),
        Fact::Refused { key, dest, errno } => report::refused(Entry(key, dest), errno),
        Fact::Shared { holder, service, key } => {
            if let (Some(holder), Some(service)) = (of(holder), of(service)) {
                report::shared(Entry(key, None), holder.name(), service.name());
            }
        }
        Fact::TooMany { service } => {
            if let Some(named) = of(service) {
                report::too_many(named.name());
            }
        }
    }
}
