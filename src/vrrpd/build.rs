//! From the model to instances and sync groups at work: names become interfaces, commands become files and users.
//!
//! Used at the start and by each reload, so that both make the same thing of the same text.

mod implied;
mod objects;
mod tracking;

pub(super) use objects::objects;

use core::ops::Range;
use std::sync::Arc;

use super::live::notify::{Notifier, Script};
use super::live::{
    Adverts, Config, Entered, Group, Instance, Objects, OwnLinks, Reception, Source, TrackScript, Vip,
};
use super::own::plan::Plan;
use crate::base::addr::{Family, IpAddr};
use crate::base::id::{LinkId, ScriptId, TrackGroupId};
use crate::base::time::Instant;
use crate::child::check::{Broken, unusable};
use crate::child::links::Links;
use crate::config::model::instance::{Notify, OldChecksum};
use crate::config::model::{self, Model, VirtualAddress};
use crate::daemon::keep::Note;
use crate::notify::command::Unusable;
use crate::notify::{Command, Resolver};
use crate::proto::track::{self, Object, Tracked, Weight};
use crate::proto::vrrp::{Peer, Router};
use crate::sys::clock;
use implied::implied;
use tracking::{Lists, tracking, tracks};

impl Broken {
    /// A track script that cannot run.
    pub(super) fn track(script: &model::Script, why: &Unusable) -> Self {
        let text = match why {
            Unusable::Nobody => {
                format!("Unable to set default user for vrrp script {} - removing", script.name)
            }
            _ => format!("Disabling track script {} {}", script.name, unusable(why)),
        };
        Self { at: script.command.at, text }
    }

    /// A notify script that cannot run.
    pub(super) fn notify(instance: &str, command: &model::ScriptCommand, why: &Unusable) -> Self {
        let text = match why {
            Unusable::Nobody => {
                format!(
                    "({instance}) Failed to set default user for notify script {} - ignoring",
                    command.raw
                )
            }
            _ => format!("({instance}) Disabling notify script {} {}", command.raw, unusable(why)),
        };
        Self { at: command.at, text }
    }

    /// A script before or after the children that cannot run.
    pub(super) fn around(word: &str, command: &model::ScriptCommand, why: &Unusable) -> Self {
        let text = match why {
            Unusable::Nobody => {
                format!("Failed to set default user for {word} script {} - ignoring", command.raw)
            }
            _ => format!("Disabling {word} script {} {}", command.raw, unusable(why)),
        };
        Self { at: command.at, text }
    }
}

/// Makes the track scripts. One that cannot run is logged and has no command.
pub(super) fn scripts(
    model: &Model,
    now: Instant,
    resolver: &Resolver,
    broken: &mut Vec<Broken>,
) -> Vec<TrackScript> {
    model
        .scripts
        .iter()
        .map(|script| {
            let command = resolver
                .resolve(&script.command, "")
                .inspect_err(|why| {
                    let why = unusable(why);
                    let text = format!("Disabling track script {} {why}", script.name);
                    broken.push(Broken { at: script.command.at, text });
                })
                .ok();
            TrackScript {
                name: script.name.clone(),
                machine: track::Script::new(now, script.params.clone()),
                command,
                pid: None,
                note: Note::NONE,
            }
        })
        .collect()
}

/// Makes the instances of a range of positions. Their interfaces are entered in `links`.
pub(super) fn instances(
    model: &Arc<Model>,
    positions: Range<usize>,
    links: &mut Links,
    scripts: &[TrackScript],
    resolver: &Resolver,
    broken: &mut Vec<Broken>,
    plan: &Plan,
) -> impl Iterator<Item = Instance> {
    Config::all(model).enumerate().skip(positions.start).take(positions.len()).map(|(position, config)| {
        let place = Place { plan, position };
        instance(config, links, scripts, resolver, broken, place)
    })
}

/// An instance's place in the model, and what interfaces of its own are planned for it.
#[derive(Clone, Copy)]
struct Place<'a> {
    plan: &'a Plan,
    position: usize,
}

fn instance(
    config: Config,
    links: &mut Links,
    scripts: &[TrackScript],
    resolver: &Resolver,
    broken: &mut Vec<Broken>,
    place: Place<'_>,
) -> Instance {
    let base = config.interface.as_ref().map(|named| links.named(&named.name));
    let own = place.plan.of_instance(place.position).or(base);
    let vrf = config.vrf.as_ref().map(|named| links.named(&named.name));
    let transmit = if config.vmac_xmit_base { base } else { own.or(vrf) };
    // As with keepalived, addresses stay beside an ipvlan: what answers for them has the base's address anyway. So do
    // those of the other family beside a macvlan, whose hardware address is not theirs.
    let lines = config.addresses.iter().chain(&config.excluded).enumerate();
    let addresses: Box<[Vip]> = lines
        .map(|(number, line)| {
            let beside = config.ipvlan.is_some() || Family::of(&line.prefix.addr) != config.params.family;
            let home = if beside { base } else { own };
            moved(line, place.plan.of_address(place.position, number), home, links)
        })
        .collect();
    let announced = u16::try_from(addresses.len()).unwrap_or(u16::MAX);
    let usable = |id: ScriptId| scripts.get(id.index()).is_some_and(|script| script.command.is_some());
    let mut router = Router::new(config.params.clone(), announced);
    router.set_synced(config.sync_group.is_some());
    router.change_guard(super::auth::guard(&config, true));
    let old_form = config.old_unicast_checksum == OldChecksum::Yes;
    let mut instance = Instance {
        router,
        links: OwnLinks { base, own, transmit },
        source: Source::default(),
        advert: Adverts::default(),
        reception: Reception::default(),
        entered: Entered { at: Instant::START, wall: clock::wall() },
        addresses,
        objects: own_objects(&config, links),
        peers: config
            .peers
            .iter()
            .map(|peer| Peer { addr: peer.addr, min_ttl: peer.min_ttl, max_ttl: peer.max_ttl, old_form })
            .collect(),
        tracking: all_tracking(&config, base, links, &usable).into(),
        waiting: None,
        notifier: notifier(&config.notify, &config.name, resolver, broken),
        pending: super::live::Pending::default(),
        config,
    };
    instance.fit_advert(links);
    instance
}

