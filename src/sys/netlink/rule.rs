//! Policy rules: as values, added, deleted and listed.

use core::fmt;
use std::io;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Frattr, Rtm};

use super::command::{Commands, Full};
use super::family::{family_number, family_of, ip, put_ip};
use super::message::{Attributes, Requests, number, octet, text};
use crate::base::addr::{Family, Prefix};
use crate::base::name::IfName;
use crate::base::rule::Action;

/// One policy rule. Numbers are the kernel's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The rule is for packets that do not match.
    pub invert: bool,
    /// Source without host bits; none is any.
    pub from: Option<Prefix>,
    /// Destination without host bits; none is any.
    pub to: Option<Prefix>,
    /// Rules of lower preference come first.
    pub preference: u32,
    /// Type of service; 0 is any.
    pub tos: u8,
    /// Firewall mark and mask.
    pub mark: Option<(u32, u32)>,
    /// Input interface.
    pub input: Option<IfName>,
    /// Output interface.
    pub output: Option<IfName>,
    /// Tunnel id.
    pub tunnel: Option<u64>,
    /// First and last user id.
    pub users: Option<(u32, u32)>,
    /// Transport protocol.
    pub transport: Option<u8>,
    /// First and last source port.
    pub source_ports: Option<(u16, u16)>,
    /// First and last destination port.
    pub destination_ports: Option<(u16, u16)>,
    /// What is done with packets that match.
    pub action: Action,
    /// Realms of source (upper half) and destination; IPv4.
    pub realms: Option<u32>,
    /// Routes with a prefix of at most this length do not count.
    pub suppress_length: Option<u32>,
    /// Routes by links of this group do not count.
    pub suppress_group: Option<u32>,
    /// RTPROT_ number: which program made the rule.
    pub protocol: u8,
}

impl Rule {
    /// Whether the kernel may take one of two rules for the other: it does not compare what a request does not name.
    #[must_use]
    pub fn may_be_taken_for(&self, other: &Self) -> bool {
        fn alike<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        let tos = |rule: &Self| (rule.tos != 0).then_some(rule.tos);
        (self.family, self.preference, self.action) == (other.family, other.preference, other.action)
            && alike(self.from, other.from)
            && alike(self.to, other.to)
            && alike(tos(self), tos(other))
            && alike(self.mark, other.mark)
            && alike(self.input.as_ref(), other.input.as_ref())
            && alike(self.output.as_ref(), other.output.as_ref())
            && alike(self.tunnel, other.tunnel)
            && alike(self.users, other.users)
            && alike(self.transport, other.transport)
            && alike(self.source_ports, other.source_ports)
            && alike(self.destination_ports, other.destination_ports)
            && alike(self.realms, other.realms)
            && alike(self.suppress_length, other.suppress_length)
            && alike(self.suppress_group, other.suppress_group)
    }

    /// A rule for every packet, of protocol 0 and preference 0.
    #[must_use]
    pub const fn new(family: Family, action: Action) -> Self {
        Self {
            family,
            invert: false,
            from: None,
            to: None,
            preference: 0,
            tos: 0,
            mark: None,
            input: None,
            output: None,
            tunnel: None,
            users: None,
            transport: None,
            source_ports: None,
            destination_ports: None,
            action,
            realms: None,
            suppress_length: None,
            suppress_group: None,
            protocol: 0,
        }
    }

