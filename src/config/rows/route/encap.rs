//! Light tunnels of routes: `encap ip|ip6|mpls|ila <parameters>`.

use core::str::FromStr;

use super::super::option::Words;
use crate::base::addr::{Ipv4Addr, Ipv6Addr};
use crate::base::encap::{Encap, Tunnel};
use crate::base::limit::LABELS;
use crate::config::iproute::number_of;
use crate::config::row::Term;
use crate::config::tree::Word;

const fn term(name: &'static str, syntax: &'static str, meaning: &'static str) -> Term {
    Term::new(name, syntax, "none", meaning).below("encap")
}

/// The kinds of tunnel, which [`read`] reads.
#[rustfmt::skip]
static TERMS: &[Term] = &[
    term("ip", "id <uint64>|dst <ipv4> [src <ipv4>] [tos <0..255>] [ttl <0..255>] [flags <0..65535>]", "In IPv4; id or dst is needed"),
    term("ip6", "id <uint64>|dst <ipv6> [src <ipv6>] [tc <0..255>] [hoplimit <0..255>] [flags <0..65535>]", "In IPv6; id or dst is needed"),
    term("mpls", "<label>[/<label>...]", "Behind a stack of MPLS labels"),
    term("ila", "<hex>:<hex>:<hex>:<hex>", "With an ILA locator"),
];

/// What is known about tunnels.
pub(super) fn terms() -> Vec<Term> {
    TERMS.to_vec()
}

/// Reads what follows `encap`; none if it cannot be used, which is told: the route goes without.
pub(super) fn read<'a>(words: &mut Words<'_, 'a>, option: &'a Word<'a>) -> Option<Encap> {
    let Some(kind) = words.next() else {
        words.line.error(option, format_args!("encap without a type"), "write ip, ip6, mpls or ila");
        return None;
    };
    match kind.text {
        "ip" => tunnel::<Ipv4Addr>(words, kind, ["tos", "ttl"]).map(Encap::Ip),
        "ip6" => tunnel::<Ipv6Addr>(words, kind, ["tc", "hoplimit"]).map(Encap::Ip6),
        "mpls" => parameter(words, kind, labels).map(Encap::Mpls),
        "ila" => parameter(words, kind, locator).map(Encap::Ila),
        other => {
            let message = format_args!("Unknown encap type - {other}");
            words.line.error(kind, message, "write ip, ip6, mpls or ila; there is no tunnel");
            None
        }
    }
}

/// The one word of `mpls` and `ila`.
fn parameter<'a, T>(words: &mut Words<'_, 'a>, kind: &'a Word<'a>, read: fn(&str) -> Option<T>) -> Option<T> {
    let word = words.next().unwrap_or(kind);
    let value = read(word.text);
    if value.is_none() {
        let message = format_args!("invalid {} address {} for encapsulation", kind.text, word.text);
        words.line.error(word, message, "there is no tunnel");
    }
    value
}

/// `<label>[/<label>...]`
fn labels(text: &str) -> Option<Vec<u32>> {
    let labels: Option<Vec<u32>> = text
        .split('/')
        .map(|label| {
            let number = number_of(label).and_then(|number| u32::try_from(number).ok());
            number.filter(|label| *label < 1 << 20)
        })
        .collect();
    labels.filter(|labels| labels.len() <= LABELS)
}

/// Four groups of up to four hex digits.
fn locator(text: &str) -> Option<u64> {
    let mut groups = text.split(':').map(|group| u16::from_str_radix(group, 16).ok());
    let mut value: u64 = 0;
    for _ in 0..4 {
        value = value << 16 | u64::from(groups.next()??);
    }
    (groups.next().is_none() && !text.contains('+')).then_some(value)
}

/// `id`, `dst`, `src`, `flags` and the two words of the family, as long as they come.
fn tunnel<A: FromStr>(words: &mut Words<'_, '_>, kind: &Word<'_>, own: [&str; 2]) -> Option<Tunnel<A>> {
    let mut tunnel = Tunnel::default();
    let mut usable = true;
    let [class, hops] = own;
    while let Some(option) = words.peek() {
        let name = option.text;
        if !matches!(name, "id" | "dst" | "src" | "flags") && name != class && name != hops {
            break;
        }
        words.next();
        let Some(word) = words.next() else {
            let message = format_args!("{name} of encap {} without a value", kind.text);
            words.line.error(option, message, "there is no tunnel");
            return None;
        };
        let number = number_of(word.text);
        let byte = number.and_then(|number| u8::try_from(number).ok());
        let good = match name {
            "id" => {
                tunnel.id = number;
                number.is_some()
            }
            "dst" => {
                tunnel.destination = word.text.parse().ok();
                tunnel.destination.is_some()
            }
            "src" => {
                tunnel.source = word.text.parse().ok();
                tunnel.source.is_some()
            }
            "flags" => {
                tunnel.flags = number.and_then(|number| u16::try_from(number).ok());
                tunnel.flags.is_some()
            }
            name if name == class => {
                tunnel.class = byte;
                byte.is_some()
            }
            _ => {
                tunnel.hops = byte;
                byte.is_some()
            }
        };
        if !good {
            let message = format_args!("invalid {name} {} for {} encapsulation", word.text, kind.text);
            words.line.error(word, message, "there is no tunnel");
            usable = false;
        }
    }
    if usable && tunnel.id.is_none() && tunnel.destination.is_none() {
        let message = format_args!("address or id missing for {} encapsulation", kind.text);
        words.line.error(kind, message, "write id or dst; there is no tunnel");
        usable = false;
    }
    usable.then_some(tunnel)
}

#[cfg(test)]
mod tests {
    use super::{labels, locator};

    #[test]
    fn stacks_and_locators() {
        assert_eq!(labels("100/200"), Some(vec![100, 200]));
        assert_eq!(labels("1048576"), None);
        assert_eq!(labels("1//2"), None);
        assert_eq!(labels(&["1"; 17].join("/")), None);
        assert_eq!(locator("1:2:3:ffff"), Some(0x0001_0002_0003_ffff));
        assert_eq!(locator("1:2:3"), None);
        assert_eq!(locator("1:2:3:4:5"), None);
        assert_eq!(locator("1:2:3:10000"), None);
        assert_eq!(locator("1:2:3:+4"), None);
    }
}
