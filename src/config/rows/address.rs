//! Lines of `virtual_ipaddress`, `virtual_ipaddress_excluded` and `static_ipaddress`.

use crate::base::addr::{Family, IpAddr, Ipv4Addr, Prefix};
use crate::config::iproute::Tables;
use crate::config::line::Line;
use crate::config::model::address::AddressOptions;
use crate::config::model::{At, Lifetime, VirtualAddress};
use crate::config::row::{Shown, Term, fit};
use crate::config::tree::Word;
use crate::config::value::{self, Quoted};
use core::fmt::Write;

/// The words of a moved address.
pub(super) fn moved_terms() -> Vec<Term> {
    let mut terms = terms("the interface of the instance");
    terms.push(Term::new("use_vmac", "", "off", "It is put on a macvlan of its interface"));
    terms
}

/// The words of an address that never moves.
pub(super) fn static_terms() -> Vec<Term> {
    let mut terms = terms("default_interface");
    terms.push(Term::new("track_group", "<track_group>", "none", "Instances that follow it"));
    terms
}

#[rustfmt::skip]
fn terms(dev: &'static str) -> Vec<Term> {
    vec![
        Term::new("<ip>", "<ip>[/<len>] [<option> ...]", "prefix of 32 or 128", "The address; stands first on its line"),
        Term::new("dev", "<interface>", dev, "Interface that holds it"),
        Term::new("scope", "host|link|site|global|nowhere|<name>|<0..255>", "global", "How far it is valid, IPv4"),
        Term::new("brd", "<ipv4>|+|-", "none", "Broadcast address; + sets the host bits, - clears them"),
        Term::new("broadcast", "<ipv4>|+|-", "none", "Long form of brd"),
        Term::new("label", "<text, at most 15 bytes>", "none", "Label, IPv4"),
        Term::new("peer", "<ip>", "none", "Other end of a point-to-point link"),
        Term::new("home", "", "off", "Home address of mobile IPv6"),
        Term::new("-nodad", "", "off", "Duplicate address detection is done, which is else left out"),
        Term::new("mngtmpaddr", "", "off", "Template of privacy addresses"),
        Term::new("noprefixroute", "", "off", "No route to its prefix is made"),
        Term::new("autojoin", "", "off", "Joins the multicast group on the interface"),
        Term::new("no_track", "", "off", "Its loss changes nothing"),
        Term::new("preferred_lft", "<seconds 0..4294967295>|forever", "0 for IPv6 with 128 bits, else forever", "Preferred lifetime; 0 deprecates it"),
    ]
}

/// The address of a line with its options, and the name of its track group; none if the line cannot be used,
/// which is told. `fixed`: of an address that never moves.
pub(super) fn read(
    line: &mut Line<'_>,
    names: &Tables,
    fixed: bool,
) -> Option<(VirtualAddress, Option<(String, At)>)> {
    let first = line.keyword;
    let Some(read) = value::prefix(first.text) else {
        let message = format_args!("VRRP parsed invalid IP {}. skipping IP...", first.text);
        line.error(first, message, "an address stands first on its line: a.b.c.d[/len] or IPv6");
        return None;
    };
    let most = read.prefix.family().max_prefix();
    if read.bad.is_some() {
        let message = format_args!("Invalid address prefix len for address {} - using {most}", first.text);
        line.lossy(first, message, &format!("a prefix has 0 to {most} bits"));
    }
    let mut address = VirtualAddress::new(read.prefix, At(first.at));
    let mut broadcast = None;
    let mut group = None;
    let mut words = line.args.iter().skip(1);
    while let Some(option) = words.next() {
        let of_its_kind = option.text != if fixed { "use_vmac" } else { "track_group" };
        let flag = FLAGS.iter().find(|(name, _)| *name == option.text && of_its_kind);
        if let Some((_, flag)) = flag {
            *flag(&mut address.options) = true;
            continue;
        }
        if !VALUED.contains(&option.text) || !of_its_kind {
            let message =
                format_args!("Unknown configuration entry '{}' for ip address - ignoring", option.text);
            let last = if fixed { "track_group" } else { "use_vmac" };
            let remedy = format!(
                "options: dev scope brd label peer preferred_lft home -nodad mngtmpaddr noprefixroute autojoin \
                 no_track {last}"
            );
            line.lossy(option, message, &remedy);
            continue;
        }
        let Some(word) = words.next() else {
            let message = format_args!("No {} parameter specified for {}", option.text, first.text);
            line.error(option, message, "the address is not used");
            return None;
        };
        match option.text {
            "dev" => {
                if address.dev.is_some() {
                    let message =
                        format_args!("Cannot specify ipaddress device more than once for {}", first.text);
                    line.error(option, message, "the address is not used");
                    return None;
                }
                address.dev = Some(line.interface(word)?);
            }
            "scope" => scope(&mut address, line, word, names),
            "track_group" if group.is_some() => {
                let message = format_args!("track_group {} is a duplicate", word.text);
                line.error(word, message, "one track_group is enough; the rest of the line is not read");
                break;
            }
            "track_group" => group = Some((word.text.to_owned(), At(word.at))),
            "label" => label(&mut address, line, word)?,
            "peer" => peer(&mut address, line, word, read.given),
            "preferred_lft" => lifetime(&mut address, line, word),
            _ => broadcast = Some(word),
        }
    }
    if let Some(word) = broadcast {
        if address.peer.is_some() {
            line.warn(word, format_args!("Cannot specify a broadcast address with a peer - ignoring"), "");
        } else {
            set_broadcast(&mut address, line, word)?;
        }
    }
    Some((address, group))
}

