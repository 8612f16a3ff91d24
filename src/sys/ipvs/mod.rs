//! IPVS, the kernel's load balancer: virtual services, their destinations, and the sync daemon.
//!
//! Job: change the table, many messages in one send and each with its own result, and list what is there. The values
//! are those of the kernel: a service that it lists can be handed back to it. Uses generic netlink
//! (`sys::netlink::genl`). Start with [`Ipvs`]; [`service`], [`destination`], [`daemon`] and [`stats`] are its values.
//!
//! ```text
//! NEW_, SET_, DEL_SERVICE:   service nest           NEW_, SET_, DEL_DEST:   service nest (its key), destination nest
//! NEW_, DEL_DAEMON:          daemon nest            SET_CONFIG:             timeouts          FLUSH:   nothing
//! ports and IPv4 masks are in network order, every other number in the machine's
//! ```
//!
//! What a refusal means (errno of a [`Refusal`]):
//!
//! | message | errno | meaning |
//! |---|---|---|
//! | any | EPERM | no CAP_NET_ADMIN |
//! | any | ENOENT | also: the module was unloaded since ([`Ipvs::look_up`]) |
//! | new service | EEXIST | there is one of this key |
//! | new, set service | ENOENT | this kernel has no such scheduler or persistence engine |
//! | set, delete service, and any destination | ESRCH | there is no service of this key |
//! | new destination | EEXIST | the service has it |
//! | set, delete destination | ENOENT | the service does not have it |
//! | new, set destination | EINVAL | not a local or unicast address; a GUE tunnel without a port |
//! | new, set destination | ERANGE | weight over 2147483647, or the lower threshold over the upper one |
//! | set timeouts | EINVAL | one that is out of bounds |
//! | new daemon | EEXIST, ENODEV, EINVAL | there is one of this role; no such interface; what it was given |
//! | delete daemon | ESRCH | there is none of this role |
//! | delete daemon | ENOBUFS | also: it is stopped, but had not run yet, which the kernel does not answer |

pub mod daemon;
pub mod destination;
pub mod service;
pub mod stats;

use std::fmt;
use std::io;

use nix::errno::Errno;

use super::module;
pub use super::netlink::command::{Full, Refusal};
use super::netlink::family::ip as address;
use super::netlink::genl::{Attributes, Genl, Part, Requests, number};
use super::outbox::errno_of;
use crate::base::addr::IpAddr;
use crate::base::ipvs::{DestKey, ServiceKey};
use crate::base::limit;
pub use daemon::{Role, SyncDaemon};
pub use destination::{Destination, KernelDestination, Lack, Method};
pub use service::{KernelService, Persistence, Service};
pub use stats::{Load, Stats};

/// The kernel's name of a scheduler or of a persistence engine: at most 16 octets.
pub type Name = heapless::String<16, u8>;

/// Seconds until an idle connection is forgotten. In a request 0 leaves the kernel's value as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Of an established TCP connection.
    pub tcp: u32,
    /// Of a TCP connection that has seen a FIN.
    pub tcp_fin: u32,
    /// Of UDP.
    pub udp: u32,
}

/// What the kernel says of its IPVS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Its version, an octet for each of three numbers: 0x010201 is 1.2.1.
    pub version: u32,
    /// Entries of the hash table of connections.
    pub table_size: u32,
}

/// Why there is no IPVS to speak to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// The kernel does not have it: the module ip_vs is not loaded or not there (CONFIG_IP_VS).
    Missing,
    /// The socket calls failed.
    Failed(Errno),
}

impl From<io::Error> for Unavailable {
    fn from(error: io::Error) -> Self {
        match errno_of(&error) {
            // Of generic netlink as a whole, and of the family in it.
            Errno::EPROTONOSUPPORT | Errno::ENOENT => Self::Missing,
            errno => Self::Failed(errno),
        }
    }
}

/// Loads the module of IPVS, where it is a module. Waits for modprobe: for a start and a reload.
pub fn load() {
    module::load(&[c"ip_vs"]);
}