    /// The value that the payload of an RTM_NEWRULE or RTM_DELRULE carries; `None` for other families than the
    /// Internet's and for what makes no sense.
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let (&[family, to_length, from_length, tos, table, _, _, action], rest) =
            payload.split_first_chunk()?;
        let (flags, attributes) = rest.split_first_chunk()?;
        let family = family_of(family)?;
        let mut rule = Self {
            invert: u32::from_ne_bytes(*flags) & FIB_RULE_INVERT != 0,
            tos,
            ..Self::new(family, Action::Nothing)
        };
        let (mut from, mut to) = (None, None);
        let (mut table, mut target, mut master) = (u32::from(table), 0, false);
        let (mut mark, mut mask) = (0, None);
        for (kind, payload) in Attributes(attributes) {
            match Frattr::from(kind) {
                Frattr::Dst => to = ip(family, payload),
                Frattr::Src => from = ip(family, payload),
                Frattr::Iifname | Frattr::Ifname => rule.input = text(payload).and_then(IfName::new),
                Frattr::Oifname => rule.output = text(payload).and_then(IfName::new),
                Frattr::Goto => target = number(payload).unwrap_or(0),
                Frattr::Priority => rule.preference = number(payload).unwrap_or(0),
                Frattr::Fwmark => mark = number(payload).unwrap_or(0),
                Frattr::Fwmask => mask = number(payload),
                Frattr::Flow => rule.realms = number(payload),
                Frattr::TunId => rule.tunnel = payload.first_chunk().copied().map(u64::from_be_bytes),
                Frattr::SuppressIfgroup => rule.suppress_group = number(payload).filter(|it| *it != UNSET),
                Frattr::SuppressPrefixlen => {
                    rule.suppress_length = number(payload).filter(|it| *it != UNSET);
                }
                Frattr::Table => table = number(payload).unwrap_or(table),
                Frattr::L3mdev => master = octet(payload).is_some_and(|on| on != 0),
                Frattr::UidRange => rule.users = number(payload).zip(payload.get(4..).and_then(number)),
                Frattr::Protocol => rule.protocol = octet(payload).unwrap_or(0),
                Frattr::IpProto => rule.transport = octet(payload).filter(|transport| *transport != 0),
                Frattr::SportRange => rule.source_ports = ports(payload),
                Frattr::DportRange => rule.destination_ports = ports(payload),
                _ => {}
            }
        }
        let prefix = |addr: Option<_>, len: u8| {
            addr.filter(|_| len > 0).map(|addr| Prefix { addr, len: len.min(family.max_prefix()) })
        };
        rule.from = prefix(from, from_length);
        rule.to = prefix(to, to_length);
        rule.mark = (mark != 0 || mask.is_some()).then(|| (mark, mask.unwrap_or(u32::MAX)));
        rule.action = match action {
            1 if master => Action::MasterDevice,
            1 => Action::Table(table),
            2 => Action::Goto(target),
            3 => Action::Nothing,
            6 => Action::Blackhole,
            7 => Action::Unreachable,
            8 => Action::Prohibit,
            _ => return None,
        };
        Some(rule)
    }

    /// struct fib_rule_hdr: family, prefix lengths, type of service, table, two unused, action, flags.
    fn fixed(&self) -> [u8; 12] {
        let len = |prefix: Option<Prefix>| prefix.map_or(0, |prefix| prefix.len);
        let table = match self.action {
            Action::Table(table) => u8::try_from(table).unwrap_or(0),
            _ => 0,
        };
        let flags = if self.invert { FIB_RULE_INVERT } else { 0 };
        let [f0, f1, f2, f3] = flags.to_ne_bytes();
        [
            family_number(self.family),
            len(self.to),
            len(self.from),
            self.tos,
            table,
            0,
            0,
            self.action.number(),
            f0,
            f1,
            f2,
            f3,
        ]
    }

    fn put(&self, request: &mut Requests) {
        let put = |request: &mut Requests, kind: Frattr, value: Option<u32>| {
            if let Some(value) = value {
                request.attribute(kind, &value.to_ne_bytes());
            }
        };
        if let Some(from) = self.from {
            put_ip(request, Frattr::Src, &from.addr);
        }
        if let Some(to) = self.to {
            put_ip(request, Frattr::Dst, &to.addr);
        }
        put(request, Frattr::Priority, Some(self.preference));
        if let Some((mark, mask)) = self.mark {
            put(request, Frattr::Fwmark, Some(mark));
            put(request, Frattr::Fwmask, Some(mask).filter(|mask| *mask != u32::MAX));
        }
        if let Some(name) = &self.input {
            request.text(Frattr::Iifname, name.as_str());
        }
        if let Some(name) = &self.output {
            request.text(Frattr::Oifname, name.as_str());
        }
        if let Some(id) = self.tunnel {
            request.attribute(Frattr::TunId, &id.to_be_bytes());
        }
        if let Some((first, last)) = self.users {
            let (first, last) = (first.to_ne_bytes(), last.to_ne_bytes());
            let mut range = [0; 8];
            let (front, back) = range.split_at_mut(4);
            front.copy_from_slice(&first);
            back.copy_from_slice(&last);
            request.attribute(Frattr::UidRange, &range);
        }
        if let Some(transport) = self.transport {
            request.attribute(Frattr::IpProto, &[transport]);
        }
        put_ports(request, Frattr::SportRange, self.source_ports);
        put_ports(request, Frattr::DportRange, self.destination_ports);
        match self.action {
            Action::Table(table) if table > u32::from(u8::MAX) => put(request, Frattr::Table, Some(table)),
            Action::Goto(target) => put(request, Frattr::Goto, Some(target)),
            Action::MasterDevice => request.attribute(Frattr::L3mdev, &[1]),
            _ => {}
        }
        put(request, Frattr::Flow, self.realms);
        put(request, Frattr::SuppressPrefixlen, self.suppress_length);
        put(request, Frattr::SuppressIfgroup, self.suppress_group);
        request.attribute(Frattr::Protocol, &[self.protocol]);
    }
}

