//! Tables of nftables that a child has in the kernel: what they are called, who deletes them, how they go.
//!
//! A table is replaced as a whole when another program deleted something of it: [`Watch`] hears of that. The log lines
//! are those of every child.

use std::os::fd::AsRawFd;

use nix::errno::Errno;

use super::report::kernel_failed;
use crate::base::addr::Family;
use crate::base::limit;
use crate::base::rate::Budget;
use crate::base::time::{Instant, Span};
use crate::daemon::log::{info, warn};
use crate::daemon::reactor::{Interest, Turn};
use crate::daemon::token::{Registration, SourceId};
use crate::sys::netlink::nft::monitor::TableMonitor;
use crate::sys::netlink::nft::{Nft, Refused, Table};

/// Both families: a table of each may have the same name.
pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// What the configuration says of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    /// Their name.
    pub name: Box<str>,
    /// Chains of lower priority look first.
    pub priority: i32,
    /// Each rule counts.
    pub counts: bool,
}

impl Style {
    /// The style of these values of a configuration, the priority that of before the usual rules if there is none.
    #[must_use]
    pub fn new(name: &str, priority: Option<i32>, counts: bool) -> Self {
        Self { name: name.into(), priority: priority.unwrap_or(-1), counts }
    }
}

/// Who deletes something of a table is heard of here.
pub struct Watch {
    monitor: Option<(TableMonitor, Registration)>,
    /// How often the tables are put back at once.
    again: Budget,
}

/// Once the tables were put back so often, one more time is earned in this span.
const AGAIN_REFILL: Span = Span::from_secs(2);

impl Default for Watch {
    fn default() -> Self {
        Self { monitor: None, again: Budget::new(limit::PUT_BACK_BURST, AGAIN_REFILL) }
    }
}

impl Watch {
    /// From now on deletions by others than `nft` are heard of.
    pub fn begin(&mut self, turn: &mut Turn<'_>, nft: &Nft, source: SourceId) {
        if self.monitor.is_some() {
            return;
        }
        let opened = TableMonitor::open(nft.port()).and_then(|monitor| {
            let registration = turn.register(monitor.as_raw_fd(), source, Interest::Read)?;
            Ok((monitor, registration))
        });
        match opened {
            Ok(opened) => self.monitor = Some(opened),
            Err(error) => kernel_failed("netlink", &error),
        }
    }

    /// Nothing is heard any more.
    pub fn end(&mut self, turn: &mut Turn<'_>) {
        if let Some((monitor, registration)) = self.monitor.take() {
            turn.deregister(registration);
            drop(monitor);
        }
    }

    /// Whether something of the tables of this name was deleted.
    pub fn is_deleted(&mut self, name: &str) -> bool {
        let Some((monitor, _)) = &mut self.monitor else { return false };
        monitor.read(name).unwrap_or_else(|error| {
            kernel_failed("netlink", &error);
            false
        })
    }

    /// Whether the tables may be put back now, and not later.
    pub fn may_put_back(&mut self, now: Instant) -> bool {
        self.again.take(now).is_some()
    }
}

/// Deletes tables of these names, those that are there.
///
/// # Errors
/// The kernel's; nothing is changed then.
pub fn remove<'a>(nft: &mut Nft, names: impl Iterator<Item = &'a str>) -> Result<(), Refused> {
    // A kernel without IPv6 refuses its table, which must not keep the other one.
    let mut outcome = Ok(());
    for name in names {
        for family in FAMILIES {
            let table = Table { family, name };
            nft.begin();
            nft.add_table(table);
            nft.delete_table(table);
            match nft.commit() {
                Err(refused) if refused.errno == Errno::EAFNOSUPPORT => {}
                Err(refused) => outcome = Err(refused),
                Ok(()) => {}
            }
        }
    }
    outcome
}

/// Whether the next second may bring what is refused now.
#[must_use]
pub const fn may_pass(errno: Errno) -> bool {
    matches!(errno, Errno::ENOMEM | Errno::ENOBUFS | Errno::EBUSY | Errno::EAGAIN | Errno::EINTR)
}

/// Another program deleted something of a table, which is there again.
pub fn log_put_back(table: &str) {
    warn!("nftables table {table} was changed by somebody else, put back; find out who does it");
}

/// A table of a predecessor goes.
pub fn log_left_over(table: &str) {
    info!("Removing nftables table {table} that was left behind");
}

/// What was refused before is there now.
pub fn log_works_again() {
    info!("nftables: the rules are in place");
}

/// A table stays.
pub fn log_stuck(table: &str, refused: &Refused) {
    warn!("nftables: cannot remove table {table}: {}", text_of(refused));
}

/// What to do where [`is_missing`].
pub const REMEDY: &str = "modprobe nf_tables (CONFIG_NF_TABLES), then reload";

/// Whether the kernel has no nf_tables.
#[must_use]
pub const fn is_missing(refused: &Refused) -> bool {
    matches!(refused.errno, Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT)
}

/// Why the kernel refused something.
#[must_use]
pub fn text_of(refused: &Refused) -> String {
    let errno = match is_missing(refused) {
        true => "this kernel has no nf_tables",
        false => refused.errno.desc(),
    };
    if refused.text.is_empty() { errno.to_owned() } else { format!("{errno} ({})", refused.text) }
}
