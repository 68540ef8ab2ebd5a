//! The units of a version, as they come from the database: what metadata is generated from.

use entities::{db, repository_version};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use sea_orm::{FromQueryResult, QueryResult, StreamTrait};
use uuid::Uuid;

use crate::{Content, ContentType, TaskContext};

/// One unit of a version.
#[derive(Clone, Debug)]
pub struct StoredUnit<C> {
    /// Its row of `content`.
    pub id: Uuid,
    /// What is special to its type.
    pub content: C,
    /// Its artifacts, in the order of their paths.
    pub artifacts: Vec<StoredArtifact>,
}

/// One artifact of a unit.
#[derive(Clone, Debug)]
pub struct StoredArtifact {
    /// Its row of `content_artifact`: what a publication serves.
    pub id: Uuid,
    /// Its path within the unit.
    pub relative_path: String,
    /// The row of `artifact`, if the bytes are stored.
    pub artifact: Option<Uuid>,
    /// SHA-256 of the bytes, or as a remote announces it.
    pub sha256: Option<String>,
    /// Length in bytes, or as a remote announces it.
    pub size: Option<u64>,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    content_id: Uuid,
    pulp_file_id: Option<Uuid>,
    pulp_file_path: Option<String>,
    pulp_artifact_id: Option<Uuid>,
    pulp_file_sha256: Option<String>,
    pulp_file_size: Option<i64>,
}

impl Row {
    fn artifact(self) -> Option<StoredArtifact> {
        Some(StoredArtifact {
            id: self.pulp_file_id?,
            relative_path: self.pulp_file_path?,
            artifact: self.pulp_artifact_id,
            sha256: self.pulp_file_sha256,
            size: self.pulp_file_size.map(i64::unsigned_abs),
        })
    }
}

/// The units of one type in a version, in the order of their natural key. They are streamed: memory does not
/// grow with the version.
///
/// # Errors
/// If the database is away.
pub async fn of_version<'a, C: Content + FromQueryResult>(
    cx: &'a TaskContext,
    version: &repository_version::Model,
) -> anyhow::Result<BoxStream<'a, anyhow::Result<StoredUnit<C>>>> {
    let values = [version.repository_id.into(), version.number.into()];
    let rows = cx.pulp().db.stream_raw(db::sql(&statement(C::TYPE), values)).await?;
    let rows = rows.map_err(anyhow::Error::from).boxed();
    let grouped = stream::try_unfold((rows, None), |(mut rows, mut begun)| async move {
        loop {
            let Some(row) = rows.try_next().await? else {
                return Ok(begun.map(|unit| (unit, (rows, None))));
            };
            match add(begun, &row)? {
                (unit, None) => begun = Some(unit),
                (unit, next) => return Ok(Some((unit, (rows, next)))),
            }
        }
    });
    Ok(grouped.boxed())
}

/// Adds a row to the unit that is being read; if the row begins another unit, returns that one, too.
fn add<C: FromQueryResult>(
    begun: Option<StoredUnit<C>>,
    row: &QueryResult,
) -> anyhow::Result<(StoredUnit<C>, Option<StoredUnit<C>>)> {
    let own = Row::from_query_result(row, "")?;
    match begun {
        Some(mut unit) if unit.id == own.content_id => {
            unit.artifacts.extend(own.artifact());
            Ok((unit, None))
        }
        other => {
            let content = C::from_query_result(row, "")?;
            let unit =
                StoredUnit { id: own.content_id, content, artifacts: own.artifact().into_iter().collect() };
            Ok(match other {
                Some(complete) => (complete, Some(unit)),
                None => (unit, None),
            })
        }
    }
}

fn statement(content: ContentType) -> String {
    let order: Vec<String> = content.key.iter().map(|column| format!("unit.{column}")).collect();
    format!(
        "SELECT unit.*, file.pulp_id AS pulp_file_id, file.relative_path AS pulp_file_path,
                file.artifact_id AS pulp_artifact_id,
                coalesce(artifact.sha256, source.sha256) AS pulp_file_sha256,
                coalesce(artifact.size, source.size) AS pulp_file_size
         FROM repository_content AS member
         JOIN {table} AS unit USING (content_id)
         LEFT JOIN content_artifact AS file USING (content_id)
         LEFT JOIN artifact ON artifact.pulp_id = file.artifact_id
         LEFT JOIN LATERAL (
             SELECT max(size) AS size, max(sha256) AS sha256 FROM remote_artifact
             WHERE content_artifact_id = file.pulp_id AND file.artifact_id IS NULL) AS source ON true
         WHERE member.repository_id = $1 AND version_added <= $2
           AND (version_removed IS NULL OR version_removed > $2)
         ORDER BY {order}, unit.content_id, file.relative_path",
        table = content.table,
        order = order.join(", "),
    )
}
