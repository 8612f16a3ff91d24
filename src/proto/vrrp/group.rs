//! A sync group: virtual routers that change state together.
//!
//! ```text
//!   a member leads               the group           the others follow, in the order of the file
//!   its timer, and all others' -> MASTER  -> become MASTER
//!   outranked                  -> BACKUP  -> give up without priority 0: the rival has their addresses, too
//!   a reason for FAULT         -> FAULT   -> FAULT, with priority 0 if they were MASTER
//!   the last reason is gone    -> BACKUP  -> BACKUP
//! ```
//!
//! A member whose timer runs out waits until those of all the others have: as long as the rest of the group hears a
//! MASTER that it respects, the group has one. Each member's election stays its own machine; the group says who leads
//! and who follows. What the members are like together is never kept, but reckoned anew ([`Outlook`]).
//!
//! The order is: the member that leads, the others as the file has them, the group itself.

use super::action::{Event, State, Why};
use super::fault::{Fault, Faults};
use super::machine::{self, Machine};
use super::params::Start;
use super::priority::OWNER;
use crate::base::id::InstanceId;

/// What the members of a group are like together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// A member has a reason of its own for FAULT.
    pub blocked: bool,
    /// A member waits for the first result of a script, or for its source of adverts.
    pub pending: bool,
    /// No member hears anything that keeps it from being MASTER.
    pub expired: bool,
    /// All members are MASTER.
    pub masters: bool,
    /// A member is MASTER.
    pub master: bool,
    /// All members are address owners that begin as MASTER.
    pub eager: bool,
    /// There are members.
    pub any: bool,
}

impl Outlook {
    /// Looks at members.
    #[must_use]
    pub fn of<'a>(members: impl Iterator<Item = &'a Machine>) -> Self {
        let nobody = Self {
            blocked: false,
            pending: false,
            expired: true,
            masters: true,
            master: false,
            eager: true,
            any: false,
        };
        members.fold(nobody, |outlook, member| {
            let master = member.state() == State::Master;
            let params = member.params();
            Self {
                blocked: outlook.blocked || !member.faults().own().is_empty(),
                pending: outlook.pending || member.is_pending(),
                expired: outlook.expired && (member.is_expired() || master),
                masters: outlook.masters && master,
                master: outlook.master || master,
                eager: outlook.eager
                    && params.priority == OWNER
                    && params.start == Start::Master
                    && !member.is_held(),
                any: true,
            }
        })
    }
}

/// What can happen to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Its members begin next. What speaks against each of them, the others' reasons among it, they know already.
    Start {
        /// The first of them.
        first: InstanceId,
        /// All of them.
        outlook: Outlook,
        /// The state to carry on from for a crashed process.
        adopt: Option<State>,
    },
    /// The timer of a member ran out.
    Expired {
        /// Which one.
        member: InstanceId,
        /// Whether those of all others have, too.
        everyone: bool,
    },
    /// A member changed its state.
    Moved {
        /// Which one.
        member: InstanceId,
        /// Before.
        from: State,
        /// After.
        to: State,
        /// The cause.
        why: Why,
    },
    /// After a reload the group may have other members than before.
    Align {
        /// The first of them.
        first: InstanceId,
        /// Those that ran before the reload.
        veterans: Outlook,
        /// All of them.
        outlook: Outlook,
    },
    /// All members have stopped.
    Stop {
        /// The first of them.
        first: InstanceId,
    },
}

/// What is to be done, in this order, before the next input of the group or of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Give one member the input that leads it to a state.
    Move {
        /// Which one.
        member: InstanceId,
        /// MASTER.
        to: State,
        /// The cause.
        why: Why,
    },
    /// Give the other members, in the order of the file, what [`steps`] says.
    Follow {
        /// The member that leads; none: all are told.
        leader: Option<InstanceId>,
        /// The state.
        to: State,
        /// Why the leader is in it.
        why: Why,
    },
    /// Tell an event of the group by one of its members.
    Report(InstanceId, Event),
}

/// The longest answer: it is told who follows, they do, and it is told that they have.
pub const LONGEST: usize = 3;

/// A bounded, ordered list of actions.
pub type Actions = heapless::Vec<Action, LONGEST>;

/// One sync group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    state: State,
}

