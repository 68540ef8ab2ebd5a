//! The REST API: what the core has for each kind of object, and what is special to notes.

use std::sync::Arc;

use plugin::api::endpoint::Media;
use plugin::api::field::{Boolean, Field, File, Mode, Values};
use plugin::api::view::{Details, NoDetails};
use plugin::api::views::{artifacts, content, distributions, publications, remotes, repositories};
use plugin::api::{Endpoint, Reader, Request, Resource, Response, resource};
use plugin::entities::{Error, Result, remote, row};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::note::{Note, check_name};
use crate::{DISTRIBUTION, PUBLICATION, REMOTE, REPOSITORY};
use crate::{publish::Publish, synchronize::Synchronize, upload::Upload};

/// What is special to remotes of notes; it is kept in the column `details`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NoteRemote {
    /// Whether a sync fails if a note has no signature.
    pub require_signatures: bool,
}

impl Details<remote::Model> for NoteRemote {
    fn of(remote: &remote::Model, _reader: &Reader<'_>) -> Result<NoteRemote> {
        row::details(&remote.details)
    }
}

pub fn endpoints() -> Vec<Endpoint> {
    let mut remotes = remotes::resource::<NoteRemote>(&REMOTE);
    remotes.fields.push(Field::new("require_signatures", Boolean).default(true).detail());
    let repositories = Arc::new(repositories::resource::<NoDetails>(&REPOSITORY));
    let publications = Arc::new(publications::resource::<NoDetails>(&PUBLICATION));
    let distributions = distributions::resource::<NoDetails>(&DISTRIBUTION);
    let mut notes = content::resource::<Note>().with_text("name").with_text("sha256");
    notes.fields = content::creation_fields(&REPOSITORY);
    notes.fields.extend([Field::text("name").required(), Field::argument("signature", File).required()]);
    let notes = Arc::new(notes);

    let mut endpoints = vec![
        repositories::sync(&repositories, &REMOTE, |_, asked| Ok(Synchronize(asked))),
        publications::creation(&publications, &REPOSITORY, |asked, _| Ok(Publish(asked))),
        resource::creation(&notes, Media::Files, upload).answer_task(),
    ];
    endpoints.extend(remotes::operations(&Arc::new(remotes)));
    endpoints.extend(repositories::operations(&repositories));
    endpoints.extend(publications::operations(&publications));
    endpoints.extend(distributions::operations(&Arc::new(distributions)));
    endpoints.extend(content::operations(&notes));
    endpoints
}

/// Takes a form with a name, a signature, and a text as a file, artifact, upload or URL.
async fn upload(notes: Arc<Resource<content::Units<Note>>>, mut request: Request) -> Result<Response> {
    let mut form = request.form().await?;
    let values = Values::read(&request.reader(), &notes.fields, &form, Mode::Whole).await?;
    let name = values.text("name").unwrap_or_default().to_owned();
    check_name(&name).map_err(|error| Error::field("name", error.to_string()))?;
    let signature = form.take_file("signature").ok_or_else(|| Error::field("signature", "It is missing."))?;
    let creation = content::creation_of(&request, &values, &mut form).await?;
    let signature = artifacts::store(&request, signature).await?;
    request.dispatch(&Upload { name, creation, signature }).await
}
