//! The invariants, and the bounds that they hold within.
//!
//! With n routers on the link, D the longest way through it, L the longest time from a deadline to the process
//! waking up, I the longest interval that any router uses or remembers, m the most missed adverts that anybody
//! waits for, and skew at most I (version 3) or 1 s (version 2):
//!
//! * `down` = m I + skew: no timer of a BACKUP is ever armed with more.
//! * `manned` = down + (n + 1) D + L after the last trouble every side has a MASTER at any time. The adverts of a
//!   MASTER that has gone arrive for D more; each may make a MASTER yield, whose last advert restarts timers D
//!   later, at most n times in a row, since who yields is no MASTER any more. After that a timer is restarted only
//!   by a MASTER that is there, and it gives its place up only to one that outranks it.
//! * `rivals` = I + (n + 1) D + L after the last trouble of two routers they are not both MASTER: the one of higher
//!   rank sends within I + L, the other one hears it D later. A new MASTER sends at once, and is answered.
//! * `settled` = manned + rivals, and with a preempt_delay P of any router P + 2 I + down more: from then on nothing
//!   changes. Until `manned` everybody who outranks the MASTER has taken over or waits for his delay; when that is
//!   over, the next advert (I) arms the skew time, or the timer runs down that the last one armed.
//!
//! "Trouble" is whatever the schedule does: a crash, a start and the end of the delay it begins with, a pause and its
//! end, a reload, a weight, a link that goes or comes, a partition or its end; and loss as long as it lasts.

use crate::host::Host;
use crate::link::{HOSTS, Link};
use keepalived::base::addr::IpAddr;
use keepalived::base::time::{Instant, Span};
use keepalived::proto::vrrp::{State, Version, Why};

/// What went against an invariant.
pub(crate) type Violation = String;

/// An advert as the referee reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Its sender.
    pub(crate) from: IpAddr,
    /// Its priority.
    pub(crate) priority: u8,
    /// Its interval.
    pub(crate) interval: Span,
}

/// The referee's own idea of one router.
#[derive(Clone, Debug, Default)]
struct Player {
    /// Its last trouble.
    troubled: Instant,
    /// The end of the delay that it begins with.
    held: Instant,
    /// As BACKUP: not MASTER by timeout before this, because of an advert that it respects.
    floor: Option<Instant>,
    /// As BACKUP: the MASTER whose advert that was.
    followed: Option<IpAddr>,
    /// As BACKUP: since when it hears a MASTER that it may preempt after a delay.
    preempt_from: Option<Instant>,
    last_sent: Option<Instant>,
    /// Adverts sent at that one point in time, and troubles then.
    at_once: u32,
    /// The first advert since the network settled, and how many came after it.
    steady: Option<(Instant, u64)>,
}

/// Watches a network.
#[derive(Clone, Debug)]
pub(crate) struct Referee {
    delay: Span,
    lateness: Span,
    players: Vec<Player>,
    /// The last trouble of the link itself; now, while it is not calm.
    link_troubled: Instant,
    calm: bool,
    /// Intervals that were in use or were heard, and when last.
    history: Vec<(Span, Instant)>,
    /// Since when two routers can hear each other and are both MASTER.
    rivals: [[Option<Instant>; HOSTS]; HOSTS],
    /// The MASTER that must not change, if the schedule leaves it alone.
    pub(crate) anointed: Option<usize>,
}

impl Referee {
    /// A referee for so many routers.
    pub(crate) fn new(hosts: usize, delay: Span, lateness: Span) -> Self {
        Self {
            delay,
            lateness,
            players: vec![Player::default(); hosts],
            link_troubled: Instant::START,
            calm: true,
            history: Vec::new(),
            rivals: [[None; HOSTS]; HOSTS],
            anointed: None,
        }
    }

    /// The schedule did something to a router.
    pub(crate) fn trouble(&mut self, now: Instant, who: usize) {
        let player = &mut self.players[who];
        player.troubled = now;
        player.steady = None;
    }

    /// A router begins with a delay.
    pub(crate) fn hold(&mut self, until: Instant, who: usize) {
        self.players[who].held = until;
    }

    /// The schedule did something to the link.
    pub(crate) fn trouble_link(&mut self, now: Instant, link: &Link) {
        self.link_troubled = now;
        self.calm = link.is_calm();
        for player in &mut self.players {
            player.steady = None;
        }
    }

    /// A process begins.
    pub(crate) fn born(&mut self, who: usize) {
        let player = &mut self.players[who];
        (player.floor, player.followed, player.preempt_from) = (None, None, None);
    }

    /// A process got new parameters that touch whether and when it preempts.
    pub(crate) fn new_rules(&mut self, who: usize) {
        self.born(who);
    }

