//! Routes and rules of instances.

use crate::base::map::Map;

use super::{Input, Report};
use crate::config::diag::Mark;
use crate::config::model::{At, Instance, Route, Rule};

pub(super) fn twice(input: &Input<'_>, report: &mut Report<'_>) {
    let routes = |instance: &'_ Instance| {
        // What does not make it another route.
        let plain = |route: &Route| Route { no_track: false, track_group: None, ..route.clone() };
        instance.routes.iter().map(|route| (plain(route), route.at)).collect()
    };
    let rules = |instance: &'_ Instance| {
        let plain = |rule: &Rule| Rule { no_track: false, track_group: None, ..rule.clone() };
        instance.rules.iter().map(|rule| (plain(rule), rule.at)).collect()
    };
    tell(input, report, "route", routes, |route| {
        (route.family, route.destination, route.table, route.metric)
    });
    tell(input, report, "rule", rules, |rule| (rule.family, rule.preference, rule.from, rule.to));
}

/// Tells what is in an instance and in one before it; `key`: what two that are the same have in common for certain.
fn tell<T: PartialEq, K: Ord>(
    input: &Input<'_>,
    report: &mut Report<'_>,
    what: &str,
    of: impl Fn(&Instance) -> Vec<(T, At)>,
    key: impl Fn(&T) -> K,
) {
    let mut seen: Map<K, Vec<(T, &Instance)>> = Map::new();
    for instance in &input.model.instances {
        for (value, at) in of(instance) {
            seen.change(key(&value), |alike| match alike.iter().find(|(other, _)| *other == value) {
                None => alike.push((value, instance)),
                Some((_, first)) if core::ptr::eq(*first, instance) => {}
                Some((_, first)) => {
                    let message = format_args!(
                        "({}) this {what} is one of {}, too: it stays until the last MASTER of them steps down",
                        instance.name, first.name
                    );
                    report.tell(Mark::from(at.0), message);
                }
            });
        }
    }
}
