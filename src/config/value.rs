//! Typed values: numbers, decimals, switches, addresses; what is wrong with a bad one; how each is written.
//!
//! Times are read as decimal seconds and kept in microseconds.

use core::fmt;
use core::ops::RangeInclusive;

use crate::base::addr::{Family, IpAddr, Prefix, is_link_local};
use crate::base::mac::Mac;
use crate::base::name::IfName;
use crate::base::time::Span;

/// Why a word is not the number that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// Not a number at all.
    Text,
    /// Below zero where only positive ones make sense.
    Negative,
    /// A number out of range.
    Range,
}

/// What was read, with what was not taken literally.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read<T> {
    /// The value.
    pub value: T,
    /// Characters after the number that were not used.
    pub trailing: bool,
    /// Digits beyond the resolution that were rounded away.
    pub rounded: bool,
}

/// A decimal integer with optional sign; `010` is ten.
///
/// With `lenient`, digits followed by something else are used (keepalived's daemon does), and it says so.
///
/// # Errors
/// [`Bad`] with what is wrong.
pub fn integer(text: &str, range: RangeInclusive<i64>, lenient: bool) -> Result<Read<i64>, Bad> {
    // Nearly every number is a few digits.
    if let Some(value) = plain_number(text).filter(|value| range.contains(value)) {
        return Ok(Read { value, trailing: false, rounded: false });
    }
    let text = text.trim_start();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let trailing = digits < unsigned.len();
    // `0x5` begins with a nought, and nobody means that.
    let hexadecimal = unsigned.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    if digits == 0 || (trailing && (!lenient || hexadecimal)) {
        return Err(Bad::Text);
    }
    let negative = text.starts_with('-');
    let magnitude = unsigned.get(..digits).unwrap_or_default().parse::<i64>();
    // More digits than fit are far out of any range.
    let value =
        magnitude.map_or(if negative { i64::MIN } else { i64::MAX }, |m| if negative { -m } else { m });
    if range.contains(&value) && magnitude_fits(value) {
        return Ok(Read { value, trailing, rounded: false });
    }
    Err(if negative && *range.start() >= 0 { Bad::Negative } else { Bad::Range })
}

/// A number of digits alone, so few that it fits.
fn plain_number(text: &str) -> Option<i64> {
    const FIT: usize = 18;
    if text.is_empty() || text.len() > FIT {
        return None;
    }
    text.bytes().try_fold(0_i64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        Some(value.saturating_mul(10).saturating_add(i64::from(digit)))
    })
}

const fn magnitude_fits(value: i64) -> bool {
    value != i64::MAX && value != i64::MIN
}

/// Decimal seconds as a span: `5`, `.5`, `5.`, `+5`; digits finer than `resolution` microseconds are rounded.
///
/// # Errors
/// [`Bad`] with what is wrong; the range is checked on the rounded value.
pub fn seconds(text: &str, range: RangeInclusive<Span>, resolution: u64) -> Result<Read<Span>, Bad> {
    let text = text.trim_start();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    let end = unsigned.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, rest) = unsigned.split_at_checked(end).unwrap_or((unsigned, ""));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // A unit after the number is understood if it is the unit that is meant anyway.
    let trailing = !rest.is_empty();
    let unit = matches!(rest, "" | "s" | "sec" | "secs" | "seconds");
    if !unit || (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(Bad::Text);
    }
    let whole = if whole.is_empty() { Some(0) } else { whole.parse::<u64>().ok() };
    let mut micros: u64 = 0;
    let mut scale: u64 = 100_000;
    let mut fine = false;
    let mut up = false;
    for digit in fraction.bytes().map(|b| u64::from(b.saturating_sub(b'0'))) {
        if scale == 0 {
            // The first digit past the microseconds decides the rounding.
            up |= !fine && digit >= 5;
            fine |= digit != 0;
            continue;
        }
        micros = micros.saturating_add(digit.saturating_mul(scale));
        scale /= 10;
    }
    let total = whole
        .and_then(|w| w.checked_mul(1_000_000))
        .and_then(|w| w.checked_add(micros))
        .and_then(|w| w.checked_add(u64::from(up)))
        .ok_or(Bad::Range)?;
    let step = resolution.max(1);
    let left = total.checked_rem(step).unwrap_or(0);
    let rounded_total =
        if left.saturating_mul(2) >= step { total.saturating_add(step - left) } else { total - left };
    let value = Span::from_micros(if left == 0 { total } else { rounded_total });
    if negative && total > 0 {
        return Err(Bad::Negative);
    }
    if !range.contains(&value) {
        return Err(Bad::Range);
    }
    Ok(Read { value, trailing, rounded: fine || left != 0 })
}