    /// A router is about to act upon an advert, or has been told about one by the drain of its queue.
    pub(crate) fn heard(&mut self, now: Instant, who: usize, host: &Host, before: State, reading: Reading) {
        self.in_use(now, reading.interval);
        let player = &mut self.players[who];
        let floor = Some(now + reading.interval * u64::from(host.params.down_timer_adverts));
        match before {
            State::Backup if reading.priority == 0 => {
                (player.floor, player.followed, player.preempt_from) = (None, None, None);
            }
            State::Backup if reading.priority >= host.priority() || !host.params.preempt => {
                (player.floor, player.followed, player.preempt_from) = (floor, Some(reading.from), None);
            }
            State::Backup => {
                let from = *player.preempt_from.get_or_insert(now);
                if now < from + host.params.preempt_delay {
                    (player.floor, player.followed) = (floor, Some(reading.from));
                } else if player.followed == Some(reading.from) {
                    (player.floor, player.followed) = (None, None);
                }
            }
            // It was late, and the one that took over says goodbye.
            State::Master if reading.priority == 0 => {}
            State::Master if host.state() == Some(State::Backup) => {
                (player.floor, player.followed, player.preempt_from) = (floor, Some(reading.from), None);
            }
            State::Master | State::Init | State::Fault => {}
        }
    }

    /// A router sent an advert.
    pub(crate) fn sent(
        &mut self,
        now: Instant,
        who: usize,
        hosts: &[Host],
        priority: u8,
        depth: u32,
    ) -> Result<(), Violation> {
        // Ranks only rise along a chain of answers, and each router yields at most once in it.
        let longest = 2 * u32::try_from(hosts.len()).unwrap_or(u32::MAX) + 1;
        if depth > longest {
            return Err(format!("{depth} adverts in a row, each the answer to the one before"));
        }
        let settled = self.settled(hosts);
        let (lateness, interval) = (self.lateness, hosts[who].params.advert_interval);
        let player = &mut self.players[who];
        player.at_once = match player.last_sent {
            Some(last) if last == now => player.at_once + 1,
            _ => 1,
        };
        player.last_sent = Some(now);
        // Two: the pair of priority 0 on the way to FAULT, or an answer and the last advert of a MASTER that yields.
        // Trouble at the same time adds its own.
        if player.at_once > if player.troubled == now { 4 } else { 2 } {
            return Err(format!("router {who} sent {} adverts at once", player.at_once));
        }
        if !self.calm || now <= settled {
            player.steady = None;
            return Ok(());
        }
        if !hosts[who].is_master() || priority != hosts[who].priority() {
            return Err(format!("router {who} sent priority {priority} into a settled network"));
        }
        let (first, count) = player.steady.map_or((now, 0), |(first, count)| (first, count + 1));
        player.steady = Some((first, count));
        let (due, wanted) = (now.since(first), interval * count);
        if due + lateness < wanted || wanted + lateness < due {
            return Err(format!(
                "router {who}: {count} intervals of {interval} after its first advert it should be {wanted}, not {due}"
            ));
        }
        Ok(())
    }

    /// The state of a router changed.
    pub(crate) fn transition(
        &mut self,
        now: Instant,
        who: usize,
        hosts: &[Host],
        to: State,
        why: Why,
    ) -> Result<(), Violation> {
        let floor = self.players[who].floor;
        if why == Why::Timeout
            && let Some(floor) = floor
            && now < floor
        {
            return Err(format!(
                "router {who} took over from a MASTER that it respects and heard; {floor} is the soonest"
            ));
        }
        if to != State::Backup || why != Why::Outranked {
            self.born(who);
        }
        if self.calm && now > self.settled(hosts) {
            return Err(format!("router {who} became {to:?} ({why:?}) in a settled network"));
        }
        if to == State::Master && self.anointed.is_some_and(|master| master != who) {
            return Err(format!("router {who} took over although nothing happened to the MASTER"));
        }
        Ok(())
    }

    /// The invariants that hold at any time.
    pub(crate) fn check(&mut self, now: Instant, hosts: &[Host], link: &Link) -> Result<(), Violation> {
        for (who, host) in hosts.iter().enumerate() {
            self.check_alone(now, who, host)?;
        }
        self.check_rivals(now, hosts, link)?;
        self.check_sides(now, hosts, link)
    }

    /// From when on nothing may change any more, if there is no further trouble.
    pub(crate) fn settled(&self, hosts: &[Host]) -> Instant {
        let interval = self.longest_interval(hosts);
        let delay = hosts
            .iter()
            .filter(|host| host.process.is_some())
            .map(|host| host.params.preempt_delay)
            .max()
            .unwrap_or(Span::ZERO);
        let after = if delay.is_zero() { Span::ZERO } else { delay + interval * 2 + self.down(hosts) };
        self.last_trouble() + self.manned(hosts) + self.rival_span(hosts) + after
    }

    /// The longest interval that any router uses or remembers.
    pub(crate) fn longest_interval(&self, hosts: &[Host]) -> Span {
        let waits = Self::waits(hosts);
        let trouble = self.last_trouble();
        let remembered = self
            .history
            .iter()
            .filter(|(interval, last)| *last + *interval * (waits + 2) >= trouble)
            .map(|(interval, _)| *interval);
        hosts
            .iter()
            .filter(|host| host.process.is_some())
            .map(|host| host.params.advert_interval)
            .chain(remembered)
            .max()
            .unwrap_or(Span::ZERO)
    }

