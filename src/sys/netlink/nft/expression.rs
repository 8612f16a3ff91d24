//! Expressions of rules: each loads something into a register, compares a register, or gives a verdict.
//!
//! A register has 16 octets. Where the elements of a set have two parts, [`FIRST`] and [`SECOND`] are looked up together;
//! behind a part of four octets the second one lies in [`AFTER_FOUR`].

use super::{DATA_VALUE, LIST_ELEMENT, NESTED, put_text};
use crate::sys::netlink::message::Requests;

/// The first register.
pub const FIRST: u32 = 1;
/// The one after it.
pub const SECOND: u32 = 2;
/// The last 12 octets of the first one.
pub const AFTER_FOUR: u32 = 9;

/// An expression of a rule, by nft's name. The first one that does not match ends the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expression<'a> {
    /// Loads octets of the packet, counted from the network header, into [`FIRST`].
    Payload {
        /// Where they begin.
        offset: u32,
        /// How many there are.
        octets: u32,
    },
    /// Loads the first octet behind all IP headers into [`FIRST`].
    TransportType,
    /// Loads the number of the protocol behind all IP headers into [`FIRST`].
    L4Proto,
    /// Loads the index of the interface into a register.
    Interface(Direction, u32),
    /// Loads the name of the interface into a register.
    InterfaceName(Direction, u32),
    /// Loads the kind of the interface, as in `ip -d link`, into [`FIRST`]: 16 octets, filled with zeros. Since Linux 5.0.
    InterfaceKind(Direction),
    /// Keeps those bits of [`FIRST`] that the mask has.
    Bitwise([u8; 16]),
    /// Matches if [`FIRST`] is this.
    Compare(&'a [u8]),
    /// Matches if [`FIRST`] is in a set.
    Lookup(&'a str),
    /// Loads the destination port of TCP, UDP or SCTP into a register.
    DestinationPort(u32),
    /// Matches if the register is in a map, and loads what the map has for it into the same register.
    LookupMap(&'a str, u32),
    /// Gives the packet the mark that is in [`FIRST`].
    SetMark,
    /// Sends a copy of the packet to the address in [`FIRST`], by the interface in [`SECOND`].
    Dup,
    /// Counts the packets that reach it.
    Counter,
    /// Gives the verdict.
    Immediate(Verdict<'a>),
}

/// Which interface of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The input interface.
    In,
    /// The output interface.
    Out,
}

/// The verdict on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// The packet is dropped.
    Drop,
    /// The packet passes this chain.
    Accept,
    /// Another chain decides.
    Goto(&'a str),
    /// The rules that follow do not see the packet; in a base chain it passes.
    Return,
}

impl Expression<'_> {
    /// Appends the expression to those of a rule.
    pub(super) fn put(&self, list: &mut Requests) {
        match *self {
            Self::Payload { offset, octets } => load(list, FIRST, NETWORK_HEADER, offset, octets),
            Self::TransportType => load(list, FIRST, TRANSPORT_HEADER, 0, 1),
            Self::DestinationPort(register) => load(list, register, TRANSPORT_HEADER, 2, 2),
            Self::L4Proto => meta(list, META_PROTOCOL, FIRST),
            Self::Interface(direction, register) => {
                meta(list, if direction == Direction::In { META_IN } else { META_OUT }, register);
            }
            Self::InterfaceName(direction, register) => {
                meta(list, if direction == Direction::In { META_IN_NAME } else { META_OUT_NAME }, register);
            }
            Self::InterfaceKind(direction) => {
                meta(list, if direction == Direction::In { META_IN_KIND } else { META_OUT_KIND }, FIRST);
            }
            Self::Bitwise(mask) => expression(list, "bitwise", |data| {
                number(data, 1, FIRST);
                number(data, 2, FIRST);
                number(data, 3, 16);
                value(data, 4, &mask);
                value(data, 5, &[0; 16]);
            }),
            Self::Compare(wanted) => expression(list, "cmp", |data| {
                number(data, 1, FIRST);
                number(data, 2, EQUAL);
                value(data, 3, wanted);
            }),
            Self::Lookup(set) => expression(list, "lookup", |data| {
                put_text(data, 1, set);
                number(data, 2, FIRST);
            }),
            Self::LookupMap(map, register) => expression(list, "lookup", |data| {
                put_text(data, 1, map);
                number(data, 2, register);
                number(data, 3, register);
            }),
            Self::SetMark => expression(list, "meta", |data| {
                number(data, 2, META_MARK);
                number(data, 3, FIRST);
            }),
            Self::Dup => expression(list, "dup", |data| {
                number(data, 1, FIRST);
                number(data, 2, SECOND);
            }),
            Self::Counter => list.nest(NESTED | LIST_ELEMENT, put_counter),
            Self::Immediate(verdict) => expression(list, "immediate", |data| {
                number(data, 1, VERDICT_REGISTER);
                data.nest(NESTED | 2, |nest| {
                    nest.nest(NESTED | DATA_VERDICT, |nest| put_verdict(nest, verdict));
                });
            }),
        }
    }
}

/// Puts the counter that a set has for each of its elements, or that a rule has.
pub(super) fn put_counter(element: &mut Requests) {
    put_text(element, 1, "counter");
    element.nest(NESTED | 2, |data| {
        data.attribute(1_u16, &0_u64.to_be_bytes());
        data.attribute(2_u16, &0_u64.to_be_bytes());
    });
}

fn put_verdict(nest: &mut Requests, verdict: Verdict<'_>) {
    let code: i32 = match verdict {
        Verdict::Drop => 0,
        Verdict::Accept => 1,
        Verdict::Goto(_) => GOTO,
        Verdict::Return => RETURN,
    };
    nest.attribute(1_u16, &code.to_be_bytes());
    if let Verdict::Goto(chain) = verdict {
        put_text(nest, 2, chain);
    }
}

fn load(list: &mut Requests, register: u32, base: u32, offset: u32, octets: u32) {
    expression(list, "payload", |data| {
        number(data, 1, register);
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
const RETURN: i32 = -5;
const META_MARK: u32 = 3;
const META_IN: u32 = 4;
const META_OUT: u32 = 5;
const META_IN_NAME: u32 = 6;
const META_OUT_NAME: u32 = 7;
const META_PROTOCOL: u32 = 16;
const META_IN_KIND: u32 = 26;
const META_OUT_KIND: u32 = 27;
