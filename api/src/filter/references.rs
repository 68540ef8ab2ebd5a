//! Filters that refer to rows, by href, PRN or id; they are looked for in the scope of the request.

use entities::scope::{Visible, key_column};
use entities::{Kind, Reference, repository, repository_version};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityName, PrimaryKeyTrait, QueryFilter};
use uuid::Uuid;

use super::{Filter, Matched, Need, bad_reference};
use crate::reader::Reader;
use crate::{Error, Result, schema};

const SEVERAL: &str = "Multiple values may be separated by commas.";

/// `pulp_href__in`, `pulp_id__in` and `prn__in` on the id of the listed rows of a table (R17).
pub fn ids(kind: &'static Kind, column: impl ColumnTrait) -> Vec<Filter> {
    let references = move |name: &'static str| {
        let filter = Filter::list(name, schema::text(None), SEVERAL, move |values, reader| {
            Ok(column.is_in(objects(name, kind.table, values, reader)?))
        });
        filter.with_nothing()
    };
    let id = Filter::list("pulp_id__in", schema::text(Some("uuid")), SEVERAL, move |values, _| {
        let parse = |value: &str| {
            value.parse::<Uuid>().map_err(|_| Error::field("pulp_id__in", "Enter a valid UUID."))
        };
        Ok(column.is_in(values.into_iter().map(parse).collect::<Result<Vec<Uuid>>>()?))
    });
    vec![references("pulp_href__in"), id.with_nothing(), references("prn__in")]
}

/// The filter of a relation to a row of `E`, by href or PRN; `null` for none (R16).
pub fn reference<E>(name: &'static str, column: impl ColumnTrait) -> Filter
where
    E: Visible + EntityName,
    E::PrimaryKey: PrimaryKeyTrait<ValueType = Uuid>,
{
    Filter::new(name, schema::text(None), "", move |value, reader| match value {
        "null" | "" => Ok(Matched::from(column.is_null())),
        value => one::<E>(name, value, reader, |id| column.eq(id)),
    })
    .with_nothing()
}

/// The filter of a row of `E`; `condition` says which rows match its id.
pub fn referring<E>(name: &'static str, condition: impl Fn(Uuid) -> Expr + Send + Sync + 'static) -> Filter
where
    E: Visible + EntityName,
    E::PrimaryKey: PrimaryKeyTrait<ValueType = Uuid>,
{
    Filter::new(name, schema::text(None), "", move |value, reader| one::<E>(name, value, reader, &condition))
        .with_nothing()
}

fn one<E>(name: &str, value: &str, reader: &Reader<'_>, condition: impl Fn(Uuid) -> Expr) -> Result<Matched>
where
    E: Visible + EntityName,
    E::PrimaryKey: PrimaryKeyTrait<ValueType = Uuid>,
{
    let table = E::default();
    let id = object(name, table.table_name(), value, reader)?;
    let rows = reader.scope.rows::<E>().filter(key_column::<E>().eq(id));
    Ok(Matched { condition: condition(id), needs: vec![Need::one_of(name, rows)] })
}

/// The filter of several rows of a table; `condition` says which rows match any of their ids.
pub fn referring_any(
    name: &'static str,
    table: &'static str,
    condition: impl Fn(Vec<Uuid>) -> Expr + Send + Sync + 'static,
) -> Filter {
    Filter::list(name, schema::text(None), SEVERAL, move |values, reader| {
        Ok(condition(objects(name, table, values, reader)?))
    })
}

/// The filter of a repository version, or of the latest one of a repository; `condition` is given its
/// repository and its number.
pub fn version(name: &'static str, condition: impl Fn(Expr, Expr) -> Expr + Send + Sync + 'static) -> Filter {
    use repository_version::{Column, Entity};
    let description = "Repository Version referenced by HREF/PRN";
    Filter::new(name, schema::text(None), description, move |value, reader| {
        let rows = reader.scope.rows::<Entity>().filter(Column::Complete.eq(true));
        let (rows, condition) = match reader.links.parse(value) {
            Some(Reference::Version { kind, repository, number }) => {
                let rows = rows
                    .filter(Column::RepositoryId.eq(repository))
                    .filter(Column::Number.eq(number))
                    .filter(repository::Column::PulpType.eq(kind.pulp_type.unwrap_or_default()));
                (rows, condition(Expr::val(repository), Expr::val(number)))
            }
            Some(Reference::Object { kind, id }) if kind.table == "repository_version" => {
                let part = |column: Column| {
                    let mut of_version = sea_orm::sea_query::Query::select();
                    of_version.column(column).from(Entity).and_where(Column::PulpId.eq(id));
                    Expr::SubQuery(None, Box::new(of_version.take().into()))
                };
                let condition = condition(part(Column::RepositoryId), part(Column::Number));
                (rows.filter(Column::PulpId.eq(id)), condition)
            }
            // A repository stands for its latest version.
            Some(Reference::Object { kind, id }) if kind.table == "repository" => {
                let of_kind = repository::Column::PulpType.eq(kind.pulp_type.unwrap_or_default());
                let mut latest = sea_orm::sea_query::Query::select();
                latest.expr(Column::Number.max()).from(Entity).and_where(Column::RepositoryId.eq(id));
                latest.and_where(Column::Complete.eq(true));
                let number = Expr::SubQuery(None, Box::new(latest.take().into()));
                let rows = rows.filter(Column::RepositoryId.eq(id)).filter(of_kind);
                (rows, condition(Expr::val(id), number))
            }
            _ => return Err(bad_reference(name)),
        };
        Ok(Matched { condition, needs: vec![Need::one_of(name, rows)] })
    })
    .with_nothing()
}

fn object(name: &str, table: &str, value: &str, reader: &Reader<'_>) -> Result<Uuid> {
    match reader.links.parse(value) {
        Some(Reference::Object { kind, id }) if kind.table == table => Ok(id),
        _ => Err(bad_reference(name)),
    }
}

fn objects(name: &str, table: &str, values: Vec<&str>, reader: &Reader<'_>) -> Result<Vec<Uuid>> {
    values.into_iter().map(|value| object(name, table, value, reader)).collect()
}
