//! The kernel's answers to requests, and what is logged of them.

use core::fmt::Display;

use nix::errno::Errno;

use super::{Class, Holder, Items, Request, StaticAddress, objects_mut};
use crate::base::addr::Family;
use crate::child::links::Links;
use crate::proto::vrrp::priority::OWNER;
use crate::sys::netlink::command::Refusal;
use crate::sys::netlink::route::Insert;
use crate::vrrpd::live::item::{Input, News, Next, Outcome};
use crate::vrrpd::live::{Entry, Instance, Item, LiveRoute, Unseen, Vip};
use crate::vrrpd::report;

/// The kernel's answer to a request.
type Answer<'a> = Result<(), Refusal<'a>>;

impl Items {
    /// Sends the requests of the batch and notes the kernel's answers.
    pub(in crate::vrrpd) fn commit(&mut self, instances: &mut [Instance], links: &Links) {
        let Self { commands, requests, refused, late, statics, statics_changed, .. } = self;
        commands.commit(|tag, answer| {
            let request = usize::try_from(tag).ok().and_then(|tag| requests.get(tag));
            let Some(&Request { holder, class, position, add }) = request else { return };
            *statics_changed |= holder == Holder::Static;
            let next = match (class, holder) {
                (_, Holder::Former) => Next::Nothing,
                (Class::Address, Holder::Instance(id)) => {
                    let instance = instances.get_mut(id.index());
                    let next = instance.map_or(Next::Nothing, |instance| {
                        virtual_address_answered(instance, links, position, add, &answer)
                    });
                    if next == Next::Announce && !late.contains(&id) {
                        late.push(id);
                    }
                    next
                }
                (Class::Address, Holder::Static) => {
                    let known = statics.addresses.get_mut(position);
                    known.map_or(Next::Nothing, |known| static_address_answered(known, add, &answer))
                }
                (Class::Route | Class::Rule, _) => {
                    let config = match holder {
                        Holder::Instance(id) => instances.get(id.index()).map(|it| it.config.clone()),
                        Holder::Static | Holder::Former => None,
                    };
                    let name = config.as_ref().map(|config| config.name.as_str());
                    let objects = objects_mut(instances, &mut statics.objects, holder);
                    let next = objects.and_then(|objects| match class {
                        Class::Route => {
                            Some(route_answered(objects.routes.get_mut(position)?, add, &answer, name))
                        }
                        _ => {
                            let Entry { value, item, .. } = objects.rules.get_mut(position)?;
                            let outcome = answered(item, add, Exists::Adopted, &answer);
                            log_news(outcome.news, name, value);
                            log_refusal(outcome, add, name, value, &answer);
                            Some(outcome.next)
                        }
                    });
                    next.unwrap_or(Next::Nothing)
                }
            };
            *refused |= matches!(next, Next::Retry { .. });
        });
        requests.clear();
    }
}

/// What it means that the kernel has an item already which it was asked to add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exists {
    /// An earlier run or another holder added it: it is this child's to delete.
    Adopted,
    /// If it was there before this child added it for the first time, it stays when its holder does not need it.
    Kept,
    /// Another item is in its place.
    Refused,
}

/// Takes the kernel's answer about an item.
fn answered(item: &mut Item, add: bool, exists: Exists, answer: &Answer<'_>) -> Outcome {
    match (add, answer) {
        (false, _) => Outcome::NOTHING,
        (true, Ok(())) => item.handle(Input::Added),
        (true, Err(refusal)) if refusal.errno == Errno::EEXIST && exists != Exists::Refused => {
            item.handle(Input::There { keep: exists == Exists::Kept })
        }
        (true, Err(refusal)) => item.handle(Input::Refused(refusal.errno)),
    }
}

/// The refusal of a deletion, unless the item is gone already, by somebody else or with its interface.
fn stuck<'a>(add: bool, answer: &'a Answer<'a>) -> Option<&'a Refusal<'a>> {
    let gone = |errno| matches!(errno, Errno::EADDRNOTAVAIL | Errno::ESRCH | Errno::ENOENT | Errno::ENODEV);
    answer.as_ref().err().filter(|refusal| !add && !gone(refusal.errno))
}

