//! Log lines of the firewall, where keepalived has them in its words.

use nix::errno::Errno;

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

pub(super) fn put_back(table: &str) {
    warn!("nftables table {table} was changed by somebody else, put back; find out who does it");
}

pub(super) fn left_over(table: &str) {
    info!("Removing nftables table {table} that was left behind");
}

/// Until it works; instances go on.
pub(super) fn failed(refused: &Refused, guards: bool) {
    let what = match guards {
        true => "packets to the addresses of instances with no_accept are accepted",
        false => "membership reports of VMAC interfaces leave with their hardware address",
    };
    match is_missing(refused) {
        true => error!("nftables: {} - {what}; {REMEDY}", text(refused)),
        false => error!("nftables: {} - {what}", text(refused)),
    }
}

pub(super) fn no_copies(refused: &Refused) {
    warn!(
        "nftables: {} - membership reports of VMAC interfaces leave with their hardware address",
        text(refused)
    );
}

pub(super) fn works_again() {
    info!("nftables: the rules are in place");
}

pub(super) fn stuck(table: &str, refused: &Refused) {
    warn!("nftables: cannot remove table {table}: {}", text(refused));
}

const REMEDY: &str = "modprobe nf_tables (CONFIG_NF_TABLES), then reload";

const fn is_missing(refused: &Refused) -> bool {
    matches!(refused.errno, Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT)
}

fn text(refused: &Refused) -> String {
    let errno = match is_missing(refused) {
        true => "this kernel has no nf_tables",
        false => refused.errno.desc(),
    };
    if refused.text.is_empty() { errno.to_owned() } else { format!("{errno} ({})", refused.text) }
}
