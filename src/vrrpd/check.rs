//! What only the kernel and the disk know about a configuration: do its interfaces, commands and users exist.

mod files;
mod links;

use crate::child::check::{Broken, Commands, Present, check_services, report_insecure, unusable};
use crate::config::diag::Diagnostics;
use crate::config::model::{Model, ScriptCommand};
use crate::notify::{Resolver, Unusable};

/// Looks up everything that the model names outside itself, and reports what is not there. Nothing is fatal: an
/// instance waits in FAULT for its interface, a script that cannot run is left out.
pub fn check(model: &Model, present: &mut Present, found: &mut Diagnostics) {
    links::check(model, present, found);
    files::check(model, found);
    check_scripts(model, found);
    super::firewall::iptables::check(model, found);
}

fn check_scripts(model: &Model, found: &mut Diagnostics) {
    let resolver = Resolver::new(&model.global);
    let mut ready = Commands::new(&resolver);
    if let Err(why) = resolver.check_user() {
        let text = format!("Error setting global script uid/gid {}", unusable(&why));
        found.warning(model.global.scripts.user_at.0, text);
    }
    let mut runnable = false;
    // keepalived's config test counts a track script that cannot run, whatever the reason; a notify script and a
    // script before or after the children only where nobody is there to run it, the latter also for a user
    // or group that does not exist.
    for script in &model.scripts {
        match ready.check(&script.command) {
            Ok(()) => runnable = true,
            Err(why) => ready.counted.push(Broken::track(script, &why)),
        }
    }
    let instances = model.instances.iter().map(|one| (&one.name, &*one.notify));
    let groups = model.groups.iter().map(|one| (&one.name, &one.notify));
    for (owner, notify) in instances.chain(groups) {
        for (_, command) in super::build::commands(notify) {
            let Some(command): Option<&ScriptCommand> = command else {
                continue;
            };
            match ready.check(command) {
                Ok(()) => runnable = true,
                Err(why @ Unusable::Nobody) => ready.counted.push(Broken::notify(owner, command, &why)),
                Err(why) => ready.told.push(Broken::notify(owner, command, &why)),
            }
        }
    }
    ready.told.extend(super::notifies::broken_fifos(model, &resolver));
    let global = &model.global;
    // keepalived counts one without a pipe, too.
    let readers = [&global.fifo, &global.vrrp_fifo].map(|fifo| fifo.script.as_ref());
    for command in readers.into_iter().flatten() {
        runnable |= ready.check(command).is_ok();
    }
    let mut around = false;
    for (word, command) in [("startup", &global.scripts.startup), ("shutdown", &global.scripts.shutdown)] {
        let Some(command) = command else { continue };
        match ready.check(command) {
            Ok(()) => around = true,
            Err(why @ (Unusable::Nobody | Unusable::User(_) | Unusable::Group(_))) => {
                ready.counted.push(Broken::around(word, command, &why));
            }
            Err(why) => ready.told.push(Broken::around(word, command, &why)),
        }
    }
    let checks = check_services(model, &mut ready);
    ready.tell(found);
    let kinds = [
        (around, "start/shutdown scripts are being"),
        (runnable, "scripts are being"),
        (checks, "check scripts are being"),
    ];
    report_insecure(&model.global, &kinds, found);
}
