//! What the child lends to data dump and JSON status: instances, groups and what they track, one at a time. Each writer
//! says None past the last one.

use core::fmt::{self, Write};

use crate::base::id::{BfdId, FileId, GroupId, InstanceId, LinkId, ProcessId, ScriptId};
use crate::child::status::runs;
use crate::proto::track::{Effect, Tracked, Weight};
use crate::status::dump::address::Whereabouts;
use crate::status::dump::instance::instance;
use crate::status::dump::tables::{self, script};
use crate::status::dump::{self, Clock, trackers};
use crate::status::json;
use crate::vrrpd::live::item::Presence;
use crate::vrrpd::live::notify::Script;
use crate::vrrpd::live::{Instance, Vip};
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::track::Object;

impl Vrrp {
    pub(super) fn write_instance(
        &self,
        clock: &Clock,
        out: &mut dyn Write,
        position: usize,
    ) -> Option<fmt::Result> {
        self.with_instance(position, &mut |view| instance(out, clock, view))
    }

    pub(super) fn write_json_instance(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        self.with_instance(position, &mut |view| {
            if position > 0 {
                json::next(out)?;
            }
            json::instance::instance(out, view)
        })
    }

    /// Lends the instance at a position to a writer.
    #[inline(never)]
    pub(super) fn with_instance(
        &self,
        position: usize,
        write: &mut dyn FnMut(&dump::instance::Instance<'_>) -> fmt::Result,
    ) -> Option<fmt::Result> {
        let this = self.routers.instances.get(position)?;
        let name = |id: Option<LinkId>| Some(self.links.table.link(id?)?.name.as_str());
        let guarded = self.firewall.is_guarding(InstanceId::at(position));
        let place = |position: usize| Whereabouts { guarded, ..self.whereabouts(this, position) };
        let command = |id: ScriptId| self.trackers.scripts.get(id.index())?.command.as_ref().map(runs);
        let waits = |tracked: &&Tracked| self.situation().effect(**tracked) == Effect::Waits;
        let runs = |script: Script| Some(runs(this.notifier.as_ref()?.command(script as usize)?));
        let heard = this.reception.socket.and_then(|id| self.sockets.pool.receiver(id));
        Some(write(&dump::instance::Instance {
            model: &self.model,
            config: &this.config,
            router: &this.router,
            since: this.entered.wall,
            local: this.local(),
            base: name(this.links.base),
            index: this.links.base.and_then(|id| self.links.table.link(id)?.index),
            own: name(this.links.own),
            next_extra: self.announcer.next_extra(InstanceId::at(position)),
            own_up: this.links.own.and_then(|id| self.links.table.link(id)).is_some_and(|link| link.state.up),
            sockets: (heard.map(|receiver| receiver.fd()), self.sockets.pool.sender_fd(this.family())),
            place: &place,
            command: &command,
            reasons: &self.reasons(this),
            pending_scripts: this.tracking.iter().filter(waits).count(),
            scripts: [
                runs(Script::Backup),
                runs(Script::Master),
                runs(Script::Fault),
                runs(Script::Stop),
                runs(Script::Deleted),
                runs(Script::Any),
                runs(Script::LowerPriority),
            ],
        }))
    }

    /// Where an address of an instance is.
    fn whereabouts<'a>(&'a self, this: &Instance, position: usize) -> Whereabouts<'a> {
        let Some(moved) = this.addresses.get(position) else { return Whereabouts::default() };
        let name = |id: Option<LinkId>| Some(self.links.table.link(id?)?.name.as_str());
        let base = match moved.link {
            Some(link) if Some(link) == this.links.own => this.links.base.filter(|base| *base != link),
            Some(link) if Some(link) != this.links.base && this.config.wants_macvlan() => {
                self.owns.base_of(link)
            }
            _ => None,
        };
        Whereabouts {
            interface: name(moved.link),
            base: name(base),
            held: !moved.item.is_missing(),
            in_kernel: self.is_in_kernel(moved),
            guarded: false,
        }
    }

    /// Whether the kernel has an address, of this child or put there by another program, maybe as part of another network.
    pub(super) fn is_in_kernel(&self, vip: &Vip) -> bool {
        let is_on = |link| self.links.table.link(link).is_some_and(|link| link.has(vip.prefix.addr));
        matches!(vip.item.presence(), Presence::Ours | Presence::Foreign) || vip.link.is_some_and(is_on)
    }

    pub(super) fn write_group(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        self.with_group(position, &mut |view| dump::group::group(out, view))
    }

    /// Lends the sync group at a position to a writer.
    #[inline(never)]
    pub(super) fn with_group(
        &self,
        position: usize,
        write: &mut dyn FnMut(&dump::group::Group<'_>) -> fmt::Result,
    ) -> Option<fmt::Result> {
        let (this, config) = (self.routers.groups.get(position)?, self.model.groups.get(position)?);
        let members = self.routers.policy.members(GroupId::at(position))?;
        let instances = members.ids.iter().filter_map(|member| self.instance(*member));
        let machines = instances.map(|instance| instance.router.machine());
        let runs = |script: Script| Some(runs(this.notifier.as_ref()?.command(script as usize)?));
        let view = dump::group::Group {
            model: &self.model,
            config,
            state: members.machine.state(),
            faulty: machines.clone().filter(|machine| !machine.faults().own().is_empty()).count(),
            waiting: machines.filter(|machine| machine.is_pending()).count(),
            scripts: [
                runs(Script::Backup),
                runs(Script::Master),
                runs(Script::Fault),
                runs(Script::Stop),
                runs(Script::Any),
            ],
        };
        Some(write(&view))
    }

    pub(super) fn write_script(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let of = Object::Script(ScriptId::at(position));
        self.with_script(position, &mut |view| script(out, view, &mut self.users(of)))
    }

    /// Lends the script at a position to a writer.
    #[inline(never)]
    pub(super) fn with_script(
        &self,
        position: usize,
        write: &mut dyn FnMut(&tables::Script<'_>) -> fmt::Result,
    ) -> Option<fmt::Result> {
        let this = self.trackers.scripts.get(position)?;
        let command = this.command.as_ref();
        let view = tables::Script {
            config: self.model.scripts.get(position)?,
            machine: &this.machine,
            runs: command.map(runs),
            insecure: command.is_some_and(|command| command.insecure.is_some()),
            running: this.pid.is_some(),
        };
        Some(write(&view))
    }

    pub(super) fn write_file(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let id = FileId::at(position);
        let users = self.users(Object::File(id));
        Some(trackers::file(out, self.model.file(id)?, self.trackers.files.number(id), users))
    }

    pub(super) fn write_process(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let id = ProcessId::at(position);
        let users = self.users(Object::Process(id));
        Some(trackers::process(out, self.model.process(id)?, self.trackers.processes.machine(id)?, users))
    }

    pub(super) fn write_tracked_session(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let id = BfdId::at(position);
        let config = self.model.bfd(id)?;
        if !config.vrrp {
            return Some(Ok(()));
        }
        let verdict = self.trackers.sessions.verdict(id);
        Some(trackers::session(out, config, verdict, self.users(Object::Bfd(id))))
    }

    /// The instances that track an object, and their weights.
    fn users(&self, object: Object) -> impl Iterator<Item = (&str, Weight)> {
        self.routers.instances.iter().filter_map(move |instance| {
            let tracked = instance.tracking.iter().find(|tracked| tracked.object == object)?;
            Some((instance.config.name.as_str(), tracked.weight))
        })
    }

    pub(super) fn write_json_process(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let id = ProcessId::at(position);
        let (config, machine) = (self.model.process(id)?, self.trackers.processes.machine(id)?);
        if self.json_version() == json::Version::One {
            return None;
        }
        let before = if position == 0 { json::monitors(out) } else { json::next(out) };
        Some(before.and_then(|()| json::process::process(out, config, machine)))
    }
}
