//! The table `filter` as octets: what of it is ours is exchanged, everything else stays as it is.
//!
//! ```text
//! chain of the kernel's:          rule… policy      begins at its `first`, its policy stands at its `last`
//! chain of somebody's:      name, rule… return      the name is a target ERROR with the text behind it
//! end of the table:         name
//! ```
//! Jumps name the octet where a chain begins, so all of them follow when something grows. A rule is ours by its mark
//! (nfcache, an old field that programs keep and nobody reads) or, should that have been lost in somebody's save and
//! restore, because it is as we write them and asks one of our sets.

use super::layout::{COUNTERS, Layout};
use super::rule::{ACCEPT, DROP, OLD_SET, PART_HEAD, put};

/// Where in a chain rules are put, unless some of them stand somewhere already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In front of the others.
    Head,
    /// Behind the others.
    Tail,
}

/// Rules that are wanted in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) chain: String,
    pub(super) place: Place,
    pub(super) octets: Vec<u8>,
}

/// What the kernel has is not of the form that is known, or its numbers do not fit any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A whole table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) valid_hooks: u32,
    pub(super) first: [u32; 5],
    pub(super) last: [u32; 5],
    pub(super) octets: Vec<u8>,
    /// For each rule the number of the one that it was before; none for a new one.
    pub(super) origins: Vec<Option<usize>>,
}

/// Whose rules are ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ours<'a> {
    /// The mark of those in front; of those behind it is the next number.
    pub(super) mark: u32,
    /// Numbers of our sets.
    pub(super) sets: &'a [u16],
}

#[derive(Clone, Copy)]
struct Entry<'a> {
    number: usize,
    at: usize,
    octets: &'a [u8],
    layout: &'a Layout,
}

/// A chain: its name if it is not the kernel's, its rules, and what ends it.
struct Chain<'a> {
    label: Option<Entry<'a>>,
    hook: Option<usize>,
    name: &'a str,
    rules: &'a [Entry<'a>],
    end: Entry<'a>,
}

