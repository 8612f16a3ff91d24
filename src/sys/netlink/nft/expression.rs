//! What rules are made of: each loads something into a register, compares it, or decides.
//!
//! A register has 16 octets; what is loaded into [`FIRST`] and [`SECOND`] is looked up together where a set has both.

use super::{DATA_VALUE, LIST_ELEMENT, NESTED, put_text};
use crate::sys::netlink::message::Requests;

/// The first register.
pub const FIRST: u32 = 1;
/// The one after it.
pub const SECOND: u32 = 2;

/// One step of a rule. The first one that does not match ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expression<'a> {
    /// Loads octets of the packet, counted from the IP header, into [`FIRST`].
    Network {
        /// Where they begin.
        offset: u32,
        /// How many there are.
        octets: u32,
    },
    /// Loads the first octet behind all IP headers into [`FIRST`].
    TransportType,
    /// Loads the number of the protocol behind all IP headers into [`FIRST`].
    TransportProtocol,
    /// Loads the number of the interface into a register.
    Interface(Way, u32),
    /// Loads the name of the interface into a register.
    InterfaceName(Way, u32),
    /// Loads the kind of the interface, as in `ip -d link`, into [`FIRST`]: 16 octets, filled with zeros. Since Linux 5.0.
    InterfaceKind(Way),
    /// [`FIRST`] keeps the bits of the mask.
    Mask([u8; 16]),
    /// [`FIRST`] must be this.
    Is(&'a [u8]),
    /// [`FIRST`] must be in a set.
    In(&'a str),
    /// [`SECOND`] must be in a map, and becomes what is found there.
    Map(&'a str),
    /// A copy is sent to the address in [`FIRST`], by the interface in [`SECOND`].
    Duplicate,
    /// Counts what gets here.
    Count,
    /// What becomes of the packet.
    Decide(Verdict<'a>),
}

/// Which interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The one that the packet came in by.
    In,
    /// The one that it leaves by.
    Out,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is dropped.
    Drop,
    /// It passes this chain.
    Accept,
    /// Another chain decides.
    Goto(&'a str),
}

impl Expression<'_> {
    /// Appends it to the expressions of a rule.
    pub(super) fn put(&self, list: &mut Requests) {
        match *self {
            Self::Network { offset, octets } => load(list, NETWORK_HEADER, offset, octets),
            Self::TransportType => load(list, TRANSPORT_HEADER, 0, 1),
            Self::TransportProtocol => meta(list, META_PROTOCOL, FIRST),
            Self::Interface(way, register) => {
                meta(list, if way == Way::In { META_IN } else { META_OUT }, register);
            }
            Self::InterfaceName(way, register) => {
                meta(list, if way == Way::In { META_IN_NAME } else { META_OUT_NAME }, register);
            }
            Self::InterfaceKind(way) => {
                meta(list, if way == Way::In { META_IN_KIND } else { META_OUT_KIND }, FIRST);
            }
            Self::Mask(mask) => expression(list, "bitwise", |data| {
                number(data, 1, FIRST);
                number(data, 2, FIRST);
                number(data, 3, 16);
                value(data, 4, &mask);
                value(data, 5, &[0; 16]);
            }),
            Self::Is(wanted) => expression(list, "cmp", |data| {
                number(data, 1, FIRST);
                number(data, 2, EQUAL);
                value(data, 3, wanted);
            }),
            Self::In(set) => expression(list, "lookup", |data| {
                put_text(data, 1, set);
                number(data, 2, FIRST);
            }),
            Self::Map(map) => expression(list, "lookup", |data| {
                put_text(data, 1, map);
                number(data, 2, SECOND);
                number(data, 3, SECOND);
            }),
            Self::Duplicate => expression(list, "dup", |data| {
                number(data, 1, FIRST);
                number(data, 2, SECOND);
            }),
            Self::Count => expression(list, "counter", |data| {
                data.attribute(1_u16, &0_u64.to_be_bytes());
                data.attribute(2_u16, &0_u64.to_be_bytes());
            }),
            Self::Decide(verdict) => expression(list, "immediate", |data| {
                number(data, 1, VERDICT_REGISTER);
                data.nest(NESTED | 2, |nest| {
                    nest.nest(NESTED | DATA_VERDICT, |nest| put_verdict(nest, verdict));
                });
            }),
        }
    }
}

fn put_verdict(nest: &mut Requests, verdict: Verdict<'_>) {
    let code: i32 = match verdict {
        Verdict::Drop => 0,
        Verdict::Accept => 1,
        Verdict::Goto(_) => GOTO,
    };
    nest.attribute(1_u16, &code.to_be_bytes());
    if let Verdict::Goto(chain) = verdict {
        put_text(nest, 2, chain);
    }
}

fn load(list: &mut Requests, base: u32, offset: u32, octets: u32) {
    expression(list, "payload", |data| {
        number(data, 1, FIRST);
        number(data, 2, base);
        number(data, 3, offset);
        number(data, 4, octets);
    });
}

fn meta(list: &mut Requests, key: u32, register: u32) {
    expression(list, "meta", |data| {
        number(data, 1, register);
        number(data, 2, key);
    });
}

fn expression(list: &mut Requests, name: &str, inner: impl FnOnce(&mut Requests)) {
    list.nest(NESTED | LIST_ELEMENT, |element| {
        put_text(element, 1, name);
        element.nest(NESTED | 2, inner);
    });
}

fn number(request: &mut Requests, kind: u16, number: u32) {
    request.attribute(kind, &number.to_be_bytes());
}

fn value(request: &mut Requests, kind: u16, octets: &[u8]) {
    request.nest(NESTED | kind, |data| data.attribute(DATA_VALUE, octets));
}

const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const EQUAL: u32 = 0;
const VERDICT_REGISTER: u32 = 0;
const DATA_VERDICT: u16 = 2;
const GOTO: i32 = -4;
const META_IN: u32 = 4;
const META_OUT: u32 = 5;
const META_IN_NAME: u32 = 6;
const META_OUT_NAME: u32 = 7;
const META_PROTOCOL: u32 = 16;
const META_IN_KIND: u32 = 26;
const META_OUT_KIND: u32 = 27;
