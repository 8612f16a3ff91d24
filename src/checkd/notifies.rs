//! What scripts, FIFOs and mail are told of virtual servers and real servers.
//!
//! The part itself is [`crate::child::notifies`]; here are the two states, the FIFOs that the configuration wants, and
//! what a letter says.

use core::fmt::{self, Display, Formatter};

use super::kept::service_key;
use super::kind;
use crate::base::id::MachineId;
use crate::checkd::services::Places;
use crate::child::alerts::Alerts;
use crate::child::{notifies, scripts};
use crate::config::model::service::{RealServer, VirtualServer};
use crate::config::model::{Model, ScriptCommand};
use crate::notify::fifo::{self, Wanted};
use crate::notify::mail::About;
use crate::notify::{self, Resolver, Subject};
use crate::sys::script::{Refused, Words};

/// Scripts, FIFOs and mail of the checker child.
pub(super) type Notifies = notifies::Notifies<NotifyId, MachineId, State, SCRIPTS>;
/// An object and its scripts.
pub(super) type Notifying<'a> = notifies::Notifying<'a, NotifyId, State, SCRIPTS>;
/// The scripts of an object.
pub(super) type Notifier = notify::Notifier<State, SCRIPTS>;
/// What a script runs for.
pub(super) type Purpose = scripts::Purpose<NotifyId, MachineId>;

/// An object that has notify scripts: the place in the list of those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotifyId(pub(super) u32);

/// `notify_up` and `notify_down`, or `quorum_up` and `quorum_down`.
pub(super) const SCRIPTS: usize = 2;

/// A state that scripts, FIFOs and mail are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Up,
    Down,
}

impl State {
    pub(super) const fn of(up: bool) -> Self {
        if up { Self::Up } else { Self::Down }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Down => "DOWN",
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Up => UP,
            Self::Down => DOWN,
        }
    }

    /// The state of the number that a letter or a record has.
    pub(super) const fn numbered(number: u8) -> Option<Self> {
        match number {
            UP => Some(Self::Up),
            DOWN => Some(Self::Down),
            _ => None,
        }
    }
}

pub(super) const DOWN: u8 = 1;
pub(super) const UP: u8 = 2;

impl notify::Job for State {
    fn script(self) -> usize {
        match self {
            Self::Up => 0,
            Self::Down => 1,
        }
    }

    fn outlasts(self, _: Self) -> bool {
        false
    }

    /// Scripts take turns: whoever was told last that an object is up is not told so again.
    fn repeats(self, last: Self) -> bool {
        self == last
    }

    /// Scripts are run with the configured words only.
    fn append(self, _: Subject<'_>, _: &mut Words) -> Result<(), Refused> {
        Ok(())
    }
}

/// FIFOs and mail of this child, before the first configuration.
pub(super) const fn no_alerts() -> Alerts {
    Alerts::new(kind::FIFO, "lvs")
}

/// The FIFOs of a model: the common one and that of virtual servers. What cannot be was told when the configuration was
/// read.
pub(super) fn fifos(model: &Model, resolver: &Resolver) -> [Option<Wanted>; fifo::COUNT] {
    let global = &model.global;
    let clash = global.lvs_fifo.path.is_some() && global.lvs_fifo.path == global.fifo.path;
    [Some(&global.fifo), (!clash).then_some(&global.lvs_fifo)]
        .map(|fifo| Wanted::new(fifo?, resolver, &mut |_, _, _| ()))
}

/// The scripts of an object; none if it has none that can run. What cannot run was told when the configuration was read.
fn notifier(
    resolver: &Resolver,
    up: Option<&ScriptCommand>,
    down: Option<&ScriptCommand>,
) -> Option<Box<Notifier>> {
    let mut notifier = Notifier::new();
    for (state, command) in [(State::Up, up), (State::Down, down)] {
        if let Some(ready) = command.and_then(|command| resolver.resolve(command, "").ok()) {
            notifier.set(notify::Job::script(state), ready);
        }
    }
    (!notifier.is_empty()).then(|| Box::new(notifier))
}

/// An object that has notify scripts.
pub(super) struct Scripted {
    /// The position of the virtual server, and of the real server in it; none: the virtual server itself.
    pub(super) of: (u32, Option<u32>),
    pub(super) name: Box<str>,
    /// By which a reload finds it again.
    pub(super) key: u64,
    pub(super) notifier: Box<Notifier>,
}

impl Scripted {
    /// The objects of a model that have scripts that can run, in the order of their positions. For load time: allocates.
    pub(super) fn all(model: &Model, places: &Places, resolver: &Resolver) -> Vec<Self> {
        let mut all = Vec::new();
        for (service, position) in model.services.iter().zip(0_u32..) {
            let (up, down) = (service.quorum_up.as_ref(), service.quorum_down.as_ref());
            let order = places.order(position);
            if let Some(notifier) = notifier(resolver, up, down) {
                let name = service.name(order).to_string().into();
                all.push(Self {
                    of: (position, None),
                    name,
                    key: service_key(service, order, None),
                    notifier,
                });
            }
            for (server, number) in service.servers.iter().zip(0_u32..) {
                let Some(rare) = &server.more else { continue };
                let (up, down) = (rare.notify_up.as_ref(), rare.notify_down.as_ref());
                if let Some(notifier) = notifier(resolver, up, down) {
                    let name = service.server_name(server).to_string().into();
                    let of = (position, Some(number));
                    all.push(Self { of, name, key: service_key(service, order, Some(server)), notifier });
                }
            }
        }
        all
    }

    /// As its scripts are told of it.
    pub(super) const fn word(&self) -> &'static str {
        if self.of.1.is_some() { "RS" } else { "VS" }
    }
}

/// What a letter is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter<'a> {
    pub(super) service: &'a VirtualServer,
    /// How many services of its group stand above it.
    pub(super) order: u32,
    /// The real server; none: the virtual server itself.
    pub(super) server: Option<&'a RealServer>,
    pub(super) to: State,
}

impl Letter<'_> {
    /// What a successor has to know to write the letter anew.
    pub(super) fn about(&self) -> About {
        About { key: service_key(self.service, self.order, self.server), state: self.to.number() }
    }
}

/// The subject.
impl Display for Letter<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (name, to) = (self.service.name(self.order), self.to.word());
        match self.server {
            Some(server) => {
                let server = self.service.server_name(server);
                write!(f, "Realserver {server} of virtual server {name} - {to}")
            }
            None => write!(f, "Virtualserver {name} - {to}"),
        }
    }
}
