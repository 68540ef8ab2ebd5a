//! One writer of rows for the REST API and for tasks: a row is a map of columns to JSON values.
//!
//! Postgres turns the values into those of the columns (`jsonb_populate_record`), so that a column needs no
//! code of its own here. Names of columns come from tables of fields; a name that could be anything else is
//! refused.

use sea_orm::{ConnectionTrait, DatabaseTransaction, FromQueryResult};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::kind::Key;
use crate::{Error, Kind, Result, Scope, db};

/// Columns and their values; secrets as Fernet tokens.
pub type Row = Map<String, Value>;

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
    let columns = columns(&row)?.join(", ");
    let (table, key) = (kind.table, key(kind));
    let sql = format!(
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1)
         RETURNING {key}::text AS id"
    );
    let inserted = txn.query_one_raw(db::sql(&sql, [Value::Object(row).into()])).await?;
    let missing = || Error::Internal(anyhow::anyhow!("the new row of {table} has no id"));
    let Inserted { id } = Inserted::from_query_result(&inserted.ok_or_else(missing)?, "")?;
    let id = match kind.key {
        Key::Uuid => id.parse().map(RowId::Uuid).ok(),
        Key::Integer => id.parse().map(RowId::Integer).ok(),
    };
    let id = id.ok_or_else(missing)?;
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
    connection: &impl ConnectionTrait,
    kind: &Kind,
    domain: Uuid,
    id: RowId,
    changes: Row,
) -> Result<bool> {
    let names = columns(&changes)?;
    let values: Vec<String> = names.iter().map(|name| value(kind, name)).collect();
    let (table, key) = (kind.table, key(kind));
    let sql = format!(
        "UPDATE {table} SET ({}) = ROW({}) FROM jsonb_populate_record(NULL::{table}, $3) AS new
         WHERE {table}.{key} = $1 AND {}",
        names.join(", "),
        values.join(", "),
        of_domain(kind),
    );
    let values = [id.into(), domain.into(), Value::Object(changes).into()];
    Ok(connection.execute_raw(db::sql(&sql, values)).await?.rows_affected() == 1)
}

/// Whether a row of the domain has these values already; none if there is no such row.
pub async fn is_same(
    connection: &impl ConnectionTrait,
    kind: &Kind,
    domain: Uuid,
    id: RowId,
    changes: &Row,
) -> Result<Option<bool>> {
    if changes.is_empty() {
        return Ok(Some(true));
    }
    let names = columns(changes)?;
    let (table, key) = (kind.table, key(kind));
    let old: Vec<String> = names.iter().map(|name| format!("{table}.{name}")).collect();
    let new: Vec<String> = names.iter().map(|name| value(kind, name)).collect();
    let sql = format!(
        "SELECT ROW({}) IS NOT DISTINCT FROM ROW({}) AS same
         FROM {table}, jsonb_populate_record(NULL::{table}, $3) AS new
         WHERE {table}.{key} = $1 AND {}",
        old.join(", "),
        new.join(", "),
        of_domain(kind),
    );
    let values = [id.into(), domain.into(), Value::Object(changes.clone()).into()];
    let row = connection.query_one_raw(db::sql(&sql, values)).await?;
    row.map(|row| Ok(Same::from_query_result(&row, "")?.same)).transpose()
}

/// Deletes a row of the domain; returns whether there was one.
///
/// # Errors
/// [`Error::Conflict`] if something refers to it.
pub async fn delete(connection: &impl ConnectionTrait, kind: &Kind, domain: Uuid, id: RowId) -> Result<bool> {
    let (table, key) = (kind.table, key(kind));
    let sql = format!("DELETE FROM {table} WHERE {table}.{key} = $1 AND {}", of_domain(kind));
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
    let (table, key) = (kind.table, key(kind));
    let sql = format!(
        "UPDATE {table} SET pulp_labels = pulp_labels || $3 WHERE {table}.{key} = $1 AND {}",
        of_domain(kind)
    );
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
    let (table, key) = (kind.table, key(kind));
    let sql = format!(
        "WITH old AS MATERIALIZED (
             SELECT {table}.{key} AS id, jsonb_exists(pulp_labels, $3) AS was_there,
                    pulp_labels ->> $3 AS value FROM {table}
             WHERE {table}.{key} = $1 AND {} FOR UPDATE)
         UPDATE {table} SET pulp_labels = pulp_labels - $3 FROM old
         WHERE {table}.{key} = old.id RETURNING old.was_there, old.value",
        of_domain(kind)
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

#[derive(FromQueryResult)]
struct Inserted {
    id: String,
}

#[derive(FromQueryResult)]
struct Same {
    same: bool,
}

fn key(kind: &Kind) -> &'static str {
    match kind.key {
        Key::Uuid => "pulp_id",
        Key::Integer => "id",
    }
}

/// The condition that a row is one of the kind and of the domain `$2`.
fn of_domain(kind: &Kind) -> String {
    let domain = match kind.in_domain {
        true => format!("{}.pulp_domain_id = $2", kind.table),
        false => "$2::uuid IS NOT NULL".to_owned(),
    };
    match kind.pulp_type {
        Some(pulp_type) => format!("{domain} AND {}.pulp_type = '{pulp_type}'", kind.table),
        None => domain,
    }
}

fn value(kind: &Kind, column: &str) -> String {
    match column {
        "details" => format!("{}.details || new.details", kind.table),
        column => format!("new.{column}"),
    }
}

fn columns(row: &Row) -> Result<Vec<&str>> {
    let plain = |name: &&str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let names: Vec<&str> = row.keys().map(String::as_str).collect();
    match names.iter().find(|name| !plain(name)) {
        Some(name) => Err(Error::Internal(anyhow::anyhow!("{name:?} is not the name of a column"))),
        None if names.is_empty() => Err(Error::Internal(anyhow::anyhow!("a row without columns"))),
        None => Ok(names),
    }
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
