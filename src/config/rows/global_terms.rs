//! Words that lines of `global_defs` know, for the list of everything.

use crate::config::row::Term;

/// The words of `lvs_sync_daemon`.
#[rustfmt::skip]
pub(super) fn sync_daemon() -> Vec<Term> {
    vec![
        Term::new("inst", "<vrrp_instance>", "both roles run", "Instance whose state selects the role: master or backup"),
        Term::new("id", "<0..255>", "router id of the instance, else 0", "Number that both ends must share"),
        Term::new("maxlen", "<octets 1..65507>", "that of the kernel", "Largest packet"),
        Term::new("port", "<1..65535>", "8848, that of the kernel", "UDP port"),
        Term::new("ttl", "<1..255>", "1, that of the kernel", "Time to live of multicast packets"),
        Term::new("group", "<multicast ip>", "224.0.0.81, that of the kernel", "Multicast group"),
        Term::new("<vrrp_instance> positional", "", "none", "Second word without inst, deprecated: the same as after inst"),
        Term::new("<syncid> positional", "", "none", "Third word without id, deprecated: the same as after id"),
    ]
}

/// The words of `lvs_timeouts`.
#[rustfmt::skip]
pub(super) fn timeouts() -> Vec<Term> {
    vec![
        Term::new("tcp", "<seconds 0..2678400>", "unchanged, as with 0", "Idle time of an established TCP connection"),
        Term::new("tcpfin", "<seconds 0..2678400>", "unchanged, as with 0", "Idle time of a TCP connection after its FIN"),
        Term::new("udp", "<seconds 0..2678400>", "unchanged, as with 0", "Idle time of UDP"),
    ]
}

/// The words of `include_check`, each with a `+` or `-` before it if it adds to or takes from what holds.
#[rustfmt::skip]
pub(super) fn include_check() -> Vec<Term> {
    vec![
        Term::new("read", "", "off", "A match that is no readable file is an error"),
        Term::new("match", "", "off", "A name that is missing is an error; implies read"),
        Term::new("wildcard_match", "", "off", "A wildcard that matches nothing is an error; implies read"),
        Term::new("brace_match", "", "off", "An alternative in braces that is missing is an error; implies read"),
    ]
}
