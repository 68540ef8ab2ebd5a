//! One writer of rows for the REST API and for tasks: a row is a map of columns to JSON values.
//!
//! Postgres turns the values into those of the columns (`jsonb_populate_record`), so that a column needs no
//! code of its own here. Names of columns come from tables of fields; a name that could be anything else is
//! refused.

mod table;

use anyhow::Context;
use chrono::Utc;
use sea_orm::{ConnectionTrait, DatabaseTransaction, FromQueryResult};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::kind::Key;
use crate::{Error, Kind, Result, Scope, db};
use table::{Table, key};

/// Columns and their values; secrets as Fernet tokens. Those of the kind's own table are an object under
/// [`OWN`].
pub type Row = Map<String, Value>;

/// Where a [`Row`] holds the columns of the kind's own table.
pub const OWN: &str = "own_table";

/// Reads the column `details` of a row: what is special to its type.
///
/// # Errors
/// If it holds something else.
pub fn details<T: serde::de::DeserializeOwned>(details: &Value) -> Result<T> {
    let read = T::deserialize(details).context("the details of the row are not those of its type");
    read.map_err(Error::Internal)
}

/// The id of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RowId {
    /// Of users and groups.
    Integer(i32),
    /// Of all others.
    Uuid(Uuid),
}

/// Inserts a row, then calls the hook of its kind; a new UUID is drawn if `id` is none and the kind has
/// UUIDs.
///
/// # Errors
/// [`Error::Invalid`] for a value that has to be unique and is not.
pub async fn insert(
    txn: &DatabaseTransaction,
    kind: &Kind,
    scope: &Scope,
    id: Option<Uuid>,
    mut row: Row,
) -> Result<RowId> {
    if kind.key == Key::Uuid {
        row.insert("pulp_id".to_owned(), id.unwrap_or_else(Uuid::now_v7).to_string().into());
    }
    if kind.in_domain {
        row.insert("pulp_domain_id".to_owned(), scope.domain().to_string().into());
    }
    if let Some(pulp_type) = kind.pulp_type {
        row.insert("pulp_type".to_owned(), pulp_type.into());
    }
    let own = take_own(kind, &mut row)?;
    let key_text = Table::shared(kind).insert(txn, row).await?;
    let wrong = || Error::Internal(anyhow::anyhow!("{key_text:?} is no id of {}", kind.table));
    let id = kind.id(&key_text).ok_or_else(wrong)?;
    if let Some((table, mut own)) = own {
        own.insert(key(kind).to_owned(), key_text.into());
        table.insert(txn, own).await?;
    }
    if let Some(hook) = kind.after_creation {
        hook(txn, scope, id).await?;
    }
    Ok(id)
}

/// Sets columns of a row of the domain; returns whether there is such a row. Values of `details` are merged
/// into what is there: of two changes at the same time both count.
///
/// # Errors
/// As [`insert`].
pub async fn update(
    txn: &DatabaseTransaction,
    kind: &Kind,
    domain: Uuid,
    id: RowId,
    mut changes: Row,
) -> Result<bool> {
    let own = take_own(kind, &mut changes)?.filter(|(_, own)| !own.is_empty());
    let Some((table, own)) = own else {
        return Table::shared(kind).update(txn, domain, id, changes).await;
    };
    changes.insert("pulp_last_updated".to_owned(), Utc::now().to_rfc3339().into());
    let is_there = Table::shared(kind).update(txn, domain, id, changes).await?;
    Ok(is_there && table.update(txn, domain, id, own).await?)
}

/// Whether a row of the domain has these values already; none if there is no such row.
pub async fn is_same(
    connection: &impl ConnectionTrait,
    kind: &Kind,
    domain: Uuid,
    id: RowId,
    changes: &Row,
) -> Result<Option<bool>> {
    let mut changes = changes.clone();
    let own = take_own(kind, &mut changes)?;
    let same = Table::shared(kind).is_same(connection, domain, id, &changes).await?;
    match own {
        Some((table, own)) if same == Some(true) => table.is_same(connection, domain, id, &own).await,
        _ => Ok(same),
    }
}

