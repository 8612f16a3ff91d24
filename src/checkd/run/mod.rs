//! The checker child at work: its parts composed, one method for each thing that can happen.

mod alerts;
#[cfg(feature = "status")]
mod answer;
mod checks;
mod facts;
mod followed;
mod manual;
#[cfg(feature = "status")]
mod metrics;
mod part;
mod reload;
mod start;
mod status;
mod stop;
mod suspension;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use start::{Context, clean, run};

use crate::base::id::MachineId;
use crate::base::time::Span;
use crate::checkd::checks::Checks;
use crate::checkd::kind;
use crate::checkd::ledger::Ledger;
use crate::checkd::marking::Marking;
use crate::checkd::notifies::{Notifies, Scripted};
use crate::checkd::services::Places;
use crate::checkd::slots::{Layout, Slot};
use crate::checkd::suspend::Addresses;
use crate::checkd::sync::Sync;
use crate::checkd::table::Table;
use crate::child::bracket;
use crate::child::files::Files;
use crate::child::kept::Kept;
use crate::child::peer::Peer;
use crate::child::role::Role;
use crate::config::Model;
use crate::daemon::keep::Note;
use crate::daemon::reactor::{Again, Command, Process, Turn};
use crate::daemon::token::SourceId;
use crate::proto::check::Input;
use crate::proto::lvs::{Director, Marks};
use crate::sys::process::{Ended, Pid};

use facts::Facts;
use manual::ByHand;
use status::Status;

/// The checker child: its parts, and the model in force.
pub struct Checkers {
    model: Arc<Model>,
    lvs: Lvs,
    checks: Checks,
    /// Addresses that checks wait for.
    addresses: Addresses,
    files: Files,
    notifies: Notifies,
    /// Objects that have notify scripts.
    scripted: Vec<Scripted>,
    peers: Peers,
    /// Data dump and statistics.
    status: Status,
    /// What outlives this process.
    kept: Kept,
    layout: Layout,
    process: Role,
}

/// The virtual servers: what is decided of them, and what the kernel has.
struct Lvs {
    director: Director,
    places: Places,
    /// The marks of groups.
    marks: Marks,
    /// The rules that give packets to groups their marks.
    marking: Marking,
    table: Table,
    sync: Sync,
    /// What happened and is still to be told.
    facts: Facts,
    /// What a reload gives up is to be named no more once it has left the table.
    gives_up: bool,
    /// Where it is noted for a successor whether a virtual server has quorum, in the order of the model.
    notes: Vec<Note>,
    ledger: Ledger,
    /// The weights that an administrator has given.
    by_hand: ByHand,
}

impl Lvs {
    /// Whether the kernel has everything that is to be in its table; also where it has no table.
    fn is_settled(&self) -> bool {
        self.table.ipvs.is_none() || self.director.is_settled() && self.table.waits_until().is_none()
    }
}

/// Other children.
struct Peers {
    vrrp: Peer,
    bfd: Peer,
    /// The states of BFD sessions, by the keys of their names.
    sessions: Vec<(u64, bool)>,
}

impl Checkers {
    /// Every machine of a check, for walking while changing.
    fn machines(&self) -> impl Iterator<Item = MachineId> + use<> {
        (0..self.checks.all.len()).map(MachineId::at)
    }
}

impl Process for Checkers {
    /// Answers to checks that began together come together, and nothing comes after them until the next ones begin.
    fn reads_together(&self) -> bool {
        false
    }

    fn ready(&mut self, turn: &mut Turn<'_>, source: SourceId) -> Again {
        match source.kind {
            kind::CHECK => self.check_ready(turn, MachineId(source.index)),
            kind::ADDRESSES => self.addresses_ready(turn),
            kind::FILES => self.files_ready(turn),
            kind::MARKING => {
                self.lvs.marking.hear(turn, self.process.stopping);
                Again::Done
            }
            kind::VRRP => self.vrrp_ready(turn),
            kind::BFD => self.bfd_ready(turn),
            kind::FIFO | kind::MAIL | kind::LOOKUP => {
                let places = self.alert_places();
                self.notifies.alerts.ready(turn, places, source)
            }
            _ => Again::Done,
        }
    }

    fn expired(&mut self, turn: &mut Turn<'_>, slot: u32) {
        match self.layout.slot(slot) {
            // A child that stops begins nothing new.
            Slot::Check(_) | Slot::File(_) | Slot::Table | Slot::Retry | Slot::Addresses
                if self.process.stopping => {}
            Slot::Check(id) => self.drive(turn, id, Input::Timer),
            Slot::Notify(id) => self.notify_overdue(turn, id),
            Slot::File(id) => self.file_due(turn, id),
            Slot::Table => self.look_at_table(turn),
            Slot::Retry => self.watch_missing(turn),
            Slot::Addresses => self.list_addresses(turn),
            Slot::Retired => {
                let slot = self.layout.number(Slot::Retired);
                self.notifies.retired_overdue(turn, slot);
            }
            Slot::Leaving => self.kill_leaving(turn),
            Slot::Status => self.write_status(turn),
            Slot::Fifos => {
                let places = self.alert_places();
                self.notifies.alerts.fifos_overdue(turn, places);
            }
            Slot::Mail => {
                let places = self.alert_places();
                self.notifies.alerts.mail_due(turn, places);
            }
            Slot::Stop => self.stop_now(turn),
        }
    }

    fn command(&mut self, turn: &mut Turn<'_>, command: Command) {
        match command {
            Command::Text(number, fd) => bracket::read_ahead(self, turn, number, fd),
            Command::Refused(number) => self.process.text.refuse(number),
            Command::Reload(number, fd) => bracket::begin_reload_from(self, turn, number, fd),
            Command::DumpData => self.dump_data(turn),
            // As with keepalived there are no statistics and no JSON of checkers.
            Command::DumpStats { .. } | Command::DumpJson => {}
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
        bracket::work_on_reload(self, turn)
    }

    fn ended(&mut self, turn: &mut Turn<'_>, pid: Pid, how: Ended) {
        self.script_ended(turn, pid, how);
    }

    fn turn_end(&mut self, turn: &mut Turn<'_>) {
        self.settle(turn);
        // What a successor begins with is known to the parent before anybody else hears of it.
        turn.send_reports();
        self.notifies.alerts.fifos.flush();
        self.peers.vrrp.flush();
        self.peers.bfd.flush();
        self.kept.keep.beat(turn.now());
    }

    /// The shortest time out of a check: after a longer pause what was heard meanwhile counts first.
    fn stall_threshold(&self) -> Span {
        self.checks.patience
    }
}

impl bracket::Child for Checkers {
    fn role(&mut self) -> &mut Role {
        &mut self.process
    }
}
