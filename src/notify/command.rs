//! A configured command as something that can be run: its file found, its user known, its path judged.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::config::model::{self, ScriptCommand};
use crate::config::shell;
use crate::sys::identity::{Identity, Obstacle, Powers};
use crate::sys::path::{self, Insecure};
use crate::sys::script::{self, Refused, Terms, Words};
use crate::sys::user;

/// A command that can be run.
#[derive(Debug)]
pub struct Command {
    /// Its words; room for those that a transition appends.
    pub words: Words,
    /// Words that are configured.
    pub fixed: usize,
    /// As whom it runs, and what must not have been changed by others.
    pub terms: Terms,
    /// Its file belongs to, or can be changed by, somebody other than root, who would run it.
    pub insecure: Option<Insecure>,
    /// Its file does not say what interprets it: /bin/sh does.
    pub by_shell: bool,
    /// It runs with the daemon's supplementary groups, which cannot be given up.
    pub keeps_groups: bool,
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
    /// This process cannot have a script run as its user, and why.
    Identity(&'static str),
    /// With `enable_script_security` somebody must be named: neither `script_user` nor the user keepalived_script is there.
    Nobody,
    /// Others than root can change its file, a folder or a link on the way to it.
    Insecure(Insecure),
    /// Others than root can change a program that its shell line runs.
    InsecureProgram(String, Insecure),
    /// Its shell line does not let one see what it runs.
    Hidden(&'static str),
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
    /// What this process may change.
    pub powers: Powers,
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
            powers: Powers::at_start(),
        }
    }

    /// Makes a command ready. `name`: what a transition may append, to have room for it.
    ///
    /// # Errors
    /// [`Unusable`] says why it can never run.
    pub fn resolve(&self, command: &ScriptCommand, name: &str) -> Result<Command, Unusable> {
        let identity = self.identity(command)?;
        let obstacle = identity.as_ref().and_then(|identity| self.powers.obstacle(identity));
        if let Some(Obstacle::Refused(why)) = obstacle {
            return Err(Unusable::Identity(why));
        }
        let keeps_groups = obstacle == Some(Obstacle::Groups);
        let mut argv: Vec<CString> = Vec::with_capacity(command.argv.len().max(4));
        let found = if command.shell {
            let shell = self.shell(&command.raw)?;
            // The last word is the name of the shell itself: added arguments begin with $1.
            argv.extend([shell.file.clone(), c"-c".to_owned(), text(&shell::with_arguments(&command.raw))?]);
            argv.push(c"sh".to_owned());
            shell
        } else {
            let first = command.argv.first().ok_or_else(|| Unusable::Missing(command.raw.clone()))?;
            let found = self.find(first)?;
            argv.push(found.file.clone());
            argv.extend(command.argv.iter().skip(1).cloned());
            found
        };
        let as_root = identity.as_ref().is_none_or(|identity| identity.uid == 0);
        let by_shell = script::names_no_interpreter(&found.file);
        let mut guarded = vec![found.file];
        let judged = match path::judge(&found.written) {
            _ if !as_root => Ok(()),
            Some(why) => Err(Unusable::Insecure(why)),
            None if command.shell => self.judge_line(&command.raw, &mut guarded),
            None => Ok(()),
        };
        let insecure = match judged {
            Err(why) if self.security => return Err(why),
            Err(Unusable::Insecure(why) | Unusable::InsecureProgram(_, why)) => Some(why),
            Ok(()) | Err(_) => None,
        };
        if !as_root || !self.security {
            guarded.clear();
        }
        let octets = argv.iter().map(|word| word.as_bytes_with_nul().len()).sum::<usize>();
        let mut words = Words::with_capacity(argv.len() + 4, octets + name.len() + APPENDED);
        for word in &argv {
            words.push(word.to_bytes()).map_err(|Refused| Unusable::TooLong)?;
        }
        let terms = Terms { identity, guarded: guarded.into() };
        Ok(Command { words, fixed: argv.len(), terms, insecure, by_shell, keeps_groups })
    }

    /// A shell that knows what the line uses.
    fn shell(&self, line: &str) -> Result<Found, Unusable> {
        if shell::wants_bash(line)
            && let Ok(bash) = self.find(c"bash")
        {
            return Ok(bash);
        }
        self.find(c"/bin/sh")
    }

