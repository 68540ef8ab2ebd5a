//! The tasks of core, one file each.

pub mod general;
pub mod orphan;
pub mod purge;
pub mod repository;
pub mod upload;

use chrono::{DateTime, Duration, Utc};

use crate::Tasks;

/// A thousand years in minutes: a longer protection protects no more, and leaves the range of Postgres's
/// times.
const FOREVER: i64 = 1000 * 366 * 24 * 60;

/// All of them.
pub fn core() -> Tasks {
    Tasks::default()
        .with::<general::Create>()
        .with::<general::Update>()
        .with::<general::Delete>()
        .with::<orphan::Cleanup>()
        .with::<orphan::FileCleanup>()
        .with::<purge::Purge>()
        .with::<repository::AddAndRemove>()
        .with::<repository::DeleteVersion>()
        .with::<upload::Cleanup>()
        .with::<upload::Commit>()
}

/// The time from which on things are protected.
fn minutes_ago(minutes: u64) -> DateTime<Utc> {
    Utc::now() - Duration::minutes(i64::try_from(minutes).unwrap_or(FOREVER).min(FOREVER))
}
