//! The steps that sort out routes and rules: those that several holders name are one thing in the kernel, and those that
//! no holder of the new model wants go to one that wants the same, are replaced by another, or are deleted. There may be
//! thousands of them: each step does a slice of them at a time.

use std::vec;

use super::{Job, Progress};
use crate::base::id::InstanceId;
use crate::base::limit;
use crate::daemon::reactor::Turn;
use crate::sys::netlink::route::Route;
use crate::sys::netlink::rule::Rule;
use crate::vrrpd::items::{
    Alike, Candidates, Class, Going, Holder, Numbers, StaticAddress, Successors, Takeovers,
};
use crate::vrrpd::live::{Entry, LiveRoute};
use crate::vrrpd::run::Vrrp;

/// What these steps hand on to each other.
#[derive(Default)]
pub(super) struct Sorting {
    /// The routes and rules of the holders entered so far.
    alike: Alike,
    /// The numbers given so far.
    numbers: Numbers,
    /// Routes and rules that look like others and have no number yet.
    routes: vec::IntoIter<Candidates>,
    rules: vec::IntoIter<Candidates>,
    /// Routes and rules of former holders, and who may want them.
    left_routes: vec::IntoIter<Entry<LiveRoute>>,
    left_rules: vec::IntoIter<Entry<Rule>>,
    successors: Successors,
    /// The routes that go, until it is known which routes take their place.
    takeovers: Option<Takeovers>,
    /// The routes that are deleted before what comes.
    before: vec::IntoIter<Route>,
    /// What is deleted at the end of the reload.
    going_rules: vec::IntoIter<Rule>,
    going_routes: vec::IntoIter<Going>,
    going_addresses: vec::IntoIter<StaticAddress>,
}

impl Vrrp {
    /// The routes and rules of all holders are gathered by what they look like.
    pub(super) fn gather_alike(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(holders) = job.holders(self.routers.instances.len()) else {
            let sorting = &mut job.sorting;
            let alike = core::mem::take(&mut sorting.alike);
            (sorting.routes, sorting.rules) = alike.into_candidates();
            return Progress::Done;
        };
        for holder in holders {
            self.items.enter_alike(&mut self.routers.instances, holder, &mut job.sorting.alike);
        }
        Progress::More
    }

    /// Routes and rules that several holders name get a number in common.
    pub(super) fn number_alike(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let (items, instances) = (&mut self.items, &mut self.routers.instances);
        let Sorting { numbers, routes, rules, .. } = &mut job.sorting;
        for _ in 0..limit::INSTANCES_PER_SLICE {
            if let Some(places) = routes.next() {
                items.number(instances, Class::Route, &places, numbers);
            } else if let Some(places) = rules.next() {
                items.number(instances, Class::Rule, &places, numbers);
            } else {
                return Progress::Done;
            }
        }
        Progress::More
    }

    /// Finds who may want the routes and rules of former holders. Once all have been asked what they inherit.
    pub(super) fn find_successors(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        if job.at == 0 {
            let Some(left) = self.items.take_left() else { return Progress::Done };
            job.sorting.left_routes = left.routes.into_iter();
            job.sorting.left_rules = left.rules.into_iter();
        }
        let Some(holders) = job.holders(self.routers.instances.len()) else { return Progress::Done };
        for holder in holders {
            self.items.enter_successor(&mut self.routers.instances, holder, &mut job.sorting.successors);
        }
        Progress::More
    }

    /// The routes and rules of former holders go to those that want the same now.
    pub(super) fn settle_left(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let (instances, links) = (&mut self.routers.instances, &self.links.table);
        let Sorting { left_routes, left_rules, successors, .. } = &mut job.sorting;
        for _ in 0..limit::INSTANCES_PER_SLICE {
            if let Some(old) = left_routes.next() {
                self.items.settle_route(instances, successors, old);
            } else if let Some(old) = left_rules.next() {
                self.items.settle_rule(instances, links, successors, old);
            } else {
                *successors = Successors::default();
                self.commit_batch();
                return Progress::Done;
            }
        }
        Progress::More
    }

    /// Finds the routes to the same destinations as those that go. After all holders have been asked what they inherit.
    pub(super) fn find_rivals(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        if job.at == 0 {
            job.sorting.takeovers = self.items.begin_takeovers();
        }
        let holders = job.holders(self.routers.instances.len());
        let (Some(holders), Some(takeovers)) = (holders, &mut job.sorting.takeovers) else {
            return Progress::Done;
        };
        for holder in holders {
            self.items.enter_rival(&mut self.routers.instances, holder, takeovers);
        }
        Progress::More
    }

    /// Lets routes to the same destination take the place of those that go: no destination is without a way in between.
    pub(super) fn plan_takeovers(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let (instances, links) = (&mut self.routers.instances, &self.links.table);
        if let Some(takeovers) = job.sorting.takeovers.take() {
            job.sorting.before = self.items.plan_takeovers(instances, takeovers).into_iter();
        }
        for route in job.sorting.before.by_ref().take(limit::INSTANCES_PER_SLICE) {
            self.items.delete_route(instances, links, &route);
        }
        if job.sorting.before.len() > 0 {
            return Progress::More;
        }
        self.commit_batch();
        Progress::Done
    }

    /// Deletes the rules and routes that no holder wants any more, now that what takes their place is there.
    pub(super) fn drop_left_objects(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let (instances, links) = (&mut self.routers.instances, &self.links.table);
        let Sorting { going_rules, going_routes, going_addresses, .. } = &mut job.sorting;
        if job.at == 0 {
            job.at = 1;
            let (rules, routes, addresses) = self.items.take_abandoned();
            *going_rules = rules.into_iter();
            *going_routes = routes.into_iter();
            *going_addresses = addresses.into_iter();
        }
        for _ in 0..limit::INSTANCES_PER_SLICE {
            if let Some(rule) = going_rules.next() {
                self.items.delete_rule(instances, links, &rule);
            } else if let Some(route) = going_routes.next() {
                self.items.drop_route(instances, links, &route);
            } else {
                self.commit_batch();
                return Progress::Done;
            }
        }
        Progress::More
    }

    /// The same of static addresses.
    pub(super) fn drop_left_addresses(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let (instances, links) = (&mut self.routers.instances, &self.links.table);
        for known in job.sorting.going_addresses.by_ref().take(limit::INSTANCES_PER_SLICE) {
            self.items.delete_abandoned(instances, links, known);
        }
        if job.sorting.going_addresses.len() > 0 {
            return Progress::More;
        }
        self.commit_items(turn);
        self.add_what_fell();
        self.items.watch(turn, &self.routers.instances);
        self.settle(turn);
        job.sorting = Sorting::default();
        Progress::Done
    }
}

impl Job {
    /// The next slice of all holders, when there are so many instances; none when all have been walked.
    fn holders(&mut self, instances: usize) -> Option<impl Iterator<Item = Holder> + use<>> {
        let slice = self.slice(instances + 1, limit::INSTANCES_PER_SLICE)?;
        Some(slice.map(move |position| {
            if position < instances { Holder::Instance(InstanceId::at(position)) } else { Holder::Static }
        }))
    }
}
