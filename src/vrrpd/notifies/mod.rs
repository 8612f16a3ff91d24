//! What scripts, FIFOs and mail report of instances and sync groups.
//!
//! The part itself is [`crate::child::notifies`]; here are the FIFOs that the configuration wants and the letters. The
//! states and the scripts are in `live::notify`.

mod letter;

pub(super) use letter::{Letter, key};

use super::kind;
use crate::base::id::{GroupId, InstanceId, ScriptId};
use crate::child::alerts::Alerts;
use crate::child::check::{Broken, unusable};
use crate::child::{notifies, scripts};
use crate::config::model::{At, Model, ScriptCommand};
use crate::notify::fifo::{self, Wanted};
use crate::notify::{Resolver, Unusable};
use crate::vrrpd::live::notify::{Job, SCRIPTS};
use crate::vrrpd::slots::Slot;

/// Scripts, FIFOs and mail of the VRRP child.
pub(super) type Notifies = notifies::Notifies<Object, ScriptId, Job, SCRIPTS>;
/// An object and its scripts.
pub(super) type Notifying<'a> = notifies::Notifying<'a, Object, Job, SCRIPTS>;
/// What a script runs for.
pub(super) type Purpose = scripts::Purpose<Object, ScriptId>;

/// An object that has notify scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Instance(InstanceId),
    Group(GroupId),
}

impl Object {
    /// The deadline of its script.
    pub(super) const fn slot(self) -> Slot {
        match self {
            Self::Instance(id) => Slot::Notify(id),
            Self::Group(id) => Slot::Group(id),
        }
    }
}

impl From<InstanceId> for Object {
    fn from(id: InstanceId) -> Self {
        Self::Instance(id)
    }
}

impl From<GroupId> for Object {
    fn from(id: GroupId) -> Self {
        Self::Group(id)
    }
}

/// FIFOs and mail of this child, before the first configuration.
pub(super) const fn no_alerts() -> Alerts {
    Alerts::new(kind::FIFO, "vrrp")
}

/// The FIFOs of a model: the common one and that of VRRP.
pub(super) fn fifos(
    model: &Model,
    resolver: &Resolver,
    broken: &mut Vec<Broken>,
) -> [Option<Wanted>; fifo::COUNT] {
    let global = &model.global;
    let clash = global.vrrp_fifo.path.is_some() && global.vrrp_fifo.path == global.fifo.path;
    [Some(&global.fifo), (!clash).then_some(&global.vrrp_fifo)].map(|fifo| {
        Wanted::new(fifo?, resolver, &mut |command, path, why| broken.push(Broken::fifo(command, path, why)))
    })
}

/// The FIFOs of a model that cannot be, or whose script cannot run.
pub(super) fn broken_fifos(model: &Model, resolver: &Resolver) -> Vec<Broken> {
    let mut broken = Vec::new();
    fifos(model, resolver, &mut broken);
    let global = &model.global;
    if let Some(path) = global.vrrp_fifo.path.as_ref().filter(|path| Some(*path) == global.fifo.path.as_ref())
    {
        let text = format!("vrrp_notify_fifo {path} is notify_fifo already - ignoring it");
        broken.push(Broken { at: At::default(), text });
    }
    broken
}

impl Broken {
    /// A FIFO without its owner or without its script.
    fn fifo(command: Option<&ScriptCommand>, path: &str, why: &Unusable) -> Self {
        let why = unusable(why);
        match command {
            None => Self { at: At::default(), text: format!("Disabling notify fifo {path} {why}") },
            Some(command) => Self {
                at: command.at,
                text: format!("Disabling notify fifo {path} script {} {why}", command.raw),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vrrpd::live::notify::NotifyState;

    #[test]
    fn a_letter_says_what_it_is_about_and_a_successor_finds_the_object() {
        let object = Object::Instance(InstanceId(3));
        let letter = Letter { object, name: "VI_1", to: NotifyState::Master };
        assert_eq!(letter.to_string(), "VRRP Instance VI_1 - Entering MASTER state");
        assert_eq!(letter.text().to_string(), "=> VRRP Instance is now owning VRRP VIPs <=");
        assert_eq!((letter.about().key, letter.about().state), (key(object, "VI_1"), 0));
        let left = Letter { to: NotifyState::Fault, ..letter };
        assert_eq!(left.text().to_string(), "=> VRRP Instance is no longer owning VRRP VIPs <=");
        let of_group = Letter { object: Object::Group(GroupId::new(0)), ..left };
        assert_eq!(of_group.to_string(), "VRRP Group VI_1 - Entering FAULT state");
        assert_eq!(of_group.text().to_string(), "=> All VRRP group instances are now in FAULT state <=");
        assert_ne!(
            of_group.about().key,
            left.about().key,
            "a group and an instance of one name are two objects"
        );
    }
}
