//! Several routers on a virtual clock: who becomes MASTER of each virtual router, and when.
//!
//! The processes are the real ones, sync groups included, and exchange real adverts, so that whatever one refuses of another is refused here.
//! Packets take [`LATENCY`] and none is lost. A tool asks it what a set of configurations will do; no process
//! that runs VRRP does, so it may allocate.

use std::collections::VecDeque;
use std::rc::Rc;

use super::accept::{OldForm, Packet, Peer, Surroundings};
use super::action::{Action, Actions, State};
use super::fields;
use super::guard::{self, Around, Guard, Seal, Signature};
use super::machine::Input;
use super::params::{Auth, Params};
use super::process::{Instance, Members, Process};
use super::router::Router;
use crate::base::addr::IpAddr;
use crate::base::bytes::{Short, Writer};
use crate::base::id::{FileId, GroupId, InstanceId, ScriptId};
use crate::base::limit::ADVERT_OCTETS;
use crate::base::time::{Instant, Span};
use crate::proto::track::{Object, Tracked, Value, Verdict, Weight};
use crate::wire::trailer::{self, Stamp};
use crate::wire::{ah, ipv4, vrrp as wire};

/// From one router to the others.
pub const LATENCY: Span = Span::from_micros(100);

/// Steps after which a run ends, whatever its time: 10 ms adverts of 16 routers for a quarter of an hour.
const MOST_STEPS: u32 = 2_000_000;

/// One instance of a router: its parameters, and what its adverts meet.
#[derive(Clone, Debug)]
pub struct Player {
    /// Parameters of the machine.
    pub params: Params,
    /// Source of its adverts; different for each player.
    pub local: IpAddr,
    /// Where multicast adverts go, and which group is joined.
    pub group: IpAddr,
    /// Addresses in its adverts.
    pub addresses: Vec<IpAddr>,
    /// Unicast peers; none: multicast.
    pub peers: Vec<Peer>,
    /// TTL or hop limit of its adverts.
    pub hop_limit: u8,
    /// What it signs with and judges by.
    pub signature: Option<Signature>,
    /// The virtual router that it is an instance of: all routers' instances of one are on one link.
    pub virtual_router: usize,
    /// The sync group that it is a member of, by number within its router.
    pub sync_group: Option<usize>,
}

/// A set of routers at a point in time.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    now: Instant,
    hosts: Vec<Host>,
    flying: VecDeque<Flight>,
}

#[derive(Clone, Debug)]
struct Host {
    players: Rc<[Player]>,
    process: Option<Process>,
    cut_off: bool,
    /// Since when each instance is MASTER.
    master_since: Vec<Option<Instant>>,
}

#[derive(Clone, Debug)]
struct Flight {
    arrives: Instant,
    from: usize,
    virtual_router: usize,
    source: IpAddr,
    destination: IpAddr,
    hop_limit: u8,
    /// In an authentication header, and from the IP header on.
    sealed: bool,
    octets: Vec<u8>,
}

