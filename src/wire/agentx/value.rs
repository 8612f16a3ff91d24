//! What PDUs consist of: object identifiers, octet strings, and values with their types.

use super::Malformed;
use crate::base::bytes::{Reader, Short};

/// Numbers of the longest object identifier (RFC 2741 section 5.1).
pub const LONGEST_OID: usize = 128;

/// An object identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Oid(heapless::Vec<u32, LONGEST_OID>);

impl Oid {
    /// One of these numbers; those beyond [`LONGEST_OID`] are left out.
    #[must_use]
    pub fn new(numbers: &[u32]) -> Self {
        let mut oid = Self::default();
        oid.extend(numbers);
        oid
    }

    /// Appends numbers; those beyond [`LONGEST_OID`] are left out.
    pub fn extend(&mut self, numbers: &[u32]) {
        for number in numbers {
            let _ = self.0.push(*number);
        }
    }

    /// Its numbers.
    #[must_use]
    pub fn numbers(&self) -> &[u32] {
        &self.0
    }
}

/// A value and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one at a time, on the stack")]
pub enum Value<'a> {
    /// Integer, and what is made of it.
    Integer(i32),
    /// OCTET STRING
    Octets(&'a [u8]),
    /// Nothing.
    Null,
    /// OBJECT IDENTIFIER
    Oid(Oid),
    /// An IPv4 address.
    IpAddress([u8; 4]),
    /// Counter32
    Counter32(u32),
    /// Gauge32 and Unsigned32
    Gauge32(u32),
    /// Hundredths of a second.
    TimeTicks(u32),
    /// Opaque
    Opaque(&'a [u8]),
    /// Counter64
    Counter64(u64),
    /// There is no object of this name.
    NoSuchObject,
    /// There is such an object, and no instance of this name.
    NoSuchInstance,
    /// There is nothing behind this name.
    EndOfMibView,
}

impl Value<'_> {
    /// The number of its type.
    #[must_use]
    pub const fn number(&self) -> u16 {
        match self {
            Self::Integer(_) => 2,
            Self::Octets(_) => 4,
            Self::Null => 5,
            Self::Oid(_) => 6,
            Self::IpAddress(_) => 64,
            Self::Counter32(_) => 65,
            Self::Gauge32(_) => 66,
            Self::TimeTicks(_) => 67,
            Self::Opaque(_) => 68,
            Self::Counter64(_) => 70,
            Self::NoSuchObject => 128,
            Self::NoSuchInstance => 129,
            Self::EndOfMibView => 130,
        }
    }
}

/// Octets of a PDU, in one of the two byte orders.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) rest: &'a [u8],
    /// The least significant octet comes first.
    pub(super) swapped: bool,
}

/// 1.3.6.1, in front of what an object identifier with a prefix says.
const INTERNET: [u32; 4] = [1, 3, 6, 1];

impl<'a> Source<'a> {
    pub(super) const fn network(rest: &'a [u8]) -> Self {
        Self { rest, swapped: false }
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Short> {
        let mut reader = Reader::new(self.rest);
        let taken = reader.take(len)?;
        self.rest = reader.rest();
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let mut reader = Reader::new(self.rest);
        let taken = reader.array()?;
        self.rest = reader.rest();
        Ok(taken)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Short> {
        let octets = self.array()?;
        Ok(if self.swapped { u16::from_le_bytes(octets) } else { u16::from_be_bytes(octets) })
    }

    pub(super) fn u32(&mut self) -> Result<u32, Short> {
        let octets = self.array()?;
        Ok(if self.swapped { u32::from_le_bytes(octets) } else { u32::from_be_bytes(octets) })
    }

    fn u64(&mut self) -> Result<u64, Short> {
        let octets = self.array()?;
        Ok(if self.swapped { u64::from_le_bytes(octets) } else { u64::from_be_bytes(octets) })
    }

    /// An object identifier, and whether it is itself included.
    pub(super) fn oid(&mut self) -> Result<(Oid, bool), Malformed> {
        let [count, prefix, include, _] = self.array()?;
        let mut oid = Oid::default();
        if prefix != 0 {
            oid.extend(&INTERNET);
            oid.extend(&[u32::from(prefix)]);
        }
        if usize::from(count).saturating_add(oid.numbers().len()) > LONGEST_OID {
            return Err(Malformed::Oid);
        }
        for _ in 0..count {
            oid.extend(&[self.u32()?]);
        }
        Ok((oid, include != 0))
    }

    /// An octet string, which zeroes fill up to a multiple of four octets.
    pub(super) fn octets(&mut self) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        let octets = self.take(len)?;
        self.take(padding(len))?;
        Ok(octets)
    }

    pub(super) fn varbind(&mut self) -> Result<(Oid, Value<'a>), Malformed> {
        let (kind, _) = (self.u16()?, self.u16()?);
        let (name, _) = self.oid()?;
        let value = match kind {
            2 => Value::Integer(i32::from_ne_bytes(self.u32()?.to_ne_bytes())),
            4 => Value::Octets(self.octets()?),
            5 => Value::Null,
            6 => Value::Oid(self.oid()?.0),
            64 => Value::IpAddress(self.octets()?.try_into().map_err(|_| Malformed::Value)?),
            65 => Value::Counter32(self.u32()?),
            66 => Value::Gauge32(self.u32()?),
            67 => Value::TimeTicks(self.u32()?),
            68 => Value::Opaque(self.octets()?),
            70 => Value::Counter64(self.u64()?),
            128 => Value::NoSuchObject,
            129 => Value::NoSuchInstance,
            130 => Value::EndOfMibView,
            _ => return Err(Malformed::Value),
        };
        Ok((name, value))
    }
}

/// Zeroes behind an octet string of this length.
pub(super) const fn padding(len: usize) -> usize {
    len.wrapping_neg() % 4
}
