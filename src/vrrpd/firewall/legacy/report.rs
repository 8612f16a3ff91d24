//! Log lines of iptables and its sets, where keepalived has them in its words.

use nix::errno::Errno;

use super::Trouble;
use crate::base::addr::Family;
use crate::daemon::log::{error, info, warn};
use crate::sys::netlink::ipset::Refused as SetRefused;
use crate::sys::xtables;

/// Why it is not iptables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vrrpd::firewall) enum Reason {
    /// There is no such program, hence nobody who made a chain.
    NoProgram,
    /// It makes rules of nftables.
    NewProgram,
    /// The kernel has not its tables.
    NoTables,
}

/// `vrrp_iptables`, in the words of the reference that has none.
pub(in crate::vrrpd::firewall) fn instead_of_iptables(reason: Reason) -> String {
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
pub(in crate::vrrpd::firewall) fn trouble(trouble: &Trouble) {
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
pub(in crate::vrrpd::firewall) fn trouble_in_the_end(trouble: &Trouble) {
    if let Trouble::Rules(family, refused) = trouble {
        warn!("{}: cannot remove rules: {}", program(*family), reason(*refused));
    }
}

pub(in crate::vrrpd::firewall) fn rules_put_back() {
    warn!("rules of iptables were removed by somebody else, put back; find out who does it");
}

pub(in crate::vrrpd::firewall) fn iptables_work_again() {
    info!("iptables: the rules are in place");
}

pub(in crate::vrrpd::firewall) fn left_over_rules() {
    info!("Removing rules of iptables that were left behind");
}

pub(in crate::vrrpd::firewall) fn set_stuck(name: &str, refused: SetRefused) {
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
