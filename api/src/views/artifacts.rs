//! Artifacts: upload, list, read, delete (P05, C01 to C03).

use std::sync::Arc;

use entities::artifact::{self, Column, Entity, Model};
use entities::checksum::{Algorithm, Digests, Expected};
use entities::storage::Staged;
use entities::{Id, content_artifact, db, kind, published_metadata};
use http::{Method, StatusCode};
use sea_orm::ColumnTrait;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::content::orphaned_for;
use super::membership;
use crate::endpoint::Media;
use crate::field::{Field, File, Integer, Mode, Values, request_component};
use crate::filter::{self, Filter};
use crate::reader::Reader;
use crate::resource::{self, Resource, sharing};
use crate::view::{Identity, View};
use crate::{Endpoint, Error, Request, Response, Result, response};

/// An artifact as clients see it.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    #[serde(flatten)]
    identity: Identity,
    file: String,
    size: i64,
    md5: Option<String>,
    sha1: Option<String>,
    sha224: Option<String>,
    sha256: String,
    sha384: Option<String>,
    sha512: Option<String>,
}

struct Artifacts;

impl View for Artifacts {
    type Entity = Entity;
    type Row = Model;
    type Body = Body;

    async fn show(rows: Vec<Model>, reader: &Reader<'_>) -> Result<Vec<Body>> {
        let show = |row: Model| Body {
            identity: Identity::of(&kind::ARTIFACT, &row, reader),
            file: row.file,
            size: row.size,
            md5: row.md5,
            sha1: row.sha1,
            sha224: row.sha224,
            sha256: row.sha256,
            sha384: row.sha384,
            sha512: row.sha512,
        };
        Ok(rows.into_iter().map(show).collect())
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let artifacts = Arc::new(resource());
    vec![resource::list(&artifacts), resource::read(&artifacts), creation(&artifacts), deletion(&artifacts)]
}

/// The column of a digest.
fn digest(algorithm: Algorithm) -> Column {
    match algorithm {
        Algorithm::Md5 => Column::Md5,
        Algorithm::Sha1 => Column::Sha1,
        Algorithm::Sha224 => Column::Sha224,
        Algorithm::Sha256 => Column::Sha256,
        Algorithm::Sha384 => Column::Sha384,
        Algorithm::Sha512 => Column::Sha512,
    }
}

fn resource() -> Resource<Artifacts> {
    Resource { fields: fields(), filters: filters(), ..Resource::new(&kind::ARTIFACT) }
        .ordered_by([
            ("file", Column::File),
            ("pulp_created", Column::PulpCreated),
            ("pulp_id", Column::PulpId),
            ("pulp_last_updated", Column::PulpLastUpdated),
            ("size", Column::Size),
            ("timestamp_of_interest", Column::TimestampOfInterest),
        ])
        .ordered_by(Algorithm::ALL.map(|algorithm| (algorithm.as_str(), digest(algorithm))))
}

fn filters() -> Vec<Filter> {
    let mut filters = filter::ids(&kind::ARTIFACT, Column::PulpId);
    filters.extend(
        Algorithm::ALL
            .iter()
            .flat_map(|algorithm| filter::texts(algorithm.as_str(), digest(*algorithm), &[""])),
    );
    filters.push(filter::version("repository_version", |repository, number| {
        let members = membership::of_version(repository, number);
        let files = Query::select()
            .column(content_artifact::Column::ArtifactId)
            .from(content_artifact::Entity)
            .and_where(members.contain(content_artifact::Column::ContentId))
            .take();
        Column::PulpId.in_subquery(files)
    }));
    filters.push(orphaned_for(Column::TimestampOfInterest, || {
        let of_content = content_artifact::Column::ArtifactId.into_expr().eq(Column::PulpId.into_expr());
        let of_metadata = published_metadata::Column::ArtifactId.into_expr().eq(Column::PulpId.into_expr());
        let one = || Query::select().expr(Expr::val(1)).take();
        let content = one().from(content_artifact::Entity).and_where(of_content).take();
        let metadata = one().from(published_metadata::Entity).and_where(of_metadata).take();
        Expr::exists(content).not().and(Expr::exists(metadata).not())
    }));
    filters
}

fn fields() -> Vec<Field> {
    let mut fields = vec![
        Field::argument("file", File).required(),
        Field::argument("size", Integer { low: Some(0), high: None }),
    ];
    fields.extend(Algorithm::ALL.map(|algorithm| {
        Field { store: crate::field::Store::Nowhere, ..Field::text(algorithm.as_str()) }.nullable()
    }));
    fields
}

fn creation(artifacts: &Arc<Resource<Artifacts>>) -> Endpoint {
    let handler = sharing(artifacts, async |artifacts: Arc<Resource<Artifacts>>, mut request: Request| {
        let mut form = request.form().await?;
        let values = Values::read(&request.reader(), &artifacts.fields, &form, Mode::Whole).await?;
        let staged = form.take_file("file").ok_or_else(|| Error::field("file", "No file was submitted."))?;
        check(&request, &values, &staged)?;
        let id = store_new(&request, staged).await?;
        let answer = response::json(StatusCode::CREATED, &artifacts.body_of(&request, id).await?)?;
        Ok(response::at(answer, request.links.href(&kind::ARTIFACT, id).as_str()))
    });
    let permission = artifacts.permission("add");
    Endpoint::new(Method::POST, "artifacts/", "artifacts_create", "Artifacts", permission, handler)
        .summary("Create an artifact from an uploaded file")
        .body(Media::Files, request_component("Artifact", &fields(), Mode::Whole))
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

async fn store_new(request: &Request, staged: Staged) -> Result<Uuid> {
    let digest = staged.sha256().to_owned();
    let domain = request.scope.domain();
    let known = artifact::find_by_sha256(request.db(), domain, std::slice::from_ref(&digest)).await?;
    if !known.is_empty() {
        // The bytes are in hand: if the stored ones are lost, these take their place.
        let pulp = &request.context.pulp;
        artifact::keep(&pulp.db, &pulp.storage, domain, vec![staged]).await?;
        let message = format!("Artifact with sha256 checksum of '{digest}' already exists.");
        return Err(Error::object(message));
    }
    store(request, staged).await
}

/// Stores the file of a request as an artifact, or finds the one that holds the same bytes.
///
/// # Errors
/// If the database or the artifact store refuses.
pub async fn store(request: &Request, staged: Staged) -> Result<Uuid> {
    let pulp = &request.context.pulp;
    let domain = request.scope.domain();
    let kept = artifact::keep(&pulp.db, &pulp.storage, domain, vec![staged]).await?;
    let txn = db::begin(&pulp.db).await?;
    let rows = artifact::save(&txn, &pulp.storage, domain, &kept).await?;
    txn.commit().await?;
    let row = rows.first().ok_or_else(|| Error::Internal(anyhow::anyhow!("the artifact was not stored")))?;
    Ok(row.pulp_id)
}

fn deletion(artifacts: &Arc<Resource<Artifacts>>) -> Endpoint {
    let handler = sharing(artifacts, async |artifacts: Arc<Resource<Artifacts>>, request: Request| {
        let id: Id<Entity> = artifacts.id(&request).await?;
        match artifact::bury(request.db(), id).await {
            Ok(()) => Ok::<Response, Error>(response::empty(StatusCode::NO_CONTENT)),
            Err(Error::Conflict(_)) => Err(Error::Conflict(
                "The Artifact cannot be deleted because it is associated with Content.".to_owned(),
            )),
            Err(error) => Err(error),
        }
    });
    artifacts
        .action(Method::DELETE, "", "delete", artifacts.permission("delete"), handler)
        .summary("Delete an artifact; fails if it is in use")
        .answer_empty(StatusCode::NO_CONTENT)
}
