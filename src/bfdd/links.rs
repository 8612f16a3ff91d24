//! What the kernel tells of interfaces and addresses: the number of the interface of a link-local neighbour, and that the
//! kernel may choose other source addresses now.
//!
//! Routes are not followed, for a router may have a million of them: a session whose packets the kernel refuses asks again
//! each second ([`super::sessions::Live::source`]).

use std::io;
use std::os::fd::AsRawFd;

use super::sessions::Sessions;
use super::{kind, report};
use crate::base::limit;
use crate::daemon::reactor::{Again, Interest, Turn};
use crate::daemon::token::{Registration, SourceId};
use crate::sys::netlink::monitor::{Drained, Event, Monitor, Topic};

/// The monitor; none while no session needs it, or the kernel does not give one.
#[derive(Default)]
pub(super) struct Links(Option<(Monitor, Registration)>);

impl Links {
    /// Goes over to what the sessions need. For load time: allocates.
    pub(super) fn want(&mut self, turn: &mut Turn<'_>, wanted: bool) {
        if !wanted {
            if let Some((monitor, registration)) = self.0.take() {
                turn.deregister(registration);
                drop(monitor);
            }
        } else if self.0.is_none() {
            match open(turn) {
                Ok(open) => self.0 = Some(open),
                Err(error) => report::kernel_failed("the monitor of interfaces and addresses", &error),
            }
        }
    }

    /// Takes what the kernel tells.
    pub(super) fn hear(&mut self, sessions: &mut Sessions) -> Again {
        let Some((monitor, _)) = &mut self.0 else { return Again::Done };
        let mut lost = false;
        let drained = monitor.read(limit::MONITOR_BUDGET, |event| match event {
            Event::LinkNew(link) => sessions.interface_is(&link.name, link.index),
            Event::LinkGone { index, .. } => sessions.interface_gone(index),
            Event::AddressNew(_) | Event::AddressGone(_) => {}
            Event::Overrun => lost = true,
        });
        if lost {
            monitor.discard();
            sessions.look_up_interfaces();
        }
        sessions.doubt_sources();
        match drained {
            Ok(Drained::No) => Again::More,
            Ok(Drained::Yes) => Again::Done,
            Err(error) => {
                report::kernel_failed("the monitor of interfaces and addresses", &error);
                Again::Done
            }
        }
    }
}

fn open(turn: &mut Turn<'_>) -> io::Result<(Monitor, Registration)> {
    let monitor = Monitor::open(&[Topic::Links, Topic::Ipv4Addresses, Topic::Ipv6Addresses])?;
    let own = SourceId { kind: kind::LINKS, index: 0 };
    let registration = turn.register(monitor.as_raw_fd(), own, Interest::Read)?;
    Ok((monitor, registration))
}
