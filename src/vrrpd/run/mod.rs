//! The VRRP child at work: its parts composed, one method for each thing that can happen.

mod addresses;
mod adverts;
mod alert;
mod announcements;
mod checkers;
mod detection;
mod effects;
mod event_lines;
mod firewall;
mod groups;
mod hold;
mod items;
mod job;
mod kept;
mod links;
mod listing;
mod manual;
mod notify;
mod own;
mod queues;
mod records;
mod refusal;
mod settle;
mod start;
mod status;
mod trackers;

use std::sync::Arc;

use job::{Ended, Job, Kind};
pub use start::{Context, PROGRAM, clean, run};

use crate::base::exit::Exit;
use crate::base::id::{InstanceId, SocketId};
use crate::base::limit;
use crate::base::time::Span;
use crate::child::bracket;
use crate::child::kept::Kept;
use crate::child::links::Interfaces;
use crate::child::role::{Role, patience};
use crate::config::Model;
use crate::daemon::reactor::{Again, Command, Process, Turn};
use crate::daemon::token::SourceId;
use crate::proto::vrrp::{Input, Policy};
use crate::sys::pages;
use crate::sys::process::{Ended as ProcessEnded, Pid};
use crate::vrrpd::announce::Announcer;
use crate::vrrpd::firewall::Firewall;
use crate::vrrpd::items::Items;
use crate::vrrpd::kind;
use crate::vrrpd::live::Instance;
use crate::vrrpd::notifies::Notifies;
use crate::vrrpd::own::OwnInterfaces;
use crate::vrrpd::routers::Routers;
use crate::vrrpd::run::status::Status;
use crate::vrrpd::slots::Slot;
use crate::vrrpd::sockets::Sockets;
use crate::vrrpd::track::{Reasons, Situation, Trackers};
use crate::vrrpd::work::{Load, Work};

/// The VRRP child: its parts, and the model in force.
pub struct Vrrp {
    model: Arc<Model>,
    routers: Routers,
    trackers: Trackers,
    links: Interfaces,
    sockets: Sockets,
    /// The interfaces that this child makes.
    owns: OwnInterfaces,
    items: Items,
    /// Addresses that take no packets.
    firewall: Firewall,
    announcer: Announcer,
    notifies: Notifies,
    /// Data dump and statistics.
    status: Status,
    /// What outlives this process.
    kept: Kept,
    work: Work,
    process: Role,
    /// The start, the reload or the new list under way.
    job: Option<Box<Job>>,
}

impl Vrrp {
    fn instance(&self, id: InstanceId) -> Option<&Instance> {
        self.routers.instances.get(id.index())
    }

    fn instance_mut(&mut self, id: InstanceId) -> Option<&mut Instance> {
        self.routers.instances.get_mut(id.index())
    }

    /// What is true now.
    fn situation(&self) -> Situation<'_> {
        Situation::of(&self.routers.instances, &self.links, &self.items, &self.trackers)
    }

    /// The policy, and what is true now.
    fn policy(&mut self) -> (&mut Policy, Situation<'_>) {
        let Routers { policy, instances, .. } = &mut self.routers;
        (policy, Situation::of(instances, &self.links, &self.items, &self.trackers))
    }

    /// The reasons for which an instance is in FAULT.
    fn reasons<'a>(&'a self, instance: &'a Instance) -> Reasons<'a> {
        Reasons { situation: self.situation(), model: &self.model, instance }
    }

    /// All ids, for walking while changing.
    fn ids(&self) -> impl Iterator<Item = InstanceId> + use<> {
        (0..self.routers.instances.len()).map(InstanceId::at)
    }
}

impl Vrrp {
    /// The job is over: after a start and a reload the pages of their code go back to the kernel.
    // Not inlined: this code runs on while the pages of the start and of the reload are let go, and must not be on them.
    #[inline(never)]
    fn end_job(&mut self, turn: &mut Turn<'_>, ended: Ended) {
        match ended {
            Ended::List | Ended::Broken => return,
            Ended::Stop => return self.leave(turn),
            Ended::Start | Ended::Reload { .. } => pages::release(),
        }
        match ended {
            Ended::Reload { ok } => bracket::end_reload(&mut self.process, turn, &self.model.global, ok),
            _ => bracket::started(&mut self.process),
        }
    }
}

