//! Files whose bytes are not stored yet: fetched from a remote while the client waits (A13 to A18).

use chrono::Utc;
use entities::checksum::{Algorithm, Expected};
use entities::storage::Staged;
use entities::{Pulp, Result, artifact, content_artifact, db, remote, remote_artifact};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use crate::conditions::Known;
use crate::context::Context;
use crate::relay::Save;
use crate::upstream::{self, Download};
use crate::{Response, respond};

/// Where a file can be had.
struct Source {
    remote: remote::Model,
    artifact: remote_artifact::Model,
    expected: Expected,
}

/// Responds with a file of a content unit that is not stored. `None` if no remote has it.
pub(crate) async fn respond(
    cx: &Context,
    domain: Uuid,
    path: &str,
    content_artifact: Uuid,
) -> Result<Option<Response>> {
    let sources = sources(&cx.pulp, content_artifact).await?;
    let Some(known) = sources.first().map(|source| Known::expected(&source.expected)) else {
        return Ok(None);
    };
    if let Some(response) = respond::without_bytes(cx, path, &known) {
        return Ok(Some(response));
    }
    for source in sources {
        let url = &source.artifact.url;
        let kept = source.remote.policy != "streamed";
        let download = Download {
            remote: &source.remote,
            url,
            known: Known::expected(&source.expected),
            path,
            save: kept.then(|| save(cx.pulp.clone(), domain, content_artifact)),
            if_wrong: Box::pin(note_failure(cx.pulp.clone(), source.artifact.pulp_id)),
            expected: source.expected,
        };
        match upstream::respond(cx, download).await {
            Ok(response) => return Ok(Some(response)),
            Err(reason) => tracing::warn!(url, %reason, "cannot use a remote for {path}"),
        }
    }
    Ok(None)
}

/// The remotes that have a file, in the order to try. Those that gave wrong bytes lately are left out (A16).
async fn sources(pulp: &Pulp, content_artifact: Uuid) -> Result<Vec<Source>> {
    let cooldown = pulp.settings.remote_content_fetch_failure_cooldown;
    let since = Utc::now() - chrono::Duration::from_std(cooldown).unwrap_or_default();
    let rows = remote_artifact::Entity::find()
        .filter(remote_artifact::Column::ContentArtifactId.eq(content_artifact))
        .filter(
            Condition::any()
                .add(remote_artifact::Column::FailedAt.is_null())
                .add(remote_artifact::Column::FailedAt.lt(since)),
        )
        .order_by_asc(remote_artifact::Column::PulpCreated)
        .all(&pulp.db)
        .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.remote_id).collect();
    let remotes = remote::Entity::find().filter(remote::Column::PulpId.is_in(ids)).all(&pulp.db).await?;
    let source = |artifact: remote_artifact::Model| {
        let remote = remotes.iter().find(|remote| remote.pulp_id == artifact.remote_id)?.clone();
        let expected = artifact.expected();
        Some(Source { remote, artifact, expected })
    };
    let allowed = &pulp.settings.allowed_content_checksums;
    let usable = |source: &Source| {
        let known = |algorithm: &Algorithm| source.expected.digests.get(*algorithm).is_some();
        allowed.iter().any(known) || known(&Algorithm::Sha256) || !Algorithm::ALL.iter().any(known)
    };
    Ok(rows.into_iter().filter_map(source).filter(usable).collect())
}

/// Makes bytes the artifact of a file.
fn save(pulp: Pulp, domain: Uuid, id: Uuid) -> Save {
    Box::new(move |staged| Box::pin(keep(pulp, domain, id, staged)))
}

async fn keep(pulp: Pulp, domain: Uuid, id: Uuid, staged: Staged) -> Result<()> {
    let kept = artifact::keep(&pulp.db, &pulp.storage, domain, vec![staged]).await?;
    let txn = db::begin(&pulp.db).await?;
    let rows = artifact::save(&txn, &pulp.storage, domain, &kept).await?;
    content_artifact::Entity::update_many()
        .col_expr(content_artifact::Column::ArtifactId, Expr::value(rows.first().map(|row| row.pulp_id)))
        .filter(content_artifact::Column::PulpId.eq(id))
        .filter(content_artifact::Column::ArtifactId.is_null())
        .exec(&txn)
        .await?;
    Ok(txn.commit().await?)
}

/// Notes that a source gave wrong bytes, so that it is left alone for a while (A16).
async fn note_failure(pulp: Pulp, id: Uuid) {
    let noted = remote_artifact::Entity::update_many()
        .col_expr(remote_artifact::Column::FailedAt, Expr::cust("clock_timestamp()"))
        .filter(remote_artifact::Column::PulpId.eq(id))
        .exec(&pulp.db)
        .await;
    if let Err(error) = noted {
        tracing::warn!(%error, "cannot note that a remote sent wrong bytes");
    }
}
