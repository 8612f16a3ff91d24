//! What the global definitions name and only the machine knows: its own name, and the ids of users and groups.

use super::Owner;
use crate::config::model::{Global, Identity, ScriptCommand};
use crate::sys::{process, user};

/// What the section tells and only the machine knows. Learnt at load time: it reads files and allocates.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// The name of this host.
    pub host: String,
    /// As whom scripts run that name nobody.
    pub script_owner: Owner,
    /// The ids of everybody that the definitions name.
    pub people: Vec<(Identity, Owner)>,
}

impl Machine {
    /// Asks the machine.
    #[must_use]
    pub fn learn(global: &Global) -> Self {
        let fifos = [&global.fifo, &global.vrrp_fifo, &global.lvs_fifo];
        let mut people = Vec::new();
        let mut add = |identity: Option<&Identity>| {
            people.extend(identity.map(|identity| (identity.clone(), owner(identity))));
        };
        for command in [&global.scripts.startup, &global.scripts.shutdown] {
            add(identity(command));
        }
        for fifo in fifos {
            add(identity(&fifo.script));
            add(fifo.identity.as_ref());
        }
        Self {
            host: process::host_name(),
            script_owner: match &global.scripts.user {
                Some(identity) => owner(identity),
                None => user::user(DEFAULT_USER).ok().flatten().map_or_else(Owner::default, account),
            },
            people,
        }
    }

    pub(super) fn owner_of(&self, identity: Option<&Identity>) -> Owner {
        let Some(identity) = identity else {
            return self.script_owner;
        };
        let known = self.people.iter().find(|(known, _)| known == identity);
        known.map_or(self.script_owner, |(_, owner)| *owner)
    }
}

/// As whom a command is said to run.
fn identity(command: &Option<ScriptCommand>) -> Option<&Identity> {
    command.as_ref()?.identity.as_ref()
}

/// Who runs scripts if nobody is named and this user exists.
const DEFAULT_USER: &str = "keepalived_script";

const fn account(account: user::Account) -> Owner {
    Owner { uid: account.uid, gid: account.gid }
}

/// The ids of an identity; those of root for a user that does not exist, who runs nothing.
fn owner(identity: &Identity) -> Owner {
    let by_name = || user::user(&identity.user).ok().flatten().map(account);
    let by_number = || identity.user.parse().ok().map(|uid| Owner { uid, gid: uid });
    let mut owner = by_number().or_else(by_name).unwrap_or_default();
    if let Some(group) = &identity.group {
        let gid = group.parse().ok().or_else(|| user::group(group).ok().flatten());
        owner.gid = gid.unwrap_or(owner.gid);
    }
    owner
}
