//! What the checks of a config test are told about this machine: its interfaces, and the files of commands.

use std::collections::BTreeMap;

use crate::base::id::IfIndex;
use crate::config::Model;
use crate::config::lint::{self, Facts, Link, Program};
use crate::config::model::ScriptCommand;
use crate::notify::Resolver;
use crate::notify::command::Unusable;
use crate::sys::netlink::command::Commands;
use crate::sys::path::Insecure;

/// Looks at everything that a check may ask for. What cannot be found out stays unknown.
#[must_use]
pub fn facts(model: &Model) -> Facts {
    Facts { links: links(), programs: programs(model) }
}

fn links() -> Option<BTreeMap<String, Link>> {
    let mut commands = Commands::open().ok()?;
    let mut listed = Vec::new();
    commands.links(&mut listed).ok()?;
    let mut addresses = Vec::new();
    // Without them no address is judged.
    let _ = commands.addresses(&mut addresses);
    let mut by_index: BTreeMap<IfIndex, Vec<_>> = BTreeMap::new();
    for address in addresses {
        by_index.entry(address.interface).or_default().push(address.prefix);
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

fn programs(model: &Model) -> BTreeMap<String, Program> {
    let resolver = Resolver::new(&model.global);
    let mut known = BTreeMap::new();
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
        Err(Unusable::Insecure(why)) => Some(why),
        Err(Unusable::Missing(_)) => return Some(Program::Missing),
        Err(Unusable::User(_) | Unusable::Group(_) | Unusable::TooLong) => return None,
    };
    Some(match insecure {
        None => Program::Fine,
        Some(Insecure::Owner) => Program::Foreign,
        Some(Insecure::Writable) => Program::Writable,
    })
}