impl Rehearsal {
    /// Routers that are all switched off, each with its instances.
    #[must_use]
    pub fn new(routers: Vec<Vec<Player>>) -> Self {
        let host = |players: Vec<Player>| Host {
            master_since: vec![None; players.len()],
            players: players.into(),
            process: None,
            cut_off: false,
        };
        Self { now: Instant::START, hosts: routers.into_iter().map(host).collect(), flying: VecDeque::new() }
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Those that are MASTER of a virtual router, with the time since when.
    pub fn masters(&self, virtual_router: usize) -> impl Iterator<Item = (usize, Instant)> {
        self.hosts.iter().enumerate().filter_map(move |(index, host)| {
            let of_it = |player: &Player| player.virtual_router == virtual_router;
            let position = host.players.iter().position(of_it)?;
            Some((index, (*host.master_since.get(position)?)?))
        })
    }

    /// Switches a router on, or on again; `weights` is what the trackers of each instance add.
    pub fn start(&mut self, index: usize, weights: &[i32]) {
        let Some(host) = self.hosts.get_mut(index) else {
            return;
        };
        let instances = host.players.iter().enumerate().map(|(position, player)| instance(position, player));
        let groups = host.players.iter().filter_map(|player| player.sync_group).max();
        let members = |group| {
            let all = host.players.iter().enumerate();
            let ids = all.filter(|(_, player)| player.sync_group == Some(group));
            Members { ids: ids.map(|(position, _)| InstanceId::at(position)).collect(), ..Members::default() }
        };
        let groups = (0..groups.map_or(0, |last| last.saturating_add(1))).map(members);
        let mut process = Process::new(instances.collect(), groups.collect());
        for (position, weight) in weights.iter().enumerate() {
            process.set_value(adds(position), Value::Number(*weight));
            process.set_value(breaks(position), Value::Verdict(Verdict::Up));
        }
        process.policy.set_rebuilding(true);
        let (ids, groups) = (0..host.players.len(), process.policy.groups());
        host.process = Some(process);
        host.cut_off = false;
        for position in ids.clone() {
            self.tell(index, |process| process.policy.refresh(InstanceId::at(position)));
        }
        for group in groups.clone() {
            self.tell(index, |process| process.refresh_group(group));
        }
        self.tell(index, |process| process.policy.set_rebuilding(false));
        for group in groups {
            self.tell(index, |process| process.begin_group(group, None));
        }
        for position in ids {
            let start = Input::Start { adopt: None };
            self.tell(index, |process| process.policy.input(InstanceId::at(position), start));
        }
    }

    /// Switches a router off without a word.
    pub fn kill(&mut self, index: usize) {
        if let Some(host) = self.hosts.get_mut(index) {
            host.process = None;
            host.master_since.fill(None);
        }
    }

    /// Cuts a router off from the others; it goes on all the same, as with `dont_track_primary`.
    pub fn cut_off(&mut self, index: usize) {
        if let Some(host) = self.hosts.get_mut(index) {
            host.cut_off = true;
        }
    }

    /// The trackers of an instance of a router add this now.
    pub fn weights(&mut self, index: usize, position: usize, weights: i32) {
        self.track(index, adds(position), Value::Number(weights));
    }

    /// A tracker without weight of an instance of a router fails, or works again.
    pub fn fault(&mut self, index: usize, position: usize, holds: bool) {
        self.track(index, breaks(position), Value::Verdict(Verdict::of(!holds)));
    }

    fn track(&mut self, index: usize, object: Object, value: Value) {
        self.tell(index, |process| {
            if process.set_value(object, value) {
                process.policy.tracked_changed(object);
            }
        });
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Span) {
        let end = self.now + span;
        for _ in 0..MOST_STEPS {
            match self.next().filter(|next| *next <= end) {
                Some(next) => self.step(next),
                None => break,
            }
        }
        self.now = end;
    }

    /// Lets time pass until the first instance of a router has just sent an advert: the worst moment to lose it.
    pub fn run_to_advert(&mut self, index: usize, most: Span) {
        let sent = |rehearsal: &Self| {
            let host = rehearsal.hosts.get(index)?;
            Some(host.process.as_ref()?.instance(InstanceId(0))?.router.counters().sent)
        };
        let (before, end) = (sent(self), self.now + most);
        while sent(self) == before {
            match self.next().filter(|next| *next <= end) {
                Some(next) => self.step(next),
                None => break,
            }
        }
        // What it sent arrives before it is lost.
        self.run(LATENCY);
    }

    fn next(&self) -> Option<Instant> {
        let instances = self.hosts.iter().filter_map(|host| Some(host.process.as_ref()?.instances()));
        let timers = instances.flatten().filter_map(|instance| instance.router.poll_at());
        let arrival = self.flying.front().map(|flight| flight.arrives);
        timers.chain(arrival).min()
    }

    fn step(&mut self, next: Instant) {
        self.now = self.now.max(next);
        let now = self.now;
        while let Some(flight) = self.flying.pop_front() {
            if flight.arrives > now {
                self.flying.push_front(flight);
                break;
            }
            self.deliver(&flight);
        }
        for index in 0..self.hosts.len() {
            let count = self.hosts.get(index).map_or(0, |host| host.players.len());
            for id in (0..count).map(InstanceId::at) {
                let process = self.hosts.get(index).and_then(|host| host.process.as_ref());
                let due = process.and_then(|process| process.instance(id)?.router.poll_at());
                if due.is_some_and(|at| at <= now) {
                    self.tell(index, |process| process.policy.input(id, Input::Timeout));
                }
            }
        }
    }

    fn deliver(&mut self, flight: &Flight) {
        let now = self.now;
        if self.hosts.get(flight.from).is_none_or(|sender| sender.cut_off) {
            return;
        }
        for index in (0..self.hosts.len()).filter(|index| *index != flight.from) {
            let Some(host) = self.hosts.get_mut(index).filter(|host| !host.cut_off) else {
                continue;
            };
            let players = Rc::clone(&host.players);
            let of_it = |player: &Player| player.virtual_router == flight.virtual_router;
            let (Some(position), Some(process)) = (players.iter().position(of_it), &mut host.process) else {
                continue;
            };
            let Some(player) = players.get(position) else { continue };
            let listens = if player.peers.is_empty() { player.group } else { player.local };
            let header = flight.sealed.then(|| ah::Header::parse(&flight.octets).ok()).flatten();
            // Another protocol: those that do not use it do not hear it.
            if listens != flight.destination
                || (flight.sealed && !matches!(player.params.auth, Auth::Header(_)))
            {
                continue;
            }
            let packet = Packet {
                source: flight.source,
                destination: Some(flight.destination),
                arrived: now,
                hop_limit: Some(flight.hop_limit),
                octets: header.map_or(&flight.octets, |header| header.advert()),
                around: Around { header, wall: wall(now) },
            };
            let surroundings = Surroundings {
                local: Some(player.local),
                addresses: &player.addresses,
                peers: &player.peers,
                old_form: OldForm::Refused,
            };
            let mut out = Actions::new();
            process.receive(now, InstanceId::at(position), &surroundings, &packet, &mut out);
            self.carry_out(index, position, &out);
            self.tell(index, |_| ());
        }
    }

    /// Gives a process something to do, and carries out all that it leads to.
    fn tell(&mut self, index: usize, input: impl FnOnce(&mut Process)) {
        let now = self.now;
        let Some(process) = self.hosts.get_mut(index).and_then(|host| host.process.as_mut()) else {
            return;
        };
        input(process);
        loop {
            let Some(process) = self.hosts.get_mut(index).and_then(|host| host.process.as_mut()) else {
                return;
            };
            let Some(due) = process.due() else { return };
            let mut out = Actions::new();
            process.step(now, &mut out);
            self.carry_out(index, due.id.index(), &out);
        }
    }

    /// Sends what an instance sends, and notes its state.
    fn carry_out(&mut self, index: usize, position: usize, actions: &Actions) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(index) else {
            return;
        };
        let (Some(process), Some(player)) = (&mut host.process, host.players.get(position)) else { return };
        let Some(Instance { router, .. }) = process.instance_mut(InstanceId::at(position)) else { return };
        if let Some(since) = host.master_since.get_mut(position) {
            let master = router.state() == State::Master;
            *since = since.filter(|_| master).or(master.then_some(now));
        }
        for action in actions {
            let Action::SendAdvert { priority } = action else {
                continue;
            };
            if let Some(guard) = router.guard_mut() {
                guard.advance(wall(now));
            }
            let seal = router.guard().map_or(Seal::Open, Guard::seal);
            let peers = player.peers.iter().map(|peer| peer.addr);
            let group = player.peers.is_empty().then_some(player.group);
            for destination in peers.chain(group) {
                let mut buffer = [0; ADVERT_OCTETS];
                let mut writer = Writer::new(&mut buffer);
                let written = write(&mut writer, player, *priority, destination, seal);
                // 255 addresses always fit, so says `ADVERT_OCTETS`.
                if written.is_ok() {
                    self.flying.push_back(Flight {
                        arrives: now + LATENCY,
                        from: index,
                        virtual_router: player.virtual_router,
                        source: player.local,
                        destination,
                        hop_limit: player.hop_limit,
                        sealed: matches!(seal, Seal::Header { .. }),
                        octets: writer.written().to_vec(),
                    });
                }
            }
        }
    }
}

