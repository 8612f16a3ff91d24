//! Readers of `global_defs` keywords that take more than one word or an unusual one, and their printers.

use core::net::SocketAddr;

use super::show::{either, identity, plain};
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr};
use crate::base::time::Span;
use crate::config::command::read_identity;
use crate::config::line::{Line, Used};
use crate::config::model::global::{Fifo, Policy, Vrrp};
use crate::config::model::{At, Global};
use crate::config::row::{Shown, fit};
use crate::config::value::{self, Quoted, Seconds};

/// The first argument, or empty text for a bare keyword.
pub(super) fn optional(line: &mut Line<'_>) -> Option<String> {
    Some(line.arg(0).map_or("", |word| word.text).to_owned())
}

/// A process name: what the kernel would cut is cut here, and told.
pub(super) fn name(field: &mut Option<String>, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<text 1..15>");
    };
    let mut text = word.text;
    if text.len() > 15 {
        let message = format_args!("Process name {text} more than 15 characters, truncating");
        line.warn(word, message, "");
        text = cut(text, 15);
    }
    *field = (!text.is_empty()).then(|| text.to_owned());
}

/// At most `most` bytes of text, whole characters.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or("")
}

/// Octal with a leading 0, hexadecimal with 0x, decimal, or names of bits.
pub(super) fn umask(global: &mut Global, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<mask>");
    };
    let whole: Vec<&str> = line.args.iter().map(|word| word.text).collect();
    let text = whole.join(" ");
    let number = match (text.strip_prefix("0x").or(text.strip_prefix("0X")), text.strip_prefix('0')) {
        (Some(hex), _) => u16::from_str_radix(hex, 16).ok(),
        (None, Some(octal)) if !octal.is_empty() => u16::from_str_radix(octal, 8).ok(),
        _ => text.parse::<u16>().ok(),
    };
    let bits = text.bytes().all(|b| !b.is_ascii_digit()).then(|| mask_of_bits(&text)).flatten();
    match number.filter(|_| !text.contains('+')).or(bits) {
        Some(mask) if mask <= 0o777 => global.files.umask = Some(mask),
        _ => {
            let message = format_args!("invalid umask value {text}");
            line.error(word, message, "write an octal number up to 0777, or IXUSR|IRWXG|IRWXO and the like");
        }
    }
}

/// Permission bits in octal digits.
pub(super) fn socket_mode(global: &mut Global, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<mode>");
    };
    match u16::from_str_radix(word.text, 8) {
        Ok(mode) if mode <= 0o777 && !word.text.starts_with('+') => global.control.mode = Some(mode),
        _ => line.error(word, format_args!("invalid mode {}", word.text), "write an octal number up to 0777"),
    }
}

/// A port, and an address of this machine.
pub(super) fn control_http(global: &mut Global, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<port> [<address>]");
    };
    let port = match word.text.parse::<u16>() {
        Ok(port) if port > 0 => port,
        _ => {
            return line.error(
                word,
                format_args!("invalid port {}", word.text),
                "write a number from 1 to 65535",
            );
        }
    };
    let address = match line.arg(1) {
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(word) => match word.text.parse() {
            Ok(address) => address,
            Err(_) => {
                let wrong = format_args!("invalid address {}", word.text);
                return line.error(word, wrong, "write an address of this machine, as 127.0.0.1 or ::");
            }
        },
    };
    global.control.http = Some(SocketAddr::new(address, port));
}

const BITS: [(&str, u16); 12] = [
    ("IRUSR", 0o400),
    ("IWUSR", 0o200),
    ("IXUSR", 0o100),
    ("IRWXU", 0o700),
    ("IRGRP", 0o040),
    ("IWGRP", 0o020),
    ("IXGRP", 0o010),
    ("IRWXG", 0o070),
    ("IROTH", 0o004),
    ("IWOTH", 0o002),
    ("IXOTH", 0o001),
    ("IRWXO", 0o007),
];

