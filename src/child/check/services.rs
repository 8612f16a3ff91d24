//! Can the commands of virtual servers be run?

use super::{Broken, Commands, unusable};
use crate::config::model::{Model, Probe, ScriptCommand};
use crate::notify::Unusable;

/// Looks up the commands of virtual servers; says whether one of them can run. keepalived's config test counts
/// a program of `MISC_CHECK` whose user does not exist, nothing else.
#[must_use]
pub fn check_services(model: &Model, ready: &mut Commands<'_>) -> bool {
    let mut runnable = false;
    let mut notify = |command: &ScriptCommand, what: &str| match ready.check(command) {
        Ok(()) => runnable = true,
        Err(why) => ready.told.push(broken(command, what, &why)),
    };
    for service in model.virtual_servers() {
        for command in [&service.quorum_up, &service.quorum_down].into_iter().flatten() {
            notify(command, "quorum script");
        }
        for rare in service.servers.iter().filter_map(|server| server.more.as_deref()) {
            for command in [&rare.notify_up, &rare.notify_down].into_iter().flatten() {
                notify(command, "notify script");
            }
        }
    }
    let checks =
        model.virtual_servers().iter().flat_map(|service| &service.servers).flat_map(|server| &server.checks);
    for check in checks {
        let Probe::Misc(misc) = &check.probe else { continue };
        match ready.check(&misc.command) {
            Ok(()) => runnable = true,
            Err(why) => {
                let one = broken(&misc.command, "misc script", &why);
                match why {
                    Unusable::User(_) | Unusable::Group(_) => ready.counted.push(one),
                    _ => ready.told.push(one),
                }
            }
        }
    }
    runnable
}

/// A command of a virtual server that cannot run.
fn broken(command: &ScriptCommand, what: &str, why: &Unusable) -> Broken {
    Broken { at: command.at, text: format!("{what} {} could not be run {}", command.raw, unusable(why)) }
}
