//! The life of an item in the kernel: an address, a route or a rule that is added, put back when somebody deletes it,
//! and deleted again. Pure: the kernel's answers and notifications go in, log lines and requests come out.
//!
//! ```text
//!            added, adopted           deleted, doubted
//!   absent ------------------> ours --------------------> doubted
//!     | ^  <-- released ---      ^                         |  |
//!     | '------- refused --------|------ there, added -----'  |
//!     |          ^---------------|------ refused -------------'
//!     '- there before -> foreign '
//! ```

use nix::errno::Errno;

use crate::base::limit;
use crate::base::rate::Allowance;
use crate::base::time::{Instant, Span};

/// Once an item has been put back so often, one more time is earned in this span.
const PUT_BACK_REFILL: Span = Span::from_secs(2);

/// An item, without what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    presence: Presence,
    /// What is known of the deletion while the item is doubted, or absent because the kernel refused it since.
    untold: Untold,
    /// The loss of the item does not matter.
    no_track: bool,
    /// How often the kernel has refused the item since it last took it.
    refusals: u8,
    /// Why the kernel refused the item last, until the kernel takes the item: logged once.
    refused: Option<Errno>,
    /// How often the item is put back before its holder gives up for a moment. Each item has its own: a flush that
    /// deletes twenty at once deletes each of them once.
    put_back: Allowance,
}

/// Whether the kernel has an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// No, as far as is known.
    #[default]
    Absent,
    /// Yes: this child added it.
    Ours,
    /// Yes: it was there before its holder needed it, and stays when the holder does not need it any more.
    Foreign,
    /// This child added the item and the item may be gone: the item is added again, and the kernel's answer says whether it
    /// was gone.
    Doubted,
    /// Another program deleted the item and that does not matter: the item stays away until a reload or the next take-over.
    LeftDeleted,
}

/// A deletion that is still to be logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Untold {
    /// There is nothing to log.
    #[default]
    Nothing,
    /// The kernel reported a deletion, maybe one of this child's own just before: if the kernel takes the item again,
    /// another program deleted the item.
    Likely,
    /// As likely, but the address may have gone with the first one of its network.
    AlongWithFirst,
    /// Another program deleted the item, and that was logged: a second line follows when the item is back.
    Certain,
}

/// What happens to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The kernel added it, as asked.
    Added,
    /// The kernel was asked to add it, but has it already. `keep`: if it was there before this child added it for the
    /// first time, it is not this child's to delete.
    There {
        /// See above.
        keep: bool,
    },
    /// The kernel refused to add it.
    Refused(Errno),
    /// The kernel reports that the item is gone.
    Deleted {
        /// The time now.
        now: Instant,
        /// By whom.
        how: How,
        /// Its interface is there and up; what went with its interface comes back with it.
        up: bool,
    },
    /// The kernel may have deleted it along with something else.
    Doubted,
    /// It is there and this child's: a predecessor or another holder added it.
    Adopted,
    /// Its holder does not need it any more, or its interface is gone.
    Released,
}

/// How certain a deletion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Another program asked the kernel for the item.
    BySomebody,
    /// The notification may be about an own deletion just before the item was added again.
    Maybe {
        /// It was not the first address of its network, with which the kernel deletes the others.
        secondary: bool,
    },
}

/// What follows from an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What is to be logged.
    pub news: News,
    /// What is to be done.
    pub next: Next,
}

/// What is to be logged of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing.
    None,
    /// Another program deleted the item, which is put back.
    Deleted,
    /// It went with the first address of its network; it is put back.
    WentWithFirst,
    /// Another program deletes the item again and again.
    GivenUp,
    /// The item is back after a deletion that has been logged.
    Back,
}

/// What is to be done about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// It is added again at once.
    PutBack,
    /// Its holder gives up for a moment.
    GiveUp,
    /// It is asked for again in a second.
    Retry {
        /// The kernel has not refused it for this reason since it last took it: that is to be
        /// logged.
        new: bool,
    },
    /// The kernel took it after it had refused it: it is not announced yet.
    Announce,
}

impl Outcome {
    /// Nothing follows.
    pub const NOTHING: Self = Self::of(News::None, Next::Nothing);

