//! Artifacts: upload, list, read, delete (P05, C01 to C03).

use std::sync::Arc;

use entities::checksum::{Algorithm, Digests, Expected};
use entities::storage::Staged;
use entities::{artifact, db, kind};
use http::{Method, StatusCode};
use sea_orm::ConnectionTrait;

use crate::endpoint::Media;
use crate::field::{Field, Shape, Values, identity, write_component};
use crate::filter;
use crate::sql;
use crate::viewset::{self, Viewset};
use crate::{Endpoint, Error, Request, Response, Result, response};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let artifacts = Arc::new(viewset());
    vec![viewset::list(&artifacts), viewset::read(&artifacts), creation(&artifacts), deletion(&artifacts)]
}

fn viewset() -> Viewset {
    let mut fields = identity("artifact");
    fields.push(Field { required: true, ..Field::shown("file", Shape::Text(None), "t.file") });
    fields.push(Field::shown("size", Shape::Integer(None, None), "t.size"));
    let digests = Algorithm::ALL.map(Algorithm::as_str);
    fields.extend(digests.map(|name| Field::shown(name, Shape::Text(None), format!("t.{name}")).nullable()));
    let mut filters = filter::ids("artifact", "t.pulp_id");
    filters.extend(digests.iter().flat_map(|name| filter::texts(name, &format!("t.{name}"), &[""])));
    let content = sql::is_in_version("f.content_id", "{r}", "{n}");
    let in_version =
        format!("EXISTS (SELECT FROM content_artifact AS f WHERE f.artifact_id = t.pulp_id AND {content})");
    filters.push(filter::version("repository_version", in_version));
    filters.push(super::content::orphaned_for(
        "NOT EXISTS (SELECT FROM content_artifact WHERE artifact_id = t.pulp_id)
         AND NOT EXISTS (SELECT FROM published_metadata WHERE artifact_id = t.pulp_id)",
    ));
    Viewset {
        fields,
        filters,
        ..Viewset::new(&kind::ARTIFACT, "artifacts", "Artifact", "Artifacts", "artifact_href")
    }
    .ordered_by(&["file", "pulp_created", "pulp_id", "pulp_last_updated", "size", "timestamp_of_interest"])
    .ordered_by(&digests)
}

fn fields() -> Vec<Field> {
    let mut fields = vec![
        Field::argument("file", Shape::File).required(),
        Field::argument("size", Shape::Integer(Some(0), None)),
    ];
    let digests = Algorithm::ALL.map(Algorithm::as_str);
    fields.extend(digests.map(|name| Field::argument(name, Shape::Text(None)).nullable()));
    fields
}

fn creation(artifacts: &Arc<Viewset>) -> Endpoint {
    let shared = artifacts.clone();
    let handler = move |mut request: Request| {
        let artifacts = shared.clone();
        async move {
            let mut form = request.form().await?;
            let values = Values::read(&request.context, request.domain(), &fields(), &form).await?;
            let staged =
                form.take_file("file").ok_or_else(|| Error::field("file", "No file was submitted."))?;
            check(&request, &values, &staged)?;
            let id = store_new(&request, staged).await?;
            let body = artifacts.show_by_id(&request.context, id).await?;
            Ok(response::created(kind::ARTIFACT.href(id).as_str(), body))
        }
    };
    Endpoint::new(Method::POST, "artifacts/", "artifacts_create", "Artifacts", handler)
        .summary("Uploads a file.")
        .body(Media::Files, write_component("Artifact", &fields(), false))
        .answer(StatusCode::CREATED, artifacts.component())
}

/// Compares the bytes with what the client says of them.
fn check(request: &Request, values: &Values, staged: &Staged) -> Result<()> {
    let allowed = &request.context.pulp.settings.allowed_content_checksums;
    let mut digests = Digests::default();
    for algorithm in Algorithm::ALL {
        let Some(digest) = values.text(algorithm.as_str()) else { continue };
        if algorithm != Algorithm::Sha256 && !allowed.contains(&algorithm) {
            let name = algorithm.as_str();
            let message = format!("Checksum algorithm {name} is forbidden by ALLOWED_CONTENT_CHECKSUMS.");
            return Err(Error::field(name, message));
        }
        digests.set(algorithm, digest);
    }
    let size = values.get("size").and_then(serde_json::Value::as_u64);
    Expected { size, digests }.check(staged.size, &staged.digests)?;
    Ok(())
}

async fn store_new(request: &Request, staged: Staged) -> Result<uuid::Uuid> {
    let pulp = &request.context.pulp;
    let digest = staged.sha256().to_owned();
    let known = artifact::find_by_sha256(&pulp.db, request.domain(), std::slice::from_ref(&digest)).await?;
    if !known.is_empty() {
        let message = format!("Artifact with sha256 checksum of '{digest}' already exists.");
        return Err(Error::object(message));
    }
    store(request, staged).await
}

/// Stores the file of a request as an artifact, or finds the one that holds the same bytes.
pub async fn store(request: &Request, staged: Staged) -> Result<uuid::Uuid> {
    let pulp = &request.context.pulp;
    let txn = db::begin(&pulp.db).await?;
    let rows = artifact::save(&txn, &pulp.storage, request.domain(), &[staged]).await?;
    txn.commit().await?;
    let row = rows.first().ok_or_else(|| Error::Internal(anyhow::anyhow!("the artifact was not stored")))?;
    Ok(row.pulp_id)
}

fn deletion(artifacts: &Arc<Viewset>) -> Endpoint {
    let handler = async |request: Request| -> Result<Response> {
        // The tombstone keeps the file until nobody can be reading or writing it any more.
        let sql = "WITH gone AS (
                       DELETE FROM artifact WHERE pulp_id = $1 AND pulp_domain_id = $2
                       RETURNING pulp_domain_id, sha256, file)
                   INSERT INTO artifact_tombstone (pulp_domain_id, sha256, file) SELECT * FROM gone
                   ON CONFLICT (pulp_domain_id, sha256) DO UPDATE SET pulp_created = clock_timestamp()";
        let id = request.id()?;
        let values = [id.into(), request.domain().into()];
        match request.context.pulp.db.execute_raw(db::sql(sql, values)).await.map_err(Error::from) {
            Ok(result) if result.rows_affected() == 0 => Err(Error::not_found("artifact", id)),
            Ok(_) => Ok(response::empty(StatusCode::NO_CONTENT)),
            Err(Error::Conflict(_)) => Err(Error::Conflict(
                "The Artifact cannot be deleted because it is associated with Content.".to_owned(),
            )),
            Err(error) => Err(error),
        }
    };
    artifacts
        .action(Method::DELETE, "", "delete", handler)
        .summary("Deletes one that nothing uses.")
        .answer_empty(StatusCode::NO_CONTENT)
}
