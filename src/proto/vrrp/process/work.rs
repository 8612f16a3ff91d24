//! What is still to be done: the work of a [`Policy`](super::Policy).

use crate::base::id::{GroupId, InstanceId};
use crate::proto::track::Object;
use crate::proto::vrrp::action::{Event, State, Why};
use crate::proto::vrrp::group::Group;
use crate::proto::vrrp::machine::Input;

/// A sync group and its members.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// The state of the group.
    pub machine: Group,
    /// Its members, in the order of the file.
    pub ids: Box<[InstanceId]>,
}

/// What one step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// An input of the election; the group of the instance follows it.
    Lead(Input),
    /// An input of the election for an instance that follows its group.
    Follow(Input),
    /// The sum of the weights that trackers give.
    Weights(i32),
    /// Something to tell.
    Tell(Event),
}

/// What is still to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// The followers of an object, from this position on, are judged anew.
    Followers(Object, usize),
    /// An instance is judged anew.
    Refresh(InstanceId),
    /// A step of an instance.
    Step(InstanceId, Step),
    /// A member of a group did something that the group has to know.
    Group(GroupWork),
}

/// What is still to be done for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupWork {
    /// The timer of a member ran out.
    Expired { member: InstanceId },
    /// A member changed its state.
    Moved { member: InstanceId, from: State, to: State, why: Why },
    /// The members from this position on follow.
    Follow { group: GroupId, leader: Option<InstanceId>, to: State, why: Why, position: usize },
    /// The members from this position on hear what all of them found out.
    Inform { group: GroupId, blocked: bool, waits: bool, position: usize },
}
