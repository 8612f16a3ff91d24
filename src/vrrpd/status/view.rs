//! What the child lends to the data dump: instances, sockets, scripts and interfaces, one at a time. Each writer says
//! None past the last one.

use core::fmt::{self, Write};

use crate::base::addr::{Family, IpAddr};
use crate::base::id::{FileId, LinkId, ProcessId, ScriptId};
use crate::notify::{Command, Kind as Notify};
use crate::proto::track::{Effect, Weight};
use crate::status::dump::instance::instance;
use crate::status::dump::objects::{RouteLine, RuleLine};
use crate::status::dump::tables::{self, interface, script, socket};
use crate::status::dump::{self, Clock, Owner, Runs, trackers};
use crate::vrrpd::live::Instance;
use crate::vrrpd::state::Vrrp;
use crate::vrrpd::track::{Object, Tracked};

impl Vrrp {
    pub(super) fn write_instance(
        &self,
        clock: &Clock,
        out: &mut dyn Write,
        position: usize,
    ) -> Option<fmt::Result> {
        let this = self.instances.get(position)?;
        let name = |id: Option<LinkId>| Some(self.links.link(id?)?.name.as_str());
        let held = |position: usize| {
            let moved = this.addresses.get(position);
            moved.is_some_and(|moved| !moved.held.is_missing())
        };
        let waits = |tracked: &&Tracked| self.effect(**tracked).1 == Effect::Waits;
        let runs = |kind| Some(runs(this.notifier.as_ref()?.command(kind)?));
        let heard = this.socket.and_then(|id| self.pool.receiver(id));
        let view = dump::instance::Instance {
            model: &self.model,
            config: &this.config,
            router: &this.router,
            since: this.since_wall,
            local: this.local,
            base: name(this.base),
            index: this.base.and_then(|id| self.links.link(id)?.index),
            own: name(this.own),
            own_up: this.own.and_then(|id| self.links.link(id)).is_some_and(|link| link.up),
            sockets: (heard.map(|receiver| receiver.fd()), self.pool.sender_fd(this.family())),
            held: &held,
            pending_scripts: this.tracking.iter().filter(waits).count(),
            scripts: [
                runs(Notify::Backup),
                runs(Notify::Master),
                runs(Notify::Fault),
                runs(Notify::Stop),
                runs(Notify::Any),
                runs(Notify::LowerPriority),
                runs(Notify::Deleted),
            ],
        };
        Some(instance(out, clock, &view))
    }

    pub(super) fn write_fixed_address(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let line = self.model.network.addresses.get(position)?;
        let held = self.network.fixed.addresses.get(position).is_some_and(|stays| stays.is_held());
        let dev = line.address.dev.as_ref().map(|named| &named.name);
        let dev =
            dev.or_else(|| Some(&self.links.link(self.network.fixed.addresses.get(position)?.link?)?.name));
        Some(match dev {
            Some(dev) => dump::instance::address_line(out, &line.address, dev, held),
            None => Ok(()),
        })
    }

    pub(super) fn write_fixed_route(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let line = self.model.network.routes.get(position)?;
        Some(writeln!(out, "     {}", RouteLine(line)))
    }

    pub(super) fn write_fixed_rule(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let line = self.model.network.rules.get(position)?;
        Some(writeln!(out, "     {}", RuleLine(line)))
    }

    pub(super) fn write_socket(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let (_, receiver) = self.pool.iter().nth(position)?;
        let view = tables::Socket {
            heard: receiver.fd(),
            sent: self.pool.sender_fd(receiver.key.family),
            interface: receiver.key.link.and_then(|id| Some(self.links.link(id)?.name.as_str())),
            family: receiver.key.family,
            multicast: receiver.key.group.is_some(),
            buffer: receiver.buffer,
        };
        let users = (0..=u8::MAX).filter_map(|vrid| {
            let instance = self.instance(receiver.owner(vrid)?)?;
            Some((instance.config.name.as_str(), vrid))
        });
        Some(socket(out, &view, users))
    }