impl Process for Vrrp {
    fn ready(&mut self, turn: &mut Turn<'_>, source: SourceId) -> Again {
        match source.kind {
            kind::SOCKET => self.receive(turn, SocketId::new(source.index)),
            kind::MONITOR => self.listen(turn),
            kind::FIREWALL => {
                self.hear_firewall(turn);
                Again::Done
            }
            kind::CHECKERS => self.checkers_ready(turn),
            kind::BFD => self.sessions_ready(turn),
            kind::LOSSES => self.hear_losses(turn),
            kind::FIFO | kind::MAIL | kind::LOOKUP => self.alert_ready(turn, source),
            kind::FILES => self.files_ready(turn),
            kind::PROCESSES => self.processes_ready(turn),
            _ => Again::Done,
        }
    }

    fn expired(&mut self, turn: &mut Turn<'_>, slot: u32) {
        match self.work.layout.slot(slot) {
            // A child that stops begins nothing new.
            Slot::Script(_)
            | Slot::File(_)
            | Slot::Process(_)
            | Slot::Scan
            | Slot::Links
            | Slot::Retry
            | Slot::Hold
            | Slot::Detection
                if self.process.stopping => {}
            Slot::Machine(id) => self.drive(turn, id, Input::Timeout),
            Slot::Announce(id) => self.touch(id, |pending| pending.announce = true),
            Slot::Notify(id) => self.notify_overdue(turn, id),
            Slot::Group(id) => self.notify_overdue(turn, id),
            Slot::Script(id) => self.script_due(turn, id),
            Slot::File(id) => self.file_due(turn, id),
            Slot::Process(id) => self.process_due(turn, id),
            Slot::Scan => self.scan_due(turn),
            Slot::Links => self.links_due(turn),
            Slot::Retry => self.retry(turn),
            Slot::Fifos => {
                let places = self.alert_places();
                self.notifies.alerts.fifos_overdue(turn, places);
            }
            Slot::Mail => {
                let places = self.alert_places();
                self.notifies.alerts.mail_due(turn, places);
            }
            Slot::Status => {
                self.write_status(turn);
                self.stop_if_idle(turn);
            }
            Slot::Extra => self.extras_due(turn),
            Slot::Hold => self.release(),
            Slot::Detection => self.end_detection(turn),
            Slot::Retired => self.retired_overdue(turn),
            Slot::Stop => self.stop_now(turn),
        }
    }

    fn command(&mut self, turn: &mut Turn<'_>, command: Command) {
        match command {
            Command::Reload(_, fd) => self.begin_reload(turn, fd),
            // Adverts come first: a text is read when it is sure to be wanted.
            Command::Text(..) | Command::Refused(_) => {}
            Command::DumpData => self.dump_data(turn),
            Command::DumpStats { clear } => self.dump_stats(turn, clear),
            Command::DumpJson => self.dump_json(turn),
            Command::Peer(kind, fd) => self.connect(turn, kind, fd),
            #[cfg(feature = "status")]
            Command::Ask(question, fd) => self.answer_client(turn, question, fd),
            // That is for the subagent.
            #[cfg(feature = "snmp")]
            Command::Rows(..)
            | Command::Happened(..)
            | Command::Changed(..)
            | Command::AdvertRefused(_)
            | Command::Ends => {}
            Command::Stop | Command::ParentGone => self.stop(turn),
        }
    }

    fn work(&mut self, turn: &mut Turn<'_>) -> Again {
        self.process.meter.note_slice(turn.slice());
        self.send_due(turn);
        turn.answer_hellos();
        turn.renew();
        // Inputs wait for the steps and effects of those before them, a job for the inputs.
        if self.work.busy && !self.go_on(turn) {
            return Again::More;
        }
        self.take_adverts(turn);
        if self.work.busy {
            return Again::More;
        }
        if self.job.is_none() {
            return Again::Done;
        }
        match self.work_on_job(turn) {
            None => Again::More,
            Some(ended) => {
                self.end_job(turn, ended);
                Again::Done
            }
        }
    }