/// The field of an option that stands alone.
type Flag = fn(&mut AddressOptions) -> &mut bool;

/// Options that stand alone.
const FLAGS: [(&str, Flag); 7] = [
    ("home", |options| &mut options.home),
    ("-nodad", |options| &mut options.nodad),
    ("mngtmpaddr", |options| &mut options.mngtmpaddr),
    ("noprefixroute", |options| &mut options.noprefixroute),
    ("autojoin", |options| &mut options.autojoin),
    ("no_track", |options| &mut options.no_track),
    ("use_vmac", |options| &mut options.use_vmac),
];

/// Options that a word follows.
const VALUED: [&str; 8] =
    ["dev", "scope", "brd", "broadcast", "label", "peer", "preferred_lft", "track_group"];

fn scope(address: &mut VirtualAddress, line: &mut Line<'_>, word: &Word<'_>, names: &Tables) {
    if address.prefix.addr.is_ipv6() {
        let message =
            format_args!("Cannot specify scope for IPv6 addresses ({}) - ignoring scope", address.prefix);
        return line.warn(word, message, "remove it");
    }
    match names.scopes.number(word.text, 255) {
        Some(scope) => address.scope = u8::try_from(scope).unwrap_or(u8::MAX),
        None => {
            let message =
                format_args!("Invalid scope '{}' specified for {} - ignoring", word.text, address.prefix);
            line.warn(word, message, "write host, link, site, global, nowhere or a number from 0 to 255");
        }
    }
}

/// Scopes that every machine knows.
const SCOPES: [(&str, u8); 5] =
    [("global", 0), ("nowhere", 255), ("host", 254), ("link", 253), ("site", 200)];

fn label(address: &mut VirtualAddress, line: &mut Line<'_>, word: &Word<'_>) -> Option<()> {
    if word.text.len() > 15 {
        let message =
            format_args!("Address label {} is longer than maximum length 15 - removing address", word.text);
        line.error(word, message, "a label has at most 15 bytes");
        return None;
    }
    if address.prefix.addr.is_ipv6() {
        let message =
            format_args!("Cannot specify label for IPv6 addresses ({}) - ignoring label", address.prefix);
        line.warn(word, message, "remove it");
    } else {
        address.label = Some(word.text.into());
    }
    Some(())
}