fn virtual_address_answered(
    instance: &mut Instance,
    links: &Links,
    position: usize,
    add: bool,
    answer: &Answer<'_>,
) -> Next {
    // An address owner's own address stays when it steps down; any other that is there is a left-over.
    let owner = instance.router.params().priority == OWNER;
    let exists = if owner { Exists::Kept } else { Exists::Adopted };
    let name = &instance.config.name;
    let Some(moved) = instance.addresses.get_mut(position) else { return Next::Nothing };
    let outcome = answered(&mut moved.item, add, exists, answer);
    log_virtual_news(outcome.news, name, moved, links);
    if let (Next::Retry { new: true }, Err(refusal)) = (outcome.next, answer) {
        report::address_refused(name, moved.prefix, refusal);
    }
    if let Some(refusal) = stuck(add, answer) {
        report::object_stuck(Some(name), &moved.prefix, refusal);
    }
    instance.router.counters_mut().restored += u32::from(outcome.is_put_back());
    outcome.next
}

fn static_address_answered(known: &mut StaticAddress, add: bool, answer: &Answer<'_>) -> Next {
    let outcome = answered(&mut known.item, add, Exists::Kept, answer);
    log_news(outcome.news, None, &known.address.prefix);
    log_refusal(outcome, add, None, &known.address.prefix, answer);
    outcome.next
}

fn route_answered(
    Entry { value: placed, item, .. }: &mut Entry<LiveRoute>,
    add: bool,
    answer: &Answer<'_>,
    name: Option<&str>,
) -> Next {
    let unseen = core::mem::take(&mut placed.unseen);
    let there = matches!(answer, Err(refusal) if refusal.errno == Errno::EEXIST);
    if add && there && unseen == Unseen::Place {
        placed.unseen = Unseen::Occupied;
        return Next::Retry { new: false };
    }
    let exact = placed.insert != Insert::Add || item.is_doubted() || placed.replaces;
    let exists = if exact { Exists::Adopted } else { Exists::Refused };
    let outcome = answered(item, add, exists, answer);
    if add && answer.is_ok() {
        placed.replaces = false;
        match unseen {
            Unseen::No => {}
            Unseen::Place => report::object_taken(name, &placed.route, true),
            Unseen::Occupied => report::object_replaced(name, &placed.route),
        }
    }
    log_news(outcome.news, name, &placed.route);
    log_refusal(outcome, add, name, &placed.route, answer);
    if unseen == Unseen::Occupied && answer.is_ok() && placed.route.family == Family::V6 {
        // The route is another way of the other program's route now.
        item.handle(Input::Doubted);
        placed.replaces = true;
    }
    outcome.next
}

/// Logs what happened to a virtual address.
pub(super) fn log_virtual_news(news: News, name: &str, moved: &Vip, links: &Links) {
    let (addr, link) = (moved.prefix.addr, links.name(moved.link));
    match news {
        // That it is back has been told with its deletion.
        News::None | News::Back => {}
        News::Deleted => report::address_taken(name, addr, link, true),
        News::GivenUp => report::address_taken(name, addr, link, false),
        News::WentWithFirst => report::address_fell(name, addr, link),
    }
}

/// Logs what happened to a route, a rule or a static address. `name`: that of the instance whose item it is.
pub(super) fn log_news(news: News, name: Option<&str>, item: &impl Display) {
    match news {
        News::None => {}
        News::Deleted | News::WentWithFirst => report::object_taken(name, item, true),
        News::GivenUp => report::object_taken(name, item, false),
        News::Back => report::object_back(name, item),
    }
}

/// Logs the kernel's refusal of a route, a rule or a static address.
fn log_refusal(outcome: Outcome, add: bool, name: Option<&str>, item: &impl Display, answer: &Answer<'_>) {
    if let (Next::Retry { new: true }, Err(refusal)) = (outcome.next, answer) {
        report::object_refused(name, item, refusal);
    }
    if let Some(refusal) = stuck(add, answer) {
        report::object_stuck(name, item, refusal);
    }
}
