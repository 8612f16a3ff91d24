//! The start and the reload of a VRRP child in a network namespace of its own, step by step. Needs root.

mod adverts;
mod groups;
mod moves;
mod objects;
mod reload;
mod start;
mod trackers;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::bytes::Reader;
use crate::base::id::{IfIndex, InstanceId};
use crate::base::limit;
use crate::base::time::Instant;
use crate::child::reading::{Reading, Step};
use crate::config::Model;
use crate::config::diag::Diagnostics;
use crate::config::expand;
use crate::config::source::{Files, Unusable};
use crate::daemon::ipc::ToParent;
use crate::daemon::keep::Keep;
use crate::daemon::reactor::{Again, Command, Process, Reactor};
use crate::daemon::record::{self, Record, Records};
use crate::daemon::tuning::Tuner;
use crate::proto::vrrp::{Input, State};
use crate::sys::channel::{Channel, Received};
use crate::sys::netlink::addr::Address;
use crate::sys::netlink::monitor::{Event, Monitor, Topic};
use crate::sys::queue::QueueSize;
use crate::sys::test_net::{Network, in_namespace};
use crate::sys::{clock, memory, process};
use crate::vrrpd::kept;
use crate::vrrpd::live::Instance;
use crate::vrrpd::run::start::start;
use crate::vrrpd::run::{Context, Vrrp};

/// The interface of all instances, and its own address.
const INTERFACE: &str = "vrrp-near";
const OWN: &str = "192.0.2.1";

/// Calls of the longest job of these tests, and many more.
const MOST_CALLS: usize = 10_000;

/// The network of a test.
struct Machine<'a> {
    network: &'a mut Network,
    interface: IfIndex,
    monitor: Monitor,
}

/// Runs a test on a machine with one interface, which has one address and a carrier.
fn on_a_machine(body: impl FnOnce(&mut Machine<'_>) + Send) {
    in_namespace(|network| {
        let (interface, _) = network.pair(INTERFACE, "vrrp-far");
        network.add(&address(interface, OWN));
        let monitor = Monitor::open(&[Topic::Ipv4Addresses]).unwrap();
        monitor.set_receive_buffer(QueueSize { octets: 1 << 22, force: true }).unwrap();
        body(&mut Machine { network, interface, monitor });
    });
}

/// An address as an administrator would add it.
fn address(interface: IfIndex, text: &str) -> Address {
    Address::new(interface, Prefix { addr: text.parse().unwrap(), len: 24 })
}

impl Machine<'_> {
    /// The IPv4 addresses that the interface has beside its own, sorted.
    fn addresses(&mut self) -> Vec<String> {
        let mut all: Vec<_> = self
            .network
            .addresses()
            .into_iter()
            .filter(|there| there.interface == self.interface)
            .filter(|there| Family::of(&there.prefix.addr) == Family::V4)
            .map(|there| there.prefix.addr.to_string())
            .filter(|there| there != OWN)
            .collect();
        all.sort();
        all
    }

    /// The addresses that were taken off since this was last asked, in order.
    fn taken_off(&mut self) -> Vec<String> {
        let mut gone = Vec::new();
        let read = self.monitor.read(limit::MONITOR_BUDGET, |event| match event {
            Event::AddressGone(address) => gone.push(address.prefix.addr.to_string()),
            Event::Overrun => panic!("too much happened"),
            _ => {}
        });
        read.unwrap();
        gone
    }
}

/// A configuration in memory.
struct Text(String);

impl Files for Text {
    fn read(&self, _: &str) -> Result<Rc<[u8]>, Unusable> {
        Ok(self.0.as_bytes().into())
    }

    fn matches(&self, pattern: &str) -> Vec<String> {
        vec![pattern.to_owned()]
    }

