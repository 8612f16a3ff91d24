//! `vrrp_startup_delay` and `vrrp_delay_after_boot`: instances begin, but are BACKUP until the delay is over.
//!
//! Bonds and switches may pass nothing for seconds after they came up. An instance that listens only then has to
//! wait as if it had begun at the end of the delay.

use crate::base::time::Instant;
use crate::config::model::global;
use crate::daemon::reactor::Turn;
use crate::vrrpd::report;
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::slots::Slot;

/// When the delay is over, if it is not yet. The longer one of the two counts.
pub(super) fn until(vrrp: &global::Vrrp, begun: Instant, now: Instant) -> Option<Instant> {
    // The monotonic clock begins with the machine.
    let end = (begun + vrrp.startup_delay).max(Instant::START + vrrp.delay_after_boot);
    (end > now).then_some(end)
}

impl Vrrp {
    /// Holds every instance that is about to begin, if the delay is not over. `begun`: the start of the daemon,
    /// if this is not its first child.
    pub(super) fn begin_hold(&mut self, turn: &mut Turn<'_>, begun: Option<Instant>) {
        let begun = begun.unwrap_or(turn.now());
        self.routers.held = until(&self.model.global.vrrp, begun, turn.now());
        if let Some(until) = self.routers.held {
            report::held(until.since(turn.now()));
            self.hold(turn);
        }
    }

    /// Holds every instance while the delay lasts; those that a reload brings with them.
    pub(super) fn hold(&mut self, turn: &mut Turn<'_>) {
        let Some(until) = self.routers.held else { return };
        for instance in &mut self.routers.instances {
            instance.router.hold(until);
        }
        turn.set_deadline(self.work.layout.number(Slot::Hold), Some(until));
    }

    /// The delay is over.
    pub(super) fn release(&mut self) {
        if self.routers.held.take().is_none() {
            return;
        }
        for instance in &mut self.routers.instances {
            instance.router.hold(Instant::START);
        }
        report::released();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Span;

    #[test]
    fn the_longer_delay_counts_and_what_is_over_holds_nothing() {
        let at = |secs| Instant::START + Span::from_secs(secs);
        for (startup, boot, begun, now, end) in [
            (0, 0, 100, 100, None),
            (3, 0, 100, 100, Some(103)),
            (3, 0, 100, 102, Some(103)),
            (3, 0, 100, 103, None),
            (0, 120, 100, 100, Some(120)),
            (3, 120, 100, 100, Some(120)),
            (30, 120, 100, 100, Some(130)),
            (3, 60, 100, 100, Some(103)),
            (0, 60, 100, 100, None),
        ] {
            let vrrp = global::Vrrp {
                startup_delay: Span::from_secs(startup),
                delay_after_boot: Span::from_secs(boot),
                ..global::Vrrp::default()
            };
            assert_eq!(until(&vrrp, at(begun), at(now)), end.map(at), "{startup} {boot}");
        }
    }
}
