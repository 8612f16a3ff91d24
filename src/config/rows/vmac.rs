//! `use_vmac`: a macvlan with the virtual hardware address.

use super::instance::Draft;
use crate::base::mac::Mac;
use crate::base::name::IfName;
use crate::config::line::Line;
use crate::config::model::At;
use crate::config::model::instance::{Instance, Vmac};
use crate::config::row::Shown;
use crate::config::tree::Word;
use crate::config::value::{self, Quoted};
use core::fmt::Write;

/// Reads the options in any order.
pub(super) fn use_vmac(draft: &mut Draft, line: &mut Line<'_>) {
    let mut vmac = Vmac {
        name: None,
        mac: None,
        netlink_notify: false,
        group: None,
        at: At(line.keyword.at),
    };
    let mut words = line.args.clone().into_iter();
    while let Some(word) = words.next() {
        match word.text {
            "name" | "group" => {
                let Some(argument) = words.next() else {
                    line.missing(
                        word,
                        "[[name] <if>] [<MAC>] [netlink_notify_msg] [group <name|int>]",
                    );
                    break;
                };
                if word.text == "name" {
                    name(&mut vmac, line, argument);
                } else {
                    vmac.group = Some(argument.text.to_owned());
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
    draft.instance.vmac = Some(vmac);
}

fn name(vmac: &mut Vmac, line: &mut Line<'_>, word: Word<'_>) {
    if vmac.name.is_some() {
        return line.error(
            word,
            "VMAC interface name already specified",
            "one name is enough",
        );
    }
    vmac.name = IfName::new(word.text);
    if vmac.name.is_none() {
        let message = format!(
            "VMAC interface name '{}' too long or invalid characters - ignoring",
            word.text
        );
        line.error(
            word,
            &message,
            "an interface name has 1 to 15 bytes, no blank and no '/'",
        );
    }
}

/// The address, and whether the VRID is its last octet.
fn hardware(vmac: &Vmac, line: &mut Line<'_>, word: Word<'_>) -> Option<(Mac, bool)> {
    let text = word.text;
    let mut refuse = |why: &str| {
        line.error(
            word,
            &format!("VMAC address '{text}' {why} - ignoring"),
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

/// Its printer.
pub(super) fn show_use_vmac(instance: &Instance) -> Shown {
    let Some(vmac) = &instance.vmac else {
        return Shown::Nothing;
    };
    let mut out = String::new();
    // Writing to a String cannot fail.
    if let Some(name) = &vmac.name {
        let _ = write!(out, "name {} ", Quoted(name.as_str()));
    }
    if let Some(mac) = vmac.mac {
        let _ = write!(out, "{mac} ");
    }
    if vmac.netlink_notify {
        out.push_str("netlink_notify_msg ");
    }
    if let Some(group) = &vmac.group {
        let _ = write!(out, "group {}", Quoted(group));
    }
    let out = out.trim_end();
    if out.is_empty() {
        Shown::Flag
    } else {
        Shown::One(out.to_owned())
    }
}
