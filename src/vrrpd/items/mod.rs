//! Addresses, routes and policy rules: those that move with mastership, and static ones, which never move.
//!
//! Items are added to the kernel in the order addresses, routes, rules and deleted in the reverse order, many in one
//! system call ([`request`], [`answer`]). They are put back when somebody deletes or changes them, or when the kernel
//! deleted them along with something else ([`losses`], [`addresses`], [`altered`]). A reload leaves alone what did not
//! change ([`reload`]); an item that several holders name is in the kernel as long as one of them has it ([`shared`]).
//! What an earlier run left in the kernel is adopted or deleted ([`adopt`], [`stale`]). Start here, with [`Items`].
//!
//! The methods take the instances and the interfaces that they need and return facts; `run` draws the conclusions, and
//! walks in slices over thousands of items.

mod addresses;
mod adopt;
mod altered;
mod answer;
mod index;
mod losses;
mod reload;
mod request;
mod shared;
mod stale;
mod statics;

pub(super) use addresses::forget_addresses_on;
pub(super) use adopt::Adoption;
pub(super) use index::{AddressIndex, OfLink, Unsorted};
pub(super) use losses::{Heard, Lost, MayBeGone};
pub(super) use reload::{Going, Successors, Takeovers};
pub(super) use shared::{Alike, Candidates, Numbers};
pub use stale::Marked;
pub(super) use statics::{StaticAddress, StaticItems};

use crate::base::id::InstanceId;
use crate::base::limit;
use crate::daemon::token::Registration;
use crate::proto::vrrp::State;
use crate::sys::netlink::command::Commands;
use crate::sys::netlink::deletion::DeletionMonitor;
use crate::vrrpd::live::{Instance, Objects};

/// The addresses, routes and rules of the child, and the socket that asks the kernel for them.
pub(super) struct Items {
    pub(super) commands: Commands,
    /// The kernel says which program added an address (since Linux 5.18): it does for 127.0.0.1.
    pub(super) tells_protocol: bool,
    /// Somebody wants to hear the kernel's notifications about the virtual addresses that this child adds.
    pub(super) notify_own: bool,
    /// Static addresses, routes and rules.
    pub(super) statics: StaticItems,
    /// The instances that name an address on an interface.
    pub(super) index: AddressIndex,
    /// The requests of the batch that is being gathered, by tag. Room for a batch is made at load time.
    requests: Vec<Request>,
    /// Instances one of whose addresses the kernel took after it had refused it: it is not announced yet.
    late: Vec<InstanceId>,
    /// The kernel refused something: it is asked again soon.
    refused: bool,
    /// A static item came or went since the instances that track it were judged.
    statics_changed: bool,
    /// Hears of deletions, if an item is to be put back when it is deleted.
    losses: Option<(DeletionMonitor, Registration)>,
    /// What a reload leaves in the kernel until what follows it is there.
    abandoned: reload::Abandoned,
}

/// Who has an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A virtual router: its items are in the kernel while it is MASTER.
    Instance(InstanceId),
    /// The static items: they are always in the kernel.
    Static,
    /// A holder of before: the item is deleted, whatever the kernel answers.
    Former,
}

/// The kind of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Address,
    Route,
    Rule,
}

/// A request to the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) holder: Holder,
    pub(super) class: Class,
    /// Among the items of this class of the holder.
    pub(super) position: usize,
    /// Add it if it is missing; else delete it if this child added it.
    pub(super) add: bool,
}

/// A holder, and the position of an item among those of its class.
type Place = (Holder, usize);

impl Items {
    /// With these static items, and nothing in the kernel.
    pub(super) fn new(commands: Commands, statics: StaticItems) -> Self {
        Self {
            commands,
            tells_protocol: false,
            notify_own: false,
            statics,
            index: AddressIndex::default(),
            requests: Vec::new(),
            late: Vec::new(),
            refused: false,
            statics_changed: false,
            losses: None,
            abandoned: reload::Abandoned::default(),
        }
    }

    /// Makes room for what so many instances can ask for in one turn.
    pub(super) fn reserve(&mut self, instances: usize) {
        self.late.reserve_exact(instances.saturating_sub(self.late.len()));
        self.requests.reserve_exact(limit::NETLINK_BATCH.saturating_sub(self.requests.len()));
    }

    /// Whether the kernel refused something since this was asked last.
    pub(super) const fn take_refused(&mut self) -> bool {
        core::mem::replace(&mut self.refused, false)
    }

    /// An instance one of whose addresses the kernel took after it had refused it.
    pub(super) fn take_late(&mut self) -> Option<InstanceId> {
        self.late.pop()
    }

    /// The instance has yet to begin, and announces all of its addresses then.
    pub(super) fn forget_late(&mut self, id: InstanceId) {
        self.late.retain(|late| *late != id);
    }

    /// Routes and rules of a holder.
    pub(super) fn objects<'a>(&'a self, instances: &'a [Instance], holder: Holder) -> Option<&'a Objects> {
        match holder {
            Holder::Instance(id) => instances.get(id.index())?.objects.as_deref(),
            Holder::Static => Some(&self.statics.objects),
            Holder::Former => None,
        }
    }

    /// Routes and rules of a holder, to be changed.
    fn objects_mut<'a>(
        &'a mut self,
        instances: &'a mut [Instance],
        holder: Holder,
    ) -> Option<&'a mut Objects> {
        objects_mut(instances, &mut self.statics.objects, holder)
    }
}

/// Routes and rules of a holder, to be changed.
fn objects_mut<'a>(
    instances: &'a mut [Instance],
    statics: &'a mut Objects,
    holder: Holder,
) -> Option<&'a mut Objects> {
    match holder {
        Holder::Instance(id) => instances.get_mut(id.index())?.objects.as_deref_mut(),
        Holder::Static => Some(statics),
        Holder::Former => None,
    }
}

/// All holders.
pub(super) fn holders(instances: &[Instance]) -> impl Iterator<Item = Holder> + use<> {
    let ids = (0..instances.len()).map(InstanceId::at);
    ids.map(Holder::Instance).chain(core::iter::once(Holder::Static))
}

/// A holder by its number among all: the instances, then the static items.
pub(super) fn holder_at(instances: &[Instance], number: usize) -> Option<Holder> {
    match number.checked_sub(instances.len()) {
        None => Some(Holder::Instance(InstanceId::at(number))),
        Some(0) => Some(Holder::Static),
        Some(_) => None,
    }
}

/// Whether a holder's items are to be in the kernel.
pub(super) fn is_active(instances: &[Instance], holder: Holder) -> bool {
    match holder {
        Holder::Instance(id) => {
            instances.get(id.index()).is_some_and(|instance| instance.router.state() == State::Master)
        }
        Holder::Static => true,
        Holder::Former => false,
    }
}
