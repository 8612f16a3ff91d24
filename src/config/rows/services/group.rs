//! `virtual_server_group`: addresses, ranges, subnets and marks, one a line.

use core::fmt::Write;

use crate::base::addr::{Family, IpAddr, Ipv4Addr, Ipv6Addr};
use crate::config::line::{Line, Used};
use crate::config::model::service::Entry;
use crate::config::row::Kind::{self, Custom};
use crate::config::row::{Row, fit};
use crate::config::tree::Word;
use crate::config::value;

/// Entries while they are read.
pub type Entries = Vec<Entry>;

const fn row(
    name: &'static str,
    kind: Kind<Entries, Entries>,
    default: &'static str,
    meaning: &'static str,
) -> Row<Entries, Entries> {
    Row::new(name, kind, default, meaning)
}

/// Every form of an entry. Only `fwmark` is a word; the others say how an address begins a line.
#[rustfmt::skip]
pub static ROWS: &[Row<Entries, Entries>] = &[
    row("<ip>", Custom("[<port 1..65535>]", entry), "every port", "One address"),
    row("<ip>-<last>", Custom("[<port 1..65535>]", entry), "every port", "Addresses up to another last octet, or another last group of hexadecimal digits"),
    row("<ip>-<ip>", Custom("[<port 1..65535>]", entry), "every port", "Addresses from one to another"),
    row("<ip>/<len>", Custom("[<port 1..65535>]", entry), "every port", "Every address of a subnet"),
    row("fwmark", Custom("<0..4294967295> [inet|inet6]", entry), "no family", "A firewall mark; its family only where all servers are in tunnels"),
];

/// Reads one entry.
pub fn entry(entries: &mut Entries, line: &mut Line<'_>) {
    let Some(first) = line.arg(0) else { return };
    if first.text == "fwmark" {
        return mark(entries, line, first);
    }
    let Some(port) = port(line) else {
        return malformed(line, first);
    };
    let read = match (first.text.split_once('/'), first.text.split_once('-')) {
        (Some((addr, len)), _) => subnet(addr, len),
        (None, Some((addr, last))) => range(addr, last),
        (None, None) => match first.text.parse() {
            Ok(addr) => Ok((addr, addr)),
            Err(_) => return malformed(line, first),
        },
    };
    match read {
        Ok((first, last)) => entries.push(Entry::Addresses { first, last, port }),
        Err(Wrong::Malformed) => malformed(line, first),
        Err(Wrong::Said(why, remedy)) => {
            let message = format_args!("{why} - {} - skipping", first.text);
            line.error(first, message, remedy);
        }
    }
}

/// Why an entry cannot be used.
enum Wrong {
    Malformed,
    Said(&'static str, &'static str),
}

fn malformed(line: &mut Line<'_>, first: &Word<'_>) {
    let port = line.arg(1).map(|word| format!(" /port/{}", word.text)).unwrap_or_default();
    let message = format_args!("Invalid virtual server group IP address {}{port} - skipping", first.text);
    line.error(first, message, "write <ip>, <ip>-<last>, <ip>-<ip> or <ip>/<length>, and maybe a port");
}

/// The port after an address: 0 if there is none; none if it is wrong, which is told.
pub(crate) fn port(line: &mut Line<'_>) -> Option<u16> {
    match line.arg(1) {
        None => Some(0),
        // Zero is written by some who mean every port.
        Some(word) if word.text == "0" => Some(0),
        Some(word) => line.number("port", word, 1..=65_535).map(fit),
    }
}

fn mark(entries: &mut Entries, line: &mut Line<'_>, keyword: &Word<'_>) {
    let Some(word) = line.arg(1) else {
        return line.missing(keyword, "<0..4294967295> [inet|inet6]");
    };
    let Some(mark) = mark_number(line, word) else {
        return;
    };
    let family = match line.arg(2).map(|word| (word, word.text)) {
        None => None,
        Some((_, "inet")) => Some(Family::V4),
        Some((_, "inet6")) => Some(Family::V6),
        Some((family, text)) => {
            let message = format_args!("fwmark '{mark}' family {text} unknown - ignoring");
            return line.error(family, message, "write inet, inet6 or nothing");
        }
    };
    entries.push(Entry::Mark { mark, family });
}

/// A mark; none if it is wrong, which is told.
pub fn mark_number(line: &mut Line<'_>, word: &Word<'_>) -> Option<u32> {
    match value::integer(word.text, 0..=i64::from(u32::MAX), true) {
        Ok(read) => {
            if read.trailing {
                let message =
                    format_args!("fwmark: '{}' has text after it, {} is used", word.text, read.value);
                line.warn(word, message, "write a number from 1 to 4294967295");
            }
            Some(fit(read.value))
        }
        Err(bad) => {
            line.bad_number("fwmark", word, bad, "0, 4294967295", Used::Nothing);
            None
        }
    }
}

