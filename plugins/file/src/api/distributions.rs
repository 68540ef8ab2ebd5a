//! Where files are served.

use std::sync::Arc;

use ::api::field::{Boolean, Field, Reference};
use ::api::view::{Details, Link};
use ::api::views::distributions::{self, Distributions, Row};
use ::api::{Endpoint, Reader, Resource};
use ::entities::{Result, publication};
use serde::Serialize;
use utoipa::ToSchema;

use crate::kinds;

/// What is special to distributions of files.
#[derive(Debug, Serialize, ToSchema)]
struct FileDistribution {
    publication: Option<Link>,
    checkpoint: bool,
}

impl Details<Row> for FileDistribution {
    fn of(row: &Row, reader: &Reader<'_>) -> Result<FileDistribution> {
        Ok(FileDistribution { publication: row.publication(reader), checkpoint: row.distribution.checkpoint })
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut distributions: Resource<Distributions<FileDistribution>> =
        distributions::resource(&kinds::DISTRIBUTION);
    let publication = Reference::<publication::Entity>::any();
    distributions.fields.extend([
        Field::new("publication", publication).in_column("publication_id").nullable(),
        Field::new("checkpoint", Boolean),
    ]);
    distributions::operations(&Arc::new(distributions))
}
