//! As whom a script runs, and whether this process can have it run so.

use std::fs;
use std::sync::OnceLock;

use super::check;
use super::privileges::Capabilities;

/// As whom a script runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups; empty means none at all.
    pub groups: Vec<libc::gid_t>,
}

/// What stands between this process and an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// User and group are those of this process, whose supplementary groups it cannot give up: a script keeps them.
    Groups,
    /// It cannot be had, and so nothing is run: why.
    Refused(&'static str),
}

impl Identity {
    /// Takes this identity, in a child before its exec; whether that has worked. What is so already is left alone: a
    /// process in a container may be allowed no change at all, not even to what is. Neither allocates nor takes a lock.
    #[must_use]
    pub fn assume(&self) -> bool {
        let change = self.change();
        // As another user a script must not run with our groups. As ours it may, if the kernel leaves no choice.
        if change.groups && !set_groups(&self.groups) && (change.uid || change.gid) {
            return false;
        }
        // SAFETY: neither touches memory of ours.
        unsafe {
            (!change.gid || libc::setgid(self.gid) == 0) && (!change.uid || libc::setuid(self.uid) == 0)
        }
    }

    /// In what it differs from what this process is.
    fn change(&self) -> Change {
        let all = |ids: [u32; 3], wanted: u32| ids.iter().all(|id| *id == wanted);
        let mut room = [0; GROUPS];
        let groups = own_groups(&mut room);
        let same = groups.is_some_and(|own| {
            own.iter().all(|group| self.groups.contains(group))
                && self.groups.iter().all(|group| own.contains(group))
        });
        Change { uid: !all(user_ids(), self.uid), gid: !all(group_ids(), self.gid), groups: !same }
    }
}

/// What has to be changed.
#[derive(Clone, Copy, Debug)]
struct Change {
    uid: bool,
    gid: bool,
    groups: bool,
}

/// Which identities this process may give to scripts. For load time: allocates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Powers {
    /// The capabilities in effect; none: not known, or this is no daemon but somebody's config test.
    capabilities: Option<u64>,
    users: Map,
    groups: Map,
}

const CAP_SETGID: u64 = 1 << 6;
const CAP_SETUID: u64 = 1 << 7;
/// Without it there are no addresses to set: a process that lacks it is no daemon.
const CAP_NET_ADMIN: u64 = 1 << 12;

impl Powers {
    /// Those that this process had when it was first asked: what runs scripts later has them, when this process may have
    /// given them up.
    #[must_use]
    pub fn at_start() -> Self {
        static KNOWN: OnceLock<Powers> = OnceLock::new();
        KNOWN.get_or_init(Self::now).clone()
    }

    fn now() -> Self {
        let capabilities = Capabilities::effective().ok().map(Capabilities::bits);
        let capabilities = capabilities.filter(|all| all & CAP_NET_ADMIN != 0);
        Self { capabilities, users: Map::read("/proc/self/uid_map"), groups: Map::read("/proc/self/gid_map") }
    }

    /// Those of some capabilities that this process lacks.
    #[must_use]
    pub fn lacks(&self, some: Capabilities) -> Capabilities {
        self.capabilities.map_or(Capabilities::NONE, |all| some.without(Capabilities::of_bits(all)))
    }

    /// What keeps a script from running under this identity.
    #[must_use]
    pub fn obstacle(&self, identity: &Identity) -> Option<Obstacle> {
        let has = |capability| self.capabilities.is_none_or(|all| all & capability != 0);
        let change = identity.change();
        if change.uid && !has(CAP_SETUID) {
            return Some(Obstacle::Refused("it lacks the capability CAP_SETUID"));
        }
        if change.uid && !self.users.has(identity.uid) {
            return Some(Obstacle::Refused("its user namespace does not have that user"));
        }
        if change.gid && !self.groups.has(identity.gid) {
            return Some(Obstacle::Refused("its user namespace does not have that group"));
        }
        if (change.gid || change.groups) && !has(CAP_SETGID) {
            let only_groups = !change.uid && !change.gid;
            return Some(if only_groups {
                Obstacle::Groups
            } else {
                Obstacle::Refused("it lacks the capability CAP_SETGID")
            });
        }
        None
    }
}

