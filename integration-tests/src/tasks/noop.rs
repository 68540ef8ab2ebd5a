//! A task that only takes its resources, and time.

use std::time::Duration;

use entities::Prn;
use serde::{Deserialize, Serialize};
use tasking::{Resources, Task, TaskContext};

/// Sleeps, then completes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Noop {
    /// Nobody else may use these meanwhile.
    pub exclusive: Vec<Prn>,
    /// Used together with others.
    pub shared: Vec<Prn>,
    /// How long it takes; 0 ends at once, without a sleep.
    pub milliseconds: u64,
}

impl Task for Noop {
    const NAME: &'static str = "test.noop";

    fn resources(&self) -> Resources {
        Resources { exclusive: self.exclusive.clone(), shared: self.shared.clone() }
    }

    async fn run(self, _cx: TaskContext) -> anyhow::Result<()> {
        if self.milliseconds > 0 {
            tokio::time::sleep(Duration::from_millis(self.milliseconds)).await;
        }
        Ok(())
    }
}