/// The instance of a player, which tracks a number that is added to its priority and a verdict that can end it.
fn instance(position: usize, player: &Player) -> Instance {
    let announced = u16::try_from(player.addresses.len()).unwrap_or(u16::MAX);
    let mut router = Router::new(player.params.clone(), announced);
    if let Some(signature) = &player.signature {
        router.change_guard(Some(Box::new(Guard::Signature(Box::new(signature.clone())))));
    } else if let Auth::Header(password) = &player.params.auth {
        let header = guard::Header::new(ah::Key::new(password.octets()), 0);
        router.change_guard(Some(Box::new(Guard::Header(header))));
    }
    router.set_synced(player.sync_group.is_some());
    let tracked = |object, value| Tracked { object, weight: Weight { value, reverse: false } };
    Instance {
        tracking: [tracked(adds(position), 1), tracked(breaks(position), 0)].into(),
        group: player.sync_group.map(|group| GroupId::new(u32::try_from(group).unwrap_or(u32::MAX))),
        ..Instance::new(router)
    }
}

/// What adds to the priority of the instance at a position.
fn adds(position: usize) -> Object {
    Object::File(FileId::at(position))
}

/// What puts the instance at a position in FAULT.
fn breaks(position: usize) -> Object {
    Object::Script(ScriptId::at(position))
}

