//! What alert mail says.

use core::fmt::{self, Display, Formatter};

use super::Object;
use crate::daemon::record;
use crate::notify::mail::About;
use crate::vrrpd::kept;
use crate::vrrpd::live::notify::NotifyState;

/// A letter: an instance or a sync group has entered a state. Its text for the log is the subject.
#[derive(Clone, Copy, Debug)]
pub(in crate::vrrpd) struct Letter<'a> {
    pub(in crate::vrrpd) object: Object,
    pub(in crate::vrrpd) name: &'a str,
    pub(in crate::vrrpd) to: NotifyState,
}

impl Letter<'_> {
    /// What a successor has to know to write the letter anew.
    pub(in crate::vrrpd) fn about(self) -> About {
        About { key: key(self.object, self.name), state: self.to as u8 }
    }

    /// The text below the subject.
    pub(in crate::vrrpd) const fn text(self) -> Text {
        Text { object: self.object, to: self.to }
    }
}

/// The key of an instance or a sync group of a name.
pub(in crate::vrrpd) fn key(object: Object, name: &str) -> u64 {
    match object {
        Object::Instance(_) => record::key(name),
        Object::Group(_) => kept::group_key(name),
    }
}

/// The subject.
impl Display for Letter<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = match self.object {
            Object::Instance(_) => "Instance",
            Object::Group(_) => "Group",
        };
        write!(f, "VRRP {kind} {} - Entering {} state", self.name, self.to.word())
    }
}

/// The text of a letter.
#[derive(Clone, Copy, Debug)]
pub(in crate::vrrpd) struct Text {
    object: Object,
    to: NotifyState,
}

impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.object, self.to) {
            (Object::Group(_), to) => {
                write!(f, "=> All VRRP group instances are now in {} state <=", to.word())
            }
            (Object::Instance(_), NotifyState::Master) => {
                write!(f, "=> VRRP Instance is now owning VRRP VIPs <=")
            }
            (Object::Instance(_), _) => write!(f, "=> VRRP Instance is no longer owning VRRP VIPs <="),
        }
    }
}
