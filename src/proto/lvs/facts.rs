//! What the director reports. The child phrases it, writes it to FIFOs and runs the scripts.

use super::values::{DestKey, ServiceKey};
use crate::base::id::{RealId, ServiceId};

/// Something that happened. Facts come in the order in which keepalived logs them; what they say about the table of the
/// kernel is not done yet, but is in the operations that can be pulled now. Scripts should run after these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A real server went up or down, by its checks. It is removed or added, with `inhibit_on_failure` disabled or
    /// enabled; while the sorry server answers nothing of it reaches the kernel.
    Real {
        /// Which one.
        real: RealId,
        /// It is up now.
        up: bool,
        /// With `inhibit_on_failure`.
        inhibit: bool,
    },
    /// The weight of a real server changed, by a check or by a reload.
    Weight {
        /// Which one.
        real: RealId,
        /// What it was.
        from: u32,
        /// What it is now.
        to: u32,
        /// The server is up.
        active: bool,
    },
    /// A service has gained or lost quorum.
    Quorum {
        /// Which one.
        service: ServiceId,
        /// It has quorum now.
        up: bool,
        /// It is the first evaluation of a service that starts.
        start: bool,
        /// The live weight that it is compared with: the quorum and the hysteresis, added or taken away.
        threshold: u64,
        /// The live weight.
        live: u64,
    },
    /// The sorry server of a service takes the place of all servers that are alive, or they take its place.
    Sorry {
        /// Of which service.
        service: ServiceId,
        /// The sorry server answers now.
        active: bool,
        /// With `sorry_server_inhibit`.
        inhibit: bool,
    },
    /// A real server is not in the new configuration. The id is that of the old one.
    RealGone {
        /// Which one.
        real: RealId,
        /// It was up.
        up: bool,
    },
    /// A service is not in the new configuration; all its real servers were told before. The id is that of the old one.
    ServiceGone {
        /// Which one.
        service: ServiceId,
        /// It had quorum.
        quorum: bool,
    },
    /// A real server is shut down because the daemon stops.
    RealStops {
        /// Which one.
        real: RealId,
        /// It was up, and its scripts are to hear of it (`omega`).
        notify: bool,
    },
    /// All real servers of a service were shut down because the daemon stops.
    ServiceStops {
        /// Which one.
        service: ServiceId,
        /// It had quorum, and its scripts are to hear of it (`omega`).
        notify: bool,
    },
    /// Somebody else deleted what is ours: it is put back.
    PutBack {
        /// Of which service of the kernel.
        key: ServiceKey,
        /// One destination; none: the service with all its destinations.
        dest: Option<DestKey>,
    },
    /// Somebody else deletes again and again what is ours: it is left alone until the allowance has grown again.
    /// Told once.
    LeftAlone {
        /// Of which service of the kernel.
        key: ServiceKey,
    },
    /// The kernel refused an operation for a reason that its table does not explain.
    Refused {
        /// Of which service of the kernel.
        key: ServiceKey,
        /// One destination; none: the service.
        dest: Option<DestKey>,
        /// The kernel's error number.
        errno: i32,
    },
    /// Two services of the configuration have one key in the kernel: that of the second one is not used. Told when
    /// they start.
    Shared {
        /// The service that has the key.
        holder: ServiceId,
        /// The service that does not get it.
        service: ServiceId,
        /// The key.
        key: ServiceKey,
    },
    /// A service has more addresses than [`crate::base::limit::LVS_KEYS`] or more destinations than
    /// [`crate::base::limit::LVS_DESTINATIONS`]: the rest of them is not used.
    TooMany {
        /// Which one.
        service: ServiceId,
    },
}

/// Takes the facts, one by one.
pub type Tell<'a> = dyn FnMut(Fact) + 'a;
