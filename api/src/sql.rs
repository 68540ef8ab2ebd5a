//! Pieces of SQL that make what the API shows: hrefs, PRNs, timestamps, relations.
//!
//! A page of a list is made by one query, whose rows are JSON texts that go out as they are.

use entities::{Kind, kind};
use sea_orm::Value;
use uuid::Uuid;

use crate::{Error, Result};

/// A timestamp as RFC 3339 in UTC with microseconds (R31).
pub fn timestamp(expression: &str) -> String {
    format!("to_char({expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
}

/// Microseconds as a duration: `[<days> ]HH:MM:SS[.ffffff]`; null if they are.
pub fn duration(expression: &str) -> String {
    format!(
        "(SELECT CASE WHEN us >= 86400000000 THEN us / 86400000000 || ' ' ELSE '' END
              || to_char(us % 86400000000 / 1000000 * interval '1 second', 'HH24:MI:SS')
              || CASE WHEN us % 1000000 > 0 THEN '.' || lpad((us % 1000000)::text, 6, '0') ELSE '' END
          FROM (SELECT {expression} AS us) AS x WHERE us IS NOT NULL)"
    )
}

/// The href of the row `alias` of a table that several kinds may share.
pub fn href(table: &str, alias: &str) -> String {
    by_kind(table, alias, |kind| {
        format!("'{}{}/' || {alias}.pulp_id || '/'", entities::href::API_ROOT, kind.path)
    })
}

/// The PRN of the row `alias` of a table that several kinds may share.
pub fn prn(table: &str, alias: &str) -> String {
    by_kind(table, alias, |kind| format!("'prn:{}:' || {alias}.pulp_id", kind.model))
}

/// The href of the row of `table` whose id is `expression`; null if that is null.
pub fn related(table: &str, expression: &str) -> String {
    format!("(SELECT {} FROM {table} AS x WHERE x.pulp_id = {expression})", href(table, "x"))
}

/// The href of version `number` of the repository `alias`.
pub fn version_of(alias: &str, number: &str) -> String {
    format!("{} || 'versions/' || {number} || '/'", href("repository", alias))
}

/// The href of the version whose id is `expression`; null if that is null.
pub fn related_version(expression: &str) -> String {
    format!(
        "(SELECT {} FROM repository_version AS v JOIN repository AS x ON x.pulp_id = v.repository_id
          WHERE v.pulp_id = {expression})",
        version_of("x", "v.number")
    )
}

/// Which units are in version `number` of `repository`, as a condition on `content` (DESIGN: an interval).
pub fn is_in_version(content: &str, repository: &str, number: &str) -> String {
    format!(
        "{content} IN (SELECT rc.content_id FROM repository_content AS rc WHERE rc.repository_id = {repository}
         AND rc.version_added <= {number} AND (rc.version_removed IS NULL OR rc.version_removed > {number}))"
    )
}

fn by_kind(table: &str, alias: &str, one: impl Fn(&Kind) -> String) -> String {
    let kinds: Vec<&Kind> = kind::all().filter(|kind| kind.table == table).collect();
    match kinds.as_slice() {
        [] => "NULL::text".to_owned(),
        [kind] => format!("({})", one(kind)),
        kinds => {
            let cases: Vec<String> =
                kinds.iter().map(|kind| format!("WHEN '{}' THEN {}", kind.pulp_type, one(kind))).collect();
            format!("(CASE {alias}.pulp_type {} END)", cases.join(" "))
        }
    }
}

/// The conditions of a query and the values they are bound to.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    clauses: Vec<String>,
    /// Seconds of silence after which a worker counts as missing.
    pub(crate) worker_ttl: f64,
    /// What `$1`, `$2`, … stand for.
    pub values: Vec<Value>,
    /// Rows that have to exist for the query to make sense, with the parameter that names them.
    pub(crate) needed: Vec<Needed>,
}

/// A row that a filter refers to.
#[derive(Clone, Debug)]
pub(crate) struct Needed {
    pub(crate) parameter: String,
    pub(crate) table: &'static str,
    pub(crate) id: Uuid,
    pub(crate) version: Option<i32>,
}

impl Conditions {
    /// Binds a value; answers the placeholder that stands for it.
    pub fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// Adds a condition; all have to hold.
    pub fn push(&mut self, clause: impl Into<String>) {
        self.clauses.push(clause.into());
    }

    /// What `add` would add, as one expression instead.
    pub(crate) fn aside(&mut self, add: impl FnOnce(&mut Conditions) -> Result<()>) -> Result<String> {
        let before = self.clauses.len();
        add(self)?;
        let added = self.clauses.split_off(before);
        Ok(if added.is_empty() { "TRUE".to_owned() } else { format!("({})", added.join(" AND ")) })
    }

    /// `WHERE …`, or nothing.
    pub fn text(&self) -> String {
        match self.clauses.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", self.clauses.join(" AND ")),
        }
    }

    /// A statement with the values bound so far.
    pub fn statement(&self, text: &str) -> sea_orm::Statement {
        sea_orm::Statement::from_sql_and_values(sea_orm::DbBackend::Postgres, text, self.values.clone())
    }
}

/// A reference in a query or body that cannot be followed (R16).
pub(crate) fn bad_reference(parameter: &str) -> Error {
    Error::field(parameter, "URI not valid")
}

/// Reads a number for a filter.
pub(crate) fn number<T: std::str::FromStr>(parameter: &str, text: &str) -> Result<T> {
    text.trim().parse().map_err(|_| Error::field(parameter, "Enter a number."))
}