    const fn of(news: News, next: Next) -> Self {
        Self { news, next }
    }

    /// Whether the item was put back, or is: counted for its holder.
    #[must_use]
    pub const fn is_put_back(self) -> bool {
        matches!(self.news, News::Deleted | News::WentWithFirst)
    }
}

impl Item {
    /// An item that the kernel does not have. `no_track`: its loss does not matter.
    #[must_use]
    pub fn new(no_track: bool) -> Self {
        Self {
            presence: Presence::Absent,
            untold: Untold::Nothing,
            no_track,
            refusals: 0,
            refused: None,
            put_back: Allowance::default(),
        }
    }

    /// Takes an input.
    pub fn handle(&mut self, input: Input) -> Outcome {
        match (self.presence, input) {
            (Presence::Absent | Presence::Ours | Presence::Foreign | Presence::LeftDeleted, Input::Added) => {
                let back = core::mem::take(&mut self.untold) == Untold::Certain;
                self.take(if back { News::Back } else { News::None })
            }
            (Presence::Doubted, Input::Added) => {
                let news = match core::mem::take(&mut self.untold) {
                    Untold::Nothing => News::None,
                    Untold::Likely => News::Deleted,
                    Untold::AlongWithFirst => News::WentWithFirst,
                    Untold::Certain => News::Back,
                };
                self.take(news)
            }
            (Presence::Absent | Presence::Foreign, Input::There { keep }) => {
                self.enter(if keep { Presence::Foreign } else { Presence::Ours });
                Outcome::NOTHING
            }
            // The item was never gone.
            (Presence::Ours | Presence::Doubted | Presence::LeftDeleted, Input::There { .. }) => {
                self.enter(Presence::Ours);
                Outcome::NOTHING
            }
            (_, Input::Refused(errno)) => {
                let news = match (self.presence, self.untold) {
                    (Presence::Doubted, Untold::Likely) => News::Deleted,
                    (Presence::Doubted, Untold::AlongWithFirst) => News::WentWithFirst,
                    _ => News::None,
                };
                if self.untold != Untold::Certain {
                    self.untold = Untold::Nothing;
                }
                self.presence = Presence::Absent;
                self.refusals = self.refusals.saturating_add(1);
                let new = self.refused.replace(errno) != Some(errno);
                Outcome::of(news, Next::Retry { new })
            }
            (Presence::Ours, Input::Deleted { how: How::BySomebody, .. }) if self.no_track => {
                self.presence = Presence::LeftDeleted;
                Outcome::NOTHING
            }
            (Presence::Ours, Input::Deleted { now, how, up }) => {
                self.presence = Presence::Doubted;
                if self.no_track || !up {
                    return Outcome::NOTHING;
                }
                let again = self.may_be_put_back(now);
                self.untold = match how {
                    How::BySomebody => Untold::Certain,
                    How::Maybe { secondary: false } => Untold::Likely,
                    How::Maybe { secondary: true } => Untold::AlongWithFirst,
                };
                match (again, how) {
                    (true, How::BySomebody) => Outcome::of(News::Deleted, Next::PutBack),
                    (true, How::Maybe { .. }) => Outcome::of(News::None, Next::PutBack),
                    (false, _) => Outcome::of(News::GivenUp, Next::GiveUp),
                }
            }
            (Presence::Foreign, Input::Deleted { now, up, .. }) => {
                self.presence = Presence::Absent;
                if self.no_track || !up {
                    return Outcome::NOTHING;
                }
                if self.may_be_put_back(now) {
                    Outcome::of(News::Deleted, Next::PutBack)
                } else {
                    Outcome::of(News::GivenUp, Next::GiveUp)
                }
            }
            (Presence::Absent | Presence::Doubted | Presence::LeftDeleted, Input::Deleted { .. }) => {
                Outcome::NOTHING
            }
            (Presence::Ours, Input::Doubted) => {
                self.presence = Presence::Doubted;
                Outcome::NOTHING
            }
            (
                Presence::Absent | Presence::Foreign | Presence::Doubted | Presence::LeftDeleted,
                Input::Doubted,
            ) => Outcome::NOTHING,
            (Presence::Absent | Presence::Foreign, Input::Adopted) => {
                self.presence = Presence::Ours;
                Outcome::NOTHING
            }
            (Presence::Ours | Presence::Doubted | Presence::LeftDeleted, Input::Adopted) => Outcome::NOTHING,
            (_, Input::Released) => {
                (self.presence, self.untold) = (Presence::Absent, Untold::Nothing);
                Outcome::NOTHING
            }
        }
    }

