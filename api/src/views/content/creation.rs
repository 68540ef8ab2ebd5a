//! What creations of content have in common: the bytes, labels, and a repository for the unit (C06, C08).

use entities::{Error, Kind, artifact, repository, upload};
use serde_json::Value;
use tasking::creation::{Creation, Given};

use crate::body::Form;
use crate::field::{Field, File, Reference, Values};
use crate::views::artifacts;
use crate::views::remotes::rules::check_url;
use crate::{Request, Result};

/// The fields of a creation; the unit can be added to repositories of one kind.
pub fn creation_fields(repositories: &'static Kind) -> Vec<Field> {
    vec![
        Field::argument("repository", Reference::<repository::Entity>::of(repositories)),
        Field::labels(),
        Field::argument("artifact", Reference::<artifact::Entity>::any()),
        Field::argument("file", File),
        Field::argument("upload", Reference::<upload::Entity>::any()),
        Field::text("file_url"),
    ]
}

/// The creation that these fields ask for; a file of the request is stored as an artifact.
///
/// # Errors
/// Unless the bytes are given once, or if a URL is not one that may be used.
pub async fn creation_of(request: &Request, values: &Values, form: &mut Form) -> Result<Creation> {
    let file = form.take_file("file");
    let artifact = values.id::<artifact::Entity>("artifact").map(|id| Given::Artifact(id.key()));
    let upload = values.id::<upload::Entity>("upload").map(|id| Given::Upload(id.key()));
    let url = values.text("file_url").map(|url| Given::Url(url.to_owned()));
    let mut stored = [artifact, upload, url].into_iter().flatten();
    let given = match (file, stored.next(), stored.next()) {
        (Some(staged), None, None) => Given::Artifact(artifacts::store(request, staged).await?),
        (None, Some(Given::Url(url)), None) => {
            check_url("file_url", &url, &request.context.pulp.settings.allowed_import_paths)?;
            Given::Url(url)
        }
        (None, Some(given), None) => given,
        _ => {
            return Err(Error::object(
                "Exactly one of 'file', 'artifact', 'upload' and 'file_url' has to be specified.",
            ));
        }
    };
    Ok(Creation {
        given,
        expected: Default::default(),
        repository: values.id::<repository::Entity>("repository").map(|id| id.key()),
        pulp_labels: values.get("pulp_labels").and_then(Value::as_object).cloned().unwrap_or_default(),
    })
}
