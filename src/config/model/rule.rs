//! A policy rule, static or moved with mastership: what iproute2's `ip rule add` takes.

use super::route::ORIGIN;
use super::{At, Named};
use crate::base::addr::{Family, Prefix};
use crate::base::id::TrackGroupId;
use crate::base::rule::Action;

/// One rule. Numbers are the kernel's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands.
    pub at: At,
    /// IPv4 or IPv6.
    pub family: Family,
    /// `not`: holds for what does not match.
    pub invert: bool,
    /// `from`; none: any.
    pub from: Option<Prefix>,
    /// `to`; none: any.
    pub to: Option<Prefix>,
    /// `preference`; where none is written, counted down from 16384 for each family.
    pub preference: u32,
    /// `tos`
    pub tos: Option<u8>,
    /// `fwmark` and its mask.
    pub mark: Option<(u32, Option<u32>)>,
    /// `iif`
    pub input: Option<Named>,
    /// `oif`
    pub output: Option<Named>,
    /// `tunnel-id`
    pub tunnel: Option<u64>,
    /// `uidrange`: first and last.
    pub users: Option<(u32, u32)>,
    /// `ipproto`
    pub transport: Option<u8>,
    /// `sport`: first and last.
    pub source_ports: Option<(u16, u16)>,
    /// `dport`: first and last.
    pub destination_ports: Option<(u16, u16)>,
    /// What happens to what matches.
    pub action: Action,
    /// `realms`: source in the upper, destination in the lower half; IPv4, with a table.
    pub realms: Option<u32>,
    /// `suppress_prefixlength`, with a table.
    pub suppress_length: Option<u32>,
    /// `suppress_ifgroup`, with a table.
    pub suppress_group: Option<u32>,
    /// `protocol`
    pub origin: u8,
    /// `no_track`: the loss of the rule changes nothing.
    pub no_track: bool,
    /// `track_group` of a static rule.
    pub track_group: Option<TrackGroupId>,
}

impl Rule {
    /// A rule of IPv4 for every packet that does nothing yet.
    #[must_use]
    pub const fn new(at: At) -> Self {
        Self {
            at,
            family: Family::V4,
            invert: false,
            from: None,
            to: None,
            preference: 0,
            tos: None,
            mark: None,
            input: None,
            output: None,
            tunnel: None,
            users: None,
            transport: None,
            source_ports: None,
            destination_ports: None,
            action: Action::Nothing,
            realms: None,
            suppress_length: None,
            suppress_group: None,
            origin: ORIGIN,
            no_track: false,
            track_group: None,
        }
    }
}
