//! How many units of each type a version adds, removes and has: counted once, when it completes (C14).

use std::collections::BTreeMap;

use entities::db;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use uuid::Uuid;

type ByType = BTreeMap<String, i64>;

/// The numbers of one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    added: ByType,
    removed: ByType,
    present: ByType,
}

impl Counts {
    pub(super) fn is_unchanged(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"added": self.added, "removed": self.removed, "present": self.present})
    }
}

/// Counts the changes of a version, and adds them to what the version before it has: the cost grows with the change,
/// not with the repository.
pub(super) async fn of(txn: &impl ConnectionTrait, repository: Uuid, number: i32) -> anyhow::Result<Counts> {
    let added = changes(txn, "version_added", repository, number).await?;
    let removed = changes(txn, "version_removed", repository, number).await?;
    let sql = "SELECT content_counts -> 'present' AS present FROM repository_version
               WHERE repository_id = $1 AND number < $2 AND complete ORDER BY number DESC LIMIT 1";
    let before = txn.query_one_raw(db::sql(sql, [repository.into(), number.into()])).await?;
    let mut present: ByType = match before {
        Some(row) => serde_json::from_value(row.try_get("", "present")?)?,
        None => ByType::new(),
    };
    for (pulp_type, count) in &added {
        *present.entry(pulp_type.clone()).or_default() += count;
    }
    for (pulp_type, count) in &removed {
        *present.entry(pulp_type.clone()).or_default() -= count;
    }
    present.retain(|_, count| *count > 0);
    Ok(Counts { added, removed, present })
}

async fn changes(
    txn: &impl ConnectionTrait,
    column: &str,
    repository: Uuid,
    number: i32,
) -> anyhow::Result<ByType> {
    let sql = format!(
        "SELECT pulp_type, count(*) AS count FROM repository_content JOIN content ON pulp_id = content_id
         WHERE repository_id = $1 AND {column} = $2 GROUP BY pulp_type"
    );
    let rows = txn.query_all_raw(db::sql(&sql, [repository.into(), number.into()])).await?;
    rows.iter().map(|row| Ok((row.try_get("", "pulp_type")?, row.try_get("", "count")?))).collect()
}