    /// Judges the programs of a shell line, and for those that the shell looks for itself the folders where it looks
    /// first. Adds what it is to be judged by again.
    fn judge_line(&self, text: &str, guarded: &mut Vec<CString>) -> Result<(), Unusable> {
        let line = shell::Line::read(text);
        for program in &line.programs {
            let paths: Vec<PathBuf> = if program.contains('/') {
                vec![PathBuf::from(program)]
            } else {
                let first = self.path.iter().position(|folder| path::executable(&folder.join(program)));
                let folders = self.path.iter().take(first.map_or(0, |first| first + 1)).cloned();
                folders.chain(first.and_then(|first| Some(self.path.get(first)?.join(program)))).collect()
            };
            if paths.is_empty() {
                return Err(Unusable::Missing(program.clone()));
            }
            for path in paths {
                let path = CString::new(path.into_os_string().as_bytes())
                    .map_err(|_| Unusable::Missing(program.clone()))?;
                if let Some(why) = path::judge(&path) {
                    return Err(Unusable::InsecureProgram(program.clone(), why));
                }
                if !guarded.contains(&path) {
                    guarded.push(path);
                }
            }
        }
        line.hidden.map_or(Ok(()), |what| Err(Unusable::Hidden(what)))
    }

    fn find(&self, name: &CStr) -> Result<Found, Unusable> {
        let name = name.to_bytes();
        let missing = || Unusable::Missing(String::from_utf8_lossy(name).into_owned());
        let as_path = PathBuf::from(OsStr::from_bytes(name));
        let candidates: Vec<PathBuf> = if name.contains(&b'/') {
            vec![as_path]
        } else {
            self.path.iter().map(|folder| folder.join(&as_path)).collect()
        };
        let found = candidates.into_iter().find(|file| path::executable(file)).ok_or_else(missing)?;
        // What it stands for must not depend on where this process is.
        let written = std::path::absolute(found).map_err(|_| missing())?;
        let file = if self.keep_links { written.clone() } else { path::in_real_folder(written.clone()) };
        let text = |path: PathBuf| CString::new(path.into_os_string().as_bytes()).map_err(|_| missing());
        Ok(Found { written: text(written)?, file: text(file)? })
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

/// The file of a command.
struct Found {
    /// Its path as written, or where it was looked for.
    written: CString,
    /// The path that is run.
    file: CString,
}

fn text(line: &str) -> Result<CString, Unusable> {
    CString::new(line).map_err(|_| Unusable::Missing(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{At, Written};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    fn command(line: &str) -> ScriptCommand {
        let words = line.split_whitespace();
        ScriptCommand {
            argv: words.map(|word| CString::new(word).unwrap()).collect(),
            raw: line.to_owned(),
            identity: None,
            shell: shell::is_line(line),
            at: At::default(),
            written: Written::default(),
        }
    }

    fn resolver(security: bool) -> Resolver {
        let root = model::Identity { user: "root".to_owned(), group: None, supplementary: false };
        let mut global = model::Global::default();
        global.scripts.user = Some(root);
        global.scripts.security = security;
        Resolver { path: vec!["/usr/bin".into(), "/bin".into()], ..Resolver::new(&global) }
    }

    fn words(command: &Command) -> Vec<String> {
        command.words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    #[test]
    fn with_script_security_nothing_runs_that_others_can_change() {
        let folder = std::env::temp_dir().join(format!("ka-command-{}", std::process::id()));
        for name in ["bob", "root"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
            let file = folder.join(name).join("check");
            std::fs::write(&file, "#!/bin/sh\n").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
            symlink("/usr/bin/true", folder.join(name).join("link")).unwrap();
        }
        chown(folder.join("bob"), Some(65_534), None).unwrap();
        symlink("/usr/bin", folder.join("bob/dir")).unwrap();
        let (secure, lax) = (resolver(true), resolver(false));
        let line = |text: &str| text.replace('@', folder.to_str().unwrap());
        let mut wrong = Vec::new();
        for (text, refused) in [
            ("@/root/check", false),
            ("@/root/link", false),
            ("@/bob/check", true),
            ("@/bob/link", true),
            ("@/bob/dir/true", true),
            ("@/root/../bob/link", true),
            ("@/root/check && exit 0 || exit 1", false),
            ("@/bob/check && exit 0 || exit 1", true),
            ("true && @/bob/link", true),
            ("true; @/root/link >/dev/null 2>&1", false),
            ("@/root/check $(@/bob/check) ;", true),
            ("PATH=@/bob check", true),
            ("bob/check ;", true),
        ] {
            let command = command(&line(text));
            let found = secure.resolve(&command, "");
            if found.is_err() != refused {
                wrong.push(format!("{text}: {found:?}"));
            }
            assert!(lax.resolve(&command, "").is_ok(), "{text}");
        }
        // Of a link that is secure now the file is looked at again when it runs; the same for a line.
        let path = |name: &str| CString::new(line(name)).unwrap();
        let found = secure.resolve(&command(&line("@/root/link")), "").unwrap();
        let guarded = found.terms.guarded.to_vec();
        let found = secure.resolve(&command(&line("@/root/check || true")), "").unwrap();
        let of_line = found.terms.guarded.to_vec();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(guarded, [path("@/root/link")]);
        assert!(of_line.contains(&path("@/root/check")) && of_line.len() == 2, "{of_line:?}");
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn without_a_shell_only_the_file_of_the_command_is_judged() {
        // The arguments are handed over as they are: nothing in them is run.
        for text in ["/usr/bin/true $(/tmp/any)", "/usr/bin/true `any`", "/usr/bin/true {"] {
            assert!(!command(text).shell, "{text}");
            let found = resolver(true).resolve(&command(text), "").unwrap();
            assert_eq!((found.insecure, found.terms.guarded.len()), (None, 1), "{text}");
            let expected: Vec<_> = text.split_whitespace().skip(1).collect();
            assert_eq!(words(&found)[1..], expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_its_reason() {
        let missing = resolver(false).resolve(&command("/nowhere/check a"), "").unwrap_err();
        assert_eq!(missing, Unusable::Missing("/nowhere/check".to_owned()));
        let named = |user: &str, group: Option<&str>| {
            let mut resolver = resolver(false);
            let group = group.map(str::to_owned);
            resolver.user = Some(model::Identity { user: user.to_owned(), group, supplementary: false });
            (resolver.check_user(), resolver.resolve(&command("true"), "").map(|_| ()))
        };
        let no_user = Err(Unusable::User("no such user".to_owned()));
        assert_eq!(named("no such user", None), (no_user.clone(), no_user));
        let no_group = Err(Unusable::Group("no such group".to_owned()));
        assert_eq!(named("root", Some("no such group")), (no_group.clone(), no_group));
        assert_eq!(named("root", Some("root")), (Ok(()), Ok(())));
    }

    #[test]
    fn a_command_runs_as_the_user_and_group_that_it_names() {
        let mut bobs = command("true");
        bobs.identity = Some(model::Identity {
            user: "65534".to_owned(),
            group: Some("1234".to_owned()),
            supplementary: false,
        });
        let identity = resolver(false).resolve(&bobs, "").unwrap().terms.identity.unwrap();
        assert_eq!((identity.uid, identity.gid, identity.groups), (65_534, 1_234, vec![1_234]));
        let root = resolver(false).resolve(&command("true"), "").unwrap().terms.identity.unwrap();
        assert_eq!((root.uid, root.gid), (0, 0), "else as script_user");
    }

    #[test]
    fn a_command_without_a_slash_is_found_in_the_path_and_there_is_room_for_what_a_transition_appends() {
        let name = "x".repeat(300);
        let mut found = resolver(false).resolve(&command("true a b"), &name).unwrap();
        assert!(words(&found)[0].ends_with("bin/true"), "{:?}", words(&found));
        assert_eq!((&words(&found)[1..], found.fixed), (&["a".to_owned(), "b".to_owned()][..], 3));
        for word in ["INSTANCE", &name, "MASTER", "255"] {
            found.words.push(word.as_bytes()).unwrap();
        }
    }

    #[test]
    fn as_another_user_it_is_that_users_business() {
        let mut bobs = command("/home/bob/check && exit 0");
        bobs.identity = Some(model::Identity { user: "65534".to_owned(), group: None, supplementary: false });
        let found = resolver(true).resolve(&bobs, "").unwrap();
        assert!(found.terms.guarded.is_empty() && found.insecure.is_none());
    }

    #[test]
    fn a_shell_line_passes_added_arguments_on() {
        let found = resolver(false).resolve(&command("/bin/true a;"), "VI_1").unwrap();
        let shell = words(&found)[0].clone();
        assert_eq!(words(&found), [shell.as_str(), "-c", "/bin/true a \"$@\";", "sh"]);
        let bash = resolver(false).resolve(&command("</dev/tcp/127.0.0.1/80"), "").unwrap();
        assert!(words(&bash)[0].ends_with("/bash"), "{:?}", words(&bash));
    }
}
