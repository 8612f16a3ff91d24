//! Reloads over a kernel that has no memory now and then, at every place where it may happen.

use super::*;
use crate::base::addr::IpAddr;
use crate::base::id::ServiceId;
use crate::proto::lvs::tests::conf::{Conf, Real, Service, Where};
use crate::proto::lvs::tests::kernel;
use crate::proto::lvs::{Fact, Look, Protocol, ServiceKey};

const SERVICES: u8 = 3;
/// A reload replaces so many servers of each service: the additions alone fill a batch in part.
const SERVERS: u8 = 40;
const REPLACED: u8 = 30;
/// That takes so many sends.
const SENDS: usize = 3;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// From this send on, so many fail as a whole.
    Unsent {
        at: usize,
        times: usize,
        errno: Errno,
    },
    /// An addition at this position of all of them is refused so many times.
    Refused {
        at: usize,
        times: u32,
    },
    /// The answers to this send are lost.
    Lost {
        at: usize,
    },
}

/// A kernel in whose table no service ever has fewer servers than it should.
struct Faulty {
    table: kernel::Kernel,
    collected: Vec<(u32, Operation)>,
    fault: Fault,
    sends: usize,
    refused: Option<Operation>,
    additions: usize,
    refusals: u32,
    /// No service has fewer servers.
    fewest: usize,
}

impl Kernel for Faulty {
    fn room(&self) -> usize {
        limit::NETLINK_BATCH - self.collected.len()
    }

    fn ask(&mut self, tag: u32, operation: &Operation) -> Result<(), Full> {
        assert!(self.room() > 0);
        self.collected.push((tag, *operation));
        Ok(())
    }

    fn send(&mut self, on_refusal: &mut dyn FnMut(u32, Errno)) -> Result<(), Errno> {
        let collected = core::mem::take(&mut self.collected);
        let number = self.sends;
        self.sends += 1;
        if let Fault::Unsent { at, times, errno } = self.fault
            && (at..at + times).contains(&number)
        {
            return Err(errno);
        }
        for (tag, operation) in &collected {
            if self.has_no_memory(operation) {
                on_refusal(*tag, Errno::ENOMEM);
                continue;
            }
            let carried = self.table.carry_out(operation);
            for (key, (_, dests)) in &self.table.services {
                let usable = dests.values().filter(|value| value.weight > 0).count();
                assert!(usable >= self.fewest, "{key:?} has {usable} after {operation:?}: {:?}", self.fault);
            }
            if self.fault != (Fault::Lost { at: number })
                && let Err(refusal) = carried
            {
                on_refusal(*tag, number_of(refusal));
            }
        }
        if self.fault == (Fault::Lost { at: number }) {
            collected.iter().for_each(|(tag, _)| on_refusal(*tag, Errno::ENOBUFS));
        }
        Ok(())
    }
}

impl Faulty {
    fn has_no_memory(&mut self, operation: &Operation) -> bool {
        let Fault::Refused { at, times } = self.fault else { return false };
        if !matches!(operation, Operation::NewDest(..) | Operation::NewService(..)) {
            return false;
        }
        if self.refused.is_none() {
            self.refused = (self.additions == at).then_some(*operation);
            self.additions += 1;
        }
        let refused = self.refused == Some(*operation) && self.refusals < times;
        self.refusals += u32::from(refused);
        refused
    }
}

fn number_of(refusal: Refusal) -> Errno {
    match refusal {
        Refusal::Exists => Errno::EEXIST,
        Refusal::NoService => Errno::ESRCH,
        Refusal::NoDest => Errno::ENOENT,
        Refusal::Unknown => Errno::ENOBUFS,
        Refusal::Other(errno) => Errno::from_raw(errno),
    }
}

fn key(number: u8) -> ServiceKey {
    ServiceKey::Address(Protocol::Tcp, IpAddr::from([192, 0, 2, number]), 80)
}

/// Services with as many servers each, from this number on.
fn conf(from: u8) -> Conf {
    let service = |number: u8| {
        let mut service =
            Service::new(u64::from(number), Where::Address(IpAddr::from([192, 0, 2, number]), 80));
        service.reals =
            (from..from + SERVERS).map(|of| Real::new(IpAddr::from([10, 0, 0, of]), 80)).collect();
        service
    };
    Conf((0..SERVICES).map(service).collect())
}

/// A director, what it sends, and a kernel.
struct World {
    conf: Conf,
    director: Director,
    sending: Sending,
    kernel: Faulty,
    now: Instant,
    facts: Vec<Fact>,
}

impl World {
    /// A director that has started.
    fn new() -> Self {
        let kernel = Faulty {
            table: kernel::Kernel::default(),
            collected: Vec::new(),
            fault: Fault::Nothing,
            sends: 0,
            refused: None,
            additions: 0,
            refusals: 0,
            fewest: 0,
        };
        let conf = conf(0);
        let director = conf.director();
        let now = Instant::START + Span::from_secs(100);
        let mut world = Self { conf, director, sending: Sending::default(), kernel, now, facts: Vec::new() };
        for id in (0..SERVICES).map(u32::from) {
            world.director.start(ServiceId(id), &mut |_| ());
        }
        world.kernel.table.show(world.now, &mut world.director, Look::Start, &mut |_| ());
        world.settle();
        world
    }

    /// Goes on until nothing is to be done; how often something waited.
    fn settle(&mut self) -> u32 {
        let mut waits = 0;
        loop {
            let tell = &mut |fact| self.facts.push(fact);
            match self.sending.step(self.now, &mut self.director, &mut self.kernel, tell) {
                Step::Done(_) => {}
                Step::Nothing if self.director.is_settled() => break,
                Step::Nothing => {}
                Step::Waits => {
                    waits += 1;
                    assert!(waits < 100, "it never ends: {:?}", self.kernel.fault);
                    let sends = self.kernel.sends;
                    let step = self.sending.step(self.now, &mut self.director, &mut self.kernel, tell);
                    assert_eq!((step, self.kernel.sends), (Step::Waits, sends), "not before it is due");
                    self.now = self.sending.due().unwrap();
                }
            }
        }
        assert_eq!(self.sending.due(), None);
        waits
    }

