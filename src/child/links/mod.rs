//! The interfaces of the machine that the configuration names: what the kernel reports of them, and what they count as.
//!
//! Job: a [table](Links) of interfaces and of the addresses on them that are not the child's own, kept true by a netlink
//! monitor. A monitor whose queue ran over has lost notifications; everything is listed again then. `states` makes of
//! what netlink and the drivers say what an interface counts as. Nothing here knows what an interface is used for: the
//! methods return what changed. Uses `base`, `proto::track`, `daemon::keep` and `sys`.

pub mod report;
mod states;
mod table;

use std::io;

pub use states::Wanted;
pub use table::{Change, Kind, Link, Links};

use states::LinkStates;

use crate::base::id::LinkId;
use crate::base::limit;
use crate::child::lists::FailedLists;
use crate::sys::netlink::addr::Address;
use crate::sys::netlink::command::Commands;
use crate::sys::netlink::monitor::{Drained, Event, Monitor, Topic};

/// The interfaces, and the monitor that reports changes of them.
pub struct Interfaces {
    /// The interfaces as the kernel has them.
    pub table: Links,
    /// Those that are polled or have delays.
    states: LinkStates,
    /// The socket on which the kernel reports changes.
    pub monitor: Monitor,
    /// Notifications that were read and not taken yet, the oldest first.
    unread: heapless::Deque<Event, { limit::MONITOR_BATCH }>,
    /// Listing the interfaces failed: it is to be tried again.
    pub listing_failed: bool,
    /// Lists that failed since the last whole one.
    pub failed_lists: FailedLists,
    /// Each address that comes or goes is logged (`-a`).
    pub log_addresses: bool,
}

impl Interfaces {
    /// Opens the monitor. `commands`: the socket whose own additions of IPv4 addresses the monitor need not tell.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open(table: Links, commands: &Commands) -> io::Result<Self> {
        let topics = [Topic::Links, Topic::Ipv4Addresses, Topic::Ipv6Addresses];
        let monitor = Monitor::open(&topics)?;
        // Without it all is well, too, only not as fast.
        let _ = monitor.ignore_marked(commands);
        Ok(Self {
            table,
            states: LinkStates::default(),
            monitor,
            unread: heapless::Deque::new(),
            listing_failed: false,
            failed_lists: FailedLists::default(),
            log_addresses: false,
        })
    }

    /// Reads one batch of notifications, once [`Interfaces::take_event`] has given all of the one before. None: notifications
    /// were lost, and what was read is worth nothing.
    pub fn read(&mut self) -> Option<io::Result<Drained>> {
        let (unread, mut lost) = (&mut self.unread, false);
        let drained = self.monitor.read(limit::MONITOR_BATCH, |event| {
            // A batch never holds more; if a datagram of several messages did, listing everything makes up for it.
            lost |= event == Event::Overrun || unread.push_back(event).is_err();
        });
        (!lost).then_some(drained)
    }

    /// The next notification that was read.
    pub fn take_event(&mut self) -> Option<Event> {
        self.unread.pop_front()
    }

    /// Forgets all notifications, those that were not read among them: everything is listed next.
    pub fn discard(&mut self) {
        self.unread.clear();
        self.monitor.discard();
    }

    /// Notifications were lost. The kernel goes on losing them, without a word, until the queue is empty; so the queue
    /// is emptied first, and what it held, which may be older than what was lost, is not believed any more. The caller
    /// lists everything next, which is logged, if `lists`.
    pub fn recover(&mut self, lists: bool) {
        if lists {
            report::overrun();
        }
        self.discard();
    }

    /// Logs that an interface came or went.
    pub fn log_change(&self, link: LinkId, change: Change) {
        let Some(there) = self.table.link(link) else { return };
        match change {
            Change::Appeared => report::added(&there.name),
            Change::Vanished => report::deleted(&there.name),
            Change::None | Change::Setting | Change::State => {}
        }
    }

    /// Logs that an address came or went, if `-a` asks for that.
    pub fn log_address(&self, address: &Address, there: bool) {
        if self.log_addresses {
            report::address(&self.table, address, if there { "added to" } else { "removed from" });
        }
    }

    /// Logs which of these interfaces do not exist.
    pub fn log_absent(&self, used: &[LinkId]) {
        for link in used.iter().filter_map(|link| self.table.link(*link)) {
            if link.index.is_none() {
                report::absent(&link.name);
            }
        }
    }
}

#[cfg(test)]
mod tests;
