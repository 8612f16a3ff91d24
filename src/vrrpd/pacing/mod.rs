//! How far apart announcements leave: `vrrp_garp_interval`, `vrrp_gna_interval` and `garp_group`.
//!
//! It is a switch that cannot take many of them at once, so the spacing is that of a [`Lane`]: a physical interface with
//! the macvlans on it, or several interfaces that a `garp_group` puts together. Gratuitous ARPs and neighbour
//! advertisements each have their own clock in it.

mod waiting;

pub use waiting::Waiting;

use crate::base::addr::Family;
use crate::base::id::LinkId;
use crate::base::map::Map;
use crate::base::time::{Instant, Span};
use crate::child::links::Links;
use crate::config::model::Model;

/// Interfaces that are spaced together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane(u32);

/// The clocks of a lane: first that of IPv4, then that of IPv6.
#[derive(Clone, Copy, Debug)]
struct Clocks {
    spacing: [Span; 2],
    /// When the next announcement may leave for which no place is taken yet.
    free: [Instant; 2],
    /// Places that are taken and not used yet.
    taken: [u32; 2],
}

/// All lanes. Without any spacing in the configuration there is none.
#[derive(Debug, Default)]
pub struct Pacing {
    lanes: Vec<Clocks>,
    /// The lane of each interface, by its id.
    of_link: Vec<Option<Lane>>,
}

