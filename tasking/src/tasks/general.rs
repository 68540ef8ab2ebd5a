//! Creation, change and deletion of one object: what the REST API does in a task because others may use the object.

use anyhow::Context;
use entities::{Href, Kind, Prn, db, distribution, kind};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{Resources, Task, TaskContext, version};

/// Inserts one row. The API has validated it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Create {
    /// The table, and with the type the kind of the object.
    pub table: String,
    /// The type within the table.
    pub pulp_type: String,
    /// The id the object gets.
    pub id: Uuid,
    /// Columns and their values; secrets as Fernet tokens.
    pub row: Map<String, Value>,
}

/// Sets columns of one row. The API has validated them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Update {
    /// The table, and with the type the kind of the object.
    pub table: String,
    /// The type within the table.
    pub pulp_type: String,
    /// The object.
    pub id: Uuid,
    /// Columns and their new values; secrets as Fernet tokens. Those of `details` are merged into what is there.
    pub changes: Map<String, Value>,
}

/// Deletes one row and what hangs on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Delete {
    /// The table, and with the type the kind of the object.
    pub table: String,
    /// The type within the table.
    pub pulp_type: String,
    /// The object.
    pub id: Uuid,
}

/// What changes of distributions lock: base paths of all of them are checked against each other (T05).
pub fn distributions(domain: Uuid) -> Prn {
    Prn::literal(format!("pdrn:{domain}:distributions"))
}

impl Task for Create {
    const NAME: &'static str = "pulpcore.app.tasks.base.general_create";

    fn resources(&self) -> Resources {
        resources(&self.table, &self.pulp_type, self.id)
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let kind = kind_of(&self.table, &self.pulp_type)?;
        let mut row = self.row;
        row.insert("pulp_id".into(), self.id.to_string().into());
        row.insert("pulp_domain_id".into(), cx.domain().to_string().into());
        row.insert("pulp_type".into(), kind.pulp_type.into());
        let columns = columns(&row)?;
        let txn = cx.begin().await?;
        check_distribution(&txn, kind, self.id, cx.domain(), &row).await?;
        let sql = format!(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1)",
            table = kind.table
        );
        txn.execute_raw(db::sql(&sql, [Value::Object(row).into()])).await?;
        cx.created(&txn, self.id, &kind.href(self.id), &kind.prn(self.id)).await?;
        txn.commit().await
    }
}

impl Task for Update {
    const NAME: &'static str = "pulpcore.app.tasks.base.general_update";

    fn resources(&self) -> Resources {
        resources(&self.table, &self.pulp_type, self.id)
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let kind = kind_of(&self.table, &self.pulp_type)?;
        let columns = columns(&self.changes)?;
        let retention_changes =
            kind.table == "repository" && self.changes.contains_key("retain_repo_versions");
        let txn = cx.begin().await?;
        check_distribution(&txn, kind, self.id, cx.domain(), &self.changes).await?;
        let values: Vec<String> = self
            .changes
            .keys()
            .map(|column| match column.as_str() {
                "details" => format!("{}.details || new.details", kind.table),
                column => format!("new.{column}"),
            })
            .collect();
        let sql = format!(
            "UPDATE {table} SET ({columns}) = ROW({values}) FROM jsonb_populate_record(NULL::{table}, $2) AS new
             WHERE {table}.pulp_id = $1",
            table = kind.table,
            values = values.join(", ")
        );
        let updated =
            txn.execute_raw(db::sql(&sql, [self.id.into(), Value::Object(self.changes).into()])).await?;
        anyhow::ensure!(updated.rows_affected() == 1, "{} no longer exists", kind.href(self.id));
        txn.commit().await?;
        if retention_changes {
            version::retain(&cx, self.id).await?;
        }
        Ok(())
    }
}

impl Task for Delete {
    const NAME: &'static str = "pulpcore.app.tasks.base.general_delete";

    fn resources(&self) -> Resources {
        resources(&self.table, &self.pulp_type, self.id)
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let kind = kind_of(&self.table, &self.pulp_type)?;
        let txn = cx.begin().await?;
        txn.execute_raw(db::sql(&format!("DELETE FROM {} WHERE pulp_id = $1", kind.table), [self.id.into()]))
            .await
            .with_context(|| describe(&kind.href(self.id)))?;
        txn.commit().await
    }
}

fn describe(href: &Href) -> String {
    format!("{href} cannot be deleted")
}

fn resources(table: &str, pulp_type: &str, id: Uuid) -> Resources {
    if table == "distribution" {
        return Resources::none().exclusive(distributions(entities::domain::DEFAULT));
    }
    match kind::of(table, pulp_type) {
        Some(kind) => Resources::none().exclusive(kind.prn(id)),
        None => Resources::none(),
    }
}

fn kind_of(table: &str, pulp_type: &str) -> anyhow::Result<&'static Kind> {
    kind::of(table, pulp_type)
        .with_context(|| format!("no plugin of this worker has {pulp_type} objects in the table {table}"))
}

/// The names as a list for SQL. They come from the API's own tables; a name that could be anything else is refused.
fn columns(row: &Map<String, Value>) -> anyhow::Result<String> {
    anyhow::ensure!(!row.is_empty(), "nothing to write");
    for name in row.keys() {
        let plain =
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        anyhow::ensure!(plain && !name.is_empty(), "{name:?} is not a column");
    }
    Ok(row.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// The API has checked this already, but a distribution that was made meanwhile may stand in the way (C26).
async fn check_distribution(
    txn: &DatabaseTransaction,
    kind: &Kind,
    id: Uuid,
    domain: Uuid,
    row: &Map<String, Value>,
) -> anyhow::Result<()> {
    if kind.table == "distribution"
        && let Some(base_path) = row.get("base_path").and_then(Value::as_str)
        && let Some(other) = distribution::overlapping(txn, domain, base_path, Some(id)).await?
    {
        anyhow::bail!("base_path {base_path:?} overlaps with the existing distribution '{other}'");
    }
    Ok(())
}
