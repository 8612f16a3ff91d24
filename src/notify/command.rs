//! A configured command as something that can be run: its file found, its user known, its path judged.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::config::model::{self, ScriptCommand};
use crate::sys::path::{self, Insecure};
use crate::sys::script::{Identity, Refused, Words};
use crate::sys::user;

/// A command that can be run.
#[derive(Debug)]
pub struct Command {
    /// Its words; room for those that a transition appends.
    pub words: Words,
    /// Words that are configured.
    pub fixed: usize,
    /// As whom it runs; none: as the daemon.
    pub identity: Option<Identity>,
    /// Its file belongs to, or can be changed by, somebody other than root, who would run it.
    pub insecure: Option<Insecure>,
}

/// Why a command cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// There is no such file, or it cannot be executed.
    Missing(String),
    /// There is no such user.
    User(String),
    /// There is no such group.
    Group(String),
    /// With `enable_script_security` somebody must be named: neither `script_user` nor the user keepalived_script is there.
    Nobody,
    /// Its path goes through a symbolic link or a folder that others can change.
    Insecure(Insecure),
    /// It is longer than a process can be told.
    TooLong,
}

/// Finds files and users for commands, by the settings of `global_defs`.
#[derive(Clone, Debug)]
pub struct Resolver {
    /// `script_user`.
    pub user: Option<model::Identity>,
    /// `enable_script_security`.
    pub security: bool,
    /// `set_supplementary_groups`.
    pub supplementary: bool,
    /// `use_symlink_paths`: a folder that is a link may come to stand for another one later.
    pub keep_links: bool,
    /// Where commands without a slash are looked for.
    pub path: Vec<PathBuf>,
}

/// The user that scripts run as if nobody is named and it exists.
const DEFAULT_USER: &str = "keepalived_script";

/// Octets that the words appended by a transition can need besides the name.
const APPENDED: usize = 64;

impl Resolver {
    /// A resolver with the settings of a configuration and the daemon's own PATH.
    #[must_use]
    pub fn new(global: &model::Global) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
        Self {
            user: global.scripts.user.clone(),
            security: global.scripts.security,
            supplementary: global.scripts.supplementary_groups,
            keep_links: global.scripts.use_symlink_paths,
            path: std::env::split_paths(&path).collect(),
        }
    }

    /// Makes a command ready. `name`: what a transition may append, to have room for it.
    ///
    /// # Errors
    /// [`Unusable`] says why it can never run.
    pub fn resolve(&self, command: &ScriptCommand, name: &str) -> Result<Command, Unusable> {
        let identity = self.identity(command)?;
        let mut argv: Vec<CString> = Vec::with_capacity(command.argv.len());
        let file = if command.shell {
            let shell = self.shell(&command.raw)?;
            argv.extend([shell.clone(), c"-c".to_owned(), text(&command.raw)?]);
            shell
        } else {
            let first = command.argv.first().ok_or_else(|| Unusable::Missing(command.raw.clone()))?;
            let file = self.find(first)?;
            argv.push(file.clone());
            argv.extend(command.argv.iter().skip(1).cloned());
            file
        };
        let insecure = path::judge(OsStr::from_bytes(file.to_bytes()));
        let as_root = identity.as_ref().is_none_or(|identity| identity.uid == 0);
        if let Some(why) = insecure
            && as_root
            && self.security
        {
            return Err(Unusable::Insecure(why));
        }
        let octets = argv.iter().map(|word| word.as_bytes_with_nul().len()).sum::<usize>();
        let mut words = Words::with_capacity(argv.len() + 4, octets + name.len() + APPENDED);
        for word in &argv {
            words.push(word.to_bytes()).map_err(|Refused| Unusable::TooLong)?;
        }
        Ok(Command { words, fixed: argv.len(), identity, insecure: insecure.filter(|_| as_root) })
    }

    /// A shell that knows what the line uses: `[[` is no part of POSIX, bash and busybox have it.
    fn shell(&self, line: &str) -> Result<CString, Unusable> {
        if line.split_whitespace().any(|word| word == "[[")
            && let Ok(bash) = self.find(c"bash")
        {
            return Ok(bash);
        }
        self.find(c"/bin/sh")
    }

    fn find(&self, name: &CStr) -> Result<CString, Unusable> {
        let name = name.to_bytes();
        let missing = || Unusable::Missing(String::from_utf8_lossy(name).into_owned());
        let as_path = PathBuf::from(OsStr::from_bytes(name));
        let candidates: Vec<PathBuf> = if name.contains(&b'/') {
            vec![as_path]
        } else {
            self.path.iter().map(|folder| folder.join(&as_path)).collect()
        };
        let mut found = candidates.into_iter().find(|file| path::executable(file)).ok_or_else(missing)?;
        if !self.keep_links {
            found = path::in_real_folder(found);
        }
        CString::new(found.into_os_string().as_bytes()).map_err(|_| missing())
    }

    /// Whether the user and group of `script_user` exist.
    ///
    /// # Errors
    /// [`Unusable::User`] or [`Unusable::Group`].
    pub fn check_user(&self) -> Result<(), Unusable> {
        match &self.user {
            Some(named) => self.look_up(named).map(drop),
            None => Ok(()),
        }
    }

    fn identity(&self, command: &ScriptCommand) -> Result<Option<Identity>, Unusable> {
        let Some(named) = command.identity.as_ref().or(self.user.as_ref()) else {
            let Ok(Some(account)) = user::user(DEFAULT_USER) else {
                return if self.security { Err(Unusable::Nobody) } else { Ok(None) };
            };
            return Ok(Some(Identity { uid: account.uid, gid: account.gid, groups: vec![account.gid] }));
        };
        self.look_up(named).map(Some)
    }

    /// The user and the groups of a name.
    ///
    /// # Errors
    /// [`Unusable::User`] or [`Unusable::Group`].
    pub fn look_up(&self, named: &model::Identity) -> Result<Identity, Unusable> {
        let unknown = || Unusable::User(named.user.clone());
        let account = match named.user.parse::<u32>() {
            Ok(uid) => user::Account { uid, gid: uid },
            Err(_) => user::user(&named.user).ok().flatten().ok_or_else(unknown)?,
        };
        let gid = match &named.group {
            None => account.gid,
            Some(group) => match group.parse() {
                Ok(gid) => gid,
                Err(_) => user::group(group).ok().flatten().ok_or_else(|| Unusable::Group(group.clone()))?,
            },
        };
        let groups = if named.supplementary || self.supplementary {
            user::groups_of(&named.user, gid).unwrap_or_else(|_| vec![gid])
        } else {
            vec![gid]
        };
        Ok(Identity { uid: account.uid, gid, groups })
    }
}

fn text(line: &str) -> Result<CString, Unusable> {
    CString::new(line).map_err(|_| Unusable::Missing(line.to_owned()))
}
