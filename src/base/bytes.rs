//! Reading and writing octets without a panic: every access that does not fit says so.

use core::fmt;

use super::addr::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The input ended, or the output is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short;

/// Whether both are the same octets, for what is compiled.
#[must_use]
pub const fn is_same(mut one: &[u8], mut other: &[u8]) -> bool {
    while let ([first, rest @ ..], [other_first, other_rest @ ..]) = (one, other) {
        if *first != *other_first {
            return false;
        }
        (one, other) = (rest, other_rest);
    }
    one.is_empty() && other.is_empty()
}

/// Takes big-endian values off the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the front of `octets`.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// What has not been read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `len` octets.
    ///
    /// # Errors
    /// [`Short`] if fewer are left; nothing is taken then.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Short> {
        let (head, tail) = self.rest.split_at_checked(len).ok_or(Short)?;
        self.rest = tail;
        Ok(head)
    }

    /// The next `N` octets, by value.
    ///
    /// # Errors
    /// [`Short`] if fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(Short)?;
        self.rest = tail;
        Ok(*head)
    }

    /// One octet.
    ///
    /// # Errors
    /// [`Short`] if none is left.
    pub fn u8(&mut self) -> Result<u8, Short> {
        self.array::<1>().map(|[octet]| octet)
    }

    /// Two octets.
    ///
    /// # Errors
    /// [`Short`] if fewer are left.
    pub fn u16(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four octets.
    ///
    /// # Errors
    /// [`Short`] if fewer are left.
    pub fn u32(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_be_bytes)
    }

    /// An IPv4 address.
    ///
    /// # Errors
    /// [`Short`] if fewer than 4 octets are left.
    pub fn ipv4(&mut self) -> Result<Ipv4Addr, Short> {
        self.array::<4>().map(Ipv4Addr::from)
    }

    /// An IPv6 address.
    ///
    /// # Errors
    /// [`Short`] if fewer than 16 octets are left.
    pub fn ipv6(&mut self) -> Result<Ipv6Addr, Short> {
        self.array::<16>().map(Ipv6Addr::from)
    }
}

/// Puts big-endian values and text into a slice, front to back.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    /// Starts at the front of `out`.
    #[must_use]
    pub const fn new(out: &'a mut [u8]) -> Self {
        Self { out, len: 0 }
    }

    /// Octets written so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends octets.
    ///
    /// # Errors
    /// [`Short`] if they do not fit; nothing is written then.
    pub fn put(&mut self, octets: &[u8]) -> Result<(), Short> {
        let end = self.len.checked_add(octets.len()).ok_or(Short)?;
        self.out.get_mut(self.len..end).ok_or(Short)?.copy_from_slice(octets);
        self.len = end;
        Ok(())
    }

    /// Appends one octet.
    ///
    /// # Errors
    /// [`Short`] if it does not fit.
    pub fn u8(&mut self, value: u8) -> Result<(), Short> {
        self.put(&[value])
    }

    /// Appends two octets.
    ///
    /// # Errors
    /// [`Short`] if they do not fit.
    pub fn u16(&mut self, value: u16) -> Result<(), Short> {
        self.put(&value.to_be_bytes())
    }

    /// Appends four octets.
    ///
    /// # Errors
    /// [`Short`] if they do not fit.
    pub fn u32(&mut self, value: u32) -> Result<(), Short> {
        self.put(&value.to_be_bytes())
    }

    /// Appends an address of either family.
    ///
    /// # Errors
    /// [`Short`] if it does not fit.
    pub fn ip(&mut self, addr: &IpAddr) -> Result<(), Short> {
        match addr {
            IpAddr::V4(v4) => self.put(&v4.octets()),
            IpAddr::V6(v6) => self.put(&v6.octets()),
        }
    }

    /// Overwrites two octets at `offset`, which were written before.
    ///
    /// # Errors
    /// [`Short`] if they were not.
    pub fn patch_u16(&mut self, offset: usize, value: u16) -> Result<(), Short> {
        self.patch(offset, &value.to_be_bytes())
    }

    /// Overwrites octets from `offset` on, which were written before.
    ///
    /// # Errors
    /// [`Short`] if they were not.
    pub fn patch(&mut self, offset: usize, octets: &[u8]) -> Result<(), Short> {
        let end = offset.checked_add(octets.len()).ok_or(Short)?;
        if end > self.len {
            return Err(Short);
        }
        self.out.get_mut(offset..end).ok_or(Short)?.copy_from_slice(octets);
        Ok(())
    }

    /// Forgets what was written behind `len` octets.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// What was written.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        self.out.get(..self.len).unwrap_or_default()
    }
}

/// What does not fit is an error, and nothing of the piece is written then.
impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes()).map_err(|Short| fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_read_takes_nothing() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u32(), Err(Short));
        assert_eq!(reader.u16(), Ok(0x0102));
        assert_eq!(reader.take(2), Err(Short));
        assert_eq!(reader.u8(), Ok(3));
        assert_eq!(reader.u8(), Err(Short));
    }

    #[test]
    fn a_full_writer_refuses() {
        let mut out = [0; 3];
        let mut writer = Writer::new(&mut out);
        writer.u16(0x0102).unwrap();
        assert_eq!(writer.u16(3), Err(Short));
        writer.u8(3).unwrap();
        writer.patch_u16(0, 0x0908).unwrap();
        assert_eq!(writer.patch_u16(2, 1), Err(Short));
        assert_eq!(writer.written(), [9, 8, 3]);
    }
}