fn peer(address: &mut VirtualAddress, line: &mut Line<'_>, word: &Word<'_>, prefix_given: bool) {
    if address.peer.is_some() {
        return line.lossy(word, format_args!("peer already specified - ignoring"), "one peer is enough");
    }
    let parsed = word.text.parse::<IpAddr>().ok();
    match parsed.filter(|addr| Family::of(addr) == address.prefix.family()) {
        Some(addr) => {
            if prefix_given {
                let message =
                    format_args!("Cannot specify address prefix when specifying peer address - ignoring");
                line.warn(word, message, "write the address without a prefix length");
                address.prefix = Prefix::host(address.prefix.addr);
            }
            address.peer = Some(addr);
        }
        None => {
            let message = format_args!("Invalid peer address {}", word.text);
            line.lossy(word, message, "a peer is an address of the same family without a prefix length");
        }
    }
}

fn lifetime(address: &mut VirtualAddress, line: &mut Line<'_>, word: &Word<'_>) {
    if word.text == "forever" {
        address.preferred = Some(Lifetime::Forever);
    } else if let Some(number) = line.number("preferred_lft", word, 0..=i64::from(u32::MAX)) {
        let seconds: u32 = fit(number);
        let forever = seconds == u32::MAX;
        address.preferred = Some(if forever { Lifetime::Forever } else { Lifetime::Seconds(seconds) });
    }
}

/// None if the address cannot be used.
fn set_broadcast(address: &mut VirtualAddress, line: &mut Line<'_>, word: &Word<'_>) -> Option<()> {
    let IpAddr::V4(own) = address.prefix.addr else {
        let message =
            format_args!("VRRP is trying to assign invalid broadcast {}. skipping VIP...", word.text);
        line.error(word, message, "IPv6 has no broadcast");
        return None;
    };
    if matches!(word.text, "+" | "-") {
        if address.prefix.len > 30 {
            let message = format_args!("Address prefix length {} too long for broadcast", address.prefix.len);
            line.warn(word, message, "a broadcast address needs at least two host bits");
            return Some(());
        }
        let hosts = u32::MAX.checked_shr(u32::from(address.prefix.len)).unwrap_or(0);
        let network = own.to_bits() & !hosts;
        let bits = if word.text == "+" { network | hosts } else { network };
        address.broadcast = Some(Ipv4Addr::from_bits(bits));
        return Some(());
    }
    if let Ok(addr) = word.text.parse::<Ipv4Addr>() {
        address.broadcast = Some(addr);
        return Some(());
    }
    let message = format_args!("VRRP is trying to assign invalid broadcast {}. skipping VIP...", word.text);
    line.error(word, message, "write an IPv4 address, + or -; the address is not used");
    None
}

/// The printer of both lists.
pub(super) fn show(addresses: &[VirtualAddress]) -> Shown {
    if addresses.is_empty() { Shown::Nothing } else { Shown::Lines(addresses.iter().map(text).collect()) }
}

/// An address as a line that is read as the same address.
pub(super) fn text(address: &VirtualAddress) -> String {
    let mut out = match address.peer {
        Some(_) => address.prefix.addr.to_string(),
        None => address.prefix.to_string(),
    };
    // Writing to a String cannot fail.
    if let Some(peer) = address.peer {
        let _ = write!(out, " peer {peer}");
    }
    if let Some(broadcast) = address.broadcast {
        let _ = write!(out, " brd {broadcast}");
    }
    if let Some(dev) = &address.dev {
        let _ = write!(out, " dev {}", Quoted(dev.name.as_str()));
    }
    if address.scope != 0 {
        let name = SCOPES.iter().find(|(_, number)| *number == address.scope).map(|(name, _)| *name);
        let _ = match name {
            Some(name) => write!(out, " scope {name}"),
            None => write!(out, " scope {}", address.scope),
        };
    }
    if let Some(label) = &address.label {
        let _ = write!(out, " label {}", Quoted(label));
    }
    match address.preferred {
        None => {}
        Some(Lifetime::Forever) => out.push_str(" preferred_lft forever"),
        Some(Lifetime::Seconds(seconds)) => {
            let _ = write!(out, " preferred_lft {seconds}");
        }
    }
    for (on, word) in [
        (address.home, " home"),
        (address.nodad, " -nodad"),
        (address.mngtmpaddr, " mngtmpaddr"),
        (address.noprefixroute, " noprefixroute"),
        (address.autojoin, " autojoin"),
        (address.no_track, " no_track"),
        (address.use_vmac, " use_vmac"),
    ] {
        if on {
            out.push_str(word);
        }
    }
    out
}