/// A socket for the table of the network namespace that it was opened in, and the messages being collected.
pub struct Ipvs {
    genl: Genl,
}

impl fmt::Debug for Ipvs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ipvs").field("asked", &self.genl.len()).finish_non_exhaustive()
    }
}

impl Ipvs {
    /// Opens the socket. For load time: allocates.
    ///
    /// # Errors
    /// [`Unavailable`]
    pub fn open() -> Result<Self, Unavailable> {
        let octets = limit::NETLINK_BATCH * MESSAGE_OCTETS;
        Ok(Self { genl: Genl::open(FAMILY, VERSION, limit::NETLINK_BATCH, octets)? })
    }

    /// Asks for the family again: after every message of a batch was refused with ENOENT, because the module was
    /// unloaded and loaded since.
    ///
    /// # Errors
    /// [`Unavailable`]
    pub fn look_up(&mut self) -> Result<(), Unavailable> {
        Ok(self.genl.look_up()?)
    }

    /// Messages collected and not committed.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.genl.len()
    }

    /// Whether no message is collected.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many more messages fit, of any kind.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.genl.room()
    }

    /// Sends the collected messages and empties the batch. Each tag gets exactly one result, in the order of the
    /// messages, except that those whose acknowledgement was lost come last with ENOBUFS: then only a dump shows what
    /// became of the message. A message that is refused does not hold up the next one.
    pub fn commit(&mut self, mut on_result: impl FnMut(u32, Result<(), Refusal<'_>>)) {
        self.genl.commit(&mut on_result);
    }

    /// As [`Ipvs::commit`], but where the send fails no message has a result: the kernel has seen none of them, and they
    /// may be asked for again.
    ///
    /// # Errors
    /// What the send says.
    pub fn try_commit(
        &mut self,
        mut on_result: impl FnMut(u32, Result<(), Refusal<'_>>),
    ) -> Result<(), Errno> {
        self.genl.try_commit(&mut on_result)
    }

    /// Asks to add a service without destinations.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn add_service(&mut self, tag: u32, service: &Service) -> Result<(), Full> {
        self.append(tag, NEW_SERVICE, SERVICE, &mut |nest| service.put(nest))
    }

    /// Asks to give a service this scheduler, flags and persistence; its destinations and connections stay.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn set_service(&mut self, tag: u32, service: &Service) -> Result<(), Full> {
        self.append(tag, SET_SERVICE, SERVICE, &mut |nest| service.put(nest))
    }

    /// Asks to delete a service and its destinations.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn delete_service(&mut self, tag: u32, service: &ServiceKey) -> Result<(), Full> {
        self.append(tag, DELETE_SERVICE, SERVICE, &mut |nest| service::put_key(service, nest))
    }

    /// Asks to add a destination to a service.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn add_destination(
        &mut self,
        tag: u32,
        service: &ServiceKey,
        destination: &Destination,
    ) -> Result<(), Full> {
        self.append_of(tag, NEW_DESTINATION, service, &mut |nest| destination.put(nest))
    }

    /// Asks to give a destination this method, weight and thresholds; its connections stay.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn set_destination(
        &mut self,
        tag: u32,
        service: &ServiceKey,
        destination: &Destination,
    ) -> Result<(), Full> {
        self.append_of(tag, SET_DESTINATION, service, &mut |nest| destination.put(nest))
    }

    /// Asks to delete a destination.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn delete_destination(
        &mut self,
        tag: u32,
        service: &ServiceKey,
        destination: &DestKey,
    ) -> Result<(), Full> {
        self.append_of(tag, DELETE_DESTINATION, service, &mut |nest| destination::put_key(destination, nest))
    }

    /// Asks to set timeouts; a 0 leaves the kernel's value as it is.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn set_timeouts(&mut self, tag: u32, timeouts: Timeouts) -> Result<(), Full> {
        let Timeouts { tcp, tcp_fin, udp } = timeouts;
        self.genl.append(tag, SET_CONFIG, &mut |request| {
            for (kind, seconds) in [(TIMEOUT_TCP, tcp), (TIMEOUT_TCP_FIN, tcp_fin), (TIMEOUT_UDP, udp)] {
                if seconds != 0 {
                    request.attribute(kind, &seconds.to_ne_bytes());
                }
            }
        })
    }

    /// Asks to start a sync daemon.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn start_daemon(&mut self, tag: u32, daemon: &SyncDaemon) -> Result<(), Full> {
        self.append(tag, NEW_DAEMON, DAEMON, &mut |nest| daemon.put(nest))
    }

    /// Asks to stop the sync daemon of this role. Waits for its thread, some milliseconds.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn stop_daemon(&mut self, tag: u32, role: Role) -> Result<(), Full> {
        self.append(tag, DELETE_DAEMON, DAEMON, &mut |nest| role.put(nest))
    }

    /// Asks to delete all services, whoever made them.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn flush(&mut self, tag: u32) -> Result<(), Full> {
        self.genl.append(tag, FLUSH, &mut |_| ())
    }

    /// Asks to set the counters of a service and its destinations to zero, or those of all.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn zero(&mut self, tag: u32, service: Option<&ServiceKey>) -> Result<(), Full> {
        match service {
            None => self.genl.append(tag, ZERO, &mut |_| ()),
            Some(service) => self.append(tag, ZERO, SERVICE, &mut |nest| service::put_key(service, nest)),
        }
    }

    /// Lists all services, whoever made them, into `out`, which is emptied first. A service that comes or goes meanwhile
    /// may hide another one or show it twice: the kernel resumes a long list by position and does not say so.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn services(&mut self, out: &mut Vec<KernelService>) -> io::Result<()> {
        self.each_service(&mut |service| match service {
            None => out.clear(),
            Some(service) => out.push(service),
        })
    }

    /// As [`Ipvs::services`], one at a time; none: the list begins again.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn each_service(&mut self, each: &mut dyn FnMut(Option<KernelService>)) -> io::Result<()> {
        self.genl.dump(GET_SERVICE, &mut |_| (), &mut |part| match part {
            None => each(None),
            Some(part) => {
                if let Some(service) = nest(part, NEW_SERVICE, SERVICE).and_then(KernelService::decode) {
                    each(Some(service));
                }
            }
        })
    }

    /// Lists the destinations of a service into `out`, which is emptied first; the newest comes first. An empty list is
    /// also the kernel's answer where there is no such service. For changes meanwhile see [`Ipvs::services`].
    ///
    /// # Errors
    /// What the kernel says.
    pub fn destinations(&mut self, service: &ServiceKey, out: &mut Vec<KernelDestination>) -> io::Result<()> {
        let family = service.family();
        let key = &mut |request: &mut Requests| {
            request.nest(NESTED | SERVICE, |nest| service::put_key(service, nest))
        };
        self.genl.dump(GET_DESTINATION, key, &mut |part| match part {
            None => out.clear(),
            Some(part) => out.extend(
                nest(part, NEW_DESTINATION, DESTINATION)
                    .and_then(|nest| KernelDestination::decode(family, nest)),
            ),
        })
    }

    /// Lists the sync daemons that run: at most one of each role.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn daemons(&mut self) -> io::Result<heapless::Vec<SyncDaemon, 2>> {
        let mut list = heapless::Vec::new();
        self.genl.dump(GET_DAEMON, &mut |_| (), &mut |part| match part {
            None => list.clear(),
            Some(part) => {
                if let Some(daemon) = nest(part, NEW_DAEMON, DAEMON).and_then(SyncDaemon::decode) {
                    let _ = list.push(daemon);
                }
            }
        })?;
        Ok(list)
    }

    /// The timeouts of now.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn timeouts(&mut self) -> io::Result<Timeouts> {
        let mut timeouts = Timeouts::default();
        self.genl.one(GET_CONFIG, &mut |_| (), &mut |part| {
            for (kind, payload) in part.attributes {
                let seconds = number(payload).unwrap_or(0);
                match kind {
                    TIMEOUT_TCP => timeouts.tcp = seconds,
                    TIMEOUT_TCP_FIN => timeouts.tcp_fin = seconds,
                    TIMEOUT_UDP => timeouts.udp = seconds,
                    _ => {}
                }
            }
        })?;
        Ok(timeouts)
    }

    /// What the kernel says of its IPVS.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn info(&mut self) -> io::Result<Info> {
        let mut info = Info::default();
        self.genl.one(GET_INFO, &mut |_| (), &mut |part| {
            for (kind, payload) in part.attributes {
                match kind {
                    INFO_VERSION => info.version = number(payload).unwrap_or(0),
                    INFO_TABLE_SIZE => info.table_size = number(payload).unwrap_or(0),
                    _ => {}
                }
            }
        })?;
        Ok(info)
    }

    /// Appends a message of one nest.
    fn append(
        &mut self,
        tag: u32,
        command: u8,
        kind: u16,
        put: &mut dyn FnMut(&mut Requests),
    ) -> Result<(), Full> {
        self.genl.append(tag, command, &mut |request| request.nest(NESTED | kind, |nest| put(nest)))
    }

    /// Appends a message about a destination of a service.
    fn append_of(
        &mut self,
        tag: u32,
        command: u8,
        service: &ServiceKey,
        put: &mut dyn FnMut(&mut Requests),
    ) -> Result<(), Full> {
        self.genl.append(tag, command, &mut |request| {
            request.nest(NESTED | SERVICE, |nest| service::put_key(service, nest));
            request.nest(NESTED | DESTINATION, |nest| put(nest));
        })
    }
}

