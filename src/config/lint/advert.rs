//! How adverts travel: interval, authentication, unicast, the link.

use super::places::named;
use super::{Input, Report};
use crate::base::map::Map;
use crate::base::name::IfName;
use crate::base::time::Span;
use crate::config::diag::Mark;
use crate::config::model::hmac::HmacMode;
use crate::config::model::{Instance, Named};
use crate::config::nearest::nearest;
use crate::config::tree::Node;
use crate::config::value::{self, Seconds};
use crate::proto::vrrp::priority::OWNER;
use crate::proto::vrrp::{Machine, Version};

fn mark(input: &Input<'_>, instance: &Instance, keyword: &str) -> Mark {
    input.places.mark("vrrp_instance", &instance.name, keyword, instance.at.0)
}

fn interface_mark(interface: &Named) -> Mark {
    named(interface.name.as_str(), interface.at.0)
}

pub(super) fn interval_whole_seconds(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        if instance.params.version != Version::V2 {
            continue;
        }
        let line = input.places.instance(&instance.name, "advert_int");
        let Some(word) = line.and_then(|line| line.word(1)) else {
            continue;
        };
        let second = Span::from_secs(1);
        let Ok(read) = value::seconds(word.text, Span::ZERO..=second, 1) else {
            continue;
        };
        if read.value < second {
            let down = Machine::new(instance.params.clone()).master_down_time();
            let message = format_args!(
                "({}) version 2 sends every second, not every {} s; a take-over lasts {} s",
                instance.name,
                word.text,
                hundredths(down)
            );
            report.tell(word, message);
        }
    }
}

pub(super) fn interval_long(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        let down = Machine::new(instance.params.clone()).master_down_time();
        if down > Span::from_secs(30) {
            let message = format_args!(
                "({}) a router that dies is replaced after {} s",
                instance.name,
                hundredths(down)
            );
            report.tell(mark(input, instance, "advert_int"), message);
        }
    }
}

pub(super) fn interval_very_short(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        if instance.params.advert_interval < Span::from_millis(50) {
            let down = Machine::new(instance.params.clone()).master_down_time();
            let message = format_args!(
                "({}) a pause of {} ms of this router, and the other one takes over",
                instance.name,
                down.as_millis()
            );
            report.tell(mark(input, instance, "advert_int"), message);
        }
    }
}

/// Who wants take-overs within a second means it, and so does who bounds what is learned.
pub(super) fn learned_interval(input: &Input<'_>, report: &mut Report<'_>) {
    /// Shorter intervals are there for the sake of fast take-overs.
    const FAST: Span = Span::from_millis(300);
    /// What a BACKUP can be told is at most so many times its own interval.
    const FAR: u64 = 10;
    for instance in input.model.instances.iter().filter(|one| one.params.version == Version::V3) {
        let params = &instance.params;
        let signed = instance.hmac.as_ref().is_some_and(|hmac| hmac.mode == HmacMode::Enforce);
        let (keyword, most) = match params.max_learned_interval {
            Some(most) if most > params.advert_interval * FAR => ("max_learned_interval", most),
            None if params.advert_interval < FAST => ("advert_int", Span::from_centis(4_095)),
            Some(_) | None => continue,
        };
        if signed {
            continue;
        }
        let patience = most * u64::from(params.down_timer_adverts);
        let message = format_args!(
            "({}) sends every {} s, and one forged advert keeps it from taking over for {} s",
            instance.name,
            Seconds(params.advert_interval),
            Seconds(patience)
        );
        report.tell(mark(input, instance, keyword), message);
    }
}

pub(super) fn auth_pass_long(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in input.model.instances.iter().filter(|one| one.auth_pass.is_some()) {
        let line = input.places.instance(&instance.name, "auth_pass");
        let Some(word) = line.and_then(|line| line.word(1)) else {
            continue;
        };
        if word.text.len() > 8 {
            let message = format_args!(
                "({}) of the {} bytes of the password only the first 8 are compared",
                instance.name,
                word.text.len()
            );
            report.tell(word, message);
        }
    }
}

fn inside(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    node.block().into_iter().flat_map(|block| block.nodes())
}

pub(super) fn auth_pass_cut(input: &Input<'_>, report: &mut Report<'_>) {
    let secret = |node: &Node<'_>| matches!(node.keyword().text, "auth_pass" | "key");
    let instances = input.tree.nodes().filter(|node| node.keyword().text == "vrrp_instance");
    for node in instances.flat_map(inside).flat_map(inside).filter(secret) {
        let Some(word) = node.words().last() else { continue };
        let Some(text) = input.sources.and_then(|sources| sources.line(word.at)) else { continue };
        let behind = usize::from(word.at.column)
            .checked_sub(1)
            .and_then(|from| text.get(from..)?.strip_prefix(word.text));
        if let Some(sign) =
            behind.and_then(|behind| behind.chars().next()).filter(|sign| matches!(sign, '!' | '#'))
        {
            let what = if node.keyword().text == "key" { "key" } else { "password" };
            let message = format_args!("the {what} ends here: '{sign}' begins a comment");
            report.tell(word, message);
        }
    }
}

