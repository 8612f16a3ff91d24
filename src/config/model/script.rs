//! Commands, their identities, and `vrrp_script`.

use std::ffi::CString;

use super::{At, Written};
use crate::proto::track::ScriptParams;

/// A command to run. Whether its file exists and who its user is, is found out later.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScriptCommand {
    /// The program and its arguments; at least one word, the first one not empty.
    pub argv: Vec<CString>,
    /// The command as one text with its inner quotes: what a shell is given.
    pub raw: String,
    /// Who runs it; none: `script_user`, else the user keepalived_script, else the daemon's.
    pub identity: Option<Identity>,
    /// Must be run by `/bin/sh -c <raw>`: it holds a shell operator as a word of its own.
    pub shell: bool,
    /// Where the command stands.
    pub at: At,
    /// Command and identity as written.
    pub written: Written,
}

/// Who runs a command, as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Name or number of a user.
    pub user: String,
    /// Name or number of a group; none: the user's.
    pub group: Option<String>,
    /// A `:` stood before the group, or alone: the user's supplementary groups are set, too.
    pub supplementary: bool,
}

/// A `vrrp_script` that can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub at: At,
    /// What is run.
    pub command: ScriptCommand,
    /// How it is run and judged.
    pub params: ScriptParams,
}
