//! nf_tables: tables, chains, sets and rules, changed in transactions.
//!
//! What is collected between [`Nft::begin`] and [`Nft::commit`] is one transaction of the kernel's, which is carried out as
//! a whole or not at all: no packet sees a half of it. [`expression`] has the parts of rules, [`set`] the sets that rules
//! look things up in; [`monitor`] receives notifications of what other programs delete.
//!
//! ```text
//! batch begin, message…, batch end;   message: nlmsghdr { subsystem << 8 | number }, { family u8, 0 u8, 0 u16 }
//! numbers inside attributes are big-endian, except for what a packet or a register is compared with
//! ```

pub mod expression;
pub mod monitor;
pub mod set;

use std::io;

use neli::consts::nl::NlmF;
use neli::consts::socket::NlFamily;
use nix::errno::Errno;

use super::batch::{Batch, Head};
use super::family::family_number;
use super::message::Requests;
use crate::base::addr::Family;
use crate::sys::outbox::errno_of;
pub use expression::{Expression, Verdict};
pub use set::{ELEMENT_OCTETS, Element, Kind, RANGE_OCTETS, Set};

/// A table, by its name and the family of packets that it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table<'a> {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Its name, at most 255 octets.
    pub name: &'a str,
}

/// Where a chain looks at packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Packets for this host (NF_INET_LOCAL_IN).
    In,
    /// Packets of this host (NF_INET_LOCAL_OUT).
    Out,
}

/// A socket for transactions, and the one being collected.
pub struct Nft {
    batch: Batch,
    /// Sets of the transaction.
    sets: u32,
    overflow: bool,
}

/// Why a transaction was refused, all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The kernel's number; EOPNOTSUPP: it has no nf_tables; EMSGSIZE: more than the buffer takes.
    pub errno: Errno,
    /// The kernel's explanation; often empty.
    pub text: heapless::String<96>,
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::new(errno_of(&error), "")
    }
}

impl Refused {
    fn new(errno: Errno, explanation: &str) -> Self {
        let mut text = heapless::String::new();
        for letter in explanation.chars() {
            if text.push(letter).is_err() {
                break;
            }
        }
        Self { errno, text }
    }
}

impl Nft {
    /// Opens a socket for transactions of at most `octets`.
    ///
    /// # Errors
    /// What the socket calls say; EPROTONOSUPPORT: the kernel has no netfilter.
    pub fn open(octets: usize) -> Result<Self, Refused> {
        let batch = Batch::open(NlFamily::Netfilter, 0, 0)?;
        let mut nft = Self { batch, sets: 0, overflow: false };
        nft.reserve(octets)?;
        Ok(nft)
    }

    /// Makes room for transactions of so many octets. For load time: allocates.
    ///
    /// # Errors
    /// What the socket says.
    pub fn reserve(&mut self, octets: usize) -> Result<(), Refused> {
        // A full message of elements is longer than this; the others of a transaction are few.
        let messages = octets.div_ceil(ELEMENTS_PER_MESSAGE * set::SHORTEST_ELEMENT);
        Ok(self.batch.reserve(messages.saturating_add(OTHER_MESSAGES), octets)?)
    }

    /// The port id of the socket, which notifications of what it asked for carry.
    #[must_use]
    pub fn port(&self) -> u32 {
        self.batch.transport().port()
    }

    /// Begins a transaction; one that was not committed is forgotten.
    pub fn begin(&mut self) {
        self.batch.clear();
        self.overflow = false;
        self.sets = 0;
        self.mark(libc::NFNL_MSG_BATCH_BEGIN);
    }

