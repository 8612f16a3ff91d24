//! Lists of `vrrp_instance`: unicast peers, one a line, and `garp_extra_if`.

use super::draft::InstanceDraft;
use crate::base::addr::Family;
use crate::base::limit;
use crate::base::time::Span;
use crate::config::line::Line;
use crate::config::model::At;
use crate::config::model::instance::{ExtraGarp, Instance, Peer};
use crate::config::row::{Shown, Term, fit};
use crate::config::value;

/// `<ip> [min_ttl <0..255>] [max_ttl <0..255>]`
pub(super) fn unicast_peer(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    draft.unicast.get_or_insert(line.keyword.at);
    let first = line.keyword;
    let Some(addr) = value::address(first.text) else {
        let message = format_args!("malformed unicast peer address[{}]. Skipping...", first.text);
        return line.error(first, message, "write a numeric IPv4 or IPv6 address");
    };
    if !draft.claim(Family::of(&addr)) {
        let message = format_args!(
            "instance and unicast peer address[{addr}] MUST be of the same family !!! Skipping..."
        );
        return line.error(first, message, "an instance speaks one family only");
    }
    let mut peer = Peer { addr, min_ttl: 0, max_ttl: 255, at: At(first.at) };
    let mut words = line.args.iter().skip(1);
    while let Some(option) = words.next() {
        let (field, checked) = match option.text {
            "min_ttl" => (&mut peer.min_ttl, true),
            "max_ttl" => (&mut peer.max_ttl, true),
            other => {
                let message = format_args!("unknown unicast peer option '{other}'");
                line.warn(option, message, "write min_ttl or max_ttl and a number");
                continue;
            }
        };
        let Some(word) = words.next() else {
            line.warn(option, format_args!("no value for {}", option.text), "write a number from 0 to 255");
            break;
        };
        if let Some(number) = line.number(option.text, word, 0..=255) {
            *field = fit(number);
            draft.instance.params.check_unicast_src |= checked;
        }
    }
    if peer.min_ttl > peer.max_ttl {
        let message = format_args!("min_ttl {} is greater than max_ttl {}", peer.min_ttl, peer.max_ttl);
        line.warn(first, message, "no advert of this peer can be accepted");
    }
    if let Some(known) = draft.instance.peers.iter().find(|known| known.addr == addr) {
        let same = (known.min_ttl, known.max_ttl) == (peer.min_ttl, peer.max_ttl);
        let message = format_args!("duplicate unicast peer {addr} - ignoring");
        return line.again(same, first, message, "name each peer once");
    }
    if draft.instance.peers.len() >= limit::UNICAST_PEERS {
        let message = format_args!("more than {} unicast peers - ignoring {addr}", limit::UNICAST_PEERS);
        return line.error(first, message, "use multicast for so many routers");
    }
    draft.instance.peers.push(peer);
}

/// Its printer.
pub(super) fn show_unicast_peers(instance: &Instance) -> Shown {
    if instance.peers.is_empty() {
        return Shown::Nothing;
    }
    let line = |peer: &Peer| {
        let mut out = peer.addr.to_string();
        if peer.min_ttl != 0 {
            out.push_str(&format!(" min_ttl {}", peer.min_ttl));
        }
        if peer.max_ttl != 255 {
            out.push_str(&format!(" max_ttl {}", peer.max_ttl));
        }
        out
    };
    Shown::Lines(instance.peers.iter().map(line).collect())
}

/// The words of a peer.
#[rustfmt::skip]
pub(super) fn peer_terms() -> Vec<Term> {
    vec![
        Term::new("<ip>", "<ip> [min_ttl <0..255>] [max_ttl <0..255>]", "none", "Address of the peer"),
        Term::new("min_ttl", "<0..255>", "0", "Lowest accepted TTL or hop limit; implies check_unicast_src"),
        Term::new("max_ttl", "<0..255>", "255", "Highest accepted TTL or hop limit; implies check_unicast_src"),
    ]
}

/// `[all] <seconds>`, in any order.
pub(in crate::config::rows) fn extra_garp(field: &mut Option<ExtraGarp>, line: &mut Line<'_>, least: i64) {
    let name = line.keyword.text;
    let mut all = false;
    let mut interval = None;
    for word in line.args {
        if word.text == "all" {
            all = true;
        } else {
            match line.number(name, word, least..=86_400) {
                Some(number) => interval = Some(Span::from_secs(fit(number))),
                None => return,
            }
        }
    }
    match interval {
        Some(interval) => *field = Some(ExtraGarp { all, interval }),
        None => {
            let message = format_args!("{name} specified without time - ignoring");
            line.error(line.keyword, message, "write the seconds between two announcements");
        }
    }
}

/// Its printer.
pub(in crate::config::rows) fn show_extra_garp(extra: Option<ExtraGarp>) -> Shown {
    extra.map_or(Shown::Nothing, |extra| {
        Shown::One(format!("{}{}", if extra.all { "all " } else { "" }, extra.interval.as_secs()))
    })
}
