//! `use_vmac`, a macvlan with the virtual hardware address, and `use_ipvlan`, one with an address of its own.

use super::draft::InstanceDraft;
use crate::base::addr::{Family, Prefix};
use crate::base::mac::Mac;
use crate::base::name::IfName;
use crate::config::line::Line;
use crate::config::model::At;
use crate::config::model::instance::{Instance, Ipvlan, IpvlanMode, Vmac};
use crate::config::row::{Shown, Term};
use crate::config::tree::Word;
use crate::config::value::{self, Quoted};
use core::fmt::Write;

/// Reads the options in any order.
pub(super) fn use_vmac(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    let mut vmac =
        Vmac { name: None, mac: None, netlink_notify: false, group: None, at: At(line.keyword.at) };
    let mut words = line.args.iter();
    while let Some(word) = words.next() {
        match word.text {
            "name" | "group" => {
                let Some(argument) = words.next() else {
                    line.missing(word, "[[name] <if>] [<MAC>] [netlink_notify_msg] [group <name|int>]");
                    break;
                };
                if word.text == "name" {
                    name(&mut vmac, line, argument);
                } else {
                    vmac.group = link_group(draft, line, argument);
                }
            }
            "netlink_notify_msg" => vmac.netlink_notify = true,
            text if text.contains(':') => {
                if let Some((mac, short)) = hardware(&vmac, line, word) {
                    vmac.mac = Some(mac);
                    draft.mac_lacks_vrid = short;
                }
            }
            _ => name(&mut vmac, line, word),
        }
    }
    draft.instance.vmac = Some(Box::new(vmac));
}

/// The number of a group of interfaces, or a report.
fn link_group(draft: &InstanceDraft, line: &mut Line<'_>, word: &Word<'_>) -> Option<u32> {
    let number = draft.names.groups.number(word.text, u32::MAX);
    if number.is_none() {
        let message = format_args!("Invalid group '{}' specified - ignoring", word.text);
        line.error(word, message, "write a name of iproute2's table `group` or a number");
    }
    number
}

fn name(vmac: &mut Vmac, line: &mut Line<'_>, word: &Word<'_>) {
    if vmac.name.is_some() {
        return line.error(word, format_args!("VMAC interface name already specified"), "one name is enough");
    }
    vmac.name = IfName::new(word.text);
    if vmac.name.is_none() {
        let message =
            format_args!("VMAC interface name '{}' too long or invalid characters - ignoring", word.text);
        line.error(word, message, "an interface name has 1 to 15 bytes, no blank and no '/'");
    }
}

/// The address, and whether the VRID is its last octet.
fn hardware(vmac: &Vmac, line: &mut Line<'_>, word: &Word<'_>) -> Option<(Mac, bool)> {
    let text = word.text;
    let mut refuse = |why: &str| {
        line.error(
            word,
            format_args!("VMAC address '{text}' {why} - ignoring"),
            "write 5 or 6 octets of a unicast address",
        );
        None
    };
    if vmac.mac.is_some() {
        return refuse("already specified");
    }
    let Some(mac) = value::mac(text, 0) else {
        return refuse("malformed");
    };
    let [first, second, third, fourth, fifth, _] = mac.0;
    if first & 1 != 0 {
        return refuse("is a multicast address");
    }
    if [first, second, third, fourth] == [0, 0, 0x5e, 0] && matches!(fifth, 1 | 2) {
        return refuse("is in the range of virtual routers");
    }
    Some((mac, text.split(':').count() == 5))
}

/// The words of `use_vmac`.
#[rustfmt::skip]
pub(super) fn vmac_terms() -> Vec<Term> {
    vec![
        Term::new("name", "<interface>", "generated", "Name of the interface, even if it is one of these words"),
        Term::new("<if> positional", "<interface>", "generated", "Any other word is the name"),
        Term::new("<MAC> positional", "<5 or 6 hex octets>", "00:00:5e:00:01|02:<vrid>", "Hardware address; behind five octets comes the VRID"),
        Term::new("netlink_notify_msg", "", "off", "The kernel is made to tell about the parent interface"),
        Term::new("group", "<name or number>", "that of the parent", "Group of the interface"),
    ]
}

/// The words of `use_ipvlan`.
#[rustfmt::skip]
pub(super) fn ipvlan_terms() -> Vec<Term> {
    vec![
        Term::new("name", "<interface>", "generated", "Name of the interface, even if it is one of these words"),
        Term::new("<if> positional", "<interface>", "generated", "Any other word is the name"),
        Term::new("<ip> positional", "<ip>[/<len>]", "none; IPv4 needs one", "Its address, which is the source of adverts"),
        Term::new("bridge", "", "on", "Ipvlans of one interface see each other"),
        Term::new("private", "", "bridge", "Ipvlans of one interface do not see each other"),
        Term::new("vepa", "", "bridge", "Ipvlans of one interface see each other by a switch"),
        Term::new("group", "<name or number>", "that of the parent", "Group of the interface"),
    ]
}

