//! The rules of iptables and the sets that they ask, where `vrrp_iptables` asks for them and this machine has them.
//!
//! ```text
//! in:   neighbour discovery to a guarded address     passes      (IPv6)
//!       to a guarded address                         dropped
//! out:  neighbour discovery from a guarded address   passes      (IPv6)
//!       from a guarded address                       dropped
//!       a membership report or a router solicitation leaving by a macvlan   dropped
//! ```
//! With sets the rules stand behind those of others in the chains, and take-overs only change members. Without sets
//! (`vrrp_ipsets` bare, or a kernel that has none) there are rules for each address, in front of the others'. Rules are
//! known by a mark of this daemon's and by the sets that they ask; those of others are never touched.

pub mod plan;
pub(super) mod report;

use plan::{Plan, Set};

use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::name::IfName;
use crate::child::links::Links;
use crate::sys::netlink::ipset::{Ipsets, Member, Refused as SetRefused};
use crate::sys::xtables::rule::{InSet, Rule, Side, Verdict};
use crate::sys::xtables::{Filter, Lock, Place, Refused, set_number};
use crate::vrrpd::firewall::guards::Which;
use crate::vrrpd::firewall::tables::Contents;

/// What is not as wanted, to be logged once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A chain is not there.
    Chain(Family, Box<str>),
    /// The rules of a family.
    Rules(Family, Refused),
    /// A set; there are rules for each address instead.
    Set(Box<str>, SetRefused),
}

/// What this child has of iptables.
#[derive(Debug)]
pub struct Legacy {
    plan: Plan,
    mark: u32,
    filters: [Option<Filter>; 2],
    ipsets: Option<Ipsets>,
    /// Names of sets that are in the kernel, and are ours.
    made: Vec<Box<str>>,
    /// What is wrong since the last time that it was put.
    troubles: Vec<Trouble>,
    /// Another program changes rules just now.
    busy: bool,
    /// Rules were not as wanted the last time that they were put.
    wrote: bool,
}

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

impl Legacy {
    /// Nothing yet. `number` tells this daemon from others; `left`: sets of a predecessor.
    #[must_use]
    pub fn new(plan: Plan, number: u32, left: &[Box<str>]) -> Self {
        Self {
            plan,
            // Neither 0 nor what iptables once wrote there; the next number is the mark of rules behind.
            mark: 0x6b00_0000 | number & 0x00ff_fffe,
            filters: [None, None],
            ipsets: None,
            made: left.to_vec(),
            troubles: Vec::new(),
            busy: false,
            wrote: false,
        }
    }

    /// Wants something else from now on.
    pub fn replan(&mut self, plan: Plan) {
        self.plan = plan;
    }

    /// Names of the sets that it has, or is about to have.
    pub fn sets(&self) -> impl Iterator<Item = &str> {
        let coming = self.plan.sets().map(|(_, name)| name);
        let made = self.made.iter().map(|name| &**name);
        made.chain(coming.filter(|name| !self.made.iter().any(|made| **made == **name)))
    }

    /// What is wrong.
    #[must_use]
    pub fn troubles(&self) -> &[Trouble] {
        &self.troubles
    }

