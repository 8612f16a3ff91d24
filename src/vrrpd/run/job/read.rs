//! The first steps: the snapshot of the parent becomes a model, and the model what is to run.

use std::sync::Arc;

use super::{Job, Progress};
use crate::base::limit;
use crate::child::check::Broken;
use crate::child::reading::Step;
use crate::config::model::Model;
use crate::daemon::reactor::Turn;
use crate::notify::Resolver;
use crate::vrrpd::build;
use crate::vrrpd::items::StaticItems;
use crate::vrrpd::live::{Group, Instance, TrackScript};
use crate::vrrpd::own::plan::Plan;
use crate::vrrpd::report;
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::run::status::Moment;

/// What was made of the new model, until it is in force.
#[derive(Default)]
pub(super) struct Fresh {
    pub(super) model: Arc<Model>,
    resolver: Option<Resolver>,
    broken: Vec<Broken>,
    pub(super) scripts: Vec<TrackScript>,
    pub(super) plan: Plan,
    pub(super) instances: Vec<Instance>,
    pub(super) groups: Vec<Group>,
    pub(super) statics: StaticItems,
}

impl Vrrp {
    /// The text arrives whole, or not at all.
    pub(super) fn receive_text(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(reading) = &mut job.reading else { return Progress::Failed };
        if !reading.is_whole() {
            return match reading.advance(&self.model) {
                Step::More => Progress::More,
                Step::Model(_) | Step::Failed => Progress::Failed,
            };
        }
        report::reloading();
        self.process.tuner.suspend(turn);
        job.saving = self.begin_saving(Moment::Before);
        Progress::Done
    }

    /// The data dump of the moment before the reload is kept, where the configuration asks for that.
    pub(super) fn save(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(saving) = &mut job.saving else { return Progress::Done };
        if self.save_more(turn, saving) {
            return Progress::More;
        }
        job.saving = None;
        Progress::Done
    }

    /// The text is read in slices: nothing of what runs is touched yet.
    pub(super) fn read_model(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(reading) = &mut job.reading else { return Progress::Failed };
        match reading.advance(&self.model) {
            Step::More => Progress::More,
            Step::Failed => Progress::Failed,
            Step::Model(model) => {
                self.routers.shortest_interval = crate::vrrpd::run::shortest_interval(&model);
                job.fresh.model = Arc::new(*model);
                Progress::Done
            }
        }
    }

    /// Status files under way are written to their end: they name instances by the numbers of before.
    pub(super) fn finish_reports(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        self.write_status(turn);
        if self.writes_status() {
            return Progress::More;
        }
        self.status.load(&job.fresh.model);
        self.settle(turn);
        Progress::Done
    }

    pub(super) fn make_scripts(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let fresh = &mut job.fresh;
        let resolver = fresh.resolver.insert(Resolver::new(&fresh.model.global));
        fresh.scripts = build::scripts(&fresh.model, turn.now(), resolver, &mut fresh.broken);
        Progress::Done
    }

    pub(super) fn plan_interfaces(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let (links, commands) = (&mut self.links.table, &mut self.items.commands);
        job.fresh.plan = self.owns.plan(&job.fresh.model, links, commands);
        job.fresh.instances.reserve_exact(job.fresh.model.instances.len());
        Progress::Done
    }

    pub(super) fn make_instances(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(slice) = job.slice(job.fresh.model.instances.len(), limit::INSTANCES_PER_SLICE) else {
            return Progress::Done;
        };
        let Fresh { model, resolver: Some(resolver), broken, scripts, plan, instances, .. } = &mut job.fresh
        else {
            return Progress::Failed;
        };
        let links = &mut self.links.table;
        instances.extend(build::instances(model, slice, links, scripts, resolver, broken, plan));
        Progress::More
    }

    pub(super) fn make_groups(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let fresh = &mut job.fresh;
        if let Some(resolver) = &fresh.resolver {
            fresh.groups = build::groups(&fresh.model, resolver, &mut fresh.broken);
        }
        Progress::Done
    }

    pub(super) fn make_static_items(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let fresh = &mut job.fresh;
        fresh.broken.iter().for_each(|broken| report::cannot_run(&broken.text));
        fresh.statics = StaticItems::new(&fresh.model, &mut self.links.table);
        Progress::Done
    }
}