    pub(super) fn write_group(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let (this, config) = (self.groups.get(position)?, self.model.groups.get(position)?);
        let members = config.members.iter().filter_map(|member| self.instance(*member));
        let machines = members.map(|instance| instance.router.machine());
        let runs = |kind| Some(runs(this.notifier.as_ref()?.command(kind)?));
        let view = dump::group::Group {
            model: &self.model,
            config,
            state: this.machine.state(),
            faulty: machines.clone().filter(|machine| !machine.faults().own().is_empty()).count(),
            waiting: machines.filter(|machine| machine.is_pending()).count(),
            scripts: [
                runs(Notify::Backup),
                runs(Notify::Master),
                runs(Notify::Fault),
                runs(Notify::Stop),
                runs(Notify::Any),
            ],
        };
        Some(dump::group::group(out, &view))
    }

    pub(super) fn write_script(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let this = self.scripts.get(position)?;
        let command = this.command.as_ref();
        let view = tables::Script {
            config: self.model.scripts.get(position)?,
            machine: &this.machine,
            runs: command.map(runs),
            insecure: command.is_some_and(|command| command.insecure.is_some()),
            running: this.pid.is_some(),
        };
        Some(script(out, &view, self.users(Object::Script(ScriptId::at(position)))))
    }

    pub(super) fn write_file(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let id = FileId::at(position);
        let users = self.users(Object::File(id));
        Some(trackers::file(out, self.model.file(id)?, self.files.number(id), users))
    }

    pub(super) fn write_process(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let id = ProcessId::at(position);
        let users = self.users(Object::Process(id));
        Some(trackers::process(out, self.model.process(id)?, self.processes.machine(id)?, users))
    }

    /// Who tracks an object, and with which weight.
    fn users(&self, object: Object) -> impl Iterator<Item = (&str, Weight)> {
        self.instances.iter().filter_map(move |instance| {
            let tracked = instance.tracking.iter().find(|tracked| tracked.object == object)?;
            Some((instance.config.name.as_str(), tracked.weight))
        })
    }

    pub(super) fn write_link(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let id = LinkId::at(position);
        let link = self.links.link(id)?;
        let addresses = link.addresses.iter();
        let below = self.owns.base_of(id).and_then(|base| self.links.link(base));
        let view = tables::Interface {
            name: link.name.as_str(),
            index: link.index,
            v4: addresses.clone().find_map(|there| match there.addr {
                IpAddr::V4(v4) => Some(v4),
                IpAddr::V6(_) => None,
            }),
            v6: link.source(Family::V6).and_then(|addr| match addr {
                IpAddr::V6(v6) => Some(v6),
                IpAddr::V4(_) => None,
            }),
            mac: link.mac,
            wanted_up: link.wanted_up,
            up: link.up,
            lies_on: below.map(|base| (base.name.as_str(), base.up)),
            own_type: self.owns.type_of(id),
            mtu: link.mtu,
            hardware_type: link.hardware_type,
            garp_interval: self.model.global.vrrp.garp_interval,
        };
        let users = self
            .instances
            .iter()
            .filter_map(|instance| Some((instance.config.name.as_str(), weight_of(instance, id)?)));
        Some(interface(out, &view, users))
    }
}

/// How an instance looks at an interface, if it does.
fn weight_of(instance: &Instance, id: LinkId) -> Option<Weight> {
    if let Some(tracked) = instance.tracking.iter().find(|tracked| tracked.object == Object::Link(id)) {
        return Some(tracked.weight);
    }
    (instance.base == Some(id) || instance.own == Some(id)).then(Weight::default)
}

fn runs(command: &Command) -> Runs<'_> {
    let identity = command.identity.as_ref();
    Runs {
        words: &command.words,
        fixed: command.fixed,
        owner: identity
            .map_or_else(Owner::default, |identity| Owner { uid: identity.uid, gid: identity.gid }),
    }
}