/// The ids that a user namespace has, as ranges of first one and number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Map(Vec<(u32, u32)>);

impl Map {
    /// A map that cannot be read has them all.
    fn read(file: &str) -> Self {
        let text = fs::read_to_string(file).unwrap_or_default();
        let ranges: Vec<_> = text.lines().filter_map(range).collect();
        Self(if ranges.is_empty() { vec![(0, u32::MAX)] } else { ranges })
    }

    fn has(&self, id: u32) -> bool {
        self.0.iter().any(|(first, count)| id.checked_sub(*first).is_some_and(|offset| offset < *count))
    }
}

fn range(line: &str) -> Option<(u32, u32)> {
    let mut words = line.split_whitespace();
    let first = words.next()?.parse().ok()?;
    let count = words.nth(1)?.parse().ok()?;
    Some((first, count))
}

/// So many supplementary groups are compared; with more they count as other ones.
const GROUPS: usize = 64;

fn own_groups(room: &mut [libc::gid_t; GROUPS]) -> Option<&[libc::gid_t]> {
    let most = libc::c_int::try_from(room.len()).ok()?;
    // SAFETY: writes at most so many numbers as `room` holds.
    let count = check(unsafe { libc::getgroups(most, room.as_mut_ptr()) }).ok()?;
    room.get(..usize::try_from(count).ok()?)
}

fn set_groups(groups: &[libc::gid_t]) -> bool {
    // SAFETY: reads so many numbers as there are.
    unsafe { libc::setgroups(groups.len() as _, groups.as_ptr()) == 0 }
}

/// Real, effective and saved user id.
fn user_ids() -> [u32; 3] {
    let [mut real, mut effective, mut saved] = [0; 3];
    // SAFETY: writes only these three, and does not fail for them.
    unsafe { libc::getresuid(&raw mut real, &raw mut effective, &raw mut saved) };
    [real, effective, saved]
}

/// Real, effective and saved group id.
fn group_ids() -> [u32; 3] {
    let [mut real, mut effective, mut saved] = [0; 3];
    // SAFETY: writes only these three, and does not fail for them.
    unsafe { libc::getresgid(&raw mut real, &raw mut effective, &raw mut saved) };
    [real, effective, saved]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What this process is.
    fn own() -> Identity {
        let mut room = [0; GROUPS];
        let groups = own_groups(&mut room).unwrap().to_vec();
        Identity { uid: user_ids()[1], gid: group_ids()[1], groups }
    }

    fn powers(capabilities: u64) -> Powers {
        Powers { capabilities: Some(capabilities | CAP_NET_ADMIN), ..Powers::now() }
    }

    #[test]
    fn nothing_is_needed_where_nothing_changes() {
        assert_eq!(powers(0).obstacle(&own()), None);
        let mut backwards = own();
        backwards.groups.reverse();
        assert_eq!(powers(0).obstacle(&backwards), None);
    }

    #[test]
    fn what_cannot_be_had_is_named() {
        let groups = Identity { groups: vec![4_711], ..own() };
        let group = Identity { gid: 4_711, ..own() };
        let user = Identity { uid: 4_711, ..own() };
        assert_eq!(powers(0).obstacle(&groups), Some(Obstacle::Groups));
        assert_eq!(powers(CAP_SETGID).obstacle(&groups), None);
        assert!(matches!(powers(CAP_SETUID).obstacle(&group), Some(Obstacle::Refused(_))));
        assert_eq!(powers(CAP_SETGID).obstacle(&group), None);
        assert!(matches!(powers(CAP_SETGID).obstacle(&user), Some(Obstacle::Refused(_))));
        assert_eq!(powers(CAP_SETUID).obstacle(&user), None);
        let all = CAP_SETUID | CAP_SETGID;
        let small = Powers { users: Map(vec![(0, 1), (1_000, 10)]), ..powers(all) };
        assert!(matches!(small.obstacle(&user), Some(Obstacle::Refused(_))));
        assert_eq!(small.obstacle(&Identity { uid: 1_009, ..own() }), None);
        let nobody_knows = Powers { capabilities: None, ..powers(0) };
        assert_eq!(nobody_knows.obstacle(&user), None, "somebody's config test");
    }
}
