//! What the signals ask for: data dump and statistics.

use super::state::Vrrp;
use crate::daemon::reactor::Turn;

impl Vrrp {
    pub(super) fn dump_data(&mut self) {}

    pub(super) fn dump_stats(&mut self, _turn: &mut Turn<'_>, _clear: bool) {}
}
