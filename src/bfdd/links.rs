//! What the kernel reports of interfaces and addresses: the number of the interface of a link-local neighbour, and that the
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

/// The monitor, if a session needs one.
#[derive(Default)]
pub(super) struct Links {
    monitor: Option<(Monitor, Registration)>,
    wanted: bool,
    /// It has been logged that the monitor cannot be opened.
    logged: bool,
}

impl Links {
    /// Goes over to what the sessions need.
    pub(super) fn want(&mut self, turn: &mut Turn<'_>, wanted: bool) {
        self.wanted = wanted;
        if !wanted && let Some((monitor, registration)) = self.monitor.take() {
            turn.deregister(registration);
            drop(monitor);
        }
    }

    /// Opens the monitor if it is wanted and not open yet. False: that is to be tried again.
    pub(super) fn open(&mut self, turn: &mut Turn<'_>, sessions: &mut Sessions) -> bool {
        if !self.wanted || self.monitor.is_some() {
            return true;
        }
        let opened = open(turn);
        // What changed before the monitor was open it does not tell.
        sessions.look_up_interfaces();
        match opened {
            Ok(open) => {
                self.monitor = Some(open);
                self.logged = false;
            }
            Err(error) => {
                if !core::mem::replace(&mut self.logged, true) {
                    report::kernel_failed("the monitor of interfaces and addresses", &error);
                }
            }
        }
        self.monitor.is_some()
    }

    /// Takes what the kernel reports.
    pub(super) fn hear(&mut self, sessions: &mut Sessions) -> Again {
        let Some((monitor, _)) = &mut self.monitor else { return Again::Done };
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