    fn reload(&mut self, from: u8) {
        let conf = conf(from);
        let mut director = conf.director();
        self.sending.give_back(self.now, &mut self.director, &mut |_| ());
        let mut same = |old, new| self.conf.same(old, &conf, new);
        director.follow(&mut self.director, &mut same, &mut || (), &mut |_| ());
        (self.director, self.conf) = (director, conf);
    }

    /// A reload that something goes wrong at, and of which nobody who uses a service notices anything.
    fn replace(fault: Fault) -> (Self, u32) {
        let mut world = Self::new();
        (world.kernel.fault, world.kernel.sends) = (fault, 0);
        world.kernel.fewest = usize::from(SERVERS);
        world.reload(REPLACED);
        let waits = world.settle();
        world.is(REPLACED);
        (world, waits)
    }

    fn is(&self, from: u8) {
        for number in 0..SERVICES {
            let (_, dests) = &self.kernel.table.services[&key(number)];
            let wanted = (from..from + SERVERS).map(|of| IpAddr::from([10, 0, 0, of]));
            assert!(dests.keys().map(|dest| dest.addr).eq(wanted), "{:?}: {dests:?}", self.kernel.fault);
        }
    }
}

#[test]
fn a_reload_over_a_kernel_that_fails_nowhere_takes_one_send_a_batch_and_waits_for_nothing() {
    let (world, waits) = World::replace(Fault::Nothing);
    // 90 additions, and 90 removals after them.
    assert_eq!((waits, world.kernel.sends), (0, SENDS));
}

#[test]
fn a_batch_that_could_not_be_sent_is_sent_again_before_anything_else() {
    for errno in [Errno::ENOBUFS, Errno::ENOMEM, Errno::EAGAIN] {
        for at in 0..SENDS {
            for times in [1, 3, 20] {
                let (world, waits) = World::replace(Fault::Unsent { at, times, errno });
                assert_eq!((waits, world.kernel.sends), (u32::try_from(times).unwrap(), SENDS + times));
                assert!(world.facts.is_empty() && !world.sending.unsure);
                assert_eq!(world.sending.again, u64::try_from(times).unwrap());
                assert_eq!(world.sending.tries, 0, "the next one is told again");
            }
        }
    }
}

#[test]
fn an_addition_without_memory_is_asked_for_again_before_anything_leaves() {
    for at in 0..usize::from(SERVICES * REPLACED) {
        for times in [1, limit::LVS_TRIES] {
            let (world, waits) = World::replace(Fault::Refused { at, times });
            assert_eq!((waits, world.facts.len()), (times, 0));
        }
    }
}

#[test]
fn answers_that_are_lost_are_asked_for_again() {
    for at in 0..SENDS {
        let (world, waits) = World::replace(Fault::Lost { at });
        assert_eq!((waits, world.facts.len(), world.sending.unsure), (1, 0, false));
    }
}

#[test]
fn what_the_kernel_never_has_memory_for_holds_up_the_others_for_a_bounded_time_and_is_told_once() {
    let mut world = World::new();
    let begin = world.now;
    world.kernel.fault = Fault::Refused { at: 5, times: u32::MAX };
    world.reload(REPLACED);
    // It is asked for once more when servers go.
    assert_eq!(world.settle(), 2 * limit::LVS_TRIES);
    assert_eq!(world.now.since(begin), Span::from_millis(2 * 630));
    assert!(matches!(*world.facts, [Fact::Refused { errno: libc::ENOMEM, .. }]), "{:?}", world.facts);
}

#[test]
fn what_is_refused_for_good_is_told_at_once_and_holds_up_nothing() {
    let mut world = World::new();
    world.kernel.fault = Fault::Unsent { at: 0, times: 1, errno: Errno::EPERM };
    world.kernel.sends = 0;
    world.reload(REPLACED);
    assert_eq!(world.settle(), 0);
    assert_eq!(world.facts.len(), limit::NETLINK_BATCH);
}

/// A reload while something waits goes on from what the kernel has.
#[test]
fn a_reload_takes_back_what_waits() {
    for at in 0..SENDS {
        let unsent = Fault::Unsent { at, times: 1, errno: Errno::ENOBUFS };
        for fault in [unsent, Fault::Lost { at }, Fault::Refused { at: 11 * at, times: 1 }] {
            let mut world = World::new();
            (world.kernel.fault, world.kernel.sends) = (fault, 0);
            world.kernel.fewest = usize::from(SERVERS);
            world.reload(REPLACED);
            while world.sending.step(world.now, &mut world.director, &mut world.kernel, &mut |_| ())
                != Step::Waits
            {}
            world.reload(REPLACED - 10);
            assert_eq!(world.sending.due(), None);
            world.settle();
            world.is(REPLACED - 10);
        }
    }
}

/// A new service without memory: its destinations come when it is there, and nothing is taken for somebody else's deed.
#[test]
fn destinations_wait_for_their_service() {
    let mut world = World::new();
    for number in 0..SERVICES {
        world.kernel.table.services.remove(&key(number));
    }
    world.kernel.fault = Fault::Refused { at: 0, times: 2 };
    world.kernel.table.show(world.now, &mut world.director, Look::Running, &mut |_| ());
    assert_eq!(world.settle(), 2);
    assert!(world.facts.is_empty(), "{:?}", world.facts);
    world.is(0);
}
