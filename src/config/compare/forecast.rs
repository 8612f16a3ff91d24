//! Who will be master: normally, after each single failure, and when the failed router is back.
//!
//! Each question is a rehearsal of its own: the routers start, settle, one thing fails at the worst moment, and what
//! they do is read off.

use super::matching::subject;
use super::text::{list, within};
use super::trackers::{contributions, noticed, tracked};
use super::{Forecast, Member};
use crate::base::addr::{Family, IpAddr, Ipv4Addr, Ipv6Addr};
use crate::base::id::GroupId;
use crate::base::map::Set;
use crate::base::time::{Instant, Span};
use crate::config::model::hmac::{Hmac, HmacKey, Secret};
use crate::proto::vrrp::guard::{Signature, SigningKey};
use crate::proto::vrrp::priority::effective;
use crate::proto::vrrp::rehearsal::{Player, Rehearsal};
use crate::proto::vrrp::{Machine, Params, Peer};

/// What one virtual router will do, played together with those of `all` that sync groups tie to it.
pub(super) fn forecast(group: &[Member<'_>], all: &[Vec<Member<'_>>]) -> Forecast {
    let stage = Stage::new(group, all);
    let mut lines = Vec::new();
    let normal = stage.normal(&mut lines);
    if let Some(masters) = normal {
        stage.losses(&masters, &mut lines);
        stage.trackers(&masters, &mut lines);
    }
    Forecast { subject: subject(group), lines }
}

/// The routers of one virtual router, ready to be played.
struct Stage<'a> {
    group: &'a [Member<'a>],
    /// The instances of each router: that of the virtual router first, then those that move with it.
    cast: Vec<Vec<Member<'a>>>,
    players: Vec<Vec<Player>>,
    /// What the trackers of each instance add when everything works.
    healthy: Vec<Vec<i32>>,
    /// Long enough for everything to settle.
    settle: Span,
    /// Addresses had to be made up.
    assumed: bool,
}