/// The nest of this kind in a message of this command.
fn nest(part: Part<'_>, command: u8, kind: u16) -> Option<Attributes<'_>> {
    let mut attributes = part.attributes;
    let (_, payload) = attributes.find(|(number, _)| *number == kind && part.command == command)?;
    Some(Attributes(payload))
}

/// A union nf_inet_addr.
fn address_octets(addr: &IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V6(v6) => v6.octets(),
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
    }
}

/// A number of 16 bits in the machine's byte order.
fn short(payload: &[u8]) -> Option<u16> {
    payload.first_chunk().copied().map(u16::from_ne_bytes)
}

/// A port.
fn port(payload: &[u8]) -> Option<u16> {
    payload.first_chunk().copied().map(u16::from_be_bytes)
}

/// IPVS_GENL_NAME.
const FAMILY: &str = "IPVS";
/// IPVS_GENL_VERSION.
const VERSION: u8 = 1;
/// Octets of the longest message, a destination: 20 of headers, 48 of a service's key, 112 of its own.
const MESSAGE_OCTETS: usize = 192;

// IPVS_CMD_ numbers.
const NEW_SERVICE: u8 = 1;
const SET_SERVICE: u8 = 2;
const DELETE_SERVICE: u8 = 3;
const GET_SERVICE: u8 = 4;
const NEW_DESTINATION: u8 = 5;
const SET_DESTINATION: u8 = 6;
const DELETE_DESTINATION: u8 = 7;
const GET_DESTINATION: u8 = 8;
const NEW_DAEMON: u8 = 9;
const DELETE_DAEMON: u8 = 10;
const GET_DAEMON: u8 = 11;
const SET_CONFIG: u8 = 12;
const GET_CONFIG: u8 = 13;
const GET_INFO: u8 = 15;
const ZERO: u8 = 16;
const FLUSH: u8 = 17;

/// NLA_F_NESTED.
const NESTED: u16 = 0x8000;
// IPVS_CMD_ATTR_ numbers.
const SERVICE: u16 = 1;
const DESTINATION: u16 = 2;
const DAEMON: u16 = 3;
const TIMEOUT_TCP: u16 = 4;
const TIMEOUT_TCP_FIN: u16 = 5;
const TIMEOUT_UDP: u16 = 6;
// IPVS_INFO_ATTR_ numbers.
const INFO_VERSION: u16 = 1;
const INFO_TABLE_SIZE: u16 = 2;

#[cfg(test)]
mod tests;
