//! Routes as the kernel lists them and tells of their loss.

use core::fmt;
use std::io;

use neli::consts::rtnl::{Rta, Rtm};

use super::command::{Commands, Full};
use super::family::{family_number, family_of, ip};
use super::message::{Attributes, number};
use super::route::{Route, Way, Which, show};
use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::id::IfIndex;

/// What the kernel tells of a route: enough to recognise and to delete it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// IPv4 or IPv6.
    pub family: Family,
    /// RTN_ number.
    pub kind: u8,
    /// The routing table.
    pub table: u32,
    /// RTPROT_ number.
    pub origin: u8,
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
    /// Link, if it has one way; 0 is none.
    pub interface: IfIndex,
    /// Gateway, if it has one way.
    pub via: Option<IpAddr>,
}

impl Seen {
    /// The value that the payload of an RTM_NEWROUTE or RTM_DELROUTE carries; `None` for other families than the
    /// Internet's, for entries of the cache and for what makes no sense.
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let (&[family, length, from_length, tos, table, origin, scope, kind], rest) =
            payload.split_first_chunk()?;
        let (flags, attributes) = rest.split_first_chunk()?;
        let family = family_of(family)?;
        if u32::from_ne_bytes(*flags) & RTM_F_CLONED != 0 {
            return None;
        }
        let mut seen = Self {
            family,
            kind,
            table: u32::from(table),
            origin,
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
                Rta::Table => seen.table = number(payload).unwrap_or(seen.table),
                Rta::Priority => seen.metric = number(payload).unwrap_or(0),
                Rta::Oif => seen.interface = IfIndex(number(payload).unwrap_or(0)),
                Rta::Gateway => seen.via = ip(family, payload),
                _ => {}
            }
        }
        let prefix = |addr: Option<IpAddr>, len: u8| {
            addr.filter(|_| len > 0).map(|addr| Prefix { addr, len: len.min(family.max_prefix()) })
        };
        seen.destination = prefix(destination, length);
        seen.from = prefix(from, from_length);
        Some(seen)
    }

    /// A route that a request to delete takes for this one.
    fn route(&self) -> Route {
        let way = Way { via: self.via, interface: self.interface, ..Way::default() };
        // What leads nowhere shows the loopback link over IPv6, which a request must not name.
        let leads = self.kind == libc::RTN_UNICAST && way != Way::default();
        Route {
            family: self.family,
            kind: self.kind,
            table: self.table,
            origin: self.origin,
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
            ways: if leads { vec![way] } else { Vec::new() },
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.family, self.destination, self.table, self.metric)
    }
}

impl Route {
    /// Whether what the kernel tells of is this route. One of several ways of it counts as the whole.
    #[must_use]
    pub fn is(&self, seen: &Seen) -> bool {
        let own_way = |way: &Way| {
            (way.interface == IfIndex(0) || way.interface == seen.interface) && way.via == seen.via
        };
        let whole = seen.interface == IfIndex(0) && seen.via.is_none();
        self.has_place_of(seen)
            && self.kind == seen.kind
            && self.origin == seen.origin
            // The kernel does not keep it for IPv6.
            && (self.family == Family::V6 || self.scope == seen.scope)
            && (self.ways.is_empty() || whole || self.ways.iter().any(own_way))
    }

    /// Whether what the kernel tells of has this route's place in the tables: one of them is put instead of the other.
    #[must_use]
    pub fn has_place_of(&self, seen: &Seen) -> bool {
        self.family == seen.family
            && self.table == seen.table
            && self.destination == seen.destination
            && self.from == seen.from
            && self.metric_held() == seen.metric
            // The kernel does not keep it for IPv6.
            && (self.family == Family::V6 || self.tos == seen.tos)
    }
}

impl Commands {
    /// Asks to delete a route that was listed.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn delete_seen_route(&mut self, tag: u32, seen: &Seen) -> Result<(), Full> {
        self.delete_route(tag, &seen.route(), Which::Exactly)
    }

    /// Lists the routes of one origin, of all tables and both families, into `out`, which is emptied first. The
    /// kernel picks them out itself (since Linux 4.20), so that millions of others cost nothing here.
    ///
    /// # Errors
    /// As for [`Commands::addresses`].
    pub fn routes(&mut self, origin: u8, out: &mut Vec<Seen>) -> io::Result<()> {
        out.clear();
        self.set_strict(true);
        let mut listed = Ok(());
        for family in [Family::V4, Family::V6] {
            let start = out.len();
            let mut fixed = [0; 12];
            fixed[0] = family_number(family);
            fixed[5] = origin;
            listed = listed.and(self.dump(Rtm::Getroute, fixed, |_| (), &mut |message| match message {
                None => out.truncate(start),
                Some(message) if Rtm::from(message.kind) == Rtm::Newroute => {
                    out.extend(Seen::decode(message.payload).filter(|seen| seen.origin == origin));
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
