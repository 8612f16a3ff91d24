//! Routes as the kernel lists them and as its notifications have them.

use core::fmt;
use std::io;

use neli::consts::rtnl::{Rta, Rtm};

use super::command::{Commands, Full};
use super::family::{family_number, family_of, ip};
use super::message::{Attributes, number};
use super::route::{NextHop, Route, Which, show};
use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::id::IfIndex;

/// A route of the kernel's: enough of it to recognise and to delete it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelRoute {
    /// IPv4 or IPv6.
    pub family: Family,
    /// RTN_ number.
    pub kind: u8,
    /// The routing table.
    pub table: u32,
    /// RTPROT_ number.
    pub protocol: u8,
    /// RT_SCOPE_ number.
    pub scope: u8,
    /// Type of service.
    pub tos: u8,
    /// Destination; none is the default route.
    pub destination: Option<Prefix>,
    /// Source prefix.
    pub from: Option<Prefix>,
    /// Metric.
    pub metric: u32,
    /// Link, if the route has one next hop; 0 is none.
    pub interface: IfIndex,
    /// Gateway, if the route has one next hop.
    pub via: Option<IpAddr>,
}

impl KernelRoute {
    /// The value that the payload of an RTM_NEWROUTE or RTM_DELROUTE carries; `None` for other families than the
    /// Internet's, for entries of the cache and for what makes no sense.
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let (&[family, length, from_length, tos, table, protocol, scope, kind], rest) =
            payload.split_first_chunk()?;
        let (flags, attributes) = rest.split_first_chunk()?;
        let family = family_of(family)?;
        if u32::from_ne_bytes(*flags) & RTM_F_CLONED != 0 {
            return None;
        }
        let mut listed = Self {
            family,
            kind,
            table: u32::from(table),
            protocol,
            scope,
            tos,
            destination: None,
            from: None,
            metric: 0,
            interface: IfIndex(0),
            via: None,
        };
        let (mut destination, mut from) = (None, None);
        for (kind, payload) in Attributes(attributes) {
            match Rta::from(kind) {
                Rta::Dst => destination = ip(family, payload),
                Rta::Src => from = ip(family, payload),
                Rta::Table => listed.table = number(payload).unwrap_or(listed.table),
                Rta::Priority => listed.metric = number(payload).unwrap_or(0),
                Rta::Oif => listed.interface = IfIndex(number(payload).unwrap_or(0)),
                Rta::Gateway => listed.via = ip(family, payload),
                _ => {}
            }
        }
        let prefix = |addr: Option<IpAddr>, len: u8| {
            addr.filter(|_| len > 0).map(|addr| Prefix { addr, len: len.min(family.max_prefix()) })
        };
        listed.destination = prefix(destination, length);
        listed.from = prefix(from, from_length);
        Some(listed)
    }

    /// This route as a request to delete it has to name it.
    fn route(&self) -> Route {
        let hop = NextHop { via: self.via, interface: self.interface, ..NextHop::default() };
        // An IPv6 route of another type than unicast shows the loopback link, which a request must not name.
        let leads = self.kind == libc::RTN_UNICAST && hop != NextHop::default();
        Route {
            family: self.family,
            kind: self.kind,
            table: self.table,
            protocol: self.protocol,
            scope: self.scope,
            tos: self.tos,
            destination: self.destination,
            from: self.from,
            source: None,
            metric: Some(self.metric),
            expires: None,
            metrics: Vec::new(),
            locks: 0,
            congestion: None,
            realms: None,
            preference: None,
            ttl_propagate: None,
            next_hops: if leads { vec![hop] } else { Vec::new() },
        }
    }
}

impl fmt::Display for KernelRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.family, self.destination, self.table, self.metric)
    }
}

impl Route {
    /// Whether the kernel's route is this one. One of several next hops counts as the whole route.
    #[must_use]
    pub fn is(&self, listed: &KernelRoute) -> bool {
        let own_hop = |hop: &NextHop| {
            (hop.interface == IfIndex(0) || hop.interface == listed.interface) && hop.via == listed.via
        };
        let whole = listed.interface == IfIndex(0) && listed.via.is_none();
        self.has_key_of(listed)
            && self.kind == listed.kind
            && self.protocol == listed.protocol
            // The kernel does not keep the scope of an IPv6 route.
            && (self.family == Family::V6 || self.scope == listed.scope)
            && (self.next_hops.is_empty() || whole || self.next_hops.iter().any(own_hop))
    }

    /// Whether the kernel's route has the key of this one: table, prefixes, metric and type of service. A request to
    /// replace puts one of them in place of the other.
    #[must_use]
    pub fn has_key_of(&self, listed: &KernelRoute) -> bool {
        self.family == listed.family
            && self.table == listed.table
            && self.destination == listed.destination
            && self.from == listed.from
            && self.kernel_metric() == listed.metric
            // The kernel does not keep the type of service of an IPv6 route.
            && (self.family == Family::V6 || self.tos == listed.tos)
    }
}

impl Commands {
    /// Asks to delete a route of the kernel's.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn delete_kernel_route(&mut self, tag: u32, listed: &KernelRoute) -> Result<(), Full> {
        self.delete_route(tag, &listed.route(), Which::Exactly)
    }

    /// Lists the routes of one protocol (RTPROT_), of all tables and both families, into `out`, which is emptied first.
    /// The kernel picks them out itself (since Linux 4.20), so that millions of other routes cost nothing here.
    ///
    /// # Errors
    /// As for [`Commands::addresses`].
    pub fn routes(&mut self, protocol: u8, out: &mut Vec<KernelRoute>) -> io::Result<()> {
        out.clear();
        self.set_strict(true);
        let mut listed = Ok(());
        for family in [Family::V4, Family::V6] {
            let start = out.len();
            let mut fixed = [0; 12];
            fixed[0] = family_number(family);
            fixed[5] = protocol;
            listed = listed.and(self.dump(Rtm::Getroute, fixed, |_| (), &mut |message| match message {
                None => out.truncate(start),
                Some(message) if Rtm::from(message.kind) == Rtm::Newroute => {
                    out.extend(
                        KernelRoute::decode(message.payload).filter(|listed| listed.protocol == protocol),
                    );
                }
                Some(_) => {}
            }));
        }
        self.set_strict(false);
        listed
    }
}

/// An entry of the cache, not of a table.
const RTM_F_CLONED: u32 = 0x200;