/// The wall clock, which all routers share.
fn wall(now: Instant) -> Stamp {
    let micros = now.since(Instant::START).as_micros();
    let (secs, past) = (micros / 1_000_000, micros % 1_000_000);
    Stamp::at(i64::try_from(secs).unwrap_or(i64::MAX), u32::try_from(past).unwrap_or_default())
}

/// Writes an advert, from the IP header on if an authentication header goes around it.
fn write(
    out: &mut Writer<'_>,
    player: &Player,
    priority: u8,
    destination: IpAddr,
    seal: Seal<'_>,
) -> Result<(), Short> {
    let params = &player.params;
    let advert = |out: &mut Writer<'_>| {
        let cover = fields::cover(params, player.local, destination);
        wire::emit(out, params.vrid, priority, player.addresses.iter(), fields::body(params), cover)
    };
    if let Seal::Trailer { key, id, stamp } = seal {
        advert(out)?;
        let signed = trailer::sign(key, id, stamp, &player.local, out.written());
        return out.put(&signed);
    }
    let (Seal::Header { key, sequence }, IpAddr::V4(source), IpAddr::V4(destination)) =
        (seal, player.local, destination)
    else {
        return advert(out);
    };
    let count = u8::try_from(player.addresses.len()).unwrap_or(u8::MAX);
    let len = wire::advert_len(params.version, params.family, count).saturating_add(ah::HEADER);
    let header = ipv4::Header { source, destination, ttl: player.hop_limit, protocol: ah::PROTOCOL };
    ipv4::emit(out, header, 1, len)?;
    ah::emit(out, source, sequence)?;
    advert(out)?;
    ah::seal(out, 0, key)
}

#[cfg(test)]
mod tests {
    use super::super::guard::{Mode, SigningKey};
    use super::super::params::Password;
    use super::*;

    fn player(last: u8, priority: u8) -> Player {
        Player {
            params: Params { vrid: 7, priority, ..Params::default() },
            local: IpAddr::from([10, 0, 0, last]),
            group: IpAddr::from([224, 0, 0, 18]),
            addresses: vec![IpAddr::from([10, 0, 0, 100])],
            peers: Vec::new(),
            hop_limit: 255,
            signature: None,
            virtual_router: 0,
            sync_group: None,
        }
    }

    fn masters(rehearsal: &Rehearsal) -> Vec<usize> {
        rehearsal.masters(0).map(|(index, _)| index).collect()
    }

    fn started(players: Vec<Player>) -> Rehearsal {
        let mut rehearsal = Rehearsal::new(players.into_iter().map(|player| vec![player]).collect());
        for index in 0..rehearsal.hosts.len() {
            rehearsal.start(index, &[0]);
        }
        rehearsal.run(Span::from_secs(20));
        rehearsal
    }

    #[test]
    fn the_highest_priority_leads_and_its_death_costs_the_master_down_time() {
        let mut rehearsal = started(vec![player(1, 50), player(2, 100), player(3, 80)]);
        assert_eq!(masters(&rehearsal), [1]);
        rehearsal.run_to_advert(1, Span::from_secs(2));
        let lost = rehearsal.now();
        rehearsal.kill(1);
        rehearsal.run(Span::from_secs(10));
        let (index, since) = rehearsal.masters(0).next().unwrap();
        // 3 s and 176/256 s, from the arrival of the last advert.
        assert_eq!((index, since.since(lost)), (2, Span::from_micros(3_687_500)));
        rehearsal.start(1, &[0]);
        rehearsal.run(Span::from_secs(10));
        assert_eq!(masters(&rehearsal), [1]);
    }

    #[test]
    fn weights_move_the_master_within_the_skew_time() {
        let mut rehearsal = started(vec![player(1, 100), player(2, 90)]);
        let before = rehearsal.now();
        rehearsal.weights(0, 0, -20);
        rehearsal.run(Span::from_secs(5));
        let (index, since) = rehearsal.masters(0).next().unwrap();
        assert_eq!(index, 1);
        assert!(since.since(before) < Span::from_secs(1));
        rehearsal.fault(1, 0, true);
        rehearsal.run(Span::from_secs(5));
        assert_eq!(masters(&rehearsal), [0]);
    }

    #[test]
    fn what_one_refuses_of_the_other_makes_two_masters() {
        let mut other = player(2, 90);
        other.params.advert_interval = Span::from_secs(2);
        assert_eq!(masters(&started(vec![player(1, 100), other])), [0, 1]);
        let mut elsewhere = player(2, 90);
        elsewhere.group = IpAddr::from([224, 0, 0, 99]);
        assert_eq!(masters(&started(vec![player(1, 100), elsewhere])), [0, 1]);
    }

