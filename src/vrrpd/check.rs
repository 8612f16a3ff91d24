//! What only the kernel and the disk know about a configuration: do its interfaces, commands and users exist.

mod files;
mod links;
mod present;

pub use present::{Interfaces, Present};

use super::build::Broken;
use crate::base::map::Set;
use crate::config::diag::{Class, Diagnostic, Diagnostics, Severity};
use crate::config::model::{Model, Probe, ScriptCommand};
use crate::notify::{Resolver, Unusable};
use crate::sys::resolve;

/// Looks up everything that the model names outside itself, and tells what is not there. Nothing is fatal: an
/// instance waits in FAULT for its interface, a script that cannot run is left out.
pub fn check(model: &Model, present: &mut Present, found: &mut Diagnostics) {
    links::check(model, present, found);
    files::check(model, found);
    check_scripts(model, found);
    super::firewall::iptables::check(model, found);
}

/// What takes time to find out, for a config test: has the mail relay an address. A daemon looks it up when it has
/// mail.
pub fn check_names(model: &Model, found: &mut Diagnostics) {
    if let Some((host, port)) = &model.global.mail.server
        && !resolve::exists(host, *port)
    {
        let at = crate::config::tree::Position::default();
        let message = format!("Invalid smtp server {host} {port}");
        let finding = Diagnostic::new(Severity::Warning, at, message).class(Class::Ordinary);
        found.report(finding.remedy("give its address, or see to it that its name can be looked up"));
    }
}

/// Makes commands ready as a child would, and gathers what is to be said of those that can run.
struct Ready<'a> {
    resolver: &'a Resolver,
    /// Files that something was said of.
    noted: Set<Vec<u8>>,
    groups_noted: bool,
    notes: Vec<Diagnostic>,
}

impl Ready<'_> {
    fn check(&mut self, command: &ScriptCommand) -> Result<(), Unusable> {
        let ready = self.resolver.resolve(command, "")?;
        let file = ready.words.iter().next().unwrap_or_default();
        if ready.by_shell && self.noted.insert(file.to_vec()) {
            let file = String::from_utf8_lossy(file);
            let message = format!("script {file} does not begin with #! and is run by /bin/sh");
            let note = Diagnostic::new(Severity::Note, command.at.0, message);
            self.notes.push(note.remedy("keepalived would not run it: write #!/bin/sh into its first line"));
        }
        if ready.keeps_groups && !core::mem::replace(&mut self.groups_noted, true) {
            let message = "scripts keep the supplementary groups of keepalived, which lacks CAP_SETGID";
            self.notes.push(Diagnostic::new(Severity::Note, command.at.0, message));
        }
        Ok(())
    }
}

fn check_scripts(model: &Model, found: &mut Diagnostics) {
    let resolver = Resolver::new(&model.global);
    let mut ready = Ready { resolver: &resolver, noted: Set::new(), groups_noted: false, notes: Vec::new() };
    if let Err(why) = resolver.check_user() {
        let text = format!("Error setting global script uid/gid {}", super::build::unusable(&why));
        found.warning(model.global.scripts.user_at.0, text);
    }
    let mut runnable = false;
    let mut broken = Vec::new();
    // keepalived's config test counts a track script that cannot run, whatever the reason; a notify script and a
    // script before or after the children only where nobody is there to run it, the latter also for a user
    // or group that does not exist.
    let mut absent = Vec::new();
    for script in &model.scripts {
        match ready.check(&script.command) {
            Ok(()) => runnable = true,
            Err(why) => broken.push(Broken::track(script, &why)),
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
                Err(why @ Unusable::Nobody) => broken.push(Broken::notify(owner, command, &why)),
                Err(why) => absent.push(Broken::notify(owner, command, &why)),
            }
        }
    }
    absent.extend(super::notifies::broken_fifos(model, &resolver));
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
                broken.push(Broken::around(word, command, &why));
            }
            Err(why) => absent.push(Broken::around(word, command, &why)),
        }
    }
    let checks = runnable_services(model, &mut ready, &mut broken, &mut absent);
    ready.notes.into_iter().for_each(|note| found.report(note));
    for one in broken {
        found.report(Diagnostic::new(Severity::Warning, one.at.0, one.text).class(Class::Ordinary));
    }
    for one in absent {
        found.note(one.at.0, one.text);
    }
    if model.global.scripts.security {
        return;
    }
    // Nothing checks yet in this version: the second line must not say that something does.
    let found_out = [
        (around, "start/shutdown scripts are being"),
        (runnable, "scripts are being"),
        (checks, "check scripts would be"),
    ];
    for (there, what) in found_out {
        if there {
            let text = format!("SECURITY VIOLATION - {what} executed but script_security not enabled.");
            let at = crate::config::tree::Position::default();
            found.report(
                Diagnostic::new(Severity::Warning, at, text)
                    .class(Class::Security)
                    .remedy("add enable_script_security to global_defs"),
            );
        }
    }
}

/// Looks up the commands of virtual servers; says whether one of them can run. keepalived's config test counts
/// a program of `MISC_CHECK` whose user does not exist, nothing else.
fn runnable_services(
    model: &Model,
    ready: &mut Ready<'_>,
    broken: &mut Vec<Broken>,
    absent: &mut Vec<Broken>,
) -> bool {
    let mut runnable = false;
    let mut notify = |command: &ScriptCommand, what: &str| match ready.check(command) {
        Ok(()) => runnable = true,
        Err(why) => absent.push(Broken::of_service(command, what, &why)),
    };
    for service in &model.services {
        for command in [&service.quorum_up, &service.quorum_down].into_iter().flatten() {
            notify(command, "quorum script");
        }
        for rare in service.servers.iter().filter_map(|server| server.more.as_deref()) {
            for command in [&rare.notify_up, &rare.notify_down].into_iter().flatten() {
                notify(command, "notify script");
            }
        }
    }
    let checks = model.services.iter().flat_map(|service| &service.servers).flat_map(|server| &server.checks);
    for check in checks {
        let Probe::Misc(misc) = &check.probe else { continue };
        match ready.check(&misc.command) {
            Ok(()) => runnable = true,
            Err(why) => {
                let one = Broken::of_service(&misc.command, "misc script", &why);
                match why {
                    Unusable::User(_) | Unusable::Group(_) => broken.push(one),
                    _ => absent.push(one),
                }
            }
        }
    }
    runnable
}
