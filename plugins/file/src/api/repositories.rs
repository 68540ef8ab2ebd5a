//! Repositories of files, their versions, and sync (C19).

use std::sync::Arc;

use ::api::field::{Boolean, Field};
use ::api::view::Details;
use ::api::views::repositories::{self, Repositories, Row};
use ::api::{Endpoint, Reader, Resource};
use ::entities::{Error, Result, repository};
use serde::Serialize;
use serde_json::Value;
use tasking::sync::Synchronization;
use utoipa::ToSchema;

use crate::details::{MANIFEST, RepositoryDetails};
use crate::kinds;
use crate::tasks::synchronize::Synchronize;

/// What is special to repositories of files.
#[derive(Debug, Serialize, ToSchema)]
struct FileRepository {
    autopublish: bool,
    manifest: Option<String>,
    /// What the last sync did.
    last_sync_details: Value,
}

impl Details<Row> for FileRepository {
    fn of(row: &Row, _reader: &Reader<'_>) -> Result<FileRepository> {
        let RepositoryDetails { autopublish, manifest } = RepositoryDetails::of(&row.repository)?;
        Ok(FileRepository {
            autopublish,
            manifest,
            last_sync_details: row.repository.last_sync_details.clone(),
        })
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut repositories: Resource<Repositories<FileRepository>> = repositories::resource(&kinds::REPOSITORY);
    repositories.fields.extend([
        Field::new("autopublish", Boolean).default(false).detail(),
        Field::text("manifest").nullable().default(MANIFEST).detail(),
    ]);
    let repositories = Arc::new(repositories);
    let mut endpoints = repositories::operations(&repositories);
    endpoints.push(repositories::sync(&repositories, &kinds::REMOTE, synchronize));
    endpoints
}

fn synchronize(repository: &repository::Model, synchronization: Synchronization) -> Result<Synchronize> {
    if synchronization.mirror && RepositoryDetails::of(repository)?.autopublish {
        // Both would publish the new version.
        return Err(Error::object("Cannot use mirror mode with autopublished repository."));
    }
    Ok(Synchronize(synchronization))
}
