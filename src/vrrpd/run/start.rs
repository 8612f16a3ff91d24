//! The VRRP child's start: what a dead predecessor left is sorted out, everything is opened, every instance begins.

use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::job::Start;
use crate::base::addr::Family;
use crate::base::exit::Exit;
use crate::base::id::InstanceId;
use crate::base::time::Instant;
use crate::child::bracket::{self, exit_of};
use crate::child::kept::Kept;
use crate::child::links::{self, Interfaces, Links};
use crate::child::peer::Peer;
use crate::child::queues;
use crate::child::role::{Role, lines};
use crate::config::Model;
use crate::daemon::cli::PASSING;
use crate::daemon::keep::Keep;
use crate::daemon::kind::Kind;
use crate::daemon::manual::Change;
use crate::daemon::reactor::{Interest, Reactor, Turn};
use crate::daemon::record::{self, Records};
use crate::daemon::token::SourceId;
use crate::daemon::tuning::Tuner;
use crate::notify::Resolver;
use crate::proto::vrrp::priority;
use crate::proto::vrrp::{Policy, State};
use crate::sys::channel::Channel;
use crate::sys::fifo;
use crate::sys::netlink::addr::Address;
use crate::sys::netlink::command::Commands;
use crate::sys::same_program;
use crate::vrrpd::announce::Announcer;
use crate::vrrpd::firewall::Firewall;
use crate::vrrpd::items::{Items, Marked, StaticItems};
use crate::vrrpd::kept;
use crate::vrrpd::live::{PROTOCOL, item};
use crate::vrrpd::notifies::{self, Notifies};
use crate::vrrpd::own::OwnInterfaces;
use crate::vrrpd::own::ledger::Left;
use crate::vrrpd::own::plan::Plan;
use crate::vrrpd::routers::Routers;
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::run::status::Status;
use crate::vrrpd::slots::Layout;
use crate::vrrpd::sockets::Sockets;
use crate::vrrpd::track::Trackers;
use crate::vrrpd::work::Work;
use crate::vrrpd::{build, kind, report};

/// What a new VRRP child finds.
pub struct Context<'a> {
    /// The channel to the parent.
    pub channel: Channel,
    /// What the child before it reported; empty for the first one.
    pub records: &'a Records,
    /// What the child before it noted, and where this one does.
    pub keep: Keep,
    /// What an administrator has changed.
    pub changes: &'a [Change],
    /// When the child before it died; none for the first one.
    pub died: Option<Instant>,
    /// When the daemon began.
    pub begun: Instant,
    /// Leave addresses and mastership as they are when stopping (`-V`).
    pub keep_on_stop: bool,
    /// Write the data dump to the log once everything runs (`-d`).
    pub dump: bool,
    /// Log every address that comes or goes (`-a`).
    pub address_monitoring: bool,
    /// How this process is run.
    pub tuner: Tuner,
    /// Where a successor finds what was changed in the kernel.
    pub ledger: PathBuf,
    /// No other child of this daemon was before it.
    pub first: bool,
    /// Its pid file.
    pub pid_file: PathBuf,
    /// The configuration file, and the one that is read where none is named.
    pub config: [PathBuf; 2],
}

/// Runs the child until it is told to stop.
pub fn run(model: Arc<Model>, context: Context<'_>) -> Exit {
    bracket::run(|| start(model, context))
}

/// The name of the program, whoever made it.
pub const PROGRAM: &str = "keepalived";

/// Takes away what a dead child left behind: the addresses of every instance, its macvlan, and what its `ledger` says.
pub fn clean(model: &Arc<Model>, ledger: PathBuf, marked: Marked) -> Exit {
    let cleaned: io::Result<()> = (|| {
        let (mut vrrp, left) = Vrrp::new(Arc::clone(model), ledger)?;
        for path in
            [&model.global.fifo, &model.global.vrrp_fifo].into_iter().filter_map(|one| one.path.as_ref())
        {
            fifo::remove_left(path.as_ref(), |key| left.fifos.contains(&key));
        }
        vrrp.note_fifos();
        vrrp.list_links()?;
        let count = vrrp.routers.instances.len();
        vrrp.work.reserve(count);
        vrrp.items.reserve(count);
        vrrp.sockets.reserve(count);
        vrrp.announcer.reserve();
        // Without it no address is known for ours.
        vrrp.items.index.renew(&vrrp.routers.instances);
        let (instances, links) = (&mut vrrp.routers.instances, &vrrp.links.table);
        vrrp.items.clean(instances, links, marked == Marked::All)?;
        vrrp.remove_left_overs(&|_| false, None)?;
        let (instances, links) = (&mut vrrp.routers.instances, &vrrp.links.table);
        vrrp.items.delete_stale(instances, links, marked)?;
        vrrp.remove_left_firewall(&left);
        vrrp.remove_left_owns(&left);
        vrrp.remove_owns();
        Ok(())
    })();
    match cleaned {
        Ok(()) => Exit::Ok,
        Err(error) => {
            report::kernel_failed("cannot clean up", &error);
            exit_of(error.kind())
        }
    }
}