    /// Whether nothing is asked for since [`Self::begin`].
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.batch.len() <= 1 && !self.overflow
    }

    /// Adds a table; one that is there is left as it is.
    pub fn add_table(&mut self, table: Table<'_>) {
        self.message(libc::NFT_MSG_NEWTABLE, NlmF::CREATE, table.family, |request| {
            put_text(request, TABLE, table.name);
        });
    }

    /// Deletes a table with everything in it; refused with ENOENT if there is none.
    pub fn delete_table(&mut self, table: Table<'_>) {
        self.message(libc::NFT_MSG_DELTABLE, NlmF::empty(), table.family, |request| {
            put_text(request, TABLE, table.name);
        });
    }

    /// Adds a chain. A base chain has a hook and a priority: the kernel hands packets to it, those of lower priority
    /// first, and it accepts what no rule drops. A chain without them is the target of goto.
    pub fn add_chain(&mut self, table: Table<'_>, name: &str, base: Option<(Hook, i32)>) {
        self.message(libc::NFT_MSG_NEWCHAIN, NlmF::CREATE, table.family, |request| {
            put_text(request, TABLE, table.name);
            put_text(request, CHAIN_NAME, name);
            let Some((hook, priority)) = base else { return };
            let hook = match hook {
                Hook::In => libc::NF_INET_LOCAL_IN,
                Hook::Out => libc::NF_INET_LOCAL_OUT,
            };
            request.nest(NESTED | CHAIN_HOOK, |nest| {
                nest.attribute(HOOK_NUMBER, &hook.to_be_bytes());
                nest.attribute(HOOK_PRIORITY, &priority.to_be_bytes());
            });
            put_text(request, CHAIN_TYPE, "filter");
        });
    }

    /// Adds a set without elements.
    pub fn add_set(&mut self, table: Table<'_>, set: Set<'_>) {
        self.sets = self.sets.saturating_add(1);
        let id = self.sets;
        self.message(libc::NFT_MSG_NEWSET, NlmF::CREATE, table.family, |request| {
            let mut number = |kind: u16, value: u32| request.attribute(kind, &value.to_be_bytes());
            let constant = if set.is_constant { SET_CONSTANT } else { 0 };
            let map = if set.is_map { SET_MAP } else { 0 };
            let (kind, octets) = set.kind.shape();
            let ranges = if set.kind.ranges().is_some() { SET_INTERVAL | SET_CONCAT } else { 0 };
            number(SET_FLAGS, constant | map | ranges);
            number(SET_KEY_TYPE, kind);
            number(SET_KEY_OCTETS, octets);
            number(SET_ID, id);
            if set.is_map {
                number(SET_DATA_TYPE, set.kind.data());
                number(SET_DATA_OCTETS, 4);
            }
            if let Some(parts) = set.kind.ranges() {
                request.nest(NESTED | SET_DESCRIPTION, |description| {
                    description.nest(NESTED | SET_PARTS, |list| {
                        for octets in parts {
                            list.nest(NESTED | LIST_ELEMENT, |part| {
                                part.attribute(SET_PART_OCTETS, &octets.to_be_bytes());
                            });
                        }
                    });
                });
            }
            if set.counts {
                request.nest(NESTED | SET_EXPRESSION, expression::put_counter);
            }
            put_text(request, TABLE, table.name);
            put_text(request, SET_NAME, set.name);
            if set.kind.is_native() || set.kind.ranges().is_some() {
                let of_key = [SET_USER_KEY_ORDER, 4, NATIVE_ORDER, 0, 0, 0];
                let of_data = [SET_USER_DATA_ORDER, 4, NATIVE_ORDER, 0, 0, 0];
                let mut both: heapless::Vec<u8, 12> = heapless::Vec::new();
                if set.kind.is_native() {
                    let _ = both.extend_from_slice(&of_key);
                }
                if set.is_map {
                    let _ = both.extend_from_slice(&of_data);
                }
                request.attribute(SET_USER, &both);
            }
        });
    }

    /// Adds elements to a set, or deletes them: refused with ENOENT if one is not there.
    pub fn change(
        &mut self,
        table: Table<'_>,
        set: &str,
        add: bool,
        mut elements: impl Iterator<Item = Element>,
    ) {
        self.change_by(table, set, add, &mut || elements.next());
    }

    /// The same for elements that a function tells one after the other: in the program once.
    fn change_by(
        &mut self,
        table: Table<'_>,
        set: &str,
        add: bool,
        next: &mut dyn FnMut() -> Option<Element>,
    ) {
        let (kind, flags) = match add {
            true => (libc::NFT_MSG_NEWSETELEM, NlmF::CREATE),
            false => (libc::NFT_MSG_DELSETELEM, NlmF::empty()),
        };
        let mut ahead = next();
        while ahead.is_some() && !self.overflow {
            self.message(kind, flags, table.family, |request| {
                put_text(request, TABLE, table.name);
                put_text(request, SET_NAME, set);
                request.nest(NESTED | SET_ELEMENTS, |list| {
                    for _ in 0..ELEMENTS_PER_MESSAGE {
                        let Some(element) = ahead.take() else { break };
                        element.put(list);
                        ahead = next();
                    }
                });
            });
        }
    }

    /// Appends a rule to a chain.
    pub fn add_rule(&mut self, table: Table<'_>, chain: &str, expressions: &[Expression<'_>]) {
        self.message(libc::NFT_MSG_NEWRULE, NlmF::CREATE | NlmF::APPEND, table.family, |request| {
            put_text(request, TABLE, table.name);
            put_text(request, RULE_CHAIN, chain);
            request.nest(NESTED | RULE_EXPRESSIONS, |list| {
                expressions.iter().for_each(|expression| expression.put(list));
            });
        });
    }

    /// Carries out everything since [`Self::begin`], or nothing.
    ///
    /// # Errors
    /// The first refusal of the kernel's; ENOBUFS if its answer was lost, and then it may have been done.
    pub fn commit(&mut self) -> Result<(), Refused> {
        self.mark(libc::NFNL_MSG_BATCH_END);
        if self.overflow {
            return Err(Refused::new(Errno::EMSGSIZE, ""));
        }
        let mut refused = None;
        self.batch.commit(&mut |_, code, text| {
            if code != 0 {
                refused.get_or_insert_with(|| Refused::new(Errno::from_raw(code), text));
            }
        });
        refused.map_or(Ok(()), Err)
    }

    fn message(&mut self, kind: i32, flags: NlmF, family: Family, mut attributes: impl FnMut(&mut Requests)) {
        let kind = number_of(kind) | SUBSYSTEM << 8;
        let head = Head { tag: 0, kind, flags: flags | NlmF::ACK, marked: false };
        let fixed = [family_number(family), 0, 0, 0];
        self.overflow |= self.batch.append(head, fixed, &mut attributes).is_err();
    }

    /// The beginning and the end of a transaction name the subsystem that it is for. The kernel acknowledges neither.
    fn mark(&mut self, kind: i32) {
        let [high, low] = SUBSYSTEM.to_be_bytes();
        let head = Head { tag: 0, kind: number_of(kind), flags: NlmF::empty(), marked: false };
        self.overflow |= self.batch.append(head, [0, 0, high, low], &mut |_| ()).is_err();
    }
}

