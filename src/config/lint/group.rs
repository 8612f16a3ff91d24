//! Sync groups, and delays of interfaces. Read from the text: the rules between keywords drop what is of interest here.

use super::{Input, Report};
use crate::base::map::Map;
use crate::base::time::Span;
use crate::config::diag::Mark;
use crate::config::model::Instance;
use crate::config::tree::Node;
use crate::config::value::{self, Seconds};

/// The lines of a block of a node.
fn lines<'t>(node: Node<'t>, keyword: &'static str) -> impl Iterator<Item = Node<'t>> {
    let lines = node.block().into_iter().flat_map(|block| block.nodes());
    lines.filter(move |line| line.keyword().text == keyword)
}

/// The entries of lists: each line of each block of this name.
fn entries<'t>(node: Node<'t>, keyword: &'static str) -> impl Iterator<Item = Node<'t>> {
    lines(node, keyword).filter_map(|line| line.block()).flat_map(|block| block.nodes())
}

/// The members of a sync group; several may stand on a line.
fn members<'t>(group: Node<'t>) -> Vec<&'t str> {
    entries(group, "group").flat_map(|line| line.words()).map(|word| word.text).collect()
}

fn groups<'t>(input: &Input<'t>) -> impl Iterator<Item = Node<'t>> {
    let nodes = input.tree.nodes();
    nodes.filter(|node| node.keyword().text == "vrrp_sync_group")
}

/// The weight of a tracker as written, else that of what it tracks.
fn weight(input: &Input<'_>, entry: Node<'_>, kinds: &[&str]) -> i64 {
    let number = |text: &str| value::integer(text, -254..=254, true).ok().map(|read| read.value);
    let mut words = entry.arguments().skip_while(|word| word.text != "weight");
    if words.next().is_some() {
        return words.next().and_then(|word| number(word.text)).unwrap_or(0);
    }
    let inherited = kinds.iter().find_map(|kind| {
        let line = input.places.line(kind, entry.keyword().text, "weight")?;
        line.word(1).and_then(|word| number(word.text))
    });
    inherited.unwrap_or(0)
}

pub(super) fn weights(input: &Input<'_>, report: &mut Report<'_>) {
    let lists: [(&str, &[&str]); 3] =
        [("track_interface", &[]), ("track_script", &["vrrp_script"]), ("track_bfd", &["bfd_instance"])];
    for group in groups(input) {
        let allowed = ["sync_group_tracking_weight", "global_tracking"];
        if allowed.iter().any(|word| lines(group, word).next().is_some()) {
            continue;
        }
        let name = group.word(1).map_or("", |name| name.text);
        for member in members(group) {
            let Some(instance) = input.places.object("vrrp_instance", member) else {
                continue;
            };
            for (list, kinds) in lists {
                for entry in entries(instance, list) {
                    let weight = weight(input, entry, kinds);
                    if weight != 0 {
                        let message = format_args!(
                            "({member}) weight {weight} of {} does nothing: {member} is in sync group {name}",
                            entry.keyword().text
                        );
                        report.tell(entry.keyword(), message);
                    }
                }
            }
        }
    }
}

pub(super) fn priorities(input: &Input<'_>, report: &mut Report<'_>) {
    let instances: Map<&str, &Instance> =
        input.model.instances.iter().map(|instance| (instance.name.as_str(), instance)).collect();
    for group in groups(input) {
        let mut known = members(group).into_iter().filter_map(|name| instances.get(name).copied());
        let Some(first) = known.next() else { continue };
        let (name, own) = (group.word(1), first.params.priority);
        let others: Vec<String> = known
            .filter(|other| other.params.priority != own)
            .map(|other| format!("{} {}", other.name, other.params.priority))
            .collect();
        if others.is_empty() {
            continue;
        }
        let message = format_args!(
            "sync group {}: its members have different priorities ({} {own}, {}); one can win its election while another \
             loses, and pull the group to and fro",
            name.map_or("", |name| name.text),
            first.name,
            others.join(", ")
        );
        report.tell(name.unwrap_or_else(|| group.keyword()), message);
    }
}

pub(super) fn down_delay(input: &Input<'_>, report: &mut Report<'_>) {
    let blocks = input.tree.nodes().filter(|node| node.keyword().text == "interface_up_down_delays");
    for entry in blocks.filter_map(|node| node.block()).flat_map(|block| block.nodes()) {
        let most = Span::from_secs(255);
        let Some((word, Ok(delay))) =
            entry.word(1).map(|word| (word, value::seconds(word.text, Span::ZERO..=most, 1)))
        else {
            continue;
        };
        let own = |instance: &&Instance| {
            let interface = instance.interface.as_ref();
            interface.is_some_and(|interface| interface.name.as_str() == entry.keyword().text)
        };
        // The instance that has the least patience.
        let patience = |instance: &Instance| {
            let adverts = u64::from(instance.params.down_timer_adverts.saturating_sub(1));
            instance.params.advert_interval * adverts
        };
        let tightest = input.model.instances.iter().filter(own).min_by_key(|one| patience(one));
        if let Some(instance) = tightest.filter(|instance| delay.value >= patience(instance)) {
            let message = format_args!(
                "{}: down delay {} s, and the other routers give up on {} after {} s: the delay is cut short, or two were MASTER",
                entry.keyword().text,
                Seconds(delay.value),
                instance.name,
                Seconds(patience(instance))
            );
            report.tell(Mark::from(word), message);
        }
    }
}
