//! Do the interfaces that a configuration names exist?

use super::Present;
use crate::base::map::Set;
use crate::base::name::IfName;
use crate::config::diag::{Class, Diagnostic, Diagnostics, Mark, Severity};
use crate::config::model::Named;

/// The interfaces of this machine, and where findings go.
pub struct Check<'f> {
    /// What is known of the interfaces.
    pub present: &'f mut Present,
    /// Those that the child makes itself.
    pub made: Set<IfName>,
    /// `dynamic_interfaces`: they may come later, and none of them is a mistake.
    pub dynamic: bool,
    /// All mistakes so far.
    pub found: &'f mut Diagnostics,
}

impl Check<'_> {
    /// Whether an interface exists or will be made.
    pub fn there(&mut self, name: &IfName) -> bool {
        self.made.contains(name) || self.present.has(name)
    }

    /// Reports that an interface that `owner` needs as its `what` does not exist, if that is so.
    pub fn one(&mut self, named: &Named, what: &str, owner: &str, remedy: &str) {
        self.present.note_named(&named.name);
        if self.there(&named.name) {
            return;
        }
        let message = format!("WARNING - {what} {} for {owner} doesn't exist", named.name);
        self.present.note_absent(&named.name, &message);
        let finding = self.finding(mark(named), message, Class::Ordinary);
        let costs = !self.dynamic;
        self.found.report(finding.costs(costs).remedy(remedy));
    }

    /// Reports a mistake that counts in a class of its own, unless interfaces may come later.
    pub fn tell(&mut self, mark: Mark, message: String, class: Class, remedy: &str) {
        let finding = self.finding(mark, message, class);
        self.found.report(finding.remedy(remedy));
    }

    fn finding(&self, mark: Mark, message: String, class: Class) -> Diagnostic {
        if self.dynamic {
            Diagnostic::new(Severity::Note, mark, message)
        } else {
            Diagnostic::new(Severity::Warning, mark, message).class(class)
        }
    }
}

/// The place of the name of an interface.
#[must_use]
pub fn mark(named: &Named) -> Mark {
    Mark { at: named.at.0, width: u16::try_from(named.name.as_str().len()).unwrap_or(1) }
}
