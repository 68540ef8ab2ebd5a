//! The product's own housekeeping by schedule: which setting asks for which task, and how often.

use std::time::Duration;

use entities::task::TaskState;
use entities::{Pulp, Result};

use super::{keep, remove};
use crate::Task;
use crate::tasks::orphan::{Cleanup, FileCleanup};
use crate::tasks::purge::{Before, Purge};
use crate::tasks::upload;

const ORPHANS: &str = "Clean up orphans";
const TASKS: &str = "Delete old tasks";
const UPLOADS: &str = "Delete abandoned uploads";
const FILES: &str = "Delete unfinished files";

/// What has a time to live is looked for no more often, and no less often, than this.
const OFTEN: Duration = Duration::from_secs(60);
const SELDOM: Duration = Duration::from_secs(24 * 3600);

/// Makes, changes and removes schedules so that they say what the settings say.
pub(super) async fn agree(pulp: &Pulp) -> Result<()> {
    let settings = &pulp.settings;
    let minutes = |time: Duration| time.as_secs() / 60;
    let orphans = Cleanup { content: None, protection_minutes: minutes(settings.orphan_protection_time) };
    settle(pulp, ORPHANS, &orphans, settings.orphan_cleanup_interval).await?;

    let time = settings.task_protection_time;
    let purge = Purge { finished_before: Before::Minutes(minutes(time)), states: vec![TaskState::Completed] };
    settle(pulp, TASKS, &purge, interval(time)).await?;

    let time = settings.upload_protection_time;
    settle(pulp, UPLOADS, &upload::Cleanup { protection_minutes: minutes(time) }, interval(time)).await?;

    let time = settings.tmpfile_protection_time;
    settle(pulp, FILES, &FileCleanup { protection_minutes: minutes(time) }, interval(time)).await
}

/// One schedule; none for an interval of zero.
async fn settle<T: Task>(pulp: &Pulp, name: &str, task: &T, interval: Duration) -> Result<()> {
    match interval.is_zero() {
        true => remove(&pulp.db, name).await,
        false => keep(&pulp.db, name, task, interval).await,
    }
}

/// How often to look for what is older than `time`: so that nothing gets older than that and a quarter, or a
/// day.
fn interval(time: Duration) -> Duration {
    if time.is_zero() { time } else { (time / 4).clamp(OFTEN, SELDOM) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_are_looked_after_often() {
        let minutes = |number: u64| Duration::from_secs(60 * number);
        for (time, expected) in [(0, 0), (1, 1), (20, 5), (60, 15), (43_200, 1440)] {
            assert_eq!(interval(minutes(time)), minutes(expected));
        }
    }
}
