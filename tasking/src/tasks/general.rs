//! Creation, change and deletion of one object: what the REST API does in a task because others may use the
//! object.

use anyhow::Context;
use entities::row::{self, Row, RowId};
use entities::{Error, Kind, Prn, distribution};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{Resources, Task, TaskContext, version};

/// Inserts one row. The API has validated it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Create {
    /// The model of its kind.
    model: String,
    /// The id the object gets.
    id: Uuid,
    /// Columns and their values; secrets as Fernet tokens.
    row: Row,
}

/// Sets columns of one row. The API has validated them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Update {
    /// The model of its kind.
    model: String,
    /// The object.
    id: RowId,
    /// Columns and their new values; secrets as Fernet tokens. Those of `details` are merged into what is
    /// there.
    changes: Row,
}

/// Deletes one row and what hangs on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Delete {
    /// The model of its kind.
    model: String,
    /// The object.
    id: RowId,
}

impl Create {
    /// A task that creates an object of this kind.
    pub fn new(kind: &Kind, id: Uuid, row: Row) -> Create {
        Create { model: kind.model(), id, row }
    }
}

impl Update {
    /// A task that changes an object of this kind.
    pub fn new(kind: &Kind, id: RowId, changes: Row) -> Update {
        Update { model: kind.model(), id, changes }
    }
}

impl Delete {
    /// A task that deletes an object of this kind.
    pub fn new(kind: &Kind, id: RowId) -> Delete {
        Delete { model: kind.model(), id }
    }
}

/// What changes of distributions lock: base paths of all of them are checked against each other (T05).
pub fn distributions(domain: Uuid) -> Prn {
    Prn::literal(format!("pdrn:{domain}:distributions"))
}

impl Task for Create {
    const NAME: &'static str = "pulpcore.app.tasks.base.general_create";

    fn resources(&self) -> Resources {
        resources(&self.model, self.id.into())
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let kind = kind_of(&cx, &self.model)?;
        let txn = cx.begin().await?;
        check_distribution(&txn, &cx, kind, self.id.into(), &self.row).await?;
        row::insert(&txn, kind, &cx.scope(), Some(self.id), self.row).await?;
        cx.created(&txn, self.id, &kind.prn(self.id)).await?;
        txn.commit().await
    }
}

impl Task for Update {
    const NAME: &'static str = "pulpcore.app.tasks.base.general_update";

    fn resources(&self) -> Resources {
        resources(&self.model, self.id)
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let kind = kind_of(&cx, &self.model)?;
        let limits = ["retain_repo_versions", "retain_checkpoints"];
        let retention_changes =
            kind.table == "repository" && limits.iter().any(|limit| self.changes.contains_key(*limit));
        let txn = cx.begin().await?;
        check_distribution(&txn, &cx, kind, self.id, &self.changes).await?;
        let updated = row::update(&txn, kind, cx.domain(), self.id, self.changes).await?;
        anyhow::ensure!(updated, "{} no longer exists", kind.prn(self.id));
        txn.commit().await?;
        match self.id {
            RowId::Uuid(repository) if retention_changes => version::retain(&cx, repository).await,
            _ => Ok(()),
        }
    }
}

impl Task for Delete {
    const NAME: &'static str = "pulpcore.app.tasks.base.general_delete";

    fn resources(&self) -> Resources {
        resources(&self.model, self.id)
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let kind = kind_of(&cx, &self.model)?;
        let txn = cx.begin().await?;
        let deleted = row::delete(&*txn, kind, cx.domain(), self.id).await;
        deleted.with_context(|| format!("{} cannot be deleted", kind.prn(self.id)))?;
        txn.commit().await
    }
}

fn resources(model: &str, id: RowId) -> Resources {
    if model.ends_with("distribution") {
        return Resources::none().exclusive(distributions(entities::domain::DEFAULT));
    }
    Resources::none().exclusive(Prn::literal(format!("prn:{model}:{id}")))
}

fn kind_of(cx: &TaskContext, model: &str) -> anyhow::Result<&'static Kind> {
    let kind = cx.pulp().links.kinds().of_model(model);
    kind.with_context(|| format!("no plugin of this worker has objects of the kind {model}"))
}

/// The API has checked this already, but a distribution that was created meanwhile may stand in the way
/// (C26).
async fn check_distribution(
    txn: &DatabaseTransaction,
    cx: &TaskContext,
    kind: &Kind,
    id: RowId,
    row: &Row,
) -> anyhow::Result<()> {
    if kind.table == "distribution"
        && let RowId::Uuid(id) = id
        && let Some(base_path) = row.get("base_path").and_then(Value::as_str)
        && let Some(other) = distribution::overlapping(txn, cx.domain(), base_path, Some(id)).await?
    {
        let message = format!("Overlaps with existing distribution '{other}'");
        return Err(Error::field("base_path", message).into());
    }
    Ok(())
}
