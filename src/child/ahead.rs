//! The text of a configuration on its way to a model, which may be read before the parent has judged it.
//!
//! ```text
//! Text n:  read ahead, up to the model, which waits        Refused n: forgotten
//! Reload n: the child goes over to the model of text n, read ahead or read now
//! ```
//!
//! Nothing is done by a text that was not ordered: the number of the order names the text that the parent found good,
//! and a text of another number is not looked at any more.

use std::os::fd::OwnedFd;

use super::reading::{self, Reading};
use crate::config::model::Model;

/// A text, and how far it is.
pub struct Text {
    /// Which one it is; 0: none.
    number: u32,
    reading: Reading,
    /// What was read ahead.
    model: Option<Box<Model>>,
    /// The child is to go over to it.
    ordered: bool,
}

/// What became of a slice.
pub enum Step {
    /// There are more of them.
    More,
    /// There is nothing to do before the order.
    Waits,
    /// The model that the child goes over to.
    Model(Box<Model>),
    /// What the parent sent is no configuration; told.
    Failed,
}

impl Default for Text {
    fn default() -> Self {
        Self { number: 0, reading: Reading::Over, model: None, ordered: false }
    }
}

impl Text {
    /// A text that is read before its order.
    #[must_use]
    pub fn ahead(number: u32, fd: OwnedFd) -> Self {
        Self { number, reading: Reading::Descriptor(fd), ..Self::default() }
    }

    /// The child is to go over to a text: the one that was read ahead if it has this number, or else the one in the
    /// descriptor. True: it has been read past the point at which a child says that it reads.
    pub fn order(&mut self, number: u32, fd: OwnedFd) -> bool {
        let known = self.number == number && (self.model.is_some() || !matches!(self.reading, Reading::Over));
        if !known {
            *self = Self::ahead(number, fd);
        }
        self.ordered = true;
        !matches!(self.reading, Reading::Descriptor(_) | Reading::Octets(_) | Reading::Snapshot(_))
    }

    /// The parent has refused a text.
    pub fn refuse(&mut self, number: u32) {
        if self.number == number && !self.ordered {
            *self = Self::default();
        }
    }

    /// Whether it is about to be read and the child is to go over to it.
    #[must_use]
    pub const fn is_ordered_and_whole(&self) -> bool {
        self.ordered && self.reading.is_whole()
    }

    /// Does the next slice.
    pub fn advance(&mut self, running: &Model) -> Step {
        let model = match self.model.take() {
            Some(model) => model,
            None => match self.reading.advance(running) {
                reading::Step::More => return Step::More,
                reading::Step::Model(model) => model,
                reading::Step::Failed => {
                    return if core::mem::take(self).ordered { Step::Failed } else { Step::Waits };
                }
            },
        };
        if self.ordered {
            *self = Self::default();
            return Step::Model(model);
        }
        self.model = Some(model);
        Step::Waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child::reading::tests::sent;

    /// A configuration with a script of this name.
    fn text(name: &str) -> OwnedFd {
        sent(name, &format!("vrrp_script {name} {{\n script /bin/true\n}}\n"))
    }

    /// Reads on until there is something to say: the script of the model that the child goes over to, if there is one.
    fn end(text: &mut Text) -> Result<String, bool> {
        loop {
            match text.advance(&Model::default()) {
                Step::More => {}
                Step::Waits => return Err(true),
                Step::Failed => return Err(false),
                Step::Model(model) => return Ok(model.scripts[0].name.clone()),
            }
        }
    }

    #[test]
    fn what_was_read_ahead_is_used_by_its_order_alone() {
        let mut ahead = Text::ahead(1, text("A"));
        assert_eq!(end(&mut ahead), Err(true));
        assert_eq!(end(&mut ahead), Err(true), "however often the loop asks");
        assert!(ahead.order(1, text("A")));
        assert_eq!(end(&mut ahead), Ok("A".to_owned()));
        assert_eq!(end(&mut ahead), Err(true), "once");
    }

    #[test]
    fn the_order_may_come_in_the_middle() {
        let mut ahead = Text::ahead(1, text("B"));
        assert!(matches!(ahead.advance(&Model::default()), Step::More));
        assert!(!ahead.order(1, text("B")));
        let mut told = 0;
        let model = loop {
            told += u32::from(ahead.is_ordered_and_whole());
            match ahead.advance(&Model::default()) {
                Step::More => {}
                Step::Model(model) => break model,
                Step::Waits | Step::Failed => panic!("it was ordered"),
            }
        };
        assert_eq!((&*model.scripts[0].name, told), ("B", 1));
    }

    #[test]
    fn a_text_that_was_refused_or_is_another_one_is_never_used() {
        let mut refused = Text::ahead(1, text("C"));
        assert_eq!(end(&mut refused), Err(true));
        refused.refuse(2);
        assert!(refused.model.is_some(), "another one was refused");
        refused.refuse(1);
        assert_eq!(end(&mut refused), Err(true));
        refused.order(2, text("D"));
        assert_eq!(end(&mut refused), Ok("D".to_owned()));
        // The word that it was refused was lost.
        let mut lost = Text::ahead(3, text("E"));
        assert_eq!(end(&mut lost), Err(true));
        lost.order(4, text("F"));
        assert_eq!(end(&mut lost), Ok("F".to_owned()));
        let mut half = Text::ahead(5, text("G"));
        assert!(matches!(half.advance(&Model::default()), Step::More));
        half.refuse(5);
        assert_eq!(end(&mut half), Err(true));
    }

    #[test]
    fn what_cannot_be_read_fails_with_its_order() {
        let nonsense = || crate::sys::memory::sealed("test", b"nonsense").unwrap();
        let mut bad = Text::ahead(1, nonsense());
        assert_eq!(end(&mut bad), Err(true));
        assert!(!bad.order(1, nonsense()));
        assert_eq!(end(&mut bad), Err(false));
    }
}
