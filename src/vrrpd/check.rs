//! What only the kernel and the disk know about a configuration: do its interfaces, commands and users exist.

use std::collections::HashSet;

use super::build::Broken;
use crate::base::name::IfName;
use crate::config::diag::{Class, Diagnostic, Diagnostics, Severity};
use crate::config::model::{Model, Named, ScriptCommand};
use crate::notify::{Resolver, Unusable};
use crate::sys::netlink::command::Commands;

/// Looks up everything that the model names outside itself, and tells what is not there. Nothing is fatal: an
/// instance waits in FAULT for its interface, a script that cannot run is left out.
pub fn check(model: &Model, found: &mut Diagnostics) {
    check_interfaces(model, found);
    check_scripts(model, found);
}

fn check_interfaces(model: &Model, found: &mut Diagnostics) {
    let mut listed = Vec::new();
    // Without netlink there is nothing to compare with; the child will say why.
    let Ok(()) = Commands::open().and_then(|mut commands| commands.links(&mut listed)) else {
        return;
    };
    let there: HashSet<IfName> = listed.into_iter().map(|link| link.name).collect();
    for instance in &model.instances {
        let own = instance.interface.iter().map(|named| (named, "interface"));
        let tracked = instance
            .track_interfaces
            .iter()
            .map(|tracked| (&tracked.interface, "tracked interface"));
        let devices = instance
            .addresses
            .iter()
            .chain(&instance.excluded)
            .filter_map(|line| line.dev.as_ref());
        let missing = own
            .chain(tracked)
            .chain(devices.map(|named| (named, "address interface")))
            .filter(|(named, _)| !there.contains(&named.name));
        for (named, what) in missing {
            found.report(no_interface(named, what, &instance.name));
        }
    }
}

fn no_interface(named: &Named, what: &str, instance: &str) -> Diagnostic {
    let width = u16::try_from(named.name.as_str().len()).unwrap_or(1);
    let text = format!(
        "WARNING - {what} {} for vrrp_instance {instance} doesn't exist",
        named.name
    );
    let mark = crate::config::diag::Mark {
        at: named.at.0,
        width,
    };
    Diagnostic::new(Severity::Warning, mark, text)
        .class(Class::Ordinary)
        .remedy("check the name with `ip link`; the instance stays in FAULT until the interface appears")
}

fn check_scripts(model: &Model, found: &mut Diagnostics) {
    let resolver = Resolver::new(&model.global);
    if let Err(why) = resolver.check_user() {
        let text = format!(
            "Error setting global script uid/gid {}",
            super::build::unusable(&why)
        );
        found.warning(model.global.scripts.user_at.0, text);
    }
    let mut runnable = false;
    let mut broken = Vec::new();
    // keepalived's config test counts a missing track script, not a missing notify script.
    let mut absent = Vec::new();
    for script in &model.scripts {
        match resolver.resolve(&script.command, "") {
            Ok(_) => runnable = true,
            Err(why) => broken.push(Broken::track(script, &why)),
        }
    }
    for instance in &model.instances {
        for (_, command) in super::build::commands(&instance.notify) {
            let Some(command): Option<&ScriptCommand> = command else {
                continue;
            };
            match resolver.resolve(command, "") {
                Ok(_) => runnable = true,
                Err(why @ Unusable::Missing(_)) => absent.push(Broken::notify(&instance.name, command, &why)),
                Err(why) => broken.push(Broken::notify(&instance.name, command, &why)),
            }
        }
    }
    for one in broken {
        found.report(Diagnostic::new(Severity::Warning, one.at.0, one.text).class(Class::Ordinary));
    }
    for one in absent {
        found.note(one.at.0, one.text);
    }
    if runnable && !model.global.scripts.security {
        let text = "SECURITY VIOLATION - scripts are being executed but script_security not enabled.";
        let at = crate::config::tree::Position::default();
        found.report(
            Diagnostic::new(Severity::Warning, at, text)
                .class(Class::Security)
                .remedy("add enable_script_security to global_defs"),
        );
    }
}
