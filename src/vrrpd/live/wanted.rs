//! The life of one item that is wanted in the kernel: an address, a route or a rule.
//!
//! ```text
//! lacks:      it is asked for             the answer: added, exists, was_gone with note_refusal
//! deleted:    another program deleted it  it is put back: asked for again, and the answer says whether it was gone
//! let_go:     it is not wanted any more, and deleted if it was put there by us
//! ```
//!
//! Pure: what is asked of the kernel, and what is logged, is up to the caller.

use nix::errno::Errno;

use crate::base::limit;
use crate::base::rate::Allowance;
use crate::base::time::{Instant, Span};

/// Whether one item is in the kernel, and what the kernel said of it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Whether it is there.
    pub held: Held,
    /// Its loss does not matter.
    pub no_track: bool,
    /// Why the kernel refused the item last, until it takes it: logged once.
    pub refused: Option<Errno>,
    /// How often it is put back before its holder gives up for a moment. Each item has its own: a flush that takes
    /// twenty addresses at once took each of them once.
    put_back: Allowance,
}

/// Whether an item is in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Held {
    /// No, as far as is known.
    #[default]
    No,
    /// Yes, by us.
    Ours,
    /// By us, but the item may be gone: it is asked for once more, and the answer says whether it was. A notification of
    /// a deletion may be about our own removal just before the item was put there again.
    Doubted {
        /// A deletion that is to be logged was seen: it matters, and the item did not just go with its interface.
        told: bool,
        /// The item was not the first address of its network: it may have gone with that one.
        secondary: bool,
    },
    /// By us, but another program deleted the item and that does not matter: it is left so until it is let go.
    Left,
    /// Yes, and it was there before it was wanted: it stays.
    Foreign,
}

/// What follows from the deletion of an item by another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// Nothing.
    Nothing,
    /// The item is put back at once.
    PutBack,
    /// The item was put back too often.
    GiveUp,
}

impl Wanted {
    /// An item that is not there yet.
    #[must_use]
    pub fn new(no_track: bool) -> Self {
        Self { held: Held::No, no_track, refused: None, put_back: Allowance::default() }
    }

    /// Whether the item is to be asked for.
    #[must_use]
    pub const fn lacks(&self) -> bool {
        self.held.is_missing()
    }

    /// The kernel took the item; whether it had refused it before.
    pub fn added(&mut self) -> bool {
        self.held = Held::Ours;
        self.refused.take().is_some()
    }

    /// The kernel had the item already. If that was in doubt it was never gone; otherwise `foreign` says that it is
    /// another program's.
    pub fn exists(&mut self, foreign: bool) {
        let doubted = matches!(self.held, Held::Doubted { .. });
        self.held = if foreign && !doubted { Held::Foreign } else { Held::Ours };
    }

    /// The kernel refused the item; whether for another reason than the last time.
    pub fn note_refusal(&mut self, errno: Errno) -> bool {
        self.refused.replace(errno) != Some(errno)
    }

    /// The answer says that the item was not there. What is to be logged of its deletion, if that was seen: whether it
    /// was not the first address of its network.
    pub fn was_gone(&mut self) -> Option<bool> {
        match core::mem::take(&mut self.held) {
            Held::Doubted { told: true, secondary } => Some(secondary),
            _ => None,
        }
    }

    /// The item is not wanted any more; whether it is to be deleted.
    pub const fn let_go(&mut self) -> bool {
        let ours = self.held.is_ours();
        self.held = Held::No;
        ours
    }

    /// The item is wanted, and was found in the kernel or taken over.
    pub fn adopt(&mut self) {
        if self.held == Held::No {
            self.held = Held::Ours;
        }
    }

    /// The item may be gone, by nobody's fault.
    pub fn doubt(&mut self) {
        if self.held == Held::Ours {
            self.held = Held::Doubted { told: false, secondary: false };
        }
    }

    /// A notification says that the item was deleted. `there`: its interface still is. `secondary`: see
    /// [`Held::Doubted`].
    pub fn deleted(&mut self, there: bool, secondary: bool, now: Instant) -> Deleted {
        let told = there && !self.no_track;
        self.held = if self.held.is_ours() { Held::Doubted { told, secondary } } else { Held::No };
        match told {
            // What goes with its interface comes back with that.
            false => Deleted::Nothing,
            true if self.may_be_put_back(now) => Deleted::PutBack,
            true => Deleted::GiveUp,
        }
    }

    /// Whether the item may be put back now, which is counted.
    pub fn may_be_put_back(&mut self, now: Instant) -> bool {
        self.put_back.take(now, limit::PUT_BACK_BURST, PUT_BACK_REFILL)
    }

    /// The same item of the configuration before: what is there is this one's.
    pub fn inherit(&mut self, old: &mut Self) {
        self.held = core::mem::take(&mut old.held);
        self.put_back = old.put_back;
    }
}

impl Held {
    /// Whether it is not there, or may be gone.
    #[must_use]
    pub const fn is_missing(self) -> bool {
        matches!(self, Self::No | Self::Doubted { .. })
    }

    /// Whether it is ours to take off.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::Doubted { .. } | Self::Left)
    }
}