/// Reads the options of `use_ipvlan` in any order.
pub(super) fn use_ipvlan(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    if draft.instance.ipvlan.is_some() {
        return line.error(
            line.keyword,
            format_args!("use_ipvlan already specified"),
            "the first one is used",
        );
    }
    let mut ipvlan =
        Ipvlan { name: None, address: None, mode: IpvlanMode::Bridge, group: None, at: At(line.keyword.at) };
    let mut mode = None;
    let mut words = line.args.iter();
    while let Some(word) = words.next() {
        let wanted = match word.text {
            "bridge" => Some(IpvlanMode::Bridge),
            "private" => Some(IpvlanMode::Private),
            "vepa" => Some(IpvlanMode::Vepa),
            _ => None,
        };
        if let Some(wanted) = wanted {
            if mode.is_some() {
                let message = format_args!("ipvlan type already specified - ignoring '{}'", word.text);
                line.error(word, message, "the first one is used");
            }
            mode.get_or_insert(wanted);
            continue;
        }
        match word.text {
            "name" | "group" => {
                let Some(argument) = words.next() else {
                    line.missing(
                        word,
                        "[[name] <if>] [<ip>[/<len>]] [bridge|private|vepa] [group <name|int>]",
                    );
                    break;
                };
                if word.text == "name" {
                    ipvlan_name(&mut ipvlan, line, argument);
                } else {
                    ipvlan.group = link_group(draft, line, argument);
                }
            }
            text => match value::prefix(text) {
                Some(read) => ipvlan_address(draft, &mut ipvlan, line, word, read.prefix),
                None => ipvlan_name(&mut ipvlan, line, word),
            },
        }
    }
    ipvlan.mode = mode.unwrap_or_default();
    draft.instance.ipvlan = Some(Box::new(ipvlan));
}

fn ipvlan_name(ipvlan: &mut Ipvlan, line: &mut Line<'_>, word: &Word<'_>) {
    if ipvlan.name.is_some() {
        let message = format_args!("IPVLAN interface already specified - ignoring '{}'", word.text);
        return line.error(word, message, "one name is enough");
    }
    ipvlan.name = line.interface(word).map(|named| named.name);
}

fn ipvlan_address(
    draft: &mut InstanceDraft,
    ipvlan: &mut Ipvlan,
    line: &mut Line<'_>,
    word: &Word<'_>,
    prefix: Prefix,
) {
    if ipvlan.address.is_some() {
        let message = format_args!("ipvlan address already specified - ignoring '{}'", word.text);
        return line.error(word, message, "one address is enough");
    }
    if !draft.claim(Family::of(&prefix.addr)) {
        let message = format_args!("ipvlan address {} MUST match VRRP instance family", word.text);
        return line.error(word, message, "an instance speaks one family only");
    }
    ipvlan.address = Some(prefix);
}

/// A name as every keepalived reads it: behind the word `name`, which came with 2.3, only if it would be mistaken.
fn named(name: &IfName, mistaken: impl Fn(&str) -> bool) -> String {
    let text = name.as_str();
    let word = if matches!(text, "name" | "group") || mistaken(text) { "name " } else { "" };
    format!("{word}{} ", Quoted(text))
}

/// The printer of `use_ipvlan`.
pub(super) fn show_use_ipvlan(instance: &Instance) -> Shown {
    let Some(ipvlan) = &instance.ipvlan else {
        return Shown::Nothing;
    };
    let mut out = String::new();
    // Writing to a String cannot fail.
    if let Some(name) = &ipvlan.name {
        let option =
            |text: &str| matches!(text, "bridge" | "private" | "vepa") || value::prefix(text).is_some();
        out.push_str(&named(name, option));
    }
    if let Some(address) = ipvlan.address {
        let _ = write!(out, "{address} ");
    }
    out.push_str(match ipvlan.mode {
        IpvlanMode::Bridge => "",
        IpvlanMode::Private => "private ",
        IpvlanMode::Vepa => "vepa ",
    });
    if let Some(group) = ipvlan.group {
        let _ = write!(out, "group {group}");
    }
    match out.trim_end() {
        "" => Shown::Flag,
        text => Shown::One(text.to_owned()),
    }
}

/// Its printer.
pub(super) fn show_use_vmac(instance: &Instance) -> Shown {
    let Some(vmac) = &instance.vmac else {
        return Shown::Nothing;
    };
    let mut out = String::new();
    // Writing to a String cannot fail.
    if let Some(name) = &vmac.name {
        out.push_str(&named(name, |text| text == "netlink_notify_msg" || text.contains(':')));
    }
    if let Some(mac) = vmac.mac {
        let _ = write!(out, "{mac} ");
    }
    if vmac.netlink_notify {
        out.push_str("netlink_notify_msg ");
    }
    if let Some(group) = &vmac.group {
        let _ = write!(out, "group {group}");
    }
    let out = out.trim_end();
    if out.is_empty() { Shown::Flag } else { Shown::One(out.to_owned()) }
}