/// What a new table is made of.
#[derive(Clone, Copy)]
enum Piece<'a> {
    Old(Entry<'a>),
    New(&'a [u8]),
}

impl Table {
    /// Exchanges our rules for those that are wanted: the new table, none if nothing changes. What is wanted in a
    /// chain that is not there is left out and the chain's name told.
    pub(super) fn exchange(
        &self,
        layout: &Layout,
        ours: Ours<'_>,
        wanted: &[Wanted],
        mut on_missing: impl FnMut(&str),
    ) -> Result<Option<Self>, Malformed> {
        let entries = self.entries(layout)?;
        let chains = self.chains(&entries)?;
        for (number, one) in wanted.iter().enumerate() {
            let told = wanted.iter().take(number).any(|before| before.chain == one.chain);
            if !told && !chains.iter().any(|chain| chain.name == one.chain) {
                on_missing(&one.chain);
            }
        }
        let mut changed = false;
        let mut bodies = Vec::with_capacity(chains.len());
        for chain in &chains {
            let body = body(chain, ours, wanted);
            changed |= body.iter().filter(|piece| matches!(piece, Piece::Old(_))).count() < chain.rules.len()
                || body.len() > chain.rules.len();
            bodies.push(body);
        }
        if !changed {
            return Ok(None);
        }
        self.build(layout, &chains, &bodies, entries.last().copied()).map(Some)
    }

    fn entries<'a>(&'a self, layout: &'a Layout) -> Result<Vec<Entry<'a>>, Malformed> {
        let (mut list, mut at) = (Vec::new(), 0_usize);
        while at < self.octets.len() {
            let rest = self.octets.get(at..).ok_or(Malformed)?;
            let size = usize::from(short(rest, layout.next).ok_or(Malformed)?);
            let octets = rest.get(..size).filter(|_| size >= layout.head + PART_HEAD).ok_or(Malformed)?;
            list.push(Entry { number: list.len(), at, octets, layout });
            at = at.saturating_add(size);
        }
        Ok(list)
    }

    fn chains<'a>(&self, entries: &'a [Entry<'a>]) -> Result<Vec<Chain<'a>>, Malformed> {
        let starts_hook = |entry: &Entry<'_>| {
            let valid = |hook: &usize| self.valid_hooks & 1 << hook != 0;
            (0..5).filter(valid).find(|hook| self.first.get(*hook).copied() == u32::try_from(entry.at).ok())
        };
        let mut chains = Vec::new();
        let mut from = 0;
        // The last one is the end of the table.
        let last = entries.len().checked_sub(1).ok_or(Malformed)?;
        while from < last {
            let begin = entries.get(from).ok_or(Malformed)?;
            let hook = starts_hook(begin);
            let label = begin.label().map(|_| *begin);
            let first = if label.is_some() { from.saturating_add(1) } else { from };
            let after = entries.get(first.saturating_add(1)..last).unwrap_or_default();
            let next = after.iter().position(|entry| entry.label().is_some() || starts_hook(entry).is_some());
            let until = next.map_or(last, |next| first.saturating_add(1).saturating_add(next));
            let (end, rules) = entries.get(first..until).and_then(<[_]>::split_last).ok_or(Malformed)?;
            let name = match (begin.label(), hook) {
                (Some(name), None) => name,
                (None, Some(hook)) => HOOKS.get(hook).copied().ok_or(Malformed)?,
                _ => return Err(Malformed),
            };
            let policy = hook.and_then(|hook| self.last.get(hook)).copied();
            if policy.is_some() && policy != u32::try_from(end.at).ok() {
                return Err(Malformed);
            }
            chains.push(Chain { label, hook, name, rules, end: *end });
            from = until;
        }
        Ok(chains)
    }

    fn build(
        &self,
        layout: &Layout,
        chains: &[Chain<'_>],
        bodies: &[Vec<Piece<'_>>],
        end: Option<Entry<'_>>,
    ) -> Result<Self, Malformed> {
        let mut built = Self {
            valid_hooks: self.valid_hooks,
            first: self.first,
            last: self.last,
            octets: Vec::with_capacity(self.octets.len()),
            origins: Vec::with_capacity(self.origins.len()),
        };
        // Where each chain began, and begins now.
        let mut starts = Vec::with_capacity(chains.len());
        let mut old = Vec::new();
        for (chain, body) in chains.iter().zip(bodies) {
            chain.label.iter().for_each(|label| built.push(Piece::Old(*label), &mut old));
            let begin = u32::try_from(built.octets.len()).map_err(|_| Malformed)?;
            starts.push((chain.rules.first().unwrap_or(&chain.end).at, begin));
            body.iter().for_each(|piece| built.push(*piece, &mut old));
            let policy = u32::try_from(built.octets.len()).map_err(|_| Malformed)?;
            built.push(Piece::Old(chain.end), &mut old);
            if let Some(hook) = chain.hook {
                *built.first.get_mut(hook).ok_or(Malformed)? = begin;
                *built.last.get_mut(hook).ok_or(Malformed)? = policy;
            }
        }
        end.iter().for_each(|end| built.push(Piece::Old(*end), &mut old));
        starts.sort_unstable();
        for (at, entry) in old {
            let Some(jump) = entry.jump() else { continue };
            let size = entry.octets.len();
            let to = if jump == entry.at.saturating_add(size) {
                // On to the next rule, whichever that is now.
                u32::try_from(at.saturating_add(size)).map_err(|_| Malformed)?
            } else {
                let place = starts.binary_search_by_key(&jump, |(from, _)| *from).map_err(|_| Malformed)?;
                starts.get(place).ok_or(Malformed)?.1
            };
            let verdict = at.saturating_add(entry.target()).saturating_add(PART_HEAD);
            put(&mut built.octets, verdict, &to.to_ne_bytes());
        }
        for at in built.entries(layout)?.iter().map(|entry| entry.at).collect::<Vec<_>>() {
            put(&mut built.octets, at.saturating_add(layout.came_from), &[0; 4]);
            put(&mut built.octets, at.saturating_add(layout.counters), &[0; COUNTERS]);
        }
        Ok(built)
    }

    fn push<'a>(&mut self, piece: Piece<'a>, old: &mut Vec<(usize, Entry<'a>)>) {
        let octets = match piece {
            Piece::Old(entry) => {
                old.push((self.octets.len(), entry));
                self.origins.push(Some(entry.number));
                entry.octets
            }
            Piece::New(octets) => {
                self.origins.push(None);
                octets
            }
        };
        self.octets.extend_from_slice(octets);
    }
}

/// What is between the beginning of a chain and its end: as it is, if our rules there are those that are wanted.
fn body<'a>(chain: &Chain<'a>, ours: Ours<'_>, wanted: &'a [Wanted]) -> Vec<Piece<'a>> {
    let of = |place: Place| {
        let there = chain.rules.iter().filter(move |entry| entry.whose(ours) == Some(place));
        let wanted = wanted.iter().filter(move |one| one.chain == chain.name && one.place == place);
        (there, wanted)
    };
    let agrees = |place: Place| {
        let (mut there, mut wanted) = of(place);
        loop {
            match (there.next(), wanted.next()) {
                (None, None) => return true,
                (Some(entry), Some(wanted)) if entry.is(&wanted.octets) => {}
                _ => return false,
            }
        }
    };
    if agrees(Place::Head) && agrees(Place::Tail) {
        return chain.rules.iter().map(|entry| Piece::Old(*entry)).collect();
    }
    let mut body = Vec::with_capacity(chain.rules.len());
    let mut put = [false; 2];
    let mut insert = |body: &mut Vec<Piece<'a>>, place: Place| {
        let done = if place == Place::Head { &mut put[0] } else { &mut put[1] };
        if !core::mem::replace(done, true) {
            body.extend(of(place).1.map(|one| Piece::New(&one.octets)));
        }
    };
    if of(Place::Head).0.next().is_none() {
        insert(&mut body, Place::Head);
    }
    for entry in chain.rules {
        match entry.whose(ours) {
            Some(place) => insert(&mut body, place),
            None => body.push(Piece::Old(*entry)),
        }
    }
    insert(&mut body, Place::Tail);
    body
}

