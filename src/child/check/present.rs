//! Which interfaces this machine has, looked up when somebody asks: a machine may have thousands, a configuration
//! names few.

use std::io;

use crate::base::addr::IpAddr;
use crate::base::map::{Map, Set};
use crate::base::name::IfName;
use crate::sys::netlink::command::Commands;
use crate::sys::netlink::link::Link;

/// So many are looked up one by one; then all are listed, for what the kernel says about one link costs about the
/// same either way.
const SINGLE: usize = 64;

/// What is known of the interfaces of this machine.
#[derive(Default)]
pub struct Present {
    /// Opened by the first question.
    commands: Option<Commands>,
    /// By name; none: not there.
    known: Map<IfName, Option<Link>>,
    /// `known` holds all that there are.
    whole: bool,
    /// What the configuration says of interfaces.
    named: Interfaces,
    /// Every address, once somebody has asked for one.
    addresses: Option<Set<IpAddr>>,
    /// Netlink does not answer; the child will say why.
    broken: bool,
}

/// The interfaces that a configuration names where something is lost without them.
#[derive(Clone, Debug, Default)]
pub struct Interfaces {
    /// All of them, there or not.
    pub all: Set<IfName>,
    /// For each message that says that one is not there, which one.
    pub absent: Map<String, IfName>,
}

impl Present {
    /// Whether there is an interface of this name. Without netlink there is nothing to compare with, and it counts
    /// as there.
    pub fn has(&mut self, name: &IfName) -> bool {
        let found = self.link(name).is_some();
        found || self.broken
    }

    /// The interface of this name; none if there is none, or netlink does not answer.
    pub fn link(&mut self, name: &IfName) -> Option<&Link> {
        if !self.whole && !self.broken && !self.known.contains_key(name) {
            let done = if self.known.len() < SINGLE { self.look(name) } else { self.list() };
            self.broken = done.is_err();
        }
        self.known.get(name).and_then(Option::as_ref)
    }

    /// Somebody names an interface.
    pub fn note_named(&mut self, name: &IfName) {
        if !self.named.all.contains(name) {
            self.named.all.insert(name.clone());
        }
    }

    /// It is not there, and this is reported of it.
    pub fn note_absent(&mut self, name: &IfName, message: &str) {
        self.named.absent.insert(message.to_owned(), name.clone());
    }

    /// The interfaces that the configuration names. Taken, not lent.
    #[must_use]
    pub fn take_named(&mut self) -> Interfaces {
        core::mem::take(&mut self.named)
    }

    /// Whether an interface has this address. Without netlink it counts as there.
    pub fn has_address(&mut self, addr: IpAddr) -> bool {
        if self.addresses.is_none() {
            let mut listed = Vec::new();
            let done = self.commands().and_then(|commands| commands.addresses(&mut listed));
            self.addresses = done.ok().map(|()| listed.iter().map(|one| one.prefix.addr).collect());
        }
        self.addresses.as_ref().is_none_or(|known| known.contains(&addr))
    }

    /// Those that were asked for, or if one of them is not there, all; and the socket, if it was opened. None if they
    /// are not known.
    #[cfg(feature = "tools")]
    pub fn into_links(mut self) -> Option<(Vec<Link>, Option<Commands>)> {
        let missing = self.known.values().any(Option::is_none);
        if self.broken || (missing && !self.whole && self.list().is_err()) {
            return None;
        }
        Some((self.known.into_values().flatten().collect(), self.commands))
    }

    fn commands(&mut self) -> io::Result<&mut Commands> {
        match &mut self.commands {
            Some(commands) => Ok(commands),
            none => Ok(none.insert(Commands::open()?)),
        }
    }

    fn look(&mut self, name: &IfName) -> io::Result<()> {
        let link = self.commands()?.link(name)?;
        self.known.insert(name.clone(), link);
        Ok(())
    }

    fn list(&mut self) -> io::Result<()> {
        let mut listed = Vec::new();
        self.commands()?.links(&mut listed)?;
        self.known = listed.into_iter().map(|link| (link.name.clone(), Some(link))).collect();
        self.whole = true;
        Ok(())
    }
}
