//! Versions of files, ready to be served with their manifest (C22).

use std::sync::Arc;

use ::api::field::{Boolean, Field, Values};
use ::api::view::{Details, Link};
use ::api::views::publications::{self, Publications, Row};
use ::api::{Endpoint, Reader, Resource};
use ::entities::{Error, Result};
use serde::Serialize;
use serde_json::Value;
use tasking::publish::Publishing;
use utoipa::ToSchema;

use crate::details::{MANIFEST, PublicationDetails};
use crate::kinds;
use crate::tasks::publish::Publish;

/// What is special to publications of files.
#[derive(Debug, Serialize, ToSchema)]
struct FilePublication {
    distributions: Vec<Link>,
    manifest: Option<String>,
    checkpoint: bool,
}

impl Details<Row> for FilePublication {
    fn of(row: &Row, _reader: &Reader<'_>) -> Result<FilePublication> {
        let PublicationDetails { manifest } = PublicationDetails::of(&row.publication)?;
        let checkpoint = row.publication.checkpoint;
        Ok(FilePublication { distributions: row.distributions(), manifest, checkpoint })
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut publications: Resource<Publications<FilePublication>> =
        publications::resource(&kinds::PUBLICATION);
    publications.fields.extend([
        Field::text("manifest").nullable().default(MANIFEST).detail(),
        Field::new("checkpoint", Boolean),
    ]);
    let publications = Arc::new(publications);
    let mut endpoints = publications::operations(&publications);
    endpoints.push(publications::creation(&publications, &kinds::REPOSITORY, publish));
    endpoints
}

fn publish(publishing: Publishing, values: &Values) -> Result<Publish> {
    let manifest = values.text("manifest").map(str::to_owned);
    let checkpoint = values.is_true("checkpoint");
    if checkpoint && values.get("repository").is_none_or(Value::is_null) {
        // A checkpoint is of the present state of a repository (A30).
        return Err(Error::field("checkpoint", "A checkpoint is made of a 'repository', not of a version."));
    }
    Ok(Publish { publishing, manifest, checkpoint })
}
