//! Polling an interface for its link state (`linkbeat_interfaces`): which way of asking works, and what was answered.
//!
//! Not every driver can be asked in every way. The first way that gets an answer is kept; when it ceases to, all are
//! tried again. An interface that answers to none is judged by what netlink says.

/// A way of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkMethod {
    /// MII registers.
    Mii,
    /// The ethtool call.
    Ethtool,
    /// The flags of the interface.
    Ioctl,
}

impl LinkMethod {
    const ALL: [Self; 3] = [Self::Mii, Self::Ethtool, Self::Ioctl];

    /// The word of `linkbeat_interfaces`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mii => "MII",
            Self::Ethtool => "ETHTOOL",
            Self::Ioctl => "IOCTL",
        }
    }
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There is a link.
    Up,
    /// There is none.
    Down,
    /// It cannot be asked like this.
    Unsupported,
}

/// An interface that is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linkbeat {
    preferred: Option<LinkMethod>,
    /// How many ways have been tried in vain.
    tried: u8,
    up: Option<bool>,
}

impl Linkbeat {
    /// One that has not been asked; `preferred`: the way that is tried first.
    #[must_use]
    pub const fn new(preferred: Option<LinkMethod>) -> Self {
        Self { preferred, tried: 0, up: None }
    }

    /// The way to ask by now.
    #[must_use]
    pub fn method(&self) -> LinkMethod {
        let others = LinkMethod::ALL.into_iter().filter(|method| Some(*method) != self.preferred);
        let mut order = self.preferred.into_iter().chain(others);
        order.nth(usize::from(self.tried)).unwrap_or(LinkMethod::Ioctl)
    }

    /// The way that was to be tried first, if another one works.
    #[must_use]
    pub fn refused(&self) -> Option<LinkMethod> {
        self.preferred.filter(|preferred| self.up.is_some() && *preferred != self.method())
    }

    /// What it answered last; none if it cannot be asked.
    #[must_use]
    pub const fn up(&self) -> Option<bool> {
        self.up
    }

    /// Takes the answer to [`Linkbeat::method`]. True: ask again, in the way that it names now. That ends: each way
    /// is tried once.
    pub fn hear(&mut self, answer: Answer) -> bool {
        let Answer::Unsupported = answer else {
            self.up = Some(answer == Answer::Up);
            return false;
        };
        // The way that worked until now does not any more.
        let lost = self.up.take().is_some();
        self.tried = if lost { 0 } else { self.tried.saturating_add(1) };
        if usize::from(self.tried) < LinkMethod::ALL.len() {
            return true;
        }
        self.tried = 0;
        false
    }

    /// The interface is another one now, maybe with another driver: everything is asked anew.
    pub const fn forget(&mut self) {
        *self = Self::new(self.preferred);
    }

    /// After a reload: another way is to be tried first.
    pub fn reconfigure(&mut self, preferred: Option<LinkMethod>) {
        if preferred != self.preferred {
            *self = Self { up: self.up, ..Self::new(preferred) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks once; in which ways.
    fn poll(beat: &mut Linkbeat, works: impl Fn(LinkMethod) -> Answer) -> Vec<LinkMethod> {
        let mut asked = Vec::new();
        loop {
            asked.push(beat.method());
            assert!(asked.len() <= 4, "it goes round: {asked:?}");
            if !beat.hear(works(beat.method())) {
                return asked;
            }
        }
    }

    fn only(method: LinkMethod, answer: Answer) -> impl Fn(LinkMethod) -> Answer {
        move |asked| if asked == method { answer } else { Answer::Unsupported }
    }

    #[test]
    fn what_works_is_found_and_kept() {
        use LinkMethod::{Ethtool, Ioctl, Mii};
        let mut beat = Linkbeat::new(None);
        assert_eq!(beat.up(), None);
        assert_eq!(poll(&mut beat, only(Ethtool, Answer::Up)), [Mii, Ethtool]);
        assert_eq!((beat.up(), beat.refused()), (Some(true), None));
        assert_eq!(poll(&mut beat, only(Ethtool, Answer::Down)), [Ethtool]);
        assert_eq!(beat.up(), Some(false));
        // Another driver under the same name.
        assert_eq!(poll(&mut beat, only(Ioctl, Answer::Up)), [Ethtool, Mii, Ethtool, Ioctl]);
        assert_eq!(beat.up(), Some(true));
        beat.forget();
        assert_eq!((beat.up(), beat.method()), (None, Mii));
        // One that was asked for does not work.
        let mut beat = Linkbeat::new(Some(Ioctl));
        assert_eq!(beat.refused(), None, "nobody knows yet");
        assert!(beat.hear(Answer::Unsupported));
        assert_eq!(beat.refused(), None, "nor while others are tried");
        beat.forget();
        assert_eq!(poll(&mut beat, only(Ethtool, Answer::Up)), [Ioctl, Mii, Ethtool]);
        assert_eq!((beat.refused(), beat.method().word()), (Some(Ioctl), "ETHTOOL"));
    }

    #[test]
    fn the_preferred_way_is_tried_first() {
        use LinkMethod::{Ethtool, Ioctl, Mii};
        let mut beat = Linkbeat::new(Some(Ioctl));
        assert_eq!(poll(&mut beat, only(Ethtool, Answer::Up)), [Ioctl, Mii, Ethtool]);
        beat.reconfigure(Some(Ioctl));
        assert_eq!(beat.method(), Ethtool, "nothing changed");
        beat.reconfigure(Some(Mii));
        assert_eq!(
            (beat.up(), beat.method()),
            (Some(true), Mii),
            "what is known stays until it is asked again"
        );
        let mut beat = Linkbeat::new(Some(Ethtool));
        assert_eq!(poll(&mut beat, |_| Answer::Up), [Ethtool]);
    }

    #[test]
    fn one_that_cannot_be_asked_says_nothing_and_is_asked_again_next_time() {
        use LinkMethod::{Ethtool, Ioctl, Mii};
        let mut beat = Linkbeat::new(None);
        for _ in 0..3 {
            assert_eq!(poll(&mut beat, |_| Answer::Unsupported), [Mii, Ethtool, Ioctl]);
            assert_eq!(beat.up(), None);
        }
        assert_eq!(poll(&mut beat, |_| Answer::Down), [Mii]);
        poll(&mut beat, |_| Answer::Unsupported);
        assert_eq!(beat.up(), None);
    }
}
