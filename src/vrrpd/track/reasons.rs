//! Why an instance is in FAULT, in words that name what is missing, down or refused.

use core::fmt::{self, Display, Formatter};

use super::{Object, Situation, report as lines};
use crate::base::id::LinkId;
use crate::config::model::Model;
use crate::proto::track::Effect;
use crate::proto::vrrp::{Fault, fault_of};
use crate::vrrpd::live::Instance;
use crate::vrrpd::report;

/// All reasons that an instance has, in the order in which they are logged.
#[derive(Clone, Copy)]
pub(in crate::vrrpd) struct Reasons<'a> {
    /// What is true now.
    pub(in crate::vrrpd) situation: Situation<'a>,
    /// The model has the names of what is tracked.
    pub(in crate::vrrpd) model: &'a Model,
    /// The instance.
    pub(in crate::vrrpd) instance: &'a Instance,
}

/// One of them.
pub(in crate::vrrpd) struct Reason<'a> {
    all: Reasons<'a>,
    fault: Fault,
}

impl<'a> Reasons<'a> {
    /// One by one.
    pub(in crate::vrrpd) fn iter(&self) -> impl Iterator<Item = (Fault, Reason<'a>)> + use<'a> {
        let all = *self;
        all.instance.router.faults().iter().map(move |fault| (fault, Reason { all, fault }))
    }
}

impl Reasons<'_> {
    /// The instance is about to begin: logs which files and processes put it in FAULT.
    pub(in crate::vrrpd) fn log_tracked(&self) {
        let name = &self.instance.config.name;
        for tracked in &self.instance.tracking {
            if self.situation.effect(*tracked) != Effect::Faults {
                continue;
            }
            match tracked.object {
                Object::File(id) => {
                    if let Some(file) = self.model.file(id) {
                        lines::file_starts_in_fault(name, &file.name);
                    }
                }
                Object::Process(id) => {
                    if let Some(process) = self.model.process(id) {
                        lines::process_starts_in_fault(name, &process.name);
                    }
                }
                Object::Link(_) | Object::Script(_) | Object::Bfd(_) | Object::StaticItems(_) => {}
            }
        }
    }
}

impl Display for Reasons<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (position, (_, reason)) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            reason.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for Reason<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let config = &self.all.instance.config;
        match self.fault {
            Fault::LinkMissing => write!(f, "interface {} missing", self.base()),
            Fault::LinkDown => write!(f, "interface {} down", self.base()),
            Fault::NoAddress => {
                let source = self.all.instance.source_link().or(self.all.instance.links.transmit);
                write!(f, "no {} address on interface {}", self.all.instance.family(), self.name(source))
            }
            Fault::Vmac => write!(f, "macvlan {} missing or down", self.name(self.all.instance.links.own)),
            Fault::Source => match config.source {
                Some(source) => write!(f, "source address {source} is on no interface"),
                None => f.write_str(self.fault.text()),
            },
            Fault::Address => match self.all.instance.refused() {
                Some((prefix, errno)) => {
                    write!(f, "cannot add {prefix}: {}{}", errno.desc(), report::lacking(errno))
                }
                None => f.write_str(self.fault.text()),
            },
            Fault::Conflict => match &config.conflict {
                Some(other) => write!(f, "{} as {other}", self.fault.text()),
                None => f.write_str(self.fault.text()),
            },
            Fault::Group => match config.group() {
                Some(group) => write!(f, "another member of sync group {} cannot take part", group.name),
                None => f.write_str(self.fault.text()),
            },
            Fault::TrackedLink
            | Fault::Script
            | Fault::File
            | Fault::Process
            | Fault::Bfd
            | Fault::StaticItem => self.tracked(f),
            Fault::NoPeer | Fault::Socket | Fault::Key | Fault::Maintenance => f.write_str(self.fault.text()),
        }
    }
}

impl Reason<'_> {
    /// Everything tracked that is a reason of this kind now.
    fn tracked(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (situation, mut found) = (self.all.situation, false);
        for tracked in &self.all.instance.tracking {
            if fault_of(tracked.object) != self.fault || situation.effect(*tracked) != Effect::Faults {
                continue;
            }
            if core::mem::replace(&mut found, true) {
                f.write_str(", ")?;
            }
            let model = self.all.model;
            match tracked.object {
                Object::Link(id) => {
                    let state = if tracked.weight.reverse { "up" } else { "down" };
                    write!(f, "tracked interface {} {state}", self.name(Some(id)))
                }
                Object::Script(id) => {
                    let script = situation.trackers.scripts.get(id.index());
                    let name = script.map_or("?", |script| script.name.as_str());
                    let how = if tracked.weight.reverse { "succeeded" } else { "failed" };
                    write!(f, "tracked script {name} {how}")
                }
                Object::File(id) => {
                    write!(f, "tracked file {}", model.file(id).map_or("?", |file| file.name.as_str()))
                }
                Object::Process(id) => {
                    let name = model.process(id).map_or("?", |process| process.name.as_str());
                    let how = if tracked.weight.reverse { "achieved" } else { "not achieved" };
                    write!(f, "tracked process {name} quorum {how}")
                }
                Object::Bfd(id) => {
                    let name = model.bfd(id).map_or("?", |session| session.name.as_str());
                    let state = if tracked.weight.reverse { "up" } else { "down" };
                    write!(f, "tracked BFD instance {name} {state}")
                }
                Object::StaticItems(id) => {
                    let group = model.network.track_groups.get(id.index());
                    write!(
                        f,
                        "static item of track_group {} missing",
                        group.map_or("?", |it| it.name.as_str())
                    )
                }
            }?;
        }
        // What it was has changed since; the machine hears of that next.
        if found { Ok(()) } else { f.write_str(self.fault.text()) }
    }

    fn base(&self) -> &str {
        self.name(self.all.instance.links.base.or(self.all.instance.links.transmit))
    }

    fn name(&self, link: Option<LinkId>) -> &str {
        link.and_then(|link| self.all.situation.links.link(link)).map_or("?", |link| link.name.as_str())
    }
}
