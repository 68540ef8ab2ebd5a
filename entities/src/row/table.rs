//! A table that rows of a kind are in: the one it shares with other kinds, or the one of its own.

use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::Value;
use uuid::Uuid;

use super::{Row, RowId};
use crate::kind::Key;
use crate::{Error, Kind, Result, db};

/// A table, as far as it holds rows of one kind.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The column of the primary key.
    pub(super) key: &'static str,
    /// The condition that a row is one of the kind and of the domain `$2`.
    pub(super) of_domain: String,
}

#[derive(FromQueryResult)]
struct Inserted {
    id: String,
}

#[derive(FromQueryResult)]
struct Same {
    same: bool,
}

impl Table {
    /// The table that holds what all kinds in it have.
    pub(super) fn shared(kind: &Kind) -> Table {
        let name = kind.table;
        let domain = match kind.in_domain {
            true => format!("{name}.pulp_domain_id = $2"),
            false => "$2::uuid IS NOT NULL".to_owned(),
        };
        let of_domain = match kind.pulp_type {
            Some(pulp_type) => format!("{domain} AND {name}.pulp_type = '{pulp_type}'"),
            None => domain,
        };
        Table { name, key: key(kind), of_domain }
    }

    /// The table of what is special to the kind. Its rows are in the domain of those of the shared table.
    pub(super) fn own(kind: &Kind) -> Option<Table> {
        kind.own_table.map(|name| Table {
            name,
            key: key(kind),
            of_domain: "$2::uuid IS NOT NULL".to_owned(),
        })
    }

    /// Inserts a row; returns its key.
    pub(super) async fn insert(&self, connection: &impl ConnectionTrait, row: Row) -> Result<String> {
        let columns = columns(&row)?.join(", ");
        let Table { name, key, .. } = self;
        let sql = format!(
            "INSERT INTO {name} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{name}, $1)
             RETURNING {key}::text AS id"
        );
        let inserted = connection.query_one_raw(db::sql(&sql, [Value::Object(row).into()])).await?;
        let missing = || Error::Internal(anyhow::anyhow!("the new row of {name} has no id"));
        Ok(Inserted::from_query_result(&inserted.ok_or_else(missing)?, "")?.id)
    }

    /// Sets columns of a row; returns whether there is such a row.
    pub(super) async fn update(
        &self,
        connection: &impl ConnectionTrait,
        domain: Uuid,
        id: RowId,
        changes: Row,
    ) -> Result<bool> {
        let names = columns(&changes)?;
        let values: Vec<String> = names.iter().map(|name| self.value(name)).collect();
        let Table { name, key, of_domain } = self;
        let sql = format!(
            "UPDATE {name} SET ({}) = ROW({}) FROM jsonb_populate_record(NULL::{name}, $3) AS new
             WHERE {name}.{key} = $1 AND {of_domain}",
            names.join(", "),
            values.join(", "),
        );
        let values = [id.into(), domain.into(), Value::Object(changes).into()];
        Ok(connection.execute_raw(db::sql(&sql, values)).await?.rows_affected() == 1)
    }

    /// Whether a row has these values already; none if there is no such row.
    pub(super) async fn is_same(
        &self,
        connection: &impl ConnectionTrait,
        domain: Uuid,
        id: RowId,
        changes: &Row,
    ) -> Result<Option<bool>> {
        if changes.is_empty() {
            return Ok(Some(true));
        }
        let names = columns(changes)?;
        let Table { name, key, of_domain } = self;
        let old: Vec<String> = names.iter().map(|column| format!("{name}.{column}")).collect();
        let new: Vec<String> = names.iter().map(|column| self.value(column)).collect();
        let sql = format!(
            "SELECT ROW({}) IS NOT DISTINCT FROM ROW({}) AS same
             FROM {name}, jsonb_populate_record(NULL::{name}, $3) AS new
             WHERE {name}.{key} = $1 AND {of_domain}",
            old.join(", "),
            new.join(", "),
        );
        let values = [id.into(), domain.into(), Value::Object(changes.clone()).into()];
        let row = connection.query_one_raw(db::sql(&sql, values)).await?;
        row.map(|row| Ok(Same::from_query_result(&row, "")?.same)).transpose()
    }

    fn value(&self, column: &str) -> String {
        match column {
            "details" => format!("{}.details || new.details", self.name),
            column => format!("new.{column}"),
        }
    }
}

/// The column of the primary key of a kind's tables.
pub(super) fn key(kind: &Kind) -> &'static str {
    match kind.key {
        Key::Uuid => "pulp_id",
        Key::Integer => "id",
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
