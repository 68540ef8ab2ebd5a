//! How many units of each type a version adds, removes and has: counted once, when it completes (C14).

use std::collections::BTreeMap;

use entities::db;
use sea_orm::{ConnectionTrait, FromQueryResult};
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

    /// The types of the units that were added.
    pub(super) fn added_types(&self) -> impl Iterator<Item = &String> {
        self.added.keys()
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"added": self.added, "removed": self.removed, "present": self.present})
    }
}

/// What the version before has.
#[derive(Debug, FromQueryResult)]
struct Present {
    present: Value,
}

/// How many units of a type came or went.
#[derive(Debug, FromQueryResult)]
struct Count {
    pulp_type: String,
    count: i64,
}

const BEFORE: &str = "
    SELECT content_counts -> 'present' AS present FROM repository_version
    WHERE repository_id = $1 AND number < $2 AND complete ORDER BY number DESC LIMIT 1";

/// Counts the changes of a version, and adds them to what the version before it has: the cost grows with the
/// change, not with the repository.
pub(super) async fn of(txn: &impl ConnectionTrait, repository: Uuid, number: i32) -> anyhow::Result<Counts> {
    let added = changes(txn, "version_added", repository, number).await?;
    let removed = changes(txn, "version_removed", repository, number).await?;
    let before =
        Present::find_by_statement(db::sql(BEFORE, [repository.into(), number.into()])).one(txn).await?;
    let mut present: ByType = match before {
        Some(before) => serde_json::from_value(before.present)?,
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
    let rows = Count::find_by_statement(db::sql(&sql, [repository.into(), number.into()])).all(txn).await?;
    Ok(rows.into_iter().map(|row| (row.pulp_type, row.count)).collect())
}