/// What an instance tracks: said, implied, or said of its sync group; what the group names as well is the instance's own.
/// An implied interface decides over FAULT, so a weight of it says nothing any more; keepalived leaves it out, too.
fn all_tracking(
    config: &Config,
    base: Option<LinkId>,
    links: &mut Links,
    usable: &dyn Fn(ScriptId) -> bool,
) -> Vec<Tracked> {
    let implied = implied(config, base, links);
    let mut all = tracking(Lists::of(config), links, usable);
    all.retain(|said| !tracks(&implied, said.object));
    follow(config, &mut all);
    all.extend_from_slice(&implied);
    if let Some(group) = config.group() {
        let mut more = tracking(Lists::of_group(group), links, usable);
        more.retain(|tracked| !tracks(&all, tracked.object));
        all.append(&mut more);
    }
    all.shrink_to_fit();
    all
}

/// The static items that an instance follows: all members of a `track_group` do.
fn follow(config: &Config, all: &mut Vec<Tracked>) {
    let own = config.id();
    for (position, group) in config.model().network.track_groups.iter().enumerate() {
        if group.members.contains(&own) {
            let object = Object::StaticItems(TrackGroupId::at(position));
            all.push(Tracked { object, weight: Weight::default() });
        }
    }
}

fn own_objects(config: &Config, links: &mut Links) -> Option<Box<Objects>> {
    let objects = objects(&config.routes, &config.rules, links);
    (!objects.is_empty()).then(|| Box::new(objects))
}

fn moved(line: &VirtualAddress, own: Option<LinkId>, home: Option<LinkId>, links: &mut Links) -> Vip {
    let link = own.or_else(|| line.dev.as_ref().map(|named| links.named(&named.name))).or(home);
    Vip::new(line.prefix, link, line.no_track)
}

/// Makes the sync groups of a model.
pub(super) fn groups(model: &Model, resolver: &Resolver, broken: &mut Vec<Broken>) -> Vec<Group> {
    let live =
        |group: &model::Group| Group { notifier: notifier(&group.notify, &group.name, resolver, broken) };
    model.groups.iter().map(live).collect()
}

/// The scripts of an instance or a group, if any is configured.
pub(super) fn notifier(
    notify: &Notify,
    name: &str,
    resolver: &Resolver,
    broken: &mut Vec<Broken>,
) -> Option<Box<Notifier>> {
    let mut notifier = Notifier::new();
    for (script, command) in commands(notify) {
        let Some(command) = command else { continue };
        match resolver.resolve(command, name) {
            Ok(ready) => notifier.set(script as usize, ready),
            Err(why) => broken.push(Broken::notify(name, command, &why)),
        }
    }
    (!notifier.is_empty()).then(|| Box::new(notifier))
}

/// The commands of notify scripts, each with the script that it is for.
pub(super) fn commands(notify: &Notify) -> [(Script, Option<&model::ScriptCommand>); 7] {
    [
        (Script::Master, notify.master.as_ref()),
        (Script::Backup, notify.backup.as_ref()),
        (Script::Fault, notify.fault.as_ref()),
        (Script::Stop, notify.stop.as_ref()),
        (Script::Deleted, notify.deleted_script.as_ref()),
        (Script::LowerPriority, notify.master_rx_lower_pri.as_ref()),
        (Script::Any, notify.any.as_ref()),
    ]
}

/// What a reload finds an instance again by, whatever its name: everything that its adverts are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    vrid: u8,
    family: Family,
    links: [Option<LinkId>; 3],
    group: IpAddr,
    /// Unicast, and from which address.
    unicast: Option<Option<IpAddr>>,
}

/// The identity of an instance.
pub(super) fn identity(instance: &Instance) -> Identity {
    let params = instance.router.params();
    let unicast = !instance.peers.is_empty();
    Identity {
        vrid: params.vrid,
        family: params.family,
        links: [instance.links.base, instance.links.own, instance.links.transmit],
        group: instance.config.group,
        unicast: unicast.then_some(instance.config.source),
    }
}

/// Which router an instance is on which link, whatever its adverts look like.
pub(super) fn place(instance: &Instance) -> (u8, Family, Option<LinkId>) {
    let params = instance.router.params();
    (params.vrid, params.family, instance.links.base)
}

/// Whether two commands would run the same thing.
pub(super) fn same_command(before: &Command, after: &Command) -> bool {
    before.words == after.words && before.terms.identity == after.terms.identity
}
