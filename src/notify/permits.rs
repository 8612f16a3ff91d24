//! The scripts of a configuration, for the process that runs those of a child.

use super::command::Resolver;
use crate::config::model::instance::Notify;
use crate::config::model::{Model, Probe, ScriptCommand};
use crate::daemon::kind::Kind;
use crate::sys::spawner::Permits;

/// Whether a child of this kind has scripts to run.
#[must_use]
pub fn runs_scripts(model: &Model, kind: Kind) -> bool {
    any(model, kind, &mut |_| true)
}

/// Whether one of the scripts of a child of this kind is so.
#[must_use]
pub fn any(model: &Model, kind: Kind, is_so: &mut dyn FnMut(&ScriptCommand) -> bool) -> bool {
    let (mut found, mut last) = (false, None);
    each(model, kind, &mut |command| {
        // Thousands of instances often have the same one.
        if !found && last.replace(&command.argv) != Some(&command.argv) {
            found = is_so(command);
        }
    });
    found
}

/// The scripts that a child of this kind may have run. What cannot run was told when the configuration was read.
/// Allocates.
#[must_use]
pub fn permits(model: &Model, kind: Kind, umask: u32) -> Permits {
    let resolver = Resolver::new(&model.global);
    let mut permits = Permits::new(umask);
    each(model, kind, &mut |command| {
        if let Ok(ready) = resolver.resolve(command, "") {
            permits.add(&ready.words, ready.fixed, &ready.terms);
        }
    });
    permits.finish()
}

fn each<'a>(model: &'a Model, kind: Kind, take: &mut dyn FnMut(&'a ScriptCommand)) {
    let global = &model.global;
    let fifos = match kind {
        Kind::Vrrp => [&global.fifo, &global.vrrp_fifo],
        Kind::Checkers => [&global.fifo, &global.lvs_fifo],
        // Neither sessions nor what an SNMP manager asks for is told to a script.
        Kind::Bfd | Kind::Snmp => return,
    };
    fifos
        .into_iter()
        .filter(|fifo| fifo.path.is_some())
        .filter_map(|fifo| fifo.script.as_ref())
        .for_each(&mut *take);
    if kind == Kind::Checkers {
        return of_services(model, take);
    }
    model.scripts.iter().for_each(|script| take(&script.command));
    model.groups.iter().for_each(|group| of_notify(&group.notify, take));
    model.instances.iter().for_each(|instance| of_notify(&instance.notify, take));
}

fn of_notify<'a>(notify: &'a Notify, take: &mut dyn FnMut(&'a ScriptCommand)) {
    let Notify { master, backup, fault, stop, any, master_rx_lower_pri, deleted_script, deleted: _ } = notify;
    let all = [master, backup, fault, stop, any, master_rx_lower_pri, deleted_script];
    all.into_iter().flatten().for_each(take);
}

fn of_services<'a>(model: &'a Model, take: &mut dyn FnMut(&'a ScriptCommand)) {
    for service in model.virtual_servers() {
        [&service.quorum_up, &service.quorum_down].into_iter().flatten().for_each(&mut *take);
        for server in &service.servers {
            if let Some(rare) = &server.more {
                [&rare.notify_up, &rare.notify_down].into_iter().flatten().for_each(&mut *take);
            }
            for check in &server.checks {
                if let Probe::Misc(misc) = &check.probe {
                    take(&misc.command);
                }
            }
        }
    }
}
