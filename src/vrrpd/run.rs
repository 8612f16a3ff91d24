//! The VRRP child from its start to its end: one method for each thing that can happen.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use super::address::is_usable;
use super::links::Links;
use super::live::Held;
use super::pool::{Key, Pool};
use super::slots::{Layout, Slot};
use super::state::{Batches, Kernel, Vrrp, Work, announcements, chatter};
use super::status::Status;
use super::telling::Telling;
use super::vmac::Vmacs;
use super::{build, kind, report};
use crate::base::addr::Family;
use crate::base::exit::Exit;
use crate::base::id::{InstanceId, ScriptId, SocketId};
use crate::base::limit;
use crate::base::name::IfName;
use crate::base::time::{Instant, Span};
use crate::config::diag::Diagnostics;
use crate::config::expand::replay;
use crate::config::snapshot::Snapshot;
use crate::config::{Model, assemble};
use crate::daemon::ipc::ToParent;
use crate::daemon::reactor::{Again, Command, Interest, Process, Reactor, Turn};
use crate::daemon::record::{self, Records, Standing};
use crate::daemon::token::Own;
use crate::notify::Resolver;
use crate::proto::vrrp::priority;
use crate::proto::vrrp::{Actions, Input, Packet, State, Surroundings};
use crate::sys::alloc;
use crate::sys::channel::Channel;
use crate::sys::memory;
use crate::sys::netlink::addr::Address;
use crate::sys::netlink::command::Commands;
use crate::sys::netlink::monitor::{Monitor, Topic};
use crate::sys::packet::{FrameBatch, PacketSocket};
use crate::sys::process::{Ended, Pid};
use crate::sys::raw::receive::{Datagram, ReceiveBatch};
use crate::sys::raw::send::SendBatch;
use crate::sys::script::{Runner, Words};
use crate::sys::sysctl::Setting;
use crate::wire::ipv4;

/// What a new VRRP child finds.
pub struct Context<'a> {
    /// The channel to the parent.
    pub channel: Channel,
    /// What the child before it reported; empty for the first one.
    pub records: &'a Records,
    /// When the child before it died; none for the first one.
    pub died: Option<Instant>,
    /// Leave addresses and mastership as they are when stopping (`-V`).
    pub keep_on_stop: bool,
    /// Write the data dump to the log once everything runs (`-d`).
    pub dump: bool,
    /// Log every address that comes or goes (`-a`).
    pub address_monitoring: bool,
}

/// Patience with scripts when stopping; the parent's own is a second longer (`child_wait_time`).
const STOP_PATIENCE: Span = Span::from_secs(4);
/// How far back the kernel's stamp of an advert is believed. A queue that stood for longer may have lost newer
/// adverts, and the wall clock, which stamps are made of, may have been set.
const ARRIVAL_TRUST: Span = Span::from_millis(10);
/// When a refused address is tried again.
const RETRY: Span = Span::from_secs(1);

/// Runs the child until it is told to stop.
pub fn run(model: Arc<Model>, context: Context<'_>) -> Exit {
    match start(model, context) {
        Ok((mut reactor, mut vrrp)) => reactor.run(&mut vrrp).unwrap_or_else(|error| {
            report::kernel_failed("the event loop", &error);
            Exit::Fatal
        }),
        Err(error) => {
            report::kernel_failed("cannot start", &error);
            if error.kind() == io::ErrorKind::PermissionDenied {
                Exit::Permission
            } else {
                Exit::Fatal
            }
        }
    }
}

/// Takes away what a dead child left behind: the addresses of every instance, and its macvlan.
pub fn clean(model: &Arc<Model>) -> Exit {
    let cleaned: io::Result<()> = (|| {
        let mut vrrp = Vrrp::new(Arc::clone(model))?;
        vrrp.list_links()?;
        vrrp.remove_left_overs(|_| false)?;
        vrrp.find_vmacs();
        vrrp.remove_vmacs();
        Ok(())
    })();
    match cleaned {
        Ok(()) => Exit::Ok,
        Err(error) => {
            report::kernel_failed("cannot clean up", &error);
            Exit::Fatal
        }
    }
}