/// The kind's own table, if it has one, and what is to be written there.
fn take_own(kind: &Kind, row: &mut Row) -> Result<Option<(Table, Row)>> {
    match (Table::own(kind), row.remove(OWN)) {
        (Some(table), Some(Value::Object(own))) => Ok(Some((table, own))),
        (Some(table), _) => Ok(Some((table, Row::new()))),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Error::Internal(anyhow::anyhow!("{} has no table of its own", kind.name))),
    }
}

/// Deletes a row of the domain; returns whether there was one.
///
/// # Errors
/// [`Error::Conflict`] if something refers to it.
pub async fn delete(connection: &impl ConnectionTrait, kind: &Kind, domain: Uuid, id: RowId) -> Result<bool> {
    let Table { name, key, of_domain } = Table::shared(kind);
    let sql = format!("DELETE FROM {name} WHERE {name}.{key} = $1 AND {of_domain}");
    let values = [id.into(), domain.into()];
    Ok(connection.execute_raw(db::sql(&sql, values)).await?.rows_affected() == 1)
}

/// Sets one label of a row of the domain; returns whether there is such a row.
///
/// # Errors
/// If the database refuses.
pub async fn set_label(
    connection: &impl ConnectionTrait,
    kind: &Kind,
    domain: Uuid,
    id: RowId,
    (label, value): (&str, &Value),
) -> Result<bool> {
    let Table { name, key, of_domain } = Table::shared(kind);
    let sql =
        format!("UPDATE {name} SET pulp_labels = pulp_labels || $3 WHERE {name}.{key} = $1 AND {of_domain}");
    let values = [id.into(), domain.into(), json!({label: value}).into()];
    Ok(connection.execute_raw(db::sql(&sql, values)).await?.rows_affected() == 1)
}

/// What the removal of a label came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unset {
    /// The label is gone; its value.
    Label(Option<String>),
    /// The row has no such label.
    Nothing,
    /// There is no such row.
    NoRow,
}

/// Removes one label of a row of the domain.
///
/// # Errors
/// If the database refuses.
pub async fn unset_label(
    connection: &impl ConnectionTrait,
    kind: &Kind,
    domain: Uuid,
    id: RowId,
    label: &str,
) -> Result<Unset> {
    let Table { name, key, of_domain } = Table::shared(kind);
    let sql = format!(
        "WITH old AS MATERIALIZED (
             SELECT {name}.{key} AS id, jsonb_exists(pulp_labels, $3) AS was_there,
                    pulp_labels ->> $3 AS value FROM {name}
             WHERE {name}.{key} = $1 AND {of_domain} FOR UPDATE)
         UPDATE {name} SET pulp_labels = pulp_labels - $3 FROM old
         WHERE {name}.{key} = old.id RETURNING old.was_there, old.value"
    );
    let row = connection.query_one_raw(db::sql(&sql, [id.into(), domain.into(), label.into()])).await?;
    let removed = row.map(|row| Removed::from_query_result(&row, "")).transpose()?;
    Ok(match removed {
        Some(Removed { was_there: true, value }) => Unset::Label(value),
        Some(_) => Unset::Nothing,
        None => Unset::NoRow,
    })
}

#[derive(FromQueryResult)]
struct Removed {
    was_there: bool,
    value: Option<String>,
}

impl std::fmt::Display for RowId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RowId::Uuid(id) => id.fmt(f),
            RowId::Integer(id) => id.fmt(f),
        }
    }
}

impl From<RowId> for sea_orm::Value {
    fn from(id: RowId) -> sea_orm::Value {
        match id {
            RowId::Uuid(id) => id.into(),
            RowId::Integer(id) => id.into(),
        }
    }
}

impl From<Uuid> for RowId {
    fn from(id: Uuid) -> RowId {
        RowId::Uuid(id)
    }
}

impl From<i32> for RowId {
    fn from(id: i32) -> RowId {
        RowId::Integer(id)
    }
}
