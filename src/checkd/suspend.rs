//! Addresses of virtual servers with `ha_suspend`: their checks run only while an address of the service is on an
//! interface of this machine.
//!
//! A netlink monitor tells of addresses. A monitor whose queue ran over has lost notifications; all addresses are listed
//! again then, and a list that failed is made again after [`limit::KERNEL_RETRY`]. A list that is not whole, because another
//! program changes addresses all the time, says which addresses are there, and of no address that it is gone.

use std::io;
use std::os::fd::AsRawFd;

use super::{kind, report};
use crate::base::id::ServiceId;
use crate::base::limit;
use crate::base::time::Instant;
use crate::child::lists::FailedLists;
use crate::child::queues::ask;
use crate::config::model::Model;
use crate::config::model::service::Key;
use crate::daemon::reactor::{Again, Interest, Turn};
use crate::daemon::token::{Registration, SourceId};
use crate::proto::lvs::Presence;
use crate::sys::netlink::addr::Address;
use crate::sys::netlink::command::Commands;
use crate::sys::netlink::monitor::{Drained, Event, Monitor, Topic};

/// The addresses that matter, and which of them are there.
#[derive(Default)]
pub(super) struct Addresses {
    /// Open while an address matters.
    netlink: Option<Netlink>,
    /// The kernel has listed its addresses since some of them matter.
    listed: bool,
    failed: FailedLists,
    /// When they are listed again because that failed.
    again_at: Option<Instant>,
    presence: Presence,
}

struct Netlink {
    monitor: Monitor,
    registration: Registration,
    commands: Commands,
}

impl Addresses {
    /// Goes over to the addresses that matter in a model, and to its sizes of queues; one that is not configured any more
    /// keeps its size. For load time: allocates.
    pub(super) fn load(&mut self, turn: &mut Turn<'_>, model: &Model) {
        self.presence = Presence::default();
        self.listed = false;
        let mut matter = false;
        for (service, id) in model.services.iter().zip((0..).map(ServiceId)) {
            if !service.ha_suspend {
                continue;
            }
            matter = true;
            match &service.key {
                Key::Address(addr, _) => self.presence.add(id, *addr),
                Key::Mark(_) => {}
                Key::Group(name) => {
                    let group = model.service_groups.iter().find(|group| group.name == *name);
                    self.presence.add_group(id, group.map_or(&[], |group| &group.entries));
                }
            }
        }
        if !matter {
            if let Some(netlink) = self.netlink.take() {
                turn.deregister(netlink.registration);
            }
            self.again_at = None;
            return;
        }
        if self.netlink.is_none() {
            match Netlink::open(turn) {
                Ok(netlink) => self.netlink = Some(netlink),
                Err(error) => report::kernel_failed("the monitor of addresses", &error),
            }
        }
        if let Some(Netlink { monitor, commands, .. }) = &self.netlink {
            let buffers = &model.global.buffers;
            ask("command", buffers.lvs_command, |size| commands.set_receive_buffer(size));
            ask("monitor", buffers.lvs_monitor, |size| monitor.set_receive_buffer(size));
        }
        self.list(turn.now());
    }

    /// When [`Addresses::list`] is due.
    pub(super) const fn poll_at(&self) -> Option<Instant> {
        self.again_at
    }

    /// Whether none of the addresses of a service is there. Where the kernel does not tell, all are, for checks that run do
    /// less harm than checks that never do.
    pub(super) fn suspends(&self, service: ServiceId) -> bool {
        self.listed && self.presence.is_suspended(service)
    }

    /// Takes what the kernel tells; whether a service is to be looked at again.
    pub(super) fn hear(&mut self, now: Instant) -> (Again, bool) {
        let Self { netlink: Some(netlink), presence, .. } = self else { return (Again::Done, false) };
        let (mut lost, mut changed) = (false, false);
        let drained = netlink.monitor.read(limit::MONITOR_BUDGET, |event| {
            let mut turned = false;
            let (address, there) = match event {
                Event::AddressNew(address) => {
                    presence.came(address.prefix.addr, address.interface, &mut |_| turned = true);
                    (address, true)
                }
                Event::AddressGone(address) => {
                    presence.went(address.prefix.addr, address.interface, &mut |_| turned = true);
                    (address, false)
                }
                Event::Overrun => return lost = true,
                Event::LinkNew(_) | Event::LinkGone { .. } => return,
            };
            if turned {
                report::address(address.prefix.addr, there);
                changed = true;
            }
        });
        let lists = lost && self.failed.may_list();
        if lost {
            netlink.monitor.discard();
        }
        if lists {
            self.list(now);
        }
        let again = match drained {
            Ok(Drained::No) => Again::More,
            Ok(Drained::Yes) => Again::Done,
            Err(error) => {
                report::kernel_failed("the monitor of addresses", &error);
                Again::Done
            }
        };
        (again, changed || lists)
    }