pub(super) fn unicast_any_source(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        if instance.unicast() && !instance.params.check_unicast_src {
            let message = format_args!(
                "({}) adverts of any sender are accepted, not only those of the peers",
                instance.name
            );
            report.tell(mark(input, instance, "unicast_peer"), message);
        }
    }
}

pub(super) fn unicast_no_source(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        if instance.unicast() && instance.source.is_none() {
            let message = format_args!(
                "({}) unicast adverts leave from the first address of the interface, whichever that is",
                instance.name
            );
            report.tell(mark(input, instance, "unicast_peer"), message);
        }
    }
}

pub(super) fn unicast_self(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        for peer in &instance.peers {
            if instance.source == Some(peer.addr) {
                let text = peer.addr.to_string();
                let message = format_args!(
                    "({}) {text} is the source of the own adverts and one of the peers",
                    instance.name
                );
                report.tell(named(&text, peer.at.0), message);
            }
        }
    }
}

pub(super) fn vrid_twice(input: &Input<'_>, report: &mut Report<'_>) {
    let mut seen: Map<(&IfName, u8, u8), Option<&Instance>> = Map::new();
    for instance in &input.model.instances {
        // A clash that keeps one of them from running is told already.
        let (Some(interface), None) = (&instance.interface, &instance.conflict) else {
            continue;
        };
        let params = &instance.params;
        let key = (&interface.name, params.vrid, params.family as u8);
        let first = seen.change(key, |first| *first.get_or_insert(instance));
        if !core::ptr::eq(first, instance) {
            let message = format_args!(
                "({}) virtual_router_id {} is that of {} on {}, too",
                instance.name, params.vrid, first.name, interface.name
            );
            report.tell(mark(input, instance, "virtual_router_id"), message);
        }
    }
}

pub(super) fn strict_drops_traffic(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        if instance.strict && !instance.accept && instance.params.priority != OWNER {
            let remedy = if instance.params.version == Version::V2 {
                "remove vrrp_strict from global_defs, or write strict_mode off in the instance"
            } else {
                "write accept in the instance, or remove vrrp_strict from global_defs"
            };
            let message = format_args!(
                "({}) strict mode: as MASTER it drops all packets to its virtual addresses",
                instance.name
            );
            report.advise(named(&instance.name, instance.at.0), message, remedy);
        }
    }
}

pub(super) fn garp_once(input: &Input<'_>, report: &mut Report<'_>) {
    // One line of global_defs may say it for all instances.
    let all = input.places.line("global_defs", "", "vrrp_min_garp");
    for instance in &input.model.instances {
        let garp = &instance.params.garp;
        let once = garp.repeat == 1 && garp.delay.is_zero() && garp.refresh.is_zero();
        if !once || instance.addresses.is_empty() {
            continue;
        }
        if let Some(line) = all {
            let remedy = "write vrrp_garp_master_refresh 60 beside it";
            let message = format_args!("each address is announced once only at a take-over");
            return report.advise(line.keyword(), message, remedy);
        }
        let message = format_args!("({}) each address is announced once only at a take-over", instance.name);
        report.tell(named(&instance.name, instance.at.0), message);
    }
}

pub(super) fn interface_no_multicast(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in input.model.instances.iter().filter(|one| !one.unicast()) {
        let Some(interface) = &instance.interface else {
            continue;
        };
        if input.facts.link(&interface.name).is_some_and(|link| !link.multicast) {
            let message = format_args!(
                "({}) adverts go to the group {}, and {} has no multicast",
                instance.name, instance.group, interface.name
            );
            let remedy = format!("use unicast_peer, or `ip link set {} multicast on`", interface.name);
            report.advise(interface_mark(interface), message, &remedy);
        }
    }
}

pub(super) fn interface_missing(input: &Input<'_>, report: &mut Report<'_>) {
    let Some(links) = &input.facts.links else { return };
    for instance in &input.model.instances {
        let own = instance.interface.iter().map(|interface| (interface, 0));
        let tracked =
            instance.track_interfaces.iter().map(|tracked| (&tracked.interface, tracked.weight.value));
        for (interface, weight) in own.chain(tracked) {
            let name = interface.name.as_str();
            if links.contains_key(name) || report.is_told(interface_mark(interface), name) {
                continue;
            }
            let effect = if weight == 0 {
                "the instance stays in FAULT"
            } else {
                "its weight counts as that of an interface that is down"
            };
            let message = format_args!("({}) there is no interface {name}: {effect}", instance.name);
            let others: Vec<&str> = links.keys().map(String::as_str).collect();
            let remedy = match nearest(name, others.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("this machine has {}", list(&others)),
            };
            report.advise(interface_mark(interface), message, &remedy);
        }
    }
}

/// A few names; the rest as a number.
fn list(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    let mut out = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(SHOWN);
    if more > 0 {
        out.push_str(&format!(" and {more} more"));
    }
    out
}

/// Seconds with at most two decimals, rounded up.
fn hundredths(span: Span) -> Seconds {
    Seconds(Span::from_centis((span + Span::from_micros(9_999)).as_centis()))
}
