//! Values of checks: where one goes, what it asks and what it wants to hear.

use core::fmt::Write;

use super::draft::CheckDraft;
use crate::config::command::read_identity;
use crate::config::line::{Line, Used};
use crate::config::row::{Shown, fit};
use crate::config::value;
use crate::proto::check::{dns, file, http, udp};

pub(super) fn connect_ip(draft: &mut CheckDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<ip>");
    };
    draft.addr = super::service::server_address(line, 0);
    if draft.addr.is_none() {
        let message = format_args!("Invalid connect_ip address {} - ignoring", word.text);
        line.error(word, message, "write a numeric address; that of the real_server is checked");
    }
}

pub(super) fn bindto(draft: &mut CheckDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<ip>");
    };
    match super::service::server_address(line, 0) {
        Some(addr) => draft.bind = Some((addr, word.at)),
        None => {
            let message = format_args!("Invalid bindto address {} - ignoring", word.text);
            line.error(word, message, "write a numeric address of this machine");
        }
    }
}

pub(super) fn bind_if(draft: &mut CheckDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<interface>");
    };
    if let Some(named) = line.interface(word) {
        draft.interface = Some(named.name);
    }
}

/// Words of `http_protocol`.
pub(super) const VERSIONS: &[&str] = &["1.0", "1.0C", "1.0c", "1.1"];

pub(super) fn version(draft: &mut CheckDraft, index: usize) {
    draft.http.version = match index {
        0 => http::Version::V10,
        1 | 2 => http::Version::V10Close,
        _ => http::Version::V11,
    };
}

pub(super) fn show_version(params: &http::Params) -> Shown {
    match params.version {
        http::Version::V10 => Shown::Nothing,
        http::Version::V10Close => Shown::One("1.0C".to_owned()),
        http::Version::V11 => Shown::One("1.1".to_owned()),
    }
}

pub(super) fn sni_name(draft: &mut CheckDraft, line: &mut Line<'_>) {
    draft.http.sni = true;
    match line.arg(0) {
        Some(word) => draft.http.sni_name = Some(word.text.into()),
        None if draft.http.sni_name.is_some() => line.error(
            line.keyword,
            format_args!("sni_name without a name after one with a name - ignoring"),
            "remove one of the two lines",
        ),
        None => {}
    }
}

pub(super) fn tls_verify(draft: &mut CheckDraft, line: &mut Line<'_>) {
    let asked = draft.certificate();
    asked.verify = true;
    asked.ca = line.arg(0).map(|word| word.text.into());
}

pub(super) fn dns_type(draft: &mut CheckDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "A|NS|CNAME|SOA|MX|TXT|AAAA|RRSIG|DNSKEY");
    };
    match dns::Kind::named(word.text) {
        Some(kind) => draft.dns.0 = Some(kind),
        None => {
            let message = format_args!("Unknown DNS check type {} - ignoring", word.text);
            let known = dns::Kind::ALL.map(dns::Kind::name).join(", ");
            line.error(word, message, &format!("write one of {known}"));
        }
    }
}

pub(super) fn dns_name(draft: &mut CheckDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<domain>");
    };
    if draft.dns.1.is_some() {
        let remedy = "the first one is used; remove this one";
        return line.error(word, format_args!("DNS_CHECK name already specified - ignoring"), remedy);
    }
    let name = word.text.strip_suffix('.').unwrap_or(word.text);
    // RFC 1035 section 3.1: labels of 1 to 63 octets, 255 of them with their lengths and the root.
    let why = if name.is_empty() {
        None
    } else if name.split('.').any(str::is_empty) {
        Some("has empty label")
    } else if name.split('.').any(|label| label.len() > 63) || name.len() > 253 {
        Some("is too long")
    } else {
        None
    };
    match why {
        None => draft.dns.1 = Some(name.into()),
        Some(why) => {
            let message = format_args!("DNS_CHECK name '{}' {why} - ignoring", word.text);
            line.error(word, message, "labels have 1 to 63 bytes, a name up to 253; . is the root");
        }
    }
}

/// Octets of hexadecimal digits, each with the bits that count; a digit by itself before a blank or at the end
/// is one octet. None if there is another character, or `X` where `any` is not allowed.
fn octets(line: &Line<'_>, any: bool) -> Option<Vec<(u8, u8)>> {
    let digit = |byte: u8| match byte {
        b'X' | b'x' if any => Some((0, 0)),
        _ => {
            char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).map(|digit| (digit, 0xf))
        }
    };
    let mut octets = Vec::new();
    for word in line.args.iter().flat_map(|word| word.text.split_whitespace()) {
        for pair in word.as_bytes().chunks(2) {
            octets.push(match *pair {
                [one] => {
                    let (value, mask) = digit(one)?;
                    (value, 0xf0 | mask)
                }
                [high, low] => {
                    let ((high, high_mask), (low, low_mask)) = (digit(high)?, digit(low)?);
                    (high << 4 | low, high_mask << 4 | low_mask)
                }
                _ => return None,
            });
        }
    }
    Some(octets)
}