fn mask_of_bits(text: &str) -> Option<u16> {
    text.split('|').try_fold(0, |mask, bit| {
        let (_, bit) = BITS.iter().find(|(name, _)| *name == bit.trim())?;
        Some(mask | bit)
    })
}

/// A number, or 99 for a bare keyword.
pub(super) fn max_auto_priority(global: &mut Global, line: &mut Line<'_>) {
    match line.arg(0) {
        None => global.max_auto_priority = 99,
        Some(word) => {
            if let Some(number) = line.number("max_auto_priority", word, -1..=99) {
                global.max_auto_priority = fit(number);
            }
        }
    }
}

/// Any number of processors; one bad one clears the set.
pub(super) fn cpus(field: &mut Vec<u16>, line: &mut Line<'_>) {
    if line.args.is_empty() {
        let message = format_args!("No {} specified", line.keyword.text);
        return line.error(line.keyword, message, "name processors from 0");
    }
    let words = line.args;
    let name = line.keyword.text;
    let set: Option<Vec<u16>> = words.iter().map(|word| line.number(name, word, 0..=4095).map(fit)).collect();
    *field = set.unwrap_or_default();
    field.sort_unstable();
    field.dedup();
}

/// Its printer.
pub(super) fn show_cpus(cpus: &[u16]) -> Shown {
    if cpus.is_empty() {
        return Shown::Nothing;
    }
    Shown::One(cpus.iter().map(u16::to_string).collect::<Vec<_>>().join(" "))
}

/// `<user> [[:]<group>]`
pub(super) fn script_user(global: &mut Global, line: &mut Line<'_>) {
    let words: Vec<&str> = line.args.iter().map(|word| word.text).collect();
    if words.is_empty() {
        return line.error(
            line.keyword,
            format_args!("No script username specified"),
            "write script_user <user> [<group>]",
        );
    }
    if let Some(identity) = read_identity(line, &words) {
        global.scripts.user = identity;
        global.scripts.user_at = At(line.keyword.at);
    }
}

/// Any number of addresses a line.
pub(super) fn recipients(global: &mut Global, line: &mut Line<'_>) {
    global.mail.to.extend(line.args.iter().map(|word| word.text.to_owned()));
}

/// Its printer.
pub(super) fn show_recipients(global: &Global) -> Shown {
    if global.mail.to.is_empty() {
        return Shown::Nothing;
    }
    Shown::Lines(global.mail.to.iter().map(|to| Quoted(to).to_string()).collect())
}

/// Address or name, and a port; a name is looked up later.
pub(super) fn smtp_server(global: &mut Global, line: &mut Line<'_>) {
    let Some(host) = line.arg(0) else {
        return line.missing(line.keyword, "<ip|host> [<port>]");
    };
    let port = match line.arg(1) {
        None => Some(25),
        Some(word) => line.number("smtp_server port", word, 1..=65_535),
    };
    global.mail.server = port.map(|port| (host.text.to_owned(), fit(port)));
}

/// Its printer.
pub(super) fn show_smtp_server(global: &Global) -> Shown {
    let server = global.mail.server.as_ref();
    server.map_or(Shown::Nothing, |(host, port)| Shown::One(format!("{} {port}", Quoted(host))))
}

/// A switch whose absence means something.
pub(super) fn maybe_switch(value: Option<bool>) -> Shown {
    value.map_or(Shown::Nothing, either)
}

/// A switch of which keepalived never looks at the word.
pub(super) fn switch_that_was_on(field: &mut bool, line: &mut Line<'_>) {
    let word = line.arg(0);
    let Some(on) = value::switch(word.map(|word| word.text)) else {
        let message =
            format_args!("invalid {} {} specified", line.keyword.text, word.unwrap_or(line.keyword).text);
        return line.error(word.unwrap_or(line.keyword), message, "write on or off; the line is not used");
    };
    *field = on;
    if let (false, Some(word)) = (on, word) {
        let message =
            format_args!("{} {} means off here; keepalived takes it as on", line.keyword.text, word.text);
        line.note(word, message, "remove the line to mean off everywhere");
    }
}

