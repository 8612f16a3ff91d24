//! Typed indexes: which of a table's entries is meant, without a reference to it.

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
    /// A sync group.
    GroupId;
    /// A `vrrp_script`.
    ScriptId;
    /// A `bfd_instance`.
    BfdId;
    /// A `track_file`.
    FileId;
    /// A `vrrp_track_process`.
    ProcessId;
    /// A `track_group`.
    TrackGroupId;
    /// A network interface that the VRRP child watches.
    LinkId;
    /// A socket of the VRRP child's pool.
    SocketId;
}

/// The kernel's number of a network interface; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfIndex(pub u32);