impl<'a> Entry<'a> {
    fn target(&self) -> usize {
        usize::from(short(self.octets, self.layout.target).unwrap_or(0))
    }

    /// The name of the chain that begins behind it.
    fn label(&self) -> Option<&'a str> {
        let target = self.octets.get(self.target()..)?;
        if name_of(target)? != "ERROR" {
            return None;
        }
        let text = target.get(PART_HEAD..)?;
        let end = text.iter().position(|octet| *octet == 0).unwrap_or(text.len());
        core::str::from_utf8(text.get(..end)?).ok()
    }

    /// Where it jumps to.
    fn jump(&self) -> Option<usize> {
        let target = self.octets.get(self.target()..)?;
        let verdict = target.get(PART_HEAD..)?.first_chunk::<4>()?;
        let is_standard = name_of(target)?.is_empty();
        usize::try_from(i32::from_ne_bytes(*verdict)).ok().filter(|_| is_standard)
    }

    fn whose(&self, ours: Ours<'_>) -> Option<Place> {
        let mark = self.octets.get(self.layout.mark..)?.first_chunk::<4>()?;
        let mark = u32::from_ne_bytes(*mark);
        if mark == ours.mark {
            return Some(Place::Head);
        }
        (mark == ours.mark.wrapping_add(1) || self.asks(ours.sets)).then_some(Place::Tail)
    }

    /// Whether it asks one of these sets, looks at nothing that ours do not look at, and does what they do: others may
    /// have rules about our sets, too.
    fn asks(&self, sets: &[u16]) -> bool {
        let addressed =
            self.octets.get(..self.layout.protocol).is_none_or(|head| head.iter().any(|octet| *octet != 0));
        if addressed || !self.decides() {
            return false;
        }
        let mut asks = false;
        let mut at = self.layout.head;
        let end = self.target();
        while at < end && !sets.is_empty() {
            let Some(part) = self.octets.get(at..end) else { return false };
            let Some(size) = short(part, 0).map(usize::from).filter(|size| *size >= PART_HEAD) else {
                return false;
            };
            match name_of(part) {
                Some("set") => {
                    let revised = part.get(PART_HEAD - 1).is_some_and(|revision| *revision >= OLD_SET);
                    asks |= revised && short(part, PART_HEAD).is_some_and(|index| sets.contains(&index));
                }
                Some("icmp6") => {}
                _ => return false,
            }
            at = at.saturating_add(size);
        }
        asks
    }

    /// Whether the packet passes or is dropped by it.
    fn decides(&self) -> bool {
        let target = self.octets.get(self.target()..).unwrap_or_default();
        let verdict = target.get(PART_HEAD..).and_then(|rest| rest.first_chunk::<4>());
        name_of(target) == Some("")
            && verdict.is_some_and(|verdict| [ACCEPT, DROP].contains(&i32::from_ne_bytes(*verdict)))
    }

    /// Whether it is this rule, whatever it has counted.
    fn is(&self, rule: &[u8]) -> bool {
        let layout = self.layout;
        let counted = [layout.came_from..layout.came_from + 4, layout.counters..layout.counters + COUNTERS];
        let mut pairs = self.octets.iter().zip(rule).enumerate();
        self.octets.len() == rule.len()
            && pairs.all(|(at, (one, other))| one == other || counted.iter().any(|range| range.contains(&at)))
    }
}

/// The name of a match or a target.
fn name_of(part: &[u8]) -> Option<&str> {
    let text = part.get(2..PART_HEAD - 1)?;
    let end = text.iter().position(|octet| *octet == 0).unwrap_or(text.len());
    core::str::from_utf8(text.get(..end)?).ok()
}

fn short(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk::<2>().map(|octets| u16::from_ne_bytes(*octets))
}

const HOOKS: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