/// `vrrp_mcast_group4`
pub(super) fn group4(global: &mut Global, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<ipv4 multicast>");
    };
    match word.text.parse::<Ipv4Addr>() {
        Ok(addr) if addr.is_multicast() => global.vrrp.group4 = addr,
        Ok(_) => {
            let message = format_args!("vrrp_mcast_group4 [{}] is not multicast. Skipping", word.text);
            line.error(word, message, "write an address from 224.0.0.0/4");
        }
        Err(_) => {
            let message =
                format_args!("Configuration error: Cannot parse vrrp_mcast_group4 {}. Skipping", word.text);
            line.error(word, message, "write an address from 224.0.0.0/4");
        }
    }
}

/// Its printer.
pub(super) fn show_group4(global: &Global) -> Shown {
    let default = Vrrp::default().group4;
    super::show::unless(global.vrrp.group4, &default)
}

/// `vrrp_mcast_group6`
pub(super) fn group6(global: &mut Global, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<ipv6 multicast>");
    };
    match word.text.parse::<Ipv6Addr>() {
        Ok(addr) if addr.is_multicast() => {
            if addr.segments().first().is_none_or(|first| first & 0x000f != 2) {
                let message = format_args!("vrrp_mcast_group6 [{}] is not link-local multicast", word.text);
                line.warn(word, message, "adverts need a group from ff02::/16");
            }
            global.vrrp.group6 = addr;
        }
        Ok(_) => {
            let message = format_args!("vrrp_mcast_group6 [{}] is not multicast. Skipping", word.text);
            line.error(word, message, "write an address from ff02::/16");
        }
        Err(_) => {
            let message =
                format_args!("Configuration error: Cannot parse vrrp_mcast_group6 {}. Skipping", word.text);
            line.error(word, message, "write an address from ff02::/16");
        }
    }
}

/// Its printer.
pub(super) fn show_group6(global: &Global) -> Shown {
    let default = Vrrp::default().group6;
    super::show::unless(global.vrrp.group6, &default)
}

/// The least time between two frames. Published configurations write 0 and mean none, which is the default.
pub(super) fn spacing(field: &mut Span, line: &mut Line<'_>) {
    let name = line.keyword.text;
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<seconds>");
    };
    let all = Span::ZERO..=Span::from_micros(4_294_967_295);
    match value::seconds(word.text, all, 1) {
        Ok(read) if read.value.is_zero() => {
            let message =
                format_args!("{name}: number '{}' outside range [0.000001, 4294.967295]", word.text);
            line.warn(word, message, "no spacing is the default: the line can go");
            *field = Span::ZERO;
        }
        Ok(read) => {
            if read.rounded || read.trailing {
                let message = format_args!("{name}: '{}' is taken as {}", word.text, Seconds(read.value));
                line.warn(word, message, "write seconds with at most six decimals");
            }
            *field = read.value;
        }
        Err(bad) => line.bad_number(name, word, bad, "0.000001, 4294.967295", Used::Nothing),
    }
}

/// The bytes of a buffer: 0 is the default of the system.
pub(super) fn bytes(number: i64) -> Option<u32> {
    Some(fit(number)).filter(|bytes| *bytes != 0)
}

/// `dynamic_interfaces [allow_if_changes]`
pub(super) fn dynamic_interfaces(global: &mut Global, line: &mut Line<'_>) {
    global.vrrp.dynamic_interfaces = true;
    match line.arg(0) {
        None => {}
        Some(word) if word.text == "allow_if_changes" => global.vrrp.allow_if_changes = true,
        Some(word) => {
            let message = format_args!("Unknown dynamic_interfaces option '{}'", word.text);
            line.warn(word, message, "only allow_if_changes is known; dynamic_interfaces is set");
        }
    }
}