/// A switch: exactly `on off true false yes no`; nothing means on.
#[must_use]
pub fn switch(text: Option<&str>) -> Option<bool> {
    match text {
        None | Some("on" | "true" | "yes") => Some(true),
        Some("off" | "false" | "no") => Some(false),
        Some(_) => None,
    }
}

/// A prefix as read: the address, and what was wrong with the length (then the longest one is used).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPrefix {
    /// The prefix.
    pub prefix: Prefix,
    /// A length was written.
    pub given: bool,
    /// Why the written length was not used.
    pub bad: Option<Bad>,
}

/// `address[/length]`; without length, or with a bad one, 32 or 128.
#[must_use]
pub fn prefix(text: &str) -> Option<ReadPrefix> {
    let (addr, len) = match text.split_once('/') {
        Some((addr, len)) => (addr, Some(len)),
        None => (text, None),
    };
    let addr: IpAddr = addr.parse().ok()?;
    let most = Family::of(&addr).max_prefix();
    let whole = Prefix::host(addr);
    let Some(len) = len else {
        return Some(ReadPrefix { prefix: whole, given: false, bad: None });
    };
    Some(match integer(len, 0..=i64::from(most), false) {
        Ok(read) => {
            let len = u8::try_from(read.value).unwrap_or(most);
            ReadPrefix { prefix: Prefix { addr, len }, given: true, bad: None }
        }
        Err(bad) => ReadPrefix { prefix: whole, given: true, bad: Some(bad) },
    })
}

