//! The tasks of core, one file each.

pub mod general;
pub mod orphan;
pub mod purge;
pub mod repository;
pub mod upload;

use crate::Tasks;

/// All of them.
pub fn core() -> Tasks {
    Tasks::default()
        .with::<general::Create>()
        .with::<general::Update>()
        .with::<general::Delete>()
        .with::<orphan::Cleanup>()
        .with::<purge::Purge>()
        .with::<repository::AddAndRemove>()
        .with::<repository::DeleteVersion>()
        .with::<upload::Commit>()
}
