//! One instance of a model that many share.

use core::ops::Deref;
use std::sync::Arc;

use super::{Group, Instance, Model};
use crate::base::id::InstanceId;

/// An instance's part of a model, which it keeps alive: what runs reads the configuration where it stands and copies
/// none of it.
#[derive(Clone, Debug)]
pub struct SharedInstance {
    model: Arc<Model>,
    position: u32,
}

impl SharedInstance {
    /// Its place in the model.
    #[must_use]
    pub const fn id(&self) -> InstanceId {
        InstanceId(self.position)
    }

    /// Every instance of a model, in order.
    pub fn all(model: &Arc<Model>) -> impl Iterator<Item = Self> + use<> {
        let model = Arc::clone(model);
        let count = u32::try_from(model.instances.len()).unwrap_or(u32::MAX);
        (0..count).map(move |position| Self { model: Arc::clone(&model), position })
    }

    /// The whole model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The sync group that the instance is a member of.
    #[must_use]
    pub fn group(&self) -> Option<&Group> {
        self.model.groups.get(self.sync_group?.index())
    }
}

impl Deref for SharedInstance {
    type Target = Instance;

    #[allow(clippy::indexing_slicing, reason = "made by `all` only, and a shared model never changes")]
    fn deref(&self) -> &Instance {
        &self.model.instances[self.position as usize]
    }
}
