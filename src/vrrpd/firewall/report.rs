//! Log lines of the firewall, where keepalived has them in its words.

use log::{error, info, warn};
use nix::errno::Errno;

use super::iptables::Reason;
use super::legacy::Trouble;
use crate::base::addr::Family;
use crate::sys::netlink::ipset::Refused as SetRefused;
use crate::sys::netlink::nft::Refused;
use crate::sys::xtables;

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

pub(super) fn put_back(table: &str) {
    warn!("nftables table {table} was changed by somebody else, put back; find out who does it");
}

pub(super) fn left_over(table: &str) {
    info!("Removing nftables table {table} that was left behind");
}

/// `vrrp_iptables`, in the words of the reference that has none.
pub(super) fn instead_of_iptables(reason: Reason) -> String {
    let why = match reason {
        Reason::NoProgram => "there is no program iptables",
        Reason::NewProgram => "iptables makes rules of nftables on this machine (see iptables -V)",
        Reason::NoTables => "this kernel does not have its tables (module ip_tables)",
    };
    format!(
        "iptables not supported, using nftables instead. Please replace 'vrrp_iptables and 'vrrp_ipsets' with \
         'nftables' config option: {why}"
    )
}

/// Something is wrong with rules of iptables; instances go on.
pub(super) fn trouble(trouble: &Trouble) {
    match trouble {
        Trouble::Chain(family, chain) => error!(
            "{} chain {chain} doesn't exist - nothing is dropped there; make it (a startup_script can) and have it \
             called, or write another name behind vrrp_iptables",
            program(*family)
        ),
        Trouble::Rules(family, refused) => error!(
            "{}: {} - its rules are not in place; write nftables in place of vrrp_iptables",
            program(*family),
            reason(*refused)
        ),
        Trouble::Set(name, refused) => {
            warn!("ipset {name}: {refused} - iptables has a rule for each address instead");
        }
    }
}

/// Rules that cannot be taken away. Chains that are not there have none.
pub(super) fn trouble_in_the_end(trouble: &Trouble) {
    if let Trouble::Rules(family, refused) = trouble {
        warn!("{}: cannot remove rules: {}", program(*family), reason(*refused));
    }
}

pub(super) fn rules_put_back() {
    warn!("rules of iptables were removed by somebody else, put back; find out who does it");
}

pub(super) fn iptables_work_again() {
    info!("iptables: the rules are in place");
}

pub(super) fn left_over_rules() {
    info!("Removing rules of iptables that were left behind");
}

pub(super) fn set_stuck(name: &str, refused: SetRefused) {
    warn!("ipset {name}: cannot be destroyed: {refused}");
}

const fn program(family: Family) -> &'static str {
    match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    }
}

fn reason(refused: xtables::Refused) -> &'static str {
    match refused {
        xtables::Refused::Busy => "another program changes rules all the time",
        xtables::Refused::Unknown => "this kernel does not have these tables",
        xtables::Refused::Form => "the kernel's table has an unknown form",
        xtables::Refused::Kernel(Errno::ENOENT) => "this kernel lacks a match that they need",
        xtables::Refused::Kernel(errno) => errno.desc(),
    }
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
