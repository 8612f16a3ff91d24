//! Lines of `virtual_ipaddress` and `virtual_ipaddress_excluded`.

use super::super::address;
use super::draft::InstanceDraft;
use crate::config::line::Line;
use crate::config::model::VirtualAddress;

/// A line of `virtual_ipaddress`.
pub(super) fn advertised(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    let Some((address, _)) = address::read(line, &draft.names, false) else {
        return;
    };
    if !draft.claim(address.prefix.family()) {
        let message =
            format_args!("address family must match VRRP instance [{}] - ignoring", line.keyword.text);
        return line.error(
            line.keyword,
            message,
            "addresses of the other family go to virtual_ipaddress_excluded",
        );
    }
    let twice = !draft.advertised.insert(address.prefix.addr);
    keep(&mut draft.instance.addresses, address, twice, line);
}

/// A line of `virtual_ipaddress_excluded`.
pub(super) fn excluded(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    let Some((address, _)) = address::read(line, &draft.names, false) else {
        return;
    };
    let dev = address.dev.as_ref().map(|dev| dev.name.clone());
    let twice = !draft.excluded.insert((address.prefix.addr, dev));
    keep(&mut draft.instance.excluded, address, twice, line);
}

fn keep(list: &mut Vec<VirtualAddress>, address: VirtualAddress, twice: bool, line: &mut Line<'_>) {
    if twice {
        let message = format_args!("VIP duplicates a VIP {} - ignoring", address.prefix);
        // Where a sequence makes thousands of them, only those that are told are looked at.
        let same = line.found.has_room(line.keyword.at) && list.iter().any(|known| alike(known, &address));
        return line.again(same, line.keyword, message, "write each address once");
    }
    list.push(address);
}

/// Whether both put the same address and network on the same interface.
fn alike(one: &VirtualAddress, other: &VirtualAddress) -> bool {
    let dev = |address: &VirtualAddress| address.dev.as_ref().map(|dev| dev.name.clone());
    one.prefix == other.prefix && one.peer == other.peer && dev(one) == dev(other)
}
