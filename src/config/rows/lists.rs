//! Lists of `vrrp_instance`: unicast peers and trackers, one entry a line.

use super::instance::{Draft, NamedTracker};
use crate::base::addr::Family;
use crate::base::limit;
use crate::base::time::Span;
use crate::config::line::Line;
use crate::config::model::At;
use crate::config::model::instance::{ExtraGarp, Instance, Peer, TrackedInterface};
use crate::config::row::{Shown, fit};
use crate::config::tree::Word;
use crate::config::value::{self, Bad, Quoted};
use crate::proto::track::Weight;

/// `<ip> [min_ttl <0..255>] [max_ttl <0..255>]`
pub(super) fn unicast_peer(draft: &mut Draft, line: &mut Line<'_>) {
    draft.unicast.get_or_insert(line.keyword.at);
    let first = line.keyword;
    let Some(addr) = value::address(first.text) else {
        let message = format!("malformed unicast peer address[{}]. Skipping...", first.text);
        return line.error(first, &message, "write a numeric IPv4 or IPv6 address");
    };
    if !draft.claim(Family::of(&addr)) {
        let message =
            format!("instance and unicast peer address[{addr}] MUST be of the same family !!! Skipping...");
        return line.error(first, &message, "an instance speaks one family only");
    }
    let mut peer = Peer {
        addr,
        min_ttl: 0,
        max_ttl: 255,
        at: At(first.at),
    };
    let mut words = line.args.clone().into_iter().skip(1);
    while let Some(option) = words.next() {
        let (field, checked) = match option.text {
            "min_ttl" => (&mut peer.min_ttl, true),
            "max_ttl" => (&mut peer.max_ttl, true),
            other => {
                let message = format!("unknown unicast peer option '{other}'");
                line.warn(option, &message, "write min_ttl or max_ttl and a number");
                continue;
            }
        };
        let Some(word) = words.next() else {
            line.warn(
                option,
                &format!("no value for {}", option.text),
                "write a number from 0 to 255",
            );
            break;
        };
        if let Some(number) = line.number(option.text, word, 0..=255) {
            *field = fit(number);
            draft.instance.params.check_unicast_src |= checked;
        }
    }
    if peer.min_ttl > peer.max_ttl {
        let message = format!(
            "min_ttl {} is greater than max_ttl {}",
            peer.min_ttl, peer.max_ttl
        );
        line.warn(first, &message, "no advert of this peer can be accepted");
    }
    if draft.instance.peers.iter().any(|known| known.addr == addr) {
        let message = format!("duplicate unicast peer {addr} - ignoring");
        return line.error(first, &message, "name each peer once");
    }
    if draft.instance.peers.len() >= limit::UNICAST_PEERS {
        let message = format!(
            "more than {} unicast peers - ignoring {addr}",
            limit::UNICAST_PEERS
        );
        return line.error(first, &message, "use multicast for so many routers");
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

/// A weight from -253 to 253; one beyond is brought to the nearer end, and told.
pub(super) fn weight_number(line: &mut Line<'_>, word: Word<'_>) -> Option<i16> {
    match value::integer(word.text, i64::MIN..=i64::MAX, true) {
        Ok(read) => {
            let used = read.value.clamp(-253, 253);
            if used != read.value {
                line.bad_number("weight", word, Bad::Range, "-253, 253", Some(&used.to_string()));
            } else if read.trailing {
                let message = format!("weight '{}' has text after it, {used} is used", word.text);
                line.warn(word, &message, "write a number from -253 to 253");
            }
            Some(fit(used))
        }
        Err(bad) => {
            line.bad_number("weight", word, bad, "-253, 253", None);
            None
        }
    }
}

/// What follows the name of a tracker: none if the entry cannot be used, else weight and sense.
fn weight(line: &mut Line<'_>, noreverse: bool) -> Option<(Option<i16>, Option<bool>)> {
    let Some(option) = line.arg(1) else {
        return Some((None, None));
    };
    let remedy = "write weight, a number from -253 to 253 and maybe reverse; the line is not used";
    if option.text != "weight" {
        let message = format!("unknown track option '{}' - ignoring", option.text);
        line.error(option, &message, remedy);
        return None;
    }
    let Some(number) = line.arg(2) else {
        line.error(
            option,
            &format!("weight of {} without a number - ignoring", line.keyword.text),
            remedy,
        );
        return None;
    };
    let weight = weight_number(line, number);
    let reverse = match line.arg(3) {
        None => None,
        Some(word) if word.text == "reverse" => Some(true),
        Some(word) if word.text == "noreverse" && noreverse => Some(false),
        Some(word) => {
            let message = format!("unknown weight option '{}'", word.text);
            line.warn(word, &message, "only reverse can follow the number");
            None
        }
    };
    Some((weight, reverse))
}

/// `<if> [weight <-253..253> [reverse]]`
pub(super) fn track_interface(draft: &mut Draft, line: &mut Line<'_>) {
    let Some(interface) = line.interface(line.keyword) else {
        return;
    };
    let known = &draft.instance.track_interfaces;
    if known
        .iter()
        .any(|tracked| tracked.interface.name == interface.name)
    {
        let message = format!("duplicate track_interface {} - ignoring", interface.name);
        return line.error(line.keyword, &message, "name each interface once");
    }
    if let Some((value, reverse)) = weight(line, false) {
        let weight = Weight {
            value: value.unwrap_or(0),
            reverse: reverse.unwrap_or(false),
        };
        draft
            .instance
            .track_interfaces
            .push(TrackedInterface { interface, weight });
    }
}

/// Its printer.
pub(super) fn show_track_interfaces(instance: &Instance) -> Shown {
    if instance.track_interfaces.is_empty() {
        return Shown::Nothing;
    }
    let line = |tracked: &TrackedInterface| match tracked.weight {
        Weight {
            value: 0,
            reverse: false,
        } => Quoted(tracked.interface.name.as_str()).to_string(),
        weight => format!(
            "{} weight {}",
            Quoted(tracked.interface.name.as_str()),
            weight_text(weight)
        ),
    };
    Shown::Lines(instance.track_interfaces.iter().map(line).collect())
}

/// `<vrrp_script> [weight <-253..253> [reverse|noreverse]]`
pub(super) fn track_script(draft: &mut Draft, line: &mut Line<'_>) {
    let name = line.keyword;
    if draft.track_scripts.iter().any(|known| known.name == name.text) {
        let message = format!("duplicate track_script {} - ignoring", name.text);
        return line.error(name, &message, "name each script once");
    }
    if let Some((weight, reverse)) = weight(line, true) {
        draft.track_scripts.push(NamedTracker {
            name: name.text.to_owned(),
            at: name.at,
            weight,
            reverse,
        });
    }
}

/// A weight as it is written.
pub(crate) fn weight_text(weight: Weight) -> String {
    format!("{}{}", weight.value, if weight.reverse { " reverse" } else { "" })
}

/// A weight, unless it is none.
pub(super) fn show_weight(weight: Weight) -> Shown {
    if weight == Weight::default() {
        Shown::Nothing
    } else {
        Shown::One(weight_text(weight))
    }
}

/// `[all] <seconds>`, in any order.
pub(super) fn extra_garp(field: &mut Option<ExtraGarp>, line: &mut Line<'_>, least: i64) {
    let name = line.keyword.text;
    let mut all = false;
    let mut interval = None;
    for word in line.args.clone() {
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
            let message = format!("{name} specified without time - ignoring");
            line.error(
                line.keyword,
                &message,
                "write the seconds between two announcements",
            );
        }
    }
}

/// Its printer.
pub(super) fn show_extra_garp(extra: Option<ExtraGarp>) -> Shown {
    extra.map_or(Shown::Nothing, |extra| {
        Shown::One(format!(
            "{}{}",
            if extra.all { "all " } else { "" },
            extra.interval.as_secs()
        ))
    })
}