pub(super) fn start(model: Arc<Model>, context: Context<'_>) -> io::Result<(Reactor, Vrrp)> {
    let (mut vrrp, left) = Vrrp::new(model, context.ledger)?;
    vrrp.process.keep_on_stop = context.keep_on_stop;
    vrrp.process.pid_file = context.pid_file;
    let other =
        if context.first { same_program::find(PROGRAM, same_program::Family::Child, &PASSING) } else { None };
    let [config, usual] = &context.config;
    let config_of = |pid| same_program::option(pid, "-f", "--use-file").unwrap_or_else(|| usual.clone());
    let twin = other.filter(|other| config_of(*other) == *config);
    if let Some(twin) = twin {
        report::another_runs(twin);
    }
    vrrp.links.log_addresses = context.address_monitoring;
    vrrp.process.tuner = context.tuner;
    vrrp.kept = Kept::new(context.keep, context.died);
    // A first child counts its delay from its own start, as keepalived does.
    let begun = context.died.map(|_| context.begun);
    let Context { channel, .. } = context;
    let mut reactor = Reactor::new(vrrp.work.layout.len(), Some(channel))?;
    let mut turn = reactor.turn();
    vrrp.take_changes(&turn, context.changes);
    let monitor = SourceId { kind: kind::MONITOR, index: 0 };
    turn.register(vrrp.links.monitor.as_raw_fd(), monitor, Interest::Read)?;
    let (died, first, dump, another) = (context.died, context.first, context.dump, other.is_some());
    let (records, adopt) = (context.records.clone(), Vec::new());
    vrrp.begin_start(&mut turn, Start { died, begun, first, another, twin, dump, left, records, adopt });
    Ok((reactor, vrrp))
}

impl Vrrp {
    /// The child with everything but its place in the loop.
    fn new(model: Arc<Model>, ledger: PathBuf) -> io::Result<(Self, Left)> {
        let now = crate::sys::clock::now();
        let resolver = Resolver::new(&model.global);
        let (mut links, mut broken) = (Links::default(), Vec::new());
        let scripts = build::scripts(&model, now, &resolver, &mut broken);
        let mut commands = Commands::open()?;
        // Another program may change addresses all the time: this child is wanted all the same.
        commands.set_takes_torn(true);
        let buffers = &model.global.buffers;
        queues::ask("command", buffers.vrrp_command, |size| commands.set_receive_buffer(size));
        let mut kernel = Vec::new();
        commands.links(&mut kernel)?;
        let plan = Plan::new(&model, &mut links, &kernel, &[]);
        let all = 0..model.instances.len();
        let instances = build::instances(&model, all, &mut links, &scripts, &resolver, &mut broken, &plan);
        let instances: Vec<_> = instances.collect();
        let (owns, left) = OwnInterfaces::new(plan, Some(ledger));
        let statics = StaticItems::new(&model, &mut links);
        let links = Interfaces::open(links, &commands)?;
        queues::ask("monitor", buffers.vrrp_monitor, |size| links.monitor.set_receive_buffer(size));
        let groups = build::groups(&model, &resolver, &mut broken);
        broken.iter().for_each(|broken| report::cannot_run(&broken.text));
        let layout = Layout::new(
            instances.len(),
            groups.len(),
            scripts.len(),
            model.files.len(),
            model.processes.len(),
        );
        let vrrp = Self {
            routers: Routers {
                shortest_interval: crate::vrrpd::run::shortest_interval(&model),
                instances,
                policy: Policy::new(super::groups::members(&model)),
                groups,
                held: None,
                intervals: Vec::new(),
                checkers: Peer::new(SourceId { kind: kind::CHECKERS, index: 0 }),
            },
            trackers: Trackers::new(scripts),
            links,
            sockets: Sockets::new(lines()),
            items: Items::new(commands, statics),
            announcer: Announcer::open()?,
            notifies: Notifies::new(notifies::no_alerts())?,
            process: Role::new(Kind::Vrrp),
            job: None,
            model,
            owns,
            firewall: Firewall::default(),
            status: Status::default(),
            kept: Kept::default(),
            work: Work { layout, ..Work::default() },
        };
        Ok((vrrp, left))
    }

