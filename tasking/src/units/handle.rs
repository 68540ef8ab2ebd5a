//! A reference to a unit that was declared and is still to be saved.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;
use uuid::Uuid;

/// Stands for a declared unit: others refer to it, and its source can wait until it is saved.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Slot>);

#[derive(Debug)]
struct Slot {
    /// Known from the moment at which the unit is written, in a transaction that is still open.
    id: OnceLock<Uuid>,
    is_saved: watch::Sender<bool>,
}

impl Handle {
    pub(crate) fn new() -> Handle {
        Handle(Arc::new(Slot { id: OnceLock::new(), is_saved: watch::Sender::new(false) }))
    }

    /// Waits until the unit is saved with its artifacts, and returns its id. Use it when more units follow
    /// from what was downloaded; a unit that only refers to another one need not wait
    /// ([`crate::units::Unit::referring`]).
    ///
    /// If the sync fails meanwhile, its source ends here.
    pub async fn saved(&self) -> Uuid {
        let mut saved = self.0.is_saved.subscribe();
        // The sender lives as long as this handle.
        let _ = saved.wait_for(|is_saved| *is_saved).await;
        self.0.id.get().copied().unwrap_or_default()
    }

    /// The id, if the unit is written.
    pub(crate) fn id(&self) -> Option<Uuid> {
        self.0.id.get().copied()
    }

    pub(crate) fn write(&self, id: Uuid) {
        // A unit is written once.
        let _ = self.0.id.set(id);
    }

    pub(crate) fn announce(&self) {
        self.0.is_saved.send_replace(true);
    }
}