    /// Asks the kernel for all addresses. What follows for the services is to be asked next.
    pub(super) fn list(&mut self, now: Instant) {
        let Some(netlink) = &mut self.netlink else { return };
        let mut addresses = Vec::new();
        let listed = netlink.commands.addresses(&mut addresses);
        self.take_list(now, listed, &addresses);
    }

    /// A list has ended: it is whole, or what there is of it.
    fn take_list(&mut self, now: Instant, listed: io::Result<()>, addresses: &[Address]) {
        if let Err(error) = listed {
            report::kernel_failed("listing addresses", &error);
            self.failed.failed();
            self.again_at = Some(now + limit::KERNEL_RETRY);
        } else {
            self.failed.whole();
            self.again_at = None;
            self.listed = true;
            self.presence.forget();
        }
        for address in addresses {
            self.presence.came(address.prefix.addr, address.interface, &mut |_| ());
        }
    }
}

impl Netlink {
    fn open(turn: &mut Turn<'_>) -> io::Result<Self> {
        let monitor = Monitor::open(&[Topic::Ipv4Addresses, Topic::Ipv6Addresses])?;
        let commands = Commands::open()?;
        let own = SourceId { kind: kind::ADDRESSES, index: 0 };
        let registration = turn.register(monitor.as_raw_fd(), own, Interest::Read)?;
        Ok(Self { monitor, registration, commands })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::IfIndex;

    #[test]
    fn a_list_that_fails_takes_nothing_away_and_is_made_again_once_a_second() {
        let (id, now) = (ServiceId(0), Instant::START);
        let busy = || Err(io::ErrorKind::ResourceBusy.into());
        let mut addresses = Addresses::default();
        let addr = "192.0.2.1".parse().unwrap();
        addresses.presence.add(id, addr);
        addresses.take_list(now, busy(), &[]);
        assert!(!addresses.suspends(id), "nobody knows whether the address is there");
        addresses.take_list(now, Ok(()), &[]);
        assert!(addresses.suspends(id), "the address is not there");
        assert_eq!(addresses.poll_at(), None);
        addresses.presence.came(addr, IfIndex(1), &mut |_| ());
        for _ in 0..limit::FAILED_LISTS {
            assert!(addresses.failed.may_list());
            addresses.take_list(now, busy(), &[]);
            assert!(!addresses.suspends(id), "a list that is not whole says of no address that it is gone");
        }
        assert!(!addresses.failed.may_list(), "what is lost next waits");
        assert_eq!(addresses.poll_at(), Some(now + limit::KERNEL_RETRY));
        addresses.take_list(now, Ok(()), &[]);
        assert!(addresses.suspends(id) && addresses.failed.may_list());
        assert_eq!(addresses.poll_at(), None);
    }

    #[test]
    fn the_queues_are_as_long_as_configured() {
        use crate::config::diag::Diagnostics;
        use crate::config::{assemble, expand};
        use crate::daemon::reactor::Reactor;
        use crate::sys::queue::octets_of;

        let mut reactor = Reactor::new(0, None).unwrap();
        let mut turn = reactor.turn();
        turn.reserve_more_sources(1);
        let mut addresses = Addresses::default();
        let mut sizes = |sizes: &str| {
            let service = "virtual_server 192.0.2.1 80 {\n ha_suspend\n real_server 10.0.0.1 80 {\n}\n}\n";
            let text = format!("global_defs {{\n{sizes}}}\n{service}");
            let mut found = Diagnostics::new();
            let model = assemble::model(&expand::parse_text(&text, &mut found).tree, &mut found);
            addresses.load(&mut turn, &model);
            let Netlink { monitor, commands, .. } = addresses.netlink.as_ref().unwrap();
            (octets_of(monitor), octets_of(commands))
        };
        let system = sizes("");
        // The kernel doubles them for what it needs itself.
        let one = "lvs_netlink_monitor_rcv_bufs 65536\n";
        assert_eq!(sizes(one), (2 * 65_536, system.1));
        let both = "lvs_netlink_monitor_rcv_bufs 98304\nlvs_netlink_cmd_rcv_bufs 49152\n";
        assert_eq!(sizes(both), (2 * 98_304, 2 * 49_152), "a reload changes them");
    }
}