    /// Learns all named interfaces and their addresses.
    pub(super) fn list_links(&mut self) -> io::Result<()> {
        let mut kernel = Vec::new();
        self.items.commands.links(&mut kernel)?;
        self.links.table.replace(&kernel, |_, _| ());
        self.list_addresses().map(|_| ())
    }

    /// Learns all addresses of the named interfaces; which of ours are there. Those that we did not put there are
    /// the interface's own as well.
    pub(super) fn list_addresses(&mut self) -> io::Result<Vec<((InstanceId, u16), Address)>> {
        let mut listed = Vec::new();
        self.items.commands.addresses(&mut listed)?;
        Ok(self.learn_all(listed))
    }

    /// Sorts out addresses of ours that are there already: kept for an instance that goes on as MASTER, removed
    /// as left-overs of a crash otherwise. The only address of an interface is no left-over, nor is one that an
    /// address owner has had before: it is the machine's own. Beside a `twin`, a daemon of the same configuration, what
    /// is there is that one's.
    pub(super) fn remove_left_overs(
        &mut self,
        goes_on: &dyn Fn(InstanceId) -> bool,
        twin: Option<i32>,
    ) -> io::Result<()> {
        for ((id, position), there) in self.list_addresses()? {
            let alone = self.is_alone(&there);
            let Some(instance) = self.routers.instances.get_mut(id.index()) else {
                continue;
            };
            let owner = instance.router.params().priority == priority::OWNER;
            let Some(moved) = instance.addresses.get_mut(usize::from(position)) else {
                continue;
            };
            let (Some(link), prefix) = (moved.link, moved.prefix) else {
                continue;
            };
            let unmarked =
                if goes_on(id) && !self.items.tells_protocol { false } else { there.protocol != PROTOCOL };
            let its_own = alone || (owner && unmarked) || (twin.is_some() && !goes_on(id));
            if !its_own {
                self.links.table.address_gone(link, prefix);
                moved.item.handle(item::Input::Adopted);
                if !goes_on(id) {
                    moved.item.handle(item::Input::Released);
                    report::left_over(prefix);
                    let (instances, links) = (&mut self.routers.instances, &self.links.table);
                    self.items.delete_address(instances, links, &there);
                } else {
                    let (instances, links) = (&mut self.routers.instances, &self.links.table);
                    let now = crate::sys::clock::now();
                    self.items.virtual_address_reported(instances, links, now, (id, position), &there);
                }
            }
        }
        self.commit_batch();
        Ok(())
    }

    /// Whether an interface has nothing but virtual addresses of a family: one of them is its own then.
    fn is_alone(&self, address: &Address) -> bool {
        let family = Family::of(&address.prefix.addr);
        let link = self.links.table.numbered(address.interface);
        link.and_then(|id| Some((id, self.links.table.link(id)?))).is_some_and(|(id, link)| {
            let mut others = link.addresses.iter().filter(|other| Family::of(&other.addr) == family);
            link.kind == links::Kind::Other
                && others
                    .all(|other| self.items.virtual_address(&self.routers.instances, id, *other).is_some())
        })
    }

    /// The state that each instance goes on with after a predecessor that `died`. Not once others may have taken over, for
    /// which it is asked as late as can be.
    pub(super) fn adopted(&self, died: Option<Instant>, records: &Records) -> Vec<Option<State>> {
        let now = crate::sys::clock::now();
        let mut adopt: Vec<_> = self.ids().map(|id| self.record_of(now, died, records, id)).collect();
        self.adopt_groups(records, &mut adopt);
        adopt
    }

    /// The state that a predecessor was in, if an instance can go on with it.
    fn record_of(
        &self,
        now: Instant,
        died: Option<Instant>,
        records: &Records,
        id: InstanceId,
    ) -> Option<State> {
        let instance = self.instance(id)?;
        if now.since(died?) > instance.router.params().patience() {
            return None;
        }
        let state = kept::recorded(records, record::key(&instance.config.name));
        state.filter(|state| matches!(state, State::Master | State::Backup))
    }

    /// An instance is about to go on as MASTER: logs which of its addresses were taken off since its predecessor died.
    pub(super) fn log_taken_off(&self, id: InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        let missing = instance.addresses.iter().filter(|moved| moved.item.is_missing()).count();
        if missing > 0 {
            report::set_again(&instance.config.name, missing, instance.addresses.len());
        }
    }

    /// Finds out what speaks against an instance that is about to begin.
    pub(super) fn look_around(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        if let Some(instance) = self.routers.instances.get_mut(id.index()) {
            instance.refresh_local(&self.links.table);
        }
        self.refresh(turn, id);
    }
}