/// A server, peer or source address: what follows the first `-` or `/` is cut, as keepalived does.
#[must_use]
pub fn address(text: &str) -> Option<IpAddr> {
    let end = text.bytes().position(|byte| matches!(byte, b'-' | b'/')).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

/// An address, and of a link-local one the interface where that is named: `fe80::1%eth0`.
#[must_use]
pub fn scoped_address(text: &str) -> Option<(IpAddr, Option<IfName>)> {
    let Some((addr, interface)) = text.split_once('%') else {
        return Some((address(text)?, None));
    };
    let addr = address(addr)?;
    let interface = IfName::new(interface)?;
    is_link_local(&addr).then_some((addr, Some(interface)))
}

/// Octets of a hardware address, separated by colons: 5 or 6 of them.
#[must_use]
pub fn mac(text: &str, last: u8) -> Option<Mac> {
    let mut octets = [0, 0, 0, 0, 0, last];
    let mut count: usize = 0;
    for part in text.split(':') {
        let legal = matches!(part.len(), 1 | 2) && part.bytes().all(|b| b.is_ascii_hexdigit());
        *octets.get_mut(count)? = if legal {
            u8::from_str_radix(part, 16).ok()?
        } else {
            return None;
        };
        count = count.saturating_add(1);
    }
    (count >= 5).then_some(Mac(octets))
}

/// Seconds with as many decimals as needed: `1`, `0.25`.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub Span);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A word as it must be written to be read as one word: in double quotes if a bare one would not survive.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = |set: &[u8]| self.0.bytes().any(|b| set.contains(&b));
        let must = self.0.is_empty() || self.0.bytes().any(|b| b.is_ascii_whitespace()) || any(b"#!{}\x0b");
        // A backslash in front of the closing quote would take it along, and these need quotes only for the eye.
        let bare = !must && (!any(b"@$~") || self.0.ends_with('\\'));
        if bare { f.write_str(self.0) } else { write!(f, "\"{}\"", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        let strict = |text| integer(text, 1..=255, false).map(|r| r.value);
        assert_eq!(strict("010"), Ok(10));
        assert_eq!(strict("+5"), Ok(5));
        assert_eq!(strict(" 7"), Ok(7));
        assert_eq!(strict("300"), Err(Bad::Range));
        assert_eq!(strict("-3"), Err(Bad::Negative));
        assert_eq!(strict("12x"), Err(Bad::Text));
        assert_eq!(strict(""), Err(Bad::Text));
        assert_eq!(strict("-"), Err(Bad::Text));
        assert_eq!(strict("99999999999999999999999"), Err(Bad::Range));
        assert_eq!(integer("-30", -20..=19, false), Err(Bad::Range));
        let lenient = integer("12x", 1..=255, true).unwrap();
        assert_eq!((lenient.value, lenient.trailing), (12, true));
        assert_eq!(integer("x12", 1..=255, true), Err(Bad::Text));
        assert_eq!(integer("0x5", 0..=255, true), Err(Bad::Text));
    }

    #[test]
    fn decimals() {
        let all = Span::ZERO..=Span::from_secs(1000);
        let read = |text| seconds(text, all.clone(), 1).map(|r| r.value.as_micros());
        assert_eq!(read("5"), Ok(5_000_000));
        assert_eq!(read(".5"), Ok(500_000));
        assert_eq!(read("5."), Ok(5_000_000));
        assert_eq!(read("+0.25"), Ok(250_000));
        assert_eq!(read("5s"), Ok(5_000_000));
        assert_eq!(read("5ms"), Err(Bad::Text));
        assert_eq!(read("1e3"), Err(Bad::Text));
        assert_eq!(read("."), Err(Bad::Text));
        assert_eq!(read("1.2.3"), Err(Bad::Text));
        assert_eq!(read("-1"), Err(Bad::Negative));
        assert_eq!(read("-0"), Ok(0));
        assert_eq!(read("1001"), Err(Bad::Range));
        assert_eq!(read("99999999999999999999"), Err(Bad::Range));
        let fine = seconds("1.0000005", all.clone(), 1).unwrap();
        assert_eq!((fine.value.as_micros(), fine.rounded), (1_000_001, true));
        let coarse = seconds("1.2345", all.clone(), 1_000).unwrap();
        assert_eq!((coarse.value.as_micros(), coarse.rounded), (1_235_000, true));
        assert!(!seconds("1.2340000", all, 1_000).unwrap().rounded);
    }

    #[test]
    fn prefixes_and_addresses() {
        assert_eq!(prefix("10.0.0.1").unwrap().prefix.to_string(), "10.0.0.1/32");
        assert_eq!(prefix("10.0.0.1/24").unwrap().prefix.to_string(), "10.0.0.1/24");
        let bad = prefix("10.0.0.1/33").unwrap();
        assert_eq!((bad.prefix.len, bad.bad), (32, Some(Bad::Range)));
        assert_eq!(prefix("fe80::1/64").unwrap().prefix.to_string(), "fe80::1/64");
        assert!(prefix("10.0.0").is_none());
        assert_eq!(address("10.0.0.1/24"), "10.0.0.1".parse().ok());
        assert_eq!(address("10.0.0.x"), None);
    }

    #[test]
    fn hardware_addresses() {
        assert_eq!(mac("02:0:5e:1:2", 9).unwrap().to_string(), "02:00:5e:01:02:09");
        assert_eq!(mac("02:00:00:00:00:01", 9).unwrap().to_string(), "02:00:00:00:00:01");
        assert_eq!(mac("02:00:00:00", 9), None);
        assert_eq!(mac("02:00:00:00:00:01:02", 9), None);
        assert_eq!(mac("02:00:00:00:00:+1", 9), None);
    }

    #[test]
    fn written_as_read() {
        assert_eq!(Seconds(Span::from_millis(250)).to_string(), "0.25");
        assert_eq!(Seconds(Span::from_secs(10)).to_string(), "10");
        assert_eq!(Seconds(Span::ZERO).to_string(), "0");
        assert_eq!(Quoted("a").to_string(), "a");
        assert_eq!(Quoted("a b").to_string(), "\"a b\"");
        assert_eq!(Quoted("").to_string(), "\"\"");
    }
}
