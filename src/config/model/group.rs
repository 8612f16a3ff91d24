//! A `vrrp_sync_group`: instances that change state together.

use super::At;
use super::instance::Notify;
use super::track::{TrackedBfd, TrackedFile, TrackedInterface, TrackedProcess, TrackedScript};
use crate::base::id::InstanceId;

/// One sync group with all defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub at: At,
    /// Its members, at least one, in the order of the file; each in no other group.
    pub members: Vec<InstanceId>,
    /// `track_interface`
    pub track_interfaces: Vec<TrackedInterface>,
    /// `track_script`
    pub track_scripts: Vec<TrackedScript>,
    /// `track_file`
    pub track_files: Vec<TrackedFile>,
    /// `track_process`
    pub track_processes: Vec<TrackedProcess>,
    /// `track_bfd`
    pub track_bfds: Vec<TrackedBfd>,
    /// Commands run on transitions; a group has five of them.
    pub notify: Notify,
    /// `notify_priority_changes`
    pub notify_priority_changes: bool,
    /// `smtp_alert`
    pub smtp_alert: bool,
    /// `sync_group_tracking_weight`: members may have trackers with weights.
    pub tracking_weight: bool,
}
