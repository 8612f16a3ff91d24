//! Lines that wait for a sink: a queue in one fixed piece of memory.

use std::io::IoSlice;

use crate::base::limit;

/// The queue, and how many lines did not fit.
#[derive(Debug)]
pub(super) struct Backlog {
    octets: Vec<u8>,
    /// Where the first waiting line begins.
    head: usize,
    /// Lines refused since the count was last told.
    untold: u64,
    /// Lines refused ever.
    lost: u64,
}

impl Backlog {
    pub(super) fn new() -> Self {
        Self { octets: Vec::with_capacity(limit::LOG_BACKLOG), head: 0, untold: 0, lost: 0 }
    }

    /// Queues a line, or counts it. Once lines were lost no other is taken until that has been told, so that
    /// the count stands where the lines are missing.
    pub(super) fn push(&mut self, line: &[u8]) {
        let len = line.len().saturating_add(HEADER);
        let waiting = self.octets.len().saturating_sub(self.head);
        let room = limit::LOG_BACKLOG.saturating_sub(waiting);
        let (Ok(header), true) = (u16::try_from(line.len()), len <= room && self.untold == 0) else {
            self.untold += 1;
            self.lost += 1;
            return;
        };
        if self.octets.len().saturating_add(len) > limit::LOG_BACKLOG {
            self.octets.drain(..self.head);
            self.head = 0;
        }
        self.octets.extend_from_slice(&header.to_ne_bytes());
        self.octets.extend_from_slice(line);
    }

    /// The line that has waited longest.
    pub(super) fn front(&self) -> Option<&[u8]> {
        let (header, rest) = self.octets.get(self.head..)?.split_first_chunk::<HEADER>()?;
        rest.get(..usize::from(u16::from_ne_bytes(*header)))
    }

    /// Fills `parts` with the lines that wait, the longest first, without the first `skip` octets of that one; how many
    /// there are.
    pub(super) fn lines<'a>(&'a self, skip: usize, parts: &mut [IoSlice<'a>]) -> usize {
        let (mut rest, mut skip, mut count) = (self.octets.get(self.head..).unwrap_or_default(), skip, 0);
        for part in parts {
            let Some((header, after)) = rest.split_first_chunk::<HEADER>() else { break };
            let Some((line, after)) = after.split_at_checked(usize::from(u16::from_ne_bytes(*header))) else {
                break;
            };
            *part = IoSlice::new(line.get(core::mem::take(&mut skip)..).unwrap_or_default());
            (rest, count) = (after, count + 1);
        }
        count
    }

    /// Whether half of the memory is taken.
    pub(super) fn is_half_full(&self) -> bool {
        self.octets.len().saturating_sub(self.head) > limit::LOG_BACKLOG / 2
    }

    /// Forgets the line that has waited longest.
    pub(super) fn pop(&mut self) {
        let Some(len) = self.front().map(<[u8]>::len) else {
            return;
        };
        self.head += len + HEADER;
        if self.head >= self.octets.len() {
            self.octets.clear();
            self.head = 0;
        }
    }

    /// Whether no line waits.
    pub(super) fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// How many lines were lost and not told yet; they count as told from now on.
    pub(super) fn take_untold(&mut self) -> u64 {
        core::mem::take(&mut self.untold)
    }

    /// Whether lines were lost that were not told yet.
    pub(super) fn has_untold(&self) -> bool {
        self.untold > 0
    }

    /// Lines lost ever.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}

const HEADER: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_in_fixed_memory_and_counts_what_does_not_fit() {
        let mut backlog = Backlog::new();
        let room = backlog.octets.capacity();
        let mut next_in = 0_u32;
        let mut next_out = 0_u32;
        for round in 0..2_000_u32 {
            for _ in 0..round % 7 {
                let line = vec![0; (round % 900) as usize + 4];
                let mut line = line;
                line[..4].copy_from_slice(&next_in.to_ne_bytes());
                let before = backlog.lost();
                backlog.push(&line);
                if backlog.lost() == before {
                    next_in += 1;
                }
            }
            for _ in 0..round % 6 {
                let Some(front) = backlog.front() else { break };
                assert_eq!(&front[..4], next_out.to_ne_bytes());
                next_out += 1;
                backlog.pop();
            }
            if backlog.is_empty() {
                backlog.take_untold();
            }
        }
        assert_eq!(backlog.octets.capacity(), room);
        assert!(backlog.lost() > 0, "the test must overfill it");
        assert!(next_out > 1_000);
    }

    #[test]
    fn takes_nothing_after_a_loss_until_it_was_told() {
        let mut backlog = Backlog::new();
        while !backlog.has_untold() {
            backlog.push(&[1; 1_000]);
        }
        backlog.push(&[2; 1]);
        assert_eq!(backlog.take_untold(), 2);
        backlog.push(&[2; 1]);
        assert!(!backlog.has_untold());
        assert_eq!(backlog.lost(), 2);
    }
}