/// Its printer.
pub(super) fn show_dynamic_interfaces(global: &Global) -> Shown {
    match (global.vrrp.dynamic_interfaces, global.vrrp.allow_if_changes) {
        (false, _) => Shown::Nothing,
        (true, false) => Shown::Flag,
        (true, true) => Shown::One("allow_if_changes".to_owned()),
    }
}

/// The name of a table, or its default.
pub(super) fn table(field: &mut Option<String>, default: &str, line: &mut Line<'_>) {
    let word = line.arg(0);
    let text = word.map_or(default, |word| word.text);
    match word {
        Some(word) if text.is_empty() || text.len() > 254 => {
            let message = format_args!("{} table name '{text}' invalid - ignoring", line.keyword.text);
            line.error(word, message, "a table name has 1 to 254 bytes");
        }
        _ => *field = Some(text.to_owned()),
    }
}

/// Up to `most` names of up to `length` bytes, none of them twice.
pub(super) fn names(field: &mut Option<Vec<String>>, most: usize, length: usize, line: &mut Line<'_>) {
    let words = line.args;
    let mut names: Vec<String> = Vec::new();
    for word in words.iter().take(most) {
        let twice = names.iter().any(|name| name == word.text);
        if word.text.len() > length || twice {
            let why = if twice { "repeated" } else { "too long" };
            let message = format_args!("{} name {} {why} - ignoring", line.keyword.text, word.text);
            return line.error(
                word,
                message,
                &format!("each name has up to {length} bytes and is used once"),
            );
        }
        names.push(word.text.to_owned());
    }
    *field = Some(names);
}

/// Their printer.
pub(super) fn show_names(names: Option<&Vec<String>>) -> Shown {
    match names {
        None => Shown::Nothing,
        Some(names) if names.is_empty() => Shown::Flag,
        Some(names) => {
            Shown::One(names.iter().map(|name| Quoted(name).to_string()).collect::<Vec<_>>().join(" "))
        }
    }
}

/// A pipe and its owner.
pub(super) fn fifo(field: &mut Fifo, line: &mut Line<'_>) {
    let words: Vec<&str> = line.args.iter().map(|word| word.text).collect();
    let Some((path, owner)) = words.split_first() else {
        let message = format_args!("No {} name specified", line.keyword.text);
        return line.error(line.keyword, message, "write a path and, if needed, user and group");
    };
    if let Some(identity) = read_identity(line, owner) {
        field.path = Some((*path).to_owned());
        field.identity = identity;
    }
}

/// Its printer.
pub(super) fn show_fifo(fifo: &Fifo) -> Shown {
    let Some(path) = &fifo.path else {
        return Shown::Nothing;
    };
    let mut out = Quoted(path).to_string();
    identity(&mut out, fifo.identity.as_ref());
    Shown::One(out)
}

/// `MTU|ADVERT|<bytes>`
pub(super) fn policy(global: &mut Global, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.error(
            line.keyword,
            format_args!("Invalid vrrp_rx_bufs_policy"),
            "write MTU, ADVERT or bytes",
        );
    };
    let policy = if word.text.eq_ignore_ascii_case("MTU") {
        Policy::Mtu
    } else if word.text.eq_ignore_ascii_case("ADVERT") {
        Policy::Advert
    } else {
        match line.number("vrrp_rx_bufs_policy", word, 0..=i64::from(u32::MAX)) {
            Some(bytes) => Policy::Bytes(fit(bytes)),
            None => return,
        }
    };
    global.buffers.policy = Some(policy);
}

/// Its printer.
pub(super) fn show_policy(global: &Global) -> Shown {
    match global.buffers.policy {
        None => Shown::Nothing,
        Some(Policy::Mtu) => Shown::One("MTU".to_owned()),
        Some(Policy::Advert) => Shown::One("ADVERT".to_owned()),
        Some(Policy::Bytes(bytes)) => plain(bytes),
    }
}
