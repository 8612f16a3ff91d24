//! Taking interfaces of our own out of the kernel.
//!
//! The kernel waits some 25 ms for each interface that is deleted by itself, and once for a group of them however many
//! there are. So what goes together is put into a group that nobody uses and deleted with it: a thousand in a second.

use nix::errno::Errno;

use super::{MAY, MUST};
use crate::base::id::IfIndex;
use crate::base::limit;
use crate::base::name::IfName;
use crate::sys::netlink::link::Which;
use crate::vrrpd::links::Kind;
use crate::vrrpd::report;
use crate::vrrpd::state::Vrrp;

/// An interface that is to go.
pub(super) struct Doomed {
    pub(super) index: IfIndex,
    pub(super) name: IfName,
    pub(super) kind: Kind,
    /// Whose it was, for the log; empty: nobody's that is configured.
    pub(super) user: String,
}

/// The first of the groups that interfaces are put into on their way out ("kaxx"), and how many of them are tried.
const GROUPS: core::ops::Range<u32> = 0x6b61_7878..0x6b61_78b8;

/// Whether somebody died who was about to delete what is in this group.
pub(super) const fn is_way_out(group: u32) -> bool {
    GROUPS.start <= group && group < GROUPS.end
}

impl Vrrp {
    /// Deletes interfaces of our own, all at once where the kernel lets us.
    pub(super) fn delete_owns(&mut self, doomed: &[Doomed]) {
        let together = doomed.len() > 1 && self.delete_together(doomed);
        for Doomed { index, name, kind, user } in doomed {
            if together {
                report::own_removed(user, name, *kind);
                continue;
            }
            let _ = self.kernel.commands.delete_link(MUST, Which::Index(*index));
            self.kernel.commands.commit(|_, result| match result {
                Ok(()) => report::own_removed(user, name, *kind),
                Err(refusal) if refusal.errno == Errno::ENODEV => {}
                Err(refusal) => report::own_stuck(user, name, *kind, &report::refusal_text(&refusal)),
            });
        }
    }

    /// False: they are to be deleted one by one.
    fn delete_together(&mut self, doomed: &[Doomed]) -> bool {
        let mut kernel = Vec::new();
        if self.kernel.commands.links(&mut kernel).is_err() {
            return false;
        }
        let Some(group) = GROUPS.into_iter().find(|group| kernel.iter().all(|link| link.group != *group))
        else {
            return false;
        };
        let mut moved = true;
        for some in doomed.chunks(limit::NETLINK_BATCH) {
            for one in some {
                // One that has gone since is gone.
                if kernel.iter().any(|link| link.index == one.index) {
                    let _ = self.kernel.commands.set_link_group(MUST, Which::Index(one.index), group);
                }
            }
            self.kernel.commands.commit(|_, result| moved &= result.is_ok());
        }
        let mut deleted = false;
        let _ = self.kernel.commands.delete_group(MAY, group);
        self.kernel.commands.commit(|_, result| deleted = result.is_ok());
        moved && deleted
    }
}