fn start(model: Arc<Model>, context: Context<'_>) -> io::Result<(Reactor, Vrrp)> {
    let mut vrrp = Vrrp::new(model)?;
    vrrp.keep_on_stop = context.keep_on_stop;
    vrrp.address_monitoring = context.address_monitoring;
    let Context { channel, .. } = context;
    let mut reactor = Reactor::new(vrrp.layout.len(), Some(channel))?;
    let mut turn = reactor.turn();
    let monitor = Own {
        kind: kind::MONITOR,
        index: 0,
    };
    vrrp.kernel.monitor_registration =
        Some(turn.register(vrrp.kernel.monitor.as_raw_fd(), monitor, Interest::Read)?);
    vrrp.resize(&mut turn);
    vrrp.list_links()?;
    for id in vrrp.ids() {
        vrrp.ensure_vmac(id);
    }
    // What was heard until now is older than what is listed next: a macvlan that is not up yet would be a fault.
    vrrp.kernel.monitor.discard();
    vrrp.list_links()?;
    let adopt = |vrrp: &Vrrp, id| vrrp.record_of(context.died, context.records, id);
    let masters: Vec<bool> = vrrp
        .ids()
        .map(|id| adopt(&vrrp, id) == Some(State::Master))
        .collect();
    vrrp.remove_left_overs(|id| masters.get(id.index()).copied().unwrap_or(false))?;
    for id in vrrp.ids() {
        vrrp.copy_link_local(id);
        vrrp.open_socket(&mut turn, id);
    }
    vrrp.assign_sockets(&mut turn);
    vrrp.open_senders();
    for id in vrrp.ids() {
        let state = adopt(&vrrp, id);
        vrrp.begin(&mut turn, id, state);
    }
    for position in 0..vrrp.scripts.len() {
        vrrp.script_due(&mut turn, ScriptId::at(position));
    }
    vrrp.settle(&mut turn);
    vrrp.status.load(&vrrp.model);
    turn.report(ToParent::Ready);
    if context.dump {
        vrrp.log_data(&turn);
    }
    vrrp.status.started();
    Ok((reactor, vrrp))
}

impl Process for Vrrp {
    fn ready(&mut self, turn: &mut Turn<'_>, source: Own) -> Again {
        match source.kind {
            kind::SOCKET => self.receive(turn, SocketId(source.index)),
            kind::MONITOR => self.listen(turn),
            _ => Again::Done,
        }
    }

    fn expired(&mut self, turn: &mut Turn<'_>, slot: u32) {
        match self.layout.slot(slot) {
            // What stops begins nothing any more.
            Slot::Script(_) | Slot::Retry if self.stopping => {}
            Slot::Machine(id) => self.drive(turn, id, Input::Timeout),
            Slot::Announce(id) => self.touch(id, |pending| pending.announce = true),
            Slot::Notify(id) => self.notify_overdue(turn, id),
            Slot::Script(id) => self.script_due(turn, id),
            Slot::Retry => self.retry(turn),
            Slot::Status => self.write_status(turn),
            Slot::Retired => self.retired_overdue(turn),
            Slot::Stop => turn.stop(Exit::Ok),
        }
    }

    fn command(&mut self, turn: &mut Turn<'_>, command: Command) {
        match command {
            // The parent says both only if a stop and a reload cross.
            Command::Reload(_) if self.stopping => turn.report(ToParent::ReloadDone { ok: false }),
            Command::Reload(fd) => {
                let before = alloc::allocations();
                let ok = self.reload(turn, fd);
                self.status.reloaded(before);
                turn.report(ToParent::ReloadDone { ok });
            }
            Command::DumpData => self.dump_data(turn),
            Command::DumpStats { clear } => self.dump_stats(turn, clear),
            Command::DumpJson => report::no_json(),
            Command::Stop | Command::ParentGone => self.stop(turn),
        }
    }

    fn ended(&mut self, turn: &mut Turn<'_>, pid: Pid, how: Ended) {
        self.script_ended(turn, pid, how);
    }

    fn turn_end(&mut self, turn: &mut Turn<'_>) {
        self.assign_sockets(turn);
        self.settle(turn);
    }

    /// The shortest advert interval: after a longer pause what was heard meanwhile counts first.
    fn stall_threshold(&self) -> Span {
        self.shortest_interval
    }
}

