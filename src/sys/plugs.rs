//! Keeps what is about to be loaded together in memory, apart from what it replaces.
//!
//! An allocator fills the smallest hole that fits first. While a new configuration is loaded beside the one before, its
//! small pieces would go into holes between pieces of the old one, and when that is gone each of them keeps a page. So
//! the holes are plugged before, and what is loaded goes where there is room for much of it. With an allocator that
//! keeps sizes apart by itself (musl's) this does nothing but take a moment.

/// What fills the holes. Dropping it opens them again.
#[derive(Debug, Default)]
pub struct Plugs(Vec<Box<[u8]>>);

impl Plugs {
    /// Plugs the holes that are smaller than a page, the large ones first; `pause` is called again and again.
    pub fn set(mut pause: impl FnMut()) -> Self {
        let mut plugs = Vec::new();
        for size in (1..=LARGEST / STEP).rev().map(|step| step * STEP - HEAD) {
            let (mut before, mut together) = (0_usize, 0);
            for number in 1..=MOST {
                let plug = vec![0_u8; size].into_boxed_slice();
                let at = plug.as_ptr().addr();
                plugs.push(plug);
                // Where several lie side by side is room, not a hole.
                together = if at.abs_diff(before) <= size + 2 * HEAD { together + 1 } else { 0 };
                before = at;
                if together >= SIDE_BY_SIDE {
                    break;
                }
                if number.is_multiple_of(AT_A_TIME) {
                    pause();
                }
            }
            pause();
        }
        Self(plugs)
    }

    /// Opens the holes again, a few at a time.
    pub fn pull(mut self, mut pause: impl FnMut()) {
        while !self.0.is_empty() {
            self.0.truncate(self.0.len().saturating_sub(AT_A_TIME));
            pause();
        }
    }
}

/// Holes from a page on are given back to the system when they are not used.
const LARGEST: usize = 4_096;
/// Sizes between which allocators make no difference, and what they put before each piece.
const STEP: usize = 16;
const HEAD: usize = 8;
const SIDE_BY_SIDE: usize = 2;
/// Holes of one size that are plugged at most.
const MOST: usize = 20_000;
const AT_A_TIME: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_lies_together() {
        let pieces: Vec<Box<[u8]>> = (0..40_000).map(|_| vec![1; 40].into_boxed_slice()).collect();
        // Every other one goes.
        let mut kept: Vec<_> = pieces.into_iter().enumerate().filter(|(at, _)| at % 2 == 0).collect();
        let mut pauses = 0;
        let plugs = Plugs::set(|| pauses += 1);
        let fresh: Vec<Box<[u8]>> = (0..10_000).map(|_| vec![2; 40].into_boxed_slice()).collect();
        let pages: std::collections::HashSet<usize> =
            fresh.iter().map(|piece| piece.as_ptr().addr() / 4_096).collect();
        plugs.pull(|| pauses += 1);
        assert!(pauses > 256 && kept.pop().is_some());
        // 48 octets each; half as many to a page, at worst, beside what other threads do.
        assert!(pages.len() < 200, "{} pages", pages.len());
    }
}