/// `rule 501 from 10.60.0.0/24`
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}", self.preference)?;
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        if let Some(to) = self.to {
            write!(f, " to {to}")?;
        }
        Ok(())
    }
}

impl Commands {
    /// Asks to add a rule. Refused with EEXIST if exactly this rule is there.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn add_rule(&mut self, tag: u32, rule: &Rule) -> Result<(), Full> {
        let flags = NlmF::CREATE | NlmF::EXCL;
        self.append(tag, Rtm::Newrule, flags, rule.fixed(), |request| rule.put(request))
    }

    /// Asks to delete a rule. Refused with ENOENT if there is none.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn delete_rule(&mut self, tag: u32, rule: &Rule) -> Result<(), Full> {
        self.append(tag, Rtm::Delrule, NlmF::empty(), rule.fixed(), |request| rule.put(request))
    }

    /// Lists the rules of both families into `out`, which is emptied first.
    ///
    /// # Errors
    /// As for [`Commands::addresses`].
    pub fn rules(&mut self, out: &mut Vec<Rule>) -> io::Result<()> {
        out.clear();
        for family in [Family::V4, Family::V6] {
            let start = out.len();
            let mut fixed = [0; 12];
            fixed[0] = family_number(family);
            let listed = self.dump(Rtm::Getrule, fixed, |_| (), &mut |message| match message {
                None => out.truncate(start),
                Some(message) if Rtm::from(message.kind) == Rtm::Newrule => {
                    out.extend(Rule::decode(message.payload));
                }
                Some(_) => {}
            });
            match listed {
                // A kernel without rules of this family lists none.
                Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
                other => other?,
            }
        }
        Ok(())
    }
}

fn put_ports(request: &mut Requests, kind: Frattr, range: Option<(u16, u16)>) {
    if let Some((first, last)) = range {
        let ([a, b], [c, d]) = (first.to_ne_bytes(), last.to_ne_bytes());
        request.attribute(kind, &[a, b, c, d]);
    }
}

/// First and last port; both zero is none.
fn ports(payload: &[u8]) -> Option<(u16, u16)> {
    let &[a, b, c, d] = payload.first_chunk()?;
    Some((u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]))).filter(|range| *range != (0, 0))
}

/// The value of a number that is not set.
const UNSET: u32 = u32::MAX;
const FIB_RULE_INVERT: u32 = 2;

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
