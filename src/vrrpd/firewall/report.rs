//! Log lines of the firewall, where keepalived has them in its words.

use crate::child::tables::{REMEDY, is_missing, text_of};
use crate::daemon::log::{error, info, warn};
use crate::sys::netlink::nft::Refused;

/// An instance's addresses take no packets from now on, or do again.
pub(super) fn guard(instance: &str, on: bool) {
    if on {
        info!("({instance}) setting firewall drop rule");
    } else {
        info!("({instance}) removing firewall drop rule");
    }
}

pub(super) fn default_chosen() {
    info!("use_vmac or no_accept/strict specified, but no firewall configured - using nftables");
}

#[cfg(not(feature = "iptables"))]
pub(super) fn rules_stay() {
    warn!(
        "rules of iptables were left behind and stay: {}; 'iptables-legacy-save | grep keepalived' shows them",
        crate::base::feature::IPTABLES.lacking("to remove them")
    );
}

/// Until it works; instances go on.
pub(super) fn failed(refused: &Refused, guards: bool) {
    let what = match guards {
        true => "packets to the addresses of instances with no_accept are accepted",
        false => "membership reports of VMAC interfaces leave with their hardware address",
    };
    match is_missing(refused) {
        true => error!("nftables: {} - {what}; {REMEDY}", text_of(refused)),
        false => error!("nftables: {} - {what}", text_of(refused)),
    }
}

pub(super) fn no_copies(refused: &Refused) {
    warn!(
        "nftables: {} - membership reports of VMAC interfaces leave with their hardware address",
        text_of(refused)
    );
}
