//! Statements on the table of a type of content, from its declaration. `$1` is a JSON array of rows, as text.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::ContentType;
use crate::content_type::is_plain;

/// A row as it is written.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Row<'a> {
    pub(super) content_id: Uuid,
    pub(super) pulp_domain_id: Uuid,
    #[serde(flatten)]
    pub(super) own: &'a Map<String, Value>,
}

/// Rows as the value of `$1`.
pub(super) fn rows(rows: &[impl Serialize]) -> anyhow::Result<sea_orm::Value> {
    Ok(serde_json::to_string(rows)?.into())
}

/// Columns that the rows have a value for, as a list.
pub(super) fn columns(rows: &[Row<'_>]) -> anyhow::Result<String> {
    let own = rows.iter().flat_map(|row| row.own.keys()).map(String::as_str);
    let names: BTreeSet<&str> = own.chain(["content_id", "pulp_domain_id"]).collect();
    for name in &names {
        anyhow::ensure!(is_plain(name), "{name:?} is not a column");
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    Ok(quoted.join(", "))
}

/// Inserts rows that are not there, with their rows of `content` of type `$2` in domain `$3`; returns the new
/// ids.
///
/// Rows are written in the order of their keys, so that two tasks with the same units wait for each other
/// instead of ending in a deadlock.
pub(super) fn insert(content: ContentType, columns: &str) -> String {
    format!(
        "WITH new AS (
             INSERT INTO {table} ({columns})
             SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, $1::text::jsonb) ORDER BY {key}
             ON CONFLICT DO NOTHING RETURNING content_id),
         parent AS (
             INSERT INTO content (pulp_id, pulp_domain_id, pulp_type) SELECT content_id, $3, $2 FROM new)
         SELECT content_id FROM new",
        table = content.table,
        key = content.key.join(", "),
    )
}

/// The ids of units of domain `$2` by their place in `$1`, kept from orphan cleanup from now on.
pub(super) fn find(content: ContentType) -> String {
    format!(
        "WITH found AS MATERIALIZED ({known}),
         locked AS MATERIALIZED (
             SELECT pulp_id FROM content WHERE pulp_id IN (SELECT content_id FROM found)
             ORDER BY pulp_id FOR NO KEY UPDATE),
         touched AS (
             UPDATE content SET timestamp_of_interest = clock_timestamp() FROM locked
             WHERE content.pulp_id = locked.pulp_id)
         SELECT ordinal, content_id FROM found",
        known = known(content, "", ""),
    )
}

/// As [`find`] without a change, and whether the unit is in the version of repository `$3` that is being
/// created.
pub(super) fn look_up(content: ContentType) -> String {
    let present = "
        LEFT JOIN LATERAL (
            SELECT content_id FROM repository_content
            WHERE repository_id = $3 AND content_id = known.content_id AND version_removed IS NULL
            OFFSET 0) AS present ON true";
    known(content, ", present.content_id IS NOT NULL AS is_present", present)
}

/// Links units `$1` to units `$2`, pair by pair.
pub(super) fn link(table: &str) -> String {
    format!(
        "INSERT INTO {table} (content_id, linked_id)
         SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS link (content_id, linked_id)
         ORDER BY content_id, linked_id
         ON CONFLICT DO NOTHING"
    )
}

fn known(content: ContentType, more: &str, join: &str) -> String {
    let same: Vec<String> =
        content.key.iter().map(|column| format!("held.{column} = unit.{column}")).collect();
    format!(
        "SELECT unit.ordinality AS ordinal, known.content_id{more}
         FROM jsonb_populate_recordset(NULL::{table}, $1::text::jsonb) WITH ORDINALITY AS unit
         CROSS JOIN LATERAL (
             SELECT content_id FROM {table} AS held
             WHERE held.pulp_domain_id = $2 AND {same} OFFSET 0) AS known{join}",
        table = content.table,
        same = same.join(" AND "),
    )
}