    /// Another program changed rules; in some milliseconds it will be done.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.busy
    }

    /// Whether the tables look as they were left. Two system calls.
    #[must_use]
    pub fn is_as_left(&self) -> bool {
        self.filters.iter().flatten().all(Filter::is_as_left)
    }

    /// Whether something had to be changed the last time that rules were put.
    #[must_use]
    pub const fn wrote(&self) -> bool {
        self.wrote
    }

    /// Whether a change of addresses is one of members only.
    #[must_use]
    pub fn has_sets(&self) -> bool {
        self.plan.sets.is_some()
    }

    /// Puts everything into the kernel: sets are exchanged as a whole, rules too, and those that are right already
    /// stay. What is not wanted any more goes last.
    pub fn put(&mut self, contents: Contents<'_>) {
        self.troubles.clear();
        self.busy = false;
        if let Err((name, refused)) = self.fill(contents) {
            // The rest of the world must not wait for it: addresses are guarded without sets.
            self.troubles.push(Trouble::Set(name, refused));
            self.plan.sets = None;
        }
        self.put_rules(contents);
        if !self.busy {
            self.destroy(false);
        }
    }

    /// Puts the rules for what is guarded now, where they do without sets.
    pub fn put_rules(&mut self, contents: Contents<'_>) {
        let Some(lock) = Lock::take() else {
            self.busy = true;
            return;
        };
        self.busy = false;
        self.troubles.retain(|trouble| matches!(trouble, Trouble::Set(..)));
        self.exchange(&lock, Some(contents));
    }

    /// Changes the members of sets.
    ///
    /// # Errors
    /// The kernel's, when the sets are not as they were left.
    pub fn update(&mut self, Contents { guards, links, .. }: Contents<'_>) -> Result<(), SetRefused> {
        let (plan, Some(ipsets)) = (&self.plan, &mut self.ipsets) else { return Ok(()) };
        for add in [false, true] {
            for (set, name) in plan.sets() {
                for which in guarded_by(set) {
                    let members = guards.changed_addresses(*which, links, add);
                    ipsets.change(name, set.kind(), add, members.map(|member| as_member(member, links)));
                }
            }
        }
        ipsets.commit()
    }

    /// Takes everything out of the kernel; false if another program changes rules just now. `patient`: waits for that
    /// one, which only who has nothing else to do may.
    pub fn remove(&mut self, patient: bool) -> bool {
        let lock = if patient { Some(Lock::take_patiently()) } else { Lock::take() };
        let Some(lock) = lock else { return false };
        self.troubles.clear();
        self.exchange(&lock, None);
        self.destroy(true);
        true
    }

    fn fill(&mut self, contents: Contents<'_>) -> Result<(), (Box<str>, SetRefused)> {
        let Contents { guards, vmacs, links } = contents;
        let beside = format!("keepalived-{:08x}", self.mark);
        for (set, name) in self.plan.sets() {
            let told = |refused| (Box::from(name), refused);
            let ipsets = match &mut self.ipsets {
                Some(ipsets) => ipsets,
                place => place.insert(Ipsets::open().map_err(told)?),
            };
            ipsets.destroy(&beside);
            // There is none, as a rule.
            let _ = ipsets.commit();
            ipsets.create(name, set.kind(), MEMBERS);
            ipsets.commit().map_err(told)?;
            if !self.made.iter().any(|made| **made == *name) {
                self.made.push(name.into());
            }
            ipsets.create(&beside, set.kind(), MEMBERS);
            for which in guarded_by(set) {
                let members = guards.addresses(*which, links).map(|member| as_member(member, links));
                ipsets.change(&beside, set.kind(), true, members);
            }
            let (family, multicast) = match set {
                Set::Igmp => (Family::V4, MULTICAST_V4),
                _ => (Family::V6, MULTICAST_V6),
            };
            if matches!(set, Set::Igmp | Set::Mld | Set::Solicitation) {
                let names = vmacs.interfaces(family).filter_map(|link| Some(&links.link(link)?.name));
                let members = names.map(|name| Member { prefix: multicast, interface: Some(name) });
                ipsets.change(&beside, set.kind(), true, members);
            }
            ipsets.swap(name, &beside);
            ipsets.destroy(&beside);
            ipsets.commit().map_err(told)?;
        }
        Ok(())
    }

    /// Exchanges the rules of both families; without contents none is wanted.
    fn exchange(&mut self, lock: &Lock, contents: Option<Contents<'_>>) {
        self.wrote = false;
        let numbers: Vec<u16> = self.made.iter().filter_map(|name| set_number(name).ok().flatten()).collect();
        for (family, place) in FAMILIES.into_iter().zip(&mut self.filters) {
            let needed = contents.is_some() && self.plan.parts.has(family);
            let filter = match place {
                Some(filter) => filter,
                None => match Filter::open(family) {
                    Ok(filter) => place.insert(filter),
                    Err(refused) => {
                        self.troubles.extend(needed.then_some(Trouble::Rules(family, refused)));
                        continue;
                    }
                },
            };
            filter.clear();
            if let Some(contents) = contents {
                Rules { plan: &self.plan, filter, mark: self.mark, contents }.want(family);
            }
            let troubles = &mut self.troubles;
            let missing = |chain: &str| troubles.push(Trouble::Chain(family, chain.into()));
            match filter.exchange(lock, self.mark, &numbers, missing) {
                Ok(wrote) => self.wrote |= wrote,
                Err(Refused::Busy) => self.busy = true,
                // A kernel that has no tables of a family has no rules in them either.
                Err(Refused::Unknown) if !needed => {}
                Err(refused) => self.troubles.push(Trouble::Rules(family, refused)),
            }
        }
    }

    /// Destroys sets of ours that are not wanted any more.
    fn destroy(&mut self, all: bool) {
        let made = core::mem::take(&mut self.made);
        for name in made {
            if !all && self.plan.sets().any(|(_, wanted)| wanted == &*name) {
                self.made.push(name);
                continue;
            }
            if self.ipsets.is_none() {
                self.ipsets = Ipsets::open().ok();
            }
            let Some(ipsets) = &mut self.ipsets else { continue };
            ipsets.destroy(&name);
            if let Err(refused) = ipsets.commit()
                && refused.errno() != nix::errno::Errno::ENOENT
            {
                report::set_stuck(&name, refused);
            }
        }
    }
}

/// What of the guarded addresses a set holds.
const fn guarded_by(set: Set) -> &'static [Which] {
    match set {
        Set::V4 => &[Which::V4],
        Set::V6 => &[Which::V6],
        Set::V6At => &[Which::Numbered, Which::Named],
        Set::Igmp | Set::Mld | Set::Solicitation => &[],
    }
}

