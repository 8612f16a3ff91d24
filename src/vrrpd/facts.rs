//! What the checks of a config test are told about this machine: its interfaces, and the files of commands.

use crate::base::addr::IpAddr;
use crate::base::id::IfIndex;
use crate::base::map::{Map, Set};
use crate::child::check::Present;
use crate::config::Model;
use crate::config::lint::{self, Facts, Link, Program};
use crate::config::model::ScriptCommand;
use crate::daemon::cli::PASSING;
use crate::notify::Resolver;
use crate::notify::command::Unusable;
use crate::sys::path::Insecure;
use crate::sys::same_program;
use crate::vrrpd::live::PROTOCOL;

/// Looks at everything that a check may ask for. What cannot be found out stays unknown.
#[must_use]
pub fn facts(model: &Model, present: Present) -> Facts {
    let mut addresses = Set::new();
    let links = links(present, &mut addresses);
    Facts { links, addresses, programs: programs(model) }
}

/// The links that were asked for; all of them if one is missing, because a check then tells which there are. `own`: what
/// addresses nobody moves.
fn links(present: Present, own: &mut Set<IpAddr>) -> Option<Map<String, Link>> {
    let (listed, mut commands) = present.into_links()?;
    let mut addresses = Vec::new();
    // Without them no address is judged.
    if let Some(commands) = &mut commands {
        let _ = commands.addresses(&mut addresses);
    }
    let mut by_index: Map<IfIndex, Vec<_>> = Map::new();
    // Some kernels do not keep who has put an address there, and older versions do not say: where none is marked, those
    // of a daemon that runs cannot be told from others.
    let marked = addresses.iter().any(|address| address.protocol == PROTOCOL);
    if marked || same_program::find(super::PROGRAM, same_program::Family::Own, &PASSING).is_none() {
        let unmarked = addresses.iter().filter(|address| address.protocol != PROTOCOL);
        own.extend(unmarked.map(|address| address.prefix.addr));
    }
    for address in addresses {
        by_index.change(address.interface, |prefixes| prefixes.push(address.prefix));
    }
    let links = listed.into_iter().map(|link| {
        let known = Link {
            multicast: link.flags.multicast(),
            addresses: by_index.remove(&link.index).unwrap_or_default(),
        };
        (link.name.as_str().to_owned(), known)
    });
    Some(links.collect())
}

fn programs(model: &Model) -> Map<String, Program> {
    let resolver = Resolver::new(&model.global);
    let mut known = Map::new();
    for command in lint::commands(model) {
        if !known.contains_key(&command.raw)
            && let Some(program) = program(&resolver, command)
        {
            known.insert(command.raw.clone(), program);
        }
    }
    known
}

/// None: nothing can be said, because its user is not known or it is too long.
fn program(resolver: &Resolver, command: &ScriptCommand) -> Option<Program> {
    let insecure = match resolver.resolve(command, "") {
        Ok(found) => found.insecure,
        Err(Unusable::Insecure(why) | Unusable::InsecureProgram(_, why)) => Some(why),
        Err(Unusable::Missing(_)) => return Some(Program::Missing),
        Err(
            Unusable::User(_)
            | Unusable::Group(_)
            | Unusable::Nobody
            | Unusable::Identity(_)
            | Unusable::TooLong
            | Unusable::Hidden(_),
        ) => return None,
    };
    Some(match insecure {
        None => Program::Fine,
        Some(Insecure::Owner) => Program::Foreign,
        Some(Insecure::Writable | Insecure::Relative) => Program::Writable,
    })
}