    fn directory(&self, path: &str) -> String {
        path.to_owned()
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

/// A configuration as a parent sends it.
fn sent(text: &str) -> std::os::fd::OwnedFd {
    let options = expand::Options { path: "test.conf".to_owned(), ..expand::Options::default() };
    let (_, snapshot) = expand::load(&Text(text.to_owned()), &options, &mut Diagnostics::new());
    memory::sealed("test", &snapshot.encode()).unwrap()
}

fn model(text: &str) -> Arc<Model> {
    let mut reading = Reading::Descriptor(sent(text));
    loop {
        match reading.advance(&Model::default()) {
            Step::More => {}
            Step::Model(model) => return Arc::new(*model),
            Step::Failed => panic!("{text} cannot be read"),
        }
    }
}

/// The text of an instance with more lines than it needs.
fn instance_with(name: &str, vrid: u8, more: &str, addresses: &[&str]) -> String {
    let addresses: String = addresses.iter().map(|address| format!("  {address}/24\n")).collect();
    format!(
        "vrrp_instance {name} {{\n interface {INTERFACE}\n virtual_router_id {vrid}\n advert_int 1\n{more}\n \
         virtual_ipaddress {{\n{addresses} }}\n}}\n"
    )
}

fn instance(name: &str, vrid: u8, addresses: &[&str]) -> String {
    instance_with(name, vrid, " priority 100", addresses)
}

/// An instance that is MASTER as soon as it begins.
fn owner(name: &str, vrid: u8, addresses: &[&str]) -> String {
    instance_with(name, vrid, " priority 255", addresses)
}

/// A child whose turns a test takes one by one, and the parent's end of its channel.
struct Child {
    reactor: Reactor,
    vrrp: Vrrp,
    parent: Channel,
    ledger: PathBuf,
    /// What the child told its parent in words, and what of its objects.
    words: Vec<ToParent>,
    records: Records,
}

impl Child {
    /// The first child of a daemon, once its start is over.
    fn first(text: &str) -> Self {
        let mut child = Self::new(text, None, Records::new(8));
        child.work();
        child
    }

    /// A child that takes over for a dead one, which had these instances as MASTER.
    fn successor(text: &str, masters: &[&str]) -> Self {
        let mut records = Records::new(8);
        masters.iter().for_each(|name| records.note(Record::new(record::key(name), kept::MASTER)));
        let mut child = Self::new(text, Some(clock::now()), records);
        child.work();
        child
    }

    fn new(text: &str, died: Option<Instant>, records: Records) -> Self {
        static CHILDREN: AtomicU32 = AtomicU32::new(0);
        let number = CHILDREN.fetch_add(1, Ordering::Relaxed);
        let ledger = std::env::temp_dir().join(format!("ka-job-{}-{number}", std::process::id()));
        let (parent, channel) = Channel::pair().unwrap();
        let context = Context {
            channel,
            records: &records,
            changes: &[],
            keep: Keep::new(),
            died,
            begun: clock::now(),
            keep_on_stop: false,
            dump: false,
            address_monitoring: false,
            tuner: Tuner::default(),
            ledger: ledger.clone(),
            first: false,
            pid_file: PathBuf::new(),
            config: [PathBuf::new(), PathBuf::new()],
        };
        let (reactor, vrrp) = start(model(text), context).unwrap();
        Self { reactor, vrrp, parent, ledger, words: Vec::new(), records }
    }

    /// Does the job that has begun to its end; how many slices it had.
    fn work(&mut self) -> usize {
        for calls in 1..=MOST_CALLS {
            let mut turn = self.reactor.turn();
            if self.vrrp.work(&mut turn) == Again::Done {
                assert!(self.vrrp.job.is_none(), "a job that is over is forgotten");
                self.vrrp.turn_end(&mut turn);
                self.hear();
                return calls;
            }
        }
        panic!("the job does not end");
    }

    /// Gives the child a new configuration; how many slices the reload had.
    fn reload(&mut self, text: &str) -> usize {
        self.command(Command::Reload(1, sent(text)));
        let calls = self.work();
        assert_eq!(self.words(), [ToParent::ReloadDone { ok: true }]);
        calls
    }

    /// A turn in which the parent wants something.
    fn command(&mut self, command: Command) {
        let mut turn = self.reactor.turn();
        self.vrrp.command(&mut turn, command);
        if self.vrrp.job.is_none() {
            self.vrrp.turn_end(&mut turn);
        }
        self.hear();
    }

    /// Tells the child to stop, and lets it.
    fn stop(&mut self) {
        self.command(Command::Stop);
        self.work();
    }

    /// A turn in which the machine of an instance gets an input.
    fn input(&mut self, name: &str, input: Input) {
        let is_named = |instance: &Instance| instance.config.name == name;
        let position =
            self.vrrp.routers.instances.iter().position(is_named).expect("an instance of this name");
        let mut turn = self.reactor.turn();
        self.vrrp.drive(&mut turn, InstanceId::at(position), input);
        self.vrrp.turn_end(&mut turn);
        self.hear();
    }

    /// Reads what the child has told its parent.
    fn hear(&mut self) {
        let mut buffer = [0; limit::CHANNEL_PACKET];
        self.reactor.turn().send_reports();
        while let Received::Packet(len, None) = self.parent.receive(&mut buffer) {
            let mut packet = Reader::new(&buffer[..len]);
            while let Some(message) = ToParent::read(&mut packet) {
                match message {
                    ToParent::Transition(record) => self.records.note(record),
                    word => self.words.push(word),
                }
            }
        }
    }

    /// What the child has said in words since this was last asked.
    fn words(&mut self) -> Vec<ToParent> {
        core::mem::take(&mut self.words)
    }

    fn instance(&self, name: &str) -> &Instance {
        let mut instances = self.vrrp.routers.instances.iter();
        instances.find(|instance| instance.config.name == name).expect("an instance of this name")
    }

    fn state(&self, name: &str) -> State {
        self.instance(name).router.state()
    }

    /// What the parent remembers of an instance.
    fn recorded(&self, name: &str) -> Option<State> {
        kept::recorded(&self.records, record::key(name))
    }

    /// When an instance entered its state.
    fn since(&self, name: &str) -> Instant {
        self.instance(name).entered.at
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        for pid in self.vrrp.trackers.scripts.iter().filter_map(|script| script.pid) {
            process::kill_group(pid, libc::SIGKILL);
        }
        let _ = std::fs::remove_file(&self.ledger);
    }
}

/// The addresses of these numbers in the network of the interface.
fn vips(numbers: core::ops::Range<u8>) -> Vec<String> {
    let mut vips: Vec<_> = numbers.map(|number| IpAddr::from([192, 0, 2, number]).to_string()).collect();
    vips.sort();
    vips
}