fn put_text(request: &mut Requests, kind: u16, text: &str) {
    let mut octets: heapless::Vec<u8, 256> = heapless::Vec::new();
    // A name that is cut is another name: the kernel refuses what is longer than it takes, without its terminator.
    let _ = octets.extend_from_slice(text.as_bytes());
    let _ = octets.push(0);
    request.attribute(kind, &octets);
}

fn number_of(kind: i32) -> u16 {
    u16::try_from(kind).unwrap_or(0)
}

/// NFNL_SUBSYS_NFTABLES.
const SUBSYSTEM: u16 = 10;
/// NLA_F_NESTED.
const NESTED: u16 = 0x8000;
/// An element has at most [`RANGE_OCTETS`], and the length of a list has 16 bits.
const ELEMENTS_PER_MESSAGE: usize = 512;
/// Messages of a transaction that are not full of elements: of each family about ten sets, chains and rules, each
/// set with a message that is not full.
const OTHER_MESSAGES: usize = 128;

// NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_TABLE, NFTA_SET_ELEM_LIST_TABLE: all the same.
const TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
const SET_KEY_TYPE: u16 = 4;
const SET_KEY_OCTETS: u16 = 5;
const SET_DATA_TYPE: u16 = 6;
const SET_DATA_OCTETS: u16 = 7;
const SET_DESCRIPTION: u16 = 9;
const SET_PARTS: u16 = 2;
const SET_PART_OCTETS: u16 = 1;
const SET_ID: u16 = 10;
const SET_USER: u16 = 13;
const SET_EXPRESSION: u16 = 17;
const SET_ELEMENTS: u16 = 3;
const LIST_ELEMENT: u16 = 1;
const DATA_VALUE: u16 = 1;
const SET_CONSTANT: u32 = 2;
const SET_INTERVAL: u32 = 4;
const SET_MAP: u32 = 8;
const SET_CONCAT: u32 = 0x80;
// What nft notes for itself beside a set.
const SET_USER_KEY_ORDER: u8 = 0;
const SET_USER_DATA_ORDER: u8 = 1;
const NATIVE_ORDER: u8 = 1;

#[cfg(test)]
mod tests;
