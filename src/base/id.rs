//! Typed indexes: which of a table's entries is meant, without a reference to it.

use core::num::NonZeroU32;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The position in the table.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// The id of position `index`; positions past `u32::MAX` cannot exist
            /// (see `limit`) and map to the last id.
            #[must_use]
            pub fn at(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }
        }
    )*};
}

ids! {
    /// A virtual router of the model or of the VRRP child.
    InstanceId;
    /// A `vrrp_script`.
    ScriptId;
    /// The machine of a check: several real servers whose checks are the same share it.
    MachineId;
    /// A `bfd_instance`.
    BfdId;
    /// A `track_file`.
    FileId;
    /// A `vrrp_track_process`.
    ProcessId;
    /// A `track_group`.
    TrackGroupId;
    /// A virtual service.
    ServiceId;
    /// A real server, counted through all services.
    RealId;
    /// A check of a real server, counted through all real servers.
    CheckId;
}

/// Ids that may be absent in places of which there are thousands: an `Option` of one costs no room.
macro_rules! optional_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU32);

        impl $name {
            /// The id of this number; the last number stands for the one before it, too.
            #[must_use]
            pub const fn new(number: u32) -> Self {
                Self(NonZeroU32::MIN.saturating_add(number))
            }

            /// The number, counted from 0.
            #[must_use]
            pub const fn number(self) -> u32 {
                self.0.get() - 1
            }

            /// The position in the table.
            #[must_use]
            pub const fn index(self) -> usize {
                self.number() as usize
            }

            /// The id of position `index`; positions past `u32::MAX` cannot exist
            /// (see `limit`) and map to the last id.
            #[must_use]
            pub fn at(index: usize) -> Self {
                Self::new(u32::try_from(index).unwrap_or(u32::MAX))
            }
        }
    )*};
}

optional_ids! {
    /// A sync group.
    GroupId;
    /// A network interface that the VRRP child watches.
    LinkId;
    /// A socket of the VRRP child's pool.
    SocketId;
}

/// The kernel's number of a network interface; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfIndex(pub u32);