    /// The kernel took the item.
    fn take(&mut self, news: News) -> Outcome {
        let late = self.refused.is_some();
        self.enter(Presence::Ours);
        Outcome::of(news, if late { Next::Announce } else { Next::Nothing })
    }

    /// The kernel has the item; nothing of its past is to be logged any more.
    fn enter(&mut self, presence: Presence) {
        (self.presence, self.untold) = (presence, Untold::Nothing);
        self.forget_refusals();
    }

    /// Takes over what the kernel has of another item that is the same; that one is absent then.
    pub fn inherit(&mut self, old: &mut Self) {
        (self.presence, self.untold) = (core::mem::take(&mut old.presence), core::mem::take(&mut old.untold));
        if self.presence == Presence::LeftDeleted {
            self.presence = Presence::Doubted;
        }
        (self.refused, self.refusals) = (old.refused, old.refusals);
        self.put_back = old.put_back;
    }

    /// Follows a former holder's item that is the same, and absent from now on: what the kernel has stays.
    pub const fn follow(&mut self, former: &Self) {
        (self.presence, self.untold) = (former.presence, former.untold);
    }

    /// Another address of the network is still there: the address did not go with the first one.
    pub fn stood_alone(&mut self) {
        if self.untold == Untold::AlongWithFirst {
            self.untold = Untold::Likely;
        }
    }

    /// Whether the address may have gone with the first one of its network.
    #[must_use]
    pub fn may_have_gone_with_first(&self) -> bool {
        self.presence == Presence::Doubted && self.untold == Untold::AlongWithFirst
    }

    /// The refusals so far do not count any more.
    pub const fn forget_refusals(&mut self) {
        (self.refused, self.refusals) = (None, 0);
    }

    /// Whether the item may be put back now, which is counted.
    pub fn may_be_put_back(&mut self, now: Instant) -> bool {
        self.put_back.take(now, limit::PUT_BACK_BURST, PUT_BACK_REFILL)
    }

    /// Whether the kernel has the item.
    #[must_use]
    pub const fn presence(&self) -> Presence {
        self.presence
    }