const HEX: &str = "write pairs of hexadecimal digits; blanks may stand between them";

pub(super) fn payload(draft: &mut CheckDraft, line: &mut Line<'_>) {
    if line.args.is_empty() {
        return line.error(line.keyword, format_args!("UDP_CHECK payload requires a payload"), HEX);
    }
    match octets(line, false) {
        Some(octets) => draft.udp.payload = Some(octets.into_iter().map(|(octet, _)| octet).collect()),
        None => {
            let word = line.arg(0).unwrap_or(line.keyword);
            line.error(word, format_args!("Invalid hex string for UDP_CHECK payload"), HEX);
        }
    }
}

pub(super) fn require_reply(draft: &mut CheckDraft, line: &mut Line<'_>) {
    let read = octets(line, true);
    if read.is_none() {
        let word = line.arg(0).unwrap_or(line.keyword);
        let remedy =
            "write pairs of hexadecimal digits, X for any digit; a reply is required but not looked at";
        line.warn(word, format_args!("Invalid hex string for UDP_CHECK reply"), remedy);
    }
    draft.udp.reply = Some(udp::Pattern { octets: read.unwrap_or_default().into() });
}

/// Octets as digits.
pub(super) fn hex(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len().saturating_mul(2));
    for octet in octets {
        // Writing to a String cannot fail.
        let _ = write!(out, "{octet:02x}");
    }
    if out.is_empty() { "\"\"".to_owned() } else { out }
}

pub(super) fn show_reply(pattern: &udp::Pattern) -> Shown {
    let mut out = String::new();
    for (value, mask) in &pattern.octets {
        for shift in [4, 0] {
            if mask >> shift & 0xf == 0 {
                out.push('X');
            } else {
                let _ = write!(out, "{:x}", value >> shift & 0xf);
            }
        }
    }
    if out.is_empty() { Shown::Flag } else { Shown::One(out) }
}

pub(super) fn user(draft: &mut CheckDraft, line: &mut Line<'_>) {
    let words: Vec<&str> = line.args.iter().map(|word| word.text).collect();
    if words.is_empty() {
        return line.error(
            line.keyword,
            format_args!("No user specified for misc checker script"),
            "write user <user> [[:]<group>]",
        );
    }
    match read_identity(line, &words) {
        Some(identity) => draft.identity = identity,
        None => draft.unusable = true,
    }
}

pub(super) fn track_file(draft: &mut CheckDraft, line: &mut Line<'_>) {
    match line.arg(0) {
        Some(word) => draft.file = Some((word.text.into(), word.at)),
        None => line.missing(line.keyword, "<track_file>"),
    }
}

pub(super) fn file_weight(draft: &mut CheckDraft, line: &mut Line<'_>) {
    const RANGE: &str = "-2147483647, 2147483647";
    let Some(word) = line.arg(0) else {
        return line.error(line.keyword, format_args!("No weight specified"), "write weight and a number");
    };
    let number = match value::integer(word.text, -2_147_483_647..=2_147_483_647, true) {
        Ok(read) => read,
        Err(bad) => return line.bad_number("weight", word, bad, RANGE, Used::Nothing),
    };
    let reverse = match line.arg(1).map(|word| (word, word.text)) {
        None => None,
        Some((_, "reverse")) => Some(true),
        Some((_, "noreverse")) => Some(false),
        Some((option, text)) => {
            let message = format_args!("unknown weight option '{text}' - ignoring");
            return line.error(option, message, "only reverse or noreverse can follow the number");
        }
    };
    if number.trailing {
        let message = format_args!("weight '{}' has text after it, {} is used", word.text, number.value);
        line.warn(word, message, &format!("write a number in [{RANGE}]"));
    }
    draft.file_weight = Some((fit(number.value), reverse));
}

pub(super) fn show_file_weight(params: file::Params) -> Shown {
    let sense = if params.reverse { "reverse" } else { "noreverse" };
    Shown::One(format!("{} {sense}", params.weight))
}

pub(super) fn bfd_name(draft: &mut CheckDraft, line: &mut Line<'_>) {
    let one = match line.args {
        [word] if draft.bfd.is_none() => Some(word),
        _ => None,
    };
    match one {
        Some(word) => draft.bfd = Some((word.text.into(), word.at)),
        None => {
            let message = if draft.bfd.is_some() {
                "BFD_CHECK name already specified"
            } else {
                "BFD_CHECK name missing or with more than one word"
            };
            draft.unusable = true;
            line.error(
                line.keyword,
                format_args!("{message}"),
                "write one name of a bfd_instance; there is no check",
            );
        }
    }
}