    fn check_alone(&mut self, now: Instant, who: usize, host: &Host) -> Result<(), Violation> {
        let Some(router) = host.router() else {
            return Ok(());
        };
        self.in_use(now, host.params.advert_interval);
        let state = router.state();
        if host.held != (state == State::Master) {
            return Err(format!("router {who} is {state:?}, addresses present: {}", host.held));
        }
        // An address owner whose start is held off waits for the end of that.
        let held = state == State::Init && router.poll_at().is_some_and(|end| end <= self.players[who].held);
        if router.poll_at().is_some() != matches!(state, State::Backup | State::Master) && !held {
            return Err(format!("router {who} is {state:?} and waits for {:?}", router.poll_at()));
        }
        if !host.paused && (state == State::Fault) == host.link_up {
            return Err(format!("router {who} is {state:?}, its link is up: {}", host.link_up));
        }
        let priority = host.expected_priority();
        if !host.paused && host.priority() != priority {
            return Err(format!("router {who} has priority {} instead of {priority}", host.priority()));
        }
        if router.announce_at().is_some() && state != State::Master {
            return Err(format!("router {who} announces addresses as {state:?}"));
        }
        Ok(())
    }

    fn check_rivals(&mut self, now: Instant, hosts: &[Host], link: &Link) -> Result<(), Violation> {
        for (a, one) in hosts.iter().enumerate() {
            for (b, other) in hosts.iter().enumerate().skip(a + 1) {
                let both = self.calm && one.is_master() && other.is_master() && link.side[a] == link.side[b];
                let since = &mut self.rivals[a][b];
                if !both {
                    *since = None;
                    continue;
                }
                let since = (*since.get_or_insert(now))
                    .max(self.players[a].troubled)
                    .max(self.players[b].troubled)
                    .max(self.link_troubled);
                if now > since + self.rival_span(hosts) {
                    return Err(format!("routers {a} and {b} are both MASTER since {since}"));
                }
            }
        }
        Ok(())
    }

    fn check_sides(&mut self, now: Instant, hosts: &[Host], link: &Link) -> Result<(), Violation> {
        if !self.calm || now <= self.last_trouble() + self.manned(hosts) {
            return Ok(());
        }
        let settled = now > self.settled(hosts);
        for side in link.side {
            let members = || {
                hosts
                    .iter()
                    .enumerate()
                    .filter(move |(who, host)| link.side[*who] == side && host.takes_part())
            };
            let mut masters = members().filter(|(_, host)| host.is_master());
            let Some((master, host)) = masters.next() else {
                if let Some((who, _)) = members().next() {
                    return Err(format!("nobody is MASTER on the side of router {who}"));
                }
                continue;
            };
            if !settled {
                continue;
            }
            if let Some((other, _)) = masters.next() {
                return Err(format!("routers {master} and {other} are both MASTER in a settled network"));
            }
            if let Some((who, _)) =
                members().find(|(_, x)| x.params.preempt && x.priority() > host.priority())
            {
                return Err(format!("router {who} has a higher priority than the MASTER {master}"));
            }
            let silent = self.players[master].last_sent.map(|last| now.since(last));
            if silent.is_none_or(|silent| silent > host.params.advert_interval + self.lateness) {
                return Err(format!("the MASTER {master} is silent"));
            }
        }
        Ok(())
    }

    fn down(&self, hosts: &[Host]) -> Span {
        let interval = self.longest_interval(hosts);
        let skew = match hosts.first().map(|host| host.params.version) {
            Some(Version::V2) => Span::from_secs(1),
            Some(Version::V3) | None => interval,
        };
        interval * Self::waits(hosts) + skew
    }

    fn manned(&self, hosts: &[Host]) -> Span {
        self.down(hosts) + self.ways(hosts) + self.lateness
    }

    fn rival_span(&self, hosts: &[Host]) -> Span {
        self.longest_interval(hosts) + self.ways(hosts) + self.lateness
    }

    fn ways(&self, hosts: &[Host]) -> Span {
        self.delay * (u64::try_from(hosts.len()).unwrap_or(u64::MAX) + 1)
    }

    fn waits(hosts: &[Host]) -> u64 {
        let waits = hosts.iter().map(|host| host.params.down_timer_adverts).max();
        waits.map_or(0, u64::from)
    }

    fn last_trouble(&self) -> Instant {
        let players = self.players.iter().map(|player| player.troubled.max(player.held));
        players.fold(self.link_troubled, Instant::max)
    }

    fn in_use(&mut self, now: Instant, interval: Span) {
        match self.history.iter_mut().find(|(known, _)| *known == interval) {
            Some((_, last)) => *last = now,
            None => self.history.push((interval, now)),
        }
    }
}
