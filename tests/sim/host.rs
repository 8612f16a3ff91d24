//! One simulated machine: the real router, its configuration, its kernel's addresses and receive queue.

use crate::link::Datagram;
use keepalived::base::addr::{Family, IpAddr};
use keepalived::base::bytes::Writer;
use keepalived::base::id::{FileId, InstanceId};
use keepalived::base::limit::ADVERT_OCTETS;
use keepalived::base::time::{Instant, Span};
use keepalived::proto::track::{Object, Tracked, Value, Weight};
use keepalived::proto::vrrp::process::Instance;
use keepalived::proto::vrrp::{
    Auth, Base, Facts, Params, Peer, Process, Router, State, Surroundings, Version,
};
use keepalived::wire::vrrp::{self as wire, Body, Cover};
use std::rc::Rc;

/// The instance of a process that has one.
pub(crate) const ONLY: InstanceId = InstanceId(0);
/// What every instance tracks: a file with the number that is added to its priority.
pub(crate) const TRACKER: Object = Object::File(FileId(0));

/// A machine that runs the router, or could.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// Its own address.
    pub(crate) addr: IpAddr,
    /// The configuration file.
    pub(crate) params: Params,
    /// The shortest interval that a reload may lead to.
    pub(crate) shortest_interval: Span,
    /// The advertised addresses of the configuration.
    pub(crate) addresses: Vec<IpAddr>,
    /// The unicast peers of the configuration.
    pub(crate) peers: Vec<Peer>,
    /// The process, with one instance; none while crashed or stopped.
    pub(crate) process: Option<Process>,
    /// The addresses are on the interface: the kernel keeps them when the process dies.
    pub(crate) held: bool,
    /// What the parent knows of a child that died, and when that was.
    pub(crate) record: Option<(State, Instant)>,
    /// It may be the address owner where only one may.
    pub(crate) owner: bool,
    /// The interface is up.
    pub(crate) link_up: bool,
    /// What the trackers add to the priority.
    pub(crate) weights: i32,
    /// SIGSTOP: the clock goes on, the receive queue fills.
    pub(crate) paused: bool,
    /// The receive queue of a paused process.
    pub(crate) inbox: Vec<Datagram>,
    /// The deadline asked for, and when the process will have woken up for it.
    pub(crate) wake: Option<(Instant, Instant)>,
}

impl Host {
    /// A machine that is switched off.
    pub(crate) fn new(addr: IpAddr, params: Params, addresses: Vec<IpAddr>) -> Self {
        Self {
            addr,
            shortest_interval: params.advert_interval,
            params,
            addresses,
            peers: Vec::new(),
            process: None,
            held: false,
            record: None,
            owner: false,
            link_up: true,
            weights: 0,
            paused: false,
            inbox: Vec::new(),
            wake: None,
        }
    }

    /// Its state, if it runs.
    pub(crate) fn state(&self) -> Option<State> {
        self.router().map(Router::state)
    }

    /// Its process runs and is scheduled, and it takes part in the election.
    pub(crate) fn takes_part(&self) -> bool {
        !self.paused && self.link_up && matches!(self.state(), Some(State::Backup | State::Master))
    }

    /// It is MASTER and able to act as one.
    pub(crate) fn is_master(&self) -> bool {
        self.takes_part() && self.state() == Some(State::Master)
    }

    /// The priority in its adverts.
    pub(crate) fn priority(&self) -> u8 {
        self.router().map_or(self.params.priority, |router| router.machine().effective_priority())
    }

    /// The priority that its configuration and its trackers ask for.
    pub(crate) fn expected_priority(&self) -> u8 {
        let base = self.params.priority;
        let sum = (i32::from(base) + self.weights).clamp(1, 254);
        if base == 255 { 255 } else { u8::try_from(sum).unwrap_or(base) }
    }

    /// What is true of the instance.
    pub(crate) fn facts(&self) -> Facts {
        Facts { base: if self.link_up { Base::Up } else { Base::Down }, ..Facts::default() }
    }

    /// The instance as a new process has it.
    pub(crate) fn instance(&self) -> Instance {
        let announced = u16::try_from(self.addresses.len()).unwrap_or(u16::MAX);
        let router = Router::new(self.params.clone(), announced);
        let weight = Weight { value: 1, reverse: false };
        let tracking = [Tracked { object: TRACKER, weight }].into();
        Instance { facts: self.facts(), tracking, ..Instance::new(router) }
    }

    /// The instance's virtual router, if its process runs.
    pub(crate) fn router(&self) -> Option<&Router> {
        Some(&self.process.as_ref()?.instance(ONLY)?.router)
    }

    /// What the tracker says.
    pub(crate) fn tracker(&self) -> Value {
        Value::Number(self.weights)
    }

    /// What the process compares adverts with.
    pub(crate) fn surroundings<'a>(
        addr: IpAddr,
        addresses: &'a [IpAddr],
        peers: &'a [Peer],
    ) -> Surroundings<'a> {
        Surroundings { local: Some(addr), addresses, peers, ..Surroundings::default() }
    }

    /// An advert as it leaves the machine.
    pub(crate) fn advert(&self, destination: IpAddr, priority: u8) -> Rc<[u8]> {
        let params = &self.params;
        let body = match (params.version, &params.auth) {
            (Version::V2, auth) => Body::V2 {
                auth_type: match auth {
                    Auth::None => wire::AUTH_NONE,
                    Auth::Pass(_) => wire::AUTH_PASS,
                    Auth::Header(_) => wire::AUTH_AH,
                },
                seconds: u8::try_from(params.advert_interval.as_secs()).unwrap_or(u8::MAX),
                auth_data: match auth {
                    Auth::None | Auth::Header(_) => [0; 8],
                    Auth::Pass(password) => *password.octets(),
                },
            },
            (Version::V3, _) => Body::V3 {
                centis: u16::try_from(params.advert_interval.as_centis()).unwrap_or(wire::MAX_CENTIS),
            },
        };
        let plain = match (params.version, params.family) {
            (Version::V2, _) => true,
            (Version::V3, Family::V4) => params.v3_checksum_as_v2,
            (Version::V3, Family::V6) => false,
        };
        let cover = if plain { Cover::Plain } else { Cover::Pseudo { source: self.addr, destination } };
        let mut buffer = [0; ADVERT_OCTETS];
        let mut writer = Writer::new(&mut buffer);
        let fits = wire::emit(&mut writer, params.vrid, priority, self.addresses.iter(), body, cover);
        assert!(fits.is_ok(), "an advert of a few addresses fits");
        writer.written().into()
    }

    /// Where its adverts go.
    pub(crate) fn destinations(&self) -> Vec<IpAddr> {
        if self.peers.is_empty() {
            vec![group(self.params.family)]
        } else {
            self.peers.iter().map(|peer| peer.addr).collect()
        }
    }

    /// The process is gone, without a word.
    pub(crate) fn kill(&mut self, now: Instant) {
        self.record = self.state().map(|state| (state, now));
        self.process = None;
        self.paused = false;
        self.inbox.clear();
        self.wake = None;
    }

    /// Notices a new deadline; the process wakes up at most `lateness` after it.
    pub(crate) fn schedule(&mut self, late: impl FnOnce() -> Span) {
        let deadline = self.router().and_then(Router::poll_at);
        if deadline != self.wake.map(|(deadline, _)| deadline) {
            self.wake = deadline.map(|deadline| (deadline, deadline + late()));
        }
    }
}

/// The group of multicast adverts.
pub(crate) fn group(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([224, 0, 0, 18]),
        Family::V6 => IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 0x12]),
    }
}