fn as_member((addr, link): (IpAddr, Option<crate::base::id::LinkId>), links: &Links) -> Member<'_> {
    let interface = link.and_then(|link| links.link(link)).map(|link| &link.name);
    Member { prefix: Prefix::host(addr), interface }
}

/// Makes the rules of a family.
struct Rules<'a, 'b> {
    plan: &'a Plan,
    filter: &'b mut Filter,
    mark: u32,
    contents: Contents<'a>,
}

impl Rules<'_, '_> {
    fn want(mut self, family: Family) {
        let [incoming, outgoing] = &self.plan.chains;
        let sides = [(incoming, Side::Destination), (outgoing, Side::Source)];
        for (chain, side) in sides.iter().filter_map(|(chain, side)| Some((chain.as_deref()?, *side))) {
            let guarded: &[Set] = if family == Family::V4 { &[Set::V4] } else { &[Set::V6At, Set::V6] };
            for set in guarded {
                self.guard(chain, side, *set);
            }
            if side == Side::Source {
                self.reports(chain, family);
            }
        }
    }

    /// Rules about the addresses of a set.
    fn guard(&mut self, chain: &str, side: Side, set: Set) {
        // An interface is looked at where the packet passes it: coming in by it, or leaving by it.
        let pass = if side == Side::Destination { Side::Source } else { Side::Destination };
        if let Some(index) = self.number(set) {
            let interface = (set == Set::V6At).then_some(pass);
            let rule = Rule { set: Some(InSet { index, address: side, interface }), ..DROP };
            return self.with_discovery(chain, Place::Tail, &rule, set != Set::V4);
        }
        if self.plan.sets.is_some() {
            return;
        }
        let Contents { guards, links, .. } = self.contents;
        for which in guarded_by(set) {
            for (addr, link) in guards.addresses(*which, links) {
                let name: Option<&IfName> = link.and_then(|link| links.link(link)).map(|link| &link.name);
                let interface = name.map(|name| (pass, name));
                let rule = Rule { address: Some((side, addr)), interface, ..DROP };
                self.with_discovery(chain, Place::Head, &rule, set != Set::V4);
            }
        }
    }

    fn with_discovery(&mut self, chain: &str, place: Place, rule: &Rule<'_>, is_v6: bool) {
        for kind in DISCOVERY.into_iter().filter(|_| is_v6) {
            let pass = Rule { protocol: Some(ICMPV6), icmpv6: Some(kind), verdict: Verdict::Accept, ..*rule };
            self.filter.want(chain, place, self.mark, &pass);
        }
        self.filter.want(chain, place, self.mark, rule);
    }

    /// Rules about what leaves by a macvlan.
    fn reports(&mut self, chain: &str, family: Family) {
        let rule = |protocol, icmpv6| Rule { protocol: Some(protocol), icmpv6, ..DROP };
        let v4 = [(Set::Igmp, rule(IGMP, None))];
        let v6 = REPORTS.map(|kind| (Set::Mld, rule(ICMPV6, Some(kind))));
        let solicitation = [(Set::Solicitation, rule(ICMPV6, Some(ROUTER_SOLICITATION)))];
        let rules = match family {
            Family::V4 => v4.iter().chain(&[]),
            Family::V6 => v6.iter().chain(&solicitation),
        };
        for (set, rule) in rules {
            if let Some(index) = self.number(*set) {
                let leaving = Side::Destination;
                let asked = InSet { index, address: leaving, interface: Some(leaving) };
                self.filter.want(chain, Place::Tail, self.mark, &Rule { set: Some(asked), ..*rule });
            } else if self.plan.sets.is_none() && set.is_needed(self.plan.parts) {
                let Contents { vmacs, links, .. } = self.contents;
                for link in vmacs.interfaces(family).filter_map(|link| links.link(link)) {
                    let interface = Some((Side::Destination, &link.name));
                    self.filter.want(chain, Place::Tail, self.mark, &Rule { interface, ..*rule });
                }
            }
        }
    }

    /// The kernel's number of a set that is needed.
    fn number(&self, set: Set) -> Option<u16> {
        let (_, name) = self.plan.sets().find(|(one, _)| *one == set)?;
        set_number(name).ok().flatten()
    }
}

const DROP: Rule<'_> = Rule::new(Verdict::Drop);
const IGMP: u8 = 2;
const ICMPV6: u8 = 58;
const DISCOVERY: [u8; 2] = [135, 136];
/// MLD reports of both versions, and the first version's end of one.
const REPORTS: [u8; 3] = [131, 132, 143];
const ROUTER_SOLICITATION: u8 = 133;
/// Where all membership reports go to.
const MULTICAST_V4: Prefix =
    Prefix { addr: IpAddr::V4(crate::base::addr::Ipv4Addr::new(224, 0, 0, 0)), len: 4 };
const MULTICAST_V6: Prefix =
    Prefix { addr: IpAddr::V6(crate::base::addr::Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), len: 8 };
/// More members than addresses in any configuration; the kernel takes memory only for those that there are.
const MEMBERS: u32 = 1 << 20;