impl Group {
    /// A group that has not started.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::Init }
    }

    /// The state of its members. INIT: not started, or a member waits for something.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Takes one input; `out` receives what is to be done, in order.
    pub fn handle(&mut self, input: Input, out: &mut Actions) {
        match (self.state, input) {
            (_, Input::Start { first, outlook, adopt }) => self.start(first, outlook, adopt, out),
            (State::Backup, Input::Expired { member, everyone: true }) => {
                push(out, Action::Move { member, to: State::Master, why: Why::Timeout });
            }
            // One that had to wait for its script joins a group that is MASTER.
            (State::Master, Input::Moved { member, from: State::Init, to: State::Backup, .. }) => {
                push(out, Action::Move { member, to: State::Master, why: Why::Group });
            }
            (
                State::Init | State::Backup | State::Master | State::Fault,
                Input::Moved { member, to: to @ (State::Backup | State::Master | State::Fault), why, .. },
            ) => {
                if to != self.state {
                    self.follow(member, to, why, out);
                }
            }
            (_, Input::Align { first, veterans, outlook }) => self.align(first, veterans, outlook, out),
            (State::Backup | State::Master | State::Fault, Input::Stop { first }) => {
                self.enter(first, State::Init, false, out);
            }
            // A waiting member tries again whenever another one's timer runs out, and each member stops by itself.
            (_, Input::Expired { .. } | Input::Moved { to: State::Init, .. })
            | (State::Init, Input::Stop { .. }) => {}
        }
    }

    fn start(&mut self, first: InstanceId, outlook: Outlook, adopt: Option<State>, out: &mut Actions) {
        let to = match adopt {
            _ if outlook.blocked => State::Fault,
            Some(state) => state,
            None if outlook.pending => State::Init,
            None if outlook.eager => State::Master,
            None => State::Backup,
        };
        if to != State::Init {
            self.enter(first, to, adopt == Some(to), out);
        }
    }

    fn follow(&mut self, leader: InstanceId, to: State, why: Why, out: &mut Actions) {
        if self.state != State::Init {
            push(out, Action::Report(leader, Event::Syncing(to)));
        }
        push(out, Action::Follow { leader: Some(leader), to, why });
        self.enter(leader, to, false, out);
    }

    /// Those that ran before decide, as far as they agree; new ones follow.
    fn align(&mut self, first: InstanceId, veterans: Outlook, outlook: Outlook, out: &mut Actions) {
        let was_master = self.state == State::Master && veterans.master;
        let to = if outlook.blocked {
            State::Fault
        } else if veterans.any && (was_master || veterans.masters) {
            State::Master
        } else if outlook.masters {
            // All are new, and owners.
            State::Master
        } else if outlook.pending && !veterans.any {
            State::Init
        } else {
            State::Backup
        };
        push(out, Action::Follow { leader: None, to, why: Why::Group });
        if to != self.state {
            self.enter(first, to, false, out);
        }
    }

    /// The only place that writes the state.
    fn enter(&mut self, member: InstanceId, to: State, adopted: bool, out: &mut Actions) {
        self.state = to;
        push(out, Action::Report(member, Event::Group { to, adopted }));
    }
}

/// What speaks against a member: its own reasons, or that another member has one.
#[must_use]
pub fn faults(own: Faults, others_blocked: bool) -> Faults {
    if own.is_empty() { Faults::NONE.with(Fault::Group, others_blocked) } else { own }
}

/// The inputs of a member that follows its group, in order. `own`: its own reasons for FAULT; `pending`: it waits for
/// the first result of a script of its own.
#[must_use]
pub fn steps(to: State, why: Why, own: Faults, pending: bool) -> [Option<machine::Input>; 2] {
    let facts = machine::Input::Faults { faults: faults(own, to == State::Fault), pending };
    let why = if to == State::Master { Why::Group } else { why };
    let turn = matches!(to, State::Backup | State::Master).then_some(machine::Input::Sync { to, why });
    [Some(facts), turn]
}

/// [`Actions`] holds the longest answer, which a test counts.
fn push(out: &mut Actions, action: Action) {
    let full = out.push(action).is_err();
    debug_assert!(!full, "an answer is longer than group::LONGEST");
}

#[cfg(test)]
mod tests;
