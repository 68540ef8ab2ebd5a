//! Content of one type, read as the struct that declares it; with all of its artifacts.

use std::marker::PhantomData;

use entities::content::{Column, Entity, Model};
use sea_orm::sea_query::{Asterisk, Expr, ExprTrait};
use sea_orm::{ColumnTrait, DbErr, FromQueryResult, QueryResult, QuerySelect, QueryTrait, Select};
use tasking::Content;
use utoipa::ToSchema;

use super::{Body, filters};
use crate::Result;
use crate::filter;
use crate::reader::Reader;
use crate::resource::Resource;
use crate::view::View;

/// How units of a type are read and shown: what they have in common, and the fields of `C`.
#[derive(Debug)]
pub struct Units<C>(PhantomData<fn() -> C>);

/// A unit.
#[derive(Clone, Debug)]
pub struct Row<C> {
    /// What all content has.
    pub content: Model,
    /// What is special to the type.
    pub details: C,
}

impl<C: FromQueryResult> FromQueryResult for Row<C> {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Row<C>, DbErr> {
        let content = Model::from_query_result(row, prefix)?;
        Ok(Row { content, details: C::from_query_result(row, prefix)? })
    }
}

impl<C> View for Units<C>
where
    C: Content + FromQueryResult + ToSchema + Sync,
{
    type Entity = Entity;
    type Row = Row<C>;
    type Body = Body<C>;

    fn select(rows: Select<Entity>) -> Select<Entity> {
        rows.expr(Expr::col((C::TYPE.table, Asterisk)))
    }

    async fn show(rows: Vec<Row<C>>, reader: &Reader<'_>) -> Result<Vec<Body<C>>> {
        super::show(rows.into_iter().map(|row| (row.content, row.details)).collect(), reader).await
    }
}

/// Content of one type. Filters and orders by columns of the type's own table are added with
/// [`Resource::with_text`].
pub fn resource<C>() -> Resource<Units<C>>
where
    C: Content + FromQueryResult + ToSchema + Sync,
{
    Resource { filters: filters(), ..Resource::new(C::TYPE.kind) }
        .with(|mut rows| {
            let own = Expr::col((C::TYPE.table, "content_id"));
            QueryTrait::query(&mut rows).inner_join(C::TYPE.table, own.eq(Column::PulpId.into_expr()));
            rows
        })
        .ordered_by([
            ("pulp_created", Column::PulpCreated),
            ("pulp_id", Column::PulpId),
            ("pulp_labels", Column::PulpLabels),
            ("pulp_last_updated", Column::PulpLastUpdated),
            ("pulp_type", Column::PulpType),
            ("timestamp_of_interest", Column::TimestampOfInterest),
        ])
}

impl<C> Resource<Units<C>>
where
    C: Content + FromQueryResult + ToSchema + Sync,
{
    /// Lets the list be filtered and ordered by a text column of the type's own table.
    #[must_use]
    pub fn with_text(mut self, column: &'static str) -> Self {
        let own = Expr::col((C::TYPE.table, column));
        self.filters.extend(filter::names_of(column, &own));
        self.orderings.push((column, own));
        self.orderings.sort_by_key(|(name, _)| *name);
        self
    }
}