    fn ended(&mut self, turn: &mut Turn<'_>, pid: Pid, how: ProcessEnded) {
        self.script_ended(turn, pid, how);
    }

    fn turn_end(&mut self, turn: &mut Turn<'_>) {
        if !self.work.busy && !self.is_about_to_list() {
            self.assign_sockets(turn);
            self.settle(turn);
            self.work.load = Load::default();
        }
        self.flush_channels();
        self.kept.keep.beat(turn.now());
    }

    /// Effects take their time, adverts wait for no more than those of a few instances.
    fn is_laden(&self) -> bool {
        self.work.is_laden()
    }

    /// The shortest advert interval: after a longer pause what was heard meanwhile counts first.
    fn stall_threshold(&self) -> Span {
        self.routers.shortest_interval
    }
}

impl bracket::Child for Vrrp {
    fn role(&mut self) -> &mut Role {
        &mut self.process
    }
}

impl Vrrp {
    /// Arms the second after which refused things are tried again.
    pub(super) fn arm_retry(&mut self, turn: &mut Turn<'_>) {
        self.arm_retry_in(turn, limit::KERNEL_RETRY);
    }

    /// The same for a time of less.
    pub(super) fn arm_retry_in(&mut self, turn: &mut Turn<'_>, wait: Span) {
        let (slot, at) = (self.work.layout.number(Slot::Retry), turn.now() + wait);
        if turn.deadline(slot).is_none_or(|armed| armed > at) {
            turn.set_deadline(slot, Some(at));
        }
    }

    fn retry(&mut self, turn: &mut Turn<'_>) {
        if core::mem::take(&mut self.links.listing_failed) {
            return self.list_again(turn, Kind::Retry);
        }
        self.retry_all(turn);
    }

    /// Tries again what the kernel refused.
    fn retry_all(&mut self, turn: &mut Turn<'_>) {
        self.retry_objects(turn);
        self.retry_firewall(turn);
        if self.owns.lacks_one(&self.links.table) {
            self.owns.ensure_all(&self.links.table, &mut self.items.commands);
        }
        self.watch_missing(turn);
        for id in self.ids() {
            let Some(instance) = self.instance(id) else {
                continue;
            };
            if instance.lacks_key() {
                self.retry_keys(turn, id);
            } else if instance.reception.failed {
                self.open_socket(turn, id);
                self.refresh(turn, id);
            } else {
                self.retry_addresses(turn, id);
            }
        }
    }

    /// Leaves everything in order: priority 0, addresses off, scripts notified. The loop takes up the work.
    fn stop(&mut self, turn: &mut Turn<'_>) {
        if self.process.begin_stop(turn) {
            self.begin_leaving(turn);
        }
    }

    /// Every instance has stopped: what else this process made goes, and the process waits for the last scripts.
    fn leave(&mut self, turn: &mut Turn<'_>) {
        for script in &self.trackers.scripts {
            if let Some(pid) = script.pid {
                crate::sys::process::kill_group(pid, libc::SIGTERM);
            }
        }
        self.finish_alerts(turn);
        if self.process.keep_on_stop {
            if !self.writes_status() {
                self.flush_channels();
                turn.stop(Exit::Ok);
            }
            return;
        }
        self.items.delete_statics(&mut self.routers.instances, &self.links.table);
        self.remove_owns();
        self.remove_firewall(turn);
        let patience = patience(&self.model.daemon);
        turn.set_deadline(self.work.layout.number(Slot::Stop), Some(turn.now() + patience));
        // If the process ends at once the turn has no end.
        self.flush_channels();
        turn.send_reports();
        self.stop_if_idle(turn);
    }

    /// Hands what goes to the FIFOs and to the other children to the kernel.
    fn flush_channels(&mut self) {
        self.notifies.alerts.fifos.flush();
        self.routers.checkers.flush();
        self.trackers.sessions.peer.flush();
    }
}

/// The shortest advert interval of a model; a second if it has no instance.
pub(super) fn shortest_interval(model: &Model) -> Span {
    let intervals = model.instances.iter().map(|instance| instance.params.advert_interval);
    intervals.min().unwrap_or(Span::from_secs(1))
}