const fn clock(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

impl Pacing {
    /// What a model asks for. `base_of`: the interface that one of our own lies on. For load time: allocates.
    pub fn new(model: &Model, links: &Links, base_of: impl Fn(LinkId) -> Option<LinkId>) -> Self {
        let vrrp = &model.global.vrrp;
        let everywhere = [vrrp.garp_interval, vrrp.gna_interval];
        let groups = &model.network.garp_groups;
        if groups.is_empty() && everywhere == [Span::ZERO; 2] {
            return Self::default();
        }
        let mut pacing = Self::default();
        let mut known: Map<LinkId, Lane> = Map::new();
        for group in groups {
            // What a group does not say is not taken from global_defs: its interfaces have left that.
            let spacing = [group.garp.unwrap_or_default(), group.gna.unwrap_or_default()];
            let lane = pacing.add(spacing);
            known.extend(group.interfaces.iter().filter_map(|named| Some((links.find(&named.name)?, lane))));
        }
        for link in links.ids() {
            let physical = base_of(link).unwrap_or(link);
            // A group may name one of our own, too.
            let lane = known.get(&link).or_else(|| known.get(&physical)).copied();
            let lane = lane.unwrap_or_else(|| {
                let lane = pacing.add(everywhere);
                known.insert(physical, lane);
                lane
            });
            pacing.of_link.push(Some(lane));
        }
        pacing
    }

    fn add(&mut self, spacing: [Span; 2]) -> Lane {
        let lane = Lane(u32::try_from(self.lanes.len()).unwrap_or(u32::MAX));
        self.lanes.push(Clocks { spacing, free: [Instant::START; 2], taken: [0; 2] });
        lane
    }

    /// After a reload: an interface waits for what left it before.
    pub fn inherit(&mut self, before: &Self) {
        for (lane, old) in self.of_link.iter().zip(&before.of_link) {
            let old = old.and_then(|old| before.lanes.get(old.0 as usize));
            let lane = lane.and_then(|lane| self.lanes.get_mut(lane.0 as usize));
            if let (Some(lane), Some(old)) = (lane, old) {
                for (free, old) in lane.free.iter_mut().zip(old.free) {
                    *free = old.max(*free);
                }
            }
        }
    }

    /// The lane of an interface, if announcements of a family are spaced on it.
    #[must_use]
    pub fn lane(&self, link: LinkId, family: Family) -> Option<Lane> {
        let lane = self.of_link.get(link.index()).copied().flatten()?;
        let spacing = self.lanes.get(lane.0 as usize)?.spacing.get(clock(family))?;
        (!spacing.is_zero()).then_some(lane)
    }

    /// When the next announcement of each family may leave an interface, if they are spaced there and one has left.
    pub fn next(&self, link: LinkId) -> [Option<Instant>; 2] {
        let lane = self.of_link.get(link.index()).copied().flatten();
        let free = lane.and_then(|lane| Some(self.lanes.get(lane.0 as usize)?.free));
        free.map_or([None; 2], |free| free.map(|at| (at != Instant::START).then_some(at)))
    }

    /// Takes the next place in a lane if it is now; whether it was.
    pub fn take_if_free(&mut self, lane: Lane, family: Family, now: Instant) -> bool {
        let free = self.lanes.get(lane.0 as usize).and_then(|clocks| clocks.free.get(clock(family)));
        let now_free = free.is_none_or(|free| *free <= now);
        if now_free {
            self.take(lane, family, now);
        }
        now_free
    }

    /// A place that was taken for later has been used.
    pub fn used(&mut self, lane: Lane, family: Family) {
        if let Some(taken) =
            self.lanes.get_mut(lane.0 as usize).and_then(|clocks| clocks.taken.get_mut(clock(family)))
        {
            *taken = taken.saturating_sub(1);
        }
    }

    /// A place is not wanted any more: if it is the last one, the next announcement gets it, and once no place is taken
    /// the next announcement leaves as soon as the spacing allows.
    pub fn give_back(&mut self, lane: Lane, family: Family, place: Instant, now: Instant) {
        self.used(lane, family);
        let Some(clocks) = self.lanes.get_mut(lane.0 as usize) else { return };
        let at = clock(family);
        let (Some(free), Some(spacing), Some(taken)) =
            (clocks.free.get_mut(at), clocks.spacing.get(at), clocks.taken.get(at))
        else {
            return;
        };
        if place + *spacing == *free {
            *free = place.max(now);
        }
        if *taken == 0 {
            // What left last, left a moment ago at the latest.
            *free = (*free).min(now + *spacing);
        }
    }

    /// Takes a place for later: when that is.
    pub fn reserve(&mut self, lane: Lane, family: Family, now: Instant) -> Instant {
        self.keep(lane, family);
        self.take(lane, family, now)
    }

    /// A place was taken for later before a reload.
    pub fn keep(&mut self, lane: Lane, family: Family) {
        if let Some(taken) =
            self.lanes.get_mut(lane.0 as usize).and_then(|clocks| clocks.taken.get_mut(clock(family)))
        {
            *taken = taken.saturating_add(1);
        }
    }

    /// Takes the next place in a lane: when that is.
    pub fn take(&mut self, lane: Lane, family: Family, now: Instant) -> Instant {
        let Some(clocks) = self.lanes.get_mut(lane.0 as usize) else {
            return now;
        };
        let at = clock(family);
        let (Some(free), Some(spacing)) = (clocks.free.get_mut(at), clocks.spacing.get(at)) else {
            return now;
        };
        let place = now.max(*free);
        *free = place + *spacing;
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::IfName;
    use crate::config::model::network::GarpGroup;
    use crate::config::tree::Position;

    const NOW: Instant = Instant::from_micros(1_000_000);

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    /// eth0 to eth3, and a macvlan on eth1.
    fn links() -> (Links, Vec<LinkId>) {
        let mut links = Links::default();
        let ids = ["eth0", "eth1", "eth2", "eth3", "vrrp.51"].map(|text| links.named(&name(text)));
        (links, ids.to_vec())
    }

    fn group(garp: Option<u64>, gna: Option<u64>, interfaces: &[&str]) -> GarpGroup {
        let at = crate::config::model::At(Position::default());
        let named = |text: &&str| crate::config::model::Named { name: name(text), at };
        GarpGroup {
            at,
            garp: garp.map(Span::from_millis),
            gna: gna.map(Span::from_millis),
            interfaces: interfaces.iter().map(named).collect(),
        }
    }

    fn pacing(model: &Model) -> (Pacing, Vec<LinkId>) {
        let (links, ids) = links();
        let (base, own) = (ids[1], ids[4]);
        (Pacing::new(model, &links, |link| (link == own).then_some(base)), ids)
    }

    fn take(pacing: &mut Pacing, link: LinkId, family: Family, now: Instant) -> Span {
        let lane = pacing.lane(link, family).unwrap();
        pacing.take(lane, family, now).since(now)
    }

    #[test]
    fn nothing_is_spaced_unless_asked_for() {
        let (pacing, ids) = pacing(&Model::default());
        assert!(ids.iter().all(|id| pacing.lane(*id, Family::V4).is_none()));
    }

    #[test]
    fn each_physical_interface_has_its_own_clocks_and_shares_them_with_its_macvlans() {
        let mut model = Model::default();
        model.global.vrrp.garp_interval = Span::from_millis(10);
        model.global.vrrp.gna_interval = Span::from_millis(30);
        let (mut pacing, ids) = pacing(&model);
        let mut at = |link: usize, family| take(&mut pacing, ids[link], family, NOW).as_millis();
        assert_eq!([at(0, Family::V4), at(0, Family::V4), at(0, Family::V6)], [0, 10, 0]);
        assert_eq!([at(1, Family::V4), at(4, Family::V4), at(1, Family::V4)], [0, 10, 20]);
        assert_eq!([at(4, Family::V6), at(1, Family::V6)], [0, 30]);
        let later = NOW + Span::from_secs(1);
        assert_eq!(take(&mut pacing, ids[0], Family::V4, later), Span::ZERO, "a pause is not caught up");
    }

    #[test]
    fn a_group_shares_one_budget_and_leaves_the_global_one() {
        let mut model = Model::default();
        model.global.vrrp.garp_interval = Span::from_millis(10);
        model.global.vrrp.gna_interval = Span::from_millis(30);
        model.network.garp_groups =
            vec![group(Some(50), None, &["eth1", "eth2"]), group(None, Some(5), &["eth3", "nowhere"])];
        let (mut pacing, ids) = pacing(&model);
        assert!(pacing.lane(ids[1], Family::V6).is_none() && pacing.lane(ids[3], Family::V4).is_none());
        let mut at = |link: usize, family| take(&mut pacing, ids[link], family, NOW).as_millis();
        assert_eq!([at(1, Family::V4), at(2, Family::V4), at(4, Family::V4)], [0, 50, 100]);
        assert_eq!([at(0, Family::V4), at(0, Family::V4)], [0, 10]);
        assert_eq!([at(3, Family::V6), at(3, Family::V6)], [0, 5]);
    }

    #[test]
    fn a_reload_does_not_forget_what_left_already() {
        let mut model = Model::default();
        model.global.vrrp.garp_interval = Span::from_millis(10);
        let (mut before, ids) = pacing(&model);
        take(&mut before, ids[0], Family::V4, NOW);
        let (mut after, _) = pacing(&model);
        after.inherit(&before);
        assert_eq!(take(&mut after, ids[0], Family::V4, NOW), Span::from_millis(10));
        assert_eq!(take(&mut after, ids[3], Family::V4, NOW), Span::ZERO);
    }
}