impl<'a> Stage<'a> {
    fn new(group: &'a [Member<'a>], all: &'a [Vec<Member<'a>>]) -> Self {
        let tied = tied(group, all);
        let (mut cast, mut players) = (vec![Vec::new(); group.len()], vec![Vec::new(); group.len()]);
        // Routers without an instance of the virtual router stand behind those with one.
        let mut routers: Vec<usize> = group.iter().map(|one| one.router).collect();
        let mut assumed = false;
        for (virtual_router, members) in tied.iter().enumerate() {
            let (locals, made_up) = locals(members);
            assumed |= made_up && virtual_router == 0;
            for (one, local) in members.iter().zip(locals) {
                let index = routers.iter().position(|router| *router == one.router).unwrap_or_else(|| {
                    routers.push(one.router);
                    cast.push(Vec::new());
                    players.push(Vec::new());
                    routers.len().saturating_sub(1)
                });
                let (Some(cast), Some(players)) = (cast.get_mut(index), players.get_mut(index)) else {
                    continue;
                };
                cast.push(*one);
                players.push(Player { virtual_router, ..player(members, one, local) });
            }
        }
        let all = players.iter().flatten();
        let down = all.clone().map(|player: &Player| Machine::new(player.params.clone()).master_down_time());
        let delay = all.map(|player| player.params.preempt_delay).max().unwrap_or_default();
        let healthy =
            |members: &Vec<Member<'_>>| members.iter().map(|one| contributions(one, None)).collect();
        Self {
            group,
            healthy: cast.iter().map(healthy).collect(),
            settle: down.max().unwrap_or_default() * 4 + delay + Span::from_secs(1),
            cast,
            players,
            assumed,
        }
    }

    fn name(&self, index: usize) -> &'a str {
        self.group.get(index).map_or("", |one| one.name)
    }

    fn names(&self, indexes: &[usize]) -> String {
        let names: Vec<&str> = indexes.iter().map(|index| self.name(*index)).collect();
        list(&names)
    }

    /// What the trackers of each instance of a router add when everything works.
    fn healthy(&self, index: usize) -> &[i32] {
        self.healthy.get(index).map_or(&[], Vec::as_slice)
    }

    /// What those of the virtual router's own instance add.
    fn own_healthy(&self, index: usize) -> i32 {
        self.healthy(index).first().copied().unwrap_or(0)
    }

    /// All routers started, `first` some time before the others.
    fn started(&self, first: Option<usize>) -> Rehearsal {
        let mut play = Rehearsal::new(self.players.clone());
        if let Some(first) = first {
            play.start(first, self.healthy(first));
            play.run(self.settle);
        }
        for index in (0..self.players.len()).filter(|index| Some(*index) != first) {
            play.start(index, self.healthy(index));
        }
        play.run(self.settle);
        play
    }

    /// Who is master when everything works; none if that is more than one.
    fn normal(&self, lines: &mut Vec<(String, String)>) -> Option<Vec<usize>> {
        let masters = masters(&self.started(None));
        let priorities: Vec<String> = self
            .group
            .iter()
            .enumerate()
            .map(|(index, one)| {
                let base = one.instance.params.priority;
                format!("{} {}", one.name, effective(base, self.own_healthy(index)))
            })
            .collect();
        let priorities = priorities.join(", ");
        if masters.len() != 1 {
            let outcome = if masters.is_empty() {
                format!("nobody is MASTER (priorities: {priorities})")
            } else {
                format!(
                    "{} are MASTER at the same time: two routers have the addresses",
                    self.names(&masters)
                )
            };
            lines.push(("normally".to_owned(), outcome));
            return None;
        }
        let by_start: Set<Vec<usize>> = (0..self.group.len())
            .map(|first| self::masters(&self.started(Some(first))))
            .chain([masters.clone()])
            .collect();
        let outcome = if by_start.len() == 1 {
            format!("{} is MASTER (priorities: {priorities})", self.names(&masters))
        } else {
            format!(
                "the one that starts first is MASTER and stays so; started together, {} (priorities: {priorities})",
                self.names(&masters)
            )
        };
        lines.push(("normally".to_owned(), outcome));
        if self.assumed && self.ties() {
            let note = "the highest interface address decides, which these files do not say; here the first router has it";
            lines.push(("equal priorities".to_owned(), note.to_owned()));
        }
        Some(masters)
    }

    /// Two routers can have the same priority while everything works.
    fn ties(&self) -> bool {
        let mut seen = Set::new();
        self.group.iter().enumerate().any(|(index, one)| {
            !seen.insert(effective(one.instance.params.priority, self.own_healthy(index)))
        })
    }

    /// Each router dies, or loses its link, and comes back.
    fn losses(&self, normal: &[usize], lines: &mut Vec<(String, String)>) {
        for index in 0..self.group.len() {
            let mut play = self.started(None);
            play.run_to_advert(index, self.settle);
            let at = play.now();
            play.kill(index);
            play.run(self.settle);
            let mut outcome = self.outcome(&play, at, normal);
            let then = masters(&play);
            let back = play.now();
            play.start(index, self.healthy(index));
            play.run(self.settle);
            let after = masters(&play);
            if normal.contains(&index) {
                outcome.push_str("; back again, ");
                if after == then {
                    outcome.push_str(&format!("{} stays BACKUP", self.name(index)));
                } else {
                    let since = play.masters(0).map(|(_, since)| since.since(back)).max();
                    let time = within(since.unwrap_or_default());
                    outcome.push_str(&format!("{} takes over {time}", self.names(&after)));
                }
            }
            lines.push((format!("{} dies{}", self.name(index), self.link(index)), outcome));
        }
        for index in normal {
            self.unwatched(*index, lines);
        }
    }

    /// The link of the adverts is as good as the router, if it is watched.
    fn link(&self, index: usize) -> String {
        let one = self.group.get(index).map(|one| one.instance);
        match one.and_then(|one| one.interface.as_ref().filter(|_| !one.dont_track_primary)) {
            Some(interface) => format!(", or loses {}", interface.name),
            None => String::new(),
        }
    }

    /// A master that does not watch its own link stays one without it.
    fn unwatched(&self, index: usize, lines: &mut Vec<(String, String)>) {
        let Some(one) = self.group.get(index).map(|one| one.instance) else {
            return;
        };
        let Some(interface) = one.interface.as_ref().filter(|_| one.dont_track_primary) else {
            return;
        };
        let mut play = self.started(None);
        play.cut_off(index);
        play.run(self.settle);
        let outcome = format!("{} are MASTER: dont_track_primary", self.names(&masters(&play)));
        lines.push((format!("{} loses {}", self.name(index), interface.name), outcome));
    }

    /// Each tracker of each normal master fails, and every other router's, if that changes something.
    fn trackers(&self, normal: &[usize], lines: &mut Vec<(String, String)>) {
        for (index, one) in self.group.iter().enumerate() {
            for tracked in tracked(one) {
                let mut play = self.started(None);
                let at = play.now();
                let failed = contributions(one, Some(&tracked.what));
                if tracked.is_fault() {
                    play.fault(index, 0, tracked.implied || !tracked.weight.reverse);
                } else {
                    let cast = self.cast.get(index).map_or(&[][..], Vec::as_slice);
                    for (position, one) in cast.iter().enumerate() {
                        play.weights(index, position, contributions(one, Some(&tracked.what)));
                    }
                }
                play.run(self.settle);
                let after = masters(&play);
                if after == normal && !normal.contains(&index) {
                    continue;
                }
                let mut outcome = noticed(&tracked);
                outcome.push_str(&self.outcome(&play, at, normal));
                if after == normal && !tracked.is_fault() {
                    let sunk = effective(one.instance.params.priority, failed);
                    let others = self.group.iter().enumerate().filter(|(other, _)| *other != index);
                    let best = others
                        .map(|(other, peer)| {
                            effective(peer.instance.params.priority, self.own_healthy(other))
                        })
                        .max()
                        .unwrap_or(0);
                    let why = if sunk >= best {
                        format!(": its priority is then {sunk}, and the best of the others {best}")
                    } else {
                        ": the others have nopreempt".to_owned()
                    };
                    outcome.push_str(&why);
                }
                lines.push((format!("{} on {}", tracked.what, self.name(index)), outcome));
            }
        }
    }

    /// Who is master now, against who was before.
    fn outcome(&self, play: &Rehearsal, at: Instant, normal: &[usize]) -> String {
        let after = masters(play);
        let new: Vec<usize> = after.iter().copied().filter(|index| !normal.contains(index)).collect();
        if after.is_empty() {
            return "nobody is MASTER".to_owned();
        }
        if new.is_empty() {
            return format!("{} stays MASTER", self.names(&after));
        }
        if after.len() > 1 {
            return format!("{} are MASTER at the same time", self.names(&after));
        }
        let since = play.masters(0).map(|(_, since)| since.since(at)).max().unwrap_or_default();
        format!("{} takes over {}", self.names(&new), within(since))
    }
}

