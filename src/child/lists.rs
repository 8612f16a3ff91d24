//! How often all that the kernel has may be listed while lists fail, because another program changes it all the time.

use crate::base::limit;

/// Lists that failed since the last whole one.
#[derive(Clone, Copy, Debug, Default)]
pub struct FailedLists(u32);

impl FailedLists {
    /// A list failed, or is not whole.
    pub fn failed(&mut self) {
        self.0 = self.0.saturating_add(1);
    }

    /// A list is whole.
    pub fn whole(&mut self) {
        self.0 = 0;
    }

    /// Whether notifications that are lost are a reason to list at once. Where lists fail again and again, the next one is
    /// made [`limit::KERNEL_RETRY`] after the last one: not each time that more is lost.
    #[must_use]
    pub const fn may_list(self) -> bool {
        self.0 < limit::FAILED_LISTS
    }
}