fn range(addr: &str, last: &str) -> Result<(IpAddr, IpAddr), Wrong> {
    let first: IpAddr = addr.parse().map_err(|_| Wrong::Malformed)?;
    let short = Wrong::Said(
        "Address range end is not greater than address range start",
        "the number after '-' replaces the last part of the address",
    );
    let digits = |text: &str, legal: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|b| legal(&b));
    match first {
        IpAddr::V4(from) if digits(last, u8::is_ascii_digit) => {
            let [a, b, c, d] = from.octets();
            let last: u8 = last.parse().map_err(|_| Wrong::Malformed)?;
            if last <= d {
                return Err(short);
            }
            return Ok((first, Ipv4Addr::new(a, b, c, last).into()));
        }
        IpAddr::V6(from) if digits(last, u8::is_ascii_hexdigit) => {
            let last = u16::from_str_radix(last, 16).map_err(|_| Wrong::Malformed)?;
            let bits = from.to_bits();
            let end = (bits & !0xffff) | u128::from(last);
            if end <= bits {
                return Err(short);
            }
            return Ok((first, Ipv6Addr::from_bits(end).into()));
        }
        _ => {}
    }
    let last: IpAddr = last.parse().map_err(|_| Wrong::Malformed)?;
    if Family::of(&first) != Family::of(&last) {
        return Err(Wrong::Malformed);
    }
    if last < first {
        return Err(Wrong::Said(
            "Address range end is less than address range start",
            "write the lower address first",
        ));
    }
    Ok((first, last))
}

fn subnet(addr: &str, len: &str) -> Result<(IpAddr, IpAddr), Wrong> {
    let first: IpAddr = addr.parse().map_err(|_| Wrong::Malformed)?;
    let most = Family::of(&first).max_prefix();
    let len = value::integer(len, 1..=i64::from(most), false)
        .map_err(|_| Wrong::Said("Invalid netmask", "write a length from 1 to 32, of IPv6 to 128"))?;
    let len: u32 = fit(len.value);
    let host = Wrong::Said("Address mask bits not empty", "write the first address of the subnet");
    match first {
        IpAddr::V4(from) => {
            let rest = u32::MAX.checked_shr(len).unwrap_or(0);
            if from.to_bits() & rest != 0 {
                return Err(host);
            }
            Ok((first, Ipv4Addr::from_bits(from.to_bits() | rest).into()))
        }
        IpAddr::V6(from) => {
            let rest = u128::MAX.checked_shr(len).unwrap_or(0);
            if from.to_bits() & rest != 0 {
                return Err(host);
            }
            Ok((first, Ipv6Addr::from_bits(from.to_bits() | rest).into()))
        }
    }
}

/// An entry as it is written.
#[must_use]
pub fn show(entry: &Entry) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = match entry {
        Entry::Addresses { first, last, port } => {
            let _ = write!(out, "{first}");
            if last != first {
                let _ = write!(out, "-{last}");
            }
            if *port == 0 { Ok(()) } else { write!(out, " {port}") }
        }
        Entry::Mark { mark, family } => {
            let family = match family {
                None => "",
                Some(Family::V4) => " inet",
                Some(Family::V6) => " inet6",
            };
            write!(out, "fwmark {mark}{family}")
        }
    };
    out
}

#[cfg(test)]
mod tests {
    use super::{range, subnet};

    #[test]
    fn ranges_and_subnets() {
        let told = |read: Result<_, super::Wrong>| match read {
            Ok((first, last)) => format!("{first} {last}"),
            Err(super::Wrong::Malformed) => "malformed".to_owned(),
            Err(super::Wrong::Said(why, _)) => why.to_owned(),
        };
        assert_eq!(told(range("10.0.0.1", "5")), "10.0.0.1 10.0.0.5");
        assert!(told(range("10.0.0.5", "5")).contains("not greater"));
        assert_eq!(told(range("10.0.0.1", "300")), "malformed");
        assert_eq!(told(range("10.0.0.1", "10.0.1.0")), "10.0.0.1 10.0.1.0");
        assert_eq!(told(range("fe80::1", "a0")), "fe80::1 fe80::a0");
        assert_eq!(told(range("fe80::1", "12345")), "malformed");
        assert_eq!(told(range("fe80::1", "10.0.0.1")), "malformed");
        assert!(told(range("fe80::5", "fe80::1")).contains("less than"));
        assert_eq!(told(subnet("10.0.0.0", "24")), "10.0.0.0 10.0.0.255");
        assert_eq!(told(subnet("10.0.0.1", "32")), "10.0.0.1 10.0.0.1");
        assert!(told(subnet("10.0.0.1", "24")).contains("bits"));
        assert!(told(subnet("0.0.0.0", "0")).contains("netmask"));
        assert_eq!(told(subnet("8000::", "1")), "8000:: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    }
}
