//! Can the commands that a configuration names be run, and by whom?

use crate::base::map::Set;
use crate::config::diag::{Class, Diagnostic, Diagnostics, Severity};
use crate::config::model::{At, Global, ScriptCommand};
use crate::config::tree::Position;
use crate::notify::{Resolver, Unusable};

/// A command that cannot run, and its place in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Where the command stands.
    pub at: At,
    /// The message, in keepalived's words where it has some.
    pub text: String,
}

/// Makes commands ready as a child would, and gathers what is to be reported of them.
pub struct Commands<'a> {
    resolver: &'a Resolver,
    /// Files that have a note already.
    noted: Set<Vec<u8>>,
    groups_noted: bool,
    notes: Vec<Diagnostic>,
    /// Commands that keepalived's config test counts as mistakes.
    pub counted: Vec<Broken>,
    /// Those that are only noted.
    pub told: Vec<Broken>,
}

impl<'a> Commands<'a> {
    /// No command has been looked up yet.
    #[must_use]
    pub const fn new(resolver: &'a Resolver) -> Self {
        Self {
            resolver,
            noted: Set::new(),
            groups_noted: false,
            notes: Vec::new(),
            counted: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Whether a command can run; notes what is odd about the command if it can.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check(&mut self, command: &ScriptCommand) -> Result<(), Unusable> {
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

    /// Reports everything that was gathered.
    pub fn tell(self, found: &mut Diagnostics) {
        self.notes.into_iter().for_each(|note| found.report(note));
        for one in self.counted {
            found.report(Diagnostic::new(Severity::Warning, one.at.0, one.text).class(Class::Ordinary));
        }
        for one in self.told {
            found.note(one.at.0, one.text);
        }
    }
}

/// Reports which commands run although nobody checks whether their files are safe: for each kind of them whether there is
/// one, and what runs.
pub fn report_insecure(global: &Global, kinds: &[(bool, &str)], found: &mut Diagnostics) {
    if global.scripts.security {
        return;
    }
    for (_, what) in kinds.iter().filter(|(there, _)| *there) {
        let text = format!("SECURITY VIOLATION - {what} executed but script_security not enabled.");
        found.report(
            Diagnostic::new(Severity::Warning, Position::default(), text)
                .class(Class::Security)
                .remedy("add enable_script_security to global_defs"),
        );
    }
}

/// Why a command cannot run, in keepalived's words where it has some.
#[must_use]
pub fn unusable(why: &Unusable) -> String {
    match why {
        Unusable::Missing(file) => format!("since not found/accessible ({file})"),
        Unusable::User(user) => format!("since user {user} does not exist"),
        Unusable::Group(group) => format!("since group {group} does not exist"),
        Unusable::Identity(why) => format!("since keepalived cannot run it as its user: {why}"),
        Unusable::Nobody => {
            "since script security is on, and neither script_user nor the user keepalived_script \
                             says who may run it"
                .to_owned()
        }
        Unusable::Insecure(_) => "due to insecure".to_owned(),
        Unusable::InsecureProgram(program, _) => format!("due to insecure ({program})"),
        Unusable::Hidden(what) => format!(
            "since script security is on, and its shell line hides what it runs ({what}): put it into a script"
        ),
        Unusable::TooLong => "since it is too long".to_owned(),
    }
}