impl Vrrp {
    /// The child with everything but its place in the loop.
    fn new(model: Arc<Model>) -> io::Result<Self> {
        let now = crate::sys::clock::now();
        let resolver = Resolver::new(&model.global);
        let (mut links, mut broken) = (Links::default(), Vec::new());
        let scripts = build::scripts(&model, now, &resolver, &mut broken);
        let instances = build::instances(&model, &mut links, &scripts, &resolver, &mut broken);
        report::broken(&broken);
        let buffer = model
            .global
            .buffers
            .vrrp_monitor
            .bytes
            .and_then(|octets| usize::try_from(octets).ok());
        let topics = [Topic::Links, Topic::Ipv4Addresses, Topic::Ipv6Addresses];
        let environment: Vec<Vec<u8>> = std::env::vars_os()
            .map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat())
            .collect();
        let layout = Layout::new(instances.len(), scripts.len());
        Ok(Self {
            kernel: Kernel {
                monitor: Monitor::open(&topics, buffer)?,
                monitor_registration: None,
                commands: Commands::open()?,
                packets: PacketSocket::open()?,
                tells_protocol: false,
                forwards_v6: forwards_v6(),
            },
            batches: Batches {
                receive: Some(ReceiveBatch::new()),
                send_v4: SendBatch::new(),
                send_v6: SendBatch::new(),
                frames: FrameBatch::new(),
                scratch: Box::new([0; limit::ADVERT_OCTETS]),
            },
            shortest_interval: shortest_interval(&model),
            model,
            instances,
            scripts,
            links,
            vmacs: Vmacs::default(),
            pool: Pool::default(),
            owners: std::collections::HashMap::new(),
            layout,
            work: Work::default(),
            status: Status::default(),
            runner: Runner::new()?,
            environment: Words::of(environment.iter().map(Vec::as_slice))
                .unwrap_or_else(|_| Words::with_capacity(0, 0)),
            children: Vec::new(),
            telling: Telling::default(),
            resync_wanted: false,
            stopping: false,
            keep_on_stop: false,
            address_monitoring: false,
            chatter: chatter(),
            announcements: announcements(),
        })
    }

    /// Learns all named interfaces and their addresses.
    fn list_links(&mut self) -> io::Result<()> {
        let mut kernel = Vec::new();
        self.kernel.commands.links(&mut kernel)?;
        self.links.replace(&kernel, |_, _| ());
        self.list_addresses().map(|_| ())
    }

    /// Learns all addresses of the named interfaces; which of ours are there. Those that we did not put there are
    /// the interface's own as well.
    pub(super) fn list_addresses(&mut self) -> io::Result<Vec<((InstanceId, u16), Address)>> {
        let (mut listed, mut ours) = (Vec::new(), Vec::new());
        self.kernel.commands.addresses(&mut listed)?;
        self.kernel.tells_protocol |= listed.iter().any(|address| address.protocol != 0);
        for address in listed {
            let Some(link) = self.links.numbered(address.interface) else {
                continue;
            };
            let moved = self.moved(link, address.prefix);
            let by_us = moved.is_some_and(|(_, moved)| moved.held == Held::Ours);
            let owner = moved.map(|(owner, _)| owner);
            if !by_us && is_usable(&address) {
                self.links.address_new(link, address.prefix);
            }
            ours.extend(owner.map(|owner| (owner, address)));
        }
        Ok(ours)
    }

    /// Sorts out addresses of ours that are there already: kept for an instance that goes on as MASTER, removed
    /// as left-overs of a crash otherwise. The only address of an interface is no left-over, nor is one that an
    /// address owner has had before: it is the machine's own.
    fn remove_left_overs(&mut self, goes_on: impl Fn(InstanceId) -> bool) -> io::Result<()> {
        for ((id, position), there) in self.list_addresses()? {
            let alone = self.is_alone(&there);
            let Some(instance) = self.instances.get_mut(id.index()) else {
                continue;
            };
            let owner = instance.router.params().priority == priority::OWNER;
            let Some(moved) = instance.addresses.get_mut(usize::from(position)) else {
                continue;
            };
            let (Some(link), prefix) = (moved.link, moved.address.prefix) else {
                continue;
            };
            let unmarked = if goes_on(id) && !self.kernel.tells_protocol {
                false
            } else {
                there.protocol != build::PROTOCOL
            };
            let its_own = alone || (owner && unmarked);
            if !its_own {
                self.links.address_gone(link, prefix);
                moved.held = Held::Ours;
                if !goes_on(id) {
                    let left = moved.clone();
                    moved.held = Held::No;
                    report::left_over(&left.address);
                    self.delete_address(&left);
                }
            }
        }
        self.commit_batch();
        Ok(())
    }

    /// Whether an interface has nothing but virtual addresses of a family: one of them is its own then.
    fn is_alone(&self, address: &Address) -> bool {
        let family = Family::of(&address.prefix.addr);
        let link = self.links.numbered(address.interface);
        link.and_then(|id| Some((id, self.links.link(id)?)))
            .is_some_and(|(id, link)| {
                let mut others = link
                    .addresses
                    .iter()
                    .filter(|other| Family::of(&other.addr) == family);
                !link.is_macvlan && others.all(|other| self.moved(id, *other).is_some())
            })
    }

    /// The state that a predecessor was in, if an instance can go on with it.
    /// Not once others may have taken over.
    fn record_of(&self, died: Option<Instant>, records: &Records, id: InstanceId) -> Option<State> {
        let instance = self.instance(id)?;
        let params = instance.router.params();
        // The last advert may have been an interval old when its sender died.
        let patience = params.advert_interval * u64::from(params.down_timer_adverts.saturating_sub(1));
        if crate::sys::clock::now().since(died?) > patience {
            return None;
        }
        match records.of(record::key(&instance.config.name))?.standing {
            Standing::Master => Some(State::Master),
            Standing::Backup => Some(State::Backup),
            Standing::Fault | Standing::Gone => None,
        }
    }

    /// Opens the socket that an instance hears adverts by; on failure it waits in FAULT.
    pub(super) fn open_socket(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        let device = instance.base.and_then(|link| {
            let link = self.links.link(link)?;
            Some((link.name.clone(), link.index?))
        });
        if instance.base.is_some() && device.is_none() {
            // Not there: LinkMissing says so.
            return self.set_socket(id, None, false);
        }
        let key = Key {
            family: instance.family(),
            link: instance.base,
            group: instance.peers.is_empty().then_some(instance.config.group),
        };
        let buffer = instance.config.receive_buffer;
        let device = device.as_ref().map(|(name, index)| (name, *index));
        match self.pool.open(turn, key, device, buffer) {
            Ok(socket) => {
                self.set_socket(id, Some(socket), false);
                self.work.sockets_changed = true;
            }
            Err(error) => {
                if let Some(instance) = self.instance(id).filter(|instance| !instance.socket_failed) {
                    report::socket_failed(&instance.config.name, &error);
                }
                self.set_socket(id, None, true);
                self.arm_retry(turn);
            }
        }
    }

    fn set_socket(&mut self, id: InstanceId, socket: Option<SocketId>, failed: bool) {
        if let Some(instance) = self.instance_mut(id) {
            instance.socket = socket;
            instance.socket_failed = failed;
        }
    }

    /// Opens the sockets for sending, so that a take-over has nothing to wait for.
    pub(super) fn open_senders(&mut self) {
        for family in [Family::V4, Family::V6] {
            if self.instances.iter().any(|instance| instance.family() == family)
                && let Err(error) = self.pool.sender(family)
            {
                report::kernel_failed("the socket for sending adverts", &error);
            }
        }
    }

    /// Tells every socket whose adverts it brings.
    pub(super) fn assign_sockets(&mut self, turn: &mut Turn<'_>) {
        if !core::mem::take(&mut self.work.sockets_changed) {
            return;
        }
        let users = self.instances.iter().enumerate().filter_map(|(i, instance)| {
            Some((instance.socket?, instance.router.params().vrid, InstanceId::at(i)))
        });
        self.pool.assign(turn, users);
        for (_, receiver) in self.pool.iter() {
            report::socket(receiver);
        }
    }

    /// Lets an instance begin, or go on where a predecessor was.
    pub(super) fn begin(&mut self, turn: &mut Turn<'_>, id: InstanceId, adopt: Option<State>) {
        if let Some(instance) = self.instances.get_mut(id.index()) {
            instance.refresh_local(&self.links);
        }
        self.refresh(turn, id);
        self.drive(turn, id, Input::Start { adopt });
    }

    /// Takes adverts from a socket.
    fn receive(&mut self, turn: &mut Turn<'_>, id: SocketId) -> Again {
        let Some(mut batch) = self.batches.receive.take() else {
            return Again::Done;
        };
        let received = match self.pool.receiver(id) {
            Some(receiver) => receiver.socket().receive(&mut batch),
            None => Ok(0),
        };
        // An error of the interface is told by netlink; the socket has nothing more for now.
        let count = received.unwrap_or(0);
        for datagram in batch.iter().take(count) {
            self.hear(turn, id, &datagram);
        }
        let more = count == batch.capacity();
        self.batches.receive = Some(batch);
        if more { Again::More } else { Again::Done }
    }

    fn hear(&mut self, turn: &mut Turn<'_>, socket: SocketId, datagram: &Datagram<'_>) {
        let octets = match datagram.source {
            std::net::IpAddr::V6(_) => datagram.octets,
            std::net::IpAddr::V4(_) => match ipv4::parse(datagram.octets) {
                Ok((_, payload)) => payload,
                Err(_) => return,
            },
        };
        let Some(receiver) = self.pool.receiver(socket) else {
            return;
        };
        let multicast = datagram
            .destination
            .is_some_and(|destination| destination.is_multicast());
        if multicast != receiver.key.group.is_some() {
            return;
        }
        let Some(id) = octets.get(1).and_then(|vrid| receiver.owner(*vrid)) else {
            return;
        };
        self.settle_before(turn, id);
        let mut out = Actions::new();
        let Some(instance) = self.instances.get_mut(id.index()) else {
            return;
        };
        let surroundings = Surroundings {
            local: instance.local,
            addresses: &instance.advertised,
            peers: &instance.peers,
        };
        let trusted = turn.before().max(turn.now() - ARRIVAL_TRUST);
        let packet = Packet {
            arrived: datagram.arrived.max(trusted),
            source: datagram.source,
            destination: datagram.destination,
            hop_limit: datagram.hop_limit,
            octets,
        };
        instance
            .router
            .receive(turn.now(), &surroundings, &packet, &mut out);
        self.act(turn, id, &out);
    }

    /// Arms the second after which refused things are tried again.
    pub(super) fn arm_retry(&mut self, turn: &mut Turn<'_>) {
        let slot = self.layout.number(Slot::Retry);
        if turn.deadline(slot).is_none() {
            turn.set_deadline(slot, Some(turn.now() + RETRY));
        }
    }

    fn retry(&mut self, turn: &mut Turn<'_>) {
        if core::mem::take(&mut self.resync_wanted) {
            self.resync_links(turn);
        }
        for id in self.ids() {
            let Some(instance) = self.instance(id) else {
                continue;
            };
            if self.lacks_vmac(id) {
                self.ensure_vmac(id);
            } else if instance.socket_failed {
                self.open_socket(turn, id);
                self.refresh(turn, id);
            } else if instance.lacks_address() {
                self.touch(id, |pending| pending.add = true);
            }
        }
    }

    fn reload(&mut self, turn: &mut Turn<'_>, fd: OwnedFd) -> bool {
        let mut found = Diagnostics::new();
        let snapshot = memory::read(fd)
            .ok()
            .and_then(|octets| Snapshot::decode(&octets).ok());
        let Some(snapshot) = snapshot else {
            report::snapshot_unreadable();
            return false;
        };
        report::reloading();
        let model = assemble::model(&replay(&snapshot, &mut found).tree, &mut found);
        self.shortest_interval = shortest_interval(&model);
        self.finish_status(turn);
        self.status.load(&model);
        self.apply(turn, Arc::new(model));
        report::reloaded();
        true
    }

    /// Leaves everything in order: priority 0, addresses off, scripts told.
    fn stop(&mut self, turn: &mut Turn<'_>) {
        if core::mem::replace(&mut self.stopping, true) {
            return;
        }
        if !self.keep_on_stop {
            self.cut_notifies_short(turn);
            for id in self.ids() {
                self.drive(turn, id, Input::Stop);
            }
            self.settle(turn);
        }
        for script in &self.scripts {
            if let Some(pid) = script.pid {
                crate::sys::process::kill_group(pid, libc::SIGTERM);
            }
        }
        if self.keep_on_stop {
            self.finish_status(turn);
            return turn.stop(Exit::Ok);
        }
        self.remove_vmacs();
        self.finish_status(turn);
        turn.set_deadline(self.layout.number(Slot::Stop), Some(turn.now() + STOP_PATIENCE));
        self.stop_if_idle(turn);
    }
}

/// Whether this host is an IPv6 router, which its neighbour advertisements must tell.
fn forwards_v6() -> bool {
    let all = IfName::new("all").map(|interface| Setting {
        family: Family::V6,
        interface,
        key: "forwarding",
    });
    all.is_some_and(|setting| setting.read().is_ok_and(|value| value != 0))
}

/// The shortest advert interval of a model; a second if it has no instance.
fn shortest_interval(model: &Model) -> Span {
    let intervals = model
        .instances
        .iter()
        .map(|instance| instance.params.advert_interval);
    intervals.min().unwrap_or(Span::from_secs(1))
}