    #[test]
    fn authentication_headers_of_one_key_are_understood() {
        let keyed = |last, priority, password| {
            let mut player = player(last, priority);
            player.params.auth = Auth::Header(Password::new(password));
            player
        };
        assert_eq!(masters(&started(vec![keyed(1, 100, "one"), keyed(2, 90, "one")])), [0]);
        assert_eq!(masters(&started(vec![keyed(1, 100, "one"), keyed(2, 90, "two")])), [0, 1]);
        assert_eq!(masters(&started(vec![keyed(1, 100, "one"), player(2, 90)])), [0, 1]);
    }

    #[test]
    fn signed_adverts_are_understood_by_those_with_the_key() {
        let key = SigningKey::new;
        let signed = |last, keys: Vec<SigningKey>, active, mode| {
            let window = Span::from_secs(5);
            let signature = Signature::new(keys, active, window, guard::Replay::Time, mode);
            Player { signature: Some(signature), ..player(last, 101 - last) }
        };
        let (one, two) = (|| key(1, b"one"), || key(2, b"two"));
        let enforce = Mode::Enforce;
        let first = || signed(1, vec![one()], 1, enforce);
        assert_eq!(masters(&started(vec![first(), signed(2, vec![one()], 1, enforce)])), [0]);
        assert_eq!(masters(&started(vec![first(), signed(2, vec![key(1, b"not one")], 1, enforce)])), [0, 1]);
        // While keys are rotated both are known, whichever of them signs.
        let both = |last, active| signed(last, vec![one(), two()], active, enforce);
        let mut rotated = started(vec![both(1, 1), both(2, 2)]);
        assert_eq!(masters(&rotated), [0]);
        assert_eq!(
            masters(&started(vec![first(), both(2, 2)])),
            [0],
            "only what the MASTER signs with counts"
        );
        assert_eq!(masters(&started(vec![both(1, 2), signed(2, vec![one()], 1, enforce)])), [0, 1]);
        // One that comes back goes on with numbers that grow.
        rotated.kill(0);
        rotated.run(Span::from_secs(10));
        rotated.start(0, &[0]);
        rotated.run(Span::from_secs(10));
        assert_eq!(masters(&rotated), [0]);
        // On the way to signatures.
        assert_eq!(masters(&started(vec![player(1, 100), signed(2, vec![one()], 1, Mode::Permissive)])), [0]);
        assert_eq!(masters(&started(vec![signed(1, vec![one()], 1, Mode::ReceiveOnly), player(2, 90)])), [0]);
        assert_eq!(masters(&started(vec![player(1, 100), signed(2, vec![one()], 1, enforce)])), [0, 1]);
        assert_eq!(masters(&started(vec![first(), player(2, 90)])), [0, 1], "a trailer is too long");
    }

    #[test]
    fn cut_off_is_not_dead() {
        let mut rehearsal = started(vec![player(1, 100), player(2, 90)]);
        rehearsal.cut_off(0);
        rehearsal.run(Span::from_secs(5));
        assert_eq!(masters(&rehearsal), [0, 1]);
    }

    #[test]
    fn the_other_virtual_router_of_a_sync_group_moves_with_the_first() {
        let synced = |last: u8, priority: u8| -> Vec<Player> {
            let of = |virtual_router: u8| {
                let mut player = player(last, priority);
                player.params.vrid = 7 + virtual_router;
                player.local = IpAddr::from([10, 0, virtual_router, last]);
                Player { virtual_router: virtual_router.into(), sync_group: Some(0), ..player }
            };
            vec![of(0), of(1)]
        };
        let mut rehearsal = Rehearsal::new(vec![synced(1, 100), synced(2, 90)]);
        for index in 0..2 {
            rehearsal.start(index, &[0, 0]);
        }
        rehearsal.run(Span::from_secs(20));
        let of = |rehearsal: &Rehearsal, virtual_router| -> Vec<usize> {
            rehearsal.masters(virtual_router).map(|(index, _)| index).collect()
        };
        assert_eq!((of(&rehearsal, 0), of(&rehearsal, 1)), (vec![0], vec![0]));
        rehearsal.fault(0, 1, true);
        rehearsal.run(Span::from_secs(5));
        assert_eq!((of(&rehearsal, 0), of(&rehearsal, 1)), (vec![1], vec![1]));
    }
}