/// Once an item has been put back so often, one more time is earned in this span.
const PUT_BACK_REFILL: Span = Span::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    const DOUBTED: Held = Held::Doubted { told: false, secondary: false };
    const DELETED: Held = Held::Doubted { told: true, secondary: false };
    const FELL: Held = Held::Doubted { told: true, secondary: true };
    const ALL: [Held; 7] = [Held::No, Held::Ours, DOUBTED, DELETED, FELL, Held::Left, Held::Foreign];

    fn item(held: Held) -> Wanted {
        Wanted { held, ..Wanted::new(false) }
    }

    fn at(seconds: u64) -> Instant {
        Instant::START + Span::from_secs(seconds)
    }

    /// What an input makes of each state, in the order of [`ALL`].
    fn each(input: impl Fn(&mut Wanted)) -> [Held; 7] {
        ALL.map(|held| {
            let mut wanted = item(held);
            input(&mut wanted);
            wanted.held
        })
    }

    #[test]
    fn what_is_not_there_or_in_doubt_is_asked_for_and_what_is_ours_is_deleted() {
        assert_eq!(ALL.map(|held| item(held).lacks()), [true, false, true, true, true, false, false]);
        assert_eq!(ALL.map(|held| item(held).let_go()), [false, true, true, true, true, true, false]);
        assert_eq!(each(|wanted| _ = wanted.let_go()), [Held::No; 7]);
    }

    #[test]
    fn an_answer_settles_a_doubt() {
        assert_eq!(each(|wanted| _ = wanted.added()), [Held::Ours; 7]);
        let ours = each(|wanted| wanted.exists(false));
        assert_eq!(ours, [Held::Ours; 7]);
        let foreign = each(|wanted| wanted.exists(true));
        assert_eq!(foreign[0], Held::Foreign);
        assert_eq!(foreign[2..5], [Held::Ours; 3], "what was in doubt was never gone");
        assert_eq!(
            ALL.map(|held| item(held).was_gone()),
            [None, None, None, Some(false), Some(true), None, None]
        );
        assert_eq!(each(|wanted| _ = wanted.was_gone()), [Held::No; 7]);
    }

    #[test]
    fn a_reason_is_news_until_the_kernel_takes_the_item() {
        let mut wanted = item(Held::No);
        assert!(wanted.note_refusal(Errno::EPERM));
        assert!(!wanted.note_refusal(Errno::EPERM));
        assert!(wanted.note_refusal(Errno::ENOBUFS));
        assert_eq!((wanted.held, wanted.refused), (Held::No, Some(Errno::ENOBUFS)));
        assert!(wanted.added());
        assert!(!wanted.added());
        assert!(wanted.note_refusal(Errno::ENOBUFS));
    }

    #[test]
    fn only_what_is_there_is_doubted_and_only_what_is_not_is_adopted() {
        let doubted = each(Wanted::doubt);
        assert_eq!(doubted, [Held::No, DOUBTED, DOUBTED, DELETED, FELL, Held::Left, Held::Foreign]);
        let adopted = each(Wanted::adopt);
        assert_eq!(adopted, [Held::Ours, Held::Ours, DOUBTED, DELETED, FELL, Held::Left, Held::Foreign]);
    }

    #[test]
    fn a_deletion_is_put_back_five_times_and_once_more_every_two_seconds() {
        let mut wanted = item(Held::Ours);
        let mut deleted = |second| {
            wanted.added();
            let follows = wanted.deleted(true, false, at(second));
            assert_eq!(wanted.held, DELETED);
            follows
        };
        assert!((0..limit::PUT_BACK_BURST).all(|_| deleted(100) == Deleted::PutBack));
        assert_eq!(deleted(100), Deleted::GiveUp);
        assert_eq!([deleted(102), deleted(102)], [Deleted::PutBack, Deleted::GiveUp]);
    }

    #[test]
    fn a_deletion_that_does_not_matter_or_took_the_interface_along_only_raises_a_doubt() {
        let mut untracked = Wanted { no_track: true, ..item(Held::Ours) };
        assert_eq!(untracked.deleted(true, true, at(1)), Deleted::Nothing);
        assert_eq!(untracked.held, Held::Doubted { told: false, secondary: true });
        let mut without_interface = item(Held::Ours);
        assert_eq!(without_interface.deleted(false, false, at(1)), Deleted::Nothing);
        assert_eq!(without_interface.held, DOUBTED);
        assert_eq!(without_interface.was_gone(), None);
        let mut foreign = item(Held::Foreign);
        assert_eq!(foreign.deleted(true, false, at(1)), Deleted::PutBack);
        assert_eq!(foreign.held, Held::No);
    }

    #[test]
    fn the_same_item_of_a_new_configuration_goes_on_with_what_is_there() {
        let mut old = item(Held::Ours);
        for _ in 0..limit::PUT_BACK_BURST {
            old.deleted(true, false, at(100));
        }
        let mut new = Wanted::new(false);
        new.inherit(&mut old);
        assert_eq!((new.held, old.held), (DELETED, Held::No));
        assert_eq!(new.deleted(true, true, at(100)), Deleted::GiveUp);
        assert_eq!(new.was_gone(), Some(true));
    }
}