fn masters(play: &Rehearsal) -> Vec<usize> {
    play.masters(0).map(|(index, _)| index).collect()
}

/// The virtual router, and those that a router moves together with it in a sync group, and so on.
fn tied<'a>(group: &'a [Member<'a>], all: &'a [Vec<Member<'a>>]) -> Vec<&'a [Member<'a>]> {
    let mut tied: Vec<&[Member<'_>]> = vec![group];
    let mut position = 0;
    while let Some(members) = tied.get(position).copied() {
        for other in all.iter().map(Vec::as_slice) {
            let moves = members.iter().any(|one| other.iter().any(|two| moves_with(one, two)));
            if moves && !tied.iter().any(|known| core::ptr::eq(*known, other)) {
                tied.push(other);
            }
        }
        position = position.saturating_add(1);
    }
    tied
}

/// Whether two instances are members of one sync group.
fn moves_with(one: &Member<'_>, two: &Member<'_>) -> bool {
    one.router == two.router
        && one.instance.sync_group.is_some()
        && one.instance.sync_group == two.instance.sync_group
}

fn player(group: &[Member<'_>], one: &Member<'_>, local: IpAddr) -> Player {
    let instance = one.instance;
    let addresses = instance.addresses.iter().map(|address| address.prefix.addr);
    let peers = instance.peers.iter().map(|peer| Peer {
        old_form: false,
        addr: peer.addr,
        min_ttl: peer.min_ttl,
        max_ttl: peer.max_ttl,
    });
    Player {
        params: Params::clone(&instance.params),
        local,
        group: instance.group,
        addresses: addresses.collect(),
        peers: peers.collect(),
        hop_limit: instance.unicast_ttl.unwrap_or(u8::MAX),
        signature: instance.hmac.as_deref().map(|hmac| signature(group, hmac)),
        virtual_router: 0,
        sync_group: instance.sync_group.map(GroupId::index),
    }
}

/// What a router signs with. A key that is in a file on some router counts as the same on all: the files are there.
fn signature(group: &[Member<'_>], hmac: &Hmac) -> Signature {
    let in_file = |id: u8| {
        let keys = group.iter().filter_map(|one| one.instance.hmac.as_deref()).flat_map(|hmac| &hmac.keys);
        keys.filter(|key| key.id == id).any(|key| matches!(key.secret, Secret::File(_)))
    };
    let key = |key: &HmacKey| {
        let octets = match &key.secret {
            Secret::Octets(octets) if !in_file(key.id) => octets.as_slice(),
            _ => &[key.id],
        };
        SigningKey::new(key.id, octets)
    };
    Signature::new(hmac.keys.iter().map(key).collect(), hmac.active, hmac.window, hmac.replay, hmac.mode)
}

/// The source address of each router, and whether one had to be made up: one that is not said is, with unicast, the
/// first that a peer names and nobody has; else one of the ranges for documentation, in the order of the routers.
fn locals(group: &[Member<'_>]) -> (Vec<IpAddr>, bool) {
    let mut taken: Set<IpAddr> = group.iter().filter_map(|one| one.instance.source).collect();
    let mut assumed = false;
    let mut locals = Vec::new();
    for (one, last) in group.iter().zip((1..=u8::MAX).rev()) {
        let own: Set<IpAddr> = one.instance.peers.iter().map(|peer| peer.addr).collect();
        let named = || {
            let others = group.iter().filter(|other| other.router != one.router);
            let mut peers = others.flat_map(|other| other.instance.peers.iter().map(|peer| peer.addr));
            peers.find(|addr| !taken.contains(addr) && !own.contains(addr))
        };
        let local = one.instance.source.or_else(named).unwrap_or_else(|| {
            assumed = true;
            match one.instance.params.family {
                Family::V4 => IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)),
                Family::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last))),
            }
        });
        taken.insert(local);
        locals.push(local);
    }
    (locals, assumed)
}