    /// Whether the kernel is to be asked for the item.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self.presence, Presence::Absent | Presence::Doubted)
    }

    /// Whether the item is this child's to delete.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self.presence, Presence::Ours | Presence::Doubted | Presence::LeftDeleted)
    }

    /// Whether this child added the item and nothing speaks against its being there.
    #[must_use]
    pub const fn is_there(&self) -> bool {
        matches!(self.presence, Presence::Ours)
    }

    /// Whether the kernel does not have the item, as far as is known.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self.presence, Presence::Absent)
    }

    /// Whether the kernel is asked again for an item that may be gone.
    #[must_use]
    pub const fn is_doubted(&self) -> bool {
        matches!(self.presence, Presence::Doubted)
    }

    /// Whether the loss of the item does not matter.
    #[must_use]
    pub const fn no_track(&self) -> bool {
        self.no_track
    }

    /// Why the kernel refused the item last, until it takes it.
    #[must_use]
    pub const fn refused(&self) -> Option<Errno> {
        self.refused
    }

    /// How often the kernel has refused the item since it last took it.
    #[must_use]
    pub const fn refusals(&self) -> u8 {
        self.refusals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Input::{Added, Adopted, Doubted, Refused, Released};

    const KEPT: Input = Input::There { keep: true };
    const THERE: Input = Input::There { keep: false };
    const EPERM: Input = Refused(Errno::EPERM);

    const SEEN: How = How::BySomebody;
    const HEARD: How = How::Maybe { secondary: false };
    const SECONDARY: How = How::Maybe { secondary: true };

    fn at(millis: u64) -> Instant {
        Instant::START + Span::from_secs(100) + Span::from_millis(millis)
    }

    /// A deletion at a time when an item may be put back.
    fn deleted(how: How) -> Input {
        Input::Deleted { now: at(0), how, up: true }
    }

    fn gone_with_interface(how: How) -> Input {
        Input::Deleted { now: at(0), how, up: false }
    }

    /// An item after these inputs.
    fn after(no_track: bool, inputs: &[Input]) -> Item {
        let mut item = Item::new(no_track);
        for input in inputs {
            item.handle(*input);
        }
        item
    }

    #[test]
    fn each_input_in_each_state_has_one_outcome() {
        use Presence as P;
        let absent: &[Input] = &[];
        let refused: &[Input] = &[EPERM];
        let ours: &[Input] = &[Added];
        let foreign: &[Input] = &[KEPT];
        let doubted: &[Input] = &[Added, Doubted];
        let heard: &[Input] = &[Added, deleted(HEARD)];
        let fell: &[Input] = &[Added, deleted(SECONDARY)];
        let seen: &[Input] = &[Added, deleted(SEEN)];
        let seen_and_refused: &[Input] = &[Added, deleted(SEEN), EPERM];
        let (again, first) = (Next::Retry { new: false }, Next::Retry { new: true });
        for (what, before, input, presence, news, next) in [
            ("is added", absent, Added, P::Ours, News::None, Next::Nothing),
            ("is added at last", refused, Added, P::Ours, News::None, Next::Announce),
            ("an earlier run left", absent, THERE, P::Ours, News::None, Next::Nothing),
            ("was there before", absent, KEPT, P::Foreign, News::None, Next::Nothing),
            ("is refused", absent, EPERM, P::Absent, News::None, first),
            ("is refused again", refused, EPERM, P::Absent, News::None, again),
            ("is refused otherwise", refused, Refused(Errno::EINVAL), P::Absent, News::None, first),
            ("is not there to be deleted", absent, deleted(HEARD), P::Absent, News::None, Next::Nothing),
            ("is not there to be doubted", absent, Doubted, P::Absent, News::None, Next::Nothing),
            ("is adopted", absent, Adopted, P::Ours, News::None, Next::Nothing),
            ("is not needed", absent, Released, P::Absent, News::None, Next::Nothing),
            ("somebody was seen to delete", ours, deleted(SEEN), P::Doubted, News::Deleted, Next::PutBack),
            ("may have been deleted", ours, deleted(HEARD), P::Doubted, News::None, Next::PutBack),
            ("may have gone along", ours, deleted(SECONDARY), P::Doubted, News::None, Next::PutBack),
            (
                "went with its interface",
                ours,
                gone_with_interface(SEEN),
                P::Doubted,
                News::None,
                Next::Nothing,
            ),
            ("may have gone", ours, Doubted, P::Doubted, News::None, Next::Nothing),
            ("goes on", ours, Adopted, P::Ours, News::None, Next::Nothing),
            ("is given back", ours, Released, P::Absent, News::None, Next::Nothing),
            ("another's was until deleted", foreign, deleted(HEARD), P::Absent, News::Deleted, Next::PutBack),
            ("another's went", foreign, gone_with_interface(HEARD), P::Absent, News::None, Next::Nothing),
            ("is another's", foreign, Doubted, P::Foreign, News::None, Next::Nothing),
            ("stays another's", foreign, Released, P::Absent, News::None, Next::Nothing),
            ("was away", doubted, Added, P::Ours, News::None, Next::Nothing),
            ("was never away", doubted, THERE, P::Ours, News::None, Next::Nothing),
            ("was never away nor another's", doubted, KEPT, P::Ours, News::None, Next::Nothing),
            ("is away", doubted, EPERM, P::Absent, News::None, first),
            ("is doubted already", doubted, deleted(HEARD), P::Doubted, News::None, Next::Nothing),
            ("had been deleted", heard, Added, P::Ours, News::Deleted, Next::Nothing),
            ("had not been deleted", heard, THERE, P::Ours, News::None, Next::Nothing),
            ("had been deleted and is refused", heard, EPERM, P::Absent, News::Deleted, first),
            ("had gone along", fell, Added, P::Ours, News::WentWithFirst, Next::Nothing),
            ("had gone along and is refused", fell, EPERM, P::Absent, News::WentWithFirst, first),
            ("is back", seen, Added, P::Ours, News::Back, Next::Nothing),
            ("was deleted in part", seen, THERE, P::Ours, News::None, Next::Nothing),
            ("was deleted and is refused", seen, EPERM, P::Absent, News::None, first),
            ("is back at last", seen_and_refused, Added, P::Ours, News::Back, Next::Announce),
            ("is not wanted back", seen, Released, P::Absent, News::None, Next::Nothing),
        ] {
            let mut item = after(false, before);
            assert_eq!(item.handle(input), Outcome { news, next }, "an item that {what}");
            assert_eq!(item.presence(), presence, "an item that {what}");
        }
    }

    #[test]
    fn what_is_told_of_a_deletion_is_told_once() {
        for how in [SEEN, HEARD, SECONDARY] {
            for end in [Added, THERE, Released] {
                let mut item = after(false, &[Added, deleted(how), end, Added]);
                assert_eq!(item.handle(Doubted), Outcome::NOTHING);
                assert_eq!(item.handle(Added), Outcome::NOTHING, "{how:?} {end:?}");
            }
        }
    }

    #[test]
    fn the_loss_of_an_item_with_no_track_leads_to_nothing() {
        let mut seen = after(true, &[Added]);
        assert_eq!(seen.handle(deleted(SEEN)), Outcome::NOTHING);
        assert_eq!(seen.presence(), Presence::LeftDeleted);
        assert!(!seen.is_missing() && seen.is_ours(), "not added again; what is left of it is deleted");
        assert_eq!(seen.handle(Doubted), Outcome::NOTHING);
        assert_eq!(seen.presence(), Presence::LeftDeleted);
        let mut successor = Item::new(true);
        successor.inherit(&mut seen);
        assert!(successor.is_missing() && seen.is_absent(), "a reload adds it again");

        let mut heard = after(true, &[Added]);
        assert_eq!(heard.handle(deleted(HEARD)), Outcome::NOTHING);
        assert!(heard.is_doubted(), "whatever is added next adds it again");
        assert_eq!(heard.handle(Added), Outcome::NOTHING);
        assert_eq!(after(true, &[KEPT]).handle(deleted(HEARD)), Outcome::NOTHING);
    }

    #[test]
    fn an_item_is_put_back_five_times_and_once_more_every_two_seconds() {
        for how in [SEEN, HEARD] {
            let mut item = after(false, &[Added]);
            for (millis, next) in [
                (0, Next::PutBack),
                (100, Next::PutBack),
                (200, Next::PutBack),
                (300, Next::PutBack),
                (400, Next::PutBack),
                (1_900, Next::GiveUp),
                (2_000, Next::PutBack),
                (3_999, Next::GiveUp),
                (14_000, Next::PutBack),
            ] {
                let outcome = item.handle(Input::Deleted { now: at(millis), how, up: true });
                assert_eq!(outcome.next, next, "{how:?} after {millis} ms");
                assert_eq!(outcome.news == News::GivenUp, next == Next::GiveUp);
                item.handle(Added);
            }
        }
    }

    #[test]
    fn a_successor_has_what_the_kernel_has_and_what_was_said() {
        let mut old = after(false, &[Added, deleted(HEARD)]);
        let mut new = Item::new(false);
        new.inherit(&mut old);
        assert_eq!(new.handle(Added).news, News::Deleted);
        assert_eq!(old.presence(), Presence::Absent);
        let mut old = after(false, &[EPERM, EPERM]);
        let mut new = Item::new(false);
        new.inherit(&mut old);
        assert_eq!((new.refusals(), new.refused()), (2, Some(Errno::EPERM)));
        assert_eq!(new.handle(EPERM).next, Next::Retry { new: false });
        new.handle(Added);
        assert_eq!((new.refusals(), new.refused()), (0, None));
    }

    #[test]
    fn an_address_whose_network_is_still_there_did_not_go_along() {
        let mut item = after(false, &[Added, deleted(SECONDARY)]);
        assert!(item.may_have_gone_with_first());
        item.stood_alone();
        assert!(!item.may_have_gone_with_first());
        assert_eq!(item.handle(Added).news, News::Deleted);
    }
}
