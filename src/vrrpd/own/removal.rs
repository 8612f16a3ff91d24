//! Taking interfaces of our own out of the kernel.
//!
//! The kernel waits some 25 ms for each interface that is deleted by itself, and once for a group of them however many
//! there are. So what goes together is put into a group that nobody uses and deleted with it: a thousand in a second.

use nix::errno::Errno;

use super::{MAY, MUST};
use crate::base::id::IfIndex;
use crate::base::limit;
use crate::base::map::Set;
use crate::base::name::IfName;
use crate::child::links::Kind;
use crate::sys::file;
use crate::sys::netlink::command::Commands;
use crate::sys::netlink::link::Which;
use crate::vrrpd::report;

/// An interface that is to go.
pub(super) struct Removal {
    pub(super) index: IfIndex,
    pub(super) name: IfName,
    pub(super) kind: Kind,
    /// Whose it was, for the log; empty: nobody's that is configured.
    pub(super) user: String,
}

/// Groups that interfaces are put into on their way out: these bits ("k"), and others that are drawn each time.
const WAY_OUT: u32 = 0x6b00_0000;
const DRAWN: u32 = 0x00ff_ffff;

/// Whether somebody died who was about to delete what is in this group.
pub(super) const fn is_way_out(group: u32) -> bool {
    group & !DRAWN == WAY_OUT
}

/// A group that nobody can know before interfaces are in it: no other program chooses it between a look and what is done
/// upon it.
fn draw() -> u32 {
    let number = file::random() & u64::from(DRAWN);
    WAY_OUT | u32::try_from(number).unwrap_or(0)
}

/// Whether all of these, which are in the group, are to go.
fn are_all_to_go(mut members: impl Iterator<Item = (IfIndex, Kind)>, removals: &[Removal]) -> bool {
    let removals: Set<_> = removals.iter().map(|one| (one.index, one.kind)).collect();
    members.all(|member| removals.contains(&member))
}

/// Deletes interfaces of our own, all at once where the kernel lets us.
pub(super) fn delete(commands: &mut Commands, removals: &[Removal]) {
    let together = removals.len() > 1 && delete_together(commands, removals);
    for Removal { index, name, kind, user } in removals {
        if together {
            report::own_removed(user, name, *kind);
            continue;
        }
        let _ = commands.delete_link(MUST, Which::Index(*index));
        commands.commit(|_, result| match result {
            Ok(()) => report::own_removed(user, name, *kind),
            Err(refusal) if refusal.errno == Errno::ENODEV => {}
            Err(refusal) => report::own_stuck(user, name, *kind, &report::refusal_text(&refusal)),
        });
    }
}

/// False: they are to be deleted one by one.
fn delete_together(commands: &mut Commands, removals: &[Removal]) -> bool {
    let mut kernel = Vec::new();
    if commands.links(&mut kernel).is_err() {
        return false;
    }
    let group = draw();
    if kernel.iter().any(|link| link.group == group) {
        return false;
    }
    let there: Set<_> = kernel.iter().map(|link| (link.index, Kind::of(link))).collect();
    let mut moved = true;
    for some in removals.chunks(limit::NETLINK_BATCH) {
        for one in some {
            // One that has gone since is gone.
            if there.contains(&(one.index, one.kind)) {
                let _ = commands.set_link_group(MUST, Which::Index(one.index), group);
            }
        }
        commands.commit(|_, result| moved &= result.is_ok());
    }
    // What goes is gone for good: a stranger's interface in there would be, too.
    if commands.links(&mut kernel).is_err() {
        return false;
    }
    let members = kernel.iter().filter(|link| link.group == group);
    if !are_all_to_go(members.map(|link| (link.index, Kind::of(link))), removals) {
        return false;
    }
    let mut deleted = false;
    let _ = commands.delete_group(MAY, group);
    commands.commit(|_, result| deleted = result.is_ok());
    moved && deleted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_with_somebody_elses_interface_is_not_deleted() {
        let one = |number| Removal {
            index: IfIndex(number),
            name: IfName::new("vrrp.51").unwrap(),
            kind: Kind::Macvlan,
            user: String::new(),
        };
        let removals = [one(7), one(8)];
        let safe = |members: &[(u32, Kind)]| {
            are_all_to_go(members.iter().map(|(number, kind)| (IfIndex(*number), *kind)), &removals)
        };
        assert!(safe(&[(7, Kind::Macvlan)]), "one has gone since");
        assert!(safe(&[(8, Kind::Macvlan), (7, Kind::Macvlan)]));
        assert!(!safe(&[(7, Kind::Macvlan), (8, Kind::Macvlan), (9, Kind::Macvlan)]));
        assert!(!safe(&[(7, Kind::Macvlan), (8, Kind::Other)]), "its number was given to another one");
    }

    #[test]
    fn groups_are_drawn_anew_and_known_again() {
        let drawn: Set<u32> = (0..100).map(|_| draw()).collect();
        assert!(drawn.len() > 90, "{drawn:?}");
        assert!(drawn.iter().copied().all(is_way_out));
        assert!([0, 1, 0x6a00_0000, 0x6c00_0000, u32::MAX].into_iter().all(|group| !is_way_out(group)));
    }
}
